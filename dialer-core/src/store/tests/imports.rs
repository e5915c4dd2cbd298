//! Lists: each contact once, again and again.

use super::disk::Disk;
use super::on_both;
use super::writes::*;
use crate::attempt::outcome::Outcome;
use crate::id::CampaignId;
use crate::store::read::{Duplicate, DuplicateKey, Imported};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

on_both!(
    a_second_row_with_the_same_key_is_left_out,
    importing_again_neither_doubles_nor_resets,
    importing_again_brings_details_up_to_date,
    a_number_that_was_given_up_can_be_taken,
    campaigns_do_not_share_lists,
    long_lists_are_imported_in_chunks,
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
