//! Who calls, signed (STIR/SHAKEN): SIPp takes the INVITE, OpenSSL judges the signature.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use super::check::check;
use super::rig::campaign::Campaign;
use super::rig::certificates::Certificates;
use super::rig::{LONG, Stage};

const KEYS: &str = r#"identity_key = "shaken.key"
identity_certificate = "shaken.crt"
identity_url = "https://cert.example/shaken.crt"
identity_origid = "123e4567-e89b-12d3-a456-426655440000"
attestation = "B"
attestations = ["+15550000001 A"]"#;

const NEW_KEY: [&str; 9] =
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
const KEY_FILES: [&str; 6] = ["-keyout", "shaken.key", "-out", "shaken.crt", "-subj", "/CN=shaken"];

pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

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

/// What an INVITE from this number says of who calls, judged by OpenSSL and the certificate in `shaken.crt`; its attestation.
fn judged(directory: &Path, messages: &str, began: u64, number: &str) -> String {
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
    assert_eq!(claims_say["orig"]["tn"], number);
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
    claims_say["attest"].as_str().expect("a text").to_owned()
}

#[test]
fn an_invite_says_who_calls_and_openssl_believes_it() {
    let stage = Stage::new();
    let directory = stage.directory();
    openssl(directory, &[&NEW_KEY[..], &KEY_FILES].concat());
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let began = seconds();
    let report = stage.run(&Campaign { trunk_keys: KEYS, ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "busy");

    let messages = carrier.messages();
    assert_eq!(judged(directory, &messages, began, "15550000001"), "A", "that of its number");
}

/// Python that makes Identity headers; `openssl` signs.
pub const PASSPORT: &str = r#"
import base64, json, subprocess

def letters(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

def identity(claims, url, key):
    header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": url}
    written = [json.dumps(part, separators=(",", ":"), sort_keys=True).encode() for part in (header, claims)]
    token = ".".join(letters(part) for part in written)
    sign = ["openssl", "dgst", "-sha256", "-sign", key]
    der = subprocess.run(sign, input=token.encode(), stdout=subprocess.PIPE, check=True).stdout
    first = der[4:4 + der[3]]
    second = der[6 + der[3]:]
    plain = b"".join(half.lstrip(b"\0").rjust(32, b"\0") for half in (first, second))
    return f"{token}.{letters(plain)};info=<{url}>;alg=ES256;ppt=shaken"
"#;

/// A service of an hour's patience that signs with them: Python serves HTTPS.
const SERVICE: &str = r#"
import http.server, ssl, sys

class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer a-token" or self.path != "/stir/v1/signing":
            return self.answer(401, {"requestError": {"policyException": {"messageId": "POL4010", "text": "who are you"}}})
        value = identity(asked["signingRequest"], "https://cert.example/shaken.crt", "shaken.key")
        self.answer(200, {"signingResponse": {"identity": value}})

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The service, ended with the test.
struct Service {
    process: Child,
    port: u16,
    ca: PathBuf,
}

impl Service {
    fn start(directory: &Path) -> Service {
        let certificates = Certificates::new(directory, "sti");
        let mut command = Command::new("python3");
        command.current_dir(directory).args(["-c", &format!("{PASSPORT}{SERVICE}")]);
        command.arg(&certificates.both).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 is there");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says its port");
        Service { port: line.trim().parse().expect("a port"), process, ca: certificates.ca }
    }

    fn keys(&self, more: &str) -> &'static str {
        self.keys_with("token", more)
    }

    /// Keys of a trunk that has the token of this file.
    fn keys_with(&self, token_file: &str, more: &str) -> &'static str {
        let (port, ca) = (self.port, self.ca.display());
        let keys = format!(
            r#"identity_service = "https://127.0.0.1:{port}/stir/v1/signing"
identity_service_token_file = "{token_file}"
identity_service_ca = "{ca}"
identity_origid = "123e4567-e89b-12d3-a456-426655440000"
attestation = "C"
attestations = ["+15550000001 B"]
{more}"#
        );
        keys.leak()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_service_signs_over_https_and_openssl_believes_it() {
    let stage = Stage::new();
    let directory = stage.directory();
    openssl(directory, &[&NEW_KEY[..], &KEY_FILES].concat());
    let service = Service::start(directory);
    fs::write(directory.join("token"), "a-token\n").expect("the test's directory can be written");
    let began = seconds();
    let mut carrier = stage.carrier("carrier_busy.xml").start();
    let report =
        stage.run(&Campaign { trunk_keys: service.keys(""), ..Campaign::with_sipp_agent() }).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "busy");
    assert_eq!(judged(directory, &carrier.messages(), began, "15550000001"), "B");
}

