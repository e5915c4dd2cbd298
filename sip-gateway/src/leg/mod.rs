//! A leg: one call we make, to a carrier or to an agent's phone, or that is made to us (RFC 3261 §13, §14.2, §15).
//!
//! ```text
//! Inviting ──2xx──▶ Up ──hang up──▶ Closing ──final, timer F──▶ Over
//!   │  │             └──BYE of the peer──────────────────────────▲ ▲
//!   │  └─3xx..6xx, timer B, transport error──────────────────────┘ │
//!   └─hang up─▶ Leaving ──3xx..6xx, limit──────────────────────────┤
//!                  └──2xx──▶ Closing (ACK, BYE) ───────────────────┘
//! Called ──our 2xx──▶ Up     Called ──CANCEL, BYE, our 3xx..6xx──▶ Over
//! ```
//!
//! A leg tells its owner each thing once ([`Notice`]); exactly one of [`Notice::Failed`] and [`Notice::Ended`] is the
//! last. Over, it stays for a while to end late 2xx responses and to answer late requests.
//!
//! Rooms: `calling` (up to the answer), [`called`] (up to ours), `early` (reliable provisional responses), `established` (the peer's requests), `refresh` (ours: session timers), `text` (MESSAGE), `closing` (BYE),
//! [`requests`] (the INVITE), [`orphan`] (dialogs of an earlier process), [`wire`] (what a leg sends through).

pub mod called;
mod calling;
mod closing;
mod digits;
mod early;
mod established;
pub mod orphan;
mod reason;
mod refer;
mod refresh;
mod replaced;
pub mod requests;
mod text;
pub mod wire;

use std::time::Duration;

use crate::auth::{Answers, Credentials};
use crate::dialog::session_timer::{SessionOptions, SessionTimer};
use crate::dialog::{AnswerRepeater, Dialog};
use crate::event::{self, EndedBy, Failure, Route};
use crate::media::dtmf::Digit;
use crate::media::{Codec, Remote};
use crate::message::{Request, Response};
use crate::sdp::OwnMedia;
use crate::transaction::TransactionKey;
use bytes::Bytes;
use called::Called;
use early::Early;
pub use refer::Referral;
use refresh::Own;
pub use replaced::Standing;
use requests::Side;
pub use text::Text;
use wire::Wire;

/// A leg's name inside the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

/// No INVITE rings longer than this, whatever its owner wants. A little below timer C of a proxy (3 minutes).
pub const RING_MAX: Duration = Duration::from_secs(175);

/// Added to 64*T1 it stands behind the limits that transactions set themselves (timers B and F, the wait after CANCEL),
/// so that no state is without one.
const LIMIT_MARGIN: Duration = Duration::from_secs(8);

/// A peer's word is repeated T1 and 3*T1 after it was said first (timers E and G), so 4*T1 is waited for that; as a part of 64*T1.
const REPEATED_WITHIN: u32 = 16;

/// Most 2xx responses of one INVITE that are told apart (RFC 3261 §13.2.2.4: one a fork).
pub const FORKS_MAX: usize = 16;

/// What a leg is made of.
#[derive(Clone, Debug)]
pub struct LegOptions {
    /// Identifiers and addresses of the INVITE.
    pub route: Route,
    /// Where it leads.
    pub side: Side,
    /// Proxies that the INVITE goes through, the nearest first: the Path of a registered phone (RFC 3327 §5.2).
    pub path: Vec<String>,
    /// Answer to digest challenges.
    pub credentials: Option<Credentials>,
    /// Our media address and all our RTP ports.
    pub own: OwnMedia,
    /// Our RTP port of this leg.
    pub port: u16,
    /// Codecs offered, in order.
    pub codecs: Vec<Codec>,
    /// Longest time it may ring.
    pub ring_max: Duration,
    /// Longest time it may be up.
    pub up_max: Option<Duration>,
    /// The INVITE makes no offer: the callee's 2xx does, and the ACK answers it (RFC 3261 §13.2.1).
    pub late_offer: bool,
    /// The INVITE asserts who calls (RFC 3325 §9.1).
    pub asserted_identity: bool,
    /// Who calls, signed (RFC 8224).
    pub identity: Option<SignedIdentity>,
    /// Session timers asked for; a 422 raises them.
    pub session: SessionOptions,
}

/// Headers that say who calls, and when that was said.
#[derive(Clone, Debug)]
pub struct SignedIdentity {
    /// Value of Identity.
    pub identity: String,
    /// Value of Date (RFC 8224 §4.1).
    pub date: String,
}

