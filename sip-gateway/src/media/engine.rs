//! The media machine: commands, packets and time in; packets, events and recorded audio out.
//!
//! It only routes between the rooms. Whoever drives it owns the sockets and, after every input, first sends what
//! [`Engine::poll_transmit`] writes, then carries out what [`Engine::poll_output`] says, both until `None`.
//! A forwarded packet is rewritten in the receive buffer and returned by [`Engine::packet`] itself: nothing is
//! allocated, queued or copied for it.

mod receive;
mod serve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;

use super::dtmf::Digit;
use super::prompt::Player;
use super::record::{RecordCommand, Recording, Side};
use super::stream::{Playing, Splice, Stream};
use super::{MediaCommand, MediaEvent, Origin, Remote};
use crate::id::{CallId, StreamId};

pub use super::stream::LOST_AFTER;

/// Most streams at once; `Open` beyond it fails.
pub const STREAMS_MAX: usize = 16_384;

/// Shortest buffer that [`Engine::poll_transmit`] can write every packet into.
pub const BUFFER_MIN: usize = 256;

/// Time between ticks. Every stream has one of [`PHASES`] and is served each time its phase comes round, every
/// 20 ms; so many streams share one timer and yet don't all send in the same moment.
const TICK: Duration = Duration::from_millis(5);

/// Ticks in 20 ms.
const PHASES: u64 = 4;

/// Most ticks made up for at once (100 ms); older ones are left out and the timestamps step over them.
const LATE_TICKS_MAX: u64 = 20;

/// Place of a stream, so that a packet finds it without a search. Reused after the stream is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub usize);

/// Which socket of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The even one.
    Rtp,
    /// The next one.
    Rtcp,
}

/// A packet to send, written at the start of the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Stream that sends.
    pub slot: Slot,
    /// Socket it is sent from.
    pub port: Port,
    /// Where to.
    pub to: SocketAddr,
    /// Octets.
    pub length: usize,
}

/// What the engine wants done, beside packets.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Bind RTP at `local` and RTCP one port above. Answer a failure with [`Engine::bind_failed`].
    Bind {
        /// The stream's place.
        slot: Slot,
        /// Address of RTP.
        local: SocketAddr,
    },
    /// Close both sockets, after sending the last report.
    Unbind {
        /// The stream's place.
        slot: Slot,
        /// RTCP with BYE, and where to.
        goodbye: Option<(SocketAddr, Vec<u8>)>,
    },
    /// Tell the gateway.
    Event(MediaEvent),
    /// Tell the recorder.
    Record(RecordCommand),
}

/// What happened to packets, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Relayed from one peer to another.
    pub forwarded: u64,
    /// Silence and prompt frames sent.
    pub generated: u64,
    /// RTCP packets sent.
    pub reports: u64,
    /// Dropped: not RTP or not RTCP.
    pub malformed: u64,
    /// Dropped: from an address that isn't the locked source, or for a stream without SDP.
    pub foreign: u64,
    /// Dropped: SSRC or sequence number out of the blue.
    pub unproven: u64,
    /// Dropped: comfort noise, or a payload type that was not negotiated.
    pub payload_type: u64,
    /// Good, but nobody to relay it to.
    pub unheard: u64,
    /// Written but not taken by the system's send buffer.
    pub unsent: u64,
    /// `SetRemote` with an address of our own, multicast or none: such a peer is sent nothing.
    pub refused_remotes: u64,
}

/// The media machine.
#[derive(Debug)]
pub struct Engine {
    streams: Vec<Option<Stream>>,
    slots: BTreeMap<StreamId, Slot>,
    free: BTreeSet<Slot>,
    /// Where we listen: relaying there would feed us our own packets.
    own: BTreeSet<SocketAddr>,
    /// Where each stream sends to, so that a new address of ours is held against it without asking every stream.
    destinations: BTreeSet<(SocketAddr, Slot)>,
    /// Number of the next tick since the start.
    next_tick: u64,
    due: VecDeque<Due>,
    outputs: VecDeque<Output>,
    rng: ChaCha20Rng,
    counters: Counters,
}

