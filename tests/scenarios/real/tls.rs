//! SIP over TLS with parts that others wrote: SIPp behind socat (OpenSSL) as carrier, baresip (OpenSSL) as phone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use super::rig::campaign::{Campaign, TlsKeys};
use super::rig::certificates::Certificates;
use super::rig::customer::{Customer, sound};
use super::rig::report::Report;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};

/// `[tls]` with our own certificate.
fn own(us: &Certificates) -> String {
    format!("certificate = {:?}\nkey = {:?}", us.certificate, us.key)
}

/// The keys of a trunk that is believed because of `ca` and shown `us`.
fn trunk(ca: &Certificates, us: &Certificates) -> String {
    format!("tls_ca = {:?}\ntls_certificate = {:?}\ntls_key = {:?}", ca.ca, us.certificate, us.key)
}

#[test]
fn carrier_and_phone_over_tls_hear_each_other_and_the_carrier_knows_us_by_our_certificate() {
    let stage = Stage::new();
    let (us, them) = (stage.certificates("us"), stage.certificates("them"));
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage
        .carrier("carrier_answer_media.xml")
        .customer(&customer)
        .calls(3)
        .pause_ms(1_000)
        .over_tcp()
        .start();
    let front = stage.carrier_tls(&them, &us.ca);
    let tls = TlsKeys { own: own(&us), trunk: Some(trunk(&them, &us)) };
    let mut run = stage.run(&Campaign { tls: Some(tls), contacts: 3, ..Campaign::default() });
    run.wait_until_up();
    let phone = stage.phone_over_tls(0, &[Law::Mu], &us.ca);
    let report = run.finish();
    carrier.finish(LONG);

    assert_eq!(report.with_outcome("answered").len(), 3);
    assert_eq!(report.count("bridged"), 3);
    let messages = carrier.messages();
    assert!(messages.contains("Via: SIP/2.0/TLS ") && messages.contains(";transport=tls>"), "{messages}");
    assert!(phone.output().contains("transport=tls"));
    for call in customer.calls() {
        assert!(seconds_of(&sound(&call), AGENT_HZ) > 0.5, "every customer hears the agent");
    }
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.8);
    let connections = front.output().matches("SSL connection using").count();
    assert_eq!(connections, 1, "one connection for all calls:\n{}", front.output());
}

#[test]
fn a_carrier_with_a_certificate_of_nobody_we_believe_is_a_dead_trunk_and_the_log_says_why() {
    let stage = Stage::new();
    let (us, them) = (stage.certificates("us"), stage.certificates("them"));
    let _front = stage.carrier_tls(&them, &us.ca);
    let tls = TlsKeys { own: own(&us), trunk: Some(trunk(&us, &us)) };
    let campaign = Campaign { tls: Some(tls), contacts: 6, ..Campaign::default() };
    let mut run = stage.run(&campaign);
    run.wait_until_up();
    let _phone = stage.phone(0, &[Law::Mu]);
    assert_eq!(run.exit_status(), 3, "{}", run.output());
    let report = Report::read(&stage.report_directory());
    assert!(report.with_outcome("answered").is_empty());
    assert!(report.with_outcome("failed").len() >= 5);
    let told: Vec<String> =
        run.output().lines().filter(|it| it.contains("UnknownIssuer")).map(str::to_owned).collect();
    assert_eq!(told.len(), 1, "once, however many calls fail: {told:?}");
    assert!(told[0].contains("WARN"), "{told:?}");
}

#[test]
fn garbage_on_tls_hurts_nobody_else() {
    let stage = Stage::new();
    let us = stage.certificates("us");
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let tls = TlsKeys { own: own(&us), trunk: None };
    let mut run = stage.run(&Campaign { tls: Some(tls), ..Campaign::default() });
    run.wait_until_up();
    let at = stage.ports.listen_tls();
    let mut junk = TcpStream::connect(at).expect("it listens");
    junk.write_all(&[0x16; 4_000]).expect("it takes octets");
    junk.set_read_timeout(Some(Duration::from_secs(5))).expect("a time");
    let mut answer = Vec::new();
    let _ = junk.read_to_end(&mut answer);
    assert!(answer.len() < 10, "an alert at most: {answer:?}");
    // OpenSSL's own client: an HTTP request through good TLS closes its connection and nothing else.
    let client = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "printf 'GET / HTTP/1.1\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error -CAfile {} -connect {at}",
            us.ca.display()
        ))
        .output()
        .expect("openssl is there");
    assert!(String::from_utf8_lossy(&client.stderr).contains("verify return:1"), "{client:?}");
    assert!(client.stdout.is_empty(), "{client:?}");
    let phone = stage.phone_over_tls(0, &[Law::Mu], &us.ca);
    let report = run.finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "busy");
    assert!(phone.output().contains("SIP/2.0 200 OK"), "it has registered:\n{}", phone.output());
}
