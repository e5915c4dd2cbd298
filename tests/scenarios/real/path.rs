//! A phone behind a proxy: Kamailio is in the Path of its REGISTER (RFC 3327), and what we send to the phone goes along it.

use std::thread;
use std::time::Duration;

use super::rig::campaign::{Campaign, TlsKeys};
use super::rig::certificates::Certificates;
use super::rig::customer::{Customer, sound};
use super::rig::kamailio::{Edge, Finds, Kamailio, Towards};
use super::rig::phone::{Over, Phone, Setup};
use super::rig::process::Signal;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Run, Stage};

/// An edge that speaks UDP to us and finds phones by where they came from.
const PLAIN: Edge<'static> = Edge { towards: Towards::Udp, finds: Finds::Source };

/// `[tls]` with our own certificate.
fn own(us: &Certificates) -> TlsKeys {
    TlsKeys { own: format!("certificate = {:?}\nkey = {:?}", us.certificate, us.key), trunk: None }
}

/// What the proxy has passed on, by method.
fn passed(edge: &Kamailio) -> [usize; 4] {
    ["INVITE", "ACK", "BYE", "CANCEL"].map(|method| edge.passed(method))
}

/// agent1's phone, which speaks to the proxy alone, once we are there.
fn behind(stage: &Stage, setup: Setup<'_>, run: &mut Run) -> Phone {
    run.wait_until_up();
    let at = match setup.over {
        Over::Udp | Over::Tcp => stage.ports.other_carrier(),
        Over::Tls(_) => stage.ports.carrier_tls(),
    };
    stage.phone_set_up(0, &Setup { proxy: Some(at), ..setup })
}

/// A phone behind an edge is called along its path, and hangs up. Returns what the edge wrote.
fn is_called(edge: &Edge<'_>, setup: Setup<'_>, tls: Option<TlsKeys>, stage: &Stage) -> String {
    let edge = Kamailio::edge(stage, edge);
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let mut run = stage.run(&Campaign { leg: "per_call", tls, ..Campaign::default() });
    let phone = behind(stage, setup, &mut run);
    carrier.wait_for_message("ACK sip:", LONG);
    thread::sleep(Duration::from_millis(2_500));
    phone.types("/hangup");
    let report = run.finish();
    carrier.finish(LONG);

    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert_eq!((report.count("bridged"), passed(&edge)), (1, [1, 1, 1, 0]), "{}", edge.output());
    assert_eq!(phone.output().matches("\nINVITE sip:").count(), 1, "{}", phone.output());
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.5);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.5);
    edge.output()
}

#[test]
fn a_phone_behind_a_proxy_is_called_along_its_path_and_hangs_up() {
    let stage = Stage::new();
    let told = is_called(&PLAIN, Setup::of(0), None, &stage);
    // The proxy finds the phone by what it wrote into its own Path.
    let at = stage.ports.other_carrier();
    let route = format!("called along <sip:{at};lr;received=sip:{}", stage.ports.phone(0));
    assert!(told.contains(&route), "{route} in:\n{told}");
}

#[test]
fn so_is_one_whose_proxy_writes_nothing_but_itself() {
    let stage = Stage::new();
    let told = is_called(&Edge { finds: Finds::Contact, ..PLAIN }, Setup::of(0), None, &stage);
    let route = format!("called along <sip:{};lr", stage.ports.other_carrier());
    assert!(told.contains(&route) && !told.contains("received="), "{route} in:\n{told}");
}

#[test]
fn so_is_one_whose_proxy_speaks_tls_to_us() {
    let stage = Stage::new();
    let (us, them) = (stage.certificates("us"), stage.certificates("them"));
    let edge = Edge { towards: Towards::Tls(&them, &us.ca), finds: Finds::Source };
    let told = is_called(&edge, Setup::of(0), Some(own(&us)), &stage);
    let route = format!("called along <sip:{};transport=tls;lr;received=sip:", stage.ports.carrier_tls());
    assert!(told.contains(&route) && told.contains(";r2=on"), "{route} in:\n{told}");
}

#[test]
fn so_is_a_flow_over_tls_from_end_to_end() {
    let stage = Stage::new();
    let (us, them) = (stage.certificates("us"), stage.certificates("them"));
    let edge = Edge { towards: Towards::Tls(&them, &us.ca), finds: Finds::Flow };
    let setup = Setup { over: Over::Tls(&them.ca), flow: true, ..Setup::of(0) };
    let told = is_called(&edge, setup, Some(own(&us)), &stage);
    let route = format!("@{};transport=tls;lr;ob", stage.ports.carrier_tls());
    assert!(told.contains(&route), "{route} in:\n{told}");
}

