//! Random news in random order: nothing panics, and what must always hold holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_pacing::policy::predictive::OWN_LINES_MAX;
use proptest::prelude::*;

use super::desk::{Desk, Seen, dialog, due, route, spec};
use crate::agent::{AgentCommand, AgentSignal, AgentState, PreviewChoice};
use crate::attempt::event::Phase;
use crate::campaign::CampaignCommand;
use crate::campaign::spec::{CampaignSpec, InboundSpec, Mode, Unanswered, WrapUp};
use crate::id::{AttemptId, CampaignId, RequestId, TaskId};
use crate::input::{EndedBy, Failure, Input};
use crate::trunk::{Room, TrunkRoom};

/// The number that can be called.
const NUMBER: &str = "+15550177";

/// Its callers are taken.
fn called() -> InboundSpec {
    InboundSpec {
        numbers: vec![NUMBER.to_owned()],
        message: Some("sorry.wav".into()),
        ..InboundSpec::default()
    }
}

#[derive(Clone, Debug)]
enum Move {
    Pass(u64),
    /// News of the attempt that is so many behind the latest.
    News(u64, u8),
    Agent(u8, u8),
    Campaign(u8),
    /// Somebody calls: a contact of the list or nobody of it.
    Called(u64),
    Store(bool),
    Slow(bool),
    Trunk(bool),
    /// Free lines of two trunks, the first of which may be the one that is always taken.
    Room(u32, u32, bool),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (1u64..4_000).prop_map(Move::Pass),
        12 => (0u64..6, 0u8..18).prop_map(|(back, news)| Move::News(back, news)),
        4 => (0u8..4, 0u8..12).prop_map(|(agent, news)| Move::Agent(agent, news)),
        1 => (0u8..6).prop_map(Move::Campaign),
        2 => (0u64..24).prop_map(Move::Called),
        1 => any::<bool>().prop_map(Move::Store),
        1 => any::<bool>().prop_map(Move::Slow),
        1 => any::<bool>().prop_map(Move::Trunk),
        1 => (0u32..4, 0u32..4, any::<bool>()).prop_map(|(one, other, taken)| Move::Room(one, other, taken)),
    ]
}

fn news(attempt: AttemptId, which: u8) -> Input {
    let ended = |by| Input::Ended { attempt, by, reason: "bye".into() };
    match which {
        0 | 1 => Input::Placed { attempt },
        2 => Input::Ringing { attempt, early_media: false },
        3 | 4 => Input::Answered { attempt, dialog: dialog() },
        5 => Input::Failed { attempt, failure: Failure::Status(486) },
        6 => Input::Failed { attempt, failure: Failure::Cancelled },
        7 => ended(EndedBy::Callee),
        8 => ended(EndedBy::Us),
        9 | 10 => Input::Connected { attempt },
        11 => Input::AgentLeft { attempt },
        12 => Input::Busy { attempt },
        13 | 14 => Input::Diverted { attempt, failure: Failure::Status(503), route: route("other") },
        15 => Input::HandedOver { attempt, agent: "agent1".into() },
        16 => Input::HandedOver { attempt, agent: "agent2".into() },
        _ => Input::ConnectFailed { attempt, agent: "agent1".into() },
    }
}

fn agent(user: String, which: u8, attempt: AttemptId, shown: TaskId) -> Input {
    let request = RequestId(1_000_000);
    let command = match which {
        0 => return Input::AgentUnreachable { agent: user },
        1 if attempt.0 % 2 == 1 => return Input::AgentEngaged { agent: user },
        1 | 2 => return Input::AgentReachable { agent: user, leg: Some(dialog()) },
        3 => AgentCommand::Break { agent: user, reason: "tea".into() },
        4 => AgentCommand::Ready { agent: user },
        5 => AgentCommand::SignOn { agent: user },
        6 => AgentCommand::HangUp { agent: user },
        7 => AgentCommand::Signal { agent: user, signal: AgentSignal::FormOpened },
        8 => AgentCommand::Signal { agent: user, signal: AgentSignal::Finishing },
        9 => AgentCommand::Preview { agent: user, task: shown, choice: PreviewChoice::Call },
        10 => AgentCommand::Preview { agent: user, task: shown, choice: PreviewChoice::Skip },
        _ => {
            AgentCommand::Dispose { agent: user, attempt, disposition: "success".into(), note: String::new() }
        }
    };
    Input::Agent { request, command }
}

