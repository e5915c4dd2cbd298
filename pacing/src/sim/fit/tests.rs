//! A world whose truth is known is run, written down as a history, fitted, and run again.

use std::collections::BTreeMap;

use super::*;
use crate::budget::Ledger;
use crate::policy::predictive::{Predictive, PredictiveOptions};
use crate::policy::progressive::Progressive;
use crate::sim::world::{self, Terms};
use crate::{AgentKey, CallKey, Capacity, Decision, Event, EventKind, Pacer, event::Ending};

/// Writes down what its pacer is told.
struct Scribe<'a> {
    pacer: &'a mut dyn Pacer,
    open: BTreeMap<CallKey, PastCall>,
    wrapping: BTreeMap<AgentKey, (usize, f64)>,
    there: BTreeMap<AgentKey, f64>,
    history: History,
    talks: BTreeMap<CallKey, (AgentKey, f64)>,
}

impl<'a> Scribe<'a> {
    fn new(pacer: &'a mut dyn Pacer) -> Self {
        let history = History { clock_h: 9.0, ..History::default() };
        let (open, wrapping, there, talks) = Default::default();
        Self { pacer, open, wrapping, there, history, talks }
    }

    fn settle(&mut self, call: CallKey, at_s: f64, how: Settled) {
        if let Some(call) = self.open.get_mut(&call) {
            (call.settled_s, call.how) = (at_s, how);
        }
    }

    fn wrapped(&mut self, agent: AgentKey, at_s: f64) {
        if let Some((index, since_s)) = self.wrapping.remove(&agent)
            && let Some(talk) = self.history.calls[index].talk.as_mut()
        {
            talk.wrap_s = Some(at_s - since_s);
        }
    }
}

impl Pacer for Scribe<'_> {
    fn observe(&mut self, event: &Event) {
        self.pacer.observe(event);
        let at_s = event.at.as_secs_f64();
        match event.kind {
            EventKind::CallPlaced { call, .. } => {
                let how = Settled::Withdrawn;
                let past = PastCall { placed_s: at_s, settled_s: at_s, how, talk: None, abandoned: false };
                self.open.insert(call, past);
            }
            EventKind::CallAnswered { call } => self.settle(call, at_s, Settled::Live),
            EventKind::CallMachine { call } => self.settle(call, at_s, Settled::Machine),
            EventKind::CallBridged { call, agent } => {
                self.talks.insert(call, (agent, at_s));
            }
            EventKind::CallAbandoned { call, .. } => self.open.get_mut(&call).unwrap().abandoned = true,
            EventKind::CallEnded { call, ending } => {
                if self.open[&call].how == Settled::Withdrawn {
                    let age_s = at_s - self.open[&call].placed_s;
                    let how = match ending {
                        Ending::Callee if age_s < 10.0 => Settled::Refused,
                        Ending::Callee | Ending::Answered => Settled::Unanswered,
                        Ending::Network => Settled::Network,
                        Ending::Us => Settled::Withdrawn,
                    };
                    self.settle(call, at_s, how);
                }
                let mut past = self.open.remove(&call).unwrap();
                if let Some((agent, from_s)) = self.talks.remove(&call) {
                    let number = u32::try_from(agent.0).unwrap();
                    past.talk = Some(PastTalk { agent: number, from_s, to_s: at_s, wrap_s: None });
                    self.wrapping.insert(agent, (self.history.calls.len(), at_s));
                }
                self.history.calls.push(past);
            }
            EventKind::AgentReady { agent } => {
                self.wrapped(agent, at_s);
                self.there.entry(agent).or_insert(at_s);
            }
            EventKind::AgentLeft { agent } => {
                self.wrapping.remove(&agent);
                let from_s = self.there.remove(&agent).unwrap();
                let number = u32::try_from(agent.0).unwrap();
                self.history.stays.push(PastStay { agent: number, from_s, to_s: at_s });
            }
            _ => {}
        }
    }

    fn decide(&mut self, capacity: &Capacity) -> Decision {
        self.pacer.decide(capacity)
    }

    fn refused_events(&self) -> u64 {
        self.pacer.refused_events()
    }
}

fn pacer(predictive: bool) -> Box<dyn Pacer> {
    if predictive {
        Box::new(Predictive::new(PredictiveOptions::default(), Ledger::default()))
    } else {
        Box::new(Progressive::default())
    }
}

const TERMS: Terms = Terms { limit_told: 0.03, outlook_told: true, over_dial: true };

fn history(truth: &Scenario, seed: u64, predictive: bool) -> (History, f64) {
    let mut pacer = pacer(predictive);
    let mut scribe = Scribe::new(pacer.as_mut());
    let shifts = world::run(truth, seed, &mut scribe, TERMS);
    (scribe.history, shifts[0].utilisation())
}

fn truth() -> Scenario {
    Scenario {
        name: "truth".into(),
        agents: 8,
        hours: 6.0,
        answer_course: Course::Drift { to: 0.4 },
        answer_rate: 0.2,
        talk: Law::Either {
            share: 0.3,
            first: Box::new(Law::Exponential { mean: 8.0 }),
            second: Box::new(Law::Lognormal { median: 110.0, sigma: 0.6 }),
        },
        wrap: Law::Gamma { mean: 30.0, shape: 3.0 },
        ring_live: Law::Gamma { mean: 12.0, shape: 3.0 },
        ..Scenario::default()
    }
}

