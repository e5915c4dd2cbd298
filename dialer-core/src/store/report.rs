//! The report of a run: `attempts.csv`, `tasks.csv`, `summary.json`, and `inbound.csv` where somebody called. Scripts rely on their columns and keys.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::read::{AttemptRow, TaskRow};
use super::sqlite::{PAGE_MAX, Store, StoreError};
use super::tally::Tally;
use super::words::Word;
use crate::id::{AttemptId, TaskId};
use crate::inbound::InboundRow;
use crate::task::TaskState;
use crate::time::Utc;

/// Columns of `attempts.csv`.
pub const ATTEMPT_COLUMNS: [&str; 19] = [
    "attempt_id",
    "task_id",
    "contact_id",
    "number",
    "trunk",
    "caller_id",
    "placed_at",
    "ringing_at",
    "answered_at",
    "bridged_at",
    "ended_at",
    "outcome",
    "sip_status",
    "attribution",
    "reason",
    "agent",
    "answer_to_agent_ms",
    "talk_ms",
    "recording",
];

/// Columns of `inbound.csv`, which is written where the campaign was called.
pub const INBOUND_COLUMNS: [&str; 21] = [
    "call_id",
    "trunk",
    "number",
    "caller",
    "contact_id",
    "task_id",
    "arrived_at",
    "answered_at",
    "bridged_at",
    "ended_at",
    "outcome",
    "reason",
    "agent",
    "talk_ms",
    "disposition",
    "note",
    "recording",
    "diversion",
    "history_info",
    "wait_ms",
    "identity",
];

/// Columns of `tasks.csv`.
pub const TASK_COLUMNS: [&str; 8] = [
    "task_id",
    "contact_id",
    "state",
    "closed_reason",
    "attempts",
    "last_outcome",
    "last_disposition",
    "next_at",
];

/// Follows them where a task has an owner.
pub const OWNER_COLUMN: &str = "owner";

/// What the store does not know of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportMeta {
    /// When this run began; an earlier start of a resumed campaign goes before it.
    pub started_at: Utc,
    /// When it ended.
    pub ended_at: Utc,
    /// Seed of order and jitter.
    pub seed: u64,
    /// Version of the program.
    pub version: String,
    /// Agents of the campaign.
    pub agents: u32,
}

/// `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// INVITEs that left.
    pub placed: u64,
    /// Answers by a person or unknown: `bridged + abandoned + callee_left`.
    pub answered: u64,
    /// Bridged to an agent.
    pub bridged: u64,
    /// Answered, and no agent came in time.
    pub abandoned: u64,
    /// Answered, and the callee hung up before an agent or a message came.
    pub callee_left: u64,
    /// `abandoned / answered`; 0 when nobody answered.
    pub abandon_rate: f64,
    /// A machine picked up.
    pub machine: u64,
    /// Busy.
    pub busy: u64,
    /// No answer.
    pub no_answer: u64,
    /// Rejected.
    pub rejected: u64,
    /// Invalid number.
    pub invalid_number: u64,
    /// Congestion.
    pub congestion: u64,
    /// Failed.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Interrupted.
    pub interrupted: u64,
    /// Tasks that are done with.
    pub tasks_closed: u64,
    /// Tasks that are not.
    pub tasks_open: u64,
    /// Open tasks that were due at the end and may be called for their owner alone; absent where no task has an owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_waiting_for_owner: Option<u64>,
    /// Agents of the campaign.
    pub agents: u32,
    /// What the agents did, all together.
    pub agent_seconds: AgentSeconds,
    /// `talking / (talking + ready + wrap_up)`; 0 when nobody was there.
    pub utilisation: f64,
    /// Real milliseconds from the answer to the first agent audio.
    pub answer_to_agent_ms: Percentiles,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// Seed of order and jitter.
    pub seed: u64,
    /// Version of the program.
    pub version: String,
}

/// Seconds that agents spent in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentSeconds {
    /// Ready or reserved.
    pub ready: f64,
    /// Talking.
    pub talking: f64,
    /// In wrap-up.
    pub wrap_up: f64,
    /// On break or unreachable while signed on.
    pub away: f64,
}

/// Percentiles by nearest rank; `None` of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50: Option<u64>,
    /// 90th.
    pub p90: Option<u64>,
    /// 99th.
    pub p99: Option<u64>,
    /// Greatest.
    pub max: Option<u64>,
}

