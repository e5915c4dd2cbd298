//! REGISTER of phones (RFC 3261 §10.3), and what strangers get.

use super::super::testing::*;
use super::digest::{md5, sha256};
use crate::auth::Algorithm;
use crate::command::Command;
use crate::event::Event;
use crate::registrar::devices::Device;

pub(super) struct Phone {
    pub(super) user: &'static str,
    pub(super) password: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) record: &'static str,
    /// Tells its Call-ID from those of the user's other phones.
    pub(super) call_id: &'static str,
    pub(super) cseq: u32,
}

impl Phone {
    pub(super) fn new(user: &'static str, password: &'static str) -> Self {
        Self { user, password, algorithm: "MD5", record: user, call_id: "phone", cseq: 0 }
    }

    fn request(&mut self, more: &[&str]) -> String {
        self.cseq += 1;
        let (user, cseq) = (self.record, self.cseq);
        let mut lines = vec![
            "REGISTER sip:192.0.2.1 SIP/2.0".to_owned(),
            format!("Via: SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bKreg{}{user}{cseq};rport", self.call_id),
            format!("From: <sip:{user}@192.0.2.1>;tag=phone"),
            format!("To: <sip:{user}@192.0.2.1>"),
            format!("Call-ID: {}-{user}", self.call_id),
            format!("CSeq: {cseq} REGISTER"),
        ];
        lines.extend(more.iter().map(|line| (*line).to_owned()));
        lines.push("Content-Length: 0".to_owned());
        lines.join("\r\n") + "\r\n\r\n"
    }

    /// REGISTER, answered to its challenge; the final response.
    pub(super) fn register(&mut self, bench: &mut Bench, from: &str, more: &[&str]) -> Text {
        let again = self.challenged(bench, from, more);
        bench.feed(from, again);
        bench.one(from)
    }

    /// REGISTER, and the second one that answers its challenge.
    fn challenged(&mut self, bench: &mut Bench, from: &str, more: &[&str]) -> String {
        let first = self.request(more);
        bench.feed(from, first);
        let challenge = bench.one(from);
        assert_eq!(challenge.start(), "SIP/2.0 401 Unauthorized");
        let offers = challenge.headers("WWW-Authenticate");
        let offer =
            offers.iter().find(|offer| offer.contains(&format!("algorithm={}", self.algorithm))).unwrap();
        let nonce = offer.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let hash = if self.algorithm == "MD5" { md5 } else { sha256 };
        let one = hash(&format!("{}:carillon:{}", self.user, self.password));
        let two = hash("REGISTER:sip:192.0.2.1");
        let response = hash(&format!("{one}:{nonce}:00000001:abc:auth:{two}"));
        let authorization = format!(
            "Authorization: Digest username=\"{}\", realm=\"carillon\", nonce=\"{nonce}\", uri=\"sip:192.0.2.1\", \
             response=\"{response}\", algorithm={}, qop=auth, nc=00000001, cnonce=\"abc\"",
            self.user, self.algorithm
        );
        let mut lines = more.to_vec();
        lines.push(&authorization);
        self.request(&lines)
    }
}

/// A phone of anna's with a token instead of her password.
fn with_token(bench: &mut Bench, session: u64, life_ms: u64) -> Phone {
    let token = bench.gateway.mint("anna", session, ms(life_ms), bench.now).unwrap();
    let username: &'static str = token.username.leak();
    let password: &'static str = token.password.expose().to_owned().leak();
    Phone { user: username, password, record: "anna", ..Phone::new("", "") }
}

