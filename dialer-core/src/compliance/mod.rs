//! Compliance: the only place that mints a [`permit::Permit`], the only value with which a call can be placed.
//!
//! Every call asks twice: when it is chosen, so that no line is held for a call that may not be made, and in the
//! instant in which it is placed, after its intent was recorded.

pub mod jurisdiction;
pub mod period;
pub mod permit;
pub mod suppression;
pub mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::campaign::spec::CampaignSpec;
use crate::contact::number;
use crate::id::{AttemptId, CampaignId};
use crate::store::read::Due;
use crate::task::ClosedReason;
use crate::time::Utc;
use jurisdiction::Pack;
use permit::Permit;
use suppression::Suppression;
use window::{Calendar, WindowError};

/// How long a permit is good for.
pub const PERMIT_VALID: Duration = Duration::from_secs(10);
/// Most zones kept in memory; there are some 600 names.
const ZONES_MAX: usize = 2_000;

/// A campaign's rules, read once from its spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    calendar: Calendar,
    attempts_max: u32,
    within: Duration,
    pack: Option<Pack>,
    region_timezone: Option<String>,
}

impl Rules {
    /// Reads the rules of a spec.
    pub fn from_spec(spec: &CampaignSpec) -> Result<Self, WindowError> {
        let calendar = if spec.windows.is_empty() {
            jurisdiction::default_calendar(spec.jurisdiction)
        } else {
            Calendar::from_windows(&spec.windows)?
        };
        Ok(Self {
            calendar,
            attempts_max: spec.closure.attempts_max,
            within: spec.closure.within,
            pack: jurisdiction::pack(spec.jurisdiction),
            region_timezone: spec.timezone.clone(),
        })
    }
}

/// What compliance says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be made now; these rules were asked.
    Allowed(Vec<&'static str>),
    /// Not before this.
    NotBefore(Utc),
    /// Never; the task closes.
    Never(ClosedReason),
}

/// Everything the rules need beside a campaign's own.
#[derive(Debug, Default)]
pub struct Compliance {
    suppression: Suppression,
    zones: BTreeMap<String, Option<TimeZone>>,
}

impl Compliance {
    /// Suppresses a canonical number from now on.
    pub fn suppress(&mut self, number: &str) {
        self.suppression.add(number);
    }

    /// Whether and when a task's number may be called.
    pub fn check(&mut self, rules: &Rules, due: &Due, now: Utc) -> Verdict {
        if !number::is_callable(&due.number) {
            return Verdict::Never(ClosedReason::Number);
        }
        if self.suppression.contains(&due.number) {
            return Verdict::Never(ClosedReason::Suppressed);
        }
        if due.attempts >= rules.attempts_max {
            return Verdict::Never(ClosedReason::AttemptsMax);
        }
        if due.first_attempt_at.is_some_and(|first| now > first.after(rules.within)) {
            return Verdict::Never(ClosedReason::Within);
        }
        let Some(zone) = self.zone(due.timezone.as_deref().or(rules.region_timezone.as_deref())) else {
            return Verdict::Never(ClosedReason::NoZone);
        };
        // The pack's cap, in periods that begin with the task's first attempt.
        let cap = rules.pack.as_ref().and_then(|pack| pack.attempts);
        let earliest = match (cap, due.first_attempt_at) {
            (Some((most, period)), Some(first)) => {
                let periods_used = due.attempts.checked_div(most).unwrap_or(0);
                now.max(first.after(period.saturating_mul(periods_used)))
            }
            (Some(_) | None, Some(_) | None) => now,
        };
        match rules.calendar.next_open(&zone, earliest) {
            Some(at) if at <= now => {
                Verdict::Allowed(vec!["number", "suppression", "attempts", "zone", "window", "cap"])
            }
            Some(at) => Verdict::NotBefore(at),
            // No window in a week: asked again in a day, in case the campaign is changed.
            None => Verdict::NotBefore(now.after(Duration::from_secs(24 * 3600))),
        }
    }

