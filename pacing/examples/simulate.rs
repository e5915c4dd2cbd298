//! Runs a plan without the rest of the engine: `simulate PLAN.toml FIRST SEEDS POLICY...`, one line a row. The policy `ceiling`
//! solves what the limit leaves possible instead, on seeds of its own.

use carillon_pacing::sim::{Plan, ceiling, study};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [plan, first, seeds, policies @ ..] = args.as_slice() else {
        eprintln!("simulate PLAN.toml FIRST SEEDS POLICY...");
        std::process::exit(2);
    };
    let text = std::fs::read_to_string(plan).expect("the plan can be read");
    let plan: Plan = toml::from_str(&text).expect("the plan is TOML");
    if let Some(problem) = plan.problem() {
        eprintln!("{problem}");
        std::process::exit(2);
    }
    let (first, seeds) = (first.parse().unwrap_or(1), seeds.parse().unwrap_or(4));
    for scenario in &plan.scenarios {
        for policy in policies {
            if policy == "ceiling" {
                if let Some(it) = ceiling::solved(scenario) {
                    let (busy, over) = (it.utilisation * 100.0, it.over * 100.0);
                    println!("{:24} {policy:18} util {busy:5.2} over {over:.3}%", scenario.name);
                }
                continue;
            }
            if std::env::var_os("EACH").is_some() {
                for seed in first..first + seeds {
                    if let Some(row) = study::run(scenario, policy, seed, 1) {
                        println!(
                            "  seed {seed} util {:.2} ab {:.2} left {}",
                            row.utilisation.mean * 100.0,
                            row.abandon_pooled * 100.0,
                            row.calls_left_least
                        );
                    }
                }
            }
            let started = std::time::Instant::now();
            let Some(row) = study::run(scenario, policy, first, seeds) else {
                eprintln!("no policy {policy}");
                continue;
            };
            println!(
                "{:24} {:18} util {:5.2} ±{:4.2} ab {:4.2} worst {:4.2} over {}/{} left {:3} half {:4.1} first15 {:4.2} wait {:5.1} dials {:6.1} dec {:7.0} {:5.2}s/shift {:5.2}µs/dec",
                row.scenario,
                row.policy,
                row.utilisation.mean * 100.0,
                row.utilisation.margin * 100.0,
                row.abandon_pooled * 100.0,
                row.abandon_worst * 100.0,
                row.over,
                row.periods,
                row.calls_left_least,
                row.abandon_worst_half_hour * 100.0,
                row.abandon_first * 100.0,
                row.wait_mean_s,
                row.dials,
                row.decisions,
                started.elapsed().as_secs_f64() / row.shifts.max(1) as f64,
                started.elapsed().as_secs_f64() / row.shifts.max(1) as f64 / row.decisions.max(1.0) * 1e6,
            );
        }
    }
}
