//! `carillon serve --config FILE`: the service. Campaigns, agents and lists come through the API.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carillon_api::metrics::Exporter;
use carillon_config::ServiceConfig;
use carillon_core::campaign::{CampaignCommand, CampaignState};
use carillon_core::store::sqlite::Store;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::caps;
use crate::clock::wall;
use crate::engine::{self, EngineHandle, EngineOptions, Mailbox};
use crate::exit::Exit;
use crate::keeper::LADDERS;
use crate::port::EnginePort;
use crate::signals::Signals;
use crate::{meters, node, prompts, telemetry};

/// Longest wait for live calls on the way down; a second signal hurries.
const DRAIN_MAX: Duration = Duration::from_secs(600);

/// Runs the service until SIGINT or SIGTERM: then it stops placing, lets live calls end and closes; a second signal
/// hurries.
pub async fn command(path: &Path) -> Result<(), Exit> {
    let config = ServiceConfig::load(path).map_err(Exit::file)?;
    telemetry::start(&config.log);
    let mut signals = Signals::new()?;
    let api = TcpListener::bind(config.api_listen)
        .await
        .map_err(|error| Exit::other(format!("api.listen {}: {error}", config.api_listen)))?;
    std::fs::create_dir_all(&config.recordings)
        .map_err(|error| Exit::other(format!("{}: {error}", config.recordings.display())))?;
    let mailbox = Mailbox::new().map_err(Exit::other)?;
    let store = Store::open(&config.store, mailbox.on_stored()).await.map_err(Exit::other)?;
    let recovered = store.recover(wall()).await.map_err(Exit::other)?;
    let spent = caps::spent(&store, &recovered.open_attempts, &config.sip.trunks, wall()).await;
    let spent = spent.map_err(Exit::other)?;
    let known: Vec<_> =
        recovered.campaigns.iter().map(|campaign| (campaign.campaign, campaign.spec.clone())).collect();

    let keep = config.sip.ladders_kept;
    let ladders = keep.map(|_| config.store.with_file_name(LADDERS));
    let agents = config.sip.users.iter().map(|user| user.user.clone()).collect();
    let realm = config.sip.realm.clone();
    let (engine, thread) = engine::start(
        mailbox,
        EngineOptions {
            node: node::Options {
                sip: config.sip,
                dialer: carillon_core::dialer::Options::default(),
                leg: config.leg,
                directory: config.recordings,
                speed: 1,
            },
            store: store.clone(),
            recovered,
            spent,
            ladders: ladders.clone().zip(keep),
        },
    )
    .map_err(Exit::other)?;
    for (campaign, spec) in known {
        match prompts::of(&spec, &config.prompts) {
            Ok(Some(prompt)) => engine.set_prompt(campaign, prompt).map_err(Exit::other)?,
            Ok(None) => {}
            // Without its message an abandoned caller is hung up on: a person should look.
            Err(problem) => tracing::warn!(%campaign, %problem, "no safe-harbour message"),
        }
        match prompts::for_callers(&spec, &config.prompts) {
            Ok(Some(message)) => engine.set_message(campaign, message).map_err(Exit::other)?,
            Ok(None) => {}
            Err(problem) => tracing::warn!(%campaign, %problem, "no message for callers"),
        }
    }

    let exporter = Exporter::install().map_err(Exit::other)?;
    meters::follow(&engine, exporter.clone());
    let port = Arc::new(
        EnginePort::new(engine.clone(), store.clone(), exporter, config.prompts, agents, realm)
            .with_ladders(ladders),
    );
    let limits = config.api.limits;
    let router = carillon_api::router(port, config.api);
    let (close, closed) = oneshot::channel::<()>();
    let server = tokio::spawn(carillon_api::serve(api, router, limits, async move {
        // Dropped or sent: either way it is time.
        let _ = closed.await;
    }));
    tracing::info!(api = %config.api_listen, "carillon serves");

    signals.next().await;
    tracing::info!("stopping: no more calls are placed, live calls end; a second signal hurries");
    for campaign in running(&engine) {
        let _ = engine.campaign(CampaignCommand::Pause(campaign)).await;
    }
    tokio::select! {
        () = calls_to_end(&engine, DRAIN_MAX) => {}
        () = signals.next() => {
            for campaign in campaigns(&engine) {
                let _ = engine.campaign(CampaignCommand::Abort(campaign)).await;
            }
        }
    }
    let agents: Vec<String> = engine.live().borrow().agents.iter().map(|agent| agent.user.clone()).collect();
    for agent in agents {
        let _ = engine.agent(carillon_core::agent::AgentCommand::SignOff { agent }).await;
    }
    engine.drain().await;
    let _ = close.send(());
    engine.quit();
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    let _ = server.await;
    store.close().await;
    Ok(())
}

fn campaigns(engine: &EngineHandle) -> Vec<carillon_core::id::CampaignId> {
    engine.live().borrow().campaigns.iter().map(|campaign| campaign.id).collect()
}

fn running(engine: &EngineHandle) -> Vec<carillon_core::id::CampaignId> {
    let live = engine.live();
    let view = live.borrow();
    view.campaigns
        .iter()
        .filter(|campaign| campaign.state == CampaignState::Running)
        .map(|campaign| campaign.id)
        .collect()
}

/// Waits until no customer call is up, at most `longest`.
async fn calls_to_end(engine: &EngineHandle, longest: Duration) {
    let mut status = engine.status();
    let rest = async {
        while status.borrow_and_update().calls > 0 {
            if status.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(longest, rest).await;
}
