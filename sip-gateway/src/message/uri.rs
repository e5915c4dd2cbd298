//! SIP, SIPS, tel and other URIs (RFC 3261 §19.1, RFC 3966).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::text::{Span, Text, are_uri_octets, is_host_octet, is_token, number};
use super::{FieldError, params};
use crate::transport::Transport;

/// Port of SIP over UDP and TCP when none is written (RFC 3261 §19.1.2).
pub const DEFAULT_PORT: u16 = 5060;

/// Longest URI we read or write, in octets.
pub const URI_LENGTH_MAX: usize = 4096;

/// Which grammar a URI follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// Anything else; kept as text.
    Other,
}

/// A URI. Keeps its text exactly as it was written; the parts are views of it.
///
/// Printable ASCII without white space, quotes and angle brackets, so it is safe to write.
/// `==` compares the text; [`Uri::matches`] follows the rules of RFC 3261 §19.1.4.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    raw: Text,
    parts: Parts,
}

/// Where the parts of a URI are in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    scheme: Scheme,
    user: Span,
    password: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

impl Uri {
    /// Reads a URI. Fails on anything that isn't wholly a URI of at most [`URI_LENGTH_MAX`] octets.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// Like [`Uri::parse`], sharing the memory.
    pub fn from_bytes(octets: Bytes) -> Result<Self, FieldError> {
        let parts = scan(&octets)?;
        Self::from_parts(octets, parts)
    }

    pub(super) fn from_parts(octets: Bytes, parts: Parts) -> Result<Self, FieldError> {
        Ok(Self { raw: Text::from_utf8(octets).ok_or(FieldError::Uri)?, parts })
    }

    /// The whole text as written.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The same in memory of its own: what it was cut from may go.
    pub fn detached(&self) -> Self {
        Self { raw: self.raw().into(), parts: self.parts }
    }

    /// The whole text, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.raw.clone().into_bytes()
    }

    /// Which grammar it follows.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The text before the first colon, as written.
    pub fn scheme_name(&self) -> &str {
        self.raw().split(':').next().unwrap_or_default()
    }

    /// User part (for `tel:` the number), escapes as written. `None` when there is none.
    pub fn user(&self) -> Option<&str> {
        self.part(self.parts.user)
    }

    /// User part with escapes resolved once. May hold any octet, NUL too.
    pub fn user_decoded(&self) -> Option<Vec<u8>> {
        self.user().map(|user| unescape(user.as_bytes()))
    }

    /// Password of the user part, as written. Deprecated by RFC 3261 §19.1.1; read only to compare.
    pub fn password(&self) -> Option<&str> {
        self.part(self.parts.password)
    }

    /// Host as written, IPv6 with its brackets; empty for `tel:` and unknown schemes.
    pub fn host(&self) -> &str {
        self.part(self.parts.host).unwrap_or_default()
    }

    /// The host when it is an address literal.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host())
    }

    /// Port as written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// Address to send to when the host is an address literal; the default port when none is written.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let port = self.port().unwrap_or_else(|| self.default_port());
        self.host_ip().filter(|_| port != 0).map(|ip| SocketAddr::new(ip, port))
    }

    /// The transport it asks for (RFC 3261 §19.1.1, §26.2.2), UDP when it leaves that open; `None` for one that we don't have.
    pub fn transport(&self) -> Option<Transport> {
        let named = self.param("transport");
        let secure = self.scheme() == Scheme::Sips;
        match Transport::of_param(named)? {
            // A `sips:` URI may name what TLS runs over, which can only be TCP.
            Transport::Udp if secure && named.is_none() => Some(Transport::Tls),
            Transport::Udp if secure => None,
            Transport::Tcp if secure => Some(Transport::Tls),
            Transport::Ws if secure => Some(Transport::Wss),
            transport => Some(transport),
        }
    }

    fn default_port(&self) -> u16 {
        self.transport().map_or(DEFAULT_PORT, Transport::default_port)
    }

    /// URI parameter by name: its value as written, empty for a flag such as `lr`.
    /// Names are compared with escapes resolved and without regard to case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(found, _)| same_unescaped(found, name)).map(|(_, value)| value)
    }

    /// All URI parameters in order, as written.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        let raw = self.part(self.parts.params).unwrap_or_default();
        raw.split(';').skip(1).map(|param| param.split_once('=').unwrap_or((param, "")))
    }

    /// Whether it has the `lr` parameter: a loose router (RFC 3261 §19.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The `?name=value&...` part without its question mark, as written. Never turned into headers by us.
    pub fn headers(&self) -> Option<&str> {
        self.part(self.parts.headers)
    }

    /// The text without embedded headers, as it may stand in a request line (RFC 3261 §19.1.1, table 1). What a peer
    /// embeds in its Contact never becomes a header of ours.
    pub fn without_headers(&self) -> &str {
        match self.headers() {
            Some(headers) => self.raw().get(..self.raw().len() - headers.len() - 1).unwrap_or_default(),
            None => self.raw(),
        }
    }

    /// Whether both name the same resource by RFC 3261 §19.1.4. Not transitive, so not `==`.
    pub fn matches(&self, other: &Self) -> bool {
        // Whatever is wrong with it (a parameter that stands twice), a URI is itself.
        if self.raw() == other.raw() {
            return true;
        }
        if matches!(self.scheme(), Scheme::Tel | Scheme::Other)
            || matches!(other.scheme(), Scheme::Tel | Scheme::Other)
        {
            return self.raw().eq_ignore_ascii_case(other.raw());
        }
        self.scheme() == other.scheme()
            && self.user_decoded() == other.user_decoded()
            && self.password().map(|text| unescape(text.as_bytes()))
                == other.password().map(|text| unescape(text.as_bytes()))
            && self.same_host(other)
            && self.port() == other.port()
            && self.params_agree(other)
            && other.params_agree(self)
            && same_headers(self.headers(), other.headers())
    }

    fn same_host(&self, other: &Self) -> bool {
        match (self.host_ip(), other.host_ip()) {
            (Some(one), Some(two)) => one == two,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => self.host().eq_ignore_ascii_case(other.host()),
        }
    }

    fn params_agree(&self, other: &Self) -> bool {
        self.params().all(|(name, value)| match other.param(name) {
            Some(theirs) => same_unescaped(theirs, value),
            // RFC 3261 §19.1.4: these four never match when only one URI has them, others are ignored.
            None => !["user", "ttl", "method", "maddr"].iter().any(|special| same_unescaped(name, special)),
        })
    }

    fn part(&self, span: Span) -> Option<&str> {
        if span.is_empty() {
            return None;
        }
        std::str::from_utf8(span.of(self.raw.as_bytes())).ok()
    }
}

