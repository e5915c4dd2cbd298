//! A dialog that an earlier process may have left behind: cancelled, or ended with BYE (RFC 3261 §9.1, §15.1.1).
//!
//! Nothing is known of what the peer did meanwhile. So a CANCEL goes out for each INVITE that may ring, a 2xx that
//! still comes gets ACK and BYE, an answered dialog gets BYE, and the Call-ID is watched until no 2xx can come.

use std::net::SocketAddr;
use std::time::Duration;

use super::requests::{self, Side};
use super::wire::{Owner, Wire};
use crate::command;
use crate::dialog::capability::response as plain;
use crate::dialog::{Dialog, Reach};
use crate::message::{Method, Request, Response};
use crate::transaction::{TransactionKey, hop};

/// How long a Call-ID is watched: a 2xx is retransmitted for 64*T1, and may have started late.
pub const WATCH: Duration = Duration::from_secs(40);

/// Most answers to one orphan that are told apart.
const FORKS_MAX: usize = 4;

/// A dialog to be ended.
#[derive(Debug)]
pub struct Orphan {
    stored: command::Orphan,
    side: Side,
    /// INVITEs that may be out: the first, and its repetition with credentials.
    invites: Vec<Request>,
    answered: Vec<Dialog>,
    until: Duration,
}

impl Orphan {
    /// Starts ending it. `challenged`: its INVITE may have been sent a second time, with credentials.
    pub fn adopt(
        stored: command::Orphan,
        side: Side,
        challenged: bool,
        wire: &mut Wire,
        now: Duration,
    ) -> Self {
        let mut orphan = Self {
            side,
            invites: Vec::new(),
            answered: Vec::new(),
            until: now.saturating_add(WATCH),
            stored,
        };
        match orphan.stored.dialog.as_ref().map(Dialog::from_durable) {
            Some(Ok(dialog)) => orphan.end(dialog, wire, now),
            Some(Err(error)) => tracing::warn!(%error, "a stored dialog can't be ended"),
            None => orphan.cancel(challenged, wire, now),
        }
        orphan
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.stored.route.call_id
    }

    /// When it can be forgotten.
    pub fn until(&self) -> Duration {
        self.until
    }

    /// A final response to one of its INVITEs.
    pub fn response(&mut self, response: &Response, from: SocketAddr, wire: &mut Wire, now: Duration) {
        if from.ip() != self.stored.route.next_hop.ip() {
            wire.counters.foreign_source += 1;
            return;
        }
        let cseq = response.headers.cseq().ok();
        let invite = self.invites.iter().find(|invite| invite.headers.cseq().ok() == cseq).cloned();
        let Some(invite) = invite else { return };
        let route = &self.stored.route;
        if response.status >= 300 {
            // §17.1.1.3: the transaction that would have done it died with the process.
            if let Ok(ack) = hop::ack(&invite, response) {
                wire.send_ack(&ack, route.next_hop, route.local);
            }
            return;
        }
        if let Some(known) = self.answered.iter_mut().find(|dialog| dialog.matches_response(response)) {
            let ack = known.ack(&wire.names.branch());
            return wire.send_ack(&ack, known.destination(), known.local());
        }
        let reach = match self.side {
            Side::Trunk => Reach::Follow,
            Side::Phone => Reach::Pinned,
        };
        let dialog = Dialog::from_answer(&invite, response, reach, route.next_hop, route.local);
        if let (Ok(mut dialog), true) = (dialog, self.answered.len() < FORKS_MAX) {
            let ack = dialog.ack(&wire.names.branch());
            wire.send_ack(&ack, dialog.destination(), dialog.local());
            self.end(dialog, wire, now);
        }
    }

    /// A request that names its Call-ID: the peer's own BYE is welcome, the rest has no dialog any more.
    pub fn request(
        &mut self,
        key: TransactionKey,
        request: &Request,
        from: SocketAddr,
        wire: &mut Wire,
        now: Duration,
    ) {
        let known = from.ip() == self.stored.route.next_hop.ip();
        let status = if known && request.method == Method::Bye { 200 } else { 481 };
        wire.layer.respond(key, plain(request, status), now);
    }

    fn cancel(&mut self, challenged: bool, wire: &mut Wire, now: Duration) {
        let route = &self.stored.route;
        let mut tries = vec![(route.branch.clone(), route.cseq)];
        if challenged {
            tries.push((format!("{}.2", route.branch), route.cseq.saturating_add(1)));
        }
        for (branch, cseq) in tries {
            let Ok(invite) = requests::invite(route, self.side, &branch, cseq, None) else { continue };
            if let Ok(cancel) = hop::cancel(&invite) {
                // Its own transaction repeats it (timer E) until it is answered.
                let _ = wire.send(Owner::Nobody, cancel, route.next_hop, route.local, now);
            }
            self.invites.push(invite);
        }
    }

    fn end(&mut self, mut dialog: Dialog, wire: &mut Wire, now: Duration) {
        let bye = dialog.request(Method::Bye, &wire.names.branch());
        let _ = wire.send(Owner::Nobody, bye, dialog.destination(), dialog.local(), now);
        wire.counters.orphans_ended += 1;
        self.answered.push(dialog);
    }
}
