//! Prompts and recordings.

use super::*;
use crate::media::dtmf;

#[test]
fn a_prompt_is_played_once_from_start_to_end() {
    let mut bed = Bed::with_legs(Codec::Pcma, Codec::Pcmu);
    bed.command(MediaCommand::Silence { stream: CUSTOMER, on: true });
    bed.pass(100);
    let silent = bed.customer.len();
    let prompt = Arc::new(Prompt::from_pcm16(&[8_000; 1_700], 8_000).unwrap());
    bed.command(MediaCommand::Play { call: CALL, stream: CUSTOMER, prompt });
    bed.pass(200);
    assert_eq!(bed.events(), [MediaEvent::PromptStarted { call: CALL }]);
    bed.pass(100);
    let events = [MediaEvent::PromptStarted { call: CALL }, MediaEvent::PromptFinished { call: CALL }];
    assert_eq!(bed.events(), events);
    assert_continuous(&bed.customer);
    let voice = g711::encode(Codec::Pcma, 8_000);
    let played = bed.customer.iter().flat_map(|sent| &sent.payload).filter(|octet| **octet == voice).count();
    assert_eq!(played, 1_700);
    assert_eq!(markers(&bed.customer), [0, silent]);
    assert_eq!(bed.customer.last().unwrap().payload, [0xD5; 160]);
}

#[test]
fn a_prompt_to_a_peer_on_hold_ends_in_time_but_never_started() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.remote(CUSTOMER, Remote { send: false, ..remote(customer_address(), Codec::Pcmu, None) });
    let prompt = Arc::new(Prompt::from_pcm16(&[8_000; 800], 8_000).unwrap());
    bed.command(MediaCommand::Play { call: CALL, stream: CUSTOMER, prompt });
    bed.pass(200);
    assert_eq!(bed.events(), [MediaEvent::PromptFinished { call: CALL }]);
    assert!(bed.customer.is_empty());
}

#[test]
fn nothing_is_sent_to_a_peer_that_takes_nothing() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    bed.remote(AGENT, Remote { send: false, ..remote(agent_address(), Codec::Pcmu, None) });
    bed.pass(200);
    assert!(!bed.receive(CUSTOMER, customer_address(), datagram(0, 1, 1, 9, &[4; 160])));
    assert!(bed.agent.is_empty());
}

#[test]
fn both_voices_are_recorded_side_by_side() {
    let mut bed = Bed::with_legs(Codec::Pcma, Codec::Pcmu);
    bed.splice(Some("call.wav".into()));
    for index in 0..50u16 {
        let left = g711::encode(Codec::Pcmu, 4_000);
        let right = g711::encode(Codec::Pcma, -2_000);
        bed.agent_says(index, 160 * u32::from(index), &[left; 160]);
        let from_customer = datagram(8, index, 160 * u32::from(index), 9, &[right; 160]);
        bed.receive(CUSTOMER, customer_address(), from_customer);
        bed.pass(20);
    }
    bed.pass(500);
    bed.unsplice();
    let mut commands = bed.outputs.iter().filter_map(|output| match output {
        Output::Record(command) => Some(command.clone()),
        Output::Bind { .. } | Output::Unbind { .. } | Output::Event(_) => None,
    });
    assert_eq!(commands.next(), Some(RecordCommand::Open { call: CALL, path: "call.wav".into() }));
    let mut samples = Vec::new();
    let end = loop {
        match commands.next() {
            Some(RecordCommand::Samples { call: CALL, samples: more }) => samples.extend(more),
            other => break other,
        }
    };
    assert_eq!(end, Some(RecordCommand::Close { call: CALL }));
    assert_eq!(samples.len(), 2 * 12_000);
    let near = |sample: i16, expected: i16| (sample - expected).abs() <= 100;
    assert!(samples[..16_000].chunks(2).all(|pair| near(pair[0], 4_000) && near(pair[1], -2_000)));
    assert!(samples[16_000..].iter().all(|sample| *sample == 0));
}

#[test]
fn closing_a_stream_ends_its_splice_and_recording() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(Some("call.wav".into()));
    bed.pass(100);
    bed.command(MediaCommand::Close { stream: AGENT });
    assert!(bed.outputs.contains(&Output::Record(RecordCommand::Close { call: CALL })));
    assert!(!bed.receive(CUSTOMER, customer_address(), datagram(0, 1, 1, 9, &[4; 160])));
    assert_eq!(bed.engine.counters().unheard, 1);
}

