//! SDP offers and answers for one G.711 audio stream (RFC 4566, RFC 3264).
//!
//! Reads leniently and within bounds; writes the least a peer needs. Whatever a peer names as its address is checked
//! before it is believed: our own RTP ports, link-local, metadata, multicast and broadcast addresses are refused.
//!
//! Knows nothing of dialogs, nor of when an offer may be made.

mod address;
mod negotiate;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use address::OwnMedia;
pub use negotiate::{accept, read_answer};
pub use parse::{Direction, LINES_MAX, MEDIA_MAX, PayloadMap, SDP_LENGTH_MAX, Session, Stream};
pub use write::{TELEPHONE_EVENT_PAYLOAD, offer};

/// Why a session description can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`SDP_LENGTH_MAX`], or with more lines or media than are read.
    #[error("session description too large")]
    TooLarge,
    /// Not a session description.
    #[error("malformed session description")]
    Malformed,
    /// No audio stream over RTP/AVP that isn't switched off by port 0.
    #[error("no audio stream")]
    NoAudio,
    /// No connection address, or a host name.
    #[error("no connection address")]
    NoAddress,
    /// An address media must not be sent to.
    #[error("forbidden media address")]
    ForbiddenAddress,
    /// An address of the other family than ours.
    #[error("media address of another family")]
    AddressFamily,
    /// No codec both sides have.
    #[error("no common codec")]
    NoCodec,
}
