//! Wiring of the `carillon` binary.
