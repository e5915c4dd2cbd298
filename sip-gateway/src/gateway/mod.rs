//! The gateway: routes datagrams, commands and media events to the rooms that own them.
//!
//! Doors in ([`Gateway::command`], [`Gateway::datagram`], [`Gateway::media`], [`Gateway::resolved`], [`Gateway::signed`]), one out
//! ([`Gateway::poll_output`]) and one for time ([`Gateway::poll_timeout`], [`Gateway::handle_timeout`]).
//! After each call on a door, drain `poll_output` and then ask `poll_timeout` again.
//!
//! Rooms: `calls` (towards trunks), `queue` (for a trunk's rate), `divert` (on to the next trunk), `incoming` (from trunks), `agents` (towards phones), `devices` (which phone of
//! an agent), `join` (splices), `consult` (a colleague is asked), `transfer`, `texts` (MESSAGE within calls), `takeover` (a call changes its phone), `phones` (REGISTER of phones),
//! `ladders` (what is written down of calls), `trunks` (REGISTER with trunks), `places` (where trunks are), `numbers` (what calls show), `identity` (who calls, signed), `orphans`, `stray` (requests outside dialogs), `streams`, `ports`, `names`,
//! `timers`, `counters`.

mod agents;
mod calls;
mod consult;
pub mod counters;
mod datagrams;
mod devices;
mod divert;
mod identity;
mod incoming;
mod join;
mod ladders;
mod legs;
pub mod names;
mod numbers;
mod orphans;
mod phones;
mod places;
pub mod ports;
mod queue;
pub mod stray;
mod streams;
mod takeover;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod texts;
mod timers;
mod transfer;
mod trunks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;

use crate::command::Command;
use crate::decoded::Decoded;
use crate::event::{Event, Room, TrunkRoom, TrunkState};
use crate::fingerprint::{ByText, Fingerprints};
use crate::id::{CallId, OfferId, StreamId};
use crate::keyed::Keyed;
use crate::ladder::Ladders;
use crate::leg::LegId;
use crate::leg::orphan::Orphan;
use crate::leg::wire::Wire;
use crate::media::{MediaCommand, MediaEvent};
use crate::options::Options;
use crate::passport::SignRequest;
use crate::registrar::Registrar;
use crate::registrar::flood::Flood;
use crate::registrar::guesses::Guesses;
use crate::resolve::Question;
use crate::resolve::machine::Resolver;
use crate::transaction::{Layer, LayerOptions, TagMaker, Tally};
use crate::transport::{Local, Transport};
use crate::trunk::Trunk;
use crate::trunk::registration::Registration;
use crate::trunk::tally::{TrunkCaps, TrunkTally};
use agents::Agent;
use calls::{Call, Wish};
use consult::Consultation;
use counters::Counters;
use incoming::Offer;
use legs::LegEntry;
use names::Names;
use ports::Ports;
use streams::Stream;
use takeover::Takeover;
use timers::{Timer, Timers};
use transfer::Transfer;

/// What the gateway wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a datagram, or a message over the connection to this address.
    Transmit {
        /// Destination.
        to: SocketAddr,
        /// Which of our listening addresses it leaves from.
        local: Local,
        /// The datagram.
        bytes: Bytes,
    },
    /// Tell whoever commands the gateway.
    Event(Event),
    /// Tell the media threads.
    Media(MediaCommand),
    /// Put this question to a nameserver; the answer goes to [`Gateway::resolved`].
    Resolve(Question),
    /// Have a trunk's service sign this; the answer goes to [`Gateway::signed`].
    Sign(SignRequest),
}

