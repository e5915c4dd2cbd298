//! A database opened for looking back: read only, beside a service that may be running on it.
//!
//! It takes no lock, writes nothing and holds no transaction for longer than one question, so that the service notices
//! nothing of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection, Row};

use super::reads::{from_json, from_word};
use super::schema::{BUSY_TIMEOUT, SCHEMAS};
use super::{StoreError, from_int, int};
use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::spec::CampaignSpec;
use crate::id::{CampaignId, TaskId};
use crate::store::read::TrunkTalk;
use crate::store::write::{JournalPart, NumberRow};
use crate::time::Utc;
use crate::trunk::names_in;

/// Most attempts that are looked at: the newest.
pub const PAST_ATTEMPTS_MAX: u32 = 300_000;

/// A database opened for looking back.
pub struct Archive {
    connection: SqliteConnection,
}

/// A campaign of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCampaign {
    /// Its id.
    pub campaign: CampaignId,
    /// Its spec.
    pub spec: CampaignSpec,
}

/// What rehearsal looks at in an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct PastAttempt {
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its task.
    pub task: TaskId,
    /// When it was decided on.
    pub intent_at: Utc,
    /// When the callee picked up.
    pub answered_at: Option<Utc>,
    /// When it was joined with an agent.
    pub bridged_at: Option<Utc>,
    /// When it ended.
    pub ended_at: Option<Utc>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Whose doing that was.
    pub attribution: Option<Attribution>,
    /// The agent's user.
    pub agent: Option<String>,
    /// When the agent's word on it was recorded.
    pub disposed_at: Option<Utc>,
}

