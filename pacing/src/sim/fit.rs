//! A scenario fitted to what happened: laws of ringing, failing, talking and wrapping up, the answer rate by hour, and
//! who was there when.
//!
//! Lines race: the first of answer, machine, failure or our own taking back ends them. Lines that we took back are
//! censored (Aalen and Johansen 1978), so a law is not shortened by them. Uncertainty comes from resampling the calls.
//! Every policy has at least one line out per free agent; minutes in which agents waited without one had nothing to
//! call, no room or were paused, say nothing of pacing, and are left out of both the model and the account.

mod account;
mod law_of;

use super::law::Law;
use super::plan::{Course, Others, Scenario, Stay};
use super::random::{Kind, Stream};
pub use account::{Account, Day};

/// Fewest calls that came to an end of their own.
pub const CALLS_MIN: usize = 200;
/// Fewest of them that a person answered.
pub const ANSWERS_MIN: usize = 30;
/// Fewest talks with an agent.
pub const TALKS_MIN: usize = 30;
/// Fewest agent hours in which there was something to call.
pub const AGENT_HOURS_MIN: f64 = 0.5;
/// Fewest wrap-ups; with fewer the law of the base scenario is taken.
pub const WRAP_UPS_MIN: usize = 20;

/// Answer rates of an hour are shrunk to the campaign's by so many calls.
const HOUR_WEIGHT: f64 = 50.0;

/// How a line came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settled {
    /// A person answered.
    Live,
    /// A machine answered.
    Machine,
    /// Busy, rejected, a wrong number: the callee's doing, at once.
    Refused,
    /// Nobody answered.
    Unanswered,
    /// The network failed.
    Network,
    /// We took it back, or it was not seen to its end: what it would have become is not known.
    Withdrawn,
}

/// A talk with an agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastTalk {
    /// Which agent, from 0.
    pub agent: u32,
    /// Joined, in seconds.
    pub from_s: f64,
    /// Over, in seconds.
    pub to_s: f64,
    /// Length of the wrap-up after it, where it was seen to its end.
    pub wrap_s: Option<f64>,
}

/// A call of the past. Times are seconds since any one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastCall {
    /// Decided on.
    pub placed_s: f64,
    /// Answered or ended without an answer.
    pub settled_s: f64,
    /// How.
    pub how: Settled,
    /// The talk that came of it.
    pub talk: Option<PastTalk>,
    /// Whether a person answered and no agent came in time.
    pub abandoned: bool,
}

/// An agent was there and took this campaign's calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastStay {
    /// Which agent, from 0.
    pub agent: u32,
    /// From, in seconds.
    pub from_s: f64,
    /// Until, in seconds.
    pub to_s: f64,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Calls in any order.
    pub calls: Vec<PastCall>,
    /// Stays; those of one agent don't overlap.
    pub stays: Vec<PastStay>,
    /// Hour of the clock at second zero.
    pub clock_h: f64,
    /// Length of a wrap-up by script, where agents have no say in it.
    pub wrap_script_s: Option<f64>,
}

/// What could not be learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// Too few wrap-ups were seen to their end: the base scenario's law is taken.
    WrapUp,
    /// Nobody hangs up while waiting for an agent.
    Patience,
}

/// Why nothing can be fitted: something is too few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thin {
    /// Of what.
    pub what: &'static str,
    /// What there is.
    pub found: f64,
    /// What is needed.
    pub needed: f64,
}

impl std::fmt::Display for Thin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Thin { what, found, needed } = self;
        write!(formatter, "{what}: {found:.1} where {needed:.1} are needed")
    }
}

impl std::error::Error for Thin {}

/// A model of a campaign.
#[derive(Clone, Debug)]
pub struct Fit {
    history: History,
    days: Vec<Day>,
    assumed: Vec<Assumed>,
}

impl Fit {
    /// Fits a model. Errors: the history is too thin.
    pub fn new(history: History) -> Result<Self, Thin> {
        let settled = |how: &[Settled]| history.calls.iter().filter(|call| how.contains(&call.how)).count();
        let ended = history.calls.len() - settled(&[Settled::Withdrawn]);
        let talks = history.calls.iter().filter(|call| call.talk.is_some()).count();
        for (what, found, needed) in [
            ("calls that ended by themselves", ended, CALLS_MIN),
            ("live answers", settled(&[Settled::Live]), ANSWERS_MIN),
            ("talks", talks, TALKS_MIN),
        ] {
            if found < needed {
                return Err(Thin { what, found: found as f64, needed: needed as f64 });
            }
        }
        let wraps = history.calls.iter().filter(|call| call.talk.is_some_and(|talk| talk.wrap_s.is_some()));
        let mut assumed = vec![Assumed::Patience];
        if wraps.count() < WRAP_UPS_MIN && history.wrap_script_s.is_none() {
            assumed.push(Assumed::WrapUp);
        }
        let days = account::days(&history);
        let hours = days.iter().map(|day| day.account.agent_hours()).fold(0.0, |sum, hours| sum + hours);
        if hours < AGENT_HOURS_MIN {
            let what = "agent hours with something to call";
            return Err(Thin { what, found: hours, needed: AGENT_HOURS_MIN });
        }
        Ok(Self { history, days, assumed })
    }

    /// The days on which there was something to call, oldest first.
    pub fn days(&self) -> &[Day] {
        &self.days
    }

    /// What could not be learnt.
    pub fn assumed(&self) -> &[Assumed] {
        &self.assumed
    }

