//! How many are let down: invariant 9, at every launch and at the end.

use std::time::Duration;

use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::spec::Mode;
use carillon_core::store::memory::Memory;
use carillon_core::store::read::AttemptRow;
use carillon_core::time::Utc;

use super::calls::{Call, Calls};
use super::floor::Sure;
use super::{Checker, Told};
use crate::world::plan::Plan;
use crate::world::wire::{Seen, What};

/// What a campaign may do.
#[derive(Clone, Copy)]
enum Limit {
    /// One line per free agent, whatever the share: progressive, or no message to play.
    PerAgent,
    /// The share holds even if every excess line is answered and finds nobody.
    WorstCase { share: f64 },
    /// A forecast of what may find nobody, and credit for answers still to come: never for more than the list has people.
    Forecast { share: f64, credit: f64 },
}

/// Share of the answers still expected that the forecast's hard stop counts as there, and calls it keeps in reserve for a
/// team as small as the world's.
const CREDIT_SHARE: f64 = 0.3;
const RESERVE: f64 = 1.0;

impl Limit {
    fn new(plan: &Plan) -> Self {
        let share = plan.spec.abandon_limit;
        match plan.spec.mode {
            _ if plan.spec.safe_harbour.is_none() => Self::PerAgent,
            Mode::Manual | Mode::Preview | Mode::Progressive => Self::PerAgent,
            Mode::Ratio | Mode::Adaptive => Self::WorstCase { share },
            Mode::Predictive => Self::Forecast { share, credit: CREDIT_SHARE * plan.contacts.len() as f64 },
        }
    }

    /// How many of so many answered people may be let down.
    fn of(&self, live: u64) -> u64 {
        let most = match self {
            Self::PerAgent => 0.0,
            Self::WorstCase { share } => share * live as f64,
            Self::Forecast { share, credit } => share * (live as f64 + credit),
        };
        most.floor() as u64
    }

    /// Whether `excess` lines beyond one per free agent may be out: the share holds even if every one of them is answered
    /// and finds nobody. `waiting` of them are answered already and counted in `live`.
    fn allows(&self, excess: u64, waiting: u64, live: u64, let_down: u64) -> bool {
        let answers = (live + excess - waiting.min(excess)) as f64;
        excess == 0
            || match self {
                Self::PerAgent => false,
                Self::WorstCase { share } => (let_down + excess) as f64 <= share * answers + 1e-6,
                // An allowance must have been left when it was decided; one more may have been let down until the INVITE left.
                Self::Forecast { share, credit } => {
                    let_down as f64 - 1.0 < share * (live as f64 + credit) - RESERVE
                }
            }
    }
}

/// Where campaigns share agents, one of them may have lines whose agents were lost, and an answer of theirs takes an agent of the
/// other, whose lines are short of one then. Lines that were out at the loss are over after this.
const SHORT_MAX: Duration = Duration::from_secs(60);

/// Invariant 9 at every launch: no line leaves beyond one per free agent while the hard stop holds, with the worst case as
/// exposure. Between the decision and the INVITE an agent may be lost; nothing else excuses a line. Of all campaigns together:
/// no agent is counted for two of them.
pub struct HardStop {
    limit: Limit,
    begin: Utc,
    shared: bool,
    /// Answered, and let down, before the present process began.
    before: (u64, u64),
}

impl HardStop {
    pub fn new(plan: &Plan) -> Self {
        Self { limit: Limit::new(plan), begin: plan.begin, shared: plan.shared.is_some(), before: (0, 0) }
    }
}

