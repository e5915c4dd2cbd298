//! Inbound calls at work: whose they are, who takes them, and what follows for the caller's task.
//!
//! A free agent for whom lines are out is not taken from under them: the agent is promised to the caller, counts as busy for
//! the pacer from then on, and takes the call once no line is ringing any more that left before the promise. An answered call
//! of the campaign that finds nobody else may still have them: whoever was called may wait two seconds, who calls longer.

use std::collections::{BTreeMap, BTreeSet};

use carillon_pacing::{AgentKey, EventKind};

use super::outbox::Purpose;
use super::{Dialer, Timer};
use crate::agent::AgentState;
use crate::attempt::event::{Event, Phase};
use crate::attempt::outcome::{Attribution, Finding, Outcome};
use crate::campaign::machine::Campaign;
use crate::closure::History;
use crate::disposition::Awaited;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::machine::{Action, Inbound, Terms};
use crate::inbound::{InboundOutcome, InboundRow, KnownCaller, Offered};
use crate::input::Recording;
use crate::live::{EndingOutcome, EndingView};
use crate::output::Output;
use crate::store::read::RecoveredInbound;
use crate::store::write::Write;
use crate::task::TaskState;
use crate::time::{Now, Utc};

/// Most inbound calls at once, those in wrap-up included.
pub const INBOUND_MAX: usize = 10_000;

/// How often promises are looked at in one turn.
const PASSES_MAX: usize = 3;

/// How long after a restart ended a call another restart sees to it again.
const INTERRUPTED_WATCH: std::time::Duration = std::time::Duration::from_secs(180);

/// An agent who is meant for a caller.
#[derive(Clone, Copy, Debug)]
struct Promise {
    call: AttemptId,
    /// The last attempt there was when it was given.
    mark: AttemptId,
    /// For which campaign the agent counted as busy since.
    told: Option<CampaignId>,
}

/// All inbound calls, and who is meant for them.
#[derive(Debug, Default)]
pub(super) struct Callers {
    calls: BTreeMap<AttemptId, Inbound>,
    /// Those that wait for an agent.
    seeking: BTreeSet<AttemptId>,
    promises: BTreeMap<AgentKey, Promise>,
    /// Something has happened since the promises were looked at.
    pub(super) stirred: bool,
}

impl Callers {
    /// The call of this name.
    pub(super) fn get(&self, id: AttemptId) -> Option<&Inbound> {
        self.calls.get(&id)
    }

    /// Whether this contact or number is in a call with us that they made.
    pub(super) fn holds(&self, contact: ContactId, number: &str) -> bool {
        self.calls
            .values()
            .filter(|call| !call.is_over())
            .any(|call| call.row.contact == Some(contact) || call.row.caller.as_deref() == Some(number))
    }

    /// Whether the agent is meant for a caller.
    pub(super) fn is_promised(&self, agent: AgentKey) -> bool {
        self.promises.contains_key(&agent)
    }

    /// Calls of a campaign that are up and wait for an agent.
    pub(super) fn waiting(&self, campaign: CampaignId) -> u64 {
        self.seeking().filter(|(_, call)| call.row.campaign == campaign).count() as u64
    }

    /// Calls that wait for an agent, longest first.
    fn seeking(&self) -> impl Iterator<Item = (AttemptId, &Inbound)> {
        self.seeking.iter().filter_map(|id| Some((*id, self.calls.get(id)?)))
    }

    /// Something has happened to a call.
    fn note_seeking(&mut self, id: AttemptId) {
        if self.calls.get(&id).is_some_and(Inbound::is_seeking) {
            self.seeking.insert(id);
        } else {
            self.seeking.remove(&id);
        }
    }
}

