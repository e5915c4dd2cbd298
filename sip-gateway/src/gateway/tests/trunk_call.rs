//! A call towards a carrier: answer, failure, CANCEL, BYE and what goes wrong on the way.

use super::super::testing::*;
use super::{CALL, ended, failed};
use crate::command::{Command, PlaceCall};
use crate::event::{EndedBy, Event, Failure};
use crate::id::StreamId;
use crate::leg::FORKS_MAX;
use crate::media::MediaEvent;

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

// RFC 3325 §9.1: towards a carrier that trusts us, and towards no other.
#[test]
fn who_calls_is_asserted_to_trusted_carriers_alone() {
    for trusted in [true, false] {
        let mut options = options();
        options.trunks[0].asserted_identity = trusted;
        let mut bench = Bench::new(options);
        let invite = bench.place(1);
        let asserted: &[&str] = if trusted { &["<sip:+15550100@192.0.2.1:5060>"] } else { &[] };
        assert_eq!(invite.headers("P-Asserted-Identity"), asserted);
        assert!(invite.headers("Privacy").is_empty());
    }
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

#[test]
fn early_media_is_taken_and_holds_for_an_answer_without_session() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("183 Session Progress", "callee", &[], &sdp(4000, "8 101", "sendrecv")));
    assert_eq!(bench.events(), [Event::Ringing { call: CALL, status: 183, early_media: true }]);
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcma"]);
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcma", "silence 1 true"]);
}

#[test]
fn an_answer_whose_session_cannot_be_used_is_ended() {
    for body in [sdp(4000, "18", "sendrecv"), sdp(0, "0", "sendrecv"), "nonsense".to_owned()] {
        let mut bench = Bench::new(options());
        let invite = bench.place(1);
        bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &body));
        let [ack, bye] = bench.sent(CARRIER).try_into().unwrap();
        assert!(ack.is("ACK ") && bye.is("BYE "));
        bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
        assert_eq!(bench.events(), failed(Failure::Media));
        assert_eq!(words(&bench.media()), ["close 1"]);
    }
}

#[test]
fn redirections_and_failures_are_told_as_they_are() {
    for status in [302, 404, 480, 503, 603] {
        let mut bench = Bench::new(options());
        let invite = bench.place(1);
        bench.feed(CARRIER, invite.reply(&format!("{status} No"), "x", &[], ""));
        assert_eq!(bench.starts(CARRIER), ["ACK"]);
        assert_eq!(bench.events(), failed(Failure::Status(status)));
    }
}

#[test]
fn an_invite_without_any_response_times_out() {
    let mut bench = Bench::new(options());
    bench.place(1);
    bench.pass(ms(31_999));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.sent(CARRIER).len(), 6, "timer A: 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s");
    bench.pass(ms(1));
    assert_eq!(bench.events(), failed(Failure::Timeout));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
}

#[test]
fn a_next_hop_that_cannot_be_reached_fails_the_call() {
    let mut bench = Bench::new(options());
    bench.place(1);
    bench.unreachable(CARRIER);
    assert_eq!(bench.events(), failed(Failure::Transport));
}

#[test]
fn a_lost_ack_is_sent_again_for_each_repeated_answer() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    let answer = invite.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0", "sendrecv"));
    bench.feed(CARRIER, answer.clone());
    let ack = bench.one(CARRIER);
    assert_eq!(bench.events().len(), 1);
    for _ in 0..3 {
        bench.pass(ms(500));
        bench.feed(CARRIER, answer.clone());
        assert_eq!(bench.one(CARRIER).0, ack.0, "the very same ACK");
    }
    assert_eq!(bench.events(), [], "answered once");
}

#[test]
fn of_forked_answers_the_first_is_kept_and_others_are_ended() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    let contact = ["Contact: <sip:other@192.0.2.10:5080>"];
    let answer = invite.reply("200 OK", "other", &contact, &sdp(4002, "0", "sendrecv"));
    bench.feed(CARRIER, answer.clone());
    let [ack, bye] = bench.sent("192.0.2.10:5080").try_into().unwrap();
    assert_eq!(ack.start(), "ACK sip:other@192.0.2.10:5080 SIP/2.0");
    assert_eq!(bye.start(), "BYE sip:other@192.0.2.10:5080 SIP/2.0");
    assert!(bye.header("To").ends_with(";tag=other"));
    assert_eq!(bye.cseq(), invite.cseq() + 1);
    bench.feed(CARRIER, answer);
    assert_eq!(bench.starts("192.0.2.10:5080"), ["ACK"], "repeated: acknowledged, not ended again");
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.gateway.counters().forks_ended, 1);
    // The kept one still stands, and its BYE goes to its own party.
    bench.command(Command::HangUp { call: CALL });
    assert!(bench.one(CARRIER).header("To").ends_with(";tag=callee"));
}

/// RFC 3261 §13.2.2.4: 64*T1 after the first 2xx no other one is looked for, and what would answer it is let go.
#[test]
fn forks_may_answer_for_as_long_as_the_transaction_of_the_invite_lasts() {
    for (after_ms, ended) in [(31_000, 1), (33_000, 0)] {
        let mut bench = Bench::new(options());
        let invite = bench.answered(1);
        bench.pass(ms(after_ms));
        bench.feed(CARRIER, invite.reply("200 OK", "other", &[CONTACT], &sdp(4002, "0", "sendrecv")));
        assert_eq!(bench.gateway.counters().forks_ended, ended, "after {after_ms} ms");
        assert_eq!(bench.sent(CARRIER).len(), 2 * usize::try_from(ended).unwrap(), "ACK and BYE, or nothing");
        assert_eq!(bench.events(), []);
        bench.command(Command::HangUp { call: CALL });
        let bye = bench.one(CARRIER);
        assert!(bye.start().starts_with("BYE ") && bye.header("To").ends_with(";tag=callee"));
    }
}

