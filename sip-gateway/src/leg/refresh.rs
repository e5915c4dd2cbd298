//! Our own requests within an answered leg: refreshes of the session, and the question whether a peer that knows no session
//! timers is there (RFC 4028 §7.4, §10; RFC 3311 §5.1; RFC 3261 §14.1).

use std::time::Duration;

use super::calling::acknowledge;
use super::wire::{Owner, Wire};
use super::{Leg, Notice, State};
use crate::auth::{self, Answers};
use crate::dialog::capability::ACCEPT;
use crate::dialog::session_timer::{Due, SessionTimer, request_value};
use crate::message::{HeaderName, Method, Response};
use crate::sdp;
use crate::transaction::TransactionKey;

/// Most times that one refresh is sent again for a larger interval.
const RAISED_MAX: u8 = 2;

/// After a 491 the owner of the Call-ID waits between these, the other side up to 2 s (RFC 3261 §14.1).
const GLARE_MIN: Duration = Duration::from_millis(2_100);
/// In steps of 10 ms up to 4 s.
const GLARE_STEPS: u32 = 191;
/// In steps of 10 ms up to 2 s.
const GLARE_STEPS_CALLED: u32 = 201;

/// Longest wait that a peer's Retry-After is believed for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// A request of ours within the dialog; one at a time.
#[derive(Debug)]
pub(super) enum Own {
    /// None.
    Idle,
    /// It waits for its final response.
    Out(Box<Asked>),
    /// Both sides asked at once: it is sent again then.
    Waiting {
        /// When.
        until: Duration,
    },
}

/// A request that is out.
#[derive(Debug)]
pub(super) struct Asked {
    key: TransactionKey,
    kind: Kind,
    answers: Answers,
    raised: u8,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Refreshes without a word about the session.
    Update,
    /// Refreshes with the session as it is.
    Invite,
    /// Only asks.
    Options,
}

impl Kind {
    fn method(self) -> Method {
        match self {
            Self::Update => Method::Update,
            Self::Invite => Method::Invite,
            Self::Options => Method::Options,
        }
    }
}

impl Own {
    /// Its transaction, while it is out.
    pub(super) fn key(&self) -> Option<TransactionKey> {
        match self {
            Self::Out(asked) => Some(asked.key),
            Self::Idle | Self::Waiting { .. } => None,
        }
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) fn offers(&self) -> bool {
        matches!(self, Self::Out(asked) if asked.kind == Kind::Invite)
    }

    /// When it is to be sent again.
    pub(super) fn again_at(&self) -> Option<Duration> {
        match self {
            Self::Waiting { until } => Some(*until),
            Self::Idle | Self::Out(_) => None,
        }
    }
}

impl Leg {
    /// Refreshes the session when it is time, and ends the call when nobody did.
    pub(super) fn keep_alive(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Up(up) = &mut self.state else { return Vec::new() };
        let again = up.own.again_at().is_some_and(|until| until <= now);
        match up.timer.due(now) {
            Due::Expired => return self.lost("session_expired", wire, now),
            Due::Refresh => {}
            Due::Nothing if again => {}
            Due::Nothing => return Vec::new(),
        }
        let kind = match (up.timer.is_agreed(), up.update) {
            (false, _) => Kind::Options,
            // §7.4: UPDATE is better, for it makes no offer.
            (true, true) => Kind::Update,
            (true, false) => Kind::Invite,
        };
        if kind == Kind::Invite && up.reinvite.is_some() {
            // §14.1: not while the peer's own is unsettled, which refreshes as well.
            self.refresh_failed(None, now);
        } else {
            self.ask(kind, Answers::default(), 0, &[], wire, now);
        }
        Vec::new()
    }

