//! Calls towards trunks, from reservation to end. Those from outside begin in `incoming` and go on here.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::identity::Signature;
use super::incoming::Next;
use super::join::Joined;
use super::legs::LegOwner;
use super::timers::Timer;
use crate::command::PlaceCall;
use crate::event::{BusyReason, Event, Failure, Route};
use crate::id::{CallId, StreamId};
use crate::leg::requests::{OWN_USER, Side};
use crate::leg::{LegId, LegOptions, Notice, RING_MAX};
use crate::media::{MediaCommand, Remote};
use crate::message::Uri;
use crate::resolve::Target;
use crate::transport::Transport;
use crate::trunk::rates::Rate;
use crate::trunk::reputation::Reputation;
use crate::trunk::{Trunk, choice};

/// A line that is reserved and never placed is given back after this time.
pub const RESERVED_MAX: Duration = Duration::from_secs(30);

/// No call is longer, whatever its owner does.
pub const TALK_MAX: Duration = Duration::from_secs(12 * 3600);

/// Most reservations that ended before they were placed and are remembered, so that a late order to place one isn't
/// answered with a second ending.
pub const LAPSED_MAX: usize = 10_000;

/// One call towards a trunk, or from one.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) trunk: usize,
    pub(super) route: Route,
    pub(super) stage: Stage,
    pub(super) wish: Wish,
    /// Trunks whose INVITE failed.
    pub(super) tried: Vec<usize>,
    /// Servers of the present trunk whose INVITE failed.
    pub(super) tried_targets: Vec<Target>,
    /// Whether a failure may send it on to another trunk: nothing has rung, and we do not end it.
    pub(super) divertible: bool,
    /// When its INVITE left.
    pub(super) sent_at: Duration,
    /// Whether it has rung on this trunk.
    pub(super) rang: bool,
    /// Whether it came from outside.
    pub(super) incoming: bool,
    /// What it costs, while the trunk reckons with it.
    pub(super) rate: Option<Rate>,
    /// What it has of a service's signature.
    pub(super) signature: Signature,
}

/// Whom a call is for, and which trunks may carry it.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// E.164 with `+`.
    pub(super) number: String,
    /// Names of trunks in order; none means all.
    pub(super) trunks: Vec<String>,
}

/// A line that is held for a call.
pub(super) struct Line {
    pub(super) trunk: usize,
    pub(super) route: Route,
    pub(super) port: u16,
    /// What the call costs there.
    pub(super) rate: Option<Rate>,
}

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// A line and a port are held; nothing was sent.
    Reserved { port: u16 },
    /// It may be sent; the INVITE waits for its signature, or for the trunk's rate.
    Queued { stream: StreamId },
    /// The INVITE is out. `failure` replaces what the leg will tell, when we ended it for a reason of our own.
    Out { leg: LegId, stream: StreamId, failure: Option<Failure> },
    /// It came from outside and is not answered yet.
    Incoming { leg: LegId, stream: StreamId, next: Next },
    /// Answered.
    Up { leg: LegId, stream: StreamId, remote: Remote, answered_at: Duration, joined: Joined },
    /// Our BYE is out; its stream is closed.
    Ending,
}

impl Gateway {
    /// Chooses trunk, number and identifiers, and holds a line and a port.
    pub(super) fn reserve(&mut self, call: CallId, wish: Wish, first: Option<&str>, now: Duration) {
        let taken = self.calls.contains_key(&call);
        let held = if taken { Err(BusyReason::NoTrunk) } else { self.hold(&wish, first, &[], now) };
        match held {
            Ok(Line { trunk, route, port, rate }) => {
                let stage = Stage::Reserved { port };
                let reserved = Call {
                    trunk,
                    route: route.clone(),
                    stage,
                    wish,
                    tried: Vec::new(),
                    tried_targets: Vec::new(),
                    divertible: true,
                    sent_at: now,
                    rang: false,
                    incoming: false,
                    rate,
                    signature: Signature::None,
                };
                self.calls.insert(call, reserved);
                self.timers.set(Timer::Call(call), Some(now.saturating_add(RESERVED_MAX)));
                self.event(Event::Reserved { call, route });
            }
            Err(reason) => self.event(Event::Busy { call, reason }),
        }
    }

    /// Gives a reserved line back.
    pub(super) fn release(&mut self, call: CallId, now: Duration) {
        if let Some(Call { stage: Stage::Reserved { .. }, .. }) = self.calls.get(&call) {
            self.forget_unsent(call, now);
        }
    }

