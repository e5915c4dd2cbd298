//! Texts within a call: whoever talks with the other side may write to it as well (RFC 3428).
//!
//! A text goes to whom the sender hears, at once or not at all: it is kept nowhere and written down nowhere.

use std::time::Duration;

use super::Gateway;
use super::agents::Phone;
use super::calls::{Call, Stage};
use super::join::Joined;
use crate::id::CallId;
use crate::leg::{LegId, Text};

impl Gateway {
    /// A text of the customer, for the agent who has the call.
    pub(super) fn text_of_customer(&mut self, call: CallId, text: &Text, now: Duration) {
        let agent = self.calls.get(&call).and_then(talks_with).and_then(|(_, user)| self.phone_leg(user));
        self.pass_on(agent, text, now);
    }

    /// A text of an agent's phone, for the customer or for the colleague who asks.
    pub(super) fn text_of_phone(&mut self, user: &str, text: &Text, now: Duration) {
        let other = self.in_hand(user).and_then(|call| {
            if self.is_consulted(call, user) {
                return self.consulting_line(call);
            }
            let (customer, with) = talks_with(self.calls.get(&call)?)?;
            (with == user).then_some(customer)
        });
        self.pass_on(other, text, now);
    }

    /// A text of whoever asks a colleague, for them.
    pub(super) fn text_of_line(&mut self, call: CallId, text: &Text, now: Duration) {
        let colleague = self.consulted_of(call).and_then(|user| self.phone_leg(user));
        self.pass_on(colleague, text, now);
    }

    fn phone_leg(&self, user: &str) -> Option<LegId> {
        match self.agents.get(user)?.phone {
            Phone::Up { leg, .. } => Some(leg),
            Phone::Calling { .. } | Phone::Idle => None,
        }
    }

    /// Sends a text to the other side, and tells the sender whether it is on its way.
    pub(super) fn pass_on(&mut self, other: Option<LegId>, text: &Text, now: Duration) {
        let mut sent = false;
        if let Some(other) = other {
            self.with_leg(other, now, |leg, wire| {
                sent = leg.say(&text.request, wire, now);
                Vec::new()
            });
        }
        self.with_leg(text.leg, now, |leg, wire| leg.answer_text(text, sent, wire, now));
    }
}

/// The customer's leg and the agent they talk with.
fn talks_with(call: &Call) -> Option<(LegId, &str)> {
    if let Stage::Up { leg, joined: Joined::Connected { user, .. }, .. } = &call.stage {
        return Some((*leg, user));
    }
    None
}
