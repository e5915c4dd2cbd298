//! The store: what is written ([`mod@write`]), what is read back ([`read`]), and a model of both ([`memory`]).
//!
//! Safety rests on unique indexes and conditional updates: one open attempt per contact and per number, one
//! terminal outcome per attempt.

pub mod memory;
pub mod read;
#[cfg(feature = "store")]
pub mod report;
#[cfg(feature = "store")]
pub mod sqlite;
pub mod tally;
pub mod words;
pub mod write;

#[cfg(test)]
mod tests;
