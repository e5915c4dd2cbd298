//! Reading a datagram (RFC 3261 §7, §18.3, §25).

use bytes::{Buf, Bytes};

use super::headers::{Header, Headers, check_call_id};
use super::name_addr::{self, Elements};
use super::text::{is_space, is_token_octet, number, share, skip_space, trim};
use super::{
    CSeq, ELEMENTS_MAX, HeaderName, Message, Method, Request, Response, Uri, reason_phrase, uri, via,
};

/// Longest datagram that is read: the most UDP can carry.
pub const DATAGRAM_LENGTH_MAX: usize = 65_535;

/// Most header lines in a message; a request with more is answered 513.
pub const HEADERS_MAX: usize = 256;

/// Longest header value after unfolding, in octets; a request with a longer one is answered 513.
pub const VALUE_LENGTH_MAX: usize = 8192;

/// Header lines of an ordinary message; room for them is made at once.
const HEADERS_USUAL: usize = 20;

/// What a datagram is when it isn't a good message.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// Say nothing: it isn't SIP, it is a broken response or ACK, or there is no way to answer.
    #[error("dropped: {0}")]
    Drop(Fault),
    /// A broken request that can be answered without state.
    #[error("answered {status}: {fault}")]
    Answer {
        /// 400, 501, 505 or 513.
        status: u16,
        /// What is wrong.
        fault: Fault,
        /// What the answer repeats.
        skeleton: ReplySkeleton,
    },
}

/// What is wrong with a datagram. Display is a short stable phrase, fit for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing but line ends or NULs: a keep-alive.
    #[error("keep-alive")]
    KeepAlive,
    /// No SIP start line.
    #[error("not SIP")]
    NotSip,
    /// Longer than [`DATAGRAM_LENGTH_MAX`].
    #[error("datagram too long")]
    DatagramLength,
    /// More header lines than [`HEADERS_MAX`].
    #[error("too many headers")]
    HeaderCount,
    /// A value longer than [`VALUE_LENGTH_MAX`], or a list with too many elements.
    #[error("header too long")]
    HeaderLength,
    /// The version isn't 2.0.
    #[error("version not supported")]
    Version,
    /// The method isn't a token.
    #[error("bad method")]
    Method,
    /// The Request-URI isn't a URI, or has headers in it.
    #[error("bad request URI")]
    RequestUri,
    /// Status outside 100..=699.
    #[error("bad status")]
    Status,
    /// A header line without a name or colon, or with a stray CR.
    #[error("bad header line")]
    HeaderLine,
    /// No empty line behind the headers.
    #[error("headers do not end")]
    Unfinished,
    /// Via, From, To, Call-ID or CSeq is missing.
    #[error("mandatory header missing")]
    Missing,
    /// A header that may stand once stands twice.
    #[error("single header repeated")]
    Repeated,
    /// Via can't be read.
    #[error("bad Via")]
    Via,
    /// From or To can't be read.
    #[error("bad From or To")]
    FromTo,
    /// Call-ID can't be read.
    #[error("bad Call-ID")]
    CallId,
    /// CSeq can't be read or is 2^31 or more.
    #[error("bad CSeq")]
    CSeq,
    /// CSeq names another method than the request line.
    #[error("CSeq names another method")]
    CSeqMethod,
    /// Contact of a request can't be read.
    #[error("bad Contact")]
    Contact,
    /// Content-Length isn't a number or says more than there is.
    #[error("bad Content-Length")]
    ContentLength,
}

/// What a stateless answer repeats of a broken request: Vias, From, To, Call-ID and CSeq as they were found, if they were.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplySkeleton {
    /// At least a Via.
    pub headers: Headers,
}

impl ReplySkeleton {
    /// The answer. Nothing is invented; a To tag is the caller's to add ([`Headers::tag_to`]).
    /// It goes to the address the request came from, for its Via may be what is broken.
    pub fn response(&self, status: u16) -> Response {
        let reason = Bytes::from_static(reason_phrase(status).as_bytes());
        Response { status, reason, headers: self.headers.clone(), body: Bytes::new() }
    }
}

