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

/// In which steps calls count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billing {
    /// The first step, in seconds; from 1. Every answered call costs it.
    pub first_s: u32,
    /// Each further one, in seconds; from 1.
    pub next_s: u32,
}

/// What a call to one prefix costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Of a minute, in millionths.
    pub per_minute: u64,
    /// In which steps.
    pub billing: Billing,
    /// Of every answered call, in millionths, whatever its length.
    pub fee: u64,
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
    #[error(
        "`{0}` is no increment in seconds like 60 or 60/6 (the first, each further one), 1 to {INCREMENT_MAX}"
    )]
    Increment(String),
    /// Not a fee.
    #[error("`{0}` is no fee of a call like 0.05, with six decimals at the most, up to {PRICE_MAX}")]
    Fee(String),
    /// There already.
    #[error("prefix {0} is there twice")]
    Twice(String),
    /// Too many.
    #[error("more than {RATES_MAX} prefixes")]
    Many,
}

impl Default for Billing {
    /// By the second.
    fn default() -> Self {
        Self { first_s: 1, next_s: 1 }
    }
}

impl Billing {
    /// `60/6` (the first step, each further one) or `60` for both.
    ///
    /// # Errors
    /// [`RateError::Increment`] for anything else.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let step = |text: &str| text.parse().ok().filter(|seconds| (1..=INCREMENT_MAX).contains(seconds));
        let (first, next) = text.split_once('/').unwrap_or((text, text));
        match (step(first), step(next)) {
            (Some(first_s), Some(next_s)) => Ok(Self { first_s, next_s }),
            (None, _) | (_, None) => Err(RateError::Increment(text.to_owned())),
        }
    }
}

/// One line of a table, as it is written; empty where there is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'t> {
    /// With or without `+`; none at all for every number.
    pub prefix: &'t str,
    /// Of a minute.
    pub price: &'t str,
    /// Steps in seconds ([`Billing::parse`]).
    pub increment: &'t str,
    /// Of each answered call.
    pub fee: &'t str,
}

