//! Runs all plans of `benches/plans/` on seeds of its own and writes the tables of `docs/PACING.md`:
//! `proof [--first SEED] [--share SHARE] [--threads N] [--compare] [--write] [WORD...]`. Seeds follow from the commit unless
//! one is given; words choose the scenarios whose names hold one of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use carillon_pacing::sim::study::{self, Row, run_seed, sum_up};
use carillon_pacing::sim::{Plan, Scenario, Shift, ceiling, policies, poster};

mod page;

/// The document, and the lines between which the tables stand.
const PAGE: &str = "docs/PACING.md";
const POSTER: &str = "docs/pacing.svg";
const FROM: &str = "<!-- made by `cargo xtask bench pacing --write`: begin -->";
const TO: &str = "<!-- made by `cargo xtask bench pacing --write`: end -->";

/// The plans, in the order of their tables.
const PLANS: [&str; 6] = ["base", "ledger", "signals", "segments", "families", "owners"];
/// Seeds of a scenario by its largest team; those of the ledger are ten days long and a sixth as many.
const SEEDS: [(u32, f64); 6] = [(10, 60.0), (20, 40.0), (50, 30.0), (100, 24.0), (300, 20.0), (20_000, 8.0)];
/// Teams that the accepted risk is tuned for with hazards known: larger ones take hours.
const KNOWN_AGENTS_MAX: u32 = 50;
/// And those whose ceiling under the limit is solved.
const CEILING_AGENTS_MAX: u32 = 20;
/// Halvings of the range of fixed ratios: it ends within half a percent.
const HINDSIGHT_STEPS: u32 = 9;
/// Families in which the hard stop is set against the soft controller, by words in their names.
const SOFT: [&str; 6] =
    ["outage", "two-hour evening", "hot list", "leaving one by one", "all back at once", "oscillates"];

/// What was asked for.
struct Asked {
    first: u64,
    share: f64,
    threads: usize,
    compare: bool,
    write: bool,
    words: Vec<String>,
}

/// One scenario under one policy, and how many seeds.
struct Task {
    plan: &'static str,
    scenario: Scenario,
    policy: &'static str,
    seeds: u64,
}

fn main() -> ExitCode {
    match prove() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("proof: {problem}");
            ExitCode::from(2)
        }
    }
}

fn prove() -> Result<(), String> {
    let commit = output("git", &["describe", "--always", "--dirty=+changes", "--exclude=*"]);
    let asked = asked(&commit)?;
    let mut tasks = Vec::new();
    for plan in PLANS {
        for scenario in read(plan)?.scenarios {
            if asked.words.is_empty() || asked.words.iter().any(|word| scenario.name.contains(word)) {
                tasks.extend(tasks_of(plan, scenario, &asked));
            }
        }
    }
    let rows = run(&tasks, &asked);
    let beside =
        page::Beside { ceilings: ceilings(&tasks, &asked), hindsight: hindsight(&tasks, &rows, &asked) };
    let text = page::page(&tasks, &rows, &asked, &commit, &beside);
    println!("{text}");
    if asked.write {
        let before = std::fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
        let (Some(from), Some(to)) = (before.find(FROM), before.find(TO)) else {
            return Err(format!("{PAGE}: the lines {FROM} and {TO} are missing"));
        };
        let after = format!("{}\n\n{text}\n{}", &before[..from + FROM.len()], &before[to..]);
        std::fs::write(PAGE, after).map_err(|error| format!("{PAGE}: {error}"))?;
        let base: Vec<Row> = tasks
            .iter()
            .zip(&rows)
            .filter(|(task, _)| task.plan == "base")
            .map(|(_, row)| row.clone())
            .collect();
        std::fs::write(POSTER, poster::poster(&base)).map_err(|error| format!("{POSTER}: {error}"))?;
    }
    Ok(())
}

fn asked(commit: &str) -> Result<Asked, String> {
    // A hash of the commit (FNV-1a): nobody has tuned on these seeds.
    let hash = commit.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut asked = Asked {
        first: 100_000 + hash % 8_000_000,
        share: 1.0,
        threads,
        compare: false,
        write: false,
        words: vec![],
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg}: a value is missing"));
        let wrong = |value: String| format!("{arg}: {value:?} is no number in range");
        match arg.as_str() {
            "--first" => {
                let value = value()?;
                asked.first = value.parse().map_err(|_| wrong(value))?;
            }
            "--share" => {
                let value = value()?;
                let share: f64 = value.parse().map_err(|_| wrong(value.clone()))?;
                asked.share = if share > 0.0 && share <= 100.0 { share } else { return Err(wrong(value)) };
            }
            "--threads" => {
                let value = value()?;
                let threads: usize = value.parse().map_err(|_| wrong(value.clone()))?;
                asked.threads =
                    if (1..=256).contains(&threads) { threads } else { return Err(wrong(value)) };
            }
            "--compare" => asked.compare = true,
            "--write" => asked.write = true,
            word if word.starts_with('-') => return Err(format!("{word}: unknown")),
            word => asked.words.push(word.to_owned()),
        }
    }
    Ok(asked)
}

