//! `carillon replay`: makes a campaign's recorded pacing decisions again, the plans for owners and the choices for shared
//! agents beside them, and tells whether they come out the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use carillon_core::campaign::decisions::{owners_sentence, sentence};
use carillon_core::campaign::replay::{
    Remade, RemadeAhead, RemadeDecision, RemadePlan, RemadeShare, Replayed, replay,
};
use carillon_core::time::Utc;
use carillon_pacing::journal::Said;
use carillon_pacing::share::{Claim, Need};
use carillon_pacing::{AgentKey, Segment};
use jiff::Timestamp;

use crate::exit::Exit;
use crate::rehearse::{open, unreadable};
use crate::say::say;

/// Most that is named of what comes out otherwise.
const NAMED_MAX: usize = 10;
/// Most plans and shares shown with a decision.
const BESIDE_MAX: usize = 20;

/// What to replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The database.
    pub from: PathBuf,
    /// The campaign's number or name.
    pub campaign: String,
    /// The decision to show, by number.
    pub decision: Option<u64>,
    /// The decision to show, by time (RFC 3339): the last one up to it.
    pub at: Option<String>,
}

/// Replays and prints. Errors: the database or the campaign is not there or none of ours, nothing is recorded or none of it
/// can be made again, a decision comes out otherwise than it was made.
pub async fn command(options: &ReplayOptions) -> Result<(), Exit> {
    let at = options.at.as_deref().map(|text| text.parse::<Timestamp>());
    let at = at.transpose().map_err(|error| Exit::file(format!("--at: {error}")))?;
    let (mut archive, campaign) = open(&options.from, &options.campaign).await?;
    let parts = archive.journal(campaign.campaign).await.map_err(|error| unreadable(&options.from, error))?;
    let trunks = archive.trunks(campaign.campaign).await.map_err(|error| unreadable(&options.from, error))?;
    drop(archive);
    let name = &campaign.spec.name;
    if parts.is_empty() {
        return Err(Exit::other(format!("campaign `{name}`: no decision is recorded")));
    }
    let (mut span, mut wanted, mut beside, mut others) = (None, None, Vec::new(), Others::default());
    let (mut latest, mut ahead) = (None, None);
    let found = replay(parts, &mut |remade: &Remade| {
        if !remade.is_same() {
            others.note(remade);
        }
        match remade {
            Remade::Decision(decision) => {
                let (first, _) = span.unwrap_or((*decision, *decision));
                span = Some((first, *decision));
                let is_wanted = match (options.decision, at) {
                    (Some(number), _) => decision.number == number,
                    (None, Some(at)) => decision.at.0 <= at.as_millisecond(),
                    (None, None) => false,
                };
                // What was planned and shared since the decision before belongs to this one.
                let before = latest.replace(Vec::new()).unwrap_or_default();
                if is_wanted {
                    (wanted, beside, ahead) = (Some(*decision), before, None);
                }
            }
            Remade::Ahead(it) => {
                if wanted.is_some_and(|wanted: RemadeDecision| wanted.number == it.after) {
                    ahead = Some(remade.clone());
                }
            }
            Remade::Plan(_) | Remade::Share(_) => {
                let before = latest.get_or_insert_with(Vec::new);
                if before.len() < BESIDE_MAX {
                    before.push(remade.clone());
                }
            }
        }
    });
    say(format_args!("campaign {name}: {}", summary(&found)));
    if let Some((first, last)) = span {
        let (from, to) = (time(first.at), time(last.at));
        say(format_args!("decisions {} ({from}) to {} ({to})", first.number, last.number));
    }
    for gap in &found.gaps {
        say(format_args!("gap: {gap}"));
    }
    for version in &found.versions {
        say(format_args!("written in part by version {version}; this is {}", env!("CARGO_PKG_VERSION")));
    }
    match (wanted, options.decision, at) {
        (Some(decision), _, _) => {
            beside.iter().for_each(|remade| say(shown(remade, &trunks).trim_end()));
            say(shown(&Remade::Decision(decision), &trunks).trim_end());
            ahead.iter().for_each(|remade| say(shown(remade, &trunks).trim_end()));
        }
        (None, None, None) => {}
        (None, _, _) => return Err(Exit::other("the decision that was asked for is not in the record")),
    }
    if let Some(first) = &others.first {
        let is_shown = |wanted: RemadeDecision| {
            *first == Remade::Decision(wanted) || beside.contains(first) || ahead.as_ref() == Some(first)
        };
        if !wanted.is_some_and(is_shown) {
            say(shown(first, &trunks).trim_end());
        }
        return Err(Exit::other(others.told(&found)));
    }
    if let Some(segment) = found.strayed.first() {
        return Err(Exit::other(format!(
            "segment {segment}: the pacer, or the team beside it, is not the one that was recorded"
        )));
    }
    if found.decisions == 0 {
        return Err(Exit::other("no recorded decision can be made again"));
    }
    let beside = if found.plans + found.shares > 0 { ", and so does every plan and share" } else { "" };
    let of = if found.gaps.is_empty() { "every decision" } else { "every decision that can be made again" };
    say(format_args!("{of} comes out as it was made{beside}"));
    Ok(())
}

