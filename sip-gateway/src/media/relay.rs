//! What a receiver hears: one continuous RTP stream, whatever is spliced into it.
//!
//! [`Outgoing`] owns SSRC, sequence numbers and timestamps of what one peer is sent. Frames of our own (silence,
//! prompts) and packets of another peer take turns; each turn continues where the last one ended, with the
//! marker bit on its first packet (RFC 3551 §4.1). [`forward`] rewrites a packet in place.

use std::time::Duration;

use super::dtmf::{self, TelephoneEvent};
use super::g711::{self, SAMPLES_PER_SECOND};
use super::rtp::{HEADER_LENGTH, Header, Packet, sequence_ahead, timestamp_ahead};
use super::silence::{FRAME, FRAME_SAMPLES, Last};
use super::{Codec, Origin, Remote};

/// A pause up to here is jitter: what comes after it follows without a gap in timestamps.
const PAUSE_UNNOTICED: Duration = Duration::from_millis(50);

/// A sender's timestamp may differ from where its stream should be by this much beside the time that passed;
/// else the sender has started its clock anew (10 s).
const CLOCK_JUMP_MAX: u64 = 10 * SAMPLES_PER_SECOND as u64;

/// Longest audio payload relayed (200 ms); nobody sends longer frames than that.
pub const AUDIO_OCTETS_MAX: usize = 1_600;

/// What a payload type means on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// G.711. Both laws have static payload types, so either is understood.
    Audio(Codec),
    /// RFC 4733.
    TelephoneEvent,
    /// RFC 3389; we send our own silence instead.
    ComfortNoise,
    /// Nothing we negotiated.
    Unknown,
}

/// Reads a payload type on a leg whose peer named `telephone_event` for itself (RFC 3551 §6, RFC 4733 §2.1).
///
/// A peer should send events under the number we offered; some use their own, so both are understood.
pub fn kind(payload_type: u8, telephone_event: Option<u8>) -> Kind {
    match payload_type {
        0 => Kind::Audio(Codec::Pcmu),
        8 => Kind::Audio(Codec::Pcma),
        13 => Kind::ComfortNoise,
        dtmf::PAYLOAD_TYPE => Kind::TelephoneEvent,
        other if Some(other) == telephone_event => Kind::TelephoneEvent,
        _ => Kind::Unknown,
    }
}

/// Payload type of a codec (RFC 3551 table 4).
pub fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    }
}

/// Numbers of the stream that one peer is sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    next_sequence: u16,
    next_timestamp: u32,
    turn: Turn,
    /// When the last packet left; `None` before the first.
    sent_at: Option<Duration>,
    /// The next audio packet opens a turn.
    marker: bool,
    packets: u32,
    octets: u32,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Ours, or nobody's.
    Own,
    /// The other peer's: its numbers shifted onto ours.
    Relay { sequence_shift: u16, timestamp_shift: u32, first_sequence: u16 },
    /// The other peer's turn is over, nothing of ours was sent since.
    Ended,
}

impl Outgoing {
    /// A stream that has sent nothing yet.
    pub fn new(origin: Origin) -> Self {
        Self {
            ssrc: origin.ssrc,
            next_sequence: origin.sequence,
            next_timestamp: origin.timestamp,
            turn: Turn::Own,
            sent_at: None,
            marker: true,
            packets: 0,
            octets: 0,
        }
    }

    /// Synchronisation source we send with.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and payload octets sent (RFC 3550 §6.4.1); both wrap.
    pub fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// The timestamp that belongs to `now` (RFC 3550 §6.4.1: a report's RTP timestamp is that of its NTP time).
    pub fn timestamp_at(&self, now: Duration) -> u32 {
        let since = self.sent_at.map_or(Duration::ZERO, |sent_at| now.saturating_sub(sent_at));
        self.next_timestamp.wrapping_sub(FRAME_SAMPLES as u32).wrapping_add(samples(since) as u32)
    }

