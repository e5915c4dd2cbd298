//! What a pacer was told and asked, entry by entry, so that each of its decisions can be made again; and beside it what the
//! plans for owners and the choices for shared agents rested on.
//!
//! Entries tell only what has changed since the one before. [`Recorder`] makes them of events and questions, [`Player`]
//! makes events and questions of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decision::{Capacity, Decision, Limits, Outlook, Reason, Upcoming};
use crate::event::{AgentKey, Event, EventKind};
use crate::share::Claim;
use crate::team::{Ahead, Plan};

/// Most claims of one choice that are written; a choice among more is left out.
pub const CLAIMS_MAX: usize = 64;

/// One entry. New kinds go behind the others: earlier journals name the present ones by their place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// The pacer was told of an event.
    Told {
        /// Nanoseconds since the entry before; negative where the clock went back.
        after_ns: i64,
        /// What happened.
        kind: EventKind,
    },
    /// The pacer was asked.
    Asked {
        /// Nanoseconds since the entry before.
        after_ns: i64,
        /// Lines that the trunks' concurrency allowed.
        lines_free: u32,
        /// Calls that the trunks' rate caps allowed.
        calls_per_second_free: u32,
        /// Tasks in hand.
        supply: u32,
        /// The limits where they changed.
        limits: Option<Limits>,
        /// The next tasks where they changed.
        upcoming: Option<Upcoming>,
        /// The outlook where it changed.
        outlook: Option<Option<Outlook>>,
        /// What it answered.
        said: Said,
    },
    /// The plan for owners was made ([`crate::team::Team::plan`]).
    Planned {
        /// Nanoseconds since the entry before.
        after_ns: i64,
        /// Owners whose contacts in hand changed; `None` for those who have no contacts to be called any more.
        wishes: Vec<(AgentKey, Option<u32>)>,
        /// The limits where they changed.
        limits: Option<Limits>,
        /// Most lines.
        room: u32,
        /// What the plan was.
        said: Said,
    },
    /// The campaign was chosen for which an agent counts whom several share ([`crate::share::best`]).
    Shared {
        /// Nanoseconds since the entry before.
        after_ns: i64,
        /// The agent.
        agent: AgentKey,
        /// The campaigns and their claims, in the order in which equals go, where they changed.
        claims: Option<Vec<(u64, Claim)>>,
        /// The limits of the journal's own campaign where they changed.
        limits: Option<Limits>,
        /// The campaign chosen.
        chosen: u64,
    },
    /// The policy was asked for whom lines leave ahead ([`crate::Pacer::ahead`]).
    Ahead {
        /// Nanoseconds since the entry before.
        after_ns: i64,
        /// Owners whose contacts in hand changed, as in a plan.
        wishes: Vec<(AgentKey, Option<u32>)>,
        /// Most lines.
        room: u32,
        /// What it answered.
        said: Said,
    },
}

/// What tells whether a decision or a plan was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Calls to place; lines of a plan.
    pub place: u32,
    /// A sum over every bit of the decision, its whole reason included; over every agent that a plan names.
    pub check: u32,
}

impl Said {
    /// Of a decision.
    pub fn of(decision: &Decision) -> Self {
        let Decision { place, until, reason } = decision;
        let figures = [u64::from(*place), until.as_secs(), until.subsec_nanos().into()];
        Self { place: *place, check: check(figures.into_iter().chain(words_of(reason))) }
    }

    /// Of a plan.
    pub fn of_plan(plan: &Plan) -> Self {
        let Plan { pooled, apart, lines } = plan;
        // Each list behind its length, so that no agent can be in another one unseen.
        let lists = [pooled, apart, lines].into_iter();
        let words = lists.flat_map(|list| {
            std::iter::once(list.len() as u64).chain(list.iter().map(|AgentKey(agent)| *agent))
        });
        Self { place: u32::try_from(lines.len()).unwrap_or(u32::MAX), check: check(words) }
    }

    /// Of lines that leave ahead.
    pub fn of_ahead(ahead: &Ahead) -> Self {
        let Ahead { lines, reason } = ahead;
        let owners = lines.iter().map(|AgentKey(agent)| *agent);
        let words = std::iter::once(lines.len() as u64).chain(owners);
        let words = words.chain(reason.iter().flat_map(words_of));
        Self { place: u32::try_from(lines.len()).unwrap_or(u32::MAX), check: check(words) }
    }
}

/// Every figure of a reason.
fn words_of(reason: &Reason) -> impl Iterator<Item = u64> + use<> {
    let Reason { bound, agents_free, lines_out, lines_wanted, forecast } = *reason;
    let forecast = forecast.map(|it| {
        [
            it.horizon_s,
            it.answers,
            it.answers_deviation,
            it.agents,
            it.agents_deviation,
            it.risk,
            it.risk_accepted,
            it.exposure,
            it.allowance,
        ]
    });
    let figures =
        [bound as u64, agents_free.into(), lines_out.into(), lines_wanted.into(), forecast.is_some().into()];
    figures.into_iter().chain(forecast.into_iter().flatten().map(f64::to_bits))
}

