//! What the dialer asks to be made durable.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::CampaignState;
use crate::campaign::spec::CampaignSpec;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::InboundRow;
use crate::task::TaskState;
use crate::time::Utc;

/// Time between commits that dialogs cause, and so the longest that one is missing from the disk under load. What a process
/// killed within this time had answered it can't hang up later, and counts as interrupted only; so it is short. It is
/// longer than the time between two decisions of a pacer, whose intents then take the dialogs along.
pub const DIALOG_PATIENCE: Duration = Duration::from_millis(60);

/// Time between commits that endings and notes cause.
pub const NOTE_PATIENCE: Duration = Duration::from_millis(100);

/// One durable change. A batch of them is all or nothing.
///
/// Of an attempt's progress the first word counts: a second `Placed`, `Ringing`, `Answered`, `Bridged`,
/// `AgentHeard` or `Recorded` changes nothing. So does a write that names an unknown attempt or task, except that
/// `Ended` is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Create or replace a campaign.
    Campaign {
        /// Its id.
        campaign: CampaignId,
        /// Its spec.
        spec: Box<CampaignSpec>,
        /// Its state.
        state: CampaignState,
        /// When it first started, if it has.
        started_at: Option<Utc>,
        /// How long it has been placing calls, so that a resumed run keeps its time limit.
        elapsed: Duration,
    },
    /// Claim a task and record the intent to call. Refused when the number is suppressed, or the contact or the
    /// number has an open attempt, or the task is unknown, closed or has had its attempts (checked in this order).
    /// The task's attempts are counted up, its first attempt is dated and it is not due again before the next
    /// `Task` write.
    Intent(Intent),
    /// The trunk of an open attempt could not carry it, and another one is tried: what is on the wire from now on. What was
    /// before is kept until the attempt ends, since its trunk may still make it ring.
    Diverted {
        /// The attempt.
        attempt: AttemptId,
        /// What will be on the wire.
        route: CallRoute,
    },
    /// The INVITE left.
    Placed {
        /// The attempt.
        attempt: AttemptId,
        /// When.
        at: Utc,
    },
    /// The phone rings.
    Ringing {
        /// The attempt.
        attempt: AttemptId,
        /// When.
        at: Utc,
    },
    /// The callee picked up.
    Answered {
        /// The attempt.
        attempt: AttemptId,
        /// When.
        at: Utc,
        /// What a BYE needs.
        dialog: CallDialog,
    },
    /// Callee and agent hear each other.
    Bridged {
        /// The attempt.
        attempt: AttemptId,
        /// When.
        at: Utc,
        /// The agent's user.
        agent: String,
    },
    /// A bridged call was handed over: whose it is from now on.
    HandedOver {
        /// The attempt.
        attempt: AttemptId,
        /// The colleague's user.
        agent: String,
    },
    /// First agent audio after the answer, in real milliseconds.
    AgentHeard {
        /// The attempt.
        attempt: AttemptId,
        /// Real time.
        answer_to_agent: Duration,
    },
    /// A recording was closed.
    Recorded {
        /// The attempt.
        attempt: AttemptId,
        /// File relative to the report's directory.
        file: String,
        /// Length in milliseconds.
        duration_ms: u64,
        /// SHA-256, lower-case hex.
        sha256: String,
    },
    /// The terminal outcome. Written once: refused when the attempt has one.
    Ended(Ended),
    /// The agent's word on a task.
    Disposition {
        /// The attempt.
        attempt: AttemptId,
        /// The task.
        task: TaskId,
        /// The agent's user.
        agent: String,
        /// When.
        at: Utc,
        /// What was recorded.
        disposition: String,
        /// Free text.
        note: String,
    },
    /// What the rules made of a task. Attempts and last outcome are kept by `Intent` and `Ended`. A closed task
    /// stays closed: only its disposition can change.
    Task {
        /// The task.
        task: TaskId,
        /// Open or closed with reason.
        state: TaskState,
        /// When to try again, if open; `None`: not before another write says when.
        next_at: Option<Utc>,
        /// Last disposition; `None` leaves the one that is there.
        disposition: Option<String>,
    },
    /// An inbound call as it stands; replaces what was there, but for an outcome, which is written once: a row with another one
    /// changes nothing.
    Inbound(Box<InboundRow>),
    /// Time an agent spent in each state since the last such write; added up.
    AgentTime {
        /// The agent's user.
        agent: String,
        /// Ready or reserved.
        ready: Duration,
        /// Talking.
        talking: Duration,
        /// In wrap-up.
        wrap_up: Duration,
        /// On break or unreachable while signed on.
        away: Duration,
    },
    /// The persistent leg of an agent is being called or is up, or a further leg of a phone; `None` when it is gone.
    AgentLeg {
        /// The agent's user; of a further leg [`line_key`].
        agent: String,
        /// Identifiers of its INVITE and, once up, its dialog.
        leg: Option<OrphanRow>,
    },
    /// What a campaign's pacer has learnt; replaces what was there.
    PacerState {
        /// The campaign.
        campaign: CampaignId,
        /// When.
        at: Utc,
        /// As the pacer reads it back; the store does not look inside.
        learnt: String,
    },
    /// A part of the journal of a campaign's pacer; of segments more than `campaign::journal::SEGMENTS_MAX` back nothing is
    /// kept.
    Journal(JournalPart),
    /// What is known of a number that a trunk shows; replaces what was there.
    Number(NumberRow),
    /// Which device of a user is called first; replaces what was there.
    Preferred {
        /// User.
        user: String,
        /// The device; `None`: nothing is kept, and the file's is called first.
        device: Option<String>,
    },
    /// A phone registered.
    Binding(BindingRow),
    /// A binding ended.
    Unbind {
        /// User.
        user: String,
        /// [`BindingRow::binding`].
        binding: String,
    },
}

