//! An agent's phone hands its customer over to a colleague's (RFC 3515).

use super::super::testing::*;
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};

pub(super) const BEN: &str = "192.0.2.51:5062";
pub(super) const BEN_CONTACT: &str = "Contact: <sip:ben@192.0.2.51:5062>";

pub(super) fn told(bench: &mut Bench) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::AgentReachable { user, .. } => format!("{user} reachable"),
        Event::AgentUnreachable { user, reason } => format!("{user} {reason}"),
        Event::AgentEngaged { user } => format!("{user} engaged"),
        Event::AgentLegCalling { user, .. } => format!("{user} called"),
        Event::AgentLeft { user, .. } => format!("{user} left"),
        Event::HandedOver { user, .. } => format!("{user} has it"),
        Event::Ended { reason, .. } => format!("ended {reason}"),
        Event::LineUp { .. } | Event::LineOver { .. } => String::new(),
        other => format!("{other:?}"),
    };
    bench.events().iter().map(word).filter(|word| !word.is_empty()).collect()
}

pub(super) fn refer(phone: &Text, cseq: u32, to: &str) -> String {
    phone.request("REFER", "anna", cseq, &[&format!("Refer-To: {to}"), PHONE_CONTACT], "")
}

/// Anna (stream 1) with the customer (stream 3), Ben (stream 2) on the line and free; the INVITEs to both phones and the customer.
pub(super) fn persistent() -> (Bench, Text, Text, Text) {
    let mut bench = Bench::new(options());
    let anna = bench.anna_up();
    bench.command(Command::SignOn { user: "ben".into(), leg: AgentLegMode::Persistent });
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "8 0", "sendrecv")));
    bench.sent(BEN);
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    bench.events();
    bench.media();
    (bench, anna, ben, customer)
}

/// The same with phones that are called for each customer: Anna is stream 2, the customer stream 1.
pub(super) fn per_call() -> (Bench, Text, Text) {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    for user in ["anna", "ben"] {
        bench.command(Command::SignOn { user: user.into(), leg: AgentLegMode::PerCall });
    }
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    let anna = bench.one(PHONE);
    bench.feed(PHONE, anna.reply("200 OK", "anna", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    bench.sent(PHONE);
    bench.events();
    bench.media();
    (bench, anna, customer)
}

// §2.4.2, §2.4.4, §2.4.5: accepted, and told how it went.
#[test]
fn a_customer_is_handed_over_to_a_colleague_on_the_line() {
    let (mut bench, anna, _, customer) = persistent();
    bench.feed(PHONE, refer(&anna, 1, "<sip:ben@192.0.2.1>"));
    let [accepted, trying, done] = bench.sent(PHONE).try_into().unwrap();
    assert!(accepted.is("SIP/2.0 202 ") && accepted.header("Contact").contains("192.0.2.1:5060"));
    assert!(trying.is("NOTIFY ") && done.is("NOTIFY ") && done.cseq() == trying.cseq() + 1);
    assert_eq!((trying.header("Event"), trying.body()), ("refer;id=1", "SIP/2.0 100 Trying\r\n"));
    assert_eq!((done.header("Event"), done.body()), ("refer;id=1", "SIP/2.0 200 OK\r\n"));
    assert!(trying.header("Subscription-State").starts_with("active;expires="));
    assert_eq!(done.header("Subscription-State"), "terminated;reason=noresource");
    assert_eq!(done.header("Content-Type"), "message/sipfrag;version=2.0");
    assert_eq!(words(&bench.media()), ["hand over 3 2"]);
    assert_eq!(told(&mut bench), ["ben engaged", "ben has it", "anna reachable", "ben reachable"]);

    // Her phone hangs up, as phones do then, and is called again: that is no concern of the call's.
    bench.feed(PHONE, anna.request("BYE", "anna", 2, &[], ""));
    bench.pass(ms(1_000));
    let again = bench.sent(PHONE).pop().unwrap();
    bench.feed(PHONE, again.reply("200 OK", "anna2", &[PHONE_CONTACT], &sdp(5000, "8", "sendrecv")));
    assert_eq!(told(&mut bench), ["anna leg_lost", "anna called", "anna reachable"]);
    bench.media();
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(told(&mut bench), ["ended bye"]);
    assert_eq!(words(&bench.media()), ["unsplice 3 2", "close 3"]);
    bench.connect(2, "ben");
    assert_eq!(bench.gateway.calls(), 0);
}

#[test]
fn a_colleague_who_hangs_up_ends_the_call() {
    let (mut bench, anna, ben, _) = persistent();
    bench.feed(PHONE, refer(&anna, 1, "sip:ben@192.0.2.1"));
    bench.events();
    bench.feed(BEN, ben.request("BYE", "ben", 1, &[], ""));
    let told = told(&mut bench);
    assert!(told.contains(&"ben left".to_owned()) && told.contains(&"ben leg_lost".to_owned()), "{told:?}");
    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events().last(), ended(EndedBy::Us, "bye").last());
}

// Toll fraud: nothing is dialled for a REFER, and nobody but a free colleague is reached by it.
#[test]
fn everything_but_a_free_colleague_is_refused() {
    let (mut bench, anna, _, _) = persistent();
    let mut cseq = 0;
    for (to, status) in [
        ("<sip:+15550199@192.0.2.10>", "403"),
        ("<sip:%2b15550199@192.0.2.1>", "403"),
        ("<tel:+15550199>", "403"),
        ("<sip:ben@192.0.2.1?Route=%3Csip%3Aevil%3E>", "403"),
        ("<sip:anna@192.0.2.1>", "403"),
        ("<sip:nobody@192.0.2.1>", "403"),
        ("<sip:192.0.2.1>", "403"),
        ("nonsense", "400"),
        ("<sip:ben@192.0.2.1>\r\nRefer-To: <sip:anna@192.0.2.1>", "400"),
    ] {
        cseq += 1;
        bench.feed(PHONE, refer(&anna, cseq, to));
        let starts = bench.starts(PHONE);
        assert!(starts.len() == 1 && starts[0].starts_with(status), "{to}: {starts:?}");
    }
    bench.command(Command::SignOff { user: "ben".into() });
    bench.feed(PHONE, refer(&anna, 20, "<sip:ben@192.0.2.1>"));
    assert!(bench.starts(PHONE)[0].starts_with("480"));
    bench.command(Command::Disconnect { call: CALL });
    bench.feed(PHONE, refer(&anna, 21, "<sip:ben@192.0.2.1>"));
    assert!(bench.starts(PHONE)[0].starts_with("403"), "no customer in hand");
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn a_carrier_transfers_nobody() {
    let mut bench = Bench::new(options());
    let invite = bench.answered(1);
    bench.feed(CARRIER, invite.request("REFER", "callee", 1, &["Refer-To: <sip:anna@192.0.2.1>"], ""));
    let refusal = bench.one(CARRIER);
    assert!(refusal.is("SIP/2.0 405 ") && !refusal.header("Allow").contains("REFER"));
}

#[test]
fn a_colleague_is_called_and_gets_the_customer_when_the_phone_answers() {
    let (mut bench, anna, customer) = per_call();
    bench.feed(PHONE, refer(&anna, 1, "<sip:ben@192.0.2.1>"));
    assert_eq!(bench.starts(PHONE), ["202 Accepted", "NOTIFY"]);
    let ben = bench.one(BEN);
    assert_eq!(words(&bench.media()), ["open 3"], "Anna has the customer until Ben answers");
    bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "0", "sendrecv")));
    assert_eq!(bench.starts(BEN), ["ACK"]);
    let mut sent = bench.starts(PHONE);
    sent.sort();
    assert_eq!(sent, ["BYE", "NOTIFY"], "Anna's phone is free");
    let media = words(&bench.media());
    assert_eq!(media, ["remote 3 192.0.2.10:6000 Pcmu", "silence 3 true", "hand over 1 3", "close 2"]);
    assert_eq!(told(&mut bench), ["ben engaged", "ben has it", "anna reachable", "ben reachable"]);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(BEN), ["BYE"]);
    assert_eq!(told(&mut bench), ["ended bye"]);
}

