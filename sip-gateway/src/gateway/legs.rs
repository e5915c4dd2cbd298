//! The table of legs: who owns each, and what their notices are turned into.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::incoming::refusal;
use crate::auth::Credentials;
use crate::event::{Failure, Route};
use crate::id::{CallId, StreamId};
use crate::leg::requests::Side;
use crate::leg::wire::Wire;
use crate::leg::{Leg, LegId, LegOptions, Notice, RING_MAX};
use crate::media::Codec;
use crate::message::{NameAddr, Request, Response, Uri};
use crate::transaction::TransactionKey;
use crate::transport::Local;

/// Whose a leg or stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LegOwner {
    /// A call towards a trunk, or from one.
    Call(CallId),
    /// An agent's phone.
    Agent(String),
    /// The line over which an agent with this call consults a colleague.
    Consultation(CallId),
    /// The phone that is about to take over what another phone of this user has.
    Takeover(String),
    /// Its owner let go of it: it ends by itself.
    Nobody,
}

/// What an INVITE that came is to become.
pub(super) struct Wanted {
    /// What its route is called: the trunk, or who is reached.
    pub(super) name: String,
    /// What its route says of the number called.
    pub(super) caller_id: String,
    /// Whom the leg is with.
    pub(super) side: Side,
    /// What requests of ours answer challenges with.
    pub(super) credentials: Option<Credentials>,
    /// In order.
    pub(super) codecs: Vec<Codec>,
    /// Longest time it may be up.
    pub(super) up_max: Option<Duration>,
    /// Whose it is.
    pub(super) owner: LegOwner,
}

/// A leg with its owner.
#[derive(Debug)]
pub(super) struct LegEntry {
    leg: Leg,
    owner: LegOwner,
}

impl LegEntry {
    /// One of its transactions is over.
    pub(super) fn terminated(&mut self, now: Duration) {
        self.leg.terminated(now);
    }

    /// The leg itself.
    pub(super) fn leg(&self) -> &Leg {
        &self.leg
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> &LegOwner {
        &self.owner
    }
}

impl Gateway {
    /// Starts a leg: its INVITE leaves.
    pub(super) fn start_leg(
        &mut self,
        options: LegOptions,
        owner: LegOwner,
        now: Duration,
    ) -> Result<LegId, Failure> {
        self.legs_started += 1;
        let id = LegId(self.legs_started);
        let leg = Leg::start(id, options, &mut self.wire, now)?;
        self.leg_timers.set(id, leg.deadline());
        self.dialogs.insert(leg.call_id(), id);
        self.legs.insert(id, Box::new(LegEntry { leg, owner }));
        Ok(id)
    }

    /// Takes an INVITE of an agent's phone, with a stream; nothing is sent yet. `Err` is the response that refuses it.
    pub(super) fn phone_calls(
        &mut self,
        (name, up_max): (String, Option<Duration>),
        owner: LegOwner,
        (key, invite): (TransactionKey, &Request),
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) -> Result<(LegId, StreamId), Response> {
        let wanted = Wanted {
            name,
            caller_id: invite.uri.user().unwrap_or_default().to_owned(),
            side: Side::Phone,
            credentials: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            up_max,
            owner,
        };
        let taken = self.take_invite(wanted, (key, invite), (from, local), now);
        taken.map(|(leg, stream, _)| (leg, stream)).map_err(|(response, _)| response)
    }

