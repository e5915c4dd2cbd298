//! What a database tells of a campaign, as a history that a model can be fitted to.

use std::collections::BTreeMap;

use carillon_core::attempt::outcome::{Attribution, Outcome};
use carillon_core::campaign::spec::{CampaignSpec, WrapUp};
use carillon_core::id::CampaignId;
use carillon_core::store::sqlite::PastAttempt;
use carillon_core::time::Utc;
use carillon_pacing::sim::fit::{History, PastCall, PastStay, PastTalk, Settled};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// An agent without a call for longer than this was not there, where nobody recorded who was.
const STAY_GAP_S: f64 = 1_800.0;
/// Longest wrap-up that is believed.
const WRAP_MAX_S: f64 = 3_600.0;

/// A history and where it begins.
pub(super) struct Past {
    pub history: History,
    /// Second zero.
    pub origin: Utc,
    /// Calls of other campaigns that occupied the same agents.
    pub elsewhere: usize,
}

/// An agent was busy with a call, its wrap-up included.
struct Busy {
    from_s: f64,
    to_s: f64,
    own: bool,
}

/// Reads the attempts of a campaign, and those of others that occupied its agents. `None` without any.
pub(super) fn read(campaign: CampaignId, spec: &CampaignSpec, attempts: &[PastAttempt]) -> Option<Past> {
    let own = || attempts.iter().filter(|attempt| attempt.campaign == campaign);
    let origin = own().map(|attempt| attempt.intent_at).min()?;
    let seconds = |at: Utc| (at.0.saturating_sub(origin.0)) as f64 / 1e3;
    let end_s =
        own().map(|attempt| seconds(attempt.ended_at.unwrap_or(attempt.intent_at))).fold(0.0, f64::max);
    let wrap_script_s = match &spec.wrap_up {
        WrapUp::Script { after, .. } => Some(after.as_secs_f64()),
        WrapUp::Agent => None,
    };
    let mut agents: BTreeMap<&str, u32> = BTreeMap::new();
    for user in own().filter_map(|attempt| attempt.agent.as_deref()) {
        let next = u32::try_from(agents.len()).unwrap_or(u32::MAX);
        agents.entry(user).or_insert(next);
    }
    let mut busy: BTreeMap<u32, Vec<Busy>> = BTreeMap::new();
    let mut calls = Vec::new();
    let mut elsewhere = 0;
    for attempt in attempts {
        let talk = talk(attempt, &agents, seconds);
        let own = attempt.campaign == campaign;
        if let Some(talk) = talk {
            let wrap_s = wrap_script_s.filter(|_| own).or(talk.wrap_s).unwrap_or_default();
            let spell = Busy { from_s: talk.from_s, to_s: talk.to_s + wrap_s, own };
            busy.entry(talk.agent).or_default().push(spell);
            elsewhere += usize::from(!own);
        }
        if own {
            let (settled_at, how) = settled(attempt);
            calls.push(PastCall {
                placed_s: seconds(attempt.intent_at),
                settled_s: settled_at.map_or(end_s, seconds).max(seconds(attempt.intent_at)),
                how,
                talk,
                abandoned: how == Settled::Live && talk.is_none() && is_abandoned(attempt),
            });
        }
    }
    let stays = busy.into_iter().flat_map(|(agent, spells)| stays(agent, spells)).collect();
    Some(Past {
        history: History { calls, stays, clock_h: clock_h(origin, spec), wrap_script_s },
        origin,
        elsewhere,
    })
}

/// The talk of an attempt that has ended, with an agent of this campaign.
fn talk(
    attempt: &PastAttempt,
    agents: &BTreeMap<&str, u32>,
    seconds: impl Fn(Utc) -> f64,
) -> Option<PastTalk> {
    let agent = *agents.get(attempt.agent.as_deref()?)?;
    let (from_s, to_s) = (seconds(attempt.bridged_at?), seconds(attempt.ended_at?));
    let wrap_s = attempt.disposed_at.map(|at| seconds(at) - to_s);
    let wrap_s = wrap_s.filter(|wrap_s| (0.0..=WRAP_MAX_S).contains(wrap_s));
    Some(PastTalk { agent, from_s, to_s: to_s.max(from_s), wrap_s })
}

/// How a line came to its end, and when; `None` while it is open.
fn settled(attempt: &PastAttempt) -> (Option<Utc>, Settled) {
    let Some(outcome) = attempt.outcome else {
        let how = if attempt.answered_at.is_some() { Settled::Live } else { Settled::Withdrawn };
        return (attempt.answered_at, how);
    };
    if attempt.answered_at.is_some() {
        let how = if outcome == Outcome::Machine { Settled::Machine } else { Settled::Live };
        return (attempt.answered_at, how);
    }
    let ours = attempt.attribution == Some(Attribution::Us);
    let how = match outcome {
        Outcome::Answered | Outcome::Abandoned => Settled::Live,
        Outcome::Machine => Settled::Machine,
        Outcome::NoAnswer => Settled::Unanswered,
        Outcome::Cancelled | Outcome::Interrupted => Settled::Withdrawn,
        Outcome::Busy
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::Congestion
        | Outcome::Failed
            if ours =>
        {
            Settled::Withdrawn
        }
        Outcome::Busy | Outcome::Rejected | Outcome::InvalidNumber => Settled::Refused,
        Outcome::Congestion | Outcome::Failed => Settled::Network,
    };
    (attempt.ended_at, how)
}

/// Whether nobody of ours came for a person who picked up, as reports count it.
fn is_abandoned(attempt: &PastAttempt) -> bool {
    attempt.bridged_at.is_none() && attempt.outcome.is_some_and(|outcome| outcome != Outcome::Answered)
}

