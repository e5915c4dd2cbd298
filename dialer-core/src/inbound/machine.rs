//! The life of one inbound call, as a machine: what happened in, what follows out.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon_pacing::AgentKey;

use super::{InboundOutcome, InboundRow, KnownCaller};
use crate::attempt::event::Event;
use crate::input::EndedBy;
use crate::store::write::{CallDialog, CallRoute, OrphanRow};
use crate::time::{Now, Utc};

/// Longest wait for the store's word on who calls; the call goes on without it then.
pub(crate) const LOOK_MAX: Duration = Duration::from_secs(1);
/// Longest wait for an agent's phone, which the gateway lets ring for 20 s.
const CONNECT_MAX: Duration = Duration::from_secs(25);
/// Longest message; it plays in real time, however fast campaign time runs.
const MESSAGE_MAX: Duration = Duration::from_secs(1_200);
/// Longest wait for the news that a call we ended has ended.
const HANG_UP_MAX: Duration = Duration::from_secs(700);

/// What a campaign says of its callers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// From the first ring to the agent.
    pub wait_max: Duration,
    /// Whether there is a message.
    pub message: bool,
    /// Longest talk; zero means until a side hangs up.
    pub talk_limit: Duration,
    /// Whether anybody is to be looked for: not where the campaign is ending.
    pub seeks: bool,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// The row has changed.
    Note,
    /// Look for a free agent, now and until the deadline.
    Seek,
    Connect(AgentKey),
    Disconnect,
    Bridged(AgentKey),
    PlayMessage,
    HangUp,
    /// The agent waits again as if nothing had been.
    AgentBack(AgentKey),
    /// The agent's phone could not be joined.
    AgentFailed(AgentKey),
    /// It is over; who had the call.
    End(Option<AgentKey>),
}

/// Where it stands.
#[derive(Clone, Debug)]
enum State {
    /// The store is asked who calls.
    Looking,
    Waiting {
        tried: BTreeSet<AgentKey>,
    },
    Connecting {
        tried: BTreeSet<AgentKey>,
        agent: AgentKey,
    },
    Talking {
        agent: AgentKey,
        since: Utc,
    },
    Message,
    /// We end it and wait for the news that it has ended.
    HangingUp {
        outcome: InboundOutcome,
        reason: &'static str,
        talk: Option<(AgentKey, Utc)>,
    },
    Over,
}

/// One inbound call.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    pub row: InboundRow,
    /// What the list knows of the caller.
    pub known: Option<KnownCaller>,
    pub terms: Terms,
    state: State,
    give_up: Duration,
    deadline: Option<Duration>,
}

impl Inbound {
    /// A call that began to ring now.
    pub fn new(row: InboundRow, terms: Terms, now: Now) -> Self {
        let give_up = now.monotonic.saturating_add(terms.wait_max);
        let deadline = Some(now.monotonic.saturating_add(LOOK_MAX));
        Self { row, known: None, terms, state: State::Looking, give_up, deadline }
    }

    /// One that an earlier process had, and that waits for the agent's word alone.
    pub fn ended_before(row: InboundRow, known: Option<KnownCaller>, terms: Terms, now: Now) -> Self {
        Self { known, state: State::Over, deadline: None, ..Self::new(row, terms, now) }
    }

    /// When [`Event::Deadline`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Whether it waits for an agent and this one has not failed it yet.
    pub fn wants(&self, agent: AgentKey) -> bool {
        match &self.state {
            State::Waiting { tried } => !tried.contains(&agent),
            State::Looking
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over => false,
        }
    }

