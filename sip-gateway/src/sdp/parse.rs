//! Reading session descriptions, as much as a G.711 call needs (RFC 4566 §5).

use std::net::IpAddr;

use super::SdpError;

/// Longest session description read, in octets.
pub const SDP_LENGTH_MAX: usize = 16_384;

/// Most lines read.
pub const LINES_MAX: usize = 512;

/// Most media descriptions read.
pub const MEDIA_MAX: usize = 16;

/// Most formats of a medium read; further ones are left out.
const FORMATS_MAX: usize = 64;

/// Who sends on a stream, as seen by the side that wrote it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    #[default]
    SendReceive,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    ReceiveOnly,
    /// Nobody.
    Inactive,
}

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Media in order.
    pub media: Vec<Stream>,
}

/// One medium with what the session level says for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `audio`, `video` ...
    pub kind: String,
    /// Port; 0 means refused or switched off.
    pub port: u16,
    /// `RTP/AVP` ...
    pub protocol: String,
    /// Formats, for RTP the payload types, in order of preference.
    pub formats: Vec<String>,
    /// Connection address; `None` when missing or a host name.
    pub address: Option<IpAddr>,
    /// Direction; [`Direction::SendReceive`] when none is written.
    pub direction: Direction,
    /// `a=rtpmap` lines.
    pub maps: Vec<PayloadMap>,
}

/// One `a=rtpmap` line (RFC 4566 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadMap {
    /// Payload type, 0..=127.
    pub payload: u8,
    /// Encoding name, upper case.
    pub encoding: String,
    /// Clock rate in Hz.
    pub clock_hz: u32,
}

impl Direction {
    /// What the other side writes in its answer (RFC 3264 §6.1).
    pub fn mirrored(self) -> Self {
        match self {
            Self::SendReceive => Self::SendReceive,
            Self::SendOnly => Self::ReceiveOnly,
            Self::ReceiveOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendReceive => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        match self {
            Self::SendReceive | Self::SendOnly => true,
            Self::ReceiveOnly | Self::Inactive => false,
        }
    }

    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        self.mirrored().sends()
    }

    fn parse(attribute: &str) -> Option<Self> {
        [Self::SendReceive, Self::SendOnly, Self::ReceiveOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str() == attribute)
    }
}

impl Session {
    /// Reads a description. Lenient: CRLF or LF, unknown lines and attributes skipped, an unfinished last line too.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > SDP_LENGTH_MAX {
            return Err(SdpError::TooLarge);
        }
        let mut lines =
            body.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        // RFC 4566 §5.1: version 0, and it comes first.
        if lines.next() != Some(b"v=0".as_slice()) {
            return Err(SdpError::Malformed);
        }
        let mut reader = Reader::default();
        for (count, line) in lines.enumerate() {
            if count == LINES_MAX {
                return Err(SdpError::TooLarge);
            }
            // Free text (s=, i=) may be in any charset; what is read here is ASCII.
            if let Some((kind, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once('='))
            {
                reader.line(kind.trim(), value.trim())?;
            }
        }
        Ok(Self { media: reader.media })
    }
}

#[derive(Default)]
struct Reader {
    address: Option<IpAddr>,
    direction: Direction,
    media: Vec<Stream>,
}

impl Reader {
    fn line(&mut self, kind: &str, value: &str) -> Result<(), SdpError> {
        match kind {
            "c" => {
                let address = connection(value);
                match self.media.last_mut() {
                    Some(stream) => stream.address = address,
                    None => self.address = address,
                }
            }
            "m" => {
                if self.media.len() == MEDIA_MAX {
                    return Err(SdpError::TooLarge);
                }
                let stream = self.medium(value).ok_or(SdpError::Malformed)?;
                self.media.push(stream);
            }
            "a" => self.attribute(value),
            _ => {}
        }
        Ok(())
    }

    /// `audio 49170 RTP/AVP 0 8 101`, taking over the session level's address and direction.
    fn medium(&self, value: &str) -> Option<Stream> {
        if !value.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ') {
            return None;
        }
        let mut words = value.split_ascii_whitespace();
        let kind = words.next()?.to_owned();
        // "49170/2" names two port pairs; the first is the one we'd use.
        let port = words.next()?.split('/').next()?.parse().ok()?;
        Some(Stream {
            kind,
            port,
            protocol: words.next()?.to_owned(),
            formats: words.take(FORMATS_MAX).map(str::to_owned).collect(),
            address: self.address,
            direction: self.direction,
            maps: Vec::new(),
        })
    }

    fn attribute(&mut self, value: &str) {
        if let Some(direction) = Direction::parse(value) {
            match self.media.last_mut() {
                Some(stream) => stream.direction = direction,
                None => self.direction = direction,
            }
        } else if let Some(map) = value.strip_prefix("rtpmap:").and_then(payload_map)
            && let Some(stream) = self.media.last_mut()
            && stream.maps.len() < FORMATS_MAX
        {
            stream.maps.push(map);
        }
    }
}

/// `IN IP4 192.0.2.1` or `IN IP4 233.252.0.1/127`; a host name gives `None`, for nothing is resolved here.
fn connection(value: &str) -> Option<IpAddr> {
    let mut words = value.split_ascii_whitespace();
    let (network, _family, address) = (words.next()?, words.next()?, words.next()?);
    if network != "IN" {
        return None;
    }
    address.split('/').next()?.parse().ok()
}

/// `101 telephone-event/8000`
fn payload_map(value: &str) -> Option<PayloadMap> {
    let (payload, encoding) = value.split_once(char::is_whitespace)?;
    let mut parts = encoding.trim().split('/');
    Some(PayloadMap {
        payload: payload.parse().ok().filter(|payload| *payload < 128)?,
        encoding: parts.next()?.to_ascii_uppercase(),
        clock_hz: parts.next()?.parse().ok()?,
    })
}
