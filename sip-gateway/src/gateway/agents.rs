//! Agents' phones: kept on the line (persistent) or called for every customer (per call).

use std::path::PathBuf;
use std::time::Duration;

use super::Gateway;
use super::devices::{Ring, Tried, is_flow_gone, is_for_next};
use super::timers::Timer;
use crate::command::AgentLegMode;
use crate::event::{Dialog, Event, Failure};
use crate::id::{CallId, StreamId};
use crate::leg::{LegId, Notice};
use crate::media::{Codec, MediaCommand};

/// How long a phone may ring: a persistent leg answers by itself, and a customer won't wait longer.
pub const PHONE_RING_MAX: Duration = Duration::from_secs(20);

/// When a lost or refused persistent leg is called again: after the first, the second and each further failure.
pub const RECALL_AFTER: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// A leg that was up for this long was a good one: its loss is the first failure again.
pub const GOOD_LEG: Duration = Duration::from_secs(10);

/// Most agents signed on at once.
pub const AGENTS_MAX: usize = 10_000;

/// An agent who is signed on.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) mode: AgentLegMode,
    pub(super) phone: Phone,
    /// Persistent legs that failed one after the other.
    failures: usize,
    /// What was told last: reachable, or why not.
    told: Option<Result<(), &'static str>>,
}

/// Where an agent's phone stands.
#[derive(Debug)]
pub(super) enum Phone {
    /// Not called. A persistent leg may be due for another try.
    Idle,
    /// Our INVITE is out; per call it is for a customer.
    Calling { leg: LegId, stream: StreamId, join: Option<(CallId, Option<PathBuf>)>, ring: Box<Ring> },
    /// On the line, perhaps with a customer.
    Up { leg: LegId, stream: StreamId, dialog: Box<Dialog>, since: Duration, with: Option<CallId> },
}

impl Agent {
    /// Whether the agent was last told to be reachable.
    pub(super) fn is_reachable(&self) -> bool {
        self.told == Some(Ok(()))
    }
}

impl Gateway {
    /// Starts looking after a phone. Signing on again tells the state again.
    pub(super) fn sign_on(&mut self, user: String, mode: AgentLegMode, now: Duration) {
        let full = self.agents.len() >= AGENTS_MAX;
        match self.agents.get_mut(&user) {
            Some(agent) if agent.mode == mode => agent.told = None,
            Some(_) => {
                self.sign_off(&user, now);
                return self.sign_on(user, mode, now);
            }
            None if full => {
                return self.event(Event::AgentUnreachable { user, reason: "too_many_agents" });
            }
            None => {
                let agent = Agent { mode, phone: Phone::Idle, failures: 0, told: None };
                self.agents.insert(user.clone(), agent);
                self.agents_per_call += usize::from(mode == AgentLegMode::PerCall);
            }
        }
        self.attend(&user, now);
    }

    /// Whether a phone is called for every customer.
    pub(super) fn is_called_per_call(&self, user: &str) -> bool {
        self.agents.get(user).is_some_and(|agent| agent.mode == AgentLegMode::PerCall)
    }

    /// Stops looking after a phone; a leg that is up or ringing is ended.
    pub(super) fn sign_off(&mut self, user: &str, now: Duration) {
        let Some(agent) = self.agents.remove(user) else { return };
        self.agents_per_call -= usize::from(agent.mode == AgentLegMode::PerCall);
        self.timers.set(Timer::Agent(user.to_owned()), None);
        match agent.phone {
            Phone::Idle => {}
            Phone::Calling { leg, stream, join, ring: _ } => {
                self.close_stream(stream, now);
                self.drop_leg(leg, now);
                if let Some((call, _)) = join {
                    self.not_joined(call, user, "signed_off", now);
                }
            }
            Phone::Up { leg, stream, with, .. } => {
                if let Some(call) = with {
                    self.agent_left(call, user, now);
                }
                self.close_stream(stream, now);
                self.drop_leg(leg, now);
            }
        }
    }

