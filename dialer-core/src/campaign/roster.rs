//! When agents work, by the clock of their site: the shifts that a campaign's spec lists, made fit to be asked.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::check::minutes_of;
use super::spec::{CampaignSpec, WorkShift};
use crate::time::Utc;

/// The group of everybody whom no shift names.
const UNNAMED: usize = 0;
/// Most days looked through at once: as far ahead as is asked, and the day before.
const DAYS_MAX: usize = 4;

/// Half-open spans of minutes by weekday, Monday first; in order, none touching another.
type Week = [Vec<(u16, u16)>; 7];

/// The roster of a campaign.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    zone: TimeZone,
    /// Those who work the same hours are a group.
    groups: Vec<Week>,
    named: BTreeMap<String, usize>,
}

impl Roster {
    /// The roster of a spec; `None` where it has none.
    pub fn of(spec: &CampaignSpec) -> Option<Self> {
        if spec.shifts.is_empty() {
            return None;
        }
        let zone = spec.shifts_timezone.as_deref().or(spec.timezone.as_deref());
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let mut of_agent: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, shift) in spec.shifts.iter().enumerate() {
            shift.agents.iter().for_each(|agent| of_agent.entry(agent).or_default().push(index));
        }
        let of_all = spec.shifts.iter().filter(|shift| shift.agents.is_empty());
        let mut groups = vec![week(of_all)];
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let mut named = BTreeMap::new();
        for (agent, shifts) in of_agent {
            let group = known.get(&shifts).copied().unwrap_or_else(|| {
                groups.push(week(shifts.iter().filter_map(|index| spec.shifts.get(*index))));
                known.insert(shifts, groups.len() - 1);
                groups.len() - 1
            });
            named.insert(agent.to_owned(), group);
        }
        Some(Self { zone, groups, named })
    }

    /// The group of an agent.
    pub fn group(&self, user: &str) -> usize {
        self.named.get(user).copied().unwrap_or(UNNAMED)
    }

    /// When a group works from `now` to `until`, at most a few days later: in order and without overlap. By real time: the
    /// hour that the spring skips is not worked, the one that comes twice in autumn is, where the shift reaches over it.
    pub fn spans(&self, group: usize, now: Utc, until: Utc) -> Vec<(Utc, Utc)> {
        let mut spans: Vec<(Utc, Utc)> = Vec::new();
        let (Some(week), Ok(first)) = (self.groups.get(group), Timestamp::from_millisecond(now.0)) else {
            return spans;
        };
        let mut date = Some(self.zone.to_datetime(first).date());
        for _ in 0..DAYS_MAX {
            let Some(day) = date else { break };
            let weekday = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
            for (from, to) in week.get(weekday).into_iter().flatten() {
                let (Some(from), Some(to)) = (self.instant(day, *from), self.instant(day, *to)) else {
                    continue;
                };
                // Where clocks change, a span may begin before the end of the one before it.
                let earliest = spans.last().map_or(now, |(_, end)| *end);
                let (from, to) = (from.max(earliest), to.min(until));
                if from < to {
                    spans.push((from, to));
                }
            }
            date = day.tomorrow().ok();
        }
        spans
    }

    /// A minute of a local day; behind the gap where the spring skips it, the first of two in autumn.
    fn instant(&self, date: civil::Date, minute: u16) -> Option<Utc> {
        let (date, minute) = if minute >= 24 * 60 { (date.tomorrow().ok()?, 0) } else { (date, minute) };
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let time = civil::Time::new(hour, minute, 0, 0).ok()?;
        Some(Utc(self.zone.to_zoned(date.to_datetime(time)).ok()?.timestamp().as_millisecond()))
    }
}

/// What overlaps or touches is one span.
fn week<'a>(shifts: impl Iterator<Item = &'a WorkShift>) -> Week {
    let mut week = Week::default();
    for shift in shifts {
        let (Some(from), Some(to)) = (minutes_of(&shift.from), minutes_of(&shift.to)) else { continue };
        for day in &shift.days {
            week.get_mut(day.index()).into_iter().for_each(|day| day.push((from, to)));
        }
    }
    for day in &mut week {
        day.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(day.len());
        for (from, to) in day.drain(..) {
            match joined.last_mut() {
                Some((_, end)) if from <= *end => *end = (*end).max(to),
                Some(_) | None => joined.push((from, to)),
            }
        }
        *day = joined;
    }
    week
}

#[cfg(test)]
pub(crate) mod testing {
    use super::super::spec::Day;
    use super::*;

    pub fn shift(days: &[Day], from: &str, to: &str, agents: &[&str]) -> WorkShift {
        let agents = agents.iter().map(|agent| (*agent).to_owned()).collect();
        WorkShift { days: days.to_vec(), from: from.into(), to: to.into(), agents }
    }

