//! A call that one server of a trunk could not take goes on to the next one (RFC 3263 §4.3), and one that the trunk could not
//! carry, or have signed, to the next trunk: the same call, before anything rang.
//!
//! The first leg is over, or silent and let go of, before the next INVITE is thought of; and the INVITE there waits for
//! [`crate::command::Command::Place`] like any other, so that what is on the wire is on the disk before. Whatever still comes
//! of a silent leg is ended: a provisional response gets CANCEL, a 2xx gets ACK and BYE.

use std::time::Duration;

use super::Gateway;
use super::calls::{Line, RESERVED_MAX, Stage};
use super::timers::Timer;
use crate::event::{Event, Failure, TrunkState};
use crate::id::CallId;
use crate::leg::LegId;
use crate::resolve::Target;

impl Gateway {
    /// The INVITE of a call failed, or must not leave: another server of its trunk takes it, else a line of another trunk is held
    /// for it, if that may be and there is one; a server that failed lately comes after both. The trunk that failed has learnt of it already. True
    /// when the call goes on.
    pub(super) fn divert(&mut self, call: CallId, failure: Failure, now: Duration) -> bool {
        let line = self.next_server(call, failure, Gateway::next_awake, now);
        let line = line.or_else(|| self.next_line(call, failure, now));
        let line = line.or_else(|| self.next_server(call, failure, Gateway::next_target, now));
        let Some(Line { trunk, route, port, rate }) = line else { return false };
        let Some(known) = self.calls.get_mut(&call) else { return false };
        let before = std::mem::replace(&mut known.stage, Stage::Reserved { port });
        let left = std::mem::replace(&mut known.route, route.clone());
        let failed = std::mem::replace(&mut known.trunk, trunk);
        let cost = std::mem::replace(&mut known.rate, rate);
        if failed == trunk {
            known.tried_targets.push(left.target());
        } else {
            known.tried.push(failed);
            known.tried_targets.clear();
        }
        let unsent = matches!(before, Stage::Queued { .. });
        if let Some(from) = self.trunks.get_mut(failed) {
            if failed == trunk {
                from.tally.moved += 1;
            } else {
                if unsent {
                    from.release(&left.caller_id);
                } else {
                    from.ended();
                }
                if let Some(rate) = cost {
                    from.spend.dropped(rate);
                }
                from.tally.diverted += 1;
            }
        }
        if let Stage::Out { stream, .. } | Stage::Queued { stream } = before {
            self.close_stream(stream, now);
        }
        self.wire.counters.diverted += u64::from(failed != trunk);
        self.timers.set(Timer::Call(call), Some(now.saturating_add(RESERVED_MAX)));
        self.event(Event::Diverted { call, failure, route });
        if unsent {
            self.send_queued(failed, now);
        }
        true
    }

    /// An INVITE left: how long its server may be silent. Where there is no other it may be as long as it likes.
    pub(super) fn watch_silence(&mut self, call: CallId, now: Duration) {
        let Some(known) = self.calls.get(&call) else { return };
        let Some(trunk) = self.trunks.get(known.trunk) else { return };
        let others = match known.wish.trunks.len() {
            0 => self.trunks.len(),
            named => named,
        };
        let at = known.route.target();
        let mut servers = trunk.targets.all();
        let another = servers.any(|target| target != at && !known.tried_targets.contains(&target));
        let silence = trunk.options.failover.silence;
        let silence = silence.filter(|_| another || others > known.tried.len() + 1);
        self.timers.set(Timer::Call(call), silence.map(|silence| now.saturating_add(silence)));
    }

    /// A trunk has not said a word to an INVITE. With a line on another one the call goes there, without one it stays.
    pub(super) fn give_up_silent(&mut self, call: CallId, leg: LegId, now: Duration) {
        let found = self.calls.get(&call).map(|known| (known.trunk, known.route.target()));
        let Some((silent, target)) = found else { return };
        let last = self.rest_if_unreachable(silent, target, Failure::Timeout, now);
        if self.divert(call, Failure::Timeout, now) {
            let state = self.trunks.get_mut(silent).and_then(|trunk| {
                trunk.tally.failed(Failure::Timeout, false);
                if last { trunk.unanswered(now) } else { None }
            });
            self.tell_trunk(silent, state);
            self.abandon_leg(leg, now);
        }
    }

    /// RFC 3263 §4.3: a transport that fails, silence and 503 send a request on to the next server of the same name. It keeps
    /// its line and its number.
    fn next_server(
        &mut self,
        call: CallId,
        failure: Failure,
        choose: impl Fn(&mut Gateway, usize, &[Target], Duration) -> Option<Target>,
        now: Duration,
    ) -> Option<Line> {
        if !matches!(failure, Failure::Timeout | Failure::Transport) && failure.status() != Some(503) {
            return None;
        }
        let known = self.calls.get(&call).filter(|known| known.divertible && !self.draining)?;
        let (trunk, route, rate) = (known.trunk, &known.route, known.rate);
        if self.trunks.get(trunk)?.state() != TrunkState::Up {
            return None;
        }
        let (caller_id, uri) = (route.caller_id.clone(), route.request_uri.clone());
        let tried: Vec<Target> = known.tried_targets.iter().copied().chain([route.target()]).collect();
        let next = choose(self, trunk, &tried, now)?;
        let port = self.ports.take(now)?;
        self.trunks.get_mut(trunk)?.reserve_again();
        let route = self.trunk_route(trunk, caller_id, uri, Some(next));
        Some(Line { trunk, route, port, rate })
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
