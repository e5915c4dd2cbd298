//! What each write is in SQL: one statement each, put together into scripts.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

use super::{StoreError, int};
use crate::store::memory::milliseconds;
use crate::store::words::Word;
use crate::store::write::{Refusal, Write};
use crate::task::TaskState;

/// Views and triggers of the writer's connection, in which claims, answers and endings are one statement each.
pub(super) const WRITES: &str = include_str!("writes.sql");

/// Why a script was not carried out.
#[derive(Debug)]
pub(super) enum Fault {
    /// For what it says. The statement did nothing; those before it stand.
    Refused(Refusal),
    /// The database failed; so has the transaction.
    Broken(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        // The words that writes.sql raises.
        let refusal = match error.as_database_error().map(|error| error.message()) {
            Some("suppressed") => Refusal::Suppressed,
            Some("open") => Refusal::Open,
            Some("task") => Refusal::Task,
            Some("ended") => Refusal::Ended,
            Some(_) | None => return Self::Broken(error.into()),
        };
        Self::Refused(refusal)
    }
}

/// Statements that go to SQLite's thread together, since each way there and back costs more than most statements.
/// Their parameters are all `?`, taken in order.
#[derive(Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
    statements: usize,
    /// The first value that could not be taken.
    fault: Option<StoreError>,
}

impl Script {
    /// Adds a statement; its values follow by [`Self::bind`].
    pub(super) fn statement(&mut self, sql: &'static str) -> &mut Self {
        if !self.sql.is_empty() {
            self.sql.push(';');
        }
        self.sql.push_str(sql);
        self.statements += 1;
        self
    }

    /// How many statements it has.
    pub(super) fn statements(&self) -> usize {
        self.statements
    }

