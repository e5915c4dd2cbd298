//! Free agents, longest idle first; each counted for one campaign at a time.
//!
//! Several campaigns may run over the same agents. So that two pacers never count on the same person, a free agent is
//! lent to one campaign; an answered call still takes any free agent when its own campaign has none, for a person who
//! picked up matters more than the accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_pacing::AgentKey;

use crate::id::CampaignId;

/// The queue of free agents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idle {
    queues: BTreeMap<Option<CampaignId>, BTreeSet<(Duration, AgentKey)>>,
    places: BTreeMap<AgentKey, (Option<CampaignId>, Duration)>,
}

impl Idle {
    /// The agent waits since `since`, lent to `campaign`; replaces an earlier place.
    pub fn insert(&mut self, agent: AgentKey, campaign: Option<CampaignId>, since: Duration) {
        self.remove(agent);
        self.places.insert(agent, (campaign, since));
        self.queues.entry(campaign).or_default().insert((since, agent));
    }

    /// The agent waits no more.
    pub fn remove(&mut self, agent: AgentKey) {
        if let Some((campaign, since)) = self.places.remove(&agent)
            && let Some(queue) = self.queues.get_mut(&campaign)
        {
            queue.remove(&(since, agent));
            if queue.is_empty() {
                self.queues.remove(&campaign);
            }
        }
    }

    /// The longest idle agent that `fits`, of `campaign` first, then of any.
    pub fn longest(&self, campaign: CampaignId, fits: impl Fn(AgentKey) -> bool) -> Option<AgentKey> {
        let first =
            |queue: &BTreeSet<(Duration, AgentKey)>| queue.iter().find(|(_, agent)| fits(*agent)).copied();
        let own = self.queues.get(&Some(campaign)).and_then(first);
        own.or_else(|| self.queues.values().filter_map(first).min()).map(|(_, agent)| agent)
    }

    /// The longest idle agent of `campaign` that `fits`.
    pub fn longest_of(&self, campaign: CampaignId, fits: impl Fn(AgentKey) -> bool) -> Option<AgentKey> {
        let queue = self.queues.get(&Some(campaign))?;
        queue.iter().map(|(_, agent)| *agent).find(|agent| fits(*agent))
    }

    /// Whether the agent waits.
    pub fn contains(&self, agent: AgentKey) -> bool {
        self.places.contains_key(&agent)
    }

    /// Free agents with their campaign and since when they wait, by agent.
    pub fn iter(&self) -> impl Iterator<Item = (AgentKey, Option<CampaignId>, Duration)> + '_ {
        self.places.iter().map(|(agent, (campaign, since))| (*agent, *campaign, *since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: CampaignId = CampaignId(1);
    const TWO: CampaignId = CampaignId(2);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_longest_idle_of_the_own_campaign_then_of_any() {
        let mut idle = Idle::default();
        idle.insert(AgentKey(1), Some(TWO), seconds(1));
        idle.insert(AgentKey(2), Some(ONE), seconds(5));
        idle.insert(AgentKey(3), Some(ONE), seconds(3));
        assert_eq!(idle.longest(ONE, |_| true), Some(AgentKey(3)));
        assert_eq!(idle.longest_of(TWO, |_| true), Some(AgentKey(1)));
        assert_eq!(idle.longest_of(TWO, |agent| agent != AgentKey(1)), None);
        assert_eq!(idle.longest(ONE, |agent| agent != AgentKey(3)), Some(AgentKey(2)));
        idle.remove(AgentKey(2));
        idle.remove(AgentKey(3));
        assert_eq!(idle.longest(ONE, |_| true), Some(AgentKey(1)));
        idle.insert(AgentKey(1), None, seconds(1));
        assert_eq!(idle.longest(ONE, |_| true), Some(AgentKey(1)));
        assert_eq!(idle.iter().count(), 1);
        assert!(idle.contains(AgentKey(1)));
        idle.remove(AgentKey(1));
        assert_eq!((idle.longest(ONE, |_| true), idle.contains(AgentKey(1))), (None, false));
    }
}
