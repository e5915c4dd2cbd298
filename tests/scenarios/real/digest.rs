//! A carrier that wants our password; whether it gets it is checked by SIPp's arithmetic or by that of coreutils.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::rig::campaign::Campaign;
use super::rig::sipp::SippPlan;
use super::rig::{LONG, Stage, TRUNK_PASSWORD, TRUNK_USER};

/// What the carrier says first.
struct Challenge {
    status: &'static str,
    header: &'static str,
    algorithm: &'static str,
}

impl Challenge {
    fn written_into<'a>(&self, plan: SippPlan<'a>) -> SippPlan<'a> {
        plan.word("CHALLENGE", self.status).word("HEADER", self.header).word("ALGORITHM", self.algorithm)
    }
}

/// One call to a carrier that challenges; it has to become a talk. All messages of the carrier.
fn call(scenario: &'static str, challenge: &Challenge) -> String {
    let stage = Stage::new();
    let mut carrier = challenge.written_into(stage.carrier(scenario)).pause_ms(800).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign { credentials: true, ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("sip_status")), ("answered", "200"));
    assert_eq!((report.count("placed"), report.count("bridged")), (1, 1));
    let messages = carrier.messages();
    assert!(!messages.contains(TRUNK_PASSWORD), "the password itself is on the wire");
    assert_eq!(carrier.received("INVITE").len(), 2);
    messages
}

/// Checks the credentials of the second INVITE: RFC 7616 §3.4.1, with `qop=auth`.
fn assert_credentials(messages: &str, header: &str, algorithm: &str, program: &str) {
    let line = messages.lines().find_map(|line| line.strip_prefix(header)?.strip_prefix(": Digest "));
    let line = line.unwrap_or_else(|| panic!("no {header} in\n{messages}"));
    let field = |name: &str| {
        let (_, value) = line
            .split(", ")
            .filter_map(|field| field.split_once('='))
            .find(|(key, _)| *key == name)
            .unwrap_or_else(|| panic!("no {name} in {line}"));
        value.trim().trim_matches('"').to_owned()
    };
    assert_eq!((field("username").as_str(), field("algorithm").as_str()), (TRUNK_USER, algorithm));
    assert_eq!((field("realm").as_str(), field("nonce").as_str()), ("carrier.example", "5f1c9a4e77b2"));
    assert_eq!((field("qop").as_str(), field("nc").as_str()), ("auth", "00000001"));
    let own = hash(program, &format!("{TRUNK_USER}:{}:{TRUNK_PASSWORD}", field("realm")));
    let request = hash(program, &format!("INVITE:{}", field("uri")));
    let count = format!("{}:{}:{}", field("nonce"), field("nc"), field("cnonce"));
    assert_eq!(field("response"), hash(program, &format!("{own}:{count}:auth:{request}")));
}

/// The hash of a text in hexadecimal digits, by a program of coreutils.
fn hash(program: &str, text: &str) -> String {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{program}`: {error}"));
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_401_is_met_and_sipp_accepts_it() {
    let challenge = Challenge { status: "401 Unauthorized", header: "WWW-Authenticate", algorithm: "MD5" };
    let messages = call("carrier_digest.xml", &challenge);
    assert_credentials(&messages, "Authorization", "MD5", "md5sum");
}

#[test]
fn a_407_is_met() {
    let challenge = Challenge {
        status: "407 Proxy Authentication Required",
        header: "Proxy-Authenticate",
        algorithm: "MD5",
    };
    let messages = call("carrier_digest_unverified.xml", &challenge);
    assert_credentials(&messages, "Proxy-Authorization", "MD5", "md5sum");
}

#[test]
fn a_challenge_with_sha_256_is_met() {
    let challenge =
        Challenge { status: "401 Unauthorized", header: "WWW-Authenticate", algorithm: "SHA-256" };
    let messages = call("carrier_digest_unverified.xml", &challenge);
    assert_credentials(&messages, "Authorization", "SHA-256", "sha256sum");
}

#[test]
fn without_credentials_a_challenge_is_our_failure() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_status.xml").word("STATUS", "401 Unauthorized").start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    carrier.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("attribution")), ("failed", "us"));
}
