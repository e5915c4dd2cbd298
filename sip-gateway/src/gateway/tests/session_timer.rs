//! A call whose peer has died without a word ends by itself (RFC 4028).

use super::super::testing::*;
use super::{CALL, ended};
use crate::command::Command;
use crate::event::{EndedBy, Event, Failure};

const ALLOWS: &str = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE";

/// A call that was answered with these headers; its INVITE.
fn answered(bench: &mut Bench, headers: &[&str]) -> Text {
    let invite = bench.place(1);
    let headers: Vec<&str> = [CONTACT].iter().chain(headers).copied().collect();
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &headers, &sdp(4000, "0 101", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    bench.events();
    bench.media();
    invite
}

// §7.1.
#[test]
fn an_invite_asks_for_a_session_timer() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    assert_eq!(invite.header("Session-Expires"), "1800", "who refreshes is left open");
    assert_eq!(invite.header("Min-SE"), "90");
    assert!(invite.header("Supported").contains("timer"));
    assert!(invite.header("Allow").contains("UPDATE"));
}

// §7.3: again with the interval that the 422 asks for, the same call, one CSeq number higher.
#[test]
fn a_422_is_answered_with_the_larger_interval() {
    let mut bench = Bench::new(options());
    let first = bench.place(1);
    bench.feed(CARRIER, first.reply("422 Session Interval Too Small", "x", &["Min-SE: 3600"], ""));
    let [ack, second] = bench.sent(CARRIER).try_into().unwrap();
    assert!(ack.is("ACK ") && second.is("INVITE "));
    assert_eq!((second.header("Session-Expires"), second.header("Min-SE")), ("3600", "3600"));
    assert_eq!((second.cseq(), second.header("Call-ID")), (first.cseq() + 1, first.header("Call-ID")));
    assert_eq!(second.branch(), format!("{}.2", first.branch()), "a restart can cancel it");
    // A proxy further on wants still more; the third time it is too much.
    bench.feed(CARRIER, second.reply("422 Session Interval Too Small", "y", &["Min-SE: 7200"], ""));
    let third = bench.sent(CARRIER).remove(1);
    assert_eq!(third.header("Session-Expires"), "7200");
    bench.feed(CARRIER, third.reply("422 Session Interval Too Small", "z", &["Min-SE: 9000"], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    assert_eq!(bench.events(), super::failed(Failure::Status(422)));
}

#[test]
fn a_422_that_asks_for_nothing_more_is_a_failure() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("422 Session Interval Too Small", "x", &["Min-SE: 100"], ""));
    assert_eq!(bench.events(), super::failed(Failure::Status(422)));
}

// §7.4, RFC 3311: half of the interval; UPDATE without an offer where the peer takes it.
#[test]
fn we_refresh_with_update_at_half_of_the_interval() {
    let mut bench = Bench::new(options());
    let invite = answered(&mut bench, &[ALLOWS, "Session-Expires: 600;refresher=uac", "Require: timer"]);
    bench.pass(ms(299_999));
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(1));
    let update = bench.one(CARRIER);
    assert_eq!(update.start(), "UPDATE sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!(update.header("Session-Expires"), "600;refresher=uac");
    assert_eq!((update.cseq(), update.body()), (invite.cseq() + 1, ""));
    assert_eq!(update.header("Contact"), invite.header("Contact"));
    bench.feed(CARRIER, update.reply("200 OK", "", &["Session-Expires: 900;refresher=uac"], ""));
    bench.pass(ms(449_999));
    assert!(bench.sent(CARRIER).is_empty(), "the interval is the one of the answer");
    bench.pass(ms(1));
    assert!(bench.one(CARRIER).is("UPDATE "));
    assert_eq!(bench.events(), []);
}

// §7.4: re-INVITE with the session as it is, for a peer that doesn't take UPDATE; RFC 3264 §8: the same version.
#[test]
fn we_refresh_with_a_re_invite_where_update_is_not_taken() {
    for allow in ["Allow: INVITE, ACK, BYE", ALLOWS] {
        let mut bench = Bench::new(options());
        let invite = answered(&mut bench, &[allow, "Session-Expires: 600;refresher=uac"]);
        bench.pass(ms(300_000));
        let mut sent = bench.one(CARRIER);
        if allow == ALLOWS {
            bench.feed(CARRIER, sent.reply("405 Method Not Allowed", "", &["Allow: INVITE, ACK, BYE"], ""));
            sent = bench.one(CARRIER);
        }
        assert!(sent.is("INVITE "), "{}", sent.0);
        assert_eq!(sent.body(), invite.body());
        assert!(sent.header("To").ends_with(";tag=callee"));
        let answer = sdp(4008, "0 101", "sendrecv");
        bench.feed(
            CARRIER,
            sent.reply("200 OK", "", &[CONTACT, "Session-Expires: 600;refresher=uac"], &answer),
        );
        let ack = bench.one(CARRIER);
        assert_eq!((ack.start(), ack.cseq()), ("ACK sip:callee@192.0.2.10:5060 SIP/2.0", sent.cseq()));
        assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4008 Pcmu"]);
        bench.feed(CARRIER, sent.reply("200 OK", "", &[CONTACT], &answer));
        assert_eq!(bench.one(CARRIER).0, ack.0, "a repeated 200 gets the same ACK");
        bench.command(Command::HangUp { call: CALL });
        assert_eq!(bench.one(CARRIER).cseq(), sent.cseq() + 1);
    }
}

