//! Many callers refused at once: told so and when to come again, with nothing of them left, and no other call the poorer.

use std::time::Duration;

use super::super::testing::*;
use super::CALL;
use super::incoming::{NUMBER, invite_to, ringing};
use crate::command::Command;
use crate::options::Options;

/// How many are refused.
const FLOOD: u32 = 40;

/// What may be left of a refused caller: lines free, ports free, offers, legs, streams, owned and server transactions, calls.
fn rest(bench: &Bench) -> [usize; 8] {
    let gateway = &bench.gateway;
    let lines = gateway.trunks.iter().map(|trunk| trunk.lines_free() as usize).sum();
    let (legs, streams, owned) = gateway.leftovers();
    let servers = gateway.wire.layer.servers();
    let ports = gateway.ports.free(bench.now);
    [lines, ports, gateway.offers.len(), legs, streams, owned, servers, gateway.calls()]
}

fn call(name: &str) -> String {
    invite_to(NUMBER, name, &[], &sdp(4000, "0", "sendrecv"))
}

fn ack(name: &str, refusal: &Text) -> String {
    let to = format!("To: {}", refusal.header("To"));
    let ack = call(name).replace("INVITE sip", "ACK sip").replace("7 INVITE", "7 ACK");
    ack.replace(&format!("To: <{NUMBER}>"), &to)
}

/// Lets many callers come while one rings, on a gateway that refuses them with this status and Retry-After.
fn flooded(options: Options, before: impl Fn(&mut Bench), status: &str, retry_after: &[&str]) -> Bench {
    let (mut bench, _) = ringing(options, &[]);
    // What brought anna onto the line is over, and the caller was told again that it rings.
    bench.pass(Duration::from_secs(62));
    assert_eq!(bench.starts(CARRIER), ["180 Ringing"]);
    before(&mut bench);
    let at_rest = rest(&bench);
    let counted = bench.gateway.counters();
    for caller in 0..FLOOD {
        let name = format!("flood{caller}");
        bench.feed(CARRIER, call(&name));
        let refusal = bench.one(CARRIER);
        assert!(refusal.is(status), "{}", refusal.start());
        assert_eq!(refusal.header("Call-ID"), name, "nobody else hears of it");
        assert_eq!(refusal.headers("Retry-After"), retry_after);
        // Every other one leaves without a word, and is told again until timer H.
        if caller % 2 == 0 {
            bench.feed(CARRIER, ack(&name, &refusal));
        }
    }
    assert!(bench.events().is_empty() && bench.media().is_empty(), "nobody is told of a call");
    assert!(bench.gateway.offers.is_empty(), "and nothing waits for the word");
    let refused = bench.gateway.counters();
    assert_eq!(refused.incoming, counted.incoming, "none of them is a call");
    let told = refused.incoming_refused + refused.shed - counted.incoming_refused - counted.shed;
    assert_eq!(told, u64::from(FLOOD), "each is counted once");
    bench.pass(Duration::from_secs(40));
    assert!(
        bench.sent(CARRIER).iter().all(|it| it.is(status)),
        "repetitions for those without a word, no more"
    );
    assert_eq!(rest(&bench), at_rest);
    bench
}

/// The call that rang before is answered as if nothing had been.
fn goes_on(mut bench: Bench) {
    bench.connect(1, "anna");
    let answer = bench.one(CARRIER);
    assert!(answer.is("SIP/2.0 200 ") && answer.header("Call-ID") == "in1", "{}", answer.start());
    bench.command(Command::HangUp { call: CALL });
}

#[test]
fn beyond_the_rate_of_a_trunk() {
    let mut slow = options();
    slow.trunks[0].incoming_per_second = Some(0.01);
    goes_on(flooded(slow, |_| (), "SIP/2.0 503 ", &["10"]));
}

#[test]
fn without_a_port_to_spare() {
    // One for anna's line and one for the call that rings.
    let narrow = Options { rtp_ports: (20_000, 20_003), ..options() };
    goes_on(flooded(narrow, |_| (), "SIP/2.0 503 ", &["10"]));
}

#[test]
fn without_a_line() {
    let mut one_line = options();
    one_line.trunks[0].max_calls = 1;
    goes_on(flooded(one_line, |_| (), "SIP/2.0 486 ", &[]));
}

#[test]
fn while_callers_are_held() {
    let hold = |bench: &mut Bench| bench.gateway.hold_callers(Some(ms(5_000)));
    goes_on(flooded(options(), hold, "SIP/2.0 503 ", &["5"]));
}

#[test]
fn while_everything_new_is_shed() {
    let shed = |bench: &mut Bench| bench.gateway.shed(Some(ms(5_000)));
    goes_on(flooded(options(), shed, "SIP/2.0 503 ", &["5"]));
}
