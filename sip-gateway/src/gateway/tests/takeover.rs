//! An agent goes on with a call on another phone (RFC 3891).

use super::super::testing::*;
use super::consult::{Line, starts};
use super::transfer::{BEN, per_call, persistent, refer, told};
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};
use crate::id::StreamId;
use crate::media::MediaEvent;

pub(super) const MOBILE: &str = "192.0.2.60:5062";
const US: &str = "sip:192.0.2.1";

/// Anna's second phone.
pub(super) fn bind_mobile(bench: &mut Bench) {
    refresh_mobile(bench);
    bench.events();
}

pub(super) fn refresh_mobile(bench: &mut Bench) {
    let mut binding = stored("sip:anna@10.0.0.6:5062", MOBILE, bench.local);
    binding.call_id = "mobile".into();
    bench.command(Command::RestoreBinding(binding));
}

pub(super) fn mobile() -> Line {
    Line { at: MOBILE, call_id: "mobile1", ..Line::new() }
}

fn session() -> String {
    sdp(5200, "8 0", "sendrecv")
}

/// The header that names the dialog of an INVITE of ours that `tag` answered.
pub(super) fn named(invite: &Text, tag: &str) -> String {
    format!("Replaces: {};to-tag={};from-tag={tag}", invite.header("Call-ID"), invite.own_tag())
}

fn pull(bench: &mut Bench, replaces: &str) -> (Line, Vec<Text>) {
    let mut line = mobile();
    let sent = line.call_with(bench, US, &[replaces], &session());
    (line, sent)
}

fn acknowledge(bench: &mut Bench, line: &mut Line) {
    let ack = line.within("ACK", &[]);
    bench.feed(line.at, ack);
}

/// Answers the BYE to the second phone.
fn end(bench: &mut Bench) {
    let bye = bench.one(MOBILE);
    assert!(bye.is("BYE "));
    bench.feed(MOBILE, bye.reply("200 OK", "", &[], ""));
}

#[test]
fn a_call_goes_on_at_another_phone() {
    let (mut bench, anna, _, customer) = persistent();
    bind_mobile(&mut bench);
    let lines = |bench: &Bench| bench.gateway.devices("anna", bench.now).unwrap().lines;
    assert_eq!(lines(&bench), [named(&anna, "anna").trim_start_matches("Replaces: ")]);
    let (mut line, sent) = pull(&mut bench, &named(&anna, "anna"));
    assert!(lines(&bench)[0].starts_with("mobile1;to-tag=") && lines(&bench)[0].ends_with(";from-tag=mine"));
    assert_eq!(starts(&sent), ["200"], "at once");
    assert!(sent[0].header("Supported").contains("replaces") && sent[0].header("Allow").contains("REFER"));
    assert_eq!(
        words(&bench.media()),
        ["open 4", "remote 4 192.0.2.10:5200 Pcma", "silence 4 true", "hand over 3 4", "close 1"]
    );
    let bye = bench.one(PHONE);
    assert!(bye.is("BYE ") && bye.header("Reason").contains("Call completed elsewhere"));
    bench.feed(PHONE, bye.reply("200 OK", "", &[], ""));
    let events = bench.events();
    let [Event::AgentLegMoved { user, route, leg }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((user.as_str(), route.call_id.as_str()), ("anna", "mobile1"));
    assert_eq!((leg.call_id.as_str(), leg.remote_tag.as_str()), ("mobile1", "mine"));
    acknowledge(&mut bench, &mut line);
    let ladder = bench.gateway.ladder_of_call(CALL).unwrap();
    let phones: Vec<&str> = ladder.parties.iter().map(|party| party.call_id.as_str()).collect();
    assert!(phones.contains(&"mobile1") && phones.contains(&anna.header("Call-ID")), "{phones:?}");

    // The first phone is nobody's any more; the second one is on the line after the call as well.
    bench.pass(ms(60_000));
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Peer, "bye"));
    assert!(!bench.waiting(MOBILE) && !bench.waiting(PHONE));
    bench.sent(CARRIER);
    bench.answered(2);
    bench.connect(2, "anna");
    assert_eq!(words(&bench.media()), ["splice 5 4 recorded"]);
    bench.events();
    let bye = line.within("BYE", &[]);
    bench.feed(MOBILE, bye);
    assert_eq!(told(&mut bench), ["anna left", "anna leg_lost"]);
    let counters = bench.gateway.counters();
    assert_eq!((counters.takeovers, counters.takeovers_refused), (1, 0));
}

