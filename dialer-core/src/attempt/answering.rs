//! The machine's second half: an answer, and the agent for it.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon_pacing::AgentKey;

use super::event::Action;
use super::machine::{Answer, Attempt, State};
use super::outcome::{Attribution, Finding, Outcome};
use crate::store::write::CallDialog;
use crate::time::Now;

/// The message begins this long before the abandonment limit, at most a quarter of it: its first packet must be out
/// within the limit.
const MESSAGE_MARGIN: Duration = Duration::from_millis(250);

impl Attempt {
    pub(super) fn answered(
        &mut self,
        before: State,
        dialog: CallDialog,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Placing | State::Dialing | State::Ringing => {
                if matches!(before, State::Placing) && self.diverted.is_none() {
                    actions.push(Action::NotePlaced);
                }
                actions.push(Action::NoteAnswered(dialog));
                actions.push(Action::Seek);
                self.deadline = Some(now.monotonic.saturating_add(self.patience()));
                State::Waiting(Answer { tried: BTreeSet::new(), agent_lost: false })
            }
            // The answer crossed our CANCEL: a person picked up and was let down.
            State::HangingUp { talk: None, answered: false, .. } => {
                actions.push(Action::NoteAnswered(dialog));
                actions.push(Action::NoteAbandoned { agent_lost: false });
                let finding = Finding::new(Outcome::Abandoned, Attribution::Us, "answered_while_cancelling");
                State::HangingUp { finding, talk: None, answered: true }
            }
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    pub(super) fn connected(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Connecting { agent, .. } => {
                let limit = self.terms.talk_limit;
                self.deadline = (!limit.is_zero()).then(|| now.monotonic.saturating_add(limit));
                actions.push(Action::NoteBridged(agent));
                State::Talking { agent, since: now.utc }
            }
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    pub(super) fn agent_lost(
        &mut self,
        before: State,
        lost: AgentKey,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Connecting { mut answer, agent } if agent == lost => {
                actions.push(Action::Disconnect);
                actions.push(Action::AgentFailed(agent));
                actions.push(Action::Seek);
                answer.tried.insert(agent);
                answer.agent_lost = true;
                State::Waiting(answer)
            }
            State::Talking { agent, since } if agent == lost => {
                let finding = Finding::new(Outcome::Answered, Attribution::Us, "agent_left");
                self.hang_up(finding, Some((agent, since)), true, now, actions)
            }
            other @ (State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Waiting(_)
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    /// How long an answer waits for its agent.
    fn patience(&self) -> Duration {
        let limit = self.terms.abandon_after;
        if self.terms.message { limit.saturating_sub(MESSAGE_MARGIN.min(limit / 4)) } else { limit }
    }
}

pub(super) fn offered(before: State, agent: AgentKey, actions: &mut Vec<Action>) -> State {
    match before {
        State::Waiting(answer) => {
            actions.push(Action::Connect(agent));
            State::Connecting { answer, agent }
        }
        other @ (State::Reserving
        | State::Intending { .. }
        | State::Withdrawn
        | State::Placing
        | State::Dialing
        | State::Ringing
        | State::Connecting { .. }
        | State::Talking { .. }
        | State::Message
        | State::HangingUp { .. }
        | State::Over) => {
            actions.push(Action::AgentBack(agent));
            other
        }
    }
}

pub(super) fn connect_failed(before: State, failed: AgentKey, actions: &mut Vec<Action>) -> State {
    match before {
        State::Connecting { mut answer, agent } if agent == failed => {
            actions.push(Action::AgentFailed(agent));
            actions.push(Action::Seek);
            answer.tried.insert(agent);
            answer.agent_lost = true;
            State::Waiting(answer)
        }
        other @ (State::Reserving
        | State::Intending { .. }
        | State::Withdrawn
        | State::Placing
        | State::Dialing
        | State::Ringing
        | State::Waiting(_)
        | State::Connecting { .. }
        | State::Talking { .. }
        | State::Message
        | State::HangingUp { .. }
        | State::Over) => other,
    }
}

/// Whoever has the call in the end is the one who talked.
pub(super) fn handed_over(before: State, to: AgentKey) -> State {
    match before {
        State::Talking { agent: _, since } => State::Talking { agent: to, since },
        State::HangingUp { finding, talk: Some((_, since)), answered } => {
            State::HangingUp { finding, talk: Some((to, since)), answered }
        }
        other @ (State::Reserving
        | State::Intending { .. }
        | State::Withdrawn
        | State::Placing
        | State::Dialing
        | State::Ringing
        | State::Waiting(_)
        | State::Connecting { .. }
        | State::Message
        | State::HangingUp { talk: None, .. }
        | State::Over) => other,
    }
}