fn read(name: &str) -> Result<Plan, String> {
    let path = PathBuf::from(format!("benches/plans/{name}.toml"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let plan: Plan = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    plan.problem().map_or(Ok(plan), |problem| Err(format!("{}: {problem}", path.display())))
}

fn tasks_of(plan: &'static str, scenario: Scenario, asked: &Asked) -> Vec<Task> {
    let usual = SEEDS.iter().find(|(agents, _)| scenario.agents <= *agents).map_or(1.0, |it| it.1);
    let part = match plan {
        "ledger" => 1.0 / 6.0,
        "families" | "owners" => 0.4,
        _ => 1.0,
    };
    let seeds = (usual * part * asked.share).round().max(2.0) as u64;
    let compared = (seeds / 5).max(2);
    let mut policies = vec![("predictive", seeds)];
    if asked.compare && matches!(plan, "base" | "families") {
        policies.extend(page::OTHERS.map(|policy| (policy, seeds)));
    }
    if asked.compare && plan == "base" && scenario.agents <= KNOWN_AGENTS_MAX {
        policies.push(("known-tuned", compared));
    }
    if asked.compare && plan == "families" && SOFT.iter().any(|word| scenario.name.contains(word)) {
        policies.push(("predictive-soft", seeds));
    }
    if plan == "owners" {
        policies.extend(page::OWNERS_OTHERS.map(|policy| (policy, seeds)));
    }
    policies
        .into_iter()
        .map(|(policy, seeds)| Task { plan, scenario: scenario.clone(), policy, seeds })
        .collect()
}

/// All tasks, seed by seed, on all threads; the results don't depend on how many there are.
fn run(tasks: &[Task], asked: &Asked) -> Vec<Row> {
    let resolved: Vec<std::sync::OnceLock<String>> = tasks.iter().map(|_| Default::default()).collect();
    let runs: Vec<(usize, u64)> = tasks
        .iter()
        .enumerate()
        .flat_map(|(task, it)| (asked.first..asked.first + it.seeds).map(move |seed| (task, seed)))
        .collect();
    let done = AtomicUsize::new(0);
    let mut days = spread(&runs, asked.threads, |(index, seed)| {
        let task = &tasks[*index];
        let policy = resolved[*index].get_or_init(|| policies::resolve(task.policy, &task.scenario));
        let days = run_seed(&task.scenario, policy, *seed).unwrap_or_default();
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(20) || done == runs.len() {
            eprintln!("{done} of {} runs ({})", runs.len(), task.scenario.name);
        }
        days
    })
    .into_iter();
    // One after the other, seeds within a task, as `runs` has them.
    let row = |task: &Task| {
        let seeds: Vec<Vec<Shift>> = (0..task.seeds).filter_map(|_| days.next()).collect();
        sum_up(&task.scenario, task.policy, &seeds)
    };
    tasks.iter().map(row).collect()
}

/// Does all the work on so many threads and gives what came of it, in order.
fn spread<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, R>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Ceilings under the limit of the base scenarios of small teams, by name.
fn ceilings(tasks: &[Task], asked: &Asked) -> BTreeMap<String, f64> {
    let small = |task: &&Task| {
        let base = task.plan == "base" && task.policy == "predictive";
        asked.compare && base && task.scenario.agents <= CEILING_AGENTS_MAX
    };
    let small: Vec<&Scenario> = tasks.iter().filter(small).map(|task| &task.scenario).collect();
    let found = spread(&small, asked.threads, |scenario| ceiling::solved(scenario));
    small
        .iter()
        .zip(found)
        .filter_map(|(scenario, highest)| Some((scenario.name.clone(), highest?.utilisation)))
        .collect()
}

/// By scenario, the fixed ratio that serves most without losing more of its answers than predictive did on these very seeds: more
/// than anybody can choose beforehand.
fn hindsight(tasks: &[Task], rows: &[Row], asked: &Asked) -> BTreeMap<String, Row> {
    let compared = |task: &Task| task.policy == "predictive" && matches!(task.plan, "base" | "families");
    let all: Vec<(&Task, &Row)> =
        tasks.iter().zip(rows).filter(|(task, _)| asked.compare && compared(task)).collect();
    let found = spread(&all, asked.threads, |(task, ours)| {
        let run = |lines: f64| study::run(&task.scenario, &format!("ratio:{lines}"), asked.first, task.seeds);
        let (mut low, mut high) = (1.0, 3.0 / task.scenario.answer_rate.max(0.01));
        let mut best = None;
        for _ in 0..HINDSIGHT_STEPS {
            let middle = f64::sqrt(low * high);
            match run(middle).filter(|row| row.abandon_pooled <= ours.abandon_pooled) {
                Some(row) => (low, best) = (middle, Some(row)),
                None => high = middle,
            }
        }
        best.or_else(|| run(low))
    });
    all.iter().zip(found).filter_map(|((task, _), row)| Some((task.scenario.name.clone(), row?))).collect()
}

fn output(program: &str, args: &[&str]) -> String {
    let found = Command::new(program).args(args).output().ok().filter(|it| it.status.success());
    let text = found.and_then(|it| String::from_utf8(it.stdout).ok()).unwrap_or_default();
    if text.trim().is_empty() { "unknown".into() } else { text.trim().to_owned() }
}
