//! Bulk writes: contacts and suppressed numbers, a few statements a chunk.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::{Row, SqliteConnection};

use super::statements::json;
use super::{StoreError, int};
use crate::contact::ListedContact;
use crate::id::CampaignId;
use crate::store::read::{Duplicate, DuplicateKey, Imported};

/// Counts an import of the campaign and answers its number.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    campaign: CampaignId,
) -> Result<i64, StoreError> {
    let row = sqlx::query("UPDATE campaigns SET imports = imports + 1 WHERE campaign = $1 RETURNING imports")
        .bind(int(campaign.0))
        .fetch_optional(connection)
        .await?;
    Ok(row.ok_or(StoreError::UnknownCampaign(campaign))?.try_get(0)?)
}

/// A contact to be written, one element of the array that `json_each` reads.
#[derive(Serialize)]
struct Line<'a> {
    contact: i64,
    id: &'a str,
    number: &'a str,
    name: &'a str,
    timezone: Option<&'a str>,
    owner: Option<&'a str>,
    fields: &'a BTreeMap<String, String>,
}

/// A contact that an earlier row, chunk or import has brought.
#[derive(Clone)]
struct Known {
    contact: i64,
    number: String,
    /// The import that touched it last.
    import: i64,
}

/// Imports some rows of a list within the open transaction; the same rules as [`crate::store::memory::Memory`].
pub(super) async fn chunk(
    connection: &mut SqliteConnection,
    campaign: CampaignId,
    import: i64,
    rows: Vec<ListedContact>,
) -> Result<Imported, StoreError> {
    let mut by_id = known_ids(connection, campaign, &rows).await?;
    let mut by_number = known_numbers(connection, campaign, &rows).await?;
    let last =
        sqlx::query("SELECT coalesce(max(contact), 0) FROM contacts").fetch_one(&mut *connection).await?;
    let mut last: i64 = last.try_get(0)?;
    let mut imported = Imported::default();
    let (mut new, mut old, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let known = by_id.get(&row.external_id);
        let holder = by_number.get(&row.number).copied();
        if known.is_some_and(|known| known.import == import) {
            imported.duplicates.push(Duplicate { line: row.line, key: DuplicateKey::Id });
            continue;
        }
        if holder.is_some() && holder != known.map(|known| known.contact) {
            imported.duplicates.push(Duplicate { line: row.line, key: DuplicateKey::Number });
            continue;
        }
        let contact = known.map_or(last + 1, |known| known.contact);
        let line = Line {
            contact,
            id: &row.external_id,
            number: &row.number,
            name: &row.name,
            timezone: row.timezone.as_deref(),
            owner: row.owner.as_deref(),
            fields: &row.fields,
        };
        match known {
            Some(known) => {
                imported.known += 1;
                if known.number != row.number {
                    // Free from here on, for the rows that follow.
                    by_number.remove(&known.number);
                    moved.push(contact);
                }
                old.push(line);
            }
            None => {
                imported.added += 1;
                last = contact;
                new.push(line);
            }
        }
        by_id.insert(row.external_id.clone(), Known { contact, number: row.number.clone(), import });
        by_number.insert(row.number.clone(), contact);
    }
    bring_up_to_date(connection, campaign, import, &old, &moved).await?;
    insert(connection, campaign, import, &new).await?;
    Ok(imported)
}

async fn known_ids(
    connection: &mut SqliteConnection,
    campaign: CampaignId,
    rows: &[ListedContact],
) -> Result<BTreeMap<String, Known>, StoreError> {
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.external_id.as_str()).collect();
    let found = sqlx::query(
        "SELECT external_id, contacts.contact, number, import FROM json_each($2) AS listed
         CROSS JOIN contacts ON contacts.campaign = $1 AND external_id = listed.value
         CROSS JOIN numbers ON numbers.contact = contacts.contact AND position = 0",
    )
    .bind(int(campaign.0))
    .bind(json(&ids)?)
    .fetch_all(connection)
    .await?;
    let mut known = BTreeMap::new();
    for row in found {
        let (contact, number, import) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        known.insert(row.try_get(0)?, Known { contact, number, import });
    }
    Ok(known)
}

