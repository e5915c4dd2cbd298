//! What each write is in SQL, put together into scripts.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

use super::bulk::{Bulk, Place};
use super::{StoreError, int};
use crate::store::memory::milliseconds;
use crate::store::words::Word;
use crate::store::write::{Refusal, Write};

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

    /// A value could not be taken.
    pub(super) fn fail(&mut self, fault: StoreError) -> &mut Self {
        self.fault.get_or_insert(fault);
        self
    }

    /// Adds a write as a statement of its own; what goes in bulk with others, as a bulk of one.
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
            Write::PacerState { campaign, at, learnt } => self
                .statement(
                    "INSERT OR REPLACE INTO pacer_state (campaign, at, learnt)
                     SELECT campaign, ?, ? FROM campaigns WHERE campaign = ?",
                )
                .bind(at.0)
                .bind(learnt.as_str())
                .bind(int(campaign.0)),
            Write::Journal(part) => self
                .statement(
                    "INSERT OR REPLACE INTO pacer_journal (campaign, segment, part, at, decisions_to, body)
                     SELECT campaign, ?, ?, ?, ?, ? FROM campaigns WHERE campaign = ?",
                )
                .bind(int(part.segment))
                .bind(i64::from(part.part))
                .bind(part.at.0)
                .bind(int(part.decisions_to))
                .bind(part.body.as_slice())
                .bind(int(part.campaign.0)),
            Write::Diverted { attempt, route } => self
                .statement("INSERT INTO diversions VALUES (?, ?, ?, ?)")
                .bind(int(attempt.0))
                .bind(route.trunk.as_str())
                .bind(route.caller_id.as_str())
                .bind_json(route),
            Write::Intent(_)
            | Write::Placed { .. }
            | Write::Ringing { .. }
            | Write::Answered { .. }
            | Write::Bridged { .. }
            | Write::AgentHeard { .. }
            | Write::Recorded { .. }
            | Write::Ended(_)
            | Write::Disposition { .. }
            | Write::Task { .. }
            | Write::AgentLeg { .. } => {
                let mut bulk = Bulk::default();
                let place = bulk.take(write);
                debug_assert_eq!(place, Place::Here, "an empty bulk takes what any bulk takes");
                bulk.add_to(self);
                self
            }
            Write::Inbound(row) => self.inbound(row),
            Write::HandedOver { attempt, agent } => self
                .statement("UPDATE attempts SET agent = ? WHERE attempt = ? AND bridged_at IS NOT NULL")
                .bind(agent.as_str())
                .bind(int(attempt.0)),
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
            Write::Number(row) => self
                .statement(
                    "INSERT OR REPLACE INTO trunk_numbers (trunk, number, calls, answers, unwanted, rests_until, today,
                         day_ends_at, shown_at)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(row.trunk.as_str())
                .bind(row.number.as_str())
                .bind(i64::from(row.calls))
                .bind(i64::from(row.answers))
                .bind(i64::from(row.unwanted))
                .bind(row.rests_until.map(|at| at.0))
                .bind(i64::from(row.today))
                .bind(row.day_ends_at.0)
                .bind(row.shown_at.map(|at| at.0)),
            Write::Preferred { user, device: Some(device) } => self
                .statement("INSERT OR REPLACE INTO preferred_devices (user, device) VALUES (?, ?)")
                .bind(user.as_str())
                .bind(device.as_str()),
            Write::Preferred { user, device: None } => {
                self.statement("DELETE FROM preferred_devices WHERE user = ?").bind(user.as_str())
            }
            Write::Binding(row) => self
                .statement(
                    "INSERT OR REPLACE INTO bindings (user, binding, contact, address, local, bound_at, expires_at,
                         call_id, cseq, instance, reg_id, q, path)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(row.user.as_str())
                .bind(row.binding.as_str())
                .bind(row.contact.as_str())
                .bind(row.address.as_str())
                .bind(row.local.as_str())
                .bind(row.bound_at.0)
                .bind(row.expires_at.0)
                .bind(row.call_id.as_str())
                .bind(i64::from(row.cseq))
                .bind(row.instance.as_deref())
                .bind(row.reg_id.map(i64::from))
                .bind(i64::from(row.q))
                .bind_json(&row.path),
            Write::Unbind { user, binding } => self
                .statement("DELETE FROM bindings WHERE user = ? AND binding = ?")
                .bind(user.as_str())
                .bind(binding.as_str()),
        };
    }
}

/// JSON text of a value of ours.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Value(error.to_string()))
}
