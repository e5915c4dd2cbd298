//! Short stand-ins for names that peers choose, so that no map has to compare texts all the way down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Makes 64 bits of a name that nobody outside can foretell: names that share them can't be sought out.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprints {
    key: u64,
}

impl Fingerprints {
    /// `secret` comes from a secure generator and stays the same for the life of the process.
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        secret.hash(&mut hasher);
        Self { key: hasher.finish() }
    }

    pub(crate) fn of(self, name: &(impl Hash + ?Sized)) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        name.hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints(***)")
    }
}

/// What is known by a text, like a Call-ID. Texts count to the last octet; fingerprints only find them.
#[derive(Debug)]
pub(crate) struct ByText<V> {
    fingerprints: Fingerprints,
    values: BTreeMap<(u64, Box<str>), V>,
}

impl<V> ByText<V> {
    pub(crate) fn new(fingerprints: Fingerprints) -> Self {
        Self { fingerprints, values: BTreeMap::new() }
    }

    pub(crate) fn get(&self, text: &str) -> Option<&V> {
        let fingerprint = self.fingerprints.of(text);
        // The empty text is the least.
        let alike = self.values.range((fingerprint, Box::default())..);
        let mut alike = alike.take_while(|((its, _), _)| *its == fingerprint);
        alike.find(|((_, its), _)| **its == *text).map(|(_, value)| value)
    }

    /// Takes the place of what was known by the same text.
    pub(crate) fn insert(&mut self, text: &str, value: V) {
        self.values.insert((self.fingerprints.of(text), text.into()), value);
    }

    pub(crate) fn remove(&mut self, text: &str) {
        self.values.remove(&(self.fingerprints.of(text), text.into()));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// Keys by the fingerprints of what they stand for, which only their owner can compare to the last octet.
#[derive(Debug)]
pub(crate) struct Index<K> {
    keys: BTreeSet<(u64, K)>,
}

impl<K: Copy + Ord> Index<K> {
    pub(crate) fn new() -> Self {
        Self { keys: BTreeSet::new() }
    }

    /// All with this fingerprint, in order; `least` is not above any key.
    pub(crate) fn alike(&self, fingerprint: u64, least: K) -> impl Iterator<Item = K> {
        let alike = self.keys.range((fingerprint, least)..);
        alike.take_while(move |(its, _)| *its == fingerprint).map(|(_, key)| *key)
    }

    pub(crate) fn insert(&mut self, fingerprint: u64, key: K) {
        self.keys.insert((fingerprint, key));
    }

    pub(crate) fn remove(&mut self, fingerprint: u64, key: K) {
        self.keys.remove(&(fingerprint, key));
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = K> {
        self.keys.iter().map(|(_, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_the_same_fingerprint_are_told_apart() {
        let mut by_text = ByText::new(Fingerprints::new(b"any"));
        let fingerprint = by_text.fingerprints.of("sought");
        for (text, value) in [("", 1), ("a neighbour", 2), ("sought after", 3)] {
            by_text.values.insert((fingerprint, text.into()), value);
        }
        assert_eq!(by_text.get("sought"), None);
        by_text.insert("sought", 4);
        assert_eq!(by_text.get("sought"), Some(&4));
        by_text.remove("sought");
        assert_eq!(by_text.get("sought"), None);
        assert_eq!(by_text.values.len(), 3, "no neighbour goes with it");
    }

    #[test]
    fn fingerprints_differ_with_the_secret() {
        let (one, other) = (Fingerprints::new(b"one"), Fingerprints::new(b"other"));
        assert_eq!(one.of("call"), one.of("call"));
        assert_ne!(one.of("call"), other.of("call"));
        assert_ne!(one.of("call"), one.of("Call"));
    }
}
