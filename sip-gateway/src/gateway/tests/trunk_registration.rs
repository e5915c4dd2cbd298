//! Our own REGISTER with carriers, and OPTIONS health checks.

use super::super::testing::*;
use crate::event::{Event, TrunkState};
use crate::options::{Options, Secret};

fn registering() -> Options {
    let mut options = options();
    options.trunks[0].register = true;
    options.trunks[0].username = "customer".into();
    options.trunks[0].password = Secret::new("s3cret");
    options
}

fn told(state: TrunkState) -> [Event; 1] {
    [Event::Trunk { name: "alpha".into(), state }]
}

#[test]
fn each_trunk_tells_its_state_at_the_start() {
    let mut bench = Bench::untouched(options());
    assert_eq!(bench.events(), told(TrunkState::Up));
    assert!(bench.sent(CARRIER).is_empty(), "no OPTIONS unless asked for");
    let mut bench = Bench::untouched(registering());
    assert_eq!(bench.events(), told(TrunkState::Registering));
    let register = bench.one(CARRIER);
    assert_eq!(register.start(), "REGISTER sip:192.0.2.10:5060 SIP/2.0");
    assert_eq!(register.header("To"), "<sip:customer@192.0.2.10>");
    assert_eq!(register.header("Expires"), "3600");
    assert!(register.header("Contact").starts_with("<sip:customer@192.0.2.1:5060>"));
}

#[test]
fn a_registration_is_challenged_granted_and_refreshed_at_80_percent() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    let ask = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";
    bench.feed(CARRIER, register.reply("401 Unauthorized", "x", &[ask], ""));
    let again = bench.one(CARRIER);
    assert_eq!(again.cseq(), register.cseq() + 1);
    assert_eq!(again.header("Call-ID"), register.header("Call-ID"));
    assert!(again.header("Authorization").contains("username=\"customer\""));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0);
    let contact = "Contact: <sip:customer@192.0.2.1:5060>;expires=100";
    bench.feed(CARRIER, again.reply("200 OK", "x", &[contact], ""));
    assert_eq!(bench.events(), told(TrunkState::Up));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 10);
    bench.pass(ms(79_999));
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(1));
    let refresh = bench.one(CARRIER);
    assert!(refresh.is("REGISTER ") && refresh.header("Call-ID") == register.header("Call-ID"));
    bench.feed(CARRIER, refresh.reply("200 OK", "x", &[contact], ""));
    assert_eq!(bench.events(), [], "still up");
}

#[test]
fn a_wrong_password_is_a_failure_and_tried_again_later() {
    let mut bench = Bench::new(registering());
    let ask = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";
    let register = bench.one(CARRIER);
    bench.feed(CARRIER, register.reply("401 Unauthorized", "x", &[ask], ""));
    let again = bench.one(CARRIER);
    bench.feed(CARRIER, again.reply("401 Unauthorized", "x", &[ask], ""));
    assert_eq!(bench.events(), told(TrunkState::RegisterFailed));
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(30_000));
    assert_eq!(bench.starts(CARRIER), ["REGISTER"]);
}

#[test]
fn silence_403_and_retry_after_are_failures_too() {
    let mut bench = Bench::new(registering());
    bench.pass(ms(32_000));
    assert_eq!(bench.events(), told(TrunkState::RegisterFailed));

    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    bench.feed(CARRIER, register.reply("503 Service Unavailable", "x", &["Retry-After: 7"], ""));
    assert_eq!(bench.events(), told(TrunkState::RegisterFailed));
    bench.pass(ms(6_999));
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(1));
    let register = bench.one(CARRIER);
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 60"], ""));
    assert_eq!(bench.events(), told(TrunkState::Up));
}

#[test]
fn too_short_a_lifetime_is_asked_for_again() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    bench.feed(CARRIER, register.reply("423 Interval Too Brief", "x", &["Min-Expires: 7200"], ""));
    assert_eq!(bench.one(CARRIER).header("Expires"), "7200");
}

#[test]
fn a_failed_refresh_costs_nothing_while_the_old_one_holds() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 300"], ""));
    bench.events();
    bench.pass(ms(240_000));
    let refresh = bench.one(CARRIER);
    bench.feed(CARRIER, refresh.reply("500 Server Internal Error", "x", &[], ""));
    assert_eq!(bench.events(), []);
    bench.pass(ms(30_000));
    let refresh = bench.one(CARRIER);
    bench.feed(CARRIER, refresh.reply("500 Server Internal Error", "x", &[], ""));
    assert_eq!(bench.events(), []);
    bench.pass(ms(30_000));
    let refresh = bench.one(CARRIER);
    bench.feed(CARRIER, refresh.reply("500 Server Internal Error", "x", &[], ""));
    assert_eq!(bench.events(), told(TrunkState::RegisterFailed));
}

#[test]
fn on_the_way_down_the_registration_is_taken_back() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 300"], ""));
    bench.command(crate::command::Command::Drain);
    let last = bench.one(CARRIER);
    assert_eq!(last.header("Expires"), "0");
    assert!(last.header("Contact").ends_with(";expires=0"));
    bench.feed(CARRIER, last.reply("200 OK", "x", &[], ""));
    bench.pass(ms(600_000));
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn taking_it_back_may_be_challenged_and_is_waited_for() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    assert_eq!(bench.gateway.unfinished(), 1);
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 300"], ""));
    assert_eq!(bench.gateway.unfinished(), 0);
    bench.command(crate::command::Command::Drain);
    let last = bench.one(CARRIER);
    assert_eq!(bench.gateway.unfinished(), 1);
    let ask = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";
    bench.feed(CARRIER, last.reply("401 Unauthorized", "x", &[ask], ""));
    assert_eq!(bench.gateway.unfinished(), 1, "asked who we are, not answered");
    let again = bench.one(CARRIER);
    assert_eq!(again.header("Expires"), "0");
    assert!(again.header("Authorization").contains("username=\"customer\""));
    bench.feed(CARRIER, again.reply("200 OK", "x", &[], ""));
    assert_eq!(bench.gateway.unfinished(), 0);
}

#[test]
fn a_registration_under_way_is_taken_back_too() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    bench.command(crate::command::Command::Drain);
    let last = bench.one(CARRIER);
    assert_eq!((last.header("Expires"), last.cseq()), ("0", register.cseq() + 1));
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 300"], ""));
    bench.feed(CARRIER, last.reply("200 OK", "x", &[], ""));
    bench.pass(ms(600_000));
    assert!(bench.sent(CARRIER).is_empty());
    assert_eq!(bench.gateway.unfinished(), 0);
}

#[test]
fn options_tell_whether_a_trunk_lives_when_asked_for() {
    let mut options = options();
    options.trunks[0].options_interval = Some(ms(60_000));
    let mut bench = Bench::new(options);
    bench.pass(ms(60_000));
    let ask = bench.one(CARRIER);
    assert!(ask.is("OPTIONS sip:192.0.2.10:5060 "));
    bench.feed(CARRIER, ask.reply("200 OK", "x", &[], ""));
    assert_eq!(bench.events(), []);
    bench.pass(ms(60_000 + 32_000));
    assert_eq!(bench.events(), told(TrunkState::Silent));
    bench.sent(CARRIER);
    bench.pass(ms(28_000));
    let ask = bench.one(CARRIER);
    bench.feed(CARRIER, ask.reply("405 Method Not Allowed", "x", &[], ""));
    assert_eq!(bench.events(), told(TrunkState::Up), "any answer is a sign of life");
}
