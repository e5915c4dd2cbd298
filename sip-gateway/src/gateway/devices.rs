//! The devices of one agent: which of them is called, and which after it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Gateway;
use super::agents::{PHONE_RING_MAX, Phone};
use super::legs::LegOwner;
use super::timers::Timer;
use crate::event::{Event, Failure, Route};
use crate::id::CallId;
use crate::leg::LegOptions;
use crate::leg::requests::{OWN_USER, Side};
use crate::media::Codec;
use crate::message::Uri;
use crate::options::UserOptions;
use crate::registrar::bindings::Bound;
use crate::transport::{Local, Transport};

/// A device that says nothing for so long is left for the next one: who is there answers the first INVITE, or its second
/// and third repetition, with something.
pub const DEVICE_SILENT_MAX: Duration = Duration::from_secs(2);

/// A device that rings for so long without an answer is left for the next one.
pub const DEVICE_RING_MAX: Duration = Duration::from_secs(7);

/// Which device rings, and which have rung for nothing before it.
#[derive(Debug)]
pub(super) struct Ring {
    /// What its binding is known by; empty for a phone that doesn't register.
    key: String,
    /// What stands for the device.
    device: String,
    since: Duration,
    /// Something came back.
    heard: bool,
    /// The same in its turn.
    codecs: Vec<Codec>,
    tried: Tried,
}

/// What was tried for one call, in vain.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    /// Bindings; at most as many as a user has.
    keys: Vec<String>,
    /// Devices that have said or rung enough: their other flows lead to the same.
    devices: Vec<String>,
}

/// Where a phone can be called.
struct Target {
    key: String,
    device: String,
    contact: String,
    address: SocketAddr,
    transport: Transport,
    local: Option<Local>,
    path: Vec<String>,
}

impl Ring {
    /// Something came back from the device.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }
}