#[test]
fn a_colleague_who_declines_leaves_the_customer_where_they_were() {
    let (mut bench, anna, _) = per_call();
    bench.feed(PHONE, refer(&anna, 1, "<sip:ben@192.0.2.1>"));
    bench.sent(PHONE);
    bench.feed(PHONE, refer(&anna, 2, "<sip:ben@192.0.2.1>"));
    assert!(bench.starts(PHONE)[0].starts_with("403"), "one at a time");
    let ben = bench.one(BEN);
    bench.media();
    bench.feed(BEN, ben.reply("486 Busy Here", "ben", &[], ""));
    let failed = bench.one(PHONE);
    assert_eq!(failed.body(), "SIP/2.0 480 Temporarily Unavailable\r\n");
    assert!(failed.header("Subscription-State").starts_with("terminated"));
    assert_eq!(words(&bench.media()), ["close 3"], "nothing was parted");
    let told = told(&mut bench);
    assert_eq!(told, ["ben engaged", "anna reachable", "ben reachable"]);
    bench.feed(PHONE, refer(&anna, 3, "<sip:ben@192.0.2.1>"));
    assert!(bench.starts(PHONE)[0].starts_with("202"), "tried again");
}

// Phones that hang up as soon as the REFER is accepted: the customer waits for the colleague.
#[test]
fn an_agent_may_hang_up_while_the_colleagues_phone_rings() {
    for answers in [true, false] {
        let (mut bench, anna, _) = per_call();
        bench.feed(PHONE, refer(&anna, 1, "<sip:ben@192.0.2.1>"));
        let ben = bench.one(BEN);
        bench.media();
        bench.events();
        bench.feed(PHONE, anna.request("BYE", "anna", 2, &[], ""));
        assert_eq!(words(&bench.media()), ["unsplice 1 2", "close 2"]);
        assert_eq!(told(&mut bench), Vec::<String>::new());
        if answers {
            bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "0", "sendrecv")));
            assert_eq!(words(&bench.media()).last().unwrap(), "hand over 1 3");
            assert_eq!(told(&mut bench), ["ben has it", "anna reachable", "ben reachable"]);
        } else {
            bench.feed(BEN, ben.reply("486 Busy Here", "ben", &[], ""));
            assert_eq!(told(&mut bench), ["anna reachable", "ben reachable", "anna left"]);
        }
    }
}

#[test]
fn a_customer_who_hangs_up_meanwhile_ends_it_all() {
    let (mut bench, anna, customer) = per_call();
    bench.feed(PHONE, refer(&anna, 1, "<sip:ben@192.0.2.1>"));
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("180 Ringing", "ben", &[], ""));
    bench.sent(PHONE);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!((bench.starts(PHONE), bench.starts(BEN)), (vec!["BYE".to_owned()], vec!["CANCEL".to_owned()]));
    bench.pass(ms(120_000));
    assert_eq!((bench.gateway.leftovers(), bench.gateway.calls()), ((0, 0, 0), 0));
}
