use carillon_pacing::sim::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // plan policy,policy seeds first words...
    let text = std::fs::read_to_string(&args[0]).unwrap();
    let plan: plan::Plan = toml::from_str(&text).unwrap();
    let policies: Vec<String> = args[1].split('+').map(String::from).collect();
    let scale: f64 = args[2].parse().unwrap();
    let first: u64 = args[3].parse().unwrap();
    let words = &args[4..];
    let mut tasks = vec![];
    for s in plan.scenarios.iter().filter(|s| {
        words.is_empty()
            || words.iter().any(|w| s.name == *w || (w.len() > 2 && s.name.starts_with(w.as_str())))
    }) {
        for p in &policies {
            let seeds =
                ((3000.0 / (s.agents as f64 * s.days as f64).max(20.0)).clamp(4.0, 100.0) * scale) as u64;
            tasks.push((s.clone(), p.clone(), seeds.max(2)));
        }
    }
    let runs: Vec<(usize, u64)> =
        tasks.iter().enumerate().flat_map(|(i, t)| (first..first + t.2).map(move |s| (i, s))).collect();
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Vec<Option<Vec<measure::Shift>>>>> =
        tasks.iter().map(|t| Mutex::new(vec![None; t.2 as usize])).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((i, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let t = &tasks[*i];
                    let days = study::run_seed(&t.0, &t.1, *seed).unwrap();
                    let mut d = done[*i].lock().unwrap();
                    d[(*seed - first) as usize] = Some(days);
                    if d.iter().all(|x| x.is_some()) {
                        let all: Vec<Vec<measure::Shift>> = d.iter().map(|x| x.clone().unwrap()).collect();
                        let r = study::sum_up(&t.0, &t.1, &all);
                        println!(
                            "{:34} {:16} {:6.2} ±{:.2}  ab {:.2} worst {:.2} f15 {:.2} over {}/{} left {}",
                            t.0.name,
                            t.1,
                            r.utilisation.mean * 100.0,
                            r.utilisation.margin * 100.0,
                            r.abandon_pooled * 100.0,
                            r.abandon_worst * 100.0,
                            r.abandon_first * 100.0,
                            r.over,
                            r.periods,
                            r.calls_left_least
                        );
                    }
                }
            });
        }
    });
}
