use std::net::SocketAddr;
use std::time::Duration;

use super::*;

const CARRIER: &str = "192.0.2.10:5060";

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn trunk(call_id: &str) -> Party {
    Party {
        role: Role::Trunk,
        name: "alpha".into(),
        address: address(CARRIER),
        transport: Transport::Udp,
        call_id: call_id.into(),
    }
}

fn sketch(status: Option<u16>, verb: Verb, cseq: u32) -> Sketch {
    Sketch { status, verb, cseq, cause: None, body: Body::None }
}

fn note(ladders: &mut Ladders, call_id: &str, from: &str, cseq: u32, ms: u64) {
    let sketch = sketch(None, Verb::Update, cseq);
    ladders.note(call_id, Way::Received, (address(from), Transport::Udp), sketch, at(ms));
}

#[test]
fn the_first_and_the_last_messages_are_kept_in_order() {
    let mut ladders = Ladders::new(b"secret");
    ladders.begin(CallId(1), at(1_000));
    ladders.follow(CallId(1), trunk("a"));
    let total = FIRST_MAX + 3 * LAST_MAX + 5;
    for cseq in 0..u32::try_from(total).unwrap() {
        note(&mut ladders, "a", CARRIER, cseq, 1_000 + u64::from(cseq));
    }
    let ladder = ladders.of_call(CallId(1)).unwrap();
    let kept: Vec<usize> = ladder.rungs().map(|rung| rung.sketch.cseq as usize).collect();
    let expected: Vec<usize> = (0..FIRST_MAX).chain(total - LAST_MAX..total).collect();
    assert_eq!(kept, expected);
    assert!(ladder.rungs().all(|rung| rung.at_ms == rung.sketch.cseq));
    assert_eq!(ladder.left_out as usize, total - FIRST_MAX - LAST_MAX);
}

#[test]
fn what_a_callers_identity_is_worth_stays_with_its_own_call() {
    let mut ladders = Ladders::new(b"secret");
    assert!(ladders.offered(trunk("peer"), at(0)));
    let passed = Verdict::Passed(crate::passport::Attestation::A);
    ladders.judged("peer", passed);
    ladders.named("peer", CallId(1), at(1));
    // Another call with the same Call-ID.
    ladders.judged("peer", Verdict::None);
    ladders.judged("nobody", passed);
    ladders.named("peer", CallId(2), at(2));
    let identity = |call| ladders.of_call(CallId(call)).unwrap().identity;
    assert_eq!((identity(1), identity(2)), (passed, Verdict::None));
}

#[test]
fn repetitions_are_told_and_other_messages_are_none() {
    let mut ladders = Ladders::new(b"secret");
    ladders.begin(CallId(1), at(0));
    ladders.follow(CallId(1), trunk("a"));
    let peer = (address(CARRIER), Transport::Udp);
    for (way, status, verb, cseq) in [
        (Way::Sent, None, Verb::Invite, 1),
        (Way::Sent, None, Verb::Invite, 1),
        (Way::Received, Some(180), Verb::Invite, 1),
        (Way::Received, Some(183), Verb::Invite, 1),
        (Way::Received, Some(180), Verb::Invite, 1),
        (Way::Sent, None, Verb::Invite, 2),
        (Way::Received, None, Verb::Invite, 2),
    ] {
        ladders.note("a", way, peer, sketch(status, verb, cseq), at(5));
    }
    let again: Vec<bool> = ladders.of_dialog("a").unwrap().rungs().map(|rung| rung.again).collect();
    assert_eq!(again, [false, true, false, false, true, false, false]);
}

#[test]
fn other_addresses_of_a_dialog_are_other_parties_up_to_a_limit() {
    let mut ladders = Ladders::new(b"secret");
    ladders.begin(CallId(1), at(0));
    ladders.follow(CallId(1), trunk("a"));
    for last in 1..=u32::try_from(PARTIES_MAX).unwrap() + 3 {
        note(&mut ladders, "a", &format!("192.0.2.{}:5060", 9 + last), last, 0);
    }
    note(&mut ladders, "a", CARRIER, 99, 0);
    ladders.follow(CallId(1), trunk("b"));
    note(&mut ladders, "b", CARRIER, 100, 0);
    let ladder = ladders.of_call(CallId(1)).unwrap();
    assert_eq!((ladder.parties.len(), ladder.rungs().count()), (PARTIES_MAX, PARTIES_MAX + 1));
    assert_eq!(ladder.left_out, 4, "three messages and a party");
    assert_eq!(ladder.rungs().last().unwrap().party, 0, "the same address again");
    assert!(ladders.of_dialog("b").is_none());
}

