//! The server half through the doors: messages as text in, datagrams and reports out.

use std::time::Duration;

use crate::message::{HeaderName, Method, reason_phrase};
use crate::options::Timers;
use crate::transaction::testing::*;
use crate::transaction::{Layer, LayerOptions, Output, TagMaker};

// ---- server ---------------------------------------------------------------------------------------------

// §17.2.2, §17.2.3: a request is passed up once; its retransmissions are answered from memory.
#[test]
fn retransmissions_are_absorbed() {
    let mut layer = layer();
    let options = request_text("OPTIONS", "z9hG4bKa");
    let (key, request) = new_request(&receive(&mut layer, &options, Duration::ZERO));
    assert_eq!(receive(&mut layer, &options, ms(500)), [], "nothing to repeat yet");
    let answer = respond(&mut layer, key, &request, 200, ms(600));
    assert_eq!(sent_response(&answer).status, 200);
    assert_eq!(receive(&mut layer, &options, ms(700)), answer, "the same datagram again");
    assert_eq!(layer.tally().retransmissions, 2);
    assert_eq!(run_to(&mut layer, ms(32_600)), [Output::Terminated { key }]);
    assert_eq!((layer.servers(), layer.poll_timeout()), (0, None));
}

// §17.2.3: another branch, another sent-by or another method is another transaction.
#[test]
fn what_makes_a_transaction_of_its_own() {
    let mut layer = layer();
    let options = request_text("OPTIONS", "z9hG4bKa");
    let other_call = |text: String, call: &str| text.replace("call-1", call);
    for (number, text) in [
        options.clone(),
        other_call(request_text("OPTIONS", "z9hG4bKb"), "call-2"),
        other_call(options.replace("192.0.2.1:5060", "192.0.2.1:5062"), "call-3"),
        other_call(options.replace("192.0.2.1:5060", "192.0.2.7:5060"), "call-4"),
        request_text("MESSAGE", "z9hG4bKa"),
    ]
    .into_iter()
    .enumerate()
    {
        new_request(&receive(&mut layer, &text, Duration::ZERO));
        assert_eq!(layer.servers(), number + 1);
    }
}

// §18.2.1, §18.2.2, RFC 3581 §4: where a response goes.
#[test]
fn responses_go_back_the_way_the_request_came() {
    let with_rport = request_text("OPTIONS", "z9hG4bKa");
    let without = with_rport.replace(";rport", "");
    for (text, source, answer_to_source, expected) in [
        (&with_rport, "198.51.100.7:40000", false, "198.51.100.7:40000"),
        (&without, "198.51.100.7:40000", false, "198.51.100.7:5060"),
        (&without, "192.0.2.1:40000", false, "192.0.2.1:5060"),
        (&without, "198.51.100.7:40000", true, "198.51.100.7:40000"),
    ] {
        let options = LayerOptions { answer_to_source, ..LayerOptions::new(Timers::default()) };
        let mut layer = Layer::new(options, TagMaker::new([7; 32]));
        layer.receive(message(text), at(source), at(OURS), Duration::ZERO);
        let (key, request) = new_request(&drain(&mut layer));
        let via = request.headers.via_top().expect("Via");
        assert_eq!(via.received().is_some(), text.contains("rport") || !source.starts_with("192.0.2.1:"));
        let outputs = respond(&mut layer, key, &request, 200, Duration::ZERO);
        assert!(
            matches!(outputs.as_slice(), [Output::Transmit { to, local, .. }] if *to == at(expected) && *local == at(OURS).into())
        );
    }
}

