//! Per-call agent legs: the phone is called for every customer.

use super::super::testing::*;
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};

fn signed_on() -> Bench {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    assert_eq!(bench.events(), [Event::AgentReachable { user: "anna".into(), leg: None }]);
    assert!(bench.sent(PHONE).is_empty(), "not called before there is a customer");
    bench
}

/// A customer who is connected with anna; both INVITEs.
fn connected(bench: &mut Bench) -> (Text, Text) {
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    let agent = bench.one(PHONE);
    bench.feed(PHONE, agent.reply("180 Ringing", "anna", &[], ""));
    assert_eq!(bench.events(), []);
    bench.feed(PHONE, agent.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    assert_eq!(bench.starts(PHONE), ["ACK"]);
    assert_eq!(bench.events(), [Event::Connected { call: CALL, user: "anna".into() }]);
    assert_eq!(
        words(&bench.media()),
        ["open 2", "remote 2 192.0.2.10:5000 Pcmu", "silence 2 true", "splice 1 2 recorded"]
    );
    (customer, agent)
}

#[test]
fn the_phone_is_called_for_the_customer_and_spliced_on_its_answer() {
    connected(&mut signed_on());
}

#[test]
fn the_customers_codec_is_offered_first() {
    let mut bench = signed_on();
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "8", "sendrecv")));
    bench.connect(1, "anna");
    assert!(bench.one(PHONE).body().contains("RTP/AVP 8 0 101\r\n"));
}

#[test]
fn when_the_customer_hangs_up_the_phone_gets_bye() {
    let mut bench = signed_on();
    let (customer, _) = connected(&mut bench);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(PHONE), ["BYE"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
    assert_eq!(words(&bench.media()), ["unsplice 1 2", "close 2", "close 1"]);
}

#[test]
fn when_the_customer_hangs_up_a_ringing_phone_is_cancelled() {
    let mut bench = signed_on();
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    let agent = bench.one(PHONE);
    bench.feed(PHONE, agent.reply("180 Ringing", "anna", &[], ""));
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(PHONE), ["CANCEL"]);
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
    // It answers all the same: acknowledged and ended, and nobody hears of it.
    bench.feed(PHONE, agent.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    assert_eq!(bench.starts(PHONE), ["ACK", "BYE"]);
    assert_eq!(bench.events(), []);
}

#[test]
fn when_the_phone_hangs_up_the_call_stays() {
    let mut bench = signed_on();
    let (_, agent) = connected(&mut bench);
    bench.feed(PHONE, agent.request("BYE", "anna", 1, &[], ""));
    assert_eq!(bench.events(), [Event::AgentLeft { call: CALL, user: "anna".into() }]);
    assert_eq!(words(&bench.media()), ["unsplice 1 2", "close 2"]);
    assert!(bench.sent(CARRIER).is_empty());
    bench.sent(PHONE);
    bench.pass(ms(10_000));
    assert!(bench.sent(PHONE).is_empty(), "not called again by itself");
}

#[test]
fn a_phone_that_declines_or_never_answers_is_told() {
    let refused = |reason| [Event::ConnectFailed { call: CALL, user: "anna".into(), reason }];
    let mut bench = signed_on();
    bench.answered(1);
    bench.connect(1, "anna");
    let agent = bench.one(PHONE);
    bench.feed(PHONE, agent.reply("603 Decline", "anna", &[], ""));
    assert_eq!(bench.events(), refused("declined"));
    bench.sent(PHONE);

    bench.connect(1, "anna");
    let agent = bench.one(PHONE);
    bench.feed(PHONE, agent.reply("180 Ringing", "anna", &[], ""));
    bench.pass(ms(20_000));
    assert_eq!(bench.starts(PHONE), ["CANCEL"]);
    bench.feed(PHONE, agent.reply("487 Request Terminated", "anna", &[], ""));
    assert_eq!(bench.events(), refused("no_answer"));

    bench.connect(1, "ben");
    let signed_off = Event::ConnectFailed { call: CALL, user: "ben".into(), reason: "signed_off" };
    assert_eq!(bench.events(), [signed_off]);
}

#[test]
fn disconnect_ends_the_leg_and_keeps_the_call() {
    let mut bench = signed_on();
    connected(&mut bench);
    bench.command(Command::Disconnect { call: CALL });
    assert_eq!(bench.starts(PHONE), ["BYE"]);
    assert_eq!(words(&bench.media()), ["unsplice 1 2", "close 2"]);
    assert!(bench.sent(CARRIER).is_empty());
    bench.connect(1, "anna");
    assert_eq!(bench.starts(PHONE), ["INVITE"], "free for the next, though the BYE is still out");
}

#[test]
fn reachability_follows_the_registration() {
    let mut bench = signed_on();
    bench.pass(ms(3_600_000));
    assert_eq!(
        bench.events(),
        [
            Event::Unregistered { user: "anna".into(), binding: "sip:anna@10.0.0.5:5062".into() },
            Event::AgentUnreachable { user: "anna".into(), reason: "unregistered" }
        ]
    );
    bench.answered(1);
    bench.connect(1, "anna");
    let reason = "unregistered";
    assert_eq!(bench.events(), [Event::ConnectFailed { call: CALL, user: "anna".into(), reason }]);
}
