//! A simulated carrier: takes INVITEs for any number and lets a seeded plan decide what the callee does.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::digest;
use super::line::{Happened, Line, Question};
use super::plan::{Behaviour, DigestPlan, Fate, Plan};
use super::sdp::{Audio, PCMA, PCMU, write};
use super::text::{Reply, Text, reply, uri_of, user_of};
use super::token::Tokens;
use super::{Ending, Event, Media, Outbox, Output, Party, Sound};

/// Most lines at once, those that only absorb retransmissions included. A further INVITE gets 503.
pub const LINES_MAX: usize = 8_192;
/// Most numbers whose attempts are counted.
pub const NUMBERS_MAX: usize = 1_000_000;
/// A callee that hears a message stays this long at most, in real time.
pub const LISTEN_MAX: Duration = Duration::from_secs(60);
/// Longest binding that the carrier's registrar grants.
const REGISTER_SECONDS_MAX: u32 = 3_600;
const REALM: &str = "carrier";

/// What a carrier is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its SIP address, as the trunk's URI names it.
    pub address: SocketAddr,
    /// RTP addresses it may use, one a call. A call that finds none free gets 503.
    pub media: Vec<SocketAddr>,
    /// What callees do.
    pub plan: Plan,
    /// Seed of the plan.
    pub seed: u64,
    /// Divides the plan's durations, 1..=20. SIP timers and audio stay real.
    pub speed: f64,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Carrier {
    options: Options,
    tokens: Tokens,
    nonce: String,
    lines: BTreeMap<String, Call>,
    names: BTreeMap<u64, String>,
    attempts: BTreeMap<String, u32>,
    media_free: VecDeque<SocketAddr>,
    line_next: u64,
    outbox: Outbox,
}

#[derive(Clone, Debug)]
struct Call {
    id: u64,
    line: Line,
    behaviour: Behaviour,
    step: Step,
    next: Option<Duration>,
    audio: Audio,
    payload: u8,
    media: SocketAddr,
    media_on: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The network looks for the callee; `next` ends it.
    PostDial,
    /// 180 or 183 was sent; `next` answers or refuses.
    Ringing,
    /// 200 was sent, no ACK yet.
    Answered,
    /// Both sides hear each other; `next` is half-time.
    TalkFirstHalf,
    /// `next` hangs up, if there is one.
    Talk,
    /// Nothing more comes from us.
    Over,
}

impl Carrier {
    /// `tokens` gives tags and nonces.
    pub fn new(options: Options, mut tokens: Tokens) -> Self {
        Self {
            nonce: tokens.token(),
            media_free: options.media.iter().copied().collect(),
            options,
            tokens,
            lines: BTreeMap::new(),
            names: BTreeMap::new(),
            attempts: BTreeMap::new(),
            line_next: 1,
            outbox: Outbox::new(),
        }
    }

    /// The shell found out that the callee hears a recorded message: it listens until the caller's BYE, at most
    /// [`LISTEN_MAX`].
    pub fn hears_message(&mut self, line: u64, now: Duration) {
        let Some(call) = self.names.get(&line).and_then(|name| self.lines.get_mut(name)) else { return };
        if matches!(call.step, Step::TalkFirstHalf | Step::Talk) {
            call.step = Step::Talk;
            call.next = Some(now + LISTEN_MAX);
        }
    }

    /// Lines that ring, and lines that are answered.
    pub fn counts(&self) -> (usize, usize) {
        let is = |steps: &[Step]| self.lines.values().filter(|call| steps.contains(&call.step)).count();
        (is(&[Step::PostDial, Step::Ringing]), is(&[Step::Answered, Step::TalkFirstHalf, Step::Talk]))
    }

    fn invite(&mut self, text: Text, from: SocketAddr, now: Duration) {
        if !self.known(&text, from) {
            return;
        }
        let number = user_of(text.uri()).to_owned();
        let attempt = self.attempts.get(&number).copied().unwrap_or(0);
        let behaviour = self.options.plan.behaviour(self.options.seed, &number, attempt, self.options.speed);
        if behaviour.silent {
            return;
        }
        let Some(audio) = Audio::read(&text.body) else {
            self.answer(&text, from, 488, "Not Acceptable Here", "");
            return;
        };
        let Some(payload) = audio.choose(if behaviour.pcma { PCMA } else { PCMU }) else {
            self.answer(&text, from, 488, "Not Acceptable Here", "");
            return;
        };
        if self.lines.len() >= LINES_MAX || self.attempts.len() >= NUMBERS_MAX {
            self.answer(&text, from, 503, "Service Unavailable", "");
            return;
        }
        let Some(media) = self.media_free.pop_front() else {
            self.answer(&text, from, 503, "Service Unavailable", "");
            return;
        };
        self.attempts.insert(number.clone(), attempt.saturating_add(1));
        let id = self.line_next;
        self.line_next += 1;
        let tag = self.tokens.token();
        let name = text.call_id().to_owned();
        let line = Line::open(text, from, self.options.address, &tag, &mut self.outbox);
        self.outbox.push_back(Output::Event(Event::Arrived { line: id, called: number }));
        self.names.insert(id, name.clone());
        let next = Some(now + behaviour.post_dial);
        let call =
            Call { id, line, behaviour, step: Step::PostDial, next, audio, payload, media, media_on: false };
        self.lines.insert(name, call);
    }

