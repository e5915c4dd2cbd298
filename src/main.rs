//! Thin door of the `carillon` binary: reads the command line, calls the library, sets the exit status.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use carillon::check::CheckOptions;
use carillon::demo::{DemoMode, DemoOptions};
use carillon::exit::Exit;
use carillon::rehearse::RehearseOptions;
use carillon::replay::ReplayOptions;
use carillon::simulate::SimulateOptions;
use carillon::trace::TraceOptions;
use carillon_core::campaign::spec::Mode;
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// Calls are made of small pieces that live for half a minute: a tenth less processor time a call than with the system's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Predictive dialer and SIP telephony engine.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run one campaign to its end, headless, and write its report. The same command on the same DIR resumes.
    Run {
        /// Campaign file (docs/CAMPAIGN_FILE.md).
        campaign: PathBuf,
        /// Directory of the report and of the campaign's state; made when missing.
        #[arg(long)]
        report: PathBuf,
    },
    /// Run the service: API, agents, campaigns.
    Serve {
        /// Configuration file (docs/CONFIG.md).
        #[arg(long)]
        config: PathBuf,
    },
    /// Watch a whole campaign against a simulated carrier and simulated agents: real SIP and RTP on this machine.
    Demo {
        /// Simulated agents.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=50))]
        agents: u8,
        /// Contacts to call.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        contacts: u16,
        /// Seed: the same one gives the same callees.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How much faster than life campaign and callees go. SIP timers and audio stay real.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=20))]
        speed: u32,
        /// How calls are paced.
        #[arg(long, value_enum, default_value_t = DemoMode::Predictive)]
        mode: DemoMode,
        /// Where the wallboard page is served.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Keep database, reports and recordings in this folder.
        #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "carillon-demo")]
        keep: Option<PathBuf>,
    },
    /// Run a plan of the call-centre simulator: print its table, write a page with plots (docs/PACING.md).
    Simulate {
        /// Plan file (benches/plans).
        plan: PathBuf,
        /// Policy to run; again for more. Those of the plan by default.
        #[arg(long = "policy")]
        policies: Vec<String>,
        /// Seeds for each scenario and policy.
        #[arg(long, default_value_t = 8)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        first_seed: u64,
        /// Write all figures here as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
        /// Write the page here; pacing-NAME.html by default.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Learn from a campaign's own past what other caps, modes or team sizes would have given (docs/REHEARSAL.md). Reads
    /// only; the service may run meanwhile.
    Rehearse {
        /// The database: carillon.db of a run or of the service.
        #[arg(long, value_name = "DB")]
        from: PathBuf,
        /// The campaign's number or name.
        #[arg(long)]
        campaign: String,
        /// Team size to try; again for more.
        #[arg(long)]
        agents: Vec<u32>,
        /// Abandonment limit to try, in percent; again for more.
        #[arg(long = "limit", value_name = "PCT")]
        limits: Vec<f64>,
        /// Mode to try; again for more.
        #[arg(long = "mode", value_parser = mode)]
        modes: Vec<Mode>,
        /// Seeds for each setting.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
        /// Write all figures here as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
        /// Write a page with plots here.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Look at one trunk (docs/TRUNKS.md).
    Trunk {
        #[command(subcommand)]
        what: TrunkAction,
    },
    /// Show which SIP messages a call was made of, and when (docs/RUNNING.md). Exits with 1 where nothing is kept of the call,
    /// with 3 where the service can't be asked.
    Trace {
        /// Number of the attempt or inbound call, or a Call-ID.
        #[arg(value_name = "CALL")]
        call: String,
        /// Where the service's API is, like http://127.0.0.1:8080.
        #[arg(long, conflicts_with_all = ["config", "from"])]
        url: Option<String>,
        /// The service's file, which says so, and where ladders are kept.
        #[arg(long, conflicts_with = "from")]
        config: Option<PathBuf>,
        /// Directory of a run's report: look among the ladders that were kept there, and ask nobody.
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a campaign's pacing decisions again from what was recorded, and compare (docs/REHEARSAL.md). Reads only; exits
    /// with 1 where one comes out otherwise.
    Replay {
        /// The database: carillon.db of a run or of the service.
        #[arg(long, value_name = "DB")]
        from: PathBuf,
        /// The campaign's number or name.
        #[arg(long)]
        campaign: String,
        /// Show the decision of this number, as the API's decisions are numbered.
        #[arg(long, conflicts_with = "at")]
        decision: Option<u64>,
        /// Show the last decision up to this time, e.g. 2026-05-04T09:30:00Z.
        #[arg(long)]
        at: Option<String>,
    },
}

#[derive(Subcommand)]
enum TrunkAction {
    /// Ask a trunk what works: address, OPTIONS, credentials, and with --call a call, its codecs and headers. Exits with 3 where
    /// anything does not.
    Check {
        /// The trunk's name.
        name: String,
        /// Service or campaign file.
        #[arg(long)]
        config: PathBuf,
        /// Call this number and hang up when it is answered, or after 20 s.
        #[arg(long, value_name = "NUMBER")]
        call: Option<String>,
        /// The database with what the trunk's caps have used; that of the service unless given.
        #[arg(long, value_name = "FILE")]
        store: Option<PathBuf>,
    },
}

/// A mode by its word in campaign files.
fn mode(word: &str) -> Result<Mode, String> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        // Its progress and its table are all it says.
        Action::Simulate { .. }
        | Action::Rehearse { .. }
        | Action::Replay { .. }
        | Action::Trunk { .. }
        | Action::Trace { .. } => {}
        Action::Run { .. } => carillon::telemetry::start("info"),
        // Its file says at which level.
        Action::Serve { .. } => {}
        // The demo has its own live line; only what goes wrong may interrupt it.
        Action::Demo { .. } => carillon::telemetry::start("warn"),
    }
    carillon::limits::raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Exit::other(format!("tokio: {error}"))),
    };
    let done = match cli.command {
        Action::Simulate { plan, policies, seeds, first_seed, json, page } => {
            carillon::simulate::command(&SimulateOptions { plan, policies, seeds, first_seed, json, page })
        }
        Action::Rehearse { from, campaign, agents, limits, modes, seeds, json, page } => {
            let options = RehearseOptions { from, campaign, agents, limits, modes, seeds, json, page };
            runtime.block_on(carillon::rehearse::command(&options))
        }
        Action::Replay { from, campaign, decision, at } => {
            runtime.block_on(carillon::replay::command(&ReplayOptions { from, campaign, decision, at }))
        }
        Action::Trunk { what: TrunkAction::Check { name, config, call, store } } => {
            runtime.block_on(carillon::check::command(&CheckOptions { config, trunk: name, call, store }))
        }
        Action::Trace { call, url, config, from, json } => {
            carillon::trace::command(&TraceOptions { call, url, config, from, json })
        }
        Action::Run { campaign, report } => runtime.block_on(carillon::run::command(&campaign, report)),
        Action::Serve { config } => runtime.block_on(carillon::serve::command(&config)),
        Action::Demo { agents, contacts, seed, speed, mode, listen, keep } => {
            runtime.block_on(carillon::demo::run(DemoOptions {
                agents: usize::from(agents),
                contacts: usize::from(contacts),
                seed,
                speed,
                mode,
                listen: Some(listen),
                keep,
            }))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => fail(&exit),
    }
}

fn fail(exit: &Exit) -> ExitCode {
    eprintln!("carillon: {exit}");
    exit.code()
}
