//! HTTP API of a dialer.
//!
//! It signs people in, checks rights, turns requests into calls of a [`port::Port`] and streams the live view. It
//! does not decide anything about calls, campaigns or law, keeps no business state, and ends no TLS (a proxy in
//! front does).
//!
//! Rooms: `port` (the way to the dialer), `options`, `rights` (roles and what they may do).

pub mod options;
mod password;
pub mod port;
pub mod rights;

pub use options::Options;
pub use password::{PasswordError, hash_password, is_password_hash};
