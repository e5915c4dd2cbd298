//! How long spells last and how they end: hazards by age, learnt online.
//!
//! A spell (a line that has not been answered, a talk, a wrap-up) is observed while it lasts: each bin of age counts
//! the time at risk, running spells included, and the exits of each kind. A hazard is exits over exposure, shrunk to
//! the shape of a prior whose level follows the data. So a spell that has not ended yet already speaks.

use serde::{Deserialize, Serialize};

/// Edges of the bins of age in seconds; the last bin has no end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bins {
    edges: Vec<f64>,
    /// The bin that each whole second lies in, up to the last edge: a bin is asked for with every line and agent.
    by_second: Vec<u8>,
}

impl Bins {
    /// For lines: ring times matter to the second.
    pub fn lines() -> Self {
        let fine = (0..30).map(f64::from);
        Self::new(fine.chain((15..32).map(|step| f64::from(step) * 2.0)).collect())
    }

    /// For talks and wrap-ups: seconds at first, then steps of a fifth.
    pub fn agents() -> Self {
        let mut edges: Vec<f64> = (0..14).map(f64::from).collect();
        let mut edge = 14.0_f64;
        while edge < 5_400.0 {
            edges.push(edge);
            edge *= 1.2;
        }
        Self::new(edges)
    }

    fn new(edges: Vec<f64>) -> Self {
        let last_s = edges.last().map_or(0, |edge| edge.ceil() as u16);
        let bin = |second: u16| edges.partition_point(|edge| *edge <= f64::from(second)).saturating_sub(1);
        let by_second = (0..=last_s).map(|second| u8::try_from(bin(second)).unwrap_or(u8::MAX)).collect();
        Self { edges, by_second }
    }

    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// The bin of an age.
    pub fn at(&self, age_s: f64) -> usize {
        let second = (age_s as usize).min(self.by_second.len() - 1);
        let mut bin = usize::from(self.by_second[second]);
        while self.edges.get(bin + 1).is_some_and(|edge| *edge <= age_s) {
            bin += 1;
        }
        bin
    }

    /// Where a bin begins.
    pub fn from(&self, bin: usize) -> f64 {
        self.edges.get(bin).copied().unwrap_or(f64::INFINITY)
    }
}

/// What is believed before anything was seen, per spell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prior {
    exposure: Vec<f64>,
    /// Hazard per kind of exit and bin.
    hazard: Vec<Vec<f64>>,
    /// Exits per spell and kind.
    exits: Vec<f64>,
}

impl Prior {
    /// From the density of each kind of exit, as masses between ages: `mass(kind, age)` is the probability that a
    /// spell has ended so by that age.
    pub fn new(bins: &Bins, kinds: usize, mass: impl Fn(usize, f64) -> f64) -> Self {
        let horizon_s = |bin: usize| {
            let end = bins.from(bin + 1);
            if end.is_finite() { end } else { bins.from(bin) * 4.0 + 1.0 }
        };
        let left = |age: f64| (1.0 - (0..kinds).map(|kind| mass(kind, age)).sum::<f64>()).max(1e-6);
        let count = bins.len();
        let width = |bin: usize| horizon_s(bin) - bins.from(bin);
        let exposure: Vec<f64> =
            (0..count).map(|bin| (left(bins.from(bin)) + left(horizon_s(bin))) / 2.0 * width(bin)).collect();
        let hazard = (0..kinds)
            .map(|kind| {
                let ended = |bin: usize| mass(kind, horizon_s(bin)) - mass(kind, bins.from(bin));
                let mut last = 0.0;
                let of = |(bin, exposed): (usize, &f64)| {
                    // At ages that hardly any spell reaches the prior says nothing: as in the bin before.
                    if left(bins.from(bin)) > 1e-3 {
                        last = ended(bin).max(1e-9) / exposed;
                    }
                    last
                };
                exposure.iter().enumerate().map(of).collect()
            })
            .collect();
        Self { exposure, hazard, exits: (0..kinds).map(|kind| mass(kind, f64::INFINITY)).collect() }
    }
}

/// Exposure and exits by age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spells {
    exposure: Vec<f64>,
    exits: Vec<Vec<f64>>,
}

/// How strongly a shape and a level are believed, in spells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Belief {
    pub shape: f64,
    pub level: f64,
}

impl Spells {
    pub fn new(bins: &Bins, kinds: usize) -> Self {
        Self { exposure: vec![0.0; bins.len()], exits: vec![vec![0.0; bins.len()]; kinds] }
    }

    /// Whether it has the dimensions of these bins and kinds, and figures that can be counted with.
    pub fn fits(&self, bins: &Bins, kinds: usize) -> bool {
        let sound =
            |row: &Vec<f64>| row.len() == bins.len() && row.iter().all(|it| it.is_finite() && *it >= 0.0);
        self.exits.len() == kinds && sound(&self.exposure) && self.exits.iter().all(sound)
    }

    /// A spell was observed between two ages.
    pub fn expose(&mut self, bins: &Bins, from_s: f64, to_s: f64) {
        let mut bin = bins.at(from_s);
        let mut at = from_s;
        while at < to_s {
            let end = bins.from(bin + 1).min(to_s);
            if let Some(exposed) = self.exposure.get_mut(bin) {
                *exposed += end - at;
            }
            (at, bin) = (end, bin + 1);
        }
    }

