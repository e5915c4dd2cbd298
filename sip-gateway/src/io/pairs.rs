//! RTP and RTCP sockets, in pairs: bound for a stream, kept after it for the next one on the same ports.
//!
//! To make, name, watch and close four sockets costs more than all else that the RTP thread does for a short call. A
//! port comes back soon (see `gateway::ports`), so its sockets stay bound meanwhile. What reaches them while they belong to
//! no stream is thrown away unread.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::udp;
use crate::media::engine::{Port, Slot};

/// Most pairs kept without a stream: twice those that rest between two calls at 1,000 calls a second.
const KEPT_MAX: usize = 8_192;

/// Most packets that a kept socket may hold for its next stream to throw away: more than a buffer of the usual size takes. One
/// that holds more is being flooded, and a fresh one takes its place.
const STALE_MAX: usize = 1_024;

/// RFC 4594 §4.1: telephone audio is marked for expedited forwarding (code point 46, six upper bits of the octet).
const EXPEDITED_FORWARDING: u32 = 46 << 2;

/// Both sockets of a stream.
#[derive(Debug)]
struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    local: SocketAddr,
    /// Whose it is; `None` while it is kept.
    slot: Option<Slot>,
}

impl Pair {
    fn port(&self, port: Port) -> &UdpSocket {
        match port {
            Port::Rtp => &self.rtp,
            Port::Rtcp => &self.rtcp,
        }
    }
}

/// All sockets of the RTP thread.
#[derive(Debug)]
pub(super) struct Pairs {
    /// A pair stays at its place for as long as it is bound, so that its tokens mean it and no other.
    pairs: Vec<Option<Pair>>,
    vacant: Vec<usize>,
    /// Where each stream's pair is, by slot.
    places: Vec<Option<usize>>,
    kept: BTreeMap<SocketAddr, usize>,
    /// Most pairs there may be: beyond, one that is kept is closed for one that is needed.
    most: usize,
}

impl Pairs {
    /// None yet, and so many at most.
    pub(super) fn new(most: usize) -> Self {
        Self { pairs: Vec::new(), vacant: Vec::new(), places: Vec::new(), kept: BTreeMap::new(), most }
    }

    /// Gives a stream its sockets: RTP at `local`, RTCP one port above.
    pub(super) fn bind(&mut self, slot: Slot, local: SocketAddr, registry: &Registry) -> io::Result<()> {
        let place = match self.reuse(local, registry) {
            Some(place) => place,
            None => {
                if self.pairs.len() - self.vacant.len() >= self.most
                    && let Some((_, kept)) = self.kept.pop_first()
                {
                    self.close(kept, registry);
                }
                self.open(local, registry).or_else(|error| match error.kind() {
                    io::ErrorKind::AddrInUse => Err(error),
                    // Out of descriptors, it may be: those that are kept are needed now.
                    _ => {
                        self.close_kept(registry);
                        self.open(local, registry)
                    }
                })?
            }
        };
        if let Some(Some(pair)) = self.pairs.get_mut(place) {
            pair.slot = Some(slot);
        }
        if self.places.len() <= slot.0 {
            self.places.resize(slot.0 + 1, None);
        }
        if let Some(known) = self.places.get_mut(slot.0) {
            *known = Some(place);
        }
        Ok(())
    }

    /// Takes a stream's sockets away from it.
    pub(super) fn unbind(&mut self, slot: Slot, registry: &Registry) {
        let Some(place) = self.places.get_mut(slot.0).and_then(Option::take) else { return };
        let Some(Some(pair)) = self.pairs.get_mut(place) else { return };
        pair.slot = None;
        let local = pair.local;
        if self.kept.len() >= KEPT_MAX {
            self.close(place, registry);
        } else {
            self.kept.insert(local, place);
        }
    }

