//! From the INVITE to its answer or failure (RFC 3261 §9.1, §13.2, §22.2).

use std::time::Duration;

use bytes::Bytes;

use super::early::Early;
use super::requests;
use super::wire::{Owner, Wire};
use super::{FORKS_MAX, Leg, LegId, LegOptions, Notice, SignedIdentity, State, Tries, Up, reason};
use crate::auth::{Asked, REPETITIONS_MAX};
use crate::dialog::session_timer::{SessionTimer, request_value};
use crate::dialog::{Dialog, Reach};
use crate::event::{Failure, Route};
use crate::media::Remote;
use crate::message::{HeaderName, Method, Request, Response};
use crate::sdp;
use crate::transaction::TransactionKey;

/// Most times that an INVITE is sent again because its session interval was too small: for a proxy and for the callee.
const RAISED_MAX: u8 = 2;

/// Most times that one INVITE is sent again.
pub(super) const INVITES_AGAIN_MAX: u8 = REPETITIONS_MAX + RAISED_MAX;

/// What the dialog of another fork's 2xx is made of (RFC 3261 §12.1.2, §13.2.2.4), beside that response.
const WANTED_BY_FORKS: [HeaderName; 8] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::Contact,
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
];

impl Leg {
    /// Sends the INVITE. Fails when the route can't be written as a request, or there is no room for a transaction.
    pub fn start(id: LegId, options: LegOptions, wire: &mut Wire, now: Duration) -> Result<Self, Failure> {
        let session = (wire.names.session(), 1);
        let route = &options.route;
        let request = invite(&options, session, &route.branch, route.cseq, &[]).ok_or(Failure::Transport)?;
        let invite = wire
            .send(Owner::Leg(id), request.clone(), route.next_hop, route.local, now)
            .map_err(|_| Failure::Transport)?;
        let deadline = now.saturating_add(options.ring_max);
        Ok(Self {
            id,
            options,
            state: State::Inviting { invite, tries: Tries::default(), provisional: false, early: None },
            described: request.body.clone(),
            invite: request,
            heard: false,
            session,
            early: Vec::new(),
            ringing: Vec::new(),
            answer: Bytes::new(),
            dialogs: Vec::new(),
            linger: wire.timers.t1 * 64,
            forks_until: None,
            repeats_until: None,
            deadline: Some(deadline),
        })
    }

    /// A response to the INVITE while it is out.
    pub(super) fn inviting(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        match response.status {
            100..=199 => self.progress(response, wire, now),
            200..=299 => self.answered(response, wire, now),
            401 | 407 => self.challenged(response, wire, now),
            422 => self.too_small(response, wire, now),
            300.. | 0..100 => self.fail(Failure::of_response(response), now),
        }
    }

    /// A response to the INVITE after we wanted out.
    pub(super) fn leaving(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Leaving { invite, cancelled, reason } = &self.state else { return Vec::new() };
        let (invite, cancelled, reason) = (*invite, *cancelled, *reason);
        match response.status {
            100..=199 if cancelled => {
                self.takes(response, wire, now);
                Vec::new()
            }
            100..=199 => {
                self.takes(response, wire, now);
                self.leave(invite, true, reason, wire, now);
                Vec::new()
            }
            // The answer crossed our CANCEL: it is a call now, and ended as one (§9.1, §15).
            200..=299 => {
                let heard = self.heard;
                let then = Notice::Failed { failure: Failure::Cancelled, heard };
                if self.confirm(response, wire, now) {
                    self.close(then, wire, now)
                } else {
                    self.finish(then, now)
                }
            }
            // Before the CANCEL left, the callee's own word counts; a challenge is no word of the callee.
            status if !cancelled && status != 401 && status != 407 => {
                self.fail(Failure::of_response(response), now)
            }
            _ => self.fail(Failure::Cancelled, now),
        }
    }

    /// Ends an INVITE that is out. RFC 3261 §9.1: CANCEL must wait for a provisional response.
    pub(super) fn leave(
        &mut self,
        invite: TransactionKey,
        provisional: bool,
        reason: &'static str,
        wire: &mut Wire,
        now: Duration,
    ) {
        let cancelled = provisional && wire.layer.cancel(invite, Some(reason), now).is_ok();
        self.change(State::Leaving { invite, cancelled, reason });
        // Timer B, or the limit after CANCEL, ends it; this deadline stands behind both.
        self.deadline = Some(now.saturating_add(self.limit()));
    }

