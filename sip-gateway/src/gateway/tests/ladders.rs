//! What is written down of calls: both legs, the next trunk, calls from outside, and nothing that names anybody.

use super::super::testing::*;
use super::CALL;
use crate::command::{AgentLegMode, Command, PlaceCall};
use crate::event::Event;
use crate::id::{CallId, OfferId};
use crate::ladder::{Ladder, Role, Way};
use crate::resolve::Place;

/// `> INVITE`, `< 180`, each with the letter of its party.
fn shape(ladder: &Ladder) -> Vec<String> {
    let word = |rung: &crate::ladder::Rung| {
        let way = if rung.way == Way::Sent { '>' } else { '<' };
        let party = char::from(b'A' + rung.party);
        let what = rung.sketch.status.map_or_else(|| rung.sketch.verb.name().to_owned(), |it| it.to_string());
        format!("{party}{way} {what}{}", if rung.again { " again" } else { "" })
    };
    ladder.rungs().map(word).collect()
}

#[test]
fn both_legs_of_a_call_are_on_its_ladder_to_the_last_word() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    let agent = bench.one(PHONE);
    bench.feed(PHONE, agent.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    assert_eq!(bench.starts(PHONE), ["ACK"]);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    let bye = bench.one(PHONE);
    bench.feed(PHONE, bye.reply("200 OK", "", &[], ""));

    let ladder = bench.gateway.ladder_of_call(CALL).unwrap();
    let steps = "A> INVITE A< 200 A> ACK B> INVITE B< 200 B> ACK A< BYE A> 200 B> BYE B< 200";
    assert_eq!(shape(ladder).join(" "), steps);
    assert!(ladder.ended);
    let roles: Vec<_> = ladder.parties.iter().map(|party| (party.role, party.name.as_str())).collect();
    assert_eq!(roles, [(Role::Trunk, "alpha"), (Role::Phone, "anna")]);
    let told = format!("{ladder:?}");
    for hidden in ["55501", "callee", "tag"] {
        assert!(!told.contains(hidden), "{hidden} in {told}");
    }
    assert_eq!(bench.gateway.ladder_of_dialog(customer.header("Call-ID")), Some(ladder));
    assert_eq!(bench.gateway.ladder_of_dialog(agent.header("Call-ID")), Some(ladder));
}

#[test]
fn a_repeated_invite_and_a_silent_carrier_are_seen() {
    let mut bench = Bench::new(options());
    bench.place(1);
    bench.pass(ms(1_600));
    let shape = shape(bench.gateway.ladder_of_call(CALL).unwrap());
    assert_eq!(shape, ["A> INVITE", "A> INVITE again", "A> INVITE again"]);
}

#[test]
fn a_call_that_goes_on_to_the_next_trunk_has_both_on_one_ladder() {
    let mut options = options();
    let mut beta = trunk("beta");
    (beta.uri, beta.place) = ("sip:192.0.2.20:5060".into(), Place::udp(address("192.0.2.20:5060")));
    options.trunks.push(beta);
    let mut bench = Bench::new(options);
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("503 Busy", "x", &["Reason: Q.850;cause=34"], ""));
    let events = bench.events();
    let Some(Event::Diverted { route, .. }) = events.last() else { panic!("{events:?}") };
    bench.command(Command::Place(PlaceCall {
        call: CALL,
        route: route.clone(),
        not_after: bench.now + ms(500),
    }));
    let ladder = bench.gateway.ladder_of_call(CALL).unwrap();
    assert_eq!(shape(ladder), ["A> INVITE", "A< 503", "A> ACK", "B> INVITE"]);
    let names: Vec<_> = ladder.parties.iter().map(|party| party.name.as_str()).collect();
    assert_eq!((names, ladder.ended), (vec!["alpha", "beta"], false));
}

fn call_in(call_id: &str, number: &str) -> String {
    format!(
        "INVITE sip:{number}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK{call_id}\r\n\
         From: <sip:+15550199@carrier.example>;tag=them\r\nTo: <sip:{number}@192.0.2.1>\r\nCall-ID: {call_id}\r\n\
         CSeq: 7 INVITE\r\nContact: <sip:gw@{CARRIER}>\r\nContent-Type: application/sdp\r\n\r\n{}",
        sdp(4000, "0", "sendrecv")
    )
}

#[test]
fn a_call_from_outside_has_its_ladder_from_the_first_invite_on() {
    let mut bench = Bench::new(options());
    bench.feed(CARRIER, call_in("in1", "+15550177"));
    bench.command(Command::Ring { offer: OfferId(1), call: CallId(9) });
    let ladder = bench.gateway.ladder_of_call(CallId(9)).unwrap();
    assert_eq!(shape(ladder).first().unwrap(), "A< INVITE");
    assert_eq!(shape(ladder).last().unwrap(), "A> 180");
    assert_eq!(bench.gateway.ladder_of_dialog("in1"), Some(ladder));
    bench.command(Command::HangUp { call: CallId(9) });
    let ladder = bench.gateway.ladder_of_call(CallId(9)).unwrap();
    assert_eq!((shape(ladder).last().unwrap().as_str(), ladder.ended), ("A> 480", true));
    assert!(!format!("{ladder:?}").contains("5550"), "no number");
}

#[test]
fn a_call_from_outside_that_is_refused_at_once_is_found_by_its_call_id() {
    let mut bench = Bench::new(options());
    bench.feed(CARRIER, call_in("in2", "nobody"));
    let ladder = bench.gateway.ladder_of_dialog("in2").unwrap();
    assert_eq!((shape(ladder).join(" "), ladder.call), ("A< INVITE A> 404".into(), None));
    bench.feed(STRANGER, call_in("in3", "nobody"));
    assert!(bench.gateway.ladder_of_dialog("in3").is_none(), "a stranger's");
}

#[test]
fn a_phone_that_stays_on_the_line_is_on_the_ladder_of_its_call_alone() {
    let mut bench = Bench::new(options());
    let phone = bench.anna_up();
    bench.answered(1);
    let before = bench.gateway.ladder_of_call(CALL).unwrap().rungs().count();
    let update = |cseq| phone.request("OPTIONS", "anna", cseq, &[], "").replace(CARRIER, PHONE);
    bench.feed(PHONE, update(5));
    assert_eq!(bench.gateway.ladder_of_call(CALL).unwrap().rungs().count(), before);
    bench.connect(1, "anna");
    bench.feed(PHONE, update(6));
    assert_eq!(bench.gateway.ladder_of_call(CALL).unwrap().rungs().count(), before + 2);
    bench.command(Command::Disconnect { call: CALL });
    bench.feed(PHONE, update(7));
    assert_eq!(bench.gateway.ladder_of_call(CALL).unwrap().rungs().count(), before + 2);
}
