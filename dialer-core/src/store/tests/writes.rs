//! Short ways to write what the tests write.

use std::time::Duration;

use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::CampaignState;
use crate::campaign::spec::{CampaignSpec, ClosureSpec, Jurisdiction, Mode};
use crate::contact::ListedContact;
use crate::id::{AttemptId, CampaignId, ContactId, TaskId};
use crate::inbound::{InboundOutcome, InboundRow};
use crate::input::Recording;
use crate::store::write::{CallDialog, CallRoute, Ended, Intent, NumberRow, OrphanRow, Write};
use crate::task::TaskState;
use crate::time::Utc;

pub const RENEWALS: CampaignId = CampaignId(1);

pub fn spec() -> CampaignSpec {
    CampaignSpec {
        abandon_strict: true,
        trunks: vec!["carrier".into()],
        region: Some("US".into()),
        timezone: Some("America/New_York".into()),
        closure: ClosureSpec { attempts_max: 3, ..ClosureSpec::default() },
        ..CampaignSpec::new("renewals".into(), Mode::Ratio, Jurisdiction::None)
    }
}

pub fn campaign(campaign: CampaignId) -> Write {
    Write::Campaign {
        campaign,
        spec: Box::new(spec()),
        state: CampaignState::Running,
        started_at: Some(Utc(1_000)),
        elapsed: Duration::from_secs(3),
    }
}

pub fn listed(line: u64, id: &str, number: &str) -> ListedContact {
    ListedContact {
        line,
        external_id: id.into(),
        number: number.into(),
        name: format!("name of {id}"),
        timezone: None,
        owner: None,
        fields: [("plan".to_owned(), "gold \"plus\"".to_owned())].into(),
    }
}

/// Contact `n` has id `cn` and number `+1555000000n`; as the first list of a store it gets contact and task `n`.
pub fn list(count: u64) -> Vec<ListedContact> {
    (1..=count).map(|n| listed(n + 1, &format!("c{n}"), &number(n))).collect()
}

pub fn number(n: u64) -> String {
    format!("+1555{n:07}")
}

pub fn route(attempt: u64) -> CallRoute {
    CallRoute {
        trunk: "carrier".into(),
        caller_id: "+15550000001".into(),
        call_id: format!("{attempt}@carillon"),
        branch: format!("z9hG4bK{attempt}"),
        from_tag: format!("f{attempt}"),
        cseq: 1,
        request_uri: "sip:callee@192.0.2.1".into(),
        from_uri: "sip:us@192.0.2.2".into(),
        to_uri: "sip:callee@192.0.2.1".into(),
        next_hop: "192.0.2.1:5060".into(),
        local: "192.0.2.2:5060".into(),
    }
}

pub fn dialog(attempt: u64) -> CallDialog {
    CallDialog {
        call_id: format!("{attempt}@carillon"),
        local_tag: format!("f{attempt}"),
        remote_tag: format!("t{attempt}"),
        local_uri: "sip:us@192.0.2.2".into(),
        remote_uri: "sip:callee@192.0.2.1".into(),
        remote_target: "sip:callee@192.0.2.3".into(),
        route_set: vec!["<sip:192.0.2.4;lr>".into()],
        local_cseq: 1,
        next_hop: "192.0.2.4:5060".into(),
        local: "192.0.2.2:5060".into(),
    }
}

pub fn orphan(attempt: u64, answered: bool) -> OrphanRow {
    OrphanRow { route: route(attempt), dialog: answered.then(|| dialog(attempt)) }
}

/// Attempt `attempt` at contact and task `n` of the first campaign.
pub fn intent(attempt: u64, n: u64, at: i64) -> Write {
    intent_of(attempt, RENEWALS, n, n, &number(n), at)
}

pub fn intent_of(
    attempt: u64,
    campaign: CampaignId,
    task: u64,
    contact: u64,
    number: &str,
    at: i64,
) -> Write {
    Write::Intent(Intent {
        attempt: AttemptId(attempt),
        campaign,
        task: TaskId(task),
        contact: ContactId(contact),
        number: number.into(),
        at: Utc(at),
        route: route(attempt),
    })
}

pub fn placed(attempt: u64, at: i64) -> Write {
    Write::Placed { attempt: AttemptId(attempt), at: Utc(at) }
}

/// The attempt goes over another trunk, with the identifiers that `to` would have.
pub fn diverted(attempt: u64, to: u64) -> Write {
    let (trunk, caller_id) = (format!("trunk{to}"), format!("+1555000{to:04}"));
    Write::Diverted { attempt: AttemptId(attempt), route: CallRoute { trunk, caller_id, ..route(to) } }
}

pub fn ringing(attempt: u64, at: i64) -> Write {
    Write::Ringing { attempt: AttemptId(attempt), at: Utc(at) }
}

