//! Second lines of agents: each agent has another phone beside the first, which asks colleagues about a customer, hands the
//! customer over to them, and takes over what the first phone has. It writes its messages as text, and knows of the first phone's
//! dialog what that one could tell it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use carillon::demo::party::digest::{Proof, authorization};
use carillon::demo::party::resend::Resend;
use carillon::demo::party::text::{Reply, Text, parameter, reply, uri_of};
use carillon::demo::party::{Outbox, Output, sdp};

use super::cast::{NODE, address, password, second_address, user};
use super::dice::Dice;

/// What a second line calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Asks this colleague.
    Ask(usize),
    /// Asks this colleague, and has them have the customer.
    HandOver(usize),
    /// Goes on with what the first phone has.
    TakeOver,
}

/// How far one has come: calls that were answered, by wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub asked: u32,
    pub handed_over: u32,
    pub taken_over: u32,
    pub refused: u32,
}

/// A dialog of a first phone with the node.
#[derive(Clone, Debug)]
struct Known {
    call_id: String,
    node_tag: String,
    phone_tag: String,
}

#[derive(Debug)]
struct Line {
    agent: usize,
    wish: Wish,
    uri: String,
    more: String,
    offers: bool,
    cseq: u32,
    to: String,
    target: String,
    up: bool,
    over: bool,
    sending: Option<Resend>,
    /// Hands over, or hangs up.
    acts_at: Option<Duration>,
    refers: bool,
}

/// All second lines.
#[derive(Debug)]
pub struct Seconds {
    lines: BTreeMap<String, Line>,
    known: BTreeMap<usize, Known>,
    dice: Dice,
    pub done: Done,
    out: BTreeMap<usize, Outbox>,
}

impl Seconds {
    pub fn new(seed: u64) -> Self {
        let (lines, known, out) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { lines, known, dice: Dice::new(seed, "seconds"), done: Done::default(), out }
    }

    /// The node acknowledges what an agent's first phone answered.
    pub fn hears_of(&mut self, agent: usize, ack: &Text) {
        let of = |text: &str| text.to_owned();
        let known =
            Known { call_id: of(ack.call_id()), node_tag: of(ack.from_tag()), phone_tag: of(ack.to_tag()) };
        self.known.insert(agent, known);
    }

    /// An agent does something with the second phone.
    pub fn call(&mut self, agent: usize, wish: Wish, now: Duration) {
        let known = self.known.get(&agent);
        let (uri, more) = match (wish, known) {
            (Wish::Ask(colleague) | Wish::HandOver(colleague), _) => {
                (format!("sip:{}@{NODE}", user(colleague)), String::new())
            }
            (Wish::TakeOver, Some(Known { call_id, node_tag, phone_tag })) => {
                let replaces = format!("Replaces: {call_id};to-tag={node_tag};from-tag={phone_tag}\r\n");
                (format!("sip:{NODE}"), replaces)
            }
            (Wish::TakeOver, None) => return,
        };
        let call_id = format!("second-{}", self.lines.len());
        let mut line = Line {
            agent,
            wish,
            to: format!("<{uri}>"),
            target: uri.clone(),
            uri,
            more,
            offers: self.dice.chance(0.8),
            cseq: 1,
            up: false,
            over: false,
            sending: None,
            acts_at: Some(now + self.dice.between(1_000, 40_000)),
            refers: false,
        };
        let body = if line.offers { line.session() } else { String::new() };
        let invite = line.request(&call_id, "INVITE", "", &body);
        line.sending = Some(Resend::start(address(NODE), invite, now, self.out.entry(agent).or_default()));
        self.lines.insert(call_id, line);
    }

    pub fn datagram(&mut self, bytes: &[u8], from: SocketAddr, now: Duration) {
        let Some(text) = Text::read(bytes) else { return };
        let call_id = text.call_id().to_owned();
        let Some(line) = self.lines.get_mut(&call_id) else { return };
        let out = self.out.entry(line.agent).or_default();
        match text.method() {
            None => line.response(&call_id, &text, &mut self.done, now, out),
            Some("ACK") => {}
            Some(method) => {
                assert!(!parameter(text.header("From"), "tag").is_empty(), "in the dialog");
                let answer = Reply { status: 200, reason: "OK", ..Reply::default() };
                out.push_back(Output::Transmit { to: from, bytes: reply(&text, from, &answer) });
                if method == "NOTIFY" && text.body.starts_with("SIP/2.0 200") {
                    self.done.handed_over += u32::from(std::mem::take(&mut line.refers));
                }
                if method == "BYE" {
                    line.end();
                }
            }
        }
    }

    /// What leaves from which agent's second phone.
    pub fn poll_output(&mut self) -> Option<(usize, Output)> {
        self.out.iter_mut().find_map(|(agent, out)| Some((*agent, out.pop_front()?)))
    }

    pub fn poll_timeout(&self) -> Option<Duration> {
        let due =
            |line: &Line| [line.sending.as_ref().map(Resend::due), line.acts_at].into_iter().flatten().min();
        self.lines.values().filter_map(due).min()
    }

