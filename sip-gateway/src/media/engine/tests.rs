//! The engine through its doors: what each peer receives, packet by packet. Here opening, closing and pacing.

mod audio;
mod continuity;
mod reports;
mod safety;

use std::sync::Arc;

use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::media::dtmf::TelephoneEvent;
use crate::media::prompt::Prompt;
use crate::media::rtp::Header;
use crate::media::{Codec, g711, rtcp, rtp, tone};

const CALL: CallId = CallId(77);
const CUSTOMER: StreamId = StreamId(1);
const AGENT: StreamId = StreamId(2);

/// A sent RTP packet, read again.
#[derive(Clone, Debug)]
struct Sent {
    header: Header,
    payload: Vec<u8>,
    to: SocketAddr,
}

/// An engine with a customer and an agent, and what each was sent.
struct Bed {
    engine: Engine,
    now: Duration,
    customer: Vec<Sent>,
    agent: Vec<Sent>,
    reports: Vec<(Slot, SocketAddr, Vec<u8>)>,
    outputs: Vec<Output>,
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn customer_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000))
}

fn agent_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5_000))
}

fn remote(address: SocketAddr, codec: Codec, telephone_event: Option<u8>) -> Remote {
    Remote { address, codec, telephone_event, send: true, receive: true }
}

fn datagram(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Header { marker: false, payload_type, sequence, timestamp, ssrc }.encode().to_vec();
    datagram.extend(payload);
    datagram
}

impl Bed {
    fn new() -> Self {
        let engine = Engine::new([local(5_060)], ChaCha20Rng::seed_from_u64(1));
        let (customer, agent, reports, outputs) = Default::default();
        Self { engine, now: Duration::from_secs(1_000), customer, agent, reports, outputs }
    }

    /// Both streams open, remotes known, silence on for the agent.
    fn with_legs(customer_codec: Codec, agent_codec: Codec) -> Self {
        let mut bed = Self::new();
        for (stream, port, ssrc) in [(CUSTOMER, 20_000, 0xC), (AGENT, 20_002, 0xA)] {
            let origin = Origin { ssrc, sequence: 65_530, timestamp: u32::MAX - 500 };
            bed.command(MediaCommand::Open { stream, local: local(port), origin });
        }
        bed.remote(CUSTOMER, remote(customer_address(), customer_codec, Some(96)));
        bed.remote(AGENT, remote(agent_address(), agent_codec, Some(101)));
        bed.command(MediaCommand::Silence { stream: AGENT, on: true });
        bed
    }

    fn remote(&mut self, stream: StreamId, remote: Remote) {
        self.command(MediaCommand::SetRemote { stream, remote });
    }

    fn splice(&mut self, record: Option<PathBuf>) {
        let answered_at = self.now;
        let (customer, agent) = (CUSTOMER, AGENT);
        self.command(MediaCommand::Splice { call: CALL, customer, agent, answered_at, record });
    }

    fn unsplice(&mut self) {
        self.command(MediaCommand::Unsplice { call: CALL, customer: CUSTOMER, agent: AGENT });
    }

    fn command(&mut self, command: MediaCommand) {
        self.engine.handle_command(command, self.now);
        self.drain();
    }

    /// Lets time pass, tick by tick.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// A datagram reaches a stream's RTP port. Returns whether it was forwarded.
    fn receive(&mut self, stream: StreamId, from: SocketAddr, mut datagram: Vec<u8>) -> bool {
        let slot = Slot(stream.0 as usize - 1);
        let transmit = self.engine.packet(slot, Port::Rtp, from, &mut datagram, self.now);
        if let Some(transmit) = transmit {
            self.keep(transmit, &datagram);
        }
        self.drain();
        transmit.is_some()
    }

    fn agent_says(&mut self, sequence: u16, timestamp: u32, payload: &[u8]) -> bool {
        self.receive(AGENT, agent_address(), datagram(0, sequence, timestamp, 5, payload))
    }

