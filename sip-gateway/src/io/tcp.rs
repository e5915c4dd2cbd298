//! SIP over TCP: one listener, and the connections that peers open to it or that we open from it (RFC 3261 §18).
//!
//! A connection is known by the peer's address. Messages to an address go over the connection that is there, whoever opened it;
//! where there is none one is opened. Everything has a limit: connections in all and by host, octets that wait to be
//! sent, and the time in which a new connection must bring its first message.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::udp::{BindError, Drained};
use crate::message::framer::{Frame, Framer};

/// Most connections of one listener.
pub const CONNECTIONS_MAX: usize = 12_000;
/// Most connections that one host may have opened to us: a whole call centre may sit behind one address.
pub const CONNECTIONS_PER_HOST_MAX: usize = 2_000;
/// Octets that wait to be sent; a peer that reads more slowly is cut off.
pub const UNSENT_MAX: usize = 1 << 20;
/// A connection that was opened to us and brings no message so long is closed.
pub const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(30);
/// A connection over which nothing comes so long is closed: longer than registrations last.
pub const IDLE_MAX: Duration = Duration::from_secs(3 * 3600);
/// Octets read at once.
const READ: usize = 16 * 1024;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;
const PONG: &[u8] = b"\r\n";

/// What connections brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// One message.
    Message {
        /// As it came.
        bytes: Bytes,
        /// The peer of the connection.
        from: SocketAddr,
    },
    /// The peer closed the connection in order.
    Closed {
        /// The peer.
        to: SocketAddr,
    },
    /// The connection could not be opened, broke, or was closed for what it brought.
    Failed {
        /// The peer.
        to: SocketAddr,
    },
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Failed,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    /// Whether the peer opened it.
    accepted: bool,
    /// Whether it is up; ours take a moment.
    open: bool,
    framer: Framer,
    unsent: BytesMut,
    /// Closed unless something comes until then.
    due: Duration,
}

/// A listener and its connections.
#[derive(Debug)]
pub struct SipStreams {
    listener: TcpListener,
    local: SocketAddr,
    /// Token of the listener; those of connections follow it.
    token: usize,
    registry: Registry,
    next: usize,
    connections: BTreeMap<usize, Connection>,
    peers: BTreeMap<SocketAddr, usize>,
    hosts: BTreeMap<IpAddr, usize>,
    /// Connections with something to read or to send.
    ready: BTreeSet<usize>,
    accepts: bool,
    ended: Vec<(SocketAddr, End)>,
    buffer: Vec<u8>,
}

impl SipStreams {
    /// Binds and registers with `registry`, with `first` and the tokens after it for itself: `tokens` in all. Port 0 asks
    /// the system for a free one.
    pub fn bind(address: SocketAddr, registry: &Registry, first: Token) -> Result<Self, BindError> {
        let bound = || -> io::Result<_> {
            let kind = Type::STREAM.nonblocking();
            let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            // A restart must not wait for connections of the process before.
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let mut listener = TcpListener::from_std(socket.into());
            registry.register(&mut listener, first, Interest::READABLE)?;
            let local = listener.local_addr()?;
            Ok((listener, local, registry.try_clone()?))
        };
        let (listener, local, registry) = bound().map_err(|error| BindError { address, error })?;
        Ok(Self {
            listener,
            local,
            token: first.0,
            registry,
            next: first.0 + 1,
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            hosts: BTreeMap::new(),
            ready: BTreeSet::new(),
            accepts: true,
            ended: Vec::new(),
            buffer: vec![0; READ],
        })
    }

    /// The address it is bound to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Connections that are up or being opened.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes note that the poll told of this token, if it is one of ours.
    pub fn wake(&mut self, token: Token) {
        if token.0 == self.token {
            self.accepts = true;
        } else if self.connections.contains_key(&token.0) {
            self.ready.insert(token.0);
        }
    }

    /// Sends a message to `to`, over the connection there is or a new one. What can't be sent ends as
    /// [`Received::Failed`].
    pub fn send(&mut self, bytes: &[u8], to: SocketAddr, now: Duration) {
        let place = match self.peers.get(&to) {
            Some(place) => *place,
            None => match self.connect(to, now) {
                Ok(place) => place,
                Err(error) => {
                    tracing::debug!(%error, "no connection");
                    self.ended.push((to, End::Failed));
                    return;
                }
            },
        };
        let Some(connection) = self.connections.get_mut(&place) else { return };
        if connection.unsent.len().saturating_add(bytes.len()) > UNSENT_MAX {
            return self.end(place, End::Failed);
        }
        connection.unsent.extend_from_slice(bytes);
        self.flush(place);
    }

    /// Gives what came to `each`, reading up to `budget` times.
    pub fn receive(&mut self, budget: usize, now: Duration, mut each: impl FnMut(Received)) -> Drained {
        let mut left = budget;
        if self.accepts {
            self.accept(now);
        }
        while let Some(place) = self.ready.pop_first() {
            if left == 0 {
                self.ready.insert(place);
                break;
            }
            left -= 1;
            self.flush(place);
            if self.read(place, now, &mut each) {
                self.ready.insert(place);
            }
        }
        for (to, end) in self.ended.drain(..) {
            each(match end {
                End::Closed => Received::Closed { to },
                End::Failed => Received::Failed { to },
            });
        }
        if self.ready.is_empty() && !self.accepts { Drained::Empty } else { Drained::MayHoldMore }
    }

