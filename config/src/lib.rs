//! One file and the environment, parsed once into the options of each crate.
//!
//! [`CampaignFile`] is what `carillon run` takes, [`ServiceConfig`] what `carillon serve` takes. Reading a file
//! reports everything that is wrong with it, each with line and key, and starts nothing.
//!
//! This crate opens no socket and keeps no state; beside the files it is pointed at it only resolves host names.
//!
//! Rooms: `reader` (TOML with places), `campaign`, `spec`, `sip`, `tls`, `agents`, `service`, `error`.

mod agents;
mod campaign;
mod error;
mod files;
mod place;
mod rates;
mod reader;
mod service;
mod signing;
mod sip;
mod spec;
mod tls;
mod trunk;
mod verification;

pub use campaign::{AgentsOptions, CampaignFile, ListOptions};
pub use error::{ConfigError, PROBLEMS_MAX, Problem};
pub use service::ServiceConfig;
