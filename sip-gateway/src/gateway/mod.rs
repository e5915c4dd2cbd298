//! The gateway: routes datagrams, commands and media events to the rooms that own them.
//!
//! Three doors in ([`Gateway::command`], [`Gateway::datagram`], [`Gateway::media`]), one out
//! ([`Gateway::poll_output`]) and one for time ([`Gateway::poll_timeout`], [`Gateway::handle_timeout`]).
//! After each call on a door, drain `poll_output` and then ask `poll_timeout` again.

pub mod counters;
pub mod names;
pub mod ports;
pub mod stray;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;

use crate::command::Command;
use crate::event::{Event, Room};
use crate::media::{MediaCommand, MediaEvent};
use crate::options::Options;
use counters::Counters;

/// What the gateway wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Destination.
        to: SocketAddr,
        /// Which of our listening addresses it leaves from.
        local: SocketAddr,
        /// The datagram.
        bytes: Bytes,
    },
    /// Tell whoever commands the gateway.
    Event(Event),
    /// Tell the media threads.
    Media(MediaCommand),
}

/// All SIP machines of one node.
pub struct Gateway {
    options: Options,
    #[allow(dead_code)]
    rng: ChaCha20Rng,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Gateway {
    /// A gateway with no calls. `rng` must be seeded from the system's secure source outside tests.
    pub fn new(options: Options, rng: ChaCha20Rng, _now: Duration) -> Self {
        Self { options, rng, outputs: VecDeque::new(), counters: Counters::default() }
    }

    /// Takes one instruction.
    pub fn command(&mut self, _command: Command, _now: Duration) {}

    /// Takes one received datagram; `local` is the listening address it came in on.
    pub fn datagram(&mut self, _bytes: Bytes, _from: SocketAddr, _local: SocketAddr, _now: Duration) {
        self.counters.datagrams_received += 1;
    }

    /// Takes one report of the media threads.
    pub fn media(&mut self, _event: MediaEvent, _now: Duration) {}

    /// Takes the report that a datagram to `to` could not be sent (RFC 3261 §18.4).
    pub fn transport_error(&mut self, _to: SocketAddr, _now: Duration) {}

    /// Room for new calls over all usable trunks.
    pub fn room(&self, _now: Duration) -> Room {
        Room::default()
    }

    /// The next thing to do, or `None` when all is done for now.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Gateway::handle_timeout`] must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// Lets everything happen that is due at `now`.
    pub fn handle_timeout(&mut self, _now: Duration) {}

    /// What was counted since start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Calls that are reserved or up, for metrics and for shutting down.
    pub fn calls(&self) -> usize {
        0
    }

    /// What it was configured with.
    pub fn options(&self) -> &Options {
        &self.options
    }
}
