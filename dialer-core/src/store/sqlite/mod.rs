//! The store in SQLite: one writer with group commit, readers on connections of their own.

mod archive;
mod bulk;
mod group;
mod import;
mod inbound;
mod lists;
mod pages;
mod queue;
mod reads;
mod schema;
mod screens;
mod statements;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::contact::ListedContact;
use crate::id::{CampaignId, Ticket};
use crate::store::read::Imported;
use crate::store::write::{Refusal, Write};
use queue::{Batch, Queue};
use writer::{Chore, Writer};

pub use archive::{Archive, PAST_ATTEMPTS_MAX, PastAttempt, PastCampaign};
pub use lists::{BAD_LINES_MAX, ImportError, ListImport, SuppressionImport, check_list};
pub use pages::{CampaignCounters, PAGE_MAX};
pub use screens::CampaignRow;

/// Most batches that wait for the writer.
pub const QUEUE_MAX: usize = 8_192;

/// Most chunks of bulk work that wait for the writer; whoever brings more waits.
const CHORES_MAX: usize = 2;

/// Most rows of a list in one transaction: some ten milliseconds, so that calls hardly notice an import.
pub const IMPORT_CHUNK_MAX: usize = 1_000;

/// Connections for reading.
const READERS_MAX: u32 = 4;

/// Longest wait for a free reading connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Told of every batch, from the writer's thread, in the order of commits. It must not block.
pub type OnStored = Box<dyn Fn(Ticket, Result<(), Refusal>) + Send>;

/// The queue of the writer is full, or the store is closed; nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store's queue is full")]
pub struct Full;

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the database.
    #[error("{} is in use by another carillon", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The lock file could not be made.
    #[error("lock file {}: {source}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A later version has written the database.
    #[error("the database has schema {found}; this carillon knows schemas up to {known}")]
    Newer {
        /// Its version.
        found: usize,
        /// Ours.
        known: usize,
    },
    /// The file is none of ours.
    #[error("{} is no database of carillon", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// No such campaign.
    #[error("campaign {0} is not known")]
    UnknownCampaign(CampaignId),
    /// A stored value can't be read, or one can't be stored.
    #[error("a value in the database: {0}")]
    Value(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The writer's thread could not be started.
    #[error("the store's thread: {0}")]
    Thread(std::io::Error),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// The store. Cheap to clone; all clones share one writer.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    batches: Arc<Queue>,
    chores: mpsc::Sender<Chore>,
    readers: SqlitePool,
    /// Resolves when the writer has ended.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    _lock: schema::Lock,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.batches.close();
    }
}

impl Store {
    /// Opens the database, or makes it, and starts the writer on a thread of its own. No other process can open it
    /// until the last clone is dropped.
    pub async fn open(path: &Path, on_stored: OnStored) -> Result<Self, StoreError> {
        let lock = schema::Lock::take(path)?;
        let connection = schema::open_writer(path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(READER_WAIT_MAX)
            .test_before_acquire(false)
            .connect_with(schema::reader_options(path))
            .await?;
        let batches = Arc::new(Queue::default());
        let (chores, chore_queue) = mpsc::channel(CHORES_MAX);
        let writer = Writer::new(path.to_owned(), connection, on_stored);
        let ended = start(writer.run(Arc::clone(&batches), chore_queue))?;
        let ended = Mutex::new(Some(ended));
        Ok(Self { shared: Arc::new(Shared { batches, chores, readers, ended, _lock: lock }) })
    }

    /// Hands a batch to the writer; its result goes to the callback. Never blocks; any thread may call it.
    pub fn submit(&self, ticket: Ticket, writes: impl Into<Arc<[Write]>>) -> Result<(), Full> {
        self.shared.batches.push(Batch { ticket, writes: writes.into() })
    }

    /// Begins an import. Rows with an id that this import has had, or a number that another contact of the campaign
    /// has, are left out; contacts of earlier imports are brought up to date and their tasks left as they are, so
    /// that an import can be repeated.
    pub async fn begin_import(&self, campaign: CampaignId) -> Result<Importing, StoreError> {
        let import = self.chore(|reply| Chore::BeginImport { campaign, reply }).await?;
        Ok(Importing { store: self.clone(), campaign, import })
    }

    /// Suppresses numbers (E.164 with `+`) from now on; says how many were new. Durable when it returns.
    pub async fn suppress(&self, numbers: Vec<String>) -> Result<u64, StoreError> {
        let mut added = 0;
        for chunk in numbers.chunks(IMPORT_CHUNK_MAX) {
            let numbers = chunk.to_vec();
            added += self.chore(|reply| Chore::Suppress { numbers, reply }).await?;
        }
        Ok(added)
    }

    /// Writes what is in the queue, then closes the database. Batches handed in later are refused with [`Full`].
    pub async fn close(&self) {
        self.shared.batches.close();
        if let Some(ended) = self.shared.ended.lock().await.take()
            && ended.await.is_err()
        {
            tracing::error!("the store's writer did not end in order");
        }
        self.shared.readers.close().await;
    }

    async fn chore<T>(
        &self,
        chore: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Chore,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.chores.send(chore(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn readers(&self) -> &SqlitePool {
        &self.shared.readers
    }
}

/// Runs the writer on a thread of its own; the answer comes when it has ended.
fn start(writer: impl Future<Output = ()> + Send + 'static) -> Result<oneshot::Receiver<()>, StoreError> {
    let (tell, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(StoreError::Thread)?;
    let run = move || {
        runtime.block_on(writer);
        // Nobody may be waiting any more.
        let _ = tell.send(());
    };
    std::thread::Builder::new().name("store-queue".into()).spawn(run).map_err(StoreError::Thread)?;
    Ok(ended)
}

/// One import under way.
pub struct Importing {
    store: Store,
    campaign: CampaignId,
    import: i64,
}

impl Importing {
    /// Imports some rows, in chunks of [`IMPORT_CHUNK_MAX`]. Durable when it returns.
    pub async fn add(&self, rows: Vec<ListedContact>) -> Result<Imported, StoreError> {
        let mut all = Imported::default();
        let mut rows = rows.into_iter();
        loop {
            let rows: Vec<ListedContact> = rows.by_ref().take(IMPORT_CHUNK_MAX).collect();
            if rows.is_empty() {
                return Ok(all);
            }
            let (campaign, import) = (self.campaign, self.import);
            let some = self.store.chore(|reply| Chore::Import { campaign, import, rows, reply }).await?;
            all.added += some.added;
            all.known += some.known;
            all.duplicates.extend(some.duplicates);
        }
    }
}

/// As SQLite keeps it. Our counters never come near the limit.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Back from SQLite.
fn from_int(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Value(format!("{value} is negative")))
}

/// Queries whose plans are held by a test.
#[cfg(test)]
pub(crate) mod plans {
    pub(crate) use super::schema::SCHEMAS;
    /// Those of a fetch.
    pub(crate) const FETCH: [&str; 4] =
        [super::reads::DUE, super::reads::DUE_OWNED, super::reads::COUNTS, super::reads::OWNED];
}
