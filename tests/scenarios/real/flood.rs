//! More calls from outside than `carillon serve` may take, while one is up: SIPp calls as the carrier, baresip is the agent's phone.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::customer::{Customer, assert_one_stream, sound};
use super::rig::process::{Signal, eventually};
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};
use super::service::{Keys, Service};

/// The number that is called.
const NUMBER: &str = "+12025550177";
/// Nobody in any list.
const CALLER: &str = "+12025550999";
/// How many call at once, ten a second.
const FLOOD: u32 = 30;
/// How long the call that was up before lasts.
const TALK_MS: u32 = 6_000;

/// A campaign that is called at [`NUMBER`], with the agent on the line.
fn called(service: &Service) {
    let inbound =
        json!({"numbers": [NUMBER], "owner": true, "team": true, "wait_max": "30s", "message": null});
    let wrap_up = json!({"script": {"after": "0s", "disposition": "success"}});
    let spec = json!({
        "name": "callers", "mode": "manual", "jurisdiction": "none", "timezone": "UTC", "inbound": inbound,
        "wrap_up": wrap_up,
    });
    let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
    assert_eq!(status, 201, "{made}");
    service.post("/campaigns/1/contacts", "text/csv", "id,number\nc1,+12025550100\n");
    let (status, started) = service.post("/campaigns/1/start", "application/json", "");
    assert_eq!(status, 200, "{started}");
    assert_eq!(service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);
    service.wait_until_ready();
}

/// Lets [`FLOOD`] callers call while one talks with the agent, on a service with these keys; returns how many were refused. Whoever was not is answered in the end, and after all of it a new caller is.
fn flooded(keys: &Keys<'_>, pause: Duration) -> u32 {
    let stage = Stage::new();
    let mut service = Service::start_with(&stage, keys);
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    called(&service);

    let mut talk = stage.caller("caller.xml", NUMBER, CALLER).customer(&customer).pause_ms(TALK_MS).start();
    talk.wait_for_message("ACK sip:", LONG);
    let mut flood =
        stage.other_caller("caller_or_refused.xml", NUMBER, CALLER).calls(FLOOD).pause_ms(100).start();
    // The scenario fails for a 503 without Retry-After, and for any other refusal.
    flood.finish(LONG);
    talk.finish(LONG);
    let packets = customer.packets();
    assert_one_stream(&packets);
    assert!(seconds_of(&sound(&packets), AGENT_HZ) > 5.0, "the agent was heard all the while");
    let refused = flood.messages().matches("SIP/2.0 503").count();
    let refused = u32::try_from(refused).expect("a few");

    // Ports rest for two seconds, and the trunk's rate has to have room.
    std::thread::sleep(pause);
    let mut next = stage.caller("caller.xml", NUMBER, CALLER).customer(&customer).pause_ms(1_000).start();
    next.finish(LONG);

    let ended = || {
        let calls = service.get("/inbound")["items"].as_array().cloned().unwrap_or_default();
        calls.iter().all(|call| !call["ended_at"].is_null()).then_some(calls)
    };
    let calls = eventually(LONG, ended).expect("every call has an end");
    let talked = |call: &&Value| call["outcome"] == json!("talked");
    assert_eq!(calls.len(), calls.iter().filter(talked).count(), "{calls:?}");
    assert_eq!(u32::try_from(calls.len()).unwrap(), FLOOD - refused + 2, "{calls:?}");
    for (gauge, value) in [
        ("dialer_trunk_calls{trunk=\"carrier\"}", 0.0),
        ("dialer_callers_waiting{campaign=\"callers\"}", 0.0),
        ("dialer_agents{state=\"talking\"}", 0.0),
        ("dialer_sip_refused_total{reason=\"incoming\"}", f64::from(refused)),
    ] {
        let found = eventually(LONG, || service.metric(gauge).filter(|found| *found == value));
        assert_eq!(found, Some(value), "{gauge}: {:?}", service.metric(gauge));
    }
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 6.0, "the agent heard both callers");
    service.process.signal(Signal::Terminate);
    assert_eq!(service.process.wait(LONG), 0, "{}", service.process.output());
    refused
}

#[test]
fn without_a_port_to_spare_callers_are_refused_and_the_one_who_talks_hears_nothing_of_it() {
    // One for the agent's line and one for a caller.
    let keys = Keys { streams: Some(2), ..Keys::default() };
    assert_eq!(flooded(&keys, Duration::from_millis(2_500)), FLOOD);
}

#[test]
fn callers_beyond_the_rate_of_the_trunk_are_refused_and_the_one_who_talks_hears_nothing_of_it() {
    let keys = Keys { trunk: "incoming_per_second = 0.2\n", ..Keys::default() };
    let refused = flooded(&keys, Duration::from_secs(6));
    // Three seconds of callers, one in five seconds: on the slowest machine a few of them are taken.
    assert!((FLOOD / 2..=FLOOD).contains(&refused), "{refused} of {FLOOD}");
}
