//! The parties against a scripted caller and a scripted registrar, in simulated time.

mod phone;

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::carrier::{self, Carrier};
use super::digest;
use super::plan::Plan;
use super::text::Text;
use super::token::Tokens;
use super::{Ending, Event, Media, Output, Party, Sound, TRANSACTION_LIFE};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 8 \
                   101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn caller() -> SocketAddr {
    address(5060)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn tokens(seed: u64) -> Tokens {
    Tokens::new(ChaCha20Rng::seed_from_u64(seed))
}

/// A request of the scripted caller. `to_tag` empty: outside the dialog.
fn request(
    method: &str,
    call: &str,
    number: u32,
    branch: &str,
    to_tag: &str,
    more: &str,
    body: &str,
) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:+12125550100@127.0.0.1:5090 SIP/2.0\r\nVia: SIP/2.0/UDP \
         127.0.0.1:5060;branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: <sip:me@127.0.0.1>;tag=mine\r\nTo: \
         <sip:+12125550100@127.0.0.1>{to_tag}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\nContact: \
         <sip:me@127.0.0.1:5060>\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A party with its clock and all it ever did.
struct Bench<P> {
    party: P,
    now: Duration,
    sent: Vec<(Duration, Text)>,
    media: Vec<Media>,
    events: Vec<Event>,
}

impl<P: Party> Bench<P> {
    fn new(party: P) -> Self {
        Self { party, now: Duration::ZERO, sent: Vec::new(), media: Vec::new(), events: Vec::new() }
    }

    fn say(&mut self, text: &str) {
        self.party.datagram(text.as_bytes(), caller(), self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.party.poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    assert_eq!(to, caller());
                    self.sent.push((self.now, Text::read(&bytes).expect("SIP")));
                }
                Output::Media(order) => self.media.push(order),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn run_until(&mut self, until: Duration) {
        while let Some(at) = self.party.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.party.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// What was sent since the last call: statuses, or methods of requests.
    fn fresh(&mut self) -> Vec<String> {
        let words = |text: &Text| match text.status() {
            Some(status) => status.to_string(),
            None => text.method().unwrap_or_default().to_owned(),
        };
        self.sent.drain(..).map(|(_, text)| words(&text)).collect()
    }

    fn last(&self) -> Text {
        self.sent.last().expect("something was sent").1.clone()
    }

    fn endings(&self) -> Vec<Ending> {
        let ending = |event: &Event| match event {
            Event::Ended { ending, .. } => Some(*ending),
            _ => None,
        };
        self.events.iter().filter_map(ending).collect()
    }
}

/// A plan in which everything has one length: 100 ms to ringing, 400 ms to the answer, 2 s of talk.
fn carrier(fate: &str, more: &str) -> Bench<Carrier> {
    let mut plan = String::from(
        "post_dial = { fixed = { ms = 100 } }\nring_person = { fixed = { ms = 400 } }\nring_machine = { fixed = { ms = 400 } \
         }\nbusy_after = { fixed = { ms = 100 } }\ncongestion_after = { fixed = { ms = 100 } }\ninvalid_after = { fixed = { ms = \
         100 } }\nrejected_after = { fixed = { ms = 400 } }\ntalk = { fixed = { ms = 2000 } }\nmachine_talk = { fixed = { ms = \
         2000 } }\n",
    );
    plan.push_str(more);
    plan.push_str(&format!("\n[[number]]\nnumber = \"+12125550100\"\nfate = \"{fate}\"\n"));
    Bench::new(Carrier::new(
        carrier::Options {
            address: address(5090),
            media: vec![address(30_000), address(30_002)],
            plan: Plan::parse(&plan).expect("plan"),
            seed: 1,
            speed: 1.0,
        },
        tokens(1),
    ))
}

fn invite(call: &str) -> String {
    request("INVITE", call, 1, &format!("z9hG4bK{call}"), "", "", SDP)
}

fn ack(call: &str, tag: &str) -> String {
    request("ACK", call, 1, &format!("z9hG4bKack{call}"), tag, "", "")
}

#[test]
fn a_person_answers_talks_and_hangs_up() {
    let mut bench = carrier("person", "");
    bench.say(&invite("a"));
    bench.run_until(ms(499));
    assert_eq!(bench.fresh(), ["100", "180"]);
    bench.run_until(ms(500));
    let answer = bench.last();
    assert_eq!(answer.status(), Some(200));
    assert!(answer.body.contains("m=audio 30000 RTP/AVP 0 101"), "{}", answer.body);
    assert_eq!(bench.fresh(), ["200"]);
    bench.now = ms(600);
    bench.say(&ack("a", answer.to_tag()));
    bench.run_until(ms(2_599));
    assert!(bench.fresh().is_empty());
    bench.run_until(ms(2_600));
    let bye = bench.last();
    assert_eq!(bench.fresh(), ["BYE"]);
    assert_eq!(bye.uri(), "sip:me@127.0.0.1:5060");
    assert_eq!((bye.from_tag(), bye.to_tag(), bye.cseq()), (answer.to_tag(), "mine", (1, "BYE")));
    bench.say(&ok_to(&bye));
    bench.run_until(ms(60_000));
    assert!(bench.fresh().is_empty());
    assert_eq!(bench.endings(), [Ending::OurBye]);
    assert_eq!(bench.media.len(), 2);
    assert!(matches!(bench.media[0], Media::Start { sound: Sound::Person(1), payload: 0, .. }));
    assert_eq!(bench.party.poll_timeout(), None, "nothing is left behind");
}

/// The 200 to a request that the party sent.
fn ok_to(text: &Text) -> String {
    format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: \
         <sip:me@127.0.0.1:5060>\r\nContent-Length: 0\r\n\r\n",
        text.header("Via"),
        text.header("From"),
        text.header("To"),
        text.call_id(),
        text.header("CSeq"),
    )
}

#[test]
fn bye_is_repeated_until_answered() {
    let mut bench = carrier("person", "");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    let tag = bench.last().to_tag().to_owned();
    bench.say(&ack("a", &tag));
    bench.fresh();
    bench.run_until(ms(2_500 + 1_600));
    let bye = bench.last();
    assert_eq!(bench.fresh(), ["BYE", "BYE", "BYE"]);
    bench.say(&ok_to(&bye));
    bench.run_until(ms(20_000));
    assert!(bench.fresh().is_empty());
}

#[test]
fn refusals_come_with_their_status_and_are_repeated_until_acknowledged() {
    for (fate, status, rings) in
        [("busy", 486, false), ("congestion", 503, false), ("invalid", 404, false), ("rejected", 603, true)]
    {
        let mut bench = carrier(fate, "");
        bench.say(&invite("a"));
        bench.run_until(ms(if rings { 500 } else { 100 }));
        let refusal = bench.last();
        assert_eq!(refusal.status(), Some(status), "{fate}");
        assert_eq!(bench.fresh().contains(&"180".to_owned()), rings, "{fate}");
        bench.run_until(bench.now + ms(500));
        assert_eq!(bench.fresh(), [status.to_string()], "{fate}");
        bench.say(&request("ACK", "a", 1, "z9hG4bKa", refusal.to_tag(), "", ""));
        bench.run_until(ms(120_000));
        assert!(bench.fresh().is_empty(), "{fate}");
        assert_eq!(bench.endings(), [Ending::Refused(status)]);
        assert_eq!(bench.party.poll_timeout(), None, "{fate}");
    }
}

#[test]
fn no_answer_rings_until_cancel() {
    let mut bench = carrier("no_answer", "");
    bench.say(&invite("a"));
    bench.run_until(ms(30_000));
    assert_eq!(bench.fresh(), ["100", "180"]);
    bench.say(&request("CANCEL", "a", 1, "z9hG4bKother", "", "", ""));
    assert_eq!(bench.fresh(), ["481"], "another branch is another transaction");
    bench.say(&request("CANCEL", "a", 1, "z9hG4bKa", "", "", ""));
    let refusal = bench.last();
    assert_eq!(bench.fresh(), ["200", "487"]);
    bench.say(&request("ACK", "a", 1, "z9hG4bKa", refusal.to_tag(), "", ""));
    bench.say(&request("CANCEL", "a", 1, "z9hG4bKa", "", "", ""));
    assert_eq!(bench.fresh(), ["200"], "a repeated CANCEL is answered again");
    bench.run_until(ms(120_000));
    assert!(bench.fresh().is_empty());
    assert_eq!(bench.endings(), [Ending::Cancelled]);
}

#[test]
fn a_repeated_invite_gets_the_last_response() {
    let mut bench = carrier("no_answer", "");
    bench.say(&invite("a"));
    bench.say(&invite("a"));
    assert_eq!(bench.fresh(), ["100", "100"]);
    bench.run_until(ms(100));
    bench.say(&invite("a"));
    assert_eq!(bench.fresh(), ["180", "180"]);
    bench.say(&request("INVITE", "a", 1, "z9hG4bKpath2", "", "", SDP));
    assert_eq!(bench.fresh(), ["482"]);
    assert_eq!(bench.events.iter().filter(|event| matches!(event, Event::Arrived { .. })).count(), 1);
}

#[test]
fn an_answer_without_ack_is_repeated_and_ends_with_bye() {
    let mut bench = carrier("person", "");
    bench.say(&invite("a"));
    bench.run_until(ms(2_100));
    assert_eq!(bench.fresh(), ["100", "180", "200", "200", "200"]);
    bench.run_until(ms(500) + TRANSACTION_LIFE);
    assert_eq!(bench.fresh().last().map(String::as_str), Some("BYE"));
    assert_eq!(bench.endings(), [Ending::NeverAcknowledged]);
}

#[test]
fn early_media_plays_ringback_then_the_machine() {
    let mut bench = carrier("machine", "early_media = 1.0\npcma = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(100));
    assert!(bench.last().body.contains("RTP/AVP 8 101"));
    assert_eq!(bench.fresh(), ["100", "183"]);
    bench.run_until(ms(500));
    assert!(matches!(bench.media[0], Media::Start { sound: Sound::Ringback, payload: 8, .. }));
    assert_eq!(bench.media[1], Media::Sound { line: 1, sound: Sound::Machine(1) });
    assert!(bench.events.contains(&Event::Answered { line: 1, machine: true }));
}

#[test]
fn a_fork_is_a_leg_of_its_own() {
    let mut bench = carrier("person", "[faults]\nforked_answer = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    let tags: Vec<String> = bench
        .sent
        .iter()
        .filter(|(_, text)| text.status() == Some(200))
        .map(|(_, text)| text.to_tag().to_owned())
        .collect();
    assert_eq!(tags.len(), 2);
    assert_ne!(tags[0], tags[1]);
    bench.fresh();
    bench.say(&ack("a", &tags[0]));
    bench.say(&ack("a", &tags[1]));
    bench.say(&request("BYE", "a", 2, "z9hG4bKbye1", &tags[1], "", ""));
    assert_eq!(bench.fresh(), ["200"]);
    assert!(bench.endings().is_empty(), "the first leg is still up");
    bench.say(&request("BYE", "a", 3, "z9hG4bKbye2", &tags[0], "", ""));
    assert_eq!(bench.fresh(), ["200"]);
    assert_eq!(bench.endings(), [Ending::PeerBye]);
    bench.say(&request("BYE", "a", 4, "z9hG4bKbye3", "stranger", "", ""));
    assert_eq!(bench.fresh(), ["481"]);
}

#[test]
fn a_late_answer_crosses_the_cancel() {
    let mut bench = carrier("no_answer", "[faults]\nlate_answer = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(1_000));
    bench.fresh();
    bench.say(&request("CANCEL", "a", 1, "z9hG4bKa", "", "", ""));
    let tag = bench.last().to_tag().to_owned();
    assert_eq!(bench.fresh(), ["200", "200"]);
    bench.say(&ack("a", &tag));
    bench.say(&request("BYE", "a", 2, "z9hG4bKbye", &tag, "", ""));
    assert_eq!(bench.endings(), [Ending::PeerBye]);
}

#[test]
fn other_faults_show_on_the_wire() {
    let mut bench = carrier("person", "[faults]\nduplicate_answer = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    assert_eq!(bench.fresh(), ["100", "180", "200", "200"]);

    let mut bench = carrier("person", "[faults]\nbye_at_once = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    let tag = bench.last().to_tag().to_owned();
    bench.fresh();
    bench.say(&ack("a", &tag));
    assert_eq!(bench.fresh(), ["BYE"]);

    let mut bench = carrier("person", "[faults]\nsilent = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(60_000));
    assert!(bench.fresh().is_empty());
}

#[test]
fn half_time_questions_are_asked_and_the_reinvite_acknowledged() {
    let mut bench = carrier("person", "[faults]\nreinvite = 1.0\noptions = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    let tag = bench.last().to_tag().to_owned();
    bench.say(&ack("a", &tag));
    bench.fresh();
    bench.run_until(ms(1_500));
    let asked: Vec<Text> = bench.sent.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(bench.fresh(), ["OPTIONS", "INVITE"]);
    assert!(asked[1].body.contains("m=audio 30000"));
    bench.say(&ok_to(&asked[0]));
    bench.say(&ok_to(&asked[1]));
    let acknowledgement = bench.last();
    assert_eq!(bench.fresh(), ["ACK"]);
    assert_eq!(acknowledgement.cseq(), (2, "ACK"));
    assert_ne!(acknowledgement.branch(), asked[1].branch(), "the ACK of a 2xx is a transaction of its own");
    bench.run_until(ms(2_499));
    assert!(bench.fresh().is_empty());
    bench.run_until(ms(2_500));
    assert_eq!(bench.fresh(), ["BYE"]);
}

#[test]
fn our_reinvite_and_options_are_answered() {
    let mut bench = carrier("person", "never_hangs_up = 1.0");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    let tag = bench.last().to_tag().to_owned();
    bench.say(&ack("a", &tag));
    bench.fresh();
    bench.say(&request("OPTIONS", "a", 2, "z9hG4bKo", &tag, "", ""));
    bench.say(&request("INVITE", "a", 3, "z9hG4bKre", &tag, "", SDP));
    assert_eq!(bench.fresh(), ["200", "200"]);
    bench.run_until(ms(1_000));
    assert_eq!(bench.fresh(), ["200"], "repeated until acknowledged");
    bench.say(&request("ACK", "a", 3, "z9hG4bKreack", &tag, "", ""));
    bench.run_until(ms(100_000));
    assert!(bench.fresh().is_empty());
    bench.say(&request("OPTIONS", "b", 2, "z9hG4bKo", "", "", ""));
    bench.say(&request("BYE", "b", 2, "z9hG4bKo2", "x", "", ""));
    bench.say(&request("PUBLISH", "b", 2, "z9hG4bKo3", "", "", ""));
    assert_eq!(bench.fresh(), ["200", "481", "501"]);
}

#[test]
fn a_callee_that_hears_a_message_stays_to_its_end() {
    let mut bench = carrier("person", "");
    bench.say(&invite("a"));
    bench.run_until(ms(500));
    let tag = bench.last().to_tag().to_owned();
    bench.say(&ack("a", &tag));
    bench.fresh();
    bench.party.hears_message(1, ms(600));
    bench.run_until(ms(30_000));
    assert!(bench.fresh().is_empty());
    bench.run_until(ms(600) + carrier::LISTEN_MAX);
    assert_eq!(bench.fresh(), ["BYE"]);
}

#[test]
fn a_digest_trunk_challenges_first() {
    for (proxy, status, challenge, header) in [
        (false, 401, "WWW-Authenticate", "Authorization"),
        (true, 407, "Proxy-Authenticate", "Proxy-Authorization"),
    ] {
        let more = format!("[digest]\nusername = \"us\"\npassword = \"pw\"\nproxy = {proxy}\n");
        let mut bench = carrier("person", &more);
        bench.say(&invite("a"));
        let demand = bench.last();
        assert_eq!(demand.status(), Some(status));
        let proof = |password| {
            let proof = digest::Proof {
                username: "us",
                password,
                method: "INVITE",
                uri: "sip:+12125550100@127.0.0.1:5090",
                count: 1,
                cnonce: "c",
            };
            let value = digest::authorization(demand.header(challenge), &proof).expect("MD5");
            format!("{header}: {value}\r\n")
        };
        bench.say(&request("ACK", "a", 1, "z9hG4bKa", demand.to_tag(), "", ""));
        bench.fresh();
        bench.say(&request("INVITE", "a", 2, "z9hG4bKa.2", "", &proof("wrong"), SDP));
        assert_eq!(bench.fresh(), [status.to_string()]);
        bench.say(&request("INVITE", "a", 3, "z9hG4bKa.3", "", &proof("pw"), SDP));
        assert_eq!(bench.fresh(), ["100"]);
        bench.say(&request("REGISTER", "r", 1, "z9hG4bKr", "", "Expires: 60\r\n", ""));
        assert_eq!(bench.fresh(), [status.to_string()]);
    }
}

#[test]
fn full_means_503_and_a_call_that_ends_makes_room() {
    let mut bench = carrier("no_answer", "");
    for call in ["a", "b", "c"] {
        bench.say(&invite(call));
    }
    assert_eq!(bench.fresh(), ["100", "100", "503"]);
    bench.say(&request("CANCEL", "a", 1, "z9hG4bKa", "", "", ""));
    bench.fresh();
    bench.say(&invite("d"));
    assert_eq!(bench.fresh(), ["100"]);
    let mut bench = carrier("person", "");
    bench.say(&request("INVITE", "a", 1, "z9hG4bKa", "", "", ""));
    bench.say(&request("INVITE", "b", 1, "z9hG4bKb", "", "", &SDP.replace("0 8 101", "9")));
    assert_eq!(bench.fresh(), ["488", "488"]);
}

#[test]
fn same_seed_same_trace() {
    let trace = || {
        let mut bench = carrier("person", "");
        bench.say(&invite("a"));
        bench.run_until(ms(40_000));
        bench.sent
    };
    assert_eq!(trace(), trace());
}
