//! Outcomes as data: lines of "when it looked like this, it was that".

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::outcome::{Attribution, Finding, Outcome};
use crate::campaign::duration_text;
use crate::store::words::Word;

/// The lines that hold where a trunk has none of its own.
static STANDARD: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let lines = include_str!("outcomes.txt").lines().map(without_comment).filter(|line| !line.is_empty());
    // A test reads every line, so none is lost here.
    lines.filter_map(|line| Rule::parse(line).ok()).collect()
});

/// Most lines of one trunk.
pub const RULES_MAX: usize = 200;

/// What trunks mean by their refusals, by name; those that mean what all do are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes(BTreeMap<String, Arc<[Rule]>>);

impl Outcomes {
    /// Gives a trunk its own lines.
    pub fn insert(&mut self, trunk: &str, rules: Vec<Rule>) {
        if !rules.is_empty() {
            self.0.insert(trunk.to_owned(), rules.into());
        }
    }

    /// The lines of a trunk.
    pub fn of(&self, trunk: &str) -> Option<Arc<[Rule]>> {
        self.0.get(trunk).cloned()
    }
}

/// What was heard of a call that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Final SIP status, 300 to 699.
    pub status: u16,
    /// Q.850 cause of the Reason header, 1 to 127.
    pub cause: Option<u8>,
    /// How long before the end it rang first (180 or 183), if it did.
    pub rang: Option<Duration>,
    /// Whether a session came before any answer.
    pub early_media: bool,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// First and last status that it is for; `None`: all.
    statuses: Option<(u16, u16)>,
    /// First and last cause; `None`: with and without.
    causes: Option<(u16, u16)>,
    sign: Option<Sign>,
    outcome: Outcome,
    attribution: Attribution,
    reason: Option<String>,
}

/// What was heard before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Rang(Duration),
    EarlyMedia,
    Unheard,
}

/// Why a line can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nothing is said of when it holds.
    #[error("must begin with a status, a range of them or q850:CAUSE")]
    When,
    /// A word that has no meaning there.
    #[error("{0} is no status from 300 to 699, q850:CAUSE, rang:TIME, early_media or unheard")]
    Word(String),
    /// Not an outcome that a call without an answer can have.
    #[error(
        "{0} is no outcome of a call without an answer: busy, no_answer, rejected, invalid_number, congestion, failed"
    )]
    Outcome(String),
    /// Not one of the four.
    #[error("{0} is not callee, trunk, network or us")]
    Attribution(String),
}

impl Rule {
    /// Reads a line: when it holds (statuses, causes, what was heard before), then the outcome, whose doing it was (the callee's
    /// unless said), and a reason where it has one of its own.
    pub fn parse(line: &str) -> Result<Self, RuleError> {
        let (mut statuses, mut causes, mut sign) = (None, None, None);
        let mut words = line.split_whitespace().peekable();
        while let Some(word) = words.next_if(|word| is_condition(word)) {
            let unknown = || RuleError::Word(word.to_owned());
            if let Some(text) = word.strip_prefix("q850:") {
                causes = Some(range(text, 1..=127).ok_or_else(unknown)?);
            } else if let Some(text) = word.strip_prefix("rang:") {
                sign = Some(Sign::Rang(duration_text::parse(text).map_err(|_| unknown())?));
            } else if word == "early_media" {
                sign = Some(Sign::EarlyMedia);
            } else if word == "unheard" {
                sign = Some(Sign::Unheard);
            } else {
                statuses = Some(range(word, 300..=699).ok_or_else(unknown)?);
            }
        }
        if statuses.is_none() && causes.is_none() {
            return Err(RuleError::When);
        }
        let outcome = outcome(words.next().unwrap_or_default())?;
        let attribution = words.next().map_or(Ok(Attribution::Callee), attribution)?;
        let reason = words.next().map(str::to_owned);
        if let Some(word) = words.next() {
            return Err(RuleError::Word(word.to_owned()));
        }
        Ok(Self { statuses, causes, sign, outcome, attribution, reason })
    }

