//! Trunks that are named, with a nameserver that others wrote (dnsmasq) and SIPp behind its records (RFC 3263).

use std::process::Command;
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::nameserver::{DOMAIN, host, naptr, srv};
use super::rig::{LONG, Stage, carillon};

fn named() -> Campaign {
    Campaign { named: true, ..Campaign::with_sipp_agent() }
}

#[test]
fn calls_go_to_the_server_of_the_next_priority_when_the_first_is_not_there() {
    let stage = Stage::new();
    let (first, second) = (stage.ports.carrier(), stage.ports.other_carrier());
    let nameserver = stage.nameserver(&[
        host("a"),
        host("b"),
        srv("_sip._udp", "a", first, 10, 0),
        srv("_sip._udp", "b", second, 20, 0),
    ]);
    // Nobody is at the first one's port.
    let mut carrier = stage.other_carrier("carrier_answer.xml").pause_ms(300).calls(3).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").calls(3).start();
    let mut run = stage.run(&Campaign { contacts: 3, ..named() });
    let report = run.finish();
    for part in [&mut carrier, &mut phone] {
        part.finish(LONG);
    }
    assert_eq!((report.count("placed"), report.count("answered"), report.count("bridged")), (3, 3, 3));
    for attempt in &report.attempts {
        let told = ["trunk", "caller_id", "outcome"].map(|column| attempt.get(column));
        assert_eq!(told, ["carrier", "+15550000001", "answered"]);
    }
    let attempts: Vec<_> = report.tasks.iter().map(|task| task.get("attempts")).collect();
    assert_eq!(attempts, ["1", "1", "1"], "one attempt each");
    assert!(
        carrier.received("INVITE")[0].contains(&format!("@{DOMAIN} ")),
        "{:?}",
        carrier.received("INVITE")
    );
    let asked = nameserver.output();
    assert!(asked.contains("query[NAPTR] carrier.example"), "{asked}");
}

#[test]
fn a_server_that_refuses_gives_its_call_to_the_next() {
    let stage = Stage::new();
    let (first, second) = (stage.ports.carrier(), stage.ports.other_carrier());
    let _nameserver = stage.nameserver(&[
        host("a"),
        srv("_sip._udp", "a", first, 1, 5),
        srv("_sip._udp", "a", second, 2, 5),
    ]);
    let mut full = stage.carrier("carrier_status.xml").word("STATUS", "503 Service Unavailable").start();
    let mut good = stage.other_carrier("carrier_answer.xml").pause_ms(300).calls(2).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").calls(2).start();
    let report = stage.run(&Campaign { contacts: 2, ..named() }).finish();
    for part in [&mut full, &mut good, &mut phone] {
        part.finish(LONG);
    }
    assert_eq!((report.count("placed"), report.count("answered")), (2, 2));
    assert_eq!(full.received("INVITE").len(), 1, "the second call goes where the first was taken");
}

#[test]
fn naptr_chooses_tcp() {
    let stage = Stage::new();
    let at = stage.ports.carrier();
    let _nameserver = stage.nameserver(&[
        host("a"),
        naptr(10, "SIP+D2T", "_sip._tcp"),
        naptr(20, "SIP+D2U", "_sip._udp"),
        srv("_sip._tcp", "a", at, 1, 0),
        srv("_sip._udp", "a", stage.ports.other_carrier(), 1, 0),
    ]);
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(300).over_tcp().start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&named()).finish();
    for part in [&mut carrier, &mut phone] {
        part.finish(LONG);
    }
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    assert!(carrier.messages().contains("SIP/2.0/TCP"));
}

#[test]
fn a_name_that_is_not_there_yet_is_waited_for() {
    let stage = Stage::new();
    let at = stage.ports.carrier();
    let records = [host("a"), srv("_sip._udp", "a", at, 1, 0)];
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(300).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let mut run = stage.run(&Campaign { time_limit: "40s", ..named() });
    run.wait_for_output("leads nowhere", Duration::from_secs(30));
    let _nameserver = stage.nameserver(&records);
    let report = run.finish();
    for part in [&mut carrier, &mut phone] {
        part.finish(LONG);
    }
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    assert_eq!(run.output().matches("leads nowhere").count(), 1, "said once");
}

#[test]
fn trunk_check_tells_what_the_dns_says() {
    let stage = Stage::new();
    let at = stage.ports.carrier();
    let _nameserver =
        stage.nameserver(&[host("a"), naptr(10, "SIP+D2U", "_sip._udp"), srv("_sip._udp", "a", at, 7, 3)]);
    let mut sipp = stage.carrier("carrier_options.xml").start();
    stage.write(&named());
    let mut command = Command::new(carillon());
    command.current_dir(stage.directory()).args(["trunk", "check", "carrier", "--config", "campaign.toml"]);
    let output = command.output().expect("carillon runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    sipp.finish(LONG);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for line in [
        "NAPTR     carrier.example: 10 50 \"s\" \"SIP+D2U\" \"\" _sip._udp.carrier.example. (for ".to_owned(),
        format!("SRV       _sip._udp.carrier.example: 7 3 {} a.carrier.example. (for ", at.port()),
        "A         a.carrier.example: 127.0.0.1 (for 5 s)".to_owned(),
        format!("order     1, weight 3: udp:{at}"),
        format!("ok    resolve   sip:carrier.example is {at} over udp"),
        "ok    OPTIONS".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}\n{said}");
    }
}
