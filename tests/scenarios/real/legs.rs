//! Agent legs that are called when a customer has answered, and calls that our side ends.

use std::thread;
use std::time::Duration;

use super::rig::campaign::{AgentPhone, Campaign};
use super::rig::customer::{Customer, sound};
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};

#[test]
fn a_softphone_is_called_when_the_customer_has_answered() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(3_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign { leg: "per_call", ..Campaign::default() }).finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert!(attempt.time("bridged_at").is_some());
    assert_eq!(phone.output().matches("INVITE sip:").count(), 1, "one call to the phone");
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.5);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.5);
}

#[test]
fn a_phone_at_a_fixed_address_is_called_and_hung_up() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(1_000).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    carrier.finish(LONG);
    phone.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert!(attempt.time("bridged_at").is_some());
}

#[test]
fn the_talk_limit_hangs_up_on_the_carrier() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign { talk_limit: "1500ms", ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    phone.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!(attempt.get("outcome"), "answered");
    assert!((1_300..=2_200).contains(&attempt.number("talk_ms")), "{attempt:?}");
}

#[test]
fn one_persistent_leg_serves_one_customer_after_the_other() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier =
        stage.carrier("carrier_answer_media.xml").customer(&customer).calls(3).pause_ms(1_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign { contacts: 3, ..Campaign::default() }).finish();
    carrier.finish(LONG);

    assert_eq!(report.with_outcome("answered").len(), 3);
    assert_eq!(report.count("bridged"), 3);
    assert_eq!(phone.output().matches("call: answering call").count(), 1, "the leg stays up between calls");
    for call in customer.calls() {
        assert!(seconds_of(&sound(&call), AGENT_HZ) > 0.5, "every customer hears the agent");
    }
    assert_eq!(customer.calls().len(), 3);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.8);
}

#[test]
fn an_agent_hands_the_customer_over_to_a_colleague() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let phones = [stage.phone(0, &[Law::Mu]), stage.phone(1, &[Law::Mu])];
    let agents = vec![AgentPhone::Registers, AgentPhone::Registers];
    let mut run = stage.run(&Campaign { agents, talk_limit: "6s", record: true, ..Campaign::default() });
    carrier.wait_for_message("ACK sip:", LONG);
    thread::sleep(Duration::from_millis(2_000));
    // Either of them may have been free the longest.
    let output = run.output();
    let talking = output.lines().find(|line| line.contains("to=Talking")).expect("somebody has the customer");
    let from = u16::from(talking.contains("agent=agent2"));
    let to = format!("sip:{}@{}", Stage::user(1 - from), stage.ports.listen());
    phones[usize::from(from)].types(&format!("/transfer {to}"));
    let report = run.finish();
    carrier.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!((report.count("bridged"), attempt.get("outcome")), (1, "answered"));
    assert_eq!(attempt.get("agent"), Stage::user(1 - from), "the call is the colleague's");
    assert_eq!(report.tasks[0].get("last_disposition"), "success");
    let recording = hound::WavReader::open(stage.report_directory().join(attempt.get("recording"))).unwrap();
    let recorded_ms = i64::from(recording.duration()) / 8;
    let talk_ms = attempt.number("talk_ms");
    assert!((recorded_ms - talk_ms).abs() < 1_000, "{recorded_ms} ms recorded of {talk_ms} ms");
    let heard = phones.map(|phone| seconds_of(&phone.stop(), CUSTOMER_HZ));
    assert!(heard.iter().all(|seconds| (1.0..=4.8).contains(seconds)), "heard the customer for {heard:?} s");
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 4.5, "somebody speaks all the time");
}
