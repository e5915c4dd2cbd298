//! What a callee may ask within the call (RFC 3261 §12.2.2, §14.2).

use super::super::testing::*;
use super::ended;
use crate::event::EndedBy;
use crate::media::MediaCommand;

#[test]
fn a_hold_and_its_end_are_taken_over() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    for (cseq, direction, ours, sends) in
        [(1, "sendonly", "recvonly", false), (2, "sendrecv", "sendrecv", true)]
    {
        bench.feed(
            CARRIER,
            invite.request("INVITE", "callee", cseq, &[CONTACT], &sdp(4000, "0 101", direction)),
        );
        let answer = bench.one(CARRIER);
        assert_eq!(answer.start(), "SIP/2.0 200 OK");
        assert!(answer.body().contains(&format!("a={ours}\r\n")), "{}", answer.0);
        assert!(answer.body().contains("m=audio 20000 RTP/AVP 0 101\r\n"), "{}", answer.0);
        assert!(answer.header("Contact").contains("192.0.2.1:5060"));
        match bench.media().as_slice() {
            [MediaCommand::SetRemote { remote, .. }] => {
                assert_eq!((remote.send, remote.receive), (sends, true))
            }
            other => panic!("{other:?}"),
        }
        let ack = invite.request("ACK", "callee", cseq, &[], "");
        bench.feed(CARRIER, ack);
        bench.pass(ms(5_000));
        assert!(bench.sent(CARRIER).is_empty(), "acknowledged, so not repeated");
    }
    assert_eq!(bench.events(), []);
}

#[test]
fn a_reinvite_without_offer_gets_ours_and_its_answer_comes_with_the_ack() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.request("INVITE", "callee", 1, &[CONTACT], ""));
    let answer = bench.one(CARRIER);
    assert!(answer.body().contains("RTP/AVP 0 8 101\r\n"));
    assert_eq!(words(&bench.media()), Vec::<String>::new());
    bench.feed(CARRIER, invite.request("ACK", "callee", 1, &[], &sdp(4444, "8", "sendrecv")));
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4444 Pcma"]);
}

#[test]
fn a_reinvite_that_cannot_be_met_changes_nothing() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.request("INVITE", "callee", 1, &[CONTACT], &sdp(4000, "18", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["488 Not Acceptable Here"]);
    assert_eq!(words(&bench.media()), Vec::<String>::new());
    assert_eq!(bench.events(), []);
}

#[test]
fn an_answer_to_a_reinvite_is_repeated_and_in_the_end_the_call_is_given_up() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.request("INVITE", "callee", 1, &[CONTACT], &sdp(4000, "0", "sendrecv")));
    bench.feed(CARRIER, invite.request("INVITE", "callee", 2, &[CONTACT], &sdp(4000, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["200 OK", "500 Server Internal Error"], "one at a time");
    bench.pass(ms(31_999));
    let repeated = bench.starts(CARRIER);
    assert_eq!(repeated.iter().filter(|start| *start == "200 OK").count(), 10);
    bench.pass(ms(1));
    let bye = bench.one(CARRIER);
    assert!(bye.is("BYE "));
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Network, "ack_lost"));
}

#[test]
fn other_requests_get_the_answer_they_deserve() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    for (cseq, method, answer) in [
        (1, "OPTIONS", "200 OK"),
        (2, "INFO", "200 OK"),
        (3, "UPDATE", "200 OK"),
        (4, "REFER", "405 Method Not Allowed"),
        (5, "DANCE", "501 Not Implemented"),
        (0, "OPTIONS", "500 Server Internal Error"),
    ] {
        bench.feed(CARRIER, invite.request(method, "callee", cseq, &[], ""));
        assert_eq!(bench.starts(CARRIER), [answer], "{method}");
    }
    bench.feed(CARRIER, invite.request("OPTIONS", "callee", 7, &["Require: timer, tomorrow"], ""));
    let refusal = bench.one(CARRIER);
    assert!(refusal.is("SIP/2.0 420 "));
    assert_eq!(refusal.header("Unsupported"), "tomorrow");
    assert_eq!(bench.events(), []);
}

#[test]
fn requests_go_along_the_record_route_to_the_contact() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    let headers = [
        "Contact: <sip:callee@198.51.100.9:5070;x=1>",
        "Record-Route: <sip:198.51.100.2;lr>, <sip:192.0.2.10;lr>",
    ];
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &headers, &sdp(4000, "0", "sendrecv")));
    let ack = bench.one(CARRIER);
    assert_eq!(ack.start(), "ACK sip:callee@198.51.100.9:5070;x=1 SIP/2.0");
    assert_eq!(ack.headers("Route"), ["<sip:192.0.2.10;lr>", "<sip:198.51.100.2;lr>"]);
    bench.events();
    bench.feed("198.51.100.9:5070", invite.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"), "the contact's own host is the peer, too");
}

// RFC 6086: keys in an INFO, of the carrier's side and of a phone's.
#[test]
fn a_key_in_an_info_is_told_to_the_other_side() {
    let mut bench = Bench::new(options());
    let anna = bench.anna_up();
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    bench.media();
    let info = |text: String, kind: &str, body: &str| {
        let (head, _) = text.split_once("Content-Length").unwrap();
        format!("{head}Content-Type: application/{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let phones = info(anna.request("INFO", "anna", 1, &[], ""), "dtmf-relay", "Signal=5\r\nDuration=100\r\n");
    bench.feed(PHONE, phones);
    assert_eq!(bench.starts(PHONE), ["200 OK"]);
    let carriers = info(customer.request("INFO", "callee", 1, &[], ""), "dtmf", "#");
    bench.feed(CARRIER, carriers);
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    assert_eq!(words(&bench.media()), ["digit 1 5", "digit 2 11"]);
    for (cseq, kind, body, status) in
        [(2, "dtmf-relay", "Signal=flash", "200 OK"), (3, "x", "Signal=5", "415 Unsupported Media Type")]
    {
        bench.feed(PHONE, info(anna.request("INFO", "anna", cseq, &[], ""), kind, body));
        assert_eq!(bench.starts(PHONE), [status]);
    }
    assert_eq!(words(&bench.media()), Vec::<String>::new());
}
