//! `carillon run CAMPAIGN.toml --report DIR`: one campaign, once, headless, resumable.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carillon_config::CampaignFile;
use carillon_core::agent::{AgentCommand, AgentState};
use carillon_core::campaign::{CampaignCommand, CampaignState};
use carillon_core::compliance::period::Period;
use carillon_core::id::CampaignId;
use carillon_core::live::LiveView;
use carillon_core::output::Reply;
use carillon_core::store::report::{ReportMeta, Summary, write_report};
use carillon_core::store::sqlite::{ImportError, Store, check_list};
use carillon_sip::event::TrunkState;

use crate::caps;
use crate::clock::wall;
use crate::engine::{self, EngineHandle, EngineOptions, Mailbox};
use crate::exit::Exit;
use crate::keeper::LADDERS;
use crate::say::say;
use crate::signals::Signals;
use crate::{node, prompts};

/// The database's name in the report's directory.
pub const DATABASE: &str = "carillon.db";
/// Where rows of the list that can't be used go.
pub const REJECTED: &str = "contacts.rejected.csv";

/// How to run.
pub struct RunOptions {
    /// The report's directory; made when missing.
    pub directory: PathBuf,
    /// Campaign seconds per real second.
    pub speed: u32,
    /// Seed of order and jitter, written into the report.
    pub seed: u64,
    /// Called once the engine runs, before agents sign on.
    pub on_start: Option<OnStart>,
}

/// See [`RunOptions::on_start`].
pub type OnStart = Box<dyn FnOnce(&EngineHandle, &Store) + Send>;

/// Runs a campaign to its end and writes the report.
pub async fn run(file: CampaignFile, options: RunOptions) -> Result<Summary, Exit> {
    let prompt = prompts::of(&file.spec, Path::new("")).map_err(Exit::file)?;
    let message = prompts::for_callers(&file.spec, Path::new("")).map_err(Exit::file)?;
    check_list(&file.list.file).map_err(list_exit)?;
    let mut signals = Signals::new()?;
    std::fs::create_dir_all(&options.directory)
        .map_err(|error| Exit::other(format!("{}: {error}", options.directory.display())))?;
    let mailbox = Mailbox::new().map_err(Exit::other)?;
    let database = options.directory.join(DATABASE);
    let store = Store::open(&database, mailbox.on_stored()).await.map_err(Exit::other)?;

    suppress(&file, &store).await?;
    let mut recovered = store.recover(wall()).await.map_err(Exit::other)?;
    let spent = caps::spent(&store, &recovered.open_attempts, &file.sip.trunks, wall()).await;
    let spent = spent.map_err(Exit::other)?;
    let known = recovered.campaigns.first_mut().map(|campaign| {
        // The file is the truth about the rules; the database about what has happened. Each run has its own time limit.
        let was = std::mem::replace(&mut campaign.spec, file.spec.clone());
        campaign.state = CampaignState::Paused;
        campaign.elapsed = Duration::ZERO;
        (campaign.campaign, was.name)
    });
    if let Some(campaign) = recovered.campaigns.first_mut() {
        // The file's law may count another period than the one before did.
        let since = Period::of(&campaign.spec, campaign.started_at, wall()).since;
        campaign.period = store.count_since(campaign.campaign, since).await.map_err(Exit::other)?;
    }
    if let Some((_, name)) = known.as_ref().filter(|(_, name)| *name != file.spec.name) {
        return Err(Exit::file(format!(
            "{} holds campaign `{name}`, the file describes `{}`: use another directory",
            options.directory.display(),
            file.spec.name
        )));
    }

    let (engine, thread) = engine::start(
        mailbox,
        EngineOptions {
            node: node::Options {
                sip: file.sip.clone(),
                dialer: carillon_core::dialer::Options::default(),
                leg: file.agents.leg,
                directory: options.directory.clone(),
                speed: options.speed,
            },
            store: store.clone(),
            recovered,
            spent,
            ladders: file.sip.ladders_kept.map(|keep| (options.directory.join(LADDERS), keep)),
        },
    )
    .map_err(Exit::other)?;

    let campaign = match known {
        Some((campaign, _)) => campaign,
        None => match engine.campaign(CampaignCommand::Create(Box::new(file.spec.clone()))).await {
            Ok(Reply::Campaign(campaign)) => campaign,
            Ok(Reply::Done) => return Err(Exit::other("the engine did not name the campaign")),
            Err(refused) => return Err(Exit::file(refused.to_string())),
        },
    };
    import_list(&file, &store, campaign, &options.directory).await?;
    if let Some(prompt) = prompt {
        engine.set_prompt(campaign, prompt).map_err(Exit::other)?;
    }
    if let Some(message) = message {
        engine.set_message(campaign, message).map_err(Exit::other)?;
    }
    if let Some(on_start) = options.on_start {
        on_start(&engine, &store);
    }

    let started_at = engine.status().borrow().campaign_utc;
    let outcome = conduct(&file, &engine, campaign, &mut signals).await;
    say_goodbye(&file, &engine).await;
    let ended_at = engine.status().borrow().campaign_utc;
    engine.quit();
    // The engine's thread ends with its loop; a panic there is reported by the hook already.
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;

    let meta = ReportMeta {
        started_at,
        ended_at,
        seed: options.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        agents: u32::try_from(file.agents.users.len()).unwrap_or(u32::MAX),
    };
    let summary = write_report(&store, &options.directory, meta).await.map_err(Exit::other)?;
    store.close().await;
    outcome.map(|()| summary)
}

