//! The transaction layer: requests and responses in, each told to the user once; retransmissions kept inside.
//!
//! After each call on a door, drain [`Layer::poll_output`] and then ask [`Layer::poll_timeout`] again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::key::{MatchKey, TransactionKey};
use super::machine::{CancelError, Machine};
use super::table::{Audience, Entry, Table};
use super::tag::TagMaker;
use super::timer::{Lengths, Reliability};
use super::{Action, hop};
use crate::message::{
    EncodeError, FieldError, HeaderName, Message, Method, Request, Response, reason_phrase,
};
use crate::options::Timers;

/// Most client transactions at once. An answered call keeps its INVITE for 32 s and its BYE for 5 s, so this is
/// room for about 800 calls a second.
pub const CLIENTS_MAX: usize = 32_768;

/// Most server transactions at once. Each REGISTER of a phone is kept for 32 s.
pub const SERVERS_MAX: usize = 16_384;

/// When a client that found the table full may come again, in seconds (RFC 3261 §21.5.4).
const RETRY_AFTER_SECONDS: &str = "32";

/// What the layer must know before it starts.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// T1, T2 and T4.
    pub timers: Timers,
    /// Most client transactions at once; usually [`CLIENTS_MAX`].
    pub clients_max: usize,
    /// Most server transactions at once; usually [`SERVERS_MAX`].
    pub servers_max: usize,
    /// Whether a response goes to the address and port its request came from even if the request didn't ask for
    /// that with `rport` (RFC 3581). `false` is RFC 3261 §18.2.2: to the source address, at the port in Via.
    pub answer_to_source: bool,
}

impl LayerOptions {
    /// The usual bounds with these timers.
    pub fn new(timers: Timers) -> Self {
        Self { timers, clients_max: CLIENTS_MAX, servers_max: SERVERS_MAX, answer_to_source: false }
    }
}

/// What the layer wants done and what it tells, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Destination.
        to: SocketAddr,
        /// Our address that it leaves from.
        local: SocketAddr,
        /// The datagram.
        bytes: Bytes,
    },
    /// A new request came. Answer it with [`Layer::respond`]. Never an ACK or CANCEL.
    Request {
        /// Its server transaction.
        key: TransactionKey,
        /// The request; its topmost Via names the source (RFC 3261 §18.2.1).
        request: Request,
        /// Where it came from.
        from: SocketAddr,
        /// Our address that it came to.
        local: SocketAddr,
    },
    /// The peer cancelled an INVITE that has no final response: answer it with 487 (RFC 3261 §9.2).
    /// The CANCEL itself is already answered.
    Cancelled {
        /// The server transaction of the INVITE.
        key: TransactionKey,
    },
    /// The ACK of a 2xx came (RFC 3261 §13.3.1.4), or one that belongs to nothing.
    Ack {
        /// The ACK.
        request: Request,
        /// Where it came from.
        from: SocketAddr,
    },
    /// A response came: each provisional one, the first final one and, for an INVITE, every 2xx, repeated or from
    /// another fork (RFC 6026): each wants an ACK.
    Response {
        /// Its client transaction.
        key: TransactionKey,
        /// The response.
        response: Response,
        /// Where it came from.
        from: SocketAddr,
    },
    /// A 2xx to an INVITE came that belongs to no transaction: its call may want ACK and BYE (RFC 3261 §13.2.2.4).
    StrayResponse {
        /// The response.
        response: Response,
        /// Where it came from.
        from: SocketAddr,
        /// Our address that it came to.
        local: SocketAddr,
    },
    /// No final response (client), no ACK for a failure (server), or no answer from the user (server).
    Timeout {
        /// The transaction.
        key: TransactionKey,
    },
    /// A message of this transaction could not be sent.
    TransportError {
        /// The transaction.
        key: TransactionKey,
    },
    /// The transaction is over; its key means nothing any more.
    Terminated {
        /// The transaction.
        key: TransactionKey,
    },
}

