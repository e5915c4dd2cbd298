//! rsipstack at both ends: carrier, phone and caller on a SIP stack in Rust that others wrote.

use super::rig::campaign::Campaign;
use super::rig::report::inbound;
use super::rig::rsipstack::{self, Peer, Transport};

/// Packets of 20 ms that a second of speech has, with a third of them lost to the edges of a call.
const SECOND: u32 = 33;

/// Customers answer, hear their agent and are heard, and hang up.
fn three_calls(over: Transport) {
    let stage = rsipstack::stage();
    let carrier = Peer::carrier(&stage, over, 2_000);
    let campaign = Campaign {
        tcp: over == Transport::Tcp,
        contacts: 3,
        max_calls: 1,
        leg: "per_call",
        time_limit: "25s",
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    run.wait_until_up();
    let phone = Peer::phone(&stage, 0, over);
    let report = run.finish();

    assert_eq!(report.attempts.len(), 3);
    for attempt in &report.attempts {
        assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"), "{attempt:?}");
    }
    for (who, peer) in [("carrier", &carrier), ("phone", &phone)] {
        peer.assert_content();
        let ended = peer.ended();
        assert_eq!(ended.len(), 3, "{who}: {:?}", peer.told());
        assert!(ended.iter().all(|(_, heard)| *heard > SECOND), "{who}: {ended:?}");
    }
}

#[test]
fn a_carrier_and_a_phone_on_rsipstack_speak_through_us() {
    three_calls(Transport::Udp);
}

#[test]
fn they_do_over_tcp() {
    three_calls(Transport::Tcp);
}

/// We hang up on both: both see a BYE of ours.
#[test]
fn we_end_a_call_between_them() {
    let stage = rsipstack::stage();
    let carrier = Peer::carrier(&stage, Transport::Udp, 0);
    let campaign = Campaign { talk_limit: "2s", time_limit: "15s", ..Campaign::default() };
    let mut run = stage.run(&campaign);
    run.wait_until_up();
    let phone = Peer::phone(&stage, 0, Transport::Udp);
    let report = run.finish();
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    for peer in [&carrier, &phone] {
        peer.assert_content();
        let ended = peer.ended();
        let [(reason, heard)] = ended.as_slice() else { panic!("{:?}", peer.told()) };
        assert_eq!(reason, "UacBye");
        assert!(*heard > SECOND, "{heard} packets");
    }
}

/// A caller that offers reliable provisional responses gets the agent.
#[test]
fn a_caller_on_rsipstack_is_joined_with_the_agent() {
    const NUMBER: &str = "+12025550177";
    let stage = rsipstack::stage();
    let campaign = Campaign {
        mode: "manual",
        time_limit: "8s",
        inbound: "numbers = [\"(202) 555-0177\"]\nwait_max = \"3s\"",
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    run.wait_until_up();
    let phone = Peer::phone(&stage, 0, Transport::Udp);
    run.wait_until_started();
    let mut caller = Peer::caller(&stage, NUMBER, &Campaign::number(0), 2_000);
    caller.finish();
    run.finish();
    let calls = inbound(&stage.report_directory());
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.get("outcome"), call.get("agent")), ("talked", "agent1"));
    for peer in [&caller, &phone] {
        peer.assert_content();
        assert!(peer.ended()[0].1 > SECOND, "{:?}", peer.told());
    }
}
