//! Predictive: as many lines as free agents can be expected to take, under a price and a hard stop.
//!
//! One more line is placed while the probability that its answer finds no agent in time is at most the accepted risk.
//! Rooms: `spell` (hazards by age), `learnt` (all of them, and priors), `tables` (probabilities by age and horizon),
//! `lines` and `seats` (what is out, who does what), `forecast` (answers against free agents), `price` (the accepted
//! risk), `reckon` (how many lines), `owners` (lines for one agent alone), `options` and `state` (what is set, what survives).

mod forecast;
mod learnt;
mod lines;
#[cfg(test)]
mod optimum_tests;
mod options;
mod owners;
mod price;
mod reckon;
mod seats;
mod spell;
mod state;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use options::PredictiveOptions;
pub use owners::OWN_LINES_MAX;
pub use state::{PredictiveState, StateProblem};

use serde::{Deserialize, Serialize};

use self::forecast::Exact;
use self::learnt::{FINISHING, FORM_OPEN, Frame, Learnt, TALKING, WRAPPING};
use self::lines::{Launch, Lines};
use self::owners::Owners;
use self::price::Price;
use self::seats::{Activity, Seats};
use self::tables::Tables;
use crate::Pacer;
use crate::budget::Ledger;
use crate::decision::{Bound, Capacity, Decision};
use crate::event::{AgentKey, CallKey, Event, EventKind, Segment};
use crate::floor::Floor;
use crate::team::Ahead;

/// How long after the first line the answer rate is held to be at least the prior's.
const LAUNCH_S: f64 = 30.0;
/// Tables are rebuilt so often, in seconds: during the launch, and later.
const REBUILD_LAUNCH_S: f64 = 0.5;
const REBUILD_S: f64 = 6.0;
/// And only once so large a share of what is known is new.
const REBUILD_SHARE: f64 = 0.02;
/// Lines and agents brought up to date in one decision: all of so few, a share of more, of very many so many and a
/// smaller share. Each comes round within a second.
const REFRESH_FEW: usize = 64;
const REFRESH_SHARE: usize = 8;
const REFRESH_MANY: usize = 200;
const REFRESH_SHARE_MANY: usize = 32;
/// So long without any event while lines are out, and something is wrong: one line per free agent.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// The predictive policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Predictive {
    options: PredictiveOptions,
    #[serde(skip, default = "Frame::new")]
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
    owners: Owners,
    /// Begun anew by every decision.
    #[serde(skip, default = "Exact::new")]
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
            owners: Owners::default(),
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
        self.owners.settled(call);
        self.lines.settled(call, how, now_s, &self.frame, &mut self.learnt, &self.tables)
    }

    fn agent(&mut self, agent: AgentKey, to: Option<Activity>, now_s: f64) {
        self.count_hours(now_s);
        self.seats.change(agent, to, now_s, &self.frame, &mut self.learnt, &self.tables);
        // One whose lines are still out from before comes back as an owner.
        self.seats.set_apart(agent, self.floor.is_apart(agent));
    }

    fn placed(&mut self, call: CallKey, segment: Segment, owner: Option<AgentKey>, now_s: f64) {
        self.launched_s.get_or_insert(now_s);
        let launch = Launch { segment, period: self.period, owner };
        self.lines.placed(call, launch, now_s, &mut self.learnt, &self.tables);
        owner.into_iter().for_each(|owner| self.owners.placed(call, owner));
    }

    fn told(&mut self, agent: AgentKey, stage: usize, now_s: f64) {
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
            let share = |count: usize| {
                REFRESH_FEW.max((count / REFRESH_SHARE).min(REFRESH_MANY + count / REFRESH_SHARE_MANY))
            };
            self.lines.refresh(now_s, share(self.lines.all()), &self.tables);
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
                self.placed(call, segment, None, now_s);
            }
            EventKind::CallPlacedFor { call, segment, agent } => {
                self.placed(call, segment, Some(agent), now_s);
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
            EventKind::AgentApart { agent } => self.seats.set_apart(agent, true),
            EventKind::AgentPooled { agent } => self.seats.set_apart(agent, false),
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
        let is_out = out > 0 || self.floor.owned_out() > 0;
        let silent = capacity.now.saturating_sub(self.latest) > SILENCE_MAX && is_out;
        if !capacity.limits.over_dial || silent {
            self.owners.stands(None);
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

    fn ahead(&self, wishes: &BTreeMap<AgentKey, u32>, room: u32) -> Ahead {
        self.call_ahead(wishes, room)
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}
