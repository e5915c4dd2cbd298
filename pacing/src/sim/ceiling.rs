//! What the limit itself costs where it is to hold at the end of every period: the best that any choice of risks could
//! reach that knows all hazards.
//!
//! What an accepted risk brings is read from runs at that risk with hazards known: how busy it keeps the team, and the answers
//! and lost answers of each stretch of a shift as they came together, several lost at once too. Which risk to accept in each
//! stretch, by what the period has left to lose, is then solved exactly, from the last stretch backwards (a finite Markov
//! decision process).

use std::collections::BTreeMap;

use super::measure::Shift;
use super::plan::Scenario;
use super::study;

/// Accepted risks among which to choose; "progressive" beside them accepts none.
const RISKS: [f64; 12] = [0.001, 0.003, 0.006, 0.009, 0.012, 0.016, 0.02, 0.025, 0.03, 0.036, 0.045, 0.06];
/// Seeds of the runs behind them.
const FIRST_SEED: u64 = 9_100_000;
const SEEDS: u64 = 12;
/// A risk may be chosen anew after so many minutes. A loss is answered within that time; losses that belong together mostly
/// fall into one stretch.
const STRETCH_MIN: usize = 2;
/// What is left of the budget is told in hundredths of a call.
const PARTS: f64 = 100.0;
/// A period above the limit weighs as so many periods of full work: about one in some thousand ends there.
const WEIGHT_OF_OVER: f64 = 10.0;

/// The best there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Mean utilisation, 0 to 1.
    pub utilisation: f64,
    /// Share of periods that end above the limit all the same, 0 to 1.
    pub over: f64,
}

/// One risk that can be accepted.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    /// How busy it keeps the team, 0 to 1.
    busy: f64,
    /// What a stretch adds to what is left of the budget, in parts, and how likely.
    outcomes: Vec<(i32, f64)>,
}

/// The ceiling of a scenario of one day a period and no changes during it; takes as long as some 150 shifts. `None`: the scenario
/// can't be run.
pub fn solved(scenario: &Scenario) -> Option<Ceiling> {
    let policies = RISKS.iter().map(|risk| format!("known:{risk}"));
    let choices: Option<Vec<Choice>> = std::iter::once("progressive".into())
        .chain(policies)
        .map(|policy| measured(scenario, &policy))
        .collect();
    let stretches = (scenario.hours * 60.0) as usize / STRETCH_MIN;
    // Answers of the busiest choice, all day: what the budget can be at most.
    let answers = f64::from(scenario.agents) * scenario.hours * 3600.0 / scenario.talk.mean();
    Some(solve(&choices?, stretches, (scenario.limit * answers) as usize))
}

fn measured(scenario: &Scenario, policy: &str) -> Option<Choice> {
    let days: Option<Vec<Vec<Shift>>> =
        (FIRST_SEED..FIRST_SEED + SEEDS).map(|seed| study::run_seed(scenario, policy, seed)).collect();
    let shifts: Vec<Shift> = days?.into_iter().flatten().collect();
    let work: f64 = shifts.iter().map(Shift::agent_hours).sum();
    let talk: f64 = shifts.iter().map(|shift| shift.talk_s).sum();
    let mut counts: BTreeMap<i32, f64> = BTreeMap::new();
    let stretches = shifts.iter().flat_map(|shift| shift.minutes.chunks_exact(STRETCH_MIN));
    let mut total = 0.0;
    for minutes in stretches {
        let earned: f64 = minutes.iter().map(|minute| f64::from(minute.live) * scenario.limit).sum();
        let lost: f64 = minutes.iter().map(|minute| f64::from(minute.abandoned)).sum();
        *counts.entry(((earned - lost) * PARTS).round() as i32).or_default() += 1.0;
        total += 1.0;
    }
    let outcomes = counts.into_iter().map(|(parts, count)| (parts, count / total)).collect();
    Some(Choice { busy: talk / (work * 3600.0).max(1.0), outcomes })
}

