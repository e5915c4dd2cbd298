//! Requests that nobody means well with: problems out, never a panic, never a change.

use axum::body::Body;
use axum::http::{Request, header};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::client::{AGENT, Api, OPERATOR, get, post, request, sign_in, spec, with_body};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let api = Api::new();
    api.ask(get("/api/v1/nothing", "")).await.problem(404);
    api.ask(get("/../etc/passwd", "")).await.problem(404);
    let answer = api.ask(request("PATCH", "/api/v1/campaigns", "")).await;
    answer.problem(405);
    assert!(answer.headers[header::ALLOW].to_str().unwrap().contains("POST"));
    api.ask(request("TRACE", "/", "")).await.problem(405);
}

#[tokio::test]
async fn broken_bodies_are_problems() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let deep = "[".repeat(4_000);
    let send = |kind: &'static str, body: Vec<u8>| {
        api.ask(with_body("POST", "/api/v1/campaigns", &token, kind, Body::from(body)))
    };
    let json = "application/json";
    send(json, b"".to_vec()).await.problem(400);
    send(json, b"{\"name\": ".to_vec()).await.problem(400);
    send(json, b"{\"name\": \"\xff\"}".to_vec()).await.problem(400);
    send(json, deep.into_bytes()).await.problem(422);
    send(json, b"[]".to_vec()).await.problem(422);
    send(json, b"{\"name\": \"a\", \"name\": \"b\"}".to_vec()).await.problem(422);
    send(json, vec![b' '; 4_097]).await.problem(413);
    send("text/plain", spec().to_string().into_bytes()).await.problem(415);
    send("", spec().to_string().into_bytes()).await.problem(415);
    send("application/x-www-form-urlencoded", b"name=a".to_vec()).await.problem(415);
    assert_eq!(api.dialer.campaigns_made(), 0);
}

#[tokio::test]
async fn broken_credentials_are_problems() {
    let api = Api::new();
    for value in
        ["Bearer", "Bearer ", "Basic YWRhOmFkYQ==", "Bearer \u{7f}", &format!("Bearer {}", "x".repeat(9_000))]
    {
        let Ok(value) = header::HeaderValue::from_str(value) else { continue };
        let request = Request::get("/api/v1/campaigns").header(header::AUTHORIZATION, value);
        api.ask(request.body(Body::empty()).unwrap()).await.problem(401);
    }
    for cookie in ["carillon_session", "carillon_session=", ";;;=;", "carillon_session=a=b"] {
        let request = Request::get("/api/v1/campaigns").header(header::COOKIE, cookie);
        api.ask(request.body(Body::empty()).unwrap()).await.problem(401);
    }
    let long = "p".repeat(3_000);
    api.ask(post("/api/v1/sessions", "", &sign_in(OPERATOR, &long))).await.problem(401);
    api.ask(post("/api/v1/sessions", "", &sign_in(&long, "x"))).await.problem(401);
    api.ask(post("/api/v1/sessions", "", &sign_in("' OR 1=1 --", "' OR '1'='1"))).await.problem(401);
}

#[tokio::test]
async fn strange_names_in_paths_name_nothing() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    for user in
        ["%00", "..%2f..%2fetc", "%27%20OR%201%3D1", "%ff", "a%0d%0aSet-Cookie%3a%20x", &"u".repeat(5_000)]
    {
        api.ask(get(&format!("/api/v1/agents/{user}"), &token)).await.problem(404);
    }
    for id in ["18446744073709551616", "-1", "1e3", "%31%00", "NaN"] {
        api.ask(get(&format!("/api/v1/attempts/{id}"), &token)).await.problem(404);
    }
    let agent = api.sign_in(AGENT).await;
    api.ask(get("/api/v1/agents/AGENT1", &agent)).await.problem(403);
}

#[test]
fn no_body_breaks_the_api() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = Api::new();
    let token = runtime.block_on(api.sign_in(OPERATOR));
    let good = spec().to_string().into_bytes();
    let change = (any::<Index>(), any::<u8>(), 0..3_u8);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(500) });
    let result = runner.run(&vec(change, 0..6), |changes| {
        let mut body = good.clone();
        for (index, byte, what) in changes {
            let at = index.index(body.len().max(1)).min(body.len());
            match what {
                0 => body.insert(at, byte),
                1 if at < body.len() => drop(body.remove(at)),
                _ => body.truncate(at),
            }
        }
        let request = with_body("POST", "/api/v1/campaigns", &token, "application/json", Body::from(body));
        let answer = runtime.block_on(api.ask(request));
        if answer.status != 201 {
            assert!([400, 422].contains(&answer.status.as_u16()), "{answer:?}");
            answer.problem(answer.status.as_u16());
        }
        Ok(())
    });
    result.unwrap();
}
