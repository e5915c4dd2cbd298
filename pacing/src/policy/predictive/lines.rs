//! Lines that have not been answered: each one's age, and how many answers to expect of all by each point.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::learnt::{Frame, Learnt, PLACED, RINGING, SEGMENTS_MAX, SegmentCounts, line};
use super::tables::{ByPoint, POINTS, Tables, scaled};
use crate::event::{AgentKey, CallKey, Ending, Segment};
use crate::numeric::Moments;

/// Spells in which network failures say that there is an outage: their share of recent ends.
const OUTAGE_SHARE: f64 = 0.35;
/// Segment counts are shrunk to the campaign's by so many lines.
const SEGMENT_WEIGHT: f64 = 12.0;
/// Answers after which those before count half in the fast level.
const FAST_ANSWERS: f64 = 80.0;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    key: CallKey,
    segment: usize,
    pub period: u32,
    owner: Option<AgentKey>,
    stage: usize,
    /// Since when it is in its stage.
    since_s: f64,
    /// Until when its exposure to an early answer is counted.
    counted_s: f64,
    /// Until when its exposure in the tables is counted.
    exposed_s: f64,
    pub by: ByPoint,
}

impl Line {
    // A call for each of ten thousand lines costs a sixth of a decision.
    #[inline(always)]
    /// Brings its probabilities up to date, in the sums too, and the answers that the slow level expected of it.
    fn refresh(
        &mut self,
        odds: f64,
        fast_odds: f64,
        now_s: f64,
        tables: &Tables,
        sums: &mut [Moments; POINTS],
        expected: &mut f64,
    ) {
        let (by, ever, hazard) = tables.line(self.stage, now_s - self.since_s);
        // Against the slow level: the segment's odds are known, the fast level is what is measured.
        let hazard = hazard * odds / (1.0 + (odds - 1.0) * ever);
        *expected += hazard * (now_s - self.counted_s).max(0.0);
        self.counted_s = now_s;
        let factor = scaled(1.0, ever, odds * fast_odds);
        let pooled = self.owner.is_none();
        for ((sum, old), by) in sums.iter_mut().zip(&mut self.by).zip(by) {
            let new = (by * factor).min(1.0);
            if pooled {
                sum.replace(*old, new);
            }
            *old = new;
        }
    }
}

/// What is known of a line when it is placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Launch {
    pub segment: Segment,
    pub period: u32,
    /// The agent who alone may take its answer: it is none of the pool's.
    pub owner: Option<AgentKey>,
}

/// All lines that have not been answered. Owners' lines teach what lines do; what is summed up is the pool's alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lines {
    lines: Vec<Line>,
    pooled: usize,
    places: BTreeMap<CallKey, usize>,
    segments: BTreeMap<Segment, usize>,
    /// Odds of answer of each segment against the campaign, the last one for those not told apart.
    odds: Vec<f64>,
    sums: [Moments; POINTS],
    next: usize,
    /// Answers lately, and those expected of the slow level.
    fast: (f64, f64),
    fast_odds: f64,
    network_share: f64,
}

impl Lines {
    pub fn new() -> Self {
        Self {
            lines: Vec::new(),
            pooled: 0,
            places: BTreeMap::new(),
            segments: BTreeMap::new(),
            odds: vec![1.0; SEGMENTS_MAX + 1],
            sums: [Moments::default(); POINTS],
            next: 0,
            fast: (0.0, 0.0),
            fast_odds: 1.0,
            network_share: 0.0,
        }
    }

    /// Lines of the pool.
    pub fn len(&self) -> usize {
        self.pooled
    }

    /// Lines, owners' included.
    pub fn all(&self) -> usize {
        self.lines.len()
    }

