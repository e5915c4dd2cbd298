//! Tasks (任务): one campaign's wish to reach one contact.

use serde::{Deserialize, Serialize};

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// To be called (again).
    Open,
    /// Done with; never called again.
    Closed(ClosedReason),
}

/// Why a task is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    /// A disposition that counts as success.
    Success,
    /// A disposition that doesn't, with nothing to retry.
    Disposition,
    /// An outcome that is not retried.
    Outcome,
    /// `attempts_max` reached.
    AttemptsMax,
    /// `within` passed.
    Within,
    /// The number is suppressed.
    Suppressed,
    /// No zone, no call.
    NoZone,
    /// The number may not be called (emergency, short, impossible).
    Number,
}
