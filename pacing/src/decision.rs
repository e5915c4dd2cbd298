//! The question put to a pacer and its answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Segment;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Since the process started.
    pub now: Duration,
    /// Lines that the trunks' concurrency allows.
    pub lines_free: u32,
    /// Calls that the trunks' rate caps allow now.
    pub calls_per_second_free: u32,
    /// Tasks in hand that could be called now.
    pub supply: u32,
    /// What the law and the campaign allow.
    pub limits: Limits,
    /// The segments of the next tasks in the order in which they will be called.
    pub upcoming: Upcoming,
    /// What the period will still bring; `None` where nobody knows, which gives no credit.
    pub outlook: Option<Outlook>,
}

/// What the period of the abandonment limit will still bring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Scheduled agent hours from now to the end of the period, breaks left out. An agent who leaves early takes the
    /// remaining hours away at once.
    pub agent_hours_left: f64,
}

/// Most runs of equal segments in [`Upcoming`].
pub const UPCOMING_RUNS_MAX: usize = 8;

/// The next tasks as runs of equal segments. Tasks beyond the last run are of segments unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upcoming {
    runs: [(Segment, u32); UPCOMING_RUNS_MAX],
}

impl Upcoming {
    /// Adds one task behind the others; false where it no longer fits and was left out.
    pub fn add(&mut self, segment: Segment) -> bool {
        let used = self.runs.iter().take_while(|(_, tasks)| *tasks > 0).count();
        if let Some((last, tasks)) = used.checked_sub(1).and_then(|index| self.runs.get_mut(index))
            && *last == segment
        {
            *tasks = tasks.saturating_add(1);
            return true;
        }
        let room = self.runs.get_mut(used);
        let fits = room.is_some();
        room.into_iter().for_each(|run| *run = (segment, 1));
        fits
    }

    /// The runs in order: segment and number of tasks, never zero.
    pub fn runs(&self) -> impl Iterator<Item = (Segment, u32)> + '_ {
        self.runs.iter().copied().take_while(|(_, tasks)| *tasks > 0)
    }
}

/// What the law and the campaign allow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest share of live answers that may be abandoned; 1.0 means no limit.
    pub abandon_limit: f64,
    /// Whether more lines than free agents may be out at all (a safe-harbour message exists).
    pub over_dial: bool,
    /// Share of the answers taken for machines and hung up that count as people abandoned, 0 to 1: what detection is
    /// known or assumed to get wrong. Zero where none are counted.
    pub false_positives: f64,
}

impl Limits {
    /// A limit under which no answer taken for a machine counts as a person.
    pub fn new(abandon_limit: f64, over_dial: bool) -> Self {
        Self { abandon_limit, over_dial, false_positives: 0.0 }
    }
}

/// How many calls to place now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Calls to place.
    pub place: u32,
    /// Ask again at this time at the latest.
    pub until: Duration,
    /// Why this many.
    pub reason: Reason,
}

/// Why this many: what bound the decision and the figures behind it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What bound it.
    pub bound: Bound,
    /// Agents waiting for a call.
    pub agents_free: u32,
    /// Lines placed and not yet answered or ended, and answered ones without an agent.
    pub lines_out: u32,
    /// Lines the policy wanted in all.
    pub lines_wanted: u32,
    /// The forecast behind it, from a policy that makes one.
    pub forecast: Option<Forecast>,
}

/// What a forecasting policy expected when it decided, the calls of the decision included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Until when answers and free agents are counted, in seconds from the decision.
    pub horizon_s: f64,
    /// Answers expected by then, and their standard deviation.
    pub answers: f64,
    /// Standard deviation of the answers.
    pub answers_deviation: f64,
    /// Agents expected to be free for them.
    pub agents: f64,
    /// Standard deviation of the agents.
    pub agents_deviation: f64,
    /// Probability that the answer of one more call finds no agent in time.
    pub risk: f64,
    /// The price: the highest such probability accepted now.
    pub risk_accepted: f64,
    /// Live answers that may find no agent: more are lost after about one decision in a thousand, and far more rarely
    /// near the end of the period.
    pub exposure: f64,
    /// Abandoned calls that the hard stop still allows, this exposure included and that of owners' lines taken off (of the
    /// pool's, where it is about owners); negative: overdrawn.
    pub allowance: f64,
}

/// What bound a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The policy has what it wants.
    Policy,
    /// No agent is free.
    Agents,
    /// One more answer would too likely find no agent.
    Risk,
    /// The answer rate is not yet known well enough for more.
    Ramp,
    /// The abandonment budget: one line per free agent until it recovers.
    Budget,
    /// No safe-harbour message: never over-dialed.
    NoSafeHarbour,
    /// Trunk concurrency.
    Lines,
    /// Trunk rate.
    CallsPerSecond,
    /// No task is due.
    Supply,
    /// The mode places nothing by itself.
    Manual,
}
