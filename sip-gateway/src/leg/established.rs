//! The peer's requests within the dialog of an answered leg (RFC 3261 §12.2.2, §14.2, §15.1.2; RFC 3311 §5.2; RFC 4028 §9).

use std::net::SocketAddr;
use std::time::Duration;

use super::refer::Referral;
use super::refresh::Own;
use super::requests::Side;
use super::text::Text;
use super::wire::Wire;
use super::{Leg, Notice, Reinvite, State, Up, digits, reason};
use crate::dialog::capability::{self, lists, response as plain};
use crate::dialog::session_timer::{Refresher, SessionTimer, TIMER, Terms, response_value, terms};
use crate::dialog::{AnswerRepeater, Dialog, Negotiation, Repetition, Served};
use crate::event::EndedBy;
use crate::gateway::names::Names;
use crate::media::Remote;
use crate::message::{HeaderName, Headers, Method, Request};
use crate::sdp;
use crate::transaction::TransactionKey;

/// A peer that offers a new session while the last one is not settled is told to wait 0 to 10 s (RFC 3261 §14.2).
pub(super) const RETRY_AFTER_END_S: u32 = 11;

impl Leg {
    /// A request that names this leg's Call-ID.
    pub fn request(
        &mut self,
        key: TransactionKey,
        request: &Request,
        from: SocketAddr,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let confirmed = self.dialogs.iter().position(|dialog| dialog.matches_request(request));
        let early = self.early.iter().position(|early| early.dialog.matches_request(request));
        let dialog = match (confirmed, early) {
            (Some(index), _) => self.dialogs.get(index),
            (None, Some(index)) => self.early.get(index).map(|early| &early.dialog),
            (None, None) => None,
        };
        if !dialog.is_some_and(|dialog| dialog.is_peer(from)) {
            // Whoever guesses tags and Call-ID from elsewhere learns nothing.
            wire.counters.foreign_source += u64::from(dialog.is_some());
            wire.layer.respond(key, plain(request, 481), now);
            return Vec::new();
        }
        if let (None, Some(index), true) = (confirmed, early, self.is_inviting()) {
            return self.serve_early(index, key, request, wire, now);
        }
        let index = confirmed.unwrap_or(usize::MAX);
        match &self.state {
            State::Up(_) if index == 0 => self.serve(key, request, wire, now),
            State::Called(_) if index == 0 => self.serve_called(key, request, wire, now),
            // Both said BYE at once: each gets its 200, and ours was first here.
            State::Closing { then, .. } if index == 0 && request.method == Method::Bye => {
                let then = then.clone();
                wire.layer.respond(key, plain(request, 200), now);
                self.finish(then, now)
            }
            State::Inviting { .. }
            | State::Leaving { .. }
            | State::Called(_)
            | State::Up(_)
            | State::Closing { .. }
            | State::Over => {
                // The dialog of an ended fork, or one that is over here.
                let status = if request.method == Method::Bye { 200 } else { 481 };
                wire.layer.respond(key, plain(request, status), now);
                Vec::new()
            }
        }
    }

    /// The ACK of our 2xx to an INVITE of the peer.
    pub fn ack(
        &mut self,
        request: &Request,
        from: SocketAddr,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let ours = |dialog: &Dialog| dialog.matches_request(request) && dialog.is_peer(from);
        let State::Up(up) = &mut self.state else { return Vec::new() };
        if !self.dialogs.first().is_some_and(ours) {
            return Vec::new();
        }
        let Some(settled) = up.reinvite.take_if(|reinvite| reinvite.repeater.is_acknowledged_by(request))
        else {
            return Vec::new();
        };
        let leaving = up.leaving.take();
        // §13.2.1: our 2xx made the offer, so the answer is here.
        let answer =
            settled.offered.then(|| sdp::read_answer(&request.body, &self.options.codecs, self.options.own));
        match (leaving, answer) {
            (Some(then), _) => self.close(then, wire, now),
            (None, Some(Ok(remote))) if settled.first => self.answered_by_us(Some(remote)),
            (None, Some(Ok(remote))) => vec![Notice::Changed(remote)],
            (None, Some(Err(_))) if settled.first => {
                self.close(Notice::Ended { by: EndedBy::Us, reason: "media" }, wire, now)
            }
            (None, Some(Err(_)) | None) => Vec::new(),
        }
    }

    /// Sends the 2xx to an INVITE again while its ACK is missing; ends the call when it never comes (§14.2).
    pub(super) fn repeat_reinvite(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Up(up) = &mut self.state else { return Vec::new() };
        let Some(reinvite) = &mut up.reinvite else { return Vec::new() };
        match reinvite.repeater.handle_timeout(now) {
            Repetition::Wait => Vec::new(),
            Repetition::Again(response) => {
                wire.layer.respond(reinvite.transaction, response, now);
                Vec::new()
            }
            Repetition::GiveUp => {
                up.reinvite = None;
                let lost = Notice::Ended { by: EndedBy::Network, reason: "ack_lost" };
                let then = up.leaving.take().unwrap_or(lost);
                self.close(then, wire, now)
            }
        }
    }

