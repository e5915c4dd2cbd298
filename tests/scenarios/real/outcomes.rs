//! What a carrier's refusal becomes.

use super::rig::campaign::Campaign;
use super::rig::report::Report;
use super::rig::{LONG, Stage};

/// One call that the carrier refuses with `status`.
fn refused(status: &str, campaign: &Campaign) -> Report {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_status.xml").word("STATUS", status).start();
    let report = stage.run(campaign).finish();
    carrier.finish(LONG);
    report
}

fn assert_refused(status: &str, outcome: &str, attribution: &str) {
    let report = refused(status, &Campaign::with_sipp_agent());
    let attempt = report.only_attempt();
    let code = status.split(' ').next().unwrap();
    assert_eq!((attempt.get("outcome"), attempt.get("sip_status")), (outcome, code));
    assert_eq!(attempt.get("attribution"), attribution);
    assert_eq!(attempt.get("answered_at"), "");
    assert_eq!((report.count("placed"), report.count("answered")), (1, 0));
    assert_eq!(report.tasks[0].get("state"), "closed");
    assert_eq!(report.tasks[0].get("last_outcome"), outcome);
}

#[test]
fn a_busy_callee_is_busy() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    carrier.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("sip_status")), ("busy", "486"));
    assert_eq!(attempt.get("attribution"), "callee");
}

#[test]
fn an_unknown_number_is_invalid() {
    assert_refused("404 Not Found", "invalid_number", "callee");
}

#[test]
fn an_overloaded_carrier_is_congestion() {
    assert_refused("503 Service Unavailable", "congestion", "trunk");
}

#[test]
fn a_decline_is_rejected() {
    assert_refused("603 Decline", "rejected", "callee");
}

#[test]
fn a_busy_callee_is_tried_again_after_the_retry_delay() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_busy.xml").calls(2).start();
    let campaign = Campaign { attempts_max: 2, retry: &[("busy", "2s")], ..Campaign::with_sipp_agent() };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);
    assert_eq!(report.with_outcome("busy").len(), 2);
    let gap = report.attempts[1].time("placed_at").unwrap() - report.attempts[0].time("ended_at").unwrap();
    assert!((1_990..=4_000).contains(&gap), "tried again after {gap} ms");
    assert_eq!(report.tasks[0].get("attempts"), "2");
}

#[test]
fn nobody_picks_up_and_the_ringing_is_cancelled() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_no_answer.xml").start();
    let report = stage.run(&Campaign { ring_timeout: "2s", ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("attribution")), ("no_answer", "callee"));
    let rang = attempt.time("ended_at").unwrap() - attempt.time("ringing_at").unwrap();
    assert!((1_990..=3_500).contains(&rang), "rang for {rang} ms");
    assert_eq!(carrier.received("CANCEL").len(), 1);
}
