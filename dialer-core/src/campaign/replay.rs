//! Makes the decisions of a journal again, the plans for owners and the choices for shared agents beside them, and tells
//! whether they come out the same.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_pacing::journal::{Entry, Played, PlayedAhead, PlayedPlan, PlayedShare, Player, Said};
use carillon_pacing::share::{self, Claim, Need};
use carillon_pacing::team::{Ahead, Plan, Team};
use carillon_pacing::{AgentKey, Capacity, Decision, Limits};

use super::journal::{Opening, read};
use super::pacing::{Beside, Policy};
use super::shift::Shift;
use crate::id::CampaignId;
use crate::store::write::JournalPart;
use crate::time::Utc;

/// Something that was made again.
#[derive(Clone, Debug, PartialEq)]
pub enum Remade {
    /// How many calls to place.
    Decision(RemadeDecision),
    /// Whose lines go out, and who counts for the pool.
    Plan(RemadePlan),
    /// For which campaign a shared agent counts.
    Share(RemadeShare),
    /// For whom lines leave ahead.
    Ahead(RemadeAhead),
}

/// A decision that was made again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemadeDecision {
    /// Its number; numbers of a campaign go on over restarts.
    pub number: u64,
    /// When it was made.
    pub at: Utc,
    /// What was asked.
    pub capacity: Capacity,
    /// What came out now.
    pub decision: Decision,
    /// What tells of the one that was made then.
    pub recorded: Said,
}

/// A plan for owners that was made again.
#[derive(Clone, Debug, PartialEq)]
pub struct RemadePlan {
    /// The number of the last decision before it.
    pub after: u64,
    /// When it was made.
    pub at: Utc,
    /// Contacts in hand of each owner who had contacts to be called.
    pub wishes: BTreeMap<AgentKey, u32>,
    /// The limits.
    pub limits: Limits,
    /// Most lines.
    pub room: u32,
    /// What came out now.
    pub plan: Plan,
    /// What tells of the one that was made then.
    pub recorded: Said,
}

/// Lines that leave ahead for owners, reckoned again.
#[derive(Clone, Debug, PartialEq)]
pub struct RemadeAhead {
    /// The number of the decision on whose terms they leave.
    pub after: u64,
    /// When.
    pub at: Utc,
    /// Contacts in hand of each owner who had contacts to be called.
    pub wishes: BTreeMap<AgentKey, u32>,
    /// Most lines.
    pub room: u32,
    /// What came out now.
    pub ahead: Ahead,
    /// What tells of those that left then.
    pub recorded: Said,
}

/// A choice for a shared agent that was made again.
#[derive(Clone, Debug, PartialEq)]
pub struct RemadeShare {
    /// The number of the last decision before it.
    pub after: u64,
    /// When it was made.
    pub at: Utc,
    /// The agent: agents are numbered as they sign on for the first time in a process.
    pub agent: AgentKey,
    /// The campaigns and their claims as they were recorded, in the order in which equals go.
    pub claims: Vec<(CampaignId, Claim)>,
    /// The journal's own campaign and its claim as the events tell it; `None` where it laid no claim.
    pub own: Option<(CampaignId, Claim)>,
    /// The campaign chosen now.
    pub chosen: Option<CampaignId>,
    /// The campaign chosen then.
    pub recorded: CampaignId,
}

impl RemadeDecision {
    /// Whether it came out as it was made then, to the last bit of its reason.
    pub fn is_same(&self) -> bool {
        Said::of(&self.decision) == self.recorded
    }
}

impl RemadePlan {
    /// Whether it came out as it was made then, to the last agent.
    pub fn is_same(&self) -> bool {
        Said::of_plan(&self.plan) == self.recorded
    }
}

impl RemadeAhead {
    /// Whether the same lines left, to the last bit of the reason.
    pub fn is_same(&self) -> bool {
        Said::of_ahead(&self.ahead) == self.recorded
    }
}

impl RemadeShare {
    /// Whether the same campaign was chosen, and the own claim was what the events tell.
    pub fn is_same(&self) -> bool {
        let own_is_same = self.own.as_ref().is_none_or(|own| self.claims.contains(own));
        self.chosen == Some(self.recorded) && own_is_same
    }
}

impl Remade {
    /// Whether it came out as it was made then.
    pub fn is_same(&self) -> bool {
        match self {
            Self::Decision(decision) => decision.is_same(),
            Self::Plan(plan) => plan.is_same(),
            Self::Share(share) => share.is_same(),
            Self::Ahead(ahead) => ahead.is_same(),
        }
    }
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Segments.
    pub segments: u64,
    /// Decisions.
    pub decisions: u64,
    /// Plans for owners, those of lines that leave ahead included.
    pub plans: u64,
    /// Choices for shared agents.
    pub shares: u64,
    /// Events.
    pub events: u64,
    /// Where the record has gaps or can't be read; what lies behind in the same segment was left out.
    pub gaps: Vec<String>,
    /// Segments at whose start the pacer, or the team, that was replayed was not, to the last bit, the one that was
    /// written.
    pub strayed: Vec<u64>,
    /// Other versions of the program that wrote it.
    pub versions: Vec<String>,
}

/// A segment under way.
struct Segment {
    number: u64,
    next_part: u32,
    policy: Policy,
    team: Team,
    shift: Shift,
}

