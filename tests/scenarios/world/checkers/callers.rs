//! What holds for people who call: nobody is dialed while they talk with us, and each call has one ending.

use std::collections::BTreeMap;

use carillon_core::id::{AttemptId, ContactId};
use carillon_core::inbound::InboundOutcome;
use carillon_core::store::write::Write;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::wire::{Seen, What};

/// Invariant 3 for callers: no attempt is claimed for a contact who is on the line; and invariant 6: what became of a call is
/// said once.
#[derive(Default)]
pub struct NotWhileTheyTalk {
    talking: BTreeMap<AttemptId, ContactId>,
    endings: BTreeMap<AttemptId, InboundOutcome>,
}

impl Checker for NotWhileTheyTalk {
    fn name(&self) -> &'static str {
        "not_while_they_talk"
    }

    fn see(&mut self, seen: &Seen<'_>, _calls: &Calls) -> Told {
        let What::Durable { writes } = seen.what else { return Ok(()) };
        writes.iter().try_for_each(|write| self.wrote(write))
    }
}

impl NotWhileTheyTalk {
    fn wrote(&mut self, write: &Write) -> Told {
        match write {
            Write::Intent(intent) => {
                match self.talking.iter().find(|(_, contact)| **contact == intent.contact) {
                    Some((call, _)) => Err(format!("attempt {} while call {call} is up", intent.attempt)),
                    None => Ok(()),
                }
            }
            Write::Inbound(row) => {
                if let Some(outcome) = row.outcome {
                    self.talking.remove(&row.call);
                    let earlier = self.endings.insert(row.call, outcome);
                    return match earlier {
                        Some(earlier) if earlier != outcome => {
                            Err(format!("call {} ended as {earlier:?} and as {outcome:?}", row.call))
                        }
                        Some(_) | None => Ok(()),
                    };
                }
                if let (Some(contact), Some(_)) = (row.contact, row.bridged_at) {
                    self.talking.insert(row.call, contact);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
