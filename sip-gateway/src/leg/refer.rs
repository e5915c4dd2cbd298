//! REFER of a phone and the NOTIFYs that tell how it went (RFC 3515, RFC 3420).

use std::time::Duration;

use super::wire::{Owner, Wire};
use super::{Leg, Notice, State};
use crate::dialog::capability;
use crate::message::{HeaderName, Method, Request, reason_phrase};
use crate::transaction::TransactionKey;

/// How long the peer may wait for the last NOTIFY, in seconds: a phone rings no longer.
const EXPIRES_S: u32 = 60;

/// A REFER that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Referral {
    /// Its server transaction.
    pub key: TransactionKey,
    /// The request.
    pub request: Request,
}

impl Leg {
    /// Answers a REFER.
    pub fn answer_refer(
        &mut self,
        key: TransactionKey,
        request: &Request,
        status: u16,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let mut response = capability::response(request, status);
        if let Some(dialog) = self.dialogs.first() {
            response.headers.append(HeaderName::Contact, dialog.contact().clone());
        }
        wire.layer.respond(key, response, now);
        Vec::new()
    }

    /// Tells how the transfer of the REFER with this CSeq number stands; `last` ends the subscription.
    pub fn notify(
        &mut self,
        refer: u32,
        status: u16,
        last: bool,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        let State::Up(_) = self.state else { return Vec::new() };
        let Some(dialog) = self.dialogs.first_mut() else { return Vec::new() };
        let mut request = dialog.request(Method::Notify, &wire.names.branch());
        let headers = &mut request.headers;
        headers.append(HeaderName::Contact, dialog.contact().clone());
        // RFC 3515 §2.4.6: the number tells several REFERs of one dialog apart.
        headers.append(HeaderName::Event, format!("refer;id={refer}"));
        let state = match last {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={EXPIRES_S}"),
        };
        headers.append(HeaderName::SubscriptionState, state);
        headers.append(HeaderName::ContentType, "message/sipfrag;version=2.0");
        request.body = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).into();
        // Whether the phone takes it or not, the transfer goes on.
        let _ = wire.send(Owner::Nobody, request, dialog.destination(), dialog.local(), now);
        Vec::new()
    }
}
