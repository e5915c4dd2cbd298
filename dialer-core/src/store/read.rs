//! What the store gives back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::CampaignState;
use crate::campaign::spec::CampaignSpec;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::{InboundRow, KnownCaller};
use crate::input::Recording;
use crate::store::write::{BindingRow, JournalEnd, NumberRow, OrphanRow};
use crate::task::TaskState;
use crate::time::Utc;

/// A task that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The task.
    pub task: TaskId,
    /// The person.
    pub contact: ContactId,
    /// Name on screens.
    pub name: String,
    /// E.164 with `+`.
    pub number: String,
    /// IANA zone, the contact's own or the list's; `None`: not called.
    pub timezone: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first attempt was made.
    pub first_attempt_at: Option<Utc>,
    /// User of the agent who alone may take the call; `None`: any agent.
    pub owner: Option<String>,
}

/// Most tasks of each owner in one answer.
pub const OWNED_MAX: u32 = 8;
/// Tasks of an owner are counted up to this.
pub const OWNED_COUNT_MAX: u64 = 1_000;

/// Answer to [`crate::output::Output::Fetch`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Tasks without an owner that are due: longest due first, then by id. A new task is due from the start. Behind them the
    /// tasks of each owner that was asked for, at most [`OWNED_MAX`] of each.
    pub due: Vec<Due>,
    /// How many tasks of each owner are due, counted up to [`OWNED_COUNT_MAX`]; owners of open tasks alone, by user.
    pub owned: BTreeMap<String, u64>,
    /// When the next task that is not due yet falls due.
    pub next_due: Option<Utc>,
    /// Open tasks of the campaign in all, due or not.
    pub open: u64,
    /// Tasks of the campaign in all, closed ones included.
    pub total: u64,
}

/// Everything a new process must know of the last one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Highest attempt id ever used.
    pub last_attempt: u64,
    /// Highest campaign id ever used.
    pub last_campaign: u64,
    /// Campaigns.
    pub campaigns: Vec<RecoveredCampaign>,
    /// Attempts without an outcome.
    pub open_attempts: Vec<OpenAttempt>,
    /// Attempts that an earlier restart ended as interrupted, the newest [`INTERRUPTED_MAX`], newest first.
    pub interrupted: Vec<Interrupted>,
    /// Attempts that ended after a bridge and still wait for the agent's word.
    pub undisposed: Vec<Undisposed>,
    /// Inbound calls without an outcome, those that wait for the agent's word, and those that an earlier restart ended.
    pub inbound: Vec<RecoveredInbound>,
    /// Persistent agent legs that may still be up, by user.
    pub agent_legs: BTreeMap<String, OrphanRow>,
    /// Registrations.
    pub bindings: Vec<BindingRow>,
    /// What is known of the trunks' numbers, by trunk and number.
    pub numbers: Vec<NumberRow>,
    /// Which device of a user was chosen to be called first.
    pub preferred: BTreeMap<String, String>,
    /// Suppressed numbers, canonical.
    pub suppressed: Vec<String>,
    /// What each trunk has carried in this day and month, by name; those that carried nothing are not there.
    pub trunk_talk: Vec<TrunkTalk>,
}

/// How long the answered calls of a trunk lasted, ended ones alone, from answer to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkTalk {
    /// Its name.
    pub trunk: String,
    /// Since midnight UTC.
    pub today: Duration,
    /// Since the first of the month, UTC.
    pub month: Duration,
}

/// An inbound call that an earlier process left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredInbound {
    /// As it was.
    pub row: InboundRow,
    /// What the list knows of the caller now.
    pub known: Option<KnownCaller>,
}

/// Most interrupted attempts that a new process is told of.
pub const INTERRUPTED_MAX: usize = 20_000;

/// A campaign as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveredCampaign {
    /// Its id.
    pub campaign: CampaignId,
    /// Its spec.
    pub spec: CampaignSpec,
    /// Its state.
    pub state: CampaignState,
    /// When it first started.
    pub started_at: Option<Utc>,
    /// How long it had been placing calls.
    pub elapsed: Duration,
    /// Live answers. Counts every attempt that was answered, those of `open_attempts` included.
    pub answered: u64,
    /// Attempts abandoned, and those interrupted after the answer and before the bridge. Those of `open_attempts` are
    /// not in it yet.
    pub abandoned: u64,
    /// Attempts placed.
    pub placed: u64,
    /// Bridged.
    pub bridged: u64,
    /// For the budget: what of it belongs to the present period of the abandonment limit.
    pub period: PeriodCounts,
    /// What its pacer had learnt, as it was written.
    pub learnt: Option<String>,
    /// Where the journal of its pacer ends.
    pub journal: JournalEnd,
}

