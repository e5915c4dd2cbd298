//! What is known by keys of our own making, found in one step however much there is.

use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Values by key, in an order that means nothing but is the same in every run: the hash has no secret. Keys that peers choose
/// belong into [`crate::fingerprint`].
#[derive(Debug)]
pub(crate) struct Keyed<K, V> {
    pairs: HashTable<(K, V)>,
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    pub(crate) fn new() -> Self {
        Self { pairs: HashTable::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.pairs.find(hash(key), |(its, _)| its == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.pairs.find_mut(hash(key), |(its, _)| its == key).map(|(_, value)| value)
    }

    /// Takes the place of what was known by the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.pairs.entry(hash(&key), |(its, _)| *its == key, |(its, _)| hash(its)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => {
                entry.insert((key, value));
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let found = self.pairs.find_entry(hash(key), |(its, _)| its == key);
        found.ok().map(|entry| entry.remove().0.1)
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pairs.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_knows_what_an_ordered_map_knows(steps in prop::collection::vec((0u8..40, any::<Option<u16>>()), 0..300)) {
            let (mut keyed, mut known) = (Keyed::new(), BTreeMap::new());
            for (key, value) in steps {
                match value {
                    Some(value) => {
                        keyed.insert(key, value);
                        known.insert(key, value);
                    }
                    None => prop_assert_eq!(keyed.remove(&key), known.remove(&key)),
                }
                prop_assert_eq!((keyed.get(&key), keyed.len()), (known.get(&key), known.len()));
            }
            let mut pairs: Vec<_> = keyed.iter().collect();
            pairs.sort_unstable();
            prop_assert_eq!(pairs, known.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_order_is_the_same_in_every_run() {
        let mut keyed = Keyed::new();
        (0..10u64).for_each(|key| keyed.insert(key, ()));
        let order: Vec<u64> = keyed.iter().map(|(key, ())| *key).collect();
        let mut again = Keyed::new();
        (0..10u64).for_each(|key| again.insert(key, ()));
        assert_eq!(again.iter().map(|(key, ())| *key).collect::<Vec<_>>(), order);
    }
}
