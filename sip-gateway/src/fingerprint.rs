//! Short stand-ins for names that peers choose, so that no map has to compare texts all the way down.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

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
    values: HashTable<Known<V>>,
}

#[derive(Debug)]
struct Known<V> {
    fingerprint: u64,
    text: Box<str>,
    value: V,
}

impl<V> Known<V> {
    fn is(&self, fingerprint: u64, text: &str) -> bool {
        self.fingerprint == fingerprint && *self.text == *text
    }
}

impl<V> ByText<V> {
    pub(crate) fn new(fingerprints: Fingerprints) -> Self {
        Self { fingerprints, values: HashTable::new() }
    }

    pub(crate) fn get(&self, text: &str) -> Option<&V> {
        let fingerprint = self.fingerprints.of(text);
        self.values.find(fingerprint, |it| it.is(fingerprint, text)).map(|it| &it.value)
    }

    /// Takes the place of what was known by the same text.
    pub(crate) fn insert(&mut self, text: &str, value: V) {
        let fingerprint = self.fingerprints.of(text);
        match self.values.entry(fingerprint, |it| it.is(fingerprint, text), |it| it.fingerprint) {
            Entry::Occupied(mut entry) => entry.get_mut().value = value,
            Entry::Vacant(entry) => {
                entry.insert(Known { fingerprint, text: text.into(), value });
            }
        }
    }

    pub(crate) fn remove(&mut self, text: &str) {
        let fingerprint = self.fingerprints.of(text);
        if let Ok(entry) = self.values.find_entry(fingerprint, |it| it.is(fingerprint, text)) {
            entry.remove();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// Keys by the fingerprints of what they stand for, which only their owner can compare to the last octet.
#[derive(Debug)]
pub(crate) struct Index<K> {
    keys: HashTable<(u64, K)>,
}

impl<K: Copy + Eq> Index<K> {
    pub(crate) fn new() -> Self {
        Self { keys: HashTable::new() }
    }

    /// All with this fingerprint, in no order.
    pub(crate) fn alike(&self, fingerprint: u64) -> impl Iterator<Item = K> {
        let alike = self.keys.iter_hash(fingerprint);
        alike.filter(move |(its, _)| *its == fingerprint).map(|(_, key)| *key)
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, fingerprint: u64, key: K) {
        self.keys.insert_unique(fingerprint, (fingerprint, key), |(its, _)| *its);
    }

    pub(crate) fn remove(&mut self, fingerprint: u64, key: K) {
        if let Ok(entry) = self.keys.find_entry(fingerprint, |it| *it == (fingerprint, key)) {
            entry.remove();
        }
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
            let known = Known { fingerprint, text: text.into(), value };
            by_text.values.insert_unique(fingerprint, known, |it| it.fingerprint);
        }
        assert_eq!(by_text.get("sought"), None);
        by_text.insert("sought", 4);
        assert_eq!(by_text.get("sought"), Some(&4));
        by_text.insert("sought", 5);
        assert_eq!((by_text.get("sought"), by_text.len()), (Some(&5), 4));
        by_text.remove("sought");
        assert_eq!(by_text.get("sought"), None);
        assert_eq!(by_text.len(), 3, "no neighbour goes with it");
    }

    #[test]
    fn keys_with_the_same_fingerprint_are_all_found_and_removed_one_by_one() {
        let mut index = Index::new();
        (0..100).for_each(|key| index.insert(key % 7, key));
        let alike = |index: &Index<u64>| {
            let mut alike: Vec<u64> = index.alike(3).collect();
            alike.sort_unstable();
            alike
        };
        let all: Vec<u64> = (0..100).filter(|key| key % 7 == 3).collect();
        assert_eq!(alike(&index), all);
        index.remove(3, 4);
        assert_eq!(alike(&index), all, "that key has another fingerprint");
        index.remove(3, 10);
        assert_eq!(alike(&index), [&all[..1], &all[2..]].concat());
    }

    #[test]
    fn fingerprints_differ_with_the_secret() {
        let (one, other) = (Fingerprints::new(b"one"), Fingerprints::new(b"other"));
        assert_eq!(one.of("call"), one.of("call"));
        assert_ne!(one.of("call"), other.of("call"));
        assert_ne!(one.of("call"), one.of("Call"));
    }
}
