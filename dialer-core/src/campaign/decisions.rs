//! The decision log: why so many calls were placed, for as long back as memory is set aside for it.

use std::collections::VecDeque;

pub use carillon_pacing::{Bound, Forecast, Reason};
use carillon_pacing::{Decision, Outlook};
use serde::{Deserialize, Serialize};

use crate::time::Utc;

/// Most decisions kept per campaign; the oldest go first.
pub const DECISIONS_MAX: usize = 2_000;

/// A decision that placed something, or that something else bound than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Its number: decisions of a campaign are counted, also over restarts.
    pub number: u64,
    /// When.
    pub at: Utc,
    /// Calls to place.
    pub place: u32,
    /// Why this many.
    pub reason: Reason,
    /// Agent hours ahead that it counted on; `None` where it counted on none.
    pub agent_hours_left: Option<f64>,
    /// Lines that left for owners beyond one per free owner, and why no more; `None` where nobody has contacts of their own or
    /// the policy calls nobody ahead.
    pub owners: Option<(u32, Reason)>,
}

impl Decided {
    /// Why this many, in one sentence.
    pub fn sentence(&self) -> String {
        let hours = self.agent_hours_left.map(|agent_hours_left| Outlook { agent_hours_left });
        let owners = self.owners.map(|(lines, reason)| format!("; {lines} for {}", owners_sentence(&reason)));
        explained(&self.reason, hours) + &owners.unwrap_or_default()
    }
}

/// The newest decisions of a campaign.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions {
    newest_last: VecDeque<Decided>,
    bound: Option<Bound>,
    /// The latest, whether it was kept or not.
    latest: Option<Decided>,
}

impl Decisions {
    /// Keeps a decision that tells something new.
    pub fn note(&mut self, decision: &Decision, number: u64, at: Utc, outlook: Option<Outlook>) {
        let Decision { place, until: _, reason } = *decision;
        let agent_hours_left = outlook.map(|outlook| outlook.agent_hours_left);
        let decided = Decided { number, at, place, reason, agent_hours_left, owners: None };
        self.latest = Some(decided);
        if place > 0 || self.bound != Some(reason.bound) {
            self.bound = Some(reason.bound);
            self.keep(decided);
        }
    }

    /// What the latest decision brought to owners. Where lines leave it tells something new.
    pub fn note_owners(&mut self, lines: u32, reason: Reason) {
        let Some(mut latest) = self.latest else { return };
        latest.owners = Some((lines, reason));
        match self.newest_last.back_mut() {
            Some(kept) if kept.number == latest.number => *kept = latest,
            Some(_) | None if lines > 0 => self.keep(latest),
            Some(_) | None => {}
        }
    }

    fn keep(&mut self, decided: Decided) {
        if self.newest_last.len() >= DECISIONS_MAX {
            self.newest_last.pop_front();
        }
        self.newest_last.push_back(decided);
    }

    /// The newest decisions, newest first, at most `limit`.
    pub fn latest(&self, limit: usize) -> Vec<Decided> {
        self.newest_last.iter().rev().take(limit).copied().collect()
    }
}

/// Why this many, in one sentence, with the hours ahead that were counted on.
pub fn explained(reason: &Reason, outlook: Option<Outlook>) -> String {
    let hours = outlook.map(|it| format!("; {:.1} agent hours ahead are counted on", it.agent_hours_left));
    sentence(reason) + &hours.unwrap_or_default()
}

/// Why this many, in one sentence.
pub fn sentence(reason: &Reason) -> String {
    let Reason { bound, agents_free, lines_out, lines_wanted, forecast } = reason;
    let why = match bound {
        Bound::Policy => "as many lines as the policy wants",
        Bound::Agents if *agents_free == 0 => "no agent is free",
        Bound::Agents => "one line per free agent",
        Bound::Risk => "one more answer would too likely find no agent",
        Bound::Ramp => "the answer rate is not yet known well enough for more",
        Bound::Budget => "the abandonment budget allows one line per free agent and no more",
        Bound::NoSafeHarbour => "no safe-harbour message: one line per free agent",
        Bound::Lines => "no line is free on the trunks",
        Bound::CallsPerSecond => "the trunks' calls per second are used up",
        Bound::Supply => "no task is due",
        Bound::Manual => "manual: nothing is placed unless asked for",
    };
    let expected = forecast.map_or(String::new(), |forecast| {
        let (answers, agents) = (forecast.answers, forecast.agents);
        format!("; in {:.0} s {answers:.1} answers for {agents:.1} agents", forecast.horizon_s)
    });
    format!("{why} ({agents_free} agents free, {lines_out} lines out, {lines_wanted} wanted{expected})")
}

