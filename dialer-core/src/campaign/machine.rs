//! A campaign as it runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use carillon_pacing::share::Need;
use carillon_pacing::{Event, EventKind, Limits};

use super::CampaignState;
use super::check::check;
use super::figures::Figures;
use super::pacing::{Heritage, Pacing};
use super::spec::CampaignSpec;
use super::standing::{Cause, Standing};
use crate::attempt::event::Terms;
use crate::compliance::Rules;
use crate::compliance::period::Period;
use crate::id::{AttemptId, CampaignId};
use crate::selection::supply::Supply;
use crate::store::write::Write;
use crate::time::{Now, Utc};

/// Losses of agents remembered, to tell abandons they caused from others.
const LOSSES_MAX: usize = 1_000;
/// Talks that outlive a campaign are cut after this, or after the talk limit where that is longer.
const CUT_AFTER: Duration = Duration::from_secs(60);

/// How a campaign runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Draft,
    Running {
        since: Duration,
    },
    Paused,
    Stopping,
    /// Its last batch is with the store.
    Closing,
    Ended,
}

/// What is known of the tasks in the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fetching {
    /// A question is out, and whether nothing of the campaign was in motion when it was asked.
    pub asked: Option<Asked>,
    /// Nothing new is to be found before this.
    pub idle_until: Duration,
    /// How many full answers in a row brought nothing new: what is due first is in other hands.
    pub in_vain: u32,
    /// The earliest retry written since the question.
    pub noted: Option<Utc>,
    /// Open tasks.
    pub open: u64,
    /// Tasks in all.
    pub total: u64,
    /// Due tasks of each owner, those in hand included.
    pub owned: BTreeMap<String, u64>,
    /// What is asked now is old news when it comes: the list has changed.
    pub stale: bool,
}

/// A question to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub limit: usize,
    pub owners: usize,
    pub settled: bool,
}

/// One campaign.
pub(crate) struct Campaign {
    pub id: CampaignId,
    pub spec: CampaignSpec,
    pub rules: Rules,
    pub terms: Terms,
    pub pacing: Pacing,
    /// The period that the abandonment limit counts now.
    period: Period,
    pub standing: Standing,
    pub supply: Supply,
    pub fetching: Fetching,
    pub figures: Figures,
    /// Open attempts, until their ending is stored.
    pub attempts: BTreeSet<AttemptId>,
    /// Recordings that are not closed yet, and until when they are waited for once the call has ended.
    pub recordings: BTreeMap<AttemptId, Option<Duration>>,
    /// Agents in wrap-up after its calls.
    pub wrap_ups: u64,
    /// Agents who take its calls; all where it names none.
    takers: BTreeSet<String>,
    /// How much it needed agents, and how often owners had run out of tasks, when that was looked at last.
    pub needed: (Need, u64),
    /// When free agents were lost, not yet charged to an abandoned call.
    losses: VecDeque<Duration>,
    run: Run,
    started_at: Option<Utc>,
    elapsed: Duration,
}

