//! The choice of a trunk: what the dialer foretells is what the gateway does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use carillon::link;
use carillon_core::trunk::Room;
use carillon_sip::command::{Command, PlaceCall};
use carillon_sip::event::{Event, Route};
use carillon_sip::gateway::{Gateway, Output};
use carillon_sip::id::CallId;
use carillon_sip::options::Options;
use carillon_sip::trunk::rates::{Billing, Line, Rates};

use super::world::dice::{Dice, generator};
use super::world::plan::Plan;
use super::world::{cast, plan::OtherTrunk};

/// Gateways, and steps of each.
const GATEWAYS: u64 = 150;
const STEPS: u32 = 60;

/// A gateway with calls in all stages.
struct Bench {
    gateway: Gateway,
    options: Options,
    now: Duration,
    calls: u64,
    held: VecDeque<(CallId, Route)>,
    up: VecDeque<CallId>,
}

impl Bench {
    /// Up to four trunks of some lines and calls per second; sometimes with hardly any ports.
    fn new(seed: u64, dice: &mut Dice) -> Self {
        let mut plan = Plan::calm(seed, 1, 1);
        let mut caps = || (1 + dice.below(6) as u32, [0.5, 1.0, 2.0, 10.0, 40.0][dice.below(5) as usize]);
        (plan.max_calls, plan.calls_per_second) = caps();
        for _ in 0..seed % 4 {
            let (max_calls, calls_per_second) = caps();
            plan.others.push(OtherTrunk { callees: plan.callees.clone(), max_calls, calls_per_second });
        }
        let mut options = cast::node_options(&plan).sip;
        if seed.is_multiple_of(3) {
            options.rtp_ports = (20_000, 20_000 + 2 * (1 + dice.below(6) as u16) - 1);
        }
        let gateway = Gateway::new(options.clone(), generator(seed, "gateway"), Duration::ZERO);
        let (held, up) = Default::default();
        Self { gateway, options, now: Duration::ZERO, calls: 0, held, up }
    }

    fn room(&self) -> Room {
        link::room(&self.gateway.room(self.now), &self.options.trunks)
    }

    /// The trunk that a new call is given; none where the gateway is busy.
    fn reserve(&mut self, first: Option<String>, trunks: &[String]) -> Option<String> {
        self.calls += 1;
        let (call, trunks) = (CallId(self.calls), trunks.to_vec());
        let number = "+15550100".to_owned();
        self.gateway.command(Command::Reserve { call, number, first, trunks }, self.now);
        let mut taken = None;
        while let Some(output) = self.gateway.poll_output() {
            if let Output::Event(Event::Reserved { call, route }) = output {
                taken = Some(route.trunk.clone());
                self.held.push_back((call, route));
            }
        }
        taken
    }

    /// Something else happens: time passes, a call is given back, placed or ended.
    fn stir(&mut self, dice: &mut Dice) {
        match dice.below(4) {
            0 => self.now += dice.between(1, 1_500),
            1 => {
                if let Some((call, _)) = self.held.pop_front() {
                    self.gateway.command(Command::Release { call }, self.now);
                }
            }
            2 => {
                while let Some((call, route)) = self.held.pop_front() {
                    let not_after = self.now + Duration::from_secs(2);
                    self.gateway.command(Command::Place(PlaceCall { call, route, not_after }), self.now);
                    self.up.push_back(call);
                }
            }
            _ => {
                if let Some(call) = self.up.pop_front() {
                    self.gateway.command(Command::HangUp { call }, self.now);
                }
            }
        }
        self.gateway.handle_timeout(self.now);
        while self.gateway.poll_output().is_some() {}
    }
}

/// Some of the trunks in some order, one perhaps twice or unknown; often none, which means all.
fn allowed(dice: &mut Dice) -> Vec<String> {
    if dice.chance(0.5) {
        return Vec::new();
    }
    (0..1 + dice.below(5)).map(|_| cast::trunk_name(dice.below(5) as usize)).collect()
}

#[test]
fn the_dialer_knows_where_the_gateway_puts_the_next_calls() {
    let (mut foretold, mut busy) = (0, 0);
    for seed in 0..GATEWAYS {
        let mut dice = Dice::new(seed, "choice");
        let mut bench = Bench::new(seed, &mut dice);
        for _ in 0..STEPS {
            let allowed = allowed(&mut dice);
            let room = bench.room();
            let calls = room.fill(&allowed).into_iter();
            let expected: Vec<String> = calls
                .flat_map(|(name, calls)| std::iter::repeat_n(name.to_owned(), calls as usize))
                .collect();
            // With the trunk named, as the dialer does, and without: the rule is the same.
            let named = dice.chance(0.5);
            let most = if dice.chance(0.3) { expected.len() } else { dice.below(4) as usize };
            let mut left = room.clone();
            for (place, trunk) in expected.iter().take(most).enumerate() {
                assert_eq!(left.take(&allowed).as_ref(), Some(trunk));
                let taken = bench.reserve(named.then(|| trunk.clone()), &allowed);
                assert_eq!(taken.as_ref(), Some(trunk), "seed {seed}, call {place} of {room:?}, {allowed:?}");
                foretold += 1;
            }
            if most >= expected.len() {
                assert_eq!(bench.reserve(None, &allowed), None, "seed {seed}: beyond {room:?}, {allowed:?}");
                busy += 1;
            }
            bench.stir(&mut dice);
        }
    }
    assert!(foretold > 1_000 && busy > 1_000, "{foretold} calls, {busy} times busy");
}

#[test]
fn another_trunk_is_taken_where_the_one_asked_for_has_no_room() {
    let mut plan = Plan::calm(1, 1, 1);
    plan.max_calls = 1;
    plan.others = vec![OtherTrunk { callees: plan.callees.clone(), max_calls: 1, calls_per_second: 9.0 }];
    let options = cast::node_options(&plan).sip;
    let gateway = Gateway::new(options.clone(), generator(1, "gateway"), Duration::ZERO);
    let (held, up) = Default::default();
    let mut bench = Bench { gateway, options, now: Duration::ZERO, calls: 0, held, up };
    let mut asked = |trunk: usize| bench.reserve(Some(cast::trunk_name(trunk)), &[]);
    assert_eq!(asked(1), Some(cast::trunk_name(1)));
    assert_eq!(asked(1), Some(cast::trunk_name(0)));
    assert_eq!(asked(1), None);
}

#[test]
fn trunks_are_compared_by_what_half_a_minute_costs_in_whole_increments() {
    let mut plan = Plan::calm(1, 1, 1);
    plan.others = vec![OtherTrunk { callees: plan.callees.clone(), max_calls: 9, calls_per_second: 9.0 }];
    let mut options = cast::node_options(&plan).sip;
    for (trunk, (price, increment)) in options.trunks.iter_mut().zip([("0.015", "60"), ("0.02", "1")]) {
        let mut rates = Rates::default();
        rates.add(Line { prefix: "+1", price, increment, fee: "" }, Billing::default()).unwrap();
        trunk.rates = Some(Arc::new(rates));
    }
    let sharing = link::sharing(&options.trunks);
    // A cent and a half for the minute that is counted, a cent for half of one.
    assert_eq!(sharing.order(&[], "+12025550100"), [cast::trunk_name(1), cast::trunk_name(0)]);
    assert_eq!(sharing.order(&[], "+4420"), [cast::trunk_name(0), cast::trunk_name(1)], "nobody knows");
}
