//! Pacers by name, and names that stand for a search first.

use super::plan::Scenario;
use super::study::{Row, run};
use super::world::{self, Terms};
use crate::budget::Ledger;
use crate::policy::adaptive::{Adaptive, AdaptiveOptions, Method};
use crate::policy::predictive::{Predictive, PredictiveOptions};
use crate::policy::progressive::Progressive;
use crate::policy::ratio::Ratio;
use crate::{Capacity, Decision, Event, Pacer};

/// Names of the policies that can be run.
pub const NAMES: [&str; 12] = [
    "progressive",
    "ratio:LINES",
    "ratio-tuned",
    "adaptive-hard",
    "adaptive-average",
    "adaptive-tapered",
    "predictive",
    "predictive-strict",
    "predictive-soft",
    "predictive-owners-free",
    "known-tuned",
    "clairvoyant",
];

/// Seeds on which offline searches are made; never those that are shown.
const TUNING_SEED: u64 = 9_000_000;
const TUNING_SEEDS: u64 = 4;

/// Whether there is a policy of this name.
pub fn exists(name: &str) -> bool {
    let number = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|it| it.parse::<f64>().is_ok_and(f64::is_finite))
    };
    NAMES.contains(&name) && name != "ratio:LINES"
        || ["ratio:", "risk:", "known:"].iter().any(|it| number(it))
}

/// Replaces a name that stands for a search by what the search finds in this scenario: the fixed ratio, or the
/// accepted risk with hazards known, that serves most within the limit.
pub fn resolve(name: &str, scenario: &Scenario) -> String {
    let tune = |prefix: &str, low: f64, high: f64| {
        let within = |row: &Row| row.abandon_pooled <= scenario.limit;
        let (mut low, mut high) = (low, high);
        for _ in 0..9 {
            let middle = (low * high).sqrt();
            let found = run(scenario, &format!("{prefix}{middle}"), TUNING_SEED, TUNING_SEEDS);
            if found.as_ref().is_some_and(within) { low = middle } else { high = middle }
        }
        format!("{prefix}{low:.4}")
    };
    match name {
        "ratio-tuned" => tune("ratio:", 1.0, 3.0 / scenario.answer_rate.max(0.01)),
        "known-tuned" => tune("known:", 0.001, 0.3),
        other => other.to_owned(),
    }
}

/// A pacer by its resolved name, and the terms on which it runs. `None`: no such pacer.
pub fn build(name: &str, scenario: &Scenario) -> Option<(Box<dyn Pacer>, Terms)> {
    let told = Terms { limit_told: scenario.limit, outlook_told: true, over_dial: true };
    // As classic dialers run: no stop, the ratio alone.
    let untold = Terms { limit_told: 1.0, outlook_told: false, over_dial: true };
    let options = PredictiveOptions::default();
    let predictive = |options| Predictive::new(options, Ledger::default());
    let adaptive = |method| {
        let minutes = (scenario.hours * 60.0) as u32;
        let began_min = (21 * 60_u32).saturating_sub(minutes);
        Adaptive::new(AdaptiveOptions { method, began_min, ..AdaptiveOptions::default() })
    };
    let risk = |prefix: &str| name.strip_prefix(prefix).and_then(|it| it.parse::<f64>().ok());
    let fixed = |risk| PredictiveOptions { hard_stop: false, accepted_risk: Some(risk), ..options };
    let pacer: Box<dyn Pacer> = match name {
        "progressive" => Box::new(Progressive::default()),
        "adaptive-hard" => Box::new(adaptive(Method::HardLimit)),
        "adaptive-average" => Box::new(adaptive(Method::Average)),
        "adaptive-tapered" => Box::new(adaptive(Method::Tapered)),
        "predictive" => Box::new(predictive(options)),
        "predictive-strict" => Box::new(predictive(PredictiveOptions { strict: true, ..options })),
        "predictive-owners-free" => Box::new(OwnersFree(predictive(options))),
        "predictive-soft" => Box::new(predictive(PredictiveOptions { hard_stop: false, ..options })),
        _ => {
            if let Some(lines) = risk("ratio:") {
                return Some((Box::new(Ratio::new(lines, Ledger::default())), untold));
            }
            match (risk("risk:"), risk("known:")) {
                (Some(risk), _) => Box::new(predictive(fixed(risk))),
                (None, Some(risk)) => Box::new(taught(scenario, fixed(risk))?),
                (None, None) => return None,
            }
        }
    };
    Some((pacer, told))
}

/// Calls for owners only when they are free, one line at a time.
struct OwnersFree(Predictive);

impl Pacer for OwnersFree {
    fn observe(&mut self, event: &Event) {
        self.0.observe(event);
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        self.0.decide(capacity)
    }

    fn refused_events(&self) -> u64 {
        self.0.refused_events()
    }
}

/// A pacer that has seen many shifts of the scenario and learns no more.
fn taught(scenario: &Scenario, options: PredictiveOptions) -> Option<Predictive> {
    let mut pacer = Predictive::new(options, Ledger::default());
    let days = (60 / scenario.agents.max(1)).clamp(1, 12);
    let lessons = Scenario { days, one_period: false, ..scenario.clone() };
    world::run(
        &lessons,
        TUNING_SEED - 1,
        &mut pacer,
        Terms { limit_told: scenario.limit, outlook_told: true, over_dial: true },
    );
    Predictive::restore(PredictiveOptions { learn: false, ..options }, pacer.state()).ok()
}
