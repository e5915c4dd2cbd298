//! `carillon rehearse`: fits a model to what a campaign has done and runs it as it was and as it might have been.

mod past;
mod table;

use std::path::{Path, PathBuf};

use carillon_core::campaign::pacer::SpecPacer;
use carillon_core::campaign::spec::{CampaignSpec, Mode};
use carillon_core::store::sqlite::{Archive, PAST_ATTEMPTS_MAX, PastCampaign, StoreError};
use carillon_core::time::Utc;
use carillon_pacing::sim::fit::{Account, Assumed, Fit};
use carillon_pacing::sim::study::{self, Estimate};
use carillon_pacing::sim::world::{self, Terms};
use carillon_pacing::sim::{Row, Scenario, Shift, Study, report};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::say::{say, write};
use crate::workers::run_all;

/// Most seeds.
const SEEDS_MAX: u64 = 1_000;
/// Most settings compared at once.
const SETTINGS_MAX: usize = 60;
/// Most days that are run: the newest. The laws are learnt from all.
const DAYS_MAX: usize = 3;
/// The first seed; those of benchmarks and tuning lie elsewhere.
const SEED_FIRST: u64 = 7_000_000;
/// What chance and the model may be off in sum before the past counts as not explained, in points of utilisation.
const TOLERANCE: f64 = 0.01;

/// What to rehearse.
#[derive(Clone, Debug)]
pub struct RehearseOptions {
    /// The database.
    pub from: PathBuf,
    /// The campaign's number or name.
    pub campaign: String,
    /// Team sizes.
    pub agents: Vec<u32>,
    /// Abandonment limits in percent.
    pub limits: Vec<f64>,
    /// Modes.
    pub modes: Vec<Mode>,
    /// Seeds for each setting; each also resamples the history.
    pub seeds: u64,
    /// Write all figures here as JSON.
    pub json: Option<PathBuf>,
    /// Write a page with plots here.
    pub page: Option<PathBuf>,
}

/// One way to run the campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// What differs from how it was run.
    pub name: String,
    /// Policy.
    pub mode: Mode,
    /// Abandonment limit.
    pub limit: f64,
    /// Team size; `None` is as it was.
    pub agents: Option<u32>,
}

/// What came of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The setting.
    pub setting: Setting,
    /// Agents on the largest day.
    pub agents: u32,
    /// Utilisation of a seed: mean, and half the width of the range that holds 95 of 100.
    pub utilisation: Estimate,
    /// What it is above the setting that was run, same seeds, with its 95% confidence interval.
    pub gain: Estimate,
    /// Abandoned share of live answers of a seed: mean, and half the width of the range that holds 95 of 100.
    pub abandoned: Estimate,
    /// All seeds summed up.
    pub row: Row,
}

/// All that a rehearsal found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The campaign's name.
    pub campaign: String,
    /// Days of the history, and how many of them were run.
    pub days: (usize, usize),
    /// Calls that the model was fitted to.
    pub calls: usize,
    /// What really happened on the days that were run.
    pub happened: Happened,
    /// Whether what happened lies where the model expects it; `None` for a mode that places nothing by itself.
    pub explained: Option<bool>,
    /// What was taken for granted, and what to beware of.
    pub notes: Vec<String>,
    /// Seeds.
    pub seeds: u64,
    /// The settings, the one that was run first.
    pub outcomes: Vec<Outcome>,
}

/// What really happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happened {
    /// Talk's share of agents' time.
    pub utilisation: f64,
    /// Abandoned share of live answers.
    pub abandoned: f64,
    /// Agent hours with something to call.
    pub agent_hours: f64,
    /// Agent hours with nothing to call.
    pub starved_hours: f64,
    /// Calls placed per agent hour.
    pub dials: f64,
    /// Live answers per agent hour that reached an agent.
    pub contacts: f64,
}

