//! Kamailio between us and the carrier: what is sent within a call goes along the route that its answer recorded (RFC 3261
//! §12.1.2, §16.12).

use super::rig::campaign::Campaign;
use super::rig::kamailio::Kamailio;
use super::rig::{LONG, Stage};

/// A campaign whose trunk is the proxy.
fn through(stage: &Stage, tcp: bool) -> (Kamailio, Campaign) {
    let at = stage.ports.other_carrier();
    let proxy = Kamailio::start(stage, at, stage.ports.carrier());
    (proxy, Campaign { carrier: Some(at), tcp, ..Campaign::with_sipp_agent() })
}

#[test]
fn a_call_through_a_proxy_ends_along_its_route_whoever_ends_it() {
    for (scenario, talk_limit) in [("carrier_proxied.xml", "20s"), ("carrier_proxied_wait.xml", "1500ms")] {
        let stage = Stage::new();
        let (proxy, campaign) = through(&stage, false);
        let mut carrier = stage.carrier(scenario).pause_ms(1_000).start();
        let mut phone = stage.sipp_phone("agent_answer.xml").start();
        let report = stage.run(&Campaign { talk_limit, ..campaign }).finish();
        carrier.finish(LONG);
        phone.finish(LONG);
        assert_eq!(report.only_attempt().get("outcome"), "answered");
        assert_eq!((report.count("placed"), report.count("bridged")), (1, 1));
        let passed = ["INVITE", "ACK", "BYE"].map(|method| proxy.passed(method));
        assert_eq!(passed, [1, 1, 1], "{scenario}:\n{}", proxy.output());
    }
}

#[test]
fn a_proxy_that_changes_the_transport_has_two_places_in_the_route() {
    let stage = Stage::new();
    let (proxy, campaign) = through(&stage, true);
    let mut carrier = stage.carrier("carrier_proxied_wait.xml").start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign { talk_limit: "1500ms", ..campaign }).finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    let messages = carrier.messages();
    let recorded = messages.split("\r\n\r\n").find(|text| text.contains("INVITE sip:")).unwrap_or_default();
    assert_eq!(recorded.matches("r2=on").count(), 2, "over TCP and over UDP:\n{messages}");
    assert_eq!(["INVITE", "ACK", "BYE"].map(|method| proxy.passed(method)), [1, 1, 1], "{}", proxy.output());
}

#[test]
fn a_call_that_nobody_answers_is_cancelled_through_the_proxy() {
    let stage = Stage::new();
    let (proxy, campaign) = through(&stage, false);
    let mut carrier = stage.carrier("carrier_no_answer.xml").start();
    let report = stage.run(&Campaign { ring_timeout: "2s", ..campaign }).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "no_answer");
    assert_eq!(proxy.passed("CANCEL"), 1, "{}", proxy.output());
}
