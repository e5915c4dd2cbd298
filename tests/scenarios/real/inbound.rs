//! Calls from outside: SIPp calls a number of ours as the carrier, baresip is the agent's phone.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, assert_one_stream, sound};
use super::rig::process::Signal;
use super::rig::report::inbound;
use super::rig::tone::{Law, seconds_of, write_wav};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, MESSAGE_HZ, Stage};

/// The number that is called.
const NUMBER: &str = "+12025550177";
/// Nobody in any list.
const UNKNOWN: &str = "+12025550999";

const INBOUND: &str = "numbers = [\"(202) 555-0177\"]\nwait_max = \"3s\"\nmessage = \"sorry.wav\"";

/// Nothing is dialed: all that happens is that it is called.
fn called(inbound: &'static str, time_limit: &'static str) -> Campaign {
    Campaign { mode: "manual", time_limit, inbound, ..Campaign::default() }
}

fn stage() -> Stage {
    let stage = Stage::new();
    write_wav(&stage.directory().join("sorry.wav"), MESSAGE_HZ, 1);
    stage
}

#[test]
fn a_caller_and_the_agent_hear_each_other_and_the_task_is_done() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&Campaign { record: true, ..called(INBOUND, "6s") });
    run.wait_until_started();
    let number = Campaign::number(0);
    let mut caller = stage.caller("caller.xml", NUMBER, &number).customer(&customer).pause_ms(3_000).start();
    caller.finish(LONG);
    let report = run.finish();

    assert!(report.attempts.is_empty(), "nobody was dialed");
    let calls = inbound(&stage.report_directory());
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(
        (call.get("outcome"), call.get("agent"), call.get("disposition")),
        ("talked", "agent1", "success")
    );
    assert_eq!(
        (call.get("number"), call.get("caller"), call.get("contact_id")),
        (NUMBER, number.as_str(), "c0")
    );
    assert_eq!(call.get("diversion"), "<sip:+12025550170@carrier.example>;reason=no-answer");
    assert!((2_500..=3_600).contains(&call.number("talk_ms")), "{call:?}");
    assert!(call.number("wait_ms") < 1_000, "{call:?}");
    let recording = stage.report_directory().join(call.get("recording"));
    assert!(fs::metadata(recording).unwrap().len() > 40_000, "both were recorded");
    let task = &report.tasks[0];
    assert_eq!(
        (task.get("state"), task.get("closed_reason"), task.get("attempts")),
        ("closed", "success", "0")
    );

    let packets = customer.packets();
    assert_one_stream(&packets);
    assert!(seconds_of(&sound(&packets), AGENT_HZ) > 2.0, "the caller heard the agent");
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 2.0, "the agent heard the caller");
}

#[test]
fn the_phone_of_an_agent_who_is_called_per_call_rings_before_the_caller_is_answered() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&Campaign { leg: "per_call", ..called(INBOUND, "6s") });
    run.wait_until_started();
    let mut caller = stage.caller("caller.xml", NUMBER, UNKNOWN).customer(&customer).pause_ms(2_000).start();
    caller.finish(LONG);
    let report = run.finish();
    let calls = inbound(&stage.report_directory());
    assert_eq!((calls[0].get("outcome"), calls[0].get("contact_id")), ("talked", ""));
    assert_eq!(calls[0].get("disposition"), "success");
    assert_eq!(report.tasks[0].get("state"), "open", "the caller is not in the list");
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.2);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.2);
}

#[test]
fn a_caller_whom_nobody_takes_hears_the_message_and_then_we_hang_up() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    // Only an owner would take it, and the caller has none.
    let keys = "numbers = [\"+12025550177\"]\nteam = false\nmessage = \"sorry.wav\"";
    let mut run = stage.run(&called(keys, "5s"));
    run.wait_until_started();
    let mut caller = stage.caller("caller_waits_for_bye.xml", NUMBER, UNKNOWN).customer(&customer).start();
    caller.finish(LONG);
    run.finish();
    let calls = inbound(&stage.report_directory());
    assert_eq!((calls[0].get("outcome"), calls[0].get("agent")), ("message", ""));
    let heard = sound(&customer.packets());
    let heard_s = seconds_of(&heard, MESSAGE_HZ);
    assert!((0.8..=1.2).contains(&heard_s), "{heard_s} s of a message of one second");
    assert!(seconds_of(&heard, AGENT_HZ) < 0.1);
    drop(phone);
}

#[test]
fn a_second_caller_waits_for_the_agent_and_gets_the_message_in_the_end() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&Campaign { talk_limit: "4s", ..called(INBOUND, "8s") });
    run.wait_until_started();
    let mut both =
        stage.caller("caller_waits_for_bye.xml", NUMBER, UNKNOWN).customer(&customer).calls(2).start();
    both.finish(LONG);
    run.finish();
    let calls = inbound(&stage.report_directory());
    let mut outcomes: Vec<&str> = calls.iter().map(|call| call.get("outcome")).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["message", "talked"]);
    let waited = calls.iter().find(|call| call.get("outcome") == "message").unwrap().number("wait_ms");
    assert!((2_800..=3_600).contains(&waited), "waited {waited} ms of 3 s");
    drop(phone);
}

