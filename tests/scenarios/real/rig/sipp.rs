//! SIPp as carrier or as phone: one of the scenarios in `tests/sipp`.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::customer::Customer;
use super::network::Host;
use super::process::{Process, eventually};
use super::{Stage, repository};

/// SIPp gives up by itself after this long.
const GIVES_UP_S: &str = "30";

/// What SIPp is to do. Made by [`Stage::sipp`].
pub struct SippPlan<'a> {
    stage: &'a Stage,
    name: &'static str,
    scenario: &'static str,
    at: SocketAddr,
    media: u16,
    calls: u32,
    pause_ms: u32,
    repeats: bool,
    remembers: bool,
    tcp: bool,
    calls_to: Option<SocketAddr>,
    words: Vec<(&'static str, String)>,
    keys: Vec<(&'static str, String)>,
}

/// SIPp at work.
pub struct Sipp {
    process: Process,
    messages: PathBuf,
    ip: IpAddr,
}

impl<'a> SippPlan<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        name: &'static str,
        scenario: &'static str,
        at: SocketAddr,
        media: u16,
    ) -> Self {
        let keys = vec![("rtp_port", media.to_string()), ("payload", "0".into()), ("codec", "PCMU".into())];
        SippPlan {
            stage,
            name,
            scenario,
            at,
            media,
            calls: 1,
            pause_ms: 0,
            repeats: true,
            remembers: true,
            tcp: false,
            calls_to: None,
            words: Vec::new(),
            keys,
        }
    }

    /// How many calls it plays; then it ends. One unless said otherwise.
    pub fn calls(mut self, calls: u32) -> Self {
        self.calls = calls;
        self
    }

    /// Takes a message that comes again for a new one. Otherwise SIPp answers it with its own last message: our second
    /// ACK with its 200, and that with the next ACK, without end.
    pub fn deaf_to_repeats(mut self) -> Self {
        self.repeats = false;
        self
    }

    /// Takes a request of a call that is over for a new call: a REGISTER of the same Call-ID.
    pub fn forgetful(mut self) -> Self {
        self.remembers = false;
        self
    }

    /// Listens on TCP, one connection for all calls.
    pub fn over_tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Calls this address by itself; then nothing waits for its port.
    pub fn calling(mut self, at: SocketAddr) -> Self {
        self.calls_to = Some(at);
        self
    }

    /// How long the pause of the scenario is: the talk.
    pub fn pause_ms(mut self, pause_ms: u32) -> Self {
        self.pause_ms = pause_ms;
        self
    }

    /// What stands in place of `@WORD@`: SIPp wants start lines and header names written out.
    pub fn word(mut self, word: &'static str, text: &str) -> Self {
        self.words.push((word, text.to_owned()));
        self
    }

    /// Names the customer's port and law in the SDP.
    pub fn customer(mut self, customer: &Customer) -> Self {
        self.keys = vec![
            ("rtp_port", customer.port().to_string()),
            ("payload", customer.law().payload_type().to_string()),
            ("codec", customer.law().name().to_owned()),
        ];
        self
    }

    /// Starts it and waits until its port is open.
    pub fn start(self) -> Sipp {
        let directory = self.stage.directory();
        let source = repository().join("tests/sipp").join(self.scenario);
        let mut text = fs::read_to_string(&source)
            .unwrap_or_else(|error| panic!("scenario {}: {error}", source.display()));
        for (word, with) in &self.words {
            assert!(text.contains(&format!("@{word}@")), "{} has no @{word}@", self.scenario);
            text = text.replace(&format!("@{word}@"), with);
        }
        let scenario = directory.join(format!("{}.xml", self.name));
        fs::write(&scenario, text).expect("the test's directory can be written");
        let messages = directory.join(format!("{}.messages", self.name));
        let ip = self.at.ip().to_string();
        let mut command = self.stage.command(Host::Theirs, Path::new("sipp"));
        command.current_dir(directory).arg("-sf").arg(&scenario).args(["-nostdin", "-i", &ip, "-mi", &ip]);
        command.args(["-p", &self.at.port().to_string(), "-mp", &self.media.to_string()]);
        command.args(["-m", &self.calls.to_string(), "-d", &self.pause_ms.to_string()]);
        command
            .args(["-timeout", GIVES_UP_S, "-timeout_error", "-trace_msg", "-message_file"])
            .arg(&messages);
        command.args(["-trace_err", "-error_file"]).arg(directory.join(format!("{}.errors.log", self.name)));
        if self.tcp {
            command.args(["-t", "t1"]);
        }
        if !self.repeats {
            command.arg("-nr");
        }
        if !self.remembers {
            command.args(["-deadcall_wait", "0"]);
        }
        for (key, value) in &self.keys {
            command.args(["-key", key, value]);
        }
        if let Some(at) = self.calls_to {
            command.arg(at.to_string());
            let process = Process::start(self.name, &mut command, directory);
            return Sipp { process, messages, ip: self.at.ip() };
        }
        let mut process = Process::start(self.name, &mut command, directory);
        let open = eventually(Duration::from_secs(5), || {
            (!process.runs() || is_bound(process.pid(), self.at, self.tcp)).then_some(())
        });
        assert!(open.is_some() && process.runs(), "SIPp did not come up:\n{}", process.output());
        Sipp { process, messages, ip: self.at.ip() }
    }
}

impl Sipp {
    /// Waits until it has played all its calls as the scenario says; fails when one of them went otherwise.
    pub fn finish(&mut self, limit: Duration) {
        let status = self.process.wait(limit);
        assert_eq!(status, 0, "SIPp did not see what its scenario says; messages:\n{}", self.messages());
    }

    /// Waits until its call has come as far as `text` in its messages.
    pub fn wait_for_message(&self, text: &str, limit: Duration) {
        let found = eventually(limit, || self.messages().contains(text).then_some(()));
        assert!(
            found.is_some(),
            "SIPp did not see `{text}` within {limit:?}; messages:\n{}",
            self.messages()
        );
    }

    /// All messages, sent and received, as it logged them.
    pub fn messages(&self) -> String {
        fs::read(&self.messages).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The RTP address that the first INVITE offered.
    pub fn offered_media(&self, limit: Duration) -> SocketAddr {
        self.wait_for_message("a=rtpmap:", limit);
        let messages = self.messages();
        let port = messages.lines().find_map(|line| line.strip_prefix("m=audio "));
        let port = port.and_then(|rest| rest.split(' ').next()).and_then(|port| port.parse().ok());
        SocketAddr::new(self.ip, port.expect("an INVITE with an offer"))
    }

    /// Requests that it received, by their start line; a retransmission counts again.
    pub fn received(&self, method: &str) -> Vec<String> {
        let messages = self.messages();
        let mut received = Vec::new();
        let mut lines = messages.lines();
        while let Some(line) = lines.next() {
            if line.contains("message received") {
                let start = lines.by_ref().find(|line| !line.trim().is_empty()).unwrap_or_default();
                if start.starts_with(&format!("{method} ")) {
                    received.push(start.trim().to_owned());
                }
            }
        }
        received
    }
}

/// Whether a program has bound a UDP port, by the kernel's table of its host: trying to bind it would be in SIPp's way.
fn is_bound(process: u32, at: SocketAddr, tcp: bool) -> bool {
    let table = match (tcp, at.is_ipv4()) {
        (true, true) => "tcp",
        (true, false) => "tcp6",
        (false, true) => "udp",
        (false, false) => "udp6",
    };
    let table = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
    let port = format!(":{:04X}", at.port());
    table.lines().any(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)))
}
