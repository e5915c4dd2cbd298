//! One file a group of routes. Every handler asks for its right first, then the port.

pub(crate) mod agents;
pub(crate) mod attempts;
pub(crate) mod calls;
pub(crate) mod campaigns;
pub(crate) mod contacts;
pub(crate) mod devices;
pub(crate) mod health;
pub(crate) mod inbound;
pub(crate) mod live;
pub(crate) mod metrics;
pub(crate) mod phones;
pub(crate) mod sessions;
