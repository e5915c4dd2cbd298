//! RTCP, RFC 3550 §6: sender and receiver reports with a name, BYE at the end, and safe reading of the peer's.

use std::time::Duration;

use base64::Engine as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;

use super::g711::SAMPLES_PER_SECOND;
use super::relay::Outgoing;
use super::rtp::{Header, sequence_ahead};

/// Middle of the interval between reports (RFC 3550 §6.2: five seconds at least, for two parties it is that).
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Longest compound packet we write.
pub const LENGTH_MAX: usize = 128;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// Random octets of a CNAME; 96 bits as RFC 7022 §4.2 asks.
const NAME_OCTETS: usize = 12;

/// Their length in base64.
const NAME_LENGTH: usize = 16;

/// What was received from one source, for reception reports (RFC 3550 §6.4.1, appendix A.3 and A.8).
#[derive(Clone, Debug, Default)]
pub struct Reception {
    flow: Option<Flow>,
}

#[derive(Clone, Debug)]
struct Flow {
    ssrc: u32,
    first: u16,
    highest: u16,
    cycles: u32,
    received: u32,
    expected_before: u32,
    received_before: u32,
    transit: u32,
    /// Sixteen times the jitter, as in appendix A.8.
    jitter_16: u32,
}

impl Reception {
    /// Takes note of a believed packet. `restart`: it opens a flow.
    pub fn note(&mut self, header: &Header, restart: bool, now: Duration) {
        let arrival =
            ((now.as_micros() as u64).wrapping_mul(u64::from(SAMPLES_PER_SECOND)) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(header.timestamp);
        match &mut self.flow {
            Some(flow) if !restart => flow.note(header, transit),
            _ => {
                self.flow = Some(Flow {
                    ssrc: header.ssrc,
                    first: header.sequence,
                    highest: header.sequence,
                    cycles: 0,
                    received: 1,
                    expected_before: 0,
                    received_before: 0,
                    transit,
                    jitter_16: 0,
                });
            }
        }
    }
}

impl Flow {
    fn note(&mut self, header: &Header, transit: u32) {
        self.received = self.received.wrapping_add(1);
        if sequence_ahead(header.sequence, self.highest) > 0 {
            if header.sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = header.sequence;
        }
        let difference = transit.wrapping_sub(self.transit).cast_signed().unsigned_abs();
        self.transit = transit;
        self.jitter_16 =
            self.jitter_16.saturating_add(difference).saturating_sub((self.jitter_16.saturating_add(8)) >> 4);
    }

    /// The report block but for its last two words; closes the interval.
    fn report(&mut self) -> [u8; 16] {
        let highest = self.cycles.wrapping_add(u32::from(self.highest));
        let expected = highest.wrapping_sub(u32::from(self.first)).wrapping_add(1);
        // RFC 3550 §6.4.1: 24 bits with a sign; duplicates can make it negative.
        let lost = i64::from(expected) - i64::from(self.received);
        let lost = lost.clamp(-0x80_0000, 0x7F_FFFF) as i32;
        let expected_now = expected.wrapping_sub(self.expected_before);
        let received_now = self.received.wrapping_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = if expected_now == 0 {
            0
        } else {
            (u64::from(lost_now) * 256 / u64::from(expected_now)).min(255)
        };
        let mut block = [0; 16];
        block[0..4].copy_from_slice(&self.ssrc.to_be_bytes());
        block[4..8].copy_from_slice(&lost.to_be_bytes());
        block[4] = fraction as u8;
        block[8..12].copy_from_slice(&highest.to_be_bytes());
        block[12..16].copy_from_slice(&(self.jitter_16 >> 4).to_be_bytes());
        block
    }
}

/// When and under which name one stream reports.
#[derive(Clone, Debug)]
pub struct Reporter {
    name: [u8; NAME_LENGTH],
    next_at: Duration,
    packets_reported: u32,
    /// Middle of the NTP time in the peer's last sender report, and when it came.
    heard: Option<(u32, Duration)>,
}

impl Reporter {
    /// A reporter whose first report is due after half an interval (RFC 3550 §6.2).
    pub fn new(rng: &mut ChaCha20Rng, now: Duration) -> Self {
        let mut octets = [0; NAME_OCTETS];
        for chunk in octets.chunks_exact_mut(4) {
            chunk.copy_from_slice(&rng.next_u32().to_be_bytes());
        }
        let mut name = [b'A'; NAME_LENGTH];
        // Twelve octets always fill sixteen characters, so nothing can be left over.
        let _ = base64::engine::general_purpose::STANDARD.encode_slice(octets, &mut name);
        let next_at = now.saturating_add(jittered(rng) / 2);
        Self { name, next_at, packets_reported: 0, heard: None }
    }

