//! Answers against free agents at each point: the risk of one more line, and the exposure of all.
//!
//! For small teams the distributions are convolved exactly; above, sums of many independent answers and releases are
//! normal with a correction for skew.

use super::tables::{ByPoint, POINTS, WEIGHTS};
use crate::numeric::Moments;

/// Largest team and most lines that are reckoned exactly.
pub(super) const EXACT_AGENTS_MAX: usize = 12;
pub(super) const EXACT_LINES_MAX: usize = 120;
/// Answers told apart in the exact reckoning; more count as so many.
const ANSWERS_MAX: usize = 40;
/// Moments before the first point at which the exposure is looked at too, as shares of the way to it: who waits now is
/// lost long before the first new answer.
const EARLIER: [f64; 2] = [0.0, 0.5];

/// Answers under way for each agent to be free at which one more is worth the accepted risk as it is.
const USUAL_ANSWERS: f64 = 0.36;
/// Bounds of the worth.
const WORTH: (f64, f64) = (0.6, 1.5);

/// How much waiting one more answer saves, against what is usual: agents to be free for each answer that is under way,
/// the new one included. A free agent among many answers would be served soon anyway, one whom hardly any answer
/// reaches would not. The optimal policies of solved models accept risks in this
/// proportion (`optimum_tests`), within narrower bounds here: many lines for few agents lose several calls at once.
pub(super) fn worth(answers: f64, agents: f64) -> f64 {
    (USUAL_ANSWERS * agents / answers.max(1e-6)).clamp(WORTH.0, WORTH.1)
}

/// A risk that falls while one waits is taken for higher, by what falls in so many seconds: the line can still be placed
/// a moment later, when it costs less.
const FALLING_S: f64 = 8.0;
/// How far one looks ahead for it.
const LATER_S: f64 = 2.0;

/// What is set against each other at every point, and the lines of this decision so far.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Answered lines that wait.
    pub waiting: f64,
    /// Agents free now.
    pub free: f64,
    /// Lines that have not been answered, those of this decision included.
    pub lines: f64,
    pub answers: [Moments; POINTS],
    pub coming: [Moments; POINTS],
    /// Relative doubts, squared.
    pub doubt: ByPoint,
    pub doubt_free: f64,
    /// Share of the agents coming by the first point who come within the grace of an answer now.
    pub near: f64,
}

impl Picture {
    /// Probability that one more answer finds no agent, with `more` further lines of these moments out.
    pub fn risk(&self, new: &[Moments; POINTS], more: f64) -> f64 {
        if self.waiting + self.lines + more < self.free {
            return 0.0;
        }
        let points = 0..POINTS - 1;
        points.map(|point| WEIGHTS[point] * self.excess(new, more, point).tail(0.0)).sum()
    }

    /// Answers that may find no agent in time, with `more` further lines out: the highest quantile, `deviations`
    /// of the normal up, of the excess at any moment.
    pub fn exposure(&self, new: &[Moments; POINTS], more: f64, deviations: f64) -> f64 {
        let most = (self.waiting + self.lines + more - self.free).max(0.0);
        let quantile = |point| self.excess(new, more, point).quantile(deviations);
        let earlier = EARLIER.map(|share| self.excess_earlier(new, more, share).quantile(deviations));
        (0..POINTS).map(quantile).chain(earlier).fold(0.0, f64::max).min(most)
    }

    /// Answers that wait and answers expected of all lines out.
    pub fn under_way(&self) -> f64 {
        self.waiting + self.answers[POINTS - 1].mean
    }

    /// Adds lines for good.
    pub fn add(&mut self, new: &[Moments; POINTS], times: f64) {
        self.lines += times;
        for (answers, new) in self.answers.iter_mut().zip(new) {
            answers.add(*new, times);
        }
    }

    /// Moments of answers minus agents at a point.
    fn excess(&self, new: &[Moments; POINTS], more: f64, point: usize) -> Moments {
        let mut answers = self.answers[point];
        answers.add(new[point], more);
        let doubt = self.doubt[point] * answers.mean * answers.mean
            + self.doubt_free * self.coming[point].mean * self.coming[point].mean;
        let mut excess = answers.minus(self.coming[point]);
        excess.mean += self.waiting - self.free;
        excess.variance += doubt;
        excess
    }

    /// The same at a share of the way to the first point.
    fn excess_earlier(&self, new: &[Moments; POINTS], more: f64, share: f64) -> Moments {
        let mut excess = Moments::default();
        excess.add(self.answers[0], share);
        excess.add(new[0], more * share);
        let come = share + (1.0 - share) * self.near;
        let agents = self.coming[0];
        let coming = Moments {
            mean: agents.mean * come,
            variance: agents.variance * come,
            third: agents.third * come,
        };
        let mut excess = excess.minus(coming);
        excess.mean += self.waiting - self.free;
        excess
    }
}

