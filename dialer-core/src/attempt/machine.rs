//! The life of one attempt, as a machine: what happened in, what follows out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use carillon_pacing::{AgentKey, Segment};

use super::answering::{connect_failed, handed_over, offered};
use super::event::{Action, Dropped, Event, Phase, Terms, Verdict};
use super::outcome::{Attribution, Finding, Outcome, of_failure};
use super::table::Rule;
use crate::closure::CALLEE_LEFT;
use crate::id::{AttemptId, CampaignId};
use crate::input::{EndedBy, Failure};
use crate::store::read::Due;
use crate::store::write::CallRoute;
use crate::time::{Now, Utc};

/// Longest wait for a held line.
const RESERVE_MAX: Duration = Duration::from_secs(5);
/// Longest safe-harbour message; it plays in real time, however fast campaign time runs.
const MESSAGE_MAX: Duration = Duration::from_secs(1_200);
/// Longest wait for the news that a call we ended has ended; beyond the 64*T1 of RFC 3261 section 17 at high speeds
/// of campaign time too.
const HANG_UP_MAX: Duration = Duration::from_secs(700);

/// An answer that waits.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub tried: BTreeSet<AgentKey>,
    pub agent_lost: bool,
}

/// Where it stands, with what belongs to that.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Waits for its line.
    Reserving,
    /// Waits for its intent to be durable.
    Intending {
        route: CallRoute,
    },
    /// The store takes too long: the line is given back, and it ends when the store answers.
    Withdrawn,
    /// The INVITE is about to leave.
    Placing,
    Dialing,
    Ringing,
    Waiting(Answer),
    Connecting {
        answer: Answer,
        agent: AgentKey,
    },
    Talking {
        agent: AgentKey,
        since: Utc,
    },
    /// Abandoned, hearing the message.
    Message,
    /// We end it and wait for the news that it has ended.
    HangingUp {
        finding: Finding,
        talk: Option<(AgentKey, Utc)>,
        answered: bool,
    },
    /// Its ending is being stored, or it leaves no trace.
    Over,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub id: AttemptId,
    pub campaign: CampaignId,
    pub due: Due,
    /// The agent who alone may take the call.
    pub owner: Option<AgentKey>,
    /// As what the pacer counts it.
    pub segment: Segment,
    pub launched: Duration,
    pub opened_at: Utc,
    pub(super) terms: Terms,
    state: State,
    /// How the trunk before failed, where there was one.
    pub(super) diverted: Option<Finding>,
    /// Whether an INVITE of it left.
    pub(super) is_placed: bool,
    /// When it first rang.
    pub(super) rang_at: Option<Duration>,
    early_media: bool,
    /// Whether its task was closed meanwhile.
    pub settled: bool,
    /// What its trunk means by refusals, where that differs.
    pub rules: Option<Arc<[Rule]>>,
    pub(super) deadline: Option<Duration>,
}

impl Attempt {
    /// An attempt that waits for its line.
    pub fn new(id: AttemptId, campaign: CampaignId, due: Due, terms: Terms, now: Now) -> Self {
        let deadline = Some(now.monotonic.saturating_add(RESERVE_MAX));
        Self {
            id,
            campaign,
            due,
            owner: None,
            segment: Segment::default(),
            launched: now.monotonic,
            opened_at: now.utc,
            terms,
            state: State::Reserving,
            diverted: None,
            is_placed: false,
            rang_at: None,
            early_media: false,
            settled: false,
            rules: None,
            deadline,
        }
    }

    /// The call is for this agent alone.
    pub fn owned_by(mut self, owner: Option<AgentKey>) -> Self {
        self.owner = owner;
        self
    }

    /// The pacer counts it as this.
    pub fn reckoned_as(mut self, segment: Segment) -> Self {
        self.segment = segment;
        self
    }

