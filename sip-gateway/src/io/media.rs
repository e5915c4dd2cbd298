//! The RTP thread: one epoll loop over all RTP and RTCP sockets, driving [`Engine`].
//!
//! One thread serves every stream, so a splice never crosses threads and a forwarded packet costs one receive
//! and one send. In order of priority, each turn of the loop serves ticks that are due, commands (a splice is to
//! catch the very next packet), then sockets that have packets.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Poll, Token, Waker};
use rand_chacha::ChaCha20Rng;
use thiserror::Error;

use super::pairs::Pairs;
use super::recorder::Recorder;
use crate::media::engine::{Counters, Engine, Output, Port, Slot, Transmit};
use crate::media::{MediaCommand, MediaEvent};

/// Commands that may wait for the thread.
pub const COMMANDS_MAX: usize = 8_192;

/// Most packets taken from one socket in a turn, so that a flood there starves nobody.
const PACKETS_PER_TURN: usize = 32;

/// Most commands carried out in a turn.
const COMMANDS_PER_TURN: usize = 256;

/// Most sockets told ready by one wait; the others are told by the next.
const READY_PER_WAIT: usize = 1_024;

/// Longest datagram taken: more than any Ethernet frame. What is longer is cut and no RTP of ours.
const DATAGRAM_MAX: usize = 2_048;

/// How often counters are shown to other threads.
const COUNTERS_EVERY: Duration = Duration::from_millis(500);

/// [`Pairs`] counts from 1.
const WAKER: Token = Token(0);

/// Hears what the media threads tell. Called on those threads: it must not block.
pub type Events = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// What the RTP thread must know before it starts.
#[derive(Clone, Debug)]
pub struct MediaOptions {
    /// Zero of the clock in which `answered_at` is given.
    pub clock_start: Instant,
    /// Where else this process listens (SIP): nothing is relayed there.
    pub own: Vec<SocketAddr>,
    /// For RTCP intervals and names.
    pub rng: ChaCha20Rng,
    /// Streams for which there may be sockets at a time, two each: what is kept of ended ones gives way.
    pub streams_max: usize,
}

/// The thread has more commands waiting than it can ever need: it hangs.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the RTP thread does not take commands")]
pub struct MediaBusy;

/// The near end of the RTP thread. Dropping it stops the thread without waiting.
#[derive(Debug)]
pub struct MediaHandle {
    commands: SyncSender<Message>,
    waker: Arc<Waker>,
    counters: Arc<Mutex<Counters>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Command(MediaCommand),
    Stop,
}

/// Starts the RTP thread and the recorder thread.
pub fn spawn(options: MediaOptions, events: Events) -> io::Result<MediaHandle> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
    let (commands, inbox) = sync_channel(COMMANDS_MAX);
    let counters = Arc::new(Mutex::new(Counters::default()));
    let recorder = Recorder::spawn(Arc::clone(&events))?;
    let thread = MediaThread {
        poll,
        clock_start: options.clock_start,
        engine: Engine::new(options.own, options.rng),
        pairs: Pairs::new(options.streams_max),
        again: VecDeque::new(),
        inbox,
        commands_again: false,
        events,
        recorder,
        counters: Arc::clone(&counters),
        counters_at: Duration::ZERO,
        buffer: vec![0; DATAGRAM_MAX],
    };
    let thread = std::thread::Builder::new().name("carillon-rtp".into()).spawn(move || thread.run())?;
    Ok(MediaHandle { commands, waker, counters, thread: Some(thread) })
}

impl MediaHandle {
    /// Hands a command over, in order. Never blocks. It is carried out after the next [`MediaHandle::wake`] at the
    /// latest, so that a turn's commands wake the thread once.
    pub fn send(&self, command: MediaCommand) -> Result<(), MediaBusy> {
        self.commands.try_send(Message::Command(command)).map_err(|_| MediaBusy)
    }

    /// What happened to packets, not older than half a second while there are streams.
    pub fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all streams and recordings, waits until everything is written, and stops both threads.
    pub fn stop(mut self) {
        let _ = self.commands.send(Message::Stop);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Has the commands sent so far carried out now.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the RTP thread could not be woken");
        }
    }
}

impl Drop for MediaHandle {
    fn drop(&mut self) {
        // A full queue or a thread that is gone: then it stops by itself, for nobody holds the queue any more.
        let _ = self.commands.try_send(Message::Stop);
        self.wake();
    }
}

