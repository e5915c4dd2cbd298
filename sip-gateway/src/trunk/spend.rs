//! What a trunk's answered calls have cost, and how much may still be spent. Whole millionths of the currency's unit.
//!
//! No call is refused too late for what is known of it: each one that is placed counts with its fee and its first step, and each one that
//! is up with its seconds, the next step and its fee. That is never less than what it would be charged if it ended now, and costs two
//! multiplications however many calls there are.

use std::time::Duration;

use super::rates::Rate;

/// How much may be spent on a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendOptions {
    /// A UTC day, in millionths; `None`: no cap.
    pub daily_max: Option<u64>,
    /// A UTC month, in millionths; `None`: no cap.
    pub monthly_max: Option<u64>,
    /// What the money is called; shown and not reckoned with.
    pub currency: String,
}

impl SpendOptions {
    /// Whether there is a cap.
    pub fn is_capped(&self) -> bool {
        self.daily_max.is_some() || self.monthly_max.is_some()
    }
}

/// Money of one trunk: of ended calls, of those that are placed or up, and what may still come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spend {
    /// Of calls that ended since the start.
    pub ended: u64,
    /// What calls that are placed or up cost at most beside the seconds of those that are up.
    ahead: u64,
    /// Of calls that are up: the sum of their prices of a minute, and of these times the milliseconds at which they were answered.
    slope: u128,
    offset: u128,
    /// How much may be spent; `None`: as much as it comes to.
    left: Option<u64>,
}

impl Spend {
    /// From now on so much may be spent. Calls that are up count whole: they are charged when they end.
    pub fn allow(&mut self, left: u64) {
        self.left = Some(left);
    }

    /// A call is placed that would cost this.
    pub fn placed(&mut self, rate: Rate) {
        self.ahead = self.ahead.saturating_add(rate.ahead());
    }

    /// It came to nothing.
    pub fn dropped(&mut self, rate: Rate) {
        self.ahead = self.ahead.saturating_sub(rate.ahead());
    }

    /// It was answered.
    pub fn answered(&mut self, rate: Rate, now: Duration) {
        self.slope = self.slope.saturating_add(u128::from(rate.per_minute));
        self.offset = self.offset.saturating_add(seconds_of(rate, now));
    }

    /// A call that was placed, and answered then, has ended.
    pub fn over(&mut self, rate: Rate, answered_at: Duration, now: Duration) {
        self.dropped(rate);
        self.slope = self.slope.saturating_sub(u128::from(rate.per_minute));
        self.offset = self.offset.saturating_sub(seconds_of(rate, answered_at));
        let charge = rate.charge(now.saturating_sub(answered_at));
        self.ended = self.ended.saturating_add(charge);
        self.left = self.left.map(|left| left.saturating_sub(charge));
    }

    /// What may still be spent beside what calls that are placed or up cost; `None` without a cap.
    pub fn left(&self, now: Duration) -> Option<u64> {
        Some(self.left?.saturating_sub(self.under_way(now)))
    }

    /// Whether no new call may be placed.
    pub fn is_spent(&self, now: Duration) -> bool {
        self.left(now) == Some(0)
    }

    /// When that will be, by what is up now.
    pub fn spent_at(&self, now: Duration) -> Option<Duration> {
        let more = u128::from(self.left(now)?).saturating_mul(60_000);
        let length = u64::try_from(more.checked_div(self.slope)?).ok()?;
        // A millisecond later it has passed in any case.
        Some(now.saturating_add(Duration::from_millis(length.saturating_add(1))))
    }

    /// What calls that are placed or up cost, at most.
    pub fn under_way(&self, now: Duration) -> u64 {
        let run = self.slope.saturating_mul(now.as_millis()).saturating_sub(self.offset).div_ceil(60_000);
        u64::try_from(run).unwrap_or(u64::MAX).saturating_add(self.ahead)
    }
}

