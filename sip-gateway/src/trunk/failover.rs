//! When a call that one trunk could not carry is tried on the next one.

use std::time::Duration;

use crate::event::Failure;

/// How long a trunk may say nothing at all before the next one is tried: the INVITE and three repetitions (RFC 3261
/// §17.1.1.2: at 0, 0.5, 1.5 and 3.5 s).
pub const SILENCE_DEFAULT: Duration = Duration::from_secs(4);

/// What failures of a trunk's INVITE send the call on to the next trunk. Only before ringing: a phone that has rung is not
/// made to ring a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// Final statuses, as inclusive ranges.
    pub statuses: Vec<(u16, u16)>,
    /// Longest silence; `None`: only what transactions give up by themselves (64*T1).
    pub silence: Option<Duration>,
}

impl Default for Failover {
    /// What says something about the trunk and nothing about the callee: credentials that are not taken (401, 407), a
    /// request that timed out behind it (408), all that servers say of themselves (5xx), and silence.
    fn default() -> Self {
        Self { statuses: vec![(401, 401), (407, 408), (500, 599)], silence: Some(SILENCE_DEFAULT) }
    }
}

impl Failover {
    /// No failure sends a call on.
    pub fn never() -> Self {
        Self { statuses: Vec::new(), silence: None }
    }

    /// Whether this final status may be named in [`Failover::statuses`]: not where it is the callee's own word (busy, gone,
    /// unknown, away, cancelled) or one for all places where the callee may be (RFC 3261 §21.6).
    pub fn may_name(status: u16) -> bool {
        (300..=599).contains(&status) && !matches!(status, 404 | 410 | 480 | 484 | 485 | 486 | 487)
    }

    /// Whether a call that failed so is tried on the next trunk.
    pub fn covers(&self, failure: Failure) -> bool {
        match failure {
            Failure::Status(status) => {
                Self::may_name(status)
                    && self.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status))
            }
            // What the telephone network says of the callee is the callee's word, whatever status was made of it.
            Failure::Caused { status, cause } => {
                !matches!(cause, 1 | 4 | 5 | 17..=24 | 26..=28 | 55 | 87 | 88)
                    && self.covers(Failure::Status(status))
            }
            Failure::Timeout | Failure::Transport | Failure::Unsigned => *self != Self::never(),
            // Our own doing, or heard after an answer.
            Failure::Cancelled | Failure::Expired | Failure::Media | Failure::Ports => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_callee_says_is_never_asked_twice() {
        let all = Failover { statuses: vec![(300, 699)], silence: None };
        for status in [404, 410, 480, 484, 485, 486, 487, 600, 603, 604, 606, 607, 608, 699] {
            assert!(!all.covers(Failure::Status(status)), "{status}");
        }
        assert!(all.covers(Failure::Status(403)) && all.covers(Failure::Status(302)), "where it is wanted");
    }

    #[test]
    fn by_default_what_the_trunk_says_of_itself_goes_on() {
        let default = Failover::default();
        let on: Vec<u16> = (300..700).filter(|status| default.covers(Failure::Status(*status))).collect();
        let expected: Vec<u16> = [401, 407, 408].into_iter().chain(500..600).collect();
        assert_eq!(on, expected);
        for failure in [Failure::Timeout, Failure::Transport, Failure::Unsigned] {
            assert!(default.covers(failure), "{failure:?}");
        }
        let caused = |cause| default.covers(Failure::Caused { status: 503, cause });
        assert!(caused(34) && caused(16) && !caused(17) && !caused(1) && !caused(19));
        for failure in [Failure::Cancelled, Failure::Expired, Failure::Media, Failure::Ports] {
            assert!(!default.covers(failure), "{failure:?}");
        }
        assert!(
            !Failover::never().covers(Failure::Timeout) && !Failover::never().covers(Failure::Status(503))
        );
    }
}
