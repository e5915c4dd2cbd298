//! Messages that cross, get lost or come twice.

use super::rig::campaign::Campaign;
use super::rig::tone::Law;
use super::rig::{LONG, Stage};

#[test]
fn an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_cancel_race.xml").start();
    let report = stage.run(&Campaign { ring_timeout: "1s", ..Campaign::with_sipp_agent() }).finish();
    // The scenario wants CANCEL, then ACK and BYE for its late 200.
    carrier.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!(attempt.get("outcome"), "no_answer");
    assert_eq!(attempt.get("bridged_at"), "");
    assert_eq!(report.count("abandoned"), 0);
}

#[test]
fn a_customer_who_hangs_up_at_once_was_answered() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_bye_at_once.xml").start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign::default()).finish();
    carrier.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!(attempt.get("outcome"), "answered");
    assert!(attempt.get("reason") == "callee_left" || attempt.time("bridged_at").is_some(), "{attempt:?}");
    assert_eq!(report.count("abandoned"), 0);
    assert_eq!(phone.output().matches("call: answering call").count(), 1, "the agent's leg stays up");
}

#[test]
fn an_answer_that_comes_again_is_acknowledged_again() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_lost_ack.xml").deaf_to_repeats().pause_ms(1_000).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    // The scenario wants a second ACK, then a talk as usual.
    carrier.finish(LONG);
    phone.finish(LONG);
    assert_eq!(carrier.received("ACK").len(), 2);
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    assert_eq!((report.count("placed"), report.count("bridged")), (1, 1));
}

#[test]
fn a_carrier_that_is_slow_to_speak_gets_the_invite_again() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_slow.xml").pause_ms(1_000).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    let invites = carrier.received("INVITE");
    assert!(invites.len() >= 2, "no retransmission: {invites:?}");
    assert_eq!((report.count("placed"), report.count("bridged")), (1, 1));
}
