//! The non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! ```text
//! Trying ──1xx──▶ Proceeding ──200-699──▶ Completed ──K──▶ Terminated
//!    │ └────────200-699─│────────────────────▲                 ▲
//!    └──F, transport error, in both──────────┴─────────────────┘
//! ```

use std::time::Duration;

use super::timer::{Backoff, Lengths, Timer, earlier};
use super::{Action, StatusClass};

/// Where a non-INVITE client transaction stands, with the deadlines that belong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The request was sent, nothing came back.
    Trying { e: Option<Backoff>, f: Duration },
    /// A provisional response came.
    Proceeding { e: Option<Backoff>, f: Duration },
    /// A final response came; its retransmissions are absorbed.
    Completed { k: Duration },
    /// Over.
    Terminated,
}

/// What can happen to a non-INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A response of this class.
    Response(StatusClass),
    /// A timer fired.
    Timer(Timer),
    /// The transport could not deliver the request.
    TransportError,
}

/// A non-INVITE client transaction.
#[derive(Clone, Debug)]
pub(crate) struct ClientNonInvite {
    state: State,
    lengths: Lengths,
}

impl ClientNonInvite {
    /// A transaction whose request is sent now.
    pub(crate) fn new(lengths: Lengths, now: Duration) -> Self {
        // §17.1.2.2: timer F over all transports, timer E over unreliable ones.
        let state = State::Trying { e: lengths.backoff(Timer::E, now), f: lengths.deadline(Timer::F, now) };
        Self { state, lengths }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The next deadline and why it exists.
    pub(crate) fn deadline(&self) -> Option<(Duration, Timer)> {
        match self.state {
            State::Trying { e, f } | State::Proceeding { e, f } => {
                earlier(Some((f, Timer::F)), e.map(|e| (e.due, Timer::E)))
            }
            State::Completed { k } => Some((k, Timer::K)),
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
        let lengths = &self.lengths;
        let completed = State::Completed { k: lengths.deadline(Timer::K, now) };
        match (self.state, event) {
            (State::Trying { e: Some(e), f }, Event::Timer(Timer::E)) => {
                (State::Trying { e: Some(lengths.doubled_to_t2(e, now)), f }, &[Action::Repeat])
            }
            (State::Proceeding { e: Some(_), f }, Event::Timer(Timer::E)) => {
                (State::Proceeding { e: Some(lengths.at_t2(now)), f }, &[Action::Repeat])
            }
            (State::Trying { .. } | State::Proceeding { .. }, Event::Timer(Timer::F)) => {
                (State::Terminated, &[Action::InformTimeout])
            }
            (State::Trying { .. } | State::Proceeding { .. }, Event::TransportError) => {
                (State::Terminated, &[Action::InformTransportError])
            }
            (
                State::Trying { e, f } | State::Proceeding { e, f },
                Event::Response(StatusClass::Provisional),
            ) => (State::Proceeding { e, f }, &[Action::PassUp]),
            (
                State::Trying { .. } | State::Proceeding { .. },
                Event::Response(StatusClass::Success | StatusClass::Failure),
            ) => (completed, &[Action::PassUp]),

            (State::Completed { .. }, Event::Timer(Timer::K)) => (State::Terminated, &[]),
            (State::Completed { .. } | State::Terminated, Event::Response(_) | Event::TransportError) => {
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
            tracing::trace!(previous = ?self.state, ?event, ?next, "non-INVITE client transaction");
            self.state = next;
        }
    }
}

#[cfg(test)]
#[path = "client_non_invite_tests.rs"]
mod tests;
