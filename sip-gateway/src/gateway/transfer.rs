//! Transfers: an agent's phone hands its customer over to a colleague's (RFC 3515), asked before (RFC 3891) or not.
//!
//! Until the colleague has the call, it is the first agent's to the dialer: what the first phone does meanwhile is not told,
//! and the second one is engaged. Then it is told as handed over, and is the colleague's like any other call. The target is
//! never dialled: it names an agent who is signed on and free, or the one who is being consulted, or the transfer is refused.

use std::time::Duration;

use super::Gateway;
use super::agents::Phone;
use super::calls::{Call, Stage};
use super::join::Joined;
use crate::command::AgentLegMode;
use crate::event::Event;
use crate::id::{CallId, StreamId};
use crate::leg::{LegId, Referral};
use crate::media::{Codec, MediaCommand};
use crate::message::{HeaderName, Replaces, Request, Scheme};

/// What a line that asks gets where the colleague is to have the customer before an answer to the question.
const QUESTION_OVER: u16 = 487;

/// One transfer, from the REFER until the colleague has the call, or it came to nothing.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Who asked for it.
    from: String,
    /// Who gets the call.
    to: String,
    /// The leg that asked, for its NOTIFYs.
    leg: LegId,
    /// CSeq number of the REFER (RFC 3515 §2.4.6).
    refer: u32,
}

/// Who is to get the customer.
#[derive(Debug)]
enum Heir {
    /// A free colleague.
    Free(String),
    /// The one who is being consulted.
    Consulted(String),
    /// Nobody, as the phone is told once its REFER is accepted: to refuse the REFER itself with such a status would say that
    /// its own dialog is gone (RFC 5057 §5.1).
    Nobody(u16),
}

impl Gateway {
    /// A phone asks to hand its customer over.
    pub(super) fn refer(&mut self, user: &str, leg: LegId, referral: &Referral, now: Duration) {
        let Referral { key, request } = referral;
        let asked = self.transferable(user, leg, request);
        let status = asked.as_ref().map_or_else(|status| *status, |_| 202);
        self.with_leg(leg, now, |leg, wire| leg.answer_refer(*key, request, status, wire, now));
        let Ok((call, heir)) = asked else { return };
        let refer = request.headers.cseq().map_or(0, |cseq| cseq.number);
        self.with_leg(leg, now, |leg, wire| leg.notify(refer, 100, false, wire, now));
        let (to, consulted) = match heir {
            Heir::Free(to) => (to, false),
            Heir::Consulted(to) => (to, true),
            Heir::Nobody(status) => {
                return self.with_leg(leg, now, |leg, wire| leg.notify(refer, status, true, wire, now));
            }
        };
        // Told first: whoever transfers is answered for, and the colleague takes no other call.
        self.engage(&to);
        self.transfers.insert(call, Transfer { from: user.to_owned(), to: to.clone(), leg, refer });
        if consulted {
            return self.hand_over_consulted(call, &to, now);
        }
        let Some(agent) = self.agents.get_mut(&to) else { return };
        match (agent.mode, &mut agent.phone) {
            (AgentLegMode::Persistent, Phone::Up { leg, stream, with, .. }) => {
                *with = Some(call);
                let (leg, stream) = (*leg, *stream);
                self.follow_leg(call, leg);
                self.hand_over(call, stream, now);
            }
            (AgentLegMode::Persistent | AgentLegMode::PerCall, _) => {
                let codecs = vec![Codec::Pcmu, Codec::Pcma];
                if self.call_phone(&to, codecs, Some((call, None)), now).is_err() {
                    self.transfer_failed(call, 480, now);
                }
            }
        }
    }

    /// Whether this phone is being called for a transfer of this call.
    pub(super) fn is_transferred_to(&self, call: CallId, user: &str) -> bool {
        self.transfers.get(&call).is_some_and(|transfer| transfer.to == user)
    }

    /// Whether this agent is about to hand the call over.
    pub(super) fn is_transferred_from(&self, call: CallId, user: &str) -> bool {
        self.transfers.get(&call).is_some_and(|transfer| transfer.from == user)
    }

    /// Whether this agent is called for a customer of a colleague's.
    pub(super) fn is_in_transfer(&self, user: &str) -> bool {
        self.transfers.values().any(|transfer| transfer.to == user)
    }

    /// Whether this call is being transferred.
    pub(super) fn is_transferred(&self, call: CallId) -> bool {
        self.transfers.contains_key(&call)
    }

    /// Whether an agent is handing a call over.
    pub(super) fn answers_for_another(&self, user: &str) -> bool {
        self.transfers.values().any(|transfer| transfer.from == user)
    }

    /// The colleague who was asked gets the customer: at once, or when the phone that rings for the question answers.
    fn hand_over_consulted(&mut self, call: CallId, to: &str, now: Duration) {
        match self.agents.get(to).map(|agent| &agent.phone) {
            Some(Phone::Up { stream, .. }) => {
                let stream = *stream;
                self.hand_over(call, stream, now);
            }
            Some(Phone::Calling { .. } | Phone::Idle) | None => {
                self.consultation_over(call, Some(QUESTION_OVER), now);
            }
        }
    }

