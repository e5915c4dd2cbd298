//! Campaigns (专案): what they are ([`spec`]) and how one runs.

pub mod check;
pub mod decisions;
pub mod duration_text;
pub(crate) mod figures;
pub mod journal;
pub(crate) mod machine;
pub mod pacer;
pub(crate) mod pacing;
pub mod replay;
pub(crate) mod roster;
pub(crate) mod shift;
pub mod spec;
pub mod standing;
mod stopped;

use serde::{Deserialize, Serialize};

use crate::id::CampaignId;
use spec::CampaignSpec;

/// Where a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Made, never started.
    Draft,
    /// Placing calls.
    Running,
    /// Placing nothing; live calls go on.
    Paused,
    /// Placing nothing; ends when the last call has ended.
    Stopping,
    /// Ended.
    Ended,
}

/// What can be asked about campaigns.
#[derive(Clone, Debug, PartialEq)]
pub enum CampaignCommand {
    /// Make one; the reply names it.
    Create(Box<CampaignSpec>),
    /// Start or resume placing.
    Start(CampaignId),
    /// Stop placing for now.
    Pause(CampaignId),
    /// Stop placing for good; ringing lines run to their ring timeout, live calls go on.
    Stop(CampaignId),
    /// Stop placing and end every call now.
    Abort(CampaignId),
    /// The list grew: look for due tasks again.
    ListChanged(CampaignId),
    /// Suppress numbers (canonical E.164) from now on; already durable.
    Suppress(Vec<String>),
}
