//! Somebody with a browser or a script.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use carillon_api::Options;
use carillon_api::options::{Limits, Password, User};
use carillon_api::rights::Role;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::dialer::Dialer;

pub const ADMIN: &str = "ada";
pub const OPERATOR: &str = "olga";
pub const AGENT: &str = "agent1";
pub const PASSWORD: &str = "a long password";

/// The API with a dialer in memory behind it.
pub struct Api {
    pub router: Router,
    pub dialer: Arc<Dialer>,
}

/// One answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

pub fn options() -> Options {
    let user =
        |name: &str, role| User { name: name.into(), role, password: Password::Plain(PASSWORD.into()) };
    Options {
        users: vec![
            user(ADMIN, Role::Admin),
            user(OPERATOR, Role::Operator),
            user(AGENT, Role::Agent),
            user("agent2", Role::Agent),
        ],
        limits: Limits {
            body_bytes_max: 4_096,
            import_bytes_max: 16_384,
            request_time: Duration::from_secs(5),
            streams_max: 2,
            ..Limits::default()
        },
        ..Options::default()
    }
}

impl Api {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: Options) -> Self {
        let dialer = Dialer::new();
        Self { router: carillon_api::router(dialer.clone(), options), dialer }
    }

    pub async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.send(request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The token of a session.
    pub async fn sign_in(&self, user: &str) -> String {
        let answer = self.ask(post("/api/v1/sessions", "", &sign_in(user, PASSWORD))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// A campaign in state draft, made by the operator.
    pub async fn campaign(&self, token: &str) -> u64 {
        let answer = self.ask(post("/api/v1/campaigns", token, &spec())).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["id"].as_u64().unwrap()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts an RFC 9457 document of this status; gives its detail.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(body["type"].as_str().unwrap().starts_with("urn:carillon:problem:"));
        assert!(!body["title"].as_str().unwrap().is_empty());
        body["detail"].as_str().unwrap().to_owned()
    }
}

pub fn sign_in(user: &str, password: &str) -> Value {
    json!({"user": user, "password": password})
}

pub fn spec() -> Value {
    json!({"name": "renewals", "mode": "progressive", "jurisdiction": "none"})
}

/// A request without body; without token nobody is signed in.
pub fn request(method: &str, path: &str, token: &str) -> Request<Body> {
    with_body(method, path, token, "", Body::empty())
}

pub fn get(path: &str, token: &str) -> Request<Body> {
    request("GET", path, token)
}

pub fn post(path: &str, token: &str, body: &Value) -> Request<Body> {
    with_body("POST", path, token, "application/json", Body::from(body.to_string()))
}

pub fn put(path: &str, token: &str, body: &Value) -> Request<Body> {
    with_body("PUT", path, token, "application/json", Body::from(body.to_string()))
}

pub fn with_body(method: &str, path: &str, token: &str, kind: &str, body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if !kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    request.body(body).unwrap()
}
