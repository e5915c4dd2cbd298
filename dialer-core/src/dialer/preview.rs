//! Preview: a free agent is shown a contact and decides whether it is called. Nobody is called before that, and the call is
//! for that agent alone.

use carillon_pacing::{AgentKey, Event, EventKind};

use super::outbox::Purpose;
use super::{Dialer, Timer};
use crate::agent::PreviewChoice;
use crate::campaign::machine::Campaign;
use crate::campaign::spec::{Mode, Unanswered};
use crate::compliance::Verdict;
use crate::id::{CampaignId, TaskId};
use crate::live::PreviewView;
use crate::output::{Refused, Reply};
use crate::selection::offers::Offer;
use crate::store::read::Due;
use crate::store::write::Write;
use crate::task::TaskState;
use crate::time::Now;

impl Dialer {
    /// Whether calls of the campaign wait for an agent's word.
    pub(super) fn previews(&self, id: CampaignId) -> bool {
        self.campaigns.get(&id).is_some_and(|campaign| campaign.spec.mode == Mode::Preview)
    }

    /// Shows contacts to free agents of the pool, longest idle first, at most so many.
    pub(super) fn offer_contacts(&mut self, id: CampaignId, most: u32, now: Now) {
        for _ in 0..most {
            let free = |agent: AgentKey| !self.is_held(agent);
            let Some(agent) = self.floor.longest_idle_of(id, free) else { return };
            let Some(due) = self.next_callable(id, None, now) else { return };
            self.show(id, agent, due, now);
        }
    }

    /// Shows an owner the best contact of their own.
    pub(super) fn offer_own_contact(&mut self, id: CampaignId, owner: AgentKey, now: Now) -> bool {
        let user = self.floor.user(owner);
        let due = user.and_then(|user| self.next_callable(id, Some(&user), now));
        let shown = due.is_some();
        due.into_iter().for_each(|due| self.show(id, owner, due, now));
        shown
    }

    fn show(&mut self, id: CampaignId, agent: AgentKey, due: Due, now: Now) {
        let Some(campaign) = self.campaigns.get_mut(&id) else { return };
        let timeout = campaign.spec.preview_timeout;
        // Until they have decided, no other contact is meant for them.
        let apart = Event { at: now.monotonic, kind: EventKind::AgentApart { agent } };
        campaign.pacing.observe(&apart);
        self.offers.insert(agent, Offer { campaign: id, due, until: now.utc.after(timeout) });
        self.timers.set(Timer::Preview(agent), Some(now.monotonic.saturating_add(timeout)));
    }

    /// An agent has decided.
    pub(super) fn decide_preview(
        &mut self,
        user: &str,
        task: TaskId,
        choice: PreviewChoice,
        now: Now,
    ) -> Result<Reply, Refused> {
        let key = self.floor.key(user).ok_or_else(|| Refused::Unknown(format!("agent {user}")))?;
        if self.offers.of(key).is_none_or(|offer| offer.due.task != task) {
            return Err(Refused::State("the contact is not shown to the agent, or no longer".into()));
        }
        let result = match choice {
            PreviewChoice::Call => self.call_shown(key, now),
            PreviewChoice::Skip => {
                self.skip_shown(key, now);
                Ok(Reply::Done)
            }
        };
        self.let_go(Some(key), now);
        result
    }

    /// The agent has not decided in time.
    pub(super) fn preview_is_over(&mut self, key: AgentKey, now: Now) {
        let campaign = self.offers.of(key).and_then(|offer| self.campaigns.get(&offer.campaign));
        match campaign.map(|campaign| campaign.spec.preview_unanswered) {
            Some(Unanswered::Call) => {
                // What speaks against it has been noted with the task.
                let _ = self.call_shown(key, now);
            }
            Some(Unanswered::Skip) => self.skip_shown(key, now),
            None => {}
        }
        self.let_go(Some(key), now);
    }

