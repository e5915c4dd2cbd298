//! Registrar for softphones (RFC 3261 §10.3).

pub mod bindings;
