//! The called side of one INVITE dialog (RFC 3261 §13.3, §15): what carrier and phone have in common.
//!
//! A line may be answered more than once: a forking proxy delivers several 200s with different tags (§13.2.2.4), each of
//! which is a leg here. The line is over when all of them are.

use std::net::SocketAddr;
use std::time::Duration;

use super::resend::Resend;
use super::text::{Reply, Text, reply, uri_of, user_of};
use super::token::BRANCH_COOKIE;
use super::{Ending, Outbox, Output, TRANSACTION_LIFE};

/// Most 200s of one INVITE.
pub const LEGS_MAX: usize = 4;
/// Most requests that one leg sends in its life.
const CLIENTS_MAX: usize = 16;
/// Tag of responses that belong to no leg (RFC 3261 §8.2.6.2 wants one on all but 100).
const STATELESS_TAG: &str = "none";
const ALLOW: &str = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n";

/// What the owner of a line should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// CANCEL came before a final answer, and was answered itself; refuse with 487 (or answer in spite of it).
    CancelAsked,
    /// The first 200 was acknowledged: both sides may talk.
    Acknowledged,
    /// The line is over.
    Ended(Ending),
}

/// One dialog at the side that was called.
#[derive(Clone, Debug)]
pub struct Line {
    invite: Text,
    source: SocketAddr,
    local: SocketAddr,
    user: String,
    tag: String,
    stage: Stage,
    acknowledged: bool,
    until: Duration,
}

#[derive(Clone, Debug)]
enum Stage {
    Proceeding { last: Vec<u8> },
    Refused { resend: Option<Resend> },
    Answered { legs: Vec<Leg> },
}

#[derive(Clone, Debug)]
struct Leg {
    tag: String,
    sdp: String,
    phase: Phase,
    answer: Option<Resend>,
    clients: Vec<Client>,
    cseq: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The 200 is not acknowledged; `leave`: BYE as soon as it is (§15 forbids it before).
    Unacknowledged {
        leave: bool,
    },
    Up,
    Leaving,
    Gone,
}

#[derive(Clone, Debug)]
struct Client {
    method: &'static str,
    cseq: u32,
    resend: Option<Resend>,
}

impl Line {
    /// Takes an INVITE without To tag and sends 100. `local` is the party's SIP address, `tag` goes on To.
    pub fn open(invite: Text, source: SocketAddr, local: SocketAddr, tag: &str, out: &mut Outbox) -> Self {
        let user = user_of(invite.uri()).to_owned();
        let last = reply(&invite, source, &Reply { status: 100, reason: "Trying", ..Reply::default() });
        out.push_back(Output::Transmit { to: source, bytes: last.clone() });
        Self {
            invite,
            source,
            local,
            user,
            tag: tag.to_owned(),
            stage: Stage::Proceeding { last },
            acknowledged: false,
            until: Duration::MAX,
        }
    }

    /// The INVITE that opened the line.
    pub fn invite(&self) -> &Text {
        &self.invite
    }

    /// Sends a provisional response, with SDP when `sdp` is not empty (early media). Nothing after a final one.
    pub fn ring(&mut self, status: u16, sdp: &str, out: &mut Outbox) {
        let reason = if status == 180 { "Ringing" } else { "Session Progress" };
        let bytes = self.response(status, reason, &self.tag, sdp);
        if let Stage::Proceeding { last } = &mut self.stage {
            out.push_back(Output::Transmit { to: self.source, bytes: bytes.clone() });
            *last = bytes;
        }
    }

    /// Sends a 200; every further one is a fork with its own tag. Nothing after a refusal or [`LEGS_MAX`] answers.
    pub fn answer(&mut self, sdp: &str, now: Duration, out: &mut Outbox) {
        let tag = match &self.stage {
            Stage::Answered { legs } => format!("{}.{}", self.tag, legs.len()),
            Stage::Proceeding { .. } | Stage::Refused { .. } => self.tag.clone(),
        };
        let bytes = self.response(200, "OK", &tag, sdp);
        if matches!(self.stage, Stage::Proceeding { .. }) {
            self.stage = Stage::Answered { legs: Vec::new() };
        }
        if let Stage::Answered { legs } = &mut self.stage
            && legs.len() < LEGS_MAX
        {
            legs.push(Leg {
                tag,
                sdp: sdp.to_owned(),
                phase: Phase::Unacknowledged { leave: false },
                answer: Some(Resend::start(self.source, bytes, now, out)),
                clients: Vec::new(),
                cseq: 0,
            });
        }
    }

