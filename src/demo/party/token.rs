//! Branches, tags, Call-IDs and client nonces from a seeded generator.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

/// Start of every branch (RFC 3261 §8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// Source of a party's identifiers.
#[derive(Clone, Debug)]
pub struct Tokens(ChaCha20Rng);

impl Tokens {
    /// Takes the generator that all tokens of one party come from.
    pub fn new(rng: ChaCha20Rng) -> Self {
        Self(rng)
    }

    /// Sixteen hexadecimal digits.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }

    /// A branch with the cookie.
    pub fn branch(&mut self) -> String {
        format!("{BRANCH_COOKIE}{}", self.token())
    }
}
