use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::id::CallId;
use crate::options::Secret;
use crate::passport::{Attestation, LocalKey, OnFailure, Sign};

#[derive(Debug)]
struct Stamp;

impl Sign for Stamp {
    fn sign(&self, _: &[u8]) -> Option<[u8; 64]> {
        Some([7; 64])
    }
}

fn claims(dest: &str) -> Claims {
    let (orig, origid) = ("15550100".to_owned(), "o".to_owned());
    Claims { attest: Attestation::B, orig, dest: dest.into(), issued_at: 1_000, origid }
}

fn passport(claims: &Claims) -> String {
    let key = LocalKey { key: Arc::new(Stamp), certificate_url: "https://cert.example/a".into() };
    key.identity(claims).expect("the stamp never fails")
}

fn good(claims: &Claims) -> String {
    format!(r#"{{"signingResponse":{{"identity":"{}"}}}}"#, passport(claims))
}

/// A service of a few lines: each answer in turn, on as many connections as it takes; what it was sent.
fn service(answers: Vec<(u16, String)>) -> (SocketAddr, Receiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for (connection, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            loop {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let length = head.to_ascii_lowercase();
                let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
                let Some(length) = length.and_then(|text| text.trim().parse().ok()) else { break };
                let mut body = vec![0; length];
                stream.read_exact(&mut body).expect("the body that was promised");
                let _ = sender.send((connection, head + &String::from_utf8_lossy(&body)));
                // Out of answers: silence.
                let Some((status, text)) = answers.next() else {
                    std::thread::sleep(Duration::from_secs(9));
                    return;
                };
                let length = text.len();
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{text}");
                stream.get_mut().write_all(answer.as_bytes()).expect("somebody listens");
            }
        }
    });
    (address, seen)
}

type Told = Receiver<(SignRequest, Result<String, SignFault>)>;

fn asked(at: SocketAddr, timeout: Duration) -> (SignerHandle, Told) {
    let (sender, told) = channel();
    let options = SigningService {
        url: format!("http://{at}/stir/v1/signing"),
        token: Secret::new("s3cret"),
        ca: None,
        timeout,
        on_failure: OnFailure::Refuse,
    };
    let tell = move |request, answer| drop(sender.send((request, answer)));
    (spawn([(3, options)].into(), Arc::new(tell)).expect("a thread"), told)
}

fn request(call: u64) -> SignRequest {
    SignRequest { call: CallId(call), trunk: 3, claims: claims("12025550100") }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn requests_are_written_as_the_standard_has_them_over_one_connection() {
    let right = good(&claims("12025550100"));
    let (at, seen) = service(vec![(200, right.clone()), (200, right)]);
    let (handle, told) = asked(at, LONG);
    for call in [1, 2] {
        assert!(handle.ask(request(call)));
        let expected = (request(call), Ok(passport(&claims("12025550100"))));
        assert_eq!(told.recv_timeout(LONG).expect("an answer"), expected);
        let (connection, text) = seen.recv_timeout(LONG).expect("a request");
        assert_eq!(connection, 0, "the connection is kept");
        assert!(text.starts_with("POST /stir/v1/signing HTTP/1.1\r\n"), "{text}");
        let lower = text.to_ascii_lowercase();
        for line in ["content-type: application/json\r\n", "authorization: bearer s3cret\r\n"] {
            assert!(lower.contains(line), "{line} in {text}");
        }
        let body = r#"{"signingRequest":{"attest":"B","dest":{"tn":["12025550100"]},"iat":1000,"orig":{"tn":"15550100"},"origid":"o"}}"#;
        assert!(text.ends_with(&format!("\r\n\r\n{body}")), "{text}");
    }
}

#[test]
fn what_it_was_not_asked_for_is_not_taken() {
    let refusal = r#"{"requestError":{"policyException":{"messageId":"POL4050","text":"no\nsuch number"}}}"#;
    let late = Claims { issued_at: 1_031, ..claims("12025550100") };
    let two = good(&claims("12025550100")).replace("ppt=shaken", "ppt=div");
    let long = " ".repeat(ANSWER_OCTETS_MAX + 1);
    let cases: Vec<(u16, String, SignFault)> = vec![
        (403, refusal.into(), SignFault::Refused { status: 403, text: "POL4050 nosuch number".into() }),
        (302, String::new(), SignFault::Refused { status: 302, text: "no reason".into() }),
        (200, "<html>".into(), SignFault::Answer("no JSON")),
        (200, r#"{"signingResponse":{"identity":7}}"#.into(), SignFault::Answer("no identity")),
        (200, two, SignFault::Answer("an identity that is no PASSporT of kind shaken")),
        (200, good(&claims("19005550100")), SignFault::Answer("a PASSporT for other numbers")),
        (200, good(&late), SignFault::Answer("a PASSporT of another time")),
        (200, long, SignFault::Answer("more than fits, or less than it promised")),
    ];
    let answers = cases.iter().map(|(status, text, _)| (*status, text.clone())).collect();
    let (handle, told) = { asked(service(answers).0, LONG) };
    for (_, text, fault) in cases {
        assert!(handle.ask(request(1)));
        let (_, answer) = told.recv_timeout(LONG).expect("an answer");
        assert_eq!(answer, Err(fault), "{text:.80}");
    }
}

#[test]
fn silence_and_absence_have_their_words() {
    let (at, _seen) = service(Vec::new());
    let (handle, told) = asked(at, Duration::from_millis(200));
    assert!(handle.ask(request(1)));
    assert_eq!(told.recv_timeout(LONG).expect("an answer").1, Err(SignFault::Timeout));
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let (handle, told) = asked(gone, LONG);
    assert!(handle.ask(request(1)));
    let (_, answer) = told.recv_timeout(LONG).expect("an answer");
    assert!(matches!(answer, Err(SignFault::Unreachable(_))), "{answer:?}");
}

#[test]
fn nothing_is_said_in_the_clear_beyond_this_machine() {
    for right in
        ["https://sti.example/sign", "http://127.0.0.1:9/sign", "http://[::1]/", "http://localhost:80/a?b=c"]
    {
        assert!(check_url(right).is_ok(), "{right}");
    }
    for wrong in [
        "",
        "sti.example",
        "http://sti.example/",
        "http://192.0.2.1/",
        "https://a:b@sti.example/",
        "file:///x",
    ] {
        assert!(check_url(wrong).is_err(), "{wrong}");
    }
}
