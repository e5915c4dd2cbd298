//! Calls that an agent hands over to a colleague.

use super::desk::{Desk, dialog, spec};
use crate::agent::{AgentCommand, AgentState};
use crate::attempt::outcome::Outcome;
use crate::campaign::spec::{CampaignSpec, InboundSpec, Mode, WrapUp};
use crate::inbound::InboundOutcome;
use crate::input::{EndedBy, Input};
use crate::output::Refused;
use crate::store::write::Write;
use crate::task::{ClosedReason, TaskState};

fn hands_over(desk: &mut Desk, attempt: crate::id::AttemptId, to: &str) {
    desk.tell(Input::AgentEngaged { agent: to.into() });
    desk.tell(Input::HandedOver { attempt, agent: to.into() });
    desk.tell(Input::AgentReachable { agent: to.into(), leg: None });
}

#[test]
fn the_colleague_has_state_talk_and_word_and_the_first_agent_wraps_up() {
    let (mut desk, _) = Desk::running(spec(), 2, 1);
    let attempt = desk.bridged();
    assert_eq!(desk.state("agent1"), AgentState::Talking);
    desk.pass(10_000);
    hands_over(&mut desk, attempt, "agent2");
    let (first, second) = (desk.agent("agent1"), desk.agent("agent2"));
    assert_eq!((first.state, first.attempt), (AgentState::WrapUp, None));
    assert_eq!((second.state, second.attempt, second.calls), (AgentState::Talking, Some(attempt), 1));
    desk.pass(1_000);
    assert_eq!(desk.state("agent1"), AgentState::Ready, "the script's wrap-up, without a word");
    assert!(desk.words.is_empty());
    desk.pass(9_000);
    desk.ends(attempt, EndedBy::Callee);
    assert_eq!(desk.state("agent2"), AgentState::WrapUp);
    desk.pass(1_000);
    assert_eq!(desk.state("agent2"), AgentState::Ready);
    assert_eq!(desk.ending(attempt).0, Outcome::Answered);
    assert_eq!(desk.ended[&attempt].talk.as_secs(), 20, "the customer talked with us all the time");
    assert_eq!(desk.words[&attempt], "success");
    let said = desk.writes.iter().find_map(|write| match write {
        Write::Disposition { agent, .. } => Some(agent.clone()),
        _ => None,
    });
    assert_eq!(said.as_deref(), Some("agent2"));
    assert!(desk.writes.contains(&Write::HandedOver { attempt, agent: "agent2".into() }));
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
}

#[test]
fn where_agents_speak_the_word_it_is_the_colleagues() {
    let (mut desk, _) = Desk::running(CampaignSpec { wrap_up: WrapUp::Agent, ..spec() }, 2, 1);
    let attempt = desk.bridged();
    let word = |agent: &str, disposition: &str| AgentCommand::Dispose {
        agent: agent.into(),
        attempt,
        disposition: disposition.into(),
        note: String::new(),
    };
    desk.ask(word("agent1", "early")).unwrap();
    hands_over(&mut desk, attempt, "agent2");
    assert!(matches!(desk.ask(word("agent1", "mine")), Err(Refused::Unknown(_))));
    desk.ask(AgentCommand::Ready { agent: "agent1".into() }).unwrap();
    assert_eq!(desk.state("agent1"), AgentState::Ready, "no word is expected of the first agent");
    desk.ends(attempt, EndedBy::Callee);
    assert!(desk.words.is_empty(), "what the first agent said is not the word");
    desk.ask(word("agent2", "success")).unwrap();
    assert_eq!(desk.words[&attempt], "success");
    assert_eq!(desk.state("agent2"), AgentState::Ready);
}

#[test]
fn a_colleague_who_leaves_ends_the_call_and_the_first_agent_does_not() {
    let (mut desk, _) = Desk::running(spec(), 2, 1);
    let attempt = desk.bridged();
    hands_over(&mut desk, attempt, "agent2");
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    assert!(!desk.saw(&super::desk::Seen::HangUp(attempt)));
    desk.tell(Input::AgentLeft { attempt });
    assert!(desk.saw(&super::desk::Seen::HangUp(attempt)));
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt), (Outcome::Answered, "agent_left"));
    assert_eq!(desk.state("agent2"), AgentState::WrapUp);
}

#[test]
fn news_of_a_call_that_nobody_has_changes_nothing() {
    let (mut desk, _) = Desk::running(spec(), 2, 1);
    let attempt = desk.bridged();
    desk.tell(Input::HandedOver { attempt, agent: "agent1".into() });
    desk.tell(Input::HandedOver { attempt, agent: "nobody".into() });
    assert_eq!(desk.state("agent1"), AgentState::Talking);
    desk.ends(attempt, EndedBy::Callee);
    desk.tell(Input::HandedOver { attempt, agent: "agent2".into() });
    assert_eq!((desk.state("agent1"), desk.state("agent2")), (AgentState::WrapUp, AgentState::Ready));
}

#[test]
fn a_caller_is_handed_over_too() {
    let inbound = InboundSpec { numbers: vec!["+15550177".into()], ..InboundSpec::default() };
    let (mut desk, _) = Desk::running(CampaignSpec { mode: Mode::Manual, inbound, ..spec() }, 2, 1);
    let call = desk.called("+15550177", None).unwrap();
    desk.tell(Input::Answered { attempt: call, dialog: dialog() });
    desk.tell(Input::Connected { attempt: call });
    hands_over(&mut desk, call, "agent2");
    assert_eq!(desk.state("agent2"), AgentState::Talking);
    desk.ends(call, EndedBy::Callee);
    desk.pass(1_000);
    let row = &desk.inbound[&call];
    assert_eq!((row.outcome, row.agent.as_deref()), (Some(InboundOutcome::Talked), Some("agent2")));
    assert_eq!(row.disposition.as_deref(), Some("success"));
}
