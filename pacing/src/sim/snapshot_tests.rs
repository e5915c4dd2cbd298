//! A pacer that is written down and read back decides as the one that lived on, to the last bit.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::law::Law;
use super::plan::{Roster, Scenario, SegmentShare, Signals};
use super::random::{Kind, Stream};
use super::world::{self, Terms};
use crate::budget::Ledger;
use crate::journal::{Entry, Played, Player, Recorder, Said};
use crate::policy::adaptive::{Adaptive, AdaptiveOptions};
use crate::policy::manual::Manual;
use crate::policy::predictive::{Predictive, PredictiveOptions};
use crate::policy::preview::Preview;
use crate::policy::progressive::Progressive;
use crate::policy::ratio::Ratio;
use crate::team::Ahead;
use crate::{AgentKey, Capacity, Decision, Event, Pacer};

/// A pacer, and another one that is now and then replaced by what was written of the first.
struct Reborn<P> {
    living: P,
    reborn: P,
    chance: Stream,
    rebirths: u32,
    decisions: u32,
    largest: usize,
    /// All that it was told and asked since the first rebirth, and the pacer then.
    journal: Option<(Vec<u8>, Recorder, Vec<Entry>)>,
}

impl<P: Pacer + Clone + Serialize + DeserializeOwned> Reborn<P> {
    fn new(living: P, seed: u64) -> Self {
        let chance = Stream::new(seed, Kind::Signal, 1_000_000);
        let reborn = living.clone();
        Self { living, reborn, chance, rebirths: 0, decisions: 0, largest: 0, journal: None }
    }

    fn maybe_write_down(&mut self) {
        if self.chance.uniform() < 0.001 {
            let written = postcard::to_stdvec(&self.living).unwrap();
            self.reborn = postcard::from_bytes(&written).unwrap();
            self.rebirths += 1;
            self.largest = self.largest.max(written.len());
            self.journal.get_or_insert((written, Recorder::default(), Vec::new()));
        }
    }

    /// Makes all decisions since the first rebirth again from what was written; how many, and the pacer's last state.
    fn replay(&self) -> (u32, Vec<u8>) {
        let (written, _, entries) = self.journal.as_ref().unwrap();
        let mut pacer: P = postcard::from_bytes(written).unwrap();
        let (mut player, mut made) = (Player::default(), 0);
        for entry in entries {
            let bytes = postcard::to_stdvec(entry).unwrap();
            match player.play(&postcard::from_bytes(&bytes).unwrap()).unwrap() {
                Played::Told(event) => pacer.observe(&event),
                Played::Asked(capacity, said) => {
                    assert_eq!(Said::of(&pacer.decide(&capacity)), said);
                    made += 1;
                }
                Played::Planned(_) | Played::Shared(_) | Played::Ahead(_) => {
                    panic!("the pacer alone is asked here")
                }
            }
        }
        (made, postcard::to_stdvec(&pacer).unwrap())
    }
}

impl<P: Pacer + Clone + Serialize + DeserializeOwned> Pacer for Reborn<P> {
    fn observe(&mut self, event: &Event) {
        self.maybe_write_down();
        if let Some((_, recorder, entries)) = &mut self.journal {
            entries.push(recorder.told(event));
        }
        self.living.observe(event);
        self.reborn.observe(event);
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        self.maybe_write_down();
        let (decision, again) = (self.living.decide(capacity), self.reborn.decide(capacity));
        assert_eq!(Said::of(&decision), Said::of(&again), "{decision:?} and {again:?}");
        if let Some((_, recorder, entries)) = &mut self.journal {
            entries.push(recorder.asked(capacity, &decision));
        }
        self.decisions += 1;
        decision
    }

    fn ahead(&self, wishes: &BTreeMap<AgentKey, u32>, room: u32) -> Ahead {
        let (ahead, again) = (self.living.ahead(wishes, room), self.reborn.ahead(wishes, room));
        assert_eq!(ahead, again);
        ahead
    }

    fn refused_events(&self) -> u64 {
        self.living.refused_events()
    }
}

/// A day with all that a pacer can be told: segments, signals, ringing, lunch, leavers, agents of different speed, and
/// contacts with an owner.
fn day(agents: u32, answer_rate: f64, owned_share: f64) -> Scenario {
    Scenario {
        name: "day".into(),
        agents,
        answer_rate,
        owned_share,
        hours: 1.5,
        days: 2,
        ringing_told: true,
        speed_sigma: 0.3,
        patience: Law::Exponential { mean: 4.0 },
        roster: Roster {
            lunch_at_h: 0.5,
            lunch_min: 10.0,
            lunch_groups: 2,
            leaving_from_h: 1.0,
            ..Roster::default()
        },
        segments: vec![SegmentShare { share: 1.0, factor: 0.5 }, SegmentShare { share: 1.0, factor: 1.5 }],
        signals: Some(Signals { share: 0.5, ahead_low_s: 3.0, ahead_high_s: 9.0 }),
        ..Scenario::default()
    }
}

fn holds<P: Pacer + Clone + Serialize + DeserializeOwned>(pacer: impl Fn() -> P) {
    let terms = Terms { limit_told: 0.03, outlook_told: true, over_dial: true };
    let days = [(1, 3, 0.3, 0.0), (2, 9, 0.08, 0.4), (3, 30, 0.25, 0.0), (4, 14, 0.6, 0.2), (5, 6, 0.2, 1.0)];
    for (seed, agents, answer_rate, owned) in days {
        let mut reborn = Reborn::new(pacer(), seed);
        world::run(&day(agents, answer_rate, owned), seed, &mut reborn, terms);
        assert!(reborn.rebirths >= 3 && reborn.decisions > 1_000, "{} rebirths", reborn.rebirths);
        assert!(reborn.largest < 200_000, "{} bytes", reborn.largest);
        let (made, last) = reborn.replay();
        assert!(made > 500, "{made} decisions");
        assert_eq!(last, postcard::to_stdvec(&reborn.living).unwrap(), "the state at the end");
    }
}

#[test]
fn predictive() {
    holds(|| Predictive::new(PredictiveOptions::default(), Ledger::default()));
}

#[test]
fn adaptive() {
    holds(|| Adaptive::new(AdaptiveOptions::default()));
}

#[test]
fn ratio() {
    holds(|| Ratio::new(1.7, Ledger::default()));
}

#[test]
fn those_that_only_count() {
    holds(Progressive::default);
    holds(Preview::default);
    holds(Manual::default);
}
