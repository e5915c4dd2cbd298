//! Whose contact it is: one with an owner talks to that agent and to nobody else.

use std::collections::BTreeMap;

use carillon_core::store::write::Write;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::plan::Plan;
use crate::world::wire::{Seen, What};

/// On the wire and by the books.
pub struct Owners {
    /// Owners by number.
    owners: BTreeMap<String, String>,
}

impl Owners {
    pub fn new(plan: &Plan) -> Self {
        let owned = |contact: &carillon_core::contact::ListedContact| {
            Some((contact.number.clone(), contact.owner.clone()?))
        };
        Self { owners: plan.contacts.iter().filter_map(owned).collect() }
    }

    fn may_take(&self, number: &str, agent: &str) -> Told {
        match self.owners.get(number) {
            Some(owner) if owner != agent => Err(format!("{number} of {owner} was joined with {agent}")),
            Some(_) | None => Ok(()),
        }
    }
}

impl Checker for Owners {
    fn name(&self) -> &'static str {
        "owners"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        match seen.what {
            What::Audio { local, .. } => {
                let heard = calls.trunk.values().filter(|call| call.rtp == Some(local));
                heard.filter_map(|call| Some((call, call.agent.as_ref()?))).try_for_each(|(call, agent)| {
                    let number = calls.by_call.get(&call.call_id).and_then(|id| calls.attempts.get(id));
                    number.map_or(Ok(()), |attempt| self.may_take(&attempt.intent.number, agent))
                })
            }
            What::Durable { writes } => writes.iter().try_for_each(|write| match write {
                Write::Bridged { attempt, agent, .. } => {
                    let attempt = calls.attempts.get(attempt);
                    attempt.map_or(Ok(()), |attempt| self.may_take(&attempt.intent.number, agent))
                }
                _ => Ok(()),
            }),
            _ => Ok(()),
        }
    }
}
