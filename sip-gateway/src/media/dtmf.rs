//! Named telephone events, RFC 4733 §2.3: enough of the payload to check and relay it, and keys that we press ourselves.

use std::collections::VecDeque;

use thiserror::Error;

use super::g711::SAMPLES_PER_SECOND;

/// Payload type under which we offer telephone-event, so the one our peers send it with.
pub const PAYLOAD_TYPE: u8 = 101;

/// Octets of one event.
pub const EVENT_LENGTH: usize = 4;

/// Samples of one packet's time (20 ms).
const FRAME: u16 = 160;

/// Shortest key, in samples (80 ms): what every receiver recognises.
pub const DIGIT_MIN: u16 = 640;

/// Longest key, in samples (2 s).
pub const DIGIT_MAX: u16 = 16_000;

/// Most keys that wait to be sent on one stream; more are let go.
pub const KEYS_MAX: usize = 32;

/// How loud our keys are, in -dBm0.
const VOLUME: u8 = 10;

/// How often the end of a key is said.
const ENDS: u8 = 3;

/// One telephone event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code; 0 to 15 are the DTMF digits (RFC 4733 §3.2).
    pub event: u8,
    /// Whether the event is over.
    pub end: bool,
    /// Power level in -dBm0, 0 to 63.
    pub volume: u8,
    /// Samples since the packet's timestamp.
    pub duration: u16,
}

/// Why a payload is no telephone event.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("shorter than a telephone event")]
pub struct DtmfError;

impl TelephoneEvent {
    /// Reads a payload. Octets after the first event are of no interest to a relay.
    pub fn parse(payload: &[u8]) -> Result<Self, DtmfError> {
        let octets = payload.first_chunk::<EVENT_LENGTH>().ok_or(DtmfError)?;
        Ok(Self {
            event: octets[0],
            end: octets[1] & 0x80 != 0,
            volume: octets[1] & 0x3F,
            duration: u16::from_be_bytes([octets[2], octets[3]]),
        })
    }

    /// The payload as it goes on the wire.
    pub fn encode(&self) -> [u8; EVENT_LENGTH] {
        let duration = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | (self.volume & 0x3F), duration[0], duration[1]]
    }
}

/// One key, pressed for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// Event code, 0 to 15.
    pub event: u8,
    /// How long, in samples; a whole number of frames between [`DIGIT_MIN`] and [`DIGIT_MAX`].
    pub samples: u16,
}

/// Keys that are still to be sent, one after the other, as events (RFC 4733 §2.5.1).
#[derive(Debug, Default)]
pub struct Keys {
    waiting: VecDeque<Digit>,
    current: Option<Pressed>,
}

/// The key that is being sent.
#[derive(Debug)]
struct Pressed {
    digit: Digit,
    /// Timestamp of all its packets; known once the first one is.
    began: Option<u32>,
    samples: u16,
    ends: u8,
}

/// One packet of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPacket {
    /// What it says.
    pub event: TelephoneEvent,
    /// Timestamp of the first packet; `None`: this is it.
    pub began: Option<u32>,
}

impl Digit {
    /// A key of a telephone by its letter, pressed for so many milliseconds.
    pub fn new(key: char, duration_ms: u64) -> Option<Self> {
        let event = match key.to_ascii_uppercase() {
            digit @ '0'..='9' => digit as u8 - b'0',
            '*' => 10,
            '#' => 11,
            letter @ 'A'..='D' => letter as u8 - b'A' + 12,
            _ => return None,
        };
        let samples = duration_ms.saturating_mul(u64::from(SAMPLES_PER_SECOND) / 1_000);
        let samples = u16::try_from(samples).unwrap_or(DIGIT_MAX).clamp(DIGIT_MIN, DIGIT_MAX);
        Some(Self { event, samples: samples.div_ceil(FRAME) * FRAME })
    }
}

impl Keys {
    /// One more key; left out where too many wait.
    pub fn press(&mut self, digit: Digit) {
        if self.waiting.len() < KEYS_MAX {
            self.waiting.push_back(digit);
        }
    }

    /// Whether nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The packet that is due now; asked once a frame. Tell its timestamp with [`Keys::began`] where it is a first one.
    pub fn next_packet(&mut self) -> Option<KeyPacket> {
        if self.current.is_none() {
            let digit = self.waiting.pop_front()?;
            self.current = Some(Pressed { digit, began: None, samples: 0, ends: 0 });
        }
        let pressed = self.current.as_mut()?;
        pressed.samples = pressed.samples.saturating_add(FRAME).min(pressed.digit.samples);
        let end = pressed.samples == pressed.digit.samples;
        let (event, duration) = (pressed.digit.event, pressed.samples);
        let packet = KeyPacket {
            event: TelephoneEvent { event, end, volume: VOLUME, duration },
            began: pressed.began,
        };
        // §2.5.1.4: the last one three times.
        pressed.ends += u8::from(end);
        if pressed.ends == ENDS {
            self.current = None;
        }
        Some(packet)
    }

    /// The timestamp with which the first packet left.
    pub fn began(&mut self, timestamp: u32) {
        if let Some(pressed) = &mut self.current {
            pressed.began.get_or_insert(timestamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let event = TelephoneEvent { event: 5, end: true, volume: 10, duration: 800 };
        assert_eq!(event.encode(), [5, 0x8A, 0x03, 0x20]);
        assert_eq!(TelephoneEvent::parse(&event.encode()), Ok(event));
    }

    #[test]
    fn a_key_is_sent_frame_by_frame_and_ends_three_times() {
        let mut keys = Keys::default();
        keys.press(Digit::new('#', 90).expect("a key"));
        keys.press(Digit::new('b', 0).expect("a key"));
        let mut said = Vec::new();
        while let Some(KeyPacket { event, began }) = keys.next_packet() {
            keys.began(if event.event == 11 { 7 } else { 8 });
            said.push((event.event, event.duration, event.end, began));
        }
        let frames = |event, start: u32, samples: u16| {
            let all = (1..=samples / 160).chain([samples / 160; 2]);
            all.enumerate().map(move |(index, frame)| {
                (event, frame * 160, frame * 160 == samples, (index > 0).then_some(start))
            })
        };
        assert_eq!(said, frames(11, 7, 800).chain(frames(13, 8, 640)).collect::<Vec<_>>());
        assert!(keys.is_empty());
    }

    #[test]
    fn what_is_no_key_is_none_and_too_many_are_let_go() {
        for key in ['E', '!', ' ', 'é'] {
            assert_eq!(Digit::new(key, 100), None);
        }
        assert_eq!(Digit::new('0', u64::MAX).map(|digit| digit.samples), Some(DIGIT_MAX));
        let mut keys = Keys::default();
        for _ in 0..KEYS_MAX + 5 {
            keys.press(Digit { event: 1, samples: DIGIT_MIN });
        }
        let packets = std::iter::from_fn(|| keys.next_packet()).count();
        assert_eq!(packets, KEYS_MAX * (usize::from(DIGIT_MIN / 160) + 2));
    }

    #[test]
    fn short_payloads_are_refused() {
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), Err(DtmfError));
        assert_eq!(TelephoneEvent::parse(&[]), Err(DtmfError));
    }
}
