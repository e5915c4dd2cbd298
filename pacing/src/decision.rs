//! The question put to a pacer and its answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
}

/// What the law and the campaign allow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest share of live answers that may be abandoned; 1.0 means no limit.
    pub abandon_limit: f64,
    /// Whether more lines than free agents may be out at all (a safe-harbour message exists).
    pub over_dial: bool,
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
}

/// What bound a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The policy has what it wants.
    Policy,
    /// No agent is free.
    Agents,
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
