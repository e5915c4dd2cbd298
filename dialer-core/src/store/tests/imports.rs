//! Lists: each contact once, again and again.

use super::disk::Disk;
use super::on_both;
use super::writes::*;
use crate::attempt::outcome::Outcome;
use crate::contact::ListedContact;
use crate::id::CampaignId;
use crate::store::read::{Duplicate, DuplicateKey, Imported, OWNED_COUNT_MAX, OWNED_MAX};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

on_both!(
    a_second_row_with_the_same_key_is_left_out,
    importing_again_neither_doubles_nor_resets,
    importing_again_brings_details_up_to_date,
    a_number_that_was_given_up_can_be_taken,
    campaigns_do_not_share_lists,
    long_lists_are_imported_in_chunks,
    owned_tasks_are_found_for_their_owner_alone,
    importing_again_hands_tasks_over,
);

fn duplicate(line: u64, key: DuplicateKey) -> Duplicate {
    Duplicate { line, key }
}

fn a_second_row_with_the_same_key_is_left_out(disk: &mut impl Disk) {
    disk.prepare(0);
    let rows = vec![
        listed(2, "a", "+15550000001"),
        listed(3, "a", "+15550000002"),
        listed(4, "b", "+15550000001"),
        listed(5, "b", "+15550000003"),
        listed(6, "a", "+15550000001"),
    ];
    let duplicates = vec![
        duplicate(3, DuplicateKey::Id),
        duplicate(4, DuplicateKey::Number),
        duplicate(6, DuplicateKey::Id),
    ];
    assert_eq!(disk.import(RENEWALS, rows), Imported { added: 2, known: 0, duplicates });
    assert_eq!(disk.tasks().iter().map(|row| row.external_id.clone()).collect::<Vec<_>>(), ["a", "b"]);
}

/// Contacts `first` to `last`, all of this owner.
fn owned(first: u64, last: u64, owner: &str) -> Vec<ListedContact> {
    let row = |n: u64| listed(n + 1, &format!("c{n}"), &number(n));
    (first..=last).map(|n| ListedContact { owner: Some(owner.into()), ..row(n) }).collect()
}

fn owned_tasks_are_found_for_their_owner_alone(disk: &mut impl Disk) {
    disk.prepare(2);
    disk.import(RENEWALS, owned(3, 1_102, "ann"));
    disk.import(RENEWALS, owned(2_001, 2_003, "bob"));
    disk.apply(vec![intent(1_104, 1_104, 1_000)]).unwrap();
    let ids = |owners: &[&str], limit| {
        let owners: Vec<String> = owners.iter().map(|owner| (*owner).to_owned()).collect();
        let fetched = disk.fetch_for(RENEWALS, limit, &owners, Utc(9_000));
        fetched.due.iter().map(|due| (due.task.0, due.owner.clone())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[], 1_000), [(1, None), (2, None)]);
    let bobs = [1_103, 1_105].map(|task| (task, Some("bob".to_owned())));
    assert_eq!(ids(&["bob"], 0), bobs, "the one that is claimed is not due");
    let anns = ids(&["ann"], 1);
    assert_eq!(anns.len(), 1 + OWNED_MAX as usize);
    assert_eq!((anns[0].clone(), anns[1].clone()), ((1, None), (3, Some("ann".into()))));
    let fetched = disk.fetch(RENEWALS, 9, Utc(9_000));
    assert_eq!(fetched.owned, [("ann".to_owned(), OWNED_COUNT_MAX), ("bob".to_owned(), 2)].into());
    assert_eq!((fetched.open, fetched.next_due), (1_105, None));
    disk.apply(vec![ended(1_104, 2_000, Outcome::Busy)]).unwrap();
    disk.apply(vec![task(1_104, TaskState::Open, Some(20_000), None)]).unwrap();
    assert_eq!(disk.fetch(RENEWALS, 9, Utc(9_000)).next_due, Some(Utc(20_000)));
    disk.apply(vec![task(1_103, TaskState::Closed(ClosedReason::Within), None, None)]).unwrap();
    disk.reopen();
    assert_eq!(disk.fetch(RENEWALS, 9, Utc(20_000)).owned["bob"], 2);
}

