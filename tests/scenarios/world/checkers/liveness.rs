//! Something happens: invariant 27.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_core::id::CampaignId;
use carillon_core::store::memory::Memory;
use carillon_core::time::Utc;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::plan::{OPEN_MINUTES, PLACING, Plan, WRAP_UP, ZONES};
use crate::world::wire::{Seen, What};

/// A free agent and a person who may be called are together no longer than this.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// How often this is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Recorded and not placed: a stalled commit, the trunk's rate.
const OPENING_MAX: Duration = Duration::from_secs(20);
/// Placed and not answered: ring timeout after the first ringing, then CANCEL for 64*T1, and lost datagrams on the way.
const UNANSWERED_MAX: Duration = Duration::from_secs(130);
/// Answered: the longest talk, BYE for 64*T1, stalled commits.
const ANSWERED_MAX: Duration = Duration::from_secs(140);

/// Invariant 27: whoever may be called is called while an agent is free, and no call stays where it is for ever.
pub struct Liveness {
    calm: bool,
    lines: usize,
    begin: Utc,
    campaign: CampaignId,
    zones: BTreeMap<String, i64>,
    allowed: bool,
    looked: Duration,
    idle_since: Option<Duration>,
}

impl Liveness {
    pub fn new(plan: &Plan) -> Self {
        Self {
            calm: plan.calm,
            lines: plan.max_calls as usize,
            begin: plan.begin,
            campaign: CampaignId(1),
            zones: ZONES.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect(),
            allowed: true,
            looked: Duration::ZERO,
            idle_since: None,
        }
    }

    /// Calls that are where they have no business to be.
    fn stuck(&self, seen: &Seen<'_>, calls: &Calls) -> Told {
        let Some(since) = calls.since else { return Ok(()) };
        for attempt in calls.attempts.values().filter(|attempt| attempt.ended.is_none()) {
            let placed = calls.trunk.get(&attempt.intent.route.call_id).map(|call| call.invited_at);
            let (at, limit, where_) = match (placed, attempt.answered) {
                (_, Some(answered)) => (answered, ANSWERED_MAX, "answered"),
                (Some(placed), None) => (placed, UNANSWERED_MAX, "unanswered"),
                (None, None) => (attempt.intended, OPENING_MAX, "not placed"),
            };
            if seen.at > at.max(since) + limit {
                return Err(format!("attempt {} is {where_} since {at:?}", attempt.intent.attempt));
            }
        }
        Ok(())
    }

    /// Free agents beyond the calls that may want one.
    fn spare_agents(&self, seen: &Seen<'_>, calls: &Calls) -> i64 {
        let up = calls.phones.values().filter(|leg| {
            leg.life == calls.life
                && leg.answers.iter().any(|answer| answer.acknowledged)
                && leg.ended().is_none()
        });
        let busy = calls.attempts.values().filter(|attempt| match (&attempt.bridged, attempt.ended) {
            (Some(_), None) => true,
            (Some(_), Some((ended, _))) => seen.at < ended + WRAP_UP + Duration::from_secs(1),
            (None, _) => false,
        });
        let out = calls
            .trunk
            .values()
            .filter(|call| call.life == calls.life && !call.over(seen.at) && call.agent_heard_at.is_none());
        let opening =
            calls.attempts.values().filter(|attempt| attempt.ended.is_none() && attempt.placed.is_none());
        up.count() as i64 - busy.count() as i64 - out.count() as i64 - opening.count() as i64
    }

    /// Whether the trunk has a line left.
    fn a_line_is_free(&self, seen: &Seen<'_>, calls: &Calls) -> bool {
        let used = calls.trunk.values().filter(|call| call.life == calls.life && !call.over(seen.at));
        used.count() < self.lines
    }

    fn somebody_is_due(&self, seen: &Seen<'_>) -> bool {
        let now = self.begin.after(seen.at);
        seen.disk.fetch(self.campaign, 1_000, now).due.iter().any(|due| {
            let offset = due.timezone.as_ref().and_then(|zone| self.zones.get(zone)).copied().unwrap_or(0);
            let minute = (now.0.div_euclid(60_000) + offset).rem_euclid(24 * 60);
            (OPEN_MINUTES.0..OPEN_MINUTES.1).contains(&minute)
        })
    }
}

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if let What::Placing { allowed } = seen.what {
            self.allowed = allowed;
        }
        if seen.at < self.looked + LOOK_EVERY {
            return Ok(());
        }
        self.looked = seen.at;
        self.stuck(seen, calls)?;
        let owed = self.calm
            && self.allowed
            && seen.at < PLACING
            && self.a_line_is_free(seen, calls)
            && self.spare_agents(seen, calls) > 0
            && self.somebody_is_due(seen);
        match (owed, self.idle_since) {
            (false, _) => self.idle_since = None,
            (true, None) => self.idle_since = Some(seen.at),
            (true, Some(since)) if seen.at > since + IDLE_MAX => {
                return Err(format!(
                    "an agent is free and somebody due since {since:?}, and nobody is called"
                ));
            }
            (true, Some(_)) => {}
        }
        Ok(())
    }

    fn end(&mut self, at: Duration, _calls: &Calls, _disk: &Memory, over: bool) -> Told {
        if over { Ok(()) } else { Err(format!("the campaign has not finished by {at:?}")) }
    }
}
