//! RTP of one line: sends a packet of G.711 every 20 ms and judges what comes back (RFC 3550 §5.1, RFC 3551).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::audio::{Ear, FRAME, Heard, decode, encode, sample};
use super::party::Sound;

/// Time between two packets.
pub const PACKET_TIME: Duration = Duration::from_millis(20);
/// Octets of an RTP header without extensions.
const HEADER: usize = 12;
/// A sender that fell behind by more than this skips instead of sending a burst.
const BEHIND_MAX: Duration = Duration::from_millis(200);
/// Most spans that one line keeps; more are only counted.
const SPANS_MAX: usize = 1_000;

/// One stretch of the same sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What was heard.
    pub heard: Heard,
    /// First time.
    pub from: Duration,
    /// Last time.
    pub to: Duration,
}

/// What one line sent and heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets sent.
    pub sent: u64,
    /// Packets of the line's payload type received.
    pub received: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Tenths of a second by what was heard.
    pub heard: BTreeMap<Heard, u64>,
    /// In order; silence is left out.
    pub spans: Vec<Span>,
}

/// The audio of one line.
#[derive(Clone, Debug)]
pub struct Voice {
    remote: SocketAddr,
    payload: u8,
    sound: Sound,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    position: u64,
    due: Duration,
    expected: Option<u16>,
    ear: Ear,
    tally: Tally,
}

impl Voice {
    /// Starts sending `sound` to `remote` at once. `ssrc` also seeds sequence and timestamp.
    pub fn new(remote: SocketAddr, payload: u8, sound: Sound, ssrc: u32, now: Duration) -> Self {
        Self {
            remote,
            payload,
            sound,
            ssrc,
            sequence: (ssrc >> 16) as u16,
            timestamp: ssrc.rotate_left(7),
            position: 0,
            due: now,
            expected: None,
            ear: Ear::default(),
            tally: Tally::default(),
        }
    }

    /// Says something else from its beginning.
    pub fn change(&mut self, sound: Sound) {
        self.sound = sound;
        self.position = 0;
    }

    /// When [`Self::packet`] gives the next one.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// The packet that is due, and where it goes.
    pub fn packet(&mut self, now: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        if now < self.due {
            return None;
        }
        if now - self.due > BEHIND_MAX {
            self.due = now;
        }
        self.due += PACKET_TIME;
        let mut packet = Vec::with_capacity(HEADER + FRAME);
        // RFC 3551 §4.1: the marker bit is set on the first packet of a talkspurt.
        let marker = if self.tally.sent == 0 { 0x80 } else { 0 };
        packet.extend_from_slice(&[0x80, marker | self.payload]);
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        for _ in 0..FRAME {
            packet.push(encode(self.payload, sample(self.sound, self.position)));
            self.position += 1;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        self.tally.sent += 1;
        Some((self.remote, packet))
    }

    /// Takes a received datagram; returns what was heard when a tenth of a second is full. Other versions and payload types
    /// (telephone events, RTCP) are passed over.
    pub fn receive(&mut self, datagram: &[u8], now: Duration) -> Option<Heard> {
        let [first, second, high, low, ..] = *datagram else { return None };
        if first >> 6 != 2 || second & 0x7f != self.payload {
            return None;
        }
        let start = HEADER + 4 * usize::from(first & 0x0f);
        let audio = datagram.get(start..)?;
        self.tally.received += 1;
        let sequence = u16::from_be_bytes([high, low]);
        if let Some(expected) = self.expected {
            let ahead = sequence.wrapping_sub(expected);
            if ahead >= 0x8000 {
                return None;
            }
            self.tally.lost += u64::from(ahead);
        }
        self.expected = Some(sequence.wrapping_add(1));
        let mut last = None;
        for octet in audio {
            if let Some(heard) = self.ear.listen(decode(self.payload, *octet)) {
                self.note(heard, now);
                last = Some(heard);
            }
        }
        last
    }

    /// What was sent and heard so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn note(&mut self, heard: Heard, now: Duration) {
        *self.tally.heard.entry(heard).or_insert(0) += 1;
        if heard == Heard::Silence {
            return;
        }
        let full = self.tally.spans.len() == SPANS_MAX;
        match self.tally.spans.last_mut() {
            // Half a second bridges the swell of a voice and a lost packet or two.
            Some(span) if span.heard == heard && now < span.to + Duration::from_millis(500) => span.to = now,
            Some(_) | None if !full => {
                self.tally.spans.push(Span { heard, from: now, to: now });
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 4_000))
    }

    fn second(from: &mut Voice, to: &mut Voice, start: Duration, skip: &[u32]) {
        for tick in 0..50 {
            let now = start + PACKET_TIME * tick;
            let (_, packet) = from.packet(now).expect("one is due");
            if !skip.contains(&tick) {
                to.receive(&packet, now);
            }
        }
    }

    #[test]
    fn what_one_says_the_other_hears() {
        let mut agent = Voice::new(remote(), 8, Sound::Agent(4), 0xfffe_0000, Duration::ZERO);
        let mut callee = Voice::new(remote(), 8, Sound::Person(2), 9, Duration::ZERO);
        second(&mut agent, &mut callee, Duration::ZERO, &[]);
        let tally = callee.tally();
        assert_eq!((agent.tally().sent, tally.received, tally.lost), (50, 50, 0));
        assert_eq!(tally.heard.get(&Heard::Voice(Sound::Agent(4))), Some(&10));
        assert_eq!(tally.spans.len(), 1);
        agent.change(Sound::Person(1));
        second(&mut agent, &mut callee, Duration::from_secs(1), &[5, 6]);
        assert_eq!(callee.tally().lost, 2);
        assert_eq!(callee.tally().spans.len(), 2);
    }

    #[test]
    fn packets_are_numbered_and_timed() {
        let mut voice = Voice::new(remote(), 0, Sound::Agent(0), 0xffff_0000, Duration::ZERO);
        let (_, first) = voice.packet(Duration::ZERO).expect("due");
        assert_eq!(voice.packet(Duration::ZERO), None);
        let (to, second) = voice.packet(PACKET_TIME).expect("due");
        assert_eq!(to, remote());
        assert_eq!(first.len(), HEADER + FRAME);
        assert_eq!((first[0], first[1], second[1]), (0x80, 0x80, 0));
        assert_eq!((&first[2..4], &second[2..4]), (&[0xff, 0xff][..], &[0, 0][..]));
        assert_eq!(second[7].wrapping_sub(first[7]), 160);
        let late = Duration::from_secs(9);
        assert!(voice.packet(late).is_some());
        assert_eq!(voice.packet(late), None, "no burst after a stall");
    }

    #[test]
    fn strangers_and_repeats_are_not_audio() {
        let mut voice = Voice::new(remote(), 0, Sound::Agent(0), 1, Duration::ZERO);
        let mut other = Voice::new(remote(), 0, Sound::Person(0), 2, Duration::ZERO);
        let (_, packet) = other.packet(Duration::ZERO).expect("due");
        voice.receive(&packet, Duration::ZERO);
        voice.receive(&packet, Duration::ZERO);
        voice.receive(&[0x80, 101, 0, 0], Duration::ZERO);
        voice.receive(&[0x80], Duration::ZERO);
        voice.receive(&[0x8f, 0, 0, 1, 0, 0], Duration::ZERO);
        assert_eq!((voice.tally().received, voice.tally().lost), (2, 0));
    }
}
