//! A new process takes over from one that died.

use std::collections::BTreeMap;
use std::time::Duration;

use super::desk::{Desk, START, Seen, dialog, route, spec};
use crate::agent::AgentCommand;
use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::spec::{CampaignSpec, Mode, WrapUp};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::output::Reply;
use crate::store::read::{Interrupted, OpenAttempt, PeriodCounts, Recovered, RecoveredCampaign, Undisposed};
use crate::store::write::{OrphanRow, Write};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

const CAMPAIGN: CampaignId = CampaignId(3);

pub fn campaign(spec: CampaignSpec, state: CampaignState) -> RecoveredCampaign {
    RecoveredCampaign {
        campaign: CAMPAIGN,
        spec,
        state,
        started_at: Some(START),
        elapsed: Duration::from_secs(40),
        answered: 100,
        abandoned: 0,
        placed: 300,
        bridged: 100,
        period: PeriodCounts { since: Utc(i64::MIN), answered: 100, abandoned: 0, machines: 0 },
        learnt: None,
        journal: Default::default(),
    }
}

fn open(attempt: u64, answered: bool) -> OpenAttempt {
    OpenAttempt {
        attempt: AttemptId(attempt),
        campaign: CAMPAIGN,
        task: TaskId(attempt),
        contact: ContactId(attempt),
        number: format!("+1555{attempt:07}"),
        timezone: Some("UTC".into()),
        attempts: 1,
        first_attempt_at: Some(START),
        intent_at: START,
        placed_at: Some(START),
        answered_at: answered.then_some(START),
        bridged_at: None,
        orphan: OrphanRow { route: route("one"), dialog: answered.then(dialog) },
    }
}

#[test]
fn open_attempts_become_interrupted_and_wait_for_silence() {
    let recovered = Recovered {
        last_attempt: 7,
        last_campaign: 3,
        campaigns: vec![campaign(
            CampaignSpec { ring_timeout: Duration::from_secs(90), ..spec() },
            CampaignState::Running,
        )],
        open_attempts: vec![open(7, false)],
        agent_legs: BTreeMap::from([("agent1".into(), OrphanRow { route: route("agent1"), dialog: None })]),
        ..Recovered::default()
    };
    let mut desk = Desk::with(Recovered::default());
    desk.add_task(CAMPAIGN, 7);
    let tasks = desk.tasks.clone();
    desk = Desk::with_tasks(recovered, tasks);
    assert_eq!(desk.ending(AttemptId(7)), (Outcome::Interrupted, "restart"));
    assert_eq!(desk.ended[&AttemptId(7)].attribution, Attribution::Us);
    assert_eq!(desk.retry_in(7), Some(Duration::from_secs(95)));
    assert!(desk.saw(&Seen::Adopt("call-one".into())) && desk.saw(&Seen::Adopt("call-agent1".into())));
    desk.sign_on("agent1");
    desk.pass(94_000);
    assert!(desk.placed.is_empty(), "not before the old call is over");
    desk.pass(2_000);
    assert_eq!(desk.last(), AttemptId(8), "ids go on");
}

/// Of a consultation: nobody writes over it, so it is forgotten once it is seen to.
#[test]
fn further_legs_of_phones_are_ended_and_forgotten() {
    let key = crate::store::write::line_key("call-line");
    let row = |name| OrphanRow { route: route(name), dialog: Some(dialog()) };
    let legs = [(key.clone(), row("line")), ("agent1".into(), row("agent1"))];
    let desk = Desk::with(Recovered { agent_legs: BTreeMap::from(legs), ..Recovered::default() });
    assert!(desk.saw(&Seen::Adopt("call-line".into())) && desk.saw(&Seen::Adopt("call-agent1".into())));
    let gone = desk.writes.iter().filter_map(|write| match write {
        Write::AgentLeg { agent, leg: None } => Some(agent.clone()),
        _ => None,
    });
    assert_eq!(gone.collect::<Vec<_>>(), [key]);
}

/// The process died between the INVITE and the note of it.
#[test]
fn an_orphan_without_a_note_of_its_invite_counts_as_placed() {
    let unnoted = OpenAttempt { intent_at: Utc(START.0 - 7), placed_at: None, ..open(7, false) };
    let noted = OpenAttempt { intent_at: Utc(START.0 - 9), ..open(6, false) };
    let recovered = Recovered {
        last_attempt: 7,
        last_campaign: 3,
        campaigns: vec![campaign(spec(), CampaignState::Running)],
        open_attempts: vec![noted, unnoted],
        ..Recovered::default()
    };
    let desk = Desk::with(recovered);
    let placed = |attempt| {
        let times = desk.writes.iter().filter_map(move |write| match write {
            Write::Placed { attempt: of, at } if of.0 == attempt => Some(*at),
            _ => None,
        });
        times.collect::<Vec<_>>()
    };
    assert_eq!((placed(6), placed(7)), (vec![START], vec![Utc(START.0 - 7)]));
    let of_7 = |write: &&Write| match write {
        Write::Placed { attempt, .. } => attempt.0 == 7,
        Write::Ended(ended) => ended.attempt.0 == 7,
        _ => false,
    };
    let first = desk.writes.iter().find(of_7);
    assert!(matches!(first, Some(Write::Placed { .. })), "placed before it ended: {first:?}");
    assert_eq!(desk.campaign(CAMPAIGN).placed, 301);
}