/// The mean over a period of so many stretches under the best choices, where `budget` calls are at most to be had.
fn solve(choices: &[Choice], stretches: usize, budget: usize) -> Ceiling {
    // Who is further ahead, or behind, than this has nothing more to choose.
    let edge = ((budget / 2 + 25) as f64 * PARTS) as i32;
    let states = 2 * edge as usize + 1;
    let place = |left: i32| (left.clamp(-edge, edge) + edge) as usize;
    let over_at_end = |left: i32| f64::from(u8::from(left < 0));
    let mut over: Vec<f64> = (-edge..=edge).map(over_at_end).collect();
    let mut value: Vec<f64> = over.iter().map(|over| -WEIGHT_OF_OVER * over).collect();
    for _ in 0..stretches {
        let (mut next_value, mut next_over) = (vec![f64::NEG_INFINITY; states], vec![0.0; states]);
        for choice in choices {
            let gain = choice.busy / stretches as f64;
            for left in -edge..=edge {
                let mean = |of: &[f64]| -> f64 {
                    choice.outcomes.iter().map(|(parts, likely)| of[place(left + parts)] * likely).sum()
                };
                let worth = gain + mean(&value);
                if worth > next_value[place(left)] {
                    next_value[place(left)] = worth;
                    next_over[place(left)] = mean(&over);
                }
            }
        }
        (value, over) = (next_value, next_over);
    }
    let start = place(0);
    Ceiling { utilisation: value[start] + WEIGHT_OF_OVER * over[start], over: over[start] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(busy: f64, outcomes: &[(i32, f64)]) -> Choice {
        Choice { busy, outcomes: outcomes.to_vec() }
    }

    #[test]
    fn small_cases_by_hand() {
        // What earns nothing and loses with any likelihood can't be chosen where it counts ten times.
        let idle = choice(0.5, &[(3, 1.0)]);
        let risky = choice(0.9, &[(3, 0.5), (-97, 0.5)]);
        let best = solve(&[idle.clone(), risky.clone()], 10, 0);
        assert!((best.utilisation - 0.5).abs() < 1e-12 && best.over == 0.0, "{best:?}");
        // A whole call is earned in the first of two stretches: the second may lose it.
        let earns = choice(0.5, &[(100, 1.0)]);
        let best = solve(&[earns.clone(), choice(0.9, &[(0, 0.5), (-100, 0.5)])], 2, 1);
        assert!((best.utilisation - 0.7).abs() < 1e-12 && best.over == 0.0, "{best:?}");
        // Two at once are one too many.
        let best = solve(&[earns, choice(0.9, &[(0, 0.5), (-200, 0.5)])], 2, 1);
        assert!((best.utilisation - 0.5).abs() < 1e-12, "{best:?}");
        // A chance that is small enough is taken, and told.
        let best = solve(&[choice(0.5, &[(3, 1.0)]), choice(0.9, &[(3, 0.99), (-97, 0.01)])], 1, 0);
        assert!((best.utilisation - 0.9).abs() < 1e-12 && (best.over - 0.01).abs() < 1e-12, "{best:?}");
    }

    #[test]
    fn losses_that_come_together_cost_more_and_longer_periods_less() {
        let single = [choice(0.3, &[(3, 1.0)]), choice(0.6, &[(3, 0.96), (-97, 0.04)])];
        let pairs = [choice(0.3, &[(3, 1.0)]), choice(0.6, &[(3, 0.98), (-197, 0.02)])];
        let (alone, together) = (solve(&single, 700, 20), solve(&pairs, 700, 20));
        assert!(together.utilisation < alone.utilisation - 0.005, "{alone:?} {together:?}");
        let long = solve(&single, 2_800, 80);
        assert!(long.utilisation > alone.utilisation + 0.001, "{alone:?} {long:?}");
        // Three in four stretches may be risky: 0.03 are earned by each, 0.04 lost in those.
        assert!(long.utilisation < 0.525 && long.utilisation > 0.52, "{long:?}");
    }
}
