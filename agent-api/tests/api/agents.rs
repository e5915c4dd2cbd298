//! Agents: seen, moved between states, their dispositions recorded.

use axum::http::StatusCode;
use carillon_core::agent::AgentState;
use serde_json::json;

use crate::client::{AGENT, Api, OPERATOR, get, post, put, request};

#[tokio::test]
async fn an_agent_signs_on_takes_a_break_and_leaves() {
    let api = Api::new();
    let token = api.sign_in(AGENT).await;
    let path = format!("/api/v1/agents/{AGENT}/state");
    let before = api.ask(get(&format!("/api/v1/agents/{AGENT}"), &token)).await.json();
    assert_eq!((&before["state"], &before["since"]), (&json!("offline"), &json!(null)));
    for (wish, expected) in [
        (json!({"state": "signed_on"}), AgentState::Ready),
        (json!({"state": "break", "reason": "lunch"}), AgentState::Break),
        (json!({"state": "ready"}), AgentState::Ready),
        (json!({"state": "offline"}), AgentState::Offline),
    ] {
        assert_eq!(api.ask(put(&path, &token, &wish)).await.status, StatusCode::NO_CONTENT, "{wish}");
        assert_eq!(api.dialer.agent(AGENT), expected, "{wish}");
    }
    let seen = api.ask(get(&format!("/api/v1/agents/{AGENT}"), &token)).await.json();
    assert_eq!((&seen["state"], &seen["since"]), (&json!("offline"), &json!("1970-01-01T00:00:00.000Z")));
    for wish in [json!({"state": "talking"}), json!({}), json!({"state": "break", "reason": "x".repeat(101)})]
    {
        api.ask(put(&path, &token, &wish)).await.problem(422);
    }
    api.ask(request("DELETE", &format!("/api/v1/agents/{AGENT}/call"), &token)).await.problem(409);
}

#[tokio::test]
async fn agents_act_as_themselves_and_operators_for_all() {
    let api = Api::new();
    let agent = api.sign_in(AGENT).await;
    let operator = api.sign_in(OPERATOR).await;
    let wish = json!({"state": "signed_on"});
    api.ask(put("/api/v1/agents/agent2/state", &agent, &wish)).await.problem(403);
    assert_eq!(api.dialer.agent("agent2"), AgentState::Offline);
    let answer = api.ask(put("/api/v1/agents/agent2/state", &operator, &wish)).await;
    assert_eq!((answer.status, api.dialer.agent("agent2")), (StatusCode::NO_CONTENT, AgentState::Ready));
    api.ask(put("/api/v1/agents/nobody/state", &operator, &wish)).await.problem(404);
    let listed = api.ask(get("/api/v1/agents", &operator)).await.json();
    let states: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|agent| (&agent["user"], &agent["state"])).collect();
    assert_eq!(states, [(&json!(AGENT), &json!("offline")), (&json!("agent2"), &json!("ready"))]);
    api.ask(get("/api/v1/agents/olga", &operator)).await.problem(404);
    api.ask(get("/api/v1/agents", &agent)).await.problem(403);
}

#[tokio::test]
async fn a_disposition_is_recorded_for_ones_own_call() {
    let api = Api::new();
    api.dialer.add_attempt(7, 1, AGENT);
    let token = api.sign_in(AGENT).await;
    let path = format!("/api/v1/agents/{AGENT}/dispositions");
    let word = json!({"attempt": 7, "disposition": "sold", "note": "call\nback"});
    let answer = api.ask(post(&path, &token, &word)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::CREATED, word));
    assert_eq!(api.dialer.disposition(AGENT, 7).as_deref(), Some("sold"));

    let refused = |body: serde_json::Value| api.ask(post(&path, &token, &body));
    api.dialer.add_attempt(8, 1, "agent2");
    refused(json!({"attempt": 8, "disposition": "sold"})).await.problem(409);
    refused(json!({"attempt": 9, "disposition": "sold"})).await.problem(404);
    refused(json!({"attempt": 7, "disposition": " "})).await.problem(422);
    refused(json!({"attempt": 7, "disposition": "so\u{0}ld"})).await.problem(422);
    refused(json!({"attempt": 7, "disposition": "sold", "note": "x".repeat(2_001)})).await.problem(422);
    refused(json!({"attempt": -7, "disposition": "sold"})).await.problem(422);
}
