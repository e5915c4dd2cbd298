//! The normal distribution and a correction for skew.

use serde::{Deserialize, Serialize};

/// Probability that a standard normal exceeds `z` (Abramowitz and Stegun 26.2.17, absolute error below 1e-7).
pub(crate) fn normal_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    density(z) * series
}

fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() * 0.398_942_280_401_432_7
}

/// Mean, variance and third central moment of a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    pub mean: f64,
    pub variance: f64,
    pub third: f64,
}

impl Moments {
    /// Of a thing that happens with probability `p`, once.
    pub fn bernoulli(p: f64) -> Self {
        let variance = p * (1.0 - p);
        Self { mean: p, variance, third: variance * (1.0 - 2.0 * p) }
    }

    /// Adds a multiple of independent others; negative takes them away again.
    pub fn add(&mut self, other: Moments, times: f64) {
        self.mean += other.mean * times;
        self.variance += other.variance * times;
        self.third += other.third * times;
    }

    /// A thing that was thought to happen with one probability happens with another.
    pub fn replace(&mut self, old: f64, new: f64) {
        let (before, after) = (old * (1.0 - old), new * (1.0 - new));
        self.mean += new - old;
        self.variance += after - before;
        self.third += after * (1.0 - 2.0 * new) - before * (1.0 - 2.0 * old);
    }

    /// Of the difference from an independent other.
    pub fn minus(self, other: Moments) -> Self {
        Self {
            mean: self.mean - other.mean,
            variance: self.variance + other.variance,
            third: self.third - other.third,
        }
    }

    fn skew(&self, deviation: f64) -> f64 {
        (self.third / (deviation * deviation * deviation)).clamp(-2.0, 2.0)
    }

    /// Probability that an integer with these moments is at least `least` (Edgeworth, first order).
    pub fn tail(&self, least: f64) -> f64 {
        let deviation = self.variance.max(0.0).sqrt();
        let beyond = least - 0.5 - self.mean;
        if deviation < 1e-6 {
            return if beyond < 0.0 { 1.0 } else { 0.0 };
        }
        let z = beyond / deviation;
        if z.abs() > 6.0 {
            return if z < 0.0 { 1.0 } else { 0.0 };
        }
        (normal_tail(z) + density(z) * self.skew(deviation) * (z * z - 1.0) / 6.0).clamp(0.0, 1.0)
    }

    /// The value that is exceeded with the probability of the standard normal's `z` (Cornish and Fisher).
    pub fn quantile(&self, z: f64) -> f64 {
        let deviation = self.variance.max(0.0).sqrt();
        if deviation < 1e-6 {
            return self.mean;
        }
        self.mean + deviation * (z + self.skew(deviation) * (z * z - 1.0) / 6.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_the_normal() {
        for (z, tail) in [(0.0, 0.5), (1.959_964, 0.025), (3.090_232, 0.001), (-1.0, 0.841_345)] {
            assert!((normal_tail(z) - tail).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn a_sum_of_rare_things_is_skewed() {
        // Binomial(200, 0.05): P(X >= 16) = 0.0444, P(X >= 20) = 0.0027 (exact sums).
        let mut sum = Moments::default();
        sum.add(Moments::bernoulli(0.05), 200.0);
        assert!((sum.tail(16.0) - 0.0444).abs() < 0.003, "{}", sum.tail(16.0));
        assert!((sum.tail(20.0) - 0.0027).abs() < 0.001, "{}", sum.tail(20.0));
        assert!((sum.quantile(3.09) - 21.0).abs() < 1.0, "{}", sum.quantile(3.09));
    }

    #[test]
    fn certainty_is_certain() {
        let mut sure = Moments::default();
        sure.add(Moments::bernoulli(1.0), 3.0);
        assert_eq!((sure.tail(3.0), sure.tail(4.0)), (1.0, 0.0));
    }
}
