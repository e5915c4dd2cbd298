//! The dead-trunk rule: no response at all to the first five INVITEs.

use std::time::Duration;

/// So many INVITEs without any response, with none answered before, make a trunk dead.
pub const SILENT_INVITES_MAX: u32 = 5;

/// A dead trunk is tried again with one call after this time.
pub const SILENT_RETRY: Duration = Duration::from_secs(60);

/// Watches whether a trunk ever says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing heard yet; so many INVITEs got no response.
    Unproven {
        /// INVITEs that ended without any response.
        unanswered: u32,
    },
    /// Some response came once; silence of single calls is then the network's matter.
    Proven,
    /// The rule was met.
    Dead {
        /// When one call may try again.
        until: Duration,
    },
}

impl Default for Silence {
    fn default() -> Self {
        Self::Unproven { unanswered: 0 }
    }
}

impl Silence {
    /// Any response came, of whatever kind. True when this brings a dead trunk back.
    pub fn response(&mut self) -> bool {
        let was_dead = matches!(self, Self::Dead { .. });
        *self = Self::Proven;
        was_dead
    }

    /// An INVITE ended without any response. True when the trunk is dead from now on.
    pub fn unanswered(&mut self, now: Duration) -> bool {
        match self {
            Self::Unproven { unanswered } => {
                *unanswered = unanswered.saturating_add(1);
                let dead = *unanswered >= SILENT_INVITES_MAX;
                if dead {
                    *self = Self::Dead { until: now.saturating_add(SILENT_RETRY) };
                }
                dead
            }
            Self::Proven | Self::Dead { .. } => false,
        }
    }

    /// When a dead trunk is due for another try.
    pub fn retry_at(&self) -> Option<Duration> {
        match self {
            Self::Dead { until } => Some(*until),
            Self::Unproven { .. } | Self::Proven => None,
        }
    }

    /// Allows another try when it is due: one more silent INVITE makes the trunk dead again. True when it was due.
    pub fn retry(&mut self, now: Duration) -> bool {
        let due = self.retry_at().is_some_and(|until| until <= now);
        if due {
            *self = Self::Unproven { unanswered: SILENT_INVITES_MAX - 1 };
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_silent_invites_kill_an_unproven_trunk_once() {
        let mut silence = Silence::default();
        let at = Duration::from_secs(32);
        let dead: Vec<bool> = (0..6).map(|_| silence.unanswered(at)).collect();
        assert_eq!(dead, [false, false, false, false, true, false]);
        assert_eq!(silence.retry_at(), Some(Duration::from_secs(92)));
    }

    #[test]
    fn one_response_ever_proves_the_trunk() {
        let mut silence = Silence::default();
        for _ in 0..4 {
            silence.unanswered(Duration::ZERO);
        }
        assert!(!silence.response());
        for _ in 0..50 {
            assert!(!silence.unanswered(Duration::ZERO));
        }
    }

    #[test]
    fn a_dead_trunk_gets_one_try_a_minute() {
        let mut silence = Silence::Dead { until: Duration::from_secs(60) };
        assert!(!silence.retry(Duration::from_secs(59)));
        assert!(silence.retry(Duration::from_secs(60)));
        assert!(silence.unanswered(Duration::from_secs(92)));
        assert!(silence.response(), "a late response brings it back");
    }
}