pub fn answered(attempt: u64, at: i64) -> Write {
    Write::Answered { attempt: AttemptId(attempt), at: Utc(at), dialog: dialog(attempt) }
}

pub fn bridged(attempt: u64, at: i64, agent: &str) -> Write {
    Write::Bridged { attempt: AttemptId(attempt), at: Utc(at), agent: agent.into() }
}

pub fn handed_over(attempt: u64, agent: &str) -> Write {
    Write::HandedOver { attempt: AttemptId(attempt), agent: agent.into() }
}

pub fn heard(attempt: u64, after_ms: u64) -> Write {
    Write::AgentHeard { attempt: AttemptId(attempt), answer_to_agent: Duration::from_millis(after_ms) }
}

pub fn recorded(attempt: u64, file: &str) -> Write {
    Write::Recorded { attempt: AttemptId(attempt), file: file.into(), duration_ms: 900, sha256: "ab".into() }
}

pub fn ended(attempt: u64, at: i64, outcome: Outcome) -> Write {
    Write::Ended(Ended {
        attempt: AttemptId(attempt),
        at: Utc(at),
        outcome,
        sip_status: (outcome == Outcome::Busy).then_some(486),
        attribution: Attribution::Callee,
        reason: "because".into(),
        talk: if outcome == Outcome::Answered { Duration::from_millis(1_500) } else { Duration::ZERO },
    })
}

pub fn task(task: u64, state: TaskState, next_at: Option<i64>, disposition: Option<&str>) -> Write {
    Write::Task {
        task: TaskId(task),
        state,
        next_at: next_at.map(Utc),
        disposition: disposition.map(str::to_owned),
    }
}

pub fn disposition(attempt: u64, task: u64, word: &str) -> Write {
    Write::Disposition {
        attempt: AttemptId(attempt),
        task: TaskId(task),
        agent: "agent1".into(),
        at: Utc(9_000),
        disposition: word.into(),
        note: "called back".into(),
    }
}

pub fn agent_time(agent: &str, ready_ms: u64, talking_ms: u64) -> Write {
    Write::AgentTime {
        agent: agent.into(),
        ready: Duration::from_millis(ready_ms),
        talking: Duration::from_millis(talking_ms),
        wrap_up: Duration::from_millis(5),
        away: Duration::from_millis(1),
    }
}

/// A caller who is rung for at `at`.
pub fn inbound_row(call: u64, at: i64) -> InboundRow {
    InboundRow {
        call: AttemptId(call),
        campaign: RENEWALS,
        trunk: "carrier".into(),
        number: "+15550000001".into(),
        caller: Some(number(1)),
        diversion: "<sip:+15550100@carrier.example>".into(),
        history_info: String::new(),
        identity: "passed_a".into(),
        contact: None,
        task: None,
        arrived_at: Utc(at),
        answered_at: None,
        bridged_at: None,
        ended_at: None,
        outcome: None,
        reason: String::new(),
        agent: None,
        talk_ms: 0,
        disposition: None,
        note: String::new(),
        recording: None,
        leg: None,
    }
}

/// One of this contact, up, ended or with its word, by `stage`.
pub fn inbound(call: u64, n: u64, at: i64, stage: u64) -> Write {
    let mut row = inbound_row(call, 5);
    (row.contact, row.task) = (Some(ContactId(n)), Some(TaskId(n)));
    let up = || Some(orphan(call, true));
    match stage {
        0 => {}
        1 => (row.answered_at, row.bridged_at, row.leg) = (Some(Utc(at)), Some(Utc(at)), up()),
        2 => (row.ended_at, row.outcome) = (Some(Utc(at)), Some(InboundOutcome::Left)),
        3 => (row.ended_at, row.outcome) = (Some(Utc(at)), Some(InboundOutcome::Talked)),
        4 => {
            (row.ended_at, row.outcome, row.leg) = (Some(Utc(at)), Some(InboundOutcome::Interrupted), up());
        }
        _ => {
            (row.ended_at, row.outcome) = (Some(Utc(at)), Some(InboundOutcome::Talked));
            row.disposition = Some("success".into());
            row.recording = Some(Recording { file: "a.wav".into(), duration_ms: 9, sha256: "ab".into() });
        }
    }
    Write::Inbound(Box::new(row))
}

/// What is known of the first number of a trunk.
pub fn number_row(trunk: &str, at: i64, calls: u32) -> NumberRow {
    NumberRow {
        trunk: trunk.into(),
        number: number(1),
        calls,
        answers: calls / 2,
        unwanted: calls / 3,
        rests_until: calls.is_multiple_of(2).then_some(Utc(at + 60_000)),
        today: calls,
        day_ends_at: Utc(at + 86_400_000),
        shown_at: Some(Utc(at)),
    }
}
