//! Contacts with an owner: called for that agent alone, in one plan with everybody else's.

use std::collections::BTreeMap;

use carillon_pacing::team::Ahead;
use carillon_pacing::{AgentKey, Event, EventKind};

use super::Dialer;
use crate::agent::AgentState;
use crate::campaign::machine::Campaign;
use crate::campaign::standing::Awaited;
use crate::compliance::Verdict;
use crate::id::{AttemptId, CampaignId};
use crate::store::read::Due;
use crate::time::Now;

/// An owner with fewer tasks in hand has more fetched.
const OWNED_LOW: usize = 2;

impl Dialer {
    /// Owners who are signed on, have due tasks in the store and few in hand.
    pub(super) fn owners_running_low(&self, id: CampaignId) -> Vec<String> {
        let Some(campaign) = self.campaigns.get(&id) else { return Vec::new() };
        let low = |(owner, due): &(&String, &u64)| {
            let in_hand = campaign.supply.owned_len(owner);
            in_hand < OWNED_LOW
                && **due > in_hand as u64
                && self.floor.user_state(owner).is_some_and(|state| state != AgentState::Offline)
        };
        campaign.fetching.owned.iter().filter(low).map(|(owner, _)| owner.clone()).collect()
    }

    /// An agent has signed on: due tasks of theirs are looked for at once.
    pub(super) fn seek_own_tasks(&mut self, agent: AgentKey, now: Now) {
        let Some(user) = self.floor.user(agent) else { return };
        let waits = |campaign: &&Campaign| {
            campaign.is_running() && campaign.fetching.owned.get(&user).is_some_and(|due| *due > 0)
        };
        let campaigns: Vec<_> = self.campaigns.values().filter(waits).map(|campaign| campaign.id).collect();
        for id in campaigns {
            if let Some(campaign) = self.campaigns.get_mut(&id) {
                campaign.fetching.idle_until = now.monotonic;
            }
            self.seek_supply(id, now);
        }
    }

    /// Whether a line is out for this agent alone, or the agent is shown a contact: no other call is offered.
    pub(super) fn is_held(&self, agent: AgentKey) -> bool {
        if self.offers.of(agent).is_some() {
            return true;
        }
        let lent = self.floor.lent_to(agent).and_then(|campaign| self.campaigns.get(&campaign));
        lent.is_some_and(|campaign| campaign.pacing.team.holds(agent))
    }

    /// Whether a campaign has tasks of this agent's own to be called now.
    pub(super) fn has_own_tasks(&self, campaign: &Campaign, agent: AgentKey) -> bool {
        !campaign.fetching.owned.is_empty()
            && self.floor.user(agent).is_some_and(|user| campaign.supply.owned_len(&user) > 0)
    }

    /// Carries out the plan for owners: who leaves the pool and who returns, and one line for each owner who is free, as far
    /// as there is room.
    pub(super) fn call_for_owners(&mut self, id: CampaignId, now: Now) {
        let (wishes, room) = (self.wishes(id), self.room(id));
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        if wishes.is_empty() && !campaign.pacing.team.has_apart() {
            return;
        }
        let limits = campaign.limits();
        let plan = campaign.pacing.plan(&wishes, limits, room, now);
        let pooled = plan.pooled.into_iter().map(|agent| EventKind::AgentPooled { agent });
        let apart = plan.apart.into_iter().map(|agent| EventKind::AgentApart { agent });
        for kind in pooled.chain(apart) {
            campaign.pacing.observe(&Event { at: now.monotonic, kind });
        }
        for owner in plan.lines {
            if self.previews(id) {
                self.offer_own_contact(id, owner, now);
            } else {
                self.call_for(id, owner, now);
            }
        }
    }

    /// For whom lines leave beyond one per free owner once the pool's `pooled` are placed, on the terms of the decision just
    /// made.
    pub(super) fn plan_ahead(&mut self, id: CampaignId, pooled: u32, now: Now) -> Vec<AgentKey> {
        let (wishes, room) = (self.wishes(id), self.room(id).saturating_sub(pooled));
        let Some(campaign) = self.campaigns.get_mut(&id).filter(|_| !wishes.is_empty()) else {
            return Vec::new();
        };
        let Ahead { lines, reason } = campaign.pacing.ahead(&wishes, room, now);
        if let Some(reason) = reason.filter(|_| campaign.pacing.team.has_apart()) {
            campaign.standing.owners = Some(reason);
        }
        lines
    }

