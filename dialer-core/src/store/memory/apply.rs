//! What each write does.

use super::{Attempt, Campaign, DispositionRow, Memory, milliseconds};
use crate::attempt::outcome::Outcome;
use crate::campaign::journal::SEGMENTS_MAX;
use crate::id::{AttemptId, TaskId};
use crate::inbound::InboundRow;
use crate::input::Recording;
use crate::store::read::AttemptRow;
use crate::store::write::{Ended, Intent, Refusal, Write};
use crate::task::TaskState;
use crate::time::Utc;

impl Memory {
    pub(super) fn write(&mut self, write: &Write) -> Result<(), Refusal> {
        match write {
            Write::Campaign { campaign, spec, state, started_at, elapsed } => {
                let counts =
                    self.campaigns.get(campaign).map(|old| (old.imports, old.tasks_open, old.tasks_total));
                let (imports, tasks_open, tasks_total) = counts.unwrap_or_default();
                let (spec, state, started_at, elapsed) = (*spec.clone(), *state, *started_at, *elapsed);
                let new = Campaign { spec, state, started_at, elapsed, imports, tasks_open, tasks_total };
                self.campaigns.insert(*campaign, new);
            }
            Write::Intent(intent) => self.claim(intent)?,
            Write::Diverted { attempt, route } => self.progress(*attempt, |known| {
                if known.row.outcome.is_none() && known.row.answered_at.is_none() {
                    known.diverted.push(std::mem::replace(&mut known.route, route.clone()));
                    (known.row.trunk, known.row.caller_id) = (route.trunk.clone(), route.caller_id.clone());
                }
            }),
            Write::Placed { attempt, at } => self.progress(*attempt, |known| {
                known.row.placed_at.get_or_insert(*at);
            }),
            Write::Ringing { attempt, at } => self.progress(*attempt, |known| {
                known.row.ringing_at.get_or_insert(*at);
            }),
            Write::Answered { attempt, at, dialog } => self.progress(*attempt, |known| {
                known.row.answered_at.get_or_insert(*at);
                known.dialog.get_or_insert_with(|| dialog.clone());
            }),
            Write::Bridged { attempt, at, agent } => self.progress(*attempt, |known| {
                known.row.bridged_at.get_or_insert(*at);
                known.row.agent.get_or_insert_with(|| agent.clone());
            }),
            Write::HandedOver { attempt, agent } => self.progress(*attempt, |known| {
                if known.row.bridged_at.is_some() {
                    known.row.agent = Some(agent.clone());
                }
            }),
            Write::AgentHeard { attempt, answer_to_agent } => self.progress(*attempt, |known| {
                known.row.answer_to_agent_ms.get_or_insert(milliseconds(*answer_to_agent));
            }),
            Write::Recorded { attempt, file, duration_ms, sha256 } => self.progress(*attempt, |known| {
                let (file, duration_ms, sha256) = (file.clone(), *duration_ms, sha256.clone());
                known.row.recording.get_or_insert(Recording { file, duration_ms, sha256 });
            }),
            Write::Ended(ended) => self.end(ended)?,
            Write::Disposition { attempt, task, agent, at, disposition, note } => {
                if self.attempts.contains_key(attempt) && self.tasks.contains_key(task) {
                    let (agent, disposition, note) = (agent.clone(), disposition.clone(), note.clone());
                    let row = DispositionRow { agent, at: *at, disposition, note };
                    self.dispositions.insert((*attempt, *task), row);
                }
            }
            Write::Task { task, state, next_at, disposition } => {
                self.close_or_retry(*task, state, *next_at, disposition.as_ref());
            }
            Write::Inbound(row) => {
                let ended = self.inbound.get(&row.call).and_then(|known| known.outcome);
                if ended.is_none() || ended == row.outcome {
                    self.inbound.insert(row.call, InboundRow::clone(row));
                }
            }
            Write::AgentTime { agent, ready, talking, wrap_up, away } => {
                let time = self.agent_time.entry(agent.clone()).or_default();
                time.ready_ms += milliseconds(*ready);
                time.talking_ms += milliseconds(*talking);
                time.wrap_up_ms += milliseconds(*wrap_up);
                time.away_ms += milliseconds(*away);
            }
            Write::AgentLeg { agent, leg: Some(leg) } => {
                self.agent_legs.insert(agent.clone(), leg.clone());
            }
            Write::AgentLeg { agent, leg: None } => {
                self.agent_legs.remove(agent);
            }
            Write::PacerState { campaign, at: _, learnt } => {
                if self.campaigns.contains_key(campaign) {
                    self.learnt.insert(*campaign, learnt.clone());
                }
            }
            Write::Journal(part) => {
                if self.campaigns.contains_key(&part.campaign) {
                    let key = (part.campaign, part.segment, part.part);
                    self.journal.insert(key, part.clone());
                }
                if part.part == 0 {
                    let dropped = part.segment.checked_sub(SEGMENTS_MAX);
                    self.journal.retain(|(of, segment, _), _| {
                        *of != part.campaign || dropped.is_none_or(|dropped| *segment > dropped)
                    });
                }
            }
            Write::Number(row) => {
                self.numbers.insert((row.trunk.clone(), row.number.clone()), row.clone());
            }
            Write::Preferred { user, device: Some(device) } => {
                self.preferred.insert(user.clone(), device.clone());
            }
            Write::Preferred { user, device: None } => {
                self.preferred.remove(user);
            }
            Write::Binding(row) => {
                self.bindings.insert((row.user.clone(), row.binding.clone()), row.clone());
            }
            Write::Unbind { user, binding } => {
                self.bindings.remove(&(user.clone(), binding.clone()));
            }
        }
        Ok(())
    }

