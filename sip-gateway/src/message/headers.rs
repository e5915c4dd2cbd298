//! The header fields of a message: an ordered list with typed views.

use std::net::SocketAddr;

use bytes::Bytes;

use super::name_addr::Elements;
use super::text::{is_space, number, share, trim, unquote};
use super::{CSeq, Contacts, FieldError, HeaderName, NameAddr, Params, Via, params};

/// Most elements read from all headers of one name together.
pub const ELEMENTS_MAX: usize = 256;

/// One header field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) name: HeaderName,
    pub(super) value: Bytes,
}

/// Header fields in the order of the message. Values are unfolded and without outer white space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers {
    pub(super) list: Vec<Header>,
}

/// A `Reason` header (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `SIP`, `Q.850` or another protocol.
    pub protocol: String,
    /// The number: a status for SIP, a cause for Q.850.
    pub cause: Option<u16>,
    /// Free text.
    pub text: Option<String>,
}

impl Headers {
    /// Without headers, with room for `capacity` of them.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity) }
    }

    /// Adds a header at the end.
    pub fn append(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.list.push(Header { name, value: value.into() });
    }

    /// Adds a header before all others.
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        self.list.insert(0, Header { name, value: value.into() });
    }

    /// Replaces the first header of this name in place and removes further ones; adds it at the end when there is none.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Bytes>) {
        match self.list.iter().position(|header| header.name == name) {
            Some(first) => {
                let mut index = 0;
                self.list.retain(|header| {
                    index += 1;
                    index - 1 == first || header.name != name
                });
                if let Some(header) = self.list.get_mut(first) {
                    header.value = value.into();
                }
            }
            None => self.append(name, value),
        }
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: HeaderName) {
        self.list.retain(|header| header.name != name);
    }

    /// Removes every header but those of these names, and gives the memory of the others back.
    pub fn keep(&mut self, names: &[HeaderName]) {
        self.list.retain(|header| names.contains(&header.name));
        self.list.shrink_to_fit();
    }

    /// Appends all headers of this name from another message, in order.
    pub fn copy(&mut self, name: HeaderName, from: &Self) {
        self.list.extend(from.list.iter().filter(|header| header.name == name).cloned());
    }

    /// Raw values of all headers of this name, in order; comma lists are not split.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &Bytes> {
        self.list.iter().filter(move |header| header.name == name).map(|header| &header.value)
    }

    /// Raw value of the first header of this name.
    pub fn first(&self, name: HeaderName) -> Option<&Bytes> {
        self.list.iter().find(|header| header.name == name).map(|header| &header.value)
    }

    /// The header of this name where there is just one.
    pub fn only(&self, name: &HeaderName) -> Option<&Bytes> {
        let mut named = self.list.iter().filter(|header| header.name == *name).map(|header| &header.value);
        named.next().filter(|_| named.next().is_none())
    }

    /// The first header of this name as text; `None` when missing or not UTF-8.
    pub fn text(&self, name: HeaderName) -> Option<&str> {
        self.first(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether there is a header of this name.
    pub fn contains(&self, name: HeaderName) -> bool {
        self.first(name).is_some()
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &Bytes)> {
        self.list.iter().map(|header| (&header.name, &header.value))
    }

    /// Number of header lines.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no header at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The topmost Via.
    pub fn via_top(&self) -> Result<Via, FieldError> {
        let value = self.first(HeaderName::Via).ok_or(FieldError::Missing)?;
        let first = Elements::of(value).next().unwrap_or_default();
        Via::parse(&share(value, first))
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, FieldError> {
        self.elements(HeaderName::Via)?.iter().map(Via::parse).collect()
    }

    /// Writes the source of a request into its topmost Via (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn stamp_source(&mut self, source: SocketAddr) -> Result<(), FieldError> {
        let header =
            self.list.iter_mut().find(|header| header.name == HeaderName::Via).ok_or(FieldError::Missing)?;
        let first = Elements::of(&header.value).next().unwrap_or_default();
        let first = share(&header.value, first);
        let mut via = Via::parse(&first)?;
        via.stamp_source(source);
        let rest = header.value.get(element_offset(&header.value, &first)..).unwrap_or_default();
        let mut value = Vec::from(via.to_bytes());
        value.extend_from_slice(rest);
        header.value = value.into();
        Ok(())
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, FieldError> {
        self.address(HeaderName::From)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, FieldError> {
        self.address(HeaderName::To)
    }

    /// The first header of this name as one address.
    pub fn address(&self, name: HeaderName) -> Result<NameAddr, FieldError> {
        NameAddr::parse(self.first(name).ok_or(FieldError::Missing)?)
    }

    /// Gives To a tag unless it has one (RFC 3261 §8.2.6.2). The tag must be a token.
    pub fn tag_to(&mut self, tag: &str) {
        let tagged = self.to().is_ok_and(|to| to.tag().is_some());
        if let Some(header) = self.list.iter_mut().find(|header| header.name == HeaderName::To)
            && !tagged
        {
            // Appended to the value as it stands: without brackets a parameter belongs to the header as well.
            let mut value = Vec::with_capacity(header.value.len() + tag.len() + 5);
            value.extend_from_slice(&header.value);
            value.extend_from_slice(b";tag=");
            value.extend_from_slice(tag.as_bytes());
            header.value = value.into();
        }
    }

    /// Call-ID. Visible characters only.
    pub fn call_id(&self) -> Result<&str, FieldError> {
        let value = self.first(HeaderName::CallId).ok_or(FieldError::Missing)?;
        check_call_id(value)
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, FieldError> {
        CSeq::parse(self.first(HeaderName::CSeq).ok_or(FieldError::Missing)?)
    }

    /// All Contact addresses.
    pub fn contacts(&self) -> Result<Contacts, FieldError> {
        let elements = self.elements(HeaderName::Contact)?;
        match elements.as_slice() {
            [only] if only.as_ref() == b"*" => Ok(Contacts::Star),
            elements => Ok(Contacts::List(elements.iter().map(NameAddr::parse).collect::<Result<_, _>>()?)),
        }
    }

    /// All Route addresses, topmost first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, FieldError> {
        self.addresses(HeaderName::Route)
    }

    /// All Record-Route addresses, topmost first.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, FieldError> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// All addresses of the headers of this name, in order.
    pub fn addresses(&self, name: HeaderName) -> Result<Vec<NameAddr>, FieldError> {
        self.elements(name)?.iter().map(NameAddr::parse).collect()
    }

    /// Max-Forwards; `None` when missing or not a number in 0..=255 (then the default of 70 holds, §8.1.1.6).
    pub fn max_forwards(&self) -> Option<u8> {
        self.first(HeaderName::MaxForwards)
            .and_then(|value| number(value))
            .and_then(|hops| u8::try_from(hops).ok())
    }

    /// Expires in seconds. Numbers beyond 2^32 − 1 count as that; `None` when missing or not a number.
    pub fn expires(&self) -> Option<u32> {
        self.first(HeaderName::Expires).and_then(|value| seconds(value))
    }

    /// Min-Expires in seconds, read like [`Headers::expires`].
    pub fn min_expires(&self) -> Option<u32> {
        self.first(HeaderName::MinExpires).and_then(|value| seconds(value))
    }

    /// Retry-After in seconds, read like [`Headers::expires`]; comment and parameters are ignored.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.first(HeaderName::RetryAfter)?;
        let end = value.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(value.len());
        seconds(value.get(..end)?)
    }

    /// Content-Type without parameters, lower case, e.g. `application/sdp`; `None` when missing.
    pub fn content_type(&self) -> Option<String> {
        let value = self.text(HeaderName::ContentType)?;
        let media_type = value.split(';').next().unwrap_or_default();
        Some(media_type.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>().to_ascii_lowercase())
    }

    /// Option tags of Require.
    pub fn require(&self) -> Vec<&str> {
        self.tokens(HeaderName::Require)
    }

    /// Option tags of Supported.
    pub fn supported(&self) -> Vec<&str> {
        self.tokens(HeaderName::Supported)
    }

    /// Non-empty elements of the headers of this name as text (Allow, Accept, Require, Supported, Unsupported ...).
    /// Elements that aren't UTF-8 and those beyond [`ELEMENTS_MAX`] are left out.
    pub fn tokens(&self, name: HeaderName) -> Vec<&str> {
        self.all(name)
            .flat_map(|value| Elements::of(value))
            .filter(|element| !element.is_empty())
            .filter_map(|element| std::str::from_utf8(element).ok())
            .take(ELEMENTS_MAX)
            .collect()
    }

    /// All Reason values that can be read (RFC 3326).
    pub fn reasons(&self) -> Vec<Cause> {
        let causes =
            self.all(HeaderName::Reason).flat_map(|value| Elements::of(value)).filter_map(read_cause);
        causes.take(ELEMENTS_MAX).collect()
    }

    /// Elements of the comma lists of all headers of this name.
    pub fn elements(&self, name: HeaderName) -> Result<Vec<Bytes>, FieldError> {
        let mut out = Vec::new();
        for value in self.all(name) {
            for element in Elements::of(value) {
                if out.len() == ELEMENTS_MAX {
                    return Err(FieldError::TooMany);
                }
                out.push(share(value, element));
            }
        }
        Ok(out)
    }

    /// What a response repeats of its request (RFC 3261 §8.2.6.2).
    pub(super) fn for_response(&self) -> Self {
        let repeated = |name: &HeaderName| {
            matches!(
                name,
                HeaderName::Via
                    | HeaderName::From
                    | HeaderName::To
                    | HeaderName::CallId
                    | HeaderName::CSeq
                    | HeaderName::Timestamp
            )
        };
        Self { list: self.list.iter().filter(|header| repeated(&header.name)).cloned().collect() }
    }
}

/// A Call-ID is one word (RFC 3261 §25.1); wider here, but never with white space or control characters in it.
pub(super) fn check_call_id(value: &[u8]) -> Result<&str, FieldError> {
    let clean = !value.is_empty() && value.iter().all(|octet| *octet > b' ' && *octet != 0x7f);
    let text = std::str::from_utf8(value).map_err(|_| FieldError::Text)?;
    if clean { Ok(text) } else { Err(FieldError::Text) }
}

/// Seconds; what doesn't fit counts as the largest number and never as a small one (RFC 4475 §3.1.2.4).
fn seconds(value: &[u8]) -> Option<u32> {
    let digits = trim(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(number(digits).and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(u32::MAX))
}

/// Offset in `value` behind its first element, which starts after white space at most.
fn element_offset(value: &[u8], first: &[u8]) -> usize {
    value.iter().position(|octet| !is_space(*octet)).unwrap_or(value.len()) + first.len()
}

fn read_cause(element: &[u8]) -> Option<Cause> {
    let end = element.iter().position(|octet| *octet == b';').unwrap_or(element.len());
    let (protocol, rest) = element.split_at(end);
    params::scan(rest, 0).ok()?;
    let params = Params::checked(Bytes::copy_from_slice(rest));
    Some(Cause {
        protocol: std::str::from_utf8(trim(protocol)).ok()?.to_owned(),
        cause: params.get("cause").and_then(number).and_then(|cause| u16::try_from(cause).ok()),
        text: params.get("text").map(|text| String::from_utf8_lossy(&unquote(text)).into_owned()),
    })
}
