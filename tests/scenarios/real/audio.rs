//! What each side hears: known tones, found by frequency at the other end.

use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, assert_one_stream, sound};
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};

#[test]
fn customer_and_agent_hear_each_other_over_a_persistent_leg() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(3_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign::default()).finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!(attempt.get("outcome"), "answered");
    assert_eq!(attempt.get("agent"), "agent1");
    assert_eq!(attempt.get("sip_status"), "200");
    let bridged_after = attempt.time("bridged_at").unwrap() - attempt.time("answered_at").unwrap();
    assert!((0..=2_000).contains(&bridged_after), "bridged {bridged_after} ms after the answer");
    assert!((2_500..=3_600).contains(&attempt.number("talk_ms")), "{attempt:?}");
    assert_eq!((report.count("placed"), report.count("answered"), report.count("bridged")), (1, 1, 1));
    assert_eq!(report.tasks[0].get("closed_reason"), "success");
    assert_eq!(report.tasks[0].get("last_disposition"), "success");

    let packets = customer.packets();
    assert_one_stream(&packets);
    assert!(packets.iter().all(|packet| packet.payload_type == 0));
    let heard = sound(&packets);
    assert!(
        seconds_of(&heard, AGENT_HZ) > 2.0,
        "the customer heard {} s of the agent",
        seconds_of(&heard, AGENT_HZ)
    );
    assert!(seconds_of(&heard, CUSTOMER_HZ) < 0.1, "the customer heard an echo");
    let heard = phone.stop();
    assert!(seconds_of(&heard, CUSTOMER_HZ) > 2.0, "the agent heard {} s", seconds_of(&heard, CUSTOMER_HZ));
    assert!(seconds_of(&heard, AGENT_HZ) < 0.1, "the agent heard an echo");
}

#[test]
fn an_a_law_customer_and_a_mu_law_agent_are_converted_and_recorded() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::A, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(3_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let campaign = Campaign { record: true, codecs: &["PCMA"], ..Campaign::default() };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!(attempt.get("outcome"), "answered");
    let packets = customer.packets();
    assert_one_stream(&packets);
    assert!(packets.iter().all(|packet| packet.payload_type == 8), "the customer speaks A-law only");
    assert!(seconds_of(&sound(&packets), AGENT_HZ) > 2.0);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 2.0);

    let path = stage.report_directory().join(attempt.get("recording"));
    let mut recording =
        hound::WavReader::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!((recording.spec().channels, recording.spec().sample_rate), (2, 8_000));
    let samples: Vec<i16> = recording.samples().map(|sample| sample.unwrap()).collect();
    let channel = |offset: usize| samples.iter().skip(offset).step_by(2).copied().collect::<Vec<i16>>();
    let (agent, customer) = (channel(0), channel(1));
    assert!(seconds_of(&agent, AGENT_HZ) > 2.0, "left is the agent");
    assert!(seconds_of(&customer, CUSTOMER_HZ) > 2.0, "right is the customer");
    assert!(seconds_of(&agent, CUSTOMER_HZ) < 0.1 && seconds_of(&customer, AGENT_HZ) < 0.1);
    let length_ms = i64::try_from(agent.len() / 8).unwrap();
    let talk_ms = attempt.number("talk_ms");
    assert!((length_ms - talk_ms).abs() < 1_000, "{length_ms} ms recorded of {talk_ms} ms");
}

#[test]
fn early_media_is_no_answer_and_never_reaches_the_agent() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_early_media.xml").customer(&customer).pause_ms(2_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&Campaign::default());
    customer.speak_to(carrier.offered_media(LONG));
    let report = run.finish();
    carrier.finish(Duration::from_secs(5));

    let attempt = report.only_attempt();
    assert_eq!(attempt.get("outcome"), "answered");
    let early = attempt.time("answered_at").unwrap() - attempt.time("ringing_at").unwrap();
    assert!(early >= 700, "183 came {early} ms before 200");
    let talk_s = std::time::Duration::from_millis(attempt.number("talk_ms").unsigned_abs()).as_secs_f64();
    let heard_s = seconds_of(&phone.stop(), CUSTOMER_HZ);
    assert!((1.3..=talk_s + 0.3).contains(&heard_s), "the agent heard {heard_s} s in {talk_s} s of talk");
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.3);
}
