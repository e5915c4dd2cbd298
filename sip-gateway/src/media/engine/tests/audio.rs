//! Prompts and recordings.

use super::*;

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
