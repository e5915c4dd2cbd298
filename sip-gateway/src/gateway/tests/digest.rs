//! Digest towards carriers (RFC 3261 §22.2, RFC 7616), with the arithmetic done here once more.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::super::testing::*;
use super::{CALL, failed};
use crate::command::Command;
use crate::event::{Event, Failure};
use crate::options::{Options, Secret};

pub(super) fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(super) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(super) fn credentials() -> Options {
    let mut options = options();
    options.trunks[0].username = "customer".into();
    options.trunks[0].password = Secret::new("s3cret");
    options
}

pub(super) fn challenge(header: &str, nonce: &str, algorithm: &str, more: &str) -> String {
    format!(
        "{header}: Digest realm=\"carrier\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{more}"
    )
}

/// Checks an Authorization header as a carrier does.
pub(super) fn check(message: &Text, header: &str, method: &str, hash: fn(&str) -> String) {
    let value = message.header(header);
    let field = |name: &str| {
        let rest = value.split(&format!("{name}=")).nth(1).unwrap();
        rest.trim_start_matches('"').split(['"', ',']).next().unwrap().to_owned()
    };
    let first = hash("customer:carrier:s3cret");
    let second = hash(&format!("{method}:{}", field("uri")));
    let text = format!("{first}:{}:{}:{}:auth:{second}", field("nonce"), field("nc"), field(" cnonce"));
    assert_eq!(field("response"), hash(&text));
    assert_eq!(field("username"), "customer");
}

#[test]
fn a_challenged_invite_is_sent_again_with_an_answer() {
    for (status, ask, answer, algorithm, hash) in [
        ("401 Unauthorized", "WWW-Authenticate", "Authorization", "MD5", md5 as fn(&str) -> String),
        ("407 Proxy Authentication Required", "Proxy-Authenticate", "Proxy-Authorization", "MD5", md5),
        ("401 Unauthorized", "WWW-Authenticate", "Authorization", "SHA-256", sha256),
    ] {
        let mut bench = Bench::new(credentials());
        let invite = bench.place(1);
        bench.feed(CARRIER, invite.reply(status, "x", &[&challenge(ask, "n1", algorithm, "")], ""));
        let [ack, again] = bench.sent(CARRIER).try_into().unwrap();
        assert!(ack.is("ACK ") && again.is("INVITE "));
        assert_eq!(again.branch(), format!("{}.2", invite.branch()));
        assert_eq!(again.cseq(), invite.cseq() + 1);
        assert_eq!(again.header("Call-ID"), invite.header("Call-ID"));
        assert_eq!(again.header("From"), invite.header("From"));
        assert_eq!(again.header("To"), invite.header("To"), "no tag of the refusal");
        assert_eq!(again.body(), invite.body());
        check(&again, answer, "INVITE", hash);

        bench.feed(CARRIER, again.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0", "sendrecv")));
        let ack = bench.one(CARRIER);
        assert_eq!(ack.cseq(), again.cseq());
        assert_eq!(ack.header(answer), again.header(answer), "the ACK repeats the credentials");
        assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));
        assert_eq!(bench.gateway.counters().invites_sent, 1, "one call");
    }
}

#[test]
fn the_strongest_of_several_challenges_is_answered() {
    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    let asked =
        [challenge("WWW-Authenticate", "n1", "MD5", ""), challenge("WWW-Authenticate", "n2", "SHA-256", "")];
    bench.feed(CARRIER, invite.reply("401 Unauthorized", "x", &[&asked[0], &asked[1]], ""));
    check(&bench.sent(CARRIER)[1], "Authorization", "INVITE", sha256);
}