#[test]
fn a_phone_that_was_called_for_the_customer_gives_the_call_up_too() {
    let (mut bench, anna, customer) = per_call();
    bind_mobile(&mut bench);
    let (mut line, sent) = pull(&mut bench, &named(&anna, "anna"));
    assert_eq!(starts(&sent), ["200"]);
    assert_eq!(words(&bench.media())[3..], ["hand over 1 3", "close 2"]);
    assert_eq!((bench.starts(PHONE), told(&mut bench)), (vec!["BYE".to_owned()], vec![]));
    acknowledge(&mut bench, &mut line);
    // From there it can be asked about, and handed over.
    let answer = line.answer.clone().unwrap();
    let tag = answer.header("To").split(";tag=").nth(1).unwrap().to_owned();
    let to = line.within("REFER", &["Refer-To: <sip:ben@192.0.2.1>"]);
    bench.feed(MOBILE, to);
    assert_eq!(bench.starts(MOBILE), ["202 Accepted", "NOTIFY"]);
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("486 Busy Here", "ben", &[], ""));
    bench.sent(MOBILE);
    // And back to where it was.
    let mut back = Line { call_id: "back", ..Line::new() };
    let replaces = format!("Replaces: mobile1;to-tag={tag};from-tag=mine");
    let sent = back.call_with(&mut bench, US, &[&replaces], &session());
    assert_eq!((starts(&sent), bench.starts(MOBILE)), (vec!["200"], vec!["BYE".to_owned()]));
    acknowledge(&mut bench, &mut back);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(PHONE), ["BYE"]);
}

// RFC 3891 §3: whoever is no party of a dialog is told that there is none.
#[test]
fn only_ones_own_dialogs_can_be_taken_over() {
    let (mut bench, anna, ben, customer) = persistent();
    bind_mobile(&mut bench);
    let good = named(&anna, "anna");
    let call_id = anna.header("Call-ID");
    let swapped = format!("Replaces: {call_id};to-tag=anna;from-tag={}", anna.own_tag());
    let mut answer = |user: &'static str, name: &'static str, replaces: &str| {
        let mut line = Line { user, call_id: name, ..mobile() };
        starts(&line.call_with(&mut bench, US, &[replaces], &session())).join(" ")
    };
    assert_eq!(answer("anna", "a", &named(&ben, "ben")), "481", "a colleague's");
    assert_eq!(answer("anna", "b", &named(&customer, "callee")), "481", "the customer's");
    assert_eq!(answer("anna", "c", &swapped), "481", "tags the wrong way round");
    assert_eq!(answer("anna", "d", &format!("{good}x")), "481");
    assert_eq!(answer("anna", "e", &good.replace(call_id, "nobody")), "481");
    assert_eq!(answer("anna", "f", &good.replace("from-tag=anna", "from-tag=0")), "481");
    assert_eq!(answer("ben", "g", &good), "481", "as if it were not there");
    assert_eq!(answer("ben", "h", &named(&anna, "nobody")), "481");
    assert_eq!(answer("anna", "i", &format!("{good};early-only")), "486", "it is answered");
    assert_eq!((words(&bench.media()), told(&mut bench)), (vec![], vec![]));
    assert!(!bench.waiting(PHONE) && !bench.waiting(BEN));
    let (_, sent) = pull(&mut bench, &good);
    assert_eq!(starts(&sent), ["200"], "all is as it was");
}

#[test]
fn a_phone_that_can_not_prove_it_takes_nothing_over() {
    let (mut bench, anna, _, _) = persistent();
    bind_mobile(&mut bench);
    let good = named(&anna, "anna");
    let mut line = mobile();
    let invite = line.write("INVITE", US, &[&good], &session());
    bench.feed(MOBILE, invite.clone());
    assert_eq!(bench.starts(MOBILE), ["401 Unauthorized"]);
    bench.feed(STRANGER, invite);
    assert!(bench.sent(STRANGER).is_empty());
    assert_eq!((words(&bench.media()), bench.sent(PHONE).len()), (vec![], 0));
}

