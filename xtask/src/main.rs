//! The commands of the project: `cargo xtask demo | test | bench | fuzz | fmt`.
//!
//! Each installs what it needs when it is missing: Debian packages through apt (asked first unless CI=true), cargo
//! tools into `target/tools`.

mod steps;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask COMMAND

  demo [ARGS]   run the demo campaign: simulated carrier, callees and agents, real SIP and RTP
  test          everything CI runs: format, lints, docs, licences, unit, seeded world, real parts
  bench [NAME]  measure (criterion benches and whole-process loads); after `pacing`: --write (the tables of
                docs/PACING.md), --first SEED, --share SHARE (of the usual seeds), --threads N
  fuzz [TARGET [SECONDS]]
                search for inputs that break a promise of a parser: all targets, a minute each; what is found and
                worth keeping goes to tests/corpus/fuzz/TARGET by hand
  fmt           format the sources";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match command.as_str() {
        "demo" => steps::demo(&rest),
        "test" | "ci" => steps::test(&rest),
        "bench" => steps::bench(&rest),
        "fuzz" => steps::fuzz(&rest),
        "fmt" => steps::fmt(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}