// §8.2.6.2: all responses to a request have the same To tag, a 100 needs none; §9.2: so has that of the CANCEL.
#[test]
fn one_to_tag_for_all_responses() {
    let mut layer = layer();
    let invite = invite_text("z9hG4bKa");
    let (key, request) = new_request(&receive(&mut layer, &invite, Duration::ZERO));
    let tag = |outputs: &[Output]| sent_response(outputs).headers.to().expect("To").tag().map(str::to_owned);
    assert_eq!(tag(&respond(&mut layer, key, &request, 100, Duration::ZERO)), None);
    let ringing = tag(&respond(&mut layer, key, &request, 180, Duration::ZERO));
    assert!(ringing.as_ref().is_some_and(|tag| tag.len() == 16));
    let mut cancelled = receive(&mut layer, &invite.replace("INVITE", "CANCEL"), ms(1));
    assert_eq!(cancelled.pop(), Some(Output::Cancelled { key }));
    assert_eq!(sent_response(&cancelled).status, 200);
    assert_eq!(tag(&cancelled), ringing);
    assert_eq!(tag(&respond(&mut layer, key, &request, 487, ms(2))), ringing);
}

// §17.2.1: 100 after 200 ms.
#[test]
fn an_invite_gets_a_100_when_the_user_is_slow() {
    let mut layer = layer();
    let invite = invite_text("z9hG4bKa");
    receive(&mut layer, &invite, Duration::ZERO);
    let trying = run_to(&mut layer, ms(200));
    assert_eq!(sent_response(&trying).status, 100);
    assert_eq!(receive(&mut layer, &invite, ms(500)), trying, "and again for the repeated INVITE");
}

// §17.2.1: a failure is repeated until its ACK; the ACK stays inside.
#[test]
fn the_ack_of_a_failure_ends_its_repetition() {
    let mut layer = layer();
    let invite = invite_text("z9hG4bKa");
    let (key, request) = new_request(&receive(&mut layer, &invite, Duration::ZERO));
    let busy = respond(&mut layer, key, &request, 486, Duration::ZERO);
    assert_eq!(run_to(&mut layer, ms(1_500)), [busy.clone(), busy].concat());
    assert_eq!(receive(&mut layer, &request_text("ACK", "z9hG4bKa"), secs(2)), []);
    assert_eq!(receive(&mut layer, &request_text("ACK", "z9hG4bKa"), secs(2)), []);
    assert_eq!(run_to(&mut layer, secs(7)), [Output::Terminated { key }]);
}

// §17.2.1: a lost ACK.
#[test]
fn a_failure_that_is_never_acknowledged_times_out() {
    let mut layer = layer();
    let (key, request) = new_request(&receive(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO));
    respond(&mut layer, key, &request, 486, Duration::ZERO);
    let outputs = run_to(&mut layer, secs(32));
    assert_eq!(sent(&outputs).len(), 10);
    assert_eq!(outputs[10..], [Output::Timeout { key }, Output::Terminated { key }]);
}

// §13.3.1.4, RFC 6026 §7.1: the user repeats its 2xx through the layer; the ACK, with a branch of its own, is passed up.
#[test]
fn a_2xx_is_the_users_to_repeat_until_its_ack() {
    let mut layer = layer();
    let invite = invite_text("z9hG4bKa");
    let (key, request) = new_request(&receive(&mut layer, &invite, Duration::ZERO));
    let first = respond(&mut layer, key, &request, 200, Duration::ZERO);
    assert_eq!(receive(&mut layer, &invite, ms(500)), [], "a repeated INVITE is absorbed");
    assert_eq!(respond(&mut layer, key, &request, 200, ms(500)), first);
    assert_eq!(respond(&mut layer, key, &request, 486, ms(500)), [], "too late for anything else");
    for branch in ["z9hG4bKb", "z9hG4bKa"] {
        let outputs = receive(&mut layer, &request_text("ACK", branch), ms(600));
        assert!(matches!(outputs.as_slice(), [Output::Ack { request, .. }] if request.method == Method::Ack));
    }
    assert_eq!(run_to(&mut layer, secs(32)), [Output::Terminated { key }]);
    assert_eq!(respond(&mut layer, key, &request, 200, secs(33)), [], "over");
}

