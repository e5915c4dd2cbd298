//! What the dialer reads: everything once at the start, due tasks all day.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::statements::json;
use super::{Store, StoreError, from_int, int};
use crate::campaign::spec::CampaignSpec;
use crate::compliance::period::Period;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::store::read::{
    Due, Fetched, INTERRUPTED_MAX, Interrupted, OWNED_COUNT_MAX, OWNED_MAX, OpenAttempt, PeriodCounts,
    Recovered, RecoveredCampaign, TrunkTalk, Undisposed,
};
use crate::store::tally::{Shape, Tally};
use crate::store::words::Word;
use crate::store::write::{BindingRow, CallDialog, CallRoute, JournalEnd, NumberRow, OrphanRow};
use crate::time::{CalendarDay, Utc};

/// How many answered attempts are read at a time.
const ANSWERED_PAGE: u32 = 10_000;

impl Store {
    /// Tasks of a campaign that are due at `now`: at most `limit` without an owner, and of each of `owners`
    /// [`OWNED_MAX`]. Uses indexes only.
    pub async fn fetch(
        &self,
        campaign: CampaignId,
        limit: u32,
        owners: &[String],
        now: Utc,
    ) -> Result<Fetched, StoreError> {
        let mut reader = self.readers().begin().await?;
        let counts =
            sqlx::query(COUNTS).bind(int(campaign.0)).bind(now.0).fetch_optional(&mut *reader).await?;
        let Some(counts) = counts else {
            return Ok(Fetched::default());
        };
        let mut rows = sqlx::query(DUE)
            .bind(int(campaign.0))
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        if !owners.is_empty() {
            let owned = sqlx::query(DUE_OWNED)
                .bind(int(campaign.0))
                .bind(now.0)
                .bind(i64::from(OWNED_MAX))
                .bind(json(&owners)?);
            rows.extend(owned.fetch_all(&mut *reader).await?);
        }
        let owned = sqlx::query(OWNED)
            .bind(int(campaign.0))
            .bind(now.0)
            .bind(int(OWNED_COUNT_MAX))
            .fetch_all(&mut *reader)
            .await?;
        reader.commit().await?;
        let mut next_due = counts.try_get::<Option<i64>, _>(2)?;
        let mut counted = BTreeMap::new();
        for row in &owned {
            counted.insert(row.try_get(0)?, from_int(row.try_get(1)?)?);
            next_due = next_due.into_iter().chain(row.try_get::<Option<i64>, _>(2)?).min();
        }
        Ok(Fetched {
            due: rows.iter().map(due).collect::<Result<_, _>>()?,
            owned: counted,
            next_due: next_due.map(Utc),
            open: from_int(counts.try_get(0)?)?,
            total: from_int(counts.try_get(1)?)?,
        })
    }

    /// What a campaign has seen in a period that begins at `since`.
    pub async fn count_since(&self, campaign: CampaignId, since: Utc) -> Result<PeriodCounts, StoreError> {
        let mut reader = self.readers().acquire().await?;
        let mut counts = count_since(&mut reader, [(campaign, since)].into()).await?;
        let none = PeriodCounts { since, answered: 0, abandoned: 0, machines: 0 };
        Ok(counts.remove(&campaign).unwrap_or(none))
    }

    /// Each answered attempt of these trunks that ended after `since`: its trunk, its number, when it was answered and when it ended.
    pub async fn answered_since(
        &self,
        trunks: &[&str],
        since: Utc,
        mut each: impl FnMut(&str, &str, Utc, Utc),
    ) -> Result<(), StoreError> {
        let mut reader = self.readers().acquire().await?;
        answered_since(&mut reader, trunks, since, &mut each).await
    }