/// RFC 3261 §17.1.3: whoever knows the Call-ID, the tag and the CSeq, and not the branch, answers nothing.
#[test]
fn an_answer_with_a_foreign_branch_is_nobodys() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    for status in ["180 Ringing", "200 OK"] {
        let forged = invite.reply(status, "forged", &[CONTACT], &sdp(4002, "0", "sendrecv"));
        bench.feed(CARRIER, forged.replace(invite.branch(), "z9hG4bKforeign"));
        assert!(bench.sent(CARRIER).is_empty() && bench.events().is_empty());
    }
    bench.pass(ms(33_000));
    assert_eq!(bench.events(), failed(Failure::Timeout), "it was never heard of");
}

#[test]
fn no_more_forks_are_told_apart_than_there_is_room_for() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    for fork in 0..FORKS_MAX + 4 {
        let answer = invite.reply("200 OK", &format!("fork{fork}"), &[CONTACT], &sdp(4002, "0", "sendrecv"));
        bench.feed(CARRIER, answer);
    }
    let byes = bench.starts(CARRIER).iter().filter(|start| *start == "BYE").count();
    assert_eq!(byes, FORKS_MAX - 1, "one was kept, the last ones are left to their own timers");
    assert_eq!(bench.events(), []);
}

#[test]
fn a_fork_that_answers_after_the_end_is_still_ended() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
    bench.sent(CARRIER);
    bench.events();
    bench.pass(ms(5_000));
    bench.feed(CARRIER, invite.reply("200 OK", "late", &[CONTACT], &sdp(4002, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["ACK", "BYE"]);
    assert_eq!(bench.events(), []);
}

#[test]
fn a_bye_that_is_never_answered_still_ends_the_call() {
    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.command(Command::HangUp { call: CALL });
    bench.pass(ms(31_999));
    assert!(bench.starts(CARRIER).iter().all(|start| start == "BYE"), "timer E repeats it");
    assert_eq!(bench.events(), []);
    bench.pass(ms(1));
    assert_eq!(bench.events(), ended(EndedBy::Us, "bye"));
}

#[test]
fn a_bye_that_may_be_repeated_keeps_us_from_closing() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    let bye = invite.request("BYE", "callee", 1, &[], "");
    bench.feed(CARRIER, bye.clone());
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"), "told at once");
    bench.pass(ms(1_500));
    assert_eq!(bench.gateway.unfinished(bench.now), 1);
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    bench.feed(CARRIER, bye);
    assert_eq!(bench.starts(CARRIER), ["200 OK"], "the first was lost");
    bench.pass(ms(500));
    assert_eq!(bench.gateway.unfinished(bench.now), 0, "4*T1 after the first");
}

#[test]
fn a_bye_of_ours_that_is_answered_leaves_nothing_to_wait_for() {
    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    assert_eq!(bench.gateway.unfinished(bench.now), 2, "the call and its leg");
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.gateway.unfinished(bench.now), 0);
}

#[test]
fn when_both_hang_up_at_once_each_bye_is_answered() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    assert_eq!(bench.events(), ended(EndedBy::Us, "bye"));
    bench.feed(CARRIER, bye.reply("481 Gone", "", &[], ""));
    assert_eq!(bench.events(), [], "told once");
}

#[test]
fn a_callee_that_sends_no_media_any_more_is_hung_up() {
    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.media_event(MediaEvent::Lost { stream: StreamId(1) });
    let bye = bench.one(CARRIER);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Network, "rtp_lost"));
}

#[test]
fn a_leg_goes_with_its_call_once_nobody_else_can_answer() {
    let legs = |bench: &Bench| bench.gateway.leftovers().0;
    for (talk, by_us, at_once, later) in [
        (ms(40_000), true, 0, 0),
        (ms(40_000), false, 1, 0),
        (ms(20_000), true, 1, 1),
        (ms(20_000), false, 1, 1),
    ] {
        let mut bench = Bench::new(options());
        let invite = bench.answered(1);
        bench.pass(talk);
        if by_us {
            bench.command(Command::HangUp { call: CALL });
            let bye = bench.one(CARRIER);
            bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
        } else {
            bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
        }
        assert_eq!(legs(&bench), at_once, "{talk:?} {by_us}");
        bench.pass(ms(2_000));
        assert_eq!(legs(&bench), later, "{talk:?} {by_us}: 4*T1 after a BYE that may come again");
        bench.pass(ms(10_000));
        assert_eq!(legs(&bench), 0, "{talk:?} {by_us}: 64*T1 after the answer");
    }
}

#[test]
fn after_the_last_call_nothing_is_left_behind() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
    bench.pass(ms(200));
    let invite = bench.place(2);
    bench.feed(CARRIER, invite.reply("404 Not Found", "x", &[], ""));
    bench.pass(ms(120_000));
    assert_eq!(bench.gateway.poll_timeout(), None, "no timer is left");
    assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
}