impl Percentiles {
    /// Of these values, in any order.
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        // Nearest rank: the smallest value with at least so many percent of all at or below it.
        let rank =
            |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self { p50: rank(50), p90: rank(90), p99: rank(99), max: values.last().copied() }
    }
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the files into `directory`, each complete or not at all.
pub async fn write_report(store: &Store, directory: &Path, meta: ReportMeta) -> Result<Summary, ReportError> {
    let mut tally = Tally::default();
    let mut waits = Vec::new();
    let mut attempts = Table::begin(directory.join("attempts.csv"), &ATTEMPT_COLUMNS)?;
    let mut after = AttemptId(0);
    loop {
        let page = store.attempts(None, after, PAGE_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.attempt;
        for row in &page {
            tally.add(row.into(), 1);
            waits.extend(row.answer_to_agent_ms);
            attempts.write(&attempt_cells(row))?;
        }
    }
    attempts.finish()?;

    let (mut tasks_open, mut tasks_closed, mut tasks_waiting_for_owner) = (0, 0, 0);
    let owned = store.has_owners().await?;
    let columns: Vec<&str> = TASK_COLUMNS.into_iter().chain(owned.then_some(OWNER_COLUMN)).collect();
    let mut tasks = Table::begin(directory.join("tasks.csv"), &columns)?;
    let mut after = TaskId(0);
    loop {
        let page = store.tasks(None, after, PAGE_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.task;
        for row in &page {
            match row.state {
                TaskState::Open => tasks_open += 1,
                TaskState::Closed(_) => tasks_closed += 1,
            }
            let due = row.next_at.is_some_and(|at| at <= meta.ended_at);
            tasks_waiting_for_owner += u64::from(due && row.owner.is_some());
            let owner = owned.then(|| row.owner.clone().unwrap_or_default());
            tasks.write(&task_cells(row).into_iter().chain(owner).collect::<Vec<_>>())?;
        }
    }
    tasks.finish()?;

    write_inbound(store, directory).await?;
    let agent_seconds = agent_seconds(store).await?;
    let attended = agent_seconds.talking + agent_seconds.ready + agent_seconds.wrap_up;
    let first_start = store.campaigns_started_at().await?.unwrap_or(meta.started_at);
    let summary = Summary {
        placed: tally.placed,
        answered: tally.answered,
        bridged: tally.bridged,
        abandoned: tally.abandoned,
        callee_left: tally.callee_left,
        abandon_rate: share(tally.abandoned as f64, tally.answered as f64),
        machine: tally.machine,
        busy: tally.busy,
        no_answer: tally.no_answer,
        rejected: tally.rejected,
        invalid_number: tally.invalid_number,
        congestion: tally.congestion,
        failed: tally.failed,
        cancelled: tally.cancelled,
        interrupted: tally.interrupted,
        tasks_closed,
        tasks_open,
        tasks_waiting_for_owner: owned.then_some(tasks_waiting_for_owner),
        agents: meta.agents,
        agent_seconds,
        utilisation: share(agent_seconds.talking, attended),
        answer_to_agent_ms: Percentiles::of(waits),
        started_at: rfc_3339(first_start.min(meta.started_at)),
        ended_at: rfc_3339(meta.ended_at),
        seed: meta.seed,
        version: meta.version,
    };
    write_summary(directory.join("summary.json"), &summary)?;
    Ok(summary)
}

/// Writes `inbound.csv`; nothing where nobody has called.
async fn write_inbound(store: &Store, directory: &Path) -> Result<(), ReportError> {
    let mut page = store.inbound_calls(AttemptId(0), PAGE_MAX).await?;
    if page.is_empty() {
        return Ok(());
    }
    let mut calls = Table::begin(directory.join("inbound.csv"), &INBOUND_COLUMNS)?;
    while let Some(last) = page.last() {
        let after = last.call;
        for row in &page {
            let external_id = match row.contact {
                Some(contact) => store.external_id(contact).await?,
                None => String::new(),
            };
            calls.write(&inbound_cells(row, external_id))?;
        }
        page = store.inbound_calls(after, PAGE_MAX).await?;
    }
    calls.finish()
}

async fn agent_seconds(store: &Store) -> Result<AgentSeconds, StoreError> {
    let mut seconds = AgentSeconds::default();
    for time in store.agent_time().await?.values() {
        seconds.ready += time.ready_ms as f64 / 1_000.0;
        seconds.talking += time.talking_ms as f64 / 1_000.0;
        seconds.wrap_up += time.wrap_up_ms as f64 / 1_000.0;
        seconds.away += time.away_ms as f64 / 1_000.0;
    }
    Ok(seconds)
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn attempt_cells(row: &AttemptRow) -> [String; ATTEMPT_COLUMNS.len()] {
    let talked = row.bridged_at.is_some() && row.outcome.is_some();
    [
        row.attempt.to_string(),
        row.task.to_string(),
        row.external_id.clone(),
        row.number.clone(),
        row.trunk.clone(),
        row.caller_id.clone(),
        time(row.placed_at),
        time(row.ringing_at),
        time(row.answered_at),
        time(row.bridged_at),
        time(row.ended_at),
        row.outcome.map_or("", Word::word).to_owned(),
        text(row.sip_status),
        row.attribution.map_or("", Word::word).to_owned(),
        row.reason.clone(),
        row.agent.clone().unwrap_or_default(),
        text(row.answer_to_agent_ms),
        text(talked.then_some(row.talk_ms)),
        row.recording.as_ref().map_or_else(String::new, |recording| recording.file.clone()),
    ]
}

fn inbound_cells(row: &InboundRow, external_id: String) -> [String; INBOUND_COLUMNS.len()] {
    let heard = row.answered_at.or(row.ended_at);
    let waited = heard.map(|at| at.since(row.arrived_at).as_millis());
    [
        row.call.to_string(),
        row.trunk.clone(),
        row.number.clone(),
        row.caller.clone().unwrap_or_default(),
        external_id,
        text(row.task),
        time(Some(row.arrived_at)),
        time(row.answered_at),
        time(row.bridged_at),
        time(row.ended_at),
        row.outcome.map_or("", Word::word).to_owned(),
        row.reason.clone(),
        row.agent.clone().unwrap_or_default(),
        text(row.bridged_at.and(row.ended_at).map(|_| row.talk_ms)),
        row.disposition.clone().unwrap_or_default(),
        row.note.clone(),
        row.recording.as_ref().map_or_else(String::new, |recording| recording.file.clone()),
        row.diversion.clone(),
        row.history_info.clone(),
        text(waited),
        row.identity.clone(),
    ]
}

fn task_cells(row: &TaskRow) -> [String; TASK_COLUMNS.len()] {
    let (state, closed_reason) = match row.state {
        TaskState::Open => ("open", ""),
        TaskState::Closed(reason) => ("closed", reason.word()),
    };
    [
        row.task.to_string(),
        row.external_id.clone(),
        state.to_owned(),
        closed_reason.to_owned(),
        row.attempts.to_string(),
        row.last_outcome.map_or("", Word::word).to_owned(),
        row.last_disposition.clone().unwrap_or_default(),
        // A task that was never tried is due from the start, at no time of its own.
        time(row.next_at.filter(|at| *at > Utc(0))),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn time(at: Option<Utc>) -> String {
    at.map_or_else(String::new, rfc_3339)
}

/// RFC 3339, UTC, milliseconds.
pub fn rfc_3339(at: Utc) -> String {
    // Out of range only after the year 9999 or so; then the number itself says more than nothing.
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.3}"))
}

/// A CSV file under a temporary name until it is complete. Cells are written as they are, for scripts.
struct Table {
    path: PathBuf,
    csv: csv::Writer<File>,
}

impl Table {
    fn begin(path: PathBuf, columns: &[&str]) -> Result<Self, ReportError> {
        let file = File::create(unfinished(&path)).map_err(|source| failed(&path, source))?;
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(columns).map_err(|error| failed(&path, error.into()))?;
        Ok(Self { path, csv })
    }

    fn write(&mut self, cells: &[String]) -> Result<(), ReportError> {
        self.csv.write_record(cells).map_err(|error| failed(&self.path, error.into()))
    }

    fn finish(self) -> Result<(), ReportError> {
        let path = self.path;
        let file = self.csv.into_inner().map_err(|error| failed(&path, error.into_error()))?;
        put_in_place(file, &path).map_err(|source| failed(&path, source))
    }
}

fn write_summary(path: PathBuf, summary: &Summary) -> Result<(), ReportError> {
    let write = || {
        let mut out = BufWriter::new(File::create(unfinished(&path))?);
        serde_json::to_writer_pretty(&mut out, summary)?;
        out.write_all(b"\n")?;
        put_in_place(out.into_inner().map_err(std::io::IntoInnerError::into_error)?, &path)
    };
    write().map_err(|source| failed(&path, source))
}

fn put_in_place(file: File, path: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    std::fs::rename(unfinished(path), path)
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("unfinished")
}

fn failed(path: &Path, source: std::io::Error) -> ReportError {
    ReportError::File { path: path.to_owned(), source }
}
