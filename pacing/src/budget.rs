//! The abandonment ledger and the hard stop on launching.
//!
//! The rule: no line beyond one per free agent is placed while
//! `abandoned + exposure >= limit * (live + credit) - reserve`. This room keeps the strict variant with worst-case
//! exposure (every excess line is answered and finds no agent) and without credit, which a fixed ratio needs: it has
//! no forecast to do better with. The predictive policy brings its own exposure.

use serde::{Deserialize, Serialize};

use crate::event::EventKind;

/// Counts of the current period. Survives a restart through the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Answers by a person or unknown.
    pub live: u64,
    /// Live answers that no agent took in time.
    pub abandoned: u64,
    /// Of these, abandoned because the agent meant for it was lost after launch.
    pub agent_lost: u64,
    /// Answers taken for machines.
    #[serde(default)]
    pub machines: u64,
}

impl Ledger {
    /// Takes in an event that the floor has accepted, for a policy that knows of one period at a time.
    pub fn observe(&mut self, kind: EventKind) {
        match kind {
            EventKind::CallAnswered { .. } => self.answered(),
            EventKind::CallAbandoned { agent_lost, .. } => self.abandoned(agent_lost),
            EventKind::PeriodBegan => *self = Self::default(),
            EventKind::CallPlaced { .. }
            | EventKind::CallPlacedFor { .. }
            | EventKind::CallRinging { .. }
            | EventKind::CallMachine { .. }
            | EventKind::CallBridged { .. }
            | EventKind::CallEnded { .. }
            | EventKind::AgentReady { .. }
            | EventKind::AgentTalking { .. }
            | EventKind::AgentWrapUp { .. }
            | EventKind::AgentFormOpened { .. }
            | EventKind::AgentFinishing { .. }
            | EventKind::AgentAway { .. }
            | EventKind::AgentLeaving { .. }
            | EventKind::AgentLeft { .. }
            | EventKind::AgentApart { .. }
            | EventKind::AgentPooled { .. } => {}
        }
    }

    /// Charges a live answer.
    pub fn answered(&mut self) {
        self.live = self.live.saturating_add(1);
    }

    /// Charges an abandoned call, already counted as a live answer.
    pub fn abandoned(&mut self, agent_lost: bool) {
        self.abandoned = self.abandoned.saturating_add(1);
        self.agent_lost = self.agent_lost.saturating_add(u64::from(agent_lost));
    }

    /// Charges an answer taken for a machine; `was_live` where it had been counted as a live answer before.
    pub fn machine(&mut self, was_live: bool) {
        self.machines = self.machines.saturating_add(1);
        self.live = self.live.saturating_sub(u64::from(was_live));
    }

    /// Abandoned calls that the hard stop still allows, what is out not yet taken off: a line beyond one per free
    /// agent may be launched while its exposure is below. Credit and reserve are in calls.
    pub fn allowance(&self, limit: f64, credit: f64, reserve: f64) -> f64 {
        limit * (self.live as f64 + credit) - reserve - self.abandoned as f64
    }

    /// Abandoned share of live answers; zero before the first.
    pub fn rate(&self) -> f64 {
        if self.live == 0 { 0.0 } else { self.abandoned as f64 / self.live as f64 }
    }

    /// [`Ledger::excess_allowed`] while `waiting` answered lines have no agent yet: they are live in the ledger already and
    /// must not be hoped for again.
    pub fn excess_left(&self, limit: f64, waiting: u64) -> u64 {
        Self { live: self.live.saturating_sub(waiting), ..*self }.excess_allowed(limit)
    }

    /// How many excess lines (beyond one per free agent) may be out at once, at worst-case exposure: the largest `e`
    /// such that the limit holds even if every one of them is answered and abandoned. With all `e` abandoned there are
    /// also `e` more live answers: `abandoned + e <= limit * (live + e)`. A limit of 1.0 means no limit.
    pub fn excess_allowed(&self, limit: f64) -> u64 {
        if limit >= 1.0 {
            return u64::MAX;
        }
        let room = limit * self.live as f64 - self.abandoned as f64;
        if room <= 0.0 { 0 } else { (room / (1.0 - limit) + 1e-9).floor() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_excess_before_it_is_earned() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.excess_allowed(0.03), 0);
        for _ in 0..33 {
            ledger.answered();
        }
        assert_eq!(ledger.excess_allowed(0.03), 1, "1 of 34 is below 3%");
        ledger.abandoned(false);
        assert_eq!(ledger.excess_allowed(0.03), 0);
    }

    #[test]
    fn no_limit_means_no_limit() {
        assert_eq!(Ledger::default().excess_allowed(1.0), u64::MAX);
    }

    proptest! {
        #[test]
        fn the_limit_holds_even_if_every_excess_line_is_abandoned(
            live in 0u64..100_000, share in 0.0f64..1.0, limit in 0.0f64..0.99
        ) {
            let abandoned = (live as f64 * share) as u64;
            let ledger = Ledger { live, abandoned, ..Ledger::default() };
            let excess = ledger.excess_allowed(limit);
            if excess > 0 {
                let worst = (abandoned + excess) as f64;
                prop_assert!(worst <= limit * (live + excess) as f64 + 1e-6);
            }
        }
    }
}
