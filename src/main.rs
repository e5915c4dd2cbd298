//! Thin door of the `carillon` binary: reads the command line, calls the library, sets the exit status.

use std::path::PathBuf;
use std::process::ExitCode;

use carillon::exit::Exit;
use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    carillon::telemetry::start();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Exit::other(format!("tokio: {error}"))),
    };
    let done = match cli.command {
        Action::Run { campaign, report } => runtime.block_on(carillon::run::command(&campaign, report)),
        Action::Serve { config } => runtime.block_on(carillon::serve::command(&config)),
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
