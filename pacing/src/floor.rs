//! The call floor as the events tell it: which agents are free, which lines are out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{AgentKey, CallKey, Event, EventKind};

/// Most calls and most agents followed at once; events beyond are refused and counted.
pub const TRACKED_MAX: usize = 100_000;

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentActivity {
    /// Waits for a call.
    Ready,
    /// Chosen for a call, or talks.
    Talking,
    /// After a call.
    WrapUp,
    /// Takes no calls.
    Away,
}

/// One agent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seat {
    activity: AgentActivity,
    since: Duration,
    /// Works off contacts of their own, apart from the pool.
    apart: bool,
}

/// The lines that are out for one agent alone, unanswered or waiting.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct OwnLines {
    lines: u32,
    /// Those that the agent is not free for.
    unattended: u32,
}

/// One call, and whose it is where one agent alone may take it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Line {
    activity: CallActivity,
    owner: Option<AgentKey>,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
///
/// Agents who work off contacts of their own are apart from the pool, and lines for one agent alone are no lines of the
/// pool: what is said of agents and lines here is said of the pool, unless it says otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Floor {
    agents: BTreeMap<AgentKey, Seat>,
    calls: BTreeMap<CallKey, Line>,
    latest: Duration,
    agents_free: u32,
    agents_talking: u32,
    lines_unanswered: u32,
    lines_waiting: u32,
    lines_bridged: u32,
    /// Agents apart from the pool, and those of them who are ready.
    apart: BTreeSet<AgentKey>,
    apart_free: u32,
    /// Lines out for one agent alone: by agent, in all, and those whose agent is not free for them.
    own: BTreeMap<AgentKey, OwnLines>,
    owned_out: u32,
    owned_unattended: u32,
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

    /// Lines that may still need an agent. One for an owner who is not free for it any more is counted too: nobody is there
    /// for its answer.
    pub fn lines_out(&self) -> u32 {
        self.lines_unanswered.saturating_add(self.lines_waiting).saturating_add(self.owned_unattended)
    }

    /// Agents that wait for a call, and lines that may still need an agent, of the pool and of owners together.
    pub fn whole(&self) -> (u32, u32) {
        let free = self.agents_free.saturating_add(self.apart_free);
        let pooled = self.lines_unanswered.saturating_add(self.lines_waiting);
        (free, pooled.saturating_add(self.owned_out))
    }

    /// Agents who wait for a call and are apart from the pool.
    pub fn apart_free(&self) -> u32 {
        self.apart_free
    }

    /// Lines for one agent alone that may still need that agent.
    pub fn owned_out(&self) -> u32 {
        self.owned_out
    }

    /// Lines for this agent alone that may still need the agent.
    pub fn own_lines(&self, agent: AgentKey) -> u32 {
        self.own.get(&agent).map_or(0, |own| own.lines)
    }

    /// Whether the agent works off contacts of their own, apart from the pool.
    pub fn is_apart(&self, agent: AgentKey) -> bool {
        self.agents.get(&agent).is_some_and(|seat| seat.apart)
    }

    /// What the agent does, in the pool or apart; `None` unless signed on.
    pub fn activity(&self, agent: AgentKey) -> Option<AgentActivity> {
        self.agents.get(&agent).map(|seat| seat.activity)
    }

    /// Since when the agent does it.
    pub fn since(&self, agent: AgentKey) -> Option<Duration> {
        self.agents.get(&agent).map(|seat| seat.since)
    }

    /// Agents apart from the pool, by key.
    pub fn apart(&self) -> impl Iterator<Item = AgentKey> + '_ {
        self.apart.iter().copied()
    }

    /// Whether any agent is apart from the pool.
    pub fn has_apart(&self) -> bool {
        !self.apart.is_empty()
    }

    /// Impossible events so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes in one event; an impossible one changes nothing but the count.
    pub fn observe(&mut self, event: &Event) -> Result<(), Impossible> {
        let result = if event.at < self.latest { Err(Impossible) } else { self.apply(event.kind, event.at) };
        match result {
            Ok(()) => self.latest = event.at,
            Err(Impossible) => self.refused = self.refused.saturating_add(1),
        }
        result
    }

    fn apply(&mut self, kind: EventKind, at: Duration) -> Result<(), Impossible> {
        use CallActivity::{Bridged, Discarded, Placed, Ringing, Waiting};
        match kind {
            EventKind::CallPlaced { call, .. } => self.place(call, None),
            EventKind::CallPlacedFor { call, agent, .. } if self.is_apart(agent) => {
                self.place(call, Some(agent))
            }
            EventKind::CallPlacedFor { .. } => Err(Impossible),
            EventKind::CallRinging { call } => self.change_call(call, &[Placed, Ringing], Ringing),
            EventKind::CallAnswered { call } => self.change_call(call, &[Placed, Ringing], Waiting),
            EventKind::CallMachine { call } => self.change_call(call, &[Placed, Ringing, Waiting], Discarded),
            EventKind::CallBridged { call, agent } => match self.calls.get(&call) {
                Some(line) if line.owner.is_some_and(|owner| owner != agent) => Err(Impossible),
                Some(_) | None => self.change_call(call, &[Waiting], Bridged),
            },
            EventKind::CallAbandoned { call, .. } => self.change_call(call, &[Waiting], Discarded),
            EventKind::CallEnded { call, .. } => {
                let line = self.calls.remove(&call).ok_or(Impossible)?;
                self.count_call(line, false);
                Ok(())
            }
            EventKind::AgentReady { agent } => self.change_agent(agent, Some(AgentActivity::Ready), at),
            EventKind::AgentTalking { agent } => self.change_agent(agent, Some(AgentActivity::Talking), at),
            EventKind::AgentWrapUp { agent } => self.change_agent(agent, Some(AgentActivity::WrapUp), at),
            EventKind::AgentAway { agent } => self.change_agent(agent, Some(AgentActivity::Away), at),
            EventKind::AgentLeft { agent } => self.change_agent(agent, None, at),
            EventKind::AgentFormOpened { agent }
            | EventKind::AgentFinishing { agent }
            | EventKind::AgentLeaving { agent } => self.agents.get(&agent).map(|_| ()).ok_or(Impossible),
            EventKind::AgentApart { agent } => self.change_pool(agent, true),
            EventKind::AgentPooled { agent } if self.own_lines(agent) > 0 => Err(Impossible),
            EventKind::AgentPooled { agent } => self.change_pool(agent, false),
            EventKind::PeriodBegan => Ok(()),
        }
    }

    fn place(&mut self, call: CallKey, owner: Option<AgentKey>) -> Result<(), Impossible> {
        if self.calls.contains_key(&call) || self.calls.len() >= TRACKED_MAX {
            return Err(Impossible);
        }
        let line = Line { activity: CallActivity::Placed, owner };
        self.calls.insert(call, line);
        self.count_call(line, true);
        Ok(())
    }

    fn change_call(
        &mut self,
        call: CallKey,
        from: &[CallActivity],
        to: CallActivity,
    ) -> Result<(), Impossible> {
        let line = self.calls.get_mut(&call).ok_or(Impossible)?;
        if !from.contains(&line.activity) {
            return Err(Impossible);
        }
        let before = *line;
        line.activity = to;
        self.count_call(before, false);
        self.count_call(Line { activity: to, ..before }, true);
        Ok(())
    }

    fn count_call(&mut self, line: Line, more: bool) {
        let add = |counter: &mut u32| {
            *counter = if more { counter.saturating_add(1) } else { counter.saturating_sub(1) };
        };
        let mut touched = None;
        match (line.activity, line.owner) {
            (CallActivity::Placed | CallActivity::Ringing, None) => add(&mut self.lines_unanswered),
            (CallActivity::Waiting, None) => add(&mut self.lines_waiting),
            (CallActivity::Bridged, None) => add(&mut self.lines_bridged),
            (CallActivity::Placed | CallActivity::Ringing | CallActivity::Waiting, Some(owner)) => {
                add(&mut self.owned_out);
                add(&mut self.own.entry(owner).or_default().lines);
                touched = Some(owner);
            }
            (CallActivity::Bridged, Some(_)) | (CallActivity::Discarded, _) => {}
        }
        touched.into_iter().for_each(|owner| self.attend(owner));
    }

    /// Counts anew the lines of an owner who may have become free or busy, or whose lines have become more or fewer.
    fn attend(&mut self, agent: AgentKey) {
        let free = self.agents.get(&agent).is_some_and(|seat| seat.activity == AgentActivity::Ready);
        let Some(own) = self.own.get_mut(&agent) else { return };
        let unattended = own.lines.saturating_sub(u32::from(free));
        self.owned_unattended =
            self.owned_unattended.saturating_sub(own.unattended).saturating_add(unattended);
        own.unattended = unattended;
        if own.lines == 0 {
            self.own.remove(&agent);
        }
    }

    fn change_agent(
        &mut self,
        agent: AgentKey,
        to: Option<AgentActivity>,
        at: Duration,
    ) -> Result<(), Impossible> {
        let before = self.agents.get(&agent).copied();
        let after = match to {
            Some(activity) => {
                if before.is_none() && self.agents.len() >= TRACKED_MAX {
                    return Err(Impossible);
                }
                // One whose lines are still out from before goes on working them off.
                let apart = self.own.contains_key(&agent);
                let mut seat = before.unwrap_or(Seat { activity, since: at, apart });
                if seat.activity != activity {
                    (seat.activity, seat.since) = (activity, at);
                }
                self.agents.insert(agent, seat);
                Some(seat)
            }
            None => {
                before.ok_or(Impossible)?;
                self.agents.remove(&agent);
                None
            }
        };
        self.count_agent(before, false);
        self.count_agent(after, true);
        match after {
            Some(seat) if seat.apart => self.apart.insert(agent),
            Some(_) | None => self.apart.remove(&agent),
        };
        self.attend(agent);
        Ok(())
    }

    fn change_pool(&mut self, agent: AgentKey, apart: bool) -> Result<(), Impossible> {
        let seat = self.agents.get_mut(&agent).ok_or(Impossible)?;
        let before = *seat;
        seat.apart = apart;
        if apart {
            self.apart.insert(agent)
        } else {
            self.apart.remove(&agent)
        };
        self.count_agent(Some(before), false);
        self.count_agent(Some(Seat { apart, ..before }), true);
        Ok(())
    }

    fn count_agent(&mut self, seat: Option<Seat>, more: bool) {
        let counter = match seat.map(|seat| (seat.activity, seat.apart)) {
            Some((AgentActivity::Ready, false)) => &mut self.agents_free,
            Some((AgentActivity::Ready, true)) => &mut self.apart_free,
            Some((AgentActivity::Talking, false)) => &mut self.agents_talking,
            Some((AgentActivity::Talking, true))
            | Some((AgentActivity::WrapUp | AgentActivity::Away, _))
            | None => return,
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
        (0u8..16, 0u64..6, 0u64..4).prop_map(|(kind, call, agent)| {
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
                12 => EventKind::AgentApart { agent },
                13 => EventKind::AgentPooled { agent },
                14 => EventKind::CallPlacedFor { call, segment: Segment::default(), agent },
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
                use CallActivity::{Bridged, Placed, Ringing, Waiting};
                let seats = |activity, apart| {
                    floor.agents.values().filter(|it| (it.activity, it.apart) == (activity, apart)).count()
                };
                let lines = |among: &[CallActivity], owned: bool| {
                    let wanted = |it: &&Line| among.contains(&it.activity) && it.owner.is_some() == owned;
                    floor.calls.values().filter(wanted).count()
                };
                prop_assert_eq!(floor.agents_free() as usize, seats(AgentActivity::Ready, false));
                prop_assert_eq!(floor.apart_free() as usize, seats(AgentActivity::Ready, true));
                prop_assert_eq!(floor.agents_talking() as usize, seats(AgentActivity::Talking, false));
                prop_assert_eq!(floor.lines_bridged() as usize, lines(&[Bridged], false));
                prop_assert_eq!(floor.lines_unanswered() as usize, lines(&[Placed, Ringing], false));
                prop_assert_eq!(floor.lines_waiting() as usize, lines(&[Waiting], false));
                prop_assert_eq!(floor.owned_out() as usize, lines(&[Placed, Ringing, Waiting], true));
                let mut unattended = 0;
                for agent in (0..4).map(AgentKey) {
                    let own = |it: &&Line| {
                        it.owner == Some(agent) && matches!(it.activity, Placed | Ringing | Waiting)
                    };
                    let own = floor.calls.values().filter(own).count() as u32;
                    prop_assert_eq!(floor.own_lines(agent), own);
                    let seat = floor.agents.get(&agent);
                    let free = seat.is_some_and(|seat| seat.activity == AgentActivity::Ready);
                    unattended += own.saturating_sub(u32::from(free));
                    prop_assert!(own == 0 || seat.is_none_or(|seat| seat.apart), "not in the pool with a line out");
                }
                prop_assert_eq!(floor.owned_unattended, unattended);
            }
        }
    }
}
