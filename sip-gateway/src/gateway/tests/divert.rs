//! On to the next trunk, within the call and before anything rings.

use std::time::Duration;

use proptest::prelude::*;

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::{Command, PlaceCall};
use crate::event::{Event, Failure, Route, TrunkState};
use crate::options::Options;
use crate::resolve::Place;
use crate::trunk::failover::Failover;

const BETA: &str = "192.0.2.20:5060";
const GAMMA: &str = "192.0.2.30:5060";

fn several() -> Options {
    let mut options = options();
    for (name, at) in [("beta", BETA), ("gamma", GAMMA)] {
        let mut other = trunk(name);
        (other.uri, other.place) = (format!("sip:{at}"), Place::udp(address(at)));
        other.caller_ids = vec![format!("+1555020{}", options.trunks.len())];
        options.trunks.push(other);
    }
    options
}

fn lines(bench: &Bench) -> Vec<u32> {
    bench.gateway.trunks().map(|(_, _, used)| used).collect()
}

/// The line that the call was given instead.
fn diverted(bench: &mut Bench, after: Failure) -> Route {
    match bench.events().as_slice() {
        [Event::Diverted { call: CALL, failure, route }] if *failure == after => route.clone(),
        other => panic!("{other:?}"),
    }
}

fn place_again(bench: &mut Bench, route: Route, to: &str) -> Text {
    let not_after = bench.now + Duration::from_secs(2);
    bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
    assert_eq!(bench.events(), [Event::Placed { call: CALL }]);
    bench.one(to)
}

#[test]
fn each_trunk_is_tried_once_and_the_last_one_decides() {
    let mut bench = Bench::new(several());
    let first = bench.place(1);
    bench.feed(CARRIER, first.reply("100 Trying", "", &[], ""));
    bench.feed(CARRIER, first.reply("503 Service Unavailable", "a", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    let route = diverted(&mut bench, Failure::Status(503));
    assert_eq!((route.trunk.as_str(), route.caller_id.as_str()), ("beta", "+15550201"));
    assert_eq!(route.request_uri, format!("sip:+15550199@{BETA}"));
    assert_eq!(lines(&bench), [0, 1, 0], "one line at a time");
    assert!(!bench.waiting(BETA), "nothing leaves before it is placed");
    let second = place_again(&mut bench, route, BETA);
    assert_ne!(second.header("Call-ID"), first.header("Call-ID"));
    bench.feed(BETA, second.reply("408 Request Timeout", "b", &[], ""));
    let route = diverted(&mut bench, Failure::Status(408));
    assert_eq!(route.trunk, "gamma");
    let third = place_again(&mut bench, route, GAMMA);
    bench.feed(GAMMA, third.reply("500 Server Internal Error", "c", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Status(500)), "all were tried");
    assert_eq!(lines(&bench), [0, 0, 0]);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
    assert_eq!(bench.gateway.counters().diverted, 2);
}

#[test]
fn nothing_goes_on_once_it_has_rung_or_the_callee_has_spoken() {
    for (ringing, refusal) in [
        (Some("180 Ringing"), "503 Service Unavailable"),
        (Some("183 Session Progress"), "500 Server Internal Error"),
        (None, "486 Busy Here"),
        (None, "404 Not Found"),
        (None, "480 Temporarily Unavailable"),
        (None, "603 Decline"),
        (None, "600 Busy Everywhere"),
    ] {
        let mut bench = Bench::new(several());
        let invite = bench.place(1);
        if let Some(ringing) = ringing {
            bench.feed(CARRIER, invite.reply(ringing, "a", &[], ""));
            bench.events();
        }
        bench.feed(CARRIER, invite.reply(refusal, "a", &[], ""));
        let status = refusal[..3].parse().unwrap();
        assert_eq!(bench.events(), failed(Failure::Status(status)), "{refusal}");
    }
}

#[test]
fn a_call_that_we_end_goes_nowhere() {
    let mut bench = Bench::new(several());
    let invite = bench.place(1);
    bench.command(Command::HangUp { call: CALL });
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "a", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Status(503)));

    // Given back while it waits for its second placing.
    let mut bench = Bench::new(several());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "a", &[], ""));
    diverted(&mut bench, Failure::Status(503));
    bench.command(Command::Release { call: CALL });
    assert_eq!((bench.events(), lines(&bench)), (vec![], vec![0, 0, 0]));
}

#[test]
fn without_room_elsewhere_the_failure_is_told() {
    let mut options = several();
    options.trunks[1].max_calls = 0;
    options.trunks[2].calls_per_second = 0.0;
    let mut bench = Bench::new(options);
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "a", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Status(503)));
    let mut options = several();
    options.trunks[0].failover = Failover::never();
    let mut bench = Bench::new(options);
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "a", &[], ""));
    assert_eq!(bench.events(), failed(Failure::Status(503)), "switched off");
}

#[test]
fn only_trunks_of_the_campaign_are_tried() {
    let mut bench = Bench::new(several());
    let trunks = vec!["alpha".to_owned(), "gamma".to_owned()];
    bench.command(Command::Reserve { call: CALL, number: "+15550199".into(), first: None, trunks });
    let Event::Reserved { route, .. } = bench.last_event() else { panic!("a line is held") };
    let invite = place_again(&mut bench, route, CARRIER);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "a", &[], ""));
    assert_eq!(diverted(&mut bench, Failure::Status(503)).trunk, "gamma");
}

