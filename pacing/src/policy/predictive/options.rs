//! What is set about the predictive policy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the predictive policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictiveOptions {
    /// How long a person who answered may wait for an agent.
    pub grace: Duration,
    /// Abandoned calls held back by the hard stop; of teams up to 12 agents none, or a third with owners.
    pub reserve: f64,
    /// Share of the live answers still expected that the hard stop counts as there, 0 to 1.
    pub credit_share: f64,
    /// No credit: the limit holds at every moment, not just at the end of the period.
    pub strict: bool,
    /// Whether the hard stop is on; only bounds in the simulator go without.
    pub hard_stop: bool,
    /// A fixed accepted risk instead of the controller; for bounds in the simulator.
    pub accepted_risk: Option<f64>,
    /// Whether it goes on learning; off for bounds in the simulator.
    pub learn: bool,
}

impl Default for PredictiveOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(2),
            reserve: 3.0,
            credit_share: 0.3,
            strict: false,
            hard_stop: true,
            accepted_risk: None,
            learn: true,
        }
    }
}
