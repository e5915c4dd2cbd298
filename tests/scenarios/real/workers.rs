//! Workers: the UDP address shared by two threads, with SIPp as carrier and baresip, or SIPp, as phone.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::json;

use super::rig::campaign::{AgentPhone, Campaign};
use super::rig::customer::{Customer, sound};
use super::rig::process::{Signal, eventually};
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};
use super::service::{Keys, Service};

/// Peers that only keep their way to us open; each is read by the worker that the system chose for its port.
const OTHER_PEERS: usize = 24;

#[test]
fn two_workers_carry_a_campaign_and_each_call_is_bridged() {
    let stage = Stage::new();
    let calls = 8;
    let mut carrier = stage.carrier("carrier_answer.xml").calls(calls).pause_ms(300).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").calls(calls).start();
    let campaign =
        Campaign { sip_keys: "workers = 2".into(), contacts: calls, ..Campaign::with_sipp_agent() };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    let bridged = report.attempts.iter().filter(|attempt| !attempt.get("bridged_at").is_empty()).count();
    assert_eq!((report.attempts.len(), bridged), (8, 8));
    assert!(report.attempts.iter().all(|attempt| attempt.get("outcome") == "answered"));
}

#[test]
fn both_workers_are_seen_to_work_and_the_service_ends_in_order() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").calls(6).pause_ms(300).start();
    let mut service = Service::start_with(&stage, &Keys { sip: "workers = 2\n", ..Keys::default() });
    let phone = stage.phone(0, &[Law::Mu]);
    let spec = json!({
        "name": "renewals", "mode": "progressive", "jurisdiction": "none", "timezone": "UTC",
        "wrap_up": {"script": {"after": "0s", "disposition": "success"}},
    });
    let (status, made) = service.post("/campaigns", "application/json", &spec.to_string());
    assert_eq!(status, 201, "{made}");
    let list: String = (0..6).map(|call| format!("c{call},+1202555010{call}\n")).collect();
    service.post("/campaigns/1/contacts", "text/csv", &format!("id,number\n{list}"));
    service.post("/campaigns/1/start", "application/json", "");
    assert_eq!(service.put("/agents/agent1/state", &json!({"state": "signed_on"})), 204);
    carrier.finish(LONG);
    let others: Vec<UdpSocket> =
        (0..OTHER_PEERS).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    for other in &others {
        other.send_to(b"\r\n\r\n", stage.ports.listen()).expect("sent");
    }
    let of = |worker: usize, result: &str| {
        let name = format!("dialer_sip_worker_datagrams_total{{worker=\"{worker}\",result=\"{result}\"}}");
        service.metric(&name).unwrap_or_default()
    };
    let both = |result: &str| [0, 1].map(|worker| of(worker, result));
    let noise = || both("noise").iter().sum::<f64>();
    eventually(LONG, || (noise() >= OTHER_PEERS as f64).then_some(())).expect("all keep-alives are counted");
    assert!(both("received").iter().all(|count| *count > 0.0), "{:?}", both("received"));
    assert!(both("noise").iter().all(|count| *count > 0.0), "{:?}", both("noise"));
    assert_eq!([both("overflowed"), both("unsent")], [[0.0; 2]; 2]);
    // Six calls of two dialogs, and what the phone registers with: by lot all of them may have one worker, but hardly ever.
    assert!(both("sent").iter().all(|count| *count > 0.0), "{:?}", both("sent"));
    phone.stop();
    std::thread::sleep(Duration::from_millis(100));
    service.process.signal(Signal::Terminate);
    assert_eq!(service.process.wait(LONG), 0, "{}", service.process.output());
}

/// Two calls are up when the process dies: the next one ends all four legs, still knows both phones and goes on calling.
#[test]
fn calls_of_a_process_with_workers_that_died_are_ended_and_its_phones_are_called_again() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).calls(4).start();
    let phones = [stage.phone(0, &[Law::Mu]), stage.phone(1, &[Law::Mu])];
    let campaign = Campaign {
        sip_keys: "workers = 2".into(),
        agents: vec![AgentPhone::Registers; 2],
        contacts: 4,
        talk_limit: "3s",
        time_limit: "20s",
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    let both = || (run.output().matches("to=Talking").count() == 2).then_some(());
    eventually(LONG, both).expect("both agents have a customer");
    // The bridges are on disk a moment later.
    std::thread::sleep(Duration::from_millis(300));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);
    let count = |text: &str| phones.each_ref().map(|phone| phone.output().matches(text).count());
    let registered = count("\nREGISTER sip:");
    assert_eq!((count("\nBYE sip:"), carrier.received("BYE").len()), ([0, 0], 0));

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    assert_eq!([report.with_outcome("interrupted").len(), report.with_outcome("answered").len()], [2, 2]);
    assert_eq!((report.attempts.len(), report.count("bridged"), report.count("abandoned")), (4, 4, 0));
    assert_eq!(carrier.received("BYE").len(), 4, "two of the old process, two of the new one");
    assert_eq!(count("\nREGISTER sip:"), registered, "nobody had to register again");
    assert_eq!(count("call: answering call"), [2, 2], "one leg each process");
    assert_eq!(count("\nBYE sip:"), [2, 2], "no leg is left up");
    let last = &customer.calls()[2..];
    assert!(last.iter().all(|call| seconds_of(&sound(call), AGENT_HZ) > 1.5), "the new calls are heard");
    assert!(phones.into_iter().all(|phone| seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.5));
}
