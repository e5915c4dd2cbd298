//! One of the four machines, behind one face for the layer.

use std::time::Duration;

use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::timer::{Lengths, Timer};
use super::{Action, StatusClass};
use crate::message::Method;

/// RFC 3261 §17.
#[derive(Clone, Debug)]
pub(super) enum Machine {
    /// §17.1.1.
    InviteClient(ClientInvite),
    /// §17.1.2.
    NonInviteClient(ClientNonInvite),
    /// §17.2.1.
    InviteServer(ServerInvite),
    /// §17.2.2.
    NonInviteServer(ServerNonInvite),
}

impl Machine {
    /// The machine for a request that we send now.
    pub(super) fn client(method: &Method, lengths: Lengths, now: Duration) -> Self {
        if *method == Method::Invite {
            Self::InviteClient(ClientInvite::new(lengths, now))
        } else {
            Self::NonInviteClient(ClientNonInvite::new(lengths, now))
        }
    }

    /// The machine for a request that came now.
    pub(super) fn server(method: &Method, lengths: Lengths, now: Duration) -> Self {
        if *method == Method::Invite {
            Self::InviteServer(ServerInvite::new(lengths, now))
        } else {
            Self::NonInviteServer(ServerNonInvite::new(lengths, now))
        }
    }

    pub(super) fn is_client(&self) -> bool {
        match self {
            Self::InviteClient(_) | Self::NonInviteClient(_) => true,
            Self::InviteServer(_) | Self::NonInviteServer(_) => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<(Duration, Timer)> {
        match self {
            Self::InviteClient(machine) => machine.deadline(),
            Self::NonInviteClient(machine) => machine.deadline(),
            Self::InviteServer(machine) => machine.deadline(),
            Self::NonInviteServer(machine) => machine.deadline(),
        }
    }

    /// Lets the earliest timer fire if it is due.
    pub(super) fn timeout(&mut self, now: Duration) -> &'static [Action] {
        let Some((_, timer)) = self.deadline().filter(|(at, _)| *at <= now) else { return &[] };
        match self {
            Self::InviteClient(machine) => machine.handle(client_invite::Event::Timer(timer), now),
            Self::NonInviteClient(machine) => machine.handle(client_non_invite::Event::Timer(timer), now),
            Self::InviteServer(machine) => machine.handle(server_invite::Event::Timer(timer), now),
            Self::NonInviteServer(machine) => machine.handle(server_non_invite::Event::Timer(timer), now),
        }
    }

    /// A response for a client.
    pub(super) fn response(&mut self, status: u16, now: Duration) -> &'static [Action] {
        let class = StatusClass::of(status);
        match self {
            Self::InviteClient(machine) if status == 100 => machine.handle(client_invite::Event::Trying, now),
            Self::InviteClient(machine) => machine.handle(client_invite::Event::Response(class), now),
            Self::NonInviteClient(machine) => machine.handle(client_non_invite::Event::Response(class), now),
            Self::InviteServer(_) | Self::NonInviteServer(_) => &[],
        }
    }

