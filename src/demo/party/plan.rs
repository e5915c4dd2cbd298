//! What callees do: a seeded plan read from TOML. The same seed, number and attempt always give the same behaviour.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Deserialize;

/// Most entries of `[[number]]`.
pub const NUMBERS_MAX: usize = 10_000;
/// Longest time that is ever drawn; a wider plan is cut here.
pub const DRAWN_MAX: Duration = Duration::from_secs(4 * 3600);

/// A plan file. Every key has a default: the base scenario of a cold list with a quarter of live answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Share of each fate; they must add up to 1.
    pub shares: Shares,
    /// From INVITE to 180 or 183.
    pub post_dial: Spread,
    /// From ringing to a person's answer.
    pub ring_person: Spread,
    /// From ringing to a machine's answer.
    pub ring_machine: Spread,
    /// From INVITE to 486.
    pub busy_after: Spread,
    /// From INVITE to 503.
    pub congestion_after: Spread,
    /// From ringing to 603.
    pub rejected_after: Spread,
    /// From INVITE to 404.
    pub invalid_after: Spread,
    /// A call that nobody answers gets 480 after this long.
    pub ring_limit: Spread,
    /// From a person's answer to its BYE.
    pub talk: Spread,
    /// From a machine's answer to its BYE.
    pub machine_talk: Spread,
    /// Share of calls whose callee waits for our BYE for ever.
    pub never_hangs_up: f64,
    /// Share of calls with 183, SDP and ringback audio instead of 180.
    pub early_media: f64,
    /// Share of calls answered with PCMA instead of PCMU.
    pub pcma: f64,
    /// Digest, when the trunk demands it.
    pub digest: Option<DigestPlan>,
    /// Misbehaviour.
    pub faults: Faults,
    /// Fixed fates of single numbers.
    pub number: Vec<NumberPlan>,
}

/// How likely each fate is, 0..=1 each.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// A person answers.
    pub person: f64,
    /// A machine answers.
    pub machine: f64,
    /// 486.
    pub busy: f64,
    /// Rings for ever.
    pub no_answer: f64,
    /// 503.
    pub congestion: f64,
    /// 603.
    #[serde(default)]
    pub rejected: f64,
    /// 404.
    #[serde(default)]
    pub invalid: f64,
}

/// A distribution of durations, in milliseconds of campaign time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Spread {
    /// `{ fixed = { ms = 500 } }`
    Fixed {
        /// Always this.
        ms: f64,
    },
    /// `{ uniform = { from_ms = 300, to_ms = 1500 } }`
    Uniform {
        /// Shortest.
        from_ms: f64,
        /// Longest.
        to_ms: f64,
    },
    /// `{ lognormal = { median_ms = 90000, sigma = 0.8 } }`
    Lognormal {
        /// Half are shorter.
        median_ms: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

/// Credentials that the carrier demands.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestPlan {
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
    /// 407 and Proxy-Authenticate instead of 401 and WWW-Authenticate.
    #[serde(default)]
    pub proxy: bool,
}

impl std::fmt::Debug for DigestPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestPlan")
            .field("username", &self.username)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// Shares of calls on which the carrier or callee misbehaves, 0..=1 each, all 0 by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// A second 200 with another tag follows the first at once.
    pub forked_answer: f64,
    /// A CANCEL crosses with a 200.
    pub late_answer: f64,
    /// The 200 is sent twice in a row.
    pub duplicate_answer: f64,
    /// BYE as soon as the ACK is there.
    pub bye_at_once: f64,
    /// The INVITE is never answered, not even with 100.
    pub silent: f64,
    /// A re-INVITE half-way through the talk.
    pub reinvite: f64,
    /// An OPTIONS half-way through the talk.
    pub options: f64,
}

/// One number's fixed fate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberPlan {
    /// As in the Request-URI's user part.
    pub number: String,
    /// Its fate at every attempt.
    pub fate: Fate,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A person answers.
    Person,
    /// A machine answers.
    Machine,
    /// 486.
    Busy,
    /// Rings until CANCEL.
    NoAnswer,
    /// 503.
    Congestion,
    /// 603.
    Rejected,
    /// 404.
    Invalid,
}

