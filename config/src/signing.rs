//! The keys of `[[trunk]]` about who calls: `identity_key` and what goes with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use carillon_sip::io::signing;
use carillon_sip::passport::{Attestation, Signing, canonical, is_certificate_url};
use sha2::{Digest, Sha256};

use crate::reader::{At, Document, Section};

/// Most entries of `attestations`.
const NUMBERS_MAX: usize = 10_000;
/// Longest `identity_origid`.
const ORIGID_MAX: usize = 100;
/// The keys that need `identity_key`.
const OTHERS: [&str; 5] =
    ["identity_url", "identity_certificate", "identity_origid", "attestation", "attestations"];

/// Reads how a trunk's INVITEs are signed; `None` where they are not.
pub(crate) fn signing(document: &Document<'_>, section: &mut Section<'_>, trunk: &str) -> Option<Signing> {
    let key = section.text("identity_key");
    let url = section.text("identity_url");
    let certificate = section.text("identity_certificate");
    let origid = section.text("identity_origid");
    let attestation = section.text("attestation");
    let attestations = section.texts("attestations", false);
    let Some(key) = key else {
        if let Some(other) = OTHERS.into_iter().find(|other| section.has(other)) {
            document.problem(&section.place(other), "needs identity_key");
        }
        return None;
    };
    let file = document.path(&key.value);
    let problem = |at: &At<String>, error: signing::KeyError| {
        document.problem(&at.place, format!("{} {error}", document.path(&at.value).display()));
    };
    if let Some(certificate) = &certificate
        && let Err(error) = signing::check_certificate(&document.path(&certificate.value), &file)
    {
        problem(certificate, error);
    }
    let url = url.or_else(|| {
        document.problem(&section.place("identity_url"), "missing; identity_key needs it");
        None
    });
    if let Some(url) = url.as_ref().filter(|url| !is_certificate_url(&url.value)) {
        document.problem(&url.place, "must be like \"https://cert.example/shaken.pem\"");
    }
    let level = attestation.map(|at| match level(&at.value) {
        Some(level) => level,
        None => {
            document.problem(&at.place, "must be one of A, B, C");
            Attestation::default()
        }
    });
    let level = level.or_else(|| {
        document.problem(&section.place("attestation"), "missing; identity_key needs it: A, B or C");
        None
    });
    let numbers = attestations.map(|at| numbers(document, &at)).unwrap_or_default();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(at) =
        origid.as_ref().filter(|at| at.value.is_empty() || at.value.len() > ORIGID_MAX || !plain(&at.value))
    {
        document
            .problem(&at.place, format!("must have 1 to {ORIGID_MAX} visible ASCII characters, best a UUID"));
    }
    match signing::key(&file) {
        Ok(signer) => Some(Signing {
            key: Arc::new(signer),
            attestation: level.unwrap_or_default(),
            numbers,
            origid: origid
                .map_or_else(|| named_uuid(url.as_ref().map_or("", |at| &at.value), trunk), |at| at.value),
            certificate_url: url.map_or_else(String::new, |at| at.value),
        }),
        Err(error) => {
            problem(&key, error);
            None
        }
    }
}

/// Lines like `+15550100 B`.
fn numbers(document: &Document<'_>, written: &At<Vec<At<String>>>) -> BTreeMap<String, Attestation> {
    if written.value.len() > NUMBERS_MAX {
        document.problem(&written.place, format!("must name at most {NUMBERS_MAX} numbers"));
    }
    let mut numbers = BTreeMap::new();
    for line in &written.value {
        let read = line
            .value
            .split_once(' ')
            .and_then(|(number, named)| Some((canonical(number)?, level(named.trim())?)));
        match read {
            Some((number, level)) => {
                if numbers.insert(number, level).is_some() {
                    document.problem(&line.place, "names a number that is there already");
                }
            }
            None => document.problem(&line.place, "must be lines like \"+15550100 B\", with A, B or C"),
        }
    }
    numbers
}

fn level(text: &str) -> Option<Attestation> {
    match text {
        "A" => Some(Attestation::A),
        "B" => Some(Attestation::B),
        "C" => Some(Attestation::C),
        _ => None,
    }
}

/// A UUID of our own making (RFC 9562 §5.8) from two names: the same after every restart.
fn named_uuid(one: &str, other: &str) -> String {
    let digest = Sha256::new().chain_update(one).chain_update([0]).chain_update(other).finalize();
    let mut octets = [0; 16];
    octets.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
    octets[6] = octets[6] & 0x0f | 0x80;
    octets[8] = octets[8] & 0x3f | 0x80;
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_has_the_same_uuid_every_time() {
        let made = named_uuid("https://cert.example", "carrier");
        assert_eq!(made, named_uuid("https://cert.example", "carrier"));
        assert_ne!(made, named_uuid("https://cert.example", "other"));
        let lengths: Vec<usize> = made.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!((made.as_bytes()[14], "89ab".contains(made.as_bytes()[19] as char)), (b'8', true));
    }
}
