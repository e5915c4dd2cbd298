//! The INVITE as a leg writes it (RFC 3261 §8.1.1, §13.2.1).

use bytes::Bytes;

use crate::dialog::Reach;
use crate::dialog::capability::{Peer, SUPPORTED};
use crate::dialog::session_timer::TIMER;
use crate::event::Route;
use crate::message::{CSeq, FieldError, HeaderName, Method, NameAddr, Request, Uri, Via};
use crate::transaction::hop::MAX_FORWARDS;

/// How we name ourselves.
pub const USER_AGENT: &str = concat!("Carillon/", env!("CARGO_PKG_VERSION"));

/// User part of our Contact when there is no number to show.
pub const OWN_USER: &str = "carillon";

/// Where a leg leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To a carrier.
    Trunk,
    /// To an agent's phone, which is asked to answer by itself.
    Phone,
}

impl Side {
    /// Where requests within its dialogs go: what a phone says of itself may lie behind a NAT.
    pub(super) fn reach(self) -> Reach {
        match self {
            Self::Trunk => Reach::Follow,
            Self::Phone => Reach::Pinned,
        }
    }

    /// Extensions that it may use in our requests that are answered at once: 100rel is none of them.
    pub(super) fn supported_by_requests(self) -> &'static str {
        match self {
            Self::Trunk => TIMER,
            Self::Phone => "timer, replaces",
        }
    }

    /// Who is there.
    pub(super) fn peer(self) -> Peer {
        match self {
            Self::Trunk => Peer::Carrier,
            Self::Phone => Peer::Phone,
        }
    }
}

/// An INVITE outside a dialog. The body is still to be set.
pub fn invite(
    route: &Route,
    side: Side,
    branch: &str,
    cseq: u32,
    authorization: &[(HeaderName, String)],
) -> Result<Request, FieldError> {
    let mut request = Request::new(Method::Invite, Uri::parse(&route.request_uri)?);
    let mut from = NameAddr::new(Uri::parse(&route.from_uri)?);
    if side == Side::Phone {
        from = from.with_display("Carillon");
    }
    let headers = &mut request.headers;
    headers.append(HeaderName::Via, Via::own(route.local, branch));
    headers.append(HeaderName::MaxForwards, MAX_FORWARDS);
    headers.append(HeaderName::From, from.with_param("tag", &route.from_tag));
    headers.append(HeaderName::To, NameAddr::new(Uri::parse(&route.to_uri)?));
    headers.append(HeaderName::CallId, route.call_id.clone());
    headers.append(HeaderName::CSeq, CSeq::new(cseq, Method::Invite));
    headers.append(HeaderName::Contact, contact(route)?);
    headers.append(HeaderName::Allow, side.peer().allow());
    let supported = match side {
        Side::Trunk => SUPPORTED,
        // A phone answers by itself: what it says before is not worth a PRACK.
        Side::Phone => side.supported_by_requests(),
    };
    headers.append(HeaderName::Supported, supported);
    match side {
        Side::Trunk => {}
        Side::Phone => {
            // RFC 5373, and the two headers that phones look at which don't know it.
            headers.append(HeaderName::AnswerMode, "Auto");
            headers.append(HeaderName::AlertInfo, "<http://localhost>;info=alert-autoanswer;answer-after=0");
            headers.append(HeaderName::CallInfo, "<sip:localhost>;answer-after=0");
        }
    }
    for (name, value) in authorization {
        headers.append(name.clone(), value.clone());
    }
    headers.append(HeaderName::UserAgent, USER_AGENT);
    headers.append(HeaderName::ContentType, "application/sdp");
    Ok(request)
}

/// Our Contact.
pub(super) fn contact(route: &Route) -> Result<Bytes, FieldError> {
    let user = if route.caller_id.is_empty() { OWN_USER } else { &route.caller_id };
    Ok(NameAddr::new(Uri::parse(&route.local.contact_uri(user, &route.request_uri))?).to_bytes())
}
