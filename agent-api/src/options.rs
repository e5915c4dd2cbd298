//! What the API must know before it starts. Parsed and checked once by `carillon-config`.

use std::time::Duration;

use crate::rights::Role;

/// Everything the API is configured with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may sign in.
    pub users: Vec<User>,
    /// Whether the live view and the wallboard need no sign-in. For the demonstration on one machine only.
    pub open_live: bool,
    /// Whether the session cookie is marked `Secure`; true where TLS ends in front of this server.
    pub secure_cookie: bool,
    /// Token with which metrics may be read from anywhere; without one they are open to the same machine.
    pub metrics_token: Option<MetricsToken>,
    /// How long a session lives after its last use.
    pub session_idle: Duration,
    /// How long a session lives at most.
    pub session_life: Duration,
    /// How long a phone may register with one token.
    pub phone_token_life: Duration,
    /// Where phones in browsers connect to, like `wss://phones.example`; the best first.
    pub phone_websockets: Vec<String>,
    /// Bounds of what one request may cost.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            open_live: false,
            secure_cookie: false,
            metrics_token: None,
            session_idle: Duration::from_secs(30 * 60),
            session_life: Duration::from_secs(12 * 3600),
            phone_token_life: Duration::from_secs(600),
            phone_websockets: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// A token that opens the metrics. Never shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct MetricsToken(pub String);

impl std::fmt::Debug for MetricsToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Bounds of what one request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest JSON body in bytes.
    pub body_bytes_max: usize,
    /// Largest contact list in bytes.
    pub import_bytes_max: usize,
    /// Longest time for the head of a request, and longest idle time of a connection between requests.
    pub head_time: Duration,
    /// Longest time from the head of a request to its answer; streams excepted.
    pub request_time: Duration,
    /// The same for the import of a contact list.
    pub import_time: Duration,
    /// Most live streams at once.
    pub streams_max: usize,
    /// Most sessions at once; the one used longest ago gives way.
    pub sessions_max: usize,
    /// Most connections at once; more wait in the listener's queue.
    pub connections_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 * 1024,
            import_bytes_max: 32 * 1024 * 1024,
            head_time: Duration::from_secs(10),
            request_time: Duration::from_secs(10),
            import_time: Duration::from_secs(120),
            streams_max: 200,
            sessions_max: 10_000,
            connections_max: 2_000,
        }
    }
}

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// Name at sign-in; for agents also the user of their phone.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What they prove themselves with.
    pub password: Password,
}

/// What a password is compared with. Never shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// An argon2id hash in PHC form (`$argon2id$v=19$...`).
    Hash(String),
    /// The password itself, where the same text also serves SIP digest, which can't work with a hash.
    Plain(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
