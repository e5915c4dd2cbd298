//! What the database itself refuses, whoever writes; and how its queries are planned.

use sqlx::{Connection, Row, SqliteConnection};

use crate::attempt::outcome::Outcome;
use crate::id::CampaignId;
use crate::store::sqlite::plans::{self, SCHEMAS};
use crate::store::sqlite::{Store, StoreError};
use crate::store::tests::disk::{Disk, OnDisk};
use crate::store::tests::writes::*;
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

/// Does as a stray program would.
fn raw(disk: &OnDisk, sql: &str) -> Result<(), String> {
    let path = disk.path();
    disk.runtime.block_on(async move {
        let mut stray = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut stray)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
}

#[test]
fn the_database_refuses_what_must_never_be() {
    let mut disk = OnDisk::new();
    disk.prepare(3);
    disk.apply(vec![intent(1, 1, 1_000), intent(2, 2, 1_000), ended(2, 2_000, Outcome::Busy)]).unwrap();
    disk.apply(vec![task(3, TaskState::Closed(ClosedReason::Within), None, None)]).unwrap();
    let before = (disk.attempts(), disk.tasks());
    for (sql, refusal) in [
        ("UPDATE attempts SET outcome = 'answered' WHERE attempt = 2", "an attempt ends once"),
        ("UPDATE attempts SET outcome = NULL, ended_at = NULL WHERE attempt = 2", "an attempt ends once"),
        ("DELETE FROM attempts WHERE attempt = 2", "attempts are kept"),
        ("UPDATE tasks SET closed_reason = NULL WHERE task = 3", "a closed task stays closed"),
        (
            "INSERT INTO attempts (attempt, campaign, task, contact, number, trunk, caller_id, intent_at)
             VALUES (9, 1, 1, 1, '+15559', '', '', 0)",
            "UNIQUE constraint failed: attempts.contact",
        ),
        (
            "INSERT INTO attempts (attempt, campaign, task, contact, number, trunk, caller_id, intent_at)
             VALUES (9, 1, 2, 2, '+15550000001', '', '', 0)",
            "UNIQUE constraint failed: attempts.number",
        ),
        ("UPDATE attempts SET outcome = 'busy' WHERE attempt = 1", "CHECK constraint failed"),
        ("INSERT INTO tasks (campaign, contact) VALUES (1, 99)", "FOREIGN KEY constraint failed"),
    ] {
        let error = raw(&disk, sql).unwrap_err();
        assert!(error.contains(refusal), "{sql}: {error}");
    }
    assert_eq!((disk.attempts(), disk.tasks()), before);
}

#[test]
fn due_tasks_are_found_by_indexes_alone() {
    let mut disk = OnDisk::new();
    disk.prepare(5);
    let path = disk.path();
    disk.runtime.block_on(async {
        let mut reader = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        for sql in plans::FETCH {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(&mut reader).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
            assert!(!plan.is_empty());
            for step in &plan {
                // What is walked through is what was asked for or found by an index.
                let walked = ["SCAN wanted", "SCAN owners", "SCAN (subquery"];
                let walked = walked.iter().any(|known| step.starts_with(known));
                assert!(walked || !step.contains("SCAN") && !step.contains("B-TREE"), "{plan:?}");
            }
            assert!(plan.iter().any(|step| step.contains("INDEX task_due")), "{plan:?}");
        }
    });
}

#[test]
fn one_process_at_a_time() {
    let mut disk = OnDisk::new();
    let path = disk.path();
    let open = |disk: &OnDisk| disk.runtime.block_on(Store::open(&path, Box::new(|_, _| {})));
    match open(&disk) {
        Err(error @ StoreError::InUse { .. }) => {
            assert_eq!(error.to_string(), format!("{} is in use by another carillon", path.display()));
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    disk.close();
    assert!(open(&disk).is_ok());
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let mut disk = OnDisk::new();
    let path = disk.path();
    disk.close();
    raw(&disk, "PRAGMA user_version = 99").unwrap();
    match disk.runtime.block_on(Store::open(&path, Box::new(|_, _| {}))) {
        Err(StoreError::Newer { found: 99, known: 11 }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_database_of_every_earlier_version_is_brought_up_to_date() {
    for version in 0..SCHEMAS.len() {
        let mut disk = OnDisk::new();
        let path = disk.path();
        disk.close();
        // An empty file is a database without anything.
        std::fs::write(&path, "").unwrap();
        let mut scripts = SCHEMAS[..version].concat();
        if version > 0 {
            // A campaign, as the first version wrote it.
            let spec = serde_json::to_string(&spec()).unwrap().replace('\'', "''");
            let columns = "campaign, spec, state, elapsed_ms, attempts_max";
            let row = format!("INSERT INTO campaigns ({columns}) VALUES (1, '{spec}', 'draft', 0, 3);");
            scripts.push_str(&row);
        }
        scripts.push_str(&format!("PRAGMA user_version = {version};"));
        raw(&disk, &scripts).unwrap();
        let store = disk.runtime.block_on(Store::open(&path, Box::new(|_, _| {}))).unwrap();
        let recovered = disk.runtime.block_on(store.recover(Utc(0))).unwrap();
        assert_eq!(recovered.campaigns.len(), usize::from(version > 0), "from version {version}");
        disk.runtime.block_on(store.close());
    }
}

#[test]
fn counts_follow_the_tasks() {
    let mut disk = OnDisk::new();
    disk.prepare(5);
    disk.apply(vec![intent(1, 1, 1_000), placed(1, 1_001), ended(1, 2_000, Outcome::NoAnswer)]).unwrap();
    disk.apply(vec![task(1, TaskState::Closed(ClosedReason::Outcome), None, None)]).unwrap();
    let counters = disk.runtime.block_on(disk.store().counters(RENEWALS)).unwrap();
    assert_eq!((counters.tasks_open, counters.tasks_total), (4, 5));
    assert_eq!((counters.tally.placed, counters.tally.no_answer), (1, 1));
    assert!(disk.runtime.block_on(disk.store().counters(CampaignId(9))).is_err());
    assert_eq!(disk.fetch(RENEWALS, 9, Utc(0)).due.len(), 4);
}
