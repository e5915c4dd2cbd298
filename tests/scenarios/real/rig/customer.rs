//! The customer's ear and mouth: an RTP endpoint of the tests' own, whose port SIPp names in its SDP.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::tone::{self, Law};

/// Samples of one packet: 20 ms.
const PACKET_SAMPLES: u32 = 160;
/// How long one packet sounds.
const PACKET_EVERY: Duration = Duration::from_millis(20);
/// Octets of an RTP header without sources and extension (RFC 3550 §5.1).
const HEADER: usize = 12;
const SSRC: u32 = 0x00C0_FFEE;

/// One packet as it came.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When.
    pub at: SystemTime,
    /// Where from: each call of ours has its own port.
    pub from: SocketAddr,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Source.
    pub ssrc: u32,
    /// Its sound; empty when the payload is neither law.
    pub samples: Vec<i16>,
}

/// An RTP endpoint that speaks a tone to whoever speaks to it and keeps what it hears.
pub struct Customer {
    port: u16,
    law: Law,
    heard: Arc<Mutex<Vec<Packet>>>,
    early: Arc<Mutex<Vec<SocketAddr>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Customer {
    /// Opens a socket. `hz`: the tone it speaks from the first packet that it gets.
    pub fn speaking(law: Law, hz: f64) -> Customer {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let early = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let second: Vec<u8> = (0..tone::RATE).map(|index| law.encode(tone::sample(hz, index))).collect();
        let payloads = second.chunks(PACKET_SAMPLES as usize).map(<[u8]>::to_vec).collect();
        let line =
            Line { socket, law, payloads, heard: heard.clone(), early: early.clone(), over: over.clone() };
        Customer { port, law, heard, early, over, thread: Some(thread::spawn(move || line.run())) }
    }

    /// The port for the SDP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The law for the SDP.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Begins to speak to `peer` without waiting for a packet from there: early media.
    pub fn speak_to(&self, peer: SocketAddr) {
        self.early.lock().expect("the line's thread does not panic").push(peer);
    }

    /// Every packet so far.
    pub fn packets(&self) -> Vec<Packet> {
        self.heard.lock().expect("the line's thread does not panic").clone()
    }

    /// The packets of each call, in the order of their first packet.
    pub fn calls(&self) -> Vec<Vec<Packet>> {
        let mut calls: Vec<Vec<Packet>> = Vec::new();
        for packet in self.packets() {
            match calls.iter_mut().find(|call| call.iter().any(|known| known.from == packet.from)) {
                Some(call) => call.push(packet),
                None => calls.push(vec![packet]),
            }
        }
        calls
    }
}

impl Drop for Customer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has told on itself already if it panicked.
            let _ = thread.join();
        }
    }
}

/// The sound of packets, one after the other.
pub fn sound(packets: &[Packet]) -> Vec<i16> {
    packets.iter().flat_map(|packet| packet.samples.iter().copied()).collect()
}

/// Fails unless the packets are one stream as RFC 3550 §5.1 wants it: one source, sequence numbers without a gap,
/// timestamps that run with the sound.
pub fn assert_one_stream(packets: &[Packet]) {
    for pair in packets.windows(2) {
        let [one, next] = pair else { unreachable!("windows of two") };
        assert_eq!(one.ssrc, next.ssrc, "the source changed in mid-call");
        assert_eq!(next.sequence, one.sequence.wrapping_add(1), "a gap in the sequence numbers");
        assert_eq!(
            next.timestamp,
            one.timestamp.wrapping_add(PACKET_SAMPLES),
            "timestamps do not run with the sound"
        );
    }
}

/// The thread behind a customer.
struct Line {
    socket: UdpSocket,
    law: Law,
    /// One second of the tone in packets; tones are whole numbers of Hz, so it can be repeated.
    payloads: Vec<Vec<u8>>,
    heard: Arc<Mutex<Vec<Packet>>>,
    early: Arc<Mutex<Vec<SocketAddr>>>,
    over: Arc<AtomicBool>,
}

impl Line {
    fn run(self) {
        self.socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout can be set");
        let mut peers: Vec<(SocketAddr, Instant, u32)> = Vec::new();
        let mut buffer = [0; 2_048];
        while !self.over.load(Ordering::Relaxed) {
            for peer in self.early.lock().expect("nobody panics with the lock").drain(..) {
                peers.push((peer, Instant::now(), 0));
            }
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer)
                && let Some(packet) = buffer.get(..length).and_then(|bytes| read(bytes, from))
            {
                if !peers.iter().any(|(known, ..)| *known == from) {
                    peers.push((from, Instant::now(), 0));
                }
                self.heard.lock().expect("nobody panics with the lock").push(packet);
            }
            for (peer, since, sent) in &mut peers {
                while since.elapsed() >= PACKET_EVERY * *sent {
                    // A peer that is gone is nobody's mistake.
                    let _ = self.socket.send_to(&self.packet(*sent), *peer);
                    *sent += 1;
                }
            }
        }
    }

    fn packet(&self, index: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, self.law.payload_type()];
        bytes.extend(u16::try_from(index & 0xffff).unwrap_or_default().to_be_bytes());
        bytes.extend(index.wrapping_mul(PACKET_SAMPLES).to_be_bytes());
        bytes.extend(SSRC.to_be_bytes());
        bytes.extend(&self.payloads[index as usize % self.payloads.len()]);
        bytes
    }
}

/// RFC 3550 §5.1, version 2 and nothing optional; nothing when it is no RTP (RTCP has payload types 72 to 76 here, RFC 5761 §4).
fn read(bytes: &[u8], from: SocketAddr) -> Option<Packet> {
    let payload = bytes.get(HEADER..)?;
    let payload_type = bytes[1] & 0x7f;
    if bytes[0] != 0x80 || (72..=76).contains(&payload_type) {
        return None;
    }
    let samples = match Law::of(payload_type) {
        Some(law) => payload.iter().map(|octet| law.decode(*octet)).collect(),
        None => Vec::new(),
    };
    Some(Packet {
        at: SystemTime::now(),
        from,
        payload_type,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        samples,
    })
}
