//! The plan over owners and the pool.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Pacer;
use crate::decision::{Bound, Capacity, Upcoming};
use crate::event::{CallKey, Ending, EventKind, Segment};
use crate::policy::predictive::{OWN_LINES_MAX, Predictive, PredictiveOptions};
use crate::policy::progressive::Progressive;
use crate::policy::ratio::Ratio;

const LIMITS: Limits = Limits { abandon_limit: 0.03, over_dial: true, false_positives: 0.0 };
const SEGMENT: Segment = Segment { trunk: 0, hour: 0, attempt: 0 };

/// A team with its policy, told of the same events.
struct Desk {
    team: Team,
    policy: Box<dyn Pacer>,
    now: Duration,
    calls: u64,
}

impl Desk {
    fn progressive(agents: u64) -> Self {
        Self::new(Stop::PerAgent, Ledger::default(), Box::new(Progressive::default()), agents)
    }

    fn new(stop: Stop, ledger: Ledger, policy: Box<dyn Pacer>, agents: u64) -> Self {
        let team = Team::new(stop, ledger);
        let mut desk = Self { team, policy, now: Duration::from_secs(10), calls: 0 };
        (0..agents).for_each(|agent| desk.tell(EventKind::AgentReady { agent: AgentKey(agent) }));
        desk
    }

    fn tell(&mut self, kind: EventKind) {
        let event = Event { at: self.now, kind };
        self.team.observe(&event).unwrap();
        self.policy.observe(&event);
    }

    fn place(&mut self, owner: Option<AgentKey>) -> CallKey {
        self.calls += 1;
        let call = CallKey(self.calls);
        self.tell(match owner {
            Some(agent) => EventKind::CallPlacedFor { call, segment: SEGMENT, agent },
            None => EventKind::CallPlaced { call, segment: SEGMENT },
        });
        call
    }

    /// Plans and decides once, and places what comes of it: lines for owners, lines for the pool.
    fn decide(&mut self, wishes: &BTreeMap<AgentKey, u32>, room: u32) -> (Vec<AgentKey>, u32) {
        let (decision, lines) = self.ask(wishes, room, LIMITS);
        (lines, decision.place)
    }

    fn ask(
        &mut self,
        wishes: &BTreeMap<AgentKey, u32>,
        room: u32,
        limits: Limits,
    ) -> (Decision, Vec<AgentKey>) {
        let plan = self.team.plan(wishes, &limits, room);
        plan.pooled.iter().for_each(|agent| self.tell(EventKind::AgentPooled { agent: *agent }));
        plan.apart.iter().for_each(|agent| self.tell(EventKind::AgentApart { agent: *agent }));
        plan.lines.iter().for_each(|agent| {
            self.place(Some(*agent));
        });
        let used = u32::try_from(plan.lines.len()).unwrap();
        let capacity = Capacity {
            now: self.now,
            lines_free: room - used,
            calls_per_second_free: room,
            supply: 1_000,
            limits,
            upcoming: Upcoming::default(),
            outlook: None,
        };
        let decision = self.policy.decide(&capacity);
        self.team.decided(&decision);
        (0..decision.place).for_each(|_| {
            self.place(None);
        });
        (decision, plan.lines)
    }

    /// Places what leaves for owners beyond their first lines.
    fn call_ahead(&mut self, wishes: &BTreeMap<AgentKey, u32>, room: u32) -> Ahead {
        let ahead = self.policy.ahead(wishes, room);
        ahead.lines.iter().for_each(|agent| {
            self.place(Some(*agent));
        });
        ahead
    }

    fn whole(&self) -> (u32, u32) {
        self.team.floor.whole()
    }
}

fn wishes(agents: &[(u64, u32)]) -> BTreeMap<AgentKey, u32> {
    agents.iter().map(|(agent, in_hand)| (AgentKey(*agent), *in_hand)).collect()
}

#[test]
fn an_owner_gets_one_line_and_the_pool_counts_without_them() {
    let mut desk = Desk::progressive(3);
    let (lines, pooled) = desk.decide(&wishes(&[(1, 5)]), 100);
    assert_eq!((lines, pooled), (vec![AgentKey(1)], 2));
    let (lines, pooled) = desk.decide(&wishes(&[(1, 4)]), 100);
    assert_eq!((lines, pooled), (vec![], 0), "the line is out");
    assert!(desk.team.holds(AgentKey(1)) && !desk.team.holds(AgentKey(0)));
    desk.tell(EventKind::CallEnded { call: CallKey(1), ending: Ending::Callee });
    assert_eq!(desk.decide(&wishes(&[(1, 4)]), 100).0, [AgentKey(1)], "the next of their own");
}