    /// A request within the kept dialog while the leg is up.
    fn serve(
        &mut self,
        key: TransactionKey,
        request: &Request,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let State::Up(up) = &mut self.state else { return Vec::new() };
        let Some(dialog) = self.dialogs.first_mut() else { return Vec::new() };
        let options = &self.options;
        let (session, version) = (self.session.0, self.session.1.saturating_add(1));
        let refreshes = matches!(request.method, Method::Invite | Method::Update);
        let terms = refreshes.then(|| terms(&request.headers, &up.timer, options.session));
        let names = &mut wire.names;
        let mut changed: Option<Remote> = None;
        let served = dialog.serve(request, |offer| match (up.conflict(request, names), terms, offer) {
            (Some(refusal), _, _) => refusal,
            // RFC 4028 §9.
            (None, Some(Terms::TooSmall(min)), _) => {
                Negotiation::RefuseWith(422, HeaderName::MinSe, min.as_secs().to_string())
            }
            (None, _, None) if request.method == Method::Update => Negotiation::Session(Vec::new()),
            (None, _, None) => {
                let own = options.own.address;
                Negotiation::Session(sdp::offer(own, options.port, &options.codecs, session, version))
            }
            (None, _, Some(offer)) => {
                match sdp::accept(offer, &options.codecs, options.own, options.port, session, version) {
                    Ok((answer, remote)) => {
                        changed = Some(remote);
                        Negotiation::Session(answer)
                    }
                    // §14.2, RFC 3311 §5.2: the session stays as it was.
                    Err(_) => Negotiation::Refuse(488),
                }
            }
        });
        let (mut response, awaits_ack) = match served {
            Served::Silence => return Vec::new(),
            Served::Referred if options.side == Side::Phone => {
                return vec![Notice::Referred(Box::new(Referral { key, request: request.clone() }))];
            }
            Served::Text => {
                return vec![Notice::Text(Box::new(Text { leg: self.id, key, request: request.clone() }))];
            }
            // A carrier moves no calls of ours.
            Served::Referred => (capability::refuse_method(request), false),
            Served::Ended(response) => {
                wire.layer.respond(key, response, now);
                return self.finish(reason::of_bye(&request.headers), now);
            }
            Served::Answered(response) | Served::Pracked(response) => (response, false),
            Served::Accepted(response) => (response, true),
        };
        if let Some(terms) = terms
            && response.status == 200
        {
            write_terms(&mut response.headers, terms);
            up.timer = SessionTimer::of_terms(terms, options.session, now);
            up.hear(&request.headers);
            if !response.body.is_empty() {
                self.session.1 = version;
                self.described = response.body.clone();
            }
        }
        if awaits_ack {
            let repeater = AnswerRepeater::new(response.clone(), wire.timers, now);
            up.reinvite =
                Some(Reinvite { transaction: key, repeater, offered: changed.is_none(), first: false });
        }
        let digit = (request.method == Method::Info && response.status == 200).then(|| digits::of(request));
        wire.layer.respond(key, response, now);
        let changed = changed.map(Notice::Changed);
        changed.into_iter().chain(digit.flatten().map(Notice::Digit)).collect()
    }
}

impl Up {
    /// An answered leg with nothing under way.
    pub(super) fn new(timer: SessionTimer, answer: &Headers) -> Self {
        let mut up = Self {
            reinvite: None,
            leaving: None,
            own: Own::Idle,
            timer,
            update: false,
            texts: false,
            saying: None,
        };
        up.hear(answer);
        up
    }

    /// Takes note of what the peer can, if it says so.
    pub(super) fn hear(&mut self, headers: &Headers) {
        if headers.contains(HeaderName::Allow) {
            self.update = lists(headers, HeaderName::Allow, "UPDATE");
            self.texts = lists(headers, HeaderName::Allow, "MESSAGE");
        }
    }

    /// When something is due, at the latest.
    pub(super) fn deadline(&self) -> Duration {
        let repeat = self.reinvite.as_ref().map(|reinvite| reinvite.repeater.poll_timeout());
        let again = self.own.again_at();
        [repeat, again].into_iter().flatten().fold(self.timer.deadline(), Duration::min)
    }

    /// Why a re-INVITE or UPDATE can't be looked at now (§14.2, RFC 3311 §5.2).
    fn conflict(&self, request: &Request, names: &mut Names) -> Option<Negotiation> {
        let offers = !request.body.is_empty();
        match &request.method {
            // Both sides offered at once.
            Method::Invite | Method::Update
                if self.own.offers() && (offers || request.method == Method::Invite) =>
            {
                Some(Negotiation::Refuse(491))
            }
            // Our 2xx made an offer, whose answer will be in the ACK.
            Method::Update if offers && self.reinvite.as_ref().is_some_and(|reinvite| reinvite.offered) => {
                Some(Negotiation::Refuse(491))
            }
            // §14.2: a second INVITE before the first is settled.
            Method::Invite if self.reinvite.is_some() => {
                let wait_s = names.below(RETRY_AFTER_END_S).to_string();
                Some(Negotiation::RefuseWith(500, HeaderName::RetryAfter, wait_s))
            }
            _ => None,
        }
    }
}

/// RFC 4028 §9: what was agreed, and that the peer must keep to it when it is to refresh.
pub(super) fn write_terms(headers: &mut Headers, terms: Terms) {
    match terms {
        Terms::Agreed(interval, refresher) => {
            headers.append(HeaderName::SessionExpires, response_value(interval, refresher));
            if refresher == Refresher::Peer {
                headers.append(HeaderName::Require, TIMER);
            }
        }
        Terms::None | Terms::TooSmall(_) => {}
    }
}
