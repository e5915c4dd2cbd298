//! The agents at work: their requests, their phones, which campaign they count for, which call they take.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_pacing::floor::AgentActivity;
use carillon_pacing::share::{self, Claim, Need};
use carillon_pacing::{AgentKey, EventKind};

use super::{Dialer, Timer};
use crate::agent::machine::{Agent, Standing};
use crate::agent::{AgentCommand, AgentSignal, AgentState};
use crate::attempt::event::Event;
use crate::campaign::journal::Share;
use crate::campaign::machine::Campaign;
use crate::campaign::spec::WrapUp;
use crate::id::{AttemptId, CampaignId, RequestId};
use crate::output::{Output, Refused, Reply};
use crate::selection::idle::Idle;
use crate::store::write::{self, CallDialog, CallRoute, OrphanRow, Write};
use crate::time::Now;

/// Longest user of an agent in characters.
const USER_CHARACTERS_MAX: usize = 100;
/// Longest reason of a break in characters.
const BREAK_CHARACTERS_MAX: usize = 100;

/// All agents.
#[derive(Debug, Default)]
pub(super) struct Floor {
    agents: BTreeMap<AgentKey, Agent>,
    keys: BTreeMap<String, AgentKey>,
    idle: Idle,
    /// Whose pacer counts the agent.
    lent: BTreeMap<AgentKey, CampaignId>,
    calls: BTreeMap<AttemptId, AgentKey>,
    /// The INVITE of each persistent leg.
    legs: BTreeMap<String, CallRoute>,
    last_key: u64,
}

impl Floor {
    pub fn key(&self, user: &str) -> Option<AgentKey> {
        self.keys.get(user).copied()
    }

    pub fn user(&self, agent: AgentKey) -> Option<String> {
        self.agents.get(&agent).map(|agent| agent.user.clone())
    }

    /// What the agent of this user does; `None` where nobody of that name ever signed on.
    pub fn user_state(&self, user: &str) -> Option<AgentState> {
        self.keys.get(user).and_then(|key| self.agents.get(key)).map(Agent::state)
    }

    /// What the agent does.
    pub fn state(&self, agent: AgentKey) -> Option<AgentState> {
        self.agents.get(&agent).map(Agent::state)
    }

    /// The campaign for which the agent counts.
    pub fn lent_to(&self, agent: AgentKey) -> Option<CampaignId> {
        self.lent.get(&agent).copied()
    }

    /// The agent that has this call, or is being connected with it.
    pub fn with_call(&self, attempt: AttemptId) -> Option<AgentKey> {
        self.calls.get(&attempt).copied()
    }

    pub fn longest_idle(&self, campaign: CampaignId, fits: impl Fn(AgentKey) -> bool) -> Option<AgentKey> {
        self.idle.longest(campaign, fits)
    }

    /// The longest idle agent that counts for the campaign.
    pub fn longest_idle_of(&self, campaign: CampaignId, fits: impl Fn(AgentKey) -> bool) -> Option<AgentKey> {
        self.idle.longest_of(campaign, fits)
    }

    /// Whether the agent is free.
    pub fn is_idle(&self, agent: AgentKey) -> bool {
        self.idle.contains(agent)
    }

    /// Free agents, their campaign, and since when they wait.
    pub fn idle(&self) -> impl Iterator<Item = (AgentKey, Option<CampaignId>, Duration)> + '_ {
        self.idle.iter()
    }

    pub fn agents_count(&self) -> usize {
        self.agents.len()
    }

    /// Agents by user.
    pub fn agents_with_keys(&self) -> impl Iterator<Item = (AgentKey, &Agent)> {
        self.keys.values().filter_map(|key| Some((*key, self.agents.get(key)?)))
    }

    pub fn agents_mut(&mut self) -> impl Iterator<Item = &mut Agent> {
        self.agents.values_mut()
    }
}

