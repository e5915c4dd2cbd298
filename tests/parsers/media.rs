//! What comes to RTP ports, and STUN on the SIP port.

use std::net::SocketAddr;

use carillon_sip::media::dtmf::TelephoneEvent;
use carillon_sip::media::{rtcp as reports, rtp as packets};
use carillon_sip::stun as binding;

/// A packet of RTP: its payload lies within it, and its header reads the same once it is written.
pub fn rtp(octets: &[u8]) {
    let Ok(packet) = packets::parse(octets) else { return };
    let payload = octets.get(packet.payload_start..packet.payload_end).expect("the payload is in the packet");
    let again = packets::parse(&packet.header.encode()).expect("our header is RTP");
    assert_eq!(again.header, packet.header);
    if let Ok(event) = TelephoneEvent::parse(payload) {
        assert_eq!(TelephoneEvent::parse(&event.encode()).expect("our event is one"), event);
    }
}

/// A compound packet of RTCP.
pub fn rtcp(octets: &[u8]) {
    let read = reports::parse(octets);
    assert!(read.is_none() || octets.len() >= 8, "a report has its sender at least");
    assert!(read.is_none() || octets.len().is_multiple_of(4), "packets end on 32-bit words");
}

/// A STUN request: the answer names the same transaction, is no request itself and is no longer than what an amplifier would
/// be worth (RFC 5389 §6, §15).
pub fn stun(octets: &[u8]) {
    let source: SocketAddr = "[2001:db8::1]:5061".parse().expect("an address");
    let Some(answer) = binding::answer(octets, source) else { return };
    assert!(binding::is_stun(octets) && binding::is_stun(&answer));
    assert_eq!(answer.get(4..20), octets.get(4..20), "cookie and transaction");
    assert_eq!(binding::answer(&answer, source), None, "an answer is not answered");
    assert!(answer.len() <= octets.len() + 28, "{} octets for {}", answer.len(), octets.len());
}
