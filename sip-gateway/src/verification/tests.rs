use std::sync::Arc;

use super::*;
use crate::passport::{LocalKey, Sign, SignedBy, Signing};

#[derive(Debug)]
struct Stamp;

impl Sign for Stamp {
    fn sign(&self, _: &[u8]) -> Option<[u8; 64]> {
        Some([7; 64])
    }
}

const URL: &str = "https://cert.example.org/passport.cer";

fn identity() -> String {
    let key = LocalKey { key: Arc::new(Stamp), certificate_url: URL.into() };
    let signing = Signing {
        by: SignedBy::Key(key.clone()),
        attestation: Attestation::B,
        numbers: [].into(),
        origid: "123e4567-e89b-12d3-a456-426655440000".into(),
    };
    key.identity(&signing.claims("+12155551212", "+12355551212", 1_443_208_345).unwrap()).unwrap()
}

fn token(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signature = URL_SAFE_NO_PAD.encode([7; 64]);
    format!("{header}.{claims}.{signature};info=<{URL}>;alg=ES256;ppt=shaken")
}

fn header(alg: &str, ppt: &str, typ: &str) -> String {
    format!(r#"{{"alg":"{alg}","ppt":"{ppt}","typ":"{typ}","x5u":"{URL}"}}"#)
}

const CLAIMS: &str = r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"o"}"#;

#[test]
fn what_we_sign_is_read_as_it_was_meant() {
    let identity = identity();
    let read = Passport::read(identity.as_bytes()).unwrap().unwrap();
    assert_eq!(
        (read.attest, read.orig.as_str(), read.issued_at),
        (Attestation::B, "12155551212", 1_443_208_345)
    );
    assert_eq!((read.dest, read.url, read.signature), (vec!["12355551212".to_owned()], URL, [7; 64]));
    assert!(identity.starts_with(&format!("{}.", read.signed)) && read.signed.matches('.').count() == 1);
}

/// RFC 8224 §4: parameters in any order, names in any case, `alg` only where it is not ES256, quoted or not.
#[test]
fn parameters_are_read_however_they_are_written() {
    let good = token(&header("ES256", "shaken", "passport"), CLAIMS);
    let bare = good.split(';').next().unwrap();
    for parameters in [
        format!("info=<{URL}>;ppt=shaken"),
        format!("ppt=\"shaken\" ; alg=ES256; info=<{URL}>"),
        format!("INFO=<{URL}>;ALG=ES256;PPT=shaken;more=1;flag"),
    ] {
        let value = format!("{bare};{parameters}");
        assert!(matches!(Passport::read(value.as_bytes()), Ok(Some(_))), "{parameters}");
    }
    for other in [format!("info=<{URL}>"), format!("info=<{URL}>;ppt=div")] {
        assert_eq!(
            Passport::read(format!("{bare};{other}").as_bytes()),
            Ok(None),
            "another kind says nothing"
        );
    }
}

#[test]
fn what_contradicts_itself_is_worth_nothing() {
    let plain = header("ES256", "shaken", "passport");
    let good = token(&plain, CLAIMS);
    assert!(Passport::read(good.as_bytes()).is_ok());
    let compact = format!("..{}", good.rsplit_once('.').unwrap().1);
    for wrong in [
        String::new(),
        "a.b.c".into(),
        compact,
        token(&header("none", "shaken", "passport"), CLAIMS),
        token(&header("HS256", "shaken", "passport"), CLAIMS),
        token(&header("ES256", "div", "passport"), CLAIMS),
        token(&header("ES256", "shaken", "jwt"), CLAIMS),
        token(&plain.replace(URL, "https://other.example/"), CLAIMS),
        token("{}", CLAIMS),
        token(&plain, "{}"),
        token(&plain, &CLAIMS.replace("\"A\"", "\"D\"")),
        token(&plain, &CLAIMS.replace("1443208345", "-1")),
        token(&plain, &CLAIMS.replace("12155551212", "alice")),
        token(&plain, &CLAIMS.replace("[\"12155551213\"]", "\"12155551213\"")),
        token(&plain, &CLAIMS.replace("\"12155551213\"", &["\"1\""; DESTINATIONS_MAX + 1].join(","))),
        good.replace("alg=ES256", "alg=RS256"),
        good.replace(&format!("<{URL}>"), URL),
        good.replace(&URL_SAFE_NO_PAD.encode([7; 64]), &URL_SAFE_NO_PAD.encode([7; 63])),
        format!("{good};{}", "a".repeat(IDENTITY_OCTETS_MAX)),
    ] {
        assert_eq!(Passport::read(wrong.as_bytes()), Err(Fault::Header), "{wrong}");
    }
}

#[test]
fn each_verdict_has_a_word_of_its_own() {
    let faults =
        [Fault::Header, Fault::Stale, Fault::Numbers, Fault::Unknown, Fault::Untrusted, Fault::Signature];
    let mut words: Vec<&str> = faults.map(|fault| Verdict::Failed(fault).word()).to_vec();
    words.extend([Attestation::A, Attestation::B, Attestation::C].map(|it| Verdict::Passed(it).word()));
    words.push(Verdict::None.word());
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 10);
}
