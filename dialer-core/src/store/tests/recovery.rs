//! What a new process is told of the last one.

use std::time::Duration;

use super::disk::Disk;
use super::on_both;
use super::writes::*;
use crate::attempt::outcome::Outcome;
use crate::campaign::CampaignState;
use crate::campaign::journal::SEGMENTS_MAX;
use crate::campaign::spec::{CampaignSpec, Jurisdiction};
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::store::read::{Interrupted, OpenAttempt, PeriodCounts, Recovered, TrunkTalk, Undisposed};
use crate::store::write::{BindingRow, Intent, JournalEnd, JournalPart, OrphanRow, Write};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

on_both!(
    an_empty_store_recovers_nothing,
    campaigns_come_back_with_their_ledger,
    a_period_counts_what_was_launched_in_it,
    what_a_pacer_learnt_comes_back,
    a_journal_goes_on_where_it_ended_and_is_bounded,
    open_attempts_come_back_with_their_calls,
    interrupted_attempts_come_back_newest_first,
    calls_of_other_trunks_come_back_until_their_attempt_ends,
    what_each_trunk_carried_comes_back,
    calls_that_wait_for_a_disposition_come_back,
    legs_bindings_and_suppression_come_back,
);

fn an_empty_store_recovers_nothing(disk: &mut impl Disk) {
    disk.reopen();
    assert_eq!(disk.recover(), Recovered::default());
}

fn campaigns_come_back_with_their_ledger(disk: &mut impl Disk) {
    disk.prepare(9);
    disk.apply(vec![campaign(CampaignId(4))]).unwrap();
    // Bridged, abandoned, left by the callee, a machine, busy, interrupted while waiting; then two still open.
    for (attempt, outcome) in [
        (1, Outcome::Answered),
        (2, Outcome::Abandoned),
        (3, Outcome::Answered),
        (4, Outcome::Machine),
        (5, Outcome::Busy),
        (6, Outcome::Interrupted),
    ] {
        disk.apply(vec![intent(attempt, attempt, 1_000), placed(attempt, 1_001)]).unwrap();
        if outcome != Outcome::Busy {
            disk.apply(vec![answered(attempt, 2_000)]).unwrap();
        }
        if attempt == 1 {
            disk.apply(vec![bridged(1, 2_010, "agent1")]).unwrap();
        }
        disk.apply(vec![ended(attempt, 3_000, outcome)]).unwrap();
    }
    disk.apply(vec![intent(7, 7, 1_000), placed(7, 1_001), answered(7, 2_000)]).unwrap();
    disk.apply(vec![intent(8, 8, 1_000)]).unwrap();
    disk.reopen();
    let recovered = disk.recover();
    assert_eq!((recovered.last_attempt, recovered.last_campaign), (8, 4));
    let renewals = &recovered.campaigns[0];
    assert_eq!((renewals.campaign, renewals.state), (RENEWALS, CampaignState::Running));
    assert_eq!((renewals.started_at, renewals.elapsed), (Some(Utc(1_000)), Duration::from_secs(3)));
    assert_eq!(renewals.spec, spec());
    assert_eq!(
        (renewals.answered, renewals.abandoned),
        (5, 2),
        "the open one is answered and not yet charged"
    );
    assert_eq!((renewals.placed, renewals.bridged), (7, 1));
    assert_eq!((recovered.campaigns[1].campaign, recovered.campaigns[1].placed), (CampaignId(4), 0));
}

