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

impl Tally {
    /// Counts one attempt.
    pub fn count(&mut self, row: &AttemptRow) {
        self.placed += u64::from(row.placed_at.is_some());
        // Somebody picked up, as far as the time of the answer tells.
        let mut live = row.answered_at.is_some();
        match row.outcome {
            None => live = false,
            Some(Outcome::Answered | Outcome::Abandoned) => live = true,
            Some(Outcome::Machine) => {
                self.machine += 1;
                live = false;
            }
            Some(Outcome::Busy) => self.busy += 1,
            Some(Outcome::NoAnswer) => self.no_answer += 1,
            Some(Outcome::Rejected) => self.rejected += 1,
            Some(Outcome::InvalidNumber) => self.invalid_number += 1,
            Some(Outcome::Congestion) => self.congestion += 1,
            Some(Outcome::Failed) => self.failed += 1,
            Some(Outcome::Cancelled) => self.cancelled += 1,
            Some(Outcome::Interrupted) => self.interrupted += 1,
        }
        if row.bridged_at.is_some() {
            self.answered += 1;
            self.bridged += 1;
        } else if live {
            self.answered += 1;
            if row.outcome == Some(Outcome::Answered) {
                self.callee_left += 1;
            } else {
                self.abandoned += 1;
            }
        }
    }
}