    /// A socket of a stream.
    pub(super) fn socket(&self, slot: Slot, port: Port) -> Option<&UdpSocket> {
        let place = (*self.places.get(slot.0)?)?;
        self.pairs.get(place)?.as_ref().map(|pair| pair.port(port))
    }

    /// Whose socket a token means; `None` for one that no stream has, and for tokens of others.
    pub(super) fn owner(&self, token: Token) -> Option<(Slot, Port)> {
        let number = token.0.checked_sub(1)?;
        let slot = self.pairs.get(number / 2)?.as_ref()?.slot?;
        Some((slot, if number % 2 == 0 { Port::Rtp } else { Port::Rtcp }))
    }

    /// A kept pair on these ports, emptied of what came while it was nobody's.
    fn reuse(&mut self, local: SocketAddr, registry: &Registry) -> Option<usize> {
        let place = self.kept.remove(&local)?;
        let empty = self
            .pairs
            .get(place)?
            .as_ref()
            .is_some_and(|pair| is_emptied(&pair.rtp) && is_emptied(&pair.rtcp));
        if !empty {
            self.close(place, registry);
        }
        empty.then_some(place)
    }

    fn open(&mut self, local: SocketAddr, registry: &Registry) -> io::Result<usize> {
        let place = self.vacant.last().copied().unwrap_or(self.pairs.len());
        let above = local.port().checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        // The system's default buffers hold seconds of one stream; asking for more would double the calls made here.
        let mut rtp = udp::bind(local)?;
        if local.is_ipv4()
            && let Err(error) = SockRef::from(&rtp).set_tos_v4(EXPEDITED_FORWARDING)
        {
            tracing::debug!(%error, "RTP goes out unmarked");
        }
        let mut rtcp = udp::bind(SocketAddr::new(local.ip(), above))?;
        registry.register(&mut rtp, token(place, Port::Rtp), Interest::READABLE)?;
        registry.register(&mut rtcp, token(place, Port::Rtcp), Interest::READABLE)?;
        let pair = Some(Pair { rtp, rtcp, local, slot: None });
        match self.vacant.pop().and_then(|place| self.pairs.get_mut(place)) {
            Some(vacancy) => *vacancy = pair,
            None => self.pairs.push(pair),
        }
        Ok(place)
    }

    fn close_kept(&mut self, registry: &Registry) {
        for place in std::mem::take(&mut self.kept).into_values() {
            self.close(place, registry);
        }
    }

    fn close(&mut self, place: usize, registry: &Registry) {
        let Some(mut pair) = self.pairs.get_mut(place).and_then(Option::take) else { return };
        self.vacant.push(place);
        for socket in [&mut pair.rtp, &mut pair.rtcp] {
            // A socket that is closed is no longer watched either.
            let _ = registry.deregister(socket);
        }
    }
}

/// Throws away what a socket holds; false when there is no end of it.
fn is_emptied(socket: &UdpSocket) -> bool {
    (0..STALE_MAX).any(|_| {
        let read = socket.recv_from(&mut []);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    })
}

