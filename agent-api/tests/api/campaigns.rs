//! Campaigns: made, listed, started, paused, stopped.

use axum::body::Body;
use axum::http::{StatusCode, header};
use serde_json::json;

use crate::client::{Api, OPERATOR, get, post, request, spec, with_body};

#[tokio::test]
async fn a_campaign_is_made_and_run() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let answer = api.ask(post("/api/v1/campaigns", &token, &spec())).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers[header::LOCATION], "/api/v1/campaigns/1");
    let made = answer.json();
    assert_eq!((&made["state"], &made["spec"]["ring_timeout"]), (&json!("draft"), &json!("25s")));

    let detail = api.ask(request("POST", "/api/v1/campaigns/1/start", &token)).await.problem(409);
    assert!(detail.contains("no contacts"), "{detail}");
    assert_eq!(api.ask(get("/api/v1/campaigns/1", &token)).await.json()["state"], "draft");
    let list = Body::from("id,number\nc1,+12025550100\n");
    api.ask(with_body("POST", "/api/v1/campaigns/1/contacts", &token, "text/csv", list)).await;
    for (action, state) in
        [("start", "running"), ("pause", "paused"), ("start", "running"), ("stop", "stopping")]
    {
        let answer = api.ask(request("POST", &format!("/api/v1/campaigns/1/{action}"), &token)).await;
        assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::OK, &json!(state)), "{action}");
    }
    api.ask(request("POST", "/api/v1/campaigns/1/start", &token)).await.problem(409);
    api.ask(request("POST", "/api/v1/campaigns/9/start", &token)).await.problem(404);
    assert_eq!(api.ask(get("/api/v1/campaigns/1", &token)).await.json()["state"], "stopping");
    assert_eq!(api.ask(get("/api/v1/campaigns", &token)).await.json()["items"][0]["id"], 1);
    for path in ["/api/v1/campaigns/9", "/api/v1/campaigns/-1", "/api/v1/campaigns/one"] {
        api.ask(get(path, &token)).await.problem(404);
    }
}

#[tokio::test]
async fn a_spec_that_cannot_be_used_is_refused_field_by_field() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let mut spec = spec();
    spec["jurisdiction"] = json!("us");
    spec["ring_timeout"] = json!("10s");
    spec["windows"] = json!([{"days": ["mon"], "from": "08:00", "to": "24:30"}]);
    spec["shifts"] = json!([{"days": ["mon"], "from": "22:00", "to": "06:00", "agents": ["agent1"]}]);
    spec["safe_harbour"] = json!("../../etc/passwd");
    let answer = api.ask(post("/api/v1/campaigns", &token, &spec)).await;
    answer.problem(422);
    let body = answer.json();
    let pointers: Vec<&str> =
        body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["#/ring_timeout", "#/windows/0/to", "#/shifts/0/to", "#/safe_harbour"]);
    assert_eq!(api.dialer.campaigns_made(), 0);
}

#[tokio::test]
async fn fields_must_be_known_and_of_their_type() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    for (field, value) in [("ratios", json!(2)), ("ratio", json!("2")), ("ring_timeout", json!(25))] {
        let mut spec = spec();
        spec[field] = value;
        let detail = api.ask(post("/api/v1/campaigns", &token, &spec)).await.problem(422);
        assert!(detail.contains(field), "{detail}");
    }
}

#[tokio::test]
async fn without_a_store_nothing_is_promised() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    api.dialer.go_down();
    let answer = api.ask(post("/api/v1/campaigns", &token, &spec())).await;
    answer.problem(503);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test(start_paused = true)]
async fn a_dialer_that_does_not_answer_costs_a_bounded_time() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    api.dialer.get_stuck();
    api.ask(get("/api/v1/campaigns", &token)).await.problem(408);
}

#[tokio::test]
async fn decisions_say_why() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    api.campaign(&token).await;
    let all = api.ask(get("/api/v1/campaigns/1/decisions", &token)).await.json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    let newest = &all["items"][0];
    assert_eq!((&newest["at"], &newest["place"]), (&json!("1970-01-01T00:00:01.000Z"), &json!(1)));
    assert_eq!(newest["number"], json!(7));
    assert_eq!((&newest["reason"]["bound"], &newest["reason"]["lines_wanted"]), (&json!("risk"), &json!(3)));
    assert!(newest["why"].as_str().unwrap().contains("too likely"), "{newest}");
    let one = api.ask(get("/api/v1/campaigns/1/decisions?limit=1", &token)).await.json();
    assert_eq!(one["items"].as_array().map(Vec::len), Some(1));
    api.ask(get("/api/v1/campaigns/9/decisions", &token)).await.problem(404);
    for limit in ["0", "2001"] {
        api.ask(get(&format!("/api/v1/campaigns/1/decisions?limit={limit}"), &token)).await.problem(400);
    }
}