impl Archive {
    /// Opens a database that another process may have open. Errors: no such file, no database of ours, a later schema.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let foreign = || StoreError::Foreign { path: path.to_owned() };
        let mut connection = match options.connect().await {
            Ok(connection) => connection,
            // Without its journal and in a folder that can't be written the database is as it is.
            Err(_) if path.is_file() && !is_journaled(path) => {
                let unchanging = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
                unchanging.disable_statement_logging().connect().await.map_err(|_| foreign())?
            }
            Err(error) => return Err(error.into()),
        };
        let version = match sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await {
            Ok(row) => usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX),
            Err(sqlx::Error::Database(error)) if error.message().contains("not a database") => {
                return Err(foreign());
            }
            Err(error) => return Err(error.into()),
        };
        let tables: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM sqlite_master WHERE name IN ('campaigns', 'attempts', 'dispositions')",
        )
        .fetch_one(&mut connection)
        .await?;
        if tables != 3 {
            return Err(foreign());
        }
        if version > SCHEMAS.len() {
            return Err(StoreError::Newer { found: version, known: SCHEMAS.len() });
        }
        Ok(Self { connection })
    }

    /// All campaigns, by id.
    pub async fn campaigns(&mut self) -> Result<Vec<PastCampaign>, StoreError> {
        let rows = sqlx::query("SELECT campaign, spec FROM campaigns ORDER BY campaign")
            .fetch_all(&mut self.connection)
            .await?;
        let campaign = |row: &SqliteRow| {
            let campaign = CampaignId(from_int(row.try_get(0)?)?);
            Ok(PastCampaign { campaign, spec: from_json(row.try_get(1)?)? })
        };
        rows.iter().map(campaign).collect()
    }

    /// The newest attempts of all campaigns down to the oldest of `campaign` that is looked at, newest first: of other
    /// campaigns only those that reached an agent. Says first whether there are older ones.
    pub async fn past(&mut self, campaign: CampaignId) -> Result<(bool, Vec<PastAttempt>), StoreError> {
        let mut reader = self.connection.begin().await?;
        let own = "SELECT attempt FROM attempts WHERE campaign = $1 ORDER BY attempt DESC LIMIT 1 OFFSET $2";
        let oldest = sqlx::query_scalar::<_, i64>(own)
            .bind(int(campaign.0))
            .bind(i64::from(PAST_ATTEMPTS_MAX))
            .fetch_optional(&mut *reader)
            .await?;
        let rows = sqlx::query(
            "SELECT campaign, attempts.task, intent_at, answered_at, bridged_at, ended_at, outcome, attribution,
                 attempts.agent, dispositions.at
             FROM attempts LEFT JOIN dispositions
                 ON dispositions.attempt = attempts.attempt AND dispositions.task = attempts.task
             WHERE attempts.attempt > $1 AND (campaign = $2 OR bridged_at IS NOT NULL)
             ORDER BY attempts.attempt DESC",
        )
        .bind(oldest.unwrap_or(-1))
        .bind(int(campaign.0))
        .fetch_all(&mut *reader)
        .await?;
        reader.commit().await?;
        let attempts = rows.iter().map(attempt).collect::<Result<_, _>>()?;
        Ok((oldest.is_some(), attempts))
    }

    /// Which trunks the numbers in the segments of a campaign's journal mean, as far as they have been written.
    pub async fn trunks(&mut self, campaign: CampaignId) -> Result<BTreeMap<u16, String>, StoreError> {
        if !self.has_table("pacer_state").await? {
            return Ok(BTreeMap::new());
        }
        let learnt = sqlx::query_scalar::<_, String>("SELECT learnt FROM pacer_state WHERE campaign = $1")
            .bind(int(campaign.0))
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(learnt.map_or_else(BTreeMap::new, |learnt| names_in(&learnt)))
    }

    /// The journal of a campaign's pacer, by segment and part; empty in a database of a version that kept none.
    pub async fn journal(&mut self, campaign: CampaignId) -> Result<Vec<JournalPart>, StoreError> {
        if !self.has_table("pacer_journal").await? {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT segment, part, at, decisions_to, body FROM pacer_journal WHERE campaign = $1 ORDER BY segment, part",
        )
        .bind(int(campaign.0))
        .fetch_all(&mut self.connection)
        .await?;
        let part = |row: &SqliteRow| {
            Ok(JournalPart {
                campaign,
                segment: from_int(row.try_get(0)?)?,
                part: row.try_get(1)?,
                at: Utc(row.try_get(2)?),
                decisions_to: from_int(row.try_get(3)?)?,
                body: row.try_get(4)?,
            })
        };
        rows.iter().map(part).collect()
    }

    /// What each trunk has carried in the day and month of `now`, by calls that have ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn trunk_talk(&mut self, now: Utc) -> Result<Vec<TrunkTalk>, StoreError> {
        super::reads::trunk_talk(&mut self.connection, now).await
    }

    /// What is known of the trunks' numbers; nothing in a database of a version that kept none.
    ///
    /// # Errors
    /// The database's.
    pub async fn numbers(&mut self) -> Result<Vec<NumberRow>, StoreError> {
        if !self.has_table("trunk_numbers").await? {
            return Ok(Vec::new());
        }
        super::reads::numbers(&mut self.connection).await
    }

    /// As [`super::Store::answered_since`], of attempts that have ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn answered_since(
        &mut self,
        trunks: &[&str],
        since: Utc,
        mut each: impl FnMut(&str, &str, Utc, Utc),
    ) -> Result<(), StoreError> {
        super::reads::answered_since(&mut self.connection, trunks, since, &mut each).await
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = $1")
            .bind(name)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(tables > 0)
    }
}

fn attempt(row: &SqliteRow) -> Result<PastAttempt, StoreError> {
    let time = |column: usize| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(Utc));
    Ok(PastAttempt {
        campaign: CampaignId(from_int(row.try_get(0)?)?),
        task: TaskId(from_int(row.try_get(1)?)?),
        intent_at: Utc(row.try_get(2)?),
        answered_at: time(3)?,
        bridged_at: time(4)?,
        ended_at: time(5)?,
        outcome: row.try_get::<Option<&str>, _>(6)?.map(from_word).transpose()?,
        attribution: row.try_get::<Option<&str>, _>(7)?.map(from_word).transpose()?,
        agent: row.try_get(8)?,
        disposed_at: time(9)?,
    })
}

/// Whether a write-ahead log with something in it lies beside the database.
fn is_journaled(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(PathBuf::from(name)).is_ok_and(|log| log.len() > 0)
}
