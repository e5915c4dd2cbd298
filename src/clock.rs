//! Real time and campaign time.
//!
//! SIP timers, RTP and the registrar live in real time. Core and pacing live in campaign time, which runs `speed`
//! times as fast; outside the demo `speed` is 1 and the two are the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carillon_core::time::{Now, Utc};

/// The wall clock of the machine.
pub fn wall() -> Utc {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Utc(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX))
}

/// Fastest campaign clock.
pub const SPEED_MAX: u32 = 20;

/// The present as the shell read it: both real clocks at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealNow {
    /// Since the process started; never jumps.
    pub monotonic: Duration,
    /// Wall clock.
    pub utc: Utc,
}

/// Turns real time into campaign time and back. Pure: it reads no clock.
#[derive(Clone, Copy, Debug)]
pub struct CampaignClock {
    start: RealNow,
    speed: u32,
}

impl CampaignClock {
    /// A campaign clock that agrees with the wall clock at `start`; `speed` is held within 1..=[`SPEED_MAX`].
    pub fn new(start: RealNow, speed: u32) -> Self {
        Self { start, speed: speed.clamp(1, SPEED_MAX) }
    }

    /// Campaign seconds per real second.
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// The campaign's present.
    pub fn now(&self, real: RealNow) -> Now {
        let monotonic = real.monotonic.saturating_mul(self.speed);
        if self.speed == 1 {
            return Now { monotonic, utc: real.utc };
        }
        let passed = real.monotonic.saturating_sub(self.start.monotonic).saturating_mul(self.speed);
        Now { monotonic, utc: self.start.utc.after(passed) }
    }

    /// The real monotonic instant of a campaign monotonic instant, rounded up so that a timer set for it has passed.
    pub fn real(&self, campaign: Duration) -> Duration {
        let nanoseconds = campaign.as_nanos().div_ceil(u128::from(self.speed));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// How long a campaign duration lasts in reality, rounded up.
    pub fn real_length(&self, campaign: Duration) -> Duration {
        self.real(campaign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(seconds: u64) -> RealNow {
        RealNow { monotonic: Duration::from_secs(seconds), utc: Utc(1_000_000 + seconds as i64 * 1000) }
    }

    #[test]
    fn at_speed_one_both_times_are_the_same() {
        let clock = CampaignClock::new(real(5), 1);
        let mut now = real(9);
        now.utc = Utc(7);
        assert_eq!(clock.now(now), Now { monotonic: Duration::from_secs(9), utc: Utc(7) });
    }

    #[test]
    fn speed_multiplies_both_and_timers_come_back() {
        let clock = CampaignClock::new(real(0), 12);
        assert_eq!(clock.now(real(10)), Now { monotonic: Duration::from_secs(120), utc: Utc(1_120_000) });
        let timer = Duration::from_millis(1234);
        assert!(clock.now(RealNow { monotonic: clock.real(timer), utc: Utc(0) }).monotonic >= timer);
    }
}
