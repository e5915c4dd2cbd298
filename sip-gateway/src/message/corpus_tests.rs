//! Every message of RFC 4475 and RFC 5118 through the decoder (tests/corpus, read with its manifests).

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::uri::unescape;
use super::*;

const SETS: [&str; 2] = ["rfc4475", "rfc5118"];

/// Requests the decoder answers itself; all others are for the user agent server to judge.
const ANSWERED: [(&str, u16, Fault); 17] = [
    ("badinv01.dat", 400, Fault::Via),
    ("clerr.dat", 400, Fault::ContentLength),
    ("ncl.dat", 400, Fault::ContentLength),
    ("scalar02.dat", 400, Fault::CSeq),
    ("quotbal.dat", 400, Fault::FromTo),
    ("ltgtruri.dat", 400, Fault::RequestUri),
    ("lwsruri.dat", 400, Fault::RequestUri),
    ("escruri.dat", 400, Fault::RequestUri),
    ("regbadct.dat", 400, Fault::Contact),
    ("badaspec.dat", 400, Fault::FromTo),
    ("baddn.dat", 400, Fault::Unfinished),
    ("badvers.dat", 505, Fault::Version),
    ("mismatch01.dat", 400, Fault::CSeqMethod),
    ("mismatch02.dat", 501, Fault::CSeqMethod),
    ("insuf.dat", 400, Fault::Missing),
    ("multi01.dat", 400, Fault::Repeated),
    ("mcl01.dat", 400, Fault::Repeated),
];

const ANSWERED_IPV6: [(&str, u16, Fault); 2] =
    [("ipv6-bad.dat", 400, Fault::RequestUri), ("ipv6-bug-abnf-3-colons.dat", 400, Fault::FromTo)];

/// Responses that are dropped unread.
const DROPPED: [(&str, Fault); 2] = [("scalarlg.dat", Fault::CSeq), ("bigcode.dat", Fault::Status)];

/// Well-formed, but a user agent server answers 400: To of a REGISTER that is no address of record.
const BAD_TO_THE_SERVER: [&str; 1] = ["unksm2.dat"];

/// A response that no transaction of ours matches; the decoder can't know.
const DROPPED_BY_TRANSACTIONS: [&str; 1] = ["bcast.dat"];

fn folder(set: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(set)
}

pub(super) fn octets(set: &str, file: &str) -> Bytes {
    std::fs::read(folder(set).join(file)).unwrap_or_else(|error| panic!("{set}/{file}: {error}")).into()
}

/// File names and what a user agent server may do with each, from expect.tsv.
fn expectations(set: &str) -> Vec<(String, Vec<String>)> {
    let table = std::fs::read_to_string(folder(set).join("expect.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        (columns[0].to_owned(), columns[4].split('|').map(str::to_owned).collect())
    });
    rows.collect()
}

fn read_request(set: &str, file: &str) -> Request {
    match decode(octets(set, file)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{file}: {other:?}"),
    }
}

fn torture(file: &str) -> Request {
    read_request("rfc4475", file)
}

fn ipv6(file: &str) -> Request {
    read_request("rfc5118", file)
}

#[test]
fn every_message_is_treated_as_its_row_says() {
    let mut seen = 0;
    for set in SETS {
        for (file, allowed) in expectations(set) {
            let file = file.as_str();
            seen += 1;
            let is_allowed = |code: &str| allowed.iter().any(|allowed| allowed == code);
            let answered = ANSWERED.iter().chain(&ANSWERED_IPV6).find(|(name, _, _)| *name == file);
            let dropped = DROPPED.iter().find(|(name, _)| *name == file);
            match (decode(octets(set, file)), answered, dropped) {
                (
                    Err(DecodeError::Answer { status, fault, skeleton }),
                    Some((_, expected, expected_fault)),
                    None,
                ) => {
                    assert_eq!((status, fault), (*expected, *expected_fault), "{file}");
                    assert!(is_allowed(&status.to_string()), "{file}: {status} is not in {allowed:?}");
                    assert!(skeleton.response(status).to_vec().is_ok(), "{file}");
                }
                (Err(DecodeError::Drop(fault)), None, Some((_, expected))) => {
                    assert_eq!(fault, *expected, "{file}");
                    assert!(is_allowed("D"), "{file}: {allowed:?}");
                }
                (Ok(Message::Response(_)), None, None) => {
                    assert!(
                        is_allowed("R") || DROPPED_BY_TRANSACTIONS.contains(&file),
                        "{file}: {allowed:?}"
                    );
                }
                (Ok(Message::Request(request)), None, None) => {
                    let for_the_server =
                        allowed.iter().any(|code| !matches!(code.as_str(), "400" | "505" | "R" | "D"));
                    assert!(for_the_server || BAD_TO_THE_SERVER.contains(&file), "{file}: {allowed:?}");
                    assert!(request.response(500, "x").to_vec().is_ok(), "{file}: can be answered");
                }
                (other, _, _) => panic!("{file}: {other:?}"),
            }
        }
    }
    assert_eq!(seen, 49 + 15);
}