/// The same, exactly: distributions of answers, and chances of agents, at each point.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    answers: [[f64; ANSWERS_MAX + 1]; POINTS],
    agents: [[f64; EXACT_AGENTS_MAX + 1]; POINTS],
    waiting: usize,
    free: usize,
    lines: usize,
    most: usize,
}

impl Exact {
    pub fn new() -> Self {
        Self {
            answers: [[0.0; ANSWERS_MAX + 1]; POINTS],
            agents: [[0.0; EXACT_AGENTS_MAX + 1]; POINTS],
            waiting: 0,
            free: 0,
            lines: 0,
            most: 0,
        }
    }

    /// Begins with the agents.
    pub fn start<'a>(&mut self, waiting: usize, free: usize, busy: impl Iterator<Item = &'a ByPoint>) {
        (self.waiting, self.free, self.lines, self.most) = (waiting, free, 0, 0);
        for point in 0..POINTS {
            self.answers[point] = [0.0; ANSWERS_MAX + 1];
            self.agents[point] = [0.0; EXACT_AGENTS_MAX + 1];
            (self.answers[point][0], self.agents[point][0]) = (1.0, 1.0);
        }
        for (index, by) in busy.take(EXACT_AGENTS_MAX).enumerate() {
            for (agents, by) in self.agents.iter_mut().zip(by) {
                convolve(agents, index + 1, *by);
            }
        }
    }

    /// Adds a line.
    pub fn add(&mut self, by: impl Fn(usize) -> f64) {
        self.lines += 1;
        self.most = (self.most + 1).min(ANSWERS_MAX);
        for point in 0..POINTS {
            convolve(&mut self.answers[point], self.most, by(point));
        }
    }

    /// Probability that one more answer finds no agent, more where it falls fast from these moments on.
    pub fn risk(&self, points_s: &ByPoint) -> f64 {
        let beyond: ByPoint = std::array::from_fn(|point| self.beyond(point, 0));
        let over = |at: &dyn Fn(usize) -> f64| -> f64 {
            (0..POINTS - 1).map(|point| WEIGHTS[point] * at(point)).sum()
        };
        let now = over(&|point| beyond[point]);
        let later = over(&|point| between(points_s, &beyond, point, points_s[point] + LATER_S));
        now + FALLING_S * (now - later).max(0.0) / LATER_S
    }

    /// Answers that may find no agent in time: more at any moment with at most this probability.
    pub fn exposure(&self, tail: f64) -> f64 {
        let most = (self.waiting + self.lines).saturating_sub(self.free);
        let quantile = |point: usize| {
            (0..most.min(ANSWERS_MAX)).find(|lost| self.beyond(point, lost + 1) <= tail).unwrap_or(most)
        };
        // Whoever waits now may be lost before the first point.
        let now = self.waiting.saturating_sub(self.free);
        (0..POINTS).map(quantile).max().unwrap_or_default().max(now) as f64
    }

    /// Probability that answers and those who wait are at least `more` beyond the agents.
    fn beyond(&self, point: usize, more: usize) -> f64 {
        let answers = &self.answers[point];
        let mut tail: f64 = 0.0;
        let mut at = self.most + 1;
        // From many agents to few the tail of the answers only grows.
        let agents = self.agents[point].iter().enumerate().rev();
        agents
            .map(|(came, chance)| {
                let least = (self.free + came + more).saturating_sub(self.waiting);
                while at > least {
                    at -= 1;
                    tail += answers[at];
                }
                chance * if least > self.most { 0.0 } else { tail }
            })
            .sum()
    }
}

/// What is known at each point, read at a time not before the point `from`, which is none of the last.
fn between(points_s: &ByPoint, known: &ByPoint, from: usize, time_s: f64) -> f64 {
    let next = (from + 1..POINTS - 1).find(|next| time_s <= points_s[*next]).unwrap_or(POINTS - 1);
    let (start_s, end_s) = (points_s[next - 1], points_s[next]);
    let part = ((time_s - start_s) / (end_s - start_s).max(1e-6)).clamp(0.0, 1.0);
    known[next - 1] + (known[next] - known[next - 1]) * part
}

