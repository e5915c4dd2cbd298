//! The seeded world: the real dialer, link and gateway between simulated trunks, callees, agents, network, disk and clock.
//!
//! Everything comes from one seed; the same seed gives the same trace. `CARILLON_WORLD_SEED=n` replays one world aloud, also one with callers (from
//! 2,000 on); `CARILLON_WORLD_SEEDS=n` runs so many of each instead of the usual ones.

mod callers;
pub(crate) mod cast;
mod checkers;
pub(crate) mod dice;
mod disk;
mod engine;
mod junk;
mod media;
mod net;
mod overload;
pub(crate) mod plan;
mod run;
mod seconds;
mod tamper;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::spec::{Mode, Unanswered};
use carillon_core::inbound::InboundOutcome;
use carillon_core::time::Utc;

use checkers::{Checkers, Violation};
use dice::Dice;
use junk::KINDS;
use plan::{Plan, Step};
use run::World;
use seconds::Done;
use tamper::Fault;

/// Seeds that are run when nothing else is asked for.
const SEEDS: u64 = 200;
/// Worlds in which people call too; their seeds begin at 2,000.
const CALLER_SEEDS: u64 = 10;

/// Runs a world to its end, or says what was broken in it.
fn watched(plan: Plan) -> Result<World, String> {
    let checkers = Checkers::of(&plan);
    let mut world = World::new(plan, checkers);
    world.trace.loud = one_seed() == Some(world.plan.seed);
    match world.run() {
        Ok(()) => Ok(world),
        Err(Violation { at, checker, what }) => Err(format!(
            "seed {}: {checker} at {at:?}: {what}\nlatest messages:\n{}",
            world.plan.seed,
            world.trace.latest()
        )),
    }
}

fn run(plan: Plan) -> World {
    watched(plan).unwrap_or_else(|broken| panic!("{broken}"))
}

/// The seed to be replayed aloud.
fn one_seed() -> Option<u64> {
    std::env::var("CARILLON_WORLD_SEED").ok()?.parse().ok()
}

/// How many seeds are to be run instead of the usual ones.
fn many_seeds() -> Option<u64> {
    std::env::var("CARILLON_WORLD_SEEDS").ok()?.parse().ok()
}

#[test]
fn a_calm_campaign_runs_to_its_end() {
    let world = run(Plan::calm(1, 3, 30));
    let tasks = world.disk.durable.tasks().count();
    let attempts: Vec<_> = world.disk.durable.attempts().collect();
    assert_eq!(tasks, 30);
    assert!(attempts.len() >= 20, "{} attempts", attempts.len());
    assert!(attempts.iter().all(|row| row.outcome.is_some()), "every attempt has its outcome");
    assert!(attempts.iter().any(|row| row.bridged_at.is_some()), "somebody was bridged");
    assert!(world.finished.len() == 1, "the campaign finished at {:?}", world.now);
    println!("{:?} {} attempts, {} datagrams", world.now, attempts.len(), world.trace.datagrams);
}

/// Preview: every call waits for a decision, here for the time to decide to run out.
#[test]
fn contacts_that_are_shown_first_are_called_all_the_same() {
    let mut plan = Plan::calm(5, 4, 40);
    plan.spec.mode = Mode::Preview;
    plan.spec.preview_timeout = Duration::from_secs(2);
    plan.spec.preview_unanswered = Unanswered::Call;
    plan.contacts.iter_mut().step_by(3).for_each(|contact| contact.owner = Some(cast::user(1)));
    let world = run(plan);
    let attempts: Vec<_> = world.disk.durable.attempts().collect();
    assert!(attempts.len() >= 25, "{} attempts", attempts.len());
    assert!(attempts.iter().all(|row| row.outcome != Some(Outcome::Abandoned)), "nobody is let down");
    assert!(attempts.iter().any(|row| row.bridged_at.is_some()));
}

/// Two campaigns over the same agents: no agent is counted twice, calls are as the weights are, and both come to their end.
#[test]
fn campaigns_share_agents_by_weight() {
    for weights in [[1, 1], [3, 1], [1, 4]] {
        let mut plan = Plan::calm(11, 8, 240);
        plan.shared = Some(weights);
        let world = run(plan);
        let attempts = world.disk.durable.attempts().count();
        assert!(attempts > 150 && world.finished.len() == 2, "{attempts} attempts");
    }
}

