//! What the gateway must know before it starts. Parsed and checked once by `carillon-config`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::{Algorithm, Credentials, Ha1};
use crate::dialog::session_timer::SessionOptions;
use crate::media::Codec;
use crate::passport::Signing;
use crate::resolve::Place;
use crate::transport::Local;
use crate::trunk::caller_ids::PoolOptions;
use crate::trunk::destination::Destinations;
use crate::trunk::failover::Failover;
use crate::trunk::health::Hysteresis;
use crate::trunk::rates::Rates;
use crate::trunk::spend::SpendOptions;
use crate::verification::Verify;

/// Everything the gateway is configured with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses to listen on, for trunks and softphones. The first one of a transport is written into Via and Contact of what
    /// goes over it.
    pub listen: Vec<Local>,
    /// Threads that share the UDP addresses among them; 0: whoever runs the gateway reads them itself. For whoever opens the
    /// sockets.
    pub workers: usize,
    /// Address written into SDP and bound for RTP.
    pub media_address: IpAddr,
    /// Lowest and highest UDP port for RTP and RTCP, inclusive.
    pub rtp_ports: (u16, u16),
    /// Streams for which there may be sockets at a time, two each.
    pub streams_max: usize,
    /// Realm of the registrar's digest challenges.
    pub realm: String,
    /// Carriers.
    pub trunks: Vec<TrunkOptions>,
    /// Softphone users that may register.
    pub users: Vec<UserOptions>,
    /// Shortest binding lifetime the registrar grants (RFC 3261 §10.3: 423 below it).
    pub register_expires_min: Duration,
    /// Longest binding lifetime the registrar grants.
    pub register_expires_max: Duration,
    /// Hashes that phones are challenged with, the most preferred first.
    pub phone_digests: Vec<Algorithm>,
    /// Phones are offered `qop=auth-int` beside `auth`.
    pub phone_auth_int: bool,
    /// Session timers asked for in our INVITEs (RFC 4028).
    pub session: SessionOptions,
    /// Transaction timers. Tests shorten nothing else.
    pub timers: Timers,
    /// Certificates of our own and whom we believe.
    pub tls: TlsOptions,
    /// Web pages whose browsers may open a WebSocket, each like `https://console.example`; `None` for all.
    pub ws_origins: Option<Vec<String>>,
    /// Who is asked for the names of carriers; nobody named: whom the system asks.
    pub nameservers: Vec<SocketAddr>,
    /// How long a connection that we opened, or a WebSocket, is left in silence before we ping; `None`: always.
    pub keep_alive: Option<Duration>,
    /// How long ladders of ended calls outlive them on the disk; `None`: not at all. For whoever writes them.
    pub ladders_kept: Option<Duration>,
    /// Where every message is told besides; `None`: nowhere.
    pub hep: Option<HepOptions>,
}

/// Where a capture server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HepServer {
    /// There.
    Address(SocketAddr),
    /// Where the system's nameservers say that this name is.
    Named {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
}

impl std::fmt::Display for HepServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Named { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A capture server (HEP version 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HepOptions {
    /// Where it listens, over UDP.
    pub server: HepServer,
    /// What it knows us by.
    pub id: u32,
    /// What it asks for, if it does; goes over the network as it is.
    pub password: Option<Secret>,
}

impl Options {
    /// Nobody to call and nobody who may register yet: what the keys of a file that names nothing but `listen` and
    /// `media_address` stand for.
    pub fn new(listen: Vec<Local>, media_address: IpAddr) -> Self {
        Self {
            listen,
            workers: 0,
            media_address,
            rtp_ports: (20_000, 29_999),
            streams_max: usize::MAX,
            realm: "carillon".to_owned(),
            trunks: Vec::new(),
            users: Vec::new(),
            register_expires_min: Duration::from_secs(30),
            register_expires_max: Duration::from_secs(3_600),
            phone_digests: vec![Algorithm::Md5],
            phone_auth_int: false,
            session: SessionOptions::default(),
            timers: Timers::default(),
            tls: TlsOptions::default(),
            ws_origins: None,
            nameservers: Vec::new(),
            keep_alive: None,
            ladders_kept: None,
            hep: None,
        }
    }
}

/// Certificates for TLS and secure WebSocket. All files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Who we are to those who connect; needed to listen.
    pub identity: Option<Identity>,
    /// Whose certificates prove who connects to us. Clients may still come without one; with one that these don't vouch for
    /// they are turned away. `None` asks nobody.
    pub client_ca: Option<PathBuf>,
    /// Whom to believe about trunks that name nobody of their own; `None` means the system's roots.
    pub ca: Option<PathBuf>,
}

/// A certificate with its chain, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate first, then those that lead to a root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What TLS with one trunk needs beside [`TlsOptions`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkTls {
    /// Host name or address that its certificate must be for (RFC 5922 §7.2).
    pub name: String,
    /// Whom to believe about it, instead of [`TlsOptions::ca`].
    pub ca: Option<PathBuf>,
    /// What we show it when it asks who we are.
    pub identity: Option<Identity>,
    /// Whether its requests over connections that it opens count only when it has shown a certificate for `name` there;
    /// otherwise its address is enough.
    pub verify_client: bool,
}

