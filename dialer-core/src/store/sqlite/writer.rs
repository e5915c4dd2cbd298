//! The one writer: drains its queue into one commit, then tells each batch what became of it.
//!
//! It lives on a thread of its own, so that handing statements to SQLite's thread and back wakes nobody else.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::queue::{Batch, Queue};
use super::{OnStored, StoreError, group, import, schema};
use crate::contact::ListedContact;
use crate::id::CampaignId;
use crate::store::read::Imported;
use crate::store::write::Refusal;

/// Most batches in one commit, so that none waits long for its neighbours.
const GROUP_MAX: usize = 256;

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

    /// Runs until the queue of batches is closed and both queues are empty.
    pub(super) async fn run(mut self, batches: Arc<Queue>, mut chores: mpsc::Receiver<Chore>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        loop {
            // Calls first: a chore begins only when no batch is due, and is one short transaction.
            tokio::select! {
                biased;
                () = batches.take(&mut group, GROUP_MAX) => {
                    if group.is_empty() {
                        break;
                    }
                    self.commit(&mut group).await;
                    // Under steady load a batch is always due; chores still get their turn.
                    if let Ok(chore) = chores.try_recv() {
                        self.chore(chore).await;
                    }
                }
                Some(chore) = chores.recv() => self.chore(chore).await,
            }
        }
        chores.close();
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
