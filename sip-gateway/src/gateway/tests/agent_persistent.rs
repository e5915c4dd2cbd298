//! Persistent agent legs: called at sign-on, kept, spliced, called again.

use super::super::agents::AGENTS_MAX;
use super::super::testing::*;
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};
use crate::id::CallId;

#[test]
fn a_phone_is_called_at_sign_on_with_auto_answer() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let invite = bench.one(PHONE);
    assert_eq!(invite.start(), "INVITE sip:anna@10.0.0.5:5062 SIP/2.0");
    assert!(invite.header("From").starts_with("\"Carillon\" <sip:"));
    assert_eq!(invite.header("Answer-Mode"), "Auto");
    assert!(invite.header("Alert-Info").contains("info=alert-autoanswer;answer-after=0"));
    assert!(invite.header("Call-Info").contains(";answer-after=0"));
    assert!(invite.body().contains("RTP/AVP 0 8 101\r\n"), "both codecs are offered");
    match bench.events().as_slice() {
        [Event::AgentLegCalling { user, route }] => {
            assert_eq!(user, "anna");
            assert_eq!(route.call_id, invite.header("Call-ID"));
            assert_eq!(route.next_hop, address(PHONE), "where it registered from, not its own idea of that");
        }
        other => panic!("{other:?}"),
    }
    bench.feed(PHONE, invite.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "8 0 101", "sendrecv")));
    let ack = bench.one(PHONE);
    assert_eq!(ack.start(), "ACK sip:anna@10.0.0.5:5062 SIP/2.0");
    match bench.events().as_slice() {
        [Event::AgentReachable { user, leg: Some(dialog) }] => {
            assert_eq!(user, "anna");
            assert_eq!(dialog.next_hop, address(PHONE));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(words(&bench.media()), ["open 1", "remote 1 192.0.2.10:5000 Pcma", "silence 1 true"]);
}

#[test]
fn an_answered_call_is_spliced_in_the_same_step() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    let invite = bench.answered(1);
    bench.connect(1, "anna");
    assert_eq!(bench.events(), [Event::Connected { call: CALL, user: "anna".into() }]);
    assert_eq!(words(&bench.media()), ["splice 2 1 recorded"]);
    assert!(bench.sent(PHONE).is_empty(), "nothing is signalled");

    bench.feed(CARRIER, invite.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(CARRIER), ["200 OK"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
    assert_eq!(words(&bench.media()), ["unsplice 2 1", "close 2"]);

    bench.pass(ms(200));
    bench.answered(2);
    bench.connect(2, "anna");
    assert_eq!(bench.events(), [Event::Connected { call: CallId(2), user: "anna".into() }]);
}

fn unreachable(reason: &'static str) -> Event {
    Event::AgentUnreachable { user: "anna".into(), reason }
}

#[test]
fn an_unregistered_phone_is_called_once_it_registers() {
    let mut bench = Bench::new(options());
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    assert_eq!(bench.events(), [unreachable("unregistered")]);
    assert!(bench.sent(PHONE).is_empty());
    bench.bind_anna();
    assert_eq!(bench.starts(PHONE), ["INVITE"]);
}

#[test]
fn a_phone_with_a_fixed_contact_needs_no_registration() {
    let mut bench = Bench::new(options());
    bench.command(Command::SignOn { user: "ben".into(), leg: AgentLegMode::Persistent });
    assert_eq!(bench.one("192.0.2.51:5062").start(), "INVITE sip:ben@192.0.2.51:5062 SIP/2.0");
}

#[test]
fn a_refused_leg_is_called_again_after_1_2_5_and_5_seconds() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let mut called = Vec::new();
    for _ in 0..5 {
        let invite = bench.one(PHONE);
        called.push(bench.now.as_secs());
        bench.feed(PHONE, invite.reply("486 Busy Here", "anna", &[], ""));
        assert_eq!(bench.starts(PHONE), ["ACK"]);
        for _ in 0..60 {
            if bench.gateway.poll_timeout().is_none() {
                break;
            }
            bench.pass(ms(100));
            if bench.waiting(PHONE) {
                break;
            }
        }
    }
    assert_eq!(called, [0, 1, 3, 8, 13]);
    let refused = bench.events().into_iter().filter(|event| *event == unreachable("leg_refused")).count();
    assert_eq!(refused, 1, "told once, not at every try");
}

#[test]
fn a_phone_that_leaves_a_connected_call_leaves_the_call_up() {
    let mut bench = Bench::new(options());
    let agent = bench.anna_up();
    bench.answered(1);
    bench.connect(1, "anna");
    bench.events();
    bench.media();
    bench.pass(ms(20_000));
    bench.feed(PHONE, agent.request("BYE", "anna", 1, &[], ""));
    assert_eq!(bench.starts(PHONE), ["200 OK"]);
    assert_eq!(
        bench.events(),
        [Event::AgentLeft { call: CALL, user: "anna".into() }, unreachable("leg_lost")]
    );
    assert_eq!(words(&bench.media()), ["unsplice 2 1", "close 1"]);
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(1_000));
    let again = bench.one(PHONE);
    assert!(again.is("INVITE "), "called again after a second");
    assert_ne!(again.header("Call-ID"), agent.header("Call-ID"));
    assert!(matches!(bench.events().as_slice(), [Event::AgentLegCalling { .. }]));
}