    /// Whether it waits for an agent.
    pub fn is_seeking(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The store's word on who calls; it came too late where the call goes on already.
    pub fn found(&mut self, known: Option<KnownCaller>, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        if matches!(self.state, State::Looking) {
            if let Some(known) = &known {
                self.row.campaign = known.campaign;
                (self.row.contact, self.row.task) = (Some(known.contact), Some(known.task));
            }
            self.known = known;
            actions.push(Action::Note);
            self.state = self.seek(now, &mut actions);
        }
        actions
    }

    /// Takes in one event.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let before = std::mem::replace(&mut self.state, State::Over);
        tracing::trace!(call = %self.row.call, ?before, ?event, "inbound call");
        let mut actions = Vec::new();
        self.state = match event {
            Event::Answered(dialog) => {
                self.row.answered_at.get_or_insert(now.utc);
                let route = route_of(&self.row, &dialog);
                self.row.leg = Some(OrphanRow { route, dialog: Some(dialog) });
                actions.push(Action::Note);
                before
            }
            Event::Offered(agent) => {
                offered(before, agent, &mut actions, self.connect_until(now), &mut self.deadline)
            }
            Event::Connected => self.connected(before, now, &mut actions),
            Event::ConnectFailed(agent) => self.agent_failed(before, agent, false, now, &mut actions),
            Event::AgentLost(agent) => self.agent_failed(before, agent, true, now, &mut actions),
            Event::HandedOver(to) => match before {
                State::Talking { agent: _, since } => State::Talking { agent: to, since },
                State::HangingUp { outcome, reason, talk: Some((_, since)) } => {
                    State::HangingUp { outcome, reason, talk: Some((to, since)) }
                }
                other @ (State::Looking
                | State::Waiting { .. }
                | State::Connecting { .. }
                | State::Message
                | State::HangingUp { talk: None, .. }
                | State::Over) => other,
            },
            Event::Failed(_) => self.ended(before, EndedBy::Network, "failed", now, &mut actions),
            Event::Ended(by, reason) => self.ended(before, by, &reason, now, &mut actions),
            Event::Cut(reason) => self.cut(before, reason, now, &mut actions),
            Event::Abort => self.abort(before, now, &mut actions),
            Event::Deadline => self.deadline_passed(before, now, &mut actions),
            // Of attempts alone.
            Event::Reserved(_)
            | Event::Busy
            | Event::NotAllowed
            | Event::Diverted(..)
            | Event::IntentStored
            | Event::IntentRefused(_)
            | Event::PermitRefused(_)
            | Event::Placed
            | Event::Ringing { .. } => before,
        };
        if matches!(self.state, State::Over) {
            self.deadline = None;
        }
        actions
    }

    fn seek(&mut self, now: Now, actions: &mut Vec<Action>) -> State {
        if !self.terms.seeks {
            return self.no_agent(now, actions);
        }
        self.deadline = Some(self.give_up.max(now.monotonic));
        actions.push(Action::Seek);
        State::Waiting { tried: BTreeSet::new() }
    }

    fn connect_until(&self, now: Now) -> Duration {
        self.give_up.max(now.monotonic.saturating_add(CONNECT_MAX))
    }

