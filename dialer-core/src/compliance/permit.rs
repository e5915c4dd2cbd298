//! The permit: unforgeable right to place one call.

use crate::id::{AttemptId, CampaignId, ContactId};
use crate::time::Utc;

/// The right to place one call, minted by compliance alone and consumed by `Output::Place`. Not `Clone`.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) attempt: AttemptId,
    pub(super) campaign: CampaignId,
    pub(super) contact: ContactId,
    pub(super) number: String,
    pub(super) expires_at: Utc,
    pub(super) rules: Vec<&'static str>,
}

impl Permit {
    /// The attempt it is for.
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// The campaign it was asked for.
    pub fn campaign(&self) -> CampaignId {
        self.campaign
    }

    /// The person to be called.
    pub fn contact(&self) -> ContactId {
        self.contact
    }

    /// E.164 with `+`.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The INVITE must not leave after this.
    pub fn expires_at(&self) -> Utc {
        self.expires_at
    }

    /// Names of the rules that allowed it.
    pub fn rules(&self) -> &[&'static str] {
        &self.rules
    }
}
