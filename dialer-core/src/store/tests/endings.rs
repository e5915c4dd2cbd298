//! Progress, the one ending, dispositions and closure.

use super::disk::Disk;
use super::on_both;
use super::writes::*;
use crate::attempt::outcome::{Attribution, Outcome};
use crate::id::AttemptId;
use crate::store::read::AgentTimeRow;
use crate::store::write::Refusal;
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

on_both!(
    a_whole_call_is_kept,
    the_first_word_of_progress_counts,
    an_attempt_ends_once,
    a_refused_batch_leaves_nothing,
    writes_about_unknown_things_change_nothing,
    a_closed_task_stays_closed,
    a_disposition_can_be_sent_again,
    agent_time_adds_up,
);

fn a_whole_call_is_kept(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    disk.apply(vec![placed(1, 1_010)]).unwrap();
    disk.apply(vec![ringing(1, 1_500)]).unwrap();
    disk.apply(vec![answered(1, 6_000)]).unwrap();
    disk.apply(vec![bridged(1, 6_020, "agent1")]).unwrap();
    disk.apply(vec![heard(1, 21)]).unwrap();
    disk.apply(vec![ended(1, 7_520, Outcome::Answered)]).unwrap();
    disk.apply(vec![recorded(1, "recordings/1.wav")]).unwrap();
    disk.apply(vec![
        disposition(1, 1, "success"),
        task(1, TaskState::Closed(ClosedReason::Success), None, Some("success")),
    ])
    .unwrap();
    disk.reopen();
    let row = disk.attempt(1);
    assert_eq!((row.placed_at, row.ringing_at), (Some(Utc(1_010)), Some(Utc(1_500))));
    assert_eq!((row.answered_at, row.bridged_at), (Some(Utc(6_000)), Some(Utc(6_020))));
    assert_eq!((row.ended_at, row.outcome), (Some(Utc(7_520)), Some(Outcome::Answered)));
    assert_eq!((row.attribution, row.reason.as_str()), (Some(Attribution::Callee), "because"));
    assert_eq!(
        (row.agent.as_deref(), row.answer_to_agent_ms, row.talk_ms),
        (Some("agent1"), Some(21), 1_500)
    );
    assert_eq!(row.recording.map(|recording| recording.file).as_deref(), Some("recordings/1.wav"));
    let row = disk.task(1);
    assert_eq!(row.state, TaskState::Closed(ClosedReason::Success));
    assert_eq!(
        (row.last_outcome, row.last_disposition.as_deref()),
        (Some(Outcome::Answered), Some("success"))
    );
    assert_eq!(disk.fetch(RENEWALS, 1, Utc(9_000)).open, 0);
}

fn the_first_word_of_progress_counts(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![intent(1, 1, 1_000), placed(1, 1_010), answered(1, 2_000)]).unwrap();
    disk.apply(vec![bridged(1, 2_010, "agent1"), heard(1, 5), recorded(1, "a.wav"), ringing(1, 1_500)])
        .unwrap();
    let before = disk.attempt(1);
    disk.apply(vec![placed(1, 5_000), ringing(1, 5_000), answered(1, 5_000)]).unwrap();
    disk.apply(vec![bridged(1, 5_000, "agent2"), heard(1, 50), recorded(1, "b.wav")]).unwrap();
    assert_eq!(disk.attempt(1), before);
}

fn an_attempt_ends_once(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    disk.apply(vec![ended(1, 2_000, Outcome::Busy)]).unwrap();
    let before = (disk.attempt(1), disk.task(1));
    assert_eq!(before.0.sip_status, Some(486));
    assert_eq!(disk.apply(vec![ended(1, 3_000, Outcome::Answered)]), Err(Refusal::Ended));
    assert_eq!(disk.apply(vec![ended(8, 3_000, Outcome::Answered)]), Err(Refusal::Ended));
    assert_eq!((disk.attempt(1), disk.task(1)), before);
}

fn a_refused_batch_leaves_nothing(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    let before = (disk.attempts(), disk.tasks(), disk.recover(), disk.agent_time());
    let refused = vec![
        agent_time("agent1", 100, 100),
        placed(1, 1_001),
        task(1, TaskState::Closed(ClosedReason::Outcome), None, Some("no")),
        intent(2, 2, 1_000),
        ended(1, 2_000, Outcome::Busy),
        ended(1, 2_000, Outcome::Busy),
    ];
    assert_eq!(disk.apply(refused), Err(Refusal::Ended));
    assert_eq!((disk.attempts(), disk.tasks(), disk.recover(), disk.agent_time()), before);
    disk.apply(vec![intent(2, 2, 1_000)]).unwrap();
}

fn writes_about_unknown_things_change_nothing(disk: &mut impl Disk) {
    disk.prepare(1);
    let before = (disk.attempts(), disk.tasks());
    disk.apply(vec![placed(5, 1), ringing(5, 1), answered(5, 1), bridged(5, 1, "agent1")]).unwrap();
    disk.apply(vec![heard(5, 1), recorded(5, "a.wav"), disposition(5, 1, "success")]).unwrap();
    disk.apply(vec![task(5, TaskState::Closed(ClosedReason::Outcome), None, None)]).unwrap();
    assert_eq!((disk.attempts(), disk.tasks()), before);
    assert_eq!(disk.fetch(RENEWALS, 1, Utc(9_000)).open, 1);
}

fn a_closed_task_stays_closed(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.apply(vec![task(1, TaskState::Closed(ClosedReason::Within), Some(9_000), None)]).unwrap();
    assert_eq!(disk.task(1).next_at, None);
    disk.apply(vec![task(1, TaskState::Open, Some(1), Some("late"))]).unwrap();
    disk.apply(vec![task(1, TaskState::Closed(ClosedReason::Success), None, None)]).unwrap();
    let row = disk.task(1);
    assert_eq!((row.state, row.next_at), (TaskState::Closed(ClosedReason::Within), None));
    assert_eq!(row.last_disposition.as_deref(), Some("late"));
    assert_eq!(disk.due(10_000), [2]);
    assert_eq!(disk.fetch(RENEWALS, 1, Utc(9_000)).open, 1);
}

fn a_disposition_can_be_sent_again(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.apply(vec![intent(1, 1, 1_000), bridged(1, 1_500, "agent1"), ended(1, 2_000, Outcome::Answered)])
        .unwrap();
    for _ in 0..2 {
        disk.apply(vec![
            disposition(1, 1, "refused"),
            task(1, TaskState::Open, Some(7_000), Some("refused")),
        ])
        .unwrap();
    }
    let row = disk.task(1);
    assert_eq!((row.last_disposition.as_deref(), row.next_at), (Some("refused"), Some(Utc(7_000))));
    assert_eq!(disk.attempts().iter().map(|row| row.attempt).collect::<Vec<_>>(), [AttemptId(1)]);
}

fn agent_time_adds_up(disk: &mut impl Disk) {
    disk.apply(vec![agent_time("agent1", 100, 30), agent_time("agent2", 1, 2)]).unwrap();
    disk.apply(vec![agent_time("agent1", 11, 4)]).unwrap();
    disk.reopen();
    let expected = AgentTimeRow { ready_ms: 111, talking_ms: 34, wrap_up_ms: 10, away_ms: 2 };
    assert_eq!(disk.agent_time()["agent1"], expected);
    assert_eq!(disk.agent_time().len(), 2);
}
