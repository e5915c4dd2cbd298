//! Several campaigns over the same agents.

use super::desk::{Desk, spec};
use crate::campaign::CampaignCommand;
use crate::id::CampaignId;
use crate::input::Input;

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
