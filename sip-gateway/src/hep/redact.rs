//! Credentials out of a message, and the Call-ID from it, whatever state it is in.
//!
//! A digest answer lets whoever reads it try passwords at leisure, so its octets are replaced one by one: lengths stay as they
//! were.

use memchr::memchr;

/// Headers whose values prove who somebody is (RFC 3261 §22).
const CREDENTIALS: [&[u8]; 2] = [b"authorization", b"proxy-authorization"];
/// Longest Call-ID that is told.
const CALL_ID_MAX: usize = 256;
/// What stands for an octet of a credential.
const BLANK: u8 = b'*';

/// Appends the message with the values of its credentials blanked.
pub fn copy(message: &[u8], out: &mut Vec<u8>) {
    let mut hidden = false;
    for line in Lines::of(message) {
        match line {
            Line::Header { name, .. } => hidden = CREDENTIALS.iter().any(|it| name.eq_ignore_ascii_case(it)),
            // A folded line belongs to the header before it (RFC 3261 §7.3.1).
            Line::Folded(_) => {}
            Line::Other(octets) => {
                hidden = false;
                out.extend_from_slice(octets);
                continue;
            }
        }
        let (octets, shown) = match line {
            Line::Header { octets, value, .. } => (octets, value),
            Line::Folded(octets) | Line::Other(octets) => (octets, 0),
        };
        if hidden {
            let blanked = octets.iter().enumerate().map(|(at, octet)| match octet {
                b'\r' | b'\n' | b' ' | b'\t' => *octet,
                octet if at < shown => *octet,
                _ => BLANK,
            });
            out.extend(blanked);
        } else {
            out.extend_from_slice(octets);
        }
    }
}

/// The Call-ID; none where it is longer than any that is of use.
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    Lines::of(message).find_map(|line| match line {
        Line::Header { octets, name, value }
            if name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i") =>
        {
            let value = octets.get(value..)?.trim_ascii();
            (1..=CALL_ID_MAX).contains(&value.len()).then_some(value)
        }
        Line::Header { .. } | Line::Folded(_) | Line::Other(_) => None,
    })
}

/// A part of a message, with its line end.
enum Line<'m> {
    /// A header line: its name, and where the value begins.
    Header { octets: &'m [u8], name: &'m [u8], value: usize },
    /// One that begins with white space.
    Folded(&'m [u8]),
    /// The start line, an empty line, the body.
    Other(&'m [u8]),
}

/// The lines of a message's head, then all of its body.
struct Lines<'m> {
    rest: &'m [u8],
    in_body: bool,
    begun: bool,
}

impl<'m> Lines<'m> {
    fn of(message: &'m [u8]) -> Self {
        Self { rest: message, in_body: false, begun: false }
    }
}

impl<'m> Iterator for Lines<'m> {
    type Item = Line<'m>;

    fn next(&mut self) -> Option<Line<'m>> {
        if self.rest.is_empty() {
            return None;
        }
        if self.in_body {
            return Some(Line::Other(std::mem::take(&mut self.rest)));
        }
        let end = memchr(b'\n', self.rest).map_or(self.rest.len(), |end| end + 1);
        let (octets, rest) = self.rest.split_at(end);
        self.rest = rest;
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Line::Other(octets));
        }
        let text = octets.trim_ascii_end();
        if text.is_empty() {
            // White space and nothing else goes on with the header before; no octet at all ends the head.
            self.in_body = !octets.starts_with(b" ") && !octets.starts_with(b"\t");
            return Some(if self.in_body { Line::Other(octets) } else { Line::Folded(octets) });
        }
        if octets.starts_with(b" ") || octets.starts_with(b"\t") {
            return Some(Line::Folded(octets));
        }
        Some(match memchr(b':', text) {
            Some(colon) => {
                let name = octets.get(..colon).unwrap_or_default().trim_ascii();
                Line::Header { octets, name, value: colon + 1 }
            }
            None => Line::Other(octets),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(message: &str) -> String {
        let mut out = b"before ".to_vec();
        copy(message.as_bytes(), &mut out);
        String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn credentials_are_blanked_however_they_are_written() {
        let message = "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest username=\"a\",\r\n response=\"secret\"\r\n \r\n\tsecret\r\n\
            Call-ID: x\r\npROXY-authorization : secret\nVia: SIP/2.0/UDP a\r\nContent-Length: 25\r\n\r\nAuthorization: not secret";
        let shown = redacted(message);
        assert_eq!(shown.len(), message.len());
        assert!(!shown.replace("not secret", "").contains("secret"), "{shown}");
        assert!(shown.contains("Authorization: ****** *************\r\n ****"), "{shown}");
        assert!(shown.contains("pROXY-authorization : ******\nVia: SIP/2.0/UDP a\r\n"), "{shown}");
        assert!(shown.ends_with("\r\n\r\nAuthorization: not secret"), "a body is as it was: {shown}");
    }

    #[test]
    fn everything_else_is_as_it_was() {
        for message in [
            "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest nonce=\"x\"\r\n\r\n",
            "INVITE sip:+1555@x SIP/2.0\r\nX-Authorization: x\r\nno header\r\nFrom: <sip:a@b>",
            "",
            "\n\n",
            "Authorization: a start line",
        ] {
            assert_eq!(redacted(message), message);
        }
    }

    #[test]
    fn the_call_id_is_found_in_both_of_its_names() {
        let of = |message: &'static str| call_id(message.as_bytes());
        assert_eq!(of("A b SIP/2.0\r\nVia: x\r\nCall-ID:  4f@x \r\n\r\n"), Some(&b"4f@x"[..]));
        assert_eq!(of("A b SIP/2.0\ni : 4f\n\n"), Some(&b"4f"[..]));
        for none in ["Call-ID: x", "A\r\n\r\nCall-ID: x\r\n", "A\r\nCall-ID:\r\n\r\n", "A\r\n Call-ID: x\r\n"]
        {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
