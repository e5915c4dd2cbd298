//! The agent's word on a bridged call: recorded once, and the task closed or retried by it.

use carillon_pacing::AgentKey;

use super::Dialer;
use super::outbox::Purpose;
use crate::campaign::spec::WrapUp;
use crate::closure;
use crate::disposition::{Awaited, DISPOSITION_CHARACTERS_MAX, NOTE_CHARACTERS_MAX, Word};
use crate::id::{AttemptId, RequestId};
use crate::output::{Output, Refused, Reply};
use crate::store::write::{Refusal, Write};
use crate::time::Now;

impl Dialer {
    /// Takes the word of an agent or of the campaign's script. A request is answered once the word is durable.
    pub(super) fn dispose(
        &mut self,
        attempt: AttemptId,
        key: AgentKey,
        request: Option<RequestId>,
        disposition: &str,
        note: &str,
        now: Now,
    ) {
        let Some(agent) = self.floor.user(key) else { return };
        let length = disposition.chars().count();
        if length == 0 || length > DISPOSITION_CHARACTERS_MAX || note.chars().count() > NOTE_CHARACTERS_MAX {
            let limits = format!(
                "disposition: 1 to {DISPOSITION_CHARACTERS_MAX} characters; note: at most {NOTE_CHARACTERS_MAX}"
            );
            return self.reply(request, Err(Refused::Invalid(limits)));
        }
        match self.dispositions.word(attempt, &agent, disposition) {
            Word::Record(awaited) => {
                self.record_word(attempt, &awaited, request, disposition, note, now);
                if self.ends_wrap_up(&awaited) {
                    self.with_agent(key, now, |agent| agent.wrapped_up(attempt, now));
                }
            }
            Word::Kept => {
                self.dispositions.keep(attempt, disposition, note);
                self.reply(request, Ok(Reply::Done));
            }
            Word::Repeated => self.reply(request, Ok(Reply::Done)),
            Word::Contradicts => {
                self.reply(request, Err(Refused::State("another disposition is recorded".into())));
            }
            Word::Unknown => {
                self.reply(request, Err(Refused::Unknown(format!("attempt {attempt} of {agent}"))))
            }
        }
    }

    /// Records a word and what the rules make of it.
    pub(super) fn record_word(
        &mut self,
        attempt: AttemptId,
        awaited: &Awaited,
        request: Option<RequestId>,
        disposition: &str,
        note: &str,
        now: Now,
    ) {
        let Awaited { campaign, task, timezone, history, agent, .. } = awaited;
        let Some(rules) = self.campaigns.get(campaign).map(|campaign| &campaign.spec.closure) else { return };
        let closure = closure::after_disposition(rules, disposition, *history, now.utc);
        let closure = self.within_window(*campaign, closure, timezone.as_deref(), *history);
        let inbound = self.inbound_word(attempt, disposition, note);
        let word = inbound.or_else(|| {
            Some(Write::Disposition {
                attempt,
                task: (*task)?,
                agent: agent.clone(),
                at: now.utc,
                disposition: disposition.to_owned(),
                note: note.to_owned(),
            })
        });
        let task = task
            .filter(|_| !awaited.settled)
            .map(|task| self.task_row(*campaign, task, closure, Some(disposition.to_owned()), now));
        let writes = word.into_iter().chain(task).collect();
        self.outbox.record(Purpose::Disposed { request }, Some(*campaign), writes);
        self.forget_inbound(attempt);
    }

    /// The word is durable, or the store refused it.
    pub(super) fn disposed(&mut self, request: Option<RequestId>, result: Result<(), Refusal>) {
        if let Err(refusal) = &result {
            tracing::error!(%refusal, "a disposition was refused");
        }
        self.reply(request, result.map(|()| Reply::Done).map_err(|_| Refused::Store));
    }

    fn reply(&mut self, request: Option<RequestId>, result: Result<Reply, Refused>) {
        if let Some(request) = request {
            self.outbox.push(Output::Reply { request, result });
        }
    }

    /// Where agents wrap up by hand, their word is the end of it.
    fn ends_wrap_up(&self, awaited: &Awaited) -> bool {
        self.campaigns.get(&awaited.campaign).is_none_or(|campaign| match campaign.spec.wrap_up {
            WrapUp::Agent => true,
            WrapUp::Script { .. } => false,
        })
    }
}
