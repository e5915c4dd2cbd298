//! Ladders: which SIP messages a call was made of, as operators see them.
//!
//! Written by the gateway's side and only carried here: shown by the API, kept by the store. No number, no name of a customer
//! and no credentials are in one.

use serde::{Deserialize, Serialize};

use crate::id::AttemptId;
use crate::time::Utc;

/// The messages of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// The call; none for one from outside that was refused at once.
    pub call: Option<AttemptId>,
    /// When the first message was there. Real time, also where campaign time runs faster.
    pub began_at: Utc,
    /// Whether the call has ended.
    pub ended: bool,
    /// Who took part.
    pub parties: Vec<Party>,
    /// Messages in order.
    pub messages: Vec<Rung>,
    /// How many were not kept.
    pub left_out: u32,
    /// How many of [`Ladder::messages`] come before those that were not kept.
    pub left_out_after: u32,
}

/// Somebody who messages were exchanged with: one address in one dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// What it is.
    pub role: Role,
    /// Name of the trunk, or user of the agent.
    pub name: String,
    /// Address and port.
    pub address: String,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Call-ID of the dialog.
    pub call_id: String,
}

/// What a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A carrier.
    Trunk,
    /// An agent's phone.
    Phone,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Milliseconds since [`Ladder::began_at`].
    pub at_ms: u32,
    /// Which way it went.
    pub way: Way,
    /// Index in [`Ladder::parties`].
    pub party: u8,
    /// Method of the request, or of the one that is answered; `other` for one that is not told apart.
    pub method: String,
    /// Status of a response, none for a request.
    pub status: Option<u16>,
    /// Number of its CSeq.
    pub cseq: u32,
    /// The same was there shortly before: a repetition, or an answer of another fork.
    pub again: bool,
    /// What else is told of it: codecs and direction of a session description, cause of a Reason. May be empty.
    pub note: String,
}
