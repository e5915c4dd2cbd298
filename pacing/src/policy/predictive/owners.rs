//! Owners: each one a team of one inside the team, paced by the same rule as the pool and under the same hard stop.
//!
//! One more line leaves for an owner while the probability that its answer finds the owner not free in time is at most the
//! accepted risk: the owner may be busy still, or another of their lines may have been answered before. What all owners' lines
//! expose is taken off what the hard stop leaves to the pool, and the other way round.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Predictive;
use super::forecast::convolve;
use super::tables::{ByPoint, POINTS, WEIGHTS};
use crate::decision::{Bound, Forecast, Reason};
use crate::event::{AgentKey, CallKey};
use crate::floor::AgentActivity;
use crate::numeric::Moments;
use crate::team::Ahead;

/// Most unanswered lines of one owner; those beyond are placed once others have ended.
pub const OWN_LINES_MAX: usize = 8;

/// Unanswered lines of owners, and what the latest decision leaves to them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Owners {
    calls: BTreeMap<AgentKey, Vec<CallKey>>,
    owners: BTreeMap<CallKey, AgentKey>,
    stance: Option<Stance>,
}

/// What a decision leaves to owners.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Stance {
    /// The price.
    pub accepted: f64,
    /// What the hard stop allows, the pool's exposure taken off.
    pub allowance: f64,
    /// What the lines that are out may lose.
    pub losses: Losses,
    /// How many deviations of the normal the exposure reaches up.
    pub deviations: f64,
    /// Probabilities that a new line is answered by each point, doubt included.
    pub new: ByPoint,
    pub launching: bool,
}

impl Owners {
    pub fn placed(&mut self, call: CallKey, owner: AgentKey) {
        self.calls.entry(owner).or_default().push(call);
        self.owners.insert(call, owner);
    }

    /// The call was answered or ended.
    pub fn settled(&mut self, call: CallKey) {
        let Some(owner) = self.owners.remove(&call) else { return };
        if let Some(calls) = self.calls.get_mut(&owner) {
            calls.retain(|other| *other != call);
            if calls.is_empty() {
                self.calls.remove(&owner);
            }
        }
    }

    /// What the decision of this moment leaves to owners; `None` where no line in excess may leave.
    pub fn stands(&mut self, stance: Option<Stance>) {
        self.stance = stance;
    }
}

/// An owner, and how many of their lines may have been answered by each point.
#[derive(Clone, Debug)]
struct One {
    /// Probability that the owner is free by each point, and by the end of the grace of an answer now.
    free: ByPoint,
    free_now: f64,
    waiting: u32,
    lines: usize,
    answers: [[f64; OWN_LINES_MAX + 1]; POINTS],
}

impl One {
    fn add(&mut self, by: &ByPoint) {
        if self.lines >= OWN_LINES_MAX {
            return;
        }
        self.lines += 1;
        for (answers, by) in self.answers.iter_mut().zip(by) {
            convolve(answers, self.lines, *by);
        }
    }

    /// Probability that one more answer finds the owner not free.
    fn risk(&self) -> f64 {
        if self.waiting > 0 {
            return 1.0;
        }
        (0..POINTS).map(|point| WEIGHTS[point] * (1.0 - self.free[point] * self.answers[point][0])).sum()
    }

    /// Moments of the answers that find nobody, at the moment at which most are expected.
    fn losses(&self) -> Moments {
        if self.beyond() <= 0.0 {
            return Moments::default();
        }
        let answers = |point: usize| &self.answers[point][..=self.lines];
        let points = (0..POINTS).map(|point| excess(self.waiting, answers(point), self.free[point]));
        let now = excess(self.waiting, &[1.0], self.free_now);
        points.fold(now, |worst, at| if at.mean > worst.mean { at } else { worst })
    }

    /// Lines beyond the one that the owner takes, if they are free.
    fn beyond(&self) -> f64 {
        let lines = self.waiting as usize + self.lines;
        (lines as f64 - f64::from(u8::from(self.free_now >= 1.0))).max(0.0)
    }
}

