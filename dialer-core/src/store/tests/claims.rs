//! Who may be called: what an intent claims and when it is refused.

use super::disk::Disk;
use super::on_both;
use super::writes::*;
use crate::attempt::outcome::Outcome;
use crate::id::CampaignId;
use crate::store::write::{Refusal, Write};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

on_both!(
    a_claimed_task_is_not_due_and_counts_its_attempt,
    one_open_attempt_per_contact,
    one_open_attempt_per_number_over_all_campaigns,
    a_suppressed_number_is_refused_at_the_claim,
    suppression_is_the_first_reason_named,
    a_closed_task_is_refused,
    a_task_that_had_its_attempts_is_refused,
    an_intent_must_fit_its_task,
    an_attempt_id_is_used_once,
    the_cap_follows_the_campaign,
    due_tasks_come_longest_due_first,
);

fn a_claimed_task_is_not_due_and_counts_its_attempt(disk: &mut impl Disk) {
    disk.prepare(3);
    assert_eq!(disk.due(1_000), [1, 2, 3]);
    disk.apply(vec![intent(1, 2, 1_000)]).unwrap();
    assert_eq!(disk.due(5_000), [1, 3]);
    let row = disk.task(2);
    assert_eq!((row.attempts, row.next_at, &row.state), (1, None, &TaskState::Open));
    assert_eq!(row.external_id, "c2");
    let fetched = disk.fetch(RENEWALS, 1, Utc(5_000));
    assert_eq!((fetched.due.len(), fetched.open, fetched.total, fetched.next_due), (1, 3, 3, None));
    let due = &fetched.due[0];
    assert_eq!((due.name.as_str(), due.number.as_str()), ("name of c1", number(1).as_str()));
    assert_eq!((due.timezone.as_deref(), due.attempts), (Some("America/New_York"), 0));
    let attempt = disk.attempt(1);
    assert_eq!((attempt.trunk.as_str(), attempt.caller_id.as_str()), ("carrier", "+15550000001"));
    assert_eq!((attempt.intent_at, attempt.placed_at, attempt.outcome), (Utc(1_000), None, None));
}

fn one_open_attempt_per_contact(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    assert_eq!(disk.apply(vec![intent(2, 1, 1_100)]), Err(Refusal::Open));
    assert_eq!(disk.task(1).attempts, 1);
    disk.apply(vec![ended(1, 2_000, Outcome::Busy), task(1, TaskState::Open, Some(3_000), None)]).unwrap();
    disk.apply(vec![intent(3, 1, 3_000)]).unwrap();
    assert_eq!(disk.task(1).attempts, 2);
}

fn one_open_attempt_per_number_over_all_campaigns(disk: &mut impl Disk) {
    disk.prepare(1);
    let other = CampaignId(2);
    disk.apply(vec![campaign(other)]).unwrap();
    disk.import(other, vec![listed(2, "other", &number(1))]);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    assert_eq!(disk.apply(vec![intent_of(2, other, 2, 2, &number(1), 1_100)]), Err(Refusal::Open));
    disk.apply(vec![ended(1, 2_000, Outcome::NoAnswer)]).unwrap();
    disk.apply(vec![intent_of(2, other, 2, 2, &number(1), 2_100)]).unwrap();
}

fn a_suppressed_number_is_refused_at_the_claim(disk: &mut impl Disk) {
    disk.prepare(2);
    assert_eq!(disk.suppress(vec![number(1), number(9)]), 2);
    assert_eq!(disk.suppress(vec![number(1)]), 0);
    assert_eq!(disk.apply(vec![intent(1, 1, 1_000)]), Err(Refusal::Suppressed));
    assert_eq!(disk.attempts(), []);
    assert_eq!((disk.task(1).attempts, disk.task(1).next_at), (0, Some(Utc(0))));
    disk.apply(vec![intent(1, 2, 1_000)]).unwrap();
}

fn suppression_is_the_first_reason_named(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    disk.suppress(vec![number(1)]);
    assert_eq!(disk.apply(vec![intent(2, 1, 1_000)]), Err(Refusal::Suppressed));
}

fn a_closed_task_is_refused(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![task(1, TaskState::Closed(ClosedReason::NoZone), None, None)]).unwrap();
    assert_eq!(disk.apply(vec![intent(1, 1, 1_000)]), Err(Refusal::Task));
}

fn a_task_that_had_its_attempts_is_refused(disk: &mut impl Disk) {
    disk.prepare(1);
    for attempt in 1..=3 {
        disk.apply(vec![intent(attempt, 1, 1_000)]).unwrap();
        disk.apply(vec![ended(attempt, 2_000, Outcome::Busy), task(1, TaskState::Open, Some(0), None)])
            .unwrap();
    }
    assert_eq!(disk.apply(vec![intent(4, 1, 3_000)]), Err(Refusal::Task));
    assert_eq!(disk.task(1).attempts, 3);
}

fn an_intent_must_fit_its_task(disk: &mut impl Disk) {
    disk.prepare(2);
    assert_eq!(disk.apply(vec![intent(1, 7, 1_000)]), Err(Refusal::Task));
    assert_eq!(disk.apply(vec![intent_of(1, RENEWALS, 1, 2, &number(2), 0)]), Err(Refusal::Task));
    assert_eq!(disk.apply(vec![intent_of(1, CampaignId(5), 1, 1, &number(1), 0)]), Err(Refusal::Task));
    assert_eq!(disk.attempts(), []);
}

fn an_attempt_id_is_used_once(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    assert_eq!(disk.apply(vec![intent(1, 2, 1_000)]), Err(Refusal::Open));
    disk.apply(vec![ended(1, 2_000, Outcome::Busy)]).unwrap();
    assert_eq!(disk.apply(vec![intent(1, 2, 1_000)]), Err(Refusal::Ended));
    assert_eq!(disk.task(2).attempts, 0);
}

fn the_cap_follows_the_campaign(disk: &mut impl Disk) {
    disk.prepare(1);
    let Write::Campaign { campaign, mut spec, state, started_at, elapsed } = campaign(RENEWALS) else {
        unreachable!()
    };
    spec.closure.attempts_max = 1;
    disk.apply(vec![intent(1, 1, 1_000), ended(1, 1_500, Outcome::Busy)]).unwrap();
    disk.apply(vec![Write::Campaign { campaign, spec, state, started_at, elapsed }]).unwrap();
    assert_eq!(disk.apply(vec![intent(2, 1, 2_000)]), Err(Refusal::Task));
    assert_eq!(disk.fetch(RENEWALS, 10, Utc(0)).total, 1, "replacing a campaign keeps its counts");
}

fn due_tasks_come_longest_due_first(disk: &mut impl Disk) {
    disk.prepare(4);
    disk.apply(vec![task(1, TaskState::Open, Some(9_000), None)]).unwrap();
    disk.apply(vec![task(2, TaskState::Open, Some(2_000), None)]).unwrap();
    disk.apply(vec![task(3, TaskState::Open, Some(1_000), None)]).unwrap();
    disk.apply(vec![task(4, TaskState::Open, Some(2_000), None)]).unwrap();
    assert_eq!(disk.due(2_000), [3, 2, 4]);
    assert_eq!(disk.fetch(RENEWALS, 2, Utc(2_000)).due.len(), 2);
    assert_eq!(disk.fetch(RENEWALS, 9, Utc(2_000)).next_due, Some(Utc(9_000)));
    assert_eq!(disk.fetch(CampaignId(9), 9, Utc(2_000)), Default::default());
}
