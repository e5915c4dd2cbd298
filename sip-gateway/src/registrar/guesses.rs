//! How many wrong passwords are looked at: few at once for a user of one source, few for a source that has no phone of
//! ours, and then one every now and then. Guessing through a list of 10,000 passwords takes days so, while somebody who
//! mistyped one waits half a minute at most.
//!
//! Like [`super::flood`]: each wrong password puts off the instant at which all is forgiven. What comes while that lies too
//! far ahead is dropped unread, even the right password, so a guesser can't tell.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use super::debts::Debts;
use super::flood::household;

/// Wrong passwords for one user from one source that are looked at at once.
pub const USER_BURST: u32 = 20;

/// One more is looked at after each such time.
pub const USER_EVERY: Duration = Duration::from_secs(30);

/// Wrong passwords for any users from a source without a phone of ours that are looked at at once: an office whose
/// passwords have all been changed.
pub const SOURCE_BURST: u32 = 200;

/// One more is looked at after each such time.
pub const SOURCE_EVERY: Duration = Duration::from_secs(6);

/// Wrong passwords of late. Deterministic: time is the caller's.
#[derive(Debug, Default)]
pub struct Guesses {
    /// When each user of each source is forgiven. Users by a hash: their names are the guesser's to choose, at any length.
    users: Debts<(IpAddr, u64)>,
    sources: Debts<IpAddr>,
}

impl Guesses {
    /// Whether a password for `user` from `source` is to be looked at. `has_phone`: a phone of ours is registered there.
    pub fn admits(&self, source: IpAddr, user: &str, has_phone: bool, now: Duration) -> bool {
        let source = household(source);
        let user_may = self.users.of(&(source, hash(user)), now) <= USER_EVERY.saturating_mul(USER_BURST - 1);
        let source_may = self.sources.of(&source, now) <= SOURCE_EVERY.saturating_mul(SOURCE_BURST - 1);
        user_may && (has_phone || source_may)
    }

    /// A password was wrong.
    pub fn wrong(&mut self, source: IpAddr, user: &str, now: Duration) {
        let source = household(source);
        self.users.charge((source, hash(user)), USER_EVERY, now);
        self.sources.charge(source, SOURCE_EVERY, now);
    }
}

fn hash(user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::debts::DEBTORS_MAX;
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 50));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 51));

    /// How many passwords of this user are looked at, of so many in a row.
    fn tried(guesses: &mut Guesses, source: IpAddr, user: &str, many: u32, now: Duration) -> u32 {
        let one = |_| {
            let admitted = guesses.admits(source, user, false, now);
            if admitted {
                guesses.wrong(source, user, now);
            }
            u32::from(admitted)
        };
        (0..many).map(one).sum()
    }

    #[test]
    fn a_list_of_passwords_is_not_gone_through() {
        let (mut guesses, start) = (Guesses::default(), Duration::from_secs(9));
        assert_eq!(tried(&mut guesses, HERE, "anna", 1_000, start), USER_BURST);
        assert_eq!(tried(&mut guesses, HERE, "anna", 1_000, start + USER_EVERY), 1);
        assert_eq!(tried(&mut guesses, THERE, "anna", 1_000, start), USER_BURST, "each source by itself");
        assert_eq!(tried(&mut guesses, HERE, "anna", 1_000, start + USER_EVERY * 60), USER_BURST, "forgiven");
    }

    #[test]
    fn nor_one_password_through_a_list_of_users_where_no_phone_is() {
        let (mut guesses, now) = (Guesses::default(), Duration::ZERO);
        let users = || (0..1_000).map(|index| format!("user{index}"));
        let tried: u32 = users().map(|user| tried(&mut guesses, HERE, &user, 1, now)).sum();
        assert_eq!(tried, SOURCE_BURST);
        assert!(guesses.admits(HERE, "anna", true, now), "beside a phone of ours a colleague may sign on");
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_guesses_most() {
        let (mut guesses, now) = (Guesses::default(), Duration::ZERO);
        tried(&mut guesses, HERE, "anna", USER_BURST, now);
        for index in 0..2 * u32::try_from(DEBTORS_MAX).unwrap() {
            guesses.wrong(IpAddr::V4(std::net::Ipv4Addr::from(0x0A00_0000 + index)), "x", now);
        }
        assert_eq!(guesses.users.len(), DEBTORS_MAX);
        assert!(!guesses.admits(HERE, "anna", false, now));
        guesses.wrong(THERE, "anna", now + USER_EVERY * USER_BURST);
        assert_eq!((guesses.users.len(), guesses.sources.len()), (1, 1), "forgotten");
    }
}
