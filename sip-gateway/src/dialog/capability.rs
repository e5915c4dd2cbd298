//! What we can do, as we tell it, and the refusals of what we can't (RFC 3261 §8.2, §11.2).

use crate::message::{HeaderName, Headers, Method, Replaces, Request, Response, reason_phrase};

/// Methods we serve, for Allow (RFC 3261 §20.5).
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, MESSAGE";

/// The same for phones, which may transfer calls (RFC 3515).
pub const ALLOW_PHONES: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, MESSAGE, REFER";

/// Extensions we know, for Supported (RFC 3261 §20.37): reliable provisional responses (RFC 3262), session timers (RFC 4028).
pub const SUPPORTED: &str = "100rel, timer";

/// The same for phones, which may take over a call of another phone of the same user (RFC 3891 §4).
pub const SUPPORTED_PHONES: &str = "100rel, timer, replaces";

/// The same of the registrar: flows of phones (RFC 5626 §6) and the way to them (RFC 3327 §5.3).
pub const SUPPORTED_REGISTER: &str = "outbound, path";

/// The option tag of reliable provisional responses.
pub const RELIABLE: &str = "100rel";

/// Bodies we read, for Accept (RFC 3261 §20.1).
pub const ACCEPT: &str = "application/sdp";

/// The one body we read, as [`crate::message::Headers::content_type`] tells it.
const SDP: &str = "application/sdp";

/// The body of a MESSAGE, as it goes on.
pub const TEXT: &str = "text/plain;charset=UTF-8";
/// Longest text of a MESSAGE, in octets (RFC 3428 §8).
pub const TEXT_MAX: usize = 1_300;

/// Bodies of INFO that carry a digit.
const DIGITS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// Whom we talk to: not everybody is offered the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A carrier, or whoever calls over one.
    Carrier,
    /// An agent's phone.
    Phone,
}

impl Peer {
    /// What it may ask of us, for Allow.
    pub fn allow(self) -> &'static str {
        match self {
            Self::Carrier => ALLOW,
            Self::Phone => ALLOW_PHONES,
        }
    }

    /// Extensions that it may require of us, for Supported.
    pub fn supported(self) -> &'static str {
        match self {
            Self::Carrier => SUPPORTED,
            Self::Phone => SUPPORTED_PHONES,
        }
    }
}

/// A response with the usual reason phrase.
pub fn response(request: &Request, status: u16) -> Response {
    request.response(status, reason_phrase(status))
}

/// The answer to an OPTIONS (RFC 3261 §11.2): what an INVITE would find here.
pub fn options(request: &Request, peer: Peer) -> Response {
    let mut response = response(request, 200);
    response.headers.append(HeaderName::Allow, peer.allow());
    response.headers.append(HeaderName::Accept, ACCEPT);
    response.headers.append(HeaderName::AcceptEncoding, "identity");
    response.headers.append(HeaderName::AcceptLanguage, "en");
    response.headers.append(HeaderName::Supported, peer.supported());
    response
}

/// Whether a comma list of tokens (Allow, Supported, Require) holds `token`, in any case of letters.
pub fn lists(headers: &Headers, name: HeaderName, token: &str) -> bool {
    let is_it = |element: &[u8]| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    headers.all(name).any(|value| value.split(|octet| *octet == b',').any(is_it))
}

/// Answers an INFO (RFC 6086). What digits it carries is the leg's to read. An empty one is a phone's question whether we live.
pub fn info(request: &Request) -> Response {
    // RFC 6086 §4.2.2: we have named no package that we would take.
    if request.headers.contains(HeaderName::from("Info-Package")) {
        return response(request, 469);
    }
    let content_type = request.headers.content_type();
    let taken = content_type.as_deref().is_none_or(|content_type| DIGITS.contains(&content_type));
    if request.body.is_empty() || taken {
        return response(request, 200);
    }
    let mut refusal = response(request, 415);
    refusal.headers.append(HeaderName::Accept, DIGITS.join(", "));
    refusal
}

