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
    let spent = Ledger { live: 1_000, abandoned: 30, ..Ledger::default() };
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

/// Lines of these segments in turn, so many of each; `answered` says of which every second one is answered.
fn segments_in_turn(
    pacer: &mut Predictive,
    from_s: u64,
    segments: &[Segment],
    each: u64,
    answered: impl Fn(Segment) -> bool,
) {
    let mut number = from_s * 1_000;
    for round in 0..each {
        for segment in segments {
            number += 1;
            let (at, call) = (from_s * 1_000 + (number - from_s * 1_000) * 10_000, CallKey(number));
            tell(pacer, at, EventKind::CallPlaced { call, segment: *segment });
            if answered(*segment) && round % 2 == 0 {
                tell(pacer, at + 8_000, EventKind::CallAnswered { call });
                tell(pacer, at + 8_000, EventKind::CallAbandoned { call, agent_lost: true });
                tell(pacer, at + 9_000, EventKind::CallEnded { call, ending: Ending::Answered });
            } else {
                tell(pacer, at + 9_000, EventKind::CallEnded { call, ending: Ending::Callee });
            }
            let mut capacity = room(0.03, true);
            capacity.now = Duration::from_millis(at + 9_500);
            pacer.decide(&capacity);
        }
    }
}

fn trunk(trunk: u16) -> Segment {
    Segment { trunk, hour: 9, attempt: 1 }
}

#[test]
fn segments_keep_their_meaning_over_a_restart() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    segments_in_turn(&mut pacer, 0, &[trunk(1), trunk(2)], 60, |segment| segment == trunk(2));
    let stored = serde_json::to_value(pacer.state()).unwrap();
    let restored = |value: &serde_json::Value| {
        let state = serde_json::from_value(value.clone()).unwrap();
        let mut again = Predictive::restore(PredictiveOptions::default(), state).unwrap();
        // The first call of the new process is of the segment that was second.
        tell(&mut again, 0, EventKind::CallPlaced { call: CallKey(1), segment: trunk(2) });
        again.decide(&room(0.03, true));
        [1, 2].map(|number| again.lines.odds_of(trunk(number)))
    };
    let [bad, good] = restored(&stored);
    assert!(bad < 0.5 && good > 1.5, "{bad} and {good}");
    // One that was written before segments had their names is read, and what can't be told apart is forgotten.
    let mut earlier = stored.clone();
    earlier.as_object_mut().unwrap().remove("segments");
    let [bad, good] = restored(&earlier);
    assert!(bad == 1.0 && (0.5..1.5).contains(&good), "{bad} and {good}");
    let mut twice = stored.clone();
    twice["segments"][0] = twice["segments"][1].clone();
    let [bad, good] = restored(&twice);
    assert!(bad == 1.0 && (0.5..1.5).contains(&good), "{bad} and {good}");
    let mut negative = stored;
    negative["learnt"]["segments"][0]["placed"] = (-1.0).into();
    let state = serde_json::from_value(negative).unwrap();
    let refused = Predictive::restore(PredictiveOptions::default(), state).map(|_| ());
    assert_eq!(refused, Err(StateProblem::Figures));
}

#[test]
fn the_last_hours_of_a_day_are_told_apart_like_the_first() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    let early = (0..learnt::SEGMENTS_MAX as u16).map(|index| Segment {
        trunk: 1 + index % 2,
        hour: (index / 8) as u8,
        attempt: 1 + (index / 2 % 4) as u8,
    });
    let early: Vec<_> = early.collect();
    segments_in_turn(&mut pacer, 0, &early, 2, |segment| segment.trunk == 2);
    let late = [1, 2].map(|trunk| Segment { trunk, hour: 20, attempt: 1 });
    segments_in_turn(&mut pacer, 10_000, &late, 60, |segment| segment.trunk == 2);
    let [bad, good] = late.map(|segment| pacer.lines.odds_of(segment));
    assert!(good > 5.0 * bad, "{bad} and {good}");
    assert!(pacer.learnt.segments.len() <= learnt::SEGMENTS_MAX);
}

#[test]
fn nothing_is_learnt_of_a_segment_from_lines_that_were_taken_back() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), earned());
    for number in 0..50 {
        let call = CallKey(number);
        tell(&mut pacer, number, EventKind::CallPlaced { call, segment: trunk(1) });
        tell(&mut pacer, number, EventKind::CallEnded { call, ending: Ending::Us });
    }
    pacer.decide(&room(0.03, true));
    assert_eq!((pacer.learnt.segments[0].placed, pacer.learnt.segments[0].answered), (0.0, 0.0));
}