/// Lets one thing happen; what is asked of a campaign is asked of each in turn.
fn carry_out(desk: &mut Desk, campaigns: &[CampaignId], step: Move) {
    match step {
        Move::Pass(milliseconds) => desk.pass(milliseconds),
        Move::News(back, which) => {
            let attempt = AttemptId(desk.dialer.last_attempt.saturating_sub(back));
            let placed = desk.placed.contains(&attempt);
            let called = desk.seen.contains(&Seen::Ring(attempt));
            if placed || (called && which != 12) {
                desk.tell(news(attempt, which));
            } else if which == 0 {
                desk.tell(Input::Reserved { attempt, route: route("again") });
            }
        }
        Move::Agent(user, which) => {
            let attempt = AttemptId(desk.dialer.last_attempt);
            let user = format!("agent{user}");
            let views = desk.dialer.live(desk.now()).agents;
            let view = views.into_iter().find(|agent| agent.user == user);
            let shown = view.and_then(|agent| agent.preview).map_or(TaskId(0), |shown| shown.task);
            desk.tell(agent(user, which, attempt, shown));
        }
        Move::Campaign(which) => {
            let at = desk.clock.as_millis() as usize % campaigns.len();
            let campaign = campaigns[at];
            let command = match which {
                0 => CampaignCommand::Pause(campaign),
                1 => CampaignCommand::Stop(campaign),
                2 => CampaignCommand::Abort(campaign),
                _ => CampaignCommand::Start(campaign),
            };
            let _ = desk.command(command);
        }
        Move::Called(task) => {
            desk.called(NUMBER, Some(&due(task).number));
        }
        Move::Store(down) => desk.store_down = down,
        Move::Slow(slow) => {
            desk.store_slow = slow;
            desk.store_answers();
        }
        Move::Trunk(busy) => desk.busy = busy,
        Move::Room(one, other, taken) => {
            desk.trunk_taken = taken.then(|| "one".into());
            let trunks = [("one", one), ("other", other)];
            let trunks = trunks.map(|(name, lines)| TrunkRoom {
                name: name.into(),
                lines_free: lines,
                calls_per_second_free: 3,
            });
            desk.tell(Input::Room(Room { lines_free: 5, trunks: trunks.to_vec() }));
        }
    }
}

/// What must hold at every moment of several campaigns that share agents; the second takes the first two agents alone.
fn check_shared(desk: &Desk, campaigns: &[CampaignId]) -> Result<(), TestCaseError> {
    let dialer = &desk.dialer;
    let refused = dialer.campaigns.values().map(|campaign| campaign.pacing.refused_events()).sum::<u64>();
    prop_assert_eq!(refused, 0, "the pacers hear only what can have happened");
    for user in (0..4).map(|agent| format!("agent{agent}")) {
        let Some(key) = dialer.floor.key(&user) else { continue };
        let counts = dialer.campaigns.values().filter(|it| it.pacing.team.activity(key).is_some()).count();
        prop_assert!(counts <= 1, "{} counts for {} campaigns", user, counts);
    }
    let calls: Vec<_> =
        dialer.live(desk.now()).agents.into_iter().filter_map(|agent| agent.attempt).collect();
    prop_assert_eq!(calls.iter().collect::<BTreeSet<_>>().len(), calls.len(), "one call an agent");
    let connects = desk.seen.iter().filter_map(|seen| match seen {
        Seen::Connect(attempt, agent) => Some((desk.tasks[desk.claimed.get(attempt)?].campaign, agent)),
        _ => None,
    });
    for (campaign, agent) in connects {
        prop_assert!(campaign != campaigns[1] || ["agent1", "agent2"].contains(&agent.as_str()), "{}", agent);
    }
    Ok(())
}

