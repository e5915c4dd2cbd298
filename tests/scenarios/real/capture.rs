//! HEP: Kamailio as the capture server that is told every message.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::rig::campaign::Campaign;
use super::rig::kamailio::Kamailio;
use super::rig::{LONG, Stage, carillon};

/// A campaign of one call that is challenged, answered and told to the capture server on this host.
fn run(stage: &Stage, host: &str, keys: &str) {
    let hep = format!("{host}:{}", stage.ports.other_carrier().port());
    let carrier = stage.carrier("carrier_digest.xml").word("CHALLENGE", "401 Unauthorized");
    let carrier = carrier.word("HEADER", "WWW-Authenticate").word("ALGORITHM", "MD5");
    let mut carrier = carrier.pause_ms(500).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let sip_keys = format!("hep = \"{hep}\"\n{keys}");
    let report = stage.run(&Campaign { sip_keys, credentials: true, ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "answered");
}

#[test]
fn a_capture_server_reads_every_message_of_a_call_and_no_credentials() {
    let stage = Stage::new();
    let server = Kamailio::capture(&stage, stage.ports.other_carrier());
    run(&stage, "127.0.0.1", "");
    let output = server.output();
    // What, from whom, of which call, and the credentials.
    let told: Vec<(&str, &str, &str, &str)> = output
        .lines()
        .filter_map(|line| {
            let (what, rest) = line.split_once("captured ")?.1.split_once(" from ")?;
            let (from, call) = rest.split_once(" call ")?;
            let (call, credentials) = call.split_once(" credentials ").unwrap_or((call, ""));
            Some((what, from, call, credentials))
        })
        .collect();
    let of = |call: &str| -> Vec<String> {
        let own = stage.ports.listen().to_string();
        let its = told.iter().filter(|(_, _, its, _)| *its == call);
        its.map(|(what, from, ..)| format!("{} {what}", if *from == own { "we" } else { from })).collect()
    };
    let peers = [stage.ports.carrier(), stage.ports.phone(0)];
    let (first, last) = (told.first().expect("messages").2, told.last().expect("messages").2);
    let [carrier, phone] = peers.map(|peer| peer.to_string());
    let expected =
        ["we INVITE", "< 401 INVITE", "we ACK", "we INVITE", "< 200 INVITE", "we ACK", "< BYE", "we 200 BYE"];
    assert_eq!(of(first), expected.map(|step| step.replace('<', &carrier)), "{output}");
    let expected = ["we INVITE", "< 200 INVITE", "we ACK", "we BYE", "< 200 BYE"];
    assert_eq!(of(last), expected.map(|step| step.replace('<', &phone)), "{output}");
    let credentials: Vec<&str> = told.iter().map(|(.., credentials)| *credentials).collect();
    assert!(credentials.iter().any(|it| it.starts_with("*****")), "there were some: {output}");
    let shown = |text: &&&str| **text != "<null>" && text.contains(|it| it != '*' && it != ' ');
    assert_eq!(credentials.iter().find(shown), None);
}

#[test]
fn a_capture_server_is_told_who_when_and_of_which_call() {
    let stage = Stage::new();
    let server = Kamailio::unwrap(&stage, stage.ports.other_carrier());
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    run(&stage, "127.0.0.1", "hep_id = 77\nhep_password = \"let me in\"\nladders_kept = \"1d\"");
    let output = server.output();
    let (own, carrier) = (stage.ports.listen(), stage.ports.carrier());
    let begin = format!("wrapped version 3 {own} to {carrier} type 1 agent 77 password let me in call ");
    let sent: Vec<(&str, u64)> = output
        .lines()
        .filter_map(|line| line.split_once(&begin)?.1.split_once(" at "))
        .filter_map(|(call, at)| Some((call, at.trim().parse().ok()?)))
        .collect();
    assert_eq!(sent.len(), 5, "INVITE, ACK, INVITE, ACK, 200: {output}");
    assert!(sent.iter().all(|(call, _)| *call == sent[0].0 && !call.is_empty()), "{sent:?}");
    assert!(sent.iter().all(|(_, at)| (before..before + 60).contains(at)), "{before} {sent:?}");

    // The same call on the ladder that the run has left, though all ended at once.
    let mut trace = Command::new(carillon());
    let traced =
        trace.args(["trace", "1", "--from"]).arg(stage.report_directory()).output().expect("carillon runs");
    let traced = String::from_utf8_lossy(&traced.stdout).into_owned();
    assert!(traced.contains(&format!("Call-ID {}", sent[0].0)), "{traced}");
    assert_eq!(traced.matches("carillon -> A").count(), 5, "{traced}");
}

#[test]
fn a_capture_server_is_found_by_its_name() {
    let stage = Stage::new();
    let server = Kamailio::capture(&stage, stage.ports.other_carrier());
    run(&stage, "localhost", "");
    let output = server.output();
    let steps = ["INVITE", "401 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"];
    let missing = steps.iter().find(|step| !output.contains(&format!("captured {step} from ")));
    assert_eq!(missing, None, "{output}");
}
