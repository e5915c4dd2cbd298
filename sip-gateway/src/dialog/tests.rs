//! RFC 3261 §12 from our side, with messages as text.

use std::net::SocketAddr;

use bytes::Bytes;

use super::*;
use crate::message::{Message, Method, decode};

const NEXT_HOP: &str = "192.0.2.10:5060";
const OURS: &str = "192.0.2.1:5060";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn invite() -> Request {
    request(
        "INVITE sip:+15550100@192.0.2.10 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinvite;rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"Carillon\" <sip:+15550199@192.0.2.1>;tag=ours\r\n\
         To: <sip:+15550100@192.0.2.10>\r\n\
         Call-ID: call-1\r\n\
         CSeq: 41 INVITE\r\n\
         Contact: <sip:c@192.0.2.1:5060>\r\n\
         Proxy-Authorization: Digest username=\"x\"\r\n\r\n",
    )
}

fn answer(more: &str) -> Response {
    let text = format!(
        "SIP/2.0 200 OK\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinvite;rport=5060;received=192.0.2.1\r\n\
         From: \"Carillon\" <sip:+15550199@192.0.2.1>;tag=ours\r\n\
         To: <sip:+15550100@192.0.2.10>;tag=theirs\r\n\
         Call-ID: call-1\r\n\
         CSeq: 41 INVITE\r\n\
         {more}\r\n"
    );
    match decode(Bytes::from(text)).expect("a good message") {
        Message::Response(response) => response,
        Message::Request(_) => panic!("not a response"),
    }
}

fn request(text: &str) -> Request {
    match decode(Bytes::from(text.to_owned())).expect("a good message") {
        Message::Request(request) => request,
        Message::Response(_) => panic!("not a request"),
    }
}

fn made_by(more: &str) -> Dialog {
    Dialog::from_answer(&invite(), &answer(more), Reach::Follow, at(NEXT_HOP), at(OURS)).expect("a dialog")
}

/// A request of the peer in that dialog.
fn peers(method: &str, cseq: u32, more: &str) -> Request {
    request(&format!(
        "{method} sip:c@192.0.2.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{method}{cseq}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:+15550100@192.0.2.10>;tag=theirs\r\n\
         To: <sip:+15550199@192.0.2.1>;tag=ours\r\n\
         Call-ID: call-1\r\n\
         CSeq: {cseq} {method}\r\n\
         {more}\r\n"
    ))
}

fn no_session(_: Option<&Bytes>) -> Negotiation {
    panic!("not a re-INVITE")
}

fn answered(served: Served) -> Response {
    match served {
        Served::Answered(response) | Served::Pracked(response) => response,
        other => panic!("{other:?}"),
    }
}

