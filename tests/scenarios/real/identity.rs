//! Who calls, signed (STIR/SHAKEN): SIPp takes the INVITE, OpenSSL judges the signature.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::rig::campaign::Campaign;
use super::rig::{LONG, Stage};

const KEYS: &str = r#"identity_key = "shaken.key"
identity_certificate = "shaken.crt"
identity_url = "https://cert.example/shaken.crt"
identity_origid = "123e4567-e89b-12d3-a456-426655440000"
attestation = "B"
attestations = ["+15550000001 A"]"#;

fn openssl(directory: &Path, line: &[&str]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    let output = command.current_dir(directory).args(line).output().expect("openssl is there");
    assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What is written in the letters of RFC 4648 §5, without fill.
fn decoded(directory: &Path, text: &str) -> Vec<u8> {
    let mut text = text.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    fs::write(directory.join("part.b64"), text).expect("the test's directory can be written");
    openssl(directory, &["base64", "-d", "-A", "-in", "part.b64"])
}

/// A signature of two whole numbers as OpenSSL reads it (ASN.1).
fn asn1(signature: &[u8]) -> Vec<u8> {
    let number = |half: &[u8]| {
        let digits: Vec<u8> = half.iter().copied().skip_while(|octet| *octet == 0).collect();
        let sign = digits.first().is_none_or(|first| *first >= 0x80);
        let body = [vec![0; usize::from(sign)], digits].concat();
        [vec![2, u8::try_from(body.len()).expect("short")], body].concat()
    };
    let body = [number(&signature[..32]), number(&signature[32..])].concat();
    [vec![0x30, u8::try_from(body.len()).expect("short")], body].concat()
}

#[test]
fn an_invite_says_who_calls_and_openssl_believes_it() {
    let stage = Stage::new();
    let directory = stage.directory();
    let new =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let files = ["-keyout", "shaken.key", "-out", "shaken.crt", "-subj", "/CN=shaken"];
    openssl(directory, &[&new[..], &files].concat());
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let began =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let report = stage.run(&Campaign { trunk_keys: KEYS, ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "busy");

    let messages = carrier.messages();
    let line =
        |name: &str| messages.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let identity = line("Identity: ");
    let (token, parameters) = identity.split_once(';').expect("a token and its parameters");
    assert_eq!(parameters, "info=<https://cert.example/shaken.crt>;alg=ES256;ppt=shaken");
    assert!(line("Date: ").ends_with(" GMT"), "{messages}");
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let json = |part: &str| -> BTreeMap<String, serde_json::Value> {
        serde_json::from_slice(&decoded(directory, part)).expect("JSON")
    };
    let header_says = json(header);
    for (name, value) in
        [("alg", "ES256"), ("ppt", "shaken"), ("typ", "passport"), ("x5u", "https://cert.example/shaken.crt")]
    {
        assert_eq!(header_says[name], value);
    }
    let claims_say = json(claims);
    assert_eq!(claims_say["attest"], "A", "that of its number");
    assert_eq!(claims_say["orig"]["tn"], "15550000001");
    assert_eq!(claims_say["dest"]["tn"][0], "12025550100");
    assert_eq!(claims_say["origid"], "123e4567-e89b-12d3-a456-426655440000");
    let issued = claims_say["iat"].as_u64().expect("a time");
    assert!((began..began + 60).contains(&issued), "{issued} is not just after {began}");

    // The public key of the certificate, and nothing else of ours.
    let public = openssl(directory, &["x509", "-in", "shaken.crt", "-noout", "-pubkey"]);
    fs::write(directory.join("public.pem"), public).expect("the test's directory can be written");
    fs::write(directory.join("signature"), asn1(&decoded(directory, signature))).expect("it can be written");
    let verify = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"];
    fs::write(directory.join("signed"), format!("{header}.{claims}")).expect("it can be written");
    assert_eq!(openssl(directory, &verify), b"Verified OK\n");
    fs::write(directory.join("signed"), format!("{header}.{claims}x")).expect("it can be written");
    let other =
        Command::new("openssl").current_dir(directory).args(verify).output().expect("openssl is there");
    assert!(!other.status.success(), "of any other text it is wrong");
}
