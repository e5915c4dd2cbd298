//! What the gateway can be told. A closed set of values; only the binary's `link.rs` builds [`PlaceCall`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Dialog, Route};
use crate::id::{CallId, OfferId};
use crate::media::prompt::Prompt;
use crate::registrar::bindings;
use crate::transport::Local;
use crate::trunk::caller_ids::NumberBook;

/// One instruction to the gateway.
#[derive(Clone, Debug)]
pub enum Command {
    /// Choose trunk, caller ID and dialog identifiers for a call and hold a line for it. Answered at once by
    /// [`crate::event::Event::Reserved`] or [`crate::event::Event::Busy`]. Nothing is sent.
    Reserve {
        /// The call to be placed.
        call: CallId,
        /// E.164 number with `+`.
        number: String,
        /// Name of the trunk that is tried before the others: the one that was reckoned with. The route names the one that
        /// was taken.
        first: Option<String>,
        /// Names of the trunks that may be used, in order; empty means all.
        trunks: Vec<String>,
    },
    /// From now on a trunk may carry answered calls for so long in sum; those that are up are cut by nothing, but no new one is
    /// placed once the sum is used up.
    Budget {
        /// The trunk's name.
        trunk: String,
        /// How long.
        left: Duration,
    },
    /// From now on a trunk's answered calls may cost so much in sum, each charged when it ends; those that are up are cut by nothing, but
    /// no new one is placed once the sum and what they have cost so far reach it.
    SpendBudget {
        /// The trunk's name.
        trunk: String,
        /// How much, in millionths of the currency's unit.
        left: u64,
    },
    /// Give a reserved line back; nothing was sent.
    Release {
        /// The reserved call.
        call: CallId,
    },
    /// Send the INVITE of a reserved call.
    Place(PlaceCall),
    /// Take a call from outside as this call: its caller hears that it rings. Nothing else is said of it before it ends, unless
    /// it is connected or played a prompt, which answers it.
    Ring {
        /// As offered by [`crate::event::Event::Incoming`].
        offer: OfferId,
        /// Its name from now on.
        call: CallId,
    },
    /// Refuse a call from outside.
    Refuse {
        /// As offered by [`crate::event::Event::Incoming`].
        offer: OfferId,
        /// 400..699; 503 says when to come again.
        status: u16,
    },
    /// End a call in whatever way its state needs: CANCEL before a final answer, BYE after it; 480 to a caller that was not
    /// answered.
    HangUp {
        /// The call.
        call: CallId,
    },
    /// Keep `user`'s phone on the line (persistent) or just report whether it can be called (per call).
    SignOn {
        /// Registered user.
        user: String,
        /// Which kind of agent leg.
        leg: AgentLegMode,
    },
    /// Stop calling `user`'s phone; a leg that is up gets BYE.
    SignOff {
        /// Registered user.
        user: String,
    },
    /// Join an answered call with an agent: at once over a persistent leg, else by calling the phone first. A call from outside
    /// is answered when the phone is there.
    Connect {
        /// An answered call, or one from outside.
        call: CallId,
        /// The agent's user.
        user: String,
        /// Where to record, stereo, agent left and customer right. `None`: no audio is kept.
        record: Option<PathBuf>,
    },
    /// Part call and agent. A persistent leg goes back to silence, a per-call leg (ringing or up) is ended. The call stays.
    Disconnect {
        /// The call.
        call: CallId,
    },
    /// Play a prompt to an answered call that is not connected, then BYE. A call from outside is answered for it.
    PlayAndHangUp {
        /// The call.
        call: CallId,
        /// What to play.
        prompt: Arc<Prompt>,
    },
    /// Look after a dialog that an earlier process may have left: CANCEL or BYE it, ACK+BYE a late 200.
    Adopt(Box<Orphan>),
    /// A sign-in elsewhere has ended: phones that registered with a token of it are gone ([`crate::gateway::Gateway::mint`]).
    EndSession {
        /// Whose it was.
        user: String,
        /// The sign-in.
        session: u64,
    },
    /// A device of a user is to be called first from now on.
    PreferDevice {
        /// User.
        user: String,
        /// Its `+sip.instance` without brackets; `None`: whichever the file names.
        device: Option<String>,
    },
    /// End what a device has registered.
    EndDevice {
        /// User.
        user: String,
        /// [`crate::registrar::devices::Device::key`].
        device: String,
    },
    /// Put back what was stored of a trunk's number.
    RestoreNumber(NumberBook),
    /// Put back a registration that was stored.
    RestoreBinding(Binding),
    /// Stop registering with trunks and unregister; used on the way down.
    Drain,
}

/// How an agent's phone is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentLegMode {
    /// One call at sign-on stays up; audio is spliced.
    Persistent,
    /// The phone is called for every customer.
    PerCall,
}

/// The INVITE of a reserved call. Built in the binary's `link.rs` from an output that consumed a permit.
#[derive(Clone, Debug)]
pub struct PlaceCall {
    /// The reserved call.
    pub call: CallId,
    /// Identifiers that were recorded durably before this command.
    pub route: Route,
    /// Not sent once this has passed (monotonic); reported as [`crate::event::Failure::Expired`].
    pub not_after: Duration,
}

/// What is durably known of a call that may still be up after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Identifiers of the INVITE.
    pub route: Route,
    /// Present when the call was answered.
    pub dialog: Option<Dialog>,
}

/// One stored registration.
///
/// Another node may take it over: one over UDP, or through a proxy's Path, is called from anywhere; one over a connection
/// only by the node that has the connection, which [`Binding::local`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// User part of the address of record.
    pub user: String,
    /// Contact URI as registered.
    pub contact: String,
    /// Where requests to it are sent: the source address of the REGISTER, or the proxy nearest to us.
    pub address: SocketAddr,
    /// Which of our addresses the REGISTER came in on, and over which transport.
    pub local: Local,
    /// How long it is still valid.
    pub expires_in: Duration,
    /// How long ago it was bound first.
    pub bound_for: Duration,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// The device, as its `+sip.instance` names it.
    pub instance: Option<String>,
    /// Which flow of the device (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// How gladly the user is called here, in thousandths.
    pub q: u16,
    /// Proxies on the way to it, the nearest to us first (RFC 3327).
    pub path: Vec<String>,
}

impl Binding {
    /// What it is known by among the bindings of its user.
    pub fn key(&self) -> String {
        bindings::key(self.instance.as_deref(), self.reg_id, &self.contact)
    }
}
