//! The store away: nothing is placed, live calls go on, nothing is lost.

use super::desk::{Desk, Seen, route, spec};
use crate::agent::AgentState;
use crate::attempt::outcome::Outcome;
use crate::campaign::CampaignCommand;
use crate::id::AttemptId;
use crate::input::{EndedBy, Failure, Input};
use crate::output::Refused;
use crate::task::{ClosedReason, TaskState};

#[test]
fn live_calls_go_on_and_their_endings_are_kept_until_the_store_is_back() {
    let (mut desk, campaign) = Desk::running(spec(), 2, 5);
    let attempt = desk.bridged();
    desk.store_down = true;
    desk.pass(1_000);
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(5_000);
    assert_eq!(desk.state("agent1"), AgentState::Ready, "the agent is free again");
    assert!(!desk.ended.contains_key(&attempt));
    assert_eq!(desk.campaign(campaign).pacing_reason, "the store is not available");
    let before = desk.placed.len();
    desk.pass(60_000);
    assert_eq!(desk.placed.len(), before, "nothing is placed");
    desk.store_down = false;
    desk.pass(1_000);
    assert_eq!(desk.ending(attempt).0, Outcome::Answered);
    assert_eq!(desk.words[&attempt], "success");
    desk.pass(1_000);
    assert!(desk.placed.len() > before, "dialing goes on");
}

#[test]
fn an_intent_that_could_not_be_written_is_never_placed() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    desk.store_down = true;
    desk.pass(10_000);
    assert!(desk.placed.is_empty());
    assert!(desk.seen.iter().any(|seen| matches!(seen, Seen::Release(_))));
    desk.store_down = false;
    desk.pass(10_000);
    assert_eq!(desk.placed.len(), 1);
    assert_eq!(desk.task(1).due.attempts, 1);
}

#[test]
fn a_campaign_that_could_not_be_written_is_not_made() {
    let mut desk = Desk::new();
    desk.store_down = true;
    let made = desk.command(CampaignCommand::Create(Box::new(spec())));
    assert_eq!(made, Err(Refused::Store));
    assert!(desk.dialer.live(desk.now()).campaigns.is_empty());
}

#[test]
fn a_stop_during_an_outage_finishes_after_it() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    desk.store_down = true;
    desk.command(CampaignCommand::Stop(campaign)).unwrap();
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(10_000);
    assert!(!desk.saw(&Seen::Finished(campaign)));
    desk.store_down = false;
    desk.pass(2_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
}

#[test]
fn a_line_is_not_held_for_a_store_that_takes_too_long() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    desk.store_slow = true;
    desk.pass(11_000);
    let attempt = AttemptId(1);
    assert!(desk.saw(&Seen::Release(attempt)));
    desk.store_slow = false;
    desk.store_answers();
    assert_eq!(desk.ending(attempt), (Outcome::Cancelled, "store_slow"));
    assert!(desk.placed.is_empty());
}

#[test]
fn a_line_that_comes_after_the_store_went_is_given_back() {
    let (mut desk, _) = Desk::running(spec(), 2, 5);
    let first = desk.answered();
    desk.tell(Input::Connected { attempt: first });
    let second = desk.last();
    desk.fails(second, Failure::Status(404));
    desk.trunk_slow = true;
    desk.pass(100);
    let third = AttemptId(3);
    desk.store_down = true;
    desk.ends(first, EndedBy::Callee);
    desk.tell(Input::Reserved { attempt: third, route: route("third") });
    assert!(desk.saw(&Seen::Release(third)));
    assert!(!desk.claimed.contains_key(&third) && desk.late.is_empty());
}
