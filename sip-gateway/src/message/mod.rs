//! SIP messages on the wire (RFC 3261 §7, §25): lenient and safe in, strict out.
//!
//! [`decode`] reads one datagram without copying it: header values are slices of the received memory, known header
//! names become an enum, and typed values are read when asked for. What every message must have (Via, From, To,
//! Call-ID, CSeq) is checked at the door, so that a decoded request can always be answered. `encode` writes CRLF line
//! ends, long header names and a true Content-Length, and refuses values that would break out of their line.
//!
//! Knows nothing of transactions, dialogs or methods' meaning.

mod cseq;
mod decode;
mod encode;
pub mod framer;
mod header_name;
mod headers;
mod method;
mod name_addr;
mod params;
mod replaces;
mod status;
mod text;
mod uri;
mod via;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod value_tests;

use bytes::Bytes;

pub use cseq::{CSEQ_MAX, CSeq};
pub use decode::{
    DATAGRAM_LENGTH_MAX, DecodeError, Fault, HEADERS_MAX, ReplySkeleton, VALUE_LENGTH_MAX, decode,
};
pub use encode::EncodeError;
pub use header_name::HeaderName;
pub use headers::{Cause, ELEMENTS_MAX, Headers};
pub use method::Method;
pub use name_addr::{Contacts, NameAddr};
pub use params::Params;
pub use replaces::Replaces;
pub use status::reason_phrase;
pub use text::Text;
pub(crate) use text::{is_space, is_token, is_token_octet, quoted_end, trim};
pub use uri::{DEFAULT_PORT, Scheme, URI_LENGTH_MAX, Uri};
pub use via::{MAGIC_COOKIE, Transport, Via};

/// A request or a response.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Header fields in order.
    pub headers: Headers,
    /// Body; Content-Length is written from it.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// 100..699.
    pub status: u16,
    /// Reason phrase, octets as received; may be empty.
    pub reason: Bytes,
    /// Header fields in order.
    pub headers: Headers,
    /// Body; Content-Length is written from it.
    pub body: Bytes,
}

/// Why a header value can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The header isn't there.
    #[error("header is missing")]
    Missing,
    /// Not a URI.
    #[error("not a URI")]
    Uri,
    /// Not an address (name-addr or addr-spec).
    #[error("not an address")]
    Address,
    /// Not a Via.
    #[error("not a Via")]
    Via,
    /// Not a list of parameters.
    #[error("malformed parameters")]
    Params,
    /// Not a CSeq, or its number is 2^31 or more.
    #[error("not a CSeq")]
    CSeq,
    /// Not a number, or one out of range.
    #[error("not a number in range")]
    Number,
    /// Not UTF-8 or with white space or control characters where none may be.
    #[error("not clean text")]
    Text,
    /// More elements than [`ELEMENTS_MAX`].
    #[error("too many elements")]
    TooMany,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Bytes::new() }
    }

    /// A response to this request: all Via values, From, To, Call-ID and CSeq as they were (RFC 3261 §8.2.6.2), and
    /// Timestamp (§8.2.6.1). The To tag is the caller's to add ([`Headers::tag_to`]).
    pub fn response(&self, status: u16, reason: impl Into<Bytes>) -> Response {
        Response { status, reason: reason.into(), headers: self.headers.for_response(), body: Bytes::new() }
    }
}

impl Message {
    /// Header fields of either kind.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}
