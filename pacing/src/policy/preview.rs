//! Preview: a contact is shown to every free agent, who decides when it is called.

use serde::{Deserialize, Serialize};

use crate::Pacer;
use crate::decision::{Bound, Capacity, Decision};
use crate::event::Event;
use crate::floor::Floor;

/// One contact offered per free agent. What it places is offers; a line goes out once the agent has said so, so no
/// answer is without an agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Preview {
    floor: Floor,
}

impl Pacer for Preview {
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
    fn one_offer_per_free_agent() {
        let mut pacer = Preview::default();
        ready(5).for_each(|event| pacer.observe(&event));
        placed(0..2).for_each(|event| pacer.observe(&event));
        assert_eq!(pacer.decide(&room(0.03, true)).place, 3);
    }
}
