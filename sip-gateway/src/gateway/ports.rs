//! RTP ports: even ones from a range, resting before they are used again.

use std::collections::VecDeque;
use std::time::Duration;

/// How long a port rests after its stream closed, so that late packets of the old call don't reach a new one.
pub const PORT_DRAIN: Duration = Duration::from_secs(2);

/// How long a port rests after it could not be bound.
pub const PORT_REFUSED: Duration = Duration::from_secs(60);

/// Even UDP ports, the next odd one being RTCP's (RFC 3550 §11).
///
/// One that was used before comes before a fresh one, because its sockets are still there for the next stream.
#[derive(Debug)]
pub struct Ports {
    fresh: VecDeque<u16>,
    rested: VecDeque<u16>,
    draining: VecDeque<(Duration, u16)>,
}

impl Ports {
    /// The pool over an inclusive range.
    pub fn new((lowest, highest): (u16, u16)) -> Self {
        let fresh =
            (lowest..=highest).filter(|port| *port != 0 && port % 2 == 0 && *port < highest).collect();
        Self { fresh, rested: VecDeque::new(), draining: VecDeque::new() }
    }

    /// Takes the used port that rested longest, or a fresh one.
    pub fn take(&mut self, now: Duration) -> Option<u16> {
        self.settle(now);
        self.rested.pop_front().or_else(|| self.fresh.pop_front())
    }

    /// Gives back a port that was never opened.
    pub fn unused(&mut self, port: u16) {
        self.rested.push_front(port);
    }

    /// Gives back a port whose stream was closed.
    pub fn closed(&mut self, port: u16, now: Duration) {
        self.rest(port, now.saturating_add(PORT_DRAIN));
    }

    /// Gives back a port that could not be bound: somebody else has it.
    pub fn refused(&mut self, port: u16, now: Duration) {
        self.rest(port, now.saturating_add(PORT_REFUSED));
    }

    /// When the next one that rests can be taken.
    pub fn changes_at(&self, now: Duration) -> Option<Duration> {
        self.draining.iter().map(|(until, _)| *until).find(|until| *until > now)
    }

    /// How many could be taken now.
    pub fn free(&self, now: Duration) -> usize {
        let rested = self.rested.len() + self.draining.iter().take_while(|(until, _)| *until <= now).count();
        self.fresh.len() + rested
    }

    fn rest(&mut self, port: u16, until: Duration) {
        let index = self.draining.partition_point(|(other, _)| *other <= until);
        self.draining.insert(index, (until, port));
    }

    fn settle(&mut self, now: Duration) {
        while let Some((_, port)) = self.draining.pop_front_if(|(until, _)| *until <= now) {
            self.rested.push_back(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn only_even_ports_with_room_for_rtcp() {
        let mut ports = Ports::new((10_001, 10_006));
        assert_eq!(ports.free(s(0)), 2);
        assert_eq!(ports.take(s(0)), Some(10_002));
        assert_eq!(ports.take(s(0)), Some(10_004));
        assert_eq!(ports.take(s(0)), None);
        assert_eq!(Ports::new((9, 8)).free(s(0)), 0);
        assert_eq!(Ports::new((0, u16::MAX)).free(s(0)), 32_767);
    }

    #[test]
    fn a_port_that_has_rested_comes_before_a_fresh_one() {
        let mut ports = Ports::new((10_000, 10_099));
        let (a, b) = (ports.take(s(0)).unwrap(), ports.take(s(0)).unwrap());
        ports.closed(b, s(1));
        ports.closed(a, s(2));
        assert_eq!(ports.take(s(2)), Some(10_004), "nothing has rested yet");
        assert_eq!(ports.take(s(4)), Some(b));
        assert_eq!(ports.take(s(4)), Some(a));
        assert_eq!(ports.take(s(4)), Some(10_006));
    }

    #[test]
    fn a_closed_port_rests_and_a_refused_one_longer() {
        let mut ports = Ports::new((10_000, 10_003));
        let (a, b) = (ports.take(s(0)).unwrap(), ports.take(s(0)).unwrap());
        ports.refused(a, s(0));
        ports.closed(b, s(0));
        assert_eq!(ports.take(s(1)), None);
        assert_eq!(ports.free(s(2)), 1);
        assert_eq!(ports.take(s(2)), Some(b));
        assert_eq!(ports.take(s(59)), None);
        assert_eq!(ports.take(s(60)), Some(a));
    }
}