#[test]
fn a_busy_owner_waits_for_nobody_and_an_idle_one_for_the_pools_lines() {
    let mut desk = Desk::progressive(2);
    assert_eq!(desk.decide(&wishes(&[]), 100).1, 2);
    // Both agents have a pooled line each; a contact of agent 0 falls due.
    assert_eq!(desk.team.plan(&wishes(&[(0, 1)]), &LIMITS, 100), Plan::default(), "the pool counts on them");
    desk.tell(EventKind::CallEnded { call: CallKey(2), ending: Ending::Callee });
    let (lines, pooled) = desk.decide(&wishes(&[(0, 1)]), 100);
    assert_eq!((lines, pooled), (vec![AgentKey(0)], 0), "one line for the pool's agent is still out");
    desk.tell(EventKind::AgentTalking { agent: AgentKey(1) });
    assert_eq!(desk.team.plan(&wishes(&[(0, 1), (1, 1)]), &LIMITS, 100).apart, [AgentKey(1)]);
}

#[test]
fn whose_contacts_are_done_returns_to_the_pool() {
    let mut desk = Desk::progressive(2);
    desk.decide(&wishes(&[(0, 1)]), 100);
    assert_eq!(desk.team.plan(&wishes(&[]), &LIMITS, 100).pooled, [], "the last line is out");
    desk.tell(EventKind::CallEnded { call: CallKey(1), ending: Ending::Callee });
    assert_eq!(
        desk.team.plan(&wishes(&[(0, 0)]), &LIMITS, 100),
        Plan::default(),
        "more are due, none in hand"
    );
    let (lines, pooled) = desk.decide(&wishes(&[]), 100);
    assert_eq!((lines, pooled), (vec![], 1));
}

#[test]
fn the_longest_idle_comes_first_and_room_bounds_it() {
    let mut desk = Desk::progressive(0);
    for agent in [2, 0, 1] {
        desk.now += Duration::from_secs(1);
        desk.tell(EventKind::AgentReady { agent: AgentKey(agent) });
    }
    assert_eq!(desk.decide(&wishes(&[(0, 1), (1, 1), (2, 1), (9, 1)]), 2).0, [AgentKey(2), AgentKey(0)]);
}

#[test]
fn who_is_away_leaves_contacts_waiting() {
    let mut desk = Desk::progressive(2);
    desk.tell(EventKind::AgentAway { agent: AgentKey(0) });
    assert_eq!(desk.decide(&wishes(&[(0, 3)]), 100), (vec![], 1));
    desk.tell(EventKind::AgentReady { agent: AgentKey(0) });
    assert_eq!(desk.decide(&wishes(&[(0, 3)]), 100).0, [AgentKey(0)]);
}

/// While the policy may have more lines than agents, owners need not wait for the pool's lines to end.
#[test]
fn a_policy_that_may_dial_more_leaves_owners_their_line() {
    let earned = Ledger { live: 10_000, ..Ledger::default() };
    let spent = Ledger { abandoned: 300, ..earned };
    for (ledger, pooled, owned) in [(earned, 6, vec![AgentKey(0)]), (spent, 2, vec![])] {
        let mut desk = Desk::new(Stop::WorstCase, ledger, Box::new(Ratio::new(3.0, ledger)), 2);
        assert_eq!(desk.decide(&wishes(&[]), 100).1, pooled);
        desk.tell(EventKind::AgentTalking { agent: AgentKey(0) });
        desk.decide(&wishes(&[(0, 1)]), 100);
        desk.tell(EventKind::AgentReady { agent: AgentKey(0) });
        assert_eq!(desk.decide(&wishes(&[(0, 1)]), 100).0, owned);
    }
}

/// A line whose owner has gone has nobody for its answer: the pool has one line less.
#[test]
fn a_line_whose_owner_has_gone_counts_against_the_pool() {
    let mut desk = Desk::progressive(1);
    assert_eq!(desk.decide(&wishes(&[(0, 1)]), 100).0, [AgentKey(0)]);
    desk.tell(EventKind::AgentLeft { agent: AgentKey(0) });
    desk.tell(EventKind::AgentReady { agent: AgentKey(1) });
    assert_eq!(desk.decide(&wishes(&[]), 100).1, 0);
    desk.tell(EventKind::AgentReady { agent: AgentKey(0) });
    assert!(desk.team.floor.is_apart(AgentKey(0)), "back, and the line still out");
    assert_eq!(desk.decide(&wishes(&[]), 100).1, 1);
}

