//! Peers, agents and commands in any order: whatever happens, each call ends once and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::testing::*;
use super::consult::Line;
use super::takeover::{MOBILE, bind_mobile, mobile, named, refresh_mobile};
use crate::command::{AgentLegMode, Command, PlaceCall};
use crate::event::Event;
use crate::id::{CallId, StreamId};
use crate::media::prompt::Prompt;
use crate::media::{MediaCommand, MediaEvent};

/// What the media threads would see: nothing out of order.
#[derive(Default)]
struct Studio {
    open: BTreeSet<StreamId>,
    ever: BTreeSet<StreamId>,
    spliced: BTreeMap<StreamId, StreamId>,
}

impl Studio {
    fn take(&mut self, commands: Vec<MediaCommand>) {
        for command in commands {
            match command {
                MediaCommand::Open { stream, .. } => {
                    assert!(self.ever.insert(stream), "a name is used once");
                    self.open.insert(stream);
                }
                MediaCommand::Close { stream } => {
                    assert!(self.open.remove(&stream), "closed once");
                    let spliced = self.spliced.iter().any(|(a, b)| *a == stream || *b == stream);
                    assert!(!spliced, "parted before it is closed");
                }
                MediaCommand::Splice { customer, agent, .. } => {
                    assert!(self.open.contains(&customer) && self.open.contains(&agent));
                    let busy = self.spliced.iter().any(|(a, b)| *a == customer || *b == agent);
                    assert!(!busy, "one agent, one customer");
                    self.spliced.insert(customer, agent);
                }
                MediaCommand::HandOver { customer, agent, .. } => {
                    assert!(self.open.contains(&customer) && self.open.contains(&agent));
                    let busy = self.spliced.iter().any(|(a, b)| *a != customer && *b == agent);
                    assert!(!busy, "one agent, one customer");
                    self.spliced.insert(customer, agent);
                }
                MediaCommand::Unsplice { customer, agent, .. } => {
                    assert_eq!(self.spliced.remove(&customer), Some(agent));
                }
                MediaCommand::SetRemote { stream, .. }
                | MediaCommand::Silence { stream, .. }
                | MediaCommand::Digit { stream, .. }
                | MediaCommand::Play { stream, .. } => assert!(self.open.contains(&stream)),
            }
        }
    }
}

/// Calls seen from outside.
#[derive(Default)]
struct Ledger {
    placed: BTreeSet<CallId>,
    ended: BTreeSet<CallId>,
    answered: BTreeSet<CallId>,
    connected: usize,
    /// Further legs of phones that are to be stored.
    lines: BTreeSet<String>,
}

