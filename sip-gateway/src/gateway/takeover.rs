//! Takeovers: an agent goes on with a call on another phone of theirs, whose INVITE names the dialog of the first one
//! (RFC 3891).
//!
//! Only a phone of the same user may, who proves it like any caller; everybody else's dialogs are as if they were not there.
//! The first phone keeps the call until the session of the second one is known, and is hung up then. To the dialer nothing
//! happens: same agent, same call, same recording.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::agents::Phone;
use super::calls::{Call, Stage};
use super::incoming::{Next, refusal};
use super::join::Joined;
use super::legs::LegOwner;
use crate::command::AgentLegMode;
use crate::event::{Dialog, Event};
use crate::id::{CallId, StreamId};
use crate::leg::{LegId, Notice, Standing};
use crate::media::{MediaCommand, Remote};
use crate::message::{HeaderName, Replaces, Request, Response};
use crate::transaction::TransactionKey;
use crate::transport::Local;

/// What the phone is told whose call goes on elsewhere.
const TAKEN_OVER: &str = "taken_over";

/// One takeover, from the INVITE until the session of the new phone is known. At most one a user.
#[derive(Debug)]
pub(super) struct Takeover {
    leg: LegId,
    stream: StreamId,
    /// Whose place it takes.
    replaced: LegId,
}

/// What a leg of a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The agent's phone, on the line or ringing.
    Phone,
    /// The line over which the agent asks a colleague about this call.
    Line(CallId),
}

impl Gateway {
    /// An INVITE of a phone with a Replaces, outside any dialog and sound so far.
    pub(super) fn take_over(
        &mut self,
        key: TransactionKey,
        invite: &Request,
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) {
        let begun = self.replaceable(invite, from, now).and_then(|(user, replaced)| {
            self.begin_takeover(user, replaced, (key, invite), (from, local), now)
        });
        if let Err(response) = begun {
            // A challenge is no refusal yet.
            self.wire.counters.takeovers_refused += u64::from(response.status != 401);
            self.wire.layer.respond(key, response, now);
        }
    }

    /// What may be taken over of a user's, as a Replaces names it.
    pub(super) fn lines_of(&self, user: &str) -> Vec<String> {
        let phone = match self.agents.get(user).map(|agent| &agent.phone) {
            Some(Phone::Up { leg, .. } | Phone::Calling { leg, .. }) => Some(*leg),
            Some(Phone::Idle) | None => None,
        };
        let asking = self.in_hand(user).filter(|call| !self.is_consulted(*call, user));
        let asking = asking.and_then(|call| self.consulting_line(call));
        let legs = phone.into_iter().chain(asking).filter_map(|leg| self.legs.get(&leg));
        legs.filter_map(|entry| entry.leg().replaces()).collect()
    }

    /// What the new phone's leg tells before it is the agent's.
    pub(super) fn takeover_notice(&mut self, user: &str, leg: LegId, notice: Notice, now: Duration) {
        match notice {
            Notice::Answered { dialog, remote } => self.taken_over(user, leg, dialog, remote, now),
            Notice::Failed { .. } | Notice::Ended { .. } => self.takeover_over(user, leg, now),
            // It has nothing to hand over yet.
            Notice::Referred(referral) => self.with_leg(leg, now, |leg, wire| {
                leg.answer_refer(referral.key, &referral.request, 403, wire, now)
            }),
            // Nor does it talk with anybody yet.
            Notice::Text(text) => self.pass_on(None, &text, now),
            Notice::Heard | Notice::Ringing { .. } | Notice::Digit(_) | Notice::Changed(_) => {}
        }
    }

    /// The stream of the new phone is of no use: all stays as it was.
    pub(super) fn takeover_without_stream(&mut self, user: &str, stream: StreamId, now: Duration) {
        let leg = self.takeovers.get(user).filter(|it| it.stream == stream).map(|it| it.leg);
        if let Some(leg) = leg {
            self.takeover_over(user, leg, now);
        }
    }

    fn takeover_over(&mut self, user: &str, leg: LegId, now: Duration) {
        if self.takeovers.get(user).is_some_and(|takeover| takeover.leg == leg)
            && let Some(Takeover { leg, stream, .. }) = self.takeovers.remove(user)
        {
            self.close_stream(stream, now);
            self.drop_leg(leg, now);
        }
    }

    /// Whose phone wants to take which leg over, or the response that refuses it.
    fn replaceable(
        &mut self,
        invite: &Request,
        from: SocketAddr,
        now: Duration,
    ) -> Result<(String, LegId), Response> {
        let refused = |status| refusal(invite, status);
        let user = self.caller(invite, from, now)?;
        let named = invite.headers.all(HeaderName::Replaces).next();
        let replaces = named.and_then(|value| Replaces::parse(value).ok()).ok_or_else(|| refused(400))?;
        // RFC 3891 §3, and whoever asks learns nothing of other people's dialogs.
        let leg = self.dialogs.get(&replaces.call_id).copied().ok_or_else(|| refused(481))?;
        let entry = self.legs.get(&leg).filter(|entry| entry.leg().is_phone_of(&user));
        let standing = entry.and_then(|entry| entry.leg().standing(&replaces)).ok_or_else(|| refused(481))?;
        match standing {
            Standing::Ended => return Err(refused(603)),
            Standing::Up if replaces.early_only => return Err(refused(486)),
            Standing::Up | Standing::Ringing => {}
        }
        // What we have let go of is about to end.
        self.place_of(&user, leg).ok_or_else(|| refused(603))?;
        if self.takeovers.contains_key(&user) {
            return Err(refused(491));
        }
        Ok((user, leg))
    }

