//! What the hazards mean: probabilities by stage, age and horizon, rebuilt every few seconds so that a decision only
//! looks them up.

use serde::{Deserialize, Serialize};

use super::learnt::{
    FINISHING, FORM_OPEN, Frame, LINE_BELIEF, Learnt, PLACED, RINGING, SEAT_BELIEF, SEAT_STAGES, TALKING,
    WRAPPING, line, seat,
};
use crate::numeric::Moments;

/// Moments at which answers and free agents are compared; the last one only bounds the exposure.
pub(super) const POINTS: usize = 5;
/// One figure a point.
pub(super) type ByPoint = [f64; POINTS];
/// Quantiles of a new line's time to answer at which the points lie: nodes of Gauss and Legendre.
pub(super) const QUANTILES: ByPoint = [0.0694, 0.33, 0.67, 0.9306, 0.97];
/// Their weights in the risk.
pub(super) const WEIGHTS: ByPoint = [0.1739, 0.3261, 0.3261, 0.1739, 0.0];

/// Step of the tables of lines in seconds, and steps.
const STEP_S: f64 = 0.5;
const STEPS: usize = 128;
/// Older lines than this that do not ring count as this old.
const UNRUNG_STEPS: usize = 40;
/// Step of the tables of agents in seconds, and steps.
const SEAT_STEP_S: f64 = 1.0;
const SEAT_STEPS: usize = 48;

/// Probabilities by stage, age and horizon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tables {
    /// The points in seconds from now.
    pub points_s: ByPoint,
    /// Probability that a line of this stage and age is answered by each point.
    answered: [Vec<ByPoint>; 2],
    /// Probability that it is ever answered.
    ever: [Vec<f64>; 2],
    /// Its hazard of answer per second.
    hazard: [Vec<f64>; 2],
    /// Probability that an agent of this stage and bin of age is free by each point.
    free: [Vec<ByPoint>; SEAT_STAGES],
    /// Cumulated hazard of the end of a stage at the start of each bin, and the hazard in it.
    ends: [Vec<(f64, f64)>; SEAT_STAGES],
    /// Relative doubt about the answers, squared, by point.
    pub doubt: ByPoint,
    /// Relative doubt about agents coming free, squared.
    pub doubt_free: f64,
    /// Mean seconds from placing a line to its end, and from an answer to the agent's next.
    line_s: f64,
    cycle_s: f64,
}

/// Exit hazards of a line's stage on the grid.
struct LineStage {
    answered: [f64; STEPS],
    other: [f64; STEPS],
    rang: [f64; STEPS],
}

impl Tables {
    pub fn new(frame: &Frame, learnt: &Learnt) -> Self {
        let lines = || vec![[0.0; POINTS]; STEPS];
        let seats = || vec![[0.0; POINTS]; frame.seat_bins.len()];
        let mut tables = Self {
            points_s: [0.0; POINTS],
            answered: [lines(), lines()],
            ever: [vec![0.0; STEPS], vec![0.0; STEPS]],
            hazard: [vec![0.0; STEPS], vec![0.0; STEPS]],
            free: std::array::from_fn(|_| seats()),
            ends: std::array::from_fn(|_| vec![(0.0, 0.0); frame.seat_bins.len()]),
            doubt: [0.0; POINTS],
            doubt_free: 0.0,
            line_s: 20.0,
            cycle_s: 140.0,
        };
        tables.rebuild(frame, learnt, 2.0, false);
        tables
    }

    /// Takes in what was learnt meanwhile. While the launch lasts the answer rate is never taken to be below the
    /// prior's: lines that had no time to be answered say little.
    pub fn rebuild(&mut self, frame: &Frame, learnt: &Learnt, grace_s: f64, launching: bool) {
        let placed = line_stage(frame, learnt, PLACED, launching);
        let ringing = line_stage(frame, learnt, RINGING, launching);
        let rings = learnt.lines[PLACED].exits_of(line::RANG) > 5.0;
        let (survival, answers) = cumulate(&ringing, None);
        let ringing_cumulated = (survival, answers);
        let placed_cumulated =
            if rings { cumulate(&placed, Some(&ringing_cumulated.1)) } else { cumulate(&placed, None) };
        self.place_points(&placed_cumulated.1);
        let out_s = |survival: &[f64; STEPS + 1]| survival.iter().sum::<f64>() * STEP_S;
        self.line_s = out_s(&placed_cumulated.0) + if rings { out_s(&ringing_cumulated.0) } else { 0.0 };
        self.fill_lines(RINGING, &ringing, &ringing_cumulated, None);
        self.fill_lines(PLACED, &placed, &placed_cumulated, rings.then_some(&ringing_cumulated.1));
        self.fill_doubt(frame, learnt, &placed_cumulated.1);
        self.fill_seats(frame, learnt, grace_s);
    }

