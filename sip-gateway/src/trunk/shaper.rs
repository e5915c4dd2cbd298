//! Spreads the INVITEs of a trunk evenly so that no sliding second holds more than the cap.

use std::time::Duration;

/// The window over which the cap is held. A little more than the second that carriers measure, so that jitter of
/// the network and of their clock can't squeeze one INVITE too many into it.
pub const WINDOW: Duration = Duration::from_millis(1_020);

/// A reservation is granted only if its INVITE can leave within this time.
pub const HORIZON: Duration = Duration::from_millis(500);

/// How much later than its slot an INVITE may leave without those behind it being put off as well. A busy loop looks some
/// milliseconds late; at hundreds of calls a second it would lose most slots otherwise. [`WINDOW`] is longer than a second by
/// more than this, so the cap still holds in every sliding second.
const LATE_MAX: Duration = Duration::from_millis(10);

/// Even spacing of INVITEs: no burst after idle time, no catching up after one that is later than `LATE_MAX`.
///
/// A cap of one or more is rounded down to a whole number, because no window may hold more than the cap: 2.5
/// calls per second are two in every second. A cap below one stretches the spacing: 0.5 is one in two seconds.
#[derive(Clone, Debug)]
pub struct Shaper {
    spacing: Option<Duration>,
    next: Duration,
}

impl Shaper {
    /// A shaper for `calls_per_second`; zero, negative or not-a-number never lets anything pass.
    pub fn new(calls_per_second: f64) -> Self {
        let per_second = if calls_per_second >= 1.0 { calls_per_second.floor() } else { calls_per_second };
        let spacing = (per_second.is_finite() && per_second > 0.0)
            .then(|| Duration::try_from_secs_f64(WINDOW.as_secs_f64() / per_second).ok())
            .flatten();
        Self { spacing, next: Duration::ZERO }
    }

    /// The earliest time at which the next INVITE may leave; `None` when the cap is zero.
    pub fn next_slot(&self, now: Duration) -> Option<Duration> {
        self.spacing.map(|_| self.next.max(now))
    }

    /// When [`Shaper::free`] will say more than at `now` though nothing is sent; `None`: never.
    pub fn changes_at(&self, now: Duration) -> Option<Duration> {
        let spacing = self.spacing.filter(|_| self.next > now)?;
        let Some(span) = now.saturating_add(HORIZON).checked_sub(self.next) else {
            return Some(self.next.saturating_sub(HORIZON));
        };
        let more = u32::try_from(span.as_nanos() / spacing.as_nanos().max(1) + 1).ok()?;
        let at = self.next.saturating_add(spacing.saturating_mul(more)).checked_sub(HORIZON)?;
        (at <= self.next).then_some(at)
    }

    /// Notes that an INVITE left at `now`.
    pub fn sent(&mut self, now: Duration) {
        if let Some(spacing) = self.spacing {
            // After idle time there is no slot that this one is late for.
            let idle = now.saturating_sub(self.next) > HORIZON;
            let slot = if idle { now } else { self.next.max(now.saturating_sub(LATE_MAX)) };
            self.next = slot.saturating_add(spacing);
        }
    }

    /// How many more INVITEs could leave within [`HORIZON`] behind the `waiting` ones.
    pub fn free(&self, waiting: u32, now: Duration) -> u32 {
        let (Some(spacing), Some(first)) = (self.spacing, self.next_slot(now)) else { return 0 };
        let end = now.saturating_add(HORIZON);
        let Some(span) = end.checked_sub(first) else { return 0 };
        let slots = span.as_nanos() / spacing.as_nanos().max(1) + 1;
        u32::try_from(slots).unwrap_or(u32::MAX).saturating_sub(waiting)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_zero_cap_lets_nothing_pass() {
        for cap in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            let shaper = Shaper::new(cap);
            assert_eq!(shaper.next_slot(ms(5)), None);
            assert_eq!(shaper.free(0, ms(5)), 0);
        }
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut shaper = Shaper::new(10.0);
        shaper.sent(ms(0));
        assert_eq!(shaper.next_slot(ms(60_000)), Some(ms(60_000)));
        shaper.sent(ms(60_000));
        assert_eq!(shaper.next_slot(ms(60_000)), Some(ms(60_102)));
    }

