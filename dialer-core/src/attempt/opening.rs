//! The machine's first half: a line, the durable intent, the permit, ringing.

use std::time::Duration;

use super::event::{Action, Dropped};
use super::machine::{Attempt, State, end};
use super::outcome::{Attribution, Finding, Outcome};
use crate::compliance::PERMIT_VALID;
use crate::input::Failure;
use crate::store::write::{CallRoute, Refusal};
use crate::time::Now;

/// Longest wait for an intent to be durable, before its line is given back.
const INTENT_MAX: Duration = Duration::from_secs(10);
/// Longest wait for the news that an INVITE left, beyond the permit.
const PLACE_MARGIN: Duration = Duration::from_secs(5);

impl Attempt {
    pub(super) fn reserved(
        &mut self,
        before: State,
        route: CallRoute,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Reserving => {
                self.deadline = Some(now.monotonic.saturating_add(INTENT_MAX));
                actions.push(Action::Intend(route.clone()));
                State::Intending { route }
            }
            other @ (State::Intending { .. }
            | State::Withdrawn
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    /// A trunk failed before anything rang or could not have the call signed, and another one has a line: its identifiers become durable before they are on the
    /// wire. The same attempt goes on; what it became on the trunk before counts only where nothing leaves any more.
    pub(super) fn divert(
        &mut self,
        before: State,
        failure: Failure,
        route: CallRoute,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Placing | State::Dialing => {
                self.diverted = Some(self.judged(failure, now));
                self.deadline = Some(now.monotonic.saturating_add(INTENT_MAX));
                actions.push(Action::Divert(route.clone()));
                State::Intending { route }
            }
            // The gateway diverts no call that has rung or that we end; should it, the line is not used and lapses.
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    /// What an attempt ends with whose next INVITE never left: what the trunk before made of it, where there was one.
    pub(super) fn unless_diverted(&mut self, finding: Finding) -> Finding {
        match (self.diverted.take(), finding.outcome) {
            (Some(before), Outcome::Cancelled) => before,
            (_, _) => finding,
        }
    }

    pub(super) fn busy(&mut self, before: State, dropped: Dropped, actions: &mut Vec<Action>) -> State {
        match before {
            State::Reserving => {
                actions.push(Action::Drop(dropped));
                State::Over
            }
            State::Placing => {
                end(Finding::new(Outcome::Congestion, Attribution::Trunk, "trunk_busy"), None, actions)
            }
            other @ (State::Intending { .. }
            | State::Withdrawn
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    pub(super) fn intent_stored(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Intending { route } => {
                self.deadline = Some(now.monotonic.saturating_add(PERMIT_VALID + PLACE_MARGIN));
                actions.push(Action::Place(route));
                State::Placing
            }
            State::Withdrawn => {
                let slow = Finding::new(Outcome::Cancelled, Attribution::Us, "store_slow");
                end(self.unless_diverted(slow), None, actions)
            }
            other @ (State::Reserving
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    pub(super) fn intent_refused(
        &mut self,
        before: State,
        refusal: Refusal,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Intending { .. } | State::Withdrawn => {
                if matches!(before, State::Intending { .. }) {
                    actions.push(Action::Release);
                }
                if let Some(before) = self.diverted.take() {
                    return end(before, None, actions);
                }
                match refusal {
                    // It may have been written all the same: the ending is recorded until the store says how it is.
                    Refusal::Unavailable(_) => end(
                        Finding::new(Outcome::Cancelled, Attribution::Us, "store_unavailable"),
                        None,
                        actions,
                    ),
                    Refusal::Suppressed | Refusal::Open | Refusal::Task | Refusal::Ended => {
                        actions.push(Action::Drop(Dropped::Refused(refusal)));
                        State::Over
                    }
                }
            }
            other @ (State::Reserving
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    pub(super) fn permit_refused(
        &mut self,
        before: State,
        reason: &'static str,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Placing => {
                actions.push(Action::Release);
                let refused = Finding::new(Outcome::Cancelled, Attribution::Us, reason);
                end(self.unless_diverted(refused), None, actions)
            }
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    pub(super) fn placed(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Placing => {
                self.deadline = Some(now.monotonic.saturating_add(self.terms.ring_timeout));
                self.note_placed(actions);
                State::Dialing
            }
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    /// An INVITE left: told of the first one, on whichever trunk.
    fn note_placed(&mut self, actions: &mut Vec<Action>) {
        if !std::mem::replace(&mut self.is_placed, true) {
            actions.push(Action::NotePlaced);
        }
    }

    pub(super) fn ringing(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            // The ring timeout counts from here. Only the first news of ringing counts.
            State::Placing | State::Dialing => {
                self.note_placed(actions);
                self.deadline = Some(now.monotonic.saturating_add(self.terms.ring_timeout));
                self.rang_at = Some(now.monotonic);
                actions.push(Action::NoteRinging);
                State::Ringing
            }
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }
}
