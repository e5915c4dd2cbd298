//! What happens when somebody picks up: invariants 8, 11 and 21.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use carillon_core::attempt::outcome::Outcome;
use carillon_core::id::AttemptId;
use carillon_core::store::memory::Memory;
use carillon_core::store::write::Write;

use super::calls::{Call, Calls, News};
use super::{Checker, Told};
use crate::world::media::Audio;
use crate::world::plan::Plan;
use crate::world::wire::{Seen, What};

/// From answer to agent or message.
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer that we don't want is acknowledged and ended within this.
const REFUSE_WITHIN: Duration = Duration::from_secs(5);

/// Invariant 8: whoever picks up hears an agent or the safe-harbour message within two seconds, and never both.
pub struct TwoSeconds {
    message: bool,
    ring_timeout: Duration,
    waiting: BTreeMap<String, Duration>,
}

impl TwoSeconds {
    pub fn new(plan: &Plan) -> Self {
        let message = plan.spec.safe_harbour.is_some();
        Self { message, ring_timeout: plan.spec.ring_timeout, waiting: BTreeMap::new() }
    }

    fn served(&self, call: &Call, until: Duration) -> bool {
        let in_time = |at: Option<Duration>| at.is_some_and(|at| at <= until);
        let first = call.answers.first();
        let left = in_time(first.and_then(|answer| answer.bye_came));
        // RFC 3261 §9.1: nothing can be cancelled that was not responded to; an answer that is the first response and comes after
        // the ring timeout is unwanted all the same.
        let late = first.is_some_and(|answer| answer.at >= call.invited_at + self.ring_timeout);
        let crossed =
            call.left_at.is_some() || call.cancelled_at.is_some() || (late && call.ringing_at.is_none());
        // An answer that crossed our CANCEL is ended at once; so is one that has no message to hear.
        let unwanted = crossed || !self.message;
        let ended = unwanted && in_time(first.and_then(|answer| answer.bye_sent));
        in_time(call.agent_heard_at) || in_time(call.message_at) || left || ended
    }

    fn late(&mut self, calls: &Calls, now: Duration) -> Told {
        let due: Vec<(String, Duration)> = self
            .waiting
            .iter()
            .filter(|(_, until)| **until < now)
            .map(|(id, at)| (id.clone(), *at))
            .collect();
        for (call_id, until) in due {
            self.waiting.remove(&call_id);
            if let Some(call) = calls.trunk.get(&call_id)
                && !self.served(call, until)
            {
                return Err(format!(
                    "call {call_id} to {} was answered at {:?} and left alone",
                    call.called,
                    until - PATIENCE
                ));
            }
        }
        Ok(())
    }
}

impl Checker for TwoSeconds {
    fn name(&self) -> &'static str {
        "two_seconds"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        self.late(calls, seen.at)?;
        match seen.what {
            // Whoever waits when the process dies is owed nothing by the dead; invariant 16 looks after them.
            What::Killed => self.waiting.clear(),
            What::Audio { local, .. } => {
                let both = calls.trunk.values().find(|call| {
                    call.rtp == Some(local) && call.agent_heard_at.is_some() && call.message_at.is_some()
                });
                if let Some(call) = both {
                    return Err(format!("call {} heard an agent and the message", call.call_id));
                }
            }
            What::Durable { writes } => {
                for write in writes {
                    if let Write::Ended(ended) = write {
                        agrees(calls, ended.attempt, ended.outcome)?;
                    }
                }
            }
            _ => {}
        }
        if let Some(News::Answered(call_id)) = &calls.news
            && let Some(call) = calls.trunk.get(call_id)
            && call.answers.len() == 1
            && call.life == calls.life
        {
            self.waiting.insert(call_id.clone(), seen.at + PATIENCE);
        }
        Ok(())
    }

    fn end(&mut self, at: Duration, calls: &Calls, _disk: &Memory, _over: bool) -> Told {
        self.late(calls, at)
    }
}

/// The outcome says what was heard.
fn agrees(calls: &Calls, attempt: AttemptId, outcome: Outcome) -> Told {
    let Some(known) = calls.attempts.get(&attempt) else { return Ok(()) };
    let Some(call) = calls.trunk.get(&known.intent.route.call_id) else { return Ok(()) };
    let fits = match outcome {
        Outcome::Interrupted => true,
        Outcome::Abandoned => call.agent_heard_at.is_none(),
        Outcome::Answered => call.message_at.is_none(),
        Outcome::Machine
        | Outcome::Busy
        | Outcome::NoAnswer
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::Congestion
        | Outcome::Failed
        | Outcome::Cancelled => call.agent_heard_at.is_none() && call.message_at.is_none(),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("attempt {attempt} ended as {outcome:?}, which is not what was heard"))
    }
}

/// Invariant 11: an agent talks to one person at a time; in the audio and by the books.
#[derive(Default)]
pub struct OneCallPerAgent {
    heard: BTreeMap<SocketAddr, SocketAddr>,
    bridged: BTreeMap<String, AttemptId>,
}

