//! Tidy: rules about the sources that no compiler checks. Arrows between crates, bans in pure rooms, file length.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file; split by noun before it.
const LINES_MAX: usize = 600;

/// Which of our crates each crate may depend on (design: the arrows of the house).
const ARROWS: [(&str, &[&str]); 6] = [
    ("pacing", &[]),
    ("sip-gateway", &[]),
    ("dialer-core", &["carillon-pacing"]),
    ("agent-api", &["carillon-core"]),
    ("config", &["carillon-api", "carillon-core", "carillon-sip"]),
    ("xtask", &[]),
];

/// Rooms without clock, randomness, threads, sockets or unordered iteration; and their I/O rooms left out.
const PURE: [(&str, &[&str]); 8] = [
    ("pacing/src", &[]),
    ("dialer-core/src", &["dialer-core/src/store/sqlite", "dialer-core/src/store/report"]),
    ("sip-gateway/src", &["sip-gateway/src/io"]),
    ("src/link.rs", &[]),
    ("src/node.rs", &[]),
    ("src/admission.rs", &[]),
    ("src/breath.rs", &[]),
    ("src/strain.rs", &[]),
];

/// What a pure room must not say, and why.
const BANNED: [(&str, &str); 15] = [
    ("Instant::now", "reads the clock"),
    ("SystemTime::now", "reads the clock"),
    ("Timestamp::now", "reads the clock"),
    ("Zoned::now", "reads the clock"),
    ("thread::sleep", "sleeps"),
    ("thread::spawn", "starts a thread"),
    ("rand::rng", "takes randomness from outside"),
    ("getrandom", "takes randomness from outside"),
    ("from_os_rng", "takes randomness from outside"),
    ("mpsc::channel", "an unbounded channel"),
    ("unbounded", "an unbounded queue"),
    ("tokio::", "belongs to an I/O room"),
    ("std::fs", "belongs to an I/O room"),
    ("HashMap", "its order differs from run to run"),
    ("HashSet", "its order differs from run to run"),
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every source file of ours below `place` (a folder or a file), with its path relative to the repository.
fn sources(place: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![repository().join(place)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name == "target" || name == ".git") {
                continue;
            }
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(repository()).unwrap().to_string_lossy().into_owned();
            found.push((relative, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The part of a file that is not test code; nothing for files that hold only tests.
fn shipped(path: &str, text: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "tests.rs"
        || name.ends_with("_tests.rs")
        || path.contains("/tests/")
        || path.contains("testing")
    {
        return String::new();
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn arrows_between_crates_point_one_way() {
    for (folder, allowed) in ARROWS {
        let manifest = fs::read_to_string(repository().join(folder).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for line in dependencies.lines().filter(|line| line.starts_with("carillon")) {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            assert!(allowed.contains(&name), "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn pure_rooms_hold_no_clock_randomness_or_io() {
    let mut broken = Vec::new();
    for (room, io) in PURE {
        for (path, text) in sources(room) {
            if io.iter().any(|folder| path.starts_with(folder)) {
                continue;
            }
            let code = shipped(&path, &text);
            for (word, why) in BANNED {
                if code.contains(word) {
                    broken.push(format!("{path}: `{word}` {why}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_link_builds_a_trunk_invite() {
    for place in ["src", "dialer-core/src", "agent-api/src", "config/src", "sip-gateway/src"] {
        for (path, text) in sources(place) {
            if ["src/link.rs", "sip-gateway/src/command.rs"].contains(&path.as_str()) {
                continue;
            }
            let code = shipped(&path, &text);
            let built = code.contains("Command::Place(PlaceCall") || code.contains("= PlaceCall {");
            assert!(!built, "{path} builds a PlaceCall; only src/link.rs may, from an Output::Place");
        }
    }
}

#[test]
fn only_compliance_mints_a_permit() {
    for (path, text) in sources("dialer-core/src") {
        if path.starts_with("dialer-core/src/compliance/") {
            continue;
        }
        assert!(!shipped(&path, &text).contains("Permit {"), "{path} builds a Permit");
    }
}

#[test]
fn simulated_parties_never_borrow_our_codec() {
    for (path, text) in sources("src/demo/party") {
        assert!(!text.contains("carillon_sip"), "{path} uses the gateway's code to talk to the gateway");
    }
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources(".")
        .into_iter()
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines, split by noun:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_undone() {
    // Written in two halves so that this file does not find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
    ];
    // A test that is a process for another test to start and kill is not run by itself.
    let a_process = concat!("#[ig", "nore = \"the process that");
    for (path, text) in sources(".") {
        let text = text.replace(a_process, "");
        for word in words {
            assert!(!text.contains(word), "{path}: `{word}`");
        }
    }
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let workspace = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    for folder in ["pacing", "dialer-core", "sip-gateway", "agent-api", "config", "tests", "benches", "xtask"]
    {
        let manifest = fs::read_to_string(repository().join(folder).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{folder} does not take the workspace's lints"
        );
    }
}
