//! The tables of `docs/PACING.md`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use carillon_pacing::sim::Scenario;
use carillon_pacing::sim::study::Row;

use super::{Asked, Task};

/// Policies that ours is set against.
pub const OTHERS: [&str; 5] =
    ["progressive", "adaptive-hard", "adaptive-average", "adaptive-tapered", "ratio-tuned"];

/// A fixed ratio that is chosen when all is over.
const HINDSIGHT: &str = "ratio in hindsight";

/// What owners are called by beside the policy itself, on the same seeds.
pub const OWNERS_OTHERS: [&str; 2] = ["predictive-owners-free", "progressive"];

/// Figures asked for in one base scenario, in percent; zero is none.
struct Targets {
    agents: u32,
    answer_rate: f64,
    /// Zero-wait bound of the prototype's own runs.
    bound: f64,
    day: f64,
    ledger: f64,
    signals: f64,
    /// True distributions, tuned, no hard stop, no limit on single shifts.
    ceiling: f64,
}

const fn asked_for(agents: u32, answer_rate: f64, figures: [f64; 5]) -> Targets {
    let [bound, day, ledger, signals, ceiling] = figures;
    Targets { agents, answer_rate, bound, day, ledger, signals, ceiling }
}

const TARGETS: [Targets; 11] = [
    asked_for(3, 0.25, [86.4, 65.0, 65.5, 66.0, 66.9]),
    asked_for(5, 0.08, [86.5, 61.0, 62.5, 61.5, 64.3]),
    asked_for(5, 0.50, [86.4, 74.0, 74.0, 75.5, 74.8]),
    asked_for(10, 0.25, [86.3, 72.0, 72.5, 73.0, 73.2]),
    asked_for(20, 0.08, [86.2, 74.5, 75.0, 74.8, 75.8]),
    asked_for(20, 0.50, [86.2, 77.9, 78.1, 0.0, 78.3]),
    asked_for(50, 0.25, [86.1, 80.2, 80.5, 80.6, 81.0]),
    asked_for(100, 0.08, [86.1, 82.2, 82.5, 82.5, 82.7]),
    asked_for(300, 0.25, [86.2, 84.7, 84.9, 0.0, 85.0]),
    asked_for(1000, 0.08, [86.1, 85.7, 85.8, 0.0, 85.9]),
    asked_for(1000, 0.50, [86.1, 85.7, 85.8, 0.0, 85.9]),
];
/// Gain of segments and signals together in points, by agents: the prototype's, at an answer rate of 25%.
const GAINS: [(u32, f64); 4] = [(3, 2.2), (10, 2.0), (20, 1.3), (100, 0.4)];
const GAINS_AT: f64 = 0.25;
/// Mean wrap-up of the base scenario in seconds.
const WRAP_S: f64 = 20.0;

type Own<'a> = [(&'a Task, &'a Row)];

/// What is found for some scenarios beside their runs, by name.
pub struct Beside {
    /// The highest utilisation under the limit.
    pub ceilings: BTreeMap<String, f64>,
    /// The fixed ratio that serves most and loses no more than predictive does.
    pub hindsight: BTreeMap<String, Row>,
}

/// All tables.
pub fn page(tasks: &[Task], rows: &[Row], asked: &Asked, commit: &str, beside: &Beside) -> String {
    let all: Vec<(&Task, &Row)> = tasks.iter().zip(rows).collect();
    let ours: Vec<(&Task, &Row)> =
        all.iter().copied().filter(|(task, _)| task.policy == "predictive").collect();
    let sum = |figure: fn(&Row) -> usize| ours.iter().map(|(_, row)| figure(row)).sum::<usize>();
    let mut text = format!(
        "Machine: {}. Commit {commit}, first seed {} (it follows from the commit unless `--first` gives one).\n\
         **{} shifts, {} periods of the limit: {} above it.** Events refused: {}. Utilisation in % with 95% intervals.\n",
        machine(),
        asked.first,
        sum(|row| row.shifts),
        sum(|row| row.periods),
        sum(|row| row.over),
        ours.iter().map(|(_, row)| row.refused).sum::<u64>(),
    );
    for plan in super::PLANS {
        let own: Vec<(&Task, &Row)> = ours.iter().copied().filter(|(task, _)| task.plan == plan).collect();
        if own.is_empty() {
            continue;
        }
        let _ = match plan {
            "base" => base(&mut text, &own, &beside.ceilings),
            "ledger" => targets(
                &mut text,
                &own,
                |it| it.ledger,
                "Ten days under one ledger, the learning of the first in it",
            ),
            "signals" => targets(&mut text, &own, |it| it.signals, "Day 1 with agent signals"),
            "segments" => segments(&mut text, &own, &ours),
            "owners" => owners(&mut text, &own, &all),
            _ => families(&mut text, &own, &all, asked.compare.then_some(&beside.hindsight)),
        };
    }
    if asked.compare {
        let _ = compared(&mut text, &all, &beside.hindsight);
    }
    text
}

