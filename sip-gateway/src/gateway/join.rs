//! Who an answered customer hears: an agent, a prompt, or silence.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use super::agents::Phone;
use super::calls::Stage;
use super::incoming::Next;
use super::timers::Timer;
use crate::command::AgentLegMode;
use crate::event::Event;
use crate::id::{CallId, StreamId};
use crate::media::prompt::Prompt;
use crate::media::{Codec, MediaCommand};

/// A prompt that was not reported finished this long after its length is given up.
pub const PROMPT_MARGIN: Duration = Duration::from_secs(5);

/// Octets of a prompt in one second of audio (G.711).
const OCTETS_PER_SECOND: u64 = 8_000;

/// Who an answered customer is joined with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// Nobody: silence.
    Alone,
    /// This agent's phone is being called for it.
    Calling { user: String },
    /// This agent.
    Connected { user: String, agent: StreamId },
    /// A prompt, then BYE.
    Prompt,
}

impl Gateway {
    /// Joins an answered call with an agent.
    pub(super) fn connect(&mut self, call: CallId, user: String, record: Option<PathBuf>, now: Duration) {
        let joined = match self.is_incoming(call) {
            true => self.connect_incoming(call, &user, record, now),
            false => self.try_connect(call, &user, record, now),
        };
        if let Err(reason) = joined {
            self.event(Event::ConnectFailed { call, user, reason });
        }
    }

    /// Parts call and agent; the call stays.
    pub(super) fn disconnect(&mut self, call: CallId, now: Duration) {
        match self.joined(call) {
            Some(Joined::Calling { .. } | Joined::Connected { .. }) => self.part(call, now),
            None if self.is_incoming(call) => self.part(call, now),
            Some(Joined::Alone | Joined::Prompt) | None => {}
        }
    }

    /// Plays a prompt, then hangs up.
    pub(super) fn play_and_hang_up(&mut self, call: CallId, prompt: Arc<Prompt>, now: Duration) {
        if self.is_incoming(call) {
            self.part(call, now);
            return self.answer_incoming(call, Next::Prompt(prompt), now);
        }
        match self.joined(call) {
            Some(Joined::Calling { .. }) => self.part(call, now),
            Some(Joined::Alone) => {}
            // Whoever is connected is not interrupted, and a prompt is played once.
            Some(Joined::Connected { .. } | Joined::Prompt) | None => return,
        }
        let Some(Stage::Up { stream, joined, .. }) = self.calls.get_mut(&call).map(|call| &mut call.stage)
        else {
            return;
        };
        *joined = Joined::Prompt;
        let stream = *stream;
        let octets = u64::try_from(prompt.pcmu.len().max(prompt.pcma.len())).unwrap_or(u64::MAX);
        let length = Duration::from_millis(octets.saturating_mul(1000) / OCTETS_PER_SECOND);
        let until = now.saturating_add(length).saturating_add(PROMPT_MARGIN);
        self.timers.set(Timer::Call(call), Some(until));
        self.media_command(MediaCommand::Play { call, stream, prompt });
    }

    /// The prompt is over, or was given up.
    pub(super) fn prompt_finished(&mut self, call: CallId, now: Duration) {
        if self.joined(call) == Some(Joined::Prompt) {
            self.hang_up(call, "safe_harbour", now);
        }
    }

    /// The phone that was called for a call is there: both hear each other, after the answer where the call is from outside.
    pub(super) fn join_phone(
        &mut self,
        call: CallId,
        user: &str,
        agent: StreamId,
        record: Option<PathBuf>,
        now: Duration,
    ) {
        if self.is_incoming(call) {
            self.answer_incoming(call, Next::Join { user: user.to_owned(), agent, record }, now);
        } else {
            self.splice(call, user, agent, record);
        }
    }

