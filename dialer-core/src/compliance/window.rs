//! Calling windows: when a person may be called, by the clock on their wall.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::campaign::check::{ENTRIES_MAX, minutes_of};
use crate::campaign::spec::Window;
use crate::time::Utc;

/// Minutes of a day; the end of a window may be this.
const DAY_MINUTES: u16 = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// How far ahead the next window is looked for: every weekday once, and the rest of today a week from now.
const DAYS_AHEAD_MAX: u8 = 8;

/// Why windows can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A time is not `HH:MM` between 00:00 and 24:00.
    #[error("`{0}` is not a time: write HH:MM from 00:00 to 24:00")]
    Time(String),
    /// A window ends before it begins.
    #[error("`to` must be later than `from`; write a window over midnight as two")]
    Order,
    /// A window without days.
    #[error("`days` is empty")]
    Days,
    /// Too many windows.
    #[error("at most {ENTRIES_MAX} windows")]
    Many,
}

/// When calls may be made, by weekday and minute, contact-local.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Half-open spans of minutes by weekday, Monday first.
    spans: [Vec<(u16, u16)>; 7],
}

impl Calendar {
    /// Open at every time.
    pub fn always() -> Self {
        Self::daily(0, DAY_MINUTES)
    }

    /// Open between two minutes of every day.
    pub fn daily(from: u16, to: u16) -> Self {
        Self { spans: std::array::from_fn(|_| vec![(from, to)]) }
    }

    /// Open in the given half-open spans of minutes by weekday, Monday first.
    pub fn from_spans(spans: [&[(u16, u16)]; 7]) -> Self {
        Self { spans: spans.map(<[_]>::to_vec) }
    }

    /// Open in the given windows.
    pub fn from_windows(windows: &[Window]) -> Result<Self, WindowError> {
        if windows.len() > ENTRIES_MAX {
            return Err(WindowError::Many);
        }
        let mut spans: [Vec<(u16, u16)>; 7] = Default::default();
        for window in windows {
            let (from, to) = (minutes(&window.from)?, minutes(&window.to)?);
            if from >= to {
                return Err(WindowError::Order);
            }
            if window.days.is_empty() {
                return Err(WindowError::Days);
            }
            for day in &window.days {
                if let Some(day) = spans.get_mut(day.index()) {
                    day.push((from, to));
                }
            }
        }
        spans.iter_mut().for_each(|day| day.sort_unstable());
        Ok(Self { spans })
    }

    /// Whether a call may be made at `at` in `zone`.
    pub fn is_open(&self, zone: &TimeZone, at: Utc) -> bool {
        let Ok(at) = Timestamp::from_millisecond(at.0) else { return false };
        let local = zone.to_datetime(at);
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        self.on(local.date()).iter().any(|(from, to)| (*from..*to).contains(&minute))
    }

    /// The first instant at or after `at` at which a call may be made in `zone`, within a week; `None` where there is
    /// none. A start that the spring's change of clocks skips counts from the first minute after the gap, if it is
    /// still within the window.
    pub fn next_open(&self, zone: &TimeZone, at: Utc) -> Option<Utc> {
        if self.is_open(zone, at) {
            return Some(at);
        }
        let mut date = zone.to_datetime(Timestamp::from_millisecond(at.0).ok()?).date();
        for _ in 0..=DAYS_AHEAD_MAX {
            let start = self
                .on(date)
                .iter()
                .filter_map(|(from, _)| start_of(zone, date, *from))
                .filter(|start| *start >= at && self.is_open(zone, *start))
                .min();
            if start.is_some() {
                return start;
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last instant not after `latest` up to which calls may be made without a pause, where they may be made at `at`.
    pub fn open_until(&self, zone: &TimeZone, at: Utc, latest: Utc) -> Utc {
        let mut until = at;
        // Windows begin and end at whole minutes.
        while until < latest {
            let minute = Utc(until.0.saturating_sub(until.0.rem_euclid(MINUTE_MS)).saturating_add(MINUTE_MS));
            if minute > latest {
                return latest;
            }
            if !self.is_open(zone, minute) {
                return Utc(minute.0.saturating_sub(1));
            }
            until = minute;
        }
        until.min(latest)
    }

    /// Whether every minute open here is also open in `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.spans.iter().zip(&other.spans).all(|(mine, theirs)| {
            mine.iter().all(|(from, to)| {
                (*from..*to).all(|minute| theirs.iter().any(|(start, end)| (*start..*end).contains(&minute)))
            })
        })
    }

    fn on(&self, date: civil::Date) -> &[(u16, u16)] {
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        self.spans.get(day).map_or(&[], Vec::as_slice)
    }
}

fn start_of(zone: &TimeZone, date: civil::Date, minute: u16) -> Option<Utc> {
    let hour = i8::try_from(minute / 60).ok()?;
    let minute = i8::try_from(minute % 60).ok()?;
    let time = civil::Time::new(hour, minute, 0, 0).ok()?;
    Some(Utc(zone.to_zoned(date.to_datetime(time)).ok()?.timestamp().as_millisecond()))
}

