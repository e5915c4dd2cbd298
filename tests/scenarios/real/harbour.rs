//! The safe-harbour message: what a customer hears for whom no agent is free.

use std::time::UNIX_EPOCH;

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, Packet, sound};
use super::rig::tone::{Law, seconds_of, write_wav};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, MESSAGE_HZ, Stage};

/// A tenth of a second: what a tone is looked for in.
const PACKETS_OF_A_LOOK: usize = 5;

/// When the message's first whole tenth of a second began, in milliseconds since 1970.
fn message_began(call: &[Packet]) -> Option<i64> {
    let look = call.windows(PACKETS_OF_A_LOOK).find(|look| seconds_of(&sound(look), MESSAGE_HZ) > 0.0)?;
    let since = look.first()?.at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[test]
fn the_second_of_two_customers_hears_the_message_within_two_seconds_and_then_we_hang_up() {
    let stage = Stage::new();
    write_wav(&stage.directory().join("sorry.wav"), MESSAGE_HZ, 1);
    let customers = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customers).calls(2).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let campaign = Campaign {
        mode: "ratio",
        ratio: 2.0,
        abandon_limit: 1.0,
        safe_harbour: Some("sorry.wav"),
        talk_limit: "6s",
        contacts: 2,
        ..Campaign::default()
    };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);

    assert_eq!((report.count("bridged"), report.count("abandoned")), (1, 1), "{}", report.summary);
    let abandoned = report.with_outcome("abandoned");
    assert_eq!((abandoned[0].get("bridged_at"), abandoned[0].get("agent")), ("", ""));
    assert_eq!(abandoned[0].get("attribution"), "us");

    let calls = customers.calls();
    assert_eq!(calls.len(), 2);
    let (told, bridged): (Vec<_>, Vec<_>) =
        calls.iter().partition(|call| seconds_of(&sound(call), MESSAGE_HZ) > 0.5);
    assert_eq!((told.len(), bridged.len()), (1, 1), "one customer hears the message, the other the agent");
    assert!(seconds_of(&sound(bridged[0]), AGENT_HZ) > 3.0);
    assert!(seconds_of(&sound(told[0]), AGENT_HZ) < 0.1, "the agent is never heard after the message");
    let began = message_began(told[0]).unwrap() - abandoned[0].time("answered_at").unwrap();
    assert!((0..=2_000).contains(&began), "the message began {began} ms after the answer");
    let heard_s = seconds_of(&sound(told[0]), MESSAGE_HZ);
    assert!((0.8..=1.2).contains(&heard_s), "{heard_s} s of a message of one second");
    drop(phone);
}

#[test]
fn without_a_message_no_line_goes_beyond_the_agents() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").calls(3).pause_ms(700).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").calls(3).start();
    let campaign = Campaign {
        mode: "ratio",
        ratio: 3.0,
        abandon_limit: 1.0,
        contacts: 3,
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    assert_eq!((report.count("bridged"), report.count("abandoned")), (3, 0));
    let mut ended = i64::MIN;
    for attempt in &report.attempts {
        assert!(
            attempt.time("placed_at").unwrap() >= ended,
            "two lines for one agent: {:#?}",
            report.attempts
        );
        ended = attempt.time("ended_at").unwrap();
    }
}
