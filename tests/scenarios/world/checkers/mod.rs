//! Checkers: one invariant each, over what can be seen from outside.

mod abandon;
mod answers;
mod books;
mod callers;
mod calls;
mod floor;
mod law;
mod limits;
mod liveness;
mod owners;
mod restart;
mod shares;

use std::time::Duration;

use carillon_core::store::memory::Memory;

use super::plan::Plan;
use super::wire::Seen;
use calls::Calls;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Duration,
    /// Which checker.
    pub checker: &'static str,
    /// What was seen.
    pub what: String,
}

/// What is wrong, if anything.
pub type Told = Result<(), String>;

/// One invariant.
pub trait Checker {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Takes in one thing that happened; `calls` has taken it in already.
    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told;

    /// Looks at the end: `over` says whether all campaigns have finished.
    fn end(&mut self, at: Duration, calls: &Calls, disk: &Memory, over: bool) -> Told {
        let _ = (at, calls, disk, over);
        Ok(())
    }
}

/// All of them.
pub struct Checkers {
    calls: Calls,
    checkers: Vec<Box<dyn Checker>>,
}

impl Checkers {
    /// Those that watch a plan's world.
    pub fn of(plan: &Plan) -> Self {
        Self {
            calls: Calls::new(plan),
            checkers: vec![
                Box::new(law::Suppression::default()),
                Box::new(law::WindowOpen::new(plan)),
                Box::new(restart::Restart::default()),
                Box::new(books::Single::default()),
                Box::new(books::IntentFirst),
                Box::new(law::Closure::new(plan)),
                Box::new(books::OneEnding::default()),
                Box::new(answers::NoFalseAnswer::default()),
                Box::new(answers::TwoSeconds::new(plan)),
                Box::new(law::RingLongEnough),
                Box::new(answers::OneCallPerAgent::default()),
                Box::new(owners::Owners::new(plan)),
                Box::new(limits::Caps::new(plan)),
                Box::new(abandon::HardStop::new(plan)),
                Box::new(abandon::AbandonLimit::new(plan)),
                Box::new(shares::Shares::new(plan)),
                Box::new(books::Conservation::default()),
                Box::new(liveness::Liveness::new(plan)),
                Box::new(callers::NotWhileTheyTalk::default()),
            ],
        }
    }

    /// Shows them all one thing.
    pub fn see(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        self.calls.see(seen);
        for checker in &mut self.checkers {
            let told = checker.see(seen, &self.calls);
            told.map_err(|what| Violation { at: seen.at, checker: checker.name(), what })?;
        }
        Ok(())
    }

    /// Lets them all look at the end.
    pub fn end(&mut self, at: Duration, disk: &Memory, over: bool) -> Result<(), Violation> {
        for checker in &mut self.checkers {
            let told = checker.end(at, &self.calls, disk, over);
            told.map_err(|what| Violation { at, checker: checker.name(), what })?;
        }
        Ok(())
    }
}
