//! Wiring of the `carillon` binary: the only place that knows every crate.
//!
//! `link` (pure) turns dialer outputs into gateway commands and events back into inputs; `node` (pure) is dialer, link
//! and gateway in one machine; `clock` relates campaign time to real time; `engine` drives the node with real sockets,
//! store and clock; `run`, `serve`, `demo`, `simulate`, `rehearse` and `replay` are the commands.

pub mod admission;
pub mod breath;
pub mod caps;
pub mod check;
pub mod clock;
pub mod demo;
pub mod doorbell;
pub mod engine;
pub mod exit;
pub mod keeper;
pub mod ladder;
pub mod limits;
pub mod link;
pub mod meters;
pub mod node;
pub mod port;
pub mod prompts;
pub mod rehearse;
pub mod replay;
pub mod run;
pub mod say;
pub mod serve;
pub mod signals;
pub mod simulate;
pub mod sockets;
pub mod strain;
pub mod telemetry;
pub mod trace;
pub mod workers;