/// Makes all decisions, plans and choices again, in the order of parts by segment and number; each is shown to `visit`.
pub fn replay(parts: impl IntoIterator<Item = JournalPart>, visit: &mut dyn FnMut(&Remade)) -> Replayed {
    let mut found = Replayed::default();
    let mut current: Option<Segment> = None;
    let mut broken = None;
    for part in parts {
        if broken == Some(part.segment) {
            continue;
        }
        let outcome = replay_part(&part, &mut current, &mut found, visit);
        if let Err(why) = outcome {
            found.gaps.push(format!("segment {}, part {}: {why}", part.segment, part.part));
            (broken, current) = (Some(part.segment), None);
        }
    }
    found
}

fn replay_part(
    part: &JournalPart,
    current: &mut Option<Segment>,
    found: &mut Replayed,
    visit: &mut dyn FnMut(&Remade),
) -> Result<(), &'static str> {
    let (head, mut entries) = read(&part.body).ok_or("damaged, or of another layout")?;
    let from = Duration::from_nanos(head.from_ns);
    match head.opening {
        Some(opening) => {
            let other = "its pacer is of another version";
            let policy = Policy::from_snapshot(&opening.pacer).ok_or(other)?;
            let Beside { team, working } = Beside::from_snapshot(&opening.beside).ok_or(other)?;
            compare(part.segment, &opening, current.as_ref(), found);
            if opening.version != env!("CARGO_PKG_VERSION") && !found.versions.contains(&opening.version) {
                found.versions.push(opening.version);
            }
            found.segments += 1;
            let shift = Shift::with(working);
            *current = Some(Segment { number: part.segment, next_part: 0, policy, team, shift });
        }
        None if current.is_none() => return Err("the segment's beginning is missing"),
        None => {}
    }
    let segment = current.as_mut().filter(|it| it.number == part.segment && it.next_part == part.part);
    let segment = segment.ok_or("a part before it is missing")?;
    segment.next_part = segment.next_part.saturating_add(1);
    let mut player = Player::new(from);
    let mut number = head.decisions_before;
    let utc = |at: Duration| Utc(head.from_utc).after(at.saturating_sub(from));
    while !entries.is_empty() {
        let (entry, rest) =
            postcard::take_from_bytes::<Entry>(entries).map_err(|_| "an entry can't be read")?;
        entries = rest;
        match player.play(&entry).ok_or("an entry refers to one that is missing")? {
            Played::Told(event) => {
                found.events += 1;
                segment.shift.observe(&event);
                // The policy counts what is impossible.
                let _ = segment.team.observe(&event);
                segment.policy.pacer_mut().observe(&event);
            }
            Played::Asked(capacity, recorded) => {
                found.decisions += 1;
                number = number.saturating_add(1);
                let decision = segment.policy.pacer_mut().decide(&capacity);
                segment.team.decided(&decision);
                let at = utc(capacity.now);
                visit(&Remade::Decision(RemadeDecision { number, at, capacity, decision, recorded }));
            }
            Played::Planned(PlayedPlan { at, wishes, limits, room, said: recorded }) => {
                found.plans += 1;
                let plan = segment.team.plan(&wishes, &limits, room);
                let (after, at) = (number, utc(at));
                visit(&Remade::Plan(RemadePlan { after, at, wishes, limits, room, plan, recorded }));
            }
            Played::Ahead(PlayedAhead { at, wishes, room, said: recorded }) => {
                found.plans += 1;
                let ahead = segment.policy.pacer().ahead(&wishes, room);
                let (after, at) = (number, utc(at));
                visit(&Remade::Ahead(RemadeAhead { after, at, wishes, room, ahead, recorded }));
            }
            Played::Shared(share) => {
                found.shares += 1;
                let at = utc(share.at);
                visit(&Remade::Share(choose(share, part.campaign, segment, number, at)));
            }
        }
    }
    Ok(())
}

/// Makes a choice for a shared agent again, and the claim of the journal's own campaign as far as events tell of it.
fn choose(share: PlayedShare, of: CampaignId, segment: &Segment, after: u64, at: Utc) -> RemadeShare {
    let PlayedShare { at: _, agent, claims, limits, chosen } = share;
    let bare: Vec<Claim> = claims.iter().map(|(_, claim)| *claim).collect();
    let best = share::best(&bare).and_then(|index| claims.get(index));
    let own = claims.iter().find(|(campaign, _)| *campaign == of.0).map(|(_, recorded)| {
        // Who waits to be called, no event tells.
        let need = match recorded.need {
            Need::Own | Need::Nothing => recorded.need,
            Need::Contacts | Need::Exhausted if segment.team.is_exhausted(&limits) => Need::Exhausted,
            Need::Contacts | Need::Exhausted => Need::Contacts,
        };
        (of, Claim { need, agents: segment.shift.others(agent), weight: recorded.weight })
    });
    RemadeShare {
        after,
        at,
        agent,
        own,
        chosen: best.map(|(campaign, _)| CampaignId(*campaign)),
        recorded: CampaignId(chosen),
        claims: claims.into_iter().map(|(campaign, claim)| (CampaignId(campaign), claim)).collect(),
    }
}

/// Whether the pacer and the team that were replayed to here are those that the next segment begins with.
fn compare(segment: u64, opening: &Opening, before: Option<&Segment>, found: &mut Replayed) {
    let Some(before) = before.filter(|it| opening.continues && it.number.checked_add(1) == Some(segment))
    else {
        return;
    };
    let team = Beside::snapshot(&before.team, &before.shift);
    if team.as_ref() != Some(&opening.beside) || before.policy.snapshot().as_ref() != Some(&opening.pacer) {
        found.strayed.push(segment);
    }
}

#[cfg(test)]
mod tests;
