//! Runs all plans of `benches/plans/` on seeds of its own and writes the tables of `docs/PACING.md`:
//! `proof [--first SEED] [--share SHARE] [--threads N] [--compare] [--write] [WORD...]`. Seeds follow from the commit unless
//! one is given; words choose the scenarios whose names hold one of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use carillon_pacing::sim::study::{Row, run_seed, sum_up};
use carillon_pacing::sim::{Plan, Scenario, Shift, policies};

/// The document, and the lines between which the tables stand.
const PAGE: &str = "docs/PACING.md";
const FROM: &str = "<!-- made by `cargo xtask bench pacing --write`: begin -->";
const TO: &str = "<!-- made by `cargo xtask bench pacing --write`: end -->";

/// The plans, in the order of their tables.
const PLANS: [&str; 6] = ["base", "ledger", "signals", "segments", "families", "owners"];
/// What owners are called by beside the policy itself, on the same seeds.
const OWNERS_OTHERS: [&str; 2] = ["predictive-owners-free", "progressive"];
/// Seeds of a scenario by its largest team; those of the ledger are ten days long and a sixth as many.
const SEEDS: [(u32, f64); 6] = [(10, 60.0), (20, 40.0), (50, 30.0), (100, 24.0), (300, 20.0), (20_000, 8.0)];
/// Teams that offline searches are made for: larger ones take hours.
const SEARCHED_AGENTS_MAX: u32 = 50;

