//! What an attempt is told, and what follows: the values at the doors of its machine.

use std::time::Duration;

use carillon_pacing::AgentKey;

use super::outcome::Finding;
use crate::input::{EndedBy, Failure};
use crate::store::write::{CallDialog, CallRoute, Refusal};

/// What a campaign says of its attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// From answer to agent.
    pub abandon_after: Duration,
    /// Whether there is a safe-harbour message.
    pub message: bool,
    /// Longest ringing.
    pub ring_timeout: Duration,
    /// Longest talk; zero means until a side hangs up.
    pub talk_limit: Duration,
}

/// What happened to an attempt.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Reserved(CallRoute),
    Busy,
    /// No trunk may call the number.
    NotAllowed,
    /// A trunk could not carry it; a line of another one is held.
    Diverted(Failure, CallRoute),
    IntentStored,
    IntentRefused(Refusal),
    /// Compliance or the campaign's state refused the permit.
    PermitRefused(&'static str),
    Placed,
    Ringing {
        early_media: bool,
    },
    Answered(CallDialog),
    /// A free agent was found.
    Offered(AgentKey),
    Connected,
    ConnectFailed(AgentKey),
    /// A colleague has the call from now on.
    HandedOver(AgentKey),
    /// The agent's phone left the call, or can't be reached any more.
    AgentLost(AgentKey),
    Failed(Failure),
    Ended(EndedBy, String),
    /// An agent, or the end of the campaign, ends the talk.
    Cut(&'static str),
    /// Everything ends now.
    Abort,
    Deadline,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Record the intent.
    Intend(CallRoute),
    /// Record that it goes over another trunk.
    Divert(CallRoute),
    /// Ask for the permit and place the call.
    Place(CallRoute),
    /// Give the line back.
    Release,
    NotePlaced,
    NoteRinging,
    NoteAnswered(CallDialog),
    /// Look for a free agent, now and until `deadline`.
    Seek,
    Connect(AgentKey),
    /// Part the call from an agent.
    Disconnect,
    NoteBridged(AgentKey),
    /// A live answer found no agent; whether the agent meant for it was lost.
    NoteAbandoned {
        agent_lost: bool,
    },
    PlayMessage,
    HangUp,
    /// The agent waits again as if nothing had been.
    AgentBack(AgentKey),
    /// The agent's phone could not be joined.
    AgentFailed(AgentKey),
    /// The agent had the call.
    AgentTalked(AgentKey),
    /// It is as if the attempt had never been; nothing was recorded.
    Drop(Dropped),
    /// Record the ending.
    End(Verdict),
}

/// Why an attempt left no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// No line: the task is as good as before.
    NoLine,
    /// No trunk may call the number, now or later.
    NotAllowed,
    /// The store refused the claim.
    Refused(Refusal),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub finding: Finding,
    /// Who had the call, and for how long.
    pub talk: Option<(AgentKey, Duration)>,
}

/// Where an attempt stands, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has left yet.
    Opening,
    /// Placed, no answer yet.
    Unanswered,
    /// Answered, waiting for an agent or hearing a message.
    Waiting,
    /// With an agent.
    Talking,
    /// Its ending is being stored.
    Over,
}
