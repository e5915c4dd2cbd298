//! Real connections on the loopback.

use std::io::{Read, Write};
use std::time::Instant;

use super::*;

const MESSAGE: &str = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";

const INTERVAL: Duration = Duration::from_secs(30);

struct Rig {
    poll: mio::Poll,
    streams: SipStreams,
    now: Duration,
    heard: Vec<Received>,
}

impl Rig {
    fn new() -> Self {
        Self::over(Transport::Tcp)
    }

    fn over(transport: Transport) -> Self {
        Self::at(transport, "127.0.0.1:0")
    }

    fn at(transport: Transport, loopback: &str) -> Self {
        let poll = mio::Poll::new().unwrap();
        let loopback = loopback.parse().unwrap();
        let options = StreamOptions {
            local: Local { transport, address: loopback },
            security: None,
            origins: None,
            keep_alive: Some(INTERVAL),
        };
        let streams = SipStreams::bind(options, poll.registry(), Token(10)).unwrap();
        Self { poll, streams, now: Duration::ZERO, heard: Vec::new() }
    }

    /// Runs until `done`, for ten seconds at most.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        let mut events = mio::Events::with_capacity(16);
        while !done(self) {
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", self.heard);
            self.poll.poll(&mut events, Some(Duration::from_millis(20))).unwrap();
            events.iter().for_each(|event| self.streams.wake(event.token()));
            let heard = &mut self.heard;
            // A budget of one shows that nothing is forgotten between turns.
            while self.streams.receive(1, self.now, |received| heard.push(received)) == Drained::MayHoldMore {
            }
        }
    }

    fn client(&self) -> std::net::TcpStream {
        std::net::TcpStream::connect(self.streams.local().address).unwrap()
    }
}

fn text(received: &Received) -> Option<&[u8]> {
    match received {
        Received::Message { bytes, .. } => Some(bytes),
        Received::Closed { .. } | Received::Failed { .. } | Received::Proven { .. } => None,
    }
}

#[test]
fn messages_come_whole_and_answers_go_back_along_the_connection() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let from = client.local_addr().unwrap();
    let (first, second) = MESSAGE.split_at(20);
    client.write_all(first.as_bytes()).unwrap();
    rig.until(|rig| rig.streams.len() == 1);
    assert_eq!(rig.heard, []);
    client.write_all(format!("{second}{MESSAGE}\r\n\r\n").as_bytes()).unwrap();
    rig.until(|rig| rig.heard.len() == 2);
    assert!(rig.heard.iter().all(|it| text(it) == Some(MESSAGE.as_bytes())));
    rig.streams.send(b"answer", from, rig.now);
    let mut answer = [0; 8];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\r\nanswer", "the ping is answered first");
    drop(client);
    rig.until(|rig| rig.heard.len() == 3);
    assert_eq!(rig.heard[2], Received::Closed { to: from });
    assert!(rig.streams.is_empty());
}

#[test]
fn a_connection_is_opened_where_there_is_none_and_used_again() {
    let mut rig = Rig::new();
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = peer.local_addr().unwrap();
    rig.streams.send(b"one", to, rig.now);
    rig.streams.send(b"two", to, rig.now);
    let (mut accepted, _) = peer.accept().unwrap();
    rig.until(|rig| rig.streams.connections.values().all(|it| !it.has_unsent()));
    let mut octets = [0; 6];
    accepted.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"onetwo");
    accepted.write_all(MESSAGE.as_bytes()).unwrap();
    rig.until(|rig| !rig.heard.is_empty());
    assert_eq!(rig.heard[0], Received::Message { bytes: MESSAGE.into(), from: to });
}

#[test]
fn over_ipv6_it_is_the_same() {
    let mut rig = Rig::at(Transport::Tcp, "[::1]:0");
    let mut client = rig.client();
    client.write_all(MESSAGE.as_bytes()).unwrap();
    rig.until(|rig| rig.heard.len() == 1);
    let from = client.local_addr().unwrap();
    assert_eq!(rig.heard[0], Received::Message { bytes: MESSAGE.into(), from });
    let peer = std::net::TcpListener::bind("[::1]:0").unwrap();
    rig.streams.send(b"one", peer.local_addr().unwrap(), rig.now);
    let (mut accepted, _) = peer.accept().unwrap();
    rig.until(|rig| rig.streams.connections.values().all(|it| !it.has_unsent()));
    let mut octets = [0; 3];
    accepted.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"one");
}

#[test]
fn nobody_there_is_told() {
    let mut rig = Rig::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    rig.streams.send(b"one", closed, rig.now);
    rig.until(|rig| !rig.heard.is_empty());
    assert_eq!(rig.heard, [Received::Failed { to: closed }]);
}

