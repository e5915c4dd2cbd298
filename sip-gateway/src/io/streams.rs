//! SIP over connections: one listener, and the connections that peers open to it or that we open from it (RFC 3261 §18).
//!
//! A connection is known by the peer's address. Messages to an address go over the connection that is there, whoever opened it;
//! where there is none one is opened. Everything has a limit: connections in all and by host, octets that wait to be
//! sent, and the times in which a connection must be up and a peer's must bring its first message.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{Connection, Fault, Layer, Speech};
use super::tls::Security;
use super::udp::{BindError, Drained};
use super::websocket::{Origins, Web};
use crate::message::framer::Framer;
use crate::transport::{Local, Transport};

/// Most connections of one listener.
pub const CONNECTIONS_MAX: usize = 12_000;
/// Most connections that one host may have opened to us: a whole call centre may sit behind one address.
pub const CONNECTIONS_PER_HOST_MAX: usize = 2_000;
/// A connection that is not up so long after it began is closed: the other side may take its time to say nothing.
pub const OPENING_MAX: Duration = Duration::from_secs(5);
/// A connection that was opened to us and brings no message so long is closed.
pub const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(30);
/// A connection over which nothing comes so long is closed: longer than registrations last.
pub const IDLE_MAX: Duration = Duration::from_secs(3 * 3600);
/// A ping of ours that nothing came after for so long: the connection is dead (RFC 5626 §4.4.1).
pub const PONG_MAX: Duration = Duration::from_secs(10);
/// Octets read at once.
const READ: usize = 16 * 1024;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;
/// Peers of whom is remembered what was last told about them.
const TOLD_MAX: usize = 1_000;

/// What a listener needs to know.
#[derive(Debug)]
pub struct StreamOptions {
    /// Where it listens, and what is spoken there.
    pub local: Local,
    /// Certificates; without them octets go as they are.
    pub security: Option<Security>,
    /// Web pages that may connect, for WebSocket.
    pub origins: Origins,
    /// How long a connection that we opened, or a WebSocket, is left in silence before we ping; `None`: always.
    pub keep_alive: Option<Duration>,
}

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
    /// Who opened the connection has proven by its certificate that it is the trunk of this name; holds until the connection is gone.
    Proven {
        /// The peer.
        from: SocketAddr,
        /// Name of the trunk's certificate.
        name: String,
    },
    /// The connection could not be opened, broke, or was closed for what it brought.
    Failed {
        /// The peer.
        to: SocketAddr,
    },
}

/// A listener and its connections.
#[derive(Debug)]
pub struct SipStreams {
    listener: TcpListener,
    local: Local,
    security: Option<Security>,
    origins: Origins,
    keep_alive: Option<Duration>,
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
    /// To be told by the next [`SipStreams::receive`].
    news: Vec<Received>,
    /// What was last said about peers that can't be connected to.
    told: BTreeMap<SocketAddr, String>,
    buffer: Vec<u8>,
}

