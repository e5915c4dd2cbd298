//! The answers that are known, and when each is asked for anew.
//!
//! An answer is kept for its time to live, within bounds, and asked for again before that is over, so that whoever uses it never
//! waits. Where nobody answers, what was known stays for [`STALE_MAX`] (RFC 8767), and is asked for ever more seldom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::plan::{Plan, Server, plan};
use super::{Answer, Named, Place, Question};
use crate::transport::Local;

/// Shortest time that records are kept, whatever their time to live: a carrier that says zero is not asked for every call.
pub const TTL_MIN: Duration = Duration::from_secs(5);
/// Longest time that records are kept.
pub const TTL_MAX: Duration = Duration::from_secs(24 * 3600);
/// Shortest time that "there is none" is kept.
pub const NOTHING_MIN: Duration = Duration::from_secs(5);
/// Longest time that "there is none" is kept; also where no time was said (RFC 2308 §5).
pub const NOTHING_MAX: Duration = Duration::from_secs(300);
/// How long after a first failure it is asked again; each failure doubles it.
pub const RETRY: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
pub const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long records are used beyond their time while nobody answers (RFC 8767 §4 names one to three days).
pub const STALE_MAX: Duration = Duration::from_secs(3 * 24 * 3600);
/// A question that has not come back by then has failed.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Most answers that are known or awaited at once; beyond that nothing new is asked.
pub const ANSWERS_MAX: usize = 10_000;

/// What the machine wants told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put this question to a nameserver and bring the answer to [`Resolver::answered`].
    Ask(Question),
    /// A name leads to these servers from now on, and to no others; there is at least one.
    Found {
        /// Its number.
        name: usize,
        /// The servers.
        servers: Vec<Server>,
    },
    /// A name leads nowhere.
    Lost {
        /// Its number.
        name: usize,
        /// Why, in words.
        why: String,
    },
}

/// Names, and what is known of where they lead.
#[derive(Debug)]
pub struct Resolver {
    listen: Vec<Local>,
    names: BTreeMap<usize, Name>,
    known: BTreeMap<Question, Known>,
    /// Questions that are out, each with the time by which it has failed.
    asked: BTreeMap<Question, Duration>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Name {
    named: Named,
    /// What its last walk used.
    used: Vec<Question>,
    /// Where it leads; `None`: not known yet.
    servers: Option<Vec<Server>>,
}

#[derive(Debug)]
struct Known {
    answer: Answer,
    /// When it is asked for again.
    due: Duration,
    /// Until when it may be used while nobody answers.
    until: Duration,
    /// Failures in a row.
    failures: u32,
}

impl Resolver {
    /// The names among `places`, by their numbers. `listen` are our own addresses.
    pub fn new<'a>(listen: &[Local], places: impl Iterator<Item = &'a Place>) -> Self {
        let named = |(number, place): (usize, &'a Place)| match place {
            Place::Fixed(_) => None,
            Place::Named(named) => Some((number, named.clone())),
        };
        let name = |named| Name { named, used: Vec::new(), servers: None };
        Self {
            listen: listen.to_vec(),
            names: places
                .enumerate()
                .filter_map(named)
                .map(|(number, named)| (number, name(named)))
                .collect(),
            known: BTreeMap::new(),
            asked: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Begins to ask.
    pub fn start(&mut self, now: Duration) {
        self.walk_all(now);
    }

    /// Takes an answer.
    pub fn answered(&mut self, question: Question, answer: Answer, now: Duration) {
        // What nobody waits for, or waits for no more, is not believed.
        if self.asked.remove(&question).is_some() {
            self.note(question, answer, now);
            self.walk_all(now);
        }
    }

    /// What is to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Resolver::handle_timeout`] must be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let waits = |(question, known): (&Question, &Known)| match self.asked.contains_key(question) {
            true => None,
            false => Some(known.due),
        };
        self.known.iter().filter_map(waits).chain(self.asked.values().copied()).min()
    }

