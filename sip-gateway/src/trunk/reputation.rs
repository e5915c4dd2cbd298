//! What became of the calls that showed a number, and whether it does so much worse than the trunk's others that it had better rest.
//!
//! A number that callees, their phones or their networks have come to distrust is answered less, hung up on at once, or refused.
//! That is told from chance by bounds of the shares (Wilson, 1927): the number's own share has to be beyond what its few calls could
//! show by chance, and so has that of the others.

use std::time::Duration;

use crate::event::Failure;

/// Fewer calls than this say nothing of a number; nor do fewer of the others together.
pub const CALLS_MIN: u32 = 50;

/// So many calls halve what is remembered, so that a number is judged by what happens now.
pub const CALLS_KEPT: u32 = 2_000;

/// An answered call below this length says that the callee did not want it.
pub const SHORT: Duration = Duration::from_secs(6);

/// How far from what was seen the bounds are: by chance a share lies beyond its bound in one look of 700, and hardly ever beyond
/// the parts below.
const DEVIATIONS: f64 = 3.0;

/// A number whose share of answers is below this part of that of the others is far below it.
const ANSWERS_PART: f64 = 0.5;

/// A number whose share of short and refused calls is above so many times that of the others is far above it.
const UNWANTED_TIMES: f64 = 2.0;

/// What became of the calls that showed one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// Calls that reached the callee's network.
    pub calls: u32,
    /// Of those: answered.
    pub answers: u32,
    /// Of those: answered and over at once, or refused by the callee or on its behalf.
    pub unwanted: u32,
}

impl Reputation {
    /// A call was answered.
    pub fn answered(&mut self) {
        self.calls = self.calls.saturating_add(1);
        self.answers = self.answers.saturating_add(1);
        self.fade();
    }

    /// An answered call is over.
    pub fn ended(&mut self, length: Duration) {
        if length < SHORT {
            self.unwanted = self.unwanted.saturating_add(1).min(self.calls);
        }
    }

    /// A call was not answered.
    pub fn failed(&mut self, failure: Failure, rang: bool) {
        let refused = match failure {
            Failure::Status(403 | 603 | 607 | 608) => true,
            Failure::Caused { status: _, cause: 21 | 24 | 55 | 87 } => true,
            Failure::Status(_)
            | Failure::Caused { .. }
            | Failure::Cancelled
            | Failure::Timeout
            | Failure::Transport
            | Failure::Expired
            | Failure::Media
            | Failure::Ports
            | Failure::Unsigned => false,
        };
        let by_callee = match failure {
            Failure::Status(480 | 486 | 487 | 600) | Failure::Caused { status: _, cause: 17..=20 } => true,
            Failure::Status(_)
            | Failure::Caused { .. }
            | Failure::Cancelled
            | Failure::Timeout
            | Failure::Transport
            | Failure::Expired
            | Failure::Media
            | Failure::Ports
            | Failure::Unsigned => rang,
        };
        // What the trunk, the network or we spoilt says nothing of the number.
        if refused || by_callee {
            self.calls = self.calls.saturating_add(1);
            self.unwanted = self.unwanted.saturating_add(u32::from(refused));
            self.fade();
        }
    }

    /// As it can be: no more answers or unwanted ones than calls.
    pub fn sound(self) -> Self {
        let calls = self.calls.min(CALLS_KEPT);
        Self { calls, answers: self.answers.min(calls), unwanted: self.unwanted.min(calls) }
    }

    /// Both together.
    pub fn with(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            answers: self.answers.saturating_add(other.answers),
            unwanted: self.unwanted.saturating_add(other.unwanted),
        }
    }

    /// Whether this number does far worse than the `others` together.
    pub fn is_far_below(self, others: Self) -> bool {
        if self.calls < CALLS_MIN || others.calls < CALLS_MIN {
            return false;
        }
        let (_, answers_most) = bounds(self.answers, self.calls);
        let (answers_least, _) = bounds(others.answers, others.calls);
        let (unwanted_least, _) = bounds(self.unwanted, self.calls);
        let (_, unwanted_most) = bounds(others.unwanted, others.calls);
        answers_most < ANSWERS_PART * answers_least || unwanted_least > UNWANTED_TIMES * unwanted_most
    }

    fn fade(&mut self) {
        if self.calls >= CALLS_KEPT {
            (self.calls, self.answers, self.unwanted) = (self.calls / 2, self.answers / 2, self.unwanted / 2);
        }
    }
}

