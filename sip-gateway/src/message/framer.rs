//! Messages out of a stream: each ends where its Content-Length says (RFC 3261 §18.3).
//!
//! Between messages may stand line ends: two are a ping of RFC 5626 §3.5.1, which is answered with one; a single one is the
//! answer to a ping of ours. Once a stream can't be cut any more there is no way back into step, so it has to be closed.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::DATAGRAM_LENGTH_MAX;

/// Longest message with its body: as over UDP, which no message of a call comes near.
pub const MESSAGE_LENGTH_MAX: usize = DATAGRAM_LENGTH_MAX;

const PING: &[u8] = b"\r\n\r\n";

/// What a stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message, not read yet.
    Message(Bytes),
    /// A ping: answer with CRLF.
    Ping,
}

/// Why a stream can't be cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A message without end.
    #[error("message is longer than {MESSAGE_LENGTH_MAX} octets")]
    Long,
    /// RFC 3261 §20.14: streams must have it.
    #[error("Content-Length is missing")]
    NoLength,
    /// No number, or two that differ.
    #[error("Content-Length is no length")]
    Length,
}

/// What has come of a stream and is not taken yet; never more than one message and what was read with its end.
#[derive(Debug, Default)]
pub struct Framer {
    waiting: BytesMut,
    /// So much of it was looked through for the end of the header.
    searched: usize,
}

impl Framer {
    /// Takes octets as they came.
    pub fn push(&mut self, octets: &[u8]) {
        self.waiting.extend_from_slice(octets);
    }

    /// The next frame, or `None` when more octets must come first.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        // RFC 3261 §7.5: line ends before a message are passed over.
        while self.searched == 0 && self.waiting.first() == Some(&b'\r') {
            if self.waiting.starts_with(PING) {
                let _ = self.waiting.split_to(PING.len());
                return Ok(Some(Frame::Ping));
            }
            // Perhaps the first part of a ping.
            if PING.starts_with(&self.waiting) {
                return Ok(None);
            }
            if !self.waiting.starts_with(b"\r\n") {
                break;
            }
            let _ = self.waiting.split_to(2);
        }
        let Some(header) = self.header_length() else {
            return if self.waiting.len() > MESSAGE_LENGTH_MAX { Err(FrameError::Long) } else { Ok(None) };
        };
        let length = header
            .checked_add(content_length(self.waiting.get(..header).unwrap_or_default())?)
            .filter(|length| *length <= MESSAGE_LENGTH_MAX)
            .ok_or(FrameError::Long)?;
        if self.waiting.len() < length {
            return Ok(None);
        }
        self.searched = 0;
        Ok(Some(Frame::Message(self.waiting.split_to(length).freeze())))
    }

    /// Length of the start line and headers with the empty line behind them.
    fn header_length(&mut self) -> Option<usize> {
        const END: &[u8] = b"\r\n\r\n";
        // The end may have begun in what was looked through before.
        let from = self.searched.saturating_sub(END.len() - 1);
        let found = self.waiting.get(from..)?.windows(END.len()).position(|window| window == END);
        match found {
            Some(at) => {
                self.searched = from + at;
                Some(from + at + END.len())
            }
            None => {
                self.searched = self.waiting.len();
                None
            }
        }
    }
}

/// Content-Length of a header section, in its long or compact form (RFC 3261 §7.3.3).
fn content_length(header: &[u8]) -> Result<usize, FrameError> {
    let mut found = None;
    for line in header.split(|octet| *octet == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let digits = !value.is_empty() && value.len() <= 9 && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits).ok_or(FrameError::Length)?;
        let length: usize = text.parse().map_err(|_| FrameError::Length)?;
        if found.is_some_and(|known| known != length) {
            return Err(FrameError::Length);
        }
        found = Some(length);
    }
    found.ok_or(FrameError::NoLength)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(body: &str) -> String {
        format!("MESSAGE sip:a@192.0.2.1 SIP/2.0\r\nCall-ID: 1\r\nl : {}\r\n\r\n{body}", body.len())
    }

    fn all(framer: &mut Framer) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        while let Some(frame) = framer.take()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn of(text: &str) -> Result<Vec<Frame>, FrameError> {
        let mut framer = Framer::default();
        framer.push(text.as_bytes());
        all(&mut framer)
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_messages_are_the_same(
            bodies in prop::collection::vec("[ -~\r\n]{0,60}", 1..6),
            pings in prop::collection::vec(any::<bool>(), 6),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let mut stream = String::new();
            let mut expected = Vec::new();
            for (body, ping) in bodies.iter().zip(&pings) {
                if *ping {
                    stream.push_str("\r\n\r\n");
                    expected.push(Frame::Ping);
                }
                stream.push_str(&message(body));
                expected.push(Frame::Message(message(body).into()));
            }
            let mut framer = Framer::default();
            let mut found = Vec::new();
            let (mut rest, mut cuts) = (stream.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                framer.push(now);
                found.extend(all(&mut framer).unwrap());
                rest = later;
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn garbage_never_panics_and_never_grows(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut framer = Framer::default();
            for part in octets.chunks(7) {
                framer.push(part);
                if all(&mut framer).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn line_ends_between_messages_are_passed_over() {
        let text = format!("\r\n{}", message("x"));
        assert_eq!(of(&text), Ok(vec![Frame::Message(message("x").into())]));
        assert_eq!(of("\r\n"), Ok(vec![]), "perhaps the first half of a ping");
        assert_eq!(of("\r\n\r\n\r\n\r\n"), Ok(vec![Frame::Ping, Frame::Ping]));
    }

    #[test]
    fn what_can_t_be_cut_is_an_error() {
        let with = |length: &str| of(&format!("MESSAGE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n{length}\r\n"));
        assert_eq!(with(""), Err(FrameError::NoLength));
        for wrong in ["-1", "", "1 2", "99999999999999999999", "0x10"] {
            assert_eq!(with(&format!("Content-Length: {wrong}\r\n")), Err(FrameError::Length), "{wrong}");
        }
        assert_eq!(with("Content-Length: 70000\r\n"), Err(FrameError::Long));
        assert_eq!(with("Content-Length: 1\r\nl: 2\r\n"), Err(FrameError::Length));
        assert!(with("Content-Length: 0\r\nl: 0\r\n").is_ok());
        assert_eq!(of(&"x".repeat(MESSAGE_LENGTH_MAX + 1)), Err(FrameError::Long));
    }
}
