//! What is learnt of lines and agents: hazards by age and stage, and how often a segment is answered.

use serde::{Deserialize, Serialize};

use super::spell::{Belief, Bins, Prior, Spells};
use crate::numeric::normal_tail;

/// Most segments told apart at once; the least known makes room for a new one, and where all have lines out it counts as the
/// whole campaign.
pub(super) const SEGMENTS_MAX: usize = 64;

/// Exits of a line.
pub(super) mod line {
    /// A person or unknown answered.
    pub const ANSWERED: usize = 0;
    /// It failed or a machine answered.
    pub const FAILED: usize = 1;
    /// The network failed.
    pub const NETWORK: usize = 2;
    /// It rings (from the first stage only).
    pub const RANG: usize = 3;
    pub const KINDS: usize = 4;
}

/// Exits of an agent's stage.
pub(super) mod seat {
    /// Free for a call.
    pub const READY: usize = 0;
    /// The talk ended, wrap-up began.
    pub const WRAP: usize = 1;
    /// The disposition form was opened.
    pub const FORM: usize = 2;
    /// The agent told that the end is near.
    pub const FINISHING: usize = 3;
    /// Gone: break, sign-off, phone lost.
    pub const GONE: usize = 4;
    pub const KINDS: usize = 5;
}

/// Stages of a busy agent, in the order of their tables.
pub(super) const TALKING: usize = 0;
pub(super) const WRAPPING: usize = 1;
pub(super) const FORM_OPEN: usize = 2;
pub(super) const FINISHING: usize = 3;
pub(super) const SEAT_STAGES: usize = 4;

/// Stages of a line.
pub(super) const PLACED: usize = 0;
pub(super) const RINGING: usize = 1;
pub(super) const LINE_STAGES: usize = 2;

/// How strongly priors are believed.
pub(super) const LINE_BELIEF: Belief = Belief { shape: 30.0, level: 2.0 };
pub(super) const SEAT_BELIEF: Belief = Belief { shape: 4.0, level: 2.0 };

/// Answers and talks beyond which the oldest are forgotten.
const ANSWERS_KEPT: f64 = 6_000.0;
const ENDS_KEPT: f64 = 6_000.0;
/// Everything is half forgotten after this many seconds.
const HALF_LIFE_S: f64 = 8.0 * 3600.0;

/// Answers of a segment against those expected of the campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SegmentCounts {
    pub placed: f64,
    pub answered: f64,
}

/// Fixed beliefs and bins.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub line_bins: Bins,
    pub seat_bins: Bins,
    pub line_priors: [Prior; LINE_STAGES],
    pub seat_priors: [Prior; SEAT_STAGES],
}

/// Share of a log-normal below an age.
fn lognormal(age: f64, median: f64, sigma: f64) -> f64 {
    if age <= 0.0 { 0.0 } else { 1.0 - normal_tail((age / median).ln() / sigma) }
}

/// What a line does if nothing else is known: 4 in 10 answered about 10 s after placing.
fn line_mass(kind: usize, age: f64, post_dial: f64) -> f64 {
    match kind {
        line::ANSWERED => 0.40 * lognormal(age, 8.0 + post_dial, 0.5),
        line::FAILED => {
            0.10 * lognormal(age, 1.0 + post_dial, 0.4) + 0.45 * lognormal(age, 20.0 + post_dial, 0.35)
        }
        line::NETWORK => 0.04 * lognormal(age, 1.5 + post_dial, 0.5),
        _ => 0.0,
    }
}

