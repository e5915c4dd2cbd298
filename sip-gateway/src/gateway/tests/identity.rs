//! Calls that a service signs: they wait for it, and what becomes of those that it does not sign.

use std::time::Duration;

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::{Command, PlaceCall};
use crate::event::{Event, Failure, TrunkState};
use crate::id::CallId;
use crate::options::{Options, Secret};
use crate::passport::{Attestation, OnFailure, SignFault, SignRequest, SignedBy, Signing, SigningService};
use crate::resolve::Place;
use crate::trunk::UNSIGNED_REST;
use crate::trunk::failover::Failover;

const IDENTITY: &str = "a.b.c;info=<https://cert.example/a>;alg=ES256;ppt=shaken";

fn signed_by_service(on_failure: OnFailure) -> Bench {
    let service = SigningService {
        url: "https://sti.example".into(),
        token: Secret::default(),
        ca: None,
        timeout: Duration::from_secs(2),
        on_failure,
    };
    let mut options: Options = options();
    options.trunks[0].signing = Some(Signing {
        by: SignedBy::Service(service),
        attestation: Attestation::C,
        numbers: [("15550100".to_owned(), Attestation::A)].into(),
        origid: "o".into(),
    });
    let mut bench = Bench::new(options);
    bench.gateway.note_time_of_day(1_443_208_345, bench.now);
    bench
}

/// Reserves and places a call; what its service is asked.
fn asked(bench: &mut Bench, call: u64) -> SignRequest {
    let route = bench.reserve(call);
    let not_after = bench.now + Duration::from_secs(8);
    bench.command(Command::Place(PlaceCall { call: CallId(call), route, not_after }));
    assert!(bench.sent(CARRIER).is_empty(), "it waits for the signature");
    bench.requests.pop().expect("the service is asked")
}

fn answer(bench: &mut Bench, request: &SignRequest, answer: Result<&str, SignFault>) {
    bench.gateway.signed(request, answer.map(str::to_owned), bench.now);
    bench.drain();
}

#[test]
fn an_invite_leaves_with_what_the_service_signed() {
    let mut bench = signed_by_service(OnFailure::Refuse);
    let request = asked(&mut bench, 1);
    assert_eq!((request.call, request.trunk), (CALL, 0));
    assert_eq!(
        request.claims.json(),
        r#"{"attest":"A","dest":{"tn":["15550199"]},"iat":1443208345,"orig":{"tn":"15550100"},"origid":"o"}"#
    );
    bench.pass(Duration::from_millis(1_500));
    answer(&mut bench, &request, Ok(IDENTITY));
    let invite = bench.one(CARRIER);
    assert_eq!(invite.header("Identity"), IDENTITY);
    assert_eq!(invite.header("Date"), "Fri, 25 Sep 2015 19:12:25 GMT", "of what was signed");
    assert_eq!(bench.events(), [Event::Placed { call: CALL }]);
    let tally = bench.gateway.trunk_tallies().next().unwrap().1;
    assert_eq!((tally.signed, tally.unsigned, tally.signing), (1, 0, Duration::from_millis(1_500)));
    answer(&mut bench, &request, Ok(IDENTITY));
    assert!(bench.sent(CARRIER).is_empty(), "a second word changes nothing");
}

#[test]
fn a_call_that_is_not_signed_is_not_made_and_three_let_the_trunk_rest() {
    let mut bench = signed_by_service(OnFailure::Refuse);
    for call in [1, 2, 3] {
        let request = asked(&mut bench, call);
        answer(&mut bench, &request, Err(SignFault::Timeout));
        assert!(bench.sent(CARRIER).is_empty());
        let events = bench.events();
        assert!(
            events.contains(&Event::Failed { call: CallId(call), failure: Failure::Unsigned }),
            "{events:?}"
        );
        let rests = events.iter().any(|it| matches!(it, Event::Trunk { state: TrunkState::Paused, .. }));
        assert_eq!(rests, call == 3);
    }
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0);
    bench.pass(UNSIGNED_REST);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10, "all lines are given back");
    assert_eq!(bench.gateway.trunk_tallies().next().unwrap().1.unsigned, 3);
}

#[test]
fn where_that_is_wanted_it_goes_out_without() {
    let mut bench = signed_by_service(OnFailure::SendUnsigned);
    let request = asked(&mut bench, 1);
    answer(&mut bench, &request, Err(SignFault::Refused { status: 500, text: String::new() }));
    let invite = bench.one(CARRIER);
    assert!(invite.headers("Identity").is_empty() && invite.headers("Date").is_empty());
}

#[test]
fn a_call_that_ends_while_it_waits_is_not_made_by_a_late_word() {
    let mut bench = signed_by_service(OnFailure::SendUnsigned);
    let first = asked(&mut bench, 1);
    bench.command(Command::HangUp { call: CALL });
    assert_eq!(bench.events(), failed(Failure::Cancelled));
    let second = asked(&mut bench, 2);
    bench.pass(Duration::from_secs(9));
    assert_eq!(bench.events(), [Event::Failed { call: CallId(2), failure: Failure::Expired }]);
    for request in [first, second] {
        answer(&mut bench, &request, Ok(IDENTITY));
    }
    assert!(bench.sent(CARRIER).is_empty());
    assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
}

