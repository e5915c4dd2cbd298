//! Meters: what the process counts and times for `/metrics`. Names and units stand in `carillon_api::metrics`.
//!
//! Endings are counted when they are durable, so that the counters agree with the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use carillon_api::metrics::{self as names, Exporter};
use carillon_core::attempt::outcome::Outcome;
use carillon_core::id::{AttemptId, CampaignId, Ticket};
use carillon_core::inbound::InboundOutcome;
use carillon_core::store::read::Recovered;
use carillon_core::store::words::Word;
use carillon_core::store::write::{Refusal, Write};
use carillon_sip::event::TrunkState;
use carillon_sip::gateway::counters::Counters;
use carillon_sip::io::hep::HepCounts;
use metrics::{counter, gauge, histogram};

use crate::engine::EngineHandle;
use crate::node::TrunkFigures;
use crate::sockets::workers::WorkerCounts;

/// How often gauges follow the live view.
const INTERVAL: Duration = Duration::from_secs(1);
/// Attempts whose campaign is remembered; far above the calls that can be up at once.
const CAMPAIGNS_MAX: usize = 100_000;

/// Shows the newest state of the engine as gauges and counters until the engine stops.
pub fn follow(engine: &EngineHandle, exporter: Exporter) {
    let (live, status) = (engine.live(), engine.status());
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tick.tick().await;
            names::show_live(&live.borrow());
            show_counters(&status.borrow().counters);
            show_workers(&status.borrow().workers);
            if let Some(HepCounts { sent, dropped }) = status.borrow().hep {
                counter!(names::HEP_MESSAGES_TOTAL, "result" => "sent").absolute(sent);
                counter!(names::HEP_MESSAGES_TOTAL, "result" => "dropped").absolute(dropped);
            }
            show_trunks(&status.borrow().trunk_figures);
            gauge!(names::ENGINE_BUSY_RATIO).set(status.borrow().busy_share);
            // Without a limit there is none to show.
            let admitted = status.borrow().admitted_per_second.unwrap_or(f64::INFINITY);
            gauge!(names::ADMITTED_CALLS_PER_SECOND).set(admitted);
            exporter.upkeep();
            if status.has_changed().is_err() {
                return;
            }
        }
    });
}

fn show_counters(counters: &Counters) {
    let datagrams = |direction: &'static str| counter!(names::SIP_DATAGRAMS_TOTAL, "direction" => direction);
    datagrams("received").absolute(counters.datagrams_received);
    datagrams("sent").absolute(counters.datagrams_sent);
    datagrams("dropped").absolute(counters.datagrams_dropped);
    counter!(names::CONSULTATIONS_TOTAL).absolute(counters.consultations);
    counter!(names::TAKEOVERS_TOTAL).absolute(counters.takeovers);
    let refused = |reason: &'static str| counter!(names::SIP_REFUSED_TOTAL, "reason" => reason);
    refused("malformed").absolute(counters.malformed_answered);
    refused("credentials").absolute(counters.register_refused);
    refused("rate").absolute(counters.register_limited);
    refused("guesses").absolute(counters.register_guessed);
    refused("consultation").absolute(counters.consultations_refused);
    refused("takeover").absolute(counters.takeovers_refused);
    refused("overload").absolute(counters.shed);
    refused("incoming").absolute(counters.incoming_refused);
    refused("foreign_source").absolute(counters.foreign_source);
    refused("stray").absolute(counters.strays.saturating_add(counters.strangers));
}

fn show_workers(workers: &[WorkerCounts]) {
    for (index, WorkerCounts { received, noise, overflowed, sent, unsent }) in workers.iter().enumerate() {
        let results = [
            ("received", received),
            ("noise", noise),
            ("overflowed", overflowed),
            ("sent", sent),
            ("unsent", unsent),
        ];
        for (result, count) in results {
            counter!(names::SIP_WORKER_DATAGRAMS_TOTAL, "worker" => index.to_string(), "result" => result)
                .absolute(*count);
        }
    }
}

