//! Single values: URIs, Vias and Identities.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_sip::message::{URI_LENGTH_MAX, Uri, Via};
use carillon_sip::passport::{IDENTITY_OCTETS_MAX, canonical, is_certificate_url};
use carillon_sip::verification::Passport;

/// A URI: it is as it was written, is itself, and its parts are parts of it.
pub fn uri(octets: &[u8]) {
    let Ok(uri) = Uri::from_bytes(Bytes::copy_from_slice(octets)) else { return };
    assert!(octets.len() <= URI_LENGTH_MAX);
    assert_eq!(uri.raw().as_bytes(), octets, "as it was written");
    assert!(!uri.raw().bytes().any(|octet| octet.is_ascii_control()), "nothing breaks out of its line");
    assert!(uri.matches(&uri), "a URI is itself");
    for part in [uri.user(), uri.password(), uri.headers(), Some(uri.host()), Some(uri.scheme_name())] {
        assert!(part.is_none_or(|part| uri.raw().contains(part)), "{part:?} of {}", uri.raw());
    }
    let _ = (uri.user_decoded(), uri.socket_addr(), uri.transport(), uri.is_loose_router());
    for (name, _) in uri.params() {
        assert!(uri.param(name).is_some(), "{name} is a parameter of {}", uri.raw());
    }
    let bare = Uri::parse(uri.without_headers()).expect("a URI without its headers is one");
    assert!(bare.headers().is_none());
}

/// An Identity: what is read of it is of it, and its numbers are numbers.
pub fn identity(octets: &[u8]) {
    let Ok(Some(passport)) = Passport::read(octets) else { return };
    assert!(octets.len() <= IDENTITY_OCTETS_MAX);
    let text = std::str::from_utf8(octets).expect("what was read is text");
    assert!(text.contains(passport.signed) && passport.signed.matches('.').count() == 1);
    assert!(text.contains(passport.url) && is_certificate_url(passport.url));
    for number in passport.dest.iter().chain([&passport.orig]) {
        assert_eq!(canonical(number).as_ref(), Some(number), "digits alone");
    }
}

/// A Via: it reads the same once it is written, before and after it was stamped with its source (RFC 3261 §18.2.1).
pub fn via(octets: &[u8]) {
    let Ok(mut via) = Via::parse(&Bytes::copy_from_slice(octets)) else { return };
    let branch = via.branch().map(str::to_owned);
    let same = |via: &Via| {
        let again = Via::parse(&via.to_bytes()).expect("what we wrote is a Via");
        assert_eq!(again.branch().map(str::to_owned), branch);
        assert_eq!(again.response_address(), via.response_address());
    };
    same(&via);
    let source: SocketAddr = "[2001:db8::1]:5061".parse().expect("an address");
    via.stamp_source(source);
    let way_back = via.response_address().map(|address| address.ip());
    assert!(way_back.is_none_or(|ip| ip == source.ip()), "answers go where the request came from");
    same(&via);
}