#[test]
fn a_caller_may_give_up_while_it_rings() {
    let stage = stage();
    let phone = stage.phone(0, &[Law::Mu]);
    let keys = "numbers = [\"+12025550177\"]\nwait_max = \"20s\"";
    let mut run = stage.run(&called(keys, "8s"));
    run.wait_until_started();
    // The first has the agent, so that the second waits.
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut first = stage.caller("caller.xml", NUMBER, UNKNOWN).customer(&customer).pause_ms(3_000).start();
    first.wait_for_message("ACK sip:", LONG);
    let mut second = stage.other_caller("caller_cancels.xml", NUMBER, UNKNOWN).pause_ms(700).start();
    second.finish(LONG);
    first.finish(LONG);
    run.finish();
    let calls = inbound(&stage.report_directory());
    let left = calls.iter().find(|call| call.get("outcome") == "left").expect("one left");
    assert_eq!((left.get("reason"), left.get("answered_at")), ("cancelled", ""));
    assert!((600..=1_500).contains(&left.number("wait_ms")), "{left:?}");
    drop(phone);
}

#[test]
fn a_number_that_is_nobodys_is_refused_and_a_stranger_hears_nothing() {
    let stage = stage();
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&called(INBOUND, "5s"));
    run.wait_until_started();
    let mut caller =
        stage.caller("caller_refused.xml", "+12025550178", UNKNOWN).word("STATUS", "404").start();
    caller.finish(LONG);

    let socket = UdpSocket::bind((Ipv4Addr::new(127, 99, 0, 9), 0)).expect("a free port");
    socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let listen = stage.ports.listen();
    let invite = format!(
        "INVITE sip:{NUMBER}@{listen} SIP/2.0\r\nVia: SIP/2.0/UDP 127.99.0.9:5060;branch=z9hG4bKs;rport\r\n\
         From: <sip:{UNKNOWN}@127.99.0.9>;tag=s\r\nTo: <sip:{NUMBER}@{listen}>\r\nCall-ID: stranger\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:s@127.99.0.9>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(invite.as_bytes(), listen).unwrap();
    let mut buffer = [0; 2_048];
    assert!(socket.recv_from(&mut buffer).is_err(), "a stranger learns that nobody listens");
    run.finish();
    assert!(!stage.report_directory().join("inbound.csv").exists(), "neither is a call");
    drop(phone);
}

#[test]
fn a_call_that_was_up_when_we_died_is_hung_up_and_has_one_ending() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&called(INBOUND, "4s"));
    run.wait_until_started();
    let number = Campaign::number(0);
    let mut caller = stage.caller("caller_waits_for_bye.xml", NUMBER, &number).customer(&customer).start();
    caller.wait_for_message("ACK sip:", LONG);
    // That it was answered is on disk a moment later.
    std::thread::sleep(Duration::from_millis(300));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let report = stage.run_again().finish();
    // The scenario ends with our BYE.
    caller.finish(LONG);
    let calls = inbound(&stage.report_directory());
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(
        (call.get("outcome"), call.get("reason"), call.get("agent")),
        ("interrupted", "restart", "agent1")
    );
    assert_eq!(report.tasks[0].get("state"), "open");
    assert_ne!(report.tasks[0].get("next_at"), "", "they are called again");
    drop(phone);
}

#[test]
fn a_call_that_comes_while_we_are_away_is_taken_by_the_next_process() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&called(INBOUND, "8s"));
    run.wait_until_started();
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);
    // Nobody hears its first INVITE, and SIPp repeats it (RFC 3261 §17.1.1.2).
    let mut caller = stage.caller("caller.xml", NUMBER, UNKNOWN).customer(&customer).pause_ms(1_000).start();
    caller.wait_for_message("INVITE sip:", LONG);
    let mut run = stage.run_again();
    caller.finish(LONG);
    run.finish();
    let calls = inbound(&stage.report_directory());
    let outcomes: Vec<&str> = calls.iter().map(|call| call.get("outcome")).collect();
    assert_eq!(outcomes, ["talked"]);
    drop(phone);
}

#[test]
fn a_call_that_rang_when_we_died_is_a_new_one_once_its_invite_comes_again() {
    let stage = stage();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let keys = "numbers = [\"+12025550177\"]\nwait_max = \"20s\"";
    let mut run = stage.run(&called(keys, "10s"));
    run.wait_until_started();
    // The first has the agent, so that the second rings.
    let mut first = stage.caller("caller_waits_for_bye.xml", NUMBER, UNKNOWN).customer(&customer).start();
    first.wait_for_message("ACK sip:", LONG);
    let mut second = stage.other_caller("caller_rings_again.xml", NUMBER, UNKNOWN).pause_ms(6_000).start();
    second.wait_for_message("SIP/2.0 180", LONG);
    // That it came is on disk a moment later.
    std::thread::sleep(Duration::from_millis(300));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let mut run = stage.run_again();
    first.finish(LONG);
    second.finish(LONG);
    run.finish();
    let calls = inbound(&stage.report_directory());
    let mut outcomes: Vec<&str> = calls.iter().map(|call| call.get("outcome")).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["interrupted", "interrupted", "talked"]);
    drop(phone);
}