impl Write {
    /// How soon after another commit it may cause one; until then it waits for others to share it, since a commit costs more
    /// than all that is in it.
    ///
    /// An INVITE and whoever starts a campaign or registers wait for theirs.
    pub fn patience(&self) -> Duration {
        match self {
            Self::Campaign { .. }
            | Self::Intent(_)
            | Self::Diverted { .. }
            | Self::Preferred { .. }
            | Self::Binding(_)
            | Self::Unbind { .. } => Duration::ZERO,
            Self::Answered { .. } | Self::AgentLeg { .. } | Self::Inbound(_) => DIALOG_PATIENCE,
            Self::Ended(_)
            | Self::Placed { .. }
            | Self::Ringing { .. }
            | Self::Bridged { .. }
            | Self::HandedOver { .. }
            | Self::AgentHeard { .. }
            | Self::Recorded { .. }
            | Self::Disposition { .. }
            | Self::Task { .. }
            | Self::AgentTime { .. }
            | Self::PacerState { .. }
            | Self::Number(_)
            | Self::Journal(_) => NOTE_PATIENCE,
        }
    }

    /// Whether the store may refuse it for what it says, and not only for want of a disk.
    pub fn may_be_refused(&self) -> bool {
        match self {
            Self::Intent(_) | Self::Ended(_) => true,
            Self::Campaign { .. }
            | Self::Diverted { .. }
            | Self::Inbound(_)
            | Self::Placed { .. }
            | Self::Ringing { .. }
            | Self::Answered { .. }
            | Self::Bridged { .. }
            | Self::HandedOver { .. }
            | Self::AgentHeard { .. }
            | Self::Recorded { .. }
            | Self::Disposition { .. }
            | Self::Task { .. }
            | Self::AgentTime { .. }
            | Self::AgentLeg { .. }
            | Self::PacerState { .. }
            | Self::Journal(_)
            | Self::Number(_)
            | Self::Preferred { .. }
            | Self::Binding(_)
            | Self::Unbind { .. } => false,
        }
    }
}

/// What a further leg of a phone is stored under, by its Call-ID: no user has a space in their name.
pub fn line_key(call_id: &str) -> String {
    format!("{LINE} {call_id}")
}

/// Whether a leg was stored under a [`line_key`].
pub fn is_line(key: &str) -> bool {
    key.split_once(' ').is_some_and(|(word, _)| word == LINE)
}

const LINE: &str = "line";