    fn begin_takeover(
        &mut self,
        user: String,
        replaced: LegId,
        (key, invite): (TransactionKey, &Request),
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) -> Result<(), Response> {
        let call = self.in_hand(&user);
        let owner = LegOwner::Takeover(user.clone());
        // RFC 3891 §3: where it can't be accepted, the first phone's dialog stays as it is.
        let (leg, stream) =
            self.phone_calls((user.clone(), None), owner, (key, invite), (from, local), now)?;
        if let Some(call) = call {
            self.follow_asking(call, invite, (from, local), now);
        }
        self.wire.counters.takeovers += 1;
        self.takeovers.insert(user, Takeover { leg, stream, replaced });
        self.with_leg(leg, now, |leg, wire| leg.answer(wire, now));
        Ok(())
    }

    /// The session of the new phone is known: it is the agent's, and the first one is hung up.
    fn taken_over(&mut self, user: &str, leg: LegId, dialog: Box<Dialog>, remote: Remote, now: Duration) {
        let Some(takeover) = self.takeovers.get(user).filter(|takeover| takeover.leg == leg) else { return };
        let (stream, replaced) = (takeover.stream, takeover.replaced);
        let Some(place) = self.place_of(user, replaced) else {
            // The call ended while the phones settled it.
            return self.takeover_over(user, leg, now);
        };
        self.takeovers.remove(user);
        match place {
            Place::Phone => self.change_phone(user, (leg, stream), dialog, remote, now),
            Place::Line(call) => self.change_line(call, (leg, stream), dialog, remote, now),
        }
    }

    fn change_phone(
        &mut self,
        user: &str,
        (leg, stream): (LegId, StreamId),
        dialog: Box<Dialog>,
        remote: Remote,
        now: Duration,
    ) {
        self.give(leg, stream, LegOwner::Agent(user.to_owned()));
        let Some(agent) = self.agents.get_mut(user) else { return };
        let mode = agent.mode;
        let rings = matches!(agent.phone, Phone::Calling { .. });
        let (old_leg, old_stream, with) = match &mut agent.phone {
            Phone::Idle => return,
            Phone::Calling { leg: old_leg, stream: old_stream, .. } => {
                (std::mem::replace(old_leg, leg), std::mem::replace(old_stream, stream), None)
            }
            Phone::Up { leg: old_leg, stream: old_stream, dialog: old_dialog, since, with } => {
                (*old_dialog, *since) = (dialog.clone(), now);
                (std::mem::replace(old_leg, leg), std::mem::replace(old_stream, stream), *with)
            }
        };
        if mode == AgentLegMode::Persistent
            && let Some(entry) = self.legs.get(&leg)
        {
            let (user, route) = (user.to_owned(), entry.leg().route().clone());
            self.event(Event::AgentLegMoved { user, route, leg: Dialog::clone(&dialog) });
        }
        if rings {
            self.close_stream(old_stream, now);
            self.drop_leg_for(old_leg, TAKEN_OVER, now);
            return self.phone_notice(user, leg, Notice::Answered { dialog, remote }, now);
        }
        self.start_stream(stream, remote);
        if let Some(call) = with {
            self.change_stream(call, user, old_stream, stream);
            self.store_phone(call, user);
        }
        self.close_stream(old_stream, now);
        self.drop_leg_for(old_leg, TAKEN_OVER, now);
    }

    fn change_line(
        &mut self,
        call: CallId,
        (leg, stream): (LegId, StreamId),
        dialog: Box<Dialog>,
        remote: Remote,
        now: Duration,
    ) {
        self.give(leg, stream, LegOwner::Consultation(call));
        self.part_consultation(call);
        let Some((old_leg, old_stream)) = self.move_consultation(call, leg, stream) else { return };
        self.close_stream(old_stream, now);
        self.drop_leg_for(old_leg, TAKEN_OVER, now);
        self.consultation_notice(call, leg, Notice::Answered { dialog, remote }, now);
    }

    /// Whoever hears the agent's first phone hears the new one.
    fn change_stream(&mut self, call: CallId, user: &str, old: StreamId, new: StreamId) {
        if self.is_consulted(call, user) {
            return self.change_consulted(call, old, new);
        }
        match self.calls.get_mut(&call) {
            Some(Call {
                stage: Stage::Up { stream, joined: Joined::Connected { agent, .. }, .. }, ..
            }) if *agent == old => {
                *agent = new;
                let customer = *stream;
                // The recording goes on.
                self.media_command(MediaCommand::HandOver { call, customer, agent: new });
            }
            Some(Call { stage: Stage::Incoming { next: Next::Join { agent, .. }, .. }, .. }) => *agent = new,
            Some(_) | None => {}
        }
    }

    /// What a leg is of its user's; `None` where we have let go of it.
    fn place_of(&self, user: &str, leg: LegId) -> Option<Place> {
        match &self.agents.get(user)?.phone {
            Phone::Up { leg: at, .. } | Phone::Calling { leg: at, .. } if *at == leg => {
                return Some(Place::Phone);
            }
            Phone::Up { .. } | Phone::Calling { .. } | Phone::Idle => {}
        }
        let call = self.in_hand(user)?;
        let asks = self.consulting_line(call) == Some(leg) && !self.is_consulted(call, user);
        asks.then_some(Place::Line(call))
    }
}
