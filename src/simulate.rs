//! `carillon simulate`: runs a plan of the call-centre simulator, prints its table and writes its page.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use carillon_pacing::sim::{Plan, Scenario, Shift, Study, policies, report, study};

use crate::exit::Exit;
use crate::say::{say, write};
use crate::workers::run_all;

/// Most seeds of one run.
const SEEDS_MAX: u64 = 10_000;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct SimulateOptions {
    /// The plan.
    pub plan: PathBuf,
    /// Policies; those of the plan where empty.
    pub policies: Vec<String>,
    /// Seeds for each scenario and policy.
    pub seeds: u64,
    /// The first seed.
    pub first_seed: u64,
    /// Write all figures here as JSON.
    pub json: Option<PathBuf>,
    /// Write the page here; `pacing-NAME.html` by default.
    pub page: Option<PathBuf>,
}

/// Runs the plan. Errors: the plan is wrong (says where), a policy is unknown, a file can't be written.
pub fn command(options: &SimulateOptions) -> Result<(), Exit> {
    let plan = read(&options.plan)?;
    let policies = if options.policies.is_empty() { plan.policies.clone() } else { options.policies.clone() };
    let wrong = |why: String| Exit::file(format!("{}: {why}", options.plan.display()));
    if policies.is_empty() {
        return Err(wrong("policies: none, and no --policy".into()));
    }
    if let Some(name) = policies.iter().find(|name| !policies::exists(name)) {
        return Err(wrong(format!("policies: no policy {name:?}; there are {}", policies::NAMES.join(", "))));
    }
    if !(1..=SEEDS_MAX).contains(&options.seeds) {
        return Err(Exit::file(format!("--seeds: must be 1 to {SEEDS_MAX}")));
    }
    let study = run(&plan, &policies, options);
    say(report::table(&study).trim_end());
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&study).map_err(Exit::other)?;
        write(path, &text)?;
    }
    let default = || PathBuf::from(format!("pacing-{}.html", plan.name.replace(['/', '\\', ' '], "-")));
    let page = options.page.clone().unwrap_or_else(default);
    write(&page, &report::page(&study))?;
    say(format_args!("page: {}", page.display()));
    Ok(())
}

fn read(path: &Path) -> Result<Plan, Exit> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Exit::file(format!("{name}: {error}")))?;
    let plan: Plan = toml::from_str(&text).map_err(|error| Exit::file(format!("{name}: {error}")))?;
    match plan.problem() {
        Some(problem) => Err(Exit::file(format!("{name}: {problem}"))),
        None => Ok(plan),
    }
}

/// Runs scenarios, policies and seeds on all processors; the results don't depend on how many there are.
fn run(plan: &Plan, policies: &[String], options: &SimulateOptions) -> Study {
    let rows: Vec<(&Scenario, &str)> = plan
        .scenarios
        .iter()
        .flat_map(|scenario| policies.iter().map(move |it| (scenario, it.as_str())))
        .collect();
    let seeds = usize::try_from(options.seeds).unwrap_or(1);
    let resolved: Vec<OnceLock<String>> = rows.iter().map(|_| OnceLock::new()).collect();
    let run_one = |task: usize| {
        let Some(((scenario, policy), found)) = rows.get(task / seeds).zip(resolved.get(task / seeds)) else {
            return Vec::new();
        };
        let policy = found.get_or_init(|| policies::resolve(policy, scenario));
        let seed = options.first_seed.saturating_add((task % seeds) as u64);
        study::run_seed(scenario, policy, seed).unwrap_or_default()
    };
    let mut days = run_all(rows.len() * seeds, run_one).into_iter();
    let sum_up = |(scenario, policy): &(&Scenario, &str)| {
        let seeds: Vec<Vec<Shift>> = days.by_ref().take(seeds).collect();
        study::sum_up(scenario, policy, &seeds)
    };
    Study {
        plan: plan.name.clone(),
        about: plan.about.clone(),
        seeds: (options.first_seed, options.seeds),
        rows: rows.iter().map(sum_up).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(plan: PathBuf) -> SimulateOptions {
        SimulateOptions {
            page: Some(plan.with_extension("html")),
            json: Some(plan.with_extension("json")),
            plan,
            policies: vec!["progressive".into()],
            seeds: 2,
            first_seed: 1,
        }
    }

    #[test]
    fn writes_page_and_figures_and_refuses_what_is_wrong() {
        let folder = std::env::temp_dir().join(format!("carillon-simulate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let plan = folder.join("plan.toml");
        std::fs::write(&plan, "name = \"x\"\n[[scenario]]\nname = \"a\"\nagents = 2\nhours = 0.1\n").unwrap();
        command(&options(plan.clone())).unwrap();
        let study: Study =
            serde_json::from_str(&std::fs::read_to_string(plan.with_extension("json")).unwrap()).unwrap();
        assert_eq!((study.rows.len(), study.rows[0].shifts), (1, 2));
        assert!(std::fs::read_to_string(plan.with_extension("html")).unwrap().contains("<svg"));

        let mut unknown = options(plan.clone());
        unknown.policies = vec!["guess".into()];
        assert!(command(&unknown).unwrap_err().to_string().contains("no policy \"guess\""));
        std::fs::write(&plan, "name = \"x\"\n[[scenario]]\nname = \"a\"\nhours = -1\n").unwrap();
        let problem = command(&options(plan)).unwrap_err().to_string();
        assert!(problem.contains("scenario 1 (\"a\"): hours"), "{problem}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
