//! A contact is shown to an agent, who has it called or skips it.

use axum::http::StatusCode;
use carillon_core::agent::PreviewChoice;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::client::{ADMIN, AGENT, Api, get, post};

const PATH: &str = "/api/v1/agents/agent1/preview";

#[tokio::test]
async fn an_agent_sees_the_contact_without_the_number_and_decides() {
    let api = Api::new();
    let token = api.sign_in(AGENT).await;
    assert_eq!(api.ask(get(PATH, &token)).await.status, StatusCode::NOT_FOUND, "nothing is shown");
    api.dialer.preview(AGENT, 7);
    let shown = api.ask(get(PATH, &token)).await.json();
    assert_eq!(
        shown,
        json!({
            "campaign": 1, "task": 7, "contact": 7, "until": "1970-01-01T00:01:00.000Z", "id": "c7", "name": "Ada",
            "number": "+1555•••0001", "timezone": "UTC", "owner": null, "fields": {"plan": "gold"}, "attempts": 2
        })
    );
    let admin = api.sign_in(ADMIN).await;
    assert_eq!(api.ask(get(PATH, &admin)).await.json()["number"], "+15550000001");

    for (body, status) in [
        (json!({"task": 8, "choice": "call"}), StatusCode::CONFLICT),
        (json!({"task": 7, "choice": "perhaps"}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"choice": "call"}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"task": 7, "choice": "call"}), StatusCode::NO_CONTENT),
        (json!({"task": 7, "choice": "call"}), StatusCode::CONFLICT),
    ] {
        let answer = api.ask(post(PATH, &token, &body)).await.status;
        assert!(answer == status || status.is_client_error() && answer.is_client_error(), "{body}: {answer}");
    }
    assert_eq!(api.dialer.choices(), [(AGENT.to_owned(), PreviewChoice::Call)], "once");
}

/// The next event's data.
async fn next(stream: &mut (impl StreamExt<Item = Result<axum::body::Bytes, axum::Error>> + Unpin)) -> Value {
    loop {
        let chunk = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
        if let Some(data) = chunk.strip_prefix("event: agent\ndata: ") {
            return serde_json::from_str(data.trim_end()).unwrap();
        }
        assert!(chunk.starts_with(':'), "{chunk}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_told_of_a_contact_as_it_is_shown() {
    let api = Api::new();
    let token = api.sign_in(AGENT).await;
    let response = api.send(get("/api/v1/agents/agent1/events", &token)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = response.into_body().into_data_stream();
    let first = next(&mut stream).await;
    assert_eq!((&first["state"], &first["preview"]), (&json!("offline"), &Value::Null), "at once");
    api.dialer.preview("agent2", 3);
    api.dialer.preview(AGENT, 7);
    let second = next(&mut stream).await;
    assert_eq!(second["preview"]["task"], 7, "and nothing of others");
    let quiet = tokio::time::timeout(std::time::Duration::from_secs(9), next(&mut stream)).await;
    assert!(quiet.is_err(), "nothing is pushed while nothing of theirs changes");
}
