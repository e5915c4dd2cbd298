//! What goes into the transaction layer at its start, and what comes out.

use std::net::SocketAddr;

use bytes::Bytes;

use super::key::TransactionKey;
use crate::message::{EncodeError, FieldError, Request, Response};
use crate::options::Timers;
use crate::transport::Local;

/// Most client transactions at once. An answered call keeps its INVITE for 32 s and its BYE for 5 s, on either side; so this is
/// room for about 1,900 bridged calls a second. What waits for repetitions only is small.
pub const CLIENTS_MAX: usize = 131_072;

/// Most server transactions at once; half of them for requests that begin something. A call from outside keeps its INVITE for 32 s,
/// and its BYE for 32 s, as every REGISTER of a phone is kept; so this is room for about 4,000 callers a second. What waits for
/// repetitions only is small.
pub const SERVERS_MAX: usize = 262_144;

/// What the layer must know before it starts.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// T1, T2 and T4.
    pub timers: Timers,
    /// Most client transactions at once; usually [`CLIENTS_MAX`]. CANCELs come on top, one for each INVITE at most.
    pub clients_max: usize,
    /// Most server transactions at once; usually [`SERVERS_MAX`]. Requests that begin something have half of that.
    pub servers_max: usize,
    /// Whether a response goes to the address and port its request came from even if the request didn't ask for
    /// that with `rport` (RFC 3581). `false` is RFC 3261 §18.2.2: to the source address, at the port in Via.
    pub answer_to_source: bool,
    /// Our addresses on TCP, over which requests go that are too large for a datagram (RFC 3261 §18.1.1). None: such requests
    /// go over UDP all the same.
    pub large_over: Vec<Local>,
}

impl LayerOptions {
    /// The usual bounds with these timers.
    pub fn new(timers: Timers) -> Self {
        Self {
            timers,
            clients_max: CLIENTS_MAX,
            servers_max: SERVERS_MAX,
            answer_to_source: false,
            large_over: Vec::new(),
        }
    }
}

/// What the layer wants done and what it tells, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Destination.
        to: SocketAddr,
        /// Our address that it leaves from.
        local: Local,
        /// The datagram.
        bytes: Bytes,
    },
    /// A new request came. Answer it with [`super::Layer::respond`]. Never an ACK or CANCEL.
    Request {
        /// Its server transaction.
        key: TransactionKey,
        /// The request; its topmost Via names the source (RFC 3261 §18.2.1).
        request: Request,
        /// Where it came from.
        from: SocketAddr,
        /// Our address that it came to.
        local: Local,
    },
    /// The peer cancelled an INVITE that has no final response: answer it with 487 (RFC 3261 §9.2).
    /// The CANCEL itself is already answered.
    Cancelled {
        /// The server transaction of the INVITE.
        key: TransactionKey,
    },
    /// The ACK of a 2xx came (RFC 3261 §13.3.1.4), or one that belongs to nothing.
    Ack {
        /// The ACK.
        request: Request,
        /// Where it came from.
        from: SocketAddr,
    },
    /// A response came: each provisional one, the first final one and, for an INVITE, every 2xx, repeated or from
    /// another fork (RFC 6026): each wants an ACK.
    Response {
        /// Its client transaction.
        key: TransactionKey,
        /// The response.
        response: Response,
        /// Where it came from.
        from: SocketAddr,
    },
    /// A 2xx to an INVITE came that belongs to no transaction: its call may want ACK and BYE (RFC 3261 §13.2.2.4).
    StrayResponse {
        /// The response.
        response: Response,
        /// Where it came from.
        from: SocketAddr,
        /// Our address that it came to.
        local: Local,
    },
    /// No final response (client), no ACK for a failure (server), or no answer from the user (server).
    Timeout {
        /// The transaction.
        key: TransactionKey,
    },
    /// A message of this transaction could not be sent.
    TransportError {
        /// The transaction.
        key: TransactionKey,
    },
    /// The transaction is over; its key means nothing any more.
    Terminated {
        /// The transaction.
        key: TransactionKey,
    },
}

/// Why a request isn't sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many client transactions as there may be.
    #[error("too many client transactions")]
    Full,
    /// An ACK makes no transaction: use [`super::Layer::send_ack`].
    #[error("an ACK makes no transaction")]
    Ack,
    /// A header the transaction is known by is missing or broken; for Via also when it has no branch.
    #[error("request can't be sent: {0}")]
    Field(#[from] FieldError),
    /// The branch is in use.
    #[error("branch is in use")]
    BranchInUse,
    /// The request can't be written.
    #[error("request can't be written: {0}")]
    Encode(#[from] EncodeError),
}

/// What happened in the layer since start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages sent again by a timer or for a retransmitted request.
    pub repeated: u64,
    /// Received retransmissions of requests.
    pub retransmissions: u64,
    /// Responses that belong to no transaction of ours.
    pub responses_unmatched: u64,
    /// Requests refused with 482 (RFC 3261 §8.2.2.2).
    pub merged: u64,
    /// Requests refused with 503 for want of room.
    pub refused: u64,
    /// New requests refused with 503 because there was too much to do ([`super::Layer::shed`]).
    pub shed: u64,
}