impl Ledger {
    fn take(&mut self, bench: &mut Bench) {
        for event in bench.events() {
            match event {
                Event::Reserved { call, route } => {
                    self.placed.insert(call);
                    let not_after = bench.now + ms(800);
                    bench.command(Command::Place(PlaceCall { call, route, not_after }));
                }
                Event::Diverted { call, route, failure: _ } => {
                    assert!(!self.answered.contains(&call) && !self.ended.contains(&call));
                    let not_after = bench.now + ms(800);
                    bench.command(Command::Place(PlaceCall { call, route, not_after }));
                }
                Event::Answered { call, .. } => assert!(self.answered.insert(call), "answered once"),
                Event::Failed { call, .. } => {
                    assert!(!self.answered.contains(&call), "what was answered ends, it doesn't fail");
                    assert!(self.ended.insert(call), "ended once");
                }
                Event::Ended { call, .. } => {
                    assert!(self.answered.contains(&call));
                    assert!(self.ended.insert(call), "ended once");
                }
                Event::Connected { call, .. } => {
                    assert!(self.answered.contains(&call) && !self.ended.contains(&call));
                    self.connected += 1;
                }
                Event::LineUp { route, .. } => assert!(self.lines.insert(route.call_id), "stored once"),
                Event::LineOver { call_id } => assert!(self.lines.remove(&call_id), "and forgotten once"),
                Event::AgentLeft { call, .. } => assert!(!self.ended.contains(&call)),
                Event::Busy { .. }
                | Event::Placed { .. }
                | Event::Ringing { .. }
                | Event::ConnectFailed { .. }
                | Event::AgentHeard { .. }
                | Event::PromptStarted { .. }
                | Event::Recorded { .. }
                | Event::AgentReachable { .. }
                | Event::AgentUnreachable { .. }
                | Event::AgentLegCalling { .. }
                | Event::AgentLegMoved { .. }
                | Event::Registered(_)
                | Event::Numbers(_)
                | Event::Preferred { .. }
                | Event::Unregistered { .. }
                | Event::HandedOver { .. }
                | Event::Incoming(_)
                | Event::Moved { .. }
                | Event::AgentEngaged { .. }
                | Event::Trunk { .. } => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Call,
    /// A response to some INVITE: which, and what.
    Answer(usize, usize),
    /// A request of the callee or agent within some dialog.
    Ask(usize, usize),
    /// A final response to some request of ours that is no INVITE.
    Settle(usize, usize),
    /// A command for a recent call, counted backwards.
    Command(u64, usize),
    Wait(u64),
    /// Something on Anna's second line: a call to Ben first.
    Line(usize),
    /// Anna's second phone takes something over: which leg or line.
    Pull(usize, usize),
}

/// What such a request may get.
const STATUSES: [&str; 7] = [
    "200 OK",
    "200 OK",
    "481 Gone",
    "491 Request Pending",
    "500 Server Internal Error",
    "405 Method Not Allowed",
    "422 Session Interval Too Small",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Call),
        6 => (any::<usize>(), 0..19usize).prop_map(|(which, what)| Step::Answer(which, what)),
        3 => (any::<usize>(), 0..8usize).prop_map(|(which, what)| Step::Ask(which, what)),
        4 => (any::<usize>(), 0..STATUSES.len()).prop_map(|(which, what)| Step::Settle(which, what)),
        4 => (0..4u64, 0..15usize).prop_map(|(back, what)| Step::Command(back, what)),
        3 => (0..6_000u64).prop_map(Step::Wait),
        1 => (0..400_000u64).prop_map(Step::Wait),
        4 => (0..9usize).prop_map(Step::Line),
        4 => (any::<usize>(), 0..8usize).prop_map(|(which, what)| Step::Pull(which, what)),
    ]
}

fn command(bench: &mut Bench, call: u64, what: usize) {
    let call_id = CallId(call);
    let user = || if call.is_multiple_of(2) { "anna".to_owned() } else { "ben".to_owned() };
    let flip = call.is_multiple_of(7);
    let per_call = call.is_multiple_of(2) == flip;
    let mode = if per_call { AgentLegMode::PerCall } else { AgentLegMode::Persistent };
    let prompt = || Arc::new(Prompt { pcmu: vec![0xff; 1_600], pcma: vec![0xd5; 1_600] });
    match what {
        0..=8 => bench.command(Command::Connect { call: call_id, user: user(), record: None }),
        9 => bench.command(Command::Disconnect { call: call_id }),
        10 => bench.command(Command::HangUp { call: call_id }),
        11 => bench.command(Command::SignOn { user: user(), leg: mode }),
        12 => bench.command(Command::SignOff { user: user() }),
        13 => bench.command(Command::PlayAndHangUp { call: call_id, prompt: prompt() }),
        _ => bench.media_event(MediaEvent::PromptFinished { call: call_id }),
    }
}

/// Every request but ACK that left, with where to.
#[derive(Default)]
struct Seen {
    invites: Vec<(String, Text)>,
    others: Vec<(String, Text)>,
    /// What we answered to Anna's phone.
    answers: Vec<Text>,
}

impl Seen {
    fn take(&mut self, bench: &mut Bench) {
        for to in [CARRIER, PHONE, MOBILE, "192.0.2.51:5062"] {
            for text in bench.sent(to) {
                if text.is("INVITE ") {
                    self.invites.push((to.to_owned(), text));
                } else if text.is("SIP/2.0 ") {
                    self.answers.push(text);
                } else if !text.is("ACK ") {
                    self.others.push((to.to_owned(), text));
                }
            }
        }
    }
}

/// Anna's second line does something; a call is on a new line.
fn on_the_line(bench: &mut Bench, line: &mut Line, seen: &mut Seen, what: usize, count: u32) {
    line.note(&seen.answers);
    match what {
        0..=2 => {
            *line = Line::new();
            line.call_id = Box::leak(format!("line{count}").into_boxed_str());
            for text in line.call(bench, "sip:ben@192.0.2.1").into_iter().filter(|text| !text.is("SIP/2.0 "))
            {
                let kept = if text.is("INVITE ") { &mut seen.invites } else { &mut seen.others };
                kept.push((PHONE.to_owned(), text));
            }
        }
        3 => {
            let cancel = line.write("CANCEL", "sip:ben@192.0.2.1", &[], "");
            bench.feed(PHONE, cancel);
        }
        _ if line.answer.is_none() => {}
        4 => {
            let bye = line.within("BYE", &[]);
            bench.feed(PHONE, bye);
        }
        5 | 6 => {
            let ack = line.within("ACK", &[]);
            bench.feed(PHONE, ack);
        }
        _ => {
            let leg = seen.invites.iter().rfind(|(to, _)| to == PHONE).map(|(_, invite)| invite.clone());
            let to = format!("Refer-To: {}", line.replaced());
            if let Some(leg) = leg {
                bench.feed(PHONE, leg.request("REFER", "one", 1_000 + count, &[&to], ""));
            }
        }
    }
}

/// Anna's second phone does something: a call that names a leg of hers, with or without an offer, or her second line, or a call
/// that it took over before.
fn pull(
    bench: &mut Bench,
    (pulled, line): (&mut Line, &Line),
    seen: &mut Seen,
    (which, what): (usize, usize),
    count: u32,
) {
    pulled.note(&seen.answers);
    match what {
        0..=4 => {
            let hers: Vec<&(String, Text)> =
                seen.invites.iter().filter(|(to, _)| to == PHONE || to == MOBILE).collect();
            let of_line = |line: &Line| {
                let tag = line.answer.as_ref()?.header("To").split(";tag=").nth(1)?.to_owned();
                Some(format!("Replaces: {};to-tag={tag};from-tag=mine", line.call_id))
            };
            let replaces = match what {
                3 => of_line(line),
                4 => of_line(pulled),
                _ => hers.iter().rev().nth(which % 3).map(|(_, invite)| named(invite, "one")),
            };
            let Some(mut replaces) = replaces else { return };
            if which.is_multiple_of(8) {
                replaces.push_str(";early-only");
            }
            let offer = if what == 1 { String::new() } else { sdp(5_200, "8 0", "sendrecv") };
            *pulled = mobile();
            pulled.call_id = Box::leak(format!("pull{count}").into_boxed_str());
            let sent = pulled.call_with(bench, "sip:192.0.2.1", &[&replaces], &offer);
            for text in sent.into_iter().filter(|text| !text.is("SIP/2.0 ")) {
                let kept = if text.is("INVITE ") { &mut seen.invites } else { &mut seen.others };
                kept.push((MOBILE.to_owned(), text));
            }
        }
        _ if pulled.answer.is_none() => {}
        5 => {
            let bye = pulled.within("BYE", &[]);
            bench.feed(MOBILE, bye);
        }
        _ => {
            let target = pulled.answer.as_ref().expect("an answer").between("Contact: <", ">").to_owned();
            let codec = if which.is_multiple_of(5) { "18" } else { "0" };
            let ack = pulled.write("ACK", &target, &[], &sdp(5_200, codec, "sendrecv"));
            bench.feed(MOBILE, ack);
        }
    }
}

/// One of the last few.
fn recent(messages: &[(String, Text)], which: usize) -> Option<&(String, Text)> {
    messages.iter().rev().nth(which % messages.len().clamp(1, 5))
}

fn answer(bench: &mut Bench, (from, invite): &(String, Text), what: usize) {
    let contact = format!("Contact: <sip:peer@{from}>");
    let timer =
        ["Session-Expires: 90;refresher=uac", "Session-Expires: 300;refresher=uas", "Allow: UPDATE, MESSAGE"];
    let more = [contact.as_str(), timer[what % 3]];
    let good = |tag: &str| invite.reply("200 OK", tag, &more, &sdp(4_000, "0 8", "sendrecv"));
    let reliable = |rseq: &str| {
        let headers = [contact.as_str(), "Require: 100rel", rseq];
        invite.reply("183 Session Progress", "one", &headers, &sdp(4_002, "0", "sendrecv"))
    };
    let text = match what {
        0 => invite.reply("100 Trying", "", &[], ""),
        1 => invite.reply("180 Ringing", "one", &[], ""),
        2 => invite.reply("183 Session Progress", "one", &[], &sdp(4_000, "8", "sendrecv")),
        3..=10 => good("one"),
        11 => good("two"),
        12 => invite.reply("200 OK", "one", &[&contact], &sdp(4_000, "18", "sendrecv")),
        13 => invite.reply("486 Busy Here", "one", &[], ""),
        15 => reliable("RSeq: 1"),
        16 => reliable("RSeq: 2"),
        17 => invite.reply("422 Session Interval Too Small", "one", &["Min-SE: 2000"], ""),
        14 => invite.reply("487 Request Terminated", "one", &[], ""),
        _ => invite.reply("503 Service Unavailable", "one", &[], ""),
    };
    bench.feed(from, text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn every_call_ends_once_and_nothing_is_left(steps in proptest::collection::vec(step(), 1..200)) {
        let mut options = options();
        options.trunks.push(trunk("beta"));
        options.trunks[0].calls_per_second = 50.0;
        options.rtp_ports = (20_000, 20_015);
        let mut bench = Bench::new(options);
        bench.bind_anna();
        bind_mobile(&mut bench);
        let (mut ledger, mut studio, mut seen) = (Ledger::default(), Studio::default(), Seen::default());
        let (mut calls, mut asked, mut lines) = (0, 0, 0);
        let (mut line, mut pulled) = (Line::new(), mobile());
        for (user, leg) in [("anna", AgentLegMode::Persistent), ("ben", AgentLegMode::PerCall)] {
            bench.command(Command::SignOn { user: user.into(), leg });
        }
        seen.take(&mut bench);
        for step in steps {
            match step {
                Step::Call => {
                    let number = "+15550199".to_owned();
                    bench.command(Command::Reserve { call: CallId(calls), number, first: None, trunks: Vec::new() });
                    calls += 1;
                }
                Step::Answer(which, what) => {
                    if let Some(invite) = recent(&seen.invites, which) {
                        answer(&mut bench, invite, what);
                    }
                }
                Step::Ask(which, what) => {
                    if let Some((from, invite)) = recent(&seen.invites, which) {
                        asked += 1;
                        let methods = ["BYE", "INVITE", "OPTIONS", "ACK", "UPDATE", "MESSAGE", "REFER", "REFER"];
                        let body = if which % 2 == 0 { sdp(4_004, "0 8", "sendonly") } else { String::new() };
                        let to = ["Refer-To: <sip:ben@192.0.2.1>", "Refer-To: <sip:anna@192.0.2.1>"][what % 2];
                        let request = invite.request(methods[what], "one", asked, &[to, "Supported: timer"], &body);
                        bench.feed(from, request);
                    }
                }
                Step::Settle(which, what) => {
                    if let Some((from, request)) = recent(&seen.others, which) {
                        let answer = request.reply(STATUSES[what], "one", &["Min-SE: 2500"], "");
                        bench.feed(from, answer);
                    }
                }
                Step::Command(back, what) => command(&mut bench, calls.saturating_sub(back + 1), what),
                Step::Wait(wait_ms) => {
                    bench.pass(ms(wait_ms));
                    // Phones register again in time.
                    bench.bind_anna();
                    refresh_mobile(&mut bench);
                }
                Step::Pull(which, what) => {
                    lines += 1;
                    pull(&mut bench, (&mut pulled, &line), &mut seen, (which, what), lines);
                }
                Step::Line(what) => {
                    lines += 1;
                    on_the_line(&mut bench, &mut line, &mut seen, what, lines);
                }
            }
            ledger.take(&mut bench);
            studio.take(bench.media());
            seen.take(&mut bench);
        }
        for call in 0..calls {
            bench.command(Command::HangUp { call: CallId(call) });
        }
        for user in ["anna", "ben"] {
            bench.command(Command::SignOff { user: user.into() });
        }
        bench.pass(Duration::from_secs(300));
        ledger.take(&mut bench);
        studio.take(bench.media());
        prop_assert_eq!(&ledger.placed, &ledger.ended);
        prop_assert!(ledger.lines.is_empty());
        prop_assert!(studio.open.is_empty() && studio.spliced.is_empty());
        prop_assert_eq!(bench.gateway.leftovers(), (0, 0, 0));
        prop_assert!(bench.gateway.transfers.is_empty() && bench.gateway.consultations.is_empty());
        prop_assert!(bench.gateway.takeovers.is_empty());
        prop_assert_eq!(bench.gateway.room(bench.now).lines_free, 8, "as many as there are ports");
    }
}
