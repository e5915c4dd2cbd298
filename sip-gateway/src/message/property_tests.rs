//! Decoding anything, and reading back what we wrote: by ourselves and by an independent reader.

use proptest::prelude::*;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;

use super::corpus_tests::octets;
use super::*;

const SEEDS: [(&str, &str); 12] = [
    ("rfc4475", "wsinv.dat"),
    ("rfc4475", "intmeth.dat"),
    ("rfc4475", "esc01.dat"),
    ("rfc4475", "longreq.dat"),
    ("rfc4475", "dblreq.dat"),
    ("rfc4475", "semiuri.dat"),
    ("rfc4475", "noreason.dat"),
    ("rfc4475", "unreason.dat"),
    ("rfc4475", "regescrt.dat"),
    ("rfc4475", "transports.dat"),
    ("rfc5118", "via-received-param-with-delim.dat"),
    ("rfc5118", "mult-ip-in-header.dat"),
];

/// Calls every typed view, so that none can panic, and checks that what was accepted can be written.
fn exercise(datagram: Bytes) -> Result<(), TestCaseError> {
    let message = match decode(datagram) {
        Ok(message) => message,
        Err(DecodeError::Answer { status, skeleton, .. }) => {
            prop_assert!(skeleton.headers.contains(HeaderName::Via));
            let _ = skeleton.response(status).to_vec();
            return Ok(());
        }
        Err(DecodeError::Drop(_)) => return Ok(()),
    };
    let headers = message.headers();
    prop_assert!(headers.vias().is_ok() && headers.via_top().is_ok());
    prop_assert!(headers.from().is_ok() && headers.to().is_ok());
    prop_assert!(headers.call_id().is_ok() && headers.cseq().is_ok());
    let _ = (headers.routes(), headers.record_routes(), headers.content_type(), headers.reasons());
    let _ = (headers.max_forwards(), headers.expires(), headers.min_expires(), headers.retry_after());
    let _ = (headers.require(), headers.supported(), headers.tokens(HeaderName::Allow));
    match message {
        Message::Request(request) => {
            let contacts = request.headers.contacts();
            prop_assert!(contacts.is_ok());
            prop_assert!(request.uri.matches(&request.uri));
            let mut answer = request.response(200, "OK");
            prop_assert!(answer.headers.stamp_source("[2001:db8::1]:5061".parse().unwrap()).is_ok());
            answer.headers.tag_to("tag");
            if let Ok(written) = request.to_vec() {
                prop_assert!(matches!(decode(written.into()), Ok(Message::Request(_))));
            }
            if let Ok(written) = answer.to_vec() {
                prop_assert!(matches!(decode(written.into()), Ok(Message::Response(_))));
            }
        }
        Message::Response(response) => {
            if let Ok(written) = response.to_vec() {
                prop_assert!(matches!(decode(written.into()), Ok(Message::Response(_))));
            }
        }
    }
    Ok(())
}

