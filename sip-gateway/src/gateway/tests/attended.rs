//! Handing a customer over to the colleague who was asked (RFC 3515, RFC 3891, RFC 5589 §7).

use super::super::testing::*;
use super::consult::Line;
use super::transfer::{BEN, BEN_CONTACT, per_call, persistent, refer, told};

/// What a REFER came to: its answer, and the last word on it.
fn came_to(bench: &mut Bench, refer: String) -> (String, String) {
    bench.feed(PHONE, refer);
    let sent = bench.sent(PHONE);
    let answer = sent[0].start().to_owned();
    let last = sent.iter().rfind(|text| text.is("NOTIFY "));
    (answer, last.map_or(String::new(), |notify| notify.body().trim_end().to_owned()))
}

#[test]
fn the_colleague_who_was_asked_gets_the_customer() {
    let (mut bench, anna, _, customer) = persistent();
    let mut line = Line::new();
    line.up(&mut bench);
    bench.feed(PHONE, refer(&anna, 1, &line.replaced()));
    let sent = bench.sent(PHONE);
    let starts: Vec<&str> = sent.iter().map(|text| text.start().split(" sip:").next().unwrap()).collect();
    assert_eq!(
        starts,
        ["SIP/2.0 202 Accepted", "NOTIFY", "NOTIFY", "BYE", "BYE"],
        "told first, then both lines end"
    );
    assert_eq!((sent[1].body(), sent[2].body()), ("SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n"));
    assert_eq!((sent[3].header("Call-ID"), sent[4].header("Call-ID")), ("line2", anna.header("Call-ID")));
    assert_eq!(words(&bench.media()), ["unsplice 4 2", "hand over 3 2", "close 4", "close 1"]);
    assert_eq!(told(&mut bench), ["ben has it", "anna leg_lost", "ben reachable"]);
    assert!(bench.sent(BEN).is_empty() && bench.sent(CARRIER).is_empty());

    // Her phone is called again, the customer's call is Ben's.
    bench.pass(ms(1_000));
    assert_eq!(told(&mut bench), ["anna called"]);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(told(&mut bench), ["ended bye"]);
    assert_eq!(words(&bench.media()), ["open 5", "unsplice 3 2", "close 3"]);
}

#[test]
fn a_colleague_who_was_called_for_the_question_keeps_the_customer() {
    let (mut bench, anna, customer) = per_call();
    let mut line = Line::new();
    line.call(&mut bench, "sip:ben@192.0.2.1");
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "0", "sendrecv")));
    let sent = bench.sent(PHONE);
    assert!(line.note(&sent));
    let ack = line.within("ACK", &[]);
    bench.feed(PHONE, ack);
    bench.media();
    bench.events();
    bench.sent(BEN);
    bench.feed(PHONE, refer(&anna, 1, &line.replaced()));
    assert_eq!(bench.starts(PHONE), ["202 Accepted", "NOTIFY", "NOTIFY", "BYE", "BYE"]);
    assert_eq!(words(&bench.media()), ["unsplice 3 4", "hand over 1 4", "close 3", "close 2"]);
    assert_eq!(told(&mut bench), ["ben has it", "anna reachable", "ben reachable"]);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(BEN), ["BYE"]);
}

// RFC 5589 §7.1: which of the two lines asks makes no difference to us.
#[test]
fn the_other_line_may_ask_as_well() {
    let (mut bench, anna, _, _) = persistent();
    let mut line = Line::new();
    line.up(&mut bench);
    let id = anna.header("Call-ID").replace('@', "%40");
    let to = format!(
        "Refer-To: <sip:carillon@192.0.2.1?Replaces={id}%3Bto-tag%3D{}%3Bfrom-tag%3Danna>",
        anna.own_tag()
    );
    let refer = line.within("REFER", &[&to]);
    assert_eq!(came_to(&mut bench, refer), ("SIP/2.0 202 Accepted".into(), "SIP/2.0 200 OK".into()));
    assert_eq!(words(&bench.media()), ["unsplice 4 2", "hand over 3 2", "close 4", "close 1"]);
    assert_eq!(told(&mut bench), ["ben has it", "anna leg_lost", "ben reachable"]);
}

