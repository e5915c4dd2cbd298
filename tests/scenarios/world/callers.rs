//! People who call: each writes its own INVITE as text and does what callers do, under loss and over deaths of the node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use carillon::demo::party::resend::Resend;
use carillon::demo::party::text::{Reply, Text, parameter, reply, uri_of};
use carillon::demo::party::{Outbox, Output, Party, sdp};

use super::cast::{CALLED, NODE, address};
use super::dice::Dice;

/// Where they call from: the first carrier's address, another port.
pub const CALLERS: &str = "10.0.1.1:5070";
/// Nobody hears it ringing for longer.
const PATIENCE_MAX: Duration = Duration::from_secs(100);

/// What became of one caller.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    pub called_at: Duration,
    /// Final status of the INVITE, and when.
    pub answer: Option<(u16, Duration)>,
    /// Since when the node can know where they listen: from the INVITE, or where that made no offer from the ACK that reached it.
    pub known_at: Option<Duration>,
    /// When the first packet of an agent or the message left for them.
    pub heard_at: Option<Duration>,
    /// When nothing more was to come.
    pub over_at: Option<Duration>,
    /// Whether the caller gave up.
    pub gave_up: bool,
    /// What Retry-After said, if anything.
    pub retry_after: Option<u64>,
    /// When CANCEL or BYE was sent first, and which.
    pub left_at: Option<(Duration, &'static str)>,
    /// Final status of that, and when.
    pub let_go: Option<(u16, Duration)>,
}

#[derive(Debug)]
struct Caller {
    fate: Fate,
    media: SocketAddr,
    invite: String,
    /// Of To, once there is one.
    to: String,
    target: String,
    sending: Option<Resend>,
    /// Cancels, while it rings; hangs up, once it talks.
    leaves_at: Option<Duration>,
    talk: Duration,
    leaving: bool,
}

/// All callers.
#[derive(Debug)]
pub struct Callers {
    calls: BTreeMap<String, Caller>,
    dice: Dice,
    out: Outbox,
}

impl Callers {
    pub fn new(seed: u64) -> Self {
        Self { calls: BTreeMap::new(), dice: Dice::new(seed, "callers"), out: Outbox::new() }
    }

