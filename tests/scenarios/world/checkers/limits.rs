//! How many calls at once: invariant 20.

use std::collections::VecDeque;
use std::time::Duration;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::plan::Plan;
use crate::world::wire::Seen;

/// Invariant 20: the trunk's rate in every sliding second, and its lines.
pub struct Caps {
    per_second: usize,
    lines: usize,
    invites: VecDeque<Duration>,
}

impl Caps {
    pub fn new(plan: &Plan) -> Self {
        Self {
            per_second: plan.calls_per_second.floor() as usize,
            lines: plan.max_calls as usize,
            invites: VecDeque::new(),
        }
    }
}

impl Checker for Caps {
    fn name(&self) -> &'static str {
        "caps"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if calls.invited().is_none() {
            return Ok(());
        }
        while self.invites.front().is_some_and(|at| *at + Duration::from_secs(1) <= seen.at) {
            self.invites.pop_front();
        }
        self.invites.push_back(seen.at);
        if self.invites.len() > self.per_second {
            return Err(format!(
                "{} INVITEs within a second, {} allowed",
                self.invites.len(),
                self.per_second
            ));
        }
        let up = calls.trunk.values().filter(|call| call.life == calls.life && !call.over(seen.at)).count();
        if up > self.lines { Err(format!("{up} calls, {} lines", self.lines)) } else { Ok(()) }
    }
}
