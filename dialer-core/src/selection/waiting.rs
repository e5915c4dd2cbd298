//! Answered calls that wait for an agent, longest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::AttemptId;

/// The queue of answered calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    order: BTreeSet<(Duration, AttemptId)>,
    since: BTreeMap<AttemptId, Duration>,
}

impl Waiting {
    /// The call waits; it keeps its place where it has one.
    pub fn insert(&mut self, attempt: AttemptId, now: Duration) {
        let since = *self.since.entry(attempt).or_insert(now);
        self.order.insert((since, attempt));
    }

    /// The call waits no more.
    pub fn remove(&mut self, attempt: AttemptId) {
        if let Some(since) = self.since.remove(&attempt) {
            self.order.remove(&(since, attempt));
        }
    }

    /// Calls, longest waiting first.
    pub fn iter(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.order.iter().map(|(_, attempt)| *attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_waiting_comes_first_and_keeps_its_place() {
        let mut waiting = Waiting::default();
        waiting.insert(AttemptId(2), Duration::from_secs(1));
        waiting.insert(AttemptId(1), Duration::from_secs(2));
        waiting.insert(AttemptId(2), Duration::from_secs(3));
        assert_eq!(waiting.iter().collect::<Vec<_>>(), [AttemptId(2), AttemptId(1)]);
        waiting.remove(AttemptId(2));
        waiting.remove(AttemptId(2));
        assert_eq!(waiting.iter().collect::<Vec<_>>(), [AttemptId(1)]);
    }
}
