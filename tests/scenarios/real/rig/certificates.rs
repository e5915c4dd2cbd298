//! Certificates of one test: an authority, and what it signed for the loopback address.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority with one certificate, for 127.0.0.1, in files.
pub struct Certificates {
    /// The authority's own.
    pub ca: PathBuf,
    /// The certificate that it signed.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Both in one file, as some programs want them.
    pub both: PathBuf,
}

impl Certificates {
    /// Makes them in `directory`, their names beginning with `name`.
    pub fn new(directory: &Path, name: &str) -> Certificates {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are good names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, format!("{name} authority"));
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
            .and_then(|params| params.signed_by(&key, &issuer))
            .expect("a certificate");
        let write = |kind: &str, text: String| {
            let file = directory.join(format!("{name}-{kind}.pem"));
            fs::write(&file, text).expect("the test's directory can be written");
            file
        };
        Certificates {
            ca: write("ca", issuer.pem()),
            certificate: write("certificate", certificate.pem()),
            key: write("key", key.serialize_pem()),
            both: write("both", certificate.pem() + &key.serialize_pem()),
        }
    }
}
