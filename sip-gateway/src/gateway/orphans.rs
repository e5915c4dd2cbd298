//! Dialogs of an earlier process, looked after until nothing more can come of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::timers::Timer;
use crate::command;
use crate::leg::orphan::Orphan;
use crate::leg::requests::Side;
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
        let challenged = trunk.is_some_and(|trunk| !trunk.options.username.is_empty());
        let orphan = Orphan::adopt(stored, side, challenged, &mut self.wire, now);
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
        let orphan = response.headers.call_id().ok().and_then(|call_id| self.orphans.get_mut(call_id));
        match orphan {
            Some(orphan) if invite => {
                orphan.response(response, from, &mut self.wire, now);
                true
            }
            Some(_) | None => false,
        }
    }
}