    /// What a process that starts at `now` must know.
    pub async fn recover(&self, now: Utc) -> Result<Recovered, StoreError> {
        let mut reader = self.readers().begin().await?;
        let last = sqlx::query(
            "SELECT max((SELECT coalesce(max(attempt), 0) FROM attempts), (SELECT coalesce(max(call), 0) FROM inbound)),
                    (SELECT coalesce(max(campaign), 0) FROM campaigns)",
        )
        .fetch_one(&mut *reader)
        .await?;
        let recovered = Recovered {
            last_attempt: from_int(last.try_get(0)?)?,
            last_campaign: from_int(last.try_get(1)?)?,
            campaigns: campaigns(&mut reader, now).await?,
            open_attempts: open_attempts(&mut reader).await?,
            interrupted: interrupted(&mut reader).await?,
            undisposed: undisposed(&mut reader).await?,
            inbound: super::inbound::unfinished(&mut reader).await?,
            agent_legs: agent_legs(&mut reader).await?,
            bindings: bindings(&mut reader).await?,
            numbers: numbers(&mut reader).await?,
            preferred: preferred(&mut reader).await?,
            suppressed: sqlx::query_scalar("SELECT number FROM suppressed ORDER BY number")
                .fetch_all(&mut *reader)
                .await?,
            trunk_talk: trunk_talk(&mut reader, now).await?,
        };
        reader.commit().await?;
        Ok(recovered)
    }
}

macro_rules! due {
    ($tasks:literal) => {
        concat!(
            "SELECT tasks.task, tasks.contact, contacts.name, numbers.number,
                coalesce(contacts.timezone, campaigns.timezone), tasks.attempts, tasks.first_attempt_at, tasks.owner
             FROM ",
            $tasks,
            " CROSS JOIN campaigns ON campaigns.campaign = tasks.campaign
             CROSS JOIN contacts ON contacts.contact = tasks.contact
             CROSS JOIN numbers ON numbers.contact = tasks.contact AND numbers.position = 0"
        )
    };
}

/// Longest due first. The index is named so that a change of the plan is an error and not a slow morning.
pub(super) const DUE: &str = concat!(
    due!("tasks INDEXED BY task_due"),
    " WHERE tasks.campaign = $1 AND tasks.closed_reason IS NULL AND tasks.owner IS NULL AND tasks.next_at <= $2
     ORDER BY tasks.next_at, tasks.task LIMIT $3"
);

/// The same of each owner in an array.
pub(super) const DUE_OWNED: &str = due!(
    "json_each($4) AS wanted CROSS JOIN tasks ON tasks.task IN (
        SELECT task FROM tasks INDEXED BY task_due_owned
        WHERE campaign = $1 AND owner = wanted.value AND closed_reason IS NULL AND next_at <= $2
        ORDER BY next_at, task LIMIT $3
    )"
);

/// Open tasks, all tasks, and when the next one without an owner falls due.
pub(super) const COUNTS: &str = "
    SELECT tasks_open, tasks_total, (
        SELECT min(next_at) FROM tasks INDEXED BY task_due
        WHERE campaign = $1 AND closed_reason IS NULL AND owner IS NULL AND next_at > $2
    )
    FROM campaigns WHERE campaign = $1";

/// The owners of open tasks: how many of their tasks are due, counted up to a limit, and when the next one falls due. Goes from
/// owner to owner in the index, so that the length of their lists costs nothing.
pub(super) const OWNED: &str = "
    WITH RECURSIVE owners (owner) AS (
        SELECT min(owner) FROM tasks INDEXED BY task_due_owned
        WHERE campaign = $1 AND closed_reason IS NULL AND owner IS NOT NULL
        UNION ALL
        SELECT (
            SELECT min(owner) FROM tasks INDEXED BY task_due_owned
            WHERE campaign = $1 AND closed_reason IS NULL AND owner > owners.owner
        ) FROM owners WHERE owners.owner IS NOT NULL
    )
    SELECT owners.owner, (
        SELECT count(*) FROM (
            SELECT 1 FROM tasks INDEXED BY task_due_owned
            WHERE campaign = $1 AND owner = owners.owner AND closed_reason IS NULL AND next_at <= $2 LIMIT $3
        )
    ), (
        SELECT min(next_at) FROM tasks INDEXED BY task_due_owned
        WHERE campaign = $1 AND owner = owners.owner AND closed_reason IS NULL AND next_at > $2
    )
    FROM owners WHERE owners.owner IS NOT NULL";

