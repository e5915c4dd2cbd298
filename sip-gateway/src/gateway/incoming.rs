//! Calls from outside: offered to whoever commands the gateway, rung, answered when somebody is there.
//!
//! A trunk's INVITE to a number becomes an offer ([`Event::Incoming`]), which is taken ([`Command::Ring`]) or refused
//! ([`Command::Refuse`]). A call that was taken rings until it is connected or played a prompt, which answers it, or hung up.
//!
//! [`Command::Ring`]: crate::command::Command::Ring
//! [`Command::Refuse`]: crate::command::Command::Refuse

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use super::agents::Phone;
use super::calls::{Call, Stage, TALK_MAX, Wish};
use super::identity::Signature;
use super::join::Joined;
use super::legs::{LegOwner, Wanted};
use crate::command::AgentLegMode;
use crate::dialog::capability;
use crate::event::{Dialog, EndedBy, Event, Incoming};
use crate::id::{CallId, OfferId, StreamId};
use crate::leg::called::RETRY_AFTER_S;
use crate::leg::requests::Side;
use crate::media::prompt::Prompt;
use crate::media::{Codec, Remote};
use crate::message::{HeaderName, Request, Response};
use crate::transaction::TransactionKey;
use crate::transport::Local;
use crate::trunk::incoming::{called, caller, history};
use crate::verification::{Verdict, verdict};

/// Most calls from outside that wait for the word whether they are taken. It comes in the same turn.
pub const OFFERS_MAX: usize = 1_000;

/// A call from outside that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Offer {
    key: TransactionKey,
    invite: Request,
    from: SocketAddr,
    local: Local,
    trunk: usize,
    number: String,
}

/// What is to become of a call from outside that is not answered yet.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// It rings until it is told.
    Ring,
    /// An agent's phone is being called for it.
    Phone { user: String },
    /// It is being answered, to be joined with this agent, whose phone is there.
    Join { user: String, agent: StreamId, record: Option<PathBuf> },
    /// It is being answered, to be played this.
    Prompt(Arc<Prompt>),
}

impl Gateway {
    /// Over which trunk a request comes that is in no dialog; `None`: it is a phone's.
    pub(super) fn trunk_behind(
        &self,
        request: &Request,
        from: SocketAddr,
        local: Local,
        now: Duration,
    ) -> Option<usize> {
        let user = request.headers.from().ok().and_then(|from| Some(from.uri.user()?.to_owned()));
        let is_phone = user.is_some_and(|user| self.registrar.is_bound_at(&user, from, now));
        self.trunk_at(from, local).filter(|_| !is_phone)
    }

    /// An INVITE of a trunk or a phone, outside any dialog and sound so far.
    pub(super) fn invited(
        &mut self,
        key: TransactionKey,
        invite: &Request,
        trunk: Option<usize>,
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) {
        let replaces = invite.headers.contains(HeaderName::Replaces);
        let Some(trunk) = trunk else {
            return match replaces {
                true => self.take_over(key, invite, (from, local), now),
                false => self.consult(key, invite, (from, local), now),
            };
        };
        // RFC 3891 §3: whoever calls over a trunk is in no dialog that they could give to another party.
        if replaces {
            self.wire.counters.incoming_refused += 1;
            return self.wire.layer.respond(key, refusal(invite, 481), now);
        }
        let name = self.trunks.get(trunk).map_or_else(String::new, |known| known.options.name.clone());
        self.follow_caller(&name, invite, (from, local), now);
        match self.admit(invite, trunk, now) {
            Ok(number) => {
                self.offers_made = self.offers_made.saturating_add(1);
                let offer = OfferId(self.offers_made);
                let identity = self.verdict(invite, trunk, now);
                self.ladders.judged(invite.headers.call_id().unwrap_or_default(), identity);
                let Some(known) = self.trunks.get(trunk) else { return };
                let incoming = Incoming {
                    offer,
                    trunk: name,
                    number: number.clone(),
                    caller: caller(invite, &known.options),
                    diversion: history(&invite.headers, HeaderName::Diversion),
                    history_info: history(&invite.headers, HeaderName::from("History-Info")),
                    identity,
                };
                let waiting = Offer { key, invite: invite.clone(), from, local, trunk, number };
                self.offers.insert(offer, waiting);
                self.event(Event::Incoming(Box::new(incoming)));
            }
            Err(response) => {
                self.wire.counters.incoming_refused += 1;
                self.wire.layer.respond(key, response, now);
            }
        }
    }

