//! Several trunks: which one each call is reckoned with, and what the pacer learns of each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::super::testing::route;
use super::desk::{Desk, START, Seen, spec};
use crate::attempt::outcome::Outcome;
use crate::campaign::replay::{Remade, replay};
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::{AttemptId, CampaignId};
use crate::input::{EndedBy, Failure, Input};
use crate::store::read::{PeriodCounts, Recovered, RecoveredCampaign};
use crate::store::write::{CallRoute, Write};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;
use crate::trunk::{Room, TrunkRoom};

fn predictive() -> CampaignSpec {
    CampaignSpec { mode: Mode::Predictive, safe_harbour: Some("sorry.wav".into()), ..spec() }
}

/// Trunks with so many lines and calls per second free.
fn room(trunks: &[(&str, u32, u32)]) -> Input {
    let trunk = |(name, lines_free, calls_per_second_free): &(&str, u32, u32)| TrunkRoom {
        name: (*name).to_owned(),
        lines_free: *lines_free,
        calls_per_second_free: *calls_per_second_free,
    };
    Input::Room(Room { lines_free: 1_000, trunks: trunks.iter().map(trunk).collect() })
}

/// The trunks that calls were given, in the order of placing.
fn taken(desk: &Desk) -> Vec<&str> {
    desk.trunks.values().map(String::as_str).collect()
}

/// A carrier with a good and a bad route. Calls last some seconds; `good` has few lines.
#[derive(Default)]
struct Carrier {
    known: BTreeSet<AttemptId>,
    due: BTreeMap<(Duration, AttemptId), bool>,
    up: BTreeMap<AttemptId, &'static str>,
    seen: usize,
}

const GOOD_LINES: u32 = 3;

impl Carrier {
    /// Half a second; whether the room changed is for the dialer to notice.
    fn step(&mut self, desk: &mut Desk, order: [&'static str; 2]) {
        let used = |trunk: &str| self.up.values().filter(|on| **on == trunk).count() as u32;
        let lines = |trunk: &'static str| match trunk {
            "good" => GOOD_LINES.saturating_sub(used(trunk)),
            _ => 50 - used(trunk),
        };
        desk.tell(room(&order.map(|trunk| (trunk, lines(trunk), 50))));
        desk.pass(500);
        for attempt in desk.placed.clone() {
            if !self.known.insert(attempt) {
                continue;
            }
            desk.tell(Input::Placed { attempt });
            let trunk = if desk.trunks[&attempt] == "good" { "good" } else { "bad" };
            self.up.insert(attempt, trunk);
            let answered = if trunk == "good" { attempt.0 % 5 < 4 } else { attempt.0 % 10 == 0 };
            self.due.insert((desk.clock + Duration::from_secs(7), attempt), answered);
        }
        while let Some(((at, attempt), answered)) = self.due.pop_first() {
            if at > desk.clock {
                self.due.insert((at, attempt), answered);
                break;
            }
            match answered {
                true => {
                    desk.answer_call(attempt);
                    self.due.insert((desk.clock + Duration::from_secs(20), attempt), false);
                }
                false => {
                    let busy = Failure::Status(486);
                    desk.fails(attempt, busy);
                    desk.ends(attempt, EndedBy::Callee);
                    self.up.remove(&attempt);
                }
            }
        }
        for index in self.seen..desk.seen.len() {
            if let Seen::Connect(attempt, _) = desk.seen[index] {
                desk.tell(Input::Connected { attempt });
            }
        }
        self.seen = desk.seen.len();
    }
}

/// What was recorded last of what the pacer has learnt.
fn learnt(desk: &Desk, campaign: CampaignId) -> Value {
    let mut states = desk.writes.iter().filter_map(|write| match write {
        Write::PacerState { campaign: of, learnt, .. } if *of == campaign => Some(learnt),
        _ => None,
    });
    serde_json::from_str(states.next_back().expect("something was learnt")).unwrap()
}