    /// The request of a server came again.
    pub(super) fn retransmission(&mut self, now: Duration) -> &'static [Action] {
        match self {
            Self::InviteServer(machine) => machine.handle(server_invite::Event::Retransmission, now),
            Self::NonInviteServer(machine) => machine.handle(server_non_invite::Event::Retransmission, now),
            Self::InviteClient(_) | Self::NonInviteClient(_) => &[],
        }
    }

    /// An ACK came for a server.
    pub(super) fn ack(&mut self, now: Duration) -> &'static [Action] {
        match self {
            Self::InviteServer(machine) => machine.handle(server_invite::Event::Ack, now),
            Self::NonInviteServer(_) | Self::InviteClient(_) | Self::NonInviteClient(_) => &[],
        }
    }

    /// The user of a server answers.
    pub(super) fn respond(&mut self, status: u16, now: Duration) -> &'static [Action] {
        let class = StatusClass::of(status);
        match self {
            Self::InviteServer(machine) => machine.handle(server_invite::Event::Respond(class), now),
            Self::NonInviteServer(machine) => machine.handle(server_non_invite::Event::Respond(class), now),
            Self::InviteClient(_) | Self::NonInviteClient(_) => &[],
        }
    }

    /// The user of an INVITE client cancels.
    pub(super) fn cancel(&mut self, now: Duration) {
        if let Self::InviteClient(machine) = self {
            machine.handle(client_invite::Event::Cancel, now);
        }
    }

    /// The user of an INVITE client wants it repeated no more.
    pub(super) fn hush(&mut self) {
        if let Self::InviteClient(machine) = self {
            machine.hush();
        }
    }

    pub(super) fn transport_error(&mut self, now: Duration) -> &'static [Action] {
        match self {
            Self::InviteClient(machine) => machine.handle(client_invite::Event::TransportError, now),
            Self::NonInviteClient(machine) => machine.handle(client_non_invite::Event::TransportError, now),
            Self::InviteServer(machine) => machine.handle(server_invite::Event::TransportError, now),
            Self::NonInviteServer(machine) => machine.handle(server_non_invite::Event::TransportError, now),
        }
    }

    /// Whether an INVITE client may be cancelled now (RFC 3261 §9.1).
    pub(super) fn cancellable(&self) -> Result<(), CancelError> {
        match self {
            Self::InviteClient(machine) => match machine.state() {
                client_invite::State::Calling { .. } => Err(CancelError::TooEarly),
                client_invite::State::Proceeding { .. } => Ok(()),
                client_invite::State::Cancelling { .. } => Err(CancelError::Already),
                client_invite::State::Completed { .. }
                | client_invite::State::Accepted { .. }
                | client_invite::State::Terminated => Err(CancelError::TooLate),
            },
            Self::NonInviteClient(_) | Self::InviteServer(_) | Self::NonInviteServer(_) => {
                Err(CancelError::TooLate)
            }
        }
    }

    /// Whether a CANCEL from the peer still matters (RFC 3261 §9.2: no final response was sent).
    pub(super) fn awaits_final(&self) -> bool {
        match self {
            Self::InviteServer(machine) => match machine.state() {
                server_invite::State::Received { .. } | server_invite::State::Proceeding { .. } => true,
                server_invite::State::Completed { .. }
                | server_invite::State::Confirmed { .. }
                | server_invite::State::Accepted { .. }
                | server_invite::State::Terminated => false,
            },
            Self::NonInviteServer(_) | Self::InviteClient(_) | Self::NonInviteClient(_) => false,
        }
    }

    /// Whether it has had its final response and from now on only waits for repetitions of it: a client that neither repeats
    /// nor acknowledges any more, a server of which only the response is wanted.
    pub(super) fn is_waiting_out(&self) -> bool {
        match self {
            Self::InviteClient(machine) => matches!(machine.state(), client_invite::State::Accepted { .. }),
            Self::NonInviteClient(machine) => {
                matches!(machine.state(), client_non_invite::State::Completed { .. })
            }
            // The layer's user may give its 2xx again.
            Self::InviteServer(_) => false,
            Self::NonInviteServer(machine) => {
                matches!(machine.state(), server_non_invite::State::Completed { .. })
            }
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            Self::InviteClient(machine) => machine.state() == client_invite::State::Terminated,
            Self::NonInviteClient(machine) => machine.state() == client_non_invite::State::Terminated,
            Self::InviteServer(machine) => machine.state() == server_invite::State::Terminated,
            Self::NonInviteServer(machine) => machine.state() == server_non_invite::State::Terminated,
        }
    }
}

/// Why an INVITE isn't cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// No provisional response came yet: cancel when one does (RFC 3261 §9.1).
    #[error("no provisional response yet")]
    TooEarly,
    /// A CANCEL was already sent.
    #[error("already cancelled")]
    Already,
    /// A final response came, or there is no such INVITE any more.
    #[error("already answered")]
    TooLate,
}
