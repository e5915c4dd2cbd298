//! `CampaignSpec`: the one description of a campaign, spoken by the campaign file and by the API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attempt::outcome::Outcome;

/// Everything that makes a campaign what it is. Durations are written as in the campaign file (`"25s"`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignSpec {
    /// Name in reports and on screens; 1..=100 characters.
    pub name: String,
    /// Pacing policy.
    pub mode: Mode,
    /// Lines per idle agent, `mode = "ratio"` only; 1.0..=10.0.
    #[serde(default = "default_ratio")]
    pub ratio: f64,
    /// Whose calling law applies.
    pub jurisdiction: Jurisdiction,
    /// Largest share of live answers that may be abandoned; 0..=1, 1.0 means no limit.
    #[serde(default = "default_abandon_limit")]
    pub abandon_limit: f64,
    /// Whether the limit is to hold at every moment, not just at the end of its period; `mode = "predictive"` alone asks.
    #[serde(default)]
    pub abandon_strict: bool,
    /// From answer to agent; after it the call is abandoned.
    #[serde(default = "default_abandon_after", with = "crate::campaign::duration_text")]
    pub abandon_after: Duration,
    /// WAV file with the safe-harbour message; absent means the campaign is never over-dialed.
    #[serde(default)]
    pub safe_harbour: Option<String>,
    /// Longest ringing, from the first 180/183, else from placing.
    #[serde(default = "default_ring_timeout", with = "crate::campaign::duration_text")]
    pub ring_timeout: Duration,
    /// Whether bridged calls are recorded.
    #[serde(default)]
    pub record: bool,
    /// How long an agent may look at a contact before it is called, `mode = "preview"` only.
    #[serde(default = "default_preview_timeout", with = "crate::campaign::duration_text")]
    pub preview_timeout: Duration,
    /// What becomes of a contact on which the agent has not decided in that time.
    #[serde(default)]
    pub preview_unanswered: Unanswered,
    /// How long a contact that was skipped is left alone.
    #[serde(default = "default_preview_again", with = "crate::campaign::duration_text")]
    pub preview_again: Duration,
    /// Stop placing after this long; absent means no limit.
    #[serde(default, with = "crate::campaign::duration_text::option")]
    pub time_limit: Option<Duration>,
    /// Names of the trunks to use, in order; empty means all.
    #[serde(default)]
    pub trunks: Vec<String>,
    /// Users of the agents who take its calls; empty means all. An agent may take the calls of several campaigns.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Its share of agents whom it shares with other campaigns, set against theirs; 1..=100.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// What happens after a bridged call.
    #[serde(default)]
    pub wrap_up: WrapUp,
    /// Longest talk; zero means until a side hangs up.
    #[serde(default, with = "crate::campaign::duration_text")]
    pub talk_limit: Duration,
    /// Region (ISO 3166 alpha-2) for numbers without a country code.
    #[serde(default)]
    pub region: Option<String>,
    /// IANA zone for contacts without one. No zone, no call.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Calling windows in contact-local time; none means the jurisdiction's default.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// When agents work: the roster; none means that those who are there are expected to stay.
    #[serde(default)]
    pub shifts: Vec<WorkShift>,
    /// IANA zone of the roster's times; absent means `timezone`, or UTC.
    #[serde(default)]
    pub shifts_timezone: Option<String>,
    /// When a task closes and when it is tried again.
    #[serde(default)]
    pub closure: ClosureSpec,
    /// Who calls, and who takes them.
    #[serde(default)]
    pub inbound: InboundSpec,
}

impl CampaignSpec {
    /// A campaign with every default.
    pub fn new(name: String, mode: Mode, jurisdiction: Jurisdiction) -> Self {
        Self {
            name,
            mode,
            ratio: default_ratio(),
            jurisdiction,
            abandon_limit: default_abandon_limit(),
            abandon_strict: false,
            abandon_after: default_abandon_after(),
            safe_harbour: None,
            ring_timeout: default_ring_timeout(),
            record: false,
            preview_timeout: default_preview_timeout(),
            preview_unanswered: Unanswered::default(),
            preview_again: default_preview_again(),
            time_limit: None,
            trunks: Vec::new(),
            agents: Vec::new(),
            weight: default_weight(),
            wrap_up: WrapUp::default(),
            talk_limit: Duration::ZERO,
            region: None,
            timezone: None,
            windows: Vec::new(),
            shifts: Vec::new(),
            shifts_timezone: None,
            closure: ClosureSpec::default(),
            inbound: InboundSpec::default(),
        }
    }
}

/// Pacing policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is dialed unless somebody asks.
    Manual,
    /// The agent sees the contact first.
    Preview,
    /// One line per idle agent.
    Progressive,
    /// A fixed number of lines per idle agent.
    Ratio,
    /// The classic controller of the dial level.
    Adaptive,
    /// Forecast under a budget.
    Predictive,
}

/// What becomes of a contact that an agent was shown and has not decided on in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// As if the agent had skipped it.
    #[default]
    Skip,
    /// It is called.
    Call,
}