/// Whether a choice among so many claims is written.
pub fn is_choice(claims: usize) -> bool {
    (2..=CLAIMS_MAX).contains(&claims)
}

/// FNV-1a over words instead of bytes.
fn check(words: impl Iterator<Item = u64>) -> u32 {
    let sum = words.fold(0xcbf2_9ce4_8422_2325_u64, |sum, word| {
        let mixed = (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        mixed ^ (mixed >> 29)
    });
    (sum ^ (sum >> 32)) as u32
}

/// What entries leave out because it has not changed.
#[derive(Clone, Debug, Default)]
struct Known {
    latest: Duration,
    limits: Option<Limits>,
    upcoming: Option<Upcoming>,
    outlook: Option<Option<Outlook>>,
    wishes: BTreeMap<AgentKey, u32>,
    /// The last claims, and what was chosen of them.
    shared: Option<(Vec<(u64, Claim)>, u64)>,
}

impl Known {
    fn wish(&mut self, changes: &[(AgentKey, Option<u32>)]) {
        for (agent, in_hand) in changes {
            match in_hand {
                Some(in_hand) => self.wishes.insert(*agent, *in_hand),
                None => self.wishes.remove(agent),
            };
        }
    }
}

/// Makes entries. Those after [`Recorder::new`] need none before it.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    known: Known,
}

impl Recorder {
    /// One whose first entry counts its time from `from`.
    pub fn new(from: Duration) -> Self {
        Self { known: Known { latest: from, ..Known::default() } }
    }

    /// The entry of an event.
    pub fn told(&mut self, event: &Event) -> Entry {
        Entry::Told { after_ns: self.after_ns(event.at), kind: event.kind }
    }

    /// The entry of a question and its answer.
    pub fn asked(&mut self, capacity: &Capacity, decision: &Decision) -> Entry {
        let after_ns = self.after_ns(capacity.now);
        let Capacity { now: _, lines_free, calls_per_second_free, supply, limits, upcoming, outlook } =
            *capacity;
        Entry::Asked {
            after_ns,
            lines_free,
            calls_per_second_free,
            supply,
            limits: changed(&mut self.known.limits, limits),
            upcoming: changed(&mut self.known.upcoming, upcoming),
            outlook: changed(&mut self.known.outlook, outlook),
            said: Said::of(decision),
        }
    }

    /// The entry of a plan for owners and what it was made of.
    pub fn planned(
        &mut self,
        at: Duration,
        wishes: &BTreeMap<AgentKey, u32>,
        limits: Limits,
        room: u32,
        plan: &Plan,
    ) -> Entry {
        let wishes = self.wished(wishes);
        let limits = changed(&mut self.known.limits, limits);
        Entry::Planned { after_ns: self.after_ns(at), wishes, limits, room, said: Said::of_plan(plan) }
    }

    /// The entry of lines that leave ahead and what they were reckoned with.
    pub fn ahead(
        &mut self,
        at: Duration,
        wishes: &BTreeMap<AgentKey, u32>,
        room: u32,
        ahead: &Ahead,
    ) -> Entry {
        let wishes = self.wished(wishes);
        Entry::Ahead { after_ns: self.after_ns(at), wishes, room, said: Said::of_ahead(ahead) }
    }

    /// What is other than it was known to be.
    fn wished(&mut self, wishes: &BTreeMap<AgentKey, u32>) -> Vec<(AgentKey, Option<u32>)> {
        let known = &mut self.known.wishes;
        let gone = known.keys().filter(|agent| !wishes.contains_key(agent)).map(|agent| (*agent, None));
        let other = wishes.iter().filter(|(agent, in_hand)| known.get(agent) != Some(in_hand));
        let changes: Vec<_> = gone.chain(other.map(|(agent, in_hand)| (*agent, Some(*in_hand)))).collect();
        if !changes.is_empty() {
            known.clone_from(wishes);
        }
        changes
    }

    /// The entry of a choice among claims, each with its campaign. `None` where there is nothing to write: no choice
    /// between campaigns, more than [`CLAIMS_MAX`], or one more agent who stays where they are (`stays`) by the very claims
    /// by which the one before was chosen for.
    pub fn shared(
        &mut self,
        at: Duration,
        agent: AgentKey,
        claims: &[(u64, Claim)],
        limits: Limits,
        chosen: u64,
        stays: bool,
    ) -> Option<Entry> {
        if !is_choice(claims.len()) {
            return None;
        }
        let same = self.known.shared.as_ref().filter(|(known, _)| known == claims);
        if stays && same.is_some_and(|(_, before)| *before == chosen) {
            return None;
        }
        let told = same.is_none().then(|| claims.to_vec());
        match (&told, &mut self.known.shared) {
            (None, Some((_, known))) => *known = chosen,
            (Some(claims), known) => *known = Some((claims.clone(), chosen)),
            (None, None) => {}
        }
        let limits = changed(&mut self.known.limits, limits);
        Some(Entry::Shared { after_ns: self.after_ns(at), agent, claims: told, limits, chosen })
    }

