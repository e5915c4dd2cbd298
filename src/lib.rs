//! Wiring of the `carillon` binary: the only place that knows every crate.
//!
//! `link` (pure) turns dialer outputs into gateway commands and events back into inputs; `node` (pure) is dialer, link
//! and gateway in one machine; `clock` relates campaign time to real time; `demo` holds the simulated parties.

pub mod clock;
pub mod demo;
pub mod link;
pub mod node;
