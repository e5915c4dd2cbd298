//! Whether a trunk is well: OPTIONS checks with hysteresis, and what it says of its own overload.

use std::time::Duration;

use crate::message::Response;
use crate::transaction::TransactionKey;

/// So many checks in a row must fail before a trunk is left.
pub const DOWN_AFTER: u32 = 3;

/// So many checks in a row must be answered before it is used again.
pub const UP_AFTER: u32 = 2;

/// No carrier makes us leave it alone for longer by one Retry-After.
pub const PAUSE_MAX: Duration = Duration::from_secs(600);

/// How many checks it takes to change one's mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    /// Failed checks in a row before the trunk is down.
    pub down_after: u32,
    /// Answered checks in a row before it is up again.
    pub up_after: u32,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self { down_after: DOWN_AFTER, up_after: UP_AFTER }
    }
}

/// What the checks of one trunk say.
#[derive(Debug)]
pub struct Health {
    hysteresis: Hysteresis,
    down: bool,
    /// Checks in a row that say the opposite of `down`.
    against: u32,
    /// The check that is out.
    asked: Option<TransactionKey>,
    paused_until: Option<Duration>,
}

impl Health {
    /// A trunk of which nothing is known is well.
    pub fn new(hysteresis: Hysteresis) -> Self {
        Self { hysteresis, down: false, against: 0, asked: None, paused_until: None }
    }

    /// Whether too many checks have failed.
    pub fn is_down(&self) -> bool {
        self.down
    }

    /// Until when the trunk asked to be left alone.
    pub fn paused_until(&self) -> Option<Duration> {
        self.paused_until
    }

    /// A check is sent; one that is still out has failed. `None`: it could not be sent, which is a failure too.
    pub fn ask(&mut self, key: Option<TransactionKey>) {
        if self.asked.is_some() || key.is_none() {
            self.note(false);
        }
        self.asked = key;
    }

    /// The answer to a check. Whatever it says is a sign of life, unless it says that there is none behind it: 408, 503, 504.
    pub fn answered(&mut self, key: TransactionKey, response: &Response, now: Duration) {
        if response.status < 200 || self.asked != Some(key) {
            return;
        }
        self.asked = None;
        self.note(!matches!(response.status, 408 | 503 | 504));
        if response.status == 503 {
            self.pause(response.headers.retry_after(), now);
        }
    }

    /// A check got no answer, or could not be sent.
    pub fn unanswered(&mut self, key: TransactionKey) {
        if self.asked == Some(key) {
            self.asked = None;
            self.note(false);
        }
    }

    /// RFC 3261 §21.5.4: a server that says when to come back is left alone until then. Without a time a 503 is one refusal.
    pub fn pause(&mut self, retry_after: Option<u32>, now: Duration) {
        let Some(seconds) = retry_after.filter(|seconds| *seconds > 0) else { return };
        self.pause_until(now.saturating_add(Duration::from_secs(u64::from(seconds)).min(PAUSE_MAX)));
    }

    /// The trunk is left alone until then.
    pub fn pause_until(&mut self, until: Duration) {
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
    }

    /// Ends a pause that is over. True when there was one.
    pub fn resume(&mut self, now: Duration) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= now);
        if over {
            self.paused_until = None;
        }
        over
    }

    fn note(&mut self, well: bool) {
        if well != self.down {
            self.against = 0;
            return;
        }
        self.against = self.against.saturating_add(1);
        let enough = if self.down { self.hysteresis.up_after } else { self.hysteresis.down_after };
        if self.against >= enough.max(1) {
            self.down = !self.down;
            self.against = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn health() -> Health {
        Health::new(Hysteresis::default())
    }

    #[test]
    fn three_failures_in_a_row_and_two_answers_in_a_row() {
        let mut health = health();
        let told: Vec<bool> = [false, false, true, false, false, false, true, false, true, true]
            .into_iter()
            .map(|well| {
                health.note(well);
                health.is_down()
            })
            .collect();
        assert_eq!(told, [false, false, false, false, false, true, true, true, true, false]);
    }

    #[test]
    fn a_pause_is_as_long_as_was_asked_for_within_reason() {
        let mut health = health();
        let s = Duration::from_secs;
        health.pause(None, s(1));
        health.pause(Some(0), s(1));
        assert_eq!(health.paused_until(), None, "a 503 without a time is one refusal");
        health.pause(Some(30), s(1));
        health.pause(Some(10), s(2));
        assert_eq!(health.paused_until(), Some(s(31)), "never shortened");
        assert!(!health.resume(s(30)) && health.resume(s(31)) && !health.resume(s(32)));
        health.pause(Some(u32::MAX), s(40));
        assert_eq!(health.paused_until(), Some(s(640)));
    }

    proptest! {
        /// It changes its mind only after as many checks in a row as it takes.
        #[test]
        fn never_on_fewer_checks(
            checks in proptest::collection::vec(any::<bool>(), 0..200),
            down_after in 1u32..6,
            up_after in 1u32..6,
        ) {
            let mut health = Health::new(Hysteresis { down_after, up_after });
            for (index, well) in checks.iter().enumerate() {
                let before = health.is_down();
                health.note(*well);
                if health.is_down() != before {
                    let enough = if before { up_after } else { down_after } as usize;
                    prop_assert!(index + 1 >= enough);
                    prop_assert!(checks[index + 1 - enough..=index].iter().all(|check| *check == before));
                }
            }
        }
    }
}
