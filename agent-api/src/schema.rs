//! The business machine's types as the API document shows them. The machine itself knows no OpenAPI, so these stand
//! beside its types, are never built, and a test holds each against what the real type writes.

#![allow(missing_docs, dead_code)] // Read by the document's generator alone; the real types have the words.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// Durations are written as a whole number and a unit: `500ms`, `25s`, `30m`, `2h`, `10d`.
#[derive(ToSchema)]
#[schema(as = CampaignSpec)]
pub(crate) struct CampaignSpec {
    /// 1 to 100 characters.
    #[schema(max_length = 100)]
    pub name: String,
    pub mode: Mode,
    /// Lines per idle agent, mode `ratio` only.
    #[schema(minimum = 1.0, maximum = 10.0, default = 2.0)]
    pub ratio: Option<f64>,
    pub jurisdiction: Jurisdiction,
    /// Largest share of live answers that may be abandoned; 1 means no limit.
    #[schema(minimum = 0.0, maximum = 1.0, default = 0.03)]
    pub abandon_limit: Option<f64>,
    /// Whether the limit is to hold at every moment, not just at the end of its period; mode `predictive` only.
    #[schema(default = false)]
    pub abandon_strict: Option<bool>,
    /// From answer to agent.
    #[schema(default = "2s")]
    pub abandon_after: Option<String>,
    /// Name of a WAV file among the server's prompts; without one the campaign is never over-dialed.
    pub safe_harbour: Option<String>,
    /// At least 15s unless the jurisdiction is `none`.
    #[schema(default = "25s")]
    pub ring_timeout: Option<String>,
    #[schema(default = false)]
    pub record: Option<bool>,
    /// How long an agent may look at a contact before it is called; mode `preview` only. At most 1h.
    #[schema(default = "60s")]
    pub preview_timeout: Option<String>,
    /// What becomes of a contact on which the agent has not decided by then.
    pub preview_unanswered: Option<Unanswered>,
    /// How long a contact that was skipped is left alone.
    #[schema(default = "10m")]
    pub preview_again: Option<String>,
    /// Stop placing after this long.
    pub time_limit: Option<String>,
    /// Names of the trunks to use, in order; empty means all.
    pub trunks: Option<Vec<String>>,
    /// Users of the agents who take its calls; empty means all. An agent may take the calls of several campaigns.
    pub agents: Option<Vec<String>>,
    /// Its share of agents whom it shares with other campaigns, set against theirs.
    #[schema(minimum = 1, maximum = 100, default = 1)]
    pub weight: Option<u32>,
    pub wrap_up: Option<WrapUp>,
    /// 0s means until a side hangs up.
    #[schema(default = "0s")]
    pub talk_limit: Option<String>,
    /// ISO 3166 alpha-2.
    pub region: Option<String>,
    /// IANA zone.
    pub timezone: Option<String>,
    pub windows: Option<Vec<Window>>,
    /// When agents work; none means that those who are there are expected to stay, for eight hours at the most.
    pub shifts: Option<Vec<WorkShift>>,
    /// IANA zone of the shifts; absent means `timezone`, or UTC.
    pub shifts_timezone: Option<String>,
    pub closure: Option<ClosureSpec>,
    pub inbound: Option<InboundSpec>,
}

#[derive(ToSchema)]
#[schema(as = Mode, rename_all = "snake_case")]
pub(crate) enum Mode {
    Manual,
    Preview,
    Progressive,
    Ratio,
    Adaptive,
    Predictive,
}

#[derive(ToSchema)]
#[schema(as = Unanswered, rename_all = "snake_case")]
pub(crate) enum Unanswered {
    /// As if the agent had skipped it (the default).
    Skip,
    Call,
}

#[derive(ToSchema)]
#[schema(as = PreviewChoice, rename_all = "snake_case")]
pub(crate) enum PreviewChoice {
    /// Call it now.
    Call,
    /// Not now: it is shown again later, to whoever is free then.
    Skip,
}

#[derive(ToSchema)]
#[schema(as = Jurisdiction, rename_all = "snake_case")]
pub(crate) enum Jurisdiction {
    Us,
    Uk,
    Ca,
    Au,
    De,
    Fr,
    In,
    Cn,
    None,
}

