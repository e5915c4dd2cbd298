//! Bodies of requests and answers, where they are not the business machine's own types.

use std::collections::BTreeMap;

use carillon_core::agent::{AgentSignal, AgentState, PreviewChoice};
use carillon_core::attempt::outcome::{Attribution, Outcome};
use carillon_core::campaign::CampaignState;
use carillon_core::campaign::decisions::{Decided, Reason};
use carillon_core::campaign::spec::CampaignSpec;
use carillon_core::live::{AgentView, CallerView, PreviewView};
use carillon_core::time::Utc;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::mask::mask;
use crate::port;
use crate::rights::Role;
use crate::schema;

/// Who wants to sign in.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// A session that was opened.
#[derive(Clone, Serialize, ToSchema)]
pub struct SignedIn {
    /// Sent as `Authorization: Bearer TOKEN`; browsers get it as a cookie besides.
    pub token: String,
    /// Seconds without a request after which the session ends.
    pub idle_s: u64,
    /// Who signed in.
    #[serde(flatten)]
    pub person: PersonBody,
}

/// What a phone in a browser registers with. Good for a few minutes, and only while its agent is signed in.
#[derive(Clone, Serialize, ToSchema)]
pub struct PhoneTokenBody {
    /// User part of the phone's address of record.
    pub user: String,
    /// Digest user; differs from `user`.
    pub username: String,
    /// Digest password.
    pub password: String,
    /// Digest realm.
    pub realm: String,
    /// When it runs out, RFC 3339.
    pub expires_at: String,
    /// Whole seconds until then. The registration ends with it; ask for another one before.
    pub expires_in_s: u64,
    /// Where the phone connects to, the best first; empty where the service listens for no WebSockets.
    pub websockets: Vec<String>,
}

/// Who is signed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PersonBody {
    /// Name.
    pub user: String,
    /// What they may do.
    #[schema(value_type = schema::Role)]
    pub role: Role,
}

/// A campaign and where it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CampaignBody {
    /// Its id.
    pub id: u64,
    /// Its state.
    #[schema(value_type = schema::CampaignState)]
    pub state: CampaignState,
    /// What it is.
    #[schema(value_type = schema::CampaignSpec)]
    pub spec: CampaignSpec,
}

impl From<port::Campaign> for CampaignBody {
    fn from(campaign: port::Campaign) -> Self {
        Self { id: campaign.id.0, state: campaign.state, spec: campaign.spec }
    }
}

/// All campaigns.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CampaignList {
    /// By id.
    pub items: Vec<CampaignBody>,
}

/// What became of an uploaded list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportBody {
    /// New contacts.
    pub imported: u64,
    /// Rows of contacts already in the list.
    pub duplicates: u64,
    /// Bad rows.
    pub rejected: u64,
    /// The first bad rows, at most 1,000.
    pub rejected_rows: Vec<RejectedRowBody>,
}

/// A bad row of an uploaded list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RejectedRowBody {
    /// Line in the uploaded text, from 1.
    pub line: u64,
    /// Column, where one is to blame.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
}

impl From<port::ImportReport> for ImportBody {
    fn from(report: port::ImportReport) -> Self {
        let row = |row: port::RejectedRow| RejectedRowBody {
            line: row.line,
            column: row.column,
            reason: row.reason,
        };
        Self {
            imported: report.imported,
            duplicates: report.duplicates,
            rejected: report.rejected,
            rejected_rows: report.rejected_rows.into_iter().take(port::REJECTED_ROWS_MAX).map(row).collect(),
        }
    }
}

/// An agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentBody {
    /// User, the same as the phone's.
    pub user: String,
    /// State.
    #[schema(value_type = schema::AgentState)]
    pub state: AgentState,
    /// Reason of a break; empty without one.
    pub reason: String,
    /// Since when, RFC 3339 UTC; absent for one who has not signed on yet.
    pub since: Option<String>,
    /// Bridged calls so far.
    pub calls: u64,
    /// The attempt in hand, or the inbound call: both are counted together.
    pub attempt: Option<u64>,
    /// The caller in hand, where the agent was called.
    pub inbound: Option<CallerBody>,
    /// The contact that the agent is shown before it is called; details under `preview`.
    pub preview: Option<ShownBody>,
}

/// A caller whom an agent has in hand.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CallerBody {
    /// Whose number was called.
    pub campaign: u64,
    /// Who calls; absent where the list does not know them.
    pub contact: Option<u64>,
    /// Their task.
    pub task: Option<u64>,
    /// When it began to ring, RFC 3339 UTC.
    pub since: String,
    /// What whoever signed the call is worth, as that of `GET /api/v1/inbound`.
    pub identity: String,
}

