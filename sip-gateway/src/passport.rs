//! Who calls, signed (STIR/SHAKEN): the Identity header of an INVITE (RFC 8224) with a PASSporT (RFC 8225) of the kind that
//! telephone networks exchange (RFC 8588).
//!
//! Pure: the key is somewhere else and signs behind [`Sign`], or a service has it and is asked for each call.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::CallId;
use crate::options::Secret;

/// Longest Identity header that is taken from a service, in octets.
pub const IDENTITY_OCTETS_MAX: usize = 4_096;

/// Signs with ES256 (RFC 7518 §3.4): ECDSA over P-256 and SHA-256.
pub trait Sign: Debug + Send + Sync {
    /// The signature of a text, its two halves one after the other; `None` where it can't be made.
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]>;
}

/// What whoever signs knows of the caller's right to the number (RFC 8588 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attestation {
    /// Full: a customer that is known and may use the number.
    A,
    /// Partial: a customer that is known; not known whether it may use the number.
    B,
    /// Gateway: neither is known.
    #[default]
    C,
}

impl Attestation {
    /// `A`, `B` or `C`.
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "A" => Some(Self::A),
            "B" => Some(Self::B),
            "C" => Some(Self::C),
            _ => None,
        }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        })
    }
}

/// How the INVITEs of a trunk are signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Who signs.
    pub by: SignedBy,
    /// For numbers that [`Signing::numbers`] does not have.
    pub attestation: Attestation,
    /// By number, without `+`.
    pub numbers: BTreeMap<String, Attestation>,
    /// Names us to those who trace a call back (RFC 8588 §5): the same for all calls of the trunk.
    pub origid: String,
}

/// Who has the key.
#[derive(Clone, Debug)]
pub enum SignedBy {
    /// We have.
    Key(LocalKey),
    /// A service of somebody else.
    Service(SigningService),
}

/// A key of ours.
#[derive(Clone, Debug)]
pub struct LocalKey {
    /// The key.
    pub key: Arc<dyn Sign>,
    /// Where others find the certificate of the key.
    pub certificate_url: String,
}

/// A service that signs over HTTP as ATIS-1000082 has it (STI-AS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningService {
    /// Where requests go: `https://host[:port]/path`, or `http://` on this machine alone.
    pub url: String,
    /// What it knows us by (RFC 6750 §2.1); empty: nothing.
    pub token: Secret,
    /// Certificates of the authorities that may have signed its own; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// Longest wait for its answer.
    pub timeout: Duration,
    /// What becomes of a call that it does not sign.
    pub on_failure: OnFailure,
}

/// What becomes of a call that a service does not sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is not made.
    #[default]
    Refuse,
    /// It goes out without Identity.
    SendUnsigned,
}

/// What is said of a call (RFC 8588 §5), all of it as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The caller's right to the number.
    pub attest: Attestation,
    /// Canonical: digits alone.
    pub orig: String,
    /// Canonical: digits alone.
    pub dest: String,
    /// In seconds since 1970.
    pub issued_at: i64,
    /// Names us to those who trace a call back.
    pub origid: String,
}

/// A call waits for a service's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// The call.
    pub call: CallId,
    /// The trunk whose service is asked, by its place in the options.
    pub trunk: usize,
    /// What is to be signed.
    pub claims: Claims,
}

/// Why a service did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// There was nothing that could be signed: no number, or no time of day.
    #[error("the numbers or the time of the call can't be signed")]
    Claims,
    /// Too many requests wait.
    #[error("too many requests wait")]
    Busy,
    /// No whole answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It can't be reached, or its certificate is not believed.
    #[error("can't be reached: {0}")]
    Unreachable(String),
    /// It said no.
    #[error("refused with {status}: {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said, cut short.
        text: String,
    },
    /// It said something else than what it was asked for.
    #[error("answered something else: {0}")]
    Answer(&'static str),
}

impl Signing {
    /// What is said of a call from one number to another at this time, in seconds since 1970; `None` where one of them is no
    /// number.
    pub fn claims(&self, from: &str, to: &str, issued_at: i64) -> Option<Claims> {
        let (orig, dest) = (canonical(from)?, canonical(to)?);
        let attest = self.numbers.get(&orig).copied().unwrap_or(self.attestation);
        Some(Claims { attest, orig, dest, issued_at, origid: self.origid.clone() })
    }
}

impl LocalKey {
    /// The value of the Identity header with these claims; `None` where the key fails.
    pub fn identity(&self, claims: &Claims) -> Option<String> {
        let url = quoted(&self.certificate_url);
        // RFC 8225 §9: the names in the order of their letters, nothing between them.
        let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":{url}}}"#);
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.json(), &mut token);
        let signature = self.key.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        // RFC 8224 §4.
        Some(format!("{token};info=<{}>;alg=ES256;ppt=shaken", self.certificate_url))
    }
}

impl Claims {
    /// RFC 8225 §9: the names in the order of their letters, nothing between them.
    pub fn json(&self) -> String {
        let Self { attest, orig, dest, issued_at, origid } = self;
        let origid = quoted(origid);
        format!(
            r#"{{"attest":"{attest}","dest":{{"tn":["{dest}"]}},"iat":{issued_at},"orig":{{"tn":"{orig}"}},"origid":{origid}}}"#
        )
    }
}

