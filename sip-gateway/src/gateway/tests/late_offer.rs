//! INVITEs without an offer: the callee makes it, and we answer (RFC 3261 §13.2.1, §13.2.2.4; RFC 3262 §5).

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::Command;
use crate::event::{Event, Failure};
use crate::options::Options;

fn late() -> Options {
    let mut options = options();
    options.trunks[0].late_offer = true;
    options
}

#[test]
fn the_answer_to_an_offer_in_the_2xx_is_in_the_ack() {
    let mut bench = Bench::new(late());
    let invite = bench.place(1);
    assert_eq!((invite.body(), invite.headers("Content-Type").len()), ("", 0));
    // Without 100rel this is no offer (§13.2.1), only a hint.
    bench.feed(CARRIER, invite.reply("183 Session Progress", "callee", &[], &sdp(4000, "0", "sendrecv")));
    assert_eq!(bench.events(), [Event::Ringing { call: CALL, status: 183, early_media: false }]);
    let offer = sdp(4002, "18 8 0 101", "sendrecv");
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &offer));
    let ack = bench.one(CARRIER);
    assert!(ack.is("ACK ") && ack.header("Content-Type") == "application/sdp");
    assert!(ack.body().contains("m=audio 20000 RTP/AVP 8 101\r\n"), "{}", ack.0);
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4002 Pcma", "silence 1 true"]);
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &offer));
    assert_eq!(bench.one(CARRIER).0, ack.0, "a repeated 200 gets the same ACK");
    bench.command(Command::HangUp { call: CALL });
    assert!(bench.one(CARRIER).is("BYE "));
}

#[test]
fn the_answer_to_an_offer_in_a_reliable_response_is_in_its_prack() {
    let mut bench = Bench::new(late());
    let invite = bench.place(1);
    let reliable = ["Require: 100rel", "RSeq: 1", CONTACT];
    bench.feed(
        CARRIER,
        invite.reply("183 Session Progress", "callee", &reliable, &sdp(4000, "0 101", "sendrecv")),
    );
    let prack = bench.one(CARRIER);
    assert!(prack.is("PRACK ") && prack.body().contains("m=audio 20000 RTP/AVP 0 101\r\n"), "{}", prack.0);
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcmu"]);
    assert_eq!(bench.events(), [Event::Ringing { call: CALL, status: 183, early_media: true }]);
    bench.feed(CARRIER, prack.reply("200 OK", "", &[], ""));
    bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], ""));
    let ack = bench.one(CARRIER);
    assert_eq!((ack.is("ACK "), ack.body()), (true, ""));
    assert_eq!(words(&bench.media()), ["remote 1 192.0.2.10:4000 Pcmu", "silence 1 true"]);
}

#[test]
fn an_offer_that_can_not_be_met_ends_the_call() {
    for body in [sdp(4000, "18", "sendrecv"), String::new()] {
        let mut bench = Bench::new(late());
        let invite = bench.place(1);
        bench.feed(CARRIER, invite.reply("200 OK", "callee", &[CONTACT], &body));
        let [ack, bye] = bench.sent(CARRIER).try_into().unwrap();
        assert!(ack.is("ACK ") && bye.is("BYE "));
        assert_eq!(bye.header("Reason"), "SIP;cause=488;text=\"Not Acceptable Here\"");
        bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
        assert_eq!(bench.events(), failed(Failure::Media));
    }
}
