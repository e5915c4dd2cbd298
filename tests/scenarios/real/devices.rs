//! An agent with two phones, baresip on the desk and linphonec on the move: which is called, and which after it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::rig::customer::{Customer, sound};
use super::rig::linphone::Linphone;
use super::rig::phone::{Phone, Setup};
use super::rig::process::eventually;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};
use super::service::{Keys, Service};

/// Where the phones of a list, or of a call, are.
fn addresses<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<SocketAddr> {
    values
        .map(|value| value["address"].as_str().and_then(|at| at.parse().ok()).expect("an address"))
        .collect()
}

/// The agent's registered phones, in the order in which they are to be called.
fn registered(service: &Service) -> Vec<Value> {
    service.get("/agents/agent1/devices")["items"].as_array().cloned().unwrap_or_default()
}

fn order(service: &Service) -> Vec<SocketAddr> {
    addresses(registered(service).iter().map(|device| &device["registrations"][0]))
}

/// An agent who is called for each customer, or on the line, with the service and two phones.
struct Agent {
    stage: Stage,
    service: Service,
    desk: Option<Phone>,
    mobile: Linphone,
    calls: u64,
}

impl Agent {
    fn new(leg: &str, desk_answers: bool) -> Agent {
        let stage = Stage::new();
        let service = Service::start_with(&stage, &Keys { leg, ..Keys::default() });
        let desk = stage.phone_set_up(0, &Setup { answers: desk_answers, ..Setup::of(0) });
        eventually(LONG, || (registered(&service).len() == 1).then_some(())).expect("the desk's phone");
        let mobile = stage.linphone_of(0, 1);
        eventually(LONG, || (registered(&service).len() == 2).then_some(())).expect("the mobile one");
        Agent { stage, service, desk: Some(desk), mobile, calls: 0 }
    }

    /// Where the desk's phone is, and the mobile one.
    fn places(&self) -> [SocketAddr; 2] {
        [0, 1].map(|index| self.stage.ports.phone(index))
    }

    /// From now on the desk's phone is to be called first.
    fn prefer_the_desk(&self) {
        let [at, _] = self.places();
        let all = registered(&self.service);
        let desk = all.iter().find(|it| it["registrations"][0]["address"] == json!(at.to_string()));
        let wish = json!({"device": desk.expect("the desk's phone")["id"]});
        assert_eq!(self.service.put("/agents/agent1/devices/preferred", &wish), 200);
    }

    fn signs_on(&self) {
        assert_eq!(self.service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);
    }

    /// A customer is called and talks for a second and a half; which phones were called, in order. `meanwhile` has the desk's
    /// phone in hand.
    fn called(&mut self, meanwhile: impl FnOnce(&Phone)) -> Vec<SocketAddr> {
        self.calls += 1;
        let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
        let mut carrier = self.stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
        let service = &self.service;
        let spec = json!({
            "name": format!("call {}", self.calls), "mode": "progressive", "jurisdiction": "none", "timezone": "UTC",
            "abandon_after": "20s", "talk_limit": "1500ms",
            "wrap_up": {"script": {"after": "0s", "disposition": "success"}},
        });
        let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
        assert_eq!(status, 201, "{made}");
        let campaign = format!("/campaigns/{}", made["id"]);
        service.post(&format!("{campaign}/contacts"), "text/csv", "id,number\nc1,+12025550100\n");
        service.post(&format!("{campaign}/start"), "application/json", "");
        if let Some(desk) = &self.desk {
            meanwhile(desk);
        }
        carrier.finish(LONG);
        let ladder = format!("/calls/{}/ladder", self.calls);
        let ended = || Some(service.get(&ladder)).filter(|ladder| ladder["ended"] == json!(true));
        let ladder = eventually(LONG, ended).expect("the call ends");
        let heard_s = seconds_of(&sound(&customer.packets()), AGENT_HZ);
        assert!(heard_s > 0.8, "the customer heard the agent for {heard_s} s: {ladder}");
        let parties = ladder["parties"].as_array().into_iter().flatten();
        addresses(parties.filter(|party| party["role"] == json!("phone")))
    }
}

