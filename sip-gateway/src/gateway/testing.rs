//! A bench for the gateway with peers that write and read SIP as plain text, knowing nothing of our codec.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Gateway, Output};
use crate::auth::Ha1;
use crate::command::{AgentLegMode, Binding, Command, PlaceCall};
use crate::event::{Event, Room, Route};
use crate::id::CallId;
use crate::media::MediaCommand;
use crate::options::{Options, Secret, TrunkOptions, UserOptions};
use crate::passport::SignRequest;
use crate::resolve::{Answer, Question};
use crate::transport::Local;

pub(super) const LOCAL: &str = "192.0.2.1:5060";
pub(super) const CARRIER: &str = "192.0.2.10:5060";
pub(super) const PHONE: &str = "192.0.2.50:5062";
pub(super) const STRANGER: &str = "203.0.113.66:5060";

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A message read with plain string operations.
#[derive(Clone, Debug)]
pub(super) struct Text(pub String);

impl Text {
    pub(super) fn start(&self) -> &str {
        self.0.lines().next().unwrap()
    }

    pub(super) fn is(&self, start: &str) -> bool {
        self.0.starts_with(start)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers(name).first().unwrap_or_else(|| panic!("no {name} in\n{}", self.0))
    }

    pub(super) fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap();
        let prefix = format!("{name}: ");
        head.split("\r\n").filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
    }

    pub(super) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").unwrap().1
    }

    /// The text between two marks.
    pub(super) fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.0.split_once(before).unwrap().1;
        rest.split_once(after).unwrap().0
    }

    pub(super) fn branch(&self) -> &str {
        self.header("Via").split("branch=").nth(1).unwrap().split(';').next().unwrap()
    }

    pub(super) fn own_tag(&self) -> &str {
        self.header("From").split(";tag=").nth(1).unwrap()
    }

    pub(super) fn cseq(&self) -> u32 {
        self.header("CSeq").split(' ').next().unwrap().parse().unwrap()
    }

    /// A response to this request, as a peer would write it. `tag` empty: none is added.
    pub(super) fn reply(&self, status: &str, tag: &str, more: &[&str], body: &str) -> String {
        let mut lines = vec![format!("SIP/2.0 {status}")];
        lines.extend(self.headers("Via").iter().map(|via| format!("Via: {via}")));
        lines.push(format!("From: {}", self.header("From")));
        let to = self.header("To");
        let tag = if tag.is_empty() || to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        lines.push(format!("To: {to}{tag}"));
        lines.push(format!("Call-ID: {}", self.header("Call-ID")));
        lines.push(format!("CSeq: {}", self.header("CSeq")));
        finish(lines, more, body)
    }

    /// A request of the callee within the dialog that this INVITE and `tag` made.
    pub(super) fn request(&self, method: &str, tag: &str, cseq: u32, more: &[&str], body: &str) -> String {
        let target = self.between("Contact: <", ">");
        let lines = vec![
            format!("{method} {target} SIP/2.0"),
            format!("Via: SIP/2.0/UDP {CARRIER};branch=z9hG4bKpeer{method}{cseq}{tag}"),
            "Max-Forwards: 70".to_owned(),
            format!("From: {};tag={tag}", self.header("To")),
            format!("To: {}", self.header("From")),
            format!("Call-ID: {}", self.header("Call-ID")),
            format!("CSeq: {cseq} {method}"),
        ];
        finish(lines, more, body)
    }
}

fn finish(mut lines: Vec<String>, more: &[&str], body: &str) -> String {
    lines.extend(more.iter().map(|line| (*line).to_owned()));
    if !body.is_empty() {
        lines.push("Content-Type: application/sdp".to_owned());
    }
    lines.push(format!("Content-Length: {}", body.len()));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

/// A peer's session.
pub(super) fn sdp(port: u16, formats: &str, direction: &str) -> String {
    let digits = if formats.contains("101") { "a=rtpmap:101 telephone-event/8000\r\n" } else { "" };
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\n{digits}a={direction}\r\n"
    )
}

pub(super) const CONTACT: &str = "Contact: <sip:callee@192.0.2.10:5060>";

pub(super) fn trunk(name: &str) -> TrunkOptions {
    TrunkOptions {
        max_calls: 10,
        calls_per_second: 10.0,
        incoming_per_second: None,
        caller_ids: vec!["+15550100".to_owned(), "+15550101".to_owned()],
        ..TrunkOptions::new(name, address(CARRIER))
    }
}

