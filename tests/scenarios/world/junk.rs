//! What nobody should send: noise, broken messages, strangers' requests, and forgeries that name a call which is up.

use std::net::SocketAddr;

use carillon::demo::party::text::Text;

use super::cast::{CARRIER, NODE, address};

/// A stranger.
pub const STRANGER: &str = "192.0.2.66:5060";
/// Kinds of junk.
pub const KINDS: usize = 12;

/// One piece of junk: who seems to send it, and what. `invite`: the latest INVITE on the wire, to be forged upon.
pub fn junk(kind: usize, invite: Option<&Text>) -> (SocketAddr, Vec<u8>) {
    let (stranger, carrier) = (address(STRANGER), address(CARRIER));
    let call_id = invite.map_or("none", Text::call_id);
    let from = invite.map_or("<sip:a@b>;tag=x", |invite| invite.header("From"));
    let to = invite.map_or("<sip:c@d>", |invite| invite.header("To"));
    let via = |host: &str| format!("Via: SIP/2.0/UDP {host};branch=z9hG4bKjunk{kind}\r\n");
    let request = |method: &str, uri: &str, via: &str, from: &str, to: &str, call_id: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 77 \
             {method}\r\nContact: <sip:x@{STRANGER}>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let own = format!("sip:{NODE}");
    match kind % KINDS {
        // Not SIP at all.
        0 => (stranger, vec![0, 255, 13, 10, 0, 7, 200]),
        1 => (carrier, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec()),
        2 => (carrier, vec![b'A'; 60_000]),
        // SIP that breaks off, or lacks what it needs.
        3 => (carrier, b"INVITE sip:1@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/U".to_vec()),
        4 => (carrier, b"SIP/2.0 200 OK\r\n\r\n".to_vec()),
        5 => (
            carrier,
            format!("SIP/2.0 999 Odd\r\n{}CSeq: x y\r\nContent-Length: 99999999999\r\n\r\n", via(NODE))
                .into(),
        ),
        // A scanner.
        6 => (
            stranger,
            request(
                "INVITE",
                "sip:00442075550100@10.0.0.1",
                &via(STRANGER),
                "<sip:a@b>;tag=s",
                "<sip:c@d>",
                "scan",
            )
            .into(),
        ),
        7 => (
            stranger,
            request("REGISTER", &own, &via(STRANGER), "<sip:agent0@d>;tag=s", "<sip:agent0@d>", "guess")
                .into(),
        ),
        // Forgeries upon a call that is up: a BYE and a CANCEL from elsewhere, answers with a foreign branch.
        8 => (stranger, request("BYE", &own, &via(STRANGER), to, from, call_id).into()),
        9 => (stranger, request("CANCEL", &own, &via(STRANGER), from, to, call_id).into()),
        10 => (carrier, answer("200 OK", &via(NODE), from, to, call_id)),
        _ => (carrier, answer("603 Decline", &via(NODE), from, to, call_id)),
    }
}

fn answer(status: &str, via: &str, from: &str, to: &str, call_id: &str) -> Vec<u8> {
    format!(
        "SIP/2.0 {status}\r\n{via}From: {from}\r\nTo: {to};tag=forged\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: \
         <sip:x@{STRANGER}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}
