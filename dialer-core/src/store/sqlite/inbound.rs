//! Inbound calls on disk: their rows, who calls, and what a restart has to see to.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::pages::PAGE_MAX;
use super::reads::{from_json, from_word};
use super::statements::{Script, json};
use super::{Store, StoreError, from_int, int};
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::{InboundRow, KnownCaller};
use crate::input::Recording;
use crate::store::read::RecoveredInbound;
use crate::store::words::Word;
use crate::time::Utc;

/// Replaces a row, unless it has another outcome already.
const WRITE: &str = "
    INSERT INTO inbound VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET campaign = excluded.campaign, contact = excluded.contact, task = excluded.task,
        answered_at = excluded.answered_at, bridged_at = excluded.bridged_at, ended_at = excluded.ended_at,
        outcome = excluded.outcome, reason = excluded.reason, agent = excluded.agent, talk_ms = excluded.talk_ms,
        disposition = excluded.disposition, note = excluded.note, recording = excluded.recording,
        recording_ms = excluded.recording_ms, recording_sha256 = excluded.recording_sha256, leg = excluded.leg
    WHERE inbound.outcome IS NULL OR inbound.outcome IS excluded.outcome";

const COLUMNS: &str =
    "call, campaign, trunk, number, caller, diversion, history_info, contact, task, arrived_at, answered_at,
    bridged_at, ended_at, outcome, reason, agent, talk_ms, disposition, note, recording, recording_ms,
    recording_sha256, leg, identity";

macro_rules! known {
    ($rest:literal) => {
        concat!(
            "SELECT tasks.campaign, tasks.contact, tasks.task, tasks.closed_reason IS NULL,
                 coalesce(contacts.timezone, campaigns.timezone), tasks.attempts, tasks.first_attempt_at, tasks.owner ",
            $rest
        )
    };
}

/// Who has a number in one of the lists, the one that was called last first.
const FIND: &str = known!(
    "FROM json_each($1) AS wanted
     CROSS JOIN numbers INDEXED BY number_in_campaign ON numbers.campaign = wanted.value AND numbers.number = $2
     CROSS JOIN contacts ON contacts.contact = numbers.contact
     CROSS JOIN tasks ON tasks.contact = contacts.contact
     CROSS JOIN campaigns ON campaigns.campaign = tasks.campaign
     ORDER BY coalesce(tasks.last_attempt, 0) DESC, wanted.key LIMIT 1"
);

const OF_TASK: &str = known!(
    "FROM tasks JOIN contacts USING (contact) JOIN campaigns ON campaigns.campaign = tasks.campaign
     WHERE tasks.task = $1"
);

impl Script {
    /// Adds the statement that writes an inbound call.
    pub(super) fn inbound(&mut self, row: &InboundRow) -> &mut Self {
        let recording = row.recording.as_ref();
        let leg = row.leg.as_ref().map(json).transpose();
        let script = self
            .statement(WRITE)
            .bind(int(row.call.0))
            .bind(int(row.campaign.0))
            .bind(row.trunk.as_str())
            .bind(row.number.as_str())
            .bind(row.caller.as_deref())
            .bind(row.diversion.as_str())
            .bind(row.history_info.as_str())
            .bind(row.contact.map(|contact| int(contact.0)))
            .bind(row.task.map(|task| int(task.0)))
            .bind(row.arrived_at.0)
            .bind(row.answered_at.map(|at| at.0))
            .bind(row.bridged_at.map(|at| at.0))
            .bind(row.ended_at.map(|at| at.0))
            .bind(row.outcome.map(Word::word))
            .bind(row.reason.as_str())
            .bind(row.agent.as_deref())
            .bind(int(row.talk_ms))
            .bind(row.disposition.as_deref())
            .bind(row.note.as_str())
            .bind(recording.map(|it| it.file.as_str()))
            .bind(recording.map(|it| int(it.duration_ms)))
            .bind(recording.map(|it| it.sha256.as_str()));
        match leg {
            Ok(leg) => script.bind(leg).bind(row.identity.as_str()),
            Err(error) => script.fail(error),
        }
    }
}

impl Store {
    /// Who calls: the contact of these campaigns that has the number, and of several the one that was called last; of equals
    /// that of the campaign that is named first.
    pub async fn find_caller(
        &self,
        campaigns: &[CampaignId],
        number: &str,
    ) -> Result<Option<KnownCaller>, StoreError> {
        let mut reader = self.readers().acquire().await?;
        let campaigns: Vec<u64> = campaigns.iter().map(|campaign| campaign.0).collect();
        let row = sqlx::query(FIND).bind(json(&campaigns)?).bind(number).fetch_optional(&mut *reader).await?;
        row.as_ref().map(known).transpose()
    }

