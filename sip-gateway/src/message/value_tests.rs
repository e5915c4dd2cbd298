//! URIs, addresses and Vias.

use std::net::SocketAddr;

use super::*;
use crate::transport;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &'static str) -> Result<NameAddr, FieldError> {
    NameAddr::parse(&Bytes::from_static(text.as_bytes()))
}

fn via(text: &'static str) -> Result<Via, FieldError> {
    Via::parse(&Bytes::from_static(text.as_bytes()))
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_sip_uri_falls_into_its_parts() {
    let uri = uri("sips:alice:secret@[2001:db8::1]:5061;transport=tcp;lr?Subject=a&Priority=b");
    assert_eq!(uri.scheme(), Scheme::Sips);
    assert_eq!((uri.user(), uri.password()), (Some("alice"), Some("secret")));
    assert_eq!((uri.host(), uri.port()), ("[2001:db8::1]", Some(5061)));
    assert_eq!((uri.param("TRANSPORT"), uri.param("lr"), uri.param("ttl")), (Some("tcp"), Some(""), None));
    assert_eq!(uri.headers(), Some("Subject=a&Priority=b"));
    assert!(uri.is_loose_router());
    assert_eq!(uri.socket_addr(), Some(socket("[2001:db8::1]:5061")));
}

#[test]
fn a_uri_without_user_or_port_has_none() {
    let uri = uri("sip:192.0.2.4");
    assert_eq!((uri.user(), uri.port(), uri.headers()), (None, None, None));
    assert_eq!(uri.socket_addr(), Some(socket("192.0.2.4:5060")));
    assert_eq!(Uri::parse("sip:example.com").unwrap().socket_addr(), None);
    assert_eq!(Uri::parse("sip:192.0.2.4:0").unwrap().socket_addr(), None);
}

#[test]
fn tel_and_unknown_schemes_are_kept() {
    let tel = uri("tel:+358-555-1234567;phone-context=example.com");
    assert_eq!((tel.scheme(), tel.user(), tel.host()), (Scheme::Tel, Some("+358-555-1234567"), ""));
    assert_eq!(tel.param("phone-context"), Some("example.com"));
    let other = uri("soap.beep://192.0.2.103:3002");
    assert_eq!((other.scheme(), other.scheme_name()), (Scheme::Other, "soap.beep"));
}

#[test]
fn what_is_no_uri_is_refused() {
    for bad in [
        "",
        "sip",
        "sip:",
        ":x",
        "1sip:a@b",
        "sip:@host",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a b@c",
        "sip:a@b c",
        "<sip:a@b>",
        "sip:a@b>",
        "sip:a@b;",
        "sip:a@b;;c",
        "sip:a@b?",
        "sip:a@[::1",
        "sip:a@[]",
        "sip:a@[::1]x",
        "sip:a@b/c",
        "sip:é@b",
        "sip:a@b\r\nX: y",
        "sip:a@b\0",
        "tel:",
        "tel:;a",
        "sip:a@b;c=\"d\"",
    ] {
        assert_eq!(Uri::parse(bad), Err(FieldError::Uri), "{bad:?}");
    }
    let longest = format!("sip:{}@b", "a".repeat(URI_LENGTH_MAX - 6));
    assert!(Uri::parse(&longest).is_ok());
    assert_eq!(Uri::parse(&format!("{longest}c")), Err(FieldError::Uri));
}

#[test]
fn equal_uris_of_rfc_3261_section_19_1_4() {
    for (one, two) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8:0::1]", "sip:a@[2001:DB8::1]"),
        ("tel:+1-201-555-0123", "tel:+1-201-555-0123"),
    ] {
        assert!(uri(one).matches(&uri(two)) && uri(two).matches(&uri(one)), "{one} {two}");
    }
}

#[test]
fn different_uris_of_rfc_3261_section_19_1_4() {
    for (one, two) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=phone"),
        ("sip:bob@biloxi.com;maddr=192.0.2.1", "sip:bob@biloxi.com"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:secret@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("tel:+12015550123", "sip:+12015550123@example.com"),
    ] {
        assert!(!uri(one).matches(&uri(two)) && !uri(two).matches(&uri(one)), "{one} {two}");
    }
}

#[test]
fn addresses_with_and_without_brackets() {
    let with = address("\"A. \\\"B\\\", C\" <sip:a@b;x=1>;tag=t;y=\"<q>\"").unwrap();
    assert_eq!(with.display_name().as_deref(), Some("A. \"B\", C"));
    assert_eq!((with.uri.raw(), with.tag()), ("sip:a@b;x=1", Some("t")));
    assert_eq!(with.param("y"), Some("\"<q>\""));
    let without = address("sip:a@b;x=1 ; tag = t").unwrap();
    assert_eq!((without.uri.raw(), without.param("x"), without.tag()), ("sip:a@b", Some("1"), Some("t")));
    assert_eq!(without.to_bytes(), "<sip:a@b>;x=1 ; tag = t");
    assert_eq!(address("<sip:a@b>").unwrap().display_name(), None);
    assert_eq!(
        address("Ann (Sales) Müller <sip:a@b>").unwrap().display_name().as_deref(),
        Some("Ann (Sales) Müller")
    );
    assert_eq!(address("<sip:a@b>;tag=").unwrap().tag(), None);
}

