//! SIP over TCP with parts that others wrote: SIPp as carrier, baresip as phone.

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, sound};
use super::rig::report::Report;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};

#[test]
fn carrier_and_phone_over_tcp_hear_each_other() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage
        .carrier("carrier_answer_media.xml")
        .customer(&customer)
        .calls(3)
        .pause_ms(1_000)
        .over_tcp()
        .start();
    let mut run = stage.run(&Campaign { tcp: true, contacts: 3, ..Campaign::default() });
    run.wait_until_up();
    let phone = stage.phone_over_tcp(0, &[Law::Mu]);
    let report = run.finish();
    carrier.finish(LONG);

    assert_eq!(report.with_outcome("answered").len(), 3);
    assert_eq!(report.count("bridged"), 3);
    assert!(carrier.messages().contains("SIP/2.0/TCP"));
    assert!(phone.output().contains("transport=tcp"));
    for call in customer.calls() {
        assert!(seconds_of(&sound(&call), AGENT_HZ) > 0.5, "every customer hears the agent");
    }
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.8);
}

#[test]
fn a_phone_over_tcp_takes_calls_of_a_carrier_over_udp() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(2_000).start();
    let mut run = stage.run(&Campaign { leg: "per_call", ..Campaign::default() });
    run.wait_until_up();
    let phone = stage.phone_over_tcp(0, &[Law::Mu]);
    let report = run.finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.0);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.0);
}

#[test]
fn a_carrier_that_does_not_listen_on_tcp_ends_the_run_as_a_dead_trunk() {
    let stage = Stage::new();
    let _phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&Campaign { tcp: true, contacts: 6, ..Campaign::default() });
    assert_eq!(run.exit_status(), 3, "{}", run.output());
    let report = Report::read(&stage.report_directory());
    assert!(report.with_outcome("answered").is_empty());
    assert!(report.with_outcome("failed").len() >= 5);
}