fn show_trunks(trunks: &[TrunkFigures]) {
    for TrunkFigures { name, state, lines_used, tally, caps } in trunks {
        let own = |metric: &'static str| counter!(metric, "trunk" => name.clone());
        own(names::TRUNK_INVITES_TOTAL).absolute(tally.invites);
        own(names::TRUNK_ANSWERS_TOTAL).absolute(tally.answers);
        own(names::TRUNK_EFFECTIVE_TOTAL).absolute(tally.effective);
        own(names::TRUNK_DIVERTED_TOTAL).absolute(tally.diverted);
        own(names::TRUNK_MOVED_TOTAL).absolute(tally.moved);
        own(names::TRUNK_NUMBERS_RESTED_TOTAL).absolute(tally.rested);
        if tally.signed + tally.unsigned > 0 {
            let signed = |result: &'static str| counter!(names::TRUNK_SIGNED_TOTAL, "trunk" => name.clone(), "result" => result);
            signed("signed").absolute(tally.signed);
            signed("failed").absolute(tally.unsigned);
            gauge!(names::TRUNK_SIGNING_SECONDS, "trunk" => name.clone()).set(tally.signing.as_secs_f64());
        }
        own(names::TRUNK_UNPRICED_TOTAL).absolute(tally.unpriced);
        if let Some(spent) = caps.spent {
            gauge!(names::TRUNK_SPENT, "trunk" => name.clone()).set(units(spent));
        }
        if let Some(left) = caps.spend_left {
            gauge!(names::TRUNK_SPEND_LEFT, "trunk" => name.clone()).set(units(left));
        }
        if let Some(left) = caps.talk_left {
            gauge!(names::TRUNK_TALK_LEFT_SECONDS, "trunk" => name.clone()).set(left.as_secs_f64());
        }
        let resting = u32::try_from(caps.numbers_resting).unwrap_or(u32::MAX);
        gauge!(names::TRUNK_NUMBERS_RESTING, "trunk" => name.clone()).set(f64::from(resting));
        own(names::TRUNK_RANG_TOTAL).absolute(tally.rang);
        gauge!(names::TRUNK_POST_DIAL_SECONDS, "trunk" => name.clone()).set(tally.post_dial.as_secs_f64());
        gauge!(names::TRUNK_CALLS, "trunk" => name.clone()).set(f64::from(*lines_used));
        gauge!(names::TRUNK_UP, "trunk" => name.clone()).set(f64::from(u8::from(*state == TrunkState::Up)));
        for (class, count) in tally.failures.by_class() {
            counter!(names::TRUNK_FAILURES_TOTAL, "trunk" => name.clone(), "class" => class).absolute(count);
        }
    }
}