/// A day of Ofcom's ends at midnight; what was launched before counts for the day before, whenever it ended.
fn a_period_counts_what_was_launched_in_it(disk: &mut impl Disk) {
    const MIDNIGHT: i64 = 24 * 3_600_000;
    disk.prepare(0);
    let spec = CampaignSpec { jurisdiction: Jurisdiction::Uk, timezone: None, ..spec() };
    let uk = CampaignId(4);
    disk.apply(vec![Write::Campaign {
        campaign: uk,
        spec: Box::new(spec),
        state: CampaignState::Running,
        started_at: Some(Utc(1_000)),
        elapsed: Duration::ZERO,
    }])
    .unwrap();
    disk.import(uk, list(7));
    let launch = |attempt: u64, at: i64| match intent(attempt, attempt, at) {
        Write::Intent(intent) => Write::Intent(Intent { campaign: uk, ..intent }),
        other => other,
    };
    for (attempt, at, outcome) in [
        (1, MIDNIGHT - 1, Outcome::Abandoned),
        (2, MIDNIGHT - 1, Outcome::Answered),
        (3, MIDNIGHT, Outcome::Abandoned),
        (4, MIDNIGHT, Outcome::Answered),
        (5, MIDNIGHT, Outcome::Machine),
        (6, MIDNIGHT, Outcome::Interrupted),
    ] {
        disk.apply(vec![launch(attempt, at), placed(attempt, at), answered(attempt, MIDNIGHT + 5)]).unwrap();
        disk.apply(vec![ended(attempt, MIDNIGHT + 9, outcome)]).unwrap();
    }
    disk.apply(vec![launch(7, MIDNIGHT), placed(7, MIDNIGHT), answered(7, MIDNIGHT + 5)]).unwrap();
    disk.reopen();
    let of = |now: i64| {
        let recovered = disk.recover_at(Utc(now));
        let campaign = recovered.campaigns.iter().find(|campaign| campaign.campaign == uk).unwrap().clone();
        assert_eq!((campaign.answered, campaign.abandoned), (6, 3), "of its whole life");
        let PeriodCounts { since, answered, abandoned, machines } = campaign.period;
        (since, answered, abandoned, machines)
    };
    assert_eq!(of(MIDNIGHT + 10), (Utc(MIDNIGHT), 4, 2, 1), "the open one is answered and not yet charged");
    assert_eq!(of(2 * MIDNIGHT), (Utc(2 * MIDNIGHT), 0, 0, 0));
    assert_eq!(disk.recover().campaigns[0].period.since, Utc(i64::MIN), "a rig has one period");
}

fn what_a_pacer_learnt_comes_back(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![campaign(CampaignId(4))]).unwrap();
    let learnt = |campaign: CampaignId, learnt: &str| Write::PacerState {
        campaign,
        at: Utc(5_000),
        learnt: learnt.into(),
    };
    disk.apply(vec![learnt(RENEWALS, "{}"), learnt(CampaignId(9), "nobody's")]).unwrap();
    disk.apply(vec![learnt(RENEWALS, "{\"a\": 'b'}")]).unwrap();
    disk.reopen();
    let found: Vec<_> = disk.recover().campaigns.into_iter().map(|campaign| campaign.learnt).collect();
    assert_eq!(found, [Some("{\"a\": 'b'}".to_owned()), None]);
}

fn a_journal_goes_on_where_it_ended_and_is_bounded(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![campaign(CampaignId(4))]).unwrap();
    let part = |campaign: CampaignId, segment: u64, part: u32| {
        let (at, decisions_to, body) = (Utc(5_000), segment * 10 + u64::from(part), vec![0, segment as u8]);
        Write::Journal(JournalPart { campaign, segment, part, at, decisions_to, body })
    };
    disk.apply(vec![part(CampaignId(4), 1, 0), part(CampaignId(9), 1, 0)]).unwrap();
    let segments = SEGMENTS_MAX + 3;
    for segment in 1..=segments {
        disk.apply(vec![part(RENEWALS, segment, 0), part(RENEWALS, segment, 1)]).unwrap();
    }
    disk.reopen();
    let ends: Vec<_> = disk.recover().campaigns.into_iter().map(|campaign| campaign.journal).collect();
    let last = JournalEnd { segment: segments, decision: segments * 10 + 1 };
    assert_eq!(ends, [last, JournalEnd { segment: 1, decision: 10 }]);
    let kept = disk.journal(RENEWALS);
    let numbers: Vec<_> = kept.iter().map(|part| (part.segment, part.part)).collect();
    assert_eq!((numbers.len() as u64, numbers[0], numbers[1]), (2 * SEGMENTS_MAX, (4, 0), (4, 1)));
    assert_eq!(kept[0].body, [0, 4]);
    assert_eq!((disk.journal(CampaignId(4)).len(), disk.journal(CampaignId(9)).len()), (1, 0));
}

