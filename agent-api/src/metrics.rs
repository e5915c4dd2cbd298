//! Names, units and meaning of every metric, and their text for Prometheus.
//!
//! One prefix, base units, few labels; never a number, a name of a person or an id of a call as a label. Recording is
//! the binary's business (through the `metrics` macros and [`show_live`]), except for what this crate serves itself.

use carillon_core::agent::AgentState;
use carillon_core::live::LiveView;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Ended attempts; labels `campaign`, `outcome`.
pub const CALLS_TOTAL: &str = "dialer_calls_total";
/// Ended inbound calls; labels `campaign`, `outcome` (`talked`, `message`, `no_agent`, `left`, `failed`, `interrupted`).
pub const INBOUND_TOTAL: &str = "dialer_inbound_total";
/// Callers who wait for an agent; label `campaign`.
pub const CALLERS_WAITING: &str = "dialer_callers_waiting";
/// Calls right now; labels `campaign`, `state` (`ringing`, `waiting`, `talking`).
pub const CALLS: &str = "dialer_calls";
/// Real time from answer to first agent audio; label `campaign`.
pub const ANSWER_TO_AGENT_SECONDS: &str = "dialer_answer_to_agent_seconds";
/// Talk time of bridged calls; label `campaign`.
pub const TALK_SECONDS: &str = "dialer_talk_seconds";
/// Abandoned share of live answers; label `campaign`.
pub const ABANDON_RATIO: &str = "dialer_abandon_ratio";
/// The limit that share is held against; label `campaign`.
pub const ABANDON_LIMIT_RATIO: &str = "dialer_abandon_limit_ratio";
/// Open tasks; label `campaign`.
pub const TASKS_OPEN: &str = "dialer_tasks_open";
/// Agents; label `state`.
pub const AGENTS: &str = "dialer_agents";
/// Batches of writes; label `result` (`stored`, `refused`, `failed`).
pub const STORE_BATCHES_TOTAL: &str = "dialer_store_batches_total";
/// From a batch's arrival at the writer until it is durable.
pub const STORE_COMMIT_SECONDS: &str = "dialer_store_commit_seconds";
/// SIP datagrams; label `direction` (`received`, `sent`, `dropped`).
pub const SIP_DATAGRAMS_TOTAL: &str = "dialer_sip_datagrams_total";
/// The same by worker, where `[sip] workers` share the UDP addresses; labels `worker` (from 0) and `result` (`received`, of them
/// `noise` and, where the engine's queue was full, `overflowed`; `sent`, `unsent`).
pub const SIP_WORKER_DATAGRAMS_TOTAL: &str = "dialer_sip_worker_datagrams_total";
/// Messages for the capture server; label `result` (`sent`, `dropped`). Only where there is one.
pub const HEP_MESSAGES_TOTAL: &str = "dialer_hep_messages_total";
/// Colleagues whom agents called for advice.
pub const CONSULTATIONS_TOTAL: &str = "dialer_consultations_total";
/// Calls that agents took over on another phone of theirs.
pub const TAKEOVERS_TOTAL: &str = "dialer_takeovers_total";
/// SIP requests refused; label `reason` (`malformed`, `credentials`, `rate`, `guesses`, `consultation`, `takeover`,
/// `foreign_source`, `overload`, `stray`).
pub const SIP_REFUSED_TOTAL: &str = "dialer_sip_refused_total";
/// Share of the last tenth of a second that the engine worked, 0 to 1.
pub const ENGINE_BUSY_RATIO: &str = "dialer_engine_busy_ratio";
/// New calls a second that are taken on; `+Inf` while nothing is paced.
pub const ADMITTED_CALLS_PER_SECOND: &str = "dialer_admitted_calls_per_second";
/// Lines in use; label `trunk`.
pub const TRUNK_CALLS: &str = "dialer_trunk_calls";
/// INVITEs sent to a trunk, calls seized; label `trunk`. Its rate is the calls per second.
pub const TRUNK_INVITES_TOTAL: &str = "dialer_trunk_invites_total";
/// Calls that a trunk brought an answer to; label `trunk`. Over the INVITEs: the answer-seizure ratio.
pub const TRUNK_ANSWERS_TOTAL: &str = "dialer_trunk_answers_total";
/// Calls that ended by the callee's doing; label `trunk`. Over the INVITEs: the network efficiency ratio.
pub const TRUNK_EFFECTIVE_TOTAL: &str = "dialer_trunk_effective_total";
/// Calls that went on to another trunk; label `trunk`, the one that failed.
pub const TRUNK_DIVERTED_TOTAL: &str = "dialer_trunk_diverted_total";
/// Times that a trunk's caller ID was put to rest because it did far worse than the others.
pub const TRUNK_NUMBERS_RESTED_TOTAL: &str = "dialer_trunk_numbers_rested_total";
/// A trunk's caller IDs that rest because they do far worse than the others; label `trunk`.
pub const TRUNK_NUMBERS_RESTING: &str = "dialer_trunk_numbers_resting";
/// Calls of a trunk that went on to another of its servers.
pub const TRUNK_MOVED_TOTAL: &str = "dialer_trunk_moved_total";
/// Calls that could not go over a trunk that has a cap on what is spent and no price for their number; label `trunk`.
pub const TRUNK_UNPRICED_TOTAL: &str = "dialer_trunk_unpriced_total";
/// Calls of a trunk that its service was asked to sign; labels `trunk`, `result` (`signed`, `failed`). Only with a service.
pub const TRUNK_SIGNED_TOTAL: &str = "dialer_trunk_signed_total";
/// How long a trunk's calls waited for its service's signature, added up; label `trunk`. Over both results: the mean.
pub const TRUNK_SIGNING_SECONDS: &str = "dialer_trunk_signing_seconds";
/// What a trunk's ended calls have cost since the start, in units of its currency; label `trunk`. Only with prices.
pub const TRUNK_SPENT: &str = "dialer_trunk_spent";
/// What may still be spent on a trunk by the nearer of its caps, beside what live calls cost; label `trunk`. Only with a cap.
pub const TRUNK_SPEND_LEFT: &str = "dialer_trunk_spend_left";
/// How long a trunk's calls may still last by the nearer of its caps; label `trunk`. Only with a cap.
pub const TRUNK_TALK_LEFT_SECONDS: &str = "dialer_trunk_talk_left_seconds";
/// Calls that rang; label `trunk`.
pub const TRUNK_RANG_TOTAL: &str = "dialer_trunk_rang_total";
/// Post-dial delay of all calls that rang, added up; label `trunk`. Over those that rang: its mean.
pub const TRUNK_POST_DIAL_SECONDS: &str = "dialer_trunk_post_dial_seconds";
/// Whether a trunk can be used, 1 or 0; label `trunk`.
pub const TRUNK_UP: &str = "dialer_trunk_up";
/// Calls that failed; labels `trunk`, `class` (`3xx` to `6xx`, `silent`, `unreachable`, `other`).
pub const TRUNK_FAILURES_TOTAL: &str = "dialer_trunk_failures_total";
/// API requests; labels `route`, `method`, `status`.
pub const API_REQUESTS_TOTAL: &str = "dialer_api_requests_total";
/// Time from a request to the head of its answer; labels `route`, `method`.
pub const API_REQUEST_SECONDS: &str = "dialer_api_request_seconds";
/// Sign-ins; label `result` (`granted`, `refused`).
pub const SIGN_INS_TOTAL: &str = "dialer_api_sign_ins_total";
/// Always 1; label `version`.
pub const BUILD_INFO: &str = "dialer_build_info";

