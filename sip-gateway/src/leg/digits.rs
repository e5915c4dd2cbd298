//! Keys that a peer tells in an INFO: `application/dtmf-relay` and `application/dtmf`, as phones have sent them since before
//! RFC 6086.

use crate::media::dtmf::Digit;
use crate::message::Request;

/// How long a key is where nothing is said of it, in milliseconds.
const DURATION_MS: u64 = 160;

/// The key of an INFO; `None` where it says none that a telephone has.
pub(super) fn of(info: &Request) -> Option<Digit> {
    let body = std::str::from_utf8(&info.body).ok()?;
    match info.headers.content_type()?.as_str() {
        "application/dtmf-relay" => {
            let named = |wanted: &str| {
                body.lines().find_map(|line| {
                    let (name, value) = line.split_once('=')?;
                    name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
                })
            };
            let duration_ms = named("Duration").and_then(|text| text.parse().ok()).unwrap_or(DURATION_MS);
            key(named("Signal")?, duration_ms)
        }
        "application/dtmf" => key(body.trim(), DURATION_MS),
        _ => None,
    }
}

/// A key as it is written: by its letter, or some by the number of its event.
fn key(text: &str, duration_ms: u64) -> Option<Digit> {
    let letter = match text {
        "10" => '*',
        "11" => '#',
        "12" => 'A',
        "13" => 'B',
        "14" => 'C',
        "15" => 'D',
        _ => {
            let mut letters = text.chars();
            letters.next().filter(|_| letters.next().is_none())?
        }
    };
    Digit::new(letter, duration_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{HeaderName, Method, Uri};

    fn told(content_type: &str, body: &str) -> Option<(u8, u16)> {
        let mut info = Request::new(Method::Info, Uri::parse("sip:carillon@192.0.2.1").expect("a good URI"));
        info.headers.append(HeaderName::ContentType, content_type.to_owned());
        info.body = body.to_owned().into();
        of(&info).map(|digit| (digit.event, digit.samples / 8))
    }

    #[test]
    fn keys_are_read_as_phones_write_them() {
        for (body, key) in [
            ("Signal=5\r\nDuration=250\r\n", (5, 260)),
            ("Signal= 5\r\nDuration= 100", (5, 100)),
            ("signal=*\nduration=x", (10, 160)),
            ("Duration=100\r\nSignal=11\r\n", (11, 100)),
            ("Signal=d", (15, 160)),
            ("Signal=0\r\nDuration=99999999999999999999", (0, 160)),
            ("Signal=0\r\nDuration=18446744073709551615", (0, 2_000)),
            ("Signal=0\r\nDuration=0", (0, 80)),
        ] {
            assert_eq!(told("application/dtmf-relay", body), Some(key), "{body}");
        }
        assert_eq!(told("application/dtmf", "7\r\n"), Some((7, 160)));
    }

    #[test]
    fn what_is_no_key_is_none() {
        for body in ["", "Signal=", "Signal=16", "Signal=!", "Signal=55", "Signal", "=5", "Duration=100"] {
            assert_eq!(told("application/dtmf-relay", body), None, "{body}");
        }
        for body in ["", "hello", "16", "E"] {
            assert_eq!(told("application/dtmf", body), None, "{body}");
        }
        assert_eq!(told("text/plain", "5"), None);
    }
}
