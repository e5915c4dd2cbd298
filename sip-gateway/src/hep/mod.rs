//! HEP: SIP messages wrapped up for a capture server such as Homer (HEP/EEP protocol, version 3).
//!
//! Pure: a message with its addresses and time in, a datagram out. Credentials are blanked on the way ([`redact`]); the rest of
//! a message is as it was on the wire, numbers included. Sockets and the queue are in `io/hep.rs`.

pub mod redact;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use crate::options::HepOptions;
use crate::transport::Transport;

/// Longest message that is sent on: with all that is around it, it stays below what a datagram carries.
pub const PAYLOAD_MAX: usize = 60_000;

/// All chunks are of the vendor 0, the generic ones.
const GENERIC: u16 = 0;
const FAMILY: u16 = 0x0001;
const PROTOCOL: u16 = 0x0002;
const SOURCE_V4: u16 = 0x0003;
const DESTINATION_V4: u16 = 0x0004;
const SOURCE_V6: u16 = 0x0005;
const DESTINATION_V6: u16 = 0x0006;
const SOURCE_PORT: u16 = 0x0007;
const DESTINATION_PORT: u16 = 0x0008;
const SECONDS: u16 = 0x0009;
const MICROSECONDS: u16 = 0x000a;
const PAYLOAD_TYPE: u16 = 0x000b;
const AGENT: u16 = 0x000c;
const PASSWORD: u16 = 0x000e;
const PAYLOAD: u16 = 0x000f;
const CORRELATION: u16 = 0x0011;

/// The payload is SIP.
const SIP: u8 = 1;
/// Address families and protocols as the system numbers them.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Length of the head of a datagram: its mark and its length.
const HEAD: usize = 6;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// As on the wire, without encryption.
    pub message: Bytes,
    /// Whose it is.
    pub source: SocketAddr,
    /// Whom it is for.
    pub destination: SocketAddr,
    /// What it goes over.
    pub transport: Transport,
    /// When, since 1970.
    pub at: Duration,
}

/// Writes the datagram for a message over what is in `out`. False when it is no SIP message or too long for one.
pub fn packet(captured: &Captured, options: &HepOptions, out: &mut Vec<u8>) -> bool {
    out.clear();
    let message = &captured.message;
    if message.len() > PAYLOAD_MAX || !is_sip(message) {
        return false;
    }
    out.extend_from_slice(b"HEP3\0\0");
    let (source, destination) = families(captured.source.ip(), captured.destination.ip());
    let stream = captured.transport.is_stream();
    chunk(out, FAMILY, &[if source.is_ipv4() { INET } else { INET6 }]);
    chunk(out, PROTOCOL, &[if stream { TCP } else { UDP }]);
    for (address, v4, v6) in [(source, SOURCE_V4, SOURCE_V6), (destination, DESTINATION_V4, DESTINATION_V6)] {
        match address {
            IpAddr::V4(address) => chunk(out, v4, &address.octets()),
            IpAddr::V6(address) => chunk(out, v6, &address.octets()),
        }
    }
    chunk(out, SOURCE_PORT, &captured.source.port().to_be_bytes());
    chunk(out, DESTINATION_PORT, &captured.destination.port().to_be_bytes());
    // 32 bits hold the seconds until 2106.
    let seconds = u32::try_from(captured.at.as_secs()).unwrap_or(u32::MAX);
    chunk(out, SECONDS, &seconds.to_be_bytes());
    chunk(out, MICROSECONDS, &captured.at.subsec_micros().to_be_bytes());
    chunk(out, PAYLOAD_TYPE, &[SIP]);
    chunk(out, AGENT, &options.id.to_be_bytes());
    if let Some(password) = &options.password {
        chunk(out, PASSWORD, password.expose().as_bytes());
    }
    if let Some(call_id) = redact::call_id(message) {
        chunk(out, CORRELATION, call_id);
    }
    chunk_head(out, PAYLOAD, message.len());
    redact::copy(message, out);
    let length = u16::try_from(out.len()).ok();
    match (length, out.get_mut(4..HEAD)) {
        (Some(length), Some(place)) => {
            place.copy_from_slice(&length.to_be_bytes());
            true
        }
        (_, _) => false,
    }
}

/// Both in one family: one of ours may be written as the other's (RFC 4291 §2.5.5.2).
fn families(source: IpAddr, destination: IpAddr) -> (IpAddr, IpAddr) {
    match (source.to_canonical(), destination.to_canonical()) {
        (IpAddr::V4(source), IpAddr::V6(destination)) => (source.to_ipv6_mapped().into(), destination.into()),
        (IpAddr::V6(source), IpAddr::V4(destination)) => (source.into(), destination.to_ipv6_mapped().into()),
        same => same,
    }
}

