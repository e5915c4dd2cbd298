//! Who may call what: every route of the API document against every role. A route without a line here fails.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::client::{ADMIN, AGENT, Api, OPERATOR, with_body};

/// Whether nobody, an admin, an operator, the agent itself and another agent may.
type Allowed = [bool; 5];

const OPEN: Allowed = [true; 5];
const SIGNED_IN: Allowed = [false, true, true, true, true];
const STAFF: Allowed = [false, true, true, false, false];
const SELF: Allowed = [false, false, false, true, false];
const STAFF_OR_SELF: Allowed = [false, true, true, true, false];

/// In the order of the document.
const MATRIX: [(&str, &str, Allowed); 33] = [
    ("get", "/api/v1/agents", STAFF),
    ("get", "/api/v1/agents/{user}", STAFF_OR_SELF),
    ("delete", "/api/v1/agents/{user}/call", STAFF_OR_SELF),
    ("get", "/api/v1/agents/{user}/devices", STAFF_OR_SELF),
    ("put", "/api/v1/agents/{user}/devices/preferred", STAFF_OR_SELF),
    ("delete", "/api/v1/agents/{user}/devices/{device}", STAFF_OR_SELF),
    ("post", "/api/v1/agents/{user}/dispositions", STAFF_OR_SELF),
    ("get", "/api/v1/agents/{user}/events", STAFF_OR_SELF),
    ("post", "/api/v1/agents/{user}/phone-token", SELF),
    ("get", "/api/v1/agents/{user}/preview", STAFF_OR_SELF),
    ("post", "/api/v1/agents/{user}/preview", STAFF_OR_SELF),
    ("delete", "/api/v1/agents/{user}/sessions", STAFF_OR_SELF),
    ("post", "/api/v1/agents/{user}/signals", STAFF_OR_SELF),
    ("put", "/api/v1/agents/{user}/state", STAFF_OR_SELF),
    ("get", "/api/v1/attempts", SIGNED_IN),
    ("get", "/api/v1/attempts/{id}", SIGNED_IN),
    ("get", "/api/v1/calls/{call}/ladder", STAFF),
    ("get", "/api/v1/campaigns", STAFF),
    ("post", "/api/v1/campaigns", STAFF),
    ("get", "/api/v1/campaigns/{id}", STAFF),
    ("post", "/api/v1/campaigns/{id}/contacts", STAFF),
    ("get", "/api/v1/campaigns/{id}/decisions", STAFF),
    ("post", "/api/v1/campaigns/{id}/pause", STAFF),
    ("post", "/api/v1/campaigns/{id}/start", STAFF),
    ("post", "/api/v1/campaigns/{id}/stop", STAFF),
    ("get", "/api/v1/inbound", SIGNED_IN),
    ("get", "/api/v1/live", STAFF),
    ("delete", "/api/v1/sessions", SIGNED_IN),
    ("post", "/api/v1/sessions", OPEN),
    ("get", "/api/v1/sessions/current", SIGNED_IN),
    ("get", "/health/live", OPEN),
    ("get", "/health/ready", OPEN),
    ("get", "/metrics", OPEN), // To the same machine; health.rs looks from afar.
];

fn body_of(method: &str, path: &str) -> (&'static str, Body) {
    let json = |value: Value| ("application/json", Body::from(value.to_string()));
    match (method, path) {
        ("post", "/api/v1/sessions") => json(crate::client::sign_in(ADMIN, crate::client::PASSWORD)),
        ("post", "/api/v1/campaigns") => json(crate::client::spec()),
        ("post", "/api/v1/campaigns/{id}/contacts") => {
            ("text/csv", Body::from("id,number\n1,+15550000001\n"))
        }
        ("post", "/api/v1/agents/{user}/preview") => json(json!({"task": 1, "choice": "call"})),
        ("post", "/api/v1/agents/{user}/signals") => json(json!({"signal": "finishing"})),
        ("put", "/api/v1/agents/{user}/devices/preferred") => json(json!({"device": null})),
        ("put", "/api/v1/agents/{user}/state") => json(json!({"state": "signed_on"})),
        ("post", "/api/v1/agents/{user}/dispositions") => json(json!({"attempt": 1, "disposition": "sold"})),
        _ => ("", Body::empty()),
    }
}

fn request_of(method: &str, path: &str, token: &str) -> Request<Body> {
    let (kind, body) = body_of(method, path);
    let filled =
        path.replace("{id}", "1").replace("{call}", "1").replace("{device}", "1").replace("{user}", AGENT);
    with_body(&method.to_uppercase(), &filled, token, kind, body)
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_matrix_says() {
    let document: Value = serde_json::from_str(&carillon_api::document()).unwrap();
    let mut routes: BTreeMap<(String, String), Option<Allowed>> = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.insert((path.clone(), method.clone()), None);
        }
    }
    for (method, path, allowed) in MATRIX {
        let route = routes.get_mut(&(path.to_owned(), method.to_owned()));
        *route.unwrap_or_else(|| panic!("{method} {path} is not in the document")) = Some(allowed);
    }
    for ((path, method), allowed) in routes {
        let allowed = allowed.unwrap_or_else(|| panic!("{method} {path} is not in the matrix"));
        for (index, user) in ["", ADMIN, OPERATOR, AGENT, "agent2"].into_iter().enumerate() {
            let api = Api::new();
            let staff = api.sign_in(OPERATOR).await;
            api.campaign(&staff).await;
            api.dialer.add_attempt(1, 1, AGENT);
            let token = if user.is_empty() { String::new() } else { api.sign_in(user).await };
            let status = api.send(request_of(&method, &path, &token)).await.status().as_u16();
            let refused = if user.is_empty() { status == 401 } else { status == 403 };
            assert_eq!(!refused, allowed[index], "{method} {path} as {user:?} gave {status}");
        }
    }
}
