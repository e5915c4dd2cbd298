//! SDP as text: one audio stream of G.711 with telephone events (RFC 4566, RFC 3264, RFC 3551, RFC 4733).

use std::net::{IpAddr, SocketAddr};

/// PCMU's static payload type.
pub const PCMU: u8 = 0;
/// PCMA's static payload type.
pub const PCMA: u8 = 8;

/// What a peer's SDP says about its audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Where it wants RTP.
    pub address: SocketAddr,
    /// Payload types in its order of preference.
    pub payloads: Vec<u8>,
    /// Payload type of telephone-event, if offered.
    pub telephone_event: Option<u8>,
}

impl Audio {
    /// Reads the first audio stream; `None` when there is none, its port is 0 or its address is not an IP literal.
    pub fn read(body: &str) -> Option<Self> {
        let (mut session_address, mut audio_address) = (None, None);
        let (mut port, mut payloads, mut telephone_event, mut inside) = (0_u16, Vec::new(), None, false);
        for line in body.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                if inside {
                    break;
                }
                let Some(rest) = media.strip_prefix("audio ") else { continue };
                inside = true;
                let mut words = rest.split_whitespace();
                port = words.next()?.parse().ok()?;
                payloads = words.skip(1).filter_map(|word| word.parse().ok()).collect();
            } else if let Some(connection) = line.strip_prefix("c=") {
                let address: Option<IpAddr> = connection
                    .split_whitespace()
                    .nth(2)
                    .and_then(|word| word.split('/').next()?.parse().ok());
                if inside {
                    audio_address = address;
                } else {
                    session_address = address;
                }
            } else if inside && line.to_ascii_lowercase().contains("telephone-event/8000") {
                telephone_event =
                    line.strip_prefix("a=rtpmap:").and_then(|rest| rest.split(' ').next()?.parse().ok());
            }
        }
        let ip = audio_address.or(session_address)?;
        (inside && port != 0).then(|| Self { address: SocketAddr::new(ip, port), payloads, telephone_event })
    }

    /// `preferred` if the peer takes it, else the other G.711 law if the peer takes that.
    pub fn choose(&self, preferred: u8) -> Option<u8> {
        [preferred, PCMU, PCMA].into_iter().find(|payload| self.payloads.contains(payload))
    }
}

/// Writes SDP with one law, and telephone events when the peer has them.
pub fn write(local: SocketAddr, payload: u8, telephone_event: Option<u8>, session: u64) -> String {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port) = (local.ip(), local.port());
    let name = if payload == PCMA { "PCMA" } else { "PCMU" };
    let (list, events) = match telephone_event {
        Some(event) => (
            format!("{payload} {event}"),
            format!("a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-16\r\n"),
        ),
        None => (payload.to_string(), String::new()),
    };
    format!(
        "v=0\r\no=party {session} {session} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP \
         {list}\r\na=rtpmap:{payload} {name}/8000\r\n{events}a=ptime:20\r\na=sendrecv\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let local: SocketAddr = "127.0.0.1:4000".parse().expect("address");
        let audio = Audio::read(&write(local, PCMA, Some(96), 3)).expect("audio");
        assert_eq!(audio, Audio { address: local, payloads: vec![PCMA, 96], telephone_event: Some(96) });
        assert_eq!(audio.choose(PCMU), Some(PCMA));
    }

    #[test]
    fn media_address_wins_and_other_streams_are_passed_over() {
        let body = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=video 9 RTP/AVP 31\r\nc=IN IP4 10.0.0.2\r\nm=audio 4002 RTP/AVP 0 8\r\n\
                    c=IN IP4 10.0.0.3\r\nm=audio 5 RTP/AVP 0\r\n";
        let audio = Audio::read(body).expect("audio");
        assert_eq!(audio.address.to_string(), "10.0.0.3:4002");
        assert_eq!(audio.choose(PCMA), Some(PCMA));
        assert_eq!(audio.telephone_event, None);
    }

    #[test]
    fn refused_and_broken_streams_are_none() {
        assert_eq!(Audio::read("c=IN IP4 10.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n"), None);
        assert_eq!(Audio::read("c=IN IP4 example\r\nm=audio 4 RTP/AVP 0\r\n"), None);
        assert_eq!(Audio::read(""), None);
        let none = Audio::read("c=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 9\r\n").expect("audio");
        assert_eq!(none.choose(PCMU), None);
    }
}
