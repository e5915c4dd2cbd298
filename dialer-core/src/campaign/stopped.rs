//! A policy under the hard stop on launching, with the worst case as exposure: for policies that have no stop of their own.

use carillon_pacing::budget::Ledger;
use carillon_pacing::floor::Floor;
use carillon_pacing::{Bound, Capacity, Decision, Event, Pacer};
use serde::{Deserialize, Serialize};

/// Whatever the policy wants, each free agent has a line, and no line goes out beyond one per free agent unless the limit
/// holds even if every such line is answered and finds no agent.
#[derive(Serialize, Deserialize)]
pub(super) struct Stopped<P> {
    policy: P,
    floor: Floor,
    ledger: Ledger,
}

impl<P: Pacer> Stopped<P> {
    /// A policy under the stop, with what the period has seen so far.
    pub fn new(policy: P, ledger: Ledger) -> Self {
        Self { policy, floor: Floor::default(), ledger }
    }
}

impl<P: Pacer> Pacer for Stopped<P> {
    fn observe(&mut self, event: &Event) {
        self.policy.observe(event);
        if self.floor.observe(event).is_ok() {
            self.ledger.observe(event.kind);
        }
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        let mut decision = self.policy.decide(capacity);
        let waiting = u64::from(self.floor.lines_waiting());
        let (excess, bound) = if capacity.limits.over_dial {
            (self.ledger.excess_left(&capacity.limits, waiting), Bound::Budget)
        } else {
            (0, Bound::NoSafeHarbour)
        };
        let allowed = u64::from(self.floor.agents_free()).saturating_add(excess);
        let most = allowed.saturating_sub(self.floor.lines_out().into());
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        // No free agent waits for the policy's next beat.
        let room = capacity.lines_free.min(capacity.calls_per_second_free).min(capacity.supply);
        let least = self.floor.agents_free().saturating_sub(self.floor.lines_out()).min(room);
        if decision.place < least {
            decision.place = least;
            decision.reason.bound = Bound::Agents;
        }
        if decision.place > most {
            decision.place = most;
            decision.reason.bound = bound;
        }
        decision
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use carillon_pacing::policy::ratio::Ratio;
    use carillon_pacing::{AgentKey, CallKey, EventKind, Limits, Segment, Upcoming};

    use super::*;

    fn room(abandon_limit: f64, over_dial: bool) -> Capacity {
        Capacity {
            now: Duration::from_secs(1),
            lines_free: 100,
            calls_per_second_free: 100,
            supply: 100,
            limits: Limits::new(abandon_limit, over_dial),
            upcoming: Upcoming::default(),
            outlook: None,
        }
    }

    /// A policy that knows of no limit: ten lines per agent.
    fn eager(live: u64) -> Stopped<Ratio> {
        let boundless = Ratio::new(10.0, Ledger { live: 1_000_000, ..Ledger::default() });
        let mut pacer = Stopped::new(boundless, Ledger { live, ..Ledger::default() });
        (0..2).for_each(|agent| tell(&mut pacer, EventKind::AgentReady { agent: AgentKey(agent) }));
        pacer
    }

    fn tell(pacer: &mut Stopped<Ratio>, kind: EventKind) {
        pacer.observe(&Event { at: Duration::ZERO, kind });
    }

    #[test]
    fn one_line_per_free_agent_until_more_is_earned() {
        let decision = eager(0).decide(&room(0.03, true));
        assert_eq!((decision.place, decision.reason.bound), (2, Bound::Budget));
        assert_eq!(eager(100).decide(&room(0.03, true)).place, 5, "3 of 103 may be let down");
        let decision = eager(1_000).decide(&room(0.03, false));
        assert_eq!((decision.place, decision.reason.bound), (2, Bound::NoSafeHarbour));
        assert_eq!(eager(0).decide(&room(1.0, true)).place, 20, "no limit");
    }

    #[test]
    fn lines_that_are_out_count_and_a_new_period_begins_from_nothing() {
        let mut pacer = eager(100);
        for call in (0..5).map(CallKey) {
            tell(&mut pacer, EventKind::CallPlaced { call, segment: Segment::default() });
        }
        assert_eq!(pacer.decide(&room(0.03, true)).place, 0);
        tell(&mut pacer, EventKind::PeriodBegan);
        let mut fresh = eager(100);
        tell(&mut fresh, EventKind::PeriodBegan);
        assert_eq!(fresh.decide(&room(0.03, true)).place, 2);
    }
}
