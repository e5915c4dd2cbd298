//! Dialogs: what two parties of an answered call know of each other (RFC 3261 §12).
//!
//! This room builds the requests of a dialog and answers those the peer sends in it. It does not know trunks, phones
//! or media, keeps no transactions and has no timer but that of a repeated 2xx. Rooms: [`Dialog`] (the state, here),
//! `route` (route set and destination), `called` (a peer's INVITE), `request` (ACK, BYE), [`receive`] (the peer's requests), [`repeat`] (a 2xx until its
//! ACK), [`session_timer`] (when a silent peer counts as gone), [`capability`] (what we can do, and the refusals of what we
//! can't).

mod called;
pub mod capability;
pub mod receive;
pub mod repeat;
mod request;
mod route;
pub mod session_timer;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::event;
use crate::message::{FieldError, HeaderName, NameAddr, Request, Response, Uri};
use crate::transport::Local;

pub use receive::{Negotiation, Served};
pub use repeat::{AnswerRepeater, Repetition};

/// What a dialog is found by (RFC 3261 §12). An empty remote tag is that of a peer of RFC 2543 (§12.1.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog a received request is in; `None` when it is in none, having no To tag.
    pub fn of_request(request: &Request) -> Option<Self> {
        let headers = &request.headers;
        Some(Self {
            call_id: headers.call_id().ok()?.to_owned(),
            local_tag: headers.to().ok()?.tag()?.to_owned(),
            remote_tag: headers.from().ok()?.tag().unwrap_or_default().to_owned(),
        })
    }

    /// The dialog a response to our own request is in; `None` without a From tag, which we always write.
    pub fn of_response(response: &Response) -> Option<Self> {
        let headers = &response.headers;
        Some(Self {
            call_id: headers.call_id().ok()?.to_owned(),
            local_tag: headers.from().ok()?.tag()?.to_owned(),
            remote_tag: headers.to().ok()?.tag().unwrap_or_default().to_owned(),
        })
    }
}

/// Where the requests of a dialog are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the first route or the peer's contact (RFC 3261 §12.2.1.1), if that is an address; for carriers.
    Follow,
    /// Always to the address the INVITE was sent to; for phones, whose contact may lie behind a NAT.
    Pinned,
}

/// Why there is no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// Only a 2xx to our INVITE makes one, or a provisional response with a tag.
    #[error("no response to the INVITE that makes a dialog")]
    NotAnswered,
    /// A header the dialog is made of can't be read.
    #[error("dialog can't be made: {0}")]
    Field(#[from] FieldError),
}

/// A confirmed dialog, our side of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialog {
    id: DialogId,
    /// Our From, with our tag.
    local_party: NameAddr,
    /// Our To, with the peer's tag.
    remote_party: NameAddr,
    remote_target: Uri,
    /// In order of use.
    route_set: Vec<NameAddr>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// Our Contact, as a header value.
    contact: Bytes,
    reach: Reach,
    next_hop: SocketAddr,
    /// Where a call from outside came from: its requests may go on coming from there.
    met: Option<IpAddr>,
    local: Local,
    invite: Invite,
}

/// What the ACK of the 2xx repeats of the INVITE.
#[derive(Clone, Debug, PartialEq)]
struct Invite {
    cseq: u32,
    credentials: Vec<(HeaderName, Bytes)>,
    /// The answer to an offer in its 2xx; empty when the INVITE made the offer.
    answer: Bytes,
    /// The branch of the ACK once it was made: a repeated 2xx gets the same again.
    acked: Option<Box<str>>,
}

impl Dialog {
    /// The dialog that a 2xx to our INVITE makes (RFC 3261 §12.1.2). Each fork's 2xx makes one of its own.
    /// `next_hop` is where the INVITE was sent to, `local` our address it was sent from.
    pub fn from_answer(
        invite: &Request,
        response: &Response,
        reach: Reach,
        next_hop: SocketAddr,
        local: impl Into<Local>,
    ) -> Result<Self, DialogError> {
        let success = (200..300).contains(&response.status);
        if !success || response.headers.cseq()? != invite.headers.cseq()? {
            return Err(DialogError::NotAnswered);
        }
        Self::of(invite, response, reach, next_hop, local.into())
    }

    /// The early dialog that a provisional response with a To tag makes (§12.1).
    pub fn from_provisional(
        invite: &Request,
        response: &Response,
        reach: Reach,
        next_hop: SocketAddr,
        local: impl Into<Local>,
    ) -> Result<Self, DialogError> {
        let provisional = (101..200).contains(&response.status);
        let tagged = response.headers.to()?.tag().is_some();
        if !provisional || !tagged || response.headers.cseq()? != invite.headers.cseq()? {
            return Err(DialogError::NotAnswered);
        }
        Self::of(invite, response, reach, next_hop, local.into())
    }

    /// The 2xx of an early dialog: route set and target are those of the 2xx, CSeq numbers go on (§13.2.2.4).
    pub fn confirm(&mut self, invite: &Request, response: &Response) -> Result<(), DialogError> {
        let made = Self::from_answer(invite, response, self.reach, self.next_hop, self.local)?;
        *self = Self { local_cseq: self.local_cseq, remote_cseq: self.remote_cseq, ..made };
        Ok(())
    }

