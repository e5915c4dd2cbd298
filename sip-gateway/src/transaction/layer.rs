//! The transaction layer: requests and responses in, each told to the user once; retransmissions kept inside.
//!
//! After each call on a door, drain [`Layer::poll_output`] and then ask [`Layer::poll_timeout`] again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::key::TransactionKey;
use super::machine::CancelError;
use super::output::{LayerOptions, Output, SendError, Tally};
use super::server::{plain, tagged};
use super::table::{Audience, Table};
use super::tag::TagMaker;
use super::timer::Lengths;
use super::{Action, hop};
use crate::message::{EncodeError, Message, Method, Request, Response};
use crate::transport::Local;

/// All transactions of a node, over all transports.
pub struct Layer {
    pub(super) options: LayerOptions,
    pub(super) tags: TagMaker,
    pub(super) table: Table,
    pub(super) outputs: VecDeque<Output>,
    pub(super) tally: Tally,
    /// While set, new requests are refused: come again after this time.
    pub(super) shedding: Option<Duration>,
}

/// The message that made a machine act.
pub(super) enum Cause {
    Nothing,
    Request(Request, SocketAddr),
    Response(Response, SocketAddr, Local),
    Respond(Bytes),
}

impl Layer {
    /// A layer without transactions. `tags` makes the To tags of responses that have none.
    pub fn new(options: LayerOptions, tags: TagMaker) -> Self {
        let table = Table::new(tags.fingerprints(), options.clients_max, options.servers_max);
        Self { options, tags, table, outputs: VecDeque::new(), tally: Tally::default(), shedding: None }
    }

    /// From now on refuses requests that begin something (outside any dialog, and no ACK or CANCEL) with 503 and this
    /// Retry-After, without a transaction (RFC 3261 §8.2.7, §21.5.4); `None`: takes everything. What belongs to a call or to
    /// a transaction is always served.
    pub fn shed(&mut self, retry_after: Option<Duration>) {
        self.shedding = retry_after;
    }

    /// Sends a request in a new client transaction. Its topmost Via must have a branch of its own and name `local`.
    pub fn send_request(
        &mut self,
        request: Request,
        to: SocketAddr,
        local: impl Into<Local>,
        now: Duration,
    ) -> Result<TransactionKey, SendError> {
        if request.method == Method::Ack {
            return Err(SendError::Ack);
        }
        self.start_client(request, to, local.into(), Audience::User, now)
    }

    /// Cancels an INVITE that has a provisional response (RFC 3261 §9.1), saying why (RFC 3326). The CANCEL's own transaction
    /// stays inside.
    /// The INVITE ends by its final response, or by [`Output::Timeout`] 64*T1 later.
    pub fn cancel(
        &mut self,
        invite: TransactionKey,
        reason: Option<&'static str>,
        now: Duration,
    ) -> Result<(), CancelError> {
        let entry = self.table.get_mut(invite).ok_or(CancelError::TooLate)?;
        entry.machine.cancellable()?;
        entry.machine.cancel(now);
        self.send_cancel(invite, reason, now);
        self.settle(invite);
        Ok(())
    }

    /// Stops repeating an INVITE that has no response yet (timer A). Its other timers go on, and whatever still comes is
    /// taken as before.
    pub fn hush(&mut self, invite: TransactionKey) {
        if let Some(entry) = self.table.get_mut(invite) {
            entry.machine.hush();
            self.settle(invite);
        }
    }

    /// Sends the ACK of a 2xx, which makes no transaction (RFC 3261 §13.2.2.4).
    pub fn send_ack(
        &mut self,
        ack: &Request,
        to: SocketAddr,
        local: impl Into<Local>,
    ) -> Result<(), EncodeError> {
        let (bytes, local) = (Bytes::from(ack.to_vec()?), local.into());
        self.outputs.push_back(Output::Transmit { to, local, bytes });
        Ok(())
    }

    /// The To tag that responses to this request get.
    pub fn tag(&self, request: &Request) -> String {
        self.tags.tag(request)
    }

