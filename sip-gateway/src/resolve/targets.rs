//! The servers of one carrier, and which of them is next: by rank, by weight (RFC 2782), and those that failed lately last.

use std::net::IpAddr;
use std::time::Duration;

use super::Target;
use super::plan::Server;

/// How long a server that could not be reached, said nothing, or answered 503 without a time is passed over while there are
/// others (RFC 3263 §4.3).
pub const REST: Duration = Duration::from_secs(60);

/// No server makes us pass it over for longer by one Retry-After.
pub const REST_MAX: Duration = Duration::from_secs(600);

/// The servers of one carrier.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    servers: Vec<Server>,
    /// Targets that are passed over, each with the end of that; of present servers only.
    resting: Vec<(Target, Duration)>,
}

impl Targets {
    /// The only one that there is.
    pub fn fixed(target: Target) -> Self {
        let Target { transport, address } = target;
        let server = Server { rank: 0, weight: 0, transport, addresses: vec![address] };
        Self { servers: vec![server], resting: Vec::new() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// All of them, in the order of their ranks.
    pub fn all(&self) -> impl Iterator<Item = Target> + '_ {
        self.servers.iter().flat_map(|server| {
            let transport = server.transport;
            server.addresses.iter().map(move |address| Target { transport, address: *address })
        })
    }

    /// Whether there is one at this address, on whatever port.
    pub fn is_at(&self, host: IpAddr) -> bool {
        self.all().any(|target| target.address.ip() == host)
    }

    /// Whether this is one of them.
    pub fn contains(&self, target: Target) -> bool {
        self.all().any(|known| known == target)
    }

    /// Takes these servers instead. Those that stay rest on. False where nothing is different.
    pub fn replace(&mut self, servers: Vec<Server>) -> bool {
        if self.servers == servers {
            return false;
        }
        self.servers = servers;
        let mut resting = std::mem::take(&mut self.resting);
        resting.retain(|(target, _)| self.contains(*target));
        self.resting = resting;
        true
    }

    /// Passes a target that failed over while there are others: for [`REST`].
    pub fn fail(&mut self, target: Target, now: Duration) {
        if self.is_awake(target, now) {
            self.rest(target, REST, now);
        }
    }

    /// Passes a target over while there are others: for as long as it has said, [`REST_MAX`] at most.
    pub fn rest(&mut self, target: Target, length: Duration, now: Duration) {
        if !self.contains(target) {
            return;
        }
        let until = now.saturating_add(length.min(REST_MAX));
        match self.resting.iter_mut().find(|(resting, _)| *resting == target) {
            Some((_, before)) => *before = until,
            None => self.resting.push((target, until)),
        }
    }

    /// The same after a 503 (RFC 3261 §21.5.4): for as long as its Retry-After says, where it has one.
    pub fn refused(&mut self, target: Target, retry_after: Option<u32>, now: Duration) {
        match retry_after.filter(|seconds| *seconds > 0) {
            Some(seconds) => self.rest(target, Duration::from_secs(u64::from(seconds)), now),
            None => self.fail(target, now),
        }
    }

    /// A target has answered: it is passed over no more.
    pub fn works(&mut self, target: Target) {
        if !self.resting.is_empty() {
            self.resting.retain(|(resting, _)| *resting != target);
        }
    }

    /// Whether a target is not passed over.
    pub fn is_awake(&self, target: Target, now: Duration) -> bool {
        !self.resting.iter().any(|(resting, until)| *resting == target && *until > now)
    }

    /// When the first one is passed over no more; `None` where one is awake already or there is none.
    pub fn awake_at(&self, now: Duration) -> Option<Duration> {
        let asleep = self.all().all(|target| !self.is_awake(target, now));
        self.resting.iter().map(|(_, until)| *until).min().filter(|_| asleep)
    }

    /// The next one to try, but for those that were `tried`: one that is awake, or else any. `below` draws a number below its
    /// argument.
    pub fn choose(&self, tried: &[Target], below: impl FnMut(u32) -> u32, now: Duration) -> Option<Target> {
        let only = self.only();
        if only.is_some() {
            return only.filter(|target| !tried.contains(target));
        }
        let fresh = |target: &Target| !tried.contains(target);
        let awake = |target: &Target| fresh(target) && self.is_awake(*target, now);
        if self.all().any(|target| awake(&target)) {
            return self.draw(awake, below);
        }
        self.draw(fresh, below)
    }

    /// The next one to try that is awake.
    pub fn choose_awake(
        &self,
        tried: &[Target],
        below: impl FnMut(u32) -> u32,
        now: Duration,
    ) -> Option<Target> {
        self.draw(|target| !tried.contains(target) && self.is_awake(*target, now), below)
    }

    /// The only one, where there is one alone.
    fn only(&self) -> Option<Target> {
        match self.servers.as_slice() {
            [Server { transport, addresses, .. }] => match addresses.as_slice() {
                [address] => Some(Target { transport: *transport, address: *address }),
                _ => None,
            },
            _ => None,
        }
    }

    /// RFC 2782: of the servers of the lowest rank that can be taken one by its weight, and its first address that can be taken
    /// (RFC 3263 §4.2).
    fn draw(&self, may: impl Fn(&Target) -> bool, mut below: impl FnMut(u32) -> u32) -> Option<Target> {
        let first = |server: &Server| {
            let transport = server.transport;
            let mut targets = server.addresses.iter().map(|address| Target { transport, address: *address });
            targets.find(|target| may(target))
        };
        let usable =
            self.servers.iter().filter_map(|server| Some((server.rank, server.weight, first(server)?)));
        let rank = usable.clone().map(|(rank, ..)| rank).min()?;
        let peers = usable.filter(|(of, ..)| *of == rank);
        let sum: u32 = peers.clone().map(|(_, weight, _)| u32::from(weight)).sum();
        // Those without weight come first, so that they are taken now and then (RFC 2782, "Weight").
        let (light, heavy) = (peers.clone().filter(|it| it.1 == 0), peers.filter(|it| it.1 > 0));
        let drawn = below(sum.saturating_add(1));
        let mut running = 0;
        for (_, weight, target) in light.clone().chain(heavy) {
            running += u32::from(weight);
            if running >= drawn && weight > 0 {
                return Some(target);
            }
            if running >= drawn {
                // All without weight are equal.
                let place = below(u32::try_from(light.clone().count()).unwrap_or(1));
                return light.clone().nth(usize::try_from(place).unwrap_or(0)).map(|(.., target)| target);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::gateway::names::Names;
    use crate::transport::Transport;

    fn target(host: u8) -> Target {
        Target { transport: Transport::Udp, address: ([192, 0, 2, host], 5060).into() }
    }

    fn servers(list: &[(u32, u16, &[u8])]) -> Targets {
        let server = |(rank, weight, hosts): &(u32, u16, &[u8])| Server {
            rank: *rank,
            weight: *weight,
            transport: Transport::Udp,
            addresses: hosts.iter().map(|host| target(*host).address).collect(),
        };
        let mut targets = Targets::default();
        targets.replace(list.iter().map(server).collect());
        targets
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn shares_are_those_of_the_weights() {
        let targets = servers(&[(1, 60, &[1]), (1, 30, &[2]), (1, 10, &[3]), (1, 0, &[4]), (2, 100, &[5])]);
        let mut names = Names::new(ChaCha20Rng::seed_from_u64(7));
        let mut counts = [0u32; 6];
        for _ in 0..10_000 {
            let chosen = targets.choose(&[], |end| names.below(end), s(0)).unwrap();
            let std::net::IpAddr::V4(host) = chosen.address.ip() else { panic!("IPv4") };
            counts[usize::from(host.octets()[3])] += 1;
        }
        for (host, least, most) in
            [(1, 5_700, 6_100), (2, 2_800, 3_150), (3, 900, 1_100), (4, 50, 160), (5, 0, 0)]
        {
            assert!((least..=most).contains(&counts[host]), "{host}: {counts:?}");
        }
    }

    #[test]
    fn what_failed_is_last_until_it_has_rested() {
        let mut targets = servers(&[(1, 0, &[1, 2]), (2, 0, &[3])]);
        let next = |targets: &Targets, tried: &[Target], now| targets.choose(tried, |_| 0, now);
        assert_eq!(next(&targets, &[], s(0)), Some(target(1)));
        assert_eq!(next(&targets, &[target(1)], s(0)), Some(target(2)), "its second address");
        targets.fail(target(1), s(0));
        targets.rest(target(2), s(9), s(0));
        targets.refused(target(2), Some(5), s(0));
        targets.refused(target(2), None, s(0));
        assert_eq!((next(&targets, &[], s(1)), targets.awake_at(s(1))), (Some(target(3)), None));
        targets.rest(target(3), s(9_999), s(0));
        assert_eq!(targets.awake_at(s(1)), Some(s(5)));
        assert_eq!(next(&targets, &[], s(1)), Some(target(1)), "all of them rest: by rank");
        assert_eq!(next(&targets, &[], s(6)), Some(target(2)));
        targets.works(target(1));
        assert_eq!(next(&targets, &[], s(6)), Some(target(1)));
        assert_eq!(next(&targets, &[target(1), target(2), target(3)], s(6)), None, "each once");
        assert!(targets.is_awake(target(3), REST_MAX), "at the longest");
        targets.fail(target(9), s(0));
        assert_eq!(targets.resting.len(), 2, "strangers are not kept");
    }

    #[test]
    fn those_that_stay_rest_on() {
        let mut targets = servers(&[(1, 0, &[1]), (2, 0, &[2])]);
        targets.fail(target(1), s(0));
        targets.fail(target(2), s(0));
        let other = servers(&[(1, 0, &[1]), (2, 0, &[3])]);
        assert!(targets.replace(other.servers.clone()));
        assert!(!targets.replace(other.servers));
        assert_eq!((targets.is_awake(target(1), s(1)), targets.is_awake(target(3), s(1))), (false, true));
        assert_eq!(targets.resting.len(), 1);
    }

    proptest! {
        /// Asked again and again, each is given once, and no rank before a lower one.
        #[test]
        fn each_comes_once_in_the_order_of_ranks(
            list in proptest::collection::vec((0u32..4, 0u16..5), 1..20),
            seed in 0u64..1_000,
        ) {
            let hosts: Vec<[u8; 1]> = (1..=list.len()).map(|host| [host as u8]).collect();
            let named: Vec<(u32, u16, &[u8])> =
                list.iter().zip(&hosts).map(|((rank, weight), host)| (*rank, *weight, host.as_slice())).collect();
            let targets = servers(&named);
            let mut names = Names::new(ChaCha20Rng::seed_from_u64(seed));
            let mut tried = Vec::new();
            let mut ranks = Vec::new();
            while let Some(next) = targets.choose(&tried, |end| names.below(end), s(0)) {
                let place = targets.all().position(|known| known == next).unwrap();
                ranks.push(list[place].0);
                tried.push(next);
            }
            prop_assert_eq!(tried.len(), list.len());
            prop_assert!(ranks.is_sorted());
        }
    }
}
