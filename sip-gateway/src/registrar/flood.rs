//! How many REGISTERs of unknown sources are looked at: so many at once and so many a second from each, in a table that
//! can't grow without end.
//!
//! Each REGISTER of a source puts off the instant at which the source has all its allowance back; one that would put it
//! off too far is dropped, and the phone repeats it (RFC 3261 timer E). A source that has all back is forgotten.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::debts::{DEBTORS_MAX, Debts};

/// REGISTERs that one unknown source may send at once: an office of 200 phones behind one address that come back after a
/// power cut, each with a first REGISTER and one with credentials. Once one of them is registered its address is known.
pub const BURST: u32 = 400;

/// One REGISTER more is allowed after each such time: twenty a second.
pub const EVERY: Duration = Duration::from_millis(50);

/// Most sources at once. Sources that send one REGISTER stay for [`EVERY`], so that 200,000 forged ones a second fill it.
pub const SOURCES_MAX: usize = DEBTORS_MAX;

/// Which sources have sent REGISTERs lately. Deterministic: time is the caller's.
#[derive(Debug, Default)]
pub struct Flood {
    sources: Debts<IpAddr>,
}

impl Flood {
    /// Whether a REGISTER from `source` is to be looked at.
    pub fn admits(&mut self, source: IpAddr, now: Duration) -> bool {
        let source = household(source);
        let admitted = self.sources.has_room(&source, now)
            && self.sources.of(&source, now) <= EVERY.saturating_mul(BURST - 1);
        if admitted {
            self.sources.charge(source, EVERY, now);
        }
        admitted
    }
}

/// Whoever has one IPv6 address has all 2^64 of its network (RFC 4291 §2.5.1).
pub(super) fn household(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(index: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(0x0A00_0000 + index))
    }

    fn admitted(flood: &mut Flood, source: IpAddr, many: u32, now: Duration) -> u32 {
        (0..many).map(|_| u32::from(flood.admits(source, now))).sum()
    }

    #[test]
    fn an_office_may_come_at_once_and_then_twenty_a_second() {
        let mut flood = Flood::default();
        let start = Duration::from_secs(9);
        assert_eq!(admitted(&mut flood, v4(1), 1_000, start), BURST);
        assert_eq!(admitted(&mut flood, v4(2), 1_000, start), BURST, "another source has its own");
        assert_eq!(admitted(&mut flood, v4(1), 9, start + EVERY), 1);
        assert_eq!(admitted(&mut flood, v4(1), 1_000, start + EVERY + Duration::from_secs(1)), 20);
        assert_eq!(
            admitted(&mut flood, v4(1), 1_000, start + Duration::from_secs(60)),
            BURST,
            "all is forgotten"
        );
    }

    #[test]
    fn the_table_is_bounded_and_frees_itself() {
        let mut flood = Flood::default();
        let sources = u32::try_from(SOURCES_MAX).unwrap();
        let now = Duration::from_secs(1);
        assert!((0..sources).all(|index| flood.admits(v4(index), now)));
        assert!(!flood.admits(v4(sources), now), "full");
        assert!(flood.admits(v4(0), now), "who is in it goes on");
        assert_eq!(flood.sources.len(), SOURCES_MAX);
        assert!(flood.admits(v4(sources), now + EVERY));
        assert_eq!(flood.sources.len(), 2, "the one that sent twice, and the new one");
        assert!(flood.admits(v4(9), now + Duration::from_secs(9)));
        assert_eq!(flood.sources.len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let mut flood = Flood::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let now = Duration::ZERO;
        assert_eq!(admitted(&mut flood, address("2001:db8::1"), BURST, now), BURST);
        assert!(!flood.admits(address("2001:db8::ffff:2"), now));
        assert!(flood.admits(address("2001:db8:0:1::1"), now));
    }
}
