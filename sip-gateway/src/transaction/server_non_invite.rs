//! The non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! ```text
//! Trying ──1xx──▶ Proceeding ──200-699──▶ Completed ──J──▶ Terminated
//!    └───────200-699──────────────────────────▲
//! ```

use std::time::Duration;

use super::timer::{Lengths, Timer};
use super::{Action, StatusClass};

/// Where a non-INVITE server transaction stands, with the deadlines that belong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The request was passed up and nothing was sent yet.
    Trying { unanswered: Duration },
    /// A provisional response was sent.
    Proceeding { unanswered: Duration },
    /// A final response was sent; it is repeated for every retransmitted request.
    Completed { j: Duration },
    /// Over.
    Terminated,
}

/// What can happen to a non-INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The same request came again.
    Retransmission,
    /// The user answers with a response of this class.
    Respond(StatusClass),
    /// A timer fired.
    Timer(Timer),
    /// The transport could not deliver a response.
    TransportError,
}

/// A non-INVITE server transaction.
#[derive(Clone, Debug)]
pub(crate) struct ServerNonInvite {
    state: State,
    lengths: Lengths,
}

impl ServerNonInvite {
    /// A transaction whose request came now.
    pub(crate) fn new(lengths: Lengths, now: Duration) -> Self {
        Self { state: State::Trying { unanswered: lengths.deadline(Timer::Unanswered, now) }, lengths }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The next deadline and why it exists.
    pub(crate) fn deadline(&self) -> Option<(Duration, Timer)> {
        match self.state {
            State::Trying { unanswered } | State::Proceeding { unanswered } => {
                Some((unanswered, Timer::Unanswered))
            }
            State::Completed { j } => Some((j, Timer::J)),
            State::Terminated => None,
        }
    }

    /// Takes one event and tells what to do, in order.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) -> &'static [Action] {
        let (next, actions) = self.step(event, now);
        self.change(event, next);
        actions
    }

    fn step(&self, event: Event, now: Duration) -> (State, &'static [Action]) {
        match (self.state, event) {
            (State::Trying { .. }, Event::Retransmission) => (self.state, &[]),
            (State::Proceeding { .. } | State::Completed { .. }, Event::Retransmission) => {
                (self.state, &[Action::Repeat])
            }
            (
                State::Trying { unanswered } | State::Proceeding { unanswered },
                Event::Respond(StatusClass::Provisional),
            ) => (State::Proceeding { unanswered }, &[Action::Send]),
            (
                State::Trying { .. } | State::Proceeding { .. },
                Event::Respond(StatusClass::Success | StatusClass::Failure),
            ) => (State::Completed { j: self.lengths.deadline(Timer::J, now) }, &[Action::Send]),
            // RFC 4320 §4: by now the client has given up, a final response would be in vain.
            (State::Trying { .. } | State::Proceeding { .. }, Event::Timer(Timer::Unanswered)) => {
                (State::Terminated, &[Action::InformTimeout])
            }

            (State::Completed { .. }, Event::Timer(Timer::J)) => (State::Terminated, &[]),
            (State::Completed { .. }, Event::Respond(_)) => (self.state, &[]),

            // RFC 6026 §7.1 (for §17.2.4): the user learns of it, the transaction stays.
            (State::Proceeding { .. } | State::Completed { .. }, Event::TransportError) => {
                (self.state, &[Action::InformTransportError])
            }
            // Nothing was sent yet.
            (State::Trying { .. }, Event::TransportError) => (self.state, &[]),
            (State::Terminated, Event::Retransmission | Event::Respond(_) | Event::TransportError) => {
                (self.state, &[])
            }

            // A timer that this state doesn't arm was stopped when its own state was left.
            (
                State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated,
                Event::Timer(_),
            ) => (self.state, &[]),
        }
    }

    fn change(&mut self, event: Event, next: State) {
        if self.state != next {
            tracing::trace!(previous = ?self.state, ?event, ?next, "non-INVITE server transaction");
            self.state = next;
        }
    }
}

#[cfg(test)]
#[path = "server_non_invite_tests.rs"]
mod tests;