    /// Whether a report is due.
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.next_at
    }

    /// Sets the time of the next report.
    pub fn schedule(&mut self, rng: &mut ChaCha20Rng, now: Duration) {
        self.next_at = now.saturating_add(jittered(rng));
    }

    /// Takes note of what the peer sent.
    pub fn note(&mut self, incoming: &Incoming, now: Duration) {
        if let Some(ntp_middle) = incoming.ntp_middle {
            self.heard = Some((ntp_middle, now));
        }
    }

    /// Writes a report and our name. Returns the length, at most [`LENGTH_MAX`]; 0 when `buffer` is shorter.
    pub fn write(
        &mut self,
        outgoing: &Outgoing,
        reception: &mut Reception,
        buffer: &mut [u8],
        now: Duration,
    ) -> usize {
        self.compound(outgoing, reception, false, buffer, now)
    }

    /// Writes the last report with BYE (RFC 3550 §6.6). Returns the length; 0 when we never sent anything, since
    /// then BYE must not be sent (§6.3.7).
    pub fn write_goodbye(
        &mut self,
        outgoing: &Outgoing,
        reception: &mut Reception,
        buffer: &mut [u8],
        now: Duration,
    ) -> usize {
        if outgoing.sent().0 == 0 {
            return 0;
        }
        self.compound(outgoing, reception, true, buffer, now)
    }

    fn compound(
        &mut self,
        outgoing: &Outgoing,
        reception: &mut Reception,
        goodbye: bool,
        buffer: &mut [u8],
        now: Duration,
    ) -> usize {
        let Some(buffer) = buffer.first_chunk_mut::<LENGTH_MAX>() else {
            return 0;
        };
        let mut writer = Writer { octets: buffer, length: 0 };
        let (packets, octets) = outgoing.sent();
        let block = reception.flow.as_mut().map(Flow::report);
        let blocks = u8::from(block.is_some());
        let block_words = if block.is_some() { 6 } else { 0 };
        // RFC 3550 §6.4: a sender report when anything was sent since the last reports, else a receiver report.
        if packets != self.packets_reported {
            writer.header(blocks, SENDER_REPORT, 6 + block_words);
            writer.word(outgoing.ssrc());
            // §6.4.1: without wall-clock time, the time since the start may stand for it.
            let ntp = ntp_time(now);
            writer.word((ntp >> 32) as u32);
            writer.word(ntp as u32);
            writer.word(outgoing.timestamp_at(now));
            writer.word(packets);
            writer.word(octets);
        } else {
            writer.header(blocks, RECEIVER_REPORT, 1 + block_words);
            writer.word(outgoing.ssrc());
        }
        self.packets_reported = packets;
        if let Some(block) = block {
            writer.put(&block);
            let (last, delay) = self.heard.map_or((0, 0), |(last, at)| {
                // §6.4.1: delay since the last sender report, in 1/65536 s.
                (last, (ntp_time(now.saturating_sub(at)) >> 16) as u32)
            });
            writer.word(last);
            writer.word(delay);
        }
        // §6.5: one chunk: source, CNAME (item 1), end of list padded to a word.
        writer.header(1, SOURCE_DESCRIPTION, 6);
        writer.word(outgoing.ssrc());
        writer.put(&[1, NAME_LENGTH as u8]);
        writer.put(&self.name);
        writer.put(&[0, 0]);
        if goodbye {
            writer.header(1, BYE, 1);
            writer.word(outgoing.ssrc());
        }
        writer.length
    }
}

