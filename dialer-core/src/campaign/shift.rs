//! What a campaign's agents will still work: the outlook on which the hard stop gives credit.
//!
//! With a roster these are the scheduled hours of the agents who work now, until the day's calling or the limit's period
//! ends. Without one they are expected to stay until then, for eight hours at the most. Either way an agent who leaves, or
//! takes a break, takes the remaining hours away at once, and one who is not there adds none, whatever the roster says: no
//! credit rests on people who may not come. A list that runs out earlier ends the work earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_pacing::{AgentKey, Event, EventKind, Outlook};

use super::roster::Roster;
use crate::time::{Now, Utc};

/// No shift is expected to last longer than this from now.
pub(crate) const SHIFT_MAX: Duration = Duration::from_secs(8 * 3600);
/// Before a campaign has calls of its own: one answer in so many calls, and this much of an agent's time for each.
const CALLS_PER_ANSWER: f64 = 20.0;
const HOURS_PER_ANSWER: f64 = 1.0 / 60.0;
/// A roster is looked at so far ahead: who is there today need not be there tomorrow.
pub(crate) const ROSTER_AHEAD: Duration = Duration::from_secs(24 * 3600);
const MINUTE_MS: i64 = 60_000;

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
    scheduled: Option<Scheduled>,
}

/// The roster and what is known of those who work by it.
#[derive(Clone, Debug)]
struct Scheduled {
    roster: Roster,
    groups: BTreeMap<AgentKey, usize>,
    /// How many of each group work; `None` once that has changed.
    working: Option<BTreeMap<usize, u32>>,
    /// When each group works, as found out in this minute.
    minute: i64,
    spans: BTreeMap<usize, Vec<(Utc, Utc)>>,
}

impl Scheduled {
    /// Hours from `now` to `until` that those who work are scheduled for.
    fn hours(
        &mut self,
        working: &BTreeSet<AgentKey>,
        user: &dyn Fn(AgentKey) -> Option<String>,
        (now, until): (Utc, Utc),
    ) -> f64 {
        let Self { roster, groups, working: counts, minute: known, spans } = self;
        let minute = now.0.div_euclid(MINUTE_MS);
        if *known != minute {
            *known = minute;
            spans.clear();
        }
        let counts = counts.get_or_insert_with(|| {
            let mut counts = BTreeMap::new();
            for agent in working {
                let name = || roster.group(&user(*agent).unwrap_or_default());
                let group = *groups.entry(*agent).or_insert_with(name);
                *counts.entry(group).or_default() += 1;
            }
            counts
        });
        let mut milliseconds = 0.0;
        for (group, agents) in counts {
            let since = Utc(minute.saturating_mul(MINUTE_MS));
            let ahead = ROSTER_AHEAD.saturating_add(Duration::from_secs(60));
            let spans =
                spans.entry(*group).or_insert_with(|| roster.spans(*group, since, since.after(ahead)));
            for (from, to) in spans.iter() {
                let (from, to) = ((*from).max(now), (*to).min(until));
                milliseconds += to.0.saturating_sub(from.0).max(0) as f64 * f64::from(*agents);
            }
        }
        milliseconds / 3_600_000.0
    }
}

impl Shift {
    /// Nobody at work yet.
    pub fn new(roster: Option<Roster>) -> Self {
        let scheduled = roster.map(|roster| Scheduled {
            roster,
            groups: BTreeMap::new(),
            working: None,
            minute: i64::MIN,
            spans: BTreeMap::new(),
        });
        Self { scheduled, ..Self::default() }
    }

