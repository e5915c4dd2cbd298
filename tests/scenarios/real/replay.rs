//! Looking back at a run with programs of its own: its decisions are made again, and its past is rehearsed on.

use std::path::Path;
use std::process::{Command, Output};

use super::rig::campaign::Campaign;
use super::rig::process::Signal;
use super::rig::{LONG, Stage, carillon};

/// What looking back at a database says.
pub(super) fn look_back(command: &str, database: &Path, more: &[&str]) -> (i32, String, String) {
    let mut program = Command::new(carillon());
    program.arg(command).arg("--from").arg(database).args(["--campaign", "1"]).args(more);
    let Output { status, stdout, stderr } = program.output().expect("carillon runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[test]
fn decisions_before_and_after_a_kill_come_out_as_they_were_made() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_no_answer.xml").start();
    let campaign = Campaign { ring_timeout: "14s", ..Campaign::with_sipp_agent() };
    let mut run = stage.run(&campaign);
    carrier.wait_for_message("180 Ringing", LONG);
    // The journal's first part is written ten seconds after the start at the latest.
    std::thread::sleep(std::time::Duration::from_secs(11));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);

    let database = stage.report_directory().join("carillon.db");
    let (status, first, error) = look_back("replay", &database, &[]);
    assert_eq!(status, 0, "{first}{error}");
    assert!(
        first.contains("1 segments") && first.contains("every decision comes out as it was made"),
        "{first}"
    );

    stage.run_again().finish();
    carrier.finish(LONG);
    let (status, both, error) = look_back("replay", &database, &[]);
    assert_eq!(status, 0, "{both}{error}");
    assert!(both.contains("2 segments") && !both.contains("gap"), "{both}");
    let (status, shown, _) = look_back("replay", &database, &["--decision", "2"]);
    assert!(status == 0 && shown.contains("decision 2 at") && shown.contains("to the last bit"), "{shown}");
    assert_eq!(look_back("replay", &database, &["--decision", "1000000000"]).0, 1);
    damage_journal(&database);
    let (status, nothing, error) = look_back("replay", &database, &[]);
    assert_eq!(status, 1, "{nothing}{error}");
    assert!(nothing.contains("gap: segment 1, part 0") && error.contains("no recorded decision"), "{error}");

    // One call teaches nothing, and that is said with the numbers.
    let (status, _, error) = look_back("rehearse", &database, &[]);
    assert_eq!(status, 1);
    assert!(error.contains("too thin") && error.contains("200.0 are needed"), "{error}");
}

/// Changes a letter of the version with which each segment of the journal begins, under its checksum.
fn damage_journal(database: &Path) {
    let mut content = std::fs::read(database).expect("the database");
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let places: Vec<usize> = (0..content.len()).filter(|at| content[*at..].starts_with(version)).collect();
    assert!(!places.is_empty(), "the journal names the version in the file itself");
    places.into_iter().for_each(|at| content[at] ^= 1);
    std::fs::write(database, content).expect("the database can be written");
}

#[test]
fn what_is_no_database_of_ours_or_not_there_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    };
    let files = [
        (folder.path().join("nothing.db"), "nothing.db: no such file"),
        (file("garbage.db", &[7; 5_000]), "garbage.db is no database of carillon"),
        (file("empty.db", b""), "empty.db is no database of carillon"),
    ];
    for (path, expected) in files {
        for command in ["rehearse", "replay"] {
            let before = std::fs::read(&path).ok();
            let (status, _, error) = look_back(command, &path, &[]);
            assert_eq!(status, 2, "{error}");
            assert!(error.contains(expected), "{error}");
            assert_eq!(std::fs::read(&path).ok(), before, "it is only read");
        }
    }
}