/// Owners' answers and abandons are charged to the one ledger, and their talks are not the pool's.
#[test]
fn one_ledger_for_both() {
    let mut pacer = Predictive::new(PredictiveOptions::default(), Ledger::default());
    let (call, agent) = (CallKey(1), AgentKey(1));
    for kind in [
        EventKind::AgentReady { agent },
        EventKind::AgentApart { agent },
        EventKind::CallPlacedFor { call, segment: SEGMENT, agent },
        EventKind::CallAnswered { call },
        EventKind::CallAbandoned { call, agent_lost: true },
        EventKind::CallEnded { call, ending: Ending::Answered },
    ] {
        pacer.observe(&Event { at: Duration::from_secs(1), kind });
    }
    assert_eq!(pacer.ledger(), Ledger { live: 1, abandoned: 1, agent_lost: 1, machines: 0 });
    assert_eq!(pacer.refused_events(), 0);
    let capacity = Capacity {
        now: Duration::from_secs(2),
        lines_free: 9,
        calls_per_second_free: 9,
        supply: 9,
        limits: LIMITS,
        upcoming: Upcoming::default(),
        outlook: None,
    };
    assert_eq!(pacer.decide(&capacity).place, 0, "the pool has nobody");
    let back = Event { at: Duration::from_secs(3), kind: EventKind::AgentPooled { agent } };
    pacer.observe(&back);
    assert_eq!(pacer.decide(&Capacity { now: back.at, ..capacity }).place, 1);
}

/// A predictive pacer that accepts this risk.
fn accepting(risk: f64, ledger: Ledger) -> Box<Predictive> {
    let options = PredictiveOptions { accepted_risk: Some(risk), ..PredictiveOptions::default() };
    Box::new(Predictive::new(options, ledger))
}

const EARNED: Ledger = Ledger { live: 10_000, abandoned: 0, agent_lost: 0, machines: 0 };

/// An owner in wrap-up and one who talks, both apart, and two agents in the pool.
fn owners_at_work(risk: f64, ledger: Ledger) -> Desk {
    let mut desk = Desk::new(Stop::Forecast, ledger, accepting(risk, ledger), 4);
    desk.tell(EventKind::AgentTalking { agent: AgentKey(0) });
    desk.tell(EventKind::AgentTalking { agent: AgentKey(1) });
    desk.tell(EventKind::AgentWrapUp { agent: AgentKey(1) });
    desk.decide(&wishes(&[(0, 9), (1, 9)]), 0);
    desk.now += Duration::from_secs(1);
    desk
}

/// Who is in wrap-up is called ahead before who has just begun to talk; a higher price calls more.
#[test]
fn owners_are_called_ahead_as_far_as_the_risk_goes() {
    let own = wishes(&[(0, 9), (1, 9)]);
    for (risk, called) in [(0.0, vec![]), (0.6, vec![AgentKey(1)])] {
        let mut desk = owners_at_work(risk, EARNED);
        assert_eq!(desk.decide(&own, 100).0, [], "nobody is free");
        let ahead = desk.call_ahead(&own, 100);
        let reason = ahead.reason.unwrap();
        assert_eq!((ahead.lines, reason.bound), (called, Bound::Ramp), "{risk}");
        assert!(reason.forecast.is_some_and(|it| it.risk > risk), "{reason:?}");
        assert_eq!(desk.call_ahead(&own, 100).lines, [], "no more a moment later");
    }
    let mut desk = owners_at_work(1.0, EARNED);
    desk.decide(&own, 100);
    let ahead = desk.call_ahead(&own, 3);
    assert_eq!((ahead.lines.len(), ahead.reason.unwrap().bound), (3, Bound::Lines));
    let mut desk = owners_at_work(1.0, EARNED);
    desk.decide(&own, 100);
    let ahead = desk.call_ahead(&wishes(&[(0, 1), (1, 100)]), 100);
    let of = |agent| ahead.lines.iter().filter(|owner| **owner == AgentKey(agent)).count();
    assert_eq!((of(0), of(1)), (1, OWN_LINES_MAX), "contacts in hand, and the most lines of one owner");
    assert_eq!(ahead.reason.unwrap().bound, Bound::Supply);
}

