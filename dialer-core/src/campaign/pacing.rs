//! A campaign's pacer: which policy its mode names, what it remembers over a restart, and the log of its decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_pacing::budget::Ledger;
use carillon_pacing::policy::adaptive::{Adaptive, AdaptiveOptions};
use carillon_pacing::policy::predictive::{Predictive, PredictiveOptions, PredictiveState};
use carillon_pacing::policy::{manual::Manual, preview::Preview, progressive::Progressive, ratio::Ratio};
use carillon_pacing::team::{Ahead, Plan, Stop, Team};
use carillon_pacing::{AgentKey, Capacity, Decision, Event, Limits, Pacer};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::decisions::Decisions;
use super::journal::{Journal, Share, Snapshot};
use super::roster::Roster;
use super::shift::Shift;
use super::spec::{CampaignSpec, Mode};
use super::stopped::Stopped;
use crate::id::CampaignId;
use crate::store::write::JournalEnd;
use crate::time::{Now, Utc};
use crate::trunk::TrunkNumbers;

/// What an earlier process left to a pacer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heritage<'a> {
    /// What the present period has seen so far, counted anew from what is stored.
    pub ledger: Ledger,
    /// What it had learnt, as it was written.
    pub learnt: Option<&'a str>,
    /// Where its journal ends.
    pub journal: JournalEnd,
}

/// What is to outlive the process, as it is written.
#[derive(Serialize, Deserialize)]
struct Memory {
    #[serde(flatten)]
    predictive: PredictiveState,
    /// Earlier versions knew no trunks: nothing was learnt of them.
    #[serde(default)]
    trunks: TrunkNumbers,
}

/// The policy that a mode names.
#[derive(Serialize, Deserialize)]
pub(super) enum Policy {
    Manual(Manual),
    Preview(Preview),
    Progressive(Progressive),
    Ratio(Ratio),
    /// It knows of no hard stop itself.
    Adaptive(Box<Stopped<Adaptive>>),
    Predictive(Box<Predictive>),
}

/// The pacer with all that belongs to it.
pub(crate) struct Pacing {
    pub(super) policy: Policy,
    /// Owners beside the pool, which the policy paces.
    pub team: Team,
    pub shift: Shift,
    /// Which trunks the numbers in segments mean.
    pub trunks: TrunkNumbers,
    pub decisions: Decisions,
    pub journal: Journal,
}

impl Pacing {
    /// The pacer of a spec.
    pub fn new(id: CampaignId, spec: &CampaignSpec, heritage: Heritage<'_>, now: Now) -> Self {
        let Heritage { ledger, learnt, journal } = heritage;
        let mut trunks = TrunkNumbers::default();
        let policy = match spec.mode {
            Mode::Manual => Policy::Manual(Manual::default()),
            Mode::Preview => Policy::Preview(Preview::default()),
            Mode::Progressive => Policy::Progressive(Progressive::default()),
            Mode::Ratio => Policy::Ratio(Ratio::new(spec.ratio, ledger)),
            Mode::Adaptive => {
                let options = AdaptiveOptions { began_min: began_minute(spec, now), ..Default::default() };
                Policy::Adaptive(Box::new(Stopped::new(Adaptive::new(options), ledger)))
            }
            Mode::Predictive => {
                let (predictive, numbers) = predictive(id, spec, ledger, learnt);
                trunks = numbers;
                Policy::Predictive(Box::new(predictive))
            }
        };
        let stop = match spec.mode {
            Mode::Manual | Mode::Preview | Mode::Progressive => Stop::PerAgent,
            Mode::Ratio | Mode::Adaptive => Stop::WorstCase,
            Mode::Predictive => Stop::Forecast,
        };
        let team = Team::new(stop, ledger);
        let journal = Journal::new(id, journal, (now.monotonic, now.utc));
        Self {
            policy,
            team,
            shift: Shift::new(Roster::of(spec)),
            trunks,
            decisions: Decisions::default(),
            journal,
        }
    }

    /// Whether it looks at the segments of calls and at the hours ahead.
    pub fn looks_ahead(&self) -> bool {
        match &self.policy {
            Policy::Predictive(_) => true,
            Policy::Manual(_)
            | Policy::Preview(_)
            | Policy::Progressive(_)
            | Policy::Ratio(_)
            | Policy::Adaptive(_) => false,
        }
    }