/// Adds one event of probability `p` to a distribution whose last used index becomes `last`.
pub(super) fn convolve(distribution: &mut [f64], last: usize, p: f64) {
    let last = last.min(distribution.len() - 1);
    let full = last == distribution.len() - 1;
    // The last place keeps what would go beyond it.
    let overflow = if full { distribution[last] * p } else { 0.0 };
    for index in (1..=last).rev() {
        distribution[index] = distribution[index] * (1.0 - p) + distribution[index - 1] * p;
    }
    distribution[last] += overflow;
    distribution[0] *= 1.0 - p;
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS_S: ByPoint = [4.0, 7.0, 11.0, 17.0, 30.0];

    fn exact(waiting: usize, free: usize, busy: &[f64], lines: &[f64]) -> Exact {
        let rows: Vec<ByPoint> = busy.iter().map(|p| [*p; POINTS]).collect();
        let mut exact = Exact::new();
        exact.start(waiting, free, rows.iter());
        lines.iter().for_each(|p| exact.add(|_| *p));
        exact
    }

    #[test]
    fn small_cases_by_hand() {
        // One free agent, one line of 0.5: the next answer finds nobody if that one is answered first.
        assert!((exact(0, 1, &[], &[0.5]).risk(&POINTS_S) - 0.5).abs() < 1e-12);
        // Nobody free, one agent back with 0.8: lost with 0.2.
        assert!((exact(0, 0, &[0.8], &[]).risk(&POINTS_S) - 0.2).abs() < 1e-12);
        // Two lines of 0.5, one agent of 0.5: P(A >= R) = 1 - P(A=0) P(R=1) = 1 - 0.25 * 0.5.
        assert!((exact(0, 0, &[0.5], &[0.5, 0.5]).risk(&POINTS_S) - 0.875).abs() < 1e-12);
        // A waiting person takes the free agent.
        assert!((exact(1, 1, &[], &[]).risk(&POINTS_S) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_risk_that_falls_soon_is_not_taken_yet() {
        let one = |by: ByPoint| {
            let mut exact = Exact::new();
            exact.start(0, 0, std::iter::once(&by));
            exact.risk(&POINTS_S)
        };
        let level = |by: ByPoint| -> f64 { (0..POINTS - 1).map(|it| WEIGHTS[it] * (1.0 - by[it])).sum() };
        // The agent comes free in the time of the answer: what falls in two seconds counts four times.
        let soon = [0.4, 0.7, 0.9, 1.0, 1.0];
        let later = [0.6, 0.8, 0.9 + 0.1 / 3.0, 1.0, 1.0];
        let fall = level(soon) - level(later);
        assert!((one(soon) - level(soon) - 4.0 * fall).abs() < 1e-9, "{}", one(soon));
        // Other answers come first: waiting makes nothing better, and it is the probability alone.
        let mut busier = Exact::new();
        busier.start(0, 1, [].iter());
        busier.add(|point| [0.1, 0.2, 0.3, 0.4, 0.5][point]);
        let rises = WEIGHTS[0] * 0.1 + WEIGHTS[1] * 0.2 + WEIGHTS[2] * 0.3 + WEIGHTS[3] * 0.4;
        assert!((busier.risk(&POINTS_S) - rises).abs() < 1e-9);
        // Points in one place, as where every answer comes at once.
        assert!(busier.risk(&[2.0; POINTS]).is_finite());
    }

    #[test]
    fn exposure_is_a_quantile() {
        assert_eq!(exact(0, 2, &[], &[0.5, 0.5]).exposure(0.001), 0.0);
        assert_eq!(exact(0, 1, &[], &[0.5, 0.5, 0.5]).exposure(0.001), 2.0);
        assert_eq!(exact(0, 1, &[], &[0.01, 0.01, 0.01]).exposure(0.001), 0.0, "P(two answers) is 0.0003");
    }

    #[test]
    fn the_normal_agrees_with_the_exact_where_both_can_be_reckoned() {
        let lines = [0.12; 60];
        let busy = [0.3; 12];
        let exact = exact(0, 4, &busy, &lines);
        let mut picture = Picture {
            waiting: 0.0,
            free: 4.0,
            lines: 60.0,
            answers: [Moments::default(); POINTS],
            coming: [Moments::default(); POINTS],
            doubt: [0.0; POINTS],
            doubt_free: 0.0,
            near: 0.3,
        };
        for point in 0..POINTS {
            picture.answers[point].add(Moments::bernoulli(0.12), 60.0);
            picture.coming[point].add(Moments::bernoulli(0.3), 12.0);
        }
        let new = [Moments::bernoulli(0.12); POINTS];
        assert!((picture.risk(&new, 0.0) - exact.risk(&POINTS_S)).abs() < 0.01);
        assert!((picture.exposure(&new, 0.0, 3.09) - exact.exposure(0.001)).abs() < 1.0);
    }

    #[test]
    fn what_is_beyond_the_last_place_stays_in_the_tail() {
        let exact = exact(0, 0, &[], &[0.9; 100]);
        assert!((exact.answers[0].iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(exact.risk(&POINTS_S) > 0.999_999);
    }
}