/// What one callee will do on one call. Durations are real time: divided by the demo's speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// What becomes of the call.
    pub fate: Fate,
    /// From INVITE to the first ringing; for busy, congestion and invalid: to the refusal.
    pub post_dial: Duration,
    /// From ringing to the answer or refusal.
    pub ring: Duration,
    /// From ACK to our BYE; `None`: never.
    pub talk: Option<Duration>,
    /// 183 with SDP instead of 180.
    pub early_media: bool,
    /// PCMA instead of PCMU.
    pub pcma: bool,
    /// See [`Faults`].
    pub forked_answer: bool,
    /// See [`Faults`].
    pub late_answer: bool,
    /// See [`Faults`].
    pub duplicate_answer: bool,
    /// See [`Faults`].
    pub silent: bool,
    /// See [`Faults`].
    pub reinvite: bool,
    /// See [`Faults`].
    pub options: bool,
}

/// Why a plan can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not TOML, or an unknown or mistyped key; the message names line and key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// The shares of fates don't add up to 1.
    #[error("shares: add up to {0}, not 1")]
    Shares(f64),
    /// A share is not within 0..=1.
    #[error("{0}: {1} is not within 0 and 1")]
    Share(&'static str, f64),
    /// A duration is negative or not a number.
    #[error("{0}: durations and sigma must be numbers of at least 0, in order")]
    Spread(&'static str),
    /// More than [`NUMBERS_MAX`] entries.
    #[error("number: more than {NUMBERS_MAX} entries")]
    Numbers,
}

impl Default for Plan {
    fn default() -> Self {
        let lognormal = |median_ms, sigma| Spread::Lognormal { median_ms, sigma };
        Self {
            shares: Shares {
                person: 0.25,
                machine: 0.285,
                busy: 0.06,
                no_answer: 0.33,
                congestion: 0.075,
                rejected: 0.0,
                invalid: 0.0,
            },
            post_dial: lognormal(1_800.0, 0.4),
            ring_person: lognormal(7_500.0, 0.55),
            ring_machine: lognormal(16_000.0, 0.3),
            busy_after: Spread::Uniform { from_ms: 300.0, to_ms: 1_500.0 },
            congestion_after: Spread::Uniform { from_ms: 500.0, to_ms: 3_000.0 },
            rejected_after: lognormal(5_000.0, 0.5),
            invalid_after: Spread::Uniform { from_ms: 300.0, to_ms: 1_000.0 },
            ring_limit: Spread::Fixed { ms: 120_000.0 },
            talk: lognormal(90_000.0, 0.8),
            machine_talk: Spread::Uniform { from_ms: 8_000.0, to_ms: 25_000.0 },
            never_hangs_up: 0.0,
            early_media: 0.0,
            pcma: 0.0,
            digest: None,
            faults: Faults::default(),
            number: Vec::new(),
        }
    }
}

impl Plan {
    /// Reads and checks a plan file.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text)?;
        plan.check()?;
        Ok(plan)
    }

    /// What `number` will do at its `attempt`-th call (from 0). `speed` divides every duration.
    pub fn behaviour(&self, seed: u64, number: &str, attempt: u32, speed: f64) -> Behaviour {
        let mut draw = Draw::new(seed, number, attempt, speed);
        // Everything is drawn in one order, whatever the fate, so that changing one share moves nothing else.
        let lot = draw.unit();
        let fate = match self.number.iter().find(|entry| entry.number == number) {
            Some(entry) => entry.fate,
            None => self.shares.fate(lot),
        };
        let (post_dial, ring_person, ring_machine) =
            (draw.spread(self.post_dial), draw.spread(self.ring_person), draw.spread(self.ring_machine));
        let (busy, congestion) = (draw.spread(self.busy_after), draw.spread(self.congestion_after));
        let (rejected, invalid) = (draw.spread(self.rejected_after), draw.spread(self.invalid_after));
        let (limit, talk, machine_talk) =
            (draw.spread(self.ring_limit), draw.spread(self.talk), draw.spread(self.machine_talk));
        let (patient, early_media, pcma) =
            (draw.chance(self.never_hangs_up), draw.chance(self.early_media), draw.chance(self.pcma));
        let faults = self.faults;
        let (forked_answer, late_answer) =
            (draw.chance(faults.forked_answer), draw.chance(faults.late_answer));
        let (duplicate_answer, bye_at_once) =
            (draw.chance(faults.duplicate_answer), draw.chance(faults.bye_at_once));
        let (silent, reinvite, options) =
            (draw.chance(faults.silent), draw.chance(faults.reinvite), draw.chance(faults.options));
        let (post_dial, ring, talk) = match fate {
            Fate::Person => (post_dial, ring_person, talk),
            Fate::Machine => (post_dial, ring_machine, machine_talk),
            Fate::Busy => (busy, Duration::ZERO, talk),
            Fate::NoAnswer => (post_dial, limit, talk),
            Fate::Congestion => (congestion, Duration::ZERO, talk),
            Fate::Rejected => (post_dial, rejected, talk),
            Fate::Invalid => (invalid, Duration::ZERO, talk),
        };
        let talk = match (bye_at_once, patient) {
            (true, _) => Some(Duration::ZERO),
            (false, true) => None,
            (false, false) => Some(talk),
        };
        Behaviour {
            fate,
            post_dial,
            ring,
            talk,
            early_media,
            pcma,
            forked_answer,
            late_answer,
            duplicate_answer,
            silent,
            reinvite,
            options,
        }
    }

    fn check(&self) -> Result<(), PlanError> {
        let Shares { person, machine, busy, no_answer, congestion, rejected, invalid } = self.shares;
        let Faults { forked_answer, late_answer, duplicate_answer, bye_at_once, silent, reinvite, options } =
            self.faults;
        let shares = [
            ("shares.person", person),
            ("shares.machine", machine),
            ("shares.busy", busy),
            ("shares.no_answer", no_answer),
            ("shares.congestion", congestion),
            ("shares.rejected", rejected),
            ("shares.invalid", invalid),
            ("never_hangs_up", self.never_hangs_up),
            ("early_media", self.early_media),
            ("pcma", self.pcma),
            ("faults.forked_answer", forked_answer),
            ("faults.late_answer", late_answer),
            ("faults.duplicate_answer", duplicate_answer),
            ("faults.bye_at_once", bye_at_once),
            ("faults.silent", silent),
            ("faults.reinvite", reinvite),
            ("faults.options", options),
        ];
        if let Some((name, share)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(PlanError::Share(name, share));
        }
        let sum = person + machine + busy + no_answer + congestion + rejected + invalid;
        if (sum - 1.0).abs() > 1e-6 {
            return Err(PlanError::Shares(sum));
        }
        let spreads = [
            ("post_dial", self.post_dial),
            ("ring_person", self.ring_person),
            ("ring_machine", self.ring_machine),
            ("busy_after", self.busy_after),
            ("congestion_after", self.congestion_after),
            ("rejected_after", self.rejected_after),
            ("invalid_after", self.invalid_after),
            ("ring_limit", self.ring_limit),
            ("talk", self.talk),
            ("machine_talk", self.machine_talk),
        ];
        if let Some((name, _)) = spreads.into_iter().find(|(_, spread)| !spread.sound()) {
            return Err(PlanError::Spread(name));
        }
        if self.number.len() > NUMBERS_MAX {
            return Err(PlanError::Numbers);
        }
        Ok(())
    }
}

