//! A campaign file of a test: one value a key, so that a test names only what it is about.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::nameserver::DOMAIN;
use super::ports::Ports;
use super::{PASSWORD, Stage, TRUNK_PASSWORD, TRUNK_USER};

/// Where an agent's phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentPhone {
    /// It registers.
    Registers,
    /// It is at the address of the phone of its index and never registers.
    Fixed,
}

/// What a campaign file says about TLS.
#[derive(Clone, Debug)]
pub struct TlsKeys {
    /// The keys of `[tls]`.
    pub own: String,
    /// Keys of the trunk, which is reached over TLS then.
    pub trunk: Option<String>,
}

/// What the campaign file says. Values are as in the file.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// `mode`.
    pub mode: &'static str,
    /// `ratio`.
    pub ratio: f64,
    /// `abandon_limit`.
    pub abandon_limit: f64,
    /// `safe_harbour`.
    pub safe_harbour: Option<&'static str>,
    /// `ring_timeout`.
    pub ring_timeout: &'static str,
    /// `record`.
    pub record: bool,
    /// `time_limit`.
    pub time_limit: &'static str,
    /// Where the trunk is, when not at the stage's own port for it.
    pub carrier: Option<SocketAddr>,
    /// Whether the trunk has a name, which [`super::Stage::nameserver`] knows.
    pub named: bool,
    /// Whether the trunk is reached over TCP; phones may come over either.
    pub tcp: bool,
    /// What it says about TLS; over TLS it listens beside UDP and TCP then.
    pub tls: Option<TlsKeys>,
    /// Whether it listens on IPv6 too, and the trunk is there.
    pub ipv6: bool,
    /// `ws` or `wss` where it listens for WebSockets too.
    pub websocket: Option<&'static str>,
    /// More keys of `[sip]`, as lines of the file.
    pub sip_keys: String,
    /// `max_calls`.
    pub max_calls: u32,
    /// `calls_per_second`.
    pub calls_per_second: f64,
    /// Whether there is a second trunk, `other`, at [`super::Stage::other_carrier`].
    pub other_trunk: bool,
    /// More keys of the first trunk, as lines of the file.
    pub trunk_keys: &'static str,
    /// More keys of the second trunk.
    pub other_keys: &'static str,
    /// `codecs`.
    pub codecs: &'static [&'static str],
    /// Whether `username` and `password` are set.
    pub credentials: bool,
    /// `register`.
    pub register: bool,
    /// `leg`.
    pub leg: &'static str,
    /// `wait_for`.
    pub wait_for: &'static str,
    /// `talk_limit`.
    pub talk_limit: &'static str,
    /// `[[agents.agent]]`, `agent1` first.
    pub agents: Vec<AgentPhone>,
    /// How many contacts the list has.
    pub contacts: u32,
    /// `attempts_max`.
    pub attempts_max: u32,
    /// The keys of `[inbound]`, as lines of the file.
    pub inbound: &'static str,
    /// `[closure.retry]`.
    pub retry: &'static [(&'static str, &'static str)],
}

impl Default for Campaign {
    /// One contact, one agent with a phone that registers, one line at a time, persistent legs, one attempt.
    fn default() -> Self {
        Campaign {
            mode: "progressive",
            ratio: 1.0,
            abandon_limit: 0.03,
            safe_harbour: None,
            ring_timeout: "5s",
            record: false,
            time_limit: "12s",
            carrier: None,
            named: false,
            tcp: false,
            tls: None,
            websocket: None,
            ipv6: false,
            sip_keys: String::new(),
            max_calls: 10,
            calls_per_second: 50.0,
            other_trunk: false,
            trunk_keys: "",
            other_keys: "",
            codecs: &["PCMU", "PCMA"],
            credentials: false,
            register: false,
            leg: "persistent",
            wait_for: "10s",
            talk_limit: "0s",
            agents: vec![AgentPhone::Registers],
            contacts: 1,
            attempts_max: 1,
            inbound: "",
            retry: &[],
        }
    }
}

impl Campaign {
    /// A campaign whose agent is a SIPp phone at a fixed address, called when a customer has answered.
    pub fn with_sipp_agent() -> Campaign {
        Campaign { leg: "per_call", agents: vec![AgentPhone::Fixed], ..Campaign::default() }
    }

    /// The number of the contact of an index; the list holds them in this order.
    pub fn number(index: u32) -> String {
        format!("+1202555{:04}", 100 + index)
    }

    /// The list.
    pub(super) fn list(&self) -> String {
        let mut text = String::from("id,number,name\n");
        for index in 0..self.contacts {
            writeln!(text, "c{index},{},Contact {index}", Campaign::number(index)).expect("a text grows");
        }
        text
    }

