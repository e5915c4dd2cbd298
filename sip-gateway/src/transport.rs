//! Which way messages go: the transports, and our own addresses on them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::transaction::Reliability;

/// Metadata services of clouds outside the link-local range: no peer is there.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// A transport that messages are sent and received over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

/// All transports, in the order in which texts name them.
pub const TRANSPORTS: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

impl Transport {
    /// As in a Via (RFC 3261 §20.42, RFC 7118 §5.2).
    pub fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As in front of an address of ours.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// What a URI of ours ends with, so that requests come back the same way (RFC 3261 §19.1.1); nothing for UDP, the
    /// default. RFC 7118 §5.2 has one name for both kinds of WebSocket.
    pub fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
            Self::Ws | Self::Wss => ";transport=ws",
        }
    }

    /// Of the `transport` parameter of a URI; `None` for one that we don't have.
    pub fn of_param(param: Option<&str>) -> Option<Self> {
        let Some(name) = param else { return Some(Self::Udp) };
        TRANSPORTS.into_iter().find(|transport| name.eq_ignore_ascii_case(transport.name()))
    }

    /// Whether it carries messages over connections, and what that means to transactions.
    pub fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => Reliability::Reliable,
        }
    }

    /// Whether messages travel over a connection.
    pub fn is_stream(self) -> bool {
        self.reliability() == Reliability::Reliable
    }

    /// Whether nobody on the way can read or change messages.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Ws => false,
            Self::Tls | Self::Wss => true,
        }
    }

    /// Whether a peer's address can be gone to because a URI names it. Over TLS whom we trust follows from the name that
    /// was asked for, and a WebSocket is only ever opened to us (RFC 7118 §5.5).
    pub fn follows_addresses(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => true,
            Self::Tls | Self::Ws | Self::Wss => false,
        }
    }

    /// Whether we may open a connection to a peer; a WebSocket is only ever opened to us.
    pub fn is_opened_by_us(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::Tls => true,
            Self::Ws | Self::Wss => false,
        }
    }

    /// Port where none is written (RFC 3261 §19.1.2, RFC 7118 §5.2.4).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// One of our own addresses: a transport and where we listen on it.
///
/// Written `udp:`, `tcp:`, `tls:`, `ws:` or `wss:` and the address; `udp:` may be left out when read and is left out when
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Local {
    /// Transport.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

impl Local {
    /// An address on TCP.
    pub fn tcp(address: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, address }
    }

    /// This address as others can reach it: `host` where it stands for all of this machine (`0.0.0.0`, `::`).
    pub fn reached_at(self, host: IpAddr) -> Self {
        let any = self.address.ip().is_unspecified() && host.is_ipv4() == self.address.is_ipv4();
        if any { Self { address: SocketAddr::new(host, self.address.port()), ..self } } else { self }
    }

    /// Whether what was written as coming from `local` leaves here.
    pub fn serves(self, local: Self) -> bool {
        let port = self.transport == local.transport && self.address.port() == local.address.port();
        let any = self.address.ip().is_unspecified() && self.address.is_ipv4() == local.address.is_ipv4();
        port && (self.address.ip() == local.address.ip() || any)
    }

    /// The host part and parameters of a URI of ours: `192.0.2.1:5060;transport=tcp`.
    pub fn uri_rest(self) -> String {
        format!("{}{}", self.address, self.transport.uri_param())
    }

    /// A URI of ours for a Contact, `sips:` where the request that carries it goes to a `sips:` URI (RFC 3261 §8.1.1.8).
    pub fn contact_uri(self, user: &str, request_uri: &str) -> String {
        let at = if user.is_empty() { "" } else { "@" };
        let secure = request_uri.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("sips:"));
        if secure && self.transport.is_secure() {
            // RFC 3261 §26.2.2: with SIPS the transport that TLS runs over is meant, which is TCP already.
            return format!("sips:{user}{at}{}", self.address);
        }
        format!("sip:{user}{at}{}", self.uri_rest())
    }
}

impl From<SocketAddr> for Local {
    fn from(address: SocketAddr) -> Self {
        Self { transport: Transport::Udp, address }
    }
}

impl From<Local> for String {
    fn from(local: Local) -> Self {
        local.to_string()
    }
}

impl TryFrom<String> for Local {
    type Error = NotLocal;

