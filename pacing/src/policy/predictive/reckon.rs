//! How many lines to place: the risk of one more against the price, the exposure of all against the hard stop.

use super::Predictive;
use super::forecast::{EXACT_AGENTS_MAX, EXACT_LINES_MAX, Picture, worth};
use super::owners::Stance;
use super::tables::{ByPoint, POINTS};
use crate::decision::{Bound, Capacity, Forecast};
use crate::event::Segment;
use crate::numeric::{Moments, normal_tail};

/// In the first minutes little is known, and the accepted risk is a share that grows to the whole.
const EARLY_S: f64 = 900.0;
const EARLY_PRICE: f64 = 0.4;
/// Share of the answers that a stopped team would still bring that may be counted as there.
const CREDIT_STOPPED: f64 = 0.8;
/// Share of the reserve that a small team with owners keeps.
const RESERVE_OWNERS: f64 = 1.0 / 3.0;
/// Machines expected a live answer, believed like so many answers.
const MACHINES_AN_ANSWER: (f64, f64) = (2.0, 30.0);
/// Deviations of the normal up to which answers that find no agent are charged: usually (0.03%, as the highest of
/// many moments is beyond its quantile three times as often as any one of them), and at the very end of the period.
const EXPOSED: (f64, f64) = (3.4, 6.0);
/// The same where losses are reckoned exactly.
const EXPOSED_EXACT: (f64, f64) = (4.8, 5.5);
/// From so many ring horizons before the end of the period it grows.
const LAST_HORIZONS: f64 = 30.0;

impl Predictive {
    /// What the period allows still: the allowance of the hard stop, and the accepted risk.
    fn budget(&mut self, capacity: &Capacity) -> (f64, f64) {
        let limit = capacity.limits.abandon_limit;
        let hours_left = capacity.outlook.map_or(0.0, |outlook| outlook.agent_hours_left.max(0.0));
        let stopped = self.tables.answers_per_stopped_hour();
        let rate = self.learnt.answers_per_agent_hour(stopped);
        let expected = hours_left * rate;
        let credit = if self.options.strict { 0.0 } else { self.credit(hours_left, expected) };
        // To a small team a call is a large part of its budget: its exposure, reckoned exactly, reaches up further
        // instead, and lines whose losses are sure to be few may still use the last call. Owners' losses are reckoned by
        // their moments.
        let share = match (self.is_small(), self.floor.has_apart()) {
            (true, false) => 0.0,
            (true, true) => RESERVE_OWNERS,
            (false, _) => 1.0,
        };
        let reserve = share * self.options.reserve;
        let charged = self.ledger.charged(capacity.limits.false_positives);
        // What a live answer still to come brings, once those lost to machine detection beside it are charged; where it
        // brings nothing, all that is still to come is a burden.
        let each = self.each_brings(capacity);
        let ahead = |answers: f64| if each > 0.0 { each * answers } else { each * expected };
        let allowance = charged.allowance(limit, reserve) + ahead(credit);
        let stop = self.options.hard_stop && limit < 1.0;
        let early = EARLY_PRICE + (1.0 - EARLY_PRICE) * (self.since_launch_s(capacity) / EARLY_S).min(1.0);
        let cost = 1.0 - stopped / rate;
        let caution = if stop { early * self.price.restraint(allowance, expected, cost) } else { early };
        let (left, expected) = match capacity.outlook {
            Some(_) => (charged.allowance(limit, reserve + 0.5) + ahead(expected), expected),
            // What is left is spent as if as much were still to come.
            None => {
                let expected = (self.ledger.live as f64).max(500.0);
                (charged.allowance(limit, reserve) + each.max(0.0) * expected, expected)
            }
        };
        let accepted = match self.options.accepted_risk {
            Some(fixed) => fixed,
            None => self.price.accepted(each.max(0.0), left, expected, cost, caution),
        };
        (if stop { allowance } else { f64::INFINITY }, accepted)
    }

    /// Whether the team is of a size whose losses are reckoned exactly, owners included.
    fn is_small(&self) -> bool {
        self.seats.working() as usize <= EXACT_AGENTS_MAX
    }