/// RFC 3261 table 4: the base values from which all transaction timers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate.
    pub t1: Duration,
    /// Longest retransmission interval of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// Longest time a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// One carrier connection with its limits.
#[derive(Clone, Debug)]
pub struct TrunkOptions {
    /// Name in reports and metrics.
    pub name: String,
    /// `sip:host:port`; host is an IP address or a name.
    pub uri: String,
    /// Where `uri` leads; a connection is opened when there is something to send.
    pub place: Place,
    /// Digest user; empty when the trunk knows us by address.
    pub username: String,
    /// Digest password.
    pub password: Secret,
    /// Whether to REGISTER with the trunk.
    pub register: bool,
    /// Its group; calls go to lower ones first. Not used by the gateway.
    pub priority: u32,
    /// Its share of the calls of its group; 0: what the others have no room for. Not used by the gateway.
    pub weight: u32,
    /// What its calls cost.
    pub rates: Option<Arc<Rates>>,
    /// How much may be spent on them.
    pub spend: SpendOptions,
    /// Most calls at once, counted from reservation to end.
    pub max_calls: u32,
    /// Most new INVITEs in any sliding second.
    pub calls_per_second: f64,
    /// Most calls from outside a second, and as many at once; `None`: no limit.
    pub incoming_per_second: Option<f64>,
    /// Numbers we may show; rotated.
    pub caller_ids: Vec<String>,
    /// Codecs offered, in order.
    pub codecs: Vec<Codec>,
    /// INVITEs make no offer; the callee's answer does (RFC 3261 §13.2.1).
    pub late_offer: bool,
    /// The carrier trusts us: INVITEs assert the caller's identity (RFC 3325).
    pub asserted_identity: bool,
    /// How its INVITEs are signed (RFC 8224); `None`: not.
    pub signing: Option<Signing>,
    /// Whom it is believed when the INVITEs that come over it say who calls (RFC 8224); `None`: that is not looked at.
    pub verification: Option<Arc<dyn Verify>>,
    /// Interval of OPTIONS health checks; `None` (the default) sends none.
    pub options_interval: Option<Duration>,
    /// How long its answered calls may last in sum, a UTC day.
    pub talk_daily_max: Option<Duration>,
    /// The same, a UTC month.
    pub talk_monthly_max: Option<Duration>,
    /// Which numbers it may call, and how it wants them written.
    pub destinations: Destinations,
    /// How its numbers are used.
    pub pool: PoolOptions,
    /// What its refusals mean where it differs from others, as lines that the dialer reads; not used by the gateway.
    pub outcomes: Vec<String>,
    /// How many health checks it takes to leave it and to come back.
    pub hysteresis: Hysteresis,
    /// Which of its failures are tried on the next trunk.
    pub failover: Failover,
    /// For trunks over TLS.
    pub tls: TrunkTls,
}

impl TrunkOptions {
    /// A carrier over UDP that knows us by address, and takes 200 calls at once, 50 a second.
    pub fn new(name: &str, at: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            uri: format!("sip:{at}"),
            place: Place::udp(at),
            username: String::new(),
            password: Secret::default(),
            register: false,
            priority: 0,
            weight: 0,
            rates: None,
            spend: SpendOptions::default(),
            max_calls: 200,
            calls_per_second: 50.0,
            incoming_per_second: None,
            caller_ids: Vec::new(),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            late_offer: false,
            asserted_identity: false,
            signing: None,
            verification: None,
            options_interval: None,
            talk_daily_max: None,
            talk_monthly_max: None,
            destinations: Destinations::default(),
            pool: PoolOptions::default(),
            outcomes: Vec::new(),
            hysteresis: Hysteresis::default(),
            failover: Failover::default(),
            tls: TrunkTls::default(),
        }
    }

    /// What to answer its challenges with; `None` when it knows us by address.
    pub fn credentials(&self) -> Option<Credentials> {
        (!self.username.is_empty())
            .then(|| Credentials { username: self.username.clone(), password: self.password.clone() })
    }
}

/// A softphone user of the registrar.
#[derive(Clone, Debug)]
pub struct UserOptions {
    /// User part of the address of record.
    pub user: String,
    /// Hashes of the digest password.
    pub ha1: Ha1,
    /// A fixed contact (`sip:user@host:port`) for a phone that doesn't register.
    pub contact: Option<String>,
    /// The device that is called before the user's others: the URN of its `+sip.instance`, like `urn:uuid:...`.
    pub preferred_device: Option<String>,
}

/// A secret that never shows in Debug, Display or logs.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for digest arithmetic, and for a capture server, which gets it as it is.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
