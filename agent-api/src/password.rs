//! Passwords: argon2id (RFC 9106) with a salt of their own.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};

use crate::options::Password;

/// Longest password that is looked at, in bytes; hashing more would only cost time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// A password can't be hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Longer than any password may be.
    #[error("must have at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// The system gave no random salt.
    #[error("could not be hashed: {0}")]
    Hash(String),
}

/// The argon2id hash of a password in PHC form, with a fresh salt.
///
/// # Errors
/// The password is too long, or the system gave no random numbers.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| PasswordError::Hash(error.to_string()))
}

/// Whether `text` is an argon2id hash in PHC form.
pub fn is_password_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id" && hash.hash.is_some())
}

/// Compares what was typed with what is known, in about the same time whatever is known. `decoy` is a hash of
/// nothing anybody knows: it is worked through where there is no hash to compare with, so that the time tells
/// neither which names exist nor how their passwords are kept. Takes tens of milliseconds of CPU.
pub(crate) fn verify(typed: &str, known: Option<&Password>, decoy: &str) -> bool {
    if typed.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let matches = |hash: &str| {
        PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(typed.as_bytes(), &hash).is_ok())
    };
    match known {
        Some(Password::Hash(hash)) => matches(hash),
        Some(Password::Plain(plain)) => {
            // Digests have one length and no shape an attacker could steer, so comparing them leaks nothing of use.
            let same = Sha256::digest(typed) == Sha256::digest(plain);
            matches(decoy);
            same && !plain.is_empty()
        }
        None => {
            matches(decoy);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let decoy = hash_password("decoy").unwrap();
        let hash = hash_password("correct horse").unwrap();
        assert!(is_password_hash(&hash));
        assert_ne!(hash, hash_password("correct horse").unwrap(), "salted");
        let known = Password::Hash(hash);
        assert!(verify("correct horse", Some(&known), &decoy));
        assert!(!verify("correct horsf", Some(&known), &decoy));
        let plain = Password::Plain("correct horse".into());
        assert!(verify("correct horse", Some(&plain), &decoy));
        assert!(!verify("", Some(&Password::Plain(String::new())), &decoy));
        assert!(!verify("decoy", None, &decoy), "the decoy is nobody's password");
    }

    #[test]
    fn only_argon2id_counts_as_a_hash() {
        for text in ["", "s3cret", "$argon2id$", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo"]
        {
            assert!(!is_password_hash(text), "{text}");
        }
        assert_eq!(hash_password(&"x".repeat(PASSWORD_BYTES_MAX + 1)), Err(PasswordError::TooLong));
    }
}