    /// Opens the stream and queues the INVITE.
    pub(super) fn place(&mut self, place: PlaceCall, now: Duration) {
        let PlaceCall { call, route, not_after } = place;
        let Some(Call { stage: Stage::Reserved { port }, .. }) = self.calls.get(&call) else {
            // Placed twice, or ended while the order to place it was on its way: it has or had its own ending.
            if !self.calls.contains_key(&call) && !self.lapsed.remove(&call) {
                self.event(Event::Failed { call, failure: Failure::Expired });
            }
            return;
        };
        let port = *port;
        let stream = self.open_stream(port, LegOwner::Call(call));
        if let Some(placed) = self.calls.get_mut(&call) {
            // What was recorded is what is written on the wire.
            placed.route = route;
            placed.stage = Stage::Queued { stream };
        }
        self.timers.set(Timer::Call(call), Some(not_after));
        if not_after < now {
            self.fail_unsent(call, Failure::Expired, now);
        }
        self.ask_or_queue(call, now);
    }

    /// Ends a call in whatever way its stage needs.
    pub(super) fn hang_up(&mut self, call: CallId, reason: &'static str, now: Duration) {
        let Some(known) = self.calls.get_mut(&call) else { return };
        known.divertible = false;
        match &known.stage {
            Stage::Reserved { .. } | Stage::Queued { .. } => {
                self.fail_unsent(call, Failure::Cancelled, now);
            }
            Stage::Out { leg, .. } => {
                let leg = *leg;
                self.end_leg(leg, reason, now);
            }
            Stage::Up { leg, .. } => {
                let leg = *leg;
                self.leave_up(call, now);
                self.end_leg(leg, reason, now);
            }
            Stage::Incoming { leg, stream, .. } => {
                let (leg, stream) = (*leg, *stream);
                self.part(call, now);
                if let Some(known) = self.calls.get_mut(&call) {
                    known.stage = Stage::Ending;
                }
                self.close_stream(stream, now);
                self.end_leg(leg, reason, now);
            }
            Stage::Ending => {}
        }
    }

    /// The limit of the stage has passed.
    pub(super) fn call_limit(&mut self, call: CallId, now: Duration) {
        let Some(known) = self.calls.get(&call) else { return };
        match &known.stage {
            Stage::Reserved { .. } | Stage::Queued { .. } => self.fail_unsent(call, Failure::Expired, now),
            Stage::Up { joined: Joined::Prompt, .. } => self.prompt_finished(call, now),
            Stage::Out { leg, .. } => {
                let leg = *leg;
                self.give_up_silent(call, leg, now);
            }
            Stage::Incoming { .. } | Stage::Up { .. } | Stage::Ending => {}
        }
    }

    /// Nothing comes from the customer's side any more.
    pub(super) fn call_lost(&mut self, call: CallId, now: Duration) {
        if let Some(Call { stage: Stage::Up { leg, .. }, .. }) = self.calls.get(&call) {
            let leg = *leg;
            self.leave_up(call, now);
            self.with_leg(leg, now, |leg, wire| leg.lost("rtp_lost", wire, now));
        }
    }

    /// The call's port could not be bound; its stream is gone already.
    pub(super) fn call_without_port(&mut self, call: CallId, now: Duration) {
        let Some(known) = self.calls.get_mut(&call) else { return };
        match &mut known.stage {
            Stage::Reserved { .. } | Stage::Ending => {}
            Stage::Queued { .. } => self.fail_unsent(call, Failure::Ports, now),
            Stage::Out { leg, failure, .. } => {
                *failure = Some(Failure::Ports);
                known.divertible = false;
                let leg = *leg;
                self.end_leg(leg, "ports", now);
            }
            Stage::Incoming { .. } | Stage::Up { .. } => self.hang_up(call, "ports", now),
        }
    }