    fn drain(&mut self) {
        let mut buffer = [0; BUFFER_MIN];
        while let Some(transmit) = self.engine.poll_transmit(&mut buffer) {
            self.keep(transmit, &buffer);
        }
        while let Some(output) = self.engine.poll_output() {
            self.outputs.push(output);
        }
    }

    fn keep(&mut self, transmit: Transmit, buffer: &[u8]) {
        let octets = &buffer[..transmit.length];
        if transmit.port == Port::Rtcp {
            self.reports.push((transmit.slot, transmit.to, octets.to_vec()));
            return;
        }
        let packet = rtp::parse(octets).unwrap();
        let payload = octets[packet.payload_start..packet.payload_end].to_vec();
        let sent = Sent { header: packet.header, payload, to: transmit.to };
        if transmit.slot == Slot(0) { &mut self.customer } else { &mut self.agent }.push(sent);
    }

    fn events(&self) -> Vec<MediaEvent> {
        let event = |output: &Output| match output {
            Output::Event(event) => Some(event.clone()),
            Output::Bind { .. } | Output::Unbind { .. } | Output::Record(_) => None,
        };
        self.outputs.iter().filter_map(event).collect()
    }
}

/// RFC 3550 §5.1 as a receiver sees it: one source, every packet one on, every frame 160 samples on.
fn assert_continuous(sent: &[Sent]) {
    for pair in sent.windows(2) {
        let (before, after) = (&pair[0].header, &pair[1].header);
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(160));
    }
}

fn markers(sent: &[Sent]) -> Vec<usize> {
    sent.iter().enumerate().filter(|(_, sent)| sent.header.marker).map(|(index, _)| index).collect()
}

#[test]
fn open_binds_and_close_says_goodbye() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    assert_eq!(bed.outputs[0], Output::Bind { slot: Slot(0), local: local(20_000) });
    bed.agent_says(1, 160, &[1; 160]);
    bed.pass(100);
    bed.outputs.clear();
    bed.command(MediaCommand::Close { stream: AGENT });
    let Some(Output::Unbind { slot: Slot(1), goodbye: Some((to, report)) }) = bed.outputs.pop() else {
        panic!("no goodbye");
    };
    assert_eq!(to, SocketAddr::from(([192, 0, 2, 2], 5_001)));
    assert!(rtcp::parse(&report).unwrap().goodbye);
    // RFC 3550 §6.3.7: nothing was sent to the customer, so nothing is said to him now.
    bed.command(MediaCommand::Close { stream: CUSTOMER });
    assert_eq!(bed.outputs.pop(), Some(Output::Unbind { slot: Slot(0), goodbye: None }));
    assert_eq!(bed.engine.poll_timeout(), None);
    assert_eq!(bed.engine.streams(), 0);
}

