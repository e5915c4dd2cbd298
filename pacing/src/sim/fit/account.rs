//! What happened on each day: agents' time and answers in the minutes in which there was something to call.

use super::{History, PastCall, PastStay, Settled};
use crate::sim::plan::Stay;

/// A minute counts if agents outnumbered lines for less than this share of it.
const STARVED_SHARE: f64 = 0.5;
/// Minutes without anything that end a day.
const DAY_GAP_MIN: usize = 240;
/// Longest day in minutes.
const DAY_MAX_MIN: usize = 24 * 60;
/// Most minutes from the first stay to the last: two years.
const MINUTES_MAX: usize = 2 * 366 * 24 * 60;

/// What a stretch of time brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    /// Seconds of talk.
    pub talk_s: f64,
    /// Seconds that agents were there.
    pub work_s: f64,
    /// Seconds that agents were there with nothing to call; not in `work_s`.
    pub starved_s: f64,
    /// Calls placed.
    pub dials: u64,
    /// Live answers.
    pub live: u64,
    /// Live answers without an agent in time.
    pub abandoned: u64,
}

impl Account {
    /// Talk's share of the agents' time.
    pub fn utilisation(&self) -> f64 {
        if self.work_s > 0.0 { self.talk_s / self.work_s } else { 0.0 }
    }

    /// Abandoned share of live answers.
    pub fn abandon_rate(&self) -> f64 {
        if self.live > 0 { self.abandoned as f64 / self.live as f64 } else { 0.0 }
    }

    /// Agent hours with something to call.
    pub fn agent_hours(&self) -> f64 {
        self.work_s / 3600.0
    }

    /// Adds another stretch.
    pub fn add(&mut self, other: &Account) {
        self.talk_s += other.talk_s;
        self.work_s += other.work_s;
        self.starved_s += other.starved_s;
        self.dials += other.dials;
        self.live += other.live;
        self.abandoned += other.abandoned;
    }
}

/// A day of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// When it began, in seconds.
    pub from_s: f64,
    /// When it ended, in seconds.
    pub to_s: f64,
    /// Who was there in minutes with something to call, in hours into the day.
    pub stays: Vec<Stay>,
    /// What it brought.
    pub account: Account,
}

impl Day {
    /// Its length in hours.
    pub fn hours(&self) -> f64 {
        (self.to_s - self.from_s) / 3600.0
    }

    /// Who was there, in order.
    pub fn agents(&self) -> Vec<u32> {
        let mut agents: Vec<u32> = self.stays.iter().map(|stay| stay.agent).collect();
        agents.sort_unstable();
        agents.dedup();
        agents
    }
}

/// Splits the history into days.
pub(super) fn days(history: &History) -> Vec<Day> {
    let Some(minutes) = Minutes::new(history) else { return Vec::new() };
    let mut days: Vec<(usize, usize)> = Vec::new();
    for index in (0..minutes.kept.len()).filter(|index| minutes.kept[*index]) {
        match days.last_mut() {
            Some((first, last)) if index - *last <= DAY_GAP_MIN && index - *first < DAY_MAX_MIN => {
                *last = index
            }
            Some(_) | None => days.push((index, index)),
        }
    }
    days.into_iter().map(|(first, last)| minutes.day(history, first, last + 1)).collect()
}

/// Minute by minute: whether there was something to call.
struct Minutes {
    origin_s: f64,
    kept: Vec<bool>,
}

