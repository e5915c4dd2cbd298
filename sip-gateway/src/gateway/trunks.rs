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
use crate::resolve::Target;
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
            let (state, health) = (trunk.state(), trunk.options.options_interval);
            self.tell_trunk(index, Some(state));
            self.register_where_wanted(index, now);
            self.timers.set(Timer::Health(index), health.map(|interval| now.saturating_add(interval)));
        }
        self.settle(now);
    }

    /// Begins to register with a trunk that wants it, once it is known where that is.
    pub(super) fn register_where_wanted(&mut self, index: usize, now: Duration) {
        let Some(trunk) = self.trunks.get(index) else { return };
        if !trunk.options.register || self.draining || self.registrations.contains_key(&index) {
            return;
        }
        let Some(target) = self.next_target(index, &[], now) else { return };
        let local = self.local(target.transport, target.address);
        let registration = Registration::new(index, target, local, &mut self.wire);
        self.registrations.insert(index, registration);
        self.refresh_registration(index, now);
    }

    /// The time has come to register, or to refresh: where it was, unless that is no place for it any more.
    pub(super) fn refresh_registration(&mut self, index: usize, now: Duration) {
        let stays = |target: &Target| {
            let trunk = self.trunks.get(index);
            trunk.is_some_and(|it| it.targets.contains(*target) && it.targets.is_awake(*target, now))
        };
        let target = self.registrations.get(&index).map(Registration::target);
        if !target.is_some_and(|target| stays(&target))
            && let Some(target) = self.next_target(index, &[], now)
        {
            self.aim_registration(index, target);
        }
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
        let rest = response.headers.retry_after();
        if response.status == 503 && self.register_elsewhere(index, key, rest, now) {
            return;
        }
        self.with_registration(index, |registration, options, wire| {
            registration.response(key, response, options, wire, now)
        });
    }

    /// Our REGISTER was not answered.
    pub(super) fn registration_timeout(&mut self, index: usize, key: TransactionKey, now: Duration) {
        if self.register_elsewhere(index, key, None, now) {
            return;
        }
        self.with_registration(index, |registration, _, wire| registration.timeout(key, wire, now));
    }

    /// RFC 3263 §4.3: a REGISTER that a server could not take is tried at the next one that may. False where there is none.
    fn register_elsewhere(
        &mut self,
        index: usize,
        key: TransactionKey,
        retry_after: Option<u32>,
        now: Duration,
    ) -> bool {
        let its = self.registrations.get(&index).filter(|registration| registration.is_its(key));
        let Some(target) = its.map(Registration::target).filter(|_| !self.draining) else { return false };
        if let Some(trunk) = self.trunks.get_mut(index) {
            trunk.targets.refused(target, retry_after, now);
        }
        let Some(next) = self.next_awake(index, &[target], now) else { return false };
        self.aim_registration(index, next);
        self.refresh_registration(index, now);
        true
    }

    fn aim_registration(&mut self, index: usize, target: Target) {
        let local = self.local(target.transport, target.address);
        if let Some(registration) = self.registrations.get_mut(&index) {
            registration.aim(target, local);
        }
    }

    /// On the way down: no new calls, and carriers need not look for us.
    pub(super) fn drain(&mut self, now: Duration) {
        self.draining = true;
        self.refuse_ringing(now);
        self.tell_numbers(now);
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
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        let Some(interval) = trunk.options.options_interval else { return };
        self.timers.set(Timer::Health(index), Some(now.saturating_add(interval.max(HEALTH_INTERVAL_MIN))));
        if let Some((_, late)) = trunk.checked.take() {
            trunk.targets.fail(late, now);
        }
        // A name that leads nowhere is a state of its own.
        let Some(target) = self.next_target(index, &[], now) else { return };
        let Some(trunk) = self.trunks.get(index) else { return };
        let local = self.local(target.transport, target.address);
        let (tag, call_id) = (self.wire.names.tag(), self.wire.names.call_id());
        let branch = self.wire.names.branch();
        let request = options_request(&trunk.options, local, &branch, &tag, call_id).ok();
        let to = target.address;
        let sent = request.and_then(|it| self.wire.send(Owner::Health(index), it, to, local, now).ok());
        let state = self.trunks.get_mut(index).and_then(|trunk| {
            trunk.checked = sent.map(|key| (key, target));
            trunk.heed(|health| health.ask(sent))
        });
        self.tell_trunk(index, state);
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
        if let Some((_, target)) = trunk.checked.take_if(|(sent, _)| *sent == key && response.status >= 200) {
            match response.status {
                408 | 503 | 504 => trunk.targets.refused(target, response.headers.retry_after(), now),
                _ => trunk.targets.works(target),
            }
        }
        let spoke = trunk.response();
        let state = trunk.heed(|health| health.answered(key, response, now)).or(spoke);
        self.tell_trunk(index, state);
    }

    /// OPTIONS was not answered, or could not be sent.
    pub(super) fn health_unanswered(&mut self, index: usize, key: TransactionKey, now: Duration) {
        let state = self.trunks.get_mut(index).and_then(|trunk| {
            if let Some((_, target)) = trunk.checked.take_if(|(sent, _)| *sent == key) {
                trunk.targets.fail(target, now);
            }
            trunk.heed(|health| health.unanswered(key))
        });
        self.tell_trunk(index, state);
    }

    /// A trunk refused a call and said when to come back.
    pub(super) fn heed_overload(&mut self, leg: LegId, response: &Response, now: Duration) {
        if response.status != 503 {
            return;
        }
        let owner = self.legs.get(&leg).map(|entry| entry.owner());
        let Some(LegOwner::Call(call)) = owner else { return };
        let found = self.calls.get(call).map(|known| (known.trunk, known.route.target()));
        let Some((index, target)) = found else { return };
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        let retry_after = response.headers.retry_after().filter(|seconds| *seconds > 0);
        trunk.targets.refused(target, retry_after, now);
        // Only where all of its servers are left alone the trunk is.
        let awake_at = trunk.targets.awake_at(now).filter(|_| retry_after.is_some());
        let state = awake_at.and_then(|until| trunk.heed(|health| health.pause_until(until)));
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
