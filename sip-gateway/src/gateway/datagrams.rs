//! What comes off the wire, and where it goes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Gateway, Output};
use crate::leg::LegId;
use crate::leg::wire::Owner;
use crate::message::{self, DecodeError, Headers, Method, Request, Response};
use crate::transaction::{self, TransactionKey};

impl Gateway {
    pub(super) fn receive(&mut self, bytes: Bytes, from: SocketAddr, local: SocketAddr, now: Duration) {
        self.wire.counters.datagrams_received += 1;
        match message::decode(bytes) {
            Ok(message) => self.wire.layer.receive(message, from, local, now),
            Err(DecodeError::Drop(fault)) => {
                tracing::trace!(%fault, "datagram dropped");
                self.wire.counters.datagrams_dropped += 1;
            }
            Err(DecodeError::Answer { status, fault, skeleton }) => {
                tracing::debug!(status, %fault, "malformed request");
                self.wire.counters.malformed_answered += 1;
                let mut response = skeleton.response(status);
                response.headers.tag_to(&self.wire.names.tag());
                if let Ok(octets) = response.to_vec() {
                    self.transmit(from, local, octets.into());
                }
            }
        }
    }

    /// Carries what the transactions say to whom it concerns, until they have nothing more to say.
    pub(super) fn settle(&mut self, now: Duration) {
        // Ends: each output is the answer to one message, command or timer, and none makes an endless chain.
        while let Some(output) = self.wire.layer.poll_output() {
            match output {
                transaction::Output::Transmit { to, local, bytes } => self.transmit(to, local, bytes),
                transaction::Output::Request { key, request, from, local } => {
                    self.request(key, &request, from, local, now);
                }
                // No request of ours to a peer's INVITE is ever left without its final response.
                transaction::Output::Cancelled { .. } => {}
                transaction::Output::Ack { request, from } => {
                    if let Some(leg) = self.leg_of(&request.headers) {
                        self.with_leg(leg, now, |leg, _| leg.ack(&request, from));
                    }
                }
                transaction::Output::Response { key, response, .. } => self.response(key, &response, now),
                transaction::Output::StrayResponse { response, .. } => {
                    if let Some(leg) = self.leg_of(&response.headers) {
                        self.with_leg(leg, now, |leg, wire| leg.response(None, &response, wire, now));
                    }
                }
                transaction::Output::Timeout { key } => self.no_response(key, now),
                transaction::Output::TransportError { key } => self.not_sent(key, now),
                transaction::Output::Terminated { key } => self.wire.forget(key),
            }
        }
    }

    fn transmit(&mut self, to: SocketAddr, local: SocketAddr, bytes: Bytes) {
        self.wire.counters.datagrams_sent += 1;
        self.outputs.push_back(Output::Transmit { to, local, bytes });
    }

    fn leg_of(&self, headers: &Headers) -> Option<LegId> {
        self.dialogs.get(headers.call_id().ok()?).copied()
    }

    fn request(
        &mut self,
        key: TransactionKey,
        request: &Request,
        from: SocketAddr,
        _local: SocketAddr,
        now: Duration,
    ) {
        if request.method == Method::Register {
            return;
        }
        if let Some(leg) = self.leg_of(&request.headers) {
            return self.with_leg(leg, now, |leg, wire| leg.request(key, request, from, wire, now));
        }
        self.wire.counters.strays += 1;
    }

    fn response(&mut self, key: TransactionKey, response: &Response, now: Duration) {
        match self.wire.owner(key) {
            Owner::Leg(leg) => {
                self.with_leg(leg, now, |leg, wire| leg.response(Some(key), response, wire, now));
            }
            Owner::Nobody => {}
        }
    }

    fn no_response(&mut self, key: TransactionKey, now: Duration) {
        match self.wire.owner(key) {
            Owner::Leg(leg) => self.with_leg(leg, now, |leg, wire| leg.timeout(key, wire, now)),
            Owner::Nobody => {}
        }
    }

    fn not_sent(&mut self, key: TransactionKey, now: Duration) {
        match self.wire.owner(key) {
            Owner::Leg(leg) => self.with_leg(leg, now, |leg, wire| leg.transport_error(key, wire, now)),
            Owner::Nobody => {}
        }
    }
}