async fn known_numbers(
    connection: &mut SqliteConnection,
    campaign: CampaignId,
    rows: &[ListedContact],
) -> Result<BTreeMap<String, i64>, StoreError> {
    let numbers: BTreeSet<&str> = rows.iter().map(|row| row.number.as_str()).collect();
    let found = sqlx::query(
        "SELECT number, contact FROM json_each($2) AS listed
         CROSS JOIN numbers ON numbers.campaign = $1 AND number = listed.value",
    )
    .bind(int(campaign.0))
    .bind(json(&numbers)?)
    .fetch_all(connection)
    .await?;
    let mut known = BTreeMap::new();
    for row in found {
        known.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(known)
}

/// Reads an array of [`Line`] from parameter 3.
macro_rules! listed {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " (SELECT value ->> 'contact' AS contact, value ->> 'id' AS id, value ->> 'number' AS number,
                      value ->> 'name' AS name, value ->> 'timezone' AS timezone, value ->> 'owner' AS owner,
                      value -> 'fields' AS fields
               FROM json_each($3)) AS listed ",
            $after
        )
    };
}

async fn insert(
    connection: &mut SqliteConnection,
    campaign: CampaignId,
    import: i64,
    new: &[Line<'_>],
) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let lines = json(&new)?;
    for sql in [
        listed!(
            "INSERT INTO contacts (contact, campaign, external_id, name, timezone, fields, import)
             SELECT contact, $1, id, name, timezone, fields, $2 FROM",
            ""
        ),
        listed!(
            "INSERT INTO numbers (contact, position, campaign, number) SELECT contact, 0, $1, number FROM",
            ""
        ),
        listed!(
            "INSERT INTO tasks (campaign, contact, owner, next_at) SELECT $1, contact, owner, 0 FROM",
            ""
        ),
    ] {
        sqlx::query(sql).bind(int(campaign.0)).bind(import).bind(&lines).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn bring_up_to_date(
    connection: &mut SqliteConnection,
    campaign: CampaignId,
    import: i64,
    old: &[Line<'_>],
    moved: &[i64],
) -> Result<(), StoreError> {
    if old.is_empty() {
        return Ok(());
    }
    let lines = json(&old)?;
    for sql in [
        listed!(
            "UPDATE contacts SET name = listed.name, timezone = listed.timezone, fields = listed.fields, import = $2
             FROM",
            "WHERE contacts.contact = listed.contact"
        ),
        listed!(
            "UPDATE tasks SET owner = listed.owner FROM",
            "WHERE tasks.contact = listed.contact AND tasks.campaign = $1 AND tasks.owner IS NOT listed.owner"
        ),
    ] {
        sqlx::query(sql).bind(int(campaign.0)).bind(import).bind(&lines).execute(&mut *connection).await?;
    }
    if moved.is_empty() {
        return Ok(());
    }
    // One contact may have got the old number of another, so all old ones go before the new ones come.
    sqlx::query("DELETE FROM numbers WHERE position = 0 AND contact IN (SELECT value FROM json_each($1))")
        .bind(json(&moved)?)
        .execute(&mut *connection)
        .await?;
    let moved: BTreeSet<i64> = moved.iter().copied().collect();
    let changed: Vec<&Line<'_>> = old.iter().filter(|line| moved.contains(&line.contact)).collect();
    sqlx::query(listed!(
        "INSERT INTO numbers (contact, position, campaign, number) SELECT contact, 0, $1, number FROM",
        ""
    ))
    .bind(int(campaign.0))
    .bind(import)
    .bind(json(&changed)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Suppresses numbers; says how many were new.
pub(super) async fn suppress(
    connection: &mut SqliteConnection,
    numbers: &[String],
) -> Result<u64, StoreError> {
    let done = sqlx::query("INSERT OR IGNORE INTO suppressed (number) SELECT value FROM json_each($1)")
        .bind(json(&numbers)?)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
