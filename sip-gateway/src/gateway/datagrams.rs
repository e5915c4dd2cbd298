//! What comes off the wire, and where it goes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::stray::{self, StrayAnswer, StrayPolicy};
use super::{Gateway, Output};
use crate::auth;
use crate::decoded::Decoded;
use crate::dialog::capability::Peer;
use crate::leg::LegId;
use crate::leg::wire::Owner;
use crate::message::{DecodeError, Headers, Message, Method, Request, Response};
use crate::resolve::Target;
use crate::stun;
use crate::transaction::{self, TransactionKey};
use crate::transport::Local;
use crate::trunk::Trunk;

impl Gateway {
    pub(super) fn receive(&mut self, datagram: Decoded, from: SocketAddr, local: Local, now: Duration) {
        self.wire.counters.datagrams_received += 1;
        let fault = match datagram {
            Decoded::Stun(datagram) => return self.stun(&datagram, from, local, now),
            // A scanner learns nothing, not even that somebody listens.
            Decoded::Message(Message::Request(request)) if self.turns_away(&request, from, local, now) => {
                return;
            }
            Decoded::Message(message) if self.orphan_response(&message, from, now) => return,
            Decoded::Message(message) => {
                self.note_received(&message, from, local, now);
                let refused = self.refused_for_now(&message, from, local, now);
                self.wire.layer.shed(refused);
                return self.wire.layer.receive(message, from, local, now);
            }
            Decoded::Broken(fault) => fault,
        };
        match fault {
            DecodeError::Answer { status, fault, skeleton } if self.is_trusted(from, local) => {
                tracing::debug!(status, %fault, "malformed request");
                self.wire.counters.malformed_answered += 1;
                let mut response = skeleton.response(status);
                response.headers.tag_to(&self.wire.names.tag());
                if let Ok(octets) = response.to_vec() {
                    self.transmit(from, local, octets.into(), now);
                }
            }
            DecodeError::Drop(fault) | DecodeError::Answer { fault, .. } => {
                tracing::trace!(%fault, "datagram dropped");
                self.wire.counters.datagrams_dropped += 1;
            }
        }
    }

    /// A phone, or a trunk, keeps its way to us open (RFC 5626 §4.4.2). Strangers learn nothing.
    fn stun(&mut self, datagram: &[u8], from: SocketAddr, local: Local, now: Duration) {
        let trusted = self.is_trusted(from, local);
        match stun::answer(datagram, from).filter(|_| trusted) {
            Some(answer) => {
                self.wire.counters.stun_answered += 1;
                self.transmit(from, local, answer.into(), now);
            }
            None => self.wire.counters.datagrams_dropped += 1,
        }
    }

    /// Whether datagrams from here may be a carrier's or a registered phone's.
    fn is_trusted(&self, from: SocketAddr, local: Local) -> bool {
        let by_certificate = || self.trunks.iter().any(|trunk| self.has_shown(trunk, from, local));
        self.is_trunk_host(from.ip()) || self.registrar.is_phone(from) || by_certificate()
    }

    /// Whether messages from here are this trunk's: by one of its addresses, or by its certificate where it has to show one.
    pub(super) fn is_from(&self, trunk: &Trunk, from: SocketAddr, local: Local) -> bool {
        if trunk.options.tls.verify_client {
            return self.has_shown(trunk, from, local);
        }
        trunk.targets.is_at(from.ip())
    }

    /// Whether messages from here are this trunk's by the certificate that it has to show. Over a connection that we opened it
    /// has shown it already.
    fn has_shown(&self, trunk: &Trunk, from: SocketAddr, local: Local) -> bool {
        let tls = &trunk.options.tls;
        let opened = || trunk.targets.contains(Target { transport: local.transport, address: from });
        tls.verify_client
            && local.transport.is_secure()
            && (opened() || self.proven.contains(&(local, from, tls.name.clone())))
    }

    /// Whether a request of an unknown source is not worth a look; counts it then.
    fn turns_away(&mut self, request: &Request, from: SocketAddr, local: Local, now: Duration) -> bool {
        let trusted = self.is_trusted(from, local);
        if request.method == Method::Register && self.is_guessed(request, from, trusted, now) {
            self.wire.counters.register_guessed += 1;
            return true;
        }
        if trusted {
            return false;
        }
        if request.method == Method::Register {
            let admitted = self.flood.admits(from.ip(), now);
            self.wire.counters.register_limited += u64::from(!admitted);
            return !admitted;
        }
        let expected = self.is_expected(request);
        self.wire.counters.strangers += u64::from(!expected);
        !expected
    }

    /// After which time to come again with what this message begins, if it begins anything.
    fn refused_for_now(
        &self,
        message: &Message,
        from: SocketAddr,
        local: Local,
        now: Duration,
    ) -> Option<Duration> {
        let calls = |message: &Message| match message {
            Message::Request(it) if it.method == Method::Invite => {
                self.trunk_behind(it, from, local, now).is_some()
            }
            Message::Request(_) | Message::Response(_) => false,
        };
        self.shedding.or_else(|| self.holding.filter(|_| calls(message)))
    }

    /// Whether a request brings a password after too many wrong ones.
    pub(super) fn is_guessed(
        &self,
        request: &Request,
        from: SocketAddr,
        has_phone: bool,
        now: Duration,
    ) -> bool {
        let user = auth::claimed_user(&request.headers, &self.options.realm);
        user.is_some_and(|user| !self.guesses.admits(from.ip(), user, has_phone, now))
    }

