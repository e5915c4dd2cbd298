//! The demo: a simulated carrier and simulated agents that speak real SIP and RTP, so that a campaign can be seen running
//! without a carrier.

pub mod party;
