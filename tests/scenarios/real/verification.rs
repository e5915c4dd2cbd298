//! Calls from outside that say who calls, signed by Python and OpenSSL: SIPp brings them as the carrier.

use std::path::Path;
use std::process::Command;

use super::identity::{PASSPORT, seconds};
use super::rig::campaign::Campaign;
use super::rig::certificates::Certificates;
use super::rig::customer::Customer;
use super::rig::report::inbound;
use super::rig::tone::{Law, write_wav};
use super::rig::{CUSTOMER_HZ, LONG, MESSAGE_HZ, Stage, carillon};

/// The number that is called, and who calls.
const NUMBER: &str = "+12025550177";
const CALLER: &str = "+12025550999";

pub const URL: &str = "https://cert.example/shaken.pem";

/// Nobody takes it: each call hears the message and is over.
const INBOUND: &str = "numbers = [\"+12025550177\"]\nteam = false\nmessage = \"sorry.wav\"";

const SIGN: &str = r#"
import sys
url, key, orig, issued_at = sys.argv[1:]
claims = {"attest": "A", "dest": {"tn": ["12025550177"]}, "iat": int(issued_at), "orig": {"tn": orig}, "origid": "o"}
print(identity(claims, url, key))
"#;

/// The Identity header of a call of `orig` to [`NUMBER`], signed with the key in this file.
pub fn identity(url: &str, key: &Path, orig: &str, issued_at: u64) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", &format!("{PASSPORT}{SIGN}"), url]).arg(key).args([orig, &issued_at.to_string()]);
    let output = command.output().expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text").trim().to_owned()
}

#[test]
fn what_python_and_openssl_signed_is_believed_for_its_call_alone() {
    let stage = Stage::new();
    write_wav(&stage.directory().join("sorry.wav"), MESSAGE_HZ, 1);
    let sti = Certificates::new(stage.directory(), "sti");
    let other = Certificates::new(stage.directory(), "other");
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let phone = stage.phone(0, &[Law::Mu]);
    let campaign = Campaign {
        mode: "manual",
        time_limit: "14s",
        inbound: INBOUND,
        sip_keys: "ladders_kept = \"1d\"\n".into(),
        trunk_keys: "identity_roots = \"sti-ca.pem\"\nidentity_certificates = [\"https://cert.example/shaken.pem \
                     sti-certificate.pem\", \"https://cert.example/other.pem other-certificate.pem\"]",
        ..Campaign::default()
    };
    let mut run = stage.run(&campaign);
    run.wait_until_started();
    let now = seconds();
    let digits = CALLER.trim_start_matches('+');
    let calls = [
        (identity(URL, &sti.key, digits, now), "passed_a"),
        (identity(URL, &sti.key, "12025550998", now), "failed_numbers"),
        (identity(URL, &sti.key, digits, now - 600), "failed_stale"),
        (identity(URL, &other.key, digits, now), "failed_signature"),
        (identity("https://cert.example/other.pem", &other.key, digits, now), "failed_untrusted"),
    ];
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for (identity, verdict) in &calls {
        let caller = stage.caller("caller_signed.xml", NUMBER, CALLER).word("IDENTITY", identity);
        caller.customer(&customer).start().finish(LONG);
        expected.push((*verdict, CALLER, "message"));
    }
    run.finish();
    let rows = inbound(&stage.report_directory());
    found.extend(rows.iter().map(|call| (call.get("identity"), call.get("caller"), call.get("outcome"))));
    assert_eq!(found, expected, "told, and none refused for it");
    for (call, (_, verdict)) in calls.iter().enumerate() {
        let mut trace = Command::new(carillon());
        trace.args(["trace", &(call + 1).to_string(), "--from"]).arg(stage.report_directory());
        let traced = trace.output().expect("carillon runs").stdout;
        let traced = String::from_utf8_lossy(&traced);
        let noted: Vec<&str> = traced.lines().filter(|line| line.contains("identity ")).collect();
        assert_eq!(noted.len(), 1, "at the INVITE alone: {traced}");
        assert!(
            noted[0].contains(" INVITE ") && noted[0].ends_with(&format!("identity {verdict}")),
            "{traced}"
        );
        assert!(!traced.contains("2025550"), "{traced}");
    }
    drop(phone);
}
