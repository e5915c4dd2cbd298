//! Laws from observations.

use super::Settled;
use crate::sim::law::Law;

/// Most values of a fitted law.
const CELLS: usize = 500;
/// Ways in which a line may come to its end.
const CAUSES: usize = 5;

/// One of the ends of which the first one counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Race {
    /// Share of lines that end so.
    pub share: f64,
    /// Seconds to it; `None` where it never was seen.
    pub law: Option<Law>,
}

/// Shares and laws of all ends, of lines as seconds, end and weight. Lines that were withdrawn are at risk until then.
pub(super) fn races(mut lines: Vec<(f64, Settled, f64)>) -> [Race; CAUSES] {
    // At the same moment ends come before withdrawals.
    lines.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut at_risk: f64 = lines.iter().map(|line| line.2).sum();
    let mut surviving = 1.0;
    let mut seen: [Vec<(f64, f64)>; CAUSES] = Default::default();
    for (seconds, how, weight) in lines {
        if how != Settled::Withdrawn && at_risk > 0.0 {
            let mass = surviving * (weight / at_risk).min(1.0);
            surviving -= mass;
            if let Some(seen) = seen.get_mut(how as usize) {
                seen.push((seconds, mass));
            }
        }
        at_risk -= weight;
    }
    let total: f64 = seen.iter().flatten().map(|(_, mass)| mass).sum();
    seen.map(|seen| {
        let mass: f64 = seen.iter().map(|(_, mass)| mass).sum();
        Race { share: if total > 0.0 { mass / total } else { 0.0 }, law: weighted(seen) }
    })
}

/// The law of weighted observations; `None` where there are none. Many are summed up as the means of cells of equal
/// weight, so that the mean stays what it is.
pub(super) fn weighted(mut seen: Vec<(f64, f64)>) -> Option<Law> {
    seen.retain(|(seconds, weight)| seconds.is_finite() && *seconds >= 0.0 && *weight > 0.0);
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = seen.iter().map(|(_, weight)| weight).sum();
    let last = seen.last()?.0;
    let count = seen.len().min(CELLS);
    let cell = total / count as f64;
    let mut left = seen.into_iter();
    let (mut value, mut remains) = left.next()?;
    let mut seconds = Vec::with_capacity(count);
    for _ in 0..count {
        let (mut room, mut sum) = (cell, 0.0);
        while room > remains {
            sum += value * remains;
            room -= remains;
            (value, remains) = left.next().unwrap_or((last, f64::INFINITY));
        }
        remains -= room;
        seconds.push((sum + value * room) / cell);
    }
    Some(Law::Sample { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::random::{Kind, Stream};

    #[test]
    fn a_law_has_the_mean_of_what_was_seen() {
        let truth = Law::Lognormal { median: 90.0, sigma: 0.8 };
        let mut stream = Stream::new(5, Kind::Call, 1);
        for count in [2, 30, 1_000, 20_000] {
            let seen: Vec<(f64, f64)> = (0..count).map(|_| (truth.draw(&mut stream), 1.0)).collect();
            let mean = seen.iter().map(|it| it.0).sum::<f64>() / count as f64;
            let law = weighted(seen).unwrap();
            assert_eq!(law.problem(), None);
            assert!((law.mean() / mean - 1.0).abs() < 1e-6, "{count}: {} against {mean}", law.mean());
        }
        assert_eq!(weighted(vec![]), None);
        let law = weighted(vec![(7.0, 3.0)]).unwrap();
        assert_eq!(law, Law::Sample { seconds: vec![7.0] });
    }

    #[test]
    fn lines_that_were_taken_back_shorten_nothing() {
        // Answers after 10 s on average, failures after 20 s; every other line is taken back at a time of its own.
        let mut stream = Stream::new(6, Kind::Call, 1);
        let mut lines = Vec::new();
        for index in 0..40_000 {
            let (answer, failure) = (10.0 * stream.exponential(), 20.0 * stream.exponential());
            let back = if index % 2 == 0 { 15.0 * stream.exponential() } else { f64::INFINITY };
            let first = answer.min(failure).min(back);
            let how = if first == back {
                Settled::Withdrawn
            } else if first == answer {
                Settled::Live
            } else {
                Settled::Unanswered
            };
            lines.push((first, how, 1.0));
        }
        let races = races(lines);
        assert!((races[Settled::Live as usize].share - 2.0 / 3.0).abs() < 0.01);
        let mean = races[Settled::Live as usize].law.as_ref().unwrap().mean();
        assert!((mean - 20.0 / 3.0).abs() < 0.15, "{mean}");
        assert!(races[Settled::Machine as usize].law.is_none());
    }
}
