//! The targets with the inputs that were worth keeping, and with those inputs cut short and changed.

use std::fs;
use std::path::{Path, PathBuf};

use super::{TARGETS, Target};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let octets = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.display().to_string(), octets)
    });
    let mut files: Vec<_> = read.collect();
    files.sort();
    files
}

fn inputs((name, _): Target) -> Vec<(String, Vec<u8>)> {
    files(&repository().join("tests/corpus/fuzz").join(name))
}

/// The messages of RFC 4475 and RFC 5118 are inputs of every target too: most are nothing to it.
fn torture() -> Vec<(String, Vec<u8>)> {
    let sets = ["rfc4475", "rfc5118"].map(|set| files(&repository().join("tests/corpus").join(set)));
    sets.into_iter().flatten().filter(|(path, _)| path.ends_with(".dat")).collect()
}

#[test]
fn every_target_keeps_its_promises_on_every_input() {
    for target in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "{} has inputs", target.0);
        for (path, octets) in inputs.into_iter().chain(torture()) {
            println!("{} {path}", target.0);
            target.1(&octets);
        }
    }
}

#[test]
fn every_input_may_end_anywhere() {
    for target in TARGETS {
        for (path, octets) in inputs(target) {
            println!("{} {path}", target.0);
            // A long one at some of its octets only: the stream's target reads all of them each time.
            let step = octets.len() / 256 + 1;
            for end in (0..octets.len()).step_by(step) {
                target.1(&octets[..end]);
            }
        }
    }
}

#[test]
fn every_octet_of_an_input_may_be_another() {
    for target in TARGETS {
        for (path, octets) in inputs(target) {
            println!("{} {path}", target.0);
            let step = octets.len() / 128 + 1;
            for place in (0..octets.len()).step_by(step) {
                for octet in [0, b'\r', b'\n', b'"', b'\\', b'<', b',', b'%', b'9', 0xFF] {
                    let mut changed = octets.clone();
                    changed[place] = octet;
                    target.1(&changed);
                }
            }
        }
    }
}

#[test]
fn every_target_has_its_file_for_the_fuzzer() {
    let folder = repository().join("fuzz/fuzz_targets");
    let manifest = fs::read_to_string(repository().join("fuzz/Cargo.toml")).expect("fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        let text = fs::read_to_string(folder.join(format!("{name}.rs"))).expect(name);
        assert!(text.contains(&format!("parsers::{name}(octets)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(files(&folder).len(), TARGETS.len(), "and there is none without a body");
}