    /// Carries it out. The text is kept prepared, so there should be few different ones.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        // Put together from the constants of this module alone; values are bound.
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).execute(connection).await?;
        Ok(())
    }

    /// Binds the next value.
    pub(super) fn bind<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.fault.get_or_insert(StoreError::Value(error.to_string()));
        }
        self
    }

    /// Binds a value as JSON text.
    pub(super) fn bind_json(&mut self, value: &impl serde::Serialize) -> &mut Self {
        match json(value) {
            Ok(text) => self.bind(text),
            Err(error) => {
                self.fault.get_or_insert(error);
                self
            }
        }
    }

    /// Adds a write.
    pub(super) fn write(&mut self, write: &Write) {
        match write {
            Write::Campaign { campaign, spec, state, started_at, elapsed } => self
                .statement(
                    "INSERT INTO campaigns
                         (campaign, spec, state, started_at, elapsed_ms, attempts_max, timezone)
                     VALUES (?, ?, ?, ?, ?, ?, ?)
                     ON CONFLICT DO UPDATE SET spec = excluded.spec, state = excluded.state,
                         started_at = excluded.started_at, elapsed_ms = excluded.elapsed_ms,
                         attempts_max = excluded.attempts_max, timezone = excluded.timezone",
                )
                .bind(int(campaign.0))
                .bind_json(spec)
                .bind(state.word())
                .bind(started_at.map(|at| at.0))
                .bind(int(milliseconds(*elapsed)))
                .bind(i64::from(spec.closure.attempts_max))
                .bind(spec.timezone.as_deref()),
            Write::Intent(intent) => self
                .statement("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(int(intent.attempt.0))
                .bind(int(intent.campaign.0))
                .bind(int(intent.task.0))
                .bind(int(intent.contact.0))
                .bind(intent.number.as_str())
                .bind(intent.route.trunk.as_str())
                .bind(intent.route.caller_id.as_str())
                .bind(intent.at.0)
                .bind_json(&intent.route),
            Write::Placed { attempt, at } => self
                .statement("UPDATE attempts SET placed_at = coalesce(placed_at, ?) WHERE attempt = ?")
                .bind(at.0)
                .bind(int(attempt.0)),
            Write::Ringing { attempt, at } => self
                .statement("UPDATE attempts SET ringing_at = coalesce(ringing_at, ?) WHERE attempt = ?")
                .bind(at.0)
                .bind(int(attempt.0)),
            Write::Answered { attempt, at, dialog } => self
                .statement("INSERT INTO answers VALUES (?, ?, ?)")
                .bind(int(attempt.0))
                .bind(at.0)
                .bind_json(dialog),
            Write::Bridged { attempt, at, agent } => self
                .statement(
                    "UPDATE attempts SET bridged_at = ?, agent = ? WHERE attempt = ? AND bridged_at IS NULL",
                )
                .bind(at.0)
                .bind(agent.as_str())
                .bind(int(attempt.0)),
            Write::AgentHeard { attempt, answer_to_agent } => self
                .statement(
                    "UPDATE attempts SET answer_to_agent_ms = coalesce(answer_to_agent_ms, ?) WHERE attempt = ?",
                )
                .bind(int(milliseconds(*answer_to_agent)))
                .bind(int(attempt.0)),
            Write::Recorded { attempt, file, duration_ms, sha256 } => self
                .statement(
                    "UPDATE attempts SET recording = ?, recording_ms = ?, recording_sha256 = ?
                     WHERE attempt = ? AND recording IS NULL",
                )
                .bind(file.as_str())
                .bind(int(*duration_ms))
                .bind(sha256.as_str())
                .bind(int(attempt.0)),
            Write::Ended(ended) => self
                .statement("INSERT INTO endings VALUES (?, ?, ?, ?, ?, ?, ?)")
                .bind(int(ended.attempt.0))
                .bind(ended.at.0)
                .bind(ended.outcome.word())
                .bind(ended.sip_status.map(i64::from))
                .bind(ended.attribution.word())
                .bind(ended.reason.as_str())
                .bind(int(milliseconds(ended.talk))),
            Write::Disposition { attempt, task, agent, at, disposition, note } => self
                .statement(
                    "INSERT INTO dispositions (agent, at, disposition, note, attempt, task)
                     SELECT ?, ?, ?, ?, attempts.attempt, tasks.task FROM attempts, tasks
                     WHERE attempts.attempt = ? AND tasks.task = ?
                     ON CONFLICT DO UPDATE SET agent = excluded.agent, at = excluded.at,
                         disposition = excluded.disposition, note = excluded.note",
                )
                .bind(agent.as_str())
                .bind(at.0)
                .bind(disposition.as_str())
                .bind(note.as_str())
                .bind(int(attempt.0))
                .bind(int(task.0)),
            Write::Task { task, state, next_at, disposition } => {
                let (closed_reason, next_at) = match state {
                    TaskState::Open => (None, *next_at),
                    TaskState::Closed(reason) => (Some(reason.word()), None),
                };
                // The right-hand sides read the row as it was: a closed task keeps its reason and stays without a time.
                self.statement(
                    "UPDATE tasks SET closed_reason = coalesce(closed_reason, ?),
                         next_at = CASE WHEN closed_reason IS NULL THEN ? END,
                         disposition = coalesce(?, disposition)
                     WHERE task = ?",
                )
                .bind(closed_reason)
                .bind(next_at.map(|at| at.0))
                .bind(disposition.as_deref())
                .bind(int(task.0))
            }
            Write::AgentTime { agent, ready, talking, wrap_up, away } => self
                .statement(
                    "INSERT INTO agent_time (agent, ready_ms, talking_ms, wrap_up_ms, away_ms)
                     VALUES (?, ?, ?, ?, ?)
                     ON CONFLICT DO UPDATE SET ready_ms = ready_ms + excluded.ready_ms,
                         talking_ms = talking_ms + excluded.talking_ms,
                         wrap_up_ms = wrap_up_ms + excluded.wrap_up_ms, away_ms = away_ms + excluded.away_ms",
                )
                .bind(agent.as_str())
                .bind(int(milliseconds(*ready)))
                .bind(int(milliseconds(*talking)))
                .bind(int(milliseconds(*wrap_up)))
                .bind(int(milliseconds(*away))),
            Write::AgentLeg { agent, leg: Some(leg) } => self
                .statement("INSERT OR REPLACE INTO agent_legs (agent, leg) VALUES (?, ?)")
                .bind(agent.as_str())
                .bind_json(leg),
            Write::AgentLeg { agent, leg: None } => {
                self.statement("DELETE FROM agent_legs WHERE agent = ?").bind(agent.as_str())
            }
            Write::PacerState { campaign, at, learnt } => self
                .statement(
                    "INSERT OR REPLACE INTO pacer_state (campaign, at, learnt)
                     SELECT campaign, ?, ? FROM campaigns WHERE campaign = ?",
                )
                .bind(at.0)
                .bind(learnt.as_str())
                .bind(int(campaign.0)),
            Write::Binding(row) => self
                .statement(
                    "INSERT OR REPLACE INTO bindings (user, contact, address, expires_at, call_id, cseq)
                     VALUES (?, ?, ?, ?, ?, ?)",
                )
                .bind(row.user.as_str())
                .bind(row.contact.as_str())
                .bind(row.address.as_str())
                .bind(row.expires_at.0)
                .bind(row.call_id.as_str())
                .bind(i64::from(row.cseq)),
            Write::Unbind { user, contact } => self
                .statement("DELETE FROM bindings WHERE user = ? AND contact = ?")
                .bind(user.as_str())
                .bind(contact.as_str()),
        };
    }
}

/// JSON text of a value of ours.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Value(error.to_string()))
}
