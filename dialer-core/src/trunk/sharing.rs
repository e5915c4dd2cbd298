//! How trunks share the calls: groups by priority, in them the cheapest for the called number first, and among equals by weight.
//!
//! Without priorities, weights and prices all of this is what [`Room`] does alone: each trunk is filled before the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Room;

/// Prices of a call by prefix of the number, in millionths; digits without `+`, the longest that fits holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices(Arc<BTreeMap<String, u64>>);

impl Prices {
    /// These prefixes with their prices.
    pub fn new(prefixes: impl Iterator<Item = (String, u64)>) -> Self {
        Self(Arc::new(prefixes.collect()))
    }

    /// The price of a number; `None` where no prefix fits.
    pub fn of(&self, number: &str) -> Option<u64> {
        let digits = number.trim_start_matches('+');
        // No prefix is longer than a number (E.164).
        let longest = digits.len().min(15);
        (0..=longest).rev().find_map(|length| self.0.get(digits.get(..length)?).copied())
    }
}

/// A trunk's place among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// Its group; lower ones come first.
    pub priority: u32,
    /// Its share of the calls of equals in its group; 0: it takes what those with a share have no room for.
    pub weight: u32,
    /// What its calls cost; `None`: not known, and after those that are.
    pub prices: Option<Prices>,
}

/// All trunks, in the order of the configuration, and whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    shares: Vec<Share>,
    plain: bool,
    /// By trunk: what it has been passed over for, so that each comes in its turn. Sums to zero.
    credits: Vec<i64>,
}

impl Sharing {
    /// These trunks.
    pub fn new(shares: Vec<Share>) -> Self {
        let plain =
            shares.iter().all(|share| share.priority == 0 && share.weight == 0 && share.prices.is_none());
        Self { plain, credits: vec![0; shares.len()], shares }
    }

    /// Whether trunks are filled one after the other, whatever the number.
    pub fn is_plain(&self) -> bool {
        self.plain || self.shares.is_empty()
    }

    /// The trunks that a call to this number may take, the best first: for the gateway, which takes the next one where the first has
    /// no room or fails. As they were `allowed` where nothing tells them apart.
    pub fn order(&self, allowed: &[String], number: &str) -> Vec<String> {
        if self.is_plain() {
            return allowed.to_vec();
        }
        self.ranked(allowed, number)
            .into_iter()
            .filter_map(|(_, index)| Some(self.shares.get(index)?.name.clone()))
            .collect()
    }

    /// Uses up the room of the next call to this number: the trunk that it takes. `None` where none has room.
    pub fn take(&mut self, room: &mut Room, allowed: &[String], number: &str) -> Option<String> {
        if self.is_plain() {
            return room.take(allowed);
        }
        let ranked = self.ranked(allowed, number);
        for equals in ranked.chunk_by(|one, next| one.0 == next.0) {
            let has_room =
                |index: &usize| self.shares.get(*index).is_some_and(|share| room.calls_on(&share.name) > 0);
            let open: Vec<usize> = equals.iter().map(|(_, index)| *index).filter(has_room).collect();
            if let Some(index) = self.turn(&open) {
                let name = self.shares.get(index)?.name.clone();
                return room.take_on(&name).then_some(name);
            }
        }
        None
    }

