//! What the gateway tells. A closed set of values.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::Binding;
use crate::id::{CallId, OfferId};
use crate::media::RecordingDone;
use crate::message::{HeaderName, Response};
use crate::resolve::Target;
use crate::transport::Local;
use crate::trunk::caller_ids::NumberBook;
use crate::verification::Verdict;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A line is held and the identifiers are chosen.
    Reserved {
        /// The call.
        call: CallId,
        /// What will be written on the wire.
        route: Route,
    },
    /// No line is free now.
    Busy {
        /// The call.
        call: CallId,
        /// Which limit.
        reason: BusyReason,
    },
    /// The INVITE failed on its trunk before anything rang, and a line of another trunk is held instead; nothing was sent
    /// there yet. As [`Event::Reserved`], it waits for [`crate::command::Command::Place`].
    Diverted {
        /// The call.
        call: CallId,
        /// How the trunk before failed.
        failure: Failure,
        /// What will be written on the wire.
        route: Route,
    },
    /// A trunk calls one of our numbers. To be answered at once by [`crate::command::Command::Ring`] or
    /// [`crate::command::Command::Refuse`]; the caller hears nothing before.
    Incoming(Box<Incoming>),
    /// The INVITE left.
    Placed {
        /// The call.
        call: CallId,
    },
    /// A provisional response above 100 came.
    Ringing {
        /// The call.
        call: CallId,
        /// 180..199.
        status: u16,
        /// Whether it carried SDP.
        early_media: bool,
    },
    /// A 200 matching our branch, Call-ID and tag came and was acknowledged; or we answered a call from outside.
    Answered {
        /// The call.
        call: CallId,
        /// What a BYE would need.
        dialog: Dialog,
    },
    /// The call ended without an answer. Terminal.
    Failed {
        /// The call.
        call: CallId,
        /// Why.
        failure: Failure,
    },
    /// An answered call ended, or one from outside in whatever state. Terminal.
    Ended {
        /// The call.
        call: CallId,
        /// Who ended it.
        by: EndedBy,
        /// Short stable word, e.g. `bye`, `talk_limit`, `rtp_lost`, `session_refused`.
        reason: &'static str,
    },
    /// Call and agent hear each other from now on.
    Connected {
        /// The call.
        call: CallId,
        /// The agent's user.
        user: String,
    },
    /// The agent could not be joined; the call is still up.
    ConnectFailed {
        /// The call.
        call: CallId,
        /// The agent's user.
        user: String,
        /// Short stable word, e.g. `leg_down`, `declined`, `no_answer`, `unregistered`.
        reason: &'static str,
    },
    /// The agent's phone left a connected call (per-call leg ended, persistent leg lost); the call is still up.
    AgentLeft {
        /// The call.
        call: CallId,
        /// The agent's user.
        user: String,
    },
    /// An agent's phone has handed a connected call over: this colleague has it from now on.
    HandedOver {
        /// The call.
        call: CallId,
        /// The colleague's user.
        user: String,
    },
    /// First agent packet went to the customer.
    AgentHeard {
        /// The call.
        call: CallId,
        /// Real time since the 200 arrived.
        after_answer: Duration,
    },
    /// First packet of a prompt went to the customer.
    PromptStarted {
        /// The call.
        call: CallId,
    },
    /// A recording was closed.
    Recorded {
        /// The call.
        call: CallId,
        /// What was written, or why not.
        recording: Result<RecordingDone, String>,
    },
    /// The agent can take calls: persistent leg up, or registered in per-call mode.
    AgentReachable {
        /// The agent's user.
        user: String,
        /// The persistent leg, to be stored so that a restart can BYE it.
        leg: Option<Dialog>,
    },
    /// A colleague has the agent's phone: to ask, or to hand a customer over. Until the agent is reachable or unreachable.
    AgentEngaged {
        /// The agent's user.
        user: String,
    },
    /// The agent can't take calls.
    AgentUnreachable {
        /// The agent's user.
        user: String,
        /// Short stable word, e.g. `unregistered`, `leg_lost`, `leg_refused`.
        reason: &'static str,
    },
    /// A persistent leg is about to be called: store it so that a restart can end it.
    AgentLegCalling {
        /// The agent's user.
        user: String,
        /// Identifiers of its INVITE.
        route: Route,
    },
    /// A persistent leg is another one from now on, which another phone of the agent has taken over: store it so that a restart
    /// can end it.
    AgentLegMoved {
        /// The agent's user.
        user: String,
        /// Identifiers of the new leg's INVITE.
        route: Route,
        /// The new leg.
        leg: Dialog,
    },
    /// Another leg of a phone is up, of whoever asks a colleague or is asked: store it so that a restart can end it.
    LineUp {
        /// Identifiers of its INVITE; its Call-ID names it.
        route: Route,
        /// The leg.
        leg: Dialog,
    },
    /// A leg that was told of with [`Event::LineUp`] need not be ended any more, or is looked after like any other.
    LineOver {
        /// Its Call-ID.
        call_id: String,
    },
    /// A phone registered or refreshed; to be stored.
    Registered(Binding),
    /// A device of a user is called first from now on; to be stored. `None`: whichever the file names.
    Preferred {
        /// User.
        user: String,
        /// Its `+sip.instance` without brackets.
        device: Option<String>,
    },
    /// A binding ended; to be removed.
    Unregistered {
        /// User.
        user: String,
        /// What it was known by ([`Binding::key`]).
        binding: String,
    },
    /// What is new of trunks' numbers; to be stored, each in place of what was there.
    Numbers(Vec<NumberBook>),
    /// A trunk became usable or unusable.
    Trunk {
        /// Its name.
        name: String,
        /// Its state.
        state: TrunkState,
    },
    /// A trunk is somewhere else from now on.
    Moved {
        /// Its name.
        name: String,
        /// All of its servers, the first ones first; at least one.
        targets: Vec<Target>,
    },
}

