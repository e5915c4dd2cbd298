//! Many seeds of a scenario under a policy, summed up.

use serde::{Deserialize, Serialize};

use super::measure::{Minute, Shift};
use super::plan::Scenario;
use super::{clairvoyant, policies, world};
use crate::budget::{Charged, Ledger};

/// One policy in one scenario over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// The policy.
    pub policy: String,
    /// Shifts run.
    pub shifts: usize,
    /// Talk's share of paid time.
    pub utilisation: Estimate,
    /// Nobody can be busier.
    pub bound: f64,
    /// Abandoned share, all shifts together.
    pub abandon_pooled: f64,
    /// Largest abandoned share at the end of a period.
    pub abandon_worst: f64,
    /// Periods that ended above the limit.
    pub over: usize,
    /// The nearest that a period came to its limit in calls; negative is above it.
    pub calls_left_least: i64,
    /// Periods.
    pub periods: usize,
    /// Largest abandoned share of half an hour.
    pub abandon_worst_half_hour: f64,
    /// Abandoned share of the first 15 minutes, all shifts together.
    pub abandon_first: f64,
    /// Seconds an agent waits for a call.
    pub wait_mean_s: f64,
    /// Seconds that 95% of waits do not exceed.
    pub wait_p95_s: f64,
    /// Calls placed per agent hour.
    pub dials: f64,
    /// Live answers per agent hour that reached an agent.
    pub contacts: f64,
    /// People taken for machines, as a share of live answers and them.
    pub people_lost: f64,
    /// Decisions per shift.
    pub decisions: f64,
    /// Events the pacer refused.
    pub refused: u64,
    /// The first hour, minute by minute, all shifts together.
    pub first_hour: Vec<Minute>,
}

/// A mean with its 95% confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Half the width of the interval; zero for a single value.
    pub margin: f64,
}

impl Estimate {
    /// Of independent values.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        if values.len() < 2 {
            return Self { mean, margin: 0.0 };
        }
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        // Student's t for few values, close enough: 1.96 (1 + 1.3 / (n - 1)) is within 4% from four values on.
        let t = 1.96 * (1.0 + 1.3 / (count - 1.0));
        Self { mean, margin: t * (variance / count).sqrt() }
    }
}

/// Results of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// The plan's name.
    pub plan: String,
    /// What it shows.
    pub about: String,
    /// Seeds run: the first and how many.
    pub seeds: (u64, u64),
    /// One row a scenario and policy.
    pub rows: Vec<Row>,
}

/// Runs a policy in a scenario over seeds from `first`. `None`: no such policy.
pub fn run(scenario: &Scenario, policy: &str, first: u64, seeds: u64) -> Option<Row> {
    let resolved = policies::resolve(policy, scenario);
    let days: Option<Vec<_>> =
        (first..first.saturating_add(seeds)).map(|seed| run_seed(scenario, &resolved, seed)).collect();
    Some(sum_up(scenario, policy, &days?))
}

/// Runs all days of one seed under a policy named as `policies::resolve` does. `None`: no such policy.
pub fn run_seed(scenario: &Scenario, policy: &str, seed: u64) -> Option<Vec<Shift>> {
    if policy == "clairvoyant" {
        return Some(clairvoyant::run(scenario, seed));
    }
    let (mut pacer, terms) = policies::build(policy, scenario)?;
    Some(world::run(scenario, seed, pacer.as_mut(), terms))
}

/// Sums up shifts: one list of days per seed.
pub fn sum_up(scenario: &Scenario, policy: &str, seeds: &[Vec<Shift>]) -> Row {
    let shifts: Vec<&Shift> = seeds.iter().flatten().collect();
    let total = |figure: fn(&Shift) -> f64| shifts.iter().map(|shift| figure(shift)).sum::<f64>();
    let hours = total(Shift::agent_hours).max(1e-9);
    let live = total(|shift| shift.live as f64);
    let lost = total(|shift| shift.abandoned as f64);
    let by_seed: Vec<f64> = seeds
        .iter()
        .map(|days| {
            let talk: f64 = days.iter().map(|day| day.talk_s).sum();
            talk / days.iter().map(|day| day.agent_hours() * 3600.0).sum::<f64>().max(1e-9)
        })
        .collect();
    let ledger = |days: &[Shift]| {
        days.iter().map(Shift::ledger).fold(Ledger::default(), |sum, day| Ledger {
            live: sum.live + day.live,
            abandoned: sum.abandoned + day.abandoned,
            machines: sum.machines + day.machines,
            ..sum
        })
    };
    let ledgers: Vec<Ledger> = if scenario.one_period {
        seeds.iter().map(|days| ledger(days)).collect()
    } else {
        shifts.iter().map(|shift| shift.ledger()).collect()
    };
    let periods: Vec<Charged> =
        ledgers.iter().map(|ledger| ledger.charged(scenario.false_positives())).collect();
    let calls_left = |period: &Charged| period.calls_left(scenario.limit);
    let share = |lost: f64, live: f64| if live > 0.0 { lost / live } else { 0.0 };
    let mut first_hour = vec![Minute::default(); 60];
    for shift in &shifts {
        for (sum, minute) in first_hour.iter_mut().zip(&shift.minutes) {
            sum.talk_s += minute.talk_s;
            sum.work_s += minute.work_s;
            sum.live += minute.live;
            sum.abandoned += minute.abandoned;
        }
    }
    let early = first_hour.iter().take(15);
    let (early_live, early_lost) =
        early.fold((0u32, 0u32), |(live, lost), it| (live + it.live, lost + it.abandoned));
    let people_lost = total(|shift| shift.people_lost as f64);
    let count = shifts.len().max(1) as f64;
    Row {
        scenario: scenario.name.clone(),
        policy: policy.to_owned(),
        shifts: shifts.len(),
        utilisation: Estimate::of(&by_seed),
        bound: scenario.bound(),
        abandon_pooled: share(
            periods.iter().map(|it| it.abandoned).sum(),
            periods.iter().map(|it| it.live).sum(),
        ),
        abandon_worst: periods.iter().map(|it| share(it.abandoned, it.live)).fold(0.0, f64::max),
        over: periods.iter().filter(|it| calls_left(it) < 0).count(),
        calls_left_least: periods.iter().map(calls_left).min().unwrap_or_default(),
        periods: periods.len(),
        abandon_worst_half_hour: shifts.iter().map(|it| it.abandon_rate_worst(30)).fold(0.0, f64::max),
        abandon_first: share(f64::from(early_lost), f64::from(early_live)),
        wait_mean_s: total(Shift::wait_mean_s) / count,
        wait_p95_s: total(|shift| shift.wait_quantile_s(0.95)) / count,
        dials: total(|shift| shift.dials as f64) / hours,
        contacts: (live - lost) / hours,
        people_lost: share(people_lost, people_lost + live),
        decisions: total(|shift| shift.decisions as f64) / count,
        refused: shifts.iter().map(|shift| shift.refused).sum(),
        first_hour,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0]);
        assert_eq!(estimate.mean, 2.0);
        assert!((estimate.margin - 1.96 * 1.65 / 3.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!(Estimate::of(&[5.0]).margin, 0.0);
    }
}