    /// Both hear each other from the next packet on. The agent's leg must be up.
    pub(super) fn splice(&mut self, call: CallId, user: &str, agent: StreamId, record: Option<PathBuf>) {
        let Some(Stage::Up { stream, answered_at, joined, .. }) =
            self.calls.get_mut(&call).map(|call| &mut call.stage)
        else {
            return;
        };
        *joined = Joined::Connected { user: user.to_owned(), agent };
        let (customer, answered_at) = (*stream, *answered_at);
        self.media_command(MediaCommand::Splice { call, customer, agent, answered_at, record });
        self.event(Event::Connected { call, user: user.to_owned() });
    }

    /// Parts a call from its agent: a persistent leg goes back to silence, a per-call leg is ended.
    pub(super) fn part(&mut self, call: CallId, now: Duration) {
        let Some(user) = self.unsplice(call, now) else { return };
        self.release_phone(&user, now);
    }

    /// Takes the agent off a call without touching the agent's leg. Returns who it was.
    pub(super) fn unsplice(&mut self, call: CallId, now: Duration) -> Option<String> {
        let user = self.take_agent(call);
        self.transfer_over(call, now);
        self.consultation_over(call, None, now);
        user
    }

    fn take_agent(&mut self, call: CallId) -> Option<String> {
        if self.is_incoming(call) {
            return self.take_agent_of_incoming(call);
        }
        let stage = &mut self.calls.get_mut(&call)?.stage;
        let Stage::Up { stream, joined, .. } = stage else { return None };
        let customer = *stream;
        match joined.clone() {
            Joined::Connected { user, agent } => {
                *joined = Joined::Alone;
                self.media_command(MediaCommand::Unsplice { call, customer, agent });
                Some(user)
            }
            Joined::Calling { user } => {
                *joined = Joined::Alone;
                Some(user)
            }
            Joined::Alone | Joined::Prompt => None,
        }
    }

    fn joined(&self, call: CallId) -> Option<Joined> {
        match &self.calls.get(&call)?.stage {
            Stage::Up { joined, .. } => Some(joined.clone()),
            Stage::Reserved { .. }
            | Stage::Queued { .. }
            | Stage::Out { .. }
            | Stage::Incoming { .. }
            | Stage::Ending => None,
        }
    }

    fn try_connect(
        &mut self,
        call: CallId,
        user: &str,
        record: Option<PathBuf>,
        now: Duration,
    ) -> Result<(), &'static str> {
        let customer_codec = match self.calls.get(&call).map(|call| &call.stage) {
            Some(Stage::Up { joined: Joined::Alone, remote, .. }) => remote.codec,
            Some(Stage::Up { .. }) => return Err("call_joined"),
            Some(
                Stage::Reserved { .. }
                | Stage::Queued { .. }
                | Stage::Out { .. }
                | Stage::Incoming { .. }
                | Stage::Ending,
            )
            | None => {
                return Err("call_not_up");
            }
        };
        let agent = self.agents.get_mut(user).ok_or("signed_off")?;
        match (agent.mode, &mut agent.phone) {
            (AgentLegMode::Persistent, Phone::Up { leg, stream, with, .. }) => {
                if with.is_some() {
                    return Err("agent_busy");
                }
                *with = Some(call);
                let (leg, stream) = (*leg, *stream);
                self.follow_leg(call, leg);
                self.splice(call, user, stream, record);
                Ok(())
            }
            (AgentLegMode::Persistent, Phone::Idle | Phone::Calling { .. }) => Err("leg_down"),
            (AgentLegMode::PerCall, Phone::Idle) => {
                // The customer's codec first, so that nothing need be converted.
                let other = match customer_codec {
                    Codec::Pcmu => Codec::Pcma,
                    Codec::Pcma => Codec::Pcmu,
                };
                self.call_phone(user, vec![customer_codec, other], Some((call, record)), now)?;
                if let Some(Stage::Up { joined, .. }) = self.calls.get_mut(&call).map(|call| &mut call.stage)
                {
                    *joined = Joined::Calling { user: user.to_owned() };
                }
                Ok(())
            }
            (AgentLegMode::PerCall, Phone::Calling { .. } | Phone::Up { .. }) => Err("agent_busy"),
        }
    }
}
