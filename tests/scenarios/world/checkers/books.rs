//! What must be written down, and only once: invariants 3, 5, 6 and 7.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_core::attempt::outcome::Outcome;
use carillon_core::id::{AttemptId, ContactId};
use carillon_core::store::memory::Memory;
use carillon_core::store::write::Write;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::wire::{Seen, What};

/// Invariant 3: a person has one open attempt at most, and so has a number; on the disk and on the wire.
#[derive(Default)]
pub struct Single {
    contacts: BTreeMap<ContactId, AttemptId>,
    numbers: BTreeMap<String, AttemptId>,
}

impl Checker for Single {
    fn name(&self) -> &'static str {
        "single"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if let What::Durable { writes } = seen.what {
            for write in writes {
                self.wrote(write)?;
            }
        }
        let Some(call) = calls.invited() else { return Ok(()) };
        let others = calls.by_number.get(&call.called).into_iter().flatten();
        for other in others.filter_map(|id| calls.trunk.get(id)).filter(|other| other.call_id != call.call_id)
        {
            // What an earlier process left is being ended once it was told so.
            let told = other.cancelled_at.is_some() && other.life < calls.life;
            if !told && !other.over(seen.at) {
                return Err(format!("{} is called while call {} is still up", call.called, other.call_id));
            }
        }
        Ok(())
    }
}

impl Single {
    fn wrote(&mut self, write: &Write) -> Told {
        match write {
            Write::Intent(intent) => {
                let earlier = self.contacts.insert(intent.contact, intent.attempt);
                let also = self.numbers.insert(intent.number.clone(), intent.attempt);
                if earlier.is_some() || also.is_some() {
                    return Err(format!("attempt {} is claimed while another is open", intent.attempt));
                }
            }
            Write::Ended(ended) => {
                self.contacts.retain(|_, attempt| *attempt != ended.attempt);
                self.numbers.retain(|_, attempt| *attempt != ended.attempt);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Invariant 5: whatever is called was written down before, with the very identifiers that are on the wire.
#[derive(Default)]
pub struct IntentFirst;

impl Checker for IntentFirst {
    fn name(&self) -> &'static str {
        "intent_first"
    }

    fn see(&mut self, _seen: &Seen<'_>, calls: &Calls) -> Told {
        let Some(call) = calls.invited() else { return Ok(()) };
        let attempt = calls.by_call.get(&call.call_id).and_then(|id| calls.attempts.get(id));
        let Some(attempt) = attempt else {
            return Err(format!("call {} to {} has no durable attempt", call.call_id, call.called));
        };
        let (intent, route) = (&attempt.intent, &attempt.intent.route);
        let same = intent.number == call.called
            && call.branches.first() == Some(&route.branch)
            && route.from_tag == call.from_tag;
        if same {
            Ok(())
        } else {
            Err(format!("call {} is not what attempt {} says", call.call_id, intent.attempt))
        }
    }
}

/// Invariant 6: every attempt has one outcome, written once.
#[derive(Default)]
pub struct OneEnding(BTreeMap<AttemptId, Outcome>);

impl Checker for OneEnding {
    fn name(&self) -> &'static str {
        "one_ending"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        let What::Durable { writes } = seen.what else { return Ok(()) };
        for write in writes {
            if let Write::Ended(ended) = write {
                if !calls.attempts.contains_key(&ended.attempt) {
                    return Err(format!("attempt {} ended and never began", ended.attempt));
                }
                if let Some(first) = self.0.insert(ended.attempt, ended.outcome) {
                    return Err(format!(
                        "attempt {} ended twice: {first:?}, {:?}",
                        ended.attempt, ended.outcome
                    ));
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, _at: Duration, _calls: &Calls, disk: &Memory, over: bool) -> Told {
        for row in disk.attempts() {
            if row.outcome != self.0.get(&row.attempt).copied() {
                return Err(format!("attempt {} has outcome {:?} on the disk", row.attempt, row.outcome));
            }
            if over && row.outcome.is_none() {
                return Err(format!("attempt {} has no outcome after the end", row.attempt));
            }
        }
        Ok(())
    }
}

/// Invariant 7: what was launched is what ended and what is in flight; and the wire agrees with the books.
#[derive(Default)]
pub struct Conservation {
    commits: u64,
}

/// The whole disk is counted after this many commits.
const COUNT_EVERY: u64 = 64;

impl Checker for Conservation {
    fn name(&self) -> &'static str {
        "conservation"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if matches!(seen.what, What::Durable { .. }) {
            self.commits += 1;
            if self.commits.is_multiple_of(COUNT_EVERY) {
                return count(calls, seen.disk);
            }
        }
        Ok(())
    }

    fn end(&mut self, _at: Duration, calls: &Calls, disk: &Memory, _over: bool) -> Told {
        count(calls, disk)?;
        let placed: BTreeSet<AttemptId> =
            disk.attempts().filter(|row| row.placed_at.is_some()).map(|row| row.attempt).collect();
        let launched: BTreeSet<AttemptId> =
            calls.trunk.keys().filter_map(|call_id| calls.by_call.get(call_id)).copied().collect();
        // Where the process died between intent and INVITE, nobody knows that the INVITE never left.
        let doubtful = disk.attempts().filter(|row| row.outcome == Some(Outcome::Interrupted));
        let doubtful: BTreeSet<AttemptId> = doubtful.map(|row| row.attempt).collect();
        if let Some(attempt) = placed.difference(&launched).find(|attempt| !doubtful.contains(attempt)) {
            return Err(format!("attempt {attempt} was placed by the books and never on the wire"));
        }
        match launched.difference(&placed).next() {
            Some(attempt) => Err(format!("attempt {attempt} was on the wire and not placed by the books")),
            None => Ok(()),
        }
    }
}

fn count(calls: &Calls, disk: &Memory) -> Told {
    let (mut ended, mut open) = (0, 0);
    for row in disk.attempts() {
        match row.outcome {
            Some(_) => ended += 1,
            None => open += 1,
        }
    }
    let told = calls.attempts.values().filter(|attempt| attempt.ended.is_some()).count();
    let launched = calls.attempts.len();
    if launched == ended + open && told == ended {
        Ok(())
    } else {
        Err(format!("{launched} launched, {ended} ended and {open} open on the disk, {told} endings written"))
    }
}
