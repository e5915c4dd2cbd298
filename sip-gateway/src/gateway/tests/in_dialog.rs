//! What a callee may ask within the call (RFC 3261 §12.2.2, §14.2).

use super::super::testing::*;
use super::ended;
use crate::command::{AgentLegMode, Command};
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

fn text(request: String, kind: &str, body: &str) -> String {
    let (head, _) = request.split_once("Content-Length").unwrap();
    format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

const TEXTS: &str = "Allow: INVITE, ACK, BYE, CANCEL, MESSAGE";

/// Anna's phone and a customer's, both of which take texts, as the INVITEs to them.
fn written_to(bench: &mut Bench) -> (Text, Text) {
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let anna = bench.one(PHONE);
    bench.feed(PHONE, anna.reply("200 OK", "anna", &[PHONE_CONTACT, TEXTS], &sdp(5000, "0", "sendrecv")));
    let customer = bench.place(1);
    bench.feed(CARRIER, customer.reply("200 OK", "callee", &[CONTACT, TEXTS], &sdp(4000, "0", "sendrecv")));
    assert_eq!((bench.starts(PHONE), bench.starts(CARRIER)), (vec!["ACK".into()], vec!["ACK".into()]));
    (anna, customer)
}

// RFC 3428.
#[test]
fn a_text_goes_on_to_the_other_side_of_the_call() {
    let mut bench = Bench::new(options());
    let (anna, customer) = written_to(&mut bench);
    let message = |cseq| text(anna.request("MESSAGE", "anna", cseq, &[], ""), "text/plain", "尾号 1234");
    bench.feed(PHONE, message(1));
    assert_eq!(bench.starts(PHONE), ["480 Temporarily Unavailable"], "nobody is on the line");
    bench.feed(CARRIER, text(customer.request("MESSAGE", "callee", 1, &[], ""), "text/plain", "hello?"));
    assert_eq!(bench.starts(CARRIER), ["480 Temporarily Unavailable"], "nor for the customer");
    bench.connect(1, "anna");
    bench.feed(PHONE, message(2));
    assert_eq!(bench.starts(PHONE), ["202 Accepted"]);
    let passed = bench.one(CARRIER);
    assert_eq!(passed.start(), "MESSAGE sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!((passed.body(), passed.header("Content-Type")), ("尾号 1234", "text/plain;charset=UTF-8"));
    assert_eq!(passed.header("Call-ID"), customer.header("Call-ID"), "within the call");
    assert!(passed.headers("Contact").is_empty(), "§4");
    bench.feed(PHONE, message(3));
    assert_eq!(bench.starts(PHONE), ["480 Temporarily Unavailable"], "one at a time");
    bench.feed(CARRIER, passed.reply("200 OK", "", &[], ""));
    bench.feed(CARRIER, text(customer.request("MESSAGE", "callee", 2, &[], ""), "text/plain", "ok"));
    assert_eq!(bench.starts(CARRIER), ["202 Accepted"]);
    let told = bench.one(PHONE);
    assert_eq!((told.header("Call-ID"), told.body()), (anna.header("Call-ID"), "ok"));
    bench.feed(PHONE, told.reply("405 Method Not Allowed", "", &[], ""));
    bench.feed(CARRIER, text(customer.request("MESSAGE", "callee", 3, &[], ""), "text/plain", "ok?"));
    assert_eq!(
        bench.starts(CARRIER),
        ["480 Temporarily Unavailable"],
        "the phone has said that it takes none"
    );
    bench.feed(PHONE, message(4));
    bench.pass(ms(32_000));
    let starts = bench.starts(CARRIER);
    assert_eq!(starts, ["MESSAGE"; 11], "timer E");
    bench.events();
    bench.feed(PHONE, message(5));
    let lost = bench.one(CARRIER);
    bench.feed(CARRIER, lost.reply("481 Call/Transaction Does Not Exist", "", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["BYE"], "the customer is gone");
}

#[test]
fn what_is_no_text_is_not_passed_on() {
    let mut bench = Bench::new(options());
    let (anna, _) = written_to(&mut bench);
    bench.connect(1, "anna");
    let long = "x".repeat(1_301);
    for (cseq, kind, body, status) in [
        (1, "text/html", "<b>", "415 Unsupported Media Type"),
        (2, "application/im-iscomposing+xml", "<x/>", "415 Unsupported Media Type"),
        (3, "text/plain", long.as_str(), "413 Request Entity Too Large"),
        (4, "text/plain;charset=utf-8", "", "202 Accepted"),
    ] {
        bench.feed(PHONE, text(anna.request("MESSAGE", "anna", cseq, &[], ""), kind, body));
        assert_eq!(bench.starts(PHONE), [status], "{kind}");
    }
    assert_eq!(bench.starts(CARRIER).len(), 1);
}

#[test]
fn a_peer_that_names_no_message_gets_none() {
    let mut bench = Bench::new(options());
    let anna = bench.anna_up();
    bench.answered(1);
    bench.connect(1, "anna");
    bench.feed(PHONE, text(anna.request("MESSAGE", "anna", 1, &[], ""), "text/plain", "hello"));
    assert_eq!(bench.starts(PHONE), ["480 Temporarily Unavailable"]);
    assert!(bench.sent(CARRIER).is_empty());
}
