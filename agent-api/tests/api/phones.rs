//! What phones in browsers register with.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::StatusCode;
use carillon_api::options::Options;
use serde_json::json;

use crate::client::{ADMIN, AGENT, Api, get, options, request};

fn path(user: &str) -> String {
    format!("/api/v1/agents/{user}/phone-token")
}

fn ask_for(path: &str, token: &str) -> Request<Body> {
    request("POST", path, token)
}

#[tokio::test]
async fn an_agent_gets_a_token_for_its_own_phone_alone() {
    let api = Api::with(Options { phone_websockets: vec!["wss://phones.example".into()], ..options() });
    let token = api.sign_in(AGENT).await;
    let answer = api.ask(ask_for(&path(AGENT), &token)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = answer.json();
    assert_eq!((&body["user"], &body["expires_in_s"]), (&json!(AGENT), &json!(600)));
    assert_eq!(body["expires_at"], "1970-01-01T00:10:00.000Z");
    assert_eq!(body["websockets"], json!(["wss://phones.example"]));
    // Each sign-in has its own.
    let other = api.sign_in(AGENT).await;
    let again = api.ask(ask_for(&path(AGENT), &other)).await.json();
    assert_ne!(body["username"], again["username"]);
    for (who, whose) in [(AGENT, "agent2"), (ADMIN, AGENT)] {
        let token = api.sign_in(who).await;
        api.ask(ask_for(&path(whose), &token)).await.problem(403);
    }
    api.ask(ask_for(&path(AGENT), "")).await.problem(401);
}

#[tokio::test]
async fn a_token_ends_with_its_session() {
    let api = Api::with(Options { session_life: Duration::from_secs(90), ..options() });
    let token = api.sign_in(AGENT).await;
    let body = api.ask(ask_for(&path(AGENT), &token)).await.json();
    assert!((80..=90).contains(&body["expires_in_s"].as_u64().unwrap()), "{body}");
    let session = body["username"].as_str().unwrap().split(':').next().unwrap().to_owned();
    let answer = api.ask(request("DELETE", "/api/v1/sessions", &token)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let ended = api.dialer.phone_sessions_ended();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].0.as_str(), format!("{:016x}", ended[0].1)), (AGENT, session));
    api.ask(get("/api/v1/sessions/current", &token)).await.problem(401);
    api.ask(ask_for(&path(AGENT), &token)).await.problem(401);
}
