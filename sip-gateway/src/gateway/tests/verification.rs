//! Calls from outside that say who calls, signed: what they are worth for this trunk, these numbers and this minute.

use std::sync::Arc;

use super::super::testing::*;
use super::incoming::{invite_to, offered};
use crate::options::Options;
use crate::passport::{Attestation, Claims, LocalKey, Sign};
use crate::verification::{FRESH_S, Fault, Verdict, Verify};

const URL: &str = "https://cert.example/a.pem";
const NUMBER: &str = "sip:+15550177@192.0.2.1";
const NOW: i64 = 1_780_000_000;

/// Signs everything with sevens, and believes sevens of its own address.
#[derive(Debug)]
struct Sevens;

impl Sign for Sevens {
    fn sign(&self, _: &[u8]) -> Option<[u8; 64]> {
        Some([7; 64])
    }
}

impl Verify for Sevens {
    fn verify(&self, url: &str, text: &[u8], signature: &[u8; 64], at: u64) -> Result<(), Fault> {
        assert_eq!((text.iter().filter(|octet| **octet == b'.').count(), at), (1, 1_780_000_000));
        match (url == URL, signature == &[7; 64]) {
            (false, _) => Err(Fault::Unknown),
            (true, false) => Err(Fault::Signature),
            (true, true) => Ok(()),
        }
    }
}

fn identity(orig: &str, dest: &str, issued_at: i64, url: &str) -> String {
    let key = LocalKey { key: Arc::new(Sevens), certificate_url: url.into() };
    let (orig, dest) = (orig.to_owned(), dest.to_owned());
    let claims = Claims { attest: Attestation::B, orig, dest, issued_at, origid: "o".into() };
    format!("Identity: {}", key.identity(&claims).unwrap())
}

fn good() -> String {
    identity("15550199", "15550177", NOW, URL)
}

fn believing() -> Options {
    let mut options = options();
    options.trunks[0].verification = Some(Arc::new(Sevens));
    options
}

fn told(options: Options, uri: &str, lines: &[&str]) -> Verdict {
    let mut bench = Bench::new(options);
    bench.gateway.note_time_of_day(NOW, bench.now);
    bench.feed(CARRIER, invite_to(uri, "in1", lines, &sdp(4000, "0", "sendrecv")));
    let identity = offered(&mut bench).identity;
    assert_eq!(bench.gateway.ladder_of_dialog("in1").map(|ladder| ladder.identity), Some(identity));
    identity
}

#[test]
fn a_signed_call_is_worth_what_its_signature_is() {
    let fails = Verdict::Failed;
    let age = i64::try_from(FRESH_S).unwrap();
    let at = |time: i64| identity("15550199", "15550177", time, URL);
    for (line, verdict) in [
        (good(), Verdict::Passed(Attestation::B)),
        (at(NOW - age), Verdict::Passed(Attestation::B)),
        (at(NOW - age - 1), fails(Fault::Stale)),
        (at(NOW + age + 1), fails(Fault::Stale)),
        (identity("15550198", "15550177", NOW, URL), fails(Fault::Numbers)),
        (identity("15550199", "15550178", NOW, URL), fails(Fault::Numbers)),
        (identity("15550199", "15550177", NOW, "https://other.example/"), fails(Fault::Unknown)),
        (good().replace("BwcHBw", "BwcHCA"), fails(Fault::Signature)),
        ("Identity: junk".into(), fails(Fault::Header)),
        ("X-None: there".into(), Verdict::None),
        (good().replace("ppt=shaken", "ppt=div"), Verdict::None),
        (good().replace("Identity:", "y:"), Verdict::Passed(Attestation::B)),
    ] {
        assert_eq!(told(believing(), NUMBER, &[&line]), verdict, "{line}");
    }
    assert_eq!(told(options(), NUMBER, &[&good()]), Verdict::None, "nobody is believed over this trunk");
}

/// What the agent is shown is what was signed: the asserted number where the trunk is trusted to assert one.
#[test]
fn the_signed_number_is_the_one_that_is_shown() {
    let asserted = "P-Asserted-Identity: <sip:+15550188@carrier.example>";
    let both = [asserted, &good()];
    assert_eq!(told(believing(), NUMBER, &both), Verdict::Passed(Attestation::B), "From is what is shown");
    let mut trusted = believing();
    trusted.trunks[0].asserted_identity = true;
    assert_eq!(told(trusted.clone(), NUMBER, &both), Verdict::Failed(Fault::Numbers));
    let its = identity("15550188", "15550177", NOW, URL);
    assert_eq!(told(trusted, NUMBER, &[asserted, &its, "Privacy: id"]), Verdict::Passed(Attestation::B));
}

#[test]
fn of_several_one_that_passes_is_enough_and_few_are_looked_at() {
    let stale = identity("15550199", "15550177", 0, URL);
    let passed = Verdict::Passed(Attestation::B);
    assert_eq!(told(believing(), NUMBER, &[&stale, "Identity: junk", &good()]), passed);
    assert_eq!(told(believing(), NUMBER, &[&stale, "Identity: junk"]), Verdict::Failed(Fault::Stale));
    let many = [stale.as_str(), &stale, &stale, &stale, &good()].map(str::to_owned);
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(told(believing(), NUMBER, &many), Verdict::Failed(Fault::Stale));
}
