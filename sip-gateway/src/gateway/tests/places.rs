//! Trunks that are named: looked up, followed when they move, and one of their servers instead of another.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::{Command, PlaceCall};
use crate::event::{BusyReason, Event, Failure, Route, TrunkState};
use crate::options::{Options, Secret};
use crate::resolve::targets::REST;
use crate::resolve::{Answer, Kind, Named, Place, Question, Record};
use crate::transport::Transport;

const FIRST: &str = "192.0.2.11:5060";
const SECOND: &str = "192.0.2.12:5062";
const HOST: &str = "carrier.example";

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn named() -> Options {
    let mut options = options();
    options.trunks[0].uri = format!("sip:{HOST}");
    options.trunks[0].place = Place::Named(Named {
        host: HOST.into(),
        port: None,
        transports: vec![Transport::Udp],
        open: false,
        secure: false,
    });
    options
}

/// A zone in which the carrier has these servers, each of a priority of its own.
fn zone(servers: &[&str]) -> impl Fn(&Question) -> Answer {
    let mut records: BTreeMap<Question, Vec<Record>> = BTreeMap::new();
    for (place, server) in servers.iter().enumerate() {
        let at = address(server);
        let target = format!("s{place}.{HOST}");
        records.entry(Question::new(&target, Kind::A)).or_default().push(Record::Address(at.ip()));
        let priority = u16::try_from(place).unwrap();
        let srv = Record::Srv { priority, weight: 0, port: at.port(), target };
        records.entry(Question::new(&format!("_sip._udp.{HOST}"), Kind::Srv)).or_default().push(srv);
    }
    move |question| match records.get(question) {
        Some(found) => Answer::Records { records: found.clone(), ttl: s(100) },
        None => Answer::Nothing { ttl: Some(s(10)) },
    }
}

/// A bench whose trunk has these servers.
fn at(options: Options, servers: &[&str]) -> Bench {
    let mut bench = Bench::untouched(options);
    bench.answer(zone(servers));
    bench.events();
    bench
}

fn place_again(bench: &mut Bench, route: Route, to: &str) -> Text {
    let not_after = bench.now + s(2);
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
    bench.pass(s(1));
    assert_eq!(bench.events(), [Event::Placed { call: CALL }]);
    bench.sent(to).remove(0)
}

fn diverted(bench: &mut Bench) -> (Failure, Route) {
    match bench.events().as_slice() {
        [Event::Diverted { call: CALL, failure, route }] => (*failure, route.clone()),
        other => panic!("{other:?}"),
    }
}

fn told(state: TrunkState) -> Event {
    Event::Trunk { name: "alpha".into(), state }
}

#[test]
fn a_name_is_looked_up_before_its_trunk_is_used() {
    let mut bench = Bench::untouched(named());
    assert_eq!(bench.events(), [told(TrunkState::Unresolved)]);
    assert_eq!(bench.gateway.room(bench.now).trunks, []);
    let number = "+15550199".to_owned();
    bench.command(Command::Reserve { call: CALL, number, first: None, trunks: Vec::new() });
    assert_eq!(bench.events(), [Event::Busy { call: CALL, reason: BusyReason::NoTrunk }]);
    bench.answer(zone(&[FIRST, SECOND]));
    let events = bench.events();
    assert!(
        matches!(&events[..], [Event::Moved { targets, .. }, up] if targets.len() == 2 && *up == told(TrunkState::Up))
    );
    assert_eq!(bench.gateway.room(bench.now).trunks.len(), 1);
    let route = bench.reserve(1);
    assert_eq!(
        (route.next_hop, route.request_uri.as_str()),
        (address(FIRST), "sip:+15550199@carrier.example")
    );
}

#[test]
fn a_name_that_leads_nowhere_stops_nothing_and_is_tried_again() {
    let mut bench = Bench::untouched(named());
    bench.answer(|_| Answer::Failed { fault: "timeout".into() });
    assert_eq!(bench.events(), [told(TrunkState::Unresolved), told(TrunkState::Unresolved)][..1]);
    bench.pass(s(1));
    bench.answer(zone(&[FIRST]));
    assert_eq!(bench.events().last(), Some(&told(TrunkState::Up)));
    // Away for a day: what was known is used.
    for _ in 0..24 {
        bench.pass(s(3_600));
        bench.answer(|_| Answer::Failed { fault: "timeout".into() });
    }
    assert_eq!(bench.events(), []);
    // Gone for good, says whoever knows.
    bench.pass(s(60));
    bench.answer(zone(&[]));
    assert_eq!(bench.events(), [told(TrunkState::Unresolved)]);
}

#[test]
fn a_server_that_cannot_be_reached_gives_its_call_to_the_next() {
    let mut bench = at(named(), &[FIRST, SECOND]);
    let first = bench.place(1);
    bench.unreachable(FIRST);
    let (failure, route) = diverted(&mut bench);
    assert_eq!(
        (failure, route.trunk.as_str(), route.next_hop),
        (Failure::Transport, "alpha", address(SECOND))
    );
    assert_eq!(route.caller_id, "+15550100", "the same call, with the same number");
    assert_eq!(bench.gateway.trunks().map(|it| it.2).collect::<Vec<_>>(), [1], "and one line");
    assert!(!bench.waiting(SECOND), "nothing leaves before it is placed");
    let second = place_again(&mut bench, route, SECOND);
    assert_ne!((second.header("Call-ID"), second.branch()), (first.header("Call-ID"), first.branch()));
    bench.feed(SECOND, second.reply("486 Busy Here", "b", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Status(486)));
    // Those that come now go to the second at once, and after a while to the first again.
    assert_eq!(bench.reserve(2).next_hop, address(SECOND));
    bench.pass(REST);
    assert_eq!(bench.reserve(3).next_hop, address(FIRST));
    let (_, tally) = bench.gateway.trunk_tallies().next().unwrap();
    assert_eq!((tally.moved, tally.diverted, tally.invites), (1, 0, 2));
}