/// The far end.
struct MediaThread {
    poll: Poll,
    clock_start: Instant,
    engine: Engine,
    pairs: Pairs,
    /// Sockets whose budget ended before their packets; readiness is told once only.
    again: VecDeque<(Slot, Port)>,
    inbox: Receiver<Message>,
    /// The inbox may hold more than the last turn took.
    commands_again: bool,
    events: Events,
    recorder: Recorder,
    counters: Arc<Mutex<Counters>>,
    counters_at: Duration,
    buffer: Vec<u8>,
}

impl MediaThread {
    fn run(mut self) {
        let mut ready = mio::Events::with_capacity(READY_PER_WAIT);
        loop {
            match self.poll.poll(&mut ready, self.patience()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the RTP thread can't wait for packets and stops");
                    break;
                }
            }
            self.serve_ticks();
            if self.serve_commands() {
                break;
            }
            for (slot, port) in std::mem::take(&mut self.again) {
                self.serve_socket(slot, port);
            }
            for event in &ready {
                // The waker only ends the wait, and what reaches a kept pair is nobody's.
                if let Some((slot, port)) = self.pairs.owner(event.token()) {
                    self.serve_socket(slot, port);
                }
            }
        }
        self.engine.close_all(self.clock_start.elapsed());
        self.carry_out();
        self.show_counters();
        self.recorder.stop();
    }

    /// How long to wait for packets.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() || self.commands_again {
            return Some(Duration::ZERO);
        }
        let now = self.clock_start.elapsed();
        self.engine.poll_timeout().map(|at| at.saturating_sub(now))
    }

    fn serve_ticks(&mut self) {
        let now = self.clock_start.elapsed();
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
            self.carry_out();
            self.recorder.retry();
            if now.saturating_sub(self.counters_at) >= COUNTERS_EVERY {
                self.counters_at = now;
                self.show_counters();
            }
        }
    }

    fn serve_socket(&mut self, slot: Slot, port: Port) {
        let Some(socket) = self.pairs.socket(slot, port) else {
            return;
        };
        let mut drained = false;
        for _ in 0..PACKETS_PER_TURN {
            let (length, from) = match socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drained = true;
                    break;
                }
                // What an earlier packet met on its way (ICMP); this socket is as good as before.
                Err(_) => continue,
            };
            let now = self.clock_start.elapsed();
            let datagram = self.buffer.get_mut(..length).unwrap_or_default();
            if let Some(transmit) = self.engine.packet(slot, port, from, datagram, now) {
                send(&self.pairs, &mut self.engine, &transmit, &self.buffer);
            }
        }
        if !drained {
            self.again.push_back((slot, port));
        }
        self.carry_out();
    }

    /// Returns whether the thread is to stop.
    fn serve_commands(&mut self) -> bool {
        self.commands_again = true;
        for _ in 0..COMMANDS_PER_TURN {
            match self.inbox.try_recv() {
                Ok(Message::Command(command)) => {
                    self.engine.handle_command(command, self.clock_start.elapsed());
                    self.carry_out();
                }
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => {
                    self.commands_again = false;
                    break;
                }
            }
        }
        false
    }

    fn carry_out(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit(&mut self.buffer) {
            send(&self.pairs, &mut self.engine, &transmit, &self.buffer);
        }
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Bind { slot, local } => self.bind(slot, local),
                Output::Unbind { slot, goodbye } => {
                    if let (Some(rtcp), Some((to, report))) = (self.pairs.socket(slot, Port::Rtcp), goodbye) {
                        // The last word of a stream that is gone; nobody could do anything about a failure.
                        let _ = rtcp.send_to(&report, to);
                    }
                    self.pairs.unbind(slot, self.poll.registry());
                }
                Output::Event(event) => (self.events)(event),
                Output::Record(command) => self.recorder.push(command),
            }
        }
    }

    fn bind(&mut self, slot: Slot, local: SocketAddr) {
        if let Err(error) = self.pairs.bind(slot, local, self.poll.registry()) {
            tracing::warn!(%error, address = %local, "RTP ports could not be bound");
            self.engine.bind_failed(slot);
        }
    }

    fn show_counters(&self) {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = self.engine.counters();
    }
}

fn send(pairs: &Pairs, engine: &mut Engine, transmit: &Transmit, buffer: &[u8]) {
    let Some(socket) = pairs.socket(transmit.slot, transmit.port) else {
        return;
    };
    let datagram = buffer.get(..transmit.length).unwrap_or_default();
    if socket.send_to(datagram, transmit.to).is_err() {
        engine.send_failed();
    }
}

#[cfg(test)]
mod tests;
