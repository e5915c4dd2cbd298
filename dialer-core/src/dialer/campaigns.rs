//! Campaigns at work: requests, the time limit, the end.

use std::time::Duration;

use super::outbox::Purpose;
use super::{Dialer, Timer};
use crate::attempt::event::Event;
use crate::campaign::machine::{Campaign, refusal};
use crate::campaign::pacing::Heritage;
use crate::campaign::spec::CampaignSpec;
use crate::campaign::standing::Cause;
use crate::campaign::{CampaignCommand, CampaignState};
use crate::compliance::jurisdiction;
use crate::id::{AttemptId, CampaignId, RequestId};
use crate::output::{Output, Refused, Reply};
use crate::store::write::{Refusal, Write};
use crate::time::{Now, Utc};

/// Agents' time and campaigns' elapsed time are recorded this often.
pub(super) const SHEET: Duration = Duration::from_secs(10);
/// What pacers have learnt is recorded this often.
pub(super) const LEARNT: Duration = Duration::from_secs(60);

impl Dialer {
    /// An operator's or script's request.
    pub(super) fn campaign_command(&mut self, request: RequestId, command: CampaignCommand, now: Now) {
        if !self.recovered {
            let result = Err(Refused::State("starting".into()));
            return self.outbox.push(Output::Reply { request, result });
        }
        let result = match command {
            CampaignCommand::Create(spec) => match self.create(*spec, request, now) {
                // Answered once it is durable.
                Ok(()) => return,
                Err(refused) => Err(refused),
            },
            CampaignCommand::Start(id) => self.start_campaign(id, now),
            CampaignCommand::Pause(id) => self.pause_campaign(id, now),
            CampaignCommand::Stop(id) => self.ask_to_stop(id, now),
            CampaignCommand::Abort(id) => self.abort_campaign(id, now),
            CampaignCommand::ListChanged(id) => self.list_changed(id, now),
            CampaignCommand::Suppress(numbers) => {
                numbers.iter().for_each(|number| self.compliance.suppress(number));
                Ok(Reply::Done)
            }
        };
        self.outbox.push(Output::Reply { request, result });
    }

    fn create(&mut self, spec: CampaignSpec, request: RequestId, now: Now) -> Result<(), Refused> {
        if let Some(refusal) = refusal(&spec) {
            return Err(Refused::Invalid(refusal));
        }
        if !self.outbox.is_healthy() {
            return Err(Refused::Store);
        }
        let full = || Refused::Full("as many campaigns as there may be".into());
        if self.campaigns.len() >= self.options.campaigns_max as usize {
            return Err(full());
        }
        let next = self.last_campaign.checked_add(1).ok_or_else(full)?;
        let id = CampaignId(next);
        let campaign = Campaign::new(id, spec, Heritage::default(), now)
            .ok_or_else(|| Refused::Invalid("windows: can't be used".into()))?;
        self.last_campaign = next;
        let row = campaign.row(CampaignState::Draft, now);
        self.campaigns.insert(id, campaign);
        self.outbox.record(Purpose::Create { request, campaign: id }, Some(id), vec![row]);
        Ok(())
    }

    /// A new campaign is durable, or was refused as a whole.
    pub(super) fn created(&mut self, request: RequestId, id: CampaignId, result: Result<(), Refusal>) {
        if result.is_err() {
            self.campaigns.remove(&id);
        }
        let result = result.map(|()| Reply::Campaign(id)).map_err(|_| Refused::Store);
        self.outbox.push(Output::Reply { request, result });
    }

    fn start_campaign(&mut self, id: CampaignId, now: Now) -> Result<Reply, Refused> {
        let campaign = self.campaign(id)?;
        if campaign.start(now) {
            for warning in jurisdiction::warnings(&campaign.spec) {
                tracing::warn!(campaign = %id, "{warning}");
            }
            self.record_state(id, now);
            self.run_campaign(id, now);
        }
        Ok(Reply::Done)
    }

    /// Sets the timers of a campaign that runs, and gives it its share of the agents.
    pub(super) fn run_campaign(&mut self, id: CampaignId, now: Now) {
        let limit = self.campaigns.get(&id).and_then(|campaign| campaign.time_left(now));
        self.timers.set(Timer::TimeLimit(id), limit.map(|left| now.monotonic.saturating_add(left)));
        self.timers.set(Timer::Cut(id), None);
        self.share_agents(now);
        self.seek_supply(id, now);
        self.ask_soon(id, now);
    }

