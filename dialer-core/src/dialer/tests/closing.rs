//! What becomes of tasks: retried, closed, or never called.

use std::time::Duration;

use super::desk::{Desk, START, Seen, spec};
use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::CampaignCommand;
use crate::campaign::spec::{CampaignSpec, Day, Window};
use crate::id::TaskId;
use crate::input::{Failure, Input};
use crate::task::{ClosedReason, TaskState};

fn placed(desk: &mut Desk) -> crate::id::AttemptId {
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    attempt
}

#[test]
fn a_busy_callee_is_tried_again_until_the_attempts_are_used_up() {
    let mut busy = spec();
    busy.closure.retry.insert(Outcome::Busy, Duration::from_secs(300));
    let (mut desk, campaign) = Desk::running(busy, 1, 1);
    for attempts in 1..=3 {
        let attempt = placed(&mut desk);
        desk.fails(attempt, Failure::Status(486));
        assert_eq!(desk.ending(attempt), (Outcome::Busy, "sip_486"));
        assert_eq!(desk.task(1).due.attempts, attempts);
        if attempts < 3 {
            assert_eq!(desk.retry_in(1), Some(Duration::from_secs(300)));
            desk.pass(299_000);
            assert_eq!(desk.placed.len(), attempts as usize, "not before its time");
            desk.pass(1_000);
        }
    }
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::AttemptsMax));
    desk.pass(100);
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn ringing_runs_to_its_timeout_from_the_first_news_of_it() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 1);
    let attempt = placed(&mut desk);
    desk.pass(5_000);
    desk.tell(Input::Ringing { attempt, early_media: false });
    desk.pass(24_000);
    desk.tell(Input::Ringing { attempt, early_media: false });
    assert_eq!(desk.campaign(campaign).ringing, 1);
    assert!(!desk.saw(&Seen::HangUp(attempt)));
    desk.pass(1_000);
    assert!(desk.saw(&Seen::HangUp(attempt)));
    desk.fails(attempt, Failure::Cancelled);
    assert_eq!(desk.ending(attempt), (Outcome::NoAnswer, "ring_timeout"));
    assert_eq!(desk.ended[&attempt].attribution, Attribution::Callee);
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Outcome), "not named");
}

#[test]
fn without_news_of_ringing_the_timeout_counts_from_placing() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = placed(&mut desk);
    desk.pass(24_900);
    assert!(!desk.saw(&Seen::HangUp(attempt)));
    desk.pass(100);
    assert!(desk.saw(&Seen::HangUp(attempt)));
}

#[test]
fn what_the_trunk_failed_is_tried_again() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = placed(&mut desk);
    desk.fails(attempt, Failure::Status(503));
    assert_eq!(desk.ended[&attempt].attribution, Attribution::Trunk);
    assert_eq!(desk.retry_in(1), Some(Duration::from_secs(60)));
}

#[test]
fn a_trunk_that_is_full_at_placing_is_congestion_and_at_reserving_nothing() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    desk.busy = true;
    desk.pass(1_000);
    assert!(desk.placed.is_empty() && desk.claimed.is_empty());
    desk.busy = false;
    desk.pass(1_000);
    let attempt = desk.last();
    desk.tell(Input::Busy { attempt });
    assert_eq!(desk.ending(attempt), (Outcome::Congestion, "trunk_busy"));
    assert_eq!(desk.task(1).due.attempts, 1, "one attempt, however often no line was free");
}

#[test]
fn numbers_that_may_not_be_called_close_their_tasks() {
    let mut desk = Desk::new();
    let campaign = desk.create(spec());
    (1..=4).for_each(|task| desk.add_task(campaign, task));
    desk.tasks.get_mut(&TaskId(1)).unwrap().due.number = "+1911".into();
    desk.tasks.get_mut(&TaskId(2)).unwrap().due.timezone = None;
    desk.command(CampaignCommand::Suppress(vec!["+15550000003".into()])).unwrap();
    // Known to the store alone: it is found when the task is claimed.
    desk.suppressed.insert("+15550000004".into());
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(100);
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Number));
    assert_eq!(desk.task(2).state, TaskState::Closed(ClosedReason::NoZone));
    assert_eq!(desk.task(3).state, TaskState::Closed(ClosedReason::Suppressed));
    desk.sign_on("agent1");
    desk.pass(1_000);
    assert_eq!(desk.task(4).state, TaskState::Closed(ClosedReason::Suppressed));
    assert!(desk.placed.is_empty());
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn a_closed_window_is_waited_for() {
    // It is Friday, 15:00 UTC.
    let windows = vec![Window { days: vec![Day::Fri], from: "16:00".into(), to: "17:00".into() }];
    let (mut desk, campaign) = Desk::running(CampaignSpec { windows, ..spec() }, 1, 1);
    desk.pass(3_599_000);
    assert!(desk.placed.is_empty());
    assert!(!desk.saw(&Seen::Finished(campaign)), "it falls due later");
    desk.pass(2_000);
    assert_eq!(desk.placed.len(), 1);
}

#[test]
fn a_retry_outside_the_window_moves_to_the_next() {
    let windows = vec![Window { days: vec![Day::Fri, Day::Sat], from: "14:00".into(), to: "15:01".into() }];
    let mut late = CampaignSpec { windows, ..spec() };
    late.closure.retry.insert(Outcome::Busy, Duration::from_secs(300));
    let (mut desk, _) = Desk::running(late, 1, 1);
    let attempt = placed(&mut desk);
    desk.fails(attempt, Failure::Status(486));
    assert_eq!(desk.task(1).next_at, Some(START.after(Duration::from_secs(23 * 3600))));
}

#[test]
fn tasks_that_nobody_may_call_within_the_rules_time_close() {
    let windows = vec![Window { days: vec![Day::Fri], from: "15:00".into(), to: "15:01".into() }];
    let mut late = CampaignSpec { windows, ..spec() };
    late.closure.within = Duration::from_secs(24 * 3600);
    late.closure.retry.insert(Outcome::Busy, Duration::from_secs(300));
    let (mut desk, _) = Desk::running(late, 1, 1);
    let attempt = placed(&mut desk);
    desk.fails(attempt, Failure::Status(486));
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Within));
}

#[test]
fn one_person_on_two_lists_is_called_once_at_a_time() {
    let (mut desk, _) = Desk::running(spec(), 2, 0);
    let other = desk.create(spec());
    for (task, campaign) in [(1, crate::id::CampaignId(1)), (2, other)] {
        desk.add_task(campaign, task);
        let row = desk.tasks.get_mut(&TaskId(task)).unwrap();
        row.due.contact = crate::id::ContactId(7);
        row.due.number = "+15550000007".into();
    }
    desk.command(CampaignCommand::Start(crate::id::CampaignId(1))).unwrap();
    desk.command(CampaignCommand::Start(other)).unwrap();
    desk.sign_on("agent3");
    desk.pass(10_000);
    assert_eq!(desk.placed.len(), 1);
    let attempt = desk.last();
    desk.fails(attempt, Failure::Status(404));
    desk.pass(10_000);
    assert_eq!(desk.placed.len(), 2, "the other campaign's turn");
}