    /// Sends the 200s that still wait for their ACK once more, out of turn.
    pub fn repeat_answer(&self, out: &mut Outbox) {
        if let Stage::Answered { legs } = &self.stage {
            legs.iter().filter_map(|leg| leg.answer.as_ref()).for_each(|resend| resend.again(out));
        }
    }

    /// Sends a refusal of 300..=699 until it is acknowledged. Nothing after another final response.
    pub fn refuse(&mut self, status: u16, reason: &str, now: Duration, out: &mut Outbox) {
        let bytes = self.response(status, reason, &self.tag, "");
        if matches!(self.stage, Stage::Proceeding { .. }) {
            self.stage = Stage::Refused { resend: Some(Resend::start(self.source, bytes, now, out)) };
            self.until = now + TRANSACTION_LIFE;
        }
    }

    /// Sends BYE on every leg; on one that is not acknowledged, as soon as it is.
    pub fn hang_up(&mut self, now: Duration, out: &mut Outbox) {
        let Stage::Answered { legs } = &mut self.stage else { return };
        let ends = Ends { invite: &self.invite, source: self.source, local: self.local, user: &self.user };
        for leg in legs {
            match leg.phase {
                Phase::Unacknowledged { .. } => leg.phase = Phase::Unacknowledged { leave: true },
                Phase::Up => leg.bye(&ends, now, out),
                Phase::Leaving | Phase::Gone => {}
            }
        }
    }

    /// Sends OPTIONS or re-INVITE (same SDP, RFC 3261 §14.1) on the first leg that is up.
    pub fn ask(&mut self, question: Question, now: Duration, out: &mut Outbox) {
        let Stage::Answered { legs } = &mut self.stage else { return };
        let ends = Ends { invite: &self.invite, source: self.source, local: self.local, user: &self.user };
        if let Some(leg) = legs.iter_mut().find(|leg| leg.phase == Phase::Up) {
            match question {
                Question::Options => leg.request("OPTIONS", "", &ends, now, out),
                Question::Reinvite => {
                    let sdp = leg.sdp.clone();
                    leg.request("INVITE", &sdp, &ends, now, out);
                }
            }
        }
    }

