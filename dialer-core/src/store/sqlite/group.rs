//! One commit of many batches.

use sqlx::SqliteConnection;

use super::StoreError;
use super::progress::{self, Progress};
use super::statements::{Fault, Script};
use super::writer::Batch;
use crate::store::write::{Refusal, Write};

/// Most statements that go to SQLite's thread together. More would make many different scripts, and each has to be
/// prepared once.
const SCRIPT_STATEMENTS_MAX: usize = 4;

/// Writes the group in one transaction and says what became of each batch. An error means that nothing of the group is
/// written.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    group: &[Batch],
) -> Result<Vec<Result<(), Refusal>>, StoreError> {
    match together(connection, group).await {
        Ok(()) => return Ok(group.iter().map(|_| Ok(())).collect()),
        Err(fault) => tracing::debug!(?fault, "a batch was refused; the group is written batch by batch"),
    }
    if let Err(error) = sqlx::query("ROLLBACK").execute(&mut *connection).await {
        tracing::debug!(%error, "the transaction had ended already");
    }
    one_by_one(connection, group).await
}

/// The way for a group in which nothing is refused, which is nearly always so.
async fn together(connection: &mut SqliteConnection, group: &[Batch]) -> Result<(), Fault> {
    let mut script = Script::default();
    script.statement("BEGIN IMMEDIATE");
    let mut progress = Progress::default();
    for batch in group {
        if progress.take(&batch.writes) {
            continue;
        }
        for write in &batch.writes {
            if script.statements() >= SCRIPT_STATEMENTS_MAX {
                std::mem::take(&mut script).run(connection).await?;
            }
            script.write(write);
        }
    }
    // Last, so that it finds the attempts that begin in this very group.
    if !progress.is_empty() {
        let rows = progress.json().map_err(|error| StoreError::Value(error.to_string()))?;
        script.statement(progress::SQL).bind(rows);
    }
    script.statement("COMMIT");
    script.run(connection).await
}

/// The way for a group in which something is refused: a refused batch leaves nothing behind and does not touch its
/// neighbours.
async fn one_by_one(
    connection: &mut SqliteConnection,
    group: &[Batch],
) -> Result<Vec<Result<(), Refusal>>, StoreError> {
    let mut results = Vec::with_capacity(group.len());
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for batch in group {
        sqlx::query("SAVEPOINT batch").execute(&mut *connection).await?;
        match alone(connection, &batch.writes).await {
            Ok(()) => results.push(Ok(())),
            Err(Fault::Refused(refusal)) => {
                sqlx::query("ROLLBACK TO batch").execute(&mut *connection).await?;
                results.push(Err(refusal));
            }
            Err(Fault::Broken(error)) => return Err(error),
        }
        sqlx::query("RELEASE batch").execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(results)
}

async fn alone(connection: &mut SqliteConnection, writes: &[Write]) -> Result<(), Fault> {
    for write in writes {
        let mut script = Script::default();
        script.write(write);
        script.run(connection).await?;
    }
    Ok(())
}