pub(super) fn options() -> Options {
    let user = |name: &str, contact: Option<&str>| UserOptions {
        user: name.to_owned(),
        ha1: Ha1::of(name, "carillon", &Secret::new("open sesame")),
        contact: contact.map(str::to_owned),
        preferred_device: None,
    };
    Options {
        rtp_ports: (20_000, 20_099),
        trunks: vec![trunk("alpha")],
        users: vec![user("anna", None), user("ben", Some("sip:ben@192.0.2.51:5062"))],
        register_expires_min: Duration::from_secs(60),
        ..Options::new(vec![address(LOCAL).into()], address(LOCAL).ip())
    }
}

/// A gateway, its clock, and what came out of it and was not looked at yet.
pub(super) struct Bench {
    pub gateway: Gateway,
    pub now: Duration,
    /// What peers speak to and are spoken to from.
    pub local: Local,
    wire: Vec<(SocketAddr, Text)>,
    events: Vec<Event>,
    media: Vec<MediaCommand>,
    /// What a nameserver is asked and has not answered yet.
    pub questions: Vec<Question>,
    /// What a service is to sign and has not.
    pub requests: Vec<SignRequest>,
    room: Room,
}

impl Bench {
    pub(super) fn new(options: Options) -> Self {
        let mut bench = Self::untouched(options);
        bench.events();
        bench
    }

    /// A bench whose first events were not taken yet.
    pub(super) fn untouched(options: Options) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(7);
        let local = options.listen[0];
        let gateway = Gateway::new(options, rng, Duration::ZERO);
        let now = Duration::ZERO;
        let mut bench = Self {
            gateway,
            now,
            local,
            wire: Vec::new(),
            events: Vec::new(),
            media: Vec::new(),
            questions: Vec::new(),
            requests: Vec::new(),
            room: Room::default(),
        };
        bench.drain();
        bench
    }

    pub(super) fn command(&mut self, command: Command) {
        self.gateway.command(command, self.now);
        self.drain();
    }

    pub(super) fn feed(&mut self, from: &str, text: String) {
        self.gateway.datagram(Bytes::from(text), address(from), self.local, self.now);
        self.drain();
    }

    pub(super) fn media_event(&mut self, event: crate::media::MediaEvent) {
        self.gateway.media(event, self.now);
        self.drain();
    }

    pub(super) fn unreachable(&mut self, to: &str) {
        self.gateway.transport_error(address(to), self.local, self.now);
        self.drain();
    }

    /// The nameserver answers everything that it was asked and is asked then.
    pub(super) fn answer(&mut self, answer: impl Fn(&Question) -> Answer) {
        while let Some(question) = self.questions.pop() {
            let said = answer(&question);
            self.gateway.resolved(question, said, self.now);
            self.drain();
        }
    }

    /// Lets time pass, waking the gateway whenever it asked for it.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.gateway.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now || at == Duration::ZERO, "a deadline was missed");
            self.now = self.now.max(at);
            self.gateway.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Messages to a peer since the last look.
    pub(super) fn sent(&mut self, to: &str) -> Vec<Text> {
        let to = address(to);
        let (taken, left) = std::mem::take(&mut self.wire).into_iter().partition(|(at, _)| *at == to);
        self.wire = left;
        let taken: Vec<(SocketAddr, Text)> = taken;
        taken.into_iter().map(|(_, text)| text).collect()
    }

    /// The one message to a peer since the last look.
    pub(super) fn one(&mut self, to: &str) -> Text {
        let sent = self.sent(to);
        let [one] = sent.as_slice() else {
            panic!("{} messages: {:?}", sent.len(), sent.iter().map(Text::start).collect::<Vec<_>>())
        };
        one.clone()
    }

    pub(super) fn starts(&mut self, to: &str) -> Vec<String> {
        let word = |text: &Text| text.start().split(' ').take(2).collect::<Vec<_>>().join(" ");
        let sent = self.sent(to);
        sent.iter()
            .map(|text| match text.start().strip_prefix("SIP/2.0 ") {
                Some(status) => status.to_owned(),
                None => word(text).split(' ').next().unwrap().to_owned(),
            })
            .collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn last_event(&mut self) -> Event {
        self.events.pop().expect("an event")
    }

    pub(super) fn media(&mut self) -> Vec<MediaCommand> {
        std::mem::take(&mut self.media)
    }

    /// Reserves a call; its route. Other events stay.
    pub(super) fn reserve(&mut self, call: u64) -> Route {
        let number = "+15550199".to_owned();
        self.command(Command::Reserve { call: CallId(call), number, first: None, trunks: Vec::new() });
        match self.events.pop() {
            Some(Event::Reserved { route, .. }) => route,
            other => panic!("{other:?}"),
        }
    }

    /// Reserves and places a call; its INVITE. Other messages and events stay.
    pub(super) fn place(&mut self, call: u64) -> Text {
        let route = self.reserve(call);
        let (call_id, not_after) = (route.call_id.clone(), self.now + Duration::from_secs(2));
        self.command(Command::Place(PlaceCall { call: CallId(call), route, not_after }));
        let ours = |(_, text): &(SocketAddr, Text)| text.is("INVITE ") && text.header("Call-ID") == call_id;
        let at = self.wire.iter().position(ours).expect("the INVITE leaves at once");
        let (_, invite) = self.wire.remove(at);
        assert_eq!(self.events.pop(), Some(Event::Placed { call: CallId(call) }));
        self.media();
        invite
    }

    /// An answered call; its INVITE.
    pub(super) fn answered(&mut self, call: u64) -> Text {
        let invite = self.place(call);
        self.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0 101", "sendrecv")));
        assert_eq!(self.starts(CARRIER), ["ACK"]);
        assert!(matches!(self.last_event(), Event::Answered { .. }));
        self.media();
        invite
    }

    /// Whether a message to this peer was not looked at yet.
    pub(super) fn waiting(&self, to: &str) -> bool {
        self.wire.iter().any(|(at, _)| *at == address(to))
    }

    /// Registers anna's phone as if it had been stored.
    pub(super) fn bind_anna(&mut self) {
        self.command(Command::RestoreBinding(stored("sip:anna@10.0.0.5:5062", PHONE, self.local)));
    }

    /// Signs anna on with a persistent leg that is up; its INVITE.
    pub(super) fn anna_up(&mut self) -> Text {
        self.bind_anna();
        self.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
        let invite = self.one(PHONE);
        self.feed(PHONE, invite.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "8 0 101", "sendrecv")));
        assert_eq!(self.starts(PHONE), ["ACK"]);
        assert!(matches!(
            self.events().as_slice(),
            [Event::AgentLegCalling { .. }, Event::AgentReachable { leg: Some(_), .. }]
        ));
        self.media();
        invite
    }

    pub(super) fn connect(&mut self, call: u64, user: &str) {
        let record = Some(PathBuf::from("call.wav"));
        self.command(Command::Connect { call: CallId(call), user: user.into(), record });
    }

    /// The room as its owner is told of it: asked for only when it may differ. It is what it is.
    fn look_at_room(&mut self) {
        if self.gateway.room_may_differ(self.now) {
            self.gateway.update_room(&mut self.room, self.now);
        }
        assert_eq!(self.room, self.gateway.room(self.now));
    }

    pub(super) fn drain(&mut self) {
        self.look_at_room();
        while let Some(output) = self.gateway.poll_output() {
            match output {
                Output::Transmit { to, local, bytes } => {
                    assert_eq!(local, self.local);
                    self.wire.push((to, Text(String::from_utf8(bytes.to_vec()).unwrap())));
                }
                Output::Event(event) => self.events.push(event),
                Output::Media(command) => self.media.push(command),
                Output::Resolve(question) => self.questions.push(question),
                Output::Sign(request) => self.requests.push(request),
            }
        }
    }
}

