//! The names and lengths of all transaction timers (RFC 3261 §17 and table 4, RFC 6026).

use std::time::Duration;

use crate::options::Timers;

/// Longest silence of a peer that has answered an INVITE provisionally, and of ourselves towards a caller.
///
/// RFC 3261 §16.6 (11) sets timer C above three minutes for proxies; we hold ourselves to the same bound so
/// that no INVITE transaction can stay for ever.
pub const PROCEEDING_MAX: Duration = Duration::from_secs(181);

/// A user that hasn't answered an INVITE within this time is spoken for with a 100 (RFC 3261 §17.2.1).
pub const TRYING_AFTER: Duration = Duration::from_millis(200);

/// Shortest interval between two retransmissions, whatever T1 is configured to.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// How many T1 a transaction waits before it gives up (RFC 3261 §17.1.1.2).
const GIVE_UP_AFTER_T1: u32 = 64;

/// Least length of timer D over an unreliable transport (RFC 3261 §17.1.1.2).
const D_MIN: Duration = Duration::from_secs(32);

/// Why a transaction has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// INVITE request retransmission.
    A,
    /// INVITE client gives up.
    B,
    /// INVITE proceeds for too long.
    C,
    /// Retransmitted failures of an INVITE are acknowledged until then.
    D,
    /// Non-INVITE request retransmission.
    E,
    /// Non-INVITE client gives up.
    F,
    /// INVITE failure response retransmission.
    G,
    /// Waiting for the ACK of a failure response.
    H,
    /// Retransmitted ACKs are absorbed until then.
    I,
    /// Retransmitted non-INVITE requests are answered until then.
    J,
    /// Retransmitted responses to a non-INVITE are absorbed until then.
    K,
    /// A server's 2xx may be repeated until then (RFC 6026).
    L,
    /// A client takes further 2xx until then (RFC 6026).
    M,
    /// The user has not answered an INVITE at once: a 100 is due (RFC 3261 §17.2.1).
    Trying,
    /// A cancelled INVITE without a final response is given up (RFC 3261 §9.1).
    Cancelled,
    /// A non-INVITE request was never answered by our own user; the client gave up long ago (RFC 4320 §4).
    Unanswered,
}

/// Whether the transport retransmits by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// UDP: we retransmit.
    Unreliable,
    /// TCP, TLS, WebSocket: no retransmission, no waiting for the peer's.
    Reliable,
}

/// The lengths of the timers of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    timers: Timers,
    reliability: Reliability,
}

impl Lengths {
    /// Lengths that follow from T1, T2, T4 and the transport.
    pub fn new(timers: Timers, reliability: Reliability) -> Self {
        Self { timers, reliability }
    }

    /// The length of a timer when it is first started; `None` if the transport makes it needless.
    pub fn of(&self, timer: Timer) -> Option<Duration> {
        let give_up = self.timers.t1.saturating_mul(GIVE_UP_AFTER_T1);
        let unreliable = self.reliability == Reliability::Unreliable;
        match timer {
            // §17.1.1.2, §17.1.2.2, §17.2.1: a reliable transport needs no retransmission.
            Timer::A | Timer::E | Timer::G => unreliable.then_some(self.timers.t1.max(INTERVAL_MIN)),
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M | Timer::Cancelled | Timer::Unanswered => {
                Some(give_up)
            }
            Timer::C => Some(PROCEEDING_MAX),
            // §17.1.1.2: at least 32 s, so that it outlasts the server's timer H whatever T1 it uses.
            Timer::D => Some(if unreliable { give_up.max(D_MIN) } else { Duration::ZERO }),
            Timer::I | Timer::K => Some(if unreliable { self.timers.t4 } else { Duration::ZERO }),
            Timer::J => Some(if unreliable { give_up } else { Duration::ZERO }),
            Timer::Trying => Some(TRYING_AFTER),
        }
    }

    /// When a timer started at `now` fires.
    pub fn deadline(&self, timer: Timer, now: Duration) -> Duration {
        now.saturating_add(self.of(timer).unwrap_or(Duration::ZERO))
    }

    /// A retransmission timer started at `now`; `None` over a reliable transport.
    pub fn backoff(&self, timer: Timer, now: Duration) -> Option<Backoff> {
        self.of(timer).map(|interval| Backoff { due: now.saturating_add(interval), interval })
    }

