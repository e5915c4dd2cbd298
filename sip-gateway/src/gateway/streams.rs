//! Media streams: a port each, opened and closed with the leg they belong to.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use super::legs::LegOwner;
use crate::id::StreamId;
use crate::media::{MediaCommand, Remote};
use crate::sdp::OwnMedia;

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    port: u16,
    owner: LegOwner,
    /// Whether it is that of a phone which is called for every customer.
    phone: bool,
}

impl Gateway {
    /// Our media address with all our ports: no peer may name one of them as its own.
    pub(super) fn own_media(&self) -> OwnMedia {
        OwnMedia { address: self.options.media_address, ports: self.options.rtp_ports }
    }

    /// New calls for which there are ports.
    pub(super) fn ports_for_calls(&self, now: Duration) -> usize {
        self.ports.for_calls(self.calls.len(), self.phones, self.agents_per_call, now)
    }

    /// The RTP port of an open stream.
    pub(super) fn stream_port(&self, stream: StreamId) -> Option<u16> {
        self.streams.get(&stream).map(|stream| stream.port)
    }

    /// Opens a stream on a port taken from the pool.
    pub(super) fn open_stream(&mut self, port: u16, owner: LegOwner) -> StreamId {
        let stream = self.wire.names.stream();
        let origin = self.wire.names.origin();
        let phone = matches!(&owner, LegOwner::Agent(user) if self.is_called_per_call(user));
        self.phones += usize::from(phone);
        self.streams.insert(stream, Stream { port, owner, phone });
        let local = SocketAddr::new(self.options.media_address, port);
        self.media_command(MediaCommand::Open { stream, local, origin });
        stream
    }

    /// The stream is somebody else's from now on.
    pub(super) fn give_stream(&mut self, stream: StreamId, owner: LegOwner) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.owner = owner;
        }
    }

    /// The leg was answered: the stream knows its peer and never falls silent.
    pub(super) fn start_stream(&mut self, stream: StreamId, remote: Remote) {
        self.media_command(MediaCommand::SetRemote { stream, remote });
        self.media_command(MediaCommand::Silence { stream, on: true });
    }

    /// Closes a stream; its port rests for a while.
    pub(super) fn close_stream(&mut self, stream: StreamId, now: Duration) {
        if let Some(Stream { port, phone, .. }) = self.streams.remove(&stream) {
            self.phones -= usize::from(phone);
            self.media_command(MediaCommand::Close { stream });
            self.ports.closed(port, now);
        }
    }

    /// The port of a stream could not be bound.
    pub(super) fn stream_refused(&mut self, stream: StreamId, now: Duration) {
        let Some(Stream { port, owner, phone }) = self.streams.remove(&stream) else { return };
        self.phones -= usize::from(phone);
        // Why is told by whoever tried.
        tracing::debug!(port, "RTP port can't be bound");
        self.ports.refused(port, now);
        match owner {
            LegOwner::Call(call) => self.call_without_port(call, now),
            LegOwner::Agent(user) => self.phone_without_port(&user, now),
            LegOwner::Consultation(call) => self.consultation_over(call, Some(503), now),
            LegOwner::Takeover(user) => self.takeover_without_stream(&user, stream, now),
            LegOwner::Nobody => {}
        }
    }

    /// Nothing came from the stream's peer for a long time.
    pub(super) fn stream_lost(&mut self, stream: StreamId, now: Duration) {
        let Some(Stream { owner, .. }) = self.streams.get(&stream) else { return };
        match owner.clone() {
            LegOwner::Call(call) => self.call_lost(call, now),
            LegOwner::Agent(user) => self.phone_lost(&user, now),
            LegOwner::Consultation(call) => self.consultation_over(call, None, now),
            LegOwner::Takeover(user) => self.takeover_without_stream(&user, stream, now),
            LegOwner::Nobody => {}
        }
    }
}
