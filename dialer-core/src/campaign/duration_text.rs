//! Durations as people write them: a whole number and one unit, `"500ms"`, `"25s"`, `"30m"`, `"2h"`, `"10d"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a whole number and a unit, like 500ms, 25s, 30m, 2h or 10d")]
pub struct DurationError(String);

/// Units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration; at most 100 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.chars().take(40).collect());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
    let milliseconds =
        number.checked_mul(*factor).filter(|ms| *ms <= 100 * 366 * 86_400_000).ok_or_else(error)?;
    Ok(Duration::from_millis(milliseconds))
}

/// Writes a duration in the largest unit that divides it.
pub fn write(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if milliseconds == 0 {
        return "0s".into();
    }
    let (unit, factor) =
        UNITS.into_iter().find(|(_, factor)| milliseconds % factor == 0).unwrap_or(("ms", 1));
    format!("{}{unit}", milliseconds / factor)
}

/// For `#[serde(with)]`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*duration))
}

/// For `#[serde(with)]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// A duration as a value of its own, for containers.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Text(#[serde(with = "crate::campaign::duration_text")] Duration);

/// `Option<Duration>` for `#[serde(with)]`.
pub mod option {
    use super::*;

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(Text).serialize(serializer)
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
    }
}

/// `BTreeMap<K, Duration>` for `#[serde(with)]`.
pub mod map {
    use std::collections::BTreeMap;

    use super::*;

    /// For `#[serde(with)]`.
    pub fn serialize<K: Serialize + Ord, S: Serializer>(
        map: &BTreeMap<K, Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(key, duration)| (key, Text(*duration))))
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, K: Deserialize<'de> + Ord, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, Duration>, D::Error> {
        let map = BTreeMap::<K, Text>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(key, text)| (key, text.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["500ms", "25s", "30m", "2h", "10d", "0s", "90s"] {
            assert_eq!(write(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "25", "s", "1.5s", "-1s", "25 s", "25sec", "99999999999999999999d", "1e3s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
