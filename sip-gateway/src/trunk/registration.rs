//! Our registration with a carrier (RFC 3261 §10.2): sent, answered to challenges, refreshed, taken back.

use std::time::Duration;

use crate::auth::{Answers, Asked};
use crate::dialog::capability::ALLOW;
use crate::event::TrunkState;
use crate::leg::requests::USER_AGENT;
use crate::leg::wire::{Owner, Wire};
use crate::message::{CSeq, Contacts, FieldError, HeaderName, Method, NameAddr, Request, Response, Uri, Via};
use crate::options::TrunkOptions;
use crate::resolve::Target;
use crate::transaction::TransactionKey;
use crate::transaction::hop::MAX_FORWARDS;
use crate::transport::Local;

/// Lifetime asked for.
pub const EXPIRES: Duration = Duration::from_secs(3600);

/// How long after a first failure the next try comes, unless the carrier says otherwise (Retry-After). Each failure doubles it,
/// up to [`RETRY_MAX`]; a random half of it is left off, so that many trunks don't come back at once (RFC 5626 §4.5).
pub const RETRY: Duration = Duration::from_secs(30);

/// How often a lifetime may be too short for a carrier before that is a failure.
const TOO_BRIEF_MAX: u32 = 2;

/// No carrier makes us come back sooner than this.
pub const RETRY_MIN: Duration = Duration::from_secs(1);

/// No carrier makes us wait longer than this.
pub const RETRY_MAX: Duration = Duration::from_secs(600);

/// Our registration with one carrier.
#[derive(Debug)]
pub struct Registration {
    trunk: usize,
    /// Where it is sent, and from where.
    target: Target,
    local: Local,
    call_id: String,
    tag: String,
    cseq: u32,
    /// Lifetime to ask for; zero to take the registration back.
    expires: Duration,
    state: State,
    /// Until when the carrier keeps us registered.
    valid_until: Option<Duration>,
    /// Failures since the last success.
    failures: u32,
    /// How often in a row the lifetime was too short.
    too_brief: u32,
    /// What the carrier wants to see next time (RFC 7616 §3.5).
    ahead: Option<Answers>,
}

/// Where it stands.
#[derive(Debug)]
enum State {
    /// REGISTER is out.
    Sent { key: TransactionKey, answers: Answers },
    /// Waiting for the time to refresh or to try again; `None`: for nothing.
    Waiting { until: Option<Duration> },
}

impl Registration {
    /// A registration of the trunk with this index, not sent yet.
    pub fn new(trunk: usize, target: Target, local: Local, wire: &mut Wire) -> Self {
        Self {
            trunk,
            target,
            local,
            call_id: wire.names.call_id(),
            tag: wire.names.tag(),
            cseq: wire.names.cseq(),
            expires: EXPIRES,
            state: State::Waiting { until: None },
            valid_until: None,
            failures: 0,
            too_brief: 0,
            ahead: None,
        }
    }

    /// Where it is sent.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Has the next one go there, from our address `local`.
    pub fn aim(&mut self, target: Target, local: Local) {
        (self.target, self.local) = (target, local);
    }

    /// Whether this transaction is that of the REGISTER that is out.
    pub fn is_its(&self, key: TransactionKey) -> bool {
        matches!(self.state, State::Sent { key: sent, .. } if sent == key)
    }

    /// Whether a REGISTER waits for its answer.
    pub fn is_out(&self) -> bool {
        matches!(self.state, State::Sent { .. })
    }

