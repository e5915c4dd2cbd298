//! The store: what is written ([`write`]), what is read back ([`read`]).
//!
//! Safety rests on unique indexes and conditional updates: one open attempt per contact and per number, one
//! terminal outcome per attempt.

pub mod read;
pub mod write;