#[test]
fn garbage_closes_its_own_connection_only() {
    let mut rig = Rig::new();
    let (mut bad, mut good) = (rig.client(), rig.client());
    rig.until(|rig| rig.streams.len() == 2);
    bad.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    rig.until(|rig| rig.streams.len() == 1);
    assert_eq!(bad.read(&mut [0; 8]).unwrap_or_default(), 0, "it hears nothing");
    good.write_all(MESSAGE.as_bytes()).unwrap();
    rig.until(|rig| rig.heard.iter().any(|it| text(it).is_some()));
}

#[test]
fn who_says_nothing_is_closed_and_who_reads_nothing_is_cut_off() {
    let mut rig = Rig::new();
    let silent = rig.client();
    rig.until(|rig| rig.streams.len() == 1);
    rig.streams.sweep(FIRST_MESSAGE_MAX - Duration::from_secs(1));
    assert_eq!(rig.streams.len(), 1);
    rig.streams.sweep(FIRST_MESSAGE_MAX);
    assert!(rig.streams.is_empty());
    drop(silent);
    let deaf = rig.client();
    let to = deaf.local_addr().unwrap();
    rig.until(|rig| rig.streams.len() == 1);
    let large = vec![b'x'; 64 * 1024];
    // The system's own buffers take some megabytes first.
    for _ in 0..1_000 {
        rig.streams.send(&large, to, rig.now);
    }
    rig.until(|rig| rig.heard.contains(&Received::Failed { to }));
}

#[test]
fn a_browser_s_messages_come_and_go_in_frames_and_nobody_is_connected_to() {
    let mut rig = Rig::over(Transport::Ws);
    let mut client = rig.client();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Protocol: sip\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    let from = client.local_addr().unwrap();
    rig.until(|rig| rig.streams.connections.values().any(Connection::is_ready));
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    // A masked text of five octets (RFC 6455 §5.7).
    client.write_all(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").unwrap();
    rig.until(|rig| !rig.heard.is_empty());
    assert_eq!(rig.heard[0], Received::Message { bytes: Bytes::from_static(b"Hello"), from });
    rig.streams.send(b"answer", from, rig.now);
    let mut rest = Vec::new();
    while !rest.ends_with(b"\x81\x06answer") {
        let mut octet = [0];
        client.read_exact(&mut octet).unwrap();
        rest.extend_from_slice(&octet);
    }
    drop(client);
    rig.until(|rig| rig.streams.is_empty());
    rig.streams.send(b"answer", from, rig.now);
    rig.until(|rig| rig.heard.last() == Some(&Received::Failed { to: from }));
}

#[test]
fn who_asks_for_a_web_page_is_refused_and_who_is_slow_is_cut_off() {
    let mut rig = Rig::over(Transport::Ws);
    let (mut page, slow) = (rig.client(), rig.client());
    page.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    rig.until(|rig| rig.streams.len() == 1);
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    rig.streams.sweep(OPENING_MAX);
    assert!(rig.streams.is_empty());
    drop(slow);
}

#[test]
fn a_connection_of_ours_is_pinged_and_closed_when_nothing_comes_back() {
    let mut rig = Rig::new();
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = peer.local_addr().unwrap();
    rig.streams.send(b"one", to, rig.now);
    let (mut accepted, _) = peer.accept().unwrap();
    rig.until(|rig| rig.streams.connections.values().all(Connection::is_up));
    let mut heard = |octets: usize| {
        let mut buffer = vec![0; octets];
        accepted.read_exact(&mut buffer).unwrap();
        buffer
    };
    assert_eq!(heard(3), b"one");
    rig.streams.sweep(INTERVAL * 8 / 10 - Duration::from_millis(1));
    assert!(rig.streams.connections.values().all(|it| it.pinged.is_none()));
    rig.streams.sweep(INTERVAL);
    assert_eq!(heard(4), b"\r\n\r\n");
    rig.now = INTERVAL + Duration::from_secs(1);
    accepted.write_all(b"\r\n").unwrap();
    rig.until(|rig| rig.streams.connections.values().all(|it| it.pinged.is_none()));
    let second = rig.now + INTERVAL;
    rig.streams.sweep(second);
    rig.streams.sweep(second + PONG_MAX - Duration::from_millis(1));
    assert_eq!(rig.streams.len(), 1);
    rig.streams.sweep(second + PONG_MAX);
    assert!(rig.streams.is_empty());
    rig.until(|rig| rig.heard == [Received::Failed { to }]);
}

#[test]
fn who_connects_to_us_looks_after_the_connection_himself() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    client.write_all(MESSAGE.as_bytes()).unwrap();
    rig.until(|rig| rig.heard.len() == 1);
    rig.streams.sweep(INTERVAL * 2);
    rig.streams.sweep(INTERVAL * 2 + PONG_MAX);
    assert_eq!(rig.streams.len(), 1);
    assert!(rig.streams.connections.values().all(|it| it.pinged.is_none()));
}
