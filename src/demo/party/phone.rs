//! A simulated softphone: registers with digest, keeps the registration fresh, and answers whoever calls it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::digest::{Proof, authorization};
use super::line::{Happened, Line};
use super::resend::Resend;
use super::sdp::{Audio, write};
use super::text::{Reply, Text, parameter, reply};
use super::token::Tokens;
use super::{Ending, Event, Media, Outbox, Output, Party, Sound};

/// Most dialogs a phone remembers; more INVITEs get 486.
pub const LINES_MAX: usize = 256;
/// How long after a failed registration the next try is made.
pub const REGISTER_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Most challenges that are answered in a row before a registration counts as refused.
const CHALLENGES_MAX: u32 = 2;

/// What a phone is made of.
#[derive(Clone)]
pub struct Options {
    /// User of the address of record and of digest.
    pub user: String,
    /// Digest password.
    pub password: String,
    /// Where it registers.
    pub registrar: SocketAddr,
    /// Its own SIP address, written into Contact.
    pub address: SocketAddr,
    /// Its RTP address; a phone has one call at a time.
    pub media: SocketAddr,
    /// Payload type it answers with when offered, else the other G.711 law.
    pub payload: u8,
    /// Lifetime it asks for.
    pub expires: Duration,
    /// From INVITE to 200, real time.
    pub answer_after: Duration,
    /// From ACK to its own BYE, real time; `None`: the other side hangs up.
    pub hang_up_after: Option<Duration>,
    /// Refuse every call with 486; a phone that is left "do not disturb".
    pub declines: bool,
    /// What the agent says.
    pub sound: Sound,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("user", &self.user)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Phone {
    options: Options,
    tokens: Tokens,
    registration: Registration,
    call_id: String,
    tag: String,
    cseq: u32,
    expires_s: u64,
    lines: BTreeMap<String, Call>,
    line_next: u64,
    outbox: Outbox,
}

#[derive(Clone, Debug)]
enum Registration {
    /// Not wanted (any more), or not yet.
    Off,
    /// A REGISTER is on its way.
    Asking { resend: Resend, challenges: u32, leaving: bool },
    /// Registered; refresh then.
    Fresh { refresh_at: Duration },
    /// Refused or unanswered; try again then.
    Failed { again_at: Duration },
}

#[derive(Clone, Debug)]
struct Call {
    id: u64,
    line: Line,
    audio: Audio,
    payload: u8,
    step: Step,
    next: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ringing,
    Answered,
    Talking,
    Over,
}

impl Phone {
    /// A phone that is switched off; see [`Self::sign_on`].
    pub fn new(options: Options, mut tokens: Tokens) -> Self {
        Self {
            call_id: tokens.token(),
            tag: tokens.token(),
            expires_s: options.expires.as_secs(),
            options,
            tokens,
            registration: Registration::Off,
            cseq: 0,
            lines: BTreeMap::new(),
            line_next: 1,
            outbox: Outbox::new(),
        }
    }

    /// Registers, and keeps the registration fresh.
    pub fn sign_on(&mut self, now: Duration) {
        self.ask(self.expires_s, "", 0, now);
    }

    /// Removes the registration (RFC 3261 §10.2.2). Calls go on.
    pub fn sign_off(&mut self, now: Duration) {
        self.ask(0, "", 0, now);
    }

    /// Ends the call, if there is one.
    pub fn hang_up(&mut self, now: Duration) {
        for call in self.lines.values_mut() {
            call.line.hang_up(now, &mut self.outbox);
        }
    }

    /// Whether the registrar last said yes.
    pub fn registered(&self) -> bool {
        matches!(self.registration, Registration::Fresh { .. })
    }

    /// Whether a call is up.
    pub fn talking(&self) -> bool {
        self.lines.values().any(|call| call.step == Step::Talking)
    }

    fn ask(&mut self, expires_s: u64, authorization: &str, challenges: u32, now: Duration) {
        let Options { user, registrar, address, .. } = &self.options;
        self.cseq += 1;
        let request = format!(
            "REGISTER sip:{registrar} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch={branch};rport\r\nMax-Forwards: \
             70\r\nFrom: <sip:{user}@{registrar}>;tag={tag}\r\nTo: <sip:{user}@{registrar}>\r\nCall-ID: {call_id}\r\nCSeq: \
             {cseq} REGISTER\r\nContact: <sip:{user}@{address}>\r\nExpires: {expires_s}\r\n{authorization}User-Agent: Carillon \
             demo phone\r\nContent-Length: 0\r\n\r\n",
            branch = self.tokens.branch(),
            tag = self.tag,
            call_id = self.call_id,
            cseq = self.cseq,
        );
        let resend = Resend::start(*registrar, request.into_bytes(), now, &mut self.outbox);
        self.registration = Registration::Asking { resend, challenges, leaving: expires_s == 0 };
    }

