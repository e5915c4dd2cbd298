//! The RTP header, RFC 3550 §5.1: read safely, written plainly.

use thiserror::Error;

/// Octets of the header we write: no CSRC, no extension.
pub const HEADER_LENGTH: usize = 12;

/// The fields of a header that mean something to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marker bit: for audio, the first packet of a talkspurt (RFC 3551 §4.1).
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in samples.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// A datagram that is RTP: its header and where its payload lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The header.
    pub header: Header,
    /// Offset of the payload's first octet.
    pub payload_start: usize,
    /// Offset past the payload's last octet; padding is left out. Never before `payload_start`.
    pub payload_end: usize,
}

/// Why a datagram is not RTP (RFC 3550 appendix A.1).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than its header says.
    #[error("shorter than its header")]
    Short,
    /// Version other than 2.
    #[error("not RTP version 2")]
    Version,
    /// The padding count doesn't fit.
    #[error("padding longer than the payload")]
    Padding,
}

/// Reads a datagram as RTP.
pub fn parse(datagram: &[u8]) -> Result<Packet, RtpError> {
    let Some(fixed) = datagram.first_chunk::<HEADER_LENGTH>() else {
        return Err(RtpError::Short);
    };
    if fixed[0] >> 6 != 2 {
        return Err(RtpError::Version);
    }
    let mut payload_start = HEADER_LENGTH + 4 * usize::from(fixed[0] & 0x0F);
    if fixed[0] & 0x10 != 0 {
        // RFC 3550 §5.3.1: a 16-bit profile word, then the count of 32-bit words that follow.
        let Some(length) = datagram.get(payload_start + 2..payload_start + 4) else {
            return Err(RtpError::Short);
        };
        payload_start += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    let mut payload_end = datagram.len();
    if payload_start > payload_end {
        return Err(RtpError::Short);
    }
    if fixed[0] & 0x20 != 0 {
        // RFC 3550 §5.1: the last octet counts the padding, itself included.
        let padding = datagram.last().map_or(0, |octet| usize::from(*octet));
        if padding == 0 || padding > payload_end - payload_start {
            return Err(RtpError::Padding);
        }
        payload_end -= padding;
    }
    let header = Header {
        marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7F,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
    };
    Ok(Packet { header, payload_start, payload_end })
}

impl Header {
    /// The header as it goes on the wire.
    pub fn encode(&self) -> [u8; HEADER_LENGTH] {
        let mut octets = [0; HEADER_LENGTH];
        octets[0] = 2 << 6;
        octets[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7F);
        octets[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        octets[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        octets[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        octets
    }
}

/// How far `sequence` lies ahead of `reference` on the circle; negative when it lies behind.
pub fn sequence_ahead(sequence: u16, reference: u16) -> i32 {
    i32::from(sequence.wrapping_sub(reference).cast_signed())
}

/// How far `timestamp` lies ahead of `reference` on the circle; negative when it lies behind.
pub fn timestamp_ahead(timestamp: u32, reference: u32) -> i32 {
    timestamp.wrapping_sub(reference).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header { marker: true, payload_type: 8, sequence: 0xFEDC, timestamp: 0x0102_0304, ssrc: 0xA1B2_C3D4 }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut datagram = header().encode().to_vec();
        datagram.extend([9; 160]);
        assert_eq!(parse(&datagram), Ok(Packet { header: header(), payload_start: 12, payload_end: 172 }));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_left_out() {
        let mut datagram = header().encode().to_vec();
        datagram[0] |= 0x20 | 0x10 | 2;
        datagram.extend([0; 8]);
        datagram.extend([0xBE, 0xDE, 0, 1, 1, 2, 3, 4]);
        datagram.extend([7; 20]);
        datagram.extend([0, 0, 0, 4]);
        let packet = parse(&datagram).unwrap();
        assert_eq!(&datagram[packet.payload_start..packet.payload_end], &[7; 20]);
    }

    #[test]
    fn broken_headers_are_refused() {
        let good = header().encode();
        assert_eq!(parse(&[]), Err(RtpError::Short));
        assert_eq!(parse(&good[..11]), Err(RtpError::Short));
        let mut version = good;
        version[0] = 1 << 6;
        assert_eq!(parse(&version), Err(RtpError::Version));
        let mut sources = good;
        sources[0] |= 15;
        assert_eq!(parse(&sources), Err(RtpError::Short));
        let mut extension = good;
        extension[0] |= 0x10;
        assert_eq!(parse(&extension), Err(RtpError::Short));
        let mut long_extension = good.to_vec();
        long_extension[0] |= 0x10;
        long_extension.extend([0, 0, 0xFF, 0xFF]);
        assert_eq!(parse(&long_extension), Err(RtpError::Short));
        let mut padding = good.to_vec();
        padding[0] |= 0x20;
        padding.push(2);
        assert_eq!(parse(&padding), Err(RtpError::Padding));
        padding[12] = 0;
        assert_eq!(parse(&padding), Err(RtpError::Padding));
    }

    #[test]
    fn the_circle_is_walked_the_short_way() {
        assert_eq!(sequence_ahead(2, 65_535), 3);
        assert_eq!(sequence_ahead(65_535, 2), -3);
        assert_eq!(timestamp_ahead(100, u32::MAX), 101);
        assert_eq!(timestamp_ahead(u32::MAX, 100), -101);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(packet) = parse(&octets) {
                prop_assert!(packet.payload_start <= packet.payload_end);
                prop_assert!(packet.payload_end <= octets.len());
            }
        }
    }
}
