//! Lines, rates, reservations that come to nothing, and the dead-trunk rule.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::{Command, PlaceCall};
use crate::event::{BusyReason, Event, Failure, Room, TrunkRoom, TrunkState};
use crate::id::CallId;
use crate::trunk::rates::{Billing, Line, Rates};
use crate::trunk::spend::SpendOptions;

fn reserve(bench: &mut Bench, call: u64, trunks: &[&str]) -> Event {
    let trunks = trunks.iter().map(|name| (*name).to_owned()).collect();
    bench.command(Command::Reserve { call: CallId(call), number: "+15550199".into(), first: None, trunks });
    bench.last_event()
}

fn busy(call: u64, reason: BusyReason) -> Event {
    Event::Busy { call: CallId(call), reason }
}

fn place(bench: &mut Bench, event: &Event, wait: Duration) {
    let Event::Reserved { call, route } = event else { panic!("{event:?}") };
    let place = PlaceCall { call: *call, route: route.clone(), not_after: bench.now + wait };
    bench.command(Command::Place(place));
}

#[test]
fn each_limit_is_told_by_its_name() {
    let mut options = options();
    options.trunks[0].max_calls = 1;
    let mut beta = trunk("beta");
    beta.calls_per_second = 2.0;
    options.trunks.push(beta);
    let mut bench = Bench::new(options);
    assert_eq!(reserve(&mut bench, 1, &["nowhere"]), busy(1, BusyReason::NoTrunk));
    assert!(matches!(reserve(&mut bench, 1, &["alpha"]), Event::Reserved { .. }));
    assert_eq!(reserve(&mut bench, 2, &["alpha"]), busy(2, BusyReason::TrunkFull));
    match reserve(&mut bench, 2, &[]) {
        Event::Reserved { route, .. } => assert_eq!(route.trunk, "beta", "the next in order"),
        other => panic!("{other:?}"),
    }
    assert_eq!(reserve(&mut bench, 3, &[]), busy(3, BusyReason::CallsPerSecond));
    bench.command(Command::Drain);
    assert_eq!(reserve(&mut bench, 3, &[]), busy(3, BusyReason::NoTrunk));
    assert_eq!(bench.gateway.room(bench.now), Room::default());
}

/// Reserves with a trunk named; the one that was taken.
fn reserved_on(bench: &mut Bench, call: u64, first: &str, trunks: &[&str]) -> String {
    let (first, trunks) = (Some(first.to_owned()), trunks.iter().map(|name| (*name).to_owned()).collect());
    bench.command(Command::Reserve { call: CallId(call), number: "+15550199".into(), first, trunks });
    match bench.last_event() {
        Event::Reserved { route, .. } => route.trunk,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_trunk_that_was_reckoned_with_is_taken_while_it_has_room() {
    let mut options = options();
    options.trunks[0].max_calls = 2;
    options.trunks.extend(["beta", "gamma"].map(trunk));
    options.trunks[1].max_calls = 1;
    let mut bench = Bench::new(options);
    assert_eq!(reserved_on(&mut bench, 1, "beta", &[]), "beta");
    assert_eq!(reserved_on(&mut bench, 2, "beta", &[]), "alpha", "full: the next in order");
    assert_eq!(reserved_on(&mut bench, 3, "alpha", &["gamma"]), "gamma", "not allowed");
    let room: Vec<_> = bench.gateway.room(bench.now).trunks.iter().map(|it| it.lines_free).collect();
    assert_eq!(room, [1, 0, 9]);
}

#[test]
fn the_room_of_each_trunk_is_told_in_the_order_of_filling() {
    let mut options = options();
    options.trunks.push(trunk("beta"));
    options.trunks[0].max_calls = 2;
    options.trunks[1].calls_per_second = 4.0;
    let mut bench = Bench::new(options);
    let room = |bench: &Bench| bench.gateway.room(bench.now).trunks;
    let of =
        |trunk, lines_free, calls_per_second_free| TrunkRoom { trunk, lines_free, calls_per_second_free };
    assert_eq!(room(&bench), [of(0, 2, 5), of(1, 10, 2)]);
    reserve(&mut bench, 1, &[]);
    reserve(&mut bench, 2, &[]);
    reserve(&mut bench, 3, &[]);
    assert_eq!(room(&bench), [of(0, 0, 3), of(1, 9, 1)], "the first to its cap, then the second");
}

#[test]
fn without_ports_there_is_no_call() {
    let mut options = options();
    options.rtp_ports = (20_000, 20_003);
    let mut bench = Bench::new(options);
    reserve(&mut bench, 1, &[]);
    reserve(&mut bench, 2, &[]);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0);
    assert_eq!(reserve(&mut bench, 3, &[]), busy(3, BusyReason::Ports));
    bench.command(Command::Release { call: CallId(2) });
    assert!(matches!(reserve(&mut bench, 3, &[]), Event::Reserved { .. }));
}

#[test]
fn what_was_not_sent_is_given_back() {
    let mut bench = Bench::new(options());
    let full = bench.gateway.room(bench.now);
    bench.reserve(1);
    assert_eq!(bench.gateway.room(bench.now).lines_free, full.lines_free - 1);
    assert_eq!(bench.gateway.room(bench.now).calls_per_second_free, full.calls_per_second_free - 1);
    bench.command(Command::Release { call: CALL });
    assert_eq!(bench.gateway.room(bench.now), full);
    assert_eq!(bench.events(), [], "a release is no ending");

    bench.reserve(1);
    bench.command(Command::HangUp { call: CALL });
    assert_eq!(bench.events(), failed(Failure::Cancelled));
    assert_eq!(bench.gateway.room(bench.now), full);

    bench.reserve(1);
    bench.pass(ms(30_000));
    assert_eq!(bench.events(), failed(Failure::Expired), "nobody placed it");
    assert_eq!(bench.gateway.room(bench.now), full);
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn a_call_that_waits_too_long_for_its_slot_expires() {
    let mut bench = Bench::new(options());
    let (first, second) = (reserve(&mut bench, 1, &[]), reserve(&mut bench, 2, &[]));
    place(&mut bench, &first, ms(50));
    place(&mut bench, &second, ms(50));
    assert_eq!(bench.starts(CARRIER), ["INVITE"], "the second waits 102 ms");
    bench.pass(ms(400));
    assert!(bench.sent(CARRIER).is_empty());
    assert_eq!(
        bench.events(),
        [Event::Placed { call: CALL }, Event::Failed { call: CallId(2), failure: Failure::Expired }]
    );
    assert_eq!(words(&bench.media()), ["open 1", "open 2", "close 2"]);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 9);
}

#[test]
fn a_queued_call_that_is_hung_up_is_never_sent() {
    let mut bench = Bench::new(options());
    let (first, second) = (reserve(&mut bench, 1, &[]), reserve(&mut bench, 2, &[]));
    place(&mut bench, &first, ms(2_000));
    place(&mut bench, &second, ms(2_000));
    bench.command(Command::HangUp { call: CallId(2) });
    bench.pass(ms(400));
    assert_eq!(bench.starts(CARRIER), ["INVITE"]);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 9);
}

