//! Wiring of the `carillon` binary.

pub mod demo;
