use std::net::IpAddr;
use std::time::Duration;

use super::digest::{Inputs, Named, Protection, Quality, response};
use super::*;
use crate::message::{HeaderName, Method, Request, Uri};
use crate::options::Secret;

const NOW: Duration = Duration::from_secs(1_000);
const KEY: [u8; 32] = [3; 32];

fn mufasa(algorithm: &str) -> String {
    // RFC 7616 §3.9.1.
    format!(
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

fn answer_mufasa(algorithm: &str) -> String {
    let password = Secret::new("Circle of Life");
    Challenge::parse(mufasa(algorithm).as_bytes()).unwrap().authorization(&Answer {
        username: "Mufasa",
        password: &password,
        method: "GET",
        uri: "/dir/index.html",
        body: b"",
        nonce_count: 1,
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    })
}

#[test]
fn rfc_7616_example_with_sha_256() {
    let value = answer_mufasa("SHA-256");
    let response = "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"";
    assert!(value.contains(response), "{value}");
    assert!(value.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""), "{value}");
    assert!(value.contains(", qop=auth, nc=00000001, cnonce=\"f2/"), "{value}");
}

#[test]
fn rfc_7616_example_with_md5() {
    let value = answer_mufasa("MD5");
    assert!(value.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{value}");
}

#[test]
fn rfc_2617_example_and_its_form_without_qop() {
    let ha1 = Ha1::of("Mufasa", "testrealm@host.com", &Secret::new("Circle Of Life"));
    let mut inputs = Inputs {
        ha1: ha1.get(Algorithm::Md5).unwrap(),
        method: "GET",
        uri: "/dir/index.html",
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        body: b"",
        protection: Some(Protection { quality: Quality::Auth, count: "00000001", cnonce: "0a4f113b" }),
    };
    let md5 = Named { algorithm: Algorithm::Md5, session: false };
    assert_eq!(response(md5, &inputs), "6629fae49393a05397450978507c4ef1");
    inputs.protection = None;
    // RFC 2069 as corrected: H(H(A1):nonce:H(A2)).
    assert_eq!(response(md5, &inputs), "670fd8c2df070c60b045671b8b24ff02");
}

#[test]
fn quotes_in_names_stay_within_their_quotes() {
    let challenge = Challenge::parse(b"Digest realm=\"a \\\"b\\\"\", nonce=\"n\"").unwrap();
    let password = Secret::new("p");
    let value = challenge.authorization(&Answer {
        username: "x\", realm=\"y",
        password: &password,
        method: "INVITE",
        uri: "sip:a",
        body: b"",
        nonce_count: 1,
        cnonce: "c",
    });
    let fields = super::fields::Fields::parse(value.as_bytes()).unwrap();
    assert_eq!(fields.get("realm"), Some("a \\\"b\\\""));
    assert_eq!(fields.get("username"), Some("x\\\", realm=\\\"y"));
}

/// A registrar and a phone that speaks to it.
struct Scene {
    challenger: Challenger,
    ha1: Ha1,
    source: IpAddr,
}

const MD5: &[Algorithm] = &[Algorithm::Md5];
const ALL: &[Algorithm] = &[Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];

impl Scene {
    fn new(algorithms: &[Algorithm]) -> Self {
        let source = "192.0.2.5".parse().unwrap();
        let ha1 = Ha1::of("1001", "carillon", &Secret::new("pass"));
        Self { challenger: Challenger::new("carillon", KEY, algorithms, false), ha1, source }
    }

    fn challenge(&mut self, now: Duration) -> Challenge {
        let challenges = self.challenger.challenges(self.source, false, now);
        Challenge::parse(&challenges[0]).unwrap()
    }

    fn register(&self, challenge: &Challenge, username: &str, password: &str, nonce_count: u32) -> Request {
        let password = Secret::new(password);
        let mut request = Request::new(Method::Register, Uri::parse("sip:example.com").unwrap());
        let value = challenge.authorization(&Answer {
            username,
            password: &password,
            method: "REGISTER",
            uri: "sip:example.com",
            body: b"",
            nonce_count,
            cnonce: "abc",
        });
        request.headers.append(HeaderName::Authorization, value);
        request
    }

    fn verify(&mut self, request: &Request, now: Duration) -> Verdict {
        let Self { challenger, ha1, source } = self;
        let known = |user: &str, algorithm| {
            ha1.get(algorithm).filter(|_| user == "1001").map(std::borrow::Cow::Borrowed)
        };
        challenger.verify(request, *source, known, now)
    }
}

const ACCEPTED: fn() -> Verdict = || Verdict::Accepted { username: "1001".to_owned(), info: None };
const WRONG: Verdict = Verdict::Challenge { stale: false };
const STALE: Verdict = Verdict::Challenge { stale: true };

#[test]
fn the_right_password_is_accepted_with_each_algorithm() {
    for algorithms in [MD5, ALL] {
        let mut scene = Scene::new(algorithms);
        let challenges = scene.challenger.challenges(scene.source, false, NOW);
        assert_eq!(challenges.len(), algorithms.len());
        for (index, challenge) in challenges.iter().enumerate() {
            let challenge = Challenge::parse(challenge).unwrap();
            let count = u32::try_from(index).unwrap() + 1;
            let request = scene.register(&challenge, "1001", "pass", count);
            assert_eq!(scene.verify(&request, NOW), ACCEPTED(), "{challenge:?}");
        }
    }
}

#[test]
fn an_algorithm_is_refused_where_it_was_not_offered() {
    let mut scene = Scene::new(MD5);
    let mut challenge = scene.challenge(NOW);
    for (algorithm, session) in [(Algorithm::Sha256, false), (Algorithm::Md5, true)] {
        challenge.named = Named { algorithm, session };
        let request = scene.register(&challenge, "1001", "pass", 1);
        assert_eq!(scene.verify(&request, NOW), WRONG, "{algorithm:?} {session}");
    }
    // A user of whom only another algorithm's hash is known is like one who is not known.
    let mut scene = Scene::new(ALL);
    let challenge = scene.challenge(NOW);
    assert_eq!(challenge.named.algorithm, Algorithm::Sha512_256, "the most preferred first");
    scene.ha1 = Ha1::default();
    assert!(scene.ha1.set(Algorithm::Md5, &"0".repeat(32)));
    let request = scene.register(&challenge, "1001", "pass", 1);
    assert_eq!(scene.verify(&request, NOW), WRONG);
}

#[test]
fn a_phone_without_qop_gets_one_request_per_nonce() {
    let mut scene = Scene::new(MD5);
    let mut challenge = scene.challenge(NOW);
    challenge.quality = None;
    let request = scene.register(&challenge, "1001", "pass", 1);
    assert_eq!(scene.verify(&request, NOW), ACCEPTED());
    assert_eq!(scene.verify(&request, NOW), STALE);
}

#[test]
fn wrong_and_unknown_are_answered_alike() {
    let mut scene = Scene::new(ALL);
    let challenge = scene.challenge(NOW);
    for (user, password) in [("1001", "guess"), ("nobody", "guess"), ("nobody", "pass")] {
        let request = scene.register(&challenge, user, password, 1);
        assert_eq!(scene.verify(&request, NOW), WRONG, "{user}");
    }
    // The stand-in password opens nothing either.
    let stand_in = super::digest::to_hex(&KEY);
    let request = scene.register(&challenge, "nobody", &stand_in, 1);
    assert_eq!(scene.verify(&request, NOW), WRONG);
    assert_eq!(
        scene.verify(&Request::new(Method::Register, Uri::parse("sip:example.com").unwrap()), NOW),
        WRONG
    );
}

#[test]
fn an_old_foreign_or_replayed_nonce_is_stale() {
    let mut scene = Scene::new(MD5);
    let challenge = scene.challenge(NOW);
    let first = scene.register(&challenge, "1001", "pass", 1);
    let second = scene.register(&challenge, "1001", "pass", 2);
    assert_eq!(scene.verify(&first, NOW), ACCEPTED());
    assert_eq!(scene.verify(&first, NOW), STALE, "replayed");
    assert_eq!(scene.verify(&second, NOW), ACCEPTED());
    let third = scene.register(&challenge, "1001", "pass", 3);
    assert_eq!(scene.verify(&third, NOW + NONCE_LIFETIME + Duration::from_secs(1)), STALE, "old");
    scene.source = "192.0.2.6".parse().unwrap();
    assert_eq!(scene.verify(&third, NOW), STALE, "another source");
    let made_up = Challenge::parse(b"Digest realm=\"carillon\", nonce=\"0\", qop=\"auth\"").unwrap();
    let request = scene.register(&made_up, "1001", "pass", 1);
    assert_eq!(scene.verify(&request, NOW), STALE, "made up");
    let request = scene.register(&made_up, "1001", "guess", 1);
    assert_eq!(scene.verify(&request, NOW), WRONG, "stale never confirms a wrong password");
}

// RFC 7616 §3.5.
#[test]
fn a_nonce_near_its_end_is_told_its_successor() {
    let mut scene = Scene::new(MD5);
    let challenge = scene.challenge(NOW);
    let first = scene.register(&challenge, "1001", "pass", 1);
    assert_eq!(scene.verify(&first, NOW + NEXT_AFTER), ACCEPTED(), "in its prime");
    let later = NOW + NEXT_AFTER + Duration::from_millis(1);
    let second = scene.register(&challenge, "1001", "pass", 2);
    let Verdict::Accepted { info: Some(info), .. } = scene.verify(&second, later) else { panic!("no info") };
    let fields = super::fields::Fields::parse_bare(info.as_bytes()).unwrap();
    // H(H(A1):nonce:nc:cnonce:qop:H(:uri)) says that we know the password as well.
    let hash = |text: &str| super::digest::to_hex(&<md5::Md5 as sha2::Digest>::digest(text.as_bytes()));
    let (ha1, nonce) = (hash("1001:carillon:pass"), challenge.renewed("x"));
    assert_ne!(nonce, challenge);
    let asked = scene.register(&challenge, "1001", "pass", 2);
    let value = asked.headers.text(HeaderName::Authorization).unwrap();
    let nonce = value.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let proof = hash(&format!("{ha1}:{nonce}:00000002:abc:auth:{}", hash(":sip:example.com")));
    assert_eq!((fields.get("rspauth"), fields.get("nc")), (Some(proof.as_str()), Some("00000002")));
    // The old one goes on until its own end: two phones of one user may share neither.
    let fourth = scene.register(&challenge, "1001", "pass", 3);
    assert!(matches!(scene.verify(&fourth, NOW + NONCE_LIFETIME), Verdict::Accepted { info: Some(_), .. }));
    let next = challenge.renewed(fields.get("nextnonce").unwrap());
    let third = scene.register(&next, "1001", "pass", 1);
    assert_eq!(scene.verify(&third, NOW + NONCE_LIFETIME + Duration::from_secs(60)), ACCEPTED());
}

// RFC 7616 §3.4.3: auth-int protects the body.
#[test]
fn a_body_is_protected_where_that_was_offered() {
    let mut scene = Scene::new(ALL);
    let source = scene.source;
    scene.challenger = Challenger::new("carillon", KEY, ALL, true);
    let offers = scene.challenger.challenges(source, false, NOW);
    let mut counts = 1..;
    for offer in &offers {
        let text = std::str::from_utf8(offer).unwrap();
        assert!(text.contains("qop=\"auth,auth-int\""), "{text}");
        assert_eq!(Challenge::parse(offer).unwrap().quality, Some(Quality::Auth), "the cheaper one of both");
        let only = text.replace("auth,auth-int", "auth-int");
        let challenge = Challenge::parse(only.as_bytes()).unwrap();
        let value = challenge.authorization(&Answer {
            username: "1001",
            password: &Secret::new("pass"),
            method: "REGISTER",
            uri: "sip:example.com",
            body: b"the body",
            nonce_count: counts.next().unwrap(),
            cnonce: "abc",
        });
        assert!(value.contains("qop=auth-int"), "{value}");
        let mut request = Request::new(Method::Register, Uri::parse("sip:example.com").unwrap());
        request.headers.append(HeaderName::Authorization, value);
        request.body = "another body".into();
        assert_eq!(scene.verify(&request, NOW), WRONG);
        request.body = "the body".into();
        assert_eq!(scene.verify(&request, NOW), ACCEPTED());
        // Nobody takes it who has not offered it.
        let mut plain = Scene::new(ALL);
        assert_eq!(plain.verify(&request, NOW), WRONG);
    }
    // RFC 2617 §3.2.2.3 by hand: MD5("REGISTER:sip:example.com:" MD5("the body")).
    let md5 = Named { algorithm: Algorithm::Md5, session: false };
    let hash = |text: &str| super::digest::to_hex(&<md5::Md5 as sha2::Digest>::digest(text.as_bytes()));
    let a2 = hash(&format!("REGISTER:sip:example.com:{}", hash("the body")));
    let protection = Some(Protection { quality: Quality::AuthInt, count: "00000001", cnonce: "abc" });
    let (ha1, nonce) = ("0123", "n");
    let inputs =
        Inputs { ha1, method: "REGISTER", uri: "sip:example.com", nonce, body: b"the body", protection };
    assert_eq!(response(md5, &inputs), hash(&format!("0123:n:00000001:abc:auth-int:{a2}")));
}

// RFC 7616 §3.4.6: the digest is of the URI as it was written, whatever else would mean the same.
#[test]
fn the_digest_is_of_the_uri_as_written() {
    let mut scene = Scene::new(MD5);
    let challenge = scene.challenge(NOW);
    for (count, (request_uri, signed, verdict)) in [
        ("sip:a%62c@example.com;x=%41", "sip:a%62c@example.com;x=%41", ACCEPTED()),
        ("sip:a%62c@example.com", "sip:abc@example.com", ACCEPTED()),
        ("sip:abc@EXAMPLE.com", "sip:%61%62%63@example.com", ACCEPTED()),
        ("sip:a%20c@example.com", "sip:abc@example.com", Verdict::Malformed),
        ("sip:abc@example.com", "sip:ABC@example.com", Verdict::Malformed),
    ]
    .into_iter()
    .enumerate()
    {
        let value = challenge.authorization(&Answer {
            username: "1001",
            password: &Secret::new("pass"),
            method: "REGISTER",
            uri: signed,
            body: b"",
            nonce_count: u32::try_from(count).unwrap() + 1,
            cnonce: "abc",
        });
        assert!(value.contains(&format!("uri=\"{signed}\"")), "{value}");
        let mut request = Request::new(Method::Register, Uri::parse(request_uri).unwrap());
        request.headers.append(HeaderName::Authorization, value.clone());
        assert_eq!(scene.verify(&request, NOW), verdict, "{request_uri} {signed}");
        // Another spelling under the same digest is no longer what was signed.
        if signed.contains('%') {
            let respelt = value.replace(signed, "sip:abc@example.com");
            request.headers.set(HeaderName::Authorization, respelt);
            assert_eq!(scene.verify(&request, NOW), WRONG);
        }
    }
}

#[test]
fn stale_is_said_to_the_phone() {
    let mut scene = Scene::new(MD5);
    let value = scene.challenger.challenges(scene.source, true, NOW);
    assert!(Challenge::parse(&value[0]).unwrap().stale);
    assert!(!scene.challenge(NOW).stale);
}

#[test]
fn credentials_for_another_uri_method_or_realm_are_not_taken() {
    let mut scene = Scene::new(MD5);
    let challenge = scene.challenge(NOW);
    let mut request = scene.register(&challenge, "1001", "pass", 1);
    request.uri = Uri::parse("sip:other.example.com").unwrap();
    assert_eq!(scene.verify(&request, NOW), Verdict::Malformed);
    request.uri = Uri::parse("SIP:EXAMPLE.com").unwrap();
    request.method = Method::Invite;
    assert_eq!(scene.verify(&request, NOW), WRONG);
    request.method = Method::Register;
    assert_eq!(scene.verify(&request, NOW), ACCEPTED());
    let foreign = Challenge::parse(b"Digest realm=\"elsewhere\", nonce=\"n\", qop=\"auth\"").unwrap();
    let request = scene.register(&foreign, "1001", "pass", 1);
    assert_eq!(scene.verify(&request, NOW), WRONG);
}

#[test]
fn unknown_schemes_beside_ours_are_skipped() {
    let mut scene = Scene::new(MD5);
    let challenge = scene.challenge(NOW);
    let mut request = scene.register(&challenge, "1001", "pass", 1);
    request.headers.push_front(HeaderName::Authorization, "NoOneKnowsThisScheme opaque-data=here");
    assert_eq!(scene.verify(&request, NOW), ACCEPTED());
}

proptest::proptest! {
    #[test]
    fn an_independent_implementation_computes_the_same(
        username in "[a-z0-9]{1,10}",
        password in "[ -~]{0,16}",
        realm in "[a-z. ]{1,12}",
        nonce in "[0-9a-f]{1,40}",
        cnonce in "[0-9a-f]{1,16}",
        sha256: bool,
        qop: bool,
    ) {
        use rsip::headers::auth::{Algorithm as Theirs, AuthQop};
        let (name, theirs) = if sha256 { ("SHA-256", Theirs::Sha256) } else { ("MD5", Theirs::Md5) };
        let qop_field = if qop { ", qop=\"auth\"" } else { "" };
        let challenge = format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}{qop_field}");
        let value = Challenge::parse(challenge.as_bytes()).unwrap().authorization(&Answer {
            username: &username,
            password: &Secret::new(password.clone()),
            method: "REGISTER",
            uri: "sip:example.com",
            body: b"",
            nonce_count: 1,
            cnonce: &cnonce,
        });
        let uri = rsip::Uri::try_from("sip:example.com").unwrap();
        let protection = AuthQop::Auth { cnonce: cnonce.clone(), nc: 1 };
        let expected = rsip::services::DigestGenerator {
            username: &username,
            password: &password,
            nonce: &nonce,
            uri: &uri,
            realm: &realm,
            method: &rsip::Method::Register,
            qop: qop.then_some(&protection),
            algorithm: theirs,
        };
        let fields = super::fields::Fields::parse(value.as_bytes()).unwrap();
        proptest::prop_assert!(expected.verify(fields.get("response").unwrap()));
    }

    #[test]
    fn any_authorization_is_checked_without_panic(value in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let mut scene = Scene::new(ALL);
        let mut request = Request::new(Method::Register, Uri::parse("sip:example.com").unwrap());
        let mut text = b"Digest realm=\"carillon\", ".to_vec();
        text.extend_from_slice(&value);
        request.headers.append(HeaderName::Authorization, text);
        proptest::prop_assert_eq!(scene.verify(&request, NOW), WRONG);
        let _ = Challenge::parse(&value);
    }
}