/// How long a caller may be left without an agent or the message once answered and known to listen somewhere: the first packet.
const CALLER_SERVED: Duration = Duration::from_millis(200);
/// An answer is repeated (RFC 3261 §13.3.1.4), nine times in so long: then at least one of them and its ACK have come through.
const ACKED: Duration = Duration::from_secs(24);

/// What a caller is owed: an answer in time, and after it an agent or the message, unless they or the process left.
fn served(world: &World, fate: &callers::Fate) -> Result<(), String> {
    let died = |from: Duration, to: Duration| {
        let kills = world.plan.script.iter().filter_map(|(at, step)| match step {
            Step::Kill { back_after } => Some((*at, *at + *back_after)),
            _ => None,
        });
        kills.into_iter().any(|(at, back)| at <= to && back + Duration::from_secs(1) >= from)
    };
    let wait = world.plan.spec.inbound.wait_max + Duration::from_secs(25 + 10);
    match fate.answer {
        _ if fate.over_at.is_none() => Err(format!("is never over: {fate:?}")),
        None if fate.gave_up || died(fate.called_at, fate.called_at + wait) => Ok(()),
        None => Err(format!("got no answer: {fate:?}")),
        Some((_, at)) if at > fate.called_at + wait && !died(fate.called_at, at) => {
            Err(format!("waited too long: {fate:?}"))
        }
        Some((200, at)) => {
            // Who made no offer says in the ACK where they listen.
            let until = fate.known_at.unwrap_or(at + ACKED).max(at) + CALLER_SERVED;
            let in_time = |at: Option<Duration>| at.is_some_and(|at| at <= until);
            let served = in_time(fate.heard_at) || in_time(fate.over_at) || died(at, until);
            served.then_some(()).ok_or_else(|| format!("was answered and left in silence: {fate:?}"))
        }
        Some(_) => Ok(()),
    }
}

/// People call while the campaign dials: each is answered by an agent or the message, no agent has two calls, each call has
/// one outcome, and nobody is dialed while they talk; with loss, stalls and deaths too. All that holds without them holds with
/// them: no line is placed for an agent who talks with a caller, nobody who is called waits for want of one, and no agent is idle.
#[test]
fn callers_are_never_left_in_silence() {
    let (mut talked, mut others) = (0, 0);
    let last = 2_000 + many_seeds().unwrap_or(CALLER_SEEDS);
    for seed in (2_000..last).filter(|seed| one_seed().is_none_or(|one| one == *seed)) {
        let mut plan = if seed % 4 == 0 { Plan::calm(seed, 6, 60) } else { Plan::seeded(seed) };
        plan.planted = None;
        plan.take_callers();
        let checkers = Checkers::of(&plan);
        let mut world = World::new(plan, checkers);
        world.trace.loud = one_seed() == Some(seed);
        let told = world.run();
        assert!(told.is_ok(), "seed {seed}: {:?}\n{}", told, world.trace.latest());
        for fate in world.callers.fates() {
            let told = served(&world, fate);
            assert!(told.is_ok(), "seed {seed}: a caller {}", told.unwrap_err());
        }
        for row in world.disk.durable.inbound() {
            assert!(row.outcome.is_some(), "seed {seed}: without an ending: {row:?}");
            let talks = row.outcome == Some(InboundOutcome::Talked);
            assert!(!talks || (row.agent.is_some() && row.disposition.is_some()), "seed {seed}: {row:?}");
            talked += u32::from(talks);
            others += u32::from(!talks);
        }
    }
    assert!(
        (talked > 80 && others > 20) || one_seed().is_some(),
        "{talked} callers talked, {others} did not"
    );
}