/// Tokens from 1 on; 0 is left to others.
fn token(place: usize, port: Port) -> Token {
    Token(match port {
        Port::Rtp => 2 * place + 1,
        Port::Rtcp => 2 * place + 2,
    })
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;
    use crate::io::testing::free_ports;

    fn received(pairs: &Pairs, slot: Slot) -> Option<Vec<u8>> {
        let mut buffer = [0; 64];
        let (length, _) = pairs.socket(slot, Port::Rtp).unwrap().recv_from(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    }

    #[test]
    fn a_pair_is_kept_for_the_next_stream_on_its_ports_without_the_packets_in_between() {
        let poll = Poll::new().unwrap();
        let (local, mut pairs) = (free_ports(), Pairs::new(usize::MAX));
        pairs.bind(Slot(3), local, poll.registry()).unwrap();
        let token = token(0, Port::Rtp);
        assert_eq!(pairs.owner(token), Some((Slot(3), Port::Rtp)));

        pairs.unbind(Slot(3), poll.registry());
        assert_eq!(pairs.owner(token), None);
        assert!(pairs.socket(Slot(3), Port::Rtp).is_none());
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"late", local).unwrap();

        pairs.bind(Slot(7), local, poll.registry()).unwrap();
        assert_eq!(pairs.pairs.len(), 1, "the same sockets");
        assert_eq!(pairs.owner(token), Some((Slot(7), Port::Rtp)));
        assert_eq!(received(&pairs, Slot(7)), None);
        peer.send_to(b"new", local).unwrap();
        assert_eq!(received(&pairs, Slot(7)).as_deref(), Some(&b"new"[..]));
    }

    #[test]
    fn a_stream_that_reads_wakes_for_packets_on_a_kept_pair() {
        let mut poll = Poll::new().unwrap();
        let (local, mut pairs) = (free_ports(), Pairs::new(usize::MAX));
        pairs.bind(Slot(0), local, poll.registry()).unwrap();
        pairs.unbind(Slot(0), poll.registry());
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"late", local).unwrap();
        let mut events = mio::Events::with_capacity(4);
        let mut ready = |pairs: &Pairs| {
            poll.poll(&mut events, Some(std::time::Duration::from_millis(100))).unwrap();
            events.iter().filter_map(|event| pairs.owner(event.token())).collect::<Vec<_>>()
        };
        assert_eq!(ready(&pairs), [], "nobody is told of it");
        let registry = Poll::new().unwrap();
        pairs.bind(Slot(1), local, registry.registry()).unwrap();
        peer.send_to(b"new", local).unwrap();
        assert_eq!(ready(&pairs), [(Slot(1), Port::Rtp)]);
    }

    #[test]
    fn beyond_the_most_kept_a_pair_is_closed_and_its_place_used_again() {
        let poll = Poll::new().unwrap();
        let (first, mut pairs) = (free_ports(), Pairs::new(usize::MAX));
        pairs.bind(Slot(0), first, poll.registry()).unwrap();
        // As if so many others were kept.
        let other = |port| (SocketAddr::new(first.ip(), port), usize::MAX);
        pairs.kept.extend((1..).map(other).take(KEPT_MAX));
        pairs.unbind(Slot(0), poll.registry());
        assert!(std::net::UdpSocket::bind(first).is_ok(), "closed");
        let second = free_ports();
        pairs.bind(Slot(0), second, poll.registry()).unwrap();
        assert_eq!(pairs.pairs.len(), 1);
        assert_eq!(pairs.owner(token(0, Port::Rtcp)), Some((Slot(0), Port::Rtcp)));
    }

    #[test]
    fn a_kept_pair_makes_room_for_one_that_is_needed() {
        let poll = Poll::new().unwrap();
        let (first, mut pairs) = (free_ports(), Pairs::new(1));
        pairs.bind(Slot(0), first, poll.registry()).unwrap();
        pairs.unbind(Slot(0), poll.registry());
        // The first are bound still, so these are others.
        let second = free_ports();
        pairs.bind(Slot(1), second, poll.registry()).unwrap();
        assert!(std::net::UdpSocket::bind(first).is_ok(), "closed");
        assert_eq!((pairs.pairs.len(), pairs.kept.len()), (1, 0));
    }

    #[test]
    fn ports_of_somebody_else_are_refused_and_nothing_is_left_behind() {
        let poll = Poll::new().unwrap();
        let (local, mut pairs) = (free_ports(), Pairs::new(usize::MAX));
        let taken = std::net::UdpSocket::bind(SocketAddr::new(local.ip(), local.port() + 1)).unwrap();
        assert!(pairs.bind(Slot(0), local, poll.registry()).is_err());
        assert!(pairs.socket(Slot(0), Port::Rtp).is_none());
        drop(taken);
        pairs.bind(Slot(0), local, poll.registry()).unwrap();
    }
}
