//! Closure (结案): what the rules make of an outcome or a disposition: close with a reason, or try again at a time.

use std::time::Duration;

use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::spec::ClosureSpec;
use crate::task::ClosedReason;
use crate::time::Utc;

/// Delay of retries that happen whatever the rules name.
pub const RETRY_DEFAULT: Duration = Duration::from_secs(60);

/// Reason of an answered call whose callee hung up before an agent was there.
pub const CALLEE_LEFT: &str = "callee_left";

/// What becomes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// Never called again.
    Close(ClosedReason),
    /// Called again, not before this.
    RetryAt(Utc),
}

/// What is known of a task's attempts when it is to be closed or retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Attempts so far, the one that just ended included.
    pub attempts: u32,
    /// When the first was made.
    pub first_attempt_at: Utc,
}

/// Judges a task after an attempt that reached no agent.
pub fn after_outcome(
    spec: &ClosureSpec,
    outcome: Outcome,
    attribution: Attribution,
    reason: &str,
    history: History,
    now: Utc,
) -> Closure {
    let left = outcome == Outcome::Answered && reason == CALLEE_LEFT;
    let named = spec.callee_left.filter(|_| left).or_else(|| spec.retry.get(&outcome).copied());
    let delay = match named {
        Some(delay) => Some(delay),
        None if always_retries(outcome, attribution, reason) => Some(RETRY_DEFAULT),
        None => None,
    };
    bounded(spec, delay.ok_or(ClosedReason::Outcome), history, now)
}

/// Judges a task after an agent's word on a bridged call.
pub fn after_disposition(spec: &ClosureSpec, disposition: &str, history: History, now: Utc) -> Closure {
    if spec.success.iter().any(|success| success == disposition) {
        return Closure::Close(ClosedReason::Success);
    }
    let delay = spec.retry.get(&Outcome::Answered).copied();
    bounded(spec, delay.ok_or(ClosedReason::Disposition), history, now)
}

/// Moves a retry to a later time (the opening of a calling window), which may be too late.
pub fn moved(spec: &ClosureSpec, closure: Closure, to: Utc, history: History) -> Closure {
    match closure {
        Closure::Close(reason) => Closure::Close(reason),
        Closure::RetryAt(_) if to > history.first_attempt_at.after(spec.within) => {
            Closure::Close(ClosedReason::Within)
        }
        Closure::RetryAt(at) => Closure::RetryAt(at.max(to)),
    }
}

/// Not an ending of the task's story: nobody was reached, and that was not the callee's doing.
fn always_retries(outcome: Outcome, attribution: Attribution, reason: &str) -> bool {
    match outcome {
        Outcome::Interrupted | Outcome::Cancelled => true,
        Outcome::Answered => reason == CALLEE_LEFT,
        // An abandoned person is called again only where the campaign says when: law sets long pauses here.
        Outcome::Abandoned => false,
        Outcome::Machine
        | Outcome::Busy
        | Outcome::NoAnswer
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::Congestion
        | Outcome::Failed => attribution != Attribution::Callee,
    }
}

