//! What a ladder keeps of a message: a few facts, and none that names a person or proves who somebody is.

use memchr::memchr;

use crate::message::{HeaderName, Headers, Message, Request};

/// A request's method, as far as a ladder tells methods apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §13.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Notify,
    /// RFC 6086.
    Info,
    /// RFC 3261 §11.
    Options,
    /// RFC 3428.
    Message,
    /// Any other.
    Other,
}

const VERBS: [(Verb, &str); 12] = [
    (Verb::Invite, "INVITE"),
    (Verb::Ack, "ACK"),
    (Verb::Bye, "BYE"),
    (Verb::Cancel, "CANCEL"),
    (Verb::Prack, "PRACK"),
    (Verb::Update, "UPDATE"),
    (Verb::Refer, "REFER"),
    (Verb::Notify, "NOTIFY"),
    (Verb::Info, "INFO"),
    (Verb::Options, "OPTIONS"),
    (Verb::Message, "MESSAGE"),
    (Verb::Other, "other"),
];

impl Verb {
    /// Of a method token.
    pub fn of(token: &[u8]) -> Self {
        VERBS.iter().find(|(_, name)| name.as_bytes() == token).map_or(Self::Other, |(verb, _)| *verb)
    }

    /// The method token; `other` for one that is not told apart.
    pub fn name(self) -> &'static str {
        VERBS.iter().find(|(verb, _)| *verb == self).map_or("other", |(_, name)| *name)
    }
}

/// Why a message says that it was sent (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A status of SIP.
    Sip(u16),
    /// A cause of Q.850.
    Q850(u16),
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// A session description (RFC 8866).
    Session(Session),
    /// Something else.
    Other,
}

/// What a session description says of its audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// One bit for each of [`CODECS`].
    codecs: u8,
    /// Which way audio goes.
    pub direction: Direction,
    /// The audio is refused: its port is 0 (RFC 3264 §6), or there is none.
    pub refused: bool,
}

/// Which way audio goes, as the writer of a description sees it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// It sends only.
    SendOnly,
    /// It receives only.
    ReceiveOnly,
    /// Neither way.
    Inactive,
}

/// Codecs that are told apart, with the static payload type that needs no `rtpmap` (RFC 3551 §6).
const CODECS: [(&str, Option<&str>); 8] = [
    ("PCMU", Some("0")),
    ("PCMA", Some("8")),
    ("G722", Some("9")),
    ("G729", Some("18")),
    ("GSM", Some("3")),
    ("opus", None),
    ("AMR", None),
    ("telephone-event", None),
];

impl Session {
    /// Names of its codecs that are told apart, in an order of ours.
    pub fn codecs(self) -> impl Iterator<Item = &'static str> {
        CODECS
            .iter()
            .enumerate()
            .filter(move |(index, _)| self.codecs & (1 << index) != 0)
            .map(|(_, (name, _))| *name)
    }
}

/// What is kept of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// Status of a response, none for a request.
    pub status: Option<u16>,
    /// Method of the request, or of the one that is answered.
    pub verb: Verb,
    /// Number of its CSeq.
    pub cseq: u32,
    /// Its first Reason that is understood.
    pub cause: Option<Cause>,
    /// What it carries.
    pub body: Body,
}

impl Sketch {
    /// Of a received message, with its Call-ID.
    pub fn of_received(message: &Message) -> Option<(&str, Self)> {
        match message {
            Message::Request(request) => Self::of_request(request),
            Message::Response(response) => {
                Self::of_parts(Some(response.status), &response.headers, &response.body)
            }
        }
    }

    /// Of a received request, with its Call-ID.
    pub fn of_request(request: &Request) -> Option<(&str, Self)> {
        Self::of_parts(None, &request.headers, &request.body)
    }

