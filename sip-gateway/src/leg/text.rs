//! Texts within a call: a MESSAGE of one side goes on to the other (RFC 3428).

use std::time::Duration;

use super::wire::{Owner, Wire};
use super::{Leg, LegId, Notice, State};
use crate::dialog::capability;
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::TransactionKey;

/// A MESSAGE that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The leg over which it came.
    pub leg: LegId,
    /// Its server transaction.
    pub key: TransactionKey,
    /// The request; its body is UTF-8.
    pub request: Request,
}

impl Leg {
    /// Sends the peer a text of whoever it talks with. False where it takes none, or has not answered the one before (§8).
    pub fn say(&mut self, text: &Request, wire: &mut Wire, now: Duration) -> bool {
        let State::Up(up) = &mut self.state else { return false };
        let Some(dialog) = self.dialogs.first_mut().filter(|_| up.texts && up.saying.is_none()) else {
            return false;
        };
        let mut request = dialog.request(Method::Message, &wire.names.branch());
        // No Contact (§4).
        request.headers.append(HeaderName::ContentType, capability::TEXT);
        request.body = text.body.clone();
        let sent = wire.send(Owner::Leg(self.id), request, dialog.destination(), dialog.local(), now);
        up.saying = sent.ok();
        up.saying.is_some()
    }

    /// Answers a MESSAGE: 202 where the text is on its way (§7), which says nothing of whether it is read.
    pub fn answer_text(&self, text: &Text, sent: bool, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let response = capability::response(&text.request, if sent { 202 } else { 480 });
        wire.layer.respond(text.key, response, now);
        Vec::new()
    }

    /// What the peer says to our MESSAGE: whatever it is, the next one may follow.
    pub(super) fn said(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Up(up) = &mut self.state else { return Vec::new() };
        if response.status >= 200 {
            up.saying = None;
            up.texts &= !matches!(response.status, 405 | 415 | 501);
        }
        // RFC 3261 §12.2.1.2: the dialog is gone.
        if response.status == 481 { self.lost("session_lost", wire, now) } else { Vec::new() }
    }

    /// Our MESSAGE got no answer, or could not be sent: the text is lost, the call goes on.
    pub(super) fn unsaid(&mut self) -> Vec<Notice> {
        if let State::Up(up) = &mut self.state {
            up.saying = None;
        }
        Vec::new()
    }
}
