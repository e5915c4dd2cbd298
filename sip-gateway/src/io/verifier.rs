//! Certificates that are trusted to say who calls, read from files: ES256 and chains by the library that TLS uses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime, alg_id};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};

use super::signing::{KeyError, read};
use crate::verification::{Fault, Verify};

/// RFC 5480 §2: what comes before the point of a key over P-256.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// How long a chain that was looked at is believed without another look, in seconds. It is in date from one moment to another: where it
/// leads to an authority now and this long from now, it does so all the time between.
pub const BELIEVED_S: u64 = 3_600;

/// Certificates by the addresses that callers name, and the authorities that they must lead to.
#[derive(Debug)]
pub struct Certificates {
    authorities: Arc<dyn ClientCertVerifier>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    chains: BTreeMap<String, Chain>,
}

/// A certificate and those that lead from it to an authority.
#[derive(Debug)]
struct Chain {
    certificate: CertificateDer<'static>,
    others: Vec<CertificateDer<'static>>,
    /// Its key: a point of P-256.
    point: Vec<u8>,
    /// From when on it is believed for [`BELIEVED_S`], in seconds since 1970; [`u64::MAX`] before it was looked at.
    believed_from: AtomicU64,
}

impl Certificates {
    /// Trusts the authorities in one file; certificates are added one by one.
    ///
    /// # Errors
    /// Where the file can't be read or holds no certificate of an authority.
    pub fn of_roots(file: &Path) -> Result<Self, KeyError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(file)? {
            store.add(certificate).map_err(|_| KeyError::NoCertificate)?;
        }
        let provider = Arc::new(ring::default_provider());
        let mut all = provider.signature_verification_algorithms.all.iter().copied();
        let es256 = all.find(|it| {
            (it.public_key_alg_id(), it.signature_alg_id()) == (alg_id::ECDSA_P256, alg_id::ECDSA_SHA256)
        });
        let authorities = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
        Ok(Self {
            authorities: authorities.build().map_err(|_| KeyError::NoCertificate)?,
            algorithm: es256.ok_or(KeyError::Kind)?,
            chains: BTreeMap::new(),
        })
    }

    /// Knows the certificate that callers name by this address: the first of the file; what follows leads to an authority. Whether it
    /// does, and is in date, is looked at when somebody calls.
    ///
    /// # Errors
    /// Where the file can't be read, or its first certificate is none or not for ES256.
    pub fn add(&mut self, url: &str, file: &Path) -> Result<(), KeyError> {
        let mut chain = certificates(file)?.into_iter();
        let certificate = chain.next().ok_or(KeyError::NoCertificate)?;
        let parsed = ParsedCertificate::try_from(&certificate).map_err(|_| KeyError::NoCertificate)?;
        let key = parsed.subject_public_key_info();
        let point = key.strip_prefix(&P256).ok_or(KeyError::Kind)?.to_vec();
        let (others, believed_from) = (chain.collect(), AtomicU64::new(u64::MAX));
        self.chains.insert(url.to_owned(), Chain { certificate, others, point, believed_from });
        Ok(())
    }

    /// Whether a chain is in date at this time and leads to an authority.
    fn is_trusted(&self, chain: &Chain, at: u64) -> bool {
        let from = chain.believed_from.load(Ordering::Relaxed);
        if at.checked_sub(from).is_some_and(|age| age < BELIEVED_S) {
            return true;
        }
        let trusted = |at| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
            self.authorities.verify_client_cert(&chain.certificate, &chain.others, at).is_ok()
        };
        let now = trusted(at);
        if now && trusted(at.saturating_add(BELIEVED_S)) {
            chain.believed_from.store(at, Ordering::Relaxed);
        }
        now
    }
}

impl Verify for Certificates {
    fn verify(&self, url: &str, text: &[u8], signature: &[u8; 64], at: u64) -> Result<(), Fault> {
        let chain = self.chains.get(url).ok_or(Fault::Unknown)?;
        if !self.is_trusted(chain, at) {
            return Err(Fault::Untrusted);
        }
        let signed = self.algorithm.verify_signature(&chain.point, text, &asn1(signature));
        signed.map_err(|_| Fault::Signature)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(KeyError::NoCertificate)
}

/// RFC 3279 §2.2.3 of a signature as RFC 7518 §3.4 has it: two whole numbers.
fn asn1(signature: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(72);
    for half in signature.chunks(32) {
        let zeros = half.iter().take_while(|octet| **octet == 0).count().min(31);
        let digits = half.get(zeros..).unwrap_or_default();
        // A number that is not below zero begins with no bit set.
        let sign: &[u8] = if digits.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
        // At most 33.
        let length = u8::try_from(sign.len() + digits.len()).unwrap_or(0);
        body.extend_from_slice(&[0x02, length]);
        body.extend_from_slice(sign);
        body.extend_from_slice(digits);
    }
    // At most 70.
    let mut whole = vec![0x30, u8::try_from(body.len()).unwrap_or(0)];
    whole.append(&mut body);
    whole
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    };

