//! Health and metrics.

use axum::http::{StatusCode, header};
use carillon_api::Options;
use carillon_api::identity::Source;
use carillon_api::options::MetricsToken;

use crate::client::{ADMIN, Api, OPERATOR, get, options};

#[tokio::test]
async fn readiness_names_the_part_that_is_down() {
    let api = Api::new();
    assert_eq!(api.ask(get("/health/live", "")).await.status, StatusCode::NO_CONTENT);
    let ready = api.ask(get("/health/ready", "")).await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (StatusCode::OK, Some("ready")));
    api.dialer.go_down();
    let not_ready = api.ask(get("/health/ready", "")).await;
    assert_eq!(not_ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(not_ready.json()["store"], "disk is full");
    assert_eq!(api.ask(get("/health/live", "")).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn metrics_are_open_to_the_same_machine_only() {
    let api = Api::new();
    let local = api.ask(get("/metrics", "")).await;
    assert_eq!(local.status, StatusCode::OK);
    assert!(local.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(local.body.starts_with(b"dialer_"));

    let from_afar = |token: &str| {
        let mut request = get("/metrics", token);
        request.extensions_mut().insert(Source("192.0.2.1".parse().unwrap()));
        request
    };
    api.ask(from_afar("")).await.problem(401);
    api.ask(from_afar(&api.sign_in(OPERATOR).await)).await.problem(403);
    assert_eq!(api.ask(from_afar(&api.sign_in(ADMIN).await)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_metrics_token_opens_the_metrics_and_nothing_else() {
    let api = Api::with(Options { metrics_token: Some(MetricsToken("scrape me".into())), ..options() });
    assert_eq!(api.ask(get("/metrics", "scrape me")).await.status, StatusCode::OK);
    api.ask(get("/metrics", "")).await.problem(401);
    api.ask(get("/metrics", "scrape you")).await.problem(401);
    api.ask(get("/api/v1/campaigns", "scrape me")).await.problem(401);
}
