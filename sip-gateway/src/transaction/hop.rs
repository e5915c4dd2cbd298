//! The two requests that a client transaction makes out of its own INVITE: ACK and CANCEL.

use bytes::Bytes;

use crate::message::{FieldError, HeaderName, Headers, Method, Request, Response};

/// RFC 3261 §8.1.1.6.
pub(crate) const MAX_FORWARDS: &str = "70";

/// The ACK for a failure of `invite` (RFC 3261 §17.1.1.3).
pub(crate) fn ack(invite: &Request, response: &Response) -> Result<Request, FieldError> {
    // The To of the response: the peer's tag is in it.
    let to = response.headers.first(HeaderName::To).ok_or(FieldError::Missing)?;
    companion(invite, Method::Ack, to.clone())
}

/// The CANCEL of `invite` (RFC 3261 §9.1), with the value of a Reason header (RFC 3326).
pub(crate) fn cancel(invite: &Request, reason: Option<&'static str>) -> Result<Request, FieldError> {
    let to = invite.headers.first(HeaderName::To).ok_or(FieldError::Missing)?;
    let mut cancel = companion(invite, Method::Cancel, to.clone())?;
    if let Some(reason) = reason {
        cancel.headers.append(HeaderName::Reason, reason);
    }
    Ok(cancel)
}

/// Both have the Request-URI, Call-ID, From, CSeq number and Route of the INVITE and its topmost Via alone, so that
/// they take the same path and match at every hop.
fn companion(invite: &Request, method: Method, to: Bytes) -> Result<Request, FieldError> {
    let old = &invite.headers;
    let mut headers = Headers::with_capacity(8);
    headers.append(HeaderName::Via, old.via_top()?);
    headers.append(HeaderName::MaxForwards, MAX_FORWARDS);
    headers.copy(HeaderName::Route, old);
    headers.copy(HeaderName::From, old);
    headers.append(HeaderName::To, to);
    headers.copy(HeaderName::CallId, old);
    headers.append(HeaderName::CSeq, format!("{} {}", old.cseq()?.number, method.as_str()));
    Ok(Request { method, uri: invite.uri.clone(), headers, body: Bytes::new() })
}