fn interrupted_attempts_come_back_newest_first(disk: &mut impl Disk) {
    disk.prepare(3);
    for (attempt, at, outcome) in
        [(1, 5_000, Outcome::Interrupted), (2, 7_000, Outcome::Busy), (3, 6_000, Outcome::Interrupted)]
    {
        disk.apply(vec![intent(attempt, attempt, 1_000), placed(attempt, 1_001)]).unwrap();
        if attempt == 1 {
            disk.apply(vec![answered(attempt, 2_000)]).unwrap();
        }
        disk.apply(vec![ended(attempt, at, outcome)]).unwrap();
    }
    disk.reopen();
    let one = |at: i64, attempt: u64, answered: bool| Interrupted {
        at: Utc(at),
        orphan: orphan(attempt, answered),
    };
    assert_eq!(disk.recover().interrupted, [one(6_000, 3, false), one(5_000, 1, true)]);
}

fn calls_of_other_trunks_come_back_until_their_attempt_ends(disk: &mut impl Disk) {
    disk.prepare(3);
    disk.apply(vec![intent(1, 1, 1_000), placed(1, 1_001)]).unwrap();
    disk.apply(vec![diverted(1, 21)]).unwrap();
    disk.apply(vec![diverted(1, 22), diverted(7, 23)]).unwrap();
    disk.reopen();
    let Write::Diverted { route: last, .. } = diverted(1, 22) else { unreachable!() };
    let Write::Diverted { route: other, .. } = diverted(1, 21) else { unreachable!() };
    let recovered = disk.recover();
    assert_eq!(recovered.open_attempts[0].orphan.route, last);
    let one = |at: i64, route| Interrupted { at: Utc(at), orphan: OrphanRow { route, dialog: None } };
    assert_eq!(recovered.interrupted, [one(1_000, route(1)), one(1_000, other.clone())]);
    // Interrupted, they are still to be ended; with its own ending nothing of it rings any more.
    disk.apply(vec![ended(1, 5_000, Outcome::Interrupted)]).unwrap();
    let after = disk.recover().interrupted;
    assert_eq!(after, [one(5_000, last), one(5_000, route(1)), one(5_000, other)]);
    disk.apply(vec![intent(2, 2, 6_000), placed(2, 6_001)]).unwrap();
    disk.apply(vec![diverted(2, 23), answered(2, 7_000)]).unwrap();
    disk.apply(vec![diverted(2, 24)]).unwrap();
    assert_eq!(disk.recover().interrupted.len(), 4, "what is answered stays where it is");
    disk.apply(vec![ended(2, 9_000, Outcome::Answered)]).unwrap();
    assert_eq!(disk.recover().interrupted.len(), 3);
}

fn what_each_trunk_carried_comes_back(disk: &mut impl Disk) {
    disk.prepare(6);
    let (day, hour) = (86_400_000_i64, 3_600_000_i64);
    let now = Utc(45 * day + 20 * hour);
    // The process starts on 15 February 1970: a call of January, one that began in it and ended in February, one of
    // yesterday over midnight, one of today without an answer, one still up.
    for (attempt, answered_at, ended_at) in [
        (1, 20 * day, 20 * day + hour),
        (2, 31 * day - hour, 31 * day + hour),
        (3, 45 * day - hour, 45 * day + 2 * hour),
    ] {
        disk.apply(vec![intent(attempt, attempt, answered_at - 9), answered(attempt, answered_at)]).unwrap();
        disk.apply(vec![ended(attempt, ended_at, Outcome::Answered)]).unwrap();
    }
    disk.apply(vec![intent(4, 4, 45 * day), ended(4, 45 * day + hour, Outcome::Busy)]).unwrap();
    disk.apply(vec![intent(5, 5, 45 * day), answered(5, 45 * day + hour)]).unwrap();
    disk.reopen();
    let talk = disk.recover_at(now).trunk_talk;
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    assert_eq!(talk, [TrunkTalk { trunk: "carrier".into(), today: hours(2), month: hours(4) }]);
}

fn open_attempts_come_back_with_their_calls(disk: &mut impl Disk) {
    disk.prepare(3);
    disk.apply(vec![intent(1, 1, 1_000), ended(1, 1_500, Outcome::Busy)]).unwrap();
    disk.apply(vec![task(1, TaskState::Open, Some(2_000), None)]).unwrap();
    disk.apply(vec![intent(2, 1, 3_000), placed(2, 3_001), answered(2, 4_000)]).unwrap();
    disk.apply(vec![intent(3, 3, 3_000)]).unwrap();
    disk.reopen();
    let first = OpenAttempt {
        attempt: AttemptId(2),
        campaign: RENEWALS,
        task: TaskId(1),
        contact: ContactId(1),
        number: number(1),
        timezone: Some("America/New_York".into()),
        attempts: 2,
        first_attempt_at: Some(Utc(1_000)),
        intent_at: Utc(3_000),
        placed_at: Some(Utc(3_001)),
        answered_at: Some(Utc(4_000)),
        bridged_at: None,
        orphan: orphan(2, true),
    };
    let second = OpenAttempt {
        attempt: AttemptId(3),
        task: TaskId(3),
        contact: ContactId(3),
        number: number(3),
        attempts: 1,
        first_attempt_at: Some(Utc(3_000)),
        placed_at: None,
        answered_at: None,
        orphan: orphan(3, false),
        ..first.clone()
    };
    assert_eq!(disk.recover().open_attempts, [first, second]);
    assert_eq!(disk.recover().undisposed, []);
}

