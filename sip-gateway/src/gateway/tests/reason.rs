//! Why a call ends, as its peer is told and as it tells us (RFC 3326).

use super::super::testing::*;
use super::{CALL, ended};
use crate::command::Command;
use crate::event::EndedBy;
use crate::id::StreamId;
use crate::media::MediaEvent;

const CLEARED: &str = "Q.850;cause=16;text=\"Normal call clearing\"";

#[test]
fn a_bye_and_a_cancel_say_why() {
    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.command(Command::HangUp { call: CALL });
    assert_eq!(bench.one(CARRIER).header("Reason"), CLEARED);

    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.media_event(MediaEvent::Lost { stream: StreamId(1) });
    assert_eq!(bench.one(CARRIER).header("Reason"), "Q.850;cause=41;text=\"Temporary failure\"");

    // CANCEL waits for a provisional response and still knows why.
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.command(Command::HangUp { call: CALL });
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    assert_eq!(bench.one(CARRIER).header("Reason"), CLEARED);

    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    bench.pass(crate::leg::RING_MAX);
    let cancel = bench.one(CARRIER);
    assert_eq!(cancel.header("Reason"), "Q.850;cause=19;text=\"No answer from the user\"");
}

#[test]
fn a_fork_that_was_not_taken_is_told_that_the_call_was_completed_elsewhere() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.reply("200 OK", "fork", &[CONTACT], &sdp(4000, "0", "sendrecv")));
    let [_, bye] = bench.sent(CARRIER).try_into().unwrap();
    assert_eq!(bye.header("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");
}

#[test]
fn a_fault_of_the_network_in_the_peers_bye_is_not_laid_at_the_callees_door() {
    for (reason, expected) in [
        ("Reason: Q.850;cause=16", ended(EndedBy::Peer, "bye")),
        ("Reason: Q.850;cause=38;text=\"Network out of order\"", ended(EndedBy::Network, "network_fault")),
        ("Reason: SIP;cause=408;text=\"Session expired\"", ended(EndedBy::Network, "session_lost")),
    ] {
        let mut bench = Bench::new(options());
        let invite = bench.answered(1);
        bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[reason], ""));
        assert_eq!(bench.events(), expected, "{reason}");
    }
}