fn bounded(spec: &ClosureSpec, delay: Result<Duration, ClosedReason>, history: History, now: Utc) -> Closure {
    let delay = match delay {
        Ok(delay) => delay,
        Err(reason) => return Closure::Close(reason),
    };
    if history.attempts >= spec.attempts_max {
        return Closure::Close(ClosedReason::AttemptsMax);
    }
    let at = now.after(delay);
    if at > history.first_attempt_at.after(spec.within) {
        return Closure::Close(ClosedReason::Within);
    }
    Closure::RetryAt(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Utc = Utc(1_000_000);

    fn spec() -> ClosureSpec {
        let mut spec = ClosureSpec { within: Duration::from_secs(3600), ..ClosureSpec::default() };
        spec.retry.insert(Outcome::Busy, Duration::from_secs(300));
        spec
    }

    fn first() -> History {
        History { attempts: 1, first_attempt_at: NOW }
    }

    fn minutes(minutes: u64) -> Closure {
        Closure::RetryAt(NOW.after(Duration::from_secs(60 * minutes)))
    }

    #[test]
    fn named_outcomes_retry_after_their_delay_and_others_close() {
        let judge = |outcome| after_outcome(&spec(), outcome, Attribution::Callee, "", first(), NOW);
        assert_eq!(judge(Outcome::Busy), minutes(5));
        for outcome in [
            Outcome::NoAnswer,
            Outcome::Rejected,
            Outcome::InvalidNumber,
            Outcome::Machine,
            Outcome::Abandoned,
            Outcome::Failed,
        ] {
            assert_eq!(judge(outcome), Closure::Close(ClosedReason::Outcome), "{outcome:?}");
        }
    }

    #[test]
    fn what_is_not_the_callees_doing_always_retries() {
        for (outcome, attribution, reason) in [
            (Outcome::Interrupted, Attribution::Us, "restart"),
            (Outcome::Cancelled, Attribution::Us, "stopped"),
            (Outcome::Answered, Attribution::Callee, CALLEE_LEFT),
            (Outcome::Congestion, Attribution::Trunk, "sip_503"),
            (Outcome::Failed, Attribution::Network, "no_response"),
            (Outcome::Failed, Attribution::Us, "no_ports"),
        ] {
            let closure = after_outcome(&spec(), outcome, attribution, reason, first(), NOW);
            assert_eq!(closure, minutes(1), "{outcome:?}");
        }
    }

    #[test]
    fn a_callee_who_left_has_a_delay_of_its_own() {
        let mut spec = spec();
        let judge = |spec: &ClosureSpec| {
            after_outcome(spec, Outcome::Answered, Attribution::Callee, CALLEE_LEFT, first(), NOW)
        };
        spec.retry.insert(Outcome::Answered, Duration::from_secs(120));
        assert_eq!(judge(&spec), minutes(2));
        spec.callee_left = Some(Duration::from_secs(180));
        assert_eq!(judge(&spec), minutes(3));
    }

    #[test]
    fn attempts_and_time_bound_every_retry() {
        let judge =
            |outcome, history, now| after_outcome(&spec(), outcome, Attribution::Us, "", history, now);
        let third = History { attempts: 3, first_attempt_at: NOW };
        assert_eq!(judge(Outcome::Busy, third, NOW), Closure::Close(ClosedReason::AttemptsMax));
        assert_eq!(judge(Outcome::Cancelled, third, NOW), Closure::Close(ClosedReason::AttemptsMax));
        let late = NOW.after(Duration::from_secs(3600 - 299));
        assert_eq!(judge(Outcome::Busy, first(), late), Closure::Close(ClosedReason::Within));
        let closure = minutes(5);
        assert_eq!(moved(&spec(), closure, NOW.after(Duration::from_secs(600)), first()), minutes(10));
        assert_eq!(moved(&spec(), closure, NOW, first()), closure);
        let beyond = NOW.after(Duration::from_secs(3601));
        assert_eq!(moved(&spec(), closure, beyond, first()), Closure::Close(ClosedReason::Within));
    }

    #[test]
    fn dispositions_close_as_success_or_not_or_retry_where_answered_is_named() {
        let mut spec = spec();
        let judge = |spec: &ClosureSpec, word: &str| after_disposition(spec, word, first(), NOW);
        assert_eq!(judge(&spec, "success"), Closure::Close(ClosedReason::Success));
        assert_eq!(judge(&spec, "refused"), Closure::Close(ClosedReason::Disposition));
        spec.retry.insert(Outcome::Answered, Duration::from_secs(120));
        assert_eq!(judge(&spec, "call later"), minutes(2));
        assert_eq!(judge(&spec, "success"), Closure::Close(ClosedReason::Success));
    }
}
