//! The rig: `carillon run` as a process of its own between parts that we did not write.

pub mod browser;
pub mod campaign;
pub mod certificates;
pub mod customer;
pub mod kamailio;
pub mod linphone;
pub mod nameserver;
pub mod network;
pub mod phone;
pub mod ports;
pub mod process;
pub mod report;
pub mod rsipstack;
pub mod sipp;
pub mod tone;
pub mod wallboard;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use self::browser::Browser;
use self::campaign::Campaign;
use self::certificates::Certificates;
use self::linphone::Linphone;
use self::network::{Host, Line, Network, Seen};
use self::phone::{Over, Phone, Setup};
use self::ports::Ports;
use self::process::{Process, Signal};
use self::report::Report;
use self::sipp::SippPlan;
use self::tone::Law;
use self::wallboard::Wallboard;

/// The tone that a customer speaks.
pub const CUSTOMER_HZ: f64 = 440.0;
/// The tone that an agent speaks.
pub const AGENT_HZ: f64 = 1_000.0;
/// The tone of the safe-harbour message.
pub const MESSAGE_HZ: f64 = 700.0;
/// The agents' password.
pub const PASSWORD: &str = "s3cret";
/// What the scenarios with digest expect.
pub const TRUNK_USER: &str = "trunkuser";
/// What the scenarios with digest expect.
pub const TRUNK_PASSWORD: &str = "trunksecret";
/// Nothing in these tests takes longer: Timer B and some more.
pub const LONG: Duration = Duration::from_secs(50);
/// Lines of each log that a failed test shows.
const LOG_LINES: usize = 60;

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder is in the repository")
}

/// The binary, built from the sources as they are now.
pub fn carillon() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("carillon", "carillon"))
}

/// A program of a package, built from the sources as they are now.
fn built(package: &str, program: &str) -> PathBuf {
    // The test is target/PROFILE/deps/scenarios-...
    let test = std::env::current_exe().expect("a test knows its program");
    let profile = test.ancestors().nth(2).expect("target/PROFILE above the test's folder");
    let target = profile.parent().expect("target above the profile");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .current_dir(repository())
        .args(["build", "--quiet", "--package", package, "--target-dir"])
        .arg(target);
    // What cargo tells the test of its package must not reach this build: libraries whose build looks at it would be built anew,
    // and all that uses them.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    if profile.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    let status = build.status().expect("cargo is there");
    assert!(status.success(), "{package} does not build");
    profile.join(program)
}

/// One test's directory and ports.
pub struct Stage {
    directory: tempfile::TempDir,
    /// The ports.
    pub ports: Ports,
    network: Option<Network>,
}

impl Stage {
    /// An empty directory and a block of ports. The binary is built first: parts that run already would lose patience.
    pub fn new() -> Stage {
        carillon();
        let directory = tempfile::tempdir().expect("a temporary directory");
        Stage { directory, ports: Ports::claim(), network: None }
    }

    /// Two hosts with a line between them: Carillon is on one, everybody else on the other.
    pub fn behind(line: Line) -> Stage {
        carillon();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let network = Network::new(directory.path(), line);
        Stage { directory, ports: Ports::between(network::OURS, network::THEIRS), network: Some(network) }
    }

    /// A command that runs on one of the hosts, where there are two.
    pub fn command(&self, host: Host, program: &Path) -> Command {
        match &self.network {
            Some(network) => network.command(host, program),
            None => Command::new(program),
        }
    }

    /// What the line between the hosts did.
    pub fn line(&self) -> Seen {
        self.network.as_ref().expect("a stage with two hosts").seen()
    }

    /// Where the test's files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the report goes.
    pub fn report_directory(&self) -> PathBuf {
        self.directory().join("report")
    }

    /// The user of the agent of an index.
    pub fn user(index: u16) -> String {
        format!("agent{}", index + 1)
    }

