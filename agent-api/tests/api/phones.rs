//! What phones in browsers register with.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::StatusCode;
use carillon_api::options::Options;
use serde_json::json;

use crate::client::{ADMIN, AGENT, Api, OPERATOR, get, options, request, with_body};

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

#[tokio::test]
async fn all_sign_ins_of_an_agent_end_with_their_tokens() {
    let api = Api::with(options());
    let (one, other) = (api.sign_in(AGENT).await, api.sign_in(AGENT).await);
    let (bystander, staff) = (api.sign_in("agent2").await, api.sign_in(OPERATOR).await);
    let path = format!("/api/v1/agents/{AGENT}/sessions");
    api.ask(request("DELETE", &path, &bystander)).await.problem(403);
    assert_eq!(api.ask(request("DELETE", &path, &staff)).await.status, StatusCode::NO_CONTENT);
    for token in [one, other] {
        api.ask(get("/api/v1/sessions/current", &token)).await.problem(401);
    }
    assert_eq!(api.ask(get("/api/v1/sessions/current", &bystander)).await.status, StatusCode::OK);
    let ended = api.dialer.phone_sessions_ended();
    assert_eq!(ended.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), [AGENT, AGENT]);
    for nobody in ["nobody", OPERATOR] {
        api.ask(request("DELETE", &format!("/api/v1/agents/{nobody}/sessions"), &staff)).await.problem(404);
    }
}

#[tokio::test]
async fn devices_are_listed_preferred_and_ended() {
    let api = Api::with(options());
    api.dialer.register("<urn:uuid:1>", Some("urn:uuid:1"), "192.0.2.9:5060");
    api.dialer.register("sip:agent1@192.0.2.10", None, "192.0.2.10:5060");
    let path = format!("/api/v1/agents/{AGENT}/devices");
    let (own, staff, admin) =
        (api.sign_in(AGENT).await, api.sign_in(OPERATOR).await, api.sign_in(ADMIN).await);
    for (token, address) in [(&own, "192.0.2.9:5060"), (&admin, "192.0.2.9:5060"), (&staff, "192.0.•••")]
    {
        let list = api.ask(get(&path, token)).await.json();
        assert_eq!(list["items"][0]["registrations"][0]["address"], address);
        assert_eq!(list["items"][0]["registrations"][0]["expires_in_s"], 90);
        assert!(!list.to_string().contains("sip:"), "no contact is shown");
    }
    // What another phone may take over is for the agent alone.
    let line = "a@b;to-tag=1;from-tag=2";
    api.dialer.line_up(line);
    for (token, lines) in [(&own, json!([line])), (&admin, json!([])), (&staff, json!([]))] {
        assert_eq!(api.ask(get(&path, token)).await.json()["lines"], lines);
    }
    let list = api.ask(get(&path, &own)).await.json();
    let id = |place: usize| list["items"][place]["id"].as_str().unwrap().to_owned();
    let put = |device: serde_json::Value, token: &str| {
        let body = ("application/json", Body::from(json!({ "device": device }).to_string()));
        with_body("PUT", &format!("{path}/preferred"), token, body.0, body.1)
    };
    let answer = api.ask(put(json!(id(0)), &own)).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["preferred_instance"]), (StatusCode::OK, &json!("urn:uuid:1")));
    assert_eq!((&body["items"][0]["preferred"], &body["chosen"]), (&json!(true), &json!(true)));
    api.ask(put(json!(id(1)), &own)).await.problem(409);
    api.ask(put(json!("0000000000000000"), &own)).await.problem(404);
    let body = api.ask(put(json!(null), &staff)).await.json();
    assert_eq!((&body["preferred_instance"], &body["chosen"]), (&json!(null), &json!(false)));

    let other = api.sign_in("agent2").await;
    let one = format!("{path}/{}", id(1));
    api.ask(request("DELETE", &one, &other)).await.problem(403);
    assert_eq!(api.ask(request("DELETE", &one, &own)).await.status, StatusCode::NO_CONTENT);
    api.ask(request("DELETE", &one, &own)).await.problem(404);
    assert_eq!(api.ask(get(&path, &own)).await.json()["items"].as_array().unwrap().len(), 1);
}
