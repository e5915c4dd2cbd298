//! Admission: how many new calls this machine takes on, judged by how busy the engine is and how long things wait for it.
//!
//! Once a window it is told how long the engine worked, how long inputs and writes waited. While that is well, nothing is
//! limited. Where it is not, new calls of ours are paced (the dialer is told less room; none is queued), first to what was
//! placed lately less a tenth, then up and down around the rate that the machine sustains; and none is placed while what has
//! piled up is worked off. Calls from outside are taken out of the same rate, ahead of ours, and those beyond it are refused with
//! 503. Where even that is not enough, all new requests of others are; what belongs to a call is always served.

use std::time::Duration;

/// Time between two judgements.
pub const WINDOW: Duration = Duration::from_millis(100);

/// Share of a window from which the engine counts as too busy for more calls.
const BUSY_MAX: f64 = 0.95;
/// Share of a window below which there is room for more.
const BUSY_WELL: f64 = 0.88;
/// Longest time for which inputs may have waited.
const LAG_MAX: Duration = Duration::from_millis(50);
/// Lag at which no call is placed until it is worked off.
const HOLD_LAG: Duration = Duration::from_millis(100);
/// Longest time for which a write may be on its way. A commit waits for its disk, and some disks are slow.
const STORE_MAX: Duration = Duration::from_secs(1);
/// Windows in a row that must be strained before calls are paced: one alone is an import or a wallboard.
const STRAINED_MIN: u32 = 3;
/// Windows between two steps down, for a step takes a moment to show.
const STEP_WINDOWS: u32 = 3;
/// Share of the rate that is left after a step down.
const STEP_DOWN: f64 = 0.9;
/// Growth of the rate in a window without strain.
const STEP_UP: f64 = 1.02;
/// Load below which it grows faster, as a share of what is well: far from it there is nothing to feel one's way to.
const LIGHT: f64 = 0.75;
/// How much faster for each share below that: at a quarter of what is well by 5% in a window. Much of what a call costs comes later, so
/// that a rate which jumps up finds out too late.
const STEP_UP_LIGHT: f64 = 0.06;
/// Calls a second that are never refused: less than the slowest machine carries.
const RATE_MIN: f64 = 10.0;
/// Above this rate there is nothing to pace.
const RATE_MAX: f64 = 20_000.0;
/// Windows over which calls taken on are averaged.
const PLACED_WINDOWS: usize = 10;
/// Time for which unused rate is kept: a pacer that decides every 50 ms loses none of it.
const SAVED: Duration = Duration::from_millis(100);
/// Lag at which new requests of others are refused as well: ten times what is allowed, so that calls of ours give way first.
const SHED_LAG: Duration = Duration::from_millis(500);
/// Windows in a row in which the engine could not keep up, with calls paced all the while, after which new requests of others
/// are refused.
const SHED_DRIVEN: u32 = 10;
/// What a refused sender is told to wait (RFC 3261 §20.33).
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How the engine fared in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Length of the window.
    pub window: Duration,
    /// Time in it that the engine worked.
    pub busy: Duration,
    /// Longest time for which its queues of inputs were not empty.
    pub lag: Duration,
    /// Age of the oldest write that is not durable yet.
    pub store: Duration,
}

impl Load {
    /// How near it is to what is not well any more: 1 is there.
    fn nearness(&self) -> f64 {
        let lag = self.lag.as_secs_f64() / LAG_MAX.as_secs_f64();
        let store = self.store.as_secs_f64() / STORE_MAX.as_secs_f64();
        (self.busy_share() / BUSY_WELL).max(lag).max(store)
    }

    /// Share of the window that the engine worked, 0 to 1.
    pub fn busy_share(&self) -> f64 {
        let window = self.window.as_secs_f64();
        if window > 0.0 { (self.busy.as_secs_f64() / window).min(1.0) } else { 0.0 }
    }
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Calls a second; `None`: as many as come.
    rate: Option<f64>,
    /// Calls that may be taken on now, while there is a rate; below zero where callers came ahead of it.
    saved: f64,
    saved_at: Duration,
    /// Calls placed in each of the last windows, and how long it was; the present one has no length yet.
    placed: [(u32, Duration); PLACED_WINDOWS],
    window: usize,
    strained: u32,
    /// Windows in a row in which the engine itself could not keep up.
    driven: u32,
    since_step: u32,
    /// Nothing is placed before the next window.
    holding: bool,
    shedding: bool,
}