    /// Closes connections over which nothing came for too long. Cheap; call it now and then.
    pub fn sweep(&mut self, now: Duration) {
        let over: Vec<usize> =
            self.connections.iter().filter(|(_, it)| it.due <= now).map(|(place, _)| *place).collect();
        over.into_iter().for_each(|place| self.end(place, End::Closed));
    }

    fn accept(&mut self, now: Duration) {
        // Ends: a turn takes so many at most, the others wait for the next.
        for _ in 0..BACKLOG {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    let by_host = self.hosts.get(&peer.ip()).copied().unwrap_or_default();
                    let full =
                        self.connections.len() >= CONNECTIONS_MAX || by_host >= CONNECTIONS_PER_HOST_MAX;
                    if full || self.peers.contains_key(&peer) {
                        tracing::debug!("a connection too many is refused");
                        continue;
                    }
                    if let Err(error) = self.insert(stream, peer, true, now) {
                        tracing::debug!(%error, "a connection could not be taken");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accepts = false;
                    return;
                }
                // The peer left before, or no file is free: told again by the next connection at the latest.
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    self.accepts = false;
                    return;
                }
            }
        }
    }

    fn connect(&mut self, to: SocketAddr, now: Duration) -> io::Result<usize> {
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(io::Error::other("too many connections"));
        }
        let stream = TcpStream::connect(to)?;
        self.insert(stream, to, false, now)
    }

    fn insert(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        accepted: bool,
        now: Duration,
    ) -> io::Result<usize> {
        let place = self.next;
        self.registry.register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        // Small messages that are answered one by one: waiting for more to send only costs time.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small messages may wait");
        }
        self.next += 1;
        let due = now.saturating_add(if accepted { FIRST_MESSAGE_MAX } else { IDLE_MAX });
        let connection = Connection {
            stream,
            peer,
            accepted,
            open: accepted,
            framer: Framer::default(),
            unsent: BytesMut::new(),
            due,
        };
        self.connections.insert(place, connection);
        self.peers.insert(peer, place);
        if accepted {
            *self.hosts.entry(peer.ip()).or_default() += 1;
        }
        self.ready.insert(place);
        Ok(place)
    }

    /// Sends what waits, as far as the peer takes it.
    fn flush(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(&place) else { return };
        if !connection.open {
            match connection.stream.take_error() {
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return self.end(place, End::Failed),
            }
            // The system's way to say that the connection is up: the peer has an address.
            if connection.stream.peer_addr().is_err() {
                return;
            }
            connection.open = true;
        }
        while !connection.unsent.is_empty() {
            match connection.stream.write(&connection.unsent) {
                Ok(0) => return self.end(place, End::Failed),
                Ok(sent) => connection.unsent.advance(sent.min(connection.unsent.len())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.end(place, End::Failed),
            }
        }
    }

    /// Reads once; whether there may be more.
    fn read(&mut self, place: usize, now: Duration, each: &mut impl FnMut(Received)) -> bool {
        let Some(connection) = self.connections.get_mut(&place).filter(|it| it.open) else { return false };
        let length = match connection.stream.read(&mut self.buffer) {
            Ok(0) => {
                self.end(place, End::Closed);
                return false;
            }
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(_) => {
                self.end(place, End::Failed);
                return false;
            }
        };
        connection.framer.push(self.buffer.get(..length).unwrap_or_default());
        // Ends: every frame takes octets away.
        loop {
            match connection.framer.take() {
                Ok(Some(Frame::Message(bytes))) => {
                    connection.due = now.saturating_add(IDLE_MAX);
                    each(Received::Message { bytes, from: connection.peer });
                }
                Ok(Some(Frame::Ping)) => {
                    if connection.unsent.len() + PONG.len() <= UNSENT_MAX {
                        connection.unsent.extend_from_slice(PONG);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "a stream can't be cut into messages and is closed");
                    self.end(place, End::Failed);
                    return false;
                }
            }
        }
        self.flush(place);
        true
    }

    fn end(&mut self, place: usize, end: End) {
        let Some(mut connection) = self.connections.remove(&place) else { return };
        if let Err(error) = self.registry.deregister(&mut connection.stream) {
            tracing::debug!(%error, "a closed connection could not be deregistered");
        }
        self.ready.remove(&place);
        self.peers.remove(&connection.peer);
        if connection.accepted
            && let Some(count) = self.hosts.get_mut(&connection.peer.ip())
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.hosts.remove(&connection.peer.ip());
            }
        }
        let end = if connection.unsent.is_empty() { end } else { End::Failed };
        self.ended.push((connection.peer, end));
    }
}

#[cfg(test)]
mod tests;
