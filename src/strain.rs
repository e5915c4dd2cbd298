//! Strain: how long a loop works and how long things wait for it, measured from when its turns begin and end.

use std::time::Duration;

use crate::admission::Load;

/// Measures a loop. A pure machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strain {
    since: Duration,
    busy: Duration,
    turn_began: Duration,
    /// Since when no turn has found its queues empty at its end.
    behind_since: Option<Duration>,
    lag: Duration,
}

impl Strain {
    /// A turn begins.
    pub fn turn(&mut self, now: Duration) {
        self.turn_began = now;
    }

    /// The turn is over; `more`: its budget ended before its queues did.
    pub fn rest(&mut self, now: Duration, more: bool) {
        let worked = now.saturating_sub(self.turn_began);
        self.busy = self.busy.saturating_add(worked);
        let waited = now.saturating_sub(self.behind_since.unwrap_or(self.turn_began));
        self.lag = self.lag.max(waited);
        self.behind_since = if more { self.behind_since.or(Some(self.turn_began)) } else { None };
    }

    /// When the present window began.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Ends the window. `store`: age of the oldest write that is not durable yet.
    pub fn take(&mut self, now: Duration, store: Duration) -> Load {
        let load = Load { window: now.saturating_sub(self.since), busy: self.busy, lag: self.lag, store };
        (self.since, self.busy, self.lag) = (now, Duration::ZERO, Duration::ZERO);
        load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn work_is_added_up_and_the_longest_wait_is_kept() {
        let mut strain = Strain::default();
        for (began, ended, more) in
            [(10, 12, false), (30, 35, true), (35, 44, true), (44, 47, false), (60, 61, false)]
        {
            strain.turn(ms(began));
            strain.rest(ms(ended), more);
        }
        let load = strain.take(ms(100), ms(7));
        assert_eq!(load, Load { window: ms(100), busy: ms(20), lag: ms(17), store: ms(7) });
        assert_eq!((load.busy_share() * 100.0).round(), 20.0);
        let empty = strain.take(ms(200), ms(0));
        assert_eq!(empty, Load { window: ms(100), ..Load::default() });
    }
}
