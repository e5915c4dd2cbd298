//! Ladders: by number and by Call-ID, for those who may watch.

use carillon_core::ladder::Ladder;

use crate::client::{Api, OPERATOR, get};
use crate::dialer::ladder;

#[tokio::test]
async fn a_ladder_is_found_by_number_and_by_call_id() {
    let api = Api::new();
    let token = api.sign_in(OPERATOR).await;
    for call in ["1", "4f%2F1c%40192.0.2.9"] {
        let shown = api.ask(get(&format!("/api/v1/calls/{call}/ladder"), &token)).await.json();
        assert_eq!(serde_json::from_value::<Ladder>(shown).unwrap(), ladder(), "{call}");
    }
    let long = "9".repeat(257);
    for call in ["2", "nobody", long.as_str(), "%00", "%ff"] {
        api.ask(get(&format!("/api/v1/calls/{call}/ladder"), &token)).await.problem(404);
    }
}
