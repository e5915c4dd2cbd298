//! Persistent agent legs: called at sign-on, kept, spliced, called again.

use super::super::testing::*;
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};
use crate::id::CallId;

const CALL: CallId = CallId(1);

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
    assert_eq!(bench.events(), [Event::Ended { call: CALL, by: EndedBy::Peer, reason: "bye" }]);
    assert_eq!(words(&bench.media()), ["unsplice 2 1", "close 2"]);

    bench.pass(ms(200));
    bench.answered(2);
    bench.connect(2, "anna");
    assert_eq!(bench.events(), [Event::Connected { call: CallId(2), user: "anna".into() }]);
}
