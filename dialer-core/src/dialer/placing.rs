//! Placing calls: the supply is filled, the pacer asked, compliance asked, a line held, the permit minted.

use std::iter::{repeat, repeat_n};
use std::time::Duration;

use carillon_pacing::event::{CallKey, Ending};
use carillon_pacing::{AgentKey, Capacity, EventKind, Outlook, Segment, Upcoming};

use super::outbox::Purpose;
use super::{Dialer, Timer};
use crate::attempt::event::{Event, Phase};
use crate::attempt::machine::Attempt;
use crate::campaign::machine::{Asked, Campaign};
use crate::campaign::shift::Ahead;
use crate::campaign::standing::{Cause, Standing};
use crate::compliance::Verdict;
use crate::id::{AttemptId, CampaignId};
use crate::output::Output;
use crate::store::read::{Due, Fetched};
use crate::store::write::{CallRoute, Write};
use crate::task::TaskState;
use crate::time::{Now, Utc};

/// The store is asked for due tasks at least this often while a campaign wants some.
const FETCH_INTERVAL_MAX: Duration = Duration::from_secs(2);
/// Pause after an answer that brought nothing new although more was due.
const FETCH_PAUSE: Duration = Duration::from_millis(500);
/// Shortest time between an answer that brought everything due and the next question.
const FETCH_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Of how many answers that brought nothing new, one after the other, the next one is twice as long.
const FETCH_DOUBLED_MAX: u32 = 10;
/// Most tasks in hand that the pacer is told of: more than it places at once but in the largest teams.
const UPCOMING_MAX: usize = 64;

impl Dialer {
    /// Asks the store for due tasks when the supply runs low.
    pub(super) fn seek_supply(&mut self, id: CampaignId, now: Now) {
        let settled = self.is_settled(id);
        let Some(campaign) = self.campaigns.get(&id).filter(|campaign| campaign.is_running()) else {
            return;
        };
        let most = self.supply_of(campaign);
        let in_hand = campaign.supply.len();
        let low = in_hand.saturating_mul(2) <= most;
        if campaign.fetching.asked.is_some() || (!low && campaign.fetching.owned.is_empty()) {
            return;
        }
        if now.monotonic < campaign.fetching.idle_until {
            self.timers.at_latest(Timer::Fetch(id), campaign.fetching.idle_until);
            return;
        }
        // Tasks in hand or on their way to a claim are still due in the store: they come again and are passed over.
        let shown = self.offers.agents_of(id).count();
        let opening = |id: &&AttemptId| {
            self.attempts.get(id).is_some_and(|attempt| matches!(attempt.phase(), Phase::Opening))
        };
        let known =
            in_hand.saturating_add(campaign.attempts.iter().filter(opening).count()).saturating_add(shown);
        let wanted = most.saturating_sub(in_hand).saturating_add(known);
        let wanted =
            wanted.saturating_mul(1_usize.wrapping_shl(campaign.fetching.in_vain.min(FETCH_DOUBLED_MAX)));
        let limit = if low { u32::try_from(wanted).unwrap_or(u32::MAX) } else { 0 };
        let owners = self.owners_running_low(id);
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.fetching.asked = Some(Asked { limit: limit as usize, owners: owners.len(), settled });
        campaign.fetching.noted = None;
        self.outbox.push(Output::Fetch { campaign: id, limit, owners, now: now.utc });
    }

    /// Most tasks in hand: where many calls are out, as many again, so that the store is not asked for a few at a time.
    fn supply_of(&self, campaign: &Campaign) -> usize {
        campaign.attempts.len().max(self.options.supply_max as usize)
    }

