//! Which numbers a trunk may call, and how it wants them written.

/// Most digits of a number (ITU-T E.164).
const DIGITS_MAX: usize = 15;
/// Fewest digits of a number with its country code.
const DIGITS_MIN: usize = 3;

/// How a trunk wants numbers in the Request-URI and To.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// `+12025550100`.
    #[default]
    E164,
    /// `12025550100`.
    Digits,
    /// Numbers of the trunk's own country without its code, others as digits: `2025550100`, `442079460000`.
    National,
}

/// Which numbers a trunk may call, and how they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Prefixes with `+` that may be called; none means all.
    pub allow: Vec<String>,
    /// Prefixes with `+` that may not. Of all that fit, the longest decides, and of two as long this one.
    pub deny: Vec<String>,
    /// How the number is written.
    pub format: NumberFormat,
    /// The country code without `+` for [`NumberFormat::National`].
    pub country: String,
    /// Written before a number of the own country in [`NumberFormat::National`], like `0`.
    pub national_prefix: String,
    /// Written before other numbers in [`NumberFormat::National`] and [`NumberFormat::Digits`], like `00`.
    pub international_prefix: String,
    /// Written before everything: what the carrier tells customers or routes apart by.
    pub prefix: String,
}

impl Destinations {
    /// The user part by which this trunk is to call a number; `None` where it may not call it, or where it is no number.
    pub fn user(&self, number: &str) -> Option<String> {
        let number = canonical(number)?;
        if !self.allows(&number) {
            return None;
        }
        let digits = number.strip_prefix('+')?;
        let own = digits
            .strip_prefix(self.country.as_str())
            .filter(|rest| !self.country.is_empty() && !rest.is_empty());
        let (before, written) = match (self.format, own) {
            (NumberFormat::E164, _) => ("", number.as_str()),
            (NumberFormat::National, Some(rest)) => (self.national_prefix.as_str(), rest),
            (NumberFormat::National, None) | (NumberFormat::Digits, _) => {
                (self.international_prefix.as_str(), digits)
            }
        };
        Some(format!("{}{before}{written}", self.prefix))
    }

    /// Whether a number in canonical form may be called.
    fn allows(&self, number: &str) -> bool {
        let longest = |list: &[String]| {
            list.iter().filter(|prefix| number.starts_with(prefix.as_str())).map(String::len).max()
        };
        match (longest(&self.allow), longest(&self.deny)) {
            (Some(allowed), Some(denied)) => allowed > denied,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => self.allow.is_empty(),
        }
    }
}

/// A number in the one form that lists are checked against: `+` and digits. Escapes are decoded once, visual separators
/// (RFC 3966 §5.1.1) left out; whatever else is in it makes it no number, an escape within an escape too.
pub fn canonical(written: &str) -> Option<String> {
    // Each character may be an escape of three, and each digit may have a separator.
    if written.len() > DIGITS_MAX * 8 {
        return None;
    }
    let mut number = String::with_capacity(DIGITS_MAX + 1);
    let mut rest = written.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' { decoded(rest.next()?, rest.next()?)? } else { byte };
        match byte {
            b'+' if number.is_empty() => number.push('+'),
            b'0'..=b'9' if !number.is_empty() => number.push(char::from(byte)),
            b'-' | b'.' | b'(' | b')' | b' ' => {}
            _ => return None,
        }
    }
    let digits = number.len().checked_sub(1)?;
    // No country code begins with 0.
    let real = (DIGITS_MIN..=DIGITS_MAX).contains(&digits) && !number.starts_with("+0");
    real.then_some(number)
}

fn decoded(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists(allow: &[&str], deny: &[&str]) -> Destinations {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Destinations { allow: texts(allow), deny: texts(deny), ..Destinations::default() }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let lists = lists(&["+1", "+1900555"], &["+1900", "+1809", "+44"]);
        for (number, may) in [
            ("+12025550100", true),
            ("+19005550100", true),
            ("+19001234567", false),
            ("+18091234567", false),
            ("+442079460000", false),
            ("+4930123456", false),
        ] {
            assert_eq!(lists.user(number).is_some(), may, "{number}");
        }
        assert!(
            self::lists(&[], &["+1900"]).user("+4930123456").is_some(),
            "without an allow list all others"
        );
        assert!(self::lists(&["+1900"], &["+1900"]).user("+19001234567").is_none(), "of two as long, deny");
    }

    #[test]
    fn no_spelling_gets_around_the_lists() {
        let lists = lists(&["+1"], &["+1900"]);
        for spelling in [
            "+19001234567",
            "%2B19001234567",
            "%2b1900 123 4567",
            "+1-900-123-4567",
            "+1(900)123.4567",
            "+1%39001234567",
            "+1%2D900%2D1234567",
            "%2B%31%39%30%30%31%32%33%34%35%36%37",
            "%252B19001234567",
            "+1%25390012345",
            "19001234567",
            "0019001234567",
            "++19001234567",
            "+1+9001234567",
            "+01 19001234567",
            "+1900123456７",
            "+1900;phone-context=x",
            "+1900@evil.example",
            "+1900\r\nX: y",
            "+1900%0d%0a",
            "+1900%00",
            "+1900%",
            "+1900%2",
            "",
            "+",
            "+12",
            "+1900123456789012",
        ] {
            assert_eq!(lists.user(spelling), None, "{spelling}");
        }
        assert_eq!(lists.user("%2B1 (202) 555-0100").as_deref(), Some("+12025550100"));
    }

    #[test]
    fn numbers_are_written_as_the_trunk_wants_them() {
        let national = Destinations {
            format: NumberFormat::National,
            country: "44".into(),
            national_prefix: "0".into(),
            international_prefix: "00".into(),
            ..Destinations::default()
        };
        assert_eq!(national.user("+442079460000").as_deref(), Some("02079460000"));
        assert_eq!(national.user("+12025550100").as_deref(), Some("0012025550100"));
        let digits =
            Destinations { format: NumberFormat::Digits, prefix: "777#".into(), ..Destinations::default() };
        assert_eq!(digits.user("+12025550100").as_deref(), Some("777#12025550100"));
        assert_eq!(Destinations::default().user("+12025550100").as_deref(), Some("+12025550100"));
    }

    proptest! {
        /// Whatever is written, what may be called is in canonical form and not denied.
        #[test]
        fn what_may_be_called_is_not_denied(written in "(%2B|\\+)?[-0-9%B.() +a-f]{0,30}") {
            let lists = lists(&["+1", "+4"], &["+19", "+44"]);
            if let Some(user) = lists.user(&written) {
                prop_assert!(user.starts_with('+') && user[1..].bytes().all(|byte| byte.is_ascii_digit()));
                prop_assert!(user.starts_with("+1") || user.starts_with("+4"));
                prop_assert!(!user.starts_with("+19") && !user.starts_with("+44"));
                prop_assert_eq!(canonical(&user), Some(user), "one form");
            }
        }
    }
}
