//! The listening sockets of all transports: what they bring as inputs of the node, and where its messages leave.
//!
//! Datagrams are read here, on the engine's thread, or by `workers`.

pub mod workers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_sip::io::streams::{Received, SipStreams, StreamOptions};
use carillon_sip::io::tls::{Security, TlsError, TlsTrunk};
use carillon_sip::io::udp::{BindError, Drained, SipSocket};
use carillon_sip::options::{Options, TlsOptions};
use carillon_sip::resolve::{Place, Target};
use carillon_sip::transport::{Local, Transport};
use mio::{Registry, Token};
use thiserror::Error;

use crate::doorbell::Doorbell;
use crate::node::NodeInput;
use workers::{WorkerCounts, Workers};

/// Datagrams taken from a socket, and reads from connections, before other work has its turn.
const PER_TURN: usize = 64;
/// Datagrams that wait for the end of a turn, before all of them leave at once.
const DEPARTURES_MAX: usize = 64;
/// Tokens for the connections of one listener.
const STREAM_TOKENS: usize = 1 << 40;
/// How often connections over which nothing comes are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A socket could not be had.
#[derive(Debug, Error)]
pub enum SocketError {
    /// A certificate can't be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The address can't be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system's poll refuses it, or there is no thread to be had.
    #[error("epoll or thread: {0}")]
    System(#[from] io::Error),
}

/// A UDP socket, and whether it may hold something: asking one that is known to be empty costs a system call a turn.
struct Listening {
    socket: SipSocket,
    token: Token,
    ready: bool,
}

/// A datagram on its way out.
struct Departure {
    bytes: Bytes,
    to: SocketAddr,
    /// Which of the UDP addresses it leaves from.
    listener: usize,
}

/// All sockets that SIP goes over.
pub struct Sockets {
    datagrams: Vec<Listening>,
    /// They leave together, so that a peer is woken once a turn and not for each of them.
    departures: Vec<Departure>,
    /// What could not be sent.
    failures: Vec<NodeInput>,
    /// They have the UDP sockets then.
    workers: Option<Workers>,
    streams: Vec<SipStreams>,
    /// When idle connections were last looked for.
    swept: Duration,
    received: Vec<Received>,
}

impl Sockets {
    /// Binds every address and has `registry` tell of it, or workers ring `bell`. Tokens up to the number of addresses and from
    /// `1 << 40` are used.
    pub fn bind(options: &Options, registry: &Registry, bell: &Arc<Doorbell>) -> Result<Self, SocketError> {
        let count = options.workers;
        let (mut datagrams, mut streams, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        for (index, local) in options.listen.iter().enumerate() {
            if local.transport.is_stream() {
                let first = Token((index + 1).saturating_mul(STREAM_TOKENS));
                let security = local.transport.is_secure().then(|| security(options, local.transport));
                let origins = options.ws_origins.as_deref().map(Arc::from);
                let security = security.transpose()?;
                let keep_alive = options.keep_alive;
                let options = StreamOptions { local: *local, security, origins, keep_alive };
                streams.push(SipStreams::bind(options, registry, first)?);
            } else if count > 0 {
                shared.push(local.address);
            } else {
                let mut socket = SipSocket::bind(local.address)?;
                socket.register(registry, Token(index))?;
                datagrams.push(Listening { socket, token: Token(index), ready: true });
            }
        }
        let workers = match shared.as_slice() {
            [] => None,
            shared => Some(Workers::start(shared, count, bell)?),
        };
        Ok(Self {
            datagrams,
            departures: Vec::new(),
            failures: Vec::new(),
            workers,
            streams,
            swept: Duration::ZERO,
            received: Vec::new(),
        })
    }

    /// The addresses bound: no media may be sent there.
    pub fn own(&self) -> Vec<SocketAddr> {
        let datagrams = self.datagrams.iter().map(|it| it.socket.local());
        let shared = self.workers.iter().flat_map(Workers::locals).map(|local| local.address);
        datagrams.chain(shared).chain(self.streams.iter().map(|streams| streams.local().address)).collect()
    }

    /// A trunk is at these places from now on: over TLS its certificate is expected there.
    pub fn follow(&mut self, trunk: &str, targets: &[Target]) {
        let over_tls = targets.iter().filter(|target| target.transport == Transport::Tls);
        let addresses: Vec<SocketAddr> = over_tls.map(|target| target.address).collect();
        for streams in self.streams.iter_mut().filter(|streams| streams.local().transport == Transport::Tls) {
            streams.follow(trunk, &addresses);
        }
    }

    /// Takes note that the poll told of this token.
    pub fn wake(&mut self, token: Token) {
        if let Some(listening) = self.datagrams.iter_mut().find(|it| it.token == token) {
            listening.ready = true;
        }
        self.streams.iter_mut().for_each(|streams| streams.wake(token));
    }

    /// Takes what came, up to the budget of a turn; true when there may be more.
    pub fn take(&mut self, now: Duration, inputs: &mut Vec<NodeInput>) -> bool {
        let mut more = self.workers.as_ref().is_some_and(|workers| workers.take(inputs));
        for Listening { socket, ready, .. } in self.datagrams.iter_mut().filter(|it| it.ready) {
            let local = Local::from(socket.local());
            let each = |bytes: Bytes, from| inputs.push(NodeInput::Datagram { bytes, from, local });
            *ready = socket.receive(PER_TURN, each) == Drained::MayHoldMore;
            more |= *ready;
        }
        let sweeps = now >= self.swept.saturating_add(SWEEP_INTERVAL);
        if sweeps {
            self.swept = now;
        }
        for streams in &mut self.streams {
            if sweeps {
                streams.sweep(now);
            }
            let local = streams.local();
            let drained = streams.receive(PER_TURN, now, |it| self.received.push(it));
            more |= drained == Drained::MayHoldMore;
            inputs.extend(self.received.drain(..).map(|it| match it {
                Received::Message { bytes, from } => NodeInput::Datagram { bytes, from, local },
                Received::Proven { from, name } => NodeInput::Proven { from, local, name },
                Received::Closed { to } => NodeInput::Closed { to, local },
                Received::Failed { to } => NodeInput::Unreachable { to, local },
            }));
        }
        more
    }

    /// Sends everything that was given to [`Sockets::send`]; what can't be is told in `failures`. To be called at the end of a
    /// turn.
    pub fn flush(&mut self, failures: &mut Vec<NodeInput>) {
        if let Some(workers) = &mut self.workers {
            workers.flush();
        }
        self.depart();
        failures.append(&mut self.failures);
    }

    /// What each worker has done; nothing where there are none.
    pub fn worker_counts(&self) -> Vec<WorkerCounts> {
        self.workers.as_ref().map(Workers::counts).unwrap_or_default()
    }

    /// Sends a message from `local`, datagrams at the end of the turn. That it failed is told by [`Sockets::flush`]; connections
    /// tell by [`Sockets::take`].
    pub fn send(&mut self, bytes: &Bytes, to: SocketAddr, local: Local, now: Duration) {
        match local.transport {
            Transport::Udp => match &mut self.workers {
                Some(workers) => {
                    let sent = workers.send(bytes.clone(), to, local);
                    self.note(sent, to, local);
                }
                None => {
                    let here = |it: &Listening| Local::from(it.socket.local()).serves(local);
                    let listener = self.datagrams.iter().position(here).unwrap_or(0);
                    self.departures.push(Departure { bytes: bytes.clone(), to, listener });
                    if self.departures.len() >= DEPARTURES_MAX {
                        self.depart();
                    }
                }
            },
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                match self.streams.iter_mut().find(|it| it.local().serves(local)) {
                    Some(streams) => streams.send(bytes, to, now),
                    None => self.note(Err(io::ErrorKind::AddrNotAvailable.into()), to, local),
                }
            }
        }
    }

