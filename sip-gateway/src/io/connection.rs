//! One connection: octets in and out, through TLS where it has it, and cut into messages.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mio::net::TcpStream;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::websocket::{Web, WebFault};
use crate::message::framer::{Frame, FrameError, Framer};

/// Octets that wait to be sent; a peer that reads more slowly is cut off.
pub const UNSENT_MAX: usize = 1 << 20;
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// Why a connection ends.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("closed by the peer")]
    Closed,
    #[error("nothing came for too long")]
    Idle,
    #[error("it could not be opened in time")]
    Late,
    #[error("a ping was not answered")]
    Deaf,
    #[error("the peer takes nothing")]
    Slow,
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Web(WebFault),
}

impl From<WebFault> for Fault {
    fn from(fault: WebFault) -> Self {
        match fault {
            WebFault::Closed => Self::Closed,
            WebFault::Refused(_) | WebFault::Protocol(_) => Self::Web(fault),
        }
    }
}

/// What protects the octets.
#[derive(Debug)]
pub(super) enum Layer {
    Plain,
    /// Boxed: it is large, and most connections have none.
    Tls(Box<rustls::Connection>),
}

/// How octets become messages.
#[derive(Debug)]
pub(super) enum Speech {
    /// One message after the other, each as long as it says.
    Sip(Framer),
    /// Messages in those of a WebSocket.
    Web(Box<Web>),
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Whether the peer opened it.
    pub(super) accepted: bool,
    /// Closed unless something comes until then.
    pub(super) due: Duration,
    /// When something last came, or it began.
    pub(super) heard: Duration,
    /// When our ping left that nothing has come after.
    pub(super) pinged: Option<Duration>,
    /// Whether the system has connected it; ours take a moment.
    connected: bool,
    /// Whether the layer below is up.
    secured: bool,
    /// Whether that is known to whoever looks after it.
    up: bool,
    layer: Layer,
    speech: Speech,
    unsent: BytesMut,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        accepted: bool,
        (layer, speech): (Layer, Speech),
        (now, due): (Duration, Duration),
    ) -> Self {
        let secured = accepted && matches!(layer, Layer::Plain);
        Self {
            stream,
            peer,
            accepted,
            due,
            heard: now,
            pinged: None,
            connected: accepted,
            secured,
            up: false,
            layer,
            speech,
            unsent: BytesMut::new(),
        }
    }

    /// Whether messages can go over it.
    pub(super) fn is_ready(&self) -> bool {
        self.secured
            && match &self.speech {
                Speech::Sip(_) => true,
                Speech::Web(web) => web.is_open(),
            }
    }

    /// Notes that it is known to be ready; whether it was known before.
    pub(super) fn set_up(&mut self) -> bool {
        std::mem::replace(&mut self.up, true)
    }

    /// Whether it is known to be ready.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// Whether something was given to be sent that the system has not taken.
    pub(super) fn has_unsent(&self) -> bool {
        match &self.layer {
            Layer::Plain => !self.unsent.is_empty(),
            Layer::Tls(tls) => !self.unsent.is_empty() || !self.secured || tls.wants_write(),
        }
    }

    /// The certificate that the peer has proven to be its own; known once the connection is ready.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'_>> {
        match &self.layer {
            Layer::Plain => None,
            Layer::Tls(tls) => tls.peer_certificates()?.first(),
        }
    }

    /// Has a message sent as soon as that is possible.
    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        if self.unsent.len().saturating_add(message.len()) > UNSENT_MAX {
            return Err(Fault::Slow);
        }
        match &mut self.speech {
            Speech::Sip(_) => self.unsent.extend_from_slice(message),
            Speech::Web(web) => web.send(message, &mut self.unsent)?,
        }
        self.flush()
    }

    /// Asks the peer for a sign of life (RFC 5626 §4.4.1, RFC 7118 §6).
    pub(super) fn ping(&mut self) -> Result<(), Fault> {
        match &mut self.speech {
            Speech::Sip(_) => self.unsent.extend_from_slice(PING),
            Speech::Web(web) => web.ping(&mut self.unsent)?,
        }
        self.flush()
    }

    /// Whether we look after it: we opened it, or the peer is behind a browser, which doesn't.
    pub(super) fn is_ours_to_keep(&self) -> bool {
        self.is_ready()
            && match &self.speech {
                Speech::Sip(_) => !self.accepted,
                Speech::Web(_) => true,
            }
    }

    /// Sends what waits, as far as the peer takes it.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        if !self.is_connected()? {
            return Ok(());
        }
        // Ends: each round hands octets on, and `unsent` and the layer's own buffers are bounded.
        loop {
            let sent = match &mut self.layer {
                Layer::Plain if self.unsent.is_empty() => return Ok(()),
                Layer::Plain => self.stream.write(&self.unsent).inspect(|sent| {
                    self.unsent.advance((*sent).min(self.unsent.len()));
                }),
                Layer::Tls(tls) => {
                    if !self.unsent.is_empty() {
                        let taken = tls.writer().write(&self.unsent)?;
                        self.unsent.advance(taken.min(self.unsent.len()));
                    }
                    if !tls.wants_write() {
                        return Ok(());
                    }
                    tls.write_tls(&mut self.stream)
                }
            };
            match sent {
                Ok(0) => return Err(Fault::Slow),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads once and gives whole messages to `each`; whether there may be more.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut each: impl FnMut(Bytes)) -> Result<bool, Fault> {
        if !self.connected {
            return Ok(false);
        }
        let Some(length) = self.read_octets(buffer)? else {
            self.flush()?;
            return Ok(false);
        };
        let octets = buffer.get(..length).unwrap_or_default();
        match &mut self.speech {
            Speech::Sip(framer) => {
                framer.push(octets);
                // Ends: every frame takes octets away.
                while let Some(frame) = framer.take()? {
                    match frame {
                        Frame::Message(bytes) => each(bytes),
                        // RFC 5626 §3.5.1.
                        Frame::Ping => self.unsent.extend_from_slice(PONG),
                    }
                }
            }
            Speech::Web(web) => {
                if let Err(fault) = web.receive(octets, &mut self.unsent, each) {
                    // The peer is told why; what it doesn't take now it won't.
                    self.flush()?;
                    return Err(fault.into());
                }
            }
        }
        // What was asked for at once is answered at once, up to a limit.
        if self.unsent.len() > UNSENT_MAX {
            return Err(Fault::Slow);
        }
        self.flush()?;
        Ok(true)
    }

    /// Says goodbye where that has a form. Nobody could do anything about a failure.
    pub(super) fn leave(&mut self) {
        if let Layer::Tls(tls) = &mut self.layer {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.stream);
        }
    }

    /// Octets of the peer in `buffer`; `None` when there are none yet.
    fn read_octets(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Fault> {
        // Ends: every round takes octets from the system, which has so many at once, or returns.
        loop {
            let read = match &mut self.layer {
                Layer::Plain => self.stream.read(buffer),
                Layer::Tls(tls) => match tls.reader().read(buffer) {
                    // Something of TLS itself may stand before what it carries.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        match tls.read_tls(&mut self.stream) {
                            Ok(0) if tls.is_handshaking() => return Err(Fault::Closed),
                            Ok(_) => {
                                if let Err(error) = tls.process_new_packets() {
                                    // The peer is told why.
                                    let _ = tls.write_tls(&mut self.stream);
                                    return Err(error.into());
                                }
                                self.secured = !tls.is_handshaking();
                                continue;
                            }
                            Err(error) => Err(error),
                        }
                    }
                    // Some leave without goodbye; a message cut off by that is dropped by the framer.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                    read => read,
                },
            };
            match read {
                Ok(0) => return Err(Fault::Closed),
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_connected(&mut self) -> Result<bool, Fault> {
        if self.connected {
            return Ok(true);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        // The system's way to say that the connection is up: the peer has an address.
        self.connected = self.stream.peer_addr().is_ok();
        self.secured = self.connected && matches!(self.layer, Layer::Plain);
        Ok(self.connected)
    }
}
