//! How many calls at once and how many let down: invariants 9 and 20.

use std::collections::VecDeque;
use std::time::Duration;

use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::spec::Mode;
use carillon_core::store::memory::Memory;
use carillon_sip::command::AgentLegMode;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::plan::Plan;
use crate::world::wire::{Seen, What};

/// A phone that is called for one person is in time if it answers within this.
const PHONE_IN_TIME: Duration = Duration::from_millis(1_500);

/// Invariant 9: at the end no more were let down than the limit allows. Not counted against it: agents lost after launch,
/// answers that crossed our CANCEL, and what a death of the process broke off.
pub struct AbandonLimit {
    limit: f64,
    per_agent: bool,
    per_call: bool,
    lost: u64,
}

impl AbandonLimit {
    pub fn new(plan: &Plan) -> Self {
        let per_agent = plan.spec.mode == Mode::Progressive || plan.spec.safe_harbour.is_none();
        let per_call = plan.leg == AgentLegMode::PerCall;
        Self { limit: plan.spec.abandon_limit, per_agent, per_call, lost: 0 }
    }
}

impl Checker for AbandonLimit {
    fn name(&self) -> &'static str {
        "abandon_limit"
    }

    fn see(&mut self, seen: &Seen<'_>, _calls: &Calls) -> Told {
        self.lost += u64::from(matches!(seen.what, What::AgentLost));
        Ok(())
    }

    fn end(&mut self, _at: Duration, calls: &Calls, disk: &Memory, _over: bool) -> Told {
        let answered = || disk.attempts().filter(|row| row.answered_at.is_some());
        let live = answered().count();
        let crossed =
            |call_id: &str| calls.trunk.get(call_id).is_some_and(|call| call.cancelled_at.is_some());
        let let_down =
            answered().filter(|row| row.outcome == Some(Outcome::Abandoned) && row.bridged_at.is_none());
        let charged = let_down
            .filter(|row| disk.orphan(row.attempt).is_none_or(|orphan| !crossed(&orphan.route.call_id)));
        let charged = charged.count() as u64;
        // Phones that hung up, and phones that were called for one person and came too late, are agents lost as well.
        let broken = calls.phones.values().filter(|leg| {
            let up = leg.answers.first().map(|answer| answer.at);
            let in_time = up.is_some_and(|at| at <= leg.invited_at + PHONE_IN_TIME);
            (self.per_call && !in_time) || leg.answers.iter().any(|answer| answer.bye_came.is_some())
        });
        let leaks = self.lost + broken.count() as u64;
        let allowed = if self.per_agent { 0.0 } else { (self.limit * live as f64).floor() };
        if charged as f64 <= allowed + leaks as f64 {
            Ok(())
        } else {
            Err(format!("{charged} of {live} were let down; {allowed} may be, and {leaks} agents were lost"))
        }
    }
}

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
