//! A UDP socket for SIP: bound with a clear error, drained in turns, answering from the same port.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use thiserror::Error;

use crate::transport::Local;

/// Receive buffer asked of the kernel, which may grant less: room for a burst of some thousand requests while the loop is busy.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Send buffer asked of the kernel.
const SEND_BUFFER: usize = 1 << 20;

/// Longest datagram there is.
const DATAGRAM_MAX: usize = 65_535;

/// The socket could not be had.
#[derive(Debug, Error)]
#[error("cannot listen on {transport} {address}: {error}", transport = .local.transport.via(), address = .local.address)]
pub struct BindError {
    /// Address asked for.
    pub local: Local,
    /// What the system said.
    pub error: io::Error,
}

/// Whether a drained socket may hold more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Empty: wait for the next readiness.
    Empty,
    /// The budget ended first: come again without waiting, since readiness is told once only.
    MayHoldMore,
}

/// One listening UDP socket with its buffer.
#[derive(Debug)]
pub struct SipSocket {
    socket: mio::net::UdpSocket,
    local: SocketAddr,
    buffer: Vec<u8>,
}

impl SipSocket {
    /// Binds. Port 0 asks the system for a free one; see [`SipSocket::local`].
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Self::over(address, || bind(address))
    }

    /// Binds so many sockets to one address (SO_REUSEPORT): the system gives all datagrams of one peer's port to the same one.
    ///
    /// The first has the address to itself before it shares it: one that another process has is an error here too, though
    /// that process may share it.
    pub fn bind_shared(address: SocketAddr, count: usize) -> Result<Vec<Self>, BindError> {
        let first = Self::bind(address)?;
        let local = first.local;
        let shared = SockRef::from(&first.socket).set_reuse_port(true);
        shared.map_err(|error| BindError { local: local.into(), error })?;
        let mut sockets = vec![first];
        for _ in 1..count {
            sockets.push(Self::over(local, || bind_with(local, |socket| socket.set_reuse_port(true)))?);
        }
        Ok(sockets)
    }

    fn over(
        address: SocketAddr,
        bind: impl FnOnce() -> io::Result<mio::net::UdpSocket>,
    ) -> Result<Self, BindError> {
        let bound = || -> io::Result<_> {
            let socket = bind()?;
            let options = SockRef::from(&socket);
            let granted = options.set_recv_buffer_size(RECEIVE_BUFFER);
            if let Err(error) = granted.and_then(|()| options.set_send_buffer_size(SEND_BUFFER)) {
                tracing::debug!(%error, "socket buffers stay at their default size");
            }
            let local = socket.local_addr()?;
            Ok((socket, local))
        };
        let (socket, local) = bound().map_err(|error| BindError { local: address.into(), error })?;
        Ok(Self { socket, local, buffer: vec![0; DATAGRAM_MAX] })
    }

    /// The address it is bound to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Asks `registry` to tell when datagrams come. Readiness is edge-triggered: drain until [`Drained::Empty`].
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Gives up to `budget` waiting datagrams to `each`, with their source.
    ///
    /// Errors of single datagrams (an unreachable peer reported late) are passed over; each counts against the
    /// budget.
    pub fn receive(&mut self, budget: usize, mut each: impl FnMut(Bytes, SocketAddr)) -> Drained {
        for _ in 0..budget {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    each(Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default()), from);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Drained::Empty,
                Err(error) => tracing::debug!(%error, "a datagram could not be received"),
            }
        }
        Drained::MayHoldMore
    }

    /// Sends one datagram. SIP over UDP retransmits, so a full send buffer is an error like any other.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(datagram, to).map(|_| ())
    }
}

/// A non-blocking UDP socket.
pub(super) fn bind(address: SocketAddr) -> io::Result<mio::net::UdpSocket> {
    bind_with(address, |_| Ok(()))
}

fn bind_with(
    address: SocketAddr,
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<mio::net::UdpSocket> {
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    prepare(&socket)?;
    socket.bind(&address.into())?;
    Ok(mio::net::UdpSocket::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn datagrams_come_and_go_with_their_addresses() {
        let mut poll = mio::Poll::new().unwrap();
        let mut socket = SipSocket::bind(loopback()).unwrap();
        socket.register(poll.registry(), Token(7)).unwrap();
        let peer = std::net::UdpSocket::bind(loopback()).unwrap();
        for text in ["one", "two", "three"] {
            peer.send_to(text.as_bytes(), socket.local()).unwrap();
        }
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(events.iter().next().map(|event| event.token()), Some(Token(7)));
        let mut heard = Vec::new();
        let drained = socket.receive(2, |bytes, from| heard.push((bytes, from)));
        assert_eq!(drained, Drained::MayHoldMore);
        let drained = socket.receive(2, |bytes, from| heard.push((bytes, from)));
        assert_eq!(drained, Drained::Empty);
        let from = peer.local_addr().unwrap();
        assert_eq!(heard, ["one", "two", "three"].map(|text| (Bytes::from_static(text.as_bytes()), from)));
        socket.send(b"answer", from).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(peer.recv_from(&mut buffer).unwrap(), (6, socket.local()));
    }

    #[test]
    fn a_shared_address_is_taken_for_everybody_else() {
        let mut sockets = SipSocket::bind_shared(loopback(), 3).unwrap();
        let at = sockets[0].local();
        assert!(at.port() != 0 && sockets.iter().all(|socket| socket.local() == at));
        for error in [SipSocket::bind(at).unwrap_err(), SipSocket::bind_shared(at, 2).unwrap_err()] {
            assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
        }
        let peers: Vec<_> = (0..64).map(|_| std::net::UdpSocket::bind(loopback()).unwrap()).collect();
        for text in ["one", "two"] {
            peers.iter().for_each(|peer| assert_eq!(peer.send_to(text.as_bytes(), at).unwrap(), 3));
        }
        let (mut heard, mut busy) = (Vec::new(), 0);
        for socket in &mut sockets {
            let before = heard.len();
            socket.receive(1_000, |bytes, from| heard.push((from, bytes)));
            busy += usize::from(heard.len() > before);
        }
        assert!(busy > 1, "64 peers are spread");
        assert_eq!(heard.len(), 128);
        for peer in peers {
            let from = peer.local_addr().unwrap();
            let its: Vec<&[u8]> = heard.iter().filter(|(at, _)| *at == from).map(|(_, it)| &it[..]).collect();
            assert_eq!(its, [b"one", b"two"], "one after the other through one socket");
        }
    }

    #[test]
    fn a_taken_port_is_named_in_the_error() {
        let first = SipSocket::bind(loopback()).unwrap();
        let error = SipSocket::bind(first.local()).unwrap_err();
        assert!(error.to_string().contains(&first.local().to_string()), "{error}");
        assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
    }
}