    pub fn handle_timeout(&mut self, now: Duration) {
        for (call_id, line) in &mut self.lines {
            let out = self.out.entry(line.agent).or_default();
            if line.acts_at.is_some_and(|at| at <= now) {
                line.act(call_id, self.known.get(&line.agent), now, out);
            } else if let Some(sending) = &mut line.sending
                && sending.due() <= now
                && !sending.handle(now, out)
            {
                line.end();
            }
        }
    }
}

impl Line {
    fn session(&self) -> String {
        let media = SocketAddr::new(second_address(self.agent).ip(), 7_090);
        sdp::write(media, 0, Some(101), 9)
    }

    fn request(&self, call_id: &str, method: &str, more: &str, body: &str) -> Vec<u8> {
        let (own, name) = (second_address(self.agent), user(self.agent));
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let cseq = self.cseq;
        let (replaces, target) = match method {
            "INVITE" => (self.more.as_str(), &self.uri),
            _ => ("", &self.target),
        };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{call_id}{cseq}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@{NODE}>;tag=s{call_id}\r\nTo: {}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{name}@{own}>\r\n{replaces}{more}{content}\
             Content-Length: {}\r\n\r\n{body}",
            self.to,
            body.len(),
            branch = if method == "ACK" && self.up { "ack" } else { "" },
        )
        .into_bytes()
    }

    fn act(&mut self, call_id: &str, known: Option<&Known>, now: Duration, out: &mut Outbox) {
        self.acts_at = None;
        if !self.up {
            // It rings too long for the agent's patience: CANCEL with the INVITE's own branch.
            let cancel = self.request(call_id, "CANCEL", "", "");
            self.sending = Some(Resend::start(address(NODE), cancel, now, out));
            return;
        }
        self.cseq += 1;
        let bytes = match (self.wish, known) {
            (Wish::HandOver(colleague), Some(Known { call_id: named, node_tag, phone_tag }))
                if !self.refers =>
            {
                self.refers = true;
                // The node hangs up when it is done; else the agent does.
                self.acts_at = Some(now + Duration::from_secs(20));
                let refer_to = format!(
                    "Refer-To: <sip:{}@{NODE}?Replaces={named}%3Bto-tag%3D{node_tag}%3Bfrom-tag%3D{phone_tag}>\r\n",
                    user(colleague)
                );
                self.request(call_id, "REFER", &refer_to, "")
            }
            (_, _) => self.request(call_id, "BYE", "", ""),
        };
        self.sending = Some(Resend::start(address(NODE), bytes, now, out));
    }

    fn end(&mut self) {
        (self.over, self.sending, self.acts_at) = (true, None, None);
    }

    fn response(&mut self, call_id: &str, text: &Text, done: &mut Done, now: Duration, out: &mut Outbox) {
        let status = text.status().unwrap_or_default();
        let (number, method) = text.cseq();
        match (method, status) {
            ("INVITE", 100..=199) => self.sending = None,
            ("INVITE", 200..=299) => {
                let first = !self.up;
                let cseq = std::mem::replace(&mut self.cseq, number);
                (self.up, self.to) = (true, text.header("To").to_owned());
                self.target = uri_of(text.header("Contact")).to_owned();
                let body = if self.offers { String::new() } else { self.session() };
                let ack = self.request(call_id, "ACK", "", &body);
                out.push_back(Output::Transmit { to: address(NODE), bytes: ack });
                self.cseq = cseq;
                if first {
                    self.sending = None;
                    match self.wish {
                        Wish::Ask(_) | Wish::HandOver(_) => done.asked += 1,
                        Wish::TakeOver => done.taken_over += 1,
                    }
                }
            }
            ("INVITE", _) if number == self.cseq && !self.up => {
                let own = std::mem::replace(&mut self.to, text.header("To").to_owned());
                let target = std::mem::replace(&mut self.target, self.uri.clone());
                let ack = self.request(call_id, "ACK", "", "");
                out.push_back(Output::Transmit { to: address(NODE), bytes: ack });
                (self.to, self.target) = (own, target);
                let name = user(self.agent);
                let proof = Proof {
                    username: &name,
                    password: &password(self.agent),
                    method: "INVITE",
                    uri: &self.uri,
                    count: 1,
                    cnonce: "second",
                };
                let proof = text.all("WWW-Authenticate").find_map(|one| authorization(one, &proof));
                match proof.filter(|_| status == 401 && number == 1) {
                    Some(proof) => {
                        self.cseq = 2;
                        let body = if self.offers { self.session() } else { String::new() };
                        let more = format!("Authorization: {proof}\r\n");
                        let invite = self.request(call_id, "INVITE", &more, &body);
                        self.sending = Some(Resend::start(address(NODE), invite, now, out));
                    }
                    None => {
                        done.refused += u32::from(!self.over);
                        self.end();
                    }
                }
            }
            ("CANCEL" | "REFER", _) if number == self.cseq => self.sending = None,
            ("BYE", _) => self.end(),
            (_, _) => {}
        }
    }
}
