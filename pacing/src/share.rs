//! Agents whom several campaigns share: for whom each of them counts.
//!
//! An agent counts for one campaign at a time, so that no two pacers reckon with the same person. Shares follow weight and need:
//! of the campaigns that can use an agent, the one gets them that has the fewest for its weight. A campaign that has nobody to
//! call, or whose abandonment budget is exhausted, leaves its share to the others.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// How much a campaign needs agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Need {
    /// Contacts wait that this agent alone may call.
    Own,
    /// Contacts wait.
    Contacts,
    /// Contacts wait, and the abandonment budget is exhausted: one line per free agent is all it may have.
    Exhausted,
    /// Nobody is to be called now.
    Nothing,
}

/// What a campaign lays claim to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its share set against the others'; zero counts as one.
    pub weight: u32,
    /// How much it needs an agent.
    pub need: Need,
    /// Agents that count for it and take calls, the one in question left out.
    pub agents: u32,
}

impl Claim {
    /// Its need, as it stands among others. One agent is left to a campaign whose budget is exhausted, for answers that are not
    /// abandoned are what it recovers by.
    fn rank(&self) -> Need {
        match (self.need, self.agents) {
            (Need::Exhausted, 0) => Need::Contacts,
            (need, _) => need,
        }
    }

    /// Which of two has the better claim to one more agent: `Less` is the better one.
    fn order(&self, other: &Self) -> Ordering {
        let with_one_more = |claim: &Self| u64::from(claim.agents).saturating_add(1);
        let weight = |claim: &Self| u64::from(claim.weight.max(1));
        // Agents per weight, the one in question included: fewer is better.
        let (one, two) = (
            with_one_more(self).saturating_mul(weight(other)),
            with_one_more(other).saturating_mul(weight(self)),
        );
        self.rank().cmp(&other.rank()).then(one.cmp(&two))
    }
}

/// The best claim to an agent, the first of equals; `None` where there is no claim.
pub fn best(claims: &[Claim]) -> Option<usize> {
    let (index, _) = claims.iter().enumerate().min_by(|(_, one), (_, two)| one.order(two))?;
    Some(index)
}

/// Whether a free agent who counts for `from` had better count for `to`: equals keep whom they have.
pub fn is_better(to: &Claim, from: &Claim) -> bool {
    to.order(from) == Ordering::Less
}