/// A second line leaves for a free owner once the first will hardly be answered any more.
#[test]
fn a_free_owner_gets_a_second_line_when_the_first_has_rung_long() {
    let own = wishes(&[(0, 9)]);
    let mut desk = Desk::new(Stop::Forecast, EARNED, accepting(0.1, EARNED), 1);
    assert_eq!(desk.decide(&own, 100).0, [AgentKey(0)]);
    assert_eq!(desk.call_ahead(&own, 100).lines, []);
    desk.now += Duration::from_secs(30);
    desk.decide(&own, 100);
    assert_eq!(desk.call_ahead(&own, 100).lines, [AgentKey(0)]);
    // Lines are out and nothing was heard for minutes: something is wrong.
    desk.now += Duration::from_secs(300);
    desk.decide(&own, 100);
    assert_eq!(desk.call_ahead(&own, 100), Ahead::default());
}

/// Nobody is called ahead while the hard stop holds, without a message, or by a policy without a forecast.
#[test]
fn nobody_is_called_ahead_beyond_the_limit() {
    let own = wishes(&[(0, 9), (1, 9)]);
    let spent = Ledger { abandoned: 300, ..EARNED };
    let mut desk = owners_at_work(1.0, spent);
    assert_eq!(desk.decide(&own, 100).1, 2, "one line per free agent of the pool");
    let ahead = desk.call_ahead(&own, 100);
    assert_eq!((ahead.lines, ahead.reason.unwrap().bound), (vec![], Bound::Budget));
    let mut desk = owners_at_work(1.0, EARNED);
    desk.ask(&own, 100, Limits { over_dial: false, ..LIMITS });
    assert_eq!(desk.call_ahead(&own, 100), Ahead::default());
    let mut desk = Desk::progressive(1);
    desk.tell(EventKind::AgentTalking { agent: AgentKey(0) });
    desk.decide(&own, 100);
    assert_eq!(desk.call_ahead(&own, 100), Ahead::default());
}

/// What owners' lines expose is no longer there for the pool, and the other way round.
#[test]
fn owners_and_pool_share_what_the_hard_stop_leaves() {
    // Allows five calls.
    let tight = Ledger { live: 1_000, abandoned: 24, ..EARNED };
    let own = wishes(&[(0, 9), (1, 9)]);
    let mut desk = owners_at_work(1.0, tight);
    let (before, _) = desk.ask(&own, 0, LIMITS);
    let ahead = desk.call_ahead(&own, 100);
    assert!((1..=5).contains(&ahead.lines.len()), "{ahead:?}");
    assert_eq!(ahead.reason.unwrap().bound, Bound::Budget);
    let (after, _) = desk.ask(&own, 0, LIMITS);
    let left = |decision: &Decision| decision.reason.forecast.unwrap().allowance;
    let exposure = ahead.reason.unwrap().forecast.unwrap().exposure;
    assert!((left(&before) - left(&after) - exposure).abs() < 0.2, "{before:?} {after:?}");
    let mut desk = owners_at_work(1.0, tight);
    let (pooled, _) = desk.ask(&own, 100, LIMITS);
    let forecast = pooled.reason.forecast.unwrap();
    let for_owners = desk.call_ahead(&own, 100).reason.unwrap().forecast.unwrap().allowance;
    assert!((forecast.allowance - forecast.exposure - for_owners).abs() < 1e-9);
}

/// Owners' calls and agents teach what calls and agents do: a team of owners alone learns as any other.
#[test]
fn owners_teach_the_policy() {
    let mut desk = Desk::new(Stop::Forecast, EARNED, accepting(0.03, EARNED), 1);
    let own = wishes(&[(0, 9)]);
    for _ in 0..60 {
        desk.decide(&own, 1);
        let call = CallKey(desk.calls);
        desk.now += Duration::from_secs(20);
        // Nobody ever answers.
        desk.tell(EventKind::CallEnded { call, ending: Ending::Callee });
    }
    desk.decide(&own, 1);
    assert!(!desk.call_ahead(&own, 1).lines.is_empty(), "its line will hardly be answered");
}