    #[inline]
    /// Probability that a line of this stage and age is answered by each point, ever, and its hazard of answer.
    pub fn line(&self, stage: usize, age_s: f64) -> (&ByPoint, f64, f64) {
        let step = ((age_s / STEP_S + 0.5) as usize).min(STEPS - 1);
        (&self.answered[stage][step], self.ever[stage][step], self.hazard[stage][step])
    }

    /// Probability that an agent of this stage and bin of age is free by each point.
    pub fn seat(&self, stage: usize, bin: usize) -> &ByPoint {
        let rows = &self.free[stage];
        &rows[bin.min(rows.len() - 1)]
    }

    /// Expected ends of a stage from its start to this age.
    pub fn ends_by(&self, frame: &Frame, stage: usize, age_s: f64) -> f64 {
        let bin = frame.seat_bins.at(age_s);
        let (before, hazard) = self.ends[stage][bin];
        before + hazard * (age_s - frame.seat_bins.from(bin)).max(0.0)
    }

    /// Answers that an agent brings in an hour at one line per free agent.
    pub fn answers_per_stopped_hour(&self) -> f64 {
        let (_, ever, _) = self.line(PLACED, 0.0);
        3600.0 / (self.cycle_s + self.line_s / ever.max(1e-3))
    }

    /// Moments of a new line's answers at a point.
    pub fn new_line(&self, odds: f64, point: usize) -> Moments {
        let (by, ever, _) = self.line(PLACED, 0.0);
        Moments::bernoulli(scaled(by[point], ever, odds))
    }

    fn place_points(&mut self, answers: &[f64; STEPS + 1]) {
        let total = answers[STEPS].max(1e-9);
        for (point, quantile) in QUANTILES.iter().enumerate() {
            let wanted = quantile * total;
            let step = answers.partition_point(|answered| *answered < wanted).clamp(1, STEPS);
            let (below, above) = (answers[step - 1], answers[step]);
            let inside = if above > below { (wanted - below) / (above - below) } else { 1.0 };
            self.points_s[point] = ((step - 1) as f64 + inside) * STEP_S;
        }
    }

    fn fill_lines(
        &mut self,
        stage: usize,
        hazards: &LineStage,
        cumulated: &([f64; STEPS + 1], [f64; STEPS + 1]),
        through: Option<&[f64; STEPS + 1]>,
    ) {
        let (survival, answers) = cumulated;
        for step in 0..STEPS {
            self.hazard[stage][step] = hazards.answered[step];
            if let Some(ringing) = through {
                if step >= UNRUNG_STEPS {
                    let (by, ever) =
                        (self.answered[stage][UNRUNG_STEPS - 1], self.ever[stage][UNRUNG_STEPS - 1]);
                    (self.answered[stage][step], self.ever[stage][step]) = (by, ever);
                } else {
                    (self.answered[stage][step], self.ever[stage][step]) =
                        unrung(hazards, ringing, step, &self.points_s);
                }
                continue;
            }
            let alive = survival[step];
            if alive < 1e-6 {
                // So old that nothing was seen there: as likely as the step before.
                let earlier = step.saturating_sub(1);
                self.answered[stage][step] = self.answered[stage][earlier];
                self.ever[stage][step] = self.ever[stage][earlier];
                continue;
            }
            for point in 0..POINTS {
                let by = interpolate(answers, step as f64 + self.points_s[point] / STEP_S);
                self.answered[stage][step][point] = ((by - answers[step]) / alive).clamp(0.0, 1.0);
            }
            self.ever[stage][step] = ((answers[STEPS] - answers[step]) / alive).clamp(0.0, 1.0);
        }
    }

    /// Relative doubt about how many of the new lines are answered: each bin's hazard has its own.
    fn fill_doubt(&mut self, frame: &Frame, learnt: &Learnt, answers: &[f64; STEPS + 1]) {
        let total = answers[STEPS].max(1e-9);
        let bins = &frame.line_bins;
        for point in 0..POINTS {
            let (mut squares, mut sum) = (0.0, 0.0);
            for bin in 0..bins.len() {
                let (from, to) = (bins.from(bin), bins.from(bin + 1).min(self.points_s[point]));
                if from >= to {
                    break;
                }
                let mass = interpolate(answers, to / STEP_S) - interpolate(answers, from / STEP_S);
                let seen: f64 = learnt.lines.iter().map(|it| it.exits_in(line::ANSWERED, bin)).sum();
                squares += mass * mass / (seen + LINE_BELIEF.level * 0.4 * (mass / total) + 1e-9);
                sum += mass;
            }
            self.doubt[point] = if sum > 0.0 { squares / (sum * sum) } else { 1.0 };
        }
    }

