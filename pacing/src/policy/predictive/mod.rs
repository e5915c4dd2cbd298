//! Predictive: as many lines as free agents can be expected to take, under a price and a hard stop.
//!
//! One more line is placed while the probability that its answer finds no agent in time is at most the accepted risk.
//! Rooms: `spell` (hazards by age), `learnt` (all of them, and priors), `tables` (probabilities by age and horizon),
//! `lines` and `seats` (what is out, who does what), `forecast` (answers against free agents), `price` (the accepted
//! risk), `options` and `state` (what is set, what survives).

mod forecast;
mod learnt;
mod lines;
mod options;
mod price;
mod seats;
mod spell;
mod state;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use options::PredictiveOptions;
pub use state::{PredictiveState, StateProblem};

use self::forecast::{EXACT_AGENTS_MAX, EXACT_LINES_MAX, Exact, Picture};
use self::learnt::{FINISHING, FORM_OPEN, Frame, Learnt, TALKING, WRAPPING};
use self::lines::Lines;
use self::price::Price;
use self::seats::{Activity, Seats};
use self::tables::{POINTS, Tables};
use crate::Pacer;
use crate::budget::Ledger;
use crate::decision::{Bound, Capacity, Decision, Forecast};
use crate::event::{CallKey, Event, EventKind};
use crate::floor::Floor;
use crate::numeric::Moments;

/// How long after the first line the answer rate is held to be at least the prior's.
const LAUNCH_S: f64 = 30.0;
/// In the first minutes little is known, and the accepted risk is a share that grows to the whole.
const EARLY_S: f64 = 900.0;
const EARLY_PRICE: f64 = 0.5;
/// Share of the answers that a stopped team would still bring that may be counted as there.
const CREDIT_STOPPED: f64 = 0.8;
/// Tables are rebuilt so often, in seconds: during the launch, and later.
const REBUILD_LAUNCH_S: f64 = 0.5;
const REBUILD_S: f64 = 6.0;
/// And only once so large a share of what is known is new.
const REBUILD_SHARE: f64 = 0.02;
/// Lines and agents brought up to date in one decision: all of so few, or this share of more.
const REFRESH_MOST: usize = 64;
const REFRESH_SHARE: usize = 8;
/// So long without any event while lines are out, and something is wrong: one line per free agent.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// The predictive policy.
#[derive(Clone, Debug)]
pub struct Predictive {
    options: PredictiveOptions,
    frame: Frame,
    learnt: Learnt,
    tables: Tables,
    lines: Lines,
    seats: Seats,
    floor: Floor,
    ledger: Ledger,
    /// The period before, for calls that were launched in it.
    ledger_before: Ledger,
    price: Price,
    period: u32,
    /// Answered calls that wait for an agent, with their period of launch.
    waiting: BTreeMap<CallKey, u32>,
    exact: Exact,
    /// When the first line was placed, in seconds.
    launched_s: Option<f64>,
    rebuilt_s: f64,
    /// Ends of spells known when the tables were built.
    known_built: f64,
    counted_s: f64,
    latest: Duration,
}

impl Predictive {
    /// A pacer that has learnt nothing yet, with what the period has seen so far.
    pub fn new(options: PredictiveOptions, ledger: Ledger) -> Self {
        let frame = Frame::new();
        let learnt = Learnt::new(&frame);
        Self::with(options, frame, learnt, Price::new(), ledger, None)
    }

    fn with(
        options: PredictiveOptions,
        frame: Frame,
        learnt: Learnt,
        price: Price,
        ledger: Ledger,
        launched_s: Option<f64>,
    ) -> Self {
        let tables = Tables::new(&frame, &learnt);
        Self {
            options,
            frame,
            learnt,
            tables,
            lines: Lines::new(),
            seats: Seats::new(),
            floor: Floor::default(),
            ledger,
            ledger_before: Ledger::default(),
            price,
            period: 0,
            waiting: BTreeMap::new(),
            exact: Exact::new(),
            launched_s,
            rebuilt_s: f64::NEG_INFINITY,
            known_built: 0.0,
            counted_s: 0.0,
            latest: Duration::ZERO,
        }
    }

