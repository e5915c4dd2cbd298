//! The client half through the doors: messages as text in, datagrams and reports out.

use std::time::Duration;

use crate::message::{FieldError, HeaderName, Method};
use crate::transaction::testing::*;
use crate::transaction::{CancelError, Output, SendError};

// ---- client, INVITE -------------------------------------------------------------------------------------

#[test]
fn an_invite_is_sent_and_repeated_until_something_comes() {
    let mut layer = layer();
    send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    let first = drain(&mut layer);
    assert!(
        matches!(first.as_slice(), [Output::Transmit { to, local, .. }] if *to == at(CARRIER) && *local == at(OURS).into())
    );
    assert_eq!(run_to(&mut layer, ms(500)), first, "timer A repeats the very same datagram");
    assert_eq!(passed_up(&receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), ms(600))), [180]);
    assert_eq!(run_to(&mut layer, secs(60)), [], "no repetition after a provisional response");
}

// §17.1.1.2, timer B: no response at all.
#[test]
fn silence_is_reported_once_and_ends_the_transaction() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    let outputs = run_to(&mut layer, secs(40));
    assert_eq!(sent(&outputs).len(), 7, "the INVITE and six repetitions");
    assert_eq!(outputs[7..], [Output::Timeout { key }, Output::Terminated { key }]);
    assert_eq!(layer.clients(), 0);
}

// §17.1.1.3: the ACK of a failure has the INVITE's Request-URI, Call-ID, From, CSeq number and topmost Via, the To
// of the response, and the INVITE's Route.
#[test]
fn the_ack_of_a_failure() {
    let mut layer = layer();
    let invite = request(&invite_text("z9hG4bKa"));
    layer.send_request(invite.clone(), at(CARRIER), at(OURS), Duration::ZERO).expect("sent");
    drain(&mut layer);
    let outputs = receive(&mut layer, &response_text("z9hG4bKa", 486, "callee"), ms(100));
    assert_eq!(passed_up(&outputs), [486]);
    let ack = sent_request(&outputs);
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.uri, invite.uri);
    for same in [HeaderName::CallId, HeaderName::From, HeaderName::Via, HeaderName::Route] {
        assert_eq!(text(&ack, same.clone()), text(&invite, same.clone()), "{same}");
        assert!(!text(&ack, same.clone()).is_empty(), "{same}");
    }
    assert_eq!(ack.headers.all(HeaderName::Via).count(), 1);
    assert_eq!(text(&ack, HeaderName::CSeq), "1 ACK");
    assert_eq!(ack.headers.to().expect("To").tag(), Some("callee"));
    assert_eq!(text(&ack, HeaderName::MaxForwards), "70");

    // §17.1.1.2: a repeated failure is acknowledged again, and the user doesn't hear of it.
    let again = receive(&mut layer, &response_text("z9hG4bKa", 486, "callee"), ms(600));
    assert_eq!(sent_request(&again), ack);
    assert_eq!(passed_up(&again), [] as [u16; 0]);
}

// RFC 6026 §7.2, RFC 3261 §13.2.2.4: every 2xx is passed up: repeated ones for the ACK was lost, and those of other forks.
#[test]
fn every_2xx_is_passed_up_and_acknowledged_by_the_user() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    drain(&mut layer);
    for (tag, now) in [("one", 1), ("two", 2), ("one", 3), ("one", 30)] {
        let outputs = receive(&mut layer, &response_text("z9hG4bKa", 200, tag), secs(now));
        assert!(matches!(outputs.as_slice(), [Output::Response { key: k, response, .. }]
            if *k == key && response.headers.to().expect("To").tag() == Some(tag)));
    }
    assert_eq!(run_to(&mut layer, secs(33)), [Output::Terminated { key }]);
    // §13.2.2.4: one that comes later is handed over without a transaction.
    let late = receive(&mut layer, &response_text("z9hG4bKa", 200, "three"), secs(34));
    assert!(matches!(late.as_slice(), [Output::StrayResponse { .. }]));
}

// A client that waits for repetitions keeps what a response is known by, and nothing else of its request.
#[test]
fn an_answered_invite_keeps_what_a_response_is_known_by() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), ms(1));
    let has =
        |layer: &super::Layer, name| layer.table.get(key).expect("until M").request.headers.contains(name);
    assert!(has(&layer, HeaderName::Route));
    receive(&mut layer, &response_text("z9hG4bKa", 200, "b"), ms(2));
    assert!(!has(&layer, HeaderName::Route) && has(&layer, HeaderName::Via));
    assert!(layer.table.get(key).expect("until M").last.is_empty());
    let other_call = response_text("z9hG4bKa", 200, "c").replace("call-1", "call-2");
    assert!(matches!(receive(&mut layer, &other_call, ms(3)).as_slice(), [Output::StrayResponse { .. }]));
    assert_eq!(passed_up(&receive(&mut layer, &response_text("z9hG4bKa", 200, "c"), ms(4))), [200]);
}

