//! Contacts with an owner: who has some, whose lines are out, and the plan over owners and the pool.

use std::collections::{BTreeMap, VecDeque};

use super::World;
use crate::Pacer;
use crate::budget::Ledger;
use crate::decision::{Decision, Limits};
use crate::event::{AgentKey, Event, EventKind};
use crate::sim::random::{Kind, Stream};
use crate::team::{Ahead, Stop, Team};

/// Contacts of their own that an agent has where every contact has an owner.
const ENDLESS: u32 = u32::MAX / 2;

/// Owners and their contacts.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    team: Team,
    /// Contacts with an owner that fall due for each one without.
    each: f64,
    credit: f64,
    stream: Stream,
    /// Due contacts of each agent.
    due: Vec<u32>,
    /// Answered calls that wait for their owner, oldest first.
    waiting: VecDeque<(u64, u32)>,
}

impl Owned {
    /// `None` where no contact has an owner. `limited`: whether the pacer is told a limit.
    pub fn new(share: f64, agents: u32, seed: u64, limited: bool) -> Option<Self> {
        let endless = share >= 1.0;
        // Without a forecast the stop by forecast is one line per agent.
        let stop = if limited { Stop::Forecast } else { Stop::WorstCase };
        (share > 0.0).then(|| Self {
            team: Team::new(stop, Ledger::default()),
            each: if endless { 0.0 } else { share / (1.0 - share) },
            credit: 0.0,
            stream: Stream::new(seed, Kind::Owner, 0),
            due: vec![if endless { ENDLESS } else { 0 }; agents as usize],
            waiting: VecDeque::new(),
        })
    }

    pub fn observe(&mut self, event: &Event) {
        // The pacer counts what is impossible.
        let _ = self.team.observe(event);
    }

    /// Whether contacts without an owner exist.
    pub fn has_pooled(&self) -> bool {
        self.each > 0.0
    }

    /// Whether a line is out for this agent alone.
    pub fn holds(&self, agent: u32) -> bool {
        self.team.holds(AgentKey(agent.into()))
    }

    /// A contact without an owner is called: as many with one fall due as there are to each.
    pub fn called_pooled(&mut self) {
        self.credit += self.each;
        while self.credit >= 1.0 {
            self.credit -= 1.0;
            let owner = (self.stream.uniform() * self.due.len() as f64) as usize;
            if let Some(due) = self.due.get_mut(owner) {
                *due = due.saturating_add(1);
            }
        }
    }

    /// Contacts with their owner.
    fn wishes(&self) -> BTreeMap<AgentKey, u32> {
        let due = (0..).map(AgentKey).zip(self.due.iter().copied());
        due.filter(|(_, due)| *due > 0).collect()
    }

    /// Who leaves the pool and who returns, and for whom a first line leaves.
    pub fn plan(&self, limits: &Limits, room: u32) -> (Vec<EventKind>, Vec<AgentKey>) {
        let plan = self.team.plan(&self.wishes(), limits, room);
        let pooled = plan.pooled.into_iter().map(|agent| EventKind::AgentPooled { agent });
        let apart = plan.apart.into_iter().map(|agent| EventKind::AgentApart { agent });
        (pooled.chain(apart).collect(), plan.lines)
    }

    /// The policy has decided for the pool: who is called ahead.
    pub fn ahead(&mut self, decision: &Decision, pacer: &dyn Pacer, room: u32) -> Vec<AgentKey> {
        self.team.decided(decision);
        let Ahead { lines, reason: _ } = pacer.ahead(&self.wishes(), room);
        lines
    }

    /// A contact of this agent's own is called: their number in calls.
    pub fn called(&mut self, owner: AgentKey) -> u32 {
        let index = u32::try_from(owner.0).unwrap_or(u32::MAX);
        if let Some(due) = self.due.get_mut(index as usize) {
            *due = due.saturating_sub(1);
        }
        index
    }

    pub fn waits(&mut self, call: u64, owner: u32) {
        self.waiting.push_back((call, owner));
    }

    pub fn gave_up(&mut self, call: u64) {
        self.waiting.retain(|(waiting, _)| *waiting != call);
    }

    /// Takes the call of their own that has waited longest for this agent.
    pub fn take_waiting(&mut self, agent: u32) -> Option<u64> {
        let at = self.waiting.iter().position(|(_, owner)| *owner == agent)?;
        self.waiting.remove(at).map(|(call, _)| call)
    }