/// When an agent was there for this campaign: from call to call, without the time that other campaigns' calls took.
fn stays(agent: u32, mut spells: Vec<Busy>) -> Vec<PastStay> {
    spells.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let mut there: Vec<PastStay> = Vec::new();
    for spell in &spells {
        match there.last_mut().filter(|stay| spell.from_s - stay.to_s <= STAY_GAP_S) {
            Some(stay) => stay.to_s = stay.to_s.max(spell.to_s),
            None => there.push(PastStay { agent, from_s: spell.from_s, to_s: spell.to_s }),
        }
    }
    let elsewhere: Vec<(f64, f64)> =
        spells.iter().filter(|spell| !spell.own).map(|spell| (spell.from_s, spell.to_s)).collect();
    there.into_iter().flat_map(|stay| without(stay, &elsewhere)).collect()
}

/// What is left of a stay without spans in order of their beginnings.
fn without(mut stay: PastStay, spans: &[(f64, f64)]) -> Vec<PastStay> {
    let mut left = Vec::new();
    for (from_s, to_s) in spans {
        if *from_s > stay.from_s && *from_s < stay.to_s {
            left.push(PastStay { to_s: *from_s, ..stay });
        }
        if *from_s < stay.to_s {
            stay.from_s = stay.from_s.max(*to_s);
        }
    }
    left.push(stay);
    left.retain(|stay| stay.to_s > stay.from_s);
    left
}

/// The hour of the clock where the campaign has its zone.
fn clock_h(at: Utc, spec: &CampaignSpec) -> f64 {
    let zone = spec.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    Timestamp::from_millisecond(at.0).map_or(0.0, |at| {
        let local = zone.to_datetime(at);
        f64::from(local.hour()) + f64::from(local.minute()) / 60.0 + f64::from(local.second()) / 3600.0
    })
}

#[cfg(test)]
mod tests {
    use carillon_core::campaign::spec::{Jurisdiction, Mode};
    use carillon_core::id::TaskId;

    use super::*;

    const OWN: CampaignId = CampaignId(1);

    fn attempt(campaign: u64, at_s: i64, outcome: Outcome) -> PastAttempt {
        PastAttempt {
            campaign: CampaignId(campaign),
            task: TaskId(1),
            intent_at: Utc(at_s * 1000),
            answered_at: None,
            bridged_at: None,
            ended_at: Some(Utc((at_s + 20) * 1000)),
            outcome: Some(outcome),
            attribution: Some(Attribution::Callee),
            agent: None,
            disposed_at: None,
        }
    }

    /// Answered after 5 s, 60 s of talk, 10 s of wrap-up.
    fn talked(campaign: u64, at_s: i64, agent: &str) -> PastAttempt {
        let after = |seconds: i64| Some(Utc((at_s + seconds) * 1000));
        PastAttempt {
            answered_at: after(5),
            bridged_at: after(5),
            ended_at: after(65),
            agent: Some(agent.into()),
            disposed_at: after(75),
            ..attempt(campaign, at_s, Outcome::Answered)
        }
    }

    fn spec() -> CampaignSpec {
        CampaignSpec::new("renewals".into(), Mode::Predictive, Jurisdiction::None)
    }

    #[test]
    fn ends_are_told_apart() {
        let mut attempts = vec![
            attempt(1, 0, Outcome::NoAnswer),
            attempt(1, 0, Outcome::Busy),
            attempt(1, 0, Outcome::Congestion),
            attempt(1, 0, Outcome::Cancelled),
            PastAttempt { answered_at: Some(Utc(9_000)), ..attempt(1, 0, Outcome::Abandoned) },
            PastAttempt { answered_at: Some(Utc(9_000)), ..attempt(1, 0, Outcome::Answered) },
            PastAttempt { answered_at: Some(Utc(9_000)), ..attempt(1, 0, Outcome::Machine) },
            PastAttempt { attribution: Some(Attribution::Us), ..attempt(1, 0, Outcome::Failed) },
        ];
        attempts.push(PastAttempt { outcome: None, ended_at: None, ..attempt(1, 0, Outcome::Busy) });
        let past = read(OWN, &spec(), &attempts).unwrap();
        let ends: Vec<_> =
            past.history.calls.iter().map(|call| (call.how, call.settled_s, call.abandoned)).collect();
        use Settled::{Live, Machine, Network, Refused, Unanswered, Withdrawn};
        let expected = [
            (Unanswered, 20.0, false),
            (Refused, 20.0, false),
            (Network, 20.0, false),
            (Withdrawn, 20.0, false),
            (Live, 9.0, true),
            (Live, 9.0, false),
            (Machine, 9.0, false),
            (Withdrawn, 20.0, false),
            (Withdrawn, 20.0, false),
        ];
        assert_eq!(ends, expected);
        assert!(past.history.stays.is_empty());
        assert!(read(CampaignId(2), &spec(), &attempts).is_none());
    }

    #[test]
    fn agents_are_there_from_call_to_call_and_not_while_another_campaign_has_them() {
        let attempts = [
            talked(1, 0, "ann"),
            talked(1, 400, "ann"),
            talked(2, 600, "ann"),
            talked(1, 900, "ann"),
            talked(1, 9_000, "ann"),
            talked(2, 900, "cleo"),
        ];
        let past = read(OWN, &spec(), &attempts).unwrap();
        let spans: Vec<_> = past.history.stays.iter().map(|stay| (stay.from_s, stay.to_s)).collect();
        assert_eq!(spans, [(5.0, 605.0), (675.0, 975.0), (9_005.0, 9_075.0)]);
        assert_eq!(past.elsewhere, 1, "cleo is none of this campaign's agents");
        assert_eq!(past.history.calls[0].talk.unwrap().wrap_s, Some(10.0));
    }
}
