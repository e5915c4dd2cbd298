//! The simulated network: latency, loss, duplication, reordering and outages, link by link.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::dice::Dice;
use super::plan::FAULTS_END;

/// What a network does to datagrams; from [`FAULTS_END`] on it only takes its time.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Share that is lost.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplicate: f64,
    /// Share that is held back long enough to be overtaken.
    pub late: f64,
    /// While the carrier can't be reached: from, until.
    pub outages: Vec<(Duration, Duration)>,
}

impl Conditions {
    /// A network without faults.
    pub fn calm() -> Self {
        Self { loss: 0.0, duplicate: 0.0, late: 0.0, outages: Vec::new() }
    }
}

/// The network. Each direction of each pair of addresses has its own dice, so that a stranger's datagrams don't change
/// what happens to anybody else's.
#[derive(Debug)]
pub struct Net {
    seed: u64,
    conditions: Conditions,
    carrier: SocketAddr,
    links: BTreeMap<(SocketAddr, SocketAddr), Dice>,
}

impl Net {
    /// A network; its outages concern `carrier`.
    pub fn new(seed: u64, conditions: Conditions, carrier: SocketAddr) -> Self {
        Self { seed, conditions, carrier, links: BTreeMap::new() }
    }

    /// When the copies of a datagram sent now arrive; none when it is lost.
    pub fn carry(&mut self, from: SocketAddr, to: SocketAddr, now: Duration) -> Vec<Duration> {
        let Conditions { loss, duplicate, late, outages } = &self.conditions;
        let seed = self.seed;
        let dice =
            self.links.entry((from, to)).or_insert_with(|| Dice::new(seed, &format!("link {from} {to}")));
        let concerned = from == self.carrier || to == self.carrier;
        let out = concerned && outages.iter().any(|(start, end)| (*start..*end).contains(&now));
        let mut arrivals = Vec::with_capacity(1);
        let whole = now >= FAULTS_END;
        let copies = 1 + usize::from(dice.chance(*duplicate) && !whole);
        for _ in 0..copies {
            let mut delay = dice.between(1, 15);
            if dice.chance(*late) && !whole {
                delay += dice.between(20, 400);
            }
            if whole || (!dice.chance(*loss) && !out) {
                arrivals.push(now + delay);
            }
        }
        arrivals
    }
}
