//! The keys of `[[trunk]]` that shape its use: refusals, health, destinations, numbers.

use std::ops::RangeInclusive;
use std::time::Duration;

use carillon_core::attempt::table::{RULES_MAX, Rule};
use carillon_sip::trunk::caller_ids::PoolOptions;
use carillon_sip::trunk::destination::{Destinations, NumberFormat};
use carillon_sip::trunk::failover::{Failover, SILENCE_DEFAULT};
use carillon_sip::trunk::health::Hysteresis;

use crate::reader::{Document, Section};

/// Most entries of `failover`.
const STATUSES_MAX: usize = 100;
/// Longest prefix that is written before numbers.
const PREFIX_MAX: usize = 10;
/// Most prefixes of `allow` and of `deny`.
const DESTINATIONS_MAX: usize = 10_000;
/// Longest `caller_id_rest`.
const REST_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bounds of `caller_id_recovery`.
const RECOVERY: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(90 * 24 * 3600);
/// Longest `failover_after`: no transaction waits longer for a first response.
const SILENCE_MAX: Duration = Duration::from_secs(32);

/// Reads `failover` and `failover_after`.
pub(crate) fn failover(document: &Document<'_>, section: &mut Section<'_>) -> Failover {
    let default = Failover::default();
    let statuses = section.texts("failover", false);
    let silence = section.duration_within("failover_after", Duration::ZERO..=SILENCE_MAX);
    let silence = silence.map_or(SILENCE_DEFAULT, |at| at.value);
    let Some(written) = statuses else {
        return Failover { silence: Some(silence).filter(|silence| !silence.is_zero()), ..default };
    };
    if written.value.is_empty() {
        return Failover::never();
    }
    if written.value.len() > STATUSES_MAX {
        document.problem(&written.place, format!("must name at most {STATUSES_MAX} statuses"));
    }
    let mut statuses = Vec::new();
    for text in written.value.iter().take(STATUSES_MAX) {
        match range(&text.value) {
            Some((first, last)) if first == last && !Failover::may_name(first) => {
                document
                    .problem(&text.place, format!("{first} is the callee's word and is never asked twice"));
            }
            Some(found) => statuses.push(found),
            None => {
                document.problem(&text.place, "must be statuses like \"408\" or \"500-599\", from 300 to 599")
            }
        }
    }
    Failover { statuses, silence: Some(silence).filter(|silence| !silence.is_zero()) }
}

/// Reads `options_down_after` and `options_up_after`.
pub(crate) fn hysteresis(section: &mut Section<'_>) -> Hysteresis {
    let default = Hysteresis::default();
    let mut count = |key: &'static str, default: u32| {
        section.integer(key, 1..=100).and_then(|at| u32::try_from(at.value).ok()).unwrap_or(default)
    };
    Hysteresis {
        down_after: count("options_down_after", default.down_after),
        up_after: count("options_up_after", default.up_after),
    }
}

/// Reads `allow`, `deny` and how numbers are written.
pub(crate) fn destinations(document: &Document<'_>, section: &mut Section<'_>) -> Destinations {
    let format = match section.text("number_format") {
        None => NumberFormat::default(),
        Some(written) => match written.value.as_str() {
            "e164" => NumberFormat::E164,
            "digits" => NumberFormat::Digits,
            "national" => NumberFormat::National,
            _ => {
                document.problem(&written.place, "must be one of e164, digits, national");
                NumberFormat::default()
            }
        },
    };
    let country = section.text("country_code");
    if format == NumberFormat::National && country.is_none() {
        document.problem(&section.place("country_code"), "missing; number_format = \"national\" needs it");
    }
    let digits =
        |text: &str, most: usize| text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(at) = &country
        && (at.value.is_empty() || at.value.starts_with('0') || !digits(&at.value, 3))
    {
        document.problem(&at.place, "must be one to three digits like \"44\"");
    }
    let mut prefix = |key: &'static str, more: &str| {
        let Some(at) = section.text(key) else { return String::new() };
        let fits = |byte: u8| byte.is_ascii_digit() || more.as_bytes().contains(&byte);
        if at.value.len() > PREFIX_MAX || !at.value.bytes().all(fits) {
            let also = if more.is_empty() { String::new() } else { format!(" or {more}") };
            document.problem(&at.place, format!("must be at most {PREFIX_MAX} digits{also}"));
        }
        at.value
    };
    let national_prefix = prefix("national_prefix", "");
    let international_prefix = prefix("international_prefix", "");
    let number_prefix = prefix("number_prefix", "*");
    let mut prefixes = |key: &'static str| {
        let Some(written) = section.texts(key, false) else { return Vec::new() };
        if written.value.len() > DESTINATIONS_MAX {
            document.problem(&written.place, format!("must name at most {DESTINATIONS_MAX} prefixes"));
        }
        for at in &written.value {
            let good = at.value.strip_prefix('+').is_some_and(|rest| !rest.is_empty() && digits(rest, 15));
            if !good {
                document.problem(&at.place, "must be prefixes like \"+1\" or \"+1900\"");
            }
        }
        written.value.into_iter().map(|at| at.value).collect()
    };
    let (allow, deny) = (prefixes("allow"), prefixes("deny"));
    Destinations {
        allow,
        deny,
        format,
        country: country.map_or_else(String::new, |at| at.value),
        national_prefix,
        international_prefix,
        prefix: number_prefix,
    }
}

/// Reads a cap on minutes; 0 is none.
pub(crate) fn minutes(section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
    let minutes = section.integer(key, 0..=100_000_000)?.value;
    (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)))
}

/// Reads how the numbers of the pool are used.
pub(crate) fn pool(section: &mut Section<'_>) -> PoolOptions {
    let local = section.flag("caller_id_local", false);
    let daily_max = section.integer("caller_id_daily_max", 0..=1_000_000);
    let rest = section.duration_within("caller_id_rest", Duration::ZERO..=REST_MAX);
    let recovery = section.duration_within("caller_id_recovery", RECOVERY);
    PoolOptions {
        local,
        daily_max: daily_max.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(0),
        rest: rest.map_or(Duration::ZERO, |at| at.value),
        recovery: recovery.map(|at| at.value),
    }
}

/// Reads `outcomes`.
pub(crate) fn outcomes(document: &Document<'_>, section: &mut Section<'_>) -> Vec<String> {
    let Some(written) = section.texts("outcomes", false) else { return Vec::new() };
    if written.value.len() > RULES_MAX {
        document.problem(&written.place, format!("must have at most {RULES_MAX} lines"));
    }
    for line in &written.value {
        if let Err(error) = Rule::parse(&line.value) {
            document.problem(&line.place, error);
        }
    }
    written.value.into_iter().map(|line| line.value).collect()
}

/// `408`, `500-599`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| {
        text.parse::<u16>().ok().filter(|status| text.len() == 3 && (300..=699).contains(status))
    };
    let (first, last) = (status(first)?, status(last)?);
    (first <= last && (last <= 599 || first == last)).then_some((first, last))
}
