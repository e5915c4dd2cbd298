//! The pacer that a campaign's spec names, for whoever drives it outside of a dialer.

use std::time::Duration;

use carillon_pacing::{Capacity, Decision, Event, Pacer};

use super::pacing::{Heritage, Pacing};
use super::spec::CampaignSpec;
use crate::id::CampaignId;
use crate::time::{Now, Utc};

/// A campaign's pacer as the dialer builds it, with nothing learnt and nothing in its ledger.
pub struct SpecPacer(Pacing);

impl SpecPacer {
    /// The pacer of a spec whose process starts at `at`.
    pub fn new(spec: &CampaignSpec, at: Utc) -> Self {
        let now = Now { monotonic: Duration::ZERO, utc: at };
        Self(Pacing::new(CampaignId(0), spec, Heritage::default(), now))
    }
}

impl Pacer for SpecPacer {
    fn observe(&mut self, event: &Event) {
        self.0.policy.pacer_mut().observe(event);
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        self.0.policy.pacer_mut().decide(capacity)
    }

    fn refused_events(&self) -> u64 {
        self.0.refused_events()
    }
}