/// Why a request isn't sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many client transactions as there may be.
    #[error("too many client transactions")]
    Full,
    /// An ACK makes no transaction: use [`Layer::send_ack`].
    #[error("an ACK makes no transaction")]
    Ack,
    /// A header the transaction is known by is missing or broken; for Via also when it has no branch.
    #[error("request can't be sent: {0}")]
    Field(#[from] FieldError),
    /// The branch is in use.
    #[error("branch is in use")]
    BranchInUse,
    /// The request can't be written.
    #[error("request can't be written: {0}")]
    Encode(#[from] EncodeError),
}

/// What happened in the layer since start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages sent again by a timer or for a retransmitted request.
    pub repeated: u64,
    /// Received retransmissions of requests.
    pub retransmissions: u64,
    /// Responses that belong to no transaction of ours.
    pub responses_unmatched: u64,
    /// Requests refused with 482 (RFC 3261 §8.2.2.2).
    pub merged: u64,
    /// Requests refused with 503 for want of room.
    pub refused: u64,
}

/// All transactions of a node over UDP.
pub struct Layer {
    options: LayerOptions,
    tags: TagMaker,
    table: Table,
    outputs: VecDeque<Output>,
    tally: Tally,
}

/// The message that made a machine act.
enum Cause {
    Nothing,
    Request(Request, SocketAddr),
    Response(Response, SocketAddr, SocketAddr),
    Respond(Bytes),
}

impl Layer {
    /// A layer without transactions. `tags` makes the To tags of responses that have none.
    pub fn new(options: LayerOptions, tags: TagMaker) -> Self {
        let table = Table::new(options.clients_max, options.servers_max);
        Self { options, tags, table, outputs: VecDeque::new(), tally: Tally::default() }
    }

    /// Sends a request in a new client transaction. Its topmost Via must have a branch of its own and name `local`.
    pub fn send_request(
        &mut self,
        request: Request,
        to: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) -> Result<TransactionKey, SendError> {
        if request.method == Method::Ack {
            return Err(SendError::Ack);
        }
        self.start_client(request, to, local, Audience::User, now)
    }

    /// Cancels an INVITE that has a provisional response (RFC 3261 §9.1). The CANCEL's own transaction stays inside.
    /// The INVITE ends by its final response, or by [`Output::Timeout`] 64*T1 later.
    pub fn cancel(&mut self, invite: TransactionKey, now: Duration) -> Result<(), CancelError> {
        let entry = self.table.get_mut(invite).ok_or(CancelError::TooLate)?;
        entry.machine.cancellable()?;
        entry.machine.cancel(now);
        self.send_cancel(invite, now);
        self.settle(invite);
        Ok(())
    }

    /// Sends the ACK of a 2xx, which makes no transaction (RFC 3261 §13.2.2.4).
    pub fn send_ack(&mut self, ack: &Request, to: SocketAddr, local: SocketAddr) -> Result<(), EncodeError> {
        let bytes = Bytes::from(ack.to_vec()?);
        self.outputs.push_back(Output::Transmit { to, local, bytes });
        Ok(())
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
        local: SocketAddr,
    ) {
        let to = self.return_address(request, from);
        match tagged(response, request, &self.tags).to_vec() {
            Ok(bytes) => self.outputs.push_back(Output::Transmit { to, local, bytes: bytes.into() }),
            Err(error) => tracing::debug!(%error, "response can't be written"),
        }
    }

    /// Takes a received message.
    pub fn receive(&mut self, message: Message, from: SocketAddr, local: SocketAddr, now: Duration) {
        let result = match message {
            Message::Request(request) => self.receive_request(request, from, local, now),
            Message::Response(response) => self.receive_response(response, from, local, now),
        };
        if let Err(error) = result {
            tracing::debug!(%error, "message belongs to no transaction");
        }
    }

