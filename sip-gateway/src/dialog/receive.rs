//! The peer's requests within a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2, §11.2; UPDATE: RFC 3311 §5.2).

use bytes::Bytes;

use super::capability::{self, Peer};
use super::{Dialog, Reach};
use crate::message::{HeaderName, Method, Request, Response};

/// What the leg makes of a re-INVITE or UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub enum Negotiation {
    /// SDP for the 200: the answer to the offer, or, in a re-INVITE without one, our offer. Empty: none, as an UPDATE
    /// without an offer gets none.
    Session(Vec<u8>),
    /// The session stays as it was; usually 488.
    Refuse(u16),
    /// The same with a header that tells more: when to come again, or what is too small.
    RefuseWith(u16, HeaderName, String),
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
    /// A REFER: the leg's owner answers it.
    Referred,
    /// A MESSAGE with a text: the leg's owner answers it.
    Text,
    /// A PRACK: the leg knows whether a response of ours waits for it, and sends this 481 where none does (RFC 3262 §3).
    Pracked(Response),
    /// An ACK: nothing is ever sent for it.
    Silence,
}

impl Dialog {
    /// Answers a request that is in this dialog. `negotiate` is asked about a re-INVITE or UPDATE: it gets the offer, or
    /// `None` when there is none.
    pub fn serve(
        &mut self,
        request: &Request,
        negotiate: impl FnOnce(Option<&Bytes>) -> Negotiation,
    ) -> Served {
        if request.method == Method::Ack {
            return Served::Silence;
        }
        if let Some(refusal) = self.check_order(request).or_else(|| self.refuse(request)) {
            return Served::Answered(refusal);
        }
        match &request.method {
            Method::Invite => match self.serve_offer(request, negotiate) {
                Ok(response) => Served::Accepted(response),
                Err(refusal) => Served::Answered(refusal),
            },
            Method::Update => {
                Served::Answered(self.serve_offer(request, negotiate).unwrap_or_else(|refusal| refusal))
            }
            Method::Info => Served::Answered(capability::info(request)),
            Method::Prack => Served::Pracked(capability::response(request, 481)),
            Method::Refer => Served::Referred,
            Method::Message => capability::refuse_text(request).map_or(Served::Text, Served::Answered),
            Method::Notify => Served::Answered(capability::refuse_event(request)),
            Method::Bye => Served::Ended(capability::response(request, 200)),
            Method::Options => Served::Answered(capability::options(request, self.peer())),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Subscribe
            | Method::Publish
            | Method::Other(_) => Served::Answered(capability::refuse_method(request)),
        }
    }

    /// What nobody asks within this dialog. A phone may repeat the Replaces of the INVITE that began it in another INVITE: it
    /// has done its work.
    fn refuse(&self, request: &Request) -> Option<Response> {
        let refusal = capability::refuse_extensions(request, self.peer());
        refusal.or_else(|| {
            if request.method == Method::Invite { None } else { capability::refuse_replaces(request) }
        })
    }

    /// Whom the dialog is with.
    fn peer(&self) -> Peer {
        match self.reach {
            Reach::Pinned => Peer::Phone,
            Reach::Follow => Peer::Carrier,
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

    /// §14.2, RFC 3311 §5.2: the 200, or what is sent instead of it.
    fn serve_offer(
        &mut self,
        request: &Request,
        negotiate: impl FnOnce(Option<&Bytes>) -> Negotiation,
    ) -> Result<Response, Response> {
        let refusal = capability::refuse_body(request).or_else(|| capability::refuse_accept(request));
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let offer = Some(&request.body).filter(|body| !body.is_empty());
        let session = match negotiate(offer) {
            Negotiation::Session(session) => session,
            Negotiation::Refuse(status) => return Err(capability::response(request, status)),
            Negotiation::RefuseWith(status, name, value) => {
                let mut refusal = capability::response(request, status);
                refusal.headers.append(name, value);
                return Err(refusal);
            }
        };
        // §12.2.2: both are target refresh requests; RFC 6141 §4.6: it takes effect once it is accepted.
        self.retarget(&request.headers);
        let mut response = capability::response(request, 200);
        response.headers.append(HeaderName::Contact, self.contact.clone());
        response.headers.append(HeaderName::Allow, self.peer().allow());
        response.headers.append(HeaderName::Supported, self.peer().supported());
        if !session.is_empty() {
            response.headers.append(HeaderName::ContentType, capability::ACCEPT);
        }
        response.body = session.into();
        Ok(response)
    }
}