    /// A 2xx that is not the first: a retransmission gets its ACK again, another fork gets ACK and BYE.
    pub(super) fn another_success(&mut self, response: &Response, wire: &mut Wire, now: Duration) {
        let is_invite = response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if !is_invite || !(200..300).contains(&response.status) {
            return;
        }
        if let Some(known) = self.dialogs.iter_mut().find(|dialog| dialog.matches_response(response)) {
            if known.is_to_last_invite(response) {
                acknowledge(known, wire);
            }
        } else if !self.is_called() && self.dialogs.len() < FORKS_MAX && self.confirm(response, wire, now) {
            wire.counters.forks_ended += 1;
            // Whatever comes of this BYE: nobody hears this dialog.
            let last = self.dialogs.len() - 1;
            let _ = self.send_bye(last, reason::ELSEWHERE, &[], Owner::Nobody, wire, now);
        }
    }

    fn progress(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let taken = self.takes(response, wire, now);
        let updated = self.early.iter().any(|early| early.updated && early.dialog.matches_response(response));
        let session = match self.options.late_offer {
            // §13.2.1: an offer is in a reliable response only.
            true => self
                .early
                .iter()
                .find(|early| early.dialog.matches_response(response))
                .and_then(|early| early.remote),
            false => self.session_of(response),
        };
        let session = session.filter(|_| !updated && !response.body.is_empty());
        let State::Inviting { provisional, early, .. } = &mut self.state else { return Vec::new() };
        *provisional = true;
        if response.status == 100 || !taken {
            return Vec::new();
        }
        if session.is_some() {
            *early = session;
        }
        self.note_ringing(response);
        vec![Notice::Ringing { status: response.status, early: session }]
    }

    fn answered(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Inviting { early, .. } = &self.state else { return Vec::new() };
        let known = self.early.iter().find(|early| early.dialog.matches_response(response));
        let remote = match (known, *early) {
            // RFC 3311 §5.2: the session is what the callee made of it since; the 2xx may repeat its first answer.
            (Some(Early { updated: true, remote, .. }), _) => *remote,
            // RFC 3262 §5: the session was in a provisional response. Some carriers do so with unreliable ones, too.
            (Some(Early { remote: Some(remote), .. }), _) if response.body.is_empty() => Some(*remote),
            (_, early) if response.body.is_empty() => early,
            // §13.2.2.4: the offer is here, so the ACK carries the answer.
            (known, _) if self.options.late_offer => match known.and_then(|early| early.remote) {
                Some(remote) => Some(remote),
                None => self.answer_to(response),
            },
            (_, _) => self.session_of(response),
        };
        if !self.confirm(response, wire, now) {
            return self.fail(Failure::Media, now);
        }
        match (remote, self.dialogs.first().map(Dialog::durable)) {
            (Some(remote), Some(dialog)) => {
                self.deadline = self.options.up_max.map(|up_max| now.saturating_add(up_max));
                let timer = SessionTimer::of_response(&response.headers, self.options.session, now);
                self.change(State::Up(Box::new(Up::new(timer, &response.headers))));
                // A call lasts longer than there is a use for the rest.
                (self.invite.body, self.ringing) = (Bytes::new(), Vec::new());
                self.invite.headers.keep(&WANTED_BY_FORKS);
                vec![Notice::Answered { dialog: Box::new(dialog), remote }]
            }
            (_, _) => {
                let heard = self.heard;
                self.close(Notice::Failed { failure: Failure::Media, heard }, wire, now)
            }
        }
    }

    /// RFC 3261 §22.2: the same INVITE with an answer to the challenge, one CSeq higher, in a new transaction.
    fn challenged(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Inviting { tries, .. } = &mut self.state else { return Vec::new() };
        let mut tries = std::mem::take(tries);
        let asked = asked(&self.options, &self.invite);
        let authorization = self.options.credentials.as_ref().and_then(|credentials| {
            tries.answers.answer(response, credentials, asked, || wire.names.cnonce())
        });
        match authorization {
            Some(authorization) => self.invite_again(tries, &authorization, response.status, wire, now),
            None => self.fail(Failure::Status(response.status), now),
        }
    }

    /// RFC 4028 §7.3: the same INVITE with the larger interval that the peer or a proxy asks for.
    fn too_small(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Inviting { tries, .. } = &mut self.state else { return Vec::new() };
        let mut tries = std::mem::take(tries);
        if tries.raised >= RAISED_MAX || !self.options.session.raise(&response.headers) {
            return self.fail(Failure::Status(response.status), now);
        }
        tries.raised += 1;
        let asked = asked(&self.options, &self.invite);
        let authorization = match &self.options.credentials {
            Some(credentials) => tries.answers.again(credentials, asked, || wire.names.cnonce()),
            None => Vec::new(),
        };
        self.invite_again(tries, &authorization, response.status, wire, now)
    }