fn seconds_of(rate: Rate, at: Duration) -> u128 {
    u128::from(rate.per_minute).saturating_mul(at.as_millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rates::Billing;
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rate(per_minute: u64, first_s: u32, next_s: u32, fee: u64) -> Rate {
        Rate { per_minute, billing: Billing { first_s, next_s }, fee }
    }

    #[test]
    fn live_calls_use_it_up_too() {
        let rate = rate(60_000, 1, 1, 0);
        let mut spend = Spend::default();
        assert!(!spend.is_spent(s(0)) && spend.spent_at(s(0)).is_none() && spend.left(s(0)).is_none());
        spend.allow(102_002);
        spend.placed(rate);
        spend.placed(rate);
        assert_eq!(spend.left(s(0)), Some(100_000), "a second of each");
        spend.answered(rate, s(10));
        spend.answered(rate, s(20));
        assert_eq!(spend.spent_at(s(20)), Some(s(65) + Duration::from_millis(1)), "10 s, then two at once");
        assert!(!spend.is_spent(s(64)) && spend.is_spent(s(65)));
        spend.over(rate, s(10), s(70));
        spend.over(rate, s(20), s(70));
        assert!(spend.is_spent(s(70)) && spend.ended == 110_000 && spend.under_way(s(70)) == 0);
        spend.allow(5);
        assert!(!spend.is_spent(s(80)), "a new day");
        spend.allow(0);
        assert!(spend.is_spent(s(80)), "nothing left from the start");
    }

    #[test]
    fn a_call_that_comes_to_nothing_costs_nothing() {
        let rate = rate(60_000, 60, 6, 5_000);
        let mut spend = Spend::default();
        spend.allow(60_000);
        spend.placed(rate);
        assert!(spend.is_spent(s(0)), "its first minute and its fee are more than there is");
        spend.dropped(rate);
        assert_eq!((spend.left(s(0)), spend.ended), (Some(60_000), 0));
    }

    proptest! {
        /// Calls come one after another as long as they may. What is reckoned of live calls is never below what they are charged, and above
        /// it by their next steps at most; and what comes over the cap is what one call costs at least and what those that were up or rang
        /// then cost from then on.
        #[test]
        fn a_cap_is_overrun_by_calls_that_go_on_alone(
            allowed in 0u64..3_000_000,
            calls in proptest::collection::vec((0u64..60, 1u64..900, 1u64..200_000, 1u32..61, 1u32..61, 0u64..9_000), 1..40),
        ) {
            let mut spend = Spend::default();
            spend.allow(allowed);
            let (mut at, mut up) = (0, Vec::<(u64, u64, Rate)>::new());
            let mut stopped: Option<u64> = None;
            let mut over_then = 0;
            for (gap, length, per_minute, first, next, fee) in calls {
                at += gap;
                let rate = rate(per_minute, first, next, fee);
                up.retain(|(from, to, rate)| {
                    if *to <= at { spend.over(*rate, s(*from), s(*to)); }
                    *to > at
                });
                let live: u64 = up.iter().map(|(from, _, rate)| rate.charge(s(at - from))).sum();
                let most: u64 = up.iter().map(|(_, _, rate)| rate.ahead() + 1).sum();
                let told = spend.under_way(s(at));
                prop_assert!(live <= told && told <= live + most, "{live} {told} {most}");
                if spend.is_spent(s(at)) {
                    stopped.get_or_insert(at);
                    continue;
                }
                spend.placed(rate);
                spend.answered(rate, s(at));
                up.push((at, at + length, rate));
                // What is owed already when this call is up, beyond what was allowed.
                let owed = spend.ended + live + rate.charge(s(0));
                over_then = over_then.max(owed.saturating_sub(allowed + rate.charge(s(0))));
            }
            prop_assert_eq!(over_then, 0, "a call is placed only where there is something left");
            for (from, to, rate) in up {
                spend.over(rate, s(from), s(to));
            }
            prop_assert_eq!((spend.ahead, spend.slope, spend.offset), (0, 0, 0));
        }
    }
}
