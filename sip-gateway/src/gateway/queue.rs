//! Placed calls wait for their trunk's rate, in order.

use std::time::Duration;

use super::Gateway;
use super::calls::{Call, Stage};
use super::timers::Timer;
use crate::id::CallId;

impl Gateway {
    /// The INVITE of a call may leave as soon as its trunk's rate allows.
    pub(super) fn queue(&mut self, call: CallId, now: Duration) {
        let Some(trunk) = self.calls.get(&call).map(|known| known.trunk) else { return };
        if let Some(queue) = self.queues.get_mut(trunk) {
            queue.push_back(call);
        }
        self.send_queued(trunk, now);
    }

    /// Sends the INVITEs that the trunk's rate allows now.
    pub(super) fn send_queued(&mut self, index: usize, now: Duration) {
        loop {
            let (Some(trunk), Some(queue)) = (self.trunks.get_mut(index), self.queues.get_mut(index)) else {
                return;
            };
            // A call that ended while it waited leaves its place in the queue behind.
            let stale = |call: &mut CallId| {
                !matches!(self.calls.get(call), Some(Call { stage: Stage::Queued { .. }, .. }))
            };
            while queue.pop_front_if(stale).is_some() {}
            let slot = queue.front().and_then(|_| trunk.next_slot(now));
            match (slot, queue.front().copied()) {
                (Some(slot), Some(call)) if slot <= now => {
                    queue.pop_front();
                    trunk.sent(now);
                    self.send(call, now);
                }
                (slot, _) => return self.timers.set(Timer::Slot(index), slot),
            }
        }
    }
}
