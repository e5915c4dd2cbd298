//! Within the dialog of an answered leg: BYE both ways, re-INVITE and the rest (RFC 3261 §12.2, §14.2, §15).

use std::net::SocketAddr;
use std::time::Duration;

use super::wire::{Owner, Wire};
use super::{Leg, Notice, Reinvite, State};
use crate::auth::Answers;
use crate::dialog::capability::response as plain;
use crate::dialog::{AnswerRepeater, Dialog, Negotiation, Repetition, Served};
use crate::event::EndedBy;
use crate::media::Remote;
use crate::message::{HeaderName, Method, Request, Response};
use crate::sdp;
use crate::transaction::TransactionKey;

/// How long a peer is told to wait that offers a new session while the last one is not settled (RFC 3261 §14.2).
const RETRY_AFTER_SECONDS: &str = "2";

impl Leg {
    /// Sends BYE; `then` is told once it is answered or given up.
    pub(super) fn close(&mut self, then: Notice, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        match self.send_bye(0, &[], Owner::Leg(self.id), wire, now) {
            Some(bye) => {
                self.change(State::Closing { bye, answers: Answers::default(), then });
                self.deadline = Some(now.saturating_add(self.limit()));
                Vec::new()
            }
            None => self.finish(then, now),
        }
    }

    /// Sends BYE in one of its dialogs.
    pub(super) fn send_bye(
        &mut self,
        index: usize,
        authorization: &[(HeaderName, String)],
        owner: Owner,
        wire: &mut Wire,
        now: Duration,
    ) -> Option<TransactionKey> {
        let dialog = self.dialogs.get_mut(index)?;
        let mut request = dialog.request(Method::Bye, &wire.names.branch());
        for (name, value) in authorization {
            request.headers.append(name.clone(), value.clone());
        }
        wire.send(owner, request, dialog.destination(), dialog.local(), now).ok()
    }

    /// A response to our BYE. Whatever it says, the call is over (§15.1.1), unless it asks who we are.
    pub(super) fn closing(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Closing { answers, then, .. } = &mut self.state else { return Vec::new() };
        if response.status < 200 {
            return Vec::new();
        }
        let (mut answers, then) = (std::mem::take(answers), then.clone());
        let credentials = self.options.credentials.as_ref();
        let authorization = self.dialogs.first().zip(credentials).and_then(|(dialog, credentials)| {
            let uri = dialog.remote_target().raw();
            answers.answer(response, credentials, "BYE", uri, || wire.names.cnonce())
        });
        let sent = authorization
            .and_then(|authorization| self.send_bye(0, &authorization, Owner::Leg(self.id), wire, now));
        match sent {
            Some(bye) => {
                self.change(State::Closing { bye, answers, then });
                Vec::new()
            }
            None => self.finish(then, now),
        }
    }

    /// A request that names this leg's Call-ID.
    pub fn request(
        &mut self,
        key: TransactionKey,
        request: &Request,
        from: SocketAddr,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let Some(index) = self.dialogs.iter().position(|dialog| dialog.matches_request(request)) else {
            wire.layer.respond(key, plain(request, 481), now);
            return Vec::new();
        };
        if !self.dialogs.get(index).is_some_and(|dialog| dialog.is_peer(from)) {
            // Whoever guesses tags and Call-ID from elsewhere learns nothing.
            wire.counters.foreign_source += 1;
            wire.layer.respond(key, plain(request, 481), now);
            return Vec::new();
        }
        match &self.state {
            State::Up { .. } if index == 0 => self.serve(key, request, wire, now),
            // Both said BYE at once: each gets its 200, and ours was first here.
            State::Closing { then, .. } if index == 0 && request.method == Method::Bye => {
                let then = then.clone();
                wire.layer.respond(key, plain(request, 200), now);
                self.finish(then, now)
            }
            State::Inviting { .. }
            | State::Leaving { .. }
            | State::Up { .. }
            | State::Closing { .. }
            | State::Over => {
                // The dialog of an ended fork, or one that is over here.
                let status = if request.method == Method::Bye { 200 } else { 481 };
                wire.layer.respond(key, plain(request, status), now);
                Vec::new()
            }
        }
    }

    /// The ACK of our 2xx to a re-INVITE.
    pub fn ack(&mut self, request: &Request, from: SocketAddr) -> Vec<Notice> {
        let ours = |dialog: &Dialog| dialog.matches_request(request) && dialog.is_peer(from);
        let State::Up { reinvite } = &mut self.state else { return Vec::new() };
        if !self.dialogs.first().is_some_and(ours) {
            return Vec::new();
        }
        match reinvite.take_if(|reinvite| reinvite.repeater.is_acknowledged_by(request)) {
            // §13.2.1: our 2xx made the offer, so the answer is here.
            Some(settled) if settled.offered => {
                sdp::read_answer(&request.body, &self.options.codecs, self.options.own)
                    .map(|remote| vec![Notice::Changed(remote)])
                    .unwrap_or_default()
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Sends the 2xx to a re-INVITE again while its ACK is missing; ends the call when it never comes (§14.2).
    pub(super) fn repeat_reinvite(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Up { reinvite: Some(reinvite) } = &mut self.state else { return Vec::new() };
        match reinvite.repeater.handle_timeout(now) {
            Repetition::Wait => Vec::new(),
            Repetition::Again(response) => {
                wire.layer.respond(reinvite.transaction, response, now);
                Vec::new()
            }
            Repetition::GiveUp => {
                self.close(Notice::Ended { by: EndedBy::Network, reason: "ack_lost" }, wire, now)
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
        let State::Up { reinvite } = &mut self.state else { return Vec::new() };
        let Some(dialog) = self.dialogs.first_mut() else { return Vec::new() };
        match request.method {
            // Nothing is done with it, and phones that send digits so are content with a 200.
            Method::Info => {
                wire.layer.respond(key, plain(request, 200), now);
                return Vec::new();
            }
            Method::Invite if reinvite.is_some() => {
                // §14.2: a second INVITE before the first is settled.
                let mut response = plain(request, 500);
                response.headers.append(HeaderName::RetryAfter, RETRY_AFTER_SECONDS);
                wire.layer.respond(key, response, now);
                return Vec::new();
            }
            _ => {}
        }
        let options = &self.options;
        let (session, version) = (self.session.0, self.session.1.saturating_add(1));
        let mut changed: Option<Remote> = None;
        let served = dialog.serve(request, |offer| match offer {
            None => {
                let own = options.own.address;
                Negotiation::Session(sdp::offer(own, options.port, &options.codecs, session, version))
            }
            Some(offer) => {
                match sdp::accept(offer, &options.codecs, options.own, options.port, session, version) {
                    Ok((answer, remote)) => {
                        changed = Some(remote);
                        Negotiation::Session(answer)
                    }
                    // §14.2: the session stays as it was.
                    Err(_) => Negotiation::Refuse(488),
                }
            }
        });
        match served {
            Served::Silence => Vec::new(),
            Served::Answered(response) => {
                wire.layer.respond(key, response, now);
                Vec::new()
            }
            Served::Accepted(response) => {
                self.session.1 = version;
                let repeater = AnswerRepeater::new(response.clone(), wire.timers, now);
                *reinvite = Some(Reinvite { transaction: key, repeater, offered: changed.is_none() });
                wire.layer.respond(key, response, now);
                changed.map(Notice::Changed).into_iter().collect()
            }
            Served::Ended(response) => {
                wire.layer.respond(key, response, now);
                self.finish(Notice::Ended { by: EndedBy::Peer, reason: "bye" }, now)
            }
        }
    }
}