#[test]
fn what_is_no_address_is_refused() {
    for bad in [
        "",
        " ",
        "\"open <sip:a@b>",
        "Bell, A <sip:a@b>",
        "<sip:a@b",
        "< sip:a@b>",
        "<sip:a@b >",
        "<>",
        "<sip:a@b> x",
        "alice",
        "<sip:a@b>;",
        "sip:a@b?c=d",
        "sip:a,b@c",
        "<sip:a@b>,<sip:c@d>",
        "sip:a b@c",
        "\"x\" sip:a@b",
        "a\0b <sip:a@b>",
    ] {
        assert!(address(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn addresses_are_built_safely() {
    let built = NameAddr::new(uri("sip:a@b")).with_display("Eve\" <sip:evil@c>").with_param("tag", "x");
    let read = NameAddr::parse(&built.to_bytes()).unwrap();
    assert_eq!(read, built);
    assert_eq!(read.display_name().as_deref(), Some("Eve\" <sip:evil@c>"));
}

#[test]
fn vias_are_read_in_every_form() {
    let plain = via("SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport").unwrap();
    assert_eq!(
        (plain.transport.clone(), plain.host.as_str(), plain.port),
        (Transport::Ours(transport::Transport::Udp), "192.0.2.1", Some(5062))
    );
    assert_eq!((plain.branch(), plain.rport(), plain.received()), (Some("z9hG4bK1"), Some(None), None));
    assert!(plain.has_unique_branch());
    let spread = via("sip / 2.0 / tls  [2001:db8::9] : 5061 ; branch = old").unwrap();
    assert_eq!(
        (spread.transport.clone(), spread.port),
        (Transport::Ours(transport::Transport::Tls), Some(5061))
    );
    assert!(!spread.has_unique_branch());
    assert_eq!(spread.to_bytes(), "SIP/2.0/TLS [2001:db8::9]:5061; branch = old");
    for bad in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0UDP a",
        "SIP/2.0/ a",
        "HTTP/2.0/UDP a",
        "SIP/2.0/UDP a:",
        "SIP/2.0/UDP a:b",
        "SIP/2.0/UDP a;;",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP a:70000",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/U P a;x",
        "/2.0/UDP a",
    ] {
        assert_eq!(via(bad), Err(FieldError::Via), "{bad:?}");
    }
}

#[test]
fn our_own_via_asks_for_rport() {
    assert_eq!(
        Via::own(socket("192.0.2.1:5060"), "z9hG4bKx").to_bytes(),
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport"
    );
    assert_eq!(
        Via::own(socket("[2001:db8::1]:5060"), "z9hG4bKx").to_bytes(),
        "SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKx;rport"
    );
}

#[test]
fn the_source_is_stamped_by_rfc_3261_and_rfc_3581() {
    let stamped = |text, source| {
        let mut via = via(text).unwrap();
        via.stamp_source(socket(source));
        (String::from_utf8(via.to_bytes().to_vec()).unwrap(), via.response_address())
    };
    // §18.2.1: received only when the source differs from sent-by; §18.2.2: the port of sent-by.
    assert_eq!(
        stamped("SIP/2.0/UDP 192.0.2.1:5070;branch=b", "192.0.2.1:9999"),
        ("SIP/2.0/UDP 192.0.2.1:5070;branch=b".to_owned(), Some(socket("192.0.2.1:5070")))
    );
    assert_eq!(
        stamped("SIP/2.0/UDP host.example.com;branch=b", "192.0.2.1:9999"),
        (
            "SIP/2.0/UDP host.example.com;branch=b;received=192.0.2.1".to_owned(),
            Some(socket("192.0.2.1:5060"))
        )
    );
    // RFC 3581 §4: with rport both are written, and the response goes back where the request came from.
    assert_eq!(
        stamped("SIP/2.0/UDP 10.1.1.1;rport;branch=b", "192.0.2.1:9988"),
        (
            "SIP/2.0/UDP 10.1.1.1;rport=9988;branch=b;received=192.0.2.1".to_owned(),
            Some(socket("192.0.2.1:9988"))
        )
    );
    // What a stranger claims to have been stamped already is overwritten.
    assert_eq!(
        stamped("SIP/2.0/UDP 192.0.2.1;rport=1;received=198.51.100.1", "192.0.2.1:9988"),
        ("SIP/2.0/UDP 192.0.2.1;rport=9988;received=192.0.2.1".to_owned(), Some(socket("192.0.2.1:9988")))
    );
    assert_eq!(
        stamped("SIP/2.0/UDP 192.0.2.1;received=198.51.100.1", "192.0.2.1:9988").1,
        Some(socket("192.0.2.1:5060"))
    );
    assert_eq!(via("SIP/2.0/UDP host.example.com").unwrap().response_address(), None);
}
