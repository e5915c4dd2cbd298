//! How long a trunk's answered calls have lasted, and how long they still may.

use std::time::Duration;

/// Talk of one trunk: ended calls, those that are up, and what may still come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talk {
    /// Of calls that ended.
    pub ended: Duration,
    /// Calls that are up, and the sum of the instants at which they were answered.
    up: u32,
    answered: Duration,
    /// How much may be talked; `None`: as long as they like.
    left: Option<Duration>,
}

impl Talk {
    /// From `now` on so much may be talked; what calls that are up have talked before counts for nothing.
    pub fn allow(&mut self, left: Duration, now: Duration) {
        self.left = Some(left.saturating_add(self.under_way(now)));
    }

    /// A call was answered.
    pub fn answered(&mut self, now: Duration) {
        self.up = self.up.saturating_add(1);
        self.answered = self.answered.saturating_add(now);
    }

    /// A call that was answered then has ended.
    pub fn over(&mut self, answered_at: Duration, now: Duration) {
        let length = now.saturating_sub(answered_at);
        self.up = self.up.saturating_sub(1);
        self.answered = self.answered.saturating_sub(answered_at);
        self.ended = self.ended.saturating_add(length);
        self.left = self.left.map(|left| left.saturating_sub(length));
    }

    /// Whether no new call may be placed.
    pub fn is_spent(&self, now: Duration) -> bool {
        self.left.is_some_and(|left| self.under_way(now) >= left)
    }

    /// How much may still be talked, beside what calls that are up have; `None` without a cap.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        Some(self.left?.saturating_sub(self.under_way(now)))
    }

    /// When that will be, by what is up now.
    pub fn spent_at(&self, now: Duration) -> Option<Duration> {
        let more = self.left?.saturating_sub(self.under_way(now));
        Some(now.saturating_add(more.checked_div(self.up)?))
    }

    /// What calls that are up have talked.
    fn under_way(&self, now: Duration) -> Duration {
        now.saturating_mul(self.up).saturating_sub(self.answered)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn live_calls_use_it_up_too() {
        let mut talk = Talk::default();
        assert!(!talk.is_spent(s(0)) && talk.spent_at(s(0)).is_none(), "without a cap never");
        talk.allow(s(100), s(0));
        talk.answered(s(10));
        talk.answered(s(20));
        assert_eq!(talk.spent_at(s(20)), Some(s(65)), "10 s of the first, then two at once");
        assert!(!talk.is_spent(s(64)) && talk.is_spent(s(65)));
        talk.over(s(10), s(70));
        talk.over(s(20), s(70));
        assert!(talk.is_spent(s(70)) && talk.ended == s(110));
        talk.allow(s(5), s(80));
        assert!(!talk.is_spent(s(80)), "a new day");
        talk.allow(s(0), s(80));
        assert!(talk.is_spent(s(80)), "nothing left from the start");
    }

    proptest! {
        /// It is spent exactly when all talk since it was allowed, of ended and of live calls, reaches what was allowed.
        #[test]
        fn what_is_counted_is_what_was_talked(
            allowed in 0u64..5_000,
            calls in proptest::collection::vec((0u64..1_000, 1u64..800), 0..20),
            ask in 0u64..2_000,
        ) {
            let mut talk = Talk::default();
            talk.allow(s(allowed), s(0));
            let mut happenings: Vec<(u64, Option<u64>)> = Vec::new();
            for (from, length) in &calls {
                happenings.push((*from, None));
                happenings.push((from + length, Some(*from)));
            }
            happenings.sort();
            for (at, began) in happenings.into_iter().filter(|(at, _)| *at <= ask) {
                match began {
                    None => talk.answered(s(at)),
                    Some(began) => talk.over(s(began), s(at)),
                }
            }
            let talked: u64 = calls.iter().map(|(from, length)| ask.min(from + length).saturating_sub(*from)).sum();
            prop_assert_eq!(talk.is_spent(s(ask)), talked >= allowed);
        }
    }
}
