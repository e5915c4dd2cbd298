//! Writing session descriptions (RFC 4566 §5).

use std::fmt::Write;
use std::net::IpAddr;

use super::parse::{Direction, Stream};
use crate::media::Codec;

/// Payload type we offer for telephone-event (RFC 4733).
pub const TELEPHONE_EVENT_PAYLOAD: u8 = 101;

/// An offer of one audio stream, sendrecv, with telephone-event and 20 ms packets.
///
/// `session_id` stays for the life of the session and `version` grows whenever the description changes (RFC 3264 §5, §8).
pub fn offer(address: IpAddr, port: u16, codecs: &[Codec], session_id: u64, version: u64) -> Vec<u8> {
    let mut out = head(address, session_id, version);
    audio(&mut out, port, codecs, Some(TELEPHONE_EVENT_PAYLOAD), Direction::SendReceive);
    out.into_bytes()
}

/// Session level lines.
pub(super) fn head(address: IpAddr, session_id: u64, version: u64) -> String {
    let family = match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    format!(
        "v=0\r\no=- {session_id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
    )
}

/// Our audio stream.
pub(super) fn audio(
    out: &mut String,
    port: u16,
    codecs: &[Codec],
    telephone_event: Option<u8>,
    direction: Direction,
) {
    // Writing to a String can't fail.
    let _ = write!(out, "m=audio {port} RTP/AVP");
    for codec in codecs {
        let _ = write!(out, " {}", payload(*codec));
    }
    if let Some(event) = telephone_event {
        let _ = write!(out, " {event}");
    }
    out.push_str("\r\n");
    for codec in codecs {
        let _ = write!(out, "a=rtpmap:{} {}/8000\r\n", payload(*codec), encoding(*codec));
    }
    if let Some(event) = telephone_event {
        // RFC 4733 §2.4.1: the sixteen keys of DTMF.
        let _ = write!(out, "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
    }
    let _ = write!(out, "a=ptime:20\r\na={}\r\n", direction.as_str());
}

/// RFC 3264 §6: a stream we don't take is answered with port 0 in its place.
pub(super) fn refused(out: &mut String, stream: &Stream) {
    let _ = write!(out, "m={} 0 {}", stream.kind, stream.protocol);
    for format in &stream.formats {
        let _ = write!(out, " {format}");
    }
    out.push_str("\r\n");
}

/// Static payload type (RFC 3551 table 4).
pub(super) fn payload(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    }
}

/// Encoding name (RFC 3551).
pub(super) fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
    }
}
