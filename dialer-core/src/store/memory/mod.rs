//! The store kept in memory: the reference for what every write does, and the disk of simulated worlds.
//!
//! A clone is a snapshot of the disk at that instant.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::attempt::outcome::Outcome;
use crate::campaign::CampaignState;
use crate::campaign::spec::CampaignSpec;
use crate::compliance::period::Period;
use crate::contact::ListedContact;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::{InboundOutcome, InboundRow, KnownCaller};
use crate::store::read::{
    AgentTimeRow, AttemptRow, Due, Duplicate, DuplicateKey, Fetched, INTERRUPTED_MAX, Imported, Interrupted,
    OWNED_COUNT_MAX, OWNED_MAX, OpenAttempt, PeriodCounts, Recovered, RecoveredCampaign, RecoveredInbound,
    TaskRow, TrunkTalk, Undisposed,
};
use crate::store::tally::{Shape, Tally};
use crate::store::write::{
    BindingRow, CallDialog, CallRoute, JournalEnd, JournalPart, NumberRow, OrphanRow, Refusal, Write,
};
use crate::task::TaskState;
use crate::time::{CalendarDay, Utc};

/// A store without a disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    campaigns: BTreeMap<CampaignId, Campaign>,
    contacts: BTreeMap<ContactId, Contact>,
    contact_by_id: BTreeMap<(CampaignId, String), ContactId>,
    contact_by_number: BTreeMap<(CampaignId, String), ContactId>,
    tasks: BTreeMap<TaskId, Task>,
    /// Open tasks without an owner by when they fall due, and those with one.
    due: BTreeSet<(CampaignId, Utc, TaskId)>,
    due_owned: BTreeSet<(CampaignId, String, Utc, TaskId)>,
    attempts: BTreeMap<AttemptId, Attempt>,
    open_by_contact: BTreeMap<ContactId, AttemptId>,
    open_by_number: BTreeMap<String, AttemptId>,
    dispositions: BTreeMap<(AttemptId, TaskId), DispositionRow>,
    suppressed: BTreeSet<String>,
    agent_time: BTreeMap<String, AgentTimeRow>,
    agent_legs: BTreeMap<String, OrphanRow>,
    bindings: BTreeMap<(String, String), BindingRow>,
    numbers: BTreeMap<(String, String), NumberRow>,
    preferred: BTreeMap<String, String>,
    learnt: BTreeMap<CampaignId, String>,
    journal: BTreeMap<(CampaignId, u64, u32), JournalPart>,
    inbound: BTreeMap<AttemptId, InboundRow>,
}

/// A recorded disposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispositionRow {
    /// The agent's user.
    pub agent: String,
    /// When.
    pub at: Utc,
    /// What was recorded.
    pub disposition: String,
    /// Free text.
    pub note: String,
}

/// An import named a campaign that the store does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("campaign {0} is not known")]
pub struct UnknownCampaign(pub CampaignId);