#[test]
fn a_customer_may_be_left_to_a_phone_that_still_rings() {
    for answers in [true, false] {
        let (mut bench, anna, _) = per_call();
        let mut line = Line::new();
        let sent = line.call(&mut bench, "sip:ben@192.0.2.1");
        let tag = sent[0].header("To").split(";tag=").nth(1).unwrap();
        let to =
            format!("<sip:ben@192.0.2.1?Replaces=line2%3Bto-tag%3D{tag}%3Bfrom-tag%3Dmine%3Bearly-only>");
        let ben = bench.one(BEN);
        bench.feed(PHONE, refer(&anna, 1, &to));
        assert_eq!(bench.starts(PHONE), ["202 Accepted", "NOTIFY", "487 Request Terminated"]);
        assert_eq!(told(&mut bench), ["ben engaged"]);
        bench.media();
        if answers {
            bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "0", "sendrecv")));
            assert!(words(&bench.media()).contains(&"hand over 1 4".to_owned()));
            assert_eq!(told(&mut bench), ["ben has it", "anna reachable", "ben reachable"]);
        } else {
            bench.feed(BEN, ben.reply("486 Busy Here", "ben", &[], ""));
            assert_eq!(bench.one(PHONE).body(), "SIP/2.0 480 Temporarily Unavailable\r\n");
            assert_eq!(told(&mut bench), ["anna reachable", "ben reachable"], "she has the customer");
        }
    }
}

// RFC 3891 §3: what names no dialog of hers is not there, whosever it may be.
#[test]
fn only_her_own_two_lines_can_be_named() {
    let (mut bench, anna, ben, customer) = persistent();
    let mut line = Line::new();
    line.up(&mut bench);
    let good = line.replaced();
    let tag = good.split("to-tag%3D").nth(1).unwrap().split('%').next().unwrap();
    let named = |call_id: &str, to_tag: &str, from_tag: &str| {
        let call_id = call_id.replace('@', "%40");
        format!("<sip:ben@192.0.2.1?Replaces={call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}>")
    };
    let accepted = "SIP/2.0 202 Accepted".to_owned();
    let gone = (accepted.clone(), "SIP/2.0 481 Call/Transaction Does Not Exist".to_owned());
    let refused = ("SIP/2.0 403 Forbidden".to_owned(), String::new());
    let broken = |to: &str| good.replace("ben@192.0.2.1", to);
    let mut cseq = 0;
    for (to, expected) in [
        (named("line2", tag, "yours"), &gone),
        (named("line2", "mine", tag), &gone),
        (named("line3", tag, "mine"), &gone),
        // Her line with the customer, the customer's own dialog, and Ben's.
        (named(anna.header("Call-ID"), anna.own_tag(), "anna"), &gone),
        (named(customer.header("Call-ID"), customer.own_tag(), "callee"), &gone),
        (named(ben.header("Call-ID"), ben.own_tag(), "ben"), &gone),
        (broken("anna@192.0.2.1"), &refused),
        (broken("+15550199@192.0.2.10"), &refused),
        (good.replace('>', "&Route=%3Csip%3Aevil%3E>"), &refused),
        (good.replace('>', "%0D%0ARoute%3A%20x>"), &refused),
        (good.replace('>', "&Replaces=line2%3Bto-tag%3Da%3Bfrom-tag%3Dmine>"), &refused),
        (good.replace("%3Bfrom-tag%3Dmine", ""), &refused),
        (good.replace("sip:", "http:"), &refused),
        (good.replace('>', "%3Bearly-only>"), &(accepted, "SIP/2.0 486 Busy Here".to_owned())),
    ] {
        cseq += 1;
        assert_eq!(came_to(&mut bench, refer(&anna, cseq, &to)), *expected, "{to}");
    }
    assert_eq!((words(&bench.media()), told(&mut bench)), (vec![], vec![]), "nothing came of it");

    // Who is asked hands nobody's customer over, with or without a Replaces.
    for to in ["<sip:anna@192.0.2.1>".to_owned(), named("line2", tag, "mine")] {
        cseq += 1;
        bench.feed(BEN, ben.request("REFER", "ben", cseq, &[&format!("Refer-To: {to}"), BEN_CONTACT], ""));
        assert_eq!(bench.starts(BEN), ["403 Forbidden"]);
    }
    cseq += 1;
    assert_eq!(came_to(&mut bench, refer(&anna, cseq, &good)).1, "SIP/2.0 200 OK", "all is as it was");
}

