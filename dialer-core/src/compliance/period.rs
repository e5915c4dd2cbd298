//! Periods of the abandonment limit: from when to when live and abandoned answers are counted together.
//!
//! Days and months are those of the campaign's zone; UTC where it has none.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};

use crate::campaign::spec::{CampaignSpec, Jurisdiction};
use crate::time::Utc;

/// Days of one of the FTC's successive periods (16 CFR 310.4(b)(4)(i)).
const FTC_DAYS: i64 = 30;

/// How long abandoned answers are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Successive periods of 30 days from the campaign's first day.
    ThirtyDays,
    /// The calendar day.
    Day,
    /// The calendar month.
    Month,
    /// The campaign's whole life.
    Life,
}

/// One period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub since: Utc,
    /// The first instant after it; `None`: it does not end.
    pub until: Option<Utc>,
}

impl Period {
    /// The period of a campaign that holds `at`. `started_at` is when the campaign first placed calls; it is taken to
    /// begin at `at` where it has not.
    pub fn of(spec: &CampaignSpec, started_at: Option<Utc>, at: Utc) -> Self {
        let zone = spec.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let zone = zone.unwrap_or(TimeZone::UTC);
        let found = match length(spec.jurisdiction) {
            Length::ThirtyDays => thirty_days(&zone, started_at.unwrap_or(at).min(at), at),
            Length::Day => date(&zone, at).and_then(|day| Some((day, day.tomorrow().ok()?))),
            Length::Month => date(&zone, at)
                .and_then(|day| Some((day.first_of_month(), day.last_of_month().tomorrow().ok()?))),
            Length::Life => None,
        };
        let whole = Self { since: Utc(i64::MIN), until: None };
        found
            .and_then(|(first, next)| {
                Some(Self { since: midnight(&zone, first)?, until: Some(midnight(&zone, next)?) })
            })
            .unwrap_or(whole)
    }

    /// Whether it is over at `at`.
    pub fn is_over(self, at: Utc) -> bool {
        self.until.is_some_and(|until| at >= until)
    }
}

/// The FTC counts 30 days, Canada months, Ofcom days. Where no law names a number, a day is the most cautious of them.
fn length(jurisdiction: Jurisdiction) -> Length {
    match jurisdiction {
        Jurisdiction::Us => Length::ThirtyDays,
        Jurisdiction::Ca => Length::Month,
        Jurisdiction::Uk
        | Jurisdiction::Au
        | Jurisdiction::De
        | Jurisdiction::Fr
        | Jurisdiction::In
        | Jurisdiction::Cn => Length::Day,
        Jurisdiction::None => Length::Life,
    }
}

fn thirty_days(zone: &TimeZone, started_at: Utc, at: Utc) -> Option<(civil::Date, civil::Date)> {
    let (first, today) = (date(zone, started_at)?, date(zone, at)?);
    let days = i64::from(first.until(today).ok()?.get_days());
    let since = first.checked_add((days - days.rem_euclid(FTC_DAYS)).days()).ok()?;
    Some((since, since.checked_add(FTC_DAYS.days()).ok()?))
}

fn date(zone: &TimeZone, at: Utc) -> Option<civil::Date> {
    Some(zone.to_datetime(Timestamp::from_millisecond(at.0).ok()?).date())
}

fn midnight(zone: &TimeZone, date: civil::Date) -> Option<Utc> {
    Some(Utc(date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::spec::testing::spec;

    fn utc(text: &str) -> Utc {
        Utc(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn of(jurisdiction: Jurisdiction, zone: Option<&str>, started_at: &str, at: &str) -> (Utc, Option<Utc>) {
        let spec = CampaignSpec { jurisdiction, timezone: zone.map(str::to_owned), ..spec() };
        let period = Period::of(&spec, Some(utc(started_at)), utc(at));
        assert!(period.since <= utc(at) && !period.is_over(utc(at)));
        (period.since, period.until)
    }

    #[test]
    fn the_ftc_counts_thirty_days_from_the_first() {
        let us = |at| of(Jurisdiction::Us, Some("America/New_York"), "2026-10-10T15:00:00Z", at);
        let first = (utc("2026-10-10T04:00:00Z"), Some(utc("2026-11-09T05:00:00Z")));
        assert_eq!(us("2026-10-10T15:00:00Z"), first);
        assert_eq!(us("2026-11-09T04:59:59Z"), first, "the clocks went back meanwhile");
        let second = (utc("2026-11-09T05:00:00Z"), Some(utc("2026-12-09T05:00:00Z")));
        assert_eq!(us("2026-11-09T05:00:00Z"), second);
        assert_eq!(us("2026-12-09T04:59:59Z"), second);
    }

    #[test]
    fn days_and_months_are_those_of_the_campaigns_zone() {
        let day = (utc("2026-07-05T23:00:00Z"), Some(utc("2026-07-06T23:00:00Z")));
        assert_eq!(
            of(Jurisdiction::Uk, Some("Europe/London"), "2026-07-01T09:00:00Z", "2026-07-06T22:59:59Z"),
            day
        );
        let month = (utc("2026-02-01T00:00:00Z"), Some(utc("2026-03-01T00:00:00Z")));
        assert_eq!(of(Jurisdiction::Ca, None, "2026-01-01T09:00:00Z", "2026-02-28T23:59:59Z"), month);
    }

    #[test]
    fn a_rig_has_one_period_and_a_draft_begins_now() {
        let life = of(Jurisdiction::None, None, "2020-01-01T00:00:00Z", "2026-02-28T00:00:00Z");
        assert_eq!(life, (Utc(i64::MIN), None));
        let spec = CampaignSpec { jurisdiction: Jurisdiction::Us, timezone: None, ..spec() };
        let at = utc("2026-02-28T12:00:00Z");
        assert_eq!(Period::of(&spec, None, at).since, utc("2026-02-28T00:00:00Z"));
        let later = Period::of(&spec, Some(at.after(std::time::Duration::from_secs(9_000_000))), at);
        assert_eq!(later.since, utc("2026-02-28T00:00:00Z"), "a wall clock that went back");
    }
}
