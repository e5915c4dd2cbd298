//! Contacts with an owner: called for that agent alone, beside the pool.

use std::time::Duration;

use carillon_pacing::policy::predictive::OWN_LINES_MAX;

use super::desk::{Desk, Seen, spec};
use crate::agent::{AgentCommand, AgentState};
use crate::attempt::outcome::Outcome;
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::{AttemptId, TaskId};
use crate::input::{EndedBy, Failure, Input};

fn tasks_placed(desk: &Desk) -> Vec<u64> {
    desk.placed.iter().map(|attempt| desk.claimed[attempt].0).collect()
}

fn attempt_of(desk: &Desk, task: u64) -> AttemptId {
    let of = |attempt: &&AttemptId| desk.claimed[attempt] == TaskId(task);
    *desk.placed.iter().rev().find(of).expect("was placed")
}

#[test]
fn an_owned_contact_is_bridged_to_its_owner_alone() {
    let (mut desk, campaign) = Desk::running(spec(), 3, 0);
    desk.add_owned(campaign, 1, "agent3");
    desk.add_task(campaign, 2);
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(200);
    assert_eq!(tasks_placed(&desk), [1, 2]);
    let (owned, pooled) = (attempt_of(&desk, 1), attempt_of(&desk, 2));
    for attempt in [pooled, owned] {
        desk.tell(Input::Placed { attempt });
        desk.answer_call(attempt);
    }
    assert!(desk.saw(&Seen::Connect(owned, "agent3".into())), "though others have waited longer");
    assert!(desk.saw(&Seen::Connect(pooled, "agent1".into())));
}

#[test]
fn an_owner_with_a_line_out_is_not_counted_for_the_pool_nor_given_its_calls() {
    let (mut desk, campaign) = Desk::running(spec(), 2, 10);
    desk.add_owned(campaign, 11, "agent1");
    desk.command(CampaignCommand::ListChanged(campaign)).unwrap();
    desk.pass(200);
    let placed = tasks_placed(&desk);
    assert_eq!(placed, [11, 1], "one line an agent, owners and pool together");
    let other = attempt_of(&desk, 1);
    desk.tell(Input::AgentUnreachable { agent: "agent2".into() });
    desk.tell(Input::Placed { attempt: other });
    desk.answer_call(other);
    desk.pass(2_100);
    assert!(desk.saw(&Seen::HangUp(other)), "agent1 waits for their own call");
    assert_eq!(desk.state("agent1"), AgentState::Ready);
}

#[test]
fn who_is_away_has_contacts_that_wait() {
    let spec = CampaignSpec { time_limit: Some(Duration::from_secs(3_600)), ..spec() };
    let (mut desk, campaign) = Desk::running(spec, 1, 0);
    desk.add_owned(campaign, 1, "agent2");
    desk.add_owned(campaign, 2, "agent2");
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(60_000);
    assert!(desk.placed.is_empty());
    let view = desk.campaign(campaign);
    assert_eq!((view.state, view.tasks_open, view.tasks_waiting_for_owner), (CampaignState::Running, 2, 2));
    assert!(view.pacing_reason.ends_with("2 tasks wait for an owner who takes no calls now: agent2"));
    desk.sign_on("agent2");
    desk.pass(200);
    assert_eq!(tasks_placed(&desk), [1]);
    assert_eq!(desk.campaign(campaign).tasks_waiting_for_owner, 0);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.fails(attempt, Failure::Status(404));
    desk.ask(AgentCommand::Break { agent: "agent2".into(), reason: "lunch".into() }).unwrap();
    desk.pass(60_000);
    assert_eq!((tasks_placed(&desk), desk.campaign(campaign).tasks_waiting_for_owner), (vec![1], 1));
    desk.ask(AgentCommand::Ready { agent: "agent2".into() }).unwrap();
    desk.pass(200);
    assert_eq!(tasks_placed(&desk), [1, 2]);
}

/// An answer whose owner has gone waits for nobody else: it is abandoned, and that is charged to a lost agent.
#[test]
fn an_owner_lost_while_it_rings_lets_the_call_down() {
    let message = CampaignSpec { safe_harbour: Some("sorry.wav".into()), ..spec() };
    let (mut desk, campaign) = Desk::running(message, 2, 0);
    desk.add_owned(campaign, 1, "agent1");
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    desk.answer_call(attempt);
    desk.pass(1_900);
    assert!(desk.saw(&Seen::Message(attempt)));
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt).0, Outcome::Abandoned);
    assert_eq!(desk.campaign(campaign).abandoned, 1);
}

