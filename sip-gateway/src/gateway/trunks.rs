//! Trunks as the gateway looks after them: registration, health, silence.

use std::time::Duration;

use super::Gateway;
use super::legs::LegOwner;
use super::timers::Timer;
use crate::event::{Event, TrunkState};
use crate::leg::LegId;
use crate::leg::requests::USER_AGENT;
use crate::leg::wire::{Owner, Wire};
use crate::message::{CSeq, FieldError, HeaderName, Method, NameAddr, Request, Response, Uri, Via};
use crate::options::TrunkOptions;
use crate::transaction::TransactionKey;
use crate::transaction::hop::MAX_FORWARDS;
use crate::transport::Local;
use crate::trunk::registration::Registration;

/// No trunk is asked more often, whatever the options say.
pub const HEALTH_INTERVAL_MIN: Duration = Duration::from_secs(1);

impl Gateway {
    /// Tells how each trunk stands at the start, and registers with those that want it.
    pub(super) fn start_trunks(&mut self, now: Duration) {
        for index in 0..self.trunks.len() {
            let Some(trunk) = self.trunks.get(index) else { continue };
            let local = self.local(trunk.options.transport, trunk.options.address);
            let (register, health) = (trunk.options.register, trunk.options.options_interval);
            let state = trunk.state();
            self.tell_trunk(index, Some(state));
            if register {
                let registration = Registration::new(index, local, &mut self.wire);
                self.registrations.insert(index, registration);
                self.refresh_registration(index, now);
            }
            self.timers.set(Timer::Health(index), health.map(|interval| now.saturating_add(interval)));
        }
        self.settle(now);
    }

    /// The time has come to register, or to refresh.
    pub(super) fn refresh_registration(&mut self, index: usize, now: Duration) {
        self.with_registration(index, |registration, options, wire| {
            registration.handle_timeout(options, wire, now)
        });
    }

    /// A response to our REGISTER.
    pub(super) fn registration_response(
        &mut self,
        index: usize,
        key: TransactionKey,
        response: &Response,
        now: Duration,
    ) {
        self.with_registration(index, |registration, options, wire| {
            registration.response(key, response, options, wire, now)
        });
    }

    /// Our REGISTER was not answered.
    pub(super) fn registration_timeout(&mut self, index: usize, key: TransactionKey, now: Duration) {
        self.with_registration(index, |registration, _, wire| registration.timeout(key, wire, now));
    }

    /// On the way down: no new calls, and carriers need not look for us.
    pub(super) fn drain(&mut self, now: Duration) {
        self.draining = true;
        for index in 0..self.trunks.len() {
            self.timers.set(Timer::Health(index), None);
            self.with_registration(index, |registration, options, wire| {
                registration.withdraw(options, wire, now);
                None
            });
        }
    }

    /// Asks a trunk whether it lives.
    pub(super) fn check_health(&mut self, index: usize, now: Duration) {
        let Some(trunk) = self.trunks.get(index) else { return };
        let local = self.local(trunk.options.transport, trunk.options.address);
        let Some(interval) = trunk.options.options_interval else { return };
        let interval = interval.max(HEALTH_INTERVAL_MIN);
        let (tag, call_id) = (self.wire.names.tag(), self.wire.names.call_id());
        let branch = self.wire.names.branch();
        let request = options_request(&trunk.options, local, &branch, &tag, call_id).ok();
        let to = trunk.options.address;
        let sent = request.and_then(|it| self.wire.send(Owner::Health(index), it, to, local, now).ok());
        let state = self.trunks.get_mut(index).and_then(|trunk| trunk.heed(|health| health.ask(sent)));
        self.tell_trunk(index, state);
        self.timers.set(Timer::Health(index), Some(now.saturating_add(interval)));
    }

    /// The answer to OPTIONS. Whatever it says, the trunk is not silent.
    pub(super) fn health_answered(
        &mut self,
        index: usize,
        key: TransactionKey,
        response: &Response,
        now: Duration,
    ) {
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        let spoke = trunk.response();
        let state = trunk.heed(|health| health.answered(key, response, now)).or(spoke);
        self.tell_trunk(index, state);
    }

    /// OPTIONS was not answered, or could not be sent.
    pub(super) fn health_unanswered(&mut self, index: usize, key: TransactionKey) {
        let state = self.trunks.get_mut(index).and_then(|trunk| trunk.heed(|health| health.unanswered(key)));
        self.tell_trunk(index, state);
    }

    /// A trunk refused a call and said when to come back.
    pub(super) fn heed_overload(&mut self, leg: LegId, response: &Response, now: Duration) {
        if response.status != 503 {
            return;
        }
        let owner = self.legs.get(&leg).map(|entry| entry.owner());
        let Some(LegOwner::Call(call)) = owner else { return };
        let Some(index) = self.calls.get(call).map(|known| known.trunk) else { return };
        let retry_after = response.headers.retry_after();
        let state =
            self.trunks.get_mut(index).and_then(|trunk| trunk.heed(|health| health.pause(retry_after, now)));
        self.tell_trunk(index, state);
    }

    /// The time has come to try a silent or paused trunk again.
    pub(super) fn retry_trunk(&mut self, index: usize, now: Duration) {
        let state = self.trunks.get_mut(index).and_then(|trunk| trunk.retry(now));
        self.tell_trunk(index, state);
    }

    /// Tells a trunk's state, when there is one to tell.
    pub(super) fn tell_trunk(&mut self, index: usize, state: Option<TrunkState>) {
        if let (Some(trunk), Some(state)) = (self.trunks.get(index), state) {
            let name = trunk.options.name.clone();
            self.room_until = None;
            self.timers.set(Timer::TrunkRetry(index), trunk.retry_at());
            self.event(Event::Trunk { name, state });
        }
    }

    fn with_registration(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Registration, &TrunkOptions, &mut Wire) -> Option<TrunkState>,
    ) {
        let Some(registration) = self.registrations.get_mut(&index) else { return };
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        let state = act(registration, &trunk.options, &mut self.wire);
        self.timers.set(Timer::Registration(index), registration.deadline());
        let changed = state.and_then(|state| trunk.registration(state));
        self.tell_trunk(index, changed);
    }
}

/// RFC 3261 §11.1.
fn options_request(
    options: &TrunkOptions,
    local: Local,
    branch: &str,
    tag: &str,
    call_id: String,
) -> Result<Request, FieldError> {
    let uri = Uri::parse(&options.uri)?;
    let own = NameAddr::new(Uri::parse(&local.contact_uri("", &options.uri))?);
    let mut request = Request::new(Method::Options, uri.clone());
    let headers = &mut request.headers;
    headers.append(HeaderName::Via, Via::own(local, branch));
    headers.append(HeaderName::MaxForwards, MAX_FORWARDS);
    headers.append(HeaderName::From, own.clone().with_param("tag", tag));
    headers.append(HeaderName::To, NameAddr::new(uri));
    headers.append(HeaderName::CallId, call_id);
    headers.append(HeaderName::CSeq, CSeq::new(1, Method::Options));
    headers.append(HeaderName::Contact, own);
    headers.append(HeaderName::Accept, "application/sdp");
    headers.append(HeaderName::UserAgent, USER_AGENT);
    Ok(request)
}