    /// Takes a message that carries this line's Call-ID.
    pub fn receive(
        &mut self,
        text: &Text,
        from: SocketAddr,
        now: Duration,
        out: &mut Outbox,
    ) -> Option<Happened> {
        let Some(method) = text.method() else { return self.response_came(text, now, out) };
        match method {
            "INVITE" => {
                self.invite_came(text, from, now, out);
                None
            }
            "ACK" => self.ack_came(text, now, out),
            "CANCEL" => self.cancel_came(text, from, out),
            "BYE" => self.bye_came(text, from, now, out),
            "OPTIONS" | "INFO" => {
                let known = self.leg_of(text).is_some();
                let (status, reason) =
                    if known { (200, "OK") } else { (481, "Call/Transaction Does Not Exist") };
                answer(text, from, status, reason, ALLOW, out);
                None
            }
            _ => {
                answer(text, from, 501, "Not Implemented", ALLOW, out);
                None
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let inside = match &self.stage {
            Stage::Proceeding { .. } => None,
            Stage::Refused { resend } => resend.as_ref().map(Resend::due),
            Stage::Answered { legs } => legs.iter().filter_map(Leg::due).min(),
        };
        let until = (self.until != Duration::MAX).then_some(self.until);
        inside.into_iter().chain(until).min()
    }

    /// Sends again what is due and gives up what took too long.
    pub fn handle_timeout(&mut self, now: Duration, out: &mut Outbox) -> Option<Happened> {
        match &mut self.stage {
            Stage::Proceeding { .. } => None,
            Stage::Refused { resend } => {
                if resend.as_mut().is_some_and(|resend| !resend.handle(now, out)) {
                    *resend = None;
                }
                None
            }
            Stage::Answered { legs } => {
                let ends =
                    Ends { invite: &self.invite, source: self.source, local: self.local, user: &self.user };
                let mut ended = None;
                for leg in legs.iter_mut() {
                    ended = leg.handle_timeout(&ends, now, out).or(ended);
                }
                ended.and_then(|ending| self.over(ending, now))
            }
        }
    }

    /// Whether nothing more can come for this line, so that it may be forgotten.
    pub fn finished(&self, now: Duration) -> bool {
        now >= self.until
    }

    fn response(&self, status: u16, reason: &str, tag: &str, body: &str) -> Vec<u8> {
        let headers = format!("Contact: <sip:{}@{}>\r\n{ALLOW}", self.user, self.local);
        let headers = if status < 300 { headers.as_str() } else { "" };
        reply(&self.invite, self.source, &Reply { status, reason, tag, headers, body })
    }

    fn leg_of(&mut self, text: &Text) -> Option<&mut Leg> {
        let tag = text.to_tag();
        match &mut self.stage {
            Stage::Answered { legs } => {
                legs.iter_mut().find(|leg| leg.tag == tag && leg.phase != Phase::Gone)
            }
            Stage::Proceeding { .. } | Stage::Refused { .. } => None,
        }
    }

    fn invite_came(&mut self, text: &Text, from: SocketAddr, now: Duration, out: &mut Outbox) {
        if !text.to_tag().is_empty() {
            let headers = format!("Contact: <sip:{}@{}>\r\n{ALLOW}", self.user, self.local);
            match self.leg_of(text) {
                Some(leg) => {
                    let ok = Reply { status: 200, reason: "OK", tag: "", headers: &headers, body: &leg.sdp };
                    leg.answer = Some(Resend::start(from, reply(text, from, &ok), now, out));
                }
                None => answer(text, from, 481, "Call/Transaction Does Not Exist", "", out),
            }
            return;
        }
        if text.cseq().0 < self.invite.cseq().0 {
            // A late copy of an INVITE that was challenged; its transaction is long over.
            return;
        }
        if text.branch() != self.invite.branch() {
            // RFC 3261 §8.2.2.2: the same request came along another path.
            answer(text, from, 482, "Loop Detected", "", out);
            return;
        }
        // §17.2.1: a retransmission gets the last response again; a 200 is repeated by its own timer (RFC 6026 §7.1).
        match &self.stage {
            Stage::Proceeding { last } => {
                out.push_back(Output::Transmit { to: self.source, bytes: last.clone() })
            }
            Stage::Refused { resend } => resend.iter().for_each(|resend| resend.again(out)),
            Stage::Answered { .. } => {}
        }
    }

    fn ack_came(&mut self, text: &Text, now: Duration, out: &mut Outbox) -> Option<Happened> {
        let ends = Ends { invite: &self.invite, source: self.source, local: self.local, user: &self.user };
        let tag = text.to_tag();
        match &mut self.stage {
            Stage::Proceeding { .. } => None,
            Stage::Refused { resend } => {
                *resend = None;
                None
            }
            Stage::Answered { legs } => {
                let leg = legs.iter_mut().find(|leg| leg.tag == tag)?;
                leg.answer = None;
                if let Phase::Unacknowledged { leave } = leg.phase {
                    leg.phase = Phase::Up;
                    if leave {
                        leg.bye(&ends, now, out);
                    } else if !self.acknowledged {
                        self.acknowledged = true;
                        return Some(Happened::Acknowledged);
                    }
                }
                None
            }
        }
    }

    fn cancel_came(&mut self, text: &Text, from: SocketAddr, out: &mut Outbox) -> Option<Happened> {
        // RFC 3261 §9.2: matched by the branch; without effect after a final response, but answered 200 all the same.
        if text.branch() != self.invite.branch() {
            answer(text, from, 481, "Call/Transaction Does Not Exist", "", out);
            return None;
        }
        let ok = Reply { status: 200, reason: "OK", tag: &self.tag, ..Reply::default() };
        out.push_back(Output::Transmit { to: from, bytes: reply(text, from, &ok) });
        matches!(self.stage, Stage::Proceeding { .. }).then_some(Happened::CancelAsked)
    }

    fn bye_came(
        &mut self,
        text: &Text,
        from: SocketAddr,
        now: Duration,
        out: &mut Outbox,
    ) -> Option<Happened> {
        let tag = text.to_tag();
        let Stage::Answered { legs } = &mut self.stage else {
            answer(text, from, 481, "Call/Transaction Does Not Exist", "", out);
            return None;
        };
        let Some(leg) = legs.iter_mut().find(|leg| leg.tag == tag) else {
            answer(text, from, 481, "Call/Transaction Does Not Exist", "", out);
            return None;
        };
        answer(text, from, 200, "OK", "", out);
        if leg.phase == Phase::Gone {
            return None;
        }
        leg.gone();
        self.over(Ending::PeerBye, now)
    }

    fn response_came(&mut self, text: &Text, now: Duration, out: &mut Outbox) -> Option<Happened> {
        let Stage::Answered { legs } = &mut self.stage else { return None };
        let (number, method) = text.cseq();
        let leg = legs.iter_mut().find(|leg| leg.tag == text.from_tag())?;
        let ends = Ends { invite: &self.invite, source: self.source, local: self.local, user: &self.user };
        let tag = leg.tag.clone();
        let client =
            leg.clients.iter_mut().find(|client| client.cseq == number && client.method == method)?;
        let status = text.status()?;
        if status < 200 {
            // §17.1.1.2: an INVITE is not repeated once a provisional response came.
            if client.method == "INVITE" {
                client.resend = None;
            }
            return None;
        }
        client.resend = None;
        if client.method == "INVITE" {
            let branch = match status {
                200..=299 => format!("{BRANCH_COOKIE}{tag}ack{number}"),
                _ => text.branch().to_owned(),
            };
            let bytes = ends.write("ACK", number, &branch, &tag, "");
            out.push_back(Output::Transmit { to: self.source, bytes });
            return None;
        }
        if client.method == "BYE" && leg.phase == Phase::Leaving {
            leg.gone();
            return self.over(Ending::OurBye, now);
        }
        None
    }

    fn over(&mut self, ending: Ending, now: Duration) -> Option<Happened> {
        let Stage::Answered { legs } = &self.stage else { return None };
        if legs.iter().any(|leg| leg.phase != Phase::Gone) || self.until != Duration::MAX {
            return None;
        }
        self.until = now + TRANSACTION_LIFE;
        Some(Happened::Ended(ending))
    }
}

/// A request that a carrier may send within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// "Are you still there?"
    Options,
    /// A session refresh with the same SDP.
    Reinvite,
}

/// The two ends of the dialog as the called side writes them.
struct Ends<'a> {
    invite: &'a Text,
    source: SocketAddr,
    local: SocketAddr,
    user: &'a str,
}

