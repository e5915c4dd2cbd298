//! `carillon demo`: a whole campaign against a simulated carrier and simulated agents that speak real SIP and RTP, so that
//! it can be seen and heard running without a carrier.

pub mod audio;
pub mod contacts;
pub mod io;
pub mod party;
pub mod progress;
pub mod proof;
mod report;
mod scene;
pub mod voice;
mod wallboard;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use carillon_config::CampaignFile;
use carillon_core::live::LiveView;
use carillon_core::store::report::Summary;
use carillon_core::store::sqlite::Store;
use tokio::sync::{oneshot, watch};

use crate::engine::EngineHandle;
use crate::exit::Exit;
use crate::run::{self, RunOptions};
use crate::say::say;
use io::Shell;
use progress::Progress;
use proof::Proof;
use scene::Scene;
use wallboard::Wallboard;

/// Most agents.
pub const AGENTS_MAX: usize = 50;

/// How the demo paces calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DemoMode {
    /// A forecast of answers and free agents, under the abandonment limit.
    Predictive,
    /// One line per free agent.
    Progressive,
    /// Two lines per free agent, as far as the abandonment limit allows.
    Ratio,
}

impl DemoMode {
    /// As in the campaign file.
    fn word(self) -> &'static str {
        match self {
            Self::Predictive => "predictive",
            Self::Progressive => "progressive",
            Self::Ratio => "ratio",
        }
    }
}

/// How to run the demo.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Simulated agents, 1..=[`AGENTS_MAX`].
    pub agents: usize,
    /// Contacts to call, 1..=[`contacts::CONTACTS_MAX`].
    pub contacts: usize,
    /// Seed of the callees' behaviour and of order and jitter.
    pub seed: u64,
    /// Campaign seconds per real second, 1..=20. SIP timers and audio stay real.
    pub speed: u32,
    /// How calls are paced.
    pub mode: DemoMode,
    /// Where the wallboard is served; another port when that one is taken. `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Where state, recordings and report are kept; `None`: in a folder that is removed at the end.
    pub keep: Option<PathBuf>,
}

/// How a demo went.
#[derive(Clone, Debug)]
pub struct Played {
    /// What the engine reports.
    pub summary: Summary,
    /// What callees and agents heard.
    pub heard: Proof,
    /// Real time from start to end.
    pub took: Duration,
}

/// Runs the demo to its end, or until SIGINT or SIGTERM, and prints its report.
pub async fn run(options: DemoOptions) -> Result<(), Exit> {
    let Played { summary, heard, took } = play(&options).await?;
    say(report::text(&summary, &heard, took, options.keep.as_deref()));
    Ok(())
}

/// Runs the demo to its end, or until SIGINT or SIGTERM.
pub async fn play(options: &DemoOptions) -> Result<Played, Exit> {
    static DEMOS: AtomicU64 = AtomicU64::new(0);
    let directory = options.keep.clone().unwrap_or_else(|| {
        let name = format!("carillon-demo-{}-{}", std::process::id(), DEMOS.fetch_add(1, Ordering::Relaxed));
        std::env::temp_dir().join(name)
    });
    let played = play_in(options, directory.clone()).await;
    if options.keep.is_none()
        && directory.exists()
        && let Err(error) = std::fs::remove_dir_all(&directory)
    {
        tracing::warn!(%error, directory = %directory.display(), "the demo's folder stays");
    }
    played
}

async fn play_in(options: &DemoOptions, directory: PathBuf) -> Result<Played, Exit> {
    let clock = Instant::now();
    let Scene { campaign, carrier, phones } = scene::set(options, &directory)?;
    let file = CampaignFile::load(&campaign).map_err(Exit::file)?;
    let wallboard = match options.listen {
        Some(address) => Some(Wallboard::bind(address).await?),
        None => None,
    };
    let other = |error: std::io::Error| Exit::other(format!("simulated parties: {error}"));
    let carrier = Shell::spawn("demo-carrier", vec![carrier], clock, scene::carrier_hears).map_err(other)?;

    let (stop, stopped) = watch::channel(false);
    let (tell, told) = oneshot::channel();
    // Phones come when the registrar listens, which the engine tells by starting.
    let on_start = Box::new(move |engine: &EngineHandle, store: &Store| {
        let phones = Shell::spawn("demo-phones", phones, clock, |_, _, _, _| {});
        let progress = tokio::spawn(show(engine.live(), clock, stopped.clone()));
        let server = wallboard.map(|wallboard| wallboard.serve(engine, store, stopped));
        // The receiver waits for the end of the run.
        let _ = tell.send((phones, progress, server));
    });
    let run_options =
        RunOptions { directory, speed: options.speed, seed: options.seed, on_start: Some(on_start) };
    let done = run::run(file, run_options).await;
    let _ = stop.send(true);
    let mut phones = Vec::new();
    if let Ok((shell, progress, server)) = told.await {
        phones = shell.map_err(other)?.stop();
        let _ = progress.await;
        if let Some(server) = server {
            let _ = server.await;
        }
    }
    let callees = carrier.stop();
    let summary = done?;
    let heard = proof::proof(&callees, &phones);
    Ok(Played { summary, heard, took: clock.elapsed() })
}

/// Keeps the progress line until told to stop.
async fn show(mut live: watch::Receiver<Arc<LiveView>>, clock: Instant, mut stopped: watch::Receiver<bool>) {
    let mut out = std::io::stdout();
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let mut progress = Progress::new(out.is_terminal(), columns);
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            changed = live.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
        let view = live.borrow_and_update().clone();
        if let Some(text) = progress.update(&view, clock.elapsed()) {
            // A closed terminal is no reason to end the demo.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
    let _ = out.write_all(progress.finish().as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests;
