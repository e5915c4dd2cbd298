//! SIP over WebSocket with a phone that others wrote: JsSIP in Chromium.

use super::rig::Stage;
use super::rig::campaign::{Campaign, TlsKeys};
use super::rig::report::Report;

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
