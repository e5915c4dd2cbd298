//! The progress of many attempts in one statement.

use std::collections::BTreeMap;

use crate::id::AttemptId;
use crate::store::memory::milliseconds;
use crate::store::write::Write;

/// The first word on each step of an attempt.
#[derive(Debug, Default)]
struct Steps {
    placed_at: Option<i64>,
    ringing_at: Option<i64>,
    bridged: Option<(i64, String)>,
    answer_to_agent_ms: Option<u64>,
    recording: Option<(String, u64, String)>,
}

/// Steps of attempts, collected from batches that say nothing else.
#[derive(Debug, Default)]
pub(super) struct Progress {
    attempts: BTreeMap<AttemptId, Steps>,
}

/// Takes the array that [`Progress::json`] makes. What is there already stays.
pub(super) const SQL: &str = "
    UPDATE attempts SET
        placed_at = coalesce(attempts.placed_at, told.placed_at),
        ringing_at = coalesce(attempts.ringing_at, told.ringing_at),
        bridged_at = coalesce(attempts.bridged_at, told.bridged_at),
        agent = coalesce(attempts.agent, told.agent),
        answer_to_agent_ms = coalesce(attempts.answer_to_agent_ms, told.answer_to_agent_ms),
        recording = coalesce(attempts.recording, told.recording),
        recording_ms = coalesce(attempts.recording_ms, told.recording_ms),
        recording_sha256 = coalesce(attempts.recording_sha256, told.recording_sha256)
    FROM (
        SELECT value ->> 0 AS attempt, value ->> 1 AS placed_at, value ->> 2 AS ringing_at, value ->> 3 AS bridged_at,
            value ->> 4 AS agent, value ->> 5 AS answer_to_agent_ms, value ->> 6 AS recording,
            value ->> 7 AS recording_ms, value ->> 8 AS recording_sha256
        FROM json_each(?)
    ) AS told
    WHERE attempts.attempt = told.attempt";

impl Progress {
    /// Takes a batch that is progress and nothing else; says whether it was.
    pub(super) fn take(&mut self, writes: &[Write]) -> bool {
        if !writes.iter().all(is_progress) {
            return false;
        }
        writes.iter().for_each(|write| self.note(write));
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// An array of arrays, one an attempt.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let row = |(attempt, steps): (&AttemptId, &Steps)| {
            let (bridged_at, agent) = steps.bridged.as_ref().map(|(at, agent)| (*at, agent.as_str())).unzip();
            let recording = steps.recording.as_ref();
            let file = recording.map(|(file, _, _)| file.clone());
            let duration_ms = recording.map(|(_, duration_ms, _)| *duration_ms);
            let sha256 = recording.map(|(_, _, sha256)| sha256.clone());
            let (placed_at, ringing_at) = (steps.placed_at, steps.ringing_at);
            let heard = steps.answer_to_agent_ms;
            serde_json::json!([
                attempt,
                placed_at,
                ringing_at,
                bridged_at,
                agent,
                heard,
                file,
                duration_ms,
                sha256
            ])
        };
        serde_json::to_string(&self.attempts.iter().map(row).collect::<Vec<_>>())
    }

    fn note(&mut self, write: &Write) {
        match write {
            Write::Placed { attempt, at } => {
                self.of(*attempt).placed_at.get_or_insert(at.0);
            }
            Write::Ringing { attempt, at } => {
                self.of(*attempt).ringing_at.get_or_insert(at.0);
            }
            Write::Bridged { attempt, at, agent } => {
                self.of(*attempt).bridged.get_or_insert_with(|| (at.0, agent.clone()));
            }
            Write::AgentHeard { attempt, answer_to_agent } => {
                self.of(*attempt).answer_to_agent_ms.get_or_insert(milliseconds(*answer_to_agent));
            }
            Write::Recorded { attempt, file, duration_ms, sha256 } => {
                self.of(*attempt)
                    .recording
                    .get_or_insert_with(|| (file.clone(), *duration_ms, sha256.clone()));
            }
            Write::Campaign { .. }
            | Write::Intent(_)
            | Write::Answered { .. }
            | Write::Ended(_)
            | Write::Disposition { .. }
            | Write::Task { .. }
            | Write::AgentTime { .. }
            | Write::AgentLeg { .. }
            | Write::Binding(_)
            | Write::Unbind { .. } => debug_assert!(false, "no progress: {write:?}"),
        }
    }

    fn of(&mut self, attempt: AttemptId) -> &mut Steps {
        self.attempts.entry(attempt).or_default()
    }
}

fn is_progress(write: &Write) -> bool {
    match write {
        Write::Placed { .. }
        | Write::Ringing { .. }
        | Write::Bridged { .. }
        | Write::AgentHeard { .. }
        | Write::Recorded { .. } => true,
        Write::Campaign { .. }
        | Write::Intent(_)
        | Write::Answered { .. }
        | Write::Ended(_)
        | Write::Disposition { .. }
        | Write::Task { .. }
        | Write::AgentTime { .. }
        | Write::AgentLeg { .. }
        | Write::Binding(_)
        | Write::Unbind { .. } => false,
    }
}
