//! Two real trunks, one of which answers: which call goes where, what is recorded, and what the pacer reckoned with.

use super::replay::look_back;
use super::rig::campaign::Campaign;
use super::rig::{LONG, Stage};

/// Contacts of the list; all but the first are called on the second trunk.
const CONTACTS: u32 = 6;
/// More decisions than such a run makes before its calls are placed.
const DECISIONS_MAX: u32 = 400;

#[test]
fn each_call_is_reckoned_with_on_the_trunk_that_it_takes() {
    let stage = Stage::new();
    let mut good = stage.carrier("carrier_answer.xml").pause_ms(1_000).start();
    let mut bad = stage.other_carrier("carrier_busy.xml").calls(CONTACTS - 1).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let campaign = Campaign {
        mode: "predictive",
        contacts: CONTACTS,
        // One call in twenty seconds on the first trunk: the second one takes what comes meanwhile.
        calls_per_second: 0.05,
        other_trunk: true,
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    for part in [&mut good, &mut bad, &mut phone] {
        part.finish(LONG);
    }

    let by_trunk: Vec<_> =
        report.attempts.iter().map(|attempt| (attempt.get("trunk"), attempt.get("outcome"))).collect();
    let mut expected = vec![("carrier", "answered")];
    expected.resize(CONTACTS as usize, ("other", "busy"));
    assert_eq!(by_trunk, expected);
    let shown = report.attempts.last().map(|attempt| attempt.get("caller_id"));
    assert_eq!(shown, Some("+15550000002"), "a number of its trunk");

    // What the decisions that placed a call were made with.
    let database = stage.report_directory().join("carillon.db");
    let (status, said, error) = look_back("replay", &database, &[]);
    assert!(status == 0 && said.contains("every decision comes out as it was made"), "{said}{error}");
    let mut reckoned = Vec::new();
    for number in 1..DECISIONS_MAX {
        let (status, shown, _) = look_back("replay", &database, &["--decision", &number.to_string()]);
        if status != 0 || reckoned.len() == CONTACTS as usize {
            break;
        }
        if shown.contains(": place 1\n") {
            let next = shown.lines().find_map(|line| line.trim().strip_prefix("next tasks: "));
            reckoned.push(next.unwrap_or_default().to_owned());
        }
    }
    let first_trunk = |next: &String| {
        let (_, trunk) = next.split_once(": trunk ").expect("a trunk is named");
        trunk.split(',').next().unwrap_or_default().to_owned()
    };
    let trunks: Vec<String> = reckoned.iter().map(first_trunk).collect();
    let expected: Vec<&str> = expected.iter().map(|(trunk, _)| *trunk).collect();
    assert_eq!(trunks, expected, "{reckoned:#?}");
    assert!(reckoned[0].contains("; 5: trunk other, hour "), "{reckoned:#?}");
}

#[test]
fn a_call_that_one_trunk_refuses_is_answered_on_the_next() {
    let stage = Stage::new();
    let mut full =
        stage.carrier("carrier_status.xml").word("STATUS", "503 Service Unavailable").calls(2).start();
    let mut good = stage.other_carrier("carrier_answer.xml").pause_ms(300).calls(2).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").calls(2).start();
    let campaign = Campaign { contacts: 2, other_trunk: true, ..Campaign::with_sipp_agent() };
    let report = stage.run(&campaign).finish();
    for part in [&mut full, &mut good, &mut phone] {
        part.finish(LONG);
    }
    assert_eq!((report.count("placed"), report.count("answered"), report.count("bridged")), (2, 2, 2));
    for attempt in &report.attempts {
        let told = ["trunk", "caller_id", "outcome", "sip_status"].map(|column| attempt.get(column));
        assert_eq!(told, ["other", "+15550000002", "answered", "200"]);
    }
    let tasks: Vec<_> = report.tasks.iter().map(|task| task.get("attempts")).collect();
    assert_eq!(tasks, ["1", "1"], "one attempt each");
}

#[test]
fn what_the_callee_says_is_not_asked_again_on_the_next_trunk() {
    let stage = Stage::new();
    let mut busy = stage.carrier("carrier_busy.xml").start();
    let other = stage.other_carrier("carrier_answer.xml").start();
    let report = stage.run(&Campaign { other_trunk: true, ..Campaign::with_sipp_agent() }).finish();
    busy.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("trunk"), attempt.get("outcome")), ("carrier", "busy"));
    assert_eq!(other.received("INVITE").len(), 0);
}

#[test]
fn the_outcome_is_that_of_the_last_trunk() {
    let stage = Stage::new();
    let mut full = stage.carrier("carrier_status.xml").word("STATUS", "500 Server Internal Error").start();
    let mut unknown = stage.other_carrier("carrier_status.xml").word("STATUS", "404 Not Found").start();
    let report = stage.run(&Campaign { other_trunk: true, ..Campaign::with_sipp_agent() }).finish();
    for part in [&mut full, &mut unknown] {
        part.finish(LONG);
    }
    let attempt = report.only_attempt();
    assert_eq!(
        (attempt.get("trunk"), attempt.get("outcome"), attempt.get("sip_status")),
        ("other", "invalid_number", "404")
    );
    assert_eq!(report.count("placed"), 1);
}

