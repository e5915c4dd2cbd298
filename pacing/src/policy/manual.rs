//! Manual: nothing is placed unless somebody asks.

use serde::{Deserialize, Serialize};

use crate::Pacer;
use crate::decision::{Bound, Capacity, Decision};
use crate::event::Event;
use crate::floor::Floor;

/// Places nothing by itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Manual {
    floor: Floor,
}

impl Pacer for Manual {
    fn observe(&mut self, event: &Event) {
        let _ = self.floor.observe(event);
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        super::fill(&self.floor, 0, Bound::Manual, capacity)
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{ready, room};

    #[test]
    fn places_nothing() {
        let mut pacer = Manual::default();
        ready(10).for_each(|event| pacer.observe(&event));
        let decision = pacer.decide(&room(1.0, true));
        assert_eq!((decision.place, decision.reason.bound), (0, Bound::Manual));
    }
}