    /// Mints the right to place one call now, if it may be made now.
    pub fn mint(
        &mut self,
        rules: &Rules,
        due: &Due,
        attempt: AttemptId,
        campaign: CampaignId,
        now: Utc,
    ) -> Result<Permit, Verdict> {
        match self.check(rules, due, now) {
            Verdict::Allowed(asked) => {
                // The INVITE may still wait for the trunk's rate: not beyond the end of the window.
                let latest = now.after(PERMIT_VALID);
                let zone = self.zone(due.timezone.as_deref().or(rules.region_timezone.as_deref()));
                let expires_at = zone.map_or(now, |zone| rules.calendar.open_until(&zone, now, latest));
                Ok(Permit {
                    attempt,
                    campaign,
                    contact: due.contact,
                    number: due.number.clone(),
                    expires_at,
                    rules: asked,
                })
            }
            refused @ (Verdict::NotBefore(_) | Verdict::Never(_)) => Err(refused),
        }
    }

    /// The hour on the wall of a contact of `timezone`; 0 where nothing is known.
    pub fn hour(&mut self, rules: &Rules, timezone: Option<&str>, now: Utc) -> u8 {
        let zone = self.zone(timezone.or(rules.region_timezone.as_deref()));
        let at = Timestamp::from_millisecond(now.0).ok();
        let hour = zone.zip(at).map(|(zone, at)| zone.to_datetime(at).hour());
        hour.and_then(|hour| u8::try_from(hour).ok()).unwrap_or(0)
    }

    /// Until when calls may be made without a pause in the campaign's zone (UTC where it has none), `latest` at the latest;
    /// `None` where none may be made now.
    pub fn closes(&mut self, rules: &Rules, now: Utc, latest: Utc) -> Option<Utc> {
        let zone = match &rules.region_timezone {
            Some(name) => self.zone(Some(name))?,
            None => TimeZone::UTC,
        };
        rules.calendar.is_open(&zone, now).then(|| rules.calendar.open_until(&zone, now, latest))
    }

    /// The first instant at or after `at` at which a contact of `timezone` may be called; `at` where nothing is known.
    pub fn next_open(&mut self, rules: &Rules, timezone: Option<&str>, at: Utc) -> Utc {
        let zone = self.zone(timezone.or(rules.region_timezone.as_deref()));
        zone.and_then(|zone| rules.calendar.next_open(&zone, at)).unwrap_or(at)
    }

