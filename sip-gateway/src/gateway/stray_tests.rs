//! Stray requests one by one, then every request of RFC 4475 and RFC 5118 through decoder, transactions and this desk.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::message::{DecodeError, HeaderName, Message, decode};
use crate::options::Timers;
use crate::transaction::{Layer, LayerOptions, Output, TagMaker};

const TRUSTED: StrayPolicy = StrayPolicy { trusted: true, registrar: true, peer: Peer::Carrier };

fn request(method: &str, uri: &str, more: &str) -> Request {
    let to = if more.contains("To:") { "" } else { "To: <sip:b@192.0.2.1>\r\n" };
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
         From: <sip:a@192.0.2.10>;tag=a\r\n{to}Call-ID: c\r\nCSeq: 1 {method}\r\n{more}\r\n"
    );
    match decode(Bytes::from(text)).expect("a good message") {
        Message::Request(request) => request,
        Message::Response(_) => panic!("not a request"),
    }
}

fn refusal(request: &Request) -> Response {
    match answer(request, &TRUSTED) {
        StrayAnswer::Respond(response) => response,
        // Nobody here has the number.
        StrayAnswer::Invite => capability::response(request, 404),
        other => panic!("{other:?}"),
    }
}

fn status(request: &Request) -> u16 {
    refusal(request).status
}

const US: &str = "sip:192.0.2.1";

// §8.2.1: a method that isn't served: 405 with Allow when known, 501 (§21.5.2) when not.
#[test]
fn methods_come_first() {
    let message = refusal(&request("MESSAGE", "unknown:x", "Require: x\r\n"));
    assert_eq!(message.status, 405);
    assert_eq!(message.headers.text(HeaderName::Allow), Some(capability::ALLOW));
    assert_eq!(status(&request("FROBNICATE", "unknown:x", "")), 501);
    let nowhere = StrayPolicy { trusted: true, registrar: false, peer: Peer::Carrier };
    assert!(matches!(answer(&request("REGISTER", US, ""), &nowhere),
        StrayAnswer::Respond(response) if response.status == 405));
}

// §8.2.2.1: 416 for a scheme we don't know, before anything about extensions.
#[test]
fn then_the_request_uri() {
    assert_eq!(status(&request("OPTIONS", "unknown:x", "Require: x\r\n")), 416);
    assert_eq!(status(&request("INVITE", "tel:+15550100", "")), 404, "a scheme we know");
}

// §8.2.2.3: 420 names every extension that isn't supported, and no more; Proxy-Require is the proxies' business.
#[test]
fn then_extensions() {
    let response = refusal(&request(
        "INVITE",
        US,
        "Require: one, two\r\nRequire: three\r\nProxy-Require: four\r\nContent-Type: text/plain\r\n",
    ));
    assert_eq!(response.status, 420);
    assert_eq!(response.headers.text(HeaderName::Unsupported), Some("one, two, three"));
    assert_eq!(status(&request("REGISTER", US, "Require: gruu\r\n")), 420);
    // What the registrar knows is nothing of an INVITE.
    assert_eq!(status(&request("INVITE", US, "Require: outbound\r\n")), 420);
}

// §8.2.3: 415 with what would have been read. §21.4.7: 406.
#[test]
fn then_bodies() {
    let body = |headers: &str| request("INVITE", US, &format!("{headers}Content-Length: 4\r\n\r\nbody"));
    let foreign = refusal(&body("Content-Type: text/plain\r\n"));
    assert_eq!((foreign.status, foreign.headers.text(HeaderName::Accept)), (415, Some("application/sdp")));
    let packed = refusal(&body("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n"));
    assert_eq!((packed.status, packed.headers.text(HeaderName::AcceptEncoding)), (415, Some("identity")));
    assert_eq!(status(&body("Content-Type: Application/SDP;charset=utf-8\r\n")), 404);
    for (accept, expected) in [
        ("text/plain", 406),
        ("application/sdp;q=0", 406),
        ("text/plain, application/sdp", 404),
        ("*/*", 404),
        ("application/*;q=0.5", 404),
    ] {
        assert_eq!(status(&request("INVITE", US, &format!("Accept: {accept}\r\n"))), expected, "{accept}");
    }
}