/// Bounds of the buckets of times, in seconds: two decades finer than a second, the legal two seconds among them.
const TIME_BUCKETS: [f64; 14] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const TALK_BUCKETS: [f64; 9] = [5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

const AGENT_STATES: [(AgentState, &str); 8] = [
    (AgentState::Offline, "offline"),
    (AgentState::Unreachable, "unreachable"),
    (AgentState::Engaged, "engaged"),
    (AgentState::Break, "break"),
    (AgentState::Ready, "ready"),
    (AgentState::Reserved, "reserved"),
    (AgentState::Talking, "talking"),
    (AgentState::WrapUp, "wrap_up"),
];

/// The process-wide collection of metrics.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// Makes this the process's collection and describes every metric.
    ///
    /// # Errors
    /// Another one was installed before.
    pub fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets(&TIME_BUCKETS)?
            .set_buckets_for_metric(Matcher::Full(TALK_SECONDS.into()), &TALK_BUCKETS)?
            .install_recorder()?;
        describe();
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(handle))
    }

    /// Everything collected so far, in Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what was recorded into the histograms; to be called every few seconds, or memory grows between scrapes.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Sets every gauge that follows from the live view.
pub fn show_live(view: &LiveView) {
    for campaign in &view.campaigns {
        let name = || campaign.name.clone();
        for (state, calls) in
            [("ringing", campaign.ringing), ("waiting", campaign.waiting), ("talking", campaign.talking)]
        {
            gauge!(CALLS, "campaign" => name(), "state" => state).set(to_float(calls));
        }
        gauge!(CALLERS_WAITING, "campaign" => name()).set(to_float(campaign.callers_waiting));
        gauge!(ABANDON_RATIO, "campaign" => name()).set(campaign.abandon_rate);
        gauge!(ABANDON_LIMIT_RATIO, "campaign" => name()).set(campaign.abandon_limit);
        gauge!(TASKS_OPEN, "campaign" => name()).set(to_float(campaign.tasks_open));
    }
    for (state, name) in AGENT_STATES {
        let count = view.agents.iter().filter(|agent| agent.state == state).count();
        gauge!(AGENTS, "state" => name).set(to_float(u64::try_from(count).unwrap_or(u64::MAX)));
    }
}