    /// How far ahead it looks at most.
    pub fn reach(&self) -> Duration {
        if self.scheduled.is_some() { ROSTER_AHEAD } else { SHIFT_MAX }
    }

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
                if self.working.insert(agent) {
                    self.changed();
                }
            }
            EventKind::AgentAway { agent }
            | EventKind::AgentLeaving { agent }
            | EventKind::AgentLeft { agent } => {
                self.count(event.at);
                if self.working.remove(&agent) {
                    self.changed();
                }
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

    /// The agent hours ahead. `user` names an agent.
    pub fn outlook(
        &mut self,
        ahead: Ahead,
        user: &dyn Fn(AgentKey) -> Option<String>,
        now: Now,
    ) -> Option<Outlook> {
        self.count(now.monotonic);
        let closes_in = ahead.closes_in?.min(self.reach());
        let by_clock = match &mut self.scheduled {
            Some(scheduled) => scheduled.hours(&self.working, user, (now.utc, now.utc.after(closes_in))),
            None => self.working.len() as f64 * closes_in.as_secs_f64() / 3600.0,
        };
        // One more answer than there were, so that few say little.
        let answers = ahead.answered as f64 + 1.0;
        let answers_ahead = ahead.tasks as f64 * answers / (ahead.placed as f64 + CALLS_PER_ANSWER);
        let by_list = answers_ahead * (self.worked_hours + HOURS_PER_ANSWER) / answers;
        Some(Outlook { agent_hours_left: by_clock.min(by_list) })
    }

    /// Somebody came or went.
    fn changed(&mut self) {
        if let Some(scheduled) = &mut self.scheduled {
            scheduled.working = None;
        }
    }

    fn count(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted_at).as_secs_f64() / 3600.0;
        self.worked_hours += self.working.len() as f64 * passed;
        self.counted_at = self.counted_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::roster::testing::{roster, shift};
    use super::super::spec::{Day, WorkShift};
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
        shift.outlook(ahead, &|_| None, now).map(|outlook| outlook.agent_hours_left)
    }

    /// 2026-11-20 09:00 UTC, a Friday.
    const NINE: Utc = Utc(1_795_165_200_000);

    /// Hours ahead by a roster at so many hours after nine, with calling until so many hours after nine.
    fn by_roster(shift: &mut Shift, after: Duration, calling: Duration) -> Option<f64> {
        let now = Now { monotonic: after, utc: NINE.after(after) };
        let ahead = Ahead { closes_in: Some(calling.saturating_sub(after)), ..ahead(0, 1_000_000) };
        let names = |agent: AgentKey| Some(format!("agent{}", agent.0));
        shift.outlook(ahead, &names, now).map(|outlook| outlook.agent_hours_left)
    }

    fn rostered(shifts: Vec<WorkShift>) -> Shift {
        Shift::new(Some(roster("UTC", shifts)))
    }

    #[test]
    fn the_roster_says_how_long_those_who_are_there_stay() {
        // 09 to 12 and 13 to 17; agent 9 until 11.
        let mut shift = rostered(vec![
            shift(&[Day::Fri], "09:00", "12:00", &[]),
            shift(&[Day::Fri], "13:00", "17:00", &[]),
            shift(&[Day::Fri], "09:00", "11:00", &["agent9"]),
        ]);
        assert_eq!(by_roster(&mut shift, Duration::ZERO, 24 * HOUR), Some(0.0), "nobody is there yet");
        for agent in [1, 2, 9].map(AgentKey) {
            tell(&mut shift, Duration::ZERO, EventKind::AgentReady { agent });
        }
        assert_eq!(by_roster(&mut shift, Duration::ZERO, 24 * HOUR), Some(7.0 + 7.0 + 2.0));
        assert_eq!(
            by_roster(&mut shift, Duration::ZERO, 5 * HOUR),
            Some(4.0 + 4.0 + 2.0),
            "calling ends at 14"
        );
        assert_eq!(by_roster(&mut shift, HOUR * 5 / 2, 24 * HOUR), Some(4.5 + 4.5), "agent 9 is over time");
        tell(&mut shift, 3 * HOUR, EventKind::AgentLeft { agent: AgentKey(1) });
        assert_eq!(by_roster(&mut shift, 3 * HOUR, 24 * HOUR), Some(4.0), "left early");
        tell(&mut shift, 3 * HOUR, EventKind::AgentAway { agent: AgentKey(2) });
        assert_eq!(by_roster(&mut shift, 3 * HOUR, 24 * HOUR), Some(0.0), "on a break");
        tell(&mut shift, 4 * HOUR, EventKind::AgentReady { agent: AgentKey(2) });
        assert_eq!(by_roster(&mut shift, 4 * HOUR, 24 * HOUR), Some(4.0));
        assert_eq!(
            by_roster(&mut shift, 9 * HOUR, 24 * HOUR),
            Some(0.0),
            "stays beyond the roster: no credit"
        );
        let closed = Ahead { closes_in: None, ..ahead(8, 1_000_000) };
        assert_eq!(hours(&mut shift, closed, 9 * HOUR), None);
    }

    /// Whoever comes, goes and works by which schedule: never more hours than without a roster for those who are there, and
    /// none for those who are not.
    #[test]
    fn no_roster_gives_credit_for_those_who_are_not_there() {
        let long = || vec![shift(&[Day::Fri, Day::Sat], "00:00", "24:00", &[])];
        let (mut with, mut without) = (rostered(long()), Shift::default());
        let mut dice = 3_u64;
        for step in 0..2_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (at, agent) = (Duration::from_secs(step * 10), AgentKey((dice >> 40) % 5));
            let kind = match (dice >> 33) % 4 {
                0 => EventKind::AgentReady { agent },
                1 => EventKind::AgentTalking { agent },
                2 => EventKind::AgentAway { agent },
                _ => EventKind::AgentLeft { agent },
            };
            tell(&mut with, at, kind);
            tell(&mut without, at, kind);
            let there = with.working().len() as f64;
            let scheduled = by_roster(&mut with, at, 8 * HOUR).unwrap();
            let left = (8 * HOUR).saturating_sub(at).as_secs_f64() / 3600.0;
            assert!((scheduled - there * left).abs() < 1e-6, "{scheduled} at {at:?} for {there}");
        }
    }

    /// A list that is soon through, or a day without end, bounds a roster too.
    #[test]
    fn a_list_ends_a_rosters_work_early() {
        let mut shift = rostered(vec![shift(&[Day::Fri], "00:00", "24:00", &[])]);
        tell(&mut shift, Duration::ZERO, EventKind::AgentReady { agent: AgentKey(1) });
        let now = Now { monotonic: Duration::ZERO, utc: NINE };
        let short = shift.outlook(ahead(8, 1_200), &|_| None, now).unwrap().agent_hours_left;
        assert!((short - 1.0).abs() < 1e-9, "{short}");
        assert_eq!(shift.reach(), ROSTER_AHEAD);
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