/// `"agent"`: the agent records a disposition. `{"script": ...}`: it is recorded by itself.
#[derive(ToSchema)]
#[schema(as = WrapUp, rename_all = "snake_case")]
pub(crate) enum WrapUp {
    Script { after: String, disposition: String },
    Agent,
}

#[derive(ToSchema)]
#[schema(as = Window)]
pub(crate) struct Window {
    pub days: Vec<Day>,
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM` up to `24:00`, later than `from`.
    pub to: String,
}

#[derive(ToSchema)]
#[schema(as = WorkShift)]
pub(crate) struct WorkShift {
    pub days: Vec<Day>,
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM` up to `24:00`, later than `from`. A break divides a shift in two.
    pub to: String,
    /// Users of the agents who work it; empty means everybody whom no shift names.
    pub agents: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[schema(as = Day, rename_all = "snake_case")]
pub(crate) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(ToSchema)]
#[schema(as = ClosureSpec)]
pub(crate) struct ClosureSpec {
    #[schema(minimum = 1, maximum = 100, default = 3)]
    pub attempts_max: Option<u32>,
    #[schema(default = "10d")]
    pub within: Option<String>,
    /// Dispositions that close the task as a success.
    pub success: Option<Vec<String>>,
    /// Delay before the next attempt, by outcome.
    pub retry: Option<BTreeMap<String, String>>,
    /// Delay after an answer whose callee left before an agent was there.
    pub callee_left: Option<String>,
}

/// Callers of the campaign's numbers: who takes them.
#[derive(ToSchema)]
#[schema(as = InboundSpec)]
pub(crate) struct InboundSpec {
    /// E.164 with `+`; none means that nobody can call.
    pub numbers: Option<Vec<String>>,
    /// Whether the owner of the caller's contact is tried first.
    #[schema(default = true)]
    pub owner: Option<bool>,
    /// Whether anybody else of the campaign's agents takes the call.
    #[schema(default = true)]
    pub team: Option<bool>,
    /// From the first ring to the agent, then the message; at most 150s.
    #[schema(default = "30s")]
    pub wait_max: Option<String>,
    /// Name of a WAV file among the server's prompts: what a caller hears whom nobody could take.
    pub message: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = CampaignState, rename_all = "snake_case")]
pub(crate) enum CampaignState {
    Draft,
    Running,
    Paused,
    Stopping,
    Ended,
}

#[derive(ToSchema)]
#[schema(as = AgentState, rename_all = "snake_case")]
pub(crate) enum AgentState {
    Offline,
    Unreachable,
    Engaged,
    Break,
    Ready,
    Reserved,
    Talking,
    WrapUp,
}

/// What became of a call from outside.
#[derive(ToSchema)]
#[schema(as = InboundOutcome, rename_all = "snake_case")]
pub(crate) enum InboundOutcome {
    Talked,
    Message,
    NoAgent,
    Left,
    Failed,
    Interrupted,
}

#[derive(ToSchema)]
#[schema(as = Outcome, rename_all = "snake_case")]
pub(crate) enum Outcome {
    Answered,
    Abandoned,
    Machine,
    Busy,
    NoAnswer,
    Rejected,
    InvalidNumber,
    Congestion,
    Failed,
    Cancelled,
    Interrupted,
}

#[derive(ToSchema)]
#[schema(as = Attribution, rename_all = "snake_case")]
pub(crate) enum Attribution {
    Callee,
    Trunk,
    Network,
    Us,
}

#[derive(ToSchema)]
#[schema(as = Role, rename_all = "snake_case")]
pub(crate) enum Role {
    Admin,
    Operator,
    Agent,
}

/// `form_opened`: the disposition form was opened. `finishing`: talk or wrap-up is about to end.
#[derive(ToSchema)]
#[schema(as = AgentSignal, rename_all = "snake_case")]
pub(crate) enum AgentSignal {
    FormOpened,
    Finishing,
}

#[derive(ToSchema)]
#[schema(as = Reason)]
pub(crate) struct Reason {
    pub bound: Bound,
    /// Agents waiting for a call.
    pub agents_free: u32,
    /// Lines that may still need an agent.
    pub lines_out: u32,
    /// Lines the policy wanted in all.
    pub lines_wanted: u32,
    /// From a policy that makes one.
    pub forecast: Option<Forecast>,
}

