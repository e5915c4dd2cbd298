//! The keys of `[[trunk]]` about money: `rates`, `rates_file`, `billing`, `currency` and the caps on what is spent.

use std::sync::Arc;

use carillon_sip::trunk::rates::{Billing, Line, Rates, micros};
use carillon_sip::trunk::spend::SpendOptions;

use crate::reader::{Document, Section};

/// Most lines of `rates`; a longer table is a file.
const LINES_MAX: usize = 10_000;
/// Largest `rates_file`, in octets.
const FILE_OCTETS_MAX: u64 = 16 << 20;
/// Most wrong lines of a file that are told.
const WRONG_MAX: usize = 10;
/// Longest `currency`.
const CURRENCY_MAX: usize = 8;

/// Reads what calls over a trunk cost, and how much may be spent.
pub(crate) fn money(
    document: &Document<'_>,
    section: &mut Section<'_>,
) -> (Option<Arc<Rates>>, SpendOptions) {
    let billing = section.text("billing").map_or_else(Billing::default, |at| {
        Billing::parse(&at.value).unwrap_or_else(|error| {
            document.problem(&at.place, error);
            Billing::default()
        })
    });
    let rates = rates(document, section, billing);
    let currency = section.text("currency").map_or_else(String::new, |at| {
        let fits =
            |text: &str| text.len() <= CURRENCY_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits(&at.value) {
            document
                .problem(&at.place, format!("must be at most {CURRENCY_MAX} letters or digits like \"EUR\""));
        }
        at.value
    });
    let mut cap = |key: &'static str| {
        let at = section.text(key)?;
        let most = micros(at.value.trim());
        if most.is_none() {
            document.problem(
                &at.place,
                "must be an amount like \"250\" or \"99.50\", with six decimals at the most",
            );
        } else if most != Some(0) && rates.is_none() {
            document.problem(&at.place, "needs rates or rates_file: without prices nothing can be reckoned");
        }
        most.filter(|most| *most > 0)
    };
    let (daily_max, monthly_max) = (cap("spend_daily_max"), cap("spend_monthly_max"));
    (rates, SpendOptions { daily_max, monthly_max, currency })
}

/// Reads what calls over a trunk cost.
fn rates(document: &Document<'_>, section: &mut Section<'_>, billing: Billing) -> Option<Arc<Rates>> {
    let (lines, file) = (section.texts("rates", false), section.text("rates_file"));
    let mut rates = Rates::default();
    if let (Some(_), Some(file)) = (&lines, &file) {
        document.problem(&file.place, "rates is there already; one of the two is enough");
    }
    if let Some(lines) = lines {
        if lines.value.len() > LINES_MAX {
            document.problem(&lines.place, format!("must have at most {LINES_MAX} lines; use rates_file"));
        }
        for line in lines.value.iter().take(LINES_MAX) {
            let mut words = line.value.split_whitespace();
            let mut word = || words.next().unwrap_or_default();
            let read = Line { prefix: word(), price: word(), increment: word(), fee: word() };
            let added = rates.add(read, billing);
            if let Err(error) = added {
                document.problem(&line.place, error);
            } else if words.next().is_some() {
                document
                    .problem(&line.place, "must be lines like \"+44 0.0125\" or \"+44 0.0125 60/6 0.05\"");
            }
        }
    } else {
        let file = file?;
        let path = document.path(&file.value);
        let large = std::fs::metadata(&path).is_ok_and(|found| found.len() > FILE_OCTETS_MAX);
        let text = match std::fs::read_to_string(&path) {
            Ok(_) if large => Err("is larger than 16 MiB".to_owned()),
            Ok(text) => Ok(text),
            Err(error) => Err(format!("can't be read: {error}")),
        };
        match text {
            Ok(text) => {
                for wrong in from_csv(&text, &mut rates, billing).into_iter().take(WRONG_MAX) {
                    document.problem(&file.place, format!("{} {wrong}", path.display()));
                }
            }
            Err(message) => document.problem(&file.place, format!("{} {message}", path.display())),
        }
    }
    (!rates.is_empty()).then(|| Arc::new(rates))
}

/// Lines of `prefix,price_per_minute[,increment[,fee]]`; the first one may be a head. What is wrong, with its line.
fn from_csv(text: &str, rates: &mut Rates, billing: Billing) -> Vec<String> {
    let mut wrong = Vec::new();
    // Some programs begin a text with a mark.
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    for (place, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        if place == 0 && fields.first().is_some_and(|first| first.eq_ignore_ascii_case("prefix")) {
            continue;
        }
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        let line = Line { prefix: field(0), price: field(1), increment: field(2), fee: field(3) };
        if fields.len() > 4 {
            wrong.push(format!("line {}: more than prefix, price, increment and fee", place + 1));
        } else if let Err(error) = rates.add(line, billing) {
            wrong.push(format!("line {}: {error}", place + 1));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_or_without_a_head() {
        for text in [
            "prefix,price_per_minute,increment,fee\n+44,0.0125,60,0\n\n1,0.009\n",
            "\u{feff}44,\"0.0125\",60\r\n+1, 0.009 ,\r\n",
        ] {
            let mut rates = Rates::default();
            assert_eq!(
                from_csv(text, &mut rates, Billing { first_s: 30, next_s: 6 }),
                [] as [String; 0],
                "{text}"
            );
            let of = |number: &str| rates.of(number).map(|rate| (rate.per_minute, rate.billing.first_s));
            assert_eq!((of("+4420"), of("+1202"), of("+49")), (Some((12_500, 60)), Some((9_000, 30)), None));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let mut rates = Rates::default();
        let wrong =
            from_csv("prefix,price\n+44,cheap\n+44,1\n+44,2\na,1\n1,2,3,4,5", &mut rates, Billing::default());
        assert_eq!(wrong.len(), 4);
        for (told, start) in wrong.iter().zip([
            "line 2: `cheap` is no price",
            "line 4: prefix +44 is there twice",
            "line 5: `a` is no prefix",
            "line 6: more than",
        ]) {
            assert!(told.starts_with(start), "{told}");
        }
    }
}