    /// The campaign file.
    pub(super) fn file(&self, stage: &Stage) -> String {
        let ports = &stage.ports;
        let (rtp_first, rtp_last) = ports.rtp();
        let (username, password) = if self.credentials { (TRUNK_USER, TRUNK_PASSWORD) } else { ("", "") };
        let safe_harbour =
            self.safe_harbour.map_or_else(String::new, |file| format!("safe_harbour = \"{file}\""));
        let mut agents = String::new();
        for (index, phone) in (0..).zip(&self.agents) {
            let user = Stage::user(index);
            let contact = match phone {
                AgentPhone::Registers => String::new(),
                AgentPhone::Fixed => format!("contact = \"sip:{user}@{}\"\n", ports.phone(index)),
            };
            write!(agents, "[[agents.agent]]\nuser = \"{user}\"\npassword = \"{PASSWORD}\"\n{contact}\n")
                .expect("a text grows");
        }
        let other_trunk = if self.other_trunk {
            let (uri, ids, keys) = (ports.other_carrier(), "[\"+15550000002\"]", self.other_keys);
            format!("\n[[trunk]]\nname = \"other\"\nuri = \"sip:{uri}\"\ncaller_ids = {ids}\n{keys}\n")
        } else {
            String::new()
        };
        let trunk_tls = self.tls.as_ref().and_then(|tls| tls.trunk.clone());
        let standard = if trunk_tls.is_some() { ports.carrier_tls() } else { ports.carrier() };
        let standard = if self.ipv6 { Ports::on_ipv6(standard) } else { standard };
        let carrier = self.carrier.unwrap_or(standard);
        let carrier = if self.named { DOMAIN.to_owned() } else { carrier.to_string() };
        let nameservers = match self.named {
            true => format!("nameservers = [\"{}\"]", ports.nameserver()),
            false => String::new(),
        };
        let retry: Vec<String> =
            self.retry.iter().map(|(outcome, delay)| format!("{outcome} = \"{delay}\"")).collect();
        format!(
            r#"[campaign]
name = "real-parts"
mode = "{mode}"
ratio = {ratio:?}
jurisdiction = "none"
abandon_limit = {abandon_limit:?}
abandon_after = "2s"
{safe_harbour}
ring_timeout = "{ring_timeout}"
record = {record}
time_limit = "{time_limit}"

[sip]
listen = ["udp:{listen}", "tcp:{listen}"{listen_tls}{listen_ws}{listen_ipv6}]
media_address = "{media_address}"
rtp_ports = "{rtp_first}-{rtp_last}"
{nameservers}
{sip_keys}
{tls}
[[trunk]]
name = "carrier"
uri = "sip:{carrier}{transport}"
username = "{username}"
password = "{password}"
register = {register}
max_calls = {max_calls}
calls_per_second = {calls_per_second:?}
caller_ids = ["+15550000001"]
codecs = {codecs:?}
{trunk_keys}
{trunk_tls}
{other_trunk}

[agents]
leg = "{leg}"
wait_for = "{wait_for}"
wrap_up = "200ms"
talk_limit = "{talk_limit}"
disposition = "success"

{agents}
[list]
file = "contacts.csv"
region = "US"
timezone = "UTC"

[closure]
attempts_max = {attempts_max}
within = "10d"
success = ["success"]

[closure.retry]
{retry}

[inbound]
{inbound}
"#,
            mode = self.mode,
            ratio = self.ratio,
            abandon_limit = self.abandon_limit,
            ring_timeout = self.ring_timeout,
            record = self.record,
            time_limit = self.time_limit,
            listen = ports.listen(),
            media_address = ports.media_address(),
            carrier = carrier,
            transport = match (self.tcp, &trunk_tls) {
                (_, Some(_)) => ";transport=tls",
                (true, None) => ";transport=tcp",
                (false, None) => "",
            },
            listen_tls =
                if self.tls.is_some() { format!(", \"tls:{}\"", ports.listen_tls()) } else { String::new() },
            listen_ipv6 = if self.ipv6 {
                let at = Ports::on_ipv6(ports.listen());
                format!(", \"udp:{at}\", \"tcp:{at}\"")
            } else {
                String::new()
            },
            listen_ws =
                self.websocket.map_or_else(String::new, |name| format!(", \"{name}:{}\"", ports.listen_ws())),
            tls = self.tls.as_ref().map_or_else(String::new, |tls| format!("[tls]\n{}\n", tls.own)),
            trunk_tls = trunk_tls.unwrap_or_default(),
            register = self.register,
            max_calls = self.max_calls,
            calls_per_second = self.calls_per_second,
            codecs = self.codecs,
            trunk_keys = self.trunk_keys,
            leg = self.leg,
            wait_for = self.wait_for,
            talk_limit = self.talk_limit,
            attempts_max = self.attempts_max,
            retry = retry.join("\n"),
            inbound = self.inbound,
            sip_keys = self.sip_keys,
        )
    }
}
