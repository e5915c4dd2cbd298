//! Which way messages go: the transports, and our own addresses on them.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::transaction::Reliability;

/// A transport that messages are sent and received over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Transport {
    /// As in a Via (RFC 3261 §20.42).
    pub fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// What a URI of ours ends with, so that requests come back the same way (RFC 3261 §19.1.1); nothing for UDP, the
    /// default.
    pub fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
        }
    }

    /// Of the `transport` parameter of a URI; `None` for one that we don't have.
    pub fn of_param(param: Option<&str>) -> Option<Self> {
        match param {
            None => Some(Self::Udp),
            Some(name) if name.eq_ignore_ascii_case("udp") => Some(Self::Udp),
            Some(name) if name.eq_ignore_ascii_case("tcp") => Some(Self::Tcp),
            Some(_) => None,
        }
    }

    /// Whether it carries messages over connections, and what that means to transactions.
    pub fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp => Reliability::Reliable,
        }
    }

    /// Whether messages travel over a connection.
    pub fn is_stream(self) -> bool {
        self.reliability() == Reliability::Reliable
    }
}

/// One of our own addresses: a transport and where we listen on it.
///
/// Written `udp:` or `tcp:` and the address; `udp:` may be left out when read and is left out when written.
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

    /// The host part and parameters of a URI of ours: `192.0.2.1:5060;transport=tcp`.
    pub fn uri_rest(self) -> String {
        format!("{}{}", self.address, self.transport.uri_param())
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
            Transport::Tcp => write!(f, "tcp:{}", self.address),
        }
    }
}

/// What is no address of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address with port, like \"127.0.0.1:5060\" or \"tcp:127.0.0.1:5060\"")]
pub struct NotLocal;

impl FromStr for Local {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        let (transport, address) = match text.strip_prefix("tcp:") {
            Some(address) => (Transport::Tcp, address),
            None => (Transport::Udp, text.strip_prefix("udp:").unwrap_or(text)),
        };
        Ok(Self { transport, address: address.parse().map_err(|_| NotLocal)? })
    }
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
}
