//! Suppression (勿呼名单): numbers that must not be called, held in memory so that every permit can ask.

use std::collections::BTreeSet;

use crate::contact::number::digits;

/// Most numbers held; at eight bytes and the tree's overhead below 2 GiB.
pub const SUPPRESSED_MAX: usize = 100_000_000;

/// The set of suppressed numbers.
#[derive(Clone, Debug, Default)]
pub struct Suppression {
    numbers: BTreeSet<u64>,
    /// A number did not fit: from then on every number counts as suppressed, since nobody can say which is not.
    full: bool,
}

impl Suppression {
    /// Adds a canonical number; what is not canonical can't be called anyway.
    pub fn add(&mut self, number: &str) {
        let Some(number) = digits(number) else { return };
        if self.numbers.len() < SUPPRESSED_MAX {
            self.numbers.insert(number);
        } else {
            self.full |= !self.numbers.contains(&number);
        }
    }

    /// Whether a canonical number must not be called. What is not canonical must not.
    pub fn contains(&self, number: &str) -> bool {
        self.full || digits(number).is_none_or(|number| self.numbers.contains(&number))
    }

    /// Numbers held.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_was_added_and_nothing_else() {
        let mut suppression = Suppression::default();
        suppression.add("+15550000001");
        suppression.add("+15550000001");
        suppression.add("nonsense");
        assert_eq!(suppression.len(), 1);
        assert!(suppression.contains("+15550000001"));
        assert!(!suppression.contains("+15550000002"));
        assert!(suppression.contains("15550000002"), "not canonical");
    }
}
