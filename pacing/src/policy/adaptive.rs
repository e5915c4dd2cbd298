//! Adaptive: the classic ratio controller that many call floors know, as a baseline.
//!
//! Every second free agents, waiting calls and agents are sampled; every 15 s the level moves by the surplus of free
//! agents over all agents, and falls when too many calls were dropped; every 2.5 s lines are placed up to the level
//! times the agents who are free or talk. It models neither ringing nor the end of talks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Pacer;
use crate::decision::{Bound, Capacity, Decision};
use crate::event::{Event, EventKind};
use crate::floor::Floor;

/// Samples in a mean.
const SAMPLES: usize = 15;
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const PLACE_EVERY: Duration = Duration::from_millis(2_500);
const RATE_EVERY: Duration = Duration::from_secs(60);
/// Seconds in which attempts and drops count as of the last minute.
const MINUTE: usize = 60;
/// Attempts from which on drops of the last minute, and of the day, count.
const ATTEMPTS_MINUTE: u64 = 20;
const ATTEMPTS_DAY: u64 = 50;

/// What happens to the level above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Back to one.
    HardLimit,
    /// Halved.
    Average,
    /// Scaled down the more the nearer the end of the calling day.
    Tapered,
}

/// Settings of the adaptive policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveOptions {
    /// What happens above the limit.
    pub method: Method,
    /// Largest level.
    pub level_max: f64,
    /// Percent by which upward steps are larger and downward steps smaller.
    pub intensity: f64,
    /// Surplus of free agents aimed at; -1 keeps one agent idle.
    pub difference: f64,
    /// End of the calling day as hours times 100 and minutes.
    pub latest: i32,
    /// Time of day at the pacer's time zero, in minutes.
    pub began_min: u32,
}

impl Default for AdaptiveOptions {
    fn default() -> Self {
        Self {
            method: Method::Tapered,
            level_max: 3.0,
            intensity: 0.0,
            difference: 0.0,
            latest: 2100,
            began_min: 13 * 60,
        }
    }
}

/// The classic controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adaptive {
    options: AdaptiveOptions,
    floor: Floor,
    level: f64,
    /// Free agents, waiting calls and agents, of the last samples.
    samples: [(f64, f64, f64); SAMPLES],
    taken: usize,
    /// Attempts and drops by second of the last minute, and which second is current.
    seconds: Vec<(u64, u64)>,
    second: usize,
    attempts: u64,
    live: u64,
    dropped: u64,
    /// Dropped share of the day in percent, as last computed.
    dropped_percent: f64,
    sample_at: Duration,
    place_at: Duration,
    rate_at: Duration,
}

impl Adaptive {
    /// A pacer at level one.
    pub fn new(options: AdaptiveOptions) -> Self {
        Self {
            options,
            floor: Floor::default(),
            level: 1.0,
            samples: [(0.0, 0.0, 0.0); SAMPLES],
            taken: 0,
            seconds: vec![(0, 0); MINUTE],
            second: 0,
            attempts: 0,
            live: 0,
            dropped: 0,
            dropped_percent: 0.0,
            sample_at: Duration::ZERO,
            place_at: Duration::ZERO,
            rate_at: Duration::ZERO,
        }
    }

    /// Lines per agent at the moment.
    pub fn level(&self) -> f64 {
        self.level
    }

    fn sample(&mut self, capacity: &Capacity) {
        let sample = (
            f64::from(self.floor.agents_free()),
            f64::from(self.floor.lines_waiting()),
            f64::from(self.floor.agents_signed_on()),
        );
        self.samples[self.taken % SAMPLES] = sample;
        self.taken += 1;
        self.second = (self.second + 1) % MINUTE;
        if capacity.now >= self.rate_at {
            self.rate_at = capacity.now.saturating_add(RATE_EVERY);
            self.dropped_percent =
                if self.live == 0 { 0.0 } else { 100.0 * self.dropped as f64 / self.live as f64 };
        }
        if self.taken.is_multiple_of(SAMPLES) {
            self.step(capacity);
        }
        self.seconds[self.second] = (0, 0);
    }

    /// Moves the level.
    fn step(&mut self, capacity: &Capacity) {
        let mean = |figure: fn(&(f64, f64, f64)) -> f64| {
            self.samples.iter().map(figure).sum::<f64>() / SAMPLES as f64
        };
        let agents = mean(|it| it.2);
        if capacity.supply == 0 || agents <= 0.0 {
            return;
        }
        let surplus = (mean(|it| it.0) - mean(|it| it.1) + self.options.difference) / agents;
        let intensity = self.options.intensity / 100.0;
        let moved =
            if surplus >= 0.0 { surplus * (1.0 + intensity) } else { surplus * (intensity - 1.0).abs() };
        let mut level = (self.level * (1.0 + moved)).min(self.options.level_max).max(1.0);
        let attempts: u64 = self.seconds.iter().map(|it| it.0).sum();
        let drops: u64 = self.seconds.iter().map(|it| it.1).sum();
        if attempts > ATTEMPTS_MINUTE && drops * 2 > attempts {
            level /= 2.0;
        }
        if self.attempts > ATTEMPTS_DAY && self.dropped_percent > capacity.limits.abandon_limit * 100.0 {
            level = match self.options.method {
                Method::HardLimit => 1.0,
                Method::Average => level / 2.0,
                Method::Tapered => match self.options.latest - self.clock(capacity.now) {
                    left if left < 0 => 1.0,
                    left if left > 1000 => level,
                    left => level * f64::from(left) / 1000.0,
                },
            };
        }
        self.level = level.max(1.0);
    }