#[test]
fn a_trunk_check_asks_the_service_and_tells_what_it_said() {
    let stage = Stage::new();
    let directory = stage.directory();
    openssl(directory, &[&NEW_KEY[..], &KEY_FILES].concat());
    let service = Service::start(directory);
    let mut carrier = stage.carrier("carrier_options.xml").start();
    fs::write(directory.join("token"), "a-token").expect("the test's directory can be written");
    stage.write(&Campaign { trunk_keys: service.keys(""), ..Campaign::with_sipp_agent() });
    let (status, said, error) = check(&stage, &[]);
    carrier.finish(LONG);
    assert_eq!(status, 0, "{said}{error}");
    assert!(said.contains("ok    identity  signed by https://127.0.0.1:"), "{said}");
    assert!(said.contains("attestation B"), "{said}");
    fs::write(directory.join("token"), "another").expect("the test's directory can be written");
    let (status, said, _) = check(&stage, &[]);
    assert_eq!(status, 3);
    assert!(said.contains("refused with 401: POL4010 who are you"), "{said}");
}

#[test]
fn a_service_that_refuses_keeps_calls_back_or_lets_them_go_unsigned() {
    for (more, outcome) in [("", "cancelled"), (r#"identity_on_failure = "send_unsigned""#, "busy")] {
        let stage = Stage::new();
        let directory = stage.directory();
        openssl(directory, &[&NEW_KEY[..], &KEY_FILES].concat());
        let service = Service::start(directory);
        fs::write(directory.join("token"), "another").expect("the test's directory can be written");
        let carrier = (outcome == "busy").then(|| stage.carrier("carrier_busy.xml").start());
        let mut run = stage.run(&Campaign { trunk_keys: service.keys(more), ..Campaign::with_sipp_agent() });
        let report = run.finish();
        let attempt = report.only_attempt();
        assert_eq!(attempt.get("outcome"), outcome, "{more}");
        match carrier {
            None => assert_eq!((attempt.get("reason"), attempt.get("attribution")), ("unsigned", "us")),
            Some(mut carrier) => {
                carrier.finish(LONG);
                let messages = carrier.messages();
                assert!(messages.contains("INVITE sip:") && !messages.contains("Identity:"), "{messages}");
            }
        }
    }
}

#[test]
fn a_call_that_is_not_signed_for_one_trunk_goes_out_signed_on_the_next() {
    let stage = Stage::new();
    let directory = stage.directory();
    openssl(directory, &[&NEW_KEY[..], &KEY_FILES].concat());
    let service = Service::start(directory);
    for (file, token) in [("unknown", "another"), ("token", "a-token")] {
        fs::write(directory.join(file), token).expect("the test's directory can be written");
    }
    let began = seconds();
    let refused = stage.carrier("carrier_answer.xml").start();
    let mut other = stage.other_carrier("carrier_busy.xml").start();
    let campaign = Campaign {
        trunk_keys: service.keys_with("unknown", ""),
        other_trunk: true,
        other_keys: service.keys(""),
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    other.finish(LONG);
    let attempt = report.only_attempt();
    let told = ["trunk", "caller_id", "outcome"].map(|column| attempt.get(column));
    assert_eq!(told, ["other", "+15550000002", "busy"]);
    assert_eq!((report.count("placed"), report.tasks[0].get("attempts")), (1, "1"));
    assert_eq!(refused.received("INVITE").len(), 0, "nothing was sent there");
    assert_eq!(judged(directory, &other.messages(), began, "15550000002"), "C");
}
