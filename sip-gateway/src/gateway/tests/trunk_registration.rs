//! Our own REGISTER with carriers, and OPTIONS health checks.

use super::super::testing::*;
use crate::event::{Event, TrunkState};
use crate::options::{Options, Secret};

/// The next message to the carrier, which is due within so many milliseconds.
fn within(bench: &mut Bench, most_ms: u64) -> Text {
    let until = bench.now + ms(most_ms);
    while !bench.waiting(CARRIER) {
        assert!(bench.now < until, "nothing came within {most_ms} ms");
        bench.pass(ms(100));
    }
    bench.one(CARRIER)
}

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

// RFC 7616 §3.5, RFC 3261 §22.
#[test]
fn a_carriers_next_nonce_is_used_for_the_refresh() {
    let mut bench = Bench::new(registering());
    let register = bench.one(CARRIER);
    let ask = |nonce: &str| {
        format!("WWW-Authenticate: Digest realm=\"carrier\", nonce=\"{nonce}\", qop=\"auth-int\"")
    };
    bench.feed(CARRIER, register.reply("401 Unauthorized", "x", &[&ask("n1")], ""));
    let again = bench.one(CARRIER);
    // Nothing else was offered: MD5(MD5(A1):n1:nc:cnonce:auth-int:MD5(REGISTER:uri:MD5(no body))).
    let cnonce = again.between("cnonce=\"", "\"");
    let ha1 = super::digest::md5("customer:carrier:s3cret");
    let ha2 = super::digest::md5(&format!("REGISTER:sip:192.0.2.10:5060:{}", super::digest::md5("")));
    let response = super::digest::md5(&format!("{ha1}:n1:00000001:{cnonce}:auth-int:{ha2}"));
    assert!(again.header("Authorization").contains(&format!("response=\"{response}\"")));
    let contact = "Contact: <sip:customer@192.0.2.1:5060>;expires=100";
    let next = "Authentication-Info: nextnonce=\"n2\"";
    bench.feed(CARRIER, again.reply("200 OK", "x", &[contact, next], ""));
    bench.pass(ms(80_000));
    let refresh = bench.one(CARRIER);
    assert!(refresh.header("Authorization").contains("nonce=\"n2\""), "at once, without being asked");
    // A carrier that was restarted meanwhile asks anew.
    bench.feed(CARRIER, refresh.reply("401 Unauthorized", "x", &[&ask("n3")], ""));
    let again = bench.one(CARRIER);
    assert!(again.header("Authorization").contains("nonce=\"n3\""));
    bench.feed(CARRIER, again.reply("200 OK", "x", &[contact], ""));
    bench.pass(ms(80_000));
    assert!(bench.one(CARRIER).headers("Authorization").is_empty(), "nothing was named this time");
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
    bench.pass(ms(14_900));
    assert!(!bench.waiting(CARRIER), "not before half of the wait");
    assert!(within(&mut bench, 15_200).is("REGISTER "));
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
    let refresh = within(&mut bench, 30_100);
    bench.feed(CARRIER, refresh.reply("500 Server Internal Error", "x", &[], ""));
    assert_eq!(bench.events(), []);
    // However long the wait would be: once more before it ends.
    let left_ms = 300_100 - bench.now.as_millis() as u64;
    let refresh = within(&mut bench, left_ms);
    assert!(bench.now <= ms(300_100));
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
    assert_eq!(bench.gateway.unfinished(bench.now), 1);
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 300"], ""));
    assert_eq!(bench.gateway.unfinished(bench.now), 0);
    bench.command(crate::command::Command::Drain);
    let last = bench.one(CARRIER);
    assert_eq!(bench.gateway.unfinished(bench.now), 1);
    let ask = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";
    bench.feed(CARRIER, last.reply("401 Unauthorized", "x", &[ask], ""));
    assert_eq!(bench.gateway.unfinished(bench.now), 1, "asked who we are, not answered");
    let again = bench.one(CARRIER);
    assert_eq!(again.header("Expires"), "0");
    assert!(again.header("Authorization").contains("username=\"customer\""));
    bench.feed(CARRIER, again.reply("200 OK", "x", &[], ""));
    assert_eq!(bench.gateway.unfinished(bench.now), 0);
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
    assert_eq!(bench.gateway.unfinished(bench.now), 0);
}

/// A trunk that is asked every ten seconds, and its next check.
fn checked() -> Bench {
    let mut options = options();
    options.trunks[0].options_interval = Some(ms(10_000));
    Bench::new(options)
}

