//! The predictive policy as a whole.

use std::time::Duration;

use super::*;
use crate::event::{AgentKey, Ending, Segment};
use crate::policy::testing::{ready, room};

fn tell(pacer: &mut Predictive, at_ms: u64, kind: EventKind) {
    pacer.observe(&Event { at: Duration::from_millis(at_ms), kind });
}

fn earned() -> Ledger {
    Ledger { live: 10_000, ..Ledger::default() }
}

#[test]
fn starts_with_one_line_per_free_agent() {
    for agents in [1, 3, 10, 100, 1_000] {
        let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
        ready(agents).for_each(|event| pacer.observe(&event));
        let mut capacity = room(0.03, true);
        capacity.lines_free = 100_000;
        capacity.supply = 100_000;
        capacity.calls_per_second_free = 100_000;
        let decision = pacer.decide(&capacity);
        assert!(u64::from(decision.place) >= agents, "{agents} agents: {decision:?}");
        // The answer rate is unknown: nobody may be rushed.
        assert!(u64::from(decision.place) <= agents * 3 / 2 + 1, "{agents} agents: {decision:?}");
    }
}

#[test]
fn one_line_per_free_agent_without_budget_or_message() {
    let spent = Ledger { live: 1_000, abandoned: 29, ..Ledger::default() };
    let mut pacer = Predictive::new(PredictiveOptions::default(), spent);
    ready(10).for_each(|event| pacer.observe(&event));
    let decision = pacer.decide(&room(0.03, true));
    assert_eq!((decision.place, decision.reason.bound), (10, Bound::Budget));
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    ready(10).for_each(|event| pacer.observe(&event));
    let decision = pacer.decide(&room(0.03, false));
    assert_eq!((decision.place, decision.reason.bound), (10, Bound::NoSafeHarbour));
}

#[test]
fn silence_while_lines_are_out_makes_it_careful() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    ready(4).for_each(|event| pacer.observe(&event));
    tell(&mut pacer, 0, EventKind::CallPlaced { call: CallKey(1), segment: Segment::default() });
    let mut capacity = room(0.03, true);
    capacity.now = Duration::from_secs(600);
    let decision = pacer.decide(&capacity);
    assert_eq!((decision.place, decision.reason.bound), (3, Bound::Agents));
}

#[test]
fn what_cannot_have_happened_is_refused_and_counted() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    tell(&mut pacer, 1_000, EventKind::CallAnswered { call: CallKey(9) });
    tell(&mut pacer, 1_000, EventKind::AgentLeft { agent: AgentKey(9) });
    tell(&mut pacer, 1_000, EventKind::AgentReady { agent: AgentKey(1) });
    tell(&mut pacer, 500, EventKind::AgentAway { agent: AgentKey(1) });
    assert_eq!(pacer.refused_events(), 3);
    assert_eq!(pacer.ledger(), earned());
}

#[test]
fn calls_are_charged_to_the_period_of_their_launch() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), Ledger::default());
    let call = |number| EventKind::CallPlaced { call: CallKey(number), segment: Segment::default() };
    tell(&mut pacer, 0, call(1));
    tell(&mut pacer, 0, call(2));
    tell(&mut pacer, 5_000, EventKind::PeriodBegan);
    tell(&mut pacer, 6_000, EventKind::CallAnswered { call: CallKey(1) });
    tell(&mut pacer, 8_000, EventKind::CallAbandoned { call: CallKey(1), agent_lost: false });
    assert_eq!(pacer.ledger(), Ledger::default());
    tell(&mut pacer, 9_000, call(3));
    tell(&mut pacer, 12_000, EventKind::CallAnswered { call: CallKey(3) });
    assert_eq!(pacer.ledger(), Ledger { live: 1, ..Ledger::default() });
}

/// A morning of one agent and many lines; what was learnt in it.
fn seasoned() -> Predictive {
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    tell(&mut pacer, 0, EventKind::AgentReady { agent: AgentKey(1) });
    for number in 0..200u64 {
        let at = number * 60_000;
        let call = CallKey(number);
        tell(&mut pacer, at, EventKind::CallPlaced { call, segment: Segment::default() });
        if number % 4 == 0 {
            tell(&mut pacer, at + 9_000, EventKind::CallAnswered { call });
            tell(&mut pacer, at + 9_000, EventKind::AgentTalking { agent: AgentKey(1) });
            tell(&mut pacer, at + 9_000, EventKind::CallBridged { call, agent: AgentKey(1) });
            tell(&mut pacer, at + 40_000, EventKind::AgentWrapUp { agent: AgentKey(1) });
            tell(&mut pacer, at + 50_000, EventKind::AgentReady { agent: AgentKey(1) });
            tell(&mut pacer, at + 50_000, EventKind::CallEnded { call, ending: Ending::Answered });
        } else {
            tell(&mut pacer, at + 24_000, EventKind::CallEnded { call, ending: Ending::Callee });
        }
        let mut capacity = room(0.03, true);
        capacity.now = Duration::from_millis(at + 59_000);
        pacer.decide(&capacity);
    }
    pacer
}

#[test]
fn the_state_survives_a_restart() {
    let pacer = seasoned();
    let stored = serde_json::to_string(&pacer.state()).unwrap();
    let state: PredictiveState = serde_json::from_str(&stored).unwrap();
    // A figure may come back from text with its last bit changed.
    assert_eq!(state.ledger(), pacer.ledger());
    let mut again = Predictive::restore(PredictiveOptions::default(), state).unwrap();
    assert_eq!(again.ledger(), pacer.ledger());
    ready(1).for_each(|event| again.observe(&event));
    let decision = again.decide(&room(0.03, true));
    let forecast = decision.reason.forecast.unwrap();
    // One in four is answered: more than one line for the one agent, and it knows when answers come.
    assert!(decision.place >= 1 && forecast.horizon_s > 5.0 && forecast.horizon_s < 13.0, "{decision:?}");
}

#[test]
fn a_state_that_cannot_be_counted_with_is_refused() {
    let state = serde_json::to_value(seasoned().state()).unwrap();
    let restore = |value: serde_json::Value| {
        Predictive::restore(PredictiveOptions::default(), serde_json::from_value(value).unwrap()).map(|_| ())
    };
    let mut other = state.clone();
    other["version"] = 7.into();
    assert_eq!(restore(other), Err(StateProblem::Version(7)));
    let mut other = state.clone();
    other["learnt"]["answers"] = (-1.0).into();
    assert_eq!(restore(other), Err(StateProblem::Figures));
    let mut other = state.clone();
    other["learnt"]["lines"][0]["exposure"] = serde_json::json!([1.0]);
    assert_eq!(restore(other), Err(StateProblem::Figures));
    assert_eq!(restore(state), Ok(()));
}

#[test]
fn the_same_events_give_the_same_decisions() {
    let (mut one, mut two) = (seasoned(), seasoned());
    let mut capacity = room(0.03, true);
    for second in 12_001..12_060 {
        capacity.now = Duration::from_secs(second);
        assert_eq!(one.decide(&capacity), two.decide(&capacity));
    }
}