#[test]
fn a_line_that_has_ended_can_not_be_named() {
    let (mut bench, anna, _, _) = persistent();
    let mut line = Line::new();
    line.up(&mut bench);
    let named = line.replaced();
    let bye = line.within("BYE", &[]);
    bench.feed(PHONE, bye);
    bench.sent(PHONE);
    let (answer, last) = came_to(&mut bench, refer(&anna, 1, &named));
    assert_eq!(
        (answer.as_str(), last.as_str()),
        ("SIP/2.0 202 Accepted", "SIP/2.0 481 Call/Transaction Does Not Exist")
    );
    // She has her customer still, and may ask or hand over again.
    bench.events();
    assert_eq!(came_to(&mut bench, refer(&anna, 2, "<sip:ben@192.0.2.1>")).1, "SIP/2.0 200 OK");
}

// A customer handed over without a word to another colleague than the one who is asked.
#[test]
fn a_question_ends_when_somebody_else_gets_the_customer() {
    let mut many = options();
    let mut carl = many.users[1].clone();
    (carl.user, carl.contact) = ("carl".into(), Some("sip:carl@192.0.2.52:5062".into()));
    many.users.push(carl);
    let (mut bench, anna) = {
        let mut bench = Bench::new(many);
        let anna = bench.anna_up();
        for (user, at, port) in [("ben", BEN, 6000), ("carl", "192.0.2.52:5062", 6100)] {
            bench.command(crate::command::Command::SignOn {
                user: user.into(),
                leg: crate::command::AgentLegMode::Persistent,
            });
            let contact = format!("Contact: <sip:{user}@{at}>");
            let leg = bench.one(at);
            bench.feed(at, leg.reply("200 OK", user, &[&contact], &sdp(port, "8 0", "sendrecv")));
            bench.sent(at);
        }
        bench.answered(1);
        bench.connect(1, "anna");
        bench.events();
        bench.media();
        (bench, anna)
    };
    Line::new().up(&mut bench);
    bench.feed(PHONE, refer(&anna, 1, "<sip:carl@192.0.2.1>"));
    assert_eq!(words(&bench.media()), ["unsplice 5 2", "hand over 4 3", "close 5"]);
    let told = told(&mut bench);
    assert_eq!(told, ["carl engaged", "carl has it", "ben reachable", "anna reachable", "carl reachable"]);
}

// As phones do it: the customer is put on hold first.
#[test]
fn a_customer_on_hold_is_handed_over() {
    let (mut bench, anna, _, _) = persistent();
    let hold = anna.request("INVITE", "anna", 1, &[PHONE_CONTACT], &sdp(5000, "8 0 101", "sendonly"));
    bench.feed(PHONE, hold);
    let held = bench.one(PHONE);
    assert!(held.is("SIP/2.0 200 ") && held.header("Allow").contains("REFER"), "it may still transfer");
    bench.feed(PHONE, anna.request("ACK", "anna", 1, &[], ""));
    let mut line = Line::new();
    line.up(&mut bench);
    bench.pass(ms(300_000));
    bench.events();
    let (answer, last) = came_to(&mut bench, refer(&anna, 2, &line.replaced()));
    assert_eq!((answer.as_str(), last.as_str()), ("SIP/2.0 202 Accepted", "SIP/2.0 200 OK"));
    assert_eq!(told(&mut bench), ["ben has it", "anna leg_lost", "ben reachable"]);
}
