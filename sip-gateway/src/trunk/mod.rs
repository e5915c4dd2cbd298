//! A carrier connection: its lines, its rate, its numbers and whether it works.

pub mod caller_ids;
pub mod choice;
pub mod destination;
pub mod failover;
pub mod health;
pub mod incoming;
pub mod inflow;
pub mod rates;
pub mod registration;
pub mod reputation;
pub mod shaper;
pub mod silence;
pub mod spend;
pub mod talk;
pub mod tally;

use std::time::Duration;

use crate::event::{BusyReason, TrunkState};
use crate::options::TrunkOptions;
use crate::resolve::plan::Server;
use crate::resolve::targets::Targets;
use crate::resolve::{Place, Target};
use crate::transaction::TransactionKey;
use caller_ids::{CallerIds, NumberBook, Rested};
use health::Health;
use inflow::Inflow;
use rates::Rate;
use reputation::Reputation;
use shaper::Shaper;
use silence::Silence;
use spend::Spend;
use talk::Talk;
use tally::TrunkTally;

/// So many calls in a row that its service did not sign, and were not made for that, let a trunk rest.
pub const UNSIGNED_MAX: u32 = 3;

/// How long it rests then.
pub const UNSIGNED_REST: Duration = Duration::from_secs(5);

/// One carrier connection.
#[derive(Debug)]
pub struct Trunk {
    /// Its options.
    pub options: TrunkOptions,
    /// What became of its calls.
    pub tally: TrunkTally,
    /// How long they lasted, and how long they may.
    pub talk: Talk,
    /// What they cost, and what they may.
    pub spend: Spend,
    /// Whether the log says that a cap is reached.
    told_spent: bool,
    /// So many calls in a row were not signed by its service.
    unsigned: u32,
    /// Where it is.
    pub targets: Targets,
    /// The OPTIONS check that is out, and where.
    pub checked: Option<(TransactionKey, Target)>,
    registered: TrunkState,
    silence: Silence,
    health: Health,
    lines_used: u32,
    waiting: u32,
    shaper: Shaper,
    inflow: Inflow,
    caller_ids: CallerIds,
}

impl Trunk {
    /// A trunk with no calls; one that must register is not usable before [`Trunk::registration`] says so.
    pub fn new(options: TrunkOptions) -> Self {
        let registered = if options.register { TrunkState::Registering } else { TrunkState::Up };
        let targets = match &options.place {
            Place::Fixed(target) => Targets::fixed(*target),
            Place::Named(_) => Targets::default(),
        };
        Self {
            registered,
            targets,
            checked: None,
            tally: TrunkTally::default(),
            talk: Talk::default(),
            spend: Spend::default(),
            told_spent: false,
            unsigned: 0,
            silence: Silence::default(),
            health: Health::new(options.hysteresis),
            lines_used: 0,
            waiting: 0,
            shaper: Shaper::new(options.calls_per_second),
            inflow: Inflow::new(options.incoming_per_second),
            caller_ids: CallerIds::new(&options.caller_ids, options.pool),
            options,
        }
    }

    /// Whether calls can be placed on it, and why not.
    pub fn state(&self) -> TrunkState {
        match (self.registered, self.silence) {
            (_, _) if self.targets.is_empty() => TrunkState::Unresolved,
            (TrunkState::Up, Silence::Dead { .. }) => TrunkState::Silent,
            (TrunkState::Up, _) if self.health.paused_until().is_some() => TrunkState::Paused,
            (TrunkState::Up, _) if self.health.is_down() => TrunkState::Unhealthy,
            (state, _) => state,
        }
    }

    /// Lets its checks or what it says of itself be taken in. Returns the state to report when this changed it.
    pub fn heed(&mut self, act: impl FnOnce(&mut Health)) -> Option<TrunkState> {
        let before = self.state();
        act(&mut self.health);
        (self.state() != before).then(|| self.state())
    }

    /// Its service signed a call, or did not, after so long. True where that is its first failure after a success.
    pub fn signed(&mut self, well: bool, after: Duration) -> bool {
        let before = self.unsigned;
        self.unsigned = if well { 0 } else { before.saturating_add(1) };
        *(if well { &mut self.tally.signed } else { &mut self.tally.unsigned }) += 1;
        self.tally.signing = self.tally.signing.saturating_add(after);
        !well && before == 0
    }