/// What came out otherwise.
#[derive(Default)]
struct Others {
    first: Option<Remade>,
    decisions: u64,
    plans: u64,
    shares: u64,
    /// The first ones by name.
    names: Vec<String>,
}

impl Others {
    fn note(&mut self, remade: &Remade) {
        let name = match remade {
            Remade::Decision(it) => {
                self.decisions += 1;
                format!("decision {} at {}", it.number, time(it.at))
            }
            Remade::Plan(it) => {
                self.plans += 1;
                format!("the plan before decision {} at {}", it.after + 1, time(it.at))
            }
            Remade::Ahead(it) => {
                self.plans += 1;
                format!("the lines ahead after decision {} at {}", it.after, time(it.at))
            }
            Remade::Share(it) => {
                self.shares += 1;
                format!(
                    "the share of agent {} before decision {} at {}",
                    it.agent.0,
                    it.after + 1,
                    time(it.at)
                )
            }
        };
        self.first.get_or_insert_with(|| remade.clone());
        if self.names.len() < NAMED_MAX {
            self.names.push(name);
        }
    }

    fn told(&self, found: &Replayed) -> String {
        let Self { first: _, decisions, plans, shares, names } = self;
        let parts = [
            (*decisions, found.decisions, "decisions"),
            (*plans, found.plans, "plans"),
            (*shares, found.shares, "shares"),
        ];
        let counts = parts.iter().filter(|(others, _, _)| *others > 0);
        let counts: Vec<_> = counts.map(|(others, all, what)| format!("{others} of {all} {what}")).collect();
        let more = (decisions + plans + shares).saturating_sub(names.len() as u64);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{} come out otherwise: {}{more}", counts.join(", "), names.join("; "))
    }
}

fn summary(found: &Replayed) -> String {
    let Replayed { segments, decisions, plans, shares, events, .. } = found;
    let mut text = format!("{segments} segments, {decisions} decisions, ");
    if plans + shares > 0 {
        text.push_str(&format!("{plans} plans for owners, {shares} shares of agents, "));
    }
    text + &format!("{events} events replayed")
}

fn time(at: Utc) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.3}"))
}

/// Something with all that it rests on.
fn shown(remade: &Remade, trunks: &BTreeMap<u16, String>) -> String {
    match remade {
        Remade::Decision(decision) => shown_decision(decision, trunks),
        Remade::Plan(plan) => shown_plan(plan),
        Remade::Share(share) => shown_share(share),
        Remade::Ahead(ahead) => shown_ahead(ahead),
    }
}

fn shown_plan(remade: &RemadePlan) -> String {
    let RemadePlan { after, at, wishes, limits: _, room, plan, recorded } = remade;
    format!(
        "plan before decision {} at {}: lines for {}\n  apart from the pool from now on: {}; back in it: {}\n{}{}",
        after + 1,
        time(*at),
        named(&plan.lines),
        named(&plan.apart),
        named(&plan.pooled),
        asked(wishes, *room),
        verdict(Said::of_plan(plan), *recorded),
    )
}