/// What a leg tells its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Some response came, the first one.
    Heard,
    /// A provisional response above 100 came.
    Ringing {
        /// 101..199.
        status: u16,
        /// Early media, when it carried a usable session.
        early: Option<Remote>,
    },
    /// The peer answered and was acknowledged, or we answered it and know its session.
    Answered {
        /// For the durable record.
        dialog: Box<event::Dialog>,
        /// What was negotiated.
        remote: Remote,
    },
    /// The peer changed the session (hold, another address).
    Changed(Remote),
    /// The peer pressed a key, and said so in an INFO.
    Digit(Digit),
    /// The peer asks that we call somebody else in its place.
    Referred(Box<Referral>),
    /// The peer has a text for whoever it talks with; its owner answers it.
    Text(Box<Text>),
    /// Ended without an answer. Last.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether any response had come.
        heard: bool,
    },
    /// An answered leg ended. Last.
    Ended {
        /// Who ended it.
        by: EndedBy,
        /// Short stable word.
        reason: &'static str,
    },
}

/// One call.
#[derive(Debug)]
pub struct Leg {
    id: LegId,
    options: LegOptions,
    state: State,
    /// The INVITE that is out, or came; each answer to a challenge makes a new one.
    invite: Request,
    heard: bool,
    /// SDP origin: session identifier and version.
    session: (u64, u64),
    /// The last session description we sent: a refresh says it again (RFC 4028 §7.4).
    described: Bytes,
    /// Our answer to a late offer, until the PRACK or ACK that carries it.
    answer: Bytes,
    /// Callees that have not answered yet.
    early: Vec<Early>,
    /// Tags of devices that ring for a phone's leg.
    ringing: Vec<String>,
    /// What a 2xx made: first the dialog that was kept, then those of other forks, which were ended.
    dialogs: Vec<Dialog>,
    /// 64*T1.
    linger: Duration,
    /// Answered, until when other callees of the INVITE may answer it too; `None` once that is over.
    forks_until: Option<Duration>,
    /// Over because the peer said so: until when it may say so again, since our answer to it was lost.
    repeats_until: Option<Duration>,
    deadline: Option<Duration>,
}

/// Where a leg stands.
#[derive(Debug)]
enum State {
    /// The INVITE is out.
    Inviting { invite: TransactionKey, tries: Tries, provisional: bool, early: Option<Remote> },
    /// It is to be ended before a final response; CANCEL waits for a provisional one (§9.1).
    Leaving { invite: TransactionKey, cancelled: bool, reason: &'static str },
    /// A call from outside that is not answered yet.
    Called(Box<Called>),
    /// Answered.
    Up(Box<Up>),
    /// Our BYE is out; `then` is told when it is answered or given up.
    Closing { bye: TransactionKey, answers: Answers, then: Notice },
    /// Ended.
    Over,
}

/// What an INVITE was sent again for.
#[derive(Debug, Default)]
struct Tries {
    /// Challenges.
    answers: Answers,
    /// Session intervals that were too small.
    raised: u8,
}

/// What an answered leg is in the middle of.
#[derive(Debug)]
struct Up {
    /// Our 2xx to an INVITE of the peer, until its ACK comes.
    reinvite: Option<Reinvite>,
    /// It is to be ended so, once the ACK of our first 2xx is there (§15).
    leaving: Option<Notice>,
    /// A request of our own.
    own: Own,
    timer: SessionTimer,
    /// The peer takes UPDATE (RFC 3311 §5.1).
    update: bool,
    /// The peer takes MESSAGE (RFC 3428).
    texts: bool,
    /// A MESSAGE of ours that it has not answered.
    saying: Option<TransactionKey>,
}

/// Our 2xx to an INVITE of the peer, until its ACK comes.
#[derive(Debug)]
struct Reinvite {
    transaction: TransactionKey,
    repeater: AnswerRepeater,
    /// We offered, so the ACK carries the answer.
    offered: bool,
    /// It is the INVITE that made the dialog.
    first: bool,
}

impl Leg {
    /// Its name.
    pub fn id(&self) -> LegId {
        self.id
    }

    /// Call-ID of its dialog.
    pub fn call_id(&self) -> &str {
        &self.options.route.call_id
    }

    /// Identifiers and addresses of its INVITE.
    pub fn route(&self) -> &Route {
        &self.options.route
    }

