//! Which addresses a peer may name for its media.

use std::net::{IpAddr, SocketAddr};

use super::SdpError;
use crate::transport::is_nobodys;

/// Our media address and RTP ports, which no peer may name as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMedia {
    /// Address in our SDP.
    pub address: IpAddr,
    /// Lowest and highest port, inclusive.
    pub ports: (u16, u16),
}

impl From<SocketAddr> for OwnMedia {
    /// One stream: its RTP port and the RTCP port above it.
    fn from(socket: SocketAddr) -> Self {
        Self { address: socket.ip(), ports: (socket.port(), socket.port().saturating_add(1)) }
    }
}

impl OwnMedia {
    /// The peer's address as it is to be used, or why it must not be. The unspecified address means hold (RFC 3264
    /// §8.4) and passes: nothing is sent there.
    pub(super) fn check(&self, address: IpAddr, port: u16) -> Result<SocketAddr, SdpError> {
        // ::ffff:192.0.2.1 and 192.0.2.1 are the same peer (RFC 5118 §4.9).
        let address = address.to_canonical();
        let own = self.address.to_canonical();
        if address.is_unspecified() {
            return Ok(SocketAddr::new(address, port));
        }
        if address.is_ipv4() != own.is_ipv4() {
            return Err(SdpError::AddressFamily);
        }
        let ours = address == own && (self.ports.0..=self.ports.1).contains(&port);
        // Loopback belongs to this machine; only who serves media there can mean it.
        let strange_loopback = address.is_loopback() && !own.is_loopback();
        if ours || strange_loopback || is_nobodys(address) {
            return Err(SdpError::ForbiddenAddress);
        }
        Ok(SocketAddr::new(address, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &str, address: &str, port: u16) -> Result<SocketAddr, SdpError> {
        let own = OwnMedia { address: own.parse().unwrap(), ports: (20_000, 20_099) };
        own.check(address.parse().unwrap(), port)
    }

    #[test]
    fn forbidden_addresses_are_refused() {
        for bad in ["169.254.169.254", "169.254.0.1", "224.0.0.1", "255.255.255.255", "127.0.0.1", "0.1.2.3"]
        {
            assert_eq!(check("192.0.2.1", bad, 4000), Err(SdpError::ForbiddenAddress), "{bad}");
        }
        assert_eq!(check("192.0.2.1", "100.100.100.200", 80), Err(SdpError::ForbiddenAddress));
        for bad in ["fe80::1", "ff02::1", "::1", "fd00:ec2::254"] {
            assert_eq!(check("2001:db8::1", bad, 4000), Err(SdpError::ForbiddenAddress), "{bad}");
        }
        assert_eq!(check("192.0.2.1", "::ffff:169.254.169.254", 80), Err(SdpError::ForbiddenAddress));
    }

    #[test]
    fn own_ports_are_refused_but_a_neighbour_on_the_same_host_is_not() {
        assert_eq!(check("192.0.2.1", "192.0.2.1", 20_000), Err(SdpError::ForbiddenAddress));
        assert_eq!(check("192.0.2.1", "192.0.2.1", 20_099), Err(SdpError::ForbiddenAddress));
        assert_eq!(check("127.0.0.1", "127.0.0.1", 20_100), Ok("127.0.0.1:20100".parse().unwrap()));
    }

    #[test]
    fn families_must_agree_and_mapped_addresses_are_plain() {
        assert_eq!(check("192.0.2.1", "2001:db8::2", 4000), Err(SdpError::AddressFamily));
        assert_eq!(check("192.0.2.1", "::ffff:192.0.2.2", 4000), Ok("192.0.2.2:4000".parse().unwrap()));
        assert_eq!(check("192.0.2.1", "0.0.0.0", 4000), Ok("0.0.0.0:4000".parse().unwrap()));
    }
}