/// Moments of what `waiting` calls and answers leave over where one agent is free with this probability.
fn excess(waiting: u32, answers: &[f64], free: f64) -> Moments {
    let (mut first, mut second, mut third) = (0.0, 0.0, 0.0);
    let mut add = |left: f64, chance: f64| {
        first += left * chance;
        second += left * left * chance;
        third += left * left * left * chance;
    };
    for (count, chance) in answers.iter().enumerate() {
        let all = f64::from(waiting) + count as f64;
        add(all, chance * (1.0 - free));
        add((all - 1.0).max(0.0), chance * free);
    }
    let variance = second - first * first;
    Moments { mean: first, variance, third: third - 3.0 * first * variance - first * first * first }
}

/// Losses of all owners.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Losses {
    sum: Moments,
    beyond: f64,
}

impl Losses {
    fn add(&mut self, one: &One, times: f64) {
        self.sum.add(one.losses(), times);
        self.beyond += one.beyond() * times;
    }

    /// Answers that may find their owner not free in time.
    pub fn exposure(&self, deviations: f64) -> f64 {
        self.sum.quantile(deviations).clamp(0.0, self.beyond.max(0.0))
    }
}

impl Predictive {
    /// What owners' lines may lose. Most owners are free and have one line: they lose nothing and cost nothing here.
    pub(super) fn owned_losses(&self) -> Losses {
        let mut losses = Losses::default();
        let is_free = |owner: AgentKey| self.floor.activity(owner) == Some(AgentActivity::Ready);
        for owner in self.owners.calls.keys() {
            if self.floor.own_lines(*owner) > 1 || !is_free(*owner) {
                losses.add(&self.one(*owner), 1.0);
            }
        }
        losses
    }

    fn one(&self, owner: AgentKey) -> One {
        let calls = self.owners.calls.get(&owner).map_or(&[][..], Vec::as_slice);
        let unanswered = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let is_free = self.floor.activity(owner) == Some(AgentActivity::Ready);
        let free = if is_free { [1.0; POINTS] } else { self.seats.by(owner) };
        let mut answers = [[0.0; OWN_LINES_MAX + 1]; POINTS];
        answers.iter_mut().for_each(|it| it[0] = 1.0);
        let mut one = One {
            free,
            free_now: if is_free { 1.0 } else { free[0] * self.near() },
            waiting: self.floor.own_lines(owner).saturating_sub(unanswered),
            lines: 0,
            answers,
        };
        calls.iter().filter_map(|call| self.lines.by(*call)).for_each(|by| one.add(by));
        one
    }

    /// Owners who get one more line now, by risk. Those who are free get their first line by the plan of the team.
    pub(super) fn call_ahead(&self, wishes: &BTreeMap<AgentKey, u32>, room: u32) -> Ahead {
        let Some(stance) = self.owners.stance else { return Ahead::default() };
        let may = |owner: AgentKey| {
            self.floor.is_apart(owner)
                && match self.floor.activity(owner) {
                    Some(AgentActivity::Ready) => self.floor.own_lines(owner) > 0,
                    Some(AgentActivity::Talking | AgentActivity::WrapUp) => true,
                    Some(AgentActivity::Away) | None => false,
                }
        };
        let mut candidates: Vec<(AgentKey, u32, One)> = wishes
            .iter()
            .filter(|(owner, in_hand)| **in_hand > 0 && may(**owner))
            .map(|(owner, in_hand)| (*owner, *in_hand, self.one(*owner)))
            .collect();
        let mut losses = stance.losses;
        let mut lines = Vec::new();
        let (mut bound, mut risk) = (Bound::Supply, 0.0);
        loop {
            let open = candidates.iter_mut().filter(|(_, left, one)| *left > 0 && one.lines < OWN_LINES_MAX);
            let best = open.map(|it| (it.2.risk(), it)).min_by(|(one, _), (other, _)| one.total_cmp(other));
            let Some((least, (owner, left, one))) = best else { break };
            risk = least;
            if stance.allowance <= 0.0 {
                bound = Bound::Budget;
            } else if least > stance.accepted {
                bound = if stance.launching { Bound::Ramp } else { Bound::Risk };
            } else if lines.len() >= room as usize {
                bound = Bound::Lines;
            } else {
                let mut with = losses;
                with.add(one, -1.0);
                one.add(&stance.new);
                with.add(one, 1.0);
                if with.exposure(stance.deviations) < stance.allowance {
                    losses = with;
                    lines.push(*owner);
                    *left -= 1;
                    continue;
                }
                bound = Bound::Budget;
            }
            break;
        }
        let reason = self.reason(&lines, bound, risk, &losses, stance);
        Ahead { lines, reason: Some(reason) }
    }

