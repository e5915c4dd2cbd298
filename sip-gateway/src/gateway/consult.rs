//! Consultations: an agent with a customer asks a colleague, over a second line of the phone.
//!
//! The phone calls us, proves whose it is, and reaches a colleague who is signed on and free; nothing is ever dialled. The
//! colleague's phone is on the line for the customer's call from then on, though the customer doesn't hear it, and is told to be
//! engaged: it gets no other call. A consultation is about its call and ends with it.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::agents::Phone;
use super::calls::Stage;
use super::incoming::refusal;
use super::join::Joined;
use super::legs::LegOwner;
use crate::command::AgentLegMode;
use crate::event::{Dialog, Event};
use crate::id::{CallId, StreamId};
use crate::leg::{LegId, Notice};
use crate::media::{Codec, MediaCommand};
use crate::message::{Request, Response, Scheme};
use crate::transaction::TransactionKey;
use crate::transport::Local;
use crate::trunk::destination::canonical;

/// No consultation is longer: the customer waits.
pub const CONSULTATION_MAX: Duration = Duration::from_secs(3600);

/// One consultation, from its INVITE until either hangs up or the colleague has the customer. At most one a call, so at most
/// one an agent.
#[derive(Debug)]
pub(super) struct Consultation {
    /// Who is asked.
    to: String,
    /// The line of whoever asks.
    leg: LegId,
    /// Its stream.
    stream: StreamId,
    /// The colleague's, once both hear each other.
    heard: Option<StreamId>,
    /// Call-IDs of the legs that a restart would have to end, beside those that are stored all the time: the line, and where
    /// phones are called for each customer both phones.
    stored: Vec<String>,
}

impl Gateway {
    /// An INVITE of a phone, outside any dialog and sound so far.
    pub(super) fn consult(
        &mut self,
        key: TransactionKey,
        invite: &Request,
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) {
        let begun = self
            .consultable(invite, from, now)
            .and_then(|(call, to)| self.begin_consultation(call, to, (key, invite), (from, local), now));
        if let Err(response) = begun {
            // A challenge is no refusal yet.
            self.wire.counters.consultations_refused += u64::from(response.status != 401);
            self.wire.layer.respond(key, response, now);
        }
    }

    /// Whether this agent's phone is on the line for a call only to be asked about it.
    pub(super) fn is_consulted(&self, call: CallId, user: &str) -> bool {
        self.consultations.get(&call).is_some_and(|consultation| consultation.to == user)
    }

    /// Who is asked about a call.
    pub(super) fn consulted_of(&self, call: CallId) -> Option<&str> {
        self.consultations.get(&call).map(|consultation| consultation.to.as_str())
    }

    /// The line over which its agent asks about a call.
    pub(super) fn consulting_line(&self, call: CallId) -> Option<LegId> {
        self.consultations.get(&call).map(|consultation| consultation.leg)
    }

    /// Whether this agent is being asked by a colleague.
    pub(super) fn is_asked(&self, user: &str) -> bool {
        !self.consultations.is_empty() && self.in_hand(user).is_some_and(|call| self.is_consulted(call, user))
    }

    /// The leg of an agent's phone and the customer who is joined with it, not merely talked about.
    pub(super) fn customer_of(&self, user: &str) -> Option<(LegId, CallId)> {
        let Some(Phone::Up { leg, with: Some(call), .. }) = self.agents.get(user).map(|agent| &agent.phone)
        else {
            return None;
        };
        let Stage::Up { joined: Joined::Connected { user: joined, .. }, .. } = &self.calls.get(call)?.stage
        else {
            return None;
        };
        (joined == user).then_some((*leg, *call))
    }

    /// Whether a colleague can be had now; the status that says why not.
    pub(super) fn may_have(&self, user: &str) -> Result<(), u16> {
        let agent = self.agents.get(user).ok_or(480u16)?;
        let free = match (agent.mode, &agent.phone) {
            (AgentLegMode::Persistent, Phone::Up { with, .. }) => with.is_none(),
            (AgentLegMode::PerCall, Phone::Idle) => true,
            (AgentLegMode::PerCall, Phone::Calling { .. } | Phone::Up { .. }) => false,
            (AgentLegMode::Persistent, Phone::Idle | Phone::Calling { .. }) => return Err(480),
        };
        match (free, agent.is_reachable()) {
            (true, true) => Ok(()),
            (true, false) => Err(480),
            (false, _) => Err(486),
        }
    }

    /// The colleague's phone is there: whoever asks is answered.
    pub(super) fn answer_consultation(&mut self, call: CallId, now: Duration) {
        if let Some(leg) = self.consulting_line(call) {
            self.with_leg(leg, now, |leg, wire| leg.answer(wire, now));
        }
    }