    /// Asks for what is due, and gives up on what has not come.
    pub fn handle_timeout(&mut self, now: Duration) {
        let late: Vec<Question> =
            self.asked.iter().filter(|it| *it.1 <= now).map(|it| it.0.clone()).collect();
        for question in late {
            self.asked.remove(&question);
            self.note(question, Answer::Failed { fault: "no answer".into() }, now);
        }
        let due: Vec<Question> =
            self.known.iter().filter(|it| it.1.due <= now).map(|it| it.0.clone()).collect();
        for question in due {
            self.ask(question, now);
        }
        self.walk_all(now);
    }

    fn ask(&mut self, question: Question, now: Duration) {
        if !self.asked.contains_key(&question) {
            self.asked.insert(question.clone(), now.saturating_add(ANSWER_MAX));
            self.outputs.push_back(Output::Ask(question));
        }
    }

    fn note(&mut self, question: Question, answer: Answer, now: Duration) {
        let before = self.known.remove(&question);
        let failures = before.as_ref().map_or(0, |known| known.failures);
        let (kept, answer) = match answer {
            Answer::Records { ttl, .. } => (ttl.clamp(TTL_MIN, TTL_MAX), answer),
            Answer::Nothing { ttl } => (ttl.unwrap_or(NOTHING_MAX).clamp(NOTHING_MIN, NOTHING_MAX), answer),
            Answer::Failed { .. } => {
                let due = now.saturating_add(RETRY.saturating_mul(1 << failures.min(8)).min(RETRY_MAX));
                let failures = failures.saturating_add(1);
                // What was known stays, for its time and then for a while.
                let stale = before.filter(|known| known.until > now);
                let known = match stale {
                    Some(known) => Known { due, failures, ..known },
                    None => Known { answer, due, until: now, failures },
                };
                self.known.insert(question, known);
                return;
            }
        };
        let until = now.saturating_add(kept).saturating_add(STALE_MAX);
        // A fifth of its time is left to get the next one.
        let due = now.saturating_add(kept * 4 / 5);
        self.known.insert(question, Known { answer, due, until, failures: 0 });
    }

    /// Walks from every name, asks for what is missing, tells what is new and forgets what nobody uses.
    fn walk_all(&mut self, now: Duration) {
        let mut used = BTreeSet::new();
        let mut missing = Vec::new();
        for (number, name) in &mut self.names {
            let know = |question: &Question| self.known.get(question).map(|known| &known.answer);
            let Plan { missing: lacks, used: uses, servers, failed } = plan(&name.named, &self.listen, know);
            // Until the walk is whole the answers of the last one are kept fresh too.
            used.extend(uses.iter().cloned());
            if !lacks.is_empty() {
                used.extend(name.used.iter().cloned());
                missing.extend(lacks);
                continue;
            }
            name.used = uses;
            if name.servers.as_ref() == Some(&servers) {
                continue;
            }
            self.outputs.push_back(match servers.is_empty() {
                true => {
                    let why = if failed { fault_of(&name.used, know) } else { "it has no address".into() };
                    Output::Lost { name: *number, why }
                }
                false => Output::Found { name: *number, servers: servers.clone() },
            });
            name.servers = Some(servers);
        }
        self.known.retain(|question, _| used.contains(question));
        for question in missing {
            if self.known.len() + self.asked.len() < ANSWERS_MAX {
                self.ask(question, now);
            }
        }
    }
}

/// What went wrong with the first of these questions that nobody answered.
fn fault_of<'a>(used: &[Question], know: impl Fn(&Question) -> Option<&'a Answer>) -> String {
    let fault = |question: &Question| match know(question) {
        Some(Answer::Failed { fault }) => Some(format!("{} of {}: {fault}", question.kind, question.name)),
        Some(Answer::Records { .. } | Answer::Nothing { .. }) | None => None,
    };
    used.iter().find_map(fault).unwrap_or_default()
}

#[cfg(test)]
mod tests;
