//! After a death: invariant 16.

use std::time::Duration;

use carillon_core::attempt::outcome::Outcome;
use carillon_core::id::AttemptId;
use carillon_core::store::memory::Memory;
use carillon_core::time::Utc;

use super::calls::{Calls, News};
use super::{Checker, Told};
use crate::world::wire::{Seen, What};

/// By then an orphan has its ending and its call its BYE or CANCEL.
const WITHIN: Duration = Duration::from_secs(30);

/// An answer to a call of a dead process is acknowledged and ended within this.
const LATE_ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Invariant 16: what a dead process left open ends as interrupted, and whatever may still be up is told so.
#[derive(Default)]
pub struct Restart {
    until: Duration,
    attempts: Vec<AttemptId>,
    /// Call-IDs, and whether the dialog was known.
    calls: Vec<(String, bool)>,
    /// Call-IDs and tags of answers that came for a dead process, and by when they are ended.
    answers: Vec<(Duration, String, String)>,
}

impl Restart {
    fn unwanted(&mut self, calls: &Calls, now: Duration) -> Told {
        let due = self.answers.extract_if(.., |(until, _, _)| *until < now);
        for (_, call_id, tag) in due {
            let answers = calls.trunk.get(&call_id).into_iter().flat_map(|call| &call.answers);
            for answer in answers.filter(|answer| answer.tag == tag) {
                if !answer.acknowledged || answer.ended().is_none() {
                    return Err(format!(
                        "the late answer {tag} to orphan {call_id} was not acknowledged and ended"
                    ));
                }
            }
        }
        Ok(())
    }

    fn late(&mut self, calls: &Calls) -> Told {
        for attempt in std::mem::take(&mut self.attempts) {
            match calls.attempts.get(&attempt).and_then(|known| known.ended) {
                Some((_, Outcome::Interrupted)) => {}
                other => return Err(format!("orphan {attempt} ended as {other:?}")),
            }
        }
        for (call_id, answered) in std::mem::take(&mut self.calls) {
            let Some(call) = calls.trunk.get(&call_id).or(calls.phones.get(&call_id)) else {
                // The process died before its INVITE left.
                continue;
            };
            let told = if answered {
                call.answers.iter().any(|answer| answer.bye_sent.is_some() || answer.bye_came.is_some())
            } else {
                call.cancelled_at.is_some() || call.refused_at.is_some()
            };
            if !told {
                return Err(format!("the orphan {call_id} to {} was not ended", call.called));
            }
        }
        Ok(())
    }
}

impl Checker for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        self.unwanted(calls, seen.at)?;
        if let Some(News::Answered(call_id)) = &calls.news
            && let Some(call) = calls.trunk.get(call_id).filter(|call| call.life != calls.life)
            && let Some(answer) = call.answers.last()
        {
            self.answers.push((seen.at + LATE_ANSWER_WITHIN, call_id.clone(), answer.tag.clone()));
        }
        match seen.what {
            What::Killed => {
                self.attempts.clear();
                self.calls.clear();
                self.answers.clear();
            }
            What::Started => {
                self.until = seen.at + WITHIN;
                let recovered = seen.disk.recover(Utc(0));
                self.attempts = recovered.open_attempts.iter().map(|row| row.attempt).collect();
                let orphans = recovered.open_attempts.iter().map(|row| &row.orphan);
                self.calls = orphans
                    .chain(recovered.agent_legs.values())
                    .map(|orphan| (orphan.route.call_id.clone(), orphan.dialog.is_some()))
                    .collect();
            }
            _ if seen.at > self.until => return self.late(calls),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _at: Duration, calls: &Calls, disk: &Memory, _over: bool) -> Told {
        self.late(calls)?;
        // Whoever had picked up when the process died counts as abandoned.
        let told: u64 = disk.recover(Utc(0)).campaigns.iter().map(|campaign| campaign.abandoned).sum();
        let let_down = disk.attempts().filter(|row| {
            row.answered_at.is_some()
                && row.bridged_at.is_none()
                && row.reason != "callee_left"
                && row.outcome.is_some()
        });
        let counted = let_down.count() as u64;
        if told == counted { Ok(()) } else { Err(format!("{counted} were let down, the books say {told}")) }
    }
}
