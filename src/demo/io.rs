//! Gives parties sockets, a clock and a thread: SIP in and out, RTP both ways, and a report of what was heard.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};

use super::audio::Heard;
use super::party::{Ending, Event, Media, Output, Party, Sound};
use super::voice::{PACKET_TIME, Tally, Voice};

/// Most datagrams read from one socket before the others get their turn.
const READ_BUDGET: usize = 32;
/// Most lines that are kept for the report; further ones are played but not reported.
pub const LINES_MAX: usize = 100_000;
/// Most ports tried for one RTP pair.
const PORT_TRIES: u32 = 1_000;
const DATAGRAM_MAX: usize = 65_535;

/// A party with its sockets.
pub struct Seat<P> {
    /// The machine.
    pub party: P,
    /// Its SIP socket.
    pub sip: UdpSocket,
    /// Its RTP sockets.
    pub media: Vec<MediaSocket>,
}

/// An RTP socket on an even port, and the RTCP socket beside it, which is held so that nobody else gets the port.
pub struct MediaSocket {
    /// Address of the RTP socket.
    pub address: SocketAddr,
    rtp: UdpSocket,
    _rtcp: UdpSocket,
}

/// What became of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineReport {
    /// Index of the party.
    pub seat: usize,
    /// The called number or user.
    pub called: String,
    /// What it said last.
    pub sound: Option<Sound>,
    /// When the 200 was sent.
    pub answered_at: Option<Duration>,
    /// When it ended, and how; `None` while it is up.
    pub ended: Option<(Duration, Ending)>,
    /// Audio of its answered part and early media.
    pub tally: Tally,
}

/// A running thread.
pub struct Shell {
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: JoinHandle<Vec<LineReport>>,
}

impl Shell {
    /// Plays `seats` in a thread of its own. `clock` is the start of time; `on_heard` is called for every tenth of a second
    /// of audible sound with party, line and time.
    pub fn spawn<P: Party + Send + 'static>(
        name: &str,
        seats: Vec<Seat<P>>,
        clock: Instant,
        on_heard: fn(&mut P, u64, Heard, Duration),
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut players = Vec::with_capacity(seats.len());
        let mut places = Vec::new();
        for (index, mut seat) in seats.into_iter().enumerate() {
            poll.registry().register(&mut seat.sip, Token(places.len()), Interest::READABLE)?;
            places.push((index, None));
            for (socket, media) in seat.media.iter_mut().enumerate() {
                poll.registry().register(&mut media.rtp, Token(places.len()), Interest::READABLE)?;
                places.push((index, Some(socket)));
            }
            players.push(Player { seat, voices: BTreeMap::new() });
        }
        let waker = Waker::new(poll.registry(), Token(places.len()))?;
        let stopped = Arc::clone(&stop);
        let stage = Stage { players, places, lines: BTreeMap::new(), clock, on_heard };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || stage.play(poll, &stopped))?;
        Ok(Self { stop, waker, thread })
    }

    /// Ends the thread and takes its report, by party and line.
    pub fn stop(self) -> Vec<LineReport> {
        self.stop.store(true, Ordering::Relaxed);
        // Without the wake-up the thread would notice at its next timer.
        let _ = self.waker.wake();
        self.thread.join().unwrap_or_default()
    }
}

/// A SIP socket on a free port.
pub fn bind_sip(ip: IpAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(SocketAddr::new(ip, 0))
}

/// `count` pairs of free ports for RTP and RTCP.
pub fn bind_media(ip: IpAddr, count: usize) -> io::Result<Vec<MediaSocket>> {
    (0..count).map(|_| bind_pair(ip)).collect()
}

fn bind_pair(ip: IpAddr) -> io::Result<MediaSocket> {
    for _ in 0..PORT_TRIES {
        let first = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        let address = first.local_addr()?;
        // RFC 3550 §11: RTP on the even port, RTCP on the next one.
        let (rtp_port, other) = match address.port() {
            port if port % 2 == 0 => (port, port.checked_add(1)),
            port => (port - 1, Some(port - 1)),
        };
        let Some(second) = other.and_then(|port| UdpSocket::bind(SocketAddr::new(ip, port)).ok()) else {
            continue;
        };
        let (rtp, rtcp) = if address.port() == rtp_port { (first, second) } else { (second, first) };
        return Ok(MediaSocket { address: SocketAddr::new(ip, rtp_port), rtp, _rtcp: rtcp });
    }
    Err(io::Error::new(ErrorKind::AddrInUse, "no pair of free UDP ports for RTP"))
}

struct Player<P> {
    seat: Seat<P>,
    /// By media socket.
    voices: BTreeMap<usize, (u64, Voice)>,
}

struct Stage<P> {
    players: Vec<Player<P>>,
    /// By token: the player, and the media socket or SIP.
    places: Vec<(usize, Option<usize>)>,
    lines: BTreeMap<(usize, u64), LineReport>,
    clock: Instant,
    on_heard: fn(&mut P, u64, Heard, Duration),
}

