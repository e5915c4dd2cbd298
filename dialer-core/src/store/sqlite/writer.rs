//! The one writer: drains its queue into one commit, then tells each batch what became of it.
//!
//! It lives on a thread of its own, so that handing statements to SQLite's thread and back wakes nobody else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::{OnStored, StoreError, group, import, schema};
use crate::contact::ListedContact;
use crate::id::{CampaignId, Ticket};
use crate::store::read::Imported;
use crate::store::write::{Refusal, Write};

/// Most batches in one commit, so that none waits long for its neighbours.
const GROUP_MAX: usize = 256;

/// How long batches that nobody waits for may wait for one that somebody does, to share its commit. Half of a call's
/// batches are such; a commit of their own would cost more than all else about them.
const COMPANY_WAIT: Duration = Duration::from_millis(20);

/// A batch in the queue.
#[derive(Debug)]
pub(super) struct Batch {
    /// Named in the answer.
    pub ticket: Ticket,
    /// What to write.
    pub writes: Vec<Write>,
}

impl Batch {
    fn is_awaited(&self) -> bool {
        self.writes.iter().any(Write::is_awaited)
    }
}

/// Bulk work, done between two groups of batches in a transaction of its own. Each is small enough not to keep
/// calls waiting.
#[derive(Debug)]
pub(super) enum Chore {
    /// Begin an import; answers with its number.
    BeginImport { campaign: CampaignId, reply: oneshot::Sender<Result<i64, StoreError>> },
    /// Rows of an import.
    Import {
        campaign: CampaignId,
        import: i64,
        rows: Vec<ListedContact>,
        reply: oneshot::Sender<Result<Imported, StoreError>>,
    },
    /// Suppressed numbers; answers how many were new.
    Suppress { numbers: Vec<String>, reply: oneshot::Sender<Result<u64, StoreError>> },
}

/// The writer task.
pub(super) struct Writer {
    path: PathBuf,
    /// `None` after a failure: it is opened anew for the next group.
    connection: Option<SqliteConnection>,
    on_stored: OnStored,
}

impl Writer {
    pub(super) fn new(path: PathBuf, connection: SqliteConnection, on_stored: OnStored) -> Self {
        Self { path, connection: Some(connection), on_stored }
    }

    /// Runs until it is told to stop or every sender is gone, and then until both queues are empty.
    pub(super) async fn run(
        mut self,
        mut batches: mpsc::Receiver<Batch>,
        mut chores: mpsc::Receiver<Chore>,
        stop: Arc<Notify>,
    ) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut stopping = false;
        loop {
            // Calls first: a chore begins only when no batch waits, and is one short transaction.
            tokio::select! {
                biased;
                received = batches.recv_many(&mut group, GROUP_MAX) => {
                    if received == 0 {
                        break;
                    }
                    wait_for_company(&mut batches, &mut group).await;
                    self.commit(&mut group).await;
                    // Under steady load the queue is never empty; chores still get their turn.
                    if let Ok(chore) = chores.try_recv() {
                        self.chore(chore).await;
                    }
                }
                () = stop.notified(), if !stopping => {
                    stopping = true;
                    batches.close();
                    chores.close();
                }
                Some(chore) = chores.recv() => self.chore(chore).await,
            }
        }
        while let Some(chore) = chores.recv().await {
            self.chore(chore).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database could not be closed in order");
        }
    }

    async fn commit(&mut self, group: &mut Vec<Batch>) {
        let committed = match self.connection().await {
            Ok(connection) => group::commit(connection, group).await,
            Err(error) => Err(error),
        };
        match committed {
            Ok(results) => {
                for (batch, result) in group.drain(..).zip(results) {
                    (self.on_stored)(batch.ticket, result);
                }
            }
            Err(error) => {
                tracing::warn!(%error, batches = group.len(), "the database could not write");
                self.connection = None;
                let refusal = Refusal::Unavailable(error.to_string());
                for batch in group.drain(..) {
                    (self.on_stored)(batch.ticket, Err(refusal.clone()));
                }
            }
        }
    }

    async fn chore(&mut self, chore: Chore) {
        // Whoever asked may have gone away meanwhile; the work is done all the same.
        match chore {
            Chore::BeginImport { campaign, reply } => {
                let _ = reply.send(self.begin_import(campaign).await);
            }
            Chore::Import { campaign, import, rows, reply } => {
                let _ = reply.send(self.import(campaign, import, rows).await);
            }
            Chore::Suppress { numbers, reply } => {
                let _ = reply.send(self.suppress(&numbers).await);
            }
        }
    }

    async fn begin_import(&mut self, campaign: CampaignId) -> Result<i64, StoreError> {
        import::begin(self.connection().await?, campaign).await
    }

    async fn import(
        &mut self,
        campaign: CampaignId,
        import: i64,
        rows: Vec<ListedContact>,
    ) -> Result<Imported, StoreError> {
        let mut transaction = self.connection().await?.begin_with("BEGIN IMMEDIATE").await?;
        let imported = import::chunk(&mut transaction, campaign, import, rows).await?;
        transaction.commit().await?;
        Ok(imported)
    }

    async fn suppress(&mut self, numbers: &[String]) -> Result<u64, StoreError> {
        import::suppress(self.connection().await?, numbers).await
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::open_writer(&self.path).await?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// Collects more batches while the group has none that somebody waits for; at most [`COMPANY_WAIT`].
async fn wait_for_company(batches: &mut mpsc::Receiver<Batch>, group: &mut Vec<Batch>) {
    let deadline = Instant::now() + COMPANY_WAIT;
    let mut checked = 0;
    while group.len() < GROUP_MAX && !group.iter().skip(checked).any(Batch::is_awaited) {
        checked = group.len();
        let room = GROUP_MAX - group.len();
        match tokio::time::timeout_at(deadline, batches.recv_many(group, room)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