    /// What even a stranger may send beside REGISTER: requests that know one of our Call-IDs.
    fn is_expected(&self, request: &Request) -> bool {
        let orphan = |call_id: &str| self.orphans.contains_key(call_id);
        self.leg_of(&request.headers).is_some() || request.headers.call_id().is_ok_and(orphan)
    }

    /// Carries what the transactions say to whom it concerns, until they have nothing more to say.
    pub(super) fn settle(&mut self, now: Duration) {
        // Ends: each output is the answer to one message, command or timer, and none makes an endless chain.
        while let Some(output) = self.wire.layer.poll_output() {
            match output {
                transaction::Output::Transmit { to, local, bytes } => self.transmit(to, local, bytes, now),
                transaction::Output::Request { key, request, from, local } => {
                    self.request(key, &request, from, local, now);
                }
                transaction::Output::Cancelled { key } => self.cancelled(key, now),
                transaction::Output::Ack { request, from } => {
                    if let Some(leg) = self.leg_of(&request.headers) {
                        self.with_leg(leg, now, |leg, wire| leg.ack(&request, from, wire, now));
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
                transaction::Output::Terminated { key } => {
                    if let Owner::Leg(leg) = self.wire.owner(key)
                        && let Some(entry) = self.legs.get_mut(&leg)
                    {
                        entry.terminated(now);
                    }
                    self.wire.forget(key);
                    self.forget_offer(key);
                }
            }
        }
        self.ladders.all_sent();
    }

    fn transmit(&mut self, to: SocketAddr, local: Local, bytes: Bytes, now: Duration) {
        self.wire.counters.datagrams_sent += 1;
        self.note_sent(&bytes, to, local, now);
        self.outputs.push_back(Output::Transmit { to, local, bytes });
    }

    fn leg_of(&self, headers: &Headers) -> Option<LegId> {
        self.dialogs.get(headers.call_id().ok()?).copied()
    }

    /// The leg whose INVITE this received one is.
    pub(super) fn leg_of_transaction(&self, key: TransactionKey) -> Option<LegId> {
        match self.wire.owner(key) {
            Owner::Leg(leg) => Some(leg),
            Owner::Orphan(_) | Owner::Registration(_) | Owner::Health(_) | Owner::Nobody => None,
        }
    }

    /// Whether an INVITE begins a call anew whose Call-ID is that of one that is over (RFC 3261 §8.1.3.5).
    fn begins_anew(&self, leg: LegId, request: &Request) -> bool {
        let over = self.legs.get(&leg).is_some_and(|entry| entry.leg().is_over());
        over && request.method == Method::Invite && request.headers.to().is_ok_and(|to| to.tag().is_none())
    }

    fn request(
        &mut self,
        key: TransactionKey,
        request: &Request,
        from: SocketAddr,
        local: Local,
        now: Duration,
    ) {
        let leg = self.leg_of(&request.headers).filter(|leg| !self.begins_anew(*leg, request));
        if let Some(leg) = leg {
            return self.with_leg(leg, now, |leg, wire| leg.request(key, request, from, wire, now));
        }
        let orphan = request.headers.call_id().ok().and_then(|call_id| self.orphans.get_mut(call_id));
        if let Some(orphan) = orphan {
            return orphan.request(key, request, from, &mut self.wire, now);
        }
        let trunk = match request.method {
            Method::Invite | Method::Options => self.trunk_behind(request, from, local, now),
            _ => None,
        };
        let peer = if trunk.is_some() { Peer::Carrier } else { Peer::Phone };
        let policy = StrayPolicy { trusted: self.is_trusted(from, local), registrar: true, peer };
        match stray::answer(request, &policy) {
            StrayAnswer::Register => self.register(key, request, from, local, now),
            StrayAnswer::Invite => self.invited(key, request, trunk, (from, local), now),
            StrayAnswer::Respond(response) => {
                self.wire.counters.strays += 1;
                self.wire.layer.respond(key, response, now);
            }
            StrayAnswer::Silence => self.wire.counters.strangers += 1,
        }
    }

    fn response(&mut self, key: TransactionKey, response: &Response, now: Duration) {
        match self.wire.owner(key) {
            Owner::Leg(leg) => {
                self.heed_overload(leg, response, now);
                self.with_leg(leg, now, |leg, wire| leg.response(Some(key), response, wire, now));
            }
            Owner::Orphan(call_id) => {
                self.with_orphan(&call_id, |orphan, wire| orphan.answered(key, response, wire, now));
            }
            Owner::Registration(trunk) => self.registration_response(trunk, key, response, now),
            Owner::Health(trunk) => self.health_answered(trunk, key, response, now),
            Owner::Nobody => {}
        }
    }

    fn no_response(&mut self, key: TransactionKey, now: Duration) {
        match self.wire.owner(key) {
            Owner::Leg(leg) => self.with_leg(leg, now, |leg, wire| leg.timeout(key, wire, now)),
            Owner::Orphan(call_id) => self.with_orphan(&call_id, |orphan, _| orphan.unanswered(key)),
            Owner::Registration(trunk) => self.registration_timeout(trunk, key, now),
            Owner::Health(trunk) => self.health_unanswered(trunk, key, now),
            Owner::Nobody => {}
        }
    }

    fn not_sent(&mut self, key: TransactionKey, now: Duration) {
        match self.wire.owner(key) {
            Owner::Leg(leg) => self.with_leg(leg, now, |leg, wire| leg.transport_error(key, wire, now)),
            Owner::Orphan(_) | Owner::Registration(_) | Owner::Health(_) | Owner::Nobody => {
                self.no_response(key, now);
            }
        }
    }
}