impl From<&CallerView> for CallerBody {
    fn from(view: &CallerView) -> Self {
        Self {
            campaign: view.campaign.0,
            contact: view.contact.map(|contact| contact.0),
            task: view.task.map(|task| task.0),
            since: rfc3339(view.since),
            identity: view.identity.clone(),
        }
    }
}

/// Which contact an agent is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ShownBody {
    /// Whose campaign.
    pub campaign: u64,
    /// The task that a call would serve.
    pub task: u64,
    /// The contact.
    pub contact: u64,
    /// Until when the agent may decide, RFC 3339 UTC.
    pub until: String,
}

impl From<&PreviewView> for ShownBody {
    fn from(view: &PreviewView) -> Self {
        Self {
            campaign: view.campaign.0,
            task: view.task.0,
            contact: view.contact.0,
            until: rfc3339(view.until),
        }
    }
}

/// A contact that an agent is shown before it is called.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewBody {
    /// Whose campaign.
    pub campaign: u64,
    /// The task that a call would serve.
    pub task: u64,
    /// The contact.
    pub contact: u64,
    /// Until when the agent may decide, RFC 3339 UTC.
    pub until: String,
    /// The contact's id in the list.
    pub id: String,
    /// Name; may be empty.
    pub name: String,
    /// Number, masked unless the right to see it is there.
    pub number: String,
    /// IANA zone.
    pub timezone: Option<String>,
    /// User of the agent who alone may take its calls.
    pub owner: Option<String>,
    /// The list's other columns.
    pub fields: BTreeMap<String, String>,
    /// Attempts at it so far.
    pub attempts: u32,
}

impl PreviewBody {
    /// `numbers`: whether the number is shown in full.
    pub(crate) fn new(shown: &PreviewView, contact: port::Contact, numbers: bool) -> Self {
        let ShownBody { campaign, task, contact: id, until } = shown.into();
        Self {
            campaign,
            task,
            contact: id,
            until,
            id: contact.external_id,
            name: contact.name,
            number: if numbers { contact.number } else { mask(&contact.number) },
            timezone: contact.timezone,
            owner: contact.owner,
            fields: contact.fields,
            attempts: contact.attempts,
        }
    }
}

/// What an agent decides about the contact shown.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceBody {
    /// Whose contact; another one may be shown meanwhile, and then nothing is done.
    pub task: u64,
    /// What is to be done.
    #[schema(value_type = schema::PreviewChoice)]
    pub choice: PreviewChoice,
}

impl From<&AgentView> for AgentBody {
    fn from(view: &AgentView) -> Self {
        Self {
            user: view.user.clone(),
            state: view.state,
            reason: view.reason.clone(),
            since: Some(rfc3339(view.since)),
            calls: view.calls,
            attempt: view.attempt.map(|attempt| attempt.0),
            inbound: view.inbound.as_deref().map(CallerBody::from),
            preview: view.preview.as_deref().map(ShownBody::from),
        }
    }
}

impl AgentBody {
    /// An agent who has not signed on since the process started.
    pub(crate) fn offline(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            state: AgentState::Offline,
            reason: String::new(),
            since: None,
            calls: 0,
            attempt: None,
            inbound: None,
            preview: None,
        }
    }
}

/// All agents.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentList {
    /// By user.
    pub items: Vec<AgentBody>,
}

/// The state an agent wants to be in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentWish {
    /// What is wanted.
    pub state: WantedState,
    /// Reason of a break, shown to supervisors; at most 100 characters.
    #[serde(default)]
    pub reason: String,
}

/// States that can be asked for; the others come about by calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WantedState {
    /// Sign on; ready as soon as the phone can be reached.
    SignedOn,
    /// Sign off; refused while talking.
    Offline,
    /// On break; after the call when there is one.
    Break,
    /// Back from break, or out of wrap-up once a disposition is recorded.
    Ready,
}

/// What an agent records after (or during) a call.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DispositionBody {
    /// The attempt it is about.
    pub attempt: u64,
    /// 1 to 100 characters.
    pub disposition: String,
    /// Free text, at most 2,000 characters.
    #[serde(default)]
    pub note: String,
}

/// What an agent tells.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalBody {
    /// How far they are.
    #[schema(value_type = schema::AgentSignal)]
    pub signal: AgentSignal,
}

/// Which decisions are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DecisionsAsked {
    /// Most decisions wanted; 100 unless said otherwise.
    #[param(minimum = 1, maximum = 2000)]
    pub limit: Option<u32>,
}

