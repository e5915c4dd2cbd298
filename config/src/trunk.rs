//! What `[[trunk]]` says of refusals: which of them go on to the next trunk, and what they mean.

use std::time::Duration;

use carillon_core::attempt::table::{RULES_MAX, Rule};
use carillon_sip::trunk::failover::{Failover, SILENCE_DEFAULT};

use crate::reader::{Document, Section};

/// Most entries of `failover`.
const STATUSES_MAX: usize = 100;
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
