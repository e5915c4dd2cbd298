//! Calls from outside: a SIPp calls a number of ours, agents' phones are called for each, and nothing is dialed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::rig::{Plan, Rig, Sipp, free_ports, per_second, rows, second, write_campaign};
use super::{GOODPUT, RATE};

/// The number that is called.
const NUMBER: &str = "+12125550177";
/// Calls that are up before the flood and until after it.
const STEADY: usize = 50;
/// How long a call of the flood lasts once it is answered.
const TALK_MS: usize = 1_000;
/// How long callers keep coming. What was put off in the first seconds has to be done in the later ones, so a peak
/// counts when it was kept up for as long as the flood lasts that is compared with it.
const SECONDS: usize = 30;
/// How long the process may take to start, or the last calls to end.
const PATIENCE: Duration = Duration::from_secs(90);

/// Looks for the highest rate at which callers are bridged, and lets twice as many call.
pub fn inward(rig: &Rig) {
    println!("-- inward: callers bridged a second, by callers a second");
    let mut peak = 0.0f64;
    let mut rate = RATE / 4.0;
    // Ends: no machine carries a hundred thousand.
    while rate < 100_000.0 {
        let flood = Flood::of(rig, rate);
        flood.show();
        peak = peak.max(flood.per_second());
        if flood.per_second() < rate * 0.85 {
            break;
        }
        rate *= 1.5;
    }
    let flood = Flood::of(rig, peak * 2.0);
    flood.show();
    let left = flood.per_second() / peak;
    println!("peak                           {peak:.0} per second");
    println!("goodput at twice the peak      {left:.2} of the peak  (limit {GOODPUT})");
    println!("refused, with Retry-After      {} of {}", flood.refused, flood.calls);
    println!("neither bridged nor refused    {}  (limit 0)", flood.lost());
    println!("stuck calls                    {}  (limit 0)", flood.stuck);
    println!("complaints in its log          {}  (limit 0)", flood.complaints);
    println!("calls up before, and hurt      {STEADY}, {}  (limit 0)", flood.hurt);
    println!("rang before the answer, ms     {} (median), {} (99%)", flood.rang_ms(0.5), flood.rang_ms(0.99));
}

/// Many callers at once, and what became of them.
struct Flood {
    rate: f64,
    calls: usize,
    /// Callers who were answered, as SIPp saw it.
    answered: usize,
    /// Callers who got 503 with Retry-After.
    refused: usize,
    /// Callers who have no end in the books.
    stuck: usize,
    /// Warnings and errors in its log: one tells of dialogs that are left when it closes.
    complaints: usize,
    /// Calls that were up before, and not to the end.
    hurt: usize,
    asked_per_second: f64,
    bridged_in: BTreeMap<i64, usize>,
    rang_ms: Vec<u64>,
}

impl Flood {
    fn of(rig: &Rig, rate: f64) -> Self {
        let work = tempfile::tempdir().expect("temporary directory");
        let work = work.path();
        let [listen, carrier, phones, flood] = free_ports();
        let plan = Plan { calls: 1, agents: 6_000, lines: 20_000, number: Some(NUMBER), ..Plan::default() };
        write_campaign(work, &plan, rig.workers, [listen, carrier, phones]);
        let scenario = callers(work, &rig.sipp);
        let _phones = Sipp::start(work, &rig.sipp.join("agent_answer.xml"), phones, &[]);
        let mut process = Process::start(work, &rig.carillon);

        let call = |port, calls: usize, rate: f64, talk_ms: usize| {
            let to = format!("127.0.0.1:{listen}");
            let (calls, rate) = (calls.to_string(), format!("{rate:.0}"));
            let mut options = vec!["-m", &calls, "-r", &rate, "-l", "1000000", "-trace_counts", "-fd", "1"];
            let talk_ms = talk_ms.to_string();
            options.extend(["-d", &talk_ms, "-key", "rtp_port", "9", "-key", "payload", "0"]);
            options.extend(["-key", "codec", "PCMU", &to]);
            Sipp::start(work, &scenario, port, &options)
        };
        let mut steady = call(carrier, STEADY, STEADY as f64, (SECONDS + 6) * 1_000);
        std::thread::sleep(Duration::from_secs(3));
        let calls = (rate as usize) * SECONDS;
        let began = Instant::now();
        let mut flood = call(flood, calls, rate, TALK_MS);
        let ended = flood.wait(Duration::from_secs(SECONDS as u64) + PATIENCE);
        assert!(ended.is_some(), "callers are still waiting after {} s", began.elapsed().as_secs());
        // The last call talks before it ends.
        let lasted = began.elapsed().saturating_sub(Duration::from_millis(TALK_MS as u64));
        let kept = steady.wait(PATIENCE).is_some_and(|status| status.success());
        let complaints = process.stop(work);

        let counts = counts(work, calls);
        let (mut stuck, mut hurt, mut bridged_in, mut rang_ms) = (0, 0, BTreeMap::new(), Vec::new());
        for row in rows(&work.join("report/inbound.csv")) {
            stuck += usize::from(row["outcome"].is_empty() || row["ended_at"].is_empty());
            let talk_ms: usize = row["talk_ms"].parse().unwrap_or(0);
            let steady = talk_ms >= SECONDS * 1_000;
            hurt += usize::from(steady);
            if let Some(at) = second(&row["bridged_at"]).filter(|_| !steady) {
                *bridged_in.entry(at).or_default() += 1;
                rang_ms.push(row["wait_ms"].parse().unwrap_or(0));
            }
        }
        // Should it stop answering before the last caller came, those seconds count too.
        if let Some((first, _)) = bridged_in.first_key_value() {
            bridged_in.entry(first + SECONDS as i64 - 1).or_default();
        }
        rang_ms.sort_unstable();
        Self {
            rate,
            calls,
            answered: counts.0,
            refused: counts.1,
            stuck,
            complaints,
            hurt: if kept { STEADY.saturating_sub(hurt) } else { STEADY },
            asked_per_second: calls as f64 / lasted.as_secs_f64(),
            bridged_in,
            rang_ms,
        }
    }