/// Counts over the attempts of one period, by launch: those whose intent was formed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodCounts {
    /// Its first instant.
    pub since: Utc,
    /// As of the campaign.
    pub answered: u64,
    /// As of the campaign.
    pub abandoned: u64,
    /// Answers taken for machines.
    pub machines: u64,
}

/// An attempt that an earlier process left without an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its task.
    pub task: TaskId,
    /// Its contact.
    pub contact: ContactId,
    /// E.164 with `+`.
    pub number: String,
    /// Zone of the contact, its own or the list's.
    pub timezone: Option<String>,
    /// Attempts of the task, this one included.
    pub attempts: u32,
    /// First attempt of the task.
    pub first_attempt_at: Option<Utc>,
    /// When its intent was formed.
    pub intent_at: Utc,
    /// When it was placed, where the note of it became durable; its INVITE may have left without.
    pub placed_at: Option<Utc>,
    /// When it was answered, if it was.
    pub answered_at: Option<Utc>,
    /// When it was bridged, if it was.
    pub bridged_at: Option<Utc>,
    /// What a CANCEL or BYE needs.
    pub orphan: OrphanRow,
}

/// A call that may still be up beside those of open attempts: of an attempt that an earlier restart ended, when that process
/// died before its CANCEL or BYE was answered; or of one that went on to another trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// When its attempt was ended; of an open one, when its intent was formed.
    pub at: Utc,
    /// What a CANCEL or BYE needs.
    pub orphan: OrphanRow,
}

/// An attempt that ended after a bridge, whose task has neither disposition nor closure yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undisposed {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its task.
    pub task: TaskId,
    /// Its contact.
    pub contact: ContactId,
    /// E.164 with `+`.
    pub number: String,
    /// Zone of the contact, its own or the list's.
    pub timezone: Option<String>,
    /// Attempts of the task, this one included.
    pub attempts: u32,
    /// First attempt of the task.
    pub first_attempt_at: Option<Utc>,
    /// Who had the call.
    pub agent: String,
}

/// An attempt as reports, screens and checkers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its task.
    pub task: TaskId,
    /// Its contact.
    pub contact: ContactId,
    /// The contact's id in the uploaded list.
    pub external_id: String,
    /// E.164 with `+`.
    pub number: String,
    /// Trunk.
    pub trunk: String,
    /// Caller ID shown.
    pub caller_id: String,
    /// When the intent was formed.
    pub intent_at: Utc,
    /// When the INVITE left.
    pub placed_at: Option<Utc>,
    /// When the phone began to ring.
    pub ringing_at: Option<Utc>,
    /// When the callee picked up.
    pub answered_at: Option<Utc>,
    /// When callee and agent heard each other.
    pub bridged_at: Option<Utc>,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<Utc>,
    /// Its one outcome; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// Final SIP status.
    pub sip_status: Option<u16>,
    /// Whose doing the outcome was.
    pub attribution: Option<Attribution>,
    /// Short stable word; empty while it is open.
    pub reason: String,
    /// The user of the agent it was bridged to.
    pub agent: Option<String>,
    /// Real milliseconds from the answer to the first agent audio.
    pub answer_to_agent_ms: Option<u64>,
    /// Talk time in milliseconds; zero while open or not bridged.
    pub talk_ms: u64,
    /// Its recording.
    pub recording: Option<Recording>,
}

/// A task as reports, screens and checkers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// The task.
    pub task: TaskId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its contact.
    pub contact: ContactId,
    /// The contact's id in the uploaded list.
    pub external_id: String,
    /// Open or closed with reason.
    pub state: TaskState,
    /// Attempts so far.
    pub attempts: u32,
    /// Outcome of the last ended attempt.
    pub last_outcome: Option<Outcome>,
    /// Last disposition.
    pub last_disposition: Option<String>,
    /// When it falls due; `None` when closed, claimed or waiting for a disposition.
    pub next_at: Option<Utc>,
    /// User of the agent who alone may take its calls; `None`: any agent.
    pub owner: Option<String>,
}

/// What one agent did all day, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentTimeRow {
    /// Ready or reserved.
    pub ready_ms: u64,
    /// Talking.
    pub talking_ms: u64,
    /// In wrap-up.
    pub wrap_up_ms: u64,
    /// On break or unreachable while signed on.
    pub away_ms: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Contacts that were new; each has one new open task.
    pub added: u64,
    /// Contacts that an earlier import had brought; their details were brought up to date, their tasks left alone.
    pub known: u64,
    /// Rows that were left out.
    pub duplicates: Vec<Duplicate>,
}

/// A row that was left out because its key was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Line of the row.
    pub line: u64,
    /// Which key.
    pub key: DuplicateKey,
}

/// Keys that are unique in a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKey {
    /// The contact's id in the list.
    Id,
    /// The number, after normalising.
    Number,
}