// §17.1.3, §18.1.2: a response belongs to a request by branch, method and sent-by; we also compare Call-ID, From tag and
// CSeq number, for a guessed branch shall answer no call.
#[test]
fn responses_that_are_not_ours_are_dropped() {
    let good = response_text("z9hG4bKa", 180, "b");
    let mut layer = layer();
    send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    drain(&mut layer);
    for (what, from, to) in [
        ("branch", "z9hG4bKa", "z9hG4bKx"),
        ("method", "1 INVITE", "1 OPTIONS"),
        ("sent-by host", "UDP 192.0.2.1:5060", "UDP 192.0.2.2:5060"),
        ("sent-by port", "UDP 192.0.2.1:5060", "UDP 192.0.2.1:5062"),
        ("Call-ID", "call-1", "call-2"),
        ("From tag", "tag=ours", "tag=theirs"),
        ("CSeq number", "1 INVITE", "2 INVITE"),
        ("a second Via", "From:", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb\r\nFrom:"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{what}");
        assert_eq!(receive(&mut layer, &bad, ms(10)), [], "{what}");
    }
    assert_eq!(layer.tally().responses_unmatched, 8);
    assert_eq!(passed_up(&receive(&mut layer, &good, ms(20))), [180]);
}

// A 2xx of another fork that comes after the failure was acknowledged.
#[test]
fn a_200_after_a_failure_is_a_stray() {
    let mut layer = layer();
    send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    receive(&mut layer, &response_text("z9hG4bKa", 486, "b"), ms(10));
    let late = receive(&mut layer, &response_text("z9hG4bKa", 200, "c"), ms(20));
    assert!(matches!(late.as_slice(), [Output::StrayResponse { .. }]));
}

#[test]
fn a_200_with_a_foreign_call_id_is_a_stray_and_no_answer() {
    let mut layer = layer();
    send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    drain(&mut layer);
    let foreign = response_text("z9hG4bKa", 200, "b").replace("call-1", "call-2");
    assert!(matches!(receive(&mut layer, &foreign, ms(10)).as_slice(), [Output::StrayResponse { .. }]));
}

// ---- client, CANCEL -------------------------------------------------------------------------------------

// §9.1: a CANCEL has the Request-URI, Call-ID, To, From, CSeq number, topmost Via and Route of its INVITE, and no Require.
#[test]
fn the_cancel_of_an_invite() {
    let mut layer = layer();
    let invite = request(&invite_text("z9hG4bKa").replace("Max-", "Require: x\r\nProxy-Require: y\r\nMax-"));
    let key = layer.send_request(invite.clone(), at(CARRIER), at(OURS), Duration::ZERO).expect("sent");
    drain(&mut layer);
    // §9.1: not before a provisional response.
    assert_eq!(layer.cancel(key, None, ms(10)), Err(CancelError::TooEarly));
    receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), ms(20));
    assert_eq!(layer.cancel(key, None, ms(30)), Ok(()));
    let cancel = sent_request(&drain(&mut layer));
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(cancel.uri, invite.uri);
    for same in [HeaderName::CallId, HeaderName::From, HeaderName::To, HeaderName::Via, HeaderName::Route] {
        assert_eq!(text(&cancel, same.clone()), text(&invite, same.clone()), "{same}");
    }
    assert_eq!(text(&cancel, HeaderName::CSeq), "1 CANCEL");
    assert!(
        !cancel.headers.contains(HeaderName::Require) && !cancel.headers.contains(HeaderName::ProxyRequire)
    );
    assert_eq!(layer.cancel(key, None, ms(40)), Err(CancelError::Already));

    // The 200 of the CANCEL matches it by its method (§17.1.3) and stays inside.
    let ok = response_text("z9hG4bKa", 200, "b").replace("1 INVITE", "1 CANCEL");
    assert_eq!(receive(&mut layer, &ok, ms(50)), []);
    let outputs = receive(&mut layer, &response_text("z9hG4bKa", 487, "b"), ms(60));
    assert_eq!(passed_up(&outputs), [487]);
    assert_eq!(sent_request(&outputs).method, Method::Ack);
    assert_eq!(layer.cancel(key, None, ms(70)), Err(CancelError::TooLate));
    assert_eq!(run_to(&mut layer, secs(60)), [Output::Terminated { key }]);
    assert_eq!((layer.clients(), layer.poll_timeout()), (0, None));
}