/// Agents ask each other, hand customers over and go on with another phone, while the campaign dials and all else happens: every
/// invariant holds as without it.
#[test]
fn second_lines_break_nothing() {
    let mut done = Done::default();
    for seed in 3_000..3_010 {
        let mut plan = if seed % 4 == 0 { Plan::calm(seed, 6, 90) } else { Plan::seeded(seed) };
        plan.planted = None;
        plan.use_second_lines();
        if seed % 2 == 1 {
            plan.take_callers();
        }
        let checkers = Checkers::of(&plan);
        let mut world = World::new(plan, checkers);
        world.trace.loud = one_seed() == Some(seed);
        let told = world.run();
        assert!(told.is_ok(), "seed {seed}: {:?}\n{}", told, world.trace.latest());
        let Done { asked, handed_over, taken_over, refused } = world.seconds.done;
        done.asked += asked;
        done.handed_over += handed_over;
        done.taken_over += taken_over;
        done.refused += refused;
    }
    assert!(
        done.asked > 30 && done.handed_over > 10 && done.taken_over > 30 && done.refused > 30,
        "{done:?}"
    );
}

/// Calls and answers of each trunk, by the record.
fn by_trunk(world: &World) -> BTreeMap<String, (u32, u32)> {
    let mut trunks = BTreeMap::new();
    for row in world.disk.durable.attempts() {
        if let Some(orphan) = world.disk.durable.orphan(row.attempt) {
            let (calls, answers) = trunks.entry(orphan.route.trunk).or_insert((0, 0));
            (*calls, *answers) = (*calls + 1, *answers + u32::from(row.answered_at.is_some()));
        }
    }
    trunks
}