    /// When [`Event::Deadline`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Reserving | State::Intending { .. } | State::Withdrawn | State::Placing => Phase::Opening,
            State::Dialing | State::Ringing => Phase::Unanswered,
            State::Waiting(_) | State::Connecting { .. } | State::Message => Phase::Waiting,
            State::Talking { .. } => Phase::Talking,
            State::HangingUp { talk: Some(_), .. } => Phase::Talking,
            State::HangingUp { talk: None, answered: true, .. } => Phase::Waiting,
            State::HangingUp { talk: None, answered: false, .. } => Phase::Unanswered,
            State::Over => Phase::Over,
        }
    }

    /// Whether it waits for an agent and this one may take it and has not failed it yet.
    pub fn wants(&self, agent: AgentKey) -> bool {
        match &self.state {
            State::Waiting(answer) => {
                self.owner.is_none_or(|owner| owner == agent) && !answer.tried.contains(&agent)
            }
            State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over => false,
        }
    }

    /// Whether it waits for an agent.
    pub fn is_seeking(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Whether its task may still be given back untouched: nothing was recorded.
    pub fn is_unrecorded(&self) -> bool {
        matches!(self.state, State::Reserving)
    }

    /// Takes in one event.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let before = std::mem::replace(&mut self.state, State::Over);
        tracing::trace!(attempt = %self.id, ?before, ?event, "attempt");
        let mut actions = Vec::new();
        self.state = match event {
            Event::Reserved(route) => self.reserved(before, route, now, &mut actions),
            Event::Busy => self.busy(before, Dropped::NoLine, &mut actions),
            Event::NotAllowed => self.busy(before, Dropped::NotAllowed, &mut actions),
            Event::Diverted(failure, route) => self.divert(before, failure, route, now, &mut actions),
            Event::IntentStored => self.intent_stored(before, now, &mut actions),
            Event::IntentRefused(refusal) => self.intent_refused(before, refusal, &mut actions),
            Event::PermitRefused(reason) => self.permit_refused(before, reason, &mut actions),
            Event::Placed => self.placed(before, now, &mut actions),
            Event::Ringing { early_media } => {
                self.early_media |= early_media;
                self.ringing(before, now, &mut actions)
            }
            Event::Answered(dialog) => self.answered(before, dialog, now, &mut actions),
            Event::Offered(agent) => offered(before, agent, &mut actions),
            Event::Connected => self.connected(before, now, &mut actions),
            Event::ConnectFailed(agent) => connect_failed(before, agent, &mut actions),
            Event::AgentLost(agent) => self.agent_lost(before, agent, now, &mut actions),
            Event::HandedOver(agent) => handed_over(before, agent),
            Event::Failed(failure) => self.failed(before, failure, now, &mut actions),
            Event::Ended(by, reason) => self.ended(before, by, &reason, now, &mut actions),
            Event::Cut(reason) => self.cut(before, reason, now, &mut actions),
            Event::Abort => self.abort(before, now, &mut actions),
            Event::Deadline => self.deadline_passed(before, now, &mut actions),
        };
        if matches!(self.state, State::Over) {
            self.deadline = None;
        }
        actions
    }

    /// What a failure was, by what was heard before it and by what its trunk means.
    pub(super) fn judged(&self, failure: Failure, now: Now) -> Finding {
        let rang = self.rang_at.map(|at| now.monotonic.saturating_sub(at));
        of_failure(failure, rang, self.early_media, self.rules.as_deref().unwrap_or_default())
    }

    fn failed(&mut self, before: State, failure: Failure, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Placing | State::Dialing | State::Ringing => {
                let finding = self.judged(failure, now);
                let finding = self.unless_diverted(finding);
                end(finding, None, actions)
            }
            State::HangingUp { mut finding, talk, .. } => {
                match failure {
                    // The callee's final status is worth keeping: a busy that crossed our CANCEL stays a no_answer of ours.
                    Failure::Status(status) | Failure::Caused { status, cause: _ } => {
                        finding.sip_status = Some(status);
                    }
                    // Nothing rang where nobody said a word.
                    Failure::Timeout if finding.outcome == Outcome::NoAnswer => {
                        finding = self.judged(failure, now);
                    }
                    Failure::Timeout
                    | Failure::Cancelled
                    | Failure::Transport
                    | Failure::Expired
                    | Failure::Media
                    | Failure::Ports
                    | Failure::Unsigned => {}
                }
                end(finding, talk.map(|(agent, since)| (agent, now.utc.since(since))), actions)
            }
            // An answered call that fails has ended.
            State::Waiting(_) | State::Connecting { .. } | State::Talking { .. } | State::Message => {
                self.ended(before, EndedBy::Network, "failed", now, actions)
            }
            other @ (State::Reserving | State::Intending { .. } | State::Withdrawn | State::Over) => other,
        }
    }

    fn ended(
        &mut self,
        before: State,
        by: EndedBy,
        reason: &str,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        let attribution = match by {
            EndedBy::Callee => Attribution::Callee,
            EndedBy::Us | EndedBy::Agent => Attribution::Us,
            EndedBy::Network => Attribution::Network,
        };
        match before {
            State::Waiting(_) | State::Connecting { .. } if matches!(by, EndedBy::Us | EndedBy::Agent) => {
                let agent_lost = self.abandon(before, actions);
                actions.push(Action::NoteAbandoned { agent_lost });
                end(Finding::new(Outcome::Abandoned, Attribution::Us, reason), None, actions)
            }
            State::Waiting(_) => {
                end(Finding::new(Outcome::Answered, attribution, CALLEE_LEFT), None, actions)
            }
            State::Connecting { agent, .. } => {
                actions.push(Action::AgentBack(agent));
                end(Finding::new(Outcome::Answered, attribution, CALLEE_LEFT), None, actions)
            }
            State::Talking { agent, since } => {
                let talk = Some((agent, now.utc.since(since)));
                end(Finding::new(Outcome::Answered, attribution, reason), talk, actions)
            }
            State::Message => end(abandoned("no_agent"), None, actions),
            State::HangingUp { finding, talk, .. } => {
                end(finding, talk.map(|(agent, since)| (agent, now.utc.since(since))), actions)
            }
            // The end of a call whose answer was never told: our own mistake, and no reason to give the task up.
            State::Placing | State::Dialing | State::Ringing => {
                end(Finding::new(Outcome::Failed, Attribution::Us, reason), None, actions)
            }
            other @ (State::Reserving | State::Intending { .. } | State::Withdrawn | State::Over) => other,
        }
    }

    fn cut(&mut self, before: State, reason: &'static str, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Talking { agent, since } => {
                let finding = Finding::new(Outcome::Answered, Attribution::Us, reason);
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
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    fn abort(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Reserving => {
                actions.push(Action::Release);
                actions.push(Action::Drop(Dropped::NoLine));
                State::Over
            }
            // The store still answers; the permit is refused then.
            other @ (State::Intending { .. } | State::Withdrawn | State::HangingUp { .. } | State::Over) => {
                other
            }
            State::Placing | State::Dialing | State::Ringing => {
                let finding = Finding::new(Outcome::Cancelled, Attribution::Us, "aborted");
                self.hang_up(finding, None, false, now, actions)
            }
            State::Waiting(_) | State::Connecting { .. } => {
                let agent_lost = self.abandon(before, actions);
                actions.push(Action::NoteAbandoned { agent_lost });
                self.hang_up(abandoned("aborted"), None, true, now, actions)
            }
            State::Message => self.hang_up(abandoned("aborted"), None, true, now, actions),
            State::Talking { .. } => self.cut(before, "aborted", now, actions),
        }
    }

    fn deadline_passed(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        self.deadline = None;
        match before {
            State::Reserving => {
                actions.push(Action::Release);
                actions.push(Action::Drop(Dropped::NoLine));
                State::Over
            }
            State::Placing => {
                let finding = Finding::new(Outcome::Cancelled, Attribution::Us, "expired");
                self.hang_up(finding, None, false, now, actions)
            }
            State::Dialing | State::Ringing => {
                let finding = Finding::new(Outcome::NoAnswer, Attribution::Callee, "ring_timeout");
                self.hang_up(finding, None, false, now, actions)
            }
            State::Waiting(Answer { agent_lost, .. }) => self.no_agent(agent_lost, now, actions),
            // A phone that does not come in time fails its agent: the next callee must not wait for it too.
            State::Connecting { agent, .. } => {
                actions.push(Action::Disconnect);
                actions.push(Action::AgentFailed(agent));
                self.no_agent(true, now, actions)
            }
            State::Talking { .. } => self.cut(before, "talk_limit", now, actions),
            State::Message => self.hang_up(abandoned("no_agent"), None, true, now, actions),
            // Nobody told its end: it counts as over.
            State::HangingUp { finding, talk, .. } => {
                end(finding, talk.map(|(agent, since)| (agent, now.utc.since(since))), actions)
            }
            State::Intending { .. } => {
                actions.push(Action::Release);
                State::Withdrawn
            }
            other @ (State::Withdrawn | State::Over) => other,
        }
    }

    /// No agent came in time: the message, or the end.
    fn no_agent(&mut self, agent_lost: bool, now: Now, actions: &mut Vec<Action>) -> State {
        actions.push(Action::NoteAbandoned { agent_lost });
        if self.terms.message {
            actions.push(Action::PlayMessage);
            self.deadline = Some(now.monotonic.saturating_add(MESSAGE_MAX));
            State::Message
        } else {
            self.hang_up(abandoned("no_agent"), None, true, now, actions)
        }
    }

    /// Lets go of an agent that is being connected; whether an agent was lost before.
    fn abandon(&self, before: State, actions: &mut Vec<Action>) -> bool {
        match before {
            State::Waiting(answer) => answer.agent_lost,
            State::Connecting { answer, agent } => {
                actions.push(Action::Disconnect);
                actions.push(Action::AgentBack(agent));
                answer.agent_lost
            }
            State::Reserving
            | State::Intending { .. }
            | State::Withdrawn
            | State::Placing
            | State::Dialing
            | State::Ringing
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over => false,
        }
    }

    pub(super) fn hang_up(
        &mut self,
        finding: Finding,
        talk: Option<(AgentKey, Utc)>,
        answered: bool,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        self.deadline = Some(now.monotonic.saturating_add(HANG_UP_MAX));
        actions.push(Action::HangUp);
        State::HangingUp { finding, talk, answered }
    }
}