/// A part of the journal of a campaign's pacer: what it was told and asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPart {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its segment, one after another.
    pub segment: u64,
    /// Where in the segment; the first one is 0 and holds the pacer as it was.
    pub part: u32,
    /// When its last entry was made.
    pub at: Utc,
    /// The number of the last decision up to its end.
    pub decisions_to: u64,
    /// As `campaign::replay` reads it back; the store does not look inside.
    pub body: Vec<u8>,
}

/// Where the journal of a campaign ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalEnd {
    /// Its last segment.
    pub segment: u64,
    /// The number of its last decision.
    pub decision: u64,
}

/// The intent to call, durable before the INVITE leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// New attempt.
    pub attempt: AttemptId,
    /// Whose rules.
    pub campaign: CampaignId,
    /// The task it serves.
    pub task: TaskId,
    /// The person.
    pub contact: ContactId,
    /// E.164 with `+`.
    pub number: String,
    /// When the intent was formed.
    pub at: Utc,
    /// What will be on the wire.
    pub route: CallRoute,
}

/// The terminal outcome of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The attempt.
    pub attempt: AttemptId,
    /// When it ended.
    pub at: Utc,
    /// What became of it.
    pub outcome: Outcome,
    /// Final SIP status, if there was one.
    pub sip_status: Option<u16>,
    /// Whose doing it was.
    pub attribution: Attribution,
    /// Short stable word, e.g. `callee_left`, `ring_timeout`, `bye`.
    pub reason: String,
    /// Talk time, zero when not bridged.
    pub talk: Duration,
}

/// Identifiers of an INVITE; the business machine keeps them and does not look inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CallRoute {
    pub trunk: String,
    pub caller_id: String,
    pub call_id: String,
    pub branch: String,
    pub from_tag: String,
    pub cseq: u32,
    pub request_uri: String,
    pub from_uri: String,
    pub to_uri: String,
    pub next_hop: String,
    pub local: String,
}

/// Identifiers of an answered call; kept, not looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CallDialog {
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
    pub local_uri: String,
    pub remote_uri: String,
    pub remote_target: String,
    pub route_set: Vec<String>,
    pub local_cseq: u32,
    pub next_hop: String,
    pub local: String,
}

/// A call that may still be up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanRow {
    /// Identifiers of its INVITE.
    pub route: CallRoute,
    /// Present when it was answered.
    pub dialog: Option<CallDialog>,
}

/// What is known of a number that a trunk shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRow {
    /// Name of the trunk.
    pub trunk: String,
    /// The number.
    pub number: String,
    /// Calls with it that reached the callee's network; older ones count for less.
    pub calls: u32,
    /// Of those: answered.
    pub answers: u32,
    /// Of those: hung up on at once, or refused.
    pub unwanted: u32,
    /// Until when it rests because it does far worse than the others.
    pub rests_until: Option<Utc>,
    /// Its calls in its present day.
    pub today: u32,
    /// When that day ends.
    pub day_ends_at: Utc,
    /// When it was shown last.
    pub shown_at: Option<Utc>,
}

/// One stored registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRow {
    /// User part of the address of record.
    pub user: String,
    /// What it is known by among the bindings of its user.
    pub binding: String,
    /// Contact URI.
    pub contact: String,
    /// Where requests to it are sent.
    pub address: String,
    /// Which address of which node its REGISTER came in on, and over which transport.
    pub local: String,
    /// When it was bound first.
    pub bound_at: Utc,
    /// When it ends.
    pub expires_at: Utc,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// The device, as the phone names it.
    pub instance: Option<String>,
    /// Which flow of the device.
    pub reg_id: Option<u32>,
    /// How gladly the user is called here, in thousandths.
    pub q: u16,
    /// Proxies on the way to it, the nearest first.
    pub path: Vec<String>,
}

/// Why a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The number is on a suppression list.
    #[error("number is suppressed")]
    Suppressed,
    /// The contact or the number has an open attempt.
    #[error("contact or number already has an open attempt")]
    Open,
    /// The task is closed, unknown or has had its attempts.
    #[error("task can't be claimed")]
    Task,
    /// The attempt already has its outcome.
    #[error("attempt already ended")]
    Ended,
    /// The database could not write.
    #[error("store unavailable: {0}")]
    Unavailable(String),
}
