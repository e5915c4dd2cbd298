//! The demo: a simulated carrier and simulated agents that speak real SIP and RTP, so that a campaign can be seen running
//! without a carrier.

pub mod audio;
pub mod contacts;
pub mod io;
pub mod party;
pub mod progress;
pub mod proof;
pub mod voice;
