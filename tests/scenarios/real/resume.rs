//! `kill -9`, and the same command again.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::process::{Signal, eventually};
use super::rig::sipp::Sipp;
use super::rig::tone::{Law, write_wav};
use super::rig::{LONG, MESSAGE_HZ, Stage};

/// Numbers that the carrier was asked to call, once per call.
fn dialed(carrier: &Sipp) -> Vec<String> {
    let starts = carrier.received("INVITE");
    starts.iter().map(|start| start.split(['@', ' ']).nth(1).unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_call_that_rang_when_we_died_is_cancelled_and_interrupted() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_no_answer.xml").start();
    let campaign = Campaign { ring_timeout: "3s", ..Campaign::with_sipp_agent() };
    let mut run = stage.run(&campaign);
    carrier.wait_for_message("180 Ringing", LONG);
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let report = stage.run_again().finish();
    // The scenario ends with CANCEL, 487 and ACK.
    carrier.finish(LONG);
    assert_eq!(dialed(&carrier).len(), 1, "not dialed again: one attempt is all it may have");
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("attribution")), ("interrupted", "us"));
    assert_eq!(report.count("interrupted"), 1);
    assert_eq!(report.count("abandoned"), 0, "nobody had picked up");
}

#[test]
fn a_call_that_was_up_when_we_died_is_hung_up_and_the_others_are_called_once() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").calls(3).start();
    let phone = stage.sipp_phone("agent_answer.xml").calls(3).start();
    let campaign =
        Campaign { contacts: 3, talk_limit: "2s", time_limit: "15s", ..Campaign::with_sipp_agent() };
    let mut run = stage.run(&campaign);
    phone.wait_for_message("ACK sip:", LONG);
    // That the call was answered is on disk 20 ms and a commit later.
    std::thread::sleep(std::time::Duration::from_millis(100));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let report = stage.run_again().finish();
    // Every call of the scenario ends with our BYE: the orphan's too.
    carrier.finish(LONG);
    let numbers = dialed(&carrier);
    let different: BTreeSet<&String> = numbers.iter().collect();
    assert_eq!((numbers.len(), different.len()), (3, 3), "nothing lost, nothing dialed twice: {numbers:?}");
    assert_eq!(report.attempts.len(), 3);
    let interrupted = report.with_outcome("interrupted");
    assert_eq!(interrupted.len(), 1);
    assert!(interrupted[0].time("answered_at").is_some());
    assert_eq!(report.with_outcome("answered").len(), 2);
    assert_eq!(report.count("tasks_closed"), 3);
    // The agent's leg of the orphan is not kept on disk, so its phone may still wait for a BYE.
    drop(phone);
}

#[test]
fn an_interrupted_contact_is_redialed_only_after_the_ring_timeout_and_five_seconds() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_no_answer.xml").calls(2).start();
    let campaign = Campaign {
        ring_timeout: "1s",
        time_limit: "15s",
        attempts_max: 2,
        retry: &[("interrupted", "1s")],
        ..Campaign::with_sipp_agent()
    };
    let mut run = stage.run(&campaign);
    carrier.wait_for_message("180 Ringing", LONG);
    // When it was placed is on disk a moment after the INVITE is on the wire; that it is placed, before.
    std::thread::sleep(std::time::Duration::from_millis(500));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    assert_eq!(report.attempts.len(), 2);
    let outcomes: Vec<&str> = report.attempts.iter().map(|row| row.get("outcome")).collect();
    assert_eq!(outcomes, ["interrupted", "no_answer"]);
    let gap = report.attempts[1].time("placed_at").unwrap() - report.attempts[0].time("placed_at").unwrap();
    assert!(gap >= 6_000, "redialed after {gap} ms");
}

#[test]
fn the_agents_leg_of_a_dead_process_is_hung_up_and_called_again() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").calls(2).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let campaign = Campaign { contacts: 2, talk_limit: "2s", time_limit: "15s", ..Campaign::default() };
    let mut run = stage.run(&campaign);
    carrier.wait_for_message("ACK sip:", LONG);
    // The bridge is on disk a moment after the ACK is on the wire.
    thread::sleep(Duration::from_millis(300));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    let outcomes: Vec<&str> = report.attempts.iter().map(|row| row.get("outcome")).collect();
    assert_eq!(outcomes, ["interrupted", "answered"]);
    assert_eq!(report.attempts[1].get("agent"), "agent1");
    assert_eq!((report.count("bridged"), report.count("abandoned")), (2, 0));
    let output = phone.output();
    assert_eq!(output.matches("call: answering call").count(), 2, "one leg each process");
    assert_eq!(output.matches("\nBYE sip:").count(), 2, "no leg is left up");
}

#[test]
fn a_customer_who_waited_for_an_agent_when_we_died_counts_as_abandoned() {
    let stage = Stage::new();
    write_wav(&stage.directory().join("sorry.wav"), MESSAGE_HZ, 1);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").calls(2).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let campaign = Campaign {
        mode: "ratio",
        ratio: 2.0,
        abandon_limit: 1.0,
        safe_harbour: Some("sorry.wav"),
        contacts: 2,
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    let both = eventually(LONG, || (carrier.received("ACK").len() == 2).then_some(()));
    assert!(both.is_some(), "{}", carrier.messages());
    thread::sleep(Duration::from_millis(300));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    assert_eq!(report.with_outcome("interrupted").len(), 2);
    assert_eq!((report.count("bridged"), report.count("abandoned")), (1, 1), "{}", report.summary);
    drop(phone);
}

#[test]
fn a_campaign_that_was_done_stays_done() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let first = stage.run(&Campaign::with_sipp_agent()).finish();
    carrier.finish(LONG);
    // The carrier is gone: a second INVITE would become a second, failed attempt.
    let second = stage.run_again().finish();
    assert_eq!(second.only_attempt().get("attempt_id"), first.only_attempt().get("attempt_id"));
    assert_eq!(second.only_attempt().get("outcome"), "busy");
}
