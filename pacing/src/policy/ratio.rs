//! Ratio: a fixed number of lines per free agent, under the hard stop with worst-case exposure.

use serde::{Deserialize, Serialize};

use crate::Pacer;
use crate::budget::Ledger;
use crate::decision::{Bound, Capacity, Decision};
use crate::event::Event;
use crate::floor::Floor;

/// `ratio` lines per free agent, as far as the abandonment budget allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ratio {
    ratio: f64,
    floor: Floor,
    ledger: Ledger,
}

impl Ratio {
    /// A pacer with `ratio` lines per free agent (below 1 counts as 1) and what the period has seen so far.
    pub fn new(ratio: f64, ledger: Ledger) -> Self {
        let ratio = if ratio.is_finite() { ratio.max(1.0) } else { 1.0 };
        Self { ratio, floor: Floor::default(), ledger }
    }

    /// What the period has seen so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }
}

impl Pacer for Ratio {
    fn observe(&mut self, event: &Event) {
        if self.floor.observe(event).is_ok() {
            self.ledger.observe(event.kind);
        }
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        let free = u64::from(self.floor.agents_free());
        let by_ratio = (free as f64 * self.ratio).floor() as u64;
        if !capacity.limits.over_dial {
            let bound = if by_ratio > free { Bound::NoSafeHarbour } else { Bound::Agents };
            return super::fill(&self.floor, free, bound, capacity);
        }
        // Excess lines already out are part of the exposure: the wanted total, not the increment, is held
        // against the budget.
        let waiting = u64::from(self.floor.lines_waiting());
        let by_budget = free.saturating_add(self.ledger.excess_left(&capacity.limits, waiting));
        let bound = if by_ratio > by_budget {
            Bound::Budget
        } else if free == 0 {
            Bound::Agents
        } else {
            Bound::Policy
        };
        super::fill(&self.floor, by_ratio.min(by_budget), bound, capacity)
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{AgentKey, CallKey, Ending, EventKind, Segment};
    use crate::policy::testing::{placed, ready, room};

    #[test]
    fn places_its_ratio_where_there_is_no_limit() {
        let mut pacer = Ratio::new(2.5, Ledger::default());
        ready(10).for_each(|event| pacer.observe(&event));
        assert_eq!(pacer.decide(&room(1.0, true)).place, 25);
        placed(0..20).for_each(|event| pacer.observe(&event));
        assert_eq!(pacer.decide(&room(1.0, true)).place, 5);
    }

    #[test]
    fn one_line_per_agent_without_a_safe_harbour_message() {
        let mut pacer = Ratio::new(2.0, Ledger { live: 10_000, ..Ledger::default() });
        ready(10).for_each(|event| pacer.observe(&event));
        let decision = pacer.decide(&room(1.0, false));
        assert_eq!((decision.place, decision.reason.bound), (10, Bound::NoSafeHarbour));
    }

    #[test]
    fn one_line_per_agent_until_excess_is_earned() {
        let mut pacer = Ratio::new(2.0, Ledger::default());
        ready(10).for_each(|event| pacer.observe(&event));
        let decision = pacer.decide(&room(0.03, true));
        assert_eq!((decision.place, decision.reason.bound), (10, Bound::Budget));
        let mut pacer = Ratio::new(2.0, Ledger { live: 100, ..Ledger::default() });
        ready(10).for_each(|event| pacer.observe(&event));
        assert_eq!(pacer.decide(&room(0.03, true)).place, 13);
    }

    #[test]
    fn answers_that_wait_earn_nothing_yet() {
        let mut pacer = Ratio::new(9.0, Ledger { live: 7, ..Ledger::default() });
        ready(1).for_each(|event| pacer.observe(&event));
        let tell = |pacer: &mut Ratio, kind| pacer.observe(&Event { at: Duration::ZERO, kind });
        assert_eq!(pacer.decide(&room(0.3, true)).place, 4, "one for the agent, and 3 of 10 may be let down");
        placed(0..4).for_each(|event| pacer.observe(&event));
        // Three of them are answered and wait, nobody is let down yet: still 3 of 10 at the worst.
        (0..3).for_each(|call| tell(&mut pacer, EventKind::CallAnswered { call: CallKey(call) }));
        assert_eq!(pacer.decide(&room(0.3, true)).place, 0);
    }

    proptest! {
        /// However the world answers, a period that starts from nothing never ends above its limit while agents stay:
        /// every answer is charged, every answer beyond the free agents is abandoned.
        #[test]
        fn never_over_the_limit_while_agents_stay(
            agents in 1u64..12, ratio in 1.0f64..4.0, answers in proptest::collection::vec(any::<bool>(), 1..600)
        ) {
            let limit = 0.03;
            let mut pacer = Ratio::new(ratio, Ledger::default());
            ready(agents).for_each(|event| pacer.observe(&event));
            let tell = |pacer: &mut Ratio, kind| pacer.observe(&Event { at: Duration::ZERO, kind });
            let mut free = (0..agents).collect::<Vec<_>>();
            let (mut next, mut out, mut busy) = (0u64, Vec::new(), Vec::new());
            for answered in answers {
                for _ in 0..pacer.decide(&room(limit, true)).place {
                    tell(&mut pacer, EventKind::CallPlaced { call: CallKey(next), segment: Segment::default() });
                    out.push(CallKey(next));
                    next += 1;
                }
                match out.pop() {
                    Some(call) if answered => {
                        tell(&mut pacer, EventKind::CallAnswered { call });
                        match free.pop() {
                            Some(agent) => {
                                tell(&mut pacer, EventKind::AgentTalking { agent: AgentKey(agent) });
                                tell(&mut pacer, EventKind::CallBridged { call, agent: AgentKey(agent) });
                                busy.push((call, agent));
                            }
                            None => tell(&mut pacer, EventKind::CallAbandoned { call, agent_lost: false }),
                        }
                    }
                    Some(call) => tell(&mut pacer, EventKind::CallEnded { call, ending: Ending::Callee }),
                    None => {
                        if let Some((call, agent)) = busy.pop() {
                            tell(&mut pacer, EventKind::CallEnded { call, ending: Ending::Answered });
                            tell(&mut pacer, EventKind::AgentReady { agent: AgentKey(agent) });
                            free.push(agent);
                        }
                    }
                }
                let ledger = pacer.ledger();
                prop_assert!(ledger.abandoned as f64 <= (limit * ledger.live as f64).floor() + 1e-9, "{ledger:?}");
            }
            prop_assert_eq!(pacer.refused_events(), 0);
        }
    }
}
