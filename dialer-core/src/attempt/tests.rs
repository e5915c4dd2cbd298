//! Every state and every event of the machine, as a table that is read in review.

use std::fmt::Write as _;
use std::time::Duration;

use carillon_pacing::AgentKey;

use super::event::{Action, Event, Terms};
use super::machine::Attempt;
use crate::dialer::testing::{dialog, due, route};
use crate::id::{AttemptId, CampaignId};
use crate::input::{EndedBy, Failure};
use crate::store::write::Refusal;
use crate::time::{Now, Utc};

const AGENT: AgentKey = AgentKey(1);
const NOW: Now = Now { monotonic: Duration::from_secs(10), utc: Utc(10_000) };

/// The ways into each state.
fn states() -> Vec<(&'static str, Vec<Event>)> {
    let placing = vec![Event::Reserved(route("+1")), Event::IntentStored];
    let with = |path: &[Event], more: &[Event]| [path, more].concat();
    let dialing = with(&placing, &[Event::Placed]);
    let ringing = with(&dialing, &[Event::Ringing { early_media: false }]);
    let waiting = with(&ringing, &[Event::Answered(dialog())]);
    let connecting = with(&waiting, &[Event::Offered(AGENT)]);
    let talking = with(&connecting, &[Event::Connected]);
    vec![
        ("reserving", vec![]),
        ("intending", vec![Event::Reserved(route("+1"))]),
        ("withdrawn", vec![Event::Reserved(route("+1")), Event::Deadline]),
        ("placing", placing.clone()),
        ("dialing", dialing.clone()),
        ("diverted, intending", with(&placing, &[diverted()])),
        ("diverted, withdrawn", with(&placing, &[diverted(), Event::Deadline])),
        ("diverted, placing", with(&dialing, &[diverted(), Event::IntentStored])),
        ("diverted unsent, placing", with(&placing, &[unsigned(), Event::IntentStored])),
        ("ringing", ringing.clone()),
        ("waiting", waiting.clone()),
        ("connecting", connecting),
        ("talking", talking.clone()),
        ("message", with(&waiting, &[Event::Deadline])),
        ("hanging up, unanswered", with(&ringing, &[Event::Deadline])),
        ("hanging up, answered", with(&waiting, &[Event::Abort])),
        ("hanging up, talked", with(&talking, &[Event::Cut("talk_limit")])),
        ("over", with(&ringing, &[Event::Failed(Failure::Status(486))])),
    ]
}

fn diverted() -> Event {
    Event::Diverted(Failure::Status(503), route("+2"))
}

fn unsigned() -> Event {
    Event::Diverted(Failure::Unsigned, route("+2"))
}

fn events() -> Vec<(&'static str, Event)> {
    vec![
        ("reserved", Event::Reserved(route("+1"))),
        ("busy", Event::Busy),
        ("not allowed", Event::NotAllowed),
        ("diverted", diverted()),
        ("intent stored", Event::IntentStored),
        ("intent refused", Event::IntentRefused(Refusal::Open)),
        ("store unavailable", Event::IntentRefused(Refusal::Unavailable(String::new()))),
        ("permit refused", Event::PermitRefused("stopped")),
        ("placed", Event::Placed),
        ("ringing", Event::Ringing { early_media: true }),
        ("answered", Event::Answered(dialog())),
        ("offered", Event::Offered(AgentKey(2))),
        ("connected", Event::Connected),
        ("connect failed", Event::ConnectFailed(AGENT)),
        ("agent lost", Event::AgentLost(AGENT)),
        ("failed 486", Event::Failed(Failure::Status(486))),
        ("cancelled", Event::Failed(Failure::Cancelled)),
        ("no response", Event::Failed(Failure::Timeout)),
        ("ended by callee", Event::Ended(EndedBy::Callee, "bye".into())),
        ("ended by us", Event::Ended(EndedBy::Us, "gone".into())),
        ("cut", Event::Cut("time_limit")),
        ("abort", Event::Abort),
        ("deadline", Event::Deadline),
    ]
}

