//! Policies, one file each; `predictive` is a room of its own.

pub mod adaptive;
pub mod manual;
pub mod predictive;
pub mod preview;
pub mod progressive;
pub mod ratio;

use std::time::Duration;

use crate::decision::{Bound, Capacity, Decision, Reason};
use crate::floor::Floor;

/// Longest time between two questions.
pub const INTERVAL_MAX: Duration = Duration::from_millis(500);

/// Turns the lines a policy wants in all into a decision: what is out already counts, then the room there is.
/// `bound` says what made it want no more.
fn fill(floor: &Floor, wanted: u64, bound: Bound, capacity: &Capacity) -> Decision {
    let out = floor.lines_out();
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    let mut place = wanted.saturating_sub(out);
    let mut binding = bound;
    for (room, name) in [
        (capacity.lines_free, Bound::Lines),
        (capacity.calls_per_second_free, Bound::CallsPerSecond),
        (capacity.supply, Bound::Supply),
    ] {
        if place > room {
            place = room;
            binding = name;
        }
    }
    Decision {
        place,
        until: capacity.now.saturating_add(INTERVAL_MAX),
        reason: Reason {
            bound: binding,
            agents_free: floor.agents_free(),
            lines_out: out,
            lines_wanted: wanted,
            forecast: None,
        },
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::decision::{Limits, Upcoming};
    use crate::event::{AgentKey, CallKey, Event, EventKind, Segment};

    pub(crate) fn room(abandon_limit: f64, over_dial: bool) -> Capacity {
        Capacity {
            now: Duration::from_secs(10),
            lines_free: 1000,
            calls_per_second_free: 1000,
            supply: 1000,
            limits: Limits::new(abandon_limit, over_dial),
            upcoming: Upcoming::default(),
            outlook: None,
        }
    }

    pub(crate) fn ready(agents: u64) -> impl Iterator<Item = Event> {
        (0..agents)
            .map(|agent| Event { at: Duration::ZERO, kind: EventKind::AgentReady { agent: AgentKey(agent) } })
    }

    pub(crate) fn placed(calls: std::ops::Range<u64>) -> impl Iterator<Item = Event> {
        calls.map(|call| Event {
            at: Duration::ZERO,
            kind: EventKind::CallPlaced { call: CallKey(call), segment: Segment::default() },
        })
    }
}
