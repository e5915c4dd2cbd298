//! One agent, as a machine: what they wish, what their phone allows, what they are doing.

use std::time::Duration;

use super::AgentState;
use crate::id::{AttemptId, CampaignId};
use crate::time::{Now, Utc};

/// What the agent wants to do when no call is in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Calls,
    Break { reason: String },
}

/// Whether the agent's phone can take calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phone {
    Gone,
    Up,
    /// A colleague has it.
    Engaged,
    /// It could not be joined with a call; trusted again at this time.
    Doubtful {
        until: Duration,
    },
}

/// What the agent is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Activity {
    Offline,
    Unreachable,
    Engaged,
    Break,
    Ready {
        since: Duration,
    },
    Reserved {
        attempt: AttemptId,
        ready_since: Duration,
    },
    Talking {
        attempt: AttemptId,
    },
    /// Without an attempt: it was handed over, and its word is the colleague's.
    WrapUp {
        attempt: Option<AttemptId>,
        campaign: CampaignId,
        until: Option<Duration>,
    },
}

/// How long a phone that could not be joined is left alone.
pub(crate) const DOUBT: Duration = Duration::from_secs(5);

/// Time spent since the last record of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeSheet {
    pub ready: Duration,
    pub talking: Duration,
    pub wrap_up: Duration,
    pub away: Duration,
}

/// One agent.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub user: String,
    pub calls: u64,
    wish: Wish,
    phone: Phone,
    activity: Activity,
    since: Utc,
    sheet: TimeSheet,
    sheet_from: Duration,
}

/// What the floor must know after each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub state: AgentState,
    /// Since when the agent waits, where `state` is ready.
    pub ready_since: Option<Duration>,
    /// When the agent must be looked at again.
    pub due: Option<Duration>,
}

impl Agent {
    /// An agent that has not signed on.
    pub fn new(user: &str, now: Now) -> Self {
        Self {
            user: user.to_owned(),
            calls: 0,
            wish: Wish::Calls,
            phone: Phone::Gone,
            activity: Activity::Offline,
            since: now.utc,
            sheet: TimeSheet::default(),
            sheet_from: now.monotonic,
        }
    }

    pub fn state(&self) -> AgentState {
        match &self.activity {
            Activity::Offline => AgentState::Offline,
            Activity::Unreachable => AgentState::Unreachable,
            Activity::Engaged => AgentState::Engaged,
            Activity::Break => AgentState::Break,
            Activity::Ready { .. } => AgentState::Ready,
            Activity::Reserved { .. } => AgentState::Reserved,
            Activity::Talking { .. } => AgentState::Talking,
            Activity::WrapUp { .. } => AgentState::WrapUp,
        }
    }

    pub fn standing(&self) -> Standing {
        let ready_since = match &self.activity {
            Activity::Ready { since } => Some(*since),
            Activity::Offline
            | Activity::Unreachable
            | Activity::Engaged
            | Activity::Break
            | Activity::Reserved { .. }
            | Activity::Talking { .. }
            | Activity::WrapUp { .. } => None,
        };
        let due = match (&self.activity, self.phone) {
            (Activity::WrapUp { until, .. }, _) => *until,
            (Activity::Unreachable, Phone::Doubtful { until }) => Some(until),
            (
                Activity::Offline
                | Activity::Unreachable
                | Activity::Engaged
                | Activity::Break
                | Activity::Ready { .. }
                | Activity::Reserved { .. }
                | Activity::Talking { .. },
                Phone::Gone | Phone::Up | Phone::Engaged | Phone::Doubtful { .. },
            ) => None,
        };
        Standing { state: self.state(), ready_since, due }
    }

    /// Since when the state is what it is.
    pub fn since(&self) -> Utc {
        self.since
    }

    /// The call in hand, or just had and in wrap-up.
    pub fn attempt(&self) -> Option<AttemptId> {
        match &self.activity {
            Activity::Reserved { attempt, .. } | Activity::Talking { attempt } => Some(*attempt),
            Activity::WrapUp { attempt, .. } => *attempt,
            Activity::Offline
            | Activity::Unreachable
            | Activity::Engaged
            | Activity::Break
            | Activity::Ready { .. } => None,
        }
    }

