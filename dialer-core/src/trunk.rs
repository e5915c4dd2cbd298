//! Trunks as the dialer knows them: how much room each has, which of them the next calls take, and their numbers in what a
//! pacer learns.
//!
//! The gateway owns them. It tells the room, is told which trunk a call was reckoned with, and may take another one.

pub mod sharing;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Most trunks whose numbers a campaign remembers.
pub(crate) const NUMBERED_MAX: usize = 200;

/// Room for new calls on one trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkRoom {
    /// Its name.
    pub name: String,
    /// Calls that its concurrency allows now.
    pub lines_free: u32,
    /// Calls that its rate cap allows now.
    pub calls_per_second_free: u32,
}

impl TrunkRoom {
    /// Calls that it would take now.
    pub fn calls(&self) -> u32 {
        self.lines_free.min(self.calls_per_second_free)
    }
}

/// Room for new calls, as the gateway tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Calls that could be held now by what all trunks share (media ports) and by all their lines together.
    pub lines_free: u32,
    /// The usable trunks, in the order in which calls fill them. No more than the gateway was configured with.
    pub trunks: Vec<TrunkRoom>,
}

impl Room {
    /// Room on one trunk alone.
    pub fn on(name: &str, lines_free: u32, calls_per_second_free: u32) -> Self {
        Self {
            lines_free,
            trunks: vec![TrunkRoom { name: name.to_owned(), lines_free, calls_per_second_free }],
        }
    }

    /// Which trunks the next calls of a campaign take, and how many calls each: the trunks that it is `allowed`, in the order
    /// named (in that of the room where none is), each once and filled to its cap before the next one. Trunks without room
    /// are there with no calls.
    ///
    /// This is how the gateway chooses where no trunk is asked for; a test holds the two to each other
    /// (`tests/scenarios/trunks.rs`).
    pub fn fill(&self, allowed: &[String]) -> Vec<(&str, u32)> {
        let mut left = self.lines_free;
        let order = self.order(allowed).into_iter().filter_map(|index| self.trunks.get(index));
        let filled = order.map(|trunk| {
            let calls = trunk.calls().min(left);
            left -= calls;
            (trunk.name.as_str(), calls)
        });
        filled.collect()
    }

    /// Uses up the room of a campaign's next call: the trunk that it takes. `None` where none has room.
    pub fn take(&mut self, allowed: &[String]) -> Option<String> {
        let has_room = |index: &usize| self.trunks.get(*index).is_some_and(|trunk| trunk.calls() > 0);
        let index = self.order(allowed).into_iter().find(has_room).filter(|_| self.lines_free > 0)?;
        let trunk = self.trunks.get_mut(index)?;
        trunk.lines_free -= 1;
        trunk.calls_per_second_free -= 1;
        self.lines_free -= 1;
        Some(trunk.name.clone())
    }

    /// Calls that one trunk would take now.
    pub fn calls_on(&self, name: &str) -> u32 {
        self.trunks.iter().find(|trunk| trunk.name == name).map_or(0, TrunkRoom::calls).min(self.lines_free)
    }

    /// Uses up the room of a call on one trunk. False where it has none.
    pub fn take_on(&mut self, name: &str) -> bool {
        let named = self.trunks.iter_mut().find(|trunk| trunk.name == name && trunk.calls() > 0);
        let Some(trunk) = named.filter(|_| self.lines_free > 0) else { return false };
        trunk.lines_free -= 1;
        trunk.calls_per_second_free -= 1;
        self.lines_free -= 1;
        true
    }

    /// Calls that concurrency allows a campaign now.
    pub fn lines_free(&self, allowed: &[String]) -> u32 {
        let trunks = self.order(allowed).into_iter().filter_map(|index| self.trunks.get(index));
        trunks.map(|trunk| trunk.lines_free).fold(0, u32::saturating_add).min(self.lines_free)
    }