/// Decisions of a campaign's pacer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DecisionList {
    /// Newest first.
    pub items: Vec<DecisionBody>,
}

/// How many calls were placed at a time, and why.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    /// Its number, for `carillon replay --decision`. Decisions that told nothing new are counted and not listed.
    pub number: u64,
    /// When, RFC 3339 UTC with milliseconds.
    pub at: String,
    /// Calls to place.
    pub place: u32,
    /// Why this many, in one sentence.
    pub why: String,
    /// The figures behind it.
    #[schema(value_type = schema::Reason)]
    pub reason: Reason,
    /// Agent hours ahead that it counted on; absent where it counted on none.
    pub agent_hours_left: Option<f64>,
}

impl From<Decided> for DecisionBody {
    fn from(decided: Decided) -> Self {
        Self {
            number: decided.number,
            at: rfc3339(decided.at),
            place: decided.place,
            why: decided.sentence(),
            reason: decided.reason,
            agent_hours_left: decided.agent_hours_left,
        }
    }
}

/// Which attempts are wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AttemptsAsked {
    /// Of this campaign only.
    pub campaign: Option<u64>,
    /// Bridged to this agent only.
    pub agent: Option<String>,
    /// Most attempts wanted; 100 unless said otherwise.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A page of attempts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttemptPage {
    /// Newest first.
    pub items: Vec<AttemptBody>,
    /// Where the next page starts; absent on the last one.
    pub next_cursor: Option<String>,
}

/// One attempt. Times are RFC 3339 UTC with milliseconds, absent where it never happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[allow(missing_docs)] // Named as in the report; docs/CAMPAIGN_FILE.md explains each.
pub struct AttemptBody {
    pub id: u64,
    pub campaign: u64,
    pub task: u64,
    pub contact: u64,
    /// In full for those who may see numbers, else like `+1555•••0001`.
    pub number: String,
    pub trunk: String,
    pub caller_id: String,
    pub placed_at: Option<String>,
    pub ringing_at: Option<String>,
    pub answered_at: Option<String>,
    pub bridged_at: Option<String>,
    pub ended_at: Option<String>,
    #[schema(value_type = Option<schema::Outcome>)]
    pub outcome: Option<Outcome>,
    pub sip_status: Option<u16>,
    #[schema(value_type = Option<schema::Attribution>)]
    pub attribution: Option<Attribution>,
    pub reason: String,
    pub agent: Option<String>,
    pub answer_to_agent_ms: Option<u64>,
    pub talk_ms: u64,
    pub disposition: Option<String>,
    pub recording: Option<String>,
}

impl AttemptBody {
    /// Shows an attempt to somebody who may (`numbers`) or may not see numbers.
    pub(crate) fn new(attempt: port::Attempt, numbers: bool) -> Self {
        Self {
            id: attempt.id.0,
            campaign: attempt.campaign.0,
            task: attempt.task.0,
            contact: attempt.contact.0,
            number: if numbers { attempt.number } else { mask(&attempt.number) },
            trunk: attempt.trunk,
            caller_id: attempt.caller_id,
            placed_at: attempt.placed_at.map(rfc3339),
            ringing_at: attempt.ringing_at.map(rfc3339),
            answered_at: attempt.answered_at.map(rfc3339),
            bridged_at: attempt.bridged_at.map(rfc3339),
            ended_at: attempt.ended_at.map(rfc3339),
            outcome: attempt.outcome,
            sip_status: attempt.sip_status,
            attribution: attempt.attribution,
            reason: attempt.reason,
            agent: attempt.agent,
            answer_to_agent_ms: attempt.answer_to_agent_ms,
            talk_ms: attempt.talk_ms,
            disposition: attempt.disposition,
            recording: attempt.recording,
        }
    }
}

/// How the process is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HealthBody {
    /// `ready` or `not_ready`.
    pub status: String,
    /// The store: `up`, or what is wrong.
    pub store: String,
    /// The gateway: `up`, or what is wrong.
    pub sip: String,
    /// The dialer: `up`, or what is wrong.
    pub dialer: String,
}

/// RFC 3339 UTC with milliseconds; instants no calendar holds are shown as its last one.
pub(crate) fn rfc3339(at: Utc) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::MAX);
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(rfc3339(Utc(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Utc(1_760_000_000_123)), "2025-10-09T08:53:20.123Z");
        assert!(rfc3339(Utc(i64::MAX)).starts_with("9999-"));
    }
}