    /// What the period has seen so far.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    fn charge(&mut self, period: u32, charge: impl FnOnce(&mut Ledger)) {
        charge(if period == self.period { &mut self.ledger } else { &mut self.ledger_before });
    }

    fn settled(&mut self, call: CallKey, how: Option<crate::event::Ending>, now_s: f64) -> Option<u32> {
        self.lines.settled(call, how, now_s, &self.frame, &mut self.learnt, &self.tables)
    }

    fn agent(&mut self, agent: crate::AgentKey, to: Option<Activity>, now_s: f64) {
        self.count_hours(now_s);
        self.seats.change(agent, to, now_s, &self.frame, &mut self.learnt, &self.tables);
    }

    fn told(&mut self, agent: crate::AgentKey, stage: usize, now_s: f64) {
        self.seats.told(agent, stage, now_s, &self.frame, &mut self.learnt, &self.tables);
    }

    fn count_hours(&mut self, now_s: f64) {
        self.learnt.agent_hours +=
            f64::from(self.seats.working()) * (now_s - self.counted_s).max(0.0) / 3600.0;
        self.counted_s = now_s;
    }

    fn is_launching(&self, now_s: f64) -> bool {
        self.launched_s.is_none_or(|launched_s| now_s < launched_s + LAUNCH_S)
    }

    /// Keeps tables, expectations and forgetting up to date.
    fn keep_up(&mut self, now_s: f64) {
        self.count_hours(now_s);
        let launching = self.is_launching(now_s);
        let interval = if launching { REBUILD_LAUNCH_S } else { REBUILD_S };
        if now_s < self.rebuilt_s + interval {
            let share = |count: usize| REFRESH_MOST.max(count / REFRESH_SHARE);
            self.lines.refresh(now_s, share(self.lines.len()), &self.tables);
            self.seats.refresh(now_s, share(self.seats.len()), &self.frame, &self.tables);
            return;
        }
        if self.options.learn {
            self.lines.expose(now_s, &self.frame, &mut self.learnt);
            self.seats.expose(now_s, &self.frame, &mut self.learnt);
            let elapsed_s = now_s - self.rebuilt_s;
            self.learnt.decay(if elapsed_s.is_finite() { elapsed_s.max(0.0) } else { 0.0 });
            let known = self.learnt.ends();
            if launching || (known - self.known_built).abs() >= 1.0 + REBUILD_SHARE * known {
                let grace_s = self.options.grace.as_secs_f64();
                self.tables.rebuild(&self.frame, &self.learnt, grace_s, launching);
                self.known_built = known;
            }
            self.lines.reckon(&self.learnt, &self.tables, now_s, launching);
        }
        self.rebuilt_s = now_s;
        self.lines.refresh(now_s, usize::MAX, &self.tables);
        self.seats.refresh(now_s, usize::MAX, &self.frame, &self.tables);
    }

    /// What the period allows still: the allowance of the hard stop, and the accepted risk.
    fn budget(&mut self, capacity: &Capacity) -> (f64, f64) {
        let limit = capacity.limits.abandon_limit;
        let hours_left = capacity.outlook.map_or(0.0, |outlook| outlook.agent_hours_left.max(0.0));
        let expected = hours_left * self.learnt.answers_per_agent_hour();
        let credit = if self.options.strict { 0.0 } else { self.credit(hours_left, expected) };
        let allowance = self.ledger.allowance(limit, credit, self.options.reserve);
        let stop = self.options.hard_stop && limit < 1.0;
        let since_s = self.launched_s.map_or(0.0, |launched_s| capacity.now.as_secs_f64() - launched_s);
        let early = EARLY_PRICE + (1.0 - EARLY_PRICE) * (since_s / EARLY_S).clamp(0.0, 1.0);
        let cost = 1.0 - self.tables.answers_per_stopped_hour() / self.learnt.answers_per_agent_hour();
        let caution = if stop { early * self.price.restraint(allowance, expected, cost) } else { early };
        let (left, expected) = match capacity.outlook {
            Some(_) => (self.ledger.allowance(limit, expected, self.options.reserve + 0.5), expected),
            // What is left is spent as if as much were still to come.
            None => {
                let expected = (self.ledger.live as f64).max(500.0);
                (self.ledger.allowance(limit, expected, self.options.reserve), expected)
            }
        };
        let accepted = match self.options.accepted_risk {
            Some(fixed) => fixed,
            None => self.price.accepted(limit, left, expected, caution),
        };
        (if stop { allowance } else { f64::INFINITY }, accepted)
    }

    /// Live answers still to come that the hard stop counts as there. Never more than one line per free agent would
    /// bring: a team that is stopped must be able to earn its credit.
    fn credit(&self, hours_left: f64, expected: f64) -> f64 {
        let careful = |answers: f64| (answers - 3.0 * answers.sqrt()).max(0.0);
        let stopped = hours_left * self.tables.answers_per_stopped_hour();
        (self.options.credit_share * careful(expected)).min(CREDIT_STOPPED * careful(stopped))
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
        }
    }

    /// How many lines to place beyond `least`, at most `most`, and what bound it.
    fn reckon(
        &mut self,
        least: u32,
        most: u32,
        capacity: &Capacity,
        launching: bool,
    ) -> (u32, Bound, Forecast) {
        let (allowance, accepted) = self.budget(capacity);
        let mut picture = self.picture(launching);
        let runs = capacity.upcoming.runs().map(|(segment, count)| (self.lines.odds_of(segment), count));
        let rest = self.lines.odds_of(crate::Segment::default());
        let mut placed = 0;
        let mut bound = Bound::Policy;
        let mut new = [Moments::default(); POINTS];
        let exactly =
            self.seats.working() as usize <= EXACT_AGENTS_MAX && self.lines.len() <= EXACT_LINES_MAX;
        if exactly {
            let (waiting, free) = (self.floor.lines_waiting() as usize, self.seats.free() as usize);
            self.exact.start(waiting, free, self.seats.busy());
            self.lines.iter().for_each(|line| self.exact.add(|point| line.by[point]));
        }
        for (odds, count) in runs.chain(std::iter::once((rest, u32::MAX))) {
            new = std::array::from_fn(|point| self.tables.new_line(odds, point));
            let room = most.saturating_sub(placed).min(count);
            let must = least.saturating_sub(placed).min(room);
            let wanted = if exactly && most <= EXACT_LINES_MAX as u32 {
                let doubt: [f64; POINTS] =
                    std::array::from_fn(|point| 1.0 + picture.doubt[point].min(4.0).sqrt());
                let by = |point: usize| (new[point].mean * doubt[point]).min(1.0);
                let mut wanted = 0;
                while wanted < room {
                    let free = wanted < must;
                    if !free && allowance <= 0.0 {
                        bound = Bound::Budget;
                        break;
                    }
                    if !free && self.exact.risk() > accepted {
                        bound = Bound::Risk;
                        break;
                    }
                    self.exact.add(by);
                    if !free && self.exact.exposure() >= allowance {
                        bound = Bound::Budget;
                        break;
                    }
                    wanted += 1;
                }
                wanted
            } else {
                let fits = |lines: u32| {
                    picture.risk(&new, f64::from(lines) - 1.0) <= accepted
                        && picture.exposure(&new, f64::from(lines)) < allowance
                };
                let wanted = largest(must, room, fits);
                if wanted < room {
                    let by_risk = allowance > 0.0 && picture.risk(&new, f64::from(wanted)) > accepted;
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
            risk: if exactly { self.exact.risk() } else { picture.risk(&new, 0.0) },
            risk_accepted: accepted,
            exposure: if exactly { self.exact.exposure() } else { picture.exposure(&new, 0.0) },
            allowance: if allowance.is_finite() { allowance } else { f64::MAX },
        };
        self.price.decided(bound != Bound::Budget, forecast.exposure);
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

impl Pacer for Predictive {
    fn observe(&mut self, event: &Event) {
        if self.floor.observe(event).is_err() {
            return;
        }
        self.latest = event.at;
        let now_s = event.at.as_secs_f64();
        match event.kind {
            EventKind::CallPlaced { call, segment } => {
                self.launched_s.get_or_insert(now_s);
                self.lines.placed(call, segment, self.period, now_s, &mut self.learnt, &self.tables);
            }
            EventKind::CallRinging { call } => {
                self.lines.rang(call, now_s, &self.frame, &mut self.learnt, &self.tables);
            }
            EventKind::CallAnswered { call } => {
                let period = self.settled(call, None, now_s).unwrap_or(self.period);
                self.waiting.insert(call, period);
                self.learnt.answers += 1.0;
                self.price.answered();
                self.charge(period, Ledger::answered);
            }
            EventKind::CallMachine { call } => {
                // One that was taken for live at first is not: it was charged as an answer.
                let waited = self.waiting.remove(&call);
                let period = self.settled(call, Some(crate::event::Ending::Answered), now_s).or(waited);
                self.charge(period.unwrap_or(self.period), |ledger| ledger.machine(waited.is_some()));
            }
            EventKind::CallBridged { call, .. } => {
                self.waiting.remove(&call);
            }
            EventKind::CallAbandoned { call, agent_lost } => {
                let period = self.waiting.remove(&call).unwrap_or(self.period);
                self.price.abandoned();
                self.charge(period, |ledger| ledger.abandoned(agent_lost));
            }
            EventKind::CallEnded { call, ending } => {
                self.waiting.remove(&call);
                self.settled(call, Some(ending), now_s);
            }
            EventKind::AgentReady { agent } => self.agent(agent, Some(Activity::Free), now_s),
            EventKind::AgentTalking { agent } => self.agent(agent, Some(Activity::Busy(TALKING)), now_s),
            EventKind::AgentWrapUp { agent } => self.agent(agent, Some(Activity::Busy(WRAPPING)), now_s),
            EventKind::AgentAway { agent } => self.agent(agent, Some(Activity::Away), now_s),
            EventKind::AgentLeft { agent } => self.agent(agent, None, now_s),
            EventKind::AgentFormOpened { agent } => self.told(agent, FORM_OPEN, now_s),
            EventKind::AgentFinishing { agent } => self.told(agent, FINISHING, now_s),
            EventKind::AgentLeaving { agent } => self.seats.leaving(agent, now_s, &self.frame, &self.tables),
            EventKind::PeriodBegan => {
                self.ledger_before = std::mem::take(&mut self.ledger);
                self.period = self.period.wrapping_add(1);
            }
        }
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        let now_s = capacity.now.as_secs_f64();
        self.keep_up(now_s);
        let launching = self.is_launching(now_s);
        let (free, out) = (self.floor.agents_free(), self.floor.lines_out());
        let least = free.saturating_sub(out);
        let room = capacity.lines_free.min(capacity.calls_per_second_free).min(capacity.supply);
        let silent = capacity.now.saturating_sub(self.latest) > SILENCE_MAX && out > 0;
        if !capacity.limits.over_dial || silent {
            let bound = if capacity.limits.over_dial { Bound::Agents } else { Bound::NoSafeHarbour };
            return super::fill(&self.floor, free.into(), bound, capacity);
        }
        let (place, bound, forecast) = self.reckon(least.min(room), room, capacity, launching);
        let wanted = u64::from(out) + u64::from(place.max(least));
        // Where room ran out the policy may have wanted more; what it wanted is not reckoned further.
        let wanted =
            if bound == Bound::Policy { wanted.max(u64::from(out) + u64::from(room) + 1) } else { wanted };
        let mut decision = super::fill(&self.floor, wanted, bound, capacity);
        decision.reason.forecast = Some(forecast);
        decision
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}