    /// A response to the request that is out.
    pub(super) fn refreshed(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let called = self.is_called();
        let State::Up(up) = &mut self.state else { return Vec::new() };
        if response.status < 200 {
            return Vec::new();
        }
        let Own::Out(asked) = std::mem::replace(&mut up.own, Own::Idle) else { return Vec::new() };
        let kind = asked.kind;
        match response.status {
            // §12.2.1.2: the dialog is gone.
            408 | 481 => return self.lost("session_lost", wire, now),
            // Whatever else it says, somebody is there.
            _ if kind == Kind::Options => up.timer.refreshed(now),
            200..=299 => return self.agreed(kind, response, wire, now),
            401 | 407 => self.refresh_challenged(*asked, response, wire, now),
            422 if asked.raised < RAISED_MAX => {
                self.options.session.raise(&response.headers);
                self.ask(kind, asked.answers, asked.raised + 1, &[], wire, now);
            }
            491 => {
                let (least, steps) = match called {
                    true => (Duration::ZERO, GLARE_STEPS_CALLED),
                    false => (GLARE_MIN, GLARE_STEPS),
                };
                let wait = least + Duration::from_millis(10) * wire.names.below(steps);
                up.own = Own::Waiting { until: now.saturating_add(wait) };
            }
            405 | 501 if kind == Kind::Update => {
                up.update = false;
                self.ask(Kind::Invite, Answers::default(), 0, &[], wire, now);
            }
            _ => {
                let wait = response.headers.retry_after().map(|wait_s| Duration::from_secs(wait_s.into()));
                self.refresh_failed(wait.map(|wait| wait.min(RETRY_AFTER_MAX)), now);
            }
        }
        Vec::new()
    }

    /// It came to nothing; it is tried again before the session expires.
    pub(super) fn refresh_failed(&mut self, wait: Option<Duration>, now: Duration) {
        if let State::Up(up) = &mut self.state {
            up.own = Own::Idle;
            up.timer.failed(wait, now);
        }
    }

    /// A 2xx: the session goes on, perhaps in another way.
    fn agreed(&mut self, kind: Kind, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Up(up) = &mut self.state else { return Vec::new() };
        up.timer = SessionTimer::of_response(&response.headers, self.options.session, now);
        up.hear(&response.headers);
        let Some(dialog) = self.dialogs.first_mut() else { return Vec::new() };
        dialog.retarget(&response.headers);
        if kind != Kind::Invite {
            return Vec::new();
        }
        acknowledge(dialog, wire);
        sdp::read_answer(&response.body, &self.options.codecs, self.options.own)
            .map(|remote| vec![Notice::Changed(remote)])
            .unwrap_or_default()
    }

    fn refresh_challenged(&mut self, mut asked: Asked, response: &Response, wire: &mut Wire, now: Duration) {
        let method = asked.kind.method();
        let credentials = self.options.credentials.as_ref();
        let authorization = self.dialogs.first().zip(credentials).and_then(|(dialog, credentials)| {
            let uri = dialog.remote_target().raw();
            let body = if asked.kind == Kind::Invite { self.described.as_ref() } else { b"" };
            let request = auth::Asked { method: method.as_str(), uri, body };
            asked.answers.answer(response, credentials, request, || wire.names.cnonce())
        });
        match authorization {
            Some(authorization) => {
                self.ask(asked.kind, asked.answers, asked.raised, &authorization, wire, now);
            }
            None => self.refresh_failed(None, now),
        }
    }

    fn ask(
        &mut self,
        kind: Kind,
        answers: Answers,
        raised: u8,
        authorization: &[(HeaderName, String)],
        wire: &mut Wire,
        now: Duration,
    ) {
        let State::Up(up) = &mut self.state else { return };
        let Some(dialog) = self.dialogs.first_mut() else { return };
        let mut request = dialog.request(kind.method(), &wire.names.branch());
        let headers = &mut request.headers;
        headers.append(HeaderName::Contact, dialog.contact().clone());
        headers.append(HeaderName::Allow, self.options.side.peer().allow());
        // Not 100rel: nobody waits for provisional responses to it.
        headers.append(HeaderName::Supported, self.options.side.supported_by_requests());
        if kind == Kind::Options {
            headers.append(HeaderName::Accept, ACCEPT);
        } else {
            // §7.4: the roles stay; the interval is the one agreed on, or what a 422 wants.
            let asked = self.options.session;
            let interval = if raised > 0 { asked.expires } else { up.timer.interval() };
            let refresher = Some(up.timer.refresher());
            headers.append(HeaderName::SessionExpires, request_value(interval, refresher));
            headers.append(HeaderName::MinSe, asked.min.min(interval).as_secs().to_string());
        }
        for (name, value) in authorization {
            headers.append(name.clone(), value.clone());
        }
        if kind == Kind::Invite {
            headers.append(HeaderName::ContentType, ACCEPT);
            request.body = self.described.clone();
            dialog.invited(&request);
        }
        match wire.send(Owner::Leg(self.id), request, dialog.destination(), dialog.local(), now) {
            Ok(key) => {
                up.timer.asked();
                up.own = Own::Out(Box::new(Asked { key, kind, answers, raised }));
            }
            Err(_) => self.refresh_failed(None, now),
        }
    }
}