    /// Calls the best task of an owner that may be called.
    pub(super) fn call_for(&mut self, id: CampaignId, owner: AgentKey, now: Now) {
        let user = self.floor.user(owner);
        let due = user.and_then(|user| self.next_callable(id, Some(&user), now));
        due.into_iter().for_each(|due| self.launch(id, due, Some(owner), now));
    }

    /// Takes the best task in hand that may be called now, of an owner or of the pool; those before it that may not are
    /// written off.
    pub(super) fn next_callable(&mut self, id: CampaignId, owner: Option<&str>, now: Now) -> Option<Due> {
        let mut refused = Vec::new();
        let mut found = None;
        while let Some(campaign) = self.campaigns.get_mut(&id)
            && let Some(due) = match owner {
                Some(owner) => campaign.supply.take_owned(owner),
                None => campaign.supply.take(),
            }
        {
            if let Some(known) = owner.and_then(|owner| campaign.fetching.owned.get_mut(owner)) {
                *known = known.saturating_sub(1);
            }
            // Another campaign may be calling them; the task stays due and is found again.
            if self.is_engaged(&due) {
                continue;
            }
            let Some(campaign) = self.campaigns.get(&id) else { break };
            match self.compliance.check(&campaign.rules, &due, now.utc) {
                Verdict::Allowed(_) => {
                    found = Some(due);
                    break;
                }
                verdict @ (Verdict::NotBefore(_) | Verdict::Never(_)) => refused.push((due, verdict)),
            }
        }
        self.write_off(id, refused, now);
        found
    }

    /// Whether somebody calls the contact or is called by them, or their task waits for a word.
    pub(super) fn is_engaged(&self, due: &Due) -> bool {
        self.contacts.contains_key(&due.contact)
            || self.numbers.contains_key(&due.number)
            || self.callers.holds(due.contact, &due.number)
            || self.dispositions.holds(due.task)
    }

    /// Agents with due tasks of their own, and how many of them are in hand. A campaign that places nothing by itself has
    /// none.
    fn wishes(&self, id: CampaignId) -> BTreeMap<AgentKey, u32> {
        let Some(campaign) = self.campaigns.get(&id).filter(|campaign| campaign.pacing.places()) else {
            return BTreeMap::new();
        };
        let due = campaign.fetching.owned.iter().filter(|(_, due)| **due > 0).map(|(owner, _)| owner);
        let owners = due.chain(campaign.supply.owners());
        let in_hand = |user: &String| u32::try_from(campaign.supply.owned_len(user)).unwrap_or(u32::MAX);
        let mut wishes: BTreeMap<AgentKey, u32> =
            owners.filter_map(|user| Some((self.floor.key(user)?, in_hand(user)))).collect();
        // Who looks at a contact is apart until they have decided, and needs no other.
        wishes.extend(self.offers.agents_of(id).map(|agent| (agent, 0)));
        wishes
    }

    /// The agent for whom alone an attempt is made.
    pub(super) fn owner_of(&self, attempt: AttemptId) -> Option<AgentKey> {
        self.attempts.get(&attempt).and_then(|attempt| attempt.owner)
    }

    /// Whether the agent for whom alone an attempt is made takes no calls any more.
    pub(super) fn is_owner_gone(&self, attempt: AttemptId) -> bool {
        let user = self.owner_of(attempt).and_then(|owner| self.floor.user(owner));
        user.is_some_and(|user| self.takes_no_calls(&user))
    }

    pub(super) fn takes_no_calls(&self, user: &str) -> bool {
        match self.floor.user_state(user) {
            None
            | Some(AgentState::Offline | AgentState::Unreachable | AgentState::Engaged | AgentState::Break) => {
                true
            }
            Some(AgentState::Ready | AgentState::Reserved | AgentState::Talking | AgentState::WrapUp) => {
                false
            }
        }
    }

    /// Due tasks that wait for owners who take no calls now, and those owners.
    pub(super) fn waiting_for_owners(&self, campaign: &Campaign) -> (u64, Vec<String>) {
        let mut tasks = 0_u64;
        let mut owners = Vec::new();
        for (owner, due) in campaign.fetching.owned.iter().filter(|(_, due)| **due > 0) {
            if self.takes_no_calls(owner) {
                tasks = tasks.saturating_add(*due);
                owners.push(owner.clone());
            }
        }
        (tasks, owners)
    }

    /// Says which tasks wait for their owners, where any do.
    pub(super) fn tell_who_is_awaited(&mut self, id: CampaignId) {
        let Some(campaign) = self.campaigns.get(&id) else { return };
        let (tasks, owners) = self.waiting_for_owners(campaign);
        if let Some(campaign) = self.campaigns.get_mut(&id) {
            campaign.standing.awaited = Awaited::of(tasks, owners);
        }
    }
}
