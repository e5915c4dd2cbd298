//! Registrations.

use super::rig::Stage;
use super::rig::campaign::Campaign;
use super::rig::tone::Law;

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