    /// Takes in due tasks.
    pub(super) fn fetched(&mut self, id: CampaignId, fetched: Fetched, now: Now) {
        let Fetched { due, owned, next_due, open, total } = fetched;
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let Some(asked) = campaign.fetching.asked.take() else { return };
        if std::mem::take(&mut campaign.fetching.stale) {
            return self.seek_supply(id, now);
        }
        // An answer that the store could not give counts nothing.
        if open != u64::MAX {
            campaign.fetching.open = open;
            campaign.fetching.total = total.max(open);
            campaign.fetching.owned = owned;
        }
        if !campaign.is_running() {
            return;
        }
        let pooled = due.iter().filter(|due| due.owner.is_none()).count();
        let (full, empty) = (asked.limit > 0 && pooled >= asked.limit, due.is_empty());
        let accepted = self.take_in(id, due, now);
        let noted = self.campaigns.get(&id).and_then(|campaign| campaign.fetching.noted);
        let next_due = [next_due, noted].into_iter().flatten().min();
        if asked.settled && empty && self.is_settled(id) && self.nothing_left(id, open, next_due, now) {
            self.stop_campaign(id, Cause::NothingLeft, now);
            return;
        }
        // Asked while something was in motion that has come to rest meanwhile: asked again, to know whether it is over.
        let again = empty && !asked.settled && self.is_settled(id);
        // Owners that nobody knew of when it was asked.
        let again = again || (asked.owners == 0 && !self.owners_running_low(id).is_empty());
        let in_vain = full && accepted == 0;
        let wait = match (full, accepted) {
            (_, _) if again => Duration::ZERO,
            (true, 0) => FETCH_PAUSE,
            (true, _) => Duration::ZERO,
            (false, _) => {
                let due_in = next_due.map_or(FETCH_INTERVAL_MAX, |next_due| next_due.since(now.utc));
                due_in.clamp(FETCH_INTERVAL_MIN, FETCH_INTERVAL_MAX)
            }
        };
        if let Some(campaign) = self.campaigns.get_mut(&id) {
            campaign.fetching.idle_until = now.monotonic.saturating_add(wait);
            campaign.fetching.in_vain = if in_vain { campaign.fetching.in_vain.saturating_add(1) } else { 0 };
        }
        self.share_if_need_changed(id, now);
        self.seek_supply(id, now);
        self.ask_soon(id, now);
    }

    /// Adds tasks to the supply that may be called; writes off or postpones the others. How many were new.
    fn take_in(&mut self, id: CampaignId, due: Vec<Due>, now: Now) -> usize {
        let Some(most) = self.campaigns.get(&id).map(|campaign| self.supply_of(campaign)) else { return 0 };
        let Some(campaign) = self.campaigns.get_mut(&id) else { return 0 };
        let (mut accepted, mut refused) = (0, Vec::new());
        for due in due {
            // Attempts know their task by its contact: a contact has at most one.
            if self.dispositions.holds(due.task)
                || self.offers.holds(due.task)
                || self.contacts.contains_key(&due.contact)
                || self.callers.holds(due.contact, &due.number)
            {
                continue;
            }
            match self.compliance.check(&campaign.rules, &due, now.utc) {
                Verdict::Allowed(_) => accepted += usize::from(campaign.supply.add(due, most)),
                verdict @ (Verdict::NotBefore(_) | Verdict::Never(_)) => refused.push((due, verdict)),
            }
        }
        accepted += refused.len();
        self.write_off(id, refused, now);
        accepted
    }

    /// Records that tasks may not be called, now or ever.
    pub(super) fn write_off(&mut self, id: CampaignId, refused: Vec<(Due, Verdict)>, now: Now) {
        let mut writes = Vec::with_capacity(refused.len());
        for (due, verdict) in refused {
            match verdict {
                Verdict::Allowed(_) => {}
                Verdict::Never(reason) => {
                    writes.push(self.close_task(due.task, reason));
                    if let Some(campaign) = self.campaigns.get_mut(&id) {
                        campaign.fetching.open = campaign.fetching.open.saturating_sub(1);
                    }
                }
                Verdict::NotBefore(at) => {
                    self.note_due(id, at, now);
                    writes.push(Write::Task {
                        task: due.task,
                        state: TaskState::Open,
                        next_at: Some(at),
                        disposition: None,
                    });
                }
            }
        }
        self.outbox.record(Purpose::Rule, Some(id), writes);
    }

