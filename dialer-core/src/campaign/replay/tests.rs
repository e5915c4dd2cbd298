//! Journals of pacers at work, and what is made of them when they are damaged or changed.

use carillon_pacing::event::Ending;
use carillon_pacing::{AgentKey, CallKey, Event, EventKind, Limits, Outlook, Segment, Upcoming};

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
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
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
        assert_eq!(remade.iter().map(|it| it.number).collect::<Vec<_>>(), (1..=4_000).collect::<Vec<_>>());
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