    /// The next round of a retransmission timer that doubles without limit (timer A).
    pub fn doubled(&self, last: Backoff, now: Duration) -> Backoff {
        Backoff::new(last.interval.saturating_mul(2), now)
    }

    /// The next round of a retransmission timer that doubles up to T2 (timers E and G).
    pub fn doubled_to_t2(&self, last: Backoff, now: Duration) -> Backoff {
        Backoff::new(last.interval.saturating_mul(2).min(self.timers.t2), now)
    }

    /// The next round of a retransmission timer at T2 (timer E once a provisional response came).
    pub fn at_t2(&self, now: Duration) -> Backoff {
        Backoff::new(self.timers.t2, now)
    }
}

/// A retransmission that is due, and the interval that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// When to retransmit.
    pub due: Duration,
    /// How long the wait was.
    pub interval: Duration,
}

impl Backoff {
    fn new(interval: Duration, now: Duration) -> Self {
        let interval = interval.max(INTERVAL_MIN);
        Self { due: now.saturating_add(interval), interval }
    }
}

/// The earlier of two optional deadlines; the first one wins a tie.
pub(crate) fn earlier(
    first: Option<(Duration, Timer)>,
    second: Option<(Duration, Timer)>,
) -> Option<(Duration, Timer)> {
    match (first, second) {
        (Some(a), Some(b)) if b.0 < a.0 => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Option<Duration> {
        Some(Duration::from_millis(n))
    }

    /// RFC 3261 table 4 with its default values, both columns.
    #[test]
    fn table_4() {
        let udp = Lengths::new(Timers::default(), Reliability::Unreliable);
        let tcp = Lengths::new(Timers::default(), Reliability::Reliable);
        for (timer, over_udp, over_tcp) in [
            (Timer::A, ms(500), None),
            (Timer::B, ms(32_000), ms(32_000)),
            (Timer::C, ms(181_000), ms(181_000)),
            (Timer::D, ms(32_000), ms(0)),
            (Timer::E, ms(500), None),
            (Timer::F, ms(32_000), ms(32_000)),
            (Timer::G, ms(500), None),
            (Timer::H, ms(32_000), ms(32_000)),
            (Timer::I, ms(5_000), ms(0)),
            (Timer::J, ms(32_000), ms(0)),
            (Timer::K, ms(5_000), ms(0)),
            (Timer::L, ms(32_000), ms(32_000)),
            (Timer::M, ms(32_000), ms(32_000)),
            (Timer::Trying, ms(200), ms(200)),
            (Timer::Cancelled, ms(32_000), ms(32_000)),
            (Timer::Unanswered, ms(32_000), ms(32_000)),
        ] {
            assert_eq!(udp.of(timer), over_udp, "{timer:?} over UDP");
            assert_eq!(tcp.of(timer), over_tcp, "{timer:?} over TCP");
        }
    }

    #[test]
    fn timer_d_never_falls_below_32_seconds() {
        let short = Timers { t1: Duration::from_millis(10), ..Timers::default() };
        assert_eq!(Lengths::new(short, Reliability::Unreliable).of(Timer::D), ms(32_000));
    }

    #[test]
    fn a_zero_t1_still_waits_between_retransmissions() {
        let zero = Timers { t1: Duration::ZERO, t2: Duration::ZERO, t4: Duration::ZERO };
        let lengths = Lengths::new(zero, Reliability::Unreliable);
        let first = lengths.backoff(Timer::A, Duration::ZERO).expect("UDP retransmits");
        assert!(first.due > Duration::ZERO);
        assert!(lengths.doubled_to_t2(first, first.due).due > first.due);
    }

    #[test]
    fn the_earlier_deadline_wins_and_the_first_wins_a_tie() {
        let a = Some((Duration::from_secs(1), Timer::A));
        let b = Some((Duration::from_secs(1), Timer::B));
        let c = Some((Duration::from_secs(2), Timer::C));
        assert_eq!(earlier(a, b), a);
        assert_eq!(earlier(c, b), b);
        assert_eq!(earlier(None, c), c);
        assert_eq!(earlier(None, None), None);
    }
}