#[test]
fn a_phone_registers_with_a_token_until_it_runs_out() {
    let mut bench = Bench::new(options());
    let mut phone = with_token(&mut bench, 1, 300_000);
    let granted = phone.register(&mut bench, PHONE, &[ANNA]);
    assert_eq!(granted.header("Contact"), "<sip:anna@10.0.0.5:5062>;expires=300", "no longer than the token");
    bench.events();
    bench.pass(ms(297_500));
    assert!(phone.register(&mut bench, PHONE, &[ANNA]).header("Contact").ends_with(";expires=2"), "its rest");
    assert!(bench.gateway.devices("anna", bench.now).unwrap().devices[0].flows[0].with_token);
    bench.pass(ms(1_600));
    assert!(phone.register(&mut bench, PHONE, &[ANNA]).is("SIP/2.0 401 "), "it has less than a second left");
    bench.pass(ms(400));
    assert_eq!(bench.gateway.devices("anna", bench.now).unwrap().devices, [], "before its token has run out");
    let binding = "sip:anna@10.0.0.5:5062".to_owned();
    // Nothing of it was stored; what there was before is taken out.
    assert!(bench.events().iter().all(|event| !matches!(event, Event::Registered(_))));
    let mut desk = Phone::new("anna", "open sesame");
    desk.register(&mut bench, PHONE, &[ANNA]);
    assert!(matches!(bench.events().as_slice(), [Event::Registered(_)]));
    let mut phone = Phone { call_id: "other", ..with_token(&mut bench, 1, 300_000) };
    phone.register(&mut bench, PHONE, &[ANNA]);
    assert_eq!(bench.events(), [Event::Unregistered { user: "anna".into(), binding }]);
    assert!(bench.gateway.mint("nobody", 1, ms(1), bench.now).is_none());
}

#[test]
fn a_token_is_its_own_users_alone_and_needs_no_state_to_be_forged_in_vain() {
    let mut bench = Bench::new(options());
    let mut thief = Phone { record: "ben", ..with_token(&mut bench, 1, 300_000) };
    assert!(thief.register(&mut bench, PHONE, &[ANNA]).is("SIP/2.0 403 "));
    let good = with_token(&mut bench, 1, 300_000);
    let forged = |user: String| Phone { user: user.leak(), cseq: 20, ..Phone::new("", good.password) };
    for user in [
        good.user.replace("anna", "ben"),
        good.user.replacen('0', "f", 1),
        good.user.replace("anna", "nobody"),
        "anna".to_owned(),
    ] {
        let record = if user.ends_with("ben") { "ben" } else { "anna" };
        let mut phone = Phone { record, ..forged(user) };
        assert!(phone.register(&mut bench, PHONE, &[ANNA]).is("SIP/2.0 401 "), "{}", phone.user);
    }
    assert_eq!(bench.events(), []);
}

#[test]
fn when_a_sign_in_ends_its_tokens_and_phones_end_and_no_others() {
    let mut bench = Bench::new(options());
    let phones = [(1, "one", "10.0.0.5"), (2, "two", "10.0.0.6")];
    let mut phones = phones.map(|(session, call_id, host)| {
        let mut phone = Phone { call_id, ..with_token(&mut bench, session, 300_000) };
        let contact = format!("Contact: <sip:anna@{host}>");
        assert!(phone.register(&mut bench, PHONE, &[&contact]).is("SIP/2.0 200 "));
        (phone, contact)
    });
    let mut desk = Phone { call_id: "desk", ..Phone::new("anna", "open sesame") };
    desk.register(&mut bench, PHONE, &["Contact: <sip:anna@10.0.0.7>"]);
    bench.events();
    bench.command(Command::EndSession { user: "anna".into(), session: 1 });
    let binding = "sip:anna@10.0.0.5".to_owned();
    assert_eq!(bench.events(), [Event::Unregistered { user: "anna".into(), binding }]);
    let [(one, contact), (two, other)] = &mut phones;
    assert!(one.register(&mut bench, PHONE, &[contact]).is("SIP/2.0 401 "));
    assert_eq!(two.register(&mut bench, PHONE, &[other]).headers("Contact").len(), 2);
}

const ANNA: &str = "Contact: <sip:anna@10.0.0.5:5062>";

