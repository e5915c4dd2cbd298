//! The dialer through its doors: a desk of people, a small store and a carrier that do what a test says.

mod agents;
mod answers;
mod closing;
mod deaths;
mod desk;
mod ending;
mod handover;
mod inbound;
mod learning;
mod outage;
mod owners;
mod preview;
mod random;
mod replay;
mod restart;
mod roster;
mod sharing;
mod trunks;
mod walk;