impl std::str::FromStr for Uri {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::parse(text)
    }
}

impl From<Uri> for Bytes {
    fn from(uri: Uri) -> Self {
        uri.to_bytes()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.raw())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.raw(), f)
    }
}

/// Finds the parts of a URI, or says that it isn't one.
pub(super) fn scan(octets: &[u8]) -> Result<Parts, FieldError> {
    let wrong = Err(FieldError::Uri);
    if octets.len() > URI_LENGTH_MAX || !are_uri_octets(octets) {
        return wrong;
    }
    let Some(colon) = memchr::memchr(b':', octets) else { return wrong };
    let (scheme_name, rest) = octets.split_at(colon);
    // RFC 3261 §25.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    let starts_with_letter = scheme_name.first().is_some_and(u8::is_ascii_alphabetic);
    if !starts_with_letter || !is_token(scheme_name) || rest.len() < 2 {
        return wrong;
    }
    let scheme = match scheme_name {
        name if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        name if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        name if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    let start = colon + 1;
    match scheme {
        Scheme::Sip | Scheme::Sips => scan_sip(octets, start, scheme),
        Scheme::Tel => scan_tel(octets, start),
        Scheme::Other => Ok(Parts::opaque(scheme)),
    }
}

impl Parts {
    fn opaque(scheme: Scheme) -> Self {
        Self {
            scheme,
            user: Span::default(),
            password: Span::default(),
            host: Span::default(),
            port: None,
            params: Span::default(),
            headers: Span::default(),
        }
    }

    /// Whether headers are embedded (`?name=value`).
    pub(super) fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }
}

fn scan_tel(octets: &[u8], start: usize) -> Result<Parts, FieldError> {
    let end = find(octets, start, b';');
    if end == start {
        return Err(FieldError::Uri);
    }
    params::scan(octets, end).map_err(|_| FieldError::Uri)?;
    let mut parts = Parts::opaque(Scheme::Tel);
    parts.user = Span::new(start, end);
    parts.params = Span::new(end, octets.len());
    Ok(parts)
}

