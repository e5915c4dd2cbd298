//! The softphone: registration, and calls one at a time.

use std::time::Duration;

use super::{Bench, ack, address, caller, invite, ms, ok_to, request, tokens};
use crate::demo::party::digest;
use crate::demo::party::phone::{self, Phone};
use crate::demo::party::text::{Text, uri_of};
use crate::demo::party::{Ending, Event, Media, Party, Sound, TRANSACTION_LIFE};

fn phone() -> Bench<Phone> {
    let mut bench = Bench::new(Phone::new(
        phone::Options {
            user: "agent1".to_owned(),
            password: "s3cret".to_owned(),
            registrar: caller(),
            address: address(5091),
            media: address(31_000),
            payload: 0,
            expires: Duration::from_secs(300),
            answer_after: ms(150),
            hang_up_after: None,
            declines: false,
            sound: Sound::Agent(0),
        },
        tokens(2),
    ));
    bench.party.sign_on(bench.now);
    bench.drain();
    bench
}

fn registrar_says(request: &Text, status: u16, more: &str) -> String {
    ok_to(request).replacen("200 OK", &format!("{status} X"), 1).replacen(
        "Contact: <sip:me@127.0.0.1:5060>\r\n",
        more,
        1,
    )
}

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"carillon\",nonce=\"n1\",algorithm=SHA-256,qop=\"auth\"\r\nWWW-Authenticate: \
                         Digest realm=\"carillon\",nonce=\"n2\",algorithm=MD5,qop=\"auth\"\r\n";
const GRANTED: &str =
    "Contact: <sip:other@127.0.0.1:1>;expires=9, <sip:agent1@127.0.0.1:5091>;expires=60\r\n";

#[test]
fn a_phone_registers_with_md5_and_refreshes_at_half_its_lifetime() {
    let mut bench = phone();
    let first = bench.last();
    assert_eq!((first.method(), first.uri()), (Some("REGISTER"), "sip:127.0.0.1:5060"));
    assert_eq!(first.header("Authorization"), "");
    bench.say(&registrar_says(&first, 401, CHALLENGE));
    let second = bench.last();
    assert_eq!(second.cseq(), (2, "REGISTER"));
    assert_eq!((second.call_id(), second.from_tag()), (first.call_id(), first.from_tag()));
    assert_ne!(second.branch(), first.branch());
    assert!(digest::proves(second.header("Authorization"), "agent1", "s3cret", "REGISTER", "n2"));
    assert!(!bench.party.registered());
    bench.say(&registrar_says(&second, 200, "Contact: <sip:agent1@127.0.0.1:5091>;expires=60\r\n"));
    assert!(bench.party.registered());
    bench.fresh();
    bench.run_until(ms(29_999));
    assert!(bench.fresh().is_empty());
    bench.run_until(ms(30_000));
    assert_eq!(bench.fresh(), ["REGISTER"]);
}

#[test]
fn a_silent_or_refusing_registrar_is_asked_again_later() {
    let mut bench = phone();
    bench.run_until(TRANSACTION_LIFE);
    assert_eq!(bench.events, [Event::RegisterFailed { status: 408 }]);
    assert_eq!(bench.fresh().len(), 11);
    bench.run_until(TRANSACTION_LIFE + phone::REGISTER_AGAIN_AFTER);
    let again = bench.last();
    assert_eq!(bench.fresh(), ["REGISTER"]);
    bench.say(&registrar_says(&again, 403, ""));
    assert_eq!(bench.events.last(), Some(&Event::RegisterFailed { status: 403 }));
    let mut bench = phone();
    for _ in 0..3 {
        let asked = bench.last();
        bench.say(&registrar_says(&asked, 401, CHALLENGE));
    }
    assert_eq!(
        bench.events,
        [Event::RegisterFailed { status: 401 }],
        "a wrong password is not tried for ever"
    );
}

#[test]
fn a_phone_takes_longer_bindings_and_signs_off() {
    let mut bench = phone();
    let asked = bench.last();
    bench.say(&registrar_says(&asked, 423, "Min-Expires: 600\r\n"));
    let asked = bench.last();
    assert_eq!(asked.header("Expires"), "600");
    bench.say(&registrar_says(&asked, 200, GRANTED));
    bench.party.sign_off(bench.now);
    bench.drain();
    let asked = bench.last();
    assert_eq!(asked.header("Expires"), "0");
    bench.say(&registrar_says(&asked, 401, CHALLENGE));
    let proved = bench.last();
    assert_eq!(proved.header("Expires"), "0");
    bench.say(&registrar_says(&proved, 200, ""));
    assert!(!bench.party.registered());
    assert_eq!(bench.party.poll_timeout(), None);
}

#[test]
fn a_phone_answers_one_call_at_a_time() {
    let mut bench = phone();
    let asked = bench.last();
    bench.say(&registrar_says(&asked, 200, "Expires: 3600\r\n"));
    bench.fresh();
    bench.say(&invite("a"));
    bench.say(&invite("b"));
    assert_eq!(bench.fresh(), ["100", "180", "486"]);
    bench.run_until(ms(150));
    let answer = bench.last();
    assert_eq!(bench.fresh(), ["200"]);
    assert!(answer.body.contains("m=audio 31000 RTP/AVP 0 101"));
    assert_eq!(answer.header("Contact"), "<sip:+12125550100@127.0.0.1:5091>");
    bench.say(&ack("a", answer.to_tag()));
    assert!(bench.party.talking());
    bench.say(&request("BYE", "a", 2, "z9hG4bKbye", answer.to_tag(), "", ""));
    assert_eq!(bench.fresh(), ["200"]);
    assert!(!bench.party.talking());
    bench.say(&invite("c"));
    assert_eq!(bench.fresh(), ["100", "180"]);
    assert!(matches!(bench.media.as_slice(), [Media::Start { .. }, Media::Stop { .. }]));
}

#[test]
fn a_phone_hangs_up_and_is_cancelled() {
    let mut bench = phone();
    bench.say(&invite("a"));
    bench.say(&request("CANCEL", "a", 1, "z9hG4bKa", "", "", ""));
    assert_eq!(bench.fresh(), ["REGISTER", "100", "180", "200", "487"]);
    assert_eq!(bench.endings(), [Ending::Cancelled]);
    bench.say(&invite("b"));
    bench.run_until(ms(150));
    let answer = bench.last();
    bench.say(&ack("b", answer.to_tag()));
    bench.party.hang_up(bench.now);
    bench.drain();
    let bye = bench.last();
    assert_eq!((bye.method(), uri_of(bye.header("To"))), (Some("BYE"), "sip:me@127.0.0.1"));
    bench.say(&ok_to(&bye));
    assert_eq!(bench.endings(), [Ending::Cancelled, Ending::OurBye]);
}
