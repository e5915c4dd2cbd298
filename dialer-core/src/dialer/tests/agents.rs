//! Agents: their requests, their words, their phones.

use super::desk::{Desk, Seen, spec};
use crate::agent::{AgentCommand, AgentState};
use crate::attempt::outcome::Outcome;
use crate::campaign::spec::{CampaignSpec, WrapUp};
use crate::id::AttemptId;
use crate::input::{EndedBy, Input};
use crate::output::{Refused, Reply};
use crate::store::write::Write;
use crate::task::{ClosedReason, TaskState};

const AGENT: &str = "agent1";

fn by_hand() -> CampaignSpec {
    CampaignSpec { wrap_up: WrapUp::Agent, ..spec() }
}

fn word(desk: &mut Desk, attempt: AttemptId, disposition: &str) -> Result<Reply, Refused> {
    desk.ask(AgentCommand::Dispose {
        agent: AGENT.into(),
        attempt,
        disposition: disposition.into(),
        note: String::new(),
    })
}

#[test]
fn wrap_up_by_hand_lasts_until_the_word_is_spoken() {
    let (mut desk, _) = Desk::running(by_hand(), 1, 2);
    let attempt = desk.bridged();
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(600_000);
    assert_eq!(desk.state(AGENT), AgentState::WrapUp);
    let refused = desk.ask(AgentCommand::Ready { agent: AGENT.into() });
    assert!(matches!(refused, Err(Refused::State(_))), "no word yet");
    assert_eq!(word(&mut desk, attempt, "refused"), Ok(Reply::Done));
    assert_eq!(desk.state(AGENT), AgentState::Ready);
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Disposition));
    assert_eq!(word(&mut desk, attempt, "refused"), Ok(Reply::Done), "the same again");
    assert!(matches!(word(&mut desk, attempt, "success"), Err(Refused::State(_))));
    assert!(matches!(word(&mut desk, AttemptId(99), "success"), Err(Refused::Unknown(_))));
    assert!(matches!(word(&mut desk, attempt, ""), Err(Refused::Invalid(_))));
    assert_eq!(desk.words.len(), 1);
}

#[test]
fn a_word_during_the_call_is_recorded_when_it_ends() {
    let (mut desk, _) = Desk::running(by_hand(), 1, 1);
    let attempt = desk.bridged();
    assert_eq!(word(&mut desk, attempt, "refused"), Ok(Reply::Done));
    assert_eq!(word(&mut desk, attempt, "success"), Ok(Reply::Done), "changed their mind");
    assert!(desk.words.is_empty());
    desk.ends(attempt, EndedBy::Callee);
    assert_eq!(desk.words[&attempt], "success");
    assert_eq!(desk.state(AGENT), AgentState::Ready);
}

#[test]
fn a_word_in_scripted_wrap_up_takes_the_scripts_place() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    desk.ends(attempt, EndedBy::Callee);
    assert_eq!(word(&mut desk, attempt, "refused"), Ok(Reply::Done));
    assert_eq!(desk.state(AGENT), AgentState::WrapUp);
    desk.ask(AgentCommand::Ready { agent: AGENT.into() }).unwrap();
    assert_eq!(desk.state(AGENT), AgentState::Ready, "ended early");
    desk.pass(5_000);
    assert_eq!(desk.words[&attempt], "refused");
}

#[test]
fn a_word_is_answered_once_it_is_durable() {
    let (mut desk, _) = Desk::running(by_hand(), 1, 1);
    let attempt = desk.bridged();
    desk.ends(attempt, EndedBy::Callee);
    desk.store_slow = true;
    let request = desk.request();
    let command = AgentCommand::Dispose {
        agent: AGENT.into(),
        attempt,
        disposition: "success".into(),
        note: "called back".into(),
    };
    desk.tell(Input::Agent { request, command });
    assert_eq!(desk.answer(request), None);
    desk.store_slow = false;
    desk.store_answers();
    assert_eq!(desk.answer(request), Some(Ok(Reply::Done)));
}

