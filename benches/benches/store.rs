//! What the store costs: CPU of a call's worth of writes, waits for an intent, import of a long list, due tasks.
//!
//! Calls begin at `STORE_CALLS_PER_SECOND` (default 150) for `STORE_SECONDS` (default 20), each with the eight batches
//! of an answered and bridged call, spread over some seconds as real ones are. The CPU is that of all threads of the
//! process but the one that plays the dialer, by the kernel's count (`schedstat`), system calls included. Then the same
//! calls as fast as the queue takes them, and a list of `STORE_ROWS` (default 1,000,000).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use carillon_core::attempt::outcome::{Attribution, Outcome};
use carillon_core::campaign::CampaignState;
use carillon_core::campaign::spec::{CampaignSpec, Jurisdiction, Mode, WrapUp};
use carillon_core::contact::ListedContact;
use carillon_core::id::{AttemptId, CampaignId, ContactId, TaskId, Ticket};
use carillon_core::store::sqlite::Store;
use carillon_core::store::write::{CallDialog, CallRoute, Ended, Intent, Refusal, Write};
use carillon_core::task::{ClosedReason, TaskState};
use carillon_core::time::Utc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const CAMPAIGN: CampaignId = CampaignId(1);
/// When each batch of a call is written, after its beginning.
const STEPS_MS: [u64; 8] = [0, 15, 400, 3_000, 3_020, 3_021, 6_000, 7_000];
/// What one call may cost while few calls share a commit: well below this.
const BUDGET_MS: f64 = 0.5;

type Results = mpsc::Receiver<(Ticket, Result<(), Refusal>, Instant)>;

fn main() {
    let rate = setting("STORE_CALLS_PER_SECOND", 150);
    let seconds = setting("STORE_SECONDS", 20);
    let rows = setting("STORE_ROWS", 1_000_000);
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    println!(
        "machine                    {}, {} cores",
        machine.trim(),
        thread::available_parallelism().map_or(0, usize::from)
    );
    // As in the engine: the runtime's threads are few.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    paced(&runtime, rate, seconds);
    flat_out(&runtime, rate * seconds);
    import(&runtime, rows);
}

fn paced(runtime: &Runtime, rate: u64, seconds: u64) {
    let calls = rate * seconds;
    let (_directory, store, results) = open(runtime, calls);
    let mut schedule = BTreeMap::new();
    for call in 1..=calls {
        for (step, offset_ms) in STEPS_MS.into_iter().enumerate() {
            schedule.insert((call * 1_000_000 / rate + offset_ms * 1_000, call, step), ());
        }
    }
    let (before, begun) = (cpu(), Instant::now());
    let mut sent = BTreeMap::new();
    for (at_us, call, step) in schedule.into_keys() {
        let due = begun + Duration::from_micros(at_us);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let ticket = Ticket(call * 10 + step as u64);
        if step == 0 {
            sent.insert(ticket, Instant::now());
        }
        store.submit(ticket, writes(call, step)).unwrap();
    }
    let mut waits: Vec<Duration> = Vec::new();
    for _ in 0..calls * STEPS_MS.len() as u64 {
        let (ticket, result, at) = results.recv().unwrap();
        result.unwrap();
        waits.extend(sent.get(&ticket).map(|sent| at.duration_since(*sent)));
    }
    let spent = cpu() - before;
    waits.sort_unstable();
    let wait = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let per_call = spent.as_secs_f64() * 1_000.0 / calls as f64;
    println!("{rate} calls/s, {seconds} s      {per_call:.3} ms CPU a call (budget {BUDGET_MS})");
    println!(
        "intent durable after       p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        wait(0.5),
        wait(0.99),
        wait(1.0)
    );
    runtime.block_on(store.close());
}

