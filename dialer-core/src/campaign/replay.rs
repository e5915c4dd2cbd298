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
    /// Segments of a version that wrote decisions alone.
    pub decisions_alone: u64,
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
    /// `None` where the version that wrote it wrote decisions alone.
    beside: Option<(Team, Shift)>,
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
            let beside = match opening.beside.is_empty() {
                true => None,
                false => Some(Beside::from_snapshot(&opening.beside).ok_or(other)?),
            };
            compare(part.segment, &opening, current.as_ref(), found);
            if opening.version != env!("CARGO_PKG_VERSION") && !found.versions.contains(&opening.version) {
                found.versions.push(opening.version);
            }
            found.segments += 1;
            found.decisions_alone += u64::from(beside.is_none());
            let beside = beside.map(|it| (it.team, Shift::with(it.working)));
            *current = Some(Segment { number: part.segment, next_part: 0, policy, beside });
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
                if let Some((team, shift)) = &mut segment.beside {
                    shift.observe(&event);
                    // The policy counts what is impossible.
                    let _ = team.observe(&event);
                }
                segment.policy.pacer_mut().observe(&event);
            }
            Played::Asked(capacity, recorded) => {
                found.decisions += 1;
                number = number.saturating_add(1);
                let decision = segment.policy.pacer_mut().decide(&capacity);
                segment.beside.iter_mut().for_each(|(team, _)| team.decided(&decision));
                let at = utc(capacity.now);
                visit(&Remade::Decision(RemadeDecision { number, at, capacity, decision, recorded }));
            }
            Played::Planned(PlayedPlan { at, wishes, limits, room, said: recorded }) => {
                let (team, _) = segment.beside.as_ref().ok_or("a plan without its team")?;
                found.plans += 1;
                let plan = team.plan(&wishes, &limits, room);
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
                let (team, shift) = segment.beside.as_ref().ok_or("a share without its team")?;
                found.shares += 1;
                let at = utc(share.at);
                visit(&Remade::Share(choose(share, part.campaign, (team, shift), number, at)));
            }
        }
    }
    Ok(())
}

