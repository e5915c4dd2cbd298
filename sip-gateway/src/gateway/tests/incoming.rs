//! Calls from outside: rung, answered, cancelled, refused, and what their callers ask for.

use std::sync::Arc;

use super::super::testing::*;
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event, Incoming};
use crate::id::OfferId;
use crate::media::prompt::Prompt;
use crate::options::Options;

pub(super) const NUMBER: &str = "sip:+15550177@192.0.2.1";

pub(super) fn invite_to(uri: &str, call_id: &str, more: &[&str], body: &str) -> String {
    let mut lines = vec![
        format!("INVITE {uri} SIP/2.0"),
        format!("Via: SIP/2.0/UDP {CARRIER};branch=z9hG4bKin{call_id}"),
        "Max-Forwards: 70".to_owned(),
        "From: \"A caller\" <sip:+15550199@carrier.example>;tag=them".to_owned(),
        format!("To: <{uri}>"),
        format!("Call-ID: {call_id}"),
        "CSeq: 7 INVITE".to_owned(),
        "Contact: <sip:gw@192.0.2.10:5060>".to_owned(),
    ];
    lines.extend(more.iter().map(|line| (*line).to_owned()));
    if !body.is_empty() {
        lines.push("Content-Type: application/sdp".to_owned());
    }
    lines.push(format!("Content-Length: {}", body.len()));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn invite(more: &[&str]) -> String {
    invite_to(NUMBER, "in1", more, &sdp(4000, "0 101", "sendrecv"))
}

/// A request of the caller within the dialog that this response of ours made.
fn within(response: &Text, method: &str, cseq: &str, more: &[&str], body: &str) -> String {
    let target = response.between("Contact: <", ">");
    let mut lines = vec![
        format!("{method} {target} SIP/2.0"),
        format!("Via: SIP/2.0/UDP {CARRIER};branch=z9hG4bKwithin{method}{}", cseq.replace(' ', "")),
        "Max-Forwards: 70".to_owned(),
        format!("From: {}", response.header("From")),
        format!("To: {}", response.header("To")),
        format!("Call-ID: {}", response.header("Call-ID")),
        format!("CSeq: {cseq}"),
    ];
    lines.extend(more.iter().map(|line| (*line).to_owned()));
    if !body.is_empty() {
        lines.push("Content-Type: application/sdp".to_owned());
    }
    lines.push(format!("Content-Length: {}", body.len()));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn cancel() -> String {
    invite(&[])
        .replace("INVITE sip", "CANCEL sip")
        .replace("7 INVITE", "7 CANCEL")
        .split("Content-")
        .next()
        .unwrap()
        .to_owned()
        + "Content-Length: 0\r\n\r\n"
}

/// The offer that was made last.
pub(super) fn offered(bench: &mut Bench) -> Incoming {
    match bench.events().as_slice() {
        [Event::Incoming(incoming)] => Incoming::clone(incoming),
        other => panic!("{other:?}"),
    }
}

/// A bench with a call from outside that rings; what rings it.
pub(super) fn ringing(options: Options, more: &[&str]) -> (Bench, Text) {
    let mut bench = Bench::new(options);
    bench.anna_up();
    bench.feed(CARRIER, invite(more));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    let ringing = bench.one(CARRIER);
    assert!(ringing.is("SIP/2.0 180 "), "{}", ringing.start());
    assert_eq!(bench.events(), []);
    bench.media();
    (bench, ringing)
}

fn prompt() -> Arc<Prompt> {
    Arc::new(Prompt::from_pcm16(&[0; 8_000], 8_000).unwrap())
}

#[test]
fn a_call_rings_is_answered_by_an_agent_and_ended_by_the_caller() {
    let (mut bench, ringing) = ringing(options(), &["Record-Route: <sip:192.0.2.10;lr>"]);
    assert_eq!(ringing.header("Record-Route"), "<sip:192.0.2.10;lr>");
    assert_eq!(ringing.header("Contact"), "<sip:+15550177@192.0.2.1:5060>");
    assert_eq!(bench.gateway.room(bench.now).lines_free, 9, "it takes a line of the trunk");

    bench.connect(1, "anna");
    let ok = bench.one(CARRIER);
    assert!(ok.is("SIP/2.0 200 "));
    assert_eq!(ok.header("To"), ringing.header("To"), "one dialog");
    assert!(ok.header("To").contains(";tag="));
    assert!(ok.body().contains("m=audio 20002 RTP/AVP 0 101\r\n"));
    match bench.events().as_slice() {
        [Event::Answered { call: CALL, dialog }, Event::Connected { call: CALL, .. }] => {
            assert_eq!(
                (dialog.remote_tag.as_str(), dialog.remote_target.as_str()),
                ("them", "sip:gw@192.0.2.10:5060")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        words(&bench.media()),
        ["remote 2 192.0.2.10:4000 Pcmu", "silence 2 true", "splice 2 1 recorded"]
    );

    // §13.3.1.4: again until the ACK comes, and no more then.
    bench.pass(ms(1_600));
    assert_eq!(bench.starts(CARRIER), ["200 OK", "200 OK"]);
    bench.feed(CARRIER, within(&ok, "ACK", "7 ACK", &[], ""));
    bench.pass(ms(10_000));
    assert!(bench.sent(CARRIER).is_empty());

    bench.feed(CARRIER, within(&ok, "BYE", "8 BYE", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
    assert_eq!(words(&bench.media()), ["unsplice 2 1", "close 2"]);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
    bench.pass(ms(60_000));
    assert_eq!(bench.gateway.calls(), 0);
}

#[test]
fn the_offer_tells_who_calls_whom_and_how_it_came() {
    let told = |trusted: bool, more: &[&str]| {
        let mut options = options();
        options.trunks[0].asserted_identity = trusted;
        let mut bench = Bench::new(options);
        bench.feed(CARRIER, invite(more));
        offered(&mut bench)
    };
    let asserted = "P-Asserted-Identity: \"X\" <sip:+15550188@carrier.example>, <tel:+15550188>";
    let diverted = "Diversion: <sip:+15550166@carrier.example>;reason=unconditional";
    let history = "History-Info: <sip:+15550166@carrier.example>;index=1";
    let incoming = told(true, &[asserted, diverted, history]);
    assert_eq!((incoming.trunk.as_str(), incoming.number.as_str()), ("alpha", "+15550177"));
    assert_eq!(incoming.caller.as_deref(), Some("+15550188"));
    assert_eq!(incoming.diversion, "<sip:+15550166@carrier.example>;reason=unconditional");
    assert_eq!(incoming.history_info, "<sip:+15550166@carrier.example>;index=1");
    assert_eq!(told(false, &[asserted]).caller.as_deref(), Some("+15550199"), "it is not trusted");
    assert_eq!(told(true, &[asserted, "Privacy: id"]).caller, None, "it is withheld");
    assert!(!format!("{incoming:?}").contains("1555"), "numbers stay out of logs");
}

#[test]
fn a_registered_trunk_names_the_number_in_to() {
    let mut bench = Bench::new(options());
    let text = invite_to("sip:carillon@192.0.2.1", "in1", &[], &sdp(4000, "0", "sendrecv"));
    bench.feed(CARRIER, text.replace("To: <sip:carillon@", "To: <sip:+15550177@"));
    assert_eq!(offered(&mut bench).number, "+15550177");
}

#[test]
fn nobody_is_there_and_the_caller_hears_a_message() {
    let (mut bench, _) = ringing(options(), &[]);
    bench.command(Command::PlayAndHangUp { call: CALL, prompt: prompt() });
    let ok = bench.one(CARRIER);
    assert!(ok.is("SIP/2.0 200 "));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));
    assert_eq!(words(&bench.media()), ["remote 2 192.0.2.10:4000 Pcmu", "silence 2 true", "play 2"]);
    bench.feed(CARRIER, within(&ok, "ACK", "7 ACK", &[], ""));
    bench.media_event(crate::media::MediaEvent::PromptFinished { call: CALL });
    let bye = bench.one(CARRIER);
    assert_eq!(bye.start(), "BYE sip:gw@192.0.2.10:5060 SIP/2.0");
    assert!(bye.header("From").starts_with(ok.header("To").split(';').next().unwrap()), "we were called");
    assert_eq!(bye.header("To"), ok.header("From"));
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Us, "safe_harbour"));
}

// §15: a callee sends no BYE before the ACK, nor when it never comes before 64*T1.
#[test]
fn a_bye_of_ours_waits_for_the_ack() {
    let (mut bench, _) = ringing(options(), &[]);
    bench.connect(1, "anna");
    let ok = bench.one(CARRIER);
    bench.events();
    bench.command(Command::HangUp { call: CALL });
    assert!(bench.sent(CARRIER).is_empty(), "no BYE yet");
    bench.feed(CARRIER, within(&ok, "ACK", "7 ACK", &[], ""));
    let bye = bench.one(CARRIER);
    assert!(bye.is("BYE "));
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Us, "bye"));
}

