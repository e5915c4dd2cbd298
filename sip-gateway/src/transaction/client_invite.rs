//! The INVITE client transaction (RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2).
//!
//! ```text
//! Calling ──1xx──▶ Proceeding ──2xx──▶ Accepted ──M──▶ Terminated
//!    │ └──────2xx──────│─────────────────▲                  ▲
//!    ├──300-699────────┴──300-699──▶ Completed ──D──────────┤
//!    └──B, transport error──────────────────────────────────┘
//! ```

use std::time::Duration;

use super::timer::{Backoff, Lengths, Timer, earlier};
use super::{Action, StatusClass};

/// Where an INVITE client transaction stands, with the deadlines that belong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The INVITE was sent, nothing came back.
    Calling { a: Option<Backoff>, b: Duration },
    /// A provisional response came.
    Proceeding { c: Duration },
    /// A provisional response came and the INVITE was cancelled.
    Cancelling { cancelled: Duration },
    /// A failure came and was acknowledged; its retransmissions are acknowledged again.
    Completed { d: Duration },
    /// A 2xx came; every further one is passed up.
    Accepted { m: Duration },
    /// Over.
    Terminated,
}

/// What can happen to an INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// 100: the next hop has the INVITE.
    Trying,
    /// A response of this class that isn't a 100.
    Response(StatusClass),
    /// The user cancelled the INVITE and the CANCEL was sent.
    Cancel,
    /// A timer fired.
    Timer(Timer),
    /// The transport could not deliver what the transaction sent.
    TransportError,
}

/// An INVITE client transaction.
#[derive(Clone, Debug)]
pub(crate) struct ClientInvite {
    state: State,
    lengths: Lengths,
}

impl ClientInvite {
    /// A transaction whose INVITE is sent now.
    pub(crate) fn new(lengths: Lengths, now: Duration) -> Self {
        // §17.1.1.2: timer A only over unreliable transports, timer B over all.
        let state = State::Calling { a: lengths.backoff(Timer::A, now), b: lengths.deadline(Timer::B, now) };
        Self { state, lengths }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The next deadline and why it exists.
    pub(crate) fn deadline(&self) -> Option<(Duration, Timer)> {
        match self.state {
            State::Calling { a, b } => earlier(Some((b, Timer::B)), a.map(|a| (a.due, Timer::A))),
            State::Proceeding { c } => Some((c, Timer::C)),
            State::Cancelling { cancelled } => Some((cancelled, Timer::Cancelled)),
            State::Completed { d } => Some((d, Timer::D)),
            State::Accepted { m } => Some((m, Timer::M)),
            State::Terminated => None,
        }
    }

    /// Takes one event and tells what to do, in order.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) -> &'static [Action] {
        let (next, actions) = self.step(event, now);
        self.change(event, next);
        actions
    }

    /// Stops timer A: the INVITE is repeated no more.
    pub(crate) fn hush(&mut self) {
        if let State::Calling { a, .. } = &mut self.state {
            *a = None;
        }
    }

