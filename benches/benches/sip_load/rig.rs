//! Starts carrier, phones and `carillon run`, and reads what came of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Seconds at the beginning and at the end of a run in which the rate is not yet, or no longer, the one asked for.
const EDGE_SECONDS: i64 = 3;
/// How long a run may take to reach the calls whose memory is measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the threads of a run are looked at.
const SAMPLED_EVERY: Duration = Duration::from_millis(200);

/// What is asked of a run.
pub struct Plan {
    /// Cap of the trunk.
    pub calls_per_second: f64,
    /// Contacts, each called once.
    pub calls: usize,
    /// Softphones.
    pub agents: usize,
    /// How long the callee talks.
    pub talk_ms: usize,
    /// Calls at once.
    pub lines: usize,
    /// Stop placing after so many seconds.
    pub time_limit: Option<usize>,
    /// The number at which it is called; nothing is dialed then.
    pub number: Option<&'static str>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            calls_per_second: 150.0,
            calls: 0,
            agents: 0,
            talk_ms: 1_000,
            lines: 8_000,
            time_limit: None,
            number: None,
        }
    }
}

/// What came of it.
pub struct Run {
    /// Contacts.
    pub wanted: usize,
    /// Attempts placed.
    pub placed: usize,
    /// Attempts bridged.
    pub bridged: usize,
    /// Attempts without an outcome.
    pub unended: usize,
    /// CPU of our process, from its start to its end.
    pub cpu_s: f64,
    /// The same by the name of the thread.
    pub thread_cpu_s: BTreeMap<String, f64>,
    /// CPU of both SIPp.
    pub sipp_cpu_s: f64,
    bridged_in: BTreeMap<i64, usize>,
}

impl Run {
    /// Calls bridged a second, without the edges of the run.
    pub fn per_second(&self) -> f64 {
        per_second(&self.bridged_in)
    }
}

/// The second of a report's time; `None` where there is none.
pub fn second(text: &str) -> Option<i64> {
    text.parse().ok().map(jiff::Timestamp::as_second)
}

/// The mean of what was counted in each second, from the first to the last, without the edges of the run. Seconds in which there
/// was nothing to count are seconds as well.
pub fn per_second(counts: &BTreeMap<i64, usize>) -> f64 {
    let (Some((first, _)), Some((last, _))) = (counts.first_key_value(), counts.last_key_value()) else {
        return 0.0;
    };
    let edge = EDGE_SECONDS.min((last - first) / 2);
    let middle = first + edge..=last - edge;
    let length = middle.end() - middle.start() + 1;
    counts.range(middle).map(|(_, count)| *count).sum::<usize>() as f64 / length as f64
}

/// The rows of a report's file, each cell by its column.
pub fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().expect("a line of heads").split(',').collect();
    let row = |line: &str| {
        heads.iter().map(|head| (*head).to_owned()).zip(line.split(',').map(str::to_owned)).collect()
    };
    lines.map(row).collect()
}

/// Where things are.
pub struct Rig {
    /// Our binary.
    pub carillon: PathBuf,
    /// The scenarios.
    pub sipp: PathBuf,
    /// Threads that share the UDP address.
    pub workers: usize,
}

impl Rig {
    /// Looks for the binary of the same build, which is to have so many workers.
    pub fn new(workers: usize) -> Self {
        let repository =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the benches lie in the repository");
        // Benches lie in `deps` beside it.
        let bench = std::env::current_exe().expect("a bench knows its own path");
        let carillon = bench.ancestors().nth(2).expect("target/release/deps").join("carillon");
        assert!(carillon.exists(), "build first: cargo build --release --package carillon");
        Self { carillon, sipp: repository.join("tests/sipp"), workers }
    }

