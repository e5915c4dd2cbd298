//! What carriers and their customers measure of a trunk: who was answered, how long it took to ring, what failed.

use std::time::Duration;

use crate::event::Failure;

/// Counted since the start; all of them only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkTally {
    /// INVITEs sent, repetitions not counted. (Seizures.)
    pub invites: u64,
    /// Of those: answered. With `invites` the answer-seizure ratio.
    pub answers: u64,
    /// Of those: ended by the callee's doing (answered, busy, rang and nobody came, declined). With `invites` the network
    /// efficiency ratio (ITU-T E.425).
    pub effective: u64,
    /// Of those: rang, or were answered without ringing first.
    pub rang: u64,
    /// Time from INVITE to ringing, added up over `rang`: the post-dial delay.
    pub post_dial: Duration,
    /// Of those: went on to another trunk.
    pub diverted: u64,
    /// Of those: went on to another server of the trunk.
    pub moved: u64,
    /// Times that a number was put to rest because it did far worse than the others.
    pub rested: u64,
    /// Calls that could not go over it because there is a cap on what is spent and no price for their number.
    pub unpriced: u64,
    /// Calls that its service signed.
    pub signed: u64,
    /// Calls that its service did not sign.
    pub unsigned: u64,
    /// Time from question to answer, added up over both.
    pub signing: Duration,
    /// Failures, by class.
    pub failures: Failures,
}

/// How a trunk stands to its caps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkCaps {
    /// How much may still be talked; `None` without a cap.
    pub talk_left: Option<Duration>,
    /// How much may still be spent, in millionths; `None` without a cap.
    pub spend_left: Option<u64>,
    /// How many of its numbers rest because they do worse than the others.
    pub numbers_resting: usize,
    /// What ended calls have cost since the start, in millionths; `None` where nothing is known of prices.
    pub spent: Option<u64>,
}

/// Failures by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// 300 to 399.
    pub redirected: u64,
    /// 400 to 499.
    pub client: u64,
    /// 500 to 599.
    pub server: u64,
    /// 600 to 699.
    pub global: u64,
    /// No response.
    pub silent: u64,
    /// Not reached.
    pub unreachable: u64,
    /// Anything else: cancelled by us, no usable session.
    pub other: u64,
}

impl Failures {
    /// Each class by its word.
    pub fn by_class(&self) -> [(&'static str, u64); 7] {
        [
            ("3xx", self.redirected),
            ("4xx", self.client),
            ("5xx", self.server),
            ("6xx", self.global),
            ("silent", self.silent),
            ("unreachable", self.unreachable),
            ("other", self.other),
        ]
    }
}

impl TrunkTally {
    /// A call rang for the first time so long after its INVITE, or was answered without.
    pub fn rang(&mut self, after: Duration) {
        self.rang += 1;
        self.post_dial = self.post_dial.saturating_add(after);
    }

    /// A call was answered.
    pub fn answered(&mut self) {
        self.answers += 1;
        self.effective += 1;
    }

    /// A call failed, after ringing or without.
    pub fn failed(&mut self, failure: Failure, rang: bool) {
        let class = match (failure.status(), failure) {
            (Some(300..=399), _) => &mut self.failures.redirected,
            (Some(400..=499), _) => &mut self.failures.client,
            (Some(500..=599), _) => &mut self.failures.server,
            (Some(_), _) => &mut self.failures.global,
            (None, Failure::Timeout) => &mut self.failures.silent,
            (None, Failure::Transport) => &mut self.failures.unreachable,
            (None, _) => &mut self.failures.other,
        };
        *class += 1;
        let by_callee = match failure {
            Failure::Status(480 | 486 | 487 | 600 | 603) => true,
            Failure::Caused { status: _, cause: 17..=21 } => true,
            Failure::Status(408) | Failure::Cancelled => rang,
            Failure::Status(_)
            | Failure::Caused { .. }
            | Failure::Timeout
            | Failure::Transport
            | Failure::Expired
            | Failure::Media
            | Failure::Ports
            | Failure::Unsigned => false,
        };
        self.effective += u64::from(by_callee);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_callee_did_counts_for_the_network_and_each_failure_has_one_class() {
        let mut tally = TrunkTally::default();
        for (failure, rang) in [
            (Failure::Status(486), false),
            (Failure::Status(404), false),
            (Failure::Status(503), false),
            (Failure::Caused { status: 503, cause: 17 }, false),
            (Failure::Status(302), false),
            (Failure::Status(603), true),
            (Failure::Cancelled, true),
            (Failure::Cancelled, false),
            (Failure::Timeout, false),
            (Failure::Transport, false),
        ] {
            tally.failed(failure, rang);
        }
        tally.answered();
        assert_eq!((tally.answers, tally.effective), (1, 5));
        let told = tally.failures.by_class().map(|(_, count)| count);
        assert_eq!(told, [1, 2, 2, 1, 1, 1, 2]);
        tally.rang(Duration::from_millis(800));
        tally.rang(Duration::from_millis(200));
        assert_eq!((tally.rang, tally.post_dial), (2, Duration::from_secs(1)));
    }
}
