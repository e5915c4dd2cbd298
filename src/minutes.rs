//! The caps on a trunk's minutes: how much is left at the start, and anew with each UTC day and month. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_core::store::read::TrunkTalk;
use carillon_core::time::{CalendarDay, Utc};
use carillon_sip::options::TrunkOptions;

/// What is left to each capped trunk.
#[derive(Debug, Default)]
pub struct Minutes {
    caps: BTreeMap<String, Cap>,
    /// The day that was told of; `None`: the store has not said yet what was used.
    day: Option<CalendarDay>,
}

#[derive(Debug, Default)]
struct Cap {
    daily_max: Option<Duration>,
    monthly_max: Option<Duration>,
    /// Talk of the day, and of the month, before `base`.
    today: Duration,
    month: Duration,
    /// What the gateway had counted when the day began.
    base: Duration,
}

impl Minutes {
    /// The caps of these trunks.
    pub fn new(trunks: &[TrunkOptions]) -> Self {
        let capped = trunks.iter().filter(|it| it.talk_daily_max.is_some() || it.talk_monthly_max.is_some());
        let cap = |it: &TrunkOptions| {
            let (daily_max, monthly_max) = (it.talk_daily_max, it.talk_monthly_max);
            (it.name.clone(), Cap { daily_max, monthly_max, ..Cap::default() })
        };
        Self { caps: capped.map(cap).collect(), day: None }
    }

    /// What the store says was used; what is left from now on.
    pub fn start(&mut self, used: &[TrunkTalk], now: Utc) -> Vec<(String, Duration)> {
        self.day = Some(CalendarDay::of(now));
        for TrunkTalk { trunk, today, month } in used {
            if let Some(cap) = self.caps.get_mut(trunk) {
                (cap.today, cap.month) = (*today, *month);
            }
        }
        self.left()
    }

    /// What is left where a new day has begun; else nothing. `talked` is what the gateway has counted of a trunk.
    pub fn turn(&mut self, now: Utc, talked: impl Fn(&str) -> Duration) -> Vec<(String, Duration)> {
        let Some(day) = self.day.filter(|day| now >= day.next && !self.caps.is_empty()) else {
            return Vec::new();
        };
        let next = CalendarDay::of(now);
        self.day = Some(next);
        for (trunk, cap) in &mut self.caps {
            let talked = talked(trunk);
            let more = talked.saturating_sub(cap.base);
            cap.today = Duration::ZERO;
            cap.month = if next.month == day.month { cap.month.saturating_add(more) } else { Duration::ZERO };
            cap.base = talked;
        }
        self.left()
    }

    fn left(&self) -> Vec<(String, Duration)> {
        let left = |cap: &Cap| {
            let today = cap.daily_max.map(|most| most.saturating_sub(cap.today));
            let month = cap.monthly_max.map(|most| most.saturating_sub(cap.month));
            today.into_iter().chain(month).min()
        };
        self.caps.iter().filter_map(|(trunk, cap)| Some((trunk.clone(), left(cap)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    fn capped(daily: u64, monthly: u64) -> Minutes {
        let cap =
            Cap { daily_max: Some(minutes(daily)), monthly_max: Some(minutes(monthly)), ..Cap::default() };
        Minutes { caps: [("one".to_owned(), cap)].into(), day: None }
    }

    fn left(told: Vec<(String, Duration)>) -> Option<Duration> {
        told.first().map(|(_, left)| *left)
    }

    #[test]
    fn a_restart_goes_on_where_the_last_process_was() {
        let mut caps = capped(60, 100);
        let used = [TrunkTalk { trunk: "one".into(), today: minutes(50), month: minutes(70) }];
        assert_eq!(left(caps.start(&used, Utc(5 * DAY_MS))), Some(minutes(10)), "the day is the nearer cap");
        let mut caps = capped(60, 75);
        assert_eq!(left(caps.start(&used, Utc(5 * DAY_MS))), Some(minutes(5)), "the month is");
        let mut caps = capped(60, 60);
        assert_eq!(left(caps.start(&used, Utc(5 * DAY_MS))), Some(minutes(0)));
    }

    #[test]
    fn each_day_begins_anew_and_each_month_too() {
        let mut caps = capped(60, 100);
        // The 30th of January 1970.
        caps.start(&[], Utc(29 * DAY_MS + 5));
        assert_eq!(left(caps.turn(Utc(30 * DAY_MS - 1), |_| minutes(50))), None, "the same day");
        assert_eq!(left(caps.turn(Utc(30 * DAY_MS), |_| minutes(50))), Some(minutes(50)), "of the month");
        assert_eq!(left(caps.turn(Utc(30 * DAY_MS + 9), |_| minutes(90))), None, "told once a day");
        assert_eq!(left(caps.turn(Utc(31 * DAY_MS), |_| minutes(95))), Some(minutes(60)), "a new month");
        assert_eq!(left(caps.turn(Utc(33 * DAY_MS), |_| minutes(140))), Some(minutes(55)), "two days later");
    }
}