impl Checker for HardStop {
    fn name(&self) -> &'static str {
        "hard_stop"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if matches!(seen.what, What::Started) {
            let live = seen.disk.attempts().filter(|row| row.answered_at.is_some());
            let let_down = seen.disk.attempts().filter(|row| was_let_down(row));
            self.before = (live.count() as u64, let_down.count() as u64);
        }
        let Some(launched) = calls.invited() else { return Ok(()) };
        let own = || calls.trunk.values().filter(|call| call.life == calls.life);
        let out = own().filter(|call| calls.may_want_an_agent(call, seen.at)).count();
        let free = calls.floor.free(calls, seen.at, Sure::Perhaps);
        let waiting = own().filter(|call| !call.answers.is_empty() && calls.may_want_an_agent(call, seen.at));
        let waiting = waiting.count().saturating_sub(free) as u64;
        let live = self.before.0 + own().filter(|call| is_live(call)).count() as u64;
        let let_down = self.before.1
            + own().filter(|call| is_live(call) && calls.is_let_down(call, seen.at)).count() as u64;
        let decided = calls.by_call.get(&launched.call_id).and_then(|id| calls.attempts.get(id));
        let decided = decided.map_or(seen.at, |attempt| attempt.intent.at.since(self.begin));
        let decided = if self.shared { decided.min(seen.at.saturating_sub(SHORT_MAX)) } else { decided };
        let losses = calls.floor.losses(calls, seen.at);
        let lost = losses.into_iter().filter(|at| (decided..=seen.at).contains(at)).count();
        let excess = out.saturating_sub(free + lost) as u64;
        if self.limit.allows(excess, waiting, live, let_down) {
            Ok(())
        } else {
            Err(format!(
                "{} is called: {out} lines for {free} free agents, {waiting} wait, and {let_down} of {live} were let down",
                launched.called
            ))
        }
    }
}

/// Picked up before we cancelled: an answer that crosses our CANCEL counts as none.
fn is_live(call: &Call) -> bool {
    let picked_up = call.answers.first().filter(|_| call.left_at.is_none()).map(|answer| answer.at);
    picked_up.is_some_and(|at| call.cancelled_at.is_none_or(|cancelled| at < cancelled))
}

/// Let down by the books; whoever waited when a process died was let down too.
fn was_let_down(row: &AttemptRow) -> bool {
    let left = row.outcome == Some(Outcome::Answered);
    row.answered_at.is_some() && row.bridged_at.is_none() && !left
}

/// Invariant 9 at the end: no more were let down than the limit allows. The one leak is an agent lost between the launch of
/// a line and its end in the message; each lost agent excuses one. Not counted: what a death of the process broke off.
pub struct AbandonLimit {
    limit: Limit,
}

impl AbandonLimit {
    pub fn new(plan: &Plan) -> Self {
        Self { limit: Limit::new(plan) }
    }
}

impl Checker for AbandonLimit {
    fn name(&self) -> &'static str {
        "abandon_limit"
    }

    fn see(&mut self, _seen: &Seen<'_>, _calls: &Calls) -> Told {
        Ok(())
    }

    fn end(&mut self, at: Duration, calls: &Calls, disk: &Memory, _over: bool) -> Told {
        let live = disk.attempts().filter(|row| row.answered_at.is_some()).count() as u64;
        let abandoned = disk
            .attempts()
            .filter(|row| row.outcome == Some(Outcome::Abandoned) && row.bridged_at.is_none())
            .filter_map(|row| calls.trunk.get(&disk.orphan(row.attempt)?.route.call_id));
        // From launch to where nobody came, the earliest end first.
        let mut spans: Vec<_> =
            abandoned.map(|call| (call.message_at.or(call.ended()).unwrap_or(at), call.invited_at)).collect();
        spans.sort_unstable();
        let mut losses = calls.floor.losses(calls, at);
        let mut charged = 0;
        for (until, from) in &spans {
            match losses.iter().position(|lost| (*from..=*until).contains(lost)) {
                Some(index) => {
                    losses.remove(index);
                }
                None => charged += 1,
            }
        }
        let allowed = self.limit.of(live);
        if charged <= allowed {
            Ok(())
        } else {
            Err(format!(
                "{} of {live} were let down, {charged} of them though no agent was lost; {allowed} may be",
                spans.len()
            ))
        }
    }
}
