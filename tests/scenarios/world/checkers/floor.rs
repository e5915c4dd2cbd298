//! Which agents are free, as wire and disk tell it: the bookkeeping behind the hard stop and liveness.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_core::store::write::{BindingRow, Write};
use carillon_core::time::Utc;
use carillon_sip::command::AgentLegMode;

use super::calls::{Call, Calls, PATIENCE};
use crate::world::plan::{Plan, WRAP_UP};
use crate::world::wire::{Seen, What};

/// A phone that is called for one person is in time if it answers within this.
pub const PHONE_IN_TIME: Duration = Duration::from_millis(1_500);
/// A phone that failed is trusted again after this.
const DOUBT: Duration = Duration::from_secs(5);
/// What a node may be late in learning that a call is over: a lost BYE or answer is sent again.
const NEWS_LATE: Duration = Duration::from_secs(1);

/// Registrations as the disk has them, and how phones are attached.
#[derive(Debug)]
pub struct Floor {
    per_call: bool,
    begin: Utc,
    bindings: BTreeMap<(String, String), BindingRow>,
    /// When a phone's registration went away.
    unbound: Vec<(Duration, String)>,
}

/// How sure one must be that an agent is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Nothing says otherwise: the most that a node may count on.
    Perhaps,
    /// Everything says so: the least that a node must know of.
    Surely,
}

impl Floor {
    pub fn new(plan: &Plan) -> Self {
        let per_call = plan.leg == AgentLegMode::PerCall;
        Self { per_call, begin: plan.begin, bindings: BTreeMap::new(), unbound: Vec::new() }
    }

    /// Takes in one thing.
    pub fn see(&mut self, seen: &Seen<'_>) {
        let What::Durable { writes } = seen.what else { return };
        for write in writes {
            match write {
                Write::Binding(row) => {
                    self.bindings.insert((row.user.clone(), row.binding.clone()), row.clone());
                }
                Write::Unbind { user, binding } => {
                    self.bindings.remove(&(user.clone(), binding.clone()));
                    self.unbound.push((seen.at, user.clone()));
                }
                _ => {}
            }
        }
    }

    /// How many agents are free at `at`.
    pub fn free(&self, calls: &Calls, at: Duration, sure: Sure) -> usize {
        self.free_users(calls, at, sure).len()
    }

    /// Who is free at `at`: their phone can be reached, and no call nor its wrap-up is in hand.
    pub fn free_users(&self, calls: &Calls, at: Duration, sure: Sure) -> Vec<String> {
        let late = if sure == Sure::Surely { NEWS_LATE } else { Duration::ZERO };
        // By a colleague: a node may know of it a little later, and count on them for as long as nobody asks.
        let is_asked = |user: &str| {
            sure == Sure::Surely
                && calls.asking().any(|line| {
                    line.called == user && line.ended().is_none_or(|ended| at < ended + late + DOUBT)
                })
        };
        let has_call = |user: &str| {
            let all = calls.trunk.values().chain(calls.callers.values());
            let own = all.filter(|call| call.life == calls.life);
            own.into_iter().any(|call| {
                let has = calls.agent_of(call) == Some(user)
                    && call.talk_ended().is_none_or(|ended| at < ended + WRAP_UP + late);
                let gave = |(from, gave_at): &(String, Duration)| {
                    from == user && at < (*gave_at + WRAP_UP).saturating_add(late)
                };
                has || call.from.as_ref().is_some_and(gave)
            }) || is_asked(user)
        };
        let legs = || calls.phones.values().filter(|leg| leg.life == calls.life);
        if !self.per_call {
            let up = legs().filter(|leg| is_up(leg));
            return up.filter(|leg| !has_call(&leg.called)).map(|leg| leg.called.clone()).collect();
        }
        // Whatever became of a phone that was called just now: it may be doubted for a while.
        let doubtful = |user: &str| {
            let mut own = legs().filter(|leg| leg.called == user);
            sure == Sure::Surely && own.any(|leg| at < leg.invited_at + PATIENCE + DOUBT + late)
        };
        let now = self.begin.after(at);
        let users = self.bindings.values().filter(|row| row.expires_at >= now).map(|row| row.user.as_str());
        let users: std::collections::BTreeSet<&str> = users.collect();
        let free = users.into_iter().filter(|user| !has_call(user) && !doubtful(user));
        free.map(str::to_owned).collect()
    }

    /// When free agents were lost: a leg that ended under an agent without a call; a phone that was called for somebody
    /// and did not come in time, or a registration that went away.
    pub fn losses(&self, calls: &Calls, now: Duration) -> Vec<Duration> {
        let legs = calls.phones.values();
        let mut losses: Vec<Duration> = if self.per_call {
            let failed = legs.filter_map(|leg| failed(leg, now).map(|_| leg.invited_at));
            failed.chain(self.unbound.iter().map(|(at, _)| *at)).collect()
        } else {
            let ended = legs.filter_map(|leg| leg.ended().map(|at| (leg, at)));
            let free = ended.filter(|(leg, at)| {
                let all = calls.trunk.values().chain(calls.callers.values());
                let mut own = all.filter(|call| calls.agent_of(call) == Some(&leg.called));
                !own.any(|call| {
                    call.answers.first().is_some_and(|answer| answer.at < *at)
                        && call.talk_ended().is_none_or(|ended| *at < ended + WRAP_UP)
                })
            });
            free.map(|(_, at)| at).collect()
        };
        // Whoever is asked by a colleague leaves as for a break.
        losses.extend(calls.asked_at());
        losses.sort_unstable();
        losses
    }
}

/// A persistent leg that is up.
fn is_up(leg: &Call) -> bool {
    leg.answers.iter().any(|answer| answer.acknowledged) && leg.ended().is_none()
}

/// When it was clear that a phone, called for one person, fails them.
fn failed(leg: &Call, now: Duration) -> Option<Duration> {
    let in_time = leg.answers.first().is_some_and(|answer| answer.at <= leg.invited_at + PHONE_IN_TIME);
    let until = leg.invited_at + PHONE_IN_TIME;
    // Whom the node let go before that is not to blame.
    let let_go = leg.cancelled_at.is_some_and(|at| at < until);
    let left = leg.answers.iter().filter_map(|answer| answer.bye_came).min();
    if in_time {
        left
    } else if let Some(refused) = leg.refused_at.filter(|_| leg.cancelled_at.is_none()) {
        Some(refused)
    } else {
        (!let_go && now >= until).then_some(until)
    }
}
