//! Whom a stream believes: symmetric RTP (RFC 4961) with a source that is found early and then locked.
//!
//! Behind a NAT, packets come from another address than the SDP names. So for a short while after the peer's
//! address was learnt, another address may win by sending good packets. After that the source is locked:
//! whoever else sends is dropped and counted. The address named in SDP wins over a guess within the window.

use std::net::SocketAddr;
use std::time::Duration;

use super::rtp::{Header, sequence_ahead};

/// How long after SDP was learnt an address other than the one in SDP may become the source.
pub const LATCH_WINDOW: Duration = Duration::from_secs(5);

/// Largest gap in sequence numbers that is still the same flow (RFC 3550 appendix A.1, MAX_DROPOUT).
const DROPOUT_MAX: i32 = 3_000;

/// Most packets a straggler may be behind (RFC 3550 appendix A.1, MAX_MISORDER).
const MISORDER_MAX: i32 = 100;

/// What a packet is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Part of the flow.
    Accept,
    /// First packet of a flow: its numbers have nothing to do with those before.
    AcceptRestart,
    /// From an address that isn't the source.
    DropForeign,
    /// From the source, with an SSRC or a sequence number out of the blue; a second such packet would be believed.
    DropUnproven,
}

/// Whom to believe and where to send.
#[derive(Clone, Debug)]
pub struct Source {
    /// Address in SDP.
    expected: SocketAddr,
    /// End of the time in which another address may win.
    window_ends: Duration,
    /// Source before SDP named a new address; its last packets must not win the new lock.
    previous: Option<SocketAddr>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody is believed yet.
    Waiting(Option<Candidate>),
    /// One address and SSRC are believed; `rival` is a new SSRC or sequence seen once from that address.
    Locked { from: SocketAddr, ssrc: u32, highest: u16, rival: Option<Candidate> },
}

/// A flow seen once. It is believed when its next packet comes (RFC 3550 appendix A.1, MIN_SEQUENTIAL of 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
}

impl Candidate {
    fn after(header: &Header, from: SocketAddr) -> Self {
        Self { from, ssrc: header.ssrc, next: header.sequence.wrapping_add(1) }
    }

    fn proven_by(&self, header: &Header, from: SocketAddr) -> bool {
        self.from == from && self.ssrc == header.ssrc && self.next == header.sequence
    }
}

impl Source {
    /// Starts with the address in SDP; the window opens now.
    pub fn new(expected: SocketAddr, now: Duration) -> Self {
        Self {
            expected,
            window_ends: now.saturating_add(LATCH_WINDOW),
            previous: None,
            state: State::Waiting(None),
        }
    }

    /// SDP came again. A new address opens the question anew; the same address leaves a lock as it is.
    pub fn expect(&mut self, expected: SocketAddr, now: Duration) {
        let locked = match self.state {
            State::Waiting(_) => None,
            State::Locked { from, .. } => Some(from),
        };
        if expected == self.expected && locked.is_some() {
            return;
        }
        let previous = if expected == self.expected { self.previous } else { locked };
        *self = Self { previous, ..Self::new(expected, now) };
    }

    /// Where packets for the peer go: to the locked source, before that to the address in SDP.
    pub fn destination(&self) -> SocketAddr {
        match self.state {
            State::Waiting(_) => self.expected,
            State::Locked { from, .. } => from,
        }
    }

    /// Whether `from` is the host that is believed, on any of its ports; for RTCP, which has its own port.
    pub fn is_host(&self, from: SocketAddr) -> bool {
        from.ip() == self.destination().ip()
    }

    /// Judges one packet whose payload type has been found good.
    pub fn inspect(&mut self, header: &Header, from: SocketAddr, now: Duration) -> Verdict {
        match &mut self.state {
            State::Waiting(candidate) => {
                let named = from == self.expected;
                if !named && (now > self.window_ends || self.previous == Some(from)) {
                    return Verdict::DropForeign;
                }
                if named || candidate.is_some_and(|candidate| candidate.proven_by(header, from)) {
                    return self.lock(header, from);
                }
                *candidate = Some(Candidate::after(header, from));
                Verdict::DropForeign
            }
            State::Locked { from: locked, ssrc, highest, rival } => {
                if from != *locked {
                    if from == self.expected && now <= self.window_ends {
                        return self.lock(header, from);
                    }
                    return Verdict::DropForeign;
                }
                let ahead = sequence_ahead(header.sequence, *highest);
                if *ssrc == header.ssrc && ahead > -MISORDER_MAX && ahead < DROPOUT_MAX {
                    if ahead > 0 {
                        *highest = header.sequence;
                    }
                    return Verdict::Accept;
                }
                if rival.is_some_and(|rival| rival.proven_by(header, from)) {
                    return self.lock(header, from);
                }
                *rival = Some(Candidate::after(header, from));
                Verdict::DropUnproven
            }
        }
    }

