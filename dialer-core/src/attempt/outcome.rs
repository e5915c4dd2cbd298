//! Outcome (呼叫结果): what the network and the answerer did; and whose doing it was.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::table::{self, Heard, Rule};
use crate::input::Failure;

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

/// An outcome with whose doing it was, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What became of the attempt.
    pub outcome: Outcome,
    /// Final SIP status, if there was one.
    pub sip_status: Option<u16>,
    /// Whose doing it was.
    pub attribution: Attribution,
    /// Short stable word.
    pub reason: String,
}

impl Finding {
    /// A finding without a SIP status.
    pub fn new(outcome: Outcome, attribution: Attribution, reason: &str) -> Self {
        Self { outcome, sip_status: None, attribution, reason: reason.into() }
    }

    /// Final SIP status of the INVITE: whatever somebody picked up was answered with 200.
    pub fn final_status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered | Outcome::Abandoned | Outcome::Machine => Some(200),
            Outcome::Busy
            | Outcome::NoAnswer
            | Outcome::Rejected
            | Outcome::InvalidNumber
            | Outcome::Congestion
            | Outcome::Failed
            | Outcome::Cancelled
            | Outcome::Interrupted => self.sip_status,
        }
    }
}

/// Reads a failure without an answer: a refusal by the lines of `outcomes.txt`, after those of the trunk's `own`. `rang` is how long
/// ago it first rang.
pub fn of_failure(failure: Failure, rang: Option<Duration>, early_media: bool, own: &[Rule]) -> Finding {
    use Attribution::{Network, Trunk, Us};
    let refused = |status, cause| table::finding(&Heard { status, cause, rang, early_media }, own);
    match failure {
        Failure::Status(status) => refused(status, None),
        Failure::Caused { status, cause } => refused(status, Some(cause)),
        Failure::Cancelled => Finding::new(Outcome::Cancelled, Us, "cancelled"),
        Failure::Timeout => Finding::new(Outcome::Failed, Network, "no_response"),
        Failure::Transport => Finding::new(Outcome::Failed, Network, "transport"),
        Failure::Expired => Finding::new(Outcome::Cancelled, Us, "expired"),
        Failure::Media => Finding::new(Outcome::Failed, Trunk, "media"),
        Failure::Ports => Finding::new(Outcome::Failed, Us, "no_ports"),
        Failure::Unsigned => Finding::new(Outcome::Cancelled, Us, "unsigned"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table() {
        use Attribution::{Callee, Network, Trunk, Us};
        for (status, outcome, attribution, reason) in [
            (408, Outcome::NoAnswer, Callee, "sip_408"),
            (480, Outcome::NoAnswer, Callee, "sip_480"),
            (487, Outcome::NoAnswer, Callee, "sip_487"),
            (486, Outcome::Busy, Callee, "sip_486"),
            (600, Outcome::Busy, Callee, "sip_600"),
            (403, Outcome::Rejected, Callee, "sip_403"),
            (433, Outcome::Rejected, Callee, "sip_433"),
            (603, Outcome::Rejected, Callee, "sip_603"),
            (607, Outcome::Rejected, Callee, "sip_607"),
            (608, Outcome::Rejected, Network, "sip_608"),
            (404, Outcome::InvalidNumber, Callee, "sip_404"),
            (410, Outcome::InvalidNumber, Callee, "sip_410"),
            (484, Outcome::InvalidNumber, Callee, "sip_484"),
            (604, Outcome::InvalidNumber, Callee, "sip_604"),
            (500, Outcome::Congestion, Trunk, "sip_500"),
            (503, Outcome::Congestion, Trunk, "sip_503"),
            (599, Outcome::Congestion, Trunk, "sip_599"),
            (401, Outcome::Failed, Us, "trunk_refused_credentials"),
            (407, Outcome::Failed, Us, "trunk_refused_credentials"),
            (302, Outcome::Failed, Trunk, "redirected"),
            (488, Outcome::Failed, Trunk, "sip_488"),
            (606, Outcome::Failed, Trunk, "sip_606"),
            (699, Outcome::Failed, Trunk, "sip_699"),
        ] {
            let finding = of_failure(Failure::Status(status), None, false, &[]);
            let expected = Finding { outcome, sip_status: Some(status), attribution, reason: reason.into() };
            assert_eq!(finding, expected);
        }
    }

    #[test]
    fn failures_without_a_status() {
        use Attribution::{Network, Trunk, Us};
        for (failure, outcome, attribution, reason) in [
            (Failure::Cancelled, Outcome::Cancelled, Us, "cancelled"),
            (Failure::Timeout, Outcome::Failed, Network, "no_response"),
            (Failure::Transport, Outcome::Failed, Network, "transport"),
            (Failure::Expired, Outcome::Cancelled, Us, "expired"),
            (Failure::Media, Outcome::Failed, Trunk, "media"),
            (Failure::Ports, Outcome::Failed, Us, "no_ports"),
            (Failure::Unsigned, Outcome::Cancelled, Us, "unsigned"),
        ] {
            assert_eq!(of_failure(failure, None, false, &[]), Finding::new(outcome, attribution, reason));
        }
    }
}