/// Targets of the base scenario in percent: agents, answer rate, day 1, ledger, signals, ceiling. Zero is none.
const TARGETS: [(u32, f64, [f64; 4]); 11] = [
    (3, 0.25, [65.0, 65.5, 66.0, 66.9]),
    (5, 0.08, [61.0, 62.5, 61.5, 64.3]),
    (5, 0.50, [74.0, 74.0, 75.5, 74.8]),
    (10, 0.25, [72.0, 72.5, 73.0, 73.2]),
    (20, 0.08, [74.5, 75.0, 74.8, 75.8]),
    (20, 0.50, [77.9, 78.1, 0.0, 78.3]),
    (50, 0.25, [80.2, 80.5, 80.6, 81.0]),
    (100, 0.08, [82.2, 82.5, 82.5, 82.7]),
    (300, 0.25, [84.7, 84.9, 0.0, 85.0]),
    (1000, 0.08, [85.7, 85.8, 0.0, 85.9]),
    (1000, 0.50, [85.7, 85.8, 0.0, 85.9]),
];
/// Gain of segments and signals together in points, by agents: the prototype's, at an answer rate of 25%.
const GAINS: [(u32, f64); 4] = [(3, 2.2), (10, 2.0), (20, 1.3), (100, 0.4)];
const GAINS_AT: f64 = 0.25;

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
    let text = page(&tasks, &rows, &asked, &commit);
    println!("{text}");
    if asked.write {
        let before = std::fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
        let (Some(from), Some(to)) = (before.find(FROM), before.find(TO)) else {
            return Err(format!("{PAGE}: the lines {FROM} and {TO} are missing"));
        };
        let after = format!("{}\n\n{text}\n{}", &before[..from + FROM.len()], &before[to..]);
        std::fs::write(PAGE, after).map_err(|error| format!("{PAGE}: {error}"))?;
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
    let searched = scenario.agents <= SEARCHED_AGENTS_MAX;
    let others: &[&str] = match (plan, asked.compare, searched) {
        ("base", true, true) => &["progressive", "adaptive-tapered", "ratio-tuned", "known-tuned"],
        ("base", true, false) => &["progressive", "adaptive-tapered"],
        ("owners", _, _) => &OWNERS_OTHERS,
        _ => &[],
    };
    let compared = if plan == "owners" { seeds } else { (seeds / 5).max(2) };
    let own = std::iter::once(("predictive", seeds));
    own.chain(others.iter().map(|policy| (*policy, compared)))
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
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<(usize, u64), Vec<Shift>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| {
                while let Some((index, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let task = &tasks[*index];
                    let policy =
                        resolved[*index].get_or_init(|| policies::resolve(task.policy, &task.scenario));
                    let days = run_seed(&task.scenario, policy, *seed).unwrap_or_default();
                    let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    done.insert((*index, *seed), days);
                    if done.len().is_multiple_of(20) || done.len() == runs.len() {
                        eprintln!("{} of {} runs ({})", done.len(), runs.len(), task.scenario.name);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let row = |(index, task): (usize, &Task)| {
        let seeds: Vec<Vec<Shift>> =
            done.range((index, 0)..(index + 1, 0)).map(|(_, days)| days.clone()).collect();
        sum_up(&task.scenario, task.policy, &seeds)
    };
    tasks.iter().enumerate().map(row).collect()
}

fn page(tasks: &[Task], rows: &[Row], asked: &Asked, commit: &str) -> String {
    let ours = || tasks.iter().zip(rows).filter(|(task, _)| task.policy == "predictive");
    let periods: usize = ours().map(|(_, row)| row.periods).sum();
    let shifts: usize = ours().map(|(_, row)| row.shifts).sum();
    let over: usize = ours().map(|(_, row)| row.over).sum();
    let refused: u64 = ours().map(|(_, row)| row.refused).sum();
    let mut text = format!(
        "Machine: {}. Commit {commit}, first seed {} (it follows from the commit unless `--first` gives one).\n\
         **{shifts} shifts, {periods} periods of the limit: {over} above it.** Events refused: {refused}. \
         Utilisation in % with 95% intervals.\n",
        machine(),
        asked.first,
    );
    for plan in PLANS {
        let own: Vec<(&Task, &Row)> = ours().filter(|(task, _)| task.plan == plan).collect();
        if own.is_empty() {
            continue;
        }
        let _ = match plan {
            "base" => base(&mut text, &own),
            "ledger" => {
                targets(&mut text, &own, 1, "Ten days under one ledger, the learning of the first in it")
            }
            "signals" => targets(&mut text, &own, 2, "Day 1 with agent signals"),
            "segments" => segments(&mut text, &own, &ours().collect::<Vec<_>>()),
            "owners" => owners(&mut text, &own, &tasks.iter().zip(rows).collect::<Vec<_>>()),
            _ => families(&mut text, &own),
        };
    }
    if asked.compare {
        let _ = compared(&mut text, tasks, rows);
    }
    text
}

fn base(text: &mut String, rows: &[(&Task, &Row)]) -> std::fmt::Result {
    writeln!(
        text,
        "\n### Day 1, daily period\n\n| scenario | bound | day 1 | target | half-way to the ceiling | abandoned | worst | \
         first 15 min | calls left, least | above |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for (task, row) in rows {
        let targets = targets_of(&task.scenario);
        let half = targets.map(|it| (it[0] + it[3]) / 2.0);
        writeln!(
            text,
            "| {} | {:.1} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {} | {} of {} |",
            row.scenario,
            row.bound * 100.0,
            estimate(row),
            reached(row, targets.map(|it| it[0])),
            reached(row, half),
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.abandon_first * 100.0,
            row.calls_left_least,
            row.over,
            row.periods,
        )?;
    }
    Ok(())
}

fn targets(text: &mut String, rows: &[(&Task, &Row)], column: usize, title: &str) -> std::fmt::Result {
    writeln!(
        text,
        "\n### {title}\n\n| scenario | utilisation | target | abandoned | worst | calls left, least | above |\n\
         |---|---|---|---|---|---|---|"
    )?;
    for (task, row) in rows {
        writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {} | {} of {} |",
            row.scenario,
            estimate(row),
            reached(row, targets_of(&task.scenario).map(|it| it[column])),
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.calls_left_least,
            row.over,
            row.periods,
        )?;
    }
    Ok(())
}

fn segments(text: &mut String, rows: &[(&Task, &Row)], all: &[(&Task, &Row)]) -> std::fmt::Result {
    writeln!(
        text,
        "\n### Segment labels, and with agent signals\n\n| scenario | utilisation | gain over day 1 without them | \
         abandoned | worst | above |\n|---|---|---|---|---|---|"
    )?;
    for (task, row) in rows {
        let same = |it: &&(&Task, &Row)| {
            matches!(it.0.plan, "base" | "segments")
                && it.0.scenario.segments.is_empty()
                && it.0.scenario.agents == task.scenario.agents
                && it.0.scenario.answer_rate == task.scenario.answer_rate
        };
        let plain = task.scenario.segments.is_empty();
        let gain = all.iter().find(same).filter(|_| !plain).map_or(String::from("-"), |(_, base)| {
            let gain = (row.utilisation.mean - base.utilisation.mean) * 100.0;
            let margin = (row.utilisation.margin.powi(2) + base.utilisation.margin.powi(2)).sqrt() * 100.0;
            let wanted = GAINS
                .iter()
                .find(|it| it.0 == task.scenario.agents)
                .filter(|_| task.scenario.signals.is_some() && task.scenario.answer_rate == GAINS_AT);
            let wanted = wanted.map_or(String::new(), |(_, wanted)| format!(" (target {wanted:+.1})"));
            format!("{gain:+.2} ±{margin:.2}{wanted}")
        });
        writeln!(
            text,
            "| {} | {} | {gain} | {:.2} | {:.2} | {} of {} |",
            row.scenario,
            estimate(row),
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.over,
            row.periods,
        )?;
    }
    Ok(())
}

fn families(text: &mut String, rows: &[(&Task, &Row)]) -> std::fmt::Result {
    writeln!(
        text,
        "\n### Families\n\n| scenario | utilisation | abandoned | worst | first 15 min | above |\n|---|---|---|---|---|---|"
    )?;
    for (_, row) in rows {
        writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {} of {} |",
            row.scenario,
            estimate(row),
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.abandon_first * 100.0,
            row.over,
            row.periods,
        )?;
    }
    Ok(())
}

/// Calling ahead against one line per free owner, on the same seeds.
fn owners(text: &mut String, rows: &[(&Task, &Row)], all: &[(&Task, &Row)]) -> std::fmt::Result {
    writeln!(
        text,
        "\n### Contacts with an owner\n\n| scenario | called ahead | abandoned | worst | calls left, least | above | \
         one line per free owner: utilisation / abandoned | progressive |\n|---|---|---|---|---|---|---|---|"
    )?;
    for (_, row) in rows {
        let other = |policy: &str| {
            let found = all.iter().find(|(task, other)| {
                task.policy == policy && task.plan == "owners" && other.scenario == row.scenario
            });
            found.map_or(String::from("-"), |(_, row)| {
                format!("{} / {:.2}", estimate(row), row.abandon_pooled * 100.0)
            })
        };
        writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {} | {} of {} | {} |",
            row.scenario,
            estimate(row),
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.calls_left_least,
            row.over,
            row.periods,
            OWNERS_OTHERS.map(other).join(" | "),
        )?;
    }
    Ok(())
}

/// The other policies on a fifth of the same seeds: utilisation, and what they abandoned.
fn compared(text: &mut String, tasks: &[Task], rows: &[Row]) -> std::fmt::Result {
    writeln!(
        text,
        "\n### Other policies, on a fifth of the same seeds: utilisation / abandoned\n\n| scenario | predictive | progressive | \
         adaptive (tapered) | fixed ratio, tuned offline | hazards known, risk tuned offline, no stop |\n\
         |---|---|---|---|---|---|"
    )?;
    let all: Vec<(&Task, &Row)> = tasks.iter().zip(rows).collect();
    for (task, row) in all.iter().filter(|(task, _)| task.plan == "base" && task.policy == "predictive") {
        let policy = |name: &str| {
            let found = all.iter().find(|(other, _)| {
                other.policy == name && other.plan == "base" && other.scenario.name == task.scenario.name
            });
            found.map_or(String::from("-"), |(_, row)| {
                format!("{:.1} / {:.1}", row.utilisation.mean * 100.0, row.abandon_pooled * 100.0)
            })
        };
        let others =
            ["predictive", "progressive", "adaptive-tapered", "ratio-tuned", "known-tuned"].map(policy);
        writeln!(text, "| {} | {} |", row.scenario, others.join(" | "))?;
    }
    Ok(())
}

fn targets_of(scenario: &Scenario) -> Option<[f64; 4]> {
    TARGETS.iter().find(|it| it.0 == scenario.agents && it.1 == scenario.answer_rate).map(|it| it.2)
}

fn estimate(row: &Row) -> String {
    format!("{:.2} ±{:.2}", row.utilisation.mean * 100.0, row.utilisation.margin * 100.0)
}

/// The figure aimed at, and how far it is off where it is.
fn reached(row: &Row, wanted: Option<f64>) -> String {
    let Some(wanted) = wanted.filter(|wanted| *wanted > 0.0) else { return "-".into() };
    let short = wanted - row.utilisation.mean * 100.0;
    if short <= 0.0 { format!("{wanted:.2} reached") } else { format!("{wanted:.2}, {short:.2} short") }
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} ({cores} cores)", model.trim_start_matches([' ', '\t', ':']))
}

fn output(program: &str, args: &[&str]) -> String {
    let found = Command::new(program).args(args).output().ok().filter(|it| it.status.success());
    let text = found.and_then(|it| String::from_utf8(it.stdout).ok()).unwrap_or_default();
    if text.trim().is_empty() { "unknown".into() } else { text.trim().to_owned() }
}