/// A stored binding of anna's.
pub(super) fn stored(contact: &str, at: &str, local: Local) -> Binding {
    Binding {
        user: "anna".into(),
        contact: contact.into(),
        address: address(at),
        local,
        expires_in: Duration::from_secs(3600),
        bound_for: Duration::ZERO,
        call_id: "stored".into(),
        cseq: 1,
        instance: None,
        reg_id: None,
        q: 1_000,
        path: Vec::new(),
    }
}

pub(super) const PHONE_CONTACT: &str = "Contact: <sip:anna@10.0.0.5:5062>";

/// Media commands as short words.
pub(super) fn words(media: &[MediaCommand]) -> Vec<String> {
    let word = |command: &MediaCommand| match command {
        MediaCommand::Open { stream, .. } => format!("open {stream}"),
        MediaCommand::SetRemote { stream, remote } => {
            format!("remote {stream} {} {:?}", remote.address, remote.codec)
        }
        MediaCommand::Silence { stream, on } => format!("silence {stream} {on}"),
        MediaCommand::Splice { customer, agent, record, .. } => {
            format!("splice {customer} {agent}{}", if record.is_some() { " recorded" } else { "" })
        }
        MediaCommand::HandOver { customer, agent, .. } => format!("hand over {customer} {agent}"),
        MediaCommand::Unsplice { customer, agent, .. } => format!("unsplice {customer} {agent}"),
        MediaCommand::Digit { stream, digit } => format!("digit {stream} {}", digit.event),
        MediaCommand::Play { stream, .. } => format!("play {stream}"),
        MediaCommand::Close { stream } => format!("close {stream}"),
    };
    media.iter().map(word).collect()
}