    fn step(&self, event: Event, now: Duration) -> (State, &'static [Action]) {
        let lengths = &self.lengths;
        let proceeding = State::Proceeding { c: lengths.deadline(Timer::C, now) };
        let completed = State::Completed { d: lengths.deadline(Timer::D, now) };
        let accepted = State::Accepted { m: lengths.deadline(Timer::M, now) };
        let cancelling = State::Cancelling { cancelled: lengths.deadline(Timer::Cancelled, now) };
        match (self.state, event) {
            (State::Calling { a: Some(a), b }, Event::Timer(Timer::A)) => {
                (State::Calling { a: Some(lengths.doubled(a, now)), b }, &[Action::Repeat])
            }
            (State::Calling { .. }, Event::Timer(Timer::B)) => (State::Terminated, &[Action::InformTimeout]),
            (State::Calling { .. }, Event::TransportError) => {
                (State::Terminated, &[Action::InformTransportError])
            }
            (State::Calling { .. }, Event::Trying | Event::Response(StatusClass::Provisional)) => {
                (proceeding, &[Action::PassUp])
            }
            // §9.1: no CANCEL before a provisional response; the user is told so by the layer.
            (State::Calling { .. }, Event::Cancel) => (self.state, &[]),

            // §16.6 (11): a 100 proves nothing about the callee and doesn't prolong timer C.
            (State::Proceeding { .. }, Event::Trying) => (self.state, &[Action::PassUp]),
            (State::Proceeding { .. }, Event::Response(StatusClass::Provisional)) => {
                (proceeding, &[Action::PassUp])
            }
            (State::Proceeding { .. }, Event::Cancel) => (cancelling, &[]),
            // §16.8: after a provisional response the INVITE is cancelled, not just forgotten.
            (State::Proceeding { .. }, Event::Timer(Timer::C)) => (cancelling, &[Action::SendCancel]),
            (State::Proceeding { .. }, Event::TransportError) => (self.state, &[]),

            (State::Cancelling { .. }, Event::Trying | Event::Response(StatusClass::Provisional)) => {
                (self.state, &[Action::PassUp])
            }
            // §9.1: a server of RFC 2543 may never answer a cancelled INVITE; it is over after 64*T1.
            (State::Cancelling { .. }, Event::Timer(Timer::Cancelled)) => {
                (State::Terminated, &[Action::InformTimeout])
            }
            (State::Cancelling { .. }, Event::Cancel | Event::TransportError) => (self.state, &[]),

            (
                State::Calling { .. } | State::Proceeding { .. } | State::Cancelling { .. },
                Event::Response(StatusClass::Success),
            ) => (accepted, &[Action::PassUp]),
            (
                State::Calling { .. } | State::Proceeding { .. } | State::Cancelling { .. },
                Event::Response(StatusClass::Failure),
            ) => (completed, &[Action::SendAck, Action::PassUp]),

            (State::Completed { .. }, Event::Response(StatusClass::Failure)) => {
                (self.state, &[Action::SendAck])
            }
            // A 2xx of another branch after a failure belongs to no transaction any more: the core ends it.
            (State::Completed { .. }, Event::Response(StatusClass::Success)) => {
                (self.state, &[Action::PassStray])
            }
            (State::Completed { .. }, Event::Timer(Timer::D)) => (State::Terminated, &[]),
            (State::Completed { .. }, Event::TransportError) => {
                (State::Terminated, &[Action::InformTransportError])
            }
            (
                State::Completed { .. },
                Event::Trying | Event::Response(StatusClass::Provisional) | Event::Cancel,
            ) => (self.state, &[]),

            (State::Accepted { .. }, Event::Response(StatusClass::Success)) => {
                (self.state, &[Action::PassUp])
            }
            (State::Accepted { .. }, Event::Timer(Timer::M)) => (State::Terminated, &[]),
            (
                State::Accepted { .. },
                Event::Trying
                | Event::Response(StatusClass::Provisional | StatusClass::Failure)
                | Event::Cancel
                | Event::TransportError,
            ) => (self.state, &[]),

            (
                State::Terminated,
                Event::Trying | Event::Response(_) | Event::Cancel | Event::TransportError,
            ) => (self.state, &[]),

            // A timer that this state doesn't arm was stopped when its own state was left.
            (
                State::Calling { .. }
                | State::Proceeding { .. }
                | State::Cancelling { .. }
                | State::Completed { .. }
                | State::Accepted { .. }
                | State::Terminated,
                Event::Timer(_),
            ) => (self.state, &[]),
        }
    }

    fn change(&mut self, event: Event, next: State) {
        if self.state != next {
            tracing::trace!(previous = ?self.state, ?event, ?next, "INVITE client transaction");
            self.state = next;
        }
    }
}

#[cfg(test)]
#[path = "client_invite_tests.rs"]
mod tests;