fn at(path: Vec<Event>) -> Attempt {
    let terms = Terms {
        abandon_after: Duration::from_secs(2),
        message: true,
        ring_timeout: Duration::from_secs(25),
        talk_limit: Duration::from_secs(600),
    };
    let mut attempt = Attempt::new(AttemptId(1), CampaignId(1), due(1), terms, NOW);
    for event in path {
        attempt.handle(event, NOW);
    }
    attempt
}

fn name(action: &Action) -> String {
    match action {
        Action::Intend(_) => "record the intent".into(),
        Action::Divert(_) => "record the other trunk".into(),
        Action::Place(_) => "mint the permit and place".into(),
        Action::Release => "release the line".into(),
        Action::NotePlaced => "note placed".into(),
        Action::NoteRinging => "note ringing".into(),
        Action::NoteAnswered(_) => "note answered".into(),
        Action::Seek => "seek an agent".into(),
        Action::Connect(agent) => format!("connect agent {}", agent.0),
        Action::Disconnect => "disconnect the agent".into(),
        Action::NoteBridged(agent) => format!("note bridged with agent {}", agent.0),
        Action::NoteAbandoned { agent_lost: false } => "charge as abandoned".into(),
        Action::NoteAbandoned { agent_lost: true } => "charge as abandoned, agent lost".into(),
        Action::PlayMessage => "play the message".into(),
        Action::HangUp => "hang up".into(),
        Action::AgentBack(agent) => format!("agent {} waits on", agent.0),
        Action::AgentFailed(agent) => format!("agent {} could not be joined", agent.0),
        Action::AgentTalked(agent) => format!("agent {} wraps up", agent.0),
        Action::Drop(why) => format!("leave no trace: {why:?}"),
        Action::End(verdict) => {
            format!("record the end: {:?}, {}", verdict.finding.outcome, verdict.finding.reason)
        }
    }
}

/// One line for each pair that changes or does something; what is not listed is ignored.
fn table() -> String {
    let mut table = String::new();
    for (state, path) in states() {
        for (event_name, event) in events() {
            let mut attempt = at(path.clone());
            let before = attempt.state_name();
            let actions: Vec<_> = attempt.handle(event, NOW).iter().map(name).collect();
            if actions.is_empty() && attempt.state_name() == before {
                continue;
            }
            let actions =
                if actions.is_empty() { String::new() } else { format!(": {}", actions.join("; ")) };
            writeln!(table, "{state} | {event_name} -> {}{actions}", attempt.state_name()).unwrap();
        }
    }
    table
}

#[test]
fn every_state_and_event_as_the_table_has_it() {
    let table = table();
    assert!(table == include_str!("transitions.txt"), "the table is now:\n{table}");
}

#[test]
fn every_call_that_was_placed_has_a_deadline_unless_it_talks() {
    for (state, path) in states() {
        let attempt = at(path);
        let unlimited = state == "over" || state.ends_with("withdrawn");
        assert_eq!(attempt.deadline().is_none(), unlimited, "{state}");
    }
}

#[test]
fn nothing_but_the_end_is_heard_after_the_end() {
    for (state, path) in states() {
        let mut attempt = at(path);
        let mut ends = 0;
        // Everything three times over, in order: at most one end, and nothing after it.
        for (event_name, event) in events().into_iter().cycle().take(3 * events().len()) {
            let over = ends > 0;
            let actions = attempt.handle(event, NOW);
            let idle = actions.iter().all(|action| matches!(action, Action::AgentBack(_)));
            assert!(!over || idle, "{state}, {event_name}: {actions:?}");
            ends +=
                actions.iter().filter(|action| matches!(action, Action::End(_) | Action::Drop(_))).count();
        }
        assert!(ends <= 1, "{state}");
    }
}