    /// Lines of the pool.
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.owner.is_none())
    }

    /// Probabilities that a line is answered by each point.
    pub fn by(&self, key: CallKey) -> Option<&ByPoint> {
        self.places.get(&key).and_then(|place| self.lines.get(*place)).map(|line| &line.by)
    }

    /// Moments of the pool's answers by a point.
    pub fn answers(&self, point: usize) -> Moments {
        self.sums[point]
    }

    /// Odds of a segment against the campaign's average, the latest change of the answer rate included.
    pub fn odds_of(&self, segment: Segment) -> f64 {
        let index = self.segments.get(&segment).copied().unwrap_or(SEGMENTS_MAX);
        self.odds[index] * self.fast_odds
    }

    pub fn placed(&mut self, key: CallKey, launch: Launch, now_s: f64, learnt: &mut Learnt, tables: &Tables) {
        let Launch { segment, period, owner } = launch;
        let segment = self.segment(segment, learnt);
        if let Some(counts) = learnt.segments.get_mut(segment) {
            counts.placed += 1.0;
        }
        self.pooled += usize::from(owner.is_none());
        self.places.insert(key, self.lines.len());
        self.lines.push(Line {
            key,
            segment,
            period,
            owner,
            stage: PLACED,
            since_s: now_s,
            counted_s: now_s,
            exposed_s: now_s,
            by: [0.0; POINTS],
        });
        self.refresh_one(self.lines.len() - 1, now_s, tables);
    }

    pub fn rang(&mut self, key: CallKey, now_s: f64, frame: &Frame, learnt: &mut Learnt, tables: &Tables) {
        let Some(place) = self.places.get(&key).copied() else { return };
        let line = &mut self.lines[place];
        if line.stage == RINGING {
            return;
        }
        expose(line, now_s, frame, learnt);
        learnt.lines[PLACED].exit(&frame.line_bins, line::RANG, now_s - line.since_s);
        (line.stage, line.since_s, line.exposed_s) = (RINGING, now_s, now_s);
        self.refresh_one(place, now_s, tables);
    }

    /// A line was answered or ended: its period of launch, if it was out.
    pub fn settled(
        &mut self,
        key: CallKey,
        how: Option<Ending>,
        now_s: f64,
        frame: &Frame,
        learnt: &mut Learnt,
        tables: &Tables,
    ) -> Option<u32> {
        let place = self.places.remove(&key)?;
        self.refresh_one(place, now_s, tables);
        let mut line = self.lines.swap_remove(place);
        if let Some(moved) = self.lines.get(place) {
            self.places.insert(moved.key, place);
        }
        if line.owner.is_none() {
            self.pooled -= 1;
            for (sum, by) in self.sums.iter_mut().zip(line.by) {
                sum.add(Moments::bernoulli(by), -1.0);
            }
        }
        if self.pooled == 0 {
            self.sums = [Moments::default(); POINTS];
        }
        let kind = match how {
            None => line::ANSWERED,
            Some(Ending::Network) => line::NETWORK,
            Some(Ending::Callee | Ending::Answered) => line::FAILED,
            // Nothing is learnt from a line that was taken back, not even that there was one.
            Some(Ending::Us) => {
                take_back(line.segment, learnt);
                return Some(line.period);
            }
        };
        let failed = f64::from(u8::from(kind == line::NETWORK));
        self.network_share += (failed - self.network_share) / 25.0;
        if kind == line::NETWORK && self.network_share > OUTAGE_SHARE {
            take_back(line.segment, learnt);
            return Some(line.period);
        }
        expose(&mut line, now_s, frame, learnt);
        learnt.lines[line.stage].exit(&frame.line_bins, kind, now_s - line.since_s);
        if kind == line::ANSWERED {
            self.fast.0 += 1.0;
            if let Some(counts) = learnt.segments.get_mut(line.segment) {
                counts.answered += 1.0;
            }
        }
        Some(line.period)
    }

    /// Counts the time at risk of all running lines.
    pub fn expose(&mut self, now_s: f64, frame: &Frame, learnt: &mut Learnt) {
        for line in &mut self.lines {
            expose(line, now_s, frame, learnt);
        }
    }

    /// Draws new odds from what was learnt.
    pub fn reckon(&mut self, learnt: &Learnt, tables: &Tables, now_s: f64, launching: bool) {
        let (_, ever, _) = tables.line(PLACED, 0.0);
        let campaign = ever.clamp(0.005, 0.995);
        let mut open = [0.0; SEGMENTS_MAX + 1];
        for line in &self.lines {
            let (_, ever, _) = tables.line(line.stage, now_s - line.since_s);
            let segment = line.segment.min(SEGMENTS_MAX);
            open[segment] += scaled(ever, ever, self.odds[segment]);
        }
        for (index, counts) in learnt.segments.iter().enumerate() {
            let answered = counts.answered + open[index];
            let rate =
                (answered + SEGMENT_WEIGHT * campaign) / (counts.placed.max(answered) + SEGMENT_WEIGHT);
            let rate = rate.clamp(0.001, 0.999);
            self.odds[index] = rate / (1.0 - rate) * (1.0 - campaign) / campaign;
        }
        // The fast level counts only as far as chance does not explain it.
        let (seen, expected) = self.fast;
        let keep = (FAST_ANSWERS / expected.max(FAST_ANSWERS)).min(1.0);
        self.fast = (seen * keep, expected * keep);
        let surprise = (seen - expected).powi(2) / (expected + 4.0);
        let trust = if launching { 0.0 } else { (1.0 - 2.5 / surprise.max(1e-9)).max(0.0) };
        let level = (seen + 4.0) / (expected + 4.0);
        self.fast_odds = (1.0 + trust * (level - 1.0)).clamp(0.2, 5.0);
        if launching {
            self.fast = (0.0, 0.0);
        }
    }

    /// Brings the expectations of a share of the lines up to date; of all where they are few.
    pub fn refresh(&mut self, now_s: f64, most: usize, tables: &Tables) {
        let count = self.lines.len();
        if count == 0 {
            return;
        }
        // Kept beside while so many are added up.
        let (mut sums, mut expected) = (self.sums, self.fast.1);
        for _ in 0..count.min(most) {
            self.next = if self.next + 1 < count { self.next + 1 } else { 0 };
            let line = &mut self.lines[self.next];
            line.refresh(self.odds[line.segment], self.fast_odds, now_s, tables, &mut sums, &mut expected);
        }
        (self.sums, self.fast.1) = (sums, expected);
    }

    fn refresh_one(&mut self, place: usize, now_s: f64, tables: &Tables) {
        let line = &mut self.lines[place];
        let odds = self.odds[line.segment];
        line.refresh(odds, self.fast_odds, now_s, tables, &mut self.sums, &mut self.fast.1);
    }

    fn segment(&mut self, segment: Segment, learnt: &mut Learnt) -> usize {
        if segment == Segment::default() {
            return SEGMENTS_MAX;
        }
        if let Some(index) = self.segments.get(&segment) {
            return *index;
        }
        let Some(index) = self.room_for_segment(segment, learnt) else { return SEGMENTS_MAX };
        self.segments.insert(segment, index);
        index
    }

    /// A place for the counts of one more segment: a new one, or that of the segment least is known of. Those with a line
    /// out are kept, and those of an hour that is being called as long as there are others: the hours of a day pass, and
    /// what was learnt of the first must not keep out the last.
    fn room_for_segment(&mut self, new: Segment, learnt: &mut Learnt) -> Option<usize> {
        if learnt.segments.len() < SEGMENTS_MAX {
            learnt.segments.push(SegmentCounts::default());
            return Some(learnt.segments.len() - 1);
        }
        let mut out = [false; SEGMENTS_MAX + 1];
        self.lines.iter().for_each(|line| out[line.segment.min(SEGMENTS_MAX)] = true);
        let mut called = [false; 256];
        called[usize::from(new.hour)] = true;
        for (segment, index) in &self.segments {
            called[usize::from(segment.hour)] |= out[*index];
        }
        let without_line = self.segments.iter().filter(|(_, index)| !out[**index]);
        let least = without_line.min_by(|(one, at), (other, beside)| {
            let placed = learnt.segments[**at].placed.total_cmp(&learnt.segments[**beside].placed);
            called[usize::from(one.hour)].cmp(&called[usize::from(other.hour)]).then(placed)
        });
        let (gone, index) = least.map(|(segment, index)| (*segment, *index))?;
        self.segments.remove(&gone);
        learnt.segments[index] = SegmentCounts::default();
        self.odds[index] = 1.0;
        Some(index)
    }

    /// What the counts of segments are of, in their order.
    pub fn segment_names(&self) -> Vec<Segment> {
        let mut named: Vec<(usize, Segment)> =
            self.segments.iter().map(|(segment, index)| (*index, *segment)).collect();
        named.sort_unstable();
        named.into_iter().map(|(_, segment)| segment).collect()
    }

    /// Takes up the segments that counts are of, in their order; counts that nobody can tell the segment of are
    /// forgotten.
    pub fn name_segments(&mut self, names: &[Segment], learnt: &mut Learnt) {
        self.segments = names.iter().enumerate().map(|(index, segment)| (*segment, index)).collect();
        let told_apart = self.segments.len() == learnt.segments.len() && names.len() == learnt.segments.len();
        if !told_apart || self.segments.contains_key(&Segment::default()) {
            self.segments.clear();
            learnt.segments.clear();
        }
    }
}

/// A line that nothing is learnt from was not placed either.
fn take_back(segment: usize, learnt: &mut Learnt) {
    if let Some(counts) = learnt.segments.get_mut(segment) {
        counts.placed = (counts.placed - 1.0).max(0.0);
    }
}

fn expose(line: &mut Line, now_s: f64, frame: &Frame, learnt: &mut Learnt) {
    learnt.lines[line.stage].expose(&frame.line_bins, line.exposed_s - line.since_s, now_s - line.since_s);
    line.exposed_s = now_s;
}