/// What bound a decision.
#[derive(ToSchema)]
#[schema(as = Bound, rename_all = "snake_case")]
pub(crate) enum Bound {
    Policy,
    Agents,
    Risk,
    Ramp,
    Budget,
    NoSafeHarbour,
    Lines,
    CallsPerSecond,
    Supply,
    Manual,
}

/// What was expected, the calls of the decision included.
#[derive(ToSchema)]
#[schema(as = Forecast)]
pub(crate) struct Forecast {
    /// Seconds until which answers and free agents are counted.
    pub horizon_s: f64,
    pub answers: f64,
    pub answers_deviation: f64,
    pub agents: f64,
    pub agents_deviation: f64,
    /// Probability that the answer of one more call finds no agent in time.
    pub risk: f64,
    /// The highest such probability accepted now.
    pub risk_accepted: f64,
    /// Live answers that may find no agent, 99.9% quantile.
    pub exposure: f64,
    /// Abandoned calls that the limit still allows, exposure included; negative: overdrawn.
    pub allowance: f64,
}

/// Which SIP messages a call was made of. No number, no name of a customer and no credentials are in it.
#[derive(ToSchema)]
#[schema(as = Ladder)]
pub(crate) struct Ladder {
    /// The attempt or inbound call; absent for a call from outside that was refused at once.
    pub call: Option<u64>,
    /// When the first message was there: real milliseconds since 1970.
    pub began_at: i64,
    /// Whether the call has ended.
    pub ended: bool,
    /// Who took part.
    pub parties: Vec<LadderParty>,
    /// In order.
    pub messages: Vec<LadderMessage>,
    /// How many messages were not kept.
    pub left_out: u32,
    /// How many of `messages` come before those.
    pub left_out_after: u32,
}

/// One address in one dialog.
#[derive(ToSchema)]
#[schema(as = LadderParty)]
pub(crate) struct LadderParty {
    pub role: LadderRole,
    /// Name of the trunk, or user of the agent.
    pub name: String,
    /// Address and port.
    pub address: String,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    pub call_id: String,
}

#[derive(ToSchema)]
#[schema(as = LadderRole, rename_all = "snake_case")]
pub(crate) enum LadderRole {
    Trunk,
    Phone,
}

#[derive(ToSchema)]
#[schema(as = LadderMessage)]
pub(crate) struct LadderMessage {
    /// Milliseconds since `began_at`.
    pub at_ms: u32,
    pub way: LadderWay,
    /// Index in `parties`.
    pub party: u8,
    /// Of the request, or of the one that is answered.
    pub method: String,
    /// Of a response.
    pub status: Option<u16>,
    /// Number of the CSeq.
    pub cseq: u32,
    /// The same was there shortly before: a repetition, or an answer of another fork.
    pub again: bool,
    /// Codecs and direction of a session description, cause of a Reason; may be empty.
    pub note: String,
}

#[derive(ToSchema)]
#[schema(as = LadderWay, rename_all = "snake_case")]
pub(crate) enum LadderWay {
    Sent,
    Received,
}

/// Times are milliseconds since 1970, campaign time.
#[derive(ToSchema)]
#[schema(as = LiveView)]
pub(crate) struct LiveView {
    pub at: i64,
    /// Campaign seconds per real second.
    pub speed: u32,
    pub campaigns: Vec<CampaignView>,
    pub agents: Vec<AgentView>,
    /// Latest endings, newest first; at most 20.
    pub recent: Vec<EndingView>,
    /// Trunks, in the order of the file.
    pub trunks: Vec<TrunkView>,
}

#[derive(ToSchema)]
#[schema(as = TrunkView)]
pub(crate) struct TrunkView {
    pub name: String,
    /// Whether it takes calls, caps apart.
    pub up: bool,
    /// Lines in use.
    pub lines: u32,
    pub lines_max: u32,
    pub caps: Vec<CapView>,
}

/// One cap of a trunk, and what calls that have ended have used of it.
#[derive(ToSchema)]
#[schema(as = CapView)]
pub(crate) struct CapView {
    pub of: CapOf,
    /// A UTC month; else a UTC day.
    pub month: bool,
    /// Millionths of the currency, or milliseconds of talk.
    pub used: u64,
    /// The same.
    pub most: u64,
    /// May be empty.
    pub currency: String,
}