#[test]
fn the_preferred_phone_is_called_and_the_other_one_while_it_is_gone() {
    let mut agent = Agent::new("per_call", true);
    let [desk, mobile] = agent.places();
    assert_eq!(order(&agent.service), [mobile, desk], "nobody prefers one: the newest first");
    let named: Vec<Value> = registered(&agent.service).iter().map(|it| it["instance"].clone()).collect();
    assert!(named.iter().all(Value::is_string) && named[0] != named[1], "{named:?}");
    agent.signs_on();
    assert_eq!(agent.called(|_| ()), [mobile]);

    agent.prefer_the_desk();
    assert_eq!(order(&agent.service), [desk, mobile]);
    assert_eq!(agent.called(|_| ()), [desk]);

    // Dropped it is killed, and tells nobody.
    agent.desk = None;
    assert_eq!(agent.called(|_| ()), [desk, mobile]);
    assert_eq!(order(&agent.service), [mobile, desk], "who said nothing is called last");
    assert_eq!(agent.called(|_| ()), [mobile]);

    // The same phone once more, with another Contact.
    let restarted = agent.stage.phone_set_up(0, &Setup::of(0));
    let back = || (order(&agent.service) == [desk, mobile]).then_some(());
    eventually(LONG, back).expect("it is first again once it has registered");
    let known = registered(&agent.service);
    let again: Vec<&Value> = known.iter().map(|it| &it["instance"]).collect();
    assert_eq!(again, [&named[1], &named[0]], "known again by its instance");
    assert!(known.iter().all(|it| it["registrations"].as_array().is_some_and(|all| all.len() == 1)));
    agent.desk = Some(restarted);
    assert_eq!(agent.called(|_| ()), [desk]);
    for heard in [agent.desk.map(Phone::stop), Some(agent.mobile.stop())].into_iter().flatten() {
        assert!(seconds_of(&heard, CUSTOMER_HZ) > 0.8, "each phone has heard a customer");
    }
}

#[test]
fn a_phone_that_declines_or_is_not_answered_leaves_the_call_to_the_other_one() {
    let mut agent = Agent::new("per_call", false);
    let [desk, mobile] = agent.places();
    agent.prefer_the_desk();
    agent.signs_on();
    let rings = |phone: &Phone, calls: usize| {
        let rung = || (phone.output().matches("SIP/2.0 180 Ringing").count() == calls).then_some(());
        eventually(LONG, rung).expect("the desk's phone rings");
    };
    let declined = agent.called(|phone| {
        rings(phone, 1);
        phone.types("/hangup");
    });
    assert_eq!(declined, [desk, mobile]);
    assert!(agent.desk.as_ref().is_some_and(|phone| phone.output().contains("SIP/2.0 486 ")));
    assert_eq!(order(&agent.service), [desk, mobile], "it spoke, and stays the first");

    assert_eq!(agent.called(|phone| rings(phone, 2)), [desk, mobile]);
    assert!(agent.desk.as_ref().is_some_and(|phone| phone.output().contains("\nCANCEL sip:")));
}

#[test]
fn an_agent_on_the_line_is_there_with_the_phone_that_answers() {
    let mut agent = Agent::new("persistent", false);
    agent.prefer_the_desk();
    agent.signs_on();
    agent.service.wait_until_ready();
    let desk = agent.desk.as_ref().expect("a phone").output();
    assert_eq!(
        (desk.matches("\nINVITE sip:").count(), desk.matches("\nCANCEL sip:").count()),
        (1, 1),
        "{desk}"
    );
    agent.called(|_| ());
    assert!(seconds_of(&agent.mobile.stop(), CUSTOMER_HZ) > 0.8);
}
