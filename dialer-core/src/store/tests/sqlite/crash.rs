//! kill -9 between any two writes: what was said to be stored is there, and of every batch all or nothing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::attempt::outcome::Outcome;
use crate::id::Ticket;
use crate::store::sqlite::Store;
use crate::store::tests::disk::{Disk, OnDisk};
use crate::store::tests::writes::*;
use crate::store::write::Write;
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

/// Names the database to the child.
const DATABASE: &str = "CARILLON_TEST_CRASH_DATABASE";
const CONTACTS: u64 = 900;

/// The two batches of a call: even tickets begin it, odd ones end it.
fn batch(ticket: Ticket) -> Vec<Write> {
    let n = ticket.0 / 2;
    if ticket.0.is_multiple_of(2) {
        vec![intent(n, n, 1_000), placed(n, 1_001), answered(n, 2_000)]
    } else {
        vec![
            ended(n, 3_000, Outcome::Abandoned),
            task(n, TaskState::Closed(ClosedReason::Outcome), None, None),
        ]
    }
}

/// Writes batches and tells of each that is stored, until it is killed.
#[test]
#[ignore = "the process that a_killed_process_keeps_its_word starts and kills"]
fn a_process_to_be_killed() {
    let database = std::env::var_os(DATABASE).expect("named by the parent");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let on_stored = Box::new(|ticket: Ticket, result: Result<(), _>| {
        result.unwrap();
        println!("stored {ticket}");
    });
    let store = runtime.block_on(Store::open(Path::new(&database), on_stored)).unwrap();
    let first = runtime.block_on(store.recover(Utc(10_000))).unwrap().last_attempt + 1;
    for n in first..=CONTACTS {
        for ticket in [Ticket(n * 2), Ticket(n * 2 + 1)] {
            store.submit(ticket, batch(ticket)).unwrap();
        }
        // So that commits are many and small, and the kill falls between and within them.
        std::thread::sleep(std::time::Duration::from_micros(300));
    }
    println!("stored everything");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_process_keeps_its_word() {
    let mut disk = OnDisk::new();
    disk.prepare(CONTACTS);
    let path = disk.path();
    let mut stored: u64 = 0;
    for round in 0..6 {
        disk.close();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::tests::sqlite::crash::a_process_to_be_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(DATABASE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = 0;
        let mut note = |line: String| {
            if let Some(ticket) = line.rsplit("stored ").next().and_then(|ticket| ticket.parse().ok()) {
                stored = stored.max(ticket);
                seen += 1;
            }
            seen
        };
        while note(told.next().expect("the child writes until it is killed")) < 40 + 31 * round {}
        child.kill().unwrap();
        child.wait().unwrap();
        told.for_each(|line| {
            note(line);
        });

        disk.open();
        let attempts = disk.attempts();
        let tasks = disk.tasks();
        assert!(attempts.len() as u64 >= stored / 2, "the one that was stored last is there");
        for row in &attempts {
            let ticket = row.attempt.0 * 2;
            assert!(row.placed_at.is_some() && row.answered_at.is_some(), "begun as a whole: {row:?}");
            let closed = tasks.iter().any(|task| task.task == row.task && task.state != TaskState::Open);
            assert_eq!(row.outcome.is_some(), closed, "ended as a whole: {row:?}");
            assert!(closed || ticket + 1 > stored, "what was said to be stored is there: {row:?}");
        }
        // Batches are written in order, so at most the last call is open.
        let open = disk.recover().open_attempts;
        assert!(open.len() <= 1, "{open:?}");
        for attempt in open {
            assert!(attempt.orphan.dialog.is_some());
            disk.apply(batch(Ticket(attempt.attempt.0 * 2 + 1))).unwrap();
        }
    }
}