fn base(text: &mut String, rows: &Own<'_>, ceilings: &BTreeMap<String, f64>) -> fmt::Result {
    writeln!(
        text,
        "\n### Day 1, daily period\n\n| scenario | bound | day 1 | target | half-way to the ceiling | the same, by the wait | \
         solved ceiling under the limit | abandoned | worst | first 15 min | calls left, least | above |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for (task, row) in rows {
        let targets = targets_of(&task.scenario);
        let half = targets.map(|it| (it.day + it.ceiling) / 2.0);
        let by_wait = targets.zip(half).map(|(it, half)| at_the_same_wait(it.bound, half, row.bound));
        let ceiling = ceilings.get(&row.scenario);
        writeln!(
            text,
            "| {} | {:.1} | {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {} | {} of {} |",
            row.scenario,
            row.bound * 100.0,
            estimate(row),
            reached(row, targets.map(|it| it.day)),
            reached(row, half),
            reached(row, by_wait),
            ceiling.map_or(String::from("-"), |it| format!("{:.2}", it * 100.0)),
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

/// What a utilisation in percent, seen where the bound was `bound` percent, is where it is `ours` (a share) and agents wait
/// as long for a call. Wrap-up is the same in both, so the bound tells the mean talk.
fn at_the_same_wait(bound: f64, utilisation: f64, ours: f64) -> f64 {
    let talk_s = |bound: f64| WRAP_S * bound / (1.0 - bound);
    let theirs_s = talk_s(bound / 100.0);
    let wait_s = theirs_s / (utilisation / 100.0) - theirs_s - WRAP_S;
    100.0 * talk_s(ours) / (talk_s(ours) + WRAP_S + wait_s)
}

fn targets(text: &mut String, rows: &Own<'_>, wanted: fn(&Targets) -> f64, title: &str) -> fmt::Result {
    writeln!(
        text,
        "\n### {title}\n\n| scenario | utilisation | target | the same, by the wait | abandoned | worst | calls left, least | \
         above |\n|---|---|---|---|---|---|---|---|"
    )?;
    for (task, row) in rows {
        let found = targets_of(&task.scenario).map(|it| (it.bound, wanted(it))).filter(|it| it.1 > 0.0);
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {:.2} | {} | {} of {} |",
            row.scenario,
            estimate(row),
            reached(row, found.map(|it| it.1)),
            reached(row, found.map(|it| at_the_same_wait(it.0, it.1, row.bound))),
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.calls_left_least,
            row.over,
            row.periods,
        )?;
    }
    Ok(())
}

fn segments(text: &mut String, rows: &Own<'_>, all: &Own<'_>) -> fmt::Result {
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

fn families(
    text: &mut String,
    rows: &Own<'_>,
    all: &Own<'_>,
    hindsight: Option<&BTreeMap<String, Row>>,
) -> fmt::Result {
    write!(text, "\n### Families\n\n| scenario | utilisation | abandoned | worst | first 15 min | above |")?;
    if hindsight.is_some() {
        write!(text, " best other policy that loses no more | soft controller, no stop: shifts above |")?;
    }
    writeln!(text, "\n|---|---|---|---|---|---|{}", if hindsight.is_some() { "---|---|" } else { "" })?;
    for (task, row) in rows {
        write!(
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
        if let Some(hindsight) = hindsight {
            let soft = of(all, task, "predictive-soft").map_or(String::from("-"), |soft| {
                let loss = (soft.utilisation.mean - row.utilisation.mean) * 100.0;
                format!("{:.2}, {loss:+.2}: {} of {}", soft.utilisation.mean * 100.0, soft.over, soft.periods)
            });
            write!(text, " {} | {soft} |", best_other(all, task, row, hindsight))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Calling ahead against one line per free owner, on the same seeds.
fn owners(text: &mut String, rows: &Own<'_>, all: &Own<'_>) -> fmt::Result {
    writeln!(
        text,
        "\n### Contacts with an owner\n\n| scenario | called ahead | abandoned | worst | calls left, least | above | \
         one line per free owner: utilisation / abandoned | progressive |\n|---|---|---|---|---|---|---|---|"
    )?;
    for (task, row) in rows {
        let other = |policy: &str| {
            of(all, task, policy).map_or(String::from("-"), |row| {
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

/// The other policies on the same seeds, that of known hazards on a fifth of them: utilisation, and what they abandoned.
fn compared(text: &mut String, all: &Own<'_>, hindsight: &BTreeMap<String, Row>) -> fmt::Result {
    writeln!(
        text,
        "\n### Other policies on the same seeds: utilisation / abandoned\n\nThe last column on a fifth of them.\n\n\
         | scenario | predictive | progressive | adaptive (tapered) | fixed ratio, tuned offline | fixed ratio, in hindsight, losing \
         no more | hazards known, risk tuned offline, no stop |\n|---|---|---|---|---|---|---|"
    )?;
    for (task, row) in all.iter().filter(|(task, _)| task.plan == "base" && task.policy == "predictive") {
        let show = |row: Option<&Row>| row.map_or(String::from("-"), figures);
        let policy = |name: &str| show(of(all, task, name));
        let others = [
            figures(row),
            policy("progressive"),
            policy("adaptive-tapered"),
            policy("ratio-tuned"),
            show(hindsight.get(&row.scenario)),
            policy("known-tuned"),
        ];
        writeln!(text, "| {} | {} |", row.scenario, others.join(" | "))?;
    }
    Ok(())
}

/// The same scenario under another policy.
fn of<'a>(all: &Own<'a>, task: &Task, policy: &str) -> Option<&'a Row> {
    let same = |it: &&(&Task, &Row)| {
        it.0.policy == policy && it.0.plan == task.plan && it.0.scenario.name == task.scenario.name
    };
    all.iter().find(same).map(|(_, row)| *row)
}

/// The busiest of the other policies that kept the limit over all its shifts together.
/// Of the other policies, a fixed ratio chosen in hindsight among them, the one that serves most on the same seeds without losing
/// more of its answers.
fn best_other(all: &Own<'_>, task: &Task, ours: &Row, hindsight: &BTreeMap<String, Row>) -> String {
    let rows = OTHERS.iter().filter_map(|policy| Some((*policy, of(all, task, policy)?)));
    let rows = rows.chain(hindsight.get(&task.scenario.name).map(|row| (HINDSIGHT, row)));
    let fair = rows.filter(|(_, row)| row.abandon_pooled <= ours.abandon_pooled);
    let best = fair.max_by(|one, other| one.1.utilisation.mean.total_cmp(&other.1.utilisation.mean));
    best.map_or(String::from("none"), |(policy, row)| {
        let ahead = (ours.utilisation.mean - row.utilisation.mean) * 100.0;
        format!("{policy}: {}, {ahead:.2} below", figures(row))
    })
}

fn figures(row: &Row) -> String {
    format!("{:.1} / {:.1}", row.utilisation.mean * 100.0, row.abandon_pooled * 100.0)
}

fn targets_of(scenario: &Scenario) -> Option<&'static Targets> {
    TARGETS.iter().find(|it| it.agents == scenario.agents && it.answer_rate == scenario.answer_rate)
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
