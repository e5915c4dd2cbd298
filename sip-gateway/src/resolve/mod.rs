//! Where a carrier's name leads (RFC 3263): what is asked of the DNS, what its answers mean, and which server is next.
//!
//! Pure. [`plan`] walks from a name to servers over the answers that are known and says what is missing; [`machine`] keeps
//! answers for their time, asks anew before it is over and keeps old ones while nobody answers; [`targets`] chooses among the
//! servers found. Questions leave as values; `io::resolve` puts them to a nameserver.

pub mod machine;
pub mod plan;
pub mod targets;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::transport::Transport;

/// Where requests go: a transport and an address of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// What they go over.
    pub transport: Transport,
    /// The peer's address and port.
    pub address: SocketAddr,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.address)
    }
}

/// Where a carrier's URI leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address: nobody has to be asked.
    Fixed(Target),
    /// A name, which is looked up as long as the service runs.
    Named(Named),
}

impl Place {
    /// An address that is gone to over UDP.
    pub fn udp(address: SocketAddr) -> Self {
        Self::Fixed(Target { transport: Transport::Udp, address })
    }

    /// Whether requests may go there over this transport.
    pub fn may_use(&self, transport: Transport) -> bool {
        match self {
            Self::Fixed(target) => target.transport == transport,
            Self::Named(named) => named.transports.contains(&transport),
        }
    }
}

/// What a URI says of a server that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, without a dot at its end.
    pub host: String,
    /// The port, where it is written: nothing but addresses is asked for then (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// Transports that may be taken, the most preferred first: the one that is written or follows from the URI, or all that
    /// we have.
    pub transports: Vec<Transport>,
    /// Whether the DNS chooses among them (RFC 3263 §4.1: neither transport nor port is written).
    pub open: bool,
    /// `sips:`: only what is secure counts.
    pub secure: bool,
}

/// Kinds of records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Services of a domain (RFC 3403).
    Naptr,
    /// Servers of a service (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// A question for a nameserver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Name, lower case, without a dot at its end.
    pub name: String,
    /// Kind of records.
    pub kind: Kind,
}

impl Question {
    /// A question about `name`, however it is written.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.trim_end_matches('.').to_ascii_lowercase(), kind }
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// RFC 3403 §4.1.
    Naptr {
        /// Lowest first, and nothing of a higher one once there is something to use.
        order: u16,
        /// Lowest first among those of one order.
        preference: u16,
        /// `s` where `replacement` has SRV records.
        flags: String,
        /// Like `SIP+D2U`.
        service: String,
        /// Rewriting rules, which SIP does not use (RFC 3263 §4.1).
        regexp: String,
        /// The next name to ask for.
        replacement: String,
    },
    /// RFC 2782.
    Srv {
        /// Lowest first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// Port.
        port: u16,
        /// Host; empty (the root) says that there is no such service.
        target: String,
    },
    /// Of an A or AAAA record.
    Address(IpAddr),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Naptr { order, preference, flags, service, regexp, replacement } => {
                write!(f, "{order} {preference} \"{flags}\" \"{service}\" \"{regexp}\" {replacement}.")
            }
            Self::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {target}.")
            }
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// What a nameserver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There are such records.
    Records {
        /// The records, at most [`RECORDS_MAX`] of them.
        records: Vec<Record>,
        /// How long they may be kept.
        ttl: Duration,
    },
    /// There are none, or the name does not exist.
    Nothing {
        /// How long that may be kept, where it was said (RFC 2308 §5).
        ttl: Option<Duration>,
    },
    /// Nobody answered, or nobody could.
    Failed {
        /// For the log.
        fault: String,
    },
}

/// Most records of one answer that count; the others are as if they were not there.
pub const RECORDS_MAX: usize = 32;