impl<P: Party> Stage<P> {
    fn play(mut self, mut poll: Poll, stop: &AtomicBool) -> Vec<LineReport> {
        let mut events = Events::with_capacity(256);
        let mut readable: VecDeque<usize> = VecDeque::new();
        let mut buffer = vec![0_u8; DATAGRAM_MAX];
        loop {
            self.drain();
            if stop.load(Ordering::Relaxed) {
                return self.report();
            }
            let wait = if readable.is_empty() { self.wait() } else { Some(Duration::ZERO) };
            match poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "a simulated party lost its sockets");
                    return self.report();
                }
            }
            for event in &events {
                let place = event.token().0;
                if place < self.places.len() && !readable.contains(&place) {
                    readable.push_back(place);
                }
            }
            for _ in 0..readable.len() {
                let Some(place) = readable.pop_front() else { break };
                if self.read(place, &mut buffer) {
                    readable.push_back(place);
                }
            }
            self.timers();
        }
    }

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn wait(&self) -> Option<Duration> {
        let now = self.now();
        let timers = self.players.iter().filter_map(|player| player.seat.party.poll_timeout());
        let voices =
            self.players.iter().flat_map(|player| player.voices.values()).map(|(_, voice)| voice.due());
        timers.chain(voices).min().map(|at| at.saturating_sub(now))
    }

    /// Reads one socket; whether there may be more.
    fn read(&mut self, place: usize, buffer: &mut [u8]) -> bool {
        let Some(&(index, socket)) = self.places.get(place) else { return false };
        for _ in 0..READ_BUDGET {
            let now = self.clock.elapsed();
            let Some(player) = self.players.get_mut(index) else { return false };
            let received = match socket {
                None => player.seat.sip.recv_from(buffer),
                Some(socket) => match player.seat.media.get(socket) {
                    Some(media) => media.rtp.recv_from(buffer),
                    None => return false,
                },
            };
            let (length, from) = match received {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // An ICMP answer to something sent before; the next datagram is fine.
                Err(_) => continue,
            };
            let datagram = buffer.get(..length).unwrap_or_default();
            match socket {
                None => {
                    player.seat.party.datagram(datagram, from, now);
                    self.drain();
                }
                Some(socket) => {
                    if let Some((line, voice)) = player.voices.get_mut(&socket)
                        && let Some(heard) = voice.receive(datagram, now)
                        && heard != Heard::Silence
                    {
                        (self.on_heard)(&mut player.seat.party, *line, heard, now);
                    }
                }
            }
        }
        true
    }

    fn timers(&mut self) {
        let now = self.now();
        for player in &mut self.players {
            if player.seat.party.poll_timeout().is_some_and(|at| at <= now) {
                player.seat.party.handle_timeout(now);
            }
            for (socket, (_, voice)) in &mut player.voices {
                if let Some((to, packet)) = voice.packet(now)
                    && let Some(media) = player.seat.media.get(*socket)
                {
                    // A full socket buffer loses the packet, as a network would.
                    let _ = media.rtp.send_to(&packet, to);
                }
            }
        }
    }

    fn drain(&mut self) {
        let now = self.now();
        for index in 0..self.players.len() {
            while let Some(output) =
                self.players.get_mut(index).and_then(|player| player.seat.party.poll_output())
            {
                let Some(player) = self.players.get_mut(index) else { break };
                match output {
                    Output::Transmit { to, bytes } => {
                        let _ = player.seat.sip.send_to(&bytes, to);
                    }
                    Output::Media(order) => self.media(index, order, now),
                    Output::Event(event) => self.note(index, event, now),
                }
            }
        }
    }

    fn media(&mut self, index: usize, order: Media, now: Duration) {
        let Some(player) = self.players.get_mut(index) else { return };
        match order {
            Media::Start { line, local, remote, payload, sound } => {
                if let Some(socket) = player.seat.media.iter().position(|media| media.address == local) {
                    // On the grid of 20 ms all lines of a thread share one wake-up.
                    let grid = PACKET_TIME.as_micros();
                    let next = Duration::from_micros((now.as_micros().div_ceil(grid) * grid) as u64);
                    let ssrc = (line as u32).wrapping_mul(0x9e37_79b9).wrapping_add(index as u32);
                    player.voices.insert(socket, (line, Voice::new(remote, payload, sound, ssrc, next)));
                }
                self.line(index, line, |report| report.sound = Some(sound));
            }
            Media::Sound { line, sound } => {
                if let Some((_, voice)) = player.voices.values_mut().find(|(of, _)| *of == line) {
                    voice.change(sound);
                }
                self.line(index, line, |report| report.sound = Some(sound));
            }
            Media::Stop { line } => {
                let socket = player.voices.iter().find(|(_, (of, _))| *of == line).map(|(socket, _)| *socket);
                if let Some((_, voice)) = socket.and_then(|socket| player.voices.remove(&socket)) {
                    self.line(index, line, |report| report.tally = voice.tally().clone());
                }
            }
        }
    }

    fn note(&mut self, index: usize, event: Event, now: Duration) {
        match event {
            Event::Arrived { line, called } => {
                if self.lines.len() < LINES_MAX {
                    let report = LineReport {
                        seat: index,
                        called,
                        sound: None,
                        answered_at: None,
                        ended: None,
                        tally: Tally::default(),
                    };
                    self.lines.insert((index, line), report);
                }
            }
            Event::Answered { line, .. } => self.line(index, line, |report| report.answered_at = Some(now)),
            Event::Ended { line, ending } => {
                self.line(index, line, |report| report.ended = Some((now, ending)))
            }
            Event::RegisterFailed { status } => {
                tracing::warn!(party = index, status, "a simulated phone can't register")
            }
            Event::Ringing { .. } | Event::Registered => {}
        }
    }

    fn line(&mut self, index: usize, line: u64, change: impl FnOnce(&mut LineReport)) {
        if let Some(report) = self.lines.get_mut(&(index, line)) {
            change(report);
        }
    }

    fn report(mut self) -> Vec<LineReport> {
        for (index, player) in self.players.iter().enumerate() {
            for (line, voice) in player.voices.values() {
                if let Some(report) = self.lines.get_mut(&(index, *line)) {
                    report.tally = voice.tally().clone();
                }
            }
        }
        self.lines.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