/// Brings agents on the line, starts the campaign and waits for its end.
async fn conduct(
    file: &CampaignFile,
    engine: &EngineHandle,
    campaign: CampaignId,
    signals: &mut Signals,
) -> Result<(), Exit> {
    for user in &file.agents.users {
        let command = AgentCommand::SignOn { agent: user.clone() };
        engine.agent(command).await.map_err(|refused| Exit::other(format!("{user}: {refused}")))?;
    }
    let ready = tokio::select! {
        ready = wait_for_agents(engine, file.agents.users.len(), file.agents.wait_for) => ready,
        () = signals.next() => return Ok(()),
    };
    if ready == 0 {
        return Err(Exit::never_came(format!(
            "no agent's phone was reachable within agents.wait_for ({} s)",
            file.agents.wait_for.as_secs()
        )));
    }
    tracing::info!(ready, expected = file.agents.users.len(), "agents are on the line; the campaign starts");
    engine.campaign(CampaignCommand::Start(campaign)).await.map_err(Exit::other)?;

    let mut status = engine.status();
    let mut signalled = 0;
    let mut dead_trunk = None;
    loop {
        let (finished, trunk) = {
            let status = status.borrow_and_update();
            (status.finished.contains(&campaign), dead_trunks(file, &status.trunks))
        };
        if let (None, Some(trunk)) = (&dead_trunk, trunk) {
            tracing::error!(%trunk, "no trunk can be used; the campaign stops");
            dead_trunk = Some(trunk);
            // Refused only when it is over already.
            let _ = engine.campaign(CampaignCommand::Stop(campaign)).await;
        }
        if finished {
            break;
        }
        tokio::select! {
            changed = status.changed() => changed.map_err(|_| Exit::other("the engine stopped by itself"))?,
            () = signals.next() => {
                signalled += 1;
                let command = if signalled == 1 {
                    tracing::info!("stopping: no more calls are placed, live calls end; a second signal hurries");
                    CampaignCommand::Stop(campaign)
                } else {
                    tracing::info!("hurrying: every call is ended");
                    CampaignCommand::Abort(campaign)
                };
                if let Err(refused) = engine.campaign(command).await {
                    tracing::debug!(%refused, "already stopping");
                }
            }
        }
    }
    match dead_trunk {
        Some(trunk) => Err(Exit::never_came(trunk)),
        None => Ok(()),
    }
}

/// Why no trunk can be used, once that is so for all of them.
fn dead_trunks(
    file: &CampaignFile,
    states: &std::collections::BTreeMap<String, TrunkState>,
) -> Option<String> {
    let mut why = Vec::new();
    for trunk in &file.sip.trunks {
        match states.get(&trunk.name) {
            Some(TrunkState::RegisterFailed) => why.push(format!("trunk `{}`: REGISTER failed", trunk.name)),
            Some(TrunkState::Silent) => {
                why.push(format!("trunk `{}`: no response at all to the first five INVITEs", trunk.name));
            }
            // These come back by themselves.
            Some(
                TrunkState::Up
                | TrunkState::Unresolved
                | TrunkState::Registering
                | TrunkState::Unhealthy
                | TrunkState::Paused,
            )
            | None => return None,
        }
    }
    Some(why.join("; "))
}