// §12.2.2: a request with a To tag is in a dialog that we don't have. §15.1.2: so is a BYE without.
#[test]
fn unknown_dialogs_get_481() {
    for method in ["INVITE", "BYE", "OPTIONS"] {
        assert_eq!(status(&request(method, US, "To: <sip:b@192.0.2.1>;tag=gone\r\n")), 481, "{method}");
    }
    assert_eq!(status(&request("BYE", US, "")), 481);
}

// §11.2: OPTIONS tells what we can do. An INVITE is offered to whoever takes calls.
#[test]
fn sound_requests() {
    let options = refusal(&request("OPTIONS", US, ""));
    assert_eq!(options.status, 200);
    for told in [HeaderName::Allow, HeaderName::Accept, HeaderName::AcceptEncoding, HeaderName::Supported] {
        assert!(options.headers.contains(told.clone()), "{told}");
    }
    assert_eq!(answer(&request("INVITE", US, ""), &TRUSTED), StrayAnswer::Invite);
    assert_eq!(answer(&request("REGISTER", US, ""), &TRUSTED), StrayAnswer::Register);
    assert_eq!(status(&request("REGISTER", US, "To: <tel:+15550100>\r\n")), 400, "no address of record");
}

// §17.1.1.3: no answer to an ACK, whatever it requires.
#[test]
fn acks_are_never_answered() {
    assert_eq!(answer(&request("ACK", "unknown:x", "Require: x\r\n"), &TRUSTED), StrayAnswer::Silence);
}

#[test]
fn strangers_may_register_and_hear_nothing_else() {
    let policy = StrayPolicy { trusted: false, registrar: true, peer: Peer::Carrier };
    for method in ["INVITE", "OPTIONS", "BYE", "MESSAGE", "FROBNICATE", "ACK"] {
        assert_eq!(answer(&request(method, US, ""), &policy), StrayAnswer::Silence, "{method}");
    }
    assert_eq!(answer(&request("REGISTER", US, ""), &policy), StrayAnswer::Register);
    let closed = StrayPolicy { trusted: false, registrar: false, peer: Peer::Carrier };
    assert_eq!(answer(&request("REGISTER", US, ""), &closed), StrayAnswer::Silence);
}

/// What became of a message of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The decoder or the transaction layer said nothing.
    Dropped,
    /// A response that belongs to nothing.
    Stray,
    /// Answered with this status.
    Answered(u16),
    /// For the registrar, which challenges it with 401.
    Registrar,
}

