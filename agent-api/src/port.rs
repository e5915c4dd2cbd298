//! The one way from the API to the dialer. The binary implements [`Port`] over channels; tests implement it in
//! memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use carillon_core::agent::AgentCommand;
use carillon_core::attempt::outcome::{Attribution, Outcome};
use carillon_core::campaign::CampaignState;
use carillon_core::campaign::decisions::Decided;
use carillon_core::campaign::spec::CampaignSpec;
use carillon_core::id::{AttemptId, CampaignId, ContactId, TaskId};
use carillon_core::inbound::InboundRow;
use carillon_core::ladder::Ladder;
use carillon_core::live::LiveView;
use carillon_core::output::Refused;
use carillon_core::time::Utc;
use futures::future::BoxFuture;
use tokio::sync::watch;

/// Answer of the port, later.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, PortError>>;

/// Everything the API can ask of the dialer and its store.
///
/// A method that changes something answers when the change is durable. Every method answers in bounded time: a
/// dialer that doesn't answer within a few seconds is [`PortError::Unavailable`].
pub trait Port: Send + Sync + 'static {
    /// Makes a campaign in state `draft`.
    fn create_campaign(&self, spec: CampaignSpec) -> Reply<'_, CampaignId>;

    /// All campaigns, by id.
    fn campaigns(&self) -> Reply<'_, Vec<Campaign>>;

    /// One campaign; [`PortError::Unknown`] when there is none.
    fn campaign(&self, id: CampaignId) -> Reply<'_, Campaign>;

    /// Starts, pauses or stops a campaign.
    fn command_campaign(&self, id: CampaignId, action: CampaignAction) -> Reply<'_, ()>;

    /// The newest decisions of a campaign's pacer, newest first, at most `limit`; [`PortError::Unknown`] when there is no
    /// such campaign.
    fn decisions(&self, id: CampaignId, limit: u32) -> Reply<'_, Vec<Decided>>;

    /// Adds the good rows of a CSV to the campaign's list and tells about the bad ones.
    fn import_contacts(&self, id: CampaignId, csv: Bytes) -> Reply<'_, ImportReport>;

    /// Something for the phone of agent `user` to register with for `life`, made for the sign-in of this number;
    /// [`PortError::Unknown`] when there is no such agent.
    fn phone_token(&self, user: String, session: u64, life: Duration) -> Reply<'_, PhoneToken>;

    /// A sign-in of `user` has ended: what was registered with its tokens is gone, and no more can be.
    fn end_phone_session(&self, user: String, session: u64) -> Reply<'_, ()>;

    /// The registered phones of agent `user`, in the order in which they are called; [`PortError::Unknown`] when there is no such
    /// agent.
    fn devices(&self, user: String) -> Reply<'_, Devices>;

    /// Has the device with this instance called first; `None`: whichever the configuration names. Kept over restarts; durable a moment
    /// after the answer.
    fn prefer_device(&self, user: String, instance: Option<String>) -> Reply<'_, ()>;

    /// Ends what a device has registered, by [`Device::key`].
    fn end_device(&self, user: String, key: String) -> Reply<'_, ()>;

    /// Carries out what an agent asks for.
    fn command_agent(&self, command: AgentCommand) -> Reply<'_, ()>;

    /// What is known of a contact; [`PortError::Unknown`] when there is none.
    fn contact(&self, id: ContactId) -> Reply<'_, Contact>;

    /// Attempts by id, newest first, at most `query.limit`.
    fn attempts(&self, query: AttemptQuery) -> Reply<'_, Vec<Attempt>>;

    /// Calls from outside by number, newest first, at most `query.limit`.
    fn inbound(&self, query: AttemptQuery) -> Reply<'_, Vec<InboundRow>>;

    /// One attempt; [`PortError::Unknown`] when there is none.
    fn attempt(&self, id: AttemptId) -> Reply<'_, Attempt>;

    /// The messages of a call, by its number or by the Call-ID of one of its dialogs; [`PortError::Unknown`] when nothing is
    /// kept of it.
    fn ladder(&self, call: String) -> Reply<'_, Ladder>;

    /// How the parts of the process are.
    fn health(&self) -> BoxFuture<'_, Health>;

    /// The newest live view; agents are read from it too.
    fn live(&self) -> watch::Receiver<Arc<LiveView>>;

    /// Metrics in Prometheus text format.
    fn metrics(&self) -> String;
}

/// A contact as its list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The contact.
    pub id: ContactId,
    /// Its id in the list.
    pub external_id: String,
    /// Name; may be empty.
    pub name: String,
    /// E.164 with `+`; the API masks it where the right to see it is missing.
    pub number: String,
    /// IANA zone, its own or the campaign's.
    pub timezone: Option<String>,
    /// User of the agent who alone may take its calls.
    pub owner: Option<String>,
    /// The list's other columns.
    pub fields: BTreeMap<String, String>,
    /// Attempts at it so far.
    pub attempts: u32,
}

/// What a phone registers with instead of its password. Never shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneToken {
    /// Digest user.
    pub username: String,
    /// Digest password.
    pub password: String,
    /// Realm of the registrar.
    pub realm: String,
    /// When it runs out.
    pub expires_at: Utc,
    /// How long that is.
    pub expires_in: Duration,
}