/// All SIP machines of one node.
pub struct Gateway {
    options: Options,
    wire: Wire,
    timers: Timers<Timer>,
    /// When each leg has waited long enough in its state.
    leg_timers: Timers<LegId>,
    outputs: VecDeque<Output>,
    trunks: Vec<Trunk>,
    /// Placed calls whose INVITE waits for the trunk's rate, in order.
    queues: Vec<VecDeque<CallId>>,
    calls: BTreeMap<CallId, Call>,
    /// Reservations that ended before they were placed.
    lapsed: BTreeSet<CallId>,
    /// Calls from outside that wait for the word whether they are taken.
    offers: BTreeMap<OfferId, Offer>,
    offers_made: u64,
    agents: BTreeMap<String, Agent>,
    /// How many of them are called for every customer.
    agents_per_call: usize,
    /// Fixed contacts of users.
    contacts: BTreeMap<String, (String, Transport, SocketAddr)>,
    /// Calls that are about to be handed over.
    transfers: BTreeMap<CallId, Transfer>,
    /// By the call that they are about.
    consultations: BTreeMap<CallId, Consultation>,
    /// By user.
    takeovers: BTreeMap<String, Takeover>,
    /// Boxed: legs are large and maps move what they hold.
    legs: Keyed<LegId, Box<LegEntry>>,
    legs_started: u64,
    /// Which leg a Call-ID belongs to.
    dialogs: ByText<LegId>,
    ladders: Ladders,
    streams: BTreeMap<StreamId, Stream>,
    /// How many of them are those of phones that are called for every customer.
    phones: usize,
    ports: Ports,
    registrar: Registrar,
    flood: Flood,
    guesses: Guesses,
    /// Connections whose peer has shown a trunk's certificate, with the name on it; as many as there are connections at most.
    proven: BTreeSet<(Local, SocketAddr, String)>,
    registrations: BTreeMap<usize, Registration>,
    resolver: Resolver,
    /// Addresses of trunks that are known by them.
    sources: BTreeSet<IpAddr>,
    orphans: BTreeMap<String, Orphan>,
    draining: bool,
    /// While set, all that is new is refused: come again after this time.
    shedding: Option<Duration>,
    /// While set, new calls of trunks are refused: come again after this time.
    holding: Option<Duration>,
    /// A timer runs after which what is new of numbers is told.
    numbers_due: bool,
    /// The time of day at zero, in seconds since 1970, as it was last told.
    started_at: Option<i64>,
    /// Until when the room is as it was last told; `None`: it may have changed.
    room_until: Option<Duration>,
}

impl Gateway {
    /// A gateway with no calls. `rng` must be seeded from the system's secure source outside tests.
    pub fn new(options: Options, rng: ChaCha20Rng, now: Duration) -> Self {
        let mut names = Names::new(rng);
        // Phones behind NAT that don't ask with `rport` are answered where they are all the same.
        let large_over = options.listen.iter().filter(|local| local.transport == Transport::Tcp);
        let large_over = large_over.map(|local| local.reached_at(options.media_address)).collect();
        let layer = LayerOptions { answer_to_source: true, large_over, ..LayerOptions::new(options.timers) };
        let secret = names.secret();
        let layer = Layer::new(layer, TagMaker::new(secret));
        let registrar = Registrar::new(&options, names.secret(), names.secret());
        let mut gateway = Self {
            wire: Wire::new(layer, names, options.timers),
            timers: Timers::new(),
            leg_timers: Timers::new(),
            outputs: VecDeque::new(),
            trunks: options.trunks.iter().cloned().map(Trunk::new).collect(),
            queues: options.trunks.iter().map(|_| VecDeque::new()).collect(),
            calls: BTreeMap::new(),
            lapsed: BTreeSet::new(),
            offers: BTreeMap::new(),
            offers_made: 0,
            agents: BTreeMap::new(),
            agents_per_call: 0,
            contacts: devices::contacts(&options.users),
            transfers: BTreeMap::new(),
            consultations: BTreeMap::new(),
            takeovers: BTreeMap::new(),
            legs: Keyed::new(),
            legs_started: 0,
            dialogs: ByText::new(Fingerprints::new(&secret)),
            ladders: Ladders::new(&secret),
            streams: BTreeMap::new(),
            phones: 0,
            ports: Ports::new(options.rtp_ports, options.streams_max),
            registrar,
            flood: Flood::default(),
            guesses: Guesses::default(),
            proven: BTreeSet::new(),
            registrations: BTreeMap::new(),
            resolver: Resolver::new(&options.listen, options.trunks.iter().map(|trunk| &trunk.place)),
            sources: BTreeSet::new(),
            orphans: BTreeMap::new(),
            draining: false,
            shedding: None,
            holding: None,
            numbers_due: false,
            started_at: None,
            room_until: None,
            options,
        };
        gateway.start_trunks(now);
        gateway.start_places(now);
        gateway
    }