    /// Has the datagrams leave.
    fn depart(&mut self) {
        let mut departures = std::mem::take(&mut self.departures);
        for Departure { bytes, to, listener } in departures.drain(..) {
            let (sent, local) = match self.datagrams.get(listener) {
                Some(it) => (it.socket.send(&bytes, to), it.socket.local()),
                None => (Err(io::ErrorKind::AddrNotAvailable.into()), to),
            };
            self.note(sent, to, local.into());
        }
        self.departures = departures;
    }

    fn note(&mut self, sent: io::Result<()>, to: SocketAddr, local: Local) {
        match sent {
            Ok(()) => {}
            // SIP over UDP repeats what is lost.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!(%error, "send failed");
                self.failures.push(NodeInput::Unreachable { to, local });
            }
        }
    }
}

/// What the connections of a listener need. Trunks are gone to over TLS only, and a browser that is asked for a certificate
/// asks its user.
fn security(options: &Options, transport: Transport) -> Result<Security, TlsError> {
    let trunks = options.trunks.iter().filter(|trunk| trunk.place.may_use(transport));
    let trunks = trunks.map(|trunk| {
        let address = match &trunk.place {
            Place::Fixed(target) => Some(target.address),
            Place::Named(_) => None,
        };
        TlsTrunk { name: &trunk.name, address, tls: &trunk.tls }
    });
    match transport {
        Transport::Wss => Security::new(&TlsOptions { client_ca: None, ..options.tls.clone() }, trunks),
        Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws => {
            Security::new(&options.tls, trunks)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use mio::{Poll, Waker};

    use super::*;

    /// The sockets of a node that listens here, and a peer.
    fn sockets() -> (Sockets, Local, UdpSocket, SocketAddr) {
        let poll = Poll::new().unwrap();
        let bell = Arc::new(Doorbell::new(Waker::new(poll.registry(), Token(usize::MAX)).unwrap()));
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let options = Options::new(vec![address.into()], address.ip());
        let sockets = Sockets::bind(&options, poll.registry(), &bell).unwrap();
        let local = Local::from(sockets.own()[0]);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_nonblocking(true).unwrap();
        let to = peer.local_addr().unwrap();
        (sockets, local, peer, to)
    }

    #[test]
    fn datagrams_leave_together_in_order_and_failures_are_told() {
        let (mut sockets, local, peer, to) = sockets();
        let nowhere: SocketAddr = "[::1]:5060".parse().unwrap();
        for (text, to) in [("one", to), ("lost", nowhere), ("two", to)] {
            sockets.send(&Bytes::from_static(text.as_bytes()), to, local, Duration::ZERO);
        }
        let mut buffer = [0; 16];
        assert!(peer.recv(&mut buffer).is_err(), "the turn is not over");
        let mut failures = Vec::new();
        sockets.flush(&mut failures);
        for text in ["one", "two"] {
            let length = peer.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], text.as_bytes());
        }
        let [NodeInput::Unreachable { to, .. }] = failures.as_slice() else { panic!("{failures:?}") };
        assert_eq!(*to, nowhere);
    }

    #[test]
    fn a_long_turn_does_not_hold_datagrams_back() {
        let (mut sockets, local, peer, to) = sockets();
        for _ in 0..DEPARTURES_MAX {
            sockets.send(&Bytes::from_static(b"one"), to, local, Duration::ZERO);
        }
        assert!(peer.recv(&mut [0; 16]).is_ok());
    }
}