#[test]
fn a_dialog_that_has_just_ended_is_declined() {
    let (mut bench, anna, customer) = per_call();
    bind_mobile(&mut bench);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    let bye = bench.one(PHONE);
    let (_, sent) = pull(&mut bench, &named(&anna, "anna"));
    assert_eq!(starts(&sent), ["603"], "its BYE is out");
    bench.feed(PHONE, bye.reply("200 OK", "", &[], ""));
    let mut again = Line { call_id: "mobile2", ..mobile() };
    assert_eq!(starts(&again.call_with(&mut bench, US, &[&named(&anna, "anna")], &session())), ["603"]);
    bench.pass(ms(40_000));
    bench.sent(MOBILE);
    let mut later = Line { call_id: "mobile3", ..mobile() };
    assert_eq!(starts(&later.call_with(&mut bench, US, &[&named(&anna, "anna")], &session())), ["481"]);
}

// §3: two of them, one that can't be read, one beside a Join, and one in another request.
#[test]
fn what_makes_no_sense_is_refused() {
    let (mut bench, anna, _, _) = persistent();
    bind_mobile(&mut bench);
    let good = named(&anna, "anna");
    for (index, more) in [
        vec![good.as_str(), good.as_str()],
        vec!["Replaces: x"],
        vec!["Replaces: x;to-tag=1;to-tag=2;from-tag=3"],
        vec![good.as_str(), "Join: x;to-tag=1;from-tag=2"],
    ]
    .into_iter()
    .enumerate()
    {
        let call_id = ["a", "b", "c", "d"][index];
        let mut line = Line { call_id, ..mobile() };
        assert_eq!(starts(&line.call_with(&mut bench, US, &more, &session())), ["400"], "{more:?}");
    }
    for method in ["OPTIONS", "REGISTER"] {
        let request = Line { call_id: "e", ..mobile() }.write(method, US, &[&good], "");
        bench.feed(MOBILE, request);
        assert_eq!(bench.starts(MOBILE), ["400 Bad Request"], "{method}");
    }
    let within = anna.request("REFER", "anna", 1, &["Refer-To: <sip:ben@192.0.2.1>", &good], "");
    bench.feed(PHONE, within);
    assert_eq!(bench.starts(PHONE), ["400 Bad Request"]);
    assert!(words(&bench.media()).is_empty());
}

#[test]
fn nobody_outside_takes_anything_over() {
    let (mut bench, anna, _, customer) = persistent();
    let (hers, theirs) = (named(&anna, "anna"), named(&customer, "callee"));
    for (call_id, replaces, more, status) in [
        ("outside1", &hers, "Subject: x", "481"),
        ("outside2", &hers, "Require: replaces", "420"),
        ("outside3", &theirs, "Subject: x", "481"),
        ("outside4", &theirs, "Require: replaces", "420"),
    ] {
        let mut line = Line { user: "+15550177", at: CARRIER, call_id, ..Line::new() };
        let invite = line.write("INVITE", "sip:+15550100@192.0.2.1", &[replaces, more], &session());
        bench.feed(CARRIER, invite);
        assert_eq!(starts(&bench.sent(CARRIER)), [status]);
    }
    assert_eq!((words(&bench.media()), told(&mut bench)), (vec![], vec![]));
}

#[test]
fn who_may_is_told_so() {
    let (mut bench, anna, _, customer) = persistent();
    bind_mobile(&mut bench);
    assert_eq!(anna.header("Supported"), "timer, replaces");
    assert!(!customer.header("Supported").contains("replaces"));
    let options = mobile().write("OPTIONS", US, &["Require: replaces"], "");
    bench.feed(MOBILE, options);
    let answer = bench.one(MOBILE);
    assert!(answer.is("SIP/2.0 200 ") && answer.header("Supported").contains("replaces"));
    let required = [named(&anna, "anna"), "Require: replaces".to_owned()];
    let more: Vec<&str> = required.iter().map(String::as_str).collect();
    assert_eq!(starts(&mobile().call_with(&mut bench, US, &more, &session())), ["200"]);
}