/// Wilson's bounds of the share that so many of so many let one think of.
fn bounds(some: u32, of: u32) -> (f64, f64) {
    let (some, of) = (f64::from(some), f64::from(of.max(1)));
    let (share, square) = (some / of, DEVIATIONS * DEVIATIONS);
    let middle = share + square / (2.0 * of);
    let spread = DEVIATIONS * (share * (1.0 - share) / of + square / (4.0 * of * of)).max(0.0).sqrt();
    let scale = 1.0 + square / of;
    (((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    fn of(calls: u32, answers: u32, unwanted: u32) -> Reputation {
        Reputation { calls, answers, unwanted }
    }

    #[test]
    fn few_calls_say_nothing_and_many_do() {
        let others = of(1_000, 300, 50);
        assert!(!of(49, 0, 49).is_far_below(others), "too few");
        assert!(!of(500, 1, 0).is_far_below(of(49, 49, 0)), "too few to be compared with");
        assert!(of(200, 8, 5).is_far_below(others), "4% where others have 30%");
        assert!(!of(200, 50, 10).is_far_below(others), "25% is not far below");
        assert!(of(300, 90, 90).is_far_below(others), "as many answers, but not wanted");
        assert!(!of(300, 90, 20).is_far_below(others));
        assert!(!of(200, 0, 0).is_far_below(of(1_000, 0, 0)), "where nobody answers any");
    }

    #[test]
    fn bounds_hold_the_share() {
        for (some, of) in [(0, 1), (1, 1), (5, 10), (0, 100), (100, 100), (333, 1_000)] {
            let (least, most) = bounds(some, of);
            let share = f64::from(some) / f64::from(of);
            assert!((0.0..=share + 1e-9).contains(&least) && (share - 1e-9..=1.0).contains(&most));
        }
    }

    /// Numbers that are alike, looked at after every call: chance alone rests hardly any in ten thousand of its calls.
    #[test]
    fn chance_alone_rests_no_number() {
        let mut rested = 0;
        for seed in 0..200 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let mut draw = |percent: u32| rng.next_u32() % 100 < percent;
            let (mut one, mut others) = (Reputation::default(), Reputation::default());
            for call in 0..2_000 {
                let who = if call % 5 == 0 { &mut one } else { &mut others };
                if draw(20) {
                    who.answered();
                    who.ended(if draw(10) { Duration::from_secs(2) } else { Duration::from_secs(60) });
                } else {
                    who.failed(Failure::Status(if draw(5) { 603 } else { 480 }), false);
                }
                if one.is_far_below(others) {
                    rested += 1;
                    one = Reputation::default();
                }
            }
        }
        assert!(rested <= 2, "{rested} of 200 numbers, 400 calls each");
    }

    #[test]
    fn what_says_nothing_of_the_number_is_not_counted() {
        let mut it = Reputation::default();
        for failure in
            [Failure::Status(503), Failure::Status(404), Failure::Timeout, Failure::Cancelled, Failure::Ports]
        {
            it.failed(failure, false);
        }
        assert_eq!(it, Reputation::default());
        it.failed(Failure::Cancelled, true);
        it.failed(Failure::Caused { status: 503, cause: 21 }, false);
        it.failed(Failure::Status(486), false);
        it.answered();
        it.ended(Duration::from_millis(5_999));
        it.answered();
        it.ended(SHORT);
        assert_eq!(it, of(5, 2, 2));
    }

    #[test]
    fn the_past_fades() {
        let mut it = of(CALLS_KEPT - 1, 600, 100);
        it.failed(Failure::Status(480), false);
        assert_eq!(it, of(CALLS_KEPT / 2, 300, 50));
    }
}
