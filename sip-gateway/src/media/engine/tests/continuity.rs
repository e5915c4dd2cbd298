//! What each receiver hears through splices, losses, changes of law and telephone events.

use super::*;

#[test]
fn each_side_hears_one_stream_through_silence_agent_and_silence() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.command(MediaCommand::Silence { stream: CUSTOMER, on: true });
    bed.agent_says(899, 0, &[1; 160]);
    bed.pass(100);
    bed.splice(None);
    let silent = bed.customer.len();
    for index in 0..20u16 {
        bed.pass(20);
        assert!(bed.agent_says(900 + index, 160 * u32::from(index) + 7_000, &[3; 160]));
        let from_customer = datagram(0, index.wrapping_sub(9), 11 + 160 * u32::from(index), 9, &[4; 160]);
        assert!(bed.receive(CUSTOMER, customer_address(), from_customer));
    }
    bed.unsplice();
    bed.pass(100);
    assert_continuous(&bed.customer);
    assert_continuous(&bed.agent);
    for sent in [&bed.customer, &bed.agent] {
        // A marker where silence began, where the other side's audio began, and where silence came back. The
        // tick before the first packet of the splice still sent silence.
        assert_eq!(markers(sent), [0, silent + 1, silent + 21]);
        assert_eq!(sent[silent].payload, [0xFF; 160]);
        assert_eq!(sent[silent + 21].payload, [0xFF; 160]);
        assert!(sent.len() >= silent + 24);
    }
    assert!(bed.customer[silent + 1..silent + 21].iter().all(|sent| sent.payload == [3; 160]));
    assert!(bed.agent[silent + 1..silent + 21].iter().all(|sent| sent.payload == [4; 160]));
}

#[test]
fn the_first_agent_packet_is_measured_from_the_answer() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.agent_says(1, 0, &[1; 160]);
    let answered_at = bed.now;
    bed.pass(3);
    let (customer, agent) = (CUSTOMER, AGENT);
    bed.command(MediaCommand::Splice { call: CALL, customer, agent, answered_at, record: None });
    bed.pass(14);
    assert!(bed.agent_says(2, 160, &[1; 160]));
    bed.pass(20);
    assert!(bed.agent_says(3, 320, &[1; 160]));
    let after_answer = Duration::from_millis(17);
    assert_eq!(bed.events(), [MediaEvent::AgentHeard { call: CALL, after_answer }]);
}

#[test]
fn lost_and_late_packets_stay_lost_and_late() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    for sequence in [10, 11, 13, 12, 16] {
        bed.agent_says(sequence, 160 * u32::from(sequence), &[1; 160]);
    }
    let first = bed.customer[0].header;
    let shifts: Vec<_> = bed
        .customer
        .iter()
        .map(|sent| {
            (
                sent.header.sequence.wrapping_sub(first.sequence),
                sent.header.timestamp.wrapping_sub(first.timestamp),
            )
        })
        .collect();
    assert_eq!(shifts, [(0, 0), (1, 160), (3, 480), (2, 320), (6, 960)]);
    // What belongs before the splice would take numbers that silence has used.
    bed.unsplice();
    bed.splice(None);
    assert!(bed.agent_says(17, 160 * 17, &[1; 160]));
    assert!(!bed.agent_says(15, 160 * 15, &[1; 160]));
}

#[test]
fn a_new_source_behind_the_same_address_continues_the_stream() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    for sequence in 0..3u16 {
        bed.agent_says(sequence, 160 * u32::from(sequence), &[1; 160]);
        bed.pass(20);
    }
    for sequence in 40_000..40_003u16 {
        let other = datagram(0, sequence, 99_999 + 160 * u32::from(sequence), 6, &[2; 160]);
        bed.receive(AGENT, agent_address(), other);
        bed.pass(20);
    }
    assert_eq!(bed.customer.len(), 5);
    let headers: Vec<_> = bed.customer.iter().map(|sent| sent.header).collect();
    assert!(headers.iter().all(|header| header.ssrc == 0xC));
    assert!(headers.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
    assert_eq!(markers(&bed.customer), [0, 3]);
    assert_eq!(bed.engine.counters().unproven, 1);
}

#[test]
fn a_clock_that_jumps_is_brought_back() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    bed.agent_says(1, 1_000, &[1; 160]);
    bed.pass(20);
    bed.agent_says(2, 2_000_000_000, &[1; 160]);
    bed.pass(20);
    bed.agent_says(3, 2_000_000_160, &[1; 160]);
    assert_continuous(&bed.customer);
    assert_eq!(markers(&bed.customer), [0, 1]);
}

#[test]
fn until_somebody_speaks_a_splice_only_keeps_the_path_open() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.command(MediaCommand::Silence { stream: CUSTOMER, on: true });
    bed.splice(None);
    bed.pass(4_000);
    for heard in [&bed.customer, &bed.agent] {
        assert!((4..=5).contains(&heard.len()), "{} frames in four seconds", heard.len());
        let passed = heard[3].header.timestamp.wrapping_sub(heard[0].header.timestamp);
        assert!((23_040..=24_960).contains(&passed), "{passed} samples in three seconds");
    }
    let before = bed.agent.len();
    assert!(bed.agent_says(1, 160, &[1; 160]));
    bed.pass(1_000);
    let filled = bed.agent.len() - before;
    assert!((49..=51).contains(&filled), "the customer is silent, and the agent hears {filled} frames of it");
    assert!((30..=32).contains(&bed.customer.len()), "a pause is filled: {}", bed.customer.len());
}