    /// Callers bridged a second while they kept coming, without the edges.
    fn per_second(&self) -> f64 {
        per_second(&self.bridged_in)
    }

    /// Callers who got neither an agent nor a word when to come again.
    fn lost(&self) -> i64 {
        self.calls as i64 - self.answered as i64 - self.refused as i64
    }

    /// How long callers who were answered heard it ring, of so large a share of them at most.
    fn rang_ms(&self, share: f64) -> u64 {
        let index = (self.rang_ms.len() as f64 * share) as usize;
        self.rang_ms.get(index).or(self.rang_ms.last()).copied().unwrap_or(0)
    }

    fn show(&self) {
        println!(
            "{:>6.0}                         {:>6.0}  of {} called ({:.0} a second) {} answered, {} refused, {} lost",
            self.rate,
            self.per_second(),
            self.calls,
            self.asked_per_second,
            self.answered,
            self.refused,
            self.lost()
        );
    }
}

/// Writes the scenario of the callers.
fn callers(work: &Path, scenarios: &Path) -> PathBuf {
    let text = fs::read_to_string(scenarios.join("caller_or_refused.xml")).expect("the scenario");
    let text = text.replace("@NUMBER@", NUMBER).replace("@CALLER@", "+12125550199");
    let path = work.join("callers.xml");
    fs::write(&path, text).expect("callers.xml");
    path
}

/// How often each ACK was sent by the SIPp that made so many calls: to 200, and to 503 with Retry-After.
fn counts(work: &Path, calls: usize) -> (usize, usize) {
    let files = fs::read_dir(work).expect("the directory").flatten().map(|entry| entry.path());
    let counts = files.filter(|path| path.to_string_lossy().ends_with("_counts.csv"));
    let last = counts.filter_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        let (heads, cells) = (text.lines().next()?.to_owned(), text.lines().last()?.to_owned());
        let cell = |name: &str| {
            let index = heads.split(';').position(|head| head.ends_with(name))?;
            cells.split(';').nth(index)?.parse::<usize>().ok()
        };
        Some((cell("0_INVITE_Sent")?, cell("5_ACK_Sent")?, cell("9_ACK_Sent")?))
    });
    let (_, answered, refused) =
        last.into_iter().find(|(sent, ..)| *sent == calls).expect("SIPp tells counts");
    (answered, refused)
}

/// `carillon run`, killed when dropped.
struct Process(Child);

impl Process {
    /// Starts it and waits until its agents are there.
    fn start(work: &Path, carillon: &Path) -> Self {
        let log = work.join("carillon.log");
        let child = Command::new(carillon)
            .env("CARILLON_LOG", "info")
            .args(["run", "campaign.toml", "--report", "report"])
            .current_dir(work)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("carillon.log"))
            .spawn()
            .expect("carillon");
        let process = Self(child);
        let until = Instant::now() + PATIENCE;
        while !fs::read_to_string(&log).unwrap_or_default().contains("the campaign starts") {
            assert!(Instant::now() < until, "the campaign does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        process
    }

    /// Ends it as a person would: it waits for its calls first. Tells what it complained of.
    fn stop(&mut self, work: &Path) -> usize {
        let log = || fs::read_to_string(work.join("carillon.log")).unwrap_or_default();
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.try_wait().expect("a child can be waited for") {
                Some(status) if status.success() => {
                    let log = log();
                    let complains = |line: &&str| line.contains("WARN") || line.contains("ERROR");
                    return log
                        .lines()
                        .filter(complains)
                        .inspect(|line| println!("complaint: {line}"))
                        .count();
                }
                ended => {
                    assert!(ended.is_none() && Instant::now() < until, "it did not end well: {}", log());
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
