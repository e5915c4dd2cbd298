//! The bound of bounds: who knows every call's fate beforehand places it so that its answer meets an agent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::desk::{Desk, State};
use super::fate::{End, Fate};
use super::measure::Shift;
use super::plan::Scenario;

/// Runs all days with calls placed exactly in time; only the calls per second hold it back.
pub fn run(scenario: &Scenario, seed: u64) -> Vec<Shift> {
    let mut index = 0;
    (0..scenario.days).map(|_| day(scenario, seed, &mut index)).collect()
}

fn day(scenario: &Scenario, seed: u64, index: &mut u64) -> Shift {
    let length_s = scenario.hours * 3600.0;
    let mut shift = Shift::new((scenario.hours * 60.0).ceil() as usize);
    let mut desk = Desk::new(scenario, seed);
    let first = *index;
    // Agents by the microsecond at which they are free.
    let mut free: BinaryHeap<Reverse<(u64, u32)>> =
        (0..scenario.agents).map(|agent| Reverse((0, agent))).collect();
    for agent in 0..scenario.agents {
        desk.change(agent, State::Idle, 0.0, &mut shift);
    }
    while let Some(Reverse((at_us, agent))) = free.pop() {
        let at_s = at_us as f64 / 1e6;
        if at_s >= length_s {
            continue;
        }
        let (answered_s, talk_s) = loop {
            let earliest_s = (*index - first) as f64 / scenario.call_rate();
            let fate = Fate::draw(scenario, seed, *index, at_s.max(earliest_s));
            *index += 1;
            shift.dials += 1;
            if let End::Live { talk_s, .. } = fate.end {
                break (at_s.max(earliest_s + fate.settles_s), talk_s);
            }
        };
        shift.answered(answered_s.min(length_s));
        desk.change(agent, State::Talking { call: 0 }, answered_s, &mut shift);
        let ends_s = answered_s + talk_s * desk.agents[agent as usize].slowness;
        desk.change(agent, State::Wrapping, ends_s, &mut shift);
        let ready_s = ends_s + desk.wrap_s(agent, scenario);
        desk.change(agent, State::Idle, ready_s, &mut shift);
        free.push(Reverse(((ready_s * 1e6) as u64, agent)));
    }
    shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_busier_and_nobody_waits() {
        let scenario = Scenario { name: "c".into(), agents: 20, ..Scenario::default() };
        let shift = &run(&scenario, 5)[0];
        assert!(shift.utilisation() > 0.85 && shift.utilisation() < 0.875, "{}", shift.utilisation());
        assert_eq!(shift.abandoned, 0);
    }
}