fn due(row: &SqliteRow) -> Result<Due, StoreError> {
    Ok(Due {
        task: TaskId(from_int(row.try_get(0)?)?),
        contact: ContactId(from_int(row.try_get(1)?)?),
        name: row.try_get(2)?,
        number: row.try_get(3)?,
        timezone: row.try_get(4)?,
        attempts: row.try_get(5)?,
        first_attempt_at: row.try_get::<Option<i64>, _>(6)?.map(Utc),
        owner: row.try_get(7)?,
    })
}

async fn campaigns(reader: &mut SqliteConnection, now: Utc) -> Result<Vec<RecoveredCampaign>, StoreError> {
    let mut tallies = tallies(reader).await?;
    let rows = sqlx::query(
        "SELECT campaign, spec, state, started_at, elapsed_ms, learnt,
             (SELECT max(segment) FROM pacer_journal WHERE pacer_journal.campaign = campaigns.campaign),
             (SELECT max(decisions_to) FROM pacer_journal WHERE pacer_journal.campaign = campaigns.campaign)
         FROM campaigns LEFT JOIN pacer_state USING (campaign) ORDER BY campaign",
    )
    .fetch_all(&mut *reader)
    .await?;
    let mut campaigns = Vec::with_capacity(rows.len());
    for row in &rows {
        let campaign = CampaignId(from_int(row.try_get(0)?)?);
        let spec: CampaignSpec = from_json(row.try_get(1)?)?;
        let started_at = row.try_get::<Option<i64>, _>(3)?.map(Utc);
        let (tally, waiting) = tallies.remove(&campaign).unwrap_or_default();
        let since = Period::of(&spec, started_at, now).since;
        campaigns.push(RecoveredCampaign {
            campaign,
            spec,
            state: from_word(row.try_get(2)?)?,
            started_at,
            elapsed: Duration::from_millis(from_int(row.try_get(4)?)?),
            answered: tally.answered + waiting,
            abandoned: tally.abandoned,
            placed: tally.placed,
            bridged: tally.bridged,
            period: PeriodCounts { since, answered: 0, abandoned: 0, machines: 0 },
            learnt: row.try_get(5)?,
            journal: JournalEnd {
                segment: from_int(row.try_get::<Option<i64>, _>(6)?.unwrap_or(0))?,
                decision: from_int(row.try_get::<Option<i64>, _>(7)?.unwrap_or(0))?,
            },
        });
    }
    let periods = campaigns.iter().map(|campaign| (campaign.campaign, campaign.period.since)).collect();
    let mut counts = count_since(reader, periods).await?;
    for campaign in &mut campaigns {
        if let Some(counts) = counts.remove(&campaign.campaign) {
            campaign.period = counts;
        }
    }
    Ok(campaigns)
}

/// Counts what belongs to the period of each campaign, in one walk over the attempts.
async fn count_since(
    reader: &mut SqliteConnection,
    periods: BTreeMap<CampaignId, Utc>,
) -> Result<BTreeMap<CampaignId, PeriodCounts>, StoreError> {
    let rows = sqlx::query(
        "WITH periods AS MATERIALIZED (SELECT CAST(key AS INTEGER) AS campaign, value AS since FROM json_each(?))
         SELECT campaign, outcome, placed_at IS NOT NULL, answered_at IS NOT NULL, bridged_at IS NOT NULL, count(*)
         FROM attempts JOIN periods USING (campaign) WHERE intent_at >= since GROUP BY 1, 2, 3, 4, 5",
    )
    .bind(json(&periods)?)
    .fetch_all(reader)
    .await?;
    let mut tallies = counted(&rows)?;
    let counts = periods.into_iter().map(|(campaign, since)| {
        let (tally, waiting) = tallies.remove(&campaign).unwrap_or_default();
        let answered = tally.answered + waiting;
        (campaign, PeriodCounts { since, answered, abandoned: tally.abandoned, machines: tally.machine })
    });
    Ok(counts.collect())
}