    /// Answers a request. A To tag is added if there is none. Nothing happens when the transaction is over or has its
    /// final response; a 2xx to an INVITE may be given again (RFC 3261 §13.3.1.4).
    pub fn respond(&mut self, key: TransactionKey, response: Response, now: Duration) {
        let Some(entry) = self.table.get_mut(key) else { return };
        let status = response.status;
        let bytes = match tagged(response, &entry.request, &self.tags).to_vec() {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, "response can't be written");
                return;
            }
        };
        let actions = entry.machine.respond(status, now);
        self.carry_out(key, actions, Cause::Respond(bytes.into()), now);
    }

    /// Answers without a transaction, for requests that are refused at the door. `request` is stamped with its source
    /// as [`Output::Request`] has it; a To tag is added if there is none.
    pub fn answer_statelessly(
        &mut self,
        request: &Request,
        response: Response,
        from: SocketAddr,
        local: impl Into<Local>,
    ) {
        let local = local.into();
        let to = self.return_address(request, from, local);
        match tagged(response, request, &self.tags).to_vec() {
            Ok(bytes) => self.outputs.push_back(Output::Transmit { to, local, bytes: bytes.into() }),
            Err(error) => tracing::debug!(%error, "response can't be written"),
        }
    }

    /// Takes a received message.
    pub fn receive(&mut self, message: Message, from: SocketAddr, local: impl Into<Local>, now: Duration) {
        let local = local.into();
        let result = match message {
            Message::Request(request) => self.receive_request(request, from, local, now),
            Message::Response(response) => self.receive_response(response, from, local, now),
        };
        if let Err(error) = result {
            tracing::debug!(%error, "message belongs to no transaction");
        }
    }

    /// Takes the report that nothing can be sent to `to` (RFC 3261 §18.4).
    pub fn transport_error(&mut self, to: SocketAddr, local: impl Into<Local>, now: Duration) {
        for key in self.table.towards(to, local.into()) {
            if self.fall_back(key, now) {
                continue;
            }
            let Some(entry) = self.table.get_mut(key) else { continue };
            let actions = entry.machine.transport_error(now);
            self.carry_out(key, actions, Cause::Nothing, now);
        }
    }

    /// The next thing to do, or `None` when all is done for now.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Layer::handle_timeout`] must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.table.next_deadline()
    }

    /// Lets every timer fire that is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        // Ends: every timer that fires is set later than `now` or ends its transaction.
        while let Some(key) = self.table.due(now) {
            let Some(entry) = self.table.get_mut(key) else { return };
            let actions = entry.machine.timeout(now);
            self.carry_out(key, actions, Cause::Nothing, now);
        }
    }

    /// Client transactions that are not over.
    pub fn clients(&self) -> usize {
        self.table.clients()
    }

    /// Server transactions that are not over.
    pub fn servers(&self) -> usize {
        self.table.servers()
    }

    /// What was counted since start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn carry_out(&mut self, key: TransactionKey, actions: &[Action], cause: Cause, now: Duration) {
        let mut cause = cause;
        for action in actions {
            let Some(entry) = self.table.get_mut(key) else { return };
            let audience = entry.audience;
            let (to, local) = (entry.to, entry.local);
            match action {
                Action::Repeat => {
                    if !entry.last.is_empty() {
                        self.tally.repeated += 1;
                        self.outputs.push_back(Output::Transmit { to, local, bytes: entry.last.clone() });
                    }
                }
                Action::Send => {
                    if let Cause::Respond(bytes) = &cause {
                        entry.last = bytes.clone();
                        self.outputs.push_back(Output::Transmit { to, local, bytes: bytes.clone() });
                    }
                }
                Action::SendTrying => {
                    if let Ok(bytes) = plain(&entry.request, 100).to_vec() {
                        entry.last = bytes.into();
                        self.outputs.push_back(Output::Transmit { to, local, bytes: entry.last.clone() });
                    }
                }
                Action::SendAck => {
                    if let Cause::Response(response, ..) = &cause
                        && let Ok(Ok(bytes)) = hop::ack(&entry.request, response).map(|ack| ack.to_vec())
                    {
                        self.outputs.push_back(Output::Transmit { to, local, bytes: bytes.into() });
                    }
                }
                Action::SendCancel => self.send_cancel(key, None, now),
                Action::PassUp | Action::PassStray | Action::InformTimeout | Action::InformTransportError
                    if audience == Audience::Layer => {}
                Action::PassUp => match std::mem::replace(&mut cause, Cause::Nothing) {
                    Cause::Response(response, from, _) => {
                        self.outputs.push_back(Output::Response { key, response, from });
                    }
                    Cause::Request(request, from) => self.outputs.push_back(Output::Ack { request, from }),
                    Cause::Nothing | Cause::Respond(_) => {}
                },
                Action::PassStray => {
                    if let Cause::Response(response, from, local) =
                        std::mem::replace(&mut cause, Cause::Nothing)
                    {
                        self.outputs.push_back(Output::StrayResponse { response, from, local });
                    }
                }
                Action::InformTimeout => self.outputs.push_back(Output::Timeout { key }),
                Action::InformTransportError => self.outputs.push_back(Output::TransportError { key }),
            }
        }
        self.settle(key);
    }

    fn settle(&mut self, key: TransactionKey) {
        match self.table.settle(key) {
            Some(Audience::User) => self.outputs.push_back(Output::Terminated { key }),
            Some(Audience::Layer) | None => {}
        }
    }

    pub(super) fn lengths(&self, local: Local) -> Lengths {
        Lengths::new(self.options.timers, local.transport.reliability())
    }
}