fn fate(octets: Bytes) -> Fate {
    let message = match decode(octets) {
        Ok(message) => message,
        Err(DecodeError::Drop(_)) => return Fate::Dropped,
        Err(DecodeError::Answer { status, .. }) => return Fate::Answered(status),
    };
    let here: std::net::SocketAddr = "192.0.2.1:5060".parse().expect("an address");
    let there = "192.0.2.10:5060".parse().expect("an address");
    let options = LayerOptions { answer_to_source: true, ..LayerOptions::new(Timers::default()) };
    let mut layer = Layer::new(options, TagMaker::new([3; 32]));
    layer.receive(message, there, here, Duration::ZERO);
    match layer.poll_output() {
        Some(Output::Request { key, request, .. }) => match answer(&request, &TRUSTED) {
            StrayAnswer::Respond(response) => layer.respond(key, response, Duration::ZERO),
            StrayAnswer::Invite => {
                layer.respond(key, capability::response(&request, 404), Duration::ZERO);
            }
            StrayAnswer::Register => return Fate::Registrar,
            StrayAnswer::Silence => return Fate::Dropped,
        },
        Some(Output::StrayResponse { .. }) => return Fate::Stray,
        None => return Fate::Dropped,
        other => panic!("{other:?}"),
    }
    match layer.poll_output() {
        Some(Output::Transmit { to, bytes, .. }) => match decode(bytes).expect("what we send can be read") {
            Message::Response(response) => {
                assert_eq!(to, there);
                assert!(response.headers.to().is_ok_and(|to| to.tag().is_some()));
                Fate::Answered(response.status)
            }
            Message::Request(request) => panic!("{request:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// File names and allowed outcomes of a set, from its expect.tsv (codes in its MANIFEST.md).
fn expectations(set: &str) -> Vec<(PathBuf, String, Vec<String>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(set);
    let table = std::fs::read_to_string(folder.join("expect.tsv")).expect("the corpus is in the repository");
    let rows = table.lines().skip(1).map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let allowed = columns[4].split('|').map(str::to_owned).collect();
        (folder.join(columns[0]), columns[0].to_owned(), allowed)
    });
    rows.collect()
}

fn is_allowed(fate: Fate, code: &str) -> bool {
    match (code, fate) {
        ("P", Fate::Answered(status)) => status != 400 && status != 505,
        ("P" | "401", Fate::Registrar) => true,
        // No transaction of ours matches: the gateway drops what the layer hands over for unknown calls.
        ("R" | "D", Fate::Dropped | Fate::Stray) => true,
        (code, Fate::Answered(status)) => code.trim_start_matches('P') == status.to_string(),
        (_, Fate::Dropped | Fate::Stray | Fate::Registrar) => false,
    }
}

#[test]
fn every_torture_message_gets_what_its_row_says() {
    let mut seen = 0;
    for set in ["rfc4475", "rfc5118"] {
        for (path, file, allowed) in expectations(set) {
            let octets = Bytes::from(std::fs::read(path).expect("the corpus is in the repository"));
            let fate = fate(octets);
            assert!(
                allowed.iter().any(|code| is_allowed(fate, code)),
                "{file}: {fate:?} is not in {allowed:?}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 49 + 15);
}

/// The rows that are for the server to judge, with the one answer we chose.
#[test]
fn our_answer_to_each_torture_request() {
    use Fate::{Answered, Registrar};
    let expected = [
        ("wsinv.dat", Answered(481)),
        ("intmeth.dat", Answered(501)),
        ("esc01.dat", Answered(404)),
        ("escnull.dat", Registrar),
        ("esc02.dat", Answered(501)),
        ("lwsdisp.dat", Answered(200)),
        ("longreq.dat", Answered(404)),
        ("dblreq.dat", Registrar),
        ("semiuri.dat", Answered(200)),
        ("transports.dat", Answered(200)),
        ("mpart01.dat", Answered(405)),
        ("unkscm.dat", Answered(416)),
        ("novelsc.dat", Answered(416)),
        ("unksm2.dat", Answered(400)),
        ("bext01.dat", Answered(420)),
        ("invut.dat", Answered(415)),
        ("regaut01.dat", Registrar),
        ("zeromf.dat", Answered(200)),
        ("cparam01.dat", Registrar),
        ("cparam02.dat", Registrar),
        ("regescrt.dat", Registrar),
        ("sdp01.dat", Answered(406)),
        ("inv2543.dat", Answered(404)),
        ("bcast.dat", Fate::Stray),
        ("via-received-param-with-delim.dat", Answered(481)),
        ("ipv6-good.dat", Registrar),
    ];
    for (file, expected) in expected {
        let (path, ..) = ["rfc4475", "rfc5118"]
            .into_iter()
            .flat_map(expectations)
            .find(|(_, name, _)| name == file)
            .unwrap_or_else(|| panic!("{file} is not in the corpus"));
        let octets = Bytes::from(std::fs::read(path).expect("the corpus is in the repository"));
        assert_eq!(fate(octets), expected, "{file}");
    }
}

// RFC 4475 §3.3.5: exactly the two of Require.
#[test]
fn the_torture_message_with_required_extensions() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/rfc4475/bext01.dat");
    let octets = Bytes::from(std::fs::read(path).expect("the corpus is in the repository"));
    let Ok(Message::Request(request)) = decode(octets) else { panic!("a request") };
    assert_eq!(
        refusal(&request).headers.tokens(HeaderName::Unsupported),
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
}