#[test]
fn the_corpus_is_as_published() {
    let mut seen = 0;
    for set in SETS {
        let manifest = std::fs::read_to_string(folder(set).join("MANIFEST.md")).unwrap();
        for row in manifest.lines().filter(|line| line.contains(".dat |") || line.contains(".dat (")) {
            let columns: Vec<&str> = row.split('|').map(str::trim).collect();
            let file = columns[1].split(' ').next().unwrap();
            let hash: String =
                Sha256::digest(octets(set, file)).iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(&hash[..8], columns[columns.len() - 2], "{file}");
            seen += 1;
        }
    }
    assert_eq!(seen, 49 + 12);
}

#[test]
fn what_is_written_again_reads_the_same() {
    for set in SETS {
        for (file, _) in expectations(set) {
            let written = match decode(octets(set, &file)) {
                Ok(Message::Request(request)) => request.to_vec(),
                Ok(Message::Response(response)) => response.to_vec(),
                Err(_) => continue,
            };
            let mut again = decode(written.unwrap().into()).unwrap();
            let mut first = decode(octets(set, &file)).unwrap();
            for message in [&mut first, &mut again] {
                match message {
                    Message::Request(request) => request.headers.remove(HeaderName::ContentLength),
                    Message::Response(response) => response.headers.remove(HeaderName::ContentLength),
                }
            }
            assert_eq!(again, first, "{file}");
        }
    }
}