    fn fill_seats(&mut self, frame: &Frame, learnt: &Learnt, grace_s: f64) {
        let mut horizons = [0usize; POINTS];
        let mut inside = [0.0; POINTS];
        let mut wanted = [false; SEAT_STEPS + 1];
        for point in 0..POINTS {
            let steps = ((self.points_s[point] + grace_s) / SEAT_STEP_S).min((SEAT_STEPS - 1) as f64);
            horizons[point] = steps as usize;
            inside[point] = steps - steps.floor();
            (wanted[horizons[point]], wanted[horizons[point] + 1]) = (true, true);
        }
        let last = horizons.iter().max().map_or(SEAT_STEPS, |steps| steps + 1);
        // Each stage leads only to those already done.
        let mut fresh = [[0.0; SEAT_STEPS + 1]; SEAT_STAGES];
        for stage in [FINISHING, FORM_OPEN, WRAPPING, TALKING] {
            let spells = &learnt.seats[stage];
            let prior = &frame.seat_priors[stage];
            let count = frame.seat_bins.len();
            let mut rates = [[0.0; seat::KINDS]; 64];
            let mut cumulated = 0.0;
            for kind in 0..seat::KINDS {
                let level = spells.level(prior, kind, SEAT_BELIEF);
                for (bin, rate) in rates.iter_mut().enumerate().take(count) {
                    rate[kind] = spells.hazard(prior, kind, bin, level, SEAT_BELIEF);
                }
            }
            for (bin, rates) in rates.iter().enumerate().take(count) {
                let sum: f64 = rates.iter().sum();
                self.ends[stage][bin] = (cumulated, sum);
                let width = frame.seat_bins.from(bin + 1) - frame.seat_bins.from(bin);
                cumulated += if width.is_finite() { sum * width } else { 0.0 };
            }
            for bin in 0..count.min(64) {
                let start = frame.seat_bins.from(bin);
                let next = frame.seat_bins.from(bin + 1);
                let middle = if next.is_finite() { (start + next) / 2.0 } else { start };
                let reached = reach(frame, &rates, middle, &fresh, &wanted, last);
                for point in 0..POINTS {
                    let (below, above) = (reached[horizons[point]], reached[horizons[point] + 1]);
                    self.free[stage][bin][point] = below + (above - below) * inside[point];
                }
            }
            fresh[stage] = reach(frame, &rates, 0.0, &fresh, &[true; SEAT_STEPS + 1], last);
        }
        let mean_s = |stage: usize| {
            let rates = &self.ends[stage];
            let widths =
                (0..rates.len()).map(|bin| (frame.seat_bins.from(bin + 1) - frame.seat_bins.from(bin), bin));
            widths
                .map(|(width, bin)| {
                    let (before, rate) = rates[bin];
                    let here = if rate > 1e-9 {
                        (1.0 - (-rate * width).exp()) / rate.max(1e-4)
                    } else {
                        width.min(3600.0)
                    };
                    (-before).exp() * here
                })
                .sum::<f64>()
        };
        self.cycle_s = mean_s(TALKING) + mean_s(WRAPPING);
        let ends = learnt.seats[TALKING].exits_of(seat::WRAP) + learnt.seats[TALKING].exits_of(seat::READY);
        self.doubt_free = 1.0 / (ends + 2.0);
    }
}

/// A probability of answer at other odds: exact where a line either would be answered at some time or never.
pub(super) fn scaled(by: f64, ever: f64, odds: f64) -> f64 {
    by * odds / (1.0 + (odds - 1.0) * ever)
}

fn line_stage(frame: &Frame, learnt: &Learnt, stage: usize, launching: bool) -> LineStage {
    let (spells, prior, bins) = (&learnt.lines[stage], &frame.line_priors[stage], &frame.line_bins);
    let mut levels = [1.0; line::KINDS];
    for (kind, level) in levels.iter_mut().enumerate() {
        *level = spells.level(prior, kind, LINE_BELIEF);
    }
    if launching {
        levels[line::ANSWERED] = levels[line::ANSWERED].max(1.0);
    }
    let rates: Vec4 = std::array::from_fn(|kind| {
        std::array::from_fn(|bin| {
            if bin < bins.len() { spells.hazard(prior, kind, bin, levels[kind], LINE_BELIEF) } else { 0.0 }
        })
    });
    let at = |kind: usize, step: usize| rates[kind][bins.at((step as f64 + 0.5) * STEP_S).min(63)];
    LineStage {
        answered: std::array::from_fn(|step| at(line::ANSWERED, step)),
        other: std::array::from_fn(|step| at(line::FAILED, step) + at(line::NETWORK, step)),
        rang: std::array::from_fn(|step| if stage == PLACED { at(line::RANG, step) } else { 0.0 }),
    }
}

type Vec4 = [[f64; 64]; line::KINDS];