#[test]
fn a_phone_registers_with_its_password_and_is_called_where_it_came_from() {
    let mut bench = Bench::new(options());
    let mut phone = Phone::new("anna", "open sesame");
    let granted = phone.register(&mut bench, PHONE, &[ANNA, "Expires: 120"]);
    assert_eq!(granted.start(), "SIP/2.0 200 OK");
    assert_eq!(granted.header("Contact"), "<sip:anna@10.0.0.5:5062>;expires=120");
    match bench.events().as_slice() {
        [Event::Registered(binding)] => {
            assert_eq!(binding.user, "anna");
            assert_eq!(binding.contact, "sip:anna@10.0.0.5:5062");
            assert_eq!(binding.address, address(PHONE));
            assert_eq!(binding.expires_in.as_secs(), 120);
        }
        other => panic!("{other:?}"),
    }
    bench.pass(ms(120_000));
    assert!(matches!(bench.events().as_slice(), [Event::Unregistered { .. }]));
}

#[test]
fn sha_256_is_offered_when_it_is_switched_on() {
    let mut bench = Bench::new(options());
    let probe = Phone::new("anna", "").request(&[ANNA]);
    bench.feed(PHONE, probe);
    assert_eq!(bench.one(PHONE).headers("WWW-Authenticate").len(), 1, "MD5 alone");

    let mut options = options();
    options.phone_digests = vec![Algorithm::Sha256, Algorithm::Md5];
    let mut bench = Bench::new(options);
    let mut phone = Phone { algorithm: "SHA-256", ..Phone::new("anna", "open sesame") };
    assert!(phone.register(&mut bench, PHONE, &[ANNA]).is("SIP/2.0 200 "));
}