fn calls_that_wait_for_a_disposition_come_back(disk: &mut impl Disk) {
    disk.prepare(3);
    for attempt in 1..=3 {
        disk.apply(vec![intent(attempt, attempt, 1_000), answered(attempt, 2_000)]).unwrap();
        disk.apply(vec![bridged(attempt, 2_010, "agent1"), ended(attempt, 9_000, Outcome::Answered)])
            .unwrap();
    }
    disk.apply(vec![
        disposition(1, 1, "success"),
        task(1, TaskState::Closed(ClosedReason::Success), None, Some("success")),
    ])
    .unwrap();
    disk.apply(vec![disposition(3, 3, "later"), task(3, TaskState::Open, Some(90_000), Some("later"))])
        .unwrap();
    disk.reopen();
    let waiting = Undisposed {
        attempt: AttemptId(2),
        campaign: RENEWALS,
        task: TaskId(2),
        contact: ContactId(2),
        number: number(2),
        timezone: Some("America/New_York".into()),
        attempts: 1,
        first_attempt_at: Some(Utc(1_000)),
        agent: "agent1".into(),
    };
    assert_eq!(disk.recover().undisposed, [waiting]);
}

fn legs_bindings_and_suppression_come_back(disk: &mut impl Disk) {
    let binding = |user: &str, cseq| BindingRow {
        user: user.into(),
        binding: "<urn:uuid:1>;reg-id=2".into(),
        contact: "sip:phone@192.0.2.9".into(),
        address: "192.0.2.9:5060".into(),
        local: "tcp:192.0.2.1:5060".into(),
        bound_at: Utc(20_000),
        instance: Some("<urn:uuid:1>".into()),
        reg_id: Some(2),
        q: 500,
        path: vec!["sip:192.0.2.9;lr".into()],
        expires_at: Utc(60_000),
        call_id: "reg".into(),
        cseq,
    };
    let prefer = |user: &str, device: Option<&str>| Write::Preferred {
        user: user.into(),
        device: device.map(str::to_owned),
    };
    let leg = |agent: &str, leg| Write::AgentLeg { agent: agent.into(), leg };
    disk.apply(vec![
        leg("agent1", Some(orphan(1, false))),
        leg("agent2", Some(orphan(2, true))),
        leg("agent1", Some(orphan(3, true))),
        leg("agent2", None),
        Write::Number(number_row("carrier", 1_000, 4)),
        Write::Number(number_row("alpha", 1_000, 7)),
        Write::Number(number_row("carrier", 2_000, 5)),
        prefer("agent1", Some("urn:uuid:1")),
        prefer("agent2", Some("urn:uuid:2")),
        prefer("agent1", Some("urn:uuid:3")),
        prefer("agent2", None),
        Write::Binding(binding("agent2", 1)),
        Write::Binding(binding("agent1", 1)),
        Write::Binding(binding("agent1", 2)),
        Write::Unbind { user: "agent2".into(), binding: "<urn:uuid:1>;reg-id=2".into() },
    ])
    .unwrap();
    disk.suppress(vec![number(2), number(1)]);
    disk.reopen();
    let recovered = disk.recover();
    assert_eq!(recovered.agent_legs, [("agent1".to_owned(), orphan(3, true))].into());
    assert_eq!(recovered.bindings, [binding("agent1", 2)]);
    assert_eq!(recovered.numbers, [number_row("alpha", 1_000, 7), number_row("carrier", 2_000, 5)]);
    assert_eq!(recovered.preferred, [("agent1".to_owned(), "urn:uuid:3".to_owned())].into());
    assert_eq!(recovered.suppressed, [number(1), number(2)]);
}
