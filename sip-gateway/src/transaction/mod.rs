//! Transactions: a request and the responses to it (RFC 3261 §17, RFC 6026).
//!
//! This room does not know calls, trunks or dialogs. It retransmits, absorbs retransmissions, acknowledges
//! failures of an INVITE and tells its user each thing once. Rooms: [`timer`] (names and lengths), the four
//! machines (`client_invite`, `client_non_invite`, `server_invite`, `server_non_invite`), `key` (what a message is
//! matched by), `table` (all transactions, bounded), `hop` (ACK and CANCEL of an INVITE), `tag` (To tags),
//! [`layer`] (the doors) with its halves `client` and `server`, `output` (what comes out).

mod client;
mod client_invite;
mod client_non_invite;
pub(crate) mod hop;
mod key;
mod large;
pub mod layer;
mod machine;
mod output;
mod server;
mod server_invite;
mod server_non_invite;
#[cfg(test)]
mod storm_tests;
mod table;
mod tag;
#[cfg(test)]
mod testing;
pub mod timer;
#[cfg(test)]
mod timer_table_tests;

pub use key::TransactionKey;
pub use layer::Layer;
pub use machine::CancelError;
pub use output::{CLIENTS_MAX, LayerOptions, Output, SERVERS_MAX, SendError, Tally};
pub use tag::TagMaker;
pub use timer::{Lengths, Reliability, Timer};

/// What a status code means to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusClass {
    /// 100 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699: redirections and failures, one thing to a transaction.
    Failure,
}

impl StatusClass {
    /// The class of a status code. Codes outside 100..=699 never leave the decoder; they count as failures.
    pub fn of(status: u16) -> Self {
        match status {
            100..=199 => Self::Provisional,
            200..=299 => Self::Success,
            _ => Self::Failure,
        }
    }
}

/// What a machine wants done. The layer carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send the last message of this transaction again.
    Repeat,
    /// Send the response that the user just gave and keep it for repetition.
    Send,
    /// Send the ACK for the failure that just came.
    SendAck,
    /// Send a CANCEL for this INVITE.
    SendCancel,
    /// Send a 100 and keep it for repetition.
    SendTrying,
    /// Give the message that just came to the user.
    PassUp,
    /// Give the response that just came to the user as one that belongs to no transaction.
    PassStray,
    /// Tell the user that the peer (or the user itself) was silent for too long.
    InformTimeout,
    /// Tell the user that a message could not be sent.
    InformTransportError,
}
