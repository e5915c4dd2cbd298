//! The server half of the layer: requests of others and our responses to them.

use std::net::SocketAddr;
use std::time::Duration;

use super::key::{MatchKey, TransactionKey};
use super::layer::{Cause, Layer};
use super::machine::Machine;
use super::output::Output;
use super::table::{Audience, Entry};
use super::tag::TagMaker;
use crate::message::{FieldError, HeaderName, Method, Request, Response, reason_phrase};
use crate::transport::Local;

/// When a client that found the table full may come again (RFC 3261 §21.5.4).
const RETRY_AFTER: Duration = Duration::from_secs(32);

impl Layer {
    /// §17.2.3.
    pub(super) fn receive_request(
        &mut self,
        mut request: Request,
        from: SocketAddr,
        local: Local,
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
            (_, None) if let Some(after) = self.shedding.filter(|_| begins_something(&request)) => {
                self.tally.shed += 1;
                self.put_off(&request, after, from, local);
            }
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
        local: Local,
        now: Duration,
    ) {
        let entry = self.server_entry(request.clone(), matched_by, from, local, now);
        match self.table.insert(entry) {
            Ok(key) => self.outputs.push_back(Output::Request { key, request, from, local }),
            Err(_) => {
                self.tally.refused += 1;
                self.put_off(&request, RETRY_AFTER, from, local);
            }
        }
    }

    /// §21.5.4: 503, and when to come again; no transaction is left.
    fn put_off(&mut self, request: &Request, after: Duration, from: SocketAddr, local: Local) {
        let mut response = plain(request, 503);
        response.headers.append(HeaderName::RetryAfter, after.as_secs().to_string());
        self.answer_statelessly(request, response, from, local);
    }

    /// §9.2: a CANCEL is answered here; the user of the INVITE only hears of it.
    fn receive_cancel(
        &mut self,
        cancel: Request,
        matched_by: MatchKey,
        from: SocketAddr,
        local: Local,
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
        local: Local,
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
        local: Local,
        now: Duration,
    ) -> Entry {
        let to = self.return_address(&request, from, local);
        let machine = Machine::server(&request.method, self.lengths(local), now);
        Entry::new(machine, request, matched_by, to, local)
    }

    /// Where the responses to a request go (§18.2.2, RFC 3581 §4); over a connection always back along it.
    pub(super) fn return_address(&self, stamped: &Request, from: SocketAddr, local: Local) -> SocketAddr {
        if self.options.answer_to_source || local.transport.is_stream() {
            return from;
        }
        stamped.headers.via_top().ok().and_then(|via| via.response_address()).unwrap_or(from)
    }
}

/// Whether a request is no part of anything that is going on: it has no To tag (§12.2), and is none of the requests that
/// only make sense after another.
pub(super) fn begins_something(request: &Request) -> bool {
    let begins = match request.method {
        Method::Invite
        | Method::Register
        | Method::Options
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Message
        | Method::Publish
        | Method::Info
        | Method::Other(_) => true,
        Method::Ack | Method::Bye | Method::Cancel | Method::Prack | Method::Update => false,
    };
    begins && request.headers.to().is_ok_and(|to| to.tag().is_none())
}

/// A response with the usual reason phrase and nothing of its own.
pub(super) fn plain(request: &Request, status: u16) -> Response {
    request.response(status, reason_phrase(status))
}

/// §8.2.6.2: a 100 may do without a To tag, every other response has one.
pub(super) fn tagged(mut response: Response, request: &Request, tags: &TagMaker) -> Response {
    // Within a dialog it is there already.
    let tagged = response.headers.to().is_ok_and(|to| to.tag().is_some());
    if response.status > 100 && !tagged {
        response.headers.tag_to(&tags.tag(request));
    }
    response
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