impl Dialer {
    /// A trunk calls a number: taken where a campaign has it.
    pub(super) fn offered(&mut self, offered: Offered, now: Now) {
        let Offered { offer, trunk, number, caller, diversion, history_info, identity } = offered;
        let has_it = |campaign: &&Campaign| {
            campaign.answers_callers() && campaign.spec.inbound.numbers.contains(&number)
        };
        let mut campaigns: Vec<(bool, CampaignId)> = self
            .campaigns
            .values()
            .filter(has_it)
            .map(|campaign| (!campaign.is_running(), campaign.id))
            .collect();
        campaigns.sort_unstable();
        let Some((_, first)) = campaigns.first().copied() else {
            return self.outbox.push(Output::Refuse { offer, status: 404 });
        };
        let next = self.last_attempt.checked_add(1).filter(|_| self.callers.calls.len() < INBOUND_MAX);
        let Some(next) = next else {
            return self.outbox.push(Output::Refuse { offer, status: 503 });
        };
        self.last_attempt = next;
        let id = AttemptId(next);
        let row = InboundRow {
            call: id,
            campaign: first,
            trunk,
            number,
            caller: caller.clone(),
            diversion,
            history_info,
            identity,
            contact: None,
            task: None,
            arrived_at: now.utc,
            answered_at: None,
            bridged_at: None,
            ended_at: None,
            outcome: None,
            reason: String::new(),
            agent: None,
            talk_ms: 0,
            disposition: None,
            note: String::new(),
            recording: None,
            leg: None,
        };
        let terms = self.terms_for_callers(first);
        self.callers.calls.insert(id, Inbound::new(row, terms, now));
        self.enlist(id, first, true);
        self.outbox.push(Output::Ring { offer, call: id });
        self.set_deadline(id);
        match caller {
            Some(number) => {
                let campaigns = campaigns.into_iter().map(|(_, campaign)| campaign).collect();
                self.outbox.push(Output::FindCaller { call: id, campaigns, number });
            }
            None => self.caller_found(id, None, now),
        }
    }

    /// The store's word on who calls.
    pub(super) fn caller_found(&mut self, id: AttemptId, known: Option<KnownCaller>, now: Now) {
        let Some(call) = self.callers.calls.get(&id) else { return };
        let before = call.row.campaign;
        // A campaign that is gone from memory has nobody to take the call.
        let mut known = known.filter(|known| self.campaigns.contains_key(&known.campaign));
        // What is closed here the store may not know yet.
        if let Some(known) = known.as_mut() {
            known.open = known.open && !self.outbox.closes(known.task);
        }
        let terms = self.terms_for_callers(known.as_ref().map_or(before, |known| known.campaign));
        let Some(call) = self.callers.calls.get_mut(&id) else { return };
        call.terms = terms;
        let actions = call.found(known, now);
        let after = call.row.campaign;
        if before != after {
            self.enlist(id, before, false);
            self.enlist(id, after, true);
        }
        self.follow(id, actions, now);
    }

    /// Tells an inbound call what happened and carries out what follows.
    pub(super) fn step_inbound(&mut self, id: AttemptId, event: Event, now: Now) {
        let Some(call) = self.callers.calls.get_mut(&id) else { return };
        let actions = call.handle(event, now);
        self.follow(id, actions, now);
    }

    /// A free agent is meant for the caller who has waited longest, if one waits whom they may take.
    pub(super) fn promise_to_waiting(&mut self, agent: AgentKey, now: Now) {
        if self.callers.is_promised(agent) || self.is_held(agent) {
            return;
        }
        if self.callers.seeking.is_empty() {
            return;
        }
        let promised: BTreeSet<AttemptId> = self.callers.promises.values().map(|it| it.call).collect();
        let waits = self.callers.seeking().filter(|(id, _)| !promised.contains(id));
        let mut theirs = waits.filter(|(_, call)| call.wants(agent) && self.may_answer(call, agent));
        let call = theirs.next().map(|(id, _)| id);
        drop(theirs);
        if let Some(call) = call {
            self.promise(call, agent, now);
        }
    }

    /// Keeps the promises that can be kept, and takes those back that can't.
    pub(super) fn keep_promises(&mut self, now: Now) {
        // Whoever is looked for anew may be had at once.
        for _ in 0..PASSES_MAX {
            if !std::mem::take(&mut self.callers.stirred) || self.callers.promises.is_empty() {
                return;
            }
            self.look_at_promises(now);
        }
    }

    fn look_at_promises(&mut self, now: Now) {
        let promises: Vec<(AgentKey, Promise)> =
            self.callers.promises.iter().map(|(agent, promise)| (*agent, *promise)).collect();
        for (agent, promise) in promises {
            let free = self.floor.state(agent) == Some(AgentState::Ready);
            let wanted = self.callers.get(promise.call).is_some_and(|call| call.wants(agent));
            if !free || !wanted {
                self.take_back(agent, now);
                if wanted {
                    self.seek_for_caller(promise.call, now);
                }
            } else if self.may_keep(agent, promise, now) {
                self.callers.promises.remove(&agent);
                self.offer(promise.call, agent, now);
            }
        }
    }

    /// Records an agent's word on an inbound call, and what the rules make of the caller's task.
    pub(super) fn inbound_word(&mut self, id: AttemptId, disposition: &str, note: &str) -> Option<Write> {
        let call = self.callers.calls.get_mut(&id)?;
        call.row.disposition = Some(disposition.to_owned());
        call.row.note = note.to_owned();
        Some(Write::Inbound(Box::new(call.row.clone())))
    }