/// Reads one datagram.
///
/// Lenient: compact names, any order, any case, folded lines, bare LF line ends, white space around the colon and in the
/// start line, empty lines before it, octets behind the body (RFC 3261 §18.3). Safe: anything that leaves open who is
/// called, where the message ends or which transaction it belongs to is refused (RFC 4475 §3).
pub fn decode(mut datagram: Bytes) -> Result<Message, DecodeError> {
    if datagram.len() > DATAGRAM_LENGTH_MAX {
        return Err(DecodeError::Drop(Fault::DatagramLength));
    }
    // RFC 3261 §7.5: empty lines before the start line are ignored. Some phones keep their NAT awake with zeros.
    let blank =
        datagram.iter().position(|octet| !matches!(octet, b'\r' | b'\n' | 0)).unwrap_or(datagram.len());
    datagram.advance(blank);
    if datagram.is_empty() {
        return Err(DecodeError::Drop(Fault::KeepAlive));
    }
    let (line, headers_start) = first_line(&datagram);
    match line.get(..4) {
        Some(start) if start.eq_ignore_ascii_case(b"SIP/") => decode_response(&datagram, line, headers_start),
        Some(_) | None => decode_request(&datagram, line, headers_start),
    }
}

fn decode_request(datagram: &Bytes, line: &[u8], headers_start: usize) -> Result<Message, DecodeError> {
    let not_sip = DecodeError::Drop(Fault::NotSip);
    // White space around the three parts is cleaned away (RFC 4475 §3.1.2.9, §3.1.2.10), within the URI it isn't.
    let line = trim(line);
    let method_end = line.iter().position(|octet| is_space(*octet)).ok_or(not_sip.clone())?;
    let version_start = line.iter().rposition(|octet| is_space(*octet)).ok_or(not_sip.clone())? + 1;
    let method = line.get(..method_end).unwrap_or_default();
    let version = line.get(version_start..).unwrap_or_default();
    let uri = trim(line.get(method_end..version_start).unwrap_or_default());
    if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        return Err(not_sip);
    }
    let section = read_headers(datagram, headers_start);
    let method = Method::parse(method, datagram);
    let uri = match uri::scan(uri) {
        // Headers in a Request-URI would become headers of our own (RFC 4475 §3.1.2.11).
        Ok(parts) if !parts.has_headers() => Uri::from_parts(datagram.slice_ref(uri), parts).ok(),
        Ok(_) | Err(_) => None,
    };
    let fault = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(Fault::Version)
    } else {
        section.fault.or_else(|| section.check_request(method.as_ref()).err())
    };
    match (method, uri, fault) {
        (Some(method), Some(uri), None) => {
            let body = section.body;
            Ok(Message::Request(Request { method, uri, headers: section.headers, body }))
        }
        (method, _, fault) => Err(section.refuse(method.as_ref(), fault.unwrap_or(Fault::RequestUri))),
    }
}

fn decode_response(datagram: &Bytes, line: &[u8], headers_start: usize) -> Result<Message, DecodeError> {
    let drop = |fault| Err(DecodeError::Drop(fault));
    let version_end = line.iter().position(|octet| is_space(*octet)).unwrap_or(line.len());
    if !line.get(..version_end).unwrap_or_default().eq_ignore_ascii_case(b"SIP/2.0") {
        return drop(Fault::Version);
    }
    let rest = line.get(version_end + 1..).unwrap_or_default();
    let status_end = rest.iter().position(|octet| is_space(*octet)).unwrap_or(rest.len());
    let digits = rest.get(..status_end).filter(|digits| digits.len() == 3).unwrap_or_default();
    let status = number(digits).and_then(|status| u16::try_from(status).ok());
    let Some(status) = status.filter(|status| (100..700).contains(status)) else {
        return drop(Fault::Status);
    };
    let reason = rest.get(status_end + 1..).unwrap_or_default();
    let section = read_headers(datagram, headers_start);
    if let Some(fault) = section.fault.or_else(|| section.check_mandatory().err()) {
        return drop(fault);
    }
    let reason = if reason.is_empty() { Bytes::new() } else { datagram.slice_ref(reason) };
    Ok(Message::Response(Response { status, reason, headers: section.headers, body: section.body }))
}

/// Start line without its end, and where the headers start.
fn first_line(datagram: &[u8]) -> (&[u8], usize) {
    let end = memchr::memchr(b'\n', datagram).unwrap_or(datagram.len());
    let line = datagram.get(..end).unwrap_or_default();
    (line.strip_suffix(b"\r").unwrap_or(line), end + 1)
}

/// Headers and body as far as they could be read, and the first thing wrong with them.
struct Section {
    headers: Headers,
    body: Bytes,
    fault: Option<Fault>,
}

