//! A call that one trunk could not carry goes on to the next one: the same call, before anything rang.
//!
//! The first leg is over, or silent and let go of, before the next line is asked for; and the INVITE there waits for
//! [`crate::command::Command::Place`] like any other, so that what is on the wire is on the disk before. Whatever still comes
//! of a silent leg is ended: a provisional response gets CANCEL, a 2xx gets ACK and BYE.

use std::time::Duration;

use super::Gateway;
use super::calls::{Line, RESERVED_MAX, Stage};
use super::timers::Timer;
use crate::event::{Event, Failure};
use crate::id::CallId;
use crate::leg::LegId;

impl Gateway {
    /// The INVITE of a call failed: a line of another trunk is held for it, if that may be and there is one. The trunk that
    /// failed has learnt of it already. True when the call goes on.
    pub(super) fn divert(&mut self, call: CallId, failure: Failure, now: Duration) -> bool {
        let Some(line) = self.next_line(call, failure, now) else { return false };
        let Some(known) = self.calls.get_mut(&call) else { return false };
        let Line { trunk, route, port } = line;
        let before = std::mem::replace(&mut known.stage, Stage::Reserved { port });
        known.tried.push(known.trunk);
        let failed = std::mem::replace(&mut known.trunk, trunk);
        known.route.clone_from(&route);
        if let Some(failed) = self.trunks.get_mut(failed) {
            failed.ended();
            failed.tally.diverted += 1;
        }
        if let Stage::Out { stream, .. } = before {
            self.close_stream(stream, now);
        }
        self.wire.counters.diverted += 1;
        self.timers.set(Timer::Call(call), Some(now.saturating_add(RESERVED_MAX)));
        self.event(Event::Diverted { call, failure, route });
        true
    }

    /// An INVITE left: how long its trunk may be silent. Where there is no other trunk it may be as long as it likes.
    pub(super) fn watch_silence(&mut self, call: CallId, now: Duration) {
        let Some(known) = self.calls.get(&call) else { return };
        let Some(trunk) = self.trunks.get(known.trunk) else { return };
        let others = match known.wish.trunks.len() {
            0 => self.trunks.len(),
            named => named,
        };
        let silence = trunk.options.failover.silence.filter(|_| others > known.tried.len() + 1);
        self.timers.set(Timer::Call(call), silence.map(|silence| now.saturating_add(silence)));
    }

    /// A trunk has not said a word to an INVITE. With a line on another one the call goes there, without one it stays.
    pub(super) fn give_up_silent(&mut self, call: CallId, leg: LegId, now: Duration) {
        let Some(silent) = self.calls.get(&call).map(|known| known.trunk) else { return };
        if self.divert(call, Failure::Timeout, now) {
            let state = self.trunks.get_mut(silent).and_then(|trunk| {
                trunk.tally.failed(Failure::Timeout, false);
                trunk.unanswered(now)
            });
            self.tell_trunk(silent, state);
            self.abandon_leg(leg, now);
        }
    }

    fn next_line(&mut self, call: CallId, failure: Failure, now: Duration) -> Option<Line> {
        let known = self.calls.get_mut(&call).filter(|known| known.divertible)?;
        if !self.trunks.get(known.trunk)?.options.failover.covers(failure) {
            return None;
        }
        let (wish, mut tried) = (std::mem::take(&mut known.wish), std::mem::take(&mut known.tried));
        tried.push(known.trunk);
        let line = self.hold(&wish, None, &tried, now).ok();
        tried.pop();
        let known = self.calls.get_mut(&call)?;
        (known.wish, known.tried) = (wish, tried);
        line
    }
}