    /// Calls that the rate caps allow a campaign now, on trunks with a free line.
    pub fn calls_per_second_free(&self, allowed: &[String]) -> u32 {
        let trunks = self.order(allowed).into_iter().filter_map(|index| self.trunks.get(index));
        trunks.map(TrunkRoom::calls).fold(0, u32::saturating_add)
    }

    /// Calls that can be placed for a campaign now.
    pub fn calls(&self, allowed: &[String]) -> u32 {
        self.lines_free.min(self.calls_per_second_free(allowed))
    }

    fn order(&self, allowed: &[String]) -> Vec<usize> {
        if allowed.is_empty() {
            return (0..self.trunks.len()).collect();
        }
        let mut order = Vec::with_capacity(self.trunks.len());
        for name in allowed {
            if let Some(index) = self.trunks.iter().position(|trunk| trunk.name == *name)
                && !order.contains(&index)
            {
                order.push(index);
            }
        }
        order
    }
}

/// Numbers of trunks in segments ([`carillon_pacing::Segment`]), by name: written with what was learnt, so that a number
/// means the same trunk whatever order the configuration has them in. From 1; a number is never given twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrunkNumbers {
    /// The last one given.
    last: u16,
    numbers: BTreeMap<String, u16>,
}

impl TrunkNumbers {
    /// The number of a trunk, a new one where it has none yet. Where [`NUMBERED_MAX`] are remembered those that `room` knows
    /// nothing of are forgotten first. 0, which means a trunk unknown, where there is none left.
    pub fn number(&mut self, name: &str, room: &Room) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.numbers.len() >= NUMBERED_MAX {
            let known: BTreeSet<&str> = room.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
            self.numbers.retain(|name, _| known.contains(name.as_str()));
        }
        match self.last.checked_add(1) {
            Some(next) if self.numbers.len() < NUMBERED_MAX => {
                self.last = next;
                self.numbers.insert(name.to_owned(), next);
                next
            }
            Some(_) | None => 0,
        }
    }

    /// Names by number.
    #[cfg(any(test, feature = "store"))]
    fn names(self) -> BTreeMap<u16, String> {
        self.numbers.into_iter().map(|(name, number)| (number, name)).collect()
    }

    /// Whether stored numbers can be used: each given once.
    pub fn is_sound(&self) -> bool {
        let given: BTreeSet<u16> = self.numbers.values().copied().collect();
        given.len() == self.numbers.len()
            && given.len() <= NUMBERED_MAX
            && given.iter().all(|number| (1..=self.last).contains(number))
    }
}