    fn lock(&mut self, header: &Header, from: SocketAddr) -> Verdict {
        self.state = State::Locked { from, ssrc: header.ssrc, highest: header.sequence, rival: None };
        Verdict::AcceptRestart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc }
    }

    fn source() -> Source {
        Source::new(address(1, 4000), START)
    }

    #[test]
    fn the_address_in_sdp_is_believed_at_once() {
        let mut source = source();
        assert_eq!(source.destination(), address(1, 4000));
        assert_eq!(source.inspect(&header(7, 1), address(1, 4000), START), Verdict::AcceptRestart);
        assert_eq!(source.inspect(&header(7, 2), address(1, 4000), START), Verdict::Accept);
    }

    #[test]
    fn another_address_is_believed_at_its_second_packet_in_the_window() {
        let mut source = source();
        let nat = address(9, 61_000);
        assert_eq!(source.inspect(&header(7, 1), nat, START), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(7, 2), nat, START), Verdict::AcceptRestart);
        assert_eq!(source.destination(), nat);
    }

    #[test]
    fn two_strangers_do_not_prove_each_other() {
        let mut source = source();
        assert_eq!(source.inspect(&header(7, 1), address(8, 1), START), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(7, 2), address(9, 1), START), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(8, 2), address(9, 1), START), Verdict::DropForeign);
    }

    #[test]
    fn the_address_in_sdp_takes_the_lock_back_within_the_window_only() {
        let stranger = address(9, 61_000);
        let late = START + LATCH_WINDOW + Duration::from_millis(1);
        for (now, verdict) in [(START, Verdict::AcceptRestart), (late, Verdict::DropForeign)] {
            let mut source = source();
            source.inspect(&header(7, 1), stranger, START);
            source.inspect(&header(7, 2), stranger, START);
            assert_eq!(source.inspect(&header(1, 1), address(1, 4000), now), verdict);
        }
    }

    #[test]
    fn after_the_lock_strangers_are_dropped() {
        let mut source = source();
        source.inspect(&header(7, 1), address(1, 4000), START);
        for sequence in 2..50 {
            let verdict = source.inspect(&header(7, sequence), address(2, 4000), START);
            assert_eq!(verdict, Verdict::DropForeign);
        }
        assert_eq!(source.destination(), address(1, 4000));
    }

    #[test]
    fn after_the_window_only_the_address_in_sdp_can_lock() {
        let mut source = source();
        let late = START + LATCH_WINDOW + Duration::from_millis(1);
        assert_eq!(source.inspect(&header(7, 1), address(2, 4000), late), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(7, 2), address(2, 4000), late), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(7, 1), address(1, 4000), late), Verdict::AcceptRestart);
    }

    #[test]
    fn a_new_ssrc_and_a_wild_sequence_must_prove_themselves() {
        let mut source = source();
        let peer = address(1, 4000);
        source.inspect(&header(7, 1), peer, START);
        assert_eq!(source.inspect(&header(8, 900), peer, START), Verdict::DropUnproven);
        assert_eq!(source.inspect(&header(7, 2), peer, START), Verdict::Accept);
        assert_eq!(source.inspect(&header(8, 901), peer, START), Verdict::AcceptRestart);
        assert_eq!(source.inspect(&header(8, 20_000), peer, START), Verdict::DropUnproven);
        assert_eq!(source.inspect(&header(8, 20_001), peer, START), Verdict::AcceptRestart);
        assert_eq!(source.inspect(&header(8, 19_990), peer, START), Verdict::Accept);
    }

    #[test]
    fn the_same_sdp_again_keeps_the_lock_and_new_sdp_opens_it() {
        let mut source = source();
        let (old, new) = (address(1, 4000), address(3, 5000));
        source.inspect(&header(7, 1), old, START);
        source.expect(old, START);
        assert_eq!(source.inspect(&header(7, 2), old, START), Verdict::Accept);
        source.expect(new, START);
        assert_eq!(source.destination(), new);
        // What the old source still sends can't win the new lock.
        assert_eq!(source.inspect(&header(7, 3), old, START), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(7, 4), old, START), Verdict::DropForeign);
        assert_eq!(source.inspect(&header(9, 1), new, START), Verdict::AcceptRestart);
    }
}