/// Why so many lines and no more are out for owners, in one sentence.
pub fn owners_sentence(reason: &Reason) -> String {
    let Reason { bound, agents_free, lines_out: _, lines_wanted, forecast } = reason;
    let why = match bound {
        Bound::Risk => "one more answer would too likely find its owner busy",
        Bound::Ramp => "the answer rate is not yet known well enough for more",
        Bound::Budget => "the abandonment budget allows one line per free owner and no more",
        Bound::Lines | Bound::CallsPerSecond => "no line is left on the trunks",
        Bound::Supply => "no more contacts in hand",
        Bound::Policy | Bound::Agents | Bound::NoSafeHarbour | Bound::Manual => "one line per free owner",
    };
    let expected = forecast.map_or(String::new(), |forecast| {
        let (answers, agents) = (forecast.answers, forecast.agents);
        format!("; in {:.0} s {answers:.1} answers for {agents:.1} owners", forecast.horizon_s)
    });
    format!("owners: {why} ({agents_free} owners free, {lines_wanted} lines out{expected})")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn decision(place: u32, bound: Bound) -> Decision {
        let reason = Reason { bound, agents_free: 2, lines_out: 1, lines_wanted: 3, forecast: None };
        Decision { place, until: Duration::ZERO, reason }
    }

    #[test]
    fn what_places_nothing_and_tells_nothing_new_is_not_kept() {
        let mut decisions = Decisions::default();
        let said = [(0, Bound::Agents), (0, Bound::Agents), (2, Bound::Agents), (0, Bound::Supply)];
        for (at, (place, bound)) in said.into_iter().enumerate() {
            decisions.note(&decision(place, bound), at as u64, Utc(at as i64), None);
        }
        let kept: Vec<_> = decisions.latest(10).iter().map(|kept| kept.at.0).collect();
        assert_eq!(kept, [3, 2, 0]);
        assert_eq!(decisions.latest(1)[0].reason.bound, Bound::Supply);
    }

    #[test]
    fn what_owners_got_is_told_with_the_decision() {
        let mut decisions = Decisions::default();
        decisions.note_owners(1, decision(0, Bound::Risk).reason);
        assert!(decisions.latest(9).is_empty(), "nothing was decided yet");
        for (number, place, lines) in [(1, 2, 0), (2, 0, 0), (3, 0, 2)] {
            decisions.note(&decision(place, Bound::Agents), number, Utc(0), None);
            decisions.note_owners(lines, decision(0, Bound::Risk).reason);
        }
        let kept = decisions.latest(9);
        assert_eq!(kept.iter().map(|it| it.number).collect::<Vec<_>>(), [3, 1]);
        let told = "; 2 for owners: one more answer would too likely find its owner busy (2 owners free, 3 lines out)";
        assert!(kept[0].sentence().ends_with(told), "{}", kept[0].sentence());
    }

    #[test]
    fn the_oldest_go_first() {
        let mut decisions = Decisions::default();
        for at in 0..=DECISIONS_MAX {
            decisions.note(&decision(1, Bound::Agents), at as u64, Utc(at as i64), None);
        }
        let kept = decisions.latest(usize::MAX);
        assert_eq!(kept.len(), DECISIONS_MAX);
        assert_eq!(kept.last().map(|kept| kept.at), Some(Utc(1)));
    }

    #[test]
    fn the_hours_that_were_counted_on_are_told() {
        let mut decisions = Decisions::default();
        let outlook = Some(Outlook { agent_hours_left: 12.34 });
        decisions.note(&decision(1, Bound::Agents), 1, Utc(0), outlook);
        let kept = decisions.latest(1)[0];
        assert_eq!(
            kept.sentence(),
            "one line per free agent (2 agents free, 1 lines out, 3 wanted); 12.3 agent hours ahead are counted on"
        );
        assert_eq!(explained(&kept.reason, None), sentence(&kept.reason));
    }

    #[test]
    fn a_forecast_is_told() {
        let forecast = Forecast { horizon_s: 12.0, answers: 1.25, agents: 2.0, ..Forecast::default() };
        let mut reason = decision(1, Bound::Risk).reason;
        reason.forecast = Some(forecast);
        assert_eq!(
            sentence(&reason),
            "one more answer would too likely find no agent (2 agents free, 1 lines out, 3 wanted; in 12 s 1.2 answers for 2.0 agents)"
        );
        assert_eq!(
            owners_sentence(&reason),
            "owners: one more answer would too likely find its owner busy (2 owners free, 3 lines out; in 12 s 1.2 answers for 2.0 owners)"
        );
    }
}