    fn pause_campaign(&mut self, id: CampaignId, now: Now) -> Result<Reply, Refused> {
        let campaign = self.campaign(id)?;
        if !campaign.pause(now) && campaign.state() != CampaignState::Paused {
            return Err(Refused::State("the campaign is not running".into()));
        }
        self.record_state(id, now);
        self.timers.set(Timer::TimeLimit(id), None);
        self.withdraw_all_shown(id, now);
        self.withdraw_unplaced(id, now);
        self.share_agents(now);
        Ok(Reply::Done)
    }

    fn ask_to_stop(&mut self, id: CampaignId, now: Now) -> Result<Reply, Refused> {
        match self.campaign(id)?.state() {
            CampaignState::Draft => return Err(Refused::State("the campaign has not been started".into())),
            CampaignState::Running | CampaignState::Paused => self.stop_campaign(id, Cause::Stopped, now),
            CampaignState::Stopping | CampaignState::Ended => {}
        }
        Ok(Reply::Done)
    }

    /// The time is up: as at a stop, and talks that outlive the campaign for long are cut.
    pub(super) fn time_is_up(&mut self, id: CampaignId, now: Now) {
        if let Some(campaign) = self.campaigns.get(&id) {
            let cut = now.monotonic.saturating_add(campaign.cut_after());
            self.timers.set(Timer::Cut(id), Some(cut));
            self.stop_campaign(id, Cause::TimeLimit, now);
        }
    }

