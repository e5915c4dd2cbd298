//! Guessing passwords gets slower with every guess: exponential lock-out per user and source, and per source alone.
//!
//! The source is part of the key, so somebody who guesses from elsewhere can't lock a person out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong passwords for one user from one source before the first lock.
pub const FREE_PER_USER: u32 = 5;
/// Wrong passwords from one source, whatever the user, before the first lock.
pub const FREE_PER_SOURCE: u32 = 30;
/// Longest lock.
pub const LOCK_MAX: Duration = Duration::from_secs(15 * 60);
/// Most users and sources remembered; at the maximum the one heard of longest ago is forgotten.
pub const ENTRIES_MAX: usize = 10_000;

/// Wrong passwords are forgotten after this long without another.
const FORGET: Duration = Duration::from_secs(4 * 15 * 60);
const LOCK_FIRST: Duration = Duration::from_secs(1);
/// Characters of a name that count; longer names are one name here.
const NAME_CHARACTERS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    user: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last_at: Instant,
    locked_until: Instant,
}

/// What is remembered of wrong passwords.
#[derive(Debug, Default)]
pub(crate) struct Lockout {
    failures: BTreeMap<Key, Failures>,
}

impl Lockout {
    /// How long `user` from `source` has to wait before the next try; `None` when it may be made now.
    pub(crate) fn wait(&self, user: &str, source: IpAddr, now: Instant) -> Option<Duration> {
        keys(user, source)
            .into_iter()
            .filter_map(|(key, _)| self.failures.get(&key))
            .map(|failures| failures.locked_until.saturating_duration_since(now))
            .max()
            .filter(|wait| !wait.is_zero())
    }

    /// A wrong password. After the free ones each doubles the lock.
    pub(crate) fn failed(&mut self, user: &str, source: IpAddr, now: Instant) {
        for (key, free) in keys(user, source) {
            self.make_room(&key, now);
            let failures =
                self.failures.entry(key).or_insert(Failures { count: 0, last_at: now, locked_until: now });
            if now.saturating_duration_since(failures.last_at) >= FORGET {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last_at = now;
            if let Some(doublings) = failures.count.checked_sub(free) {
                let lock = LOCK_FIRST.saturating_mul(1_u32 << doublings.min(16)).min(LOCK_MAX);
                failures.locked_until = now + lock;
            }
        }
    }

    /// The right password: the user's count from this source starts again; the source's own stays.
    pub(crate) fn succeeded(&mut self, user: &str, source: IpAddr) {
        let [(key, _), _] = keys(user, source);
        self.failures.remove(&key);
    }

    fn make_room(&mut self, key: &Key, now: Instant) {
        if self.failures.len() < ENTRIES_MAX || self.failures.contains_key(key) {
            return;
        }
        // What has been quiet for as long as the longest lock says nothing any more.
        self.failures.retain(|_, failures| now.saturating_duration_since(failures.last_at) < LOCK_MAX);
        if self.failures.len() >= ENTRIES_MAX
            && let Some(oldest) = self.failures.iter().min_by_key(|(_, failures)| failures.last_at)
        {
            let oldest = oldest.0.clone();
            self.failures.remove(&oldest);
        }
    }
}

fn keys(user: &str, source: IpAddr) -> [(Key, u32); 2] {
    let user = user.chars().take(NAME_CHARACTERS_MAX).collect();
    [(Key { source, user: Some(user) }, FREE_PER_USER), (Key { source, user: None }, FREE_PER_SOURCE)]
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn fail(lockout: &mut Lockout, user: &str, times: u32, now: Instant) {
        for _ in 0..times {
            lockout.failed(user, HERE, now);
        }
    }

    #[test]
    fn each_wrong_password_doubles_the_lock() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        fail(&mut lockout, "olga", FREE_PER_USER - 1, now);
        assert_eq!(lockout.wait("olga", HERE, now), None);
        let mut locks = Vec::new();
        for _ in 0..12 {
            lockout.failed("olga", HERE, now);
            locks.push(lockout.wait("olga", HERE, now).unwrap().as_secs());
        }
        assert_eq!(locks, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(lockout.wait("olga", HERE, now + LOCK_MAX), None);
    }

    #[test]
    fn guessing_from_elsewhere_locks_nobody_out() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        fail(&mut lockout, "olga", 20, now);
        assert_eq!(lockout.wait("olga", THERE, now), None);
        assert_eq!(lockout.wait("omar", HERE, now), None);
    }

    #[test]
    fn trying_many_names_locks_the_source() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        for user in 0..FREE_PER_SOURCE {
            lockout.failed(&user.to_string(), HERE, now);
        }
        assert!(lockout.wait("somebody", HERE, now).is_some());
        lockout.succeeded("somebody", HERE);
        assert!(lockout.wait("somebody", HERE, now).is_some(), "one known password doesn't buy more guesses");
    }

    #[test]
    fn the_right_password_starts_again() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        fail(&mut lockout, "olga", FREE_PER_USER - 1, now);
        lockout.succeeded("olga", HERE);
        fail(&mut lockout, "olga", 1, now);
        assert_eq!(lockout.wait("olga", HERE, now), None);
    }

    #[test]
    fn mistakes_of_another_day_do_not_count() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        fail(&mut lockout, "olga", FREE_PER_USER - 1, now);
        lockout.failed("olga", HERE, now + FORGET);
        assert_eq!(lockout.wait("olga", HERE, now + FORGET), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut lockout = Lockout::default();
        let now = Instant::now();
        for user in 0..ENTRIES_MAX + 10 {
            lockout.failed(&user.to_string(), HERE, now);
        }
        assert_eq!(lockout.failures.len(), ENTRIES_MAX);
    }
}