// §9.2: 481 without a match, 200 with one; after the final response the CANCEL has no effect.
#[test]
fn cancels_of_the_peer() {
    let mut layer = layer();
    let stray = receive(&mut layer, &request_text("CANCEL", "z9hG4bKz"), Duration::ZERO);
    assert_eq!(sent_response(&stray).status, 481);

    let (key, request) = new_request(&receive(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO));
    respond(&mut layer, key, &request, 486, Duration::ZERO);
    let late = receive(&mut layer, &request_text("CANCEL", "z9hG4bKa"), ms(1));
    assert_eq!(sent_response(&late).status, 200, "and nobody is told");
    assert_eq!(late.len(), 1);

    // A CANCEL may also name another request than an INVITE: it is matched, and has no effect.
    let options = request_text("OPTIONS", "z9hG4bKo").replace("call-1", "call-2");
    new_request(&receive(&mut layer, &options, Duration::ZERO));
    let idle = receive(&mut layer, &options.replace("OPTIONS", "CANCEL"), ms(1));
    assert_eq!((sent_response(&idle).status, idle.len()), (200, 1));

    run_to(&mut layer, secs(300));
    assert_eq!((layer.servers(), layer.poll_timeout()), (0, None));
}

#[test]
fn a_repeated_cancel_is_answered_again_but_told_once() {
    let mut layer = layer();
    let (key, _) = new_request(&receive(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO));
    let cancel = request_text("CANCEL", "z9hG4bKa");
    let first = receive(&mut layer, &cancel, ms(1));
    assert!(first.contains(&Output::Cancelled { key }));
    assert_eq!(receive(&mut layer, &cancel, ms(2)), first[..1]);
}

// §8.2.2.2: the same request over two paths.
#[test]
fn a_merged_request_gets_482() {
    let mut layer = layer();
    let (key, request) = new_request(&receive(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO));
    let merged = receive(&mut layer, &invite_text("z9hG4bKb"), ms(1));
    assert_eq!(sent_response(&merged).status, 482);
    assert_eq!(layer.tally().merged, 1);
    assert_eq!(receive(&mut layer, &request_text("ACK", "z9hG4bKb"), ms(2)), [], "its ACK stays inside");

    // Within a dialog, or once the first copy is forgotten, it isn't merged.
    let in_dialog =
        invite_text("z9hG4bKc").replace("To: <sip:callee@192.0.2.10>", "To: <sip:callee@192.0.2.10>;tag=x");
    new_request(&receive(&mut layer, &in_dialog, ms(3)));
    respond(&mut layer, key, &request, 486, ms(4));
    run_to(&mut layer, secs(300));
    new_request(&receive(&mut layer, &invite_text("z9hG4bKd"), secs(300)));
}

// A full table: 503 with Retry-After for the peer (§21.5.4), and room of their own for our requests and for what ends calls.
#[test]
fn no_more_server_transactions_than_the_maximum() {
    let mut layer = small(10, 6);
    for number in 0..3 {
        let text =
            request_text("OPTIONS", &format!("z9hG4bK{number}")).replace("call-1", &format!("call-{number}"));
        new_request(&receive(&mut layer, &text, Duration::ZERO));
    }
    let text = request_text("OPTIONS", "z9hG4bKx").replace("call-1", "call-x");
    let refusal = receive(&mut layer, &text, ms(1));
    let response = sent_response(&refusal);
    assert_eq!((response.status, response.headers.retry_after()), (503, Some(32)));
    assert!(response.headers.to().expect("To").tag().is_some());
    assert_eq!(receive(&mut layer, &text, ms(2)), refusal, "the same answer to its retransmission");
    let cancel = receive(&mut layer, &request_text("CANCEL", "z9hG4bKx"), ms(3));
    assert_eq!(sent_response(&cancel).status, 481, "a CANCEL is answered all the same");
    assert_eq!((layer.servers(), layer.tally().refused), (4, 2));
    let bye = |number: u32| {
        let text = request_text("BYE", &format!("z9hG4bKbye{number}"));
        text.replace("call-1", &format!("call-{number}"))
            .replace("To: <sip:callee@192.0.2.10>", "To: <sip:callee@192.0.2.10>;tag=ours")
    };
    (0..2).for_each(|call| drop(new_request(&receive(&mut layer, &bye(call), ms(4)))));
    assert_eq!(sent_response(&receive(&mut layer, &bye(9), ms(4))).status, 503);
    assert_eq!((layer.servers(), layer.tally().refused), (6, 3));
    send(&mut layer, &request_text("BYE", "z9hG4bKbye"), ms(4));
    run_to(&mut layer, secs(33));
    new_request(&receive(&mut layer, &text, secs(33)));
}