    /// Whether it places calls by itself.
    pub fn places(&self) -> bool {
        !matches!(self.policy, Policy::Manual(_))
    }

    /// Takes in one event.
    pub fn observe(&mut self, event: &Event) {
        self.journal.told(event, || snapshot(&self.policy, &self.team, &self.shift));
        self.shift.observe(event);
        // The policy counts what is impossible.
        let _ = self.team.observe(event);
        self.policy.pacer_mut().observe(event);
    }

    /// How many calls now; the answer is kept in the log.
    pub fn decide(&mut self, capacity: &Capacity, at: Utc) -> Decision {
        let number =
            self.journal.asking(capacity.now, at, || snapshot(&self.policy, &self.team, &self.shift));
        let decision = self.policy.pacer_mut().decide(capacity);
        self.journal.answered(capacity, &decision);
        self.team.decided(&decision);
        self.decisions.note(&decision, number, at, capacity.outlook);
        decision
    }

    /// The plan for owners: [`Team::plan`], written in the journal.
    pub fn plan(&mut self, wishes: &BTreeMap<AgentKey, u32>, limits: Limits, room: u32, now: Now) -> Plan {
        let plan = self.team.plan(wishes, &limits, room);
        let asked = (wishes, limits, room);
        self.journal.planned(now, asked, &plan, || snapshot(&self.policy, &self.team, &self.shift));
        plan
    }

    /// Writes a choice for a shared agent in the journal.
    pub fn note_share(&mut self, share: &Share<'_>, now: Now) {
        self.journal.shared(now, share, || snapshot(&self.policy, &self.team, &self.shift));
    }

    /// For whom lines leave beyond one per free agent, on the terms of the decision just made; kept in the log with it.
    pub fn ahead(&mut self, wishes: &BTreeMap<AgentKey, u32>, room: u32, now: Now) -> Ahead {
        let ahead = self.policy.pacer().ahead(wishes, room);
        // Where the policy calls nobody ahead there is nothing to make again.
        if ahead != Ahead::default() {
            let asked = (wishes, room);
            self.journal.ahead(now, asked, &ahead, || snapshot(&self.policy, &self.team, &self.shift));
        }
        if let Some(reason) = ahead.reason.filter(|_| self.team.has_apart()) {
            self.decisions.note_owners(u32::try_from(ahead.lines.len()).unwrap_or(u32::MAX), reason);
        }
        ahead
    }

    /// What is to outlive the process, as it is written; `None` where nothing was learnt.
    pub fn learnt(&self) -> Option<String> {
        match &self.policy {
            Policy::Predictive(predictive) => {
                let memory = Memory { predictive: predictive.state(), trunks: self.trunks.clone() };
                serde_json::to_string(&memory)
                    .inspect_err(|error| tracing::warn!(%error, "what the pacer has learnt can't be written"))
                    .ok()
            }
            Policy::Manual(_)
            | Policy::Preview(_)
            | Policy::Progressive(_)
            | Policy::Ratio(_)
            | Policy::Adaptive(_) => None,
        }
    }

    /// Impossible events refused so far.
    pub fn refused_events(&self) -> u64 {
        self.policy.pacer().refused_events()
    }
}

impl Policy {
    pub fn pacer(&self) -> &dyn Pacer {
        match self {
            Policy::Manual(pacer) => pacer,
            Policy::Preview(pacer) => pacer,
            Policy::Progressive(pacer) => pacer,
            Policy::Ratio(pacer) => pacer,
            Policy::Adaptive(pacer) => pacer.as_ref(),
            Policy::Predictive(pacer) => pacer.as_ref(),
        }
    }

    pub fn pacer_mut(&mut self) -> &mut dyn Pacer {
        match self {
            Policy::Manual(pacer) => pacer,
            Policy::Preview(pacer) => pacer,
            Policy::Progressive(pacer) => pacer,
            Policy::Ratio(pacer) => pacer,
            Policy::Adaptive(pacer) => pacer.as_mut(),
            Policy::Predictive(pacer) => pacer.as_mut(),
        }
    }

