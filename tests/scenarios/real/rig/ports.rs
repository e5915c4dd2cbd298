//! Ports of one test: a block that no other test on this machine uses at the same time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives out by itself.
const FIRST: u16 = 20_000;
const BLOCK: u16 = 100;
const BLOCKS: u16 = 120;

static ASKED: AtomicU16 = AtomicU16::new(0);

/// A block of ports. Its last port stays bound as long as the block is used: that is the claim.
pub struct Ports {
    first: u16,
    /// Where Carillon is.
    ours: IpAddr,
    /// Where everybody else is.
    theirs: IpAddr,
    _claim: UdpSocket,
}

impl Ports {
    /// Claims a block on the loopback.
    pub fn claim() -> Ports {
        Ports::between(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into())
    }

    /// Claims a block for two hosts.
    pub fn between(ours: IpAddr, theirs: IpAddr) -> Ports {
        let pid = u16::try_from(process::id() % u32::from(BLOCKS)).unwrap_or_default();
        let start = pid.wrapping_add(ASKED.fetch_add(7, Ordering::Relaxed));
        (0..BLOCKS)
            .find_map(|step| {
                let first = FIRST + (start.wrapping_add(step) % BLOCKS) * BLOCK;
                let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, first + BLOCK - 1)).ok()?;
                // Somebody else's program may sit in the middle of the block.
                let free =
                    (first..first + 20).all(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
                free.then_some(Ports { first, ours, theirs, _claim: claim })
            })
            .expect("a free block of ports")
    }

    /// The same port on IPv6.
    pub fn on_ipv6(at: SocketAddr) -> SocketAddr {
        SocketAddr::from((Ipv6Addr::LOCALHOST, at.port()))
    }

    /// Where Carillon listens for SIP.
    pub fn listen(&self) -> SocketAddr {
        self.ours(0)
    }

    /// Where Carillon listens for SIP over TLS.
    pub fn listen_tls(&self) -> SocketAddr {
        self.ours(1)
    }

    /// Where Carillon listens for WebSockets.
    pub fn listen_ws(&self) -> SocketAddr {
        self.ours(18)
    }

    /// Where TLS to the carrier ends.
    pub fn carrier_tls(&self) -> SocketAddr {
        self.theirs(3)
    }

    /// Where the carrier listens for SIP.
    pub fn carrier(&self) -> SocketAddr {
        self.theirs(2)
    }

    /// Where the phone of the given index (0 to 5) listens for SIP.
    pub fn phone(&self, index: u16) -> SocketAddr {
        self.theirs(4 + 2 * index)
    }

    /// Where the console of the phone of the given index (0 to 5) listens.
    pub fn phone_console(&self, index: u16) -> SocketAddr {
        // Ports that nothing else is on; the one above a phone's own is for its TLS.
        self.theirs([17, 18, 19, 1, 3, 15][usize::from(index % 6)])
    }

    /// Where the carrier of a second trunk listens for SIP.
    pub fn other_carrier(&self) -> SocketAddr {
        self.theirs(16)
    }

    /// Where the nameserver listens: a port that is for the TLS of a phone which no test of names has.
    pub fn nameserver(&self) -> SocketAddr {
        self.theirs(13)
    }

    /// Carillon's RTP ports, first and last.
    pub fn rtp(&self) -> (u16, u16) {
        (self.first + 20, self.first + 59)
    }

    /// RTP ports of the phone of the given index (0 to 3), first and last.
    pub fn phone_rtp(&self, index: u16) -> (u16, u16) {
        let first = self.first + 60 + 6 * index;
        (first, first + 5)
    }

    /// Where SIPp binds the media sockets that no scenario uses: four ports from here, for each of two.
    pub fn spare_media(&self, index: u16) -> u16 {
        self.first + 88 + 4 * index
    }

    /// Where Carillon's media are.
    pub fn media_address(&self) -> IpAddr {
        self.ours
    }

    fn ours(&self, offset: u16) -> SocketAddr {
        SocketAddr::from((self.ours, self.first + offset))
    }

    fn theirs(&self, offset: u16) -> SocketAddr {
        SocketAddr::from((self.theirs, self.first + offset))
    }
}