/// A packet that is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    Frame { slot: Slot, at: Duration },
    Report { slot: Slot, now: Duration },
}

impl Engine {
    /// An engine without streams. `own`: where else this process listens (SIP); nothing is relayed there.
    /// `rng`: for report intervals and names.
    pub fn new(own: impl IntoIterator<Item = SocketAddr>, rng: ChaCha20Rng) -> Self {
        Self {
            streams: Vec::new(),
            slots: BTreeMap::new(),
            free: BTreeSet::new(),
            own: own.into_iter().collect(),
            destinations: BTreeSet::new(),
            next_tick: 0,
            due: VecDeque::new(),
            outputs: VecDeque::new(),
            rng,
            counters: Counters::default(),
        }
    }

    /// Carries out a command. One that names an unknown stream changes nothing.
    pub fn handle_command(&mut self, command: MediaCommand, now: Duration) {
        match command {
            MediaCommand::Open { stream, local, origin } => self.open(stream, local, origin, now),
            MediaCommand::SetRemote { stream, remote } => self.set_remote(stream, remote, now),
            MediaCommand::Silence { stream, on } => {
                if let Some(stream) = self.stream_mut(stream) {
                    stream.silence = on;
                }
            }
            MediaCommand::Splice { call, customer, agent, answered_at, record } => {
                self.splice(call, (customer, agent), answered_at, record, now);
            }
            MediaCommand::HandOver { call, customer, agent } => {
                self.hand_over(call, (customer, agent), now);
            }
            MediaCommand::Unsplice { call, customer, agent } => {
                let spliced = |slot: &Slot| {
                    self.at(*slot).and_then(|stream| stream.splice).is_some_and(|splice| splice.call == call)
                };
                let slots = [customer, agent].map(|stream| self.slots.get(&stream).copied());
                for slot in slots.into_iter().flatten().filter(spliced).collect::<Vec<_>>() {
                    self.part(slot, now);
                }
            }
            MediaCommand::Digit { stream, digit } => self.press(stream, digit),
            MediaCommand::Play { call, stream, prompt } => {
                if let Some(stream) = self.stream_mut(stream) {
                    stream.playing = Some(Playing { call, player: Player::new(prompt) });
                }
            }
            MediaCommand::Close { stream } => self.close(stream, now),
        }
    }

    /// Closes every stream, as on the way down.
    pub fn close_all(&mut self, now: Duration) {
        while let Some((stream, _)) = self.slots.first_key_value() {
            self.close(*stream, now);
        }
    }

    /// The sockets asked for by [`Output::Bind`] can't be had.
    pub fn bind_failed(&mut self, slot: Slot) {
        if let Some(stream) = self.streams.get_mut(slot.0).and_then(Option::take) {
            self.forget(&stream, slot);
            self.outputs.push_back(Output::Event(MediaEvent::OpenFailed { stream: stream.id }));
        }
    }

    /// A packet could not be sent. RTP isn't sent twice.
    pub fn send_failed(&mut self) {
        self.counters.unsent += 1;
    }

    /// Takes a received datagram. What is returned is to be sent: it stands at the start of `datagram`.
    pub fn packet(
        &mut self,
        slot: Slot,
        port: Port,
        from: SocketAddr,
        datagram: &mut [u8],
        now: Duration,
    ) -> Option<Transmit> {
        match port {
            Port::Rtp => self.rtp(slot, from, datagram, now),
            Port::Rtcp => {
                self.rtcp(slot, from, datagram, now);
                None
            }
        }
    }

