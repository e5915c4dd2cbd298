//! What is kept of a password: its hash with user and realm, one an algorithm (RFC 7616 §3.4.2).

use super::digest::Algorithm;
use crate::options::Secret;

/// Hashes of a user's password. Whoever has one can sign in to its realm, but learns no password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ha1 {
    /// In the order of [`Algorithm::ALL`].
    hashes: [Option<String>; Algorithm::ALL.len()],
}

impl Ha1 {
    /// Of a password, with every algorithm.
    pub fn of(username: &str, realm: &str, password: &Secret) -> Self {
        let hash = |algorithm: Algorithm| Some(algorithm.hash(&[username, realm, password.expose()]));
        Self { hashes: Algorithm::ALL.map(hash) }
    }

    /// Of a password with one algorithm, in lower-case hex.
    pub fn one(username: &str, realm: &str, password: &Secret, algorithm: Algorithm) -> String {
        algorithm.hash(&[username, realm, password.expose()])
    }

    /// Adds what was hashed elsewhere. False where it is no hash of this algorithm in hex.
    pub fn set(&mut self, algorithm: Algorithm, hash: &str) -> bool {
        let fits = hash.len() == algorithm.digits() && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        if fits {
            self.hashes[algorithm as usize] = Some(hash.to_ascii_lowercase());
        }
        fits
    }

    /// The hash with an algorithm, in lower-case hex.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.hashes[algorithm as usize].as_deref()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.hashes.iter().all(Option::is_none)
    }
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_made_elsewhere_is_as_good_as_the_password() {
        let made = Ha1::of("1001", "carillon", &Secret::new("pass"));
        let mut read = Ha1::default();
        assert!(read.is_empty());
        for algorithm in Algorithm::ALL {
            assert!(read.set(algorithm, &made.get(algorithm).unwrap().to_ascii_uppercase()));
        }
        assert_eq!(read, made);
        // printf 1001:carillon:pass | md5sum
        assert_eq!(made.get(Algorithm::Md5), Some("6907fad79ea23ad4129c2039d8a89284"));
        // printf 1001:carillon:pass | openssl dgst -sha512-256
        let strong = "d37ba4786ad386ce3d9308bb91128263ff6379b7e7b56b67da869908243d41c1";
        assert_eq!(made.get(Algorithm::Sha512_256), Some(strong));
    }

    #[test]
    fn what_is_no_hash_is_refused_and_nothing_shows() {
        let mut ha1 = Ha1::default();
        for wrong in ["", "0b8a", &"g".repeat(32), &"0".repeat(33)] {
            assert!(!ha1.set(Algorithm::Md5, wrong), "{wrong}");
        }
        assert!(!ha1.set(Algorithm::Sha256, &"0".repeat(32)));
        assert_eq!(format!("{ha1:?}"), "***");
    }
}