fn check(bench: &mut Bench, answer: Option<(&str, &[&str])>) -> Vec<Event> {
    bench.pass(ms(10_000));
    let asked = bench.sent(CARRIER).into_iter().rfind(|text| text.is("OPTIONS sip:192.0.2.10:5060 "));
    if let Some((status, more)) = answer {
        bench.feed(CARRIER, asked.expect("asked every ten seconds").reply(status, "x", more, ""));
    }
    bench.events()
}

#[test]
fn three_checks_in_a_row_decide_that_a_trunk_is_down_and_two_that_it_is_back() {
    let mut bench = checked();
    let good = Some(("200 OK", [].as_slice()));
    assert_eq!(check(&mut bench, good), []);
    // The first unanswered check is known to have failed when the next one is due.
    assert_eq!(check(&mut bench, None), []);
    assert_eq!(check(&mut bench, None), []);
    assert_eq!(check(&mut bench, Some(("503 Service Unavailable", &[]))), told(TrunkState::Unhealthy));
    assert_eq!(check(&mut bench, good), []);
    assert_eq!(check(&mut bench, None), []);
    assert_eq!(check(&mut bench, good), [], "the one between has failed");
    assert_eq!(
        check(&mut bench, Some(("405 Method Not Allowed", &[]))),
        told(TrunkState::Up),
        "a sign of life"
    );
}

#[test]
fn a_trunk_that_says_when_to_come_back_is_left_alone_until_then() {
    let mut bench = checked();
    let busy = Some(("503 Service Unavailable", ["Retry-After: 25"].as_slice()));
    assert_eq!(check(&mut bench, busy), told(TrunkState::Paused));
    assert_eq!(bench.gateway.room(bench.now).lines_free, 0);
    bench.pass(ms(24_999));
    assert_eq!(bench.events(), []);
    bench.pass(ms(1));
    assert_eq!(bench.events(), told(TrunkState::Up));

    // A refused call says it too; without a time it is one refusal.
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "x", &[], ""));
    assert!(!bench.events().iter().any(|event| matches!(event, Event::Trunk { .. })));
    bench.pass(ms(200));
    let invite = bench.place(2);
    bench.feed(CARRIER, invite.reply("503 Service Unavailable", "x", &["Retry-After: 5"], ""));
    assert!(bench.events().starts_with(&told(TrunkState::Paused)));
    bench.pass(ms(5_000));
    assert_eq!(bench.events(), told(TrunkState::Up));
}

#[test]
fn each_failure_to_register_doubles_the_wait_and_some_of_it_is_left_to_chance() {
    let mut bench = Bench::new(registering());
    let mut register = bench.one(CARRIER);
    let mut waits = Vec::new();
    for _ in 0..8 {
        bench.feed(CARRIER, register.reply("403 Forbidden", "x", &[], ""));
        let since = bench.now;
        while !bench.waiting(CARRIER) {
            bench.pass(ms(100));
        }
        waits.push((bench.now - since).as_secs_f64());
        register = bench.one(CARRIER);
    }
    for (index, wait) in waits.iter().enumerate() {
        let whole = (30.0 * f64::from(1 << index.min(8))).min(600.0);
        assert!((whole / 2.0..=whole + 0.1).contains(wait), "{index}: {wait} s of {whole} s");
    }
    assert!(waits[5..].iter().any(|wait| *wait != waits[7]), "{waits:?}");
    // A success begins anew.
    bench.feed(CARRIER, register.reply("200 OK", "x", &["Expires: 60"], ""));
    bench.pass(ms(48_000));
    let refresh = bench.one(CARRIER);
    bench.feed(CARRIER, refresh.reply("403 Forbidden", "x", &[], ""));
    bench.pass(ms(12_000));
    assert_eq!(bench.starts(CARRIER), ["REGISTER"], "before the old one ends");
}

#[test]
fn a_carrier_for_which_no_lifetime_is_long_enough_is_not_asked_for_ever() {
    let mut bench = Bench::new(registering());
    for round in 0..3_u32 {
        let register = bench.one(CARRIER);
        let least = format!("Min-Expires: {}", 7_200 + round);
        bench.feed(CARRIER, register.reply("423 Interval Too Brief", "x", &[&least], ""));
    }
    assert!(!bench.waiting(CARRIER));
    assert_eq!(bench.events().last(), told(TrunkState::RegisterFailed).last());
}