    use super::super::signing;
    use super::*;
    use crate::passport::Sign;

    const URL: &str = "https://cert.example/a.pem";
    /// 2026.
    const NOW: u64 = 1_780_000_000;

    struct Files {
        directory: tempfile::TempDir,
    }

    impl Files {
        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        /// Two authorities, and a certificate of the first.
        fn made() -> Self {
            let files = Self { directory: tempfile::tempdir().unwrap() };
            let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
            let authority = |name: &str| {
                let mut params = CertificateParams::new(Vec::new()).unwrap();
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.distinguished_name.push(rcgen::DnType::CommonName, name);
                CertifiedIssuer::self_signed(params, key()).unwrap()
            };
            let (first, second) = (authority("one"), authority("two"));
            let own = key();
            let mut params = CertificateParams::new(vec!["sti.example".into()]).unwrap();
            params.not_before = rcgen::date_time_ymd(2026, 1, 1);
            params.not_after = rcgen::date_time_ymd(2027, 1, 1);
            let leaf = params.signed_by(&own, &first).unwrap();
            for (name, text) in [
                ("first.pem", first.pem()),
                ("second.pem", second.pem()),
                ("leaf.pem", leaf.pem()),
                ("leaf.key", own.serialize_pem()),
            ] {
                fs::write(files.path(name), text).unwrap();
            }
            files
        }

        fn trusting(&self, roots: &str) -> Certificates {
            let mut certificates = Certificates::of_roots(&self.path(roots)).unwrap();
            certificates.add(URL, &self.path("leaf.pem")).unwrap();
            certificates
        }
    }

    #[test]
    fn only_what_the_key_of_a_trusted_certificate_signed_is_believed() {
        let files = Files::made();
        let certificates = files.trusting("first.pem");
        let key = signing::key(&files.path("leaf.key")).unwrap();
        // Halves of any length: each signature is another one.
        for text in 0..64_u8 {
            let signature = key.sign(&[text]).unwrap();
            assert_eq!(certificates.verify(URL, &[text], &signature, NOW), Ok(()));
            assert_eq!(certificates.verify(URL, b"x", &signature, NOW), Err(Fault::Signature));
        }
        let signature = key.sign(b"x").unwrap();
        let other = "https://cert.example/b.pem";
        assert_eq!(certificates.verify(other, b"x", &signature, NOW), Err(Fault::Unknown));
        for at in [NOW - 365 * 86_400, NOW + 365 * 86_400] {
            assert_eq!(certificates.verify(URL, b"x", &signature, at), Err(Fault::Untrusted), "out of date");
        }
        let others = files.trusting("second.pem");
        assert_eq!(others.verify(URL, b"x", &signature, NOW), Err(Fault::Untrusted));
        assert_eq!(certificates.verify(URL, b"x", &[0; 64], NOW), Err(Fault::Signature));
    }

    #[test]
    fn a_chain_is_looked_at_once_an_hour_and_not_believed_beyond_its_end() {
        let files = Files::made();
        let certificates = files.trusting("first.pem");
        let signature = signing::key(&files.path("leaf.key")).unwrap().sign(b"x").unwrap();
        let looked_at = |at| {
            let found = certificates.verify(URL, b"x", &signature, at);
            (found, certificates.chains[URL].believed_from.load(Ordering::Relaxed))
        };
        assert_eq!(looked_at(NOW), (Ok(()), NOW));
        assert_eq!(looked_at(NOW + BELIEVED_S - 1), (Ok(()), NOW), "not again");
        assert_eq!(looked_at(NOW + BELIEVED_S), (Ok(()), NOW + BELIEVED_S));
        assert_eq!(looked_at(NOW), (Ok(()), NOW), "the clock was put back");
        assert_eq!(certificates.verify(URL, b"y", &signature, NOW), Err(Fault::Signature), "each call's own");
        // 1 January 2027.
        let end = 1_798_761_600;
        let last = end - BELIEVED_S / 2;
        assert_eq!(looked_at(last), (Ok(()), NOW), "in its last hour with each call");
        assert_eq!(looked_at(end + 1), (Err(Fault::Untrusted), NOW));
    }

    #[test]
    fn files_that_are_no_certificates_for_it_are_named() {
        let files = Files::made();
        let mut certificates = files.trusting("first.pem");
        assert!(matches!(certificates.add(URL, &files.path("leaf.key")), Err(KeyError::NoCertificate)));
        assert!(matches!(certificates.add(URL, &files.path("gone")), Err(KeyError::Read(_))));
        let longer = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let longer = CertificateParams::new(Vec::new()).unwrap().self_signed(&longer).unwrap();
        fs::write(files.path("p384.pem"), longer.pem()).unwrap();
        assert!(matches!(certificates.add(URL, &files.path("p384.pem")), Err(KeyError::Kind)));
        assert!(Certificates::of_roots(&files.path("leaf.key")).is_err());
    }
}
