//! What a pacing decision costs, table rebuilds included, in simulated shifts of named sizes.
//!
//! The pacer sits in the simulator as it does in the engine: told of every event, asked at most every 50 ms. Only
//! the time inside `decide` counts; telling of events is measured beside it.

use std::time::{Duration, Instant};

use carillon_pacing::budget::Ledger;
use carillon_pacing::policy::predictive::{Predictive, PredictiveOptions};
use carillon_pacing::sim::Scenario;
use carillon_pacing::sim::world::{self, Terms};
use carillon_pacing::{Capacity, Decision, Event, Pacer};
use criterion::{Criterion, criterion_group, criterion_main};

/// Adds up the time spent in a pacer.
struct Timed {
    inner: Predictive,
    deciding: Duration,
    decisions: u32,
    observing: Duration,
    events: u32,
}

impl Pacer for Timed {
    fn observe(&mut self, event: &Event) {
        let started = Instant::now();
        self.inner.observe(event);
        self.observing += started.elapsed();
        self.events += 1;
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        let started = Instant::now();
        let decision = self.inner.decide(capacity);
        self.deciding += started.elapsed();
        self.decisions += 1;
        decision
    }

    fn refused_events(&self) -> u64 {
        self.inner.refused_events()
    }
}

/// Mean time of a decision and of an event.
fn shift(agents: u32, answer_rate: f64, hours: f64) -> (Duration, Duration) {
    let scenario = Scenario { name: "bench".into(), agents, answer_rate, hours, ..Scenario::default() };
    let inner = Predictive::new(PredictiveOptions::default(), Ledger::default());
    let mut timed =
        Timed { inner, deciding: Duration::ZERO, decisions: 0, observing: Duration::ZERO, events: 0 };
    world::run(
        &scenario,
        1,
        &mut timed,
        Terms { limit_told: scenario.limit, outlook_told: true, over_dial: true },
    );
    (timed.deciding / timed.decisions.max(1), timed.observing / timed.events.max(1))
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pacing");
    group.sample_size(10);
    for (agents, answer_rate, hours) in [
        (10, 0.25, 4.0),
        (100, 0.25, 1.0),
        (100, 0.08, 1.0),
        (1_000, 0.25, 0.3),
        (10_000, 0.25, 0.05),
        (10_000, 0.08, 0.05),
    ] {
        let mean = |iterations: u64, of: fn((Duration, Duration)) -> Duration| {
            of(shift(agents, answer_rate, hours)) * u32::try_from(iterations).unwrap_or(u32::MAX)
        };
        group.bench_function(format!("decide/{agents} agents, {answer_rate}"), |bencher| {
            bencher.iter_custom(|iterations| mean(iterations, |it| it.0));
        });
        group.bench_function(format!("observe/{agents} agents, {answer_rate}"), |bencher| {
            bencher.iter_custom(|iterations| mean(iterations, |it| it.1));
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