    /// Takes an offer as this call: it rings. Told as ended where that can't be.
    pub(super) fn ring(&mut self, offer: OfferId, call: CallId, now: Duration) {
        let Some(offer) = self.offers.remove(&offer) else {
            return self.event(Event::Ended { call, by: EndedBy::Network, reason: "offer_lost" });
        };
        let key = offer.key;
        self.name_caller(offer.invite.headers.call_id().unwrap_or_default(), call, now);
        if let Err((response, reason)) = self.take(offer, call, now) {
            self.ladders.over(call, now);
            self.wire.counters.incoming_refused += 1;
            self.wire.layer.respond(key, response, now);
            self.event(Event::Ended { call, by: EndedBy::Us, reason });
        }
    }

    /// Refuses an offer with 400..699.
    pub(super) fn refuse_offer(&mut self, offer: OfferId, status: u16, now: Duration) {
        let Some(offer) = self.offers.remove(&offer) else { return };
        self.wire.counters.incoming_refused += 1;
        self.wire.layer.respond(offer.key, refusal(&offer.invite, status), now);
    }

    /// The caller cancelled an INVITE (RFC 3261 §9.2).
    pub(super) fn cancelled(&mut self, key: TransactionKey, now: Duration) {
        if let Some(leg) = self.leg_of_transaction(key) {
            return self.with_leg(leg, now, |leg, wire| leg.cancelled(wire, now));
        }
        let offer = self.offers.iter().find(|(_, offer)| offer.key == key).map(|(id, _)| *id);
        if let Some(offer) = offer {
            self.refuse_offer(offer, 487, now);
        }
    }