    /// A task is closed: neither a caller, nor a word that is still awaited, nor a call of ours that is out to somebody who
    /// called meanwhile opens or closes it once more.
    pub(super) fn settle_task(&mut self, task: TaskId) {
        let of_callers = self.callers.calls.values_mut().filter_map(|call| call.known.as_mut());
        for known in of_callers.filter(|known| known.task == task) {
            known.open = false;
            let out = self.contacts.get(&known.contact).and_then(|attempt| self.attempts.get_mut(attempt));
            out.filter(|attempt| attempt.due.task == task).into_iter().for_each(|out| out.settled = true);
        }
        self.dispositions.settle_task(task);
    }

    /// A colleague has an inbound call: its row.
    pub(super) fn inbound_handed_over(&mut self, id: AttemptId, user: &str) -> Option<Write> {
        let call = self.callers.calls.get_mut(&id)?;
        call.row.agent = Some(user.to_owned());
        Some(Write::Inbound(Box::new(call.row.clone())))
    }

    /// Whether the word is on an inbound call.
    pub(super) fn is_inbound(&self, id: AttemptId) -> bool {
        self.callers.calls.contains_key(&id)
    }

    /// The recording of an inbound call was closed.
    pub(super) fn inbound_recorded(
        &mut self,
        id: AttemptId,
        recording: Recording,
        campaign: Option<CampaignId>,
    ) {
        if let Some(call) = self.callers.calls.get_mut(&id) {
            call.row.recording = Some(recording);
            let row = Box::new(call.row.clone());
            self.note(campaign, vec![Write::Inbound(row)]);
        }
    }

    /// Forgets inbound calls of which nothing more is to come.
    pub(super) fn forget_inbound(&mut self, id: AttemptId) {
        let Some(call) = self.callers.calls.get(&id) else { return };
        let campaign = self.campaigns.get(&call.row.campaign);
        let recording = campaign.is_some_and(|campaign| campaign.recordings.contains_key(&id));
        if call.is_over() && !recording && !self.dispositions.is_awaited(id) {
            self.callers.calls.remove(&id);
        }
    }

    /// What an earlier process left: calls that were up are ended, and words that are missing are waited for.
    pub(super) fn recover_inbound(&mut self, recovered: RecoveredInbound, now: Now) {
        let RecoveredInbound { mut row, known } = recovered;
        let watched = |at: Utc| at.after(INTERRUPTED_WATCH) > now.utc;
        match row.outcome {
            None => {
                row.leg.clone().into_iter().for_each(|leg| self.outbox.push(Output::Adopt(leg)));
                row.outcome = Some(InboundOutcome::Interrupted);
                row.ended_at = Some(now.utc);
                row.reason = "restart".to_owned();
                let mut writes = vec![Write::Inbound(Box::new(row.clone()))];
                if let Some(known) = known.filter(|known| known.open && row.bridged_at.is_some()) {
                    let finding = Finding::new(Outcome::Interrupted, Attribution::Us, "restart");
                    let history = history(&known, now);
                    let zone = known.timezone.as_deref();
                    let closure = self.judge(known.campaign, &finding, zone, history, now);
                    writes.push(self.task_row(known.campaign, known.task, closure, None, now));
                }
                self.outbox.record(Purpose::Rule, Some(row.campaign), writes);
            }
            // Two deaths soon after each other: what the first restart sent may not have arrived.
            Some(InboundOutcome::Interrupted) => {
                let leg = row.leg.filter(|_| row.ended_at.is_some_and(watched));
                leg.into_iter().for_each(|leg| self.outbox.push(Output::Adopt(leg)));
            }
            Some(InboundOutcome::Talked) if row.disposition.is_none() => {
                let (id, campaign) = (row.call, row.campaign);
                let Some(agent) = row.agent.clone() else { return };
                let awaited = awaited(campaign, known.as_ref(), agent, true, now);
                let terms = self.terms_for_callers(campaign);
                self.callers.calls.insert(id, Inbound::ended_before(row, known, terms, now));
                self.expect_word(id, awaited, now);
            }
            Some(
                InboundOutcome::Talked
                | InboundOutcome::Message
                | InboundOutcome::NoAgent
                | InboundOutcome::Left
                | InboundOutcome::Failed,
            ) => {}
        }
    }

