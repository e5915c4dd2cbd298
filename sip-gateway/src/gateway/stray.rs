//! Answers to requests that are in no dialog of ours (RFC 3261 §8.2, §12.2.2).
//!
//! What Carillon waits for is the REGISTER of a phone and the INVITE of a trunk. Both, and all others, get the answer the RFC
//! asks for, in the order the RFC asks for it, so that whoever sent them learns what to do.

use crate::dialog::capability::{self, Peer};
use crate::message::{Method, Request, Response, Scheme};

/// What is decided beforehand about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrayPolicy {
    /// Whether the source is a trunk's or a registered phone's. Strangers get no answer but to a REGISTER.
    pub trusted: bool,
    /// Whether phones may register here; else REGISTER is refused with 405.
    pub registrar: bool,
    /// Who it is, if it is trusted.
    pub peer: Peer,
}

/// What happens to a stray request.
#[derive(Clone, Debug, PartialEq)]
pub enum StrayAnswer {
    /// Answer it, in its transaction.
    Respond(Response),
    /// Send nothing: it is an ACK, or a stranger's.
    Silence,
    /// A sound REGISTER: the registrar's business.
    Register,
    /// A sound INVITE: whoever takes calls decides.
    Invite,
}

/// Decides about a request outside any dialog. CANCEL and merged requests never come here: the transaction layer
/// answers them.
pub fn answer(request: &Request, policy: &StrayPolicy) -> StrayAnswer {
    // §17.1.1.3: an ACK is never answered.
    if request.method == Method::Ack {
        return StrayAnswer::Silence;
    }
    let register = request.method == Method::Register && policy.registrar;
    if !policy.trusted && !register {
        return StrayAnswer::Silence;
    }
    match refuse(request, register, policy.peer) {
        Some(refusal) => StrayAnswer::Respond(refusal),
        None if register => StrayAnswer::Register,
        None if request.method == Method::Invite => StrayAnswer::Invite,
        // Whomever it names: carriers ask whether we live.
        None => StrayAnswer::Respond(capability::options(request, policy.peer)),
    }
}

/// §8.2: method, Request-URI and To, extensions, body, in this order; the first refusal counts.
fn refuse(request: &Request, register: bool, peer: Peer) -> Option<Response> {
    // §8.2.1.
    let served = match request.method {
        Method::Invite | Method::Bye | Method::Options | Method::Cancel | Method::Ack => true,
        Method::Register => register,
        Method::Prack
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Message
        | Method::Publish
        | Method::Other(_) => false,
    };
    if !served {
        return Some(capability::refuse_method(request));
    }
    // §8.2.2.1.
    if request.uri.scheme() == Scheme::Other {
        return Some(capability::response(request, 416));
    }
    // §10.3 (5): a registrar binds addresses of record, and an address of record is a SIP URI (§6).
    if register && !names_a_user(request) {
        return Some(capability::response(request, 400));
    }
    // §8.2.2.3.
    if let Some(refusal) = capability::refuse_extensions(request, peer) {
        return Some(refusal);
    }
    // RFC 3891 §3.
    if let Some(refusal) = capability::refuse_replaces(request) {
        return Some(refusal);
    }
    match request.method {
        // §12.2.2: a To tag means a dialog, and we have none with it.
        Method::Invite | Method::Bye | Method::Options if is_in_dialog(request) => {
            Some(capability::response(request, 481))
        }
        // §15.1.2: a BYE belongs to a dialog even if its sender gave no tag.
        Method::Bye => Some(capability::response(request, 481)),
        // §8.2.3, §21.4.7.
        Method::Invite => capability::refuse_body(request).or_else(|| capability::refuse_accept(request)),
        Method::Options => capability::refuse_accept(request),
        // §9.2: an INVITE it could mean would have been found.
        Method::Cancel => Some(capability::response(request, 481)),
        Method::Ack
        | Method::Register
        | Method::Prack
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Message
        | Method::Publish
        | Method::Other(_) => None,
    }
}

fn is_in_dialog(request: &Request) -> bool {
    request.headers.to().is_ok_and(|to| to.tag().is_some())
}

fn names_a_user(register: &Request) -> bool {
    register.headers.to().is_ok_and(|to| matches!(to.uri.scheme(), Scheme::Sip | Scheme::Sips))
}

#[cfg(test)]
#[path = "stray_tests.rs"]
mod tests;
