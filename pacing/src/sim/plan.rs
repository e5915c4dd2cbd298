//! Plans: named scenarios of a call centre, as files in `benches/plans/` write them.

use serde::{Deserialize, Serialize};

use super::law::Law;

/// Most scenarios in a plan.
pub const SCENARIOS_MAX: usize = 200;
/// Most agents in a scenario.
pub const AGENTS_MAX: u32 = 20_000;

/// Most stays in a scenario.
pub const STAYS_MAX: usize = 100_000;

/// A plan: scenarios to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What it shows.
    #[serde(default)]
    pub about: String,
    /// Policies to run where none are asked for.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The scenarios.
    #[serde(rename = "scenario")]
    pub scenarios: Vec<Scenario>,
}

/// One call centre and its shifts. What is left out is as in the base scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Agents.
    pub agents: u32,
    /// Share of calls that a person answers.
    pub answer_rate: f64,
    /// How the answer rate changes over a day.
    pub answer_course: Course,
    /// Length of a day's shift.
    pub hours: f64,
    /// Days, one after another.
    pub days: u32,
    /// Whether the abandonment limit counts over all days together instead of each by itself.
    pub one_period: bool,
    /// Largest share of live answers that may be abandoned.
    pub limit: f64,
    /// How calls fare that no person answers.
    pub others: Others,
    /// From placing to the first sign of the called network.
    pub post_dial: Law,
    /// From there to a person's answer.
    pub ring_live: Law,
    /// From there to a machine's answer.
    pub ring_machine: Law,
    /// From there to giving up.
    pub ring_unanswered: Law,
    /// From there to busy.
    pub until_busy: Law,
    /// From there to a network failure.
    pub until_congestion: Law,
    /// Whether ringing is told.
    pub ringing_told: bool,
    /// Talk.
    pub talk: Law,
    /// Factor by which talk has changed at the end of the day, linearly.
    pub talk_drift: f64,
    /// Wrap-up.
    pub wrap: Law,
    /// How long a person who answered stays on a silent line.
    pub patience: Law,
    /// Longest wait of a person who answered.
    pub abandon_after_s: f64,
    /// Standard deviation of the logarithm of the agents' speeds.
    pub speed_sigma: f64,
    /// Lines; by default 40 an agent and 100.
    pub trunks: Option<u32>,
    /// Calls per second; by default 2 an agent and 5.
    pub calls_per_second: Option<f64>,
    /// Who is there when.
    pub roster: Roster,
    /// Who is there when, stay by stay; where there are any, they hold instead of `roster`. Agents without one never come.
    pub stays: Vec<Stay>,
    /// When every call fails.
    pub outage: Option<Outage>,
    /// Machine detection before an agent is given the call.
    pub detection: Option<Detection>,
    /// Parts of the list that are answered differently, told to the pacer. Factors of the answer rate.
    pub segments: Vec<SegmentShare>,
    /// What agents tell of their progress.
    pub signals: Option<Signals>,
    /// Share of the calls that are made to contacts with an owner, each agent owning as many: 0 to 1. Below 1 they fall due
    /// one by one as contacts without an owner are called; at 1 everybody has some all day.
    pub owned_share: f64,
}

/// How calls fare that no person answers, as weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Others {
    /// A machine answers.
    pub machine: f64,
    /// Busy.
    pub busy: f64,
    /// Nobody answers.
    pub no_answer: f64,
    /// The network fails.
    pub congestion: f64,
}

/// How the answer rate changes over a day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Course {
    /// Not at all.
    Steady,
    /// Once, at a time.
    Jump {
        /// Hours into the day.
        at_h: f64,
        /// The rate from then on.
        to: f64,
    },
    /// Linearly to the end of the day.
    Drift {
        /// The rate at the end.
        to: f64,
    },
    /// Between two rates.
    Oscillate {
        /// Minutes at one rate.
        every_min: f64,
        /// The other rate.
        to: f64,
    },
    /// By hour of the clock.
    ByHour {
        /// The hour of the clock at which the day begins.
        first_h: f64,
        /// The rate in each hour of the clock.
        rates: [f64; 24],
    },
}

/// Who is there when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roster {
    /// Lunch begins, hours into the day; zero is no lunch.
    pub lunch_at_h: f64,
    /// Its length.
    pub lunch_min: f64,
    /// Groups that go one after another; all of one group are back in the same second.
    pub lunch_groups: u32,
    /// Agents leave for good one by one, evenly from this hour to the end of the day; zero is nobody.
    pub leaving_from_h: f64,
    /// Share of the agents that leave unforeseen at one moment.
    pub early_share: f64,
    /// When they leave, hours into the day.
    pub early_at_h: f64,
}

/// An agent is there for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stay {
    /// Which agent, from 0.
    pub agent: u32,
    /// Comes, hours into the day.
    pub from_h: f64,
    /// Takes no further call from then on, hours into the day.
    pub to_h: f64,
}