// §8.2.7, §21.5.4: in overload what is new is refused without a transaction; what belongs to something is served.
#[test]
fn only_what_is_new_is_shed() {
    let mut layer = layer();
    let (invite, _) = new_request(&receive(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO));
    layer.shed(Some(secs(5)));
    for (number, method) in ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE"].into_iter().enumerate()
    {
        let text = request_text(method, &format!("z9hG4bKnew{number}")).replace("call-1", "call-new");
        let refusal = receive(&mut layer, &text, ms(1));
        let response = sent_response(&refusal);
        assert_eq!((response.status, response.headers.retry_after()), (503, Some(5)), "{method}");
        assert_eq!(refusal, receive(&mut layer, &text, ms(2)), "{method}: the same to its retransmission");
    }
    assert_eq!((layer.servers(), layer.tally().shed), (1, 10), "none of them left anything behind");

    assert_eq!(receive(&mut layer, &invite_text("z9hG4bKa"), ms(3)), [], "a retransmission is absorbed");
    let cancelled = receive(&mut layer, &request_text("CANCEL", "z9hG4bKa"), ms(4));
    assert!(cancelled.contains(&Output::Cancelled { key: invite }));
    for method in ["BYE", "INVITE", "INFO", "OPTIONS", "UPDATE"] {
        let text = request_text(method, &format!("z9hG4bKin{method}"))
            .replace("To: <sip:callee@192.0.2.10>", "To: <sip:callee@192.0.2.10>;tag=ours");
        new_request(&receive(&mut layer, &text, ms(5)));
    }
    let ack = request_text("ACK", "z9hG4bKack");
    assert!(matches!(receive(&mut layer, &ack, ms(6)).as_slice(), [Output::Ack { .. }]));
    send(&mut layer, &request_text("INVITE", "z9hG4bKout"), ms(7));
    drain(&mut layer);
    assert_eq!(passed_up(&receive(&mut layer, &response_text("z9hG4bKout", 200, "b"), ms(8))), [200]);

    layer.shed(None);
    let text = request_text("REGISTER", "z9hG4bKagain").replace("call-1", "call-again");
    new_request(&receive(&mut layer, &text, ms(9)));
}

// A server that only repeats its response keeps nothing else of the request.
#[test]
fn an_answered_request_is_given_back() {
    let mut layer = layer();
    let (key, request) =
        new_request(&receive(&mut layer, &request_text("OPTIONS", "z9hG4bKa"), Duration::ZERO));
    let answer = respond(&mut layer, key, &request, 200, ms(1));
    let kept = &layer.table.get(key).expect("until timer J").request;
    assert!(!kept.headers.contains(HeaderName::Via) && kept.uri != request.uri);
    assert_eq!(respond(&mut layer, key, &request, 486, ms(2)), [], "it has its response");
    assert_eq!(receive(&mut layer, &request_text("OPTIONS", "z9hG4bKa"), ms(3)), answer);
}

// ---- RFC 2543 -------------------------------------------------------------------------------------------

/// Without the magic cookie, as before RFC 3261.
fn older(text: &str) -> String {
    text.replace("z9hG4bKa", "1").replace(";branch=1", "")
}

