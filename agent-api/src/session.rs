//! Who is signed in. Tokens are opaque; only their digests are kept, in memory, so a restart signs everybody out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::rights::Role;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest token that is looked at; ours are shorter.
const TOKEN_CHARACTERS_MAX: usize = 64;

/// Digest of a token.
type TokenDigest = [u8; 32];

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// Name at sign-in.
    pub(crate) user: String,
    /// What they may do.
    pub(crate) role: Role,
}

/// All sessions, at most a fixed number.
#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    life: Duration,
    most: usize,
    open: BTreeMap<TokenDigest, Session>,
}

#[derive(Debug)]
struct Session {
    person: Person,
    /// [`number`] of its token.
    number: u64,
    opened_at: Instant,
    used_at: Instant,
}

impl Sessions {
    /// No sessions. One ends `idle` after its last use and `life` after its sign-in at the latest.
    pub(crate) fn new(idle: Duration, life: Duration, most: usize) -> Self {
        Self { idle, life, most: most.max(1), open: BTreeMap::new() }
    }

    /// Opens a session under `token`. At the maximum the session used longest ago gives way: whose it was, and its number.
    pub(crate) fn open(&mut self, token: &str, person: Person, now: Instant) -> Option<(Person, u64)> {
        let mut gone = None;
        if self.open.len() >= self.most {
            let (idle, life) = (self.idle, self.life);
            self.open.retain(|_, session| session.is_live(idle, life, now));
        }
        if self.open.len() >= self.most
            && let Some(oldest) = self.open.iter().min_by_key(|(_, session)| session.used_at)
        {
            let digest = *oldest.0;
            gone = self.open.remove(&digest).map(|session| (session.person, session.number));
        }
        let session = Session { person, number: number(token), opened_at: now, used_at: now };
        self.open.insert(digest(token), session);
        gone
    }

    /// Ends all sessions of a person; their numbers.
    pub(crate) fn close_all(&mut self, user: &str) -> Vec<u64> {
        let ended = self.open.extract_if(.., |_, session| session.person.user == user);
        ended.map(|(_, session)| session.number).collect()
    }

    /// Who the token belongs to; counts as use.
    pub(crate) fn person(&mut self, token: &str, now: Instant) -> Option<Person> {
        let digest = bounded_digest(token)?;
        let session = self.open.get_mut(&digest)?;
        if !session.is_live(self.idle, self.life, now) {
            self.open.remove(&digest);
            return None;
        }
        session.used_at = now;
        Some(session.person.clone())
    }

    /// Whether the session is still there; does not count as use.
    pub(crate) fn is_open(&self, token: &str, now: Instant) -> bool {
        let session = bounded_digest(token).and_then(|digest| self.open.get(&digest));
        session.is_some_and(|session| session.is_live(self.idle, self.life, now))
    }

    /// How long the session lasts at most if it is not used any more; zero for one that is over.
    pub(crate) fn left(&self, token: &str, now: Instant) -> Duration {
        let session = bounded_digest(token).and_then(|digest| self.open.get(&digest));
        let live = session.filter(|session| session.is_live(self.idle, self.life, now));
        live.map_or(Duration::ZERO, |session| {
            let life = self.life.saturating_sub(now.saturating_duration_since(session.opened_at));
            life.min(self.idle.saturating_sub(now.saturating_duration_since(session.used_at)))
        })
    }

    /// Ends a session.
    pub(crate) fn close(&mut self, token: &str) {
        if let Some(digest) = bounded_digest(token) {
            self.open.remove(&digest);
        }
    }
}

impl Session {
    fn is_live(&self, idle: Duration, life: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.used_at) < idle
            && now.saturating_duration_since(self.opened_at) < life
    }
}

/// A fresh token: 256 random bits in base64url.
pub(crate) fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A number for the session of this token that nobody else's has, and that tells nothing of the token.
pub(crate) fn number(token: &str) -> u64 {
    let digest = Sha256::new().chain_update(b"session number").chain_update(token).finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn bounded_digest(token: &str) -> Option<TokenDigest> {
    (token.len() <= TOKEN_CHARACTERS_MAX).then(|| digest(token))
}

fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn person(user: &str) -> Person {
        Person { user: user.into(), role: Role::Operator }
    }

    #[test]
    fn a_session_lives_while_it_is_used_and_no_longer_than_its_life() {
        let mut sessions = Sessions::new(30 * MINUTE, 60 * MINUTE, 10);
        let start = Instant::now();
        sessions.open("t", person("olga"), start);
        assert_eq!(sessions.person("t", start + 29 * MINUTE), Some(person("olga")));
        assert_eq!(sessions.person("t", start + 58 * MINUTE), Some(person("olga")));
        assert_eq!(sessions.left("t", start + 59 * MINUTE), MINUTE);
        assert_eq!(sessions.left("t", start + 58 * MINUTE), 2 * MINUTE);
        assert_eq!(sessions.left("nobody's", start), Duration::ZERO);
        assert_eq!(sessions.person("t", start + 60 * MINUTE), None, "life is over though it was used");
        sessions.open("u", person("olga"), start);
        assert_eq!(sessions.person("u", start + 30 * MINUTE), None, "idle");
    }

    #[test]
    fn a_closed_session_is_gone_and_others_stay() {
        let mut sessions = Sessions::new(MINUTE, MINUTE, 10);
        let now = Instant::now();
        sessions.open("t", person("olga"), now);
        sessions.open("u", person("omar"), now);
        sessions.close("t");
        assert_eq!(sessions.person("t", now), None);
        assert_eq!(sessions.person("u", now), Some(person("omar")));
        assert_eq!(sessions.person("", now), None);
        assert_eq!(sessions.person(&"x".repeat(100_000), now), None);
    }

    #[test]
    fn all_sessions_of_one_person_end() {
        let mut sessions = Sessions::new(30 * MINUTE, 60 * MINUTE, 10);
        let now = Instant::now();
        for (token, user) in [("t", "olga"), ("u", "omar"), ("v", "olga")] {
            sessions.open(token, person(user), now);
        }
        assert_eq!(sessions.left("t", now), 30 * MINUTE, "unused it ends sooner");
        let mut ended = sessions.close_all("olga");
        ended.sort_unstable();
        let mut expected = [number("t"), number("v")];
        expected.sort_unstable();
        assert_eq!(ended, expected);
        assert_eq!((sessions.person("t", now), sessions.person("u", now)), (None, Some(person("omar"))));
        assert!(sessions.close_all("olga").is_empty());
    }

    #[test]
    fn at_the_maximum_the_longest_unused_gives_way() {
        let mut sessions = Sessions::new(MINUTE, MINUTE, 2);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        sessions.open("a", person("a"), start);
        sessions.open("b", person("b"), start + second);
        sessions.person("a", start + 2 * second);
        let gone = sessions.open("c", person("c"), start + 3 * second);
        assert_eq!(gone, Some((person("b"), number("b"))));
        let now = start + 4 * second;
        assert_eq!(["a", "b", "c"].map(|token| sessions.person(token, now).is_some()), [true, false, true]);
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
    }
}
