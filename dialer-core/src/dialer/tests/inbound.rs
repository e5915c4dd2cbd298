//! Calls from outside: whose they are, who takes them, and what becomes of the caller's task.

use std::time::Duration;

use super::desk::{Desk, Seen, dialog, due, spec};
use crate::agent::{AgentCommand, AgentState};
use crate::campaign::spec::{CampaignSpec, InboundSpec, Mode, WrapUp};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::{AttemptId, CampaignId, TaskId};
use crate::inbound::InboundOutcome;
use crate::input::{EndedBy, Failure, Input};
use crate::live::EndingOutcome;
use crate::store::read::{Recovered, RecoveredCampaign, RecoveredInbound};
use crate::task::{ClosedReason, TaskState};

const NUMBER: &str = "+15550177";

fn called() -> CampaignSpec {
    let inbound = InboundSpec {
        numbers: vec![NUMBER.to_owned()],
        message: Some("sorry.wav".into()),
        ..InboundSpec::default()
    };
    CampaignSpec { inbound, ..spec() }
}

/// Nothing is dialed by itself.
fn quiet() -> CampaignSpec {
    CampaignSpec { mode: Mode::Manual, ..called() }
}

fn outcome(desk: &Desk, call: AttemptId) -> Option<InboundOutcome> {
    desk.inbound[&call].outcome
}

/// The caller is answered and hears the agent.
fn talks(desk: &mut Desk, call: AttemptId) {
    desk.tell(Input::Answered { attempt: call, dialog: dialog() });
    desk.tell(Input::Connected { attempt: call });
}

#[test]
fn a_caller_of_the_list_talks_with_an_agent_whose_word_closes_the_task() {
    let (mut desk, _) = Desk::running(quiet(), 1, 2);
    let caller = due(1).number;
    let call = desk.called(NUMBER, Some(&caller)).unwrap();
    assert!(desk.saw(&Seen::Connect(call, "agent1".into())), "at once: {:?}", desk.seen);
    assert_eq!(desk.state("agent1"), AgentState::Reserved);
    talks(&mut desk, call);
    let view = desk.agent("agent1");
    assert_eq!((view.state, view.attempt), (AgentState::Talking, Some(call)));
    assert_eq!(view.inbound.unwrap().task, Some(TaskId(1)));
    assert_eq!(desk.task(1).next_at, None, "not due while they talk");
    desk.pass(5_000);
    desk.ends(call, EndedBy::Callee);
    assert_eq!(desk.state("agent1"), AgentState::WrapUp);
    desk.pass(1_000);
    let row = &desk.inbound[&call];
    assert_eq!((row.outcome, row.reason.as_str()), (Some(InboundOutcome::Talked), "bye"));
    assert_eq!((row.agent.as_deref(), row.talk_ms), (Some("agent1"), 5_000));
    assert_eq!(row.disposition.as_deref(), Some("success"));
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
    assert_eq!(desk.task(2).state, TaskState::Open);
    assert_eq!(desk.state("agent1"), AgentState::Ready);
    assert!(desk.ended.is_empty() && desk.placed.is_empty(), "no attempt was made");
    let [ending] = <[_; 1]>::try_from(desk.dialer.live(desk.now()).recent).expect("one call has ended");
    let told = (ending.attempt, ending.outcome, ending.agent.as_deref(), ending.talk_ms);
    assert_eq!(told, (call, EndingOutcome::Inbound(InboundOutcome::Talked), Some("agent1"), 5_000));
}

#[test]
fn an_agents_own_word_is_taken_and_may_be_given_early() {
    let (mut desk, _) = Desk::running(CampaignSpec { wrap_up: WrapUp::Agent, ..quiet() }, 1, 1);
    let call = desk.called(NUMBER, None).unwrap();
    talks(&mut desk, call);
    let word = |disposition: &str| AgentCommand::Dispose {
        agent: "agent1".into(),
        attempt: call,
        disposition: disposition.into(),
        note: "calls on Monday".into(),
    };
    desk.ask(word("later")).unwrap();
    assert_eq!(desk.inbound[&call].disposition, None, "kept until the call has ended");
    desk.ends(call, EndedBy::Callee);
    let row = &desk.inbound[&call];
    assert_eq!((row.disposition.as_deref(), row.note.as_str()), (Some("later"), "calls on Monday"));
    assert_eq!((row.task, row.caller.as_deref()), (None, None), "whoever it was");
    assert_eq!(desk.state("agent1"), AgentState::Ready);
    assert!(desk.ask(word("later")).is_ok(), "the same word again");
    assert!(desk.ask(word("other")).is_err());
}

