//! Lists from files into the store, and the report out of it.

use std::fs;

use crate::attempt::outcome::Outcome;
use crate::contact::import::ListReader;
use crate::id::{AttemptId, CampaignId};
use crate::inbound::InboundRow;
use crate::store::report::{
    ATTEMPT_COLUMNS, AgentSeconds, Percentiles, ReportMeta, Summary, TASK_COLUMNS, write_report,
};
use crate::store::sqlite::ListImport;
use crate::store::tests::disk::{Disk, OnDisk};
use crate::store::tests::writes::*;
use crate::store::write::Write;
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

#[test]
fn a_list_with_bad_rows_is_imported_and_its_bad_rows_are_written() {
    let mut disk = OnDisk::new();
    disk.prepare(0);
    let (list, rejected) = (disk.path().with_file_name("list.csv"), disk.path().with_file_name("bad.csv"));
    let mut text = "id,number,note,timezone\n".to_owned();
    for n in 1..=1_500 {
        // Every tenth number is bad; the last row doubles the first id.
        let number = if n % 10 == 0 { "911".to_owned() } else { number(n) };
        text.push_str(&format!("c{n},{number},=HYPERLINK(1),{}\n", if n == 1 { "Mars" } else { "" }));
    }
    text.push_str("c1,+15559999999,x,\n");
    fs::write(&list, &text).unwrap();
    let import = |disk: &OnDisk| {
        disk.runtime.block_on(disk.store().import_list(RENEWALS, &list, None, None, &rejected)).unwrap()
    };
    let expected = ListImport { rows: 1_501, imported: 1_350, known: 0, rejected: 151, unknown_zones: 1 };
    assert_eq!(import(&disk), expected);
    let mut written = csv::Reader::from_path(&rejected).unwrap();
    let bad: Vec<_> = written.records().map(Result::unwrap).collect();
    assert_eq!(bad.len(), 151);
    let first = ["11", "number", "emergency or short number", "c10", "911", "'=HYPERLINK(1)", ""];
    assert_eq!(bad[0].iter().collect::<Vec<_>>(), first);
    let last = ["1502", "id", "the same id stands further up", "c1", "'+15559999999", "x", ""];
    assert_eq!(bad[150].iter().collect::<Vec<_>>(), last);

    let again = ListImport { imported: 0, known: 1_350, ..expected };
    assert_eq!(import(&disk), again);
    fs::write(&list, "id,number\nc1,+15550000001\n").unwrap();
    assert_eq!(import(&disk).known, 1);
    assert!(!rejected.exists(), "no bad rows, no file");
}

#[test]
fn a_list_that_cannot_be_read_to_its_end_changes_nothing() {
    let mut disk = OnDisk::new();
    disk.prepare(0);
    let list = disk.path().with_file_name("list.csv");
    let rejected = disk.path().with_file_name("bad.csv");
    fs::write(&list, format!("id,number\na,+15550000001\n\"b{}", "x".repeat(200_000))).unwrap();
    let error =
        disk.runtime.block_on(disk.store().import_list(RENEWALS, &list, None, None, &rejected)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("list.csv, line 3: the row is longer"), "{text}");
    assert_eq!(disk.tasks(), []);
    let none = list.with_file_name("none.csv");
    let error =
        disk.runtime.block_on(disk.store().import_list(RENEWALS, &none, None, None, &rejected)).unwrap_err();
    assert!(error.to_string().contains("none.csv: "), "{error}");
}

