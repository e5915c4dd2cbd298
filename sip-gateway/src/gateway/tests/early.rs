//! Reliable provisional responses, and what a callee may ask before it answers (RFC 3262, RFC 3311).

use super::super::testing::*;
use super::digest::{challenge, check, credentials, md5};
use super::{CALL, ended};
use crate::command::Command;
use crate::event::{EndedBy, Event};

/// A reliable provisional response to this INVITE.
fn reliable(invite: &Text, status: &str, tag: &str, rseq: u32, body: &str) -> String {
    invite.reply(status, tag, &["Require: 100rel", &format!("RSeq: {rseq}"), CONTACT], body)
}

fn ringing(status: u16, early_media: bool) -> Vec<Event> {
    vec![Event::Ringing { call: CALL, status, early_media }]
}

// §4: each one is acknowledged once, in order; RAck names number, CSeq number and method. §7.2.
#[test]
fn each_reliable_response_gets_its_prack() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    assert!(invite.header("Supported").contains("100rel") && invite.header("Allow").contains("PRACK"));
    let session = sdp(4000, "0 101", "sendrecv");
    let progress = reliable(&invite, "183 Session Progress", "callee", 7, &session);
    bench.feed(CARRIER, progress.clone());
    let prack = bench.one(CARRIER);
    assert_eq!(prack.start(), "PRACK sip:callee@192.0.2.10:5060 SIP/2.0");
    assert_eq!(prack.header("RAck"), format!("7 {} INVITE", invite.cseq()));
    assert_eq!(prack.cseq(), invite.cseq() + 1);
    assert!(prack.header("To").ends_with(";tag=callee"));
    assert_eq!(bench.events(), ringing(183, true));
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcmu"]);

    bench.feed(CARRIER, progress);
    bench.feed(CARRIER, reliable(&invite, "180 Ringing", "callee", 9, ""));
    assert!(bench.sent(CARRIER).is_empty(), "it came again; 8 is still to come");
    assert_eq!(bench.events(), []);
    bench.pass(ms(500));
    assert_eq!(bench.one(CARRIER).0, prack.0, "a PRACK is repeated like any request");
    bench.feed(CARRIER, prack.reply("200 OK", "", &[], ""));
    bench.feed(CARRIER, reliable(&invite, "180 Ringing", "callee", 8, ""));
    let second = bench.one(CARRIER);
    assert_eq!(
        (second.header("RAck"), second.cseq()),
        (&*format!("8 {} INVITE", invite.cseq()), prack.cseq() + 1)
    );
    assert_eq!(bench.events(), ringing(180, false));
    bench.feed(CARRIER, second.reply("200 OK", "", &[], ""));

    // §5: the session was in the 183; the ACK has the INVITE's number and the BYE comes after the PRACKs.
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], ""));
    assert_eq!(bench.one(CARRIER).header("CSeq"), format!("{} ACK", invite.cseq()));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcmu", "silence 1 true"]);
    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    assert_eq!(bye.cseq(), second.cseq() + 1);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Us, "bye"));
}

// §4: numbers are counted for each dialog; a fork that answers later is ended after its own PRACK.
#[test]
fn forks_are_counted_apart() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    for (tag, rseq) in [("one", 1), ("two", 900), ("one", 2)] {
        bench.feed(CARRIER, reliable(&invite, "180 Ringing", tag, rseq, ""));
        let prack = bench.one(CARRIER);
        assert!(prack.header("To").ends_with(tag) && prack.header("RAck").starts_with(&format!("{rseq} ")));
        bench.feed(CARRIER, prack.reply("200 OK", "", &[], ""));
    }
    let session = sdp(4000, "0", "sendrecv");
    bench.feed(CARRIER, invite.reply("200 OK", "one", &[CONTACT], &session));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    bench.feed(CARRIER, invite.reply("200 OK", "two", &[CONTACT], &session));
    let [ack, bye] = bench.sent(CARRIER).try_into().unwrap();
    assert!(ack.is("ACK ") && bye.is("BYE ") && bye.header("To").ends_with("two"));
    assert_eq!(bye.cseq(), invite.cseq() + 2, "after the PRACK of this fork");
}

