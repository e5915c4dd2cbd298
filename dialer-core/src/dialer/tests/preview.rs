//! Preview: a contact is shown first, and called when the agent says so.

use std::time::Duration;

use super::desk::{Desk, Seen, spec};
use crate::agent::{AgentCommand, AgentState, PreviewChoice};
use crate::campaign::spec::{CampaignSpec, Mode, Unanswered};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::{CampaignId, TaskId};
use crate::input::{EndedBy, Input};
use crate::live::PreviewView;
use crate::output::{Refused, Reply};
use crate::trunk::Room;

fn preview() -> CampaignSpec {
    CampaignSpec { mode: Mode::Preview, ..spec() }
}

fn shown(desk: &Desk, agent: &str) -> Option<PreviewView> {
    desk.agent(agent).preview.map(|view| *view)
}

fn task_of(desk: &Desk, agent: &str) -> u64 {
    shown(desk, agent).expect("a contact is shown").task.0
}

fn decide(desk: &mut Desk, agent: &str, task: u64, choice: PreviewChoice) -> Result<Reply, Refused> {
    desk.ask(AgentCommand::Preview { agent: agent.into(), task: TaskId(task), choice })
}

#[test]
fn nobody_is_called_before_the_agent_says_so() {
    let (mut desk, campaign) = Desk::running(preview(), 2, 3);
    desk.pass(30_000);
    assert!(desk.placed.is_empty());
    let reason = desk.campaign(campaign).pacing_reason;
    assert!(reason.starts_with("2 agents look at a contact before it is called; "), "{reason}");
    let first = shown(&desk, "agent1").unwrap();
    assert_eq!((first.campaign, first.task, first.contact.0), (campaign, TaskId(1), 1));
    assert_eq!(task_of(&desk, "agent2"), 2, "each another contact");
    assert_eq!(desk.state("agent1"), AgentState::Ready);
    assert!(matches!(decide(&mut desk, "agent1", 2, PreviewChoice::Call), Err(Refused::State(_))));
    assert!(matches!(decide(&mut desk, "nobody", 2, PreviewChoice::Call), Err(Refused::Unknown(_))));
    assert_eq!(decide(&mut desk, "agent2", 2, PreviewChoice::Call), Ok(Reply::Done));
    desk.pass(1_000);
    let attempt = desk.last();
    assert_eq!((desk.placed.len(), desk.claimed[&attempt]), (1, TaskId(2)));
    assert_eq!(shown(&desk, "agent2"), None, "nothing more until the call is over");
    desk.tell(Input::Placed { attempt });
    desk.answer_call(attempt);
    assert!(desk.saw(&Seen::Connect(attempt, "agent2".into())), "though agent1 has waited as long");
    desk.tell(Input::Connected { attempt });
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(2_000);
    assert_eq!(task_of(&desk, "agent2"), 3, "the next after wrap-up");
    assert!(matches!(decide(&mut desk, "agent2", 2, PreviewChoice::Call), Err(Refused::State(_))), "gone");
}

#[test]
fn a_skipped_contact_is_shown_again_later() {
    let spec = CampaignSpec { preview_again: Duration::from_secs(120), ..preview() };
    let (mut desk, campaign) = Desk::running(spec, 1, 2);
    desk.pass(100);
    assert_eq!(decide(&mut desk, "agent1", 1, PreviewChoice::Skip), Ok(Reply::Done));
    desk.pass(1_000);
    assert_eq!(task_of(&desk, "agent1"), 2);
    assert_eq!(desk.task(1).due.attempts, 0, "no attempt was made");
    decide(&mut desk, "agent1", 2, PreviewChoice::Skip).unwrap();
    desk.pass(60_000);
    assert_eq!((shown(&desk, "agent1"), desk.campaign(campaign).state), (None, CampaignState::Running));
    desk.pass(62_000);
    assert_eq!(task_of(&desk, "agent1"), 1);
}