    /// The policy with all that it knows of the moment, so that another one goes on as it does.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(self).ok()
    }

    /// The policy of a snapshot; `None` where another version wrote it.
    pub fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

/// What stands beside the policy: on it plans for owners and shares of agents rest.
#[derive(Serialize, Deserialize)]
pub(super) struct Beside {
    pub team: Team,
    pub working: BTreeSet<AgentKey>,
}

impl Beside {
    /// As it is written; `None` where it can't be.
    pub fn snapshot(team: &Team, shift: &Shift) -> Option<Vec<u8>> {
        postcard::to_stdvec(&(team, shift.working())).ok()
    }

    /// Of a snapshot; `None` where another version wrote it.
    pub fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

fn snapshot(policy: &Policy, team: &Team, shift: &Shift) -> Option<Snapshot> {
    Some(Snapshot { pacer: policy.snapshot()?, beside: Beside::snapshot(team, shift)? })
}

/// A predictive pacer that goes on from what was learnt, and the trunks that it knows; from nothing where that can't be
/// read.
fn predictive(
    id: CampaignId,
    spec: &CampaignSpec,
    ledger: Ledger,
    learnt: Option<&str>,
) -> (Predictive, TrunkNumbers) {
    let options = PredictiveOptions {
        grace: spec.abandon_after,
        strict: spec.abandon_strict,
        ..PredictiveOptions::default()
    };
    let anew = || (Predictive::new(options, ledger), TrunkNumbers::default());
    let Some(text) = learnt else { return anew() };
    remembered(text, options, ledger).unwrap_or_else(|problem| {
        tracing::warn!(campaign = %id, problem, "what the pacer had learnt can't be read: it begins anew");
        anew()
    })
}

fn remembered(
    text: &str,
    options: PredictiveOptions,
    ledger: Ledger,
) -> Result<(Predictive, TrunkNumbers), String> {
    let Memory { predictive, trunks } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if !trunks.is_sound() {
        return Err("trunks: a number is there twice, or was never given".into());
    }
    let predictive = Predictive::restore(options, predictive.with_ledger(ledger));
    Ok((predictive.map_err(|problem| problem.to_string())?, trunks))
}

/// The minute of the campaign's day at which the process started.
fn began_minute(spec: &CampaignSpec, now: Now) -> u32 {
    let zone = spec.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let since_midnight = Timestamp::from_millisecond(now.utc.0).map_or(Duration::ZERO, |at| {
        let local = zone.to_datetime(at);
        let [hours, minutes] = [local.hour(), local.minute()].map(|part| u64::try_from(part).unwrap_or(0));
        Duration::from_secs(hours * 3600 + minutes * 60)
    });
    const DAY_MINUTES: u64 = 24 * 60;
    let up = now.monotonic.as_secs() / 60 % DAY_MINUTES;
    let minute = (since_midnight.as_secs() / 60 + DAY_MINUTES - up) % DAY_MINUTES;
    u32::try_from(minute).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use carillon_pacing::event::Ending;
    use carillon_pacing::{AgentKey, CallKey, EventKind, Limits, Segment, Upcoming};

    use super::*;
    use crate::campaign::spec::testing::spec;

    const NOW: Now = Now { monotonic: Duration::from_secs(90 * 60), utc: Utc(1_795_179_300_000) };

    fn pacing(mode: Mode, ledger: Ledger, learnt: Option<&str>) -> Pacing {
        let spec = CampaignSpec { mode, ..spec() };
        let mut pacing =
            Pacing::new(CampaignId(1), &spec, Heritage { ledger, learnt, ..Heritage::default() }, NOW);
        for agent in (0..10).map(AgentKey) {
            pacing.observe(&Event { at: NOW.monotonic, kind: EventKind::AgentReady { agent } });
        }
        pacing
    }

    fn room() -> Capacity {
        Capacity {
            now: NOW.monotonic,
            lines_free: 1_000,
            calls_per_second_free: 1_000,
            supply: 1_000,
            limits: Limits::new(0.03, true),
            upcoming: Upcoming::default(),
            outlook: None,
        }
    }

    fn place(pacing: &mut Pacing) -> u32 {
        pacing.decide(&room(), NOW.utc).place
    }

    #[test]
    fn every_mode_has_its_policy() {
        for (mode, expected) in [
            (Mode::Manual, 0),
            (Mode::Preview, 10),
            (Mode::Progressive, 10),
            (Mode::Ratio, 10),
            (Mode::Adaptive, 10),
            (Mode::Predictive, 10),
        ] {
            let mut pacing = pacing(mode, Ledger::default(), None);
            assert_eq!(place(&mut pacing), expected, "{mode:?}: nothing beyond one per agent is earned yet");
            assert_eq!(pacing.decisions.latest(1)[0].place, expected);
        }
    }

    #[test]
    fn what_was_learnt_goes_on_under_the_ledger_that_the_store_counted() {
        let earned = Ledger { live: 2_000, ..Ledger::default() };
        let mut first = pacing(Mode::Predictive, earned, None);
        // One call in forty is answered, after ten seconds; the others fail.
        for call in 0..2_000 {
            let at = NOW.monotonic + Duration::from_secs(20 * call);
            let call = CallKey(call);
            let mut tell =
                |after_s, kind| first.observe(&Event { at: at + Duration::from_secs(after_s), kind });
            tell(0, EventKind::CallPlaced { call, segment: Segment::default() });
            if call.0.is_multiple_of(40) {
                tell(10, EventKind::CallAnswered { call });
                tell(10, EventKind::CallBridged { call, agent: AgentKey(0) });
            }
            tell(15, EventKind::CallEnded { call, ending: Ending::Callee });
        }
        let written = first.learnt().unwrap();
        let mut again = pacing(Mode::Predictive, earned, Some(&written));
        let placed = place(&mut again);
        let fresh = place(&mut pacing(Mode::Predictive, earned, None));
        assert!(placed > 10 && placed > fresh, "{placed} lines where a fresh pacer has {fresh}");
        let mut spent = pacing(Mode::Predictive, Ledger { abandoned: 100, ..earned }, Some(&written));
        assert_eq!(place(&mut spent), 10, "no state talks the store's count away");
        assert_eq!(pacing(Mode::Ratio, earned, None).learnt(), None);
    }

    #[test]
    fn a_strict_campaign_borrows_nothing_from_the_hours_ahead() {
        let placed = |abandon_strict| {
            let spec = CampaignSpec { mode: Mode::Predictive, abandon_strict, ..spec() };
            let mut pacing = Pacing::new(CampaignId(1), &spec, Heritage::default(), NOW);
            for agent in (0..10).map(AgentKey) {
                pacing.observe(&Event { at: NOW.monotonic, kind: EventKind::AgentReady { agent } });
            }
            let outlook = Some(carillon_pacing::Outlook { agent_hours_left: 80.0 });
            let decision = pacing.decide(&Capacity { outlook, ..room() }, NOW.utc);
            (decision.place, decision.reason.forecast.unwrap().allowance > 0.0)
        };
        // Nothing is earned yet: one line each, and only the other campaign may go beyond.
        assert_eq!(placed(true), (10, false));
        let (lines, allowed) = placed(false);
        assert!(lines >= 10 && allowed, "{lines} lines");
    }

    #[test]
    fn what_cannot_be_read_is_left_and_the_pacer_begins_anew() {
        let fresh = pacing(Mode::Predictive, Ledger::default(), None).learnt();
        for wrong in ["", "{}", "null", "{\"version\": 99}", &"[".repeat(1_000)] {
            let begun = pacing(Mode::Predictive, Ledger::default(), Some(wrong));
            assert_eq!(begun.learnt(), fresh, "{wrong}");
        }
    }

    #[test]
    fn the_pacers_day_began_when_the_process_did() {
        let zone = |timezone: &str| {
            let spec = CampaignSpec { timezone: Some(timezone.into()), ..spec() };
            began_minute(&spec, NOW)
        };
        assert_eq!(zone("UTC"), 12 * 60 + 55 - 90);
        assert_eq!(zone("Asia/Shanghai"), 20 * 60 + 55 - 90);
        assert_eq!(zone("Pacific/Auckland"), 25 * 60 + 55 - 90 - 24 * 60, "past midnight");
    }
}