    /// What was sent last, for pacing silence.
    pub fn last(&self) -> Last {
        match (self.turn, self.sent_at) {
            (Turn::Own, _) | (_, None) => Last::OwnFrame,
            (Turn::Relay { .. }, Some(sent_at)) => Last::Relaying { sent_at },
            (Turn::Ended, Some(sent_at)) => Last::Relayed { sent_at },
        }
    }

    /// How long nothing has been sent; for ever before the first packet.
    pub fn quiet_for(&self, now: Duration) -> Duration {
        self.sent_at.map_or(Duration::MAX, |sent_at| now.saturating_sub(sent_at))
    }

    /// The other peer's turn is over.
    pub fn end_relay(&mut self) {
        self.turn = match self.turn {
            Turn::Relay { .. } | Turn::Ended => Turn::Ended,
            Turn::Own => Turn::Own,
        };
    }

    /// Header of a frame of our own that leaves at the tick `at`. `talkspurt` marks it as the first of a prompt.
    pub fn own_frame(&mut self, codec: Codec, talkspurt: bool, at: Duration) -> Header {
        if self.turn != Turn::Own {
            self.turn = Turn::Own;
            self.marker = true;
        }
        self.skip_pause(at);
        let header = Header {
            marker: std::mem::take(&mut self.marker) || talkspurt,
            payload_type: payload_type(codec),
            sequence: self.next_sequence,
            timestamp: self.next_timestamp,
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.next_timestamp = self.next_timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.count(FRAME_SAMPLES, at);
        header
    }

    /// Header of a packet of ours that says a key (RFC 4733 §2.5.1): all packets of one have the timestamp of the first, which
    /// is marked. `began` is that timestamp; `None`: this is the first.
    pub fn own_event(&mut self, payload_type: u8, began: Option<u32>, at: Duration) -> Header {
        if self.turn != Turn::Own {
            self.turn = Turn::Own;
            self.marker = true;
        }
        self.skip_pause(at);
        let header = Header {
            marker: began.is_none(),
            payload_type,
            sequence: self.next_sequence,
            timestamp: began.unwrap_or(self.next_timestamp),
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.next_timestamp = self.next_timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.count(dtmf::EVENT_LENGTH, at);
        header
    }

    /// Numbers of a relayed packet. `restart`: its numbers have nothing to do with those before. `None`: it
    /// belongs before the first packet of the turn, where our own frames have been.
    fn relayed(&mut self, header: &Header, restart: bool, now: Duration) -> Option<(u16, u32)> {
        let (sequence_shift, timestamp_shift, first_sequence) = match self.turn {
            Turn::Relay { sequence_shift, timestamp_shift, first_sequence } if !restart => {
                (sequence_shift, timestamp_shift, first_sequence)
            }
            Turn::Relay { .. } | Turn::Own | Turn::Ended => self.open_turn(header, now),
        };
        let sequence = header.sequence.wrapping_add(sequence_shift);
        if sequence_ahead(sequence, first_sequence) < 0 && sequence_ahead(sequence, self.next_sequence) < 0 {
            return None;
        }
        let timestamp = header.timestamp.wrapping_add(timestamp_shift);
        let since = self.sent_at.map_or(Duration::ZERO, |sent_at| now.saturating_sub(sent_at));
        let jump = timestamp_ahead(timestamp, self.next_timestamp).unsigned_abs();
        if u64::from(jump) > CLOCK_JUMP_MAX + samples(since) {
            self.open_turn(header, now);
            return Some((self.next_sequence, self.next_timestamp));
        }
        Some((sequence, timestamp))
    }

    /// Places a peer's packet right after what was sent last.
    fn open_turn(&mut self, header: &Header, now: Duration) -> (u16, u32, u16) {
        self.skip_pause(now);
        self.marker = true;
        let sequence_shift = self.next_sequence.wrapping_sub(header.sequence);
        let timestamp_shift = self.next_timestamp.wrapping_sub(header.timestamp);
        let first_sequence = self.next_sequence;
        self.turn = Turn::Relay { sequence_shift, timestamp_shift, first_sequence };
        (sequence_shift, timestamp_shift, first_sequence)
    }

    /// RFC 3550 §5.1: the timestamp goes on while nothing is sent. Whole frames only.
    fn skip_pause(&mut self, now: Duration) {
        let Some(sent_at) = self.sent_at else {
            return;
        };
        let pause = now.saturating_sub(sent_at);
        if pause > PAUSE_UNNOTICED {
            let frames = samples(pause - FRAME / 2) / FRAME_SAMPLES as u64;
            self.next_timestamp = self.next_timestamp.wrapping_add((frames * FRAME_SAMPLES as u64) as u32);
            self.sent_at = Some(now);
        }
    }

    /// Takes note of a relayed packet that leaves.
    fn advance(&mut self, header: &Header, duration: u32, octets: usize, now: Duration) {
        if sequence_ahead(header.sequence, self.next_sequence) >= 0 {
            self.next_sequence = header.sequence.wrapping_add(1);
        }
        let end = header.timestamp.wrapping_add(duration);
        if timestamp_ahead(end, self.next_timestamp) > 0 {
            self.next_timestamp = end;
        }
        self.count(octets, now);
    }

    fn count(&mut self, octets: usize, now: Duration) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        self.sent_at = Some(self.sent_at.map_or(now, |sent_at| sent_at.max(now)));
    }
}

/// Rewrites a good packet in place for the peer `to`. Returns the length of the datagram to send, which starts
/// at the buffer's first octet, or `None` when this peer doesn't get it.
pub fn forward(
    outgoing: &mut Outgoing,
    packet: &Packet,
    kind: Kind,
    restart: bool,
    to: &Remote,
    datagram: &mut [u8],
    now: Duration,
) -> Option<usize> {
    let payload = datagram.get_mut(packet.payload_start..packet.payload_end)?;
    let octets = payload.len();
    let (payload_type, duration) = match kind {
        Kind::Audio(codec) if (1..=AUDIO_OCTETS_MAX).contains(&octets) => {
            g711::convert(codec, to.codec, payload);
            (payload_type(to.codec), octets as u32)
        }
        // RFC 4733 §2.1: the payload type is the receiver's; its timestamp is that of the event's start, which
        // the turn's constant shift keeps.
        Kind::TelephoneEvent => {
            (to.telephone_event?, u32::from(TelephoneEvent::parse(payload).ok()?.duration))
        }
        Kind::Audio(_) | Kind::ComfortNoise | Kind::Unknown => return None,
    };
    let (sequence, timestamp) = outgoing.relayed(&packet.header, restart, now)?;
    let marker = match kind {
        Kind::Audio(_) => packet.header.marker | std::mem::take(&mut outgoing.marker),
        // RFC 4733 §2.5.1.1: here the marker means the event's first packet.
        Kind::TelephoneEvent | Kind::ComfortNoise | Kind::Unknown => packet.header.marker,
    };
    let header = Header { marker, payload_type, sequence, timestamp, ssrc: outgoing.ssrc };
    if packet.payload_start != HEADER_LENGTH {
        datagram.copy_within(packet.payload_start..packet.payload_end, HEADER_LENGTH);
    }
    *datagram.first_chunk_mut::<HEADER_LENGTH>()? = header.encode();
    outgoing.advance(&header, duration, octets, now);
    Some(HEADER_LENGTH + octets)
}

/// Samples in a time.
fn samples(time: Duration) -> u64 {
    (time.as_micros() as u64).saturating_mul(u64::from(SAMPLES_PER_SECOND)) / 1_000_000
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::media::rtp;

    fn outgoing() -> Outgoing {
        Outgoing::new(Origin { ssrc: 3, sequence: u16::MAX, timestamp: 1_000 })
    }

    fn remote() -> Remote {
        let address = SocketAddr::from(([192, 0, 2, 1], 4_000));
        Remote { address, codec: Codec::Pcma, telephone_event: None, send: true, receive: true }
    }

    fn relayed(outgoing: &mut Outgoing, mut datagram: Vec<u8>, now: Duration) -> Option<Vec<u8>> {
        let packet = rtp::parse(&datagram).unwrap();
        let kind = kind(packet.header.payload_type, None);
        let length = forward(outgoing, &packet, kind, false, &remote(), &mut datagram, now)?;
        Some(datagram[..length].to_vec())
    }

    fn audio(sequence: u16, octets: usize) -> Vec<u8> {
        let timestamp = 160 * u32::from(sequence);
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 9 };
        let mut datagram = header.encode().to_vec();
        datagram.resize(HEADER_LENGTH + octets, g711::PCMU_SILENCE);
        datagram
    }