    /// Runs a campaign to its end.
    pub fn run(&self, plan: &Plan) -> Run {
        let stage = self.stage(plan);
        let report = stage.work.path().join("report");
        // `times` of the shell: user and system time of its ended children. The first line is the
        // process whose threads are looked at meanwhile.
        let script = format!(
            "CARILLON_LOG=error '{}' run '{}' --report '{}' >&2 & echo $!; wait $!; code=$?; times; exit $code",
            self.carillon.display(),
            stage.work.path().join("campaign.toml").display(),
            report.display()
        );
        let errors = stage.work.path().join("errors.log");
        let mut shell = Command::new("bash")
            .arg("-c")
            .arg(script)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&errors).expect("errors.log"))
            .spawn()
            .expect("bash");
        let mut told = BufReader::new(shell.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        told.read_line(&mut line).expect("bash tells the process");
        let thread_cpu_s = thread_seconds(line.trim());
        let mut text = String::new();
        told.read_to_string(&mut text).expect("bash tells times");
        let status = shell.wait().expect("bash ends");
        assert!(status.success(), "run failed: {}", fs::read_to_string(&errors).unwrap_or_default());
        let (cpu_s, sipp_cpu_s) = (children_seconds(&text), stage.sipp_cpu_s());
        let mut run = Run {
            wanted: plan.calls,
            placed: 0,
            bridged: 0,
            unended: 0,
            cpu_s,
            thread_cpu_s,
            sipp_cpu_s,
            bridged_in: BTreeMap::new(),
        };
        for attempt in rows(&report.join("attempts.csv")) {
            run.placed += usize::from(!attempt["placed_at"].is_empty());
            run.unended += usize::from(attempt["outcome"].is_empty());
            if let Some(at) = second(&attempt["bridged_at"]) {
                run.bridged += 1;
                *run.bridged_in.entry(at).or_default() += 1;
            }
        }
        run
    }

    /// Resident memory of the process with so many calls up; it is then killed.
    pub fn resident_kib(&self, plan: &Plan, calls: usize) -> f64 {
        let stage = self.stage(plan);
        let report = stage.work.path().join("report");
        let mut process = Command::new(&self.carillon)
            .env("CARILLON_LOG", "error")
            .arg("run")
            .arg(stage.work.path().join("campaign.toml"))
            .arg("--report")
            .arg(&report)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("carillon");
        let id = process.id();
        let until = Instant::now() + PATIENCE;
        // Two sockets for each of two streams: the calls that are up, as the system sees them.
        while descriptors(id) < calls * 4 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(200));
        }
        let reached = descriptors(id) >= calls * 4;
        // Until nothing is under way any more.
        std::thread::sleep(Duration::from_secs(4));
        let resident = resident_kib(id);
        let _ = process.kill();
        let _ = process.wait();
        assert!(reached, "{calls} calls were not up within {} s", PATIENCE.as_secs());
        resident
    }

    fn stage(&self, plan: &Plan) -> Stage {
        let work = tempfile::tempdir().expect("temporary directory");
        let ports = free_ports();
        write_campaign(work.path(), plan, self.workers, ports);
        let [_, carrier, phones] = ports;
        let talk = plan.talk_ms.to_string();
        let carrier =
            Sipp::start(work.path(), &self.sipp.join("carrier_answer.xml"), carrier, &["-d", &talk]);
        let phones = Sipp::start(work.path(), &self.sipp.join("agent_answer.xml"), phones, &[]);
        Stage { work, carrier, phones }
    }
}

/// The parties of one run.
struct Stage {
    work: tempfile::TempDir,
    carrier: Sipp,
    phones: Sipp,
}

impl Stage {
    fn sipp_cpu_s(&self) -> f64 {
        self.carrier.cpu_seconds() + self.phones.cpu_seconds()
    }
}

/// Writes the campaign's files; `ports` are our own, the carrier's and the phones'.
pub fn write_campaign(work: &Path, plan: &Plan, workers: usize, [listen, carrier, phones]: [u16; 3]) {
    let Plan { calls_per_second, calls, agents, lines, number, .. } = plan;
    let mode = if number.is_some() { "manual" } else { "progressive" };
    let inbound = number.map_or(String::new(), |number| format!("[inbound]\nnumbers = [\"{number}\"]\n"));
    let mut list = String::from("id,number\n");
    for call in 0..*calls {
        list.push_str(&format!("{call},+1212{:07}\n", 2_000_000 + call));
    }
    fs::write(work.join("contacts.csv"), list).expect("contacts.csv");
    let limit = plan.time_limit.map_or(String::new(), |seconds| format!("time_limit = \"{seconds}s\"\n"));
    let mut file = format!(
        r#"[campaign]
name = "call load"
mode = "{mode}"
jurisdiction = "none"
abandon_limit = 1.0
ring_timeout = "20s"
{limit}[sip]
listen = "127.0.0.1:{listen}"
workers = {workers}
media_address = "127.0.0.1"
rtp_ports = "10000-49999"
[[trunk]]
name = "carrier"
uri = "sip:127.0.0.1:{carrier}"
max_calls = {lines}
calls_per_second = {calls_per_second:.1}
caller_ids = ["+12125550100"]
codecs = ["PCMU"]
[list]
file = "contacts.csv"
region = "US"
timezone = "UTC"
[closure]
attempts_max = 1
{inbound}[agents]
leg = "per_call"
wait_for = "20s"
wrap_up = "0s"
"#
    );
    for agent in 0..*agents {
        file.push_str(&format!(
            "[[agents.agent]]\nuser = \"agent{agent}\"\npassword = \"secret\"\ncontact = \"sip:agent{agent}@127.0.0.1:{phones}\"\n"
        ));
    }
    fs::write(work.join("campaign.toml"), file).expect("campaign.toml");
}