    /// Share of the agents coming by the first point who come within the grace of an answer now.
    pub(super) fn near(&self) -> f64 {
        let grace_s = self.options.grace.as_secs_f64();
        grace_s / (self.tables.points_s[0] + grace_s).max(1e-3)
    }

    fn since_launch_s(&self, capacity: &Capacity) -> f64 {
        self.launched_s.map_or(0.0, |launched_s| (capacity.now.as_secs_f64() - launched_s).max(0.0))
    }

    /// Abandoned calls that one more live answer allows, those lost to machine detection taken off.
    fn each_brings(&self, capacity: &Capacity) -> f64 {
        let (limit, share) = (capacity.limits.abandon_limit, capacity.limits.false_positives);
        if share <= 0.0 {
            return limit;
        }
        let (machines, answers) = MACHINES_AN_ANSWER;
        let machines =
            (self.ledger.machines as f64 + machines * answers) / (self.ledger.live as f64 + answers);
        limit - share * machines * (1.0 - limit)
    }

    /// Live answers still to come that the hard stop counts as there. Never more than one line per free agent would
    /// bring: a team that is stopped must be able to earn its credit.
    fn credit(&self, hours_left: f64, expected: f64) -> f64 {
        let careful = |answers: f64| (answers - 3.0 * answers.sqrt()).max(0.0);
        let stopped = hours_left * self.tables.answers_per_stopped_hour();
        (self.options.credit_share * careful(expected)).min(CREDIT_STOPPED * careful(stopped))
    }

    /// How many deviations of the normal the exposure reaches up: more where little time is left to earn back what luck
    /// takes.
    fn deviations(&self, capacity: &Capacity) -> f64 {
        let (usual, last) = if self.is_small() { EXPOSED_EXACT } else { EXPOSED };
        let Some(outlook) = capacity.outlook else { return usual };
        let left_s = 3600.0 * outlook.agent_hours_left.max(0.0) / f64::from(self.seats.working()).max(1.0);
        let horizon_s = self.tables.points_s[POINTS - 1] + self.options.grace.as_secs_f64();
        last - (last - usual) * (left_s / (LAST_HORIZONS * horizon_s)).min(1.0)
    }

    fn picture(&self, launching: bool) -> Picture {
        let doubt = self.tables.doubt;
        // Later than the launch the answers seen are many, and doubt about the level is the fast level's matter.
        Picture {
            waiting: f64::from(self.floor.lines_waiting()),
            free: f64::from(self.seats.free()),
            lines: self.lines.len() as f64,
            answers: std::array::from_fn(|point| self.lines.answers(point)),
            coming: std::array::from_fn(|point| self.seats.coming(point)),
            doubt,
            doubt_free: if launching { self.tables.doubt_free.max(0.1) } else { self.tables.doubt_free },
            near: self.near(),
        }
    }

