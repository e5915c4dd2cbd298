//! What the store writes for calls, in bulk: the writes of many batches in one statement.
//!
//! Each way to SQLite's thread and back costs more than the statements it carries. So the common writes are collected as
//! JSON arrays, one a kind, and the triggers of writes.sql take them apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::statements::Script;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::store::memory::milliseconds;
use crate::store::words::Word;
use crate::store::write::{CallDialog, CallRoute, OrphanRow, Write};
use crate::task::TaskState;
use crate::time::Utc;

/// Takes what [`Bulk::add_to`] binds.
const SQL: &str = "INSERT INTO bulks VALUES (?, ?, ?, ?, ?, ?, ?)";

/// Writes that are carried out kind by kind (claims, answers, endings, tasks, dispositions, legs, progress) rather than in the order in
/// which they came. Rows are arrays in JSON; writes.sql names their places.
#[derive(Debug, Default)]
pub(super) struct Bulk<'w> {
    claims: Vec<Claim<'w>>,
    answers: Vec<(AttemptId, Utc, &'w CallDialog)>,
    endings: Vec<Ending<'w>>,
    tasks: Vec<TaskRow<'w>>,
    dispositions: Vec<Disposition<'w>>,
    /// Attempts that anything but `claims` has rows of.
    named: BTreeSet<AttemptId>,
    /// Tasks that `tasks` has rows of.
    decided: BTreeSet<TaskId>,
    /// The last word on each agent's leg.
    legs: BTreeMap<&'w str, Option<&'w OrphanRow>>,
    /// The first word on each step of an attempt.
    progress: BTreeMap<AttemptId, Steps<'w>>,
}

type Claim<'w> = (AttemptId, CampaignId, TaskId, ContactId, &'w str, &'w str, &'w str, Utc, &'w CallRoute);

/// Attempt, time, outcome, SIP status, attribution, reason, talk in milliseconds.
type Ending<'w> = (AttemptId, Utc, &'static str, Option<u16>, &'static str, &'w str, u64);

/// Task, reason of its closure, time of the next attempt, disposition.
type TaskRow<'w> = (TaskId, Option<&'static str>, Option<Utc>, Option<&'w str>);

/// Attempt, task, agent, time, disposition, note.
type Disposition<'w> = (AttemptId, TaskId, &'w str, Utc, &'w str, &'w str);

#[derive(Debug, Default)]
struct Steps<'w> {
    placed_at: Option<Utc>,
    ringing_at: Option<Utc>,
    bridged: Option<(Utc, &'w str)>,
    answer_to_agent_ms: Option<u64>,
    recording: Option<(&'w str, u64, &'w str)>,
}

/// Where a write belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It was taken in.
    Here,
    /// Into the next bulk: with what is in this one, the order would matter.
    Next,
    /// Not in bulk: into a statement of its own, after this bulk.
    Alone,
}

impl<'w> Bulk<'w> {
    /// Takes a write in, or says where it belongs.
    pub(super) fn take(&mut self, write: &'w Write) -> Place {
        match write {
            Write::Intent(intent) => {
                // It takes away the time that a row of its task gives, and what came before it was for another.
                if self.decided.contains(&intent.task) || self.named.contains(&intent.attempt) {
                    return Place::Next;
                }
                let (trunk, caller_id) = (intent.route.trunk.as_str(), intent.route.caller_id.as_str());
                self.claims.push((
                    intent.attempt,
                    intent.campaign,
                    intent.task,
                    intent.contact,
                    &intent.number,
                    trunk,
                    caller_id,
                    intent.at,
                    &intent.route,
                ));
            }
            Write::Placed { attempt, at } => {
                self.steps(*attempt).placed_at.get_or_insert(*at);
            }
            Write::Ringing { attempt, at } => {
                self.steps(*attempt).ringing_at.get_or_insert(*at);
            }
            Write::Answered { attempt, at, dialog } => {
                self.named.insert(*attempt);
                self.answers.push((*attempt, *at, dialog));
            }
            Write::Bridged { attempt, at, agent } => {
                self.steps(*attempt).bridged.get_or_insert((*at, agent));
            }
            Write::AgentHeard { attempt, answer_to_agent } => {
                self.steps(*attempt).answer_to_agent_ms.get_or_insert(milliseconds(*answer_to_agent));
            }
            Write::Recorded { attempt, file, duration_ms, sha256 } => {
                self.steps(*attempt).recording.get_or_insert((file, *duration_ms, sha256));
            }
            Write::Ended(ended) => {
                self.named.insert(ended.attempt);
                self.endings.push((
                    ended.attempt,
                    ended.at,
                    ended.outcome.word(),
                    ended.sip_status,
                    ended.attribution.word(),
                    &ended.reason,
                    milliseconds(ended.talk),
                ));
            }
            Write::Task { task, state, next_at, disposition } => {
                if !self.decided.insert(*task) {
                    return Place::Next;
                }
                let (closed_reason, next_at) = match state {
                    TaskState::Open => (None, *next_at),
                    TaskState::Closed(reason) => (Some(reason.word()), None),
                };
                self.tasks.push((*task, closed_reason, next_at, disposition.as_deref()));
            }
            Write::AgentLeg { agent, leg } => {
                self.legs.insert(agent, leg.as_ref());
            }
            Write::Disposition { attempt, task, agent, at, disposition, note } => {
                self.named.insert(*attempt);
                self.dispositions.push((*attempt, *task, agent, *at, disposition, note));
            }
            Write::Campaign { .. }
            | Write::Diverted { .. }
            | Write::Inbound(_)
            | Write::HandedOver { .. }
            | Write::AgentTime { .. }
            | Write::PacerState { .. }
            | Write::Journal(_)
            | Write::Number(_)
            | Write::Preferred { .. }
            | Write::Binding(_)
            | Write::Unbind { .. } => {
                return Place::Alone;
            }
        }
        Place::Here
    }

    /// Whether nothing was taken in.
    pub(super) fn is_empty(&self) -> bool {
        let Self { claims, answers, endings, tasks, dispositions, named: _, decided: _, legs, progress } =
            self;
        claims.is_empty()
            && answers.is_empty()
            && endings.is_empty()
            && tasks.is_empty()
            && dispositions.is_empty()
            && legs.is_empty()
            && progress.is_empty()
    }

    /// Adds the statement that carries it out.
    pub(super) fn add_to(&self, script: &mut Script) {
        script
            .statement(SQL)
            .bind_json(&self.claims)
            .bind_json(&self.answers)
            .bind_json(&self.endings)
            .bind_json(&self.tasks)
            .bind_json(&self.dispositions)
            .bind_json(&self.legs.iter().collect::<Vec<_>>())
            .bind_json(&self.progress.iter().map(row).collect::<Vec<_>>());
    }

    fn steps(&mut self, attempt: AttemptId) -> &mut Steps<'w> {
        self.named.insert(attempt);
        self.progress.entry(attempt).or_default()
    }
}

fn row<'r>((attempt, steps): (&'r AttemptId, &'r Steps<'r>)) -> impl Serialize + use<'r> {
    let Steps { placed_at, ringing_at, bridged, answer_to_agent_ms, recording } = steps;
    let (bridged_at, agent) = bridged.unzip();
    let (file, duration_ms, sha256) = match recording {
        Some((file, duration_ms, sha256)) => (Some(file), Some(duration_ms), Some(sha256)),
        None => (None, None, None),
    };
    (attempt, placed_at, ringing_at, bridged_at, agent, answer_to_agent_ms, file, duration_ms, sha256)
}