    fn reason(&self, lines: &[AgentKey], bound: Bound, risk: f64, losses: &Losses, stance: Stance) -> Reason {
        let point = POINTS / 2;
        let mut answers = Moments::default();
        for by in self.owners.owners.keys().filter_map(|call| self.lines.by(*call)) {
            answers.add(Moments::bernoulli(by[point]), 1.0);
        }
        answers.add(Moments::bernoulli(stance.new[point]), lines.len() as f64);
        let mut agents = Moments::default();
        let coming =
            self.floor.apart().filter(|agent| self.floor.activity(*agent) != Some(AgentActivity::Ready));
        coming.for_each(|agent| agents.add(Moments::bernoulli(self.seats.by(agent)[point]), 1.0));
        let out = self.floor.owned_out();
        let placed = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        Reason {
            bound,
            agents_free: self.floor.apart_free(),
            lines_out: out,
            lines_wanted: out.saturating_add(placed),
            forecast: Some(Forecast {
                horizon_s: self.tables.points_s[point],
                answers: answers.mean,
                answers_deviation: answers.variance.max(0.0).sqrt(),
                agents: f64::from(self.floor.apart_free()) + agents.mean,
                agents_deviation: agents.variance.max(0.0).sqrt(),
                risk,
                risk_accepted: stance.accepted,
                exposure: losses.exposure(stance.deviations),
                allowance: if stance.allowance.is_finite() { stance.allowance } else { f64::MAX },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(free: f64, lines: &[f64]) -> One {
        let mut answers = [[0.0; OWN_LINES_MAX + 1]; POINTS];
        answers.iter_mut().for_each(|it| it[0] = 1.0);
        let mut one = One { free: [free; POINTS], free_now: free, waiting: 0, lines: 0, answers };
        lines.iter().for_each(|by| one.add(&[*by; POINTS]));
        one
    }

    #[test]
    fn risks_by_hand() {
        let near = |risk: f64, wanted: f64| assert!((risk - wanted).abs() < 1e-3, "{risk} for {wanted}");
        near(one(1.0, &[]).risk(), 0.0);
        // A free owner with one line of a quarter: that one is answered first with 0.25.
        near(one(1.0, &[0.25]).risk(), 0.25);
        // A busy owner who is back with 0.8, and a line of 0.1 out: 1 - 0.8 * 0.9.
        near(one(0.8, &[0.1]).risk(), 0.28);
        near(One { waiting: 1, ..one(1.0, &[]) }.risk(), 1.0);
    }

    #[test]
    fn losses_by_hand() {
        // Two lines of a half for a free owner: both are answered with a quarter, and one is lost.
        let losses = one(1.0, &[0.5, 0.5]).losses();
        assert!((losses.mean - 0.25).abs() < 1e-9 && (losses.variance - 0.1875).abs() < 1e-9, "{losses:?}");
        assert!((losses.third - 0.1875 * 0.5).abs() < 1e-9, "{losses:?}");
        // One line of a half for an owner who is back with 0.8.
        assert!((one(0.8, &[0.5]).losses().mean - 0.1).abs() < 1e-9);
        assert_eq!(one(1.0, &[0.5]).losses(), Moments::default(), "one line each is no excess");
        // Somebody waits for an owner who is hardly ever back in time.
        let waits = One { waiting: 1, free_now: 0.1, ..one(0.9, &[]) };
        assert!((waits.losses().mean - 0.9).abs() < 1e-9);
    }

    #[test]
    fn the_exposure_is_at_most_the_lines_in_excess() {
        let mut losses = Losses::default();
        (0..10).for_each(|_| losses.add(&one(1.0, &[0.3, 0.3]), 1.0));
        assert!(losses.exposure(3.4) > losses.sum.mean && losses.exposure(3.4) <= 10.0);
        assert_eq!(losses.exposure(99.0), 10.0);
        losses.add(&one(1.0, &[0.3, 0.3]), -10.0);
        assert!(losses.exposure(3.4).abs() < 1e-6);
    }

    #[test]
    fn more_lines_than_the_most_count_no_further() {
        let full = one(1.0, &[0.5; OWN_LINES_MAX + 3]);
        assert_eq!(full.lines, OWN_LINES_MAX);
        assert!((full.answers[0].iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
