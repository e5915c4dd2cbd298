//! Bindings of softphones: granted, restored, run out.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::timers::Timer;
use crate::auth::{self, Token};
use crate::command::Binding;
use crate::event::Event;
use crate::message::{HeaderName, Request, Response};
use crate::registrar::bindings::{Change, bare};
use crate::registrar::devices::{Device, Devices, Flow};
use crate::transaction::TransactionKey;
use crate::transport::{Local, Transport};

impl Gateway {
    /// Answers a REGISTER.
    pub(super) fn register(
        &mut self,
        key: TransactionKey,
        request: &Request,
        from: SocketAddr,
        local: Local,
        now: Duration,
    ) {
        let registered = self.registrar.register(request, from, local, now);
        if registered.granted {
            self.wire.counters.register_granted += 1;
        } else {
            self.wire.counters.register_refused += 1;
            self.note_guess(request, from, &registered.response, now);
        }
        self.wire.layer.respond(key, registered.response, now);
        self.bindings_changed(registered.changes, now);
    }

    /// Counts a password that this response refuses.
    pub(super) fn note_guess(
        &mut self,
        request: &Request,
        from: SocketAddr,
        response: &Response,
        now: Duration,
    ) {
        if let Some(user) = auth::claimed_user(&request.headers, &self.options.realm)
            && is_wrong_password(response)
        {
            self.guesses.wrong(from.ip(), user, now);
        }
    }

    /// Puts back a stored binding.
    pub(super) fn restore_binding(&mut self, binding: Binding, now: Duration) {
        let user = binding.user.clone();
        if self.registrar.restore(binding, now) {
            self.timers.set(Timer::Binding, self.registrar.next_expiry());
            self.binding_changed(&user, now);
        }
    }

    /// Something for a phone to register with instead of its password, good for `life`, an hour at most; for a user who has
    /// signed in elsewhere, by a number that nobody else's sign-in has. `None` for who is no user.
    pub fn mint(&self, user: &str, session: u64, life: Duration, now: Duration) -> Option<Token> {
        self.registrar.mint(user, session, life, now)
    }

    /// Ends what was registered with tokens of a sign-in.
    pub(super) fn end_session(&mut self, user: &str, session: u64, now: Duration) {
        let changes = self.registrar.end_session(user, session, now);
        self.bindings_changed(changes, now);
    }

    /// The devices that a user's phones have registered, in the order in which they are called; `None` for who is no user.
    pub fn devices(&self, user: &str, now: Duration) -> Option<Devices> {
        if !self.registrar.is_user(user) {
            return None;
        }
        let (preferred, chosen) = self.registrar.preferred(user);
        let mut devices: Vec<Device> = Vec::new();
        for bound in self.registrar.in_order(user, now) {
            let wish = &bound.wish;
            let flow = Flow {
                reg_id: wish.reg_id,
                transport: wish.local.transport,
                address: wish.address,
                expires_in: bound.expires_at.saturating_sub(now),
                doubted: bound.doubted,
                with_token: wish.session.is_some(),
            };
            match devices.iter_mut().find(|device| device.key == wish.device()) {
                Some(device) => device.flows.push(flow),
                None => devices.push(Device {
                    key: wish.device().to_owned(),
                    instance: wish.instance.as_deref().map(|instance| bare(instance).to_owned()),
                    preferred: preferred == Some(bare(wish.device())),
                    flows: vec![flow],
                }),
            }
        }
        let lines = self.lines_of(user);
        Some(Devices { preferred: preferred.map(str::to_owned), chosen, devices, lines })
    }

    /// From now on this device of a user is called first; to be stored where it is something new.
    pub(super) fn prefer_device(&mut self, user: &str, device: Option<String>) {
        if self.registrar.prefer(user, device.as_deref()) {
            self.event(Event::Preferred { user: user.to_owned(), device });
        }
    }

    /// Ends what a device of a user has registered.
    pub(super) fn end_device(&mut self, user: &str, device: &str, now: Duration) {
        let changes = self.registrar.end_device(user, device);
        self.bindings_changed(changes, now);
    }

    /// Removes bindings that have run out.
    pub(super) fn expire_bindings(&mut self, now: Duration) {
        let changes = self.registrar.expire(now);
        self.bindings_changed(changes, now);
    }

    /// A connection is closed: phones behind it can't be reached.
    pub(super) fn connection_closed(&mut self, to: SocketAddr, transport: Transport, now: Duration) {
        let changes = self.registrar.closed(transport, to);
        self.bindings_changed(changes, now);
    }

    /// Tells what changed, to the store first and to the agents' phones then.
    fn bindings_changed(&mut self, changes: Vec<Change>, now: Duration) {
        self.timers.set(Timer::Binding, self.registrar.next_expiry());
        let mut users = Vec::new();
        for change in changes {
            match change {
                Change::Bound(binding) => {
                    users.push(binding.user.clone());
                    self.event(Event::Registered(binding));
                }
                // What was stored of it came with a password, and does not hold any more.
                Change::Unbound { user, binding } | Change::Lent { user, binding } => {
                    users.push(user.clone());
                    self.event(Event::Unregistered { user, binding });
                }
            }
        }
        users.dedup();
        for user in users {
            self.binding_changed(&user, now);
        }
    }
}

/// Whether credentials were refused for themselves: a challenge that calls only their nonce stale found them right.
fn is_wrong_password(response: &Response) -> bool {
    let stale = |value: &[u8]| auth::Challenge::parse(value).is_some_and(|challenge| challenge.stale);
    response.status == 401 && !response.headers.all(HeaderName::WwwAuthenticate).any(|value| stale(value))
}