#[test]
fn an_unknown_call_that_is_placed_gets_its_ending() {
    let mut bench = Bench::new(options());
    let route = bench.reserve(1);
    bench.command(Command::Release { call: CALL });
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after: ms(5_000) }));
    assert_eq!(bench.events(), failed(Failure::Expired));
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn a_reservation_that_lapsed_ends_once_even_if_it_is_placed_late() {
    let mut bench = Bench::new(options());
    let route = bench.reserve(1);
    bench.pass(ms(30_000));
    assert_eq!(bench.events(), failed(Failure::Expired));
    let not_after = bench.now + ms(500);
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
    assert_eq!(bench.events(), []);
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn a_trunk_that_never_says_anything_is_given_up_and_tried_again() {
    let mut bench = Bench::new(options());
    for call in 1..=5 {
        bench.place(call);
        bench.pass(ms(200));
    }
    bench.pass(ms(40_000));
    let events = bench.events();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Failed { .. })).count(), 5);
    assert!(events.contains(&Event::Trunk { name: "alpha".into(), state: TrunkState::Silent }));
    assert_eq!(reserve(&mut bench, 9, &[]), busy(9, BusyReason::NoTrunk));
    assert_eq!(bench.gateway.room(bench.now), Room::default());
    bench.pass(ms(60_000));
    assert_eq!(bench.events(), [Event::Trunk { name: "alpha".into(), state: TrunkState::Up }]);
}

#[test]
fn one_response_proves_a_trunk_for_good() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "x", &[], ""));
    bench.sent(CARRIER);
    for call in 2..=8 {
        bench.pass(ms(200));
        bench.place(call);
    }
    bench.pass(ms(60_000));
    assert!(bench.events().iter().all(|event| matches!(event, Event::Failed { .. })));
}

