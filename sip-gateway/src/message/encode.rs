//! Writing messages: CRLF line ends, long names, a true Content-Length, nothing that could break out of its line.

use super::headers::{Header, Headers};
use super::text::is_token;
use super::{HeaderName, Request, Response};

/// Why a message can't be written. Nothing was written then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A method or header name that isn't a token.
    #[error("{0:?} is not a token")]
    Token(String),
    /// A value with CR, LF, or a NUL that isn't part of a quoted pair.
    #[error("value of {0} would break out of its line")]
    Value(String),
    /// A status outside 100..=699.
    #[error("status {0} is out of range")]
    Status(u16),
}

impl Request {
    /// Writes the request at the end of `out`; leaves `out` as it was on failure.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let method = self.method.as_str();
        if !is_token(method.as_bytes()) {
            return Err(EncodeError::Token(method.to_owned()));
        }
        let start = out.len();
        out.reserve(size_hint(&self.headers, self.body.len() + self.uri.raw().len()));
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        // A Uri is printable ASCII by construction.
        out.extend_from_slice(self.uri.without_headers().as_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        finish(out, start, &self.headers, &self.body)
    }

    /// The request as a datagram.
    pub fn to_vec(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.encode(&mut out).map(|()| out)
    }
}

impl Response {
    /// Writes the response at the end of `out`; leaves `out` as it was on failure.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !(100..700).contains(&self.status) {
            return Err(EncodeError::Status(self.status));
        }
        if !is_safe(&self.reason) {
            return Err(EncodeError::Value("the reason phrase".to_owned()));
        }
        let start = out.len();
        out.reserve(size_hint(&self.headers, self.body.len() + self.reason.len()));
        out.extend_from_slice(b"SIP/2.0 ");
        push_number(out, usize::from(self.status));
        // RFC 3261 §7.2: the SP stays when the phrase is empty.
        out.push(b' ');
        out.extend_from_slice(&self.reason);
        out.extend_from_slice(b"\r\n");
        finish(out, start, &self.headers, &self.body)
    }

    /// The response as a datagram.
    pub fn to_vec(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.encode(&mut out).map(|()| out)
    }
}

fn finish(out: &mut Vec<u8>, start: usize, headers: &Headers, body: &[u8]) -> Result<(), EncodeError> {
    for header in &headers.list {
        if let Err(error) = write_header(out, header) {
            out.truncate(start);
            return Err(error);
        }
    }
    // RFC 3261 §18.3: always written, always true.
    out.extend_from_slice(b"Content-Length: ");
    push_number(out, body.len());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    Ok(())
}

fn write_header(out: &mut Vec<u8>, header: &Header) -> Result<(), EncodeError> {
    let name = match &header.name {
        HeaderName::ContentLength => return Ok(()),
        HeaderName::Other(name) if !is_token(name.as_bytes()) => {
            return Err(EncodeError::Token(name.to_string()));
        }
        name => name.as_str(),
    };
    if !is_safe(&header.value) {
        return Err(EncodeError::Value(name.to_owned()));
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(&header.value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// No CR, no LF, and NUL only as a quoted pair, where RFC 3261 §25.1 allows it and a repeated To may hold it.
fn is_safe(value: &[u8]) -> bool {
    match memchr::memchr3(b'\r', b'\n', 0, value) {
        None => true,
        Some(_) => value.iter().enumerate().all(|(at, octet)| match octet {
            b'\r' | b'\n' => false,
            0 => at.checked_sub(1).and_then(|before| value.get(before)) == Some(&b'\\'),
            _ => true,
        }),
    }
}

fn size_hint(headers: &Headers, rest: usize) -> usize {
    const NAME_AND_ENDS: usize = 24;
    const START_LINE_AND_LENGTH: usize = 64;
    headers.list.iter().map(|header| header.value.len() + NAME_AND_ENDS).sum::<usize>()
        + rest
        + START_LINE_AND_LENGTH
}

fn push_number(out: &mut Vec<u8>, mut number: usize) {
    let start = out.len();
    loop {
        // The remainder is a single digit.
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}
