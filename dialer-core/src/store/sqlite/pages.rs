//! What reports and screens read: rows page by page in the order of their ids, and counts.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::reads::from_word;
use super::{Store, StoreError, from_int, int};
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::input::Recording;
use crate::store::read::{AgentTimeRow, AttemptRow, TaskRow};
use crate::store::tally::Tally;
use crate::task::TaskState;
use crate::time::Utc;

/// Most rows in a page.
pub const PAGE_MAX: u32 = 1_000;

/// Columns of an attempt, in the order in which [`attempt`] reads them.
pub(super) const ATTEMPT_COLUMNS: &str = "attempt, attempts.campaign, task, attempts.contact, external_id, number, trunk,
    caller_id, intent_at, placed_at, ringing_at, answered_at, bridged_at, ended_at, outcome, sip_status, attribution,
    reason, agent, answer_to_agent_ms, talk_ms, recording, recording_ms, recording_sha256";

/// How far a campaign has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CampaignCounters {
    /// Tasks still open.
    pub tasks_open: u64,
    /// Tasks in all.
    pub tasks_total: u64,
    /// What its attempts add up to.
    pub tally: Tally,
}

impl Store {
    /// Attempts with an id above `after`, by id, at most `limit` (capped at [`PAGE_MAX`]); of one campaign or of all.
    pub async fn attempts(
        &self,
        campaign: Option<CampaignId>,
        after: AttemptId,
        limit: u32,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        let query = format!(
            "SELECT {ATTEMPT_COLUMNS} FROM attempts JOIN contacts USING (contact)
             WHERE attempt > $1 AND ($2 IS NULL OR attempts.campaign = $2) ORDER BY attempt LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(int(after.0))
            .bind(campaign.map(|campaign| int(campaign.0)))
            .bind(i64::from(limit.min(PAGE_MAX)))
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(attempt).collect()
    }

    /// Tasks with an id above `after`, by id, at most `limit` (capped at [`PAGE_MAX`]); of one campaign or of all.
    pub async fn tasks(
        &self,
        campaign: Option<CampaignId>,
        after: TaskId,
        limit: u32,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT task, tasks.campaign, contact, external_id, closed_reason, attempts, last_outcome, disposition,
                next_at, owner
             FROM tasks JOIN contacts USING (contact)
             WHERE task > $1 AND ($2 IS NULL OR tasks.campaign = $2) ORDER BY task LIMIT $3",
        )
        .bind(int(after.0))
        .bind(campaign.map(|campaign| int(campaign.0)))
        .bind(i64::from(limit.min(PAGE_MAX)))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(task).collect()
    }

    /// How far a campaign has come. Reads all its attempts: for reports and occasional looks.
    pub async fn counters(&self, campaign: CampaignId) -> Result<CampaignCounters, StoreError> {
        let mut reader = self.readers().begin().await?;
        let counts = sqlx::query("SELECT tasks_open, tasks_total FROM campaigns WHERE campaign = $1")
            .bind(int(campaign.0))
            .fetch_optional(&mut *reader)
            .await?
            .ok_or(StoreError::UnknownCampaign(campaign))?;
        let (tally, _) = super::reads::tallies(&mut reader).await?.remove(&campaign).unwrap_or_default();
        reader.commit().await?;
        let (open, total) = (from_int(counts.try_get(0)?)?, from_int(counts.try_get(1)?)?);
        Ok(CampaignCounters { tasks_open: open, tasks_total: total, tally })
    }

    /// Whether any task may be called for one agent alone.
    pub async fn has_owners(&self) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT EXISTS (SELECT 1 FROM tasks WHERE owner IS NOT NULL)");
        Ok(found.fetch_one(self.readers()).await?.try_get(0)?)
    }

    /// When the first of all campaigns first started.
    pub async fn campaigns_started_at(&self) -> Result<Option<Utc>, StoreError> {
        let row = sqlx::query("SELECT min(started_at) FROM campaigns").fetch_one(self.readers()).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(Utc))
    }

    /// Time of each agent, by user.
    pub async fn agent_time(&self) -> Result<BTreeMap<String, AgentTimeRow>, StoreError> {
        let rows = sqlx::query("SELECT agent, ready_ms, talking_ms, wrap_up_ms, away_ms FROM agent_time")
            .fetch_all(self.readers())
            .await?;
        let time = |row: &SqliteRow| {
            let time = AgentTimeRow {
                ready_ms: from_int(row.try_get(1)?)?,
                talking_ms: from_int(row.try_get(2)?)?,
                wrap_up_ms: from_int(row.try_get(3)?)?,
                away_ms: from_int(row.try_get(4)?)?,
            };
            Ok((row.try_get(0)?, time))
        };
        rows.iter().map(time).collect()
    }
}

/// Reads [`ATTEMPT_COLUMNS`].
pub(super) fn attempt(row: &SqliteRow) -> Result<AttemptRow, StoreError> {
    let time = |column: usize| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(Utc));
    let recording = match row.try_get::<Option<String>, _>(21)? {
        None => None,
        Some(file) => {
            Some(Recording { file, duration_ms: from_int(row.try_get(22)?)?, sha256: row.try_get(23)? })
        }
    };
    Ok(AttemptRow {
        attempt: AttemptId(from_int(row.try_get(0)?)?),
        campaign: CampaignId(from_int(row.try_get(1)?)?),
        task: TaskId(from_int(row.try_get(2)?)?),
        contact: ContactId(from_int(row.try_get(3)?)?),
        external_id: row.try_get(4)?,
        number: row.try_get(5)?,
        trunk: row.try_get(6)?,
        caller_id: row.try_get(7)?,
        intent_at: Utc(row.try_get(8)?),
        placed_at: time(9)?,
        ringing_at: time(10)?,
        answered_at: time(11)?,
        bridged_at: time(12)?,
        ended_at: time(13)?,
        outcome: row.try_get::<Option<&str>, _>(14)?.map(from_word).transpose()?,
        sip_status: row.try_get(15)?,
        attribution: row.try_get::<Option<&str>, _>(16)?.map(from_word).transpose()?,
        reason: row.try_get(17)?,
        agent: row.try_get(18)?,
        answer_to_agent_ms: row.try_get::<Option<i64>, _>(19)?.map(from_int).transpose()?,
        talk_ms: from_int(row.try_get(20)?)?,
        recording,
    })
}

fn task(row: &SqliteRow) -> Result<TaskRow, StoreError> {
    let closed = row.try_get::<Option<&str>, _>(4)?.map(from_word).transpose()?;
    Ok(TaskRow {
        task: TaskId(from_int(row.try_get(0)?)?),
        campaign: CampaignId(from_int(row.try_get(1)?)?),
        contact: ContactId(from_int(row.try_get(2)?)?),
        external_id: row.try_get(3)?,
        state: closed.map_or(TaskState::Open, TaskState::Closed),
        attempts: row.try_get(5)?,
        last_outcome: row.try_get::<Option<&str>, _>(6)?.map(from_word).transpose()?,
        last_disposition: row.try_get(7)?,
        next_at: row.try_get::<Option<i64>, _>(8)?.map(Utc),
        owner: row.try_get(9)?,
    })
}