    fn invite_again(
        &mut self,
        tries: Tries,
        authorization: &[(HeaderName, String)],
        refused: u16,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let route = &self.options.route;
        let (branch, cseq) = repetition(route, tries.answers.repetitions() + tries.raised);
        let request = invite(&self.options, self.session, &branch, cseq, authorization);
        let sent = request.and_then(|request| {
            let key =
                wire.send(Owner::Leg(self.id), request.clone(), route.next_hop, route.local, now).ok()?;
            Some((request, key))
        });
        let Some((request, invite)) = sent else { return self.fail(Failure::Status(refused), now) };
        self.invite = request;
        self.early.clear();
        self.change(State::Inviting { invite, tries, provisional: false, early: None });
        Vec::new()
    }

    /// Makes the dialog of a 2xx and acknowledges it. False when it can't be made of what the peer wrote.
    fn confirm(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> bool {
        let route = &self.options.route;
        let made = match self.early.iter().position(|early| early.dialog.matches_response(response)) {
            Some(index) => {
                let mut dialog = self.early.swap_remove(index).dialog;
                dialog.confirm(&self.invite, response).map(|()| dialog)
            }
            None => Dialog::from_answer(&self.invite, response, self.reach(), route.next_hop, route.local),
        };
        match made {
            Ok(mut dialog) => {
                if let State::Inviting { .. } = self.state {
                    dialog.answer_with(std::mem::take(&mut self.answer));
                }
                acknowledge(&mut dialog, wire);
                if self.dialogs.is_empty() {
                    self.forks_until = Some(now.saturating_add(self.linger));
                }
                // There is hardly ever a second; a vector that grows by itself would keep room for four.
                self.dialogs.reserve_exact(1);
                self.dialogs.push(dialog);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "answer can't be used");
                false
            }
        }
    }

    /// Answers the offer of a response to our INVITE that made none; the answer is kept for the request that carries it.
    pub(super) fn answer_to(&mut self, response: &Response) -> Option<Remote> {
        let LegOptions { codecs, own, port, .. } = &self.options;
        let (answer, remote) =
            sdp::accept(&response.body, codecs, *own, *port, self.session.0, self.session.1).ok()?;
        self.answer = answer.into();
        self.described = self.answer.clone();
        Some(remote)
    }

    /// Where requests of its dialogs go.
    pub(super) fn reach(&self) -> Reach {
        self.options.side.reach()
    }

    /// The usable session of a response, if it carries one.
    pub(super) fn session_of(&self, response: &Response) -> Option<Remote> {
        if response.body.is_empty() {
            return None;
        }
        sdp::read_answer(&response.body, &self.options.codecs, self.options.own).ok()
    }
}

/// What an answer to a challenge of the INVITE is for. Every INVITE of a leg has the same offer.
fn asked<'a>(options: &'a LegOptions, invite: &'a Request) -> Asked<'a> {
    Asked { method: "INVITE", uri: &options.route.request_uri, body: &invite.body }
}

/// The INVITE with our offer. The offer is the same for every INVITE of a leg, as its version says.
fn invite(
    options: &LegOptions,
    (session, version): (u64, u64),
    branch: &str,
    cseq: u32,
    authorization: &[(HeaderName, String)],
) -> Option<Request> {
    let mut request = requests::invite(&options.route, options.side, branch, cseq, authorization).ok()?;
    for proxy in &options.path {
        request.headers.append(HeaderName::Route, format!("<{proxy}>"));
    }
    if options.asserted_identity {
        request.headers.append(HeaderName::PAssertedIdentity, format!("<{}>", options.route.from_uri));
    }
    if let Some(SignedIdentity { identity, date }) = &options.identity {
        request.headers.append(HeaderName::Date, date.clone());
        request.headers.append(HeaderName::Identity, identity.clone());
    }
    let asked = options.session;
    // RFC 4028 §7.1: who refreshes is left to the callee.
    request.headers.append(HeaderName::SessionExpires, request_value(asked.expires, None));
    request.headers.append(HeaderName::MinSe, asked.min.as_secs().to_string());
    if options.late_offer {
        request.headers.remove(HeaderName::ContentType);
    } else {
        request.body =
            sdp::offer(options.own.address, options.port, &options.codecs, session, version).into();
    }
    Some(request)
}

/// Branch and CSeq number of an INVITE's repetition, from 1. Known from the route alone, so that a later
/// process can cancel it.
pub(super) fn repetition(route: &Route, index: u8) -> (String, u32) {
    (format!("{}.{}", route.branch, u16::from(index) + 1), route.cseq.saturating_add(u32::from(index)))
}

/// §13.2.2.4: the ACK goes out each time the 2xx comes.
pub(super) fn acknowledge(dialog: &mut Dialog, wire: &mut Wire) {
    let ack = dialog.ack(&wire.names.branch());
    wire.send_ack(&ack, dialog.destination(), dialog.local());
}
