//! Contacts that agents look at before they are called: one an agent.

use std::collections::{BTreeMap, BTreeSet};

use carillon_pacing::AgentKey;

use crate::id::{CampaignId, TaskId};
use crate::store::read::Due;
use crate::time::Utc;

/// A contact that an agent is shown.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub campaign: CampaignId,
    pub due: Due,
    /// Until when the agent may decide.
    pub until: Utc,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    by_agent: BTreeMap<AgentKey, Offer>,
    tasks: BTreeSet<TaskId>,
}

impl Offers {
    /// Shows a contact to an agent who has none.
    pub fn insert(&mut self, agent: AgentKey, offer: Offer) {
        debug_assert!(!self.by_agent.contains_key(&agent), "one contact at a time");
        self.tasks.insert(offer.due.task);
        self.by_agent.insert(agent, offer);
    }

    /// The contact is decided on, or no longer shown.
    pub fn remove(&mut self, agent: AgentKey) -> Option<Offer> {
        let offer = self.by_agent.remove(&agent)?;
        self.tasks.remove(&offer.due.task);
        Some(offer)
    }

    /// What the agent is shown.
    pub fn of(&self, agent: AgentKey) -> Option<&Offer> {
        self.by_agent.get(&agent)
    }

    /// Whether somebody is shown this task's contact.
    pub fn holds(&self, task: TaskId) -> bool {
        self.tasks.contains(&task)
    }

    /// Who is shown a contact of the campaign.
    pub fn agents_of(&self, campaign: CampaignId) -> impl Iterator<Item = AgentKey> + '_ {
        self.by_agent.iter().filter(move |(_, offer)| offer.campaign == campaign).map(|(agent, _)| *agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialer::testing::due;

    #[test]
    fn one_contact_an_agent_and_each_task_once() {
        let offer = |task| Offer { campaign: CampaignId(task), due: due(task), until: Utc(0) };
        let mut offers = Offers::default();
        offers.insert(AgentKey(1), offer(1));
        offers.insert(AgentKey(2), offer(2));
        assert!(offers.holds(TaskId(1)) && !offers.holds(TaskId(3)));
        assert_eq!(offers.agents_of(CampaignId(2)).collect::<Vec<_>>(), [AgentKey(2)]);
        assert_eq!(offers.remove(AgentKey(1)).map(|offer| offer.due.task), Some(TaskId(1)));
        assert!(offers.remove(AgentKey(1)).is_none() && offers.of(AgentKey(1)).is_none());
        assert!(!offers.holds(TaskId(1)));
    }
}