/// Counts per campaign, and how many open attempts were answered and not bridged.
pub(super) async fn tallies(
    reader: &mut SqliteConnection,
) -> Result<BTreeMap<CampaignId, (Tally, u64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT campaign, outcome, placed_at IS NOT NULL, answered_at IS NOT NULL, bridged_at IS NOT NULL, count(*)
         FROM attempts GROUP BY 1, 2, 3, 4, 5",
    )
    .fetch_all(reader)
    .await?;
    counted(&rows)
}

/// Rows of campaign, shape and count, added up.
fn counted(rows: &[SqliteRow]) -> Result<BTreeMap<CampaignId, (Tally, u64)>, StoreError> {
    let mut tallies: BTreeMap<CampaignId, (Tally, u64)> = BTreeMap::new();
    for row in rows {
        let shape = Shape {
            outcome: row.try_get::<Option<&str>, _>(1)?.map(from_word).transpose()?,
            placed: row.try_get(2)?,
            answered: row.try_get(3)?,
            bridged: row.try_get(4)?,
        };
        let count = from_int(row.try_get(5)?)?;
        let (tally, waiting) = tallies.entry(CampaignId(from_int(row.try_get(0)?)?)).or_default();
        tally.add(shape, count);
        if shape.waits_for_agent() {
            *waiting += count;
        }
    }
    Ok(tallies)
}

async fn open_attempts(reader: &mut SqliteConnection) -> Result<Vec<OpenAttempt>, StoreError> {
    let rows = sqlx::query(
        "SELECT attempts.attempt, attempts.campaign, task, attempts.contact, number,
            coalesce(contacts.timezone, campaigns.timezone), tasks.attempts, tasks.first_attempt_at,
            intent_at, placed_at, answered_at, bridged_at, route, dialog
         FROM attempts INDEXED BY attempt_open_contact
         JOIN calls USING (attempt) JOIN tasks USING (task)
         JOIN contacts ON contacts.contact = attempts.contact
         JOIN campaigns ON campaigns.campaign = attempts.campaign
         WHERE outcome IS NULL ORDER BY attempts.attempt",
    )
    .fetch_all(reader)
    .await?;
    let open = |row: &SqliteRow| {
        Ok(OpenAttempt {
            attempt: AttemptId(from_int(row.try_get(0)?)?),
            campaign: CampaignId(from_int(row.try_get(1)?)?),
            task: TaskId(from_int(row.try_get(2)?)?),
            contact: ContactId(from_int(row.try_get(3)?)?),
            number: row.try_get(4)?,
            timezone: row.try_get(5)?,
            attempts: row.try_get(6)?,
            first_attempt_at: row.try_get::<Option<i64>, _>(7)?.map(Utc),
            intent_at: Utc(row.try_get(8)?),
            placed_at: row.try_get::<Option<i64>, _>(9)?.map(Utc),
            answered_at: row.try_get::<Option<i64>, _>(10)?.map(Utc),
            bridged_at: row.try_get::<Option<i64>, _>(11)?.map(Utc),
            orphan: orphan(row, 12)?,
        })
    };
    rows.iter().map(open).collect()
}

