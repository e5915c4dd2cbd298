//! The whole gateway with a call in it: whatever comes from whom, in whatever order.
//!
//! An input is a script: steps parted by NUL, of which the first octet says what happens and the rest is what is said. See
//! [`Stage::step`]. What only the gateway knows, like its tag, is written as `{tag}` in a message, so that scripts get into its dialogs.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use carillon_sip::auth::Ha1;
use carillon_sip::command::{AgentLegMode, Command, PlaceCall};
use carillon_sip::event::Event;
use carillon_sip::gateway::{Gateway, Output};
use carillon_sip::id::CallId;
use carillon_sip::options::{Options, Secret, TrunkOptions, UserOptions};
use carillon_sip::transport::is_nobodys;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Who there is.
const OURS: &str = "192.0.2.1:5060";
const CARRIER: &str = "192.0.2.10:5060";
const PHONE: &str = "192.0.2.50:5062";
const COLLEAGUE: &str = "192.0.2.51:5062";
const STRANGER: &str = "203.0.113.66:5060";
/// The call that there is from the beginning.
const CALL: CallId = CallId(1);
/// Steps of a script; the rest is not read.
const STEPS_MAX: usize = 32;
/// Longer than any timer but those of sessions that somebody keeps up.
const LONG: Duration = Duration::from_secs(3_600);
/// One message of a peer makes the gateway send no more than this at once, and nobody is reached by more of them.
const SENT_MAX: usize = 24;

/// Plays a script. Nothing panics, nothing is sent to those who did not send and are not called, unless the carrier or a phone has
/// named their address, and when all has been hung up and time has passed, nothing is left.
pub fn gateway(octets: &[u8]) {
    let mut stage = Stage::new();
    for step in octets.split(|octet| *octet == 0).take(STEPS_MAX) {
        stage.step(step);
    }
    stage.end();
}

/// The gateway and what it said.
struct Stage {
    gateway: Gateway,
    now: Duration,
    /// The last INVITEs to the carrier and to the phone.
    invites: [String; 2],
    /// Who may be sent to.
    known: BTreeSet<IpAddr>,
    /// Every call there ever was: that one, and those from outside.
    calls: Vec<CallId>,
    /// How often a call and an agent were joined.
    joined: u32,
}

impl Stage {
    fn new() -> Self {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let mut options = Options::new(vec![at(OURS).into()], at(OURS).ip());
        options.trunks = vec![TrunkOptions {
            max_calls: 10,
            calls_per_second: 10.0,
            caller_ids: vec!["+15550100".into()],
            ..TrunkOptions::new("carrier", at(CARRIER))
        }];
        let user = |name: &str, phone: &str| UserOptions {
            user: name.to_owned(),
            ha1: Ha1::of(name, "carillon", &Secret::new("open sesame")),
            contact: Some(format!("sip:{name}@{phone}")),
            preferred_device: None,
        };
        options.users = vec![user("anna", PHONE), user("ben", COLLEAGUE)];
        let gateway = Gateway::new(options, ChaCha20Rng::seed_from_u64(7), Duration::ZERO);
        let known = [CARRIER, PHONE, COLLEAGUE].map(|peer| at(peer).ip()).into();
        let mut stage = Self {
            gateway,
            now: Duration::ZERO,
            invites: Default::default(),
            known,
            calls: vec![CALL],
            joined: 0,
        };
        for user in ["anna", "ben"] {
            stage.command(Command::SignOn { user: user.to_owned(), leg: AgentLegMode::PerCall });
        }
        let number = "+15550199".to_owned();
        stage.command(Command::Reserve { call: CALL, number, first: None, trunks: Vec::new() });
        stage
    }

    /// One step: `c`, `p`, `b` and `s` are messages of the carrier, of the agent's phone, of the colleague's and of a stranger; `t` lets
    /// time pass, as many tenths of a second as the next octet says; `j` joins call and agent, `d` parts them, `h` hangs up, `x`
    /// tells that the carrier is not reached.
    fn step(&mut self, step: &[u8]) {
        let Some((what, said)) = step.split_first() else { return };
        match what {
            b'c' => self.message(CARRIER, said),
            b'p' => self.message(PHONE, said),
            b'b' => self.message(COLLEAGUE, said),
            b's' => self.message(STRANGER, said),
            b't' => {
                self.pass(Duration::from_millis(said.first().map_or(0, |tenths| u64::from(*tenths) * 100)))
            }
            b'j' => self.command(Command::Connect { call: CALL, user: "anna".to_owned(), record: None }),
            b'd' => self.command(Command::Disconnect { call: CALL }),
            b'h' => self.command(Command::HangUp { call: CALL }),
            b'x' => {
                let carrier: SocketAddr = CARRIER.parse().expect("an address");
                let local: SocketAddr = OURS.parse().expect("an address");
                self.gateway.transport_error(carrier, local, self.now);
                self.drain();
            }
            _ => {}
        }
    }