    /// When [`Registration::handle_timeout`] must be called.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Sent { .. } => None,
            State::Waiting { until } => until,
        }
    }

    /// Registers, or refreshes what is registered. Returns the state to take, if it is known.
    pub fn handle_timeout(
        &mut self,
        options: &TrunkOptions,
        wire: &mut Wire,
        now: Duration,
    ) -> Option<TrunkState> {
        let known = self.ahead.take().zip(options.credentials());
        let Some((mut answers, credentials)) = known else {
            return self.send(options, &[], Answers::default(), wire, now);
        };
        let authorization = answers.again(&credentials, asked(options), || wire.names.cnonce());
        self.send(options, &authorization, answers, wire, now)
    }

    /// Takes the registration back, if there is one.
    pub fn withdraw(&mut self, options: &TrunkOptions, wire: &mut Wire, now: Duration) {
        self.expires = Duration::ZERO;
        // A REGISTER that is out may still be granted.
        if self.valid_until.take().is_some() || matches!(self.state, State::Sent { .. }) {
            self.send(options, &[], Answers::default(), wire, now);
        } else {
            self.state = State::Waiting { until: None };
        }
    }

    /// A response to REGISTER. Returns the state to take, if it is known.
    pub fn response(
        &mut self,
        key: TransactionKey,
        response: &Response,
        options: &TrunkOptions,
        wire: &mut Wire,
        now: Duration,
    ) -> Option<TrunkState> {
        let State::Sent { key: sent, answers } = &mut self.state else { return None };
        if *sent != key {
            return None;
        }
        match response.status {
            100..=199 => None,
            200..=299 if self.expires.is_zero() => {
                self.state = State::Waiting { until: None };
                None
            }
            200..=299 => {
                let granted = granted(response, self.local).unwrap_or(self.expires);
                self.ahead = answers.ahead(response);
                (self.failures, self.too_brief) = (0, 0);
                self.valid_until = Some(now.saturating_add(granted));
                // A refresh may be lost and repeated for 32 s; a fifth of the lifetime is left for that.
                self.state = State::Waiting { until: Some(now.saturating_add(granted * 4 / 5)) };
                Some(TrunkState::Up)
            }
            401 | 407 => {
                let mut answers = std::mem::take(answers);
                let authorization = options.credentials().and_then(|credentials| {
                    answers.answer(response, &credentials, asked(options), || wire.names.cnonce())
                });
                match authorization {
                    Some(authorization) => self.send(options, &authorization, answers, wire, now),
                    None => self.failed(None, wire, now),
                }
            }
            // §10.3 step 7: too short a lifetime; ask for the least that is granted.
            423 if !self.expires.is_zero() && self.too_brief < TOO_BRIEF_MAX => {
                match response.headers.min_expires() {
                    Some(least) if Duration::from_secs(u64::from(least)) > self.expires => {
                        self.too_brief += 1;
                        self.expires = Duration::from_secs(u64::from(least));
                        self.send(options, &[], Answers::default(), wire, now)
                    }
                    Some(_) | None => self.failed(None, wire, now),
                }
            }
            _ => {
                let wait = response.headers.retry_after().map(|s| Duration::from_secs(u64::from(s)));
                self.failed(wait, wire, now)
            }
        }
    }

    /// REGISTER was not answered, or could not be sent. Returns the state to take, if it is known.
    pub fn timeout(&mut self, key: TransactionKey, wire: &mut Wire, now: Duration) -> Option<TrunkState> {
        match self.state {
            State::Sent { key: sent, .. } if sent == key => self.failed(None, wire, now),
            State::Sent { .. } | State::Waiting { .. } => None,
        }
    }

    /// Tries again later. As long as the carrier still keeps us, the trunk stays usable.
    fn failed(&mut self, asked: Option<Duration>, wire: &mut Wire, now: Duration) -> Option<TrunkState> {
        if self.expires.is_zero() {
            self.state = State::Waiting { until: None };
            return None;
        }
        let doubled = RETRY.saturating_mul(1 << self.failures.min(8)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = match asked {
            Some(asked) => asked.clamp(RETRY_MIN, RETRY_MAX),
            None => wire.names.half_to_whole(doubled),
        };
        let again = now.saturating_add(wait);
        match self.valid_until.filter(|until| *until > now) {
            Some(until) => {
                self.state = State::Waiting { until: Some(again.min(until)) };
                None
            }
            None => {
                self.valid_until = None;
                self.state = State::Waiting { until: Some(again) };
                Some(TrunkState::RegisterFailed)
            }
        }
    }

    fn send(
        &mut self,
        options: &TrunkOptions,
        authorization: &[(HeaderName, String)],
        answers: Answers,
        wire: &mut Wire,
        now: Duration,
    ) -> Option<TrunkState> {
        self.cseq = self.cseq.saturating_add(1);
        let branch = wire.names.branch();
        let sent = self.request(options, authorization, &branch).ok().and_then(|request| {
            wire.send(Owner::Registration(self.trunk), request, self.target.address, self.local, now).ok()
        });
        match sent {
            Some(key) => {
                self.state = State::Sent { key, answers };
                None
            }
            None => self.failed(None, wire, now),
        }
    }

    /// §10.2: the address of record in To and From, the registrar in the Request-URI.
    fn request(
        &self,
        options: &TrunkOptions,
        authorization: &[(HeaderName, String)],
        branch: &str,
    ) -> Result<Request, FieldError> {
        let registrar = Uri::parse(&options.uri)?;
        let user = if options.username.is_empty() { "carillon" } else { &options.username };
        let record =
            NameAddr::new(Uri::parse(&format!("{}:{user}@{}", registrar.scheme_name(), registrar.host()))?);
        let expires = self.expires.as_secs().to_string();
        let contact = NameAddr::new(Uri::parse(&self.local.contact_uri(user, &options.uri))?);
        let mut request = Request::new(Method::Register, registrar);
        let headers = &mut request.headers;
        headers.append(HeaderName::Via, Via::own(self.local, branch));
        headers.append(HeaderName::MaxForwards, MAX_FORWARDS);
        headers.append(HeaderName::From, record.clone().with_param("tag", &self.tag));
        headers.append(HeaderName::To, record);
        headers.append(HeaderName::CallId, self.call_id.clone());
        headers.append(HeaderName::CSeq, CSeq::new(self.cseq, Method::Register));
        headers.append(HeaderName::Contact, contact.with_param("expires", &expires));
        headers.append(HeaderName::Expires, expires);
        headers.append(HeaderName::Allow, ALLOW);
        for (name, value) in authorization {
            headers.append(name.clone(), value.clone());
        }
        headers.append(HeaderName::UserAgent, USER_AGENT);
        Ok(request)
    }
}

fn asked(options: &TrunkOptions) -> Asked<'_> {
    Asked { method: "REGISTER", uri: &options.uri, body: b"" }
}

/// What the carrier granted: beside our contact, else in Expires (§10.2.4).
fn granted(response: &Response, local: Local) -> Option<Duration> {
    let contacts = match response.headers.contacts().ok()? {
        Contacts::Star => Vec::new(),
        Contacts::List(contacts) => contacts,
    };
    let ours = contacts.iter().find(|contact| contact.uri.socket_addr() == Some(local.address));
    let own = ours.and_then(|contact| contact.param("expires")?.parse::<u32>().ok());
    let seconds = own.or_else(|| response.headers.expires())?;
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}