impl Frame {
    pub fn new() -> Self {
        let (line_bins, seat_bins) = (Bins::lines(), Bins::agents());
        let exponential = |age: f64, mean: f64| 1.0 - (-age / mean).exp();
        let only = |wanted: usize, share: f64, mean: f64| {
            move |kind: usize, age: f64| {
                if kind == wanted { share * exponential(age, mean) } else { 0.001 * exponential(age, mean) }
            }
        };
        let line_priors = [
            Prior::new(&line_bins, line::KINDS, |kind, age| line_mass(kind, age, 2.0)),
            Prior::new(&line_bins, line::KINDS, |kind, age| line_mass(kind, age, 0.5)),
        ];
        let seat_priors = [
            Prior::new(&seat_bins, seat::KINDS, only(seat::WRAP, 0.99, 120.0)),
            Prior::new(&seat_bins, seat::KINDS, only(seat::READY, 0.99, 20.0)),
            Prior::new(&seat_bins, seat::KINDS, only(seat::READY, 0.99, 15.0)),
            Prior::new(&seat_bins, seat::KINDS, only(seat::READY, 0.99, 8.0)),
        ];
        Self { line_bins, seat_bins, line_priors, seat_priors }
    }
}

/// All that is learnt; survives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Learnt {
    pub lines: [Spells; LINE_STAGES],
    pub seats: [Spells; SEAT_STAGES],
    pub segments: Vec<SegmentCounts>,
    /// Live answers and agent hours, for how many answers an hour brings.
    pub answers: f64,
    pub agent_hours: f64,
}

impl Learnt {
    pub fn new(frame: &Frame) -> Self {
        let lines = std::array::from_fn(|_| Spells::new(&frame.line_bins, line::KINDS));
        let seats = std::array::from_fn(|_| Spells::new(&frame.seat_bins, seat::KINDS));
        let segments = Vec::with_capacity(SEGMENTS_MAX);
        Self { lines, seats, segments, answers: 0.0, agent_hours: 0.0 }
    }

    /// Whether a stored state can be counted with.
    pub fn fits(&self, frame: &Frame) -> bool {
        self.lines.iter().all(|it| it.fits(&frame.line_bins, line::KINDS))
            && self.seats.iter().all(|it| it.fits(&frame.seat_bins, seat::KINDS))
            && self.segments.len() <= SEGMENTS_MAX
            && self
                .segments
                .iter()
                .flat_map(|it| [it.placed, it.answered])
                .all(|it| it.is_finite() && it >= 0.0)
            && [self.answers, self.agent_hours].iter().all(|it| it.is_finite() && *it >= 0.0)
    }

    /// Ends of lines and of agents' stages that were seen and are not forgotten.
    pub fn ends(&self) -> f64 {
        let lines = self.lines.iter().map(|it| (0..line::KINDS).map(|kind| it.exits_of(kind)).sum::<f64>());
        let seats = self.seats.iter().map(|it| (0..seat::KINDS).map(|kind| it.exits_of(kind)).sum::<f64>());
        lines.sum::<f64>() + seats.sum::<f64>()
    }

    /// Forgets: by time, and faster where there is more than is needed.
    pub fn decay(&mut self, elapsed_s: f64) {
        let by_time = (-elapsed_s / HALF_LIFE_S * std::f64::consts::LN_2).exp();
        let keep = |count: f64, most: f64| by_time * if count > most { most / count } else { 1.0 };
        let answered: f64 = self.lines.iter().map(|it| it.exits_of(line::ANSWERED)).sum();
        let keep_lines = keep(answered, ANSWERS_KEPT);
        self.lines.iter_mut().for_each(|it| it.decay(keep_lines));
        for stage in &mut self.seats {
            let ended = (0..seat::KINDS).map(|kind| stage.exits_of(kind)).sum();
            stage.decay(keep(ended, ENDS_KEPT));
        }
        for segment in &mut self.segments {
            segment.placed *= keep_lines;
            segment.answered *= keep_lines;
        }
        self.answers *= by_time;
        self.agent_hours *= by_time;
    }

    /// Live answers that a working agent hour brings: what one line per free agent would bring until more is known.
    pub fn answers_per_agent_hour(&self, stopped: f64) -> f64 {
        (self.answers + stopped) / (self.agent_hours + 1.0)
    }
}