/// Survival and cumulated answers at each step; ringing lines go on with the answers of the second stage.
fn cumulate(stage: &LineStage, through: Option<&[f64; STEPS + 1]>) -> ([f64; STEPS + 1], [f64; STEPS + 1]) {
    let (mut survival, mut answers) = ([1.0; STEPS + 1], [0.0; STEPS + 1]);
    let mut rang_at = [0.0; STEPS];
    for step in 0..STEPS {
        let rang = if through.is_some() { stage.rang[step] } else { 0.0 };
        let all = stage.answered[step] + stage.other[step] + rang;
        let left = (-all * STEP_S).exp();
        let ended = survival[step] * (1.0 - left);
        let part = |hazard: f64| if all > 0.0 { ended * hazard / all } else { 0.0 };
        survival[step + 1] = survival[step] * left;
        answers[step + 1] = answers[step] + part(stage.answered[step]);
        rang_at[step] = part(rang);
    }
    if let Some(ringing) = through {
        let direct = answers;
        for end in 1..=STEPS {
            let by_ringing: f64 =
                rang_at[..end].iter().enumerate().map(|(step, rang)| rang * ringing[end - step - 1]).sum();
            answers[end] = direct[end] + by_ringing;
        }
    }
    (survival, answers)
}

/// Probability that a line of this age, not ringing yet, is answered by each point and ever.
fn unrung(stage: &LineStage, ringing: &[f64; STEPS + 1], age: usize, points_s: &ByPoint) -> (ByPoint, f64) {
    let (mut by, mut ever, mut alive) = ([0.0; POINTS], 0.0, 1.0);
    for step in age..STEPS {
        let all = stage.answered[step] + stage.other[step] + stage.rang[step];
        let left = (-all * STEP_S).exp();
        let ended = alive * (1.0 - left);
        let (answered, rang) = if all > 0.0 {
            (ended * stage.answered[step] / all, ended * stage.rang[step] / all)
        } else {
            (0.0, 0.0)
        };
        let elapsed = (step - age) as f64;
        for point in 0..POINTS {
            let rest = points_s[point] / STEP_S - elapsed - 0.5;
            if rest > 0.0 {
                by[point] += answered + rang * interpolate(ringing, rest);
            }
        }
        ever += answered + rang * ringing[STEPS];
        alive *= left;
        if alive < 1e-4 {
            break;
        }
    }
    (by, ever)
}

fn interpolate(values: &[f64; STEPS + 1], at: f64) -> f64 {
    let at = at.clamp(0.0, STEPS as f64);
    let below = (at as usize).min(STEPS - 1);
    values[below] + (values[below + 1] - values[below]) * (at - below as f64)
}

/// Probability that an agent who has been in a stage since `age_s` is free by each wanted step from now.
fn reach(
    frame: &Frame,
    rates: &[[f64; seat::KINDS]; 64],
    age_s: f64,
    fresh: &[[f64; SEAT_STEPS + 1]; SEAT_STAGES],
    wanted: &[bool; SEAT_STEPS + 1],
    last: usize,
) -> [f64; SEAT_STEPS + 1] {
    let mut reached = [0.0; SEAT_STEPS + 1];
    let (mut direct, mut alive) = (0.0, 1.0);
    let mut entries = [[0.0; SEAT_STEPS]; 3];
    let mut through = [false; 3];
    let mut bin = frame.seat_bins.at(age_s + SEAT_STEP_S / 2.0);
    for step in 0..last.min(SEAT_STEPS) {
        let age = age_s + (step as f64 + 0.5) * SEAT_STEP_S;
        while frame.seat_bins.from(bin + 1) <= age {
            bin += 1;
        }
        let rate = &rates[bin.min(63)];
        let all: f64 = rate.iter().sum();
        let left = (-all * SEAT_STEP_S).exp();
        let ended = if all > 0.0 { alive * (1.0 - left) / all } else { 0.0 };
        direct += ended * rate[seat::READY];
        for (slot, kind) in [seat::WRAP, seat::FORM, seat::FINISHING].into_iter().enumerate() {
            entries[slot][step] = ended * rate[kind];
            through[slot] |= entries[slot][step] > 1e-4;
        }
        alive *= left;
        reached[step + 1] = direct;
    }
    for (slot, stage) in [WRAPPING, FORM_OPEN, FINISHING].into_iter().enumerate() {
        if !through[slot] {
            continue;
        }
        // Half a step of the second stage has passed on average when the first ends within a step.
        let done = |steps: usize| {
            if steps == 0 {
                fresh[stage][1] / 4.0
            } else {
                (fresh[stage][steps] + fresh[stage][steps + 1]) / 2.0
            }
        };
        for end in (1..=last.min(SEAT_STEPS)).filter(|end| wanted[*end]) {
            reached[end] += (0..end).map(|step| entries[slot][step] * done(end - step - 1)).sum::<f64>();
        }
    }
    reached
}
