//! The INVITE server transaction (RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1).
//!
//! ```text
//! Proceeding ──2xx──▶ Accepted ──L──────────────────▶ Terminated
//!     ├──300-699──▶ Completed ──ACK──▶ Confirmed ──I──▶  ▲
//!     │                 └──H──────────────────────────────┤
//!     └──C────────────────────────────────────────────────┘
//! ```

use std::time::Duration;

use super::timer::{Backoff, Lengths, Timer, earlier};
use super::{Action, StatusClass};

/// Where an INVITE server transaction stands, with the deadlines that belong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The INVITE was passed up and nothing was sent yet.
    Received { trying: Duration, c: Duration },
    /// A provisional response was sent.
    Proceeding { c: Duration },
    /// A failure was sent and is repeated until its ACK comes.
    Completed { g: Option<Backoff>, h: Duration },
    /// The ACK came; retransmitted ACKs are absorbed.
    Confirmed { i: Duration },
    /// A 2xx was sent; the user repeats it, retransmitted INVITEs are absorbed.
    Accepted { l: Duration },
    /// Over.
    Terminated,
}

/// What can happen to an INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The same INVITE came again.
    Retransmission,
    /// An ACK that matches this transaction.
    Ack,
    /// The user answers with a response of this class.
    Respond(StatusClass),
    /// A timer fired.
    Timer(Timer),
    /// The transport could not deliver a response.
    TransportError,
}

/// An INVITE server transaction.
#[derive(Clone, Debug)]
pub(crate) struct ServerInvite {
    state: State,
    lengths: Lengths,
}

impl ServerInvite {
    /// A transaction whose INVITE came now.
    pub(crate) fn new(lengths: Lengths, now: Duration) -> Self {
        let state = State::Received {
            trying: lengths.deadline(Timer::Trying, now),
            c: lengths.deadline(Timer::C, now),
        };
        Self { state, lengths }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The next deadline and why it exists.
    pub(crate) fn deadline(&self) -> Option<(Duration, Timer)> {
        match self.state {
            State::Received { trying, c } => earlier(Some((c, Timer::C)), Some((trying, Timer::Trying))),
            State::Proceeding { c } => Some((c, Timer::C)),
            State::Completed { g, h } => earlier(Some((h, Timer::H)), g.map(|g| (g.due, Timer::G))),
            State::Confirmed { i } => Some((i, Timer::I)),
            State::Accepted { l } => Some((l, Timer::L)),
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
        match (self.state, event) {
            (State::Received { c, .. }, Event::Timer(Timer::Trying)) => {
                (State::Proceeding { c }, &[Action::SendTrying])
            }
            (State::Received { .. } | State::Proceeding { .. }, Event::Respond(StatusClass::Provisional)) => {
                (State::Proceeding { c: lengths.deadline(Timer::C, now) }, &[Action::Send])
            }
            (State::Received { .. } | State::Proceeding { .. }, Event::Respond(StatusClass::Success)) => {
                (State::Accepted { l: lengths.deadline(Timer::L, now) }, &[Action::Send])
            }
            (State::Received { .. } | State::Proceeding { .. }, Event::Respond(StatusClass::Failure)) => {
                let g = lengths.backoff(Timer::G, now);
                (State::Completed { g, h: lengths.deadline(Timer::H, now) }, &[Action::Send])
            }
            // The user forgot the call: nothing more can come of it.
            (State::Received { .. } | State::Proceeding { .. }, Event::Timer(Timer::C)) => {
                (State::Terminated, &[Action::InformTimeout])
            }
            (State::Received { .. }, Event::Retransmission) => (self.state, &[]),
            (State::Proceeding { .. }, Event::Retransmission) => (self.state, &[Action::Repeat]),
            (State::Received { .. } | State::Proceeding { .. }, Event::Ack) => (self.state, &[]),

            (State::Completed { .. }, Event::Retransmission) => (self.state, &[Action::Repeat]),
            (State::Completed { g: Some(g), h }, Event::Timer(Timer::G)) => {
                (State::Completed { g: Some(lengths.doubled_to_t2(g, now)), h }, &[Action::Repeat])
            }
            (State::Completed { .. }, Event::Timer(Timer::H)) => {
                (State::Terminated, &[Action::InformTimeout])
            }
            (State::Completed { .. }, Event::Ack) => {
                (State::Confirmed { i: lengths.deadline(Timer::I, now) }, &[])
            }
            (State::Completed { .. }, Event::Respond(_)) => (self.state, &[]),

            (State::Confirmed { .. }, Event::Timer(Timer::I)) => (State::Terminated, &[]),
            (State::Confirmed { .. }, Event::Retransmission | Event::Ack | Event::Respond(_)) => {
                (self.state, &[])
            }

            (State::Accepted { .. }, Event::Respond(StatusClass::Success)) => (self.state, &[Action::Send]),
            (State::Accepted { .. }, Event::Ack) => (self.state, &[Action::PassUp]),
            (State::Accepted { .. }, Event::Timer(Timer::L)) => (State::Terminated, &[]),
            (
                State::Accepted { .. },
                Event::Retransmission | Event::Respond(StatusClass::Provisional | StatusClass::Failure),
            ) => (self.state, &[]),

            // RFC 6026 §7.1: the user learns of it, the transaction stays: the INVITE may come again.
            (
                State::Proceeding { .. } | State::Completed { .. } | State::Accepted { .. },
                Event::TransportError,
            ) => (self.state, &[Action::InformTransportError]),
            // Nothing of this transaction is on its way in these states.
            (State::Received { .. } | State::Confirmed { .. }, Event::TransportError) => (self.state, &[]),
            (
                State::Terminated,
                Event::Retransmission | Event::Ack | Event::Respond(_) | Event::TransportError,
            ) => (self.state, &[]),

            // A timer that this state doesn't arm was stopped when its own state was left.
            (
                State::Received { .. }
                | State::Proceeding { .. }
                | State::Completed { .. }
                | State::Confirmed { .. }
                | State::Accepted { .. }
                | State::Terminated,
                Event::Timer(_),
            ) => (self.state, &[]),
        }
    }

    fn change(&mut self, event: Event, next: State) {
        if self.state != next {
            tracing::trace!(previous = ?self.state, ?event, ?next, "INVITE server transaction");
            self.state = next;
        }
    }
}

#[cfg(test)]
#[path = "server_invite_tests.rs"]
mod tests;