#[test]
fn a_caller_that_never_acknowledges_gets_a_bye() {
    let (mut bench, _) = ringing(options(), &[]);
    bench.connect(1, "anna");
    bench.events();
    bench.pass(ms(32_100));
    let sent = bench.starts(CARRIER);
    assert_eq!(sent.iter().filter(|start| *start == "200 OK").count(), 11);
    assert_eq!(sent.iter().filter(|start| *start == "BYE").count(), 1, "{sent:?}");
    bench.pass(ms(60_000));
    assert!(bench.events().ends_with(&ended(EndedBy::Network, "ack_lost")));
}

// §9.2.
#[test]
fn a_caller_may_cancel_while_it_rings() {
    let (mut bench, ringing) = ringing(options(), &[]);
    bench.feed(CARRIER, cancel());
    let sent = bench.sent(CARRIER);
    let starts: Vec<&str> = sent.iter().map(Text::start).collect();
    assert_eq!(starts, ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert_eq!(sent[1].header("To"), ringing.header("To"));
    assert_eq!(bench.events(), ended(EndedBy::Peer, "cancelled"));
    assert_eq!(words(&bench.media()), ["close 2"]);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
    // A CANCEL after the answer changes nothing.
    bench.feed(CARRIER, cancel());
    assert_eq!(bench.events(), []);
}

#[test]
fn a_caller_that_says_bye_before_the_answer_is_let_go() {
    let (mut bench, ringing) = ringing(options(), &[]);
    bench.feed(CARRIER, within(&ringing, "BYE", "8 BYE", &[], ""));
    assert_eq!(bench.starts(CARRIER), ["200 OK", "487 Request Terminated"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "cancelled"));
}

#[test]
fn a_call_that_is_hung_up_while_it_rings_is_refused() {
    let (mut bench, _) = ringing(options(), &[]);
    bench.command(Command::HangUp { call: CALL });
    assert_eq!(bench.starts(CARRIER), ["480 Temporarily Unavailable"]);
    assert_eq!(bench.events(), ended(EndedBy::Us, "bye"));
}

// §13.3.1.1: a proxy gives up what does not ring for three minutes.
#[test]
fn it_rings_on_every_minute() {
    let (mut bench, _) = ringing(options(), &[]);
    bench.pass(ms(61_000));
    assert_eq!(bench.starts(CARRIER), ["180 Ringing"]);
    bench.pass(ms(200_000));
    assert!(bench.starts(CARRIER).ends_with(&["480 Temporarily Unavailable".to_owned()]));
    assert_eq!(bench.events(), ended(EndedBy::Us, "ring_limit"));
}

// §13.2.1: our 2xx makes the offer, the ACK answers it; nobody is joined before.
#[test]
fn a_caller_without_an_offer_gets_ours() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.feed(CARRIER, invite_to(NUMBER, "in1", &[], ""));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    assert_eq!(bench.one(CARRIER).body(), "");
    bench.connect(1, "anna");
    let ok = bench.one(CARRIER);
    assert!(ok.body().contains("m=audio 20002 RTP/AVP 0 8 101\r\n"));
    assert_eq!(bench.events(), []);
    bench.feed(CARRIER, within(&ok, "ACK", "7 ACK", &[], &sdp(4000, "8", "sendrecv")));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }, Event::Connected { .. }]));
    assert!(words(&bench.media()).contains(&"remote 2 192.0.2.10:4000 Pcma".to_owned()));
}