    /// Joins a call that is not answered yet with an agent: at once where the phone is on the line, else the phone is called
    /// first, and the caller hears that it rings.
    pub(super) fn connect_incoming(
        &mut self,
        call: CallId,
        user: &str,
        record: Option<PathBuf>,
        now: Duration,
    ) -> Result<(), &'static str> {
        match self.next_of(call) {
            Some(Next::Ring) => {}
            Some(Next::Phone { .. } | Next::Join { .. } | Next::Prompt(_)) | None => {
                return Err("call_joined");
            }
        }
        let agent = self.agents.get_mut(user).ok_or("signed_off")?;
        match (agent.mode, &mut agent.phone) {
            (AgentLegMode::Persistent, Phone::Up { leg, stream, with, .. }) => {
                if with.is_some() {
                    return Err("agent_busy");
                }
                *with = Some(call);
                let (leg, agent) = (*leg, *stream);
                self.follow_leg(call, leg);
                self.answer_incoming(call, Next::Join { user: user.to_owned(), agent, record }, now);
                Ok(())
            }
            (AgentLegMode::Persistent, Phone::Idle | Phone::Calling { .. }) => Err("leg_down"),
            (AgentLegMode::PerCall, Phone::Idle) => {
                self.call_phone(user, vec![Codec::Pcmu, Codec::Pcma], Some((call, record)), now)?;
                self.set_next(call, Next::Phone { user: user.to_owned() });
                Ok(())
            }
            (AgentLegMode::PerCall, Phone::Calling { .. } | Phone::Up { .. }) => Err("agent_busy"),
        }
    }

    /// Whether a call is one from outside that is not answered yet.
    pub(super) fn is_incoming(&self, call: CallId) -> bool {
        self.next_of(call).is_some()
    }

    /// Answers a call from outside; `next` happens once its session is known.
    pub(super) fn answer_incoming(&mut self, call: CallId, next: Next, now: Duration) {
        self.set_next(call, next);
        if let Some(Call { stage: Stage::Incoming { leg, .. }, .. }) = self.calls.get(&call) {
            let leg = *leg;
            self.with_leg(leg, now, |leg, wire| leg.answer(wire, now));
        }
    }

    /// The session of a call from outside is known: it is up, and what was to happen happens.
    pub(super) fn incoming_answered(&mut self, call: CallId, dialog: Dialog, remote: Remote, now: Duration) {
        let Some(Call { stage, .. }) = self.calls.get_mut(&call) else { return };
        let Stage::Incoming { leg, stream, next } = stage else { return };
        let (leg, stream, next) = (*leg, *stream, next.clone());
        *stage = Stage::Up { leg, stream, remote, answered_at: now, joined: Joined::Alone };
        self.event(Event::Answered { call, dialog });
        self.start_stream(stream, remote);
        match next {
            Next::Ring | Next::Phone { .. } => {}
            Next::Join { user, agent, record } => self.splice(call, &user, agent, record),
            Next::Prompt(prompt) => self.play_and_hang_up(call, prompt, now),
        }
    }

    /// Takes the agent off a call that is not answered yet. Returns who it was.
    pub(super) fn take_agent_of_incoming(&mut self, call: CallId) -> Option<String> {
        match self.next_of(call)? {
            Next::Phone { user } | Next::Join { user, .. } => {
                let user = user.clone();
                self.set_next(call, Next::Ring);
                Some(user)
            }
            Next::Ring | Next::Prompt(_) => None,
        }
    }

    /// On the way down nobody is left ringing.
    pub(super) fn refuse_ringing(&mut self, now: Duration) {
        let rings = |(_, call): &(&CallId, &Call)| matches!(call.stage, Stage::Incoming { .. });
        let ringing: Vec<CallId> = self.calls.iter().filter(rings).map(|(call, _)| *call).collect();
        for call in ringing {
            self.hang_up(call, "draining", now);
        }
    }

    /// The transaction of an INVITE is over.
    pub(super) fn forget_offer(&mut self, key: TransactionKey) {
        if !self.offers.is_empty() {
            self.offers.retain(|_, offer| offer.key != key);
        }
    }

    /// What an INVITE says of who calls is worth; nothing while the time of day is not known.
    fn verdict(&self, invite: &Request, trunk: usize, now: Duration) -> Verdict {
        let at = self.time_of_day(now).and_then(|at| u64::try_from(at).ok());
        let trunk = self.trunks.get(trunk).map(|trunk| &trunk.options);
        trunk.zip(at).map_or(Verdict::None, |(trunk, at)| verdict(invite, trunk, at))
    }

    /// Whose trunk an INVITE comes over.
    fn trunk_at(&self, from: SocketAddr, local: Local) -> Option<usize> {
        let own =
            |index: &usize| self.trunks.get(*index).is_some_and(|trunk| self.is_from(trunk, from, local));
        let exact = |index: &usize| {
            own(index)
                && self
                    .trunks
                    .get(*index)
                    .is_some_and(|trunk| trunk.targets.all().any(|target| target.address == from))
        };
        let all = 0..self.trunks.len();
        all.clone().find(exact).or_else(|| all.clone().find(own))
    }

    /// The number that an INVITE of a trunk calls, or the response that refuses it.
    fn admit(&self, invite: &Request, index: usize, now: Duration) -> Result<String, Response> {
        let trunk = self.trunks.get(index).ok_or_else(|| refusal(invite, 404))?;
        let number = called(invite, &trunk.options).ok_or_else(|| refusal(invite, 404))?;
        // Each of those that wait to be taken needs its ports too.
        if self.draining || self.offers.len() >= OFFERS_MAX.min(self.ports_for_calls(now)) {
            return Err(refusal(invite, 503));
        }
        if trunk.lines_free() == 0 {
            return Err(refusal(invite, 486));
        }
        if !trunk.takes_incoming(now) {
            return Err(refusal(invite, 503));
        }
        Ok(number)
    }

    fn take(&mut self, offer: Offer, call: CallId, now: Duration) -> Result<(), (Response, &'static str)> {
        let Offer { key, invite, from, local, trunk: index, number } = offer;
        let Some(trunk) = self.trunks.get(index).filter(|_| !self.calls.contains_key(&call)) else {
            return Err((refusal(&invite, 503), "offer_lost"));
        };
        let wanted = Wanted {
            name: trunk.options.name.clone(),
            caller_id: number,
            side: Side::Trunk,
            credentials: trunk.options.credentials(),
            codecs: trunk.options.codecs.clone(),
            up_max: Some(TALK_MAX),
            owner: LegOwner::Call(call),
        };
        let (id, stream, route) = self.take_invite(wanted, (key, &invite), (from, local), now)?;
        if let Some(trunk) = self.trunks.get_mut(index) {
            trunk.taken(now);
        }
        self.wire.counters.incoming += 1;
        let stage = Stage::Incoming { leg: id, stream, next: Next::Ring };
        let taken = Call {
            trunk: index,
            route,
            stage,
            wish: Wish::default(),
            tried: Vec::new(),
            tried_targets: Vec::new(),
            divertible: false,
            sent_at: now,
            rang: false,
            incoming: true,
            rate: None,
            signature: Signature::None,
        };
        self.calls.insert(call, taken);
        self.with_leg(id, now, |leg, wire| leg.ring(wire, now));
        Ok(())
    }

    fn next_of(&self, call: CallId) -> Option<&Next> {
        match &self.calls.get(&call)?.stage {
            Stage::Incoming { next, .. } => Some(next),
            Stage::Reserved { .. }
            | Stage::Queued { .. }
            | Stage::Out { .. }
            | Stage::Up { .. }
            | Stage::Ending => None,
        }
    }

    fn set_next(&mut self, call: CallId, to: Next) {
        if let Some(Call { stage: Stage::Incoming { next, .. }, .. }) = self.calls.get_mut(&call) {
            *next = to;
        }
    }
}

/// A refusal; 503 says when to come again (RFC 3261 §21.5.4).
pub(super) fn refusal(invite: &Request, status: u16) -> Response {
    let mut response = capability::response(invite, status);
    if status == 503 {
        response.headers.append(HeaderName::RetryAfter, RETRY_AFTER_S.to_string());
    }
    response
}
