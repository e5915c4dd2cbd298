//! An agent goes on with a call on another phone (RFC 3891): baresip has it first, SIPp takes it over.

use std::thread;
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, sound};
use super::rig::phone::Phone;
use super::rig::sipp::SippPlan;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, PASSWORD, Stage};

/// What the second phone says.
const SECOND_HZ: f64 = 1_600.0;

fn campaign(leg: &'static str) -> Campaign {
    Campaign { leg, talk_limit: "7s", record: true, time_limit: "40s", ..Campaign::default() }
}

/// The second phone, as `user`, with what it is answered and where its scenario goes on then.
fn second<'s>(stage: &'s Stage, user: &str, dialog: &str, answer: &str, then: &str) -> SippPlan<'s> {
    let plan = stage.other_sipp_phone("phone_takes_over.xml").word("USER", user).word("PASSWORD", PASSWORD);
    plan.word("DIALOG", dialog).word("ANSWER", answer).word("THEN", then)
}

/// The dialog that the phone was called into, once it is up.
fn dialog_of(phone: &Phone) -> String {
    thread::sleep(Duration::from_millis(2_000));
    phone.dialog().expect("a call that it answered")
}

fn moves(leg: &'static str) {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let desk = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&campaign(leg));
    carrier.wait_for_message("ACK sip:", LONG);
    let dialog = dialog_of(&desk);
    let voice = Customer::speaking(Law::A, SECOND_HZ);
    let mut mobile = second(&stage, "agent1", &dialog, "200", "up").customer(&voice).start();
    let report = run.finish();
    carrier.finish(LONG);
    mobile.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((report.count("bridged"), attempt.get("outcome")), (1, "answered"));
    assert_eq!(attempt.get("agent"), "agent1", "the same agent, the same attempt");
    let recording = hound::WavReader::open(stage.report_directory().join(attempt.get("recording"))).unwrap();
    let recorded_ms = i64::from(recording.duration()) / 8;
    let talk_ms = attempt.number("talk_ms");
    assert!((recorded_ms - talk_ms).abs() < 1_000, "{recorded_ms} ms recorded of {talk_ms} ms");
    assert!(desk.output().contains("Call completed elsewhere"), "the first phone is hung up");
    let (first, other) = (desk.stop(), sound(&voice.packets()));
    assert!(seconds_of(&first, CUSTOMER_HZ) > 1.0 && seconds_of(&other, CUSTOMER_HZ) > 2.0);
    let heard = sound(&customer.packets());
    let (before, after) = (seconds_of(&heard, AGENT_HZ), seconds_of(&heard, SECOND_HZ));
    assert!(before > 1.0 && after > 2.0, "one phone for {before} s, then the other for {after} s");
}

#[test]
fn a_call_on_the_line_goes_on_at_another_phone() {
    moves("persistent");
}

#[test]
fn a_call_that_a_phone_was_called_for_goes_on_at_another_phone() {
    moves("per_call");
}

#[test]
fn a_colleague_finds_no_dialog_to_take_over() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").start();
    let desk = stage.phone(0, &[Law::Mu]);
    let agents = vec![super::rig::campaign::AgentPhone::Registers; 2];
    let campaign = Campaign { agents, talk_limit: "5s", ..campaign("per_call") };
    let mut run = stage.run(&campaign);
    carrier.wait_for_message("ACK sip:", LONG);
    let dialog = dialog_of(&desk);
    let mut curious = second(&stage, "agent2", &dialog, "481", "refused").start();
    curious.finish(LONG);
    let report = run.finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("agent"), "agent1");
    assert!(!desk.output().contains("Call completed elsewhere"));
}