#[test]
fn an_ack_without_an_answer_ends_the_call() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.feed(CARRIER, invite_to(NUMBER, "in1", &[], ""));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    bench.connect(1, "anna");
    let ok = bench.sent(CARRIER).pop().unwrap();
    bench.feed(CARRIER, within(&ok, "ACK", "7 ACK", &[], ""));
    let bye = bench.one(CARRIER);
    assert!(bye.is("BYE "));
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Us, "media"));
    assert!(words(&bench.media()).contains(&"close 2".to_owned()));
}

// RFC 3262 §3: reliably where it is required, again until the PRACK comes, the answer behind it.
#[test]
fn a_caller_that_requires_it_acknowledges_that_it_rings() {
    let (mut bench, ringing) = ringing(options(), &["Require: 100rel"]);
    assert_eq!(ringing.header("Require"), "100rel");
    let rseq = ringing.header("RSeq");
    bench.pass(ms(1_600));
    let again = bench.sent(CARRIER);
    assert_eq!(again.len(), 2, "after 0.5 and 1.5 s");
    assert!(again.iter().all(|text| text.0 == ringing.0));
    bench.connect(1, "anna");
    assert!(bench.sent(CARRIER).is_empty(), "not before the PRACK");
    bench.feed(CARRIER, within(&ringing, "PRACK", "8 PRACK", &["RAck: 1 7 INVITE"], ""));
    assert_eq!(bench.starts(CARRIER), ["481 Call/Transaction Does Not Exist"]);
    let rack = format!("RAck: {rseq} 7 INVITE");
    bench.feed(CARRIER, within(&ringing, "PRACK", "9 PRACK", &[&rack], ""));
    assert_eq!(bench.starts(CARRIER), ["200 OK", "200 OK"]);
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }, Event::Connected { .. }]));
}

