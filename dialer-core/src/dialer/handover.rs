//! Calls that an agent hands over to a colleague: from then on state, talk, disposition and record are the colleague's.

use super::Dialer;
use crate::agent::AgentState;
use crate::attempt::event::Event;
use crate::campaign::spec::WrapUp;
use crate::id::AttemptId;
use crate::store::write::Write;
use crate::time::Now;

impl Dialer {
    /// A colleague has the call; whoever had it wraps up, and no word on it is expected of them.
    pub(super) fn handed_over(&mut self, id: AttemptId, user: &str, now: Now) {
        let inbound = self.callers.get(id).map(|call| call.row.campaign);
        let campaign = self.attempts.get(&id).map(|attempt| attempt.campaign).or(inbound);
        let (Some(campaign), Some(to), Some(from)) =
            (campaign, self.floor.key(user), self.floor.with_call(id))
        else {
            return;
        };
        if to == from || self.floor.state(from) != Some(AgentState::Talking) {
            return;
        }
        // The colleague may have been taken from a wrap-up of their own.
        self.end_wrap_up(to, now);
        self.step(id, Event::HandedOver(to), now);
        let script = self.campaigns.get(&campaign).and_then(|campaign| match &campaign.spec.wrap_up {
            WrapUp::Script { after, .. } => Some(now.monotonic.saturating_add(*after)),
            WrapUp::Agent => None,
        });
        self.with_agent(from, now, |agent| agent.hand_over(id, campaign, script, now));
        self.with_agent(to, now, |agent| agent.take_over(id, now));
        self.dispositions.hand_over(id, user);
        let agent = user.to_owned();
        let write = self.inbound_handed_over(id, user).unwrap_or(Write::HandedOver { attempt: id, agent });
        self.note(Some(campaign), vec![write]);
    }
}