    /// A spell ended at an age.
    pub fn exit(&mut self, bins: &Bins, kind: usize, age_s: f64) {
        if let Some(count) = self.exits.get_mut(kind).and_then(|row| row.get_mut(bins.at(age_s))) {
            *count += 1.0;
        }
    }

    /// Exits of a kind at all ages.
    pub fn exits_of(&self, kind: usize) -> f64 {
        self.exits.get(kind).map_or(0.0, |row| row.iter().sum())
    }

    /// Exits of a kind in a bin.
    pub fn exits_in(&self, kind: usize, bin: usize) -> f64 {
        self.exits.get(kind).and_then(|row| row.get(bin)).copied().unwrap_or_default()
    }

    /// Forgets a share of all that was seen.
    pub fn decay(&mut self, keep: f64) {
        let rows = self.exits.iter_mut().flatten();
        self.exposure.iter_mut().chain(rows).for_each(|value| *value *= keep);
    }

    /// Level of a kind of exit against the prior's.
    pub fn level(&self, prior: &Prior, kind: usize, belief: Belief) -> f64 {
        let Some(hazard) = prior.hazard.get(kind) else { return 1.0 };
        let expected: f64 = self.exposure.iter().zip(hazard).map(|(exposed, hazard)| exposed * hazard).sum();
        let known = belief.level * prior.exits.get(kind).copied().unwrap_or_default().max(1e-3);
        (self.exits_of(kind) + known) / (expected + known)
    }

    /// Hazard of a kind of exit in a bin, given its level.
    pub fn hazard(&self, prior: &Prior, kind: usize, bin: usize, level: f64, belief: Belief) -> f64 {
        let value = |row: &Vec<f64>| row.get(bin).copied().unwrap_or_default();
        let believed = prior.hazard.get(kind).map(value).unwrap_or_default() * level;
        let weight = belief.shape * value(&prior.exposure) + 1e-6;
        (self.exits_in(kind, bin) + weight * believed) / (value(&self.exposure) + weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(mean: f64) -> impl Fn(usize, f64) -> f64 {
        move |_, age| 1.0 - (-age / mean).exp()
    }

    #[test]
    fn every_age_has_the_bin_whose_edges_are_around_it() {
        for bins in [Bins::lines(), Bins::agents()] {
            for age in (0..24_000).map(|quarter| f64::from(quarter) / 4.0).chain([1e9, f64::INFINITY]) {
                let bin = bins.at(age);
                assert!(
                    bins.from(bin) <= age && (age < bins.from(bin + 1) || bin + 1 == bins.len()),
                    "{age}"
                );
            }
            assert_eq!([bins.at(-1.0), bins.at(f64::NAN)], [0, 0]);
        }
    }

    #[test]
    fn running_spells_speak_before_any_has_ended() {
        let bins = Bins::agents();
        let belief = Belief { shape: 2.0, level: 2.0 };
        let prior = Prior::new(&bins, 1, exponential(60.0));
        let mut spells = Spells::new(&bins, 1);
        assert!((spells.level(&prior, 0, belief) - 1.0).abs() < 1e-9);
        // A hundred talks that have lasted a minute and none has ended: the hazard must be far below 1/60.
        (0..100).for_each(|_| spells.expose(&bins, 0.0, 60.0));
        let level = spells.level(&prior, 0, belief);
        assert!(level < 0.05, "{level}");
        assert!(spells.hazard(&prior, 0, bins.at(20.0), level, belief) < 0.05 / 60.0 * 1.1);
    }

    #[test]
    fn hazards_come_out_as_they_are() {
        let bins = Bins::agents();
        let belief = Belief { shape: 5.0, level: 2.0 };
        let prior = Prior::new(&bins, 1, exponential(120.0));
        let mut spells = Spells::new(&bins, 1);
        // Deterministic quantiles of an exponential with mean 40 s.
        for index in 0..2_000 {
            let age = -40.0 * (1.0 - (f64::from(index) + 0.5) / 2_000.0).ln();
            spells.expose(&bins, 0.0, age);
            spells.exit(&bins, 0, age);
        }
        let level = spells.level(&prior, 0, belief);
        for age in [0.5, 5.0, 20.0, 60.0] {
            let hazard = spells.hazard(&prior, 0, bins.at(age), level, belief);
            assert!((hazard * 40.0 - 1.0).abs() < 0.25, "at {age}: {hazard}");
        }
    }

    #[test]
    fn bins_cover_every_age() {
        for bins in [Bins::lines(), Bins::agents()] {
            assert_eq!(bins.at(0.0), 0);
            assert_eq!(bins.at(-1.0), 0);
            assert_eq!(bins.at(1e9), bins.len() - 1);
            let mut spells = Spells::new(&bins, 1);
            spells.expose(&bins, 0.0, 1e5);
            assert!((spells.exposure.iter().sum::<f64>() - 1e5).abs() < 1e-6);
            assert!(spells.fits(&bins, 1) && !spells.fits(&bins, 2));
        }
    }
}
