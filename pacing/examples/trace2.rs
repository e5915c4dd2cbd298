//! First minutes.
use carillon_pacing::sim::{Plan, study};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let plan: Plan = toml::from_str(&std::fs::read_to_string(&args[0]).unwrap()).unwrap();
    for s in &plan.scenarios {
        let row = study::run(s, "predictive", 1, args[1].parse().unwrap()).unwrap();
        println!(
            "{} first15 {:.2} util {:.2}",
            s.name,
            row.abandon_first * 100.0,
            row.utilisation.mean * 100.0
        );
        let v: Vec<String> = row
            .first_hour
            .iter()
            .take(30)
            .map(|m| format!("{}/{}({:.0})", m.abandoned, m.live, m.talk_s / m.work_s * 100.0))
            .collect();
        println!("  {}", v.join(" "));
    }
}
