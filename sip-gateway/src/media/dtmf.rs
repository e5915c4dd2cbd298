//! Named telephone events, RFC 4733 §2.3: enough of the payload to check and relay it.

use thiserror::Error;

/// Payload type under which we offer telephone-event, so the one our peers send it with.
pub const PAYLOAD_TYPE: u8 = 101;

/// Octets of one event.
const EVENT_LENGTH: usize = 4;

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
    fn short_payloads_are_refused() {
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), Err(DtmfError));
        assert_eq!(TelephoneEvent::parse(&[]), Err(DtmfError));
    }
}