    fn follow(&mut self, id: AttemptId, actions: Vec<Action>, now: Now) {
        self.set_deadline(id);
        self.callers.stirred = true;
        self.callers.note_seeking(id);
        for action in actions {
            let Some(call) = self.callers.get(id) else { return };
            let campaign = call.row.campaign;
            match action {
                Action::Note => {
                    let row = Box::new(call.row.clone());
                    self.note(Some(campaign), vec![Write::Inbound(row)]);
                }
                Action::Seek => self.seek_for_caller(id, now),
                Action::Connect(agent) => {
                    let record = self.campaigns.get(&campaign).is_some_and(|it| it.spec.record);
                    if let Some(agent) = self.floor.user(agent) {
                        self.outbox.push(Output::Connect { attempt: id, agent, record });
                    }
                }
                Action::Disconnect => self.outbox.push(Output::Disconnect { attempt: id }),
                Action::Bridged(agent) => self.caller_bridged(id, campaign, agent, now),
                Action::PlayMessage => self.outbox.push(Output::PlayMessage { attempt: id, campaign }),
                Action::HangUp => self.outbox.push(Output::HangUp { attempt: id }),
                Action::AgentBack(agent) => self.with_agent(agent, now, |agent| agent.give_back(id, now)),
                Action::AgentFailed(agent) => {
                    self.with_agent(agent, now, |agent| agent.connect_failed(id, now));
                }
                Action::End(talked) => self.end_inbound(id, campaign, talked, now),
            }
        }
    }

    /// Finds an agent for a caller: the owner of the contact, else the one of the team who has waited longest.
    fn seek_for_caller(&mut self, id: AttemptId, now: Now) {
        let Some(call) = self.callers.get(id).filter(|call| call.is_seeking()) else { return };
        let Some(campaign) = self.campaigns.get(&call.row.campaign) else { return };
        let route = &campaign.spec.inbound;
        let owner = call.known.as_ref().and_then(|known| known.owner.clone()).filter(|_| route.owner);
        let owner_key = owner.as_deref().and_then(|owner| self.floor.key(owner));
        let fits = |agent: AgentKey| {
            !self.callers.is_promised(agent)
                && !self.is_held(agent)
                && self.may_answer(call, agent)
                && call.wants(agent)
        };
        let own = owner_key.filter(|owner| self.floor.is_idle(*owner) && fits(*owner));
        let agent = own.or_else(|| self.floor.longest_idle(campaign.id, fits));
        // Who alone may take it takes no calls: nobody will come.
        let nobody = !route.team && owner.as_deref().is_none_or(|owner| self.takes_no_calls(owner));
        match agent {
            Some(agent) => self.promise(id, agent, now),
            None if nobody => self.step_inbound(id, Event::Deadline, now),
            None => {}
        }
    }

    /// Whether an agent may take a caller: of the team, or the owner of the contact.
    fn may_answer(&self, call: &Inbound, agent: AgentKey) -> bool {
        let Some(campaign) = self.campaigns.get(&call.row.campaign) else { return false };
        let owner = call.known.as_ref().and_then(|known| known.owner.as_deref());
        let owns =
            campaign.spec.inbound.owner && owner.is_some_and(|owner| self.floor.key(owner) == Some(agent));
        self.may_take(campaign.id, agent) && (campaign.spec.inbound.team || owns)
    }

    /// Means an agent for a caller; from now on no line is placed that counts on them.
    fn promise(&mut self, call: AttemptId, agent: AgentKey, now: Now) {
        let told = self.floor.lent_to(agent);
        let mark = AttemptId(self.last_attempt);
        self.callers.promises.insert(agent, Promise { call, mark, told });
        self.callers.stirred = true;
        if let Some(campaign) = told {
            self.pace(campaign, EventKind::AgentTalking { agent }, now);
        }
    }

    fn take_back(&mut self, agent: AgentKey, now: Now) {
        let Some(promise) = self.callers.promises.remove(&agent) else { return };
        let told = promise.told.filter(|told| self.floor.lent_to(agent) == Some(*told));
        if let Some(campaign) = told
            && self.floor.state(agent) == Some(AgentState::Ready)
        {
            self.pace(campaign, EventKind::AgentReady { agent }, now);
        }
    }

    /// Whether no line counts on the agent any more.
    fn may_keep(&mut self, agent: AgentKey, promise: Promise, now: Now) -> bool {
        let lent = self.floor.lent_to(agent);
        if lent != promise.told {
            // Counts for another campaign since, whose lines count on them.
            self.callers.promises.remove(&agent);
            self.promise(promise.call, agent, now);
        }
        let Some(campaign) = lent.and_then(|lent| self.campaigns.get(&lent)) else { return true };
        let out = |id: &AttemptId| {
            self.attempts.get(id).is_some_and(|attempt| match attempt.phase() {
                Phase::Opening | Phase::Unanswered => true,
                Phase::Waiting | Phase::Talking | Phase::Over => false,
            })
        };
        campaign.pacing.team.spare() >= 0 || !campaign.attempts.range(..=promise.mark).any(out)
    }

