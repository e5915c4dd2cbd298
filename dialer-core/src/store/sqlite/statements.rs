//! What each write does, in SQL. Parameters are written `$1`, `$2`, so that the statements of one string share them.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Row, Sqlite};

use super::{StoreError, int};
use crate::campaign::CampaignState;
use crate::campaign::spec::CampaignSpec;
use crate::id::CampaignId;
use crate::store::memory::milliseconds;
use crate::store::words::Word;
use crate::store::write::{Ended, Intent, Refusal, Write};
use crate::task::TaskState;
use crate::time::Utc;

/// Why a batch was not written.
#[derive(Debug)]
pub(super) enum Fault {
    /// For what it says; its neighbours are not touched.
    Refused(Refusal),
    /// The database failed; so has the transaction.
    Broken(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

/// Writes a batch within the open transaction. A refused batch leaves nothing behind.
pub(super) async fn batch(connection: &mut SqliteConnection, writes: &[Write]) -> Result<(), Fault> {
    // Only a refusal after the first write has something to undo.
    let guarded = writes.iter().skip(1).any(Write::may_be_refused);
    if guarded {
        sqlx::query("SAVEPOINT batch").execute(&mut *connection).await?;
    }
    for write in writes {
        match self::write(connection, write).await {
            Ok(()) => {}
            Err(Fault::Refused(refusal)) => {
                if guarded {
                    sqlx::query("ROLLBACK TO batch; RELEASE batch").execute(&mut *connection).await?;
                }
                return Err(Fault::Refused(refusal));
            }
            Err(fault @ Fault::Broken(_)) => return Err(fault),
        }
    }
    if guarded {
        sqlx::query("RELEASE batch").execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write(connection: &mut SqliteConnection, write: &Write) -> Result<(), Fault> {
    let query = match write {
        Write::Intent(intent) => return claim(connection, intent).await,
        Write::Ended(ended) => return end(connection, ended).await,
        Write::Campaign { campaign, spec, state, started_at, elapsed } => {
            replace_campaign(*campaign, spec, *state, *started_at, milliseconds(*elapsed))?
        }
        Write::Placed { attempt, at } => {
            sqlx::query("UPDATE attempts SET placed_at = $2 WHERE attempt = $1 AND placed_at IS NULL")
                .bind(int(attempt.0))
                .bind(at.0)
        }
        Write::Ringing { attempt, at } => {
            sqlx::query("UPDATE attempts SET ringing_at = $2 WHERE attempt = $1 AND ringing_at IS NULL")
                .bind(int(attempt.0))
                .bind(at.0)
        }
        Write::Answered { attempt, at, dialog } => sqlx::query(
            "UPDATE attempts SET answered_at = $2 WHERE attempt = $1 AND answered_at IS NULL;
             UPDATE calls SET dialog = $3 WHERE attempt = $1 AND dialog IS NULL",
        )
        .bind(int(attempt.0))
        .bind(at.0)
        .bind(json(dialog)?),
        Write::Bridged { attempt, at, agent } => sqlx::query(
            "UPDATE attempts SET bridged_at = $2, agent = $3 WHERE attempt = $1 AND bridged_at IS NULL",
        )
        .bind(int(attempt.0))
        .bind(at.0)
        .bind(agent),
        Write::AgentHeard { attempt, answer_to_agent } => sqlx::query(
            "UPDATE attempts SET answer_to_agent_ms = $2 WHERE attempt = $1 AND answer_to_agent_ms IS NULL",
        )
        .bind(int(attempt.0))
        .bind(int(milliseconds(*answer_to_agent))),
        Write::Recorded { attempt, file, duration_ms, sha256 } => sqlx::query(
            "UPDATE attempts SET recording = $2, recording_ms = $3, recording_sha256 = $4
             WHERE attempt = $1 AND recording IS NULL",
        )
        .bind(int(attempt.0))
        .bind(file)
        .bind(int(*duration_ms))
        .bind(sha256),
        Write::Disposition { attempt, task, agent, at, disposition, note } => sqlx::query(
            "INSERT INTO dispositions (attempt, task, agent, at, disposition, note)
             SELECT attempts.attempt, tasks.task, $3, $4, $5, $6 FROM attempts, tasks
             WHERE attempts.attempt = $1 AND tasks.task = $2
             ON CONFLICT DO UPDATE SET agent = $3, at = $4, disposition = $5, note = $6",
        )
        .bind(int(attempt.0))
        .bind(int(task.0))
        .bind(agent)
        .bind(at.0)
        .bind(disposition)
        .bind(note),
        Write::Task { task, state, next_at, disposition } => {
            let (closed_reason, next_at) = match state {
                TaskState::Open => (None, *next_at),
                TaskState::Closed(reason) => (Some(reason.word()), None),
            };
            // The right-hand sides read the row as it was: a closed task keeps its reason and stays without a time.
            sqlx::query(
                "UPDATE tasks SET closed_reason = coalesce(closed_reason, $2),
                     next_at = CASE WHEN closed_reason IS NULL THEN $3 END,
                     disposition = coalesce($4, disposition)
                 WHERE task = $1",
            )
            .bind(int(task.0))
            .bind(closed_reason)
            .bind(next_at.map(|at| at.0))
            .bind(disposition)
        }
        Write::AgentTime { agent, ready, talking, wrap_up, away } => sqlx::query(
            "INSERT INTO agent_time (agent, ready_ms, talking_ms, wrap_up_ms, away_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO UPDATE SET ready_ms = ready_ms + $2, talking_ms = talking_ms + $3,
                 wrap_up_ms = wrap_up_ms + $4, away_ms = away_ms + $5",
        )
        .bind(agent)
        .bind(int(milliseconds(*ready)))
        .bind(int(milliseconds(*talking)))
        .bind(int(milliseconds(*wrap_up)))
        .bind(int(milliseconds(*away))),
        Write::AgentLeg { agent, leg: Some(leg) } => {
            sqlx::query("INSERT OR REPLACE INTO agent_legs (agent, leg) VALUES ($1, $2)")
                .bind(agent)
                .bind(json(leg)?)
        }
        Write::AgentLeg { agent, leg: None } => {
            sqlx::query("DELETE FROM agent_legs WHERE agent = $1").bind(agent)
        }
        Write::Binding(row) => sqlx::query(
            "INSERT OR REPLACE INTO bindings (user, contact, address, expires_at, call_id, cseq)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&row.user)
        .bind(&row.contact)
        .bind(&row.address)
        .bind(row.expires_at.0)
        .bind(&row.call_id)
        .bind(i64::from(row.cseq)),
        Write::Unbind { user, contact } => {
            sqlx::query("DELETE FROM bindings WHERE user = $1 AND contact = $2").bind(user).bind(contact)
        }
    };
    query.execute(connection).await?;
    Ok(())
}

fn replace_campaign<'q>(
    campaign: CampaignId,
    spec: &CampaignSpec,
    state: CampaignState,
    started_at: Option<Utc>,
    elapsed_ms: u64,
) -> Result<Query<'q, Sqlite, SqliteArguments>, Fault> {
    let query = sqlx::query(
        "INSERT INTO campaigns (campaign, spec, state, started_at, elapsed_ms, attempts_max, timezone)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT DO UPDATE SET spec = $2, state = $3, started_at = $4, elapsed_ms = $5, attempts_max = $6,
             timezone = $7",
    );
    Ok(query
        .bind(int(campaign.0))
        .bind(json(spec)?)
        .bind(state.word())
        .bind(started_at.map(|at| at.0))
        .bind(int(elapsed_ms))
        .bind(i64::from(spec.closure.attempts_max))
        .bind(spec.timezone.clone()))
}

/// One statement decides, the next two follow only if it did. The insert sees suppression, task and caps; the
/// unique indexes see other open attempts.
const CLAIM: &str = "
    INSERT INTO attempts (attempt, campaign, task, contact, number, trunk, caller_id, intent_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM tasks JOIN campaigns USING (campaign)
    WHERE task = $3 AND campaign = $2 AND contact = $4 AND closed_reason IS NULL AND attempts < attempts_max
        AND NOT EXISTS (SELECT 1 FROM suppressed WHERE number = $5);
    INSERT INTO calls (attempt, route) SELECT $1, $9 WHERE changes() = 1;
    UPDATE tasks SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $8), last_attempt = $1,
        next_at = NULL
    WHERE task = $3 AND changes() = 1";

async fn claim(connection: &mut SqliteConnection, intent: &Intent) -> Result<(), Fault> {
    let result = sqlx::query(CLAIM)
        .bind(int(intent.attempt.0))
        .bind(int(intent.campaign.0))
        .bind(int(intent.task.0))
        .bind(int(intent.contact.0))
        .bind(&intent.number)
        .bind(&intent.route.trunk)
        .bind(&intent.route.caller_id)
        .bind(intent.at.0)
        .bind(json(&intent.route)?)
        .execute(&mut *connection)
        .await;
    match result {
        Ok(done) if done.rows_affected() == 3 => Ok(()),
        Ok(_) => Err(Fault::Refused(why_no_claim(connection, intent).await?)),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(Fault::Refused(why_no_claim(connection, intent).await?))
        }
        Err(error) => Err(error.into()),
    }
}

/// Names the first reason, in the order that [`Write::Intent`] gives.
async fn why_no_claim(connection: &mut SqliteConnection, intent: &Intent) -> Result<Refusal, Fault> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM suppressed WHERE number = $3),
                EXISTS (SELECT 1 FROM attempts WHERE contact = $2 AND outcome IS NULL)
                    OR EXISTS (SELECT 1 FROM attempts WHERE number = $3 AND outcome IS NULL)
                    OR EXISTS (SELECT 1 FROM attempts WHERE attempt = $1 AND outcome IS NULL),
                EXISTS (SELECT 1 FROM attempts WHERE attempt = $1)",
    )
    .bind(int(intent.attempt.0))
    .bind(int(intent.contact.0))
    .bind(&intent.number)
    .fetch_one(connection)
    .await?;
    if row.try_get(0)? {
        Ok(Refusal::Suppressed)
    } else if row.try_get(1)? {
        Ok(Refusal::Open)
    } else if row.try_get(2)? {
        Ok(Refusal::Ended)
    } else {
        Ok(Refusal::Task)
    }
}

const END: &str = "
    UPDATE attempts SET ended_at = $2, outcome = $3, sip_status = $4, attribution = $5, reason = $6, talk_ms = $7
    WHERE attempt = $1 AND outcome IS NULL;
    UPDATE tasks SET last_outcome = $3
    WHERE changes() = 1 AND task = (SELECT task FROM attempts WHERE attempt = $1)";

async fn end(connection: &mut SqliteConnection, ended: &Ended) -> Result<(), Fault> {
    let done = sqlx::query(END)
        .bind(int(ended.attempt.0))
        .bind(ended.at.0)
        .bind(ended.outcome.word())
        .bind(ended.sip_status.map(i64::from))
        .bind(ended.attribution.word())
        .bind(&ended.reason)
        .bind(int(milliseconds(ended.talk)))
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 { Err(Fault::Refused(Refusal::Ended)) } else { Ok(()) }
}

/// JSON text of a value of ours.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Value(error.to_string()))
}