    /// Takes one instruction.
    pub fn command(&mut self, command: Command, now: Duration) {
        self.room_changed();
        match command {
            Command::Reserve { call, number, first, trunks } => {
                self.reserve(call, Wish { number, trunks }, first.as_deref(), now);
            }
            Command::Budget { trunk, left } => {
                let named = self.trunks.iter_mut().find(|known| known.options.name == trunk);
                if let Some(known) = named {
                    known.allow_talk(left, now);
                }
            }
            Command::SpendBudget { trunk, left } => {
                let named = self.trunks.iter_mut().find(|known| known.options.name == trunk);
                if let Some(known) = named {
                    known.allow_spend(left);
                }
            }
            Command::Release { call } => self.release(call, now),
            Command::Place(place) => self.place(place, now),
            Command::Ring { offer, call } => self.ring(offer, call, now),
            Command::Refuse { offer, status } => self.refuse_offer(offer, status, now),
            Command::HangUp { call } => self.hang_up(call, "bye", now),
            Command::SignOn { user, leg } => self.sign_on(user, leg, now),
            Command::SignOff { user } => self.sign_off(&user, now),
            Command::Connect { call, user, record } => self.connect(call, user, record, now),
            Command::Disconnect { call } => self.disconnect(call, now),
            Command::PlayAndHangUp { call, prompt } => self.play_and_hang_up(call, prompt, now),
            Command::Adopt(orphan) => self.adopt(*orphan, now),
            Command::PreferDevice { user, device } => self.prefer_device(&user, device),
            Command::EndDevice { user, device } => self.end_device(&user, &device, now),
            Command::RestoreNumber(book) => self.restore_number(book, now),
            Command::RestoreBinding(binding) => self.restore_binding(binding, now),
            Command::EndSession { user, session } => self.end_session(&user, session, now),
            Command::Drain => self.drain(now),
        }
        self.settle(now);
    }

    /// Tells the time of day, in seconds since 1970; calls are signed with it. Cheap, so tell it often.
    pub fn note_time_of_day(&mut self, utc_s: i64, now: Duration) {
        self.started_at = i64::try_from(now.as_secs()).ok().and_then(|since| utc_s.checked_sub(since));
    }

    /// Takes one received datagram, or message of a stream; `local` is the listening address it came in on.
    pub fn datagram(&mut self, bytes: Bytes, from: SocketAddr, local: impl Into<Local>, now: Duration) {
        let local = local.into();
        self.decoded(Decoded::of(bytes, local.transport), from, local, now);
    }

    /// Takes one received datagram that has been read already.
    pub fn decoded(&mut self, datagram: Decoded, from: SocketAddr, local: Local, now: Duration) {
        self.receive(datagram, from, local, now);
        self.settle(now);
    }

    /// Takes one report of the media threads.
    pub fn media(&mut self, event: MediaEvent, now: Duration) {
        self.room_changed();
        match event {
            MediaEvent::OpenFailed { stream } => self.stream_refused(stream, now),
            MediaEvent::Lost { stream } => self.stream_lost(stream, now),
            MediaEvent::PromptFinished { call } => self.prompt_finished(call, now),
            MediaEvent::AgentHeard { call, after_answer } => {
                self.event(Event::AgentHeard { call, after_answer });
            }
            MediaEvent::PromptStarted { call } => self.event(Event::PromptStarted { call }),
            MediaEvent::Recorded { call, recording } => self.event(Event::Recorded { call, recording }),
        }
        self.settle(now);
    }

    /// Takes the report that nothing can be sent to `to` (RFC 3261 §18.4).
    pub fn transport_error(&mut self, to: SocketAddr, local: impl Into<Local>, now: Duration) {
        let local = local.into();
        self.wire.layer.transport_error(to, local, now);
        self.closed(to, local, now);
    }

    /// Takes the report that the peer closed the connection to `to`. Responses may still come over a new one, so transactions
    /// go on; a phone behind it can't be reached until it comes again.
    pub fn closed(&mut self, to: SocketAddr, local: impl Into<Local>, now: Duration) {
        let local = local.into();
        if local.transport.is_stream() {
            self.proven.retain(|(at, peer, _)| (*at, *peer) != (local, to));
            self.connection_closed(to, local.transport, now);
        }
        self.settle(now);
    }