/// Lines and answers that count for a trunk.
fn counts(learnt: &Value, trunk: &str) -> (f64, f64) {
    let number = &learnt["trunks"]["numbers"][trunk];
    let segments = learnt["segments"].as_array().unwrap().iter();
    let of = segments.zip(learnt["learnt"]["segments"].as_array().unwrap());
    of.filter(|(segment, _)| segment["trunk"] == *number).fold((0.0, 0.0), |sum, (_, counts)| {
        (sum.0 + counts["placed"].as_f64().unwrap(), sum.1 + counts["answered"].as_f64().unwrap())
    })
}

#[test]
fn the_pacer_learns_two_trunks_apart() {
    let (mut desk, campaign) = Desk::running(predictive(), 4, 3_000);
    let mut carrier = Carrier::default();
    for _ in 0..60 * 60 {
        carrier.step(&mut desk, ["good", "bad"]);
    }
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    let learnt = learnt(&desk, campaign);
    let (good, bad) = (counts(&learnt, "good"), counts(&learnt, "bad"));
    assert!(good.0 > 50.0 && bad.0 > 50.0, "{good:?} and {bad:?}: both were used");
    assert!(good.1 / good.0 > 0.6 && bad.1 / bad.0 < 0.25, "{good:?} and {bad:?}");

    // Every decision comes out again, and was made with the trunk that each next call would take.
    let parts = desk.writes.iter().filter_map(|write| match write {
        Write::Journal(part) => Some(part.clone()),
        _ => None,
    });
    let mut reckoned = Vec::new();
    let found = replay(parts.collect::<Vec<_>>(), &mut |remade: &Remade| {
        assert!(remade.is_same());
        let Remade::Decision(remade) = remade else { return };
        let runs: Vec<_> =
            remade.capacity.upcoming.runs().map(|(segment, calls)| (segment.trunk, calls)).collect();
        reckoned.push((runs, remade.decision.place));
    });
    assert!(found.gaps.is_empty() && found.decisions > 1_000, "{found:?}");
    assert!(reckoned.iter().all(|(runs, _)| runs.iter().all(|(trunk, _)| [1, 2].contains(trunk))));
    let both = reckoned.iter().filter(|(runs, place)| {
        let [(1, few), (2, _)] = runs[..] else { return false };
        few <= GOOD_LINES && *place > few
    });
    assert!(both.count() > 10, "decisions that fill the good trunk and go on with the other one");
}

#[test]
fn a_trunk_keeps_its_number_whatever_the_order_of_the_configuration() {
    let (mut desk, campaign) = Desk::running(predictive(), 2, 200);
    let mut carrier = Carrier::default();
    (0..200).for_each(|_| carrier.step(&mut desk, ["good", "bad"]));
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    let before = learnt(&desk, campaign);
    let recovered = Recovered {
        last_campaign: campaign.0,
        last_attempt: 1_000,
        campaigns: vec![RecoveredCampaign {
            campaign,
            spec: predictive(),
            state: CampaignState::Running,
            started_at: Some(START),
            elapsed: Duration::from_secs(150),
            answered: 5,
            abandoned: 0,
            placed: 5,
            bridged: 5,
            period: PeriodCounts { since: Utc(i64::MIN), answered: 5, abandoned: 0, machines: 0 },
            learnt: Some(before.to_string()),
            journal: Default::default(),
        }],
        ..Recovered::default()
    };
    let mut next = Desk::with_tasks(recovered, desk.tasks.clone());
    next.sign_on("agent1");
    let mut carrier = Carrier::default();
    (0..20).for_each(|_| carrier.step(&mut next, ["bad", "good"]));
    next.command(CampaignCommand::Pause(campaign)).unwrap();
    assert_eq!(taken(&next).first(), Some(&"bad"), "the order is the new one");
    let after = learnt(&next, campaign);
    for trunk in ["good", "bad"] {
        assert_eq!(after["trunks"]["numbers"][trunk], before["trunks"]["numbers"][trunk], "{trunk}");
    }
    let (was, is) = (counts(&before, "good"), counts(&after, "good"));
    assert!(
        is.0 > was.0 - 1.0 && is.0 < was.0 + 1.0,
        "{was:?}, {is:?}: nothing of the other trunk came to it"
    );
}