    /// How many lines to place beyond `least`, at most `most`, and what bound it.
    pub(super) fn reckon(
        &mut self,
        least: u32,
        most: u32,
        capacity: &Capacity,
        launching: bool,
    ) -> (u32, Bound, Forecast) {
        let (allowance, price) = self.budget(capacity);
        // Times what the answer of the last line asked about is worth.
        let mut accepted = price;
        let deviations = self.deviations(capacity);
        let losses = self.owned_losses();
        let owned = losses.exposure(deviations);
        let allowance = allowance - owned;
        let tail = normal_tail(deviations);
        let mut picture = self.picture(launching);
        let runs = capacity.upcoming.runs().map(|(segment, count)| (self.lines.odds_of(segment), count));
        let rest = self.lines.odds_of(Segment::default());
        let mut placed = 0;
        let mut bound = Bound::Policy;
        let mut new = [Moments::default(); POINTS];
        // What is launched is what was reckoned with: risk and exposure after the last line that fits.
        let (mut risk, mut exposure) = (0.0, 0.0);
        let exactly = self.seats.pooled() as usize <= EXACT_AGENTS_MAX && self.lines.len() <= EXACT_LINES_MAX;
        if exactly {
            let (waiting, free) = (self.floor.lines_waiting() as usize, self.seats.free() as usize);
            self.exact.start(waiting, free, self.seats.busy());
            self.lines.iter().for_each(|line| self.exact.add(|point| line.by[point]));
            (risk, exposure) = (self.exact.risk(&self.tables.points_s), self.exact.exposure(tail));
        }
        let most = if exactly { most.min(EXACT_LINES_MAX as u32) } else { most };
        let doubt: ByPoint = picture.doubt.map(|doubt| 1.0 + doubt.min(4.0).sqrt());
        let agents = picture.free + picture.coming[POINTS / 2].mean;
        // Nobody is rushed in the first minutes because few answers seem to be under way.
        let worth_most = if self.since_launch_s(capacity) < EARLY_S { 1.0 } else { f64::INFINITY };
        for (odds, count) in runs.chain(std::iter::once((rest, u32::MAX))) {
            new = std::array::from_fn(|point| self.tables.new_line(odds, point));
            let room = most.saturating_sub(placed).min(count);
            let must = least.saturating_sub(placed).min(room);
            let wanted = if exactly {
                let (under_way, each) = (picture.under_way(), new[POINTS - 1].mean);
                let by = |point: usize| (new[point].mean * doubt[point]).min(1.0);
                let mut wanted = 0;
                while wanted < room {
                    let free = wanted < must;
                    if !free && allowance <= 0.0 {
                        bound = Bound::Budget;
                        break;
                    }
                    accepted =
                        price * worth(under_way + each * f64::from(wanted + 1), agents).min(worth_most);
                    if !free && risk > accepted {
                        bound = Bound::Risk;
                        break;
                    }
                    self.exact.add(by);
                    let with = self.exact.exposure(tail);
                    if !free && with >= allowance {
                        bound = Bound::Budget;
                        break;
                    }
                    (risk, exposure) = (self.exact.risk(&self.tables.points_s), with);
                    wanted += 1;
                }
                wanted
            } else {
                let fits = |lines: u32| {
                    picture.risk(&new, f64::from(lines) - 1.0) <= price
                        && picture.exposure(&new, f64::from(lines), deviations) < allowance
                };
                let wanted = largest(must, room, fits);
                if wanted < room {
                    let by_risk = allowance > 0.0 && picture.risk(&new, f64::from(wanted)) > price;
                    bound = if by_risk { Bound::Risk } else { Bound::Budget };
                }
                wanted
            };
            picture.add(&new, f64::from(wanted));
            placed += wanted;
            if wanted < room || placed >= most {
                break;
            }
        }
        if launching && bound == Bound::Risk {
            bound = Bound::Ramp;
        }
        let point = POINTS / 2;
        let forecast = Forecast {
            horizon_s: self.tables.points_s[point],
            answers: picture.answers[point].mean + picture.waiting,
            answers_deviation: picture.answers[point].variance.max(0.0).sqrt(),
            agents: picture.free + picture.coming[point].mean,
            agents_deviation: picture.coming[point].variance.max(0.0).sqrt(),
            risk: if exactly { risk } else { picture.risk(&new, 0.0) },
            risk_accepted: accepted,
            exposure: if exactly { exposure } else { picture.exposure(&new, 0.0, deviations) },
            allowance: if allowance.is_finite() { allowance } else { f64::MAX },
        };
        let rest: ByPoint =
            std::array::from_fn(|point| (self.tables.new_line(rest, point).mean * doubt[point]).min(1.0));
        self.owners.stands(Some(Stance {
            accepted: price,
            allowance: allowance + owned - forecast.exposure,
            losses,
            deviations,
            new: rest,
            launching,
        }));
        self.price.decided(bound != Bound::Budget && allowance > 0.0, forecast.exposure + owned);
        (placed, bound, forecast)
    }
}

/// The largest number from `low` to `high` for which it fits, if it does for all below; `low` is not asked.
fn largest(low: u32, high: u32, fits: impl Fn(u32) -> bool) -> u32 {
    let (mut sure, mut step) = (low, 1u32);
    // Few are wanted mostly: steps grow from one.
    loop {
        let next = sure.saturating_add(step).min(high);
        if next == sure {
            return sure;
        }
        if !fits(next) {
            let mut over = next;
            while over - sure > 1 {
                let middle = sure + (over - sure) / 2;
                if fits(middle) { sure = middle } else { over = middle }
            }
            return sure;
        }
        (sure, step) = (next, step.saturating_mul(2));
    }
}
