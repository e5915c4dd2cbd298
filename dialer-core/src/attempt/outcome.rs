//! Outcome (呼叫结果): what the network and the answerer did; and whose doing it was.

use serde::{Deserialize, Serialize};

/// What became of an attempt. Exactly one per attempt, written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A person or unknown picked up; bridged, or reason `callee_left`.
    Answered,
    /// A person picked up and no agent came in time.
    Abandoned,
    /// A machine picked up.
    Machine,
    /// 486, 600.
    Busy,
    /// Rang to the ring timeout, 408, 480, 487 by the callee's side.
    NoAnswer,
    /// 603, 403 and other refusals.
    Rejected,
    /// 404, 410, 484, 604.
    InvalidNumber,
    /// 503, other 5xx, trunk full.
    Congestion,
    /// Anything else; the reason says what.
    Failed,
    /// By us, not for ring timeout.
    Cancelled,
    /// We died.
    Interrupted,
}

/// Whose doing an outcome was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The called person or their phone.
    Callee,
    /// The carrier.
    Trunk,
    /// The network between us and the carrier.
    Network,
    /// Carillon.
    Us,
}
