//! The keys of `[[trunk]]` about who calls: `identity_key` or `identity_service`, and what goes with them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use carillon_sip::io::{signer, signing};
use carillon_sip::options::Secret;
use carillon_sip::passport::{
    Attestation, LocalKey, OnFailure, SignedBy, Signing, SigningService, canonical, is_certificate_url,
};
use sha2::{Digest, Sha256};

use crate::reader::{At, Document, Section};

/// Most entries of `attestations`.
const NUMBERS_MAX: usize = 10_000;
/// Longest `identity_origid`.
const ORIGID_MAX: usize = 100;
/// Longest wait for a service's answer; a call may wait ten seconds in all.
const SERVICE_WAIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(8);
/// The wait where none is named.
const SERVICE_WAIT_DEFAULT: Duration = Duration::from_secs(2);
/// Largest `identity_service_token_file`, in octets.
const TOKEN_OCTETS_MAX: u64 = 8_192;
/// The environment variable with the token of every service.
const TOKEN_VARIABLE: &str = "CARILLON_IDENTITY_SERVICE_TOKEN";
/// The keys that need `identity_key` or `identity_service`.
const OTHERS: [&str; 3] = ["identity_origid", "attestation", "attestations"];
/// The keys that need `identity_key`.
const OF_KEY: [&str; 2] = ["identity_url", "identity_certificate"];
/// The keys that need `identity_service`.
const OF_SERVICE: [&str; 5] = [
    "identity_service_token",
    "identity_service_token_file",
    "identity_service_ca",
    "identity_service_wait",
    "identity_on_failure",
];

/// Reads how a trunk's INVITEs are signed; `None` where they are not.
pub(crate) fn signing(document: &Document<'_>, section: &mut Section<'_>, trunk: &str) -> Option<Signing> {
    let key = section.text("identity_key");
    let service = section.text("identity_service");
    let origid = section.text("identity_origid");
    let attestation = section.text("attestation");
    let attestations = section.texts("attestations", false);
    let by_service = remote(document, section, service.as_ref());
    let by_key = local_key(document, section, key.as_ref());
    let without = |names: &[&'static str], needed: &str| {
        if let Some(other) = names.iter().find(|other| section.has(other)) {
            document.problem(&section.place(other), format!("needs {needed}"));
        }
    };
    if key.is_none() {
        without(&OF_KEY, "identity_key");
    }
    if service.is_none() {
        without(&OF_SERVICE, "identity_service");
    }
    let (named, by) = match (&key, by_service) {
        (None, None) => {
            without(&OTHERS, "identity_key or identity_service");
            return None;
        }
        (Some(_), Some(_)) => {
            document.problem(
                &section.place("identity_service"),
                "give identity_key or identity_service, not both",
            );
            return None;
        }
        (Some(_), None) => ("identity_key", by_key.map(SignedBy::Key)),
        (None, Some(service)) => ("identity_service", Some(SignedBy::Service(service))),
    };
    let level = attestation.map(|at| match Attestation::read(&at.value) {
        Some(level) => level,
        None => {
            document.problem(&at.place, "must be one of A, B, C");
            Attestation::default()
        }
    });
    let level = level.or_else(|| {
        let message = format!("missing; {named} needs it: A, B or C");
        document.problem(&section.place("attestation"), message);
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
    let by = by?;
    let url = match &by {
        SignedBy::Key(key) => &key.certificate_url,
        SignedBy::Service(service) => &service.url,
    };
    let origid = origid.map_or_else(|| named_uuid(url, trunk), |at| at.value);
    Some(Signing { attestation: level.unwrap_or_default(), numbers, origid, by })
}

/// Reads the keys that go with `identity_key`.
fn local_key(
    document: &Document<'_>,
    section: &mut Section<'_>,
    key: Option<&At<String>>,
) -> Option<LocalKey> {
    let url = section.text("identity_url");
    let certificate = section.text("identity_certificate");
    let key = key?;
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
    match signing::key(&file) {
        Ok(signer) => Some(LocalKey {
            key: Arc::new(signer),
            certificate_url: url.map_or_else(String::new, |at| at.value),
        }),
        Err(error) => {
            problem(key, error);
            None
        }
    }
}

/// Reads the keys that go with `identity_service`.
fn remote(
    document: &Document<'_>,
    section: &mut Section<'_>,
    url: Option<&At<String>>,
) -> Option<SigningService> {
    let token = section.text_or_variable("identity_service_token", TOKEN_VARIABLE);
    let file = section.text("identity_service_token_file");
    if section.has("identity_service_token") && file.is_some() {
        let message = "give one of identity_service_token and identity_service_token_file";
        document.problem(&section.place("identity_service_token"), message);
    }
    let token = file.map_or(token, |at| {
        let path = document.path(&at.value);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() && found.len() <= TOKEN_OCTETS_MAX => {}
            Ok(_) => {
                let message =
                    format!("{} must be a file of at most {TOKEN_OCTETS_MAX} bytes", path.display());
                document.problem(&at.place, message);
                return None;
            }
            Err(_) => {}
        }
        match std::fs::read_to_string(&path) {
            // Editors end a file with a line break; no token does.
            Ok(text) => Some(At { value: text.trim_end_matches(['\r', '\n']).to_owned(), place: at.place }),
            Err(error) => {
                document.problem(&at.place, format!("{} can't be read: {error}", path.display()));
                None
            }
        }
    });
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(token) = token.as_ref().filter(|at| !visible(&at.value)) {
        document.problem(&token.place, "must have visible ASCII characters alone");
    }
    let ca = section.text("identity_service_ca").map(|at| {
        let path = document.path(&at.value);
        if let Err(error) = signer::check_ca(&path) {
            document.problem(&at.place, error);
        }
        path
    });
    let timeout = section.duration_within("identity_service_wait", SERVICE_WAIT);
    let on_failure =
        section.text("identity_on_failure").map_or(OnFailure::default(), |at| match &*at.value {
            "refuse" => OnFailure::Refuse,
            "send_unsigned" => OnFailure::SendUnsigned,
            _ => {
                document.problem(&at.place, "must be one of refuse, send_unsigned");
                OnFailure::default()
            }
        });
    let url = url?;
    if let Err(error) = signer::check_url(&url.value) {
        document.problem(&url.place, error);
    }
    Some(SigningService {
        url: url.value.clone(),
        token: Secret::new(token.map_or_else(String::new, |at| at.value)),
        ca,
        timeout: timeout.map_or(SERVICE_WAIT_DEFAULT, |at| at.value),
        on_failure,
    })
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
            .and_then(|(number, named)| Some((canonical(number)?, Attestation::read(named.trim())?)));
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
