//! Attempts at work: what happened is told to their machines, and what follows is carried out.

use std::time::Duration;

use carillon_pacing::event::{CallKey, Ending};
use carillon_pacing::{AgentKey, EventKind};

use super::outbox::{Purpose, Settled};
use super::{Dialer, Timer};
use crate::attempt::event::{Action, Dropped, Event, Phase, Verdict};
use crate::attempt::outcome::{Attribution, Finding, Outcome};
use crate::closure::{self, Closure, History};
use crate::disposition::Awaited;
use crate::id::{AttemptId, CampaignId, Ticket};
use crate::input::Recording;
use crate::live::{EndingOutcome, EndingView};
use crate::output::Output;
use crate::store::write::{CallRoute, Ended, Intent, Refusal, Write};
use crate::task::{ClosedReason, TaskState};
use crate::time::{Now, Utc};

/// How long the end of a campaign waits for a recording to be closed; files are closed in real time, however fast
/// campaign time runs.
const RECORDING_MAX: Duration = Duration::from_secs(60);
/// A task whose contact or number has an open attempt that this process doesn't know waits this long.
const OPEN_ELSEWHERE: Duration = Duration::from_secs(60);

impl Dialer {
    /// A line is held. It is given back where nothing can be done with it.
    pub(super) fn reserved(&mut self, attempt: AttemptId, route: CallRoute, now: Now) {
        if self.attempts.contains_key(&attempt) && self.outbox.is_healthy() {
            self.step(attempt, Event::Reserved(route), now);
        } else {
            // Gone meanwhile, or its intent could not be written now.
            self.outbox.push(Output::Release { attempt });
            self.step(attempt, Event::Busy, now);
        }
    }

