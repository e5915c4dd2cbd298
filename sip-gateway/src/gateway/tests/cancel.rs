//! Hanging up before the answer, and the races around it (RFC 3261 §9.1, §15).

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::Command;
use crate::event::Failure;

#[test]
fn a_ringing_call_is_cancelled() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    bench.events();
    bench.command(Command::HangUp { call: CALL });
    let cancel = bench.one(CARRIER);
    assert_eq!(cancel.start(), invite.start().replace("INVITE", "CANCEL"));
    assert_eq!(cancel.branch(), invite.branch());
    assert_eq!(cancel.header("From"), invite.header("From"));
    assert_eq!(cancel.header("To"), invite.header("To"));
    assert_eq!(cancel.header("CSeq"), format!("{} CANCEL", invite.cseq()));
    bench.feed(CARRIER, cancel.reply("200 OK", "callee", &[], ""));
    assert_eq!(bench.events(), []);
    bench.feed(CARRIER, invite.reply("487 Request Terminated", "callee", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    assert_eq!(bench.events(), failed(Failure::Cancelled));
    assert_eq!(words(&bench.media()), ["close 1"]);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.command(Command::HangUp { call: CALL });
    assert!(bench.sent(CARRIER).is_empty());
    bench.feed(CARRIER, invite.reply("100 Trying", "", &[], ""));
    assert!(bench.one(CARRIER).is("CANCEL "));
    bench.feed(CARRIER, invite.reply("487 Request Terminated", "callee", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Cancelled));
}

#[test]
fn a_final_word_before_the_cancel_left_is_the_callees() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.command(Command::HangUp { call: CALL });
    bench.feed(CARRIER, invite.reply("486 Busy Here", "callee", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    assert_eq!(bench.events(), failed(Failure::Status(486)));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    bench.events();
    bench.command(Command::HangUp { call: CALL });
    let cancel = bench.one(CARRIER);
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0", "sendrecv")));
    let [ack, bye] = bench.sent(CARRIER).try_into().unwrap();
    assert!(ack.is("ACK ") && bye.is("BYE "));
    bench.feed(CARRIER, cancel.reply("200 OK", "callee", &[], ""));
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Cancelled), "never told as answered");
}

#[test]
fn a_cancelled_call_without_a_final_response_ends_after_64_t1() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    bench.events();
    bench.command(Command::HangUp { call: CALL });
    let cancel = bench.sent(CARRIER).remove(0);
    bench.feed(CARRIER, cancel.reply("200 OK", "callee", &[], ""));
    bench.pass(ms(31_999));
    assert_eq!(bench.events(), []);
    bench.pass(ms(1));
    assert_eq!(bench.events(), failed(Failure::Cancelled));
    // An answer even later is still ended, not left standing.
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["ACK", "BYE"]);
    assert_eq!(bench.events(), []);
}

#[test]
fn a_hung_up_call_without_any_response_ends_with_timer_b() {
    let mut bench = Bench::new(options());
    bench.place(1);
    bench.pass(ms(1_000));
    bench.command(Command::HangUp { call: CALL });
    bench.pass(ms(31_000));
    assert_eq!(bench.events(), failed(Failure::Timeout), "silence is the network's doing and not ours");
    assert!(bench.starts(CARRIER).iter().all(|start| start == "INVITE"), "never a CANCEL");
}

#[test]
fn a_callee_that_rings_for_ever_is_cancelled() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    for _ in 0..3 {
        bench.pass(ms(60_000));
        bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    }
    assert_eq!(bench.starts(CARRIER).first().map(String::as_str), Some("CANCEL"));
    bench.events();
    bench.pass(ms(40_000));
    assert_eq!(bench.events(), failed(Failure::Cancelled));
}

#[test]
fn hanging_up_twice_cancels_once() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    bench.command(Command::HangUp { call: CALL });
    bench.command(Command::HangUp { call: CALL });
    assert_eq!(bench.starts(CARRIER), ["CANCEL"]);
}
