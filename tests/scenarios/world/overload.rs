//! More calls from outside than the engine can take, by what they cost it: calls in the world's own time, on an engine of its own speed.

use std::time::Duration;

use super::callers::Fate;
use super::checkers::Checkers;
use super::plan::{Plan, Step};
use super::run::World;

/// From when they come, and until when.
const FLOOD: (u64, u64) = (240, 250);
/// How many a second; some thirty are what the engine can take.
const CALLERS_PER_SECOND: u64 = 100;
/// How long our own calls are counted, before the flood and well after it.
const COUNTED_S: u64 = 120;
/// When those who were taken have all been served: they wait for a second and talk for 40 s at the longest.
const REST_S: u64 = FLOOD.1 + 60;

fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn plan() -> Plan {
    let mut plan = Plan::calm(4_000, 12, 900);
    plan.slow = true;
    // While calls are paced an agent may be idle with somebody to be called: that is what pacing means.
    plan.calm = false;
    plan.take_callers();
    plan.spec.inbound.wait_max = s(1);
    plan.max_calls = 2_000;
    plan.script.clear();
    // A few who are on the line when it begins, or about to ring.
    for early in 0..12 {
        plan.script.push((s(FLOOD.0 - 18) + s(1) * early, Step::Calls(5_000 + early as usize)));
    }
    for caller in 0..(FLOOD.1 - FLOOD.0) * CALLERS_PER_SECOND {
        let at = s(FLOOD.0) + Duration::from_micros(caller * 1_000_000 / CALLERS_PER_SECOND);
        plan.script.push((at, Step::Calls(10_000 + caller as usize)));
    }
    plan
}

/// Calls of ours that were placed in a time.
fn placed(world: &World, from_s: u64) -> usize {
    let from = world.plan.begin.after(s(from_s));
    let until = world.plan.begin.after(s(from_s + COUNTED_S));
    let placed = |at: Option<_>| at.is_some_and(|at| (from..until).contains(&at));
    world.disk.durable.attempts().filter(|row| placed(row.placed_at)).count()
}

/// What each caller is owed: an answer, or a refusal that says when to come again; and that whatever belongs to a call is served.
fn well_treated(fate: &Fate) -> Result<(), String> {
    match fate.answer {
        None if !fate.gave_up => return Err("heard nothing".to_owned()),
        Some((503, _)) if fate.retry_after.is_none() => {
            return Err("was not told when to come again".to_owned());
        }
        // What crossed the refusal is of no call.
        Some((503, _)) => return Ok(()),
        Some(_) | None => {}
    }
    let Some((left_at, method)) = fate.left_at else { return Ok(()) };
    match fate.let_go {
        Some((200, at)) if at <= left_at + s(1) => Ok(()),
        other => Err(format!("left with {method} at {left_at:?} and got {other:?}")),
    }
}

#[test]
fn callers_beyond_what_the_engine_can_take_are_refused_and_all_else_is_served() {
    let plan = plan();
    let mut world = World::new(plan.clone(), Checkers::of(&plan));
    let told = world.run();
    assert!(told.is_ok(), "{told:?}\n{}", world.trace.latest());

    for fate in world.callers.fates() {
        let told = well_treated(fate);
        assert!(told.is_ok(), "a caller {}: {fate:?}", told.unwrap_err());
        assert!(fate.over_at.is_some(), "is never over: {fate:?}");
    }
    let answered =
        |status: u16| world.callers.fates().filter(move |fate| fate.answer.is_some_and(|it| it.0 == status));
    let (refused, taken) = (answered(503).count(), answered(200).count());
    let all = world.callers.fates().count();
    let during = |fate: &&Fate| fate.left_at.is_some_and(|(at, _)| (s(FLOOD.0)..s(FLOOD.1)).contains(&at));
    let talked = |fate: &&Fate| fate.answer.is_some_and(|it| it.0 == 200);
    let left = world.callers.fates().filter(during).filter(talked).count();
    assert!(refused > all / 2 && taken > 250, "{refused} of {all} refused, {taken} answered");
    assert!(left > 5, "{left} hang up in the middle of it");
    assert!(world.sheds.0 > 0, "for a while everything new was refused");
    for row in world.disk.durable.inbound() {
        assert!(row.outcome.is_some(), "without an ending: {row:?}");
    }
    assert_eq!(world.disk.durable.inbound().count(), all - refused, "who is refused is no call");
    let (before, after) = (placed(&world, FLOOD.0 - COUNTED_S), placed(&world, REST_S));
    assert!(before > 30 && after * 10 >= before * 8, "{before} calls of ours before, {after} after");
    assert_eq!(world.paced(), None, "and nothing is paced any more");
}
