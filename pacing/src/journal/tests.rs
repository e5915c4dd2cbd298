//! Entries: what is recorded is played, and what tells of an answer holds all of it.

use super::*;
use crate::decision::{Bound, Forecast};
use crate::event::{CallKey, Segment};

fn capacity(now_ms: u64, outlook: Option<f64>) -> Capacity {
    let mut upcoming = Upcoming::default();
    upcoming.add(Segment { trunk: 0, hour: 9, attempt: (now_ms % 3) as u8 });
    Capacity {
        now: Duration::from_millis(now_ms),
        lines_free: 7,
        calls_per_second_free: 3,
        supply: 100,
        limits: Limits::new(0.03, true),
        upcoming,
        outlook: outlook.map(|agent_hours_left| Outlook { agent_hours_left }),
    }
}

fn decision() -> Decision {
    let forecast = Some(Forecast { risk: 0.1, ..Forecast::default() });
    let reason = Reason { bound: Bound::Risk, agents_free: 1, lines_out: 2, lines_wanted: 3, forecast };
    Decision { place: 4, until: Duration::from_secs(9), reason }
}

#[test]
fn what_is_recorded_is_played() {
    let from = Duration::from_secs(5);
    let (mut recorder, mut player) = (Recorder::new(from), Player::new(from));
    let said = Said::of(&decision());
    // The third one is before the second: the clock went back.
    for (at_ms, outlook) in [(5_000, None), (5_050, Some(1.0 / 3.0)), (4_000, Some(1.0 / 3.0)), (9_000, None)]
    {
        let event =
            Event { at: Duration::from_millis(at_ms), kind: EventKind::CallRinging { call: CallKey(at_ms) } };
        assert_eq!(player.play(&recorder.told(&event)), Some(Played::Told(event)));
        let capacity = capacity(at_ms, outlook);
        let entry = recorder.asked(&capacity, &decision());
        assert_eq!(player.play(&entry), Some(Played::Asked(capacity, said)));
    }
    let same = recorder.asked(&capacity(9_000, None), &decision());
    assert!(matches!(same, Entry::Asked { after_ns: 0, limits: None, upcoming: None, outlook: None, .. }));
    assert_eq!(Player::new(from).play(&same), None, "needs those before it");
}

#[test]
fn plans_and_shares_are_played_as_they_were_recorded() {
    use crate::share::Need;
    let from = Duration::from_secs(5);
    let (mut recorder, mut player) = (Recorder::new(from), Player::new(from));
    let limits = Limits::new(0.03, true);
    let lines =
        |agents: &[u64]| Plan { lines: agents.iter().copied().map(AgentKey).collect(), ..Plan::default() };
    let rounds: [&[(u64, u32)]; 4] = [&[(1, 3), (2, 0)], &[(1, 2), (2, 0)], &[(2, 0), (7, 9)], &[]];
    for (after, wishes) in rounds.into_iter().enumerate() {
        let at = from + Duration::from_millis(after as u64);
        let wishes: BTreeMap<_, _> = wishes.iter().map(|(agent, own)| (AgentKey(*agent), *own)).collect();
        let plan = lines(&[after as u64]);
        let entry = recorder.planned(at, &wishes, limits, 9, &plan);
        let said = Said::of_plan(&plan);
        let expected = PlayedPlan { at, wishes: wishes.clone(), limits, room: 9, said };
        assert_eq!(player.play(&entry), Some(Played::Planned(expected)));
        let ahead = Ahead { lines: vec![AgentKey(7); after], reason: Some(decision().reason) };
        let entry = recorder.ahead(at, &wishes, 3, &ahead);
        assert!(matches!(&entry, Entry::Ahead { wishes, .. } if wishes.is_empty()), "as in the plan");
        let expected = PlayedAhead { at, wishes, room: 3, said: Said::of_ahead(&ahead) };
        assert_eq!(player.play(&entry), Some(Played::Ahead(expected)));
        let other = Ahead { reason: None, ..ahead.clone() };
        assert_ne!(Said::of_ahead(&other), Said::of_ahead(&ahead));
    }
    let claim = |agents| Claim { weight: 2, need: Need::Contacts, agents };
    let mut share = |agent, claims: &[(u64, Claim)], chosen, stays| {
        recorder.shared(from, AgentKey(agent), claims, limits, chosen, stays)
    };
    let claims = [(1, claim(4)), (2, claim(3))];
    assert_eq!(share(1, &claims[..1], 1, false), None, "nothing to choose");
    assert_eq!(share(1, &vec![(1, claim(4)); CLAIMS_MAX + 1], 1, false), None, "too many");
    let first = share(1, &claims, 1, true).unwrap();
    assert_eq!(share(2, &claims, 1, true), None, "as the one before");
    let second = share(3, &claims, 2, false).unwrap();
    assert!(matches!(second, Entry::Shared { claims: None, .. }));
    for (entry, agent, chosen) in [(first, 1, 1), (second.clone(), 3, 2)] {
        let agent = AgentKey(agent);
        let expected = PlayedShare { at: from, agent, claims: claims.to_vec(), limits, chosen };
        assert_eq!(player.play(&entry), Some(Played::Shared(expected)));
    }
    assert_eq!(Player::new(from).play(&second), None, "needs those before it");
}

#[test]
fn every_agent_of_a_plan_is_in_the_check() {
    let agents = |agents: &[u64]| agents.iter().copied().map(AgentKey).collect::<Vec<_>>();
    let plan = |pooled: &[u64], apart: &[u64], lines: &[u64]| {
        Said::of_plan(&Plan { pooled: agents(pooled), apart: agents(apart), lines: agents(lines) })
    };
    let all = [
        plan(&[], &[], &[]),
        plan(&[1], &[], &[]),
        plan(&[], &[1], &[]),
        plan(&[], &[], &[1]),
        plan(&[], &[], &[2]),
        plan(&[], &[], &[1, 2]),
        plan(&[], &[], &[2, 1]),
        plan(&[1], &[2], &[]),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().map(|said| said.check).collect();
    assert_eq!((distinct.len(), all[5].place), (all.len(), 2));
}

#[test]
fn every_figure_of_a_decision_is_in_the_check() {
    let base = decision();
    let mut others = vec![
        Decision { place: 5, ..base },
        Decision { until: Duration::from_millis(9_001), ..base },
        Decision { reason: Reason { bound: Bound::Budget, ..base.reason }, ..base },
        Decision { reason: Reason { agents_free: 2, ..base.reason }, ..base },
        Decision { reason: Reason { lines_out: 3, ..base.reason }, ..base },
        Decision { reason: Reason { lines_wanted: 4, ..base.reason }, ..base },
        Decision { reason: Reason { forecast: None, ..base.reason }, ..base },
    ];
    let forecast = |change: fn(&mut Forecast)| {
        let mut forecast = Forecast { risk: 0.1, ..Forecast::default() };
        change(&mut forecast);
        Decision { reason: Reason { forecast: Some(forecast), ..base.reason }, ..base }
    };
    others.extend([
        forecast(|it| it.horizon_s = 1e-300),
        forecast(|it| it.answers = -0.0),
        forecast(|it| it.answers_deviation = 1.0),
        forecast(|it| it.agents = 1.0),
        forecast(|it| it.agents_deviation = 1.0),
        forecast(|it| it.risk = 0.1_f64.next_up()),
        forecast(|it| it.risk_accepted = 1.0),
        forecast(|it| it.exposure = 1.0),
        forecast(|it| it.allowance = f64::NAN),
    ]);
    let said = Said::of(&base);
    for other in others {
        assert_ne!(Said::of(&other), said, "{other:?}");
    }
}