#[test]
fn a_caller_that_never_acknowledges_that_it_rings_is_refused() {
    let (mut bench, _) = ringing(options(), &["Require: 100rel"]);
    bench.pass(ms(32_100));
    assert!(bench.starts(CARRIER).ends_with(&["504 Server Time-out".to_owned()]));
    assert_eq!(bench.events(), ended(EndedBy::Us, "prack_lost"));
}

// RFC 3261 §13.2.1, RFC 3262 §5: the first reliable message makes the offer, the PRACK answers it.
#[test]
fn an_offer_of_ours_may_be_answered_by_a_prack() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.feed(CARRIER, invite_to(NUMBER, "in1", &["Require: 100rel"], ""));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    let ringing = bench.one(CARRIER);
    assert!(ringing.body().contains("m=audio 20002 RTP/AVP 0 8 101\r\n"));
    let rack = format!("RAck: {} 7 INVITE", ringing.header("RSeq"));
    bench.feed(CARRIER, within(&ringing, "PRACK", "8 PRACK", &[&rack], &sdp(4000, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    bench.connect(1, "anna");
    let ok = bench.one(CARRIER);
    assert_eq!(ok.body(), "", "the session is known");
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }, Event::Connected { .. }]));
}

// RFC 4028 §9.
#[test]
fn session_timers_are_agreed_as_the_callee() {
    let more = ["Supported: timer", "Session-Expires: 600;refresher=uac"];
    let (mut bench, _) = ringing(options(), &more);
    bench.connect(1, "anna");
    let ok = bench.one(CARRIER);
    assert_eq!(ok.header("Session-Expires"), "600;refresher=uac");
    assert_eq!(ok.header("Require"), "timer");
    bench.feed(CARRIER, within(&ok, "ACK", "7 ACK", &[], ""));
    bench.events();
    bench.pass(ms(569_000));
    assert!(bench.starts(CARRIER).contains(&"BYE".to_owned()), "nobody refreshed");

    let mut bench = Bench::new(options_with_anna());
    bench.feed(CARRIER, invite(&["Supported: timer", "Session-Expires: 60"]));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    let refusal = bench.one(CARRIER);
    assert!(refusal.is("SIP/2.0 422 "));
    assert_eq!(refusal.header("Min-SE"), "90");
    assert_eq!(bench.events(), ended(EndedBy::Us, "not_acceptable"));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
}

fn options_with_anna() -> Options {
    options()
}

