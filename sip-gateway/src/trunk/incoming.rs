//! What a trunk's INVITE says of a call from outside: who is called, who calls, and how it came here.

use crate::message::{HeaderName, Headers, Method, Request, Scheme, Uri};
use crate::options::TrunkOptions;
use crate::trunk::destination::{Destinations, NumberFormat, canonical};

/// Longest history that is kept of one call, in characters.
pub const HISTORY_CHARACTERS_MAX: usize = 2_000;

/// Digits of a number of the North American plan with its country code 1.
const NORTH_AMERICAN_DIGITS: usize = 11;

impl Destinations {
    /// A number as this trunk writes it, in E.164 with `+`; `None` where it is none. The inverse of [`Destinations::user`]
    /// but for the routing prefix, which carriers do not send back.
    pub fn number(&self, written: &str) -> Option<String> {
        // RFC 3966 §3: parameters of a number follow a semicolon.
        let written = written.split(';').next().unwrap_or_default();
        if let Some(number) = canonical(written) {
            return Some(number);
        }
        let plus = |digits: &str| canonical(&format!("+{digits}"));
        let international = self.international_prefix.as_str();
        if let Some(rest) = written.strip_prefix(international).filter(|_| !international.is_empty()) {
            return plus(rest);
        }
        let country = self.country.as_str();
        if self.format != NumberFormat::National || country.is_empty() {
            return plus(written);
        }
        let trunk_code = self.national_prefix.as_str();
        match written.strip_prefix(trunk_code) {
            // No area code of the North American plan begins with 1.
            Some(rest) if country == "1" && rest.starts_with('1') && rest.len() == NORTH_AMERICAN_DIGITS => {
                plus(rest)
            }
            Some(rest) => plus(&format!("{country}{rest}")),
            None if written.starts_with(country) => plus(written),
            None => plus(&format!("{country}{written}")),
        }
    }
}

/// The number that is called: the Request-URI's; where that names us by something else, as after a REGISTER, that of
/// P-Called-Party-ID (RFC 7315 §4.2) or of To.
pub fn called(invite: &Request, trunk: &TrunkOptions) -> Option<String> {
    debug_assert_eq!(invite.method, Method::Invite);
    destinations(invite, trunk).next()
}

/// All numbers that it names as called, the called one first.
pub fn destinations(invite: &Request, trunk: &TrunkOptions) -> impl Iterator<Item = String> {
    let named = HeaderName::from("P-Called-Party-ID");
    let addresses = [named, HeaderName::To].into_iter();
    let addresses = addresses.filter_map(|name| Some(invite.headers.address(name).ok()?.uri));
    std::iter::once(invite.uri.clone()).chain(addresses).filter_map(|uri| number(&uri, trunk))
}

/// Who calls: what a trusted trunk asserts (RFC 3325 §9.1), else From. `None` where the caller withholds it (RFC 3323) or
/// it is no number.
pub fn caller(invite: &Request, trunk: &TrunkOptions) -> Option<String> {
    let headers = &invite.headers;
    let withheld = headers.tokens(HeaderName::Privacy).iter().any(|value| {
        value.split(';').any(|kind| {
            ["id", "user", "header"].iter().any(|withheld| kind.trim().eq_ignore_ascii_case(withheld))
        })
    });
    if withheld { None } else { origin(invite, trunk) }
}

/// Who calls, withheld or not.
pub fn origin(invite: &Request, trunk: &TrunkOptions) -> Option<String> {
    let headers = &invite.headers;
    let asserted = trunk.asserted_identity.then(|| headers.addresses(HeaderName::PAssertedIdentity).ok());
    let asserted = asserted.flatten().unwrap_or_default();
    let from = headers.from().ok();
    asserted.into_iter().chain(from).find_map(|address| number(&address.uri, trunk))
}

/// The values of Diversion (RFC 5806) or History-Info (RFC 7044), as they came, for the record.
pub fn history(headers: &Headers, name: HeaderName) -> String {
    let mut text = String::new();
    for value in headers.all(name) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        // What can't be shown or stored as it is can't be told apart from a fault either.
        text.extend(String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()));
        if text.len() > HISTORY_CHARACTERS_MAX * 4 {
            break;
        }
    }
    text.chars().take(HISTORY_CHARACTERS_MAX).collect()
}

fn number(uri: &Uri, trunk: &TrunkOptions) -> Option<String> {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
        Scheme::Other => return None,
    }
    let user = String::from_utf8(uri.user_decoded()?).ok()?;
    // An address of record that is only digits by chance is no number; one that is not is none either.
    trunk.destinations.number(&user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn national(country: &str, national_prefix: &str, international_prefix: &str) -> Destinations {
        Destinations {
            format: NumberFormat::National,
            country: country.to_owned(),
            national_prefix: national_prefix.to_owned(),
            international_prefix: international_prefix.to_owned(),
            ..Destinations::default()
        }
    }

    #[test]
    fn numbers_are_read_as_the_trunk_writes_them() {
        let plain = Destinations::default();
        let german = national("49", "0", "00");
        let american = national("1", "", "011");
        for (format, written, number) in [
            (&plain, "+15550100", Some("+15550100")),
            (&plain, "15550100", Some("+15550100")),
            (&plain, "+1-555-0100;npdi;rn=+1555", Some("+15550100")),
            (&plain, "carillon", None),
            (&plain, "", None),
            (&plain, "+0123456", None),
            (&german, "03012345", Some("+493012345")),
            (&german, "00442079460000", Some("+442079460000")),
            (&german, "493012345", Some("+493012345")),
            (&german, "+493012345", Some("+493012345")),
            (&american, "2025550100", Some("+12025550100")),
            (&american, "12025550100", Some("+12025550100")),
            (&american, "011442079460000", Some("+442079460000")),
        ] {
            assert_eq!(format.number(written).as_deref(), number, "{written}");
        }
    }

    #[test]
    fn a_number_that_we_write_is_read_back() {
        for format in [Destinations::default(), national("49", "0", "00"), national("1", "", "011")] {
            for number in ["+493012345", "+12025550100", "+442079460000"] {
                let written = format.user(number).unwrap();
                assert_eq!(format.number(&written).as_deref(), Some(number), "{written}");
            }
        }
    }

    #[test]
    fn a_history_is_kept_whole_and_within_bounds() {
        let mut headers = Headers::default();
        headers.append(HeaderName::Diversion, "<sip:+15550100@carrier.example>;reason=no-answer");
        headers.append(HeaderName::Diversion, "<sip:+15550101@carrier.example>\r\nEvil: 1");
        assert_eq!(
            history(&headers, HeaderName::Diversion),
            "<sip:+15550100@carrier.example>;reason=no-answer, <sip:+15550101@carrier.example>Evil: 1"
        );
        headers.append(HeaderName::Diversion, "x".repeat(9_000));
        assert_eq!(history(&headers, HeaderName::Diversion).chars().count(), HISTORY_CHARACTERS_MAX);
    }
}
