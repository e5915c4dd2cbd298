//! A carrier connection: its lines, its rate, its numbers and whether it works.

pub mod caller_ids;
pub mod choice;
pub mod failover;
pub mod registration;
pub mod shaper;
pub mod silence;

use std::time::Duration;

use crate::event::{BusyReason, TrunkState};
use crate::options::TrunkOptions;
use caller_ids::CallerIds;
use shaper::Shaper;
use silence::Silence;

/// One carrier connection.
#[derive(Debug)]
pub struct Trunk {
    /// Its options.
    pub options: TrunkOptions,
    registered: TrunkState,
    silence: Silence,
    lines_used: u32,
    waiting: u32,
    shaper: Shaper,
    caller_ids: CallerIds,
}

impl Trunk {
    /// A trunk with no calls; one that must register is not usable before [`Trunk::registration`] says so.
    pub fn new(options: TrunkOptions) -> Self {
        let registered = if options.register { TrunkState::Registering } else { TrunkState::Up };
        Self {
            registered,
            silence: Silence::default(),
            lines_used: 0,
            waiting: 0,
            shaper: Shaper::new(options.calls_per_second),
            caller_ids: CallerIds::new(&options.caller_ids),
            options,
        }
    }

    /// Whether calls can be placed on it, and why not.
    pub fn state(&self) -> TrunkState {
        match (self.registered, self.silence) {
            (TrunkState::Up, Silence::Dead { .. }) => TrunkState::Silent,
            (state, _) => state,
        }
    }

    /// Holds a line and a slot of the rate; returns the number to show.
    pub fn reserve(&mut self, now: Duration) -> Result<String, BusyReason> {
        if self.state() != TrunkState::Up {
            return Err(BusyReason::NoTrunk);
        }
        if self.lines_free() == 0 {
            return Err(BusyReason::TrunkFull);
        }
        if self.calls_per_second_free(now) == 0 {
            return Err(BusyReason::CallsPerSecond);
        }
        self.lines_used += 1;
        self.waiting += 1;
        Ok(self.caller_ids.rotate())
    }

    /// Gives back line, slot and number of a call whose INVITE was never sent.
    pub fn release(&mut self, caller_id: &str) {
        self.waiting = self.waiting.saturating_sub(1);
        self.lines_used = self.lines_used.saturating_sub(1);
        self.caller_ids.unused(caller_id);
    }

    /// When the next INVITE may leave; `None` when the cap is zero.
    pub fn next_slot(&self, now: Duration) -> Option<Duration> {
        self.shaper.next_slot(now)
    }

    /// The INVITE of a reserved call left.
    pub fn sent(&mut self, now: Duration) {
        self.waiting = self.waiting.saturating_sub(1);
        self.shaper.sent(now);
    }

    /// A call whose INVITE had been sent ended: its line is free.
    pub fn ended(&mut self) {
        self.lines_used = self.lines_used.saturating_sub(1);
    }

    /// The trunk said something. Returns the state to report when this changed it.
    pub fn response(&mut self) -> Option<TrunkState> {
        self.silence.response().then(|| self.state())
    }

    /// An INVITE ended without any response. Returns the state to report when this changed it.
    pub fn unanswered(&mut self, now: Duration) -> Option<TrunkState> {
        self.silence.unanswered(now).then(|| self.state())
    }

    /// An OPTIONS health check got no response. Returns the state to report when this changed it.
    pub fn unreachable(&mut self, now: Duration) -> Option<TrunkState> {
        self.silence.unreachable(now).then(|| self.state())
    }

    /// When a silent trunk may be tried again.
    pub fn retry_at(&self) -> Option<Duration> {
        self.silence.retry_at()
    }

    /// Tries a silent trunk again when it is due. Returns the state to report when this changed it.
    pub fn retry(&mut self, now: Duration) -> Option<TrunkState> {
        self.silence.retry(now).then(|| self.state())
    }

    /// What came of registering. Returns the state to report when this changed it.
    pub fn registration(&mut self, state: TrunkState) -> Option<TrunkState> {
        let before = self.state();
        self.registered = state;
        (self.state() != before).then(|| self.state())
    }

    /// Lines that could be reserved now.
    pub fn lines_free(&self) -> u32 {
        self.options.max_calls.saturating_sub(self.lines_used)
    }

    /// Reservations that the rate could serve soon.
    pub fn calls_per_second_free(&self, now: Duration) -> u32 {
        self.shaper.free(self.waiting, now)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::media::Codec;
    use crate::options::Secret;

    pub(crate) fn options(name: &str) -> TrunkOptions {
        TrunkOptions {
            name: name.into(),
            uri: "sip:192.0.2.10:5060".into(),
            address: "192.0.2.10:5060".parse().unwrap(),
            username: String::new(),
            password: Secret::default(),
            register: false,
            max_calls: 3,
            calls_per_second: 10.0,
            caller_ids: vec!["+15550100".into(), "+15550101".into()],
            codecs: vec![Codec::Pcmu],
            transport: crate::transport::Transport::Udp,
            late_offer: false,
            asserted_identity: false,
            options_interval: None,
            outcomes: Vec::new(),
            failover: failover::Failover::default(),
            tls: Default::default(),
        }
    }

    #[test]
    fn a_line_is_counted_from_reservation_to_end() {
        let mut trunk = Trunk::new(options("a"));
        let now = Duration::ZERO;
        for _ in 0..3 {
            trunk.reserve(now).unwrap();
        }
        assert_eq!(trunk.reserve(now), Err(BusyReason::TrunkFull));
        trunk.sent(now);
        assert_eq!(trunk.lines_free(), 0);
        trunk.ended();
        assert_eq!(trunk.lines_free(), 1);
        trunk.release("+15550101");
        assert_eq!(trunk.lines_free(), 2);
    }

    #[test]
    fn a_reservation_takes_a_slot_of_the_rate() {
        let mut trunk = Trunk::new(TrunkOptions { max_calls: 100, ..options("a") });
        let now = Duration::ZERO;
        let granted = (0..20).filter(|_| trunk.reserve(now).is_ok()).count();
        assert_eq!(granted, 5);
        assert_eq!(trunk.reserve(now), Err(BusyReason::CallsPerSecond));
        trunk.release("+15550100");
        assert_eq!(trunk.calls_per_second_free(now), 1);
    }

    #[test]
    fn a_registering_trunk_is_not_used() {
        let mut trunk = Trunk::new(TrunkOptions { register: true, ..options("a") });
        assert_eq!(trunk.reserve(Duration::ZERO), Err(BusyReason::NoTrunk));
        assert_eq!(trunk.registration(TrunkState::Up), Some(TrunkState::Up));
        assert_eq!(trunk.registration(TrunkState::Up), None);
        assert!(trunk.reserve(Duration::ZERO).is_ok());
        assert_eq!(trunk.registration(TrunkState::RegisterFailed), Some(TrunkState::RegisterFailed));
        assert_eq!(trunk.reserve(Duration::ZERO), Err(BusyReason::NoTrunk));
    }

    #[test]
    fn five_silent_invites_make_it_unusable() {
        let mut trunk = Trunk::new(options("a"));
        let now = Duration::from_secs(32);
        assert_eq!((0..4).filter_map(|_| trunk.unanswered(now)).count(), 0);
        assert_eq!(trunk.unanswered(now), Some(TrunkState::Silent));
        assert_eq!(trunk.reserve(now), Err(BusyReason::NoTrunk));
        assert_eq!(trunk.retry(now), None);
        assert_eq!(trunk.retry(trunk.retry_at().unwrap()), Some(TrunkState::Up));
    }
}
