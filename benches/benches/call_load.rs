//! Whole-process load: `carillon run` between two SIPp processes, per-call agent legs, no media, attempts stored.
//!
//! Prints CPU per originated and bridged call of our process and whether every call was seen through. Places 150
//! calls a second for `CALL_LOAD_SECONDS` (default 60).

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Calls placed per second.
const CALLS_PER_SECOND: usize = 150;
/// Softphones; each call occupies one for its talk (a second) and little more.
const AGENTS: usize = 400;
/// CPU of Asterisk 22 for an originated and bridged call on such a machine, signalling only, in milliseconds.
const ASTERISK_MS: f64 = 4.3;

fn main() {
    let seconds: usize =
        std::env::var("CALL_LOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the benches lie in the repository");
    let carillon = built("carillon");
    assert!(carillon.exists(), "build first: cargo build --release --package carillon");
    let work = std::env::temp_dir().join(format!("carillon-call-load-{}", std::process::id()));
    fs::create_dir_all(&work).expect("temporary directory");

    let [listen, carrier, phones] = free_ports();
    let calls = CALLS_PER_SECOND * seconds;
    write_campaign(&work, listen, carrier, phones, calls, seconds);
    let sipp = repository.join("tests/sipp");
    let carrier_side = Sipp::start(&work, &sipp.join("carrier_answer.xml"), carrier, &["-d", "1000"]);
    let phone_side = Sipp::start(&work, &sipp.join("agent_answer.xml"), phones, &[]);

    let report = work.join("report");
    // `times` of the shell: user and system time of its ended children.
    let script = format!(
        "CARILLON_LOG=warn '{}' run '{}' --report '{}'; code=$?; times; exit $code",
        carillon.display(),
        work.join("campaign.toml").display(),
        report.display()
    );
    let output = Command::new("bash").arg("-c").arg(script).output().expect("bash");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "run failed: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    let cpu_s = children_seconds(&text);
    let yardstick_s = carrier_side.cpu_seconds() + phone_side.cpu_seconds();
    let summary = fs::read_to_string(report.join("summary.json")).expect("summary.json");
    let figure = |key: &str| number(&summary, key);
    let (placed, bridged) = (figure("placed"), figure("bridged"));
    let per_call = cpu_s * 1000.0 / bridged.max(1.0);

    println!("machine                      {}", machine());
    println!("calls placed, bridged        {placed}, {bridged} of {calls} in {seconds} s of placing");
    println!("CPU of our process           {cpu_s:.2} s");
    println!(
        "CPU per bridged call         {per_call:.3} ms  (budget 1.1, a quarter of Asterisk 22's {ASTERISK_MS})"
    );
    println!("ratio to Asterisk 22         {:.3}", per_call / ASTERISK_MS);
    println!(
        "CPU of both SIPp             {:.3} ms per call  (how fast the machine was; ours is {:.2} times that)",
        yardstick_s * 1000.0 / bridged.max(1.0),
        cpu_s / yardstick_s.max(0.001)
    );
    println!("tasks open at the end        {}", figure("tasks_open"));
    println!("calls lost or stuck          {}", calls as f64 - bridged);
    let _ = fs::remove_dir_all(&work);
}

fn write_campaign(work: &Path, listen: u16, carrier: u16, phones: u16, calls: usize, seconds: usize) {
    let mut list = String::from("id,number\n");
    for call in 0..calls {
        list.push_str(&format!("{call},+1212{:07}\n", 2_000_000 + call));
    }
    fs::write(work.join("contacts.csv"), list).expect("contacts.csv");
    let mut file = format!(
        r#"[campaign]
name = "call load"
mode = "progressive"
jurisdiction = "none"
abandon_limit = 1.0
ring_timeout = "20s"
time_limit = "{}s"
[sip]
listen = "127.0.0.1:{listen}"
media_address = "127.0.0.1"
rtp_ports = "20000-29999"
[[trunk]]
name = "carrier"
uri = "sip:127.0.0.1:{carrier}"
max_calls = 2000
calls_per_second = {CALLS_PER_SECOND}.0
caller_ids = ["+12125550100"]
codecs = ["PCMU"]
[list]
file = "contacts.csv"
region = "US"
timezone = "UTC"
[closure]
attempts_max = 1
[agents]
leg = "per_call"
wait_for = "20s"
wrap_up = "0s"
"#,
        seconds + 60
    );
    for agent in 0..AGENTS {
        file.push_str(&format!(
            "[[agents.agent]]\nuser = \"agent{agent}\"\npassword = \"secret\"\ncontact = \"sip:agent{agent}@127.0.0.1:{phones}\"\n"
        ));
    }
    fs::write(work.join("campaign.toml"), file).expect("campaign.toml");
}

/// A release binary of the same build: benches lie in `deps` beside it.
fn built(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("a bench knows its own path");
    bench.ancestors().nth(2).expect("target/release/deps").join(name)
}

/// A SIPp process, killed when dropped.
struct Sipp(Child);

impl Sipp {
    fn start(work: &Path, scenario: &Path, port: u16, extra: &[&str]) -> Self {
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
}

impl Sipp {
    /// User and system time so far (proc(5): fields 14 and 15 of `stat`, in ticks of 10 ms).
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("SIPp runs to the end");
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        fields.map(|ticks| ticks.parse::<f64>().unwrap_or(0.0) / 100.0).sum()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three free UDP ports.
fn free_ports() -> [u16; 3] {
    let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    [0, 1, 2].map(|index: usize| sockets[index].local_addr().expect("bound").port())
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

fn number(json: &str, key: &str) -> f64 {
    let value: serde_json::Value = serde_json::from_str(json).expect("summary.json is JSON");
    value.get(key).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN)
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let name = read("/proc/sys/kernel/hostname").trim().to_owned();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let _ = std::io::stdout().flush();
    format!("{name}, {cores} x {model}")
}
