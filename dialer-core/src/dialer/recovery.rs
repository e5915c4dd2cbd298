//! The start: what an earlier process left is taken over, and nothing of it is lost or done twice.

use std::time::Duration;

use carillon_pacing::budget::Ledger;

use super::Dialer;
use super::outbox::Purpose;
use crate::attempt::outcome::{Attribution, Finding, Outcome};
use crate::campaign::machine::Campaign;
use crate::campaign::pacing::Heritage;
use crate::campaign::spec::WrapUp;
use crate::closure::{self, Closure, History};
use crate::compliance::period::Period;
use crate::disposition::Awaited;
use crate::id::{AttemptId, CampaignId};
use crate::output::Output;
use crate::store::read::{Interrupted, OpenAttempt, Recovered, RecoveredCampaign, Undisposed};
use crate::store::write::{self, Ended, Write};
use crate::time::{Now, Utc};

/// An INVITE that may still be out is over this long after the ring timeout.
const RING_MARGIN: Duration = Duration::from_secs(5);

/// How long after a restart ended an attempt another restart sees to its call again: as long as an INVITE may ring
/// (RFC 3261 timer C).
const INTERRUPTED_WATCH: Duration = Duration::from_secs(180);

impl Dialer {
    /// Takes over. Only the first time.
    pub(super) fn recover(&mut self, recovered: Recovered, now: Now) {
        if self.recovered {
            return;
        }
        self.recovered = true;
        self.last_attempt = recovered.last_attempt;
        self.last_campaign = recovered.last_campaign;
        recovered.suppressed.iter().for_each(|number| self.compliance.suppress(number));
        for campaign in recovered.campaigns {
            // Answered and not bridged when the process died: abandoned.
            let own = |attempt: &&OpenAttempt| attempt.campaign == campaign.campaign;
            let open = || recovered.open_attempts.iter().filter(own);
            let let_down: Vec<Utc> = open()
                .filter(|attempt| attempt.answered_at.is_some() && attempt.bridged_at.is_none())
                .map(|attempt| attempt.intent_at)
                .collect();
            let unnoted = open().filter(|attempt| attempt.placed_at.is_none()).count() as u64;
            self.restore_campaign(campaign, &let_down, unnoted, now);
        }
        for (agent, leg) in recovered.agent_legs {
            self.outbox.push(Output::Adopt(leg));
            // Nobody else ever writes over it.
            if write::is_line(&agent) {
                self.note(None, vec![Write::AgentLeg { agent, leg: None }]);
            }
        }
        // Two deaths soon after each other: what the first restart sent may not have arrived.
        let still = |row: &Interrupted| row.at.after(INTERRUPTED_WATCH) > now.utc;
        for row in recovered.interrupted.into_iter().filter(still) {
            self.outbox.push(Output::Adopt(row.orphan));
        }
        for attempt in recovered.open_attempts {
            self.interrupt(attempt, now);
        }
        for undisposed in recovered.undisposed {
            self.await_word(undisposed, now);
        }
        for inbound in recovered.inbound {
            self.recover_inbound(inbound, now);
        }
        let running = self.campaigns.values().filter(|campaign| campaign.is_running());
        for id in running.map(|campaign| campaign.id).collect::<Vec<CampaignId>>() {
            self.run_campaign(id, now);
        }
    }