/// A SIPp process, killed when dropped.
pub struct Sipp(Child);

impl Sipp {
    /// Starts a scenario at a port of the loopback, with more options.
    pub fn start(work: &Path, scenario: &Path, port: u16, extra: &[&str]) -> Self {
        let log: PathBuf = work.join(format!("sipp-{port}.log"));
        let log = fs::File::create(log).expect("log");
        let child = Command::new("sipp")
            .args(["-sf", &scenario.to_string_lossy(), "-i", "127.0.0.1", "-p", &port.to_string()])
            .args(["-nostdin", "-buff_size", "4194304", "-timeout", "600s"])
            .args(extra)
            .current_dir(work)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp (Debian package sip-tester)");
        Self(child)
    }

    /// Waits until it has played all its calls; `None`: it has not within this time.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        loop {
            let ended = self.0.try_wait().expect("a child can be waited for");
            if ended.is_some() || Instant::now() > until {
                return ended;
            }
            std::thread::sleep(SAMPLED_EVERY);
        }
    }

    /// User and system time so far.
    pub fn cpu_seconds(&self) -> f64 {
        seconds_of(&fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("SIPp runs to the end"))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Free UDP ports outside the range of RTP.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let sockets: Vec<UdpSocket> =
        (50_000..60_000).filter_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).take(N).collect();
    std::array::from_fn(|index| sockets[index].local_addr().expect("bound").port())
}

/// Second line of the shell's `times`: user and system time of its children, `0m1.234s 0m0.567s`.
fn children_seconds(text: &str) -> f64 {
    let line = text.lines().rfind(|line| line.contains('m') && line.ends_with('s')).expect("times");
    line.split_whitespace()
        .map(|field| {
            let (minutes, seconds) = field.split_once('m').expect("minutes");
            let seconds: f64 = seconds.trim_end_matches('s').parse().expect("seconds");
            minutes.parse::<f64>().expect("minutes") * 60.0 + seconds
        })
        .sum()
}

/// User and system time in `stat` of a process or a thread (proc(5): fields 14 and 15, in ticks of 10 ms).
pub fn seconds_of(stat: &str) -> f64 {
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap_or(0.0) / 100.0).sum()
}

/// User and system time of a process by the names of its threads, as last seen before it ended.
fn thread_seconds(process: &str) -> BTreeMap<String, f64> {
    // By identifier first: a thread that has ended is counted too.
    let mut threads: BTreeMap<OsString, (String, f64)> = BTreeMap::new();
    while let Ok(entries) = fs::read_dir(format!("/proc/{process}/task")) {
        for entry in entries.flatten() {
            let read = |file: &str| fs::read_to_string(entry.path().join(file));
            if let (Ok(name), Ok(stat)) = (read("comm"), read("stat")) {
                threads.insert(entry.file_name(), (name.trim().to_owned(), seconds_of(&stat)));
            }
        }
        std::thread::sleep(SAMPLED_EVERY);
    }
    let mut sums = BTreeMap::new();
    for (name, seconds) in threads.into_values() {
        *sums.entry(name).or_default() += seconds;
    }
    sums
}

fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

fn resident_kib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("carillon still runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5)");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
}

/// Which machine this is.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let name = read("/proc/sys/kernel/hostname").trim().to_owned();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    format!("{name}, {cores} x {model}")
}