    fn register_answered(&mut self, text: &Text, now: Duration) {
        let Registration::Asking { challenges, leaving, .. } = self.registration else { return };
        let (number, method) = text.cseq();
        let Some(status) = text.status() else { return };
        if number != self.cseq || method != "REGISTER" || status < 200 {
            return;
        }
        let expires_s = if leaving { 0 } else { self.expires_s };
        match status {
            200..=299 if leaving => self.registration = Registration::Off,
            200..=299 => {
                let granted = granted_seconds(text, &self.options).unwrap_or(self.expires_s);
                // Half the lifetime leaves room for a whole lost transaction.
                self.registration =
                    Registration::Fresh { refresh_at: now + Duration::from_secs(granted.max(2)) / 2 };
                self.outbox.push_back(Output::Event(Event::Registered));
            }
            401 | 407 if challenges < CHALLENGES_MAX => match self.proof(text, status) {
                Some(line) => self.ask(expires_s, &line, challenges + 1, now),
                None => self.register_failed(status, leaving, now),
            },
            // RFC 3261 §10.2.8: the registrar wants longer bindings.
            423 if challenges < CHALLENGES_MAX => match text.header("Min-Expires").parse() {
                Ok(seconds) if seconds > self.expires_s && !leaving => {
                    self.expires_s = seconds;
                    self.ask(seconds, "", challenges + 1, now);
                }
                _ => self.register_failed(status, leaving, now),
            },
            _ => self.register_failed(status, leaving, now),
        }
    }

    fn proof(&mut self, text: &Text, status: u16) -> Option<String> {
        let (challenge, header) = match status {
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => ("WWW-Authenticate", "Authorization"),
        };
        let uri = format!("sip:{}", self.options.registrar);
        let cnonce = self.tokens.token();
        let Options { user, password, .. } = &self.options;
        let proof =
            Proof { username: user, password, method: "REGISTER", uri: &uri, count: 1, cnonce: &cnonce };
        // A registrar may offer several algorithms; this phone speaks MD5.
        let value = text.all(challenge).find_map(|challenge| authorization(challenge, &proof))?;
        Some(format!("{header}: {value}\r\n"))
    }

    fn register_failed(&mut self, status: u16, leaving: bool, now: Duration) {
        self.outbox.push_back(Output::Event(Event::RegisterFailed { status }));
        self.registration = if leaving {
            Registration::Off
        } else {
            Registration::Failed { again_at: now + REGISTER_AGAIN_AFTER }
        };
    }

    fn invite(&mut self, text: Text, from: SocketAddr, now: Duration) {
        let busy = self.lines.values().any(|call| call.step != Step::Over);
        if busy || self.options.declines || self.lines.len() >= LINES_MAX {
            self.answer(&text, from, 486, "Busy Here");
            return;
        }
        let chosen =
            Audio::read(&text.body).and_then(|audio| Some((audio.choose(self.options.payload)?, audio)));
        let Some((payload, audio)) = chosen else {
            self.answer(&text, from, 488, "Not Acceptable Here");
            return;
        };
        let id = self.line_next;
        self.line_next += 1;
        let tag = self.tokens.token();
        let name = text.call_id().to_owned();
        let mut line = Line::open(text, from, self.options.address, &tag, &mut self.outbox);
        self.outbox.push_back(Output::Event(Event::Arrived { line: id, called: self.options.user.clone() }));
        line.ring(180, "", &mut self.outbox);
        self.outbox.push_back(Output::Event(Event::Ringing { line: id }));
        let next = Some(now + self.options.answer_after);
        self.lines.insert(name, Call { id, line, audio, payload, step: Step::Ringing, next });
    }

    fn after(&mut self, name: &str, happened: Option<Happened>, now: Duration) {
        let Some(call) = self.lines.get_mut(name) else { return };
        let out = &mut self.outbox;
        match happened {
            None => {}
            Some(Happened::CancelAsked) => {
                call.line.refuse(487, "Request Terminated", now, out);
                call.over(Ending::Cancelled, out);
            }
            Some(Happened::Acknowledged) => {
                call.step = Step::Talking;
                call.next = self.options.hang_up_after.map(|after| now + after);
            }
            Some(Happened::Ended(ending)) => call.over(ending, out),
        }
    }