// §3: what can't be accepted leaves the dialog as it is.
#[test]
fn a_phone_that_can_not_speak_with_us_takes_nothing_over() {
    let (mut bench, anna, _, _) = persistent();
    bind_mobile(&mut bench);
    let good = named(&anna, "anna");
    let sent = mobile().call_with(&mut bench, US, &[&good], &sdp(5200, "18", "sendrecv"));
    assert_eq!(starts(&sent), ["488"]);
    // Without an offer ours is in the 200, and nothing changes before the ACK.
    let mut late = Line { call_id: "late", ..mobile() };
    assert_eq!(starts(&late.call_with(&mut bench, US, &[&good], "")), ["200"]);
    let mut second = Line { call_id: "second", ..mobile() };
    assert_eq!(starts(&second.call_with(&mut bench, US, &[&good], &session())), ["491"], "one at a time");
    let target = late.answer.as_ref().unwrap().between("Contact: <", ">").to_owned();
    let ack = late.write("ACK", &target, &[], &sdp(5200, "18", "sendrecv"));
    bench.feed(MOBILE, ack);
    end(&mut bench);
    assert_eq!(words(&bench.media()), ["open 4", "close 4"]);
    // One whose port can't be had.
    let mut deaf = Line { call_id: "deaf", ..mobile() };
    deaf.call_with(&mut bench, US, &[&good], "");
    bench.media_event(MediaEvent::OpenFailed { stream: StreamId(5) });
    let ack = deaf.within("ACK", &[]);
    bench.feed(MOBILE, ack);
    end(&mut bench);
    // And one that never acknowledges.
    let mut silent = Line { call_id: "silent", ..mobile() };
    silent.call_with(&mut bench, US, &[&good], "");
    bench.pass(ms(40_000));
    let bye = bench.sent(MOBILE).into_iter().rfind(|text| text.is("BYE ")).unwrap();
    bench.feed(MOBILE, bye.reply("200 OK", "", &[], ""));
    assert_eq!((bench.sent(PHONE).len(), told(&mut bench)), (0, vec![]));
    let mut last = Line { call_id: "last", ..mobile() };
    last.call_with(&mut bench, US, &[&good], "");
    let target = last.answer.as_ref().unwrap().between("Contact: <", ">").to_owned();
    let ack = last.write("ACK", &target, &[], &session());
    bench.feed(MOBILE, ack);
    assert_eq!(
        words(&bench.media())[4..],
        ["remote 7 192.0.2.10:5200 Pcma", "silence 7 true", "hand over 3 7", "close 1"]
    );
    assert_eq!(bench.starts(PHONE), ["BYE"]);
}

#[test]
fn a_call_that_ends_meanwhile_can_not_go_on() {
    let (mut bench, anna, customer) = per_call();
    bind_mobile(&mut bench);
    let mut late = mobile();
    late.call_with(&mut bench, US, &[&named(&anna, "anna")], "");
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    let target = late.answer.as_ref().unwrap().between("Contact: <", ">").to_owned();
    let ack = late.write("ACK", &target, &[], &session());
    bench.feed(MOBILE, ack);
    assert_eq!(bench.starts(MOBILE), ["BYE"]);
    bench.pass(ms(200_000));
    assert_eq!((bench.gateway.leftovers(), bench.gateway.takeovers.len()), ((0, 0, 0), 0));
}

