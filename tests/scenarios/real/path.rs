//! A phone behind a proxy: Kamailio is in the Path of its REGISTER (RFC 3327), and what we send to the phone goes along it.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, sound};
use super::rig::kamailio::Kamailio;
use super::rig::phone::{Over, Phone, Setup};
use super::rig::process::Signal;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Run, Stage};

/// What the proxy has passed on, by method.
fn passed(edge: &Kamailio) -> [usize; 4] {
    ["INVITE", "ACK", "BYE", "CANCEL"].map(|method| edge.passed(method))
}

/// agent1's phone, which speaks to the proxy alone, once we are there.
fn behind(stage: &Stage, at: SocketAddr, setup: Setup<'_>, run: &mut Run) -> Phone {
    run.wait_until_up();
    stage.phone_set_up(0, &Setup { proxy: Some(at), ..setup })
}

#[test]
fn a_phone_behind_a_proxy_is_called_along_its_path_and_hangs_up() {
    let stage = Stage::new();
    let at = stage.ports.other_carrier();
    let edge = Kamailio::edge(&stage, at);
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let mut run = stage.run(&Campaign { leg: "per_call", ..Campaign::default() });
    let phone = behind(&stage, at, Setup::of(0), &mut run);
    carrier.wait_for_message("ACK sip:", LONG);
    thread::sleep(Duration::from_millis(2_500));
    phone.types("/hangup");
    let report = run.finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert_eq!((report.count("bridged"), passed(&edge)), (1, [1, 1, 1, 0]), "{}", edge.output());
    // The proxy finds the phone by what it wrote into its own Path.
    let route = format!("called along <sip:{at};lr;received=sip:{}", stage.ports.phone(0));
    assert!(edge.output().contains(&route), "{route} in:\n{}", edge.output());
    assert_eq!(phone.output().matches("\nINVITE sip:").count(), 1, "{}", phone.output());
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.5);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.5);
}

/// `kill -9` while the phone is on the line: the next process finds the way to it on its disk, for the BYE and for the next call.
fn is_reached_after_a_restart(setup: Setup<'_>, way: &str) {
    let stage = Stage::new();
    let at = stage.ports.other_carrier();
    let edge = Kamailio::edge(&stage, at);
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).calls(2).start();
    let campaign = Campaign { contacts: 2, talk_limit: "2s", time_limit: "15s", ..Campaign::default() };
    let mut run = stage.run(&campaign);
    let phone = behind(&stage, at, setup, &mut run);
    carrier.wait_for_message("ACK sip:", LONG);
    thread::sleep(Duration::from_millis(300));
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);
    let registered = edge.passed("REGISTER");
    assert_eq!(passed(&edge), [1, 1, 0, 0]);

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    let outcomes: Vec<&str> = report.attempts.iter().map(|row| row.get("outcome")).collect();
    assert_eq!(outcomes, ["interrupted", "answered"]);
    assert_eq!(report.attempts[1].get("agent"), "agent1");
    assert_eq!(edge.passed("REGISTER"), registered, "it did not have to register again");
    assert_eq!(passed(&edge), [2, 2, 2, 0], "a leg each process, all along the path:\n{}", edge.output());
    assert_eq!(edge.output().matches("called along ").count(), edge.output().matches(way).count());
    assert_eq!(phone.output().matches("call: answering call").count(), 2);
    assert!(seconds_of(&sound(customer.calls().last().expect("a second call")), AGENT_HZ) > 1.0);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.0);
}

#[test]
fn after_a_restart_it_is_still_reached_that_way() {
    is_reached_after_a_restart(Setup::of(0), "called along <sip:127.0.0.1:");
}

#[test]
fn so_is_a_phone_that_speaks_tcp_to_a_proxy_that_speaks_udp_to_us() {
    is_reached_after_a_restart(Setup { over: Over::Tcp, ..Setup::of(0) }, ";r2=on");
}
