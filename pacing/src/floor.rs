//! The call floor as the events tell it: which agents are free, which lines are out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{AgentKey, CallKey, Event, EventKind};

/// Most calls and most agents followed at once; events beyond are refused and counted.
pub const TRACKED_MAX: usize = 100_000;

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AgentActivity {
    Ready,
    Talking,
    WrapUp,
    Away,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallActivity {
    Placed,
    Ringing,
    /// Answered, no agent yet.
    Waiting,
    Bridged,
    /// Machine, or abandoned and hearing a message: needs no agent any more.
    Discarded,
}

/// Agents and calls, counted incrementally so that a decision costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    agents: BTreeMap<AgentKey, AgentActivity>,
    calls: BTreeMap<CallKey, CallActivity>,
    latest: Duration,
    agents_free: u32,
    agents_talking: u32,
    lines_unanswered: u32,
    lines_waiting: u32,
    lines_bridged: u32,
    refused: u64,
}

/// An event that can't have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impossible;

impl Floor {
    /// Agents waiting for a call.
    pub fn agents_free(&self) -> u32 {
        self.agents_free
    }

    /// Agents chosen for a call or talking.
    pub fn agents_talking(&self) -> u32 {
        self.agents_talking
    }

    /// Agents signed on, those who take no calls included.
    pub fn agents_signed_on(&self) -> u32 {
        u32::try_from(self.agents.len()).unwrap_or(u32::MAX)
    }

    /// Answered lines joined with an agent.
    pub fn lines_bridged(&self) -> u32 {
        self.lines_bridged
    }

    /// Lines placed and not yet answered or ended.
    pub fn lines_unanswered(&self) -> u32 {
        self.lines_unanswered
    }

    /// Answered lines that wait for an agent.
    pub fn lines_waiting(&self) -> u32 {
        self.lines_waiting
    }

    /// Lines that may still need an agent.
    pub fn lines_out(&self) -> u32 {
        self.lines_unanswered.saturating_add(self.lines_waiting)
    }

    /// Impossible events so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes in one event; an impossible one changes nothing but the count.
    pub fn observe(&mut self, event: &Event) -> Result<(), Impossible> {
        let result = if event.at < self.latest { Err(Impossible) } else { self.apply(event.kind) };
        match result {
            Ok(()) => self.latest = event.at,
            Err(Impossible) => self.refused = self.refused.saturating_add(1),
        }
        result
    }

    fn apply(&mut self, kind: EventKind) -> Result<(), Impossible> {
        use CallActivity::{Bridged, Discarded, Placed, Ringing, Waiting};
        match kind {
            EventKind::CallPlaced { call, .. } => {
                if self.calls.contains_key(&call) || self.calls.len() >= TRACKED_MAX {
                    return Err(Impossible);
                }
                self.calls.insert(call, Placed);
                self.lines_unanswered += 1;
                Ok(())
            }
            EventKind::CallRinging { call } => self.change_call(call, &[Placed, Ringing], Ringing),
            EventKind::CallAnswered { call } => self.change_call(call, &[Placed, Ringing], Waiting),
            EventKind::CallMachine { call } => self.change_call(call, &[Placed, Ringing, Waiting], Discarded),
            EventKind::CallBridged { call, .. } => self.change_call(call, &[Waiting], Bridged),
            EventKind::CallAbandoned { call, .. } => self.change_call(call, &[Waiting], Discarded),
            EventKind::CallEnded { call, .. } => {
                let activity = self.calls.remove(&call).ok_or(Impossible)?;
                self.count_call(activity, false);
                Ok(())
            }
            EventKind::AgentReady { agent } => self.change_agent(agent, Some(AgentActivity::Ready)),
            EventKind::AgentTalking { agent } => self.change_agent(agent, Some(AgentActivity::Talking)),
            EventKind::AgentWrapUp { agent } => self.change_agent(agent, Some(AgentActivity::WrapUp)),
            EventKind::AgentAway { agent } => self.change_agent(agent, Some(AgentActivity::Away)),
            EventKind::AgentLeft { agent } => self.change_agent(agent, None),
            EventKind::AgentFormOpened { agent }
            | EventKind::AgentFinishing { agent }
            | EventKind::AgentLeaving { agent } => self.agents.get(&agent).map(|_| ()).ok_or(Impossible),
            EventKind::PeriodBegan => Ok(()),
        }
    }

    fn change_call(
        &mut self,
        call: CallKey,
        from: &[CallActivity],
        to: CallActivity,
    ) -> Result<(), Impossible> {
        let activity = self.calls.get_mut(&call).ok_or(Impossible)?;
        if !from.contains(activity) {
            return Err(Impossible);
        }
        let before = std::mem::replace(activity, to);
        self.count_call(before, false);
        self.count_call(to, true);
        Ok(())
    }

    fn count_call(&mut self, activity: CallActivity, more: bool) {
        let counter = match activity {
            CallActivity::Placed | CallActivity::Ringing => &mut self.lines_unanswered,
            CallActivity::Waiting => &mut self.lines_waiting,
            CallActivity::Bridged => &mut self.lines_bridged,
            CallActivity::Discarded => return,
        };
        *counter = if more { counter.saturating_add(1) } else { counter.saturating_sub(1) };
    }