// §17.2.3: without the cookie an INVITE is matched by Request-URI, tags, Call-ID, CSeq and topmost Via; its ACK also by the
// To tag of the response; everything else like the INVITE.
#[test]
fn requests_of_rfc_2543_are_matched() {
    let mut layer = layer();
    let invite = older(&invite_text("z9hG4bKa"));
    let (key, request) = new_request(&receive(&mut layer, &invite, Duration::ZERO));
    assert_eq!(receive(&mut layer, &invite, ms(1)), [], "absorbed");
    let busy = respond(&mut layer, key, &request, 486, ms(2));
    assert_eq!(receive(&mut layer, &invite, ms(3)), busy);
    let tag = sent_response(&busy).headers.to().expect("To").tag().map(str::to_owned).expect("a tag");
    let ack = older(&request_text("ACK", "z9hG4bKa"));
    let with_tag = |tag: &str| {
        ack.replace("To: <sip:callee@192.0.2.10>", &format!("To: <sip:callee@192.0.2.10>;tag={tag}"))
    };
    assert!(matches!(receive(&mut layer, &with_tag("other"), ms(4)).as_slice(), [Output::Ack { .. }]));
    assert_eq!(receive(&mut layer, &with_tag(&tag), ms(5)), []);
    assert_eq!(run_to(&mut layer, secs(6)), [Output::Terminated { key }]);
}

#[test]
fn a_cancel_of_rfc_2543_finds_its_invite() {
    let mut layer = layer();
    let invite = older(&invite_text("z9hG4bKa"));
    let (key, _) = new_request(&receive(&mut layer, &invite, Duration::ZERO));
    let outputs = receive(&mut layer, &invite.replace("INVITE", "CANCEL"), ms(1));
    assert!(outputs.contains(&Output::Cancelled { key }));
}

// RFC 4475 §3.2.1: a branch of just the cookie names nothing.
#[test]
fn the_bare_cookie_merges_nothing() {
    let mut layer = layer();
    let bare = request_text("OPTIONS", "z9hG4bK");
    new_request(&receive(&mut layer, &bare, Duration::ZERO));
    new_request(&receive(&mut layer, &bare.replace("call-1", "call-2"), Duration::ZERO));
    assert_eq!(layer.servers(), 2);
}

// ---- stateless ------------------------------------------------------------------------------------------

#[test]
fn acks_of_2xx_and_stateless_answers_are_just_sent() {
    let mut layer = layer();
    layer.send_ack(&request(&request_text("ACK", "z9hG4bKa")), at(CARRIER), at(OURS)).expect("sent");
    assert_eq!(sent_request(&drain(&mut layer)).method, Method::Ack);
    let mut stray = request(&request_text("OPTIONS", "z9hG4bKa"));
    stray.headers.stamp_source(at("198.51.100.7:40000")).expect("stamped");
    let response = stray.response(404, reason_phrase(404));
    layer.answer_statelessly(&stray, response, at("198.51.100.7:40000"), at(OURS));
    let outputs = drain(&mut layer);
    assert!(matches!(outputs.as_slice(), [Output::Transmit { to, .. }] if *to == at("198.51.100.7:40000")));
    assert!(sent_response(&outputs).headers.to().expect("To").tag().is_some());
    assert_eq!((layer.clients(), layer.servers(), layer.poll_timeout()), (0, 0, None));
}

// The tag is the request's own: another secret, another call or another branch makes another.
#[test]
fn to_tags_can_not_be_foretold() {
    let base = request(&request_text("OPTIONS", "z9hG4bKa"));
    let other_branch = request(&request_text("OPTIONS", "z9hG4bKb"));
    let tags = TagMaker::new([7; 32]);
    assert_eq!(tags.tag(&base), tags.tag(&base));
    assert_ne!(tags.tag(&base), tags.tag(&other_branch));
    assert_ne!(tags.tag(&base), TagMaker::new([8; 32]).tag(&base));
}