    /// Calls the contact that the agent is shown, unless something has come between.
    fn call_shown(&mut self, key: AgentKey, now: Now) -> Result<Reply, Refused> {
        let Some(Offer { campaign: id, due, .. }) = self.take_shown(key) else {
            return Err(Refused::State("no contact is shown to the agent".into()));
        };
        let refused = |why: &str| Err(Refused::State(why.into()));
        if !self.campaigns.get(&id).is_some_and(Campaign::is_running) {
            return refused("the campaign does not run");
        }
        self.ask_soon(id, now);
        if !self.outbox.is_healthy() {
            self.put_back(id, due);
            return Err(Refused::Store);
        }
        if self.is_engaged(&due) {
            return refused("somebody else is calling this contact");
        }
        // What the pacers have used of the room since is the gateway's to tell: it answers `Busy`, and the contact comes again.
        let Some(campaign) = self.campaigns.get(&id) else { return refused("the campaign does not run") };
        if self.room.calls(&campaign.spec.trunks) == 0 || self.calls_left() == 0 {
            self.put_back(id, due);
            return refused("no line is free");
        }
        match self.compliance.check(&campaign.rules, &due, now.utc) {
            Verdict::Allowed(_) => {
                self.launch(id, due, Some(key), now);
                Ok(Reply::Done)
            }
            verdict @ (Verdict::NotBefore(_) | Verdict::Never(_)) => {
                self.write_off(id, vec![(due, verdict)], now);
                refused("the contact may not be called now")
            }
        }
    }

    /// The contact is offered again later, and the agent shown another one.
    fn skip_shown(&mut self, key: AgentKey, now: Now) {
        let Some(Offer { campaign: id, due, .. }) = self.take_shown(key) else { return };
        let Some(campaign) = self.campaigns.get(&id) else { return };
        let at = now.utc.after(campaign.spec.preview_again);
        self.note_due(id, at, now);
        let write =
            Write::Task { task: due.task, state: TaskState::Open, next_at: Some(at), disposition: None };
        self.outbox.record(Purpose::Rule, Some(id), vec![write]);
        self.ask_soon(id, now);
    }

    /// An agent who is shown a contact takes no calls any more: it is shown to somebody else.
    pub(super) fn withdraw_shown(&mut self, key: AgentKey, now: Now) {
        if let Some(Offer { campaign, due, .. }) = self.take_shown(key) {
            self.put_back(campaign, due);
            self.ask_soon(campaign, now);
            self.let_go(Some(key), now);
        }
    }

    /// The campaign shows nobody anything any more.
    pub(super) fn withdraw_all_shown(&mut self, id: CampaignId, now: Now) {
        for agent in self.offers.agents_of(id).collect::<Vec<_>>() {
            self.withdraw_shown(agent, now);
        }
    }

    /// What the agent is shown.
    pub(super) fn shown(&self, key: AgentKey) -> Option<PreviewView> {
        let offer = self.offers.of(key)?;
        Some(PreviewView {
            campaign: offer.campaign,
            task: offer.due.task,
            contact: offer.due.contact,
            until: offer.until,
        })
    }

    /// Says how many agents have yet to decide.
    pub(super) fn tell_who_decides(&mut self, id: CampaignId) {
        let deciding = self.offers.agents_of(id).count();
        if let Some(campaign) = self.campaigns.get_mut(&id) {
            campaign.standing.agents_deciding = u64::try_from(deciding).unwrap_or(u64::MAX);
        }
    }

    fn take_shown(&mut self, key: AgentKey) -> Option<Offer> {
        self.timers.set(Timer::Preview(key), None);
        self.offers.remove(key)
    }

    fn put_back(&mut self, id: CampaignId, due: Due) {
        if let Some(campaign) = self.campaigns.get_mut(&id).filter(|campaign| campaign.keeps_supply()) {
            campaign.supply.put_back(due);
        }
    }
}