#[test]
fn a_fitted_model_is_as_busy_as_the_truth() {
    let truth = truth();
    for predictive in [false, true] {
        let (history, happened) = history(&truth, 77, predictive);
        let fit = Fit::new(history).unwrap();
        let day = &fit.days()[0];
        assert_eq!((fit.days().len(), day.agents().len()), (1, 8));
        assert!((day.account.utilisation() - happened).abs() < 0.01, "the account agrees with the world");
        let model = fit.of_day(&fit.scenario(None), day, None);
        assert_eq!(model.problem(), None);
        let run = |scenario: &Scenario| -> Vec<f64> {
            let shift = |seed| world::run(scenario, seed, pacer(predictive).as_mut(), TERMS)[0].utilisation();
            (100..112).map(shift).collect()
        };
        let mean = |days: &[f64]| days.iter().sum::<f64>() / days.len() as f64;
        let (of_model, of_truth) = (run(&model), run(&truth));
        let (model_mean, truth_mean) = (mean(&of_model), mean(&of_truth));
        let deviation = |days: &[f64]| {
            let squares: f64 = days.iter().map(|day| (day - mean(days)).powi(2)).sum();
            (squares / (days.len() - 1) as f64).sqrt()
        };
        // The history is one day: what happened in it, and the truth, may be off as far as one day may.
        let (of_day, off) = ((model_mean - happened).abs(), (model_mean - truth_mean).abs());
        assert!(of_day < 3.0 * deviation(&of_model), "{predictive}: {model_mean:.4} for {happened:.4}");
        assert!(off < 3.0 * deviation(&of_truth), "{predictive}: {model_mean:.4} for {truth_mean:.4}");
        assert!(off.max(of_day) < 0.05, "{predictive}: {model_mean:.4}, {happened:.4}, {truth_mean:.4}");
    }
}

#[test]
fn a_resampled_history_differs_and_a_seed_repeats_it() {
    let (history, _) = history(&Scenario { hours: 2.0, ..truth() }, 3, false);
    let fit = Fit::new(history).unwrap();
    let (whole, one, again, two) =
        (fit.scenario(None), fit.scenario(Some(1)), fit.scenario(Some(1)), fit.scenario(Some(2)));
    assert_eq!(one, again);
    assert_ne!(one, two);
    assert!((one.answer_rate / whole.answer_rate - 1.0).abs() < 0.2);
    assert_eq!([&whole, &one, &two].map(|it| it.problem()), [None, None, None]);
}

#[test]
fn other_team_sizes_have_the_times_of_those_who_were_there() {
    let (history, _) = history(&Scenario { hours: 2.0, ..truth() }, 4, false);
    let fit = Fit::new(history).unwrap();
    let day = &fit.days()[0];
    let larger = fit.of_day(&fit.scenario(None), day, Some(20));
    assert_eq!((larger.agents, larger.problem()), (20, None));
    let hours = |scenario: &Scenario| scenario.stays.iter().map(|stay| stay.to_h - stay.from_h).sum::<f64>();
    let own = fit.of_day(&fit.scenario(None), day, None);
    assert!((hours(&larger) / hours(&own) - 20.0 / 8.0).abs() < 0.05);
    let smaller = fit.of_day(&fit.scenario(None), day, Some(3));
    assert!(smaller.stays.iter().all(|stay| stay.agent < 3));
}

#[test]
fn minutes_without_anything_to_call_are_left_out() {
    let (mut history, happened) = history(&Scenario { hours: 3.0, ..truth() }, 5, false);
    // The list is empty in the second hour: no call, and the agents wait.
    let empty = 3600.0..7200.0;
    history.calls.retain(|call| !empty.contains(&call.placed_s));
    let fit = Fit::new(history).unwrap();
    let account = fit.days()[0].account;
    let share = account.starved_s / (account.work_s + account.starved_s);
    assert!((0.25..0.4).contains(&share), "{share}");
    assert!((account.utilisation() - happened).abs() < 0.03, "{} {happened}", account.utilisation());
    assert!(fit.days()[0].stays.len() >= 16, "everybody has two stays");
}

#[test]
fn what_is_too_thin_says_of_what() {
    assert_eq!(Fit::new(History::default()).unwrap_err().what, "calls that ended by themselves");
    let (mut history, _) = history(&Scenario { hours: 2.0, ..truth() }, 6, false);
    let whole = history.clone();
    history.calls.retain(|call| call.how != Settled::Live);
    assert_eq!(Fit::new(history).unwrap_err().what, "live answers");
    let mut alone = whole.clone();
    alone.stays.clear();
    let thin = Fit::new(alone).unwrap_err();
    assert_eq!(thin.to_string(), "agent hours with something to call: 0.0 where 0.5 are needed");
    let mut silent = whole;
    silent.calls.iter_mut().for_each(|call| call.talk = None);
    assert_eq!(Fit::new(silent).unwrap_err().what, "talks");
}
