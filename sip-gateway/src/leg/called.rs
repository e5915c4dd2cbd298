//! A call from outside, from its INVITE to our answer (RFC 3261 §13.3, RFC 3262 §3, RFC 3311 §5.2).
//!
//! The caller hears ringing until the owner of the leg answers or refuses. Nothing of ours goes into an early session: the
//! answer to the caller's offer is in the 2xx alone, or, where the caller made none, our offer is in the first reliable
//! message, which is a provisional response where the caller asks for reliable ones (RFC 3261 §13.2.1).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::established::{RETRY_AFTER_END_S, write_terms};
use super::requests::contact;
use super::wire::{Owner, Wire};
use super::{Leg, LegId, LegOptions, Notice, Reinvite, State, Up};
use crate::dialog::capability::{self, ACCEPT, RELIABLE, lists};
use crate::dialog::session_timer::{SessionTimer, Terms, terms};
use crate::dialog::{AnswerRepeater, Dialog, Negotiation, Served};
use crate::event::EndedBy;
use crate::media::Remote;
use crate::message::{HeaderName, Method, Request, Response};
use crate::sdp;
use crate::transaction::timer::Backoff;
use crate::transaction::{Lengths, Reliability, Timer, TransactionKey};

/// A call that rings says so again after this, so that no proxy gives it up (RFC 3261 §13.3.1.1).
pub const RING_AGAIN: Duration = Duration::from_secs(60);

/// A caller that finds no room here may come again after so many seconds.
pub const RETRY_AFTER_S: u32 = 10;

/// A call from outside that is not answered yet.
#[derive(Debug)]
pub(super) struct Called {
    /// The transaction of its INVITE.
    pub(super) invite: TransactionKey,
    /// What our 2xx says of the session: our answer, or our offer. Empty once a reliable response has said it.
    session: Bytes,
    /// The caller's session, once it is known.
    remote: Option<Remote>,
    terms: Terms,
    /// The caller wants provisional responses acknowledged.
    reliable: bool,
    rseq: u32,
    unacknowledged: Option<Unacknowledged>,
    ring_again: Option<Duration>,
    /// It is to be answered as soon as our last provisional response is acknowledged.
    answering: bool,
}

/// A reliable provisional response until its PRACK comes (RFC 3262 §3).
#[derive(Debug)]
struct Unacknowledged {
    response: Response,
    rseq: u32,
    lengths: Lengths,
    next: Backoff,
    give_up: Duration,
    /// It made our offer, so the PRACK answers it.
    offers: bool,
}

impl Called {
    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let unacknowledged = self.unacknowledged.as_ref().map(|it| it.next.due.min(it.give_up));
        [unacknowledged, self.ring_again].into_iter().flatten().min()
    }
}

impl Leg {
    /// Takes a received INVITE, which is in a dialog with us from now on. `from` is its source.
    ///
    /// # Errors
    /// The response that refuses it, where nothing can be made of it.
    pub fn called(
        id: LegId,
        options: LegOptions,
        (key, invite, from): (TransactionKey, &Request, SocketAddr),
        wire: &mut Wire,
        now: Duration,
    ) -> Result<Self, Response> {
        let refused = |status| capability::response(invite, status);
        let route = &options.route;
        let contact = contact(route).map_err(|_| refused(500))?;
        let (tag, cseq) = (&route.from_tag, route.cseq);
        let reach = options.side.reach();
        let dialog = Dialog::from_invite(invite, tag, cseq, contact, reach, from, route.local)
            .map_err(|_| refused(400))?;
        let unknown = SessionTimer::of_terms(Terms::None, options.session, now);
        let terms = terms(&invite.headers, &unknown, options.session);
        if let Terms::TooSmall(min) = terms {
            // RFC 4028 §9.
            let mut response = refused(422);
            response.headers.append(HeaderName::MinSe, min.as_secs().to_string());
            return Err(response);
        }
        let session = (wire.names.session(), 1);
        let LegOptions { codecs, own, port, .. } = &options;
        let (described, remote) = if invite.body.is_empty() {
            (sdp::offer(own.address, *port, codecs, session.0, session.1), None)
        } else {
            let accepted = sdp::accept(&invite.body, codecs, *own, *port, session.0, session.1);
            // §13.3.1.3.
            accepted.map(|(answer, remote)| (answer, Some(remote))).map_err(|_| refused(488))?
        };
        let described = Bytes::from(described);
        let called = Called {
            invite: key,
            session: described.clone(),
            remote,
            terms,
            // RFC 3262 §3: where it is only supported, nothing is gained by it.
            reliable: lists(&invite.headers, HeaderName::Require, RELIABLE),
            rseq: wire.names.cseq(),
            unacknowledged: None,
            ring_again: None,
            answering: false,
        };
        wire.own(key, Owner::Leg(id));
        let deadline = Some(now.saturating_add(options.ring_max));
        Ok(Self {
            id,
            options,
            state: State::Called(Box::new(called)),
            invite: invite.clone(),
            heard: true,
            session,
            described,
            answer: Bytes::new(),
            early: Vec::new(),
            ringing: Vec::new(),
            dialogs: vec![dialog],
            linger: wire.timers.t1 * 64,
            forks_until: None,
            repeats_until: None,
            deadline,
        })
    }