#[test]
fn an_owner_who_comes_back_in_time_takes_the_call() {
    let (mut desk, campaign) = Desk::running(spec(), 2, 0);
    desk.add_owned(campaign, 1, "agent1");
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    desk.answer_call(attempt);
    desk.pass(500);
    desk.tell(Input::AgentReachable { agent: "agent1".into(), leg: None });
    assert!(desk.saw(&Seen::Connect(attempt, "agent1".into())));
}

/// By a forecast an owner may have several lines. An answer that finds the owner busy waits for nobody else.
#[test]
fn lines_called_ahead_wait_for_their_owner_alone() {
    let spec = CampaignSpec {
        mode: Mode::Predictive,
        abandon_limit: 1.0,
        safe_harbour: Some("sorry.wav".into()),
        ..spec()
    };
    let (mut desk, campaign) = Desk::running(spec, 2, 0);
    (1..=600).for_each(|task| desk.add_owned(campaign, task, "agent1"));
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(200);
    // The longer they ring the less likely is their answer.
    let mut told = 0;
    for _ in 0..20 {
        for attempt in desk.placed.clone().into_iter().skip(told) {
            desk.tell(Input::Placed { attempt });
            told += 1;
        }
        desk.pass(1_000);
    }
    let reason = desk.campaign(campaign).pacing_reason;
    assert!(reason.contains("; owners: "), "the plan is explained: {reason}");
    let placed = tasks_placed(&desk);
    assert!((2..=OWN_LINES_MAX).contains(&placed.len()) && placed[..2] == [1, 2], "{placed:?}: {reason}");
    let (first, second) = (attempt_of(&desk, 1), attempt_of(&desk, 2));
    desk.answer_call(first);
    desk.answer_call(second);
    desk.tell(Input::Connected { attempt: first });
    assert!(desk.saw(&Seen::Connect(first, "agent1".into())));
    desk.pass(1_500);
    assert!(!desk.saw(&Seen::Message(second)), "the owner may still come in time");
    desk.pass(500);
    assert!(desk.saw(&Seen::Message(second)));
    assert!(!desk.saw(&Seen::Connect(second, "agent2".into())));
    assert_eq!((desk.campaign(campaign).abandoned, desk.state("agent2")), (1, AgentState::Ready));
}

/// Several contacts of several owners, all modes: everybody is called in the end, nobody by another agent, and no owner has
/// more lines than the mode may have. The desk checks each bridge.
#[test]
fn every_mode_works_through_owned_and_pooled_contacts() {
    for mode in [Mode::Progressive, Mode::Ratio, Mode::Adaptive, Mode::Predictive] {
        let spec = CampaignSpec { mode, safe_harbour: Some("sorry.wav".into()), ..spec() };
        let (mut desk, campaign) = Desk::running(spec, 3, 6);
        for task in 7..=18 {
            desk.add_owned(campaign, task, ["agent1", "agent2"][task as usize % 2]);
        }
        desk.command(CampaignCommand::ListChanged(campaign)).unwrap();
        for _ in 0..400 {
            desk.pass(500);
            let open: Vec<AttemptId> =
                desk.placed.iter().copied().filter(|attempt| !desk.ended.contains_key(attempt)).collect();
            for agent in ["agent1", "agent2"] {
                let own = open.iter().filter(|attempt| {
                    let due = &desk.tasks[&desk.claimed[attempt]].due;
                    due.owner.as_deref() == Some(agent)
                });
                let most = if mode == Mode::Predictive { OWN_LINES_MAX } else { 1 };
                assert!(own.count() <= most, "{mode:?}: {agent} has too many lines");
            }
            let Some(attempt) = open.first().copied() else { continue };
            desk.tell(Input::Placed { attempt });
            desk.answer_call(attempt);
            desk.tell(Input::Connected { attempt });
            desk.ends(attempt, EndedBy::Callee);
        }
        let open = desk.tasks.values().filter(|row| row.state == crate::task::TaskState::Open).count();
        assert_eq!((open, desk.campaign(campaign).state), (0, CampaignState::Ended), "{mode:?}");
        assert_eq!(desk.campaign(campaign).bridged, 18);
    }
}