    /// What the call's leg tells.
    pub(super) fn call_notice(&mut self, call: CallId, notice: Notice, now: Duration) {
        match notice {
            Notice::Heard => {
                let Some(index) = self.calls.get(&call).map(|known| known.trunk) else { return };
                // No longer silent.
                self.timers.set(Timer::Call(call), None);
                let state = self.trunks.get_mut(index).and_then(|trunk| trunk.response());
                self.tell_trunk(index, state);
            }
            Notice::Ringing { status, early } => {
                self.note_ringing(call, now);
                if let (Some(remote), Some(stream)) = (early, self.customer_stream(call)) {
                    self.media_command(MediaCommand::SetRemote { stream, remote });
                }
                self.event(Event::Ringing { call, status, early_media: early.is_some() });
            }
            Notice::Answered { dialog, remote } if self.is_incoming(call) => {
                self.incoming_answered(call, *dialog, remote, now);
            }
            Notice::Answered { dialog, remote } => {
                let Some(known) = self.calls.get_mut(&call) else { return };
                let Stage::Out { leg, stream, failure } = &known.stage else { return };
                let (leg, stream, refused) = (*leg, *stream, failure.is_some());
                let (joined, rate) = (Joined::Alone, known.rate);
                known.stage = Stage::Up { leg, stream, remote, answered_at: now, joined };
                self.note_ringing(call, now);
                self.number_fared(call, Reputation::answered, now);
                if let Some(trunk) = self.trunk_of(call) {
                    trunk.tally.answered();
                    trunk.talk.answered(now);
                    if let Some(rate) = rate {
                        trunk.spend.answered(rate, now);
                    }
                }
                self.event(Event::Answered { call, dialog: *dialog });
                if refused {
                    return self.hang_up(call, "ports", now);
                }
                self.start_stream(stream, remote);
            }
            Notice::Changed(changed) => {
                if let Some(Call { stage: Stage::Up { remote, .. }, .. }) = self.calls.get_mut(&call) {
                    *remote = changed;
                }
                if let Some(stream) = self.customer_stream(call) {
                    self.media_command(MediaCommand::SetRemote { stream, remote: changed });
                }
            }
            Notice::Digit(digit) => {
                if let Some(stream) = self.customer_stream(call) {
                    self.media_command(MediaCommand::Digit { stream, digit });
                }
            }
            // Legs towards trunks refuse it themselves.
            Notice::Referred(_) => {}
            Notice::Text(text) => self.text_of_customer(call, &text, now),
            Notice::Failed { failure, heard } => {
                let Some(known) = self.calls.get(&call) else { return };
                let instead = match &known.stage {
                    Stage::Out { failure, .. } => *failure,
                    Stage::Reserved { .. }
                    | Stage::Queued { .. }
                    | Stage::Incoming { .. }
                    | Stage::Up { .. }
                    | Stage::Ending => None,
                };
                let (index, rang, target) = (known.trunk, known.rang, known.route.target());
                if let Some(trunk) = self.trunks.get_mut(index) {
                    trunk.tally.failed(failure, rang);
                }
                self.number_fared(call, |it| it.failed(failure, rang), now);
                let last = self.rest_if_unreachable(index, target, failure, now);
                if !heard && last {
                    let state = self.trunks.get_mut(index).and_then(|trunk| trunk.unanswered(now));
                    self.tell_trunk(index, state);
                }
                if !self.divert(call, failure, now) {
                    self.forget_sent(call, now);
                    self.event(Event::Failed { call, failure: instead.unwrap_or(failure) });
                }
            }
            Notice::Ended { by, reason } => {
                match self.calls.get(&call).map(|known| &known.stage) {
                    Some(Stage::Up { .. }) => self.leave_up(call, now),
                    Some(Stage::Incoming { .. }) => self.part(call, now),
                    Some(
                        Stage::Reserved { .. } | Stage::Queued { .. } | Stage::Out { .. } | Stage::Ending,
                    )
                    | None => {}
                }
                self.forget_sent(call, now);
                self.event(Event::Ended { call, by, reason });
            }
        }
    }

    /// Parts an answered call from its agent and closes its stream; its leg is still to be ended.
    fn leave_up(&mut self, call: CallId, now: Duration) {
        self.part(call, now);
        self.timers.set(Timer::Call(call), None);
        let Some(known) = self.calls.get_mut(&call) else { return };
        if let Stage::Up { stream, answered_at, .. } = &known.stage {
            let (stream, answered_at) = (*stream, *answered_at);
            known.stage = Stage::Ending;
            let rate = known.rate.take();
            // What a trunk may talk is what its calls out cost.
            if let Some(trunk) = self.trunks.get_mut(known.trunk).filter(|_| !known.incoming) {
                trunk.talk.over(answered_at, now);
                if let Some(rate) = rate {
                    trunk.spend.over(rate, answered_at, now);
                }
            }
            self.number_fared(call, |it| it.ended(now.saturating_sub(answered_at)), now);
            self.close_stream(stream, now);
        }
    }