    /// Somebody with this number calls.
    pub fn call(&mut self, number: &str, now: Duration) {
        let index = self.calls.len();
        let call_id = format!("caller-{index}");
        let media = SocketAddr::new(address(CALLERS).ip(), 40_000 + 2 * index as u16);
        let offers = self.dice.chance(0.8);
        let body = if offers { sdp::write(media, 0, Some(101), 7) } else { String::new() };
        let content = if offers { "Content-Type: application/sdp\r\n" } else { "" };
        let to = format!("<sip:{CALLED}@{NODE}>");
        let invite = format!(
            "INVITE sip:{CALLED}@{NODE} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLERS};branch=z9hG4bK{call_id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{number}@{CALLERS}>;tag=t{index}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:{number}@{CALLERS}>\r\n{content}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let patient = self.dice.chance(0.8);
        let patience = if patient { PATIENCE_MAX } else { self.dice.between(100, 20_000) };
        let sending = Some(Resend::start(address(NODE), invite.clone().into_bytes(), now, &mut self.out));
        let fate = Fate { called_at: now, known_at: offers.then_some(now), ..Fate::default() };
        let talk = self.dice.between(500, 40_000);
        let target = format!("sip:{CALLED}@{NODE}");
        let leaves_at = Some(now + patience);
        self.calls.insert(
            call_id,
            Caller { fate, media, invite, to, target, sending, leaves_at, talk, leaving: false },
        );
    }

    /// Something of theirs reaches the node.
    pub fn reached(&mut self, text: &Text, now: Duration) {
        let answers = text.method() == Some("ACK") && !text.body.is_empty();
        if let Some(caller) = self.calls.get_mut(text.call_id()).filter(|_| answers) {
            caller.fate.known_at.get_or_insert(now);
        }
    }

    /// The first packet of an agent or of the message leaves for this address.
    pub fn hears(&mut self, at: SocketAddr, now: Duration) {
        if let Some(caller) = self.calls.values_mut().find(|caller| caller.media == at) {
            caller.fate.heard_at.get_or_insert(now);
        }
    }

    /// What became of each.
    pub fn fates(&self) -> impl Iterator<Item = &Fate> {
        self.calls.values().map(|caller| &caller.fate)
    }
}

impl Caller {
    fn request(&self, call_id: &str, method: &str, cseq: u32, body: &str) -> Vec<u8> {
        let own = |name: &str| {
            let line = self.invite.lines().find(|line| line.starts_with(name));
            line.unwrap_or_default().to_owned()
        };
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLERS};branch=z9hG4bK{call_id}{method}{cseq}\r\n\
             Max-Forwards: 70\r\n{}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{content}\
             Content-Length: {}\r\n\r\n{body}",
            self.target,
            own("From:"),
            self.to,
            body.len()
        )
        .into_bytes()
    }

    /// What goes with the INVITE's own branch: CANCEL, and the ACK of a refusal (RFC 3261 §9.1, §17.1.1.3).
    fn beside_invite(&self, method: &str) -> Vec<u8> {
        let head = self.invite.split("\r\nContact:").next().unwrap_or_default();
        let head = head.replacen("INVITE", method, 1).replace("1 INVITE", &format!("1 {method}"));
        let head = match method {
            "ACK" => head.replace(&format!("To: <sip:{CALLED}@{NODE}>"), &format!("To: {}", self.to)),
            _ => head,
        };
        format!("{head}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    }

    fn leave(&mut self, call_id: &str, now: Duration, out: &mut Outbox) {
        self.leaves_at = None;
        self.leaving = true;
        let (method, bytes) = match self.fate.answer {
            None => {
                self.fate.gave_up = true;
                ("CANCEL", self.beside_invite("CANCEL"))
            }
            Some(_) => ("BYE", self.request(call_id, "BYE", 2, "")),
        };
        // A BYE after a CANCEL that crossed the answer is another matter.
        (self.fate.left_at, self.fate.let_go) = (Some((now, method)), None);
        self.sending = Some(Resend::start(address(NODE), bytes, now, out));
    }

    fn over(&mut self, now: Duration) {
        self.fate.over_at.get_or_insert(now);
        (self.sending, self.leaves_at) = (None, None);
    }

    fn response(&mut self, call_id: &str, text: &Text, now: Duration, out: &mut Outbox) {
        let status = text.status().unwrap_or_default();
        if text.cseq().1 != "INVITE" && status >= 200 {
            self.fate.let_go.get_or_insert((status, now));
        }
        match (text.cseq().1, status) {
            ("INVITE", 100..=199) if !self.leaving => self.sending = None,
            ("INVITE", 100..=199) => {}
            ("INVITE", 200) => {
                self.to = text.header("To").to_owned();
                self.target = uri_of(text.header("Contact")).to_owned();
                let first = self.fate.answer.is_none();
                let offered = !self.invite.contains("application/sdp");
                let answer = if offered { sdp::write(self.media, 0, Some(101), 7) } else { String::new() };
                let ack = self.request(call_id, "ACK", 1, &answer);
                out.push_back(Output::Transmit { to: address(NODE), bytes: ack });
                if first {
                    self.fate.answer = Some((200, now));
                    self.sending = None;
                    self.leaves_at = Some(now + self.talk);
                    // The answer crossed our CANCEL.
                    if self.leaving {
                        self.leave(call_id, now, out);
                    }
                }
            }
            ("INVITE", _) => {
                self.to = text.header("To").to_owned();
                out.push_back(Output::Transmit { to: address(NODE), bytes: self.beside_invite("ACK") });
                self.fate.answer.get_or_insert((status, now));
                self.fate.retry_after = text.header("Retry-After").parse().ok();
                self.over(now);
            }
            // The INVITE's own final response is still to come, but of a node that knows it no more.
            ("CANCEL", 200) => self.sending = None,
            ("CANCEL" | "BYE", _) => self.over(now),
            (_, _) => {}
        }
    }
}

impl Party for Callers {
    fn datagram(&mut self, bytes: &[u8], from: SocketAddr, now: Duration) {
        let Some(text) = Text::read(bytes) else { return };
        let call_id = text.call_id().to_owned();
        let Some(caller) = self.calls.get_mut(&call_id) else { return };
        match text.method() {
            None => caller.response(&call_id, &text, now, &mut self.out),
            Some("ACK") => {}
            Some(method) => {
                assert!(!parameter(text.header("From"), "tag").is_empty(), "in the dialog");
                let answer = Reply { status: 200, reason: "OK", ..Reply::default() };
                self.out.push_back(Output::Transmit { to: from, bytes: reply(&text, from, &answer) });
                if method == "BYE" {
                    caller.over(now);
                }
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let due = |caller: &Caller| {
            [caller.sending.as_ref().map(Resend::due), caller.leaves_at].into_iter().flatten().min()
        };
        self.calls.values().filter_map(due).min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        for (call_id, caller) in &mut self.calls {
            if caller.leaves_at.is_some_and(|at| at <= now) {
                caller.leave(call_id, now, &mut self.out);
            } else if let Some(sending) = &mut caller.sending
                && sending.due() <= now
                && !sending.handle(now, &mut self.out)
            {
                // Nobody answers any more.
                caller.over(now);
            }
        }
    }
}