/// Millionths as units, to be looked at.
#[allow(clippy::cast_precision_loss)]
fn units(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Batches on their way to the store and what they will have counted once they are durable.
pub struct Batches {
    names: BTreeMap<CampaignId, String>,
    campaigns: BTreeMap<AttemptId, CampaignId>,
    /// Inbound calls that have no outcome yet.
    callers: BTreeSet<AttemptId>,
    under_way: BTreeMap<Ticket, Batch>,
}

struct Batch {
    since: Instant,
    endings: Vec<(Option<CampaignId>, Outcome, Duration)>,
    answer_to_agent: Vec<(Option<CampaignId>, Duration)>,
    inbound: Vec<(CampaignId, InboundOutcome)>,
}

impl Batches {
    /// Nothing under way; campaigns of earlier processes keep their names.
    pub fn new(recovered: &Recovered) -> Self {
        let names = recovered.campaigns.iter().map(|known| (known.campaign, known.spec.name.clone()));
        Self {
            names: names.collect(),
            campaigns: BTreeMap::new(),
            callers: BTreeSet::new(),
            under_way: BTreeMap::new(),
        }
    }

    /// A batch goes to the store.
    pub fn submitted(&mut self, ticket: Ticket, writes: &[Write]) {
        let mut batch = Batch {
            since: Instant::now(),
            endings: Vec::new(),
            answer_to_agent: Vec::new(),
            inbound: Vec::new(),
        };
        for write in writes {
            match write {
                Write::Intent(intent) => {
                    if self.campaigns.len() < CAMPAIGNS_MAX {
                        self.campaigns.insert(intent.attempt, intent.campaign);
                    }
                }
                Write::Ended(ended) => {
                    let campaign = self.campaigns.get(&ended.attempt).copied();
                    batch.endings.push((campaign, ended.outcome, ended.talk));
                }
                Write::AgentHeard { attempt, answer_to_agent } => {
                    batch.answer_to_agent.push((self.campaigns.get(attempt).copied(), *answer_to_agent));
                }
                Write::Campaign { campaign, spec, .. } => {
                    self.names.insert(*campaign, spec.name.clone());
                }
                Write::Inbound(row) => {
                    // Its word and its recording write the row again; what a restart ends was another process's.
                    let known = self.callers.remove(&row.call);
                    match row.outcome {
                        None if self.callers.len() < CAMPAIGNS_MAX => {
                            self.callers.insert(row.call);
                        }
                        Some(outcome) if known || outcome == InboundOutcome::Interrupted => {
                            batch.inbound.push((row.campaign, outcome));
                        }
                        None | Some(_) => {}
                    }
                }
                Write::Disposition { .. }
                | Write::Diverted { .. }
                | Write::Placed { .. }
                | Write::Ringing { .. }
                | Write::Answered { .. }
                | Write::Bridged { .. }
                | Write::HandedOver { .. }
                | Write::Recorded { .. }
                | Write::Task { .. }
                | Write::AgentTime { .. }
                | Write::PacerState { .. }
                | Write::Journal(_)
                | Write::AgentLeg { .. }
                | Write::Number(_)
                | Write::Preferred { .. }
                | Write::Binding(_)
                | Write::Unbind { .. } => {}
            }
        }
        for write in writes {
            if let Write::Ended(ended) = write {
                self.campaigns.remove(&ended.attempt);
            }
        }
        self.under_way.insert(ticket, batch);
    }

    /// How long the oldest batch has been under way.
    pub fn oldest(&self) -> Duration {
        self.under_way.first_key_value().map_or(Duration::ZERO, |(_, batch)| batch.since.elapsed())
    }

    /// The store has answered.
    pub fn answered(&mut self, ticket: Ticket, result: &Result<(), Refusal>) {
        let Some(batch) = self.under_way.remove(&ticket) else { return };
        let word = match result {
            Ok(()) => "stored",
            Err(Refusal::Unavailable(_)) => "failed",
            Err(Refusal::Suppressed | Refusal::Open | Refusal::Task | Refusal::Ended) => "refused",
        };
        counter!(names::STORE_BATCHES_TOTAL, "result" => word).increment(1);
        if result.is_err() {
            return;
        }
        histogram!(names::STORE_COMMIT_SECONDS).record(batch.since.elapsed());
        for (campaign, outcome, talk) in batch.endings {
            let campaign = self.label(campaign);
            counter!(names::CALLS_TOTAL, "campaign" => campaign.clone(), "outcome" => outcome.word())
                .increment(1);
            if !talk.is_zero() {
                histogram!(names::TALK_SECONDS, "campaign" => campaign).record(talk);
            }
        }
        for (campaign, outcome) in batch.inbound {
            let campaign = self.label(Some(campaign));
            counter!(names::INBOUND_TOTAL, "campaign" => campaign, "outcome" => outcome.word()).increment(1);
        }
        for (campaign, time) in batch.answer_to_agent {
            histogram!(names::ANSWER_TO_AGENT_SECONDS, "campaign" => self.label(campaign)).record(time);
        }
    }

    /// The campaign's name as a label; campaigns are few.
    fn label(&self, campaign: Option<CampaignId>) -> String {
        let name = campaign.and_then(|campaign| self.names.get(&campaign));
        name.cloned().unwrap_or_else(|| "unknown".to_owned())
    }
}