    /// The time to call a phone again has come.
    pub(super) fn recall(&mut self, user: &str, now: Duration) {
        match self.agents.get(user).map(|agent| &agent.phone) {
            Some(Phone::Calling { .. }) => self.device_limit(user, now),
            Some(Phone::Idle | Phone::Up { .. }) | None => self.attend(user, now),
        }
    }

    /// A phone registered or its binding changed or ended.
    pub(super) fn binding_changed(&mut self, user: &str, now: Duration) {
        let Some(agent) = self.agents.get_mut(user) else { return };
        if matches!(agent.phone, Phone::Idle) {
            agent.failures = 0;
            self.timers.set(Timer::Agent(user.to_owned()), None);
            self.attend(user, now);
        } else if agent.mode == AgentLegMode::PerCall {
            self.attend(user, now);
        }
    }

    /// Calls a phone. `join`: the customer it is for, and where to record.
    pub(super) fn call_phone(
        &mut self,
        user: &str,
        codecs: Vec<Codec>,
        join: Option<(CallId, Option<PathBuf>)>,
        now: Duration,
    ) -> Result<(), &'static str> {
        self.call_device(user, codecs, join, Tried::default(), now)
    }

    /// The customer left or was taken away: back to silence, or off the line.
    pub(super) fn release_phone(&mut self, user: &str, now: Duration) {
        let Some(agent) = self.agents.get_mut(user) else { return };
        match (agent.mode, &mut agent.phone) {
            (AgentLegMode::Persistent, Phone::Up { leg, with, .. }) => {
                *with = None;
                let leg = *leg;
                self.unfollow_leg(leg);
            }
            (AgentLegMode::PerCall, Phone::Up { leg, stream, .. } | Phone::Calling { leg, stream, .. }) => {
                let (leg, stream) = (*leg, *stream);
                agent.phone = Phone::Idle;
                self.timers.set(Timer::Agent(user.to_owned()), None);
                self.close_stream(stream, now);
                self.drop_leg(leg, now);
            }
            (AgentLegMode::Persistent, Phone::Idle | Phone::Calling { .. })
            | (AgentLegMode::PerCall, Phone::Idle) => {}
        }
    }

    /// What the phone's leg tells.
    pub(super) fn phone_notice(&mut self, user: &str, leg: LegId, notice: Notice, now: Duration) {
        match notice {
            Notice::Heard | Notice::Ringing { .. } => {
                if let Some(Phone::Calling { ring, .. }) =
                    self.agents.get_mut(user).map(|agent| &mut agent.phone)
                {
                    ring.heard();
                }
            }
            Notice::Referred(referral) => self.refer(user, leg, &referral, now),
            Notice::Text(text) => self.text_of_phone(user, &text, now),
            Notice::Digit(digit) => {
                if let Some(Phone::Up { stream, .. }) = self.agents.get(user).map(|agent| &agent.phone) {
                    let stream = *stream;
                    self.media_command(MediaCommand::Digit { stream, digit });
                }
            }
            Notice::Changed(remote) => {
                if let Some(Phone::Up { stream, .. }) = self.agents.get(user).map(|agent| &agent.phone) {
                    let stream = *stream;
                    self.media_command(MediaCommand::SetRemote { stream, remote });
                }
            }
            Notice::Answered { dialog, remote } => {
                let Some(agent) = self.agents.get_mut(user) else { return };
                let Phone::Calling { stream, join, .. } = &agent.phone else { return };
                let (stream, join) = (*stream, join.clone());
                let with = join.as_ref().map(|(call, _)| *call);
                let mode = agent.mode;
                agent.phone = Phone::Up { leg, stream, dialog, since: now, with };
                self.timers.set(Timer::Agent(user.to_owned()), None);
                self.start_stream(stream, remote);
                match mode {
                    AgentLegMode::Persistent => self.attend(user, now),
                    AgentLegMode::PerCall => {
                        if let Some((call, record)) = join {
                            if self.is_transferred_to(call, user) {
                                self.hand_over(call, stream, now);
                            } else if self.is_consulted(call, user) {
                                self.answer_consultation(call, now);
                            } else {
                                self.join_phone(call, user, stream, record, now);
                            }
                        }
                    }
                }
            }
            Notice::Failed { failure, heard } => {
                if is_for_next(failure) && self.call_next(user, heard && !is_flow_gone(failure), true, now) {
                    return;
                }
                let reason = match failure {
                    Failure::Status(408 | 480 | 487)
                    | Failure::Caused { status: 408 | 480 | 487, cause: _ }
                    | Failure::Timeout
                    | Failure::Cancelled => "no_answer",
                    Failure::Status(_) | Failure::Caused { .. } => "declined",
                    Failure::Media => "media",
                    Failure::Transport | Failure::Expired | Failure::Ports | Failure::Unsigned => "not_sent",
                };
                self.phone_gone(user, reason, now);
            }
            Notice::Ended { .. } => self.phone_gone(user, "leg_lost", now),
        }
    }

    /// The phone's RTP stopped: its leg is ended as lost.
    pub(super) fn phone_lost(&mut self, user: &str, now: Duration) {
        if let Some(Phone::Up { leg, .. }) = self.agents.get(user).map(|agent| &agent.phone) {
            let leg = *leg;
            self.phone_gone(user, "leg_lost", now);
            self.drop_leg(leg, now);
        }
    }

    /// The phone's port could not be bound; its stream is gone already.
    pub(super) fn phone_without_port(&mut self, user: &str, now: Duration) {
        if let Some(Phone::Calling { leg, .. } | Phone::Up { leg, .. }) =
            self.agents.get(user).map(|agent| &agent.phone)
        {
            let leg = *leg;
            self.phone_gone(user, "ports", now);
            self.drop_leg(leg, now);
        }
    }

    /// The phone is off the line, whoever ended it: part the customer, tell, and call again when it is due.
    fn phone_gone(&mut self, user: &str, reason: &'static str, now: Duration) {
        let Some(agent) = self.agents.get_mut(user) else { return };
        let mode = agent.mode;
        match std::mem::replace(&mut agent.phone, Phone::Idle) {
            Phone::Idle => return,
            Phone::Calling { stream, join, .. } => {
                agent.failures = agent.failures.saturating_add(1);
                self.close_stream(stream, now);
                if let Some((call, _)) = join {
                    self.not_joined(call, user, reason, now);
                }
            }
            Phone::Up { stream, since, with, .. } => {
                let good = now.saturating_sub(since) >= GOOD_LEG;
                agent.failures = if good { 1 } else { agent.failures.saturating_add(1) };
                if let Some(call) = with
                    && !(self.is_transferred_from(call, user) && self.leave_to_colleague(call))
                {
                    self.agent_left(call, user, now);
                }
                self.close_stream(stream, now);
            }
        }
        self.timers.set(Timer::Agent(user.to_owned()), None);
        match mode {
            AgentLegMode::Persistent => {
                let reason = if reason == "leg_lost" { reason } else { "leg_refused" };
                self.tell_agent(user, Err(reason));
                self.recall_later(user, now);
            }
            AgentLegMode::PerCall => self.attend(user, now),
        }
    }

    /// The phone has left the call it was on the line for: the customer has nobody, or whoever asked for advice has none.
    fn agent_left(&mut self, call: CallId, user: &str, now: Duration) {
        if self.is_consulted(call, user) {
            return self.consultation_over(call, None, now);
        }
        self.unsplice(call, now);
        self.event(Event::AgentLeft { call, user: user.to_owned() });
    }

    /// The phone that was called for a customer won't come.
    pub(super) fn not_joined(&mut self, call: CallId, user: &str, reason: &'static str, now: Duration) {
        if self.is_transferred_to(call, user) {
            return self.transfer_failed(call, 480, now);
        }
        if self.is_consulted(call, user) {
            let status = if reason == "declined" { 486 } else { 480 };
            return self.consultation_over(call, Some(status), now);
        }
        self.unsplice(call, now);
        self.event(Event::ConnectFailed { call, user: user.to_owned(), reason });
    }

    /// A persistent leg could not even be called.
    pub(super) fn leg_refused(&mut self, user: &str, now: Duration) {
        if let Some(agent) = self.agents.get_mut(user) {
            agent.failures = agent.failures.saturating_add(1);
        }
        self.tell_agent(user, Err("leg_refused"));
        self.recall_later(user, now);
    }

    fn recall_later(&mut self, user: &str, now: Duration) {
        let Some(agent) = self.agents.get(user) else { return };
        let index = agent.failures.saturating_sub(1).min(RECALL_AFTER.len() - 1);
        let wait = RECALL_AFTER.get(index).copied().unwrap_or(GOOD_LEG);
        self.timers.set(Timer::Agent(user.to_owned()), Some(now.saturating_add(wait)));
    }

    /// Brings a phone nearer to where its mode wants it, and tells how it stands.
    fn attend(&mut self, user: &str, now: Duration) {
        let registered = self.is_callable(user, now);
        let Some(agent) = self.agents.get(user) else { return };
        match (agent.mode, &agent.phone) {
            (AgentLegMode::PerCall, _) if registered => self.tell_agent(user, Ok(None)),
            (AgentLegMode::PerCall, _) => self.tell_agent(user, Err("unregistered")),
            (AgentLegMode::Persistent, Phone::Up { dialog, .. }) => {
                let leg = Some(Dialog::clone(dialog));
                self.tell_agent(user, Ok(leg));
            }
            (AgentLegMode::Persistent, Phone::Calling { .. }) => {}
            (AgentLegMode::Persistent, Phone::Idle) if !registered => {
                self.tell_agent(user, Err("unregistered"));
            }
            (AgentLegMode::Persistent, Phone::Idle) => {
                let both = vec![Codec::Pcmu, Codec::Pcma];
                if let Err(reason) = self.call_phone(user, both, None, now) {
                    if let Some(agent) = self.agents.get_mut(user) {
                        agent.failures = agent.failures.saturating_add(1);
                    }
                    self.tell_agent(user, Err(reason));
                    self.recall_later(user, now);
                }
            }
        }
    }

    /// Tells whether the agent can be reached, unless that was the last thing told.
    pub(super) fn tell_agent(&mut self, user: &str, state: Result<Option<Dialog>, &'static str>) {
        if self.answers_for_another(user) || self.is_in_transfer(user) || self.is_asked(user) {
            return;
        }
        let Some(agent) = self.agents.get_mut(user) else { return };
        let short = state.as_ref().map(|_| ()).map_err(|reason| *reason);
        if agent.told.replace(short) == Some(short) {
            return;
        }
        let user = user.to_owned();
        self.event(match state {
            Ok(leg) => Event::AgentReachable { user, leg },
            Err(reason) => Event::AgentUnreachable { user, reason },
        });
    }

    /// Tells that a colleague has the agent's phone.
    pub(super) fn engage(&mut self, user: &str) {
        if self.is_in_transfer(user) || self.is_asked(user) {
            return;
        }
        if let Some(agent) = self.agents.get_mut(user) {
            agent.told = Some(Err("engaged"));
            self.event(Event::AgentEngaged { user: user.to_owned() });
        }
    }

    /// Tells how an agent stands, even if that was told last.
    pub(super) fn tell_again(&mut self, user: &str, now: Duration) {
        if let Some(agent) = self.agents.get_mut(user) {
            agent.told = None;
            self.attend(user, now);
        }
    }
}