#[test]
fn other_numbers_and_drafts_are_refused() {
    let (mut desk, _) = Desk::running(quiet(), 1, 1);
    assert_eq!(desk.called("+15550178", None), None);
    assert!(desk.saw(&Seen::Refuse(404)));
    let mut desk = Desk::new();
    let draft = desk.create(quiet());
    assert_eq!(desk.called(NUMBER, None), None);
    assert!(desk.saw(&Seen::Refuse(404)));
    assert!(!desk.campaign(draft).answers_callers);
}

#[test]
fn a_campaign_without_a_list_ends_and_answers_its_callers() {
    let mut desk = Desk::new();
    let campaign = desk.create(quiet());
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.sign_on("agent1");
    desk.pass(1_000);
    let view = desk.campaign(campaign);
    assert_eq!((view.state, view.answers_callers), (CampaignState::Ended, true));
    let call = desk.called(NUMBER, None).unwrap();
    talks(&mut desk, call);
}

#[test]
fn the_owner_comes_before_the_team() {
    let (mut desk, campaign) = Desk::running(quiet(), 2, 1);
    desk.add_owned(campaign, 2, "agent2");
    let (owned, pooled) = (due(2).number, due(1).number);
    let call = desk.called(NUMBER, Some(&owned)).unwrap();
    assert!(desk.saw(&Seen::Connect(call, "agent2".into())));
    talks(&mut desk, call);
    let call = desk.called(NUMBER, Some(&pooled)).unwrap();
    assert!(desk.saw(&Seen::Connect(call, "agent1".into())));
    desk.ends(call, EndedBy::Callee);
    // The owner is busy: the team.
    let call = desk.called(NUMBER, Some(&owned)).unwrap();
    assert!(desk.saw(&Seen::Connect(call, "agent1".into())));
}

#[test]
fn where_only_owners_take_calls_others_hear_the_message() {
    let mut spec = quiet();
    spec.inbound.team = false;
    let (mut desk, campaign) = Desk::running(spec, 2, 1);
    desk.add_owned(campaign, 2, "agent2");
    desk.add_owned(campaign, 3, "agent9");
    for caller in [None, Some(due(1).number), Some(due(3).number)] {
        let call = desk.called(NUMBER, caller.as_deref()).unwrap();
        assert!(desk.saw(&Seen::Message(call)), "{caller:?}");
    }
    let call = desk.called(NUMBER, Some(&due(2).number)).unwrap();
    assert!(desk.saw(&Seen::Connect(call, "agent2".into())));
}

#[test]
fn a_caller_waits_for_the_next_free_agent_or_hears_the_message() {
    let (mut desk, _) = Desk::running(quiet(), 1, 1);
    let first = desk.called(NUMBER, None).unwrap();
    talks(&mut desk, first);
    let (second, third) = (desk.called(NUMBER, None).unwrap(), desk.called(NUMBER, None).unwrap());
    desk.pass(20_000);
    desk.ends(first, EndedBy::Callee);
    desk.pass(1_100);
    assert!(desk.saw(&Seen::Connect(second, "agent1".into())), "the one who waited longest");
    desk.pass(8_800);
    assert!(!desk.saw(&Seen::Message(third)));
    desk.pass(200);
    assert!(desk.saw(&Seen::Message(third)), "after 30 s");
    desk.tell(Input::Answered { attempt: third, dialog: dialog() });
    desk.ends(third, EndedBy::Us);
    assert_eq!(outcome(&desk, third), Some(InboundOutcome::Message));
}

#[test]
fn without_a_message_the_caller_is_hung_up_on() {
    let mut spec = quiet();
    spec.inbound.message = None;
    let (mut desk, _) = Desk::running(spec, 0, 1);
    let call = desk.called(NUMBER, None).unwrap();
    desk.pass(30_000);
    assert!(desk.saw(&Seen::HangUp(call)));
    desk.ends(call, EndedBy::Us);
    assert_eq!(outcome(&desk, call), Some(InboundOutcome::NoAgent));
}

#[test]
fn a_caller_who_leaves_frees_the_agent() {
    let (mut desk, _) = Desk::running(quiet(), 1, 1);
    let call = desk.called(NUMBER, None).unwrap();
    desk.ends(call, EndedBy::Callee);
    assert_eq!(outcome(&desk, call), Some(InboundOutcome::Left));
    assert_eq!(desk.state("agent1"), AgentState::Ready);
    assert_eq!(desk.inbound[&call].answered_at, None);
}

