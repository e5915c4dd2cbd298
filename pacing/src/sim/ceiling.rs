//! What the limit itself costs where it is to hold at the end of every period: the best that any choice of risks could
//! reach that knows all hazards.
//!
//! How busy a team is at a given share of lost answers comes from runs at fixed risks with hazards known. The budget is a
//! whole number of calls, and whether an answer is lost is chance: a period that ends above the limit is not allowed. The
//! share to accept with so many answers to come and so many calls left is then solved exactly, from the last answer
//! backwards (a finite Markov decision process).

use super::plan::Scenario;
use super::study;

/// Accepted risks at which the curve is measured.
const RISKS: [f64; 7] = [0.001, 0.005, 0.012, 0.02, 0.03, 0.042, 0.06];
/// Seeds of the runs behind the curve.
const FIRST_SEED: u64 = 9_100_000;
const SEEDS: u64 = 6;
/// Shares of lost answers among which to choose.
const SHARES: usize = 120;
const SHARE_MOST: f64 = 0.06;

/// Highest mean utilisation of a period without any above the limit, 0 to 1. For scenarios of one day a period and no
/// changes during it; takes as long as some 50 shifts.
pub fn utilisation(scenario: &Scenario) -> Option<f64> {
    let measured = |policy: String| {
        let row = study::run(scenario, &policy, FIRST_SEED, SEEDS)?;
        Some((row.abandon_pooled, row.utilisation.mean, row.contacts / (1.0 - row.abandon_pooled)))
    };
    let mut curve = vec![measured("progressive".into())?];
    for risk in RISKS {
        curve.push(measured(format!("known:{risk}"))?);
    }
    let hours = scenario.hours * f64::from(scenario.agents);
    let at = curve.partition_point(|point| point.0 <= scenario.limit).min(curve.len() - 1);
    let answers = (curve[at].2 * hours) as usize;
    let budget = (scenario.limit * answers as f64) as usize;
    Some(solve(answers, budget, &|share| along(&curve, share)))
}

/// Mean of `busy(share)` over so many answers, of which at most `budget` may be lost, under the best choice of shares.
fn solve(answers: usize, budget: usize, busy: &dyn Fn(f64) -> f64) -> f64 {
    let choices: Vec<(f64, f64)> = (0..=SHARES)
        .map(|index| SHARE_MOST * (index as f64 / SHARES as f64))
        .map(|share| (share, busy(share)))
        .collect();
    let mut value = vec![0.0; budget + 1];
    for _ in 0..answers {
        // From many calls left to few: the value with one fewer is still that of the answer before.
        for left in (1..=budget).rev() {
            let best =
                |(share, busy): &(f64, f64)| busy + value[left] * (1.0 - share) + value[left - 1] * share;
            value[left] = choices.iter().map(best).fold(f64::NEG_INFINITY, f64::max);
        }
        value[0] += choices[0].1;
    }
    value[budget] / answers.max(1) as f64
}

/// The curve between its points.
fn along(curve: &[(f64, f64, f64)], share: f64) -> f64 {
    let next = curve.partition_point(|point| point.0 < share).clamp(1, curve.len() - 1);
    let (low, high) = (curve[next - 1], curve[next]);
    let part = ((share - low.0) / (high.0 - low.0).max(1e-9)).clamp(0.0, 1.0);
    low.1 + (high.1 - low.1) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        // Nothing may be lost: the first choice, whatever the others are worth.
        assert_eq!(solve(10, 0, &|share| 0.5 + share), 0.5);
        // One answer, one call: the highest share.
        assert!((solve(1, 1, &|share| 0.5 + share) - (0.5 + SHARE_MOST)).abs() < 1e-12);
        // Two answers, one call, all or nothing: the second is worth 1 unless the first was lost.
        let steep = |share: f64| f64::from(share >= SHARE_MOST);
        assert!((solve(2, 1, &steep) - (2.0 - SHARE_MOST) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn more_calls_bring_more_and_luck_costs() {
        let busy = |share: f64| share.sqrt();
        let few = solve(400, 6, &busy);
        let more = solve(400, 12, &busy);
        assert!(few < more && more < (12.0_f64 / 400.0).sqrt(), "{few} {more}");
        // With budgets that grow the even course is reached: luck matters less.
        let share = |answers: usize| solve(answers, answers * 3 / 100, &busy) / 0.03_f64.sqrt();
        assert!(share(200) < share(1_000) && share(1_000) < share(5_000) && share(5_000) > 0.97);
    }

    #[test]
    fn the_curve_is_read_between_its_points() {
        let curve = [(0.0, 0.5, 0.0), (0.02, 0.6, 0.0), (0.04, 0.65, 0.0)];
        assert!((along(&curve, 0.01) - 0.55).abs() < 1e-12);
        assert!((along(&curve, 0.03) - 0.625).abs() < 1e-12);
        assert_eq!(along(&curve, 0.09), 0.65);
    }
}