    /// The campaign whose call is in wrap-up.
    pub fn wrapping_up(&self) -> Option<CampaignId> {
        match &self.activity {
            Activity::WrapUp { campaign, .. } => Some(*campaign),
            Activity::Offline
            | Activity::Unreachable
            | Activity::Engaged
            | Activity::Break
            | Activity::Ready { .. }
            | Activity::Reserved { .. }
            | Activity::Talking { .. } => None,
        }
    }

    /// Why the agent is on break, or goes on break after the call.
    pub fn break_reason(&self) -> &str {
        match &self.wish {
            Wish::Calls => "",
            Wish::Break { reason } => reason,
        }
    }

    pub fn is_signed_on(&self) -> bool {
        self.activity != Activity::Offline
    }

    pub fn sign_on(&mut self, now: Now) {
        if self.activity == Activity::Offline {
            self.wish = Wish::Calls;
            self.phone = Phone::Gone;
            self.change(Activity::Unreachable, now);
        }
    }

    /// The caller sees to it that no call is in hand.
    pub fn sign_off(&mut self, now: Now) {
        self.change(Activity::Offline, now);
    }

    pub fn reachable(&mut self, now: Now) {
        self.phone = Phone::Up;
        self.settle(now);
    }

    pub fn unreachable(&mut self, now: Now) {
        self.phone = Phone::Gone;
        self.settle(now);
    }

    /// A colleague has the phone until [`Agent::reachable`] or [`Agent::unreachable`].
    pub fn engaged(&mut self, now: Now) {
        self.phone = Phone::Engaged;
        self.settle(now);
    }

    pub fn take_break(&mut self, reason: &str, now: Now) {
        self.wish = Wish::Break { reason: reason.to_owned() };
        self.settle(now);
    }

    /// Back from a break; wrap-up is ended by [`Agent::wrapped_up`].
    pub fn wish_calls(&mut self, now: Now) {
        self.wish = Wish::Calls;
        self.settle(now);
    }

    /// Chosen for a call. False, and nothing happens, unless ready.
    pub fn reserve(&mut self, attempt: AttemptId, now: Now) -> bool {
        let Activity::Ready { since } = self.activity else { return false };
        self.change(Activity::Reserved { attempt, ready_since: since }, now);
        true
    }

    /// The call went without the agent: waits on from where they were.
    pub fn give_back(&mut self, attempt: AttemptId, now: Now) {
        if let Activity::Reserved { attempt: reserved, ready_since } = self.activity
            && reserved == attempt
        {
            self.rest(Some(ready_since), now);
        }
    }

    /// The phone could not be joined.
    pub fn connect_failed(&mut self, attempt: AttemptId, now: Now) {
        if let Activity::Reserved { attempt: reserved, .. } = self.activity
            && reserved == attempt
        {
            if self.phone == Phone::Up {
                self.phone = Phone::Doubtful { until: now.monotonic.saturating_add(DOUBT) };
            }
            self.rest(None, now);
        }
    }

    pub fn talk(&mut self, attempt: AttemptId, now: Now) {
        if let Activity::Reserved { attempt: reserved, .. } = self.activity
            && reserved == attempt
        {
            self.calls = self.calls.saturating_add(1);
            self.change(Activity::Talking { attempt }, now);
        }
    }

    /// The call is over: wrap-up, until `until` or until a disposition.
    pub fn wrap_up(&mut self, attempt: AttemptId, campaign: CampaignId, until: Option<Duration>, now: Now) {
        if self.activity == (Activity::Talking { attempt }) {
            self.change(Activity::WrapUp { attempt: Some(attempt), campaign, until }, now);
        }
    }

    /// A colleague has the call: wrap-up, until `until` or until the agent is ready again.
    pub fn hand_over(&mut self, attempt: AttemptId, campaign: CampaignId, until: Option<Duration>, now: Now) {
        if self.activity == (Activity::Talking { attempt }) {
            self.change(Activity::WrapUp { attempt: None, campaign, until }, now);
        }
    }

    /// Has a colleague's call. Whatever the phone was, it is there.
    pub fn take_over(&mut self, attempt: AttemptId, now: Now) {
        match &self.activity {
            Activity::Unreachable | Activity::Engaged | Activity::Break | Activity::Ready { .. } => {
                self.phone = Phone::Up;
                self.calls = self.calls.saturating_add(1);
                self.change(Activity::Talking { attempt }, now);
            }
            Activity::Offline
            | Activity::Reserved { .. }
            | Activity::Talking { .. }
            | Activity::WrapUp { .. } => {}
        }
    }

