//! Several campaigns over the same agents.

use super::desk::{Desk, Seen, spec};
use crate::campaign::CampaignCommand;
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::dialer::Options;
use crate::id::{CampaignId, ContactId, TaskId};
use crate::input::{EndedBy, Failure, Input};

fn placed_by(desk: &Desk, campaign: CampaignId) -> usize {
    let of = |attempt: &&crate::id::AttemptId| desk.tasks[&desk.claimed[attempt]].campaign == campaign;
    desk.placed.iter().filter(of).count()
}

#[test]
fn two_campaigns_share_the_free_agents_evenly() {
    let (mut desk, one) = Desk::running(spec(), 0, 100);
    let two = desk.create(spec());
    (101..=200).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    (1..=6).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.pass(1_000);
    assert_eq!((placed_by(&desk, one), placed_by(&desk, two)), (3, 3), "each agent counts once");
}

#[test]
fn a_campaign_that_starts_gets_its_share_and_gives_it_back() {
    let (mut desk, one) = Desk::running(spec(), 6, 0);
    desk.add_task(one, 1);
    let two = desk.create(spec());
    (101..=200).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    desk.pass(1_000);
    assert_eq!(placed_by(&desk, two), 6, "the other has ended");
    desk.command(CampaignCommand::Pause(two)).unwrap();
    desk.command(CampaignCommand::Start(one)).unwrap();
    desk.pass(1_000);
    assert_eq!(placed_by(&desk, one), 0, "a line of the other is out for each agent");
    for attempt in desk.placed.clone() {
        desk.tell(Input::Placed { attempt });
        desk.fails(attempt, Failure::Status(486));
    }
    desk.pass(1_000);
    assert_eq!(placed_by(&desk, one), 1);
}

#[test]
fn an_answer_takes_any_free_agent_where_its_own_campaign_has_none() {
    let (mut desk, one) = Desk::running(spec(), 1, 5);
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    let two = desk.create(spec());
    desk.add_task(two, 100);
    desk.command(CampaignCommand::Pause(one)).unwrap();
    desk.command(CampaignCommand::Start(two)).unwrap();
    desk.sign_on("agent2");
    desk.answer_call(attempt);
    assert!(desk.saw(&super::desk::Seen::Connect(attempt, "agent2".into())));
}

#[test]
fn weight_says_how_many_agents_each_has() {
    let heavy = CampaignSpec { weight: 3, ..spec() };
    let (mut desk, one) = Desk::running(heavy, 0, 100);
    let two = desk.create(spec());
    (101..=200).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    (1..=8).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.pass(1_000);
    assert_eq!((placed_by(&desk, one), placed_by(&desk, two)), (6, 2));
}

/// A campaign may name its agents: nobody else counts for it or takes its calls.
#[test]
fn a_campaign_that_names_its_agents_has_no_others() {
    let named = CampaignSpec { agents: vec!["agent1".into()], ..spec() };
    let (mut desk, one) = Desk::running(named, 2, 5);
    desk.pass(1_000);
    assert_eq!(placed_by(&desk, one), 1, "for agent1");
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    desk.answer_call(attempt);
    desk.pass(1_000);
    assert!(!desk.saw(&Seen::Connect(attempt, "agent2".into())));
    desk.tell(Input::AgentReachable { agent: "agent1".into(), leg: None });
    assert!(desk.saw(&Seen::Connect(attempt, "agent1".into())));
}

/// Shared agents, and one who takes the calls of one campaign alone: nobody counts twice.
#[test]
fn agents_of_several_campaigns_count_for_one_at_a_time() {
    let of = |agents: &[&str]| CampaignSpec {
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        ..spec()
    };
    let (mut desk, one) = Desk::running(of(&["agent1", "agent2", "agent3"]), 0, 100);
    let two = desk.create(of(&["agent2", "agent3", "agent4"]));
    (101..=200).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    (1..=5).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.pass(1_000);
    assert_eq!((placed_by(&desk, one), placed_by(&desk, two)), (2, 2), "agent5 takes nobody's calls");
}

/// What has let too many down gives its agents to the other campaign, but for one by whom it recovers.
#[test]
fn a_campaign_whose_budget_is_spent_leaves_its_share_to_others() {
    let spent = CampaignSpec {
        mode: Mode::Ratio,
        abandon_limit: 0.0,
        safe_harbour: Some("sorry.wav".into()),
        ..spec()
    };
    let (mut desk, one) = Desk::running(spent, 1, 100);
    let attempt = {
        desk.pass(100);
        desk.last()
    };
    desk.tell(Input::Placed { attempt });
    desk.tell(Input::AgentUnreachable { agent: "agent1".into() });
    desk.answer_call(attempt);
    desk.pass(3_000);
    assert_eq!(desk.campaign(one).abandoned, 1);
    let two = desk.create(spec());
    (101..=200).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    (2..=7).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.pass(1_000);
    assert_eq!((placed_by(&desk, one) - 1, placed_by(&desk, two)), (1, 5));
}

/// A campaign that starts while all agents talk has its share of them as they come free, and nobody's line is left alone.
#[test]
fn a_campaign_that_starts_gets_those_who_are_busy_as_they_come_free() {
    let (mut desk, one) = Desk::running(spec(), 4, 100);
    desk.pass(100);
    let talks: Vec<_> = desk.placed.iter().copied().collect();
    for attempt in &talks {
        desk.tell(Input::Placed { attempt: *attempt });
        desk.answer_call(*attempt);
        desk.tell(Input::Connected { attempt: *attempt });
    }
    let two = desk.create(spec());
    (101..=200).for_each(|task| desk.add_task(two, task));
    desk.command(CampaignCommand::Start(two)).unwrap();
    desk.pass(1_000);
    assert_eq!((placed_by(&desk, one), placed_by(&desk, two)), (4, 0), "nobody is free");
    talks.iter().for_each(|attempt| desk.ends(*attempt, EndedBy::Callee));
    desk.pass(3_000);
    assert_eq!((placed_by(&desk, one) - 4, placed_by(&desk, two)), (2, 2));
}

#[test]
fn a_campaign_comes_past_contacts_that_another_one_calls() {
    const SHARED: u64 = 20;
    let mut desk = Desk::limited(Options { supply_max: 1, ..Options::default() });
    let one = desk.create(spec());
    let two = desk.create(spec());
    (1..=SHARED).for_each(|task| desk.add_task(one, task));
    (1..=SHARED).for_each(|agent| desk.sign_on(&format!("agent{agent:02}")));
    desk.command(CampaignCommand::Start(one)).unwrap();
    desk.pass(2_000);
    assert_eq!(placed_by(&desk, one) as u64, SHARED);
    for task in 101..=100 + SHARED + 1 {
        desk.add_task(two, task);
        desk.tasks.get_mut(&TaskId(task)).unwrap().due.contact = ContactId(task - 100);
    }
    desk.sign_on("free");
    desk.command(CampaignCommand::Start(two)).unwrap();
    desk.pass(10_000);
    assert_eq!(placed_by(&desk, two), 1, "the last on its list, whom nobody else calls");
}