    pub fn roster(zone: &str, shifts: Vec<WorkShift>) -> Roster {
        let spec = crate::campaign::spec::testing::spec();
        Roster::of(&CampaignSpec { shifts, shifts_timezone: Some(zone.into()), ..spec }).expect("has shifts")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::spec::Day;
    use super::testing::{roster, shift};
    use super::*;

    const EVERY_DAY: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn utc(text: &str) -> Utc {
        Utc(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    /// Hours that an agent works from a time on for a day.
    fn hours(roster: &Roster, user: &str, now: &str) -> f64 {
        let now = utc(now);
        let spans = roster.spans(roster.group(user), now, now.after(DAY));
        spans.iter().map(|(from, to)| to.since(*from).as_secs_f64() / 3600.0).sum()
    }

    #[test]
    fn a_roster_is_read_by_the_clock_of_the_site() {
        let early = shift(&EVERY_DAY[..5], "09:00", "12:30", &[]);
        let late = shift(&EVERY_DAY[..5], "13:00", "17:00", &[]);
        let roster = roster("America/New_York", vec![early, late]);
        // A Friday; New York is five hours behind.
        assert_eq!(hours(&roster, "a", "2026-11-20T14:00:00Z"), 7.5);
        assert_eq!(hours(&roster, "a", "2026-11-20T17:45:00Z"), 4.0, "at lunch");
        assert_eq!(hours(&roster, "a", "2026-11-20T21:30:00Z"), 0.5);
        assert_eq!(hours(&roster, "a", "2026-11-20T22:00:00Z"), 0.0, "no work on Saturday");
    }

    #[test]
    fn who_is_named_works_by_what_names_them_alone() {
        let roster = roster(
            "UTC",
            vec![
                shift(&[Day::Fri], "09:00", "17:00", &[]),
                shift(&[Day::Fri], "12:00", "14:00", &["b", "c"]),
                shift(&[Day::Fri], "15:00", "16:00", &["c"]),
            ],
        );
        let morning = "2026-11-20T09:00:00Z";
        let all = ["a", "b", "c", "b "].map(|user| hours(&roster, user, morning));
        assert_eq!(all, [8.0, 2.0, 3.0, 8.0]);
        let named_alone = testing::roster("UTC", vec![shift(&[Day::Fri], "09:00", "17:00", &["b"])]);
        assert_eq!(hours(&named_alone, "a", morning), 0.0, "nobody said when");
    }

    #[test]
    fn what_overlaps_counts_once() {
        let shifts = [("09:00", "13:00"), ("12:00", "15:00"), ("15:00", "16:00"), ("10:00", "11:00")];
        let shifts = shifts.map(|(from, to)| shift(&[Day::Fri], from, to, &[])).to_vec();
        let roster = roster("UTC", shifts);
        let now = utc("2026-11-20T00:00:00Z");
        let one = vec![(utc("2026-11-20T09:00:00Z"), utc("2026-11-20T16:00:00Z"))];
        assert_eq!(roster.spans(UNNAMED, now, now.after(DAY)), one);
    }

    #[test]
    fn a_night_is_written_as_two_and_goes_over_midnight() {
        let night =
            vec![shift(&[Day::Fri], "22:00", "24:00", &[]), shift(&[Day::Sat], "00:00", "06:00", &[])];
        let roster = roster("Europe/Berlin", night);
        assert_eq!(hours(&roster, "a", "2026-11-20T20:00:00Z"), 8.0);
        assert_eq!(hours(&roster, "a", "2026-11-20T23:30:00Z"), 5.5, "half past midnight in Berlin");
    }

    /// Clocks in Berlin go from 02:00 to 03:00 on 2027-03-28 and from 03:00 to 02:00 on 2026-10-25.
    #[test]
    fn a_shift_lasts_as_long_as_it_does_when_clocks_change() {
        let night = || vec![shift(&[Day::Sun], "00:00", "06:00", &[])];
        let berlin = roster("Europe/Berlin", night());
        assert_eq!(hours(&berlin, "a", "2027-03-27T23:00:00Z"), 5.0, "an hour is skipped");
        assert_eq!(hours(&berlin, "a", "2026-10-24T22:00:00Z"), 7.0, "an hour comes twice");
        assert_eq!(hours(&berlin, "a", "2026-10-25T01:00:00Z"), 4.0, "in its second pass");
        let swallowed = roster("Europe/Berlin", vec![shift(&[Day::Sun], "02:00", "03:00", &[])]);
        assert_eq!(hours(&swallowed, "a", "2027-03-27T23:00:00Z"), 0.0);
        let split =
            [("01:00", "02:30"), ("02:45", "04:00")].map(|(from, to)| shift(&[Day::Sun], from, to, &[]));
        let spans = roster("Europe/Berlin", split.to_vec());
        let spans = spans.spans(UNNAMED, utc("2026-10-24T22:00:00Z"), utc("2026-10-25T22:00:00Z"));
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
    }

    #[test]
    fn times_beyond_the_calendar_have_no_hours() {
        let roster = roster("UTC", vec![shift(&EVERY_DAY, "00:00", "24:00", &[])]);
        for at in [i64::MIN, i64::MAX] {
            assert_eq!(roster.spans(UNNAMED, Utc(at), Utc(at).after(DAY)), []);
        }
        assert_eq!(roster.spans(7, Utc(0), Utc(1_000)), [], "no such group");
        assert_eq!(roster.spans(UNNAMED, Utc(5_000), Utc(1_000)), [], "over before it begins");
    }
}
