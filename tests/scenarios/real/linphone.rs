//! linphonec as the agent's phone: a second softphone that others wrote, with the stack of Linphone.

use std::thread;
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, sound};
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};

/// It registers with digest, and customer and agent hear each other.
fn registers_and_speaks(leg: &'static str) {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(4_000).start();
    let campaign = Campaign { leg, ..Campaign::default() };
    let mut run = stage.run(&campaign);
    run.wait_until_up();
    let phone = stage.linphone(0);
    let report = run.finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert!(attempt.time("bridged_at").is_some());
    let messages = phone.messages();
    assert!(messages.contains("WWW-Authenticate: Digest realm=\"carillon\""), "it was challenged");
    // It names its device, and finds the name in what is bound.
    let bound =
        messages.lines().find(|line| line.starts_with("Contact: <sip:agent1@") && line.contains("expires="));
    assert!(bound.is_some_and(|bound| bound.contains("+sip.instance=\"<urn:uuid:")), "{bound:?}");
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 2.0, "the customer hears the agent");
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 2.0, "the agent hears the customer");
}

#[test]
fn linphone_registers_and_is_called_for_a_customer() {
    registers_and_speaks("per_call");
}

#[test]
fn linphone_stays_on_the_line_and_gets_a_customer() {
    registers_and_speaks("persistent");
}

/// Linphone holds with a re-INVITE that only sends, and comes back with another one.
#[test]
fn linphone_holds_the_customer_and_comes_back() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(9_000).start();
    let mut run = stage.run(&Campaign { time_limit: "20s", ..Campaign::default() });
    run.wait_until_up();
    let mut phone = stage.linphone(0);
    carrier.wait_for_message("ACK sip:", LONG);
    thread::sleep(Duration::from_secs(2));
    phone.types("pause");
    phone.wait_for("is now paused");
    thread::sleep(Duration::from_secs(3));
    phone.types("resume");
    let report = run.finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    // While it holds, it plays its file as music to the customer and takes nothing.
    let messages = phone.messages();
    let offers = messages.matches("a=sendonly").count();
    assert!(offers >= 1 && messages.contains("a=recvonly"), "{offers} offers to hold, and none answered so");
    assert!(
        seconds_of(&sound(&customer.packets()), AGENT_HZ) > 5.0,
        "the customer hears voice or music all the time"
    );
    let heard = seconds_of(&phone.stop(), CUSTOMER_HZ);
    assert!(
        (1.5..=6.5).contains(&heard),
        "the agent heard the customer for {heard} s, before and after, not in between"
    );
}