#[test]
fn what_becomes_of_a_call_counts_for_the_trunk_that_it_took() {
    let (mut desk, campaign) = Desk::running(predictive(), 3, 100);
    desk.trunk_taken = Some("bad".into());
    let mut carrier = Carrier::default();
    (0..200).for_each(|_| carrier.step(&mut desk, ["good", "bad"]));
    assert!(desk.placed.len() > 20);
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    let learnt = learnt(&desk, campaign);
    assert_eq!(counts(&learnt, "good"), (0.0, 0.0));
    assert!(counts(&learnt, "bad").0 > 15.0);
    let recorded = desk.writes.iter().filter_map(|write| match write {
        Write::Intent(intent) => Some(intent.route.trunk.as_str()),
        _ => None,
    });
    assert!(recorded.into_iter().all(|trunk| trunk == "bad"), "the record names the one that was taken");
    assert!(
        desk.ended.len() + 8 > desk.placed.len() && desk.campaign(campaign).ringing < 8,
        "calls end as ever"
    );
}

#[test]
fn calls_fill_one_trunk_after_the_other_and_none_without_room() {
    let (mut desk, campaign) = Desk::running(spec(), 8, 30);
    desk.tell(room(&[("full", 0, 9), ("north", 2, 9), ("slow", 9, 0), ("south", 9, 3)]));
    desk.pass(60);
    assert_eq!(taken(&desk), ["north", "north", "south", "south", "south"]);
    assert!(desk.campaign(campaign).pacing_reason.contains("calls per second"));
    desk.tell(room(&[("full", 0, 9), ("north", 0, 9)]));
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 5);
    assert!(desk.campaign(campaign).pacing_reason.contains("no line is free on the trunks"));
    // Free lines of one trunk and the rate of another make no call.
    desk.tell(room(&[("north", 0, 9), ("slow", 9, 0)]));
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 5);
    assert!(desk.campaign(campaign).pacing_reason.contains("calls per second"));
    desk.tell(room(&[]));
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 5);
    assert!(desk.campaign(campaign).pacing_reason.contains("no line is free on the trunks"));
}

#[test]
fn a_campaign_with_trunks_of_its_own_waits_for_those() {
    let only = CampaignSpec { trunks: vec!["south".into(), "north".into()], ..spec() };
    let (mut desk, campaign) = Desk::running(only, 4, 30);
    desk.tell(room(&[("north", 0, 9), ("other", 9, 9)]));
    desk.pass(1_000);
    assert!(desk.placed.is_empty());
    assert!(desk.campaign(campaign).pacing_reason.contains("no line is free on the trunks"));
    desk.tell(room(&[("north", 9, 9), ("other", 9, 9), ("south", 1, 9)]));
    desk.pass(60);
    assert_eq!(taken(&desk), ["south", "north", "north", "north"], "in its own order, and at once");
}

#[test]
fn campaigns_that_share_trunks_do_not_count_on_the_same_room() {
    let mut desk = Desk::new();
    let campaigns: Vec<_> = (0..2).map(|_| desk.create(spec())).collect();
    for (index, campaign) in campaigns.iter().enumerate() {
        (1..=20).for_each(|task| desk.add_task(*campaign, 100 * index as u64 + task));
    }
    (1..=8).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
    desk.tell(room(&[("north", 5, 9), ("south", 9, 9)]));
    campaigns.iter().for_each(|campaign| drop(desk.command(CampaignCommand::Start(*campaign))));
    desk.pass(60);
    let north = taken(&desk).iter().filter(|trunk| **trunk == "north").count();
    assert_eq!((north, desk.placed.len()), (5, 8));
}

/// One call on `one`, which is placed.
fn placed_on_one() -> (Desk, CampaignId, AttemptId) {
    let (mut desk, campaign) = Desk::running(spec(), 1, 3);
    desk.tell(room(&[("one", 1, 9), ("two", 1, 9)]));
    desk.pass(60);
    let attempt = *desk.placed.first().expect("a call is placed");
    desk.tell(Input::Placed { attempt });
    (desk, campaign, attempt)
}

