//! What the demo says at its end.

use std::path::Path;
use std::time::Duration;

use carillon_core::store::report::Summary;

use super::proof::Proof;

/// The report as text. `kept` is where the files are, if they stay.
pub fn text(summary: &Summary, heard: &Proof, took: Duration, kept: Option<&Path>) -> String {
    let milliseconds =
        |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value} ms"));
    let answer = &summary.answer_to_agent_ms;
    let mut lines = vec![
        String::new(),
        format!("The campaign took {:.0} s.", took.as_secs_f64()),
        String::new(),
        row("Calls placed", summary.placed),
        row("  answered", summary.answered),
        row("    talked to an agent", summary.bridged),
        format!("{} ({:.2}%)", row("    abandoned", summary.abandoned), summary.abandon_rate * 100.0),
        row("    hung up first", summary.callee_left),
        row("  machine", summary.machine),
        row("  no answer", summary.no_answer),
        row("  busy", summary.busy),
        row("  rejected", summary.rejected),
        row("  invalid number", summary.invalid_number),
        row("  congestion", summary.congestion),
        row("  failed or cancelled", summary.failed + summary.cancelled + summary.interrupted),
        row("Tasks closed", summary.tasks_closed),
        row("Tasks open", summary.tasks_open),
        format!("{:<28}{:>7.1}%", "Agents talking or wrapping up", busy_share(summary) * 100.0),
        format!(
            "{:<28}{:>8}   (p50 {}, p99 {})",
            "Answer to agent, longest",
            milliseconds(answer.max),
            milliseconds(answer.p50),
            milliseconds(answer.p99)
        ),
        String::new(),
        "Audio, as the callees and agents heard it:".to_owned(),
        format!("{} of {}", row("  calls heard both ways", heard.both_ways), heard.agent_heard),
        row("  safe-harbour messages", heard.message_heard),
        row("  wrong or second agent", heard.crossed),
        format!("{} of {} lost", row("  RTP packets", heard.lost), heard.packets + heard.lost),
    ];
    if let Some(directory) = kept {
        lines.push(String::new());
        lines.push(format!("attempts.csv, tasks.csv and summary.json are in {}", directory.display()));
    }
    lines.join("\n")
}

fn row(name: &str, count: u64) -> String {
    format!("{name:<28}{count:>8}")
}

fn busy_share(summary: &Summary) -> f64 {
    let time = &summary.agent_seconds;
    let all = time.ready + time.talking + time.wrap_up;
    if all > 0.0 { (time.talking + time.wrap_up) / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_names_what_matters() {
        let summary = Summary {
            placed: 1_000,
            answered: 300,
            bridged: 290,
            abandoned: 6,
            callee_left: 4,
            abandon_rate: 0.02,
            ..Summary::default()
        };
        let heard = Proof { agent_heard: 290, both_ways: 289, packets: 99, lost: 1, ..Proof::default() };
        let text = text(&summary, &heard, Duration::from_secs(90), Some(Path::new("/somewhere")));
        for part in ["took 90 s", "1000", "(2.00%)", "289 of 290", "1 of 100 lost", "/somewhere", "p99 -"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
