//! Carillon on one host and everybody else on another, with a line between them that loses, delays and reorders packets.

use std::time::Duration;

use super::rig::campaign::{AgentPhone, Campaign};
use super::rig::network::Line;
use super::rig::rsipstack::{Peer, Transport, stage_behind};

/// A bad line: each tenth packet is lost, each takes 20 to 60 ms.
const BAD: Line =
    Line { loss: 0.1, delay: Duration::from_millis(20), jitter: Duration::from_millis(40), seed: 1 };
/// How long customers talk.
const TALK_MS: u64 = 2_000;
/// Of the hundred packets of a talk twice a tenth is lost: four deviations below what is left, and some for the edges.
const HEARD_MIN: u32 = 55;

/// Every message may be lost, come late or twice; no call is lost or stuck for that, and both ends see each one whole.
fn calls_come_through(over: Transport) {
    const CALLS: usize = 12;
    const AGENTS: u16 = 3;
    let stage = stage_behind(BAD);
    let carrier = Peer::carrier(&stage, over, TALK_MS);
    let campaign = Campaign {
        contacts: CALLS as u32,
        max_calls: 3,
        tcp: over == Transport::Tcp,
        ring_timeout: "20s",
        wait_for: "20s",
        time_limit: "40s",
        agents: vec![AgentPhone::Registers; AGENTS.into()],
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    run.wait_until_up();
    let phones: Vec<Peer> = (0..AGENTS).map(|index| Peer::phone(&stage, index, over)).collect();
    let report = run.finish();

    let line = stage.line();
    assert!(line.passed > 1_000 && line.lost > 100 && line.overtaken > 100, "the line was good: {line:?}");
    let outcomes: Vec<&str> = report.attempts.iter().map(|attempt| attempt.get("outcome")).collect();
    assert_eq!(outcomes, [&["answered"; CALLS][..]].concat(), "one attempt each");
    assert!(report.attempts.iter().all(|attempt| attempt.time("bridged_at").is_some()));
    carrier.assert_content();
    let talks = carrier.ended();
    assert_eq!(talks.len(), CALLS, "{talks:?}");
    assert!(talks.iter().all(|(_, heard)| *heard > HEARD_MIN), "{talks:?}");
    // Agents stay on the line: one call each, with all the customers that they had.
    let lines: Vec<(String, u32)> = phones.iter().flat_map(Peer::ended).collect();
    assert_eq!(lines.len(), usize::from(AGENTS), "{lines:?}");
    let heard: u32 = lines.iter().map(|(_, heard)| heard).sum();
    assert!(heard > HEARD_MIN * CALLS as u32, "{lines:?}");
}

#[test]
fn calls_come_through_over_udp() {
    calls_come_through(Transport::Udp);
}

#[test]
fn calls_come_through_over_tcp() {
    calls_come_through(Transport::Tcp);
}
