//! The simulated disk: the reference store behind one writer with group commit, as the real one is; commits take time,
//! and what is not committed when the process dies is gone.

use std::time::Duration;

use carillon_core::id::Ticket;
use carillon_core::store::memory::Memory;
use carillon_core::store::write::{Refusal, Write};

use super::dice::Dice;
use super::plan::FAULTS_END;

/// One batch as the node handed it over.
pub type Batch = (Ticket, Vec<Write>);

/// What became of one batch.
#[derive(Debug)]
pub struct Outcome {
    /// The batch.
    pub ticket: Ticket,
    /// What it wrote.
    pub writes: Vec<Write>,
    /// Durable or refused.
    pub result: Result<(), Refusal>,
}

/// The disk.
#[derive(Debug)]
pub struct Disk {
    /// What is durable.
    pub durable: Memory,
    dice: Dice,
    /// Share of commits that stall.
    stalls: f64,
    queue: Vec<Batch>,
    committing: Option<(Duration, Vec<Batch>)>,
    /// The disk before its latest commit that held an outcome; only where commits may be lost.
    before: Option<Memory>,
    /// Whether what was called durable may be lost.
    pub lossy: bool,
}

impl Disk {
    /// An empty disk, of whose commits the share `stalls` takes up to three seconds, until [`FAULTS_END`].
    pub fn new(seed: u64, stalls: f64) -> Self {
        Self {
            durable: Memory::new(),
            dice: Dice::new(seed, "disk"),
            stalls,
            queue: Vec::new(),
            committing: None,
            before: None,
            lossy: false,
        }
    }

    /// Takes a batch; it is durable when the commit that holds it has ended.
    pub fn submit(&mut self, ticket: Ticket, writes: Vec<Write>, now: Duration) {
        self.queue.push((ticket, writes));
        self.begin(now);
    }

    /// When the running commit ends.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.committing.as_ref().map(|(end, _)| *end)
    }

    /// Ends the running commit, if it is due, and begins the next. One outcome a batch, in order.
    pub fn finish(&mut self, now: Duration) -> Vec<Outcome> {
        let Some((_, batches)) = self.committing.take_if(|(end, _)| *end <= now) else { return Vec::new() };
        let outcomes = self.apply(batches);
        self.begin(now);
        outcomes
    }

    /// The process dies. What waited is gone; a running commit may have reached the platter though nobody was told.
    pub fn crash(&mut self) -> Vec<Outcome> {
        self.queue.clear();
        if let Some(before) = self.before.take() {
            self.durable = before;
            self.committing = None;
        }
        let Some((_, batches)) = self.committing.take() else { return Vec::new() };
        if self.dice.chance(0.5) { self.apply(batches) } else { Vec::new() }
    }

    fn apply(&mut self, batches: Vec<Batch>) -> Vec<Outcome> {
        let outcome = |write: &Write| matches!(write, Write::Ended(_));
        if self.lossy && batches.iter().any(|(_, writes)| writes.iter().any(outcome)) {
            self.before = Some(self.durable.clone());
        }
        let apply = |(ticket, writes): Batch| {
            let result = self.durable.apply(&writes);
            Outcome { ticket, writes, result }
        };
        batches.into_iter().map(apply).collect()
    }

    fn begin(&mut self, now: Duration) {
        if self.committing.is_none() && !self.queue.is_empty() {
            let stalled = self.dice.chance(self.stalls) && now < FAULTS_END;
            let (usual, stall) = (self.dice.between(1, 8), self.dice.between(0, 3_000));
            let end = now + if stalled { stall } else { usual };
            self.committing = Some((end, std::mem::take(&mut self.queue)));
        }
    }
}
