use super::*;

const INVITE: &str = "INVITE sip:bob@192.0.2.7:5070;transport=udp SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport, SIP/2.0/TCP proxy.example.com;branch=z9hG4bK2\r\n\
    Max-Forwards: 70\r\n\
    t: Bob <sip:bob@example.com>\r\n\
    f: \"Alice, A.\" <sip:alice@example.com;user=phone>;tag=1928301774\r\n\
    i: a84b4c76e66710@pc33.example.com\r\n\
    CSeq: 314159 INVITE\r\n\
    m: <sip:alice@192.0.2.1>\r\n\
    Subject: one\r\n two\r\n\
    l: 4\r\n\r\nbody and more";

fn request(text: &str) -> Request {
    match decode(Bytes::copy_from_slice(text.as_bytes())) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_reads_with_typed_views() {
    let request = request(INVITE);
    assert_eq!(request.method, Method::Invite);
    assert_eq!(request.uri.raw(), "sip:bob@192.0.2.7:5070;transport=udp");
    assert_eq!(request.uri.socket_addr(), "192.0.2.7:5070".parse().ok());
    assert_eq!(request.body.as_ref(), b"body");
    let headers = &request.headers;
    assert_eq!(headers.via_top().unwrap().branch(), Some("z9hG4bK776asdhds"));
    assert_eq!(headers.vias().unwrap().len(), 2);
    assert_eq!(headers.from().unwrap().tag(), Some("1928301774"));
    assert_eq!(headers.from().unwrap().display_name().as_deref(), Some("Alice, A."));
    assert_eq!(headers.to().unwrap().tag(), None);
    assert_eq!(headers.cseq().unwrap(), CSeq::new(314_159, Method::Invite));
    assert_eq!(headers.call_id().unwrap(), "a84b4c76e66710@pc33.example.com");
    assert_eq!(headers.text(HeaderName::Subject), Some("one two"));
    assert_eq!(headers.max_forwards(), Some(70));
}

#[test]
fn what_is_written_reads_back_the_same() {
    let mut first = request(INVITE);
    let mut second = request(&String::from_utf8(first.to_vec().unwrap()).unwrap());
    first.headers.remove(HeaderName::ContentLength);
    second.headers.remove(HeaderName::ContentLength);
    assert_eq!(first, second);
}

#[test]
fn a_response_repeats_what_it_must() {
    let mut request = request(INVITE);
    request.headers.stamp_source("198.51.100.9:40000".parse().unwrap()).unwrap();
    let mut response = request.response(180, "Ringing");
    response.headers.tag_to("abc");
    let text = String::from_utf8(response.to_vec().unwrap()).unwrap();
    assert_eq!(
        text,
        "SIP/2.0 180 Ringing\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport=40000;received=198.51.100.9, \
        SIP/2.0/TCP proxy.example.com;branch=z9hG4bK2\r\n\
        To: Bob <sip:bob@example.com>;tag=abc\r\n\
        From: \"Alice, A.\" <sip:alice@example.com;user=phone>;tag=1928301774\r\n\
        Call-ID: a84b4c76e66710@pc33.example.com\r\n\
        CSeq: 314159 INVITE\r\n\
        Content-Length: 0\r\n\r\n"
    );
    assert_eq!(response.headers.via_top().unwrap().response_address(), "198.51.100.9:40000".parse().ok());
}

fn fault(text: &str) -> (Option<u16>, Fault) {
    match decode(Bytes::copy_from_slice(text.as_bytes())) {
        Err(DecodeError::Answer { status, fault, .. }) => (Some(status), fault),
        Err(DecodeError::Drop(fault)) => (None, fault),
        Ok(message) => panic!("{message:?}"),
    }
}

#[test]
fn keep_alives_and_other_protocols_are_dropped() {
    for text in ["", "\r\n\r\n", "\0", "\r\n"] {
        assert_eq!(fault(text), (None, Fault::KeepAlive), "{text:?}");
    }
    for text in ["GET / HTTP/1.1\r\n\r\n", "hello", "INVITE sip:a@b\r\n\r\n", "M-SEARCH * HTTP/1.1\r\n\r\n"] {
        assert_eq!(fault(text), (None, Fault::NotSip), "{text:?}");
    }
    let long = Bytes::from(vec![b'x'; DATAGRAM_LENGTH_MAX + 1]);
    assert_eq!(decode(long), Err(DecodeError::Drop(Fault::DatagramLength)));
}

#[test]
fn empty_lines_first_and_bare_line_feeds_are_read() {
    let lenient = format!("\r\n\r\n{}", INVITE.replace("\r\n", "\n"));
    assert_eq!(request(&lenient).headers, request(INVITE).headers);
    assert!(
        decode(Bytes::from(
            INVITE.replace("INVITE sip", "INVITE \t sip").replace("SIP/2.0\r\nVia", "sip/2.0 \r\nVia")
        ))
        .is_ok()
    );
}

#[test]
fn each_mandatory_header_is_demanded_once() {
    for name in ["t: ", "f: ", "i: ", "CSeq: "] {
        assert_eq!(fault(&INVITE.replace(name, "X-Other: ")), (Some(400), Fault::Missing), "{name}");
        let line = INVITE.split("\r\n").find(|line| line.starts_with(name)).unwrap();
        let twice = INVITE.replace(line, &format!("{line}\r\n{line}"));
        assert_eq!(fault(&twice), (Some(400), Fault::Repeated), "{name}");
    }
    for name in ["Max-Forwards: 70", "l: 4"] {
        let twice = INVITE.replace(name, &format!("{name}\r\n{name}"));
        assert_eq!(fault(&twice), (Some(400), Fault::Repeated), "{name}");
    }
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    assert_eq!(fault(&INVITE.replace("Via: ", "X-Via: ")), (None, Fault::Missing));
    assert_eq!(fault(&INVITE.replace("INVITE", "ACK").replace("f: ", "X: ")), (None, Fault::Missing));
    let response = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n";
    assert!(decode(Bytes::from_static(response.as_bytes())).is_ok());
    for (old, new, expected) in [
        ("200", "99", Fault::Status),
        ("200", "700", Fault::Status),
        ("200", "2000", Fault::Status),
        ("200", "+20", Fault::Status),
        ("SIP/2.0 ", "SIP/3.0 ", Fault::Version),
        ("1 BYE", "BYE", Fault::CSeq),
        ("Call-ID: x", "Call-ID: x y", Fault::CallId),
        ("Call-ID: x\r\n", "Call-ID: x\r\nl: 5\r\n", Fault::ContentLength),
        ("From", "Form", Fault::Missing),
        ("\r\n\r\n", "\r\n", Fault::Unfinished),
    ] {
        assert_eq!(fault(&response.replacen(old, new, 1)), (None, expected), "{new}");
    }
}

#[test]
fn broken_header_lines_are_answered() {
    for (old, new, expected) in [
        ("Subject: one", "Subject one", Fault::HeaderLine),
        ("Subject: one", ": one", Fault::HeaderLine),
        ("Subject: one", "Sub\rject: one", Fault::HeaderLine),
        ("Subject: one", "Subject: o\rne", Fault::HeaderLine),
        ("Subject: one", "Sub ject: one", Fault::HeaderLine),
        ("l: 4", "l: -4", Fault::ContentLength),
        ("l: 4", "l: four", Fault::ContentLength),
        ("l: 4", "l:", Fault::ContentLength),
        ("l: 4", "l: 18446744073709551617", Fault::ContentLength),
        ("l: 4", "l: 14", Fault::ContentLength),
        ("m: <sip:alice@192.0.2.1>", "m: <sip:alice@192.0.2.1>,", Fault::Contact),
        ("sip:bob@192.0.2.7", "sip:bob @192.0.2.7", Fault::RequestUri),
        ("a84b4c", "a84 b4c", Fault::CallId),
    ] {
        assert!(INVITE.contains(old), "{old}");
        assert_eq!(fault(&INVITE.replacen(old, new, 1)), (Some(400), expected), "{new:?}");
    }
    assert_eq!(fault(&INVITE.replacen("INVITE", "INV(TE", 1)), (Some(400), Fault::Method));
}

#[test]
fn limits_hold_and_what_is_at_the_limit_passes() {
    let with = |extra: &str| INVITE.replacen("Max-Forwards", &format!("{extra}Max-Forwards"), 1);
    let lines = request(INVITE).headers.len();
    let full = "Y: y\r\n".repeat(HEADERS_MAX - lines);
    assert_eq!(request(&with(&full)).headers.len(), HEADERS_MAX);
    assert_eq!(fault(&with(&format!("{full}Y: y\r\n"))), (Some(513), Fault::HeaderCount));
    let long = format!("Z: {}\r\n", "y".repeat(VALUE_LENGTH_MAX));
    assert_eq!(request(&with(&long)).headers.text(HeaderName::from("z")).unwrap().len(), VALUE_LENGTH_MAX);
    assert_eq!(fault(&with(&format!("Z: y{}", &long[3..]))), (Some(513), Fault::HeaderLength));
    let hops = |count: usize| with(&format!("Via: SIP/2.0/UDP a{}\r\n", ",SIP/2.0/UDP a".repeat(count - 1)));
    assert!(decode(Bytes::from(hops(ELEMENTS_MAX - 2))).is_ok());
    assert_eq!(
        fault(&hops(ELEMENTS_MAX - 1)),
        (Some(513), Fault::HeaderLength),
        "counted over all Via lines"
    );
}

#[test]
fn headers_are_edited_in_place() {
    let mut headers = Headers::default();
    headers.append(HeaderName::Route, "<sip:b>");
    headers.append(HeaderName::from("X-One"), "1");
    headers.append(HeaderName::Route, "<sip:c>, <sip:d;lr>");
    headers.push_front(HeaderName::Route, "<sip:a>");
    let routes: Vec<_> = headers.routes().unwrap().iter().map(|route| route.uri.raw().to_owned()).collect();
    assert_eq!(routes, ["sip:a", "sip:b", "sip:c", "sip:d;lr"]);
    headers.set(HeaderName::Route, "<sip:z>");
    headers.set(HeaderName::from("x-two"), "2");
    let lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
    assert_eq!(lines, ["Route=<sip:z>", "X-One=1", "x-two=2"]);
    headers.remove(HeaderName::Route);
    assert!(!headers.contains(HeaderName::Route) && headers.routes().unwrap().is_empty());
    assert_eq!(headers.via_top(), Err(FieldError::Missing));
}

#[test]
fn numbers_in_headers_never_wrap() {
    let mut headers = Headers::default();
    headers.append(HeaderName::Expires, "1".repeat(100));
    headers.append(HeaderName::MaxForwards, "300");
    headers.append(HeaderName::RetryAfter, "18000;duration=3600 (in a meeting)");
    headers.append(HeaderName::MinExpires, "soon");
    assert_eq!(headers.expires(), Some(u32::MAX));
    assert_eq!(headers.max_forwards(), None);
    assert_eq!(headers.retry_after(), Some(18_000));
    assert_eq!(headers.min_expires(), None);
}

#[test]
fn lists_types_and_reasons_are_read() {
    let mut headers = Headers::default();
    headers.append(HeaderName::Supported, "timer, 100rel");
    headers.append(HeaderName::Supported, " , path");
    headers.append(HeaderName::ContentType, "Application / SDP ; charset=\"x\"");
    headers.append(HeaderName::Reason, "Q.850 ;cause=16;text=\"Normal, call clearing\", SIP;cause=200");
    headers.append(HeaderName::Contact, " * ");
    assert_eq!(headers.supported(), ["timer", "100rel", "path"]);
    assert_eq!(headers.content_type().as_deref(), Some("application/sdp"));
    let reasons = headers.reasons();
    assert_eq!(reasons[0].protocol, "Q.850");
    assert_eq!((reasons[0].cause, reasons[0].text.as_deref()), (Some(16), Some("Normal, call clearing")));
    assert_eq!((reasons[1].protocol.as_str(), reasons[1].cause), ("SIP", Some(200)));
    assert_eq!(headers.contacts(), Ok(Contacts::Star));
}

#[test]
fn a_tag_is_added_once_and_to_any_form() {
    let mut headers = Headers::default();
    headers.append(HeaderName::To, "sip:a@b;x=y");
    headers.tag_to("one");
    headers.tag_to("two");
    assert_eq!(headers.text(HeaderName::To), Some("sip:a@b;x=y;tag=one"));
    assert_eq!(headers.to().unwrap().tag(), Some("one"));
}

#[test]
fn writers_refuse_what_would_break_a_line() {
    let mut request = request(INVITE);
    request.headers.append(HeaderName::Subject, "a\r\nEvil: b");
    assert_eq!(request.to_vec(), Err(EncodeError::Value("Subject".to_owned())));
    let mut response = request.response(200, "OK\r\nEvil: b");
    assert!(matches!(response.to_vec(), Err(EncodeError::Value(_))));
    response.reason = Bytes::from_static(b"OK");
    assert!(response.to_vec().is_ok());
    response.status = 99;
    assert_eq!(response.to_vec(), Err(EncodeError::Status(99)));
    request.headers.remove(HeaderName::Subject);
    request.headers.append(HeaderName::from("X Y"), "z");
    assert_eq!(request.to_vec(), Err(EncodeError::Token("X Y".to_owned())));
    request.headers.remove(HeaderName::from("X Y"));
    request.method = Method::Other("A B".into());
    assert_eq!(request.to_vec(), Err(EncodeError::Token("A B".to_owned())));
}

#[test]
fn headers_embedded_in_a_contact_never_reach_a_request_line() {
    let mut request = request(INVITE);
    request.uri = Uri::parse("sip:a@b;lr?Route=%3Csip:evil%3E").unwrap();
    assert!(request.to_vec().unwrap().starts_with(b"INVITE sip:a@b;lr SIP/2.0\r\n"));
}