/// Nobody has said whose certificate to expect of a proxy that came to us over TLS, so that it is not gone to: the phone registers
/// again before its time is over, and is called then.
#[test]
fn a_phone_whose_proxy_speaks_tls_to_us_comes_by_itself_after_a_restart() {
    let stage = Stage::new();
    let (us, them) = (stage.certificates("us"), stage.certificates("them"));
    let edge = Kamailio::edge(&stage, &Edge { towards: Towards::Tls(&them, &us.ca), finds: Finds::Source });
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).calls(2).start();
    let campaign = Campaign {
        leg: "per_call",
        contacts: 2,
        talk_limit: "1s",
        time_limit: "30s",
        wait_for: "20s",
        tls: Some(own(&us)),
        sip_keys: "register_expires_min = \"6s\"\nregister_expires_max = \"6s\"\n".to_owned(),
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    let phone = behind(&stage, Setup::of(0), &mut run);
    carrier.wait_for_message("BYE sip:", LONG);
    run.signal(Signal::Kill);
    assert_eq!(run.exit_status(), -1);
    let registered = edge.passed("REGISTER");

    let report = stage.run_again().finish();
    carrier.finish(LONG);
    let last = report.attempts.last().expect("a second attempt");
    assert_eq!((report.attempts.len(), last.get("outcome"), last.get("agent")), (2, "answered", "agent1"));
    assert!(edge.passed("REGISTER") > registered, "{}", edge.output());
    let way = format!("called along <sip:{};transport=tls;lr;received=sip:", stage.ports.carrier_tls());
    assert_eq!((edge.passed("INVITE"), edge.output().matches(&way).count()), (2, 2), "{}", edge.output());
    assert_eq!(phone.output().matches("call: answering call").count(), 2);
    assert!(seconds_of(&sound(customer.calls().last().expect("a second call")), AGENT_HZ) > 0.5);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.0);
}

/// `kill -9` while the phone is on the line: the next process finds the way to it on its disk, for the BYE and for the next call.
fn is_reached_after_a_restart(edge: &Edge<'_>, setup: Setup<'_>, way: &str) {
    let stage = Stage::new();
    let edge = Kamailio::edge(&stage, edge);
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).calls(2).start();
    let campaign = Campaign { contacts: 2, talk_limit: "2s", time_limit: "15s", ..Campaign::default() };
    let mut run = stage.run(&campaign);
    let phone = behind(&stage, setup, &mut run);
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
    let called = edge.output().matches("called along ").count();
    assert_eq!((called, edge.output().matches(way).count()), (2, 2), "{}", edge.output());
    assert_eq!(phone.output().matches("call: answering call").count(), 2);
    assert!(seconds_of(&sound(customer.calls().last().expect("a second call")), AGENT_HZ) > 1.0);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.0);
}

#[test]
fn after_a_restart_it_is_still_reached_that_way() {
    is_reached_after_a_restart(&PLAIN, Setup::of(0), ";received=sip:127.0.0.1:");
}

#[test]
fn so_is_a_phone_that_speaks_tcp_to_a_proxy_that_speaks_udp_to_us() {
    is_reached_after_a_restart(&PLAIN, Setup { over: Over::Tcp, ..Setup::of(0) }, ";r2=on");
}

#[test]
fn so_is_a_phone_whose_proxy_writes_nothing_but_itself() {
    is_reached_after_a_restart(&Edge { finds: Finds::Contact, ..PLAIN }, Setup::of(0), ";lr;r2=on>");
}

#[test]
fn so_is_a_phone_whose_proxy_speaks_tcp_to_us() {
    let edge = Edge { towards: Towards::Tcp, ..PLAIN };
    is_reached_after_a_restart(&edge, Setup::of(0), ";transport=tcp;lr;received=sip:");
}

#[test]
fn so_is_a_flow_over_tcp_from_end_to_end() {
    let edge = Edge { towards: Towards::Tcp, finds: Finds::Flow };
    let setup = Setup { over: Over::Tcp, flow: true, ..Setup::of(0) };
    is_reached_after_a_restart(&edge, setup, ";ob");
}