    fn message(&mut self, from: &str, said: &[u8]) {
        let from: SocketAddr = from.parse().expect("an address");
        let local: SocketAddr = OURS.parse().expect("an address");
        self.known.insert(from.ip());
        let message = self.filled(said);
        if from.to_string() != STRANGER {
            self.known.extend(addresses(&message));
        }
        self.gateway.datagram(message, from, local, self.now);
        let sent = self.drain();
        assert!(sent <= SENT_MAX, "{sent} messages for one");
    }

    /// A message with what it stands for in place of what it names: of the INVITE to the carrier, and, with `phone-` before it,
    /// to the phone.
    fn filled(&self, said: &[u8]) -> Bytes {
        let Ok(text) = std::str::from_utf8(said) else { return Bytes::copy_from_slice(said) };
        let mut text = text.to_owned();
        for (before, invite) in ["", "phone-"].into_iter().zip(&self.invites) {
            for (name, value) in words(invite) {
                text = text.replace(&format!("{{{before}{name}}}"), value);
            }
        }
        text.into()
    }

    fn command(&mut self, command: Command) {
        self.gateway.command(command, self.now);
        self.drain();
    }

    /// Takes all that comes out; how many messages were sent.
    fn drain(&mut self) -> usize {
        let mut sent = 0;
        while let Some(output) = self.gateway.poll_output() {
            match output {
                Output::Transmit { to, bytes, .. } => {
                    sent += 1;
                    assert!(self.known.contains(&to.ip()), "{to} neither sent anything nor is called");
                    assert!(!is_nobodys(to.ip()) && !to.ip().is_loopback(), "{to} is nobody's to name");
                    let text = String::from_utf8_lossy(&bytes);
                    if text.starts_with("INVITE ") {
                        let phone = usize::from(to.to_string() != CARRIER);
                        self.invites[phone] = text.into_owned();
                    }
                }
                Output::Event(event) => self.told(event),
                Output::Media(_) | Output::Resolve(_) | Output::Sign(_) => {}
            }
        }
        sent
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Reserved { call, route } | Event::Diverted { call, route, .. } => {
                let not_after = self.now + Duration::from_secs(2);
                self.gateway.command(Command::Place(PlaceCall { call, route, not_after }), self.now);
            }
            Event::Incoming(incoming) => {
                let call = CallId(self.calls.len() as u64 + 1);
                self.calls.push(call);
                self.gateway.command(Command::Ring { offer: incoming.offer, call }, self.now);
            }
            Event::Connected { .. } => self.joined += 1,
            _ => {}
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

    /// Everybody goes home.
    fn end(mut self) {
        for call in self.calls.clone() {
            self.command(Command::HangUp { call });
        }
        for user in ["anna", "ben"] {
            self.command(Command::SignOff { user: user.to_owned() });
        }
        self.pass(LONG);
        assert_eq!(self.gateway.calls(), 0, "calls are left");
        assert_eq!(self.gateway.unfinished(self.now), 0, "something waits");
        assert_eq!(self.gateway.leftovers(), (0, 0, 0), "legs, streams, transactions are left");
    }
}

/// Every address in a message: a Contact or a Record-Route of those whom we call may lead elsewhere (RFC 3261 §12.2.1.1).
fn addresses(message: &[u8]) -> Vec<IpAddr> {
    let text = String::from_utf8_lossy(message);
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
    // Alone, or an IPv4 address before its port; the brackets of an IPv6 address part it from its own.
    let ip = |word: &str| word.parse().or_else(|_| word.split(':').next().unwrap_or_default().parse()).ok();
    words.filter_map(ip).collect()
}

/// What only the gateway knows of a request of its own.
fn words(invite: &str) -> [(&'static str, &str); 5] {
    let after = |mark: &str| invite.split_once(mark).map_or("", |(_, rest)| rest);
    let until = |text: &'_ str, ends: &[char]| text.find(|c| ends.contains(&c)).unwrap_or(text.len());
    let cut = |mark: &str, ends: &[char]| {
        let text = after(mark);
        &text[..until(text, ends)]
    };
    [
        ("call", cut("\r\nCall-ID: ", &['\r'])),
        ("tag", cut(";tag=", &['\r', ';'])),
        ("branch", cut("branch=", &['\r', ';'])),
        ("cseq", cut("\r\nCSeq: ", &[' '])),
        ("contact", cut("\r\nContact: <", &['>'])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scripts are worth something only if they come into a call.
    #[test]
    fn a_script_joins_a_customer_and_an_agent() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/fuzz/gateway/");
        let script = std::fs::read(format!("{folder}answered")).unwrap();
        let steps: Vec<&[u8]> = script.split(|octet| *octet == 0).collect();
        let [before @ .., bye] = steps.as_slice() else { panic!("steps") };
        let mut stage = Stage::new();
        for step in before {
            stage.step(step);
        }
        assert!(stage.invites.iter().all(|invite| !invite.is_empty()), "both were called");
        assert_eq!(stage.joined, 1);
        stage.step(bye);
        assert_eq!(stage.gateway.calls(), 0, "the customer has hung up");
        stage.end();
    }
}
