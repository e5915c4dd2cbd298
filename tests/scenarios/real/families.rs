//! IPv6 beside IPv4, with a carrier that others wrote.

use super::rig::campaign::Campaign;
use super::rig::{LONG, Stage};

fn an_ipv6_carrier_is_called(tcp: bool) {
    let stage = Stage::new();
    let plan = stage.carrier_on_ipv6("carrier_busy.xml");
    let mut carrier = if tcp { plan.over_tcp() } else { plan }.start();
    let report = stage.run(&Campaign { ipv6: true, tcp, ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "busy");
    let messages = carrier.messages();
    let via = if tcp { "Via: SIP/2.0/TCP [::1]:" } else { "Via: SIP/2.0/UDP [::1]:" };
    assert!(messages.contains(via) && messages.contains("Contact: <sip:+15550000001@[::1]:"), "{messages}");
}

#[test]
fn an_ipv6_carrier_is_called_over_udp() {
    an_ipv6_carrier_is_called(false);
}

#[test]
fn an_ipv6_carrier_is_called_over_tcp() {
    an_ipv6_carrier_is_called(true);
}
