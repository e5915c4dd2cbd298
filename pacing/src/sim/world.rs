//! The events of a shift: calls are placed, answered and talked through, and the pacer is told and asked as the
//! engine would do it.

mod owned;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use self::owned::Owned;
use super::desk::{Desk, Leave, State};
use super::fate::{End, Fate, segment_of};
use super::measure::Shift;
use super::plan::Scenario;
use crate::decision::{Capacity, Limits, Outlook, Upcoming};
use crate::event::{AgentKey, CallKey, Ending, Event, EventKind};
use crate::{Decision, Pacer};

/// The pacer is asked at most this often.
const ASK_MIN_US: u64 = 50_000;
/// And at least this often.
const ASK_MAX_US: u64 = 500_000;
/// From one day's start to the next.
const DAY_S: f64 = 86_400.0;

/// What will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Rings(u64),
    Settles(u64),
    GivesUp(u64),
    TalkEnds(u32, u32),
    WrapEnds(u32, u32),
    Signals(u32, u32),
    Leaves(u32, bool),
    LunchOver(u32),
    Comes(u32),
    EarlyLeave,
}

/// A call that is not over.
#[derive(Clone, Copy, Debug)]
struct Call {
    fate: Fate,
    answered_s: f64,
    stage: Stage,
    owner: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Out,
    Waiting,
    Talking,
    Over,
}

/// Terms that differ between policies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// The limit that the pacer is told; measured is always the scenario's.
    pub limit_told: f64,
    /// Whether the pacer is told how many agent hours are scheduled.
    pub outlook_told: bool,
    /// Whether more lines than free agents may be out at all.
    pub over_dial: bool,
}

struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    pacer: &'a mut dyn Pacer,
    terms: Terms,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    sequence: u64,
    desk: Desk,
    calls: VecDeque<Call>,
    /// Index of the first call in `calls`.
    first: u64,
    out: u32,
    talks: u32,
    waiting: VecDeque<u64>,
    owned: Option<Owned>,
    tokens: f64,
    tokens_at_s: f64,
    day: u32,
    now_us: u64,
    ask_us: u64,
    asked_us: u64,
    shift: Shift,
}

/// Runs all days of a scenario; one result a day.
pub fn run(scenario: &Scenario, seed: u64, pacer: &mut dyn Pacer, terms: Terms) -> Vec<Shift> {
    let minutes = (scenario.hours * 60.0).ceil() as usize;
    let mut world = World {
        scenario,
        seed,
        pacer,
        terms,
        due: BinaryHeap::new(),
        sequence: 0,
        desk: Desk::new(scenario, seed),
        calls: VecDeque::new(),
        first: 0,
        out: 0,
        talks: 0,
        waiting: VecDeque::new(),
        owned: Owned::new(scenario.owned_share, scenario.agents, seed, terms.limit_told < 1.0),
        tokens: 0.0,
        tokens_at_s: 0.0,
        day: 0,
        now_us: 0,
        ask_us: 0,
        asked_us: 0,
        shift: Shift::new(minutes),
    };
    (0..scenario.days).map(|day| world.run_day(day, minutes)).collect()
}

