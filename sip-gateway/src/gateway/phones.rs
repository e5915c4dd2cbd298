//! Bindings of softphones: granted, restored, run out.

use std::time::Duration;

use super::Gateway;
use super::timers::Timer;
use crate::command::Binding;
use crate::event::Event;
use crate::registrar::bindings::Change;

impl Gateway {
    /// Puts back a stored binding.
    pub(super) fn restore_binding(&mut self, binding: Binding, now: Duration) {
        let user = binding.user.clone();
        let known = self.options.users.iter().any(|known| known.user == user);
        if known && self.bindings.restore(binding, now) {
            self.timers.set(Timer::Binding, self.bindings.next_expiry());
            self.binding_changed(&user, now);
        }
    }

    /// Removes bindings that have run out.
    pub(super) fn expire_bindings(&mut self, now: Duration) {
        let changes = self.bindings.expire(now);
        self.bindings_changed(changes, now);
    }

    /// Tells what changed, to the store first and to the agents' phones then.
    pub(super) fn bindings_changed(&mut self, changes: Vec<Change>, now: Duration) {
        self.timers.set(Timer::Binding, self.bindings.next_expiry());
        let mut users = Vec::new();
        for change in changes {
            match change {
                Change::Bound(binding) => {
                    users.push(binding.user.clone());
                    self.event(Event::Registered(binding));
                }
                Change::Unbound { user, contact } => {
                    users.push(user.clone());
                    self.event(Event::Unregistered { user, contact });
                }
            }
        }
        users.dedup();
        for user in users {
            self.binding_changed(&user, now);
        }
    }
}
