//! The wallboard page, and the headers around everything.

use axum::http::StatusCode;
use carillon_api::page::PAGE_PATHS;

use crate::client::{Api, get};

#[tokio::test]
async fn the_page_has_nothing_inline_and_nothing_from_elsewhere() {
    let api = Api::new();
    for path in PAGE_PATHS {
        let answer = api.ask(get(path, "")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let html = String::from_utf8(api.ask(get("/", "")).await.body).unwrap();
    for sign in ["style=", "onclick", "onload", "http://", "https://", "<style", "<script>"] {
        assert!(!html.contains(sign), "{sign}");
    }
    assert!(html.contains("src=\"/page.js\"") && html.contains("href=\"/page.css\""));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let api = Api::new();
    for path in [
        "/",
        "/page.js",
        "/nowhere",
        "/api/v1/campaigns",
        "/health/ready",
        "/metrics",
        "/api/v1/openapi.json",
    ] {
        let answer = api.ask(get(path, "")).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe-inline"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert!(answer.headers.contains_key("cache-control"), "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
}
