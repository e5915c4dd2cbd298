//! The opening handshake, frames of a client that the library plays, limits.

use proptest::prelude::*;

use super::*;

const SIP: &str = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nCall-ID: 1\r\n\r\n";

fn request(more: &str) -> String {
    format!(
        "GET /any HTTP/1.1\r\nHost: us.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// What came of octets: messages, what is to be sent, and the end if it is one.
fn given(web: &mut Web, octets: &[u8]) -> (Vec<Bytes>, BytesMut, Option<String>) {
    let (mut messages, mut out) = (Vec::new(), BytesMut::new());
    let end = web.receive(octets, &mut out, |bytes| messages.push(bytes)).err();
    (messages, out, end.map(|fault| fault.to_string()))
}

fn open() -> Web {
    let mut web = Web::new(None);
    let (_, out, end) = given(&mut web, request("Sec-WebSocket-Protocol: chat, sip\r\n").as_bytes());
    assert_eq!(end, None);
    assert!(out.starts_with(b"HTTP/1.1 101 ") && web.is_open());
    web
}

/// Frames of a client that sends `messages`.
fn frames(messages: &[Message]) -> BytesMut {
    let mut client = WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
    for message in messages {
        client.send(message.clone()).unwrap();
    }
    client.get_mut().outgoing.split()
}

/// What a client makes of our octets.
fn heard(octets: BytesMut) -> Vec<Message> {
    let pipe = Pipe { incoming: octets, outgoing: BytesMut::new() };
    let mut client = WebSocket::from_raw_socket(pipe, Role::Client, None);
    std::iter::from_fn(|| client.read().ok()).collect()
}

#[test]
fn the_opening_handshake_follows_rfc_7118() {
    let mut web = Web::new(None);
    let (first, second) = (request("Sec-WebSocket-Protocol: sip\r\n"), frames(&[Message::text(SIP)]));
    let (_, out, end) = given(&mut web, &first.as_bytes()[..40]);
    assert!(out.is_empty() && end.is_none() && !web.is_open());
    let (messages, out, end) = given(&mut web, &[&first.as_bytes()[40..], &second].concat());
    let answer = String::from_utf8(out.to_vec()).unwrap().to_ascii_lowercase();
    assert!(
        answer.starts_with("http/1.1 101 ") && answer.contains("sec-websocket-protocol: sip\r\n"),
        "{answer}"
    );
    // The example of RFC 6455 §1.3.
    assert!(answer.contains(&"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_ascii_lowercase()), "{answer}");
    assert_eq!((messages, end), (vec![Bytes::from_static(SIP.as_bytes())], None));
}

#[test]
fn who_asks_for_something_else_is_refused_and_told() {
    let sip = "Sec-WebSocket-Protocol: sip\r\n";
    let long = format!("X: {}\r\n", "x".repeat(OPENING_OCTETS_MAX));
    for (text, status) in [
        (request(""), "400"),
        (request("Sec-WebSocket-Protocol: mqtt\r\n"), "400"),
        (request(sip).replace("Version: 13", "Version: 8"), "426"),
        (request(sip).replace("Upgrade: websocket\r\n", ""), "426"),
        (request(sip).replace("GET", "POST"), "400"),
        (SIP.to_owned(), "400"),
        (request(&format!("{sip}{long}")).replace("\r\n\r\n", "\r\n"), "431"),
    ] {
        let mut web = Web::new(None);
        let (messages, out, end) = given(&mut web, text.as_bytes());
        assert!(out.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{text}\n{out:?}");
        assert!(end.is_some() && messages.is_empty() && !web.is_open());
    }
}

#[test]
fn only_pages_that_are_named_may_connect() {
    let origins: Origins = Some(Arc::from(["https://console.example".to_owned()]));
    for (origin, status) in [
        ("Origin: https://console.example\r\n", "101"),
        ("Origin: HTTPS://Console.Example\r\n", "101"),
        ("", "101"),
        ("Origin: https://evil.example\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("Origin: https://console.example.evil.example\r\n", "403"),
    ] {
        let mut web = Web::new(origins.clone());
        let text = request(&format!("Sec-WebSocket-Protocol: sip\r\n{origin}"));
        let (_, out, _) = given(&mut web, text.as_bytes());
        assert!(out.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{origin} {out:?}");
    }
}

#[test]
fn text_and_binary_are_messages_and_pings_are_answered() {
    let mut web = open();
    let octets = frames(&[
        Message::text(SIP),
        Message::binary(SIP.as_bytes()),
        Message::Ping(Bytes::from_static(b"are you there")),
        Message::text("\r\n\r\n"),
        Message::text("\r\n"),
    ]);
    let (messages, out, end) = given(&mut web, &octets);
    assert_eq!((messages, end), (vec![Bytes::from_static(SIP.as_bytes()); 2], None));
    assert_eq!(heard(out), [Message::Pong(Bytes::from_static(b"are you there")), Message::text("\r\n")]);
    let mut out = BytesMut::new();
    web.send(SIP.as_bytes(), &mut out).unwrap();
    web.send(b"\xff", &mut out).unwrap();
    assert_eq!(heard(out), [Message::text(SIP), Message::binary(Bytes::from_static(b"\xff"))]);
    let mut out = BytesMut::new();
    web.ping(&mut out).unwrap();
    assert_eq!(heard(out), [Message::Ping(Bytes::new())]);
    let (_, out, end) = given(&mut web, &frames(&[Message::Close(None)]));
    assert_eq!(heard(out), [Message::Close(None)], "RFC 6455 §5.5.1: a close is answered");
    assert_eq!(end.as_deref(), Some("closed by the peer"));
}

#[test]
fn what_is_too_large_or_no_frame_ends_it() {
    let mut web = open();
    let (messages, _, end) = given(&mut web, &frames(&[Message::text("x".repeat(MESSAGE_LENGTH_MAX + 1))]));
    assert!(messages.is_empty() && end.is_some());
    // RFC 6455 §5.1: a client masks.
    assert!(given(&mut open(), b"\x81\x02hi").2.is_some());
    // Text that is not UTF-8.
    assert!(given(&mut open(), b"\x81\x81\0\0\0\0\xff").2.is_some());
}

proptest! {
    #[test]
    fn garbage_never_panics(octets in prop::collection::vec(any::<u8>(), 0..600), cut in 1_usize..50, opened in any::<bool>()) {
        let mut web = if opened { open() } else { Web::new(None) };
        for part in octets.chunks(cut) {
            if given(&mut web, part).2.is_some() {
                break;
            }
        }
    }

    #[test]
    fn however_frames_are_cut_the_messages_are_the_same(
        bodies in prop::collection::vec("[a-z]{1,60}", 1..5),
        cut in 1_usize..40,
    ) {
        let mut web = open();
        let octets = frames(&bodies.iter().map(Message::text).collect::<Vec<_>>());
        let found: Vec<Bytes> = octets.chunks(cut).flat_map(|part| given(&mut web, part).0).collect();
        prop_assert_eq!(found, bodies.iter().map(|body| Bytes::from(body.clone())).collect::<Vec<_>>());
    }
}