#[test]
fn what_can_not_be_taken_is_refused_and_leaves_nothing_behind() {
    let nobody = invite_to("sip:carillon@192.0.2.1", "in2", &[], &sdp(4000, "0", "sendrecv"));
    let mute = invite_to(NUMBER, "in3", &[], &sdp(4000, "18", "sendrecv"));
    let ours =
        invite_to(NUMBER, "in4", &[], &sdp(20_004, "0", "sendrecv").replace("192.0.2.10", "192.0.2.1"));
    for (text, status) in
        [(nobody, "404 Not Found"), (mute, "488 Not Acceptable Here"), (ours, "488 Not Acceptable Here")]
    {
        let mut bench = Bench::new(options());
        bench.feed(CARRIER, text);
        if let [Event::Incoming(incoming)] = bench.events().as_slice() {
            bench.command(Command::Ring { offer: incoming.offer, call: CALL });
            assert_eq!(bench.events(), ended(EndedBy::Us, "not_acceptable"));
        }
        assert_eq!(bench.starts(CARRIER), [status]);
        assert_eq!((bench.gateway.calls(), bench.gateway.leftovers()), (0, (0, 0, 0)));
        assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
    }
    let mut bench = Bench::new(options());
    bench.feed(CARRIER, invite(&[]));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Refuse { offer, status: 404 });
    bench.command(Command::Refuse { offer, status: 404 });
    assert_eq!(bench.starts(CARRIER), ["404 Not Found"], "refused once");
    bench.command(Command::Ring { offer: OfferId(9), call: CALL });
    assert_eq!(bench.events(), ended(EndedBy::Network, "offer_lost"));
}

#[test]
fn a_full_trunk_is_busy_and_a_closing_gateway_asks_for_patience() {
    let mut one_line = options();
    one_line.trunks[0].max_calls = 1;
    let (mut bench, _) = ringing(one_line, &[]);
    bench.feed(CARRIER, invite_to(NUMBER, "in2", &[], &sdp(4002, "0", "sendrecv")));
    assert_eq!(bench.starts(CARRIER), ["486 Busy Here"]);
    bench.command(Command::Drain);
    assert_eq!(bench.starts(CARRIER), ["480 Temporarily Unavailable"], "nobody is left ringing");
    bench.feed(CARRIER, invite_to(NUMBER, "in3", &[], &sdp(4002, "0", "sendrecv")));
    let refusal = bench.sent(CARRIER).pop().unwrap();
    assert!(refusal.is("SIP/2.0 503 "));
    assert_eq!(refusal.header("Retry-After"), "10");
}

#[test]
fn more_callers_a_second_than_a_trunk_may_bring_are_told_when_to_come_again() {
    let mut slow = options();
    slow.trunks[0].incoming_per_second = Some(2.0);
    let mut bench = Bench::new(slow);
    let call = |bench: &mut Bench, call_id: &str| {
        bench.feed(CARRIER, invite_to(NUMBER, call_id, &[], &sdp(4000, "0", "sendrecv")));
        let events = bench.events();
        if let [Event::Incoming(incoming)] = events.as_slice() {
            let call = crate::id::CallId(incoming.offer.0);
            bench.command(Command::Ring { offer: incoming.offer, call });
        }
        bench.sent(CARRIER).pop().unwrap()
    };
    assert!(call(&mut bench, "a").is("SIP/2.0 180 ") && call(&mut bench, "b").is("SIP/2.0 180 "));
    let refused = call(&mut bench, "c");
    assert!(refused.is("SIP/2.0 503 "));
    assert_eq!(refused.header("Retry-After"), "10");
    assert_eq!(bench.gateway.calls(), 2);
    bench.pass(ms(500));
    assert!(call(&mut bench, "d").is("SIP/2.0 180 "));
    assert!(call(&mut bench, "e").is("SIP/2.0 503 "));
}

#[test]
fn while_callers_are_held_a_trunk_s_calls_are_refused_and_nothing_else_is() {
    let (mut bench, rings) = ringing(options(), &[]);
    bench.gateway.hold_callers(Some(ms(5_000)));
    bench.feed(CARRIER, invite_to(NUMBER, "in2", &[], &sdp(4002, "0", "sendrecv")));
    let refused = bench.one(CARRIER);
    assert!(refused.is("SIP/2.0 503 "));
    assert_eq!(refused.header("Retry-After"), "5");
    assert_eq!(bench.gateway.counters().shed, 1);
    assert!(bench.events().is_empty());

    bench.feed(CARRIER, invite(&[]));
    assert!(bench.one(CARRIER).is("SIP/2.0 180 "), "a repetition gets what the first one got");
    bench.feed(PHONE, invite_to("sip:bert@192.0.2.1", "in3", &[], ""));
    assert_eq!(bench.starts(PHONE), ["401 Unauthorized"], "phones are served");
    bench.feed(CARRIER, cancel());
    assert_eq!(bench.starts(CARRIER), ["200 OK", "487 Request Terminated"], "{rings:?}");

    bench.gateway.hold_callers(None);
    bench.feed(CARRIER, invite_to(NUMBER, "in4", &[], &sdp(4004, "0", "sendrecv")));
    bench.events().iter().find(|event| matches!(event, Event::Incoming(_))).expect("taken again");
}

