//! `Digest name=value, name="value" ...`, the common form of challenges and credentials (RFC 7616 §3.3, §3.4).

use crate::message::{is_space, is_token, is_token_octet, quoted_end, trim};

/// Most fields read; a header with more is refused.
const FIELDS_MAX: usize = 32;

/// Fields of a Digest header.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// `None` for any other scheme, for text that isn't UTF-8 or has control characters (values are repeated in headers of
    /// ours), and for a field that stands twice.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        if value.iter().any(|octet| octet.is_ascii_control() && !is_space(*octet)) {
            return None;
        }
        let scheme_end = value.iter().position(|octet| is_space(*octet))?;
        let (scheme, rest) = value.split_at(scheme_end);
        if scheme.eq_ignore_ascii_case(b"Digest") { Self::parse_bare(rest) } else { None }
    }

    /// The same without a scheme in front, as Authentication-Info has it (RFC 7616 §3.5).
    pub(super) fn parse_bare(mut rest: &'a [u8]) -> Option<Self> {
        let mut fields = Self(Vec::new());
        loop {
            rest = trim(rest);
            // Empty list elements mean nothing (RFC 7230 §7).
            if let [b',', after @ ..] = rest {
                rest = after;
                continue;
            }
            if rest.is_empty() {
                return Some(fields);
            }
            let (name, value, after) = one(rest)?;
            if fields.get(name).is_some() || fields.0.len() == FIELDS_MAX {
                return None;
            }
            fields.0.push((name, value));
            rest = after;
        }
    }

    /// Value by name, without its quotes, quoted pairs left as they are: that is what is hashed and repeated
    /// (`unq` of RFC 7616 §3.3).
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

fn one(text: &[u8]) -> Option<(&str, &str, &[u8])> {
    let name_end = text.iter().position(|octet| !is_token_octet(*octet))?;
    let name = text.get(..name_end).filter(|name| is_token(name))?;
    let [b'=', value @ ..] = trim(text.get(name_end..)?) else { return None };
    let value = trim(value);
    let (value, rest) = match value {
        [b'"', ..] => {
            let end = quoted_end(value, 0)?;
            (value.get(1..end - 1)?, value.get(end..)?)
        }
        _ => {
            let end =
                value.iter().position(|octet| *octet == b',' || is_space(*octet)).unwrap_or(value.len());
            let (value, rest) = value.split_at(end);
            // Some leave the quotes away around what is no token; what would end a quoted string is refused.
            if value.iter().any(|octet| matches!(octet, b'"' | b'\\')) {
                return None;
            }
            (value, rest)
        }
    };
    match trim(rest) {
        rest @ ([] | [b',', ..]) => {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_white_space_are_read() {
        let fields = Fields::parse(b" digest realm = \"a, \\\"b\\\"\" ,qop=auth,, nonce=\"\"").unwrap();
        assert_eq!(fields.get("Realm"), Some("a, \\\"b\\\""));
        assert_eq!(fields.get("qop"), Some("auth"));
        assert_eq!(fields.get("nonce"), Some(""));
        assert_eq!(fields.get("opaque"), None);
    }

    #[test]
    fn other_schemes_repeats_and_open_quotes_are_refused() {
        for bad in [
            "Basic YTpi",
            "Digest",
            "Digest a=1, A=2",
            "Digest a=\"x",
            "Digest a",
            "Digest =x",
            "Digest a=b c=d",
            "Digest a=b\"",
            "Digest a=\"\0\"",
            "Digest a=\"\\\x7F\"",
        ] {
            assert!(Fields::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let fields = |count: usize| (0..count).map(|n| format!("f{n}=1")).collect::<Vec<_>>().join(",");
        assert!(Fields::parse(format!("Digest {}", fields(FIELDS_MAX)).as_bytes()).is_some());
        assert!(Fields::parse(format!("Digest {}", fields(FIELDS_MAX + 1)).as_bytes()).is_none());
    }
}
