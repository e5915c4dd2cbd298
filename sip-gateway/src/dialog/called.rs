//! The dialog of a call that a peer makes to us (RFC 3261 §12.1.1).

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Dialog, DialogError, DialogId, Invite, Reach};
use crate::message::{FieldError, Request};
use crate::transport::Local;

impl Dialog {
    /// The dialog that our response with the tag `local_tag` to a received INVITE makes. `from` is where the INVITE came
    /// from, `local` our address it came to, `local_cseq` what our own requests count on from, `contact` our Contact.
    pub fn from_invite(
        invite: &Request,
        local_tag: &str,
        local_cseq: u32,
        contact: Bytes,
        reach: Reach,
        from: SocketAddr,
        local: Local,
    ) -> Result<Self, DialogError> {
        let headers = &invite.headers;
        let local_party = headers.to()?.with_param("tag", local_tag);
        let remote_party = headers.from()?;
        let cseq = headers.cseq()?;
        // §12.1.1: an INVITE has exactly one Contact (§8.1.1.8); without one there is nowhere to send a BYE to.
        let contacts = headers.contacts()?;
        let remote_target = contacts.first().ok_or(FieldError::Missing)?.uri.clone();
        let mut dialog = Self {
            id: DialogId {
                call_id: headers.call_id()?.to_owned(),
                local_tag: local_tag.to_owned(),
                // §12.1.1: a caller of RFC 2543 gives no tag.
                remote_tag: remote_party.tag().unwrap_or_default().to_owned(),
            },
            local_party,
            remote_party,
            remote_target,
            // §12.1.1: in the order of the request.
            route_set: headers.record_routes()?,
            local_cseq,
            remote_cseq: Some(cseq.number),
            contact,
            reach,
            next_hop: from,
            met: Some(from.ip()),
            local,
            invite: Invite { cseq: local_cseq, credentials: Vec::new(), answer: Bytes::new(), acked: None },
        };
        dialog.route();
        Ok(dialog)
    }
}