/// Rehearses and prints. Errors: the database or the campaign is not there or none of ours, the history is too thin.
pub async fn command(options: &RehearseOptions) -> Result<(), Exit> {
    let (mut archive, campaign) = open(&options.from, &options.campaign).await?;
    let past = archive.past(campaign.campaign).await;
    let (cut, attempts) = past.map_err(|error| unreadable(&options.from, error))?;
    drop(archive);
    let thin = |why: String| {
        Exit::other(format!(
            "campaign `{}`: the history is too thin to rehearse on: {why}",
            campaign.spec.name
        ))
    };
    let past = past::read(campaign.campaign, &campaign.spec, &attempts)
        .ok_or_else(|| thin("not one call was placed".into()))?;
    let (origin, calls, elsewhere) = (past.origin, past.history.calls.len(), past.elsewhere);
    let fit = Fit::new(past.history).map_err(|why| thin(why.to_string()))?;
    let settings = settings(options, &campaign.spec, &fit).map_err(Exit::file)?;
    let mut rehearsal = rehearse(&campaign.spec, &fit, settings, options.seeds, origin);
    rehearsal.calls = calls;
    rehearsal.notes.extend(notes(&campaign.spec, &fit, cut, elsewhere, &rehearsal.happened));
    say(table::text(&rehearsal).trim_end());
    if let Some(path) = &options.json {
        write(path, &serde_json::to_string_pretty(&rehearsal).map_err(Exit::other)?)?;
    }
    if let Some(path) = &options.page {
        let study = Study {
            plan: format!("rehearsal of {}", rehearsal.campaign),
            about: table::text(&rehearsal).lines().take(4).collect::<Vec<_>>().join(" · "),
            seeds: (SEED_FIRST, options.seeds),
            rows: rehearsal.outcomes.iter().map(|outcome| outcome.row.clone()).collect(),
        };
        write(path, &report::page(&study))?;
        say(format_args!("page: {}", path.display()));
    }
    Ok(())
}

/// Opens the database of a past campaign.
pub(crate) async fn open(from: &Path, wanted: &str) -> Result<(Archive, PastCampaign), Exit> {
    if !from.is_file() {
        return Err(Exit::file(format!("{}: no such file", from.display())));
    }
    let mut archive = Archive::open(from).await.map_err(|error| unreadable(from, error))?;
    let campaigns = archive.campaigns().await.map_err(|error| unreadable(from, error))?;
    let campaign =
        find(&campaigns, wanted).map_err(|why| Exit::file(format!("{}: {why}", from.display())))?;
    Ok((archive, campaign.clone()))
}

/// A database that can't be read is a wrong file.
pub(crate) fn unreadable(from: &Path, error: StoreError) -> Exit {
    match error {
        StoreError::Foreign { .. } => Exit::file(error),
        other => Exit::file(format!("{}: {other}", from.display())),
    }
}

