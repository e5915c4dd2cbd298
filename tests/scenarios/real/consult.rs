//! An agent asks a colleague over a second line, and hands the customer over or takes it back: linphonec asks, baresip is asked.

use std::thread;
use std::time::Duration;

use super::rig::campaign::{AgentPhone, Campaign};
use super::rig::customer::{Customer, sound};
use super::rig::linphone::Linphone;
use super::rig::process::Signal;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Run, Stage};

/// Two agents, of whom the first one was free first: agent1 with linphonec and agent2 with baresip.
fn campaign(leg: &'static str) -> Campaign {
    let agents = vec![AgentPhone::Registers, AgentPhone::Registers];
    Campaign { agents, leg, talk_limit: "9s", record: true, time_limit: "40s", ..Campaign::default() }
}

/// agent1's phone, once its agent is ready.
fn asking(stage: &Stage, run: &mut Run) -> Linphone {
    run.wait_until_up();
    let phone = stage.linphone(0);
    run.wait_for_output("agent=agent1 from=Unreachable to=Ready", LONG);
    phone
}

/// Puts the customer on hold and calls agent2.
fn ask(stage: &Stage, phone: &mut Linphone) {
    thread::sleep(Duration::from_millis(1_500));
    phone.types("pause");
    phone.wait_for("is now paused");
    phone.types(&format!("call sip:{}@{}", Stage::user(1), stage.ports.listen()));
    phone.wait_for("Call 2 with");
    thread::sleep(Duration::from_millis(2_000));
}

fn hands_over(leg: &'static str) {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let mut run = stage.run(&campaign(leg));
    let mut anna = asking(&stage, &mut run);
    let bert = stage.phone(1, &[Law::Mu]);
    carrier.wait_for_message("ACK sip:", LONG);
    ask(&stage, &mut anna);
    anna.types("transfer 1 --to-call 2");
    let report = run.finish();
    carrier.finish(LONG);
    assert!(run.output().contains("agent=agent2 from=Engaged to=Talking"), "he was told to be engaged");

    let attempt = report.only_attempt();
    assert_eq!((report.count("bridged"), attempt.get("outcome")), (1, "answered"));
    assert_eq!(attempt.get("agent"), "agent2", "the call is the colleague's");
    let messages = anna.messages();
    assert!(messages.contains("Replaces="), "it names its other line");
    assert!(messages.contains("SIP/2.0 200 OK\r\n") && messages.contains("message/sipfrag"), "it is told");
    let recording = hound::WavReader::open(stage.report_directory().join(attempt.get("recording"))).unwrap();
    let recorded_ms = i64::from(recording.duration()) / 8;
    let talk_ms = attempt.number("talk_ms");
    assert!((recorded_ms - talk_ms).abs() < 1_000, "{recorded_ms} ms recorded of {talk_ms} ms");
    let heard = bert.stop();
    assert!(seconds_of(&heard, AGENT_HZ) > 1.0, "he is asked");
    assert!(seconds_of(&heard, CUSTOMER_HZ) > 2.0, "and has the customer then");
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 5.0, "the customer hears somebody, or music");
}

#[test]
fn the_colleague_who_was_asked_on_the_line_gets_the_customer() {
    hands_over("persistent");
}

#[test]
fn the_colleague_whose_phone_was_called_gets_the_customer() {
    hands_over("per_call");
}

#[test]
fn a_customer_who_was_on_hold_is_taken_back() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let mut run = stage.run(&campaign("persistent"));
    let mut anna = asking(&stage, &mut run);
    let bert = stage.phone(1, &[Law::Mu]);
    carrier.wait_for_message("ACK sip:", LONG);
    ask(&stage, &mut anna);
    anna.types("terminate 2");
    thread::sleep(Duration::from_millis(500));
    anna.types("resume 1");
    let report = run.finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    let heard = bert.stop();
    let (asked, customers) = (seconds_of(&heard, AGENT_HZ), seconds_of(&heard, CUSTOMER_HZ));
    assert!(asked > 1.0 && customers < 0.1, "heard a colleague for {asked} s, a customer for {customers} s");
}

/// `kill -9` while they talk: the next process hangs up on all of them.
fn dies(leg: &'static str) {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").start();
    let mut run = stage.run(&campaign(leg));
    let mut anna = asking(&stage, &mut run);
    let bert = stage.phone(1, &[Law::Mu]);
    carrier.wait_for_message("ACK sip:", LONG);
    ask(&stage, &mut anna);
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);
    let ended = |messages: String| messages.matches("Temporary failure").count();
    assert_eq!((ended(anna.messages()), ended(bert.output())), (0, 0));

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "interrupted");
    // With the customer and with the colleague; the log tells a message once.
    assert_eq!(ended(anna.messages()), 2, "{}", anna.messages());
    assert_eq!(ended(bert.output()), 1, "{}", bert.output());
}

#[test]
fn lines_that_were_up_when_we_died_are_hung_up() {
    dies("persistent");
}

#[test]
fn phones_that_were_called_when_we_died_are_hung_up() {
    dies("per_call");
}