#[test]
fn wsinv_unfolds_to_single_spaces() {
    let request = torture("wsinv.dat");
    let headers = &request.headers;
    assert_eq!(headers.first(HeaderName::Subject), Some(&Bytes::new()));
    assert_eq!(headers.cseq(), Ok(CSeq::new(9, Method::Invite)));
    assert_eq!(headers.max_forwards(), Some(68));
    let vias = headers.vias().unwrap();
    let hops: Vec<_> =
        vias.iter().map(|via| (via.transport.as_str(), via.host.as_str(), via.branch())).collect();
    assert_eq!(
        hops,
        [
            ("UDP", "192.0.2.2", Some("390skdjuw")),
            ("TCP", "spindle.example.com", Some("z9hG4bK9ikj8")),
            ("UDP", "192.168.255.111", Some("z9hG4bK30239")),
        ]
    );
    let unknown = |name: &str| headers.text(HeaderName::from(name)).map(str::to_owned);
    assert_eq!(unknown("newfangledheader").as_deref(), Some("newfangled value continued newfangled value"));
    assert_eq!(unknown("UnknownHeaderWithUnusualValue").as_deref(), Some(";;,,;;,;"));
    assert_eq!(headers.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!(headers.from().unwrap().display_name().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    let Contacts::List(contacts) = headers.contacts().unwrap() else { panic!("no star here") };
    assert_eq!(contacts[0].param("q"), Some("0.33"));
    assert_eq!(contacts[0].param("newparam"), Some("newvalue"));
    assert_eq!(contacts[0].param("secondparam"), Some(""));
    assert_eq!(request.body.len(), 150);
}

#[test]
fn intmeth_keeps_every_octet() {
    let request = torture("intmeth.dat");
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(request.method, Method::Other(method.into()));
    let to = request.headers.to().unwrap();
    assert_eq!(to.display.as_ref(), b"\"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\"");
    assert_eq!(to.display_name().as_deref(), Some("BEL:\x07 NUL:\0 DEL:\x7f"));
    assert_eq!(to.uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    let from = request.headers.from().unwrap();
    assert_eq!(from.param("fromParam''~+*_!.-%"), Some("\"работающий\""));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    let value = request.headers.first(HeaderName::from("extensionHeader-!.%*+_`'~")).unwrap();
    assert_eq!(std::str::from_utf8(value), Ok("\u{feff}大停電"));
    let answer = request.response(501, "Not Implemented").to_vec().unwrap();
    assert!(answer.windows(6).any(|window| window == b"NUL:\\\0"), "a quoted NUL is repeated");
}

#[test]
fn escapes_are_resolved_once() {
    let request = torture("esc01.dat");
    assert_eq!(request.uri.user_decoded().as_deref(), Some(b"sips:user@example.com".as_slice()));
    assert_eq!(request.uri.host(), "example.net");
    assert_eq!(request.headers.to().unwrap().uri.user_decoded().as_deref(), Some(b"user".as_slice()));
    let Contacts::List(contacts) = request.headers.contacts().unwrap() else { panic!("no star here") };
    assert!(contacts[0].uri.is_loose_router());
    assert_eq!(unescape(contacts[0].uri.param("name").unwrap().as_bytes()), b"value%41");

    let request = torture("escnull.dat");
    assert_eq!(request.headers.to().unwrap().uri.user_decoded().as_deref(), Some(b"null-\0-null".as_slice()));
    let Contacts::List(contacts) = request.headers.contacts().unwrap() else { panic!("no star here") };
    assert_eq!(contacts.len(), 2);
    assert!(!contacts[0].uri.matches(&contacts[1].uri));

    let request = torture("esc02.dat");
    assert_eq!(request.method, Method::Other("RE%47IST%45R".into()));
    let Contacts::List(contacts) = request.headers.contacts().unwrap() else { panic!("no star here") };
    assert_eq!(contacts.len(), 2, "C%6Fntact is another header");
    assert_eq!(request.headers.to().unwrap().display_name().as_deref(), Some("%Z%45"));
}

#[test]
fn display_names_lists_and_lengths() {
    assert_eq!(torture("lwsdisp.dat").headers.from().unwrap().display_name().as_deref(), Some("caller"));
    let vias = torture("longreq.dat").headers.vias().unwrap();
    assert_eq!(vias.len(), 34);
    for (via, number) in vias.iter().zip((0..34).rev()) {
        assert!(via.host.starts_with(&format!("sip{number}.")) || number == 0, "{number}: {}", via.host);
    }
    assert!(torture("dblreq.dat").body.is_empty(), "what follows the body is not ours");
    assert_eq!(torture("mpart01.dat").body.len(), 553);
    let rest_of_the_datagram = torture("inv2543.dat").body;
    assert!(rest_of_the_datagram.starts_with(b"v=0\r\n") && rest_of_the_datagram.ends_with(b"0\r\n"));
    let vias = torture("transports.dat").headers.vias().unwrap();
    let transports: Vec<_> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
    assert!(!torture("badbranch.dat").headers.via_top().unwrap().has_unique_branch());
}

#[test]
fn semicolons_belong_to_the_user_part_or_to_the_header() {
    let uri = torture("semiuri.dat").uri;
    assert_eq!(uri.user_decoded().as_deref(), Some(b"user;par=u@example.net".as_slice()));
    assert_eq!((uri.host(), uri.params().count()), ("example.com", 0));

    let contact = |file| match torture(file).headers.contacts().unwrap() {
        Contacts::List(contacts) => contacts[0].clone(),
        Contacts::Star => panic!("no star here"),
    };
    let outside = contact("cparam01.dat");
    assert_eq!((outside.param("unknownparam"), outside.uri.param("unknownparam")), (Some(""), None));
    let inside = contact("cparam02.dat");
    assert_eq!((inside.param("unknownparam"), inside.uri.param("unknownparam")), (None, Some("")));
    assert_eq!(contact("regescrt.dat").uri.headers(), Some("Route=%3Csip:sip.example.com%3E"));
}

#[test]
fn start_lines_are_cleaned_where_nothing_is_in_doubt() {
    for file in ["lwsstart.dat", "trws.dat"] {
        let request = torture(file);
        let written = request.to_vec().unwrap();
        let expected = format!("{} {} SIP/2.0\r\n", request.method, request.uri);
        assert!(written.starts_with(expected.as_bytes()), "{file}");
    }
}

#[test]
fn reason_phrases_are_any_text_or_none() {
    let Ok(Message::Response(unreason)) = decode(octets("rfc4475", "unreason.dat")) else {
        panic!("a response")
    };
    assert_eq!(unreason.status, 200);
    assert!(std::str::from_utf8(&unreason.reason).unwrap().starts_with("= 2**3 * 5**2 но сто"));
    let Ok(Message::Response(noreason)) = decode(octets("rfc4475", "noreason.dat")) else {
        panic!("a response")
    };
    assert_eq!((noreason.status, noreason.reason.len()), (100, 0));
    assert!(noreason.to_vec().unwrap().starts_with(b"SIP/2.0 100 \r\n"));
}

#[test]
fn answers_invent_nothing() {
    let skeleton = |file| match decode(octets("rfc4475", file)) {
        Err(DecodeError::Answer { skeleton, .. }) => skeleton,
        other => panic!("{file}: {other:?}"),
    };
    let insufficient = skeleton("insuf.dat").headers;
    let names: Vec<_> = insufficient.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CSeq", "Via"]);
    let version = skeleton("badvers.dat").response(505).to_vec().unwrap();
    let text = String::from_utf8(version).unwrap();
    assert!(
        text.starts_with("SIP/2.0 505 Version Not Supported\r\nVia: SIP/7.0/UDP c.example.com;"),
        "{text}"
    );
    let repeated = skeleton("multi01.dat").headers;
    assert_eq!(repeated.len(), 5, "one of each: {repeated:?}");
}

#[test]
fn baddn_is_refused_with_its_blank_line_too() {
    let result = decode(octets("rfc4475", "baddn.fixed.dat"));
    assert!(
        matches!(result, Err(DecodeError::Answer { status: 400, fault: Fault::FromTo, .. })),
        "{result:?}"
    );
}

#[test]
fn ipv6_hosts_and_ports_are_told_apart() {
    let address = |text: &str| text.parse().ok();
    assert_eq!(ipv6("ipv6-good.dat").uri.host_ip(), address("2001:db8::10"));
    let ambiguous = ipv6("port-ambiguous.dat").uri;
    assert_eq!((ambiguous.host_ip(), ambiguous.port()), (address("2001:db8::10:5070"), None));
    let clear = ipv6("port-unambiguous.dat").uri;
    assert_eq!((clear.host_ip(), clear.port()), (address("2001:db8::10"), Some(5070)));
    assert_eq!(clear.socket_addr(), "[2001:db8::10]:5070".parse().ok());
    assert_eq!(ipv6("ipv6-correct-abnf-2-colons.dat").uri.host_ip(), address("2001:db8::192.0.2.1"));
    for file in ["via-received-param-with-delim.dat", "via-received-param-no-delim.dat"] {
        let via = ipv6(file).headers.via_top().unwrap();
        assert_eq!(via.received(), address("2001:db8::9:255"), "{file}");
        assert!(via.branch().is_some(), "{file}");
    }
    let vias = ipv6("mult-ip-in-header.dat").headers.vias().unwrap();
    assert_eq!(vias.len(), 3);
    assert_eq!(vias[0].port, Some(6050));
    assert_eq!(vias[2].params.text("received"), Some("192.0.2.200"));
    assert_eq!(ipv6("ipv4-mapped-ipv6.dat").headers.via_top().unwrap().port, Some(19_823));
}

#[test]
fn a_short_content_length_cuts_the_body() {
    for (file, claimed, whole) in
        [("ipv4-mapped-ipv6", 236, 245), ("ipv6-in-sdp", 241, 251), ("mult-ip-in-sdp", 181, 189)]
    {
        assert_eq!(ipv6(&format!("{file}.dat")).body.len(), claimed, "{file}");
        assert_eq!(ipv6(&format!("{file}.clfix.dat")).body.len(), whole, "{file}");
        assert!(crate::sdp::Session::parse(&ipv6(&format!("{file}.dat")).body).is_ok(), "{file}");
    }
    let session = crate::sdp::Session::parse(&ipv6("mult-ip-in-sdp.clfix.dat").body).unwrap();
    let addresses: Vec<_> = session.media.iter().map(|stream| stream.address).collect();
    assert_eq!(addresses, ["192.0.2.1".parse().ok(), "2001:db8::1".parse().ok()]);
    let session = crate::sdp::Session::parse(&ipv6("ipv6-in-sdp.clfix.dat").body).unwrap();
    assert_eq!(session.media[0].address, "2001:db8::20".parse().ok());
}