    fn connected(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Connecting { agent, .. } => {
                let limit = self.terms.talk_limit;
                self.deadline = (!limit.is_zero()).then(|| now.monotonic.saturating_add(limit));
                self.row.bridged_at = Some(now.utc);
                actions.push(Action::Bridged(agent));
                State::Talking { agent, since: now.utc }
            }
            other @ (State::Looking
            | State::Waiting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    /// The phone of an agent could not be joined, or has left.
    fn agent_failed(
        &mut self,
        before: State,
        failed: AgentKey,
        lost: bool,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        match before {
            State::Connecting { mut tried, agent } if agent == failed => {
                if lost {
                    actions.push(Action::Disconnect);
                }
                actions.push(Action::AgentFailed(agent));
                if self.give_up <= now.monotonic {
                    return self.no_agent(now, actions);
                }
                tried.insert(agent);
                self.deadline = Some(self.give_up);
                actions.push(Action::Seek);
                State::Waiting { tried }
            }
            State::Talking { agent, since } if agent == failed && lost => {
                self.hang_up(InboundOutcome::Talked, "agent_left", Some((agent, since)), now, actions)
            }
            other @ (State::Looking
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Talking { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
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
        let unheard = match by {
            EndedBy::Callee => InboundOutcome::Left,
            EndedBy::Us | EndedBy::Agent | EndedBy::Network => InboundOutcome::Failed,
        };
        match before {
            State::Looking | State::Waiting { .. } => self.end(unheard, reason, None, now, actions),
            State::Connecting { agent, .. } => {
                actions.push(Action::AgentBack(agent));
                self.end(unheard, reason, None, now, actions)
            }
            State::Talking { agent, since } => {
                self.end(InboundOutcome::Talked, reason, Some((agent, since)), now, actions)
            }
            State::Message if self.row.answered_at.is_some() => {
                self.end(InboundOutcome::Message, reason, None, now, actions)
            }
            State::Message => self.end(unheard, reason, None, now, actions),
            State::HangingUp { outcome, reason, talk } => self.end(outcome, reason, talk, now, actions),
            State::Over => State::Over,
        }
    }

    fn cut(&mut self, before: State, reason: &'static str, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Talking { agent, since } => {
                self.hang_up(InboundOutcome::Talked, reason, Some((agent, since)), now, actions)
            }
            other @ (State::Looking
            | State::Waiting { .. }
            | State::Connecting { .. }
            | State::Message
            | State::HangingUp { .. }
            | State::Over) => other,
        }
    }

    fn abort(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        match before {
            State::Looking | State::Waiting { .. } => {
                self.hang_up(InboundOutcome::NoAgent, "aborted", None, now, actions)
            }
            State::Connecting { agent, .. } => {
                actions.push(Action::Disconnect);
                actions.push(Action::AgentBack(agent));
                self.hang_up(InboundOutcome::NoAgent, "aborted", None, now, actions)
            }
            State::Message => self.hang_up(InboundOutcome::Message, "aborted", None, now, actions),
            State::Talking { .. } => self.cut(before, "aborted", now, actions),
            other @ (State::HangingUp { .. } | State::Over) => other,
        }
    }

    fn deadline_passed(&mut self, before: State, now: Now, actions: &mut Vec<Action>) -> State {
        self.deadline = None;
        match before {
            State::Looking => {
                actions.push(Action::Note);
                self.seek(now, actions)
            }
            State::Waiting { .. } => self.no_agent(now, actions),
            State::Connecting { agent, .. } => {
                actions.push(Action::Disconnect);
                actions.push(Action::AgentFailed(agent));
                self.no_agent(now, actions)
            }
            State::Talking { .. } => self.cut(before, "talk_limit", now, actions),
            State::Message => self.hang_up(InboundOutcome::Message, "message", None, now, actions),
            // Nobody told its end: it counts as over.
            State::HangingUp { outcome, reason, talk } => self.end(outcome, reason, talk, now, actions),
            State::Over => State::Over,
        }
    }

    /// No agent came in time: the message, or the end.
    fn no_agent(&mut self, now: Now, actions: &mut Vec<Action>) -> State {
        if self.terms.message {
            actions.push(Action::PlayMessage);
            self.deadline = Some(now.monotonic.saturating_add(MESSAGE_MAX));
            State::Message
        } else {
            self.hang_up(InboundOutcome::NoAgent, "no_agent", None, now, actions)
        }
    }

    fn hang_up(
        &mut self,
        outcome: InboundOutcome,
        reason: &'static str,
        talk: Option<(AgentKey, Utc)>,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        self.deadline = Some(now.monotonic.saturating_add(HANG_UP_MAX));
        actions.push(Action::HangUp);
        State::HangingUp { outcome, reason, talk }
    }

    fn end(
        &mut self,
        outcome: InboundOutcome,
        reason: &str,
        talk: Option<(AgentKey, Utc)>,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> State {
        let talked = talk.map_or(Duration::ZERO, |(_, since)| now.utc.since(since));
        self.row.ended_at = Some(now.utc);
        self.row.outcome = Some(outcome);
        self.row.reason = reason.to_owned();
        self.row.talk_ms = u64::try_from(talked.as_millis()).unwrap_or(u64::MAX);
        self.row.leg = None;
        actions.push(Action::End(talk.map(|(agent, _)| agent)));
        State::Over
    }
}

/// The identifiers of its INVITE as far as they are ours: what a restart tells trunks apart by.
fn route_of(row: &InboundRow, dialog: &CallDialog) -> CallRoute {
    CallRoute {
        trunk: row.trunk.clone(),
        caller_id: row.number.clone(),
        call_id: dialog.call_id.clone(),
        branch: String::new(),
        from_tag: dialog.local_tag.clone(),
        cseq: dialog.local_cseq,
        request_uri: dialog.remote_target.clone(),
        from_uri: dialog.local_uri.clone(),
        to_uri: dialog.remote_uri.clone(),
        next_hop: dialog.next_hop.clone(),
        local: dialog.local.clone(),
    }
}

fn offered(
    before: State,
    agent: AgentKey,
    actions: &mut Vec<Action>,
    until: Duration,
    deadline: &mut Option<Duration>,
) -> State {
    match before {
        State::Waiting { tried } => {
            *deadline = Some(until);
            actions.push(Action::Connect(agent));
            State::Connecting { tried, agent }
        }
        other @ (State::Looking
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