    /// Whether the sender may call; challenges it otherwise. Stateless: the same challenge for every unproved request
    /// (RFC 3261 §8.2.7).
    fn known(&mut self, text: &Text, from: SocketAddr) -> bool {
        let Some(DigestPlan { username, password, proxy }) = self.options.plan.digest.clone() else {
            return true;
        };
        let (header, challenge, status, reason) = if proxy {
            ("Proxy-Authorization", "Proxy-Authenticate", 407, "Proxy Authentication Required")
        } else {
            ("Authorization", "WWW-Authenticate", 401, "Unauthorized")
        };
        let method = text.method().unwrap_or_default();
        if digest::proves(text.header(header), &username, &password, method, &self.nonce) {
            return true;
        }
        let demand = format!(
            "{challenge}: Digest realm=\"{REALM}\",nonce=\"{}\",algorithm=MD5,qop=\"auth\"\r\n",
            self.nonce
        );
        self.answer(text, from, status, reason, &demand);
        false
    }

    fn register(&mut self, text: &Text, from: SocketAddr) {
        if !self.known(text, from) {
            return;
        }
        let seconds: u32 = text.header("Expires").parse().unwrap_or(REGISTER_SECONDS_MAX);
        let contact = uri_of(text.header("Contact"));
        let granted = seconds.min(REGISTER_SECONDS_MAX);
        self.answer(text, from, 200, "OK", &format!("Contact: <{contact}>;expires={granted}\r\n"));
    }

    /// What comes after `next`.
    fn step(&mut self, name: &str, now: Duration) {
        let Some(call) = self.lines.get_mut(name) else { return };
        let out = &mut self.outbox;
        match (call.step, call.behaviour.fate) {
            (Step::PostDial, Fate::Busy) => call.refuse(486, "Busy Here", now, out),
            (Step::PostDial, Fate::Congestion) => call.refuse(503, "Service Unavailable", now, out),
            (Step::PostDial, Fate::Invalid) => call.refuse(404, "Not Found", now, out),
            (Step::PostDial, Fate::Person | Fate::Machine | Fate::NoAnswer | Fate::Rejected) => {
                call.ring(now, out)
            }
            (Step::Ringing, Fate::Person | Fate::Machine) => call.answer(now, out),
            (Step::Ringing, Fate::Rejected) => call.refuse(603, "Decline", now, out),
            (Step::Ringing, Fate::NoAnswer | Fate::Busy | Fate::Congestion | Fate::Invalid) => {
                call.refuse(480, "Temporarily Unavailable", now, out);
            }
            (Step::TalkFirstHalf, _) => call.half_time(now, out),
            (Step::Talk, _) => call.line.hang_up(now, out),
            (Step::Answered | Step::Over, _) => {}
        }
        self.settle(name);
    }

    fn after(&mut self, name: &str, happened: Option<Happened>, now: Duration) {
        let Some(call) = self.lines.get_mut(name) else { return };
        let out = &mut self.outbox;
        match happened {
            None => {}
            Some(Happened::CancelAsked) if call.behaviour.late_answer && call.step == Step::Ringing => {
                call.answer(now, out);
            }
            Some(Happened::CancelAsked) => {
                call.line.refuse(487, "Request Terminated", now, out);
                call.over(Ending::Cancelled, out);
            }
            Some(Happened::Acknowledged) => call.acknowledged(now, out),
            Some(Happened::Ended(ending)) => call.over(ending, out),
        }
        self.settle(name);
    }

    /// Gives the RTP address of a call that is over back, to the end of the queue, so that late packets find nobody new.
    fn settle(&mut self, name: &str) {
        if let Some(call) = self.lines.get_mut(name)
            && call.step == Step::Over
            && call.media.port() != 0
        {
            self.media_free.push_back(call.media);
            call.media.set_port(0);
        }
    }

    fn answer(&mut self, request: &Text, to: SocketAddr, status: u16, reason: &str, headers: &str) {
        let tag = self.tokens.token();
        let bytes = reply(request, to, &Reply { status, reason, tag: &tag, headers, body: "" });
        self.outbox.push_back(Output::Transmit { to, bytes });
    }
}