fn shown_ahead(remade: &RemadeAhead) -> String {
    let RemadeAhead { after, at, wishes, room, ahead, recorded } = remade;
    let why = ahead.reason.as_ref().map(|reason| format!("  {}\n", owners_sentence(reason)));
    format!(
        "lines ahead after decision {after} at {}: for {}\n{}{}{}",
        time(*at),
        named(&ahead.lines),
        why.unwrap_or_default(),
        asked(wishes, *room),
        verdict(Said::of_ahead(ahead), *recorded),
    )
}

fn named(agents: &[AgentKey]) -> String {
    match agents {
        [] => "nobody".to_owned(),
        agents => agents.iter().map(|AgentKey(agent)| agent.to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn asked(wishes: &BTreeMap<AgentKey, u32>, room: u32) -> String {
    let wishes = wishes.iter().map(|(AgentKey(agent), in_hand)| format!("{agent} ({in_hand})"));
    let wishes = wishes.collect::<Vec<_>>().join(", ");
    let wishes = if wishes.is_empty() { "none" } else { &wishes };
    format!("  asked with: agents with contacts of their own (in hand): {wishes}; room for {room} lines\n")
}

fn verdict(now: Said, then: Said) -> String {
    if now == then {
        return "  as it was made\n".to_owned();
    }
    format!(
        "  OTHERWISE THAN IT WAS MADE: then {} lines (check {:08x}), now {} (check {:08x})\n",
        then.place, then.check, now.place, now.check
    )
}

fn shown_share(remade: &RemadeShare) -> String {
    let RemadeShare { after, at, agent: AgentKey(agent), claims, own, chosen, recorded } = remade;
    let told = |claim: &Claim| {
        let need = match claim.need {
            Need::Own => "contacts of the agent's own wait",
            Need::Contacts => "contacts wait",
            Need::Exhausted => "contacts wait, the abandonment budget is spent",
            Need::Nothing => "nobody to call",
        };
        format!("weight {}, {} other agents, {need}", claim.weight, claim.agents)
    };
    let chosen = chosen.map_or_else(|| "none".to_owned(), |chosen| chosen.to_string());
    let mut text = format!(
        "share before decision {} at {}: agent {agent} counts for campaign {chosen}\n",
        after + 1,
        time(*at)
    );
    for (campaign, claim) in claims {
        text.push_str(&format!("  campaign {campaign}: {}\n", told(claim)));
    }
    if remade.is_same() {
        text.push_str("  as it was made\n");
    } else {
        text.push_str(&format!("  OTHERWISE THAN IT WAS MADE: then campaign {recorded}\n"));
        if let Some((campaign, claim)) = own.as_ref().filter(|own| !claims.contains(own)) {
            text.push_str(&format!("  by the events, campaign {campaign}: {}\n", told(claim)));
        }
    }
    text
}

fn shown_decision(remade: &RemadeDecision, trunks: &BTreeMap<u16, String>) -> String {
    let RemadeDecision { number, at, capacity, decision, recorded } = remade;
    let now = Said::of(decision);
    let mut text = format!(
        "decision {number} at {}: place {}\n  {}\n  asked with: {} lines free, {} calls per second free, {} tasks in hand, \
         limit {}%, over-dialing {}",
        time(*at),
        decision.place,
        sentence(&decision.reason),
        capacity.lines_free,
        capacity.calls_per_second_free,
        capacity.supply,
        capacity.limits.abandon_limit * 100.0,
        if capacity.limits.over_dial { "allowed" } else { "not allowed" },
    );
    if let Some(outlook) = capacity.outlook {
        text.push_str(&format!(", {:.2} agent hours ahead", outlook.agent_hours_left));
    }
    text.push('\n');
    let next: Vec<String> =
        capacity.upcoming.runs().map(|(segment, calls)| run(segment, calls, trunks)).collect();
    if !next.is_empty() {
        text.push_str(&format!("  next tasks: {}\n", next.join("; ")));
    }
    if let Some(it) = decision.reason.forecast {
        text.push_str(&format!(
            "  forecast: {:.1} s, answers {:.3} ± {:.3}, agents {:.3} ± {:.3}, risk {:.4} of {:.4} accepted, exposure {:.2}, \
             allowance {:.2}\n",
            it.horizon_s,
            it.answers,
            it.answers_deviation,
            it.agents,
            it.agents_deviation,
            it.risk,
            it.risk_accepted,
            it.exposure,
            it.allowance,
        ));
    }
    if now == *recorded {
        text.push_str("  as it was made, to the last bit\n");
    } else {
        text.push_str(&format!(
            "  OTHERWISE THAN IT WAS MADE: then {} were placed (check {:08x}), now {} (check {:08x})\n",
            recorded.place, recorded.check, now.place, now.check
        ));
    }
    text
}

/// A run of tasks and what was known beforehand of how their calls will fare.
fn run(segment: Segment, calls: u32, trunks: &BTreeMap<u16, String>) -> String {
    let Segment { trunk, hour, attempt } = segment;
    let trunk = match trunks.get(&trunk) {
        Some(name) => format!("trunk {name}"),
        None if trunk == 0 => "no trunk known".to_owned(),
        None => format!("trunk number {trunk}"),
    };
    format!("{calls}: {trunk}, hour {hour}, attempt {attempt}")
}

#[cfg(test)]
mod tests {
    use carillon_core::id::CampaignId;
    use carillon_pacing::Limits;
    use carillon_pacing::team::Plan;

    use super::*;

    fn plan(recorded_lines: u32) -> RemadePlan {
        let plan =
            Plan { lines: vec![AgentKey(3)], apart: vec![AgentKey(3), AgentKey(5)], ..Plan::default() };
        let said = Said::of_plan(&plan);
        RemadePlan {
            after: 41,
            at: Utc(0),
            wishes: BTreeMap::from([(AgentKey(3), 2), (AgentKey(5), 0)]),
            limits: Limits::new(0.03, true),
            room: 7,
            plan,
            recorded: Said { place: recorded_lines, ..said },
        }
    }

    fn share(recorded: u64) -> RemadeShare {
        let claim = |agents| Claim { weight: 2, need: Need::Contacts, agents };
        RemadeShare {
            after: 41,
            at: Utc(0),
            agent: AgentKey(3),
            claims: vec![(CampaignId(1), claim(4)), (CampaignId(2), claim(3))],
            own: Some((CampaignId(1), claim(4))),
            chosen: Some(CampaignId(2)),
            recorded: CampaignId(recorded),
        }
    }

    #[test]
    fn a_plan_and_a_share_are_shown_with_what_they_rest_on() {
        let text = shown(&Remade::Plan(plan(1)), &BTreeMap::new());
        assert_eq!(
            text,
            "plan before decision 42 at 1970-01-01T00:00:00.000Z: lines for 3\n  apart from the pool from now on: 3, 5; \
             back in it: nobody\n  asked with: agents with contacts of their own (in hand): 3 (2), 5 (0); room for 7 lines\n  \
             as it was made\n"
        );
        let text = shown(&Remade::Share(share(2)), &BTreeMap::new());
        assert!(text.contains(
            "agent 3 counts for campaign 2\n  campaign 1: weight 2, 4 other agents, contacts wait"
        ));
        let mut foreign = share(2);
        foreign.own = foreign.own.map(|(campaign, claim)| (campaign, Claim { agents: 9, ..claim }));
        let text = shown(&Remade::Share(foreign), &BTreeMap::new());
        assert!(
            text.contains("OTHERWISE")
                && text.contains("by the events, campaign 1: weight 2, 9 other agents")
        );
    }

    #[test]
    fn what_comes_out_otherwise_is_counted_and_named() {
        let mut others = Others::default();
        (0..NAMED_MAX).for_each(|_| others.note(&Remade::Share(share(1))));
        others.note(&Remade::Plan(plan(2)));
        let found = Replayed { plans: 30, shares: 12, decisions: 99, ..Replayed::default() };
        let told = others.told(&found);
        assert!(
            told.starts_with("1 of 30 plans, 10 of 12 shares come out otherwise: the share of agent 3"),
            "{told}"
        );
        assert!(told.ends_with("; and 1 more"), "{told}");
        assert!(!plan(2).is_same() && !share(1).is_same() && plan(1).is_same() && share(2).is_same());
    }
}