/// Calling-law packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jurisdiction {
    /// United States (FTC TSR, FCC).
    Us,
    /// United Kingdom (Ofcom).
    Uk,
    /// Canada (CRTC).
    Ca,
    /// Australia (2017 Standard).
    Au,
    /// Germany (BNetzA).
    De,
    /// France.
    Fr,
    /// India.
    In,
    /// China (MIIT, carriers' practice).
    Cn,
    /// Test rigs only: lifts the minimum ring and the default window.
    None,
}

/// What the agent does after a bridged call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrapUp {
    /// A script: after `after`, `disposition` is recorded and the agent is ready again.
    Script {
        /// Length of wrap-up.
        #[serde(with = "crate::campaign::duration_text")]
        after: Duration,
        /// Recorded disposition.
        disposition: String,
    },
    /// The agent records a disposition through the API; wrap-up lasts until then.
    #[default]
    Agent,
}

/// A calling window in contact-local time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Days it holds on.
    pub days: Vec<Day>,
    /// First minute, `HH:MM`.
    pub from: String,
    /// First minute after it, `HH:MM` up to `24:00`; later than `from`.
    pub to: String,
}

/// Hours that agents work by the clock of their site, breaks left out: a break divides a shift in two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkShift {
    /// Days it holds on.
    pub days: Vec<Day>,
    /// First minute, `HH:MM`.
    pub from: String,
    /// First minute after it, `HH:MM` up to `24:00`; later than `from`.
    pub to: String,
    /// Users of the agents who work it. Empty means everybody whom no shift names; who is named works by those alone that
    /// name them.
    #[serde(default)]
    pub agents: Vec<String>,
}

/// Day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// Its place in the week, Monday's is 0.
    pub fn index(self) -> usize {
        match self {
            Self::Mon => 0,
            Self::Tue => 1,
            Self::Wed => 2,
            Self::Thu => 3,
            Self::Fri => 4,
            Self::Sat => 5,
            Self::Sun => 6,
        }
    }
}

/// When a task closes and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClosureSpec {
    /// Most attempts per task; 1..=100.
    pub attempts_max: u32,
    /// The task closes this long after its first attempt whatever happened (S3-5).
    #[serde(with = "crate::campaign::duration_text")]
    pub within: Duration,
    /// Dispositions that close the task as a success.
    pub success: Vec<String>,
    /// Delay before the next attempt, by outcome.
    #[serde(with = "crate::campaign::duration_text::map")]
    pub retry: BTreeMap<Outcome, Duration>,
    /// Delay after an answer whose callee left before an agent was there; absent means as `answered`, else the default.
    #[serde(with = "crate::campaign::duration_text::option")]
    pub callee_left: Option<Duration>,
}

impl Default for ClosureSpec {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            within: Duration::from_secs(10 * 24 * 3600),
            success: vec!["success".into()],
            retry: BTreeMap::new(),
            callee_left: None,
        }
    }
}

/// Callers of a campaign's numbers: who takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboundSpec {
    /// The numbers, E.164 with `+`; a call from a trunk to any other is refused. None means that nobody can call.
    pub numbers: Vec<String>,
    /// Whether the owner of the caller's contact is tried first.
    pub owner: bool,
    /// Whether anybody else of the campaign's agents takes the call.
    pub team: bool,
    /// From the first ring to the agent; then the message.
    #[serde(with = "crate::campaign::duration_text")]
    pub wait_max: Duration,
    /// WAV file with what a caller hears whom nobody could take; absent means 480.
    pub message: Option<String>,
}

impl Default for InboundSpec {
    fn default() -> Self {
        Self {
            numbers: Vec::new(),
            owner: true,
            team: true,
            wait_max: Duration::from_secs(30),
            message: None,
        }
    }
}

fn default_ratio() -> f64 {
    2.0
}

fn default_abandon_limit() -> f64 {
    0.03
}

fn default_abandon_after() -> Duration {
    Duration::from_secs(2)
}

fn default_weight() -> u32 {
    1
}

fn default_preview_timeout() -> Duration {
    Duration::from_secs(60)
}

fn default_preview_again() -> Duration {
    Duration::from_secs(600)
}

fn default_ring_timeout() -> Duration {
    Duration::from_secs(25)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// One line per agent, no law, a second of wrap-up.
    pub(crate) fn spec() -> CampaignSpec {
        CampaignSpec {
            name: "renewals".into(),
            mode: Mode::Progressive,
            ratio: 2.0,
            jurisdiction: Jurisdiction::None,
            abandon_limit: 0.03,
            abandon_strict: false,
            abandon_after: Duration::from_secs(2),
            safe_harbour: None,
            ring_timeout: Duration::from_secs(25),
            record: false,
            preview_timeout: default_preview_timeout(),
            preview_unanswered: Unanswered::default(),
            preview_again: default_preview_again(),
            time_limit: None,
            trunks: Vec::new(),
            agents: Vec::new(),
            weight: default_weight(),
            wrap_up: WrapUp::Script { after: Duration::from_secs(1), disposition: "success".into() },
            talk_limit: Duration::ZERO,
            region: None,
            timezone: None,
            windows: Vec::new(),
            shifts: Vec::new(),
            shifts_timezone: None,
            closure: ClosureSpec::default(),
            inbound: InboundSpec::default(),
        }
    }
}
