//! What screens read: campaigns as they are, and attempts newest first.

use sqlx::Row;

use super::pages::{ATTEMPT_COLUMNS, PAGE_MAX, attempt};
use super::reads::{from_json, from_word};
use super::{Store, StoreError, from_int, int};
use crate::campaign::CampaignState;
use crate::campaign::spec::CampaignSpec;
use crate::contact::ListedContact;
use crate::id::{AttemptId, CampaignId, ContactId};
use crate::store::read::AttemptRow;

/// A campaign as screens see it.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignRow {
    /// Its id.
    pub campaign: CampaignId,
    /// Its spec.
    pub spec: CampaignSpec,
    /// Its state.
    pub state: CampaignState,
}

impl Store {
    /// All campaigns, by id. Counts nothing: cheap however many attempts there are.
    pub async fn campaigns(&self) -> Result<Vec<CampaignRow>, StoreError> {
        let rows = sqlx::query("SELECT campaign, spec, state FROM campaigns ORDER BY campaign")
            .fetch_all(self.readers())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(CampaignRow {
                    campaign: CampaignId(from_int(row.try_get(0)?)?),
                    spec: from_json(row.try_get(1)?)?,
                    state: from_word(row.try_get(2)?)?,
                })
            })
            .collect()
    }

    /// A contact as its list names it, its zone or else the campaign's, and the attempts at it so far. It stands on no line of a
    /// list any more: `line` is 0.
    pub async fn contact(&self, contact: ContactId) -> Result<Option<(ListedContact, u32)>, StoreError> {
        let row = sqlx::query(
            "SELECT external_id, number, name, coalesce(contacts.timezone, campaigns.timezone), tasks.owner, fields,
                tasks.attempts
             FROM contacts JOIN numbers ON numbers.contact = contacts.contact AND position = 0
             JOIN campaigns ON campaigns.campaign = contacts.campaign
             JOIN tasks ON tasks.contact = contacts.contact AND tasks.campaign = contacts.campaign
             WHERE contacts.contact = $1",
        )
        .bind(int(contact.0))
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let listed = ListedContact {
            line: 0,
            external_id: row.try_get(0)?,
            number: row.try_get(1)?,
            name: row.try_get(2)?,
            timezone: row.try_get(3)?,
            owner: row.try_get(4)?,
            fields: from_json(row.try_get(5)?)?,
        };
        Ok(Some((listed, row.try_get(6)?)))
    }

    /// Attempts with an id below `before` (or the newest), newest first, at most `limit` (capped at [`PAGE_MAX`]), each
    /// with the disposition recorded for it; of one campaign or of all, and bridged to one agent or to any or none.
    pub async fn attempts_before(
        &self,
        campaign: Option<CampaignId>,
        agent: Option<&str>,
        before: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<(AttemptRow, Option<String>)>, StoreError> {
        let query = format!(
            "SELECT {ATTEMPT_COLUMNS},
                (SELECT disposition FROM dispositions WHERE dispositions.attempt = attempts.attempt LIMIT 1)
             FROM attempts JOIN contacts USING (contact)
             WHERE ($1 IS NULL OR attempt < $1) AND ($2 IS NULL OR attempts.campaign = $2)
                AND ($3 IS NULL OR attempts.agent = $3)
             ORDER BY attempt DESC LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(before.map(|before| int(before.0)))
            .bind(campaign.map(|campaign| int(campaign.0)))
            .bind(agent)
            .bind(i64::from(limit.min(PAGE_MAX)))
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(|row| Ok((attempt(row)?, row.try_get(24)?))).collect()
    }
}