    fn caller_bridged(&mut self, id: AttemptId, campaign: CampaignId, agent: AgentKey, now: Now) {
        let Some(user) = self.floor.user(agent) else { return };
        let Some(call) = self.callers.calls.get_mut(&id) else { return };
        call.row.agent = Some(user.clone());
        let known = call.known.clone();
        let mut writes = vec![Write::Inbound(Box::new(call.row.clone()))];
        let awaited = awaited(campaign, known.as_ref(), user, false, now);
        self.dispositions.expect(id, awaited);
        if let Some(known) = known.filter(|known| known.open && !self.contacts.contains_key(&known.contact)) {
            // Nobody calls them while they talk, nor before the agent's word.
            if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                campaign.supply.forget(known.task);
            }
            let state = TaskState::Open;
            writes.push(Write::Task { task: known.task, state, next_at: None, disposition: None });
        }
        if let Some(campaign) = self.campaigns.get_mut(&campaign).filter(|campaign| campaign.spec.record) {
            campaign.recordings.insert(id, None);
        }
        self.with_agent(agent, now, |agent| agent.talk(id, now));
        self.outbox.record(Purpose::Rule, Some(campaign), writes);
    }

    fn end_inbound(&mut self, id: AttemptId, campaign: CampaignId, talked: Option<AgentKey>, now: Now) {
        self.enlist(id, campaign, false);
        if let Some(agent) = talked {
            self.begin_wrap_up(id, campaign, agent, now);
        }
        if let Some(call) = self.callers.get(id) {
            let row = Box::new(call.row.clone());
            if let Some(outcome) = row.outcome.map(EndingOutcome::Inbound) {
                let (agent, talk_ms, identity) = (row.agent.clone(), row.talk_ms, Some(row.identity.clone()));
                self.show_ending(EndingView { attempt: id, at: now.utc, outcome, agent, talk_ms, identity });
            }
            self.outbox.record(Purpose::Rule, Some(campaign), vec![Write::Inbound(row)]);
        }
        if let Some(agent) = talked {
            self.expect_recording(id, campaign, now);
            if let Some((disposition, note)) = self.dispositions.call_ended(id) {
                self.dispose(id, agent, None, &disposition, &note, now);
            }
        }
        self.forget_inbound(id);
        self.consider_end(campaign, now);
    }

    fn set_deadline(&mut self, id: AttemptId) {
        let deadline = self.callers.get(id).and_then(Inbound::deadline);
        self.timers.set(Timer::Attempt(id), deadline);
    }

    /// The campaign waits for its callers before it ends.
    fn enlist(&mut self, id: AttemptId, campaign: CampaignId, up: bool) {
        if let Some(campaign) = self.campaigns.get_mut(&campaign) {
            if up {
                campaign.attempts.insert(id);
            } else {
                campaign.attempts.remove(&id);
            }
        }
    }

    fn terms_for_callers(&self, campaign: CampaignId) -> Terms {
        let campaign = self.campaigns.get(&campaign);
        let none = Terms {
            wait_max: std::time::Duration::ZERO,
            message: false,
            talk_limit: std::time::Duration::ZERO,
            seeks: false,
        };
        campaign.map_or(none, |campaign| Terms {
            wait_max: campaign.spec.inbound.wait_max,
            message: campaign.spec.inbound.message.is_some(),
            talk_limit: campaign.spec.talk_limit,
            seeks: campaign.takes_callers(),
        })
    }
}

fn history(known: &KnownCaller, now: Now) -> History {
    History { attempts: known.attempts, first_attempt_at: known.first_attempt_at.unwrap_or(now.utc) }
}

fn awaited(
    campaign: CampaignId,
    known: Option<&KnownCaller>,
    agent: String,
    ended: bool,
    now: Now,
) -> Awaited {
    let none = History { attempts: 0, first_attempt_at: now.utc };
    Awaited {
        campaign,
        task: known.filter(|known| known.open).map(|known| known.task),
        timezone: known.and_then(|known| known.timezone.clone()),
        history: known.map_or(none, |known| history(known, now)),
        agent,
        early: None,
        settled: false,
        ended,
    }
}
