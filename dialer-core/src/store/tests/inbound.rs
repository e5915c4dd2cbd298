//! Calls from outside: kept whole, ended once, and their callers known.

use super::disk::Disk;
use super::on_both;
use super::writes::*;
use crate::attempt::outcome::Outcome;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::InboundOutcome;
use crate::store::write::Write;

on_both!(
    a_call_is_kept_as_it_was_written_last_and_ends_once,
    who_calls_is_the_one_who_was_called_last,
    a_restart_finds_what_is_unfinished,
    a_bridged_attempt_may_be_handed_over,
);

fn a_call_is_kept_as_it_was_written_last_and_ends_once(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.apply(vec![inbound(9, 1, 100, 0)]).unwrap();
    disk.apply(vec![inbound(9, 1, 200, 1)]).unwrap();
    disk.apply(vec![inbound(9, 1, 300, 3)]).unwrap();
    let other = inbound(9, 1, 400, 2);
    assert_eq!(disk.apply(vec![other]), Ok(()), "it changes nothing");
    disk.apply(vec![inbound(9, 1, 300, 5)]).unwrap();
    disk.reopen();
    let rows = disk.inbound();
    assert_eq!(vec![Write::Inbound(Box::new(rows[0].clone()))], [inbound(9, 1, 300, 5)]);
    assert_eq!(rows[0].outcome, Some(InboundOutcome::Talked));
    assert_eq!(disk.recover().last_attempt, 9, "no number is given twice");
}

fn who_calls_is_the_one_who_was_called_last(disk: &mut impl Disk) {
    let other = CampaignId(2);
    disk.prepare(2);
    disk.apply(vec![campaign(other)]).unwrap();
    disk.import(other, list(2));
    let both = [other, RENEWALS];
    let known = disk.find_caller(&both, &number(1)).unwrap();
    assert_eq!((known.campaign, known.open, known.attempts), (other, true, 0), "the first of equals");
    disk.apply(vec![intent(1, 1, 1_000), ended(1, 2_000, Outcome::NoAnswer)]).unwrap();
    let known = disk.find_caller(&both, &number(1)).unwrap();
    assert_eq!((known.campaign, known.contact, known.task), (RENEWALS, ContactId(1), TaskId(1)));
    assert_eq!((known.attempts, known.timezone.as_deref()), (1, Some("America/New_York")));
    assert_eq!(disk.find_caller(&[other], &number(1)).unwrap().campaign, other);
    assert_eq!(disk.find_caller(&both, "+19995550100"), None);
    assert_eq!(disk.find_caller(&[], &number(1)), None);
}

fn a_restart_finds_what_is_unfinished(disk: &mut impl Disk) {
    disk.prepare(4);
    let all = [(5, 0), (6, 1), (7, 2), (8, 3), (9, 4), (10, 5)];
    disk.apply(all.map(|(call, stage)| inbound(call, 1, 100, stage)).to_vec()).unwrap();
    let found = disk.recover().inbound;
    let calls: Vec<u64> = found.iter().map(|it| it.row.call.0).collect();
    assert_eq!(calls, [5, 6, 8, 9], "up, talked without a word, and to be hung up once more");
    assert_eq!(found[0].known.as_ref().map(|known| known.task), Some(TaskId(1)));
    assert_eq!(found[1].row.call, AttemptId(6));
    assert!(found[1].row.leg.is_some());
}

fn a_bridged_attempt_may_be_handed_over(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.apply(vec![intent(1, 1, 1_000), handed_over(1, "agent2")]).unwrap();
    assert_eq!(disk.attempt(1).agent, None, "nobody has it yet");
    disk.apply(vec![answered(1, 2_000), bridged(1, 2_100, "agent1"), handed_over(1, "agent2")]).unwrap();
    assert_eq!(disk.attempt(1).agent.as_deref(), Some("agent2"));
    disk.apply(vec![ended(1, 3_000, Outcome::Answered)]).unwrap();
    assert_eq!(disk.recover().undisposed[0].agent, "agent2", "whose word is waited for");
}