    fn fits(&self, heard: &Heard) -> bool {
        let within = |(first, last): (u16, u16)| (first..=last).contains(&heard.status);
        let caused = |(first, last): (u16, u16)| {
            heard.cause.is_some_and(|cause| (first..=last).contains(&u16::from(cause)))
        };
        let signed = |sign: Sign| match sign {
            Sign::Rang(least) => heard.rang.is_some_and(|rang| rang >= least),
            Sign::EarlyMedia => heard.early_media,
            Sign::Unheard => heard.rang.is_none() && !heard.early_media,
        };
        self.statuses.is_none_or(within) && self.causes.is_none_or(caused) && self.sign.is_none_or(signed)
    }

    /// What it makes of a call: its reason names what decided, `q850_17` or `sip_486`.
    fn finding(&self, heard: &Heard) -> Finding {
        let reason = match (&self.reason, self.causes.and(heard.cause)) {
            (Some(reason), _) => reason.clone(),
            (None, Some(cause)) => format!("q850_{cause}"),
            (None, None) => format!("sip_{}", heard.status),
        };
        let (outcome, attribution) = (self.outcome, self.attribution);
        Finding { outcome, sip_status: Some(heard.status), attribution, reason }
    }
}

/// What a call without an answer was: the first of the trunk's own lines that fits, else of the standard ones.
pub fn finding(heard: &Heard, own: &[Rule]) -> Finding {
    let mut rules = own.iter().chain(STANDARD.iter());
    rules.find(|rule| rule.fits(heard)).map_or_else(
        || Finding {
            sip_status: Some(heard.status),
            ..Finding::new(Outcome::Failed, Attribution::Trunk, &format!("sip_{}", heard.status))
        },
        |rule| rule.finding(heard),
    )
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// Whether a word says when a line holds: what is neither an outcome begins with a digit or is one of the few.
fn is_condition(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        || word.contains(':')
        || matches!(word, "early_media" | "unheard")
}

fn range(text: &str, within: std::ops::RangeInclusive<u16>) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| within.contains(number));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

fn outcome(word: &str) -> Result<Outcome, RuleError> {
    match Outcome::from_word(word) {
        Some(
            outcome @ (Outcome::Busy
            | Outcome::NoAnswer
            | Outcome::Rejected
            | Outcome::InvalidNumber
            | Outcome::Congestion
            | Outcome::Failed),
        ) => Ok(outcome),
        Some(
            Outcome::Answered
            | Outcome::Abandoned
            | Outcome::Machine
            | Outcome::Cancelled
            | Outcome::Interrupted,
        )
        | None => Err(RuleError::Outcome(word.to_owned())),
    }
}