    /// Whether it is answered and nobody has ended it.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Whether it has told its last notice.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether closing now would leave the peer in doubt: the leg is not over, or the peer ended it just now over UDP, and if our
    /// answer to that was lost there would be nobody to say it again.
    pub fn is_unfinished(&self, now: Duration) -> bool {
        !self.is_over() || self.repeats_until.is_some_and(|until| now < until)
    }

    /// Whether it can be forgotten.
    pub fn is_gone(&self) -> bool {
        self.is_over() && self.deadline.is_none()
    }

    /// When [`Leg::handle_timeout`] must be called.
    pub fn deadline(&self) -> Option<Duration> {
        let within = match &self.state {
            State::Up(up) => Some(up.deadline()),
            State::Called(called) => called.deadline(),
            State::Inviting { .. } | State::Leaving { .. } | State::Closing { .. } | State::Over => None,
        };
        [within, self.deadline].into_iter().flatten().min()
    }

    /// Ends it in whatever way its state needs. `reason` is told when an answered leg ends.
    pub fn hang_up(&mut self, reason: &'static str, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        match &self.state {
            State::Inviting { invite, provisional, .. } => {
                let (invite, provisional) = (*invite, *provisional);
                self.leave(invite, provisional, reason::of_word(reason), wire, now);
                Vec::new()
            }
            State::Up(_) => self.close(Notice::Ended { by: EndedBy::Us, reason }, wire, now),
            State::Called(_) => {
                let status = if reason == "ports" { 503 } else { 480 };
                self.refuse(status, reason, wire, now)
            }
            State::Leaving { .. } | State::Closing { .. } | State::Over => Vec::new(),
        }
    }

    /// Ends it as [`Leg::hang_up`] does; an INVITE that nobody has answered is not repeated any more, so that it makes no phone
    /// ring that it has not reached yet.
    pub fn abandon(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        if let State::Inviting { invite, .. } = &self.state {
            wire.layer.hush(*invite);
        }
        self.hang_up("abandoned", wire, now)
    }

