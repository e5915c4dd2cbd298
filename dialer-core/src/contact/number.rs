//! Phone numbers: one decode from what people write to canonical E.164 with `+`, and the numbers that are never called.

use phonenumber::Metadata;
use phonenumber::metadata::DATABASE;

/// Most characters read as a number.
pub const NUMBER_CHARACTERS_MAX: usize = 40;
/// ITU-T E.164 section 6: at most fifteen digits.
const DIGITS_MAX: usize = 15;
/// National numbers below this many digits are short codes: emergency, services, premium.
const NATIONAL_DIGITS_MIN: usize = 7;
/// Country code of the North American Numbering Plan.
const NORTH_AMERICA: &str = "1";

/// Why a text is no number that could be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Empty, too long, or has characters that no number has.
    #[error("not a phone number")]
    Format,
    /// No country code, and no region to take it from.
    #[error("no country code and no region")]
    Region,
    /// The region is not an ISO 3166 code that is known.
    #[error("unknown region")]
    UnknownRegion,
    /// No such country code, or a length that no number there has.
    #[error("not possible for its region")]
    Impossible,
    /// Emergency, service or short number.
    #[error("emergency or short number")]
    Never,
}

/// The canonical form of `text`: E.164 with `+`.
///
/// `region` (ISO 3166 alpha-2) is used where there is no country code. Possible by length is enough: strict validity
/// would refuse ranges opened since the numbering data was made.
pub fn canonical(text: &str, region: Option<&str>) -> Result<String, NumberError> {
    let bare = strip(text)?;
    let region = region.filter(|region| !region.is_empty());
    if let Some(digits) = bare.strip_prefix('+') {
        return accept(digits);
    }
    if bare.len() < NATIONAL_DIGITS_MIN {
        return Err(NumberError::Never);
    }
    let region = region.ok_or(NumberError::Region)?;
    let region: phonenumber::country::Id = region.parse().map_err(|_| NumberError::UnknownRegion)?;
    let number = phonenumber::parse(Some(region), &bare).map_err(|_| NumberError::Impossible)?;
    let written = number.format().mode(phonenumber::Mode::E164).to_string();
    accept(written.trim_start_matches('+'))
}

/// Whether `number` is canonical and may be called at all.
pub fn is_callable(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| accept(digits).is_ok_and(|canonical| canonical == number))
}

/// The digits of a canonical number as one integer, for compact sets; `None` where it is not canonical in form.
pub fn digits(number: &str) -> Option<u64> {
    let digits = number.strip_prefix('+')?;
    let plain =
        !digits.is_empty() && digits.len() <= DIGITS_MAX && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Takes out what people write between digits.
fn strip(text: &str) -> Result<String, NumberError> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    if text.is_empty() || text.len() > NUMBER_CHARACTERS_MAX {
        return Err(NumberError::Format);
    }
    let mut bare = String::with_capacity(text.len());
    for (index, character) in text.char_indices() {
        match character {
            '0'..='9' => bare.push(character),
            '+' if index == 0 => bare.push(character),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
            _ => return Err(NumberError::Format),
        }
    }
    if bare.bytes().any(|b| b.is_ascii_digit()) { Ok(bare) } else { Err(NumberError::Format) }
}

/// Takes digits that begin with a country code.
fn accept(digits: &str) -> Result<String, NumberError> {
    if digits.len() > DIGITS_MAX || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Impossible);
    }
    let (code, national) = split(digits).ok_or(NumberError::Impossible)?;
    if is_never(code, national) {
        return Err(NumberError::Never);
    }
    let value: u16 = code.parse().map_err(|_| NumberError::Impossible)?;
    let regions = DATABASE.by_code(&value).ok_or(NumberError::Impossible)?;
    let length = u16::try_from(national.len()).map_err(|_| NumberError::Impossible)?;
    if regions.iter().any(|region| is_possible(region, length)) {
        Ok(format!("+{digits}"))
    } else {
        Err(NumberError::Impossible)
    }
}

/// Whether subscribers' numbers of this length exist in a region.
fn is_possible(region: &Metadata, length: u16) -> bool {
    let kinds = region.descriptors();
    [
        kinds.fixed_line(),
        kinds.mobile(),
        kinds.toll_free(),
        kinds.shared_cost(),
        kinds.premium_rate(),
        kinds.personal_number(),
        kinds.voip(),
    ]
    .into_iter()
    .flatten()
    .any(|kind| kind.possible_length().contains(&length))
}

/// Country code and national number; country codes are prefix-free.
fn split(digits: &str) -> Option<(&str, &str)> {
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let known = !code.starts_with('0') && DATABASE.by_code(&code.parse::<u16>().ok()?).is_some();
        known.then_some((code, national))
    })
}

/// Emergency and short numbers, whatever list they come from: everything shorter than a subscriber number (110, 112,
/// 119, 120, 911, 999 and their kind), and in North America the service codes N11 in place of an area code, which some
/// carriers read as the service itself.
fn is_never(code: &str, national: &str) -> bool {
    let service = code == NORTH_AMERICA && matches!(national.as_bytes(), [b'2'..=b'9', b'1', b'1', ..]);
    national.len() < NATIONAL_DIGITS_MIN || service
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, region, canonical_form) in [
            ("+15550000001", None, "+15550000001"),
            ("(555) 000-0001", Some("US"), "+15550000001"),
            ("1 555 000 0001", Some("US"), "+15550000001"),
            ("020 7946 0018", Some("GB"), "+442079460018"),
            ("tel:+44 20 7946 0018", Some("US"), "+442079460018"),
            ("+86 138 1234 5678", None, "+8613812345678"),
            ("13812345678", Some("CN"), "+8613812345678"),
            ("+39 06 1234 5678", None, "+390612345678"),
        ] {
            assert_eq!(canonical(text, region).as_deref(), Ok(canonical_form), "{text}");
            assert!(is_callable(canonical_form));
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        for (text, region, error) in [
            ("", Some("US"), NumberError::Format),
            ("call me", Some("US"), NumberError::Format),
            ("+1555000000x", None, NumberError::Format),
            ("+", None, NumberError::Format),
            ("5550000001", None, NumberError::Region),
            ("5550000001", Some("ZZ"), NumberError::UnknownRegion),
            ("+1555000000", None, NumberError::Impossible),
            ("+155500000012", None, NumberError::Impossible),
            ("+999123456789", None, NumberError::Impossible),
            ("+0123456789", None, NumberError::Impossible),
        ] {
            assert_eq!(canonical(text, region), Err(error), "{text}");
        }
    }

    #[test]
    fn emergency_and_short_numbers_are_never_called() {
        for (text, region) in [
            ("911", Some("US")),
            ("112", Some("DE")),
            ("110", Some("CN")),
            ("119", Some("CN")),
            ("120", Some("CN")),
            ("999", Some("GB")),
            ("+1911", None),
            ("+44999", None),
            ("+86110", None),
            ("+19115550001", None),
            ("+14115550001", None),
            ("116117", Some("DE")),
        ] {
            assert_eq!(canonical(text, region), Err(NumberError::Never), "{text}");
            assert!(!is_callable(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_becomes_canonical_once_and_for_all(
            text in "\\PC{0,45}|[+0-9 ().-]{0,20}", region in prop_oneof![Just(None), Just(Some("US")), Just(Some("CN"))]
        ) {
            if let Ok(number) = canonical(&text, region) {
                prop_assert_eq!(canonical(&number, None), Ok(number.clone()));
                prop_assert!(digits(&number).is_some());
            }
        }
    }
}