/// Shares agents out from nothing: for each agent, given by the campaigns (indexes into `claims`) whose calls they take, the
/// campaign for which they count. Those with the fewest campaigns come first; an agent without one counts for none.
pub fn shares(claims: &[Claim], agents: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut standing = claims.to_vec();
    let mut order: Vec<usize> = (0..agents.len()).collect();
    order.sort_by_key(|agent| agents.get(*agent).map_or(0, Vec::len));
    let mut shared = vec![None; agents.len()];
    for agent in order {
        let open: Vec<usize> = agents
            .get(agent)
            .into_iter()
            .flatten()
            .copied()
            .filter(|campaign| *campaign < standing.len())
            .collect();
        let candidates: Vec<Claim> =
            open.iter().filter_map(|campaign| standing.get(*campaign)).copied().collect();
        let Some(campaign) = best(&candidates).and_then(|index| open.get(index)).copied() else { continue };
        if let Some(claim) = standing.get_mut(campaign) {
            claim.agents = claim.agents.saturating_add(1);
        }
        if let Some(share) = shared.get_mut(agent) {
            *share = Some(campaign);
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(weight: u32, need: Need) -> Claim {
        Claim { weight, need, agents: 0 }
    }

    fn counts(claims: &[Claim], agents: usize) -> Vec<usize> {
        let all: Vec<usize> = (0..claims.len()).collect();
        let shared = shares(claims, &vec![all; agents]);
        (0..claims.len()).map(|index| shared.iter().filter(|share| **share == Some(index)).count()).collect()
    }

    #[test]
    fn by_weight_among_those_in_need() {
        let (busy, done, spent) = (Need::Contacts, Need::Nothing, Need::Exhausted);
        assert_eq!(counts(&[claim(1, busy), claim(1, busy)], 6), [3, 3]);
        assert_eq!(counts(&[claim(3, busy), claim(1, busy)], 8), [6, 2]);
        assert_eq!(counts(&[claim(3, done), claim(1, busy)], 8), [0, 8], "nobody to call");
        assert_eq!(counts(&[claim(3, spent), claim(1, busy)], 8), [1, 7], "one to recover by");
        assert_eq!(counts(&[claim(3, spent), claim(1, done)], 8), [8, 0], "nobody else needs them");
        assert_eq!(counts(&[claim(0, busy), claim(1, busy)], 2), [1, 1]);
        assert_eq!(counts(&[], 3), [0; 0]);
    }

    #[test]
    fn who_takes_the_calls_of_few_is_shared_out_first() {
        let claims = [claim(1, Need::Contacts), claim(1, Need::Contacts)];
        let shared = shares(&claims, &[vec![0, 1], vec![0], vec![], vec![7]]);
        assert_eq!(shared, [Some(1), Some(0), None, None]);
    }

    #[test]
    fn contacts_of_ones_own_come_first_and_equals_keep_whom_they_have() {
        let have = |agents| Claim { weight: 1, need: Need::Contacts, agents };
        assert_eq!(best(&[have(0), Claim { need: Need::Own, ..have(9) }]), Some(1));
        assert!(!is_better(&have(3), &have(3)), "no agent goes to and fro");
        assert!(is_better(&have(2), &have(3)));
    }

    fn any_claim() -> impl Strategy<Value = Claim> {
        let need = prop_oneof![Just(Need::Contacts), Just(Need::Exhausted), Just(Need::Nothing)];
        (1u32..=100, need).prop_map(|(weight, need)| claim(weight, need))
    }

    proptest! {
        /// Each agent counts once and for a campaign of theirs; whoever needs agents gets them before those who don't.
        #[test]
        fn every_agent_counts_once_and_where_they_are_needed(
            claims in proptest::collection::vec(any_claim(), 1..6),
            agents in proptest::collection::vec(proptest::collection::btree_set(0usize..7, 0..5), 0..40),
        ) {
            let agents: Vec<Vec<usize>> = agents.into_iter().map(|of| of.into_iter().collect()).collect();
            let shared = shares(&claims, &agents);
            prop_assert_eq!(shared.len(), agents.len());
            for (share, of) in shared.iter().zip(&agents) {
                let known = of.iter().any(|campaign| *campaign < claims.len());
                prop_assert_eq!(share.is_some(), known);
                let Some(campaign) = share else { continue };
                prop_assert!(of.contains(campaign));
                let others_need = of.iter().filter_map(|other| claims.get(*other)).any(|it| it.need == Need::Contacts);
                prop_assert!(claims[*campaign].need != Need::Nothing || !others_need);
            }
        }

        /// Among campaigns in need that share all agents, nobody has an agent less than the whole part of their share.
        #[test]
        fn shares_follow_weight(weights in proptest::collection::vec(1u32..=100, 1..8), agents in 0usize..200) {
            let claims: Vec<Claim> = weights.iter().map(|weight| claim(*weight, Need::Contacts)).collect();
            let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            let counts = counts(&claims, agents);
            prop_assert_eq!(counts.iter().sum::<usize>(), agents);
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(*count as u64 >= agents as u64 * u64::from(*weight) / all);
            }
        }

        /// Once shared out, no agent had better count for another campaign.
        #[test]
        fn what_is_shared_out_is_at_rest(
            claims in proptest::collection::vec(any_claim(), 1..6), agents in 0usize..60,
        ) {
            let counts = counts(&claims, agents);
            let have = |index: usize, less: u32| Claim { agents: counts[index] as u32 - less, ..claims[index] };
            for from in (0..claims.len()).filter(|from| counts[*from] > 0) {
                for to in (0..claims.len()).filter(|to| *to != from) {
                    prop_assert!(!is_better(&have(to, 0), &have(from, 1)), "{from} to {to}");
                }
            }
        }
    }
}
