//! RTCP, and peers that fall silent.

use super::*;

#[test]
fn a_silent_peer_is_lost_once_but_not_on_hold_nor_while_it_reports() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.remote(AGENT, Remote { receive: false, ..remote(agent_address(), Codec::Pcmu, None) });
    bed.pass(59_000);
    assert_eq!(bed.events(), []);
    bed.pass(2_000);
    assert_eq!(bed.events(), [MediaEvent::Lost { stream: CUSTOMER }]);
    bed.pass(200_000);
    assert_eq!(bed.events().len(), 1);
    // Off hold, as after every negotiation, the time starts anew.
    bed.remote(AGENT, remote(agent_address(), Codec::Pcmu, None));
    bed.pass(59_000);
    assert_eq!(bed.events().len(), 1);
    // Comfort noise and reports are signs of life.
    bed.receive(AGENT, agent_address(), datagram(13, 1, 1, 5, &[40]));
    bed.pass(59_000);
    let mut report = [0x80, 201, 0, 1, 0, 0, 0, 5];
    let from = SocketAddr::from(([192, 0, 2, 2], 5_001));
    assert_eq!(bed.engine.packet(Slot(1), Port::Rtcp, from, &mut report, bed.now), None);
    bed.pass(59_000);
    assert_eq!(bed.events().len(), 1);
    bed.pass(2_000);
    assert_eq!(bed.events().last(), Some(&MediaEvent::Lost { stream: AGENT }));
}

#[test]
fn reports_come_about_every_five_seconds_with_true_figures() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    for sequence in 0..3_000u16 {
        // Every tenth packet is lost.
        if sequence % 10 != 5 {
            bed.agent_says(65_000u16.wrapping_add(sequence), 160 * u32::from(sequence), &[1; 160]);
        }
        bed.pass(20);
    }
    let to_agent: Vec<_> = bed.reports.iter().filter(|(slot, ..)| *slot == Slot(1)).collect();
    assert!((8..=24).contains(&to_agent.len()), "{} reports in 60 s", to_agent.len());
    let (_, to, report) = to_agent.last().unwrap();
    assert_eq!(*to, SocketAddr::from(([192, 0, 2, 2], 5_001)));
    assert!(rtcp::parse(report).is_some_and(|incoming| incoming.ntp_middle.is_some() && !incoming.goodbye));
    let word = |index: usize| u32::from_be_bytes(report[4 * index..4 * index + 4].try_into().unwrap());
    assert_eq!(report[..2], [0x81, 200]);
    assert_eq!(word(1), 0xA);
    // Packets and octets we sent: silence all the while, since the customer said nothing.
    let at_report = word(5);
    assert_eq!(word(6), at_report * 160);
    assert!(at_report as usize <= bed.agent.len() && at_report > 2_000);
    // About the agent: SSRC 5, a tenth lost, cycles counted over the wrap, steady arrival.
    assert_eq!(word(7), 5);
    let fraction = word(8) >> 24;
    assert!((23..=28).contains(&fraction), "{fraction} of 256 lost");
    assert!(word(9) >> 16 == 1, "one wrap of the sequence number");
    assert!(word(10) <= 2, "jitter {}", word(10));
    assert_eq!(report[52..54], [0x81, 202]);
    assert_eq!(report[60..62], [1, 16]);
}

#[test]
fn reports_follow_the_peers_rtcp_port_and_its_bye_ends_nothing() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    let mut report = vec![0x80, 200, 0, 6];
    report.extend(5u32.to_be_bytes());
    report.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    report.extend([0; 12]);
    report.extend([0x81, 203, 0, 1, 0, 0, 0, 5]);
    let from = SocketAddr::from(([192, 0, 2, 2], 7_777));
    let stranger = SocketAddr::from(([198, 51, 100, 66], 7_777));
    for from in [from, stranger] {
        bed.engine.packet(Slot(1), Port::Rtcp, from, &mut report.clone(), bed.now);
    }
    assert!(bed.agent_says(1, 160, &[1; 160]));
    bed.pass(8_000);
    let (_, to, written) = bed.reports.iter().find(|(slot, ..)| *slot == Slot(1)).unwrap();
    assert_eq!(*to, from);
    // The report block names the middle of the peer's NTP time.
    assert_eq!(written[44..48], [3, 4, 5, 6]);
    assert_eq!(bed.engine.counters().foreign, 1);
    assert!(bed.agent_says(2, 320, &[1; 160]));
}

#[test]
fn early_media_without_sound_does_not_shorten_the_wait_after_the_answer() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.remote(AGENT, Remote { receive: false, ..remote(agent_address(), Codec::Pcmu, None) });
    bed.pass(45_000);
    bed.remote(CUSTOMER, remote(customer_address(), Codec::Pcmu, None));
    bed.pass(59_000);
    assert_eq!(bed.events(), []);
    bed.pass(2_000);
    assert_eq!(bed.events(), [MediaEvent::Lost { stream: CUSTOMER }]);
}

// RFC 3264 §8.4: who holds need not send, however long it takes.
#[test]
fn who_holds_is_not_lost() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    bed.remote(AGENT, Remote { send: false, ..remote(agent_address(), Codec::Pcmu, None) });
    bed.remote(CUSTOMER, Remote { receive: false, ..remote(customer_address(), Codec::Pcmu, None) });
    bed.pass(600_000);
    assert_eq!(bed.events(), []);
    bed.remote(AGENT, remote(agent_address(), Codec::Pcmu, None));
    bed.pass(59_000);
    assert_eq!(bed.events(), []);
    bed.pass(2_000);
    assert_eq!(bed.events(), [MediaEvent::Lost { stream: AGENT }]);
}
