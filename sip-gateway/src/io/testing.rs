//! What tests over real sockets share.

use std::net::{SocketAddr, UdpSocket};

/// A pair of neighbouring ports that were free a moment ago, the lower one even.
pub(super) fn free_ports() -> SocketAddr {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1));
        if rtp.port().is_multiple_of(2) && UdpSocket::bind(rtp).is_ok() && UdpSocket::bind(rtcp).is_ok() {
            return rtp;
        }
    }
}
