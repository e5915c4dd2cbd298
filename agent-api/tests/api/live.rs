//! The live stream: pushed, newest state only, bounded, ends with the session.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::Response;
use carillon_api::Options;
use carillon_api::stream::{INTERVAL_MIN, RECHECK};
use futures::StreamExt;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{AGENT, Api, OPERATOR, get, options, put, request};

/// The next event's data, skipping comments; `None` when the stream has ended.
async fn next(
    stream: &mut (impl StreamExt<Item = Result<axum::body::Bytes, axum::Error>> + Unpin),
) -> Option<Value> {
    loop {
        let chunk = String::from_utf8(stream.next().await?.unwrap().to_vec()).unwrap();
        if let Some(data) = chunk.strip_prefix("event: live\ndata: ") {
            return Some(serde_json::from_str(data.trim_end()).unwrap());
        }
        assert!(chunk.starts_with(':'), "{chunk}");
    }
}

async fn open(api: &Api, token: &str) -> Response {
    let response = api.send(get("/api/v1/live", token)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    response
}

#[tokio::test(start_paused = true)]
async fn the_newest_state_is_pushed_at_most_four_times_a_second() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let mut stream = open(&api, &token).await.into_body().into_data_stream();
    assert_eq!(next(&mut stream).await.unwrap()["agents"], serde_json::json!([]), "the first comes at once");

    let begun = Instant::now();
    for state in ["signed_on", "break"] {
        let wish = serde_json::json!({"state": state});
        api.ask(put("/api/v1/agents/agent1/state", &token, &wish)).await;
    }
    assert_eq!(next(&mut stream).await.unwrap()["agents"][0]["state"], "break", "no backlog");
    assert!(begun.elapsed() >= INTERVAL_MIN);

    let quiet = tokio::time::timeout(Duration::from_secs(10), next(&mut stream)).await;
    assert!(quiet.is_err(), "nothing is pushed while nothing changes");
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_session() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let mut stream = open(&api, &token).await.into_body().into_data_stream();
    next(&mut stream).await.unwrap();
    api.ask(request("DELETE", "/api/v1/sessions", &token)).await;
    let begun = Instant::now();
    assert_eq!(next(&mut stream).await, None);
    assert!(begun.elapsed() <= RECHECK + INTERVAL_MIN);
}

#[tokio::test]
async fn streams_are_bounded_and_given_back() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let first = open(&api, &token).await;
    let _second = open(&api, &token).await;
    api.ask(get("/api/v1/live", &token)).await.problem(503);
    drop(first);
    open(&api, &token).await;
}

#[tokio::test]
async fn the_stream_needs_a_right_unless_it_is_open() {
    let api = Api::new();
    api.ask(get("/api/v1/live", "")).await.problem(401);
    api.ask(get("/api/v1/live", &api.sign_in(AGENT).await)).await.problem(403);
    let open_api = Api::with(Options { open_live: true, ..options() });
    open(&open_api, "").await;
    open_api.ask(get("/api/v1/campaigns", "")).await.problem(401);
}