    #[test]
    fn a_loop_that_looks_every_few_milliseconds_loses_no_slot() {
        let mut shaper = Shaper::new(1_000.0);
        let mut sent = 0;
        for now in (0..10_000).step_by(5) {
            while shaper.next_slot(ms(now)).is_some_and(|slot| slot <= ms(now)) {
                shaper.sent(ms(now));
                sent += 1;
            }
        }
        // 10 s of slots that are 1.02 ms apart.
        assert!((9_795..=9_805).contains(&sent), "{sent}");
    }

    #[test]
    fn free_counts_slots_within_the_horizon() {
        let mut shaper = Shaper::new(10.0);
        // Slots at 0, 102, 204, 306 and 408 ms.
        assert_eq!(shaper.free(0, ms(0)), 5);
        assert_eq!(shaper.free(3, ms(0)), 2);
        assert_eq!(shaper.free(9, ms(0)), 0);
        shaper.sent(ms(0));
        assert_eq!(shaper.free(0, ms(0)), 4);
        // One in two seconds: free only shortly before its slot.
        let mut slow = Shaper::new(0.5);
        assert_eq!(slow.free(0, ms(0)), 1);
        slow.sent(ms(0));
        assert_eq!(slow.free(0, ms(1_000)), 0);
        assert_eq!(slow.free(0, ms(1_600)), 1);
    }

    proptest! {
        /// Whatever the demand and however late the loop wakes, no closed sliding second exceeds the cap.
        #[test]
        fn no_sliding_second_exceeds_the_cap(
            cap in prop_oneof![0.2f64..60.0, 60.0f64..2_000.0],
            steps in proptest::collection::vec(prop_oneof![0u64..40_000, 0u64..3_000], 1..400),
        ) {
            let mut shaper = Shaper::new(cap);
            let mut now = Duration::ZERO;
            let mut sent: Vec<Duration> = Vec::new();
            for step_us in steps {
                now += Duration::from_micros(step_us);
                while shaper.next_slot(now).is_some_and(|slot| slot <= now) {
                    shaper.sent(now);
                    sent.push(now);
                }
            }
            for (index, start) in sent.iter().enumerate() {
                let end = *start + Duration::from_secs(1);
                let inside = sent[index..].iter().filter(|at| **at <= end).count();
                prop_assert!(inside as f64 <= cap.max(1.0), "{inside} in a second, cap {cap}");
            }
        }

        /// Between what `changes_at` says, `free` says the same; so whoever asks only then misses nothing.
        #[test]
        fn free_changes_only_when_it_is_said(cap in 0.2f64..80.0, start in 0u64..3_000_000, steps in 1usize..12) {
            let mut shaper = Shaper::new(cap);
            shaper.sent(Duration::from_secs(1));
            let mut now = Duration::from_micros(start);
            for _ in 0..steps {
                let free = shaper.free(0, now);
                let Some(change) = shaper.changes_at(now) else {
                    for later in [1, 50, 400, 5_000] {
                        prop_assert_eq!(shaper.free(0, now + ms(later)), free);
                    }
                    break;
                };
                prop_assert!(change >= now);
                let before = change.saturating_sub(Duration::from_nanos(1)).max(now);
                prop_assert_eq!(shaper.free(0, before), free, "still the same at {:?}", before);
                now = change.max(now + Duration::from_nanos(1));
            }
        }

        /// What `free` promises is kept: that many INVITEs do leave within the horizon.
        #[test]
        fn free_is_a_promise(cap in 0.2f64..80.0, warm in 0u64..3_000) {
            let mut shaper = Shaper::new(cap);
            shaper.sent(Duration::ZERO);
            let start = ms(warm);
            let promised = shaper.free(0, start);
            let mut now = start;
            for _ in 0..promised {
                now = shaper.next_slot(now).unwrap();
                shaper.sent(now);
            }
            prop_assert!(now <= start + HORIZON + Duration::from_micros(1));
        }
    }
}