#[test]
fn wrong_passwords_and_unknown_users_look_alike() {
    let mut bench = Bench::new(options());
    let mut shapes = Vec::new();
    for (user, password) in [("anna", "wrong"), ("nobody", "open sesame")] {
        let refused = Phone::new(user, password).register(&mut bench, PHONE, &[ANNA]);
        let headers: Vec<String> =
            refused.0.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect();
        shapes.push((refused.start().to_owned(), headers));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert!(shapes[0].0.contains("401"));
    assert_eq!(bench.events(), []);
    assert_eq!(bench.gateway.counters().register_refused, 4);
}

#[test]
fn lifetimes_are_kept_within_bounds() {
    let mut bench = Bench::new(options());
    let short = Phone::new("anna", "open sesame").register(&mut bench, PHONE, &[ANNA, "Expires: 10"]);
    assert_eq!(short.start(), "SIP/2.0 423 Interval Too Brief");
    assert_eq!(short.header("Min-Expires"), "60");
    assert_eq!(bench.events(), []);
    let mut phone = Phone { cseq: 10, ..Phone::new("anna", "open sesame") };
    let long = phone.register(&mut bench, PHONE, &["Contact: <sip:anna@10.0.0.5:5062>;expires=999999"]);
    assert!(long.header("Contact").ends_with(";expires=3600"));
}

#[test]
fn a_phone_unregisters_asks_and_removes_all() {
    let mut bench = Bench::new(options());
    let mut phone = Phone::new("anna", "open sesame");
    phone.register(&mut bench, PHONE, &[ANNA]);
    bench.events();
    let asked = phone.register(&mut bench, PHONE, &[]);
    assert_eq!(asked.headers("Contact").len(), 1, "a REGISTER without Contact asks");
    let gone = phone.register(&mut bench, PHONE, &["Contact: *", "Expires: 0"]);
    assert!(gone.is("SIP/2.0 200 ") && gone.headers("Contact").is_empty());
    assert!(matches!(bench.events().as_slice(), [Event::Unregistered { .. }]));
    let wrong = phone.register(&mut bench, PHONE, &["Contact: *", "Expires: 60"]);
    assert!(wrong.is("SIP/2.0 400 "));

    phone.register(&mut bench, PHONE, &[ANNA]);
    bench.events();
    phone.register(&mut bench, PHONE, &[ANNA, "Expires: 0"]);
    assert!(matches!(bench.events().as_slice(), [Event::Unregistered { .. }]));
}

#[test]
fn nobody_registers_for_another() {
    let mut bench = Bench::new(options());
    let mut phone = Phone { record: "ben", ..Phone::new("anna", "open sesame") };
    assert!(phone.register(&mut bench, PHONE, &[ANNA]).is("SIP/2.0 403 "));
    assert_eq!(bench.events(), []);
}

#[test]
fn an_older_register_of_the_same_phone_is_refused() {
    let mut bench = Bench::new(options());
    let mut phone = Phone { cseq: 10, ..Phone::new("anna", "open sesame") };
    phone.register(&mut bench, PHONE, &[ANNA]);
    let mut older = Phone { cseq: 2, ..Phone::new("anna", "open sesame") };
    let refused = older.register(&mut bench, PHONE, &["Contact: <sip:anna@10.0.0.9:5062>"]);
    assert!(refused.is("SIP/2.0 500 "));
    assert_eq!(bench.events().len(), 1, "the newer one stands");
}

#[test]
fn a_flood_of_registers_is_dropped_and_phones_elsewhere_do_not_notice() {
    let mut bench = Bench::new(options());
    let mut scanner = Phone::new("scan", "");
    let mut answered = 0;
    for _ in 0..1_000 {
        let request = scanner.request(&[]);
        bench.feed(STRANGER, request);
        answered += bench.sent(STRANGER).len();
    }
    assert_eq!(answered, 400);
    assert_eq!(bench.gateway.counters().register_limited, 600);
    let mut phone = Phone::new("anna", "open sesame");
    assert!(phone.register(&mut bench, PHONE, &[ANNA]).is("SIP/2.0 200 "));
    bench.pass(ms(1_000));
    bench.sent(STRANGER);
    let request = scanner.request(&[]);
    bench.feed(STRANGER, request);
    assert_eq!(bench.sent(STRANGER).len(), 1, "its allowance comes back");
}

#[test]
fn a_password_is_not_found_by_trying_and_the_phone_it_belongs_to_goes_on() {
    let mut bench = Bench::new(options());
    Phone::new("anna", "open sesame").register(&mut bench, PHONE, &[ANNA]);
    // Beside it or elsewhere, for a user that is there or not: the same.
    for (index, (source, user)) in
        [(STRANGER, "anna"), (STRANGER, "nobody"), (PHONE, "anna")].iter().enumerate()
    {
        let mut thief = Phone { cseq: 1_000 * (index as u32 + 1), ..Phone::new(user, "wrong") };
        let mut asked = Vec::new();
        for _ in 0..40 {
            bench.pass(ms(100));
            let challenge = thief.challenged(&mut bench, source, &[]);
            bench.feed(source, challenge);
            asked.push(bench.sent(source).len());
        }
        let answered: usize = asked.iter().sum();
        assert_eq!(answered, 20, "{source} {user}: {asked:?}");
        assert!(asked.iter().skip(20).all(|answers| *answers == 0), "{asked:?}");
    }
    let mut owner = Phone { cseq: 9_000, ..Phone::new("anna", "open sesame") };
    let right = owner.challenged(&mut bench, STRANGER, &[ANNA]);
    bench.feed(STRANGER, right);
    assert!(bench.sent(STRANGER).is_empty(), "even the right one is not told from the others");
    bench.pass(ms(31_000));
    let right = owner.challenged(&mut bench, STRANGER, &[ANNA]);
    bench.feed(STRANGER, right);
    assert!(bench.one(STRANGER).is("SIP/2.0 200 "), "who mistyped waits half a minute");
}

#[test]
fn an_address_with_a_registered_phone_is_not_limited() {
    let mut bench = Bench::new(options());
    Phone::new("anna", "open sesame").register(&mut bench, PHONE, &[ANNA]);
    let mut colleague = Phone::new("ben", "");
    for _ in 0..500 {
        let request = colleague.request(&[]);
        bench.feed(PHONE, request);
        assert_eq!(bench.sent(PHONE).len(), 1);
    }
    assert_eq!(bench.gateway.counters().register_limited, 0);
}

#[test]
fn strangers_get_no_answer_but_to_register() {
    let mut bench = Bench::new(options());
    let request = |method: &str| {
        format!(
            "{method} sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.66;branch=z9hG4bK{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:scan@203.0.113.66>;tag=1\r\nTo: <sip:100@192.0.2.1>\r\n\
             Call-ID: scan-{method}\r\nCSeq: 1 {method}\r\nContact: <sip:scan@203.0.113.66>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    for method in ["OPTIONS", "INVITE", "BYE", "CANCEL", "SUBSCRIBE", "ACK"] {
        bench.feed(STRANGER, request(method));
    }
    bench.feed(STRANGER, "INVITE nonsense\r\n\r\n".to_owned());
    bench.pass(ms(5_000));
    assert!(bench.sent(STRANGER).is_empty());
    assert_eq!(bench.gateway.counters().strangers, 6);
    bench.feed(STRANGER, request("REGISTER"));
    assert!(bench.one(STRANGER).is("SIP/2.0 401 "));

    // The same from a carrier is answered.
    bench.feed(CARRIER, request("OPTIONS").replace("203.0.113.66;", "192.0.2.10;"));
    assert!(bench.one(CARRIER).is("SIP/2.0 200 "));
}

#[test]
fn devices_are_told_preferred_and_ended() {
    let mut bench = Bench::new(options());
    assert_eq!(bench.gateway.devices("nobody", bench.now), None);
    let instance = |n: u32| format!("<urn:uuid:{n}>");
    let mut phones: Vec<Phone> = Vec::new();
    for (n, (host, flow)) in [("10.0.0.5", 1), ("10.0.0.6", 1), ("10.0.0.6", 2)].into_iter().enumerate() {
        let device = if host == "10.0.0.5" { 1 } else { 2 };
        let call_id = ["one", "two", "three"][n];
        let mut phone = Phone { call_id, ..Phone::new("anna", "open sesame") };
        let contact =
            format!("Contact: <sip:anna@{host}>;reg-id={flow};+sip.instance=\"{}\"", instance(device));
        let granted = phone.register(&mut bench, PHONE, &[&contact, "Supported: outbound"]);
        assert!(granted.is("SIP/2.0 200 "), "{granted:?}");
        bench.pass(ms(1_000));
        phones.push(phone);
    }
    bench.events();
    let told = |bench: &Bench| {
        let devices = bench.gateway.devices("anna", bench.now).unwrap();
        let device = |it: &Device| (it.instance.clone().unwrap(), it.preferred, it.flows.len());
        (devices.chosen, devices.devices.iter().map(device).collect::<Vec<_>>())
    };
    let (one, two) = ("urn:uuid:1".to_owned(), "urn:uuid:2".to_owned());
    assert_eq!(
        told(&bench),
        (false, vec![(two.clone(), false, 2), (one.clone(), false, 1)]),
        "the newer first"
    );

    let prefer =
        |device: Option<&String>| Command::PreferDevice { user: "anna".into(), device: device.cloned() };
    bench.command(prefer(Some(&one)));
    assert_eq!(bench.events(), [Event::Preferred { user: "anna".into(), device: Some(one.clone()) }]);
    assert_eq!(told(&bench), (true, vec![(one.clone(), true, 1), (two.clone(), false, 2)]));
    bench.command(prefer(Some(&one)));
    bench.command(Command::PreferDevice { user: "nobody".into(), device: Some(one.clone()) });
    assert_eq!(bench.events(), [], "nothing new");

    bench.command(Command::EndDevice { user: "anna".into(), device: instance(2) });
    let gone = |flow: u32| Event::Unregistered {
        user: "anna".into(),
        binding: format!("{};reg-id={flow}", instance(2)),
    };
    assert_eq!(bench.events(), [gone(1), gone(2)]);
    assert_eq!(told(&bench), (true, vec![(one, true, 1)]));
    bench.command(prefer(None));
    assert_eq!(bench.events(), [Event::Preferred { user: "anna".into(), device: None }]);
    assert!(!told(&bench).0);
}