#[test]
fn a_customer_who_is_handed_over_hears_the_colleague_and_the_recording_goes_on() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    let colleague = StreamId(3);
    let origin = Origin { ssrc: 0xB, sequence: 1, timestamp: 1 };
    bed.command(MediaCommand::Open { stream: colleague, local: local(20_004), origin });
    bed.remote(colleague, remote(SocketAddr::new(agent_address().ip(), 9_000), Codec::Pcmu, None));
    bed.splice(Some("call.wav".into()));
    assert!(bed.agent_says(1, 1, &[4; 160]));
    bed.pass(100);
    bed.command(MediaCommand::HandOver { call: CALL, customer: CUSTOMER, agent: colleague });
    let closed = Output::Record(RecordCommand::Close { call: CALL });
    assert!(!bed.outputs.contains(&closed), "one file for the whole call");
    assert!(!bed.agent_says(2, 161, &[4; 160]), "the first agent is not heard any more");
    let from = SocketAddr::new(agent_address().ip(), 9_000);
    assert!(bed.receive(colleague, from, datagram(0, 1, 1, 7, &[5; 160])), "the colleague is");
    let heard = |output: &Output| matches!(output, Output::Event(MediaEvent::AgentHeard { .. }));
    assert_eq!(bed.outputs.iter().filter(|output| heard(output)).count(), 1, "the answer had its agent");
    bed.command(MediaCommand::Unsplice { call: CALL, customer: CUSTOMER, agent: colleague });
    assert!(bed.outputs.contains(&closed));
    bed.command(MediaCommand::HandOver { call: CALL, customer: CUSTOMER, agent: StreamId(9) });
    assert!(!bed.receive(CUSTOMER, customer_address(), datagram(0, 1, 1, 9, &[4; 160])), "nobody is there");
}

// RFC 4733 §2.5.1: one timestamp, durations that grow, the marker first, the end three times; then the talk goes on.
#[test]
fn a_key_that_was_told_otherwise_is_sent_as_events() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    let mut sequence = 0;
    let mut talk = |bed: &mut Bed, frames: u16| {
        for _ in 0..frames {
            sequence += 1;
            bed.agent_says(sequence, 160 * u32::from(sequence), &[1; 160]);
            bed.pass(20);
        }
    };
    talk(&mut bed, 5);
    let digit = dtmf::Digit::new('9', 100).unwrap();
    bed.command(MediaCommand::Digit { stream: AGENT, digit });
    talk(&mut bed, 15);
    let keys: Vec<&Sent> = bed.customer.iter().filter(|sent| sent.header.payload_type == 96).collect();
    let said: Vec<(TelephoneEvent, bool)> =
        keys.iter().map(|sent| (TelephoneEvent::parse(&sent.payload).unwrap(), sent.header.marker)).collect();
    let event = |duration, end| TelephoneEvent { event: 9, end, volume: 10, duration };
    assert_eq!(said[0], (event(160, false), true));
    assert_eq!(said[1..4], [320, 480, 640].map(|duration| (event(duration, false), false)));
    assert_eq!(said[4..], [(event(800, true), false); 3]);
    assert!(keys.iter().all(|sent| sent.header.timestamp == keys[0].header.timestamp));
    let at = bed.customer.iter().position(|sent| sent.header.payload_type == 96).unwrap();
    assert!(bed.customer[at..at + 7].iter().all(|sent| sent.header.payload_type == 96), "nothing in between");
    let after = &bed.customer[at + 7];
    assert_eq!((after.header.payload_type, after.header.marker), (0, true), "and the voice again");
    assert_eq!(after.header.timestamp, keys[0].header.timestamp.wrapping_add(7 * 160));
    let sequences =
        bed.customer.windows(2).map(|two| two[1].header.sequence.wrapping_sub(two[0].header.sequence));
    assert!(sequences.into_iter().all(|step| step == 1));
    assert!(bed.customer.len() >= at + 7 + 6);

    // The other way round, and not to a peer that takes none.
    let digit = dtmf::Digit::new('1', 0).unwrap();
    bed.agent.clear();
    bed.command(MediaCommand::Digit { stream: CUSTOMER, digit });
    bed.pass(300);
    assert_eq!(bed.agent.iter().filter(|sent| sent.header.payload_type == 101).count(), 6);
    bed.remote(CUSTOMER, remote(customer_address(), Codec::Pcmu, None));
    bed.customer.clear();
    bed.command(MediaCommand::Digit { stream: AGENT, digit });
    talk(&mut bed, 10);
    assert!(bed.customer.iter().all(|sent| sent.header.payload_type == 0) && bed.customer.len() >= 9);
}

#[test]
fn a_key_is_not_said_twice() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    let digit = dtmf::Digit::new('9', 100).unwrap();
    let own = TelephoneEvent { event: 9, end: false, volume: 10, duration: 160 };
    bed.agent_says(1, 160, &[1; 160]);
    bed.command(MediaCommand::Digit { stream: AGENT, digit });
    // Its phone says the same in RTP: that is what counts, from now on.
    assert!(bed.receive(AGENT, agent_address(), datagram(101, 2, 320, 5, &own.encode())));
    bed.command(MediaCommand::Digit { stream: AGENT, digit });
    bed.pass(300);
    assert_eq!(bed.customer.iter().filter(|sent| sent.header.payload_type == 96).count(), 1);
    // Nor to somebody else, later.
    bed.unsplice();
    bed.splice(None);
    bed.pass(100);
    assert_eq!(bed.customer.iter().filter(|sent| sent.header.payload_type == 96).count(), 1);
}
