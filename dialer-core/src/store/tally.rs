//! What a set of attempts adds up to. The one place that defines answered, bridged, abandoned and the rest.

use crate::attempt::outcome::Outcome;
use crate::store::read::AttemptRow;

/// Counts over attempts. `answered = bridged + abandoned + callee_left` always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// INVITEs that left.
    pub placed: u64,
    /// Live answers: picked up by a person or unknown. An open attempt counts once it is bridged.
    pub answered: u64,
    /// Bridged to an agent.
    pub bridged: u64,
    /// Picked up and neither bridged nor left by the callee: outcome abandoned, and those that we interrupted,
    /// cancelled or lost after the answer.
    pub abandoned: u64,
    /// The callee hung up before an agent or a message came.
    pub callee_left: u64,
    /// A machine picked up.
    pub machine: u64,
    /// Busy.
    pub busy: u64,
    /// No answer.
    pub no_answer: u64,
    /// Rejected.
    pub rejected: u64,
    /// Invalid number.
    pub invalid_number: u64,
    /// Congestion.
    pub congestion: u64,
    /// Failed.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Interrupted.
    pub interrupted: u64,
}

/// All that a tally looks at in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its outcome; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// Whether the INVITE left.
    pub placed: bool,
    /// Whether the callee picked up.
    pub answered: bool,
    /// Whether it was bridged.
    pub bridged: bool,
}

impl From<&AttemptRow> for Shape {
    fn from(row: &AttemptRow) -> Self {
        Self {
            outcome: row.outcome,
            placed: row.placed_at.is_some(),
            answered: row.answered_at.is_some(),
            bridged: row.bridged_at.is_some(),
        }
    }
}

impl Shape {
    /// Open, answered and not bridged yet.
    pub fn waits_for_agent(self) -> bool {
        self.outcome.is_none() && self.answered && !self.bridged
    }
}

impl Tally {
    /// Counts `count` attempts of one shape.
    pub fn add(&mut self, shape: Shape, count: u64) {
        if shape.placed {
            self.placed += count;
        }
        // Somebody picked up, as far as the time of the answer tells.
        let mut live = shape.answered;
        match shape.outcome {
            None => live = false,
            Some(Outcome::Answered | Outcome::Abandoned) => live = true,
            Some(Outcome::Machine) => {
                self.machine += count;
                live = false;
            }
            Some(Outcome::Busy) => self.busy += count,
            Some(Outcome::NoAnswer) => self.no_answer += count,
            Some(Outcome::Rejected) => self.rejected += count,
            Some(Outcome::InvalidNumber) => self.invalid_number += count,
            Some(Outcome::Congestion) => self.congestion += count,
            Some(Outcome::Failed) => self.failed += count,
            Some(Outcome::Cancelled) => self.cancelled += count,
            Some(Outcome::Interrupted) => self.interrupted += count,
        }
        if shape.bridged {
            self.answered += count;
            self.bridged += count;
        } else if live {
            self.answered += count;
            if shape.outcome == Some(Outcome::Answered) {
                self.callee_left += count;
            } else {
                self.abandoned += count;
            }
        }
    }
}
