//! HTTP API of a dialer.
//!
//! It signs people in, checks rights, turns requests into calls of a [`port::Port`] and streams the live view. It
//! does not decide anything about calls, campaigns or law, keeps no business state, and ends no TLS (a proxy in
//! front does).
//!
//! Rooms: `router` (all routes), `handlers` (one file a group of routes), `port` (the way to the dialer), `options`,
//! `rights` (roles and what they may do), `identity` (the session behind a request), `session`, `password`, `lockout`,
//! `idempotency`, `stream` (the live view), `problem` (errors), `wire` and `schema` (bodies), `mask` (numbers),
//! `headers`, `metrics`, `openapi`, `page` (the wallboard), `serve` (the listener).

mod extract;
mod handlers;
mod headers;
pub mod idempotency;
pub mod identity;
pub mod lockout;
mod mask;
pub mod metrics;
pub mod openapi;
pub mod options;
pub mod page;
mod password;
pub mod port;
pub mod problem;
pub mod rights;
mod router;
mod schema;
mod serve;
mod session;
mod state;
pub mod stream;
pub mod wire;

pub use options::Options;
pub use password::{PasswordError, hash_password, is_password_hash};
pub use router::{document, router};
pub use serve::{GRACE, serve};