#[derive(Clone, Debug)]
enum Step {
    Agent(u64, u8),
    Call(u64, u8),
    Decide(Vec<(u64, u32)>, u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u64..6, 0u8..5).prop_map(|(agent, to)| Step::Agent(agent, to)),
        (1u64..60, 0u8..4).prop_map(|(call, to)| Step::Call(call, to)),
        (proptest::collection::vec((0u64..7, 0u32..3), 0..5), 0u32..20)
            .prop_map(|(wishes, room)| Step::Decide(wishes, room)),
    ]
}

fn any_desk(which: u8) -> Desk {
    let earned = Ledger { live: 500, ..Ledger::default() };
    let predictive = |ledger| Box::new(Predictive::new(PredictiveOptions::default(), ledger));
    match which {
        0 => Desk::progressive(0),
        1 => Desk::new(Stop::WorstCase, Ledger::default(), Box::new(Ratio::new(2.0, Ledger::default())), 0),
        2 => Desk::new(Stop::WorstCase, earned, Box::new(Ratio::new(3.0, earned)), 0),
        3 => Desk::new(Stop::Forecast, Ledger::default(), predictive(Ledger::default()), 0),
        4 => Desk::new(Stop::Forecast, earned, predictive(earned), 0),
        _ => Desk::new(Stop::Forecast, earned, accepting(0.4, earned), 0),
    }
}

proptest! {
    /// Whatever happens: no line leaves beyond one per free agent while the stop holds, nobody has two lines of their own but
    /// by a forecast, and nobody is counted for the pool and apart.
    #[test]
    fn nobody_is_counted_twice(
        which in 0u8..6,
        steps in proptest::collection::vec(any_step(), 0..120),
    ) {
        let mut desk = any_desk(which);
        for step in steps {
            desk.now += Duration::from_millis(300);
            let told = match step {
                Step::Agent(agent, to) => {
                    let agent = AgentKey(agent);
                    match to {
                        0 | 1 => EventKind::AgentReady { agent },
                        2 => EventKind::AgentWrapUp { agent },
                        3 => EventKind::AgentAway { agent },
                        _ => EventKind::AgentLeft { agent },
                    }
                }
                Step::Call(call, to) => {
                    let call = CallKey(call);
                    match to {
                        0 => EventKind::CallAnswered { call },
                        1 => EventKind::CallAbandoned { call, agent_lost: false },
                        _ => EventKind::CallEnded { call, ending: Ending::Callee },
                    }
                }
                Step::Decide(agents, room) => {
                    let wishes = wishes(&agents);
                    let (free, before) = desk.whole();
                    let allowed = desk.team.excess(&LIMITS);
                    let (lines, pooled) = desk.decide(&wishes, room);
                    let owned = u32::try_from(lines.len()).unwrap();
                    let stopped = desk.team.excess(&LIMITS) == 0;
                    prop_assert!(owned + pooled <= room);
                    let allowed = free.saturating_add(allowed.max(desk.team.excess(&LIMITS)));
                    let (_, out) = desk.whole();
                    prop_assert!(owned + pooled == 0 || out <= allowed, "{out} lines, {free} free of {before}");
                    for agent in &lines {
                        prop_assert_eq!(desk.team.floor.own_lines(*agent), 1);
                        prop_assert_eq!(desk.team.floor.activity(*agent), Some(AgentActivity::Ready));
                        prop_assert!(wishes.get(agent).is_some_and(|in_hand| *in_hand > 0));
                    }
                    let left = room - owned - pooled;
                    let ahead = desk.call_ahead(&wishes, left).lines;
                    prop_assert!(ahead.len() <= left as usize && (ahead.is_empty() || !stopped));
                    for agent in &ahead {
                        prop_assert!(desk.team.floor.is_apart(*agent));
                        prop_assert!(desk.team.floor.own_lines(*agent) as usize <= OWN_LINES_MAX);
                        prop_assert!(wishes.get(agent).is_some_and(|in_hand| *in_hand > 0));
                    }
                    continue;
                }
            };
            let event = Event { at: desk.now, kind: told };
            let _ = desk.team.observe(&event);
            desk.policy.observe(&event);
            let floor = &desk.team.floor;
            let ready = (0..6).filter(|it| floor.activity(AgentKey(*it)) == Some(AgentActivity::Ready));
            prop_assert_eq!(desk.whole().0, u32::try_from(ready.count()).unwrap());
            prop_assert!(which >= 3 || (0..6).all(|it| floor.own_lines(AgentKey(it)) <= 1));
        }
    }
}