    #[test]
    fn only_the_payload_of_a_decorated_packet_is_passed_on() {
        let mut datagram = audio(5, 0);
        // One contributing source, an extension of one word, two octets of padding.
        datagram[0] |= 0x20 | 0x10 | 1;
        datagram.extend([0xEE; 4]);
        datagram.extend([0xBE, 0xDE, 0, 1, 0xEE, 0xEE, 0xEE, 0xEE]);
        datagram.extend([g711::PCMU_SILENCE; 80]);
        datagram.extend([0, 2]);
        let sent = relayed(&mut outgoing(), datagram, Duration::ZERO).unwrap();
        assert_eq!(sent[..12], [0x80, 0x88, 0xFF, 0xFF, 0, 0, 3, 0xE8, 0, 0, 0, 3]);
        assert_eq!(sent[12..], [g711::PCMA_SILENCE; 80]);
    }

    #[test]
    fn frames_up_to_the_longest_pass() {
        let mut outgoing = outgoing();
        assert!(relayed(&mut outgoing, audio(1, 1), Duration::ZERO).is_some());
        assert!(relayed(&mut outgoing, audio(2, AUDIO_OCTETS_MAX), Duration::ZERO).is_some());
        assert_eq!(relayed(&mut outgoing, audio(3, AUDIO_OCTETS_MAX + 1), Duration::ZERO), None);
        assert_eq!(relayed(&mut outgoing, audio(4, 0), Duration::ZERO), None);
        assert_eq!(outgoing.sent(), (2, 1 + AUDIO_OCTETS_MAX as u32));
    }