/// What must hold at every moment.
fn check(desk: &Desk, campaign: CampaignId) -> Result<(), TestCaseError> {
    let dialer = &desk.dialer;
    // One open attempt per contact and per number, each with an open row at most.
    let contacts: BTreeSet<_> = dialer.attempts.values().map(|attempt| attempt.due.contact).collect();
    prop_assert_eq!(contacts.len(), dialer.attempts.len());
    prop_assert_eq!(dialer.contacts.len(), dialer.attempts.len());
    prop_assert_eq!(dialer.numbers.len(), dialer.attempts.len());
    // Conservation: whatever was claimed has ended or is known to be open.
    for attempt in desk.claimed.keys().filter(|attempt| !desk.ended.contains_key(attempt)) {
        prop_assert!(dialer.attempts.contains_key(attempt), "{} is lost", attempt);
    }
    // Counters, queues and shares agree with a recount.
    let view = desk.campaign(campaign);
    let count = |phase| dialer.attempts.values().filter(|attempt| attempt.phase() == phase).count() as u64;
    let counted = (view.ringing, view.waiting, view.talking);
    prop_assert_eq!(counted, (count(Phase::Unanswered), count(Phase::Waiting), count(Phase::Talking)));
    prop_assert!(view.bridged + view.abandoned <= view.answered);
    let waiting: Vec<_> = dialer.waiting.iter().collect();
    prop_assert_eq!(waiting.len(), dialer.attempts.values().filter(|attempt| attempt.is_seeking()).count());
    prop_assert!(waiting.iter().all(|attempt| dialer.attempts[attempt].is_seeking()));
    let running = &dialer.campaigns[&campaign];
    let callers = running.attempts.iter().filter(|call| !dialer.attempts.contains_key(call)).count();
    prop_assert_eq!(running.attempts.len(), dialer.attempts.len() + callers);
    prop_assert!(
        desk.inbound.values().all(|row| row.outcome.is_some() || running.attempts.contains(&row.call))
    );
    let agents = dialer.live(desk.now()).agents;
    let in_state = |state| agents.iter().filter(|agent| agent.state == state).count() as u64;
    prop_assert_eq!(running.wrap_ups, in_state(AgentState::WrapUp));
    prop_assert_eq!(dialer.floor.idle().count() as u64, in_state(AgentState::Ready));
    // Nobody waits while somebody who could take the call is free.
    let free = dialer.floor.idle().map(|(agent, ..)| agent);
    for agent in free {
        let own = |attempt: &&AttemptId| dialer.attempts[attempt].owner.is_some();
        let held = dialer.is_held(agent);
        let mut takes = waiting.iter().filter(|attempt| !held || own(attempt));
        prop_assert!(takes.all(|attempt| !dialer.attempts[attempt].wants(agent)));
    }
    // An owner has one line where nobody foresees how many will be answered, and who looks at a contact none.
    let most = if running.spec.mode == Mode::Predictive { OWN_LINES_MAX } else { 1 };
    let mut lines = BTreeMap::<_, usize>::new();
    for attempt in dialer.attempts.values().filter(|attempt| attempt.phase() == Phase::Unanswered) {
        let Some(owner) = attempt.owner else { continue };
        let lines = lines.entry(owner).or_default();
        *lines += 1;
        prop_assert!(*lines <= most, "{} lines for one agent", lines);
        prop_assert!(dialer.offers.of(owner).is_none());
    }
    // An agent has one call, and a call one agent.
    let in_call = |state| matches!(state, AgentState::Reserved | AgentState::Talking);
    let calls: Vec<_> =
        agents.iter().filter(|agent| in_call(agent.state)).filter_map(|agent| agent.attempt).collect();
    prop_assert_eq!(calls.iter().collect::<BTreeSet<_>>().len(), calls.len());
    prop_assert_eq!(
        dialer.campaigns.values().map(|campaign| campaign.pacing.refused_events()).sum::<u64>(),
        0,
        "the pacer hears only what can have happened"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn campaigns_that_share_agents_count_nobody_twice(
        moves in proptest::collection::vec(any_move(), 1..150), first in 0..3_u8, second in 0..3_u8, weight in 1..5_u32,
    ) {
        let mode = |which| match which {
            0 => Mode::Progressive,
            1 => Mode::Preview,
            _ => Mode::Predictive,
        };
        let shared = CampaignSpec {
            safe_harbour: Some("sorry.wav".into()),
            preview_timeout: Duration::from_secs(2),
            preview_unanswered: Unanswered::Call,
            inbound: called(),
            ..spec()
        };
        let (mut desk, one) = Desk::running(CampaignSpec { mode: mode(first), ..shared.clone() }, 3, 12);
        let agents = vec!["agent1".to_owned(), "agent2".to_owned()];
        let two = desk.create(CampaignSpec { mode: mode(second), agents, weight, ..shared });
        (13..=20).for_each(|task| desk.add_task(two, task));
        (21..=24).for_each(|task| desk.add_owned(two, task, "agent2"));
        desk.command(CampaignCommand::Start(two)).unwrap();
        for step in moves {
            carry_out(&mut desk, &[one, two], step);
            check_shared(&desk, &[one, two])?;
        }
    }

    #[test]
    fn nothing_is_lost_or_done_twice(
        moves in proptest::collection::vec(any_move(), 1..150),
        mode in 0..5_u8,
        by_hand in any::<bool>(),
        owned in any::<bool>(),
    ) {
        let mut spec = CampaignSpec { abandon_limit: 1.0, safe_harbour: Some("sorry.wav".into()), ..spec() };
        spec.mode = match mode {
            0 => Mode::Progressive,
            1 => Mode::Ratio,
            2 => Mode::Adaptive,
            3 => Mode::Predictive,
            _ => Mode::Preview,
        };
        spec.ratio = 3.0;
        if by_hand {
            spec.wrap_up = WrapUp::Agent;
        }
        spec.closure.retry.insert(crate::attempt::outcome::Outcome::Busy, Duration::from_secs(5));
        spec.preview_unanswered = if by_hand { Unanswered::Skip } else { Unanswered::Call };
        spec.preview_timeout = Duration::from_secs(3);
        let (mut desk, campaign) = Desk::running(spec, 3, 12);
        if owned {
            (13..=20).for_each(|task| desk.add_owned(campaign, task, &format!("agent{}", task % 3)));
            desk.command(CampaignCommand::ListChanged(campaign)).unwrap();
        }
        for step in moves {
            carry_out(&mut desk, &[campaign], step);
            check(&desk, campaign)?;
        }
        // Everything heals: the campaign is stopped, every call ends, every batch becomes durable.
        desk.store_down = false;
        desk.store_slow = false;
        desk.store_answers();
        let _ = desk.command(CampaignCommand::Start(campaign));
        desk.command(CampaignCommand::Abort(campaign)).unwrap();
        desk.pass(5_000);
        for attempt in desk.placed.clone() {
            desk.ends(attempt, EndedBy::Us);
        }
        desk.pass(5_000);
        for attempt in desk.claimed.keys() {
            prop_assert!(desk.ended.contains_key(attempt), "{} has no ending", attempt);
        }
        prop_assert!(desk.dialer.attempts.is_empty());
        let view = desk.campaign(campaign);
        prop_assert_eq!((view.ringing, view.waiting, view.talking), (0, 0, 0));
        if !by_hand {
            prop_assert!(desk.saw(&Seen::Finished(campaign)));
        }
    }
}