impl Dialer {
    /// Changes an agent and sees to all that follows from it.
    pub(super) fn with_agent(&mut self, key: AgentKey, now: Now, change: impl FnOnce(&mut Agent)) {
        let Some(agent) = self.floor.agents.get_mut(&key) else { return };
        let (before, call_before, wrap_before) = (agent.standing(), agent.attempt(), agent.wrapping_up());
        change(agent);
        let (after, call_after, wrap_after) = (agent.standing(), agent.attempt(), agent.wrapping_up());
        self.timers.set(Timer::Agent(key), after.due);
        if call_before != call_after {
            call_before.and_then(|call| self.floor.calls.remove(&call));
            if let Some(call) = call_after {
                let earlier = self.floor.calls.insert(call, key);
                debug_assert_eq!(earlier, None, "one agent per call");
            }
        }
        if wrap_before != wrap_after {
            self.count_wrap_up(wrap_before, -1);
            self.count_wrap_up(wrap_after, 1);
        }
        if before != after {
            self.stands(key, before, after, now);
        }
        if wrap_before != wrap_after
            && let Some(campaign) = wrap_before
        {
            self.consider_end(campaign, now);
        }
    }

    /// Tells queue and pacer of an agent's new standing; an agent who is ready takes the longest waiting call.
    fn stands(&mut self, key: AgentKey, before: Standing, after: Standing, now: Now) {
        self.floor.idle.remove(key);
        if after.ready_since.is_none() {
            self.withdraw_shown(key, now);
        }
        if before.state == AgentState::Offline {
            self.seek_own_tasks(key, now);
        }
        if let Some(since) = after.ready_since {
            // Lines that wait for the next free agent of the campaign keep them there.
            let present = self.floor.lent_to(key).and_then(|present| self.campaigns.get(&present));
            let awaited = present.is_some_and(|campaign| campaign.pacing.team.spare() < 0);
            if before.ready_since.is_none() && !awaited && !self.is_held(key) {
                let to = self.choose_campaign(key, now);
                self.lend(key, to, now);
            }
            self.floor.idle.insert(key, self.floor.lent.get(&key).copied(), since);
        }
        if before.state != after.state
            && let Some(campaign) = self.floor.lent.get(&key).copied()
        {
            let agent = key;
            let kind = match after.state {
                AgentState::Ready => EventKind::AgentReady { agent },
                AgentState::Reserved | AgentState::Talking => EventKind::AgentTalking { agent },
                AgentState::WrapUp => EventKind::AgentWrapUp { agent },
                AgentState::Break | AgentState::Unreachable | AgentState::Engaged => {
                    EventKind::AgentAway { agent }
                }
                AgentState::Offline => EventKind::AgentLeft { agent },
            };
            self.pace(campaign, kind, now);
            let was_free = matches!(before.state, AgentState::Ready | AgentState::Reserved);
            let is_lost = !matches!(
                after.state,
                AgentState::Ready | AgentState::Reserved | AgentState::Talking | AgentState::WrapUp
            );
            if let Some(campaign) = self.campaigns.get_mut(&campaign).filter(|_| was_free && is_lost) {
                campaign.agent_lost(now.monotonic);
            }
        }
        if after.state == AgentState::Offline {
            self.floor.lent.remove(&key);
        }
        self.take_waiting(key, now);
    }

    /// A free agent takes the longest waiting call that may be theirs, one for them alone first.
    pub(super) fn take_waiting(&mut self, key: AgentKey, now: Now) {
        let ready = self.floor.agents.get(&key).is_some_and(|agent| agent.state() == AgentState::Ready);
        if !ready {
            return;
        }
        let wants = |call: &AttemptId| {
            let call = self.attempts.get(call);
            call.is_some_and(|call| call.wants(key) && self.may_take(call.campaign, key))
        };
        let own = |call: &AttemptId| wants(call) && self.owner_of(*call).is_some();
        let held = self.is_held(key);
        let call = self.waiting.iter().find(own);
        match call.or_else(|| self.waiting.iter().find(|call| !held && wants(call))) {
            Some(call) => self.offer(call, key, now),
            None => self.promise_to_waiting(key, now),
        }
    }

    /// Whoever waited for a call of their own that is no more takes another one.
    pub(super) fn let_go(&mut self, owner: Option<AgentKey>, now: Now) {
        if let Some(owner) = owner.filter(|owner| !self.is_held(*owner)) {
            self.take_waiting(owner, now);
        }
    }

    /// Whether the agent takes calls of the campaign.
    pub(super) fn may_take(&self, campaign: CampaignId, agent: AgentKey) -> bool {
        let user = self.floor.agents.get(&agent).map(|agent| agent.user.as_str());
        self.campaigns
            .get(&campaign)
            .is_some_and(|campaign| user.is_some_and(|user| campaign.is_taken_by(user)))
    }