// A full table stops new calls but not the end of those that ring.
#[test]
fn a_cancel_finds_room_in_a_full_table() {
    let mut layer = small(1, 1);
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), ms(20));
    layer.cancel(key, None, ms(30)).expect("cancelled");
    assert_eq!(sent_request(&drain(&mut layer)).method, Method::Cancel);
}

// §9.1: the 2xx that crossed the CANCEL is passed up: the user acknowledges and ends it.
#[test]
fn a_200_may_cross_the_cancel() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), ms(20));
    layer.cancel(key, None, ms(30)).expect("cancelled");
    assert_eq!(passed_up(&receive(&mut layer, &response_text("z9hG4bKa", 200, "b"), ms(40))), [200]);
}

// §9.1: without a final response the INVITE is over 64*T1 after its CANCEL.
#[test]
fn a_cancelled_invite_without_an_end_times_out() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), ms(20));
    layer.cancel(key, None, secs(1)).expect("cancelled");
    let outputs = run_to(&mut layer, secs(33));
    let reports: Vec<_> =
        outputs.iter().filter(|output| !matches!(output, Output::Transmit { .. })).collect();
    assert_eq!(reports, [&Output::Timeout { key }, &Output::Terminated { key }]);
    assert_eq!(layer.clients(), 0);
}

// §16.8: an INVITE that everybody forgot is cancelled by itself.
#[test]
fn a_forgotten_invite_is_cancelled() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), Duration::ZERO);
    assert_eq!(sent_request(&run_to(&mut layer, secs(181))).method, Method::Cancel);
    let outputs = run_to(&mut layer, secs(300));
    assert!(outputs.contains(&Output::Timeout { key }));
    assert_eq!((layer.clients(), layer.poll_timeout()), (0, None));
}

// ---- client, other --------------------------------------------------------------------------------------

#[test]
fn a_bye_is_repeated_answered_once_and_forgotten() {
    let mut layer = layer();
    let key = send(&mut layer, &request_text("BYE", "z9hG4bKa"), Duration::ZERO);
    assert_eq!(sent(&run_to(&mut layer, secs(2))).len(), 3);
    let ok = response_text("z9hG4bKa", 200, "b").replace("1 INVITE", "1 BYE");
    assert_eq!(passed_up(&receive(&mut layer, &ok, secs(2))), [200]);
    assert_eq!(receive(&mut layer, &ok, secs(3)), [], "a repeated response is absorbed");
    assert_eq!(run_to(&mut layer, secs(7)), [Output::Terminated { key }]);
    assert_eq!(layer.clients(), 0);
}

#[test]
fn what_can_not_be_sent_is_refused() {
    let mut layer = small(1, 1);
    let mut refuse = |text: &str| layer.send_request(request(text), at(CARRIER), at(OURS), Duration::ZERO);
    assert_eq!(refuse(&request_text("ACK", "z9hG4bKa")), Err(SendError::Ack));
    let no_branch = request_text("OPTIONS", "z9hG4bKa").replace(";branch=z9hG4bKa", "");
    assert_eq!(refuse(&no_branch), Err(SendError::Field(FieldError::Via)));
    assert!(refuse(&request_text("OPTIONS", "z9hG4bKa")).is_ok());
    assert_eq!(refuse(&request_text("OPTIONS", "z9hG4bKa")), Err(SendError::BranchInUse));
    assert_eq!(refuse(&request_text("OPTIONS", "z9hG4bKb")), Err(SendError::Full));
}

// §18.4, §17.1.4.
#[test]
fn a_transport_error_reaches_the_transactions_of_that_address() {
    let mut layer = layer();
    let key = send(&mut layer, &invite_text("z9hG4bKa"), Duration::ZERO);
    let other = request_text("OPTIONS", "z9hG4bKb");
    layer.send_request(request(&other), at("192.0.2.99:5060"), at(OURS), Duration::ZERO).expect("sent");
    drain(&mut layer);
    layer.transport_error(at(CARRIER), at(OURS), ms(1));
    assert_eq!(drain(&mut layer), [Output::TransportError { key }, Output::Terminated { key }]);
    assert_eq!(layer.clients(), 1);
}
