//! What the dialer is told. A closed set of values.

use std::time::Duration;

use crate::agent::AgentCommand;
use crate::campaign::CampaignCommand;
use crate::id::{AttemptId, CampaignId, RequestId, Ticket};
use crate::inbound::{KnownCaller, Offered};
use crate::store::read::{Fetched, Recovered};
use crate::store::write::{CallDialog, CallRoute, Refusal};
use crate::trunk::Room;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// What the store held when the process started. The first input.
    Recovered(Recovered),
    /// A batch is durable, or was refused as a whole.
    Stored {
        /// The batch.
        ticket: Ticket,
        /// Durable, or why not.
        result: Result<(), Refusal>,
    },
    /// Answer to [`crate::output::Output::Fetch`].
    Fetched {
        /// The campaign.
        campaign: CampaignId,
        /// What is due; [`Fetched::open`] is `u64::MAX` where the store could not say.
        fetched: Fetched,
    },
    /// Room on the trunks; told before every decision.
    Room(Room),
    /// A line is held for the attempt.
    Reserved {
        /// The attempt.
        attempt: AttemptId,
        /// Identifiers to be recorded before placing.
        route: CallRoute,
    },
    /// The INVITE failed on its trunk before anything rang; a line of another trunk is held instead.
    Diverted {
        /// The attempt.
        attempt: AttemptId,
        /// How the trunk before failed.
        failure: Failure,
        /// Identifiers to be recorded before placing.
        route: CallRoute,
    },
    /// No line for the attempt now.
    Busy {
        /// The attempt.
        attempt: AttemptId,
    },
    /// No trunk may call the attempt's number; another time will be no better.
    NotAllowed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A trunk calls a number; answered at once by [`crate::output::Output::Ring`] or [`crate::output::Output::Refuse`].
    Offered(Offered),
    /// Answer to [`crate::output::Output::FindCaller`].
    CallerFound {
        /// The call.
        call: AttemptId,
        /// What the list knows; `None` where it does not, or could not be read.
        known: Option<KnownCaller>,
    },
    /// The INVITE left.
    Placed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The callee's phone rings.
    Ringing {
        /// The attempt.
        attempt: AttemptId,
        /// Whether a session came with it: an announcement, or the ringing tone.
        early_media: bool,
    },
    /// The callee picked up.
    Answered {
        /// The attempt.
        attempt: AttemptId,
        /// To be recorded, so that a restart can end the call.
        dialog: CallDialog,
    },
    /// The call ended without an answer.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        failure: Failure,
    },
    /// An answered call ended.
    Ended {
        /// The attempt.
        attempt: AttemptId,
        /// By whom.
        by: EndedBy,
        /// Short stable word.
        reason: String,
    },
    /// Callee and agent hear each other from now on.
    Connected {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The agent could not be joined; the call is still up.
    ConnectFailed {
        /// The attempt.
        attempt: AttemptId,
        /// The agent that was asked.
        agent: String,
    },
    /// The agent's phone left a connected call; the callee is still there.
    AgentLeft {
        /// The attempt.
        attempt: AttemptId,
    },
    /// An agent has handed a connected call over to a colleague, who has it from now on.
    HandedOver {
        /// The attempt, or the inbound call.
        attempt: AttemptId,
        /// The colleague.
        agent: String,
    },
    /// First agent audio reached the callee.
    AgentHeard {
        /// The attempt.
        attempt: AttemptId,
        /// Real (not campaign) time since the answer.
        after_answer: Duration,
    },
    /// The safe-harbour message began to play.
    MessageStarted {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A recording was closed, or failed.
    Recorded {
        /// The attempt.
        attempt: AttemptId,
        /// File name relative to the report's directory, length, SHA-256; or the fault.
        recording: Result<Recording, String>,
    },
    /// The agent's phone can take calls.
    AgentReachable {
        /// The agent's user.
        agent: String,
        /// Persistent leg to be recorded.
        leg: Option<CallDialog>,
    },
    /// The agent's phone is about to be called for its persistent leg; to be recorded.
    AgentLegCalling {
        /// The agent's user.
        agent: String,
        /// Identifiers of its INVITE.
        route: CallRoute,
    },
    /// The agent's persistent leg is another one from now on; to be recorded in place of the one before.
    AgentLegMoved {
        /// The agent's user.
        agent: String,
        /// Identifiers of its INVITE.
        route: CallRoute,
        /// What ends it.
        leg: CallDialog,
    },
    /// A further leg of an agent's phone is up; to be recorded until it is over.
    LineUp {
        /// Identifiers of its INVITE.
        route: CallRoute,
        /// What ends it.
        leg: CallDialog,
    },
    /// It need not be recorded any more.
    LineOver {
        /// Its Call-ID.
        call_id: String,
    },
    /// The agent's phone is a colleague's: who asks for advice over it, or is about to hand a customer over. Until the agent is
    /// reachable or unreachable.
    AgentEngaged {
        /// The agent's user.
        agent: String,
    },
    /// The agent's phone can't take calls.
    AgentUnreachable {
        /// The agent's user.
        agent: String,
    },
    /// Which device of a user is called first from now on; to be recorded.
    Preferred {
        /// User.
        user: String,
        /// The device; `None`: whichever the file names.
        device: Option<String>,
    },
    /// What is new of the trunks' numbers; to be recorded.
    Numbers(Vec<crate::store::write::NumberRow>),
    /// A phone registered; to be recorded.
    Registered(crate::store::write::BindingRow),
    /// A binding ended; to be removed.
    Unregistered {
        /// User.
        user: String,
        /// What it was known by among the bindings of its user.
        binding: String,
    },
    /// An operator's or script's request about campaigns.
    Campaign {
        /// Named in the reply.
        request: RequestId,
        /// What is asked.
        command: CampaignCommand,
    },
    /// An agent's request.
    Agent {
        /// Named in the reply.
        request: RequestId,
        /// What is asked.
        command: AgentCommand,
    },
    /// Nothing happened but time.
    Timeout,
}

/// A closed recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// File name relative to the report's directory.
    pub file: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Why a call ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A final SIP status of 300..699.
    Status(u16),
    /// The same with a Q.850 cause of 1..127 from the network behind the carrier.
    Caused {
        /// 300..699.
        status: u16,
        /// 1..127.
        cause: u8,
    },
    /// We cancelled it.
    Cancelled,
    /// No response at all.
    Timeout,
    /// The carrier can't be reached.
    Transport,
    /// It could not be sent in time.
    Expired,
    /// Its media could not be used.
    Media,
    /// We had no port for it.
    Ports,
    /// Nobody signed who calls, and without it is not made.
    Unsigned,
}

/// Who ended an answered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The callee's side.
    Callee,
    /// We, by an output.
    Us,
    /// The agent's phone.
    Agent,
    /// The dialog was lost.
    Network,
}
