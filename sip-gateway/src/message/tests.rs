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