    fn of_parts<'m>(status: Option<u16>, headers: &'m Headers, body: &[u8]) -> Option<(&'m str, Self)> {
        let (cseq, verb) = cseq(headers.first(HeaderName::CSeq)?)?;
        let kind = headers.first(HeaderName::ContentType).map_or(&b""[..], |kind| kind);
        let cause = headers.first(HeaderName::Reason).and_then(|value| read_cause(value));
        let sketch = Self { status, verb, cseq, cause, body: read_body(kind, body) };
        Some((headers.call_id().ok()?, sketch))
    }

    /// Of a message as we write them, with its Call-ID: long header names at the start of their lines, nothing folded.
    pub fn of_sent(octets: &[u8]) -> Option<(&str, Self)> {
        let (first, mut rest) = line(octets);
        // Responses begin with the version (RFC 3261 §7.2).
        let status = first.strip_prefix(b"SIP/2.0 ").map(number);
        let (mut call_id, mut numbered, mut cause, mut kind) = (None, None, None, &b""[..]);
        loop {
            let (header, after) = line(rest);
            rest = after;
            match header.first() {
                None => break,
                Some(b'C') => {
                    if let Some(value) = header.strip_prefix(b"Call-ID: ") {
                        call_id = std::str::from_utf8(value).ok();
                    } else if let Some(value) = header.strip_prefix(b"CSeq: ") {
                        numbered = cseq(value);
                    } else if let Some(value) = header.strip_prefix(b"Content-Type: ") {
                        kind = value;
                    }
                }
                Some(b'R') => {
                    cause = header.strip_prefix(b"Reason: ").and_then(read_cause).or(cause);
                }
                Some(_) => {}
            }
        }
        let (cseq, verb) = numbered?;
        let status = status.map(|status| u16::try_from(status).unwrap_or(u16::MAX));
        Some((call_id?, Self { status, verb, cseq, cause, body: read_body(kind, rest) }))
    }
}

/// The first line without its end, and what follows.
fn line(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', octets).unwrap_or(octets.len());
    let (line, rest) = octets.split_at(end);
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}

