//! What is told of a user's phones: each device once, with the ways on which it can be called.

use std::net::SocketAddr;
use std::time::Duration;

use crate::transport::Transport;

/// The phones of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    /// The device that is to be called first, by its `+sip.instance` without brackets, whether it is registered or not.
    pub preferred: Option<String>,
    /// Whether that was chosen while a service ran; else the file says so.
    pub chosen: bool,
    /// In the order in which they are called; at most [`super::bindings::BINDINGS_MAX`].
    pub devices: Vec<Device>,
    /// What another phone of the user may name in a Replaces: the line that is up or rings, and the one over which a colleague
    /// is asked.
    pub lines: Vec<String>,
}

/// One phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What stands for it: its instance as it was written, else its contact.
    pub key: String,
    /// Its `+sip.instance` without brackets; `None`: it has none, and is known by its contact alone.
    pub instance: Option<String>,
    /// Whether it is the one to be called first.
    pub preferred: bool,
    /// Its registrations, at least one, in the order in which they are used.
    pub flows: Vec<Flow>,
}

/// One registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Which flow of the device (RFC 5626).
    pub reg_id: Option<u32>,
    /// Over what it is reached.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// How long it holds.
    pub expires_in: Duration,
    /// Nothing came back when it was called last.
    pub doubted: bool,
    /// It came with a token of the API and ends with it.
    pub with_token: bool,
}