/// Neither STUN nor the line ends that keep a connection open (RFC 5626 §3.5.1).
fn is_sip(message: &[u8]) -> bool {
    let end = memchr::memchr(b'\n', message).unwrap_or(message.len());
    let first = message.get(..end).unwrap_or_default().trim_ascii_end();
    first.starts_with(b"SIP/2.0 ") || first.ends_with(b" SIP/2.0")
}

fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    chunk_head(out, kind, value.len());
    out.extend_from_slice(value);
}

fn chunk_head(out: &mut Vec<u8>, kind: u16, length: usize) {
    // No value is longer than PAYLOAD_MAX.
    let length = u16::try_from(HEAD + length).unwrap_or(u16::MAX);
    for number in [GENERIC, kind, length] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::options::HepServer;
    use crate::options::Secret;

    const MESSAGE: &str = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nCall-ID: 4f1c\r\n\r\n";

    fn captured(message: &str, source: &str, destination: &str, transport: Transport) -> Captured {
        Captured {
            message: Bytes::from(message.to_owned()),
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            transport,
            at: Duration::new(1_760_000_000, 123_456_789),
        }
    }

    fn options(password: Option<&str>) -> HepOptions {
        let password = password.map(|text| Secret::new(text.to_owned()));
        let server = HepServer::Address("192.0.2.30:9060".parse().unwrap());
        HepOptions { server, id: 2_001, password }
    }

    /// The chunks, read as the protocol's description has them.
    fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        assert_eq!((&packet[..4], usize::from(number(4))), (&b"HEP3"[..], packet.len()));
        let (mut found, mut at) = (BTreeMap::new(), 6);
        while at < packet.len() {
            assert_eq!(number(at), 0, "a generic chunk");
            let length = usize::from(number(at + 4));
            assert!(length >= 6);
            assert_eq!(found.insert(number(at + 2), packet[at + 6..at + length].to_vec()), None, "once");
            at += length;
        }
        assert_eq!(at, packet.len());
        found
    }

    #[test]
    fn a_datagram_has_every_chunk_that_a_capture_server_wants() {
        let message = captured(MESSAGE, "192.0.2.1:5060", "192.0.2.10:5080", Transport::Udp);
        let mut out = b"left over".to_vec();
        assert!(packet(&message, &options(Some("secret")), &mut out));
        let expected: [(u16, &[u8]); 13] = [
            (1, &[2]),
            (2, &[17]),
            (3, &[192, 0, 2, 1]),
            (4, &[192, 0, 2, 10]),
            (7, &[0x13, 0xc4]),
            (8, &[0x13, 0xd8]),
            (9, &1_760_000_000_u32.to_be_bytes()),
            (10, &123_456_u32.to_be_bytes()),
            (11, &[1]),
            (12, &[0, 0, 0x07, 0xd1]),
            (14, b"secret"),
            (15, MESSAGE.as_bytes()),
            (17, b"4f1c"),
        ];
        let expected = expected.map(|(kind, value)| (kind, value.to_vec()));
        assert_eq!(chunks(&out), BTreeMap::from(expected));

        let message = captured(MESSAGE, "[2001:db8::1]:5060", "192.0.2.10:5061", Transport::Tls);
        assert!(packet(&message, &options(None), &mut out));
        let found = chunks(&out);
        assert_eq!((&found[&1][..], &found[&2][..]), (&[10][..], &[6][..]));
        assert_eq!(found[&6], "192.0.2.10".parse::<std::net::Ipv4Addr>().unwrap().to_ipv6_mapped().octets());
        assert!(!found.contains_key(&3) && !found.contains_key(&14));
    }

    #[test]
    fn what_is_no_message_or_too_long_is_not_sent() {
        let (mut out, options) = (Vec::new(), options(None));
        let sent = |text: &str, out: &mut Vec<u8>| {
            packet(&captured(text, "192.0.2.1:5060", "192.0.2.2:5060", Transport::Udp), &options, out)
        };
        for text in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0\u{1}\0\0", "SIP/2.0"] {
            assert!(!sent(text, &mut out), "{text:?}");
        }
        let head = "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n";
        assert!(sent(&format!("{head}{}", "x".repeat(PAYLOAD_MAX - head.len())), &mut out));
        assert_eq!(chunks(&out)[&15].len(), PAYLOAD_MAX);
        assert!(!sent(&format!("{head}{}", "x".repeat(PAYLOAD_MAX - head.len() + 1)), &mut out));
        // The longest Call-ID besides.
        let long = format!("SIP/2.0 200 OK\r\nCall-ID: {}\r\n\r\n", "x".repeat(50_000));
        assert!(sent(&long, &mut out));
        assert!(!chunks(&out).contains_key(&17));
    }
}
