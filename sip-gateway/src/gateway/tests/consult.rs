//! An agent's phone calls a colleague while the customer waits.

use super::super::testing::*;
use super::digest::md5;
use super::transfer::{BEN, BEN_CONTACT, per_call, persistent, told};
use crate::command::{AgentLegMode, Command};
use crate::event::Event;

/// The second line of Anna's phone.
pub(super) struct Line {
    pub(super) user: &'static str,
    pub(super) password: &'static str,
    /// Where the phone is.
    pub(super) at: &'static str,
    pub(super) call_id: &'static str,
    pub(super) cseq: u32,
    /// What answered its INVITE.
    pub(super) answer: Option<Text>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { user: "anna", password: "open sesame", at: PHONE, call_id: "line2", cseq: 0, answer: None }
    }

    pub(super) fn write(&mut self, method: &str, target: &str, more: &[&str], body: &str) -> String {
        if method != "ACK" && method != "CANCEL" {
            self.cseq += 1;
        }
        let (user, call_id, cseq) = (self.user, self.call_id, self.cseq);
        let to = self.answer.as_ref().map_or(format!("<{target}>"), |answer| answer.header("To").to_owned());
        let mut lines = vec![
            format!("{method} {target} SIP/2.0"),
            format!("Via: SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK{call_id}{cseq};rport"),
            "Max-Forwards: 70".to_owned(),
            format!("From: <sip:{user}@192.0.2.1>;tag=mine"),
            format!("To: {to}"),
            format!("Call-ID: {call_id}"),
            format!("CSeq: {cseq} {method}"),
            "Contact: <sip:anna@10.0.0.5:5062>".to_owned(),
        ];
        lines.extend(more.iter().map(|line| (*line).to_owned()));
        if !body.is_empty() {
            lines.push("Content-Type: application/sdp".to_owned());
        }
        lines.push(format!("Content-Length: {}", body.len()));
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    }

    /// INVITE, and the second one that answers its challenge; what came back then.
    pub(super) fn call(&mut self, bench: &mut Bench, to: &str) -> Vec<Text> {
        self.call_with(bench, to, &[], &sdp(5100, "8 0 101", "sendrecv"))
    }

    pub(super) fn call_with(&mut self, bench: &mut Bench, to: &str, more: &[&str], body: &str) -> Vec<Text> {
        let first = self.write("INVITE", to, more, body);
        bench.feed(self.at, first);
        let sent = bench.sent(self.at);
        let [challenge] = sent.as_slice() else { panic!("{sent:?}") };
        if !challenge.is("SIP/2.0 401 ") {
            return sent;
        }
        let nonce = challenge.between("nonce=\"", "\"").to_owned();
        let ack = self.write("ACK", to, &[], "");
        bench.feed(self.at, ack);
        let one = md5(&format!("{}:carillon:{}", self.user, self.password));
        let two = md5(&format!("INVITE:{to}"));
        let response = md5(&format!("{one}:{nonce}:00000001:abc:auth:{two}"));
        let authorization = format!(
            "Authorization: Digest username=\"{}\", realm=\"carillon\", nonce=\"{nonce}\", uri=\"{to}\", \
             qop=auth, nc=00000001, cnonce=\"abc\", algorithm=MD5, response=\"{response}\"",
            self.user
        );
        let mut more = more.to_vec();
        more.push(&authorization);
        let second = self.write("INVITE", to, &more, body);
        bench.feed(self.at, second);
        let sent = bench.sent(self.at);
        self.note(&sent);
        sent
    }

    /// Takes note of the answer to its INVITE, and acknowledges it.
    pub(super) fn note(&mut self, sent: &[Text]) -> bool {
        let is_it = |text: &&Text| {
            let of_invite = text.is("SIP/2.0 2") && text.header("CSeq").ends_with(" INVITE");
            of_invite && text.header("Call-ID") == self.call_id
        };
        let answer = sent.iter().rfind(is_it);
        self.answer = answer.or(self.answer.as_ref()).cloned();
        answer.is_some()
    }

    pub(super) fn within(&mut self, method: &str, more: &[&str]) -> String {
        let target = self.answer.as_ref().expect("an answer").between("Contact: <", ">").to_owned();
        self.write(method, &target, more, "")
    }

    /// Calls Ben, who is on the line, and acknowledges the answer.
    pub(super) fn up(&mut self, bench: &mut Bench) {
        self.call(bench, "sip:ben@192.0.2.1");
        let ack = self.within("ACK", &[]);
        bench.feed(PHONE, ack);
        bench.media();
        bench.events();
    }

    /// The Refer-To that names it.
    pub(super) fn replaced(&self) -> String {
        let tag = self.answer.as_ref().expect("an answer").header("To").split(";tag=").nth(1).unwrap();
        let call_id = self.call_id;
        format!("<sip:ben@192.0.2.1?Replaces={call_id}%3Bto-tag%3D{tag}%3Bfrom-tag%3Dmine>")
    }
}