fn scan_sip(octets: &[u8], start: usize, scheme: Scheme) -> Result<Parts, FieldError> {
    let wrong = Err(FieldError::Uri);
    let mut parts = Parts::opaque(scheme);
    let mut host_start = start;
    // An "@" stands unescaped nowhere but behind the user part, which may hold ";" and "?" (RFC 4475 §3.1.1.9).
    let at = find(octets, start, b'@');
    if at < octets.len() {
        let colon = find(octets.get(..at).unwrap_or_default(), start, b':');
        if colon == start {
            return wrong;
        }
        parts.user = Span::new(start, colon);
        if colon < at {
            parts.password = Span::new(colon + 1, at);
        }
        host_start = at + 1;
    }
    let (host_end, port, end) = scan_host_port(octets, host_start).ok_or(FieldError::Uri)?;
    parts.host = Span::new(host_start, host_end);
    parts.port = port;
    let params_end = find(octets, end, b'?');
    parts.params = Span::new(end, params_end);
    params::scan(octets.get(..params_end).unwrap_or_default(), end).map_err(|_| FieldError::Uri)?;
    if params_end < octets.len() {
        if params_end + 1 == octets.len() {
            return wrong;
        }
        parts.headers = Span::new(params_end + 1, octets.len());
    }
    if at < octets.len() && find(octets, host_start, b'@') < octets.len() {
        return wrong;
    }
    Ok(parts)
}

/// End of the host that starts at `start`, the port behind it, and the end of both.
pub(super) fn scan_host_port(octets: &[u8], start: usize) -> Option<(usize, Option<u16>, usize)> {
    let host_end = scan_host(octets, start)?;
    if octets.get(host_end) != Some(&b':') {
        return Some((host_end, None, host_end));
    }
    let end = run(octets, host_end + 1, |octet| octet.is_ascii_digit());
    let port = u16::try_from(number(octets.get(host_end + 1..end)?)?).ok()?;
    Some((host_end, Some(port), end))
}

/// End of the host name, IPv4 address or bracketed IPv6 address that starts at `start`.
pub(super) fn scan_host(octets: &[u8], start: usize) -> Option<usize> {
    if octets.get(start) == Some(&b'[') {
        let close = find(octets, start, b']');
        let address = std::str::from_utf8(octets.get(start + 1..close)?).ok()?;
        // Also refuses "2001:db8:::192.0.2.1" (RFC 5118 §4.10): dropping a colon would be a guess at who is called.
        return address.parse::<Ipv6Addr>().is_ok().then_some(close + 1).filter(|end| *end <= octets.len());
    }
    let end = run(octets, start, is_host_octet);
    (end > start).then_some(end)
}

/// The address that a host names literally; IPv6 in brackets (or without: some write it so in `received`).
pub(super) fn host_ip(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// Offset of `octet` from `start` on, or the end.
fn find(octets: &[u8], start: usize, octet: u8) -> usize {
    memchr::memchr(octet, octets.get(start..).unwrap_or_default())
        .map_or(octets.len(), |offset| start + offset)
}

/// End of the run of such octets that begins at `start`.
fn run(octets: &[u8], start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = octets.get(start..).unwrap_or_default();
    start + rest.iter().position(|octet| !belongs(*octet)).unwrap_or(rest.len())
}

/// Resolves `%41` escapes once. A `%` without two hex digits stays (RFC 4475 §3.1.1.5).
pub(super) fn unescape(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let [first, tail @ ..] = rest {
        if *first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn same_unescaped(one: &str, two: &str) -> bool {
    if one.contains('%') || two.contains('%') {
        return unescape(one.as_bytes()).eq_ignore_ascii_case(&unescape(two.as_bytes()));
    }
    one.eq_ignore_ascii_case(two)
}

/// RFC 3261 §19.1.4: header components are never ignored; their order is.
fn same_headers(one: Option<&str>, two: Option<&str>) -> bool {
    let sorted = |headers: Option<&str>| {
        let mut all: Vec<Vec<u8>> =
            headers.unwrap_or_default().split('&').map(|h| unescape(h.as_bytes())).collect();
        all.iter_mut().for_each(|header| header.make_ascii_lowercase());
        all.sort_unstable();
        all
    };
    match (one, two) {
        (None, None) => true,
        (one, two) => sorted(one) == sorted(two),
    }
}
