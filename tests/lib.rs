//! Holds the integration-test binary `scenarios`, and what must hold of every parser whatever octets it is given.

pub mod parsers;
