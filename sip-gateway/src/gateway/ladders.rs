//! What is written down of calls: which dialogs belong to which call, and each message that comes or goes.

use std::net::SocketAddr;
use std::time::Duration;

use super::Gateway;
use crate::event::Route;
use crate::id::CallId;
use crate::ladder::{Ladder, Party, Role, Sketch, Way};
use crate::leg::LegId;
use crate::message::{Message, Request};
use crate::transport::Local;

impl Gateway {
    /// The ladder of a call that is up, or ended not long ago.
    pub fn ladder_of_call(&self, call: CallId) -> Option<&Ladder> {
        self.ladders.of_call(call)
    }

    /// The ladder that a dialog with this Call-ID belongs to.
    pub fn ladder_of_dialog(&self, call_id: &str) -> Option<&Ladder> {
        self.ladders.of_dialog(call_id)
    }

    /// The next ladder of a call that has ended and had its last messages; each once.
    pub fn settled_ladder(&mut self, now: Duration) -> Option<&Ladder> {
        self.ladders.settled(now)
    }

    /// The INVITE of a call is about to leave.
    pub(super) fn follow_trunk(&mut self, call: CallId, route: &Route, now: Duration) {
        self.ladders.begin(call, now);
        self.ladders.follow(call, party(Role::Trunk, route));
    }

    /// The INVITE to an agent's phone is about to leave for a call.
    pub(super) fn follow_phone(&mut self, call: CallId, route: &Route) {
        self.ladders.follow(call, party(Role::Phone, route));
    }

    /// An agent's phone that is on the line belongs to this call from now on.
    pub(super) fn follow_leg(&mut self, call: CallId, leg: LegId) {
        if let Some(entry) = self.legs.get(&leg) {
            self.ladders.follow(call, party(Role::Phone, entry.leg().route()));
        }
    }

    /// An agent's phone stays on the line and belongs to no call.
    pub(super) fn unfollow_leg(&mut self, leg: LegId) {
        if let Some(entry) = self.legs.get(&leg) {
            self.ladders.part(entry.leg().call_id());
        }
    }

    /// A trunk's INVITE came that begins something.
    pub(super) fn follow_caller(
        &mut self,
        trunk: &str,
        invite: &Request,
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) {
        let Some(party) = caller(Role::Trunk, trunk, invite, (from, local)) else { return };
        if self.ladders.offered(party, now) {
            self.note_first(invite, from, local, now);
        }
    }

    /// The INVITE of an agent's phone came that asks a colleague about a call.
    pub(super) fn follow_asking(
        &mut self,
        call: CallId,
        invite: &Request,
        (from, local): (SocketAddr, Local),
        now: Duration,
    ) {
        let address = invite.headers.from();
        let user = address.as_ref().ok().and_then(|address| address.uri.user()).unwrap_or_default();
        let Some(party) = caller(Role::Phone, user, invite, (from, local)) else { return };
        self.ladders.follow(call, party);
        self.note_first(invite, from, local, now);
    }

    /// A call from outside has its name.
    pub(super) fn name_caller(&mut self, call_id: &str, call: CallId, now: Duration) {
        self.ladders.named(call_id, call, now);
    }

    pub(super) fn note_received(&mut self, message: &Message, from: SocketAddr, local: Local, now: Duration) {
        if let Some((call_id, sketch)) = Sketch::of_received(message) {
            self.ladders.note(call_id, Way::Received, (from, local.transport), sketch, now);
        }
    }

    /// An INVITE that was taken for nobody's when it came in.
    fn note_first(&mut self, invite: &Request, from: SocketAddr, local: Local, now: Duration) {
        if let Some((call_id, sketch)) = Sketch::of_request(invite) {
            self.ladders.note(call_id, Way::Received, (from, local.transport), sketch, now);
        }
    }

    pub(super) fn note_sent(&mut self, octets: &[u8], to: SocketAddr, local: Local, now: Duration) {
        if let Some((call_id, sketch)) = Sketch::of_sent(octets) {
            self.ladders.note(call_id, Way::Sent, (to, local.transport), sketch, now);
        }
    }
}

fn party(role: Role, route: &Route) -> Party {
    Party {
        role,
        name: route.trunk.clone(),
        address: route.next_hop,
        transport: route.local.transport,
        call_id: route.call_id.clone(),
    }
}

/// Who sent an INVITE; `None` where it names no dialog.
fn caller(role: Role, name: &str, invite: &Request, (from, local): (SocketAddr, Local)) -> Option<Party> {
    Some(Party {
        role,
        name: name.to_owned(),
        address: from,
        transport: local.transport,
        call_id: invite.headers.call_id().ok()?.to_owned(),
    })
}