    fn of(
        invite: &Request,
        response: &Response,
        reach: Reach,
        next_hop: SocketAddr,
        local: Local,
    ) -> Result<Self, DialogError> {
        let cseq = invite.headers.cseq()?;
        let local_party = invite.headers.from()?;
        let mut remote_party = invite.headers.to()?;
        let answered = response.headers.to()?;
        // §12.1.2: a peer of RFC 2543 gives no tag.
        let remote_tag = answered.tag().unwrap_or_default().to_owned();
        if !remote_tag.is_empty() {
            remote_party = remote_party.with_param("tag", &remote_tag);
        }
        // §12.1.2: the route set is that of the response in reverse order.
        let mut route_set = response.headers.record_routes()?;
        route_set.reverse();
        // A peer of RFC 2543 may give no Contact either: then it is where we called.
        let remote_target = match response.headers.contacts()?.first() {
            // The dialog outlives the datagram by far.
            Some(contact) => contact.uri.detached(),
            None => invite.uri.clone(),
        };
        let mut dialog = Self {
            id: DialogId {
                call_id: invite.headers.call_id()?.to_owned(),
                local_tag: local_party.tag().ok_or(FieldError::Address)?.to_owned(),
                remote_tag,
            },
            local_party,
            remote_party,
            remote_target,
            route_set,
            local_cseq: cseq.number,
            // §12.1.2: empty until the peer's first request.
            remote_cseq: None,
            contact: own_contact(invite, local),
            reach,
            next_hop,
            met: None,
            local,
            invite: Invite {
                cseq: cseq.number,
                credentials: credentials(invite),
                answer: Bytes::new(),
                acked: None,
            },
        };
        dialog.route();
        Ok(dialog)
    }

    /// A dialog that was stored. Its requests go to the stored address.
    pub fn from_durable(stored: &event::Dialog) -> Result<Self, DialogError> {
        let party = |uri: &str, tag: &str| -> Result<NameAddr, FieldError> {
            let party = NameAddr::new(Uri::parse(uri)?);
            Ok(if tag.is_empty() { party } else { party.with_param("tag", tag) })
        };
        let route = |text: &String| NameAddr::parse(&Bytes::copy_from_slice(text.as_bytes()));
        Ok(Self {
            id: DialogId {
                call_id: stored.call_id.clone(),
                local_tag: stored.local_tag.clone(),
                remote_tag: stored.remote_tag.clone(),
            },
            local_party: party(&stored.local_uri, &stored.local_tag)?,
            remote_party: party(&stored.remote_uri, &stored.remote_tag)?,
            remote_target: Uri::parse(&stored.remote_target)?,
            route_set: stored.route_set.iter().map(route).collect::<Result<_, _>>()?,
            local_cseq: stored.local_cseq,
            remote_cseq: None,
            contact: contact_at(stored.local),
            reach: Reach::Pinned,
            next_hop: stored.next_hop,
            met: None,
            local: stored.local,
            invite: Invite {
                cseq: stored.local_cseq,
                credentials: Vec::new(),
                answer: Bytes::new(),
                acked: None,
            },
        })
    }

    /// What must be stored to end the dialog after a restart.
    pub fn durable(&self) -> event::Dialog {
        let text = |octets: Bytes| String::from_utf8_lossy(&octets).into_owned();
        event::Dialog {
            call_id: self.id.call_id.clone(),
            local_tag: self.id.local_tag.clone(),
            remote_tag: self.id.remote_tag.clone(),
            local_uri: self.local_party.uri.raw().to_owned(),
            remote_uri: self.remote_party.uri.raw().to_owned(),
            remote_target: self.remote_target.raw().to_owned(),
            route_set: self.route_set.iter().map(|route| text(route.to_bytes())).collect(),
            local_cseq: self.local_cseq,
            next_hop: self.next_hop,
            local: self.local,
        }
    }

    /// What it is found by.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Whether the peer made the call.
    pub fn is_called(&self) -> bool {
        self.met.is_some()
    }

    /// Where its requests are sent to.
    pub fn destination(&self) -> SocketAddr {
        self.next_hop
    }

    /// Our address that its requests leave from.
    pub fn local(&self) -> Local {
        self.local
    }

    /// Our Contact, as a header value.
    pub fn contact(&self) -> &Bytes {
        &self.contact
    }

    /// The peer's contact.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }
}

/// Our Contact of this INVITE, for later 2xx of ours; a plain one when it has none.
fn own_contact(invite: &Request, local: Local) -> Bytes {
    invite.headers.first(HeaderName::Contact).cloned().unwrap_or_else(|| contact_at(local))
}

fn contact_at(local: Local) -> Bytes {
    format!("<sip:{}>", local.uri_rest()).into()
}

/// §13.2.2.4: the ACK carries the credentials of its INVITE.
fn credentials(invite: &Request) -> Vec<(HeaderName, Bytes)> {
    [HeaderName::Authorization, HeaderName::ProxyAuthorization]
        .into_iter()
        .flat_map(|name| invite.headers.all(name.clone()).map(move |value| (name.clone(), value.clone())))
        .collect()
}