    pub fn any_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn waiting(&self) -> u32 {
        self.waiting.len() as u32
    }
}

impl World<'_> {
    /// The agent who takes an answer now.
    pub(super) fn agent_for(&mut self, owner: Option<u32>) -> Option<u32> {
        match owner {
            Some(owner) => self.desk.is_idle(owner).then_some(owner),
            None => {
                let owned = self.owned.as_ref();
                self.desk.longest_idle(|agent| !owned.is_some_and(|owned| owned.holds(agent)))
            }
        }
    }

    pub(super) fn queue_up(&mut self, index: u64, owner: Option<u32>) {
        match (owner, &mut self.owned) {
            (Some(owner), Some(owned)) => owned.waits(index, owner),
            (_, _) => self.waiting.push_back(index),
        }
    }

    pub(super) fn anybody_waits(&self) -> bool {
        !self.waiting.is_empty() || self.owned.as_ref().is_some_and(Owned::any_waits)
    }

    /// An agent who waits takes a call that waits, one of their own first.
    pub(super) fn take_waiting(&mut self, agent: u32) {
        if !self.desk.is_idle(agent) {
            return;
        }
        let own = self.owned.as_mut().and_then(|owned| owned.take_waiting(agent));
        if let Some(call) = own {
            self.bridge(call, agent);
        } else if !self.waiting.is_empty()
            && let Some(agent) = self.agent_for(None)
            && let Some(call) = self.waiting.pop_front()
        {
            self.bridge(call, agent);
        }
    }

    /// Whoever waited for a call of their own that is no more takes another one.
    pub(super) fn let_go(&mut self, owner: u32) {
        if !self.owned.as_ref().is_some_and(|owned| owned.holds(owner)) {
            self.take_waiting(owner);
        }
    }

    /// First lines of owners.
    pub(super) fn call_for_owners(&mut self, limits: &Limits, now_s: f64) {
        let room = self.room();
        let Some(owned) = &self.owned else { return };
        let (changes, lines) = owned.plan(limits, room);
        changes.into_iter().for_each(|kind| self.tell(kind));
        lines.into_iter().for_each(|owner| self.place(Some(owner), now_s));
    }

    /// Lines of owners beyond the first.
    pub(super) fn call_ahead(&mut self, decision: &Decision, now_s: f64) {
        let room = self.room();
        let Some(owned) = &mut self.owned else { return };
        let lines = owned.ahead(decision, self.pacer, room);
        lines.into_iter().for_each(|owner| self.place(Some(owner), now_s));
    }

    pub(super) fn room(&self) -> u32 {
        self.scenario.lines().saturating_sub(self.lines_used()).min(self.tokens as u32)
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::Scenario;
    use crate::sim::study::{Row, run};

    fn shifts(owned_share: f64, agents: u32, policy: &str) -> Row {
        let scenario = Scenario { name: "owned".into(), agents, owned_share, ..Scenario::default() };
        run(&scenario, policy, 40, 3).expect("a policy")
    }

    /// Whoever calls owners ahead keeps the limit and beats one line per free owner, which lets nobody down.
    #[test]
    fn owners_are_called_ahead_within_the_limit() {
        let ahead = shifts(1.0, 6, "predictive");
        let free = shifts(1.0, 6, "predictive-owners-free");
        assert_eq!((ahead.over, free.over, free.abandon_pooled), (0, 0, 0.0));
        assert!(ahead.utilisation.mean > free.utilisation.mean + 0.02, "{ahead:?} {free:?}");
        assert_eq!(ahead.refused, 0, "every event can have happened");
    }

    /// With one line per free agent it does not matter whose the contacts are: nobody is let down or counted twice.
    #[test]
    fn a_share_of_owned_contacts_changes_nothing_at_one_line_per_agent() {
        for share in [0.3, 1.0] {
            let owned = shifts(share, 6, "progressive");
            let pooled = shifts(0.0, 6, "progressive");
            assert_eq!((owned.abandon_pooled, owned.refused), (0.0, 0));
            assert!((owned.utilisation.mean - pooled.utilisation.mean).abs() < 0.02, "{owned:?}");
        }
    }
}
