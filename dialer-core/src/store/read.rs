//! What the store gives back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::campaign::CampaignState;
use crate::campaign::spec::CampaignSpec;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::store::write::{BindingRow, OrphanRow};
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
    /// Attempts that ended after a bridge and still wait for the agent's word.
    pub undisposed: Vec<Undisposed>,
    /// Persistent agent legs that may still be up, by user.
    pub agent_legs: BTreeMap<String, OrphanRow>,
    /// Registrations.
    pub bindings: Vec<BindingRow>,
    /// Suppressed numbers, canonical.
    pub suppressed: Vec<String>,
}

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
    /// For the budget: live answers in the current period, by launch. Counts every attempt that was answered, those
    /// of `open_attempts` included.
    pub answered: u64,
    /// For the budget: attempts abandoned, and those interrupted after the answer and before the bridge. Those of
    /// `open_attempts` are not in it yet.
    pub abandoned: u64,
    /// Attempts placed.
    pub placed: u64,
    /// Bridged.
    pub bridged: u64,
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
    /// When it was placed, if it was.
    pub placed_at: Option<Utc>,
    /// When it was answered, if it was.
    pub answered_at: Option<Utc>,
    /// When it was bridged, if it was.
    pub bridged_at: Option<Utc>,
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
