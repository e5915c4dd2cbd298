//! Early dialogs: reliable provisional responses with their PRACKs, and what a callee asks before it answers (RFC 3262,
//! RFC 3311 §5.2, RFC 3261 §12.1).
//!
//! Only a reliable provisional response makes an early dialog here: nothing of ours needs another one.

use std::time::Duration;

use bytes::Bytes;

use super::wire::{Owner, Wire};
use super::{FORKS_MAX, Leg, Notice, State};
use crate::auth::{Answers, Asked};
use crate::dialog::capability::{self, ACCEPT, RELIABLE, lists, response as plain};
use crate::dialog::{Dialog, Negotiation, Served};
use crate::media::Remote;
use crate::message::{HeaderName, Method, Request, Response};
use crate::sdp;
use crate::transaction::TransactionKey;

/// One callee that has not answered yet.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// RSeq of the last response that was taken.
    rseq: u32,
    /// The last PRACK, for a challenge to it.
    prack: Option<Prack>,
    /// Its session, once our offer was answered reliably.
    pub(super) remote: Option<Remote>,
    /// It changed the session since: what a later response says of it is old.
    pub(super) updated: bool,
}

/// A PRACK that is out.
#[derive(Debug)]
struct Prack {
    key: TransactionKey,
    said: Said,
}

/// What it says.
#[derive(Debug)]
struct Said {
    rack: String,
    /// Its body, when the response made an offer.
    answer: Bytes,
    answers: Answers,
}

impl Leg {
    /// Whether a provisional response is to be looked at. One that has to be acknowledged gets its PRACK; one that came before, or
    /// before its turn, is dropped (RFC 3262 §4).
    pub(super) fn takes(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> bool {
        if response.status == 100 || !lists(&response.headers, HeaderName::Require, RELIABLE) {
            return true;
        }
        let Some(rseq) = rseq(response) else { return true };
        let known = self.early.iter().position(|early| early.dialog.matches_response(response));
        let last = known.and_then(|index| self.early.get(index)).map(|early| early.rseq);
        let index = match (known, last) {
            (Some(index), Some(last)) if last.checked_add(1) == Some(rseq) => index,
            // A repetition, or the one before it is still to come.
            (Some(_), _) => return false,
            (None, _) if self.early.len() >= FORKS_MAX => return false,
            (None, _) => {
                let route = &self.options.route;
                let made = Dialog::from_provisional(
                    &self.invite,
                    response,
                    self.reach(),
                    route.next_hop,
                    route.local,
                );
                match made {
                    Ok(dialog) => {
                        self.early.reserve_exact(1);
                        self.early.push(Early { dialog, rseq, prack: None, remote: None, updated: false });
                        self.early.len() - 1
                    }
                    Err(error) => {
                        tracing::debug!(%error, "provisional response makes no dialog");
                        return true;
                    }
                }
            }
        };
        let answered = self.early.get(index).is_some_and(|early| early.remote.is_some());
        let session = match self.options.late_offer {
            // RFC 3262 §5: the PRACK answers it.
            true if !answered && !response.body.is_empty() => self.answer_to(response),
            true => None,
            false => self.session_of(response),
        };
        let Some(early) = self.early.get_mut(index) else { return true };
        early.rseq = rseq;
        if early.remote.is_none() {
            early.remote = session;
        }
        // RFC 3262 §7.2: number, CSeq number and method of the response.
        let cseq = response.headers.cseq().map_or(0, |cseq| cseq.number);
        let answer = std::mem::take(&mut self.answer);
        let said = Said { rack: format!("{rseq} {cseq} INVITE"), answer, answers: Answers::default() };
        self.prack(index, said, &[], wire, now);
        true
    }

    /// A response to a PRACK. Only a challenge asks for more. False when it is to something else.
    pub(super) fn pracked(
        &mut self,
        key: Option<TransactionKey>,
        response: &Response,
        wire: &mut Wire,
        now: Duration,
    ) -> bool {
        let is_it = |early: &Early| early.prack.as_ref().is_some_and(|prack| Some(prack.key) == key);
        let Some(index) = self.early.iter().position(is_it) else { return false };
        let Some(early) = self.early.get_mut(index).filter(|_| response.status >= 200) else { return true };
        let Some(Prack { mut said, .. }) = early.prack.take() else { return true };
        let body = said.answer.clone();
        let asked = Asked { method: "PRACK", uri: early.dialog.remote_target().raw(), body: &body };
        let authorization = self.options.credentials.as_ref().and_then(|credentials| {
            said.answers.answer(response, credentials, asked, || wire.names.cnonce())
        });
        if let Some(authorization) = authorization {
            self.prack(index, said, &authorization, wire, now);
        }
        true
    }

    /// A request of a callee that has not answered yet.
    pub(super) fn serve_early(
        &mut self,
        index: usize,
        key: TransactionKey,
        request: &Request,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let Some(early) = self.early.get_mut(index) else { return Vec::new() };
        let options = &self.options;
        let (session, version) = (self.session.0, self.session.1.saturating_add(1));
        let answered = early.remote.is_some();
        let mut changed: Option<Remote> = None;
        let served = early.dialog.serve(request, |offer| match (&request.method, offer) {
            (Method::Update, None) => Negotiation::Session(Vec::new()),
            // RFC 3311 §5.2: our own offer is answered first.
            (Method::Update, Some(offer)) if answered => {
                match sdp::accept(offer, &options.codecs, options.own, options.port, session, version) {
                    Ok((answer, remote)) => {
                        changed = Some(remote);
                        Negotiation::Session(answer)
                    }
                    Err(_) => Negotiation::Refuse(488),
                }
            }
            // §14.2: our INVITE is still under way.
            _ => Negotiation::Refuse(491),
        });
        let response = match served {
            Served::Silence => return Vec::new(),
            Served::Referred => capability::refuse_method(request),
            // Nobody is there yet who could read it.
            Served::Text => plain(request, 480),
            // §15: a callee refuses the INVITE instead.
            Served::Ended(_) => plain(request, 481),
            Served::Answered(response) | Served::Accepted(response) | Served::Pracked(response) => response,
        };
        if let Some(remote) = changed {
            self.session.1 = version;
            self.described = response.body.clone();
            early.remote = Some(remote);
            early.updated = true;
        }
        wire.layer.respond(key, response, now);
        changed.map(Notice::Changed).into_iter().collect()
    }

    fn prack(
        &mut self,
        index: usize,
        said: Said,
        authorization: &[(HeaderName, String)],
        wire: &mut Wire,
        now: Duration,
    ) {
        let Some(early) = self.early.get_mut(index) else { return };
        let dialog = &mut early.dialog;
        let mut request = dialog.request(Method::Prack, &wire.names.branch());
        request.headers.append(HeaderName::RAck, said.rack.clone());
        if !said.answer.is_empty() {
            request.headers.append(HeaderName::ContentType, ACCEPT);
            request.body = said.answer.clone();
        }
        for (name, value) in authorization {
            request.headers.append(name.clone(), value.clone());
        }
        let sent = wire.send(Owner::Leg(self.id), request, dialog.destination(), dialog.local(), now);
        early.prack = sent.ok().map(|key| Prack { key, said });
    }

    /// Whether the INVITE is out and not being cancelled.
    pub(super) fn is_inviting(&self) -> bool {
        matches!(self.state, State::Inviting { .. })
    }
}

/// RFC 3262 §7.1: 1 to 2^32 - 1.
fn rseq(response: &Response) -> Option<u32> {
    response.headers.text(HeaderName::RSeq)?.trim().parse().ok().filter(|rseq| *rseq > 0)
}