#[test]
fn silence_skips_or_calls_as_the_campaign_has_it() {
    for (unanswered, placed) in [(Unanswered::Skip, 0), (Unanswered::Call, 1)] {
        let spec = CampaignSpec {
            preview_timeout: Duration::from_secs(20),
            preview_unanswered: unanswered,
            ..preview()
        };
        let (mut desk, _) = Desk::running(spec, 1, 5);
        desk.pass(20_000);
        assert!(desk.placed.is_empty());
        desk.pass(1_100);
        assert_eq!(desk.placed.len(), placed, "{unanswered:?}");
        match unanswered {
            Unanswered::Skip => assert_eq!(task_of(&desk, "agent1"), 2),
            Unanswered::Call => assert_eq!(shown(&desk, "agent1"), None),
        }
    }
}

#[test]
fn who_takes_no_calls_is_shown_nothing_and_somebody_else_is() {
    let (mut desk, campaign) = Desk::running(preview(), 1, 1);
    desk.pass(100);
    assert_eq!(task_of(&desk, "agent1"), 1);
    desk.ask(AgentCommand::Break { agent: "agent1".into(), reason: "lunch".into() }).unwrap();
    assert_eq!(shown(&desk, "agent1"), None);
    desk.sign_on("agent2");
    desk.pass(1_000);
    assert_eq!(task_of(&desk, "agent2"), 1);
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    assert_eq!(shown(&desk, "agent2"), None);
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(1_000);
    assert_eq!(task_of(&desk, "agent2"), 1);
    desk.command(CampaignCommand::Stop(campaign)).unwrap();
    assert_eq!(shown(&desk, "agent2"), None);
    desk.pass(1_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn owned_contacts_are_shown_to_their_owner_alone() {
    let (mut desk, campaign) = Desk::running(preview(), 2, 0);
    desk.add_owned(campaign, 1, "agent2");
    desk.add_owned(campaign, 2, "agent2");
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(1_000);
    assert_eq!((shown(&desk, "agent1"), task_of(&desk, "agent2")), (None, 1));
    decide(&mut desk, "agent2", 1, PreviewChoice::Call).unwrap();
    desk.pass(1_000);
    assert_eq!((desk.placed.len(), shown(&desk, "agent2")), (1, None));
}

/// An agent who looks at a contact is not given another campaign's answer.
#[test]
fn who_looks_at_a_contact_is_offered_no_call() {
    let (mut desk, _) = Desk::running(preview(), 1, 1);
    desk.pass(100);
    let two: CampaignId = desk.create(spec());
    desk.add_task(two, 10);
    desk.command(CampaignCommand::Start(two)).unwrap();
    desk.sign_on("agent2");
    desk.pass(1_000);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent2".into() });
    desk.answer_call(attempt);
    desk.pass(2_100);
    assert!(desk.saw(&Seen::HangUp(attempt)));
    assert_eq!(task_of(&desk, "agent1"), 1);
}

#[test]
fn what_can_no_longer_be_called_is_refused_with_the_reason() {
    let (mut desk, _) = Desk::running(preview(), 1, 2);
    desk.pass(100);
    desk.command(CampaignCommand::Suppress(vec![desk.task(1).due.number.clone()])).unwrap();
    assert!(matches!(decide(&mut desk, "agent1", 1, PreviewChoice::Call), Err(Refused::State(_))));
    desk.pass(1_000);
    assert_eq!(task_of(&desk, "agent1"), 2);
    desk.tell(Input::Room(Room::on("carrier", 0, 0)));
    desk.pass(100);
    assert!(matches!(decide(&mut desk, "agent1", 2, PreviewChoice::Call), Err(Refused::State(_))));
    desk.tell(Input::Room(Room::on("carrier", 5, 5)));
    desk.pass(1_000);
    assert_eq!(decide(&mut desk, "agent1", 2, PreviewChoice::Call), Ok(Reply::Done));
    assert_eq!(desk.placed.len(), 1);
}