    /// Whether the peer made the call.
    pub(super) fn is_called(&self) -> bool {
        self.dialogs.first().is_some_and(Dialog::is_called)
    }

    /// Tells the caller that it rings.
    pub fn ring(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let mut response = self.response_to_invite(180);
        let State::Called(called) = &mut self.state else { return Vec::new() };
        called.ring_again = Some(now.saturating_add(RING_AGAIN));
        if called.reliable {
            // One at a time (RFC 3262 §3).
            if called.unacknowledged.is_some() {
                return Vec::new();
            }
            called.rseq = called.rseq.saturating_add(1);
            response.headers.append(HeaderName::Require, RELIABLE);
            response.headers.append(HeaderName::RSeq, called.rseq.to_string());
            let offers = called.remote.is_none();
            if offers {
                // RFC 3261 §13.2.1: the first reliable message makes the offer.
                response.headers.append(HeaderName::ContentType, ACCEPT);
                response.body = called.session.clone();
            }
            let lengths = Lengths::new(wire.timers, Reliability::Unreliable);
            let first = Backoff { due: now.saturating_add(wire.timers.t1), interval: wire.timers.t1 };
            called.unacknowledged = Some(Unacknowledged {
                response: response.clone(),
                rseq: called.rseq,
                lengths,
                next: lengths.backoff(Timer::G, now).unwrap_or(first),
                give_up: lengths.deadline(Timer::L, now),
                offers,
            });
        }
        wire.layer.respond(called.invite, response, now);
        Vec::new()
    }

    /// Answers the call; nothing happens to one that is answered or over. [`Notice::Answered`] comes once the caller's
    /// session is known: at once, or with the ACK where the caller made no offer.
    pub fn answer(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let mut response = self.response_to_invite(200);
        let State::Called(called) = &mut self.state else { return Vec::new() };
        called.answering = true;
        // RFC 3262 §3: not before the PRACK, where a provisional response speaks of the session; never before it here.
        if called.unacknowledged.is_some() {
            return Vec::new();
        }
        response.headers.append(HeaderName::Supported, self.options.side.peer().supported());
        write_terms(&mut response.headers, called.terms);
        if !called.session.is_empty() {
            response.headers.append(HeaderName::ContentType, ACCEPT);
            response.body = std::mem::take(&mut called.session);
        }
        let (key, remote) = (called.invite, called.remote);
        let timer = SessionTimer::of_terms(called.terms, self.options.session, now);
        let repeater = AnswerRepeater::new(response.clone(), wire.timers, now);
        let mut up = Up::new(timer, &self.invite.headers);
        up.reinvite = Some(Reinvite { transaction: key, repeater, offered: remote.is_none(), first: true });
        self.deadline = self.options.up_max.map(|up_max| now.saturating_add(up_max));
        self.change(State::Up(Box::new(up)));
        wire.layer.respond(key, response, now);
        self.answered_by_us(remote)
    }

    /// Refuses the call with 300..699; tells that we ended it for `reason`.
    pub fn refuse(
        &mut self,
        status: u16,
        reason: &'static str,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        self.give_final(status, Notice::Ended { by: EndedBy::Us, reason }, wire, now)
    }

    /// The caller cancelled its INVITE (RFC 3261 §9.2).
    pub fn cancelled(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        self.give_final(487, Notice::Ended { by: EndedBy::Peer, reason: "cancelled" }, wire, now)
    }

    /// The caller's session is known: the call is up.
    pub(super) fn answered_by_us(&self, remote: Option<Remote>) -> Vec<Notice> {
        match (remote, self.dialogs.first().map(Dialog::durable)) {
            (Some(remote), Some(dialog)) => vec![Notice::Answered { dialog: Box::new(dialog), remote }],
            (_, _) => Vec::new(),
        }
    }

