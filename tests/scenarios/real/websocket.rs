//! SIP over WebSocket with a phone that others wrote: JsSIP in Chromium.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::rig::campaign::{Campaign, TlsKeys};
use super::rig::process::Process;
use super::rig::report::Report;
use super::rig::{PASSWORD, Stage, carillon};

/// What every such phone does: it registers with digest, is called over its connection and answers.
fn registers_and_is_called(stage: &Stage, campaign: &Campaign, socket: &str, via: &str) {
    let mut run = stage.run(campaign);
    run.wait_until_up();
    let mut phone = stage.browser(0, socket);
    phone.wait_for("phone: registered: SIP/2.0 200");
    phone.wait_for("phone: called: INVITE sip:");
    // The call has no media that a browser may take (no DTLS, no ICE), and JsSIP says so.
    phone.wait_for("phone: sent: SIP/2.0 488");
    run.exit_status();
    let output = phone.output();
    let of = |text: &str| output.lines().find(|line| line.contains(text)).unwrap_or_default().to_owned();
    assert!(output.matches("sent: REGISTER ").count() >= 2, "challenged and answered:\n{output}");
    // JsSIP names itself and its way back in a domain that does not exist (RFC 7118 §5).
    let registered = of("phone: registered:");
    assert!(
        registered.contains(&format!("Via: SIP/2.0/{via} ")) && registered.contains(".invalid"),
        "{registered}"
    );
    let called = of("phone: called:");
    assert!(called.contains(".invalid;transport=ws SIP/2.0"), "{called}");
    assert!(called.contains(&format!("Via: SIP/2.0/{via} 127.0.0.1:")), "{called}");
    assert!(Report::read(&stage.report_directory()).with_outcome("answered").is_empty());
}

#[test]
fn a_phone_in_a_browser_registers_and_is_called_over_its_websocket() {
    let stage = Stage::new();
    let campaign =
        Campaign { websocket: Some("ws"), wait_for: "25s", time_limit: "30s", ..Campaign::default() };
    let socket = format!("ws://{}", stage.ports.listen_ws());
    registers_and_is_called(&stage, &campaign, &socket, "WS");
}

#[test]
fn a_phone_in_a_browser_registers_and_is_called_over_its_secure_websocket() {
    let stage = Stage::new();
    let us = stage.certificates("us");
    let own = format!("certificate = {:?}\nkey = {:?}", us.certificate, us.key);
    let campaign = Campaign {
        websocket: Some("wss"),
        tls: Some(TlsKeys { own, trunk: None }),
        wait_for: "25s",
        time_limit: "30s",
        ..Campaign::default()
    };
    let socket = format!("wss://{}", stage.ports.listen_ws());
    registers_and_is_called(&stage, &campaign, &socket, "WSS");
}

/// The page signs its agent in, gets a token and registers with it; nobody else's phone can, nor after its time, nor after the
/// agent has signed out.
#[test]
fn a_phone_in_a_browser_registers_with_tokens_of_the_api_alone() {
    let stage = Stage::new();
    let (first, last) = stage.ports.rtp();
    let (listen, ws, api) = (stage.ports.listen(), stage.ports.listen_ws(), stage.ports.carrier());
    let file = format!(
        "[sip]\nlisten = [\"{listen}\", \"ws:{ws}\"]\nmedia_address = \"127.0.0.1\"\nrtp_ports = \"{first}-{last}\"\n\
         [[trunk]]\nname = \"carrier\"\nuri = \"sip:{api}\"\ncaller_ids = [\"+15550000001\"]\n\
         [[agents.agent]]\nuser = \"agent1\"\npassword = \"{PASSWORD}\"\n\
         [[agents.agent]]\nuser = \"agent2\"\npassword = \"{PASSWORD}\"\n\
         [api]\nlisten = \"{api}\"\nadmin_password = \"a long enough password\"\nphone_token_life = \"10s\"\n\
         [log]\nlevel = \"trace\"\n"
    );
    let path = stage.directory().join("service.toml");
    fs::write(&path, file).expect("the test's directory can be written");
    let mut command = Command::new(carillon());
    command.current_dir(stage.directory()).arg("serve").arg("--config").arg(&path);
    let mut service = Process::start("service", &mut command, stage.directory());
    service.wait_for_output("carillon serves", Duration::from_secs(20));

    let socket = format!("ws://{ws}");
    let mut page = stage.browser_with_tokens(0, &socket, &format!("http://{api}/api/v1"));
    page.wait_for("phone: with its token: ");
    page.wait_for("phone: done");
    let output = page.output();
    for (attempt, outcome) in [
        ("websockets", socket.as_str()),
        ("with its token", "yes"),
        ("as another user", "no, 403"),
        ("after its time", "no, 401"),
        ("with the next token", "yes"),
        ("after signing out", "no, 401"),
    ] {
        assert!(output.contains(&format!("phone: {attempt}: {outcome}")), "{attempt}:\n{output}");
    }
    // Whatever is logged, a token's password is not.
    let log = service.output();
    let hex = |word: &str| word.len() == 64 && word.bytes().all(|octet| octet.is_ascii_hexdigit());
    let words = log.split(|letter: char| !letter.is_ascii_alphanumeric());
    assert_eq!(words.filter(|word| hex(word)).count(), 0, "{log}");
}