    /// The colleague's phone is there: it gets the customer, and the first one is free.
    pub(super) fn hand_over(&mut self, call: CallId, stream: StreamId, now: Duration) {
        let Some(Transfer { from, to, leg, refer }) = self.transfers.remove(&call) else { return };
        self.part_consultation(call);
        let Some(Call { stage: Stage::Up { stream: customer, joined, .. }, .. }) = self.calls.get_mut(&call)
        else {
            return;
        };
        let customer = *customer;
        *joined = Joined::Connected { user: to.clone(), agent: stream };
        self.media_command(MediaCommand::HandOver { call, customer, agent: stream });
        self.with_leg(leg, now, |leg, wire| leg.notify(refer, 200, true, wire, now));
        // Told first: from now on the colleague answers for the call, and what either phone does is told.
        self.event(Event::HandedOver { call, user: to.clone() });
        let consulted = self.is_consulted(call, &to);
        self.consultation_over(call, None, now);
        if self.in_hand(&from) == Some(call) {
            self.release_phone(&from, now);
            if consulted {
                // Its line with the customer may be on hold: a persistent one is called again.
                self.phone_lost(&from, now);
            }
        }
        let persistent = self.agents.get(&from).is_some_and(|agent| agent.mode == AgentLegMode::Persistent);
        if !(consulted && persistent) {
            self.tell_again(&from, now);
        }
        self.tell_again(&to, now);
    }

    /// The colleague can't be had: the call stays where it is, or ends for want of an agent if the first phone has left.
    pub(super) fn transfer_failed(&mut self, call: CallId, status: u16, now: Duration) {
        let Some(transfer) = self.transfers.get(&call) else { return };
        let (from, leg, refer) = (transfer.from.clone(), transfer.leg, transfer.refer);
        self.with_leg(leg, now, |leg, wire| leg.notify(refer, status, true, wire, now));
        if self.in_hand(&from) == Some(call) {
            self.transfer_over(call, now);
        } else {
            self.unsplice(call, now);
            self.event(Event::AgentLeft { call, user: from });
        }
    }

    /// The first phone hung up while the colleague's rings: the customer waits. False when nothing rings.
    pub(super) fn leave_to_colleague(&mut self, call: CallId) -> bool {
        let Some(transfer) = self.transfers.get(&call) else { return false };
        let user = transfer.to.clone();
        let Some(Call { stage: Stage::Up { stream, joined, .. }, .. }) = self.calls.get_mut(&call) else {
            return false;
        };
        let customer = *stream;
        if let Joined::Connected { agent, .. } = std::mem::replace(joined, Joined::Calling { user }) {
            self.media_command(MediaCommand::Unsplice { call, customer, agent });
        }
        true
    }

    /// The call is parted from whoever had it: both phones are what they are again.
    pub(super) fn transfer_over(&mut self, call: CallId, now: Duration) {
        let Some(Transfer { from, to, .. }) = self.transfers.remove(&call) else { return };
        if self.in_hand(&to) == Some(call) {
            self.release_phone(&to, now);
        }
        for user in [from, to] {
            self.tell_again(&user, now);
        }
    }

    /// Call and heir of a REFER, or the status that refuses it.
    fn transferable(&self, user: &str, leg: LegId, request: &Request) -> Result<(CallId, Heir), u16> {
        let (with_customer, call) = self.customer_of(user).ok_or(403u16)?;
        let asking = self.consulting_line(call);
        if self.is_transferred(call) || !(leg == with_customer || Some(leg) == asking) {
            return Err(403);
        }
        // RFC 3515 §2.4.1: exactly one.
        if request.headers.all(HeaderName::ReferTo).count() != 1 {
            return Err(400);
        }
        let target = request.headers.address(HeaderName::ReferTo).map_err(|_| 400u16)?.uri;
        let to = target.user_decoded().and_then(|user| String::from_utf8(user).ok()).unwrap_or_default();
        if !matches!(target.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(403);
        }
        // Whatever else the URI wants to be a header of ours is not even read.
        if let Some(replaces) = Replaces::of_uri(&target).map_err(|_| 403u16)? {
            return Ok((call, self.heir_named(call, &to, (leg, with_customer), &replaces)?));
        }
        // A number is never dialled this way: calls need a permit.
        let known = || self.options.users.iter().any(|known| known.user == to);
        if leg != with_customer || to == user || !known() {
            return Err(403);
        }
        self.may_have(&to).map_err(|_| 480u16)?;
        Ok((call, Heir::Free(to)))
    }

    /// Who is meant by a Replaces in a Refer-To (RFC 5589 §7.1): each of the agent's own two lines may name the other one, and
    /// none else.
    fn heir_named(
        &self,
        call: CallId,
        to: &str,
        (leg, with_customer): (LegId, LegId),
        replaces: &Replaces,
    ) -> Result<Heir, u16> {
        let Some((asking, consulted)) = self.consulting_line(call).zip(self.consulted_of(call)) else {
            return Ok(Heir::Nobody(481));
        };
        let (other, meant) = match leg == with_customer {
            true => (asking, to == consulted),
            // From the other line the customer is meant, of whom a phone knows no name but ours.
            false => (with_customer, true),
        };
        let Some(named) =
            self.legs.get(&other).map(|entry| entry.leg()).filter(|it| it.is_named_by(replaces))
        else {
            return Ok(Heir::Nobody(481));
        };
        if !meant {
            return Err(403);
        }
        // RFC 3891 §3.
        if replaces.early_only && named.is_up() {
            return Ok(Heir::Nobody(486));
        }
        Ok(Heir::Consulted(consulted.to_owned()))
    }
}
