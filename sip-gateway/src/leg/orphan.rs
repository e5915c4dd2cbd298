//! A dialog that an earlier process may have left behind: cancelled, or ended with BYE (RFC 3261 §9.1, §15.1.1).
//!
//! Nothing is known of what the peer did meanwhile. So a CANCEL goes out for each INVITE that may ring, a 2xx that
//! still comes gets ACK and BYE, an answered dialog gets BYE, and the Call-ID is watched until no 2xx can come. A BYE
//! that is challenged is sent again with credentials: a call that nobody hears would go on costing money.

use std::net::SocketAddr;
use std::time::Duration;

use super::calling::{INVITES_AGAIN_MAX, repetition};
use super::reason;
use super::requests::{self, Side};
use super::wire::{Owner, Wire};
use crate::auth::{Answers, Asked, Credentials, REPETITIONS_MAX};
use crate::command;
use crate::dialog::Dialog;
use crate::dialog::capability::response as plain;
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::{TransactionKey, hop};

/// How long a Call-ID is watched: a 2xx is retransmitted for 64*T1, and may have started late.
pub const WATCH: Duration = Duration::from_secs(40);

/// Requests that the earlier process may have sent in a dialog after it was stored, refreshes of the session for the most: a
/// BYE with a lower CSeq number would be refused (§12.2.2).
const REQUESTS_UNTOLD: u32 = 1 << 16;

/// Most answers to one orphan that are told apart.
const FORKS_MAX: usize = 4;

/// A dialog to be ended.
#[derive(Debug)]
pub struct Orphan {
    stored: command::Orphan,
    side: Side,
    /// What its trunk knows us by.
    credentials: Option<Credentials>,
    /// INVITEs that may be out: the first, and its repetitions.
    invites: Vec<Request>,
    /// How many of them were cancelled.
    cancelled: usize,
    endings: Vec<Ending>,
    /// CANCELs and BYEs that wait for their answers.
    waiting: Vec<TransactionKey>,
    until: Duration,
}

/// An answered dialog on its way down.
#[derive(Debug)]
struct Ending {
    dialog: Dialog,
    /// Its BYE, when it could be sent.
    bye: Option<TransactionKey>,
    answers: Answers,
}

impl Orphan {
    /// Starts ending it. With `credentials` its INVITE may have been sent again, as answer to challenges.
    pub fn adopt(
        stored: command::Orphan,
        side: Side,
        credentials: Option<Credentials>,
        wire: &mut Wire,
        now: Duration,
    ) -> Self {
        let mut orphan = Self {
            side,
            credentials,
            invites: Vec::new(),
            cancelled: 0,
            endings: Vec::new(),
            waiting: Vec::new(),
            until: now.saturating_add(WATCH),
            stored,
        };
        orphan.remember_invites();
        match orphan.stored.dialog.as_ref().map(Dialog::from_durable) {
            Some(Ok(mut dialog)) => {
                dialog.skip_cseq(REQUESTS_UNTOLD);
                orphan.end(dialog, wire, now);
            }
            Some(Err(error)) => tracing::warn!(%error, "a stored dialog can't be ended"),
            None => orphan.cancel(orphan.likely(), wire, now),
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

    /// Whether a CANCEL or BYE waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A response to its CANCEL or BYE. Whatever it says, the dialog is over (§15.1.1), unless it asks who we are.
    pub fn answered(&mut self, key: TransactionKey, response: &Response, wire: &mut Wire, now: Duration) {
        if response.status < 200 {
            return;
        }
        self.unanswered(key);
        let ends = self.endings.iter().any(|ending| ending.bye == Some(key));
        if response.status == 481 && !ends {
            // That INVITE is over: another one may have taken its place, for a reason that is not known.
            self.cancel(self.invites.len(), wire, now);
        }
        let ending = self.endings.iter_mut().find(|ending| ending.bye == Some(key));
        let Some((ending, credentials)) = ending.zip(self.credentials.as_ref()) else { return };
        let asked = Asked { method: "BYE", uri: ending.dialog.remote_target().raw(), body: b"" };
        let authorization = ending.answers.answer(response, credentials, asked, || wire.names.cnonce());
        if let Some(authorization) = authorization {
            ending.bye = bye(&mut ending.dialog, &self.stored, &authorization, wire, now);
            self.waiting.extend(ending.bye);
        }
    }

    /// Its CANCEL or BYE will not be answered any more.
    pub fn unanswered(&mut self, key: TransactionKey) {
        self.waiting.retain(|waiting| *waiting != key);
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
        let mut dialogs = self.endings.iter_mut().map(|ending| &mut ending.dialog);
        if let Some(known) = dialogs.find(|dialog| dialog.matches_response(response)) {
            let ack = known.ack(&wire.names.branch());
            return wire.send_ack(&ack, known.destination(), known.local());
        }
        let dialog = Dialog::from_answer(&invite, response, self.side.reach(), route.next_hop, route.local);
        if let (Ok(mut dialog), true) = (dialog, self.endings.len() < FORKS_MAX) {
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

    /// What may have been sent: an answer to it may be late, one of a fork beside the one that was kept too (§13.2.2.4).
    fn remember_invites(&mut self) {
        let route = &self.stored.route;
        let mut tries = vec![(route.branch.clone(), route.cseq)];
        // Which of them were sent is not known; the peer answers 481 to the others.
        tries.extend((1..=INVITES_AGAIN_MAX).map(|index| repetition(route, index)));
        let invites =
            tries.iter().map(|(branch, cseq)| requests::invite(route, self.side, branch, *cseq, &[]));
        self.invites = invites.filter_map(Result::ok).collect();
    }

    /// How many INVITEs were likely sent: with credentials the first one was challenged.
    fn likely(&self) -> usize {
        1 + self.credentials.as_ref().map_or(0, |_| usize::from(REPETITIONS_MAX))
    }

    /// Cancels the INVITEs up to `count` that were not cancelled yet.
    fn cancel(&mut self, count: usize, wire: &mut Wire, now: Duration) {
        let route = &self.stored.route;
        let from = self.cancelled;
        self.cancelled = count.max(from);
        for invite in self.invites.iter().take(count).skip(from) {
            if let Ok(cancel) = hop::cancel(invite, Some(reason::RESTARTED)) {
                // Its own transaction repeats it (timer E) until it is answered.
                let owner = Owner::Orphan(route.call_id.clone());
                self.waiting.extend(wire.send(owner, cancel, route.next_hop, route.local, now));
            }
        }
    }

    fn end(&mut self, mut dialog: Dialog, wire: &mut Wire, now: Duration) {
        let bye = bye(&mut dialog, &self.stored, &[], wire, now);
        wire.counters.orphans_ended += 1;
        self.waiting.extend(bye);
        self.endings.push(Ending { dialog, bye, answers: Answers::default() });
        // Its answer, or the peer's question who we are, may be late too.
        self.until = self.until.max(now.saturating_add(WATCH));
    }
}

fn bye(
    dialog: &mut Dialog,
    stored: &command::Orphan,
    authorization: &[(HeaderName, String)],
    wire: &mut Wire,
    now: Duration,
) -> Option<TransactionKey> {
    let mut request = dialog.request(Method::Bye, &wire.names.branch());
    request.headers.append(HeaderName::Reason, reason::RESTARTED);
    for (name, value) in authorization {
        request.headers.append(name.clone(), value.clone());
    }
    let owner = Owner::Orphan(stored.route.call_id.clone());
    wire.send(owner, request, dialog.destination(), dialog.local(), now).ok()
}