    /// Wrap-up of this attempt is over; `None`: of one that was handed over.
    pub fn wrapped_up(&mut self, attempt: impl Into<Option<AttemptId>>, now: Now) {
        if let Activity::WrapUp { attempt: in_hand, .. } = self.activity
            && in_hand == attempt.into()
        {
            self.rest(None, now);
        }
    }

    /// Trusts a doubtful phone again when its time has come.
    pub fn end_doubt(&mut self, now: Now) {
        if let Phone::Doubtful { until } = self.phone
            && until <= now.monotonic
        {
            self.phone = Phone::Up;
            self.settle(now);
        }
    }

    /// Takes the time spent since the last call of this.
    pub fn take_sheet(&mut self, now: Now) -> TimeSheet {
        self.count(now);
        std::mem::take(&mut self.sheet)
    }

    /// Applies wish and phone where no call is in hand.
    fn settle(&mut self, now: Now) {
        match &self.activity {
            Activity::Offline
            | Activity::Reserved { .. }
            | Activity::Talking { .. }
            | Activity::WrapUp { .. } => {}
            Activity::Unreachable | Activity::Engaged | Activity::Break => self.rest(None, now),
            Activity::Ready { since } => {
                let since = *since;
                self.rest(Some(since), now);
            }
        }
    }

    /// The state without a call.
    fn rest(&mut self, ready_since: Option<Duration>, now: Now) {
        let activity = match (&self.wish, self.phone) {
            (Wish::Break { .. }, Phone::Gone | Phone::Up | Phone::Engaged | Phone::Doubtful { .. }) => {
                Activity::Break
            }
            (Wish::Calls, Phone::Engaged) => Activity::Engaged,
            (Wish::Calls, Phone::Up) => Activity::Ready { since: ready_since.unwrap_or(now.monotonic) },
            (Wish::Calls, Phone::Gone | Phone::Doubtful { .. }) => Activity::Unreachable,
        };
        self.change(activity, now);
    }

    /// The one place where the state changes.
    fn change(&mut self, to: Activity, now: Now) {
        if self.activity == to {
            return;
        }
        tracing::debug!(agent = %self.user, from = ?self.activity, ?to, "agent");
        self.count(now);
        let before = self.state();
        self.activity = to;
        if before != self.state() {
            self.since = now.utc;
        }
    }