fn describe() {
    describe_counter!(CALLS_TOTAL, Unit::Count, "Ended attempts");
    describe_counter!(INBOUND_TOTAL, Unit::Count, "Ended inbound calls");
    describe_gauge!(CALLERS_WAITING, Unit::Count, "Callers who wait for an agent");
    describe_gauge!(CALLS, Unit::Count, "Calls right now");
    describe_histogram!(ANSWER_TO_AGENT_SECONDS, Unit::Seconds, "From answer to first agent audio");
    describe_histogram!(TALK_SECONDS, Unit::Seconds, "Talk time of bridged calls");
    describe_gauge!(ABANDON_RATIO, "Abandoned share of live answers");
    describe_gauge!(ABANDON_LIMIT_RATIO, "The limit the abandoned share is held against");
    describe_gauge!(TASKS_OPEN, Unit::Count, "Open tasks");
    describe_gauge!(AGENTS, Unit::Count, "Agents by state");
    describe_counter!(STORE_BATCHES_TOTAL, Unit::Count, "Batches of writes");
    describe_histogram!(STORE_COMMIT_SECONDS, Unit::Seconds, "Until a batch of writes is durable");
    describe_counter!(SIP_DATAGRAMS_TOTAL, Unit::Count, "SIP datagrams");
    describe_counter!(SIP_WORKER_DATAGRAMS_TOTAL, Unit::Count, "SIP datagrams by worker");
    describe_counter!(HEP_MESSAGES_TOTAL, Unit::Count, "Messages for the capture server");
    describe_counter!(CONSULTATIONS_TOTAL, Unit::Count, "Colleagues called for advice");
    describe_counter!(TAKEOVERS_TOTAL, Unit::Count, "Calls taken over on another phone");
    describe_counter!(SIP_REFUSED_TOTAL, Unit::Count, "SIP requests refused");
    describe_gauge!(ENGINE_BUSY_RATIO, "Share of the time that the engine works");
    describe_gauge!(
        ADMITTED_CALLS_PER_SECOND,
        Unit::CountPerSecond,
        "New calls taken on, +Inf while not paced"
    );
    describe_gauge!(TRUNK_CALLS, Unit::Count, "Lines in use");
    describe_counter!(TRUNK_INVITES_TOTAL, Unit::Count, "INVITEs sent");
    describe_counter!(TRUNK_ANSWERS_TOTAL, Unit::Count, "Calls answered");
    describe_counter!(TRUNK_EFFECTIVE_TOTAL, Unit::Count, "Calls that ended by the callee's doing");
    describe_counter!(TRUNK_DIVERTED_TOTAL, Unit::Count, "Calls that went on to another trunk");
    describe_counter!(TRUNK_NUMBERS_RESTED_TOTAL, Unit::Count, "Caller IDs that were put to rest");
    describe_gauge!(TRUNK_NUMBERS_RESTING, Unit::Count, "Caller IDs that rest");
    describe_counter!(TRUNK_MOVED_TOTAL, Unit::Count, "Calls that went on to another server of their trunk");
    describe_counter!(
        TRUNK_UNPRICED_TOTAL,
        Unit::Count,
        "Calls whose price nobody knows, kept off a capped trunk"
    );
    describe_gauge!(TRUNK_SPENT, "What ended calls have cost, in units of the trunk's currency");
    describe_gauge!(TRUNK_SPEND_LEFT, "What may still be spent by the nearer cap");
    describe_gauge!(
        TRUNK_TALK_LEFT_SECONDS,
        Unit::Seconds,
        "How long calls may still last by the nearer cap"
    );
    describe_counter!(TRUNK_SIGNED_TOTAL, Unit::Count, "Calls that a service was asked to sign");
    describe_gauge!(
        TRUNK_SIGNING_SECONDS,
        Unit::Seconds,
        "How long calls waited for their signature, added up"
    );
    describe_counter!(TRUNK_RANG_TOTAL, Unit::Count, "Calls that rang");
    describe_gauge!(
        TRUNK_POST_DIAL_SECONDS,
        Unit::Seconds,
        "Post-dial delay of all calls that rang, added up"
    );
    describe_gauge!(TRUNK_UP, "Whether the trunk can be used");
    describe_counter!(TRUNK_FAILURES_TOTAL, Unit::Count, "Calls that failed");
    describe_counter!(API_REQUESTS_TOTAL, Unit::Count, "API requests");
    describe_histogram!(API_REQUEST_SECONDS, Unit::Seconds, "From an API request to the head of its answer");
    describe_counter!(SIGN_INS_TOTAL, Unit::Count, "Sign-ins to the API");
    describe_gauge!(BUILD_INFO, "Version of the running program");
}

/// Counts are far below the 53 bits that a float holds exactly.
#[allow(clippy::cast_precision_loss)]
fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_view_shows_in_the_text() {
        let exporter = Exporter::install().unwrap();
        show_live(&LiveView::default());
        metrics::histogram!(ANSWER_TO_AGENT_SECONDS, "campaign" => "renewals").record(0.02);
        let text = exporter.render();
        for line in [
            "# TYPE dialer_agents gauge",
            "dialer_agents{state=\"wrap_up\"} 0",
            "dialer_answer_to_agent_seconds_bucket{campaign=\"renewals\",le=\"2\"} 1",
            "dialer_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(Exporter::install().is_err(), "there is one collection");
    }
}