impl SipStreams {
    /// Binds and registers with `registry`, with `first` and the tokens after it for itself: `tokens` in all. Port 0 asks
    /// the system for a free one.
    pub fn bind(options: StreamOptions, registry: &Registry, first: Token) -> Result<Self, BindError> {
        let StreamOptions { local, security, origins, keep_alive } = options;
        let address = local.address;
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
            let address = listener.local_addr()?;
            Ok((listener, address, registry.try_clone()?))
        };
        let (listener, address, registry) = bound().map_err(|error| BindError { local, error })?;
        Ok(Self {
            listener,
            local: Local { address, ..local },
            security,
            origins,
            keep_alive,
            token: first.0,
            registry,
            next: first.0 + 1,
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            hosts: BTreeMap::new(),
            ready: BTreeSet::new(),
            accepts: true,
            news: Vec::new(),
            told: BTreeMap::new(),
            buffer: vec![0; READ],
        })
    }

    /// The address it is bound to.
    pub fn local(&self) -> Local {
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
                    self.news.push(Received::Failed { to });
                    return;
                }
            },
        };
        let Some(connection) = self.connections.get_mut(&place) else { return };
        if let Err(fault) = connection.send(bytes) {
            self.end(place, &fault);
        }
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
            match self.read(place, now, &mut each) {
                Ok(true) => {
                    self.ready.insert(place);
                }
                Ok(false) => {}
                Err(fault) => self.end(place, &fault),
            }
        }
        self.news.drain(..).for_each(each);
        if self.ready.is_empty() && !self.accepts { Drained::Empty } else { Drained::MayHoldMore }
    }

    /// A trunk is at these addresses from now on: its certificate is expected there.
    pub fn follow(&mut self, trunk: &str, addresses: &[SocketAddr]) {
        if let Some(security) = &mut self.security {
            security.follow(trunk, addresses);
        }
    }

    /// Closes connections over which nothing came for too long, and takes over a new certificate. Cheap; call it now and
    /// then.
    pub fn sweep(&mut self, now: Duration) {
        let over: Vec<usize> =
            self.connections.iter().filter(|(_, it)| it.due <= now).map(|(place, _)| *place).collect();
        for place in over {
            let ready = self.connections.get(&place).is_some_and(Connection::is_ready);
            self.end(place, if ready { &Fault::Idle } else { &Fault::Late });
        }
        if let Some(interval) = self.keep_alive {
            self.keep_alive(interval, now);
        }
        if let Some(security) = &mut self.security {
            security.look_again(now);
        }
    }

    /// Pings where nothing came for `interval`, and closes where a ping was not answered.
    fn keep_alive(&mut self, interval: Duration, now: Duration) {
        let mut over = Vec::new();
        for (place, connection) in self.connections.iter_mut().filter(|(_, it)| it.is_ours_to_keep()) {
            match connection.pinged {
                Some(at) if now >= at.saturating_add(PONG_MAX) => over.push((*place, Fault::Deaf)),
                Some(_) => {}
                None if now >= connection.heard.saturating_add(spread(interval, connection.peer)) => {
                    connection.pinged = Some(now);
                    if let Err(fault) = connection.ping() {
                        over.push((*place, fault));
                    }
                }
                None => {}
            }
        }
        over.iter().for_each(|(place, fault)| self.end(*place, fault));
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
                    let layer = self.layer(Security::accepted);
                    let taken = layer.and_then(|layer| self.insert(stream, peer, true, layer, now));
                    if let Err(error) = taken {
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
        // RFC 7118 §5.5: a browser can't be connected to.
        if !self.local.transport.is_opened_by_us() {
            return Err(io::Error::other("its WebSocket is closed"));
        }
        let layer = self.layer(|security| security.opened(to))?;
        self.insert(TcpStream::connect(to)?, to, false, layer, now)
    }

    fn insert(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        accepted: bool,
        layer: Layer,
        now: Duration,
    ) -> io::Result<usize> {
        let place = self.next;
        self.registry.register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        // Small messages that are answered one by one: waiting for more to send only costs time.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small messages may wait");
        }
        self.next += 1;
        let due = now.saturating_add(OPENING_MAX);
        let connection = Connection::new(stream, peer, accepted, (layer, self.speech()), (now, due));
        self.connections.insert(place, connection);
        self.peers.insert(peer, place);
        if accepted {
            *self.hosts.entry(peer.ip()).or_default() += 1;
        }
        self.ready.insert(place);
        Ok(place)
    }

    fn speech(&self) -> Speech {
        match self.local.transport {
            Transport::Udp | Transport::Tcp | Transport::Tls => Speech::Sip(Framer::default()),
            Transport::Ws | Transport::Wss => Speech::Web(Box::new(Web::new(self.origins.clone()))),
        }
    }

    fn layer(&self, tls: impl FnOnce(&Security) -> io::Result<rustls::Connection>) -> io::Result<Layer> {
        match &self.security {
            None => Ok(Layer::Plain),
            Some(security) => Ok(Layer::Tls(Box::new(tls(security)?))),
        }
    }

    /// Sends what waits and reads once; whether there may be more to read.
    fn read(&mut self, place: usize, now: Duration, each: &mut impl FnMut(Received)) -> Result<bool, Fault> {
        let Some(connection) = self.connections.get_mut(&place) else { return Ok(false) };
        let (from, was_ready) = (connection.peer, connection.is_ready());
        connection.flush()?;
        let mut came = false;
        let mut early = Vec::new();
        let result = connection.read(&mut self.buffer, |bytes| {
            came = true;
            let message = Received::Message { bytes, from };
            if was_ready { each(message) } else { early.push(message) }
        });
        if matches!(result, Ok(true)) {
            // Whatever it is, it is as good as a pong.
            (connection.heard, connection.pinged) = (now, None);
        }
        if came {
            connection.due = now.saturating_add(IDLE_MAX);
        } else if connection.is_ready() && !connection.is_up() {
            connection.due =
                now.saturating_add(if connection.accepted { FIRST_MESSAGE_MAX } else { IDLE_MAX });
        }
        if connection.is_ready() && !connection.set_up() {
            self.told.remove(&from);
            if connection.accepted
                && let (Some(security), Some(certificate)) = (&self.security, connection.certificate())
            {
                security
                    .names_of(certificate)
                    .into_iter()
                    .for_each(|name| each(Received::Proven { from, name }));
            }
        }
        // Who somebody is must be known before what they say.
        early.into_iter().for_each(each);
        result
    }

    fn end(&mut self, place: usize, fault: &Fault) {
        let Some(mut connection) = self.connections.remove(&place) else { return };
        connection.leave();
        if let Err(error) = self.registry.deregister(&mut connection.stream) {
            tracing::debug!(%error, "a closed connection could not be deregistered");
        }
        let to = connection.peer;
        self.ready.remove(&place);
        self.peers.remove(&to);
        if connection.accepted
            && let Some(count) = self.hosts.get_mut(&to.ip())
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.hosts.remove(&to.ip());
            }
        }
        self.tell(&connection, fault);
        let in_order = matches!(fault, Fault::Closed | Fault::Idle) && !connection.has_unsent();
        self.news.push(if in_order { Received::Closed { to } } else { Received::Failed { to } });
    }

    /// Says why a connection ended; aloud when a trunk can't be talked to, and then once for each reason.
    fn tell(&mut self, connection: &Connection, fault: &Fault) {
        let to = connection.peer;
        if connection.accepted || connection.is_ready() {
            tracing::debug!(%fault, transport = self.local.transport.name(), "a connection ended");
            return;
        }
        let text = fault.to_string();
        if self.told.get(&to) != Some(&text) {
            tracing::warn!(peer = %to, transport = self.local.transport.name(), %fault, "no connection");
            if self.told.len() < TOLD_MAX {
                self.told.insert(to, text);
            }
        }
    }
}

/// RFC 5626 §4.4: four fifths to the whole of the interval, so that connections opened together are not pinged together.
fn spread(interval: Duration, peer: SocketAddr) -> Duration {
    let share = u32::from(peer.port() % 21);
    interval * (80 + share) / 100
}

#[cfg(test)]
mod tests;