impl Ends<'_> {
    fn write(&self, method: &str, cseq: u32, branch: &str, tag: &str, body: &str) -> Vec<u8> {
        // RFC 3261 §12.1.1, §12.2.1.1: the route set is Record-Route in order, the target is the caller's Contact.
        let routes: String =
            self.invite.all("Record-Route").map(|route| format!("Route: {route}\r\n")).collect();
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={branch};rport\r\nMax-Forwards: \
             70\r\n{routes}From: {me};tag={tag}\r\nTo: {peer}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: \
             <sip:{user}@{local}>\r\n{content}Content-Length: {length}\r\n\r\n{body}",
            target = uri_of(self.invite.header("Contact")),
            local = self.local,
            me = self.invite.header("To"),
            peer = self.invite.header("From"),
            call_id = self.invite.call_id(),
            user = self.user,
            length = body.len(),
        )
        .into_bytes()
    }
}

impl Leg {
    fn bye(&mut self, ends: &Ends<'_>, now: Duration, out: &mut Outbox) {
        self.phase = Phase::Leaving;
        // Whatever else was asked is moot now.
        self.clients.clear();
        self.request("BYE", "", ends, now, out);
    }

    fn request(
        &mut self,
        method: &'static str,
        body: &str,
        ends: &Ends<'_>,
        now: Duration,
        out: &mut Outbox,
    ) {
        if self.clients.len() == CLIENTS_MAX {
            return;
        }
        self.cseq += 1;
        let branch = format!("{BRANCH_COOKIE}{}{}{}", self.tag, method.to_ascii_lowercase(), self.cseq);
        let bytes = ends.write(method, self.cseq, &branch, &self.tag, body);
        let resend = Some(Resend::start(ends.source, bytes, now, out));
        self.clients.push(Client { method, cseq: self.cseq, resend });
    }

    fn gone(&mut self) {
        self.phase = Phase::Gone;
        self.answer = None;
        self.clients.iter_mut().for_each(|client| client.resend = None);
    }

    fn due(&self) -> Option<Duration> {
        let clients = self.clients.iter().filter_map(|client| client.resend.as_ref());
        self.answer.iter().chain(clients).map(Resend::due).min()
    }

    fn handle_timeout(&mut self, ends: &Ends<'_>, now: Duration, out: &mut Outbox) -> Option<Ending> {
        if self.answer.as_mut().is_some_and(|answer| !answer.handle(now, out)) {
            self.answer = None;
            if matches!(self.phase, Phase::Unacknowledged { .. }) {
                // §13.3.1.4: no ACK in 64·T1: the dialog is confirmed and ended with BYE. Nobody is left to wait for.
                self.bye(ends, now, out);
                self.gone();
                return Some(Ending::NeverAcknowledged);
            }
        }
        let mut ended = None;
        for client in &mut self.clients {
            if client.resend.as_mut().is_some_and(|resend| !resend.handle(now, out)) {
                client.resend = None;
                if client.method == "BYE" {
                    ended = Some(Ending::OurBye);
                }
            }
        }
        if ended.is_some() {
            self.gone();
        }
        ended
    }
}

fn answer(request: &Text, to: SocketAddr, status: u16, reason: &str, headers: &str, out: &mut Outbox) {
    let bytes = reply(request, to, &Reply { status, reason, tag: STATELESS_TAG, headers, body: "" });
    out.push_back(Output::Transmit { to, bytes });
}
