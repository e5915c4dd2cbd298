//! Progressive: one line per free agent, so that every answer finds one.

use serde::{Deserialize, Serialize};

use crate::Pacer;
use crate::decision::{Bound, Capacity, Decision};
use crate::event::Event;
use crate::floor::Floor;

/// One line per free agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progressive {
    floor: Floor,
}

impl Pacer for Progressive {
    fn observe(&mut self, event: &Event) {
        let _ = self.floor.observe(event);
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        super::fill(&self.floor, self.floor.agents_free().into(), Bound::Agents, capacity)
    }

    fn refused_events(&self) -> u64 {
        self.floor.refused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{placed, ready, room};

    #[test]
    fn one_line_per_free_agent() {
        let mut pacer = Progressive::default();
        ready(10).for_each(|event| pacer.observe(&event));
        assert_eq!(pacer.decide(&room(0.03, true)).place, 10);
        placed(0..7).for_each(|event| pacer.observe(&event));
        assert_eq!(pacer.decide(&room(0.03, true)).place, 3);
    }

    #[test]
    fn the_room_there_is_bounds_it() {
        let mut pacer = Progressive::default();
        ready(10).for_each(|event| pacer.observe(&event));
        let mut capacity = room(0.03, true);
        capacity.lines_free = 4;
        assert_eq!(pacer.decide(&capacity).reason.bound, Bound::Lines);
        capacity.calls_per_second_free = 2;
        let decision = pacer.decide(&capacity);
        assert_eq!((decision.place, decision.reason.bound), (2, Bound::CallsPerSecond));
        capacity.supply = 0;
        let decision = pacer.decide(&capacity);
        assert_eq!((decision.place, decision.reason.bound), (0, Bound::Supply));
    }
}
