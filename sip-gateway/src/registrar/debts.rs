//! Who has used how much of an allowance, in a table that can't grow without end: each use puts off the instant at which a
//! debtor owes nothing any more, and is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most debtors at once. When it is full, who owes least is forgotten.
pub const DEBTORS_MAX: usize = 10_000;

/// What is owed, by whom. Deterministic: time is the caller's.
#[derive(Debug)]
pub(super) struct Debts<K> {
    /// When each debtor owes nothing any more.
    paid_at: BTreeMap<K, Duration>,
    /// The same in order of time.
    by_time: BTreeSet<(Duration, K)>,
}

impl<K> Default for Debts<K> {
    fn default() -> Self {
        Self { paid_at: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Debts<K> {
    /// How much is owed.
    pub fn of(&self, who: &K, now: Duration) -> Duration {
        self.paid_at.get(who).map_or(Duration::ZERO, |at| at.saturating_sub(now))
    }

    /// Whether a debtor who owes nothing yet could be noted without another one being forgotten.
    pub fn has_room(&mut self, who: &K, now: Duration) -> bool {
        self.forget(now);
        self.paid_at.contains_key(who) || self.paid_at.len() < DEBTORS_MAX
    }

    /// More is owed.
    pub fn charge(&mut self, who: K, more: Duration, now: Duration) {
        let known = self.paid_at.remove(&who);
        if let Some(known) = known {
            self.by_time.remove(&(known, who));
        }
        self.forget(now);
        if self.paid_at.len() >= DEBTORS_MAX
            && let Some((_, least)) = self.by_time.pop_first()
        {
            self.paid_at.remove(&least);
        }
        let at = known.unwrap_or(now).max(now).saturating_add(more);
        self.paid_at.insert(who, at);
        self.by_time.insert((at, who));
    }

    fn forget(&mut self, now: Duration) {
        while let Some((at, who)) = self.by_time.first().copied()
            && at <= now
        {
            self.by_time.remove(&(at, who));
            self.paid_at.remove(&who);
        }
    }

    /// How many owe something.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.paid_at.len(), self.by_time.len());
        self.paid_at.len()
    }
}
