//! Requests of a dialog, from our side (RFC 3261 §12.2.1.1, §13.2.2.4, §15.1.1).

use bytes::Bytes;

use super::capability::ACCEPT;
use super::{Dialog, Invite, credentials};
use crate::message::{CSEQ_MAX, CSeq, HeaderName, Headers, Method, Request, Response, Via};
use crate::transaction::hop::MAX_FORWARDS;

impl Dialog {
    /// A new request within the dialog, with the next CSeq number. `branch` must not have been used before.
    /// For an ACK use [`Dialog::ack`].
    pub fn request(&mut self, method: Method, branch: &str) -> Request {
        // §12.2.1.1: one more than the last; at the limit it can't grow (§8.1.1.5).
        self.local_cseq = self.local_cseq.saturating_add(1).min(CSEQ_MAX);
        self.build(method, self.local_cseq, branch)
    }

    /// An INVITE of ours was sent within the dialog: the next ACK is for its 2xx.
    pub fn invited(&mut self, invite: &Request) {
        if let Ok(cseq) = invite.headers.cseq() {
            self.invite = Invite {
                cseq: cseq.number,
                credentials: credentials(invite),
                answer: Bytes::new(),
                acked: None,
            };
        }
    }

    /// The 2xx made the offer: the ACK is to carry this answer (§13.2.2.4). Empty: it did not.
    pub fn answer_with(&mut self, session: Bytes) {
        self.invite.answer = session;
    }

    /// Whether a 2xx is to the last INVITE of this dialog, whose ACK [`Dialog::ack`] makes.
    pub fn is_to_last_invite(&self, response: &Response) -> bool {
        response.headers.cseq().is_ok_and(|cseq| cseq.number == self.invite.cseq)
    }

    /// Leaves out CSeq numbers that an earlier process may have used (§12.2.2: gaps are fine).
    pub fn skip_cseq(&mut self, numbers: u32) {
        self.local_cseq = self.local_cseq.saturating_add(numbers).min(CSEQ_MAX);
    }

    /// The ACK of the 2xx to the last INVITE. The first call settles its branch; every further one, for a repeated 2xx, gives
    /// the same ACK again (§13.2.2.4), to where the peer is by then.
    pub fn ack(&mut self, branch: &str) -> Request {
        let branch = self.invite.acked.get_or_insert_with(|| branch.into()).clone();
        let mut ack = self.build(Method::Ack, self.invite.cseq, &branch);
        for (name, value) in &self.invite.credentials {
            ack.headers.append(name.clone(), value.clone());
        }
        if !self.invite.answer.is_empty() {
            ack.headers.append(HeaderName::ContentType, ACCEPT);
            ack.body = self.invite.answer.clone();
        }
        ack
    }

    fn build(&self, method: Method, cseq: u32, branch: &str) -> Request {
        let (uri, routes) = self.path();
        let mut headers = Headers::with_capacity(8 + routes.len());
        headers.append(HeaderName::Via, Via::own(self.local, branch));
        headers.append(HeaderName::MaxForwards, MAX_FORWARDS);
        for route in routes {
            headers.append(HeaderName::Route, route);
        }
        headers.append(HeaderName::From, self.local_party.to_bytes());
        headers.append(HeaderName::To, self.remote_party.to_bytes());
        headers.append(HeaderName::CallId, self.id.call_id.clone());
        headers.append(HeaderName::CSeq, CSeq::new(cseq, method.clone()));
        Request { method, uri, headers, body: Bytes::new() }
    }
}