    fn try_from(text: String) -> Result<Self, NotLocal> {
        text.parse()
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Udp => write!(f, "{}", self.address),
            stream @ (Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss) => {
                write!(f, "{}:{}", stream.name(), self.address)
            }
        }
    }
}

/// What is no address of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an IP address with port, like \"127.0.0.1:5060\", with udp:, tcp:, tls:, ws: or wss: in front for the transport"
)]
pub struct NotLocal;

impl FromStr for Local {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        let named =
            |transport: Transport| Some((transport, text.strip_prefix(transport.name())?.strip_prefix(':')?));
        let (transport, address) = TRANSPORTS.into_iter().find_map(named).unwrap_or((Transport::Udp, text));
        Ok(Self { transport, address: address.parse().map_err(|_| NotLocal)? })
    }
}

/// Whether an address is no peer's to name, in SDP or in a Contact: link-local ones, where clouds keep their metadata services,
/// those services elsewhere, groups, broadcast and `0.0.0.0/8`.
pub fn is_nobodys(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let of_none = match address {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified(),
    };
    of_none || METADATA.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for (text, again) in [
            ("127.0.0.1:5060", "127.0.0.1:5060"),
            ("udp:127.0.0.1:5060", "127.0.0.1:5060"),
            ("tcp:[2001:db8::1]:5080", "tcp:[2001:db8::1]:5080"),
            ("tls:127.0.0.1:5061", "tls:127.0.0.1:5061"),
            ("ws:127.0.0.1:80", "ws:127.0.0.1:80"),
            ("wss:[::1]:443", "wss:[::1]:443"),
        ] {
            assert_eq!(text.parse::<Local>().map(|local| local.to_string()), Ok(again.to_owned()));
        }
        for wrong in ["", "tcp:", "sctp:127.0.0.1:5060", "127.0.0.1", "tcp:udp:127.0.0.1:5060"] {
            assert_eq!(wrong.parse::<Local>(), Err(NotLocal), "{wrong}");
        }
    }

    #[test]
    fn only_what_we_have_is_understood_in_a_uri() {
        assert_eq!(Transport::of_param(None), Some(Transport::Udp));
        assert_eq!(Transport::of_param(Some("TCP")), Some(Transport::Tcp));
        assert_eq!(Transport::of_param(Some("sctp")), None);
        let local = Local::tcp(SocketAddr::from(([192, 0, 2, 1], 5060)));
        assert_eq!(local.uri_rest(), "192.0.2.1:5060;transport=tcp");
        assert_eq!(Local::from(local.address).uri_rest(), "192.0.2.1:5060");
    }

    #[test]
    fn an_address_for_all_of_the_machine_is_never_told_to_others() {
        let local = |text: &str| text.parse::<Local>().expect("an address");
        let host = IpAddr::from([192, 0, 2, 1]);
        for (bound, told, serves) in [
            ("tcp:0.0.0.0:5060", "tcp:192.0.2.1:5060", true),
            ("127.0.0.1:5060", "127.0.0.1:5060", true),
            ("[::]:5060", "[::]:5060", true),
        ] {
            let told = local(told);
            assert_eq!(local(bound).reached_at(host), told);
            assert_eq!(local(bound).serves(told), serves);
        }
        for (bound, other) in [
            ("0.0.0.0:5060", "tcp:192.0.2.1:5060"),
            ("0.0.0.0:5060", "192.0.2.1:5070"),
            ("0.0.0.0:5060", "[2001:db8::1]:5060"),
            ("127.0.0.1:5060", "192.0.2.1:5060"),
        ] {
            assert!(!local(bound).serves(local(other)), "{bound} {other}");
        }
    }

    #[test]
    fn a_contact_is_as_secure_as_where_it_is_sent() {
        let local = Local { transport: Transport::Tls, address: SocketAddr::from(([192, 0, 2, 1], 5061)) };
        assert_eq!(local.contact_uri("", "sip:carrier.example"), "sip:192.0.2.1:5061;transport=tls");
        assert_eq!(local.contact_uri("a", "SIPS:+1@carrier.example"), "sips:a@192.0.2.1:5061");
        let plain = Local::from(local.address);
        assert_eq!(
            plain.contact_uri("a", "sips:b@192.0.2.9"),
            "sip:a@192.0.2.1:5061",
            "never more than it is"
        );
    }
}