impl Gateway {
    /// Calls the first device that was not tried yet.
    pub(super) fn call_device(
        &mut self,
        user: &str,
        codecs: Vec<Codec>,
        join: Option<(CallId, Option<PathBuf>)>,
        tried: Tried,
        now: Duration,
    ) -> Result<(), &'static str> {
        let mut targets = self.targets(user, &tried, now).into_iter();
        let target = targets.next().ok_or("unregistered")?;
        let others = targets.next().is_some();
        let port = self.ports.take(now).ok_or("ports")?;
        let stream = self.open_stream(port, LegOwner::Agent(user.to_owned()));
        let route = self.phone_route(user, &target);
        match &join {
            Some((call, _)) => self.follow_phone(*call, &route),
            None => self.event(Event::AgentLegCalling { user: user.to_owned(), route: route.clone() }),
        }
        let options = LegOptions {
            route,
            side: Side::Phone,
            path: target.path,
            credentials: None,
            own: self.own_media(),
            port,
            codecs: codecs.clone(),
            ring_max: PHONE_RING_MAX,
            up_max: None,
            late_offer: false,
            asserted_identity: false,
            identity: None,
            session: self.options.session,
        };
        match self.start_leg(options, LegOwner::Agent(user.to_owned()), now) {
            Ok(leg) => {
                let (key, device) = (target.key, target.device);
                let ring = Box::new(Ring { key, device, since: now, heard: false, codecs, tried });
                if let Some(agent) = self.agents.get_mut(user) {
                    agent.phone = Phone::Calling { leg, stream, join, ring };
                }
                let limit = now.saturating_add(DEVICE_SILENT_MAX);
                self.timers.set(Timer::Agent(user.to_owned()), others.then_some(limit));
                Ok(())
            }
            Err(_) => {
                self.close_stream(stream, now);
                Err("not_sent")
            }
        }
    }

    /// Goes on to the next device, or flow of the same one, for a call that its device won't take. False when there is none:
    /// all stays as it is. `ended`: the leg has told its end already.
    pub(super) fn call_next(&mut self, user: &str, spoke: bool, ended: bool, now: Duration) -> bool {
        let Some(Phone::Calling { leg, stream, join, ring }) =
            self.agents.get(user).map(|agent| &agent.phone)
        else {
            return false;
        };
        let (leg, stream, join, codecs) = (*leg, *stream, join.clone(), ring.codecs.clone());
        let (key, mut tried) = (ring.key.clone(), ring.tried.clone());
        tried.keys.push(key.clone());
        if spoke {
            tried.devices.push(ring.device.clone());
        }
        if self.targets(user, &tried, now).is_empty() {
            return false;
        }
        if !spoke {
            // Not the first to be called until it registers again.
            self.registrar.doubt(user, &key);
        }
        self.close_stream(stream, now);
        if !ended {
            self.abandon_leg(leg, now);
        }
        if let Some(agent) = self.agents.get_mut(user) {
            agent.phone = Phone::Idle;
        }
        if let Err(reason) = self.call_device(user, codecs, join.clone(), tried, now) {
            self.timers.set(Timer::Agent(user.to_owned()), None);
            if let Some((call, _)) = join {
                self.not_joined(call, user, reason, now);
            } else {
                self.leg_refused(user, now);
            }
        }
        true
    }

    /// A device among several was given its time.
    pub(super) fn device_limit(&mut self, user: &str, now: Duration) {
        let Some(Phone::Calling { ring, .. }) = self.agents.get(user).map(|agent| &agent.phone) else {
            return;
        };
        let limit = ring.since.saturating_add(DEVICE_RING_MAX);
        if ring.heard && limit > now {
            return self.timers.set(Timer::Agent(user.to_owned()), Some(limit));
        }
        let heard = ring.heard;
        self.call_next(user, heard, false, now);
    }

    fn phone_route(&mut self, user: &str, target: &Target) -> Route {
        // A NAT lets in only what comes from where its phone sent to.
        let own = target.local.filter(|local| self.options.listen.iter().any(|own| own.serves(*local)));
        let own = own.map(|local| local.reached_at(self.options.media_address));
        let local = own.unwrap_or_else(|| self.local(target.transport, target.address));
        let names = &mut self.wire.names;
        Route {
            trunk: user.to_owned(),
            caller_id: OWN_USER.to_owned(),
            call_id: names.call_id(),
            branch: names.branch(),
            from_tag: names.tag(),
            cseq: names.cseq(),
            from_uri: format!("sip:{OWN_USER}@{}", local.address),
            to_uri: target.contact.clone(),
            request_uri: target.contact.clone(),
            next_hop: target.address,
            local,
        }
    }

    /// Where a user can be called and was not yet, in order: the bindings, else the fixed contact.
    fn targets(&self, user: &str, tried: &Tried, now: Duration) -> Vec<Target> {
        let bound = self.registrar.in_order(user, now);
        let target = |bound: &Bound| {
            let Bound { wish, .. } = bound;
            Target {
                key: wish.key(),
                device: wish.device().to_owned(),
                contact: wish.contact.clone(),
                address: wish.address,
                transport: wish.local.transport,
                local: Some(wish.local),
                path: wish.path.clone(),
            }
        };
        let fresh =
            |target: &Target| !tried.keys.contains(&target.key) && !tried.devices.contains(&target.device);
        if bound.is_empty() && tried.keys.is_empty() {
            let fixed = self.fixed_contact(user).filter(fresh);
            return fixed.map_or_else(Vec::new, |target| vec![target]);
        }
        let targets: Vec<Target> = bound.iter().map(|bound| target(bound)).collect();
        targets.into_iter().filter(fresh).collect()
    }

    /// Whether the user has a phone that can be called.
    pub(super) fn is_callable(&self, user: &str, now: Duration) -> bool {
        self.registrar.is_bound(user, now) || self.fixed_contact(user).is_some()
    }

    fn fixed_contact(&self, user: &str) -> Option<Target> {
        let (contact, transport, address) = self.contacts.get(user)?.clone();
        let (key, device, path) = (String::new(), String::new(), Vec::new());
        Some(Target { key, device, contact, address, transport, local: None, path })
    }
}

/// Where the phones of users with a fixed contact are, so that no call has to look through all users.
pub(super) fn contacts(users: &[UserOptions]) -> BTreeMap<String, (String, Transport, SocketAddr)> {
    let known = |user: &UserOptions| {
        let contact = user.contact.clone()?;
        let uri = Uri::parse(&contact).ok()?;
        let (transport, address) = (uri.transport()?, uri.socket_addr()?);
        Some((user.user.clone(), (contact, transport, address)))
    };
    users.iter().filter_map(known).collect()
}

/// Whether another device of the user may take what this one did not.
pub(super) fn is_for_next(failure: Failure) -> bool {
    match failure {
        // RFC 3261 §21.6: what nobody else of the same user will take either.
        Failure::Status(600..) | Failure::Caused { status: 600.., cause: _ } => false,
        Failure::Status(_)
        | Failure::Caused { .. }
        | Failure::Cancelled
        | Failure::Timeout
        | Failure::Transport
        | Failure::Media => true,
        Failure::Expired | Failure::Ports | Failure::Unsigned => false,
    }
}

/// Whether only the way to the device failed, so that another flow may lead to it (RFC 5626 §5.3, §11.5).
pub(super) fn is_flow_gone(failure: Failure) -> bool {
    match failure {
        Failure::Status(status) | Failure::Caused { status, cause: _ } => matches!(status, 408 | 430),
        Failure::Timeout | Failure::Transport => true,
        Failure::Cancelled | Failure::Expired | Failure::Media | Failure::Ports | Failure::Unsigned => false,
    }
}