    fn answer(&mut self, request: &Text, to: SocketAddr, status: u16, reason: &str) {
        let tag = self.tokens.token();
        let bytes = reply(request, to, &Reply { status, reason, tag: &tag, ..Reply::default() });
        self.outbox.push_back(Output::Transmit { to, bytes });
    }
}

impl Party for Phone {
    fn datagram(&mut self, bytes: &[u8], from: SocketAddr, now: Duration) {
        let Some(text) = Text::read(bytes) else { return };
        let name = text.call_id().to_owned();
        if name == self.call_id {
            self.register_answered(&text, now);
            return;
        }
        if let Some(call) = self.lines.get_mut(&name) {
            let happened = call.line.receive(&text, from, now, &mut self.outbox);
            self.after(&name, happened, now);
            return;
        }
        match text.method() {
            Some("INVITE") if text.to_tag().is_empty() => self.invite(text, from, now),
            Some("OPTIONS") => self.answer(&text, from, 200, "OK"),
            Some("ACK") | None => {}
            Some("BYE" | "CANCEL" | "INVITE" | "INFO") => {
                self.answer(&text, from, 481, "Call/Transaction Does Not Exist");
            }
            Some(_) => self.answer(&text, from, 501, "Not Implemented"),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let registration = match &self.registration {
            Registration::Off => None,
            Registration::Asking { resend, .. } => Some(resend.due()),
            Registration::Fresh { refresh_at } => Some(*refresh_at),
            Registration::Failed { again_at } => Some(*again_at),
        };
        let lines = self
            .lines
            .values()
            .filter_map(|call| call.next.into_iter().chain(call.line.poll_timeout()).min());
        lines.chain(registration).min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        match &mut self.registration {
            Registration::Off => {}
            Registration::Asking { resend, leaving, .. } => {
                if !resend.handle(now, &mut self.outbox) {
                    let leaving = *leaving;
                    self.register_failed(408, leaving, now);
                }
            }
            Registration::Fresh { refresh_at: at } | Registration::Failed { again_at: at } => {
                if *at <= now {
                    self.ask(self.expires_s, "", 0, now);
                }
            }
        }
        let names: Vec<String> = self.lines.keys().cloned().collect();
        for name in names {
            let Some(call) = self.lines.get_mut(&name) else { continue };
            if call.next.is_some_and(|at| at <= now) {
                call.next = None;
                call.step(&self.options, now, &mut self.outbox);
            }
            let happened = call.line.handle_timeout(now, &mut self.outbox);
            let finished = call.line.finished(now);
            self.after(&name, happened, now);
            if finished {
                self.lines.remove(&name);
            }
        }
    }
}

impl Call {
    fn step(&mut self, options: &Options, now: Duration, out: &mut Outbox) {
        match self.step {
            Step::Ringing => {
                let sdp = write(options.media, self.payload, self.audio.telephone_event, self.id);
                self.line.answer(&sdp, now, out);
                self.step = Step::Answered;
                out.push_back(Output::Event(Event::Answered { line: self.id, machine: false }));
                out.push_back(Output::Media(Media::Start {
                    line: self.id,
                    local: options.media,
                    remote: self.audio.address,
                    payload: self.payload,
                    sound: options.sound,
                }));
            }
            Step::Talking => self.line.hang_up(now, out),
            Step::Answered | Step::Over => {}
        }
    }

    fn over(&mut self, ending: Ending, out: &mut Outbox) {
        if matches!(self.step, Step::Answered | Step::Talking) {
            out.push_back(Output::Media(Media::Stop { line: self.id }));
        }
        self.step = Step::Over;
        self.next = None;
        out.push_back(Output::Event(Event::Ended { line: self.id, ending }));
    }
}

/// The lifetime that the registrar gave our contact (RFC 3261 §10.2.4).
fn granted_seconds(text: &Text, options: &Options) -> Option<u64> {
    let own = format!("{}@{}", options.user, options.address);
    let contact = text.all("Contact").find(|value| value.contains(&own)).unwrap_or_default();
    parameter(contact, "expires").parse().ok().or_else(|| text.header("Expires").parse().ok())
}