impl Rates {
    /// Adds a line; `billing` holds where it has no increment of its own.
    ///
    /// # Errors
    /// What can't be read, or is there already.
    pub fn add(&mut self, line: Line<'_>, billing: Billing) -> Result<(), RateError> {
        let Line { prefix, price, increment, fee } = line;
        let digits = prefix.trim().trim_start_matches('+');
        if digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError::Prefix(prefix.to_owned()));
        }
        let per_minute = micros(price.trim()).filter(|price| *price <= PRICE_MAX * MICROS);
        let per_minute = per_minute.ok_or_else(|| RateError::Price(price.to_owned()))?;
        let billing = match increment.trim() {
            "" => billing,
            text => Billing::parse(text)?,
        };
        let fee = match fee.trim() {
            "" => 0,
            text => micros(text)
                .filter(|fee| *fee <= PRICE_MAX * MICROS)
                .ok_or_else(|| RateError::Fee(text.to_owned()))?,
        };
        if self.prefixes.len() >= RATES_MAX {
            return Err(RateError::Many);
        }
        let before = self.prefixes.insert(digits.to_owned(), Rate { per_minute, billing, fee });
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
    /// What an answered call of this length costs: the fee and whole steps, the first one at least, rounded up to a millionth.
    pub fn charge(&self, length: Duration) -> u64 {
        let Billing { first_s, next_s } = self.billing;
        let (first, next) = (u128::from(first_s.max(1)), u128::from(next_s.max(1)));
        let seconds = length.as_millis().div_ceil(1_000);
        let counted = first + seconds.saturating_sub(first).div_ceil(next) * next;
        let charge = (counted * u128::from(self.per_minute)).div_ceil(60) + u128::from(self.fee);
        u64::try_from(charge).unwrap_or(u64::MAX)
    }

    /// How much more than its seconds a call costs at most: the fee and the longer of its steps, rounded up.
    pub fn ahead(&self) -> u64 {
        let step = self.billing.first_s.max(self.billing.next_s).max(1);
        let charge = (u128::from(step) * u128::from(self.per_minute)).div_ceil(60) + u128::from(self.fee);
        // A part of a millionth of its seconds is rounded up, too.
        u64::try_from(charge + 1).unwrap_or(u64::MAX)
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

/// Millionths as `0.0125`, without zeros at the end but with two decimals at least.
pub fn written(micros: u64) -> String {
    let (whole, part) = (micros / MICROS, format!("{:06}", micros % MICROS));
    let part = part.trim_end_matches('0');
    format!("{whole}.{part:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'t>(prefix: &'t str, price: &'t str, increment: &'t str) -> Line<'t> {
        Line { prefix, price, increment, fee: "" }
    }

    const SECONDS: Billing = Billing { first_s: 1, next_s: 1 };

    #[test]
    fn the_longest_prefix_holds() {
        let mut rates = Rates::default();
        for (prefix, price) in [("+1", "0.01"), ("1242", "0.3"), ("+44", "0.02"), ("+447", "0.05")] {
            rates.add(line(prefix, price, ""), SECONDS).unwrap();
        }
        let price = |number: &str| rates.of(number).map(|rate| rate.per_minute);
        assert_eq!(price("+12025550100"), Some(10_000));
        assert_eq!(price("12425550100"), Some(300_000));
        assert_eq!((price("+4479"), price("+442")), (Some(50_000), Some(20_000)));
        assert_eq!((price("+49"), price("4"), price("")), (None, None, None));
        rates.add(line("", "9", ""), SECONDS).unwrap();
        let everywhere = Some(Rate { per_minute: 9_000_000, billing: SECONDS, fee: 0 });
        assert_eq!((rates.of("+49"), rates.of("")), (everywhere, everywhere), "the rest of the world");
    }

    #[test]
    fn calls_count_in_increments() {
        let charge = |billing: &str, ms| {
            let rate = Rate { per_minute: 60_000, billing: Billing::parse(billing).unwrap(), fee: 0 };
            rate.charge(Duration::from_millis(ms))
        };
        assert_eq!((charge("1", 0), charge("1/1", 1), charge("1", 1_001)), (1_000, 1_000, 2_000));
        assert_eq!(
            (charge("6", 7_000), charge("60", 61_000), charge("60", 60_000)),
            (12_000, 120_000, 60_000)
        );
        assert_eq!(
            (charge("30/6", 1), charge("30/6", 30_000), charge("30/6", 30_001)),
            (30_000, 30_000, 36_000)
        );
        assert_eq!((charge("60/1", 59_000), charge("60/1", 61_000)), (60_000, 61_000));
        let rate = |per_minute, fee| Rate { per_minute, billing: SECONDS, fee };
        assert_eq!(rate(1, 0).charge(Duration::from_secs(1)), 1, "never nothing");
        assert_eq!(rate(0, 0).charge(Duration::from_secs(99)), 0, "free is free");
        assert_eq!(rate(0, 70).charge(Duration::from_secs(99)), 70, "but for its fee");
        assert_eq!(rate(u64::MAX, u64::MAX).charge(Duration::MAX), u64::MAX);
        for wrong in ["0", "60/", "/6", "60/0", "3601", "1/1/1", "a", "-6"] {
            assert_eq!(Billing::parse(wrong), Err(RateError::Increment(wrong.into())));
        }
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
        let mut add = |prefix, price, increment| rates.add(line(prefix, price, increment), SECONDS);
        assert_eq!(add("+44x", "1", ""), Err(RateError::Prefix("+44x".into())));
        assert_eq!(add("+44", "10000.1", ""), Err(RateError::Price("10000.1".into())));
        assert_eq!(add("+44", "1", "0"), Err(RateError::Increment("0".into())));
        assert_eq!(add("+44", "1", "60"), Ok(()));
        assert_eq!(add("44", "1", "60"), Err(RateError::Twice("44".into())));
        let fee = |fee| Line { fee, ..line("+45", "1", "60/6") };
        assert_eq!(rates.add(fee("much"), SECONDS), Err(RateError::Fee("much".into())));
        assert_eq!(rates.add(fee("0.07"), SECONDS), Ok(()));
        let billing = Billing { first_s: 60, next_s: 6 };
        assert_eq!(rates.of("+45"), Some(Rate { per_minute: 1_000_000, billing, fee: 70_000 }));
    }

    #[test]
    fn money_is_written_as_it_is_read() {
        for (micros_of, text) in [(0, "0.00"), (1, "0.000001"), (12_500, "0.0125"), (3_500_000, "3.50")] {
            assert_eq!((written(micros_of).as_str(), micros(text)), (text, Some(micros_of)));
        }
    }
}