    /// Takes an INVITE, with a stream, and the way it came; nothing is sent yet. `Err` is the response that refuses it, and why.
    pub(super) fn take_invite(
        &mut self,
        wanted: Wanted,
        (key, invite): (TransactionKey, &Request),
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) -> Result<(LegId, StreamId, Route), (Response, &'static str)> {
        let Wanted { name, caller_id, side, credentials, codecs, up_max, owner } = wanted;
        let Some(port) = self.ports.take(now) else { return Err((refusal(invite, 503), "ports")) };
        self.room_changed();
        let uri = |address: Result<NameAddr, _>| {
            address.map_or_else(|_| String::new(), |it: NameAddr| it.uri.raw().to_owned())
        };
        let headers = &invite.headers;
        let contact = headers.contacts().ok().and_then(|contacts| Some(contacts.first()?.uri.clone()));
        let route = Route {
            trunk: name,
            caller_id,
            call_id: headers.call_id().unwrap_or_default().to_owned(),
            branch: self.wire.names.branch(),
            from_tag: self.wire.layer.tag(invite),
            cseq: self.wire.names.cseq(),
            request_uri: contact.as_ref().map(Uri::raw).unwrap_or_default().to_owned(),
            from_uri: uri(headers.to()),
            to_uri: uri(headers.from()),
            next_hop: from,
            local: local.reached_at(self.options.media_address),
        };
        let options = LegOptions {
            route,
            side,
            path: Vec::new(),
            credentials,
            own: self.own_media(),
            port,
            codecs,
            ring_max: RING_MAX,
            up_max,
            late_offer: false,
            asserted_identity: false,
            identity: None,
            session: self.options.session,
        };
        self.legs_started += 1;
        let id = LegId(self.legs_started);
        let leg = match Leg::called(id, options, (key, invite, from), &mut self.wire, now) {
            Ok(leg) => leg,
            Err(response) => {
                self.ports.unused(port);
                return Err((response, "not_acceptable"));
            }
        };
        let stream = self.open_stream(port, owner.clone());
        self.leg_timers.set(id, leg.deadline());
        self.dialogs.insert(leg.call_id(), id);
        let route = leg.route().clone();
        self.legs.insert(id, Box::new(LegEntry { leg, owner }));
        Ok((id, stream, route))
    }

    /// Gives a leg and its stream to somebody else.
    pub(super) fn give(&mut self, leg: LegId, stream: StreamId, owner: LegOwner) {
        if let Some(entry) = self.legs.get_mut(&leg) {
            entry.owner = owner.clone();
        }
        self.give_stream(stream, owner);
    }

    /// Lets a leg do something, then tells its owner what came of it.
    pub(super) fn with_leg(
        &mut self,
        id: LegId,
        now: Duration,
        act: impl FnOnce(&mut Leg, &mut Wire) -> Vec<Notice>,
    ) {
        let Some(entry) = self.legs.get_mut(&id) else { return };
        let notices = act(&mut entry.leg, &mut self.wire);
        let owner = entry.owner.clone();
        self.leg_timers.set(id, entry.leg.deadline());
        if entry.leg.is_gone() {
            // A caller that was refused may have come again with the same Call-ID.
            if self.dialogs.get(entry.leg.call_id()) == Some(&id) {
                self.dialogs.remove(entry.leg.call_id());
            }
            self.legs.remove(&id);
        }
        if !notices.is_empty() {
            self.room_changed();
        }
        for notice in notices {
            match &owner {
                LegOwner::Call(call) => self.call_notice(*call, notice, now),
                LegOwner::Agent(user) => self.phone_notice(user, id, notice, now),
                LegOwner::Consultation(call) => self.consultation_notice(*call, id, notice, now),
                LegOwner::Takeover(user) => self.takeover_notice(user, id, notice, now),
                LegOwner::Nobody => {}
            }
        }
    }

    /// Ends a leg; its owner hears its last notice.
    pub(super) fn end_leg(&mut self, id: LegId, reason: &'static str, now: Duration) {
        self.with_leg(id, now, |leg, wire| leg.hang_up(reason, wire, now));
    }

    /// Lets go of a leg whose INVITE nobody has answered in any way: it is not repeated any more, and what still comes of it
    /// is ended.
    pub(super) fn abandon_leg(&mut self, id: LegId, now: Duration) {
        if let Some(entry) = self.legs.get_mut(&id) {
            entry.owner = LegOwner::Nobody;
        }
        self.with_leg(id, now, |leg, wire| leg.abandon(wire, now));
    }

    /// Refuses a call of a phone with 300..699 without wanting to hear of it.
    pub(super) fn refuse_leg(&mut self, id: LegId, status: u16, now: Duration) {
        if let Some(entry) = self.legs.get_mut(&id) {
            entry.owner = LegOwner::Nobody;
        }
        self.with_leg(id, now, |leg, wire| leg.refuse(status, "refused", wire, now));
    }

    /// Ends a leg without wanting to hear of it.
    pub(super) fn drop_leg(&mut self, id: LegId, now: Duration) {
        self.drop_leg_for(id, "bye", now);
    }

    /// The same; its peer is told this reason.
    pub(super) fn drop_leg_for(&mut self, id: LegId, reason: &'static str, now: Duration) {
        if let Some(entry) = self.legs.get_mut(&id) {
            entry.owner = LegOwner::Nobody;
        }
        self.end_leg(id, reason, now);
    }
}