#[test]
fn a_lost_leg_is_not_called_again_while_unregistered() {
    let mut bench = Bench::new(options());
    let agent = bench.anna_up();
    for _ in 0..4 {
        bench.pass(ms(900_000));
        let question = bench.one(PHONE);
        bench.feed(PHONE, question.reply("200 OK", "", &[], ""));
    }
    assert_eq!(
        bench.events(),
        [Event::Unregistered { user: "anna".into(), binding: "sip:anna@10.0.0.5:5062".into() }]
    );
    bench.feed(PHONE, agent.request("BYE", "anna", 1, &[], ""));
    assert_eq!(bench.events(), [unreachable("leg_lost")]);
    bench.sent(PHONE);
    bench.pass(ms(10_000));
    assert!(bench.sent(PHONE).is_empty());
    assert_eq!(bench.events(), [unreachable("unregistered")]);
}

#[test]
fn disconnect_gives_the_leg_back_to_silence() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.answered(1);
    bench.connect(1, "anna");
    bench.media();
    bench.events();
    bench.command(Command::Disconnect { call: CALL });
    assert_eq!(words(&bench.media()), ["unsplice 2 1"]);
    assert!(bench.sent(PHONE).is_empty() && bench.sent(CARRIER).is_empty());
    bench.connect(1, "anna");
    assert_eq!(bench.events(), [Event::Connected { call: CALL, user: "anna".into() }]);
}

#[test]
fn what_cannot_be_connected_is_said_and_why() {
    let mut bench = Bench::new(options());
    let refused = |reason| [Event::ConnectFailed { call: CALL, user: "anna".into(), reason }];
    bench.connect(1, "anna");
    assert_eq!(bench.events(), refused("call_not_up"));
    let other = bench.answered(1);
    bench.connect(1, "anna");
    assert_eq!(bench.events(), refused("signed_off"));
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    bench.events();
    bench.connect(1, "anna");
    assert_eq!(bench.events(), refused("leg_down"));
    bench.feed(CARRIER, other.request("BYE", "callee", 1, &[], ""));
    bench.sent(CARRIER);
    bench.command(Command::SignOff { user: "anna".into() });
    bench.events();

    bench.pass(ms(200));
    bench.anna_up();
    bench.answered(2);
    bench.connect(2, "anna");
    bench.pass(ms(200));
    bench.answered(1);
    bench.events();
    bench.connect(1, "anna");
    assert_eq!(bench.events(), refused("agent_busy"));
}

#[test]
fn signing_off_ends_the_leg() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.command(Command::SignOff { user: "anna".into() });
    let bye = bench.one(PHONE);
    assert!(bye.is("BYE "));
    assert_eq!(words(&bench.media()), ["close 1"]);
    bench.feed(PHONE, bye.reply("200 OK", "", &[], ""));
    bench.pass(ms(60_000));
    assert!(bench.sent(PHONE).is_empty(), "not called again");
    assert_eq!(bench.events(), []);
}

#[test]
fn signing_on_again_tells_the_state_again() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    assert!(matches!(bench.events().as_slice(), [Event::AgentReachable { leg: Some(_), .. }]));
    assert!(bench.sent(PHONE).is_empty());
}

#[test]
fn a_phone_that_never_answers_is_cancelled_and_called_again() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let invite = bench.one(PHONE);
    bench.feed(PHONE, invite.reply("180 Ringing", "anna", &[], ""));
    bench.pass(ms(20_000));
    let cancel = bench.one(PHONE);
    assert!(cancel.is("CANCEL "));
    bench.feed(PHONE, cancel.reply("200 OK", "anna", &[], ""));
    bench.feed(PHONE, invite.reply("487 Request Terminated", "anna", &[], ""));
    bench.sent(PHONE);
    assert_eq!(bench.events().last(), Some(&unreachable("leg_refused")));
    bench.pass(ms(1_000));
    assert_eq!(bench.starts(PHONE), ["INVITE"]);
}

#[test]
fn one_agent_more_than_there_is_room_for_is_refused() {
    let mut bench = Bench::new(options());
    let sign_on =
        |number: usize| Command::SignOn { user: format!("agent{number}"), leg: AgentLegMode::Persistent };
    for number in 0..AGENTS_MAX {
        bench.command(sign_on(number));
    }
    bench.events();
    bench.command(sign_on(AGENTS_MAX));
    let user = format!("agent{AGENTS_MAX}");
    assert_eq!(bench.events(), [Event::AgentUnreachable { user, reason: "too_many_agents" }]);
}