// An early dialog of ours: the phone that rings is cancelled, another one has the call.
#[test]
fn a_phone_that_rings_is_picked_up_elsewhere() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    let customer = bench.answered(1);
    bench.connect(1, "anna");
    let anna = bench.one(PHONE);
    bind_mobile(&mut bench);
    let early = format!("{};early-only", named(&anna, "desk"));
    let mut soon = Line { call_id: "soon", ..mobile() };
    assert_eq!(starts(&soon.call_with(&mut bench, US, &[&early], &session())), ["481"], "nothing rings");
    let lines = |bench: &Bench| bench.gateway.devices("anna", bench.now).unwrap().lines;
    assert!(lines(&bench).is_empty());
    bench.feed(PHONE, anna.reply("180 Ringing", "desk", &[], ""));
    assert_eq!(lines(&bench), [named(&anna, "desk").trim_start_matches("Replaces: ")]);
    bench.media();
    let (mut line, sent) = pull(&mut bench, &early);
    assert_eq!(starts(&sent), ["200"]);
    let cancel = bench.one(PHONE);
    assert!(cancel.is("CANCEL ") && cancel.header("Reason").contains("Call completed elsewhere"));
    bench.feed(PHONE, cancel.reply("200 OK", "desk", &[], ""));
    bench.feed(PHONE, anna.reply("487 Request Terminated", "desk", &[], ""));
    acknowledge(&mut bench, &mut line);
    let media = words(&bench.media());
    assert_eq!(media.last().unwrap(), "splice 1 3 recorded", "{media:?}");
    assert!(media.contains(&"close 2".to_owned()));
    assert_eq!(told(&mut bench), [r#"Connected { call: CallId(1), user: "anna" }"#]);
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(bench.starts(MOBILE), ["BYE"]);
    // What rang is declined now.
    let mut again = Line { call_id: "again", ..mobile() };
    assert_eq!(starts(&again.call_with(&mut bench, US, &[&early], &session())), ["603"]);
}

#[test]
fn a_leg_without_a_customer_moves_too_and_is_the_one_that_is_stored() {
    let mut bench = Bench::new(options());
    let anna = bench.anna_up();
    bind_mobile(&mut bench);
    let (_, sent) = pull(&mut bench, &named(&anna, "anna"));
    assert_eq!(starts(&sent), ["200"]);
    assert_eq!(words(&bench.media())[3..], ["close 1"]);
    assert!(matches!(bench.events().as_slice(), [Event::AgentLegMoved { .. }]));
    assert_eq!(bench.starts(PHONE), ["BYE"]);
}

// A callee of RFC 2543 has no tag: a zero stands for it.
#[test]
fn a_dialog_without_a_tag_is_named_by_zero() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let anna = bench.one(PHONE);
    bench.feed(PHONE, anna.reply("200 OK", "", &[PHONE_CONTACT], &sdp(5000, "0", "sendrecv")));
    bench.sent(PHONE);
    bind_mobile(&mut bench);
    let (_, sent) = pull(&mut bench, &named(&anna, "0"));
    assert_eq!(starts(&sent), ["200"]);
}

#[test]
fn both_ends_of_a_consultation_may_change_their_phones() {
    let (mut bench, anna, ben, _) = persistent();
    bind_mobile(&mut bench);
    let mut asks = Line::new();
    asks.up(&mut bench);
    // The line that asks, to Anna's other phone.
    let tag = asks.answer.as_ref().unwrap().header("To").split(";tag=").nth(1).unwrap().to_owned();
    let (mut line, sent) = pull(&mut bench, &format!("Replaces: line2;to-tag={tag};from-tag=mine"));
    assert_eq!(starts(&sent), ["200"]);
    assert_eq!(
        words(&bench.media()),
        [
            "open 5",
            "unsplice 4 2",
            "close 4",
            "remote 5 192.0.2.10:5200 Pcma",
            "silence 5 true",
            "hand over 5 2"
        ]
    );
    acknowledge(&mut bench, &mut line);
    assert_eq!(bench.starts(PHONE), ["BYE"], "of the line that asked");
    // The colleague, from another phone at the same place.
    let mut binding = stored("sip:ben@10.0.0.7:5062", "192.0.2.61:5062", bench.local);
    (binding.user, binding.call_id) = ("ben".into(), "bens".into());
    bench.command(Command::RestoreBinding(binding));
    bench.events();
    let mut bens = Line { user: "ben", at: "192.0.2.61:5062", call_id: "bens1", ..Line::new() };
    let sent = bens.call_with(&mut bench, US, &[&named(&ben, "ben")], &session());
    assert_eq!(starts(&sent), ["200"]);
    assert_eq!(words(&bench.media())[3..], ["hand over 5 6", "close 2"]);
    acknowledge(&mut bench, &mut bens);
    assert_eq!(told(&mut bench).len(), 1, "the colleague's leg to be stored");
    assert_eq!(bench.starts(BEN), ["BYE"]);
    // She has him have the customer, over the line that she began with.
    let replaced = line.replaced();
    bench.feed(PHONE, refer(&anna, 1, &replaced));
    assert_eq!(bench.starts(PHONE), ["202 Accepted", "NOTIFY", "NOTIFY", "BYE"]);
    assert_eq!(words(&bench.media())[..2], ["unsplice 5 6", "hand over 3 6"]);
}