/// A call from outside.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Named in the command that takes or refuses it.
    pub offer: OfferId,
    /// Name of the trunk it came over.
    pub trunk: String,
    /// The number that is called, E.164 with `+`.
    pub number: String,
    /// Who calls, E.164 with `+`: asserted by a trunk that is trusted, else what From says; `None` where it is withheld or no
    /// number.
    pub caller: Option<String>,
    /// Where the call was diverted before, as its Diversion headers say (RFC 5806); empty without.
    pub diversion: String,
    /// The same of its History-Info headers (RFC 7044).
    pub history_info: String,
    /// What its Identity headers are worth.
    pub identity: Verdict,
}

impl std::fmt::Debug for Incoming {
    /// Without numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("offer", &self.offer)
            .field("trunk", &self.trunk)
            .finish_non_exhaustive()
    }
}

/// Which limit refused a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusyReason {
    /// `max_calls` reached.
    TrunkFull,
    /// `calls_per_second` reached.
    CallsPerSecond,
    /// RTP ports used up.
    Ports,
    /// The trunk's calls have lasted as long as they may in this day or month.
    Minutes,
    /// The trunk's calls have cost as much as they may in this day or month.
    Spend,
    /// Every number that could be shown has had its day or has to rest.
    CallerIds,
    /// No trunk may call this number, or it is none: another time will be no better.
    Destination,
    /// No usable trunk (not registered, unknown name, draining).
    NoTrunk,
}

/// Whether a trunk can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Usable.
    Up,
    /// Its name has led nowhere yet, or leads nowhere any more.
    Unresolved,
    /// REGISTER has not succeeded yet.
    Registering,
    /// REGISTER failed.
    RegisterFailed,
    /// The first five INVITEs got no response at all.
    Silent,
    /// Too many OPTIONS checks in a row failed.
    Unhealthy,
    /// It answered 503 with a Retry-After that has not passed.
    Paused,
}

