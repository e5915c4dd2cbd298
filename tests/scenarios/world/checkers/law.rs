//! Who may be called, when and how often: invariants 1, 2, 4 and 10.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_core::id::TaskId;
use carillon_core::store::write::Write;
use carillon_core::task::TaskState;
use carillon_core::time::Utc;

use super::calls::{Calls, News};
use super::{Checker, Told};
use crate::world::plan::{OPEN_MINUTES, Plan, ZONES};
use crate::world::wire::{Seen, What};

/// A suppression counts from this long after it became durable.
const SUPPRESSION_GRACE: Duration = Duration::from_secs(1);
/// Nobody is given up earlier than after this much ringing.
const RING_MIN: Duration = Duration::from_secs(15);

/// Invariant 1: nobody is called who was suppressed a second ago.
#[derive(Default)]
pub struct Suppression(BTreeMap<String, Duration>);

impl Checker for Suppression {
    fn name(&self) -> &'static str {
        "suppression"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if let What::Suppressed { numbers } = seen.what {
            for number in numbers {
                self.0.entry(number.clone()).or_insert(seen.at);
            }
        }
        match calls.invited().and_then(|call| Some((call, self.0.get(&call.called)?))) {
            Some((call, since)) if seen.at > *since + SUPPRESSION_GRACE => {
                Err(format!("{} is called, suppressed since {since:?}", call.called))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Invariant 2: everybody is called within the window of their own clock.
pub struct WindowOpen {
    begin: Utc,
    offsets: BTreeMap<String, i64>,
}

impl WindowOpen {
    pub fn new(plan: &Plan) -> Self {
        let default = plan.spec.timezone.clone();
        let offset = |zone: &str| ZONES.iter().find(|(name, _)| *name == zone).map(|(_, offset)| *offset);
        let offsets = plan.contacts.iter().filter_map(|contact| {
            let zone = contact.timezone.as_ref().or(default.as_ref())?;
            Some((contact.number.clone(), offset(zone)?))
        });
        Self { begin: plan.begin, offsets: offsets.collect() }
    }
}

impl Checker for WindowOpen {
    fn name(&self) -> &'static str {
        "window"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        let Some(call) = calls.invited() else { return Ok(()) };
        let Some(offset) = self.offsets.get(&call.called) else {
            return Err(format!("{} is called and has no zone", call.called));
        };
        let minutes = self.begin.after(seen.at).0.div_euclid(60_000) + offset;
        let minute = minutes.rem_euclid(24 * 60);
        if (OPEN_MINUTES.0..OPEN_MINUTES.1).contains(&minute) {
            Ok(())
        } else {
            Err(format!("{} is called at {:02}:{:02} of its day", call.called, minute / 60, minute % 60))
        }
    }
}

/// Invariant 4: no more attempts than the rules allow, none after the task was closed, none before it is due again.
pub struct Closure {
    attempts_max: usize,
    begin: Utc,
    closed: BTreeSet<TaskId>,
    next: BTreeMap<TaskId, Utc>,
}

impl Closure {
    pub fn new(plan: &Plan) -> Self {
        Self {
            attempts_max: plan.spec.closure.attempts_max as usize,
            begin: plan.begin,
            closed: BTreeSet::new(),
            next: BTreeMap::new(),
        }
    }
}

impl Checker for Closure {
    fn name(&self) -> &'static str {
        "closure"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if let What::Durable { writes } = seen.what {
            for write in writes {
                if let Write::Task { task, state, next_at, .. } = write {
                    match state {
                        TaskState::Closed(_) => {
                            self.closed.insert(*task);
                        }
                        TaskState::Open => {
                            self.next.insert(*task, next_at.unwrap_or_default());
                        }
                    }
                }
            }
        }
        let Some(call) = calls.invited() else { return Ok(()) };
        let out =
            calls.by_number.get(&call.called).into_iter().flatten().filter_map(|id| calls.trunk.get(id));
        // One that went on to another trunk is counted there.
        let attempts = out.filter(|call| call.left_at.is_none()).count();
        if attempts > self.attempts_max {
            return Err(format!("attempt {attempts} of {}, {} are allowed", call.called, self.attempts_max));
        }
        let Some((task, _)) = calls.tasks.get(&call.called) else { return Ok(()) };
        if self.closed.contains(task) {
            return Err(format!("{} is called, its task {task} is closed", call.called));
        }
        match self.next.get(task) {
            Some(next) if self.begin.after(seen.at) < *next => {
                Err(format!("{} is called before {next:?}, when its task is due again", call.called))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Invariant 10: no call is given up before it rang long enough. What an earlier process left is another matter.
#[derive(Default)]
pub struct RingLongEnough;

impl Checker for RingLongEnough {
    fn name(&self) -> &'static str {
        "ring_long_enough"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        let Some(News::Cancelled(call_id)) = &calls.news else { return Ok(()) };
        let Some(call) =
            calls.trunk.get(call_id).filter(|call| call.life == calls.life && call.left_at.is_none())
        else {
            return Ok(());
        };
        let rang = seen.at - call.ringing_at.unwrap_or(call.invited_at);
        if rang < RING_MIN { Err(format!("{} is given up after {rang:?}", call.called)) } else { Ok(()) }
    }
}