#[test]
fn a_phone_that_does_not_come_is_passed_over() {
    let (mut desk, _) = Desk::running(quiet(), 2, 1);
    let call = desk.called(NUMBER, None).unwrap();
    assert!(desk.saw(&Seen::Connect(call, "agent1".into())));
    desk.tell(Input::ConnectFailed { attempt: call, agent: "agent1".into() });
    assert!(desk.saw(&Seen::Connect(call, "agent2".into())));
    assert_eq!(desk.state("agent1"), AgentState::Unreachable, "left alone for a while");
    talks(&mut desk, call);
    desk.tell(Input::AgentUnreachable { agent: "agent2".into() });
    assert!(desk.saw(&Seen::HangUp(call)), "a caller without an agent is not left in silence");
    desk.ends(call, EndedBy::Us);
    assert_eq!(
        (outcome(&desk, call), desk.inbound[&call].reason.as_str()),
        (Some(InboundOutcome::Talked), "agent_left")
    );
}

#[test]
fn whoever_talks_with_us_is_not_called() {
    let (mut desk, _) = Desk::running(called(), 2, 1);
    let call = desk.called(NUMBER, Some(&due(1).number)).unwrap();
    talks(&mut desk, call);
    desk.pass(10_000);
    assert!(desk.placed.is_empty(), "the one contact is on the line already");
    desk.ends(call, EndedBy::Callee);
    desk.pass(10_000);
    assert!(desk.placed.is_empty(), "and was spoken with");
    assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
}

// Invariant 9: a caller takes no agent from under a line that counts on them.
#[test]
fn a_line_that_is_out_to_the_caller_changes_nothing_of_a_task_that_the_word_closed() {
    let outcomes: [fn(&mut Desk, AttemptId); 2] = [
        |desk, line| desk.fails(line, Failure::Status(486)),
        |desk, line| {
            desk.answer_call(line);
            desk.tell(Input::Connected { attempt: line });
            let talking = |user: &&str| desk.state(user) == AgentState::Talking;
            let agent = ["agent1", "agent2"].into_iter().find(talking).expect("bridged");
            desk.ends(line, EndedBy::Callee);
            let (agent, disposition) = (agent.to_owned(), "success".into());
            let word = AgentCommand::Dispose { agent, attempt: line, disposition, note: String::new() };
            desk.ask(word).unwrap();
        },
    ];
    for ends in outcomes {
        let (mut desk, campaign) = Desk::running(called(), 2, 1);
        desk.pass(1_000);
        let line = desk.last();
        desk.tell(Input::Placed { attempt: line });
        let call = desk.called(NUMBER, Some(&due(1).number)).unwrap();
        talks(&mut desk, call);
        let agent = desk.inbound[&call].agent.clone().unwrap();
        desk.ends(call, EndedBy::Callee);
        let word = AgentCommand::Dispose {
            agent,
            attempt: call,
            disposition: "success".into(),
            note: String::new(),
        };
        desk.ask(word).unwrap();
        assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
        ends(&mut desk, line);
        assert!(desk.ended.contains_key(&line), "it has an ending of its own");
        assert_eq!(desk.task(1).state, TaskState::Closed(ClosedReason::Success));
        assert_eq!(desk.campaign(campaign).tasks_open, 0);
    }
}

#[test]
fn an_agent_for_whom_a_line_is_out_takes_the_caller_once_it_has_ended() {
    let (mut desk, _) = Desk::running(called(), 1, 5);
    desk.pass(100);
    let line = desk.last();
    desk.tell(Input::Placed { attempt: line });
    let call = desk.called(NUMBER, None).unwrap();
    desk.pass(3_000);
    assert!(!desk.saw(&Seen::Connect(call, "agent1".into())), "the line may be answered");
    desk.fails(line, crate::input::Failure::Status(486));
    assert!(desk.saw(&Seen::Connect(call, "agent1".into())));
    talks(&mut desk, call);
    desk.pass(5_000);
    assert_eq!(desk.placed.len(), 1, "no line is placed for an agent who talks");
}

#[test]
fn an_answered_line_may_have_an_agent_who_was_meant_for_a_caller() {
    let (mut desk, campaign) = Desk::running(called(), 1, 5);
    desk.pass(100);
    let line = desk.last();
    desk.tell(Input::Placed { attempt: line });
    let call = desk.called(NUMBER, None).unwrap();
    desk.answer_call(line);
    assert!(desk.saw(&Seen::Connect(line, "agent1".into())));
    desk.tell(Input::Connected { attempt: line });
    assert_eq!(desk.campaign(campaign).callers_waiting, 1);
    desk.pass(4_000);
    desk.ends(line, EndedBy::Callee);
    desk.pass(1_100);
    assert!(desk.saw(&Seen::Connect(call, "agent1".into())), "the caller is next: {:?}", desk.seen);
    assert_eq!(desk.campaign(campaign).abandoned, 0);
}

