//! Dialogs that an earlier process left: found, cancelled, ended.

use super::super::testing::*;
use super::digest::{challenge, check, md5};
use crate::command::{Command, Orphan};
use crate::event::{Dialog, Route};
use crate::options::Secret;

fn route(trunk: &str, next_hop: &str) -> Route {
    Route {
        trunk: trunk.into(),
        caller_id: "+15550100".into(),
        call_id: "left-behind".into(),
        branch: "z9hG4bKold".into(),
        from_tag: "ours".into(),
        cseq: 41,
        request_uri: "sip:+15550199@192.0.2.10:5060".into(),
        from_uri: "sip:+15550100@192.0.2.1:5060".into(),
        to_uri: "sip:+15550199@192.0.2.10:5060".into(),
        next_hop: address(next_hop),
        local: address(LOCAL).into(),
    }
}

fn dialog(next_hop: &str) -> Dialog {
    Dialog {
        call_id: "left-behind".into(),
        local_tag: "ours".into(),
        remote_tag: "theirs".into(),
        local_uri: "sip:+15550100@192.0.2.1:5060".into(),
        remote_uri: "sip:+15550199@192.0.2.10:5060".into(),
        remote_target: "sip:callee@192.0.2.10:5060".into(),
        route_set: vec!["<sip:192.0.2.10;lr>".into()],
        local_cseq: 41,
        next_hop: address(next_hop),
        local: address(LOCAL).into(),
    }
}

fn adopt(bench: &mut Bench, route: Route, dialog: Option<Dialog>) {
    bench.command(Command::Adopt(Box::new(Orphan { route, dialog })));
}

/// The INVITE as the earlier process sent it, for the peer's answers.
fn invite() -> Text {
    Text(
        "INVITE sip:+15550199@192.0.2.10:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKold;rport\r\n\
         From: <sip:+15550100@192.0.2.1:5060>;tag=ours\r\nTo: <sip:+15550199@192.0.2.10:5060>\r\n\
         Call-ID: left-behind\r\nCSeq: 41 INVITE\r\nContact: <sip:+15550100@192.0.2.1:5060>\r\n\r\n"
            .to_owned(),
    )
}

#[test]
fn a_ringing_one_is_cancelled_and_its_failure_acknowledged() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("alpha", CARRIER), None);
    let cancel = bench.one(CARRIER);
    assert_eq!(cancel.start(), "CANCEL sip:+15550199@192.0.2.10:5060 SIP/2.0");
    assert_eq!(cancel.branch(), "z9hG4bKold");
    assert_eq!(cancel.header("CSeq"), "41 CANCEL");
    assert_eq!(cancel.header("Call-ID"), "left-behind");
    assert_eq!(cancel.own_tag(), "ours");
    bench.pass(ms(1_600));
    assert_eq!(bench.starts(CARRIER), ["CANCEL", "CANCEL"], "repeated like any request");
    bench.feed(CARRIER, cancel.reply("200 OK", "theirs", &[], ""));
    bench.feed(CARRIER, invite().reply("487 Request Terminated", "theirs", &[], ""));
    let ack = bench.one(CARRIER);
    assert!(ack.is("ACK "));
    assert_eq!(ack.branch(), "z9hG4bKold");
    bench.pass(ms(5_000));
    assert!(bench.sent(CARRIER).is_empty());
    assert_eq!(bench.events(), []);
}

#[test]
fn the_invites_that_may_have_been_sent_again_are_cancelled_too() {
    let mut options = options();
    options.trunks[0].username = "customer".into();
    let mut bench = Bench::new(options);
    adopt(&mut bench, route("alpha", CARRIER), None);
    let sent = bench.sent(CARRIER);
    let marks: Vec<(String, u32)> =
        sent.iter().map(|cancel| (cancel.branch().to_owned(), cancel.cseq())).collect();
    let expected = [("z9hG4bKold", 41), ("z9hG4bKold.2", 42), ("z9hG4bKold.3", 43), ("z9hG4bKold.4", 44)];
    assert_eq!(marks, expected.map(|(branch, cseq)| (branch.to_owned(), cseq)));
    // The carrier knows the first one no more: others may be out that an unknown refusal led to.
    bench.feed(CARRIER, sent[0].reply("481 Call/Transaction Does Not Exist", "x", &[], ""));
    let more: Vec<u32> = bench.sent(CARRIER).iter().map(Text::cseq).collect();
    assert_eq!(more, [45, 46]);
    bench.feed(CARRIER, sent[1].reply("481 Call/Transaction Does Not Exist", "x", &[], ""));
    assert!(bench.sent(CARRIER).is_empty(), "each once");
}

