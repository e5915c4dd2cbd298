//! The wallboard page, and the headers around everything.

use axum::http::StatusCode;
use carillon_api::page::PAGE_PATHS;

use crate::client::{Api, get};
use crate::openapi::schema;

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

/// Words that the page has to have texts for, by the name of its map.
fn words() -> Vec<(&'static str, Vec<String>)> {
    let values = |name: &str| -> Vec<String> {
        let values = schema(name)["enum"].as_array().unwrap_or_else(|| panic!("{name}")).clone();
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let causes = values("Cause").into_iter().filter(|cause| cause != "decision").collect();
    let identity = schema("InboundBody")["properties"]["identity"]["description"].clone();
    let named = identity.as_str().unwrap().split('`').skip(1).step_by(2);
    let identities: Vec<String> = named.filter(|word| *word != "none").map(str::to_owned).collect();
    assert_eq!(identities.len(), 9, "{identities:?}");
    vec![
        ("causes", causes),
        ("bounds", values("Bound")),
        ("ownerBounds", values("Bound")),
        ("identities", identities),
    ]
}

#[tokio::test]
async fn the_page_has_a_text_for_every_reason_and_identity_in_both_languages() {
    let script = String::from_utf8(Api::new().ask(get("/page.js", "")).await.body).unwrap();
    let texts = script.split_once("\n};").unwrap().0;
    let (english, chinese) = texts.split_once("\n  zh: {").unwrap();
    for (language, texts) in [("en", english), ("zh", chinese)] {
        for (map, words) in words() {
            let (_, after) = texts.split_once(&format!("\n    {map}: {{")).unwrap();
            let (inside, _) = after.split_once('}').unwrap();
            for word in words {
                let text = inside.split_once(&format!(" {word}: \"")).map(|(_, after)| after);
                let text = text.and_then(|after| after.split('"').next()).unwrap_or_default();
                assert!(!text.is_empty(), "{language}: {map}.{word}");
                assert_eq!(text.is_ascii(), language == "en", "{language}: {map}.{word}: {text}");
            }
        }
    }
}
