//! The RTP thread over loopback sockets: real packets, real time, generous deadlines.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::mpsc::{self, channel};

use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::id::{CallId, StreamId};
use crate::io::testing::free_ports;
use crate::media::rtp::{self, Header};
use crate::media::{Codec, Origin, Remote, g711, tone};

const CALL: CallId = CallId(1);
const CUSTOMER: StreamId = StreamId(10);
const AGENT: StreamId = StreamId(20);
const PATIENCE: Duration = Duration::from_secs(10);

/// A phone: a socket that talks and listens.
struct Phone {
    socket: UdpSocket,
    ssrc: u32,
    sequence: u16,
}

impl Phone {
    fn new(ssrc: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, ssrc, sequence: 100 }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn say(&mut self, to: SocketAddr, payload_type: u8, payload: &[u8]) {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        let timestamp = 160 * u32::from(sequence);
        let mut datagram =
            Header { marker: false, payload_type, sequence, timestamp, ssrc }.encode().to_vec();
        datagram.extend(payload);
        self.socket.send_to(&datagram, to).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn hear(&self) -> (Header, Vec<u8>) {
        let mut buffer = [0; 2_048];
        let (length, _) = self.socket.recv_from(&mut buffer).unwrap();
        let packet = rtp::parse(&buffer[..length]).unwrap();
        (packet.header, buffer[packet.payload_start..packet.payload_end].to_vec())
    }

    /// What was heard until a packet satisfies `wanted`, that packet last.
    fn hear_until(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<(Header, Vec<u8>)> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.hear());
            if heard.last().is_some_and(|(_, payload)| wanted(payload)) {
                return heard;
            }
            assert!(heard.len() < 1_000, "never heard");
        }
    }
}

struct Bed {
    handle: MediaHandle,
    events: mpsc::Receiver<MediaEvent>,
    clock_start: Instant,
    /// Where the engine listens for customer and agent.
    customer: SocketAddr,
    agent: SocketAddr,
}

impl Bed {
    fn new() -> Self {
        let (sender, events) = channel();
        let sender = Mutex::new(sender);
        let clock_start = Instant::now();
        let options = MediaOptions {
            clock_start,
            own: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(5),
            streams_max: usize::MAX,
        };
        let handle = spawn(
            options,
            Arc::new(move |event| {
                // Events after the test's end interest nobody.
                let _ = sender.lock().unwrap().send(event);
            }),
        )
        .unwrap();
        let (customer, agent) = loop {
            let (customer, agent) = (free_ports(), free_ports());
            if customer != agent {
                break (customer, agent);
            }
        };
        Self { handle, events, clock_start, customer, agent }
    }

    fn send(&self, command: MediaCommand) {
        self.handle.send(command).unwrap();
        self.handle.wake();
    }

    fn open(&self, stream: StreamId, local: SocketAddr, phone: &Phone, codec: Codec) {
        let origin = Origin { ssrc: 0xF00, sequence: 65_533, timestamp: 9 };
        self.send(MediaCommand::Open { stream, local, origin });
        let remote =
            Remote { address: phone.address(), codec, telephone_event: Some(101), send: true, receive: true };
        self.send(MediaCommand::SetRemote { stream, remote });
    }

    fn splice(&self, record: Option<&Path>) {
        self.send(MediaCommand::Splice {
            call: CALL,
            customer: CUSTOMER,
            agent: AGENT,
            answered_at: self.clock_start.elapsed(),
            record: record.map(Path::to_owned),
        });
    }

    fn event(&self) -> MediaEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }
}

fn encoded(codec: Codec, samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| g711::encode(codec, *sample)).collect()
}