    /// What the line of whoever asks tells.
    pub(super) fn consultation_notice(&mut self, call: CallId, leg: LegId, notice: Notice, now: Duration) {
        let Some(consultation) = self.consultations.get(&call).filter(|it| it.leg == leg) else { return };
        let (stream, to) = (consultation.stream, consultation.to.clone());
        match notice {
            Notice::Heard | Notice::Ringing { .. } => {}
            Notice::Answered { dialog, remote } => {
                self.start_stream(stream, remote);
                self.store_consultation(call, leg, *dialog);
                if let Some(Phone::Up { stream: agent, .. }) = self.agents.get(&to).map(|agent| &agent.phone)
                {
                    let agent = *agent;
                    if let Some(consultation) = self.consultations.get_mut(&call) {
                        consultation.heard = Some(agent);
                    }
                    // What they say is not recorded.
                    self.media_command(MediaCommand::HandOver { call, customer: stream, agent });
                }
            }
            Notice::Digit(digit) => self.media_command(MediaCommand::Digit { stream, digit }),
            Notice::Text(text) => self.text_of_line(call, &text, now),
            Notice::Changed(remote) => self.media_command(MediaCommand::SetRemote { stream, remote }),
            Notice::Referred(referral) => {
                if let Some(user) = self.agent_of(call) {
                    self.refer(&user, leg, &referral, now);
                }
            }
            Notice::Failed { .. } | Notice::Ended { .. } => self.consultation_over(call, None, now),
        }
    }

    /// Whoever asks and the colleague no longer hear each other.
    pub(super) fn part_consultation(&mut self, call: CallId) {
        let Some(consultation) = self.consultations.get_mut(&call) else { return };
        if let Some(agent) = consultation.heard.take() {
            let customer = consultation.stream;
            self.media_command(MediaCommand::Unsplice { call, customer, agent });
        }
    }

    /// Ends a consultation, if there is one about this call: the line of whoever asks, refused with `status` where it still
    /// rings, and the colleague's part in the call.
    pub(super) fn consultation_over(&mut self, call: CallId, status: Option<u16>, now: Duration) {
        self.part_consultation(call);
        let Some(Consultation { to, leg, stream, heard: _, stored }) = self.consultations.remove(&call)
        else {
            return;
        };
        self.forget_lines(stored);
        self.close_stream(stream, now);
        match status.filter(|_| self.legs.get(&leg).is_some_and(|entry| !entry.leg().is_up())) {
            Some(status) => self.refuse_leg(leg, status, now),
            None => self.drop_leg(leg, now),
        }
        if self.agent_of(call).as_ref() == Some(&to) {
            // By now the colleague has the customer.
            return;
        }
        let on_the_line = self.in_hand(&to) == Some(call);
        if on_the_line && !self.is_transferred_to(call, &to) {
            self.release_phone(&to, now);
        }
        // A persistent leg that is gone is told of by whoever saw it go.
        let per_call = self.agents.get(&to).is_some_and(|agent| agent.mode == AgentLegMode::PerCall);
        if on_the_line || per_call {
            self.tell_again(&to, now);
        }
    }

    /// Whoever asks does so over another line from now on; leg and stream of the one before.
    pub(super) fn move_consultation(
        &mut self,
        call: CallId,
        leg: LegId,
        stream: StreamId,
    ) -> Option<(LegId, StreamId)> {
        let consultation = self.consultations.get_mut(&call)?;
        let old_leg = std::mem::replace(&mut consultation.leg, leg);
        Some((old_leg, std::mem::replace(&mut consultation.stream, stream)))
    }

    /// The colleague who is asked has another phone in hand.
    pub(super) fn change_consulted(&mut self, call: CallId, old: StreamId, new: StreamId) {
        let Some(consultation) = self.consultations.get_mut(&call) else { return };
        if consultation.heard == Some(old) {
            consultation.heard = Some(new);
            let customer = consultation.stream;
            self.media_command(MediaCommand::HandOver { call, customer, agent: new });
        }
    }

    /// The legs of a consultation that are stored at no other time: the line, and phones that were called for it or for the
    /// customer.
    fn store_consultation(&mut self, call: CallId, line: LegId, dialog: Dialog) {
        let Some(consultation) = self.consultations.get_mut(&call) else { return };
        let (before, to) = (std::mem::take(&mut consultation.stored), consultation.to.clone());
        self.forget_lines(before);
        self.store_line(call, line, dialog);
        for user in self.agent_of(call).into_iter().chain([to]) {
            self.store_phone(call, &user);
        }
    }

    /// An agent's phone takes part in a consultation about this call, if there is one, with the leg that it has now.
    pub(super) fn store_phone(&mut self, call: CallId, user: &str) {
        let agent = self.agents.get(user).filter(|agent| agent.mode == AgentLegMode::PerCall);
        if let Some(Phone::Up { leg, dialog, .. }) = agent.map(|agent| &agent.phone) {
            let (leg, dialog) = (*leg, Dialog::clone(dialog));
            self.store_line(call, leg, dialog);
        }
    }

