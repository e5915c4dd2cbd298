//! Via: the way a response takes (RFC 3261 §20.42, §18.2; RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::params::{self, Params};
use super::text::{Span, Text, is_space, is_token, is_token_octet, number, skip_space};
use super::uri::{DEFAULT_PORT, host_ip, scan_host};
use super::{FieldError, VALUE_LENGTH_MAX};
use crate::transport::{self, Local, TRANSPORTS};

/// The start of every branch made by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// Transport in a Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One that we have.
    Ours(transport::Transport),
    /// Any other token.
    Other(Text),
}

/// One hop of the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Transport the request was sent over.
    pub transport: Transport,
    /// Host of sent-by as written, IPv6 with its brackets.
    pub host: Text,
    /// Port of sent-by as written.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
}

/// Where the parts of one Via are in its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    transport: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
}

impl Via {
    /// The Via of our own request: sent-by, branch, and `rport` asked for (RFC 3581 §3).
    pub fn own(local: impl Into<Local>, branch: &str) -> Self {
        let Local { transport, address: sent_by } = local.into();
        let mut params = Params::default();
        params.push("branch", branch);
        params.push("rport", "");
        let host = match sent_by.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { transport: Transport::Ours(transport), host: host.into(), port: Some(sent_by.port()), params }
    }

    /// Reads one Via element.
    pub fn parse(value: &Bytes) -> Result<Self, FieldError> {
        let parts = scan(value)?;
        let transport = Text::from_utf8(parts.transport.share(value)).ok_or(FieldError::Via)?;
        Ok(Self {
            transport: Transport::from(transport),
            host: Text::from_utf8(parts.host.share(value)).ok_or(FieldError::Via)?,
            port: parts.port,
            params: Params::checked(parts.params.share(value)),
        })
    }

    /// The branch; `None` when missing, as before RFC 3261.
    pub fn branch(&self) -> Option<&str> {
        self.params.text("branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the branch names the transaction by itself: the magic cookie and something behind it
    /// (RFC 3261 §17.2.3; the bare cookie of RFC 4475 §3.2.1 does not).
    pub fn has_unique_branch(&self) -> bool {
        self.branch().is_some_and(|branch| {
            branch.len() > MAGIC_COOKIE.len()
                && branch
                    .get(..MAGIC_COOKIE.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
        })
    }

    /// The `received` parameter when it is an address, IPv6 with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        self.params.text("received").and_then(host_ip)
    }

    /// The `rport` parameter: `Some(None)` when it is asked for but not filled in (RFC 3581 §3).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| number(value).and_then(|port| u16::try_from(port).ok()))
    }

    /// Writes down where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn stamp_source(&mut self, source: SocketAddr) {
        let asked = self.params.get("rport").is_some();
        // RFC 3581 §4: with rport, received is added even when sent-by already says the same.
        if asked || host_ip(&self.host) != Some(source.ip()) {
            self.params.set("received", &source.ip().to_string());
        } else {
            self.params.remove("received");
        }
        if asked {
            self.params.set("rport", &source.port().to_string());
        }
    }

    /// Where a response over UDP goes (RFC 3261 §18.2.2, RFC 3581 §4). `None` when only a name is known: then
    /// the request wasn't stamped.
    pub fn response_address(&self) -> Option<SocketAddr> {
        let port = match self.rport().flatten() {
            Some(port) if self.received().is_some() => port,
            Some(_) | None => self.port.unwrap_or(DEFAULT_PORT),
        };
        // RFC 3261 §18.2.2: maddr first. We don't send to multicast groups a stranger names, so it is left out.
        self.received()
            .or_else(|| host_ip(&self.host))
            .filter(|_| port != 0)
            .map(|ip| SocketAddr::new(ip, port))
    }

    /// As a header value.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.host.len() + self.params.raw().len() + 24);
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.transport.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.host.as_bytes());
        if let Some(port) = self.port {
            out.push(b':');
            out.extend_from_slice(port.to_string().as_bytes());
        }
        out.extend_from_slice(self.params.raw());
        out.into()
    }
}

impl From<Via> for Bytes {
    fn from(via: Via) -> Self {
        via.to_bytes()
    }
}

impl Transport {
    /// The token; as written where it is none of ours.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ours(transport) => transport.via(),
            Self::Other(token) => token,
        }
    }
}

impl From<Text> for Transport {
    fn from(token: Text) -> Self {
        let ours = TRANSPORTS.into_iter().find(|known| token.as_str().eq_ignore_ascii_case(known.via()));
        ours.map_or(Self::Other(token), Self::Ours)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Finds the parts of one Via element, or says that it isn't one.
pub(super) fn scan(value: &[u8]) -> Result<Parts, FieldError> {
    scan_parts(value).ok_or(FieldError::Via)
}

fn scan_parts(value: &[u8]) -> Option<Parts> {
    if value.len() > VALUE_LENGTH_MAX {
        return None;
    }
    let (transport_start, transport_end) = scan_protocol(value)?;
    let host_start = skip_space(value, transport_end);
    // White space has to part transport and host.
    if host_start == transport_end {
        return None;
    }
    let host_end = scan_host(value, host_start)?;
    let mut at = skip_space(value, host_end);
    let mut port = None;
    // RFC 3261 §25.1: the COLON of sent-by may stand in white space.
    if value.get(at) == Some(&b':') {
        let start = skip_space(value, at + 1);
        let mut end = start;
        while value.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        port = Some(u16::try_from(number(value.get(start..end)?)?).ok()?);
        at = skip_space(value, end);
    }
    params::scan(value, at).ok()?;
    Some(Parts {
        transport: Span::new(transport_start, transport_end),
        host: Span::new(host_start, host_end),
        port,
        params: Span::new(at, value.len()),
    })
}

/// `SIP/2.0/UDP`, white space allowed around the slashes. The version isn't looked at: that of the start line decides.
fn scan_protocol(value: &[u8]) -> Option<(usize, usize)> {
    const USUAL: &[u8] = b"SIP/2.0/";
    if value.get(..USUAL.len()) == Some(USUAL) {
        let end = token_end(value, USUAL.len());
        if end > USUAL.len() {
            return Some((USUAL.len(), end));
        }
    }
    let name_start = skip_space(value, 0);
    let name_end = token_end(value, name_start);
    if !value.get(name_start..name_end)?.eq_ignore_ascii_case(b"SIP") {
        return None;
    }
    let version_start = after_slash(value, name_end)?;
    let version_end = token_end(value, version_start);
    let start = after_slash(value, version_end)?;
    let end = token_end(value, start);
    (version_end > version_start && is_token(value.get(start..end)?)).then_some((start, end))
}

fn after_slash(value: &[u8], at: usize) -> Option<usize> {
    let slash = skip_space(value, at);
    (value.get(slash) == Some(&b'/')).then(|| skip_space(value, slash + 1))
}

fn token_end(value: &[u8], start: usize) -> usize {
    let mut end = start;
    while value.get(end).is_some_and(|octet| is_token_octet(*octet) && !is_space(*octet)) {
        end += 1;
    }
    end
}
