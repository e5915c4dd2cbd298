//! What a pacer learns: recorded every minute and at a pause, taken up by the next process, helped by what agents signal.

use std::time::Duration;

use serde_json::Value;

use super::desk::{Desk, START, spec};
use crate::agent::{AgentCommand, AgentSignal};
use crate::campaign::spec::{CampaignSpec, Mode, WrapUp};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::CampaignId;
use crate::input::{EndedBy, Failure};
use crate::output::{Refused, Reply};
use crate::store::read::{PeriodCounts, Recovered, RecoveredCampaign};
use crate::store::write::Write;
use crate::time::Utc;

fn predictive() -> CampaignSpec {
    CampaignSpec { mode: Mode::Predictive, safe_harbour: Some("sorry.wav".into()), ..spec() }
}

/// What was recorded so far, oldest first.
fn recorded(desk: &Desk, campaign: CampaignId) -> Vec<Value> {
    let states = desk.writes.iter().filter_map(|write| match write {
        Write::PacerState { campaign: of, learnt, .. } if *of == campaign => Some(learnt),
        _ => None,
    });
    states.map(|learnt| serde_json::from_str(learnt).unwrap()).collect()
}

fn signal(desk: &mut Desk, signal: AgentSignal) -> Result<Reply, Refused> {
    desk.ask(AgentCommand::Signal { agent: "agent1".into(), signal })
}

#[test]
fn it_is_recorded_at_the_start_every_minute_and_at_a_pause() {
    let (mut desk, campaign) = Desk::running(predictive(), 2, 50);
    let call = desk.bridged();
    desk.pass(58_900);
    assert_eq!(recorded(&desk, campaign).len(), 1, "the start itself");
    desk.pass(1_500);
    assert_eq!(recorded(&desk, campaign).len(), 2);
    desk.ends(call, EndedBy::Callee);
    desk.pass(60_000);
    let states = recorded(&desk, campaign);
    assert_eq!(states.len(), 3);
    assert_ne!(states[1]["learnt"], states[2]["learnt"], "a call ended in between");
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    assert_eq!(recorded(&desk, campaign).len(), 4);
    desk.pass(300_000);
    assert_eq!(recorded(&desk, campaign).len(), 4, "a paused campaign learns nothing");
}

#[test]
fn a_store_that_is_away_gets_it_later() {
    let (mut desk, campaign) = Desk::running(predictive(), 2, 50);
    desk.pass(30_000);
    desk.store_down = true;
    let attempt = desk.last();
    desk.fails(attempt, Failure::Status(486));
    desk.pass(31_000);
    assert_eq!(recorded(&desk, campaign).len(), 1, "the start's");
    desk.store_down = false;
    desk.pass(61_000);
    assert_eq!(recorded(&desk, campaign).len(), 2);
}

#[test]
fn the_next_process_goes_on_with_it() {
    let (mut desk, campaign) = Desk::running(predictive(), 2, 50);
    for _ in 0..5 {
        let call = desk.bridged();
        desk.pass(20_000);
        desk.ends(call, EndedBy::Callee);
        desk.pass(10_000);
    }
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    let known = recorded(&desk, campaign).pop().unwrap();
    let recovered = Recovered {
        last_campaign: campaign.0,
        last_attempt: 5,
        campaigns: vec![RecoveredCampaign {
            campaign,
            spec: predictive(),
            state: CampaignState::Running,
            started_at: Some(START),
            elapsed: Duration::from_secs(150),
            answered: 5,
            abandoned: 0,
            placed: 5,
            bridged: 5,
            period: PeriodCounts { since: Utc(i64::MIN), answered: 5, abandoned: 0, machines: 0 },
            learnt: Some(known.to_string()),
            journal: Default::default(),
        }],
        ..Recovered::default()
    };
    let mut next = Desk::with_tasks(recovered, desk.tasks.clone());
    next.command(CampaignCommand::Pause(campaign)).unwrap();
    assert_eq!(recorded(&next, campaign).pop().unwrap()["learnt"], known["learnt"]);
}

#[test]
fn what_an_agent_signals_is_learnt_from() {
    let spec = CampaignSpec { wrap_up: WrapUp::Agent, ..predictive() };
    let learnt = |signals: &[AgentSignal]| {
        let (mut desk, campaign) = Desk::running(spec.clone(), 1, 50);
        assert!(matches!(signal(&mut desk, AgentSignal::Finishing), Err(Refused::State(_))), "no call yet");
        let call = desk.bridged();
        for told in signals {
            desk.pass(10_000);
            assert_eq!(signal(&mut desk, *told), Ok(Reply::Done));
        }
        desk.pass(30_000 - 10_000 * signals.len() as u64);
        desk.ends(call, EndedBy::Callee);
        assert_eq!(
            signal(&mut desk, AgentSignal::FormOpened),
            Ok(Reply::Done),
            "wrap-up is what the form is for"
        );
        desk.pass(5_000);
        desk.command(CampaignCommand::Pause(campaign)).unwrap();
        recorded(&desk, campaign).pop().unwrap()["learnt"].clone()
    };
    let silent = learnt(&[]);
    let told = learnt(&[AgentSignal::FormOpened]);
    let both = learnt(&[AgentSignal::FormOpened, AgentSignal::Finishing]);
    assert_ne!(silent, told);
    assert_ne!(told, both);
    assert_eq!(silent, learnt(&[]), "and nothing else makes a difference");
}
