//! One agent on several devices, and several flows of one device (RFC 5626, RFC 3327).

use super::super::testing::*;
use super::registrar::Phone;
use crate::command::{AgentLegMode, Command};
use crate::event::Event;
use crate::id::CallId;

const DESK: &str = "192.0.2.50:5062";
const MOBILE: &str = "192.0.2.60:5062";
const EDGE: &str = "192.0.2.70:5060";
const CALL: CallId = CallId(1);

const DESK_CONTACT: &str = "Contact: <sip:anna@10.0.0.5:5062>;+sip.instance=\"<urn:uuid:desk>\"";
const MOBILE_CONTACT: &str = "Contact: <sip:anna@10.0.0.6:5062>;+sip.instance=\"<urn:uuid:mobile>\"";

fn phone(call_id: &'static str) -> Phone {
    Phone { call_id, ..Phone::new("anna", "open sesame") }
}

/// Anna's desk phone, then her mobile phone; per call.
fn both(bench: &mut Bench, more: [&str; 2]) {
    for (name, from, contact, more) in
        [("desk", DESK, DESK_CONTACT, more[0]), ("mobile", MOBILE, MOBILE_CONTACT, more[1])]
    {
        let contact = format!("{contact}{more}");
        assert!(phone(name).register(bench, from, &[&contact]).is("SIP/2.0 200 "));
        bench.pass(ms(10));
    }
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    bench.events();
}

/// An answered customer for whom anna is called.
fn wanted(bench: &mut Bench) {
    bench.answered(1);
    bench.connect(1, "anna");
}

#[test]
fn all_devices_are_registered_at_once_and_told_of_each_other() {
    let mut bench = Bench::new(options());
    both(&mut bench, [";q=0.25", ""]);
    let asked = phone("asks").register(&mut bench, DESK, &[]);
    assert_eq!(
        asked.headers("Contact"),
        [
            "<sip:anna@10.0.0.5:5062>;expires=3599;q=0.250;+sip.instance=\"<urn:uuid:desk>\"",
            "<sip:anna@10.0.0.6:5062>;expires=3599;+sip.instance=\"<urn:uuid:mobile>\""
        ]
    );
    assert_eq!(asked.header("Supported"), "outbound, path");
    // One goes, the other stays.
    let gone = phone("mobile2").register(&mut bench, MOBILE, &[MOBILE_CONTACT, "Expires: 0"]);
    assert_eq!(gone.headers("Contact").len(), 1);
    let binding = "<urn:uuid:mobile>".to_owned();
    assert_eq!(bench.events(), [Event::Unregistered { user: "anna".into(), binding }]);
}

#[test]
fn the_higher_q_is_called_then_the_newer_one_and_before_them_the_preferred() {
    for (more, preferred, first) in [
        (["", ""], None, MOBILE),
        (["", ";q=0.9"], None, DESK),
        (["", ""], Some("urn:uuid:desk"), DESK),
        ([";q=0.1", ""], Some("urn:uuid:desk"), DESK),
    ] {
        let mut options = options();
        options.users[0].preferred_device = preferred.map(str::to_owned);
        let mut bench = Bench::new(options);
        both(&mut bench, more);
        wanted(&mut bench);
        assert!(bench.one(first).is("INVITE "), "{more:?} {preferred:?}");
        assert!(!bench.waiting(DESK) && !bench.waiting(MOBILE));
    }
}

#[test]
fn a_device_that_is_gone_is_left_for_the_next_and_not_called_first_again() {
    let mut bench = Bench::new(options());
    both(&mut bench, ["", ""]);
    wanted(&mut bench);
    bench.pass(ms(1_999));
    assert!(bench.starts(MOBILE).iter().all(|start| start == "INVITE"), "repeated over UDP");
    assert!(!bench.waiting(DESK));
    bench.pass(ms(1));
    let desk = bench.one(DESK);
    bench.pass(ms(3_000));
    assert!(bench.sent(MOBILE).is_empty(), "no more of it");
    let contact = "Contact: <sip:anna@10.0.0.5:5062>";
    bench.feed(DESK, desk.reply("200 OK", "anna", &[contact], &sdp(5000, "0 101", "sendrecv")));
    assert!(bench.events().contains(&Event::Connected { call: CALL, user: "anna".into() }));
    bench.command(Command::Disconnect { call: CALL });
    bench.sent(DESK);
    bench.connect(1, "anna");
    assert_eq!((bench.starts(DESK), bench.starts(MOBILE)), (vec!["INVITE".into()], vec![]));
    bench.command(Command::Disconnect { call: CALL });
    // It is there again once it registers.
    phone("rebooted").register(&mut bench, MOBILE, &[MOBILE_CONTACT]);
    bench.connect(1, "anna");
    assert_eq!(bench.starts(MOBILE), ["INVITE"]);
}

