//! The agents of the simulated call centre: who is there, who waits longest, how their time is spent.

use std::collections::VecDeque;

use super::measure::{Shift, Work};
use super::plan::{Roster, Scenario};
use super::random::{Kind, Stream};

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not there.
    Off,
    /// At lunch.
    Lunch,
    Idle,
    Talking {
        call: u64,
    },
    Wrapping,
}

/// One agent.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub state: State,
    since_s: f64,
    /// Counts changes, so that what was planned for an earlier state is not done in a later one.
    pub turn: u32,
    /// Goes to lunch or home once the call is done.
    pub leaves: Option<Leave>,
    /// Factor of talk and wrap-up.
    pub slowness: f64,
    wrap: Stream,
    pub signal: Stream,
    /// When the schedule lets the agent go home, in seconds of the day.
    pub until_s: f64,
    pub lunch_due: bool,
}

/// Why an agent goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Lunch,
    Home,
}

/// All agents.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub agents: Vec<Agent>,
    queue: VecDeque<(u32, u32)>,
    /// Sum of the scheduled ends of those not gone home, and how many they are.
    ends_s: f64,
    present: u32,
    lunches_due: u32,
    length_s: f64,
    roster: Roster,
    /// Scheduled seconds left at the start of each minute, where stays say who is there.
    left_s: Option<Vec<f64>>,
}

impl Desk {
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let length_s = scenario.hours * 3600.0;
        let count = scenario.agents;
        let leaving_s = scenario.roster.leaving_from_h * 3600.0;
        let lunch_due = scenario.roster.lunch_at_h > 0.0;
        let agents: Vec<Agent> = (0..count)
            .map(|index| {
                let slowness =
                    (scenario.speed_sigma * Stream::new(seed, Kind::Agent, u64::from(index)).normal()).exp();
                let share = (f64::from(index) + 0.5) / f64::from(count);
                let until_s =
                    if leaving_s > 0.0 { leaving_s + (length_s - leaving_s) * share } else { length_s };
                Agent {
                    state: State::Off,
                    since_s: 0.0,
                    turn: 0,
                    leaves: None,
                    slowness,
                    wrap: Stream::new(seed, Kind::Wrap, u64::from(index)),
                    signal: Stream::new(seed, Kind::Signal, u64::from(index)),
                    until_s,
                    lunch_due,
                }
            })
            .collect();
        let ends_s = agents.iter().map(|agent| agent.until_s).sum();
        Self {
            queue: VecDeque::with_capacity(agents.len() * 2),
            agents,
            ends_s,
            present: count,
            lunches_due: if lunch_due { count } else { 0 },
            length_s,
            roster: scenario.roster,
            left_s: (!scenario.stays.is_empty()).then(|| seconds_left(scenario)),
        }
    }

    /// Begins a day: everybody is off and will come.
    pub fn begin_day(&mut self) {
        self.queue.clear();
        for agent in &mut self.agents {
            agent.state = State::Off;
            agent.leaves = None;
            agent.turn += 1;
            agent.lunch_due = self.roster.lunch_at_h > 0.0;
        }
        self.ends_s = self.agents.iter().map(|agent| agent.until_s).sum();
        self.present = self.agents.len() as u32;
        self.lunches_due = if self.roster.lunch_at_h > 0.0 { self.present } else { 0 };
    }

    /// Scheduled agent hours from now to the end of the day.
    pub fn hours_left(&self, now_s: f64) -> f64 {
        if let Some(left_s) = &self.left_s {
            let (minute, within) = ((now_s / 60.0) as usize, now_s % 60.0 / 60.0);
            let at = |index: usize| left_s.get(index).copied().unwrap_or_default();
            return (at(minute) * (1.0 - within) + at(minute + 1) * within) / 3600.0;
        }
        let lunches_s = f64::from(self.lunches_due) * self.roster.lunch_min * 60.0;
        ((self.ends_s - f64::from(self.present) * now_s - lunches_s) / 3600.0).max(0.0)
    }

    /// Scheduled agent hours of a whole day.
    pub fn hours_a_day(&self) -> f64 {
        if let Some(left_s) = &self.left_s {
            return left_s.first().copied().unwrap_or_default() / 3600.0;
        }
        let lunch_s = if self.roster.lunch_at_h > 0.0 { self.roster.lunch_min * 60.0 } else { 0.0 };
        self.agents.iter().map(|agent| (agent.until_s - lunch_s).max(0.0) / 3600.0).sum()
    }

    pub fn goes_home(&mut self, agent: u32) {
        let until_s = self.agents[agent as usize].until_s;
        self.ends_s -= until_s;
        self.present = self.present.saturating_sub(1);
        self.lunch_taken(agent);
    }

    pub fn lunch_taken(&mut self, agent: u32) {
        if std::mem::take(&mut self.agents[agent as usize].lunch_due) {
            self.lunches_due -= 1;
        }
    }

    /// Changes what an agent does and counts the time spent before.
    pub fn change(&mut self, index: u32, state: State, now_s: f64, shift: &mut Shift) {
        let agent = &mut self.agents[index as usize];
        let to_s = now_s.min(self.length_s);
        match agent.state {
            State::Off | State::Lunch => {}
            State::Idle => {
                shift.work(Work::Wait, agent.since_s, to_s);
                if matches!(state, State::Talking { .. }) {
                    shift.waited(now_s - agent.since_s);
                }
            }
            State::Talking { .. } => shift.work(Work::Talk, agent.since_s, to_s),
            State::Wrapping => shift.work(Work::Wrap, agent.since_s, to_s),
        }
        agent.state = state;
        agent.since_s = now_s;
        agent.turn += 1;
        if state == State::Idle {
            self.queue.push_back((index, agent.turn));
        }
    }

    /// The agent who waits longest of those who fit.
    pub fn longest_idle(&mut self, fits: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = 0;
        while let Some((index, turn)) = self.queue.get(at).copied() {
            let agent = &self.agents[index as usize];
            let idle = agent.turn == turn && agent.state == State::Idle;
            if idle && !fits(index) {
                at += 1;
                continue;
            }
            self.queue.remove(at);
            if idle {
                return Some(index);
            }
        }
        None
    }

    pub fn is_idle(&self, index: u32) -> bool {
        self.agents.get(index as usize).is_some_and(|agent| agent.state == State::Idle)
    }

    /// Length of the agent's next wrap-up.
    pub fn wrap_s(&mut self, index: u32, scenario: &Scenario) -> f64 {
        let agent = &mut self.agents[index as usize];
        scenario.wrap.draw(&mut agent.wrap) * agent.slowness
    }
}

/// Scheduled seconds of all stays that are left at the start of each minute of the day.
fn seconds_left(scenario: &Scenario) -> Vec<f64> {
    let minutes = (scenario.hours * 60.0).ceil() as usize + 1;
    let mut left_s = vec![0.0; minutes];
    for stay in &scenario.stays {
        let (from_s, to_s) = (stay.from_h * 3600.0, stay.to_h.min(scenario.hours) * 3600.0);
        let until = ((to_s / 60.0).ceil().max(0.0) as usize).min(minutes);
        for (minute, sum) in left_s.iter_mut().enumerate().take(until) {
            *sum += (to_s - from_s.max(minute as f64 * 60.0)).max(0.0);
        }
    }
    left_s
}
