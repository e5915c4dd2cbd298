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

#[test]
fn what_the_telephone_network_says_decides_before_the_status() {
    let busy = "503 Service Unavailable\n      Reason: Q.850;cause=17;text=\"User busy\"";
    let report = refused(busy, &Campaign::with_sipp_agent());
    let attempt = report.only_attempt();
    let told = ["outcome", "attribution", "sip_status", "reason"].map(|column| attempt.get(column));
    assert_eq!(told, ["busy", "callee", "503", "q850_17"]);
}

#[test]
fn a_trunk_may_mean_something_else_by_a_status() {
    let trunk_keys = "outcomes = [\"603 unheard rejected network\", \"480 invalid_number\"]";
    let campaign = Campaign { trunk_keys, ..Campaign::with_sipp_agent() };
    for (status, outcome, attribution) in
        [("603 Decline", "rejected", "network"), ("480 Temporarily Unavailable", "invalid_number", "callee")]
    {
        let report = refused(status, &campaign);
        let attempt = report.only_attempt();
        assert_eq!((attempt.get("outcome"), attempt.get("attribution")), (outcome, attribution), "{status}");
    }
}

#[test]
fn a_number_goes_out_as_the_trunk_wants_it_and_only_where_it_may() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let trunk_keys = "number_format = \"national\"\ncountry_code = \"1\"\nnational_prefix = \"0\"\n\
                      allow = [\"+1\"]\ndeny = [\"+12025550101\"]";
    // The second contact's number is denied.
    let campaign = Campaign { contacts: 2, trunk_keys, ..Campaign::with_sipp_agent() };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);
    let invites = carrier.received("INVITE");
    assert!(invites.iter().all(|invite| invite.starts_with("INVITE sip:02025550100@")), "{invites:?}");
    assert_eq!(report.only_attempt().get("number"), "+12025550100", "the books keep the number");
    let closed: Vec<_> =
        report.tasks.iter().map(|task| (task.get("attempts"), task.get("closed_reason"))).collect();
    assert_eq!(closed, [("1", "outcome"), ("0", "number")]);
}
