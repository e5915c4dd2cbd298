//! What calls over a trunk cost: prices by prefix of the called number. Money is whole millionths of the currency's unit.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

/// Millionths in a unit of the currency.
pub const MICROS: u64 = 1_000_000;
/// Most prefixes of one table.
pub const RATES_MAX: usize = 200_000;
/// Most digits of a prefix: no number is longer (E.164).
const DIGITS_MAX: usize = 15;
/// Highest price of a minute, in units.
const PRICE_MAX: u64 = 10_000;
/// Longest increment, in seconds.
const INCREMENT_MAX: u32 = 3_600;

/// What a minute to one prefix costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Of a minute, in millionths.
    pub per_minute: u64,
    /// Calls count in whole steps of so many seconds, at least one; from 1.
    pub increment_s: u32,
}

/// Prices by prefix; of all that fit a number the longest one holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// By digits, without `+`.
    prefixes: BTreeMap<String, Rate>,
    longest: usize,
}

/// What is wrong with a line of a table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// Not digits.
    #[error("`{0}` is no prefix like +44")]
    Prefix(String),
    /// Not a price.
    #[error("`{0}` is no price of a minute like 0.0125, with six decimals at the most, up to {PRICE_MAX}")]
    Price(String),
    /// Not seconds.
    #[error("`{0}` is no increment in seconds, 1 to {INCREMENT_MAX}")]
    Increment(String),
    /// There already.
    #[error("prefix {0} is there twice")]
    Twice(String),
    /// Too many.
    #[error("more than {RATES_MAX} prefixes")]
    Many,
}

impl Rates {
    /// Adds a line: a prefix with or without `+` (none at all for every number), the price of a minute, and the increment in
    /// seconds, one where it is empty.
    ///
    /// # Errors
    /// What can't be read, or is there already.
    pub fn add(&mut self, prefix: &str, price: &str, increment: &str) -> Result<(), RateError> {
        let digits = prefix.trim().trim_start_matches('+');
        if digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError::Prefix(prefix.to_owned()));
        }
        let per_minute = micros(price.trim()).filter(|price| *price <= PRICE_MAX * MICROS);
        let per_minute = per_minute.ok_or_else(|| RateError::Price(price.to_owned()))?;
        let increment_s = match increment.trim() {
            "" => Some(1),
            text => text.parse().ok().filter(|seconds| (1..=INCREMENT_MAX).contains(seconds)),
        };
        let increment_s = increment_s.ok_or_else(|| RateError::Increment(increment.to_owned()))?;
        if self.prefixes.len() >= RATES_MAX {
            return Err(RateError::Many);
        }
        let before = self.prefixes.insert(digits.to_owned(), Rate { per_minute, increment_s });
        self.longest = self.longest.max(digits.len());
        if before.is_some() { Err(RateError::Twice(prefix.to_owned())) } else { Ok(()) }
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// All prefixes, digits alone, with what holds for them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Rate)> {
        self.prefixes.iter().map(|(prefix, rate)| (prefix.as_str(), *rate))
    }

    /// What holds for a number; `None` where no prefix fits it.
    pub fn of(&self, number: &str) -> Option<Rate> {
        let digits = number.trim_start_matches('+');
        let longest = self.longest.min(digits.len());
        (0..=longest).rev().find_map(|length| self.prefixes.get(digits.get(..length)?).copied())
    }
}

impl Rate {
    /// What a call of this length costs: whole increments, one at least, rounded up to a millionth.
    pub fn charge(&self, length: Duration) -> u64 {
        let increment = u128::from(self.increment_s.max(1));
        let seconds = length.as_millis().div_ceil(1_000);
        let counted = seconds.div_ceil(increment).max(1) * increment;
        let charge = (counted * u128::from(self.per_minute)).div_ceil(60);
        u64::try_from(charge).unwrap_or(u64::MAX)
    }
}

/// `0.0125` as millionths, exactly.
pub fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let part: u64 = if part.is_empty() { 0 } else { format!("{part:0<6}").parse().ok()? };
    whole.parse::<u64>().ok()?.checked_mul(MICROS)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_holds() {
        let mut rates = Rates::default();
        for (prefix, price) in [("+1", "0.01"), ("1242", "0.3"), ("+44", "0.02"), ("+447", "0.05")] {
            rates.add(prefix, price, "").unwrap();
        }
        let price = |number: &str| rates.of(number).map(|rate| rate.per_minute);
        assert_eq!(price("+12025550100"), Some(10_000));
        assert_eq!(price("12425550100"), Some(300_000));
        assert_eq!((price("+4479"), price("+442")), (Some(50_000), Some(20_000)));
        assert_eq!((price("+49"), price("4"), price("")), (None, None, None));
        rates.add("", "9", "").unwrap();
        let everywhere = Some(Rate { per_minute: 9_000_000, increment_s: 1 });
        assert_eq!((rates.of("+49"), rates.of("")), (everywhere, everywhere), "the rest of the world");
    }

    #[test]
    fn calls_count_in_increments() {
        let rate = |increment_s| Rate { per_minute: 60_000, increment_s };
        let charge = |increment, ms| rate(increment).charge(Duration::from_millis(ms));
        assert_eq!((charge(1, 0), charge(1, 1), charge(1, 1_001)), (1_000, 1_000, 2_000));
        assert_eq!((charge(6, 7_000), charge(60, 61_000), charge(60, 60_000)), (12_000, 120_000, 60_000));
        assert_eq!(Rate { per_minute: 1, increment_s: 1 }.charge(Duration::from_secs(1)), 1, "never nothing");
        assert_eq!(
            Rate { per_minute: 0, increment_s: 60 }.charge(Duration::from_secs(99)),
            0,
            "free is free"
        );
        assert_eq!(Rate { per_minute: u64::MAX, increment_s: 1 }.charge(Duration::MAX), u64::MAX);
    }

    #[test]
    fn money_is_read_exactly() {
        for (text, micros_of) in
            [("0.0125", 12_500), ("3", 3_000_000), ("0.000001", 1), ("10000", 10_000 * MICROS)]
        {
            assert_eq!(micros(text), Some(micros_of), "{text}");
        }
        for wrong in ["", ".5", "1.0000001", "-1", "1e3", "1,5", "0x1", "99999999999999999999"] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_line_is_named() {
        let mut rates = Rates::default();
        assert_eq!(rates.add("+44x", "1", ""), Err(RateError::Prefix("+44x".into())));
        assert_eq!(rates.add("+44", "10000.1", ""), Err(RateError::Price("10000.1".into())));
        assert_eq!(rates.add("+44", "1", "0"), Err(RateError::Increment("0".into())));
        assert_eq!(rates.add("+44", "1", "60"), Ok(()));
        assert_eq!(rates.add("44", "1", "60"), Err(RateError::Twice("44".into())));
    }
}