#[test]
fn an_unreachable_trunk_is_passed_on_at_once() {
    let mut bench = Bench::new(several());
    bench.place(1);
    bench.unreachable(CARRIER);
    assert_eq!(diverted(&mut bench, Failure::Transport).trunk, "beta");
}

#[test]
fn a_silent_trunk_is_left_and_what_comes_late_is_ended() {
    let mut bench = Bench::new(several());
    let silent = bench.place(1);
    bench.pass(ms(3_999));
    assert_eq!((bench.events(), bench.starts(CARRIER).len()), (vec![], 3));
    bench.pass(ms(1));
    let route = diverted(&mut bench, Failure::Timeout);
    let second = place_again(&mut bench, route, BETA);
    bench.pass(ms(4_000));
    bench.events();
    assert!(!bench.waiting(CARRIER), "not repeated: {:?}", bench.starts(CARRIER));

    // The first one wakes up: it may not ring, and what it answers is ended.
    bench.feed(CARRIER, silent.reply("180 Ringing", "late", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["CANCEL"]);
    bench.feed(CARRIER, silent.reply("200 OK", "late", &[CONTACT], &sdp(4000, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["ACK", "BYE"]);
    assert!(!bench.events().iter().any(|event| matches!(event, Event::Answered { .. })));
    drop(second);
}

#[test]
fn a_trunk_that_said_anything_is_waited_for() {
    let mut bench = Bench::new(several());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("100 Trying", "", &[], ""));
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.events(), []);
    // And a single trunk has no deadline of its own.
    let mut bench = Bench::new(options());
    bench.place(1);
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.events(), []);
}

#[test]
fn each_silence_counts_for_its_trunk() {
    let mut options = several();
    options.trunks.truncate(2);
    options.trunks[0].failover.silence = Some(ms(500));
    let mut bench = Bench::new(options);
    let mut told = Vec::new();
    for call in 1..=5 {
        bench.place(call);
        bench.pass(ms(600));
        told.extend(bench.events());
    }
    let silent = Event::Trunk { name: "alpha".into(), state: TrunkState::Silent };
    assert_eq!(told.iter().filter(|event| **event == silent).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|event| matches!(event, Event::Diverted { .. })).count(), 5);
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Refuse(u16),
    Ring,
    Accept,
    Wait(u64),
    HangUp,
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        (300u16..700).prop_map(Answer::Refuse),
        (500u16..504).prop_map(Answer::Refuse),
        Just(Answer::Ring),
        Just(Answer::Accept),
        (1u64..6_000).prop_map(Answer::Wait),
        Just(Answer::HangUp),
    ]
}

proptest! {
    /// Whatever trunks answer, in whatever order: no trunk gets two INVITEs of one call, none gets one after the callee's
    /// phone rang, there is one ending, and lines are counted to rest.
    #[test]
    fn one_leg_at_a_time_and_one_ending(script in proptest::collection::vec(answers(), 1..14)) {
        let mut bench = Bench::new(several());
        let mut invites = vec![(CARRIER, bench.place(1))];
        let (mut rung, mut endings) = (false, 0);
        for answer in script {
            let (peer, invite) = invites.last().unwrap().clone();
            match answer {
                Answer::Refuse(status) => {
                    bench.feed(peer, invite.reply(&format!("{status} No"), "t", &[], ""));
                }
                Answer::Ring => {
                    rung = true;
                    bench.feed(peer, invite.reply("180 Ringing", "t", &[], ""));
                }
                Answer::Accept => {
                    rung = true;
                    bench.feed(peer, invite.reply("200 OK", "t", &[CONTACT], &sdp(4000, "0", "sendrecv")));
                }
                Answer::Wait(time) => bench.pass(ms(time)),
                Answer::HangUp => bench.command(Command::HangUp { call: CALL }),
            }
            for event in bench.events() {
                match event {
                    Event::Diverted { route, .. } => {
                        prop_assert!(!rung, "on to another trunk after ringing");
                        let peer = [CARRIER, BETA, GAMMA].into_iter().find(|at| address(at) == route.next_hop).unwrap();
                        prop_assert!(!invites.iter().any(|(tried, _)| *tried == peer), "{peer} twice");
                        let not_after = bench.now + Duration::from_secs(2);
                        bench.command(Command::Place(PlaceCall { call: CALL, route, not_after }));
                        let sent = bench.sent(peer).into_iter().rfind(|text| text.is("INVITE "));
                        invites.push((peer, sent.expect("the INVITE leaves")));
                    }
                    Event::Failed { .. } | Event::Ended { .. } => endings += 1,
                    _ => {}
                }
            }
            prop_assert!(lines(&bench).iter().sum::<u32>() <= 1);
        }
        bench.command(Command::HangUp { call: CALL });
        bench.pass(Duration::from_secs(200));
        endings += bench.events().iter()
            .filter(|event| matches!(event, Event::Failed { .. } | Event::Ended { .. })).count();
        prop_assert_eq!(endings, 1);
        prop_assert_eq!(lines(&bench), [0, 0, 0]);
        prop_assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
    }
}