    /// Takes the report that nothing can be sent to `to` (RFC 3261 §18.4).
    pub fn transport_error(&mut self, to: SocketAddr, now: Duration) {
        for key in self.table.towards(to) {
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

    fn start_client(
        &mut self,
        request: Request,
        to: SocketAddr,
        local: SocketAddr,
        audience: Audience,
        now: Duration,
    ) -> Result<TransactionKey, SendError> {
        let matched_by = MatchKey::client(&request.headers)?;
        if self.table.find(&matched_by).is_some() {
            return Err(SendError::BranchInUse);
        }
        let bytes = Bytes::from(request.to_vec()?);
        let machine = Machine::client(&request.method, self.lengths(), now);
        let mut entry = Entry::new(machine, request, matched_by, to, local);
        entry.last = bytes.clone();
        entry.audience = audience;
        let key = self.table.insert(entry).map_err(|_| SendError::Full)?;
        self.outputs.push_back(Output::Transmit { to, local, bytes });
        Ok(key)
    }

    fn send_cancel(&mut self, invite: TransactionKey, now: Duration) {
        let Some(entry) = self.table.get(invite) else { return };
        let (to, local) = (entry.to, entry.local);
        let sent = hop::cancel(&entry.request)
            .map_err(SendError::from)
            .and_then(|cancel| self.start_client(cancel, to, local, Audience::Layer, now));
        if let Err(error) = sent {
            // The INVITE still ends 64*T1 from now; only the peer rings on.
            tracing::warn!(%error, "CANCEL could not be sent");
        }
    }

    /// §17.1.3 and §18.1.2.
    fn receive_response(
        &mut self,
        response: Response,
        from: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) -> Result<(), FieldError> {
        let found = self.table.find(&MatchKey::client(&response.headers)?);
        let Some(key) =
            found.filter(|key| self.table.get(*key).is_some_and(|entry| is_answer(entry, &response)))
        else {
            self.tally.responses_unmatched += 1;
            let invited = response.headers.cseq()?.method == Method::Invite;
            if invited && (200..300).contains(&response.status) {
                self.outputs.push_back(Output::StrayResponse { response, from, local });
            }
            return Ok(());
        };
        let Some(entry) = self.table.get_mut(key) else { return Ok(()) };
        let actions = entry.machine.response(response.status, now);
        self.carry_out(key, actions, Cause::Response(response, from, local), now);
        Ok(())
    }

    /// §17.2.3.
    fn receive_request(
        &mut self,
        mut request: Request,
        from: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) -> Result<(), FieldError> {
        // Before the stamp, for the Via as sent is part of the key of RFC 2543.
        let matched_by = MatchKey::server(&request)?;
        request.headers.stamp_source(from)?;
        let found = self.table.find(&matched_by);
        match (&request.method, found) {
            (Method::Ack, Some(key)) if self.acknowledges(key, &matched_by, &request) => {
                let Some(entry) = self.table.get_mut(key) else { return Ok(()) };
                let actions = entry.machine.ack(now);
                self.carry_out(key, actions, Cause::Request(request, from), now);
            }
            (Method::Ack, Some(_) | None) => self.outputs.push_back(Output::Ack { request, from }),
            (_, Some(key)) => {
                self.tally.retransmissions += 1;
                let Some(entry) = self.table.get_mut(key) else { return Ok(()) };
                let actions = entry.machine.retransmission(now);
                self.carry_out(key, actions, Cause::Nothing, now);
            }
            (Method::Cancel, None) => self.receive_cancel(request, matched_by, from, local, now),
            (_, None) if self.table.find_twin(&request).is_some() => {
                self.tally.merged += 1;
                let response = plain(&request, 482);
                self.answer_at_once(request, matched_by, response, from, local, now);
            }
            (_, None) => self.start_server(request, matched_by, from, local, now),
        }
        Ok(())
    }

    /// §17.2.3: an ACK of RFC 2543 must also have the To tag that the response had.
    fn acknowledges(&self, key: TransactionKey, matched_by: &MatchKey, ack: &Request) -> bool {
        let Some(entry) = self.table.get(key) else { return false };
        if !matched_by.is_older() {
            return true;
        }
        let sent = match entry.request.headers.to() {
            Ok(to) => to.tag().map_or_else(|| self.tags.tag(&entry.request), str::to_owned),
            Err(_) => return false,
        };
        ack.headers.to().is_ok_and(|to| to.tag() == Some(sent.as_str()))
    }

    fn start_server(
        &mut self,
        request: Request,
        matched_by: MatchKey,
        from: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) {
        let entry = self.server_entry(request.clone(), matched_by, from, local, now);
        match self.table.insert(entry) {
            Ok(key) => self.outputs.push_back(Output::Request { key, request, from, local }),
            Err(_) => {
                self.tally.refused += 1;
                let mut response = plain(&request, 503);
                response.headers.append(HeaderName::RetryAfter, RETRY_AFTER_SECONDS);
                self.answer_statelessly(&request, response, from, local);
            }
        }
    }

    /// §9.2: a CANCEL is answered here; the user of the INVITE only hears of it.
    fn receive_cancel(
        &mut self,
        cancel: Request,
        matched_by: MatchKey,
        from: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) {
        let target = self.table.find_cancelled(&matched_by);
        let response = plain(&cancel, if target.is_some() { 200 } else { 481 });
        self.answer_at_once(cancel, matched_by, response, from, local, now);
        if let Some(key) = target
            && self.table.get(key).is_some_and(|entry| entry.machine.awaits_final())
        {
            self.outputs.push_back(Output::Cancelled { key });
        }
    }

    /// Answers in a transaction of the layer's own, or without one when there is no room.
    fn answer_at_once(
        &mut self,
        request: Request,
        matched_by: MatchKey,
        response: Response,
        from: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) {
        let mut entry = self.server_entry(request.clone(), matched_by, from, local, now);
        entry.audience = Audience::Layer;
        match self.table.insert(entry) {
            Ok(key) => self.respond(key, response, now),
            Err(_) => self.answer_statelessly(&request, response, from, local),
        }
    }

    fn server_entry(
        &self,
        request: Request,
        matched_by: MatchKey,
        from: SocketAddr,
        local: SocketAddr,
        now: Duration,
    ) -> Entry {
        let to = self.return_address(&request, from);
        let machine = Machine::server(&request.method, self.lengths(), now);
        Entry::new(machine, request, matched_by, to, local)
    }

    /// Where the responses to a request go (§18.2.2, RFC 3581 §4).
    fn return_address(&self, stamped: &Request, from: SocketAddr) -> SocketAddr {
        if self.options.answer_to_source {
            return from;
        }
        stamped.headers.via_top().ok().and_then(|via| via.response_address()).unwrap_or(from)
    }

    fn carry_out(&mut self, key: TransactionKey, actions: &[Action], cause: Cause, now: Duration) {
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
                Action::SendCancel => self.send_cancel(key, now),
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

    fn lengths(&self) -> Lengths {
        Lengths::new(self.options.timers, Reliability::Unreliable)
    }
}

/// Whether the response is to our very request: §17.1.3 asks for branch and method, §18.1.2 for our own sent-by.
/// Call-ID, From tag and CSeq number are ours as well in every true response; a guessed branch isn't enough.
fn is_answer(entry: &Entry, response: &Response) -> bool {
    let (ours, theirs) = (&entry.request.headers, &response.headers);
    let same_via = match (ours.via_top(), theirs.via_top()) {
        (Ok(ours), Ok(theirs)) => ours.host.eq_ignore_ascii_case(&theirs.host) && ours.port == theirs.port,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    };
    let same_from = match (ours.from(), theirs.from()) {
        (Ok(ours), Ok(theirs)) => ours.tag() == theirs.tag(),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    };
    same_via && same_from && ours.call_id() == theirs.call_id() && ours.cseq() == theirs.cseq()
}

/// A response with the usual reason phrase and nothing of its own.
fn plain(request: &Request, status: u16) -> Response {
    request.response(status, reason_phrase(status))
}

/// §8.2.6.2: a 100 may do without a To tag, every other response has one.
fn tagged(mut response: Response, request: &Request, tags: &TagMaker) -> Response {
    if response.status > 100 {
        response.headers.tag_to(&tags.tag(request));
    }
    response
}
