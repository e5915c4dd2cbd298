//! The same calls over TCP: nothing is repeated, everything names its transport, and phones go with their connection.

use super::super::testing::*;
use super::registrar::Phone;
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};
use crate::options::Options;
use crate::resolve::{Place, Target};
use crate::transport::{Local, Transport};

fn over_tcp() -> Options {
    let mut options = options();
    options.listen = vec![Local::tcp(address(LOCAL))];
    options.trunks[0].uri = format!("sip:{CARRIER};transport=tcp");
    options.trunks[0].place = Place::Fixed(Target { transport: Transport::Tcp, address: address(CARRIER) });
    options
}

#[test]
fn a_call_names_its_transport_and_is_never_repeated() {
    let mut bench = Bench::new(over_tcp());
    let invite = bench.place(1);
    assert!(invite.header("Via").starts_with("SIP/2.0/TCP 192.0.2.1:5060;branch="), "{}", invite.0);
    assert_eq!(invite.header("Contact"), "<sip:+15550100@192.0.2.1:5060;transport=tcp>");
    bench.pass(ms(3_000));
    assert_eq!(bench.starts(CARRIER), [] as [String; 0], "RFC 3261 §17.1.1.2: no timer A");
    let contact = "Contact: <sip:callee@192.0.2.10:5060;transport=tcp>";
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[contact], &sdp(4000, "0 101", "sendrecv")));
    let ack = bench.one(CARRIER);
    assert!(ack.is("ACK ") && ack.header("Via").starts_with("SIP/2.0/TCP "), "{}", ack.0);
    bench.events();
    let bye = invite.request("BYE", "callee", 1, &[], "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    bench.feed(CARRIER, bye);
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
}

#[test]
fn the_same_trunk_over_tcp_gives_up_after_timer_b() {
    let mut bench = Bench::new(over_tcp());
    bench.place(1);
    bench.pass(ms(31_000));
    assert_eq!(bench.events(), []);
    bench.pass(ms(2_000));
    assert!(matches!(bench.events().as_slice(), [Event::Failed { call: CALL, .. }, ..]));
}

#[test]
fn a_connection_that_can_t_be_had_fails_its_calls_at_once() {
    let mut bench = Bench::new(over_tcp());
    bench.place(1);
    bench.unreachable(CARRIER);
    assert!(matches!(bench.events().as_slice(), [Event::Failed { call: CALL, .. }, ..]));
}

#[test]
fn a_closed_connection_is_no_failure_of_a_call_that_rings() {
    let mut bench = Bench::new(over_tcp());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("180 Ringing", "callee", &[], ""));
    bench.events();
    bench.gateway.closed(address(CARRIER), bench.local, bench.now);
    assert_eq!(bench.events(), [], "the answer may come over a new connection");
    let contact = "Contact: <sip:callee@192.0.2.10:5060;transport=tcp>";
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[contact], &sdp(4000, "0 101", "sendrecv")));
    assert!(matches!(bench.last_event(), Event::Answered { call: CALL, .. }));
}

#[test]
fn a_phone_is_called_over_its_connection_and_is_gone_with_it() {
    let mut bench = Bench::new(over_tcp());
    let mut phone = Phone::new("anna", "open sesame");
    let contact = "Contact: <sip:anna@10.0.0.5:5062;transport=tcp>";
    assert_eq!(phone.register(&mut bench, PHONE, &[contact]).start(), "SIP/2.0 200 OK");
    match bench.events().as_slice() {
        [Event::Registered(binding)] => assert_eq!(binding.local, bench.local),
        other => panic!("{other:?}"),
    }
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let invite = bench.one(PHONE);
    assert_eq!(invite.start(), "INVITE sip:anna@10.0.0.5:5062;transport=tcp SIP/2.0");
    assert!(invite.header("Via").starts_with("SIP/2.0/TCP "));
    bench.events();
    bench.unreachable(PHONE);
    let gone = |event: &Event| matches!(event, Event::Unregistered { user, .. } if user == "anna");
    assert!(bench.events().iter().any(gone));
}

#[test]
fn a_connection_of_an_earlier_process_is_not_waited_for() {
    let mut bench = Bench::new(over_tcp());
    bench.command(Command::RestoreBinding(stored(
        "sip:anna@10.0.0.5:5062;transport=tcp",
        PHONE,
        bench.local,
    )));
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    assert!(bench.sent(PHONE).is_empty(), "the phone comes by itself");
}
