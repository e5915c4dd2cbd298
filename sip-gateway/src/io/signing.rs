//! The key that signs who calls, read from a file: ES256 by the library that TLS uses.

use std::fs;
use std::path::Path;

use rustls::SignatureScheme;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use thiserror::Error;

use crate::passport::Sign;

/// Largest file that is read, in octets.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// What is wrong with a key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system does not give the file, or it is too large.
    #[error("can't be read: {0}")]
    Read(String),
    /// No key in it.
    #[error("holds no private key in PEM (\"-----BEGIN PRIVATE KEY-----\"): {0}")]
    NoKey(String),
    /// A key that is not for ES256.
    #[error("holds a key that is not for ES256: needs an elliptic curve key over P-256 (prime256v1)")]
    Kind,
    /// No certificate in its file.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// Certificate and key are of two different pairs.
    #[error("is not the certificate of the key")]
    Mismatch,
}

/// A key over P-256.
#[derive(Debug)]
pub struct FileKey(Box<dyn Signer>);

/// Reads a key.
///
/// # Errors
/// Where the file can't be read or holds no key for ES256.
pub fn key(file: &Path) -> Result<FileKey, KeyError> {
    let key = signing_key(file)?;
    key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).map(FileKey).ok_or(KeyError::Kind)
}

/// Whether the certificate in one file is that of the key in another.
///
/// # Errors
/// Where it is not, or can't be read.
pub fn check_certificate(certificate: &Path, key: &Path) -> Result<(), KeyError> {
    let text = read(certificate)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(KeyError::NoCertificate)?;
    CertifiedKey::new(chain, signing_key(key)?).keys_match().map_err(|_| KeyError::Mismatch)
}

fn signing_key(file: &Path) -> Result<std::sync::Arc<dyn SigningKey>, KeyError> {
    let text = read(file)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| KeyError::NoKey(error.to_string()))?;
    ring::sign::any_ecdsa_type(&key).map_err(|_| KeyError::Kind)
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |error: std::io::Error| KeyError::Read(error.to_string());
    if fs::metadata(file).map_err(failed)?.len() > FILE_OCTETS_MAX {
        return Err(KeyError::Read(format!("larger than {FILE_OCTETS_MAX} octets")));
    }
    fs::read(file).map_err(failed)
}

impl Sign for FileKey {
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        plain(&self.0.sign(text).ok()?)
    }
}

/// RFC 7518 §3.4 of a signature in ASN.1 (RFC 3279 §2.2.3): two whole numbers of 32 octets, one after the other.
fn plain(der: &[u8]) -> Option<[u8; 64]> {
    let [0x30, length, body @ ..] = der else { return None };
    if usize::from(*length) != body.len() {
        return None;
    }
    let mut signature = [0; 64];
    let (first, second) = signature.split_at_mut(32);
    let body = whole_number(body, first)?;
    whole_number(body, second)?.is_empty().then_some(signature)
}

/// Writes the whole number at the front to the end of `into`; what follows it.
fn whole_number<'a>(text: &'a [u8], into: &mut [u8]) -> Option<&'a [u8]> {
    let [0x02, length, rest @ ..] = text else { return None };
    let (number, rest) = rest.split_at_checked(usize::from(*length))?;
    // A leading zero says that the number is not below zero.
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    let digits = number.get(zeros..)?;
    let start = into.len().checked_sub(digits.len())?;
    into.get_mut(start..)?.copy_from_slice(digits);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_written_plainly_whatever_their_length() {
        let der = [&[0x30, 0x08, 0x02, 0x01, 0x05, 0x02, 0x03, 0x00, 0x80, 0x01][..]].concat();
        let signature = plain(&der).unwrap();
        assert_eq!((signature[31], signature[..31].iter().all(|octet| *octet == 0)), (5, true));
        assert_eq!(&signature[62..], [0x80, 0x01]);
        for wrong in [&[][..], &[0x30], &[0x30, 9, 2, 1, 5], &[0x30, 3, 2, 9, 1], &[0x31, 0]] {
            assert_eq!(plain(wrong), None);
        }
        let long = [&[0x30, 0x26, 0x02, 0x21][..], &[1; 33], &[2, 1, 1]].concat();
        assert_eq!(plain(&long), None, "no number over P-256 has 33 octets");
    }

    #[test]
    fn only_a_key_over_p_256_signs() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let good = file("good.pem", &pair.serialize_pem());
        assert!(key(&good).unwrap().sign(b"text").is_some());
        let certificate = rcgen::CertificateParams::new(vec!["shaken.example".into()]).unwrap();
        let certificate = file("own.crt", &certificate.self_signed(&pair).unwrap().pem());
        assert!(check_certificate(&certificate, &good).is_ok());
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let other = file("other.pem", &other.serialize_pem());
        assert!(matches!(check_certificate(&certificate, &other), Err(KeyError::Mismatch)));
        let longer = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert!(matches!(key(&file("p384.pem", &longer.serialize_pem())), Err(KeyError::Kind)));
        assert!(matches!(key(&certificate), Err(KeyError::NoKey(_))));
        assert!(matches!(key(Path::new("/nowhere")), Err(KeyError::Read(_))));
    }
}