/// When every call fails with a network error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Begins, hours into the day.
    pub at_h: f64,
    /// Its length.
    pub minutes: f64,
}

/// Machine detection before an agent is given the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// From answer to verdict.
    pub delay: Law,
    /// Share of people taken for machines.
    pub people_lost: f64,
    /// Share of machines given to agents.
    pub machines_passed: f64,
    /// Share of the verdicts "machine" that is charged as people abandoned, as an operator would set it.
    #[serde(default)]
    pub charged: f64,
}

/// A part of the list.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentShare {
    /// Share of the list, as a weight.
    pub share: f64,
    /// Its answer rate is the scenario's times this.
    pub factor: f64,
}

/// What agents tell of their progress.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signals {
    /// Share of calls in which the agent tells that the end is near.
    pub share: f64,
    /// Least seconds ahead.
    pub ahead_low_s: f64,
    /// Most seconds ahead.
    pub ahead_high_s: f64,
}

impl Default for Scenario {
    fn default() -> Self {
        let lognormal = |median, sigma| Law::Lognormal { median, sigma };
        Self {
            name: String::new(),
            agents: 10,
            answer_rate: 0.25,
            answer_course: Course::Steady,
            hours: 8.0,
            days: 1,
            one_period: false,
            limit: 0.03,
            others: Others { machine: 38.0, busy: 8.0, no_answer: 44.0, congestion: 10.0 },
            post_dial: lognormal(1.8, 0.4),
            ring_live: lognormal(7.5, 0.55),
            ring_machine: lognormal(16.0, 0.3),
            ring_unanswered: Law::Constant { seconds: 24.0 },
            until_busy: Law::Uniform { low: 0.3, high: 1.5 },
            until_congestion: Law::Uniform { low: 0.5, high: 3.0 },
            ringing_told: false,
            talk: lognormal(90.0, 0.8),
            talk_drift: 1.0,
            wrap: Law::Gamma { mean: 20.0, shape: 2.0 },
            patience: lognormal(8.0, 0.8),
            abandon_after_s: 2.0,
            speed_sigma: 0.0,
            trunks: None,
            calls_per_second: None,
            roster: Roster::default(),
            stays: Vec::new(),
            outage: None,
            detection: None,
            segments: Vec::new(),
            signals: None,
            owned_share: 0.0,
        }
    }
}

impl Scenario {
    /// Talk's share of talk and wrap-up: nobody can be busier.
    pub fn bound(&self) -> f64 {
        self.talk.mean() / (self.talk.mean() + self.wrap.mean())
    }

    /// Lines.
    pub fn lines(&self) -> u32 {
        self.trunks.unwrap_or(self.agents.saturating_mul(40).saturating_add(100))
    }

    /// Calls per second.
    pub fn call_rate(&self) -> f64 {
        self.calls_per_second.unwrap_or(2.0 * f64::from(self.agents) + 5.0)
    }

    /// Share of calls that a person answers, by hours into the day.
    pub fn answer_rate_at(&self, hour: f64) -> f64 {
        match self.answer_course {
            Course::Steady => self.answer_rate,
            Course::Jump { at_h, to } => {
                if hour < at_h {
                    self.answer_rate
                } else {
                    to
                }
            }
            Course::Drift { to } => {
                self.answer_rate + (to - self.answer_rate) * (hour / self.hours).clamp(0.0, 1.0)
            }
            Course::Oscillate { every_min, to } => {
                if (hour * 60.0 / every_min).floor() as i64 % 2 == 0 {
                    self.answer_rate
                } else {
                    to
                }
            }
            Course::ByHour { first_h, rates } => {
                let clock = (first_h + hour).rem_euclid(24.0) as usize;
                rates.get(clock).copied().unwrap_or(self.answer_rate)
            }
        }
    }

    /// Share of the verdicts "machine" that counts as people abandoned.
    pub fn false_positives(&self) -> f64 {
        self.detection.as_ref().map_or(0.0, |detection| detection.charged)
    }

