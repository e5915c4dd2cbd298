//! Parties on rsipstack: a carrier, a phone and a caller whose SIP stack shares nothing with ours (`tests/rsipstack`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::network::{Host, Line};
use super::process::Process;
use super::{LONG, PASSWORD, Stage, built};

/// How long it may take to do what it is there for first.
const PATIENCE: Duration = Duration::from_secs(15);

/// The program, built from the sources as they are now.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("carillon-rsipstack-peer", "rsipstack-peer"))
}

/// A stage for them. The program is built first: parts that run already would lose patience.
pub fn stage() -> Stage {
    program();
    Stage::new()
}

/// A stage for them on another host than ours.
pub fn stage_behind(line: Line) -> Stage {
    program();
    Stage::behind(line)
}

/// One party at work; ends with the test.
pub struct Peer {
    process: Process,
}

/// How it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over UDP.
    Udp,
    /// Over TCP.
    Tcp,
}

impl Peer {
    /// A carrier that answers every call and hangs up after `talk_ms`; 0: never.
    pub fn carrier(stage: &Stage, over: Transport, talk_ms: u64) -> Peer {
        let mut peer = start(stage, "carrier", stage.ports.carrier(), over, talk_ms, &["carrier".into()]);
        peer.process.wait_for_output("ready", PATIENCE);
        peer
    }

    /// The phone of `agentN`, N = `index` + 1; has registered when this returns.
    pub fn phone(stage: &Stage, index: u16, over: Transport) -> Peer {
        let registrar = stage.ports.listen().to_string();
        let words = ["phone".into(), registrar, Stage::user(index), PASSWORD.into()];
        let name = format!("phone-{}", Stage::user(index));
        let mut peer = start(stage, &name, stage.ports.phone(index), over, 0, &words);
        peer.process.wait_for_output("registered", PATIENCE);
        peer
    }

    /// A carrier that calls `number` of ours once for `caller` and hangs up after `talk_ms`.
    pub fn caller(stage: &Stage, number: &str, caller: &str, talk_ms: u64) -> Peer {
        let (at, ours) = (stage.ports.carrier(), stage.ports.listen());
        let words = ["caller".into(), format!("sip:{number}@{ours}"), format!("sip:{caller}@{at}")];
        start(stage, "caller", at, Transport::Udp, talk_ms, &words)
    }

    /// What it told, a line each.
    pub fn told(&self) -> Vec<String> {
        self.process.output().lines().map(str::to_owned).collect()
    }

    /// Waits until it ends by itself.
    pub fn finish(&mut self) {
        assert_eq!(self.process.wait(LONG), 0, "{}", self.process.output());
    }

    /// Of each call that ended, in order: who ended it, and how many packets of speech were heard.
    pub fn ended(&self) -> Vec<(String, u32)> {
        let told = self.told();
        let ended = told.iter().filter_map(|line| line.strip_prefix("ended ")?.split_once(" heard "));
        ended
            .map(|(reason, heard)| (reason.to_owned(), heard.parse().expect("the peer tells a number")))
            .collect()
    }

    /// Fails if anything went wrong there.
    pub fn assert_content(&self) {
        let told = self.told();
        assert!(!told.iter().any(|line| line.starts_with("fault")), "{told:?}");
    }
}

fn start(stage: &Stage, name: &str, at: SocketAddr, over: Transport, talk_ms: u64, words: &[String]) -> Peer {
    let mut command = stage.command(Host::Theirs, program());
    command.args(["--at", &at.to_string(), "--talk-ms", &talk_ms.to_string()]);
    if over == Transport::Tcp {
        command.arg("--tcp");
    }
    command.args(words);
    Peer { process: Process::start(&format!("rsipstack-{name}"), &mut command, stage.directory()) }
}
