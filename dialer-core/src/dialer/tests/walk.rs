//! The walk of one call, from the list to the closed task.

use super::super::Options;
use super::desk::{Desk, Seen, spec};
use crate::agent::{AgentCommand, AgentState};
use crate::attempt::outcome::Outcome;
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::input::{EndedBy, Failure, Input};
use crate::output::Refused;
use crate::store::write::Write;
use crate::task::{ClosedReason, TaskState};
use crate::trunk::Room;

#[test]
fn one_task_from_the_list_to_its_closure() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    assert_eq!(desk.state("agent1"), AgentState::Talking);
    assert_eq!(desk.campaign(campaign).talking, 1);
    desk.pass(30_000);
    desk.ends(attempt, EndedBy::Callee);
    assert_eq!(desk.ending(attempt), (Outcome::Answered, "bye"));
    assert_eq!(desk.ended[&attempt].talk.as_secs(), 30);
    assert_eq!(desk.state("agent1"), AgentState::WrapUp);
    assert_eq!(desk.task(1).state, TaskState::Open, "the word is not spoken yet");
    desk.pass(1_000);
    assert_eq!(desk.state("agent1"), AgentState::Ready);
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
    assert_eq!(desk.task(1).disposition.as_deref(), Some("success"));
    assert!(desk.saw(&Seen::Finished(campaign)));
    let view = desk.campaign(campaign);
    assert_eq!((view.state, view.placed, view.answered, view.bridged), (CampaignState::Ended, 1, 1, 1));
    assert_eq!((view.tasks_open, view.tasks_total), (0, 1));
}

#[test]
fn the_stations_are_written_in_their_order() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(1_000);
    let stations: Vec<&str> = desk
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Intent(_) => Some("intent"),
            Write::Placed { .. } => Some("placed"),
            Write::Answered { .. } => Some("answered"),
            Write::Bridged { .. } => Some("bridged"),
            Write::Ended(_) => Some("ended"),
            Write::Disposition { .. } => Some("disposition"),
            Write::Task { .. } => Some("task"),
            _ => None,
        })
        .collect();
    assert_eq!(stations, ["intent", "placed", "answered", "bridged", "ended", "disposition", "task"]);
}

#[test]
fn nothing_is_placed_before_its_intent_is_durable() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    desk.store_slow = true;
    desk.pass(2_000);
    assert!(desk.placed.is_empty());
    desk.store_answers();
    assert_eq!(desk.placed.len(), 1);
}

#[test]
fn progressive_places_one_line_per_free_agent() {
    let (mut desk, _) = Desk::running(spec(), 3, 100);
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 3);
}

#[test]
fn ratio_places_its_lines_where_there_is_no_limit() {
    let ratio = CampaignSpec {
        mode: Mode::Ratio,
        ratio: 2.0,
        abandon_limit: 1.0,
        safe_harbour: Some("sorry.wav".into()),
        ..spec()
    };
    let (mut desk, campaign) = Desk::running(ratio, 3, 100);
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 6);
    assert_eq!(desk.campaign(campaign).state, CampaignState::Running);
}

#[test]
fn a_large_list_is_worked_off_in_order() {
    let (mut desk, campaign) = Desk::running(spec(), 5, 700);
    for _ in 0..700 {
        desk.pass(100);
        let open: Vec<_> =
            desk.placed.iter().filter(|attempt| !desk.ended.contains_key(attempt)).copied().collect();
        for attempt in open {
            desk.tell(Input::Placed { attempt });
            desk.fails(attempt, Failure::Status(404));
        }
        if desk.saw(&Seen::Finished(campaign)) {
            break;
        }
    }
    assert!(desk.saw(&Seen::Finished(campaign)));
    assert_eq!(desk.ended.len(), 700);
    let order: Vec<u64> = desk.claimed.values().map(|task| task.0).collect();
    assert!(order.is_sorted(), "best first");
}

#[test]
fn lines_that_come_free_are_used_at_once() {
    let (mut desk, campaign) = Desk::running(spec(), 3, 10);
    desk.tell(Input::Room(Room::on("carrier", 5, 0)));
    desk.pass(10_000);
    assert!(desk.placed.is_empty());
    assert!(desk.campaign(campaign).pacing_reason.contains("calls per second"));
    desk.tell(Input::Room(Room::on("carrier", 2, 5)));
    desk.pass(50);
    assert_eq!(desk.placed.len(), 2);
}

#[test]
fn no_more_calls_than_the_options_allow() {
    let options = Options { calls_max: 2, ..Options::default() };
    let mut desk = Desk::limited(options);
    let campaign = desk.create(spec());
    (1..=9).for_each(|task| desk.add_task(campaign, task));
    (1..=5).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(5_000);
    assert_eq!(desk.placed.len(), 2);
}

#[test]
fn full_houses_say_so() {
    let options = Options { agents_max: 1, campaigns_max: 1, ..Options::default() };
    let mut desk = Desk::limited(options);
    desk.create(spec());
    let another = desk.command(CampaignCommand::Create(Box::new(spec())));
    assert!(matches!(another, Err(Refused::Full(_))));
    desk.sign_on("agent1");
    let another = desk.ask(AgentCommand::SignOn { agent: "agent2".into() });
    assert!(matches!(another, Err(Refused::Full(_))));
}
