//! Something happens: invariant 27.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use carillon_core::id::{AttemptId, CampaignId};
use carillon_core::store::memory::Memory;
use carillon_core::store::write::Write;
use carillon_core::task::TaskState;
use carillon_core::time::Utc;

use super::calls::Calls;
use super::floor::Sure;
use super::{Checker, Told};
use crate::world::plan::{FAULTS_END, OPEN_MINUTES, PLACING, Plan, WRAP_UP, ZONES};
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
/// From the end of an attempt to the closure of its task: the wrap-up, stalled commits.
const UNSETTLED_MAX: Duration = WRAP_UP.saturating_add(Duration::from_secs(10));
/// After the last fault: phones come back and register, what was lost is sent again or given up.
const RECOVERY_MAX: Duration = Duration::from_secs(60);

/// Invariant 27: whoever may be called is called while an agent is free, and no call stays where it is for ever.
pub struct Liveness {
    /// From then on nothing excuses an idle agent.
    owed_from: Duration,
    /// Attempts that ended, and when their task is to be closed or scheduled.
    unsettled: VecDeque<(Duration, AttemptId)>,
    /// Of each trunk.
    lines: Vec<usize>,
    begin: Utc,
    campaigns: Vec<CampaignId>,
    zones: BTreeMap<String, i64>,
    /// Owners by number.
    owners: BTreeMap<String, String>,
    allowed: bool,
    looked: Duration,
    idle_since: Option<Duration>,
}

impl Liveness {
    pub fn new(plan: &Plan) -> Self {
        Self {
            owed_from: if plan.calm { Duration::ZERO } else { FAULTS_END + RECOVERY_MAX },
            unsettled: VecDeque::new(),
            lines: plan.caps().into_iter().map(|(lines, _)| lines).collect(),
            begin: plan.begin,
            campaigns: (1..=plan.specs().len() as u64).map(CampaignId).collect(),
            zones: ZONES.iter().map(|(name, offset)| ((*name).to_owned(), *offset)).collect(),
            owners: plan
                .contacts
                .iter()
                .filter_map(|contact| Some((contact.number.clone(), contact.owner.clone()?)))
                .collect(),
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

    /// Tasks whose attempt ended, and of which nobody has said what comes next.
    fn settled(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        let Some(since) = calls.since else { return Ok(()) };
        while let Some((_, id)) = self.unsettled.pop_front_if(|(until, _)| *until <= seen.at) {
            let Some(attempt) = calls.attempts.get(&id) else { continue };
            let task = attempt.intent.task;
            let again = calls.attempts.range(id..).skip(1).any(|(_, later)| later.intent.task == task);
            let row = seen.disk.tasks().find(|row| row.task == task);
            let rests = row.is_none_or(|row| row.state != TaskState::Open || row.next_at.is_some());
            if rests || again {
                continue;
            }
            // A new process has its own time to settle what it found.
            if seen.at < since + UNSETTLED_MAX {
                self.unsettled.push_back((since + UNSETTLED_MAX, id));
                return Ok(());
            }
            // They called us meanwhile: what comes next is for their agent to say.
            if calls.has_called(&attempt.intent.number, seen.at, UNSETTLED_MAX) {
                self.unsettled.push_back((seen.at + UNSETTLED_MAX, id));
                continue;
            }
            return Err(format!("task {task} is neither closed nor scheduled since attempt {id} ended"));
        }
        Ok(())
    }

    /// Free agents beyond the calls that may want one.
    fn spare_agents(&self, seen: &Seen<'_>, calls: &Calls) -> i64 {
        let free = calls.floor.free(calls, seen.at, Sure::Surely);
        let own = calls.trunk.values().filter(|call| call.life == calls.life);
        let out = own.filter(|call| calls.may_want_an_agent(call, seen.at));
        let opening =
            calls.attempts.values().filter(|attempt| attempt.ended.is_none() && attempt.placed.is_none());
        // Whoever calls is served first; while nobody has heard of their agent, they may still get one.
        let callers = calls.callers_up().filter(|call| call.agent.is_none() && call.message_at.is_none());
        free as i64 - out.count() as i64 - opening.count() as i64 - callers.count() as i64
    }

    /// Whether a trunk has a line left.
    fn a_line_is_free(&self, seen: &Seen<'_>, calls: &Calls) -> bool {
        self.lines.iter().enumerate().any(|(trunk, lines)| calls.up_on(trunk, seen.at) < *lines)
    }

    /// Free agents for whom no line of their own is out: nobody but they can call their contacts.
    fn owners_at_hand(&self, seen: &Seen<'_>, calls: &Calls) -> Vec<String> {
        if self.owners.is_empty() {
            return Vec::new();
        }
        let open = calls.attempts.values().filter(|attempt| attempt.ended.is_none());
        let served: BTreeSet<&String> =
            open.filter_map(|attempt| self.owners.get(&attempt.intent.number)).collect();
        let mut free = calls.floor.free_users(calls, seen.at, Sure::Surely);
        free.retain(|user| !served.contains(user));
        free
    }

    fn somebody_is_due(&self, seen: &Seen<'_>, calls: &Calls) -> bool {
        let now = self.begin.after(seen.at);
        let owners = self.owners_at_hand(seen, calls);
        let due = self.campaigns.iter().flat_map(|it| seen.disk.fetch(*it, 1_000, &owners, now).due);
        // Nobody is called who calls.
        let calls_us = |number: &str| calls.callers_up().any(|call| call.called == number);
        due.filter(|due| !calls_us(&due.number)).collect::<Vec<_>>().iter().any(|due| {
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
        if let What::Durable { writes } = seen.what {
            let ended = writes.iter().filter_map(|write| match write {
                Write::Ended(ended) => Some((seen.at + UNSETTLED_MAX, ended.attempt)),
                _ => None,
            });
            self.unsettled.extend(ended);
        }
        if seen.at < self.looked + LOOK_EVERY {
            return Ok(());
        }
        self.looked = seen.at;
        self.stuck(seen, calls)?;
        self.settled(seen, calls)?;
        let owed = seen.at >= self.owed_from
            && self.allowed
            && seen.at < PLACING
            && self.a_line_is_free(seen, calls)
            && self.spare_agents(seen, calls) > 0
            && self.somebody_is_due(seen, calls);
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

    fn end(&mut self, at: Duration, _calls: &Calls, disk: &Memory, over: bool) -> Told {
        if !over {
            return Err(format!("the campaign has not finished by {at:?}"));
        }
        match disk.tasks().find(|task| task.state == TaskState::Open && task.next_at.is_none()) {
            Some(task) => Err(format!("task {} is neither closed nor scheduled after the end", task.task)),
            None => Ok(()),
        }
    }
}