#[test]
fn a_trunk_that_says_nothing_is_left_for_the_next() {
    let stage = Stage::new();
    // A socket that takes everything and never answers.
    let silent = std::net::UdpSocket::bind(stage.ports.carrier()).expect("the carrier's port is free");
    let mut good = stage.other_carrier("carrier_answer.xml").pause_ms(300).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let campaign =
        Campaign { other_trunk: true, trunk_keys: "failover_after = \"1s\"", ..Campaign::with_sipp_agent() };
    let report = stage.run(&campaign).finish();
    for part in [&mut good, &mut phone] {
        part.finish(LONG);
    }
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("trunk"), attempt.get("outcome")), ("other", "answered"));
    silent.set_nonblocking(true).expect("a socket can be asked");
    let mut buffer = [0; 2_000];
    let invites = std::iter::from_fn(|| silent.recv(&mut buffer).ok()).count();
    assert_eq!(invites, 2, "at 0 and 0.5 s, and none after it was left");
}

#[test]
fn calls_are_shared_by_price_and_weight() {
    let stage = Stage::new();
    // The first trunk is the dearer one to all numbers but one; the second takes the others.
    let mut dear = stage.carrier("carrier_busy.xml").start();
    let mut cheap = stage.other_carrier("carrier_busy.xml").calls(2).start();
    let campaign = Campaign {
        contacts: 3,
        other_trunk: true,
        trunk_keys: "rates = [\"+1 0.02\", \"+12025550101 0.001 60\"]",
        other_keys: "rates = [\"+1 0.01\"]",
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    for part in [&mut dear, &mut cheap] {
        part.finish(LONG);
    }
    let mut taken: Vec<_> =
        report.attempts.iter().map(|attempt| (attempt.get("number"), attempt.get("trunk"))).collect();
    taken.sort();
    let expected = [("+12025550100", "other"), ("+12025550101", "carrier"), ("+12025550102", "other")];
    assert_eq!(taken, expected);
}

#[test]
fn equals_share_calls_by_weight() {
    let stage = Stage::new();
    let mut one = stage.carrier("carrier_busy.xml").calls(4).start();
    let mut other = stage.other_carrier("carrier_busy.xml").calls(2).start();
    let campaign = Campaign {
        contacts: 6,
        other_trunk: true,
        trunk_keys: "weight = 2",
        other_keys: "weight = 1",
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    for part in [&mut one, &mut other] {
        part.finish(LONG);
    }
    let taken: Vec<_> = report.attempts.iter().map(|attempt| attempt.get("trunk")).collect();
    assert_eq!(taken, ["carrier", "other", "carrier", "carrier", "other", "carrier"]);
}

#[test]
fn a_trunk_is_left_when_its_money_is_spent_and_after_a_restart_too() {
    let stage = Stage::new();
    let mut cheap = stage.carrier("carrier_answer.xml").pause_ms(300).start();
    let mut dear = stage.other_carrier("carrier_busy.xml").calls(2).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let mut campaign = Campaign {
        contacts: 2,
        other_trunk: true,
        // Its first call costs a minute, which is all that it may.
        trunk_keys: "priority = 0\nrates = [\"+1 0.05\"]\nbilling = \"60/60\"\ncurrency = \"EUR\"\nspend_daily_max = \"0.05\"",
        other_keys: "priority = 1",
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    let taken = |report: &super::rig::report::Report| {
        report.attempts.iter().map(|it| it.get("trunk").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(taken(&report), ["carrier", "other"]);
    campaign.contacts = 3;
    let report = stage.run(&campaign).finish();
    for part in [&mut cheap, &mut dear, &mut phone] {
        part.finish(LONG);
    }
    assert_eq!(taken(&report), ["carrier", "other", "other"], "it is still spent");
    let database = stage.report_directory().join("carillon.db");
    let (status, said, _) = super::check::check(&stage, &["--store", database.to_str().unwrap_or_default()]);
    let spend = "FAIL  spend     0.05 EUR of 0.05 EUR today: used up, no new call is placed";
    assert!(status == 3 && said.contains(spend), "{said}");
}

#[test]
fn a_number_that_has_had_its_day_is_not_shown_after_a_restart_either() {
    let stage = Stage::new();
    let mut first = stage.carrier("carrier_busy.xml").start();
    let mut other = stage.other_carrier("carrier_busy.xml").calls(2).start();
    let mut campaign = Campaign {
        contacts: 2,
        other_trunk: true,
        // It has one number.
        trunk_keys: "caller_id_daily_max = 1\ncaller_id_recovery = \"1h\"",
        ..Campaign::with_sipp_agent()
    };
    let taken = |report: &super::rig::report::Report| {
        report.attempts.iter().map(|it| it.get("trunk").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(taken(&stage.run(&campaign).finish()), ["carrier", "other"]);
    campaign.contacts = 3;
    assert_eq!(taken(&stage.run(&campaign).finish()), ["carrier", "other", "other"]);
    for part in [&mut first, &mut other] {
        part.finish(LONG);
    }
    let database = stage.report_directory().join("carillon.db");
    let (status, said, _) = super::check::check(&stage, &["--store", database.to_str().unwrap_or_default()]);
    assert!(status == 3 && said.contains("FAIL  numbers   0 of 1 may be shown"), "{said}");
    let number = "+15550000001: 1 of 1 calls in its day; of 1 0 answered, 0 unwanted; has had its day, for ";
    assert!(said.contains(number), "{said}");
}