#[test]
fn a_challenged_bye_is_sent_again_with_credentials() {
    let mut options = options();
    options.trunks[0].username = "customer".into();
    options.trunks[0].password = Secret::new("s3cret");
    let ask = challenge("Proxy-Authenticate", "n1", "MD5", "");
    // Of an answered dialog, and of a 2xx that comes late.
    for known in [true, false] {
        let mut bench = Bench::new(options.clone());
        adopt(&mut bench, route("alpha", CARRIER), known.then(|| dialog(CARRIER)));
        if !known {
            bench.sent(CARRIER);
            let answer = invite().reply("200 OK", "theirs", &[CONTACT], &sdp(4000, "0", "sendrecv"));
            bench.feed(CARRIER, answer);
        }
        let bye = bench.sent(CARRIER).pop().unwrap();
        bench.feed(CARRIER, bye.reply("407 Proxy Authentication Required", "", &[&ask], ""));
        let again = bench.one(CARRIER);
        assert!(again.is("BYE ") && again.cseq() == bye.cseq() + 1, "{}", again.0);
        check(&again, "Proxy-Authorization", "BYE", md5);
        bench.feed(CARRIER, again.reply("407 Proxy Authentication Required", "", &[&ask], ""));
        bench.pass(ms(1_000));
        assert!(bench.sent(CARRIER).iter().all(|sent| !sent.is("BYE ")), "a refusal is the last word");
        assert_eq!(bench.gateway.counters().orphans_ended, 1, "one dialog");
    }
}

#[test]
fn without_credentials_a_challenge_is_the_last_word() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("alpha", CARRIER), Some(dialog(CARRIER)));
    let bye = bench.one(CARRIER);
    assert_eq!(bench.gateway.unfinished(bench.now), 1, "closing now would cut it short");
    let ask = challenge("Proxy-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, bye.reply("407 Proxy Authentication Required", "", &[&ask], ""));
    assert!(bench.sent(CARRIER).is_empty());
    assert_eq!(bench.gateway.unfinished(bench.now), 0);
}

#[test]
fn a_bye_that_is_lost_is_waited_for_as_long_as_it_is_repeated() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("alpha", CARRIER), Some(dialog(CARRIER)));
    bench.pass(ms(31_900));
    assert_eq!(bench.gateway.unfinished(bench.now), 1);
    bench.pass(ms(100));
    assert_eq!(bench.gateway.unfinished(bench.now), 0, "timer F");
}

#[test]
fn a_late_answer_is_acknowledged_and_ended() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("alpha", CARRIER), None);
    bench.sent(CARRIER);
    bench.pass(ms(39_000));
    bench.sent(CARRIER);
    let answer = invite().reply("200 OK", "theirs", &[CONTACT], &sdp(4000, "0", "sendrecv"));
    bench.feed(STRANGER, answer.clone());
    assert!(bench.sent(CARRIER).is_empty(), "only the recorded next hop is believed");
    bench.feed(CARRIER, answer.clone());
    let [ack, bye] = bench.sent(CARRIER).try_into().unwrap();
    assert_eq!(ack.start(), "ACK sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!(bye.header("CSeq"), "42 BYE");
    bench.feed(CARRIER, answer.clone());
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.gateway.counters().orphans_ended, 1);
    bench.pass(ms(60_000));
    bench.feed(CARRIER, answer);
    assert!(bench.sent(CARRIER).is_empty(), "no longer watched");
    assert_eq!(bench.gateway.poll_timeout(), None);
}

#[test]
fn an_answered_one_gets_bye() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("alpha", CARRIER), Some(dialog(CARRIER)));
    let bye = bench.one(CARRIER);
    assert_eq!(bye.start(), "BYE sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!(bye.cseq(), 41 + (1 << 16) + 1, "beyond whatever was sent since it was stored");
    assert_eq!(bye.header("To"), "<sip:+15550199@192.0.2.10:5060>;tag=theirs");
    assert_eq!(bye.header("From"), "<sip:+15550100@192.0.2.1:5060>;tag=ours");
    assert_eq!(bye.headers("Route"), ["<sip:192.0.2.10;lr>"]);
    bench.feed(CARRIER, bye.reply("481 Gone", "", &[], ""));
    bench.pass(ms(41_000));
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn an_old_agent_leg_gets_bye_and_may_say_bye_itself() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("anna", PHONE), Some(dialog(PHONE)));
    assert!(bench.one(PHONE).is("BYE "));
    bench.feed(PHONE, invite().request("BYE", "theirs", 1, &[], ""));
    assert_eq!(bench.starts(PHONE), ["200 OK"]);
}

#[test]
fn a_fork_that_answers_after_the_one_that_was_kept_is_ended_too() {
    let mut bench = Bench::new(options());
    adopt(&mut bench, route("alpha", CARRIER), Some(dialog(CARRIER)));
    let bye = bench.one(CARRIER);
    assert!(bye.is("BYE "));
    bench.feed(CARRIER, bye.reply("200 OK", "theirs", &[], ""));
    bench.pass(ms(2_000));
    let contact = "Contact: <sip:fork@192.0.2.10:5060>";
    bench.feed(CARRIER, invite().reply("200 OK", "fork", &[contact], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK", "BYE"]);
    bench.feed(CARRIER, invite().reply("200 OK", "fork", &[contact], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"], "it came again: one BYE is enough");
}