#[test]
fn an_agent_ends_the_call() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let hang_up = AgentCommand::HangUp { agent: AGENT.into() };
    assert!(matches!(desk.ask(hang_up.clone()), Err(Refused::State(_))));
    let attempt = desk.bridged();
    desk.ask(hang_up).unwrap();
    assert!(desk.saw(&Seen::HangUp(attempt)));
    assert_eq!(desk.state(AGENT), AgentState::Talking, "until it has ended");
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt), (Outcome::Answered, "agent_hung_up"));
    assert_eq!(desk.state(AGENT), AgentState::WrapUp);
}

#[test]
fn an_agents_phone_that_leaves_a_call_ends_it() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    desk.tell(Input::AgentLeft { attempt });
    assert!(desk.saw(&Seen::HangUp(attempt)));
    desk.tell(Input::AgentUnreachable { agent: AGENT.into() });
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt), (Outcome::Answered, "agent_left"));
    desk.pass(1_000);
    assert_eq!(desk.state(AGENT), AgentState::Unreachable);
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success), "the script spoke");
}

#[test]
fn talk_ends_at_its_limit() {
    let limited = CampaignSpec { talk_limit: std::time::Duration::from_secs(10), ..spec() };
    let (mut desk, _) = Desk::running(limited, 1, 1);
    let attempt = desk.bridged();
    desk.pass(9_999);
    assert!(!desk.saw(&Seen::HangUp(attempt)));
    desk.pass(1);
    assert!(desk.saw(&Seen::HangUp(attempt)));
    desk.ends(attempt, EndedBy::Us);
    assert_eq!(desk.ending(attempt), (Outcome::Answered, "talk_limit"));
}

#[test]
fn signing_off_waits_for_the_end_of_the_call() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    let sign_off = AgentCommand::SignOff { agent: AGENT.into() };
    assert!(matches!(desk.ask(sign_off.clone()), Err(Refused::State(_))));
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(2_000);
    desk.ask(sign_off.clone()).unwrap();
    assert!(desk.saw(&Seen::SignOff(AGENT.into())));
    assert_eq!(desk.state(AGENT), AgentState::Offline);
    assert!(matches!(desk.ask(sign_off), Err(Refused::State(_))));
    let unknown = AgentCommand::Break { agent: "nobody".into(), reason: String::new() };
    assert!(matches!(desk.ask(unknown), Err(Refused::Unknown(_))));
}

#[test]
fn nothing_is_placed_for_agents_on_break() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 5);
    desk.ask(AgentCommand::Break { agent: AGENT.into(), reason: "lunch".into() }).unwrap();
    desk.pass(5_000);
    assert!(desk.placed.is_empty());
    assert_eq!(desk.agent(AGENT).reason, "lunch");
    assert!(desk.campaign(campaign).pacing_reason.starts_with("no agent is free"));
    desk.ask(AgentCommand::Ready { agent: AGENT.into() }).unwrap();
    desk.pass(100);
    assert_eq!(desk.placed.len(), 1);
}

#[test]
fn time_is_written_by_state_and_adds_up() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    desk.pass(12_000);
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(1_000);
    let mut sums = [0; 4];
    for write in &desk.writes {
        if let Write::AgentTime { agent, ready, talking, wrap_up, away } = write {
            assert_eq!(agent, AGENT);
            for (sum, time) in sums.iter_mut().zip([ready, talking, wrap_up, away]) {
                *sum += time.as_millis();
            }
        }
    }
    assert_eq!(sums, [100, 12_000, 1_000, 0]);
}

