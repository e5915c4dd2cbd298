//! Whether who calls can be signed: one call is signed by the trunk's key or service, and thrown away.

use std::time::Instant;

use carillon_core::time::Utc;
use carillon_sip::io::signer;
use carillon_sip::options::TrunkOptions;
use carillon_sip::passport::{SignedBy, Signing};

/// Signs a call from the trunk's first number to the called one, or to itself where none is given.
pub fn check(
    trunk: &TrunkOptions,
    signing: &Signing,
    called: Option<&str>,
    now: Utc,
) -> Result<String, String> {
    let from = trunk.caller_ids.first().map(String::as_str).unwrap_or_default();
    let claims = signing.claims(from, called.unwrap_or(from), now.0.div_euclid(1_000));
    let claims = claims.ok_or_else(|| format!("a call from {from} can't be signed: no number"))?;
    let attest = claims.attest;
    match &signing.by {
        SignedBy::Key(key) => {
            let began = Instant::now();
            let signed = key.identity(&claims).ok_or("the key does not sign")?;
            let after = super::ms(began.elapsed());
            Ok(format!("signed by the key in {after}, attestation {attest}, {} octets", signed.len()))
        }
        SignedBy::Service(service) => {
            let url = service.url.clone();
            let signed = signer::ask_once(service.clone(), claims);
            let (identity, after) = signed.map_err(|fault| format!("{url}: {fault}"))?;
            let after = super::ms(after);
            let length = identity.len();
            Ok(format!("signed by {url} in {after}, attestation {attest}, {length} octets"))
        }
    }
}