pub(super) fn starts(sent: &[Text]) -> Vec<&str> {
    sent.iter().map(|text| text.start().trim_start_matches("SIP/2.0 ").split(' ').next().unwrap()).collect()
}

#[test]
fn a_colleague_on_the_line_is_asked_at_once() {
    let (mut bench, _, _, customer) = persistent();
    let mut line = Line::new();
    let sent = line.call(&mut bench, "sip:ben@192.0.2.1");
    assert_eq!(starts(&sent), ["180", "200"]);
    assert_eq!(sent[1].header("Contact"), "<sip:ben@192.0.2.1:5060>");
    assert!(sent[1].header("Allow").contains("REFER"));
    assert!(bench.sent(BEN).is_empty(), "his leg is there");
    assert_eq!(
        words(&bench.media()),
        ["open 4", "remote 4 192.0.2.10:5100 Pcma", "silence 4 true", "hand over 4 2"]
    );
    assert_eq!(told(&mut bench), ["ben engaged"]);
    let ack = line.within("ACK", &[]);
    bench.feed(PHONE, ack);

    // Nobody else is put through to him meanwhile.
    bench.pass(ms(200));
    bench.answered(2);
    bench.connect(2, "ben");
    assert_eq!(told(&mut bench), [r#"ConnectFailed { call: CallId(2), user: "ben", reason: "agent_busy" }"#]);

    // She hangs up: she has the customer all the time.
    let bye = line.within("BYE", &[]);
    bench.feed(PHONE, bye);
    assert_eq!(bench.starts(PHONE), ["200 OK"]);
    assert_eq!(words(&bench.media()), ["unsplice 4 2", "close 4"]);
    assert_eq!(told(&mut bench), ["ben reachable"]);
    let ladder = bench.gateway.ladder_of_call(super::CALL).unwrap();
    let asking =
        ladder.parties.iter().position(|party| party.name == "anna" && party.call_id == line.call_id);
    let lines = ladder.rungs().filter(|rung| Some(usize::from(rung.party)) == asking);
    assert_eq!(lines.count(), 6, "INVITE, 180, 200, ACK, BYE, 200: {ladder:?}");
    bench.connect(2, "ben");
    assert!(told(&mut bench)[0].starts_with("Connected"));
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(told(&mut bench), ["ended bye"]);
}

#[test]
fn a_colleague_whose_phone_is_called_rings_first() {
    let (mut bench, _, _) = per_call();
    let mut line = Line::new();
    assert_eq!(starts(&line.call(&mut bench, "sip:ben@192.0.2.1")), ["180"]);
    let ben = bench.one(BEN);
    assert!(ben.is("INVITE "));
    bench.media();
    bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "0", "sendrecv")));
    assert_eq!(bench.starts(BEN), ["ACK"]);
    let sent = bench.sent(PHONE);
    assert!(line.note(&sent));
    assert_eq!(words(&bench.media()).last().unwrap(), "hand over 3 4");
    let ack = line.within("ACK", &[]);
    bench.feed(PHONE, ack);
    assert_eq!(told(&mut bench), ["ben engaged"]);

    // He hangs up, and is free again.
    bench.feed(BEN, ben.request("BYE", "ben", 1, &[], ""));
    assert_eq!(bench.starts(PHONE), ["BYE"]);
    assert_eq!(told(&mut bench), ["ben reachable"]);
    assert_eq!(words(&bench.media()), ["unsplice 3 4", "close 3", "close 4"]);
}

#[test]
fn a_colleague_who_declines_or_does_not_answer_is_free_again() {
    for (reply, status) in [("603 Decline", "486"), ("480 Temporarily Unavailable", "480"), ("", "480")] {
        let (mut bench, _, _) = per_call();
        let mut line = Line::new();
        line.call(&mut bench, "sip:ben@192.0.2.1");
        let ben = bench.one(BEN);
        if reply.is_empty() {
            bench.feed(BEN, ben.reply("180 Ringing", "ben", &[], ""));
            bench.pass(ms(21_000));
            let cancel = bench.sent(BEN).remove(0);
            bench.feed(BEN, cancel.reply("200 OK", "ben", &[], ""));
            bench.feed(BEN, ben.reply("487 Request Terminated", "ben", &[], ""));
        } else {
            bench.feed(BEN, ben.reply(reply, "ben", &[], ""));
        }
        assert_eq!(starts(&bench.sent(PHONE)), [status]);
        assert_eq!(told(&mut bench), ["ben engaged", "ben reachable"]);
        let mut again = Line { call_id: "line3", ..Line::new() };
        assert_eq!(starts(&again.call(&mut bench, "sip:ben@192.0.2.1")), ["180"]);
    }
}