#[test]
fn nobody_is_said_goodbye_who_has_never_sent_anything() {
    let closed = |report: Option<[u8; 8]>| {
        let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
        bed.pass(100);
        assert!(!bed.agent.is_empty(), "silence was sent");
        if let Some(mut report) = report {
            let from = SocketAddr::from(([192, 0, 2, 2], 5_001));
            assert_eq!(bed.engine.packet(Slot(1), Port::Rtcp, from, &mut report, bed.now), None);
        }
        bed.command(MediaCommand::Close { stream: AGENT });
        match bed.outputs.pop() {
            Some(Output::Unbind { goodbye, .. }) => goodbye.map(|(to, _)| to),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed(None), None);
    // Who only listens and reports is there.
    let listener = [0x80, 201, 0, 1, 0, 0, 0, 5];
    assert_eq!(closed(Some(listener)), Some(SocketAddr::from(([192, 0, 2, 2], 5_001))));
}

#[test]
fn a_failed_bind_is_told_and_leaves_nothing() {
    let mut bed = Bed::new();
    let origin = Origin { ssrc: 1, sequence: 1, timestamp: 1 };
    bed.command(MediaCommand::Open { stream: CUSTOMER, local: local(20_000), origin });
    bed.engine.bind_failed(Slot(0));
    bed.drain();
    assert_eq!(bed.events(), [MediaEvent::OpenFailed { stream: CUSTOMER }]);
    assert_eq!(bed.engine.streams(), 0);
    bed.command(MediaCommand::Open { stream: CUSTOMER, local: local(20_000), origin });
    assert_eq!(bed.outputs.last(), Some(&Output::Bind { slot: Slot(0), local: local(20_000) }));
    // A second stream on either of its ports, or on the SIP port, is refused.
    for taken in [local(20_000), local(20_001), local(19_999), local(5_060)] {
        bed.outputs.clear();
        bed.command(MediaCommand::Open { stream: AGENT, local: taken, origin });
        assert_eq!(bed.events(), [MediaEvent::OpenFailed { stream: AGENT }]);
    }
}

#[test]
fn more_streams_than_the_maximum_are_refused() {
    let mut bed = Bed::new();
    let origin = Origin { ssrc: 1, sequence: 1, timestamp: 1 };
    for index in 0..=STREAMS_MAX {
        let host = [10, 0, (index >> 8) as u8, index as u8];
        let local = SocketAddr::from((host, 20_000));
        bed.command(MediaCommand::Open { stream: StreamId(index as u64), local, origin });
    }
    assert_eq!(bed.engine.streams(), STREAMS_MAX);
    assert_eq!(bed.events(), [MediaEvent::OpenFailed { stream: StreamId(STREAMS_MAX as u64) }]);
}

#[test]
fn a_waiting_leg_hears_steady_silence() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcma);
    bed.pass(1_000);
    assert_eq!(bed.agent.len(), 50);
    assert!(bed.customer.is_empty());
    assert_continuous(&bed.agent);
    assert_eq!(markers(&bed.agent), [0]);
    assert!(bed.agent.iter().all(|sent| sent.header.payload_type == 8 && sent.payload == [0xD5; 160]));
    assert!(bed.agent.iter().all(|sent| sent.to == agent_address()));
    bed.command(MediaCommand::Silence { stream: AGENT, on: false });
    bed.pass(1_000);
    assert_eq!(bed.agent.len(), 50);
}

#[test]
fn late_ticks_are_made_up_for_and_a_long_sleep_is_stepped_over() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.pass(200);
    bed.now += Duration::from_millis(60);
    bed.engine.handle_timeout(bed.now);
    bed.drain();
    assert_eq!(bed.agent.len(), 13);
    assert_continuous(&bed.agent);
    bed.now += Duration::from_secs(10);
    bed.engine.handle_timeout(bed.now);
    bed.drain();
    let sent = bed.agent.len();
    assert!((17..=19).contains(&sent), "{sent} frames");
    let ahead = bed.agent[sent - 1].header.timestamp.wrapping_sub(bed.agent[0].header.timestamp);
    assert!((81_000..=82_500).contains(&ahead), "{ahead} samples in 10.26 s");
}

#[test]
fn a_stale_unsplice_leaves_the_next_call_alone() {
    let mut bed = Bed::with_legs(Codec::Pcmu, Codec::Pcmu);
    bed.splice(None);
    bed.command(MediaCommand::Unsplice { call: CallId(1), customer: CUSTOMER, agent: AGENT });
    assert!(bed.agent_says(1, 160, &[1; 160]));
    bed.unsplice();
    assert!(!bed.agent_says(2, 320, &[1; 160]));
}

#[test]
fn commands_for_unknown_streams_change_nothing() {
    let mut bed = Bed::new();
    bed.splice(Some("call.wav".into()));
    bed.unsplice();
    bed.remote(AGENT, remote(agent_address(), Codec::Pcmu, None));
    bed.command(MediaCommand::Close { stream: AGENT });
    bed.command(MediaCommand::Silence { stream: AGENT, on: true });
    assert_eq!(bed.outputs, []);
    assert!(!bed.agent_says(1, 160, &[1; 160]));
}
