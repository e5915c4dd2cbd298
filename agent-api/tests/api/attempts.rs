//! Attempts: pages that neither skip nor repeat, numbers masked, agents see their own.

use serde_json::{Value, json};

use crate::client::{ADMIN, AGENT, Api, OPERATOR, get};
use crate::dialer::NUMBER;

fn ids(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|attempt| attempt["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn pages_cover_everything_once() {
    let api = Api::new();
    for id in 1..=25 {
        api.dialer.add_attempt(id, id % 2, AGENT);
    }
    let token = api.sign_in(OPERATOR).await;
    let (mut seen, mut path) = (Vec::new(), "/api/v1/attempts?limit=10".to_owned());
    loop {
        let page = api.ask(get(&path, &token)).await.json();
        seen.extend(ids(&page));
        // Attempts made meanwhile don't shift what is still to come.
        api.dialer.add_attempt(100 + seen.len() as u64, 1, AGENT);
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/attempts?limit=10&cursor={cursor}");
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    let of_one = api.ask(get("/api/v1/attempts?campaign=0&limit=3", &token)).await.json();
    assert_eq!(ids(&of_one), [24, 22, 20]);
}

#[tokio::test]
async fn wrong_questions_are_refused() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    for query in ["limit=0", "limit=501", "limit=x", "cursor=%21", "cursor=MTIz", "campaign=-1", "page=2"] {
        api.ask(get(&format!("/api/v1/attempts?{query}"), &token)).await.problem(400);
    }
}

#[tokio::test]
async fn numbers_are_masked_for_all_but_admins() {
    let api = Api::new();
    api.dialer.add_attempt(7, 1, AGENT);
    for (user, shown) in [(ADMIN, NUMBER), (OPERATOR, "+1555•••0001"), (AGENT, "+1555•••0001")] {
        let token = api.sign_in(user).await;
        assert_eq!(api.ask(get("/api/v1/attempts/7", &token)).await.json()["number"], shown, "{user}");
        let page = api.ask(get("/api/v1/attempts", &token)).await.json();
        assert_eq!(page["items"][0]["number"], shown, "{user}");
    }
}

#[tokio::test]
async fn agents_see_their_own_only() {
    let api = Api::new();
    api.dialer.add_attempt(1, 1, AGENT);
    api.dialer.add_attempt(2, 1, "agent2");
    let token = api.sign_in(AGENT).await;
    assert_eq!(ids(&api.ask(get("/api/v1/attempts", &token)).await.json()), [1]);
    api.ask(get("/api/v1/attempts?agent=agent2", &token)).await.problem(403);
    let foreign = api.ask(get("/api/v1/attempts/2", &token)).await.problem(404);
    let unknown = api.ask(get("/api/v1/attempts/3", &token)).await;
    unknown.problem(404);
    assert!(!foreign.contains("agent2"));
}

#[tokio::test]
async fn an_attempt_shows_what_the_report_shows() {
    let api = Api::new();
    api.dialer.add_attempt(7, 1, AGENT);
    let token = api.sign_in(ADMIN).await;
    let expected = json!({
        "id": 7, "campaign": 1, "task": 7, "contact": 7, "number": NUMBER, "trunk": "carrier",
        "caller_id": "+15550000000", "placed_at": "1970-01-01T00:00:01.000Z", "ringing_at": null,
        "answered_at": "1970-01-01T00:00:03.000Z", "bridged_at": "1970-01-01T00:00:03.000Z",
        "ended_at": "1970-01-01T00:00:09.000Z", "outcome": "answered", "sip_status": 200, "attribution": "callee",
        "reason": "bye", "agent": AGENT, "answer_to_agent_ms": 11, "talk_ms": 6000, "disposition": null,
        "recording": null,
    });
    assert_eq!(api.ask(get("/api/v1/attempts/7", &token)).await.json(), expected);
}

#[tokio::test]
async fn calls_from_outside_are_paged_masked_and_shown_to_who_took_them() {
    let api = Api::new();
    for id in 1..=25 {
        api.dialer.add_inbound(id, id % 2, [Some(AGENT), Some("agent2"), None][id as usize % 3]);
    }
    let (admin, token) = (api.sign_in(ADMIN).await, api.sign_in(OPERATOR).await);
    let (mut seen, mut path) = (Vec::new(), "/api/v1/inbound?limit=10".to_owned());
    loop {
        let page = api.ask(get(&path, &token)).await.json();
        seen.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/inbound?limit=10&cursor={cursor}");
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    let of_one = api.ask(get("/api/v1/inbound?campaign=0&limit=3", &token)).await.json();
    assert_eq!(ids(&of_one), [24, 22, 20]);
    for query in ["limit=0", "limit=501", "cursor=%21", "page=2"] {
        api.ask(get(&format!("/api/v1/inbound?{query}"), &token)).await.problem(400);
    }

    let first = async |token: &str| api.ask(get("/api/v1/inbound", token)).await.json()["items"][0].clone();
    let (full, masked) = (first(&admin).await, first(&token).await);
    assert_eq!((&full["caller"], &masked["caller"]), (&json!(NUMBER), &json!("+1555•••0001")));
    assert_eq!(
        (full["diversion"].as_str().unwrap().contains(NUMBER), &masked["diversion"]),
        (true, &json!(""))
    );
    assert_eq!(
        (&full["outcome"], &full["arrived_at"]),
        (&json!("talked"), &json!("1970-01-01T00:00:01.000Z"))
    );

    assert_eq!((&full["identity"], &masked["identity"]), (&json!("passed_a"), &json!("passed_a")));

    let own = api.sign_in(AGENT).await;
    let taken = api.ask(get("/api/v1/inbound", &own)).await.json();
    assert_eq!(ids(&taken), [24, 21, 18, 15, 12, 9, 6, 3]);
    assert_eq!(taken["items"][0]["caller"], "+1555•••0001");
    api.ask(get("/api/v1/inbound?agent=agent2", &own)).await.problem(403);
}