fn refused_by_one(attempt: AttemptId) -> Input {
    let route = CallRoute { trunk: "two".into(), ..route("+1") };
    Input::Diverted { attempt, failure: Failure::Status(503), route }
}

#[test]
fn a_call_goes_on_to_another_trunk_as_the_same_attempt() {
    let (mut desk, campaign, attempt) = placed_on_one();
    let places = |desk: &Desk| desk.seen.iter().filter(|seen| **seen == Seen::Place(attempt)).count();
    desk.store_slow = true;
    desk.tell(refused_by_one(attempt));
    assert_eq!(places(&desk), 1, "not before it is durable");
    desk.store_slow = false;
    desk.store_answers();
    assert_eq!(places(&desk), 2);
    let recorded = desk.writes.iter().any(
        |write| matches!(write, Write::Diverted { attempt: of, route } if *of == attempt && route.trunk == "two"),
    );
    assert!(recorded);
    desk.tell(Input::Placed { attempt });
    let live = desk.campaign(campaign);
    assert_eq!((live.placed, live.ringing), (1, 1), "placed once");
    desk.tell(Input::Failed { attempt, failure: Failure::Status(404) });
    let ended = &desk.ended[&attempt];
    assert_eq!(
        (ended.outcome, ended.sip_status),
        (Outcome::InvalidNumber, Some(404)),
        "the last trunk's word"
    );
}

#[test]
fn what_may_not_go_on_ends_as_the_trunk_before_left_it() {
    // The store is too slow, or the number may not be called any more.
    let (mut desk, _, attempt) = placed_on_one();
    desk.store_slow = true;
    desk.tell(refused_by_one(attempt));
    desk.pass(11_000);
    assert!(desk.seen.contains(&Seen::Release(attempt)));
    desk.store_slow = false;
    desk.store_answers();
    assert_eq!(desk.ended[&attempt].outcome, Outcome::Congestion);

    let (mut desk, campaign, attempt) = placed_on_one();
    desk.store_slow = true;
    desk.tell(refused_by_one(attempt));
    desk.command(CampaignCommand::Stop(campaign)).unwrap();
    desk.store_slow = false;
    desk.store_answers();
    assert_eq!(desk.ended[&attempt].outcome, Outcome::Congestion);
    assert!(desk.seen.contains(&Seen::Release(attempt)));
    assert_eq!(desk.seen.iter().filter(|seen| **seen == Seen::Place(attempt)).count(), 1);
}

#[test]
fn a_call_that_rings_or_is_ended_by_us_goes_nowhere() {
    let (mut desk, _, attempt) = placed_on_one();
    desk.tell(Input::Ringing { attempt, early_media: false });
    desk.tell(refused_by_one(attempt));
    desk.tell(Input::Failed { attempt, failure: Failure::Expired });
    assert_eq!(desk.seen.iter().filter(|seen| **seen == Seen::Place(attempt)).count(), 1);
    assert!(desk.ended.contains_key(&attempt));

    let (mut desk, campaign, attempt) = placed_on_one();
    desk.command(CampaignCommand::Abort(campaign)).unwrap();
    desk.tell(refused_by_one(attempt));
    desk.tell(Input::Failed { attempt, failure: Failure::Cancelled });
    assert_eq!(desk.ended[&attempt].outcome, Outcome::Cancelled);
}

#[test]
fn a_number_that_no_trunk_may_call_closes_its_task() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 2);
    desk.trunk_slow = true;
    desk.tell(room(&[("one", 1, 9)]));
    desk.pass(60);
    let attempt = AttemptId(desk.dialer.last_attempt);
    let task = desk.dialer.attempts[&attempt].due.task;
    desk.tell(Input::NotAllowed { attempt });
    assert_eq!(desk.tasks[&task].state, TaskState::Closed(ClosedReason::Number));
    assert!(!desk.claimed.contains_key(&attempt) && desk.placed.is_empty(), "it leaves no attempt");
    desk.pass(1_000);
    assert_eq!(desk.dialer.last_attempt, attempt.0 + 1, "the next one is called");
    assert_eq!(desk.campaign(campaign).placed, 0);
}
