//! The dialer: the doors of the business machine, and the routes between its rooms.

mod calls;
mod campaigns;
mod dispositions;
mod floor;
mod handover;
mod inbound;
mod outbox;
mod owners;
mod placing;
mod preview;
mod recovery;
mod timers;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use carillon_pacing::{EventKind, event};

use crate::attempt::event::Event;
use crate::attempt::machine::Attempt;
use crate::attempt::table::Outcomes;
use crate::campaign::decisions::Decided;
use crate::campaign::machine::Campaign;
use crate::compliance::Compliance;
use crate::disposition::Dispositions;
use crate::id::{AttemptId, CampaignId, ContactId};
use crate::input::Input;
use crate::live::{EndingView, LiveView};
use crate::output::Output;
use crate::selection::offers::Offers;
use crate::selection::waiting::Waiting;
use crate::store::write::Write;
use crate::time::Now;
use crate::trunk::Room;
use crate::trunk::sharing::Sharing;
use floor::Floor;
use inbound::Callers;
use outbox::{Outbox, Purpose};
use timers::{Timer, Timers};

/// Events are collected this long before the pacer is asked.
const COALESCE: Duration = Duration::from_millis(50);
/// Most timers handled by one [`Input::Timeout`]; the rest is due at once.
const TIMERS_PER_TURN_MAX: usize = 10_000;

/// Limits of a dialer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Due tasks kept in hand per campaign at the least; where more calls are out, as many.
    pub supply_max: u32,
    /// Attempts open at once, all campaigns.
    pub calls_max: u32,
    /// Agents known at once.
    pub agents_max: u32,
    /// Campaigns known at once.
    pub campaigns_max: u32,
    /// What trunks mean by their refusals, where they differ from others.
    pub outcomes: Outcomes,
    /// How trunks share the calls.
    pub sharing: Sharing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            supply_max: 256,
            calls_max: 10_000,
            agents_max: 10_000,
            campaigns_max: 1_000,
            outcomes: Outcomes::default(),
            sharing: Sharing::default(),
        }
    }
}

/// The business machine. Tell it what happened, drain what it wants done, call it again at its timeout.
pub struct Dialer {
    options: Options,
    recovered: bool,
    campaigns: BTreeMap<CampaignId, Campaign>,
    attempts: BTreeMap<AttemptId, Attempt>,
    /// The open attempt of each contact and of each number: at most one.
    contacts: BTreeMap<ContactId, AttemptId>,
    numbers: BTreeMap<String, AttemptId>,
    floor: Floor,
    /// Calls from outside.
    callers: Callers,
    waiting: Waiting,
    dispositions: Dispositions,
    /// Some agents had better count for another campaign once the lines that wait for them have ended.
    unshared: bool,
    /// Contacts that agents look at before they are called.
    offers: Offers,
    compliance: Compliance,
    outbox: Outbox,
    timers: Timers,
    /// As told last.
    room: Room,
    /// What of it this turn has not used yet.
    room_left: Room,
    /// Whose turn it is among the trunks.
    sharing: Sharing,
    recent: VecDeque<EndingView>,
    last_attempt: u64,
    last_campaign: u64,
}

impl Dialer {
    /// A dialer at rest. It refuses every request before [`Input::Recovered`].
    pub fn new(options: Options, now: Now) -> Self {
        let sharing = options.sharing.clone();
        let mut timers = Timers::default();
        timers.set(Timer::Sheet, Some(now.monotonic.saturating_add(campaigns::SHEET)));
        timers.set(Timer::Learnt, Some(now.monotonic.saturating_add(campaigns::LEARNT)));
        Self {
            options,
            recovered: false,
            campaigns: BTreeMap::new(),
            attempts: BTreeMap::new(),
            contacts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            floor: Floor::default(),
            callers: Callers::default(),
            waiting: Waiting::default(),
            dispositions: Dispositions::default(),
            unshared: false,
            offers: Offers::default(),
            compliance: Compliance::default(),
            outbox: Outbox::default(),
            timers,
            room: Room::default(),
            room_left: Room::default(),
            sharing,
            recent: VecDeque::new(),
            last_attempt: 0,
            last_campaign: 0,
        }
    }

