//! The price of an abandoned call: the highest probability, accepted now, that one more answer finds no agent.
//!
//! The budget of the period is to be spent evenly over the live answers it will still bring, but for what luck may yet take:
//! so the wanted rate is what is left of the budget, less a deviation of the losses still to come, over the answers still to
//! come. The accepted risk is that rate times a factor that is learnt slowly from what risks have really cost.

use serde::{Deserialize, Serialize};

/// Accepted risk before anything is learnt, at a limit of 3%: a little below it.
const FACTOR_START: f64 = 0.6;
/// Bounds of the factor.
const FACTOR: (f64, f64) = (0.15, 6.0);
/// The wanted rate is at most so many times the limit, however much is left.
const RATE_MOST: f64 = 2.5;
/// So many exposures away from the hard stop the accepted risk begins to fall: where a stop costs nothing, and what is
/// added where it costs everything.
const DISTANCE: (f64, f64) = (1.0, 3.0);
/// Share of that distance kept to the very end, when nothing can be made good any more.
const NEAR_END: f64 = 0.5;
/// Deviations of the losses still to come that are kept back for luck, and how that grows with the share of its answers that a
/// stopped team loses: where a stop costs next to nothing, nothing is kept back for it.
const LUCK: f64 = 1.0;
const LUCK_BY_COST: f64 = 4.0;
/// How fast the factor learns: at first, and at least, per abandoned call.
const GAIN_SPELL: f64 = 6.0;
const GAIN_LEAST: f64 = 0.012;

/// The controller's memory; survives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Price {
    factor_log: f64,
    abandoned: f64,
    /// The rate aimed at.
    rate: f64,
    /// Whether the last decision was free to spend.
    free: bool,
    /// Exposure of late, in calls.
    exposure: f64,
}

impl Price {
    pub fn new() -> Self {
        Self { factor_log: FACTOR_START.ln(), abandoned: 0.0, rate: 0.03, free: true, exposure: 1.0 }
    }

    pub fn is_sound(&self) -> bool {
        self.factor_log.is_finite() && self.abandoned.is_finite() && self.rate.is_finite()
    }

    /// A live answer came.
    pub fn answered(&mut self) {
        self.learn(self.rate);
    }

    /// A live answer found no agent.
    pub fn abandoned(&mut self) {
        self.abandoned += 1.0;
        self.learn(-1.0);
    }

    fn learn(&mut self, by: f64) {
        // What the hard stop forbade says nothing about the price.
        if self.free {
            let gain = (1.0 / (GAIN_SPELL + self.abandoned)).max(GAIN_LEAST);
            self.factor_log = (self.factor_log + gain * by).clamp(FACTOR.0.ln(), FACTOR.1.ln());
        }
    }

    /// Whether the last decision was free to spend, and what it exposed.
    pub fn decided(&mut self, free: bool, exposure: f64) {
        self.free = free;
        if free {
            self.exposure += (exposure - self.exposure) / 200.0;
        }
    }

    /// Keeps away from the hard stop: a team that is stopped falls back to one line per free agent until it has
    /// earned its way out, which costs more than a little restraint before. `cost` is the share of its answers that a
    /// stopped team loses.
    pub fn restraint(&self, allowance: f64, expected: f64, cost: f64) -> f64 {
        let distance = DISTANCE.0 + DISTANCE.1 * cost.clamp(0.0, 1.0);
        let near = distance * (1.0 + self.exposure) * (expected / 60.0).clamp(NEAR_END, 1.0);
        if allowance >= near { 1.0 } else { (allowance / near).max(0.05) }
    }

    /// The risk accepted now, for a budget left (in calls) and the live answers still expected, the share
    /// of its answers that a stopped team loses, and a factor of caution.
    pub fn accepted(&mut self, limit: f64, left: f64, expected: f64, cost: f64, caution: f64) -> f64 {
        let luck = LUCK * (LUCK_BY_COST * cost).clamp(0.0, 1.0) * (limit * expected).max(0.0).sqrt();
        let rate = (left - luck) / expected.max(1.0);
        self.rate = rate.clamp(0.0, RATE_MOST * limit).min(left.max(0.0)) * caution;
        (self.rate * self.factor_log.exp()).clamp(0.0, 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spends_what_is_left_over_what_is_to_come() {
        let mut price = Price::new();
        let even = price.accepted(0.03, 30.0, 1_000.0, 0.0, 1.0);
        assert!((even - 0.03 * FACTOR_START).abs() < 1e-9);
        assert!((price.accepted(0.03, 15.0, 1_000.0, 0.0, 1.0) - even / 2.0).abs() < 1e-9);
        // A deviation of 30 calls is 5.5: kept back where a stop is dear, in part where it is not.
        let (dear, cheap) =
            (price.accepted(0.03, 30.0, 1_000.0, 0.5, 1.0), price.accepted(0.03, 30.0, 1_000.0, 0.05, 1.0));
        assert!((dear / even - (1.0 - 30f64.sqrt() / 30.0)).abs() < 1e-9, "{dear} of {even}");
        assert!(dear < cheap && cheap < even);
        assert_eq!(
            price.accepted(0.03, 4.0, 1_000.0, 0.5, 1.0),
            0.0,
            "all that is left may be taken by luck"
        );
        assert_eq!(price.accepted(0.03, -3.0, 1_000.0, 0.0, 1.0), 0.0);
        assert!(price.accepted(0.03, 30.0, 10.0, 0.0, 1.0) <= 0.03 * RATE_MOST * FACTOR_START + 1e-9);
    }

    #[test]
    fn learns_what_risks_cost() {
        let run = |every: u32| {
            let mut price = Price::new();
            for answer in 0..3_000 {
                price.accepted(0.03, 30.0, 1_000.0, 0.0, 1.0);
                price.answered();
                if answer % every == 0 {
                    price.abandoned();
                }
            }
            price.accepted(0.03, 30.0, 1_000.0, 0.0, 1.0)
        };
        assert!(run(20) < run(33) && run(33) < run(100));
    }
}
