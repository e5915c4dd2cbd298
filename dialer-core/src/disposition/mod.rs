//! Disposition (落单): what the agent recorded about a bridged call, once per attempt.

use std::collections::{BTreeMap, BTreeSet};

use crate::closure::History;
use crate::id::{AttemptId, CampaignId, TaskId};

/// Longest disposition in characters.
pub const DISPOSITION_CHARACTERS_MAX: usize = 100;
/// Longest note in characters.
pub const NOTE_CHARACTERS_MAX: usize = 4_000;
/// Most calls whose disposition is remembered, so that a repeated send is done once.
const REMEMBERED_MAX: usize = 10_000;

/// A bridged call that waits for the agent's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub campaign: CampaignId,
    /// The task that it decides on; `None`: of a caller that has none.
    pub task: Option<TaskId>,
    pub timezone: Option<String>,
    pub history: History,
    /// Who had the call.
    pub agent: String,
    /// The word, where the agent gave it while the call was still up.
    pub early: Option<(String, String)>,
    /// Whether the task is closed already.
    pub settled: bool,
    /// Whether the call has ended.
    pub ended: bool,
}

/// What a word means for the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The first word on an ended call: to be recorded.
    Record(Awaited),
    /// Kept until the call has ended.
    Kept,
    /// The same word again: done already.
    Repeated,
    /// Another word was recorded.
    Contradicts,
    /// Nobody waits for a word from this agent on this call.
    Unknown,
}

/// All calls that wait for a word, and the latest that have it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dispositions {
    awaited: BTreeMap<AttemptId, Awaited>,
    tasks: BTreeSet<TaskId>,
    /// The awaited calls of each task: without it, closing a task goes through everybody's calls.
    calls: BTreeSet<(TaskId, AttemptId)>,
    recorded: BTreeMap<AttemptId, (String, String)>,
}

impl Dispositions {
    /// A call was bridged, or a restart found it without a word.
    pub fn expect(&mut self, attempt: AttemptId, awaited: Awaited) {
        self.tasks.extend(awaited.task);
        self.calls.extend(awaited.task.map(|task| (task, attempt)));
        self.awaited.insert(attempt, awaited);
    }

    /// The task is closed by another word or outcome: what is still said of it changes nothing any more.
    pub fn settle_task(&mut self, task: TaskId) {
        for (_, attempt) in self.calls.range((task, AttemptId(0))..=(task, AttemptId(u64::MAX))) {
            if let Some(awaited) = self.awaited.get_mut(attempt) {
                awaited.settled = true;
            }
        }
    }

    /// The call has ended; its early word, where there is one, is due now.
    pub fn call_ended(&mut self, attempt: AttemptId) -> Option<(String, String)> {
        let awaited = self.awaited.get_mut(&attempt)?;
        awaited.ended = true;
        awaited.early.clone()
    }

    /// Whether the call still waits for its word.
    pub fn is_awaited(&self, attempt: AttemptId) -> bool {
        self.awaited.contains_key(&attempt)
    }

    /// Calls of a campaign that have ended and wait.
    pub fn waiting(&self, campaign: CampaignId) -> usize {
        self.awaited.values().filter(|awaited| awaited.campaign == campaign && awaited.ended).count()
    }

    /// Whether a task waits for a word.
    pub fn holds(&self, task: TaskId) -> bool {
        self.tasks.contains(&task)
    }

    /// The agent's (or script's) word.
    pub fn word(&mut self, attempt: AttemptId, agent: &str, disposition: &str) -> Word {
        if let Some((by, word)) = self.recorded.get(&attempt) {
            return match by == agent {
                true if word == disposition => Word::Repeated,
                true => Word::Contradicts,
                false => Word::Unknown,
            };
        }
        match self.awaited.get(&attempt) {
            Some(awaited) if awaited.agent != agent => Word::Unknown,
            Some(awaited) if !awaited.ended => Word::Kept,
            Some(_) => {
                self.remember(attempt, agent, disposition);
                let awaited = self.awaited.remove(&attempt);
                if let Some(task) = awaited.as_ref().and_then(|awaited| awaited.task) {
                    self.tasks.remove(&task);
                    self.calls.remove(&(task, attempt));
                }
                awaited.map_or(Word::Unknown, Word::Record)
            }
            None => Word::Unknown,
        }
    }

    /// Keeps an early word; a later one replaces it.
    pub fn keep(&mut self, attempt: AttemptId, disposition: &str, note: &str) {
        if let Some(awaited) = self.awaited.get_mut(&attempt) {
            awaited.early = Some((disposition.to_owned(), note.to_owned()));
        }
    }

    /// The word on a call is another agent's now, and none was given yet.
    pub fn hand_over(&mut self, attempt: AttemptId, agent: &str) {
        if let Some(awaited) = self.awaited.get_mut(&attempt) {
            agent.clone_into(&mut awaited.agent);
            awaited.early = None;
        }
    }

    fn remember(&mut self, attempt: AttemptId, agent: &str, disposition: &str) {
        if self.recorded.len() >= REMEMBERED_MAX {
            self.recorded.pop_first();
        }
        self.recorded.insert(attempt, (agent.to_owned(), disposition.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(task: Option<u64>) -> Awaited {
        Awaited {
            campaign: CampaignId(1),
            task: task.map(TaskId),
            timezone: None,
            history: History { attempts: 1, first_attempt_at: crate::time::Utc(0) },
            agent: "mia".into(),
            early: None,
            settled: false,
            ended: true,
        }
    }

    #[test]
    fn a_closed_task_settles_all_of_its_calls_and_no_other() {
        let mut dispositions = Dispositions::default();
        for (attempt, task) in
            [(0, Some(7)), (u64::MAX, Some(7)), (3, Some(6)), (4, Some(8)), (5, None), (6, Some(7))]
        {
            dispositions.expect(AttemptId(attempt), awaited(task));
        }
        let said = dispositions.word(AttemptId(6), "mia", "sold");
        assert!(matches!(said, Word::Record(awaited) if !awaited.settled), "its word came before");
        dispositions.settle_task(TaskId(7));
        let settled = [0, 3, 4, 5, u64::MAX].map(|attempt| {
            match dispositions.word(AttemptId(attempt), "mia", "sold") {
                Word::Record(awaited) => awaited.settled,
                other => panic!("{other:?}"),
            }
        });
        assert_eq!(settled, [true, false, false, false, true]);
        assert!(dispositions.calls.is_empty(), "the index goes with the calls");
    }
}