impl Minutes {
    fn new(history: &History) -> Option<Self> {
        let from = |stay: &PastStay| stay.from_s;
        let origin_s = history.stays.iter().map(from).min_by(f64::total_cmp)?;
        let end_s = history.stays.iter().map(|stay| stay.to_s).max_by(f64::total_cmp)?;
        let count = ((end_s - origin_s) / 60.0).ceil();
        if !(count >= 1.0 && count <= MINUTES_MAX as f64) {
            return None;
        }
        let count = count as usize;
        // Agents who are there and have no call count against lines that may become one.
        let mut changes: Vec<(f64, i64, i64)> = Vec::new();
        let mut span = |from_s: f64, to_s: f64, free: i64, there: i64| {
            if to_s > from_s {
                changes.push((from_s, free, there));
                changes.push((to_s, -free, -there));
            }
        };
        for stay in &history.stays {
            span(stay.from_s, stay.to_s, 1, 1);
        }
        for call in &history.calls {
            // A line that was answered stays one until the agent has it.
            let joined_s = call.talk.map_or(call.settled_s, |talk| talk.from_s);
            span(call.placed_s, joined_s.max(call.settled_s), -1, 0);
            if let Some(talk) = call.talk {
                span(talk.from_s, talk.to_s + wrap_s(history, call), -1, 0);
            }
        }
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut starved_s, mut there_s) = (vec![0.0; count], vec![0.0; count]);
        let (mut free, mut there, mut since_s) = (0, 0, origin_s);
        for (at_s, free_change, there_change) in changes {
            let spread =
                |per_minute: &mut [f64]| over_minutes(per_minute, since_s - origin_s, at_s - origin_s);
            if there > 0 {
                spread(&mut there_s);
                if free > 0 {
                    spread(&mut starved_s);
                }
            }
            (free, there, since_s) = (free + free_change, there + there_change, at_s);
        }
        let kept = starved_s.iter().zip(&there_s);
        let kept = kept.map(|(starved, there)| *there > 0.0 && *starved < STARVED_SHARE * there).collect();
        Some(Self { origin_s, kept })
    }

    fn is_kept(&self, at_s: f64) -> bool {
        let minute = (at_s - self.origin_s) / 60.0;
        minute >= 0.0 && self.kept.get(minute as usize).copied().unwrap_or_default()
    }

    /// Seconds of a span that lie in minutes that count, between two minutes.
    fn kept_s(&self, from_s: f64, to_s: f64, minutes: (usize, usize)) -> f64 {
        let mut sum = 0.0;
        self.pieces(from_s, to_s, minutes, |from_s, to_s| sum += to_s - from_s);
        sum
    }

    /// The pieces of a span that lie in minutes that count, in seconds.
    fn pieces(&self, from_s: f64, to_s: f64, (first, end): (usize, usize), mut piece: impl FnMut(f64, f64)) {
        let minute = |at_s: f64| ((at_s - self.origin_s) / 60.0).clamp(0.0, MINUTES_MAX as f64);
        let (from, to) = (minute(from_s).max(first as f64), minute(to_s).min(end as f64));
        let mut index = from as usize;
        while (index as f64) < to {
            let begin = index;
            while (index as f64) < to && self.kept.get(index).copied().unwrap_or_default() {
                index += 1;
            }
            if index > begin {
                let (from, to) = (from.max(begin as f64), to.min(index as f64));
                if to > from {
                    piece(self.origin_s + from * 60.0, self.origin_s + to * 60.0);
                }
            }
            index += usize::from(index == begin);
        }
    }

    fn day(&self, history: &History, first: usize, end: usize) -> Day {
        let at_s = |minute: usize| self.origin_s + minute as f64 * 60.0;
        let (from_s, to_s) = (at_s(first), at_s(end));
        let mut account = Account::default();
        let mut stays = Vec::new();
        for stay in &history.stays {
            let agent = stay.agent;
            let mut kept_s = 0.0;
            self.pieces(stay.from_s, stay.to_s, (first, end), |piece_from_s, piece_to_s| {
                kept_s += piece_to_s - piece_from_s;
                let hours = |at_s: f64| (at_s - from_s) / 3600.0;
                stays.push(Stay { agent, from_h: hours(piece_from_s), to_h: hours(piece_to_s) });
            });
            account.work_s += kept_s;
            account.starved_s += (stay.to_s.min(to_s) - stay.from_s.max(from_s)).max(0.0) - kept_s;
        }
        let within = |at_s: f64| (from_s..to_s).contains(&at_s) && self.is_kept(at_s);
        for call in &history.calls {
            account.dials += u64::from(within(call.placed_s));
            if call.how == Settled::Live && within(call.settled_s) {
                account.live += 1;
                account.abandoned += u64::from(call.abandoned);
            }
            if let Some(talk) = call.talk {
                account.talk_s += self.kept_s(talk.from_s, talk.to_s, (first, end));
            }
        }
        Day { from_s, to_s, stays, account }
    }
}

/// Wrap-up after a call as far as it is known.
fn wrap_s(history: &History, call: &PastCall) -> f64 {
    const UNSEEN_S: f64 = 20.0;
    call.talk.and_then(|talk| talk.wrap_s).or(history.wrap_script_s).unwrap_or(UNSEEN_S)
}

/// Adds a span to the minutes that it covers.
fn over_minutes(per_minute: &mut [f64], from_s: f64, to_s: f64) {
    let mut index = (from_s / 60.0).max(0.0) as usize;
    while let Some(sum) = per_minute.get_mut(index).filter(|_| (index as f64) * 60.0 < to_s) {
        *sum += (to_s.min((index + 1) as f64 * 60.0) - from_s.max(index as f64 * 60.0)).max(0.0);
        index += 1;
    }
}