impl Admission {
    /// Judges a window that ends now.
    pub fn judge(&mut self, load: &Load, now: Duration) {
        self.save(now);
        let (share, nearness) = (load.busy_share(), load.nearness());
        // A short stall that was caught up with is no reason: fewer calls would not have spared it.
        let driven = share >= BUSY_MAX || load.lag >= LAG_MAX && (share >= BUSY_WELL || load.lag >= HOLD_LAG);
        let strained = driven || load.store >= STORE_MAX;
        let well = nearness < 1.0;
        self.holding = load.lag >= HOLD_LAG;
        self.strained = if strained { self.strained.saturating_add(1) } else { 0 };
        self.driven = if driven { self.driven.saturating_add(1) } else { 0 };
        self.since_step = self.since_step.saturating_add(1);
        let placed = self.close_window(load.window);
        self.rate = match self.rate {
            None if self.strained >= STRAINED_MIN => Some(self.step_down(placed)),
            // What is worked off now says nothing about the rate.
            Some(rate) if strained && !self.holding && self.since_step >= STEP_WINDOWS => {
                Some(self.step_down(rate))
            }
            // Nobody wants as many: nothing is paced.
            Some(rate) if well && (rate >= RATE_MAX || rate >= 4.0 * placed.max(RATE_MIN)) => None,
            Some(rate) if well => Some(rate * (STEP_UP + STEP_UP_LIGHT * (LIGHT - nearness).max(0.0))),
            same => same,
        };
        // A slow store is no reason: a phone that is refused now can't be called when it is well again.
        let hopeless = self.driven >= SHED_DRIVEN || load.lag >= SHED_LAG;
        self.shedding = hopeless || (self.shedding && driven);
    }

    /// A call was placed, or one from outside was taken.
    pub fn placed(&mut self, now: Duration) {
        self.save(now);
        let debt = self.rate.map_or(0.0, most);
        self.saved = (self.saved - 1.0).max(-debt);
        if let Some((placed, _)) = self.placed.get_mut(self.window) {
            *placed = placed.saturating_add(1);
        }
    }

    /// Calls that may be placed now; `u32::MAX` while nothing is paced.
    pub fn calls_free(&self, now: Duration) -> u32 {
        match self.rate {
            _ if self.holding => 0,
            // Saturates: there are never more than a rate's worth.
            Some(rate) => self.saved_by(rate, now) as u32,
            None => u32::MAX,
        }
    }

    /// Whether a call from outside is taken now. Callers may run into debt, which calls of ours have to wait for: whoever
    /// calls is there already.
    pub fn takes_caller(&self, now: Duration) -> bool {
        self.rate.is_none_or(|rate| !self.holding && self.saved_by(rate, now) + most(rate) >= 1.0)
    }

    /// When there is one more of ours, if only time is wanting.
    pub fn changes_at(&self, now: Duration) -> Option<Duration> {
        let rate = self.rate?;
        let saved = self.saved_by(rate, now);
        let wanting = (saved.floor().max(0.0) + 1.0 - saved) / rate;
        (saved < most(rate)).then(|| now.saturating_add(Duration::from_secs_f64(wanting).max(TOLD_MIN)))
    }

    /// Calls a second that are taken on; `None` while nothing is paced.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Whether new requests of others are refused.
    pub fn sheds(&self) -> bool {
        self.shedding
    }

    fn step_down(&mut self, from: f64) -> f64 {
        self.since_step = 0;
        (from * STEP_DOWN).clamp(RATE_MIN, RATE_MAX)
    }

    /// Ends the present window: calls placed a second, over those remembered.
    fn close_window(&mut self, length: Duration) -> f64 {
        if let Some((_, present)) = self.placed.get_mut(self.window) {
            *present = length;
        }
        let seconds: f64 = self.placed.iter().map(|(_, length)| length.as_secs_f64()).sum();
        let placed: f64 = self.placed.iter().map(|(placed, _)| f64::from(*placed)).sum();
        self.window = (self.window + 1) % PLACED_WINDOWS;
        if let Some(next) = self.placed.get_mut(self.window) {
            *next = (0, Duration::ZERO);
        }
        if seconds > 0.0 { placed / seconds } else { 0.0 }
    }

    fn saved_by(&self, rate: f64, now: Duration) -> f64 {
        let since = now.saturating_sub(self.saved_at).as_secs_f64();
        (self.saved + rate * since).min(most(rate))
    }

    fn save(&mut self, now: Duration) {
        self.saved = self.rate.map_or(0.0, |rate| self.saved_by(rate, now));
        self.saved_at = now;
    }
}

/// The dialer is told of more room this often at most: it asks its pacers every 50 ms.
const TOLD_MIN: Duration = Duration::from_millis(10);

/// Most calls that are saved, and most that callers may come ahead of the rate.
fn most(rate: f64) -> f64 {
    (rate * SAVED.as_secs_f64()).max(1.0)
}

#[cfg(test)]
mod tests;