/// Appends to a buffer known to be long enough for the longest compound packet.
struct Writer<'a> {
    octets: &'a mut [u8; LENGTH_MAX],
    length: usize,
}

impl Writer<'_> {
    fn header(&mut self, count: u8, packet_type: u8, words: u16) {
        let words = words.to_be_bytes();
        self.put(&[(2 << 6) | count, packet_type, words[0], words[1]]);
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    fn put(&mut self, octets: &[u8]) {
        let end = self.length + octets.len();
        if let Some(room) = self.octets.get_mut(self.length..end) {
            room.copy_from_slice(octets);
            self.length = end;
        }
    }
}

/// What matters in a peer's compound packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// Middle 32 bits of the NTP time in a sender report.
    pub ntp_middle: Option<u32>,
    /// It says goodbye. Anybody could write that: SIP's BYE ends calls, this one doesn't.
    pub goodbye: bool,
}

/// Reads a compound packet (RFC 3550 appendix A.2). `None`: it is not RTCP.
pub fn parse(datagram: &[u8]) -> Option<Incoming> {
    let mut incoming = Incoming::default();
    let mut rest = datagram;
    let mut first = true;
    while !rest.is_empty() {
        let head = rest.first_chunk::<4>()?;
        let length = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        let packet = rest.get(..length)?;
        if head[0] >> 6 != 2 {
            return None;
        }
        // §6.1: a compound packet starts with a report, and only its last packet may be padded.
        if first && (!matches!(head[1], SENDER_REPORT | RECEIVER_REPORT) || head[0] & 0x20 != 0) {
            return None;
        }
        match head[1] {
            SENDER_REPORT => {
                let middle = packet.get(10..14)?.first_chunk::<4>()?;
                incoming.ntp_middle = Some(u32::from_be_bytes(*middle));
            }
            BYE => incoming.goodbye = true,
            _ => {}
        }
        // §6.4: a report names its sender.
        if first && packet.len() < 8 {
            return None;
        }
        first = false;
        rest = rest.get(length..)?;
    }
    (!first).then_some(incoming)
}

/// Half to one and a half intervals (RFC 3550 §6.2), so that peers don't report in step.
fn jittered(rng: &mut ChaCha20Rng) -> Duration {
    let interval_ms = INTERVAL.as_millis() as u64;
    Duration::from_millis(interval_ms / 2 + u64::from(rng.next_u32()) % (interval_ms + 1))
}