// A response that names no RSeq, and one that doesn't ask for it, are taken as they always were.
#[test]
fn an_unreliable_response_gets_no_prack() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &["Require: 100rel", CONTACT], ""));
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &["RSeq: 1", CONTACT], ""));
    bench.feed(CARRIER, invite.reply("100 Trying", "", &["Require: 100rel", "RSeq: 1"], ""));
    assert!(bench.sent(CARRIER).is_empty());
    assert_eq!(bench.events().len(), 2);
}

#[test]
fn a_challenged_prack_is_sent_again_with_an_answer() {
    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    bench.feed(CARRIER, reliable(&invite, "180 Ringing", "callee", 1, ""));
    let prack = bench.one(CARRIER);
    let ask = challenge("Proxy-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, prack.reply("407 Proxy Authentication Required", "", &[&ask], ""));
    let again = bench.one(CARRIER);
    assert_eq!((again.header("RAck"), again.cseq()), (prack.header("RAck"), prack.cseq() + 1));
    check(&again, "Proxy-Authorization", "PRACK", md5);
}

// A cancelled call that is still ringing: what comes reliably is acknowledged all the same.
#[test]
fn a_cancelled_call_acknowledges_what_still_comes() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.command(Command::HangUp { call: CALL });
    bench.feed(CARRIER, reliable(&invite, "180 Ringing", "callee", 1, ""));
    assert_eq!(bench.starts(CARRIER), ["PRACK", "CANCEL"]);
    bench.feed(CARRIER, reliable(&invite, "183 Session Progress", "callee", 2, ""));
    assert_eq!(bench.starts(CARRIER), ["PRACK"]);
}

// RFC 3311 §5.2: before the answer the callee may change the session with UPDATE, once our own offer was answered.
#[test]
fn a_callee_updates_the_session_before_it_answers() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, reliable(&invite, "180 Ringing", "callee", 1, ""));
    bench.starts(CARRIER);
    let moved = sdp(4010, "0", "sendrecv");
    bench.feed(CARRIER, invite.request("UPDATE", "callee", 1, &[CONTACT], &moved));
    assert_eq!(bench.starts(CARRIER), ["491 Request Pending"], "our offer waits for its answer");
    let first = sdp(4000, "0 101", "sendrecv");
    bench.feed(CARRIER, reliable(&invite, "183 Session Progress", "callee", 2, &first));
    bench.starts(CARRIER);
    bench.events();
    bench.media();
    bench.feed(STRANGER, invite.request("UPDATE", "callee", 2, &[CONTACT], &moved));
    assert_eq!((bench.gateway.counters().foreign_source, bench.media().len()), (1, 0));
    bench.feed(CARRIER, invite.request("UPDATE", "callee", 3, &[CONTACT], &moved));
    let answer = bench.one(CARRIER);
    assert_eq!(answer.start(), "SIP/2.0 200 OK");
    assert!(answer.body().contains("m=audio 20000 RTP/AVP 0\r\n"), "{}", answer.0);
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4010 Pcmu"]);
    for (cseq, method, status) in
        [(4, "INVITE", "491"), (5, "BYE", "481"), (6, "OPTIONS", "200"), (7, "UPDATE", "200")]
    {
        bench.feed(CARRIER, invite.request(method, "callee", cseq, &[CONTACT], ""));
        assert!(bench.starts(CARRIER)[0].starts_with(status), "{method}");
    }
    // Its 200 says again what it said in the 183: that is old.
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &first));
    assert_eq!(bench.starts(CARRIER).last().unwrap(), "ACK");
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4010 Pcmu", "silence 1 true"]);
    bench.feed(CARRIER, invite.request("BYE", "callee", 8, &[], ""));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }, Event::Ended { .. }]));
}

// §4 of RFC 3262 and §22.2 of RFC 3261: an INVITE that is sent again counts anew.
#[test]
fn an_invite_that_is_sent_again_counts_anew() {
    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    bench.feed(CARRIER, reliable(&invite, "183 Session Progress", "callee", 5, ""));
    bench.sent(CARRIER);
    let ask = challenge("Proxy-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, invite.reply("407 Proxy Authentication Required", "callee", &[&ask], ""));
    let again = bench.sent(CARRIER).remove(1);
    bench.feed(CARRIER, reliable(&again, "180 Ringing", "callee", 1, ""));
    assert_eq!(bench.one(CARRIER).header("RAck"), format!("1 {} INVITE", again.cseq()));
}