/// Refuses a MESSAGE that holds no text that could be passed on: 413 where it is too long, 415 where it is something else, or
/// in another set of characters than UTF-8 (RFC 3428 §7). `None` where it does.
pub fn refuse_text(request: &Request) -> Option<Response> {
    if request.body.len() > TEXT_MAX {
        return Some(response(request, 413));
    }
    let plain = request.headers.content_type().is_none_or(|content_type| content_type == "text/plain");
    if plain && !is_encoded(request) && std::str::from_utf8(&request.body).is_ok() {
        return None;
    }
    let mut refusal = response(request, 415);
    refusal.headers.append(HeaderName::Accept, TEXT);
    Some(refusal)
}

/// Refuses an event that nobody subscribed to with 489 (RFC 6665 §4.1.3), which harms no other use of the dialog.
pub fn refuse_event(request: &Request) -> Response {
    response(request, 489)
}

/// Refuses a method: 405 when we know it (RFC 3261 §21.4.6), 501 when we don't (§21.5.2).
pub fn refuse_method(request: &Request) -> Response {
    let known = match request.method {
        Method::Other(_) => false,
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Prack
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Message
        | Method::Publish => true,
    };
    let mut response = response(request, if known { 405 } else { 501 });
    // §8.2.1: the 405 must carry Allow; beside a 501 it helps as well.
    response.headers.append(HeaderName::Allow, ALLOW);
    response
}

/// Refuses required extensions with 420, listing them (RFC 3261 §8.2.2.3). `None` when nothing is required.
/// Proxy-Require is no concern of the last party (§20.29).
pub fn refuse_extensions(request: &Request, peer: Peer) -> Option<Response> {
    // §8.2.2.3: Require is not heeded in a CANCEL or in the ACK of a failure.
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return None;
    }
    let mut unknown = request.headers.require();
    let extensions = if request.method == Method::Register { SUPPORTED_REGISTER } else { peer.supported() };
    unknown.retain(|tag| !extensions.split(", ").any(|known| known.eq_ignore_ascii_case(tag)));
    if unknown.is_empty() {
        return None;
    }
    let mut response = response(request, 420);
    response.headers.append(HeaderName::Unsupported, unknown.join(", "));
    Some(response)
}

/// Refuses with 400 a Replaces that can't be read, comes twice, stands beside a Join, which wants the opposite, or is in any
/// other request than an INVITE (RFC 3891 §3). `None` where there is none, or a good one.
pub fn refuse_replaces(request: &Request) -> Option<Response> {
    let mut named = request.headers.all(HeaderName::Replaces);
    let first = named.next()?;
    let good = request.method == Method::Invite
        && named.next().is_none()
        && !request.headers.contains(HeaderName::from("Join"))
        && Replaces::parse(first).is_ok();
    (!good).then(|| response(request, 400))
}

/// Refuses a body we can't read with 415 (RFC 3261 §8.2.3). `None` when there is none or it is plain SDP.
pub fn refuse_body(request: &Request) -> Option<Response> {
    if request.body.is_empty() {
        return None;
    }
    let readable = request.headers.content_type().is_none_or(|content_type| content_type == SDP);
    let encoded = is_encoded(request);
    if readable && !encoded {
        return None;
    }
    let mut response = response(request, 415);
    // §8.2.3: what would have been read.
    response.headers.append(HeaderName::Accept, ACCEPT);
    if encoded {
        response.headers.append(HeaderName::AcceptEncoding, "identity");
    }
    Some(response)
}

fn is_encoded(request: &Request) -> bool {
    let encodings = request.headers.tokens(HeaderName::ContentEncoding);
    encodings.iter().any(|encoding| !encoding.eq_ignore_ascii_case("identity"))
}

/// Refuses with 406 a peer that can't take SDP in our answer (RFC 3261 §21.4.7). `None` when it can.
pub fn refuse_accept(request: &Request) -> Option<Response> {
    if !request.headers.contains(HeaderName::Accept) {
        return None;
    }
    let ranges = request.headers.tokens(HeaderName::Accept);
    let acceptable = ranges.iter().any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media_range = parts.next().unwrap_or_default();
        let refused = parts.any(|param| matches!(param, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        !refused && ["*/*", "application/*", SDP].iter().any(|one| one.eq_ignore_ascii_case(media_range))
    });
    (!acceptable).then(|| response(request, 406))
}