    /// SIPp as the carrier.
    pub fn carrier(&self, scenario: &'static str) -> SippPlan<'_> {
        SippPlan::new(self, "carrier", scenario, self.ports.carrier(), self.ports.spare_media(0))
    }

    /// SIPp as the carrier, calling us: `number` is called by `caller`.
    pub fn caller(&self, scenario: &'static str, number: &str, caller: &str) -> SippPlan<'_> {
        let plan = SippPlan::new(self, "caller", scenario, self.ports.carrier(), self.ports.spare_media(0));
        plan.calling(self.ports.listen()).word("NUMBER", number).word("CALLER", caller)
    }

    /// The same at another port of the carrier's, while that one calls.
    pub fn other_caller(&self, scenario: &'static str, number: &str, caller: &str) -> SippPlan<'_> {
        let plan =
            SippPlan::new(self, "other", scenario, self.ports.other_carrier(), self.ports.phone_rtp(3).0);
        plan.calling(self.ports.listen()).word("NUMBER", number).word("CALLER", caller)
    }

    /// SIPp as the carrier on IPv6.
    pub fn carrier_on_ipv6(&self, scenario: &'static str) -> SippPlan<'_> {
        let at = Ports::on_ipv6(self.ports.carrier());
        SippPlan::new(self, "carrier", scenario, at, self.ports.spare_media(0))
    }

    /// SIPp as the carrier of the second trunk; its media are where the fourth phone's would be.
    pub fn other_carrier(&self, scenario: &'static str) -> SippPlan<'_> {
        SippPlan::new(self, "other", scenario, self.ports.other_carrier(), self.ports.phone_rtp(3).0)
    }

    /// SIPp as the phone of the first agent.
    pub fn sipp_phone(&self, scenario: &'static str) -> SippPlan<'_> {
        SippPlan::new(self, "phone", scenario, self.ports.phone(0), self.ports.spare_media(1))
    }

    /// SIPp as another phone, at the second agent's place; it registers by itself.
    pub fn other_sipp_phone(&self, scenario: &'static str) -> SippPlan<'_> {
        let media = self.ports.spare_media(1);
        SippPlan::new(self, "other-phone", scenario, self.ports.phone(1), media).calling(self.ports.listen())
    }

    /// baresip as the phone of the agent of an index.
    pub fn phone(&self, index: u16, laws: &[Law]) -> Phone {
        self.phone_with_password(index, laws, PASSWORD)
    }

    /// The same with another password.
    pub fn phone_with_password(&self, index: u16, laws: &[Law], password: &str) -> Phone {
        self.phone_set_up(index, &Setup { laws, password, ..Setup::of(index) })
    }

    /// baresip as somebody's phone, at the ports of an index.
    pub fn phone_set_up(&self, index: u16, setup: &Setup<'_>) -> Phone {
        Phone::start(self, index, setup)
    }

    /// baresip as the phone of the agent of an index, over TCP.
    pub fn phone_over_tcp(&self, index: u16, laws: &[Law]) -> Phone {
        self.phone_set_up(index, &Setup { laws, over: Over::Tcp, ..Setup::of(index) })
    }

    /// baresip as the phone of the agent of an index, over TLS, believing the authority in a file.
    pub fn phone_over_tls(&self, index: u16, laws: &[Law], ca: &Path) -> Phone {
        self.phone_set_up(index, &Setup { laws, over: Over::Tls(ca), ..Setup::of(index) })
    }

    /// linphonec as the phone of the agent of an index, over UDP.
    pub fn linphone(&self, index: u16) -> Linphone {
        self.linphone_of(index, index)
    }

    /// linphonec as the phone of `agentN`, N = `agent` + 1, at the ports of an index.
    pub fn linphone_of(&self, agent: u16, index: u16) -> Linphone {
        Linphone::start(self, agent, index)
    }

    /// JsSIP in Chromium as the phone of the agent of an index, connecting to `socket`.
    pub fn browser(&self, index: u16, socket: &str) -> Browser {
        Browser::open(self, index, socket)
    }

    /// The same, which registers with tokens that it gets from the API at `api`.
    pub fn browser_with_tokens(&self, index: u16, socket: &str, api: &str) -> Browser {
        Browser::with_tokens(self, index, socket, api)
    }

    /// The wallboard of the service at `base` in Chromium.
    pub fn wallboard(&self, base: &str) -> Wallboard {
        Wallboard::open(self, base)
    }

    /// Certificates for the loopback address.
    pub fn certificates(&self, name: &str) -> Certificates {
        Certificates::new(self.directory(), name)
    }

    /// socat before the carrier: ends TLS with these certificates, for those who show one that `client_ca` signed.
    pub fn carrier_tls(&self, own: &Certificates, client_ca: &Path) -> Process {
        let at = self.ports.carrier_tls();
        let listen = format!(
            "OPENSSL-LISTEN:{},bind={},reuseaddr,fork,cert={},cafile={},verify=1",
            at.port(),
            at.ip(),
            own.both.display(),
            client_ca.display()
        );
        let mut command = Command::new("socat");
        command.arg("-d").arg("-d").arg(listen).arg(format!("TCP:{}", self.ports.carrier()));
        let mut process = Process::start("carrier-tls", &mut command, self.directory());
        process.wait_for_output("listening on", Duration::from_secs(5));
        process
    }

    /// Writes the campaign's files.
    pub fn write(&self, campaign: &Campaign) {
        for (name, text) in [("campaign.toml", campaign.file(self)), ("contacts.csv", campaign.list())] {
            fs::write(self.directory().join(name), text).expect("the test's directory can be written");
        }
    }

    /// Writes the campaign's files and starts `carillon run`.
    pub fn run(&self, campaign: &Campaign) -> Run {
        self.write(campaign);
        self.run_again()
    }

    /// Starts `carillon run` on the files that are there.
    pub fn run_again(&self) -> Run {
        let mut command = self.command(Host::Ours, carillon());
        command.current_dir(self.directory()).env("CARILLON_LOG", "debug");
        command.args(["run", "campaign.toml", "--report", "report"]);
        Run {
            process: Process::start("carillon", &mut command, self.directory()),
            report: self.report_directory(),
        }
    }
}

impl Drop for Stage {
    /// A failed test shows what everybody wrote.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let entries = fs::read_dir(self.directory()).into_iter().flatten().flatten();
        for path in
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "log"))
        {
            let text =
                fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!(
                "--- {} (last {} of {} lines)\n{}",
                path.display(),
                tail.len(),
                lines.len(),
                tail.join("\n")
            );
        }
    }
}

/// `carillon run` at work.
pub struct Run {
    process: Process,
    report: PathBuf,
}

impl Run {
    /// Waits until it ends by itself with status 0, and reads its report.
    pub fn finish(&mut self) -> Report {
        let status = self.process.wait(LONG);
        assert_eq!(status, 0, "carillon wrote:\n{}", self.process.output());
        Report::read(&self.report)
    }

    /// Waits until the agents are on the line and the campaign has started.
    pub fn wait_until_started(&mut self) {
        self.process.wait_for_output("the campaign starts", LONG);
    }

    /// Waits until it listens: a phone over TCP that finds nobody tries again much later.
    pub fn wait_until_up(&mut self) {
        self.process.wait_for_output("trunk=", LONG);
    }

    /// Waits until it wrote this to the terminal.
    pub fn wait_for_output(&mut self, text: &str, limit: Duration) {
        self.process.wait_for_output(text, limit);
    }

    /// Waits until it ends; its exit status.
    pub fn exit_status(&mut self) -> i32 {
        self.process.wait(LONG)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it wrote to the terminal.
    pub fn output(&self) -> String {
        self.process.output()
    }
}
