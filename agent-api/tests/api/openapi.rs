//! The API document: as committed, as served, and true to the types it describes.
//!
//! After a change that is meant: `CARILLON_WRITE_OPENAPI=1 cargo test -p carillon-api openapi`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carillon_core::agent::AgentState;
use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::CampaignState;
use carillon_core::campaign::decisions::{Bound, Forecast, Reason};
use carillon_core::campaign::spec::{CampaignSpec, ClosureSpec, Day, Jurisdiction, Mode, Window, WorkShift};
use carillon_core::campaign::standing::{Awaited, Cause, Standing};
use carillon_core::id::{AttemptId, CampaignId, ContactId, TaskId};
use carillon_core::inbound::InboundOutcome;
use carillon_core::live::{
    AgentView, CallerView, CampaignView, CapOf, CapView, EndingOutcome, EndingView, LiveView, PreviewView,
    TrunkView,
};
use carillon_core::time::Utc;
use serde_json::{Value, json};

use crate::client::{Api, get};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn the_committed_document_is_the_real_one() {
    let text = carillon_api::document() + "\n";
    if std::env::var_os("CARILLON_WRITE_OPENAPI").is_some() {
        std::fs::write(COMMITTED, &text).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    let hint = "docs/openapi.json is out of date; see the head of this file";
    assert!(committed == text, "{hint}");
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let served = Api::new().ask(get("/api/v1/openapi.json", "")).await.json();
    assert_eq!(served, serde_json::from_str::<Value>(&carillon_api::document()).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
}

pub(crate) fn schema(name: &str) -> Value {
    let document: Value = serde_json::from_str(&carillon_api::document()).unwrap();
    document["components"]["schemas"][name].clone()
}

/// Names of the properties that the document gives a schema and that the real type writes.
fn assert_properties(name: &str, real: Value) {
    let described = schema(name)["properties"].as_object().unwrap_or_else(|| panic!("{name}")).clone();
    let described: BTreeSet<String> = described.keys().cloned().collect();
    let written: BTreeSet<String> = real.as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, written, "{name}");
}

#[test]
fn schemas_describe_what_is_written() {
    let window = Window { days: vec![Day::Mon], from: "08:00".into(), to: "21:00".into() };
    let retry = BTreeMap::from([(Outcome::Busy, Duration::from_secs(60))]);
    let mut spec = CampaignSpec::new("renewals".into(), Mode::Ratio, Jurisdiction::Us);
    spec.windows = vec![window];
    let agents = vec!["agent1".to_owned()];
    spec.shifts = vec![WorkShift { days: vec![Day::Mon], from: "09:00".into(), to: "12:30".into(), agents }];
    spec.closure = ClosureSpec { retry, ..ClosureSpec::default() };
    let spec = serde_json::to_value(spec).unwrap();
    assert_properties("Window", spec["windows"][0].clone());
    assert_properties("WorkShift", spec["shifts"][0].clone());
    assert_properties("ClosureSpec", spec["closure"].clone());
    assert_properties("InboundSpec", spec["inbound"].clone());
    assert_properties("CampaignSpec", spec);

    let preview =
        PreviewView { campaign: CampaignId(1), task: TaskId(1), contact: ContactId(1), until: Utc(0) };
    let caller = CallerView {
        campaign: CampaignId(1),
        contact: None,
        task: None,
        since: Utc(0),
        identity: "none".into(),
    };
    let agent = AgentView {
        user: "a".into(),
        state: AgentState::WrapUp,
        reason: String::new(),
        since: Utc(0),
        calls: 0,
        attempt: Some(AttemptId(1)),
        inbound: Some(Box::new(caller.clone())),
        preview: Some(Box::new(preview.clone())),
    };
    assert_properties("PreviewView", json!(preview));
    assert_properties("CallerView", json!(caller));
    assert_properties("AgentView", json!(agent));
    let ending = |outcome| {
        let ending = EndingView {
            attempt: AttemptId(1),
            at: Utc(0),
            outcome,
            agent: None,
            talk_ms: 0,
            identity: None,
        };
        json!(ending).as_object().unwrap().clone()
    };
    let mut either = ending(EndingOutcome::Outcome(Outcome::Answered));
    either.extend(ending(EndingOutcome::Inbound(InboundOutcome::Talked)));
    assert_properties("EndingView", json!(either));
    let campaign = CampaignView {
        id: CampaignId(1),
        name: String::new(),
        state: CampaignState::Running,
        pacing_reason: String::new(),
        pacing: Standing::default(),
        tasks_open: 0,
        tasks_total: 0,
        tasks_waiting_for_owner: 0,
        placed: 0,
        answered: 0,
        bridged: 0,
        abandoned: 0,
        abandon_rate: 0.0,
        abandon_limit: 0.0,
        ringing: 0,
        waiting: 0,
        talking: 0,
        answers_callers: false,
        callers_waiting: 0,
        calls_per_hour: 0.0,
        eta_ms: None,
        answer_to_agent_p99_ms: None,
    };
    assert_properties("CampaignView", json!(campaign));
    assert_properties("Standing", json!(campaign.pacing));
    assert_properties("Awaited", json!(Awaited::of(1, Vec::new())));
    let cap = CapView { of: CapOf::Spend, month: true, used: 1, most: 2, currency: "EUR".into() };
    assert_properties("CapView", json!(cap));
    let trunk = TrunkView { name: "north".into(), up: true, lines: 1, lines_max: 2, caps: vec![cap] };
    assert_properties("TrunkView", json!(trunk));
    assert_properties("LiveView", json!(LiveView::default()));
    let ladder = json!(crate::dialer::ladder());
    assert_properties("LadderParty", ladder["parties"][0].clone());
    assert_properties("LadderMessage", ladder["messages"][0].clone());
    assert_properties("Ladder", ladder);
    let forecast = Forecast::default();
    assert_properties("Forecast", json!(forecast));
    let reason = Reason {
        bound: Bound::Policy,
        agents_free: 0,
        lines_out: 0,
        lines_wanted: 0,
        forecast: Some(forecast),
    };
    assert_properties("Reason", json!(reason));
}

/// Every value the document allows is read by the real type, and it allows all that exist.
fn assert_values<T: serde::de::DeserializeOwned>(name: &str, count: usize) {
    let values = schema(name)["enum"].as_array().unwrap_or_else(|| panic!("{name}")).clone();
    assert_eq!(values.len(), count, "{name}");
    for value in values {
        assert!(serde_json::from_value::<T>(value.clone()).is_ok(), "{name} {value}");
    }
    // Reading a name that doesn't exist lists all that do; their number is the check that none is missing.
    let error = serde_json::from_value::<T>(json!("no such name")).err().unwrap().to_string();
    let known = error.split("expected ").nth(1).unwrap().matches('`').count() / 2;
    assert_eq!(known, count, "{name}: {error}");
}

#[test]
fn schemas_list_the_values_that_exist() {
    assert_values::<Mode>("Mode", 6);
    assert_values::<Jurisdiction>("Jurisdiction", 9);
    assert_values::<Day>("Day", 7);
    assert_values::<CampaignState>("CampaignState", 5);
    assert_values::<AgentState>("AgentState", 8);
    assert_values::<Bound>("Bound", 10);
    assert_values::<Cause>("Cause", 8);
    assert_values::<Outcome>("Outcome", 11);
    assert_values::<carillon_core::inbound::InboundOutcome>("InboundOutcome", 6);
    assert_values::<carillon_core::attempt::outcome::Attribution>("Attribution", 4);
    assert_values::<carillon_api::rights::Role>("Role", 3);
    assert_values::<carillon_core::ladder::Role>("LadderRole", 2);
    assert_values::<carillon_core::ladder::Way>("LadderWay", 2);
}