/// Seconds and 2^-32 fractions of one.
fn ntp_time(time: Duration) -> u64 {
    (time.as_secs() << 32) | ((u64::from(time.subsec_nanos()) << 32) / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::media::{Codec, Origin};

    fn outgoing(packets: u64) -> Outgoing {
        let mut outgoing = Outgoing::new(Origin { ssrc: 7, sequence: 1, timestamp: 160 });
        for index in 0..packets {
            outgoing.own_frame(Codec::Pcmu, false, Duration::from_millis(20 * index));
        }
        outgoing
    }

    #[test]
    fn reports_turn_from_sender_to_receiver_when_nothing_more_is_sent() {
        let mut reporter = Reporter::new(&mut ChaCha20Rng::seed_from_u64(3), Duration::ZERO);
        let mut reception = Reception::default();
        let mut buffer = [0; LENGTH_MAX];
        let outgoing = outgoing(50);
        let now = Duration::from_millis(1_500);
        let length = reporter.write(&outgoing, &mut reception, &mut buffer, now);
        assert_eq!(length, 28 + 28);
        assert_eq!(buffer[..4], [0x80, 200, 0, 6]);
        // 1.5 s in NTP's 32.32 bits, and the RTP timestamp of the same moment.
        assert_eq!(buffer[8..16], [0, 0, 0, 1, 0x80, 0, 0, 0]);
        assert_eq!(buffer[16..20], (160 + 12_000u32).to_be_bytes());
        let length = reporter.write(&outgoing, &mut reception, &mut buffer, now);
        assert_eq!(length, 8 + 28);
        assert_eq!(buffer[..4], [0x80, 201, 0, 1]);
        assert_eq!(reporter.write(&outgoing, &mut reception, &mut [0; 64], now), 0);
    }

    #[test]
    fn only_a_stream_that_sent_says_goodbye() {
        let mut reporter = Reporter::new(&mut ChaCha20Rng::seed_from_u64(3), Duration::ZERO);
        let mut reception = Reception::default();
        let mut buffer = [0; LENGTH_MAX];
        assert_eq!(reporter.write_goodbye(&outgoing(0), &mut reception, &mut buffer, Duration::ZERO), 0);
        let length = reporter.write_goodbye(&outgoing(1), &mut reception, &mut buffer, Duration::ZERO);
        assert!(parse(&buffer[..length]).unwrap().goodbye);
    }

    #[test]
    fn intervals_vary_around_five_seconds() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let intervals: Vec<_> = (0..1_000).map(|_| jittered(&mut rng)).collect();
        assert!(intervals.iter().all(|interval| (INTERVAL / 2..=INTERVAL * 3 / 2).contains(interval)));
        let mean = intervals.iter().sum::<Duration>() / 1_000;
        assert!(mean.abs_diff(INTERVAL) < Duration::from_millis(300), "{mean:?}");
    }

    #[test]
    fn losses_duplicates_and_wraps_are_counted() {
        let mut reception = Reception::default();
        for (index, sequence) in [65_534u16, 65_535, 2, 2, 3].into_iter().enumerate() {
            let header = Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 9 };
            reception.note(&header, index == 0, Duration::ZERO);
        }
        let block = reception.flow.as_mut().unwrap().report();
        // Six expected, five came, of which one twice: one lost by the count of RFC 3550 appendix A.3.
        assert_eq!(block[..4], [0, 0, 0, 9]);
        assert_eq!(block[4], (256 / 6) as u8);
        assert_eq!(block[5..8], [0, 0, 1]);
        assert_eq!(block[8..12], [0, 1, 0, 3]);
        // In the next interval three duplicates: the count falls below zero, the fraction stays at zero.
        for _ in 0..3 {
            let header = Header { marker: false, payload_type: 0, sequence: 3, timestamp: 0, ssrc: 9 };
            reception.note(&header, false, Duration::ZERO);
        }
        let block = reception.flow.as_mut().unwrap().report();
        assert_eq!(block[4..8], [0, 0xFF, 0xFF, 0xFE]);
    }

    #[test]
    fn what_is_no_compound_packet_is_refused() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0x80, 201, 0]), None);
        assert_eq!(parse(&[0x80, 201, 0, 2, 0, 0, 0, 1]), None);
        assert_eq!(parse(&[0x40, 201, 0, 1, 0, 0, 0, 1]), None);
        // BYE alone, and a padded first packet.
        assert_eq!(parse(&[0x81, 203, 0, 1, 0, 0, 0, 1]), None);
        assert_eq!(parse(&[0xA0, 201, 0, 1, 0, 0, 0, 4]), None);
        // A sender report too short for its NTP time.
        assert_eq!(parse(&[0x80, 200, 0, 1, 0, 0, 0, 1]), None);
        assert_eq!(parse(&[0x80, 201, 0, 1, 0, 0, 0, 1]), Some(Incoming::default()));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&octets);
        }
    }
}
