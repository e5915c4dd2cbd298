//! What leaves the dialer: outputs in order, and batches of writes until they are durable.
//!
//! A batch that the store could not write is kept and sent again; while one is kept, later ones queue behind it, so that
//! the store sees them in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::id::{AttemptId, CampaignId, RequestId, TaskId, Ticket};
use crate::output::Output;
use crate::store::write::{Refusal, Write};
use crate::task::TaskState;

/// Time between two tries of a batch.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// Most batches kept. Beyond it notes of progress are dropped; endings and dispositions never are, and their number
/// is bounded by the calls that were up when the store went away.
const BATCHES_MAX: usize = 100_000;

/// What a batch is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The intent of an attempt: refused rather than kept.
    Intent(AttemptId),
    /// The terminal outcome of an attempt.
    Ending(AttemptId),
    /// Progress of a call, bindings, legs, agents' time.
    Note,
    /// A task closed or postponed without an attempt; a campaign's state; an ending found at start.
    Rule,
    /// A new campaign: refused rather than kept.
    Create { request: RequestId, campaign: CampaignId },
    /// An agent's word.
    Disposed { request: Option<RequestId> },
    /// The last batch of a campaign.
    Final(CampaignId),
}

#[derive(Clone, Debug)]
struct Batch {
    purpose: Purpose,
    campaign: Option<CampaignId>,
    writes: Arc<[Write]>,
}

/// A batch that is durable or refused for good.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub purpose: Purpose,
    pub campaign: Option<CampaignId>,
    pub result: Result<(), Refusal>,
}

/// The outbox.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    outputs: VecDeque<Output>,
    batches: BTreeMap<Ticket, Batch>,
    /// Batches that wait for the store to come back.
    kept: BTreeMap<Ticket, ()>,
    /// The one of them that was sent again and is not answered yet: a slow store is not given it twice.
    asked: Option<Ticket>,
    pending: BTreeMap<CampaignId, u64>,
    last_ticket: u64,
    dropped: u64,
}

impl Outbox {
    pub fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Hands a batch to the store, or keeps it behind those that wait.
    pub fn record(&mut self, purpose: Purpose, campaign: Option<CampaignId>, writes: Vec<Write>) {
        if writes.is_empty() {
            return;
        }
        if purpose == Purpose::Note && self.batches.len() >= BATCHES_MAX {
            self.dropped = self.dropped.saturating_add(1);
            if self.dropped.is_power_of_two() {
                tracing::error!(
                    dropped = self.dropped,
                    "too many unwritten batches: notes of progress are lost"
                );
            }
            return;
        }
        let writes: Arc<[Write]> = writes.into();
        self.last_ticket = self.last_ticket.saturating_add(1);
        let ticket = Ticket(self.last_ticket);
        if let Some(campaign) = campaign {
            let pending = self.pending.entry(campaign).or_default();
            *pending = pending.saturating_add(1);
        }
        if self.is_healthy() {
            self.push(Output::Record { ticket, writes: writes.clone() });
        } else {
            self.kept.insert(ticket, ());
        }
        self.batches.insert(ticket, Batch { purpose, campaign, writes });
    }

    /// The store's word on a batch; what it was for, unless it is kept to be sent again.
    pub fn stored(&mut self, ticket: Ticket, result: Result<(), Refusal>) -> Option<Settled> {
        self.asked = self.asked.filter(|asked| *asked != ticket);
        let batch = self.batches.get(&ticket)?;
        let keep = match &result {
            Ok(()) => false,
            Err(Refusal::Unavailable(_)) => match &batch.purpose {
                Purpose::Intent(_) | Purpose::Create { .. } => false,
                Purpose::Ending(_)
                | Purpose::Note
                | Purpose::Rule
                | Purpose::Disposed { .. }
                | Purpose::Final(_) => true,
            },
            Err(Refusal::Suppressed | Refusal::Open | Refusal::Task | Refusal::Ended) => false,
        };
        if keep {
            if self.kept.is_empty() {
                tracing::warn!("the store is not available: no call is placed until it is back");
            }
            self.kept.insert(ticket, ());
            return None;
        }
        self.kept.remove(&ticket);
        let batch = self.batches.remove(&ticket)?;
        if let Some(campaign) = batch.campaign
            && let Some(pending) = self.pending.get_mut(&campaign)
        {
            *pending = pending.saturating_sub(1);
            if *pending == 0 {
                self.pending.remove(&campaign);
            }
        }
        Some(Settled { purpose: batch.purpose, campaign: batch.campaign, result })
    }

    /// Whether this task is closed by a batch that the store does not have yet.
    pub fn closes(&self, task: TaskId) -> bool {
        let of_task = |write: &Write| match write {
            Write::Task { task: written, state: TaskState::Closed(_), .. } => *written == task,
            _ => false,
        };
        self.batches.values().any(|batch| batch.writes.iter().any(of_task))
    }

    /// Whether nothing waits for the store to come back.
    pub fn is_healthy(&self) -> bool {
        self.kept.is_empty()
    }

    /// Batches of a campaign that are not durable yet.
    pub fn pending(&self, campaign: CampaignId) -> u64 {
        self.pending.get(&campaign).copied().unwrap_or(0)
    }

    /// Sends the first kept batch again, to see whether the store is back; not while it has yet to answer that.
    pub fn retry_first(&mut self) {
        let first = self.kept.first_key_value().map(|(ticket, ())| *ticket);
        if let Some(ticket) = first.filter(|_| self.asked.is_none()) {
            self.asked = Some(ticket);
            self.send(ticket);
        }
    }

    /// Sends everything that was kept, in order: the store is back.
    pub fn release(&mut self) {
        for ticket in std::mem::take(&mut self.kept).into_keys() {
            self.send(ticket);
        }
    }

    fn send(&mut self, ticket: Ticket) {
        if let Some(batch) = self.batches.get(&ticket) {
            self.outputs.push_back(Output::Record { ticket, writes: batch.writes.clone() });
        }
    }
}