    /// Time of day as hours times 100 and minutes.
    fn clock(&self, now: Duration) -> i32 {
        let minutes = (u64::from(self.options.began_min) + now.as_secs() / 60) % (24 * 60);
        i32::try_from(minutes / 60 * 100 + minutes % 60).unwrap_or_default()
    }
}

impl Pacer for Adaptive {
    fn observe(&mut self, event: &Event) {
        if self.floor.observe(event).is_err() {
            return;
        }
        match event.kind {
            EventKind::CallPlaced { .. } | EventKind::CallPlacedFor { .. } => {
                self.attempts += 1;
                self.seconds[self.second].0 += 1;
            }
            EventKind::CallAnswered { .. } => self.live += 1,
            EventKind::CallAbandoned { .. } => {
                self.dropped += 1;
                self.seconds[self.second].1 += 1;
            }
            EventKind::PeriodBegan => (self.attempts, self.live, self.dropped) = (0, 0, 0),
            EventKind::CallRinging { .. }
            | EventKind::CallMachine { .. }
            | EventKind::CallBridged { .. }
            | EventKind::CallEnded { .. }
            | EventKind::AgentReady { .. }
            | EventKind::AgentTalking { .. }
            | EventKind::AgentWrapUp { .. }
            | EventKind::AgentFormOpened { .. }
            | EventKind::AgentFinishing { .. }
            | EventKind::AgentAway { .. }
            | EventKind::AgentLeaving { .. }
            | EventKind::AgentLeft { .. }
            | EventKind::AgentApart { .. }
            | EventKind::AgentPooled { .. } => {}
        }
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        if capacity.now >= self.sample_at {
            self.sample_at = capacity.now.saturating_add(SAMPLE_EVERY);
            self.sample(capacity);
        }
        let (free, talking) = (self.floor.agents_free(), self.floor.agents_talking());
        let goal = (self.level * f64::from(free.saturating_add(talking))).round() as u64;
        let out = u64::from(self.floor.lines_out());
        if capacity.now < self.place_at {
            return super::fill(&self.floor, out, Bound::Policy, capacity);
        }
        self.place_at = capacity.now.saturating_add(PLACE_EVERY);
        // Its goal counts talks; what is filled up here counts lines without an agent.
        let wanted = goal.saturating_sub(u64::from(self.floor.lines_bridged()));
        let wanted = if capacity.limits.over_dial { wanted } else { wanted.min(free.into()) };
        super::fill(&self.floor, wanted, Bound::Policy, capacity)
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CallKey;
    use crate::policy::testing::{placed, ready, room};

    fn after(pacer: &mut Adaptive, seconds: u64) -> Decision {
        let mut last = None;
        for second in 0..seconds {
            let mut capacity = room(0.03, true);
            capacity.now = Duration::from_secs(second);
            last = Some(pacer.decide(&capacity));
        }
        last.unwrap()
    }

    #[test]
    fn idle_agents_double_the_level_in_a_step() {
        let mut pacer = Adaptive::new(AdaptiveOptions::default());
        ready(10).for_each(|event| pacer.observe(&event));
        after(&mut pacer, 14);
        assert_eq!(pacer.level(), 1.0);
        after(&mut pacer, 16);
        assert!(pacer.level() > 1.9, "{}", pacer.level());
    }

    #[test]
    fn falls_back_above_the_limit() {
        for (method, least, most) in
            [(Method::HardLimit, 1.0, 1.0), (Method::Average, 1.0, 1.0), (Method::Tapered, 1.0, 2.5)]
        {
            let mut pacer = Adaptive::new(AdaptiveOptions { method, ..AdaptiveOptions::default() });
            ready(10).for_each(|event| pacer.observe(&event));
            placed(0..100).for_each(|event| pacer.observe(&event));
            for call in 0..60 {
                let tell = |kind| Event { at: Duration::ZERO, kind };
                pacer.observe(&tell(EventKind::CallAnswered { call: CallKey(call) }));
                pacer.observe(&tell(EventKind::CallAbandoned { call: CallKey(call), agent_lost: false }));
            }
            after(&mut pacer, 46);
            assert!((least..=most).contains(&pacer.level()), "{method:?}: {}", pacer.level());
        }
    }

    #[test]
    fn the_clock_is_a_plain_number() {
        let pacer = Adaptive::new(AdaptiveOptions::default());
        assert_eq!(pacer.clock(Duration::ZERO), 1300);
        assert_eq!(pacer.clock(Duration::from_secs(8 * 3600 - 60)), 2059);
    }
}
