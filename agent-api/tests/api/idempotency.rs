//! The same request sent twice is done once.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::Value;

use crate::client::{ADMIN, Api, OPERATOR, post, spec};

fn keyed(token: &str, key: &str, body: &Value) -> Request<Body> {
    let mut request = post("/api/v1/campaigns", token, body);
    request.headers_mut().insert("Idempotency-Key", key.parse().unwrap());
    request
}

#[tokio::test]
async fn the_same_key_makes_one_campaign() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let first = api.ask(keyed(&token, "k1", &spec())).await;
    let again = api.ask(keyed(&token, "k1", &spec())).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(first.json(), again.json());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(first.headers["location"], again.headers["location"]);
    assert_eq!(api.dialer.campaigns_made(), 1);

    let mut other = spec();
    other["name"] = "other".into();
    api.ask(keyed(&token, "k1", &other)).await.problem(422);
    assert_eq!(api.ask(keyed(&token, "k2", &other)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn keys_belong_to_people() {
    let api = Api::new();
    let (operator, admin) = (api.sign_in(OPERATOR).await, api.sign_in(ADMIN).await);
    api.ask(keyed(&operator, "k", &spec())).await;
    let other = api.ask(keyed(&admin, "k", &spec())).await;
    assert!(!other.headers.contains_key("idempotent-replayed"));
    assert_eq!(api.dialer.campaigns_made(), 2);
}

#[tokio::test]
async fn what_failed_on_our_side_may_be_tried_again() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    api.dialer.go_down();
    api.ask(keyed(&token, "k", &spec())).await.problem(503);
    let again = api.ask(keyed(&token, "k", &spec())).await;
    again.problem(503);
    assert!(!again.headers.contains_key("idempotent-replayed"));
}

#[tokio::test(start_paused = true)]
async fn a_second_request_while_the_first_is_under_way_is_told_so() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    api.dialer.get_stuck();
    let first = api.ask(keyed(&token, "k", &spec()));
    let second = async {
        tokio::task::yield_now().await;
        api.ask(keyed(&token, "k", &spec())).await
    };
    let (first, second) = tokio::join!(first, second);
    first.problem(408);
    second.problem(409);
    api.ask(keyed(&token, "k", &spec())).await.problem(408);
}

#[tokio::test]
async fn keys_are_bounded() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    for key in ["", &"x".repeat(101)] {
        api.ask(keyed(&token, key, &spec())).await.problem(400);
    }
    let mut large = spec();
    large["name"] = "x".repeat(5_000).into();
    api.ask(keyed(&token, "k", &large)).await.problem(413);
    assert_eq!(api.dialer.campaigns_made(), 0);
}