fn values(request: &Request, name: HeaderName) -> Vec<String> {
    request.headers.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

const CONTACT: &str = "Contact: <sip:callee@192.0.2.20:5070>\r\n";

// ---- §12.1.2 --------------------------------------------------------------------------------------------

#[test]
fn a_2xx_makes_a_dialog() {
    let dialog = made_by(CONTACT);
    let id = DialogId { call_id: "call-1".into(), local_tag: "ours".into(), remote_tag: "theirs".into() };
    assert_eq!(dialog.id(), &id);
    assert_eq!(dialog.remote_target().raw(), "sip:callee@192.0.2.20:5070");
    assert!(dialog.matches_response(&answer(CONTACT)));
    assert!(dialog.matches_request(&peers("BYE", 1, "")));
}

#[test]
fn nothing_else_makes_one() {
    let mut ringing = answer(CONTACT);
    ringing.status = 180;
    let mut other = answer(CONTACT);
    other.headers.set(HeaderName::CSeq, "42 INVITE");
    for response in [ringing, other] {
        let made = Dialog::from_answer(&invite(), &response, Reach::Follow, at(NEXT_HOP), at(OURS));
        assert_eq!(made, Err(DialogError::NotAnswered));
    }
}

// §12.1.2: a peer of RFC 2543 gives no tag; it may give no Contact either.
#[test]
fn a_peer_of_rfc_2543() {
    let mut old = answer("");
    old.headers.set(HeaderName::To, "<sip:+15550100@192.0.2.10>");
    let mut dialog =
        Dialog::from_answer(&invite(), &old, Reach::Follow, at(NEXT_HOP), at(OURS)).expect("a dialog");
    assert_eq!(dialog.id().remote_tag, "");
    let bye = dialog.request(Method::Bye, "z9hG4bKbye");
    assert_eq!(bye.uri.raw(), "sip:+15550100@192.0.2.10");
    assert_eq!(values(&bye, HeaderName::To), ["<sip:+15550100@192.0.2.10>"]);
}

// §12: each fork's 2xx makes a dialog of its own.
#[test]
fn forks_are_different_dialogs() {
    let mut fork = answer(CONTACT);
    fork.headers.set(HeaderName::To, "<sip:+15550100@192.0.2.10>;tag=other");
    let second =
        Dialog::from_answer(&invite(), &fork, Reach::Follow, at(NEXT_HOP), at(OURS)).expect("a dialog");
    let first = made_by(CONTACT);
    assert_ne!(first.id(), second.id());
    assert!(!first.matches_response(&fork) && second.matches_response(&fork));
}

// ---- §12.2.1.1 ------------------------------------------------------------------------------------------

#[test]
fn a_bye_without_routes() {
    let mut dialog = made_by(CONTACT);
    let bye = dialog.request(Method::Bye, "z9hG4bKbye");
    assert_eq!(bye.uri.raw(), "sip:callee@192.0.2.20:5070", "the remote target");
    assert_eq!(values(&bye, HeaderName::Route), [""; 0]);
    assert_eq!(values(&bye, HeaderName::Via), ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKbye;rport"]);
    assert_eq!(values(&bye, HeaderName::From), ["\"Carillon\" <sip:+15550199@192.0.2.1>;tag=ours"]);
    assert_eq!(values(&bye, HeaderName::To), ["<sip:+15550100@192.0.2.10>;tag=theirs"]);
    assert_eq!(values(&bye, HeaderName::CallId), ["call-1"]);
    assert_eq!(values(&bye, HeaderName::CSeq), ["42 BYE"], "one more than the INVITE");
    assert_eq!(values(&bye, HeaderName::MaxForwards), ["70"]);
    assert_eq!(dialog.destination(), at("192.0.2.20:5070"));
    assert_eq!(values(&dialog.request(Method::Bye, "z9hG4bKbye2"), HeaderName::CSeq), ["43 BYE"]);
}

// The route set is Record-Route reversed; a loose router stays on top and the target in the Request-URI.
#[test]
fn a_bye_through_loose_routers() {
    let routes = "Record-Route: <sip:192.0.2.31;lr>, <sip:192.0.2.30:5080;lr>\r\n";
    let mut dialog = made_by(&format!("{CONTACT}{routes}"));
    let bye = dialog.request(Method::Bye, "z9hG4bKbye");
    assert_eq!(bye.uri.raw(), "sip:callee@192.0.2.20:5070");
    assert_eq!(values(&bye, HeaderName::Route), ["<sip:192.0.2.30:5080;lr>", "<sip:192.0.2.31;lr>"]);
    assert_eq!(dialog.destination(), at("192.0.2.30:5080"), "the first route");
}

// A strict router goes into the Request-URI, the target to the end of the routes.
#[test]
fn a_bye_through_a_strict_router() {
    let routes = "Record-Route: <sip:192.0.2.31;lr>\r\nRecord-Route: <sip:192.0.2.30>\r\n";
    let mut dialog = made_by(&format!("{CONTACT}{routes}"));
    let bye = dialog.request(Method::Bye, "z9hG4bKbye");
    assert_eq!(bye.uri.raw(), "sip:192.0.2.30");
    assert_eq!(values(&bye, HeaderName::Route), ["<sip:192.0.2.31;lr>", "<sip:callee@192.0.2.20:5070>"]);
    assert_eq!(dialog.destination(), at("192.0.2.30:5060"));
}

#[test]
fn a_name_or_a_pinned_dialog_goes_where_the_invite_went() {
    for nobodys in ["carrier.example", "169.254.169.254", "100.100.100.200:80", "127.0.0.1:22", "[::1]"] {
        let dialog = made_by(&format!("Contact: <sip:callee@{nobodys}>\r\n"));
        assert_eq!(dialog.destination(), at(NEXT_HOP), "{nobodys}");
    }
    let phone = Dialog::from_answer(&invite(), &answer(CONTACT), Reach::Pinned, at(NEXT_HOP), at(OURS));
    assert_eq!(phone.expect("a dialog").destination(), at(NEXT_HOP));
}

// §8.1.1.5: CSeq numbers stay below 2^31.
#[test]
fn cseq_stops_at_its_limit() {
    let mut stored = made_by(CONTACT).durable();
    stored.local_cseq = crate::message::CSEQ_MAX;
    let mut dialog = Dialog::from_durable(&stored).expect("a dialog");
    let bye = dialog.request(Method::Bye, "z9hG4bKbye");
    assert_eq!(bye.headers.cseq().expect("CSeq").number, crate::message::CSEQ_MAX);
}

// ---- §13.2.2.4 ------------------------------------------------------------------------------------------

// The ACK has the CSeq number and the credentials of the INVITE, takes the dialog's route, and is the same again for
// each repeated 2xx.
#[test]
fn the_ack_of_the_2xx() {
    let mut dialog = made_by(&format!("{CONTACT}Record-Route: <sip:192.0.2.30;lr>\r\n"));
    let ack = dialog.ack("z9hG4bKack");
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(values(&ack, HeaderName::CSeq), ["41 ACK"]);
    assert_eq!(values(&ack, HeaderName::ProxyAuthorization), ["Digest username=\"x\""]);
    assert_eq!(values(&ack, HeaderName::Route), ["<sip:192.0.2.30;lr>"]);
    assert_eq!(values(&ack, HeaderName::To), ["<sip:+15550100@192.0.2.10>;tag=theirs"]);
    dialog.request(Method::Bye, "z9hG4bKbye");
    assert_eq!(dialog.ack("z9hG4bKnew"), ack, "the same, whatever came between");
}

// ---- §12.2.2 --------------------------------------------------------------------------------------------

// A lower CSeq number than the last is refused with 500; a gap is fine.
#[test]
fn requests_come_in_order() {
    let mut dialog = made_by(CONTACT);
    assert_eq!(answered(dialog.serve(&peers("OPTIONS", 10, ""), no_session)).status, 200);
    assert_eq!(answered(dialog.serve(&peers("OPTIONS", 9, ""), no_session)).status, 500);
    assert_eq!(answered(dialog.serve(&peers("BYE", 3, ""), no_session)).status, 500, "not even a BYE");
    assert_eq!(answered(dialog.serve(&peers("OPTIONS", 2_000_000_000, ""), no_session)).status, 200);
}

#[test]
fn a_bye_ends_the_dialog() {
    let served = made_by(CONTACT).serve(&peers("BYE", 1, ""), no_session);
    assert!(matches!(served, Served::Ended(response) if response.status == 200));
}

#[test]
fn options_are_answered_and_other_methods_refused() {
    let mut dialog = made_by(CONTACT);
    let options = answered(dialog.serve(&peers("OPTIONS", 1, ""), no_session));
    assert_eq!(options.headers.text(HeaderName::Allow), Some(capability::ALLOW));
    for (method, status) in
        [("INFO", 200), ("SUBSCRIBE", 405), ("NOTIFY", 489), ("PRACK", 481), ("FROB", 501)]
    {
        assert_eq!(answered(dialog.serve(&peers(method, 2, ""), no_session)).status, status, "{method}");
    }
    let required = answered(dialog.serve(&peers("OPTIONS", 3, "Require: timer, outbound\r\n"), no_session));
    assert_eq!((required.status, required.headers.text(HeaderName::Unsupported)), (420, Some("outbound")));
    assert_eq!(dialog.serve(&peers("ACK", 3, ""), no_session), Served::Silence);
}

// ---- §14.2 ----------------------------------------------------------------------------------------------

const OFFER: &str =
    "Contact: <sip:callee@192.0.2.21>\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer";

#[test]
fn a_re_invite_is_answered_by_the_leg() {
    let mut dialog = made_by(CONTACT);
    let served = dialog.serve(&peers("INVITE", 1, OFFER), |offer| {
        assert_eq!(offer.map(Bytes::as_ref), Some(b"offer".as_slice()));
        Negotiation::Session(b"answer".to_vec())
    });
    let Served::Accepted(response) = served else { panic!("{served:?}") };
    assert_eq!((response.status, response.body.as_ref()), (200, b"answer".as_slice()));
    assert_eq!(response.headers.text(HeaderName::Contact), Some("<sip:c@192.0.2.1:5060>"));
    assert_eq!(response.headers.content_type().as_deref(), Some("application/sdp"));
    // §12.2.2: its Contact is where our requests go from now on.
    assert_eq!(dialog.remote_target().raw(), "sip:callee@192.0.2.21");
    assert_eq!(dialog.destination(), at("192.0.2.21:5060"));
}

#[test]
fn a_re_invite_without_an_offer_asks_for_ours() {
    let served = made_by(CONTACT).serve(&peers("INVITE", 1, ""), |offer| {
        assert_eq!(offer, None);
        Negotiation::Session(b"our offer".to_vec())
    });
    assert!(matches!(served, Served::Accepted(response) if response.body.as_ref() == b"our offer"));
}

// RFC 3311 §5.2: an UPDATE is a target refresh like a re-INVITE, and gets a body only when it brought one.
#[test]
fn an_update_is_answered_with_or_without_an_offer() {
    let mut dialog = made_by(CONTACT);
    let with = answered(dialog.serve(&peers("UPDATE", 1, OFFER), |offer| {
        assert!(offer.is_some());
        Negotiation::Session(b"answer".to_vec())
    }));
    assert_eq!((with.status, with.body.as_ref()), (200, b"answer".as_slice()));
    assert_eq!(dialog.remote_target().raw(), "sip:callee@192.0.2.21");
    let without = answered(dialog.serve(&peers("UPDATE", 2, CONTACT), |offer| {
        assert_eq!(offer, None);
        Negotiation::Session(Vec::new())
    }));
    assert_eq!((without.status, without.headers.content_type(), without.body.len()), (200, None, 0));
    assert_eq!(dialog.remote_target().raw(), "sip:callee@192.0.2.20:5070");
    let later = Negotiation::RefuseWith(500, HeaderName::RetryAfter, "3".to_owned());
    let refused = answered(dialog.serve(&peers("UPDATE", 3, OFFER), |_| later));
    assert_eq!((refused.status, refused.headers.retry_after()), (500, Some(3)));
    assert_eq!(dialog.remote_target().raw(), "sip:callee@192.0.2.20:5070", "as it was");
}

// RFC 6086: digits and empty ones are taken, packages were never offered, other bodies are not read.
#[test]
fn what_an_info_gets() {
    let mut dialog = made_by(CONTACT);
    let body = |kind: &str| format!("Content-Type: {kind}\r\nContent-Length: 8\r\n\r\nSignal=5");
    for (more, status) in [
        (body("application/dtmf-relay"), 200),
        (body("Application/DTMF"), 200),
        (body("application/media_control+xml"), 415),
        ("Info-Package: conference\r\n".to_owned(), 469),
    ] {
        assert_eq!(answered(dialog.serve(&peers("INFO", 1, &more), no_session)).status, status, "{more}");
    }
}

#[test]
fn a_refused_re_invite_changes_nothing() {
    let mut dialog = made_by(CONTACT);
    let before = dialog.remote_target().clone();
    let refused = answered(dialog.serve(&peers("INVITE", 1, OFFER), |_| Negotiation::Refuse(488)));
    assert_eq!(refused.status, 488);
    let foreign = OFFER.replace("application/sdp", "text/plain");
    assert_eq!(answered(dialog.serve(&peers("INVITE", 2, &foreign), no_session)).status, 415);
    assert_eq!(dialog.remote_target(), &before);
}

// ---- who may speak, and what is stored ------------------------------------------------------------------

#[test]
fn the_peer_is_known_by_its_addresses() {
    let dialog = made_by(&format!("{CONTACT}Record-Route: <sip:192.0.2.30;lr>\r\n"));
    for peer in ["192.0.2.20:9", "192.0.2.30:5060", "[::ffff:192.0.2.30]:5060"] {
        assert!(dialog.is_peer(at(peer)), "{peer}");
    }
    assert!(!dialog.is_peer(at("198.51.100.1:5060")));
}

#[test]
fn a_stored_dialog_can_be_ended() {
    let mut dialog = made_by(&format!("{CONTACT}Record-Route: <sip:192.0.2.30;lr;x=y>\r\n"));
    dialog.request(Method::Options, "z9hG4bKoptions");
    let mut restored = Dialog::from_durable(&dialog.durable()).expect("a dialog");
    assert_eq!(restored.durable(), dialog.durable());
    assert_eq!(restored.id(), dialog.id());
    let ours = dialog.request(Method::Bye, "z9hG4bKbye");
    let theirs = restored.request(Method::Bye, "z9hG4bKbye");
    for same in [HeaderName::Route, HeaderName::To, HeaderName::CallId, HeaderName::CSeq, HeaderName::Via] {
        assert_eq!(values(&ours, same.clone()), values(&theirs, same.clone()), "{same}");
    }
    assert_eq!(ours.uri, theirs.uri);
    assert_eq!(restored.destination(), dialog.destination());
}

#[test]
fn what_was_stored_wrongly_is_refused() {
    let stored = made_by(CONTACT).durable();
    let broken = event::Dialog { remote_target: "not a URI".to_owned(), ..stored };
    assert!(matches!(Dialog::from_durable(&broken), Err(DialogError::Field(_))));
}