#[test]
fn rows_at_hand_are_imported_and_bad_ones_handed_back() {
    let mut disk = OnDisk::new();
    disk.prepare(0);
    let list = "id,number\na,+15550000001\nb,x\na,+15550000003\nc,1\n";
    let reader = ListReader::new(list.as_bytes(), None).unwrap();
    let (import, bad) = disk.runtime.block_on(disk.store().import_rows(RENEWALS, reader, 2)).unwrap();
    assert_eq!((import.imported, import.rejected), (1, 3));
    assert_eq!(bad.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_suppression_list_is_durable_and_names_its_bad_lines() {
    let mut disk = OnDisk::new();
    disk.prepare(1);
    let list = disk.path().with_file_name("dnc.csv");
    fs::write(&list, format!("{}\n911\n(555) 123-4567\n", number(1))).unwrap();
    let import = disk.runtime.block_on(disk.store().import_suppression(&list, Some("US"))).unwrap();
    assert_eq!((import.numbers.len(), import.added, import.rejected), (2, 2, 1));
    assert_eq!(import.bad_lines[0].line, 2);
    disk.reopen();
    assert_eq!(disk.recover().suppressed, [number(1), "+15551234567".into()]);
}

#[test]
fn answered_calls_of_a_trunk_are_told_one_by_one() {
    let mut disk = OnDisk::new();
    disk.prepare(4);
    for (attempt, answered_at, ended_at) in [(1, 1_000, 5_000), (2, 4_000, 6_000), (3, 5_000, 7_500)] {
        disk.apply(vec![intent(attempt, attempt, 900), answered(attempt, answered_at)]).unwrap();
        disk.apply(vec![ended(attempt, ended_at, Outcome::Answered)]).unwrap();
    }
    disk.apply(vec![intent(4, 4, 900), answered(4, 6_000)]).unwrap();
    let told = |trunk: &str| {
        let mut told = Vec::new();
        let each = |_: &str, number: &str, answered: Utc, ended: Utc| {
            told.push((number.to_owned(), answered.0, ended.0))
        };
        disk.runtime.block_on(disk.store().answered_since(&[trunk], Utc(5_000), each)).unwrap();
        told
    };
    assert_eq!(told("carrier"), [(number(2), 4_000, 6_000), (number(3), 5_000, 7_500)], "ended since then");
    assert_eq!(told("other"), []);
}

#[test]
fn calls_from_outside_are_paged_newest_first() {
    let mut disk = OnDisk::new();
    disk.prepare(2);
    let taken = |call: u64| (call % 2 == 1).then(|| "agent1".to_owned());
    let row = |call| Write::Inbound(Box::new(InboundRow { agent: taken(call), ..inbound_row(call, 100) }));
    disk.apply((5..10).map(row).collect()).unwrap();
    let calls = |campaign: Option<CampaignId>, agent: Option<&str>, before: Option<u64>, limit: u32| {
        let page = disk.store().inbound_before(campaign, agent, before.map(AttemptId), limit);
        disk.runtime.block_on(page).unwrap().iter().map(|row| row.call.0).collect::<Vec<_>>()
    };
    assert_eq!(calls(None, None, None, 3), [9, 8, 7]);
    assert_eq!(calls(Some(RENEWALS), None, Some(7), 3), [6, 5]);
    assert_eq!(calls(Some(CampaignId(2)), None, None, 3), [] as [u64; 0]);
    assert_eq!(calls(None, Some("agent1"), None, 9), [9, 7, 5]);
    assert_eq!(calls(None, Some("agent2"), None, 9), [] as [u64; 0]);
}

fn meta() -> ReportMeta {
    ReportMeta { started_at: Utc(5_000), ended_at: Utc(65_250), seed: 7, version: "0.1.0".into(), agents: 2 }
}

#[test]
fn the_report_holds_what_the_contract_says() {
    let mut disk = OnDisk::new();
    disk.prepare(6);
    let call = |disk: &mut OnDisk, n: u64, outcome: Outcome| {
        disk.apply(vec![intent(n, n, 1_000), placed(n, 1_010)]).unwrap();
        if matches!(outcome, Outcome::Answered | Outcome::Abandoned | Outcome::Interrupted) {
            disk.apply(vec![ringing(n, 1_100), answered(n, 2_000)]).unwrap();
        }
        if n == 1 {
            disk.apply(vec![bridged(n, 2_005, "agent1"), heard(n, 12), recorded(n, "recordings/1.wav")])
                .unwrap();
        }
        disk.apply(vec![ended(n, 3_505, outcome)]).unwrap();
    };
    call(&mut disk, 1, Outcome::Answered);
    call(&mut disk, 2, Outcome::Abandoned);
    call(&mut disk, 3, Outcome::Answered);
    call(&mut disk, 4, Outcome::Interrupted);
    call(&mut disk, 5, Outcome::Busy);
    disk.apply(vec![
        disposition(1, 1, "success"),
        task(1, TaskState::Closed(ClosedReason::Success), None, Some("success")),
        task(5, TaskState::Open, Some(300_000), None),
        agent_time("agent1", 6_000, 1_500),
        agent_time("agent2", 2_490, 0),
    ])
    .unwrap();
    let directory = disk.path().parent().unwrap().to_owned();
    let summary = disk.runtime.block_on(write_report(disk.store(), &directory, meta())).unwrap();

    assert_eq!((summary.placed, summary.answered, summary.bridged), (5, 4, 1));
    assert_eq!((summary.abandoned, summary.callee_left, summary.abandon_rate), (2, 1, 0.5));
    assert_eq!((summary.busy, summary.interrupted, summary.tasks_closed, summary.tasks_open), (1, 1, 1, 5));
    let seconds = AgentSeconds { ready: 8.49, talking: 1.5, wrap_up: 0.01, away: 0.002 };
    assert_eq!((summary.agent_seconds, summary.utilisation), (seconds, 0.15));
    assert_eq!(summary.answer_to_agent_ms.p99, Some(12));
    assert_eq!(summary.started_at, "1970-01-01T00:00:01.000Z", "the first run's start");
    assert_eq!(summary.ended_at, "1970-01-01T00:01:05.250Z");
    let written = fs::read_to_string(directory.join("summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&written).unwrap(), summary);

    let attempts = fs::read_to_string(directory.join("attempts.csv")).unwrap();
    let attempts: Vec<&str> = attempts.lines().collect();
    assert_eq!(attempts[0], ATTEMPT_COLUMNS.join(","));
    assert_eq!(
        attempts[1],
        "1,1,c1,+15550000001,carrier,+15550000001,1970-01-01T00:00:01.010Z,1970-01-01T00:00:01.100Z,\
         1970-01-01T00:00:02.000Z,1970-01-01T00:00:02.005Z,1970-01-01T00:00:03.505Z,answered,,callee,because,\
         agent1,12,1500,recordings/1.wav"
    );
    assert_eq!(
        attempts[5],
        "5,5,c5,+15550000005,carrier,+15550000001,1970-01-01T00:00:01.010Z,,,,1970-01-01T00:00:03.505Z,busy,486,\
         callee,because,,,,"
    );
    let tasks = fs::read_to_string(directory.join("tasks.csv")).unwrap();
    let tasks: Vec<&str> = tasks.lines().collect();
    assert_eq!(tasks[0], TASK_COLUMNS.join(","));
    assert_eq!(tasks[1], "1,c1,closed,success,1,answered,success,");
    assert_eq!(tasks[5], "5,c5,open,,1,busy,,1970-01-01T00:05:00.000Z");
    assert_eq!(tasks[6], "6,c6,open,,0,,,");
    let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("unfinished")), "{left:?}");
}

#[test]
fn the_report_says_whose_tasks_wait() {
    let mut disk = OnDisk::new();
    disk.prepare(1);
    let owned = crate::contact::ListedContact { owner: Some("agent1".into()), ..listed(3, "c2", &number(2)) };
    disk.import(RENEWALS, vec![owned]);
    let directory = disk.path().parent().unwrap().to_owned();
    let meta =
        ReportMeta { started_at: Utc(0), ended_at: Utc(9_000), seed: 1, version: "1".into(), agents: 1 };
    let summary = disk.runtime.block_on(write_report(disk.store(), &directory, meta)).unwrap();
    assert_eq!((summary.tasks_open, summary.tasks_waiting_for_owner), (2, Some(1)));
    let tasks = fs::read_to_string(directory.join("tasks.csv")).unwrap();
    let lines: Vec<&str> = tasks.lines().collect();
    assert_eq!(lines[0], format!("{},owner", TASK_COLUMNS.join(",")));
    assert_eq!(lines[1..], ["1,c1,open,,0,,,,", "2,c2,open,,0,,,,agent1"]);
}

#[test]
fn screens_read_the_newest_attempts_of_whom_they_ask_for() {
    let mut disk = OnDisk::new();
    disk.prepare(4);
    for (n, agent) in [(1, "agent1"), (2, "agent2"), (3, "agent1")] {
        disk.apply(vec![intent(n, n, 1_000), placed(n, 1_010), answered(n, 2_000), bridged(n, 2_005, agent)])
            .unwrap();
    }
    disk.apply(vec![intent(4, 4, 1_000), placed(4, 1_010)]).unwrap();
    let read = |campaign, agent, before: Option<u64>, limit| {
        let rows = disk.store().attempts_before(campaign, agent, before.map(AttemptId), limit);
        let rows = disk.runtime.block_on(rows).unwrap();
        rows.into_iter().map(|(row, _)| row.attempt.0).collect::<Vec<_>>()
    };
    assert_eq!(read(None, None, None, 10), [4, 3, 2, 1]);
    assert_eq!(read(Some(RENEWALS), None, Some(4), 2), [3, 2]);
    assert_eq!(read(None, Some("agent1"), None, 10), [3, 1]);
    assert_eq!(read(None, Some("nobody"), None, 10), [0; 0]);
    assert_eq!(read(Some(CampaignId(99)), None, None, 10), [0; 0]);
}

#[test]
fn a_report_of_nothing_is_whole() {
    let disk = OnDisk::new();
    let directory = disk.path().parent().unwrap().to_owned();
    let summary = disk.runtime.block_on(write_report(disk.store(), &directory, meta())).unwrap();
    assert_eq!((summary.abandon_rate, summary.utilisation), (0.0, 0.0));
    assert_eq!(summary.answer_to_agent_ms, Percentiles::default());
    assert_eq!(summary.started_at, "1970-01-01T00:00:05.000Z");
    let attempts = fs::read_to_string(directory.join("attempts.csv")).unwrap();
    assert_eq!(attempts, ATTEMPT_COLUMNS.join(",") + "\n");
}

#[test]
fn long_reports_are_read_page_by_page() {
    let mut disk = OnDisk::new();
    disk.prepare(0);
    disk.import(RENEWALS, list(2_345));
    let directory = disk.path().parent().unwrap().to_owned();
    let summary = disk.runtime.block_on(write_report(disk.store(), &directory, meta())).unwrap();
    assert_eq!(summary.tasks_open, 2_345);
    let tasks = fs::read_to_string(directory.join("tasks.csv")).unwrap();
    assert_eq!(tasks.lines().count(), 2_346);
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let percentiles =
        |p50, p90, p99, max| Percentiles { p50: Some(p50), p90: Some(p90), p99: Some(p99), max: Some(max) };
    assert_eq!(Percentiles::of((1..=100).rev().collect()), percentiles(50, 90, 99, 100));
    assert_eq!(Percentiles::of(vec![5]), percentiles(5, 5, 5, 5));
    assert_eq!(Percentiles::of(vec![30, 10, 20]), percentiles(20, 30, 30, 30));
    assert_eq!(Percentiles::of((1..=1_000).collect()), percentiles(500, 900, 990, 1_000));
}