fn flat_out(runtime: &Runtime, calls: u64) {
    let (_directory, store, results) = open(runtime, calls);
    let (before, begun) = (cpu(), Instant::now());
    let answers = thread::spawn(move || {
        for _ in 0..calls * STEPS_MS.len() as u64 {
            results.recv().unwrap().1.unwrap();
        }
    });
    for call in 1..=calls {
        for step in 0..STEPS_MS.len() {
            while store.submit(Ticket(call * 10 + step as u64), writes(call, step)).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    answers.join().unwrap();
    let (spent, took) = (cpu() - before, begun.elapsed());
    println!(
        "flat out                   {:.0} calls/s, {:.3} ms CPU a call",
        calls as f64 / took.as_secs_f64(),
        spent.as_secs_f64() * 1_000.0 / calls as f64
    );
    runtime.block_on(store.close());
}

fn import(runtime: &Runtime, rows: u64) {
    let (directory, store, _results) = open(runtime, 0);
    let list = directory.path().join("list.csv");
    let mut file = BufWriter::new(fs::File::create(&list).unwrap());
    writeln!(file, "id,number,name,timezone,plan,city").unwrap();
    for row in 0..rows {
        // A tenth of the numbers has no country code, as lists do.
        let code = if row % 10 == 0 { "" } else { "+1" };
        writeln!(file, "c{row},{code}{},Ada Ng {row},America/New_York,gold,Reno", 2_010_000_000 + row)
            .unwrap();
    }
    file.flush().unwrap();
    let rejected = directory.path().join("rejected.csv");
    let begun = Instant::now();
    let first = runtime.block_on(store.import_list(CAMPAIGN, &list, Some("US"), None, &rejected)).unwrap();
    let took = begun.elapsed();
    assert_eq!(first.imported, rows);
    println!("import of {rows} rows   {:.1} s (budget 60 s for a million)", took.as_secs_f64());
    let begun = Instant::now();
    let again = runtime.block_on(store.import_list(CAMPAIGN, &list, Some("US"), None, &rejected)).unwrap();
    assert_eq!(again.known, rows);
    println!("the same list again        {:.1} s", begun.elapsed().as_secs_f64());
    let mut waits: Vec<Duration> = (0..1_000)
        .map(|_| {
            let begun = Instant::now();
            let fetched = runtime.block_on(store.fetch(CAMPAIGN, 256, &[], Utc(1_000))).unwrap();
            assert_eq!(fetched.open, rows);
            begun.elapsed()
        })
        .collect();
    waits.sort_unstable();
    println!("256 due tasks of {rows} p50 {:?}, p99 {:?} (budget 5 ms)", waits[500], waits[990]);
    println!("peak memory                {}", status("VmHWM:"));
    runtime.block_on(store.close());
}

fn open(runtime: &Runtime, contacts: u64) -> (TempDir, Store, Results) {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (told, results) = mpsc::channel();
    let on_stored = Box::new(move |ticket, result| {
        let _ = told.send((ticket, result, Instant::now()));
    });
    let path = directory.path().join("carillon.db");
    let store = runtime.block_on(Store::open(&path, on_stored)).unwrap();
    store.submit(Ticket(0), vec![campaign()]).unwrap();
    results.recv().unwrap().1.unwrap();
    let rows = (1..=contacts).map(|n| ListedContact {
        line: n,
        external_id: n.to_string(),
        number: number(n),
        name: format!("Ada Ng {n}"),
        timezone: None,
        owner: None,
        fields: BTreeMap::new(),
    });
    let imported = runtime
        .block_on(async { store.begin_import(CAMPAIGN).await.unwrap().add(rows.collect()).await.unwrap() });
    assert_eq!(imported.added, contacts);
    (directory, store, results)
}

fn number(n: u64) -> String {
    format!("+1{}", 2_010_000_000 + n)
}

fn campaign() -> Write {
    let spec = CampaignSpec {
        region: Some("US".into()),
        timezone: Some("UTC".into()),
        wrap_up: WrapUp::Agent,
        ..CampaignSpec::new("load".into(), Mode::Ratio, Jurisdiction::None)
    };
    Write::Campaign {
        campaign: CAMPAIGN,
        spec: Box::new(spec),
        state: CampaignState::Running,
        started_at: Some(Utc(0)),
        elapsed: Duration::ZERO,
    }
}

/// The batch of one step of one call.
fn writes(call: u64, step: usize) -> Vec<Write> {
    let (attempt, at) = (AttemptId(call), Utc(STEPS_MS[step] as i64));
    match step {
        0 => vec![Write::Intent(Intent {
            attempt,
            campaign: CAMPAIGN,
            task: TaskId(call),
            contact: ContactId(call),
            number: number(call),
            at,
            route: CallRoute {
                trunk: "carrier".into(),
                caller_id: "+15550000001".into(),
                call_id: format!("{call:016x}a7d93b1c@192.0.2.10"),
                branch: format!("z9hG4bK{call:016x}"),
                from_tag: format!("{call:08x}"),
                cseq: 1,
                request_uri: "sip:+12015550123@carrier.example.com:5060".into(),
                from_uri: "sip:+15550000001@192.0.2.10".into(),
                to_uri: "sip:+12015550123@carrier.example.com".into(),
                next_hop: "198.51.100.7:5060".into(),
                local: "192.0.2.10:5060".into(),
            },
        })],
        1 => vec![Write::Placed { attempt, at }],
        2 => vec![Write::Ringing { attempt, at }],
        3 => vec![Write::Answered {
            attempt,
            at,
            dialog: CallDialog {
                call_id: format!("{call:016x}a7d93b1c@192.0.2.10"),
                local_tag: format!("{call:08x}"),
                remote_tag: "as7c8d9e0f".into(),
                local_uri: "sip:+15550000001@192.0.2.10".into(),
                remote_uri: "sip:+12015550123@carrier.example.com".into(),
                remote_target: "sip:+12015550123@198.51.100.9:5062".into(),
                route_set: vec!["<sip:198.51.100.7;lr>".into()],
                local_cseq: 1,
                next_hop: "198.51.100.7:5060".into(),
                local: "192.0.2.10:5060".into(),
            },
        }],
        4 => vec![Write::Bridged { attempt, at, agent: format!("agent{}", call % 100) }],
        5 => vec![Write::AgentHeard { attempt, answer_to_agent: Duration::from_millis(12) }],
        6 => vec![Write::Ended(Ended {
            attempt,
            at,
            outcome: Outcome::Answered,
            sip_status: None,
            attribution: Attribution::Callee,
            reason: "bye".into(),
            talk: Duration::from_secs(3),
        })],
        _ => vec![
            Write::Disposition {
                attempt,
                task: TaskId(call),
                agent: format!("agent{}", call % 100),
                at,
                disposition: "success".into(),
                note: String::new(),
            },
            Write::Task {
                task: TaskId(call),
                state: TaskState::Closed(ClosedReason::Success),
                next_at: None,
                disposition: Some("success".into()),
            },
        ],
    }
}

/// CPU of all threads but the main one.
fn cpu() -> Duration {
    let main = std::process::id().to_string();
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |thread: &Path| {
        let text = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
    };
    let others = threads.filter(|thread| thread.file_name() != main.as_str());
    Duration::from_nanos(others.map(|thread| of(&thread.path())).sum())
}

fn status(key: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.trim_start_matches(key).trim().to_owned()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