    /// The trunks that the next calls take, to these numbers in this order; it ends where there is no more room.
    pub fn foretell<'n>(
        &self,
        room: &Room,
        allowed: &[String],
        numbers: impl Iterator<Item = &'n str>,
    ) -> Vec<String> {
        let (mut sharing, mut room) = (self.clone(), room.clone());
        numbers.map_while(|number| sharing.take(&mut room, allowed, number)).collect()
    }

    /// Whose turn it is among equals: those with a weight by turns, so that of any calls in a row each has its share; without any the
    /// first one.
    fn turn(&mut self, open: &[usize]) -> Option<usize> {
        let weight = |index: usize| self.shares.get(index).map_or(0, |share| i64::from(share.weight));
        let weighted: Vec<usize> = open.iter().copied().filter(|index| weight(*index) > 0).collect();
        let Some(first) = weighted.first().copied() else { return open.first().copied() };
        let total: i64 = weighted.iter().map(|index| weight(*index)).sum();
        for index in &weighted {
            let more = weight(*index);
            if let Some(credit) = self.credits.get_mut(*index) {
                *credit += more;
            }
        }
        let credit = |index: usize| self.credits.get(index).copied().unwrap_or_default();
        let next = weighted
            .iter()
            .copied()
            .fold(first, |best, index| if credit(index) > credit(best) { index } else { best });
        if let Some(credit) = self.credits.get_mut(next) {
            *credit -= total;
        }
        Some(next)
    }

    /// Trunks by group and price; what is equal in both is in the order in which it is allowed.
    fn ranked(&self, allowed: &[String], number: &str) -> Vec<((u32, u64), usize)> {
        let rank = |index: usize| {
            let share = self.shares.get(index)?;
            // A price that nobody knows is the highest.
            let price = share
                .prices
                .as_ref()
                .map_or(Some(u64::MAX), |prices| prices.of(number).or(Some(u64::MAX)))?;
            Some(((share.priority, price), index))
        };
        let mut ranked: Vec<_> = if allowed.is_empty() {
            (0..self.shares.len()).filter_map(rank).collect()
        } else {
            let named =
                allowed.iter().filter_map(|name| self.shares.iter().position(|share| share.name == *name));
            let mut indices: Vec<usize> = Vec::with_capacity(allowed.len());
            for index in named {
                if !indices.contains(&index) {
                    indices.push(index);
                }
            }
            indices.into_iter().filter_map(rank).collect()
        };
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::TrunkRoom;
    use super::*;

    fn share(name: &str, priority: u32, weight: u32) -> Share {
        Share { name: name.into(), priority, weight, prices: None }
    }

    fn priced(name: &str, prices: &[(&str, u64)]) -> Share {
        let prices = Prices::new(prices.iter().map(|(prefix, price)| ((*prefix).to_owned(), *price)));
        Share { prices: Some(prices), ..share(name, 0, 0) }
    }

    fn room(trunks: &[(&str, u32)]) -> Room {
        let trunk = |(name, lines): &(&str, u32)| TrunkRoom {
            name: (*name).to_owned(),
            lines_free: *lines,
            calls_per_second_free: 1_000,
        };
        Room { lines_free: 1_000, trunks: trunks.iter().map(trunk).collect() }
    }

    fn taken(sharing: &Sharing, room: &Room, numbers: &[&str]) -> String {
        sharing.foretell(room, &[], numbers.iter().copied()).join("")
    }

    #[test]
    fn weights_are_shares_of_any_calls_in_a_row() {
        let sharing = Sharing::new(vec![share("a", 0, 5), share("b", 0, 1), share("c", 0, 1)]);
        let calls = ["+1"; 14];
        assert_eq!(taken(&sharing, &room(&[("a", 99), ("b", 99), ("c", 99)]), &calls), "aabacaaaabacaa");
        assert_eq!(
            taken(&sharing, &room(&[("a", 2), ("b", 9), ("c", 9)]), &calls[..6]),
            "aabcbc",
            "a is full"
        );
        assert_eq!(
            taken(&sharing, &room(&[("b", 2), ("c", 1)]), &calls),
            "bcb",
            "a is away, then nobody has room"
        );
    }

    #[test]
    fn a_group_is_used_when_those_before_it_are_full() {
        let sharing = Sharing::new(vec![share("a", 2, 0), share("b", 1, 0), share("c", 1, 3)]);
        assert_eq!(taken(&sharing, &room(&[("a", 2), ("b", 1), ("c", 2)]), &["+1"; 9]), "ccbaa");
        assert_eq!(sharing.order(&[], "+1"), ["b", "c", "a"]);
        assert_eq!(sharing.order(&["a".into(), "c".into(), "x".into(), "a".into()], "+1"), ["c", "a"]);
    }

    #[test]
    fn the_cheapest_for_the_number_comes_first() {
        let mut sharing = Sharing::new(vec![
            priced("a", &[("1", 100), ("44", 300)]),
            priced("b", &[("1", 90), ("1900", 5_000), ("44", 400)]),
            share("c", 0, 0),
        ]);
        let mut free = room(&[("a", 9), ("b", 2), ("c", 9)]);
        assert_eq!(taken(&sharing, &free, &["+1202", "+4420", "+1900", "+49", "+1202", "+1202"]), "baaaba");
        assert_eq!(sharing.order(&[], "+19005550100"), ["a", "b", "c"]);
        assert_eq!(sharing.order(&[], "+12025550100"), ["b", "a", "c"]);
        assert_eq!(
            sharing.take(&mut free, &["c".into(), "b".into()], "+44"),
            Some("b".into()),
            "what it costs is known"
        );
        assert_eq!(free.calls_on("b"), 1);
    }

    #[test]
    fn where_nothing_tells_them_apart_they_are_filled_in_order() {
        let mut sharing = Sharing::new(vec![share("a", 0, 0), share("b", 0, 0)]);
        assert!(sharing.is_plain() && Sharing::default().is_plain());
        let mut free = room(&[("a", 1), ("b", 1)]);
        assert_eq!(sharing.order(&[], "+1"), [] as [String; 0], "all, as the gateway has them");
        assert_eq!(sharing.take(&mut free, &["b".into(), "a".into()], "+1"), Some("b".into()));
        assert_eq!(sharing.take(&mut free, &[], "+1"), Some("a".into()));
        assert_eq!(sharing.take(&mut free, &[], "+1"), None);
    }

    proptest! {
        /// Calls are taken where it was foretold, none beyond the room, and none in a later group while an earlier one has room.
        #[test]
        fn calls_go_where_they_were_foretold(
            trunks in proptest::collection::vec((0u32..3, 0u32..4, 0u32..6, 0u64..3), 1..7),
            calls in proptest::collection::vec(0usize..2, 1..30),
        ) {
            let names: Vec<String> = (0..trunks.len()).map(|index| format!("t{index}")).collect();
            let shares = trunks.iter().zip(&names).map(|((priority, weight, _, price), name)| Share {
                priority: *priority,
                weight: *weight,
                ..priced(name, &[("1", *price), ("2", 2 - price)])
            });
            let mut sharing = Sharing::new(shares.collect());
            let lines: Vec<(&str, u32)> =
                trunks.iter().zip(&names).map(|((_, _, lines, _), name)| (name.as_str(), *lines)).collect();
            let mut free = room(&lines);
            let numbers: Vec<&str> = calls.iter().map(|call| ["+1", "+2"][*call]).collect();
            let foretold = sharing.foretell(&free, &[], numbers.iter().copied());
            for (number, expected) in numbers.iter().zip(&foretold) {
                let index = names.iter().position(|name| name == expected).unwrap();
                for (other, name) in names.iter().enumerate() {
                    prop_assert!(trunks[other].0 >= trunks[index].0 || free.calls_on(name) == 0);
                }
                prop_assert_eq!(sharing.take(&mut free, &[], number), Some(expected.clone()));
            }
            let all: u32 = trunks.iter().map(|it| it.2).sum();
            prop_assert_eq!(foretold.len(), numbers.len().min(all as usize));
            prop_assert_eq!(sharing.credits.iter().sum::<i64>(), 0);
        }
    }
}