impl Party for Carrier {
    fn datagram(&mut self, bytes: &[u8], from: SocketAddr, now: Duration) {
        let Some(text) = Text::read(bytes) else { return };
        let call_id = text.call_id().to_owned();
        if let Some(call) = self.lines.get_mut(&call_id) {
            let happened = call.line.receive(&text, from, now, &mut self.outbox);
            self.after(&call_id, happened, now);
            return;
        }
        match text.method() {
            Some("INVITE") if text.to_tag().is_empty() => self.invite(text, from, now),
            Some("OPTIONS") => {
                self.answer(&text, from, 200, "OK", "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n")
            }
            Some("REGISTER") => self.register(&text, from),
            // RFC 3261 §17.1.1.3: an ACK is never answered; nor is a response that belongs to nothing.
            Some("ACK") | None => {}
            Some("BYE" | "CANCEL" | "INVITE" | "INFO") => {
                self.answer(&text, from, 481, "Call/Transaction Does Not Exist", "");
            }
            Some(_) => self.answer(&text, from, 501, "Not Implemented", ""),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.lines
            .values()
            .filter_map(|call| call.next.into_iter().chain(call.line.poll_timeout()).min())
            .min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        let due: Vec<String> = self
            .lines
            .iter()
            .filter(|(_, call)| call.next.into_iter().chain(call.line.poll_timeout()).any(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            let Some(call) = self.lines.get_mut(&name) else { continue };
            if call.next.is_some_and(|at| at <= now) {
                call.next = None;
                self.step(&name, now);
            }
            let Some(call) = self.lines.get_mut(&name) else { continue };
            let happened = call.line.handle_timeout(now, &mut self.outbox);
            self.after(&name, happened, now);
            if self.lines.get(&name).is_some_and(|call| call.line.finished(now))
                && let Some(call) = self.lines.remove(&name)
            {
                self.names.remove(&call.id);
            }
        }
    }
}

impl Call {
    fn sdp(&self) -> String {
        write(self.media, self.payload, self.audio.telephone_event, self.id)
    }

    fn ring(&mut self, now: Duration, out: &mut Outbox) {
        if self.behaviour.early_media {
            let sdp = self.sdp();
            self.line.ring(183, &sdp, out);
            self.sound(Sound::Ringback, out);
        } else {
            self.line.ring(180, "", out);
        }
        self.step = Step::Ringing;
        self.next = Some(now + self.behaviour.ring);
        out.push_back(Output::Event(Event::Ringing { line: self.id }));
    }

    fn answer(&mut self, now: Duration, out: &mut Outbox) {
        let sdp = self.sdp();
        self.line.answer(&sdp, now, out);
        if self.behaviour.duplicate_answer {
            self.line.repeat_answer(out);
        }
        if self.behaviour.forked_answer {
            self.line.answer(&sdp, now, out);
        }
        self.step = Step::Answered;
        self.next = None;
        let machine = self.behaviour.fate == Fate::Machine;
        out.push_back(Output::Event(Event::Answered { line: self.id, machine }));
        let pitch = (self.id % u64::from(u8::MAX)) as u8;
        self.sound(if machine { Sound::Machine(pitch) } else { Sound::Person(pitch) }, out);
    }

    fn acknowledged(&mut self, now: Duration, out: &mut Outbox) {
        let Some(talk) = self.behaviour.talk else {
            self.step = Step::TalkFirstHalf;
            self.next = Some(now);
            return;
        };
        if talk.is_zero() {
            self.step = Step::Talk;
            self.line.hang_up(now, out);
        } else {
            self.step = Step::TalkFirstHalf;
            self.next = Some(now + talk / 2);
        }
    }

    fn half_time(&mut self, now: Duration, out: &mut Outbox) {
        if self.behaviour.options {
            self.line.ask(Question::Options, now, out);
        }
        if self.behaviour.reinvite {
            self.line.ask(Question::Reinvite, now, out);
        }
        self.step = Step::Talk;
        self.next = self.behaviour.talk.map(|talk| now + talk / 2);
    }

    fn refuse(&mut self, status: u16, reason: &str, now: Duration, out: &mut Outbox) {
        self.line.refuse(status, reason, now, out);
        self.over(Ending::Refused(status), out);
    }

    fn over(&mut self, ending: Ending, out: &mut Outbox) {
        self.step = Step::Over;
        self.next = None;
        if self.media_on {
            self.media_on = false;
            out.push_back(Output::Media(Media::Stop { line: self.id }));
        }
        out.push_back(Output::Event(Event::Ended { line: self.id, ending }));
    }

    fn sound(&mut self, sound: Sound, out: &mut Outbox) {
        let order = if self.media_on {
            Media::Sound { line: self.id, sound }
        } else {
            let (local, remote) = (self.media, self.audio.address);
            Media::Start { line: self.id, local, remote, payload: self.payload, sound }
        };
        self.media_on = true;
        out.push_back(Output::Media(order));
    }
}