fn minutes(text: &str) -> Result<u16, WindowError> {
    minutes_of(text).ok_or_else(|| WindowError::Time(text.chars().take(10).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::spec::Day;

    fn utc(text: &str) -> Utc {
        Utc(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn window(days: &[Day], from: &str, to: &str) -> Window {
        Window { days: days.to_vec(), from: from.into(), to: to.into() }
    }

    const EVERY_DAY: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    #[test]
    fn the_persons_own_clock_counts() {
        let calendar = Calendar::daily(8 * 60, 21 * 60);
        let at = utc("2026-11-20T13:30:00Z");
        assert!(calendar.is_open(&zone("America/New_York"), at), "8:30");
        assert!(!calendar.is_open(&zone("America/Chicago"), at), "7:30");
        assert_eq!(calendar.next_open(&zone("America/Chicago"), at), Some(utc("2026-11-20T14:00:00Z")));
        assert!(!calendar.is_open(&zone("Asia/Shanghai"), at), "21:30");
        assert_eq!(calendar.next_open(&zone("Asia/Shanghai"), at), Some(utc("2026-11-21T00:00:00Z")));
    }

    #[test]
    fn edges_are_half_open() {
        let calendar = Calendar::daily(8 * 60, 21 * 60);
        let zone = zone("UTC");
        assert!(calendar.is_open(&zone, utc("2026-11-20T08:00:00Z")));
        assert!(!calendar.is_open(&zone, utc("2026-11-20T07:59:59.999Z")));
        assert!(calendar.is_open(&zone, utc("2026-11-20T20:59:59.999Z")));
        assert!(!calendar.is_open(&zone, utc("2026-11-20T21:00:00Z")));
    }

    #[test]
    fn open_until_the_last_millisecond_of_the_window() {
        let calendar = Calendar::daily(8 * 60, 21 * 60);
        let zone = zone("UTC");
        let until = |at, latest| calendar.open_until(&zone, utc(at), utc(latest));
        let last = utc("2026-11-20T20:59:59.999Z");
        assert_eq!(until("2026-11-20T20:59:57Z", "2026-11-20T21:00:07Z"), last);
        assert_eq!(until("2026-11-20T20:58:30Z", "2026-11-20T21:00:00Z"), last);
        assert_eq!(until("2026-11-20T20:58:57Z", "2026-11-20T20:59:07Z"), utc("2026-11-20T20:59:07Z"));
        assert_eq!(until("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"), utc("2026-11-20T12:00:00Z"));
    }

    #[test]
    fn skips_closed_days() {
        let calendar = Calendar::from_windows(&[window(&[Day::Mon], "09:00", "12:00")]).unwrap();
        let zone = zone("Europe/Berlin");
        // A Monday, after the window.
        let at = utc("2026-11-16T11:30:00Z");
        assert_eq!(calendar.next_open(&zone, at), Some(utc("2026-11-23T08:00:00Z")));
    }

    #[test]
    fn midnight_can_be_crossed_by_two_windows() {
        let windows = [window(&EVERY_DAY, "22:00", "24:00"), window(&EVERY_DAY, "00:00", "02:00")];
        let calendar = Calendar::from_windows(&windows).unwrap();
        let zone = zone("UTC");
        for hour in ["22:30", "23:59", "00:00", "01:59"] {
            assert!(calendar.is_open(&zone, utc(&format!("2026-11-20T{hour}:00Z"))), "{hour}");
        }
        assert!(!calendar.is_open(&zone, utc("2026-11-20T02:00:00Z")));
    }

    #[test]
    fn a_start_in_the_springs_gap_moves_behind_it() {
        // Clocks in Berlin go from 02:00 to 03:00 on 2027-03-28.
        let zone = zone("Europe/Berlin");
        let before = utc("2027-03-28T00:00:00Z");
        let calendar = Calendar::from_windows(&[window(&[Day::Sun], "02:30", "04:00")]).unwrap();
        let start = calendar.next_open(&zone, before).unwrap();
        assert!(calendar.is_open(&zone, start));
        assert_eq!(start, utc("2027-03-28T01:30:00Z"), "03:30 local");
        let swallowed = Calendar::from_windows(&[window(&[Day::Sun], "02:00", "03:00")]).unwrap();
        assert_eq!(swallowed.next_open(&zone, before), Some(utc("2027-04-04T00:00:00Z")), "a week later");
    }

    #[test]
    fn both_passes_of_the_autumns_hour_are_open() {
        // 02:30 comes twice in Berlin on 2026-10-25.
        let zone = zone("Europe/Berlin");
        let calendar = Calendar::from_windows(&[window(&[Day::Sun], "02:00", "03:00")]).unwrap();
        assert!(calendar.is_open(&zone, utc("2026-10-25T00:30:00Z")));
        assert!(calendar.is_open(&zone, utc("2026-10-25T01:30:00Z")));
        assert!(!calendar.is_open(&zone, utc("2026-10-25T02:30:00Z")));
    }

    #[test]
    fn refuses_windows_that_mean_nothing() {
        let refused = |from, to| Calendar::from_windows(&[window(&[Day::Mon], from, to)]).unwrap_err();
        assert_eq!(refused("9:00", "12:00"), WindowError::Time("9:00".into()));
        assert_eq!(refused("09:00", "24:01"), WindowError::Time("24:01".into()));
        assert_eq!(refused("09:60", "12:00"), WindowError::Time("09:60".into()));
        assert_eq!(refused("12:00", "12:00"), WindowError::Order);
        assert_eq!(Calendar::from_windows(&[window(&[], "09:00", "12:00")]), Err(WindowError::Days));
        let many = vec![window(&[Day::Mon], "09:00", "12:00"); ENTRIES_MAX + 1];
        assert_eq!(Calendar::from_windows(&many), Err(WindowError::Many));
    }

    #[test]
    fn never_open_has_no_next() {
        let calendar = Calendar::from_windows(&[]).unwrap();
        assert_eq!(calendar.next_open(&zone("UTC"), Utc(0)), None);
        assert!(!calendar.is_open(&zone("UTC"), Utc(i64::MAX)), "beyond the calendar");
        assert!(Calendar::always().is_open(&zone("UTC"), Utc(0)));
        assert!(calendar.is_within(&Calendar::always()) && !Calendar::always().is_within(&calendar));
    }
}