impl std::fmt::Debug for PhoneToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The phones of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// The instance of the one that is to be called first, whether it is registered or not.
    pub preferred: Option<String>,
    /// Whether that was chosen; else the configuration says so.
    pub chosen: bool,
    /// In the order in which they are called.
    pub devices: Vec<Device>,
    /// Lines of them that are up or ring, as another phone names them to take them over (RFC 3891).
    pub lines: Vec<String>,
}

/// A phone of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What stands for it; tells where it is where it has no instance.
    pub key: String,
    /// Its `+sip.instance`.
    pub instance: Option<String>,
    /// Whether it is the one to be called first.
    pub preferred: bool,
    /// Its registrations, at least one.
    pub registrations: Vec<Registration>,
}

/// One registration of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Which flow of the device (RFC 5626).
    pub reg_id: Option<u32>,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Where it is; the API masks it where the right to see it is missing.
    pub address: SocketAddr,
    /// How long it holds.
    pub expires_in: Duration,
    /// Whether it answered when it was called last, or was not called since it registered.
    pub reachable: bool,
    /// It came with a token of the API and ends with it.
    pub with_token: bool,
}

/// What can be asked of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignAction {
    /// Start or resume placing.
    Start,
    /// Place nothing for now.
    Pause,
    /// Place nothing any more; live calls end by themselves.
    Stop,
}

/// A campaign and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its state.
    pub state: CampaignState,
    /// What it is.
    pub spec: CampaignSpec,
}

/// What became of an uploaded list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// New contacts.
    pub imported: u64,
    /// Rows of contacts already in the list; nothing changed.
    pub duplicates: u64,
    /// Bad rows; nothing of them was kept.
    pub rejected: u64,
    /// The first bad rows; at most [`REJECTED_ROWS_MAX`].
    pub rejected_rows: Vec<RejectedRow>,
}

/// Most bad rows told about in one report.
pub const REJECTED_ROWS_MAX: usize = 1_000;

/// A bad row of an uploaded list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Line in the uploaded text, from 1.
    pub line: u64,
    /// Column, where one is to blame.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
}

/// Which attempts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptQuery {
    /// Of this campaign only.
    pub campaign: Option<CampaignId>,
    /// Bridged to this agent only.
    pub agent: Option<String>,
    /// Older than this one.
    pub before: Option<AttemptId>,
    /// Most attempts wanted, at least 1, at most [`ATTEMPTS_PAGE_MAX`] and one more.
    pub limit: u32,
}

/// Most attempts in one page.
pub const ATTEMPTS_PAGE_MAX: u32 = 500;

/// One attempt as the report shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The attempt.
    pub id: AttemptId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The task it served.
    pub task: TaskId,
    /// The person.
    pub contact: ContactId,
    /// E.164 with `+`; the API masks it where the right to see it is missing.
    pub number: String,
    /// Trunk it went through.
    pub trunk: String,
    /// Number shown.
    pub caller_id: String,
    /// When the INVITE left.
    pub placed_at: Option<Utc>,
    /// When it rang.
    pub ringing_at: Option<Utc>,
    /// When it was answered.
    pub answered_at: Option<Utc>,
    /// When callee and agent were joined.
    pub bridged_at: Option<Utc>,
    /// When it ended.
    pub ended_at: Option<Utc>,
    /// What became of it, once it has ended.
    pub outcome: Option<Outcome>,
    /// Final SIP status.
    pub sip_status: Option<u16>,
    /// Whose doing it was, once it has ended.
    pub attribution: Option<Attribution>,
    /// Short stable word; empty while it is up.
    pub reason: String,
    /// The agent's user, if bridged.
    pub agent: Option<String>,
    /// Real milliseconds from answer to first agent audio.
    pub answer_to_agent_ms: Option<u64>,
    /// Talk time in campaign milliseconds.
    pub talk_ms: u64,
    /// What the agent recorded.
    pub disposition: Option<String>,
    /// File of the recording.
    pub recording: Option<String>,
}

/// How the parts of the process are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The store takes writes.
    pub store: Part,
    /// The gateway listens.
    pub sip: Part,
    /// The dialer answers.
    pub dialer: Part,
}

/// How one part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Does its work.
    Up,
    /// Doesn't; one short sentence without numbers or secrets.
    Down(String),
}

impl Health {
    /// Whether every part does its work.
    pub fn is_ready(&self) -> bool {
        [&self.store, &self.sip, &self.dialer].into_iter().all(|part| *part == Part::Up)
    }
}

/// Why the dialer did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No such thing; names it.
    #[error("{0}")]
    Unknown(String),
    /// Its state does not allow it.
    #[error("{0}")]
    State(String),
    /// The request is wrong; says where.
    #[error("{0}")]
    Invalid(String),
    /// A limit is reached; the same may work later.
    #[error("{0}")]
    Full(String),
    /// Dialer or store did not answer or could not make it durable.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Refused> for PortError {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Unknown(_) => Self::Unknown(text),
            Refused::State(_) => Self::State(text),
            Refused::Invalid(_) => Self::Invalid(text),
            Refused::Full(_) => Self::Full(text),
            Refused::Store => Self::Unavailable(text),
        }
    }
}
