//! Laws of random durations, as plans write them.

use serde::{Deserialize, Serialize};

use super::random::Stream;

/// Most values of an observed law.
pub const SAMPLE_MAX: usize = 1_000;

/// How long something takes, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "snake_case", deny_unknown_fields)]
pub enum Law {
    /// Always the same.
    Constant {
        /// Seconds.
        seconds: f64,
    },
    /// Any value between the two.
    Uniform {
        /// Seconds.
        low: f64,
        /// Seconds.
        high: f64,
    },
    /// Memoryless.
    Exponential {
        /// Seconds.
        mean: f64,
    },
    /// The logarithm is normal.
    Lognormal {
        /// Seconds.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Sum of `shape` memoryless stages.
    Gamma {
        /// Seconds.
        mean: f64,
        /// Stages; larger is more regular.
        shape: f64,
    },
    /// Heavy tail, cut off.
    Pareto {
        /// Least seconds.
        least: f64,
        /// Exponent of the tail.
        shape: f64,
        /// Most seconds.
        most: f64,
    },
    /// One of these, all equally likely: what was observed.
    Sample {
        /// Seconds.
        seconds: Vec<f64>,
    },
    /// One of two laws.
    Either {
        /// Probability of the first.
        share: f64,
        /// The first.
        first: Box<Law>,
        /// The second.
        second: Box<Law>,
    },
}

impl Law {
    /// Draws a duration in seconds.
    pub fn draw(&self, stream: &mut Stream) -> f64 {
        match self {
            Law::Constant { seconds } => *seconds,
            Law::Uniform { low, high } => low + (high - low) * stream.uniform(),
            Law::Exponential { mean } => mean * stream.exponential(),
            Law::Lognormal { median, sigma } => median * (sigma * stream.normal()).exp(),
            Law::Gamma { mean, shape } => stream.gamma(*shape) * mean / shape,
            Law::Pareto { least, shape, most } => (least * stream.uniform().powf(-1.0 / shape)).min(*most),
            Law::Sample { seconds } => {
                let index = (stream.uniform() * seconds.len() as f64) as usize;
                seconds.get(index).copied().unwrap_or_default()
            }
            Law::Either { share, first, second } => {
                if stream.uniform() < *share {
                    first.draw(stream)
                } else {
                    second.draw(stream)
                }
            }
        }
    }

    /// Mean in seconds.
    pub fn mean(&self) -> f64 {
        match self {
            Law::Constant { seconds } => *seconds,
            Law::Uniform { low, high } => (low + high) / 2.0,
            Law::Exponential { mean } | Law::Gamma { mean, .. } => *mean,
            Law::Lognormal { median, sigma } => median * (sigma * sigma / 2.0).exp(),
            Law::Pareto { least, shape, most } => {
                let tail = (least / most).powf(*shape);
                let below = if (shape - 1.0).abs() < 1e-9 {
                    least * (most / least).ln()
                } else {
                    shape / (shape - 1.0) * least * (1.0 - (least / most).powf(shape - 1.0))
                };
                below + most * tail
            }
            Law::Sample { seconds } => seconds.iter().sum::<f64>() / seconds.len().max(1) as f64,
            Law::Either { share, first, second } => share * first.mean() + (1.0 - share) * second.mean(),
        }
    }

    /// What is wrong with its figures.
    pub fn problem(&self) -> Option<&'static str> {
        let positive = |values: &[f64]| values.iter().all(|value| value.is_finite() && *value > 0.0);
        let sound = match self {
            Law::Constant { seconds } => seconds.is_finite() && *seconds >= 0.0,
            Law::Uniform { low, high } => low.is_finite() && high.is_finite() && 0.0 <= *low && low <= high,
            Law::Exponential { mean } => positive(&[*mean]),
            Law::Lognormal { median, sigma } => positive(&[*median]) && sigma.is_finite() && *sigma >= 0.0,
            Law::Gamma { mean, shape } => positive(&[*mean, *shape]),
            Law::Pareto { least, shape, most } => positive(&[*least, *shape, *most]) && least <= most,
            Law::Sample { seconds } => {
                (1..=SAMPLE_MAX).contains(&seconds.len())
                    && seconds.iter().all(|value| value.is_finite() && *value >= 0.0)
            }
            Law::Either { share, first, second } => {
                return first
                    .problem()
                    .or(second.problem())
                    .or_else(|| (!(0.0..=1.0).contains(share)).then_some("share must be between 0 and 1"));
            }
        };
        (!sound).then_some("figures must be finite, positive and in order")
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Kind;
    use super::*;

    #[test]
    fn draws_agree_with_the_mean() {
        let laws = [
            Law::Constant { seconds: 24.0 },
            Law::Uniform { low: 0.3, high: 1.5 },
            Law::Exponential { mean: 10.0 },
            Law::Lognormal { median: 90.0, sigma: 0.8 },
            Law::Gamma { mean: 20.0, shape: 2.0 },
            Law::Pareto { least: 30.0, shape: 1.5, most: 3600.0 },
            Law::Sample { seconds: vec![0.0, 1.0, 4.0, 20.0] },
            Law::Sample { seconds: vec![3.0] },
            Law::Either {
                share: 0.5,
                first: Box::new(Law::Constant { seconds: 5.0 }),
                second: Box::new(Law::Exponential { mean: 200.0 }),
            },
        ];
        for law in laws {
            assert_eq!(law.problem(), None);
            let mut stream = Stream::new(11, Kind::Call, 1);
            let drawn = (0..200_000).map(|_| law.draw(&mut stream)).sum::<f64>() / 200_000.0;
            assert!((drawn / law.mean() - 1.0).abs() < 0.03, "{law:?}: {drawn} against {}", law.mean());
        }
    }

    #[test]
    fn wrong_figures_are_named() {
        assert!(Law::Gamma { mean: 20.0, shape: 0.0 }.problem().is_some());
        assert!(Law::Uniform { low: 2.0, high: 1.0 }.problem().is_some());
        assert!(Law::Lognormal { median: f64::NAN, sigma: 1.0 }.problem().is_some());
        for seconds in [vec![], vec![-1.0], vec![f64::INFINITY], vec![1.0; SAMPLE_MAX + 1]] {
            assert!(Law::Sample { seconds }.problem().is_some());
        }
    }
}
