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
    /// Those that were taken, and how many may be at a time.
    taken: usize,
    most: usize,
}

impl Ports {
    /// The pool over an inclusive range, of which so many may be taken at a time.
    pub fn new((lowest, highest): (u16, u16), most: usize) -> Self {
        let fresh =
            (lowest..=highest).filter(|port| *port != 0 && port % 2 == 0 && *port < highest).collect();
        Self { fresh, rested: VecDeque::new(), draining: VecDeque::new(), taken: 0, most }
    }

    /// Takes the used port that rested longest, or a fresh one.
    pub fn take(&mut self, now: Duration) -> Option<u16> {
        if self.taken >= self.most {
            return None;
        }
        self.settle(now);
        let port = self.rested.pop_front().or_else(|| self.fresh.pop_front())?;
        self.taken += 1;
        Some(port)
    }

    /// Gives back a port that was never opened.
    pub fn unused(&mut self, port: u16) {
        self.taken = self.taken.saturating_sub(1);
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
        (self.fresh.len() + rested).min(self.most.saturating_sub(self.taken))
    }

    /// How many new calls there are ports for. A call takes one, and one more for the phone of an agent who is called for
    /// each: `agents` of those there are, `phones` of them are on the line, and `calls` are there already.
    pub fn for_calls(&self, calls: usize, phones: usize, agents: usize, now: Duration) -> usize {
        // Agents whose phones may yet be called: for the calls that are there, and for new ones.
        let idle = agents.saturating_sub(phones);
        let lacking = calls.saturating_sub(phones).min(idle);
        let (free, idle) = (self.free(now).saturating_sub(lacking), idle - lacking);
        if free <= 2 * idle { free / 2 } else { free - idle }
    }

    fn rest(&mut self, port: u16, until: Duration) {
        self.taken = self.taken.saturating_sub(1);
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
        let mut ports = Ports::new((10_001, 10_006), usize::MAX);
        assert_eq!(ports.free(s(0)), 2);
        assert_eq!(ports.take(s(0)), Some(10_002));
        assert_eq!(ports.take(s(0)), Some(10_004));
        assert_eq!(ports.take(s(0)), None);
        assert_eq!(Ports::new((9, 8), usize::MAX).free(s(0)), 0);
        assert_eq!(Ports::new((0, u16::MAX), usize::MAX).free(s(0)), 32_767);
    }

    #[test]
    fn no_more_are_taken_at_a_time_than_there_may_be_sockets_for() {
        let mut ports = Ports::new((10_000, 10_099), 3);
        assert_eq!(ports.free(s(0)), 3);
        let (a, b, c) = (ports.take(s(0)).unwrap(), ports.take(s(0)).unwrap(), ports.take(s(0)).unwrap());
        assert_eq!((ports.free(s(0)), ports.take(s(0))), (0, None));
        ports.closed(a, s(0));
        ports.refused(b, s(0));
        ports.unused(c);
        assert_eq!(ports.free(s(0)), 3, "what rests has no sockets of need");
        assert_eq!(ports.take(s(0)), Some(c));
        assert_eq!(ports.free(s(0)), 2);
    }

    #[test]
    fn new_calls_leave_a_port_for_each_phone_that_is_yet_to_be_called() {
        let ports = Ports::new((10_000, 10_199), usize::MAX);
        let for_calls = |calls, phones, agents| ports.for_calls(calls, phones, agents, s(0));
        assert_eq!(for_calls(0, 0, 0), 100, "phones that are on the line all day have theirs");
        assert_eq!(for_calls(30, 0, 0), 100);
        assert_eq!(for_calls(0, 0, 500), 50);
        assert_eq!(for_calls(0, 0, 10), 90);
        assert_eq!(for_calls(30, 0, 500), 35, "30 for the phones of calls that are there");
        assert_eq!(for_calls(30, 30, 500), 50);
        assert_eq!(for_calls(30, 0, 10), 90);
        assert_eq!(for_calls(30, 10, 10), 100, "no phone is left to be called");
        assert_eq!(for_calls(200, 0, 500), 0);
        assert_eq!(for_calls(5, 20, 10), 100, "agents who signed off are on the line still");
    }

    #[test]
    fn a_port_that_has_rested_comes_before_a_fresh_one() {
        let mut ports = Ports::new((10_000, 10_099), usize::MAX);
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
        let mut ports = Ports::new((10_000, 10_003), usize::MAX);
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
