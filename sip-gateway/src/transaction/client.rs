//! The client half of the layer: requests of ours and the responses to them.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::key::{MatchKey, TransactionKey};
use super::layer::{Cause, Layer};
use super::machine::Machine;
use super::output::{Output, SendError};
use super::table::{Audience, Entry};
use super::{hop, large};
use crate::message::{FieldError, HeaderName, Headers, Method, Request, Response};
use crate::transport::Local;

impl Layer {
    /// Takes up a client transaction and sends its request.
    pub(super) fn start_client(
        &mut self,
        request: Request,
        to: SocketAddr,
        local: Local,
        audience: Audience,
        now: Duration,
    ) -> Result<TransactionKey, SendError> {
        let matched_by = MatchKey::client(&request.headers)?;
        if self.table.find(&matched_by).is_some() {
            return Err(SendError::BranchInUse);
        }
        let mut bytes = Bytes::from(request.to_vec()?);
        let (mut request, mut local, mut fallback) = (request, local, None);
        if let Some(tcp) = self.by_size(&request, bytes.len(), local) {
            request = large::with_via(request, tcp)?;
            bytes = request.to_vec()?.into();
            (local, fallback) = (tcp, Some(local));
        }
        let machine = Machine::client(&request.method, self.lengths(local), now);
        let mut entry = Entry::new(machine, request, matched_by, to, local);
        entry.fallback = fallback;
        entry.last = bytes.clone();
        entry.audience = audience;
        let key = self.table.insert(entry).map_err(|_| SendError::Full)?;
        self.outputs.push_back(Output::Transmit { to, local, bytes });
        Ok(key)
    }

    /// Sends the CANCEL of an INVITE along the INVITE's own way (§9.1).
    pub(super) fn send_cancel(
        &mut self,
        invite: TransactionKey,
        reason: Option<&'static str>,
        now: Duration,
    ) {
        let Some(entry) = self.table.get(invite) else { return };
        let (to, local) = (entry.to, entry.local);
        let sent = hop::cancel(&entry.request, reason)
            .map_err(SendError::from)
            .and_then(|cancel| self.start_client(cancel, to, local, Audience::Layer, now));
        if let Err(error) = sent {
            // The INVITE still ends 64*T1 from now; only the peer rings on.
            tracing::warn!(%error, "CANCEL could not be sent");
        }
    }

    /// §17.1.3 and §18.1.2.
    pub(super) fn receive_response(
        &mut self,
        response: Response,
        from: SocketAddr,
        local: Local,
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
        entry.fallback = None;
        let actions = entry.machine.response(response.status, now);
        self.carry_out(key, actions, Cause::Response(response, from, local), now);
        Ok(())
    }
}

/// Whether the response is to our very request: §17.1.3 asks for branch and method, §18.1.2 for our own sent-by.
/// Call-ID, From tag and CSeq number are ours as well in every true response; a guessed branch isn't enough. §8.1.3.3:
/// with a second Via it was meant for somebody else.
fn is_answer(entry: &Entry, response: &Response) -> bool {
    let (ours, theirs) = (&entry.request.headers, &response.headers);
    if is_copied(ours, theirs) {
        return true;
    }
    let same_via = match (ours.via_top(), theirs.vias().as_deref()) {
        (Ok(ours), Ok([only])) => ours.host.eq_ignore_ascii_case(&only.host) && ours.port == only.port,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    };
    let same_from = match (ours.from(), theirs.from()) {
        (Ok(ours), Ok(theirs)) => ours.tag() == theirs.tag(),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    };
    same_via && same_from && ours.call_id() == theirs.call_id() && ours.cseq() == theirs.cseq()
}

/// Whether the response has our own headers, octet by octet, as §8.2.6.2 asks of whoever answers: then nothing has to be
/// read again. Of the Via all counts up to its parameters; the branch has been compared.
fn is_copied(ours: &Headers, theirs: &Headers) -> bool {
    fn sent_by(via: &[u8]) -> &[u8] {
        let end = via.iter().position(|octet| *octet == b';').unwrap_or(via.len());
        via.get(..end).unwrap_or_default()
    }
    let same = |name: HeaderName| matches!((ours.only(&name), theirs.only(&name)), (Some(one), Some(other)) if one == other);
    let via = match (ours.only(&HeaderName::Via), theirs.only(&HeaderName::Via)) {
        // A comma may begin a second Via.
        (Some(ours), Some(theirs)) => !theirs.contains(&b',') && sent_by(ours) == sent_by(theirs),
        (_, _) => false,
    };
    via && same(HeaderName::From) && same(HeaderName::CallId) && same(HeaderName::CSeq)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
