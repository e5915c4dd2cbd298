//! RTP: relay between two legs, silence, prompts, recording, telephone events. Pure; threads are in `io`.

pub mod dtmf;
pub mod engine;
pub mod g711;
pub mod prompt;
pub mod record;
pub mod relay;
mod resample;
pub mod rtcp;
pub mod rtp;
pub mod silence;
pub mod source;
mod stream;
#[cfg(test)]
pub(crate) mod tone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{CallId, StreamId};
use prompt::Prompt;

/// Audio codecs we relay (RFC 3551: static payload types 0 and 8, 8 kHz, 20 ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711 A-law, payload type 8.
    #[serde(rename = "PCMA")]
    Pcma,
}

/// What the media threads are told, in order, by the gateway.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Bind RTP on `local` and RTCP on the next port.
    Open {
        /// New stream.
        stream: StreamId,
        /// Even port.
        local: SocketAddr,
        /// SSRC, first sequence number and first timestamp of what we send.
        origin: Origin,
    },
    /// Learn where the peer wants RTP and in which format. May come again (re-INVITE).
    SetRemote {
        /// The stream.
        stream: StreamId,
        /// What was negotiated.
        remote: Remote,
    },
    /// Start (or stop) continuous silence whenever nothing else is to be sent.
    Silence {
        /// The stream.
        stream: StreamId,
        /// On or off.
        on: bool,
    },
    /// Splice two streams.
    Splice {
        /// The call, for events.
        call: CallId,
        /// Customer's stream.
        customer: StreamId,
        /// Agent's stream.
        agent: StreamId,
        /// When the customer's 200 arrived (monotonic); the first agent packet is measured from here.
        answered_at: Duration,
        /// Stereo WAV to write.
        record: Option<PathBuf>,
    },
    /// The customer hears another agent from now on; what is recorded goes on. The stream that was spliced with the customer's, if
    /// one was, goes back to silence.
    HandOver {
        /// The call.
        call: CallId,
        /// Customer's stream.
        customer: StreamId,
        /// The other agent's stream.
        agent: StreamId,
    },
    /// Part two streams; what is recorded is closed.
    Unsplice {
        /// The call.
        call: CallId,
        /// Customer's stream.
        customer: StreamId,
        /// Agent's stream.
        agent: StreamId,
    },
    /// The stream's peer has pressed a key without saying so in RTP: whoever it is spliced with gets it as telephone events, if
    /// they take any. Let go where the peer sends such events itself.
    Digit {
        /// The stream.
        stream: StreamId,
        /// The key.
        digit: dtmf::Digit,
    },
    /// Play a prompt once to the stream's peer, then report.
    Play {
        /// The call.
        call: CallId,
        /// Customer's stream.
        stream: StreamId,
        /// What to play.
        prompt: Arc<Prompt>,
    },
    /// Close the sockets.
    Close {
        /// The stream.
        stream: StreamId,
    },
}

/// Where an outgoing RTP stream starts. Random, from the gateway's secure generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Synchronisation source.
    pub ssrc: u32,
    /// First sequence number.
    pub sequence: u16,
    /// First timestamp.
    pub timestamp: u32,
}

/// What the peer negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Address in the peer's SDP; packets may come from elsewhere until the source is locked.
    pub address: SocketAddr,
    /// Codec both sides use.
    pub codec: Codec,
    /// Payload type of telephone-event at the peer, if it takes any.
    pub telephone_event: Option<u8>,
    /// Whether we may send (peer is not `sendonly` or `inactive`).
    pub send: bool,
    /// Whether the peer sends.
    pub receive: bool,
}

/// What the media threads tell the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The ports could not be bound.
    OpenFailed {
        /// The stream.
        stream: StreamId,
    },
    /// First agent packet of a splice left for the customer.
    AgentHeard {
        /// The call.
        call: CallId,
        /// Since `answered_at`.
        after_answer: Duration,
    },
    /// First packet of a prompt left.
    PromptStarted {
        /// The call.
        call: CallId,
    },
    /// The prompt was sent to its end.
    PromptFinished {
        /// The call.
        call: CallId,
    },
    /// A recording was closed.
    Recorded {
        /// The call.
        call: CallId,
        /// What was written, or why not.
        recording: Result<RecordingDone, String>,
    },
    /// Nothing came from the peer for a long time while it should send.
    Lost {
        /// The stream.
        stream: StreamId,
    },
}

/// A closed recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingDone {
    /// The file.
    pub path: PathBuf,
    /// Length of the audio.
    pub duration_ms: u64,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}
