//! The two times of the business machine: monotonic for timers, UTC for law and records.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Utc(pub i64);

/// The UTC day and month of an instant: when they began, and when the next day begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarDay {
    /// Midnight UTC.
    pub day: Utc,
    /// Midnight UTC of the first of the month.
    pub month: Utc,
    /// The next midnight UTC.
    pub next: Utc,
}

impl CalendarDay {
    /// The day of this instant.
    pub fn of(at: Utc) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let day = at.0.saturating_sub(at.0.rem_euclid(DAY_MS));
        let date =
            jiff::Timestamp::from_millisecond(day).map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
        let passed = date.map_or(0, |date| i64::from(date.day()) - 1);
        let month = day.saturating_sub(passed.saturating_mul(DAY_MS));
        Self { day: Utc(day), month: Utc(month), next: Utc(day.saturating_add(DAY_MS)) }
    }
}

impl Utc {
    /// The instant `duration` later; saturates.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `duration` earlier.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The present, as the shell read it: both clocks at one instant, in campaign time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the process started; never jumps.
    pub monotonic: Duration,
    /// Wall clock; may jump.
    pub utc: Utc,
}