/// Why a spec can't be used; names the keys.
pub(crate) fn refusal(spec: &CampaignSpec) -> Option<String> {
    let problems = check(spec);
    let lines: Vec<_> =
        problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

impl Campaign {
    /// A draft; the spec has passed [`refusal`]. `None` where it has not.
    pub fn new(id: CampaignId, spec: CampaignSpec, heritage: Heritage<'_>, now: Now) -> Option<Self> {
        let rules = Rules::from_spec(&spec).ok()?;
        let pacing = Pacing::new(id, &spec, heritage, now);
        let period = Period::of(&spec, None, now.utc);
        let terms = Terms {
            abandon_after: spec.abandon_after,
            message: spec.safe_harbour.is_some(),
            ring_timeout: spec.ring_timeout,
            talk_limit: spec.talk_limit,
        };
        let takers = spec.agents.iter().cloned().collect();
        Some(Self {
            id,
            spec,
            rules,
            terms,
            pacing,
            period,
            standing: Standing::default(),
            supply: Supply::default(),
            fetching: Fetching::default(),
            figures: Figures::default(),
            attempts: BTreeSet::new(),
            recordings: BTreeMap::new(),
            wrap_ups: 0,
            takers,
            needed: (Need::Nothing, 0),
            losses: VecDeque::new(),
            run: Run::Draft,
            started_at: None,
            elapsed: Duration::ZERO,
        })
    }

    /// Puts a campaign back as an earlier process left it. One that was stopping has no call left and has ended.
    pub fn restore(&mut self, state: CampaignState, started_at: Option<Utc>, elapsed: Duration, now: Now) {
        self.started_at = started_at;
        self.elapsed = elapsed;
        self.period = Period::of(&self.spec, started_at, now.utc);
        self.run = match state {
            CampaignState::Draft => Run::Draft,
            CampaignState::Running => Run::Running { since: now.monotonic },
            CampaignState::Paused => Run::Paused,
            CampaignState::Stopping | CampaignState::Ended => Run::Ended,
        };
    }

    pub fn state(&self) -> CampaignState {
        match self.run {
            Run::Draft => CampaignState::Draft,
            Run::Running { .. } => CampaignState::Running,
            Run::Paused => CampaignState::Paused,
            Run::Stopping | Run::Closing => CampaignState::Stopping,
            Run::Ended => CampaignState::Ended,
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.run, Run::Running { .. })
    }

    /// Whether tasks in hand are kept for later.
    pub fn keeps_supply(&self) -> bool {
        matches!(self.run, Run::Running { .. } | Run::Paused)
    }

    /// Whether calls to its numbers are taken at all.
    pub fn answers_callers(&self) -> bool {
        !self.spec.inbound.numbers.is_empty() && !self.is_draft()
    }

    /// Whether callers find agents: not where it is about to end.
    pub fn takes_callers(&self) -> bool {
        !matches!(self.run, Run::Stopping | Run::Closing)
    }

    pub fn is_draft(&self) -> bool {
        self.run == Run::Draft
    }

    pub fn is_stopping(&self) -> bool {
        self.run == Run::Stopping
    }

    /// Starts, resumes or opens again; false where nothing changed.
    pub fn start(&mut self, now: Now) -> bool {
        match self.run {
            Run::Running { .. } => false,
            Run::Draft | Run::Paused | Run::Stopping | Run::Closing | Run::Ended => {
                if self.started_at.is_none() {
                    self.started_at = Some(now.utc);
                    self.period = Period::of(&self.spec, self.started_at, now.utc);
                }
                self.run = Run::Running { since: now.monotonic };
                self.fetching.idle_until = now.monotonic;
                self.standing = Cause::Starting.into();
                true
            }
        }
    }

    /// Pauses; false unless it ran.
    pub fn pause(&mut self, now: Now) -> bool {
        let running = self.is_running();
        if running {
            self.elapsed = self.elapsed(now);
            self.run = Run::Paused;
            self.standing = Cause::Paused.into();
        }
        running
    }

    /// Stops for good; false where it had stopped or never started.
    pub fn stop(&mut self, cause: Cause, now: Now) -> bool {
        match self.run {
            Run::Running { .. } | Run::Paused => {
                self.elapsed = self.elapsed(now);
                self.run = Run::Stopping;
                self.supply.clear();
                self.standing = cause.into();
                true
            }
            Run::Draft | Run::Stopping | Run::Closing | Run::Ended => false,
        }
    }

    /// Its last batch goes out.
    pub fn close(&mut self) {
        debug_assert!(self.attempts.is_empty(), "no call outlives its campaign");
        self.run = Run::Closing;
    }

    /// Its last batch is durable; false where it was started again meanwhile.
    pub fn closed(&mut self) -> bool {
        let closing = self.run == Run::Closing;
        if closing {
            self.run = Run::Ended;
        }
        closing
    }

    /// How long it has been placing calls.
    pub fn elapsed(&self, now: Now) -> Duration {
        match self.run {
            Run::Running { since } => self.elapsed.saturating_add(now.monotonic.saturating_sub(since)),
            Run::Draft | Run::Paused | Run::Stopping | Run::Closing | Run::Ended => self.elapsed,
        }
    }

    /// How long it may still place calls.
    pub fn time_left(&self, now: Now) -> Option<Duration> {
        self.spec.time_limit.map(|limit| limit.saturating_sub(self.elapsed(now)))
    }

    /// How long talks may go on after it stopped.
    pub fn cut_after(&self) -> Duration {
        self.spec.talk_limit.max(CUT_AFTER)
    }

    /// Whether the agent of this user takes its calls.
    pub fn is_taken_by(&self, user: &str) -> bool {
        self.takers.is_empty() || self.takers.contains(user)
    }

    /// How much it needs agents.
    pub fn need(&self) -> Need {
        if !self.supply.has_pooled() {
            Need::Nothing
        } else if self.pacing.team.is_exhausted(&self.limits()) {
            Need::Exhausted
        } else {
            Need::Contacts
        }
    }

    /// Its row, in the given state.
    pub fn row(&self, state: CampaignState, now: Now) -> Write {
        Write::Campaign {
            campaign: self.id,
            spec: Box::new(self.spec.clone()),
            state,
            started_at: self.started_at,
            elapsed: self.elapsed(now),
        }
    }

    pub fn limits(&self) -> Limits {
        Limits::new(self.spec.abandon_limit, self.spec.safe_harbour.is_some())
    }

    /// Tells the pacer where a new period of the abandonment limit has begun. A wall clock that goes back begins none.
    pub fn keep_period(&mut self, now: Now) {
        if self.period.is_over(now.utc) {
            self.period = Period::of(&self.spec, self.started_at, now.utc);
            self.pacing.observe(&Event { at: now.monotonic, kind: EventKind::PeriodBegan });
        }
    }

    /// When the present period ends, if it does.
    pub fn period_ends(&self) -> Option<Utc> {
        self.period.until
    }

    /// What its pacer has learnt, to be written; `None` where there is nothing.
    pub fn learnt_row(&self, now: Now) -> Option<Write> {
        let learnt = self.pacing.learnt()?;
        Some(Write::PacerState { campaign: self.id, at: now.utc, learnt })
    }

    /// What its pacer's journal has to be written.
    pub fn journal_row(&mut self) -> Option<Write> {
        self.pacing.journal.take().map(Write::Journal)
    }

    /// A free agent that counted for it was lost.
    pub fn agent_lost(&mut self, now: Duration) {
        if self.losses.len() >= LOSSES_MAX {
            self.losses.pop_front();
        }
        self.losses.push_back(now);
    }

    /// Whether an agent was lost since a call was launched; charges one loss to it.
    pub fn charge_loss(&mut self, launched: Duration) -> bool {
        let found = self.losses.iter().position(|lost| *lost >= launched);
        found.and_then(|index| self.losses.remove(index)).is_some()
    }
}