    /// The running campaign for which a free agent had best count; of equals the present one. The choice is written in the
    /// journal of the present one, or where there is none of the one that was chosen.
    fn choose_campaign(&mut self, agent: AgentKey, now: Now) -> Option<CampaignId> {
        let present = self.floor.lent_to(agent);
        let mut running: Vec<&Campaign> = self
            .campaigns
            .values()
            .filter(|campaign| campaign.is_running() && self.may_take(campaign.id, agent))
            .collect();
        running.sort_by_key(|campaign| (Some(campaign.id) != present, campaign.id));
        let claims: Vec<Claim> = running.iter().map(|campaign| self.claim(campaign, agent)).collect();
        let chosen = share::best(&claims).and_then(|index| running.get(index)).map(|campaign| campaign.id)?;
        let claims: Vec<(u64, Claim)> = running.iter().map(|campaign| campaign.id.0).zip(claims).collect();
        if let Some(campaign) = self.campaigns.get_mut(&present.unwrap_or(chosen)) {
            let (limits, stays) = (campaign.limits(), present == Some(chosen));
            let share = Share { agent, claims: &claims, limits, chosen: chosen.0, stays };
            campaign.pacing.note_share(&share, now);
        }
        Some(chosen)
    }

    fn claim(&self, campaign: &Campaign, agent: AgentKey) -> Claim {
        let need = if self.has_own_tasks(campaign, agent) { Need::Own } else { campaign.need() };
        Claim { weight: campaign.spec.weight, need, agents: campaign.pacing.shift.others(agent) }
    }

    /// Lets an agent count for a campaign; where none runs, for the one they counted for.
    fn lend(&mut self, key: AgentKey, to: Option<CampaignId>, now: Now) {
        let from = self.floor.lent.get(&key).copied();
        let Some(to) = to.filter(|to| from != Some(*to)) else { return };
        if let Some(from) = from {
            self.pace(from, EventKind::AgentLeft { agent: key }, now);
        }
        self.floor.lent.insert(key, to);
    }

    /// Shares the agents among the running campaigns anew: after one starts or ends, runs dry or has spent its budget. Those
    /// who wait for a call of their own stay where they are.
    pub(super) fn share_agents(&mut self, now: Now) {
        self.unshared = false;
        let waiting: BTreeMap<AgentKey, Duration> =
            self.floor.idle().map(|(agent, _, since)| (agent, since)).collect();
        let agents = self.floor.agents_with_keys();
        let at_work: Vec<_> = agents.map(|(key, agent)| (key, agent.state())).collect();
        for (key, state) in at_work {
            let kind = match state {
                AgentState::Ready => EventKind::AgentReady { agent: key },
                AgentState::Reserved | AgentState::Talking => EventKind::AgentTalking { agent: key },
                AgentState::WrapUp => EventKind::AgentWrapUp { agent: key },
                AgentState::Offline | AgentState::Unreachable | AgentState::Engaged | AgentState::Break => {
                    continue;
                }
            };
            let from = self.floor.lent_to(key);
            let Some(to) = self.choose_campaign(key, now).filter(|to| from != Some(*to)) else { continue };
            if self.is_held(key) || self.callers.is_promised(key) || !self.may_leave(key) {
                self.unshared = true;
                continue;
            }
            self.lend(key, Some(to), now);
            if let Some(since) = waiting.get(&key) {
                self.floor.idle.insert(key, Some(to), *since);
            }
            self.pace(to, kind, now);
        }
    }

    /// Whether the campaign for which an agent counts has a free agent for each of its lines without them. Whoever is busy may
    /// always leave: no line went out that counts on them for sure.
    fn may_leave(&self, agent: AgentKey) -> bool {
        let Some(present) = self.floor.lent_to(agent).and_then(|present| self.campaigns.get(&present)) else {
            return true;
        };
        let team = &present.pacing.team;
        match team.activity(agent) {
            Some(AgentActivity::Ready) => team.spare() > 0,
            Some(AgentActivity::Talking | AgentActivity::WrapUp | AgentActivity::Away) | None => true,
        }
    }