    /// Nothing more is placed; ringing lines run to their ring timeout, live calls go on.
    pub(super) fn stop_campaign(&mut self, id: CampaignId, cause: Cause, now: Now) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        if !campaign.stop(cause, now) {
            return;
        }
        self.timers.set(Timer::TimeLimit(id), None);
        self.record_state(id, now);
        self.withdraw_all_shown(id, now);
        self.withdraw_unplaced(id, now);
        self.share_agents(now);
        self.consider_end(id, now);
    }

    fn abort_campaign(&mut self, id: CampaignId, now: Now) -> Result<Reply, Refused> {
        self.ask_to_stop(id, now)?;
        for attempt in self.attempts_of(id) {
            self.step(attempt, Event::Abort, now);
        }
        Ok(Reply::Done)
    }

    /// Gives lines back that nothing was recorded for; what is being recorded ends when the store answers.
    fn withdraw_unplaced(&mut self, id: CampaignId, now: Now) {
        for attempt in self.attempts_of(id) {
            if self.attempts.get(&attempt).is_some_and(crate::attempt::machine::Attempt::is_unrecorded) {
                self.step(attempt, Event::Abort, now);
            }
        }
    }

    /// Talks have outlived their campaign long enough.
    pub(super) fn cut_talks(&mut self, id: CampaignId, now: Now) {
        for attempt in self.attempts_of(id) {
            self.step(attempt, Event::Cut("time_limit"), now);
        }
    }

    fn list_changed(&mut self, id: CampaignId, now: Now) -> Result<Reply, Refused> {
        let campaign = self.campaign(id)?;
        // Numbers and owners in hand may have changed.
        campaign.supply.clear();
        campaign.fetching.stale = campaign.fetching.asked.is_some();
        campaign.fetching.idle_until = now.monotonic;
        self.seek_supply(id, now);
        Ok(Reply::Done)
    }

    fn attempts_of(&self, id: CampaignId) -> Vec<AttemptId> {
        self.campaigns
            .get(&id)
            .map(|campaign| campaign.attempts.iter().copied().collect())
            .unwrap_or_default()
    }

    fn campaign(&mut self, id: CampaignId) -> Result<&mut Campaign, Refused> {
        self.campaigns.get_mut(&id).ok_or_else(|| Refused::Unknown(format!("campaign {id}")))
    }

    fn record_state(&mut self, id: CampaignId, now: Now) {
        if let Some(campaign) = self.campaigns.get(&id) {
            let mut writes = vec![campaign.row(campaign.state(), now)];
            writes.extend(campaign.learnt_row(now));
            self.outbox.record(Purpose::Rule, Some(id), writes);
        }
    }

    /// Whether nothing of a campaign is in motion: no call, no wrap-up, no write that is not durable yet.
    pub(super) fn is_settled(&self, id: CampaignId) -> bool {
        self.outbox.pending(id) == 0
            && self.offers.agents_of(id).next().is_none()
            && self.campaigns.get(&id).is_some_and(|campaign| {
                campaign.attempts.is_empty() && campaign.wrap_ups == 0 && campaign.recordings.is_empty()
            })
    }

    /// Whether a settled campaign whose store had no due task has anything left to wait for.
    pub(super) fn nothing_left(&self, id: CampaignId, open: u64, next_due: Option<Utc>, now: Now) -> bool {
        let Some(campaign) = self.campaigns.get(&id) else { return false };
        if open == u64::MAX || !campaign.supply.is_empty() || self.dispositions.waiting(id) > 0 {
            return false;
        }
        // Due, and the owner takes no calls now: the task waits for them.
        if campaign.fetching.owned.values().any(|due| *due > 0) {
            return false;
        }
        match (next_due, campaign.time_left(now)) {
            _ if open == 0 => true,
            (None, _) => true,
            (Some(_), None) => false,
            (Some(next_due), Some(left)) => next_due >= now.utc.after(left),
        }
    }

    /// Ends a campaign that has stopped, once nothing of it is in motion; lets one that runs look once more.
    pub(super) fn consider_end(&mut self, id: CampaignId, now: Now) {
        let Some(campaign) = self.campaigns.get(&id) else { return };
        let (running, stopping) = (campaign.is_running(), campaign.is_stopping());
        if !(running || stopping) || !self.is_settled(id) {
            return;
        }
        if running {
            if let Some(campaign) = self.campaigns.get_mut(&id).filter(|campaign| campaign.supply.is_empty())
            {
                campaign.fetching.idle_until = now.monotonic;
                self.seek_supply(id, now);
            }
            return;
        }
        let sheets = self.take_sheets(now);
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.close();
        let mut writes = vec![campaign.row(CampaignState::Ended, now)];
        writes.extend(campaign.learnt_row(now));
        writes.extend(campaign.journal_row());
        writes.extend(sheets);
        self.timers.set(Timer::Cut(id), None);
        self.timers.set(Timer::Fetch(id), None);
        self.timers.set(Timer::Decide(id), None);
        self.outbox.record(Purpose::Final(id), Some(id), writes);
    }

    /// The last batch of a campaign is durable.
    pub(super) fn finished(&mut self, id: CampaignId) {
        if self.campaigns.get_mut(&id).is_some_and(Campaign::closed) {
            self.outbox.push(Output::Finished { campaign: id });
        }
    }

    /// Recordings that nobody closed in time are waited for no longer.
    pub(super) fn give_up_recordings(&mut self, id: CampaignId, now: Now) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        campaign.recordings.retain(|attempt, until| {
            let keep = until.is_none_or(|until| until > now.monotonic);
            if !keep {
                tracing::warn!(%attempt, "recording fault: never closed");
            }
            keep
        });
        let next = campaign.recordings.values().flatten().min().copied();
        self.timers.set(Timer::Settle(id), next);
        self.consider_end(id, now);
    }

    /// Records agents' time and campaigns' elapsed time, unless the store is away: then they add up.
    pub(super) fn record_sheets(&mut self, now: Now) {
        self.timers.set(Timer::Sheet, Some(now.monotonic.saturating_add(SHEET)));
        if !self.outbox.is_healthy() {
            return;
        }
        let mut writes = self.take_sheets(now);
        let running = self.campaigns.values().filter(|campaign| campaign.is_running());
        writes.extend(running.map(|campaign| campaign.row(CampaignState::Running, now)));
        writes.extend(self.campaigns.values_mut().filter_map(Campaign::journal_row));
        self.note(None, writes);
    }

    /// Records what the pacers of running campaigns have learnt, unless the store is away.
    pub(super) fn record_learnt(&mut self, now: Now) {
        self.timers.set(Timer::Learnt, Some(now.monotonic.saturating_add(LEARNT)));
        if self.outbox.is_healthy() {
            let running = self.campaigns.values().filter(|campaign| campaign.is_running());
            let writes = running.filter_map(|campaign| campaign.learnt_row(now)).collect();
            self.note(None, writes);
        }
    }

    fn take_sheets(&mut self, now: Now) -> Vec<Write> {
        let mut writes = Vec::new();
        for agent in self.floor.agents_mut() {
            let sheet = agent.take_sheet(now);
            if sheet != crate::agent::machine::TimeSheet::default() {
                writes.push(Write::AgentTime {
                    agent: agent.user.clone(),
                    ready: sheet.ready,
                    talking: sheet.talking,
                    wrap_up: sheet.wrap_up,
                    away: sheet.away,
                });
            }
        }
        writes
    }
}
