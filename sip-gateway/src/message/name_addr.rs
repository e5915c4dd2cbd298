//! `"Display name" <uri>;params`: From, To, Contact, Route and their like (RFC 3261 §20.10, §25.1).

use bytes::Bytes;

use super::params::{self, Params};
use super::text::{Span, is_space, quote, quoted_end, skip_space, trim, unquote};
use super::uri::{self, Uri};
use super::{FieldError, VALUE_LENGTH_MAX};

/// An address in a header: display name, URI and header parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name as written, with its quotes; empty when there is none. Any octets may occur.
    pub display: Bytes,
    /// The URI.
    pub uri: Uri,
    /// Parameters of the header, such as `tag`; those of the URI are in [`NameAddr::uri`].
    pub params: Params,
}

/// Where the parts of one address are in its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    display: Span,
    uri: Span,
    uri_parts: uri::Parts,
    params: Span,
}

impl NameAddr {
    /// An address of just a URI.
    pub fn new(uri: Uri) -> Self {
        Self { display: Bytes::new(), uri, params: Params::default() }
    }

    /// The same with a display name, quoted and escaped here.
    pub fn with_display(mut self, name: &str) -> Self {
        self.display = Bytes::from(quote(name));
        self
    }

    /// The same with a parameter added. The value must be a token or an already quoted string.
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.push(name, value);
        self
    }

    /// Reads one address, as the whole value of a From or To header or one element of a list.
    pub fn parse(value: &Bytes) -> Result<Self, FieldError> {
        let parts = scan(value)?;
        Self::from_parts(value, parts)
    }

    pub(super) fn from_parts(value: &Bytes, parts: Parts) -> Result<Self, FieldError> {
        Ok(Self {
            display: parts.display.share(value),
            uri: Uri::from_parts(parts.uri.share(value), parts.uri_parts)?,
            params: Params::checked(parts.params.share(value)),
        })
    }

    /// The `tag` parameter; `None` when missing or empty.
    pub fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    /// Header parameter by name: its value as written, empty for a flag.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.text(name)
    }

    /// Display name without quotes and escapes; octets that aren't UTF-8 are replaced. `None` when empty.
    pub fn display_name(&self) -> Option<String> {
        let name = String::from_utf8_lossy(&unquote(&self.display)).into_owned();
        (!name.is_empty()).then_some(name)
    }

    /// As a header value; the URI always stands in angle brackets.
    pub fn to_bytes(&self) -> Bytes {
        let raw = self.uri.raw();
        let mut out = Vec::with_capacity(self.display.len() + raw.len() + self.params.raw().len() + 3);
        if !self.display.is_empty() {
            out.extend_from_slice(&self.display);
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(raw.as_bytes());
        out.push(b'>');
        out.extend_from_slice(self.params.raw());
        out.into()
    }
}

impl From<NameAddr> for Bytes {
    fn from(address: NameAddr) -> Self {
        address.to_bytes()
    }
}

/// The addresses of all Contact headers of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `Contact: *`, all bindings (RFC 3261 §10.2.2).
    Star,
    /// The addresses in order; empty without a Contact header.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::List(addresses) => addresses.first(),
        }
    }
}

/// Finds the parts of one address, or says that it isn't one.
pub(super) fn scan(value: &[u8]) -> Result<Parts, FieldError> {
    let wrong = Err(FieldError::Address);
    if value.len() > VALUE_LENGTH_MAX {
        return wrong;
    }
    let start = skip_space(value, 0);
    let open = match value.get(start) {
        Some(b'"') => skip_space(value, quoted_end(value, start).ok_or(FieldError::Address)?),
        Some(_) => match value.get(start..).unwrap_or_default().iter().position(|octet| ends_display(*octet))
        {
            Some(offset) => start + offset,
            None => return wrong,
        },
        None => return wrong,
    };
    match value.get(open) {
        Some(b'<') => scan_bracketed(value, start, open),
        // No "<" but the colon of a scheme: an addr-spec without brackets.
        Some(b':') => scan_plain(value, start),
        Some(_) | None => wrong,
    }
}

fn scan_bracketed(value: &[u8], start: usize, open: usize) -> Result<Parts, FieldError> {
    let rest = value.get(open + 1..).unwrap_or_default();
    let close = open + 1 + memchr::memchr(b'>', rest).ok_or(FieldError::Address)?;
    let uri = value.get(open + 1..close).unwrap_or_default();
    let uri_parts = uri::scan(uri)?;
    let params_start = skip_space(value, close + 1);
    let params_end = start + trim(value.get(start..).unwrap_or_default()).len();
    params::scan(value, params_start)?;
    let display = trim(value.get(start..open).unwrap_or_default());
    Ok(Parts {
        display: Span::new(start, start + display.len()),
        uri: Span::new(open + 1, close),
        uri_parts,
        params: Span::new(params_start, params_end.max(params_start)),
    })
}

/// RFC 3261 §20.10: without brackets everything behind the first ";" belongs to the header, and a "?" or ","
/// can't stand in the URI. A "?" would put headers into later requests, so it is refused.
fn scan_plain(value: &[u8], start: usize) -> Result<Parts, FieldError> {
    let rest = value.get(start..).unwrap_or_default();
    let end = start + rest.iter().position(|octet| *octet == b';' || is_space(*octet)).unwrap_or(rest.len());
    let uri = value.get(start..end).unwrap_or_default();
    if uri.contains(&b'?') || uri.contains(&b',') {
        return Err(FieldError::Address);
    }
    let uri_parts = uri::scan(uri)?;
    let params_start = skip_space(value, end);
    let params_end = start + trim(rest).len();
    params::scan(value, params_start)?;
    Ok(Parts {
        display: Span::default(),
        uri: Span::new(start, end),
        uri_parts,
        params: Span::new(params_start, params_end.max(params_start)),
    })
}

/// Whether an unquoted display name can't go on here. The grammar allows tokens alone; more is let through, for real
/// callers have names with brackets and letters beyond ASCII, but never what could end a list element or a URI.
fn ends_display(octet: u8) -> bool {
    matches!(octet, b'<' | b':' | b',' | b';' | b'"' | b'>') || (octet.is_ascii_control() && octet != b'\t')
}

/// Splits a header value at the commas between its elements (not those in quotes or angle brackets).
/// White space around the elements is dropped.
pub(super) struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    pub(super) fn of(value: &'a [u8]) -> Self {
        Self { rest: Some(value) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = element_end(rest);
        self.rest = rest.get(end + 1..);
        Some(trim(rest.get(..end).unwrap_or_default()))
    }
}

fn element_end(value: &[u8]) -> usize {
    if memchr::memchr(b',', value).is_none() {
        return value.len();
    }
    let mut at = 0;
    let mut in_brackets = false;
    while let Some(octet) = value.get(at) {
        match octet {
            b',' if !in_brackets => return at,
            b'<' => in_brackets = true,
            b'>' => in_brackets = false,
            b'"' if !in_brackets => match quoted_end(value, at) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => return value.len(),
            },
            _ => {}
        }
        at += 1;
    }
    value.len()
}