    fn store_line(&mut self, call: CallId, leg: LegId, dialog: Dialog) {
        let Some(route) = self.legs.get(&leg).map(|entry| entry.leg().route().clone()) else { return };
        let Some(consultation) = self.consultations.get_mut(&call) else { return };
        consultation.stored.push(route.call_id.clone());
        self.event(Event::LineUp { route, leg: dialog });
    }

    fn forget_lines(&mut self, stored: Vec<String>) {
        for call_id in stored {
            self.event(Event::LineOver { call_id });
        }
    }

    /// The call that an agent's phone is on the line for, or is called for.
    pub(super) fn in_hand(&self, user: &str) -> Option<CallId> {
        match &self.agents.get(user)?.phone {
            Phone::Up { with, .. } => *with,
            Phone::Calling { join, .. } => join.as_ref().map(|(call, _)| *call),
            Phone::Idle => None,
        }
    }

    /// Who has the customer of a call.
    fn agent_of(&self, call: CallId) -> Option<String> {
        match &self.calls.get(&call)?.stage {
            Stage::Up { joined: Joined::Connected { user, .. }, .. } => Some(user.clone()),
            Stage::Reserved { .. }
            | Stage::Queued { .. }
            | Stage::Out { .. }
            | Stage::Incoming { .. }
            | Stage::Up { .. }
            | Stage::Ending => None,
        }
    }

    /// About which call whom a phone asks, or the response that refuses it.
    fn consultable(
        &mut self,
        invite: &Request,
        from: SocketAddr,
        now: Duration,
    ) -> Result<(CallId, String), Response> {
        let refused = |status| refusal(invite, status);
        let user = self.caller(invite, from, now)?;
        // Nobody calls a colleague but about a customer: while they talk, nobody else can be put through to either.
        let (_, call) = self.customer_of(&user).ok_or_else(|| refused(403))?;
        if self.is_transferred(call) {
            return Err(refused(403));
        }
        let sip = matches!(invite.uri.scheme(), Scheme::Sip | Scheme::Sips) && invite.uri.headers().is_none();
        let to = invite.uri.user_decoded().and_then(|user| String::from_utf8(user).ok()).unwrap_or_default();
        // A number is never dialled this way: calls need a permit.
        let number = canonical(&to).is_some() && !self.agents.contains_key(&to);
        if !sip || number || to == user {
            return Err(refused(403));
        }
        if self.draining || self.ports.free(now) == 0 {
            return Err(refused(503));
        }
        if self.consultations.contains_key(&call) {
            return Err(refused(486));
        }
        self.may_have(&to).map_err(refused)?;
        Ok((call, to))
    }

    /// Whose phone calls, or the response that asks for credentials or refuses them.
    pub(super) fn caller(
        &mut self,
        invite: &Request,
        from: SocketAddr,
        now: Duration,
    ) -> Result<String, Response> {
        if self.is_guessed(invite, from, true, now) {
            return Err(refusal(invite, 403));
        }
        let caller = self.registrar.caller(invite, from, now);
        if let Err(response) = &caller {
            self.note_guess(invite, from, response, now);
        }
        caller
    }

    fn begin_consultation(
        &mut self,
        call: CallId,
        to: String,
        (key, invite): (TransactionKey, &Request),
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) -> Result<(), Response> {
        let (route, owner) = ((to.clone(), Some(CONSULTATION_MAX)), LegOwner::Consultation(call));
        let (id, stream) = self.phone_calls(route, owner, (key, invite), (from, local), now)?;
        self.follow_asking(call, invite, (from, local), now);
        self.wire.counters.consultations += 1;
        // Told first: the colleague takes no other call.
        self.engage(&to);
        let consultation = Consultation { to: to.clone(), leg: id, stream, heard: None, stored: Vec::new() };
        self.consultations.insert(call, consultation);
        self.with_leg(id, now, |leg, wire| leg.ring(wire, now));
        match self.agents.get_mut(&to).map(|agent| (agent.mode, &mut agent.phone)) {
            Some((AgentLegMode::Persistent, Phone::Up { leg, with, .. })) => {
                *with = Some(call);
                let leg = *leg;
                self.follow_leg(call, leg);
                self.answer_consultation(call, now);
            }
            Some((AgentLegMode::Persistent | AgentLegMode::PerCall, _)) | None => {
                let codecs = vec![Codec::Pcmu, Codec::Pcma];
                if self.call_phone(&to, codecs, Some((call, None)), now).is_err() {
                    self.consultation_over(call, Some(480), now);
                }
            }
        }
        Ok(())
    }
}
