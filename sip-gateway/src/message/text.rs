//! Text that shares the datagram's memory, and the character classes of RFC 3261 §25.1.

use std::fmt;

use bytes::Bytes;

/// UTF-8 text kept as a slice of the datagram it came from.
///
/// Cheap to clone; reads as `&str`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// Takes octets that are UTF-8; `None` when they are not.
    pub fn from_utf8(octets: Bytes) -> Option<Self> {
        std::str::from_utf8(&octets).is_ok().then_some(Self(octets))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Checked in every constructor; the check is repeated because the memory is shared octets.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same memory as octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The shared octets.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Shares the memory of a part with the datagram or value it was cut from.
pub(super) fn share(whole: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() { Bytes::new() } else { whole.slice_ref(part) }
}

/// A part of a value, as offsets. Values are shorter than 64 KiB because datagrams are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Offsets beyond 64 KiB can't occur behind the length limit of a value; they become an empty span.
    pub(super) fn new(start: usize, end: usize) -> Self {
        match (u16::try_from(start), u16::try_from(end)) {
            (Ok(start), Ok(end)) if start <= end => Self { start, end },
            _ => Self::default(),
        }
    }

    pub(super) fn of(self, octets: &[u8]) -> &[u8] {
        octets.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    pub(super) fn share(self, octets: &Bytes) -> Bytes {
        if usize::from(self.end) <= octets.len() {
            octets.slice(usize::from(self.start)..usize::from(self.end))
        } else {
            Bytes::new()
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

const TOKEN: u8 = 1;
const HOST: u8 = 2;
const PARAM: u8 = 4;

/// One lookup per octet instead of a chain of comparisons: decoding spends most of its time here.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let c = octet as u8;
        let alphanumeric = c.is_ascii_alphanumeric();
        // RFC 3261 §25.1: token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
        if alphanumeric || matches!(c, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
            class[octet] |= TOKEN;
        }
        // Wider than a token: `received=[2001:db8::1]` must pass (RFC 5118 §4.5).
        let delimiter = matches!(c, b' ' | b';' | b'=' | b',' | b'"' | b'<' | b'>');
        if !c.is_ascii_control() && !delimiter {
            class[octet] |= PARAM;
        }
        // The underscore is not in the grammar of a host name but in many real ones.
        if alphanumeric || matches!(c, b'-' | b'.' | b'_') {
            class[octet] |= HOST;
        }
        octet += 1;
    }
    class
};

/// Whether the octet may stand in a token.
pub(crate) fn is_token_octet(octet: u8) -> bool {
    CLASS[usize::from(octet)] & TOKEN != 0
}

/// Whether the octets are a token (RFC 3261 §25.1).
pub(crate) fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|octet| is_token_octet(*octet))
}

/// Whether all octets may stand in a URI: everything visible but the delimiters that the grammar keeps outside.
/// Without an early exit, so that it is done for many octets at once.
pub(super) fn are_uri_octets(octets: &[u8]) -> bool {
    octets.iter().fold(true, |good, octet| {
        good & (*octet > b' ') & (*octet < 0x7f) & (*octet != b'<') & (*octet != b'>') & (*octet != b'"')
    })
}

/// Whether the octet may stand unquoted in a parameter.
pub(super) fn is_param_octet(octet: u8) -> bool {
    CLASS[usize::from(octet)] & PARAM != 0
}

pub(super) fn is_host_octet(octet: u8) -> bool {
    CLASS[usize::from(octet)] & HOST != 0
}

/// Whether the octet is linear white space within an unfolded value.
pub(crate) fn is_space(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

/// Without white space at both ends.
pub(crate) fn trim(mut octets: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = octets
        && is_space(*first)
    {
        octets = rest;
    }
    while let [rest @ .., last] = octets
        && is_space(*last)
    {
        octets = rest;
    }
    octets
}

/// First offset from `at` on that holds no white space.
pub(super) fn skip_space(octets: &[u8], mut at: usize) -> usize {
    while octets.get(at).is_some_and(|octet| is_space(*octet)) {
        at += 1;
    }
    at
}

/// Offset behind the quoted string that starts at `at` with its quote; `None` when it never ends.
pub(crate) fn quoted_end(octets: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match octets.get(at)? {
            b'"' => return Some(at + 1),
            // RFC 3261 §25.1: quoted-pair, the octet behind the backslash stands for itself.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The content of a quoted string (with or without its quotes) with quoted pairs resolved.
pub(super) fn unquote(octets: &[u8]) -> Vec<u8> {
    let inner = match octets {
        [b'"', inner @ .., b'"'] => inner,
        other => return other.to_vec(),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for octet in inner {
        if *octet == b'\\' && !escaped {
            escaped = true;
        } else {
            out.push(*octet);
            escaped = false;
        }
    }
    out
}

/// A quoted string of `text`, quotes and backslashes escaped.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

/// Unsigned decimal number; `None` without digits, with anything else in it, or beyond 2^64 − 1.
pub(super) fn number(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() {
        return None;
    }
    octets.iter().try_fold(0_u64, |sum, octet| {
        if !octet.is_ascii_digit() {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(octet - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_end_at_the_first_unescaped_quote() {
        assert_eq!(quoted_end(b"\"a\\\"b\" c", 0), Some(6));
        assert_eq!(quoted_end(b"\"never ends", 0), None);
        assert_eq!(quoted_end(b"\"ends in a backslash\\", 0), None);
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        let text = "a \"quoted\" back\\slash";
        assert_eq!(unquote(quote(text).as_bytes()), text.as_bytes());
        assert_eq!(unquote(b"\"NUL:\\\0\""), b"NUL:\0");
    }

    #[test]
    fn numbers_never_wrap() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b""), None);
    }
}
