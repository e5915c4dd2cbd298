//! What each command does, step by step.

use std::process::Command;

use crate::tools::{self, run};

/// Versions of the cargo tools, installed when missing.
const NEXTEST: (&str, &str) = ("cargo-nextest", "0.9.143");
const DENY: (&str, &str) = ("cargo-deny", "0.20.2");
const FUZZ: (&str, &str) = ("cargo-fuzz", "0.13.2");

/// Builds and runs the demo.
pub fn demo(args: &[String]) -> Result<(), String> {
    tools::need(&[tools::CC])?;
    run(cargo().args(["build", "--package", "carillon"]))?;
    run(cargo().args(["run", "--quiet", "--package", "carillon", "--", "demo"]).args(args))
}

/// Everything CI runs, cheapest first. Extra arguments go to the test runner.
pub fn test(args: &[String]) -> Result<(), String> {
    let phones = [
        tools::SIPP,
        tools::BARESIP,
        tools::LINPHONE,
        tools::SOCAT,
        tools::OPENSSL,
        tools::SIPVICIOUS,
        tools::KAMAILIO,
        tools::KAMAILIO_TLS,
        tools::KAMAILIO_OUTBOUND,
        tools::DNSMASQ,
        tools::CHROMIUM,
        tools::NPM,
    ];
    tools::need(&[[tools::CC].as_slice(), &phones].concat())?;
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(tools::repository().join("tests/browser")))?;
    let nextest = tools::cargo_tool(NEXTEST.0, NEXTEST.1)?;
    let deny = tools::cargo_tool(DENY.0, DENY.1)?;

    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(Command::new(deny)
        .args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
        .current_dir(tools::repository()))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // The pure halves stand without their I/O rooms.
    for package in ["carillon-core", "carillon-sip"] {
        run(cargo().args(["check", "--no-default-features", "--package", package]))?;
    }
    run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    run(cargo().args(["build", "--package", "carillon"]))?;
    run(Command::new(nextest)
        .args(["nextest", "run", "--workspace", "--no-fail-fast"])
        .args(args)
        .current_dir(tools::repository()))?;
    run(cargo().args(["test", "--workspace", "--doc"]))
}

/// Measures: all of it, or the benches whose name contains the first argument. Further ones go to the proof of pacing.
pub fn bench(args: &[String]) -> Result<(), String> {
    tools::need(&[tools::CC, tools::SIPP])?;
    run(cargo().args(["build", "--release", "--package", "carillon"]))?;
    let wanted = args.first().map(String::as_str).unwrap_or_default();
    for bench in [
        "sip_codec",
        "sip_verification",
        "relay",
        "store",
        "answer_latency",
        "sip_memory",
        "sip_load",
        "pacing",
    ] {
        if bench.contains(wanted) {
            run(cargo().args(["bench", "--package", "carillon-benches", "--bench", bench]))?;
        }
    }
    if "pacing".contains(wanted) {
        prove(args.get(1..).unwrap_or_default())?;
    }
    Ok(())
}

/// Runs all pacing plans on fresh seeds: the tables of docs/PACING.md, on the terminal and with `--write` in the file.
fn prove(args: &[String]) -> Result<(), String> {
    let command = ["run", "--release", "--quiet", "--package", "carillon-pacing", "--features", "sim"];
    run(cargo().args(command).args(["--example", "proof", "--", "--compare"]).args(args))
}

/// Fuzzes the parsers, each for a minute unless told otherwise, from the committed inputs and what earlier runs found.
///
/// Without sanitizers: they need a nightly compiler, and what they watch for, safe Rust can't do.
pub fn fuzz(args: &[String]) -> Result<(), String> {
    tools::need(&[tools::CC, tools::CXX])?;
    let fuzz = tools::cargo_tool(FUZZ.0, FUZZ.1)?;
    let seconds: u32 = match args.get(1) {
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?,
        None => 60,
    };
    let repository = tools::repository();
    let inputs = repository.join("tests/corpus/fuzz");
    let folders = std::fs::read_dir(&inputs).map_err(|error| format!("{}: {error}", inputs.display()))?;
    let mut targets: Vec<String> =
        folders.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    targets.sort();
    if let Some(wanted) = args.first() {
        if !targets.contains(wanted) {
            return Err(format!("no target `{wanted}`; there are {}", targets.join(", ")));
        }
        targets.retain(|target| target == wanted);
    }
    for target in targets {
        let found = repository.join("fuzz/corpus").join(&target);
        std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
        run(Command::new(&fuzz)
            .args(["run", "--sanitizer", "none", &target])
            .args([found, inputs.join(&target)])
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg("-max_len=4096")
            .current_dir(&repository))?;
    }
    Ok(())
}

/// Formats the sources.
pub fn fmt() -> Result<(), String> {
    run(cargo().args(["fmt", "--all"]))
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tools::repository());
    command
}
