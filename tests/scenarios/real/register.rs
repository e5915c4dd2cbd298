//! Registrations: ours with a carrier, and phones with us.

use super::rig::campaign::Campaign;
use super::rig::tone::Law;
use super::rig::{LONG, Stage};

#[test]
fn a_trunk_is_registered_with_digest_before_calls_and_taken_back_after_them() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_register.xml").calls(3).forgetful().start();
    let campaign = Campaign { register: true, credentials: true, ..Campaign::with_sipp_agent() };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "busy");
    let messages = carrier.messages();
    let first = messages.find("REGISTER sip:").expect("a REGISTER");
    assert!(first < messages.find("INVITE sip:").expect("an INVITE"), "called before it was registered");
    assert!(messages.contains("Expires: 0") || messages.contains("expires=0"), "not taken back:\n{messages}");
}

#[test]
fn a_phone_with_a_wrong_password_never_becomes_an_agent() {
    let stage = Stage::new();
    let phone = stage.phone_with_password(0, &[Law::Mu], "wrong");
    let mut run = stage.run(&Campaign { wait_for: "2s", ..Campaign::default() });
    assert_eq!(run.exit_status(), 3, "{}", run.output());
    let output = phone.output();
    assert!(output.contains("SIP/2.0 401") || output.contains("SIP/2.0 403"), "{output}");
    assert!(!output.contains("INVITE sip:"), "an unregistered phone was called:\n{output}");
}
