//! Filling a list: CSV as the body or in a form, good rows kept, bad rows told.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::json;

use crate::client::{Answer, Api, OPERATOR, with_body};

const CSV: &str = "id,number\n1,+15550000001\n2,+15550000002\n1,+15550000001\n3,none\n";

async fn import(api: &Api, token: &str, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    api.ask(with_body("POST", path, token, kind, body.into())).await
}

#[tokio::test]
async fn csv_is_imported_once() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let path = format!("/api/v1/campaigns/{}/contacts", api.campaign(&token).await);
    let answer = import(&api, &token, &path, "text/csv; charset=utf-8", CSV).await;
    assert_eq!(answer.status, StatusCode::OK);
    let row = json!({"line": 5, "column": "number", "reason": "not a number"});
    let expected = json!({"imported": 2, "duplicates": 1, "rejected": 1, "rejected_rows": [row]});
    assert_eq!(answer.json(), expected);
    let again = import(&api, &token, &path, "text/csv", CSV).await;
    assert_eq!((&again.json()["imported"], &again.json()["duplicates"]), (&json!(0), &json!(3)));
    import(&api, &token, "/api/v1/campaigns/9/contacts", "text/csv", CSV).await.problem(404);
}

#[tokio::test]
async fn a_form_may_carry_the_file() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let path = format!("/api/v1/campaigns/{}/contacts", api.campaign(&token).await);
    let form = |name: &str| {
        format!(
            "--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--XX\r\nContent-Disposition: \
             form-data; name=\"{name}\"; filename=\"list.csv\"\r\nContent-Type: text/csv\r\n\r\n{CSV}\r\n--XX--\r\n"
        )
    };
    let kind = "multipart/form-data; boundary=XX";
    assert_eq!(import(&api, &token, &path, kind, form("file")).await.json()["imported"], 2);
    import(&api, &token, &path, kind, form("other")).await.problem(422);
    import(&api, &token, &path, kind, "--XX\r\nbroken").await.problem(400);
    import(&api, &token, &path, "multipart/form-data", form("file")).await.problem(400);
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    let path = format!("/api/v1/campaigns/{}/contacts", api.campaign(&token).await);
    import(&api, &token, &path, "application/json", "{}").await.problem(415);
    import(&api, &token, &path, "", CSV).await.problem(415);
    import(&api, &token, &path, "text/csv", "").await.problem(422);
    import(&api, &token, &path, "text/csv", "name\nanna\n").await.problem(422);
    import(&api, &token, &path, "text/csv", "x".repeat(16_385)).await.problem(413);
    import(&api, &token, &path, "text/csv", vec![0xff_u8; 16_384]).await.problem(422);
}
