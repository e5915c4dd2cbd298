//! The timers of the dialer, each with a name that says why it exists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_pacing::AgentKey;

use crate::id::{AttemptId, CampaignId};

/// Why the dialer must be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A call's own deadline: ringing, patience, talk, message.
    Attempt(AttemptId),
    /// An agent's wrap-up ends, or a doubtful phone is trusted again.
    Agent(AgentKey),
    /// An agent has not decided on the contact shown.
    Preview(AgentKey),
    /// The pacer is asked.
    Decide(CampaignId),
    /// Due tasks are looked for.
    Fetch(CampaignId),
    /// No more calls are placed from here on.
    TimeLimit(CampaignId),
    /// Talks that outlive the campaign are cut.
    Cut(CampaignId),
    /// Recordings that nobody closes are waited for no longer.
    Settle(CampaignId),
    /// Batches that the store could not write are sent again.
    Retry,
    /// Agents' time and campaigns' elapsed time are recorded.
    Sheet,
    /// What pacers have learnt is recorded.
    Learnt,
}

/// At most one instant per timer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<Timer, Duration>,
    order: BTreeSet<(Duration, Timer)>,
}

impl Timers {
    /// Sets or clears a timer.
    pub fn set(&mut self, timer: Timer, at: Option<Duration>) {
        let before = match at {
            Some(at) => {
                self.order.insert((at, timer));
                self.due.insert(timer, at)
            }
            None => self.due.remove(&timer),
        };
        if let Some(before) = before.filter(|before| Some(*before) != at) {
            self.order.remove(&(before, timer));
        }
    }

    /// Sets a timer unless it is due earlier already.
    pub fn at_latest(&mut self, timer: Timer, at: Duration) {
        if self.due.get(&timer).is_none_or(|due| *due > at) {
            self.set(timer, Some(at));
        }
    }

    /// The earliest instant.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub fn take_due(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.remove(&(at, timer));
        self.due.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_timer_fires_once_in_order_at_its_latest_setting() {
        let seconds = Duration::from_secs;
        let mut timers = Timers::default();
        timers.set(Timer::Retry, Some(seconds(3)));
        timers.set(Timer::Sheet, Some(seconds(2)));
        timers.set(Timer::Retry, Some(seconds(1)));
        timers.at_latest(Timer::Retry, seconds(5));
        timers.set(Timer::Fetch(CampaignId(1)), Some(seconds(1)));
        timers.set(Timer::Fetch(CampaignId(1)), None);
        assert_eq!(timers.next(), Some(seconds(1)));
        assert_eq!(timers.take_due(seconds(0)), None);
        assert_eq!(timers.take_due(seconds(9)), Some(Timer::Retry));
        assert_eq!(timers.take_due(seconds(9)), Some(Timer::Sheet));
        assert_eq!(timers.take_due(seconds(9)), None);
    }
}