    /// `let_down`: when the intents of those were formed who waited for an agent when the process died.
    fn restore_campaign(&mut self, row: RecoveredCampaign, let_down: &[Utc], unnoted: u64, now: Now) {
        let abandoned = row.abandoned.saturating_add(let_down.len() as u64);
        let period = Period::of(&row.spec, row.started_at, now.utc);
        // The store counted a moment ago; midnight may have passed since.
        let ledger = if row.period.since == period.since {
            let late = let_down.iter().filter(|intent_at| **intent_at >= period.since).count() as u64;
            let abandoned = row.period.abandoned.saturating_add(late);
            Ledger {
                live: row.period.answered,
                abandoned,
                machines: row.period.machines,
                ..Ledger::default()
            }
        } else {
            Ledger::default()
        };
        let heritage = Heritage { ledger, learnt: row.learnt.as_deref(), journal: row.journal };
        let Some(mut campaign) = Campaign::new(row.campaign, row.spec, heritage, now) else {
            tracing::error!(campaign = %row.campaign, "its spec can't be used by this version: it stays as it is");
            return;
        };
        campaign.restore(row.state, row.started_at, row.elapsed, now);
        campaign.figures.placed = row.placed.saturating_add(unnoted);
        campaign.figures.answered = row.answered;
        campaign.figures.bridged = row.bridged;
        campaign.figures.abandoned = abandoned;
        self.campaigns.insert(row.campaign, campaign);
    }

    /// An attempt without an outcome: whatever may still be up is seen to, and it ends as interrupted.
    fn interrupt(&mut self, attempt: OpenAttempt, now: Now) {
        self.outbox.push(Output::Adopt(attempt.orphan));
        let finding = Finding::new(Outcome::Interrupted, Attribution::Us, "restart");
        let history = History {
            attempts: attempt.attempts,
            first_attempt_at: attempt.first_attempt_at.unwrap_or(now.utc),
        };
        let timezone = attempt.timezone.as_deref();
        let mut closure = self.judge(attempt.campaign, &finding, timezone, history, now);
        if let Some(campaign) = self.campaigns.get(&attempt.campaign) {
            let quiet = now.utc.after(campaign.spec.ring_timeout.saturating_add(RING_MARGIN));
            closure = closure::moved(&campaign.spec.closure, closure, quiet, history);
        }
        let closure = self.within_window(attempt.campaign, closure, timezone, history);
        let ended = Write::Ended(Ended {
            attempt: attempt.attempt,
            at: now.utc,
            outcome: finding.outcome,
            sip_status: None,
            attribution: finding.attribution,
            reason: finding.reason,
            talk: Duration::ZERO,
        });
        // A campaign that this version can't read keeps its task for a version that can.
        let closure = if self.campaigns.contains_key(&attempt.campaign) {
            closure
        } else {
            Closure::RetryAt(now.utc.after(closure::RETRY_DEFAULT))
        };
        let task = self.task_row(attempt.campaign, attempt.task, closure, None, now);
        // The note that an INVITE left follows it by a moment and may have died with the process; the intent went
        // before it. A call that may have been made counts as made.
        let placed =
            Write::Placed { attempt: attempt.attempt, at: attempt.placed_at.unwrap_or(attempt.intent_at) };
        self.outbox.record(Purpose::Rule, Some(attempt.campaign), vec![placed, ended, task]);
    }

    /// A bridged call without a word: the script gives it now, an agent may still give it.
    fn await_word(&mut self, row: Undisposed, now: Now) {
        let awaited = Awaited {
            campaign: row.campaign,
            task: Some(row.task),
            timezone: row.timezone,
            history: History {
                attempts: row.attempts,
                first_attempt_at: row.first_attempt_at.unwrap_or(now.utc),
            },
            agent: row.agent,
            early: None,
            settled: false,
            ended: true,
        };
        self.expect_word(row.attempt, awaited, now);
    }

    /// The script gives the word that is missing; where agents give it, it is waited for.
    pub(super) fn expect_word(&mut self, attempt: AttemptId, awaited: Awaited, now: Now) {
        let wrap_up = self.campaigns.get(&awaited.campaign).map(|campaign| campaign.spec.wrap_up.clone());
        match wrap_up {
            Some(WrapUp::Script { disposition, .. }) => {
                self.record_word(attempt, &awaited, None, &disposition, "", now);
            }
            Some(WrapUp::Agent) | None => self.dispositions.expect(attempt, awaited),
        }
    }
}