fn attribution(word: &str) -> Result<Attribution, RuleError> {
    Attribution::from_word(word).ok_or_else(|| RuleError::Attribution(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<&'static str> {
        include_str!("outcomes.txt").lines().map(without_comment).filter(|line| !line.is_empty()).collect()
    }

    fn heard(status: u16, cause: Option<u8>) -> Heard {
        Heard { status, cause, rang: None, early_media: false }
    }

    fn is(heard: &Heard, own: &[Rule]) -> (Outcome, Attribution, String) {
        let Finding { outcome, attribution, reason, sip_status } = finding(heard, own);
        assert_eq!(sip_status, Some(heard.status));
        (outcome, attribution, reason)
    }

    #[test]
    fn every_line_is_read() {
        for line in lines() {
            Rule::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        assert_eq!(STANDARD.len(), lines().len());
    }

    #[test]
    fn every_status_has_a_line_and_means_one_thing() {
        use Attribution::{Callee, Network, Trunk, Us};
        for status in 300..=699 {
            let named = match status {
                401 | 407 => (Outcome::Failed, Us, "trunk_refused_credentials".to_owned()),
                408 | 480 | 487 => (Outcome::NoAnswer, Callee, format!("sip_{status}")),
                486 | 600 => (Outcome::Busy, Callee, format!("sip_{status}")),
                403 | 433 | 603 | 607 => (Outcome::Rejected, Callee, format!("sip_{status}")),
                608 => (Outcome::Rejected, Network, format!("sip_{status}")),
                404 | 410 | 484 | 604 => (Outcome::InvalidNumber, Callee, format!("sip_{status}")),
                500..=599 => (Outcome::Congestion, Trunk, format!("sip_{status}")),
                300..=399 => (Outcome::Failed, Trunk, "redirected".to_owned()),
                _ => (Outcome::Failed, Trunk, format!("sip_{status}")),
            };
            assert_eq!(is(&heard(status, None), &[]), named, "{status}");
            assert!(STANDARD.iter().any(|rule| rule.fits(&heard(status, None))), "{status} falls through");
        }
    }

    #[test]
    fn every_cause_decides_or_leaves_it_to_the_status() {
        use Attribution::{Callee, Trunk};
        for cause in 1..=127_u8 {
            let expected = match cause {
                1 | 4 | 5 | 22 | 23 | 28 => Some((Outcome::InvalidNumber, Callee)),
                17 => Some((Outcome::Busy, Callee)),
                18..=20 | 26 | 27 => Some((Outcome::NoAnswer, Callee)),
                21 | 24 | 55 | 87 => Some((Outcome::Rejected, Callee)),
                88 => Some((Outcome::Failed, Callee)),
                2 | 3 | 6..=9 | 14 | 25 | 34..=47 | 49 | 58..=63 | 91 | 102 => {
                    Some((Outcome::Congestion, Trunk))
                }
                29 | 50..=54 | 57 | 65..=86 | 90 | 95..=101 | 103..=111 => Some((Outcome::Failed, Trunk)),
                _ => None,
            };
            for status in [404, 480, 486, 500, 503] {
                let (outcome, attribution, reason) = is(&heard(status, Some(cause)), &[]);
                match expected {
                    Some(expected) => {
                        assert_eq!(((outcome, attribution), reason), (expected, format!("q850_{cause}")));
                    }
                    None => {
                        assert_eq!((outcome, attribution, reason), is(&heard(status, None), &[]), "{cause}")
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_by_analytics_is_not_the_callees_refusal() {
        assert_eq!(
            is(&heard(603, Some(21)), &[]),
            (Outcome::Rejected, Attribution::Network, "q850_21".into())
        );
        assert_eq!(
            is(&heard(480, Some(21)), &[]),
            (Outcome::Rejected, Attribution::Callee, "q850_21".into())
        );
    }

    #[test]
    fn a_gateway_that_gives_up_after_long_ringing_means_no_answer() {
        let rang = |seconds| Heard { rang: Some(Duration::from_secs(seconds)), ..heard(500, None) };
        assert_eq!(is(&rang(10), &[]).0, Outcome::NoAnswer);
        assert_eq!(is(&rang(9), &[]).0, Outcome::Congestion);
    }

    #[test]
    fn a_trunks_own_lines_come_first() {
        let own: Vec<Rule> = [
            "503 unheard congestion trunk",
            "503 early_media invalid_number",
            "503 no_answer",
            "q850:16 rejected network",
            "480-486 rang:5s rejected callee",
        ]
        .into_iter()
        .map(|line| Rule::parse(line).unwrap())
        .collect();
        let media = Heard { early_media: true, ..heard(503, None) };
        let rang = Heard { rang: Some(Duration::from_secs(6)), ..heard(503, None) };
        assert_eq!(is(&heard(503, None), &own).0, Outcome::Congestion);
        assert_eq!(is(&media, &own), (Outcome::InvalidNumber, Attribution::Callee, "sip_503".into()));
        assert_eq!(is(&rang, &own).0, Outcome::NoAnswer);
        assert_eq!(is(&Heard { status: 486, ..rang }, &own).0, Outcome::Rejected);
        assert_eq!(is(&heard(486, None), &own).0, Outcome::Busy, "as for all");
        assert_eq!(
            is(&heard(404, Some(16)), &own),
            (Outcome::Rejected, Attribution::Network, "q850_16".into())
        );
    }

    #[test]
    fn what_means_nothing_is_said_so() {
        for line in [
            "",
            "busy",
            "unheard busy",
            "200 busy",
            "700 busy",
            "599-500 busy",
            "q850:0 busy",
            "q850:128 busy",
            "503 rang:soon busy",
            "503 often busy",
            "503",
            "503 answered",
            "503 cancelled",
            "503 busy nobody",
            "503 busy callee because of it",
        ] {
            assert!(Rule::parse(line).is_err(), "{line}");
        }
    }
}