    /// Adds the time since the last count to the state it was spent in.
    fn count(&mut self, now: Now) {
        let spent = now.monotonic.saturating_sub(self.sheet_from);
        self.sheet_from = self.sheet_from.max(now.monotonic);
        let column = match self.state() {
            AgentState::Offline => return,
            AgentState::Ready | AgentState::Reserved => &mut self.sheet.ready,
            AgentState::Talking => &mut self.sheet.talking,
            AgentState::WrapUp => &mut self.sheet.wrap_up,
            AgentState::Unreachable | AgentState::Engaged | AgentState::Break => &mut self.sheet.away,
        };
        *column = column.saturating_add(spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPT: AttemptId = AttemptId(1);
    const CAMPAIGN: CampaignId = CampaignId(1);

    fn at(seconds: u64) -> Now {
        Now { monotonic: Duration::from_secs(seconds), utc: Utc(i64::try_from(seconds).unwrap() * 1000) }
    }

    fn ready() -> Agent {
        let mut agent = Agent::new("agent1", at(0));
        agent.sign_on(at(0));
        agent.reachable(at(1));
        agent
    }

    #[test]
    fn signs_on_and_waits_once_the_phone_is_there() {
        let mut agent = Agent::new("agent1", at(0));
        agent.reachable(at(0));
        assert_eq!(agent.state(), AgentState::Offline, "a phone alone is no agent");
        agent.sign_on(at(0));
        assert_eq!(agent.state(), AgentState::Unreachable);
        agent.reachable(at(2));
        assert_eq!(agent.standing().ready_since, Some(Duration::from_secs(2)));
        agent.reachable(at(5));
        assert_eq!(agent.standing().ready_since, Some(Duration::from_secs(2)), "waits on");
        agent.unreachable(at(6));
        assert_eq!(agent.state(), AgentState::Unreachable);
    }

    #[test]
    fn a_call_and_its_wrap_up() {
        let mut agent = ready();
        assert!(agent.reserve(ATTEMPT, at(2)));
        assert!(!agent.reserve(AttemptId(2), at(2)), "reserved once");
        agent.talk(ATTEMPT, at(3));
        agent.wrap_up(ATTEMPT, CAMPAIGN, Some(Duration::from_secs(18)), at(13));
        assert_eq!(agent.standing().due, Some(Duration::from_secs(18)));
        assert_eq!(agent.wrapping_up(), Some(CAMPAIGN));
        agent.wrapped_up(AttemptId(9), at(15));
        assert_eq!(agent.state(), AgentState::WrapUp, "of another call");
        agent.wrapped_up(ATTEMPT, at(18));
        assert_eq!((agent.state(), agent.calls), (AgentState::Ready, 1));
        let sheet = agent.take_sheet(at(20));
        let seconds = [sheet.away, sheet.ready, sheet.talking, sheet.wrap_up].map(|time| time.as_secs());
        assert_eq!(seconds, [1, 4, 10, 5]);
        assert_eq!(agent.take_sheet(at(20)), TimeSheet::default());
    }

    #[test]
    fn a_colleague_who_has_the_phone_keeps_calls_away_until_it_is_free() {
        let mut agent = ready();
        agent.engaged(at(5));
        assert_eq!((agent.state(), agent.standing().ready_since), (AgentState::Engaged, None));
        assert!(!agent.reserve(ATTEMPT, at(6)));
        agent.wish_calls(at(6));
        assert_eq!(agent.state(), AgentState::Engaged, "whatever is wished");
        agent.take_break("lunch", at(7));
        assert_eq!(agent.state(), AgentState::Break);
        agent.wish_calls(at(8));
        agent.reachable(at(9));
        assert_eq!(agent.standing().ready_since, Some(Duration::from_secs(9)), "waits anew");
        // Asked in the wrap-up: free for calls when both are over.
        agent.reserve(ATTEMPT, at(10));
        agent.talk(ATTEMPT, at(10));
        agent.wrap_up(ATTEMPT, CAMPAIGN, None, at(11));
        agent.engaged(at(12));
        assert_eq!(agent.state(), AgentState::WrapUp);
        agent.wrapped_up(ATTEMPT, at(13));
        assert_eq!(agent.state(), AgentState::Engaged);
        agent.take_over(AttemptId(2), at(14));
        assert_eq!((agent.state(), agent.calls), (AgentState::Talking, 2));
    }

    #[test]
    fn a_break_asked_for_during_a_call_begins_afterwards() {
        let mut agent = ready();
        agent.reserve(ATTEMPT, at(2));
        agent.talk(ATTEMPT, at(2));
        agent.take_break("lunch", at(3));
        assert_eq!(agent.state(), AgentState::Talking);
        agent.wrap_up(ATTEMPT, CAMPAIGN, None, at(4));
        agent.wrapped_up(ATTEMPT, at(5));
        assert_eq!((agent.state(), agent.break_reason()), (AgentState::Break, "lunch"));
        agent.wish_calls(at(6));
        assert_eq!(agent.standing().ready_since, Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_call_that_went_costs_no_place_in_the_queue() {
        let mut agent = ready();
        agent.reserve(ATTEMPT, at(9));
        agent.give_back(ATTEMPT, at(10));
        assert_eq!(agent.standing().ready_since, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_phone_that_could_not_be_joined_is_left_alone_for_a_while() {
        let mut agent = ready();
        agent.reserve(ATTEMPT, at(9));
        agent.connect_failed(ATTEMPT, at(10));
        assert_eq!(agent.state(), AgentState::Unreachable);
        assert_eq!(agent.standing().due, Some(Duration::from_secs(15)));
        agent.end_doubt(at(14));
        assert_eq!(agent.state(), AgentState::Unreachable);
        agent.end_doubt(at(15));
        assert_eq!(agent.state(), AgentState::Ready);
    }

    #[test]
    fn a_phone_lost_in_a_call_shows_afterwards() {
        let mut agent = ready();
        agent.reserve(ATTEMPT, at(2));
        agent.talk(ATTEMPT, at(2));
        agent.unreachable(at(3));
        assert_eq!(agent.state(), AgentState::Talking);
        agent.wrap_up(ATTEMPT, CAMPAIGN, None, at(4));
        agent.wrapped_up(ATTEMPT, at(5));
        assert_eq!(agent.state(), AgentState::Unreachable);
    }
}
