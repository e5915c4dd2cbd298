//! What the signalling of a live call keeps in memory: the gateway alone, without media, sockets, dialer and store.
//!
//! Two legs a call, both answered, all transactions over. Resident memory with few and with many calls, by their difference.
//! Calls come a few hundred at a time, so that what transactions took is not counted as what calls keep.

use std::net::SocketAddr;
use std::time::Duration;

use carillon_sip::auth::Ha1;
use carillon_sip::command::{AgentLegMode, Command, PlaceCall};
use carillon_sip::event::Event;
use carillon_sip::gateway::{Gateway, Output};
use carillon_sip::id::CallId;
use carillon_sip::options::{Options, Secret, TrunkOptions, UserOptions};
use mimalloc::MiMalloc;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// As in the product.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Memory for the signalling of a live call, in KiB.
const LIMIT_KIB: f64 = 12.0;
const FEW: u64 = 1_000;
const MANY: u64 = 9_000;
/// Calls whose transactions are under way at once: what those took is used again by the next ones.
const AT_ONCE: u64 = 500;
/// How long an answered call has transactions: timer M (RFC 6026).
const TRANSACTIONS: Duration = Duration::from_secs(35);
const OURS: &str = "192.0.2.1:5060";
const CARRIER: &str = "192.0.2.10:5060";
const PHONES: &str = "192.0.2.50:5060";
const SESSION: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
                       a=rtpmap:101 telephone-event/8000\r\n";

fn main() {
    let mut stage = Stage::new();
    stage.place(1..=FEW);
    let few = stage.rest();
    stage.place(FEW + 1..=MANY);
    let many = stage.rest();
    let each = (many - few) / (MANY - FEW) as f64;
    println!("-- memory: the signalling of a live call, two legs");
    println!("resident with {FEW} calls       {few:.0} KiB");
    println!("resident with {MANY} calls      {many:.0} KiB");
    println!(
        "memory per live call           {each:.1} KiB  (limit {LIMIT_KIB}, ratio {:.2})",
        each / LIMIT_KIB
    );
}

struct Stage {
    gateway: Gateway,
    now: Duration,
    joined: u64,
}

impl Stage {
    fn new() -> Self {
        let mut options = Options::new(vec![at(OURS).into()], at(OURS).ip());
        options.rtp_ports = (1_024, 65_535);
        options.trunks = vec![TrunkOptions {
            max_calls: 100_000,
            calls_per_second: 10_000.0,
            caller_ids: vec!["+12125550100".into()],
            ..TrunkOptions::new("carrier", at(CARRIER))
        }];
        let user = |agent: u64| UserOptions {
            user: agent_name(agent),
            ha1: Ha1::of(&agent_name(agent), "carillon", &Secret::new("secret")),
            contact: Some(format!("sip:{}@{PHONES}", agent_name(agent))),
            preferred_device: None,
        };
        options.users = (1..=MANY).map(user).collect();
        let gateway = Gateway::new(options, ChaCha20Rng::seed_from_u64(7), Duration::ZERO);
        let mut stage = Self { gateway, now: Duration::ZERO, joined: 0 };
        for agent in 1..=MANY {
            stage.command(Command::SignOn { user: agent_name(agent), leg: AgentLegMode::PerCall });
        }
        stage
    }

    fn place(&mut self, calls: std::ops::RangeInclusive<u64>) {
        for call in calls.clone() {
            let number = format!("+1212{call:07}");
            self.command(Command::Reserve { call: CallId(call), number, first: None, trunks: Vec::new() });
            self.pass(Duration::from_millis(1));
            if call % AT_ONCE == 0 {
                self.pass(TRANSACTIONS);
            }
        }
        self.pass(Duration::from_secs(1));
        assert_eq!(self.joined, *calls.end(), "every call is joined with its agent");
    }

    /// Resident memory in KiB once nothing of the beginning of the calls is left.
    fn rest(&mut self) -> f64 {
        self.pass(Duration::from_secs(60));
        assert_eq!(self.gateway.calls() as u64, self.joined, "every call is still up");
        let status = std::fs::read_to_string("/proc/self/status").expect("proc(5)");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5)");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }

    fn command(&mut self, command: Command) {
        self.gateway.command(command, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.gateway.poll_output() {
            match output {
                Output::Transmit { to, bytes, local } => {
                    let text = String::from_utf8(bytes.to_vec()).expect("ours is text");
                    if text.starts_with("INVITE ") {
                        self.gateway.datagram(answer(&text).into(), to, local, self.now);
                    }
                }
                Output::Event(Event::Reserved { call, route }) => {
                    let not_after = self.now + Duration::from_secs(60);
                    self.gateway.command(Command::Place(PlaceCall { call, route, not_after }), self.now);
                }
                Output::Event(Event::Answered { call, .. }) => {
                    let user = agent_name(call.0);
                    self.gateway.command(Command::Connect { call, user, record: None }, self.now);
                }
                Output::Event(Event::Connected { .. }) => self.joined += 1,
                Output::Event(_) | Output::Media(_) | Output::Resolve(_) | Output::Sign(_) => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.gateway.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.gateway.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }
}

/// The peer's 200.
fn answer(invite: &str) -> String {
    let header = |name: &str| {
        let line = invite.split("\r\n").find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {invite}"))
    };
    format!(
        "SIP/2.0 200 OK\r\n{}\r\n{}\r\n{};tag=peer\r\n{}\r\n{}\r\nContact: <sip:peer@{CARRIER}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SESSION}",
        header("Via: "),
        header("From: "),
        header("To: "),
        header("Call-ID: "),
        header("CSeq: "),
        SESSION.len()
    )
}

fn agent_name(agent: u64) -> String {
    format!("agent{agent}")
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