#[test]
fn caller_ids_are_shown_in_turn() {
    let mut bench = Bench::new(options());
    let shown: Vec<String> = (1..=4)
        .map(|call| {
            let shown = bench.reserve(call).caller_id;
            bench.pass(ms(200));
            shown
        })
        .collect();
    assert_eq!(shown, ["+15550100", "+15550101", "+15550100", "+15550101"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Seen from the wire: however calls are asked for, no closed sliding second holds more first INVITEs of a trunk
    /// than its cap, never are more lines in use than it has, and every placed call is sent or ends.
    #[test]
    fn caps_hold_on_the_wire(
        cap in 1u32..30,
        lines in 1u32..40,
        steps in proptest::collection::vec((0u64..300, 1u64..6, 0u8..4), 1..60),
    ) {
        let mut options = options();
        options.trunks[0].calls_per_second = f64::from(cap);
        options.trunks[0].max_calls = lines;
        options.rtp_ports = (20_000, 20_999);
        let mut bench = Bench::new(options);
        let (mut call, mut sent, mut up) = (0, Vec::new(), Vec::new());
        let mut placed = 0usize;
        let mut ended = 0usize;
        for (wait, burst, action) in steps {
            for _ in 0..burst {
                call += 1;
                let event = reserve(&mut bench, call, &[]);
                if matches!(event, Event::Reserved { .. }) {
                    placed += 1;
                    place(&mut bench, &event, ms(1_000));
                }
            }
            // Look at the wire as it happens, for the times.
            for _ in 0..=wait {
                for invite in bench.sent(CARRIER) {
                    if invite.is("INVITE ") && !up.iter().any(|known: &Text| known.branch() == invite.branch()) {
                        sent.push(bench.now);
                        up.push(invite);
                    }
                }
                bench.pass(ms(1));
            }
            if action == 0 && let Some(invite) = up.first().cloned() {
                bench.feed(CARRIER, invite.reply("486 Busy Here", "x", &[], ""));
            }
            ended += bench.events().iter().filter(|event| matches!(event, Event::Failed { .. })).count();
            prop_assert!(bench.gateway.calls() <= lines as usize);
        }
        for (index, start) in sent.iter().enumerate() {
            let inside = sent[index..].iter().filter(|at| **at <= *start + Duration::from_secs(1)).count();
            prop_assert!(inside <= cap as usize, "{inside} INVITEs in a second, cap {cap}");
        }
        bench.pass(Duration::from_secs(400));
        ended += bench.events().iter().filter(|event| matches!(event, Event::Failed { .. })).count();
        prop_assert_eq!(ended, placed, "every call ends once");
        prop_assert_eq!(bench.gateway.calls(), 0);
        prop_assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
    }
}

#[test]
fn what_a_trunk_may_not_call_goes_over_one_that_may_or_nowhere() {
    let mut options = options();
    options.trunks.push(trunk("beta"));
    options.trunks[0].destinations.deny = vec!["+1555".into()];
    options.trunks[1].destinations.allow = vec!["+1".into(), "+4".into()];
    options.trunks[1].destinations.deny = vec!["+1900".into()];
    options.trunks[1].max_calls = 1;
    let mut bench = Bench::new(options);
    let mut reserve = |call: u64, number: &str| {
        bench.command(Command::Reserve {
            call: CallId(call),
            number: number.into(),
            first: None,
            trunks: vec![],
        });
        match bench.last_event() {
            Event::Reserved { route, .. } => Ok((route.trunk, route.request_uri)),
            Event::Busy { reason, .. } => Err(reason),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reserve(1, "+15550199"), Ok(("beta".into(), format!("sip:+15550199@{CARRIER}"))));
    assert_eq!(reserve(2, "%2B1 202 555 0100"), Ok(("alpha".into(), format!("sip:+12025550100@{CARRIER}"))));
    assert_eq!(reserve(3, "+15550198"), Err(BusyReason::TrunkFull), "another time is better");
    for nowhere in ["%252B15550199", "+1555;x=1", "nobody"] {
        assert_eq!(reserve(4, nowhere), Err(BusyReason::Destination), "{nowhere}");
    }
    let refused = reserve(5, "+1555").is_err();
    assert!(refused);
}

#[test]
fn a_trunk_whose_minutes_are_used_up_takes_no_new_call() {
    let mut bench = Bench::new(options());
    bench.command(Command::Budget { trunk: "alpha".into(), left: Duration::from_secs(60) });
    let invite = bench.answered(1);
    bench.pass(ms(59_000));
    assert!(bench.gateway.room(bench.now).lines_free > 0);
    bench.pass(ms(1_000));
    bench.events();
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0, "the call that is up counts");
    assert_eq!(reserve(&mut bench, 2, &[]), busy(2, BusyReason::Minutes));
    bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
    assert!(matches!(bench.events().as_slice(), [Event::Ended { .. }]), "it was not cut");
    assert_eq!(bench.gateway.talked("alpha"), Duration::from_secs(60));
    assert_eq!(reserve(&mut bench, 2, &[]), busy(2, BusyReason::Minutes));
    bench.command(Command::Budget { trunk: "alpha".into(), left: Duration::from_secs(60) });
    assert!(matches!(reserve(&mut bench, 2, &[]), Event::Reserved { .. }), "a new day");
}

#[test]
fn a_trunk_whose_money_is_spent_takes_no_new_call() {
    let mut options = options();
    let mut rates = Rates::default();
    // A minute costs 0.06; the first one is charged whole.
    let line = Line { prefix: "+1555", price: "0.06", increment: "60/6", fee: "0.01" };
    rates.add(line, Billing::default()).unwrap();
    options.trunks[0].rates = Some(Arc::new(rates));
    options.trunks[0].spend = SpendOptions { daily_max: Some(1), ..SpendOptions::default() };
    let mut bench = Bench::new(options);
    bench.command(Command::SpendBudget { trunk: "alpha".into(), left: 100_000 + 40_000 });
    let invite = bench.answered(1);
    // The fee and the longer step are held from the beginning, and the seconds come on top.
    bench.pass(ms(69_000));
    assert!(bench.gateway.room(bench.now).lines_free > 0);
    bench.pass(ms(1_000));
    bench.events();
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0, "the call that is up counts");
    assert_eq!(reserve(&mut bench, 2, &[]), busy(2, BusyReason::Spend));
    bench.pass(ms(50_000));
    bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
    assert!(matches!(bench.events().as_slice(), [Event::Ended { .. }]), "it was not cut");
    assert_eq!(bench.gateway.spent("alpha"), 130_000, "two minutes and the fee");
    let caps: Vec<_> = bench.gateway.trunk_caps(bench.now).collect();
    assert_eq!((caps[0].spend_left, caps[0].spent), (Some(10_000), Some(130_000)));
    // What is left begins one more call; while it is placed there is nothing for another.
    assert!(matches!(reserve(&mut bench, 3, &[]), Event::Reserved { .. }));
    assert_eq!(reserve(&mut bench, 4, &[]), busy(4, BusyReason::Spend));
    bench.command(Command::Release { call: CallId(3) });
    assert!(matches!(reserve(&mut bench, 5, &[]), Event::Reserved { .. }), "it came to nothing");
    bench.command(Command::SpendBudget { trunk: "alpha".into(), left: 0 });
    assert_eq!(reserve(&mut bench, 6, &[]), busy(6, BusyReason::Spend));
    bench.command(Command::SpendBudget { trunk: "alpha".into(), left: 200_000 });
    assert!(matches!(reserve(&mut bench, 7, &[]), Event::Reserved { .. }), "a new day");
    let elsewhere = Command::Reserve { call: CallId(8), number: "+4420".into(), first: None, trunks: vec![] };
    bench.command(elsewhere);
    assert_eq!(bench.last_event(), busy(8, BusyReason::Destination), "nobody knows what it would cost");
}

#[test]
fn what_is_new_of_numbers_is_told_every_ten_seconds_and_put_back() {
    let mut options = options();
    options.trunks[0].pool.daily_max = 1;
    let mut bench = Bench::new(options.clone());
    let Event::Reserved { route, .. } = reserve(&mut bench, 1, &[]) else { panic!("no line") };
    bench.pass(ms(10_000));
    let Event::Numbers(books) = bench.last_event() else { panic!("nothing told") };
    let told: Vec<_> = books.iter().map(|book| (book.trunk.as_str(), &book.number, book.today)).collect();
    assert_eq!(told, [("alpha", &route.caller_id, 1)]);
    bench.pass(ms(10_000));
    assert!(!bench.events().iter().any(|event| matches!(event, Event::Numbers(_))), "nothing is new");
    assert!(matches!(reserve(&mut bench, 2, &[]), Event::Reserved { .. }));
    bench.command(Command::Drain);
    let told = bench.events().into_iter().any(|event| matches!(event, Event::Numbers(_)));
    assert!(told, "at once on the way down");

    let mut bench = Bench::new(options);
    bench.command(Command::RestoreNumber(books[0].clone()));
    let Event::Reserved { route: next, .. } = reserve(&mut bench, 1, &[]) else { panic!("no line") };
    assert_ne!(next.caller_id, route.caller_id, "that one has had its day");
    assert_eq!(reserve(&mut bench, 2, &[]), busy(2, BusyReason::CallerIds));
}

#[test]
fn numbers_that_have_had_their_day_leave_no_room() {
    let mut options = options();
    options.trunks[0].pool.daily_max = 1;
    let mut bench = Bench::new(options);
    assert_eq!(bench.gateway.room(bench.now).calls_per_second_free, 2, "one call with each number");
    bench.reserve(1);
    bench.reserve(2);
    assert_eq!(bench.gateway.room(bench.now).calls_per_second_free, 0);
    assert_eq!(reserve(&mut bench, 3, &[]), busy(3, BusyReason::CallerIds));
    bench.command(Command::Release { call: CallId(2) });
    assert_eq!(bench.gateway.room(bench.now).calls_per_second_free, 1);
}
