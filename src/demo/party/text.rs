//! SIP as text: just enough reading to play a peer, and the template of every response (RFC 3261 §7, §8.2.6, §18.2).

use std::net::SocketAddr;

/// Most header fields that are read of one message; the rest is ignored.
pub const HEADERS_MAX: usize = 128;
/// Longest datagram that is read, in octets.
pub const DATAGRAM_MAX: usize = 65_535;

/// One received message, split into lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    start: String,
    headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: String,
}

impl Text {
    /// Splits a datagram; `None` when it has no start line of SIP. Keep-alives (RFC 5626 §4.4.1) are `None` too.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        if datagram.len() > DATAGRAM_MAX {
            return None;
        }
        let whole = String::from_utf8_lossy(datagram).replace("\r\n", "\n");
        let (head, body) = whole.split_once("\n\n").unwrap_or((whole.as_str(), ""));
        let mut lines = head.lines();
        let start = lines.next()?.to_owned();
        if !start.starts_with("SIP/2.0 ") && !start.ends_with(" SIP/2.0") {
            return None;
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                // RFC 3261 §7.3.1: a line that starts with white space continues the one before it.
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                continue;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            if headers.len() == HEADERS_MAX {
                break;
            }
            headers.push((long_name(name.trim()).to_owned(), value.trim().to_owned()));
        }
        Some(Self { start, headers, body: body.replace('\n', "\r\n") })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        if self.start.starts_with("SIP/2.0 ") {
            return None;
        }
        self.start.split(' ').next()
    }

    /// The Request-URI of a request.
    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// First value of a header (long name, any case); empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    /// All values of a header in order, as written.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID")
    }

    /// Number and method of CSeq; zero and an empty method when it can't be read.
    pub fn cseq(&self) -> (u32, &str) {
        let mut parts = self.header("CSeq").split_whitespace();
        let number = parts.next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        (number, parts.next().unwrap_or_default())
    }

    /// Tag of From; empty when there is none.
    pub fn from_tag(&self) -> &str {
        parameter(self.header("From"), "tag")
    }

    /// Tag of To; empty when there is none.
    pub fn to_tag(&self) -> &str {
        parameter(self.header("To"), "tag")
    }

    /// Branch of the topmost Via; empty when there is none.
    pub fn branch(&self) -> &str {
        parameter(self.header("Via"), "branch")
    }
}

/// A header parameter's value, outside the angle brackets of a name-addr; empty when missing.
pub fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    let outside = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    let first = outside.split(',').next().unwrap_or_default();
    first
        .split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
        .map_or("", |(_, found)| found.trim())
}

/// The URI inside a name-addr or addr-spec.
pub fn uri_of(value: &str) -> &str {
    if let Some((_, rest)) = value.split_once('<') {
        return rest.split('>').next().unwrap_or_default();
    }
    value.split(';').next().unwrap_or_default().trim()
}

/// The user part of a `sip:` URI, without parameters; a `tel:` URI's number.
pub fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    user.split(';').next().unwrap_or_default()
}

/// What a response adds to what it copies from the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// Status, 100..699.
    pub status: u16,
    /// Reason phrase.
    pub reason: &'a str,
    /// Tag to put on To; empty for none (100) or when To has one already.
    pub tag: &'a str,
    /// Further header lines, each ended by CRLF.
    pub headers: &'a str,
    /// Body; SDP when not empty.
    pub body: &'a str,
}

/// Writes a response (RFC 3261 §8.2.6.2: Via, From, To, Call-ID and CSeq are the request's; §12.1.1: Record-Route too when
/// the response makes a dialog). The topmost Via gets `received` and, when asked for, `rport` (§18.2.1, RFC 3581 §4).
pub fn reply(request: &Text, source: SocketAddr, reply: &Reply<'_>) -> Vec<u8> {
    let mut vias = String::new();
    for (place, value) in request.all("Via").enumerate() {
        let value = if place == 0 { stamp_via(value, source) } else { value.to_owned() };
        vias.push_str(&format!("Via: {value}\r\n"));
    }
    let mut record_routes = String::new();
    if reply.status > 100 && reply.status < 300 {
        for value in request.all("Record-Route") {
            record_routes.push_str(&format!("Record-Route: {value}\r\n"));
        }
    }
    let to = request.header("To");
    let tag = if reply.tag.is_empty() || !request.to_tag().is_empty() {
        String::new()
    } else {
        format!(";tag={}", reply.tag)
    };
    let content = if reply.body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} {reason}\r\n{vias}{record_routes}From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: \
         {cseq}\r\n{headers}{content}Content-Length: {length}\r\n\r\n{body}",
        status = reply.status,
        reason = reply.reason,
        from = request.header("From"),
        call_id = request.call_id(),
        cseq = request.header("CSeq"),
        headers = reply.headers,
        length = reply.body.len(),
        body = reply.body,
    )
    .into_bytes()
}