    fn after_ns(&mut self, at: Duration) -> i64 {
        let latest = std::mem::replace(&mut self.known.latest, at);
        let nanoseconds = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        if at >= latest { nanoseconds(at - latest) } else { -nanoseconds(latest - at) }
    }
}

/// The value where it is not what was known.
fn changed<T: Copy + PartialEq>(known: &mut Option<T>, value: T) -> Option<T> {
    (known.replace(value) != Some(value)).then_some(value)
}

/// What an entry was made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    /// An event.
    Told(Event),
    /// A question, and what was answered.
    Asked(Capacity, Said),
    /// A plan for owners.
    Planned(PlayedPlan),
    /// A choice for a shared agent.
    Shared(PlayedShare),
    /// Lines that leave ahead.
    Ahead(PlayedAhead),
}

/// What lines that leave ahead were reckoned with, and what tells of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayedAhead {
    /// When.
    pub at: Duration,
    /// Contacts in hand of each owner who has contacts to be called.
    pub wishes: BTreeMap<AgentKey, u32>,
    /// Most lines.
    pub room: u32,
    /// What tells of the lines.
    pub said: Said,
}

/// What a plan for owners was made of, and what tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayedPlan {
    /// When.
    pub at: Duration,
    /// Contacts in hand of each owner who has contacts to be called.
    pub wishes: BTreeMap<AgentKey, u32>,
    /// The limits.
    pub limits: Limits,
    /// Most lines.
    pub room: u32,
    /// What tells of the plan.
    pub said: Said,
}

/// What a choice for a shared agent was made of, and what was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayedShare {
    /// When.
    pub at: Duration,
    /// The agent.
    pub agent: AgentKey,
    /// The campaigns and their claims, in the order in which equals go.
    pub claims: Vec<(u64, Claim)>,
    /// The limits of the journal's own campaign.
    pub limits: Limits,
    /// The campaign chosen.
    pub chosen: u64,
}

/// Makes events and questions of entries.
#[derive(Clone, Debug, Default)]
pub struct Player {
    known: Known,
}

impl Player {
    /// For the entries of a recorder that began at `from`.
    pub fn new(from: Duration) -> Self {
        Self { known: Known { latest: from, ..Known::default() } }
    }

    /// What the next entry was made of; `None` where it leaves out what no entry before it told.
    pub fn play(&mut self, entry: &Entry) -> Option<Played> {
        match entry {
            Entry::Told { after_ns, kind } => {
                self.pass(*after_ns);
                Some(Played::Told(Event { at: self.known.latest, kind: *kind }))
            }
            Entry::Asked {
                after_ns,
                lines_free,
                calls_per_second_free,
                supply,
                limits,
                upcoming,
                outlook,
                said,
            } => {
                self.pass(*after_ns);
                let known = &mut self.known;
                known.limits = limits.or(known.limits);
                known.upcoming = upcoming.or(known.upcoming);
                known.outlook = outlook.or(known.outlook);
                let capacity = Capacity {
                    now: known.latest,
                    lines_free: *lines_free,
                    calls_per_second_free: *calls_per_second_free,
                    supply: *supply,
                    limits: known.limits?,
                    upcoming: known.upcoming?,
                    outlook: known.outlook?,
                };
                Some(Played::Asked(capacity, *said))
            }
            Entry::Planned { after_ns, wishes, limits, room, said } => {
                self.pass(*after_ns);
                let known = &mut self.known;
                known.limits = limits.or(known.limits);
                known.wish(wishes);
                Some(Played::Planned(PlayedPlan {
                    at: known.latest,
                    wishes: known.wishes.clone(),
                    limits: known.limits?,
                    room: *room,
                    said: *said,
                }))
            }
            Entry::Ahead { after_ns, wishes, room, said } => {
                self.pass(*after_ns);
                let known = &mut self.known;
                known.wish(wishes);
                let (at, wishes) = (known.latest, known.wishes.clone());
                Some(Played::Ahead(PlayedAhead { at, wishes, room: *room, said: *said }))
            }
            Entry::Shared { after_ns, agent, claims, limits, chosen } => {
                self.pass(*after_ns);
                let known = &mut self.known;
                known.limits = limits.or(known.limits);
                if let Some(claims) = claims {
                    known.shared = Some((claims.clone(), *chosen));
                }
                Some(Played::Shared(PlayedShare {
                    at: known.latest,
                    agent: *agent,
                    claims: known.shared.as_ref().map(|(claims, _)| claims.clone())?,
                    limits: known.limits?,
                    chosen: *chosen,
                }))
            }
        }
    }

    fn pass(&mut self, after_ns: i64) {
        let span = Duration::from_nanos(after_ns.unsigned_abs());
        let latest = self.known.latest;
        self.known.latest =
            if after_ns < 0 { latest.saturating_sub(span) } else { latest.saturating_add(span) };
    }
}

#[cfg(test)]
mod tests;