    /// What is wrong with it: the key and why.
    pub fn problem(&self) -> Option<String> {
        let laws = [
            ("post_dial", &self.post_dial),
            ("ring_live", &self.ring_live),
            ("ring_machine", &self.ring_machine),
            ("ring_unanswered", &self.ring_unanswered),
            ("until_busy", &self.until_busy),
            ("until_congestion", &self.until_congestion),
            ("talk", &self.talk),
            ("wrap", &self.wrap),
            ("patience", &self.patience),
        ];
        let wrong = laws.into_iter().find_map(|(key, law)| law.problem().map(|why| format!("{key}: {why}")));
        let others = [self.others.machine, self.others.busy, self.others.no_answer, self.others.congestion];
        let shares = |values: &[f64]| values.iter().all(|value| value.is_finite() && *value >= 0.0);
        let sound_rate = |rate: &f64| *rate > 0.0 && *rate <= 1.0;
        let course_is_sound = match self.answer_course {
            Course::Steady => true,
            Course::Jump { to, .. } | Course::Drift { to } | Course::Oscillate { to, .. } => sound_rate(&to),
            Course::ByHour { first_h, rates } => first_h.is_finite() && rates.iter().all(sound_rate),
        };
        let stay_is_sound = |stay: &Stay| {
            stay.agent < self.agents && 0.0 <= stay.from_h && stay.from_h < stay.to_h && stay.to_h <= 24.0
        };
        let checks = [
            (!self.name.is_empty(), "name: is missing"),
            ((1..=AGENTS_MAX).contains(&self.agents), "agents: must be 1 to 20000"),
            (self.answer_rate > 0.0 && self.answer_rate <= 1.0, "answer_rate: must be above 0 and at most 1"),
            (course_is_sound, "answer_course.to: must be above 0 and at most 1"),
            (self.hours > 0.0 && self.hours <= 24.0, "hours: must be above 0 and at most 24"),
            ((1..=60).contains(&self.days), "days: must be 1 to 60"),
            ((0.0..=1.0).contains(&self.limit), "limit: must be 0 to 1"),
            (shares(&others) && others.iter().sum::<f64>() > 0.0, "others: weights must be positive"),
            (self.talk_drift > 0.0 && self.talk_drift <= 100.0, "talk_drift: must be above 0"),
            ((0.0..=60.0).contains(&self.abandon_after_s), "abandon_after_s: must be 0 to 60"),
            ((0.0..=3.0).contains(&self.speed_sigma), "speed_sigma: must be 0 to 3"),
            (self.call_rate() > 0.0, "calls_per_second: must be above 0"),
            (
                self.segments.iter().all(|part| shares(&[part.share, part.factor])),
                "segments: shares and factors must be positive",
            ),
            (self.segments.len() <= 50, "segments: at most 50"),
            (
                self.detection.as_ref().is_none_or(|it| {
                    [it.people_lost, it.machines_passed, it.charged].iter().all(|it| (0.0..=1.0).contains(it))
                }),
                "detection: people_lost, machines_passed and charged must be 0 to 1",
            ),
            ((0.0..=1.0).contains(&self.owned_share), "owned_share: must be 0 to 1"),
            ((0.0..=1.0).contains(&self.roster.early_share), "roster.early_share: must be 0 to 1"),
            (self.stays.iter().all(stay_is_sound), "stays: of known agents, and to_h after from_h"),
            (self.stays.len() <= STAYS_MAX, "stays: at most 100000"),
        ];
        wrong.or_else(|| checks.into_iter().find(|(sound, _)| !sound).map(|(_, why)| why.to_owned()))
    }
}

impl Plan {
    /// What is wrong with it: the scenario, the key and why.
    pub fn problem(&self) -> Option<String> {
        if self.scenarios.is_empty() || self.scenarios.len() > SCENARIOS_MAX {
            return Some(format!("scenario: a plan has 1 to {SCENARIOS_MAX}"));
        }
        self.scenarios.iter().enumerate().find_map(|(index, scenario)| {
            scenario.problem().map(|why| format!("scenario {} ({:?}): {why}", index + 1, scenario.name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_scenario_is_sound_and_has_its_bound() {
        let scenario = Scenario { name: "base".into(), ..Scenario::default() };
        assert_eq!(scenario.problem(), None);
        assert!((scenario.bound() - 0.861).abs() < 0.001, "{}", scenario.bound());
        assert_eq!(scenario.lines(), 500);
    }

    #[test]
    fn a_wrong_plan_says_where() {
        let text = "name = \"x\"\n[[scenario]]\nname = \"a\"\nagents = 0\n";
        let plan: Plan = toml::from_str(text).unwrap();
        assert_eq!(plan.problem().unwrap(), "scenario 1 (\"a\"): agents: must be 1 to 20000");
        let detection = "detection = { delay = { law = \"constant\", seconds = 1.0 }, people_lost = 0.1, machines_passed = 0.1, charged = 7.0 }";
        let text = format!("name = \"x\"\n[[scenario]]\nname = \"a\"\n{detection}\n");
        let plan: Plan = toml::from_str(&text).unwrap();
        assert!(plan.problem().unwrap().contains("charged must be 0 to 1"));
        let text = "name = \"x\"\n[[scenario]]\nname = \"a\"\nagent = 3\n";
        assert!(toml::from_str::<Plan>(text).unwrap_err().to_string().contains("agent"));
    }

    #[test]
    fn the_answer_rate_follows_its_course() {
        let course = Course::Oscillate { every_min: 20.0, to: 0.5 };
        let scenario = Scenario { answer_course: course, ..Scenario::default() };
        assert_eq!(scenario.answer_rate_at(0.1), 0.25);
        assert_eq!(scenario.answer_rate_at(0.4), 0.5);
        assert_eq!(scenario.answer_rate_at(0.7), 0.25);
    }
}