/// The pacer learns what each trunk is worth from real calls, and keeps it under the trunk's name.
#[test]
fn two_trunks_of_different_answer_rate_are_learnt_apart() {
    let mut plan = Plan::calm(11, 10, 500);
    plan.spec.mode = Mode::Predictive;
    plan.max_calls = 8;
    plan.callees.shares = plan.other_trunk(0.6, 0, 0.0).callees.shares;
    plan.others = vec![plan.other_trunk(0.1, 60, 10.0)];
    let world = run(plan);
    let trunks = by_trunk(&world);
    let (one, other) = (trunks["carrier"], trunks["carrier2"]);
    assert!(one.0 > 60 && other.0 > 60, "{trunks:?}");
    let recovered = world.disk.durable.recover(Utc(0));
    let learnt = recovered.campaigns[0].learnt.as_deref().expect("something was learnt");
    let learnt: serde_json::Value = serde_json::from_str(learnt).expect("JSON");
    let rate = |name: &str| {
        let number = &learnt["trunks"]["numbers"][name];
        let names = learnt["segments"].as_array().expect("segments").iter();
        let counts = names.zip(learnt["learnt"]["segments"].as_array().expect("their counts"));
        let own = counts.filter(|(segment, _)| segment["trunk"] == *number).map(|(_, counts)| counts);
        let sum = |key| own.clone().filter_map(|counts| counts[key].as_f64()).sum::<f64>();
        sum("answered") / sum("placed")
    };
    let (one, other) = (rate("carrier"), rate("carrier2"));
    assert!(one > 0.4 && other < 0.2, "{one} and {other}; {trunks:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let first = run(Plan::calm(2, 3, 30));
    let second = run(Plan::calm(2, 3, 30));
    let other = run(Plan::calm(3, 3, 30));
    assert_eq!(first.trace.hash(), second.trace.hash());
    assert_ne!(first.trace.hash(), other.trace.hash());
}

/// Pieces of junk that each disturbed world gets.
const JUNK: usize = 20 * KINDS;

/// Runs a world with and without strangers, and says what differs between the two histories.
fn disturbed(mut plan: Plan) -> Result<(), String> {
    plan.script.retain(|(_, step)| !matches!(step, Step::Junk(_)));
    let alone = run(Plan { planted: None, ..plan.clone() });
    let mut dice = Dice::new(plan.seed, "junk");
    let junk = (0..JUNK).map(|piece| (dice.between(2_500, 620_000), Step::Junk(piece)));
    plan.script.extend(junk);
    let disturbed = watched(plan)?;
    assert!(disturbed.trace.datagrams >= alone.trace.datagrams + 100, "junk arrived");
    let bridged = alone.disk.durable.attempts().filter(|row| row.bridged_at.is_some());
    assert!(bridged.count() > 10, "there was something to disturb");
    let (one, other) = (alone.disk.durable.attempts(), disturbed.disk.durable.attempts());
    let attempts = one.zip(other).find(|(one, other)| one != other);
    let (one, other) = (alone.disk.durable.tasks(), disturbed.disk.durable.tasks());
    let tasks = one.zip(other).find(|(one, other)| one != other);
    let counts = [&alone, &disturbed].map(|world| world.disk.durable.attempts().count());
    if attempts.is_none() && tasks.is_none() && counts[0] == counts[1] {
        Ok(())
    } else {
        Err(format!("{attempts:#?}\n{tasks:#?}\n{counts:?} attempts"))
    }
}

/// Invariant 25: junk and forgeries leave everybody else's history as it would have been without them, to the millisecond.
/// In calm worlds: where the trunk's rate binds, a datagram may wake the node to a free slot some milliseconds earlier.
#[test]
fn strangers_change_nobodys_history() {
    for seed in 1_000..1_006 {
        let told = disturbed(Plan::calm(seed, 5, 60));
        assert!(told.is_ok(), "seed {seed}: {}", told.unwrap_err());
    }
}

/// The comparison sees what a forgery does that is believed.
#[test]
fn a_believed_forgery_is_noticed() {
    let mut plan = Plan::calm(1_000, 5, 60);
    plan.planted = Some(Fault::BranchKnown);
    assert!(disturbed(plan).is_err());
}

#[test]
fn planted_faults_are_caught() {
    let mut missed = Vec::new();
    for (fault, expected) in Fault::ALL {
        let plan = fault.plan();
        let caught = World::new(plan.clone(), Checkers::of(&plan)).run().err();
        println!("{fault:?}: {caught:?}");
        if caught.as_ref().is_none_or(|violation| violation.checker != expected) {
            missed.push((fault, expected, caught));
        }
        let honest = Plan { planted: None, ..plan };
        run(honest);
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// The checkers that reckon with agents, lines and time see as much where people call.
#[test]
fn planted_faults_are_caught_beside_callers() {
    for (fault, expected) in Fault::ALL {
        if !["hard_stop", "liveness", "two_seconds", "abandon_limit", "caps"].contains(&expected) {
            continue;
        }
        let mut plan = fault.plan();
        plan.take_callers();
        let caught = World::new(plan.clone(), Checkers::of(&plan)).run().err();
        assert!(caught.as_ref().is_some_and(|it| it.checker == expected), "{fault:?}: {caught:?}");
        run(Plan { planted: None, ..plan });
    }
}

/// Runs every fourth seed, beginning with `first`; four tests share them, so that they run side by side.
fn every_fourth_seed(first: u64) {
    let many = many_seeds();
    let all = (first..many.unwrap_or(SEEDS)).step_by(4);
    let seeds = all.filter(|seed| one_seed().is_none_or(|one| one == *seed));
    let (mut broken, mut several) = (Vec::new(), 0);
    for seed in seeds {
        match watched(Plan::seeded(seed)) {
            Ok(world) => {
                let trunks = by_trunk(&world);
                several += u32::from(trunks.len() > 1);
                println!(
                    "seed {seed}: {:.0?}, {} attempts, {} datagrams, {} batches, trace {:016x}, {trunks:?}",
                    world.now,
                    world.disk.durable.attempts().count(),
                    world.trace.datagrams,
                    world.trace.commits,
                    world.trace.hash(),
                );
            }
            Err(violation) => broken.push(violation),
        }
    }
    assert!(several > 5 || many.is_some() || one_seed().is_some(), "{several} worlds with several trunks");
    let lines: Vec<&str> = broken.iter().filter_map(|violation| violation.lines().next()).collect();
    assert!(broken.is_empty(), "{}\n{}", lines.join("\n"), broken[0]);
}

#[test]
fn world_seeds_0() {
    every_fourth_seed(0);
}

#[test]
fn world_seeds_1() {
    every_fourth_seed(1);
}

#[test]
fn world_seeds_2() {
    every_fourth_seed(2);
}

#[test]
fn world_seeds_3() {
    every_fourth_seed(3);
}