pub(super) async fn answered_since(
    reader: &mut SqliteConnection,
    trunks: &[&str],
    since: Utc,
    each: &mut impl FnMut(&str, &str, Utc, Utc),
) -> Result<(), StoreError> {
    let (trunks, mut after) = (json(&trunks)?, -1_i64);
    loop {
        let rows = sqlx::query(
            "SELECT attempt, trunk, number, answered_at, ended_at FROM attempts
             WHERE attempt > $1 AND answered_at IS NOT NULL AND ended_at > $2
                 AND trunk IN (SELECT value FROM json_each($3))
             ORDER BY attempt LIMIT $4",
        )
        .bind(after)
        .bind(since.0)
        .bind(&trunks)
        .bind(i64::from(ANSWERED_PAGE))
        .fetch_all(&mut *reader)
        .await?;
        for row in &rows {
            each(row.try_get(1)?, row.try_get(2)?, Utc(row.try_get(3)?), Utc(row.try_get(4)?));
        }
        match rows.last() {
            Some(last) => after = last.try_get(0)?,
            None => return Ok(()),
        }
    }
}

pub(super) async fn trunk_talk(
    reader: &mut SqliteConnection,
    now: Utc,
) -> Result<Vec<TrunkTalk>, StoreError> {
    let CalendarDay { day, month, next: _ } = CalendarDay::of(now);
    let rows = sqlx::query(
        "SELECT trunk, sum(max(ended_at - max(answered_at, $1), 0)), sum(max(ended_at - max(answered_at, $2), 0))
         FROM attempts WHERE answered_at IS NOT NULL AND ended_at > $2 GROUP BY trunk ORDER BY trunk",
    )
    .bind(day.0)
    .bind(month.0)
    .fetch_all(reader)
    .await?;
    let length = |row: &SqliteRow, column: usize| {
        Ok::<_, StoreError>(Duration::from_millis(from_int(row.try_get(column)?)?))
    };
    let row = |row: &SqliteRow| {
        Ok(TrunkTalk { trunk: row.try_get(0)?, today: length(row, 1)?, month: length(row, 2)? })
    };
    rows.iter().map(row).collect()
}

async fn interrupted(reader: &mut SqliteConnection) -> Result<Vec<Interrupted>, StoreError> {
    let rows = sqlx::query(
        "SELECT ended_at, route, dialog FROM attempts INDEXED BY attempt_interrupted JOIN calls USING (attempt)
         WHERE outcome = 'interrupted' ORDER BY ended_at DESC LIMIT ?",
    )
    .bind(i64::try_from(INTERRUPTED_MAX).unwrap_or(i64::MAX))
    .fetch_all(&mut *reader)
    .await?;
    let diverted = sqlx::query(
        "SELECT coalesce(ended_at, intent_at), route, NULL FROM diverted_calls JOIN attempts USING (attempt)
         ORDER BY attempt, diverted_calls.rowid LIMIT ?",
    )
    .bind(i64::try_from(INTERRUPTED_MAX).unwrap_or(i64::MAX))
    .fetch_all(reader)
    .await?;
    let rows = rows.iter().chain(&diverted);
    rows.map(|row| Ok(Interrupted { at: Utc(row.try_get(0)?), orphan: orphan(row, 1)? })).collect()
}

/// The call in the columns `route` and `dialog`, which begin at `column`.
fn orphan(row: &SqliteRow, column: usize) -> Result<OrphanRow, StoreError> {
    let route: CallRoute = from_json(row.try_get(column)?)?;
    let dialog: Option<CallDialog> =
        row.try_get::<Option<&str>, _>(column + 1)?.map(from_json).transpose()?;
    Ok(OrphanRow { route, dialog })
}

