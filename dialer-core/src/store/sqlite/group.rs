//! One commit of many batches.

use sqlx::SqliteConnection;

use super::StoreError;
use super::bulk::{Bulk, Place};
use super::queue::Batch;
use super::statements::{Fault, Script};
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
    for script in scripts(group) {
        script.run(connection).await?;
    }
    Ok(())
}

/// What writes the group in one transaction: most often one statement, which is a transaction by itself.
fn scripts(group: &[Batch]) -> Vec<Script> {
    let mut steps = Steps::default();
    let mut bulk = Bulk::default();
    for write in group.iter().flat_map(|batch| batch.writes.iter()) {
        match bulk.take(write) {
            Place::Here => {}
            Place::Next => {
                steps.add(|script| std::mem::take(&mut bulk).add_to(script));
                let place = bulk.take(write);
                debug_assert_eq!(place, Place::Here, "an empty bulk takes what any bulk takes");
            }
            Place::Alone => {
                if !bulk.is_empty() {
                    steps.add(|script| std::mem::take(&mut bulk).add_to(script));
                }
                steps.add(|script| script.write(write));
            }
        }
    }
    if steps.is_empty() {
        let mut script = Script::default();
        bulk.add_to(&mut script);
        return vec![script];
    }
    if !bulk.is_empty() {
        steps.add(|script| bulk.add_to(script));
    }
    steps.committed()
}

/// Statements of one transaction, some to a script.
#[derive(Default)]
struct Steps {
    full: Vec<Script>,
    last: Script,
}

impl Steps {
    fn add(&mut self, statement: impl FnOnce(&mut Script)) {
        if self.is_empty() {
            self.last.statement("BEGIN IMMEDIATE");
        } else if self.last.statements() >= SCRIPT_STATEMENTS_MAX {
            self.full.push(std::mem::take(&mut self.last));
        }
        statement(&mut self.last);
    }

    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.last.statements() == 0
    }

    fn committed(mut self) -> Vec<Script> {
        self.last.statement("COMMIT");
        self.full.push(self.last);
        self.full
    }
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
