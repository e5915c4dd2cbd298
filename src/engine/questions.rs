//! What the engine asks the store: answers come as messages.

use std::time::Duration;

use carillon_core::id::{AttemptId, CampaignId};
use carillon_core::time::Utc;

use super::{Engine, Message};

/// How long to wait before reading the store again after a failure.
const FETCH_AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Asks for due tasks.
    pub(super) fn fetch(&self, campaign: CampaignId, limit: u32, owners: Vec<String>, now: Utc) {
        let (store, sender, bell) = (self.store.clone(), self.sender.clone(), self.bell.clone());
        self.runtime.spawn(async move {
            // A store that can't be read stops dialing, not the process: ask again until it can.
            let fetched = loop {
                match store.fetch(campaign, limit, &owners, now).await {
                    Ok(fetched) => break fetched,
                    Err(error) => tracing::warn!(%error, "due tasks could not be read; trying again"),
                }
                tokio::time::sleep(FETCH_AGAIN).await;
            };
            let _ = sender.send(Message::Fetched { campaign, fetched });
            bell.ring();
        });
    }

    /// Asks who calls. The call does not wait for long, and goes on without an answer.
    pub(super) fn find_caller(&self, call: AttemptId, campaigns: Vec<CampaignId>, number: String) {
        let (store, sender, bell) = (self.store.clone(), self.sender.clone(), self.bell.clone());
        self.runtime.spawn(async move {
            let known = store.find_caller(&campaigns, &number).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "who calls could not be read");
                None
            });
            let _ = sender.send(Message::CallerFound { call, known });
            bell.ring();
        });
    }
}
