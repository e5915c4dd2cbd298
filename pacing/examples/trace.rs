//! Traces one shift: what the pacer expected and what came, every ten minutes.

use carillon_pacing::sim::{Plan, policies, world};
use carillon_pacing::{Capacity, Decision, Event, EventKind, Pacer};

struct Traced {
    inner: Box<dyn Pacer>,
    next: f64,
    bounds: std::collections::BTreeMap<String, u32>,
    answers: u32,
    abandoned: u32,
    placed: u32,
}

impl Pacer for Traced {
    fn observe(&mut self, event: &Event) {
        match event.kind {
            EventKind::CallAnswered { .. } => self.answers += 1,
            EventKind::CallAbandoned { .. } => self.abandoned += 1,
            EventKind::CallPlaced { .. } => self.placed += 1,
            _ => {}
        }
        self.inner.observe(event);
    }
    fn decide(&mut self, capacity: &Capacity) -> Decision {
        let decision = self.inner.decide(capacity);
        *self.bounds.entry(format!("{:?}", decision.reason.bound)).or_default() += 1;
        if capacity.now.as_secs_f64() >= self.next {
            self.next += if self.next > 28740.0 { 1.0 } else { 20.0 };
            println!(
                "{:6.0}s placed {} answers {} abandoned {} {:?} {}",
                capacity.now.as_secs_f64(),
                self.placed,
                self.answers,
                self.abandoned,
                self.bounds,
                decision.reason.forecast.map_or(String::new(), |it| format!(
                    "theta {:.4} allow {:.2} h {:.1}",
                    it.risk_accepted, it.allowance, it.horizon_s
                ))
            );
            self.bounds.clear();
            (self.answers, self.abandoned, self.placed) = (0, 0, 0);
        }
        decision
    }
    fn refused_events(&self) -> u64 {
        self.inner.refused_events()
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let plan: Plan = toml::from_str(&std::fs::read_to_string(&args[0]).unwrap()).unwrap();
    let scenario = plan.scenarios.iter().find(|it| it.name == args[1]).unwrap();
    let (inner, terms) = policies::build(&args[3], scenario).unwrap();
    let mut traced =
        Traced { inner, next: 0.0, bounds: Default::default(), answers: 0, abandoned: 0, placed: 0 };
    let shifts = world::run(scenario, args[2].parse().unwrap(), &mut traced, terms);
    println!("{:.2} {:.2}", shifts[0].utilisation() * 100.0, shifts[0].abandon_rate() * 100.0);
}
