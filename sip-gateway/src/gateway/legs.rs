//! The table of legs: who owns each, and what their notices are turned into.

use std::time::Duration;

use super::Gateway;
use super::timers::Timer;
use crate::event::Failure;
use crate::id::CallId;
use crate::leg::wire::Wire;
use crate::leg::{Leg, LegId, LegOptions, Notice};

/// Whose a leg or stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LegOwner {
    /// A call towards a trunk, or from one.
    Call(CallId),
    /// An agent's phone.
    Agent(String),
    /// The line over which an agent with this call consults a colleague.
    Consultation(CallId),
    /// Its owner let go of it: it ends by itself.
    Nobody,
}

/// A leg with its owner.
#[derive(Debug)]
pub(super) struct LegEntry {
    leg: Leg,
    owner: LegOwner,
}

impl LegEntry {
    /// Both together.
    pub(super) fn new(leg: Leg, owner: LegOwner) -> Self {
        Self { leg, owner }
    }

    /// The leg itself.
    pub(super) fn leg(&self) -> &Leg {
        &self.leg
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> &LegOwner {
        &self.owner
    }
}

impl Gateway {
    /// Starts a leg: its INVITE leaves.
    pub(super) fn start_leg(
        &mut self,
        options: LegOptions,
        owner: LegOwner,
        now: Duration,
    ) -> Result<LegId, Failure> {
        self.legs_started += 1;
        let id = LegId(self.legs_started);
        let leg = Leg::start(id, options, &mut self.wire, now)?;
        self.timers.set(Timer::Leg(id), leg.deadline());
        self.dialogs.insert(leg.call_id().to_owned(), id);
        self.legs.insert(id, Box::new(LegEntry { leg, owner }));
        Ok(id)
    }

    /// Lets a leg do something, then tells its owner what came of it.
    pub(super) fn with_leg(
        &mut self,
        id: LegId,
        now: Duration,
        act: impl FnOnce(&mut Leg, &mut Wire) -> Vec<Notice>,
    ) {
        let Some(entry) = self.legs.get_mut(&id) else { return };
        let notices = act(&mut entry.leg, &mut self.wire);
        let owner = entry.owner.clone();
        self.timers.set(Timer::Leg(id), entry.leg.deadline());
        if entry.leg.is_gone() {
            // A caller that was refused may have come again with the same Call-ID.
            if self.dialogs.get(entry.leg.call_id()) == Some(&id) {
                self.dialogs.remove(entry.leg.call_id());
            }
            self.legs.remove(&id);
        }
        if !notices.is_empty() {
            self.room_changed();
        }
        for notice in notices {
            match &owner {
                LegOwner::Call(call) => self.call_notice(*call, notice, now),
                LegOwner::Agent(user) => self.phone_notice(user, id, notice, now),
                LegOwner::Consultation(call) => self.consultation_notice(*call, id, notice, now),
                LegOwner::Nobody => {}
            }
        }
    }

    /// Ends a leg; its owner hears its last notice.
    pub(super) fn end_leg(&mut self, id: LegId, reason: &'static str, now: Duration) {
        self.with_leg(id, now, |leg, wire| leg.hang_up(reason, wire, now));
    }

    /// Lets go of a leg whose INVITE nobody has answered in any way: it is not repeated any more, and what still comes of it
    /// is ended.
    pub(super) fn abandon_leg(&mut self, id: LegId, now: Duration) {
        if let Some(entry) = self.legs.get_mut(&id) {
            entry.owner = LegOwner::Nobody;
        }
        self.with_leg(id, now, |leg, wire| leg.abandon(wire, now));
    }

    /// Refuses a call of a phone with 300..699 without wanting to hear of it.
    pub(super) fn refuse_leg(&mut self, id: LegId, status: u16, now: Duration) {
        if let Some(entry) = self.legs.get_mut(&id) {
            entry.owner = LegOwner::Nobody;
        }
        self.with_leg(id, now, |leg, wire| leg.refuse(status, "refused", wire, now));
    }

    /// Ends a leg without wanting to hear of it.
    pub(super) fn drop_leg(&mut self, id: LegId, now: Duration) {
        if let Some(entry) = self.legs.get_mut(&id) {
            entry.owner = LegOwner::Nobody;
        }
        self.end_leg(id, "bye", now);
    }
}