    /// Calls that are not signed are not made: after [`UNSIGNED_MAX`] in a row it takes none for [`UNSIGNED_REST`]. Returns the state
    /// to report when this changed it.
    pub fn rest_unsigned(&mut self, now: Duration) -> Option<TrunkState> {
        if self.unsigned < UNSIGNED_MAX {
            return None;
        }
        self.heed(|health| health.pause_until(now.saturating_add(UNSIGNED_REST)))
    }

    /// Its name leads to these servers now. Returns the state to report when this changed it.
    pub fn resolved(&mut self, servers: Vec<Server>) -> Option<TrunkState> {
        let before = self.state();
        self.targets.replace(servers);
        (self.state() != before).then(|| self.state())
    }

    /// Holds a line and a slot of the rate for a call to this number; returns the number to show.
    pub fn reserve(&mut self, called: &str, now: Duration) -> Result<String, BusyReason> {
        if self.state() != TrunkState::Up {
            return Err(BusyReason::NoTrunk);
        }
        if self.talk.is_spent(now) {
            return Err(BusyReason::Minutes);
        }
        if self.spend.is_spent(now) {
            return Err(BusyReason::Spend);
        }
        if self.lines_free() == 0 {
            return Err(BusyReason::TrunkFull);
        }
        if self.shaper.free(self.waiting, now) == 0 {
            return Err(BusyReason::CallsPerSecond);
        }
        let Some(shown) = self.caller_ids.take(called, now) else { return Err(BusyReason::CallerIds) };
        self.lines_used += 1;
        self.waiting += 1;
        Ok(shown)
    }

    /// What a call to this number costs; `None` where no price is known.
    pub fn rate(&self, called: &str) -> Option<Rate> {
        self.options.rates.as_ref()?.of(called)
    }

    /// Whether it may be used by the caps of what its calls last and cost. The log has it once for each time that one is reached.
    pub fn is_within_caps(&mut self, now: Duration) -> bool {
        let (talk, spend) = (self.talk.is_spent(now), self.spend.is_spent(now));
        if (talk || spend) && !std::mem::replace(&mut self.told_spent, true) {
            let cap = if talk { "minutes" } else { "spend" };
            tracing::warn!(trunk = %self.options.name, cap, "a cap of the trunk is reached; it takes no new call");
        }
        !talk && !spend
    }

    /// From now on its calls may last so long in sum.
    pub fn allow_talk(&mut self, left: Duration, now: Duration) {
        self.told_spent = false;
        self.talk.allow(left, now);
    }

    /// From now on its calls may cost so much in sum.
    pub fn allow_spend(&mut self, left: u64) {
        self.told_spent = false;
        self.spend.allow(left);
    }

    /// Holds a slot for another INVITE of a call that has a line: at another of the trunk's servers.
    pub fn reserve_again(&mut self) {
        self.waiting += 1;
    }

    /// Gives back line, slot and number of a call whose INVITE was never sent.
    pub fn release(&mut self, caller_id: &str) {
        self.waiting = self.waiting.saturating_sub(1);
        self.lines_used = self.lines_used.saturating_sub(1);
        self.caller_ids.unused(caller_id);
    }

    /// Whether it may bring one more call from outside now, as far as its rate goes.
    pub fn takes_incoming(&self, now: Duration) -> bool {
        self.inflow.takes(now)
    }

    /// A call from outside takes a line.
    pub fn taken(&mut self, now: Duration) {
        self.inflow.taken(now);
        self.lines_used += 1;
    }

    /// Notes what became of a call that showed a number; tells where that puts the number to rest.
    pub fn number_fared(&mut self, number: &str, what: impl FnOnce(&mut Reputation), now: Duration) {
        let Some(Rested { place, its, others }) = self.caller_ids.note(number, what, now) else { return };
        self.tally.rested += 1;
        tracing::warn!(
            trunk = %self.options.name,
            caller_id = place,
            ?its,
            ?others,
            "a caller ID does far worse than the trunk's others; it rests (caller_id is its place in caller_ids)"
        );
    }

    /// Whether there is something new of its numbers to be remembered.
    pub fn has_news(&self) -> bool {
        self.caller_ids.has_news()
    }

    /// What is new of its numbers since it was asked last.
    pub fn number_news(&mut self, now: Duration) -> Vec<NumberBook> {
        self.caller_ids.news(&self.options.name, now)
    }