fn importing_again_hands_tasks_over(disk: &mut impl Disk) {
    disk.prepare(1);
    disk.import(RENEWALS, owned(1, 2, "ann"));
    let owners = |disk: &mut _| {
        Disk::tasks(disk).iter().map(|row| row.owner.clone().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(owners(disk), ["ann", "ann"]);
    disk.import(RENEWALS, owned(2, 2, "bob"));
    disk.import(RENEWALS, list(1));
    assert_eq!(owners(disk), ["", "bob"]);
    let fetched = disk.fetch_for(RENEWALS, 9, &["ann".into(), "bob".into()], Utc(9_000));
    assert_eq!(fetched.due.iter().map(|due| due.task.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(fetched.owned, [("bob".to_owned(), 1)].into());
}

fn importing_again_neither_doubles_nor_resets(disk: &mut impl Disk) {
    disk.prepare(3);
    disk.apply(vec![intent(1, 1, 1_000), ended(1, 2_000, Outcome::Busy)]).unwrap();
    disk.apply(vec![task(1, TaskState::Open, Some(9_000), None)]).unwrap();
    disk.apply(vec![task(2, TaskState::Closed(ClosedReason::Within), None, None)]).unwrap();
    let before = (disk.tasks(), disk.fetch(RENEWALS, 9, Utc(9_000)));
    disk.reopen();
    assert_eq!(disk.import(RENEWALS, list(3)), Imported { added: 0, known: 3, duplicates: Vec::new() });
    assert_eq!((disk.tasks(), disk.fetch(RENEWALS, 9, Utc(9_000))), before);
    assert_eq!(disk.import(RENEWALS, list(4)).added, 1);
    assert_eq!(disk.due(0), [3, 4]);
}

fn importing_again_brings_details_up_to_date(disk: &mut impl Disk) {
    disk.prepare(2);
    let mut row = listed(7, "c1", "+15550000077");
    row.name = "new name".into();
    row.timezone = Some("Europe/Berlin".into());
    assert_eq!(disk.import(RENEWALS, vec![row]).known, 1);
    let due = disk.fetch(RENEWALS, 9, Utc(0)).due.swap_remove(0);
    assert_eq!((due.number.as_str(), due.name.as_str()), ("+15550000077", "new name"));
    assert_eq!((due.task.0, due.timezone.as_deref()), (1, Some("Europe/Berlin")));
}

fn a_number_that_was_given_up_can_be_taken(disk: &mut impl Disk) {
    disk.prepare(2);
    let rows = vec![
        // Still held by the second contact.
        listed(2, "c3", &number(2)),
        listed(3, "c2", "+15550000077"),
        listed(4, "c1", &number(2)),
        listed(5, "c4", &number(1)),
        // Taken two lines above.
        listed(6, "c5", &number(2)),
    ];
    let duplicates = vec![duplicate(2, DuplicateKey::Number), duplicate(6, DuplicateKey::Number)];
    assert_eq!(disk.import(RENEWALS, rows), Imported { added: 1, known: 2, duplicates });
    let numbers: Vec<_> = disk.fetch(RENEWALS, 9, Utc(0)).due.into_iter().map(|due| due.number).collect();
    assert_eq!(numbers, [number(2), "+15550000077".into(), number(1)]);
}

fn campaigns_do_not_share_lists(disk: &mut impl Disk) {
    disk.prepare(2);
    let other = CampaignId(2);
    disk.apply(vec![campaign(other)]).unwrap();
    assert_eq!(disk.import(other, list(2)).added, 2);
    assert_eq!(disk.fetch(other, 9, Utc(0)).due.iter().map(|due| due.task.0).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(disk.fetch(RENEWALS, 9, Utc(0)).total, 2);
}

fn long_lists_are_imported_in_chunks(disk: &mut impl Disk) {
    disk.prepare(0);
    let mut rows = list(2_500);
    rows.push(listed(2_502, "c1", "+15559999999"));
    rows.push(listed(2_503, "d", &number(2)));
    let duplicates = vec![duplicate(2_502, DuplicateKey::Id), duplicate(2_503, DuplicateKey::Number)];
    assert_eq!(disk.import(RENEWALS, rows), Imported { added: 2_500, known: 0, duplicates });
    assert_eq!(disk.fetch(RENEWALS, 5, Utc(0)).open, 2_500);
    assert_eq!(disk.due(0)[999], 1_000);
}
