//! The peer's requests within a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2, §11.2).

use bytes::Bytes;

use super::{Dialog, capability};
use crate::message::{HeaderName, Method, Request, Response};

/// What the leg makes of a re-INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Negotiation {
    /// SDP for the 200: the answer to the offer, or an offer when there was none.
    Session(Vec<u8>),
    /// The session stays as it was; usually 488.
    Refuse(u16),
}

/// What became of a request. The response goes to the transaction layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Served {
    /// Answered; the call goes on.
    Answered(Response),
    /// A re-INVITE was accepted: send this 200 and repeat it until its ACK comes ([`super::AnswerRepeater`]).
    Accepted(Response),
    /// BYE: send this 200; the dialog is over.
    Ended(Response),
    /// An ACK: nothing is ever sent for it.
    Silence,
}

impl Dialog {
    /// Answers a request that is in this dialog. `negotiate` is asked about a re-INVITE: it gets the offer, or `None`
    /// when the peer leaves the offer to us.
    pub fn serve(
        &mut self,
        request: &Request,
        negotiate: impl FnOnce(Option<&Bytes>) -> Negotiation,
    ) -> Served {
        if request.method == Method::Ack {
            return Served::Silence;
        }
        if let Some(refusal) = self.check_order(request).or_else(|| capability::refuse_extensions(request)) {
            return Served::Answered(refusal);
        }
        match &request.method {
            Method::Invite => self.serve_invite(request, negotiate),
            Method::Bye => Served::Ended(capability::response(request, 200)),
            Method::Options => Served::Answered(capability::options(request)),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Other(_) => Served::Answered(capability::refuse_method(request)),
        }
    }

    /// §12.2.2: requests come in order; one with a lower number than the last is refused, gaps are fine.
    fn check_order(&mut self, request: &Request) -> Option<Response> {
        let number = match request.headers.cseq() {
            Ok(cseq) => cseq.number,
            Err(_) => return Some(capability::response(request, 400)),
        };
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Some(capability::response(request, 500));
        }
        self.remote_cseq = Some(number);
        None
    }

    /// §14.2.
    fn serve_invite(
        &mut self,
        request: &Request,
        negotiate: impl FnOnce(Option<&Bytes>) -> Negotiation,
    ) -> Served {
        let refusal = capability::refuse_body(request).or_else(|| capability::refuse_accept(request));
        if let Some(refusal) = refusal {
            return Served::Answered(refusal);
        }
        let offer = Some(&request.body).filter(|body| !body.is_empty());
        let session = match negotiate(offer) {
            Negotiation::Session(session) => session,
            Negotiation::Refuse(status) => return Served::Answered(capability::response(request, status)),
        };
        // §12.2.2: a re-INVITE is a target refresh request; RFC 6141 §4.6: it takes effect once it is accepted.
        if let Ok(contacts) = request.headers.contacts() {
            self.refresh_target(contacts.first());
        }
        let mut response = capability::response(request, 200);
        response.headers.append(HeaderName::Contact, self.contact.clone());
        response.headers.append(HeaderName::Allow, capability::ALLOW);
        response.headers.append(HeaderName::Supported, "");
        response.headers.append(HeaderName::ContentType, capability::ACCEPT);
        response.body = session.into();
        Served::Accepted(response)
    }
}