    /// Puts back what an earlier process knew of one of its numbers.
    pub fn restore_number(&mut self, book: NumberBook, now: Duration) {
        self.caller_ids.restore(book, now);
    }

    /// How many of its numbers rest because they do worse than the others.
    pub fn numbers_resting(&self, now: Duration) -> usize {
        self.caller_ids.resting(now)
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

    /// When a silent or paused trunk may be tried again.
    pub fn retry_at(&self) -> Option<Duration> {
        [self.silence.retry_at(), self.health.paused_until()].into_iter().flatten().min()
    }

    /// Tries a silent or paused trunk again when it is due. Returns the state to report when this changed it.
    pub fn retry(&mut self, now: Duration) -> Option<TrunkState> {
        let before = self.state();
        self.silence.retry(now);
        self.health.resume(now);
        (self.state() != before).then(|| self.state())
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

    /// When [`Trunk::calls_per_second_free`] grows by time alone.
    pub fn rate_changes_at(&self, now: Duration) -> Option<Duration> {
        let numbers = self.caller_ids.changes_at(now);
        [self.shaper.changes_at(now), numbers].into_iter().flatten().min()
    }

    /// Reservations that the rate could serve soon.
    pub fn calls_per_second_free(&self, now: Duration) -> u32 {
        self.shaper.free(self.waiting, now).min(self.caller_ids.free(now))
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
            place: Place::udp("192.0.2.10:5060".parse().unwrap()),
            username: String::new(),
            password: Secret::default(),
            register: false,
            max_calls: 3,
            calls_per_second: 10.0,
            incoming_per_second: None,
            caller_ids: vec!["+15550100".into(), "+15550101".into()],
            codecs: vec![Codec::Pcmu],
            late_offer: false,
            asserted_identity: false,
            signing: None,
            verification: None,
            priority: 0,
            weight: 0,
            rates: None,
            spend: Default::default(),
            options_interval: None,
            outcomes: Vec::new(),
            failover: failover::Failover::default(),
            tls: Default::default(),
            destinations: destination::Destinations::default(),
            talk_daily_max: None,
            talk_monthly_max: None,
            pool: caller_ids::PoolOptions::default(),
            hysteresis: health::Hysteresis::default(),
        }
    }

    #[test]
    fn a_line_is_counted_from_reservation_to_end() {
        let mut trunk = Trunk::new(options("a"));
        let now = Duration::ZERO;
        for _ in 0..3 {
            trunk.reserve("+15550199", now).unwrap();
        }
        assert_eq!(trunk.reserve("+15550199", now), Err(BusyReason::TrunkFull));
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
        let granted = (0..20).filter(|_| trunk.reserve("+15550199", now).is_ok()).count();
        assert_eq!(granted, 5);
        assert_eq!(trunk.reserve("+15550199", now), Err(BusyReason::CallsPerSecond));
        trunk.release("+15550100");
        assert_eq!(trunk.calls_per_second_free(now), 1);
    }

    #[test]
    fn a_registering_trunk_is_not_used() {
        let mut trunk = Trunk::new(TrunkOptions { register: true, ..options("a") });
        assert_eq!(trunk.reserve("+15550199", Duration::ZERO), Err(BusyReason::NoTrunk));
        assert_eq!(trunk.registration(TrunkState::Up), Some(TrunkState::Up));
        assert_eq!(trunk.registration(TrunkState::Up), None);
        assert!(trunk.reserve("+15550199", Duration::ZERO).is_ok());
        assert_eq!(trunk.registration(TrunkState::RegisterFailed), Some(TrunkState::RegisterFailed));
        assert_eq!(trunk.reserve("+15550199", Duration::ZERO), Err(BusyReason::NoTrunk));
    }

    #[test]
    fn five_silent_invites_make_it_unusable() {
        let mut trunk = Trunk::new(options("a"));
        let now = Duration::from_secs(32);
        assert_eq!((0..4).filter_map(|_| trunk.unanswered(now)).count(), 0);
        assert_eq!(trunk.unanswered(now), Some(TrunkState::Silent));
        assert_eq!(trunk.reserve("+15550199", now), Err(BusyReason::NoTrunk));
        assert_eq!(trunk.retry(now), None);
        assert_eq!(trunk.retry(trunk.retry_at().unwrap()), Some(TrunkState::Up));
    }
}