#[test]
fn a_stale_nonce_is_answered_once_more_and_a_refusal_is_not() {
    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    let ask = challenge("WWW-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, invite.reply("401 Unauthorized", "x", &[&ask], ""));
    let second = bench.sent(CARRIER).remove(1);
    let stale = challenge("WWW-Authenticate", "n2", "MD5", ", stale=true");
    bench.feed(CARRIER, second.reply("401 Unauthorized", "y", &[&stale], ""));
    let third = bench.sent(CARRIER).remove(1);
    assert_eq!(third.cseq(), invite.cseq() + 2);
    assert!(third.header("Authorization").contains("nonce=\"n2\""));
    bench.feed(CARRIER, third.reply("401 Unauthorized", "z", &[&stale], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"], "no fourth INVITE");
    assert_eq!(bench.events(), failed(Failure::Status(401)));

    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    bench.feed(CARRIER, invite.reply("401 Unauthorized", "x", &[&ask], ""));
    let second = bench.sent(CARRIER).remove(1);
    bench.feed(CARRIER, second.reply("401 Unauthorized", "y", &[&ask], ""));
    assert_eq!(bench.events(), failed(Failure::Status(401)), "a wrong password isn't tried again");
}

// RFC 3261 §22.3: credentials of each realm are accumulated.
#[test]
fn a_proxy_and_the_server_behind_it_are_both_answered() {
    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    let proxy = challenge("Proxy-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, invite.reply("407 Proxy Authentication Required", "x", &[&proxy], ""));
    let second = bench.sent(CARRIER).remove(1);
    let server = "WWW-Authenticate: Digest realm=\"core\", nonce=\"n2\", algorithm=MD5, qop=\"auth\"";
    bench.feed(CARRIER, second.reply("401 Unauthorized", "y", &[server], ""));
    let third = bench.sent(CARRIER).remove(1);
    assert_eq!((third.branch(), third.cseq()), (&*format!("{}.3", invite.branch()), invite.cseq() + 2));
    check(&third, "Proxy-Authorization", "INVITE", md5);
    assert!(third.header("Proxy-Authorization").contains("nonce=\"n1\""));
    assert!(third.header("Proxy-Authorization").contains("nc=00000002"), "the nonce's second use");
    assert!(third.header("Authorization").contains("realm=\"core\", nonce=\"n2\""));

    bench.feed(CARRIER, third.reply("200 OK", "callee", &[CONTACT], &sdp(4000, "0", "sendrecv")));
    let ack = bench.one(CARRIER);
    assert_eq!(ack.header("Authorization"), third.header("Authorization"));
    assert_eq!(ack.header("Proxy-Authorization"), third.header("Proxy-Authorization"));
    assert!(matches!(bench.events().as_slice(), [Event::Answered { .. }]));

    // The BYE meets both as well.
    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    bench.feed(CARRIER, bye.reply("407 Proxy Authentication Required", "", &[&proxy], ""));
    let bye = bench.one(CARRIER);
    bench.feed(CARRIER, bye.reply("401 Unauthorized", "", &[server], ""));
    let bye = bench.one(CARRIER);
    assert_eq!(bye.headers("Authorization").len() + bye.headers("Proxy-Authorization").len(), 2);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert!(matches!(bench.events().as_slice(), [Event::Ended { .. }]));
}

#[test]
fn without_credentials_a_challenge_is_a_failure() {
    let mut bench = Bench::new(options());
    let invite = bench.place(1);
    let ask = challenge("Proxy-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, invite.reply("407 Proxy Authentication Required", "x", &[&ask], ""));
    assert_eq!(bench.events(), failed(Failure::Status(407)));
}

#[test]
fn a_challenged_bye_is_answered_too() {
    let mut bench = Bench::new(credentials());
    bench.answered(1);
    bench.command(Command::HangUp { call: CALL });
    let bye = bench.one(CARRIER);
    let ask = challenge("Proxy-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, bye.reply("407 Proxy Authentication Required", "", &[&ask], ""));
    let again = bench.one(CARRIER);
    assert_eq!(again.cseq(), bye.cseq() + 1);
    check(&again, "Proxy-Authorization", "BYE", md5);
    assert_eq!(bench.events(), []);
    bench.feed(CARRIER, again.reply("200 OK", "", &[], ""));
    assert!(matches!(bench.events().as_slice(), [Event::Ended { .. }]));
}

#[test]
fn a_call_hung_up_meanwhile_is_not_sent_again() {
    let mut bench = Bench::new(credentials());
    let invite = bench.place(1);
    bench.command(Command::HangUp { call: CALL });
    let ask = challenge("WWW-Authenticate", "n1", "MD5", "");
    bench.feed(CARRIER, invite.reply("401 Unauthorized", "x", &[&ask], ""));
    assert_eq!(bench.starts(CARRIER), ["ACK"]);
    assert_eq!(bench.events(), failed(Failure::Cancelled));
}