#[test]
fn a_device_that_rings_is_given_its_time_and_one_that_refuses_none() {
    let mut bench = Bench::new(options());
    both(&mut bench, ["", ""]);
    wanted(&mut bench);
    let mobile = bench.one(MOBILE);
    bench.feed(MOBILE, mobile.reply("180 Ringing", "m", &[], ""));
    bench.pass(ms(6_999));
    assert!(!bench.waiting(DESK) && !bench.waiting(MOBILE));
    bench.pass(ms(1));
    assert_eq!((bench.starts(MOBILE), bench.starts(DESK)), (vec!["CANCEL".into()], vec!["INVITE".into()]));
    bench.feed(MOBILE, mobile.reply("487 Request Terminated", "m", &[], ""));
    assert_eq!(bench.starts(MOBILE), ["ACK"]);
    bench.command(Command::Disconnect { call: CALL });

    let mut bench = Bench::new(options());
    both(&mut bench, ["", ""]);
    wanted(&mut bench);
    let mobile = bench.one(MOBILE);
    bench.feed(MOBILE, mobile.reply("486 Busy Here", "m", &[], ""));
    let desk = bench.one(DESK);
    bench.feed(DESK, desk.reply("603 Decline", "d", &[], ""));
    let declined = Event::ConnectFailed { call: CALL, user: "anna".into(), reason: "declined" };
    assert!(bench.events().contains(&declined));
    // What nobody of the same user will take either.
    bench.sent(MOBILE);
    bench.sent(DESK);
    bench.connect(1, "anna");
    let mobile = bench.one(MOBILE);
    bench.feed(MOBILE, mobile.reply("603 Decline", "m", &[], ""));
    assert!(bench.events().contains(&declined) && !bench.waiting(DESK));
}

#[test]
fn a_persistent_leg_is_kept_with_the_device_that_takes_it() {
    let mut bench = Bench::new(options());
    both(&mut bench, ["", ""]);
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let mobile = bench.one(MOBILE);
    bench.feed(MOBILE, mobile.reply("488 Not Acceptable Here", "m", &[], ""));
    let desk = bench.one(DESK);
    let contact = "Contact: <sip:anna@10.0.0.5:5062>";
    bench.feed(DESK, desk.reply("200 OK", "anna", &[contact], &sdp(5000, "0 101", "sendrecv")));
    assert_eq!(bench.starts(DESK), ["ACK"]);
    assert!(matches!(bench.events().last(), Some(Event::AgentReachable { leg: Some(_), .. })));
    bench.sent(MOBILE);
    // Another device that comes, or one that goes, disturbs nobody.
    let third = "Contact: <sip:anna@10.0.0.7>;+sip.instance=\"<urn:uuid:third>\"";
    phone("third").register(&mut bench, MOBILE, &[third]);
    bench.pass(ms(60_000));
    assert!(bench.sent(DESK).is_empty() && bench.sent(MOBILE).is_empty());
}

// RFC 5626 §5.3, §6: another flow of the same device is tried when the way failed, not when the device has spoken.
#[test]
fn another_flow_leads_to_the_device_when_the_first_is_gone() {
    let flow = |reg_id: u32, host: u8| {
        format!("Contact: <sip:anna@10.0.0.{host}>;+sip.instance=\"<urn:uuid:desk>\";reg-id={reg_id};q=1.0")
    };
    let supported = "Supported: path, outbound";
    for (failure, next) in [("430 Flow Failed", DESK), ("486 Busy Here", EDGE)] {
        let mut bench = Bench::new(options());
        phone("other").register(&mut bench, EDGE, &["Contact: <sip:anna@192.0.2.70>;q=0.1"]);
        for (name, from, reg_id) in [("one", DESK, 1), ("two", MOBILE, 2)] {
            bench.pass(ms(5));
            let granted = phone(name).register(&mut bench, from, &[&flow(reg_id, 5), supported]);
            assert_eq!(granted.header("Require"), "outbound");
        }
        bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
        wanted(&mut bench);
        let invite = bench.one(MOBILE);
        bench.feed(MOBILE, invite.reply(failure, "x", &[], ""));
        assert!(bench.one(next).is("INVITE "), "{failure}");
    }
}