#[test]
fn whoever_asks_may_give_up_while_it_rings() {
    let (mut bench, _, _) = per_call();
    let mut line = Line::new();
    line.call(&mut bench, "sip:ben@192.0.2.1");
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("180 Ringing", "ben", &[], ""));
    let cancel = line.write("CANCEL", "sip:ben@192.0.2.1", &[], "");
    bench.feed(PHONE, cancel);
    assert_eq!(starts(&bench.sent(PHONE)), ["200", "487"]);
    assert_eq!(bench.starts(BEN), ["CANCEL"]);
    assert_eq!(told(&mut bench), ["ben engaged", "ben reachable"]);
}

// Nothing is dialled, nobody but a free colleague is reached, and only by an agent who has a customer.
#[test]
fn everything_but_a_free_colleague_is_refused() {
    let (mut bench, _, _, _) = persistent();
    for (index, (to, status)) in [
        ("sip:+15550199@192.0.2.10", "403"),
        ("sip:%2b15550199@192.0.2.1", "403"),
        ("tel:+15550199", "403"),
        ("sip:anna@192.0.2.1", "403"),
        ("sip:nobody@192.0.2.1", "480"),
        ("sip:192.0.2.1", "480"),
    ]
    .into_iter()
    .enumerate()
    {
        let call_id = ["a", "b", "c", "d", "e", "f"][index];
        let mut line = Line { call_id, ..Line::new() };
        assert_eq!(starts(&line.call(&mut bench, to)), [status], "{to}");
    }
    assert_eq!(told(&mut bench), Vec::<String>::new());
    let mut line = Line::new();
    line.up(&mut bench);
    let mut second = Line { call_id: "line3", ..Line::new() };
    assert_eq!(starts(&second.call(&mut bench, "sip:ben@192.0.2.1")), ["486"], "one at a time");
    let bye = line.within("BYE", &[]);
    bench.feed(PHONE, bye);
    bench.sent(PHONE);
    bench.command(Command::SignOff { user: "ben".into() });
    let mut third = Line { call_id: "line4", ..Line::new() };
    assert_eq!(starts(&third.call(&mut bench, "sip:ben@192.0.2.1")), ["480"], "as of nobody");
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn a_colleague_with_a_customer_is_busy() {
    let (mut bench, _, _, _) = persistent();
    bench.pass(ms(200));
    bench.answered(2);
    bench.connect(2, "ben");
    bench.events();
    assert_eq!(starts(&Line::new().call(&mut bench, "sip:ben@192.0.2.1")), ["486"]);
}

#[test]
fn whoever_asks_proves_who_they_are() {
    let (mut bench, _, _, _) = persistent();
    let wrong = Line { password: "guessed", ..Line::new() }.call(&mut bench, "sip:ben@192.0.2.1");
    assert_eq!(starts(&wrong), ["401"]);
    // Ben's password doesn't make Anna's phone his, nor his name hers.
    let other = Line { user: "ben", call_id: "ben", ..Line::new() }.call(&mut bench, "sip:anna@192.0.2.1");
    assert_eq!(starts(&other), ["403"], "he has no customer");
    // Guessing ends as it does with REGISTER.
    let ids: Vec<&'static str> =
        (0..40).map(|index| &*Box::leak(format!("guess{index}").into_boxed_str())).collect();
    let mut last = Vec::new();
    for call_id in ids {
        last = Line { password: "guessed", call_id, ..Line::new() }.call(&mut bench, "sip:ben@192.0.2.1");
    }
    assert_eq!(starts(&last), ["403"]);
    // From elsewhere there is no answer at all.
    let mut stranger = Line::new();
    let invite = stranger.write("INVITE", "sip:ben@192.0.2.1", &[], &sdp(5100, "0", "sendrecv"));
    bench.feed(STRANGER, invite);
    assert!(bench.sent(STRANGER).is_empty());
}

#[test]
fn it_ends_with_the_customers_call() {
    for by in ["customer", "agent", "dialer", "sign off", "colleague signs off"] {
        let (mut bench, anna, _, customer) = persistent();
        let mut line = Line::new();
        line.up(&mut bench);
        match by {
            "customer" => bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], "")),
            "agent" => bench.feed(PHONE, anna.request("BYE", "anna", 1, &[], "")),
            "dialer" => bench.command(Command::Disconnect { call: super::CALL }),
            "sign off" => bench.command(Command::SignOff { user: "anna".into() }),
            _ => bench.command(Command::SignOff { user: "ben".into() }),
        }
        let byes =
            bench.sent(PHONE).iter().filter(|text| text.is("BYE ") && text.0.contains("line2")).count();
        assert_eq!(byes, 1, "{by}");
        let told = told(&mut bench);
        assert_eq!(told.contains(&"ben reachable".to_owned()), by != "colleague signs off", "{by}: {told:?}");
        assert_eq!(
            told.contains(&"anna left".to_owned()),
            by == "agent" || by == "sign off",
            "{by}: {told:?}"
        );
    }
}

