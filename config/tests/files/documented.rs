//! Every key that is known is in its example file and in its page; nothing else is.

use std::collections::BTreeSet;

use carillon_config::{CampaignFile, ServiceConfig};

use crate::folder::{EXAMPLE, Folder};

const CAMPAIGN_PAGE: &str = include_str!("../../../docs/CAMPAIGN_FILE.md");
const SERVICE_PAGE: &str = include_str!("../../../docs/CONFIG.md");
const SERVICE_EXAMPLE: &str = include_str!("../../carillon.example.toml");

/// The file with a key nobody knows in every section, and what is said to be known there.
fn known_keys(example: &str, load: impl Fn(&std::path::Path) -> String) -> BTreeSet<String> {
    let mut text = "zzz = 1\n".to_owned();
    for line in example.lines() {
        text.push_str(line);
        text.push('\n');
        if line.starts_with('[') && !line.starts_with("[closure.retry]") {
            text.push_str("zzz = 1\n");
        }
    }
    let folder = Folder::new();
    let told = load(&folder.write(&text));
    let lists = told.lines().filter_map(|line| line.split("known here: ").nth(1));
    lists.flat_map(|list| list.split(", ").map(str::to_owned)).collect()
}

fn assert_covered(keys: &BTreeSet<String>, example: &str, page: &str) {
    assert!(keys.len() > 30, "{keys:?}");
    let written = |key: &str| {
        example.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{key} = "))
                || line.contains(&format!("[{key}]"))
                || line.contains(&format!(".{key}]"))
        })
    };
    for key in keys {
        assert!(written(key), "{key} is not in the example");
        let named = [format!("`{key}`"), format!("[{key}]"), format!(".{key}]")];
        assert!(named.iter().any(|name| page.contains(name)), "{key} is not on the page");
    }
}

#[test]
fn every_key_of_the_campaign_file_is_explained() {
    let keys = known_keys(EXAMPLE, |path| CampaignFile::load(path).unwrap_err().to_string());
    assert_covered(&keys, EXAMPLE, CAMPAIGN_PAGE);
}

#[test]
fn every_key_of_the_service_file_is_explained() {
    let load = |path: &std::path::Path| ServiceConfig::load_with(path, &|_| None).unwrap_err().to_string();
    let keys = known_keys(SERVICE_EXAMPLE, load);
    assert_covered(&keys, SERVICE_EXAMPLE, SERVICE_PAGE);
}

#[test]
fn every_outcome_is_named_where_retries_are_explained() {
    let retry = CAMPAIGN_PAGE.split("[closure.retry]").nth(1).unwrap();
    let folder = Folder::new();
    let text = EXAMPLE.replace("busy = ", "bussy = ");
    let told = CampaignFile::load(&folder.write(&text)).unwrap_err().to_string();
    let outcomes: Vec<&str> = told.split("expected one of ").nth(1).unwrap().split(", ").collect();
    assert_eq!(outcomes.len(), 11, "{told}");
    for outcome in outcomes {
        assert!(retry.contains(outcome), "{outcome}");
    }
}

#[test]
fn every_variable_is_explained() {
    let source = concat!(include_str!("../../src/service.rs"), include_str!("../../src/sip.rs"));
    let names: BTreeSet<&str> =
        source.split('"').filter(|piece| piece.starts_with("CARILLON_") && !piece.contains(' ')).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(SERVICE_PAGE.contains(&format!("`{name}`")), "{name}");
    }
}
