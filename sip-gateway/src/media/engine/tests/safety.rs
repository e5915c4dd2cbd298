//! Who is not heard, where nothing is sent, and what garbage does.

use proptest::prelude::*;

use super::*;

#[test]
fn an_injector_is_not_heard_and_gets_nothing() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    assert!(bed.agent_says(1, 160, &[1; 160]));
    let injector = SocketAddr::from(([198, 51, 100, 66], 5_000));
    for sequence in 2..200 {
        assert!(!bed.receive(AGENT, injector, datagram(0, sequence, 160, 5, &[9; 160])));
    }
    assert_eq!(bed.engine.counters().foreign, 198);
    assert!(bed.receive(CUSTOMER, customer_address(), datagram(0, 1, 1, 9, &[4; 160])));
    assert_eq!(bed.agent.last().unwrap().to, agent_address());
    assert!(bed.customer.iter().all(|sent| sent.payload == [1; 160]));
}

#[test]
fn a_phone_behind_a_nat_is_answered_where_it_sends_from() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    let nat = SocketAddr::from(([203, 0, 113, 9], 61_234));
    bed.splice(None);
    assert!(!bed.receive(AGENT, nat, datagram(0, 1, 160, 5, &[1; 160])));
    assert!(bed.receive(AGENT, nat, datagram(0, 2, 320, 5, &[1; 160])));
    bed.pass(40);
    assert_eq!(bed.agent.last().unwrap().to, nat);
}

#[test]
fn our_own_addresses_are_nobodys() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    for own in [local(20_000), local(20_001), local(20_003), local(5_060)] {
        bed.remote(CUSTOMER, remote(own, Codec::Pcmu, None));
        assert!(!bed.agent_says(1, 160, &[1; 160]));
    }
    for nobody in ["0.0.0.0:4000", "192.0.2.1:0", "224.0.0.5:4000", "[::]:4000"] {
        bed.remote(CUSTOMER, remote(nobody.parse().unwrap(), Codec::Pcmu, None));
        assert!(!bed.agent_says(1, 160, &[1; 160]), "{nobody}");
    }
    assert_eq!(bed.engine.counters().refused_remotes, 8);
    // Nor does a source on one of them win the lock.
    bed.remote(CUSTOMER, remote(customer_address(), Codec::Pcmu, None));
    for sequence in 1..5 {
        assert!(!bed.receive(CUSTOMER, local(20_002), datagram(0, sequence, 160, 5, &[1; 160])));
    }
    // An address that becomes ours later is dropped as a remote.
    let later = local(30_000);
    bed.remote(CUSTOMER, remote(later, Codec::Pcmu, None));
    assert!(bed.agent_says(2, 320, &[1; 160]));
    let origin = Origin { ssrc: 1, sequence: 1, timestamp: 1 };
    bed.command(MediaCommand::Open { stream: StreamId(3), local: later, origin });
    assert!(!bed.agent_says(3, 480, &[1; 160]));
}

proptest! {
    /// RFC 3550 appendix A.1: what is no RTP of the peer's goes nowhere, and nothing makes the engine stumble.
    #[test]
    fn garbage_is_never_forwarded(
        garbage in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()), 1..60)
    ) {
        let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcma);
        bed.splice(None);
        bed.agent_says(1, 160, &[1; 160]);
        let before = bed.customer.len();
        for (octets, rtcp) in garbage {
            let port = if rtcp { Port::Rtcp } else { Port::Rtp };
            let mut octets = octets;
            let forwarded = bed.engine.packet(Slot(1), port, agent_address(), &mut octets, bed.now);
            prop_assert_eq!(forwarded, None);
            bed.pass(5);
        }
        prop_assert_eq!(bed.customer.len(), before);
    }

    /// Packets that look good but come with any numbers from the locked source keep the receiver's stream sane.
    #[test]
    fn wild_numbers_never_leave_the_stream(
        wild in proptest::collection::vec((any::<u16>(), any::<u32>(), 0u32..4, 0usize..400, 0u8..128), 1..200)
    ) {
        let mut bed = Bed::with_legs(Codec::Pcma, Codec::Pcmu);
        bed.splice(Some("call.wav".into()));
        for (sequence, timestamp, ssrc, length, payload_type) in wild {
            let octets = datagram(payload_type, sequence, timestamp, ssrc, &vec![7; length]);
            bed.receive(AGENT, agent_address(), octets);
            bed.pass(5);
        }
        bed.unsplice();
        for sent in &bed.customer {
            prop_assert_eq!(sent.header.ssrc, 0xC);
            prop_assert!([8, 96].contains(&sent.header.payload_type));
        }
    }
}
