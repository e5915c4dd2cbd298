//! `carillon trunk check`: what it says of a carrier, and its exit status.

use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::rig::campaign::Campaign;
use super::rig::{LONG, Stage, carillon};

/// Exit status, standard output and standard error.
pub(super) fn check(stage: &Stage, more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(carillon());
    command
        .current_dir(stage.directory())
        .args(["trunk", "check", "carrier", "--config", "campaign.toml"])
        .args(more);
    let output = command.output().expect("carillon runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A carrier of a few lines: each of its answers to a method, in order.
fn carrier(stage: &Stage, answers: &'static [(&str, &str, &str)]) {
    let socket = UdpSocket::bind(stage.ports.carrier()).expect("the carrier's port is free");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket waits");
    thread::spawn(move || {
        let mut buffer = [0; 4_000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            for (method, status, body) in answers.iter().filter(|(method, ..)| request.starts_with(method)) {
                let kept = ["Via:", "From:", "Call-ID:", "CSeq:"];
                let lines = request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
                let to = request.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
                let tag = if to.contains(";tag=") { "" } else { ";tag=peer" };
                let head: Vec<&str> = lines.collect();
                let own = format!("Contact: <sip:peer@{}>", socket.local_addr().expect("bound"));
                let length = body.len();
                let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
                let text = format!(
                    "SIP/2.0 {status}\r\n{}\r\n{to}{tag}\r\n{own}\r\nX-Route: 7\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
                    head.join("\r\n")
                );
                let _ = (method, socket.send_to(text.as_bytes(), from));
            }
        }
    });
}

const SESSION: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

#[test]
fn a_carrier_that_answers_is_told_with_its_times_and_headers() {
    let stage = Stage::new();
    let mut sipp = stage.carrier("carrier_options.xml").start();
    stage.write(&Campaign::with_sipp_agent());
    let (status, said, error) = check(&stage, &[]);
    sipp.finish(LONG);
    assert_eq!(status, 0, "{said}{error}");
    let options = said.lines().find(|line| line.contains("OPTIONS ")).unwrap_or_default();
    assert!(options.starts_with("ok ") && options.contains("200 OK after "), "{said}");
    for word in ["Server: carrier/1", "Allow: INVITE, ACK", "also writes X-Region"] {
        assert!(options.contains(word), "{word} in {said}");
    }
}

#[test]
fn a_test_call_tells_codec_and_ringing_and_is_hung_up() {
    let stage = Stage::new();
    carrier(
        &stage,
        &[
            ("OPTIONS", "200 OK", ""),
            ("INVITE", "100 Trying", ""),
            ("INVITE", "180 Ringing", ""),
            ("INVITE", "200 OK", SESSION),
            ("BYE", "200 OK", ""),
        ],
    );
    stage.write(&Campaign { trunk_keys: "deny = [\"+1900\"]", ..Campaign::with_sipp_agent() });
    let (status, said, error) = check(&stage, &["--call", "+12025550100"]);
    assert_eq!(status, 0, "{said}{error}");
    for line in [
        "ok    INVITE    200 OK after ",
        "ok    media     PCMA, without telephone-event",
        "ok    BYE       200 OK",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(said.contains("X-Route") && said.contains("offered   PCMU, PCMA"), "{said}");
    let (status, said, _) = check(&stage, &["--call", "%2B19005550100"]);
    assert_eq!(status, 3);
    assert!(said.contains("FAIL  INVITE") && said.contains("may not be called"), "{said}");
}

#[test]
fn what_does_not_work_is_told_with_status_3_and_a_wrong_name_with_2() {
    let stage = Stage::new();
    carrier(&stage, &[("OPTIONS", "503 Service Unavailable", ""), ("INVITE", "403 Forbidden", "")]);
    stage.write(&Campaign::with_sipp_agent());
    let (status, said, error) = check(&stage, &["--call", "+12025550100"]);
    assert_eq!(status, 3, "{said}{error}");
    assert!(said.contains("FAIL  OPTIONS   503 Service Unavailable after "), "{said}");
    assert!(said.contains("FAIL  INVITE    403 Forbidden after "), "{said}");
    assert!(error.contains("2 of its checks failed"), "{error}");

    let mut command = Command::new(carillon());
    command.current_dir(stage.directory()).args(["trunk", "check", "nobody", "--config", "campaign.toml"]);
    let output = command.output().expect("carillon runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("no trunk `nobody`") && error.contains("there are: carrier"), "{error}");
}