    /// The laws of the campaign; with a seed those of a resampled history. Who is there is not in it: see [`of_day`].
    ///
    /// [`of_day`]: Fit::of_day
    pub fn scenario(&self, resample: Option<u64>) -> Scenario {
        let calls = &self.history.calls;
        let weights = weights(calls.len(), resample);
        let drawn = || calls.iter().zip(&weights).filter(|(_, weight)| **weight > 0.0);
        let lines: Vec<(f64, Settled, f64)> = drawn()
            .map(|(call, weight)| ((call.settled_s - call.placed_s).max(0.0), call.how, *weight))
            .collect();
        let races = law_of::races(lines);
        let base = Scenario::default();
        let race = |how: Settled, otherwise: &Law| {
            let race = &races[how as usize];
            (race.share, race.law.clone().unwrap_or_else(|| otherwise.clone()))
        };
        let (live, ring_live) = race(Settled::Live, &base.ring_live);
        let (machine, ring_machine) = race(Settled::Machine, &base.ring_machine);
        let (busy, until_busy) = race(Settled::Refused, &base.until_busy);
        let (no_answer, ring_unanswered) = race(Settled::Unanswered, &base.ring_unanswered);
        let (congestion, until_congestion) = race(Settled::Network, &base.until_congestion);
        let answer_rate = live.clamp(0.001, 0.999);
        let talks: Vec<(f64, f64)> = drawn()
            .filter_map(|(call, weight)| call.talk.map(|talk| ((talk.to_s - talk.from_s).max(0.0), *weight)))
            .collect();
        let wraps: Vec<(f64, f64)> =
            drawn().filter_map(|(call, weight)| Some((call.talk?.wrap_s?.max(0.0), *weight))).collect();
        let wrap = match self.history.wrap_script_s {
            Some(seconds) => Law::Constant { seconds },
            None if wraps.len() < WRAP_UPS_MIN => base.wrap.clone(),
            None => law_of::weighted(wraps).unwrap_or_else(|| base.wrap.clone()),
        };
        let mut others = Others { machine, busy, no_answer, congestion };
        if machine + busy + no_answer + congestion <= 0.0 {
            others = Others { no_answer: 1.0, ..others };
        }
        Scenario {
            name: "fitted".into(),
            answer_rate,
            answer_course: Course::ByHour { first_h: 0.0, rates: self.rates(&weights, answer_rate) },
            others,
            // Ages count from the decision, so that a line's whole time to its end is one law.
            post_dial: Law::Constant { seconds: 0.0 },
            ring_live,
            ring_machine,
            ring_unanswered,
            until_busy,
            until_congestion,
            talk: law_of::weighted(talks).unwrap_or(base.talk.clone()),
            wrap,
            // Who hangs up while waiting would be abandoned a moment later.
            patience: Law::Constant { seconds: 3600.0 },
            ..base
        }
    }

    /// A fitted scenario with the agents of one day; with `agents` so many instead, each with the times of one of that
    /// day's, in turn.
    pub fn of_day(&self, fitted: &Scenario, day: &Day, agents: Option<u32>) -> Scenario {
        let there: Vec<u32> = day.agents();
        let count = agents.unwrap_or(u32::try_from(there.len()).unwrap_or(u32::MAX)).max(1);
        let mut stays = Vec::new();
        for (agent, model) in (0..count).zip(there.iter().cycle()) {
            let own = day.stays.iter().filter(|stay| stay.agent == *model);
            stays.extend(own.map(|stay| Stay { agent, ..*stay }));
        }
        let first_h = (self.history.clock_h + day.from_s / 3600.0).rem_euclid(24.0);
        let answer_course = match fitted.answer_course {
            Course::ByHour { rates, .. } => Course::ByHour { first_h, rates },
            other @ (Course::Steady
            | Course::Jump { .. }
            | Course::Drift { .. }
            | Course::Oscillate { .. }) => other,
        };
        Scenario { agents: count, hours: day.hours(), stays, answer_course, ..fitted.clone() }
    }

    /// The answer rate of each hour of the clock, shrunk to the whole campaign's.
    fn rates(&self, weights: &[f64], answer_rate: f64) -> [f64; 24] {
        let mut seen = [(0.0, 0.0); 24];
        for (call, weight) in self.history.calls.iter().zip(weights) {
            let hour = (self.history.clock_h + call.placed_s / 3600.0).rem_euclid(24.0) as usize;
            if let Some((ended, live)) = seen.get_mut(hour).filter(|_| call.how != Settled::Withdrawn) {
                *ended += weight;
                *live += if call.how == Settled::Live { *weight } else { 0.0 };
            }
        }
        let (ended, live) = seen.iter().fold((0.0, 0.0), |sum, hour| (sum.0 + hour.0, sum.1 + hour.1));
        // What censoring makes of the campaign's rate it makes of each hour's.
        let corrected = if live > 0.0 { answer_rate / (live / ended) } else { 1.0 };
        seen.map(|(ended, live)| {
            let rate = (live * corrected + HOUR_WEIGHT * answer_rate) / (ended + HOUR_WEIGHT);
            rate.clamp(0.001, 0.999)
        })
    }
}

/// How often each call is in a resampled history; each once without a seed.
fn weights(calls: usize, resample: Option<u64>) -> Vec<f64> {
    let Some(seed) = resample else { return vec![1.0; calls] };
    let mut stream = Stream::new(seed, Kind::History, 0);
    let mut weights = vec![0.0; calls];
    for _ in 0..calls {
        if let Some(weight) = weights.get_mut((stream.uniform() * calls as f64) as usize) {
            *weight += 1.0;
        }
    }
    weights
}

#[cfg(test)]
mod tests;