/// The digits that octets begin with, as a number; as much as fits.
fn number(octets: &[u8]) -> u32 {
    let digits = octets.iter().take_while(|octet| octet.is_ascii_digit());
    digits.fold(0, |sum: u32, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

fn cseq(value: &[u8]) -> Option<(u32, Verb)> {
    let value = value.trim_ascii();
    let method = value.iter().rposition(|octet| octet.is_ascii_whitespace())?;
    Some((number(value), Verb::of(value.get(method + 1..)?)))
}

/// The first element of a Reason (RFC 3326 §2); its text may hold anything and is left.
fn read_cause(value: &[u8]) -> Option<Cause> {
    let element = value.split(|octet| *octet == b',').next()?;
    let mut parts = element.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    let protocol = parts.next()?;
    let cause = parts.find_map(|part| part.strip_prefix(b"cause="))?;
    let cause = u16::try_from(number(cause)).ok()?;
    if protocol.eq_ignore_ascii_case(b"SIP") {
        Some(Cause::Sip(cause))
    } else if protocol.eq_ignore_ascii_case(b"Q.850") {
        Some(Cause::Q850(cause))
    } else {
        None
    }
}

fn read_body(kind: &[u8], body: &[u8]) -> Body {
    if body.is_empty() {
        return Body::None;
    }
    let kind = kind.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"application/sdp") {
        Body::Session(read_session(body))
    } else {
        Body::Other
    }
}

/// The first audio of a description (RFC 8866 §5.14).
fn read_session(body: &[u8]) -> Session {
    let mut session = Session { refused: true, ..Session::default() };
    let (mut in_audio, mut rest) = (false, body);
    while !rest.is_empty() {
        let (text, after) = line(rest);
        rest = after;
        if let Some(media) = text.strip_prefix(b"m=") {
            if in_audio {
                break;
            }
            let Some(audio) = media.strip_prefix(b"audio ") else { continue };
            in_audio = true;
            session.refused = number(audio) == 0;
            // Port and profile come first.
            for format in audio.split(|octet| *octet == b' ').skip(2) {
                session.codecs |= bit(|(_, known)| known.is_some_and(|known| known.as_bytes() == format));
            }
        } else if let Some(map) = text.strip_prefix(b"a=rtpmap:").filter(|_| in_audio) {
            let name = map.split(|octet| matches!(octet, b' ' | b'/')).nth(1).unwrap_or_default();
            session.codecs |= bit(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        } else {
            session.direction = match text {
                b"a=sendrecv" => Direction::Both,
                b"a=sendonly" => Direction::SendOnly,
                b"a=recvonly" => Direction::ReceiveOnly,
                b"a=inactive" => Direction::Inactive,
                _ => session.direction,
            };
        }
    }
    session
}

/// The bit of the codec that `is` finds; none where there is no such codec.
fn bit(is: impl Fn(&(&str, Option<&str>)) -> bool) -> u8 {
    CODECS.iter().position(is).map_or(0, |index| 1 << index)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::decode;

    const INVITE: &str = "INVITE sip:+15551230001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
        From: <sip:+15559990000@192.0.2.9>;tag=a\r\nTo: <sip:+15551230001@192.0.2.1>\r\nCall-ID: 4f1c@192.0.2.9\r\n\
        CSeq: 70 INVITE\r\nAuthorization: Digest username=\"us\", response=\"secret\"\r\n\
        Reason: SIP;text=\"none\", Q.850;cause=16\r\nContent-Type: application/sdp\r\nContent-Length: 0\r\n\r\n";

    fn session(text: &str) -> Session {
        read_session(text.replace('|', "\r\n").as_bytes())
    }

    #[test]
    fn what_we_write_and_what_is_read_sketch_alike() {
        let octets = Bytes::from_static(INVITE.as_bytes());
        let (call_id, sent) = Sketch::of_sent(&octets).unwrap();
        assert_eq!((call_id, sent.verb, sent.cseq, sent.status), ("4f1c@192.0.2.9", Verb::Invite, 70, None));
        assert_eq!((sent.cause, sent.body), (None, Body::None), "the first reason has no cause");
        let message = decode(octets.clone()).unwrap();
        assert_eq!(Sketch::of_received(&message), Some((call_id, sent)));

        let answer = "SIP/2.0 183 Whatever\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=a\r\n\
            To: <sip:c@d>;tag=b\r\nCall-ID: x\r\nCSeq: 70 INVITE\r\nReason: q.850 ; cause=34;text=\"+15551230001\"\r\n\
            Content-Type: application/sdp;x=y\r\nContent-Length: 34\r\n\r\nm=audio 4000 RTP/AVP 8\r\na=recvonly";
        let (_, sent) = Sketch::of_sent(answer.as_bytes()).unwrap();
        assert_eq!((sent.status, sent.cause), (Some(183), Some(Cause::Q850(34))));
        let Body::Session(body) = sent.body else { panic!("{sent:?}") };
        assert_eq!(body.codecs().collect::<Vec<_>>(), ["PCMA"]);
        assert_eq!((body.direction, body.refused), (Direction::ReceiveOnly, false));
        let message = decode(Bytes::from(answer.to_owned())).unwrap();
        assert_eq!(Sketch::of_received(&message), Some(("x", sent)));
    }

    #[test]
    fn audio_is_told_by_codecs_direction_and_refusal() {
        let text = "v=0|a=sendonly|m=audio 9 RTP/AVP 96 0 101|a=rtpmap:96 opus/48000/2|a=rtpmap:101 telephone-event/8000|\
            m=video 0 RTP/AVP 31|a=inactive|";
        let both = session(text);
        assert_eq!(both.codecs().collect::<Vec<_>>(), ["PCMU", "opus", "telephone-event"]);
        assert_eq!(
            (both.direction, both.refused),
            (Direction::SendOnly, false),
            "of the session, not of the video"
        );
        assert!(session("m=audio 0 RTP/AVP 0|").refused);
        assert!(session("m=video 9 RTP/AVP 0|").refused, "no audio at all");
    }

    #[test]
    fn nothing_panics_and_nothing_is_made_up() {
        for end in 0..INVITE.len() {
            let _ = Sketch::of_sent(INVITE.get(..end).unwrap().as_bytes());
        }
        assert_eq!(Sketch::of_sent(b""), None);
        assert_eq!(Sketch::of_sent(b"\r\n\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"), None, "behind the headers");
        assert_eq!(number(b"99999999999x"), u32::MAX);
        assert_eq!(read_cause(b"SIP;cause=99999999"), None);
        assert_eq!(Verb::of(b"invite"), Verb::Other);
        assert!(VERBS.iter().all(|(verb, name)| verb.name() == *name));
    }
}