/// The campaign of a number or a name.
fn find<'a>(campaigns: &'a [PastCampaign], wanted: &str) -> Result<&'a PastCampaign, String> {
    let by_number = campaigns.iter().find(|campaign| campaign.campaign.to_string() == wanted);
    let mut by_name = campaigns.iter().filter(|campaign| campaign.spec.name == wanted);
    match (by_number, by_name.next(), by_name.next()) {
        (Some(campaign), _, _) | (None, Some(campaign), None) => Ok(campaign),
        (None, Some(_), Some(_)) => Err(format!("several campaigns are called `{wanted}`: give the number")),
        (None, None, _) if campaigns.is_empty() => Err("it holds no campaign".into()),
        (None, None, _) => {
            let known = campaigns.iter().map(|it| format!("{} ({})", it.campaign, it.spec.name));
            Err(format!("no campaign `{wanted}`; there are {}", known.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// The settings to compare: the one that was run, then what was asked for, or sensible neighbours.
fn settings(options: &RehearseOptions, spec: &CampaignSpec, fit: &Fit) -> Result<Vec<Setting>, String> {
    if !(1..=SEEDS_MAX).contains(&options.seeds) {
        return Err(format!("--seeds: must be 1 to {SEEDS_MAX}"));
    }
    if options.limits.iter().any(|limit| !(0.0..=100.0).contains(limit)) {
        return Err("--limit: must be 0 to 100 (percent)".into());
    }
    let most = carillon_pacing::sim::plan::AGENTS_MAX;
    if options.agents.iter().any(|agents| !(1..=most).contains(agents)) {
        return Err(format!("--agents: must be 1 to {most}"));
    }
    let was = Setting { name: String::new(), mode: spec.mode, limit: spec.abandon_limit, agents: None };
    let mut settings = vec![was.clone()];
    let asked = !(options.agents.is_empty() && options.limits.is_empty() && options.modes.is_empty());
    if asked {
        let agents: Vec<_> = if options.agents.is_empty() {
            vec![None]
        } else {
            options.agents.iter().copied().map(Some).collect()
        };
        let shares = options.limits.iter().map(|limit| limit / 100.0);
        let limits: Vec<_> = if options.limits.is_empty() { vec![was.limit] } else { shares.collect() };
        let modes = if options.modes.is_empty() { vec![was.mode] } else { options.modes.clone() };
        for (mode, limit) in modes.iter().flat_map(|mode| limits.iter().map(move |limit| (*mode, *limit))) {
            settings.extend(agents.iter().map(|agents| Setting {
                mode,
                limit,
                agents: *agents,
                ..was.clone()
            }));
        }
    } else {
        for mode in [Mode::Progressive, Mode::Ratio, Mode::Adaptive, Mode::Predictive] {
            settings.push(Setting { mode, ..was.clone() });
        }
        for limit in [0.01, 0.03, 0.05].into_iter().filter(|_| over_dials(was.mode)) {
            settings.push(Setting { limit, ..was.clone() });
        }
        let team = fit.days().iter().map(|day| day.agents().len()).max().unwrap_or(1);
        let step = (team / 5).max(1);
        for agents in [team.saturating_sub(step), team + step].into_iter().filter(|agents| *agents > 0) {
            settings.push(Setting { agents: u32::try_from(agents).ok(), ..was.clone() });
        }
    }
    let mut different: Vec<Setting> = Vec::new();
    for setting in settings {
        if !different.contains(&setting) {
            different.push(setting);
        }
    }
    if different.len() > SETTINGS_MAX {
        return Err(format!("{} settings are asked for; at most {SETTINGS_MAX}", different.len()));
    }
    for setting in &mut different {
        setting.name = table::name(setting, &was);
    }
    Ok(different)
}

/// Whether the pacer alone decides when calls leave.
fn places_alone(mode: Mode) -> bool {
    match mode {
        Mode::Manual | Mode::Preview => false,
        Mode::Progressive | Mode::Ratio | Mode::Adaptive | Mode::Predictive => true,
    }
}

fn over_dials(mode: Mode) -> bool {
    match mode {
        Mode::Manual | Mode::Preview | Mode::Progressive => false,
        Mode::Ratio | Mode::Adaptive | Mode::Predictive => true,
    }
}

/// One seed of one setting: the days that were run.
type Days = Vec<Shift>;

/// Runs all settings.
fn rehearse(spec: &CampaignSpec, fit: &Fit, settings: Vec<Setting>, seeds: u64, origin: Utc) -> Rehearsal {
    let days: Vec<_> = fit.days().iter().rev().take(DAYS_MAX).collect();
    // With days before it a pacer has learnt already when a day begins.
    let lessons = u32::from(fit.days().len() > 1);
    let run_one = |setting: &Setting, seed: u64| -> Days {
        let fitted = fit.scenario(Some(seed));
        let varied = CampaignSpec { mode: setting.mode, abandon_limit: setting.limit, ..spec.clone() };
        // What dials ahead has a message to play.
        let was = setting.mode == spec.mode && setting.agents.is_none();
        let over_dial = spec.safe_harbour.is_some() || (over_dials(setting.mode) && !was);
        let terms = Terms { limit_told: setting.limit, outlook_told: true, over_dial };
        let day = |day: &&carillon_pacing::sim::fit::Day| {
            let scenario = Scenario { days: 1 + lessons, ..scenario(&fitted, fit, day, setting, spec) };
            let at = Utc(origin.0.saturating_add((day.from_s * 1e3) as i64));
            let mut pacer = SpecPacer::new(&varied, at);
            world::run(&scenario, SEED_FIRST + seed, &mut pacer, terms).pop()
        };
        days.iter().filter_map(day).collect()
    };
    let runs = spread(&settings, seeds, run_one);
    let mut happened = Account::default();
    days.iter().for_each(|day| happened.add(&day.account));
    let happened = Happened::from(&happened);
    let busy = |days: &Days| {
        let talk_s: f64 = days.iter().map(|day| day.talk_s).sum();
        talk_s / days.iter().map(|day| day.agent_hours() * 3600.0).sum::<f64>().max(1e-9)
    };
    let lost = |days: &Days| {
        let (lost, live) = days.iter().fold((0, 0), |sum, day| (sum.0 + day.abandoned, sum.1 + day.live));
        lost as f64 / (live as f64).max(1.0)
    };
    let as_run: Vec<f64> = runs.first().map(|runs| runs.iter().map(busy).collect()).unwrap_or_default();
    let outcomes: Vec<Outcome> = settings
        .into_iter()
        .zip(&runs)
        .map(|(setting, runs)| {
            let agents = days.iter().map(|day| day.agents().len()).max().unwrap_or_default();
            let agents = setting.agents.unwrap_or(u32::try_from(agents).unwrap_or(u32::MAX));
            let utilisations: Vec<f64> = runs.iter().map(busy).collect();
            let gains: Vec<f64> = utilisations.iter().zip(&as_run).map(|(own, was)| own - was).collect();
            let named =
                Scenario { name: format!("{agents} agents"), limit: setting.limit, ..fit.scenario(None) };
            Outcome {
                agents,
                utilisation: spread_of(&utilisations),
                gain: Estimate::of(&gains),
                abandoned: spread_of(&runs.iter().map(lost).collect::<Vec<_>>()),
                row: study::sum_up(&named, &setting.name, runs),
                setting,
            }
        })
        .collect();
    let explained = outcomes.first().filter(|_| places_alone(spec.mode)).map(|was| {
        let within = |figure: f64, range: Estimate| (figure - range.mean).abs() <= range.margin + TOLERANCE;
        within(happened.utilisation, was.utilisation) && within(happened.abandoned, was.abandoned)
    });
    Rehearsal {
        campaign: spec.name.clone(),
        days: (fit.days().len(), days.len()),
        calls: 0,
        happened,
        explained,
        notes: Vec::new(),
        seeds,
        outcomes,
    }
}

/// A day under a setting.
fn scenario(
    fitted: &Scenario,
    fit: &Fit,
    day: &carillon_pacing::sim::fit::Day,
    setting: &Setting,
    spec: &CampaignSpec,
) -> Scenario {
    Scenario {
        limit: setting.limit,
        abandon_after_s: spec.abandon_after.as_secs_f64(),
        ..fit.of_day(fitted, day, setting.agents)
    }
}

/// Mean, and half the width of the range that holds 95 of 100 seeds.
fn spread_of(values: &[f64]) -> Estimate {
    let estimate = Estimate::of(values);
    // The interval of the mean, widened to that of one value.
    Estimate { margin: estimate.margin * (values.len() as f64).sqrt(), ..estimate }
}

/// Runs settings and seeds on all processors; the results don't depend on how many there are.
fn spread(
    settings: &[Setting],
    seeds: u64,
    run_one: impl Fn(&Setting, u64) -> Days + Sync,
) -> Vec<Vec<Days>> {
    let per = usize::try_from(seeds).unwrap_or(1).max(1);
    let run_one = |task: usize| {
        let setting = settings.get(task / per);
        setting.map(|setting| run_one(setting, (task % per) as u64)).unwrap_or_default()
    };
    let mut done = run_all(settings.len() * per, run_one).into_iter();
    settings.iter().map(|_| done.by_ref().take(per).collect()).collect()
}

impl From<&Account> for Happened {
    fn from(account: &Account) -> Self {
        let hours = account.agent_hours().max(1e-9);
        Self {
            utilisation: account.utilisation(),
            abandoned: account.abandon_rate(),
            agent_hours: account.agent_hours(),
            starved_hours: account.starved_s / 3600.0,
            dials: account.dials as f64 / hours,
            contacts: account.live.saturating_sub(account.abandoned) as f64 / hours,
        }
    }
}

/// What was taken for granted.
fn notes(spec: &CampaignSpec, fit: &Fit, cut: bool, elsewhere: usize, happened: &Happened) -> Vec<String> {
    let mut notes = Vec::new();
    let mut add = |applies: bool, note: &str| notes.extend(applies.then(|| note.to_owned()));
    add(cut, &format!("only the newest {PAST_ATTEMPTS_MAX} calls were read"));
    add(fit.days().len() > DAYS_MAX, &format!("the newest {DAYS_MAX} days were run; laws are from all"));
    add(
        happened.starved_hours > 0.02 * happened.agent_hours,
        &format!(
            "left out: {:.1} agent hours in which agents outnumbered lines (nothing due, paused, no room): no pacing \
             changes them",
            happened.starved_hours
        ),
    );
    add(
        true,
        "assumed: who is there is known only from call to call; waits before an agent's first call are missing",
    );
    add(true, "assumed: trunks have room, tasks are due, and each day is a period of its own");
    for assumed in fit.assumed() {
        match assumed {
            Assumed::Patience => add(true, "assumed: nobody hangs up while waiting for an agent"),
            Assumed::WrapUp => {
                add(true, "assumed: wrap-up as in the base scenario; too few were seen to their end")
            }
        }
    }
    add(elsewhere > 0, &format!("{elsewhere} calls of other campaigns kept agents; that time is left out"));
    add(
        spec.safe_harbour.is_none(),
        "the campaign has no safe-harbour message; settings that dial ahead are shown as if it had one",
    );
    add(
        !places_alone(spec.mode),
        "in this mode people decide when calls leave: its own row is not comparable with what happened",
    );
    notes
}

#[cfg(test)]
mod tests;