    /// Takes in one thing that happened. Timers run on [`Input::Timeout`] alone.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        match input {
            Input::Recovered(recovered) => self.recover(recovered, now),
            Input::Stored { ticket, result } => self.stored(ticket, result, now),
            Input::Fetched { campaign, fetched } => self.fetched(campaign, fetched, now),
            Input::Room(room) => self.room_told(room, now),
            Input::Reserved { attempt, route } => self.reserved(attempt, route, now),
            Input::Diverted { attempt, failure, route } => {
                self.step(attempt, Event::Diverted(failure, route), now);
            }
            Input::Busy { attempt } => self.step(attempt, Event::Busy, now),
            Input::NotAllowed { attempt } => self.step(attempt, Event::NotAllowed, now),
            Input::Offered(offered) => self.offered(offered, now),
            Input::CallerFound { call, known } => self.caller_found(call, known, now),
            Input::Placed { attempt } => self.step(attempt, Event::Placed, now),
            Input::Ringing { attempt, early_media } => {
                self.step(attempt, Event::Ringing { early_media }, now);
            }
            Input::Answered { attempt, dialog } => self.step(attempt, Event::Answered(dialog), now),
            Input::Failed { attempt, failure } => self.step(attempt, Event::Failed(failure), now),
            Input::Ended { attempt, by, reason } => self.step(attempt, Event::Ended(by, reason), now),
            Input::Connected { attempt } => self.step(attempt, Event::Connected, now),
            Input::ConnectFailed { attempt, agent } => {
                if let Some(agent) = self.floor.key(&agent) {
                    self.step(attempt, Event::ConnectFailed(agent), now);
                }
            }
            Input::AgentLeft { attempt } => {
                if let Some(agent) = self.floor.with_call(attempt) {
                    self.step(attempt, Event::AgentLost(agent), now);
                }
            }
            Input::HandedOver { attempt, agent } => self.handed_over(attempt, &agent, now),
            Input::AgentHeard { attempt, after_answer } => self.agent_heard(attempt, after_answer),
            Input::MessageStarted { attempt } => {
                tracing::debug!(%attempt, "safe-harbour message began");
            }
            Input::Recorded { attempt, recording } => self.recorded(attempt, recording, now),
            Input::AgentReachable { agent, leg } => self.agent_reachable(&agent, leg, now),
            Input::AgentLegCalling { agent, route } => self.agent_leg_calling(&agent, route),
            Input::AgentLegMoved { agent, route, leg } => self.agent_leg_moved(&agent, route, leg),
            Input::LineUp { route, leg } => self.line_up(route, leg),
            Input::LineOver { call_id } => self.line_over(&call_id),
            Input::AgentEngaged { agent } => self.agent_engaged(&agent, now),
            Input::AgentUnreachable { agent } => self.agent_unreachable(&agent, now),
            Input::Preferred { user, device } => self.note(None, vec![Write::Preferred { user, device }]),
            Input::Numbers(rows) => self.note(None, rows.into_iter().map(Write::Number).collect()),
            Input::Registered(binding) => self.note(None, vec![Write::Binding(binding)]),
            Input::Unregistered { user, binding } => {
                self.note(None, vec![Write::Unbind { user, binding }]);
            }
            Input::Campaign { request, command } => self.campaign_command(request, command, now),
            Input::Agent { request, command } => self.agent_command(request, command, now),
            Input::Timeout => self.timeout(now),
        }
        self.keep_promises(now);
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    /// The monotonic instant, in campaign time, at which [`Input::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// What a wallboard shows.
    pub fn live(&self, now: Now) -> LiveView {
        self.view(now)
    }

    /// The newest decisions of a campaign's pacer, newest first, at most `limit`; `None` where there is no such campaign.
    pub fn decisions(&self, campaign: CampaignId, limit: usize) -> Option<Vec<Decided>> {
        self.campaigns.get(&campaign).map(|campaign| campaign.pacing.decisions.latest(limit))
    }

    /// Runs what is due.
    fn timeout(&mut self, now: Now) {
        self.room_left.clone_from(&self.room);
        for _ in 0..TIMERS_PER_TURN_MAX {
            let Some(timer) = self.timers.take_due(now.monotonic) else { return };
            match timer {
                Timer::Attempt(attempt) => self.step(attempt, Event::Deadline, now),
                Timer::Agent(agent) => self.agent_due(agent, now),
                Timer::Preview(agent) => self.preview_is_over(agent, now),
                Timer::Decide(campaign) => self.decide(campaign, now),
                Timer::Fetch(campaign) => self.seek_supply(campaign, now),
                Timer::TimeLimit(campaign) => self.time_is_up(campaign, now),
                Timer::Cut(campaign) => self.cut_talks(campaign, now),
                Timer::Settle(campaign) => self.give_up_recordings(campaign, now),
                Timer::Retry => self.retry_batches(now),
                Timer::Sheet => self.record_sheets(now),
                Timer::Learnt => self.record_learnt(now),
            }
        }
    }

    /// Room on the trunks; pacers for whom there was none and is some now are asked.
    fn room_told(&mut self, room: Room, now: Now) {
        let running = self.campaigns.values().filter(|campaign| campaign.is_running());
        let waited = running.filter(|campaign| {
            let trunks = &campaign.spec.trunks;
            self.room.calls(trunks) == 0 && room.calls(trunks) > 0
        });
        let waited: Vec<_> = waited.map(|campaign| campaign.id).collect();
        self.room_left.clone_from(&room);
        self.room = room;
        for campaign in waited {
            self.ask_soon(campaign, now);
        }
    }

    /// Tells a campaign's pacer, and sees to it that it is asked soon.
    fn pace(&mut self, campaign: CampaignId, kind: EventKind, now: Now) {
        self.callers.stirred = true;
        if let Some(campaign) = self.campaigns.get_mut(&campaign) {
            campaign.keep_period(now);
            campaign.pacing.observe(&event::Event { at: now.monotonic, kind });
        }
        self.ask_soon(campaign, now);
    }

    fn ask_soon(&mut self, campaign: CampaignId, now: Now) {
        self.timers.at_latest(Timer::Decide(campaign), now.monotonic.saturating_add(COALESCE));
    }

    /// Records progress that nothing waits for.
    fn note(&mut self, campaign: Option<CampaignId>, writes: Vec<Write>) {
        self.outbox.record(Purpose::Note, campaign, writes);
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
