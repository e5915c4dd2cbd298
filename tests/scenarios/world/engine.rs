//! An engine that takes its time: whatever the node does costs some, and datagrams wait in line meanwhile.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use carillon::admission::{Load, WINDOW};

/// What one input costs.
const INPUT: Duration = Duration::from_micros(500);
/// What each output costs: a refusal is one, a call that is taken and ended some fifteen.
const OUTPUT: Duration = Duration::from_micros(1_500);

/// A datagram that waits: since when, and where from.
pub type Waiting = (Duration, SocketAddr, Vec<u8>);

/// The engine. A world without one does everything in no time.
#[derive(Debug, Default)]
pub struct Engine {
    /// When all that was begun is done.
    free_at: Duration,
    line: VecDeque<Waiting>,
    /// Work that no window has been charged with yet.
    owed: Duration,
    /// Longest that a datagram waited in the present window.
    waited: Duration,
    /// Longest that any has waited.
    pub longest: Duration,
}

impl Engine {
    /// A datagram has come. Returns when the first in line gets its turn, where that is this one.
    pub fn line_up(&mut self, from: SocketAddr, bytes: Vec<u8>, now: Duration) -> Option<Duration> {
        self.line.push_back((now, from, bytes));
        (self.line.len() == 1).then_some(self.free_at.max(now))
    }

    /// The first in line gets its turn, or `Err` says when.
    pub fn turn(&mut self, now: Duration) -> Result<Option<Waiting>, Duration> {
        if self.free_at > now {
            return Err(self.free_at);
        }
        let first = self.line.pop_front();
        let time = first.as_ref().map_or(Duration::ZERO, |(since, ..)| now - *since);
        self.waited = self.waited.max(time);
        self.longest = self.longest.max(time);
        Ok(first)
    }

    /// When something that is due then gets its turn, which a datagram that waits has before it.
    pub fn not_before(&self, due: Duration) -> Duration {
        due.max(self.free_at)
    }

    /// When the next in line gets its turn.
    pub fn next(&self) -> Option<Duration> {
        (!self.line.is_empty()).then_some(self.free_at)
    }

    /// An input was taken, and made the node do so much.
    pub fn work(&mut self, outputs: u32, now: Duration) {
        let work = INPUT + OUTPUT * outputs;
        self.free_at = self.free_at.max(now) + work;
        self.owed += work;
    }

    /// Ends a window.
    pub fn judge(&mut self, now: Duration) -> Load {
        let busy = self.owed.min(WINDOW);
        self.owed -= busy;
        let lag = self.waited.max(self.free_at.saturating_sub(now));
        self.waited = Duration::ZERO;
        Load { window: WINDOW, busy, lag, store: Duration::ZERO }
    }
}