#[test]
fn when_the_other_side_is_muted_silence_fills_in_and_the_stream_goes_on() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    let talk = |bed: &mut Bed, sequence: u16, timestamp| {
        bed.receive(CUSTOMER, customer_address(), datagram(0, sequence, timestamp, 9, &[4; 160]))
    };
    assert!(talk(&mut bed, 1, 160));
    bed.pass(2_000);
    let filled = bed.agent.len() - 1;
    assert!((75..=76).contains(&filled), "{filled} frames of silence in 1.5 s");
    assert!(talk(&mut bed, 2, 320));
    let last = bed.agent.last().unwrap().header;
    assert!(last.marker);
    let first = bed.agent[0].header;
    let passed = last.timestamp.wrapping_sub(first.timestamp);
    assert!((15_800..=16_320).contains(&passed), "{passed} samples in 2 s");
    let numbers: Vec<_> = bed.agent.iter().map(|sent| sent.header.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
}

#[test]
fn a_tone_survives_the_change_of_law() {
    let mut bed = Bed::with_legs(Codec::Pcma, Codec::Pcmu);
    bed.splice(None);
    let samples = tone::sine(1_000.0, 8_000, 8_000.0, 160 * 25);
    for (index, frame) in samples.chunks(160).enumerate() {
        let octets: Vec<_> = frame.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect();
        bed.agent_says(index as u16, 160 * index as u32, &octets);
        bed.pass(20);
    }
    assert!(bed.customer.iter().all(|sent| sent.header.payload_type == 8));
    let heard = bed.customer.iter().flat_map(|sent| &sent.payload);
    let heard: Vec<_> = heard.map(|octet| g711::decode(Codec::Pcma, *octet)).collect();
    assert_eq!(heard.len(), samples.len());
    // Both laws round the few values that 1000 Hz takes at 8 kHz by up to three percent each.
    let loudness = tone::amplitude(&heard, 1_000.0, 8_000);
    assert!((loudness - 8_000.0).abs() < 400.0, "{loudness}");
    for other in [440.0, 1_400.0, 2_000.0, 3_000.0] {
        assert!(tone::amplitude(&heard, other, 8_000) < 100.0, "{other} Hz");
    }
    // Read with the wrong law it would be no clean tone: the test can tell.
    let wrong = bed.customer.iter().flat_map(|sent| &sent.payload);
    let wrong: Vec<_> = wrong.map(|octet| g711::decode(Codec::Pcmu, *octet)).collect();
    assert!((tone::amplitude(&wrong, 1_000.0, 8_000) - 8_000.0).abs() > 1_000.0);
}

#[test]
fn telephone_events_get_the_receivers_payload_type_and_keep_their_start() {
    let mut bed = Bed::with_legs(Codec::Pcma, Codec::Pcmu);
    bed.splice(None);
    bed.agent_says(1, 160, &[1; 160]);
    let start = bed.customer[0].header;
    for (index, end) in [(0u16, false), (1, false), (2, true), (3, true), (4, true)] {
        let event = TelephoneEvent { event: 7, end, volume: 10, duration: 160 * (index + 1).min(3) };
        let mut octets = datagram(101, 2 + index, 320, 5, &event.encode());
        octets[1] |= if index == 0 { 0x80 } else { 0 };
        assert!(bed.receive(AGENT, agent_address(), octets));
        let sent = bed.customer.last().unwrap();
        assert_eq!(sent.header.payload_type, 96);
        assert_eq!(sent.header.marker, index == 0);
        assert_eq!(sent.header.timestamp, start.timestamp.wrapping_add(160));
        assert_eq!(sent.header.sequence, start.sequence.wrapping_add(index + 1));
        assert_eq!(TelephoneEvent::parse(&sent.payload), Ok(event));
    }
    bed.agent_says(7, 320 + 480, &[1; 160]);
    assert_eq!(bed.customer.last().unwrap().header.timestamp, start.timestamp.wrapping_add(640));
    // A payload too short for an event goes nowhere.
    assert!(!bed.receive(AGENT, agent_address(), datagram(101, 8, 960, 5, &[7, 0])));
    // A customer that takes no events gets none.
    bed.remote(CUSTOMER, remote(customer_address(), Codec::Pcma, None));
    let event = TelephoneEvent { event: 7, end: false, volume: 10, duration: 160 };
    assert!(!bed.receive(AGENT, agent_address(), datagram(101, 9, 960, 5, &event.encode())));
}

#[test]
fn comfort_noise_and_unknown_payload_types_are_dropped() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    bed.agent_says(1, 160, &[1; 160]);
    for payload_type in [13, 3, 18, 72, 97, 127] {
        assert!(!bed.receive(AGENT, agent_address(), datagram(payload_type, 2, 320, 5, &[0; 20])));
    }
    assert_eq!(bed.engine.counters().payload_type, 6);
    assert!(!bed.agent_says(2, 320, &[]));
}
