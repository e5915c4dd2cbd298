//! The live view: what a wallboard shows, put together from what is kept incrementally.

use super::Dialer;
use crate::campaign::machine::Campaign;
use crate::id::AttemptId;
use crate::inbound::InboundRow;
use crate::live::{AgentView, CallerView, CampaignView, EndingView, LiveView, RECENT_MAX};
use crate::time::Now;

impl Dialer {
    pub(super) fn view(&self, now: Now) -> LiveView {
        LiveView {
            at: now.utc,
            speed: 1,
            campaigns: self
                .campaigns
                .values()
                .map(|campaign| {
                    let (waiting, _) = self.waiting_for_owners(campaign);
                    let callers_waiting = self.callers.waiting(campaign.id);
                    CampaignView { callers_waiting, ..campaign_view(campaign, waiting, now) }
                })
                .collect(),
            agents: self.agent_views(),
            recent: self.recent.iter().cloned().collect(),
            trunks: Vec::new(),
        }
    }
}

impl Dialer {
    fn agent_views(&self) -> Vec<AgentView> {
        // Several times a second for thousands of agents: a vector that grows by itself would be moved each time.
        let mut views = Vec::with_capacity(self.floor.agents_count());
        views.extend(self.floor.agents_with_keys().map(|(key, agent)| AgentView {
            user: agent.user.clone(),
            state: agent.state(),
            reason: agent.break_reason().to_owned(),
            since: agent.since(),
            calls: agent.calls,
            attempt: agent.attempt(),
            inbound: agent.attempt().and_then(|call| self.caller_shown(call)).map(Box::new),
            preview: self.shown(key).map(Box::new),
        }));
        views
    }

    /// From now on a call is among those that have ended latest.
    pub(super) fn show_ending(&mut self, ending: EndingView) {
        self.recent.push_front(ending);
        self.recent.truncate(RECENT_MAX);
    }

    fn caller_shown(&self, call: AttemptId) -> Option<CallerView> {
        let row = &self.callers.get(call)?.row;
        let InboundRow { campaign, contact, task, arrived_at, identity, .. } = row;
        let identity = identity.clone();
        Some(CallerView { campaign: *campaign, contact: *contact, task: *task, since: *arrived_at, identity })
    }
}

fn campaign_view(campaign: &Campaign, tasks_waiting_for_owner: u64, now: Now) -> CampaignView {
    let figures = &campaign.figures;
    let elapsed = campaign.elapsed(now);
    let started = now.monotonic.saturating_sub(elapsed);
    let (open, total) = (campaign.fetching.open, campaign.fetching.total);
    let closed = total.saturating_sub(open);
    let eta_ms = match (open, closed) {
        (0, _) => Some(0),
        (_, 0) => None,
        (open, closed) => {
            let per_task = elapsed.as_millis() as f64 / closed as f64;
            Some((per_task * open as f64) as u64)
        }
    };
    CampaignView {
        id: campaign.id,
        name: campaign.spec.name.clone(),
        state: campaign.state(),
        pacing_reason: campaign.standing.sentence(),
        pacing: campaign.standing.clone(),
        tasks_open: open,
        tasks_total: total,
        tasks_waiting_for_owner,
        placed: figures.placed,
        answered: figures.answered,
        bridged: figures.bridged,
        abandoned: figures.abandoned,
        abandon_rate: if figures.answered == 0 {
            0.0
        } else {
            figures.abandoned as f64 / figures.answered as f64
        },
        abandon_limit: campaign.spec.abandon_limit,
        ringing: figures.ringing,
        waiting: figures.waiting,
        talking: figures.talking,
        answers_callers: campaign.answers_callers(),
        callers_waiting: 0,
        calls_per_hour: figures.calls_per_hour(started, now.monotonic),
        eta_ms,
        answer_to_agent_p99_ms: figures.answer_to_agent_p99_ms(),
    }
}
