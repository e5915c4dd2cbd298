//! What a wallboard shows: one value, the newest state, never a backlog.

use serde::{Deserialize, Serialize};

use crate::agent::AgentState;
use crate::attempt::outcome::Outcome;
use crate::campaign::CampaignState;
use crate::campaign::standing::Standing;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::InboundOutcome;
use crate::time::Utc;

/// Most recent endings kept in a view.
pub const RECENT_MAX: usize = 20;

/// The live state of the whole dialer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveView {
    /// Campaign time.
    pub at: Utc,
    /// Campaign seconds per real second.
    pub speed: u32,
    /// Campaigns, by id.
    pub campaigns: Vec<CampaignView>,
    /// Agents, by user.
    pub agents: Vec<AgentView>,
    /// Latest endings, newest first; at most [`RECENT_MAX`].
    pub recent: Vec<EndingView>,
    /// Trunks, in the order of the file; whoever runs the dialer fills them in.
    pub trunks: Vec<TrunkView>,
}

/// One campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignView {
    /// Its id.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: CampaignState,
    /// Why no more calls are being placed right now, or what bounds them: one short sentence.
    pub pacing_reason: String,
    /// The same in parts.
    pub pacing: Standing,
    /// Tasks still open.
    pub tasks_open: u64,
    /// Tasks in all.
    pub tasks_total: u64,
    /// Tasks that are due and wait for their owner, who takes no calls now; of each owner counted up to 1,000.
    pub tasks_waiting_for_owner: u64,
    /// INVITEs sent since the campaign first started.
    pub placed: u64,
    /// Live answers.
    pub answered: u64,
    /// Bridged.
    pub bridged: u64,
    /// Abandoned.
    pub abandoned: u64,
    /// `abandoned / answered`, 0..=1.
    pub abandon_rate: f64,
    /// The limit it is held against.
    pub abandon_limit: f64,
    /// Placed, no answer yet.
    pub ringing: u64,
    /// Answered and waiting for an agent or hearing a message.
    pub waiting: u64,
    /// Bridged now.
    pub talking: u64,
    /// Whether calls from outside to its numbers are taken: from its first start on, also when it has ended.
    pub answers_callers: bool,
    /// Callers of its numbers who wait for an agent.
    pub callers_waiting: u64,
    /// Placed per campaign hour, over the last five campaign minutes.
    pub calls_per_hour: f64,
    /// Campaign milliseconds until every task is likely closed; `None` while unknown.
    pub eta_ms: Option<u64>,
    /// 99th percentile of real answer-to-agent time in milliseconds; `None` before the first.
    pub answer_to_agent_p99_ms: Option<u64>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// User.
    pub user: String,
    /// State.
    pub state: AgentState,
    /// Break reason, where there is one.
    pub reason: String,
    /// Since when.
    pub since: Utc,
    /// Bridged calls so far.
    pub calls: u64,
    /// The attempt in hand.
    pub attempt: Option<AttemptId>,
    /// The caller in hand, where the agent did not call but was called.
    pub inbound: Option<Box<CallerView>>,
    /// The contact that the agent is shown before it is called.
    pub preview: Option<Box<PreviewView>>,
}

/// A caller whom an agent has in hand. Carries no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerView {
    /// Whose number was called.
    pub campaign: CampaignId,
    /// Who calls, where the list knows them.
    pub contact: Option<ContactId>,
    /// Their task.
    pub task: Option<TaskId>,
    /// When it began to ring.
    pub since: Utc,
    /// What whoever signed the call is worth: `none`, `passed_a` to `passed_c`, or `failed_` and why.
    pub identity: String,
}

/// A contact that an agent is shown. Carries no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewView {
    /// Whose campaign.
    pub campaign: CampaignId,
    /// The task that a call would serve.
    pub task: TaskId,
    /// The contact.
    pub contact: ContactId,
    /// Until when the agent may decide.
    pub until: Utc,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkView {
    /// Its name.
    pub name: String,
    /// Whether it takes calls, caps apart.
    pub up: bool,
    /// Lines in use.
    pub lines: u32,
    /// Most lines at once.
    pub lines_max: u32,
    /// Its caps.
    pub caps: Vec<CapView>,
}

/// One cap of a trunk, and what calls that have ended have used of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapView {
    /// What it is on.
    pub of: CapOf,
    /// A UTC month; else a UTC day.
    pub month: bool,
    /// Millionths of the currency, or milliseconds.
    pub used: u64,
    /// The same.
    pub most: u64,
    /// What the money is called; empty for talk, and where the file does not say.
    pub currency: String,
}

/// What a cap is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapOf {
    /// Money.
    Spend,
    /// Minutes.
    Talk,
}

/// One call that has ended. Carries no number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndingView {
    /// Its number, from the one count of attempts and calls from outside.
    pub attempt: AttemptId,
    /// When.
    pub at: Utc,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: EndingOutcome,
    /// The agent's user, if bridged.
    pub agent: Option<String>,
    /// Talk in campaign milliseconds.
    pub talk_ms: u64,
    /// What whoever signed a call from outside is worth, as that of a [`CallerView`]; `None` of an attempt.
    pub identity: Option<String>,
}

/// What became of a call, by where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingOutcome {
    /// Of an attempt.
    Outcome(Outcome),
    /// Of a call from outside.
    Inbound(InboundOutcome),
}
