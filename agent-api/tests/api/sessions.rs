//! Sign-in, sign-out, cookies and lock-out.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;

use crate::client::{AGENT, Api, OPERATOR, PASSWORD, get, post, request, sign_in, spec};

#[tokio::test]
async fn a_session_opens_and_closes() {
    let api = Api::new();
    let answer = api.ask(post("/api/v1/sessions", "", &sign_in(OPERATOR, PASSWORD))).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!((&answer.json()["user"], &answer.json()["role"]), (&json!(OPERATOR), &json!("operator")));
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["carillon_session=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(api.ask(get("/api/v1/sessions/current", &token)).await.json()["user"], OPERATOR);

    let answer = api.ask(request("DELETE", "/api/v1/sessions", &token)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    let answer = api.ask(get("/api/v1/sessions/current", &token)).await;
    answer.problem(401);
    assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_look_alike_and_lock() {
    let api = Api::new();
    let mut details = Vec::new();
    for (user, password) in [(OPERATOR, "wrong"), ("nobody", PASSWORD), (OPERATOR, ""), (AGENT, "Carillon")] {
        details.push(api.ask(post("/api/v1/sessions", "", &sign_in(user, password))).await.problem(401));
    }
    details.dedup();
    assert_eq!(details, ["name or password is wrong"]);
    for _ in 0..3 {
        api.ask(post("/api/v1/sessions", "", &sign_in(OPERATOR, "wrong"))).await.problem(401);
    }
    let answer = api.ask(post("/api/v1/sessions", "", &sign_in(OPERATOR, PASSWORD))).await;
    answer.problem(429);
    assert!(answer.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    api.sign_in(AGENT).await;
}

#[tokio::test]
async fn a_cookie_changes_things_only_with_the_guard_header() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let by_cookie = |method: &str, guard: &str| {
        let mut request = Request::builder()
            .method(method)
            .uri("/api/v1/campaigns")
            .header(header::COOKIE, format!("theme=dark; carillon_session={token}"))
            .header(header::CONTENT_TYPE, "application/json");
        if !guard.is_empty() {
            request = request.header("X-Carillon", guard);
        }
        request.body(Body::from(spec().to_string())).unwrap()
    };
    assert_eq!(api.ask(by_cookie("GET", "")).await.status, StatusCode::OK);
    api.ask(by_cookie("POST", "")).await.problem(403);
    api.ask(by_cookie("POST", "0")).await.problem(403);
    assert_eq!(api.ask(by_cookie("POST", "1")).await.status, StatusCode::CREATED);
    assert_eq!(api.dialer.campaigns_made(), 1);
}

#[tokio::test]
async fn a_broken_token_is_not_saved_by_a_good_cookie() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let both = Request::get("/api/v1/campaigns")
        .header(header::AUTHORIZATION, "Bearer nonsense")
        .header(header::COOKIE, format!("carillon_session={token}"));
    api.ask(both.body(Body::empty()).unwrap()).await.problem(401);
}