/// Waits until every agent can take calls, or the time is up; says how many can.
async fn wait_for_agents(engine: &EngineHandle, expected: usize, wait_for: Duration) -> usize {
    let deadline = Instant::now() + wait_for;
    let mut live = engine.live();
    loop {
        let ready = reachable(&live.borrow_and_update());
        let left = deadline.saturating_duration_since(Instant::now());
        if ready >= expected || left.is_zero() {
            return ready;
        }
        if let Ok(Err(_)) = tokio::time::timeout(left, live.changed()).await {
            return ready;
        }
    }
}

fn reachable(view: &LiveView) -> usize {
    view.agents
        .iter()
        .filter(|agent| match agent.state {
            AgentState::Offline | AgentState::Unreachable => false,
            AgentState::Engaged
            | AgentState::Break
            | AgentState::Ready
            | AgentState::Reserved
            | AgentState::Talking
            | AgentState::WrapUp => true,
        })
        .count()
}

/// Lets go of phones and trunks and waits briefly for their answers.
async fn say_goodbye(file: &CampaignFile, engine: &EngineHandle) {
    for user in &file.agents.users {
        if let Err(refused) = engine.agent(AgentCommand::SignOff { agent: user.clone() }).await {
            tracing::debug!(%refused, "sign-off");
        }
    }
    engine.drain().await;
}

/// Suppressed numbers come first: what the dialer is told at its start must hold them.
async fn suppress(file: &CampaignFile, store: &Store) -> Result<(), Exit> {
    let Some(path) = &file.list.suppression else { return Ok(()) };
    let report = store.import_suppression(path, file.list.region.as_deref()).await.map_err(list_exit)?;
    tracing::info!(numbers = report.numbers.len(), new = report.added, "suppression list read");
    for bad in &report.bad_lines {
        tracing::warn!(file = %path.display(), line = bad.line, reason = %bad.reason, "not a number");
    }
    Ok(())
}

async fn import_list(
    file: &CampaignFile,
    store: &Store,
    campaign: CampaignId,
    directory: &Path,
) -> Result<(), Exit> {
    let rejected = directory.join(REJECTED);
    let agents = || file.agents.users.iter().cloned().collect();
    let owners = file.list.owner.clone().map(|column| (column, agents()));
    let report = store
        .import_list(campaign, &file.list.file, file.list.region.as_deref(), owners, &rejected)
        .await
        .map_err(list_exit)?;
    tracing::info!(
        rows = report.rows,
        new = report.imported,
        known = report.known,
        rejected = report.rejected,
        "contact list read"
    );
    if report.rejected > 0 {
        tracing::warn!(rows = report.rejected, file = %rejected.display(), "some rows can't be used");
    }
    if report.unknown_zones > 0 {
        tracing::warn!(contacts = report.unknown_zones, "unknown timezones: not called");
    }
    Ok(())
}

/// A wrong list is a wrong file; a store that fails is not.
fn list_exit(error: ImportError) -> Exit {
    match error {
        ImportError::List(_) | ImportError::File { .. } | ImportError::Io { .. } => Exit::file(error),
        ImportError::Store(error) => Exit::other(error),
    }
}

/// `carillon run`: reads the file, runs it, says how it went.
pub async fn command(campaign: &Path, report: PathBuf) -> Result<(), Exit> {
    let file = CampaignFile::load(campaign).map_err(Exit::file)?;
    let seed = file.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let summary = run(file, RunOptions { directory: report, speed: 1, seed, on_start: None }).await?;
    say(headline(&summary));
    Ok(())
}

/// One line for the terminal.
pub fn headline(summary: &Summary) -> String {
    format!(
        "{} placed, {} answered, {} bridged, {} abandoned ({:.1}%), {} tasks closed, {} open",
        summary.placed,
        summary.answered,
        summary.bridged,
        summary.abandoned,
        summary.abandon_rate * 100.0,
        summary.tasks_closed,
        summary.tasks_open
    )
}
