//! The roster of a campaign: the hours ahead on which its pacer counts.

use super::desk::{Desk, spec};
use crate::agent::AgentCommand;
use crate::campaign::roster::testing::shift;
use crate::campaign::spec::{CampaignSpec, Day, Mode};
use crate::input::{Failure, Input};

/// Today's shift of everybody ends half an hour from now, that of agent3 in a quarter of an hour.
fn rostered() -> CampaignSpec {
    let shifts = vec![
        shift(&[Day::Fri], "14:00", "15:30", &[]),
        shift(&[Day::Fri], "14:00", "15:15", &["agent3"]),
        shift(&[Day::Fri], "15:00", "24:00", &["late"]),
    ];
    CampaignSpec { mode: Mode::Predictive, shifts, safe_harbour: Some("sorry.wav".into()), ..spec() }
}

#[test]
fn a_decision_counts_on_the_scheduled_hours_of_those_who_are_there() {
    let (mut desk, campaign) = Desk::running(rostered(), 3, 5_000);
    let told = |desk: &mut Desk, milliseconds, hours: &str| {
        desk.pass(milliseconds);
        let reason = desk.campaign(campaign).pacing_reason;
        assert!(reason.contains(&format!("; {hours} agent hours ahead are counted on")), "{hours}: {reason}");
    };
    told(&mut desk, 1_000, "1.2");
    let leave =
        |desk: &mut Desk, agent: &str| desk.ask(AgentCommand::SignOff { agent: agent.into() }).unwrap();
    leave(&mut desk, "agent1");
    told(&mut desk, 1_000, "0.7");
    told(&mut desk, 20 * 60_000, "0.2");
    leave(&mut desk, "agent2");
    told(&mut desk, 1_000, "0.0");
    desk.sign_on("late");
    told(&mut desk, 1_000, "8.7");
    leave(&mut desk, "late");
    told(&mut desk, 1_000, "0.0");
    let newest = desk.dialer.decisions(campaign, 1).unwrap()[0];
    assert!(newest.agent_hours_left.is_some());
}

/// Nobody's calls stop where the roster ends: one line per free agent is never questioned.
#[test]
fn who_stays_beyond_the_roster_goes_on() {
    let (mut desk, campaign) = Desk::running(rostered(), 2, 5_000);
    desk.pass(45 * 60_000);
    let out: Vec<_> = desk.placed.iter().copied().collect();
    for attempt in &out {
        desk.tell(Input::Placed { attempt: *attempt });
        desk.fails(*attempt, Failure::Status(486));
    }
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), out.len() + 2, "one line each");
    assert!(desk.campaign(campaign).pacing_reason.contains("; 0.0 agent hours ahead"));
}
