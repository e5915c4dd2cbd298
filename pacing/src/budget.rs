//! The abandonment ledger and the hard stop on launching.
//!
//! The rule: no line beyond one per free agent is placed while
//! `abandoned + exposure >= limit * (live + credit) - reserve`. This room keeps the strict variant with worst-case
//! exposure (every excess line is answered and finds no agent) and without credit, which a fixed ratio needs: it has
//! no forecast to do better with. The predictive policy brings its own exposure.

use serde::{Deserialize, Serialize};

use crate::decision::Limits;
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

/// A ledger with the people whom machine detection turned away: expected ones, so no whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charged {
    /// Live answers.
    pub live: f64,
    /// Live answers that no agent took in time.
    pub abandoned: f64,
}

impl Charged {
    /// Abandoned calls that the hard stop still allows, what is out not yet taken off: a line beyond one per free
    /// agent may be launched while its exposure is below. The reserve is in calls.
    pub fn allowance(&self, limit: f64, reserve: f64) -> f64 {
        limit * self.live - reserve - self.abandoned
    }

    /// Whole calls between the period and its limit; negative is above it.
    pub fn calls_left(&self, limit: f64) -> i64 {
        (limit * self.live - self.abandoned + 1e-9).floor() as i64
    }

    /// How many excess lines (beyond one per free agent) may be out at once, at worst-case exposure: the largest `e`
    /// such that the limit holds even if every one of them is answered and abandoned. With all `e` abandoned there are
    /// also `e` more live answers: `abandoned + e <= limit * (live + e)`. A limit of 1.0 means no limit.
    pub fn excess_allowed(&self, limit: f64) -> u64 {
        if limit >= 1.0 {
            return u64::MAX;
        }
        let room = limit * self.live - self.abandoned;
        if room <= 0.0 { 0 } else { (room / (1.0 - limit) + 1e-9).floor() as u64 }
    }
}

impl Ledger {
    /// Takes in an event that the floor has accepted, for a policy that knows of one period at a time.
    pub fn observe(&mut self, kind: EventKind) {
        match kind {
            EventKind::CallAnswered { .. } => self.answered(),
            EventKind::CallAbandoned { agent_lost, .. } => self.abandoned(agent_lost),
            EventKind::CallMachine { .. } => self.machine(false),
            EventKind::PeriodBegan => *self = Self::default(),
            EventKind::CallPlaced { .. }
            | EventKind::CallPlacedFor { .. }
            | EventKind::CallRinging { .. }
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

    /// With so large a share of the answers taken for machines counted as people who were abandoned.
    pub fn charged(&self, false_positives: f64) -> Charged {
        let people = false_positives * self.machines as f64;
        Charged { live: self.live as f64 + people, abandoned: self.abandoned as f64 + people }
    }

    /// Abandoned share of live answers; zero before the first.
    pub fn rate(&self) -> f64 {
        if self.live == 0 { 0.0 } else { self.abandoned as f64 / self.live as f64 }
    }

    /// [`Charged::excess_allowed`] while `waiting` answered lines have no agent yet: they are live in the ledger already and
    /// must not be hoped for again.
    pub fn excess_left(&self, limits: &Limits, waiting: u64) -> u64 {
        let settled = Self { live: self.live.saturating_sub(waiting), ..*self };
        settled.charged(limits.false_positives).excess_allowed(limits.abandon_limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_excess_before_it_is_earned() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.charged(0.0).excess_allowed(0.03), 0);
        for _ in 0..33 {
            ledger.answered();
        }
        assert_eq!(ledger.charged(0.0).excess_allowed(0.03), 1, "1 of 34 is below 3%");
        ledger.abandoned(false);
        assert_eq!(ledger.charged(0.0).excess_allowed(0.03), 0);
    }

    #[test]
    fn no_limit_means_no_limit() {
        assert_eq!(Ledger::default().charged(0.0).excess_allowed(1.0), u64::MAX);
    }

    #[test]
    fn whoever_was_taken_for_a_machine_counts_as_configured() {
        let mut ledger = Ledger { live: 400, ..Ledger::default() };
        (0..200).for_each(|_| ledger.machine(false));
        assert_eq!(ledger.charged(0.0), Charged { live: 400.0, abandoned: 0.0 });
        assert_eq!(ledger.charged(0.05), Charged { live: 410.0, abandoned: 10.0 });
        assert_eq!(ledger.charged(0.05).calls_left(0.03), 2);
        let limits = |false_positives| Limits { false_positives, ..Limits::new(0.03, true) };
        assert_eq!((ledger.excess_left(&limits(0.0), 0), ledger.excess_left(&limits(0.05), 0)), (12, 2));
        assert_eq!(ledger.excess_left(&limits(0.1), 0), 0, "detection alone is above the limit");
    }

    proptest! {
        #[test]
        fn the_limit_holds_with_every_excess_line_lost_and_machines_charged(
            live in 0u64..100_000, lost in 0.0f64..0.2, machines in 0u64..100_000,
            false_positives in 0.0f64..0.2, limit in 0.0f64..0.99
        ) {
            let abandoned = (live as f64 * lost) as u64;
            let ledger = Ledger { live, abandoned, machines, ..Ledger::default() };
            let charged = ledger.charged(false_positives);
            prop_assert!((charged.abandoned - abandoned as f64) - (charged.live - live as f64) < 1e-6);
            let excess = charged.excess_allowed(limit);
            prop_assert!(excess <= ledger.charged(0.0).excess_allowed(limit), "charging never allows more");
            if excess > 0 {
                let worst = charged.abandoned + excess as f64;
                prop_assert!(worst <= limit * (charged.live + excess as f64) + 1e-6);
            }
        }

        #[test]
        fn the_limit_holds_even_if_every_excess_line_is_abandoned(
            live in 0u64..100_000, share in 0.0f64..1.0, limit in 0.0f64..0.99
        ) {
            let abandoned = (live as f64 * share) as u64;
            let ledger = Ledger { live, abandoned, ..Ledger::default() };
            let excess = ledger.charged(0.0).excess_allowed(limit);
            if excess > 0 {
                let worst = (abandoned + excess) as f64;
                prop_assert!(worst <= limit * (live + excess) as f64 + 1e-6);
            }
        }
    }
}