    /// Ends an answered leg whose peer seems gone: BYE, told as the network's doing.
    pub fn lost(&mut self, reason: &'static str, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        match &self.state {
            State::Up(_) => self.close(Notice::Ended { by: EndedBy::Network, reason }, wire, now),
            State::Inviting { .. }
            | State::Leaving { .. }
            | State::Called(_)
            | State::Closing { .. }
            | State::Over => self.hang_up(reason, wire, now),
        }
    }

    /// A response to one of its requests, or one to its INVITE that belongs to no transaction any more.
    pub fn response(
        &mut self,
        key: Option<TransactionKey>,
        response: &Response,
        wire: &mut Wire,
        now: Duration,
    ) -> Vec<Notice> {
        if key.is_none() && !self.answers_the_invite(response) {
            tracing::debug!("response with a branch that is not ours");
            return Vec::new();
        }
        let mut notices = Vec::new();
        if !self.heard {
            self.heard = true;
            notices.push(Notice::Heard);
        }
        if key.is_some() && !self.early.is_empty() && self.pracked(key, response, wire, now) {
            return notices;
        }
        let more = match &self.state {
            State::Inviting { invite, .. } if key == Some(*invite) => self.inviting(response, wire, now),
            State::Leaving { invite, .. } if key == Some(*invite) => self.leaving(response, wire, now),
            State::Closing { bye, .. } if key == Some(*bye) => self.closing(response, wire, now),
            State::Up(up) if key.is_some() && up.own.key() == key => self.refreshed(response, wire, now),
            State::Up(up) if key.is_some() && up.saying == key => self.said(response, wire, now),
            State::Inviting { .. }
            | State::Leaving { .. }
            | State::Called(_)
            | State::Up(_)
            | State::Closing { .. }
            | State::Over => {
                self.another_success(response, wire, now);
                Vec::new()
            }
        };
        notices.extend(more);
        notices
    }

    /// §17.1.3: a response is to the INVITE only where its branch is the INVITE's; a Call-ID alone proves nothing.
    fn answers_the_invite(&self, response: &Response) -> bool {
        if self.is_called() {
            return false;
        }
        match (self.invite.headers.via_top(), response.headers.via_top()) {
            (Ok(own), Ok(via)) => own.branch().is_some() && own.branch() == via.branch(),
            (_, _) => false,
        }
    }

    /// One of its transactions is over. With that of the INVITE, 64*T1 after its 2xx, no other 2xx is heeded any more
    /// (§13.2.2.4), and a call lasts longer than there is a use for what would answer it.
    pub fn terminated(&mut self, now: Duration) {
        if self.forks_until.is_some_and(|until| until <= now) {
            self.forks_until = None;
            self.invite.headers.keep(&[]);
        }
    }

    /// One of its requests got no final response (timers B, F and the limit after CANCEL).
    pub fn timeout(&mut self, key: TransactionKey, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        match &self.state {
            // §12.2.1.2: silence is like a 408, and the dialog is over.
            State::Up(up) if up.own.key() == Some(key) => self.lost("session_lost", wire, now),
            State::Up(up) if up.saying == Some(key) => self.unsaid(),
            State::Inviting { invite, .. } if key == *invite => self.fail(Failure::Timeout, now),
            State::Leaving { invite, .. } if key == *invite => self.given_up(now),
            // Timer C: its transaction is over without a word of ours.
            State::Called(called) if key == called.invite => {
                self.finish(Notice::Ended { by: EndedBy::Us, reason: "ring_limit" }, now)
            }
            State::Closing { bye, then, .. } if key == *bye => {
                let then = then.clone();
                self.finish(then, now)
            }
            State::Inviting { .. }
            | State::Leaving { .. }
            | State::Called(_)
            | State::Up(_)
            | State::Closing { .. }
            | State::Over => Vec::new(),
        }
    }

    /// One of its requests could not be sent.
    pub fn transport_error(&mut self, key: TransactionKey, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        match &self.state {
            State::Inviting { invite, .. } if key == *invite => self.fail(Failure::Transport, now),
            // §8.1.3.1: like a 503; the way may be there again before the session expires.
            State::Up(up) if up.own.key() == Some(key) => {
                self.refresh_failed(None, now);
                Vec::new()
            }
            // RFC 6026 §7.1: the INVITE may come again, and the way be there then.
            State::Called(_) => Vec::new(),
            State::Inviting { .. }
            | State::Leaving { .. }
            | State::Up(_)
            | State::Closing { .. }
            | State::Over => self.timeout(key, wire, now),
        }
    }

    /// Lets happen what is due.
    pub fn handle_timeout(&mut self, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let mut notices = self.repeat_reinvite(wire, now);
        notices.extend(self.ring_on(wire, now));
        notices.extend(self.keep_alive(wire, now));
        if !notices.is_empty() {
            return notices;
        }
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return Vec::new();
        }
        self.deadline = None;
        match &self.state {
            State::Inviting { .. } | State::Called(_) => self.hang_up("ring_limit", wire, now),
            State::Leaving { .. } => self.given_up(now),
            State::Up(_) => self.hang_up("talk_limit", wire, now),
            State::Closing { then, .. } => {
                let then = then.clone();
                self.finish(then, now)
            }
            State::Over => Vec::new(),
        }
    }

    /// We wanted out and no final response came. A peer that never said a word could not be cancelled (§9.1) either:
    /// that is silence, not our doing.
    fn given_up(&mut self, now: Duration) -> Vec<Notice> {
        let failure = if self.heard { Failure::Cancelled } else { Failure::Timeout };
        self.fail(failure, now)
    }

    /// Without an answer.
    fn fail(&mut self, failure: Failure, now: Duration) -> Vec<Notice> {
        let heard = self.heard;
        self.finish(Notice::Failed { failure, heard }, now)
    }

    /// The one place where a leg ends.
    fn finish(&mut self, last: Notice, now: Duration) -> Vec<Notice> {
        self.change(State::Over);
        // A 2xx may be retransmitted, or come late from a fork, for 64*T1 after the first (§13.2.2.4, §13.3.1.4).
        let answered = !self.is_called() && !self.dialogs.is_empty();
        let late = if answered { self.forks_until } else { Some(now.saturating_add(self.linger)) };
        let theirs = match &last {
            Notice::Failed { failure, .. } => failure.status().is_some(),
            Notice::Ended { by, .. } => *by == EndedBy::Peer,
            _ => false,
        };
        if theirs && !self.options.route.local.transport.is_stream() {
            self.repeats_until = Some(now.saturating_add(self.linger / REPEATED_WITHIN));
        }
        self.deadline = late.max(self.repeats_until).filter(|until| *until > now);
        // Nothing is offered or described any more.
        (self.invite.body, self.described) = (Bytes::new(), Bytes::new());
        vec![last]
    }

    /// The one place where the state changes.
    fn change(&mut self, next: State) {
        tracing::trace!(call_id = self.call_id(), previous = ?self.state, ?next, "leg");
        self.state = next;
    }

    fn limit(&self) -> Duration {
        self.linger.saturating_add(LIMIT_MARGIN)
    }
}
