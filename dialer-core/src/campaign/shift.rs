//! What a campaign's agents will still work: the outlook on which the hard stop gives credit.
//!
//! There is no roster: the agents who work now are expected to stay until the day's calling ends, for eight hours at the
//! most. An agent who leaves takes the remaining hours away at once. A list that runs out earlier ends the work earlier.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon_pacing::{AgentKey, Event, EventKind, Outlook};

use crate::time::{Now, Utc};

/// No shift is expected to last longer than this from now.
pub(crate) const SHIFT_MAX: Duration = Duration::from_secs(8 * 3600);
/// Before a campaign has calls of its own: one answer in so many calls, and this much of an agent's time for each.
const CALLS_PER_ANSWER: f64 = 20.0;
const HOURS_PER_ANSWER: f64 = 1.0 / 60.0;

/// What bounds the work ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ahead {
    /// Until calling ends today; `None` where no call may be made now.
    pub closes_in: Option<Duration>,
    /// Tasks still open.
    pub tasks: u64,
    /// Calls placed so far.
    pub placed: u64,
    /// Live answers so far.
    pub answered: u64,
}

/// The agents at work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shift {
    working: BTreeSet<AgentKey>,
    /// Agent time so far, in hours.
    worked_hours: f64,
    counted_at: Duration,
    /// When calling ends, and the minute in which that was found out.
    closes: Option<(i64, Option<Utc>)>,
}

impl Shift {
    /// With these agents at work.
    pub fn with(working: BTreeSet<AgentKey>) -> Self {
        Self { working, ..Self::default() }
    }

    /// The agents at work.
    pub fn working(&self) -> &BTreeSet<AgentKey> {
        &self.working
    }

    /// Follows who works.
    pub fn observe(&mut self, event: &Event) {
        match event.kind {
            EventKind::AgentReady { agent }
            | EventKind::AgentTalking { agent }
            | EventKind::AgentWrapUp { agent } => {
                self.count(event.at);
                self.working.insert(agent);
            }
            EventKind::AgentAway { agent }
            | EventKind::AgentLeaving { agent }
            | EventKind::AgentLeft { agent } => {
                self.count(event.at);
                self.working.remove(&agent);
            }
            EventKind::CallPlaced { .. }
            | EventKind::CallPlacedFor { .. }
            | EventKind::CallRinging { .. }
            | EventKind::CallAnswered { .. }
            | EventKind::CallMachine { .. }
            | EventKind::CallBridged { .. }
            | EventKind::CallAbandoned { .. }
            | EventKind::CallEnded { .. }
            | EventKind::AgentFormOpened { .. }
            | EventKind::AgentFinishing { .. }
            | EventKind::AgentApart { .. }
            | EventKind::AgentPooled { .. }
            | EventKind::PeriodBegan => {}
        }
    }

    /// Agents at work, this one left out.
    pub fn others(&self, agent: AgentKey) -> u32 {
        let others = self.working.len().saturating_sub(usize::from(self.working.contains(&agent)));
        u32::try_from(others).unwrap_or(u32::MAX)
    }

    /// When calling ends today, asked of `find` once a minute.
    pub fn closes(&mut self, now: Utc, find: impl FnOnce() -> Option<Utc>) -> Option<Utc> {
        let minute = now.0.div_euclid(60_000);
        match self.closes {
            Some((known, closes)) if known == minute => closes,
            Some(_) | None => {
                let closes = find();
                self.closes = Some((minute, closes));
                closes
            }
        }
    }

    /// The agent hours ahead.
    pub fn outlook(&mut self, ahead: Ahead, now: Now) -> Option<Outlook> {
        self.count(now.monotonic);
        let closes_in = ahead.closes_in?.min(SHIFT_MAX).as_secs_f64() / 3600.0;
        let by_clock = self.working.len() as f64 * closes_in;
        // One more answer than there were, so that few say little.
        let answers = ahead.answered as f64 + 1.0;
        let answers_ahead = ahead.tasks as f64 * answers / (ahead.placed as f64 + CALLS_PER_ANSWER);
        let by_list = answers_ahead * (self.worked_hours + HOURS_PER_ANSWER) / answers;
        Some(Outlook { agent_hours_left: by_clock.min(by_list) })
    }

    fn count(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted_at).as_secs_f64() / 3600.0;
        self.worked_hours += self.working.len() as f64 * passed;
        self.counted_at = self.counted_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn tell(shift: &mut Shift, at: Duration, kind: EventKind) {
        shift.observe(&Event { at, kind });
    }

    fn ahead(hours: u32, tasks: u64) -> Ahead {
        Ahead { closes_in: Some(HOUR * hours), tasks, placed: 0, answered: 0 }
    }

    fn hours(shift: &mut Shift, ahead: Ahead, at: Duration) -> Option<f64> {
        let now = Now { monotonic: at, utc: Utc(0) };
        shift.outlook(ahead, now).map(|outlook| outlook.agent_hours_left)
    }

    #[test]
    fn those_who_work_stay_until_calling_ends() {
        let mut shift = Shift::default();
        for agent in (0..4).map(AgentKey) {
            tell(&mut shift, Duration::ZERO, EventKind::AgentReady { agent });
        }
        assert_eq!(hours(&mut shift, ahead(3, 1_000_000), Duration::ZERO), Some(12.0));
        assert_eq!(
            hours(&mut shift, ahead(24, 1_000_000), Duration::ZERO),
            Some(32.0),
            "nobody works longer"
        );
        tell(&mut shift, Duration::ZERO, EventKind::AgentAway { agent: AgentKey(0) });
        tell(&mut shift, Duration::ZERO, EventKind::AgentLeaving { agent: AgentKey(1) });
        tell(&mut shift, Duration::ZERO, EventKind::AgentTalking { agent: AgentKey(2) });
        assert_eq!(hours(&mut shift, ahead(3, 1_000_000), Duration::ZERO), Some(6.0));
        let closed = Ahead { closes_in: None, ..ahead(3, 1_000_000) };
        assert_eq!(hours(&mut shift, closed, Duration::ZERO), None);
    }

    #[test]
    fn a_short_list_ends_the_work_early() {
        let mut shift = Shift::default();
        tell(&mut shift, Duration::ZERO, EventKind::AgentReady { agent: AgentKey(1) });
        let before = hours(&mut shift, ahead(8, 1_200), Duration::ZERO).unwrap();
        assert!((before - 1.0).abs() < 1e-9, "60 answers of a minute: {before}");
        // An hour's work was 30 answers of 100 calls.
        let later = Ahead { placed: 100, answered: 30, ..ahead(8, 100) };
        let left = hours(&mut shift, later, HOUR).unwrap();
        assert!((0.7..1.0).contains(&left), "{left}");
    }

    #[test]
    fn the_end_is_found_once_a_minute() {
        let mut shift = Shift::default();
        assert_eq!(shift.closes(Utc(60_000), || Some(Utc(5))), Some(Utc(5)));
        assert_eq!(shift.closes(Utc(119_999), || None), Some(Utc(5)));
        assert_eq!(shift.closes(Utc(120_000), || None), None);
    }
}