/// Room for new calls over all usable trunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Calls that could be reserved now by concurrency and ports.
    pub lines_free: u32,
    /// Calls that could be reserved now by the rate caps.
    pub calls_per_second_free: u32,
    /// The usable trunks in the order of the options, which is the order in which calls fill them: the next calls go to the
    /// first one until it has no more room, then to the second. At most as many as there are in the options.
    pub trunks: Vec<TrunkRoom>,
}

/// Room for new calls on one trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrunkRoom {
    /// Which one, by its place in the options.
    pub trunk: usize,
    /// Calls that could be reserved now by concurrency.
    pub lines_free: u32,
    /// Calls that could be reserved now by the rate cap.
    pub calls_per_second_free: u32,
}

/// Identifiers of an INVITE, chosen before it is sent and recorded before it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Trunk name; the user name for agent legs.
    pub trunk: String,
    /// Number shown.
    pub caller_id: String,
    /// Call-ID.
    pub call_id: String,
    /// Branch of the first INVITE's Via. A second one (after a digest challenge) has `.2` appended and CSeq + 1.
    pub branch: String,
    /// Our tag.
    pub from_tag: String,
    /// CSeq number of the first INVITE.
    pub cseq: u32,
    /// Request-URI.
    pub request_uri: String,
    /// URI in From.
    pub from_uri: String,
    /// URI in To.
    pub to_uri: String,
    /// Address the INVITE is sent to.
    pub next_hop: SocketAddr,
    /// Our listening address, in Via and Contact.
    pub local: Local,
}

/// What must be known to end an answered call (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: String,
    /// URI in our From.
    pub local_uri: String,
    /// URI in our To.
    pub remote_uri: String,
    /// The peer's Contact.
    pub remote_target: String,
    /// Route set in order of use.
    pub route_set: Vec<String>,
    /// Last CSeq number we used.
    pub local_cseq: u32,
    /// Where requests were sent.
    pub next_hop: SocketAddr,
    /// Our listening address.
    pub local: Local,
}

/// Why a call ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// A final response of 300..699.
    Status(u16),
    /// The same with a Q.850 cause in its Reason (RFC 3326, RFC 6432): what the telephone network behind the carrier said.
    Caused {
        /// 300..699.
        status: u16,
        /// 1..127.
        cause: u8,
    },
    /// We cancelled it and it ended (487 or by timeout).
    Cancelled,
    /// No response at all (timer B).
    Timeout,
    /// The next hop can't be reached.
    Transport,
    /// `not_after` passed before a line was free to send.
    Expired,
    /// Its SDP could not be used.
    Media,
    /// No RTP socket could be had.
    Ports,
    /// The service that signs calls did not, and without they are not made.
    Unsigned,
}

impl Route {
    /// The peer that its INVITE is sent to.
    pub fn target(&self) -> Target {
        Target { transport: self.local.transport, address: self.next_hop }
    }
}

impl Failure {
    /// What a final response of 300..699 says.
    pub fn of_response(response: &Response) -> Self {
        let status = response.status;
        if !response.headers.contains(HeaderName::Reason) {
            return Self::Status(status);
        }
        let reasons = response.headers.reasons();
        let cause = reasons.iter().find(|reason| reason.protocol.eq_ignore_ascii_case("Q.850"));
        let cause = cause.and_then(|reason| u8::try_from(reason.cause?).ok());
        match cause.filter(|cause| (1..=127).contains(cause)) {
            Some(cause) => Self::Caused { status, cause },
            None => Self::Status(status),
        }
    }

    /// The final status, if there was one.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::Caused { status, cause: _ } => Some(status),
            Self::Cancelled
            | Self::Timeout
            | Self::Transport
            | Self::Expired
            | Self::Media
            | Self::Ports
            | Self::Unsigned => None,
        }
    }
}

/// Who ended an answered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The callee or its carrier.
    Peer,
    /// We, by command.
    Us,
    /// The agent's phone.
    Agent,
    /// Nobody said BYE: the dialog was lost.
    Network,
}
