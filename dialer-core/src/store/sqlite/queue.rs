//! The writer's queue: batches in the order in which they came, and when the first of them can wait no longer.
//!
//! A commit costs more than all that is in it, and so does waking a thread. So a batch says how soon after the last
//! commit it may cause one: on a quiet day nothing waits, and under load many share a commit. The writer sleeps until one
//! is due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Full, QUEUE_MAX};
use crate::id::Ticket;
use crate::store::write::Write;

/// What becomes durable together or not at all.
#[derive(Debug)]
pub(super) struct Batch {
    /// Named in the answer.
    pub ticket: Ticket,
    /// What to write.
    pub writes: Arc<[Write]>,
}

impl Batch {
    fn patience(&self) -> Duration {
        self.writes.iter().map(Write::patience).min().unwrap_or_default()
    }
}

/// Filled from any thread, emptied by the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// When the least patient must be written; `None` while there are no batches.
    due: Option<Instant>,
    /// When batches were last taken.
    taken: Option<Instant>,
    closed: bool,
}

impl Queue {
    /// Adds a batch; refused when the queue is full or closed. Never blocks for longer than a push takes.
    pub(super) fn push(&self, batch: Batch) -> Result<(), Full> {
        let (now, patience) = (Instant::now(), batch.patience());
        let sooner = {
            let mut waiting = self.lock();
            let due = waiting.taken.map_or(now, |taken| now.max(taken + patience));
            if waiting.closed || waiting.batches.len() >= QUEUE_MAX {
                return Err(Full);
            }
            waiting.batches.push_back(batch);
            let sooner = waiting.due.is_none_or(|known| due < known);
            if sooner {
                waiting.due = Some(due);
            }
            sooner
        };
        if sooner {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Takes no more batches; those that wait are due now.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    /// Waits until a batch is due and moves it and all others, at most `most`, into `group`, which stays empty when the
    /// queue is closed and has nothing left. Nothing is lost when the wait is given up.
    pub(super) async fn take(&self, group: &mut Vec<Batch>, most: usize) {
        loop {
            let due = {
                let mut waiting = self.lock();
                let now = Instant::now();
                let ready = waiting.closed || waiting.due.is_some_and(|due| due <= now);
                if ready || waiting.batches.len() >= most {
                    let count = waiting.batches.len().min(most);
                    group.extend(waiting.batches.drain(..count));
                    // What is left has waited behind them.
                    waiting.due = (!waiting.batches.is_empty()).then_some(now);
                    waiting.taken = Some(now);
                    return;
                }
                waiting.due
            };
            match due {
                // The bell may ring before the time is over, or not; either way the queue is looked at again.
                Some(due) => drop(tokio::time::timeout_at(due, self.bell.notified()).await),
                None => self.bell.notified().await,
            }
        }
    }

    /// A push can't leave the queue half changed, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AttemptId;
    use crate::store::write::{DIALOG_PATIENCE, NOTE_PATIENCE};
    use crate::time::Utc;

    fn note(ticket: u64) -> Batch {
        let writes = [Write::Placed { attempt: AttemptId(ticket), at: Utc(0) }];
        Batch { ticket: Ticket(ticket), writes: writes.into() }
    }

    fn leg(ticket: u64) -> Batch {
        let writes = [Write::AgentLeg { agent: "agent1".into(), leg: None }];
        Batch { ticket: Ticket(ticket), writes: writes.into() }
    }

    fn urgent(ticket: u64) -> Batch {
        let writes = [Write::Unbind { user: "agent1".into(), binding: "sip:a@192.0.2.1".into() }];
        Batch { ticket: Ticket(ticket), writes: writes.into() }
    }

    async fn taken(queue: &Queue, most: usize) -> Vec<u64> {
        let mut group = Vec::new();
        queue.take(&mut group, most).await;
        group.iter().map(|batch| batch.ticket.0).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_alone_goes_at_once() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.push(note(1)).unwrap();
        assert_eq!(taken(&queue, 9).await, [1]);
        tokio::time::sleep(NOTE_PATIENCE).await;
        queue.push(note(2)).unwrap();
        assert_eq!(taken(&queue, 9).await, [2]);
        assert!(start.elapsed() <= NOTE_PATIENCE + Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn soon_after_a_commit_the_least_patient_says_when_all_go() {
        let queue = Queue::default();
        queue.push(note(1)).unwrap();
        taken(&queue, 9).await;

        let start = Instant::now();
        queue.push(note(2)).unwrap();
        assert_eq!(taken(&queue, 9).await, [2]);
        assert!((NOTE_PATIENCE..NOTE_PATIENCE * 2).contains(&start.elapsed()), "{:?}", start.elapsed());

        let start = Instant::now();
        queue.push(note(3)).unwrap();
        queue.push(leg(4)).unwrap();
        assert_eq!(taken(&queue, 9).await, [3, 4]);
        assert!((DIALOG_PATIENCE..NOTE_PATIENCE).contains(&start.elapsed()), "{:?}", start.elapsed());

        let start = Instant::now();
        queue.push(leg(5)).unwrap();
        queue.push(urgent(6)).unwrap();
        assert_eq!(taken(&queue, 9).await, [5, 6]);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_later_and_is_less_patient_cuts_the_wait() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.push(note(0)).unwrap();
        taken(&queue, 9).await;
        let start = Instant::now();
        queue.push(note(1)).unwrap();
        let late = queue.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            late.push(urgent(2)).unwrap();
        });
        assert_eq!(taken(&queue, 9).await, [1, 2]);
        assert!(start.elapsed() < DIALOG_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_group_does_not_wait_and_leaves_the_rest_due() {
        let queue = Queue::default();
        let start = Instant::now();
        for ticket in 1..=5 {
            queue.push(note(ticket)).unwrap();
        }
        assert_eq!(taken(&queue, 3).await, [1, 2, 3]);
        assert_eq!(taken(&queue, 3).await, [4, 5]);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_hands_over_what_waits_and_refuses_more() {
        let queue = Queue::default();
        queue.push(note(1)).unwrap();
        queue.close();
        assert_eq!(queue.push(note(2)), Err(Full));
        assert_eq!(taken(&queue, 9).await, [1]);
        assert!(taken(&queue, 9).await.is_empty());
    }
}
