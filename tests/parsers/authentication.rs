//! Digest challenges and the credentials that answer them (RFC 7616).

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use carillon_sip::auth::{Algorithm, Answer, Challenge, Challenger, Ha1, Verdict};
use carillon_sip::message::{HeaderName, Headers, Method, Request, Uri};
use carillon_sip::options::Secret;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];
const REQUEST_URI: &str = "sip:192.0.2.1";

/// Any value of an authentication header. As credentials it lets nobody in. As a challenge that can be answered, the answer
/// can be read: a server of that realm finds the password right, and only the nonce not its own.
pub fn digest(octets: &[u8]) {
    let password = Secret::new("open sesame");
    let source = IpAddr::from([192, 0, 2, 50]);
    let verdict = |realm: &str, credentials: &[u8]| {
        let mut challenger = Challenger::new(realm, [7; 32], &ALGORITHMS, true);
        let _ = challenger.challenges(source, false, Duration::ZERO);
        let ha1 = Ha1::of("anna", realm, &password);
        let request = request(credentials);
        let known = |user: &str, algorithm| ha1.get(algorithm).filter(|_| user == "anna").map(Cow::Borrowed);
        challenger.verify(&request, source, known, Duration::ZERO)
    };
    let entered = matches!(verdict("carillon", octets), Verdict::Accepted { .. });
    assert!(!entered, "let in without a password");

    let Some(challenge) = Challenge::parse(octets) else { return };
    let answer = challenge.authorization(&Answer {
        username: "anna",
        password: &password,
        method: "REGISTER",
        uri: REQUEST_URI,
        body: b"",
        nonce_count: 1,
        cnonce: "0a4f113b",
    });
    assert!(!answer.contains(['\r', '\n', '\0']), "an answer stays in its line: {answer:?}");
    if !challenge.is_session() {
        let verdict = verdict(challenge.realm(), answer.as_bytes());
        assert_eq!(verdict, Verdict::Challenge { stale: true }, "{answer}");
    }
}

fn request(credentials: &[u8]) -> Request {
    let uri = Uri::parse(REQUEST_URI).expect("a URI");
    let mut headers = Headers::default();
    headers.append(HeaderName::Authorization, credentials.to_vec());
    Request { headers, ..Request::new(Method::Register, uri) }
}