    fn customer_stream(&self, call: CallId) -> Option<StreamId> {
        match &self.calls.get(&call)?.stage {
            Stage::Out { stream, .. }
            | Stage::Up { stream, .. }
            | Stage::Queued { stream }
            | Stage::Incoming { stream, .. } => {
                Some(*stream).filter(|stream| self.stream_port(*stream).is_some())
            }
            Stage::Reserved { .. } | Stage::Ending => None,
        }
    }

    /// Holds a line on the first trunk with room, but for those that were `tried`.
    pub(super) fn hold(
        &mut self,
        wish: &Wish,
        first: Option<&str>,
        tried: &[usize],
        now: Duration,
    ) -> Result<Line, BusyReason> {
        if self.draining {
            return Err(BusyReason::NoTrunk);
        }
        if self.ports.free(now) == 0 {
            return Err(BusyReason::Ports);
        }
        let (mut busy, mut denied, mut elsewhere) = (BusyReason::NoTrunk, false, false);
        let names: Vec<&str> = self.trunks.iter().map(|trunk| trunk.options.name.as_str()).collect();
        for index in choice::order(&names, first, &wish.trunks) {
            let untried = self.trunks.get_mut(index).filter(|_| !tried.contains(&index));
            let Some(trunk) = untried else { continue };
            let user = trunk.options.destinations.user(&wish.number);
            let target = user.map(|user| target(&trunk.options.uri, &user));
            let Some(target) = target.filter(|target| Uri::parse(target).is_ok()) else {
                denied = true;
                continue;
            };
            let rate = trunk.rate(&wish.number);
            // What nobody knows the price of can't be held against a cap.
            if rate.is_none() && trunk.options.spend.is_capped() {
                trunk.tally.unpriced += 1;
                denied = true;
                continue;
            }
            match trunk.reserve(&wish.number, now) {
                Ok(caller_id) => {
                    let Some(port) = self.ports.take(now) else {
                        trunk.release(&caller_id);
                        return Err(BusyReason::Ports);
                    };
                    if let Some(rate) = rate {
                        trunk.spend.placed(rate);
                    }
                    let at = self.next_target(index, &[], now);
                    let route = self.trunk_route(index, caller_id, target, at);
                    self.note_numbers(index, now);
                    return Ok(Line { trunk: index, route, port, rate });
                }
                // The limit that is nearest to letting the call through is the one to tell.
                Err(BusyReason::CallsPerSecond) => (busy, elsewhere) = (BusyReason::CallsPerSecond, true),
                Err(reason) if busy == BusyReason::NoTrunk => (busy, elsewhere) = (reason, true),
                Err(_) => elsewhere = true,
            }
        }
        // Where any trunk may call it, another time may be better.
        let busy = if denied && !elsewhere { BusyReason::Destination } else { busy };
        Err(busy)
    }

    /// What an INVITE on a trunk needs; `at` is one of the trunk's servers.
    pub(super) fn trunk_route(
        &mut self,
        index: usize,
        caller_id: String,
        target: String,
        at: Option<Target>,
    ) -> Route {
        let trunk = self.trunks.get(index).map(|trunk| &trunk.options);
        // A trunk that takes calls has a server; the address leads nowhere.
        let nowhere = Target { transport: Transport::Udp, address: SocketAddr::from(([127, 0, 0, 1], 9)) };
        let Target { transport, address: next_hop } = at.unwrap_or(nowhere);
        let local = self.local(transport, next_hop);
        let name = trunk.map_or_else(String::new, |trunk| trunk.name.clone());
        let user = if caller_id.is_empty() { OWN_USER } else { &caller_id };
        let names = &mut self.wire.names;
        Route {
            trunk: name,
            call_id: names.call_id(),
            branch: names.branch(),
            from_tag: names.tag(),
            cseq: names.cseq(),
            from_uri: format!("sip:{user}@{}", local.address),
            to_uri: target.clone(),
            request_uri: target,
            caller_id,
            next_hop,
            local,
        }
    }