/// Trunks by their numbers in segments, as they are written with what a campaign's pacer has learnt; none where that can't
/// be read.
#[cfg(any(test, feature = "store"))]
pub(crate) fn names_in(learnt: &str) -> BTreeMap<u16, String> {
    #[derive(Default, Deserialize)]
    struct Part {
        #[serde(default)]
        trunks: TrunkNumbers,
    }
    serde_json::from_str::<Part>(learnt).unwrap_or_default().trunks.names()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(lines_free: u32, trunks: &[(&str, u32, u32)]) -> Room {
        let trunk = |(name, lines_free, calls_per_second_free): &(&str, u32, u32)| TrunkRoom {
            name: (*name).to_owned(),
            lines_free: *lines_free,
            calls_per_second_free: *calls_per_second_free,
        };
        Room { lines_free, trunks: trunks.iter().map(trunk).collect() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_trunk_is_filled_before_the_next_one() {
        let room = room(20, &[("a", 2, 9), ("b", 9, 3), ("c", 5, 0), ("d", 9, 9)]);
        assert_eq!(room.fill(&[]), [("a", 2), ("b", 3), ("c", 0), ("d", 9)]);
        assert_eq!(room.fill(&names(&["d", "a", "d", "x"])), [("d", 9), ("a", 2)]);
        assert_eq!(room.fill(&names(&["x"])), []);
        assert_eq!((room.lines_free(&[]), room.calls_per_second_free(&[]), room.calls(&[])), (20, 14, 14));
    }

    #[test]
    fn what_all_share_bounds_them_together() {
        let room = room(4, &[("a", 3, 9), ("b", 9, 9)]);
        assert_eq!(room.fill(&[]), [("a", 3), ("b", 1)]);
        assert_eq!(room.fill(&names(&["b", "a"])), [("b", 4), ("a", 0)]);
        assert_eq!((room.lines_free(&[]), room.calls(&[])), (4, 4));
    }

    #[test]
    fn free_lines_of_one_and_the_rate_of_another_make_no_call() {
        let mut room = room(9, &[("a", 9, 0), ("b", 0, 9)]);
        assert_eq!((room.lines_free(&[]), room.calls_per_second_free(&[])), (9, 0));
        assert_eq!(room.take(&[]), None);
        assert_eq!(Room::default().take(&[]), None);
    }

    #[test]
    fn a_number_means_one_trunk_for_good() {
        let mut numbers = TrunkNumbers::default();
        let none = Room::default();
        assert_eq!((numbers.number("north", &none), numbers.number("south", &none)), (1, 2));
        let stored = serde_json::to_string(&numbers).unwrap();
        let mut again: TrunkNumbers = serde_json::from_str(&stored).unwrap();
        assert!(again.is_sound());
        let names = names_in(&format!(r#"{{"version":1,"trunks":{stored}}}"#));
        assert_eq!(names, BTreeMap::from([(1, "north".to_owned()), (2, "south".to_owned())]));
        assert_eq!((names_in("{}").len(), names_in("nothing").len()), (0, 0));
        let told = ["east", "south", "north"].map(|name| again.number(name, &none));
        assert_eq!(told, [3, 2, 1]);
    }

    #[test]
    fn those_that_are_gone_make_room_and_leave_no_number() {
        let mut numbers = TrunkNumbers::default();
        let kept = room(1, &[("t7", 1, 1)]);
        for index in 0..NUMBERED_MAX {
            numbers.number(&format!("t{index}"), &kept);
        }
        assert_eq!(numbers.number("new", &kept), NUMBERED_MAX as u16 + 1, "never one of before");
        assert_eq!((numbers.number("t7", &kept), numbers.numbers.len()), (8, 2));
        numbers.last = u16::MAX;
        assert_eq!(numbers.number("one more", &kept), 0);
    }

    #[test]
    fn numbers_that_cannot_be_are_not_used() {
        for wrong in [
            r#"{"last":2,"numbers":{"a":1,"b":1}}"#,
            r#"{"last":1,"numbers":{"a":2}}"#,
            r#"{"last":1,"numbers":{"a":0}}"#,
        ] {
            assert!(!serde_json::from_str::<TrunkNumbers>(wrong).unwrap().is_sound(), "{wrong}");
        }
    }

    proptest! {
        /// Taking the room of one call after the other goes where it was said beforehand.
        #[test]
        fn calls_go_where_they_were_foretold(
            shared in 0u32..30,
            trunks in proptest::collection::vec((0u32..8, 0u32..8), 0..6),
            allowed in proptest::collection::vec(0usize..8, 0..6),
        ) {
            let named: Vec<_> = trunks.iter().enumerate().map(|(index, it)| (format!("t{index}"), it.0, it.1)).collect();
            let borrowed: Vec<_> = named.iter().map(|(name, lines, rate)| (name.as_str(), *lines, *rate)).collect();
            let mut room = room(shared, &borrowed);
            let allowed: Vec<String> = allowed.iter().map(|index| format!("t{index}")).collect();
            let calls = room.calls(&allowed);
            let foretold: Vec<String> = room.fill(&allowed).into_iter()
                .flat_map(|(name, calls)| std::iter::repeat_n(name.to_owned(), calls as usize))
                .collect();
            prop_assert_eq!(foretold.len(), calls as usize);
            let taken: Vec<String> = std::iter::from_fn(|| room.take(&allowed)).collect();
            prop_assert_eq!(taken, foretold);
        }
    }
}
