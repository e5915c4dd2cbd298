//! Pacers by name.

use super::plan::Scenario;
use super::world::Terms;
use crate::Pacer;
use crate::budget::Ledger;
use crate::policy::predictive::{Predictive, PredictiveOptions};
use crate::policy::progressive::Progressive;
use crate::policy::ratio::Ratio;

/// Names of the policies that can be run.
pub const NAMES: [&str; 4] = ["progressive", "ratio:L", "predictive", "predictive-strict"];

/// A pacer by name, and the terms on which it runs. `None`: no such policy.
pub fn build(name: &str, scenario: &Scenario) -> Option<(Box<dyn Pacer>, Terms)> {
    let told = Terms { limit_told: scenario.limit, outlook_told: true };
    let predictive = |options| -> Option<(Box<dyn Pacer>, Terms)> {
        Some((Box::new(Predictive::new(options, Ledger::default())), told))
    };
    match name {
        "progressive" => Some((Box::new(Progressive::default()), told)),
        "predictive" => predictive(PredictiveOptions::default()),
        "predictive-strict" => predictive(PredictiveOptions { strict: true, ..PredictiveOptions::default() }),
        "predictive-soft" => {
            predictive(PredictiveOptions { hard_stop: false, ..PredictiveOptions::default() })
        }
        _ => {
            if let Some(ratio) = name.strip_prefix("ratio:").and_then(|it| it.parse().ok()) {
                // As classic dialers run it: no stop, the ratio alone.
                let terms = Terms { limit_told: 1.0, outlook_told: false };
                return Some((Box::new(Ratio::new(ratio, Ledger::default())), terms));
            }
            let risk = name.strip_prefix("risk:").and_then(|it| it.parse().ok())?;
            predictive(PredictiveOptions {
                hard_stop: false,
                accepted_risk: Some(risk),
                ..PredictiveOptions::default()
            })
        }
    }
}
