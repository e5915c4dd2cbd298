//! How many calls at once: invariant 20.

use std::collections::VecDeque;
use std::time::Duration;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::cast::trunk_name;
use crate::world::plan::Plan;
use crate::world::wire::Seen;

/// Invariant 20: each trunk's rate in every sliding second, and its lines. And the trunk that was recorded is the one that
/// the INVITE goes to.
pub struct Caps {
    trunks: Vec<Cap>,
}

struct Cap {
    per_second: usize,
    lines: usize,
    invites: VecDeque<Duration>,
}

impl Caps {
    pub fn new(plan: &Plan) -> Self {
        let cap = |(lines, per_second): (usize, f64)| Cap {
            per_second: per_second.floor() as usize,
            lines,
            invites: VecDeque::new(),
        };
        Self { trunks: plan.caps().into_iter().map(cap).collect() }
    }
}

impl Checker for Caps {
    fn name(&self) -> &'static str {
        "caps"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        let Some(call) = calls.invited() else { return Ok(()) };
        let name = trunk_name(call.trunk);
        let attempt = calls.by_call.get(&call.call_id).and_then(|id| calls.attempts.get(id));
        if let Some(attempt) = attempt.filter(|attempt| attempt.intent.route.trunk != name) {
            return Err(format!("INVITE to {name}, recorded as {}", attempt.intent.route.trunk));
        }
        let Some(Cap { per_second, lines, invites }) = self.trunks.get_mut(call.trunk) else {
            return Err(format!("INVITE to {name}, which nobody has"));
        };
        while invites.front().is_some_and(|at| *at + Duration::from_secs(1) <= seen.at) {
            invites.pop_front();
        }
        invites.push_back(seen.at);
        if invites.len() > *per_second {
            return Err(format!("{name}: {} INVITEs within a second, {per_second} allowed", invites.len()));
        }
        let up = calls.up_on(call.trunk, seen.at);
        if up > *lines { Err(format!("{name}: {up} calls, {lines} lines")) } else { Ok(()) }
    }
}