    fn claim(&mut self, intent: &Intent) -> Result<(), Refusal> {
        if self.suppressed.contains(&intent.number) {
            return Err(Refusal::Suppressed);
        }
        if self.open_by_contact.contains_key(&intent.contact)
            || self.open_by_number.contains_key(&intent.number)
        {
            return Err(Refusal::Open);
        }
        if let Some(used) = self.attempts.get(&intent.attempt) {
            return Err(if used.row.outcome.is_some() { Refusal::Ended } else { Refusal::Open });
        }
        let attempts_max =
            self.campaigns.get(&intent.campaign).map_or(0, |known| known.spec.closure.attempts_max);
        let contact = self.contacts.get(&intent.contact).ok_or(Refusal::Task)?;
        let task = self.tasks.get(&intent.task).ok_or(Refusal::Task)?;
        let fits = task.row.campaign == intent.campaign && task.row.contact == intent.contact;
        if !fits || task.row.state != TaskState::Open || task.row.attempts >= attempts_max {
            return Err(Refusal::Task);
        }
        let external_id = contact.listed.external_id.clone();
        self.schedule(intent.task, None);
        let task = self.tasks.get_mut(&intent.task).ok_or(Refusal::Task)?;
        task.row.attempts += 1;
        task.first_attempt_at.get_or_insert(intent.at);
        task.last_attempt = Some(intent.attempt);
        self.open_by_contact.insert(intent.contact, intent.attempt);
        self.open_by_number.insert(intent.number.clone(), intent.attempt);
        let row = AttemptRow {
            attempt: intent.attempt,
            campaign: intent.campaign,
            task: intent.task,
            contact: intent.contact,
            external_id,
            number: intent.number.clone(),
            trunk: intent.route.trunk.clone(),
            caller_id: intent.route.caller_id.clone(),
            intent_at: intent.at,
            placed_at: None,
            ringing_at: None,
            answered_at: None,
            bridged_at: None,
            ended_at: None,
            outcome: None,
            sip_status: None,
            attribution: None,
            reason: String::new(),
            agent: None,
            answer_to_agent_ms: None,
            talk_ms: 0,
            recording: None,
        };
        self.attempts.insert(
            intent.attempt,
            Attempt { row, route: intent.route.clone(), diverted: Vec::new(), dialog: None },
        );
        Ok(())
    }

    fn progress(&mut self, attempt: AttemptId, change: impl FnOnce(&mut Attempt)) {
        if let Some(known) = self.attempts.get_mut(&attempt) {
            change(known);
        }
    }

    fn end(&mut self, ended: &Ended) -> Result<(), Refusal> {
        let attempt = self.attempts.get_mut(&ended.attempt).ok_or(Refusal::Ended)?;
        if attempt.row.outcome.is_some() {
            return Err(Refusal::Ended);
        }
        if ended.outcome != Outcome::Interrupted {
            attempt.diverted.clear();
        }
        attempt.row.ended_at = Some(ended.at);
        attempt.row.outcome = Some(ended.outcome);
        attempt.row.sip_status = ended.sip_status;
        attempt.row.attribution = Some(ended.attribution);
        attempt.row.reason = ended.reason.clone();
        attempt.row.talk_ms = milliseconds(ended.talk);
        self.open_by_contact.remove(&attempt.row.contact);
        self.open_by_number.remove(&attempt.row.number);
        if let Some(task) = self.tasks.get_mut(&attempt.row.task) {
            task.row.last_outcome = Some(ended.outcome);
        }
        Ok(())
    }

    fn close_or_retry(
        &mut self,
        id: TaskId,
        state: &TaskState,
        next_at: Option<Utc>,
        disposition: Option<&String>,
    ) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if let Some(disposition) = disposition {
            task.row.last_disposition = Some(disposition.clone());
        }
        if task.row.state != TaskState::Open {
            return;
        }
        task.row.state = state.clone();
        let campaign = task.row.campaign;
        match state {
            TaskState::Open => self.schedule(id, next_at),
            TaskState::Closed(_) => {
                self.schedule(id, None);
                if let Some(campaign) = self.campaigns.get_mut(&campaign) {
                    campaign.tasks_open = campaign.tasks_open.saturating_sub(1);
                }
            }
        }
    }
}