#[test]
fn strangers_and_phones_reach_nobody() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.feed(STRANGER, invite(&[]));
    assert!(bench.sent(STRANGER).is_empty());
    bench.feed(PHONE, invite(&[]));
    assert_eq!(bench.starts(PHONE), ["401 Unauthorized"], "it has to prove whose it is");
    assert!(bench.events().is_empty());
}

#[test]
fn a_phone_that_has_to_be_called_rings_before_the_caller_is_answered() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    bench.events();
    bench.feed(CARRIER, invite(&[]));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    assert_eq!(bench.starts(CARRIER), ["180 Ringing"]);
    bench.connect(1, "anna");
    let to_phone = bench.one(PHONE);
    assert!(bench.sent(CARRIER).is_empty(), "it rings on");
    bench.feed(PHONE, to_phone.reply("486 Busy Here", "anna", &[], ""));
    assert!(matches!(bench.events().as_slice(), [Event::ConnectFailed { reason: "declined", .. }]));
    bench.sent(PHONE);

    bench.connect(1, "anna");
    let to_phone = bench.one(PHONE);
    bench.feed(PHONE, to_phone.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    assert!(bench.one(CARRIER).is("SIP/2.0 200 "));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }, Event::Connected { .. }]));
}

#[test]
fn callers_leave_a_port_for_the_phone_that_is_called_for_them() {
    let mut bench = Bench::new(Options { streams_max: 2, ..options() });
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    bench.events();
    assert_eq!(bench.gateway.room(bench.now).lines_free, 1, "one for the call, one for the phone");
    bench.feed(CARRIER, invite(&[]));
    let offer = offered(&mut bench).offer;
    bench.feed(CARRIER, invite_to(NUMBER, "in2", &[], &sdp(4002, "0", "sendrecv")));
    let refusal = bench.one(CARRIER);
    assert!(refusal.is("SIP/2.0 503 "), "the one before needs both: {}", refusal.start());
    assert_eq!(refusal.header("Retry-After"), "10");
    bench.command(Command::Ring { offer, call: CALL });
    bench.sent(CARRIER);
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0);
    bench.connect(1, "anna");
    let to_phone = bench.one(PHONE);
    bench.feed(PHONE, to_phone.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }, Event::Connected { .. }]));
    bench.command(Command::HangUp { call: CALL });
    bench.pass(ms(60_000));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 1, "both are back");
}

#[test]
fn a_caller_that_leaves_while_the_phone_rings_takes_the_phone_along() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    bench.events();
    bench.feed(CARRIER, invite(&[]));
    let offer = offered(&mut bench).offer;
    bench.command(Command::Ring { offer, call: CALL });
    bench.connect(1, "anna");
    let to_phone = bench.one(PHONE);
    bench.feed(PHONE, to_phone.reply("180 Ringing", "anna", &[], ""));
    bench.feed(CARRIER, cancel());
    assert_eq!(bench.starts(PHONE), ["CANCEL"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "cancelled"));
    assert_eq!(bench.gateway.calls(), 0);
}

#[test]
fn a_caller_that_was_refused_may_come_again_with_the_same_call_id() {
    let (mut bench, _) = ringing(options(), &[]);
    bench.command(Command::HangUp { call: CALL });
    bench.events();
    bench.sent(CARRIER);
    let again =
        invite(&[]).replace("branch=z9hG4bKinin1", "branch=z9hG4bKagain").replace("CSeq: 7", "CSeq: 8");
    bench.feed(CARRIER, again);
    assert_eq!(offered(&mut bench).number, "+15550177");
}