#[test]
fn what_an_earlier_restart_ended_is_seen_to_again_for_three_minutes() {
    let ended = |ago_s: i64, id: &str| Interrupted {
        at: Utc(START.0 - ago_s * 1_000),
        orphan: OrphanRow { route: route(id), dialog: None },
    };
    let recovered =
        Recovered { interrupted: vec![ended(179, "young"), ended(181, "old")], ..Recovered::default() };
    let desk = Desk::with(recovered);
    assert!(desk.saw(&Seen::Adopt("call-young".into())) && !desk.saw(&Seen::Adopt("call-old".into())));
}

#[test]
fn an_answered_call_that_died_counts_as_abandoned() {
    let ratio =
        CampaignSpec { mode: Mode::Ratio, ratio: 2.0, safe_harbour: Some("sorry.wav".into()), ..spec() };
    for (died, lines) in [(0, 8), (3, 5)] {
        let recovered = Recovered {
            last_attempt: 300,
            last_campaign: 3,
            campaigns: vec![campaign(ratio.clone(), CampaignState::Running)],
            open_attempts: (1..=died).map(|attempt| open(attempt, true)).collect(),
            ..Recovered::default()
        };
        let mut desk = Desk::with(Recovered::default());
        (1..=100).for_each(|task| desk.add_task(CAMPAIGN, task));
        let tasks = desk.tasks.clone();
        desk = Desk::with_tasks(recovered, tasks);
        (1..=5).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
        desk.pass(1_000);
        assert_eq!(desk.placed.len(), lines, "the budget knows of them");
        assert_eq!(desk.campaign(CAMPAIGN).abandoned, died);
    }
}

#[test]
fn the_time_limit_goes_on_where_it_was() {
    let limited = CampaignSpec { time_limit: Some(Duration::from_secs(60)), ..spec() };
    let recovered = Recovered {
        last_campaign: 3,
        campaigns: vec![campaign(limited, CampaignState::Running)],
        ..Recovered::default()
    };
    let mut desk = Desk::with(Recovered::default());
    desk.add_task(CAMPAIGN, 1);
    let tasks = desk.tasks.clone();
    desk = Desk::with_tasks(recovered, tasks);
    desk.pass(19_000);
    assert_eq!(desk.campaign(CAMPAIGN).state, CampaignState::Running);
    desk.pass(1_500);
    assert!(desk.saw(&Seen::Finished(CAMPAIGN)));
}

#[test]
fn words_that_were_not_spoken_are_spoken_now_or_awaited() {
    let undisposed = Undisposed {
        attempt: AttemptId(5),
        campaign: CAMPAIGN,
        task: TaskId(5),
        contact: ContactId(5),
        number: "+15550000005".into(),
        timezone: Some("UTC".into()),
        attempts: 1,
        first_attempt_at: Some(START),
        agent: "agent1".into(),
    };
    for wrap_up in [spec().wrap_up, WrapUp::Agent] {
        let recovered = Recovered {
            last_campaign: 3,
            last_attempt: 5,
            campaigns: vec![campaign(
                CampaignSpec { wrap_up: wrap_up.clone(), ..spec() },
                CampaignState::Paused,
            )],
            undisposed: vec![undisposed.clone()],
            ..Recovered::default()
        };
        let mut desk = Desk::with(Recovered::default());
        desk.add_task(CAMPAIGN, 5);
        let tasks = desk.tasks.clone();
        desk = Desk::with_tasks(recovered, tasks);
        if wrap_up == WrapUp::Agent {
            assert_eq!(desk.task(5).state, TaskState::Open);
            desk.sign_on("agent1");
            let command = AgentCommand::Dispose {
                agent: "agent1".into(),
                attempt: AttemptId(5),
                disposition: "success".into(),
                note: String::new(),
            };
            assert_eq!(desk.ask(command), Ok(Reply::Done));
        }
        assert_eq!(desk.task(5).state, TaskState::Closed(ClosedReason::Success));
    }
}

#[test]
fn a_campaign_that_was_stopping_has_ended_and_can_be_started_again() {
    let recovered = Recovered {
        last_campaign: 3,
        campaigns: vec![campaign(spec(), CampaignState::Stopping)],
        ..Recovered::default()
    };
    let mut desk = Desk::with(Recovered::default());
    desk.add_task(CAMPAIGN, 1);
    let tasks = desk.tasks.clone();
    desk = Desk::with_tasks(recovered, tasks);
    desk.sign_on("agent1");
    desk.pass(1_000);
    assert_eq!(desk.campaign(CAMPAIGN).state, CampaignState::Ended);
    desk.command(CampaignCommand::Start(CAMPAIGN)).unwrap();
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 1);
}
