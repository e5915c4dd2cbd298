//! Dialogs of an earlier process, looked after until nothing more can come of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::timers::Timer;
use crate::command;
use crate::leg::orphan::Orphan;
use crate::leg::requests::Side;
use crate::leg::wire::Wire;
use crate::message::{Message, Method};

/// Most orphans at once.
pub const ORPHANS_MAX: usize = 20_000;

impl Gateway {
    /// Ends a dialog that an earlier process may have left.
    pub(super) fn adopt(&mut self, stored: command::Orphan, now: Duration) {
        let call_id = stored.route.call_id.clone();
        if self.orphans.contains_key(&call_id) || self.orphans.len() >= ORPHANS_MAX {
            tracing::warn!(orphans = self.orphans.len(), "orphan not adopted");
            return;
        }
        let trunk = self.trunks.iter().find(|trunk| trunk.options.name == stored.route.trunk);
        let side = if trunk.is_some() { Side::Trunk } else { Side::Phone };
        let credentials = trunk.and_then(|trunk| trunk.options.credentials());
        let orphan = Orphan::adopt(stored, side, credentials, &mut self.wire, now);
        self.timers.set(Timer::Orphan(call_id.clone()), Some(orphan.until()));
        self.orphans.insert(call_id, orphan);
    }

    /// Gives a final response to an orphan's INVITE to it; its transaction died with the process. True when it was one.
    pub(super) fn orphan_response(&mut self, message: &Message, from: SocketAddr, now: Duration) -> bool {
        let Message::Response(response) = message else { return false };
        if self.orphans.is_empty() || response.status < 200 {
            return false;
        }
        let invite = response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        let Ok(call_id) = response.headers.call_id() else { return false };
        if !invite || !self.orphans.contains_key(call_id) {
            return false;
        }
        self.with_orphan(call_id, |orphan, wire| orphan.response(response, from, wire, now));
        true
    }

    /// Lets an orphan do something, if it is still looked after.
    pub(super) fn with_orphan(&mut self, call_id: &str, act: impl FnOnce(&mut Orphan, &mut Wire)) {
        let Some(orphan) = self.orphans.get_mut(call_id) else { return };
        act(orphan, &mut self.wire);
        self.timers.set(Timer::Orphan(call_id.to_owned()), Some(orphan.until()));
    }
}
