//! Deadlines with names: why each exists and when it is due.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Duration;

use crate::id::CallId;
use crate::keyed::Keyed;

/// Why the gateway wants to be woken. Transaction timers are the transaction layer's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next INVITE of a trunk may leave.
    Slot(usize),
    /// A trunk's REGISTER must be sent, refreshed or tried again.
    Registration(usize),
    /// A trunk is due for an OPTIONS health check.
    Health(usize),
    /// A silent trunk may be tried again.
    TrunkRetry(usize),
    /// A reserved, queued, prompted or very long call has reached its limit.
    Call(CallId),
    /// A phone is to be called again, or has rung long enough.
    Agent(String),
    /// The next registrar binding runs out.
    Binding,
    /// Names of trunks are to be looked up again.
    Names,
    /// What is new of trunks' numbers is to be told.
    Numbers,
    /// An adopted dialog, by Call-ID, can be let go.
    Orphan(String),
}

/// At most one deadline a name, in order of time. Legs, of which there are tens of thousands, have theirs apart, where names are
/// numbers.
#[derive(Debug)]
pub struct Timers<N> {
    by_name: Keyed<N, Duration>,
    by_time: BTreeSet<(Duration, N)>,
}

impl<N: Clone + Hash + Ord> Timers<N> {
    /// None yet.
    pub fn new() -> Self {
        Self { by_name: Keyed::new(), by_time: BTreeSet::new() }
    }

    /// Sets, moves or (with `None`) clears a deadline.
    pub fn set(&mut self, timer: N, at: Option<Duration>) {
        if self.by_name.get(&timer).copied() == at {
            return;
        }
        if let Some(old) = self.by_name.remove(&timer) {
            self.by_time.remove(&(old, timer.clone()));
        }
        if let Some(at) = at {
            self.by_name.insert(timer.clone(), at);
            self.by_time.insert((at, timer));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that is due at `now`.
    pub fn due(&mut self, now: Duration) -> Option<N> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_name.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_deadline_a_name_in_order_of_time() {
        let mut timers = Timers::new();
        let s = Duration::from_secs;
        timers.set(Timer::Call(CallId(1)), Some(s(5)));
        timers.set(Timer::Binding, Some(s(3)));
        timers.set(Timer::Call(CallId(1)), Some(s(2)));
        timers.set(Timer::Slot(0), Some(s(1)));
        timers.set(Timer::Slot(0), None);
        assert_eq!(timers.next(), Some(s(2)));
        assert_eq!(timers.due(s(1)), None);
        assert_eq!(timers.due(s(9)), Some(Timer::Call(CallId(1))));
        assert_eq!(timers.due(s(9)), Some(Timer::Binding));
        assert_eq!(timers.due(s(9)), None);
        assert_eq!(timers.next(), None);
    }
}