#[derive(ToSchema)]
#[schema(as = CapOf, rename_all = "snake_case")]
pub(crate) enum CapOf {
    Spend,
    Talk,
}

/// What bounds the calls being placed right now, in parts.
#[derive(ToSchema)]
#[schema(as = Standing)]
pub(crate) struct Standing {
    pub cause: Cause,
    /// With the cause `decision` alone.
    pub decision: Option<Reason>,
    /// Agent hours ahead that the decision counted on.
    pub agent_hours_left: Option<f64>,
    /// Why no more lines are out for owners: their figures.
    pub owners: Option<Reason>,
    pub awaited: Option<Awaited>,
    /// Agents who look at a contact before it is called.
    pub agents_deciding: u64,
}

/// `not_started`: not by this process. `decision`: the pacer's, which names what bound it.
#[derive(ToSchema)]
#[schema(as = Cause, rename_all = "snake_case")]
pub(crate) enum Cause {
    NotStarted,
    Starting,
    Paused,
    Stopped,
    TimeLimit,
    NothingLeft,
    StoreUnavailable,
    Decision,
}

/// Due tasks that wait for their owners, who take no calls now.
#[derive(ToSchema)]
#[schema(as = Awaited)]
pub(crate) struct Awaited {
    pub tasks: u64,
    /// Users of owners, at most three.
    pub owners: Vec<String>,
    /// Owners that are not named.
    pub more: u64,
}

#[derive(ToSchema)]
#[schema(as = CampaignView)]
pub(crate) struct CampaignView {
    pub id: u64,
    pub name: String,
    pub state: CampaignState,
    /// What bounds the calls being placed right now.
    pub pacing_reason: String,
    pub pacing: Standing,
    pub tasks_open: u64,
    pub tasks_total: u64,
    /// Due tasks whose owner takes no calls now.
    pub tasks_waiting_for_owner: u64,
    pub placed: u64,
    pub answered: u64,
    pub bridged: u64,
    pub abandoned: u64,
    pub abandon_rate: f64,
    pub abandon_limit: f64,
    pub ringing: u64,
    pub waiting: u64,
    pub talking: u64,
    /// Whether calls from outside to its numbers are taken: from its first start on, also when it has ended.
    pub answers_callers: bool,
    /// Callers of its numbers who wait for an agent.
    pub callers_waiting: u64,
    pub calls_per_hour: f64,
    pub eta_ms: Option<u64>,
    pub answer_to_agent_p99_ms: Option<u64>,
}

#[derive(ToSchema)]
#[schema(as = AgentView)]
pub(crate) struct AgentView {
    pub user: String,
    pub state: AgentState,
    pub reason: String,
    pub since: i64,
    pub calls: u64,
    pub attempt: Option<u64>,
    /// The caller in hand, where the agent was called.
    pub inbound: Option<CallerView>,
    /// The contact that the agent is shown before it is called.
    pub preview: Option<PreviewView>,
}

#[derive(ToSchema)]
#[schema(as = CallerView)]
pub(crate) struct CallerView {
    pub campaign: u64,
    /// Absent where the list does not know the caller.
    pub contact: Option<u64>,
    pub task: Option<u64>,
    pub since: i64,
    /// What whoever signed the call is worth, as that of `GET /api/v1/inbound`.
    pub identity: String,
}

#[derive(ToSchema)]
#[schema(as = PreviewView)]
pub(crate) struct PreviewView {
    pub campaign: u64,
    pub task: u64,
    pub contact: u64,
    pub until: i64,
}

#[derive(ToSchema)]
#[schema(as = EndingView)]
pub(crate) struct EndingView {
    /// Id of the attempt or inbound call.
    pub attempt: u64,
    pub at: i64,
    /// What became of an attempt; absent for a call from outside.
    pub outcome: Option<Outcome>,
    /// What became of a call from outside; absent for an attempt.
    pub inbound: Option<InboundOutcome>,
    pub agent: Option<String>,
    pub talk_ms: u64,
    /// What whoever signed a call from outside is worth, as that of `GET /api/v1/inbound`; null of an attempt.
    pub identity: Option<String>,
}