async fn undisposed(reader: &mut SqliteConnection) -> Result<Vec<Undisposed>, StoreError> {
    let rows = sqlx::query(
        "WITH waiting AS (
            SELECT tasks.task FROM campaigns CROSS JOIN tasks INDEXED BY task_due
                ON tasks.campaign = campaigns.campaign AND closed_reason IS NULL AND owner IS NULL AND next_at IS NULL
            UNION ALL
            SELECT tasks.task FROM tasks INDEXED BY task_due_owned
                WHERE closed_reason IS NULL AND owner IS NOT NULL AND next_at IS NULL
         )
         SELECT attempts.attempt, attempts.campaign, tasks.task, attempts.contact, number,
            coalesce(contacts.timezone, campaigns.timezone), tasks.attempts, first_attempt_at, agent
         FROM waiting
         CROSS JOIN tasks USING (task)
         CROSS JOIN campaigns ON campaigns.campaign = tasks.campaign
         CROSS JOIN attempts ON attempts.attempt = last_attempt
         CROSS JOIN contacts ON contacts.contact = attempts.contact
         WHERE outcome IS NOT NULL AND bridged_at IS NOT NULL ORDER BY tasks.task",
    )
    .fetch_all(reader)
    .await?;
    let undisposed = |row: &SqliteRow| {
        Ok(Undisposed {
            attempt: AttemptId(from_int(row.try_get(0)?)?),
            campaign: CampaignId(from_int(row.try_get(1)?)?),
            task: TaskId(from_int(row.try_get(2)?)?),
            contact: ContactId(from_int(row.try_get(3)?)?),
            number: row.try_get(4)?,
            timezone: row.try_get(5)?,
            attempts: row.try_get(6)?,
            first_attempt_at: row.try_get::<Option<i64>, _>(7)?.map(Utc),
            agent: row.try_get::<Option<String>, _>(8)?.unwrap_or_default(),
        })
    };
    rows.iter().map(undisposed).collect()
}

async fn agent_legs(reader: &mut SqliteConnection) -> Result<BTreeMap<String, OrphanRow>, StoreError> {
    let rows = sqlx::query("SELECT agent, leg FROM agent_legs").fetch_all(reader).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, from_json(row.try_get(1)?)?))).collect()
}

async fn bindings(reader: &mut SqliteConnection) -> Result<Vec<BindingRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT user, binding, contact, address, local, bound_at, expires_at, call_id, cseq, instance, reg_id, q, path
         FROM bindings ORDER BY user, binding",
    )
    .fetch_all(reader)
    .await?;
    let binding = |row: &SqliteRow| {
        Ok(BindingRow {
            user: row.try_get(0)?,
            binding: row.try_get(1)?,
            contact: row.try_get(2)?,
            address: row.try_get(3)?,
            local: row.try_get(4)?,
            bound_at: Utc(row.try_get(5)?),
            expires_at: Utc(row.try_get(6)?),
            call_id: row.try_get(7)?,
            cseq: row.try_get(8)?,
            instance: row.try_get(9)?,
            reg_id: row.try_get(10)?,
            q: row.try_get(11)?,
            path: from_json(row.try_get(12)?)?,
        })
    };
    rows.iter().map(binding).collect()
}

async fn preferred(reader: &mut SqliteConnection) -> Result<BTreeMap<String, String>, StoreError> {
    let rows =
        sqlx::query("SELECT user, device FROM preferred_devices ORDER BY user").fetch_all(reader).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// What is known of the trunks' numbers.
pub(super) async fn numbers(reader: &mut SqliteConnection) -> Result<Vec<NumberRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT trunk, number, calls, answers, unwanted, rests_until, today, day_ends_at, shown_at
         FROM trunk_numbers ORDER BY trunk, number",
    )
    .fetch_all(reader)
    .await?;
    let number = |row: &SqliteRow| {
        Ok(NumberRow {
            trunk: row.try_get(0)?,
            number: row.try_get(1)?,
            calls: row.try_get(2)?,
            answers: row.try_get(3)?,
            unwanted: row.try_get(4)?,
            rests_until: row.try_get::<Option<i64>, _>(5)?.map(Utc),
            today: row.try_get(6)?,
            day_ends_at: Utc(row.try_get(7)?),
            shown_at: row.try_get::<Option<i64>, _>(8)?.map(Utc),
        })
    };
    rows.iter().map(number).collect()
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Value(error.to_string()))
}

/// The value of a stored word.
pub(super) fn from_word<W: Word>(word: &str) -> Result<W, StoreError> {
    W::from_word(word).ok_or_else(|| StoreError::Value(format!("`{word}` is not a word of ours")))
}