#[test]
fn silence_then_both_voices_then_silence_over_real_sockets() {
    let bed = Bed::new();
    let (mut carrier, mut softphone) = (Phone::new(0xC), Phone::new(0xA));
    bed.open(CUSTOMER, bed.customer, &carrier, Codec::Pcma);
    bed.open(AGENT, bed.agent, &softphone, Codec::Pcmu);
    bed.send(MediaCommand::Silence { stream: AGENT, on: true });
    let mut heard = softphone.hear_until(|payload| payload == [0xFF; 160]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("call.wav");
    bed.splice(Some(&path));
    // Until the splice is surely made.
    std::thread::sleep(Duration::from_millis(50));

    let left = tone::sine(1_000.0, 8_000, 8_000.0, 160 * 25);
    let right = tone::sine(600.0, 8_000, 8_000.0, 160 * 25);
    for (agent, customer) in left.chunks(160).zip(right.chunks(160)) {
        softphone.say(bed.agent, 0, &encoded(Codec::Pcmu, agent));
        carrier.say(bed.customer, 8, &encoded(Codec::Pcma, customer));
        std::thread::sleep(Duration::from_millis(20));
    }
    let MediaEvent::AgentHeard { call: CALL, after_answer } = bed.event() else {
        panic!("the agent was not heard first");
    };
    assert!(after_answer < PATIENCE);

    let at_carrier: Vec<_> = (0..25).map(|_| carrier.hear()).collect();
    assert!(at_carrier.iter().all(|(header, _)| header.payload_type == 8 && header.ssrc == 0xF00));
    let voice: Vec<_> = at_carrier.iter().flat_map(|(_, payload)| payload).collect();
    let voice: Vec<_> = voice.into_iter().map(|octet| g711::decode(Codec::Pcma, *octet)).collect();
    assert!(tone::amplitude(&voice, 1_000.0, 8_000) > 7_000.0);
    assert!(tone::amplitude(&voice, 600.0, 8_000) < 200.0);

    bed.send(MediaCommand::Unsplice { call: CALL, customer: CUSTOMER, agent: AGENT });
    let MediaEvent::Recorded { call: CALL, recording: Ok(done) } = bed.event() else {
        panic!("no recording");
    };
    assert_eq!(done.path, path);
    assert!((500..PATIENCE.as_millis() as u64).contains(&done.duration_ms), "{} ms", done.duration_ms);
    let mut reader = hound::WavReader::open(&path).unwrap();
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    let channel = |skip| samples.iter().skip(skip).step_by(2).copied().collect::<Vec<_>>();
    for (skip, own, other) in [(0, 1_000.0, 600.0), (1, 600.0, 1_000.0)] {
        let channel = channel(skip);
        let loud = channel.iter().filter(|sample| sample.abs() > 100).count();
        // Six of eight samples of 1000 Hz are loud, and nearly all of 600 Hz.
        assert!(loud > 2_700, "{loud} loud samples");
        assert!(tone::amplitude(&channel, own, 8_000) > 20.0 * tone::amplitude(&channel, other, 8_000));
    }

    // The carrier's voice came in between, then silence again: one stream all along.
    heard.extend(softphone.hear_until(|payload| payload != [0xFF; 160]));
    heard.extend(softphone.hear_until(|payload| payload == [0xFF; 160]));
    let sequences: Vec<_> = heard.iter().map(|(header, _)| header.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{sequences:?}");
    bed.handle.stop();
}

#[test]
fn silence_keeps_its_pace() {
    let bed = Bed::new();
    let softphone = Phone::new(0xA);
    bed.open(AGENT, bed.agent, &softphone, Codec::Pcmu);
    bed.send(MediaCommand::Silence { stream: AGENT, on: true });
    let (first, _) = softphone.hear();
    let start = Instant::now();
    let behind = |last: &Header| {
        let passed = Duration::from_micros(u64::from(last.timestamp.wrapping_sub(first.timestamp)) * 125);
        passed.abs_diff(start.elapsed())
    };
    // Ticks may be late, and longer on a busy machine; the stream's own clock keeps up with the real one.
    let mut last = softphone.hear().0;
    while start.elapsed() < Duration::from_secs(2) {
        last = softphone.hear().0;
    }
    for _ in 0..500 {
        if behind(&last) < Duration::from_millis(250) {
            break;
        }
        last = softphone.hear().0;
    }
    assert!(behind(&last) < Duration::from_millis(500), "{:?}", behind(&last));
    bed.handle.stop();
}

#[test]
fn taken_ports_fail_the_open() {
    let bed = Bed::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let phone = Phone::new(1);
    bed.open(CUSTOMER, taken.local_addr().unwrap(), &phone, Codec::Pcmu);
    assert_eq!(bed.event(), MediaEvent::OpenFailed { stream: CUSTOMER });
    // The stream's number can be used again.
    bed.open(CUSTOMER, bed.customer, &phone, Codec::Pcmu);
    bed.send(MediaCommand::Silence { stream: CUSTOMER, on: true });
    phone.hear();
    bed.handle.stop();
}

#[test]
fn closed_ports_are_free_again_and_stopping_closes_all() {
    let bed = Bed::new();
    let phone = Phone::new(1);
    bed.open(CUSTOMER, bed.customer, &phone, Codec::Pcmu);
    bed.send(MediaCommand::Silence { stream: CUSTOMER, on: true });
    phone.hear();
    bed.send(MediaCommand::Close { stream: CUSTOMER });
    bed.open(AGENT, bed.customer, &phone, Codec::Pcma);
    bed.send(MediaCommand::Silence { stream: AGENT, on: true });
    phone.hear_until(|payload| payload == [0xD5; 160]);
    let (customer, counters) = (bed.customer, bed.handle.counters());
    bed.handle.stop();
    assert_eq!(counters.malformed, 0);
    assert!(UdpSocket::bind(customer).is_ok());
}

#[test]
fn a_flood_on_one_socket_is_counted_and_starves_no_other() {
    let bed = Bed::new();
    let (carrier, mut softphone, stranger) = (Phone::new(0xC), Phone::new(0xA), Phone::new(0xBAD));
    bed.open(CUSTOMER, bed.customer, &carrier, Codec::Pcmu);
    bed.open(AGENT, bed.agent, &softphone, Codec::Pcmu);
    bed.splice(None);
    std::thread::sleep(Duration::from_millis(50));
    for index in 0..50u8 {
        for junk in 0..40u8 {
            stranger.socket.send_to(&[junk; 60], bed.customer).unwrap();
        }
        softphone.say(bed.agent, 0, &[index; 160]);
        std::thread::sleep(Duration::from_millis(2));
    }
    let heard = carrier.hear_until(|payload| payload == [49; 160]);
    assert_eq!(heard.len(), 50);
    bed.send(MediaCommand::Silence { stream: AGENT, on: true });
    let start = Instant::now();
    while bed.handle.counters().malformed + bed.handle.counters().foreign == 0 {
        assert!(start.elapsed() < PATIENCE, "no junk was counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    bed.handle.stop();
}