    /// Says again that it rings, and what was not acknowledged.
    pub(super) fn ring_on(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Called(called) = &mut self.state else { return Vec::new() };
        if let Some(waiting) = &mut called.unacknowledged {
            if now >= waiting.give_up {
                // RFC 3262 §3: a 5xx.
                return self.refuse(504, "prack_lost", wire, now);
            }
            if now >= waiting.next.due {
                waiting.next = waiting.lengths.doubled(waiting.next, now);
                let response = waiting.response.clone();
                wire.layer.respond(called.invite, response, now);
            }
        }
        match called.ring_again.take_if(|at| *at <= now) {
            Some(_) => self.ring(wire, now),
            None => Vec::new(),
        }
    }

    /// A request of the caller before our answer.
    pub(super) fn serve_called(
        &mut self,
        key: TransactionKey,
        request: &Request,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let State::Called(called) = &mut self.state else { return Vec::new() };
        let Some(dialog) = self.dialogs.first_mut() else { return Vec::new() };
        let settled = called.remote.is_some() && called.session.is_empty();
        let names = &mut wire.names;
        let served = dialog.serve(request, |offer| match (&request.method, offer) {
            (Method::Update, None) => Negotiation::Session(Vec::new()),
            (Method::Update, Some(_)) if settled => Negotiation::Refuse(488),
            // RFC 3261 §14.2, RFC 3311 §5.2: an offer is still to be answered.
            (_, _) => {
                let wait_s = names.below(RETRY_AFTER_END_S).to_string();
                Negotiation::RefuseWith(500, HeaderName::RetryAfter, wait_s)
            }
        });
        match served {
            Served::Silence => {}
            Served::Referred => wire.layer.respond(key, capability::refuse_method(request), now),
            // Nobody is there yet who could read it.
            Served::Text => wire.layer.respond(key, capability::response(request, 480), now),
            Served::Answered(response) | Served::Accepted(response) => {
                wire.layer.respond(key, response, now);
            }
            Served::Pracked(refusal) => return self.acknowledged(key, request, refusal, wire, now),
            // §15.1.2: a BYE before the answer ends the INVITE as well.
            Served::Ended(response) => {
                wire.layer.respond(key, response, now);
                return self.cancelled(wire, now);
            }
        }
        Vec::new()
    }

    /// A PRACK (RFC 3262 §3).
    fn acknowledged(
        &mut self,
        key: TransactionKey,
        prack: &Request,
        refusal: Response,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let State::Called(called) = &mut self.state else { return Vec::new() };
        let cseq = self.invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let named = rack(prack);
        let taken = called.unacknowledged.take_if(|waiting| named == Some((waiting.rseq, cseq)));
        let Some(taken) = taken else {
            wire.layer.respond(key, refusal, now);
            return Vec::new();
        };
        wire.layer.respond(key, capability::response(prack, 200), now);
        if taken.offers {
            match sdp::read_answer(&prack.body, &self.options.codecs, self.options.own) {
                Ok(remote) => {
                    called.remote = Some(remote);
                    called.session = Bytes::new();
                }
                Err(_) => return self.refuse(488, "media", wire, now),
            }
        }
        if called.answering { self.answer(wire, now) } else { Vec::new() }
    }

    fn give_final(&mut self, status: u16, last: Notice, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Called(called) = &self.state else { return Vec::new() };
        let key = called.invite;
        let mut response = capability::response(&self.invite, status);
        if status == 503 {
            response.headers.append(HeaderName::RetryAfter, RETRY_AFTER_S.to_string());
        }
        wire.layer.respond(key, response, now);
        self.finish(last, now)
    }

    /// A response to its INVITE that makes the dialog (§12.1.1).
    fn response_to_invite(&self, status: u16) -> Response {
        let mut response = capability::response(&self.invite, status);
        let headers = &mut response.headers;
        headers.tag_to(&self.options.route.from_tag);
        headers.copy(HeaderName::RecordRoute, &self.invite.headers);
        if let Some(dialog) = self.dialogs.first() {
            headers.append(HeaderName::Contact, dialog.contact().clone());
        }
        headers.append(HeaderName::Allow, self.options.side.peer().allow());
        response
    }
}

/// RFC 3262 §7.2: which response it acknowledges, and of which INVITE.
fn rack(prack: &Request) -> Option<(u32, u32)> {
    let mut words = prack.headers.text(HeaderName::RAck)?.split_ascii_whitespace();
    let (rseq, cseq) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_some_and(|method| method == "INVITE").then_some((rseq, cseq))
}