    /// When [`Engine::handle_timeout`] is wanted next; `None` while there are no streams.
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.slots.is_empty()).then(|| tick_time(self.next_tick))
    }

    /// Serves the ticks up to `now`. Calling it early or late does no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        let present = (now.as_micros() / TICK.as_micros()) as u64;
        if self.slots.is_empty() {
            self.next_tick = present + 1;
            return;
        }
        self.next_tick = self.next_tick.max(present.saturating_sub(LATE_TICKS_MAX));
        while self.next_tick <= present {
            self.tick(self.next_tick, now);
            self.next_tick += 1;
        }
    }

    /// Writes the next packet that is due into `buffer`, which must hold [`BUFFER_MIN`] octets.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Transmit> {
        while let Some(due) = self.due.pop_front() {
            let transmit = match due {
                Due::Frame { slot, at } => self.write_frame(slot, buffer, at),
                Due::Report { slot, now } => self.write_report(slot, buffer, now),
            };
            if transmit.is_some() {
                return transmit;
            }
        }
        None
    }

    /// What else is to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What happened to packets so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Streams that are open.
    pub fn streams(&self) -> usize {
        self.slots.len()
    }

    fn open(&mut self, id: StreamId, local: SocketAddr, origin: Origin, now: Duration) {
        let taken = own_addresses(local).any(|own| self.own.contains(&own));
        if self.slots.len() >= STREAMS_MAX || self.slots.contains_key(&id) || taken {
            self.outputs.push_back(Output::Event(MediaEvent::OpenFailed { stream: id }));
            return;
        }
        if self.slots.is_empty() {
            self.next_tick = (now.as_micros() / TICK.as_micros()) as u64 + 1;
        }
        let slot = self.free.pop_first().unwrap_or(Slot(self.streams.len()));
        if slot.0 == self.streams.len() {
            self.streams.push(None);
        }
        for own in own_addresses(local) {
            self.own.insert(own);
            // A peer that was said to be here can't be: this is us.
            let here = self.destinations.range((own, Slot(0))..=(own, Slot(usize::MAX)));
            for slot in here.map(|(_, slot)| *slot).collect::<Vec<_>>() {
                if let Some(stream) = self.at_mut(slot) {
                    stream.peer = None;
                    self.counters.refused_remotes += 1;
                }
                self.note_destination(slot);
            }
        }
        if let Some(place) = self.streams.get_mut(slot.0) {
            *place = Some(Stream::new(id, local, origin, &mut self.rng, now));
        }
        self.slots.insert(id, slot);
        self.outputs.push_back(Output::Bind { slot, local });
    }

    fn set_remote(&mut self, id: StreamId, remote: Remote, now: Duration) {
        let address = remote.address;
        let refused = self.own.contains(&address)
            || address.port() == 0
            || address.ip().is_unspecified()
            || address.ip().is_multicast();
        let Some(slot) = self.slots.get(&id).copied() else { return };
        if let Some(stream) = self.at_mut(slot) {
            if refused {
                stream.peer = None;
                self.counters.refused_remotes += 1;
            } else {
                stream.set_remote(remote, now);
            }
        }
        self.note_destination(slot);
    }

    /// Where a stream sends to may have changed.
    fn note_destination(&mut self, slot: Slot) {
        let Some(stream) = self.streams.get_mut(slot.0).and_then(Option::as_mut) else { return };
        let destination = stream.peer.as_ref().map(|peer| peer.source.destination());
        let known = std::mem::replace(&mut stream.destination, destination);
        if known == destination {
            return;
        }
        if let Some(known) = known {
            self.destinations.remove(&(known, slot));
        }
        if let Some(destination) = destination {
            self.destinations.insert((destination, slot));
        }
    }

    fn splice(
        &mut self,
        call: CallId,
        (customer, agent): (StreamId, StreamId),
        answered_at: Duration,
        record: Option<PathBuf>,
        now: Duration,
    ) {
        let (Some(&customer), Some(&agent)) = (self.slots.get(&customer), self.slots.get(&agent)) else {
            return;
        };
        if customer == agent {
            return;
        }
        self.part(customer, now);
        self.part(agent, now);
        let unheard = ![customer, agent].iter().any(|side| self.at(*side).is_some_and(Stream::is_heard));
        if let Some(stream) = self.at_mut(customer) {
            stream.splice = Some(Splice {
                call,
                other: agent,
                side: Side::Customer,
                answered_at: Some(answered_at),
                unheard,
            });
            stream.recording = record.is_some().then(|| Box::new(Recording::new(call, now)));
        }
        if let Some(stream) = self.at_mut(agent) {
            stream.splice =
                Some(Splice { call, other: customer, side: Side::Agent, answered_at: None, unheard });
        }
        if let Some(path) = record {
            self.outputs.push_back(Output::Record(RecordCommand::Open { call, path }));
        }
    }

    /// Splices the customer with another agent. The first one was heard, and the recording is kept.
    fn hand_over(&mut self, call: CallId, (customer, agent): (StreamId, StreamId), now: Duration) {
        let (Some(&customer), Some(&agent)) = (self.slots.get(&customer), self.slots.get(&agent)) else {
            return;
        };
        if customer == agent {
            return;
        }
        let recording = self.at_mut(customer).and_then(|stream| stream.recording.take());
        self.part(customer, now);
        self.part(agent, now);
        let unheard = ![customer, agent].iter().any(|side| self.at(*side).is_some_and(Stream::is_heard));
        if let Some(stream) = self.at_mut(customer) {
            stream.splice =
                Some(Splice { call, other: agent, side: Side::Customer, answered_at: None, unheard });
            stream.recording = recording;
        }
        if let Some(stream) = self.at_mut(agent) {
            stream.splice =
                Some(Splice { call, other: customer, side: Side::Agent, answered_at: None, unheard });
        }
    }

    /// A key of the stream's peer, for whoever hears it and takes telephone events.
    fn press(&mut self, from: StreamId, digit: Digit) {
        let Some(stream) = self.stream_mut(from) else { return };
        let told = stream.peer.as_ref().is_some_and(|peer| peer.sends_events);
        let Some(splice) = stream.splice.filter(|_| !told) else { return };
        let Some(other) = self.at_mut(splice.other) else { return };
        let takes = other.listener().is_some_and(|peer| peer.remote.telephone_event.is_some());
        if takes && other.playing.is_none() {
            other.keys.press(digit);
        }
    }

    /// Ends the splice that the stream is in, on both sides, and its recording.
    fn part(&mut self, slot: Slot, now: Duration) {
        let Some(splice) = self.at_mut(slot).and_then(|stream| stream.splice.take()) else {
            return;
        };
        for slot in [slot, splice.other] {
            let Some(stream) = self.at_mut(slot) else {
                continue;
            };
            stream.splice = None;
            stream.keys.clear();
            stream.outgoing.end_relay();
            if let Some(mut recording) = stream.recording.take() {
                let call = recording.call();
                while let Some(samples) = recording.last_stretch(now) {
                    self.outputs.push_back(Output::Record(RecordCommand::Samples { call, samples }));
                }
                self.outputs.push_back(Output::Record(RecordCommand::Close { call }));
            }
        }
    }

    fn close(&mut self, id: StreamId, now: Duration) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        self.part(slot, now);
        let Some(mut stream) = self.streams.get_mut(slot.0).and_then(Option::take) else {
            return;
        };
        self.forget(&stream, slot);
        let goodbye = stream.goodbye(now);
        self.counters.reports += u64::from(goodbye.is_some());
        self.outputs.push_back(Output::Unbind { slot, goodbye });
    }

    fn forget(&mut self, stream: &Stream, slot: Slot) {
        self.slots.remove(&stream.id);
        self.free.insert(slot);
        if let Some(destination) = stream.destination {
            self.destinations.remove(&(destination, slot));
        }
        for own in own_addresses(stream.local) {
            self.own.remove(&own);
        }
    }

    fn at(&self, slot: Slot) -> Option<&Stream> {
        self.streams.get(slot.0)?.as_ref()
    }

    fn at_mut(&mut self, slot: Slot) -> Option<&mut Stream> {
        self.streams.get_mut(slot.0)?.as_mut()
    }

    fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let slot = *self.slots.get(&id)?;
        self.at_mut(slot)
    }
}

fn tick_time(tick: u64) -> Duration {
    Duration::from_micros(tick.saturating_mul(TICK.as_micros() as u64))
}

/// Both addresses a stream listens on.
fn own_addresses(local: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let rtcp = local.port().checked_add(1).map(|port| SocketAddr::new(local.ip(), port));
    [Some(local), rtcp].into_iter().flatten()
}

#[cfg(test)]
mod tests;
