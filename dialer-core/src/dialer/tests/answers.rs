//! Answers: the longest idle agent takes the call, or the call is abandoned as law has it.

use super::desk::{Desk, Seen, spec};
use crate::agent::AgentState;
use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::id::AttemptId;
use crate::input::{EndedBy, Input};

/// Two lines per agent, no limit, with a message or without.
fn over_dialed(message: bool) -> (Desk, crate::id::CampaignId, Vec<AttemptId>) {
    let spec = CampaignSpec {
        mode: Mode::Ratio,
        abandon_limit: 1.0,
        safe_harbour: Some("sorry.wav".into()),
        ..spec()
    };
    let (mut desk, campaign) = Desk::running(spec, 1, 10);
    desk.pass(100);
    if !message {
        // The pacer over-dials only with a message; the machine is asked here what it does without one.
        desk.dialer.attempts.values_mut().for_each(|attempt| attempt.forget_message());
    }
    let lines: Vec<_> = desk.placed.iter().copied().collect();
    assert_eq!(lines.len(), 2);
    lines.iter().for_each(|attempt| desk.tell(Input::Placed { attempt: *attempt }));
    (desk, campaign, lines)
}

#[test]
fn the_longest_idle_agent_takes_the_call() {
    let (mut desk, _) = Desk::running(spec(), 0, 1);
    desk.sign_on("late");
    desk.pass(10);
    desk.ask(crate::agent::AgentCommand::SignOn { agent: "later".into() }).unwrap();
    desk.pass(10);
    desk.tell(Input::AgentReachable { agent: "later".into(), leg: None });
    let attempt = desk.answered();
    assert!(desk.saw(&Seen::Connect(attempt, "late".into())));
    assert_eq!(desk.state("late"), AgentState::Reserved);
}

#[test]
fn an_answer_without_an_agent_hears_the_message_within_the_limit() {
    let (mut desk, campaign, lines) = over_dialed(true);
    desk.answer_call(lines[0]);
    desk.tell(Input::Connected { attempt: lines[0] });
    desk.answer_call(lines[1]);
    desk.pass(1_749);
    assert!(!desk.saw(&Seen::Message(lines[1])));
    desk.pass(1);
    assert!(desk.saw(&Seen::Message(lines[1])), "a quarter of a second before the limit");
    let view = desk.campaign(campaign);
    assert_eq!((view.answered, view.abandoned, view.waiting), (2, 1, 1));
    // An agent who comes free now does not get the call any more.
    desk.sign_on("agent2");
    assert!(!desk.saw(&Seen::Connect(lines[1], "agent2".into())));
    desk.ends(lines[1], EndedBy::Us);
    assert_eq!(desk.ending(lines[1]), (Outcome::Abandoned, "no_agent"));
    assert_eq!(desk.ended[&lines[1]].attribution, Attribution::Us);
}

#[test]
fn without_a_message_an_answer_is_ended_at_the_limit() {
    let (mut desk, _, lines) = over_dialed(false);
    desk.answer_call(lines[0]);
    desk.answer_call(lines[1]);
    desk.pass(1_999);
    assert!(!desk.saw(&Seen::HangUp(lines[1])));
    desk.pass(1);
    assert!(desk.saw(&Seen::HangUp(lines[1])));
    desk.ends(lines[1], EndedBy::Us);
    assert_eq!(desk.ending(lines[1]).0, Outcome::Abandoned);
}

#[test]
fn an_agent_who_comes_free_in_time_takes_the_waiting_call() {
    let (mut desk, campaign, lines) = over_dialed(true);
    desk.answer_call(lines[0]);
    desk.answer_call(lines[1]);
    desk.pass(1_000);
    desk.sign_on("agent2");
    assert!(desk.saw(&Seen::Connect(lines[1], "agent2".into())));
    desk.tell(Input::Connected { attempt: lines[1] });
    desk.pass(5_000);
    assert_eq!(desk.campaign(campaign).abandoned, 1, "the first was never connected");
    assert!(!desk.saw(&Seen::Message(lines[1])));
}

#[test]
fn a_callee_who_leaves_first_is_called_again() {
    let (mut desk, campaign, lines) = over_dialed(true);
    desk.answer_call(lines[0]);
    desk.answer_call(lines[1]);
    desk.pass(1_000);
    desk.ends(lines[1], EndedBy::Callee);
    desk.ends(lines[0], EndedBy::Callee);
    for line in &lines {
        assert_eq!(desk.ending(*line), (Outcome::Answered, "callee_left"));
    }
    assert_eq!(desk.retry_in(1).map(|wait| wait.as_secs()), Some(60));
    assert_eq!(desk.campaign(campaign).abandoned, 0);
    assert_eq!(desk.state("agent1"), AgentState::Ready, "never had the call");
}

#[test]
fn an_agent_who_cannot_be_joined_is_passed_over() {
    let (mut desk, _) = Desk::running(spec(), 2, 1);
    let attempt = desk.answered();
    desk.tell(Input::ConnectFailed { attempt, agent: "agent1".into() });
    assert_eq!(desk.state("agent1"), AgentState::Unreachable);
    assert!(desk.saw(&Seen::Connect(attempt, "agent2".into())));
    desk.tell(Input::Connected { attempt });
    assert_eq!(desk.state("agent2"), AgentState::Talking);
    desk.pass(5_000);
    assert_eq!(desk.state("agent1"), AgentState::Ready, "trusted again");
}

#[test]
fn an_agent_lost_while_being_connected_counts_as_lost() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 1);
    let attempt = desk.answered();
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    desk.pass(2_000);
    assert!(desk.saw(&Seen::Disconnect(attempt)) && desk.saw(&Seen::HangUp(attempt)));
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt).0, Outcome::Abandoned);
    assert_eq!(desk.campaign(campaign).abandoned, 1);
}

#[test]
fn another_agent_takes_the_call_of_one_who_is_lost() {
    let (mut desk, campaign) = Desk::running(spec(), 2, 1);
    let attempt = desk.answered();
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    assert!(desk.saw(&Seen::Connect(attempt, "agent2".into())), "at once");
    desk.tell(Input::Connected { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent2".into() });
    assert!(desk.saw(&Seen::HangUp(attempt)), "nobody is left with the callee");
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt), (Outcome::Answered, "agent_left"));
    assert_eq!(desk.campaign(campaign).abandoned, 0);
}

#[test]
fn a_slow_agent_leg_loses_the_call_at_the_limit() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.answered();
    desk.pass(2_000);
    assert!(desk.saw(&Seen::Disconnect(attempt)));
    assert_eq!(desk.state("agent1"), AgentState::Unreachable, "the next callee does not wait for that phone");
    desk.tell(Input::Connected { attempt });
    assert_eq!(desk.state("agent1"), AgentState::Unreachable, "too late");
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt).0, Outcome::Abandoned);
    desk.pass(6_000);
    assert_eq!(desk.state("agent1"), AgentState::Ready, "trusted again after a while");
}

#[test]
fn an_answer_that_crosses_our_cancel_is_abandoned() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 1);
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::Ringing { attempt, early_media: false });
    desk.pass(25_000);
    assert!(desk.saw(&Seen::HangUp(attempt)));
    desk.answer_call(attempt);
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt), (Outcome::Abandoned, "answered_while_cancelling"));
    let view = desk.campaign(campaign);
    assert_eq!((view.answered, view.abandoned), (1, 1));
}
