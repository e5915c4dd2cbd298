//! Opening the database: settings, lock, schema.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};

use super::{StoreError, statements};

/// One script a version, oldest first; the database's `user_version` counts those it has had.
pub(crate) const SCHEMAS: [&str; 11] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
    include_str!("schema_9.sql"),
    include_str!("schema_10.sql"),
    include_str!("schema_11.sql"),
];

/// How long a statement waits for another connection's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// WAL pages after which a commit also checkpoints: 16 MiB, so that few commits pay for it.
const CHECKPOINT_PAGES: &str = "4096";

/// Page cache of the writer in KiB (SQLite counts KiB as negative). Large enough for the leaves that are written to; a larger one
/// costs more than it saves, because a commit that has split a page looks through all of it.
const WRITER_CACHE: &str = "-8192";

/// Rows that a reader hands over at a time.
const READER_ROWS: usize = 1_024;

/// Page cache of each reader in KiB.
const READER_CACHE: &str = "-4096";

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 256;

/// Opens the one writing connection, with the schema up to date.
pub(super) async fn open_writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", WRITER_CACHE)
        .statement_cache_capacity(STATEMENTS_MAX)
        .thread_name(|_| "store-writer".into())
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    migrate(&mut connection).await?;
    sqlx::raw_sql(statements::WRITES).execute(&mut connection).await?;
    Ok(connection)
}

/// How reading connections are opened.
pub(super) fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("query_only", "on")
        .pragma("cache_size", READER_CACHE)
        .row_buffer_size(READER_ROWS)
        .thread_name(|_| "store-reader".into())
        .disable_statement_logging()
}

/// Keeps other processes from the database for as long as the value lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, a file beside the database. It dies with the process, however that dies.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: database.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would do, were there no child process that has it open for a moment between fork and exec.
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "unlock");
        }
    }
}

/// Brings the schema up to date, each version in one transaction.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let version = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
    if version > SCHEMAS.len() {
        return Err(StoreError::Newer { found: version, known: SCHEMAS.len() });
    }
    for (index, schema) in SCHEMAS.iter().enumerate().skip(version) {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
        let version = format!("PRAGMA user_version = {}", index + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(version)).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}
