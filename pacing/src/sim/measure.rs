//! What a shift brought.

use serde::{Deserialize, Serialize};

use crate::budget::Ledger;

/// Waits are counted in steps of this many seconds.
const WAIT_STEP_S: f64 = 0.5;
/// Steps; longer waits count as the last.
const WAIT_STEPS: usize = 2400;

/// One minute of a shift, all agents together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// Seconds of talk.
    pub talk_s: f64,
    /// Seconds of talk, waiting and wrap-up.
    pub work_s: f64,
    /// Live answers.
    pub live: u32,
    /// Live answers that no agent took in time.
    pub abandoned: u32,
}

/// What a shift brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Seconds of talk.
    pub talk_s: f64,
    /// Seconds agents waited for a call.
    pub wait_s: f64,
    /// Seconds of wrap-up.
    pub wrap_s: f64,
    /// Calls placed.
    pub dials: u64,
    /// Live answers, as the dialer knows them.
    pub live: u64,
    /// Live answers that no agent took in time.
    pub abandoned: u64,
    /// People taken for machines.
    pub people_lost: u64,
    /// Answers taken for machines.
    pub machines: u64,
    /// Machines given to agents.
    pub machines_passed: u64,
    /// Decisions asked for.
    pub decisions: u64,
    /// Events that the pacer refused.
    pub refused: u64,
    /// Minute by minute.
    pub minutes: Vec<Minute>,
    waits: Vec<u32>,
}

/// What an agent does with its paid time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Talk,
    Wait,
    Wrap,
}

impl Shift {
    pub(super) fn new(minutes: usize) -> Self {
        Self {
            talk_s: 0.0,
            wait_s: 0.0,
            wrap_s: 0.0,
            dials: 0,
            live: 0,
            abandoned: 0,
            people_lost: 0,
            machines: 0,
            machines_passed: 0,
            decisions: 0,
            refused: 0,
            minutes: vec![Minute::default(); minutes.max(1)],
            waits: vec![0; WAIT_STEPS],
        }
    }

    /// Counts work between two moments of the shift.
    pub(super) fn work(&mut self, work: Work, from_s: f64, to_s: f64) {
        let spent = (to_s - from_s).max(0.0);
        match work {
            Work::Talk => self.talk_s += spent,
            Work::Wait => self.wait_s += spent,
            Work::Wrap => self.wrap_s += spent,
        }
        let mut at = from_s;
        while at < to_s {
            let index = (at / 60.0) as usize;
            let end = ((index + 1) as f64 * 60.0).min(to_s);
            let Some(minute) = self.minutes.get_mut(index) else { break };
            minute.work_s += end - at;
            if work == Work::Talk {
                minute.talk_s += end - at;
            }
            // A step that is too small to count may not stop the clock.
            at = if end > at { end } else { to_s };
        }
    }

    pub(super) fn waited(&mut self, seconds: f64) {
        let step = ((seconds / WAIT_STEP_S) as usize).min(WAIT_STEPS - 1);
        if let Some(count) = self.waits.get_mut(step) {
            *count += 1;
        }
    }

    pub(super) fn answered(&mut self, at_s: f64) {
        self.live += 1;
        self.minute(at_s).live += 1;
    }

    pub(super) fn lost(&mut self, answered_at_s: f64) {
        self.abandoned += 1;
        self.minute(answered_at_s).abandoned += 1;
    }

    fn minute(&mut self, at_s: f64) -> &mut Minute {
        let last = self.minutes.len() - 1;
        &mut self.minutes[((at_s / 60.0) as usize).min(last)]
    }

    /// Talk's share of talk, waiting and wrap-up.
    pub fn utilisation(&self) -> f64 {
        self.talk_s / (self.talk_s + self.wait_s + self.wrap_s).max(1e-9)
    }

    /// Abandoned share of live answers.
    pub fn abandon_rate(&self) -> f64 {
        share(self.abandoned, self.live)
    }

    /// What the dialer's ledger would say of it.
    pub fn ledger(&self) -> Ledger {
        Ledger { live: self.live, abandoned: self.abandoned, machines: self.machines, ..Ledger::default() }
    }

    /// More abandoned than the limit allows; a fraction of a call is none.
    pub fn over(&self, limit: f64) -> bool {
        self.ledger().charged(0.0).calls_left(limit) < 0
    }

    /// Abandoned share of the first minutes.
    pub fn abandon_rate_first(&self, minutes: usize) -> f64 {
        rate(self.minutes.iter().take(minutes))
    }

    /// Largest abandoned share of consecutive windows of so many minutes; windows with fewer than 30 live answers
    /// say nothing and are left out.
    pub fn abandon_rate_worst(&self, minutes: usize) -> f64 {
        let windows = self.minutes.chunks(minutes.max(1));
        let telling = windows.filter(|window| window.iter().map(|minute| minute.live).sum::<u32>() >= 30);
        telling.map(|window| rate(window.iter())).fold(0.0, f64::max)
    }

    /// Mean wait of an agent for a call in seconds.
    pub fn wait_mean_s(&self) -> f64 {
        let waits: u64 = self.waits.iter().map(|count| u64::from(*count)).sum();
        self.wait_s / (waits.max(1)) as f64
    }

    /// The wait in seconds that so large a share of waits did not exceed.
    pub fn wait_quantile_s(&self, quantile: f64) -> f64 {
        let waits: u64 = self.waits.iter().map(|count| u64::from(*count)).sum();
        let wanted = (quantile * waits as f64).ceil() as u64;
        let mut seen = 0;
        for (step, count) in self.waits.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                return (step + 1) as f64 * WAIT_STEP_S;
            }
        }
        WAIT_STEPS as f64 * WAIT_STEP_S
    }

    /// Agent hours worked.
    pub fn agent_hours(&self) -> f64 {
        (self.talk_s + self.wait_s + self.wrap_s) / 3600.0
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn rate<'a>(minutes: impl Iterator<Item = &'a Minute>) -> f64 {
    let (live, abandoned) = minutes.fold((0u64, 0u64), |(live, abandoned), minute| {
        (live + u64::from(minute.live), abandoned + u64::from(minute.abandoned))
    });
    share(abandoned, live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_spread_over_its_minutes() {
        let mut shift = Shift::new(3);
        shift.work(Work::Talk, 30.0, 90.0);
        shift.work(Work::Wait, 90.0, 100.0);
        shift.work(Work::Wrap, 100.0, 130.0);
        let talk: Vec<f64> = shift.minutes.iter().map(|minute| minute.talk_s).collect();
        assert_eq!(talk, [30.0, 30.0, 0.0]);
        assert!((shift.utilisation() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn rates_and_the_limit() {
        let mut shift = Shift::new(60);
        (0..100).for_each(|index| shift.answered(f64::from(index) * 36.0));
        (0..3).for_each(|_| shift.lost(0.0));
        assert!(!shift.over(0.03));
        assert_eq!(shift.abandon_rate(), 0.03);
        assert_eq!(shift.abandon_rate_first(15), 0.12);
        assert_eq!(shift.abandon_rate_worst(30), 0.06);
        shift.lost(0.0);
        assert!(shift.over(0.03));
    }

    #[test]
    fn quantiles_of_waits() {
        let mut shift = Shift::new(1);
        (0..100).for_each(|index| shift.waited(f64::from(index)));
        assert_eq!(shift.wait_quantile_s(0.95), 94.5);
    }
}