impl Shares {
    fn fate(&self, lot: f64) -> Fate {
        let steps = [
            (Fate::Person, self.person),
            (Fate::Machine, self.machine),
            (Fate::Busy, self.busy),
            (Fate::Congestion, self.congestion),
            (Fate::Rejected, self.rejected),
            (Fate::Invalid, self.invalid),
        ];
        let mut below = 0.0;
        for (fate, share) in steps {
            below += share;
            if lot < below {
                return fate;
            }
        }
        Fate::NoAnswer
    }
}

impl Spread {
    fn sound(self) -> bool {
        let fine = |number: f64| number.is_finite() && number >= 0.0;
        match self {
            Self::Fixed { ms } => fine(ms),
            Self::Uniform { from_ms, to_ms } => fine(from_ms) && fine(to_ms) && from_ms <= to_ms,
            Self::Lognormal { median_ms, sigma } => fine(median_ms) && fine(sigma),
        }
    }
}

/// The draws of one call.
struct Draw {
    rng: ChaCha20Rng,
    speed: f64,
}

impl Draw {
    fn new(seed: u64, number: &str, attempt: u32, speed: f64) -> Self {
        // FNV-1a over the number gives neighbours unrelated keys.
        let hash = number.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&hash.to_le_bytes());
        key[16..20].copy_from_slice(&attempt.to_le_bytes());
        Self { rng: ChaCha20Rng::from_seed(key), speed: speed.max(0.001) }
    }

    /// Uniform in 0..1.
    fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn spread(&mut self, spread: Spread) -> Duration {
        let (first, second) = (self.unit(), self.unit());
        let milliseconds = match spread {
            Spread::Fixed { ms } => ms,
            Spread::Uniform { from_ms, to_ms } => from_ms + (to_ms - from_ms) * first,
            Spread::Lognormal { median_ms, sigma } => {
                // Box and Muller's normal deviate; 1 - first is never 0.
                let normal = (-2.0 * (1.0 - first).ln()).sqrt() * (std::f64::consts::TAU * second).cos();
                median_ms * (sigma * normal).exp()
            }
        };
        let seconds = (milliseconds / 1_000.0).min(DRAWN_MAX.as_secs_f64()) / self.speed;
        Duration::from_secs_f64(seconds.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_number_and_attempt_give_the_same_behaviour() {
        let plan = Plan::default();
        let first = plan.behaviour(7, "+12125550100", 0, 1.0);
        assert_eq!(first, plan.behaviour(7, "+12125550100", 0, 1.0));
        let others = [
            plan.behaviour(8, "+12125550100", 0, 1.0),
            plan.behaviour(7, "+12125550101", 0, 1.0),
            plan.behaviour(7, "+12125550100", 1, 1.0),
        ];
        assert!(others.iter().all(|other| other.post_dial != first.post_dial));
    }

    #[test]
    fn fates_come_in_their_shares() {
        let plan = Plan::default();
        let mut counts = std::collections::BTreeMap::new();
        for number in 0..10_000 {
            let behaviour = plan.behaviour(1, &format!("+1212555{number:04}"), 0, 1.0);
            *counts.entry(behaviour.fate).or_insert(0_u32) += 1;
        }
        let near = |fate, share: f64| {
            let found = f64::from(counts.get(&fate).copied().unwrap_or(0)) / 10_000.0;
            assert!((found - share).abs() < 0.02, "{fate:?}: {found} instead of {share}");
        };
        near(Fate::Person, 0.25);
        near(Fate::Machine, 0.285);
        near(Fate::NoAnswer, 0.33);
        near(Fate::Congestion, 0.075);
    }

    #[test]
    fn medians_are_those_of_the_plan_and_speed_divides() {
        let plan = Plan::default();
        let median = |speed: f64| {
            let mut talks: Vec<Duration> = (0..2_001)
                .map(|number| plan.behaviour(3, &format!("+1{number}"), 0, speed))
                .filter(|behaviour| behaviour.fate == Fate::Person)
                .filter_map(|behaviour| behaviour.talk)
                .collect();
            talks.sort();
            talks[talks.len() / 2].as_secs_f64()
        };
        assert!((80.0..100.0).contains(&median(1.0)), "{}", median(1.0));
        assert!((median(1.0) / median(10.0) - 10.0).abs() < 0.001);
    }

    #[test]
    fn a_number_can_be_given_its_fate() {
        let plan = Plan::parse("[[number]]\nnumber = \"+1212\"\nfate = \"rejected\"\n").expect("plan");
        for seed in 0..20 {
            assert_eq!(plan.behaviour(seed, "+1212", 0, 1.0).fate, Fate::Rejected);
        }
    }

    #[test]
    fn faults_replace_the_talk() {
        let plan = Plan::parse("never_hangs_up = 1.0\n").expect("plan");
        assert_eq!(plan.behaviour(0, "a", 0, 1.0).talk, None);
        let plan = Plan::parse("never_hangs_up = 1.0\n[faults]\nbye_at_once = 1.0\n").expect("plan");
        assert_eq!(plan.behaviour(0, "a", 0, 1.0).talk, Some(Duration::ZERO));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text| Plan::parse(text).expect_err("mistake").to_string();
        assert!(message("talks = 1\n").contains("talks"));
        assert!(message("pcma = 1.5\n").contains("pcma"));
        assert!(message("[faults]\nsilent = -0.1\n").contains("faults.silent"));
        assert!(message("talk = { uniform = { from_ms = 2, to_ms = 1 } }\n").contains("talk"));
        let shares = "[shares]\nperson = 0.5\nmachine = 0\nbusy = 0\nno_answer = 0\ncongestion = 0\n";
        assert!(message(shares).contains("0.5"));
    }
}