    /// A zone by its IANA name.
    fn zone(&mut self, name: Option<&str>) -> Option<TimeZone> {
        let name = name?;
        if let Some(zone) = self.zones.get(name) {
            return zone.clone();
        }
        let zone = TimeZone::get(name).ok();
        if self.zones.len() < ZONES_MAX {
            self.zones.insert(name.to_owned(), zone.clone());
        }
        zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::spec::Jurisdiction;
    use crate::campaign::spec::testing::spec;
    use crate::id::{ContactId, TaskId};

    /// 2026-11-20 13:30 UTC: half past eight in New York.
    const NOW: Utc = Utc(1_795_181_400_000);

    fn due() -> Due {
        Due {
            owner: None,
            task: TaskId(1),
            contact: ContactId(1),
            name: "Ann".into(),
            number: "+15550000001".into(),
            timezone: Some("America/New_York".into()),
            attempts: 0,
            first_attempt_at: None,
        }
    }

    fn rules(jurisdiction: Jurisdiction) -> Rules {
        Rules::from_spec(&CampaignSpec { jurisdiction, ..spec() }).unwrap()
    }

    fn check(jurisdiction: Jurisdiction, due: &Due) -> Verdict {
        Compliance::default().check(&rules(jurisdiction), due, NOW)
    }

    #[test]
    fn a_permit_names_the_call_the_rules_and_its_end() {
        let mut compliance = Compliance::default();
        let rules = rules(Jurisdiction::Us);
        let permit = compliance.mint(&rules, &due(), AttemptId(7), CampaignId(3), NOW).unwrap();
        assert_eq!((permit.attempt(), permit.campaign()), (AttemptId(7), CampaignId(3)));
        assert_eq!((permit.contact(), permit.number()), (ContactId(1), "+15550000001"));
        assert_eq!(permit.expires_at(), NOW.after(PERMIT_VALID));
        assert!(permit.rules().contains(&"window"));
    }

    #[test]
    fn outside_the_window_of_the_contacts_zone_it_waits() {
        let chicago = Due { timezone: Some("America/Chicago".into()), ..due() };
        assert_eq!(
            check(Jurisdiction::Us, &chicago),
            Verdict::NotBefore(NOW.after(Duration::from_secs(1800)))
        );
        assert!(matches!(check(Jurisdiction::None, &chicago), Verdict::Allowed(_)));
        let mut compliance = Compliance::default();
        assert!(
            compliance.mint(&rules(Jurisdiction::Us), &chicago, AttemptId(1), CampaignId(1), NOW).is_err()
        );
    }

    #[test]
    fn a_permit_ends_with_the_window() {
        let mut compliance = Compliance::default();
        let rules = rules(Jurisdiction::Us);
        // 20:59:57 in New York.
        let now = NOW.after(Duration::from_secs(12 * 3600 + 29 * 60 + 57));
        let permit = compliance.mint(&rules, &due(), AttemptId(7), CampaignId(3), now).unwrap();
        assert_eq!(permit.expires_at(), now.after(Duration::from_millis(2_999)));
    }

    #[test]
    fn no_zone_no_call_whatever_the_jurisdiction() {
        for timezone in [None, Some("Mars/Olympus".to_owned())] {
            let due = Due { timezone, ..due() };
            assert_eq!(check(Jurisdiction::None, &due), Verdict::Never(ClosedReason::NoZone));
        }
        let mut listed = spec();
        listed.timezone = Some("UTC".into());
        let rules = Rules::from_spec(&listed).unwrap();
        let without = Due { timezone: None, ..due() };
        assert!(matches!(Compliance::default().check(&rules, &without, NOW), Verdict::Allowed(_)));
    }

    #[test]
    fn suppressed_emergency_and_impossible_numbers_never() {
        let mut compliance = Compliance::default();
        compliance.suppress("+15550000001");
        let rules = rules(Jurisdiction::None);
        assert_eq!(compliance.check(&rules, &due(), NOW), Verdict::Never(ClosedReason::Suppressed));
        for number in ["+1911", "911", "+1555000", "", "sip:+15550000002"] {
            let due = Due { number: number.into(), ..due() };
            assert_eq!(compliance.check(&rules, &due, NOW), Verdict::Never(ClosedReason::Number), "{number}");
        }
    }

    #[test]
    fn attempts_and_time_close_a_task() {
        let spent = Due { attempts: 3, first_attempt_at: Some(NOW), ..due() };
        assert_eq!(check(Jurisdiction::None, &spent), Verdict::Never(ClosedReason::AttemptsMax));
        let old = Due { attempts: 1, first_attempt_at: Some(Utc(0)), ..due() };
        assert_eq!(check(Jurisdiction::None, &old), Verdict::Never(ClosedReason::Within));
    }

    #[test]
    fn a_jurisdictions_cap_waits_for_its_period() {
        let mut five = spec();
        five.jurisdiction = Jurisdiction::De;
        five.closure.attempts_max = 9;
        let rules = Rules::from_spec(&five).unwrap();
        let mut compliance = Compliance::default();
        let mut due = Due { timezone: Some("Europe/Berlin".into()), attempts: 2, ..due() };
        due.first_attempt_at = Some(NOW.after(Duration::ZERO));
        assert!(matches!(compliance.check(&rules, &due, NOW), Verdict::Allowed(_)));
        due.attempts = 3;
        let tomorrow = NOW.after(Duration::from_secs(24 * 3600));
        assert_eq!(compliance.check(&rules, &due, NOW), Verdict::NotBefore(tomorrow));
        due.attempts = 5;
        assert!(matches!(compliance.check(&rules, &due, tomorrow), Verdict::Allowed(_)));
        due.attempts = 6;
        assert!(matches!(compliance.check(&rules, &due, tomorrow), Verdict::NotBefore(_)));
    }
}
