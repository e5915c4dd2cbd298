//! One plan for owners and the pool: which agents work off contacts of their own, and whose lines go out now.
//!
//! A contact with an owner is called for that agent alone. Such an agent is a team of one inside the team: while contacts of
//! their own wait they are apart from the pool, so that no pooled call counts on them, and they get one line whenever they
//! are free; further ones leave as far as the policy can answer for them ([`crate::Pacer::ahead`]). Everybody else is paced by
//! the policy. Both sides share the ledger, for the policy hears of every answer and every abandoned call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::Ledger;
use crate::decision::{Decision, Limits, Reason};
use crate::event::{AgentKey, Event};
use crate::floor::{AgentActivity, Floor, Impossible};

/// What to do about owners now, in this order: [`Plan::pooled`], [`Plan::apart`], [`Plan::lines`]. The first two are told as
/// events, the lines are placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Agents without contacts of their own, who return to the pool.
    pub pooled: Vec<AgentKey>,
    /// Agents who leave the pool for contacts of their own.
    pub apart: Vec<AgentKey>,
    /// Owners for each of whom one line goes out, longest idle first.
    pub lines: Vec<AgentKey>,
}

/// Lines that leave for owners beyond the one that each free owner has: for owners who will be free in time for the answer, or
/// whose first line will hardly be answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ahead {
    /// The owner of each line.
    pub lines: Vec<AgentKey>,
    /// Why no more: agents and lines are those of owners alone. `None` where the policy calls nobody ahead.
    pub reason: Option<Reason>,
}

/// How a policy keeps more lines from going out than there are free agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// It never lets more out.
    PerAgent,
    /// By the ledger, as if every line in excess were answered and found no agent.
    WorstCase,
    /// By its own forecast.
    Forecast,
}

/// The team as the events tell it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Team {
    floor: Floor,
    ledger: Ledger,
    stop: Stop,
    /// What the policy's last forecast allowed: any number of lines in excess, or none.
    forecast_allows: bool,
}

impl Team {
    /// Nobody signed on yet; `ledger` is what the period has seen so far.
    pub fn new(stop: Stop, ledger: Ledger) -> Self {
        Self { floor: Floor::default(), ledger, stop, forecast_allows: false }
    }

    /// Takes in one event; an impossible one changes nothing.
    pub fn observe(&mut self, event: &Event) -> Result<(), Impossible> {
        self.floor.observe(event)?;
        self.ledger.observe(event.kind);
        Ok(())
    }

    /// Whether a line is out for this agent alone: no other call may be offered.
    pub fn holds(&self, agent: AgentKey) -> bool {
        self.floor.own_lines(agent) > 0
    }

    /// Whether any agent works off contacts of their own.
    pub fn has_apart(&self) -> bool {
        self.floor.has_apart()
    }

    /// Lines out for one agent alone.
    pub fn owned_out(&self) -> u32 {
        self.floor.owned_out()
    }

    /// Notes what the policy decided for the pool.
    pub fn decided(&mut self, decision: &Decision) {
        let forecast = decision.reason.forecast;
        self.forecast_allows = forecast.is_some_and(|forecast| forecast.exposure < forecast.allowance);
    }

    /// Free agents of the pool beyond its lines; negative where lines wait for agents to come free.
    pub fn spare(&self) -> i64 {
        i64::from(self.floor.agents_free()) - i64::from(self.floor.lines_out())
    }

    /// What the agent does; `None` unless the agent counts here.
    pub fn activity(&self, agent: AgentKey) -> Option<AgentActivity> {
        self.floor.activity(agent)
    }

    /// Whether the policy could have more lines out than agents are free, but for a budget that is spent: as large a share of
    /// the live answers as the limit allows has been abandoned.
    pub fn is_exhausted(&self, limits: &Limits) -> bool {
        let over_dials = limits.over_dial && self.stop != Stop::PerAgent;
        over_dials && self.ledger.abandoned > 0 && self.ledger.rate() >= limits.abandon_limit
    }

    /// Lines beyond one per free agent that may be out, of the pool and of owners together.
    pub fn excess(&self, limits: &Limits) -> u32 {
        let excess = match self.stop {
            Stop::Forecast if limits.over_dial && self.forecast_allows => u64::MAX,
            Stop::WorstCase if limits.over_dial => {
                self.ledger.excess_left(limits, self.floor.lines_waiting().into())
            }
            Stop::PerAgent | Stop::WorstCase | Stop::Forecast => 0,
        };
        u32::try_from(excess).unwrap_or(u32::MAX)
    }

    /// The plan. `wishes` has the contacts in hand of each agent who has contacts of their own to be called now; zero where
    /// they are due and not in hand yet. At most `room` lines.
    ///
    /// A free agent leaves the pool only while the pool has a free agent for each of its lines without them: lines that went
    /// out on their account are not left alone. Whoever is busy leaves it at once. Owners and pool together never have more
    /// lines out than free agents and [`Team::excess`].
    pub fn plan(&self, wishes: &BTreeMap<AgentKey, u32>, limits: &Limits, room: u32) -> Plan {
        let floor = &self.floor;
        let pooled: Vec<AgentKey> = floor
            .apart()
            .filter(|agent| !wishes.contains_key(agent) && floor.own_lines(*agent) == 0)
            .collect();
        let returning = pooled.iter().filter(|agent| floor.activity(**agent) == Some(AgentActivity::Ready));
        let back = u32::try_from(returning.count()).unwrap_or(u32::MAX);
        let mut spare = floor.agents_free().saturating_add(back).saturating_sub(floor.lines_out());
        let mut apart = Vec::new();
        let mut ready = Vec::new();
        for (agent, in_hand) in wishes {
            let Some(activity) = floor.activity(*agent) else { continue };
            let is_ready = activity == AgentActivity::Ready;
            if !floor.is_apart(*agent) {
                if is_ready && spare == 0 {
                    continue;
                }
                spare -= u32::from(is_ready);
                apart.push(*agent);
            }
            if is_ready && *in_hand > 0 && floor.own_lines(*agent) == 0 {
                ready.push(*agent);
            }
        }
        ready.sort_by_key(|agent| (floor.since(*agent), *agent));
        let (free, out) = floor.whole();
        let most = room.min(free.saturating_add(self.excess(limits)).saturating_sub(out));
        ready.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Plan { pooled, apart, lines: ready }
    }
}

#[cfg(test)]
mod tests;
