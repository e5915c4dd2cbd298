//! The queue, the group commit and what becomes of a group when the database fails.

use std::sync::mpsc;

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use crate::attempt::outcome::Outcome;
use crate::id::Ticket;
use crate::store::sqlite::{Full, QUEUE_MAX, Store};
use crate::store::tests::disk::{Disk, OnDisk};
use crate::store::tests::writes::*;
use crate::store::write::Refusal;

#[test]
fn a_refused_batch_does_not_spoil_its_neighbours() {
    let mut disk = OnDisk::new();
    disk.prepare(200);
    let mut expected = Vec::new();
    for n in 1..=200 {
        let ticket = disk.submit(vec![intent(n, n, 1_000), placed(n, 1_001)]);
        expected.push((ticket, Ok(())));
        // Refused at its last write, after two that would have told.
        let ticket =
            disk.submit(vec![placed(n, 9_000), agent_time("agent1", 1, 1), intent(1_000 + n, n, 2_000)]);
        expected.push((ticket, Err(Refusal::Open)));
        let ticket = disk.submit(vec![ended(n, 3_000, Outcome::Busy)]);
        expected.push((ticket, Ok(())));
    }
    for (ticket, result) in expected {
        assert_eq!(disk.result(ticket), result, "{ticket}");
    }
    assert_eq!(disk.agent_time().len(), 0);
    let attempts = disk.attempts();
    assert_eq!(attempts.len(), 200);
    assert!(
        attempts.iter().all(|row| row.outcome == Some(Outcome::Busy) && row.placed_at.unwrap().0 == 1_001)
    );
}

/// A store whose writer waits in its first answer until the gate opens.
struct HeldBack {
    directory: TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
    gate: mpsc::Sender<()>,
    results: mpsc::Receiver<Ticket>,
}

fn held_back() -> HeldBack {
    let directory = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (told, results) = mpsc::channel();
    let (gate, opened) = mpsc::channel::<()>();
    let on_stored = Box::new(move |ticket, result: Result<(), Refusal>| {
        result.unwrap();
        let _ = told.send(ticket);
        let _ = opened.recv();
    });
    let store = runtime.block_on(Store::open(&directory.path().join("carillon.db"), on_stored)).unwrap();
    store.submit(Ticket(0), vec![campaign(RENEWALS)]).unwrap();
    assert_eq!(results.recv(), Ok(Ticket(0)));
    HeldBack { directory, runtime, store, gate, results }
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let HeldBack { directory: _directory, runtime, store, gate, results } = held_back();
    let tickets: Vec<Ticket> = (1..=QUEUE_MAX as u64).map(Ticket).collect();
    for ticket in &tickets {
        store.submit(*ticket, vec![agent_time("agent1", 1, 0)]).unwrap();
    }
    assert_eq!(store.submit(Ticket(0), vec![agent_time("agent1", 1, 0)]), Err(Full));
    drop(gate);
    runtime.block_on(store.close());
    assert_eq!(results.try_iter().collect::<Vec<_>>(), tickets);
}

#[test]
fn closing_writes_what_waits_and_refuses_what_comes() {
    let HeldBack { directory, runtime, store, gate, results } = held_back();
    store.submit(Ticket(1), vec![agent_time("agent1", 7, 0)]).unwrap();
    drop(gate);
    runtime.block_on(store.close());
    assert_eq!(results.try_iter().collect::<Vec<_>>(), [Ticket(1)]);
    assert_eq!(store.submit(Ticket(2), Vec::new()), Err(Full));
    assert!(runtime.block_on(store.suppress(vec![number(1)])).is_err());
    drop(store);
    let path = directory.path().join("carillon.db");
    let store = runtime.block_on(Store::open(&path, Box::new(|_, _| {}))).unwrap();
    assert_eq!(runtime.block_on(store.agent_time()).unwrap()["agent1"].ready_ms, 7);
}

#[test]
fn progress_is_stored_though_nothing_follows() {
    let mut disk = OnDisk::new();
    disk.prepare(1);
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
    let tickets = [disk.submit(vec![placed(1, 1_001)]), disk.submit(vec![ringing(1, 1_002)])];
    for ticket in tickets {
        disk.result(ticket).unwrap();
    }
    assert_eq!(disk.attempt(1).ringing_at.unwrap().0, 1_002);
}

#[test]
fn a_failed_group_is_refused_as_a_whole_and_the_next_one_tried_anew() {
    let mut disk = OnDisk::new();
    disk.prepare(3);
    let path = disk.path();
    let stray = |disk: &OnDisk, sql: &'static str| {
        disk.runtime.block_on(async {
            let mut stray = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut stray).await.unwrap();
        });
    };
    stray(&disk, "ALTER TABLE calls RENAME TO lost");
    let unavailable = |result| matches!(result, Err(Refusal::Unavailable(_)));
    let both = [
        disk.submit(vec![agent_time("agent1", 1, 1), intent(1, 1, 1_000)]),
        disk.submit(vec![intent(2, 2, 0)]),
    ];
    for ticket in both {
        assert!(unavailable(disk.result(ticket)));
    }
    assert_eq!((disk.attempts(), disk.agent_time().len()), (Vec::new(), 0));
    assert_eq!(disk.due(0), [1, 2, 3]);
    stray(&disk, "ALTER TABLE lost RENAME TO calls");
    disk.apply(vec![intent(1, 1, 1_000)]).unwrap();
}

#[test]
fn imports_and_calls_share_the_writer() {
    let mut disk = OnDisk::new();
    disk.prepare(400);
    let store = disk.store().clone();
    let other = disk.runtime.spawn(async move {
        let rows = (1..=5_000).map(|n| listed(n, &format!("x{n}"), &number(10_000 + n))).collect();
        store.begin_import(RENEWALS).await.unwrap().add(rows).await.unwrap()
    });
    for n in 1..=400 {
        disk.apply(vec![intent(n, n, 1_000)]).unwrap();
    }
    let imported = disk.runtime.block_on(other).unwrap();
    assert_eq!((imported.added, imported.duplicates.len()), (5_000, 0));
    assert_eq!(disk.recover().open_attempts.len(), 400);
}