#[test]
fn a_line_that_is_lost_ends_it() {
    let (mut bench, _, _, _) = persistent();
    let mut line = Line::new();
    line.up(&mut bench);
    let stream = crate::id::StreamId(4);
    bench.media_event(crate::media::MediaEvent::Lost { stream });
    assert_eq!(bench.starts(PHONE), ["BYE"]);
    assert_eq!(told(&mut bench), ["ben reachable"]);

    let (mut bench, _, _, _) = persistent();
    Line::new().call(&mut bench, "sip:ben@192.0.2.1");
    bench.events();
    bench.media_event(crate::media::MediaEvent::OpenFailed { stream });
    assert_eq!(told(&mut bench), ["ben reachable"]);
}

// §13.2.1: without an offer ours is in the 200, and they hear each other after the ACK.
#[test]
fn a_phone_may_leave_the_offer_to_us() {
    let (mut bench, _, _, _) = persistent();
    let mut line = Line::new();
    let sent = line.call_with(&mut bench, "sip:ben@192.0.2.1", &[], "");
    assert_eq!(starts(&sent), ["180", "200"]);
    assert_eq!(words(&bench.media()), ["open 4"]);
    let target = line.answer.as_ref().unwrap().between("Contact: <", ">").to_owned();
    let ack = line.write("ACK", &target, &[], &sdp(5100, "0", "sendrecv"));
    bench.feed(PHONE, ack);
    assert_eq!(words(&bench.media()).last().unwrap(), "hand over 4 2");
}

/// Call-IDs of the legs that are to be stored, and of those that need not be any more.
fn stored(bench: &mut Bench) -> (Vec<String>, Vec<String>) {
    let (mut up, mut over) = (Vec::new(), Vec::new());
    for event in bench.events() {
        match event {
            Event::LineUp { route, leg } => {
                assert_eq!(route.call_id, leg.call_id);
                up.push(leg.call_id);
            }
            Event::LineOver { call_id } => over.push(call_id),
            _ => {}
        }
    }
    (up, over)
}

// What a restart would have to end: the line, and phones that are on the line for this alone.
#[test]
fn its_legs_are_stored_while_it_lasts() {
    let (mut bench, anna, _, _) = persistent();
    let mut line = Line::new();
    line.call(&mut bench, "sip:ben@192.0.2.1");
    assert_eq!(stored(&mut bench), (vec!["line2".to_owned()], vec![]), "both phones' legs are stored");
    let ack = line.within("ACK", &[]);
    bench.feed(PHONE, ack);
    let bye = line.within("BYE", &[]);
    bench.feed(PHONE, bye);
    assert_eq!(stored(&mut bench), (vec![], vec!["line2".to_owned()]));
    drop(anna);

    let (mut bench, anna, customer) = per_call();
    let mut line = Line::new();
    line.call(&mut bench, "sip:ben@192.0.2.1");
    assert_eq!(stored(&mut bench), (vec![], vec![]), "it rings");
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("200 OK", "ben", &[BEN_CONTACT], &sdp(6000, "0", "sendrecv")));
    let legs = ["line2", anna.header("Call-ID"), ben.header("Call-ID")].map(str::to_owned).to_vec();
    assert_eq!(stored(&mut bench), (legs.clone(), vec![]));
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    assert_eq!(stored(&mut bench), (vec![], legs));
}

#[test]
fn nothing_is_left_over() {
    let (mut bench, _, customer) = per_call();
    let mut line = Line::new();
    line.call(&mut bench, "sip:ben@192.0.2.1");
    let ben = bench.one(BEN);
    bench.feed(BEN, ben.reply("180 Ringing", "ben", &[], ""));
    bench.feed(CARRIER, customer.request("BYE", "callee", 1, &[], ""));
    bench.pass(ms(200_000));
    assert_eq!((bench.gateway.leftovers(), bench.gateway.calls()), ((0, 0, 0), 0));
    bench.command(Command::SignOn { user: "ben".into(), leg: AgentLegMode::PerCall });
    assert_eq!(told(&mut bench).last().unwrap(), "ben reachable");
}