    /// The INVITE of a queued call leaves; its slot is taken already.
    pub(super) fn send(&mut self, call: CallId, now: Duration) {
        let Some(known) = self.calls.get(&call) else { return };
        let Stage::Queued { stream } = &known.stage else { return };
        let (stream, route, index) = (*stream, known.route.clone(), known.trunk);
        let identity = self.take_identity(call, now);
        let Some(trunk) = self.trunks.get(index) else { return };
        let credentials = trunk.options.credentials();
        let codecs = trunk.options.codecs.clone();
        let (late_offer, asserted_identity) = (trunk.options.late_offer, trunk.options.asserted_identity);
        let Some(port) = self.stream_port(stream) else { return };
        self.follow_trunk(call, &route, now);
        self.timers.set(Timer::Call(call), None);
        let options = LegOptions {
            route,
            side: Side::Trunk,
            path: Vec::new(),
            credentials,
            own: self.own_media(),
            port,
            codecs,
            ring_max: RING_MAX,
            up_max: Some(TALK_MAX),
            late_offer,
            asserted_identity,
            identity,
            session: self.options.session,
        };
        match self.start_leg(options, LegOwner::Call(call), now) {
            Ok(leg) => {
                self.wire.counters.invites_sent += 1;
                if let Some(known) = self.calls.get_mut(&call) {
                    known.stage = Stage::Out { leg, stream, failure: None };
                    (known.sent_at, known.rang) = (now, false);
                }
                if let Some(trunk) = self.trunk_of(call) {
                    trunk.tally.invites += 1;
                }
                self.watch_silence(call, now);
                self.event(Event::Placed { call });
            }
            Err(failure) => {
                self.close_stream(stream, now);
                self.forget_sent(call, now);
                self.event(Event::Failed { call, failure });
            }
        }
    }

    /// A call rings, or is answered: nothing sends it on any more, and what it took is the post-dial delay.
    fn note_ringing(&mut self, call: CallId, now: Duration) {
        let Some(known) = self.calls.get_mut(&call) else { return };
        known.divertible = false;
        if std::mem::replace(&mut known.rang, true) {
            return;
        }
        let (index, after) = (known.trunk, now.saturating_sub(known.sent_at));
        let target = known.route.target();
        if let Some(trunk) = self.trunks.get_mut(index) {
            trunk.tally.rang(after);
            trunk.targets.works(target);
        }
    }

    fn trunk_of(&mut self, call: CallId) -> Option<&mut Trunk> {
        let index = self.calls.get(&call)?.trunk;
        self.trunks.get_mut(index)
    }

    pub(super) fn fail_unsent(&mut self, call: CallId, failure: Failure, now: Duration) {
        if let Some(Call { stage: Stage::Reserved { .. }, .. }) = self.calls.get(&call) {
            self.lapsed.insert(call);
            if self.lapsed.len() > LAPSED_MAX {
                self.lapsed.pop_first();
            }
        }
        self.forget_unsent(call, now);
        self.event(Event::Failed { call, failure });
    }

    /// Gives back all that a call holds whose INVITE was never sent.
    fn forget_unsent(&mut self, call: CallId, now: Duration) {
        let Some(Call { trunk, route, stage, rate, .. }) = self.calls.remove(&call) else { return };
        self.ladders.over(call, now);
        self.timers.set(Timer::Call(call), None);
        if let Some(trunk) = self.trunks.get_mut(trunk) {
            trunk.release(&route.caller_id);
            if let Some(rate) = rate {
                trunk.spend.dropped(rate);
            }
        }
        match stage {
            Stage::Reserved { port } => self.ports.unused(port),
            Stage::Queued { stream }
            | Stage::Out { stream, .. }
            | Stage::Incoming { stream, .. }
            | Stage::Up { stream, .. } => {
                self.close_stream(stream, now);
            }
            Stage::Ending => {}
        }
        self.send_queued(trunk, now);
    }

    /// Gives back all that a call holds whose INVITE was sent.
    fn forget_sent(&mut self, call: CallId, now: Duration) {
        let Some(Call { trunk, stage, rate, .. }) = self.calls.remove(&call) else { return };
        self.ladders.over(call, now);
        self.timers.set(Timer::Call(call), None);
        if let Some(trunk) = self.trunks.get_mut(trunk) {
            trunk.ended();
            if let Some(rate) = rate {
                trunk.spend.dropped(rate);
            }
        }
        match stage {
            Stage::Queued { stream }
            | Stage::Out { stream, .. }
            | Stage::Incoming { stream, .. }
            | Stage::Up { stream, .. } => {
                self.close_stream(stream, now);
            }
            Stage::Reserved { .. } | Stage::Ending => {}
        }
    }
}

/// The Request-URI for a number at a trunk: its URI with the number as user part.
fn target(trunk_uri: &str, number: &str) -> String {
    let (scheme, host) = trunk_uri.split_once(':').unwrap_or(("sip", trunk_uri));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}:{number}@{host}")
}