impl World<'_> {
    fn run_day(&mut self, day: u32, minutes: usize) -> Shift {
        self.day = day;
        self.now_us = self.at_us(0.0);
        if day > 0 && !self.scenario.one_period {
            self.tell(EventKind::PeriodBegan);
        }
        self.shift = Shift::new(minutes);
        let refused_before = self.pacer.refused_events();
        self.begin();
        let end_us = self.at_us(self.scenario.hours * 3600.0);
        loop {
            let next_us = self.due.peek().map_or(u64::MAX, |Reverse((at_us, _, _))| *at_us);
            if self.ask_us < next_us && self.ask_us < end_us {
                self.now_us = self.ask_us;
                self.ask();
                continue;
            }
            // After closing only what is still on the lines is waited for.
            if next_us >= end_us && self.out == 0 && !self.anybody_waits() {
                break;
            }
            let Some(Reverse((at_us, _, due))) = self.due.pop() else { break };
            self.now_us = at_us;
            self.happens(due);
        }
        self.close();
        self.shift.refused = self.pacer.refused_events() - refused_before;
        std::mem::replace(&mut self.shift, Shift::new(1))
    }

    fn begin(&mut self) {
        self.due.clear();
        self.desk.begin_day();
        (self.tokens, self.tokens_at_s) = (0.0, 0.0);
        let roster = self.scenario.roster;
        let (mut count, length_s) = (self.scenario.agents, self.scenario.hours * 3600.0);
        let scenario = self.scenario;
        if !scenario.stays.is_empty() {
            count = 0;
        }
        // Those who go are planned before those who come, so that a stay can follow another at once.
        for stay in scenario.stays.iter().filter(|stay| stay.to_h < scenario.hours) {
            self.plan(stay.to_h * 3600.0, Due::Leaves(stay.agent, true));
        }
        for stay in &scenario.stays {
            self.plan(stay.from_h * 3600.0, Due::Comes(stay.agent));
        }
        for agent in 0..count {
            self.sits_down(agent);
            let until_s = self.desk.agents[agent as usize].until_s;
            if until_s < length_s {
                self.plan(until_s, Due::Leaves(agent, true));
            }
            if roster.lunch_at_h > 0.0 {
                let group = agent % roster.lunch_groups.max(1);
                let starts_s = roster.lunch_at_h * 3600.0 + f64::from(group) * roster.lunch_min * 60.0;
                self.plan(starts_s, Due::Leaves(agent, false));
                self.plan(starts_s + roster.lunch_min * 60.0, Due::LunchOver(agent));
            }
        }
        if roster.early_share > 0.0 {
            self.plan(roster.early_at_h * 3600.0, Due::EarlyLeave);
        }
        self.ask_us = self.now_us;
        self.asked_us = self.now_us.saturating_sub(ASK_MIN_US);
    }

    /// Everybody goes home; talks that went on are over.
    fn close(&mut self) {
        let length_s = self.scenario.hours * 3600.0;
        let now_s = self.now_s().max(length_s);
        self.now_us = self.at_us(now_s);
        for agent in 0..self.scenario.agents {
            let state = self.desk.agents[agent as usize].state;
            if let State::Talking { call } = state {
                self.end_call(call, Ending::Answered);
            }
            if state != State::Off {
                self.desk.change(agent, State::Off, now_s, &mut self.shift);
                self.tell(EventKind::AgentLeft { agent: AgentKey(agent.into()) });
            }
        }
    }

    fn happens(&mut self, due: Due) {
        match due {
            Due::Rings(call) => {
                if self.call(call).is_some_and(|it| it.stage == Stage::Out) {
                    self.tell(EventKind::CallRinging { call: CallKey(call) });
                    self.soon();
                }
            }
            Due::Settles(call) => self.settles(call),
            Due::GivesUp(call) => self.gives_up(call),
            Due::TalkEnds(agent, turn) => self.talk_ends(agent, turn),
            Due::WrapEnds(agent, turn) => self.wrap_ends(agent, turn),
            Due::Signals(agent, call_parity) => self.signals(agent, call_parity),
            Due::Leaves(agent, home) => self.leaves(agent, if home { Leave::Home } else { Leave::Lunch }),
            Due::LunchOver(agent) => self.lunch_over(agent),
            Due::Comes(agent) => self.comes(agent),
            Due::EarlyLeave => {
                let count = (f64::from(self.scenario.agents) * self.scenario.roster.early_share).round();
                for agent in 0..count as u32 {
                    self.leaves(agent, Leave::Home);
                }
            }
        }
    }

    fn settles(&mut self, index: u64) {
        let now_s = self.now_s();
        let Some(call) = self.call(index) else { return };
        let (end, owner) = (call.fate.end, call.owner);
        call.answered_s = now_s;
        let key = CallKey(index);
        self.out -= 1;
        match end {
            End::Failed(ending) => {
                self.end_call(index, ending);
                owner.into_iter().for_each(|owner| self.let_go(owner));
            }
            End::Machine { person } => {
                self.shift.people_lost += u64::from(person);
                self.shift.machines += 1;
                self.tell(EventKind::CallMachine { call: key });
                self.end_call(index, Ending::Answered);
                owner.into_iter().for_each(|owner| self.let_go(owner));
            }
            End::Live { patience_s, person, .. } => {
                self.shift.machines_passed += u64::from(!person);
                self.shift.answered(now_s);
                self.tell(EventKind::CallAnswered { call: key });
                match self.agent_for(owner) {
                    Some(agent) => self.bridge(index, agent),
                    None => {
                        self.set_stage(index, Stage::Waiting);
                        self.queue_up(index, owner);
                        let wait_s = patience_s.min(self.scenario.abandon_after_s);
                        self.plan(now_s + wait_s, Due::GivesUp(index));
                    }
                }
            }
        }
        self.soon();
    }

    fn bridge(&mut self, index: u64, agent: u32) {
        let now_s = self.now_s();
        let Some(call) = self.call(index) else { return };
        let End::Live { talk_s, .. } = call.fate.end else { return };
        self.set_stage(index, Stage::Talking);
        self.desk.change(agent, State::Talking { call: index }, now_s, &mut self.shift);
        let (turn, slowness) = {
            let it = &self.desk.agents[agent as usize];
            (it.turn, it.slowness)
        };
        let talk_s = talk_s * slowness;
        let wrap_s = self.desk.wrap_s(agent, self.scenario);
        self.plan(now_s + talk_s, Due::TalkEnds(agent, turn));
        self.plan(now_s + talk_s + wrap_s, Due::WrapEnds(agent, turn + 1));
        if let Some(signals) = self.scenario.signals {
            let stream = &mut self.desk.agents[agent as usize].signal;
            let (told, point) = (stream.uniform() < signals.share, stream.uniform());
            let ahead_s = signals.ahead_low_s + (signals.ahead_high_s - signals.ahead_low_s) * point;
            if told && ahead_s < talk_s + wrap_s {
                self.plan(now_s + talk_s + wrap_s - ahead_s, Due::Signals(agent, turn));
            }
        }
        let agent = AgentKey(agent.into());
        self.tell(EventKind::AgentTalking { agent });
        self.tell(EventKind::CallBridged { call: CallKey(index), agent });
    }

    fn gives_up(&mut self, index: u64) {
        let Some(call) = self.call(index).filter(|call| call.stage == Stage::Waiting) else { return };
        let answered_s = call.answered_s;
        self.waiting.retain(|waiting| *waiting != index);
        self.owned.iter_mut().for_each(|owned| owned.gave_up(index));
        self.shift.lost(answered_s);
        self.tell(EventKind::CallAbandoned { call: CallKey(index), agent_lost: false });
        self.end_call(index, Ending::Answered);
        self.soon();
    }

    fn talk_ends(&mut self, agent: u32, turn: u32) {
        let it = &self.desk.agents[agent as usize];
        let State::Talking { call } = it.state else { return };
        if it.turn != turn {
            return;
        }
        self.end_call(call, Ending::Answered);
        let now_s = self.now_s();
        self.desk.change(agent, State::Wrapping, now_s, &mut self.shift);
        self.tell(EventKind::AgentWrapUp { agent: AgentKey(agent.into()) });
        self.soon();
    }

    fn wrap_ends(&mut self, agent: u32, turn: u32) {
        let it = &self.desk.agents[agent as usize];
        if it.turn != turn || it.state != State::Wrapping {
            return;
        }
        match it.leaves {
            Some(leave) => self.goes(agent, leave),
            None => self.sits_down(agent),
        }
        self.soon();
    }

    fn signals(&mut self, agent: u32, turn: u32) {
        let it = &self.desk.agents[agent as usize];
        let same = match it.state {
            State::Talking { .. } => it.turn == turn,
            State::Wrapping => it.turn == turn + 1,
            State::Off | State::Lunch | State::Idle => false,
        };
        if same {
            self.tell(EventKind::AgentFinishing { agent: AgentKey(agent.into()) });
            self.soon();
        }
    }

    /// The agent waits for a call, or takes one that waits.
    fn sits_down(&mut self, agent: u32) {
        let now_s = self.now_s();
        self.desk.change(agent, State::Idle, now_s, &mut self.shift);
        self.tell(EventKind::AgentReady { agent: AgentKey(agent.into()) });
        self.take_waiting(agent);
    }

    fn leaves(&mut self, agent: u32, leave: Leave) {
        let it = &mut self.desk.agents[agent as usize];
        match it.state {
            State::Off | State::Lunch => {}
            State::Idle => self.goes(agent, leave),
            State::Talking { .. } | State::Wrapping => {
                it.leaves = Some(leave);
                if leave == Leave::Home {
                    // Hours that will not be worked are gone from the schedule at once.
                    self.desk.goes_home(agent);
                }
                self.tell(EventKind::AgentLeaving { agent: AgentKey(agent.into()) });
            }
        }
        self.soon();
    }

    fn goes(&mut self, agent: u32, leave: Leave) {
        let now_s = self.now_s();
        let known = self.desk.agents[agent as usize].leaves.take() == Some(Leave::Home);
        match leave {
            Leave::Lunch => {
                self.desk.lunch_taken(agent);
                self.desk.change(agent, State::Lunch, now_s, &mut self.shift);
                self.tell(EventKind::AgentAway { agent: AgentKey(agent.into()) });
            }
            Leave::Home => {
                if !known {
                    self.desk.goes_home(agent);
                }
                self.desk.change(agent, State::Off, now_s, &mut self.shift);
                self.tell(EventKind::AgentLeft { agent: AgentKey(agent.into()) });
            }
        }
    }

    fn lunch_over(&mut self, agent: u32) {
        let it = &mut self.desk.agents[agent as usize];
        if it.leaves == Some(Leave::Lunch) {
            // The call lasted as long as lunch would have.
            it.leaves = None;
        }
        if it.state == State::Lunch {
            self.sits_down(agent);
            self.soon();
        }
    }

    /// A stay begins; one whose call outlasted the time away stays on.
    fn comes(&mut self, agent: u32) {
        let it = &mut self.desk.agents[agent as usize];
        it.leaves = None;
        if it.state == State::Off {
            self.sits_down(agent);
            self.soon();
        }
    }

    /// Asks the pacer and does what it says.
    fn ask(&mut self) {
        let now_s = self.now_s();
        let rate = self.scenario.call_rate();
        self.tokens = (self.tokens + rate * (now_s - self.tokens_at_s)).min(rate.max(1.0));
        self.tokens_at_s = now_s;
        let limits = Limits {
            false_positives: self.scenario.false_positives(),
            ..Limits::new(self.terms.limit_told, self.terms.over_dial)
        };
        self.call_for_owners(&limits, now_s);
        let capacity = Capacity {
            now: Duration::from_micros(self.now_us),
            lines_free: self.scenario.lines().saturating_sub(self.lines_used()),
            calls_per_second_free: self.tokens as u32,
            supply: if self.owned.as_ref().is_none_or(Owned::has_pooled) { u32::MAX } else { 0 },
            limits,
            upcoming: self.upcoming(),
            outlook: self.terms.outlook_told.then(|| Outlook { agent_hours_left: self.hours_left(now_s) }),
        };
        let decision = self.pacer.decide(&capacity);
        let Decision { place, until, .. } = decision;
        self.shift.decisions += 1;
        let place = place.min(capacity.lines_free).min(capacity.calls_per_second_free);
        for _ in 0..place {
            self.place(None, now_s);
            self.owned.iter_mut().for_each(Owned::called_pooled);
        }
        self.call_ahead(&decision, now_s);
        self.asked_us = self.now_us;
        let until_us = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.ask_us = until_us.clamp(self.now_us + ASK_MIN_US, self.now_us + ASK_MAX_US);
    }

    fn place(&mut self, owner: Option<AgentKey>, now_s: f64) {
        self.tokens -= 1.0;
        let agent = owner;
        let owner = owner.and_then(|owner| self.owned.as_mut().map(|owned| owned.called(owner)));
        let index = self.first + self.calls.len() as u64;
        let fate = Fate::draw(self.scenario, self.seed, index, now_s);
        self.calls.push_back(Call { fate, answered_s: 0.0, stage: Stage::Out, owner });
        self.out += 1;
        self.shift.dials += 1;
        let (call, segment) = (CallKey(index), fate.segment);
        self.tell(match agent {
            None => EventKind::CallPlaced { call, segment },
            Some(agent) => EventKind::CallPlacedFor { call, segment, agent },
        });
        if let Some(rings_s) = fate.rings_s {
            self.plan(now_s + rings_s, Due::Rings(index));
        }
        self.plan(now_s + fate.settles_s, Due::Settles(index));
    }

    fn upcoming(&self) -> Upcoming {
        let mut upcoming = Upcoming::default();
        if !self.scenario.segments.is_empty() {
            let next = self.first + self.calls.len() as u64;
            let mut offset = 0;
            while offset < 64 && upcoming.add(segment_of(self.scenario, self.seed, next + offset)) {
                offset += 1;
            }
        }
        upcoming
    }

    fn hours_left(&self, now_s: f64) -> f64 {
        let today = self.desk.hours_left(now_s);
        if !self.scenario.one_period {
            return today;
        }
        let days = self.scenario.days.saturating_sub(self.day + 1);
        today + f64::from(days) * self.desk.hours_a_day()
    }

    /// Lines with an unanswered call, a waiting person or a talk.
    fn lines_used(&self) -> u32 {
        let own = self.owned.as_ref().map_or(0, Owned::waiting);
        self.out + self.waiting.len() as u32 + own + self.talks
    }

    fn call(&mut self, index: u64) -> Option<&mut Call> {
        let offset = index.checked_sub(self.first)?;
        self.calls.get_mut(usize::try_from(offset).ok()?)
    }

    fn set_stage(&mut self, index: u64, stage: Stage) {
        let Some(call) = self.call(index) else { return };
        let before = std::mem::replace(&mut call.stage, stage);
        self.talks += u32::from(stage == Stage::Talking);
        self.talks -= u32::from(before == Stage::Talking);
    }

    fn end_call(&mut self, index: u64, ending: Ending) {
        self.set_stage(index, Stage::Over);
        while self.calls.front().is_some_and(|call| call.stage == Stage::Over) {
            self.calls.pop_front();
            self.first += 1;
        }
        self.tell(EventKind::CallEnded { call: CallKey(index), ending });
    }

    fn tell(&mut self, kind: EventKind) {
        let event = Event { at: Duration::from_micros(self.now_us), kind };
        self.pacer.observe(&event);
        self.owned.iter_mut().for_each(|owned| owned.observe(&event));
    }

    /// Something happened: the pacer is asked soon.
    fn soon(&mut self) {
        self.ask_us = self.ask_us.min(self.now_us.max(self.asked_us + ASK_MIN_US));
    }

    fn plan(&mut self, at_s: f64, due: Due) {
        self.sequence += 1;
        self.due.push(Reverse((self.at_us(at_s).max(self.now_us), self.sequence, due)));
    }

    fn now_s(&self) -> f64 {
        self.now_us as f64 / 1e6 - f64::from(self.day) * DAY_S
    }

    fn at_us(&self, day_s: f64) -> u64 {
        ((f64::from(self.day) * DAY_S + day_s) * 1e6).round() as u64
    }
}
