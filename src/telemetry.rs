//! Logs: to stderr, level by `CARILLON_LOG`, never with numbers or secrets at INFO and above.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging at level `default` unless `CARILLON_LOG` says otherwise; a second call changes nothing.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("CARILLON_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // Only the first subscriber counts; a later one is refused and that is fine.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}