    /// Takes the report that the peer of a connection has shown a certificate for `name`, which is a trunk's
    /// ([`crate::options::TrunkTls::name`]). Holds until the connection is gone.
    pub fn proven(&mut self, from: SocketAddr, local: Local, name: &str) {
        self.proven.insert((local, from, name.to_owned()));
    }

    /// Whether the room may be another one than [`Gateway::update_room`] last told. Costs nothing to ask.
    pub fn room_may_differ(&self, now: Duration) -> bool {
        self.room_until.is_none_or(|until| until <= now)
    }

    /// Writes the room for new calls over what was there; without allocation once there is space for all trunks.
    pub fn update_room(&mut self, room: &mut Room, now: Duration) {
        room.trunks.clear();
        (room.lines_free, room.calls_per_second_free) = (0, 0);
        let mut until = self.ports.changes_at(now).unwrap_or(Duration::MAX);
        for (index, trunk) in self.trunks.iter_mut().enumerate() {
            if !trunk.is_within_caps(now) || self.draining || trunk.state() != TrunkState::Up {
                continue;
            }
            let (lines_free, calls_per_second_free) = (trunk.lines_free(), trunk.calls_per_second_free(now));
            room.lines_free = room.lines_free.saturating_add(lines_free);
            room.calls_per_second_free = room.calls_per_second_free.saturating_add(calls_per_second_free);
            room.trunks.push(TrunkRoom { trunk: index, lines_free, calls_per_second_free });
            until = until.min(trunk.rate_changes_at(now).unwrap_or(Duration::MAX));
            until = until.min(trunk.talk.spent_at(now).unwrap_or(Duration::MAX));
            until = until.min(trunk.spend.spent_at(now).unwrap_or(Duration::MAX));
        }
        room.lines_free = room.lines_free.min(u32::try_from(self.ports_for_calls(now)).unwrap_or(u32::MAX));
        self.room_until = Some(until);
    }

    /// What the room is made of changed.
    fn room_changed(&mut self) {
        self.room_until = None;
    }

    /// Room for new calls over all usable trunks.
    pub fn room(&self, now: Duration) -> Room {
        if self.draining {
            return Room::default();
        }
        let usable = self
            .trunks
            .iter()
            .enumerate()
            .filter(|(_, trunk)| trunk.state() == TrunkState::Up)
            .filter(|(_, trunk)| !trunk.talk.is_spent(now) && !trunk.spend.is_spent(now));
        let trunks: Vec<TrunkRoom> = usable
            .map(|(index, trunk)| TrunkRoom {
                trunk: index,
                lines_free: trunk.lines_free(),
                calls_per_second_free: trunk.calls_per_second_free(now),
            })
            .collect();
        let ports = u32::try_from(self.ports_for_calls(now)).unwrap_or(u32::MAX);
        let sum = |each: fn(&TrunkRoom) -> u32| trunks.iter().map(each).fold(0, u32::saturating_add);
        Room {
            lines_free: sum(|it| it.lines_free).min(ports),
            calls_per_second_free: sum(|it| it.calls_per_second_free),
            trunks,
        }
    }

    /// The next thing to do, or `None` when all is done for now.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Gateway::handle_timeout`] must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Duration> {
        [self.timers.next(), self.leg_timers.next(), self.wire.layer.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets everything happen that is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.wire.layer.handle_timeout(now);
        self.settle(now);
        // Ends: whatever fires is cleared or set later than `now`.
        while let Some(timer) = self.timers.due(now) {
            self.room_changed();
            match timer {
                Timer::Slot(trunk) => self.send_queued(trunk, now),
                Timer::Registration(trunk) => self.refresh_registration(trunk, now),
                Timer::Health(trunk) => self.check_health(trunk, now),
                Timer::TrunkRetry(trunk) => self.retry_trunk(trunk, now),
                Timer::Call(call) => self.call_limit(call, now),
                Timer::Agent(user) => self.recall(&user, now),
                Timer::Binding => self.expire_bindings(now),
                Timer::Names => self.ask_again(now),
                Timer::Numbers => self.tell_numbers(now),
                Timer::Orphan(call_id) => {
                    self.orphans.remove(&call_id);
                }
            }
            self.settle(now);
        }
        while let Some(leg) = self.leg_timers.due(now) {
            self.with_leg(leg, now, |leg, wire| leg.handle_timeout(wire, now));
            self.settle(now);
        }
    }