fn read_headers(datagram: &Bytes, start: usize) -> Section {
    let mut section =
        Section { headers: Headers::with_capacity(HEADERS_USUAL), body: Bytes::new(), fault: None };
    let mut at = start;
    let mut singles_seen = 0;
    let mut length = None;
    loop {
        let Some(line) = next_line(datagram, at) else {
            section.note(Fault::Unfinished);
            return section;
        };
        if line.content_end == at {
            section.take_body(datagram, line.next, length);
            return section;
        }
        if section.headers.list.len() == HEADERS_MAX {
            section.note(Fault::HeaderCount);
            return section;
        }
        if line.stray {
            section.note(Fault::HeaderLine);
        }
        match read_header(datagram, at, &line) {
            Ok(header) => {
                let single = single_bit(&header.name);
                if singles_seen & single != 0 {
                    section.note(Fault::Repeated);
                }
                singles_seen |= single;
                if single == CONTENT_LENGTH {
                    length = Some(number(&header.value));
                }
                section.headers.list.push(header);
            }
            Err(fault) => section.note(fault),
        }
        at = line.next;
    }
}

impl Section {
    /// The first fault counts; reading goes on to find what an answer needs.
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// `length` is what Content-Length said: nothing, something that isn't a number, or a number.
    fn take_body(&mut self, datagram: &Bytes, start: usize, length: Option<Option<u64>>) {
        let rest = datagram.slice(start.min(datagram.len())..);
        match length {
            // RFC 3261 §18.3: without Content-Length the body is the rest of the datagram.
            None => self.body = rest,
            Some(Some(length)) => match usize::try_from(length) {
                // RFC 3261 §18.3: octets behind the body are ignored.
                Ok(length) if length <= rest.len() => self.body = rest.slice(..length),
                // RFC 3261 §18.3: a message cut short is an error.
                Ok(_) | Err(_) => self.note(Fault::ContentLength),
            },
            Some(None) => self.note(Fault::ContentLength),
        }
    }

    /// RFC 3261 §8.1.1: what every message must have, and that it can be read. Gives the method of CSeq.
    fn check_mandatory(&self) -> Result<Method, Fault> {
        let mut hops = 0;
        let mut missing = VIA | FROM | TO | CALL_ID;
        let mut method = None;
        for Header { name, value } in &self.headers.list {
            match name {
                HeaderName::Via => {
                    missing &= !VIA;
                    check_elements(value, &mut hops, Fault::Via, |element| via::scan(element).is_ok())?;
                }
                HeaderName::From | HeaderName::To => {
                    missing &= !single_bit(name);
                    name_addr::scan(value).map_err(|_| Fault::FromTo)?;
                }
                HeaderName::CallId => {
                    missing &= !CALL_ID;
                    check_call_id(value).map_err(|_| Fault::CallId)?;
                }
                HeaderName::CSeq => method = Some(CSeq::parse(value).map_err(|_| Fault::CSeq)?.method),
                _ => {}
            }
        }
        method.filter(|_| missing == 0).ok_or(Fault::Missing)
    }

    fn check_request(&self, method: Option<&Method>) -> Result<(), Fault> {
        let cseq_method = self.check_mandatory()?;
        // RFC 3261 §8.1.1.5: the method of CSeq is that of the request.
        if cseq_method != *method.ok_or(Fault::Method)? {
            return Err(Fault::CSeqMethod);
        }
        // Where later requests would go must be clear before the request is taken up (RFC 4475 §3.1.2.13).
        let (mut contacts, mut star) = (0, false);
        self.headers.all(HeaderName::Contact).try_for_each(|value| {
            check_elements(value, &mut contacts, Fault::Contact, |element| {
                star |= element == b"*";
                element == b"*" || name_addr::scan(element).is_ok()
            })
        })?;
        // RFC 3261 §10.2.2: the star stands alone.
        if star && contacts != 1 { Err(Fault::Contact) } else { Ok(()) }
    }

    fn refuse(self, method: Option<&Method>, fault: Fault) -> DecodeError {
        // RFC 3261 §17.1.1.3: an ACK is never answered. Without a Via no answer finds its transaction.
        if method == Some(&Method::Ack) || !self.headers.contains(HeaderName::Via) {
            return DecodeError::Drop(fault);
        }
        let status = match (fault, method) {
            (Fault::Version, _) => 505,
            (Fault::HeaderCount | Fault::HeaderLength | Fault::DatagramLength, _) => 513,
            // RFC 4475 §3.1.2.18: that we don't know the method says more than that CSeq disagrees.
            (Fault::CSeqMethod, Some(Method::Other(_))) => 501,
            (_, _) => 400,
        };
        let mut headers = self.headers.for_response();
        let mut seen = 0;
        headers.list.retain(|header| {
            let bit = single_bit(&header.name);
            let first = seen & bit == 0;
            seen |= bit;
            first
        });
        DecodeError::Answer { status, fault, skeleton: ReplySkeleton { headers } }
    }
}