#[test]
fn a_call_from_outside_is_named_later_and_a_second_one_gets_its_own() {
    let mut ladders = Ladders::new(b"secret");
    assert!(ladders.offered(trunk("peer"), at(10)));
    assert!(!ladders.offered(trunk("peer"), at(11)), "known");
    assert!(!ladders.offered(trunk(&"x".repeat(CALL_ID_MAX + 1)), at(11)), "too long");
    note(&mut ladders, "peer", CARRIER, 1, 10);
    assert!(ladders.of_dialog("peer").unwrap().ended, "refused, as far as is known");
    ladders.named("peer", CallId(5), at(12));
    let ladder = ladders.of_call(CallId(5)).unwrap();
    assert_eq!((ladder.ended, ladder.rungs().count()), (false, 1));
    ladders.named("peer", CallId(6), at(40));
    note(&mut ladders, "peer", CARRIER, 2, 40);
    assert_eq!(ladders.of_call(CallId(6)).unwrap().rungs().count(), 1);
    assert_eq!(ladders.of_call(CallId(5)).unwrap().rungs().count(), 1);
}

#[test]
fn ended_calls_give_way_to_newer_ones_and_calls_that_are_up_stay() {
    let mut ladders = Ladders::new(b"secret");
    ladders.begin(CallId(0), at(0));
    ladders.follow(CallId(0), trunk("up"));
    ladders.offered(trunk("asked"), at(0));
    ladders.named("asked", CallId(1), at(0));
    let total = u64::try_from(2 * ENDED_MAX).unwrap();
    for call in 2..total {
        ladders.begin(CallId(call), at(call));
        ladders.follow(CallId(call), trunk(&format!("c{call}")));
        note(&mut ladders, &format!("c{call}"), CARRIER, 1, call);
        ladders.over(CallId(call), at(call));
        ladders.over(CallId(call), at(call));
    }
    assert_eq!(ladders.len(), ENDED_MAX + 2);
    assert_eq!(ladders.dialogs.len(), ladders.len(), "nothing is left of the others");
    assert_eq!(ladders.calls.len(), ladders.len());
    assert!(ladders.of_call(CallId(0)).is_some() && ladders.of_call(CallId(1)).is_some());
    assert!(ladders.of_call(CallId(2)).is_none() && ladders.of_call(CallId(total - 1)).is_some());
    note(&mut ladders, &format!("c{}", total - 1), CARRIER, 2, total);
    assert_eq!(ladders.of_call(CallId(total - 1)).unwrap().rungs().count(), 2, "its last words");
}

#[test]
fn memory_of_ended_calls_is_bounded_however_long_their_ladders_are() {
    let mut ladders = Ladders::new(b"secret");
    for call in 0..u64::try_from(ENDED_MAX).unwrap() {
        ladders.begin(CallId(call), at(0));
        ladders.follow(CallId(call), trunk(&format!("{call:0>200}")));
        for cseq in 0..100 {
            note(&mut ladders, &format!("{call:0>200}"), CARRIER, cseq, 0);
        }
        ladders.over(CallId(call), at(call));
    }
    assert!(ladders.len() < ENDED_MAX, "{}", ladders.len());
    let octets: usize = ladders.ladders.values().map(|ladder| ladder.octets()).sum();
    assert!(octets <= ENDED_OCTETS_MAX && octets > ENDED_OCTETS_MAX / 2, "{octets}");
    assert_eq!(octets, ladders.ended_octets);
}

#[test]
fn a_dialog_is_parted_once_all_is_sent_unless_it_was_taken_up_again() {
    let mut ladders = Ladders::new(b"secret");
    ladders.begin(CallId(1), at(0));
    ladders.follow(CallId(1), trunk("phone"));
    ladders.part("phone");
    note(&mut ladders, "phone", CARRIER, 1, 0);
    ladders.all_sent();
    note(&mut ladders, "phone", CARRIER, 2, 0);
    assert_eq!(ladders.of_call(CallId(1)).unwrap().rungs().count(), 1);
    ladders.follow(CallId(1), trunk("phone"));
    ladders.part("phone");
    ladders.follow(CallId(1), trunk("phone"));
    ladders.all_sent();
    note(&mut ladders, "phone", CARRIER, 3, 0);
    let ladder = ladders.of_call(CallId(1)).unwrap();
    assert_eq!((ladder.rungs().count(), ladder.parties.len()), (2, 1));
}

#[test]
fn a_ladder_is_settled_once_and_a_while_after_its_call() {
    let mut ladders = Ladders::new(b"secret");
    for call in 1..=2 {
        ladders.begin(CallId(call), at(0));
        ladders.follow(CallId(call), trunk(&format!("c{call}")));
        ladders.over(CallId(call), at(call));
    }
    assert_eq!(ladders.settled(SETTLED_AFTER), None);
    note(&mut ladders, "c1", CARRIER, 1, 5);
    let settled = ladders.settled(SETTLED_AFTER + at(1)).unwrap();
    assert_eq!((settled.call, settled.rungs().count()), (Some(CallId(1)), 1));
    assert_eq!(ladders.settled(SETTLED_AFTER + at(1)), None);
    assert_eq!(ladders.settled(Duration::MAX).unwrap().call, Some(CallId(2)));
    assert_eq!(ladders.settled(Duration::MAX), None);
    for call in 10..10 + 2 * u64::try_from(ENDED_MAX).unwrap() {
        ladders.begin(CallId(call), at(0));
        ladders.over(CallId(call), at(call));
    }
    assert_eq!(ladders.settling.len(), ENDED_MAX);
}