/// Whether this may stand in an Identity header: a full PASSporT of three parts and its parameters, `shaken` among them (RFC 8224 §4,
/// RFC 8588 §8), nothing that ends a header. What its claims say is not looked at.
pub fn is_identity(value: &str) -> bool {
    let Some((token, parameters)) = value.split_once(';') else { return false };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let parts: Vec<&str> = token.split('.').collect();
    let whole = parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(letter));
    let mut parameters = parameters.split(';');
    let says =
        |wanted: &[&str]| parameters.clone().any(|it| wanted.iter().any(|one| it.eq_ignore_ascii_case(one)));
    let info = |text: &str| {
        let url = text.strip_prefix("info=<").and_then(|rest| rest.strip_suffix('>'));
        url.is_some_and(is_certificate_url)
    };
    value.len() <= IDENTITY_OCTETS_MAX
        && whole
        && value.bytes().all(|byte| byte.is_ascii_graphic())
        && says(&["ppt=shaken", "ppt=\"shaken\""])
        && parameters.any(info)
}

/// The claims' text of a PASSporT; `None` where it is none. Not checked.
pub fn claims_text(identity: &str) -> Option<Vec<u8>> {
    let token = identity.split(';').next()?;
    URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()
}

/// RFC 8224 §8.3: digits alone, at least one and at most fifteen (E.164).
pub fn canonical(number: &str) -> Option<String> {
    let digits: String =
        number.chars().filter(|letter| !matches!(letter, '+' | '-' | '.' | ' ' | '(' | ')')).collect();
    let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(digits)
}

/// Whether this may be where a certificate is: an `https` address without anything that ends a header's parameter.
pub fn is_certificate_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://")).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\');
    url.len() <= 500 && !rest.is_empty() && rest.bytes().all(plain)
}

/// RFC 3261 §20.17 (RFC 1123 §5.2.14): a time in seconds since 1970 as the Date header has it.
pub fn date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let weekday = DAYS.get(usize::try_from(days.rem_euclid(7)).unwrap_or(0)).copied().unwrap_or_default();
    let (mut year, mut left) = (1970_i64, days.max(0));
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |year: i64| if leap(year) { 366 } else { 365 };
    // Ends: every round takes a year away.
    while left >= length(year) {
        left -= length(year);
        year += 1;
    }
    let mut month = 0;
    let of_month = |month: usize| match month {
        1 => {
            if leap(year) {
                29
            } else {
                28
            }
        }
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    while left >= of_month(month) && month < 11 {
        left -= of_month(month);
        month += 1;
    }
    let name = MONTHS.get(month).copied().unwrap_or_default();
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT", left + 1)
}

/// A JSON text (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => {
                // A text takes whatever is written to it.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Stamp;

    impl Sign for Stamp {
        fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
            assert!(text.iter().filter(|byte| **byte == b'.').count() == 1);
            Some([7; 64])
        }
    }

    fn signing() -> Signing {
        let certificate_url = "https://cert.example.org/passport.cer".into();
        Signing {
            by: SignedBy::Key(LocalKey { key: Arc::new(Stamp), certificate_url }),
            attestation: Attestation::B,
            numbers: [("12155551212".to_owned(), Attestation::A)].into(),
            origid: "123e4567-e89b-12d3-a456-426655440000".into(),
        }
    }

    fn identity(from: &str, to: &str, issued_at: i64) -> Option<String> {
        let signing = signing();
        let SignedBy::Key(key) = &signing.by else { unreachable!() };
        key.identity(&signing.claims(from, to, issued_at)?)
    }

    fn parts(identity: &str) -> (String, String, Vec<u8>) {
        let token = identity.split(';').next().unwrap();
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let text = |part: usize| String::from_utf8(parts[part].clone()).unwrap();
        (text(0), text(1), parts[2].clone())
    }

    /// RFC 8588 §3 has this header and these claims.
    #[test]
    fn a_token_is_written_as_the_rfc_has_it() {
        let identity = identity("+1 (215) 555-1212", "+12355551212", 1_443_208_345).unwrap();
        assert!(identity.ends_with(";info=<https://cert.example.org/passport.cer>;alg=ES256;ppt=shaken"));
        let (header, claims, signature) = parts(&identity);
        assert_eq!(
            header,
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        assert_eq!(
            claims,
            r#"{"attest":"A","dest":{"tn":["12355551212"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#
        );
        assert_eq!(signature, [7; 64]);
    }

    #[test]
    fn each_number_has_its_attestation() {
        let claims = |from: &str| parts(&identity(from, "+1", 0).unwrap()).1;
        assert!(claims("12155551212").starts_with(r#"{"attest":"A""#));
        assert!(claims("+12155551213").starts_with(r#"{"attest":"B""#));
        for wrong in ["", "+", "anonymous", "1234567890123456", "1\"2"] {
            assert_eq!(identity(wrong, "+1", 0), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_service_answers_ends_no_header() {
        let good = identity("12155551212", "12355551212", 1).unwrap();
        assert!(is_identity(&good));
        assert_eq!(claims_text(&good), Some(parts(&good).1.into_bytes()));
        let other = ["ppt=shaken", "ppt=div"];
        for wrong in [
            "",
            "a.b.c",
            "a.b;info=<https://c.example/a>;ppt=shaken",
            "a..c;info=<https://c.example/a>;ppt=shaken",
            "a.b.c;ppt=shaken",
            "a.b.c;info=<ftp://c.example/a>;ppt=shaken",
            "a.b.c;info=<https://c.example/a>\r\nX: y;ppt=shaken",
            "a.b.c;info=<https://c.example/a>;ppt=shaken, d.e.f",
            &good.replace(other[0], other[1]),
            &good.replace('.', &"a".repeat(IDENTITY_OCTETS_MAX)),
        ] {
            assert!(!is_identity(wrong), "{wrong}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (1_289_692_800, "Sun, 14 Nov 2010 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn an_address_of_a_certificate_ends_nothing_else() {
        assert!(is_certificate_url("https://cert.example/a.pem"));
        for wrong in ["", "https://", "ftp://a", "https://a>;x=<b", "https://a b", "https://a\r\nX: y"] {
            assert!(!is_certificate_url(wrong), "{wrong}");
        }
    }
}