impl Checker for OneCallPerAgent {
    fn name(&self) -> &'static str {
        "one_call_per_agent"
    }

    fn see(&mut self, seen: &Seen<'_>, _calls: &Calls) -> Told {
        match seen.what {
            What::Audio { local, audio: Audio::Agent(agent) } => match self.heard.insert(agent, local) {
                Some(other) if other != local => Err(format!("who speaks at {agent} is heard by two people")),
                Some(_) | None => Ok(()),
            },
            What::Audio { local: _, audio: Audio::Parted(agent) } => {
                self.heard.remove(&agent);
                Ok(())
            }
            What::Killed => {
                self.heard.clear();
                Ok(())
            }
            What::Durable { writes } => writes.iter().try_for_each(|write| self.wrote(write)),
            _ => Ok(()),
        }
    }
}

impl OneCallPerAgent {
    fn wrote(&mut self, write: &Write) -> Told {
        match write {
            Write::Bridged { attempt, agent, .. } => match self.bridged.insert(agent.clone(), *attempt) {
                Some(other) if other != *attempt => {
                    Err(format!("{agent} is bridged to attempt {attempt} and still to attempt {other}"))
                }
                Some(_) | None => Ok(()),
            },
            Write::HandedOver { attempt, agent } => {
                self.bridged.retain(|_, of| of != attempt);
                match self.bridged.insert(agent.clone(), *attempt) {
                    Some(other) => {
                        Err(format!("{agent} gets attempt {attempt} and still has attempt {other}"))
                    }
                    None => Ok(()),
                }
            }
            Write::Inbound(row) if row.outcome.is_some() => {
                self.bridged.retain(|_, call| *call != row.call);
                Ok(())
            }
            Write::Inbound(row) => {
                // Handed over, too.
                self.bridged.retain(|_, call| *call != row.call);
                match row.agent.clone().map(|agent| self.bridged.insert(agent, row.call)) {
                    Some(Some(other)) if other != row.call => {
                        Err(format!("{:?} takes caller {} and still has call {other}", row.agent, row.call))
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Write::Ended(ended) => {
                self.bridged.retain(|_, attempt| *attempt != ended.attempt);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Invariant 21: answered is what a 200 of the very INVITE says; of several, one is kept and the others are acknowledged
/// and ended.
#[derive(Default)]
pub struct NoFalseAnswer {
    unwanted: BTreeMap<(String, String), Duration>,
}

impl NoFalseAnswer {
    fn late(&mut self, calls: &Calls, now: Duration) -> Told {
        let due: Vec<_> =
            self.unwanted.iter().filter(|(_, until)| **until < now).map(|(key, _)| key.clone()).collect();
        for (call_id, tag) in due {
            self.unwanted.remove(&(call_id.clone(), tag.clone()));
            let answers = calls.trunk.get(&call_id).into_iter().flat_map(|call| &call.answers);
            for answer in answers.filter(|answer| answer.tag == tag) {
                if !answer.acknowledged || answer.ended().is_none() {
                    return Err(format!(
                        "call {call_id}: the unwanted answer {tag} was not acknowledged and ended"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Checker for NoFalseAnswer {
    fn name(&self) -> &'static str {
        "no_false_answer"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        self.late(calls, seen.at)?;
        match seen.what {
            What::Killed => self.unwanted.clear(),
            What::Durable { writes } => {
                for write in writes {
                    if let Write::Answered { attempt, dialog, .. } = write {
                        let call = calls.trunk.get(&dialog.call_id);
                        let came = call.is_some_and(|call| {
                            call.from_tag == dialog.local_tag
                                && call.answers.iter().any(|answer| answer.tag == dialog.remote_tag)
                        });
                        if !came || calls.by_call.get(&dialog.call_id) != Some(attempt) {
                            return Err(format!(
                                "attempt {attempt} counts as answered, and no 200 of it came"
                            ));
                        }
                    }
                }
            }
            What::Audio { local, audio: Audio::Agent(_) | Audio::Message } => {
                let all = calls.trunk.values().chain(calls.callers.values()).chain(calls.lines.values());
                let served = all.filter(|call| call.rtp == Some(local));
                if !served.into_iter().any(|call| !call.answers.is_empty()) {
                    return Err(format!("audio leaves from {local}, and nobody answered there"));
                }
            }
            _ => {}
        }
        if let Some(News::Answered(call_id)) = &calls.news
            && let Some(call) = calls.trunk.get(call_id)
            && let Some(answer) = call.answers.last()
            && call.answers.len() > 1
            && call.life == calls.life
        {
            self.unwanted.insert((call_id.clone(), answer.tag.clone()), seen.at + REFUSE_WITHIN);
        }
        Ok(())
    }

    fn end(&mut self, at: Duration, calls: &Calls, _disk: &Memory, _over: bool) -> Told {
        self.late(calls, at)
    }
}