    /// Tells an attempt what happened and carries out what follows. News of an attempt that is gone means nothing.
    pub(super) fn step(&mut self, id: AttemptId, event: Event, now: Now) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return self.step_inbound(id, event, now) };
        let before = attempt.phase();
        let actions = attempt.handle(event, now);
        let (after, deadline, campaign) = (attempt.phase(), attempt.deadline(), attempt.campaign);
        self.timers.set(Timer::Attempt(id), deadline);
        if before != after {
            self.count_phase(campaign, before, -1);
            self.count_phase(campaign, after, 1);
        }
        if before == Phase::Waiting {
            self.unless_waiting(id);
        }
        for action in actions {
            self.act(id, campaign, action, now);
        }
    }

    fn count_phase(&mut self, campaign: CampaignId, phase: Phase, change: i64) {
        let Some(campaign) = self.campaigns.get_mut(&campaign) else { return };
        let counter = match phase {
            Phase::Opening | Phase::Over => return,
            Phase::Unanswered => &mut campaign.figures.ringing,
            Phase::Waiting => &mut campaign.figures.waiting,
            Phase::Talking => &mut campaign.figures.talking,
        };
        debug_assert!(change > 0 || *counter > 0, "a call is counted before it is uncounted");
        *counter = counter.saturating_add_signed(change);
    }

    /// Takes a call out of the queue once it no longer looks for an agent.
    fn unless_waiting(&mut self, id: AttemptId) {
        if !self.attempts.get(&id).is_some_and(crate::attempt::machine::Attempt::is_seeking) {
            self.waiting.remove(id);
        }
    }

    fn act(&mut self, id: AttemptId, campaign: CampaignId, action: Action, now: Now) {
        let call = CallKey(id.0);
        match action {
            Action::Intend(route) => self.intend(id, route, now),
            Action::Divert(route) => {
                self.heed_trunk(id, &route.trunk);
                self.trunk_taken(id, &route.trunk, now);
                let diverted = vec![Write::Diverted { attempt: id, route }];
                self.outbox.record(Purpose::Intent(id), Some(campaign), diverted);
            }
            Action::Place(route) => self.place(id, route, now),
            Action::Release => self.outbox.push(Output::Release { attempt: id }),
            Action::NotePlaced => {
                if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                    campaign.figures.placed(now.monotonic);
                }
                self.note(Some(campaign), vec![Write::Placed { attempt: id, at: now.utc }]);
            }
            Action::NoteRinging => {
                self.pace(campaign, EventKind::CallRinging { call }, now);
                self.note(Some(campaign), vec![Write::Ringing { attempt: id, at: now.utc }]);
            }
            Action::NoteAnswered(dialog) => {
                if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                    campaign.figures.answered = campaign.figures.answered.saturating_add(1);
                }
                self.pace(campaign, EventKind::CallAnswered { call }, now);
                self.note(Some(campaign), vec![Write::Answered { attempt: id, at: now.utc, dialog }]);
            }
            Action::Seek => self.seek_agent(id, campaign, now),
            Action::Connect(agent) => {
                let record = self.campaigns.get(&campaign).is_some_and(|campaign| campaign.spec.record);
                if let Some(agent) = self.floor.user(agent) {
                    self.outbox.push(Output::Connect { attempt: id, agent, record });
                }
            }
            Action::Disconnect => self.outbox.push(Output::Disconnect { attempt: id }),
            Action::NoteBridged(agent) => self.bridged(id, campaign, agent, now),
            Action::NoteAbandoned { agent_lost } => self.abandoned(id, campaign, agent_lost, now),
            Action::PlayMessage => self.outbox.push(Output::PlaySafeHarbour { attempt: id, campaign }),
            Action::HangUp => self.outbox.push(Output::HangUp { attempt: id }),
            Action::AgentBack(agent) => self.with_agent(agent, now, |agent| agent.give_back(id, now)),
            Action::AgentFailed(agent) => {
                self.with_agent(agent, now, |agent| agent.connect_failed(id, now));
            }
            Action::AgentTalked(agent) => self.begin_wrap_up(id, campaign, agent, now),
            Action::Drop(dropped) => self.drop_attempt(id, dropped, now),
            Action::End(verdict) => self.end_attempt(id, verdict, now),
        }
    }

    /// From now on the refusals of this trunk count as it means them.
    fn heed_trunk(&mut self, id: AttemptId, trunk: &str) {
        let rules = self.options.outcomes.of(trunk);
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.rules = rules;
        }
    }

    /// Hands the intent to the store; the call waits for it.
    fn intend(&mut self, id: AttemptId, route: CallRoute, now: Now) {
        self.heed_trunk(id, &route.trunk);
        self.trunk_taken(id, &route.trunk, now);
        let Some(attempt) = self.attempts.get(&id) else { return };
        let intent = Intent {
            attempt: id,
            campaign: attempt.campaign,
            task: attempt.due.task,
            contact: attempt.due.contact,
            number: attempt.due.number.clone(),
            at: now.utc,
            route,
        };
        let campaign = attempt.campaign;
        self.outbox.record(Purpose::Intent(id), Some(campaign), vec![Write::Intent(intent)]);
    }

    /// Offers a free agent to an answered call, or lets it wait.
    fn seek_agent(&mut self, id: AttemptId, campaign: CampaignId, now: Now) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        let own = attempt.owner.is_some();
        let fits =
            |agent| attempt.wants(agent) && (own || !self.is_held(agent)) && self.may_take(campaign, agent);
        let unpromised = |agent| fits(agent) && !self.callers.is_promised(agent);
        // Of its own campaign also one who is meant for a caller: the line counted on them, and on nobody of another campaign.
        let agent = self.floor.longest_idle_of(campaign, unpromised);
        let agent = agent.or_else(|| self.floor.longest_idle_of(campaign, fits));
        let agent = agent.or_else(|| self.floor.longest_idle(campaign, unpromised));
        match agent.or_else(|| self.floor.longest_idle(campaign, fits)) {
            Some(agent) => self.offer(id, agent, now),
            None => self.waiting.insert(id, now.monotonic),
        }
    }

    /// Reserves an agent for a call and lets the call take it.
    pub(super) fn offer(&mut self, id: AttemptId, agent: AgentKey, now: Now) {
        let mut reserved = false;
        self.with_agent(agent, now, |agent| reserved = agent.reserve(id, now));
        if reserved {
            self.step(id, Event::Offered(agent), now);
        }
    }

    fn bridged(&mut self, id: AttemptId, campaign: CampaignId, agent: AgentKey, now: Now) {
        let (Some(user), Some(attempt)) = (self.floor.user(agent), self.attempts.get(&id)) else { return };
        let awaited = Awaited {
            campaign,
            task: Some(attempt.due.task),
            timezone: attempt.due.timezone.clone(),
            history: history(&attempt.due, attempt.opened_at),
            agent: user.clone(),
            early: None,
            settled: attempt.settled,
            ended: false,
        };
        self.dispositions.expect(id, awaited);
        if let Some(campaign) = self.campaigns.get_mut(&campaign) {
            campaign.figures.bridged = campaign.figures.bridged.saturating_add(1);
            if campaign.spec.record {
                campaign.recordings.insert(id, None);
            }
        }
        self.with_agent(agent, now, |agent| agent.talk(id, now));
        self.pace(campaign, EventKind::CallBridged { call: CallKey(id.0), agent }, now);
        self.note(Some(campaign), vec![Write::Bridged { attempt: id, at: now.utc, agent: user }]);
    }

    fn abandoned(&mut self, id: AttemptId, campaign: CampaignId, agent_lost: bool, now: Now) {
        let launched = self.attempts.get(&id).map_or(now.monotonic, |attempt| attempt.launched);
        let mut lost = agent_lost || self.is_owner_gone(id);
        if let Some(campaign) = self.campaigns.get_mut(&campaign) {
            campaign.figures.abandoned = campaign.figures.abandoned.saturating_add(1);
            lost |= campaign.charge_loss(launched);
        }
        self.pace(campaign, EventKind::CallAbandoned { call: CallKey(id.0), agent_lost: lost }, now);
        self.let_go(self.owner_of(id), now);
    }

    /// First agent audio reached the callee.
    pub(super) fn agent_heard(&mut self, id: AttemptId, after_answer: Duration) {
        let Some(campaign) = self.attempts.get(&id).map(|attempt| Some(attempt.campaign)) else { return };
        if let Some(campaign) = campaign.and_then(|campaign| self.campaigns.get_mut(&campaign)) {
            campaign.figures.agent_heard(after_answer);
        }
        self.note(campaign, vec![Write::AgentHeard { attempt: id, answer_to_agent: after_answer }]);
    }

    /// A recording was closed, or failed.
    pub(super) fn recorded(&mut self, id: AttemptId, recording: Result<Recording, String>, now: Now) {
        let known = self.attempts.get(&id).map(|attempt| attempt.campaign);
        let campaign = known.or_else(|| {
            let mut campaigns = self.campaigns.values();
            campaigns.find(|campaign| campaign.recordings.contains_key(&id)).map(|campaign| campaign.id)
        });
        match recording {
            Ok(recording) if self.is_inbound(id) => self.inbound_recorded(id, recording, campaign),
            Ok(Recording { file, duration_ms, sha256 }) => {
                self.note(campaign, vec![Write::Recorded { attempt: id, file, duration_ms, sha256 }]);
            }
            Err(fault) => tracing::warn!(attempt = %id, fault, "recording fault"),
        }
        if let Some(campaign) = campaign {
            if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                campaign.recordings.remove(&id);
            }
            self.forget_inbound(id);
            self.consider_end(campaign, now);
        }
    }

    /// Forgets an attempt of which nothing was recorded.
    fn drop_attempt(&mut self, id: AttemptId, dropped: Dropped, now: Now) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        let (campaign, due, owner) = (attempt.campaign, attempt.due.clone(), attempt.owner);
        self.forget(id);
        let ended = EventKind::CallEnded { call: CallKey(id.0), ending: Ending::Us };
        self.pace(campaign, ended, now);
        self.let_go(owner, now);
        match dropped {
            Dropped::NoLine => {
                if let Some(campaign) =
                    self.campaigns.get_mut(&campaign).filter(|campaign| campaign.is_running())
                {
                    campaign.supply.put_back(due);
                }
            }
            Dropped::NotAllowed => {
                if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                    campaign.fetching.open = campaign.fetching.open.saturating_sub(1);
                }
                let write = self.close_task(due.task, ClosedReason::Number);
                self.outbox.record(Purpose::Rule, Some(campaign), vec![write]);
            }
            Dropped::Refused(Refusal::Suppressed) => {
                self.compliance.suppress(&due.number);
                let write = self.close_task(due.task, ClosedReason::Suppressed);
                self.outbox.record(Purpose::Rule, Some(campaign), vec![write]);
            }
            Dropped::Refused(Refusal::Open) => {
                let at = now.utc.after(OPEN_ELSEWHERE);
                self.note_due(campaign, at, now);
                let write = Write::Task {
                    task: due.task,
                    state: TaskState::Open,
                    next_at: Some(at),
                    disposition: None,
                };
                self.outbox.record(Purpose::Rule, Some(campaign), vec![write]);
            }
            Dropped::Refused(refusal @ (Refusal::Task | Refusal::Ended | Refusal::Unavailable(_))) => {
                tracing::debug!(attempt = %id, %refusal, "the task could not be claimed");
            }
        }
        self.consider_end(campaign, now);
    }

    /// Records the ending of an attempt and what the rules make of it, in one batch.
    fn end_attempt(&mut self, id: AttemptId, verdict: Verdict, now: Now) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        let (campaign_id, due, opened_at) = (attempt.campaign, attempt.due.clone(), attempt.opened_at);
        let settled = attempt.settled;
        let Verdict { finding, talk } = verdict;
        let talk_time = talk.map_or(Duration::ZERO, |(_, talk)| talk);
        self.show_ending(EndingView {
            attempt: id,
            at: now.utc,
            outcome: EndingOutcome::Outcome(finding.outcome),
            agent: talk.and_then(|(agent, _)| self.floor.user(agent)),
            talk_ms: u64::try_from(talk_time.as_millis()).unwrap_or(u64::MAX),
            identity: None,
        });
        let ending = ending(&finding);
        let mut writes = vec![Write::Ended(Ended {
            attempt: id,
            at: now.utc,
            outcome: finding.outcome,
            sip_status: finding.final_status(),
            attribution: finding.attribution,
            reason: finding.reason.clone(),
            talk: talk_time,
        })];
        let early = if talk.is_some() {
            self.expect_recording(id, campaign_id, now);
            self.dispositions.call_ended(id)
        } else if settled {
            None
        } else {
            let history = history(&due, opened_at);
            let closure = self.judge(campaign_id, &finding, due.timezone.as_deref(), history, now);
            writes.push(self.task_row(campaign_id, due.task, closure, None, now));
            None
        };
        self.outbox.record(Purpose::Ending(id), Some(campaign_id), writes);
        self.pace(campaign_id, EventKind::CallEnded { call: CallKey(id.0), ending }, now);
        self.let_go(self.owner_of(id), now);
        if let Some((disposition, note)) = early
            && let Some((agent, _)) = talk
        {
            self.dispose(id, agent, None, &disposition, &note, now);
        }
    }

    /// A recorded call has ended; its file is about to be closed.
    pub(super) fn expect_recording(&mut self, id: AttemptId, campaign_id: CampaignId, now: Now) {
        let campaign = self.campaigns.get_mut(&campaign_id);
        if let Some(until) = campaign.and_then(|campaign| campaign.recordings.get_mut(&id)) {
            let at = now.monotonic.saturating_add(RECORDING_MAX);
            *until = Some(at);
            self.timers.at_latest(Timer::Settle(campaign_id), at);
        }
    }

    /// What the rules make of an ending, with the calling window in mind.
    pub(super) fn judge(
        &mut self,
        campaign: CampaignId,
        finding: &Finding,
        timezone: Option<&str>,
        history: History,
        now: Now,
    ) -> Closure {
        let Some(campaign) = self.campaigns.get(&campaign) else {
            return Closure::Close(ClosedReason::Outcome);
        };
        let Finding { outcome, attribution, reason, .. } = finding;
        let rules = &campaign.spec.closure;
        let closure = closure::after_outcome(rules, *outcome, *attribution, reason, history, now.utc);
        self.within_window(campaign.id, closure, timezone, history)
    }

    /// Moves a retry into the contact's calling window.
    pub(super) fn within_window(
        &mut self,
        campaign: CampaignId,
        closure: Closure,
        timezone: Option<&str>,
        history: History,
    ) -> Closure {
        let Some(campaign) = self.campaigns.get(&campaign) else { return closure };
        match closure {
            Closure::Close(_) => closure,
            Closure::RetryAt(at) => {
                let open = self.compliance.next_open(&campaign.rules, timezone, at);
                closure::moved(&campaign.spec.closure, closure, open, history)
            }
        }
    }

    /// The row of a task that is never called again.
    pub(super) fn close_task(&mut self, task: crate::id::TaskId, reason: ClosedReason) -> Write {
        self.settle_task(task);
        Write::Task { task, state: TaskState::Closed(reason), next_at: None, disposition: None }
    }

    /// The row of a task after a closure; a retry is remembered, so that it is looked for in time.
    pub(super) fn task_row(
        &mut self,
        campaign: CampaignId,
        task: crate::id::TaskId,
        closure: Closure,
        disposition: Option<String>,
        now: Now,
    ) -> Write {
        let (state, next_at) = match closure {
            Closure::Close(reason) => {
                if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                    campaign.fetching.open = campaign.fetching.open.saturating_sub(1);
                }
                self.settle_task(task);
                (TaskState::Closed(reason), None)
            }
            Closure::RetryAt(at) => {
                self.note_due(campaign, at, now);
                (TaskState::Open, Some(at))
            }
        };
        Write::Task { task, state, next_at, disposition }
    }

    /// The store's word on a batch.
    pub(super) fn stored(&mut self, ticket: Ticket, result: Result<(), Refusal>, now: Now) {
        let healthy = self.outbox.is_healthy();
        let unavailable = matches!(result, Err(Refusal::Unavailable(_)));
        let Some(Settled { purpose, campaign, result }) = self.outbox.stored(ticket, result) else {
            self.timers.at_latest(Timer::Retry, now.monotonic.saturating_add(super::outbox::RETRY));
            return;
        };
        if !healthy && !unavailable {
            self.outbox.release();
            tracing::info!("the store is back");
        }
        match purpose {
            Purpose::Intent(id) => match result {
                Ok(()) => self.step(id, Event::IntentStored, now),
                Err(refusal) => self.step(id, Event::IntentRefused(refusal), now),
            },
            Purpose::Ending(id) => {
                if let Err(refusal) = &result {
                    tracing::warn!(attempt = %id, %refusal, "an ending was refused");
                }
                self.forget(id);
            }
            Purpose::Note | Purpose::Rule => {
                if let Err(refusal) = &result {
                    tracing::warn!(%refusal, "a write was refused");
                }
            }
            Purpose::Create { request, campaign } => self.created(request, campaign, result),
            Purpose::Disposed { request } => self.disposed(request, result),
            Purpose::Final(campaign) => self.finished(campaign),
        }
        if let Some(campaign) = campaign {
            self.consider_end(campaign, now);
        }
    }

    /// Takes an attempt off every list.
    fn forget(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        self.timers.set(Timer::Attempt(id), None);
        let contact = self.contacts.remove(&attempt.due.contact);
        let number = self.numbers.remove(&attempt.due.number);
        debug_assert_eq!((contact, number), (Some(id), Some(id)), "one open attempt per contact and number");
        if let Some(campaign) = self.campaigns.get_mut(&attempt.campaign) {
            campaign.attempts.remove(&id);
        }
    }

    pub(super) fn retry_batches(&mut self, now: Now) {
        if !self.outbox.is_healthy() {
            self.outbox.retry_first();
            self.timers.set(Timer::Retry, Some(now.monotonic.saturating_add(super::outbox::RETRY)));
        }
    }
}

/// A task's attempts with the one that was opened at `opened_at`.
pub(super) fn history(due: &crate::store::read::Due, opened_at: Utc) -> History {
    History {
        attempts: due.attempts.saturating_add(1),
        first_attempt_at: due.first_attempt_at.unwrap_or(opened_at),
    }
}

/// What the pacer learns of an ending.
fn ending(finding: &Finding) -> Ending {
    match finding.outcome {
        Outcome::Answered | Outcome::Abandoned | Outcome::Machine => Ending::Answered,
        Outcome::Cancelled | Outcome::Interrupted => Ending::Us,
        Outcome::Busy
        | Outcome::NoAnswer
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::Congestion
        | Outcome::Failed => match finding.attribution {
            Attribution::Callee => Ending::Callee,
            Attribution::Trunk | Attribution::Network => Ending::Network,
            Attribution::Us => Ending::Us,
        },
    }
}