#[test]
fn without_a_time_of_day_nothing_can_be_signed() {
    let mut bench = signed_by_service(OnFailure::Refuse);
    let mut untold = Bench::new(bench.gateway.options().clone());
    std::mem::swap(&mut bench, &mut untold);
    let route = bench.reserve(1);
    let not_after = bench.now + Duration::from_secs(8);
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
    assert!(bench.requests.is_empty() && bench.sent(CARRIER).is_empty());
    assert_eq!(bench.events(), failed(Failure::Unsigned));
}

const BETA: &str = "192.0.2.20:5060";

/// Two trunks with a service each.
fn two_signed() -> Bench {
    let bench = signed_by_service(OnFailure::Refuse);
    let mut options = bench.gateway.options().clone();
    let mut beta = options.trunks[0].clone();
    beta.name = "beta".into();
    (beta.uri, beta.place) = (format!("sip:{BETA}"), Place::udp(address(BETA)));
    beta.caller_ids = vec!["+15550201".into()];
    options.trunks.push(beta);
    let mut bench = Bench::new(options);
    bench.gateway.note_time_of_day(1_443_208_345, bench.now);
    bench
}

fn lines(bench: &Bench) -> Vec<u32> {
    bench.gateway.trunks().map(|(_, _, used)| used).collect()
}

#[test]
fn a_call_that_is_not_signed_goes_on_to_the_next_trunk_as_its_own() {
    let mut bench = two_signed();
    let first = asked(&mut bench, 1);
    answer(&mut bench, &first, Err(SignFault::Timeout));
    let [Event::Diverted { call: CALL, failure: Failure::Unsigned, route }] = &bench.events()[..] else {
        panic!("it goes on");
    };
    let route = route.clone();
    assert_eq!((route.trunk.as_str(), route.caller_id.as_str()), ("beta", "+15550201"));
    assert_eq!((lines(&bench), bench.waiting(CARRIER), bench.waiting(BETA)), (vec![0, 1], false, false));

    let not_after = bench.now + Duration::from_secs(8);
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
    let second = bench.requests.pop().expect("the other service is asked");
    assert_eq!((second.trunk, second.claims.orig.as_str()), (1, "15550201"));
    answer(&mut bench, &first, Ok(IDENTITY));
    assert!(!bench.waiting(CARRIER) && !bench.waiting(BETA), "a late word of the first changes nothing");
    answer(&mut bench, &second, Ok(IDENTITY));
    assert_eq!(bench.one(BETA).header("Identity"), IDENTITY);
    assert_eq!(bench.events(), [Event::Placed { call: CALL }]);
    assert_eq!(bench.gateway.counters().diverted, 1);
}

#[test]
fn where_no_trunk_signs_the_call_is_not_made() {
    let mut bench = two_signed();
    let first = asked(&mut bench, 1);
    answer(&mut bench, &first, Err(SignFault::Timeout));
    let Event::Diverted { route, .. } = bench.last_event() else { panic!("it goes on") };
    let not_after = bench.now + Duration::from_secs(8);
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
    let second = bench.requests.pop().expect("the other service is asked");
    answer(&mut bench, &second, Err(SignFault::Timeout));
    assert_eq!(bench.events(), failed(Failure::Unsigned));
    assert_eq!(lines(&bench), [0, 0]);
    assert!(!bench.waiting(CARRIER) && !bench.waiting(BETA), "nothing was sent");
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
}

#[test]
fn where_calls_never_go_on_one_that_is_not_signed_does_not_either() {
    let bench = two_signed();
    let mut options = bench.gateway.options().clone();
    options.trunks[0].failover = Failover::never();
    let mut bench = Bench::new(options);
    bench.gateway.note_time_of_day(1_443_208_345, bench.now);
    let request = asked(&mut bench, 1);
    answer(&mut bench, &request, Err(SignFault::Timeout));
    assert_eq!(bench.events(), failed(Failure::Unsigned));
}

/// No number, no free slot and no line is lost with the trunk that did not sign.
#[test]
fn the_trunk_that_does_not_sign_gets_all_of_it_back() {
    let bench = two_signed();
    let mut options = bench.gateway.options().clone();
    options.trunks[0].pool.daily_max = 1;
    (options.trunks[0].caller_ids, options.trunks[0].max_calls) = (vec!["+15550100".into()], 1);
    let mut bench = Bench::new(options);
    bench.gateway.note_time_of_day(1_443_208_345, bench.now);
    for call in [1, 2] {
        let request = asked(&mut bench, call);
        assert_eq!((request.trunk, request.claims.orig.as_str()), (0, "15550100"));
        answer(&mut bench, &request, Err(SignFault::Timeout));
        assert!(matches!(bench.last_event(), Event::Diverted { .. }));
        bench.command(Command::Release { call: CallId(call) });
        assert_eq!(lines(&bench), [0, 0]);
    }
}
