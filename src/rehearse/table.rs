//! A rehearsal as text.

use std::fmt::Write;

use carillon_core::campaign::spec::Mode;

use super::{Outcome, Rehearsal, Setting};

/// The word of a mode, as in campaign files.
fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Manual => "manual",
        Mode::Preview => "preview",
        Mode::Progressive => "progressive",
        Mode::Ratio => "ratio",
        Mode::Adaptive => "adaptive",
        Mode::Predictive => "predictive",
    }
}

/// What a setting is called beside the one that was run.
pub(super) fn name(setting: &Setting, was: &Setting) -> String {
    let mut parts = Vec::new();
    if setting.mode != was.mode {
        parts.push(word(setting.mode).to_owned());
    }
    if setting.limit != was.limit {
        parts.push(format!("limit {}%", percent(setting.limit)));
    }
    if let Some(agents) = setting.agents {
        parts.push(format!("{agents} agents"));
    }
    if parts.is_empty() { "as it was run".into() } else { parts.join(", ") }
}

/// A share in percent, without needless digits.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The whole text.
pub(super) fn text(rehearsal: &Rehearsal) -> String {
    let Rehearsal { campaign, days: (days, run), calls, happened, explained, notes, seeds, outcomes } =
        rehearsal;
    let mode = outcomes.first().map_or("", |was| word(was.setting.mode));
    let limit = outcomes.first().map_or(String::new(), |was| percent(was.setting.limit));
    let mut text = format!(
        "campaign {campaign}: {mode}, limit {limit}%; {calls} calls on {days} day(s), {run} run; {:.1} agent hours with \
         something to call\n",
        happened.agent_hours,
    );
    let wide = outcomes.iter().map(|it| it.setting.name.chars().count()).max().unwrap_or(0).max(16);
    let _ = writeln!(
        text,
        "{:wide$}  {:>6}  {:>15}  {:>15}  {:>13}  {:>6}  {:>6}  {:>6}",
        "", "agents", "utilisation %", "against as run", "abandoned %", "wait s", "dials", "talks",
    );
    let _ = writeln!(
        text,
        "{:wide$}  {:>6}  {:>15}  {:>15}  {:>13}  {:>6}  {:>6.1}  {:>6.1}",
        "what happened",
        "",
        format!("{:.1}       ", happened.utilisation * 100.0),
        "",
        format!("{:.2}       ", happened.abandoned * 100.0),
        "",
        happened.dials,
        happened.contacts,
    );
    for (index, outcome) in outcomes.iter().enumerate() {
        line(&mut text, outcome, wide, index == 0);
    }
    text.push_str(
        "utilisation, abandoned: mean and the range of 95 in 100 such histories. against as run: same seeds, with its 95% \
         confidence interval. dials, talks: per agent hour.\n",
    );
    let _ = writeln!(
        text,
        "{seeds} seeds; each resamples the calls of the history and draws its own chance, so the ranges hold both."
    );
    match explained {
        Some(true) => text.push_str("The model explains the past: what happened lies in the ranges of `as it was run`.\n"),
        Some(false) => text.push_str(
            "THE MODEL DOES NOT EXPLAIN THE PAST: what happened lies outside the ranges of `as it was run`; believe \
             differences between settings more than their level.\n",
        ),
        None => {}
    }
    for note in notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn line(text: &mut String, outcome: &Outcome, wide: usize, is_first: bool) {
    let Outcome { setting, agents, utilisation, gain, abandoned, row } = outcome;
    let against = if is_first {
        String::new()
    } else {
        format!("{:+.1} ± {:>4.1}", gain.mean * 100.0, gain.margin * 100.0)
    };
    let _ = writeln!(
        text,
        "{:wide$}  {:>6}  {:>8.1} ± {:>4.1}  {:>15}  {:>6.2} ± {:>4.2}  {:>6.1}  {:>6.1}  {:>6.1}",
        setting.name,
        agents,
        utilisation.mean * 100.0,
        utilisation.margin * 100.0,
        against,
        abandoned.mean * 100.0,
        abandoned.margin * 100.0,
        row.wait_mean_s,
        row.dials,
        row.contacts,
    );
}