/// Makes a choice for a shared agent again, and the claim of the journal's own campaign as far as events tell of it.
fn choose(
    share: PlayedShare,
    of: CampaignId,
    (team, shift): (&Team, &Shift),
    after: u64,
    at: Utc,
) -> RemadeShare {
    let PlayedShare { at: _, agent, claims, limits, chosen } = share;
    let bare: Vec<Claim> = claims.iter().map(|(_, claim)| *claim).collect();
    let best = share::best(&bare).and_then(|index| claims.get(index));
    let own = claims.iter().find(|(campaign, _)| *campaign == of.0).map(|(_, recorded)| {
        // Who waits to be called, no event tells.
        let need = match recorded.need {
            Need::Own | Need::Nothing => recorded.need,
            Need::Contacts | Need::Exhausted if team.is_exhausted(&limits) => Need::Exhausted,
            Need::Contacts | Need::Exhausted => Need::Contacts,
        };
        (of, Claim { need, agents: shift.others(agent), weight: recorded.weight })
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
    let beside = before.beside.as_ref().filter(|_| !opening.beside.is_empty());
    let other_team =
        beside.is_some_and(|(team, shift)| Beside::snapshot(team, shift).as_ref() != Some(&opening.beside));
    if other_team || before.policy.snapshot().as_ref() != Some(&opening.pacer) {
        found.strayed.push(segment);
    }
}

#[cfg(test)]
mod tests {
    use carillon_pacing::event::Ending;
    use carillon_pacing::{AgentKey, CallKey, Event, EventKind, Limits, Outlook, Segment, Upcoming};

    use super::super::journal::testing::as_decisions_alone;
    use super::super::journal::{PART_BYTES_MAX, UNWRITTEN_BYTES_MAX};
    use super::super::pacing::{Heritage, Pacing};
    use super::super::spec::testing::spec;
    use super::super::spec::{CampaignSpec, Mode};
    use super::*;
    use crate::id::CampaignId;
    use crate::store::write::JournalEnd;
    use crate::time::Now;

    const MODES: [Mode; 6] =
        [Mode::Manual, Mode::Preview, Mode::Progressive, Mode::Ratio, Mode::Adaptive, Mode::Predictive];

    /// A campaign's pacer at work: agents, calls and the part of the dialer that asks it.
    struct Desk {
        pacing: Pacing,
        now: Duration,
        dice: u64,
        last_call: u64,
        out: Vec<CallKey>,
        free: Vec<AgentKey>,
        talks: Vec<(CallKey, AgentKey)>,
        decisions: Vec<Decision>,
    }

    fn utc(now: Duration) -> Utc {
        Utc(1_795_179_300_000).after(now)
    }

    impl Desk {
        fn new(mode: Mode, seed: u64, end: JournalEnd) -> Self {
            let spec = CampaignSpec { mode, ..spec() };
            let now = Now { monotonic: Duration::ZERO, utc: utc(Duration::ZERO) };
            let heritage = Heritage { journal: end, ..Heritage::default() };
            let pacing = Pacing::new(CampaignId(1), &spec, heritage, now);
            let (out, free, talks, decisions) = Default::default();
            let mut desk =
                Self { pacing, now: now.monotonic, dice: seed, last_call: 0, out, free, talks, decisions };
            for agent in (0..8).map(AgentKey) {
                desk.tell(EventKind::AgentReady { agent });
                desk.free.push(agent);
            }
            desk
        }

        fn dice(&mut self, sides: u64) -> u64 {
            self.dice =
                self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.dice >> 33) % sides
        }

        fn tell(&mut self, kind: EventKind) {
            self.pacing.observe(&Event { at: self.now, kind });
        }

        fn ask(&mut self) {
            let mut upcoming = Upcoming::default();
            let attempt = self.dice(3) as u8;
            upcoming.add(Segment { trunk: 0, hour: 9, attempt });
            let capacity = Capacity {
                now: self.now,
                lines_free: 40,
                calls_per_second_free: 20,
                supply: 100,
                limits: Limits::new(0.03, true),
                upcoming,
                outlook: Some(Outlook { agent_hours_left: 30.0 - self.now.as_secs_f64() / 500.0 }),
            };
            let decision = self.pacing.decide(&capacity, utc(self.now));
            for _ in 0..decision.place {
                self.last_call += 1;
                let call = CallKey(self.last_call);
                self.tell(EventKind::CallPlaced { call, segment: Segment { trunk: 0, hour: 9, attempt } });
                self.out.push(call);
            }
            self.decisions.push(decision);
        }

        /// Half a second of a shift.
        fn step(&mut self) {
            let pause = 37 + self.dice(900);
            self.now += Duration::from_millis(pause);
            if !self.out.is_empty() && self.dice(3) == 0 {
                let index = self.dice(self.out.len() as u64) as usize;
                let call = self.out.swap_remove(index);
                if self.dice(3) == 0 {
                    self.tell(EventKind::CallAnswered { call });
                    match self.free.pop() {
                        Some(agent) => {
                            self.tell(EventKind::AgentTalking { agent });
                            self.tell(EventKind::CallBridged { call, agent });
                            self.talks.push((call, agent));
                        }
                        None => {
                            self.tell(EventKind::CallAbandoned { call, agent_lost: false });
                            self.tell(EventKind::CallEnded { call, ending: Ending::Answered });
                        }
                    }
                } else {
                    self.tell(EventKind::CallEnded { call, ending: Ending::Callee });
                }
            }
            if !self.talks.is_empty() && self.dice(20) == 0 {
                let (call, agent) = self.talks.swap_remove(0);
                self.tell(EventKind::CallEnded { call, ending: Ending::Answered });
                self.tell(EventKind::AgentWrapUp { agent });
                let pause = self.dice(500);
                self.now += Duration::from_millis(pause);
                self.tell(EventKind::AgentReady { agent });
                self.free.push(agent);
            }
            self.ask();
        }

        /// So many steps, a part every ten seconds.
        fn work(&mut self, steps: usize) -> Vec<JournalPart> {
            let (mut parts, mut due) = (Vec::new(), self.now + Duration::from_secs(10));
            for _ in 0..steps {
                self.step();
                if self.now >= due || self.pacing.journal.is_full() {
                    parts.extend(self.pacing.journal.take());
                    due = self.now + Duration::from_secs(10);
                }
            }
            parts
        }
    }

    fn decision_of(remade: &Remade) -> RemadeDecision {
        match remade {
            Remade::Decision(decision) => *decision,
            Remade::Plan(_) | Remade::Share(_) | Remade::Ahead(_) => panic!("decisions alone"),
        }
    }

    fn end(parts: &[JournalPart]) -> JournalEnd {
        parts.last().map_or(JournalEnd::default(), |last| JournalEnd {
            segment: last.segment,
            decision: last.decisions_to,
        })
    }

    #[test]
    fn every_decision_of_every_policy_comes_out_the_same() {
        for (seed, mode) in MODES.into_iter().enumerate() {
            let mut desk = Desk::new(mode, seed as u64 + 11, JournalEnd::default());
            let mut parts = desk.work(4_000);
            parts.extend(desk.pacing.journal.take());
            assert!(parts.iter().all(|part| part.body.len() < 2 * PART_BYTES_MAX));
            let mut remade = Vec::new();
            let found = replay(parts.clone(), &mut |it| remade.push(decision_of(it)));
            assert_eq!((found.decisions, found.segments > 2), (4_000, true), "{mode:?}: {found:?}");
            assert_eq!((found.gaps.len(), found.strayed.len(), found.versions.len()), (0, 0, 0), "{found:?}");
            assert!(remade.iter().all(RemadeDecision::is_same));
            let again: Vec<_> = remade.iter().map(|it| it.decision).collect();
            assert_eq!(again, desk.decisions, "{mode:?}");
            assert_eq!(
                remade.iter().map(|it| it.number).collect::<Vec<_>>(),
                (1..=4_000).collect::<Vec<_>>()
            );
            let logged = desk.pacing.decisions.latest(1)[0];
            let same = remade.iter().find(|it| it.number == logged.number).unwrap();
            assert_eq!((same.decision.place, same.at), (logged.place, logged.at));
        }
    }

    #[test]
    fn a_killed_process_loses_what_it_had_not_handed_over_and_another_goes_on() {
        let mut first = Desk::new(Mode::Predictive, 5, JournalEnd::default());
        let mut parts = first.work(300);
        let written = end(&parts).decision;
        assert!((1..300).contains(&written), "{written}");
        let mut second = Desk::new(Mode::Predictive, 6, end(&parts));
        parts.extend(second.work(300));
        let mut numbers = Vec::new();
        let found = replay(parts.clone(), &mut |it| {
            assert!(it.is_same());
            numbers.push(decision_of(it).number);
        });
        assert_eq!((found.gaps.len(), found.strayed.len()), (0, 0));
        assert_eq!(numbers, (1..=end(&parts).decision).collect::<Vec<_>>(), "numbers go on");
    }

    #[test]
    fn what_is_damaged_or_missing_is_told_and_never_trusted() {
        let mut desk = Desk::new(Mode::Predictive, 7, JournalEnd::default());
        let parts = desk.work(4_000);
        let whole = replay(parts.clone(), &mut |_| {});
        for (index, byte) in [(0, 3), (0, 4_000), (2, 0), (5, 200)] {
            let mut damaged = parts.clone();
            damaged[index].body[byte] ^= 0x10;
            let found = replay(damaged, &mut |it| assert!(it.is_same()));
            assert_eq!(found.gaps.len(), 1);
            assert!(found.gaps[0].contains("damaged") && found.decisions < whole.decisions);
            assert!(found.decisions > 0, "later segments are read");
        }
        let mut missing = parts.clone();
        missing.remove(3);
        let found = replay(missing, &mut |it| assert!(it.is_same()));
        assert_eq!(found.gaps, ["segment 1, part 4: a part before it is missing"]);
        let found = replay(parts[1..].to_vec(), &mut |it| assert!(it.is_same()));
        assert_eq!(found.gaps, ["segment 1, part 1: the segment's beginning is missing"]);
        for cut in [0, 5, 9] {
            let mut short = parts.clone();
            short[0].body.truncate(cut);
            assert_eq!(replay(short, &mut |_| {}).gaps.len(), 1);
        }
    }

    /// Journals of versions that wrote decisions alone are still read.
    #[test]
    fn what_an_earlier_version_wrote_is_read() {
        let mut desk = Desk::new(Mode::Predictive, 12, JournalEnd::default());
        let parts: Vec<_> = desk.work(300).iter().map(as_decisions_alone).collect();
        let found = replay(parts, &mut |it| assert!(it.is_same()));
        assert_eq!((found.gaps.len(), found.decisions_alone, found.segments), (0, 1, 1), "{found:?}");
        assert!(found.decisions > 100);
    }

    #[test]
    fn a_decision_that_was_changed_shows() {
        let mut desk = Desk::new(Mode::Predictive, 8, JournalEnd::default());
        let mut parts = desk.work(200);
        // Another pacer's beginning under these entries.
        let mut other = Desk::new(Mode::Ratio, 8, JournalEnd::default());
        let foreign = other.work(200);
        let mut differ = 0;
        parts[0] = foreign[0].clone();
        replay(parts, &mut |it| differ += u32::from(!it.is_same()));
        assert!(differ > 0);
    }

    #[test]
    fn a_store_that_is_away_costs_a_gap_and_no_memory() {
        let mut desk = Desk::new(Mode::Progressive, 9, JournalEnd::default());
        // Nothing is taken.
        (0..60_000).for_each(|_| desk.step());
        let mut parts: Vec<_> = desk.pacing.journal.take().into_iter().collect();
        assert!(parts[0].body.len() < UNWRITTEN_BYTES_MAX + 1_000);
        parts.extend(desk.work(500));
        let found = replay(parts, &mut |it| assert!(it.is_same()));
        assert_eq!((found.gaps.len(), found.strayed.len()), (0, 0), "{found:?}");
    }
}
