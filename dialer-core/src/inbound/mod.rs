//! Inbound calls (呼入): callers of a campaign's numbers, from the first ring to the agent's word.
//!
//! They are no attempts: nothing was dialed, no permit was asked, and whoever hangs up while it rings was not abandoned in the
//! sense of any law. They take an agent, a line and a disposition as attempts do.

pub(crate) mod machine;

use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::input::Recording;
use crate::store::write::OrphanRow;
use crate::time::Utc;

/// What became of an inbound call. Exactly one a call, written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundOutcome {
    /// An agent took it.
    Talked,
    /// No agent came in time, and the campaign's message was played.
    Message,
    /// No agent came in time, and the campaign has no message.
    NoAgent,
    /// The caller hung up while it rang.
    Left,
    /// It could not be carried: no port, no common codec, the network.
    Failed,
    /// We died.
    Interrupted,
}

/// A call from a trunk, as the gateway offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Named in the output that takes or refuses it.
    pub offer: u64,
    /// Name of the trunk.
    pub trunk: String,
    /// The number that is called, E.164 with `+`.
    pub number: String,
    /// Who calls, E.164 with `+`; `None` where it is withheld.
    pub caller: Option<String>,
    /// Its Diversion headers; empty without.
    pub diversion: String,
    /// Its History-Info headers; empty without.
    pub history_info: String,
    /// What whoever signed it is worth: `none`, `passed_a` to `passed_c`, or `failed_` and why.
    pub identity: String,
}

/// What a campaign's list knows of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCaller {
    /// In whose list: of several, the campaign that called the number last.
    pub campaign: CampaignId,
    /// The person.
    pub contact: ContactId,
    /// The campaign's task for them.
    pub task: TaskId,
    /// Whether it is open.
    pub open: bool,
    /// IANA zone.
    pub timezone: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first was made.
    pub first_attempt_at: Option<Utc>,
    /// User of the agent whose contact it is.
    pub owner: Option<String>,
}

/// An inbound call as it is stored and reported. Written whole at each step; what became of it is written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundRow {
    /// Its number, from the same count as attempts.
    pub call: AttemptId,
    /// Whose number was called.
    pub campaign: CampaignId,
    /// Name of the trunk.
    pub trunk: String,
    /// The number that was called, E.164 with `+`.
    pub number: String,
    /// Who called, E.164 with `+`; `None` where it was withheld.
    pub caller: Option<String>,
    /// Its Diversion headers; empty without.
    pub diversion: String,
    /// Its History-Info headers; empty without.
    pub history_info: String,
    /// What whoever signed it is worth: `none`, `passed_a` to `passed_c`, or `failed_` and why.
    pub identity: String,
    /// The caller, where the list knows them.
    pub contact: Option<ContactId>,
    /// Their task.
    pub task: Option<TaskId>,
    /// When it began to ring.
    pub arrived_at: Utc,
    /// When it was answered, by an agent or for the message.
    pub answered_at: Option<Utc>,
    /// When caller and agent heard each other.
    pub bridged_at: Option<Utc>,
    /// When it ended; `None` while it is up.
    pub ended_at: Option<Utc>,
    /// Its one outcome; `None` while it is up.
    pub outcome: Option<InboundOutcome>,
    /// Short stable word; empty while it is up.
    pub reason: String,
    /// User of the agent who took it.
    pub agent: Option<String>,
    /// Talk in milliseconds; zero while it is up, or without an agent.
    pub talk_ms: u64,
    /// The agent's word.
    pub disposition: Option<String>,
    /// Free text.
    pub note: String,
    /// Its recording.
    pub recording: Option<Recording>,
    /// What a BYE needs, while it is answered and up.
    pub leg: Option<OrphanRow>,
}