fn abandoned(reason: &str) -> Finding {
    Finding::new(Outcome::Abandoned, Attribution::Us, reason)
}

pub(super) fn end(finding: Finding, talk: Option<(AgentKey, Duration)>, actions: &mut Vec<Action>) -> State {
    if let Some((agent, _)) = talk {
        actions.push(Action::AgentTalked(agent));
    }
    actions.push(Action::End(Verdict { finding, talk }));
    State::Over
}

#[cfg(test)]
impl Attempt {
    /// The state's name, for the table of transitions.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            State::Reserving => "reserving",
            State::Intending { .. } => "intending",
            State::Withdrawn => "withdrawn",
            State::Placing => "placing",
            State::Dialing => "dialing",
            State::Ringing => "ringing",
            State::Waiting(_) => "waiting",
            State::Connecting { .. } => "connecting",
            State::Talking { .. } => "talking",
            State::Message => "message",
            State::HangingUp { talk: Some(_), .. } => "hanging up, talked",
            State::HangingUp { talk: None, answered: true, .. } => "hanging up, answered",
            State::HangingUp { talk: None, answered: false, .. } => "hanging up, unanswered",
            State::Over => "over",
        }
    }

    /// As if the campaign had no safe-harbour message.
    pub fn forget_message(&mut self) {
        self.terms.message = false;
    }
}
