//! Campaigns that share agents: each has its share of them by its weight, as long as both have somebody to call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_core::store::memory::Memory;

use super::calls::Calls;
use super::{Checker, Told};
use crate::world::plan::Plan;
use crate::world::wire::{Seen, What};

/// Both have somebody to call while so large a share of their lists was never called.
const UNTRIED_LEAST: f64 = 0.3;
/// Fewer calls than this say nothing.
const CALLS_LEAST: usize = 60;
/// How far the share of calls may be off the weights: agents are whole, and who is busy stays where they are.
const OFF_MOST: f64 = 0.15;

/// With one line per agent, calls are as agents are.
pub struct Shares {
    weights: Option<[u32; 2]>,
    /// The campaign of each number, by its place.
    campaigns: BTreeMap<String, usize>,
    listed: [usize; 2],
    tried: [BTreeSet<String>; 2],
    /// Calls while both had somebody to call.
    calls: [usize; 2],
    placing: bool,
}

impl Shares {
    pub fn new(plan: &Plan) -> Self {
        let numbers = plan.contacts.iter().enumerate();
        // Owners come before shares.
        let weights = plan.shared.filter(|_| plan.contacts.iter().all(|contact| contact.owner.is_none()));
        Self {
            weights,
            campaigns: numbers.map(|(at, it)| (it.number.clone(), plan.campaign_of(at))).collect(),
            listed: [0, 1].map(|campaign| plan.list_of(campaign).len()),
            tried: Default::default(),
            calls: [0; 2],
            placing: true,
        }
    }

    fn both_need(&self) -> bool {
        let mut untried = self.listed.iter().zip(&self.tried);
        self.placing
            && untried.all(|(listed, tried)| {
                (listed - tried.len()) as f64 >= UNTRIED_LEAST * *listed as f64 && *listed > 0
            })
    }
}

impl Checker for Shares {
    fn name(&self) -> &'static str {
        "shares"
    }

    fn see(&mut self, seen: &Seen<'_>, calls: &Calls) -> Told {
        if let What::Placing { allowed } = seen.what {
            self.placing = allowed;
        }
        let Some(call) = calls.invited() else { return Ok(()) };
        let Some(campaign) = self.campaigns.get(&call.called).copied() else { return Ok(()) };
        let counts = self.both_need();
        if let Some(calls) = self.calls.get_mut(campaign).filter(|_| counts) {
            *calls += 1;
        }
        if let Some(tried) = self.tried.get_mut(campaign) {
            tried.insert(call.called.clone());
        }
        Ok(())
    }

    fn end(&mut self, _at: Duration, _calls: &Calls, _disk: &Memory, _over: bool) -> Told {
        let Some([first, second]) = self.weights else { return Ok(()) };
        let all: usize = self.calls.iter().sum();
        let share = self.calls[0] as f64 / all.max(1) as f64;
        let due = f64::from(first) / f64::from(first + second);
        if all < CALLS_LEAST || (share - due).abs() <= OFF_MOST {
            Ok(())
        } else {
            Err(format!("{:?} calls of campaigns with weights {first} and {second}", self.calls))
        }
    }
}