fn stamp_via(value: &str, source: SocketAddr) -> String {
    let (first, others) = value.split_once(',').map_or((value, None), |(first, rest)| (first, Some(rest)));
    let mut parts = first.split(';');
    let mut stamped = parts.next().unwrap_or_default().trim().to_owned();
    for part in parts {
        let name = part.split('=').next().unwrap_or_default().trim();
        if name.eq_ignore_ascii_case("received") {
            continue;
        }
        if name.eq_ignore_ascii_case("rport") {
            stamped.push_str(&format!(";rport={}", source.port()));
        } else {
            stamped.push_str(&format!(";{}", part.trim()));
        }
    }
    stamped.push_str(&format!(";received={}", source.ip()));
    match others {
        Some(rest) => format!("{stamped},{rest}"),
        None => stamped,
    }
}

fn long_name(name: &str) -> &str {
    // RFC 3261 §7.3.3, §20: the compact forms.
    match name {
        "v" | "V" => "Via",
        "f" | "F" => "From",
        "t" | "T" => "To",
        "i" | "I" => "Call-ID",
        "m" | "M" => "Contact",
        "c" | "C" => "Content-Type",
        "l" | "L" => "Content-Length",
        "k" | "K" => "Supported",
        "s" | "S" => "Subject",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:+12125550100@192.0.2.1 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKa, \
                          SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb\r\nFrom: \"A, \\\"b\\\"\" <sip:a@h;x=1>;tag=ft\r\nTo: \
                          <sip:+12125550100@192.0.2.1>\r\ni: id1\r\nCSeq: 7\r\n INVITE\r\nRecord-Route: \
                          <sip:p;lr>\r\nContent-Length: 4\r\n\r\nv=0\r\n";

    fn source() -> SocketAddr {
        "203.0.113.9:5077".parse().expect("address")
    }

    #[test]
    fn request_is_split_with_compact_names_and_folding() {
        let text = Text::read(INVITE.as_bytes()).expect("request");
        assert_eq!(text.method(), Some("INVITE"));
        assert_eq!(text.status(), None);
        assert_eq!(user_of(text.uri()), "+12125550100");
        assert_eq!(text.call_id(), "id1");
        assert_eq!(text.cseq(), (7, "INVITE"));
        assert_eq!(text.from_tag(), "ft");
        assert_eq!(text.to_tag(), "");
        assert_eq!(text.branch(), "z9hG4bKa");
        assert_eq!(uri_of(text.header("from")), "sip:a@h;x=1");
        assert_eq!(text.body, "v=0\r\n");
    }

    #[test]
    fn reply_copies_what_must_be_copied() {
        let text = Text::read(INVITE.as_bytes()).expect("request");
        let bytes =
            reply(&text, source(), &Reply { status: 180, reason: "Ringing", tag: "tt", ..Reply::default() });
        let back = Text::read(&bytes).expect("response");
        assert_eq!(back.status(), Some(180));
        assert_eq!(back.method(), None);
        assert_eq!(
            back.header("Via"),
            "SIP/2.0/UDP 10.0.0.1:5060;rport=5077;branch=z9hG4bKa;received=203.0.113.9, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb"
        );
        assert_eq!(back.to_tag(), "tt");
        assert_eq!(back.from_tag(), "ft");
        assert_eq!(back.cseq(), (7, "INVITE"));
        assert_eq!(back.header("Record-Route"), "<sip:p;lr>");
        assert_eq!(back.header("Content-Length"), "0");
    }

    #[test]
    fn trying_makes_no_dialog() {
        let text = Text::read(INVITE.as_bytes()).expect("request");
        let bytes = reply(&text, source(), &Reply { status: 100, reason: "Trying", ..Reply::default() });
        let back = Text::read(&bytes).expect("response");
        assert_eq!(back.to_tag(), "");
        assert_eq!(back.header("Record-Route"), "");
    }

    #[test]
    fn noise_is_nothing() {
        assert_eq!(Text::read(b"\r\n\r\n"), None);
        assert_eq!(Text::read(b"\0"), None);
        assert_eq!(Text::read(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(Text::read(&vec![b'a'; DATAGRAM_MAX + 1]), None);
    }

    #[test]
    fn headers_are_bounded() {
        let many =
            format!("OPTIONS sip:a SIP/2.0\r\n{}To: <sip:late>\r\n\r\n", "X: y\r\n".repeat(HEADERS_MAX));
        let text = Text::read(many.as_bytes()).expect("request");
        assert_eq!(text.all("X").count(), HEADERS_MAX);
        assert_eq!(text.header("To"), "");
    }
}
