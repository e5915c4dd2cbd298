//! Passwords of a few minutes, for phones whose user has proved elsewhere who they are: a page in a browser.
//!
//! Nothing is kept of a token: its digest user says whose it is and until when, and the password is a keyed hash of that. Only
//! sessions that ended early are remembered, until the last of their tokens would have run out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::digest::to_hex;
use super::hmac::hmac;
use crate::options::Secret;

/// A token is never good for longer.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(3600);

/// A token with less left is good for nothing: what is registered with it would have to end after it, or at once.
pub const TOKEN_LEFT_MIN: Duration = Duration::from_secs(1);

/// Most ended sessions remembered. Beyond that all tokens end at once, those of sessions that go on too: their pages ask for
/// another one.
pub const REVOKED_MAX: usize = 10_000;

/// What the keyed hash is for; nonces have a key of their own.
const PURPOSE: &[u8] = b"phone token";

/// What a phone registers with instead of its user's name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Digest user; the address of record stays the user's.
    pub username: String,
    /// Digest password.
    pub password: Secret,
    /// How long it is good for.
    pub expires_in: Duration,
}

/// What a token's digest user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// Which sign-in it was made for.
    pub session: u64,
    /// When it runs out.
    pub expires_at: Duration,
}

/// Makes and checks tokens.
pub struct Tokens {
    key: [u8; 32],
    /// Part of every token; changed when all are to end.
    generation: u64,
    /// Sessions that have ended, until when tokens of theirs may be out.
    revoked: BTreeMap<u64, Duration>,
}

impl Tokens {
    /// `key` must be random and secret; another one ends all tokens.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, generation: 0, revoked: BTreeMap::new() }
    }

    /// A token of `user`, made for a sign-in. Two of the same instant are the same.
    pub fn mint(&self, user: &str, session: u64, life: Duration, now: Duration) -> Token {
        let expires_in = life.min(TOKEN_LIFE_MAX);
        let expires_ms = milliseconds(now.saturating_add(expires_in));
        let username = format!("{expires_ms:012x}-{session:016x}:{user}");
        Token { password: self.password(&username), username, expires_in }
    }

    /// The password that goes with a token's digest user, whether it is good or not.
    pub fn password(&self, username: &str) -> Secret {
        let generation = self.generation.to_be_bytes();
        Secret::new(to_hex(&hmac(&self.key, &[PURPOSE, &generation, username.as_bytes()])))
    }

    /// Whether a token with the right password may be used.
    pub fn is_good(&self, claim: Claim<'_>, now: Duration) -> bool {
        // What is further ahead than any token lives was never made here.
        let life = now.saturating_add(TOKEN_LIFE_MAX);
        claim.expires_at >= now.saturating_add(TOKEN_LEFT_MIN)
            && claim.expires_at <= life
            && !self.revoked.contains_key(&claim.session)
    }

    /// Ends all tokens that were made for a sign-in.
    pub fn revoke(&mut self, session: u64, now: Duration) {
        self.revoked.retain(|_, until| *until > now);
        if self.revoked.len() >= REVOKED_MAX && !self.revoked.contains_key(&session) {
            self.revoked.clear();
            self.generation = self.generation.saturating_add(1);
        }
        self.revoked.insert(session, now.saturating_add(TOKEN_LIFE_MAX));
    }
}

impl<'a> Claim<'a> {
    /// Reads a digest user; `None` for one that is no token's. Users' own names have no colon.
    pub fn read(username: &'a str) -> Option<Self> {
        let (claim, user) = username.split_once(':')?;
        let (expires_ms, session) = claim.split_once('-')?;
        let hex = |text: &str, digits: usize| {
            let sound = text.len() == digits && text.bytes().all(|octet| octet.is_ascii_hexdigit());
            u64::from_str_radix(text, 16).ok().filter(|_| sound)
        };
        let expires_at = Duration::from_millis(hex(expires_ms, 12)?);
        Some(Self { user, session: hex(session, 16)?, expires_at })
    }
}

fn milliseconds(time: Duration) -> u64 {
    // Twelve hex digits are 8,900 years.
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);
    const LIFE: Duration = Duration::from_secs(600);

    #[test]
    fn a_token_says_whose_it_is_and_ends() {
        let tokens = Tokens::new([1; 32]);
        let token = tokens.mint("anna", 7, LIFE, NOW);
        let claim = Claim::read(&token.username).unwrap();
        assert_eq!(claim, Claim { user: "anna", session: 7, expires_at: NOW + LIFE });
        assert!(tokens.is_good(claim, NOW) && !tokens.is_good(claim, NOW + LIFE));
        assert_eq!(tokens.password(&token.username), token.password);
        assert_eq!(tokens.mint("anna", 7, 99 * TOKEN_LIFE_MAX, NOW).expires_in, TOKEN_LIFE_MAX);
        assert_eq!(format!("{:?}", token.password), "***");
    }

    #[test]
    fn no_other_name_key_or_time_has_the_same_password() {
        let tokens = Tokens::new([1; 32]);
        let token = tokens.mint("anna", 7, LIFE, NOW);
        let others = [
            tokens.mint("ben", 7, LIFE, NOW),
            tokens.mint("anna", 8, LIFE, NOW),
            tokens.mint("anna", 7, LIFE, NOW + Duration::from_millis(1)),
            Tokens::new([2; 32]).mint("anna", 7, LIFE, NOW),
        ];
        assert!(others.iter().all(|other| other.password != token.password));
    }

    #[test]
    fn what_is_no_token_is_a_users_own_name() {
        for name in [
            "anna",
            "",
            ":",
            "1-2:anna",
            "00000000000g-0000000000000007:a",
            "+00000000000-0000000000000007:a",
        ] {
            assert_eq!(Claim::read(name), None, "{name}");
        }
        let far = Claim { user: "anna", session: 7, expires_at: NOW + TOKEN_LIFE_MAX * 2 };
        assert!(!Tokens::new([1; 32]).is_good(far, NOW), "nobody made one for so long");
    }

    #[test]
    fn an_ended_session_ends_its_tokens_and_the_memory_of_it_is_bounded() {
        let mut tokens = Tokens::new([1; 32]);
        let (one, other) = (tokens.mint("anna", 1, LIFE, NOW), tokens.mint("anna", 2, LIFE, NOW));
        tokens.revoke(1, NOW);
        let good = |tokens: &Tokens, token: &Token| {
            let claim = Claim::read(&token.username).unwrap();
            tokens.is_good(claim, NOW) && tokens.password(&token.username) == token.password
        };
        assert!(!good(&tokens, &one) && good(&tokens, &other));
        for session in 0..REVOKED_MAX as u64 {
            tokens.revoke(100 + session, NOW);
        }
        assert!(!good(&tokens, &one) && !good(&tokens, &other), "all end");
        assert_eq!(tokens.revoked.len(), 1);
        let fresh = tokens.mint("anna", 2, LIFE, NOW);
        assert!(good(&tokens, &fresh));
        tokens.revoke(3, NOW + TOKEN_LIFE_MAX);
        assert_eq!(tokens.revoked.len(), 1, "what has run out is forgotten");
    }
}
