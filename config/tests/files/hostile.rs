//! No file makes the reader panic, and none is half accepted: what is read passes its own checks.

use carillon_config::{CampaignFile, PROBLEMS_MAX, ServiceConfig};
use carillon_core::campaign::check::check;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::folder::{EXAMPLE, Folder};

/// One way to spoil a text.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, &'static str),
    Remove(Index, usize),
    Byte(Index, u8),
    Double(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let pieces = vec![
        "\"",
        "[",
        "]",
        "[[trunk]]\n",
        "=",
        "\n",
        "-1",
        "1e400",
        "{",
        "}",
        "'''",
        "\u{0}",
        "é",
        "nan",
        ".",
    ];
    prop_oneof![
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), 1..200_usize).prop_map(|(at, length)| Change::Double(at, length)),
    ]
}

fn spoil(text: &str, changes: Vec<Change>) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let end = |at: usize, length: usize| (at + length).min(bytes.len());
        match change {
            Change::Insert(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece.bytes());
            }
            Change::Remove(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end(at, length));
            }
            Change::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Change::Double(at, length) => {
                let at = at.index(bytes.len());
                let piece = bytes[at..end(at, length)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn spoilt_files_are_read_or_refused(changes in vec(change(), 1..6)) {
        let folder = Folder::new();
        // Names of hosts would be looked up; addresses can't be.
        let path = folder.path().join("campaign.toml");
        std::fs::write(&path, spoil(EXAMPLE, changes)).unwrap();
        match CampaignFile::load(&path) {
            Ok(file) => prop_assert_eq!(check(&file.spec), vec![]),
            Err(error) => {
                prop_assert!((1..=PROBLEMS_MAX).contains(&error.problems.len()));
                prop_assert!(error.problems.is_sorted_by_key(|problem| problem.line));
                prop_assert!(!error.to_string().contains("s3cret"));
            }
        }
        let _ = ServiceConfig::load_with(&path, &|_| None);
    }
}