#[test]
fn a_silent_server_is_left_for_the_next_and_its_late_answer_ended() {
    let mut bench = at(named(), &[FIRST, SECOND]);
    let first = bench.place(1);
    bench.pass(s(4));
    let (failure, route) = diverted(&mut bench);
    assert_eq!((failure, route.next_hop), (Failure::Timeout, address(SECOND)));
    let second = place_again(&mut bench, route, SECOND);
    bench.sent(FIRST);
    bench.feed(FIRST, first.reply("180 Ringing", "a", &[], ""));
    assert_eq!(bench.starts(FIRST), ["CANCEL"]);
    bench.feed(SECOND, second.reply("200 OK", "b", &[CONTACT], &sdp(4000, "0 101", "sendrecv")));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));
    // What is within the call stays where it is, whatever the name says by now.
    bench.sent(SECOND);
    bench.pass(s(90));
    bench.answer(zone(&["192.0.2.13:5060"]));
    bench.command(Command::HangUp { call: CALL });
    let own = |text: &Text| text.is("BYE ");
    let byes = [bench.sent(CARRIER), bench.sent(SECOND)].concat();
    assert_eq!(byes.iter().filter(|text| own(text)).count(), 1);
}

#[test]
fn the_last_server_decides() {
    let mut bench = at(named(), &[FIRST, SECOND]);
    let first = bench.place(1);
    bench.feed(FIRST, first.reply("503 Service Unavailable", "a", &["Retry-After: 30"], ""));
    let (_, route) = diverted(&mut bench);
    let second = place_again(&mut bench, route, SECOND);
    bench.feed(SECOND, second.reply("503 Service Unavailable", "b", &["Retry-After: 20"], ""));
    let events = bench.events();
    assert_eq!(events[0], told(TrunkState::Paused), "both have said so");
    assert_eq!(events[1..], failed(Failure::Status(503)));
    bench.pass(s(20));
    assert_eq!(bench.events(), [told(TrunkState::Up)]);
    assert_eq!(bench.reserve(2).next_hop, address(SECOND));
}

#[test]
fn what_is_not_the_servers_own_doing_stays_with_it() {
    for status in ["500 Server Internal Error", "486 Busy Here", "404 Not Found", "408 Request Timeout"] {
        let mut bench = at(named(), &[FIRST, SECOND]);
        let first = bench.place(1);
        bench.feed(FIRST, first.reply(status, "a", &[], ""));
        assert_eq!(bench.events(), failed(Failure::Status(status[..3].parse().unwrap())), "{status}");
    }
}

#[test]
fn silence_of_one_server_does_not_kill_the_trunk() {
    let mut bench = at(named(), &[FIRST, SECOND]);
    for call in 1..=6 {
        bench.place(call);
        bench.pass(ms(150));
    }
    bench.pass(s(5));
    assert!(bench.events().iter().all(|event| matches!(event, Event::Diverted { .. })));
}

#[test]
fn every_address_of_the_trunk_may_speak_and_no_other() {
    let mut bench = at(named(), &[FIRST, SECOND]);
    let options = |from: &str| {
        format!(
            "OPTIONS sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{from}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:x@192.0.2.1>\r\nCall-ID: {from}\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    for (from, answered) in [(FIRST, true), ("192.0.2.12:9999", true), (CARRIER, false), (STRANGER, false)] {
        bench.feed(from, options(from));
        assert_eq!(bench.sent(from).len(), usize::from(answered), "{from}");
    }
    bench.pass(s(90));
    bench.answer(zone(&[SECOND]));
    bench.feed(FIRST, options("192.0.2.11:7777"));
    assert_eq!(bench.sent(FIRST).len(), 0, "it has moved away");
}

#[test]
fn a_registration_goes_on_at_the_next_server() {
    let mut options = named();
    options.trunks[0].register = true;
    options.trunks[0].username = "customer".into();
    options.trunks[0].password = Secret::new("s3cret");
    let mut bench = Bench::untouched(options);
    assert!(!bench.waiting(FIRST));
    bench.answer(zone(&[FIRST, SECOND]));
    assert_eq!(bench.one(FIRST).start(), "REGISTER sip:carrier.example SIP/2.0");
    bench.unreachable(FIRST);
    let register = bench.one(SECOND);
    let contact = "Contact: <sip:customer@192.0.2.1:5060>;expires=100";
    bench.feed(SECOND, register.reply("200 OK", "x", &[contact], ""));
    assert_eq!(bench.events().last(), Some(&told(TrunkState::Up)));
    bench.pass(s(80));
    let refresh = bench.one(SECOND);
    assert_eq!(refresh.header("Call-ID"), register.header("Call-ID"));
    bench.feed(SECOND, refresh.reply("503 Service Unavailable", "x", &[], ""));
    assert_eq!(bench.one(FIRST).cseq(), refresh.cseq() + 1, "which has rested by now");
}

#[test]
fn checks_find_the_server_that_works() {
    let mut options = named();
    options.trunks[0].options_interval = Some(s(10));
    let mut bench = at(options, &[FIRST, SECOND]);
    bench.pass(s(10));
    assert!(bench.one(FIRST).is("OPTIONS sip:carrier.example "));
    bench.unreachable(FIRST);
    bench.pass(s(10));
    let asked = bench.one(SECOND);
    bench.feed(SECOND, asked.reply("200 OK", "x", &[], ""));
    assert_eq!(bench.reserve(1).next_hop, address(SECOND), "no call has to find out");
    assert_eq!(bench.events(), []);
}