    /// A contact's id in the uploaded list; empty where there is no such contact.
    pub async fn external_id(&self, contact: ContactId) -> Result<String, StoreError> {
        let mut reader = self.readers().acquire().await?;
        let found = sqlx::query_scalar("SELECT external_id FROM contacts WHERE contact = ?");
        Ok(found.bind(int(contact.0)).fetch_optional(&mut *reader).await?.unwrap_or_default())
    }

    /// Inbound calls with a number below `before` (or the newest), newest first, at most `limit` (capped at [`PAGE_MAX`]); of one
    /// campaign or of all, and taken by one agent or by any or none.
    pub async fn inbound_before(
        &self,
        campaign: Option<CampaignId>,
        agent: Option<&str>,
        before: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<InboundRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM inbound
             WHERE ($1 IS NULL OR call < $1) AND ($2 IS NULL OR campaign = $2) AND ($3 IS NULL OR agent = $3)
             ORDER BY call DESC LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(before.map(|before| int(before.0)))
            .bind(campaign.map(|campaign| int(campaign.0)))
            .bind(agent)
            .bind(i64::from(limit.min(PAGE_MAX)))
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(inbound).collect()
    }

    /// Inbound calls behind `after`, by number, at most `limit`.
    pub async fn inbound_calls(&self, after: AttemptId, limit: u32) -> Result<Vec<InboundRow>, StoreError> {
        let mut reader = self.readers().acquire().await?;
        let sql = format!("SELECT {COLUMNS} FROM inbound WHERE call > ? ORDER BY call LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(int(after.0))
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        rows.iter().map(inbound).collect()
    }
}

/// What an earlier process left.
pub(super) async fn unfinished(reader: &mut SqliteConnection) -> Result<Vec<RecoveredInbound>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbound INDEXED BY inbound_unfinished
         WHERE outcome IS NULL OR leg IS NOT NULL OR (outcome = 'talked' AND disposition IS NULL) ORDER BY call"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *reader).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = inbound(row)?;
        let known = match row.task {
            Some(task) => {
                let known_row = sqlx::query(OF_TASK).bind(int(task.0)).fetch_optional(&mut *reader).await?;
                known_row.as_ref().map(known).transpose()?
            }
            None => None,
        };
        found.push(RecoveredInbound { row, known });
    }
    Ok(found)
}

fn known(row: &SqliteRow) -> Result<KnownCaller, StoreError> {
    Ok(KnownCaller {
        campaign: CampaignId(from_int(row.try_get(0)?)?),
        contact: ContactId(from_int(row.try_get(1)?)?),
        task: TaskId(from_int(row.try_get(2)?)?),
        open: row.try_get(3)?,
        timezone: row.try_get(4)?,
        attempts: row.try_get(5)?,
        first_attempt_at: row.try_get::<Option<i64>, _>(6)?.map(Utc),
        owner: row.try_get(7)?,
    })
}

fn inbound(row: &SqliteRow) -> Result<InboundRow, StoreError> {
    let id = |index: usize| -> Result<Option<u64>, StoreError> {
        row.try_get::<Option<i64>, _>(index)?.map(from_int).transpose()
    };
    let at = |index: usize| -> Result<Option<Utc>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(index)?.map(Utc))
    };
    let recording = match (row.try_get::<Option<String>, _>(19)?, id(20)?, row.try_get(21)?) {
        (Some(file), Some(duration_ms), Some(sha256)) => Some(Recording { file, duration_ms, sha256 }),
        (_, _, _) => None,
    };
    Ok(InboundRow {
        call: AttemptId(from_int(row.try_get(0)?)?),
        campaign: CampaignId(from_int(row.try_get(1)?)?),
        trunk: row.try_get(2)?,
        number: row.try_get(3)?,
        caller: row.try_get(4)?,
        diversion: row.try_get(5)?,
        history_info: row.try_get(6)?,
        contact: id(7)?.map(ContactId),
        task: id(8)?.map(TaskId),
        arrived_at: Utc(row.try_get(9)?),
        answered_at: at(10)?,
        bridged_at: at(11)?,
        ended_at: at(12)?,
        outcome: row.try_get::<Option<String>, _>(13)?.as_deref().map(from_word).transpose()?,
        reason: row.try_get(14)?,
        agent: row.try_get(15)?,
        talk_ms: from_int(row.try_get(16)?)?,
        disposition: row.try_get(17)?,
        note: row.try_get(18)?,
        recording,
        leg: row.try_get::<Option<String>, _>(22)?.as_deref().map(from_json).transpose()?,
        identity: row.try_get(23)?,
    })
}