#[derive(Clone, Debug, PartialEq)]
struct Campaign {
    spec: CampaignSpec,
    state: CampaignState,
    started_at: Option<Utc>,
    elapsed: std::time::Duration,
    imports: u64,
    tasks_open: u64,
    tasks_total: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Contact {
    listed: ListedContact,
    /// Which import of the campaign touched it last.
    import: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Task {
    row: TaskRow,
    first_attempt_at: Option<Utc>,
    last_attempt: Option<AttemptId>,
}

#[derive(Clone, Debug, PartialEq)]
struct Attempt {
    row: AttemptRow,
    route: CallRoute,
    /// What was on the wire before, oldest first.
    diverted: Vec<CallRoute>,
    dialog: Option<CallDialog>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a batch durable, or refuses it as a whole and changes nothing.
    pub fn apply(&mut self, writes: &[Write]) -> Result<(), Refusal> {
        // Only a refusal after the first write has something to undo.
        let undo = writes.iter().skip(1).any(Write::may_be_refused).then(|| self.clone());
        for write in writes {
            if let Err(refusal) = self.write(write) {
                if let Some(before) = undo {
                    *self = before;
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// The journal of a campaign's pacer, by segment and part.
    pub fn journal(&self, campaign: CampaignId) -> impl Iterator<Item = &JournalPart> {
        self.journal.range((campaign, 0, 0)..=(campaign, u64::MAX, u32::MAX)).map(|(_, part)| part)
    }

    fn journal_end(&self, campaign: CampaignId) -> JournalEnd {
        let segment = self.journal(campaign).map(|part| part.segment).max().unwrap_or(0);
        let decision = self.journal(campaign).map(|part| part.decisions_to).max().unwrap_or(0);
        JournalEnd { segment, decision }
    }

    /// Tasks of a campaign that are due at `now`: at most `limit` without an owner, and of each of `owners`
    /// [`OWNED_MAX`].
    pub fn fetch(&self, campaign: CampaignId, limit: u32, owners: &[String], now: Utc) -> Fetched {
        let Some(known) = self.campaigns.get(&campaign) else {
            return Fetched::default();
        };
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let all = (campaign, Utc(i64::MIN), TaskId(0))..=(campaign, now, TaskId(u64::MAX));
        let pooled = self.due.range(all).take(most(limit)).filter_map(|(_, _, id)| self.due_row(*id));
        let mut due: Vec<Due> = pooled.collect();
        let owned_by = |owner: &str, until: Utc| {
            let first = (campaign, owner.to_owned(), Utc(i64::MIN), TaskId(0));
            self.due_owned.range(first..=(campaign, owner.to_owned(), until, TaskId(u64::MAX)))
        };
        for owner in owners {
            let owned = owned_by(owner, now).take(most(OWNED_MAX));
            due.extend(owned.filter_map(|(_, _, _, id)| self.due_row(*id)));
        }
        let open = |task: &&Task| task.row.campaign == campaign && task.row.state == TaskState::Open;
        let listed = self.tasks.values().filter(open).filter_map(|task| task.row.owner.clone());
        let count = |owner: &String| owned_by(owner, now).take(most(OWNED_COUNT_MAX as u32)).count() as u64;
        let owned: BTreeMap<String, u64> = listed.map(|owner| (owner.clone(), count(&owner))).collect();
        let later = (campaign, now.after(std::time::Duration::from_millis(1)), TaskId(0))..;
        let next = self.due.range(later).next().filter(|(of, _, _)| *of == campaign).map(|(_, at, _)| *at);
        let next_owned = self
            .due_owned
            .iter()
            .filter(|(of, _, at, _)| *of == campaign && *at > now)
            .map(|(_, _, at, _)| *at);
        let next_due = next.into_iter().chain(next_owned).min();
        Fetched { due, owned, next_due, open: known.tasks_open, total: known.tasks_total }
    }

    fn due_row(&self, id: TaskId) -> Option<Due> {
        let task = self.tasks.get(&id)?;
        let contact = &self.contacts.get(&task.row.contact)?.listed;
        Some(Due {
            task: id,
            contact: task.row.contact,
            name: contact.name.clone(),
            number: contact.number.clone(),
            timezone: self.timezone(task.row.campaign, task.row.contact),
            attempts: task.row.attempts,
            first_attempt_at: task.first_attempt_at,
            owner: task.row.owner.clone(),
        })
    }

    /// Notes when a task falls due, or that it does not.
    fn schedule(&mut self, id: TaskId, next_at: Option<Utc>) {
        let Some(TaskRow { campaign, owner, next_at: noted, .. }) =
            self.tasks.get_mut(&id).map(|task| &mut task.row)
        else {
            return;
        };
        let before = std::mem::replace(noted, next_at);
        match owner {
            None => {
                before.map(|at| self.due.remove(&(*campaign, at, id)));
                self.due.extend(next_at.map(|at| (*campaign, at, id)));
            }
            Some(owner) => {
                before.map(|at| self.due_owned.remove(&(*campaign, owner.clone(), at, id)));
                self.due_owned.extend(next_at.map(|at| (*campaign, owner.clone(), at, id)));
            }
        }
    }

    /// Gives the task of a contact another owner.
    fn hand_over(&mut self, contact: ContactId, owner: Option<&String>) {
        let of = |(id, task): (&TaskId, &Task)| {
            (task.row.contact == contact && task.row.owner.as_ref() != owner)
                .then_some((*id, task.row.next_at))
        };
        for (id, next_at) in self.tasks.iter().filter_map(of).collect::<Vec<_>>() {
            self.schedule(id, None);
            if let Some(task) = self.tasks.get_mut(&id) {
                task.row.owner = owner.cloned();
            }
            self.schedule(id, next_at);
        }
    }

    fn count_since(&self, campaign: CampaignId, since: Utc) -> PeriodCounts {
        let mut tally = Tally::default();
        let rows = self.attempts.values().map(|attempt| &attempt.row);
        for row in rows.filter(|row| row.campaign == campaign && row.intent_at >= since) {
            tally.add(row.into(), 1);
            tally.answered += u64::from(Shape::from(row).waits_for_agent());
        }
        PeriodCounts { since, answered: tally.answered, abandoned: tally.abandoned, machines: tally.machine }
    }

    /// What a process that starts at `now` must know.
    pub fn recover(&self, now: Utc) -> Recovered {
        let mut tallies: BTreeMap<CampaignId, Tally> = BTreeMap::new();
        for Attempt { row, .. } in self.attempts.values() {
            let tally = tallies.entry(row.campaign).or_default();
            tally.add(row.into(), 1);
            tally.answered += u64::from(Shape::from(row).waits_for_agent());
        }
        Recovered {
            last_attempt: {
                let last = self.attempts.keys().next_back().max(self.inbound.keys().next_back());
                last.map_or(0, |id| id.0)
            },
            last_campaign: self.campaigns.keys().next_back().map_or(0, |id| id.0),
            campaigns: self
                .campaigns
                .iter()
                .map(|(id, campaign)| {
                    let tally = tallies.remove(id).unwrap_or_default();
                    let period = Period::of(&campaign.spec, campaign.started_at, now);
                    RecoveredCampaign {
                        campaign: *id,
                        spec: campaign.spec.clone(),
                        state: campaign.state,
                        started_at: campaign.started_at,
                        elapsed: campaign.elapsed,
                        answered: tally.answered,
                        abandoned: tally.abandoned,
                        placed: tally.placed,
                        bridged: tally.bridged,
                        period: self.count_since(*id, period.since),
                        learnt: self.learnt.get(id).cloned(),
                        journal: self.journal_end(*id),
                    }
                })
                .collect(),
            open_attempts: self.open_attempts(),
            interrupted: self.interrupted(),
            undisposed: self.undisposed(),
            inbound: self.recover_inbound(),
            agent_legs: self.agent_legs.clone(),
            bindings: self.bindings.values().cloned().collect(),
            numbers: self.numbers.values().cloned().collect(),
            preferred: self.preferred.clone(),
            suppressed: self.suppressed.iter().cloned().collect(),
            trunk_talk: self.trunk_talk(now),
        }
    }

    fn trunk_talk(&self, now: Utc) -> Vec<TrunkTalk> {
        let CalendarDay { day, month, next: _ } = CalendarDay::of(now);
        let mut talk: BTreeMap<String, (Duration, Duration)> = BTreeMap::new();
        for Attempt { row, .. } in self.attempts.values() {
            if let (Some(answered), Some(ended)) = (row.answered_at, row.ended_at)
                && ended > month
            {
                let (today, in_month) = talk.entry(row.trunk.clone()).or_default();
                *today += ended.since(answered.max(day));
                *in_month += ended.since(answered.max(month));
            }
        }
        let row = |(trunk, (today, month))| TrunkTalk { trunk, today, month };
        talk.into_iter().map(row).collect()
    }

    /// Who calls: the contact of these campaigns that has the number, and of several the one that was called last; of equals
    /// that of the campaign that is named first.
    pub fn find_caller(&self, campaigns: &[CampaignId], number: &str) -> Option<KnownCaller> {
        let known = campaigns.iter().enumerate().filter_map(|(place, campaign)| {
            let contact = *self.contact_by_number.get(&(*campaign, number.to_owned()))?;
            let task = self.tasks.values().find(|task| task.row.contact == contact)?;
            Some(((task.last_attempt, std::cmp::Reverse(place)), self.known_caller(task.row.task)?))
        });
        known.max_by_key(|(order, _)| *order).map(|(_, known)| known)
    }

    fn known_caller(&self, id: TaskId) -> Option<KnownCaller> {
        let task = self.tasks.get(&id)?;
        Some(KnownCaller {
            campaign: task.row.campaign,
            contact: task.row.contact,
            task: id,
            open: task.row.state == TaskState::Open,
            timezone: self.timezone(task.row.campaign, task.row.contact),
            attempts: task.row.attempts,
            first_attempt_at: task.first_attempt_at,
            owner: task.row.owner.clone(),
        })
    }

    fn recover_inbound(&self) -> Vec<RecoveredInbound> {
        let left = |row: &&InboundRow| {
            let unsaid = row.outcome == Some(InboundOutcome::Talked) && row.disposition.is_none();
            row.outcome.is_none() || row.leg.is_some() || unsaid
        };
        let rows = self.inbound.values().filter(left);
        rows.map(|row| RecoveredInbound {
            row: row.clone(),
            known: row.task.and_then(|task| self.known_caller(task)),
        })
        .collect()
    }

    /// Inbound calls, by number.
    pub fn inbound(&self) -> impl Iterator<Item = &InboundRow> {
        self.inbound.values()
    }

    /// Imports a whole list. Contacts that an earlier import brought are brought up to date; their tasks stay as
    /// they are. A second row with an id or number of this import is left out.
    pub fn import(
        &mut self,
        campaign: CampaignId,
        rows: Vec<ListedContact>,
    ) -> Result<Imported, UnknownCampaign> {
        let known = self.campaigns.get_mut(&campaign).ok_or(UnknownCampaign(campaign))?;
        known.imports += 1;
        let import = known.imports;
        let mut imported = Imported::default();
        for row in rows {
            let by_id = self.contact_by_id.get(&(campaign, row.external_id.clone())).copied();
            let by_number = self.contact_by_number.get(&(campaign, row.number.clone())).copied();
            let seen =
                by_id.and_then(|id| self.contacts.get(&id)).is_some_and(|known| known.import == import);
            if seen {
                imported.duplicates.push(Duplicate { line: row.line, key: DuplicateKey::Id });
            } else if by_number.is_some() && by_number != by_id {
                imported.duplicates.push(Duplicate { line: row.line, key: DuplicateKey::Number });
            } else if let Some(contact) = by_id {
                imported.known += 1;
                self.hand_over(contact, row.owner.as_ref());
                self.place_contact(campaign, contact, row, import);
            } else {
                imported.added += 1;
                let contact = ContactId(self.contacts.keys().next_back().map_or(0, |id| id.0) + 1);
                self.open_task(campaign, contact, row.external_id.clone(), row.owner.clone());
                self.place_contact(campaign, contact, row, import);
            }
        }
        Ok(imported)
    }

    /// Suppresses numbers (E.164 with `+`) from now on; says how many were new.
    pub fn suppress(&mut self, numbers: impl IntoIterator<Item = String>) -> u64 {
        numbers.into_iter().map(|number| u64::from(self.suppressed.insert(number))).sum()
    }

    /// Attempts, by id.
    pub fn attempts(&self) -> impl Iterator<Item = &AttemptRow> {
        self.attempts.values().map(|attempt| &attempt.row)
    }

    /// Tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskRow> {
        self.tasks.values().map(|task| &task.row)
    }

    /// Contacts, by id.
    pub fn contacts(&self) -> impl Iterator<Item = (ContactId, &ListedContact)> {
        self.contacts.iter().map(|(id, contact)| (*id, &contact.listed))
    }

    /// What is recorded of an attempt's call.
    pub fn orphan(&self, attempt: AttemptId) -> Option<OrphanRow> {
        let attempt = self.attempts.get(&attempt)?;
        Some(OrphanRow { route: attempt.route.clone(), dialog: attempt.dialog.clone() })
    }

    /// Dispositions, by attempt and task.
    pub fn dispositions(&self) -> &BTreeMap<(AttemptId, TaskId), DispositionRow> {
        &self.dispositions
    }

    /// Time of each agent, by user.
    pub fn agent_time(&self) -> &BTreeMap<String, AgentTimeRow> {
        &self.agent_time
    }

    /// State of a campaign.
    pub fn campaign_state(&self, campaign: CampaignId) -> Option<CampaignState> {
        self.campaigns.get(&campaign).map(|campaign| campaign.state)
    }

    fn place_contact(&mut self, campaign: CampaignId, id: ContactId, listed: ListedContact, import: u64) {
        self.contact_by_id.insert((campaign, listed.external_id.clone()), id);
        self.contact_by_number.insert((campaign, listed.number.clone()), id);
        let number = listed.number.clone();
        if let Some(old) = self.contacts.insert(id, Contact { listed, import })
            && old.listed.number != number
        {
            self.contact_by_number.remove(&(campaign, old.listed.number));
        }
    }

    fn open_task(
        &mut self,
        campaign: CampaignId,
        contact: ContactId,
        external_id: String,
        owner: Option<String>,
    ) {
        let task = TaskId(self.tasks.keys().next_back().map_or(0, |id| id.0) + 1);
        let row = TaskRow {
            task,
            campaign,
            contact,
            external_id,
            state: TaskState::Open,
            attempts: 0,
            last_outcome: None,
            last_disposition: None,
            next_at: None,
            owner,
        };
        self.tasks.insert(task, Task { row, first_attempt_at: None, last_attempt: None });
        self.schedule(task, Some(Utc(0)));
        if let Some(known) = self.campaigns.get_mut(&campaign) {
            known.tasks_open += 1;
            known.tasks_total += 1;
        }
    }

    fn open_attempts(&self) -> Vec<OpenAttempt> {
        let mut open: Vec<_> = self.open_by_contact.values().copied().collect();
        open.sort_unstable();
        open.iter()
            .filter_map(|id| {
                let Attempt { row, route, diverted: _, dialog } = self.attempts.get(id)?;
                let task = self.tasks.get(&row.task)?;
                Some(OpenAttempt {
                    attempt: *id,
                    campaign: row.campaign,
                    task: row.task,
                    contact: row.contact,
                    number: row.number.clone(),
                    timezone: self.timezone(row.campaign, row.contact),
                    attempts: task.row.attempts,
                    first_attempt_at: task.first_attempt_at,
                    intent_at: row.intent_at,
                    placed_at: row.placed_at,
                    answered_at: row.answered_at,
                    bridged_at: row.bridged_at,
                    orphan: OrphanRow { route: route.clone(), dialog: dialog.clone() },
                })
            })
            .collect()
    }

    fn interrupted(&self) -> Vec<Interrupted> {
        let interrupted = |attempt: &&Attempt| attempt.row.outcome == Some(Outcome::Interrupted);
        let mut rows: Vec<Interrupted> = self
            .attempts
            .values()
            .filter(interrupted)
            .filter_map(|Attempt { row, route, diverted: _, dialog }| {
                let orphan = OrphanRow { route: route.clone(), dialog: dialog.clone() };
                Some(Interrupted { at: row.ended_at?, orphan })
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.at));
        rows.truncate(INTERRUPTED_MAX);
        let diverted = self.attempts.values().flat_map(|Attempt { row, diverted, .. }| {
            let orphan = |route: &CallRoute| OrphanRow { route: route.clone(), dialog: None };
            let at = row.ended_at.unwrap_or(row.intent_at);
            diverted.iter().map(move |route| Interrupted { at, orphan: orphan(route) })
        });
        rows.extend(diverted.take(INTERRUPTED_MAX));
        rows
    }

    fn undisposed(&self) -> Vec<Undisposed> {
        let waiting = |task: &&Task| task.row.state == TaskState::Open && task.row.next_at.is_none();
        let bridged = |row: &&AttemptRow| row.outcome.is_some() && row.bridged_at.is_some();
        self.tasks
            .values()
            .filter(waiting)
            .filter_map(|task| {
                let row = Some(&self.attempts.get(&task.last_attempt?)?.row).filter(bridged)?;
                Some(Undisposed {
                    attempt: row.attempt,
                    campaign: row.campaign,
                    task: row.task,
                    contact: row.contact,
                    number: row.number.clone(),
                    timezone: self.timezone(row.campaign, row.contact),
                    attempts: task.row.attempts,
                    first_attempt_at: task.first_attempt_at,
                    agent: row.agent.clone().unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The contact's zone, or else its campaign's.
    fn timezone(&self, campaign: CampaignId, contact: ContactId) -> Option<String> {
        let own = self.contacts.get(&contact).and_then(|contact| contact.listed.timezone.clone());
        own.or_else(|| self.campaigns.get(&campaign)?.spec.timezone.clone())
    }
}

/// Whole milliseconds, rounded down, as they are kept.
pub(crate) fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
