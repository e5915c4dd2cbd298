//! SIP over WebSocket, our side (RFC 7118): the opening handshake, then one SIP message in each message. Octets in, octets
//! out; the connection below is somebody else's.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{ErrorResponse, Request, Response, create_response, write_response};
use tungstenite::http::{HeaderName, HeaderValue, StatusCode, header};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use crate::message::framer::MESSAGE_LENGTH_MAX;

/// Longest request of the opening handshake.
pub const OPENING_OCTETS_MAX: usize = 16 * 1024;
/// RFC 7118 §4.1.
const PROTOCOL: &str = "sip";
/// RFC 5626 §3.5.1, which RFC 7118 §6 allows here too.
const CRLF_PING: &[u8] = b"\r\n\r\n";
const CRLF_PONG: &str = "\r\n";
/// Octets that the library reads at once; each connection has a buffer of that.
const READ: usize = 4 * 1024;

/// Why a WebSocket ends.
#[derive(Debug, Error)]
pub(super) enum WebFault {
    /// The opening handshake was answered with a refusal.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// In order.
    #[error("closed by the peer")]
    Closed,
    /// Against RFC 6455, or too large.
    #[error("{0}")]
    Protocol(Box<tungstenite::Error>),
}

/// The web pages that may connect; `None` for all. Who comes without an Origin is no browser and may come: only browsers
/// can be trusted to say where they come from.
pub type Origins = Option<Arc<[String]>>;

/// One WebSocket.
pub(super) struct Web {
    state: State,
    origins: Origins,
}

enum State {
    Opening(BytesMut),
    Open(Box<WebSocket<Pipe>>),
}

/// What the library reads from and writes to.
#[derive(Default)]
struct Pipe {
    incoming: BytesMut,
    outgoing: BytesMut,
}

impl Web {
    pub(super) fn new(origins: Origins) -> Self {
        Self { state: State::Opening(BytesMut::new()), origins }
    }

    /// Whether the opening handshake is over.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes octets of the peer: whole SIP messages go to `each`, what is to be sent is added to `out`, also before an end.
    pub(super) fn receive(
        &mut self,
        octets: &[u8],
        out: &mut BytesMut,
        mut each: impl FnMut(Bytes),
    ) -> Result<(), WebFault> {
        match &mut self.state {
            State::Opening(request) => {
                request.extend_from_slice(octets);
                let Some(opened) = opening(request, self.origins.as_deref(), out)? else { return Ok(()) };
                out.extend_from_slice(&opened.response);
                let (pipe, config) = (Pipe::default(), Some(config()));
                let socket = WebSocket::from_partially_read(pipe, opened.rest, Role::Server, config);
                self.state = State::Open(Box::new(socket));
            }
            State::Open(socket) => socket.get_mut().incoming.extend_from_slice(octets),
        }
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        let result = read(socket, &mut each);
        out.extend_from_slice(&socket.get_mut().outgoing.split());
        result
    }

    /// Adds a message to what is to be sent; nothing goes before the handshake is over.
    pub(super) fn send(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), WebFault> {
        // RFC 7118 §4.2: text where it is UTF-8.
        self.write(
            out,
            match std::str::from_utf8(message) {
                Ok(text) => Message::text(text),
                Err(_) => Message::binary(Bytes::copy_from_slice(message)),
            },
        )
    }

    /// Adds a ping to what is to be sent; every client answers it (RFC 6455 §5.5.2).
    pub(super) fn ping(&mut self, out: &mut BytesMut) -> Result<(), WebFault> {
        self.write(out, Message::Ping(Bytes::new()))
    }

    fn write(&mut self, out: &mut BytesMut, message: Message) -> Result<(), WebFault> {
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        let result = socket.send(message).map_err(fault);
        out.extend_from_slice(&socket.get_mut().outgoing.split());
        result
    }
}

/// Reads what there is.
fn read(socket: &mut WebSocket<Pipe>, each: &mut impl FnMut(Bytes)) -> Result<(), WebFault> {
    // Ends: every message takes octets away, and without octets reading would block.
    loop {
        let bytes = match socket.read() {
            Ok(Message::Text(text)) => Bytes::from(text),
            Ok(Message::Binary(bytes)) => bytes,
            // The library has answered it already, or will with the next flush.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                socket.flush().map_err(fault)?;
                continue;
            }
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return socket.flush().map_err(fault);
            }
            Err(error) => return Err(fault(error)),
        };
        if bytes.as_ref() == CRLF_PING {
            socket.send(Message::text(CRLF_PONG)).map_err(fault)?;
        } else if !bytes.trim_ascii().is_empty() {
            each(bytes);
        }
    }
}

/// The end of an opening handshake.
struct Opened {
    /// To be sent.
    response: Vec<u8>,
    /// What came after the request.
    rest: Vec<u8>,
}

/// The answer to the opening request once it is whole. A refusal is added to `out`.
fn opening(
    request: &mut BytesMut,
    origins: Option<&[String]>,
    out: &mut BytesMut,
) -> Result<Option<Opened>, WebFault> {
    let mut refuse = |status: StatusCode, why: &'static str| {
        let mut response = ErrorResponse::new(None);
        *response.status_mut() = status;
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let mut text = Vec::new();
        // A Vec takes everything; a refusal that can't be written is none.
        if write_response(&mut text, &response).is_ok() {
            out.extend_from_slice(&text);
        }
        WebFault::Refused(why)
    };
    let (length, request_head) = match Request::try_parse(request) {
        Ok(Some(whole)) => whole,
        Ok(None) if request.len() > OPENING_OCTETS_MAX => {
            return Err(refuse(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the opening request is too long",
            ));
        }
        Ok(None) => return Ok(None),
        Err(_) => return Err(refuse(StatusCode::BAD_REQUEST, "no request of HTTP/1.1")),
    };
    let Ok(mut response) = create_response(&request_head) else {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, "no opening request of a WebSocket"));
    };
    if !names_sip(&request_head) {
        return Err(refuse(StatusCode::BAD_REQUEST, "the subprotocol sip is not asked for"));
    }
    if !is_welcome(&request_head, origins) {
        return Err(refuse(StatusCode::FORBIDDEN, "this Origin is not in ws_origins"));
    }
    let name = HeaderName::from_static("sec-websocket-protocol");
    response.headers_mut().insert(name, HeaderValue::from_static(PROTOCOL));
    let rest = request.split_off(length.min(request.len())).to_vec();
    Ok(Some(Opened { response: written(&response)?, rest }))
}

/// RFC 7118 §4.1: the client must offer it, and we must choose it.
fn names_sip(request: &Request) -> bool {
    let offered = request.headers().get_all("Sec-WebSocket-Protocol");
    let mut names = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    names.any(|name| name.trim().eq_ignore_ascii_case(PROTOCOL))
}

fn is_welcome(request: &Request, origins: Option<&[String]>) -> bool {
    let (Some(origins), Some(origin)) = (origins, request.headers().get(header::ORIGIN)) else { return true };
    // RFC 6454 §6.1: scheme and host are written in lower case.
    origin.to_str().is_ok_and(|origin| origins.iter().any(|known| known.eq_ignore_ascii_case(origin)))
}

fn written(response: &Response) -> Result<Vec<u8>, WebFault> {
    let mut text = Vec::new();
    write_response(&mut text, response).map_err(fault)?;
    Ok(text)
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_LENGTH_MAX))
        .max_frame_size(Some(MESSAGE_LENGTH_MAX))
}

fn fault(error: tungstenite::Error) -> WebFault {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => WebFault::Closed,
        error => WebFault::Protocol(Box::new(error)),
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.incoming.len());
        self.incoming.copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
