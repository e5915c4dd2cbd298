//! A call towards a carrier: answer, failure, CANCEL, BYE and what goes wrong on the way.

use super::super::testing::*;
use crate::command::{Command, PlaceCall};
use crate::event::{EndedBy, Event, Failure};
use crate::id::{CallId, StreamId};
use crate::media::MediaEvent;

const CALL: CallId = CallId(1);

fn failed(failure: Failure) -> Vec<Event> {
    vec![Event::Failed { call: CALL, failure }]
}

fn ended(by: EndedBy, reason: &'static str) -> Vec<Event> {
    vec![Event::Ended { call: CALL, by, reason }]
}

#[test]
fn a_call_is_reserved_placed_answered_and_hung_up() {
    let mut bench = Bench::new(options());
    let route = bench.reserve(1);
    assert_eq!(route.trunk, "alpha");
    assert_eq!(route.caller_id, "+15550100");
    assert_eq!(route.request_uri, "sip:+15550199@192.0.2.10:5060");
    assert_eq!(route.from_uri, "sip:+15550100@192.0.2.1:5060");
    assert!(bench.sent(CARRIER).is_empty(), "a reservation sends nothing");

    let place = PlaceCall { call: CALL, route: route.clone(), not_after: ms(500) };
    bench.command(Command::Place(place));
    let invite = bench.one(CARRIER);
    assert_eq!(invite.start(), "INVITE sip:+15550199@192.0.2.10:5060 SIP/2.0");
    assert_eq!(invite.header("Call-ID"), route.call_id);
    assert_eq!(invite.branch(), route.branch);
    assert_eq!(invite.own_tag(), route.from_tag);
    assert_eq!(invite.cseq(), route.cseq);
    assert!(invite.header("From").starts_with("<sip:+15550100@192.0.2.1:5060>"));
    assert_eq!(invite.header("To"), "<sip:+15550199@192.0.2.10:5060>");
    assert_eq!(invite.header("Contact"), "<sip:+15550100@192.0.2.1:5060>");
    assert_eq!(invite.header("Max-Forwards"), "70");
    assert!(invite.header("Allow").contains("BYE"));
    assert!(invite.body().contains("m=audio 20000 RTP/AVP 0 8 101\r\n"));
    assert!(invite.body().contains("a=rtpmap:101 telephone-event/8000\r\n"));
    assert_eq!(bench.events(), [Event::Placed { call: CALL }]);
    assert_eq!(words(&bench.media()), ["open 1"]);

    bench.feed(CARRIER, invite.reply("100 Trying", "", &[], ""));
    assert_eq!(bench.events(), []);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    assert_eq!(bench.events(), [Event::Ringing { call: CALL, status: 180, early_media: false }]);

    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0 101", "sendrecv")));
    let ack = bench.one(CARRIER);
    assert_eq!(ack.start(), "ACK sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!(ack.header("CSeq"), format!("{} ACK", route.cseq));
    assert_eq!(ack.header("To"), "<sip:+15550199@192.0.2.10:5060>;tag=callee");
    assert_ne!(ack.branch(), route.branch);
    match bench.events().as_slice() {
        [Event::Answered { call: CALL, dialog }] => {
            assert_eq!(dialog.remote_tag, "callee");
            assert_eq!(dialog.local_tag, route.from_tag);
            assert_eq!(dialog.remote_target, "sip:callee@192.0.2.10:5060");
            assert_eq!(dialog.local_cseq, route.cseq);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcmu", "silence 1 true"]);

    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    assert_eq!(bye.start(), "BYE sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!(bye.cseq(), route.cseq + 1);
    assert_eq!(words(&bench.media()), ["close 1"]);
    assert_eq!(bench.events(), [], "not ended before the peer knows");
    assert_eq!(bench.gateway.room(bench.now).lines_free, 9);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Us, "bye"));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
    assert_eq!(bench.gateway.calls(), 0);
}

#[test]
fn a_busy_callee_fails_the_call_and_gets_its_ack() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("486 Busy Here", "x", &[], ""));
    let ack = bench.one(CARRIER);
    assert!(ack.is("ACK "));
    assert_eq!(ack.branch(), invite.branch());
    assert_eq!(bench.events(), failed(Failure::Status(486)));
    assert_eq!(words(&bench.media()), ["close 1"]);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
}

#[test]
fn a_port_that_cannot_be_bound_fails_the_call() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.media_event(MediaEvent::OpenFailed { stream: StreamId(1) });
    assert!(bench.sent(CARRIER).is_empty(), "CANCEL waits for a provisional response");
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    let cancel = bench.one(CARRIER);
    assert!(cancel.is("CANCEL "));
    bench.feed(CARRIER, cancel.reply("200 OK", "callee", &[], ""));
    bench.feed(CARRIER, invite.reply("487 Request Terminated", "callee", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    assert_eq!(bench.events(), failed(Failure::Ports));
    assert_eq!(words(&bench.media()), Vec::<String>::new(), "what was never opened is not closed");
}

#[test]
fn requests_within_the_dialog_are_taken_from_the_peer_alone() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(STRANGER, invite.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.gateway.counters().foreign_source, 1);
    bench.feed(CARRIER, invite.request("BYE", "guessed", 1, &[], ""));
    assert_eq!(bench.starts(CARRIER), ["481 Call/Transaction Does Not Exist"]);
    assert_eq!(bench.events(), []);
    bench.feed(CARRIER, invite.request("BYE", "callee", 2, &[], ""));
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
}
