//! How `carillon run` ends, and what it says.

use std::fs;
use std::net::UdpSocket;

use super::rig::campaign::{AgentPhone, Campaign};
use super::rig::process::Signal;
use super::rig::report::Report;
use super::rig::{LONG, Stage};

#[test]
fn a_wrong_key_is_told_with_file_and_line_and_nothing_is_started() {
    let stage = Stage::new();
    stage.write(&Campaign::with_sipp_agent());
    let path = stage.directory().join("campaign.toml");
    let text = fs::read_to_string(&path).unwrap().replace("ring_timeout", "ring_tiemout");
    let line = 1 + text.lines().position(|line| line.starts_with("ring_tiemout")).unwrap();
    fs::write(&path, text).unwrap();
    let mut run = stage.run_again();
    assert_eq!(run.exit_status(), 2);
    let output = run.output();
    assert!(output.contains(&format!("campaign.toml:{line}")), "no file and line in:\n{output}");
    assert!(output.contains("ring_tiemout"), "no key in:\n{output}");
    assert!(!stage.report_directory().join("carillon.db").exists(), "a wrong file changes nothing");
}

#[test]
fn a_list_without_numbers_is_a_wrong_file() {
    let stage = Stage::new();
    stage.write(&Campaign::with_sipp_agent());
    fs::write(stage.directory().join("contacts.csv"), "id,telephone\nc0,+12025550100\n").unwrap();
    let mut run = stage.run_again();
    assert_eq!(run.exit_status(), 2);
    let output = run.output();
    assert!(output.contains("contacts.csv, line 1") && output.contains("`number`"), "{output}");
}

#[test]
fn bad_rows_are_set_aside_and_the_good_ones_called() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_busy.xml").calls(2).start();
    stage.write(&Campaign { contacts: 2, ..Campaign::with_sipp_agent() });
    let path = stage.directory().join("contacts.csv");
    let text = fs::read_to_string(&path).unwrap() + "c9,not a number,Nobody\n";
    fs::write(&path, text).unwrap();
    let report = stage.run_again().finish();
    carrier.finish(LONG);
    assert_eq!(report.with_outcome("busy").len(), 2);
    let rejected = fs::read_to_string(stage.report_directory().join("contacts.rejected.csv")).unwrap();
    assert_eq!(rejected.lines().count(), 2, "a header and one row:\n{rejected}");
    assert!(rejected.contains("number"), "{rejected}");
}

#[test]
fn without_any_agent_the_status_is_3() {
    let stage = Stage::new();
    let mut run = stage.run(&Campaign { wait_for: "1s", ..Campaign::default() });
    assert_eq!(run.exit_status(), 3, "{}", run.output());
}

/// RFC 3261 §17.1.1.2: an INVITE waits 32 s for any response (Timer B), and must not be cancelled before one came
/// (§9.1). So this test takes that long, with five lines at once for the five silent INVITEs that it takes.
#[test]
fn a_trunk_that_never_says_a_word_makes_the_status_3() {
    let stage = Stage::new();
    // Bound and never read: no ICMP error either.
    let silent = UdpSocket::bind(stage.ports.carrier()).unwrap();
    let campaign = Campaign {
        contacts: 5,
        agents: vec![AgentPhone::Fixed; 5],
        ring_timeout: "1s",
        time_limit: "60s",
        ..Campaign::with_sipp_agent()
    };
    let mut run = stage.run(&campaign);
    assert_eq!(run.exit_status(), 3, "{}", run.output());
    assert!(run.output().contains("carrier"), "names the trunk: {}", run.output());
    let report = Report::read(&stage.report_directory());
    assert_eq!(report.with_outcome("failed").len(), 5, "{:#?}", report.attempts);
    for attempt in report.with_outcome("failed") {
        assert_eq!((attempt.get("attribution"), attempt.get("sip_status")), ("network", ""));
    }
    drop(silent);
}

#[test]
fn a_trunk_that_refuses_to_register_us_makes_the_status_3() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_register_refused.xml").start();
    let campaign = Campaign { register: true, credentials: true, ..Campaign::with_sipp_agent() };
    let mut run = stage.run(&campaign);
    assert_eq!(run.exit_status(), 3, "{}", run.output());
    carrier.finish(LONG);
    assert!(carrier.received("INVITE").is_empty());
}

#[test]
fn an_interrupt_lets_the_live_call_end_and_places_no_other() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(3_000).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let mut run = stage.run(&Campaign { contacts: 3, ..Campaign::with_sipp_agent() });
    phone.wait_for_message("ACK sip:", LONG);
    run.signal(Signal::Interrupt);
    // The carrier hangs up after its three seconds; a call cut short would fail its scenario.
    carrier.finish(LONG);
    assert_eq!(run.exit_status(), 0, "{}", run.output());
    let report = Report::read(&stage.report_directory());
    assert_eq!((report.count("placed"), report.count("bridged")), (1, 1));
    assert_eq!(report.count("tasks_open"), 2);
    assert!((2_500..=4_000).contains(&report.only_attempt().number("talk_ms")));
    phone.finish(LONG);
}

#[test]
fn a_second_signal_hurries() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let mut run = stage.run(&Campaign::with_sipp_agent());
    phone.wait_for_message("ACK sip:", LONG);
    run.signal(Signal::Terminate);
    std::thread::sleep(std::time::Duration::from_millis(500));
    run.signal(Signal::Terminate);
    // Both wait for our BYE.
    carrier.finish(LONG);
    phone.finish(LONG);
    assert_eq!(run.exit_status(), 0, "{}", run.output());
    assert_eq!(Report::read(&stage.report_directory()).only_attempt().get("outcome"), "answered");
}