/// Lines of another campaign count on their agents: the answer takes whom its own line counted on, and the caller waits.
#[test]
fn an_answer_takes_whoever_was_meant_for_a_caller_before_anybody_of_another_campaign() {
    let (mut desk, one) = Desk::running(called(), 0, 5);
    let two = desk.create(spec());
    (101..=105).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    (1..=2).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.pass(1_000);
    let line_of = |desk: &Desk, campaign| {
        *desk.placed.iter().find(|line| desk.tasks[&desk.claimed[line]].campaign == campaign).unwrap()
    };
    let (first, second) = (line_of(&desk, one), line_of(&desk, two));
    for attempt in [first, second] {
        desk.tell(Input::Placed { attempt });
    }
    let call = desk.called(NUMBER, None).unwrap();
    desk.answer_call(first);
    desk.tell(Input::Connected { attempt: first });
    desk.pass(1_000);
    let taken = |desk: &Desk, call| {
        let users = ["agent1", "agent2"].into_iter();
        users.filter(|user| desk.saw(&Seen::Connect(call, (*user).into()))).count()
    };
    assert_eq!((taken(&desk, first), taken(&desk, call)), (1, 0), "{:?}", desk.seen);
    desk.answer_call(second);
    assert_eq!(taken(&desk, second), 1, "nobody took their agent: {:?}", desk.seen);
}

#[test]
fn an_agent_who_is_meant_for_a_caller_stays_where_a_line_counts_on_them() {
    let (mut desk, _) = Desk::running(called(), 1, 5);
    desk.pass(100);
    desk.tell(Input::Placed { attempt: desk.last() });
    let call = desk.called(NUMBER, None).unwrap();
    let two = desk.create(CampaignSpec { weight: 3, ..spec() });
    (101..=105).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    desk.pass(3_000);
    assert_eq!(desk.placed.len(), 1, "no second line counts on the same agent");
    assert!(!desk.saw(&Seen::Connect(call, "agent1".into())), "the line may be answered");
}

#[test]
fn a_campaign_ends_after_its_callers() {
    let (mut desk, campaign) = Desk::running(quiet(), 1, 1);
    let call = desk.called(NUMBER, None).unwrap();
    talks(&mut desk, call);
    desk.command(CampaignCommand::Stop(campaign)).unwrap();
    let late = desk.called(NUMBER, None).unwrap();
    assert!(desk.saw(&Seen::Message(late)), "nobody is looked for any more");
    desk.ends(late, EndedBy::Us);
    desk.pass(5_000);
    assert!(!desk.saw(&Seen::Finished(campaign)));
    desk.ends(call, EndedBy::Callee);
    desk.pass(2_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
}

/// What a new process finds of this desk's calls.
fn restarted(desk: &Desk, campaign: CampaignId, spec: CampaignSpec) -> Desk {
    let rows = desk.inbound.values().cloned();
    let recovered = Recovered {
        last_attempt: desk.inbound.keys().next_back().map_or(0, |call| call.0),
        last_campaign: campaign.0,
        campaigns: vec![RecoveredCampaign {
            campaign,
            ..super::restart::campaign(spec, CampaignState::Running)
        }],
        inbound: rows
            .map(|row| {
                let known = row.caller.as_deref().and_then(|number| desk.caller(row.campaign, number));
                RecoveredInbound { row, known }
            })
            .collect(),
        ..Recovered::default()
    };
    Desk::with_tasks(recovered, desk.tasks.clone())
}

#[test]
fn a_call_that_was_up_is_hung_up_by_the_next_process_and_called_back() {
    let (mut desk, campaign) = Desk::running(quiet(), 1, 1);
    let call = desk.called(NUMBER, Some(&due(1).number)).unwrap();
    talks(&mut desk, call);
    let mut next = restarted(&desk, campaign, quiet());
    assert!(next.saw(&Seen::Adopt("call".into())), "its dialog gets a BYE");
    let row = &next.inbound[&call];
    assert_eq!((row.outcome, row.reason.as_str()), (Some(InboundOutcome::Interrupted), "restart"));
    assert!(next.retry_in(1).is_some_and(|wait| wait > Duration::ZERO));
    let again = next.called(NUMBER, None).unwrap();
    assert!(again > call, "no number is given twice");
    // Two deaths soon after each other.
    let third = restarted(&next, campaign, quiet());
    assert!(third.saw(&Seen::Adopt("call".into())));
}

#[test]
fn a_word_that_was_not_given_is_the_scripts() {
    let (mut desk, campaign) = Desk::running(quiet(), 1, 1);
    let call = desk.called(NUMBER, Some(&due(1).number)).unwrap();
    talks(&mut desk, call);
    desk.ends(call, EndedBy::Callee);
    assert_eq!(desk.inbound[&call].disposition, None);
    let next = restarted(&desk, campaign, quiet());
    assert_eq!(next.inbound[&call].disposition.as_deref(), Some("success"));
    assert_eq!(next.task(1).state, TaskState::Closed(ClosedReason::Success));
}