    /// What was counted since start.
    pub fn counters(&self) -> Counters {
        Counters { shed: self.wire.layer.tally().shed, ..self.wire.counters }
    }

    /// From now on refuses what is new with 503, to come again after this time; `None`: takes everything.
    pub fn shed(&mut self, retry_after: Option<Duration>) {
        self.shedding = retry_after;
    }

    /// From now on refuses new calls of trunks with 503, to come again after this time; `None`: takes them.
    pub fn hold_callers(&mut self, retry_after: Option<Duration>) {
        self.holding = retry_after;
    }

    /// What the transactions counted since start.
    pub fn transactions(&self) -> Tally {
        self.wire.layer.tally()
    }

    /// Calls that are reserved or up, for metrics and for shutting down.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What still waits for a peer's last word, or for the word to come again: calls, legs that are not over or have been for less
    /// than 4*T1, dialogs of an earlier process and registrations under way. Zero when nothing is cut short by closing.
    pub fn unfinished(&self, now: Duration) -> usize {
        let legs = self.legs.values().filter(|entry| entry.leg().is_unfinished(now)).count();
        let orphans = self.orphans.values().filter(|orphan| orphan.is_waiting()).count();
        let registrations = self.registrations.values().filter(|registration| registration.is_out()).count();
        self.calls.len() + legs + orphans + registrations
    }

    /// Whether it is on the way down.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Legs, streams and owned transactions that are still there; all zero at rest.
    pub fn leftovers(&self) -> (usize, usize, usize) {
        (self.legs.len(), self.streams.len(), self.wire.owned())
    }

    /// Trunk names with their state and the lines in use, in the order of the options.
    pub fn trunks(&self) -> impl Iterator<Item = (&str, TrunkState, u32)> {
        self.trunks.iter().map(|trunk| {
            let used = trunk.options.max_calls.saturating_sub(trunk.lines_free());
            (trunk.options.name.as_str(), trunk.state(), used)
        })
    }

    /// What became of the calls of each trunk, in the order of the options.
    pub fn trunk_tallies(&self) -> impl Iterator<Item = (&str, TrunkTally)> {
        self.trunks.iter().map(|trunk| (trunk.options.name.as_str(), trunk.tally))
    }

    /// How long the answered calls of a trunk have lasted since the start, ended ones alone; zero where there is no such trunk.
    pub fn talked(&self, trunk: &str) -> Duration {
        self.trunks
            .iter()
            .find(|known| known.options.name == trunk)
            .map_or(Duration::ZERO, |known| known.talk.ended)
    }

    /// What the answered calls of a trunk have cost since the start, in millionths, ended ones alone; zero where there is no such
    /// trunk.
    pub fn spent(&self, trunk: &str) -> u64 {
        self.trunks.iter().find(|known| known.options.name == trunk).map_or(0, |known| known.spend.ended)
    }

    /// How each trunk stands to its caps, in the order of the options.
    pub fn trunk_caps(&self, now: Duration) -> impl Iterator<Item = TrunkCaps> {
        self.trunks.iter().map(move |trunk| TrunkCaps {
            talk_left: trunk.talk.left(now),
            spend_left: trunk.spend.left(now),
            numbers_resting: trunk.numbers_resting(now),
            spent: trunk.options.rates.as_ref().map(|_| trunk.spend.ended),
        })
    }

    /// What it was configured with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn media_command(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    /// Our address in Via and Contact of what goes to `to` over this transport.
    fn local(&self, transport: Transport, to: SocketAddr) -> Local {
        let same = |local: &&Local| local.transport == transport;
        let family = |local: &&Local| same(local) && local.address.is_ipv4() == to.is_ipv4();
        let found = self.options.listen.iter().find(family).or(self.options.listen.iter().find(same));
        let fallback = Local { transport, address: SocketAddr::from(([127, 0, 0, 1], 5060)) };
        found.map_or(fallback, |local| local.reached_at(self.options.media_address))
    }
}
