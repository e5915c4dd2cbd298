//! What a call from outside that is signed costs the engine: its PASSporT (RFC 8588) read and verified, with a chain of certificate,
//! intermediate and root. `once_an_hour` looks at the chain too, `each_call` knows it.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use carillon_sip::io::signing;
use carillon_sip::io::verifier::Certificates;
use carillon_sip::passport::{Attestation, LocalKey, SignedBy, Signing};
use carillon_sip::verification::{Fault, Passport, Verify};
use criterion::{Criterion, criterion_group, criterion_main};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};

const URL: &str = "https://cert.example/shaken.pem";
/// Long before the certificate's end; and in its last hour, in which its chain is looked at with each call.
const TIMES: [(&str, u64); 2] = [("each_call", 1_780_000_000), ("once_an_hour", 1_798_761_600 - 600)];

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a pair")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

/// The certificates, and the Identity header of a call that their owner signed.
fn made(directory: &Path) -> (Certificates, String) {
    let root = CertifiedIssuer::self_signed(authority("root"), pair()).expect("a root");
    let between = CertifiedIssuer::signed_by(authority("between"), pair(), &root).expect("an intermediate");
    let own = pair();
    let mut params = CertificateParams::new(vec!["sti.example".into()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let leaf = params.signed_by(&own, &between).expect("a certificate");
    let [roots, chain, key] = ["roots.pem", "chain.pem", "own.key"].map(|name| directory.join(name));
    fs::write(&roots, root.pem()).expect("a file");
    fs::write(&chain, leaf.pem() + &between.pem()).expect("a file");
    fs::write(&key, own.serialize_pem()).expect("a file");
    let mut certificates = Certificates::of_roots(&roots).expect("a root");
    certificates.add(URL, &chain).expect("a chain");
    let key = LocalKey { key: Arc::new(signing::key(&key).expect("a key")), certificate_url: URL.into() };
    let signing = Signing {
        by: SignedBy::Key(key.clone()),
        attestation: Attestation::A,
        numbers: BTreeMap::new(),
        origid: "123e4567-e89b-12d3-a456-426655440000".into(),
    };
    let claims = signing.claims("+15550000001", "+12025550100", 1_780_000_000).expect("two numbers");
    (certificates, key.identity(&claims).expect("a signature"))
}

fn verified(certificates: &Certificates, identity: &str, at: u64) -> Result<(), Fault> {
    let passport = Passport::read(identity.as_bytes())?.ok_or(Fault::Header)?;
    certificates.verify(passport.url, passport.signed.as_bytes(), &passport.signature, at)
}

fn verification(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificates, identity) = made(directory.path());
    let mut group = criterion.benchmark_group("sip_verification");
    for (name, at) in TIMES {
        assert_eq!(verified(&certificates, &identity, at), Ok(()));
        group.bench_function(name, |bench| {
            bench.iter(|| verified(&certificates, black_box(&identity), at));
        });
    }
    group.finish();
}

criterion_group!(benches, verification);
criterion_main!(benches);