#[test]
fn legs_are_recorded_for_a_restart() {
    let mut desk = Desk::new();
    desk.ask(AgentCommand::SignOn { agent: AGENT.into() }).unwrap();
    desk.tell(Input::AgentLegCalling { agent: AGENT.into(), route: super::desk::route("agent1") });
    desk.tell(Input::AgentReachable { agent: AGENT.into(), leg: Some(super::desk::dialog()) });
    // The agent goes on with another phone: its leg is the one to be ended.
    let (route, leg) = (super::desk::route("another"), super::desk::dialog());
    desk.tell(Input::AgentLegMoved { agent: AGENT.into(), route, leg });
    desk.tell(Input::AgentReachable { agent: AGENT.into(), leg: Some(super::desk::dialog()) });
    desk.tell(Input::AgentUnreachable { agent: AGENT.into() });
    let route = |name| Some(super::desk::route(name));
    let legs: Vec<_> = desk
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::AgentLeg { leg: Some(leg), .. } => Some((Some(leg.route.clone()), leg.dialog.is_some())),
            Write::AgentLeg { leg: None, .. } => Some((None, false)),
            _ => None,
        })
        .collect();
    let expected = [
        (route("agent1"), false),
        (route("agent1"), true),
        (route("another"), true),
        (route("another"), true),
        (None, false),
    ];
    assert_eq!(legs, expected);
}

// Further legs of phones have a place of their own, whatever becomes of the agent's.
#[test]
fn further_legs_are_recorded_beside_the_agents_own() {
    let mut desk = Desk::new();
    let mut leg = super::desk::dialog();
    leg.call_id = "agent1".into();
    desk.tell(Input::LineUp { route: super::desk::route("agent1"), leg });
    desk.tell(Input::AgentUnreachable { agent: AGENT.into() });
    desk.tell(Input::LineOver { call_id: super::desk::route("agent1").call_id });
    let legs = desk.writes.iter().filter_map(|write| match write {
        Write::AgentLeg { agent, leg } => Some((agent.clone(), leg.is_some())),
        _ => None,
    });
    let key = crate::store::write::line_key(&super::desk::route("agent1").call_id);
    assert!(crate::store::write::is_line(&key) && !crate::store::write::is_line(AGENT));
    assert_eq!(legs.collect::<Vec<_>>(), [(key.clone(), true), (key, false)]);
}

// A colleague asks over the agent's phone: nothing is placed with them in mind, and the leg is there all the time.
#[test]
fn an_agent_whom_a_colleague_asks_takes_no_call_until_the_phone_is_free() {
    let (mut desk, campaign) = Desk::running(spec(), 2, 1);
    desk.tell(Input::AgentLegCalling { agent: "agent2".into(), route: super::desk::route("agent2") });
    desk.tell(Input::AgentReachable { agent: "agent2".into(), leg: Some(super::desk::dialog()) });
    let attempt = desk.bridged();
    desk.tell(Input::AgentEngaged { agent: "agent2".into() });
    assert_eq!((desk.state(AGENT), desk.state("agent2")), (AgentState::Talking, AgentState::Engaged));
    desk.add_task(campaign, 2);
    desk.pass(20_000);
    assert_eq!(desk.last(), attempt, "nobody is free");
    desk.tell(Input::AgentReachable { agent: "agent2".into(), leg: Some(super::desk::dialog()) });
    assert_eq!(desk.state("agent2"), AgentState::Ready);
    desk.pass(2_000);
    assert_ne!(desk.last(), attempt, "and now somebody is");
    let gone = |write: &Write| matches!(write, Write::AgentLeg { leg: None, .. });
    assert!(!desk.writes.iter().any(gone), "a restart would end the leg");
    assert_eq!(desk.ask(AgentCommand::SignOff { agent: "agent2".into() }), Ok(Reply::Done));
}

#[test]
fn signing_off_in_wrap_up_leaves_the_word_to_the_script_or_to_later() {
    let (mut desk, _) = Desk::running(spec(), 1, 1);
    let attempt = desk.bridged();
    desk.ends(attempt, EndedBy::Callee);
    desk.ask(AgentCommand::SignOff { agent: AGENT.into() }).unwrap();
    assert_eq!(desk.words[&attempt], "success");
    let (mut desk, campaign) = Desk::running(by_hand(), 1, 1);
    let attempt = desk.bridged();
    desk.ends(attempt, EndedBy::Callee);
    desk.ask(AgentCommand::SignOff { agent: AGENT.into() }).unwrap();
    desk.pass(10_000);
    assert!(!desk.saw(&Seen::Finished(campaign)), "the word may still come");
    assert_eq!(word(&mut desk, attempt, "success"), Ok(Reply::Done));
    desk.pass(10_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
}