    #[test]
    fn the_timestamp_goes_on_while_nothing_is_sent() {
        let mut outgoing = outgoing();
        let at = |ms| Duration::from_millis(ms);
        let timestamp = |header: Header| header.timestamp;
        assert_eq!(timestamp(outgoing.own_frame(Codec::Pcmu, false, at(0))), 1_000);
        assert_eq!(timestamp(outgoing.own_frame(Codec::Pcmu, false, at(50))), 1_160);
        // 1 s later: one frame was due anyway, 49 were not sent.
        assert_eq!(timestamp(outgoing.own_frame(Codec::Pcmu, false, at(1_050))), 1_320 + 49 * 160);
        // A packet after a pause keeps the sender's distance from then on.
        assert!(relayed(&mut outgoing, audio(7, 160), at(3_050)).is_some());
        let sent = relayed(&mut outgoing, audio(9, 160), at(3_090)).unwrap();
        let expected = 1_480u32 + 49 * 160 + 99 * 160 + 2 * 160;
        assert_eq!(sent[4..8], expected.to_be_bytes());
    }

    #[test]
    fn payload_types_mean_what_was_negotiated() {
        assert_eq!(kind(0, None), Kind::Audio(Codec::Pcmu));
        assert_eq!(kind(8, None), Kind::Audio(Codec::Pcma));
        assert_eq!(kind(13, Some(13)), Kind::ComfortNoise);
        assert_eq!(kind(101, None), Kind::TelephoneEvent);
        assert_eq!(kind(96, Some(96)), Kind::TelephoneEvent);
        assert_eq!(kind(96, None), Kind::Unknown);
    }
}