    /// Shares the agents anew where a campaign needs them more or less than before.
    pub(super) fn share_if_need_changed(&mut self, id: CampaignId, now: Now) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        // Owners stay for tasks of their own, and who has run out of them here may have some elsewhere.
        let need = (campaign.need(), campaign.supply.owners_changed());
        if std::mem::replace(&mut campaign.needed, need) != need || self.unshared {
            self.share_agents(now);
        }
    }

    fn count_wrap_up(&mut self, campaign: Option<CampaignId>, change: i64) {
        if let Some(campaign) = campaign.and_then(|campaign| self.campaigns.get_mut(&campaign)) {
            campaign.wrap_ups = campaign.wrap_ups.saturating_add_signed(change);
        }
    }

    /// The call is over: wrap-up as the campaign has it.
    pub(super) fn begin_wrap_up(&mut self, call: AttemptId, campaign: CampaignId, agent: AgentKey, now: Now) {
        let script = self.campaigns.get(&campaign).and_then(|campaign| match &campaign.spec.wrap_up {
            WrapUp::Script { after, .. } => Some(*after),
            WrapUp::Agent => None,
        });
        let until = script.map(|after: Duration| now.monotonic.saturating_add(after));
        self.with_agent(agent, now, |agent| agent.wrap_up(call, campaign, until, now));
    }

    /// A wrap-up by script is over, or a doubtful phone is trusted again.
    pub(super) fn agent_due(&mut self, key: AgentKey, now: Now) {
        let wrapping_up = self.floor.agents.get(&key).is_some_and(|agent| agent.wrapping_up().is_some());
        if wrapping_up {
            self.end_wrap_up(key, now);
        } else {
            self.with_agent(key, now, |agent| agent.end_doubt(now));
        }
    }

    /// Ends an agent's wrap-up; the script's word is spoken where the agent spoke none.
    pub(super) fn end_wrap_up(&mut self, key: AgentKey, now: Now) {
        let Some(agent) = self.floor.agents.get(&key) else { return };
        let Some(campaign) = agent.wrapping_up() else { return };
        let attempt = agent.attempt();
        let script = self.campaigns.get(&campaign).map(|campaign| campaign.spec.wrap_up.clone());
        if let Some(WrapUp::Script { disposition, .. }) = script
            && let Some(attempt) = attempt.filter(|attempt| self.dispositions.is_awaited(*attempt))
        {
            self.dispose(attempt, key, None, &disposition, "", now);
        }
        self.with_agent(key, now, |agent| agent.wrapped_up(attempt, now));
    }

    /// An agent's request.
    pub(super) fn agent_command(&mut self, request: RequestId, command: AgentCommand, now: Now) {
        let result = match command {
            AgentCommand::SignOn { agent } => self.sign_on(&agent, now),
            AgentCommand::SignOff { agent } => self.sign_off(&agent, now),
            AgentCommand::Break { agent, reason } => self.take_break(&agent, &reason, now),
            AgentCommand::Ready { agent } => self.ready(&agent, now),
            AgentCommand::HangUp { agent } => self.agent_hangs_up(&agent, now),
            AgentCommand::Signal { agent, signal } => self.agent_signals(&agent, signal, now),
            AgentCommand::Preview { agent, task, choice } => self.decide_preview(&agent, task, choice, now),
            AgentCommand::Dispose { agent, attempt, disposition, note } => {
                match self.floor.key(&agent) {
                    // Answered once it is durable.
                    Some(key) => return self.dispose(attempt, key, Some(request), &disposition, &note, now),
                    None => Err(Refused::Unknown(format!("agent {agent}"))),
                }
            }
        };
        self.outbox.push(Output::Reply { request, result });
    }

    fn sign_on(&mut self, user: &str, now: Now) -> Result<Reply, Refused> {
        if !self.recovered {
            return Err(Refused::State("starting".into()));
        }
        if user.is_empty() || user.chars().count() > USER_CHARACTERS_MAX {
            return Err(Refused::Invalid(format!("agent: 1 to {USER_CHARACTERS_MAX} characters")));
        }
        let key = match self.floor.key(user) {
            Some(key) => key,
            None if self.floor.agents.len() >= self.options.agents_max as usize => {
                return Err(Refused::Full("as many agents as there may be".into()));
            }
            None => {
                self.floor.last_key = self.floor.last_key.saturating_add(1);
                let key = AgentKey(self.floor.last_key);
                self.floor.agents.insert(key, Agent::new(user, now));
                self.floor.keys.insert(user.to_owned(), key);
                key
            }
        };
        if !self.floor.agents.get(&key).is_some_and(Agent::is_signed_on) {
            self.with_agent(key, now, |agent| agent.sign_on(now));
            self.outbox.push(Output::SignOn { agent: user.to_owned() });
        }
        Ok(Reply::Done)
    }

    fn sign_off(&mut self, user: &str, now: Now) -> Result<Reply, Refused> {
        let (key, state) = self.signed_on(user)?;
        match state {
            AgentState::Reserved | AgentState::Talking => {
                return Err(Refused::State("the agent has a call".into()));
            }
            AgentState::Offline
            | AgentState::Unreachable
            | AgentState::Engaged
            | AgentState::Break
            | AgentState::Ready
            | AgentState::WrapUp => {}
        }
        // A word that nobody speaks any more is the script's; where agents speak it, it may still come.
        self.end_wrap_up(key, now);
        self.with_agent(key, now, |agent| agent.sign_off(now));
        self.outbox.push(Output::SignOff { agent: user.to_owned() });
        Ok(Reply::Done)
    }

    fn take_break(&mut self, user: &str, reason: &str, now: Now) -> Result<Reply, Refused> {
        if reason.chars().count() > BREAK_CHARACTERS_MAX {
            return Err(Refused::Invalid(format!("reason: at most {BREAK_CHARACTERS_MAX} characters")));
        }
        let (key, state) = self.signed_on(user)?;
        self.with_agent(key, now, |agent| agent.take_break(reason, now));
        match state {
            // The break begins after the call.
            AgentState::Talking | AgentState::WrapUp => {
                self.tell_of_agent(key, EventKind::AgentLeaving { agent: key }, now);
            }
            AgentState::Offline
            | AgentState::Unreachable
            | AgentState::Engaged
            | AgentState::Break
            | AgentState::Ready
            | AgentState::Reserved => {}
        }
        Ok(Reply::Done)
    }

    fn ready(&mut self, user: &str, now: Now) -> Result<Reply, Refused> {
        let (key, state) = self.signed_on(user)?;
        let attempt = self.floor.agents.get(&key).and_then(Agent::attempt);
        if state == AgentState::WrapUp {
            if attempt.is_some_and(|attempt| self.dispositions.is_awaited(attempt)) {
                return Err(Refused::State("a disposition must be recorded first".into()));
            }
            self.with_agent(key, now, |agent| agent.wish_calls(now));
            self.with_agent(key, now, |agent| agent.wrapped_up(attempt, now));
        } else {
            self.with_agent(key, now, |agent| agent.wish_calls(now));
        }
        Ok(Reply::Done)
    }

    fn agent_hangs_up(&mut self, user: &str, now: Now) -> Result<Reply, Refused> {
        let (key, state) = self.signed_on(user)?;
        let attempt = self.floor.agents.get(&key).and_then(Agent::attempt);
        let Some(attempt) = attempt.filter(|_| state == AgentState::Talking) else {
            return Err(Refused::State("the agent has no call".into()));
        };
        self.step(attempt, Event::Cut("agent_hung_up"), now);
        Ok(Reply::Done)
    }

    fn agent_signals(&mut self, user: &str, signal: AgentSignal, now: Now) -> Result<Reply, Refused> {
        let (agent, state) = self.signed_on(user)?;
        let kind = match (state, signal) {
            (AgentState::Talking, AgentSignal::FormOpened) => EventKind::AgentFormOpened { agent },
            (AgentState::Talking | AgentState::WrapUp, AgentSignal::Finishing) => {
                EventKind::AgentFinishing { agent }
            }
            // The form is what wrap-up is for.
            (AgentState::WrapUp, AgentSignal::FormOpened) => return Ok(Reply::Done),
            (
                AgentState::Offline
                | AgentState::Unreachable
                | AgentState::Engaged
                | AgentState::Break
                | AgentState::Ready
                | AgentState::Reserved,
                AgentSignal::FormOpened | AgentSignal::Finishing,
            ) => return Err(Refused::State("the agent has no call".into())),
        };
        self.tell_of_agent(agent, kind, now);
        Ok(Reply::Done)
    }

    /// Tells the pacer that counts the agent.
    fn tell_of_agent(&mut self, agent: AgentKey, kind: EventKind, now: Now) {
        if let Some(campaign) = self.floor.lent.get(&agent).copied() {
            self.pace(campaign, kind, now);
        }
    }

    fn signed_on(&self, user: &str) -> Result<(AgentKey, AgentState), Refused> {
        let unknown = || Refused::Unknown(format!("agent {user}"));
        let key = self.floor.key(user).ok_or_else(unknown)?;
        let agent = self.floor.agents.get(&key).ok_or_else(unknown)?;
        if agent.is_signed_on() {
            Ok((key, agent.state()))
        } else {
            Err(Refused::State("the agent is not signed on".into()))
        }
    }

    /// The agent's phone is about to be called for its persistent leg.
    pub(super) fn agent_leg_calling(&mut self, user: &str, route: CallRoute) {
        self.note_leg(user, route, None);
    }

    /// The agent goes on with another phone, whose leg is up.
    pub(super) fn agent_leg_moved(&mut self, user: &str, route: CallRoute, leg: CallDialog) {
        self.note_leg(user, route, Some(leg));
    }

    /// A phone has a further leg, which belongs to no agent's place: whatever is told of agents leaves it alone.
    pub(super) fn line_up(&mut self, route: CallRoute, leg: CallDialog) {
        let agent = write::line_key(&route.call_id);
        let leg = Some(OrphanRow { route, dialog: Some(leg) });
        self.note(None, vec![Write::AgentLeg { agent, leg }]);
    }

    /// The further leg of a phone is over.
    pub(super) fn line_over(&mut self, call_id: &str) {
        self.note(None, vec![Write::AgentLeg { agent: write::line_key(call_id), leg: None }]);
    }

    fn note_leg(&mut self, user: &str, route: CallRoute, dialog: Option<CallDialog>) {
        if self.floor.legs.len() < self.options.agents_max as usize || self.floor.legs.contains_key(user) {
            self.floor.legs.insert(user.to_owned(), route.clone());
        }
        let leg = Some(OrphanRow { route, dialog });
        self.note(None, vec![Write::AgentLeg { agent: user.to_owned(), leg }]);
    }

    /// The agent's phone can take calls.
    pub(super) fn agent_reachable(&mut self, user: &str, leg: Option<CallDialog>, now: Now) {
        if let (Some(dialog), Some(route)) = (leg, self.floor.legs.get(user)) {
            let leg = Some(OrphanRow { route: route.clone(), dialog: Some(dialog) });
            self.note(None, vec![Write::AgentLeg { agent: user.to_owned(), leg }]);
        }
        if let Some(key) = self.floor.key(user) {
            self.with_agent(key, now, |agent| agent.reachable(now));
        }
    }

    /// A colleague has the agent's phone: asks, or is about to hand a customer over.
    pub(super) fn agent_engaged(&mut self, user: &str, now: Now) {
        let Some(key) = self.floor.key(user) else { return };
        let call = self.call_in_hand(key);
        self.with_agent(key, now, |agent| agent.engaged(now));
        if let Some(call) = call {
            self.step(call, Event::AgentLost(key), now);
        }
    }

    /// The call for which the agent is meant, or which they have.
    fn call_in_hand(&self, key: AgentKey) -> Option<AttemptId> {
        let agent = self.floor.agents.get(&key)?;
        match agent.state() {
            AgentState::Reserved | AgentState::Talking => agent.attempt(),
            AgentState::Offline
            | AgentState::Unreachable
            | AgentState::Engaged
            | AgentState::Break
            | AgentState::Ready
            | AgentState::WrapUp => None,
        }
    }

    /// The agent's phone can't take calls; the call it was in is told.
    pub(super) fn agent_unreachable(&mut self, user: &str, now: Now) {
        if self.floor.legs.remove(user).is_some() {
            self.note(None, vec![Write::AgentLeg { agent: user.to_owned(), leg: None }]);
        }
        let Some(key) = self.floor.key(user) else { return };
        let call = self.call_in_hand(key);
        self.with_agent(key, now, |agent| agent.unreachable(now));
        if let Some(call) = call {
            self.step(call, Event::AgentLost(key), now);
        }
    }
}