    /// Remembers when a task falls due again.
    pub(super) fn note_due(&mut self, id: CampaignId, at: Utc, now: Now) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let fetching = &mut campaign.fetching;
        fetching.noted = Some(fetching.noted.map_or(at, |noted| noted.min(at)));
        let due = now.monotonic.saturating_add(at.since(now.utc).max(FETCH_INTERVAL_MIN));
        if fetching.idle_until > due {
            fetching.idle_until = due;
            if campaign.is_running() {
                self.timers.at_latest(Timer::Fetch(id), due);
            }
        }
    }

    /// Asks the pacer and does what it says.
    pub(super) fn decide(&mut self, id: CampaignId, now: Now) {
        self.share_if_need_changed(id, now);
        let healthy = self.outbox.is_healthy();
        if self.campaigns.get(&id).is_some_and(Campaign::is_running) && healthy {
            self.call_for_owners(id, now);
        }
        let calls_left = self.calls_left();
        let (upcoming, outlook) = self.look_ahead(id, now);
        let Some(campaign) = self.campaigns.get_mut(&id).filter(|campaign| campaign.is_running()) else {
            return;
        };
        campaign.keep_period(now);
        let capacity = Capacity {
            now: now.monotonic,
            lines_free: self.room_left.lines_free(&campaign.spec.trunks).min(calls_left),
            calls_per_second_free: self.room_left.calls_per_second_free(&campaign.spec.trunks),
            supply: u32::try_from(campaign.supply.len()).unwrap_or(u32::MAX),
            limits: campaign.limits(),
            upcoming,
            outlook,
        };
        let decision = campaign.pacing.decide(&capacity, now.utc);
        self.timers.set(Timer::Decide(id), Some(decision.until));
        let journal = campaign.pacing.journal.is_full() && healthy;
        let journal = journal.then(|| campaign.journal_row()).flatten();
        if !healthy {
            campaign.standing = Cause::StoreUnavailable.into();
            return;
        }
        campaign.standing = Standing::decided(decision.reason, outlook);
        self.note(None, journal.into_iter().collect());
        let ahead = self.plan_ahead(id, decision.place, now);
        self.tell_who_is_awaited(id);
        if self.previews(id) {
            self.offer_contacts(id, decision.place, now);
            self.tell_who_decides(id);
            return self.seek_supply(id, now);
        }
        let mut placed = 0;
        while placed < decision.place
            && let Some(due) = self.next_callable(id, None, now)
        {
            self.launch(id, due, None, now);
            placed += 1;
        }
        for owner in ahead {
            self.call_for(id, owner, now);
        }
        self.seek_supply(id, now);
    }

    /// Calls that may still be placed for a campaign now.
    pub(super) fn room(&self, id: CampaignId) -> u32 {
        let on_trunks = self.campaigns.get(&id).map_or(0, |it| self.room_left.calls(&it.spec.trunks));
        on_trunks.min(self.calls_left())
    }

    /// Attempts that may still be opened.
    pub(super) fn calls_left(&self) -> u32 {
        let left = (self.options.calls_max as usize).saturating_sub(self.attempts.len());
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// What a pacer that looks ahead is told: the segments of the next tasks, and the work to come.
    fn look_ahead(&mut self, id: CampaignId, now: Now) -> (Upcoming, Option<Outlook>) {
        let mut upcoming = Upcoming::default();
        let Some(campaign) = self.campaigns.get_mut(&id).filter(|campaign| campaign.pacing.looks_ahead())
        else {
            return (upcoming, None);
        };
        let compliance = &mut self.compliance;
        // Where they run out no call can be placed now, and whichever comes free first takes it: the last one stands for it.
        let numbers = &mut campaign.pacing.trunks;
        let filled = self.room_left.fill(&campaign.spec.trunks).into_iter();
        let filled: Vec<_> =
            filled.map(|(name, calls)| (numbers.number(name, &self.room), calls as usize)).collect();
        let last = filled.last().map_or(0, |(number, _)| *number);
        // Where priorities, weights or prices count, each task has a trunk of its own.
        let filled = if self.sharing.is_plain() {
            filled
        } else {
            let tasks = campaign.supply.iter().take(UPCOMING_MAX).map(|due| due.number.as_str());
            let foretold = self.sharing.foretell(&self.room_left, &campaign.spec.trunks, tasks);
            foretold.iter().map(|name| (numbers.number(name, &self.room), 1)).collect()
        };
        let trunks = filled.into_iter().flat_map(|(number, calls)| repeat_n(number, calls.min(UPCOMING_MAX)));
        let trunks = trunks.chain(repeat(last));
        for (due, trunk) in campaign.supply.iter().take(UPCOMING_MAX).zip(trunks) {
            let hour = compliance.hour(&campaign.rules, due.timezone.as_deref(), now.utc);
            if !upcoming.add(segment(due, hour, trunk)) {
                break;
            }
        }
        let latest = now.utc.after(campaign.pacing.shift.reach());
        let rules = &campaign.rules;
        let closes = campaign.pacing.shift.closes(now.utc, || compliance.closes(rules, now.utc, latest));
        let closes =
            [closes, campaign.period_ends().filter(|_| closes.is_some())].into_iter().flatten().min();
        let closes_in = closes.map(|closes| closes.since(now.utc));
        let limit = campaign.time_left(now);
        let ahead = Ahead {
            closes_in: closes_in.map(|closes_in| limit.map_or(closes_in, |limit| limit.min(closes_in))),
            tasks: campaign.fetching.open,
            placed: campaign.figures.placed,
            answered: campaign.figures.answered,
        };
        let floor = &self.floor;
        (upcoming, campaign.pacing.shift.outlook(ahead, &|agent| floor.user(agent), now))
    }

    /// Opens an attempt, for its owner alone where it has one: a line is asked for, and the pacer knows of it.
    pub(super) fn launch(&mut self, id: CampaignId, due: Due, owner: Option<AgentKey>, now: Now) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let Some(next) = self.last_attempt.checked_add(1) else { return };
        self.last_attempt = next;
        let attempt = AttemptId(next);
        let hour = self.compliance.hour(&campaign.rules, due.timezone.as_deref(), now.utc);
        let trunk = self.sharing.take(&mut self.room_left, &campaign.spec.trunks, &due.number);
        let number = trunk.as_deref().map_or(0, |name| campaign.pacing.trunks.number(name, &self.room));
        let segment = segment(&due, hour, number);
        let earlier = self.contacts.insert(due.contact, attempt);
        debug_assert_eq!(earlier, None, "one open attempt per contact");
        let earlier = self.numbers.insert(due.number.clone(), attempt);
        debug_assert_eq!(earlier, None, "one open attempt per number");
        campaign.attempts.insert(attempt);
        self.outbox.push(Output::Reserve {
            attempt,
            number: due.number.clone(),
            first: trunk,
            trunks: self.sharing.order(&campaign.spec.trunks, &due.number),
        });
        let machine =
            Attempt::new(attempt, id, due, campaign.terms, now).owned_by(owner).reckoned_as(segment);
        self.timers.set(Timer::Attempt(attempt), machine.deadline());
        self.attempts.insert(attempt, machine);
        self.pace(id, placed(attempt, segment, owner), now);
    }

    /// A line is held on this trunk. Where it is another one than was reckoned with, the pacer is told: what becomes of the
    /// call says nothing about the trunk that it did not take.
    pub(super) fn trunk_taken(&mut self, id: AttemptId, trunk: &str, now: Now) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        let Some(campaign) = self.campaigns.get_mut(&attempt.campaign) else { return };
        let number = campaign.pacing.trunks.number(trunk, &self.room);
        if attempt.segment.trunk == number {
            return;
        }
        attempt.segment.trunk = number;
        let (campaign, placed) = (campaign.id, placed(id, attempt.segment, attempt.owner));
        self.pace(campaign, EventKind::CallEnded { call: CallKey(id.0), ending: Ending::Us }, now);
        self.pace(campaign, placed, now);
    }

    /// The intent is durable: the permit is minted for this instant and the call placed, or it ends here.
    pub(super) fn place(&mut self, id: AttemptId, route: CallRoute, now: Now) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        let Some(campaign) = self.campaigns.get(&attempt.campaign) else { return };
        if !campaign.is_running() {
            return self.step(id, Event::PermitRefused("stopped"), now);
        }
        if !self.outbox.is_healthy() {
            return self.step(id, Event::PermitRefused("store_unavailable"), now);
        }
        match self.compliance.mint(&campaign.rules, &attempt.due, id, attempt.campaign, now.utc) {
            Ok(permit) => self.outbox.push(Output::Place { permit, route }),
            Err(Verdict::NotBefore(_) | Verdict::Never(_) | Verdict::Allowed(_)) => {
                self.step(id, Event::PermitRefused("not_allowed"), now);
            }
        }
    }
}

/// What is known beforehand of how a task's call will fare on a trunk of this number.
fn segment(due: &Due, hour: u8, trunk: u16) -> Segment {
    let attempt = u8::try_from(due.attempts.saturating_add(1)).unwrap_or(u8::MAX);
    Segment { trunk, hour, attempt }
}

/// The event of a call, for its owner alone where it has one.
fn placed(attempt: AttemptId, segment: Segment, owner: Option<AgentKey>) -> EventKind {
    let call = CallKey(attempt.0);
    match owner {
        None => EventKind::CallPlaced { call, segment },
        Some(agent) => EventKind::CallPlacedFor { call, segment, agent },
    }
}