#[test]
fn a_flow_is_kept_only_where_phone_and_first_proxy_can_keep_it() {
    let mut bench = Bench::new(options());
    let contact = format!("{DESK_CONTACT};reg-id=1");
    let outbound = "Supported: outbound, path";
    let proxied = "Via: SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bKbehind";
    let mut register = |call_id, more: &[&str]| phone(call_id).register(&mut bench, EDGE, more);
    let refused = register("a", &[&contact, outbound, proxied]);
    assert_eq!(refused.start(), "SIP/2.0 439 First Hop Lacks Outbound Support");
    let refused = register("b", &[&contact, outbound, proxied, "Path: <sip:192.0.2.70;lr>"]);
    assert!(refused.is("SIP/2.0 439 "), "a proxy that says nothing of it");
    let path = "Path: <sip:core@192.0.2.70;lr>, <sip:token@192.0.2.80;lr;ob>";
    let granted = register("c", &[&contact, outbound, proxied, path]);
    assert_eq!((granted.start(), granted.header("Require")), ("SIP/2.0 200 OK", "outbound"));
    assert_eq!(granted.headers("Path"), [path.strip_prefix("Path: ").unwrap()]);
    // Who doesn't say that it can is bound by its device alone.
    let plain = register("d", &[&contact]);
    assert!(plain.headers("Require").is_empty());
    assert!(plain.headers("Contact").iter().any(|bound| !bound.contains("reg-id")));
    // Two flows at once are one too many; a flow without a device is none.
    let two = format!("{contact}, <sip:anna@10.0.0.9>;+sip.instance=\"<urn:uuid:desk>\";reg-id=2");
    assert!(register("e", &[&two, outbound]).is("SIP/2.0 400 "));
    let nameless = register("f", &["Contact: <sip:anna@10.0.0.8>;reg-id=1", outbound]);
    assert!(nameless.is("SIP/2.0 200 ") && nameless.headers("Require").is_empty());
    // Both may be required of us, others not.
    assert!(register("g", &[&contact, outbound, "Require: outbound, path"]).is("SIP/2.0 200 "));
    bench.feed(
        EDGE,
        "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.70;branch=z9hG4bKgruu\r\nFrom: <sip:anna@192.0.2.1>;tag=1\r\n\
         To: <sip:anna@192.0.2.1>\r\nCall-ID: h\r\nCSeq: 1 REGISTER\r\nRequire: gruu\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
    );
    assert!(bench.one(EDGE).is("SIP/2.0 420 "));
}

// RFC 3327 §5.2: what goes to the phone goes through the proxies of its Path, before and after a restart.
#[test]
fn a_phone_behind_proxies_is_called_through_its_path() {
    let mut bench = Bench::new(options());
    let path = ["Path: <sip:core@192.0.2.70:5080;lr>", "Path: <sip:token@192.0.2.80;lr;ob>"];
    phone("a").register(&mut bench, EDGE, &[DESK_CONTACT, path[0], path[1]]);
    let stored = match bench.events().pop() {
        Some(Event::Registered(binding)) => binding,
        other => panic!("{other:?}"),
    };
    assert_eq!(stored.path, ["sip:core@192.0.2.70:5080;lr", "sip:token@192.0.2.80;lr;ob"]);
    let mut restarted = Bench::new(options());
    restarted.command(Command::RestoreBinding(stored));
    for bench in [&mut bench, &mut restarted] {
        bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
        let invite = bench.one("192.0.2.70:5080");
        assert_eq!(invite.start(), "INVITE sip:anna@10.0.0.5:5062 SIP/2.0");
        assert_eq!(
            invite.headers("Route"),
            ["<sip:core@192.0.2.70:5080;lr>", "<sip:token@192.0.2.80;lr;ob>"]
        );
        // The dialog's route set is that of its own Record-Route; its CANCEL would go the INVITE's way.
        let routes = ["Record-Route: <sip:core@192.0.2.70:5080;lr>", "Contact: <sip:anna@10.0.0.5:5062>"];
        let answer = invite.reply("200 OK", "anna", &routes, &sdp(5000, "0 101", "sendrecv"));
        bench.feed("192.0.2.70:5080", answer);
        let ack = bench.one("192.0.2.70:5080");
        assert_eq!(ack.headers("Route"), ["<sip:core@192.0.2.70:5080;lr>"]);
    }
}

#[test]
fn a_path_that_cannot_be_followed_is_refused() {
    let mut bench = Bench::new(options());
    let many = format!("Path: {}", ["<sip:192.0.2.70;lr>"; 9].join(", "));
    for wrong in [
        "Path: <sip:192.0.2.70>",
        "Path: <tel:+15550100>",
        "Path: <sip:192.0.2.70;lr?Route=%3Csip:x%3E>",
        "Path: nonsense",
        many.as_str(),
    ] {
        let mut phone = phone("a");
        assert!(phone.register(&mut bench, EDGE, &[DESK_CONTACT, wrong]).is("SIP/2.0 400 "), "{wrong}");
    }
    let contacts: Vec<String> = (0..11).map(|port| format!("<sip:anna@10.0.0.5:{}>", 5000 + port)).collect();
    let flood = format!("Contact: {}", contacts.join(", "));
    assert!(phone("b").register(&mut bench, EDGE, &[&flood]).is("SIP/2.0 400 "));
    assert_eq!(bench.events(), [], "nothing was bound by halves");
    let ten = format!("Contact: {}", contacts[..10].join(", "));
    assert_eq!(phone("c").register(&mut bench, EDGE, &[&ten]).headers("Contact").len(), 10);
}

#[test]
fn a_phone_is_called_from_the_address_that_it_registered_with() {
    let mut options = options();
    let second = "192.0.2.1:5070".parse().unwrap();
    options.listen.push(second);
    let mut bench = Bench::new(options);
    bench.local = second;
    phone("a").register(&mut bench, DESK, &[DESK_CONTACT]);
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::Persistent });
    let invite = bench.one(DESK);
    assert!(invite.header("Via").starts_with("SIP/2.0/UDP 192.0.2.1:5070;"), "{}", invite.header("Via"));
}
