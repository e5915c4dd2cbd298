//! The simulated parties: a carrier with callees, and softphones. Pure machines that write SIP from text templates and
//! read it with plain string work, so that they are an independent peer of the gateway and not a mirror of its codec.
//!
//! Every party has the same doors: `datagram(bytes, from, now)`, `poll_output()`, `poll_timeout()` and
//! `handle_timeout(now)`. `now` is the time since start. The demo gives them sockets; the seeded world gives them
//! simulated time.

pub mod carrier;
pub mod digest;
pub mod line;
pub mod phone;
pub mod plan;
pub mod resend;
pub mod sdp;
pub mod text;
pub mod token;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 3261 §17.1.1.1: the round-trip estimate T1.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.2: T2, the longest interval between repeated requests and responses.
pub const T2: Duration = Duration::from_secs(4);
/// RFC 3261 §17: 64 × T1, after which an unanswered transaction is over.
pub const TRANSACTION_LIFE: Duration = Duration::from_secs(32);

/// The doors of every party.
pub trait Party {
    /// Takes what arrived at the party's SIP address.
    fn datagram(&mut self, bytes: &[u8], from: SocketAddr, now: Duration);
    /// The next thing to be done.
    fn poll_output(&mut self) -> Option<Output>;
    /// When [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Duration>;
    /// Does what is due.
    fn handle_timeout(&mut self, now: Duration);
}

/// What a party wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a datagram from the party's SIP address.
    Transmit {
        /// Destination.
        to: SocketAddr,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Start, change or stop audio.
    Media(Media),
    /// Something worth counting happened.
    Event(Event),
}

/// Queue of outputs, drained after every input.
pub type Outbox = VecDeque<Output>;

/// Orders to the RTP shell. `line` is unique within one party.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// Send `sound` from `local` to `remote` every 20 ms and listen there.
    Start {
        /// The line.
        line: u64,
        /// Our RTP address, as written into the SDP.
        local: SocketAddr,
        /// The peer's RTP address from its SDP.
        remote: SocketAddr,
        /// RTP payload type: 0 PCMU, 8 PCMA (RFC 3551).
        payload: u8,
        /// What to send.
        sound: Sound,
    },
    /// Send something else from now on.
    Sound {
        /// The line.
        line: u64,
        /// What to send.
        sound: Sound,
    },
    /// The line is over.
    Stop {
        /// The line.
        line: u64,
    },
}

/// What a party says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sound {
    /// The carrier's ringback tone (early media).
    Ringback,
    /// A person; the index picks the pitch of its voice.
    Person(u8),
    /// An answering machine's greeting, then its beep; the index picks the pitch.
    Machine(u8),
    /// An agent; the index picks the pitch of its voice.
    Agent(u8),
}

/// What happened at a party, for progress and statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call came in.
    Arrived {
        /// The line.
        line: u64,
        /// The called number or user.
        called: String,
    },
    /// A 180 or 183 was sent.
    Ringing {
        /// The line.
        line: u64,
    },
    /// A 200 was sent.
    Answered {
        /// The line.
        line: u64,
        /// Whether a machine did it.
        machine: bool,
    },
    /// The line ended.
    Ended {
        /// The line.
        line: u64,
        /// How.
        ending: Ending,
    },
    /// The phone is registered until it fails to refresh.
    Registered,
    /// The registrar refused, or did not answer in 32 s.
    RegisterFailed {
        /// Status of the refusal; 408 for silence.
        status: u16,
    },
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The peer sent BYE.
    PeerBye,
    /// We sent BYE and it was answered (or given up after 32 s).
    OurBye,
    /// The peer sent CANCEL before we answered.
    Cancelled,
    /// We refused with this status.
    Refused(u16),
    /// Our 200 was never acknowledged.
    NeverAcknowledged,
}