    fn change_agent(&mut self, agent: AgentKey, to: Option<AgentActivity>) -> Result<(), Impossible> {
        let before = match to {
            Some(activity) => {
                if !self.agents.contains_key(&agent) && self.agents.len() >= TRACKED_MAX {
                    return Err(Impossible);
                }
                self.agents.insert(agent, activity)
            }
            None => Some(self.agents.remove(&agent).ok_or(Impossible)?),
        };
        self.count_agent(before, false);
        self.count_agent(to, true);
        Ok(())
    }

    fn count_agent(&mut self, activity: Option<AgentActivity>, more: bool) {
        let counter = match activity {
            Some(AgentActivity::Ready) => &mut self.agents_free,
            Some(AgentActivity::Talking) => &mut self.agents_talking,
            Some(AgentActivity::WrapUp | AgentActivity::Away) | None => return,
        };
        *counter = if more { counter.saturating_add(1) } else { counter.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Ending, Segment};

    fn at(seconds: u64, kind: EventKind) -> Event {
        Event { at: Duration::from_secs(seconds), kind }
    }

    #[test]
    fn counts_lines_through_the_life_of_a_call() {
        let (call, agent) = (CallKey(1), AgentKey(1));
        let mut floor = Floor::default();
        floor.observe(&at(0, EventKind::AgentReady { agent })).unwrap();
        floor.observe(&at(1, EventKind::CallPlaced { call, segment: Segment::default() })).unwrap();
        assert_eq!((floor.agents_free(), floor.lines_out()), (1, 1));
        floor.observe(&at(2, EventKind::CallAnswered { call })).unwrap();
        assert_eq!((floor.lines_unanswered(), floor.lines_waiting()), (0, 1));
        floor.observe(&at(2, EventKind::AgentTalking { agent })).unwrap();
        floor.observe(&at(2, EventKind::CallBridged { call, agent })).unwrap();
        assert_eq!((floor.agents_free(), floor.lines_out()), (0, 0));
        floor.observe(&at(9, EventKind::CallEnded { call, ending: Ending::Answered })).unwrap();
        assert_eq!(floor.refused(), 0);
    }

    #[test]
    fn refuses_what_cannot_have_happened() {
        let call = CallKey(7);
        let mut floor = Floor::default();
        assert!(floor.observe(&at(5, EventKind::CallAnswered { call })).is_err());
        floor.observe(&at(5, EventKind::CallPlaced { call, segment: Segment::default() })).unwrap();
        assert!(floor.observe(&at(4, EventKind::CallRinging { call })).is_err(), "time went back");
        assert!(
            floor.observe(&at(5, EventKind::CallPlaced { call, segment: Segment::default() })).is_err(),
            "placed twice"
        );
        assert!(floor.observe(&at(5, EventKind::AgentLeft { agent: AgentKey(1) })).is_err());
        assert_eq!(floor.refused(), 4);
        assert_eq!(floor.lines_out(), 1);
    }

    fn any_kind() -> impl Strategy<Value = EventKind> {
        (0u8..13, 0u64..6, 0u64..4).prop_map(|(kind, call, agent)| {
            let (call, agent) = (CallKey(call), AgentKey(agent));
            match kind {
                0 => EventKind::CallPlaced { call, segment: Segment::default() },
                1 => EventKind::CallRinging { call },
                2 => EventKind::CallAnswered { call },
                3 => EventKind::CallMachine { call },
                4 => EventKind::CallBridged { call, agent },
                5 => EventKind::CallAbandoned { call, agent_lost: false },
                6 => EventKind::CallEnded { call, ending: Ending::Callee },
                7 => EventKind::AgentReady { agent },
                8 => EventKind::AgentTalking { agent },
                9 => EventKind::AgentWrapUp { agent },
                10 => EventKind::AgentFinishing { agent },
                11 => EventKind::AgentAway { agent },
                _ => EventKind::AgentLeft { agent },
            }
        })
    }

    proptest! {
        #[test]
        fn counters_agree_with_a_recount(kinds in proptest::collection::vec(any_kind(), 0..200)) {
            let mut floor = Floor::default();
            for kind in kinds {
                let _ = floor.observe(&at(0, kind));
                let free = floor.agents.values().filter(|a| **a == AgentActivity::Ready).count();
                let unanswered =
                    floor.calls.values().filter(|c| matches!(c, CallActivity::Placed | CallActivity::Ringing)).count();
                let waiting = floor.calls.values().filter(|c| **c == CallActivity::Waiting).count();
                prop_assert_eq!(floor.agents_free() as usize, free);
                let talking = floor.agents.values().filter(|a| **a == AgentActivity::Talking).count();
                let bridged = floor.calls.values().filter(|c| **c == CallActivity::Bridged).count();
                prop_assert_eq!(floor.agents_talking() as usize, talking);
                prop_assert_eq!(floor.lines_bridged() as usize, bridged);
                prop_assert_eq!(floor.lines_unanswered() as usize, unanswered);
                prop_assert_eq!(floor.lines_waiting() as usize, waiting);
            }
        }
    }
}