const VIA: u32 = 1;
const FROM: u32 = 1 << 1;
const TO: u32 = 1 << 2;
const CALL_ID: u32 = 1 << 3;
const CSEQ: u32 = 1 << 4;
const CONTENT_LENGTH: u32 = 1 << 5;

/// A bit for each header that may stand once only (RFC 3261 §7.3.1, table 2); 0 for all others. Which of two counts
/// must never be a matter of taste (RFC 4475 §3.3.8).
fn single_bit(name: &HeaderName) -> u32 {
    match name {
        HeaderName::From => FROM,
        HeaderName::To => TO,
        HeaderName::CallId => CALL_ID,
        HeaderName::CSeq => CSEQ,
        HeaderName::ContentLength => CONTENT_LENGTH,
        HeaderName::MaxForwards => 1 << 6,
        HeaderName::ContentType => 1 << 7,
        HeaderName::Expires => 1 << 8,
        HeaderName::MinExpires => 1 << 9,
        HeaderName::Event => 1 << 10,
        HeaderName::ReferTo => 1 << 11,
        HeaderName::Replaces => 1 << 12,
        HeaderName::RAck => 1 << 13,
        HeaderName::RSeq => 1 << 14,
        HeaderName::SessionExpires => 1 << 15,
        HeaderName::MinSe => 1 << 16,
        HeaderName::SubscriptionState => 1 << 17,
        HeaderName::RetryAfter => 1 << 18,
        HeaderName::Timestamp => 1 << 19,
        HeaderName::Date => 1 << 20,
        _ => 0,
    }
}

/// Checks the elements of one value; `count` runs over all values of that name.
fn check_elements(
    value: &[u8],
    count: &mut usize,
    fault: Fault,
    mut good: impl FnMut(&[u8]) -> bool,
) -> Result<(), Fault> {
    for element in Elements::of(value) {
        *count += 1;
        if *count > ELEMENTS_MAX {
            return Err(Fault::HeaderLength);
        }
        if !good(element) {
            return Err(fault);
        }
    }
    Ok(())
}

/// A header line with its folded continuations.
struct Line {
    /// Behind the last octet, before the line end.
    content_end: usize,
    /// Where the next line starts.
    next: usize,
    /// Whether it goes on over further lines.
    folded: bool,
    /// Whether a CR stands within it.
    stray: bool,
}

/// `None` when the datagram ends before the line does.
fn next_line(datagram: &[u8], start: usize) -> Option<Line> {
    let mut stray = false;
    let mut folded = false;
    let mut at = start;
    loop {
        let end = at + memchr::memchr2(b'\r', b'\n', datagram.get(at..)?)?;
        let next = match datagram.get(end..)? {
            [b'\r', b'\n', ..] => end + 2,
            [b'\n', ..] => end + 1,
            _ => {
                stray = true;
                at = end + 1;
                continue;
            }
        };
        // RFC 3261 §7.3.1: a line that starts with white space continues the one before it.
        let continues = end > start && datagram.get(next).is_some_and(|octet| is_space(*octet));
        if !continues {
            return Some(Line { content_end: end, next, folded, stray });
        }
        folded = true;
        at = next;
    }
}

fn read_header(datagram: &Bytes, start: usize, line: &Line) -> Result<Header, Fault> {
    let content = datagram.get(start..line.content_end).unwrap_or_default();
    let name_end = content.iter().position(|octet| !is_token_octet(*octet)).ok_or(Fault::HeaderLine)?;
    let colon = skip_space(content, name_end);
    if name_end == 0 || content.get(colon) != Some(&b':') {
        return Err(Fault::HeaderLine);
    }
    let name =
        HeaderName::parse(content.get(..name_end).unwrap_or_default(), datagram).ok_or(Fault::HeaderLine)?;
    let raw = content.get(colon + 1..).unwrap_or_default();
    let value = if line.folded { unfold(raw) } else { share(datagram, trim(raw)) };
    if value.len() > VALUE_LENGTH_MAX {
        return Err(Fault::HeaderLength);
    }
    Ok(Header { name, value })
}

/// RFC 3261 §7.3.1: a fold with the white space around it reads as one SP.
fn unfold(raw: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(raw.len());
    for line in raw.split(|octet| *octet == b'\n') {
        let line = trim(line.strip_suffix(b"\r").unwrap_or(line));
        if !out.is_empty() && !line.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    out.into()
}