// §10: a peer that was to refresh and doesn't is gone: BYE min(32 s, a third) before the end.
#[test]
fn a_call_that_nobody_refreshes_ends() {
    let mut bench = Bench::new(options());
    let invite = answered(&mut bench, &["Session-Expires: 90;refresher=uas", "Supported: timer"]);
    bench.pass(ms(50_000));
    let refresh = ["Supported: timer", "Session-Expires: 90;refresher=uac", CONTACT];
    bench.feed(CARRIER, invite.request("UPDATE", "callee", 1, &refresh, ""));
    let answer = bench.one(CARRIER);
    assert_eq!(answer.start(), "SIP/2.0 200 OK");
    assert_eq!(answer.header("Session-Expires"), "90;refresher=uac");
    assert_eq!(answer.header("Require"), "timer");
    bench.pass(ms(59_999));
    assert!(bench.sent(CARRIER).is_empty(), "refreshed");
    bench.pass(ms(1));
    let bye = bench.one(CARRIER);
    assert!(bye.is("BYE "));
    bench.feed(CARRIER, bye.reply("481 Gone", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Network, "session_expired"));
}

// §10 and RFC 3261 §12.2.1.2: no answer to our own refresh, or one that says that the call is gone.
#[test]
fn a_refresh_that_is_not_answered_ends_the_call() {
    for answer in [None, Some("481 Call/Transaction Does Not Exist"), Some("408 Request Timeout")] {
        let mut bench = Bench::new(options());
        answered(&mut bench, &[ALLOWS, "Session-Expires: 1800;refresher=uac"]);
        bench.pass(ms(900_000));
        let update = bench.one(CARRIER);
        match answer {
            Some(status) => bench.feed(CARRIER, update.reply(status, "", &[], "")),
            None => bench.pass(ms(32_000)),
        }
        let sent = bench.sent(CARRIER);
        let bye = sent.last().unwrap();
        assert!(bye.is("BYE "), "{}", bye.0);
        bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
        assert_eq!(bench.events(), ended(EndedBy::Network, "session_lost"));
    }
}

// §7.4: a refusal is no death: it is tried again, and the call ends when the session has expired.
#[test]
fn a_refused_refresh_is_tried_again_until_the_session_expires() {
    let mut bench = Bench::new(options());
    answered(&mut bench, &[ALLOWS, "Session-Expires: 90;refresher=uac"]);
    let mut refreshes = 0;
    loop {
        bench.pass(ms(500));
        match bench.sent(CARRIER).as_slice() {
            [] => {}
            [update] if update.is("UPDATE ") => {
                refreshes += 1;
                bench.feed(CARRIER, update.reply("500 Server Internal Error", "", &["Retry-After: 3"], ""));
            }
            [bye] if bye.is("BYE ") => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((refreshes, bench.now), (5, ms(60_000)), "at 45 s, then every 3 s until 60 s");
}

// RFC 3261 §14.1: the owner of the Call-ID waits between 2.1 and 4 s after a 491.
#[test]
fn glare_is_waited_out() {
    let mut bench = Bench::new(options());
    let invite = answered(&mut bench, &["Session-Expires: 600;refresher=uac"]);
    bench.pass(ms(300_000));
    let ours = bench.one(CARRIER);
    // §14.2: theirs while ours is under way.
    bench.feed(CARRIER, invite.request("INVITE", "callee", 1, &[CONTACT], &sdp(4000, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["491 Request Pending"]);
    let ack = invite.request("ACK", "callee", 1, &[], "").replace("peerACK", "peerINVITE");
    bench.feed(CARRIER, ack);
    bench.feed(CARRIER, ours.reply("491 Request Pending", "", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    bench.pass(ms(2_099));
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(1_901));
    let again = bench.sent(CARRIER);
    assert!(again[0].is("INVITE ") && again[0].cseq() == ours.cseq() + 1, "{again:?}");
}

// §9.
#[test]
fn an_interval_of_the_peer_that_is_too_small_is_refused() {
    let mut bench = Bench::new(options());
    let invite = answered(&mut bench, &["Session-Expires: 1800;refresher=uas"]);
    for method in ["UPDATE", "INVITE"] {
        let headers = ["Supported: timer", "Session-Expires: 60", CONTACT];
        bench.feed(CARRIER, invite.request(method, "callee", 1, &headers, ""));
        let refusal = bench.one(CARRIER);
        assert!(refusal.is("SIP/2.0 422 "), "{}", refusal.0);
        assert_eq!(refusal.header("Min-SE"), "90");
    }
}

// A peer that knows no session timers is asked with OPTIONS; any answer but 481 and 408 is a sign of life.
#[test]
fn a_peer_without_session_timers_is_asked_whether_it_is_there() {
    let mut bench = Bench::new(options());
    answered(&mut bench, &[]);
    for _ in 0..3 {
        bench.pass(ms(900_000));
        let question = bench.one(CARRIER);
        assert!(question.is("OPTIONS ") && question.header("To").ends_with(";tag=callee"));
        bench.feed(CARRIER, question.reply("405 Method Not Allowed", "", &[], ""));
    }
    bench.pass(ms(932_000));
    let bye = bench.sent(CARRIER).pop().unwrap();
    assert!(bye.is("BYE "));
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Network, "session_lost"));
}

// The agent's phone on the line is watched in the same way: its loss is told, and it is called again.
#[test]
fn a_phone_that_died_is_found_and_called_again() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.pass(ms(900_000));
    let question = bench.one(PHONE);
    assert!(question.is("OPTIONS "));
    bench.feed(PHONE, question.reply("481 Gone", "", &[], ""));
    assert!(bench.one(PHONE).is("BYE "));
    bench.pass(ms(40_000));
    let events = bench.events();
    assert!(matches!(events[0], Event::AgentUnreachable { reason: "leg_lost", .. }), "{events:?}");
    assert!(bench.sent(PHONE).iter().any(|sent| sent.is("INVITE ")));
}