/// Changes to a message: where, how many octets go, and what comes instead.
fn edits() -> impl Strategy<Value = Vec<(usize, usize, Vec<u8>)>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "\r\n",
            "\n",
            "\r",
            "\r\n ",
            "\0",
            ":",
            ";",
            ",",
            "\"",
            "\\",
            "<",
            ">",
            "@",
            "%",
            "[",
            "]",
            "=",
            "/",
            "?",
            "*",
            " ",
            "99999999999999999999",
            "Via: ",
            "SIP/2.0",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec((any::<usize>(), 0_usize..4, piece), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_decoded_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        exercise(octets.into())?;
    }

    #[test]
    fn changed_messages_are_decoded_without_panic(seed in 0..SEEDS.len(), edits in edits()) {
        let (set, file) = SEEDS[seed];
        let mut message = octets(set, file).to_vec();
        for (at, gone, piece) in edits {
            let at = at % (message.len() + 1);
            let end = (at + gone).min(message.len());
            message.splice(at..end, piece);
        }
        exercise(message.into())?;
    }

    #[test]
    fn writers_never_let_a_value_out_of_its_line(value in "[ -~\r\n\0\\\\]{0,40}", name in "[A-Za-z: \r\n]{1,12}") {
        let mut request = request("sip:a@example.com");
        let lines = request.to_vec().unwrap().split(|octet| *octet == b'\n').count();
        request.headers.append(HeaderName::from(name.as_str()), value);
        let mut out = b"before".to_vec();
        match request.encode(&mut out) {
            Ok(()) => {
                let more = usize::from(HeaderName::from(name.as_str()) != HeaderName::ContentLength);
                prop_assert_eq!(out.split(|octet| *octet == b'\n').count(), lines + more);
                prop_assert_eq!(out.iter().filter(|octet| **octet == b'\r').count(), lines + more - 1);
            }
            Err(_) => prop_assert_eq!(out, b"before"),
        }
    }

    #[test]
    fn what_we_write_an_independent_reader_understands(
        user in "[a-z0-9+]{1,12}",
        display in "[ -~]{0,20}",
        host in "[a-z]{1,8}\\.example\\.com",
        port in 1_u16..,
        tag in "[a-zA-Z0-9]{4,12}",
        number in 0..=CSEQ_MAX,
        body in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let uri = Uri::parse(&format!("sip:{user}@{host}:{port};user=phone")).unwrap();
        let mut request = request(uri.raw());
        let from = NameAddr::new(Uri::parse(&format!("sip:{user}@{host}")).unwrap()).with_display(&display);
        request.headers.set(HeaderName::From, from.with_param("tag", &tag));
        request.headers.set(HeaderName::CSeq, CSeq::new(number, Method::Invite));
        request.body = body.clone().into();
        let written = request.to_vec().unwrap();

        let Ok(Message::Request(ours)) = decode(Bytes::from(written.clone())) else {
            return Err(TestCaseError::fail("not read back"));
        };
        prop_assert_eq!(&ours.uri, &uri);
        prop_assert_eq!(&ours.body, &body);
        let ours = ours.headers.from().unwrap();
        prop_assert_eq!(ours.tag(), Some(tag.as_str()));
        let expected_display = (!display.is_empty()).then_some(display);
        prop_assert_eq!(ours.display_name(), expected_display);

        let theirs = rsip::Request::try_from(written.as_slice()).unwrap();
        prop_assert_eq!(theirs.method, rsip::Method::Invite);
        prop_assert_eq!(theirs.uri.to_string(), uri.raw());
        let typed = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!((typed.seq, typed.method), (number, rsip::Method::Invite));
        prop_assert_eq!(theirs.call_id_header().unwrap().value(), "call@192.0.2.1");
        prop_assert_eq!(theirs.body, body);
    }
}

fn request(uri: &str) -> Request {
    let mut request = Request::new(Method::Invite, Uri::parse(uri).unwrap());
    let local: std::net::SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let headers = &mut request.headers;
    headers.append(HeaderName::Via, Via::own(local, "z9hG4bKabc"));
    headers.append(HeaderName::MaxForwards, "70");
    headers.append(HeaderName::From, "<sip:a@example.com>;tag=1");
    headers.append(HeaderName::To, NameAddr::new(Uri::parse("sip:b@example.com").unwrap()));
    headers.append(HeaderName::CallId, "call@192.0.2.1");
    headers.append(HeaderName::CSeq, "1 INVITE");
    headers.append(HeaderName::Contact, NameAddr::new(Uri::parse("sip:a@192.0.2.1:5060").unwrap()));
    request
}

#[test]
fn an_independent_reader_sees_the_same_via_and_addresses() {
    let written = request("sip:b@example.com").to_vec().unwrap();
    let theirs = rsip::Request::try_from(written).unwrap();
    let via = theirs.via_header().unwrap().typed().unwrap();
    assert_eq!(via.transport, rsip::Transport::Udp);
    assert_eq!(via.branch().unwrap().value(), "z9hG4bKabc");
    assert_eq!(via.uri.host_with_port.to_string(), "192.0.2.1:5060");
    assert_eq!(theirs.from_header().unwrap().typed().unwrap().tag().unwrap().value(), "1");
    assert_eq!(theirs.to_header().unwrap().typed().unwrap().uri.to_string(), "sip:b@example.com");
    assert_eq!(theirs.contact_header().unwrap().typed().unwrap().uri.to_string(), "sip:a@192.0.2.1:5060");
    assert_eq!(theirs.max_forwards_header().unwrap().value(), "70");
}

#[test]
fn an_independent_reader_sees_the_same_response() {
    let mut response = request("sip:b@example.com").response(180, reason_phrase(180));
    response.headers.tag_to("xyz");
    let theirs = rsip::Response::try_from(response.to_vec().unwrap()).unwrap();
    assert_eq!(theirs.status_code, rsip::StatusCode::Ringing);
    assert_eq!(theirs.to_header().unwrap().typed().unwrap().tag().unwrap().value(), "xyz");
    assert_eq!(theirs.via_header().unwrap().typed().unwrap().branch().unwrap().value(), "z9hG4bKabc");
    assert_eq!(theirs.cseq_header().unwrap().typed().unwrap().seq, 1);
}
